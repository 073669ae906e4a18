//! When the zone cannot be set, nothing runs, nobody hangs, and nothing is left on the server.

mod support;

use support::cancel::cancel_from;
use support::fixture::{POLICY, password};
use support::message::{self, Message, column, extended, failed, fine, kinds};
use support::process::wait_until;
use support::shared::VERSIONS;
use support::{Stack, StackOptions, Transport, User, Wire};

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

/// What the next client of the one server connection would meet.
#[track_caller]
fn no_name_is_left(stack: &Stack) {
    let mut past = Wire::login(&stack.login_at(stack.transaction_port, "shop_acme", "shop"));
    let names = past.query("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'pc\\_%'");
    assert_eq!(column(&names), ["0"]);
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
    no_name_is_left(&stack);
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

/// A superuser who holds up whoever sets `default_tablespace`: its check reads a catalog.
struct Holder(Wire);

impl Holder {
    fn of(stack: &Stack) -> Self {
        let login = stack.login_at(stack.cluster.port, HOLDER, "shop");
        let mut wire = Wire::login_with(&login, Transport::Plain, &[]);
        fine(&wire.query("BEGIN; LOCK TABLE pg_catalog.pg_tablespace"));
        Self(wire)
    }

    /// Is it a prefix that waits? Others would be held up while they look.
    fn has_a_prefix(&mut self) -> bool {
        let waiting = "SELECT pg_stat_clear_snapshot();
                       SELECT coalesce(bool_or(query LIKE 'select 1 from unnest(%'), false) FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE relation = 'pg_tablespace'::regclass AND NOT granted";
        column(&self.0.query(waiting)) == ["", "t"]
    }

    fn lets_go(mut self) {
        fine(&self.0.query("ROLLBACK"));
    }
}

const HOLDER: &str = "holder";

/// The prefix itself is cancelled, while the statement that sets the zone runs at the server: nothing of the client's
/// runs, and its name is in nobody's way.
fn is_cancelled(number: usize) {
    let (version, pooler) = VERSIONS[number];
    let stack = Stack::start(StackOptions {
        version,
        pooler,
        users: vec![User {
            attributes: "SUPERUSER".into(),
            ..User::new(HOLDER, &password(HOLDER))
        }],
        pool_size: 1,
        ..StackOptions::default()
    });
    let count = "SELECT count(*) FROM orders";
    let login = stack.login("shop_acme", "shop");
    // Set in the prefix, beside the zone.
    let slow = [("default_tablespace", "pg_default")];
    let mut wire = Wire::login_with(&login, Transport::SslRequest, &slow);
    // First its statement is parsed each time; in the end it is kept, where the pool follows names.
    for ahead in [0, 1, 12] {
        for _ in 0..ahead {
            assert_eq!(column(&wire.query(count)), ["3"]);
        }
        for begun in [false, true] {
            for sent in [
                message::query(INSERT),
                [extended(INSERT, &[]), message::sync()].concat(),
            ] {
                if begun {
                    assert_eq!(fine(&wire.query("BEGIN")), 'T');
                }
                let mut holder = Holder::of(&stack);
                wire.send(&sent);
                wait_until("the prefix waits", || holder.has_a_prefix());
                cancel_from([127, 0, 0, 1], stack.port, &wire.cancel_key);
                let status = if begun { 'E' } else { 'I' };
                let answer = wire.receive_until(b'Z');
                assert_eq!(failed(&answer), ("57014".into(), status));
                holder.lets_go();
                if begun {
                    assert_eq!(failed(&wire.query(INSERT)), ("25P02".into(), 'E'));
                    assert_eq!(fine(&wire.query("ROLLBACK")), 'I');
                }
                // The pool has one connection, and it is the next client's.
                no_name_is_left(&stack);
                let mut next = Wire::login_with(&login, Transport::SslRequest, &slow);
                assert_eq!(column(&next.query(count)), ["3"]);
                assert_eq!(column(&next.batch(&extended(count, &[]))), ["3"]);
                drop(next);
                assert_eq!(column(&wire.batch(&extended(count, &[]))), ["3"]);
            }
        }
    }
    assert_eq!(
        stack.direct("shop", "SELECT count(*) FROM orders"),
        "5\n",
        "of what was cancelled nothing ran"
    );
    fine(&wire.query(INSERT));
    let written = "SELECT tenant_id FROM orders WHERE note = 'no zone'";
    assert_eq!(stack.direct("shop", written), "acme\n");
}

#[test]
fn a_cancelled_prefix_leaves_nothing_on_postgresql_15() {
    is_cancelled(0);
}

#[test]
fn a_cancelled_prefix_leaves_nothing_on_postgresql_17() {
    is_cancelled(1);
}

#[test]
fn a_cancelled_prefix_leaves_nothing_on_postgresql_18() {
    is_cancelled(2);
}
