//! A pool that follows the names of prepared statements keeps one statement for all clients that send the same text.
//! What constants in it mean, and how it is planned, is each client's own all the same.

mod support;

use support::message::{self, column, fine};
use support::{NEW, NEWEST, OLD, Stack, StackOptions, Transport, Wire};

/// The first of February where days come first, else the second of January.
fn month(number: usize) -> String {
    format!("SELECT extract(month FROM date '01/02/2024')::text || ' {number}'")
}

fn start((version, pooler): (support::parts::Version, support::parts::Pooler)) -> Stack {
    Stack::start(StackOptions {
        version,
        pooler,
        pool_size: 1,
        ..StackOptions::default()
    })
}

fn client(stack: &Stack, parameters: &[(&str, &str)]) -> Wire {
    let login = stack.login("shop_acme", "shop");
    Wire::login_with(&login, Transport::SslRequest, parameters)
}

fn run(name: &str) -> Vec<u8> {
    [
        message::bind("", name, &[]),
        message::describe(b'P', ""),
        message::execute("", 0),
    ]
    .concat()
}

/// Prepares it under a name and runs it, twice.
fn named(wire: &mut Wire, sql: &str) -> String {
    let first = wire.batch(&[message::parse("same", sql), run("same")].concat());
    let again = wire.batch(&run("same"));
    fine(&first);
    fine(&again);
    assert_eq!(column(&first), column(&again));
    column(&again).remove(0)
}

#[test]
fn what_one_client_has_set_is_nobody_elses() {
    for version in [OLD, NEW, NEWEST] {
        let stack = start(version);
        let otherwise: &[&[&str]] = &[
            &["SET DateStyle = 'ISO, DMY'"],
            &["BEGIN", "SET LOCAL datestyle TO 'ISO, DMY'"],
            &["BEGIN", "SELECT set_config('DateStyle', 'ISO, DMY', true)"],
            &["BEGIN; SET LOCAL datestyle TO 'ISO, DMY'"],
            &["SET SESSION datestyle = 'ISO, DMY'; SELECT 1"],
            &["BEGIN", "SAVEPOINT s", "SET DateStyle = 'ISO, DMY'"],
        ];
        for (number, before) in otherwise.iter().enumerate() {
            let sql = month(number);
            let mut one = client(&stack, &[]);
            for text in *before {
                fine(&one.query(text));
            }
            assert_eq!(named(&mut one, &sql), format!("2 {number}"), "{before:?}");
            fine(&one.query("ROLLBACK"));
            let mut other = client(&stack, &[]);
            assert_eq!(named(&mut other, &sql), format!("1 {number}"), "{before:?}");
            assert_eq!(column(&other.query(&sql)), [format!("1 {number}")]);
        }
        // By the startup packet, and by what is bound.
        let mut one = client(&stack, &[("options", "-c DateStyle=ISO,DMY")]);
        assert_eq!(named(&mut one, &month(10)), "2 10");
        let mut one = client(&stack, &[]);
        fine(&one.query("BEGIN"));
        let values = [Some("DateStyle"), Some("ISO, DMY")];
        fine(&one.batch(&message::extended(
            "SELECT set_config($1, $2, true)",
            &values,
        )));
        assert_eq!(named(&mut one, &month(11)), "2 11");
        fine(&one.query("COMMIT"));
        // Prepared before it is set.
        fine(&one.batch(&message::parse("before", &month(12))));
        fine(&one.query("SET DateStyle = 'ISO, DMY'"));
        fine(&one.batch(&run("before")));
        let mut other = client(&stack, &[]);
        for number in 10..13 {
            assert_eq!(named(&mut other, &month(number)), format!("1 {number}"));
            fine(&other.batch(&message::close(b'S', "same")));
        }
    }
}

/// The attack: what the pool would be given for another client is sent as one's own text.
#[test]
fn nobody_parses_for_another_by_forging_its_mark() {
    let stack = start(NEW);
    let sql = month(0);
    let mut one = client(&stack, &[("options", "-c DateStyle=ISO,DMY")]);
    assert_eq!(named(&mut one, &sql), "2 0");
    // PgBouncer keeps it under a name of its own, with the text.
    let kept = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%read under%' AND statement LIKE '%01/02/2024%'";
    let mut seen = Wire::login_with(
        &stack.login_at(stack.transaction_port, "shop_acme", "shop"),
        Transport::Plain,
        &[],
    );
    let marked = column(&seen.query(kept)).remove(0);
    drop(seen);
    drop(one);
    let forged = marked.replace("|| ' 0'", "|| ' 1'");
    let mut other = client(&stack, &[]);
    assert_eq!(named(&mut other, &forged), "1 1");
    let mut one = client(&stack, &[("options", "-c DateStyle=ISO,DMY")]);
    assert_eq!(named(&mut one, &month(1)), "2 1");
}

#[test]
fn how_values_are_shown_is_each_clients_own() {
    for version in [NEW, NEWEST] {
        let stack = start(version);
        for (setting, sql) in [
            ("bytea_output = escape", "SELECT '\\x01'::bytea::text"),
            ("extra_float_digits = 0", "SELECT pi()::text"),
        ] {
            let mut other = client(&stack, &[]);
            let usual = column(&other.query(sql)).remove(0);
            let mut one = client(&stack, &[]);
            fine(&one.query(&format!("SET {setting}")));
            assert_ne!(named(&mut one, sql), usual, "{setting}");
            assert_eq!(named(&mut other, sql), usual, "{setting}");
        }
    }
}
