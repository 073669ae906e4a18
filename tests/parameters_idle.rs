//! How long a client may be idle, by what it has set for its session: as on a connection of its own, be the
//! server's connection another one's meanwhile, or in a transaction in which nothing has run.

mod support;

mod parameters {
    pub mod pair;
    pub mod scripts;
}

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use parameters::pair::{Pair, Step, probe};
use parameters::scripts::{LOGINS, stacks};
use support::Stack;
use support::message::{self, words};

use Step::{Batch, Query};

/// Longer than any step takes, milliseconds: it is set with `SET ... = 700`.
const LIMIT: Duration = Duration::from_millis(700);

const IN_TRANSACTION: Step = Query("SET idle_in_transaction_session_timeout = 700");
const IN_SESSION: Step = Query("SET idle_session_timeout = '700ms'");

/// What a client begins with, and what it sends before it is idle.
type Case<'c> = (&'c [(&'c str, &'c str)], &'c [Step]);

/// Every case on every stack, by both protocols: `check` sees two connections behind the same steps.
#[track_caller]
fn each(
    cases: &[Case<'_>],
    check: impl Fn(&mut Pair, &Stack, (&str, &str)) -> Option<String> + Sync,
) {
    // Who waits for the pool's only connection would be idle for another time than it takes to be told.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (stacks, check) = (stacks(), &check);
    thread::scope(|scope| {
        let all = stacks.iter().flat_map(|stack| {
            LOGINS.into_iter().enumerate().map(move |(at, login)| {
                scope.spawn(move || {
                    for (startup, script) in cases {
                        let mut pair = Pair::open(stack, login, startup);
                        assert_eq!(pair.run(script, at == 1), None);
                        assert_eq!(
                            check(&mut pair, stack, login),
                            None,
                            "{startup:?} {script:?}"
                        );
                        drop(pair);
                        assert_eq!(probe(stack, login), None, "{startup:?} {script:?}");
                    }
                })
            })
        });
        let all: Vec<_> = all.collect();
        assert!(all.into_iter().all(|it| it.join().is_ok()));
    });
}

/// Both are told the same, and that it is over.
fn both_end(pair: &mut Pair, sqlstate: &str) -> Option<String> {
    let [expected, found] = [&mut pair.direct, &mut pair.through]
        .map(|wire| wire.receive_to_end().iter().map(words).collect::<Vec<_>>());
    let ends = expected.len() == 1 && expected[0].starts_with(&format!("E FATAL {sqlstate} "));
    (!ends || expected != found).then(|| format!("expected {expected:#?}, found {found:#?}"))
}

#[test]
fn a_transaction_of_an_idle_client_ends_as_on_a_connection_of_its_own() {
    let cases: [Case; 13] = [
        (&[], &[IN_TRANSACTION, Query("BEGIN")]),
        (
            &[("idle_in_transaction_session_timeout", "0.7s")],
            &[Query("BEGIN")],
        ),
        (
            &[("options", "-c idle_in_transaction_session_timeout=700")],
            &[Query("BEGIN")],
        ),
        // The server's, since the prefix stood ahead of it.
        (&[], &[IN_TRANSACTION, Query("BEGIN"), Query("SELECT 1")]),
        (&[], &[Query("BEGIN"), IN_TRANSACTION]),
        (
            &[],
            &[
                Query("BEGIN"),
                IN_TRANSACTION,
                Query("COMMIT"),
                Query("BEGIN READ ONLY"),
            ],
        ),
        (
            &[],
            &[
                IN_TRANSACTION,
                Query("BEGIN"),
                Query("SELECT 1"),
                Query("COMMIT AND CHAIN"),
            ],
        ),
        (
            &[],
            &[
                IN_TRANSACTION,
                Query("BEGIN"),
                Query("SELECT 1"),
                Query("ROLLBACK AND CHAIN"),
            ],
        ),
        (
            &[],
            &[
                IN_TRANSACTION,
                Query("BEGIN"),
                Query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
            ],
        ),
        // Failed.
        (
            &[],
            &[
                IN_TRANSACTION,
                Query("BEGIN"),
                Query("SELECT 1"),
                Query("SELECT 1/0"),
            ],
        ),
        (
            &[],
            &[
                IN_TRANSACTION,
                Query("BEGIN"),
                Query("SAVEPOINT s"),
                Query("SELECT 1/0"),
            ],
        ),
        (
            &[],
            &[
                IN_TRANSACTION,
                Query("BEGIN"),
                Query("SET LOCAL idle_in_transaction_session_timeout = 0"),
                Query("SELECT 1/0"),
            ],
        ),
        (&[], &[IN_TRANSACTION, Batch(&["COMMIT", "BEGIN"])]),
    ];
    each(&cases, |pair, _, _| both_end(pair, "25P03"));
}

#[test]
fn a_client_that_is_idle_between_transactions_ends_as_on_a_connection_of_its_own() {
    let cases: [Case; 5] = [
        (&[], &[IN_SESSION]),
        (&[("idle_session_timeout", "700")], &[]),
        (
            &[("options", "-c idle_session_timeout=700ms")],
            &[Query("SELECT 1")],
        ),
        (&[], &[Query("BEGIN"), IN_SESSION, Query("COMMIT")]),
        (
            &[],
            &[
                IN_SESSION,
                Query("BEGIN"),
                Query("SELECT 1/0"),
                Query("ROLLBACK"),
            ],
        ),
    ];
    each(&cases, |pair, _, _| both_end(pair, "57P05"));
}

/// A message that is not whole is none.
#[test]
fn part_of_a_message_does_not_keep_a_client() {
    each(&[(&[], &[IN_TRANSACTION, Query("BEGIN")])], |pair, _, _| {
        for wire in [&mut pair.direct, &mut pair.through] {
            wire.send(&message::query("SELECT 1")[..7]);
        }
        both_end(pair, "25P03")
    });
}

#[test]
fn who_may_be_idle_stays() {
    let cases: [Case; 8] = [
        (&[], &[IN_TRANSACTION]),
        (&[], &[IN_SESSION, Query("BEGIN")]),
        (&[], &[IN_SESSION, Query("RESET idle_session_timeout")]),
        (
            &[("idle_session_timeout", "700")],
            &[Query("SET idle_session_timeout = 0")],
        ),
        (
            &[],
            &[
                IN_TRANSACTION,
                Query("SET idle_in_transaction_session_timeout = '1min'"),
                Query("BEGIN"),
            ],
        ),
        (
            &[],
            &[
                IN_TRANSACTION,
                Query("BEGIN"),
                Query("SET LOCAL idle_in_transaction_session_timeout = 0"),
            ],
        ),
        // It was of the transaction that failed.
        (&[], &[Query("BEGIN"), IN_TRANSACTION, Query("SELECT 1/0")]),
        (&[], &[Query("BEGIN"), IN_SESSION, Query("ROLLBACK")]),
    ];
    each(&cases, |pair, _, _| {
        thread::sleep(LIMIT);
        let both = [&mut pair.direct, &mut pair.through];
        let quiet = both.map(|wire| wire.is_quiet_for(LIMIT / 4));
        (quiet != [true, true]).then(|| format!("quiet: {quiet:?}"))
    });
}

/// What runs is not idle, however long it takes, and what is answered begins the time anew.
#[test]
fn who_works_is_not_idle() {
    let texts = [
        "SELECT pg_sleep(1)",
        "BEGIN",
        "SELECT pg_sleep(1)",
        "COMMIT",
        "SELECT 1",
    ];
    each(&[(&[], &[IN_SESSION, IN_TRANSACTION])], |pair, _, _| {
        for text in texts {
            let both = [&mut pair.direct, &mut pair.through];
            let both = both.map(|wire| {
                wire.send(&message::query(text));
                wire
            });
            let [expected, found] = both.map(|wire| {
                wire.receive_until(b'Z')
                    .iter()
                    .map(words)
                    .collect::<Vec<_>>()
            });
            if expected != found {
                return Some(format!("{text}: expected {expected:?}, found {found:?}"));
            }
            thread::sleep(LIMIT / 2);
        }
        both_end(pair, "57P05")
    });
}
