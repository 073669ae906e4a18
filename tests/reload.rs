//! Policy, users and certificates are read again while running: as a whole or not at all, and what a
//! connection was admitted with never changes under it.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use support::files::write_secret;
use support::fixture::POLICY;
use support::message::{self, Message, column, copy_data, copy_done, error, failed, fine, kinds};
use support::migration::{finished, portcullis};
use support::process::wait_until;
use support::tls::Authority;
use support::{Stack, StackOptions, Transport, Wire};

const DO: &str = "DO $$ BEGIN NULL; END $$";

fn start(limits: &str) -> Stack {
    Stack::start(StackOptions {
        limits: limits.into(),
        ..StackOptions::default()
    })
}

/// The fixture's policy, one piece of it replaced.
#[track_caller]
fn policy_with(old: &str, new: &str) -> String {
    assert!(POLICY.contains(old), "{old}");
    POLICY.replacen(old, new, 1)
}

fn without_login(name: &str) -> String {
    policy_with(&format!("[login.{name}]"), "[login.somebody_else]")
}

/// Procedural code passes.
fn lenient() -> String {
    format!("{POLICY}\n[guards]\nprocedural = \"off\"\n")
}

/// Writes the policy and tells Portcullis on its console.
#[track_caller]
fn load(stack: &Stack, policy: &str) {
    write_secret(&stack.file("policy.toml"), policy);
    finished(portcullis(stack, &["console", "RELOAD"])).ok();
}

#[track_caller]
fn metric(stack: &Stack, series: &str) -> f64 {
    let (_, text) = stack.http_get("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let value = line.and_then(|value| value.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

/// The client is told once why it is let go.
#[track_caller]
fn let_go(messages: &[Message], why: &str) {
    let last = messages.last().expect("last words");
    assert_eq!(last.kind, b'E', "{}", kinds(messages));
    assert_eq!(last.sqlstate(), "57P01", "{last:?}");
    assert_eq!(last.field(b'S').as_deref(), Some("FATAL"));
    let detail = last.field(b'D').expect("a detail");
    assert!(
        detail.contains(why) && detail.contains("policy "),
        "{detail}"
    );
}

#[test]
fn every_open_connection_is_judged_by_the_new_policy_from_its_next_statement() {
    let stack = start("");
    let login = stack.login("shop_plain", "app");
    // On both workers.
    let mut wires: Vec<Wire> = (0..4).map(|_| Wire::login(&login)).collect();
    for wire in &mut wires {
        let answer = wire.query(DO);
        assert_eq!(failed(&answer), ("42501".into(), 'I'));
        let detail = error(&answer).and_then(|error| error.field(b'D'));
        let detail = detail.expect("a detail");
        assert!(detail.contains(", policy 1-"), "{detail}");
    }
    load(&stack, &lenient());
    for wire in &mut wires {
        fine(&wire.query(DO));
        assert_eq!(fine(&wire.query("BEGIN")), 'T');
        fine(&wire.query(DO));
        fine(&wire.batch(&message::parse("kept", DO)));
    }
    load(&stack, POLICY);
    for wire in &mut wires {
        // What was allowed when it was prepared is judged again.
        let bound = [message::bind("", "kept", &[]), message::execute("", 0)].concat();
        let answer = wire.batch(&bound);
        assert_eq!(failed(&answer), ("42501".into(), 'E'));
        let detail = error(&answer).and_then(|error| error.field(b'D'));
        assert!(detail.expect("a detail").contains(", policy 3-"));
        fine(&wire.query("ROLLBACK"));
        assert_eq!(failed(&wire.query(DO)), ("42501".into(), 'I'));
        assert_eq!(column(&wire.query("SELECT 'served'")), ["served"]);
    }
    let log = stack.logged(&[
        "policy loaded",
        "guards added",
        "guards removed",
        "\"policy\":\"2-",
        "\"before\":\"1-",
    ]);
    let mut refused = log.lines().filter(|line| line.contains("\"refused\""));
    assert!(
        refused
            .next_back()
            .expect("a refusal")
            .contains("\"policy\":\"3-")
    );
    assert_eq!(metric(&stack, "portcullis_policy_version "), 3.0);
    let (_, text) = stack.http_get("/metrics");
    let versions = text.matches("portcullis_policy_info{version=\"").count();
    assert_eq!(versions, 1, "{text}");
    assert!(
        text.contains("portcullis_policy_info{version=\"3-"),
        "{text}"
    );
    assert_eq!(
        metric(&stack, "portcullis_client_connections_let_go_total "),
        0.0
    );
}

#[test]
fn an_invalid_policy_changes_nothing_and_every_problem_is_told() {
    let stack = start("");
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    let invalid = policy_with("kind = \"service\"", "kind = \"servant\"")
        + "[guards]\nprocedural = \"off\"\nunheard-of = \"off\"\n";
    // Valid, but not with this configuration: whoever maps a role needs its key.
    let unfit = policy_with(
        "[login.shop_plain]",
        "[login.shop_plain]\nmax_connection = 3",
    );
    for (number, policy) in [(1.0, &invalid), (2.0, &unfit)] {
        write_secret(&stack.file("policy.toml"), policy);
        let told =
            finished(portcullis(&stack, &["console", "RELOAD"])).refused("nothing was reloaded");
        assert!(told.contains("policy.toml:"), "{told}");
        let failures = "portcullis_reloads_total{files=\"policy\",outcome=\"failed\"} ";
        assert!(metric(&stack, failures) >= number);
        assert_eq!(failed(&wire.query(DO)).0, "42501");
        fine(&wire.query("SELECT 1"));
        fine(&Wire::login(&stack.login("shop_plain", "app")).query("SELECT 1"));
    }
    let log = stack.logged(&[
        "servant",
        "unheard-of",
        "max_connection",
        "nothing was reloaded",
    ]);
    assert!(log.contains("\"line\":"), "{log}");
    assert_eq!(metric(&stack, "portcullis_policy_version "), 1.0);
    // Mended, it is taken.
    load(&stack, &lenient());
    fine(&wire.query(DO));
}

#[test]
fn sighup_and_a_look_at_the_file_do_the_same() {
    let stack = start("");
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    write_secret(&stack.file("policy.toml"), &lenient());
    wait_until("the changed file is in force", || {
        metric(&stack, "portcullis_policy_version ") == 2.0
    });
    fine(&wire.query(DO));
    write_secret(&stack.file("policy.toml"), POLICY);
    stack.proxy.as_ref().expect("a proxy").signal(Signal::HUP);
    wait_until("SIGHUP is heeded", || {
        metric(&stack, "portcullis_policy_version ") == 3.0
    });
    assert_eq!(failed(&wire.query(DO)).0, "42501");
    // Read again, it is still the same policy: nothing to tell.
    finished(portcullis(&stack, &["console", "RELOAD"])).ok();
    assert_eq!(metric(&stack, "portcullis_policy_version "), 3.0);
    // The configuration is not read while running, and whoever expects it is told.
    assert!(!stack.proxy_log().contains("the configuration has changed"));
    let config = stack.file("portcullis.toml");
    let text = std::fs::read_to_string(&config).expect("read the configuration");
    let changed = text.replace("[limits]", "[limits]\nmax_cancels = 7");
    write_secret(&config, &changed);
    finished(portcullis(&stack, &["console", "RELOAD"])).ok();
    stack.logged(&["the configuration has changed"]);
    // A file that is spoilt is told of once, not at every look.
    write_secret(&stack.file("policy.toml"), "schema = 2");
    stack.logged(&["nothing was reloaded"]);
    let failures = "portcullis_reloads_total{files=\"policy\",outcome=\"failed\"} ";
    let looked = metric(&stack, failures);
    // Two looks at least, at all files: a change of another one is taken at the second.
    let users = "portcullis_reloads_total{files=\"users\",outcome=\"ok\"} ";
    let before = metric(&stack, users);
    write_secret(
        &stack.file("userlist.txt"),
        &(stack.userlist.clone() + "\n"),
    );
    wait_until("the users are read again", || {
        metric(&stack, users) > before
    });
    assert_eq!(metric(&stack, failures), looked);
}

#[test]
fn whoever_was_admitted_with_something_else_is_let_go() {
    let stack = Stack::start(StackOptions {
        keys: vec!["migrator", "shop_globex"],
        ..StackOptions::default()
    });
    let acme = "[login.shop_acme]\nkind = \"service\"\ndatabases = [\"shop\"]\nzone = \"acme\"\n";
    let changes = [
        (without_login("shop_acme"), "no longer in the policy"),
        (
            policy_with(acme, &acme.replace("[\"shop\"]", "[\"app\"]")),
            "no longer grants database \"shop\"",
        ),
        (
            policy_with(acme, &acme.replace("\"acme\"", "\"globex\"")),
            "another tenant",
        ),
        (
            policy_with(acme, &acme.replace("zone = \"acme\"\n", "")),
            "another tenant",
        ),
        (
            policy_with(acme, &format!("{acme}route = \"session\"\n")),
            "another route",
        ),
        (
            policy_with(acme, &format!("{acme}server_role = \"shop_globex\"\n")),
            "another server_role",
        ),
        (
            policy_with(acme, &acme.replace("\"service\"", "\"human\"")),
            "another kind",
        ),
    ];
    let login = stack.login("shop_acme", "shop");
    let mut others = Wire::login(&stack.login("shop_plain", "app"));
    let mut count = 0.0;
    for (policy, why) in &changes {
        load(&stack, POLICY);
        let mut idle = Wire::login(&login);
        let mut running = Wire::login(&login);
        let mut open = Wire::login(&login);
        fine(&idle.query("INSERT INTO orders (note) VALUES ('before')"));
        fine(&open.query("BEGIN"));
        fine(&open.query("INSERT INTO orders (note) VALUES ('open')"));
        running.send(&message::query(
            "INSERT INTO orders (note) SELECT 'running' FROM pg_sleep(2)",
        ));
        let asleep = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%''running''%'
                      AND state = 'active' AND pid <> pg_backend_pid()";
        wait_until("it runs", || stack.direct("shop", asleep) == "t\n");
        load(&stack, policy);
        // Nobody needs to say anything; what is open is rolled back.
        let_go(&idle.receive_to_end(), why);
        let_go(&open.receive_to_end(), why);
        // What runs is answered first.
        let answer = running.receive_to_end();
        assert_eq!(kinds(&answer), "CZE", "{answer:?}");
        let_go(&answer, why);
        let notes = "SELECT string_agg(note || ' ' || tenant_id, ',' ORDER BY note) FROM orders
                     WHERE note IN ('before', 'open', 'running')";
        assert_eq!(
            stack.direct("shop", notes),
            "before acme,running acme\n",
            "{why}"
        );
        let mine = "DELETE FROM orders WHERE note IN ('before', 'running')";
        stack.direct("shop", mine);
        fine(&others.query("SELECT 1"));
        count += 3.0;
        assert_eq!(
            metric(&stack, "portcullis_client_connections_let_go_total "),
            count
        );
        stack.logged(&["let go after a reload", &why.replace('"', "\\\"")]);
    }
    // In the other tenant after a new login.
    load(&stack, &changes[2].0);
    let mut wire = Wire::login(&login);
    let seen = wire.query("SELECT DISTINCT tenant_id FROM orders");
    assert_eq!(column(&seen), ["globex"]);
}

/// Statements that arrive behind the reload do not run, be they in the same batch as some before.
#[test]
fn what_is_in_flight_is_answered_and_nothing_begins_behind_it() {
    let stack = start("");
    let login = stack.login("shop_plain", "app");
    let insert = |body: &str| format!("INSERT INTO notes (body) VALUES ('{body}')");
    let written = || {
        stack.direct(
            "app",
            "SELECT string_agg(body, ',' ORDER BY body) FROM notes",
        )
    };
    let gone = without_login("shop_plain");

    let mut copying = Wire::login(&login);
    copying.send(&message::query("COPY notes (body) FROM STDIN"));
    copying.receive_until(b'G');
    copying.send(&copy_data(b"first\n"));
    let mut synced_late = Wire::login(&login);
    synced_late.send(&message::extended(&insert("synced late"), &[]));
    let mut never_synced = Wire::login(&login);
    never_synced.send(&message::extended(&insert("never synced"), &[]));
    let batches = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO notes%'";
    wait_until("both inserts have arrived", || {
        stack.direct("app", batches) == "2\n"
    });
    load(&stack, &gone);

    let behind = [
        copy_data(b"second\n"),
        copy_done(),
        message::query(&insert("behind")),
    ];
    copying.send(&behind.concat());
    let answer = copying.receive_to_end();
    assert_eq!(kinds(&answer), "CZE", "{answer:?}");
    let_go(&answer, "no longer in the policy");

    synced_late.send(&[message::sync(), message::query(&insert("behind"))].concat());
    let answer = synced_late.receive_to_end();
    assert_eq!(kinds(&answer), "12CZE", "{answer:?}");
    let_go(&answer, "no longer in the policy");

    never_synced.send(&message::extended(&insert("behind"), &[]));
    let answer = never_synced.receive_to_end();
    assert_eq!(kinds(&answer), "12CE", "{answer:?}");
    let_go(&answer, "no longer in the policy");

    assert_eq!(written(), "first,second,synced late\n");
}

#[test]
fn what_runs_may_take_drain_timeout() {
    let stack = start("drain_timeout = \"1s\"");
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    wire.send(&message::query("SELECT pg_sleep(60)"));
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'
                  AND state = 'active' AND pid <> pg_backend_pid()";
    wait_until("it runs", || stack.direct("app", asleep) == "1\n");
    load(&stack, &without_login("shop_plain"));
    let_go(&wire.receive_to_end(), "no longer in the policy");
    wait_until("it was cancelled", || stack.direct("app", asleep) == "0\n");
}

#[test]
fn who_is_taken_out_of_the_userlist_is_let_go_and_half_a_file_is_none() {
    let stack = start("");
    let mut plain = Wire::login(&stack.login("shop_plain", "app"));
    let mut acme = Wire::login(&stack.login("shop_acme", "shop"));
    let file = stack.file("userlist.txt");
    // As it looks while it is being written.
    let middle = stack.userlist.find("shop_plain").expect("a line") + 30;
    write_secret(&file, &stack.userlist[..middle]);
    let told = finished(portcullis(&stack, &["console", "RELOAD"])).refused("nothing was reloaded");
    assert!(told.contains("auth_file, line"), "{told}");
    for wire in [&mut plain, &mut acme] {
        fine(&wire.query("SELECT 1"));
    }
    let others = stack.userlist.lines();
    let others = others.filter(|line| !line.starts_with("\"shop_plain\""));
    let others: String = others.map(|line| format!("{line}\n")).collect();
    write_secret(&file, &others);
    // Without being told.
    let_go(&plain.receive_to_end(), "auth_file");
    fine(&acme.query("SELECT 1"));
}

#[test]
fn certificates_are_read_again_and_those_that_do_not_fit_are_not() {
    let stack = start("");
    let directory = stack.directory();
    let ca = stack.file("trusted.crt");
    std::fs::copy(stack.authority.certificate(), &ca).expect("copy the authority");
    let mut login = stack.login("shop_plain", "app");
    login.sslrootcert = ca;
    let shown = || {
        let wire = Wire::open_with(stack.port, Transport::SslRequest, &login.sslrootcert);
        wire.server_certificate().expect("a certificate")
    };
    let old = shown();
    let mut before = Wire::login(&login);
    let new = stack.authority.issue(directory, "next");
    let replace = |from: &std::path::Path, to: &str| {
        let text = std::fs::read_to_string(from).expect("read");
        write_secret(&stack.file(to), &text);
    };
    // The certificate without its key.
    replace(&new.certificate, "server.crt");
    finished(portcullis(&stack, &["console", "RELOAD"])).refused("nothing was reloaded");
    assert_eq!(shown(), old);
    fine(&Wire::login(&login).query("SELECT 1"));
    replace(&new.key, "server.key");
    finished(portcullis(&stack, &["console", "RELOAD"])).ok();
    assert_ne!(shown(), old);
    // Whoever was in stays in; psql binds the channel to the certificate that it is shown.
    fine(&before.query("SELECT 1"));
    assert_eq!(stack.psql(&login, "SELECT 1").ok(), "1\n");
    // Another authority behind: nobody is dialed that it has not signed.
    let other = Authority::new(directory, "other");
    let own = std::fs::read_to_string(&login.sslrootcert).expect("read");
    replace(other.certificate(), "ca.crt");
    finished(portcullis(&stack, &["console", "RELOAD"])).ok();
    let refused = Wire::try_login(&login, Transport::SslRequest, &[]).err();
    assert_eq!(refused.expect("not verified").sqlstate(), "08004");
    write_secret(&stack.file("ca.crt"), &own);
    finished(portcullis(&stack, &["console", "RELOAD"])).ok();
    fine(&Wire::login(&login).query("SELECT 1"));
}

/// Two rows in one transaction, in one of several forms; false: the connection ended meanwhile.
fn writes_two(wire: &mut Wire, note: &str, form: usize) -> bool {
    let insert = format!("INSERT INTO orders (note) VALUES ('{note}')");
    let simple = |sql: &str| message::query(sql);
    let extended = |sql: &str| message::extended(sql, &[]);
    let batches: Vec<Vec<u8>> = match form % 4 {
        0 => ["BEGIN", &insert, &insert, "COMMIT"].map(simple).to_vec(),
        1 => vec![simple(&format!("{insert}; {insert}"))],
        2 => vec![[extended(&insert), extended(&insert), message::sync()].concat()],
        _ => {
            let batch = |sql: &str| [extended(sql), message::sync()].concat();
            vec![["BEGIN", &insert, &insert, "COMMIT"].map(batch).concat()]
        }
    };
    for batch in batches {
        let answers = if form % 4 == 3 { 4 } else { 1 };
        if wire.try_send(&batch).is_err() {
            return false;
        }
        for _ in 0..answers {
            loop {
                match wire.receive() {
                    Some(message) if message.kind == b'Z' => break,
                    Some(message) if message.kind == b'E' => {
                        assert_eq!(message.sqlstate(), "57P01", "{message:?}");
                        return false;
                    }
                    Some(_) => {}
                    None => return false,
                }
            }
        }
    }
    true
}

/// Tells the other threads to end, also when this one panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The zone of a login changes again and again under load: each transaction is in one of them as a whole.
#[test]
fn under_load_no_transaction_is_half_in_each_zone() {
    let stack = start("");
    let login = stack.login("shop_acme", "shop");
    let steady = stack.login("shop_globex", "shop");
    let other_zone = policy_with("zone = \"acme\"", "zone = \"initech\"");
    let done = AtomicBool::new(false);
    let ended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (login, done, ended) = (&login, &done, &ended);
            scope.spawn(move || {
                let mut wire = Wire::login(login);
                for turn in 0.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    if !writes_two(&mut wire, &format!("load {client} {turn}"), turn) {
                        ended.fetch_add(1, Ordering::Relaxed);
                        wire = Wire::login(login);
                    }
                }
            });
        }
        // Whose login nobody touches is never disturbed.
        let done = &done;
        scope.spawn(move || {
            let mut wire = Wire::login(&steady);
            for turn in 0.. {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                assert!(writes_two(&mut wire, &format!("steady {turn}"), turn));
            }
        });
        let _stop = Stop(done);
        for flip in 0..20 {
            load(&stack, if flip % 2 == 0 { &other_zone } else { POLICY });
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(
        ended.load(Ordering::Relaxed) >= 20,
        "connections were let go"
    );
    let halves = "SELECT count(*) FROM (
                      SELECT FROM orders WHERE note LIKE 'load%' OR note LIKE 'steady%'
                      GROUP BY note HAVING count(*) <> 2 OR count(DISTINCT tenant_id) <> 1
                  ) halves";
    assert_eq!(stack.direct("shop", halves), "0\n");
    let zones = "SELECT string_agg(DISTINCT tenant_id, ',') FROM orders WHERE note LIKE 'load%'";
    assert_eq!(stack.direct("shop", zones), "acme,initech\n");
}
