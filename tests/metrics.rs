//! `/metrics`, series by series: each is provoked on the real stack, and its increments are read.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use support::message::{self, column, failed, fine};
use support::process::{open_many_files, wait_until};
use support::wire::client_config;
use support::{Login, Stack, StackOptions, Transport, Wire, fixture, migration};

type Samples = BTreeMap<String, f64>;

/// What is on /metrics now, without `portcullis_`.
fn scrape(stack: &Stack) -> Samples {
    let (status, text) = stack.http_get("/metrics");
    assert_eq!(status, 200);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.filter_map(|line| line.rsplit_once(' '));
    let sample = |(series, value): (&str, &str)| {
        let series = series
            .strip_prefix("portcullis_")
            .expect("a series of ours");
        (series.to_owned(), value.parse().expect("a number"))
    };
    samples.map(sample).collect()
}

/// What has grown in a family since, by labels.
fn grown(before: &Samples, now: &Samples, family: &str) -> BTreeMap<String, f64> {
    let of_family = now.iter().filter_map(|(series, value)| {
        let labels = series.strip_prefix(family)?;
        let labels = labels.strip_prefix('{').map_or(labels, |rest| rest);
        let more = value - before[series];
        (more != 0.0).then(|| (labels.trim_end_matches('}').replace('"', ""), more))
    });
    of_family.collect()
}

/// Waits until exactly this has grown: counters are written behind the answers.
#[track_caller]
fn grows(stack: &Stack, before: &Samples, family: &str, expected: &[(&str, f64)]) {
    let expected: BTreeMap<String, f64> = (expected
        .iter()
        .map(|(labels, more)| ((*labels).to_owned(), *more)))
    .collect();
    let mut seen = BTreeMap::new();
    let until = std::time::Instant::now() + support::wire::PATIENCE;
    while seen != expected && std::time::Instant::now() < until {
        seen = grown(before, &scrape(stack), family);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(seen, expected, "{family}");
}

/// The same for a value without labels that is there once.
#[track_caller]
fn becomes(stack: &Stack, series: &str, value: f64) {
    wait_until(&format!("{series} is {value}"), || {
        (scrape(stack)[series] - value).abs() < f64::EPSILON
    });
}

#[test]
fn handshakes_are_counted_by_how_they_began_and_ended() {
    let stack = Stack::start(StackOptions {
        limits: "client_login_timeout = \"2s\"".into(),
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let before = scrape(&stack);
    let mut silent = Wire::open(stack.port);
    let mut tls = Wire::login(&login);
    // For a client that rests a request would go no further.
    fine(&tls.query("BEGIN"));
    Wire::login_with(&login, Transport::Direct, &[]);
    Wire::open(stack.port).send(&message::cancel(&tls.cancel_key));
    assert!(Wire::try_login(&login, Transport::Plain, &[]).is_err());
    let mut gss = Wire::open(stack.port);
    gss.send(&message::gss_request());
    assert_eq!(gss.receive_byte(), Some(b'N'));
    drop(gss);
    // A length that no startup packet has; a version that nobody speaks.
    Wire::open(stack.port).send(&[0, 0, 0, 1, 0, 0, 0, 0]);
    Wire::open(stack.port).send(&message::startup((9, 0), &[("user", "x")]));
    let mut broken = Wire::open(stack.port);
    broken.send(&message::ssl_request());
    assert_eq!(broken.receive_byte(), Some(b'S'));
    broken.send(b"no ClientHello at all");
    Wire::open(stack.port).send(&[0x16, 3, 1, 0, 2, 9, 9]);
    assert!(silent.receive_to_end().is_empty());
    let expected = [
        ("kind=tls,outcome=ok", 1.0),
        ("kind=direct-tls,outcome=ok", 1.0),
        ("kind=cancel,outcome=ok", 1.0),
        ("kind=plain,outcome=refused", 1.0),
        ("kind=gssenc,outcome=refused", 1.0),
        ("kind=plain,outcome=error", 1.0),
        ("kind=bad,outcome=error", 1.0),
        ("kind=bad,outcome=refused", 1.0),
        ("kind=tls,outcome=error", 1.0),
        ("kind=direct-tls,outcome=error", 1.0),
        ("kind=bad,outcome=timeout", 1.0),
    ];
    grows(&stack, &before, "handshakes_total", &expected);
    grows(
        &stack,
        &before,
        "cancel_requests_total",
        &[("outcome=forwarded", 1.0)],
    );
    drop(tls);
    let opened = [("", 10.0)];
    grows(&stack, &before, "client_connections_opened_total", &opened);
    grows(&stack, &before, "client_connections_closed_total", &opened);
}

#[test]
fn logins_are_counted_by_how_they_ended() {
    let mut stack = Stack::start(StackOptions {
        client_tls: "allow",
        limits: "client_login_timeout = \"10s\"\nserver_connect_timeout = \"5s\"".into(),
        policy: fixture::POLICY
            .replace("zone = \"acme\"", "zone = \"acme\"\nmax_connections = 1")
            .replace(
                "databases = [\"app\"]",
                "databases = [\"app\", \"missing\"]",
            )
            .replace(
                "zone = \"globex\"",
                "zone = \"globex\"\nserver_role = \"nobody_keyed\"",
            ),
        ..StackOptions::default()
    });
    let before = scrape(&stack);
    let try_login = |login: &Login| Wire::try_login(login, Transport::Plain, &[]);
    let login = |user, database| stack.login(user, database);
    let plain = login("shop_plain", "app");
    let mut wire = try_login(&plain).unwrap_or_else(|error| panic!("{error:?}"));
    for (user, password) in [("nobody", "x"), ("shop_plain", "wrong")] {
        let wrong = Login {
            user: user.into(),
            password: password.into(),
            ..plain.clone()
        };
        assert!(try_login(&wrong).is_err());
    }
    let acme = try_login(&login("shop_acme", "shop")).unwrap_or_else(|error| panic!("{error:?}"));
    let one_too_many = login("shop_acme", "shop");
    let refused = [
        one_too_many,
        login("shop_plain", "shop"),
        login("shop_plain", "missing"),
        login("shop_globex", "shop"),
        login("migrator", "app"),
    ];
    for login in refused {
        assert!(try_login(&login).is_err(), "{}", login.user);
    }
    let begin = || {
        let mut wire = Wire::open(stack.port);
        let parameters = [("user", "shop_plain"), ("database", "app")];
        wire.send(&message::startup((3, 0), &parameters));
        wire.receive().expect("an offer");
        wire
    };
    drop(begin());
    let expected = [
        ("outcome=ok", 2.0),
        ("outcome=unknown-login", 1.0),
        ("outcome=wrong-password", 1.0),
        ("outcome=limit-reached", 1.0),
        ("outcome=not-granted", 1.0),
        ("outcome=server-refused", 1.0),
        ("outcome=no-server-key", 1.0),
        ("outcome=migration-closed", 1.0),
        ("outcome=protocol", 1.0),
    ];
    grows(&stack, &before, "logins_total", &expected);
    drop(acme);

    let before = scrape(&stack);
    begin().receive_to_end();
    stack.direct("postgres", "ALTER ROLE shop_acme PASSWORD 'another'");
    let verifier = "SELECT rolpassword FROM pg_authid WHERE rolname = 'shop_acme'";
    let verifier = stack.direct("postgres", verifier);
    let line = format!("\"shop_acme\" \"{}\"\n", verifier.trim());
    let others = stack.userlist.lines();
    let others = others.filter(|line| !line.starts_with("\"shop_acme\""));
    let userlist: String = others.map(|line| format!("{line}\n")).collect();
    support::files::write_secret(&stack.file("userlist.txt"), &(userlist + &line));
    let other = Login {
        password: "another".into(),
        ..stack.login("shop_acme", "shop")
    };
    wait_until("the verifier differs from PgBouncer's", || {
        try_login(&other).is_err_and(|error| error.sqlstate() == "28000")
    });
    let mut seen = BTreeMap::new();
    wait_until("the timeout and the mismatch are counted", || {
        seen = grown(&before, &scrape(&stack), "logins_total");
        seen.contains_key("outcome=timeout") && seen.contains_key("outcome=verifier-mismatch")
    });
    assert_eq!(seen["outcome=timeout"], 1.0);

    let before = scrape(&stack);
    fine(&wire.query("BEGIN"));
    stack.transaction.signal(Signal::STOP);
    assert!(try_login(&plain).is_err());
    grows(
        &stack,
        &before,
        "logins_total",
        &[("outcome=no-server", 1.0)],
    );
    grows(
        &stack,
        &before,
        "server_connections_failed_total",
        &[("", 1.0)],
    );
    stack.transaction.signal(Signal::CONT);
    stack.proxy.as_ref().expect("a proxy").signal(Signal::TERM);
    wait_until("it drains", || {
        try_login(&plain).is_err_and(|error| error.sqlstate() == "57P03")
    });
    wait_until("a login at a draining proxy is counted", || {
        grown(&before, &scrape(&stack), "logins_total").contains_key("outcome=not-ready")
    });
    fine(&wire.query("COMMIT"));
    let proxy = stack.proxy.as_mut().expect("a proxy");
    assert!(proxy.wait_for_end(Duration::from_secs(15)).is_some());
}

#[test]
fn what_is_asked_is_counted_and_how_long_it_was_held_up() {
    let stack = Stack::start(StackOptions::default());
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    fine(&wire.query("SELECT 1"));
    let before = scrape(&stack);
    for (sql, sqlstate) in [
        ("SELECT 1/0", "22012"),
        ("SELECT 1/0", "22012"),
        ("INSERT INTO orders (id) VALUES (1)", "23505"),
        ("SELECT nothing FROM orders", "42703"),
    ] {
        assert_eq!(failed(&wire.query(sql)).0, sqlstate);
    }
    assert_eq!(failed(&wire.query("CREATE TABLE made (id int)")).0, "42501");
    let by_class = [
        ("sqlstate_class=22", 2.0),
        ("sqlstate_class=23", 1.0),
        ("sqlstate_class=42", 1.0),
    ];
    grows(&stack, &before, "server_errors_total", &by_class);
    let statements = [
        ("class=read,verdict=allowed", 3.0),
        ("class=write,verdict=allowed", 1.0),
        ("class=ddl,verdict=refused", 1.0),
    ];
    grows(&stack, &before, "statements_total", &statements);
    let guards = [("guard=ddl-outside-migration", 1.0)];
    grows(&stack, &before, "refusals_total", &guards);
    grows(&stack, &before, "zone_injections_total", &[("", 4.0)]);

    // The server's time is not ours, and answers are no messages that were passed on.
    let before = scrape(&stack);
    assert_eq!(fine(&wire.query("SELECT pg_sleep(1)")), 'I');
    let rows = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)";
    assert_eq!(column(&wire.query(rows)).len(), 20_000);
    grows(&stack, &before, "added_latency_seconds_count", &[("", 2.0)]);
    let sum = grown(&before, &scrape(&stack), "added_latency_seconds_sum")[""];
    assert!(sum > 0.0 && sum < 0.5, "{sum} s were added");
    // What is described off the workers waits for that.
    let before = scrape(&stack);
    let long = format!("SELECT 1 IN ({}1)", "1, ".repeat(200_000));
    fine(&wire.query(&long));
    grows(&stack, &before, "added_latency_seconds_count", &[("", 1.0)]);
    let sum = grown(&before, &scrape(&stack), "added_latency_seconds_sum")[""];
    assert!(sum > 0.005, "a long text was described in {sum} s");
}

#[test]
fn a_handshake_counts_among_what_holds_a_worker() {
    let stack = Stack::start(StackOptions::default());
    let authority = stack.authority.certificate();
    let stall = || scrape(&stack)["worker_stall_seconds"];
    wait_until("nobody holds a worker", || stall() == 0.0);
    let wire = Wire::open_with(stack.port, Transport::SslRequest, authority);
    wait_until("the handshake is measured", || stall() > 0.0);
    drop(wire);
    assert!(scrape(&stack)["worker_stall_max_seconds"] > 0.0);
    // So does one that fails.
    wait_until("nobody holds a worker", || stall() == 0.0);
    let distrust =
        client_config(support::tls::Authority::new(stack.directory(), "other").certificate());
    let mut wire = Wire::open(stack.port);
    wire.send(&message::ssl_request());
    assert_eq!(wire.receive_byte(), Some(b'S'));
    assert!(wire.try_into_tls(&distrust).is_err());
    wait_until("the handshake is measured", || stall() > 0.0);
}

#[test]
fn migration_sessions_are_counted() {
    let stack = Stack::start(StackOptions::default());
    let series = |name: &str| scrape(&stack)[name];
    assert_eq!(series("migration_sessions"), 0.0);
    let first = migration::open(&stack, "app");
    let second = migration::open(&stack, "shop");
    becomes(&stack, "migration_sessions", 2.0);
    becomes(&stack, "migration_sessions_opened_total", 2.0);
    assert_eq!(series("migration_sessions_closed_total"), 0.0);
    migration::close(&stack, &first);
    becomes(&stack, "migration_sessions", 1.0);
    becomes(&stack, "migration_sessions_closed_total", 1.0);
    migration::close(&stack, &second);
    becomes(&stack, "migration_sessions", 0.0);
    becomes(&stack, "migration_sessions_closed_total", 2.0);
    assert_eq!(series("migration_sessions_opened_total"), 2.0);
}

#[test]
fn long_lived_connections_are_spread_evenly() {
    let mut stack = Stack::start(StackOptions::default());
    stack.reconfigure("workers = 2", "workers = 8");
    let login = stack.login("shop_plain", "app");
    let mut wires: Vec<Wire> = (0..24).map(|_| Wire::login(&login)).collect();
    becomes(&stack, "workers", 8.0);
    becomes(&stack, "client_connections", 24.0);
    becomes(&stack, "worker_client_connections_max", 3.0);
    // All of them at once, too.
    wires.clear();
    becomes(&stack, "client_connections", 0.0);
    let wires: Vec<Wire> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..24)
            .map(|_| scope.spawn(|| Wire::login(&login)))
            .collect();
        (threads
            .into_iter()
            .map(|thread| thread.join().expect("logged in")))
        .collect()
    });
    becomes(&stack, "client_connections", 24.0);
    becomes(&stack, "worker_client_connections_max", 3.0);
    drop(wires);
}

#[test]
fn who_is_turned_away_is_counted_by_why() {
    let mut stack = Stack::start(StackOptions::default());
    stack.reconfigure("workers = 2", "workers = 2\nmax_client_conn = 3");
    let login = stack.login("shop_plain", "app");
    let wires: Vec<Wire> = (0..3).map(|_| Wire::login(&login)).collect();
    let before = scrape(&stack);
    let refused = Wire::try_login(&login, Transport::SslRequest, &[]).err();
    assert_eq!(refused.expect("one too many").sqlstate(), "53300");
    let family = "client_connections_rejected_total";
    grows(&stack, &before, family, &[("reason=max-client-conn", 1.0)]);
    drop(wires);
    becomes(&stack, "client_connections", 0.0);
    // 1000 sockets that have not logged in are always allowed.
    open_many_files();
    let before = scrape(&stack);
    let silent: Vec<Wire> = (0..1003).map(|_| Wire::open(stack.port)).collect();
    grows(&stack, &before, family, &[("reason=arriving", 3.0)]);
    drop(silent);
    becomes(&stack, "client_connections", 0.0);
    Wire::login(&login);
}

#[test]
fn clients_are_counted_by_route() {
    let stack = Stack::start(StackOptions::default());
    let series = |route: &str| format!("route_client_connections{{route=\"{route}\"}}");
    let plain = stack.login("shop_plain", "app");
    let first = Wire::login(&plain);
    let second = Wire::login(&plain);
    becomes(&stack, &series("transaction"), 2.0);
    let migrator = migration::open(&stack, "app");
    let third = Wire::login(&migrator);
    becomes(&stack, &series("session"), 1.0);
    // Who is not let in is on none.
    let mut stranger = plain.clone();
    stranger.password = "wrong".into();
    assert!(Wire::try_login(&stranger, Transport::SslRequest, &[]).is_err());
    drop(first);
    becomes(&stack, &series("transaction"), 1.0);
    drop((second, third));
    becomes(&stack, &series("transaction"), 0.0);
    becomes(&stack, &series("session"), 0.0);
    let now = scrape(&stack);
    let count = |family: &str, route: &str| {
        now[&format!("route_client_connections_{family}_total{{route=\"{route}\"}}")]
    };
    assert_eq!(count("opened", "transaction"), 2.0);
    assert_eq!(count("closed", "transaction"), 2.0);
    assert_eq!(count("opened", "session"), 1.0);
    assert_eq!(count("opened", "replication"), 0.0);
}
