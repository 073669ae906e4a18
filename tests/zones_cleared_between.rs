//! A client gives its zone back in the middle of something: between statements of the old zone in one batch or one
//! text, in a statement that says a zone and none in turn, behind errors.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod cleared;
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::message::{self, bind, column, execute, extended, failed, fine, parse};
use zones::cleared::{BOUND, CLEARS, all, each_way, has_none, like_the_first, of_acme};
use zones::common::{
    SEEN, SESSION, ZONE, bind_raw, log_in, nothing_is_left, refused_at_bind, run, seen, stacks,
};

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
