//! PostgreSQL's own relations: who writes to them does by hand what DDL and GRANT do.

use std::sync::LazyLock;

use pg_raw_parse::nodes;

use super::{Class, ClassSet, Details, QualifiedName};

/// Tables and views of `pg_catalog` in PostgreSQL 15, 17 and 18 after initdb, sorted bytewise, but for
/// `pg_settings`: an UPDATE of it is a SET.
static RELATIONS: LazyLock<Box<[&str]>> =
    LazyLock::new(|| include_str!("catalogs.txt").lines().collect());

/// Types of `pg_catalog` that are no rows of relations, in PostgreSQL 15, 17 and 18, sorted bytewise; without those that
/// begin with `pg_`, and without the arrays, which have an underscore before the name.
static TYPES: LazyLock<Box<[&str]>> = LazyLock::new(|| include_str!("types.txt").lines().collect());

/// Roles, their memberships, settings and default privileges.
const ROLES: [&str; 8] = [
    "pg_auth_members",
    "pg_authid",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_group",
    "pg_roles",
    "pg_shadow",
    "pg_user",
];

/// Does the name mean a relation of PostgreSQL's own? Without a schema only one that has a name of
/// PostgreSQL's: `pg_catalog` is searched first, but for temporary tables. The catalogs of other versions are
/// only with their schema.
pub fn is_catalog(name: &QualifiedName) -> bool {
    match name.schema.as_deref() {
        None => *name.name == *"pg_settings" || RELATIONS.binary_search(&&*name.name).is_ok(),
        Some(schema) => matches!(schema, "pg_catalog" | "information_schema"),
    }
}

/// Has a type of PostgreSQL's own this name, or an array of one? Where a temporary table is called so, the name without a
/// schema means a row of that table.
pub fn is_type(name: &str) -> bool {
    let item = name.strip_prefix('_').unwrap_or(name);
    item.starts_with("pg_") || TYPES.binary_search(&item).is_ok()
}

/// What writing to `relation` is beside a write; adds to the details if it is more.
///
/// Without a schema a name of PostgreSQL's means its own relation: `pg_catalog` is searched first.
pub(super) fn written(relation: Option<&nodes::RangeVar>, details: &mut Details) -> ClassSet {
    let Some(name) = relation.and_then(nodes::RangeVar::relname) else {
        return ClassSet::EMPTY;
    };
    let own = match relation.and_then(nodes::RangeVar::schemaname) {
        None => {
            // Citus keeps its own there, too. pg_net's anybody may write to, if the search_path finds it.
            name.starts_with("pg_dist_")
                || name == "http_request_queue"
                || name.starts_with("pg_") && RELATIONS.binary_search(&name).is_ok()
        }
        Some("pg_catalog") => name != "pg_settings",
        Some("information_schema" | "pg_toast") => true,
        Some(schema) => is_run(schema, name),
    };
    if !own {
        return ClassSet::EMPTY;
    }
    details.catalog = true;
    ClassSet::of(match ROLES.contains(&name) {
        true => Class::Role,
        false => Class::Ddl,
    })
}

/// Relations of extensions that run what stands there, or send it to other servers, as somebody else.
fn is_run(schema: &str, name: &str) -> bool {
    match schema {
        "cron" => matches!(name, "job" | "job_run_details"),
        "net" => name == "http_request_queue",
        "pgagent" => name.starts_with("pga_"),
        "pglogical" | "spock" => name == "queue",
        "pgtle" => name == "feature_info",
        "squeeze" => name == "tables",
        "_timescaledb_catalog" | "_timescaledb_config" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::describe;
    use super::{RELATIONS, TYPES, is_type};

    #[test]
    fn what_an_extension_runs_is_not_written_as_rows() {
        let is_ddl = |text: &str| describe(text.as_bytes()).statements[0].details.catalog;
        for text in [
            "insert into cron.job (command) values ('x')",
            "update net.http_request_queue set url = 'x' where id = 1",
            "insert into http_request_queue (url) values ('x')",
            "copy pgagent.pga_jobstep from stdin",
            "delete from _timescaledb_config.bgw_job where id = 1",
            "with x as (insert into pglogical.queue values (1) returning 1) select 1",
            "update pg_dist_partition set partmethod = 'n' where true",
        ] {
            assert!(is_ddl(text), "{text}");
        }
        for text in [
            "insert into job (command) values ('x')",
            "insert into cron.notes values (1)",
            "update net.hosts set url = 'x' where id = 1",
            "insert into shop.http_request_queue values (1)",
            "insert into queue values (1)",
            "delete from tables where id = 1",
            "insert into pg_search_documents values (1)",
        ] {
            assert!(!is_ddl(text), "{text}");
        }
    }

    #[test]
    fn names_are_sorted() {
        assert!(RELATIONS.is_sorted() && RELATIONS.len() > 130);
        assert!(!RELATIONS.contains(&"pg_settings"));
        assert!(TYPES.is_sorted() && TYPES.len() > 90);
    }

    #[test]
    fn types_and_their_arrays_are_known() {
        for name in [
            "text",
            "char",
            "_int4",
            "xid",
            "xml",
            "aclitem",
            "pg_lsn",
            "_pg_class",
        ] {
            assert!(is_type(name), "{name}");
        }
        for name in ["texts", "Text", "integer", "__int4", "_", "", "tmp_text"] {
            assert!(!is_type(name), "{name}");
        }
    }
}
