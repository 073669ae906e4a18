//! Clients and servers that do not play along.

mod support;

use std::time::Duration;

use support::fixture::{SQL, policy_with_superuser};
use support::message;
use support::wire::Transport;
use support::{Stack, StackOptions, Wire};

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
        sent < FLOOD,
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
