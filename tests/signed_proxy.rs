//! The signed level through Portcullis: every transaction enters its zone with a token of its own, and
//! nothing that lives in the database can enter another.

mod support;

use std::sync::Arc;

use support::files::write_secret;
use support::fixture::POLICY;
use support::message::{self, column, error, failed, fine, kinds};
use support::migration::check;
use support::shop::SEEN;
use support::signed::each;
use support::signed::{DATABASES, SECRET, database, line, policy};
use support::{OnEveryVersion, Stack, StackOptions, Wire, ways};

fn options() -> StackOptions {
    let rows = "('acme', 'anvil'), ('globex', 'hammock')";
    let database = |name, marker| database(name, marker, rows, None, "");
    StackOptions {
        sql: database("shop", "setting") + &database("ported", "mac") + "CREATE DATABASE app;\n",
        policy: policy(POLICY),
        zone_keys: DATABASES.map(|name| line(name, "k1", SECRET)).concat(),
        pool_size: 1,
        ..StackOptions::default()
    }
}

fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(options)
}

fn acme(stack: &Stack, database: &str) -> Wire {
    Wire::login(&stack.login("shop_acme", database))
}

#[test]
fn every_transaction_enters_its_zone_and_writes_land() {
    each(stacks(), |stack, database| {
        for (number, run) in ways().into_iter().enumerate() {
            let mut wire = acme(stack, database);
            for _ in 0..3 {
                assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            }
            let note = format!("landed {number}");
            fine(&run(
                &mut wire,
                &format!("INSERT INTO orders (note) VALUES ('{note}')"),
            ));
            let sql = format!("SELECT tenant_id FROM orders WHERE note = '{note}'");
            assert_eq!(stack.direct(database, &sql), "acme\n");
            // Not into another's.
            let other = "INSERT INTO orders (tenant_id) VALUES ('globex')";
            assert_eq!(failed(&run(&mut wire, other)).0, "42501");
            // The next client on the same server connection.
            let mut globex = Wire::login(&stack.login("shop_globex", database));
            assert_eq!(column(&run(&mut globex, SEEN)), ["globex"]);
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
        }
    });
}

/// Where the parameter alone is believed, the function shows it what it likes.
#[test]
fn code_in_the_database_cannot_enter_another_zone() {
    each(stacks(), |stack, database| {
        for run in ways() {
            let mut wire = acme(stack, database);
            let answer = run(&mut wire, "SELECT peek('believed')");
            assert_eq!(column(&answer), ["hammock"], "the attack itself");
            assert!(column(&run(&mut wire, "SELECT peek('orders')")).is_empty());
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
        }
    });
}

#[test]
fn transactions_savepoints_and_resets_keep_the_zone() {
    each(stacks(), |stack, database| {
        for run in ways() {
            let mut wire = acme(stack, database);
            fine(&run(&mut wire, "BEGIN"));
            fine(&run(&mut wire, "SAVEPOINT s"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            failed(&run(&mut wire, "SELECT 1/0"));
            fine(&run(&mut wire, "ROLLBACK TO s"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "COMMIT AND CHAIN"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "ROLLBACK"));
            fine(&run(&mut wire, "BEGIN"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "RESET ALL"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"], "behind RESET ALL");
            fine(&run(&mut wire, "COMMIT"));
        }
    });
}

/// What the client has set itself goes in the same prefix.
/// What stands before a BEGIN is in its block, and the zone is entered once more behind it.
#[test]
fn a_block_in_the_middle_of_a_text_is_in_the_zone() {
    each(stacks(), |stack, database| {
        let mut wire = acme(stack, database);
        let note = |text: &str| format!("INSERT INTO orders (note) VALUES ('{text}')");
        for end in ["COMMIT", "ROLLBACK"] {
            let sql = format!("{SEEN}; BEGIN; {SEEN}; {}; {end}; {SEEN}", note(end));
            let answer = wire.query(&sql);
            assert_eq!(fine(&answer), 'I');
            assert_eq!(column(&answer), ["acme"; 3]);
        }
        let answer = wire.query(&format!("{}; ROLLBACK", note("undone")));
        assert_eq!(fine(&answer), 'I');
        let kept =
            "SELECT tenant_id || note FROM orders WHERE note IN ('COMMIT', 'ROLLBACK', 'undone')";
        assert_eq!(stack.direct(database, kept), "acmeCOMMIT\n");
        let mut globex = Wire::login(&stack.login("shop_globex", database));
        assert_eq!(column(&globex.query(SEEN)), ["globex"]);
    });
}

#[test]
fn parameters_and_prepared_statements_stand_beside_the_zone() {
    each(stacks(), |stack, database| {
        let mut wire = acme(stack, database);
        fine(&wire.query("SET TimeZone = 'Asia/Tokyo'"));
        let sql = "SELECT tenant_id || current_setting('timezone') FROM orders WHERE note = $1";
        fine(&wire.batch(&message::parse("named", sql)));
        for _ in 0..30 {
            let answer = wire.batch(
                &[
                    message::bind("", "named", &[Some("anvil")]),
                    message::execute("", 0),
                ]
                .concat(),
            );
            assert_eq!(column(&answer), ["acmeAsia/Tokyo"], "{}", kinds(&answer));
        }
    });
}

/// The proxy has a key that the database does not know: nobody gets in, and nothing else breaks.
#[test]
fn a_wrong_key_shows_nothing_and_the_right_one_mends_it() {
    let stack = Stack::start(StackOptions {
        zone_keys: DATABASES
            .map(|name| line(name, "k1", &SECRET.replace('7', "8")))
            .concat(),
        ..options()
    });
    let mut wire = acme(&stack, "shop");
    for run in ways() {
        let answer = run(&mut wire, SEEN);
        assert_eq!(failed(&answer), ("42501".into(), 'I'));
        let told = error(&answer).expect("an error");
        let message = told.field(b'M').expect("a message");
        assert_eq!(
            message,
            "zone token is not valid for login \"shop_acme\" in database \"shop\""
        );
        fine(&run(&mut wire, "BEGIN"));
        assert_eq!(failed(&run(&mut wire, SEEN)), ("42501".into(), 'E'));
        fine(&run(&mut wire, "ROLLBACK"));
    }
    load_keys(&stack, &options().zone_keys);
    for run in ways() {
        assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
    }
}

/// Two keys live: nobody notices.
#[test]
fn keys_are_changed_under_running_clients() {
    let stack = Stack::start(options());
    let mut wires: Vec<Wire> = (0..4).map(|_| acme(&stack, "shop")).collect();
    let seen = |wires: &mut Vec<Wire>| {
        for (wire, run) in wires.iter_mut().zip(ways().into_iter().cycle()) {
            assert_eq!(column(&run(wire, SEEN)), ["acme"]);
        }
    };
    seen(&mut wires);
    let secret = stack.direct("shop", "SELECT portcullis.add_key('k2')");
    seen(&mut wires);
    load_keys(
        &stack,
        &(options().zone_keys + &line("shop", "k2", secret.trim())),
    );
    seen(&mut wires);
    stack.direct("shop", "SELECT portcullis.drop_key('k1')");
    seen(&mut wires);
    // A file that lacks a database changes nothing.
    write_secret(&stack.file("zone-keys"), &line("ported", "k1", SECRET));
    stack.try_reload().refused("nothing was reloaded");
    seen(&mut wires);
}

#[test]
fn without_a_key_for_a_database_it_does_not_check() {
    let stack = Stack::start(options());
    let check = || check(&stack.file("portcullis.toml"));
    check().ok();
    write_secret(&stack.file("zone-keys"), &line("ported", "k1", SECRET));
    let refused = check();
    let told = &refused.stdout;
    assert_ne!(refused.status, 0, "{refused:?}");
    assert!(
        told.contains("there is no key for database \"shop\" in") && !told.contains(SECRET),
        "{told}"
    );
}

/// `once`: RESET ALL takes the zone away and nobody brings it back in this transaction.
#[test]
fn a_key_for_one_entry_closes_what_reset_all_leaves_open() {
    let stack = Stack::start(options());
    stack.direct("shop", "UPDATE portcullis.key SET once = true");
    let mut wire = acme(&stack, "shop");
    for run in ways() {
        assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
        // It takes a transaction id.
        for text in ["BEGIN", "LOCK TABLE orders", SEEN, "ROLLBACK"] {
            fine(&run(&mut wire, text));
        }
        // Outside of a block it is an error.
        assert_eq!(failed(&run(&mut wire, "LOCK TABLE orders")).0, "25P01");
        fine(&run(&mut wire, "BEGIN"));
        assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
        fine(&run(&mut wire, "RESET ALL"));
        assert_eq!(failed(&run(&mut wire, SEEN)), ("42501".into(), 'E'));
        fine(&run(&mut wire, "ROLLBACK"));
        assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
    }
}

#[track_caller]
fn load_keys(stack: &Stack, text: &str) {
    write_secret(&stack.file("zone-keys"), text);
    stack.reload();
}
