//! Cancel requests, probes, limits and the end of the process.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::cancel::cancel_from;
use support::cancel::is_cancelled;
use support::message::{self, column, failed, fine, kinds};
use support::process::wait_until;
use support::proxy::{self, http_get};
use support::shared::stack;
use support::{Login, Stack, StackOptions, Transport, Wire};

const SLEEP: &str = "SELECT pg_sleep(30)";

/// A connection whose server is asleep.
fn sleeping(stack: &Stack, login: &Login) -> Wire {
    let mut wire = Wire::login(login);
    let marked = format!(
        "{SLEEP}, {}",
        wire.tcp().local_addr().expect("an address").port()
    );
    wire.send(&message::query(&marked));
    wait_until("its backend sleeps", || {
        let asleep = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query = '{marked}'"
        );
        stack.direct("postgres", &asleep) == "1\n"
    });
    wire
}

#[test]
fn a_cancel_request_works_over_every_transport() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    // In plaintext too, though this stack requires TLS: older drivers send it so.
    for transport in [Transport::Plain, Transport::SslRequest, Transport::Direct] {
        let mut wire = sleeping(&stack, &login);
        let mut other = Wire::open_with(stack.port, transport, &login.sslrootcert);
        other.send(&message::cancel(&wire.cancel_key));
        assert!(other.receive_to_end().is_empty(), "{transport:?}");
        is_cancelled(&mut wire);
    }
}

#[test]
fn a_wrong_key_cancels_nothing_and_gets_no_answer() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let mut wire = sleeping(&stack, &login);
    let right = wire.cancel_key.clone();
    let mut wrong: Vec<Vec<u8>> = (0..right.len())
        .map(|index| {
            let mut key = right.clone();
            key[index] ^= 1;
            key
        })
        .collect();
    wrong.push(right[..4].to_vec());
    wrong.push([&right[..], &[0; 28]].concat());
    wrong.push([&right[..4], &[0; 252]].concat());
    wrong.push([&right[..], &[0; 300]].concat());
    wrong.push(vec![0; 8]);
    for key in wrong {
        let mut other = Wire::open(stack.port);
        other.send(&message::cancel(&key));
        let answer = other.receive_to_end();
        assert!(matches!(kinds(&answer).as_str(), "" | "E"), "{answer:?}");
    }
    assert!(wire.is_quiet_for(Duration::from_millis(300)));
    Wire::open(stack.port).send(&message::cancel(&right));
    is_cancelled(&mut wire);
    // Between two statements it hits nothing, and not the next one either.
    let mut late = Wire::open(stack.port);
    late.send(&message::cancel(&right));
    // Closed when PgBouncer has taken it.
    assert!(late.receive_to_end().is_empty());
    fine(&wire.query("SELECT pg_sleep(0.2)"));
    // The key of a connection that is gone is nobody's.
    drop(wire);
    Wire::open(stack.port).send(&message::cancel(&right));
}

#[test]
fn wrong_secrets_do_not_keep_the_owner_from_cancelling() {
    let stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    let mut wire = sleeping(&stack, &login);
    let right = wire.cancel_key.clone();
    let (here, elsewhere) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    for guess in 0..200_u32 {
        let mut wrong = right.clone();
        wrong[4..].copy_from_slice(&guess.to_be_bytes());
        cancel_from(elsewhere, stack.port, &wrong);
        cancel_from(here, stack.port, &wrong);
    }
    // Who guesses gets nothing more in this minute, not for the right one either.
    cancel_from(elsewhere, stack.port, &right);
    assert!(wire.is_quiet_for(Duration::from_millis(300)));
    let (_, metrics) = stack.http_get("/metrics");
    assert!(metrics.contains("cancel_requests_total{outcome=\"limited\"} 101\n"));
    cancel_from(here, stack.port, &right);
    is_cancelled(&mut wire);
}

#[test]
fn keys_that_nobody_has_reach_no_server() {
    let stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    let mut wire = sleeping(&stack, &login);
    let ended = |stack: &Stack| {
        let log = stack.transaction.log();
        log.lines()
            .filter(|line| line.contains("closing because"))
            .count()
    };
    let before = ended(&stack);
    for number in 0..1000_u32 {
        let other =
            u32::from_be_bytes(wire.cancel_key[..4].try_into().expect("4 bytes")) ^ (number + 1);
        let key = [&other.to_be_bytes()[..], &wire.cancel_key[4..]].concat();
        cancel_from([127, 0, 0, 1], stack.port, &key);
    }
    let counted = "cancel_requests_total{outcome=\"unknown-key\"} 1000\n";
    wait_until("all are counted", || {
        stack.http_get("/metrics").1.contains(counted)
    });
    assert_eq!(ended(&stack), before, "connections to PgBouncer");
    cancel_from([127, 0, 0, 1], stack.port, &wire.cancel_key);
    is_cancelled(&mut wire);
    wait_until("that one went on", || ended(&stack) > before);
}

#[test]
fn a_hundred_cancels_at_once_each_hit_their_own() {
    let stack = Stack::start(StackOptions {
        pool_size: 60,
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let others = || (0..50).map(|_| Wire::login(&login)).collect::<Vec<_>>();
    let (mut running, mut untouched) = (others(), others());
    for wire in &mut running {
        wire.send(&message::query(SLEEP));
    }
    for wire in untouched.iter_mut().take(8) {
        wire.send(&message::query(SLEEP));
    }
    stack.wait_for_sleepers(58);
    // Twice each: a hundred requests, and the second of each comes when nothing runs any more.
    let cancels: Vec<Wire> = running
        .iter()
        .chain(&running)
        .map(|wire| {
            let mut other = Wire::open(stack.port);
            other.send(&message::cancel(&wire.cancel_key));
            other
        })
        .collect();
    for mut wire in cancels {
        assert!(wire.receive_to_end().is_empty());
    }
    for wire in &mut running {
        assert_eq!(failed(&wire.receive_until(b'Z')), ("57014".into(), 'I'));
    }
    stack.wait_for_sleepers(8);
    for wire in untouched.iter_mut().take(8) {
        Wire::open(stack.port).send(&message::cancel(&wire.cancel_key));
        is_cancelled(wire);
    }
    for wire in running.iter_mut().chain(&mut untouched) {
        assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    }
}

fn is_ready(port: u16, sslmode: &str) -> i32 {
    let mut command = Command::new("pg_isready");
    command
        .env("PGSSLMODE", sslmode)
        .args(["-q", "-h", "localhost", "-p", &port.to_string()]);
    let status = command.status().expect("run pg_isready");
    status.code().expect("an exit status")
}

/// Lines of a log that are about somebody who came.
fn about_clients(log: &str) -> Vec<&str> {
    let lines = log.lines();
    lines.filter(|line| line.contains("\"client\"")).collect()
}

#[test]
fn probes_are_answered_and_leave_no_noise() {
    let stack = Stack::start(StackOptions::default());
    let before = stack.logged(&["\"ready\""]);
    for sslmode in ["disable", "prefer", "require"] {
        assert_eq!(is_ready(stack.port, sslmode), 0, "{sslmode}");
    }
    // A port scan: connected, gone; garbage; a browser; half a handshake.
    for sent in [&b""[..], b"\0", b"GET / HTTP/1.1\r\n\r\n", &[0x16, 3, 1]] {
        let mut wire = Wire::open(stack.port);
        wire.send(sent);
        // Some are closed before they have said anything.
        let _ = wire.tcp().shutdown(std::net::Shutdown::Write);
        wire.receive_byte();
    }
    let mut wire = Wire::open(stack.port);
    wire.send(&message::ssl_request());
    drop(wire);
    wait_until("all of them are gone", || {
        let (_, metrics) = stack.http_get("/metrics");
        metrics.contains("\nportcullis_client_connections 0\n")
    });
    assert_eq!(stack.proxy_log(), before, "a probe is in the log");
    let port = stack.port;
    drop(stack);
    assert_eq!(is_ready(port, "prefer"), 2);
}

/// A port where connecting takes for ever: its queue is full, and nobody accepts.
fn silent_port() -> (u16, Vec<socket2::Socket>) {
    let new = || {
        let kind = socket2::Type::STREAM.nonblocking();
        socket2::Socket::new(socket2::Domain::IPV4, kind, None).expect("a socket")
    };
    let listener = new();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&any.into()).expect("bind");
    listener.listen(0).expect("listen");
    let address = listener.local_addr().expect("an address");
    let waiting = (0..3).map(|_| {
        let socket = new();
        // In progress: that is the point.
        let _ = socket.connect(&address);
        socket
    });
    let port = address.as_socket_ipv4().expect("IPv4").port();
    (
        port,
        std::iter::once(listener)
            .chain(waiting.collect::<Vec<_>>())
            .collect(),
    )
}

#[test]
fn a_starting_proxy_says_so() {
    let mut stack = Stack::start(StackOptions::default());
    stack.proxy = None;
    let (silent, _sockets) = silent_port();
    let file = stack.file("portcullis.toml");
    let config = std::fs::read_to_string(&file).expect("read the configuration");
    let pool = format!("127.0.0.1:{}", stack.transaction_port);
    assert!(config.contains(&pool));
    let slow = config.replace(&pool, &format!("127.0.0.1:{silent}"));
    support::files::write_secret(&file, &slow);
    let mut starting = proxy::serve(stack.directory());
    // Until it has looked at its routes.
    starting.wait_until("listening", || is_ready(stack.port, "prefer") != 2);
    for sslmode in ["disable", "prefer", "require"] {
        assert_eq!(is_ready(stack.port, sslmode), 1, "{sslmode}");
    }
    let log = starting.log();
    assert!(about_clients(&log).is_empty(), "{log}");
    let login = stack.login("shop_plain", "app");
    let error = Wire::try_login(&login, Transport::SslRequest, &[]).err();
    assert_eq!(error.expect("starting").sqlstate(), "57P03");
    starting.wait_until("started", || is_ready(stack.port, "prefer") == 0);
    stack.proxy = Some(starting);
}

/// A client may ask for one after the other, as libpq does with gssencmode=prefer; nobody is asked twice.
#[test]
fn what_is_not_there_is_declined_in_either_order() {
    let stack = Stack::start(StackOptions {
        client_tls: "disable",
        ..StackOptions::default()
    });
    let [ssl, gss] = [message::ssl_request(), message::gss_request()];
    for [first, second] in [[&ssl, &gss], [&gss, &ssl]] {
        let mut wire = Wire::open(stack.port);
        for request in [first, second] {
            wire.send(request);
            assert_eq!(wire.receive_byte(), Some(b'N'));
        }
        let parameters = [("user", "shop_plain"), ("database", "app")];
        wire.send(&message::startup((3, 0), &parameters));
        let asked = wire.receive().expect("an answer");
        assert_eq!(asked.kind, b'R', "{asked:?}");
    }
    for request in [&ssl, &gss] {
        let mut wire = Wire::open(stack.port);
        wire.send(request);
        assert_eq!(wire.receive_byte(), Some(b'N'));
        wire.send(request);
        assert_eq!(wire.receive_byte(), None);
    }
}

#[test]
fn max_client_conn_refuses_with_its_own_code_and_counts_right() {
    let mut stack = Stack::start(StackOptions::default());
    stack.reconfigure("workers = 2", "workers = 2\nmax_client_conn = 3");
    let login = stack.login("shop_plain", "app");
    let try_login = || Wire::try_login(&login, Transport::SslRequest, &[]);
    let mut clients: Vec<Wire> = (0..3).map(|_| Wire::login(&login)).collect();
    for _ in 0..3 {
        let error = try_login().err().expect("too many");
        assert_eq!(error.sqlstate(), "53300");
    }
    // A cancel request is no client.
    clients[0].send(&message::query(SLEEP));
    stack.wait_for_sleepers(1);
    Wire::open(stack.port).send(&message::cancel(&clients[0].cancel_key));
    assert_eq!(failed(&clients[0].receive_until(b'Z')).0, "57014");
    clients.pop();
    let start = Instant::now();
    while try_login().is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "a place was lost"
        );
    }
}

/// A number in a line of the log.
fn number(line: &str, field: &str) -> usize {
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let number = line[field].as_u64().expect("a number");
    usize::try_from(number).expect("not a large one")
}

#[test]
fn a_flood_of_refusals_is_counted_and_does_not_flood_the_log() {
    let stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    let (mut loud, mut calm) = (Wire::login(&login), Wire::login(&login));
    let flood = 2_000;
    let refused = message::query("DROP TABLE notes").repeat(flood);
    loud.send(&refused);
    for _ in 0..flood {
        assert_eq!(failed(&loud.receive_until(b'Z')).0, "42501");
    }
    // Another guard and another connection have lines of their own.
    assert_eq!(failed(&loud.query("DO 'BEGIN END'")).0, "42501");
    assert_eq!(failed(&calm.query("DROP TABLE notes")).0, "42501");
    drop(loud);
    let of_loud = |log: &str| -> (usize, usize) {
        let lines = log.lines().filter(|line| {
            line.contains("\"connection\":\"000001\"") && line.contains("ddl-outside-migration")
        });
        let (more, written): (Vec<&str>, Vec<&str>) =
            lines.partition(|line| line.contains("\"more\":"));
        let more = more.iter().map(|line| number(line, "more")).sum();
        (written.len(), more)
    };
    support::process::wait_until("every refusal is written or counted", || {
        let (written, more) = of_loud(&stack.proxy_log());
        written + more == flood
    });
    let log = stack.logged(&["\"000002\"", "procedural"]);
    let (written, more) = of_loud(&log);
    assert!(written >= 10 && more > written, "{written} and {more}");
    let (_, metrics) = stack.http_get("/metrics");
    let counted = format!(
        "portcullis_refusals_total{{guard=\"ddl-outside-migration\"}} {}\n",
        flood + 1
    );
    assert!(metrics.contains(&counted), "{metrics}");
}

#[test]
fn a_draining_proxy_finishes_transactions_and_lets_nobody_in() {
    let mut stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_acme", "shop");
    let (mut busy, mut idle, mut running) = (
        Wire::login(&login),
        Wire::login(&login),
        Wire::login(&login),
    );
    fine(&busy.query("BEGIN"));
    fine(&busy.query("INSERT INTO orders (note) VALUES ('drained')"));
    running.send(&message::query("SELECT pg_sleep(5), 'finished'"));
    stack.wait_for_sleepers(1);
    stack.proxy.as_ref().expect("a proxy").signal(Signal::TERM);

    let told = |wire: &mut Wire| {
        let answer = wire.receive_to_end();
        assert_eq!(kinds(&answer), "E");
        answer[0].sqlstate()
    };
    assert_eq!(told(&mut idle), "57P01");
    let before = stack.proxy_log();
    for sslmode in ["disable", "prefer", "require"] {
        assert_eq!(is_ready(stack.port, sslmode), 1, "{sslmode}");
    }
    let log = stack.proxy_log();
    assert_eq!(about_clients(&log), about_clients(&before));
    let refused = Wire::try_login(&login, Transport::SslRequest, &[]).err();
    assert_eq!(refused.expect("draining").sqlstate(), "57P03");
    assert_eq!(
        http_get(stack.http_port, "/health/ready").map(|(status, _)| status),
        Some(503)
    );
    assert_eq!(
        http_get(stack.http_port, "/health/live").map(|(status, _)| status),
        Some(200)
    );
    // What runs is answered; what is open goes on until it ends.
    assert_eq!(fine(&running.receive_until(b'Z')), 'I');
    assert_eq!(told(&mut running), "57P01");
    fine(&busy.query("INSERT INTO orders (note) VALUES ('drained')"));
    assert_eq!(fine(&busy.query("COMMIT")), 'I');
    assert_eq!(told(&mut busy), "57P01");
    let proxy = stack.proxy.as_mut().expect("a proxy");
    let status = proxy
        .wait_for_end(Duration::from_secs(15))
        .expect("it ends");
    assert!(status.success(), "{status}");
    let written = "SELECT count(*) FROM orders WHERE note = 'drained' AND tenant_id = 'acme'";
    assert_eq!(stack.direct("shop", written), "2\n");
    assert_eq!(is_ready(stack.port, "prefer"), 2);
}

#[test]
fn draining_ends_at_its_timeout_and_at_a_second_signal() {
    for (timeout, signals) in [("1s", 1), ("1min", 2)] {
        let mut stack = Stack::start(StackOptions {
            limits: format!("drain_timeout = \"{timeout}\""),
            ..StackOptions::default()
        });
        let mut wire = Wire::login(&stack.login("shop_plain", "app"));
        fine(&wire.query("BEGIN"));
        fine(&wire.query("INSERT INTO notes (body) VALUES ('cut off')"));
        for _ in 0..signals {
            stack.proxy.as_ref().expect("a proxy").signal(Signal::TERM);
            stack.logged(&["\"draining\""]);
        }
        let proxy = stack.proxy.as_mut().expect("a proxy");
        let status = proxy
            .wait_for_end(Duration::from_secs(20))
            .expect("it ends");
        assert!(status.success(), "{status}");
        wire.receive_to_end();
        // Nothing half done: PgBouncer has closed the server's side.
        let start = Instant::now();
        let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'";
        while stack.direct("app", open) != "0\n" {
            assert!(
                start.elapsed() < Duration::from_secs(15),
                "a transaction is left open"
            );
        }
        assert_eq!(stack.direct("app", "SELECT count(*) FROM notes"), "0\n");
    }
}
