//! What PostgreSQL runs in no transaction block, and not behind another statement of its transaction.

use super::token::Kind;
use super::view::View;

/// Is it one of those, by its words? What may run in a block as well is none.
pub(super) fn is(view: View<'_>) -> bool {
    const OF_THE_CLUSTER: [&str; 3] = ["database", "tablespace", "subscription"];
    let word = |at, keyword| view.is(at, keyword);
    match view.word(0).to_ascii_lowercase().as_slice() {
        b"vacuum" => true,
        b"create" if view.is_any(1, &OF_THE_CLUSTER) => true,
        b"create" => {
            let at = 1 + usize::from(word(1, "unique"));
            word(at, "index") && word(at + 1, "concurrently")
        }
        b"drop" => view.is_any(1, &OF_THE_CLUSTER) || (word(1, "index") && word(2, "concurrently")),
        b"alter" => {
            let moves = word(1, "database") && word(3, "set") && word(4, "tablespace");
            word(1, "system") || (moves && view.tokens.len() == 6) || detaches_concurrently(view)
        }
        b"reindex" => {
            let at = behind_options(view);
            let concurrently = word(at + 1, "concurrently") || has_option(view, at, "concurrently");
            concurrently || view.is_any(at, &["database", "system", "schema"])
        }
        // Without a table: every one that was clustered before, each in its own transaction.
        b"cluster" => {
            let at = behind_options(view);
            view.tokens.len() == at + usize::from(word(at, "verbose"))
        }
        _ => false,
    }
}

/// Where it goes on behind `(VERBOSE)` and the like.
fn behind_options(view: View<'_>) -> usize {
    match view.is_kind(1, Kind::Open) {
        true => view.behind_parens(1),
        false => 1,
    }
}

/// Does the last option of this name in the parentheses, which end before `end`, switch it on? PostgreSQL takes a name
/// alone for that; what else it takes and is not told here runs in a block.
fn has_option(view: View<'_>, end: usize, name: &str) -> bool {
    let is_option = |at: usize| matches!(view.kind(at - 1), Some(Kind::Open | Kind::Comma));
    let last = (2..end)
        .rev()
        .find(|at| view.is(*at, name) && is_option(*at));
    last.is_some_and(|at| {
        let alone = matches!(view.kind(at + 1), Some(Kind::Comma | Kind::Close));
        alone || view.is_any(at + 1, &["true", "on"])
    })
}

/// `ALTER TABLE t DETACH PARTITION p CONCURRENTLY`.
fn detaches_concurrently(view: View<'_>) -> bool {
    let last = view.tokens.len().saturating_sub(1);
    let detaches = |at: usize| view.is(at, "detach") && view.is(at + 1, "partition");
    let several = || (2..last).any(|at| view.is_kind(at, Kind::Comma));
    view.is(1, "table") && view.is(last, "concurrently") && (2..last).any(detaches) && !several()
}

#[cfg(test)]
mod tests {
    use super::super::describe;

    #[test]
    fn what_may_run_in_a_block_is_none() {
        let is = |text: &str| describe(text.as_bytes()).statements[0].alone;
        for text in [
            "VACUUM",
            "vacuum (analyze) t",
            "create database d",
            "drop database if exists d",
            "create tablespace s location '/x'",
            "drop tablespace s",
            "alter system set work_mem = '1MB'",
            "alter system reset all",
            "alter database d set tablespace s",
            "reindex database d",
            "reindex (verbose) system d",
            "reindex schema s",
            "reindex table concurrently t",
            "reindex (concurrently) table t",
            "reindex (verbose, CONCURRENTLY true) index i",
            "reindex (concurrently on, tablespace s) table t",
            "alter table t detach partition p concurrently",
            "alter table if exists s.t detach partition s.p concurrently",
            "cluster",
            "cluster verbose",
            "cluster (verbose)",
            "create unique index concurrently i on t (n)",
            "create index concurrently on t (n)",
            "drop index concurrently i",
            "create subscription s connection '' publication p",
            "drop subscription s",
        ] {
            assert!(is(text), "{text}");
        }
        for text in [
            "analyze t",
            "explain select 1",
            "reindex table t",
            "reindex (concurrently false) table t",
            "reindex (concurrently off) table t",
            "reindex (concurrently 0) table t",
            "reindex (tablespace concurrently) table t",
            "alter table t add detach partition, add c concurrently",
            "alter table t detach partition p",
            "alter table t detach partition p finalize",
            "alter table t detach partition \"concurrently\"",
            "reindex index \"concurrently\"",
            "reindex table \"database\"",
            "cluster t",
            "cluster verbose t",
            "cluster (verbose) t using i",
            "create index i on t (n)",
            "create index \"concurrently\" on t (n)",
            "drop index i",
            "drop table \"concurrently\"",
            "alter database d set work_mem = '1MB'",
            "alter database d set app.tenant_id from current",
            "alter database d set tablespace to s",
            "create table database (n int)",
            "refresh materialized view concurrently v",
            "select 1 as vacuum",
        ] {
            assert!(!is(text), "{text}");
        }
    }
}
