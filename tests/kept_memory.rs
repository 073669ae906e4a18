//! What all connections together may keep of prepared statements and portals (`max_prepared_bytes`).

mod support;

use support::message::{self, close, column, failed, fine, kinds, parse};
use support::process::wait_until;
use support::{Login, Stack, StackOptions, Transport, Wire};

fn stack(limit: &str) -> (Stack, Login) {
    let stack = Stack::start(StackOptions {
        limits: format!("max_prepared_bytes = \"{limit}\""),
        client_tls: "allow",
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    (stack, login)
}

fn plain(login: &Login) -> Wire {
    Wire::login_with(login, Transport::Plain, &[])
}

/// A statement of about so many bytes.
fn text(bytes: usize) -> String {
    format!("SELECT 'prepared' /* {} */", "x".repeat(bytes))
}

/// The error with which it is refused, if it is.
fn prepare(wire: &mut Wire, name: &str, bytes: usize) -> Option<String> {
    let answer = wire.batch(&parse(name, &text(bytes)));
    message::error(&answer).map(message::Message::sqlstate)
}

/// How many of them there is room for, and the error of the next.
fn fill(wire: &mut Wire, prefix: &str, bytes: usize) -> (usize, String) {
    for number in 0.. {
        if let Some(sqlstate) = prepare(wire, &format!("{prefix}{number}"), bytes) {
            return (number, sqlstate);
        }
    }
    unreachable!("there is a limit")
}

fn run(wire: &mut Wire, name: &str) -> Vec<String> {
    let bound = message::bind("", name, &[]);
    column(&wire.batch(&[bound, message::execute("", 0)].concat()))
}

/// The attack: 24 connections took 195 MB, and nothing kept a thousand from taking 8 GB.
#[test]
fn prepared_statements_of_many_connections_take_no_more_than_they_may_together() {
    let (stack, login) = stack("16MB");
    plain(&login);
    let before = stack.memory("VmRSS");
    let mut wires: Vec<Wire> = (0..24).map(|_| plain(&login)).collect();
    let full: Vec<_> = wires.iter_mut().map(|it| fill(it, "s", 60_000)).collect();
    let grown = stack.memory("VmRSS").saturating_sub(before);
    assert!(grown < 90 << 20, "{} MB: {full:?}", grown >> 20);
    // The first has what one connection may have, the last what is always free.
    assert_eq!(
        (full[0].1.as_str(), full[23].1.as_str()),
        ("54000", "53200")
    );
    assert!(full[0].0 > 100 && full[23].0 == 1, "{full:?}");
    for wire in &mut wires {
        assert_eq!(run(wire, "s0"), ["prepared"]);
        assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    }
}

#[test]
fn who_asks_for_more_is_told_why_and_goes_on_and_who_has_enough_notices_nothing() {
    let (_stack, login) = stack("4MB");
    let (mut large, mut small) = (plain(&login), plain(&login));
    let (count, sqlstate) = fill(&mut large, "s", 8_000);
    assert_eq!(sqlstate, "53200");
    assert!((400..600).contains(&count), "{count}");
    let answer = large.batch(&parse("more", &text(8_000)));
    let error = message::error(&answer).expect("refused");
    assert_eq!(
        error.field(b'M').as_deref(),
        Some("no memory is left for prepared statements and portals")
    );
    let detail = error.field(b'D').expect("a detail");
    assert!(detail.contains("max_prepared_bytes"), "{detail}");
    // A few of everybody's, and what is not kept.
    for number in 0..50 {
        assert_eq!(prepare(&mut small, &format!("s{number}"), 100), None);
    }
    for _ in 0..3 {
        assert_eq!(prepare(&mut small, "", 30_000), None);
        assert_eq!(run(&mut small, ""), ["prepared"]);
        // Nor do they keep out what is long and passes through.
        fine(&small.query(&text(500_000)));
    }
    // Neither much of them, nor a long one without a name, nor portals.
    assert_eq!(
        prepare(&mut small, "long", 100_000).as_deref(),
        Some("53200")
    );
    assert_eq!(prepare(&mut small, "", 100_000).as_deref(), Some("53200"));
    fine(&large.query("BEGIN"));
    let portals: Vec<u8> = (0..400)
        .flat_map(|number| message::bind(&format!("p{number}"), "s0", &[]))
        .collect();
    assert_eq!(failed(&large.batch(&portals)), ("53200".into(), 'E'));
    fine(&large.query("ROLLBACK"));
    for wire in [&mut large, &mut small] {
        assert_eq!(run(wire, "s7"), ["prepared"]);
    }
    // What is closed is free for everybody, be it of a client that does nothing more.
    let closed: Vec<u8> = (10..count)
        .flat_map(|it| close(b'S', &format!("s{it}")))
        .collect();
    let answer = large.batch(&closed);
    assert_eq!(kinds(&answer), format!("{}Z", "3".repeat(count - 10)));
    assert_eq!(prepare(&mut small, "long", 100_000), None);
    assert_eq!(run(&mut small, "long"), ["prepared"]);
    assert!(fill(&mut small, "t", 8_000).0 > count / 2);
    drop(small);
    // So is what was of one that has gone.
    wait_until("there is room again", || {
        prepare(&mut large, "", 100_000).is_none()
    });
    assert!(fill(&mut plain(&login), "s", 8_000).0 > count / 2);
}
