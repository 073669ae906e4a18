//! Clients that are slow on purpose, or many: before they are logged in, in the middle of something, and
//! as requests to cancel. Others are served meanwhile, in bounded memory.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use support::cancel::is_cancelled;
use support::message::{self, column, fine, kinds, query};
use support::process::{open_many_files, wait_until};
use support::wire::{PATIENCE, client_config};
use support::{Login, Stack, StackOptions, Transport, Wire};

/// More than are allowed to be arriving.
const FLOOD: usize = 1_300;

/// A socket from another address of this machine.
fn elsewhere(last: u8, port: u16) -> TcpStream {
    let kind = socket2::Type::STREAM;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).expect("a socket");
    let address = |last, port| SocketAddr::from(([127, 0, 0, last], port)).into();
    socket.bind(&address(last, 0)).expect("bound");
    socket.connect(&address(1, port)).expect("connected");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream
}

/// The first flight of a TLS handshake that nobody goes on with.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(config.clone(), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("written");
    bytes
}

fn startup(login: &Login) -> Vec<u8> {
    let who = [("user", &*login.user), ("database", &*login.database)];
    message::startup((3, 0), &who)
}

/// The attack: whoever holds as many sockets as may be arriving, from one address, kept everybody out for
/// as long as it renewed them.
#[test]
fn a_flood_of_one_address_that_does_not_log_in_keeps_nobody_else_out() {
    let mut stack = Stack::start(StackOptions {
        client_tls: "allow",
        ..StackOptions::default()
    });
    // Then 1000 may be arriving.
    stack.reconfigure("workers = 2", "workers = 2\nmax_client_conn = 100");
    open_many_files();
    let login = stack.login("shop_plain", "app");
    let mut there = Wire::login(&login);
    let config = client_config(&login.sslrootcert);
    let before = stack.memory("VmRSS");
    let half = startup(&login);
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("a request for TLS", message::ssl_request()),
        ("a TLS hello", hello(&config)),
        ("half a startup packet", half[..half.len() / 2].to_vec()),
        ("a startup packet", half),
    ] {
        let flood: Vec<TcpStream> = (0..FLOOD)
            .map(|_| {
                let mut stream = elsewhere(2, stack.port);
                // Who is turned away already is told so by a reset.
                let _ = stream.write_all(&bytes);
                stream
            })
            .collect();
        for transport in [Transport::SslRequest, Transport::Direct, Transport::Plain] {
            let mut wire = Wire::login_with(&login, transport, &[]);
            assert_eq!(column(&wire.query("SELECT 1")), ["1"], "{what}");
        }
        assert_eq!(column(&there.query("SELECT 1")), ["1"], "{what}");
        drop(flood);
        wait_until("the flood is gone", || {
            stack.metric("portcullis_client_connections") == 1.0
        });
    }
    let rejected =
        stack.metric("portcullis_client_connections_rejected_total{reason=\"arriving\"}");
    assert!(rejected > 0.0, "nobody had to leave");
    let grown = stack.memory("VmRSS").saturating_sub(before);
    assert!(grown < 150 << 20, "{} MB", grown >> 20);
}

fn try_login(login: &Login) -> Result<Wire, String> {
    let tried = Wire::try_login(login, Transport::SslRequest, &[]);
    tried.map_err(|error| error.sqlstate())
}

/// As many at once as there may be: not one more, not one fewer, and whoever leaves makes room.
#[test]
fn limits_hold_at_the_limit_one_over_and_after_somebody_has_left() {
    let policy = support::fixture::POLICY;
    let limited = "[login.shop_plain]\nmax_connections = 4\n";
    let mut stack = Stack::start(StackOptions {
        policy: policy.replace("[login.shop_plain]\n", limited),
        ..StackOptions::default()
    });
    stack.reconfigure("workers = 2", "workers = 2\nmax_client_conn = 6");
    let (plain, acme) = (
        stack.login("shop_plain", "app"),
        stack.login("shop_acme", "shop"),
    );
    for round in 0..3 {
        let crowd = |login: &Login| -> Vec<Result<Wire, String>> {
            std::thread::scope(|scope| {
                let all: Vec<_> = (0..12).map(|_| scope.spawn(|| try_login(login))).collect();
                all.into_iter()
                    .map(|it| it.join().expect("an end"))
                    .collect()
            })
        };
        let (mut wires, refused): (Vec<_>, Vec<_>) =
            crowd(&plain).into_iter().partition(Result::is_ok);
        assert!(
            refused
                .iter()
                .all(|it| it.as_ref().err() == Some(&"53300".into()))
        );
        assert!(wires.len() <= 4, "{round}: {}", wires.len());
        // In a crowd one may be turned away that would have had room a moment later; not afterwards.
        wait_until("the login's places are all taken", || {
            if wires.len() < 4 {
                wires.extend(try_login(&plain).ok().map(Ok));
            }
            wires.len() == 4
        });
        assert_eq!(try_login(&plain).err().as_deref(), Some("53300"), "{round}");
        let mut others: Vec<Wire> = Vec::new();
        wait_until("the other login has the rest", || {
            others.extend(try_login(&acme).ok());
            others.len() == 2
        });
        assert_eq!(try_login(&acme).err().as_deref(), Some("53300"), "{round}");
        // However one leaves: politely, without a word, in the middle of something, by an error.
        let mut leaving = wires.pop().expect("one").expect("a client");
        match round {
            0 => leaving.send(&message::terminate()),
            1 => leaving.send(&query("SELECT pg_sleep(0.2)")[..9]),
            _ => leaving.send(b"!\0\0\0\x04"),
        }
        drop(leaving);
        wait_until("one place is free again", || match try_login(&plain) {
            Ok(wire) => {
                wires.push(Ok(wire));
                true
            }
            Err(sqlstate) => {
                assert_eq!(sqlstate, "53300");
                false
            }
        });
        assert_eq!(try_login(&plain).err().as_deref(), Some("53300"), "{round}");
        for wire in wires.iter_mut().flatten().chain(&mut others) {
            assert_eq!(column(&wire.query("SELECT 1")), ["1"], "{round}");
        }
        drop((wires, others));
        wait_until("all are gone", || {
            stack.metric("portcullis_client_connections") == 0.0
        });
    }
}

/// A client in the middle of something, and what is left of what it wants to send.
fn in_the_middle(wire: &mut Wire, state: &str) -> Vec<u8> {
    let cut = |wire: &mut Wire, bytes: Vec<u8>, at: usize| {
        wire.send(&bytes[..at]);
        bytes[at..].to_vec()
    };
    match state {
        "half a Query" => {
            let long = format!("SELECT 1 -- {}", "x".repeat(900 << 10));
            cut(wire, query(&long), 600 << 10)
        }
        "half a header" => cut(wire, query("SELECT 1"), 3),
        "half a CopyData" => {
            wire.send(&query("COPY notes (body) FROM STDIN"));
            assert_eq!(kinds(&wire.receive_until(b'G')), "G");
            let data = [
                message::copy_data(&b"x\n".repeat(100_000)),
                message::copy_done(),
            ];
            cut(wire, data.concat(), 150_000)
        }
        "half a batch" => {
            let batch = [message::extended("SELECT 1", &[]), message::sync()].concat();
            let behind = batch.len() - 5;
            cut(wire, batch, behind)
        }
        "idle in a transaction" => {
            fine(&wire.query("BEGIN"));
            query("COMMIT")
        }
        "not reading" => {
            wire.send(&query(
                "SELECT repeat('x', 1000) FROM generate_series(1, 100000)",
            ));
            Vec::new()
        }
        "half a Terminate" => cut(wire, message::terminate(), 2),
        other => panic!("{other}"),
    }
}

const STATES: [&str; 7] = [
    "half a Query",
    "half a header",
    "half a CopyData",
    "half a batch",
    "idle in a transaction",
    "not reading",
    "half a Terminate",
];

#[test]
fn slow_clients_of_one_worker_keep_no_other_waiting_and_are_let_finish() {
    let mut stack = Stack::start(StackOptions {
        client_tls: "allow",
        pool_size: 40,
        ..StackOptions::default()
    });
    stack.reconfigure("workers = 2", "workers = 1");
    let login = stack.login("shop_plain", "app");
    let mut other = Wire::login(&login);
    fine(&other.query("SELECT 1"));
    let before = stack.memory("VmRSS");
    let mut slow = Vec::new();
    for state in STATES {
        for transport in [Transport::Plain, Transport::SslRequest] {
            for _ in 0..3 {
                let mut wire = Wire::login_with(&login, transport, &[]);
                let rest = in_the_middle(&mut wire, state);
                slow.push((state, wire, rest));
            }
        }
    }
    for _ in 0..200 {
        assert_eq!(column(&other.query("SELECT 1")), ["1"]);
    }
    fine(&Wire::login(&login).query("INSERT INTO notes (body) VALUES ('meanwhile')"));
    let grown = stack.memory("VmRSS").saturating_sub(before);
    assert!(grown < 80 << 20, "{} MB", grown >> 20);
    for (state, mut wire, rest) in slow {
        wire.send(&rest);
        match state {
            "half a Terminate" => assert!(wire.receive_to_end().is_empty()),
            _ => assert_eq!(fine(&wire.receive_until(b'Z')), 'I', "{state}"),
        }
    }
    let rows = "SELECT count(*) FROM notes WHERE body = 'x'";
    assert_eq!(stack.direct("app", rows), "600000\n");
}

/// Who is gone in any of these states leaves nothing behind.
#[test]
fn slow_clients_that_go_leave_nothing_behind() {
    let stack = Stack::start(StackOptions {
        client_tls: "allow",
        pool_size: 3,
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    for state in STATES {
        for transport in [Transport::Plain, Transport::SslRequest] {
            let mut wire = Wire::login_with(&login, transport, &[]);
            drop(in_the_middle(&mut wire, state));
        }
        wait_until(&format!("{state}: gone"), || {
            stack.metric("portcullis_client_connections") == 0.0
        });
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND state <> 'idle'";
    wait_until("nothing is open", || {
        stack.direct("postgres", open) == "0\n"
    });
    assert_eq!(stack.direct("app", "SELECT count(*) FROM notes"), "0\n");
    let mut wires: Vec<Wire> = (0..6).map(|_| Wire::login(&login)).collect();
    for wire in &mut wires {
        assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    }
}

/// Everything up to the end, be it a reset.
fn ended(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    answer
}

/// A request that was sent while it was idle may hit the statement behind, as at PostgreSQL.
fn left_alone(idle: &mut Wire) {
    wait_until("the idle one is left alone", || {
        message::error(&idle.query("SELECT 1")).is_none()
    });
}

/// Requests with right, wrong, half and no keys, all at once: one is right, and it works.
#[test]
fn a_flood_of_cancel_requests_hits_what_it_should_and_nobody_else() {
    let stack = Stack::start(StackOptions {
        pool_size: 10,
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let (mut sleeper, mut idle, mut untouched) = (
        Wire::login(&login),
        Wire::login(&login),
        Wire::login(&login),
    );
    for wire in [&mut sleeper, &mut untouched] {
        wire.send(&query("SELECT pg_sleep(600)"));
    }
    stack.wait_for_sleepers(2);
    open_many_files();
    let before = stack.memory("VmRSS");
    let right = idle.cancel_key.clone();
    let victim = untouched.cancel_key.clone();
    let key = |number: usize| -> Vec<u8> {
        let guess = u32::try_from(number).expect("small").to_be_bytes();
        match number % 5 {
            0 => right.clone(),
            1 => [&victim[..4], &guess].concat(),
            2 => [&guess[..], &victim[4..]].concat(),
            3 => victim[..number % 8].to_vec(),
            _ => vec![0xff; 4 + number % 300],
        }
    };
    let mut flood: Vec<TcpStream> = Vec::new();
    for number in 0..3_000 {
        let mut stream = elsewhere(2, stack.port);
        let request = message::cancel(&key(number));
        // One in seven says half of it and waits.
        let end = if number % 7 == 0 {
            request.len() - 3
        } else {
            request.len()
        };
        let _ = stream.write_all(&request[..end]);
        flood.push(stream);
        if number % 500 == 0 {
            let mut other = Wire::open_with(stack.port, Transport::Direct, &login.sslrootcert);
            other.send(&message::cancel(&key(number + 1)));
            assert!(other.receive_to_end().is_empty());
            left_alone(&mut idle);
        }
    }
    let mut wire = Wire::login(&login);
    assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    for (number, stream) in flood.iter_mut().enumerate() {
        if number % 7 == 0 {
            stream.shutdown(Shutdown::Write).ok();
        }
        let answer = ended(stream);
        // A key that cannot be one is no request: that is told, and nothing else.
        assert!(matches!(answer.first(), None | Some(b'E')), "{answer:?}");
    }
    let grown = stack.memory("VmRSS").saturating_sub(before);
    assert!(grown < 100 << 20, "{} MB", grown >> 20);
    left_alone(&mut idle);
    assert!(untouched.is_quiet_for(Duration::from_millis(300)));
    Wire::open(stack.port).send(&message::cancel(&sleeper.cancel_key));
    is_cancelled(&mut sleeper);
    Wire::open(stack.port).send(&message::cancel(&untouched.cancel_key));
    is_cancelled(&mut untouched);
}
