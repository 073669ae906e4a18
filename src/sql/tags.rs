//! The command tags that a statement can have here.

use super::objects;

/// The tags that are not CREATE, ALTER or DROP of an object.
const OTHERS: [&str; 76] = [
    "???",
    "ALTER",
    "ALTER DEFAULT PRIVILEGES",
    "ALTER ROLE",
    "ALTER SYSTEM",
    "ALTER_REPLICATION_SLOT",
    "ANALYZE",
    "BASE_BACKUP",
    "BEGIN",
    "CALL",
    "CHECKPOINT",
    "CLOSE CURSOR",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COMMIT PREPARED",
    "COPY",
    "CREATE",
    "CREATE ROLE",
    "CREATE TABLE AS",
    "CREATE_REPLICATION_SLOT",
    "DEALLOCATE",
    "DEALLOCATE ALL",
    "DECLARE CURSOR",
    "DELETE",
    "DISCARD ALL",
    "DISCARD PLANS",
    "DISCARD SEQUENCES",
    "DISCARD TEMP",
    "DO",
    "DROP",
    "DROP OWNED",
    "DROP ROLE",
    "DROP_REPLICATION_SLOT",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "GRANT ROLE",
    "IDENTIFY_SYSTEM",
    "IMPORT FOREIGN SCHEMA",
    "INSERT",
    "LISTEN",
    "LOAD",
    "LOCK TABLE",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "PREPARE",
    "PREPARE TRANSACTION",
    "READ_REPLICATION_SLOT",
    "REASSIGN OWNED",
    "REFRESH MATERIALIZED VIEW",
    "REINDEX",
    "RELEASE",
    "REPACK",
    "RESET",
    "REVOKE",
    "REVOKE ROLE",
    "ROLLBACK",
    "ROLLBACK PREPARED",
    "SAVEPOINT",
    "SECURITY LABEL",
    "SELECT",
    "SELECT INTO",
    "SET",
    "SET CONSTRAINTS",
    "SHOW",
    "START TRANSACTION",
    "START_REPLICATION",
    "TIMELINE_HISTORY",
    "TRUNCATE TABLE",
    "UNLISTEN",
    "UPDATE",
    "UPLOAD_MANIFEST",
    "VACUUM",
];

/// Every command tag that [`super::Statement::tag`] can be.
pub fn tags() -> impl Iterator<Item = &'static str> {
    OTHERS.into_iter().chain(objects::tags())
}

#[cfg(test)]
mod tests {
    use super::super::{describe, first_opinion_alone};
    use super::tags;

    #[test]
    fn what_statements_are_called_is_among_them() {
        for text in [
            "select 1",
            "select 1 into t",
            "create table t as select 1",
            "create user u",
            "drop owned by u",
            "alter default privileges grant select on tables to u",
            "alter system set work_mem = 1",
            "discard temp",
            "set constraints all deferred",
            "rollback prepared 'x'",
            "prepare transaction 'x'",
            "declare c cursor for select 1",
            "deallocate all",
            "grant a to b",
            "revoke select on t from b",
            "lock t",
            "create unique index on t (n)",
            "drop function f",
            "truncate t",
            "refresh materialized view v",
            "import foreign schema s from server r into t",
        ] {
            let facts = describe(text.as_bytes());
            let tag = facts.statements[0].tag;
            assert!(tags().any(|known| known == tag), "{text}: {tag}");
        }
        for text in ["IDENTIFY_SYSTEM", "no_such_statement", "create nothing"] {
            let tag = first_opinion_alone(text).unwrap()[0].tag;
            assert!(tags().any(|known| known == tag), "{text}: {tag}");
        }
    }

    #[test]
    fn each_is_there_once() {
        let all: Vec<&str> = tags().collect();
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len());
    }
}
