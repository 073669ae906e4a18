//! What PostgreSQL runs in no transaction block, VACUUM and its like: nothing is set ahead of it, and what stands
//! around it keeps its zone.

mod support;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use support::message::{self, column, error, failed, fine, kinds};
use support::shared::OnEveryVersion;
use support::wire::ways;
use support::{Stack, StackOptions, Transport, Wire, fixture};

/// Where maintenance and DDL pass, and shop_acme has tables of its own and may make databases.
fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    let lets = "\n[guards]\nmaintenance = \"off\"\nddl-outside-migration = \"off\"\nserver-role = \"off\"\n";
    STACKS.get(|| StackOptions {
        policy: format!("{}{lets}", fixture::POLICY),
        sql: format!(
            "{}\\connect shop\nALTER ROLE shop_acme CREATEDB;\nCREATE SCHEMA own AUTHORIZATION shop_acme;\n\
             SET ROLE shop_acme;\nCREATE TABLE own.things (n int);\nINSERT INTO own.things SELECT generate_series(1, 7);\n\
             RESET ROLE;\n",
            fixture::SQL
        ),
        ..StackOptions::default()
    })
}

/// Statements that wait for all others on their table, or in the database, may wait for each other for ever.
fn in_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shop(stack: &Stack, parameters: &[(&str, &str)]) -> Wire {
    Wire::login_with(
        &stack.login("shop_acme", "shop"),
        Transport::SslRequest,
        parameters,
    )
}

const MINE: &str = "SELECT count(*) FROM orders";

/// The rows of acme, and nobody else's.
#[track_caller]
fn is_acme(wire: &mut Wire) {
    for way in ways() {
        assert_eq!(column(&way(wire, MINE)), ["3"]);
    }
}

#[test]
fn it_runs_for_who_has_a_zone_and_for_who_has_parameters() {
    let _turn = in_turn();
    for stack in stacks() {
        for parameters in [
            &[][..],
            &[("work_mem", "1MB"), ("statement_timeout", "1min")],
        ] {
            for way in ways() {
                let mut wire = shop(&stack, parameters);
                fine(&wire.query("SET lock_timeout = '1min'"));
                is_acme(&mut wire);
                for text in [
                    "VACUUM (ANALYZE) own.things",
                    "VACUUM own.things",
                    "REINDEX TABLE CONCURRENTLY own.things",
                    "REINDEX (CONCURRENTLY) TABLE own.things",
                    "CREATE TABLE own.parted (n int) PARTITION BY LIST (n)",
                    "CREATE TABLE own.part PARTITION OF own.parted FOR VALUES IN (1)",
                    "ALTER TABLE own.parted DETACH PARTITION own.part CONCURRENTLY",
                    "DROP TABLE own.parted, own.part",
                    "REINDEX SCHEMA own",
                    "CLUSTER",
                    "CREATE INDEX CONCURRENTLY things_n ON own.things (n)",
                    "DROP INDEX CONCURRENTLY own.things_n",
                    "CREATE DATABASE made TEMPLATE template0",
                    "DROP DATABASE made",
                ] {
                    let answer = way(&mut wire, text);
                    assert!(error(&answer).is_none(), "{text}: {answer:?}");
                    is_acme(&mut wire);
                }
                assert_eq!(column(&wire.query("SHOW lock_timeout")), ["1min"]);
            }
        }
        let rows = "SELECT reltuples FROM pg_class WHERE relname = 'things'";
        assert_eq!(stack.direct("shop", rows), "7\n");
    }
}

/// The attack: what stands beside it runs without a zone, or with none of what the client has set.
#[test]
fn what_stands_beside_it_keeps_its_zone() {
    let _turn = in_turn();
    for stack in stacks() {
        let mut wire = shop(&stack, &[]);
        // In a block it fails, as PostgreSQL says.
        for way in ways() {
            for before in ["SELECT 1", MINE] {
                fine(&wire.query("BEGIN"));
                fine(&wire.query(before));
                assert_eq!(
                    failed(&way(&mut wire, "VACUUM own.things")),
                    ("25001".into(), 'E')
                );
                fine(&wire.query("ROLLBACK"));
                is_acme(&mut wire);
            }
            fine(&wire.query("BEGIN"));
            fine(&wire.query("SAVEPOINT s"));
            assert_eq!(
                failed(&way(&mut wire, "VACUUM own.things")),
                ("25001".into(), 'E')
            );
            fine(&wire.query("ROLLBACK TO s"));
            is_acme(&mut wire);
            fine(&wire.query("COMMIT"));
        }
        for text in [
            "VACUUM own.things; SELECT count(*) FROM orders",
            "SELECT count(*) FROM orders; VACUUM own.things",
            "VACUUM own.things; VACUUM own.things",
        ] {
            assert_eq!(failed(&wire.query(text)), ("25001".into(), 'I'), "{text}");
            is_acme(&mut wire);
        }
        // In one batch: behind it, whether it ran or not, nobody else's rows.
        for texts in [["VACUUM own.things", MINE], [MINE, "VACUUM own.things"]] {
            let batch = texts.map(|it| message::extended(it, &[])).concat();
            let answer = wire.batch(&batch);
            let rows = column(&answer);
            assert!(rows.is_empty() || rows == ["3"], "{texts:?}: {answer:?}");
            let sqlstate = error(&answer).map(|it| it.sqlstate());
            assert!(
                sqlstate.is_none_or(|it| it == "25001"),
                "{}",
                kinds(&answer)
            );
            is_acme(&mut wire);
        }
        // What may run in a block has its zone.
        for text in ["ANALYZE own.things", "REINDEX TABLE own.things"] {
            fine(&wire.query("BEGIN"));
            fine(&wire.query(text));
            assert_eq!(column(&wire.query("SHOW app.tenant_id")), ["acme"]);
            fine(&wire.query("COMMIT"));
        }
    }
}

/// The attack: an index or a database where the client's own parameters would have it otherwise.
#[test]
fn what_would_do_something_else_fails() {
    let _turn = in_turn();
    for stack in stacks() {
        let mut wire = shop(&stack, &[]);
        fine(&wire.query("SET search_path = own"));
        for way in ways() {
            let answer = way(
                &mut wire,
                "CREATE INDEX CONCURRENTLY elsewhere ON things (n)",
            );
            assert_eq!(failed(&answer), ("25001".into(), 'I'));
        }
        fine(&wire.query("RESET search_path"));
        fine(&wire.query("SET default_transaction_read_only = on"));
        for way in ways() {
            let answer = way(&mut wire, "CREATE DATABASE unwanted TEMPLATE template0");
            assert!(error(&answer).is_some());
        }
        let made = "SELECT count(*) FROM pg_database WHERE datname = 'unwanted'";
        assert_eq!(stack.direct("shop", made), "0\n");
        assert_eq!(
            stack.direct(
                "shop",
                "SELECT count(*) FROM pg_class WHERE relname = 'elsewhere'"
            ),
            "0\n"
        );
    }
}
