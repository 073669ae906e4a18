//! The unnamed portal: PostgreSQL drops it with a Query, and one that fails while it runs in a block leaves its own,
//! whose statements are in memory that is freed. Execute of that made PostgreSQL crash, and with it everybody's
//! connections.

use std::sync::Arc;

use crate::support::fixture::POLICY;
use crate::support::message::{
    self, bind, close, column, describe, execute, failed, fine, kinds, parse, query, refused_by,
    sync,
};
use crate::support::shop::acme;
use crate::support::{OnEveryVersion, Stack, StackOptions, Wire};
use crate::{direct, plain};

/// lo_creat.
const LO_CREAT: u32 = 957;

/// shop_plain may call functions of large objects, shop_globex has a server connection of its own.
fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    let policy = POLICY
        .replace(
            "databases = [\"app\"]\n",
            "databases = [\"app\"]\nfast_path = [\"large-objects\"]\n",
        )
        .replace(
            "zone = \"globex\"\n",
            "zone = \"globex\"\nroute = \"session\"\n",
        );
    STACKS.get(|| StackOptions {
        policy: policy.clone(),
        ..StackOptions::default()
    })
}

/// Without a zone, with one, and on the session route.
fn clients(stack: &Stack) -> [Wire; 3] {
    let session = Wire::login(&stack.login("shop_globex", "shop"));
    [plain(stack), acme(stack), session]
}

/// A block, and in it a portal of nine rows of which one was fetched.
#[track_caller]
fn begin(wire: &mut Wire, portal: &str) {
    fine(&wire.query("BEGIN"));
    let sent = [
        close(b'S', "s"),
        parse("s", "SELECT generate_series(1, 9)"),
        bind(portal, "s", &[]),
        execute(portal, 1),
    ];
    let answer = wire.batch(&sent.concat());
    assert_eq!(kinds(&answer), "312DsZ");
    assert_eq!(column(&answer), ["1"]);
}

#[track_caller]
fn goes_on(wire: &mut Wire, portal: &str) {
    let answer = wire.batch(&execute(portal, 2));
    assert_eq!(kinds(&answer), "DDsZ");
    assert_eq!(column(&answer), ["2", "3"]);
    let answer = wire.batch(&[describe(b'P', portal), execute(portal, 0)].concat());
    assert_eq!(kinds(&answer), "TDDDDDDCZ");
    assert_eq!(column(&answer).last().map(String::as_str), Some("9"));
}

#[test]
fn a_portal_is_fetched_in_parts() {
    for stack in stacks() {
        for mut wire in clients(&stack) {
            begin(&mut wire, "");
            goes_on(&mut wire, "");
            fine(&wire.query("COMMIT"));
            // A Query takes none that has a name.
            begin(&mut wire, "p");
            assert_eq!(column(&wire.query("SELECT 'between'")), ["between"]);
            goes_on(&mut wire, "p");
            fine(&wire.query("COMMIT"));
        }
        // Nor does FunctionCall take any, as at PostgreSQL.
        for mut wire in [direct(&stack), plain(&stack)] {
            begin(&mut wire, "");
            let call = message::function_call(LO_CREAT, &["131072"]);
            assert_eq!(kinds(&wire.ask(&call)), "VZ");
            goes_on(&mut wire, "");
            fine(&wire.query("ROLLBACK"));
        }
    }
}

/// One for each way in which a Query is sent, and each way in which it ends.
const QUERIES: [&str; 9] = [
    "SELECT 1",
    "SELECT 1/0",
    "SELECT 1; SELECT 1/0",
    "SET work_mem = '5MB'",
    "SET work_mem = '5MB'; SELECT 1/0",
    "SAVEPOINT a; SELECT 1; ROLLBACK TO a; SELECT 1/0",
    "COPY (SELECT 1) TO STDOUT",
    "DEALLOCATE s",
    "ROLLBACK; BEGIN; SELECT 1/0",
];

/// It fails when it runs, and is so large that its memory is given back to the system.
fn crashing() -> String {
    let columns: String = (0..1600).map(|number| format!(", g + {number}")).collect();
    format!("SELECT 1 / g{columns} FROM generate_series(0, 1) g")
}

#[test]
fn behind_a_query_the_unnamed_portal_is_gone() {
    for stack in stacks() {
        for mut wire in clients(&stack) {
            let crashing = crashing();
            for text in std::iter::once(&*crashing).chain(QUERIES) {
                begin(&mut wire, "");
                wire.query(text);
                for late in [execute("", 0), describe(b'P', "")] {
                    let answer = wire.batch(&late);
                    assert_eq!(failed(&answer), ("34000".into(), 'E'), "{text}");
                    refused_by(&answer, "unknown-name");
                }
                fine(&wire.query("ROLLBACK"));
                // Sent ahead of the Query's answer.
                begin(&mut wire, "");
                wire.send(&[query(text), execute("", 0), sync()].concat());
                wire.receive_until(b'Z');
                let answer = wire.receive_until(b'Z');
                assert_eq!(failed(&answer), ("34000".into(), 'E'), "{text}");
                refused_by(&answer, "unknown-name");
                fine(&wire.query("ROLLBACK"));
                // Bound anew it is there again.
                begin(&mut wire, "");
                goes_on(&mut wire, "");
                fine(&wire.query("ROLLBACK"));
            }
        }
    }
}
