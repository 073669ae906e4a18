//! The modes of chained transactions (AND CHAIN), and of what runs on behind RESET ALL: read-only, isolation
//! level and deferrable as straight at PostgreSQL, whoever named them: the session's defaults, the role's,
//! BEGIN, SET TRANSACTION. What counts is not SHOW: a write in a read-only transaction must fail, and so must
//! one that is not serializable.

mod support;

mod parameters {
    pub mod pair;
}

use std::sync::Arc;

use parameters::pair::{Pair, Step, probe};
use support::message::{self, column, failed, fine};
use support::{OnEveryVersion, Stack, StackOptions, User, VERSIONS, Wire, fixture};

use Step::{Batch, Query, Simple};

/// Its transactions are read-only where it says nothing.
const READER: &str = "shop_reader";

/// Who, where, and what fails in a read-only transaction.
const LOGINS: [(&str, &str, &str); 3] = [
    (
        "shop_plain",
        "app",
        "INSERT INTO notes (body) SELECT 'never' WHERE false",
    ),
    (
        "shop_acme",
        "shop",
        "INSERT INTO orders (note) SELECT 'never' WHERE false",
    ),
    (
        READER,
        "app",
        "INSERT INTO notes (body) SELECT 'never' WHERE false",
    ),
];

fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(|| StackOptions {
        pool_size: 1,
        users: vec![User::new(READER, &fixture::password(READER))],
        sql: format!(
            "{}GRANT shop_plain TO {READER};\nALTER ROLE {READER} SET default_transaction_read_only = on;\n",
            fixture::SQL
        ),
        policy: format!(
            "{}\n[login.{READER}]\nkind = \"service\"\ndatabases = [\"app\"]\n",
            fixture::POLICY
        ),
        ..StackOptions::default()
    })
}

/// Of more scripts than this each is run once on every version, by one of the logins.
const MANY: usize = 50;

/// Runs the scripts that `make` writes for the statement that writes, each on the same two connections, and
/// panics with all that differ.
#[track_caller]
fn same(make: impl Fn(&'static str) -> Vec<Vec<Step>>) {
    let mut wrong = Vec::new();
    for (number, (stack, version)) in stacks().iter().zip(VERSIONS).enumerate() {
        for (of, (user, database, write)) in LOGINS.into_iter().enumerate() {
            let login = (user, database);
            let mut pair = Pair::open(stack, login, &[]);
            let scripts = make(write);
            let many = scripts.len() > MANY;
            for (at, script) in scripts.iter().enumerate() {
                if many && (at + number + of) % LOGINS.len() != 0 {
                    continue;
                }
                let tidy = [Query("ROLLBACK"), Query("DISCARD ALL")];
                let script = [&script[..], &tidy].concat();
                let extended = at % 2 == 1;
                if let Some(problem) = pair.run(&script, extended) {
                    wrong.push(format!("{version:?} {user} extended {extended}: {problem}"));
                    pair = Pair::open(stack, login, &[]);
                }
            }
            drop(pair);
            wrong.extend(probe(stack, login).map(|left| format!("{version:?} {user}: {left}")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

const MODES: &str = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), \
     current_setting('transaction_deferrable'), current_setting('work_mem')";

const SESSIONS: [&[Step]; 4] = [
    &[Query(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    )],
    &[Query(
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    )],
    &[
        Query("SET work_mem = '1MB'"),
        Query("SET default_transaction_read_only = off"),
        Query("SET default_transaction_deferrable = on"),
    ],
    &[
        Query("SET default_transaction_isolation = 'repeatable read'"),
        Query("SET default_transaction_read_only = on"),
    ],
];

const BEGINS: [&[Step]; 4] = [
    &[Query("BEGIN")],
    &[Query("BEGIN READ WRITE")],
    &[Query("BEGIN"), Query("COMMIT AND CHAIN")],
    &[
        Query("BEGIN"),
        Query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY"),
    ],
];

const INSIDES: [&[Step]; 10] = [
    &[],
    &[Query(MODES)],
    &[Query("RESET ALL")],
    &[Query("RESET default_transaction_read_only")],
    &[Query(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    )],
    &[Query(
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    )],
    &[Query("SAVEPOINT s"), Query("SET TRANSACTION READ ONLY")],
    &[
        Query("SAVEPOINT s"),
        Query("RESET ALL"),
        Query("SELECT 1/0"),
        Query("ROLLBACK TO s"),
    ],
    &[
        Query("SAVEPOINT s"),
        Query("SET default_transaction_read_only = on"),
        Query("SET LOCAL work_mem = '2MB'"),
        Query("ROLLBACK TO s"),
        Query("RELEASE s"),
    ],
    &[Query("SET TRANSACTION READ ONLY"), Query("SAVEPOINT s")],
];

const FAILURES: [&[Step]; 3] = [&[], &[Query("SELECT 1/0")], &[Query("SET work_mem = 'no'")]];

const CHAINS: [&str; 2] = ["COMMIT AND CHAIN", "ROLLBACK AND CHAIN"];

#[test]
fn a_chained_transaction_has_the_modes_of_the_one_before_it() {
    same(|write| {
        let mut all = Vec::new();
        for session in SESSIONS {
            for begin in BEGINS {
                for inside in INSIDES {
                    for failure in FAILURES {
                        let chain = CHAINS[all.len() / 2 % 2];
                        let other = CHAINS[all.len() / 4 % 2];
                        let seen = [Query(MODES), Query(write)];
                        let ends = [
                            &[Query(chain)][..],
                            &seen,
                            &[Query("SELECT 1/0"), Query(other)],
                            &seen,
                            &[Query("COMMIT")],
                            &seen,
                        ];
                        let script = [session, begin, inside, failure, &ends.concat()];
                        all.push(script.concat());
                    }
                }
            }
        }
        all
    });
}

#[test]
fn a_chained_transaction_may_be_given_other_modes() {
    same(|write| {
        let mut all = Vec::new();
        for session in SESSIONS {
            for chain in CHAINS {
                for failure in FAILURES {
                    for mode in [
                        "SET TRANSACTION READ WRITE",
                        "SET TRANSACTION READ ONLY",
                        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                        "SET LOCAL transaction_read_only = on",
                    ] {
                        let ends = [
                            Query(chain),
                            Query(mode),
                            Query(MODES),
                            Query(write),
                            Query("ROLLBACK AND CHAIN"),
                            Query(MODES),
                            Query(write),
                        ];
                        let script = [session, &[Query("BEGIN")], failure, &ends];
                        all.push(script.concat());
                    }
                }
            }
        }
        all
    });
}

/// In one message, in one batch, and in batches that do not wait for the answers.
#[test]
fn the_same_where_nobody_waits() {
    const READ_ONLY: Step = Simple("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
    same(|write| {
        let leak = |steps: Vec<&'static str>| Batch(steps.leak());
        let text = |text: String| Simple(text.leak());
        let mut all = Vec::new();
        for chain in CHAINS {
            all.extend([
                vec![
                    READ_ONLY,
                    leak(vec!["BEGIN", "SELECT 1/0"]),
                    leak(vec![chain, MODES, write]),
                    leak(vec![chain, MODES, "SYNC", write]),
                ],
                vec![
                    READ_ONLY,
                    leak(vec![
                        "BEGIN",
                        "SYNC",
                        "SELECT 1/0",
                        "SYNC",
                        chain,
                        "SYNC",
                        MODES,
                        "SYNC",
                        write,
                    ]),
                    Query(chain),
                    Query(write),
                ],
                vec![
                    READ_ONLY,
                    leak(vec![
                        "BEGIN READ WRITE",
                        "SAVEPOINT s",
                        "SELECT 1/0",
                        "SYNC",
                        chain,
                        write,
                        MODES,
                        "SELECT 1/0",
                        "SYNC",
                        chain,
                        write,
                        MODES,
                    ]),
                ],
                vec![
                    READ_ONLY,
                    Simple("BEGIN; SELECT 1/0"),
                    text(format!("{chain}; {MODES}; {write}")),
                    text(format!("{chain}; {chain}; {MODES}; {write}")),
                ],
                vec![
                    READ_ONLY,
                    text(format!("BEGIN READ WRITE; {chain}; {write}; SELECT 1/0")),
                    text(format!("{chain}; {MODES}; {write}")),
                ],
            ]);
        }
        all
    });
}

/// A transaction has the modes that were the defaults when it began, also one without BEGIN.
#[test]
fn what_is_reset_has_no_effect_on_the_transaction_that_runs() {
    same(|write| {
        let leak = |steps: Vec<&'static str>| Batch(steps.leak());
        let text = |text: String| Simple(text.leak());
        let mut all = Vec::new();
        for session in SESSIONS {
            for sets in [
                "RESET ALL",
                "RESET default_transaction_read_only",
                "SET default_transaction_read_only = off",
                "SET default_transaction_read_only = on",
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                "SELECT set_config('default_transaction_read_only', 'off', false)",
            ] {
                let both = [leak(vec![sets, MODES, write]), Query(MODES), Query(write)];
                let apart = [leak(vec![sets, write, "SYNC", MODES, write])];
                // Behind RESET ALL a login with a zone has nothing in the same text.
                let one = match sets {
                    "RESET ALL" => vec![Simple(sets), Query(write)],
                    _ => vec![text(format!("{sets}; {write}")), Query(write)],
                };
                let begun = [
                    Query("BEGIN"),
                    Query(sets),
                    Query(write),
                    Query("COMMIT"),
                    Query(write),
                ];
                for steps in [&both[..], &apart, &one, &begun] {
                    all.push([session, steps].concat());
                }
            }
        }
        all
    });
}

/// Two Queries that follow each other without a wait: whether the first fails decides about the second.
#[test]
fn a_query_behind_a_failure_that_is_not_known_yet() {
    for stack in stacks() {
        for (user, database, write) in LOGINS {
            let mut pair = Pair::open(&stack, (user, database), &[]);
            for failure in ["SELECT 1/0", "SELECT 1"] {
                let set = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
                for text in [set, "BEGIN", "SELECT 1"] {
                    assert_eq!(pair.differs(&message::query(text), 1), None, "{text}");
                }
                let texts = [failure, "ROLLBACK AND CHAIN", write];
                let bytes = texts.map(message::query).concat();
                assert_eq!(pair.differs(&bytes, 3), None, "{user} {failure}");
                assert_eq!(pair.differs(&message::query("ROLLBACK"), 1), None);
            }
        }
    }
}

/// The writes of others are not overlooked, and what is read-only fails: straight at PostgreSQL and through
/// Portcullis.
#[test]
fn a_chained_transaction_fails_where_it_must() {
    let insides: [&[&str]; 3] = [&[], &["SELECT 1/0"], &["SAVEPOINT s", "SELECT 1/0"]];
    for stack in stacks() {
        let sql = "INSERT INTO notes (id, body) VALUES (1001, '') ON CONFLICT DO NOTHING";
        stack.direct("app", sql);
        for port in [stack.cluster.port, stack.port] {
            let login = stack.login_at(port, "shop_plain", "app");
            for (level, sqlstate) in [
                ("read committed", None),
                ("repeatable read", Some("40001")),
                ("serializable", Some("40001")),
            ] {
                for chain in CHAINS {
                    for inside in insides {
                        let mut wire = match port == stack.port {
                            true => Wire::login(&login),
                            false => Wire::login_with(&login, support::Transport::Plain, &[]),
                        };
                        let set = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL";
                        fine(&wire.query(&format!("{set} {level}")));
                        fine(&wire.query("BEGIN"));
                        inside.iter().for_each(|text| drop(wire.query(text)));
                        fine(&wire.query(chain));
                        fine(&wire.query("SELECT body FROM notes WHERE id = 1001"));
                        let update = "UPDATE notes SET body = body || 'x' WHERE id = 1001";
                        stack.direct("app", update);
                        let answer = wire.query(update);
                        let found = message::error(&answer).map(message::Message::sqlstate);
                        assert_eq!(
                            found.as_deref(),
                            sqlstate,
                            "{port} {level} {chain} {inside:?}"
                        );
                        fine(&wire.query("ROLLBACK"));

                        fine(&wire.query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"));
                        fine(&wire.query("BEGIN"));
                        inside.iter().for_each(|text| drop(wire.query(text)));
                        fine(&wire.query(chain));
                        let insert = "INSERT INTO notes (body) VALUES ('never')";
                        for _ in 0..2 {
                            assert_eq!(failed(&wire.query(insert)), ("25006".into(), 'E'));
                            fine(&wire.query(chain));
                        }
                        fine(&wire.query("COMMIT"));
                    }
                }
            }
        }
        let never = stack.direct("app", "SELECT count(*) FROM notes WHERE body = 'never'");
        assert_eq!(never, "0\n");
        let mut next = Wire::login(&stack.login("shop_plain", "app"));
        assert_eq!(
            column(&next.query("SHOW transaction_isolation")),
            ["read committed"]
        );
    }
}
