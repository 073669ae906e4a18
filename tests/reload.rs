//! Policy, users and certificates are read again while running: as a whole or not at all, and what a
//! connection was admitted with never changes under it.

mod support;

mod reload {
    //! One file for each matter.
    mod clients;
    mod files;
    mod held;
    mod keys;
}

use support::fixture::POLICY;
use support::message::{Message, kinds};
use support::{Stack, StackOptions};

fn start(limits: &str) -> Stack {
    Stack::start(StackOptions {
        limits: limits.into(),
        ..StackOptions::default()
    })
}

/// The fixture's policy, one piece of it replaced.
#[track_caller]
fn policy_with(old: &str, new: &str) -> String {
    assert!(POLICY.contains(old), "{old}");
    POLICY.replacen(old, new, 1)
}

fn without_login(name: &str) -> String {
    policy_with(&format!("[login.{name}]"), "[login.somebody_else]")
}

/// The client is told once why it is let go.
#[track_caller]
fn let_go(messages: &[Message], why: &str) {
    let last = messages.last().expect("last words");
    assert_eq!(last.kind, b'E', "{}", kinds(messages));
    assert_eq!(last.sqlstate(), "57P01", "{last:?}");
    assert_eq!(last.field(b'S').as_deref(), Some("FATAL"));
    let detail = last.field(b'D').expect("a detail");
    assert!(
        detail.contains(why) && detail.contains("policy "),
        "{detail}"
    );
}
