//! Clients that set their zone themselves, in every way in which a client does: it holds as long as on a
//! connection of its own, and none is left behind.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::message::{self, bind, column, execute, extended, failed, fine, parse};
use support::{Transport, Wire};
use zones::common::{
    FOR_A_TRANSACTION, LOCAL, SEEN, ZONE, log_in, nothing_is_left, only_reads, psql, refused, seen,
    stacks, works_in_one_write,
};

#[test]
fn a_startup_parameter_says_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[("app.tenant_id", "acme")]);
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("BEGIN"));
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("COMMIT"));
        nothing_is_left(&stack);
        assert_eq!(seen(&mut wire), ["acme"]);
        let mut every = log_in(&stack, "free", &[("App.Tenant_ID", "*")]);
        assert_eq!(seen(&mut every), ["", "acme", "globex", "ho"]);
        nothing_is_left(&stack);
    }
}

#[test]
fn options_say_it() {
    for stack in stacks() {
        for options in [
            "-c statement_timeout=30s -c app.tenant_id=globex",
            "-capp.tenant_id=globex",
            "--app.tenant-id=globex -c jit=off",
            "-c app.tenant_id=acme -c APP.TENANT_ID=globex",
        ] {
            let mut wire = log_in(&stack, "picky", &[("options", options)]);
            assert_eq!(seen(&mut wire), ["globex"], "{options}");
            let said = psql(&stack, "picky", options, SEEN).ok();
            assert_eq!(said, "globex\n", "{options}");
        }
        nothing_is_left(&stack);
        let all = psql(
            &stack,
            "free",
            "-c statement_timeout=1min -c app.tenant_id=*",
            SEEN,
        );
        assert_eq!(all.ok(), "\nacme\nglobex\nho\n");
        nothing_is_left(&stack);
    }
}

/// SET and `set_config` for the session, in the ways in which drivers send them.
const SESSION: [&str; 6] = [
    "SET app.tenant_id = 'acme'",
    "SET SESSION \"App\".tenant_id TO acme",
    "SELECT set_config('app.tenant_id', 'acme', false)",
    "SELECT set_config('APP.TENANT_ID'::text, 'acme'::text, false), 1",
    "SELECT pg_catalog.set_config(U&'app\\002Etenant_id', E'\\x61cme', false)",
    "WITH s AS (SELECT set_config('app.tenant_id', 'acme', false)) SELECT * FROM s",
];

#[test]
fn what_is_set_for_the_session_stays_with_the_client() {
    for stack in stacks() {
        for (number, text) in SESSION.into_iter().enumerate() {
            let mut wire = log_in(&stack, "picky", &[]);
            match number % 2 {
                0 => fine(&wire.query(text)),
                _ => fine(&wire.batch(&extended(text, &[]))),
            };
            for _ in 0..3 {
                assert_eq!(seen(&mut wire), ["acme"], "{text}");
            }
            assert_eq!(column(&wire.query("SHOW app.tenant_id")), ["acme"]);
            nothing_is_left(&stack);
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            fine(&wire.query("BEGIN ISOLATION LEVEL SERIALIZABLE"));
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            fine(&wire.query("ROLLBACK"));
            // From one to the other.
            fine(&wire.query("SET app.tenant_id TO 'globex'"));
            assert_eq!(seen(&mut wire), ["globex"]);
            nothing_is_left(&stack);
        }
    }
}

#[test]
fn a_bound_value_is_read_each_time() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[]);
        let text = "SELECT set_config('app.tenant_id', $1, false)";
        let parsed = wire.batch(&[parse("pick", text), message::describe(b'S', "pick")].concat());
        fine(&parsed);
        for zone in ["acme", "globex", "acme"] {
            let bound = [bind("", "pick", &[Some(zone)]), execute("", 0)].concat();
            assert_eq!(column(&wire.batch(&bound)), [zone]);
            assert_eq!(seen(&mut wire), [zone]);
        }
        for value in ["*", "hooli"] {
            let bound = [bind("", "pick", &[Some(value)]), execute("", 0)].concat();
            let said = wire.batch(&bound);
            refused(&mut wire, &said, "zone-not-granted");
            assert_eq!(seen(&mut wire), ["acme"], "as before");
        }
        nothing_is_left(&stack);
    }
}

#[test]
fn what_is_set_for_a_transaction_ends_with_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[]);
        for (text, values) in FOR_A_TRANSACTION {
            for end in ["COMMIT", "ROLLBACK"] {
                fine(&wire.query("BEGIN"));
                fine(&wire.batch(&extended(text, values)));
                assert_eq!(seen(&mut wire), ["globex"], "{text}");
                fine(&wire.query(end));
                let gone = wire.query(SEEN);
                refused(&mut wire, &gone, "zone-required");
            }
            works_in_one_write(&mut wire, text, values);
            nothing_is_left(&stack);
        }
        // The session's comes back behind it.
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SET LOCAL app.tenant_id = 'globex'"));
        assert_eq!(seen(&mut wire), ["globex"]);
        fine(&wire.query("COMMIT"));
        assert_eq!(seen(&mut wire), ["acme"]);
        nothing_is_left(&stack);
    }
}

/// What pools send when a connection goes back to them: asyncpg's, Npgsql's, and others.
const TIDY: [&str; 9] = [
    "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;",
    "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP",
    "CLOSE ALL",
    "DISCARD PLANS",
    "DISCARD SEQUENCES",
    "DISCARD TEMP",
    "DEALLOCATE ALL",
    "RESET ALL",
    "DISCARD ALL",
];

#[test]
fn pools_tidy_up_behind_transactions_that_had_a_zone_of_their_own() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[]);
        for text in TIDY {
            fine(&wire.query("BEGIN"));
            fine(&wire.query("SET LOCAL app.tenant_id = 'globex'"));
            assert_eq!(seen(&mut wire), ["globex"], "{text}");
            fine(&wire.query("COMMIT"));
            fine(&wire.query(text));
            let gone = wire.query(SEEN);
            refused(&mut wire, &gone, "zone-required");
            nothing_is_left(&stack);
        }
        fine(&wire.query("EXPLAIN SELECT 1"));
        let others = wire.query("EXPLAIN (ANALYZE) SELECT * FROM orders");
        refused(&mut wire, &others, "zone-required");
    }
}

#[test]
fn it_is_taken_back_with_the_transaction_that_set_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[("app.tenant_id", "t-1")]);
        let zone = |wire: &mut Wire| column(&wire.query("SHOW app.tenant_id")).remove(0);
        for (texts, left) in [
            (
                &["BEGIN", "SET app.tenant_id = 'acme'", "ROLLBACK"][..],
                "t-1",
            ),
            (&["BEGIN", "SET app.tenant_id = 'acme'", "COMMIT"], "acme"),
            (&["RESET app.tenant_id"], "t-1"),
            (&["SET app.tenant_id = 'acme'", "RESET ALL"], "t-1"),
            (&["SET app.tenant_id = 'acme'", "DISCARD ALL"], "t-1"),
            (
                &["SET app.tenant_id = 'acme'", "SET app.tenant_id TO DEFAULT"],
                "t-1",
            ),
            (
                &[
                    "BEGIN",
                    "SET app.tenant_id = 'acme'",
                    "SAVEPOINT s",
                    "SET app.tenant_id = 'globex'",
                    "ROLLBACK TO s",
                    "COMMIT",
                ],
                "acme",
            ),
            (
                &[
                    "BEGIN",
                    "SAVEPOINT s",
                    "SELECT set_config('app.tenant_id', 'globex', false)",
                    "RELEASE s",
                    "COMMIT",
                ],
                "globex",
            ),
        ] {
            for text in texts {
                fine(&wire.query(text));
            }
            assert_eq!(zone(&mut wire), left, "{texts:?}");
            if left != "t-1" {
                assert_eq!(seen(&mut wire), [left], "{texts:?}");
            }
        }
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        assert_eq!(failed(&wire.query("SELECT 1/0")).1, 'E');
        fine(&wire.query("COMMIT"));
        assert_eq!(seen(&mut wire), ["globex"]);
        // Without one in the startup packet there is none.
        let mut wire = log_in(&stack, "picky", &[]);
        // A Query that fails takes back what stands ahead of it without Sync.
        let sent = [
            extended("SET app.tenant_id = 'acme'", &[]),
            message::query("SELECT 1/0"),
        ];
        wire.send(&sent.concat());
        assert_eq!(failed(&wire.receive_until(b'Z')), ("22012".into(), 'I'));
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        for texts in [
            &["BEGIN", "SET app.tenant_id = 'acme'", "ROLLBACK"][..],
            &["SET app.tenant_id = 'acme'", "RESET app.tenant_id"],
            &["SET app.tenant_id = 'acme'", "DISCARD ALL"],
            &["SET app.tenant_id = 'acme'", "RESET ALL"],
        ] {
            for text in texts {
                fine(&wire.query(text));
            }
            let said = wire.query(SEEN);
            refused(&mut wire, &said, "zone-required");
        }
        // Set behind a savepoint and rolled back, or before it and kept.
        let local = "SET LOCAL app.tenant_id = 'acme'";
        for text in ["BEGIN", "SAVEPOINT s", local, "ROLLBACK TO s"] {
            fine(&wire.query(text));
        }
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        for text in ["BEGIN", "SAVEPOINT s", local, "SAVEPOINT s"] {
            fine(&wire.query(text));
        }
        assert_eq!(failed(&wire.query("SELECT 1/0")).1, 'E');
        fine(&wire.query("ROLLBACK TO s"));
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("RELEASE s"));
        fine(&wire.query("ROLLBACK TO s"));
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        // A call that is not reached sets nothing.
        let said = wire.query(
            "BEGIN; SELECT set_config('app.tenant_id', 'acme', true) WHERE false; SELECT tenant_id FROM orders WHERE tenant_id <> ''; COMMIT",
        );
        assert_eq!(column(&said), [] as [String; 0]);
        nothing_is_left(&stack);
    }
}

#[test]
fn on_the_session_route_it_is_set_in_each_transaction_as_well() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "own", &[]);
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        fine(&wire.query("SET app.tenant_id = 'acme'; SET work_mem = '3MB'"));
        assert_eq!(seen(&mut wire), ["acme"]);
        assert_eq!(column(&wire.query("SHOW work_mem")), ["3MB"]);
        for text in [
            "SET app.tenant_id = '*'",
            "SELECT set_config('app.tenant_id', chr(42), false)",
        ] {
            let said = wire.query(text);
            assert_eq!(failed(&said).0, "42501");
            assert_eq!(seen(&mut wire), ["acme"]);
        }
        fine(&wire.query("BEGIN"));
        fine(&wire.batch(&extended(
            "SELECT set_config($1, $2, true)",
            &[Some("app.tenant_id"), Some("globex")],
        )));
        assert_eq!(seen(&mut wire), ["globex"]);
        fine(&wire.query("COMMIT"));
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("RESET app.tenant_id"));
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        drop(wire);
        let mut started = log_in(
            &stack,
            "own",
            &[("app.tenant_id", "globex"), ("work_mem", "2MB")],
        );
        assert_eq!(seen(&mut started), ["globex"]);
        assert_eq!(column(&started.query("SHOW work_mem")), ["2MB"]);
        fine(&started.query("DISCARD ALL"));
        assert_eq!(seen(&mut started), ["globex"]);
    }
}

#[test]
fn the_name_of_the_database_says_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "named", &[]);
        assert_eq!(seen(&mut wire), ["ho"]);
        let said = wire.query("SET app.tenant_id = 'acme'");
        refused(&mut wire, &said, "zone-not-granted");
        assert_eq!(seen(&mut wire), ["ho"]);
        nothing_is_left(&stack);
    }
}

/// Of neither those that are granted nor those that are not, whoever says them, is anything in a metric's labels.
#[test]
fn no_metric_tells_a_zone() {
    const GRANTED: &str = "t-unmistakable";
    const REFUSED: &str = "unmistakably-other";
    for stack in stacks() {
        let session = |zone: &str| format!("SELECT set_config('app.tenant_id', '{zone}', false)");
        for zone in [GRANTED, REFUSED] {
            let login = stack.login("picky", "shop");
            let options = format!("-c app.tenant_id={zone}");
            for started in [("app.tenant_id", zone), ("options", &options)] {
                let wire = Wire::try_login(&login, Transport::SslRequest, &[started]);
                assert_eq!(wire.is_ok(), zone == GRANTED, "{started:?}");
                wire.into_iter().for_each(|mut wire| drop(seen(&mut wire)));
            }
            let mut wire = log_in(&stack, "picky", &[]);
            let local = format!("SET LOCAL app.tenant_id = '{zone}'");
            let bound = [
                extended(LOCAL, &[Some(ZONE), Some(zone)]),
                extended(SEEN, &[]),
            ];
            let answers = [
                wire.query(&session(zone)),
                wire.query(&format!("BEGIN; {local}; {SEEN}; COMMIT")),
                wire.batch(&bound.concat()),
            ];
            for answer in answers {
                assert_eq!(message::error(&answer).is_none(), zone == GRANTED);
            }
        }
        let (_, metrics) = stack.http_get("/metrics");
        assert!(stack.metric("portcullis_zone_injections_total") > 0.0);
        assert!(metrics.contains("guard=\"zone-not-granted\""), "{metrics}");
        assert!(!metrics.contains("unmistakabl"), "{metrics}");
    }
}

/// Somebody's who is a person, too.
#[test]
fn people_only_read_in_the_zone_that_they_set() {
    for stack in stacks() {
        only_reads(log_in(&stack, "person", &[]));
        let said = [
            ("app.tenant_id", "acme"),
            ("default_transaction_read_only", "off"),
        ];
        only_reads(log_in(&stack, "person", &said));
    }
}
