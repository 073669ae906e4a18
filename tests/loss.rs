//! One side is lost: the other is told once, and nothing dirty is handed on.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::message::{self, Message, column, error, extended, failed, fine, kinds};
use support::parts::Pooler;
use support::process::{RunAs, Server, command};
use support::{Login, Shared, Stack, StackOptions, Wire};

fn stack() -> Arc<Stack> {
    static STACK: Shared = Shared::new();
    STACK.get(StackOptions::default)
}

/// Waits until a superuser's query answers `expected`.
#[track_caller]
fn wait_for(stack: &Stack, sql: &str, expected: &str) {
    let start = Instant::now();
    loop {
        let answer = stack.direct("app", sql);
        if answer.trim() == expected {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{sql}: {answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends the backend that runs, or last ran, a statement with this mark in it.
fn terminate(stack: &Stack, mark: &str) {
    let of_mark =
        format!("FROM pg_stat_activity WHERE query LIKE '%{mark}%' AND pid <> pg_backend_pid()");
    wait_for(stack, &format!("SELECT count(*) > 0 {of_mark}"), "t");
    stack.direct(
        "app",
        &format!("SELECT pg_terminate_backend(pid) {of_mark}"),
    );
}

#[track_caller]
fn told_once(messages: &[Message]) -> String {
    let errors: Vec<&Message> = messages
        .iter()
        .filter(|message| message.kind == b'E')
        .collect();
    assert_eq!(errors.len(), 1, "{}", kinds(messages));
    assert_eq!(messages.last(), errors.first().copied());
    errors[0].sqlstate()
}

#[test]
fn a_terminated_backend_is_told_exactly_once() {
    let stack = stack();
    let logins = [
        stack.login("shop_plain", "app"),
        stack.login("shop_acme", "shop"),
    ];
    for login in logins {
        let mark = format!("running {}", login.user);
        let mut wire = Wire::login(&login);
        wire.send(&message::query(&format!("SELECT pg_sleep(30), '{mark}'")));
        terminate(&stack, &mark);
        let told = told_once(&wire.receive_to_end());
        assert!(["57P01", "08P01"].contains(&told.as_str()), "{told}");

        let mark = format!("in a transaction {}", login.user);
        let mut wire = Wire::login(&login);
        fine(&wire.query("BEGIN"));
        fine(&wire.query(&format!("SELECT '{mark}'")));
        terminate(&stack, &mark);
        told_once(&wire.receive_to_end());

        // Between transactions nobody needs to know.
        let mark = format!("idle {}", login.user);
        let mut wire = Wire::login(&login);
        fine(&wire.query(&format!("SELECT '{mark}'")));
        terminate(&stack, &mark);
        let gone = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE query LIKE '%{mark}%' AND pid <> pg_backend_pid()"
        );
        wait_for(&stack, &gone, "0");
        assert_eq!(column(&wire.query("SELECT 'still here'")), ["still here"]);
    }
}

/// Writes a row in the login's own database; the row as another connection sees it.
#[track_caller]
fn writes(stack: &Stack, wire: &mut Wire, login: &Login, text: &str) {
    let (table, column) = match &*login.database {
        "shop" => ("orders", "note"),
        _ => ("notes", "body"),
    };
    fine(&wire.query(&format!("INSERT INTO {table} ({column}) VALUES ('{text}')")));
    let sql = format!("SELECT count(*) FROM {table} WHERE {column} = '{text}'");
    assert_eq!(stack.direct(&login.database, &sql), "1\n");
}

#[test]
fn a_server_connection_lost_while_idle_is_replaced() {
    let stack = Stack::start(StackOptions {
        pgbouncer: "client_idle_timeout = 1".into(),
        ..StackOptions::default()
    });
    let logins = [
        stack.login("shop_plain", "app"),
        stack.login("shop_acme", "shop"),
    ];
    let mut wires = logins.each_ref().map(Wire::login);
    for round in ["first", "second"] {
        for (wire, login) in wires.iter_mut().zip(&logins) {
            writes(&stack, wire, login, &format!("{round} {}", login.user));
        }
        std::thread::sleep(Duration::from_millis(2500));
        for wire in &mut wires {
            assert!(wire.is_quiet_for(Duration::from_millis(10)));
        }
    }
    // Whatever comes first: an extended batch, a pipeline, in pieces; and it can be cancelled.
    for wire in &mut wires {
        wire.send_in_pieces(&[extended("SELECT 1", &[]), message::sync()].concat(), 3);
        assert_eq!(kinds(&wire.receive_until(b'Z')), "12DCZ");
        let key = wire.cancel_key.clone();
        wire.send(&message::query("SELECT pg_sleep(30)"));
        stack.wait_for_sleepers(1);
        Wire::open(stack.port).send(&message::cancel(&key));
        assert_eq!(failed(&wire.receive_until(b'Z')).0, "57014");
    }
    // A transaction is not lost silently.
    let log = stack.transaction.log();
    assert!(log.contains("client_idle_timeout"), "it did happen");
}

fn restart_pool(stack: &mut Stack) {
    stack.transaction.end();
    let mut pgbouncer = command(RunAs::Server, "KILL", &Pooler::V1_18.program());
    pgbouncer.arg(stack.file("pgbouncer-transaction/pgbouncer.ini"));
    let log = stack.file("pgbouncer-again.log");
    stack.transaction = Server::start("PgBouncer", pgbouncer, &log, Signal::KILL);
    support::pool::wait(&mut stack.transaction, stack.transaction_port);
}

#[test]
fn clients_survive_a_restart_of_pgbouncer() {
    let mut stack = Stack::start(StackOptions::default());
    let logins = [
        stack.login("shop_plain", "app"),
        stack.login("shop_acme", "shop"),
    ];
    let mut idle = logins.each_ref().map(Wire::login);
    let mut busy = logins.each_ref().map(Wire::login);
    for wire in &mut busy {
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SELECT 1"));
    }
    restart_pool(&mut stack);
    for wire in &mut busy {
        told_once(&wire.receive_to_end());
    }
    for (wire, login) in idle.iter_mut().zip(&logins) {
        writes(&stack, wire, login, &format!("restarted {}", login.user));
    }
    // And while it is away: a clear error, not a hang.
    stack.transaction.end();
    for wire in &mut idle {
        wire.send(&message::query("SELECT 1"));
        assert_eq!(told_once(&wire.receive_to_end()), "08004");
    }
    let refused = Wire::try_login(&logins[0], support::Transport::SslRequest, &[]);
    assert!(refused.is_err_and(|error| error.sqlstate() == "08004"));
}

/// Ends the connection as a crashed process or a lost host does.
fn die(wire: Wire, reset: bool) {
    if reset {
        let socket = socket2::SockRef::from(wire.tcp());
        socket
            .set_linger(Some(Duration::ZERO))
            .expect("set SO_LINGER");
    }
    drop(wire);
}

#[test]
fn a_client_that_dies_leaves_nothing_behind() {
    let stack = Stack::start(StackOptions {
        pool_size: 1,
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let insert = "INSERT INTO notes (id, body) VALUES (77, 'dead')";
    let dying: [(&str, Vec<u8>); 6] = [
        (
            "in a transaction",
            [message::query("BEGIN"), message::query(insert)].concat(),
        ),
        (
            "in a failed one",
            [message::query("BEGIN"), message::query("SELECT 1/0")].concat(),
        ),
        ("in a batch", extended(insert, &[])),
        (
            "in a pipeline",
            [
                extended("BEGIN", &[]),
                message::sync(),
                extended(insert, &[]),
                message::sync(),
                extended("SELECT 1", &[]),
            ]
            .concat(),
        ),
        (
            "in COPY",
            [
                message::query("COPY notes (id, body) FROM STDIN"),
                message::copy_data(b"77\tdead\n"),
            ]
            .concat(),
        ),
        ("inside a message", message::query(insert)[..20].to_vec()),
    ];
    for (when, sent) in dying {
        for reset in [false, true] {
            let mut wire = Wire::login(&login);
            wire.send(&sent);
            std::thread::sleep(Duration::from_millis(150));
            die(wire, reset);
            // The pool has one connection: the next client gets that of the dead one, or a new one.
            let mut next = Wire::login(&login);
            let answer = next.query(
                "SELECT count(*), txid_current_if_assigned() IS NULL FROM notes WHERE id = 77",
            );
            assert_eq!(fine(&answer), 'I', "{when}");
            let row: Vec<String> = answer[1].row().into_iter().flatten().collect();
            assert_eq!(row, ["0", "t"], "{when}, reset: {reset}");
        }
        let open = "SELECT count(*) FROM pg_stat_activity
                    WHERE usename = 'shop_plain' AND state <> 'idle'";
        wait_for(&stack, open, "0");
    }
}

#[test]
fn a_protocol_error_ends_the_connection_and_its_transaction() {
    let stack = stack();
    let bad: [(&str, Vec<u8>); 5] = [
        ("an unknown type", message::framed(b'm', b"x")),
        ("a length below 4", b"Q\0\0\0\x03".to_vec()),
        ("a negative length", b"Q\xff\xff\xff\xff".to_vec()),
        (
            "a Query without its NUL",
            message::framed(b'Q', b"SELECT 1"),
        ),
        (
            "a Query with two texts",
            message::framed(b'Q', b"SELECT 1\0SELECT 2\0"),
        ),
    ];
    for (what, sent) in bad {
        let mut wire = Wire::login(&stack.login("shop_plain", "app"));
        fine(&wire.query("BEGIN"));
        fine(&wire.query("INSERT INTO notes (body) VALUES ('bad protocol')"));
        wire.send(&sent);
        let answer = wire.receive_to_end();
        assert_eq!(told_once(&answer), "08P01", "{what}");
        assert_eq!(
            error(&answer)
                .and_then(|error| error.field(b'S'))
                .as_deref(),
            Some("FATAL")
        );
    }
    wait_for(
        &stack,
        "SELECT count(*) FROM notes WHERE body = 'bad protocol'",
        "0",
    );
}

#[test]
fn timeouts_of_pgbouncer_are_told_once() {
    let stack = Stack::start(StackOptions {
        pool_size: 1,
        pgbouncer: "idle_transaction_timeout = 4\nquery_timeout = 2\nquery_wait_timeout = 1".into(),
        ..StackOptions::default()
    });
    for (user, database) in [("shop_plain", "app"), ("shop_acme", "shop")] {
        let login = stack.login(user, database);
        let (mut idle, mut slow) = (Wire::login(&login), Wire::login(&login));
        fine(&idle.query("BEGIN"));
        fine(&idle.query("SELECT 1"));
        // The pool has one connection, and it is taken.
        let mut waiting = Wire::login(&login);
        waiting.send(&message::query("SELECT 1"));
        told_once(&waiting.receive_to_end());
        told_once(&idle.receive_to_end());
        slow.send(&message::query("SELECT pg_sleep(20)"));
        told_once(&slow.receive_to_end());
        assert_eq!(column(&Wire::login(&login).query("SELECT 1")), ["1"]);
    }
}
