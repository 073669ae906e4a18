//! How long a transaction may take, by what the client has set, where its role has a default of its own: as on a
//! connection of the client's own. From PostgreSQL 17 on.

mod support;

mod parameters {
    pub mod pair;
    pub mod scripts;
}

use std::sync::Arc;
use std::thread;

use parameters::pair::{Pair, Step, probe};
use parameters::scripts::LOGINS;
use support::fixture::{SQL, lenient};
use support::message::{self, words};
use support::{NEW, NEWEST, Shared, Stack, StackOptions, Wire};

use Step::{Query, Simple};

/// The login without a zone has a long time by default, the one with a zone a short one.
const DEFAULTS: &str = "
ALTER ROLE shop_plain SET transaction_timeout = '20s';
ALTER ROLE shop_acme SET transaction_timeout = '700ms';
";

fn stacks() -> [Arc<Stack>; 2] {
    static STACKS: [Shared; 2] = [const { Shared::new() }; 2];
    let start = |(shared, (version, pooler)): (&Shared, _)| {
        shared.get(|| StackOptions {
            version,
            pooler,
            pool_size: 1,
            sql: format!("{SQL}{DEFAULTS}"),
            policy: lenient(),
            ..StackOptions::default()
        })
    };
    let [new, newest] = &STACKS;
    [(new, NEW), (newest, NEWEST)].map(start)
}

/// What a client begins with, what it sends, and what it sends last.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static [Step],
    &'static str,
);

/// Every case on every stack, by both protocols, with one of [`LOGINS`].
#[track_caller]
fn each(login: (&str, &str), cases: &[Case], check: impl Fn(&mut Pair, &[u8]) + Sync) {
    let (stacks, check) = (stacks(), &check);
    thread::scope(|scope| {
        let all = stacks.iter().map(|stack| {
            scope.spawn(move || {
                for ((startup, script, last), extended) in
                    cases.iter().flat_map(|it| [(it, false), (it, true)])
                {
                    let mut pair = Pair::open(stack, login, startup);
                    assert_eq!(pair.run(script, extended), None);
                    let sent = match extended {
                        false => message::query(last),
                        true => [message::extended(last, &[]), message::sync()].concat(),
                    };
                    check(&mut pair, &sent);
                    drop(pair);
                    assert_eq!(probe(stack, login), None, "{startup:?} {script:?}");
                }
            })
        });
        let all: Vec<_> = all.collect();
        assert!(all.into_iter().all(|it| it.join().is_ok()));
    });
}

const SHORT: Step = Query("SET transaction_timeout = '700ms'");

#[test]
fn a_shorter_time_than_the_default_ends_the_transaction() {
    let cases: [Case; 5] = [
        (&[], &[SHORT], "SELECT pg_sleep(2)"),
        (
            &[("transaction_timeout", "0.7s")],
            &[],
            "SELECT pg_sleep(2)",
        ),
        (
            &[("options", "-c transaction_timeout=700")],
            &[Query("BEGIN"), Query("SELECT 1")],
            "SELECT pg_sleep(2)",
        ),
        // Once it runs, the transaction cannot have more.
        (
            &[],
            &[
                SHORT,
                Query("BEGIN"),
                Query("SELECT 1"),
                Query("SET LOCAL transaction_timeout = '1min'"),
            ],
            "SELECT pg_sleep(2)",
        ),
        // What follows has it as well.
        (
            &[],
            &[
                SHORT,
                Query("BEGIN"),
                Query("SELECT 1"),
                Query("COMMIT AND CHAIN"),
            ],
            "SELECT pg_sleep(2)",
        ),
    ];
    each(LOGINS[0], &cases, |pair, sent| {
        for wire in [&mut pair.direct, &mut pair.through] {
            wire.send(sent);
            let told: Vec<_> = wire.receive_to_end().iter().map(words).collect();
            let last = told.last().expect("an answer");
            assert!(last.starts_with("E FATAL 25P04 "), "{told:?}");
        }
    });
}

#[test]
fn a_longer_time_than_the_default_lets_the_transaction_go_on() {
    const LONG: Step = Query("SET transaction_timeout = '20s'");
    let cases: [Case; 5] = [
        (&[], &[LONG], "SELECT pg_sleep(1)"),
        (&[("transaction_timeout", "20s")], &[], "SELECT pg_sleep(1)"),
        (
            &[("options", "-c transaction_timeout=20s")],
            &[Query("BEGIN"), Query("SELECT 1")],
            "SELECT pg_sleep(1)",
        ),
        (
            &[],
            &[Query("SET transaction_timeout = 0")],
            "SELECT pg_sleep(1)",
        ),
        (
            &[],
            &[
                LONG,
                Simple("BEGIN; SAVEPOINT s; SELECT 1; ROLLBACK TO s"),
                Query("SHOW transaction_timeout"),
            ],
            "SELECT pg_sleep(1)",
        ),
    ];
    each(LOGINS[1], &cases, |pair, sent| {
        if let Some([expected, found]) = pair.differs(sent, 1) {
            panic!("expected {expected:#?}, found {found:#?}");
        }
    });
}

/// What is set once more behind DO finds the time running.
#[test]
fn the_time_begins_once_in_a_transaction() {
    for stack in stacks() {
        let (user, database) = LOGINS[0];
        let mut wire = Wire::login(&stack.login(user, database));
        message::fine(&wire.query("SET transaction_timeout = '1s'"));
        let texts = [
            "BEGIN",
            "SELECT pg_sleep(0.6)",
            "DO $$ BEGIN NULL; END $$",
            "SELECT pg_sleep(0.8)",
        ];
        wire.send(&texts.map(message::query).concat());
        let told: Vec<_> = wire.receive_to_end().iter().map(words).collect();
        let mut done: Vec<&str> = told.iter().map(|it| &**it).collect();
        done.retain(|it| it.starts_with("C "));
        assert_eq!(done, ["C BEGIN", "C SELECT 1", "C DO"]);
        let last = told.last().expect("an answer");
        assert!(last.starts_with("E FATAL 25P04 "), "{told:?}");
    }
}
