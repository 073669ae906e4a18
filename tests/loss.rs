//! One side is lost: the other is told once, and nothing dirty is handed on.

mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::cancel::cancel_from;
use support::message::{self, Message, column, error, extended, failed, fine, kinds};
use support::parts::Pooler;
use support::pool::start_again;
use support::process::{Server, wait_until};
use support::shared::stack;
use support::{Login, NEW, OLD, PoolMode, Stack, StackOptions, Wire};

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
    let mut lost = 0;
    for round in ["first", "second"] {
        for (wire, login) in wires.iter_mut().zip(&logins) {
            writes(&stack, wire, login, &format!("{round} {}", login.user));
        }
        lost += wires.len();
        wait_until("PgBouncer has ended them all", || {
            let (_, metrics) = stack.http_get("/metrics");
            metrics.contains(&format!(
                "portcullis_server_connections_lost_total {lost}\n"
            ))
        });
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
    let (pooler, port) = (Pooler::V1_18, stack.transaction_port);
    stack.transaction = start_again(stack.directory(), pooler, PoolMode::Transaction, port);
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

/// Bytes of clients that have logged in.
fn read_of_clients(stack: &Stack) -> u64 {
    let (_, metrics) = stack.http_get("/metrics");
    let series = "portcullis_forwarded_bytes_total{direction=\"to-server\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(series));
    value.and_then(|value| value.parse().ok()).expect("bytes")
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

/// What a client is in the middle of when it dies, in the tables of its database.
fn dying(login: &Login) -> [(&'static str, Vec<u8>); 6] {
    let (table, copied, column) = match &*login.database {
        "shop" => ("orders", "imports", "note"),
        _ => ("notes", "notes", "body"),
    };
    let insert = format!("INSERT INTO {table} (id, {column}) VALUES (77, 'dead')");
    let [begin, inserted] = ["BEGIN", &insert].map(message::query);
    [
        (
            "in a transaction",
            [begin.clone(), inserted.clone()].concat(),
        ),
        (
            "in a failed one",
            [begin, message::query("SELECT 1/0")].concat(),
        ),
        ("in a batch", extended(&insert, &[])),
        (
            "in a pipeline",
            [
                extended("BEGIN", &[]),
                message::sync(),
                extended(&insert, &[]),
                message::sync(),
                extended("SELECT 1", &[]),
            ]
            .concat(),
        ),
        (
            "in COPY",
            [
                message::query(&format!("COPY {copied} (id, {column}) FROM STDIN")),
                message::copy_data(b"77\tdead\n"),
            ]
            .concat(),
        ),
        ("inside a message", inserted[..20].to_vec()),
    ]
}

/// With a zone and without, ended and reset, at once and once what sets the zone may be kept.
#[test]
fn a_client_that_dies_leaves_nothing_behind() {
    for (version, pooler) in [OLD, NEW] {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            pool_size: 1,
            ..StackOptions::default()
        });
        for (user, database) in [("shop_plain", "app"), ("shop_acme", "shop")] {
            let login = stack.login(user, database);
            for (when, sent) in dying(&login) {
                for (reset, ahead) in [(false, 0), (true, 0), (false, 12)] {
                    dies(&stack, &login, &sent, when, (reset, ahead));
                }
            }
        }
    }
}

fn dies(stack: &Stack, login: &Login, sent: &[u8], when: &str, (reset, ahead): (bool, u32)) {
    let of_user = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}' AND state <> 'idle'",
        login.user
    );
    let mut wire = Wire::login(login);
    for _ in 0..ahead {
        fine(&wire.query("SELECT 1"));
    }
    let read = read_of_clients(stack) + sent.len() as u64;
    wire.send(sent);
    wait_until("the proxy has read it", || read_of_clients(stack) == read);
    if when != "inside a message" {
        // The server has done what was sent, and waits for more of it.
        let waiting = format!("{of_user} AND wait_event = 'ClientRead'");
        wait_for(stack, &waiting, "1");
    }
    die(wire, reset);
    // The pool has one connection: the next client gets that of the dead one, or a new one.
    let tables: &[&str] = match &*login.database {
        "shop" => &["orders", "imports"],
        _ => &["notes"],
    };
    for table in tables {
        let text = format!(
            "SELECT count(*), txid_current_if_assigned() IS NULL FROM {table} WHERE id = 77"
        );
        let answer = Wire::login(login).query(&text);
        assert_eq!(fine(&answer), 'I', "{when}");
        let row: Vec<String> = answer[1].row().into_iter().flatten().collect();
        assert_eq!(row, ["0", "t"], "{when}, reset: {reset}, {ahead} ahead");
        let dead = format!("SELECT count(*) FROM {table} WHERE id = 77");
        assert_eq!(stack.direct(&login.database, &dead), "0\n", "{when}");
    }
    // Past us it has no zone either.
    let past = stack.login_at(stack.transaction_port, &login.user, &login.database);
    let zone = "SELECT coalesce(current_setting('app.tenant_id', true), '') = ''";
    assert_eq!(column(&Wire::login(&past).query(zone)), ["t"], "{when}");
    wait_for(stack, &of_user, "0");
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

/// Stopped, not ended: it accepts connections, takes bytes for a while, and never answers.
#[test]
fn a_stuck_pgbouncer_holds_only_those_who_wait_for_it() {
    let stack = Stack::start(StackOptions {
        limits: "server_connect_timeout = \"1s\"".into(),
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let (mut idle, mut dying) = (Wire::login(&login), Wire::login(&login));
    let mut waiting = Wire::login(&login);
    stack.transaction.signal(Signal::STOP);
    waiting.send(&message::query("SELECT 'waited for'"));
    // More than the sockets in between take: the proxy stops reading, and the client dies unread.
    dying
        .tcp()
        .set_write_timeout(Some(Duration::from_secs(2)))
        .expect("set a write deadline");
    let value = "x".repeat(1 << 20);
    let piece = extended("SELECT length($1)", &[Some(&value)]);
    let mut taken = 0;
    while dying.try_send(&piece).is_ok() {
        taken += piece.len();
        assert!(taken < 200 << 20, "everything is taken and kept somewhere");
    }
    die(dying, true);
    idle.send(&message::terminate());
    assert!(idle.receive_to_end().is_empty());
    let open = || {
        let (_, text) = stack.http_get("/metrics");
        text.contains("\nportcullis_client_connections 1\n")
    };
    support::process::wait_until("only the one who waits is there", open);
    // Nobody else is kept waiting: not for a login, not for a cancel request.
    let refused = Wire::try_login(&login, support::Transport::SslRequest, &[]);
    assert!(refused.is_err_and(|error| error.sqlstate() == "08004"));
    let mut cancel = Wire::open(stack.port);
    cancel.send(&message::cancel(&waiting.cancel_key));
    assert!(cancel.receive_to_end().is_empty());
    // And who waits gets what they waited for, or is cancelled by then.
    stack.transaction.signal(Signal::CONT);
    waiting.receive_until(b'Z');
    assert_eq!(column(&waiting.query("SELECT 'usable'")), ["usable"]);
}

/// Cancels what `wire` runs, from a connection of its own.
#[track_caller]
fn is_cancelled(stack: &Stack, wire: &mut Wire, sleepers: usize) {
    wire.send(&message::query("SELECT pg_sleep(30)"));
    stack.wait_for_sleepers(sleepers);
    // PgBouncer 1.18 ends itself when the one who asks is gone while it asks (objects.c, "bad client state").
    cancel_from([127, 0, 0, 1], stack.port, &wire.cancel_key);
    assert_eq!(failed(&wire.receive_until(b'Z')).0, "57014");
}

/// Both PgBouncers in one route; they are told apart by what they log.
#[test]
fn the_next_host_of_a_route_takes_over_and_is_asked_to_cancel() {
    let mut stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    let first = format!("127.0.0.1:{}", stack.transaction_port);
    let second = format!("127.0.0.1:{}", stack.session_port);
    let logins = |server: &Server| server.log().matches("login attempt: db=app").count();
    let hosts = |hosts: &str| format!("[route.transaction]\nhosts = [{hosts}]");
    let one = hosts(&format!("{first:?}"));
    // Nobody listens on the first.
    let dead_first = hosts(&format!("\"127.0.0.1:1\", {second:?}"));
    stack.reconfigure(&one, &dead_first);
    let mut wire = Wire::login(&login);
    is_cancelled(&stack, &mut wire, 1);
    assert_eq!((logins(&stack.transaction), logins(&stack.session)), (0, 1));
    drop(wire);

    stack.reconfigure(&dead_first, &hosts(&format!("{first:?}, {second:?}")));
    let (mut idle, mut busy) = (Wire::login(&login), Wire::login(&login));
    assert_eq!((logins(&stack.transaction), logins(&stack.session)), (2, 1));
    is_cancelled(&stack, &mut idle, 1);
    fine(&busy.query("BEGIN"));
    fine(&busy.query("SELECT 1"));
    stack.transaction.end();
    told_once(&busy.receive_to_end());
    // Who was idle goes on at the second, who comes lands there; and is cancelled there.
    is_cancelled(&stack, &mut idle, 1);
    is_cancelled(&stack, &mut Wire::login(&login), 1);
    assert_eq!(logins(&stack.session), 3);
    // The first is back: each request to cancel goes to where its statement runs.
    restart_pool(&mut stack);
    let mut back = Wire::login(&login);
    assert_eq!(logins(&stack.transaction), 1);
    idle.send(&message::query("SELECT pg_sleep(30)"));
    is_cancelled(&stack, &mut back, 2);
    stack.wait_for_sleepers(1);
    Wire::open(stack.port).send(&message::cancel(&idle.cancel_key));
    assert_eq!(failed(&idle.receive_until(b'Z')).0, "57014");
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
