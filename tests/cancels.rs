//! Cancel requests with a right key: what is not carried to the server, and what must be.

mod support;

use std::time::Duration;

use rustix::process::Signal;
use support::cancel::{cancel_from, is_cancelled};
use support::message::{self, column, failed, fine};
use support::process::wait_until;
use support::{Stack, StackOptions, Transport, Wire};

const SLEEP: &str = "SELECT pg_sleep(60)";
const HERE: [u8; 4] = [127, 0, 0, 1];

fn stack() -> Stack {
    Stack::start(StackOptions {
        client_tls: "allow",
        ..StackOptions::default()
    })
}

fn cancels(stack: &Stack, outcome: &str) -> f64 {
    stack.metric(&format!(
        "portcullis_cancel_requests_total{{outcome=\"{outcome}\"}}"
    ))
}

fn cancel(stack: &Stack, wire: &Wire) {
    cancel_from(HERE, stack.port, &wire.cancel_key);
}

/// Connections that PgBouncer has let go, which those of requests are too.
fn ended(stack: &Stack) -> usize {
    let log = stack.transaction.log();
    log.matches("closing because: ").count()
}

fn sleep(stack: &Stack, wire: &mut Wire) {
    wire.send(&message::query(SLEEP));
    stack.wait_for_sleepers(1);
}

/// The attack: each of them cost a connection to the server.
#[test]
fn requests_for_a_client_that_rests_reach_no_server() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    for transport in [Transport::Plain, Transport::SslRequest] {
        let mut wire = Wire::login_with(&login, transport, &[]);
        fine(&wire.query("SELECT 1"));
        let (before, idle) = (ended(&stack), cancels(&stack, "idle"));
        for _ in 0..100 {
            cancel(&stack, &wire);
        }
        // On a machine that is busy with something else one may not be answered in time: it is carried.
        let idle = cancels(&stack, "idle") - idle;
        assert!(idle >= 90.0, "{transport:?}: {idle} of 100");
        let reached = ended(&stack) - before;
        assert!(reached <= 10, "{transport:?}: {reached} reached PgBouncer");
        sleep(&stack, &mut wire);
        cancel(&stack, &wire);
        is_cancelled(&mut wire);
        // What is open is not known to rest.
        fine(&wire.query("BEGIN"));
        let idle = cancels(&stack, "idle");
        cancel(&stack, &wire);
        assert_eq!(cancels(&stack, "idle"), idle, "{transport:?}");
        wire.query("ROLLBACK");
    }
}

/// Cancelled by this request, or by one behind it: PostgreSQL and PgBouncer drop what comes sooner than the statement
/// has begun. No request may be dropped here before the client has its answer.
fn cancelled_at_once(stack: &Stack, wire: &mut Wire, statement: &[u8]) {
    let idle = cancels(stack, "idle");
    wire.send(statement);
    cancel(stack, wire);
    // What came late may have hit it already, and then nothing runs any more.
    if cancels(stack, "idle") == idle {
        while wire.is_quiet_for(Duration::from_millis(500)) {
            cancel(stack, wire);
        }
    }
    assert_eq!(failed(&wire.receive_until(b'Z')).0, "57014");
    wait_until("it is left alone", || {
        message::error(&wire.query("SELECT 1")).is_none()
    });
}

#[test]
fn a_request_right_behind_its_statement_is_not_taken_for_one_of_a_client_that_rests() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let statements = [
        message::query(SLEEP),
        [message::extended(SLEEP, &[]), message::sync()].concat(),
    ];
    for transport in [Transport::Plain, Transport::SslRequest] {
        let mut wire = Wire::login_with(&login, transport, &[]);
        for statement in statements.iter().cycle().take(30) {
            cancelled_at_once(&stack, &mut wire, statement);
        }
    }
}

/// The attack: whoever sent one key again and again had all places, and as many connections to PgBouncer.
#[test]
fn requests_with_one_key_are_carried_one_after_the_other_and_who_waits_does_for_all() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let (mut wire, mut other) = (Wire::login(&login), Wire::login(&login));
    sleep(&stack, &mut wire);
    stack.transaction.signal(Signal::STOP);
    let flood: Vec<Wire> = (0..200)
        .map(|_| {
            let mut wire_of_request = Wire::open(stack.port);
            wire_of_request.send(&message::cancel(&wire.cancel_key));
            wire_of_request
        })
        .collect();
    wait_until("all but few are merged", || {
        cancels(&stack, "merged") >= 180.0
    });
    stack.transaction.signal(Signal::CONT);
    for mut wire in flood {
        assert!(wire.receive_to_end().is_empty());
    }
    let answered = ["merged", "forwarded", "failed", "idle"].map(|it| cancels(&stack, it));
    assert_eq!(answered.iter().sum::<f64>(), 200.0, "{answered:?}");
    is_cancelled(&mut wire);
    // Once they are done with, each of the next is carried.
    for wire in [&mut wire, &mut other] {
        for _ in 0..5 {
            sleep(&stack, wire);
            cancel(&stack, wire);
            is_cancelled(wire);
        }
        assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    }
}

/// One that is carried already may have hit the statement before: what comes for the next one is carried behind it.
#[test]
fn a_request_that_comes_while_one_is_carried_is_not_lost() {
    // On another server connection a request may hit what PgBouncer sets there for the client: then it ends the client.
    let stack = Stack::start(StackOptions {
        client_tls: "allow",
        pool_size: 1,
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let mut wire = Wire::login(&login);
    let key = wire.cancel_key.clone();
    for _ in 0..30 {
        sleep(&stack, &mut wire);
        std::thread::scope(|scope| {
            let send = || scope.spawn(|| cancel_from(HERE, stack.port, &key));
            let requests = [send(), send(), send()];
            // The first that arrives ends it; the next statement may be hit by the others, or not.
            assert_eq!(failed(&wire.receive_until(b'Z')).0, "57014");
            wire.send(&message::query(SLEEP));
            let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            wait_until("it runs, or does not any more", || {
                stack.direct("postgres", asleep) == "1\n"
                    || !wire.is_quiet_for(Duration::from_millis(20))
            });
            cancel_from(HERE, stack.port, &key);
            for request in requests {
                request.join().expect("an end");
            }
        });
        assert_eq!(failed(&wire.receive_until(b'Z')).0, "57014");
        wait_until("it is left alone", || {
            message::error(&wire.query("SELECT 1")).is_none()
        });
    }
}
