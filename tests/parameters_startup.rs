//! Parameters of the startup packet on the transaction route, and the defaults for transactions: as on a
//! connection of the client's own, and nothing of it stays on the pooled one.

mod support;

mod parameters {
    pub mod pair;
    pub mod scripts;
}

use parameters::pair::{Pair, Step, left_to_the_session, probe};
use parameters::scripts::{LOGINS, same, same_with, stacks};
use support::message;
use support::{Transport, Wire};

use Step::{Batch, Query, Simple};

const STARTUP: [(&str, &str); 6] = [
    ("application_name", "me"),
    ("TimeZone", "Asia/Tokyo"),
    ("search_path", "pg_catalog, public"),
    ("IntervalStyle", "iso_8601"),
    ("extra_float_digits", "0"),
    (
        "options",
        "-c jit=off -cwork_mem=2MB --statement-timeout=33s -c app.made=a\\ b -fs",
    ),
];

/// NULL sets what the session has begun with, be it in the text or bound.
#[test]
fn null_that_is_bound_returns_to_the_startup_packet() {
    const TEXTS: [&str; 4] = [
        "SELECT set_config('work_mem', $1, false)",
        "SELECT set_config('TimeZone', $1::text, false), set_config('jit', CAST($2 AS varchar), false)",
        "SELECT set_config('work_mem', NULL, false) FROM generate_series(1, $1::int)",
        "SELECT set_config('app.made', $1, false)",
    ];
    let values = [
        [Some("5MB"), None],
        [Some("UTC"), Some("on")],
        [Some("2"), None],
        [Some("b"), None],
    ];
    for stack in stacks() {
        for login in LOGINS {
            for name in ["", "s"] {
                let mut pair = Pair::open(&stack, login, &STARTUP);
                let mut same = |sent: &[u8]| {
                    let sent = [sent, &message::sync()[..]].concat();
                    if let Some([expected, found]) = pair.differs(&sent, 1) {
                        panic!("{name:?}: expected {expected:#?}, found {found:#?}");
                    }
                };
                for (text, values) in TEXTS.iter().zip(values) {
                    let count = 1 + usize::from(text.contains("$2"));
                    let set = |values: &[Option<&str>]| {
                        [
                            message::bind("", name, values),
                            message::describe(b'P', ""),
                            message::execute("", 0),
                        ]
                        .concat()
                    };
                    let parsed = [
                        message::close(b'S', name),
                        message::parse(name, text),
                        message::describe(b'S', name),
                    ];
                    same(&parsed.concat());
                    for _ in 0..2 {
                        same(&set(&values[..count]));
                        same(&set(&[None, None][..count]));
                        for shown in ["work_mem", "timezone", "jit", "app.made"] {
                            same(&message::extended(&format!("SHOW {shown}"), &[]));
                            // The unnamed statement is another now.
                            if name.is_empty() {
                                same(&message::parse(name, text));
                            }
                        }
                    }
                }
                drop(pair);
                assert_eq!(probe(&stack, login), None);
            }
        }
    }
}

#[test]
fn what_is_in_the_startup_packet_is_there_in_every_transaction() {
    let shown = [
        "SHOW search_path",
        "SHOW intervalstyle",
        "SHOW extra_float_digits",
        "SHOW jit",
        "SHOW work_mem",
        "SHOW statement_timeout",
        "SHOW app.made",
        "SHOW enable_seqscan",
        "SHOW timezone",
        "SHOW application_name",
    ];
    let all: Vec<Step> = shown.into_iter().map(Query).collect();
    let with = |steps: &[Step]| [steps, &all, &all].concat();
    let scripts = [
        with(&[]),
        with(&[Query("SET work_mem = '3MB'"), Query("SET TIME ZONE 'UTC'")]),
        with(&[
            Query("SET work_mem = '3MB'"),
            Query("RESET work_mem"),
            Query("RESET timezone"),
            Query("RESET jit"),
        ]),
        with(&[Query("SET work_mem = '3MB'"), Query("RESET ALL")]),
        with(&[
            Query("SET work_mem = '3MB'"),
            Query(
                "SELECT set_config('work_mem', NULL, false), set_config('TimeZone', null, false)",
            ),
        ]),
        with(&[
            Query("BEGIN"),
            Query("SET work_mem = '3MB'"),
            Query("SET TIME ZONE 'UTC'"),
            Query("SAVEPOINT s"),
            Query(
                "SELECT set_config('Sort_Mem', NULL::text, false), set_config('application_name', cast(null as text), false)",
            ),
            Simple("SELECT set_config('app.made', NULL, false), nothing"),
            Query("ROLLBACK TO s"),
            Query("SELECT set_config('timezone', NULL, false) WHERE false"),
            Query("COMMIT"),
        ]),
        with(&[Simple(
            "SET jit = on; SELECT set_config('jit', NULL, false); SHOW jit; SELECT set_config('jit', NULL, false), é",
        )]),
        with(&[Query(
            "SELECT set_config('jit', null, false), set_config('statement_timeout', null, false)",
        )]),
        with(&[Query("SET work_mem = '3MB'"), Query("DISCARD ALL")]),
        with(&[Query("RESET timezone"), Query("RESET application_name")]),
        [
            with(&[
                Query("BEGIN"),
                Query("SET work_mem = '3MB'"),
                Query("RESET work_mem"),
                Query("RESET timezone"),
                Query("SET TRANSACTION READ ONLY"),
            ]),
            with(&[Query("RESET ALL")]),
            with(&[Query("ROLLBACK")]),
        ]
        .concat(),
        [
            with(&[Query("BEGIN"), Query("SELECT 1"), Query("RESET ALL")]),
            with(&[Query("COMMIT")]),
        ]
        .concat(),
        with(&[Batch(&[
            "SHOW work_mem",
            "SET work_mem = '3MB'",
            "RESET work_mem",
            "SHOW work_mem",
            "SYNC",
            "RESET timezone",
            "SHOW timezone",
        ])]),
        with(&[Simple(
            "RESET work_mem; SHOW work_mem; RESET timezone; SHOW timezone",
        )]),
    ];
    let scripts: Vec<&[Step]> = scripts.iter().map(|script| &script[..]).collect();
    same_with(&STARTUP, &scripts);
}

/// The value is the default's all along, and so are the answers; but one of the session's would no longer follow the server's
/// configuration.
#[test]
fn a_reset_leaves_nothing_to_the_session() {
    let startup = [
        ("statement_timeout", "60s"),
        ("options", "-c work_mem=1MB -c jit=off"),
    ];
    let shown = ["SHOW statement_timeout", "SHOW work_mem", "SHOW jit"].map(Query);
    let with = |steps: &[Step]| [steps, &shown].concat();
    let scripts = [
        with(&[Query("RESET statement_timeout")]),
        with(&[Query("SET statement_timeout TO DEFAULT")]),
        with(&[
            Query("SET SESSION work_mem = DEFAULT"),
            Query("BEGIN"),
            Query("SET LOCAL jit TO DEFAULT"),
            Query("COMMIT"),
        ]),
        with(&[
            Query("SET work_mem = '3MB'"),
            Query("reset /* it */ \"work_mem\" -- now"),
        ]),
        with(&[
            Query("BEGIN"),
            Query("SELECT 1"),
            Query("RESET work_mem"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
        ]),
        with(&[
            Query("SET work_mem = '3MB'"),
            Query("BEGIN"),
            Query("RESET work_mem"),
            Query("SHOW work_mem"),
            Query("SELECT 1"),
            Query("ROLLBACK"),
        ]),
        with(&[
            Query("SET work_mem = '3MB'"),
            Query("BEGIN"),
            Query("SELECT 1"),
            Query("SAVEPOINT s"),
            Query("RESET work_mem"),
            Query("SHOW work_mem"),
            Query("ROLLBACK TO s"),
            Query("SHOW work_mem"),
            Query("RESET work_mem"),
            Query("COMMIT"),
        ]),
        with(&[
            Simple("RESET jit; SHOW jit; SET work_mem TO DEFAULT; RESET work_mem; SELECT nothing"),
            Simple("BEGIN; RESET jit; COMMIT; RESET work_mem; SELECT 1"),
        ]),
        with(&[Batch(&[
            "RESET work_mem",
            "SHOW work_mem",
            "SYNC",
            "BEGIN",
            "RESET jit",
            "SELECT 1/0",
            "SYNC",
            "RESET jit",
            "SYNC",
            "ROLLBACK",
        ])]),
    ];
    for stack in stacks() {
        for login in LOGINS {
            for (script, extended) in scripts.iter().flat_map(|it| [(it, false), (it, true)]) {
                let mut pair = Pair::open(&stack, login, &startup);
                assert_eq!(pair.run(script, extended), None, "{login:?}");
                drop(pair);
                let left = left_to_the_session(&stack, login);
                assert!(left.is_empty(), "{login:?} {script:?}: {left:?}");
            }
        }
    }
}

#[test]
fn the_login_reports_what_is_in_the_startup_packet() {
    for stack in stacks() {
        for login in LOGINS {
            let Pair {
                direct, through, ..
            } = Pair::open(&stack, login, &STARTUP);
            let sorted = |wire: &Wire| {
                let mut all = wire.parameters.clone();
                all.sort();
                all
            };
            assert_eq!(sorted(&through), sorted(&direct));
        }
    }
}

#[test]
fn a_startup_parameter_that_the_server_refuses_ends_the_login_as_there() {
    for stack in stacks() {
        for parameter in [
            ("work_mem", "much"),
            ("no_such_parameter", "1"),
            ("options", "-c jit=perhaps"),
            ("options", "-c shared_buffers=1GB"),
            ("options", "-q"),
        ] {
            let (user, database) = LOGINS[0];
            let ports = [
                (stack.cluster.port, Transport::Plain),
                (stack.port, Transport::SslRequest),
            ];
            let [expected, found] = ports.map(|(port, transport)| {
                let login = stack.login_at(port, user, database);
                let refused = Wire::try_login(&login, transport, &[parameter]);
                let error = refused.err().expect("a refusal");
                (error.field(b'V'), error.sqlstate(), error.field(b'M'))
            });
            assert_eq!(found, expected, "{parameter:?}");
        }
        assert_eq!(probe(&stack, LOGINS[0]), None);
    }
}

/// PostgreSQL takes a seed in the startup packet and does nothing by it; no transaction takes back one that is set.
#[test]
fn a_seed_in_the_startup_packet_seeds_nobody() {
    for stack in stacks() {
        for (user, database) in LOGINS {
            let seeded = stack.direct(database, "SELECT setseed(0.42); SELECT random()");
            let known = seeded.lines().last().expect("a number");
            for seed in [("seed", "0.42"), ("options", "-c Seed=0.42")] {
                let mut pair = Pair::open(&stack, (user, database), &[seed]);
                assert_eq!(
                    pair.run(&[Query("SHOW seed"), Query("RESET ALL")], true),
                    None
                );
                let drawn = message::column(&pair.through.query("SELECT random()"));
                assert!(drawn.len() == 1 && drawn[0] != known, "{seed:?}: {drawn:?}");
                drop(pair);
                let mut next = Wire::login(&stack.login(user, database));
                let drawn = message::column(&next.query("SELECT random()"));
                assert!(drawn.len() == 1 && drawn[0] != known, "{seed:?}: {drawn:?}");
            }
        }
    }
}

/// Transactions begin with their defaults, whatever was said of the one that nobody is in.
#[test]
fn a_mode_of_a_transaction_in_the_startup_packet_is_none() {
    let modes = "SELECT current_setting('transaction_read_only')";
    for startup in [
        ("transaction_read_only", "on"),
        ("options", "-c transaction_read_only=on"),
    ] {
        same_with(
            &[startup],
            &[&[Query(modes), Query("BEGIN"), Query(modes), Query("COMMIT")]],
        );
    }
}

#[test]
fn defaults_of_transactions_hold_in_each_of_them() {
    let shown = [
        Query("SHOW default_transaction_read_only"),
        Query("SHOW transaction_read_only"),
        Query("SHOW transaction_isolation"),
        Query("SHOW transaction_deferrable"),
        Query("SELECT pg_notify('x', 'y')"),
        Query("BEGIN"),
        Query("SHOW transaction_isolation"),
        Query("SELECT pg_notify('x', 'y')"),
        Query("ROLLBACK AND CHAIN"),
        Query("SHOW transaction_read_only"),
        Query("SHOW transaction_isolation"),
        Query("COMMIT"),
        Query("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"),
        Query("SHOW transaction_isolation"),
        Query("SELECT pg_notify('x', 'y')"),
        Query("ROLLBACK"),
        Query("START TRANSACTION READ WRITE"),
        Query("SET LOCAL jit = off"),
        Query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
        Query("SHOW transaction_isolation"),
        Query("COMMIT"),
        Query("BEGIN"),
        Query("SAVEPOINT a"),
        Query("SHOW transaction_isolation"),
        Query("RESET ALL"),
        Query("SHOW transaction_isolation"),
        Query("ROLLBACK"),
        Batch(&[
            "SHOW transaction_isolation",
            "SELECT pg_notify('x', 'y')",
            "BEGIN",
            "SHOW transaction_read_only",
            "COMMIT",
        ]),
        Batch(&[
            "BEGIN",
            "SHOW transaction_isolation",
            "SHOW transaction_deferrable",
            "COMMIT",
            "SHOW transaction_isolation",
        ]),
    ];
    let with = |steps: &[Step]| [steps, &shown].concat();
    let scripts = [
        with(&[]),
        with(&[Query(
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        )]),
        with(&[
            Query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
            Query("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"),
        ]),
        with(&[Query(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        )]),
        with(&[Query(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
        )]),
        with(&[Query("SET default_transaction_read_only = on")]),
        with(&[Query(
            "SET default_transaction_isolation = 'repeatable read'",
        )]),
        with(&[
            Query("SELECT set_config('default_transaction_isolation', 'serializable', false)"),
            Query("BEGIN"),
            Query("SET default_transaction_isolation = 'repeatable read'"),
            Query("SHOW transaction_isolation"),
            Query("COMMIT"),
        ]),
        with(&[
            Query("SET default_transaction_isolation = 'serializable'"),
            Query("RESET default_transaction_isolation"),
        ]),
    ];
    let scripts: Vec<&[Step]> = scripts.iter().map(|script| &script[..]).collect();
    same(&scripts);
    let startup = [
        ("options", "-c default_transaction_isolation=serializable"),
        ("default_transaction_read_only", "on"),
    ];
    same_with(
        &startup,
        &[
            &with(&[]),
            &with(&[Query("SET default_transaction_read_only = off")]),
        ],
    );
}

#[test]
fn a_transaction_that_is_serializable_by_default_fails_where_it_must() {
    for stack in stacks() {
        stack.direct(
            "app",
            "INSERT INTO notes (id, body) VALUES (1000, '') ON CONFLICT DO NOTHING",
        );
        for (level, sqlstate) in [
            ("read committed", None),
            ("repeatable read", Some("40001")),
            ("serializable", Some("40001")),
        ] {
            let mut wire = Wire::login(&stack.login("shop_plain", "app"));
            let set = format!("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}");
            message::fine(&wire.query(&set));
            message::fine(&wire.query("BEGIN"));
            message::fine(&wire.query("SELECT body FROM notes WHERE id = 1000"));
            stack.direct("app", "UPDATE notes SET body = body || 'x' WHERE id = 1000");
            let answer = wire.query("UPDATE notes SET body = body || 'y' WHERE id = 1000");
            let failed = message::error(&answer).map(message::Message::sqlstate);
            assert_eq!(failed.as_deref(), sqlstate, "{level}");
            message::fine(&wire.query("ROLLBACK"));
            // Read-only, in an implicit transaction by both protocols, and in an explicit one.
            message::fine(&wire.query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"));
            let insert = "INSERT INTO notes (body) VALUES ('never')";
            assert_eq!(message::failed(&wire.query(insert)), ("25006".into(), 'I'));
            let answer = wire.batch(&message::extended(insert, &[]));
            assert_eq!(message::failed(&answer), ("25006".into(), 'I'));
            message::fine(&wire.query("BEGIN"));
            assert_eq!(message::failed(&wire.query(insert)), ("25006".into(), 'E'));
            message::fine(&wire.query("ROLLBACK"));
            message::fine(&wire.query("BEGIN READ WRITE"));
            message::fine(&wire.query(insert));
            message::fine(&wire.query("ROLLBACK"));
        }
        assert_eq!(
            stack
                .direct("app", "SELECT count(*) FROM notes WHERE body = 'never'")
                .trim(),
            "0"
        );
        assert_eq!(probe(&stack, LOGINS[0]), None);
    }
}

/// PgBouncer leaves the name of the client before on the connection of one that has none.
#[test]
fn nobody_sees_the_name_of_the_client_before() {
    for stack in stacks() {
        let login = stack.login("shop_plain", "app");
        for (startup, shown) in [
            (&[][..], "portcullis"),
            (&[("application_name", "")], ""),
            (&[("application_name", "mine")], "mine"),
            // The packet's own word stands behind its `options`.
            (
                &[
                    ("options", "-c application_name="),
                    ("application_name", "mine"),
                ],
                "mine",
            ),
        ] {
            let mut wire = Wire::login_with(&login, Transport::SslRequest, startup);
            for text in ["SET application_name = 'set'", "RESET application_name"] {
                let secret = [("application_name", "secret of another")];
                let mut other = Wire::login_with(&login, Transport::SslRequest, &secret);
                message::fine(&other.query("SELECT 1"));
                assert_eq!(
                    message::column(&wire.query("SHOW application_name")),
                    [shown]
                );
                let said = wire
                    .parameters
                    .iter()
                    .rfind(|it| it.0 == "application_name");
                assert_eq!(said.map(|it| &*it.1), Some(shown));
                if text.starts_with("SET") {
                    message::fine(&wire.query(text));
                    message::fine(&wire.query("SELECT 1"));
                    message::fine(&wire.query("RESET application_name"));
                }
            }
        }
    }
}

/// What PostgreSQL does not take it refuses at the login, and the pool loses no connection over it; what it takes it
/// tells as it has read it.
#[test]
fn the_server_says_what_it_makes_of_timezone_and_datestyle() {
    const TAKEN: [&[(&str, &str)]; 4] = [
        &[("TimeZone", "asia/tokyo"), ("DateStyle", "dmy")],
        &[("TimeZone", "utc"), ("DateStyle", "ISO")],
        &[("options", "-c datestyle=German -c timezone=Europe/Paris")],
        &[("TimeZone", "+03")],
    ];
    const REFUSED: [&[(&str, &str)]; 3] = [
        &[("TimeZone", "Europe/Kyivv")],
        &[("DateStyle", "nope")],
        &[("options", "-c timezone=nope")],
    ];
    for stack in stacks() {
        for (user, database) in LOGINS {
            let login = stack.login(user, database);
            let direct = stack.login_at(stack.cluster.port, user, database);
            for startup in REFUSED {
                for _ in 0..2 {
                    let found = Wire::refusal(&login, startup);
                    let wanted = Wire::try_login(&direct, Transport::Plain, startup);
                    let wanted = wanted.err().expect("refused").field(b'C');
                    assert_eq!(found.field(b'C'), wanted, "{startup:?} {found:?}");
                }
            }
            for startup in TAKEN {
                // Asked for at the first, known at the second.
                for _ in 0..2 {
                    let direct = Wire::login_with(&direct, Transport::Plain, startup);
                    let mut wire = Wire::login_with(&login, Transport::SslRequest, startup);
                    for name in ["TimeZone", "DateStyle"] {
                        let of = |wire: &Wire| {
                            let mut all = wire.parameters.iter();
                            all.rfind(|it| it.0 == name).map(|it| it.1.clone())
                        };
                        let shown = message::column(&wire.query(&format!("SHOW {name}")));
                        assert_eq!(of(&wire), of(&direct), "{startup:?}");
                        assert_eq!(shown.first().cloned(), of(&direct), "{startup:?}");
                    }
                }
            }
        }
        assert!(!stack.transaction.log().contains("invalid server parameter"));
    }
}
