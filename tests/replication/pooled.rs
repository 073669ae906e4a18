//! PgBouncer in transaction mode between: it carries replication connections from 1.23 on, each on a server
//! connection of its own.

use super::fixture::*;
use super::support::cancel::cancel_from;
use super::support::message::{self, column, fine, kinds};
use super::support::process::wait_until;
use super::support::{Login, NEW, OLD, Pooler, Stack, StackOptions, Transport, Version, Wire};

fn start((version, pooler): (Version, Pooler)) -> Stack {
    Stack::start(StackOptions {
        version,
        pooler,
        pool_size: 2,
        ..options()
    })
}

/// The same login at the pool itself.
fn pooled(stack: &Stack) -> Login {
    stack.login_at(stack.transaction_port, "cdc", "app")
}

/// Logical decoding over this connection, in the presence of an ordinary client of the same pool.
fn decodes(stack: &Stack, login: &Login, slot: &'static str) {
    let slot = Slot::new(stack, slot, "pgoutput");
    let mut wire = walsender(login);
    assert_eq!(kinds(&wire.query("IDENTIFY_SYSTEM")), "TDCZ");
    wire.send(&start_of(&slot));
    assert_eq!(wire.receive().map(|message| message.kind), Some(b'W'));
    let mut other = Wire::login(login);
    assert_eq!(column(&other.query("SELECT 'beside'")), ["beside"]);
    stack.direct("app", "INSERT INTO plain VALUES (1, 'row 1')");
    assert!(inserted(&receive_rows(&mut wire, 1))[0].contains("row 1"));
    cancel_from([127, 0, 0, 1], login.port, &wire.cancel_key);
    let answer = wire.receive_until(b'Z');
    assert_eq!(
        message::error(&answer).map(|it| it.sqlstate()),
        Some("57014".into())
    );
    assert_eq!(column(&wire.query("SELECT 'goes on'")), ["goes on"]);
    wire.send(&start_of(&slot));
    assert_eq!(wire.receive().map(|message| message.kind), Some(b'W'));
    wait_until("the slot is used", || slot.is_active());
    // Gone without a word.
    drop(wire);
    wait_until("the slot is free", || !slot.is_active());
    fine(&other.query("SELECT 'still here'"));
    stack.direct("app", "DELETE FROM plain");
}

fn start_of(slot: &Slot<'_>) -> Vec<u8> {
    super::fixture::start(slot.name, "cdc_pub")
}

#[test]
fn pgbouncer_carries_replication_from_1_23_on() {
    let stack = start(OLD);
    let parameters = [("replication", "database")];
    let told = Wire::try_login(&pooled(&stack), Transport::SslRequest, &parameters);
    let told = told.err().expect("no login");
    assert_eq!(told.sqlstate(), "08P01", "{told:?}");
    drop(stack);

    let stack = start(NEW);
    decodes(&stack, &pooled(&stack), "cdc_pooled");
}

#[test]
fn the_replication_route_may_lead_to_a_pgbouncer_that_carries_it() {
    let mut stack = start(NEW);
    let hosts = |port: u16| format!("[route.replication]\nhosts = [\"127.0.0.1:{port}\"]");
    let (postgresql, pgbouncer) = (hosts(stack.cluster.port), hosts(stack.transaction_port));
    stack.reconfigure(&postgresql, &pgbouncer);
    decodes(&stack, &cdc(&stack), "cdc_routed");

    psycopg2_streams(&stack);

    // What another login must not get it does not get by this way either.
    let service = refused_at_login(
        &stack.login("shop_acme", "shop"),
        &[("replication", "database")],
    );
    assert_eq!(service.field(b'R').as_deref(), Some("replication"));
    let mut wire = walsender(&cdc(&stack));
    let answer = wire
        .query("START_REPLICATION SLOT \"cdc_x\" LOGICAL 0/0 (\"publication_names\" 'everything')");
    let error = message::error(&answer).expect("a refusal");
    assert_eq!(error.field(b'R').as_deref(), Some("replication"));
}
