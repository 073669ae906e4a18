//! A client gives its zone back, as applications do before the connection returns to their pool: it has none
//! until it says one again, as before it has said the first, and nothing of the old one is set any more.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod cleared;
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::message::{close, error, extended, failed, fine, parse};
use zones::cleared::{CLEARS, all, each_way, has_none, like_the_first, of_acme};
use zones::common::{LOCAL, SEEN, ZONE, log_in, nothing_is_left, refused, seen, stacks};

#[test]
fn who_gives_its_zone_back_has_none() {
    for stack in stacks() {
        each_way(|text, clear| {
            let mut wire = of_acme(&stack, "picky");
            fine(&clear(&mut wire));
            has_none(&mut wire);
            nothing_is_left(&stack);
            has_none(&mut wire);
            // Again, where there is none.
            fine(&clear(&mut wire));
            has_none(&mut wire);
            fine(&wire.query("SET app.tenant_id = 'globex'"));
            assert_eq!(seen(&mut wire), ["globex"], "{text}");
            nothing_is_left(&stack);
            // For one transaction, and then there is none again.
            fine(&clear(&mut wire));
            all(&mut wire, &["BEGIN", "SET LOCAL app.tenant_id = 'acme'"]);
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            fine(&wire.query("COMMIT"));
            has_none(&mut wire);
        });
        nothing_is_left(&stack);
        assert_eq!(
            stack.direct("shop", "SELECT count(*) FROM orders WHERE note = 'of none'"),
            "0\n"
        );
    }
}

#[test]
fn it_is_given_back_with_the_transaction() {
    for stack in stacks() {
        each_way(|text, clear| {
            let mut wire = of_acme(&stack, "picky");
            let wire = &mut wire;
            // Whether it has been used there before, or not.
            for before in [
                &["BEGIN"][..],
                &["BEGIN", SEEN],
                &["BEGIN", "SET LOCAL app.tenant_id = 'globex'", SEEN],
            ] {
                all(wire, before);
                fine(&clear(wire));
                let said = wire.query(SEEN);
                like_the_first(&said);
                fine(&wire.query("ROLLBACK"));
                assert_eq!(seen(wire), ["acme"], "{text}");
                all(wire, before);
                fine(&wire.query("SAVEPOINT a"));
                let zone = seen(wire);
                fine(&clear(wire));
                let said = wire.batch(&extended(SEEN, &[]));
                like_the_first(&said);
                fine(&wire.query("ROLLBACK TO a"));
                assert_eq!(seen(wire), zone, "{text}");
                fine(&clear(wire));
                fine(&wire.query("RELEASE a"));
                fine(&wire.query("SAVEPOINT b"));
                assert_eq!(failed(&wire.query("SELECT 1/0")).1, 'E');
                fine(&wire.query("ROLLBACK TO b"));
                like_the_first(&wire.query(SEEN));
                fine(&wire.query("COMMIT"));
                assert_eq!(seen(wire), ["acme"], "that transaction has failed: {text}");
                // Said again within it.
                all(wire, before);
                fine(&clear(wire));
                all(wire, &["SET app.tenant_id = 'globex'"]);
                assert_eq!(seen(wire), ["globex"], "{text}");
                fine(&wire.query("COMMIT"));
                assert_eq!(seen(wire), ["globex"], "{text}");
                all(wire, before);
                fine(&clear(wire));
                fine(&wire.query("COMMIT AND CHAIN"));
                like_the_first(&wire.query(SEEN));
                fine(&wire.query("ROLLBACK"));
                has_none(wire);
                fine(&wire.query("SET app.tenant_id = 'acme'"));
            }
        });
        nothing_is_left(&stack);
    }
}

/// For a transaction there is nothing to be given back: it is over with it.
#[test]
fn for_one_transaction_the_empty_text_is_refused() {
    let bound = "SELECT set_config('app.tenant_id', $1, true)";
    for stack in stacks() {
        let mut wire = of_acme(&stack, "picky");
        for (text, values, guard) in [
            ("SET LOCAL app.tenant_id = ''", &[][..], "zone-not-granted"),
            (
                "SELECT set_config('app.tenant_id', '', true)",
                &[],
                "zone-not-granted",
            ),
            (bound, &[Some("")], "zone-not-granted"),
            (bound, &[None], "zone-parameter"),
            (LOCAL, &[Some(ZONE), Some("")], "zone-not-granted"),
            (LOCAL, &[Some(ZONE), None], "zone-parameter"),
            (
                "SELECT set_config('app.tenant_id', $1, $2)",
                &[Some(""), Some("t")],
                "zone-not-granted",
            ),
            (
                "SELECT set_config('app.tenant_id', $1, $2)",
                &[None, Some("t")],
                "zone-parameter",
            ),
            (
                "SELECT set_config($1, $2, $3)",
                &[Some(ZONE), Some(""), Some("1")],
                "zone-not-granted",
            ),
        ] {
            for ahead in [&[][..], &["BEGIN"], &["BEGIN", SEEN]] {
                all(&mut wire, ahead);
                let said = wire.batch(&extended(text, values));
                refused(&mut wire, &said, guard);
                assert_eq!(seen(&mut wire), ["acme"], "{text}");
            }
        }
        // Nor what cannot be told from a zone, nor where it would not be kept.
        for (text, guard) in [
            (
                "SELECT set_config('app.tenant_id', '' || '', false)",
                "zone-parameter",
            ),
            (
                "SELECT set_config('app.tenant_id', NULL, false)",
                "zone-parameter",
            ),
            (
                "SELECT set_config('app.tenant_id', (SELECT ''), false)",
                "zone-parameter",
            ),
            (
                "SELECT set_config('app.tenant_id', ''::name, false)",
                "zone-parameter",
            ),
            (
                "SELECT set_config('app.tenant_id', '', 1 = 2)",
                "zone-parameter",
            ),
            ("SET app.tenant_id = '', 'acme'", "zone-parameter"),
            (
                "EXPLAIN ANALYZE SELECT set_config('app.tenant_id', '', false)",
                "zone-parameter",
            ),
            (
                "DECLARE c CURSOR FOR SELECT set_config('app.tenant_id', '', false)",
                "zone-parameter",
            ),
            (
                "ALTER ROLE CURRENT_USER SET app.tenant_id = ''",
                "ddl-outside-migration",
            ),
        ] {
            let said = wire.query(text);
            refused(&mut wire, &said, guard);
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
        }
        // To its default it may be set, and is the session's again behind it.
        for ends in ["COMMIT", "ROLLBACK"] {
            all(
                &mut wire,
                &["BEGIN", "SET LOCAL app.tenant_id TO DEFAULT", "SAVEPOINT a"],
            );
            like_the_first(&wire.query(SEEN));
            all(&mut wire, &["ROLLBACK TO a", ends]);
            assert_eq!(seen(&mut wire), ["acme"], "{ends}");
        }
        // A zone that is the database's is nobody's to give back.
        let mut named = log_in(&stack, "named", &[]);
        for (text, values) in CLEARS {
            let said = named.batch(&extended(text, values));
            let guard = error(&said)
                .and_then(|it| it.field(b'R'))
                .unwrap_or_default();
            assert!(guard.starts_with("zone-"), "{text} {guard}");
            refused(&mut named, &said, &guard);
            assert_eq!(seen(&mut named), ["ho"], "{text}");
        }
        nothing_is_left(&stack);
    }
}

/// As on a connection of one's own: the empty text stands over it, and RESET goes back to it.
#[test]
fn the_startup_packets_zone_comes_back_by_reset_alone() {
    for stack in stacks() {
        for (login, said) in [("picky", "acme"), ("own", "acme"), ("free", "*")] {
            let mut wire = log_in(&stack, login, &[("app.tenant_id", said)]);
            let before = seen(&mut wire);
            for (text, values) in CLEARS {
                all(&mut wire, &["SET app.tenant_id = 'globex'"]);
                assert_eq!(seen(&mut wire), ["globex"]);
                fine(&wire.batch(&extended(text, values)));
                let resets = text.contains("RESET") || text.contains("DEFAULT");
                // NULL is what RESET says, where the text names the parameter; elsewhere it is the empty text.
                let named = text.contains("'app.tenant_id'");
                match resets || (named && values.contains(&None)) {
                    true => assert_eq!(seen(&mut wire), before, "{login} {text}"),
                    false => has_none(&mut wire),
                }
                fine(&wire.query("RESET app.tenant_id"));
                fine(&wire.query("RESET app.tenant_id; SELECT tenant_id FROM orders"));
                assert_eq!(seen(&mut wire), before, "{login} {text}");
            }
            all(&mut wire, &["SET app.tenant_id = 'globex'", "BEGIN"]);
            assert_eq!(seen(&mut wire), ["globex"], "{login}");
            fine(&wire.query("SET LOCAL app.tenant_id TO DEFAULT"));
            assert_eq!(seen(&mut wire), before, "{login}");
            fine(&wire.query("COMMIT"));
            assert_eq!(seen(&mut wire), ["globex"], "{login}");
            for text in ["RESET ALL", "DISCARD ALL"] {
                fine(&wire.query("SET app.tenant_id = ''"));
                has_none(&mut wire);
                fine(&wire.query(text));
                assert_eq!(seen(&mut wire), before, "{login} {text}");
            }
        }
        nothing_is_left(&stack);
    }
}

/// On a server connection of the client's own, which keeps what is set there.
#[test]
fn on_the_session_route_it_is_given_back_as_well() {
    for stack in stacks() {
        for (text, values) in CLEARS {
            let mut wire = of_acme(&stack, "own");
            fine(&wire.batch(&extended(text, values)));
            has_none(&mut wire);
            all(&mut wire, &["SET app.tenant_id = 'globex'", "BEGIN"]);
            assert_eq!(seen(&mut wire), ["globex"], "{text}");
            fine(&wire.batch(&extended(text, values)));
            like_the_first(&wire.query(SEEN));
            fine(&wire.query("ROLLBACK"));
            assert_eq!(seen(&mut wire), ["globex"], "{text}");
            let sent = [extended(text, values), extended(SEEN, &[])].concat();
            like_the_first(&wire.batch(&sent));
            assert_eq!(seen(&mut wire), ["globex"], "{text}");
            // Run by SQL nobody would follow it.
            fine(&wire.batch(&parse("s", text)));
            let given = ["", "('x')", "('x', 'y')", "('x', 'y', 'f')"];
            let given = given[text.matches('$').filter(|_| !values.is_empty()).count()];
            for open in [false, true] {
                if open {
                    fine(&wire.query("BEGIN"));
                }
                let said = wire.query(&format!("EXECUTE s{given}"));
                refused(&mut wire, &said, "zone-parameter");
                assert_eq!(seen(&mut wire), ["globex"], "{text}");
            }
            for text in ["RESET ALL", "DISCARD ALL"] {
                fine(&wire.batch(&[close(b'S', "s"), parse("s", text)].concat()));
                let said = wire.query("EXECUTE s");
                refused(&mut wire, &said, "zone-parameter");
                assert_eq!(seen(&mut wire), ["globex"], "{text}");
            }
            let said = wire.query("PREPARE p AS SELECT set_config('app.tenant_id', '', false)");
            refused(&mut wire, &said, "zone-parameter");
            drop(wire);
        }
        has_none(&mut log_in(&stack, "own", &[]));
    }
}
