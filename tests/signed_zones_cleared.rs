//! A client gives its zone back where zones are signed: no transaction enters the old one, and one that has entered
//! it goes no further.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod signed;
}

use std::sync::Arc;

use support::message::{
    self, Message, bind, column, error, execute, extended, failed, fine, parse,
};
use support::shared::OnEveryVersion;
use support::shop::SEEN;
use support::{Stack, Wire, ways};
use zones::common::{refused, seen};
use zones::signed::{DATABASES, each, log_in, nothing_is_left, options};

const CLEARS: [(&str, &[Option<&str>]); 9] = [
    ("SET app.tenant_id = ''", &[]),
    ("SET app.tenant_id TO DEFAULT", &[]),
    ("RESET app.tenant_id", &[]),
    ("SELECT set_config('app.tenant_id', '', false)", &[]),
    ("SELECT set_config('app.tenant_id', $1, false)", &[Some("")]),
    ("SELECT set_config('app.tenant_id', $1, false)", &[None]),
    (
        "SELECT set_config($1, $2, false)",
        &[Some("app.tenant_id"), Some("")],
    ),
    (
        "SELECT set_config($1, $2, false)",
        &[Some("app.tenant_id"), None],
    ),
    (
        "SELECT set_config('app.tenant_id', $1, $2)",
        &[Some(""), Some("false")],
    ),
];

/// What no guard sees: a function that names no table in the text that calls it.
const PEEK: &str = "SELECT notes()";
const NOTES: &str = "CREATE FUNCTION notes() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT note FROM orders; END $$;";

static STACKS: OnEveryVersion = OnEveryVersion::new();

fn stacks() -> Vec<Arc<Stack>> {
    STACKS.get(|| {
        let mut all = options();
        for database in DATABASES {
            all.sql += &format!("\\connect {database}\n{NOTES}\n");
        }
        all
    })
}

fn of_acme(stack: &Stack, database: &str) -> Wire {
    let mut wire = log_in(stack, "picky", database, &[]);
    fine(&wire.query("SET app.tenant_id = 'acme'"));
    assert_eq!(seen(&mut wire), ["acme"]);
    wire
}

#[track_caller]
fn has_none(wire: &mut Wire) {
    for said in [wire.query(SEEN), wire.batch(&extended(SEEN, &[]))] {
        refused(wire, &said, "zone-required");
    }
    // Nothing was entered, whatever the parameter says.
    for said in [wire.query(PEEK), wire.batch(&extended(PEEK, &[]))] {
        fine(&said);
        assert!(column(&said).is_empty());
    }
}

/// The transaction has entered a zone that the parameter does not say any more.
#[track_caller]
fn in_another(said: &[Message]) {
    let error = error(said).unwrap_or_else(|| panic!("not refused: {}", message::kinds(said)));
    let message = "this transaction is in another zone";
    assert_eq!(error.field(b'M').as_deref(), Some(message), "{error:?}");
    assert_eq!(error.sqlstate(), "42501");
}

#[test]
fn who_gives_its_zone_back_enters_none() {
    each(stacks(), |stack, database| {
        for (text, values) in CLEARS {
            let mut wire = of_acme(stack, database);
            fine(&wire.batch(&extended(text, values)));
            has_none(&mut wire);
            nothing_is_left(stack, database);
            fine(&wire.query("SET app.tenant_id = 'globex'"));
            assert_eq!(seen(&mut wire), ["globex"], "{text}");
            fine(&wire.batch(&extended(text, values)));
            has_none(&mut wire);
            // For one transaction.
            for text in ["BEGIN", "SET LOCAL app.tenant_id = 'acme'", SEEN] {
                fine(&wire.query(text));
            }
            assert_eq!(column(&wire.query(PEEK)), ["anvil"], "{text}");
            fine(&wire.query("COMMIT"));
            has_none(&mut wire);
        }
        nothing_is_left(stack, database);
    });
}

#[test]
fn a_pool_may_tidy_up_in_one_text() {
    each(stacks(), |stack, database| {
        let mut wire = of_acme(stack, database);
        for text in ["BEGIN", SEEN, "ROLLBACK; RESET app.tenant_id"] {
            fine(&wire.query(text));
        }
        has_none(&mut wire);
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        fine(&wire.query(&format!("BEGIN; {SEEN}; COMMIT; RESET app.tenant_id")));
        has_none(&mut wire);
        nothing_is_left(stack, database);
    });
}

#[test]
fn a_transaction_that_has_entered_a_zone_goes_no_further_without_it() {
    each(stacks(), |stack, database| {
        for run in ways() {
            for (text, values) in CLEARS {
                let mut wire = of_acme(stack, database);
                let clear = |wire: &mut Wire| fine(&wire.batch(&extended(text, values)));
                for text in ["BEGIN", SEEN] {
                    fine(&run(&mut wire, text));
                }
                assert_eq!(column(&run(&mut wire, PEEK)), ["anvil"]);
                clear(&mut wire);
                // Nobody sees its rows, not even by what names none.
                in_another(&run(&mut wire, PEEK));
                fine(&run(&mut wire, "ROLLBACK"));
                assert_eq!(seen(&mut wire), ["acme"], "{text}");
                // In one batch, with a portal from before.
                for early in [false, true] {
                    let sent = [
                        extended("BEGIN", &[]),
                        extended(SEEN, &[]),
                        parse("", PEEK),
                        bind("early", "", &[]),
                        extended(text, values),
                        if early {
                            execute("early", 0)
                        } else {
                            extended(PEEK, &[])
                        },
                    ];
                    let said = wire.batch(&sent.concat());
                    assert!(!column(&said).contains(&"anvil".to_owned()), "{text}");
                    match early {
                        true => refused(&mut wire, &said, "zone-required"),
                        false => {
                            in_another(&said);
                            fine(&wire.query("ROLLBACK"));
                        }
                    }
                    assert_eq!(seen(&mut wire), ["acme"], "{text}");
                }
                // Given back behind a savepoint, and taken back with it.
                for text in ["BEGIN", SEEN, "SAVEPOINT s"] {
                    fine(&run(&mut wire, text));
                }
                clear(&mut wire);
                in_another(&run(&mut wire, PEEK));
                fine(&run(&mut wire, "ROLLBACK TO s"));
                assert_eq!(column(&run(&mut wire, PEEK)), ["anvil"], "{text}");
                clear(&mut wire);
                let said = run(&mut wire, SEEN);
                refused(&mut wire, &said, "zone-required");
                // What ended it was skipped, and it goes on.
                for text in ["BEGIN", SEEN, "SAVEPOINT s"] {
                    fine(&run(&mut wire, text));
                }
                let sent = [extended("SELECT 1/0", &[]), extended("COMMIT", &[])];
                assert_eq!(failed(&wire.batch(&sent.concat())).1, 'E');
                fine(&run(&mut wire, "ROLLBACK TO s"));
                clear(&mut wire);
                in_another(&run(&mut wire, PEEK));
                fine(&run(&mut wire, "ROLLBACK"));
                // Said again: the same may be, and another not.
                for (zone, fits) in [("acme", true), ("globex", false)] {
                    for text in ["BEGIN", SEEN] {
                        fine(&run(&mut wire, text));
                    }
                    clear(&mut wire);
                    fine(&run(&mut wire, &format!("SET app.tenant_id = '{zone}'")));
                    let said = run(&mut wire, SEEN);
                    match fits {
                        true => assert_eq!(column(&said), ["acme"], "{text}"),
                        false => in_another(&said),
                    }
                    fine(&run(&mut wire, "ROLLBACK"));
                }
                // Committed, it is gone.
                for text in ["BEGIN", SEEN] {
                    fine(&run(&mut wire, text));
                }
                clear(&mut wire);
                fine(&run(&mut wire, "COMMIT"));
                has_none(&mut wire);
            }
        }
        nothing_is_left(stack, database);
    });
}

/// What has entered no zone goes on, as before the first one.
#[test]
fn a_transaction_that_has_entered_none_goes_on() {
    each(stacks(), |stack, database| {
        for run in ways() {
            for (text, values) in CLEARS {
                let mut wire = of_acme(stack, database);
                fine(&run(&mut wire, "BEGIN"));
                fine(&wire.batch(&extended(text, values)));
                assert!(column(&run(&mut wire, PEEK)).is_empty(), "{text}");
                fine(&run(&mut wire, "SELECT version()"));
                fine(&run(&mut wire, "SAVEPOINT s"));
                fine(&run(&mut wire, "SET app.tenant_id = 'globex'"));
                assert_eq!(column(&run(&mut wire, SEEN)), ["globex"], "{text}");
                // What was entered behind it is taken back.
                fine(&run(&mut wire, "ROLLBACK TO s"));
                assert!(column(&run(&mut wire, PEEK)).is_empty(), "{text}");
                fine(&run(&mut wire, "COMMIT"));
                has_none(&mut wire);
                // In one batch.
                let sent = [
                    extended("SET app.tenant_id = 'acme'", &[]),
                    extended(text, values),
                    extended(PEEK, &[]),
                ];
                let said = wire.batch(&sent.concat());
                fine(&said);
                assert!(!column(&said).contains(&"anvil".to_owned()), "{text}");
                has_none(&mut wire);
            }
        }
        nothing_is_left(stack, database);
    });
}

#[test]
fn a_prepared_statement_says_one_zone_and_none_in_turn() {
    each(stacks(), |stack, database| {
        let mut wire = log_in(stack, "picky", database, &[]);
        let pick = "SELECT set_config('app.tenant_id', $1, false)";
        fine(&wire.batch(&[parse("pick", pick), parse("ask", SEEN)].concat()));
        for value in [Some("acme"), Some(""), Some("globex"), None].repeat(5) {
            fine(&wire.batch(&[bind("", "pick", &[value]), execute("", 0)].concat()));
            let asked = wire.batch(&[bind("", "ask", &[]), execute("", 0)].concat());
            match value.filter(|it| !it.is_empty()) {
                Some(zone) => assert_eq!(column(&asked), [zone]),
                None => refused(&mut wire, &asked, "zone-required"),
            }
        }
        has_none(&mut wire);
        // In one message there is no place for it, but in a transaction.
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        for text in [
            "SET app.tenant_id = ''; SELECT * FROM orders",
            "SELECT * FROM orders; SET app.tenant_id = ''",
            "BEGIN; SET app.tenant_id = ''; SELECT * FROM orders; COMMIT",
        ] {
            let said = wire.query(text);
            refused(&mut wire, &said, "zone-required");
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
        }
        fine(&wire.query("BEGIN; SET app.tenant_id = ''; COMMIT"));
        has_none(&mut wire);
        // Nor for what is read by a function.
        for clear in ["SET app.tenant_id = ''", "RESET app.tenant_id"] {
            fine(&wire.query("SET app.tenant_id = 'acme'"));
            let said = wire.query(&format!("{clear}; {PEEK}"));
            refused(&mut wire, &said, "zone-required");
            for ahead in ["BEGIN", "BEGIN; SELECT * FROM orders"] {
                fine(&wire.query(ahead));
                let said = wire.query(&format!("{clear}; {PEEK}; SELECT 'not reached'"));
                match ahead {
                    "BEGIN" => assert_eq!(fine(&said), 'T'),
                    _ => in_another(&said),
                }
                assert!(!column(&said).contains(&"anvil".to_owned()), "{clear}");
                fine(&wire.query("ROLLBACK"));
            }
            let tidy =
                "SELECT pg_advisory_unlock_all(); RESET app.tenant_id; CLOSE ALL; UNLISTEN *";
            fine(&wire.query(tidy));
            has_none(&mut wire);
        }
        // The startup packet's is another one.
        let mut wire = log_in(stack, "picky", database, &[("app.tenant_id", "globex")]);
        let told = "SELECT current_setting('app.tenant_id') || ':' || notes()";
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        let said = wire.query(&format!("RESET app.tenant_id; {told}"));
        refused(&mut wire, &said, "zone-required");
        assert_eq!(column(&wire.query(told)), ["acme:anvil"]);
        let said = wire.query(&format!("BEGIN; RESET app.tenant_id; {told}; COMMIT"));
        assert_eq!(column(&said), ["globex:hammock"]);
        assert_eq!(column(&wire.query(told)), ["globex:hammock"]);
        // For one transaction.
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        for ends in ["COMMIT", "ROLLBACK"] {
            fine(&wire.query("BEGIN"));
            fine(&wire.query("SET LOCAL app.tenant_id TO DEFAULT"));
            assert_eq!(column(&wire.query(told)), ["globex:hammock"]);
            fine(&wire.query(ends));
            assert_eq!(column(&wire.query(told)), ["acme:anvil"]);
        }
        nothing_is_left(stack, database);
    });
}

#[test]
fn on_the_session_route_it_is_given_back_as_well() {
    each(stacks(), |stack, database| {
        for (text, values) in CLEARS {
            let mut wire = log_in(stack, "own", database, &[("app.tenant_id", "globex")]);
            fine(&wire.query("SET app.tenant_id = 'acme'"));
            fine(&wire.query("BEGIN"));
            assert_eq!(seen(&mut wire), ["acme"]);
            fine(&wire.batch(&extended(text, values)));
            in_another(&wire.query(PEEK));
            fine(&wire.query("ROLLBACK"));
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            fine(&wire.batch(&extended(text, values)));
            // So does NULL, where the text names the parameter.
            let null = values == [None];
            match null || text.contains("RESET") || text.contains("DEFAULT") {
                true => assert_eq!(seen(&mut wire), ["globex"], "{text}"),
                false => has_none(&mut wire),
            }
            drop(wire);
        }
        nothing_is_left(stack, database);
    });
}
