//! Cancel requests that reach another proxy than the one whose client's query they are about: two
//! processes of Portcullis, as behind a load balancer, and while one takes the place of the other.

mod support;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::cancel::cancel_from;
use support::cancel::is_cancelled;
use support::files::write_secret;
use support::message::{self, column, failed, fine, startup};
use support::migration::finished;
use support::ports::Ports;
use support::process::{Server, open_many_files, spawn, wait_until};
use support::scram::question;
use support::{Login, Stack, StackOptions, Transport, Wire, proxy};

/// The stack's own proxy with `peer_id` 1, and another one with 2 on the same pools and files.
struct Two {
    other: Server,
    port: u16,
    http_port: u16,
    stack: Stack,
    ports: Ports,
}

impl Two {
    /// Without `[peers]`.
    fn strangers() -> Self {
        let mut ports = Ports::lock();
        let stack = Stack::start(StackOptions::default());
        let (port, http_port) = (ports.next(), ports.next());
        let directory = Self::directory(&stack);
        std::fs::create_dir(&directory).expect("a directory");
        let config = std::fs::read_to_string(stack.file("portcullis.toml")).expect("read");
        let home = stack.directory().display();
        let config = config
            .replace(&stack.port.to_string(), &port.to_string())
            .replace(&stack.http_port.to_string(), &http_port.to_string())
            .replace(
                &format!("{home}/console"),
                &format!("{home}/second/console"),
            )
            .replace(
                &format!("{home}/registry"),
                &format!("{home}/second/registry"),
            );
        write_secret(&directory.join("portcullis.toml"), &config);
        let mut other = proxy::serve(&directory);
        proxy::wait(&mut other, http_port);
        Self {
            other,
            port,
            http_port,
            stack,
            ports,
        }
    }

    /// Each knows the other. `{tls}` of both is verified.
    fn acquainted() -> Self {
        let mut two = Self::strangers();
        let (one, other) = (two.stack.port, two.port);
        let tls = two.verified();
        two.introduce(
            &format!("peer_id = 1\n2 = \"localhost:{other}\"\n{tls}"),
            &format!("peer_id = 2\n1 = \"localhost:{one}\"\n{tls}"),
        );
        two
    }

    fn verified(&self) -> String {
        let authority = self.stack.authority.certificate();
        format!("sslmode = \"verify-full\"\nca_file = {authority:?}")
    }

    /// Starts both anew with these `[peers]`.
    fn introduce(&mut self, one: &str, other: &str) {
        let before = "[limits]\n";
        let with = |peers: &str| format!("[peers]\n{peers}\n{before}");
        self.stack.reconfigure(before, &with(one));
        let file = Self::directory(&self.stack).join("portcullis.toml");
        let config = std::fs::read_to_string(&file).expect("read");
        write_secret(&file, &config.replace(before, &with(other)));
        self.other.end();
        self.other = proxy::serve(&Self::directory(&self.stack));
        proxy::wait(&mut self.other, self.http_port);
    }

    fn directory(stack: &Stack) -> PathBuf {
        stack.file("second")
    }

    fn login(&self) -> Login {
        self.stack.login("shop_plain", "app")
    }

    /// A client of the first proxy whose server is asleep.
    fn sleeping(&self) -> Wire {
        let mut wire = Wire::login(&self.login());
        sleep(&self.stack, &mut wire);
        wire
    }

    /// How many cancel requests came to this end at the proxy with this port for HTTP.
    fn cancels(&self, http_port: u16, outcome: &str) -> u64 {
        let series = format!("portcullis_cancel_requests_total{{outcome=\"{outcome}\"}}");
        proxy::metric(http_port, &series)
    }
}

fn sleep(stack: &Stack, wire: &mut Wire) {
    let port = wire.tcp().local_addr().expect("an address").port();
    let marked = format!("SELECT pg_sleep(30), {port}");
    wire.send(&message::query(&marked));
    wait_until("its backend sleeps", || {
        let asleep = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query = '{marked}'"
        );
        stack.direct("postgres", &asleep) == "1\n"
    });
}

/// Asks a proxy to cancel, and waits until it has dealt with that.
fn cancel(port: u16, key: &[u8]) {
    let mut wire = Wire::open(port);
    wire.send(&message::cancel(key));
    assert!(wire.receive_to_end().is_empty());
}

/// What is attempted against a running statement of the first proxy does not reach it: a request that is made
/// behind it arrives, and then the statement goes on to its end. The client, idle.
#[track_caller]
fn not_cancelled(two: &Two, attempt: impl FnOnce(&[u8])) -> Wire {
    const LOCK: &str = "pg_advisory_lock(72707372)";
    const WAITING: &str =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let stack = &two.stack;
    let direct = stack.login_at(stack.cluster.port, "shop_plain", "app");
    let mut holder = Wire::login_with(&direct, Transport::Plain, &[]);
    fine(&holder.query(&format!("SELECT {LOCK}")));
    let mut wire = Wire::login(&two.login());
    let waits = LOCK.replace("lock(", "xact_lock(");
    wire.send(&message::query(&format!(
        "SELECT 'to its end' FROM {waits}"
    )));
    wait_until("it waits for the lock", || {
        stack.direct("app", WAITING) == "1\n"
    });
    attempt(&wire.cancel_key);
    let mut behind = two.sleeping();
    cancel(stack.port, &behind.cancel_key);
    is_cancelled(&mut behind);
    drop(holder);
    assert_eq!(column(&wire.receive_until(b'Z')), ["to its end"]);
    wire
}

#[test]
fn a_request_that_reaches_the_other_proxy_is_lost_between_strangers() {
    let two = Two::strangers();
    let mut wire = not_cancelled(&two, |key| cancel(two.port, key));
    assert_eq!(two.cancels(two.http_port, "unknown-key"), 1);
    sleep(&two.stack, &mut wire);
    cancel(two.stack.port, &wire.cancel_key);
    is_cancelled(&mut wire);
}

#[test]
fn a_request_that_reaches_the_other_proxy_arrives() {
    let two = Two::acquainted();
    let authority = two.login().sslrootcert;
    for transport in [Transport::Plain, Transport::SslRequest, Transport::Direct] {
        let mut wire = two.sleeping();
        assert_eq!(wire.cancel_key[0], 1, "the key begins with the peer_id");
        let mut other = Wire::open_with(two.port, transport, &authority);
        other.send(&message::cancel(&wire.cancel_key));
        assert!(other.receive_to_end().is_empty(), "{transport:?}");
        is_cancelled(&mut wire);
    }
    assert_eq!(two.cancels(two.http_port, "passed-on"), 3);
    assert_eq!(two.cancels(two.stack.http_port, "forwarded"), 3);
    // The other way round, with the long keys of protocol 3.2.
    let login = two.stack.login_at(two.port, "shop_plain", "app");
    let mut wire = Wire::open_with(login.port, Transport::SslRequest, &login.sslrootcert);
    wire.send(&startup(
        (3, 2),
        &[("user", &login.user), ("database", &login.database)],
    ));
    wire.authenticate(&login.password, None).expect("let in");
    wire.receive_until(b'Z');
    assert_eq!((wire.cancel_key[0], wire.cancel_key.len()), (2, 36));
    sleep(&two.stack, &mut wire);
    cancel(two.stack.port, &wire.cancel_key);
    is_cancelled(&mut wire);
}

#[test]
fn a_wrong_key_cancels_nothing_there_either() {
    let two = Two::acquainted();
    let changed = |right: &[u8], at: usize| {
        let mut key = right.to_vec();
        key[at] ^= 0x40;
        key
    };
    // With what a peer adds, which ends there.
    let added = |right: &[u8]| [right, &[0; 32]].concat();
    let mut wire = not_cancelled(&two, |right| {
        let long = [right, &[0; 28]].concat();
        let [id, number, secret, last] = [0, 3, 4, 7].map(|at| changed(right, at));
        for key in [id, number, secret, last, long, added(right)] {
            cancel(two.port, &key);
        }
        cancel(two.stack.port, &added(&changed(right, 5)));
    });
    let right = wire.cancel_key.clone();
    // At the proxy whose key it is the secret is its own proof, whoever brings it.
    for (port, key) in [(two.stack.port, added(&right)), (two.port, right)] {
        sleep(&two.stack, &mut wire);
        cancel(port, &key);
        is_cancelled(&mut wire);
    }
}

#[test]
fn who_guesses_by_way_of_another_proxy_does_not_keep_the_owner_from_cancelling() {
    let two = Two::acquainted();
    let (here, elsewhere) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let mut wire = not_cancelled(&two, |right| {
        for guess in 0..120_u32 {
            let mut wrong = right.to_vec();
            wrong[4..].copy_from_slice(&guess.to_be_bytes());
            cancel_from(elsewhere, two.port, &wrong);
        }
        assert!(two.cancels(two.stack.http_port, "limited") >= 20);
        cancel_from(elsewhere, two.port, right);
        cancel_from(elsewhere, two.stack.port, right);
    });
    // The first proxy knows where a request came from that was passed on to it.
    sleep(&two.stack, &mut wire);
    cancel_from(here, two.port, &wire.cancel_key);
    is_cancelled(&mut wire);
}

#[test]
fn a_request_is_passed_on_once_however_the_lists_are_wrong() {
    let mut two = Two::strangers();
    let (one, other) = (two.stack.port, two.port);
    let tls = two.verified();
    // Each takes the other for a third one, and itself for a fourth.
    two.introduce(
        &format!("peer_id = 1\n3 = \"localhost:{other}\"\n4 = \"localhost:{one}\"\n{tls}"),
        &format!("peer_id = 2\n3 = \"localhost:{one}\"\n4 = \"localhost:{other}\"\n{tls}"),
    );
    for id in [3, 4] {
        cancel(one, &[id, 1, 2, 3, 4, 5, 6, 7]);
    }
    assert_eq!(two.cancels(two.stack.http_port, "passed-on"), 2);
    assert_eq!(two.cancels(two.stack.http_port, "unknown-key"), 1);
    assert_eq!(two.cancels(two.http_port, "unknown-key"), 1);
    assert_eq!(two.cancels(two.http_port, "passed-on"), 0);
}

#[test]
fn a_peer_that_is_dead_holds_up_nobody_else() {
    let mut two = Two::strangers();
    let (one, other) = (two.stack.port, two.port);
    // One takes connections and never says a word; nobody listens at the other one.
    let mute = TcpListener::bind(("127.0.0.1", two.ports.next())).expect("listen");
    let mute_port = mute.local_addr().expect("an address").port();
    let gone = two.ports.next();
    let tls = two.verified();
    two.introduce(
        &format!("peer_id = 1\n2 = \"localhost:{other}\"\n{tls}"),
        &format!(
            "peer_id = 2\n1 = \"localhost:{one}\"\n3 = \"localhost:{mute_port}\"\n4 = \"localhost:{gone}\"\n{tls}"
        ),
    );
    // More than are carried at a time (max_cancels).
    let stuck: Vec<Wire> = (0..100)
        .map(|_| {
            let mut wire = Wire::open(other);
            wire.send(&message::cancel(&[3, 1, 2, 3, 4, 5, 6, 7]));
            wire
        })
        .collect();
    cancel(other, &[4, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(two.cancels(two.http_port, "failed"), 1);
    let mut wire = two.sleeping();
    cancel(other, &wire.cancel_key);
    is_cancelled(&mut wire);
    // They all come to an end.
    for mut wire in stuck {
        assert!(wire.receive_to_end().is_empty());
    }
    let ended = two.cancels(two.http_port, "failed") + two.cancels(two.http_port, "limited");
    assert_eq!(ended, 101);
}

/// The attack: who sends requests for a peer that never answers filled the places of those who do not log in, and
/// nobody was let in any more.
#[test]
fn a_flood_for_a_peer_that_is_mute_keeps_no_login_and_no_other_request_out() {
    let mut two = Two::strangers();
    let mute = TcpListener::bind(("127.0.0.1", two.ports.next())).expect("listen");
    let mute_port = mute.local_addr().expect("an address").port();
    let (one, other) = (two.stack.port, two.port);
    let tls = two.verified();
    two.introduce(
        &format!("peer_id = 1\n2 = \"localhost:{other}\"\n3 = \"localhost:{mute_port}\"\n{tls}"),
        &format!("peer_id = 2\n1 = \"localhost:{one}\"\n{tls}"),
    );
    // Then 1000 may be arriving.
    let workers = "workers = 2";
    let few = format!("{workers}\nmax_client_conn = 100");
    two.stack.reconfigure(workers, &few);
    open_many_files();
    let elsewhere = two.stack.login_at(other, "shop_plain", "app");
    let mut wires = [two.sleeping(), Wire::login(&elsewhere)];
    sleep(&two.stack, &mut wires[1]);
    let before = two.stack.memory("VmRSS");
    let flood: Vec<Wire> = (0..1_300_u32)
        .map(|secret| {
            let mut wire = Wire::open(one);
            wire.send(&message::cancel(
                &[[3, 1, 2, 3], secret.to_be_bytes()].concat(),
            ));
            wire
        })
        .collect();
    let mut entered = Wire::login(&two.login());
    assert_eq!(column(&entered.query("SELECT 1")), ["1"]);
    for wire in &mut wires {
        cancel(one, &wire.cancel_key);
        is_cancelled(wire);
    }
    let limited = two.cancels(two.stack.http_port, "limited");
    assert!(limited >= 100, "{limited} found no room");
    let grown = two.stack.memory("VmRSS").saturating_sub(before);
    assert!(grown < 50 << 20, "{} MB", grown >> 20);
    for mut wire in flood {
        assert!(wire.receive_to_end().is_empty());
    }
}

#[test]
fn a_peer_that_is_somebody_else_is_told_nothing() {
    let mut two = Two::strangers();
    let (one, other) = (two.stack.port, two.port);
    let stranger = support::tls::Authority::new(two.stack.directory(), "stranger");
    let ca = stranger.certificate();
    two.introduce(
        &format!("peer_id = 1\n2 = \"localhost:{other}\"\nsslmode = \"disable\""),
        &format!("peer_id = 2\n1 = \"localhost:{one}\"\nca_file = {ca:?}"),
    );
    not_cancelled(&two, |key| cancel(other, key));
    assert_eq!(two.cancels(two.http_port, "failed"), 1);
    // In plaintext, where that is what was asked for.
    let mut other_client = Wire::login(&two.stack.login_at(other, "shop_plain", "app"));
    sleep(&two.stack, &mut other_client);
    cancel(one, &other_client.cancel_key);
    is_cancelled(&mut other_client);
}

/// Of the proxy that passes requests on, as all certificates: at RELOAD, and a file that is none changes nothing.
#[test]
fn the_ca_file_of_peers_is_read_again() {
    let mut two = Two::strangers();
    let (one, other) = (two.stack.port, two.port);
    let (directory, ca) = (two.stack.directory(), two.stack.file("peers.crt"));
    let stranger = support::tls::Authority::new(directory, "stranger");
    let read = |file: &Path| std::fs::read_to_string(file).expect("read");
    let own = read(two.stack.authority.certificate());
    write_secret(&ca, &read(stranger.certificate()));
    two.introduce(
        &format!("peer_id = 1\n2 = \"localhost:{other}\"\nsslmode = \"disable\""),
        &format!("peer_id = 2\n1 = \"localhost:{one}\"\nca_file = {ca:?}"),
    );
    let config = two.stack.file("second/portcullis.toml");
    let reload = || {
        let mut reload = Command::new(proxy::program());
        reload.args(["console", "RELOAD", "--config"]).arg(&config);
        finished(reload)
    };
    let reloads = || {
        let series = "portcullis_reloads_total{files=\"tls\",outcome=\"ok\"}";
        proxy::metric::<u64>(two.http_port, series)
    };
    not_cancelled(&two, |key| cancel(other, key));
    assert_eq!(two.cancels(two.http_port, "failed"), 1);
    write_secret(&ca, &own);
    reload().ok();
    let mut wire = two.sleeping();
    cancel(other, &wire.cancel_key);
    is_cancelled(&mut wire);
    write_secret(&ca, "no certificate");
    reload().refused("nothing was reloaded");
    sleep(&two.stack, &mut wire);
    cancel(other, &wire.cancel_key);
    is_cancelled(&mut wire);
    assert_eq!(two.cancels(two.http_port, "failed"), 1);
    // And without being told.
    let before = reloads();
    write_secret(&ca, &read(stranger.certificate()));
    wait_until("it is noticed", || reloads() != before);
    not_cancelled(&two, |key| cancel(other, key));
    assert_eq!(two.cancels(two.http_port, "failed"), 2);
}

#[test]
fn what_the_old_process_still_runs_can_be_cancelled_through_the_new_one() {
    let mut two = Two::acquainted();
    let mut wire = two.sleeping();
    let mut old = two.stack.proxy.take().expect("the first proxy");
    old.signal(Signal::TERM);
    let http_port = two.stack.http_port;
    wait_until("the old one is draining", || {
        proxy::http_get(http_port, "/health/ready").is_some_and(|(status, _)| status == 503)
    });
    // It goes on, or it would be told something else.
    cancel(two.port, &wire.cancel_key);
    assert_eq!(failed(&wire.receive_until(b'Z')).0, "57014");
    // That was the last it waited for.
    let status = old.wait_for_end(Duration::from_secs(15));
    assert!(status.expect("it ends").success());
}

/// A load balancer: the first connection goes to one address, all others to another.
fn balance(listener: TcpListener, first: u16, others: u16) {
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let Ok(client) = client else { return };
            let port = if number == 0 { first } else { others };
            let server = TcpStream::connect(("127.0.0.1", port)).expect("connect");
            for (mut from, mut to) in [
                (client.try_clone(), server.try_clone()),
                (server.try_clone(), client.try_clone()),
            ]
            .map(|(from, to)| (from.expect("a socket"), to.expect("a socket")))
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
}

#[test]
fn psql_cancels_through_a_load_balancer() {
    let mut two = Two::acquainted();
    let listener = TcpListener::bind(("127.0.0.1", two.ports.next())).expect("listen");
    let port = listener.local_addr().expect("an address").port();
    balance(listener, two.stack.port, two.port);
    let login = two.stack.login_at(port, "shop_plain", "app");
    let mut psql = Command::new("psql");
    psql.args(["-XAtq", "-c", "SELECT pg_sleep(30)"])
        .envs(login.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = spawn(psql).expect("start psql");
    two.stack.wait_for_sleepers(1);
    // Ctrl-C.
    kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    let output = child.wait_with_output().expect("psql ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("canceling statement due to user request"),
        "{said}"
    );
    assert_eq!(two.cancels(two.http_port, "passed-on"), 1);
}

/// Or whoever asks both would know who does not exist.
#[test]
fn somebody_who_does_not_exist_has_the_same_salt_at_both() {
    let two = Two::strangers();
    let at = |port, user| question(port, two.stack.authority.certificate(), user);
    let (one, other) = (two.stack.port, two.port);
    for user in [
        "shop_plain",
        "nobody",
        "nobody else",
        "migrator.mig_00000000",
    ] {
        assert_eq!(at(one, user), at(other, user), "{user}");
    }
    assert_ne!(at(one, "nobody"), at(other, "nobody else"));
}
