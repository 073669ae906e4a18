//! What was seen of the role behind a login grows old while the pool has no connection to look again on.
//! Here every answer is old at once, and the pool's one connection is taken by an open transaction.

mod support;

use support::fixture::{ADMIN, POLICY};
use support::message::{Message, column, fine};
use support::process::wait_until;
use support::{Stack, StackOptions, Transport, Wire, message};

/// `timeout`: how long a look may take.
fn stack(route: &str, timeout: &str) -> Stack {
    Stack::start(StackOptions {
        policy: POLICY.replace(
            "kind = \"service\"",
            &format!("kind = \"service\"\nroute = \"{route}\""),
        ),
        postgresql: vec![("log_statement", "all")],
        pool_size: 1,
        limits: format!(
            "server_connect_timeout = \"{timeout}\"
server_role_max_age = \"0s\""
        ),
        client_tls: "allow",
        server_tls: "disable",
        ..StackOptions::default()
    })
}

fn log_in(stack: &Stack) -> Result<Wire, Message> {
    Wire::try_login(&stack.login("shop_plain", "app"), Transport::Plain, &[])
}

#[track_caller]
fn enters(stack: &Stack) -> Wire {
    log_in(stack).unwrap_or_else(|error| panic!("{:?} {:?}", error.field(b'M'), error.field(b'D')))
}

/// SQLSTATE and detail of the refusal.
#[track_caller]
fn refused(stack: &Stack) -> (String, String) {
    let error = log_in(stack).err().expect("it is not let in");
    assert_eq!(error.field(b'R').as_deref(), Some("server-role"));
    (error.sqlstate(), error.field(b'D').unwrap_or_default())
}

/// Has the pool's only connection until it commits.
fn holder(stack: &Stack) -> Wire {
    let mut wire = enters(stack);
    assert_eq!(fine(&wire.query("BEGIN")), 'T');
    wire
}

/// How often PostgreSQL was asked.
fn looks(stack: &Stack) -> usize {
    let words = "left join lateral (select pg_catalog.format";
    let log = stack.cluster.server.log();
    log.lines().filter(|line| line.contains(words)).count()
}

/// Clients that wait in PgBouncer for a server connection.
fn waiting(stack: &Stack) -> u32 {
    let login = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
    let mut console = Wire::login_with(&login, Transport::Plain, &[]);
    let pools = console.query("SHOW POOLS");
    let rows = pools.iter().filter(|message| message.kind == b'D');
    // database, user, cl_active, cl_waiting
    let counts = rows.map(|row| row.row()[3].as_ref()?.parse::<u32>().ok());
    counts.map(|count| count.expect("a number")).sum()
}

#[test]
fn an_old_answer_lets_logins_in_to_wait_for_a_full_pool() {
    let stack = stack("transaction", "15s");
    let mut busy = holder(&stack);
    let mut waits = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..8).map(|_| scope.spawn(|| enters(&stack))).collect();
        let logins = logins.into_iter().map(|login| login.join().unwrap());
        logins.collect::<Vec<_>>()
    });
    // One of them looks for all: the others left nothing in the pool's queue.
    assert_eq!(waiting(&stack), 1);
    assert_eq!(fine(&busy.query("COMMIT")), 'I');
    for wire in &mut waits {
        assert_eq!(column(&wire.query("SELECT session_user")), ["shop_plain"]);
    }
    wait_until("nobody waits in the pool", || waiting(&stack) == 0);
}

#[test]
fn an_old_answer_serves_the_session_route() {
    let stack = stack("session", "15s");
    let mut busy = holder(&stack);
    let mut waits = enters(&stack);
    busy.send(&message::terminate());
    busy.receive_to_end();
    assert_eq!(column(&waits.query("SELECT session_user")), ["shop_plain"]);
}

#[test]
fn an_old_answer_serves_while_the_pool_is_paused() {
    let stack = stack("transaction", "15s");
    drop(enters(&stack));
    let login = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
    let mut console = Wire::login_with(&login, Transport::Plain, &[]);
    fine(&console.query("PAUSE"));
    let mut waits = enters(&stack);
    fine(&console.query("RESUME"));
    assert_eq!(column(&waits.query("SELECT session_user")), ["shop_plain"]);
}

#[test]
fn without_an_answer_a_full_pool_refuses() {
    let stack = stack("transaction", "2s");
    let mut busy = holder(&stack);
    stack.reload();
    for _ in 0..2 {
        let (sqlstate, detail) = refused(&stack);
        assert_eq!(sqlstate, "57P03");
        assert!(detail.contains("did not say in time"), "{detail}");
    }
    assert_eq!(fine(&busy.query("COMMIT")), 'I');
    let mut wire = enters(&stack);
    fine(&wire.query("SELECT 1"));
}

#[test]
fn an_old_answer_is_not_asked_for_while_a_connection_is_free() {
    let stack = stack("transaction", "15s");
    for count in 1..=3 {
        let mut wire = enters(&stack);
        assert_eq!(looks(&stack), count);
        fine(&wire.query("SELECT 1"));
    }
    // Who became more than its grants is seen at the next look, and no old answer hides it.
    let mut open = holder(&stack);
    stack.direct("app", "ALTER ROLE shop_plain SUPERUSER");
    let mut unseen = enters(&stack);
    assert_eq!(fine(&open.query("COMMIT")), 'I');
    // The look that waited in the pool runs now; those who come until it is done are the last.
    wait_until("it is refused", || {
        log_in(&stack).is_err_and(|error| error.sqlstate() == "42501")
    });
    // What is known by now is known in a full pool, too.
    assert_eq!(fine(&open.query("BEGIN")), 'T');
    assert_eq!(refused(&stack).0, "42501");
    assert_eq!(fine(&open.query("COMMIT")), 'I');
    fine(&unseen.query("SELECT 1"));
    stack.direct("app", "ALTER ROLE shop_plain NOSUPERUSER");
    wait_until("it is let in again", || log_in(&stack).is_ok());
}

/// Silence is what an old answer makes up for; a server that says no is believed.
#[test]
fn an_old_answer_ends_with_a_look_that_fails() {
    let stack = stack("transaction", "2s");
    let mut open = holder(&stack);
    stack.direct("app", "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC");
    assert_eq!(fine(&open.query("COMMIT")), 'I');
    let (sqlstate, detail) = refused(&stack);
    assert_eq!(sqlstate, "57P03");
    assert!(detail.contains("permission denied"), "{detail}");
    assert_eq!(fine(&open.query("BEGIN")), 'T');
    let (sqlstate, detail) = refused(&stack);
    assert_eq!(sqlstate, "57P03");
    assert!(detail.contains("did not say in time"), "{detail}");
}
