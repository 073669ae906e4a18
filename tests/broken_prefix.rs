//! When the zone cannot be set, nothing runs, nobody hangs, and nothing is left on the server.

mod support;

use support::fixture::POLICY;
use support::message::{self, Message, column, extended, failed, fine, kinds};
use support::shared::VERSIONS;
use support::{Stack, StackOptions, Wire};

/// The server refuses to set this parameter: its prefix belongs to a library that is loaded and
/// does not know it.
fn start(number: usize) -> Stack {
    let (version, pooler) = VERSIONS[number];
    Stack::start(StackOptions {
        version,
        pooler,
        policy: POLICY.replace("app.tenant_id", "plpgsql.zone"),
        postgresql: vec![("session_preload_libraries", "plpgsql")],
        pool_size: 1,
        ..StackOptions::default()
    })
}

const INSERT: &str = "INSERT INTO orders (tenant_id, note) VALUES ('acme', 'no zone')";

/// The server's own words about the parameter.
#[track_caller]
fn not_set(messages: &[Message], status: char) {
    assert_eq!(
        failed(messages),
        ("42602".into(), status),
        "{}",
        kinds(messages)
    );
    assert!(
        matches!(kinds(messages).as_str(), "EZ" | "1EZ"),
        "{}",
        kinds(messages)
    );
}

fn fails_closed(number: usize) {
    let stack = start(number);
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    for _ in 0..3 {
        not_set(&wire.query(INSERT), 'I');
        not_set(&wire.query(&format!("{INSERT}; {INSERT}")), 'I');
        not_set(&wire.batch(&extended(INSERT, &[])), 'I');
        // Two batches and a Query, sent ahead.
        let batch = [extended(INSERT, &[]), message::sync()].concat();
        wire.send(&[batch.clone(), batch, message::query(INSERT)].concat());
        for _ in 0..3 {
            not_set(&wire.receive_until(b'Z'), 'I');
        }
        // Behind messages that no Sync has ended.
        let unsynced = [
            message::parse("", INSERT),
            message::query(INSERT),
            message::sync(),
        ];
        wire.send(&unsynced.concat());
        not_set(&wire.receive_until(b'Z'), 'I');
        if kinds(&wire.receive_until(b'Z')) != "Z" {
            panic!("the Sync has an answer of its own");
        }
        for simple in [true, false] {
            assert_eq!(fine(&wire.query("BEGIN")), 'T');
            let answer = match simple {
                true => wire.query(INSERT),
                false => wire.batch(&extended(INSERT, &[])),
            };
            not_set(&answer, 'E');
            assert_eq!(failed(&wire.query(INSERT)), ("25P02".into(), 'E'));
            assert_eq!(fine(&wire.query("ROLLBACK")), 'I');
        }
    }
    let written = "SELECT count(*) FROM orders WHERE note = 'no zone'";
    assert_eq!(stack.direct("shop", written), "0\n");
    // The pool has one connection: no name of ours is left on it.
    let mut past = Wire::login(&stack.login_at(stack.transaction_port, "shop_acme", "shop"));
    let names = past.query("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'pc\\_%'");
    assert_eq!(column(&names), ["0"]);
    // A login without a zone is not concerned.
    let mut plain = Wire::login(&stack.login("shop_plain", "app"));
    assert_eq!(column(&plain.query("SELECT 1")), ["1"]);
}

#[test]
fn a_zone_that_cannot_be_set_fails_closed_on_postgresql_15() {
    fails_closed(0);
}

#[test]
fn a_zone_that_cannot_be_set_fails_closed_on_postgresql_17() {
    fails_closed(1);
}

#[test]
fn a_zone_that_cannot_be_set_fails_closed_on_postgresql_18() {
    fails_closed(2);
}
