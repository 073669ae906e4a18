//! Clients that set their zone themselves, where zones are signed: every transaction enters what the client
//! has set, with a token that is made for it, in every way in which a client says it.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
    pub mod drivers;
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod signed;
}

use support::message::{self, bind, column, execute, extended, failed, fine, parse};
use support::shop::SEEN;
use support::ways;
use zones::common::{FOR_A_TRANSACTION, only_reads, refused, seen, works_in_one_write};
use zones::drivers::{all_ways_work, node_postgres, psycopg};
use zones::signed::{each, log_in, nothing_is_left, stacks};

#[test]
fn a_startup_parameter_or_options_say_it() {
    each(stacks(), |stack, database| {
        for said in [
            ("app.tenant_id", "acme"),
            ("options", "-c statement_timeout=30s -c app.tenant_id=acme"),
        ] {
            let mut wire = log_in(stack, "picky", database, &[said]);
            assert_eq!(seen(&mut wire), ["acme"]);
            fine(&wire.query("BEGIN ISOLATION LEVEL SERIALIZABLE"));
            assert_eq!(seen(&mut wire), ["acme"]);
            fine(&wire.query("COMMIT AND CHAIN"));
            assert_eq!(seen(&mut wire), ["acme"]);
            fine(&wire.query("ROLLBACK"));
            nothing_is_left(stack, database);
            assert_eq!(seen(&mut wire), ["acme"]);
        }
        let mut every = log_in(stack, "free", database, &[("App.Tenant_ID", "*")]);
        assert_eq!(seen(&mut every), ["", "acme", "globex", "ho", "porte"]);
        nothing_is_left(stack, database);
    });
}

/// SET and `set_config` for the session, in the ways in which drivers send them.
const SESSION: [&str; 4] = [
    "SET app.tenant_id = 'acme'",
    "SET SESSION \"App\".tenant_id TO acme",
    "SELECT set_config('app.tenant_id', 'acme', false)",
    "SELECT pg_catalog.set_config(U&'app\\002Etenant_id', E'\\x61cme', false)",
];

#[test]
fn what_is_set_for_the_session_is_entered_in_every_transaction() {
    each(stacks(), |stack, database| {
        for text in SESSION {
            for run in ways() {
                let mut wire = log_in(stack, "picky", database, &[]);
                fine(&run(&mut wire, text));
                for _ in 0..12 {
                    assert_eq!(column(&run(&mut wire, SEEN)), ["acme"], "{text}");
                }
                let note = format!("{text} {database}").replace('\'', "''");
                fine(&run(
                    &mut wire,
                    &format!("INSERT INTO orders (note) VALUES (E'{note}')"),
                ));
                fine(&run(&mut wire, "SET app.tenant_id TO 'globex'"));
                assert_eq!(seen(&mut wire), ["globex"]);
                // In the transaction that sets it, too.
                fine(&run(&mut wire, "BEGIN"));
                fine(&run(&mut wire, text));
                assert_eq!(seen(&mut wire), ["acme"], "{text}");
                fine(&run(&mut wire, "ROLLBACK"));
                assert_eq!(seen(&mut wire), ["globex"], "{text}");
            }
        }
        let landed = "SELECT DISTINCT tenant_id FROM orders WHERE note LIKE '%app%'";
        assert_eq!(stack.direct(database, landed), "acme\n");
        stack.direct(database, "DELETE FROM orders WHERE note LIKE '%app%'");
        nothing_is_left(stack, database);
    });
}

#[test]
fn what_is_set_for_a_transaction_is_entered_there_and_ends_with_it() {
    each(stacks(), |stack, database| {
        // Without a zone of the session, and with one.
        for session in [&[][..], &[("app.tenant_id", "acme")]] {
            let mut wire = log_in(stack, "picky", database, session);
            for (text, values) in FOR_A_TRANSACTION {
                for end in ["COMMIT", "ROLLBACK"] {
                    fine(&wire.query("BEGIN"));
                    fine(&wire.batch(&extended(text, values)));
                    assert_eq!(seen(&mut wire), ["globex"], "{text}");
                    fine(&wire.query("INSERT INTO orders (note) VALUES ('local')"));
                    fine(&wire.query(end));
                    let behind = wire.query(SEEN);
                    match session {
                        [] => refused(&mut wire, &behind, "zone-required"),
                        _ => assert_eq!(column(&behind), ["acme"], "{text}"),
                    }
                }
                works_in_one_write(&mut wire, text, values);
                // An implicit transaction.
                let whole = [extended(text, values), extended(SEEN, &[])];
                let answer = wire.batch(&whole.concat());
                fine(&answer);
                let last = column(&answer).pop();
                assert_eq!(last.as_deref(), Some("globex"), "{text}");
            }
            nothing_is_left(stack, database);
        }
        let landed = "SELECT tenant_id, count(*) FROM orders WHERE note = 'local' GROUP BY 1";
        assert_eq!(
            stack.direct(database, landed),
            format!("globex|{}\n", 2 * FOR_A_TRANSACTION.len())
        );
        stack.direct(database, "DELETE FROM orders WHERE note = 'local'");
    });
}

#[test]
fn what_is_set_for_the_session_by_a_bound_name_is_entered_as_well() {
    each(stacks(), |stack, database| {
        let mut wire = log_in(stack, "picky", database, &[("TimeZone", "Asia/Tokyo")]);
        fine(&wire.batch(&parse("pick", "SELECT set_config($1, $2, false)")));
        let pick = |name, value| {
            let bound = bind("", "pick", &[Some(name), Some(value)]);
            [bound, execute("", 0)].concat()
        };
        for turn in 0..12 {
            let zone = ["acme", "globex"][turn % 2];
            // Alone, before what is asked in the same write, and beside what is no zone.
            fine(&wire.batch(&pick("app.tenant_id", zone)));
            assert_eq!(seen(&mut wire), [zone]);
            fine(&wire.batch(&pick("TimeZone", "UTC")));
            assert_eq!(seen(&mut wire), [zone]);
            let next = ["globex", "acme"][turn % 2];
            let all = [pick("APP.tenant_id", next), extended(SEEN, &[])].concat();
            let answer = wire.batch(&all);
            fine(&answer);
            assert_eq!(column(&answer), [next, next]);
            // A Bind of another zone than is granted, whatever was bound before.
            let said = wire.batch(&pick("app.tenant_id", "hooli"));
            refused(&mut wire, &said, "zone-not-granted");
            assert_eq!(seen(&mut wire), [next]);
        }
        nothing_is_left(stack, database);
    });
}

#[test]
fn a_bound_value_is_entered_each_time() {
    each(stacks(), |stack, database| {
        let mut wire = log_in(stack, "picky", database, &[("TimeZone", "Asia/Tokyo")]);
        let pick = "SELECT set_config('app.tenant_id', $1, true)";
        let ask = "SELECT DISTINCT tenant_id || current_setting('TimeZone') FROM orders";
        fine(&wire.batch(&[parse("pick", pick), parse("ask", ask)].concat()));
        for zone in ["acme", "globex", "acme", "acme", "globex"].repeat(4) {
            fine(&wire.query("BEGIN"));
            fine(&wire.batch(&[bind("", "pick", &[Some(zone)]), execute("", 0)].concat()));
            let answer = wire.batch(&[bind("", "ask", &[]), execute("", 0)].concat());
            assert_eq!(column(&answer), [format!("{zone}Asia/Tokyo")]);
            fine(&wire.query("COMMIT"));
        }
        for value in [Some("*"), Some(""), Some("hooli"), None] {
            let whole = [
                extended("BEGIN", &[]),
                bind("", "pick", &[value]),
                execute("", 0),
            ];
            let said = wire.batch(&whole.concat());
            let guard = match value {
                Some(_) => "zone-not-granted",
                None => "zone-parameter",
            };
            refused(&mut wire, &said, guard);
        }
        nothing_is_left(stack, database);
    });
}

#[test]
fn savepoints_take_back_what_was_entered_behind_them() {
    each(stacks(), |stack, database| {
        for run in ways() {
            let mut wire = log_in(stack, "picky", database, &[]);
            let acme = "SET LOCAL app.tenant_id = 'acme'";
            let globex = "SELECT set_config('app.tenant_id', 'globex', true)";
            let mut all = |texts: &[&str]| {
                for text in texts {
                    fine(&run(&mut wire, text));
                }
            };
            // Entered, and taken back: another may be.
            all(&["BEGIN", "SAVEPOINT s", acme, SEEN, "ROLLBACK TO s", globex]);
            assert_eq!(column(&run(&mut wire, SEEN)), ["globex"]);
            failed(&run(&mut wire, "SELECT 1/0"));
            let mut all = |texts: &[&str]| {
                for text in texts {
                    fine(&run(&mut wire, text));
                }
            };
            all(&["ROLLBACK TO s", acme]);
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "ROLLBACK TO s"));
            let said = run(&mut wire, SEEN);
            refused(&mut wire, &said, "zone-required");
            // Set before a savepoint and kept.
            for text in ["BEGIN", acme, "SAVEPOINT s", SEEN] {
                fine(&run(&mut wire, text));
            }
            failed(&run(&mut wire, "SELECT 1/0"));
            fine(&run(&mut wire, "ROLLBACK TO s"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "RELEASE s"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "COMMIT"));
            // Said and not entered, it is taken back without being refused for the one that is entered.
            for text in ["BEGIN", acme, SEEN, "SAVEPOINT s", globex] {
                fine(&run(&mut wire, text));
            }
            fine(&run(&mut wire, "ROLLBACK TO s"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "COMMIT"));
            // For the session, and rolled back.
            fine(&run(&mut wire, "SET app.tenant_id = 'acme'"));
            for text in ["BEGIN", "SET app.tenant_id = 'globex'", SEEN, "ROLLBACK"] {
                fine(&run(&mut wire, text));
            }
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            for text in ["BEGIN", "RESET ALL", globex] {
                fine(&run(&mut wire, text));
            }
            assert_eq!(column(&run(&mut wire, SEEN)), ["globex"]);
            fine(&run(&mut wire, "ROLLBACK"));
        }
        nothing_is_left(stack, database);
    });
}

/// PostgreSQL says so: the mark of a transaction is made once.
#[test]
fn a_transaction_has_one_zone() {
    each(stacks(), |stack, database| {
        for run in ways() {
            let mut wire = log_in(stack, "picky", database, &[("app.tenant_id", "acme")]);
            fine(&run(&mut wire, "BEGIN"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "SET LOCAL app.tenant_id = 'acme'"));
            assert_eq!(
                column(&run(&mut wire, SEEN)),
                ["acme"],
                "the same once more"
            );
            fine(&run(&mut wire, "SET LOCAL app.tenant_id = 'globex'"));
            let said = run(&mut wire, SEEN);
            assert_eq!(failed(&said), ("42501".into(), 'E'));
            let message = message::error(&said).and_then(|it| it.field(b'M'));
            assert_eq!(
                message.as_deref(),
                Some("this transaction is in another zone")
            );
            fine(&run(&mut wire, "ROLLBACK"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            // A portal from before.
            let whole = [
                extended("BEGIN", &[]),
                parse("", SEEN),
                bind("early", "", &[]),
                extended("SET LOCAL app.tenant_id = 'globex'", &[]),
                execute("early", 0),
            ];
            let said = wire.batch(&whole.concat());
            refused(&mut wire, &said, "zone-required");
            // In one message with others there is no place to enter it.
            for text in [
                "SET LOCAL app.tenant_id = 'globex'; SELECT * FROM orders",
                "SELECT * FROM orders; SET app.tenant_id = 'globex'",
            ] {
                let said = wire.query(text);
                refused(&mut wire, &said, "zone-required");
            }
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            // Within a transaction it goes in pieces.
            let set = "SELECT set_config('app.tenant_id', 'globex', true)";
            let said = wire.query(&format!("BEGIN; {set}; {SEEN}; COMMIT"));
            fine(&said);
            assert_eq!(column(&said), ["globex", "globex"]);
            fine(&wire.query("BEGIN"));
            let said = wire.query(&format!("{set}; {SEEN}; ROLLBACK; {SEEN}"));
            fine(&said);
            assert_eq!(column(&said), ["globex", "globex", "acme"]);
            fine(&wire.query("SET work_mem = '3MB'; SET app.tenant_id = 'globex'"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["globex"]);
        }
        nothing_is_left(stack, database);
    });
}

#[test]
fn on_the_session_route_it_is_entered_in_each_transaction_as_well() {
    each(stacks(), |stack, database| {
        let mut wire = log_in(stack, "own", database, &[]);
        fine(&wire.query("SET app.tenant_id = 'acme'; SET work_mem = '3MB'"));
        assert_eq!(seen(&mut wire), ["acme"]);
        assert_eq!(column(&wire.query("SHOW work_mem")), ["3MB"]);
        fine(&wire.query("BEGIN"));
        let text = "SELECT set_config($1, $2, true)";
        let values = [Some("app.tenant_id"), Some("globex")];
        fine(&wire.batch(&extended(text, &values)));
        assert_eq!(seen(&mut wire), ["globex"]);
        fine(&wire.query("COMMIT"));
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("RESET app.tenant_id"));
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
    });
}

#[test]
fn the_name_of_the_database_is_signed_as_well() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "named", "ported", &[]);
        for run in ways() {
            assert_eq!(column(&run(&mut wire, SEEN)), ["porte"]);
            assert!(column(&run(&mut wire, "SELECT peek('orders')")).is_empty());
            assert_eq!(
                column(&run(&mut wire, "SELECT peek('believed')")),
                ["hammock"]
            );
            let said = run(&mut wire, "SET app.tenant_id = 'acme'");
            refused(&mut wire, &said, "zone-not-granted");
            assert_eq!(column(&run(&mut wire, SEEN)), ["porte"]);
        }
        nothing_is_left(&stack, "ported");
        // Where the name does not fit there is no zone.
        let mut wire = log_in(&stack, "named", "shop", &[]);
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
    }
}

/// Unmodified, as against plain zones.
#[test]
fn real_drivers_say_it() {
    each(stacks(), |stack, database| {
        for client in [node_postgres(), psycopg()] {
            all_ways_work(client, &stack.login("picky", database));
            nothing_is_left(stack, database);
        }
    });
}

/// Somebody's who is a person, too.
#[test]
fn people_only_read_in_the_zone_that_they_set() {
    each(stacks(), |stack, database| {
        only_reads(log_in(stack, "person", database, &[]));
        let said = [
            ("app.tenant_id", "acme"),
            ("default_transaction_read_only", "off"),
        ];
        only_reads(log_in(stack, "person", database, &said));
    });
}
