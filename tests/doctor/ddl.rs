//! Who sends DDL today: by pg_stat_statements, wherever it is, without a word of the statements.

use super::common::*;
use crate::support::{self, NEW, OLD, Stack, StackOptions};

#[test]
fn who_sends_ddl_is_named_with_the_commands_alone() {
    for (version, pooler) in [OLD, NEW] {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            proxy: false,
            postgresql: vec![("shared_preload_libraries", "pg_stat_statements")],
            ..StackOptions::default()
        });
        let boss = superuser(&stack);
        let report = examined(&boss, &["--read-only"]);
        assert!(found(&report, "ddl-sent").is_empty(), "no extension yet");
        stack.direct(
            "shop",
            "CREATE SCHEMA \"Stat's\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Stat's\"; \
             GRANT USAGE ON SCHEMA \"Stat's\" TO PUBLIC; SELECT \"Stat's\".pg_stat_statements_reset()",
        );
        for (user, script) in [
            (
                "migrator",
                "CREATE TABLE late (id int); ALTER TABLE late ADD COLUMN secret_word text DEFAULT 'hunter2';",
            ),
            ("migrator", "EXPLAIN ANALYZE CREATE TABLE later AS SELECT 1"),
            // No migration session is what these need.
            (
                "shop_acme",
                "CREATE TEMPORARY TABLE t (a int); DROP TABLE pg_temp.t",
            ),
            // Words alone are none.
            (
                "shop_acme",
                "SELECT note AS \"drop\" FROM orders WHERE note = 'create table x'; BEGIN; COMMIT",
            ),
        ] {
            stack.psql(&direct(&stack, user), script).ok();
        }
        stack.direct("app", "CREATE TABLE of_another_database (id int)");
        let said = doctor(&boss, &["--read-only", "--json"]);
        let report = said.json();
        assert_eq!(
            objects(&report, "ddl-sent"),
            ["migrator (ALTER TABLE, CREATE TABLE, CREATE TABLE AS)"],
            "{version:?}"
        );
        assert!(!said.stdout.contains("hunter2") && !said.stdout.contains("secret_word"));
        assert_eq!(found(&report, "ddl-sent")[0]["word"], "note");

        // Others see their own texts only, until they may see all.
        let stranger = direct(&stack, "shop_plain");
        let blind = examined(&stranger, &["--read-only"]);
        assert!(found(&blind, "ddl-sent").is_empty());
        let unseen = found(&blind, "not-seen").into_iter().find(|finding| {
            let text = finding["text"].as_str();
            text.is_some_and(|text| text.contains("ddl-sent"))
        });
        let mend = &unseen.expect("a note")["sql"][0];
        assert_eq!(mend, "GRANT pg_read_all_stats TO shop_plain");
        stack.direct("shop", mend.as_str().expect("a statement"));
        let seeing = examined(&stranger, &["--read-only"]);
        assert!(
            objects(&seeing, "ddl-sent")
                .iter()
                .any(|login| login.starts_with("migrator (")),
            "{seeing}"
        );
    }
}

/// Installed, and not loaded: PostgreSQL refuses, and the doctor says so.
#[test]
fn statistics_that_are_not_kept_are_said_to_be_unseen() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql: format!(
            "{}\\connect shop\nCREATE EXTENSION pg_stat_statements;",
            support::fixture::SQL
        ),
        ..StackOptions::default()
    });
    let report = examined(&superuser(&stack), &["--read-only"]);
    let unseen = found(&report, "not-seen");
    assert_eq!(unseen.len(), 1, "{report}");
    let text = unseen[0]["text"].as_str().expect("a text");
    assert!(
        text.starts_with("not seen: ddl-sent: pg_stat_statements must be loaded"),
        "{text}"
    );
}
