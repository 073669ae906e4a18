//! A client gives its zone back, as applications do before the connection returns to their pool: it has none
//! until it says one again, as before it has said the first, and nothing of the old one is set any more.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::message::{
    self, Message, bind, column, error, execute, extended, failed, fine, parse,
};
use support::{Stack, Wire};
use zones::common::{
    LOCAL, SEEN, SESSION, ZONE, bind_raw, log_in, nothing_is_left, refused, refused_at_bind, run,
    seen, stacks,
};

const BOUND: &str = "SELECT set_config('app.tenant_id', $1, false)";

/// In the ways in which applications and drivers say it.
const CLEARS: [(&str, &[Option<&str>]); 16] = [
    ("SET app.tenant_id = ''", &[]),
    ("SET SESSION \"App\".tenant_id TO ''", &[]),
    ("SET app.tenant_id TO DEFAULT", &[]),
    ("RESET app.tenant_id", &[]),
    ("SELECT set_config('app.tenant_id', '', false)", &[]),
    (
        "SELECT pg_catalog.set_config(U&'app\\002Etenant_id', E'', 'f')",
        &[],
    ),
    (
        "SELECT set_config('app.tenant_id'::text, $$$$::text, false), 1",
        &[],
    ),
    (BOUND, &[Some("")]),
    (BOUND, &[None]),
    (
        "SELECT set_config('app.tenant_id', $1::varchar, false) AS set_config_1",
        &[Some("")],
    ),
    (
        "SELECT set_config('app.tenant_id', $1, $2)",
        &[Some(""), Some("f")],
    ),
    (
        "SELECT set_config('app.tenant_id', $1, $2)",
        &[None, Some("false")],
    ),
    (SESSION, &[Some(ZONE), Some("")]),
    (SESSION, &[Some("APP.tenant_ID"), None]),
    ("SELECT set_config($1, '', $2)", &[Some(ZONE), Some("off")]),
    (
        "SELECT set_config($1, $2, $3), 1",
        &[Some(ZONE), None, Some("0")],
    ),
];

/// In both protocols, where nothing is bound.
fn each_way(then: impl Fn(&str, &dyn Fn(&mut Wire) -> Vec<Message>)) {
    for (text, values) in CLEARS {
        if values.is_empty() {
            then(text, &|wire| wire.query(text));
        }
        then(text, &|wire| wire.batch(&extended(text, values)));
    }
}

/// It has no zone, and says so like a client that has never had one.
#[track_caller]
fn has_none(wire: &mut Wire) {
    let bound = [SEEN, "INSERT INTO orders (note) VALUES ('of none')"];
    for text in bound {
        let said = wire.query(text);
        like_the_first(&said);
        let said = wire.batch(&extended(text, &[]));
        like_the_first(&said);
    }
    let zone = "SELECT coalesce(current_setting('app.tenant_id', true), '')";
    assert_eq!(column(&wire.query(zone)), [""]);
    assert_eq!(column(&wire.batch(&extended(zone, &[]))), [""]);
}

#[track_caller]
fn like_the_first(said: &[Message]) {
    let error = error(said).unwrap_or_else(|| panic!("not refused: {}", message::kinds(said)));
    let message = "database \"shop\" needs a tenant and this transaction has none";
    assert_eq!(error.field(b'M').as_deref(), Some(message), "{error:?}");
    assert_eq!(error.field(b'R').as_deref(), Some("zone-required"));
    assert_eq!(error.sqlstate(), "42501");
}

#[track_caller]
fn all(wire: &mut Wire, texts: &[&str]) {
    for text in texts {
        fine(&wire.query(text));
    }
}

fn of_acme(stack: &Stack, login: &str) -> Wire {
    let mut wire = log_in(stack, login, &[]);
    fine(&wire.query("SET app.tenant_id = 'acme'"));
    assert_eq!(seen(&mut wire), ["acme"]);
    wire
}

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
                let named = text.contains("'app.tenant_id'") && login != "own";
                match resets || (named && values.contains(&None)) {
                    true => assert_eq!(seen(&mut wire), before, "{login} {text}"),
                    false => has_none(&mut wire),
                }
                fine(&wire.query("RESET app.tenant_id"));
                fine(&wire.query("RESET app.tenant_id; SELECT tenant_id FROM orders"));
                assert_eq!(seen(&mut wire), before, "{login} {text}");
            }
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

/// Statements of the old zone before and behind it, without a Sync or a word of the server between.
#[test]
fn nothing_behind_it_in_the_same_batch_has_the_old_zone() {
    for stack in stacks() {
        for (text, values) in CLEARS {
            let clear = extended(text, values);
            let ask = extended(SEEN, &[]);
            let mut wire = of_acme(&stack, "picky");
            // In an implicit transaction, with the old zone before it or not; and in a block.
            for before in [vec![], vec![&ask], vec![&ask, &ask]] {
                for open in [false, true] {
                    let begin = if open { extended("BEGIN", &[]) } else { vec![] };
                    let sent = [
                        begin,
                        before.iter().flat_map(|it| it.to_vec()).collect(),
                        clear.clone(),
                        ask.clone(),
                        ask.clone(),
                    ];
                    let said = wire.batch(&sent.concat());
                    like_the_first(&said);
                    let zones = column(&said).iter().filter(|it| *it == "acme").count();
                    assert_eq!(zones, before.len(), "{text} {open}");
                    let rows = column(&said).len();
                    assert!(rows <= before.len() + 1, "{text} {open}");
                    if open {
                        fine(&wire.query("ROLLBACK"));
                    }
                    // The transaction failed: it is still there.
                    assert_eq!(seen(&mut wire), ["acme"], "{text} {open}");
                }
            }
            // A portal from before.
            let sent = [
                extended("BEGIN", &[]),
                parse("", SEEN),
                bind("early", "", &[]),
                clear.clone(),
                execute("early", 0),
            ];
            let said = wire.batch(&sent.concat());
            like_the_first(&said);
            fine(&wire.query("ROLLBACK"));
            // A Query behind it without Sync.
            wire.send(&[clear.clone(), message::query(SEEN)].concat());
            like_the_first(&wire.receive_until(b'Z'));
            assert_eq!(seen(&mut wire), ["acme"], "taken back: {text}");
            // Batches one behind the other, unanswered, in pieces of the stream.
            let sync = message::sync();
            let sent = [
                &ask[..],
                &sync,
                &clear,
                &sync,
                &ask,
                &sync,
                &extended("SET app.tenant_id = 'globex'", &[]),
                &sync,
                &ask,
                &sync,
                &clear,
                &sync,
                &message::query(SEEN),
            ];
            wire.send_in_pieces(&sent.concat(), 11);
            assert_eq!(column(&wire.receive_until(b'Z')), ["acme"]);
            fine(&wire.receive_until(b'Z'));
            like_the_first(&wire.receive_until(b'Z'));
            fine(&wire.receive_until(b'Z'));
            assert_eq!(column(&wire.receive_until(b'Z')), ["globex"]);
            fine(&wire.receive_until(b'Z'));
            like_the_first(&wire.receive_until(b'Z'));
            // In one batch with its own end, and what the next transaction has.
            fine(&wire.query("SET app.tenant_id = 'acme'"));
            for (end, is_back) in [("COMMIT", false), ("ROLLBACK", true)] {
                let sent = [
                    extended("BEGIN", &[]),
                    ask.clone(),
                    clear.clone(),
                    extended(end, &[]),
                    ask.clone(),
                ];
                let said = wire.batch(&sent.concat());
                match is_back {
                    true => assert_eq!(column(&said).last().map(String::as_str), Some("acme")),
                    false => {
                        like_the_first(&said);
                        has_none(&mut wire);
                        fine(&wire.query("SET app.tenant_id = 'acme'"));
                    }
                }
            }
        }
        nothing_is_left(&stack);
    }
}

/// In one Query, and one statement.
#[test]
fn nothing_behind_it_in_the_same_text_has_the_old_zone() {
    for stack in stacks() {
        let mut wire = of_acme(&stack, "picky");
        for (text, values) in CLEARS.into_iter().filter(|it| it.1.is_empty()) {
            assert!(values.is_empty());
            for sent in [
                format!("{text}; SELECT * FROM orders"),
                format!("SELECT 1; {text}; {SEEN}; SELECT 2"),
                format!("BEGIN; {text}; {SEEN}"),
                format!("BEGIN; {text}; COMMIT; {SEEN}"),
                format!("BEGIN; {SEEN}; {text}; SAVEPOINT s; {SEEN}; COMMIT"),
                format!("{text}; INSERT INTO orders (note) VALUES ('of none')"),
                format!("{text}; COPY orders TO STDOUT"),
            ] {
                let said = wire.query(&sent);
                like_the_first(&said);
                assert_eq!(column(&said), [""; 0], "{sent}");
                assert_eq!(seen(&mut wire), ["acme"], "{sent}");
            }
            // What is taken back is there again.
            let said = wire.query(&format!("BEGIN; {text}; ROLLBACK; {SEEN}"));
            fine(&said);
            assert_eq!(
                column(&said).last().map(String::as_str),
                Some("acme"),
                "{text}"
            );
            // And another zone behind it is another zone.
            let said = wire.query(&format!("{text}; SET app.tenant_id = 'globex'; {SEEN}"));
            fine(&said);
            assert_eq!(
                column(&said).last().map(String::as_str),
                Some("globex"),
                "{text}"
            );
            // With what pools say beside it.
            fine(&wire.query(&format!(
                "SELECT pg_advisory_unlock_all(); {text}; CLOSE ALL; UNLISTEN *"
            )));
            has_none(&mut wire);
            fine(&wire.query("SET app.tenant_id = 'acme'"));
        }
        for text in [
            "SELECT set_config('app.tenant_id', '', false), note FROM orders",
            "WITH c AS MATERIALIZED (SELECT set_config('app.tenant_id', '', false)) SELECT tenant_id FROM orders, c",
            "WITH c AS MATERIALIZED (SELECT set_config('app.tenant_id', 'acme', false), set_config('app.tenant_id', '', false)) SELECT tenant_id FROM orders, c",
            "INSERT INTO orders (note) SELECT set_config('app.tenant_id', '', false)",
            "UPDATE orders SET note = set_config('app.tenant_id', '', false) WHERE true",
        ] {
            like_the_first(&wire.query(text));
            like_the_first(&wire.batch(&extended(text, &[])));
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
        }
        for text in [
            "SELECT set_config('app.tenant_id', $1, false), note FROM orders",
            "WITH c AS MATERIALIZED (SELECT set_config('app.tenant_id', $1, false)) SELECT tenant_id FROM orders, c",
        ] {
            for value in [Some(""), None] {
                refused_at_bind(&mut wire, &extended(text, &[value]), "zone-required");
                assert_eq!(seen(&mut wire), ["acme"], "{text}");
            }
        }
        nothing_is_left(&stack);
    }
}

#[test]
fn a_prepared_statement_says_one_zone_and_none_in_turn() {
    let zones = [
        Some("acme"),
        Some(""),
        Some("globex"),
        None,
        Some("acme"),
        Some(""),
    ];
    for stack in stacks() {
        for login in ["picky", "own"] {
            let mut wire = log_in(&stack, login, &[]);
            let ask = parse("ask", SEEN);
            fine(&wire.batch(&[parse("pick", BOUND), parse("any", SESSION), ask].concat()));
            for value in zones.repeat(3) {
                for way in 0..3 {
                    let sent = match way {
                        0 => bind("", "pick", &[value]),
                        1 => bind("", "any", &[Some(ZONE), value]),
                        _ => bind_raw("", "pick", &[1], &[value.map(str::as_bytes)]),
                    };
                    fine(&wire.batch(&[sent, execute("", 0)].concat()));
                    let asked = wire.batch(&[bind("", "ask", &[]), execute("", 0)].concat());
                    match value.filter(|it| !it.is_empty()) {
                        Some(zone) => assert_eq!(column(&asked), [zone]),
                        None => like_the_first(&asked),
                    }
                    // What another parameter is given is its own matter.
                    fine(&run(&mut wire, "any", ["app.other", "x"]));
                    let other = bind("", "any", &[Some("app.other"), None]);
                    fine(&wire.batch(&[other, execute("", 0)].concat()));
                    assert_eq!(
                        column(&wire.query("SELECT current_setting('app.other')")),
                        [""]
                    );
                }
            }
            has_none(&mut wire);
            // Not granted is not granted, whatever was bound before.
            let sent = [bind("", "pick", &[Some("hooli")]), execute("", 0)].concat();
            refused_at_bind(&mut wire, &sent, "zone-not-granted");
            has_none(&mut wire);
            drop(wire);
        }
        nothing_is_left(&stack);
    }
}

/// What has failed, or was not reached, gives nothing back, and brings nothing back.
#[test]
fn behind_errors_and_calls_that_are_not_reached() {
    for stack in stacks() {
        each_way(|text, clear| {
            let mut wire = of_acme(&stack, "picky");
            assert_eq!(
                failed(&wire.batch(&[extended("SELECT 1/0", &[]), extended(SEEN, &[])].concat())).1,
                'I'
            );
            all(&mut wire, &["BEGIN"]);
            assert_eq!(failed(&wire.query("SELECT 1/0")).1, 'E');
            assert_eq!(failed(&clear(&mut wire)).0, "25P02", "{text}");
            fine(&wire.query("COMMIT"));
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            // It is given back, and an error takes it back.
            all(&mut wire, &["BEGIN"]);
            fine(&clear(&mut wire));
            assert_eq!(failed(&wire.query("SELECT 1/0")).1, 'E');
            fine(&wire.query("ROLLBACK"));
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            fine(&clear(&mut wire));
            assert_eq!(failed(&wire.query("SELECT 1/0")).1, 'I');
            has_none(&mut wire);
        });
        let mut wire = of_acme(&stack, "picky");
        let missed = "SELECT set_config('app.tenant_id', '', false) WHERE false";
        fine(&wire.query("BEGIN"));
        fine(&wire.query(missed));
        like_the_first(&wire.query(SEEN));
        fine(&wire.query("ROLLBACK"));
        for missed in [
            missed,
            "SELECT CASE WHEN false THEN set_config('app.tenant_id', '', false) END",
        ] {
            fine(&wire.query(missed));
            assert_eq!(seen(&mut wire), ["acme"], "{missed}");
        }
        // Without a zone, a call that is not reached gives none.
        fine(&wire.query("SET app.tenant_id = ''"));
        fine(&wire.query("SELECT set_config('app.tenant_id', 'acme', false) WHERE false"));
        has_none(&mut wire);
        // One statement that says both, whichever is the last.
        for text in [
            "SELECT set_config('app.tenant_id', '', false), set_config('app.tenant_id', 'globex', true)",
            "SELECT set_config('app.tenant_id', 'globex', true), set_config('app.tenant_id', '', false)",
        ] {
            all(&mut wire, &["SET app.tenant_id = 'acme'", "BEGIN", text]);
            like_the_first(&wire.query(SEEN));
            fine(&wire.query("ROLLBACK"));
            assert_eq!(seen(&mut wire), ["acme"]);
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
            drop(wire);
        }
        nothing_is_left(&stack);
    }
}
