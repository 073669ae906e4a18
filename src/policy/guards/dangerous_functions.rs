//! `dangerous-functions`: functions that get past the text of the statement.

use crate::policy::pattern::NamePattern;
use crate::policy::rights::{in_expand_session, in_migration_session};
use crate::policy::rule::may_name;
use crate::policy::{Objection, State, Who};
use crate::sql::{Details, Facts, FunctionGroup, QualifiedName, group};

/// Objects to functions that run text as SQL, touch files, other backends or other connections, or
/// change the schema by way of an extension, and to those that the policy denies.
///
/// Not its business: `set_config` (judged by the parameter it sets), large objects, sequences,
/// notifications, session locks and settings.
/// A migration session may use them, except for files; not one that may only add to the schema,
/// since what they run or end could take something away.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    let migrating = in_migration_session(who, state);
    let free = migrating && !in_expand_session(who, state);
    let allowed = &who.policy.options.allowed_functions;
    let objectionable =
        |name: &&str| !is_free(name) && !allowed.contains(name) && (!free || touches_files(name));
    let known = facts.statements.iter().find_map(|statement| {
        let name = statement.functions.iter().copied().find(objectionable)?;
        Some(not_allowed(name).at(statement.position))
    });
    known.or_else(|| match migrating {
        true => None,
        false => denied(facts, &who.policy.options.denied_functions),
    })
}

fn not_allowed(name: &str) -> Objection {
    let detail = match group(name) {
        Some(FunctionGroup::Server)
            if matches!(name, "pg_cancel_backend" | "pg_terminate_backend") =>
        {
            return Objection::new(format!("function {name}() is not allowed"))
                .detail("It ends what others run: behind a pool the process of pg_backend_pid() serves another client by then")
                .hint("Have the driver cancel by the protocol (CancelRequest, as PQcancel() and Statement.cancel() do), or set statement_timeout");
        }
        Some(FunctionGroup::HiddenRows) => {
            return Objection::new(format!("relation {name} is not allowed"))
                .detail("It has values of rows that row-level security hides")
                .hint("Read pg_stats or pg_stats_ext, which show those of rows that may be read");
        }
        Some(FunctionGroup::ExtensionDdl) => {
            "It changes the schema, or plans work that does, by way of an extension"
        }
        Some(FunctionGroup::Storage) => "It changes or shows how an index is stored",
        _ => "It runs text as SQL, or touches files, other connections or other servers",
    };
    Objection::new(format!("function {name}() is not allowed"))
        .detail(detail)
        .hint("Write the statement without it")
}

/// The first call of a function that the policy denies; where calls are not known it could be any.
fn denied(facts: &Facts, denied: &[NamePattern]) -> Option<Objection> {
    if denied.is_empty() {
        return None;
    }
    facts.statements.iter().find_map(|statement| {
        let objection = match &statement.details.calls {
            None if may_name(statement) => {
                Objection::unknown_names(statement, "the functions that it calls are not known")
                    .detail("One of them could be denied")
            }
            None => return None,
            Some(calls) => {
                let is_denied = |call: &QualifiedName| denied.iter().any(|name| name.fits(call));
                match calls.iter().find(|call| is_denied(call)) {
                    Some(call) => Objection::new(format!("function {call}() is not allowed"))
                        .detail("The policy denies it")
                        .hint("Write the statement without it"),
                    None => hidden(&statement.details, is_denied)?,
                }
            }
        };
        Some(objection.at(statement.position))
    })
}

/// Calls that do not look like any: `t.f`, and operators outside `pg_catalog`.
fn hidden(details: &Details, is_denied: impl Fn(&QualifiedName) -> bool) -> Option<Objection> {
    let fields = details.fields().iter().map(|field| QualifiedName {
        schema: None,
        name: field.name.clone(),
    });
    if let Some(field) = fields.into_iter().find(is_denied) {
        let name = field.name;
        return Some(
            Objection::new(format!("function {name}() is not allowed"))
                .detail("The policy denies it, and a name behind a dot calls it where there is no such column")
                .hint("If it is a column, write it without its table"),
        );
    }
    let operator = details.operators().first()?.to_string();
    Some(
        Objection::new(format!("operator {operator} is not allowed"))
            .detail("The policy denies functions, and an operator calls one that is not named")
            .hint("Write the operator without its schema"),
    )
}

/// Watched by others, or by nobody yet.
fn is_free(name: &str) -> bool {
    use FunctionGroup::*;
    matches!(
        group(name),
        Some(
            Settings
                | LargeObjects
                | SessionLocks
                | Sequences
                | SessionNumbers
                | SessionSettings
                | Notifications
        )
    )
}

/// Reads, writes or lists files on the server; an unknown name could.
fn touches_files(name: &str) -> bool {
    matches!(group(name), Some(FunctionGroup::Files) | None)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::Guard;
    use crate::sql::Class;

    #[test]
    fn functions_that_get_past_the_text_are_refused() {
        for name in [
            "query_to_xml",
            "pg_read_file",
            "lo_import",
            "dblink",
            "pg_terminate_backend",
        ] {
            let message = format!("function {name}() is not allowed");
            assert_refused(
                &calls(&[name]),
                &acme(),
                CLOSED,
                Guard::DangerousFunctions,
                &message,
            );
            assert_refused(
                &calls(&["set_config", name]),
                &acme(),
                CLOSED,
                Guard::DangerousFunctions,
                &message,
            );
        }
    }

    #[test]
    fn who_cancels_by_sql_is_told_of_the_protocols_way() {
        let cancels = calls(&["pg_cancel_backend"]);
        let refusal = super::judge(&cancels, &acme(), CLOSED).expect("an objection");
        let hint = format!("{refusal:?}");
        assert!(hint.contains("CancelRequest"), "{hint}");
        let others = super::judge(&calls(&["pg_reload_conf"]), &acme(), CLOSED);
        assert!(!format!("{others:?}").contains("CancelRequest"));
    }

    #[test]
    fn settings_large_objects_and_locks_are_the_business_of_others() {
        assert_allowed(
            &calls(&["set_config", "lo_open", "loread", "pg_advisory_unlock_all"]),
            &acme(),
            CLOSED,
        );
    }

    #[test]
    fn the_policy_allows_some_and_denies_others() {
        let guards = "[guards.dangerous-functions]\nallow = [\"pg_cancel_backend\"]\ndeny = [\"run_sql\", \"util.exec_*\"]";
        let acme = who_under(&policy(guards), "shop_acme", "shop");
        let calling = |guarded: &[&'static str], calls: &[&str]| {
            let mut text = super::super::fixture::calls(guarded);
            text.statements[0].details.calls =
                Some(calls.iter().map(|name| qualified(name)).collect());
            text
        };
        let cancel = "pg_cancel_backend";
        assert_allowed(&calling(&[cancel], &[cancel]), &acme, CLOSED);
        let message = "function pg_terminate_backend() is not allowed";
        let both = calling(&[cancel, "pg_terminate_backend"], &[]);
        assert_refused(&both, &acme, CLOSED, Guard::DangerousFunctions, message);
        for name in ["run_sql", "public.run_sql", "util.exec_all"] {
            let message = format!("function {name}() is not allowed");
            let text = calling(&[], &["lower", name]);
            assert_refused(&text, &acme, CLOSED, Guard::DangerousFunctions, &message);
            let detail = refused(&text, &acme, CLOSED).detail;
            assert!(detail.starts_with("The policy denies it. "), "{detail}");
            assert_allowed(&text, &who_under(&policy(guards), "migrator", "shop"), OPEN);
        }
        assert_allowed(&calling(&[], &["lower", "other.exec_all"]), &acme, CLOSED);
        refused(&facts("SELECT", &[Class::Read]), &acme, CLOSED);
        assert_allowed(&facts("COMMIT", &[Class::Transaction]), &acme, CLOSED);
    }

    /// As it stands on the page.
    #[test]
    fn monitoring_may_measure_directories_and_read_no_file() {
        let page = super::super::page(Guard::DangerousFunctions);
        let example = page.split("\n    [guards.dangerous-functions]\n    allow = ");
        let allow = example
            .filter_map(|it| it.lines().next())
            .find(|it| it.contains("pg_ls_waldir"));
        let allow = allow.expect("an example");
        let guards = format!("[guards.dangerous-functions]\nallow = {allow}\n");
        let text = |text: &str| crate::sql::describe(text.as_bytes());
        let acme = who_under(&policy(&guards), "shop_acme", "shop");
        let strict = super::super::fixture::acme();
        for query in [
            // postgres_exporter's.
            "SELECT COUNT(*) AS segments, SUM(size) AS size FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'",
            "select count(*) from pg_ls_archive_statusdir() where name like '%.ready'",
            "select sum(size) from pg_catalog.pg_ls_logdir()",
            "select sum(size) from pg_tablespace t, pg_ls_tmpdir(t.oid)",
        ] {
            assert_allowed(&text(query), &acme, CLOSED);
            refused(&text(query), &strict, CLOSED);
        }
        for query in [
            "select pg_ls_dir('pg_wal')",
            "select pg_stat_file(name) from pg_ls_waldir()",
            "select pg_read_file('log/' || name) from pg_ls_logdir()",
            "select * from pg_ls_replslotdir('s')",
        ] {
            refused(&text(query), &acme, CLOSED);
        }
    }

    #[test]
    fn what_is_denied_may_hide_behind_a_dot_or_an_operator() {
        let guards = "[guards.dangerous-functions]\ndeny = [\"run_sql\", \"util.exec_*\"]";
        let acme = who_under(&policy(guards), "shop_acme", "shop");
        let text = |text: &str| {
            let facts = crate::sql::describe_at(text.as_bytes(), crate::sql::Depth::Names);
            assert_eq!(facts.undescribed, None, "{text}");
            facts
        };
        for query in [
            "select x.run_sql from unnest(array['drop table orders']) x",
            "select x.U&\"run\\005fsql\" from unnest(array['']) x",
            "select orders.run_sql from orders",
            "select public.orders.exec_all from orders",
            "update orders o set note = (select o.run_sql)",
            "select 1 from orders o where o.run_sql is null",
            "select 1 operator(util.+) 2",
        ] {
            refused(&text(query), &acme, CLOSED);
        }
        for query in [
            "select run_sql from orders",
            "select o.id, o.exec, o.run_sql2 from orders o order by o.id using operator(pg_catalog.<)",
            "select 1 + 2",
        ] {
            assert_allowed(&text(query), &acme, CLOSED);
        }
    }

    #[test]
    fn a_migration_may_use_them_but_for_files() {
        assert_allowed(
            &calls(&["query_to_xml", "pg_terminate_backend"]),
            &migrator(),
            OPEN,
        );
        let message = "function pg_read_file() is not allowed";
        assert_refused(
            &calls(&["pg_read_file"]),
            &migrator(),
            OPEN,
            Guard::DangerousFunctions,
            message,
        );
    }
}
