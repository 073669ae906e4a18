//! What a client sends as one batch is judged by one version of the policy, and over when the server says so.

mod support;

use std::time::Duration;

use support::fixture::{DO, POLICY, lenient};
use support::message::{self, Message, column, extended, failed, fine, kinds, words};
use support::notes;
use support::process::wait_until;
use support::shared::stacks;
use support::shop::{SEEN, acme, insert, tenants};
use support::{Stack, StackOptions, Transport, Wire};

/// Sends messages that end with Flush; the answer up to its last message.
fn flushed(wire: &mut Wire, sent: &[u8], last: u8) -> Vec<Message> {
    wire.send(&[sent, &message::flush()].concat());
    wire.receive_until(last)
}

#[test]
fn a_batch_is_judged_by_one_policy_and_not_for_ever() {
    let stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    stack.load(&lenient());
    let (mut wire, mut endless) = (Wire::login(&login), Wire::login(&login));
    let procedural = message::extended(DO, &[]);
    for wire in [&mut wire, &mut endless] {
        let answer = flushed(wire, &message::extended("SELECT 1", &[]), b'C');
        assert_eq!(column(&answer), ["1"]);
    }
    stack.load(POLICY);
    // What arrives behind the reload, in a batch that began before it.
    assert_eq!(kinds(&flushed(&mut wire, &procedural, b'C')), "12C");
    wire.send(&message::sync());
    fine(&wire.receive_until(b'Z'));
    // The next batch, and whoever was in none.
    assert_eq!(failed(&wire.batch(&procedural)).0, "42501");
    assert_eq!(failed(&Wire::login(&login).query(DO)).0, "42501");
    // A batch that does not end is judged anew all the same.
    wait_until("it is refused", || {
        endless.send(&[&procedural[..], &message::flush()].concat());
        let mut last = endless.receive().expect("an answer");
        while !matches!(last.kind, b'C' | b'E') {
            last = endless.receive().expect("an answer");
        }
        last.kind == b'E'
    });
    endless.send(&message::sync());
    assert_eq!(kinds(&endless.receive_until(b'Z')), "Z");
}

/// Begins a batch that the server has answered as far as `kinds` says.
#[track_caller]
fn begin(wire: &mut Wire, sent: &[u8], answered: &str) {
    wire.send(&[sent, &message::flush()].concat());
    let answer: Vec<_> = answered.bytes().map_while(|_| wire.receive()).collect();
    assert_eq!(kinds(&answer), answered);
}

/// Waits until the server cancels what was begun: it looks whether the time is over at each message, and
/// nothing waits for an answer then.
#[track_caller]
fn cancelled(wire: &mut Wire) {
    wait_until("the time is over", || {
        wire.send(&message::flush());
        !wire.is_quiet_for(Duration::from_millis(20))
    });
    let answer = wire.receive_until(b'E');
    assert_eq!(kinds(&answer), "E");
    assert_eq!(answer[0].sqlstate(), "57014");
}

const TIMEOUT: &str = "SET statement_timeout = '1s'";

/// A batch whose time is over.
struct Overdue {
    before: &'static str,
    sent: Vec<Vec<u8>>,
    answered: &'static str,
    /// Each ends with what ReadyForQuery answers.
    behind: Vec<Vec<Vec<u8>>>,
}

fn overdue() -> [Overdue; 4] {
    const READ: &str = "SELECT count(*) >= 0 FROM notes";
    let shown = || vec![message::query("SHOW work_mem")];
    let set = || extended("SET work_mem = '3MB'", &[]);
    let run = |name: &str| [message::bind("", name, &[]), message::execute("", 0)].concat();
    [
        Overdue {
            before: "SELECT 1",
            sent: vec![message::parse("", READ)],
            answered: "1",
            behind: vec![vec![run(""), message::sync()], shown()],
        },
        // What was set in the transaction that is gone.
        Overdue {
            before: "SELECT 1",
            sent: vec![set(), message::parse("", READ)],
            answered: "12C1",
            behind: vec![
                vec![message::query("SELECT 'skipped'"), message::sync()],
                shown(),
            ],
        },
        Overdue {
            before: "BEGIN",
            sent: vec![set(), message::parse("", READ), message::bind("p", "", &[])],
            answered: "12C12",
            behind: vec![
                vec![message::execute("p", 0), message::flush(), message::sync()],
                vec![message::query("ROLLBACK")],
                shown(),
            ],
        },
        // A statement stays.
        Overdue {
            before: "SELECT 1",
            sent: vec![message::parse("s", READ)],
            answered: "1",
            behind: vec![vec![message::sync()], vec![run("s"), message::sync()]],
        },
    ]
}

/// The rest of the batch was sent on, though the server skips it: its ReadyForQuery answered nothing that was
/// waited for, and the connection was lost.
#[test]
fn what_follows_an_error_that_no_message_has_caused_is_skipped() {
    for stack in stacks() {
        let direct = stack.login_at(stack.cluster.port, "shop_plain", "app");
        // The time of all of them runs out together.
        let begun = overdue().map(|it| {
            let direct = Wire::login_with(&direct, Transport::Plain, &[]);
            let mut wires = [direct, notes::plain(&stack)];
            for wire in &mut wires {
                fine(&wire.query(TIMEOUT));
                fine(&wire.query(it.before));
                begin(wire, &it.sent.concat(), it.answered);
            }
            (wires, it.behind)
        });
        for (wires, behind) in begun {
            let [expected, found] = wires.map(|mut wire| {
                cancelled(&mut wire);
                let asked = behind.iter().map(|sent| wire.ask(&sent.concat()));
                let told = asked.map(|it| it.iter().map(words).collect());
                told.collect::<Vec<Vec<_>>>()
            });
            assert_eq!(found, expected);
            assert_eq!(expected[0].len(), 1, "{expected:?}");
        }
    }
}

#[test]
fn a_zone_is_set_again_behind_an_error_that_no_message_has_caused() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        fine(&wire.query(TIMEOUT));
        let read = extended(SEEN, &[]);
        begin(
            &mut wire,
            &[&read[..], &message::parse("", &insert("skipped"))].concat(),
            "12DC1",
        );
        cancelled(&mut wire);
        let rest = [message::bind("", "", &[]), message::execute("", 0)];
        assert_eq!(kinds(&wire.batch(&rest.concat())), "Z");
        assert_eq!(column(&wire.batch(&read)), ["acme"]);
        assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        fine(&wire.query(&insert("behind")));
        assert_eq!(tenants(&stack, "behind"), "acme");
        assert_eq!(tenants(&stack, "skipped"), "");
    }
}
