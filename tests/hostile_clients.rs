//! Clients and servers that do not play along.

mod support;

use std::time::Duration;

use support::fixture::{POLICY, SQL, policy_with_superuser};
use support::message::{self, column, fine, kinds};
use support::process::wait_until;
use support::wire::Transport;
use support::{Stack, StackOptions, Version, Wire};

/// More than the sockets in between can hold.
const FLOOD: usize = 32 << 20;

#[test]
fn a_client_that_does_not_take_its_refusals_is_not_read_any_more() {
    let stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    let mut wire = Wire::login_with(&login, Transport::SslRequest, &[]);
    wire.tcp()
        .set_write_timeout(Some(Duration::from_secs(2)))
        .expect("a timeout");
    let refused = message::query(&format!("drop table notes -- {}", "x".repeat(400)));
    let run = refused.repeat(128);
    let mut sent = 0;
    while sent < FLOOD && wire.try_send(&run).is_ok() {
        sent += run.len();
    }
    assert!(
        (1..FLOOD).contains(&sent),
        "{sent} bytes of refused statements were taken"
    );
    // Others are served meanwhile.
    assert_eq!(Wire::login(&login).query("SELECT 1").len(), 4);
}

/// With standard_conforming_strings off the server sees two statements where we see one.
#[test]
fn a_role_whose_strings_are_read_in_another_way_gets_nothing_past_the_gate() {
    let stack = Stack::start(StackOptions {
        sql: format!(
            "{SQL}\nALTER ROLE shop_plain SUPERUSER;\n\
             ALTER ROLE shop_plain SET standard_conforming_strings = off;"
        ),
        policy: policy_with_superuser("shop_plain"),
        ..StackOptions::default()
    });
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    wire.query(r"SELECT 'a\', '; CREATE TABLE made (id int); --'");
    let made = stack.direct(
        "app",
        "SELECT count(*) FROM pg_class WHERE relname = 'made'",
    );
    assert_eq!(made.trim(), "0");
}

/// A stack whose clients may come without TLS, shop_plain by the route named.
fn on_route(route: &str) -> Stack {
    let table = "[login.shop_plain]\n";
    Stack::start(StackOptions {
        version: Version::Pg17,
        client_tls: "allow",
        policy: POLICY.replace(table, &format!("{table}route = \"{route}\"\n")),
        ..StackOptions::default()
    })
}

/// So many Queries are more than is read at a time.
fn many() -> usize {
    (100 << 10) / message::query("SELECT 1").len()
}

/// What is held back while something runs: behind a batch that is open a Query, and what comes behind
/// it; a text so long that it is described elsewhere; more than is read at a time.
fn held_back() -> [(&'static str, Vec<u8>); 4] {
    let query = message::query("SELECT 1");
    let long = format!("SELECT 1 -- {}", "x".repeat(48 << 10));
    let batch = [message::extended("SELECT 1", &[]), message::sync()].concat();
    let much = query.repeat(many());
    [
        ("a Query", query),
        (
            "a Query and batches",
            [message::query("SELECT 1"), batch.repeat(20)].concat(),
        ),
        ("a long text", message::query(&long)),
        ("much", much),
    ]
}

/// Begins what takes for ever, with the answers asked for by what waits behind it.
fn sleeps() -> Vec<u8> {
    [
        message::extended("SELECT pg_sleep(600)", &[]),
        message::flush(),
    ]
    .concat()
}

/// The attack: what ran for a client that is gone went on, and kept its locks, if one more message was
/// held back behind it. Who only ends its own side is gone too, as where nothing is held back.
#[test]
fn what_runs_for_a_client_that_is_gone_is_cancelled_whatever_is_held_back_behind_it() {
    let stack = on_route("session");
    let login = stack.login("shop_plain", "app");
    for transport in [Transport::Plain, Transport::SslRequest] {
        for (what, held) in [("nothing", Vec::new())].into_iter().chain(held_back()) {
            for (at_once, closes) in [(true, true), (false, true), (false, false)] {
                eprintln!("{transport:?}: {what}, at once: {at_once}, closes: {closes}");
                let mut wire = Wire::login_with(&login, transport, &[]);
                if at_once {
                    wire.send(&[sleeps(), held.clone()].concat());
                    stack.wait_for_sleepers(1);
                } else {
                    wire.send(&sleeps());
                    stack.wait_for_sleepers(1);
                    wire.send(&held);
                }
                if closes {
                    drop(wire);
                } else {
                    wire.finish_sending();
                    assert!(!kinds(&wire.receive_to_end()).contains('Z'));
                }
                stack.wait_for_sleepers(0);
            }
        }
    }
}

/// On the transaction route too nothing is kept for such a client.
#[test]
fn a_client_that_is_gone_while_held_back_keeps_no_connection() {
    let stack = on_route("transaction");
    let login = stack.login("shop_plain", "app");
    for transport in [Transport::Plain, Transport::SslRequest] {
        for (what, held) in held_back() {
            let mut wire = Wire::login_with(&login, transport, &[]);
            wire.send(&[sleeps(), held].concat());
            stack.wait_for_sleepers(1);
            drop(wire);
            wait_until(&format!("{transport:?}: gone, {what}"), || {
                let (_, metrics) = stack.http_get("/metrics");
                metrics.contains("\nportcullis_client_connections 0\n")
            });
            // Behind it PgBouncer closes PostgreSQL's connection, which does not look while it sleeps.
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            stack.direct("postgres", end);
            stack.wait_for_sleepers(0);
        }
    }
}

fn fine_answer(wire: &mut Wire) -> Vec<message::Message> {
    let answer = wire.receive_until(b'Z');
    fine(&answer);
    answer
}

/// Who stays for longer than it takes to look whether it is there gets every answer, in order.
#[test]
fn a_client_that_stays_gets_the_answers_to_all_that_was_held_back() {
    for route in ["session", "transaction"] {
        let stack = on_route(route);
        let login = stack.login("shop_plain", "app");
        for transport in [Transport::Plain, Transport::SslRequest] {
            let mut wire = Wire::login_with(&login, transport, &[]);
            for (what, held) in held_back() {
                let sleeps = message::extended("SELECT pg_sleep(1.5)", &[]);
                let last = message::query("SELECT 'last'");
                wire.send(&[sleeps, message::flush(), held, last].concat());
                let mut answered = 0;
                while column(&fine_answer(&mut wire))
                    .last()
                    .is_none_or(|row| row != "last")
                {
                    answered += 1;
                }
                let expected = match what {
                    "a Query and batches" => 21,
                    "much" => many(),
                    _ => 1,
                };
                assert_eq!(answered, expected, "{route}, {transport:?}: {what}");
            }
        }
    }
}

/// Nothing is made ready for what a length claims: no address space either, which would not show in what is resident.
#[test]
fn no_memory_is_taken_for_what_a_length_claims() {
    // Of its own: what it takes is of nobody else.
    let stack = Stack::start(StackOptions {
        client_tls: "allow",
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let open = |transport| Wire::open_with(stack.port, transport, &login.sslrootcert);
    let before = stack.memory("VmPeak");
    let mut held = Vec::new();
    let ends = |wire: &mut Wire| {
        let answer = wire.receive_to_end();
        assert!(matches!(kinds(&answer).as_str(), "" | "E"), "{answer:?}");
    };
    for transport in [Transport::Plain, Transport::SslRequest] {
        for length in [10_001, 0x7fff_ffff_u32] {
            // A startup packet, and a request to cancel.
            for code in [[0, 3, 0, 0], [4, 210, 22, 46]] {
                let mut wire = open(transport);
                wire.send(&[&length.to_be_bytes()[..], &code].concat());
                ends(&mut wire);
            }
        }
        // A password, and whatever may come behind it.
        let mut wire = open(transport);
        let parameters = [("user", &*login.user), ("database", &*login.database)];
        wire.send(&message::startup((3, 0), &parameters));
        assert_eq!(wire.receive().map(|message| message.kind), Some(b'R'));
        wire.send(b"p\x7f\xff\xff\xffSCRAM");
        ends(&mut wire);
        for kind in *b"QPBDECFdcfSH" {
            let mut wire = Wire::login_with(&login, transport, &[]);
            wire.send(&[&[kind][..], b"\x7f\xff\xff\xff", &[0; 64]].concat());
            held.push(wire);
        }
    }
    // All have been read: who comes now is served.
    fine(&Wire::login(&login).query("SELECT 1"));
    let grown = stack.memory("VmPeak") - before;
    assert!(grown < 1 << 30, "{} MB", grown >> 20);
}
