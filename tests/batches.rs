//! What a client sends as one batch is judged by one version of the policy.

mod support;

use support::fixture::{DO, POLICY, lenient};
use support::message::{self, Message, column, failed, fine, kinds};
use support::process::wait_until;
use support::{Stack, StackOptions, Wire};

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
