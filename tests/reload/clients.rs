//! What a reload means for those who are connected.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::fixture::{DO, POLICY, lenient};
use crate::support::message::{self, column, copy_data, copy_done, error, failed, fine, kinds};
use crate::support::process::wait_until;
use crate::support::{Stack, StackOptions, Wire};
use crate::{let_go, policy_with, start, without_login};

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
    stack.load(&lenient());
    for wire in &mut wires {
        fine(&wire.query(DO));
        assert_eq!(fine(&wire.query("BEGIN")), 'T');
        fine(&wire.query(DO));
        fine(&wire.batch(&message::parse("kept", DO)));
    }
    stack.load(POLICY);
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
    assert_eq!(stack.metric("portcullis_policy_version"), 3.0);
    let (_, text) = stack.http_get("/metrics");
    let versions = text.matches("portcullis_policy_info{version=\"").count();
    assert_eq!(versions, 1, "{text}");
    assert!(
        text.contains("portcullis_policy_info{version=\"3-"),
        "{text}"
    );
    assert_eq!(
        stack.metric("portcullis_client_connections_let_go_total"),
        0.0
    );
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
        stack.load(POLICY);
        let mut idle = Wire::login(&login);
        let mut running = Wire::login(&login);
        let mut open = Wire::login(&login);
        fine(&idle.query("INSERT INTO orders (note) VALUES ('before')"));
        fine(&open.query("BEGIN"));
        fine(&open.query("INSERT INTO orders (note) VALUES ('open')"));
        running.send(&message::query(
            "INSERT INTO orders (note) SELECT 'running' FROM pg_sleep(5)",
        ));
        let asleep = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%''running''%'
                      AND state = 'active' AND pid <> pg_backend_pid()";
        wait_until("it runs", || stack.direct("shop", asleep) == "t\n");
        stack.load(policy);
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
            stack.metric("portcullis_client_connections_let_go_total"),
            count
        );
        stack.logged(&["let go after a reload", &why.replace('"', "\\\"")]);
    }
    // In the other tenant after a new login.
    stack.load(&changes[2].0);
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
    stack.load(&gone);

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
    stack.load(&without_login("shop_plain"));
    let_go(&wire.receive_to_end(), "no longer in the policy");
    wait_until("it was cancelled", || stack.direct("app", asleep) == "0\n");
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
    let (ended, written) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (login, done, ended, written) = (&login, &done, &ended, &written);
            scope.spawn(move || {
                let mut wire = Wire::login(login);
                for turn in 0.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    if writes_two(&mut wire, &format!("load {client} {turn}"), turn) {
                        written.fetch_add(1, Ordering::Relaxed);
                    } else {
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
        wait_until("all are there", || written.load(Ordering::Relaxed) > 40);
        for flip in 0..20 {
            let before = ended.load(Ordering::Relaxed);
            stack.load(if flip % 2 == 0 { &other_zone } else { POLICY });
            wait_until("connections are let go", || {
                ended.load(Ordering::Relaxed) > before
            });
            let begun = written.load(Ordering::Relaxed);
            wait_until("they write in the other zone", || {
                written.load(Ordering::Relaxed) > begun + 8
            });
        }
    });
    let halves = "SELECT count(*) FROM (
                      SELECT FROM orders WHERE note LIKE 'load%' OR note LIKE 'steady%'
                      GROUP BY note HAVING count(*) <> 2 OR count(DISTINCT tenant_id) <> 1
                  ) halves";
    assert_eq!(stack.direct("shop", halves), "0\n");
    let zones = "SELECT string_agg(DISTINCT tenant_id, ',') FROM orders WHERE note LIKE 'load%'";
    assert_eq!(stack.direct("shop", zones), "acme,initech\n");
}
