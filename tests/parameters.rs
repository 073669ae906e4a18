//! What a client sets for its session behaves as on a connection of its own, and nothing of it stays on
//! the pooled one. Each step is run straight at PostgreSQL and through Portcullis, on every version of
//! the stack, by both protocols: same answers, same errors, same ParameterStatus. Behind each script
//! the next client of the pool's only connection finds it as a fresh one is.

mod support;

mod parameters {
    pub mod pair;
}

use std::sync::Arc;

use parameters::pair::{Pair, Step, probe};
use support::message;
use support::{OnEveryVersion, Stack, StackOptions, Transport, VERSIONS, Wire};

fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(|| StackOptions {
        pool_size: 1,
        ..StackOptions::default()
    })
}

/// The login without a zone, and one with.
const LOGINS: [(&str, &str); 2] = [("shop_plain", "app"), ("shop_acme", "shop")];

/// Runs each script everywhere; panics with all that differ.
#[track_caller]
fn same(scripts: &[&[Step]]) {
    same_with(&[], scripts);
}

/// The same, for clients with these startup parameters.
#[track_caller]
fn same_with(startup: &[(&str, &str)], scripts: &[&[Step]]) {
    let mut wrong = Vec::new();
    for (stack, version) in stacks().iter().zip(VERSIONS) {
        for login in LOGINS {
            for extended in [false, true] {
                for script in scripts {
                    let mut pair = Pair::open(stack, login, startup);
                    let problem = pair.run(script, extended);
                    drop(pair);
                    let left = probe(stack, login);
                    wrong.extend(problem.into_iter().chain(left).map(|problem| {
                        format!("{:?} {login:?} extended {extended}: {problem}", version)
                    }));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

use Step::{Batch, Query, Simple};

#[test]
fn every_form_of_set_lasts_for_the_session() {
    let form = |set: &'static str, show: &'static str| [Query(set), Query(show), Query(show)];
    let forms = [
        ("SET statement_timeout = 55555", "SHOW statement_timeout"),
        (
            "set Session Lock_Timeout TO '1s' -- a comment",
            "SHOW lock_timeout",
        ),
        (
            "SET search_path = \"$user\", public, 'Odd ''name'",
            "SHOW search_path",
        ),
        ("SET SCHEMA 'pg_catalog'", "SHOW search_path"),
        ("SET TIME ZONE 'Asia/Tokyo'", "SHOW timezone"),
        (
            "SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE",
            "SHOW timezone",
        ),
        ("SET \"TimeZone\" = 'UTC'", "SHOW timezone"),
        ("SET DateStyle = 'SQL, DMY'", "SHOW datestyle"),
        ("SET IntervalStyle = iso_8601", "SHOW intervalstyle"),
        ("SET application_name = 'über'", "SHOW application_name"),
        ("SET XML OPTION DOCUMENT", "SHOW xmloption"),
        (
            "SET extra_float_digits = 0",
            "SELECT 0.1::float8 + 0.2::float8",
        ),
        ("SET local.made = 'x'", "SHOW local.made"),
        ("SET session.made = 'x'", "SHOW session.made"),
        ("SET app.made TO 'it''s \"x\\y\"'", "SHOW app.made"),
        ("SET work_mem = '32MB'", "SHOW work_mem"),
        ("SET jit TO off;", "SHOW jit"),
        ("SET bytea_output = escape", "SELECT '\\x01'::bytea"),
        (
            "SET client_min_messages TO warning",
            "SHOW client_min_messages",
        ),
        (
            "SELECT set_config('TimeZone', 'UTC', false)",
            "SHOW timezone",
        ),
        (
            "SELECT set_config('jit', 'off', false), set_config('work_mem', '1MB', FALSE), 1 AS one",
            "SHOW jit",
        ),
        (
            "SELECT pg_catalog.set_config('search_path', '', false)",
            "SHOW search_path",
        ),
        ("SET client_encoding TO 'UTF8'", "SHOW client_encoding"),
        ("SET statement_timeout = 'never'", "SHOW statement_timeout"),
        ("SET no_such_parameter = 1", "SHOW statement_timeout"),
        (
            "SELECT set_config('jit', 'off', false), no_column",
            "SHOW jit",
        ),
        (
            "SELECT set_config('jit', 'off', false) WHERE false",
            "SHOW jit",
        ),
        (
            "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
            "SELECT 1",
        ),
        ("SET row_security = off", "SHOW row_security"),
        ("SET synchronous_commit = off", "SHOW synchronous_commit"),
    ];
    let scripts = forms.map(|(set, show)| form(set, show));
    same(&scripts.each_ref().map(|script| &script[..]));
}

#[test]
fn what_is_reset_is_as_at_the_start() {
    same(&[
        &[
            Query("SET jit = off"),
            Query("RESET jit"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET jit = off"),
            Query("SET jit TO DEFAULT"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("SET TIME ZONE LOCAL"),
            Query("SHOW timezone"),
        ],
        &[
            Query("SET jit = off"),
            Query("SET work_mem = '1MB'"),
            Query("RESET ALL"),
            Query("SHOW jit"),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET jit = off"),
            Query("DISCARD ALL"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET jit = off"),
            Query("BEGIN"),
            Query("RESET jit"),
            Query("SHOW jit"),
            Query("ROLLBACK"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET jit = off"),
            Query("BEGIN"),
            Query("SELECT 1"),
            Query("RESET ALL"),
            Query("SHOW jit"),
            Query("COMMIT"),
            Query("SHOW jit"),
        ],
    ]);
}

#[test]
fn a_rollback_takes_back_what_was_set() {
    same(&[
        &[
            Query("BEGIN"),
            Query("SET jit = off"),
            Query("SHOW jit"),
            Query("ROLLBACK"),
            Query("SHOW jit"),
        ],
        &[
            Query("BEGIN"),
            Query("SET jit = off"),
            Query("COMMIT"),
            Query("SHOW jit"),
        ],
        &[
            Query("BEGIN"),
            Query("SELECT 1"),
            Query("SET jit = off"),
            Query("END"),
            Query("SHOW jit"),
        ],
        &[
            Query("BEGIN"),
            Query("SET jit = off"),
            Query("SELECT 1/0"),
            Query("COMMIT"),
            Query("SHOW jit"),
        ],
        &[
            Query("BEGIN"),
            Query("SET work_mem = '1MB'"),
            Query("SAVEPOINT a"),
            Query("SET work_mem = '2MB'"),
            Query("SAVEPOINT \"A\""),
            Query("SET work_mem = '3MB'"),
            Query("ROLLBACK TO a"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Query("BEGIN"),
            Query("SAVEPOINT a"),
            Query("SET work_mem = '2MB'"),
            Query("SELECT 1/0"),
            Query("ROLLBACK TO SAVEPOINT a"),
            Query("SHOW work_mem"),
            Query("SET work_mem = '3MB'"),
            Query("RELEASE a"),
            Query("COMMIT AND CHAIN"),
            Query("SHOW work_mem"),
            Query("SET LOCAL work_mem = '4MB'"),
            Query("SHOW work_mem"),
            Query("ROLLBACK AND CHAIN"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
        ],
        &[
            Query("BEGIN"),
            Query("SET work_mem = '1MB'"),
            Query("SET LOCAL work_mem = '2MB'"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
    ]);
}

#[test]
fn a_transaction_may_begin_with_set_local_and_with_set_transaction() {
    same(&[
        &[
            Query("SET work_mem = '1MB'"),
            Query("BEGIN"),
            Query("SET LOCAL work_mem = '2MB'"),
            Query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Query("BEGIN"),
            Query("SET work_mem = '2MB'"),
            Query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
            Query("SHOW transaction_isolation"),
            Query("SHOW work_mem"),
            Query("ROLLBACK"),
            Query("SHOW work_mem"),
        ],
    ]);
}

#[test]
fn what_is_set_is_reported_as_on_a_connection_of_its_own() {
    same(&[
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("SELECT 1"),
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("RESET ALL"),
        ],
        &[
            Query("SET DateStyle = 'SQL, DMY'"),
            Query("SELECT '2001-02-03'::date"),
            Query("SET DateStyle = 'ISO'"),
            Query("SELECT '2001-02-03'::date"),
            Query("SHOW datestyle"),
        ],
        &[
            Query("BEGIN"),
            Query("SET IntervalStyle = iso_8601"),
            Query("SELECT interval '1 day'"),
            Query("ROLLBACK"),
            Query("SELECT interval '1 day'"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("BEGIN"),
            Query("SELECT 1"),
            Query("SET LOCAL TIME ZONE 'UTC'"),
            Query("SELECT 1"),
            Query("COMMIT"),
            Query("SELECT 1"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("BEGIN"),
            Query("SET TIME ZONE 'UTC'"),
            Query("SELECT 1/0"),
            Query("ROLLBACK"),
            Query("SHOW timezone"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("BEGIN"),
            Query("SAVEPOINT a"),
            Query("SET TIME ZONE 'UTC'"),
            Query("SELECT 1/0"),
            Query("ROLLBACK TO a"),
            Query("SHOW timezone"),
            Query("COMMIT"),
        ],
        &[
            Query("SET application_name = 'a'"),
            Query("SELECT 1"),
            Query("RESET application_name"),
        ],
        &[
            Query("SET search_path = public"),
            Query("RESET search_path"),
        ],
        &[
            Query("SET default_transaction_read_only = off"),
            Query("SELECT 1"),
        ],
    ]);
}

#[test]
fn several_statements_in_one_message() {
    same(&[
        &[
            Simple("SET jit = off; SET work_mem = '1MB'; SHOW jit; SHOW work_mem"),
            Query("SHOW jit"),
        ],
        &[
            Simple("SET jit = off; SELECT 1/0; SET work_mem = '1MB'"),
            Query("SHOW jit"),
        ],
        &[
            Simple("SET x.é = 'é'; SELECT nothing"),
            Simple("SET jit = off; SELECT set_config('work_mem', '1MB', false), é"),
        ],
        &[
            Simple("SET work_mem = '1MB'; SET LOCAL work_mem = '2MB'; SHOW work_mem"),
            Query("SHOW work_mem"),
        ],
        &[
            Simple("SET TIME ZONE 'Asia/Tokyo'; RESET timezone; SHOW timezone"),
            Query("SHOW timezone"),
        ],
        &[Simple("SET jit = off; RESET ALL"), Query("SHOW jit")],
        &[Simple(";; SET jit = off ;; -- end"), Query("SHOW jit")],
    ]);
}

#[test]
fn batches_and_pipelines() {
    same(&[
        &[Batch(&["SET jit = off", "SHOW jit"]), Query("SHOW jit")],
        &[Batch(&["SET jit = off", "SELECT 1/0"]), Query("SHOW jit")],
        &[
            Batch(&["BEGIN", "SET jit = off", "COMMIT", "SHOW jit"]),
            Query("SHOW jit"),
        ],
        &[
            Batch(&["BEGIN", "SET jit = off", "ROLLBACK", "SHOW jit"]),
            Query("SHOW jit"),
        ],
        &[
            Batch(&[
                "BEGIN",
                "SET work_mem = '1MB'",
                "SAVEPOINT a",
                "SET work_mem = '2MB'",
                "ROLLBACK TO a",
                "SHOW work_mem",
                "COMMIT",
                "SHOW work_mem",
            ]),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Batch(&[
                "SHOW work_mem",
                "SET work_mem = '2MB'",
                "SHOW work_mem",
                "SYNC",
                "SHOW work_mem",
                "SET work_mem = '3MB'",
                "SYNC",
                "SELECT 1/0",
                "SET work_mem = '4MB'",
                "SYNC",
                "SHOW work_mem",
            ]),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Batch(&[
                "BEGIN",
                "SELECT 1",
                "SYNC",
                "SET work_mem = '2MB'",
                "SYNC",
                "SHOW work_mem",
                "SYNC",
                "COMMIT",
                "SYNC",
                "SHOW work_mem",
            ]),
        ],
        &[
            Batch(&["SET LOCAL work_mem = '1MB'", "SHOW work_mem"]),
            Query("SHOW work_mem"),
        ],
    ]);
}

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

#[test]
fn the_login_reports_what_is_in_the_startup_packet() {
    for stack in stacks() {
        for login in LOGINS {
            let Pair { direct, through } = Pair::open(&stack, login, &STARTUP);
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
