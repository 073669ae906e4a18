//! Long statements, and statements that are slow to read: judged without holding anybody up.

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::message::{self, column, error, failed, fine};
use support::notes::plain;
use support::process::wait_until;
use support::shared::stack;
use support::{Stack, StackOptions, Transport, Wire};

/// `max_statement_bytes` of the stack: the default.
const LIMIT: usize = 1024 * 1024;

/// A SELECT of one row that is `length` bytes long.
fn select(length: usize) -> String {
    let shell = "SELECT length('')".len();
    format!("SELECT length('{}')", "x".repeat(length - shell))
}

#[test]
fn long_statements_pass_up_to_the_limit() {
    let stack = stack();
    let mut wire = plain(&stack);
    for length in [32 * 1024, 40 * 1024, 500_000, LIMIT] {
        let value = [(length - "SELECT length('')".len()).to_string()];
        let sql = select(length);
        assert_eq!(column(&wire.query(&sql)), value);
        let answer = wire.batch(&message::extended(&sql, &[]));
        assert_eq!(column(&answer), value);
        wire.send_in_pieces(&message::query(&sql), 7_001);
        assert_eq!(column(&wire.receive_until(b'Z')), value);
    }
    let values: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let list = values.join(", ");
    let sql = format!("SELECT count(*) FROM notes WHERE id IN ({list})");
    fine(&wire.query(&sql));
}

#[test]
fn one_byte_more_is_refused_and_the_connection_stays_in_step() {
    let stack = stack();
    let mut wire = plain(&stack);
    for length in [LIMIT + 1, 3 * LIMIT] {
        let sql = select(length);
        let parse = [
            message::parse("", &sql),
            message::bind("", "", &[]),
            message::execute("", 0),
        ];
        let extended = [parse.concat(), message::sync()].concat();
        for sent in [message::query(&sql), extended] {
            wire.send(&sent);
            let answer = wire.receive_until(b'Z');
            assert_eq!(failed(&answer), ("54000".into(), 'I'), "{length}");
            let error = error(&answer).expect("an error");
            assert_eq!(error.field(b'M').as_deref(), Some("statement is too long"));
            assert_eq!(error.field(b'R').as_deref(), Some("statement-bounds"));
            // In pieces, with the next statement right behind it.
            wire.send_in_pieces(&[sent, message::query("SELECT 'next'")].concat(), 100_003);
            assert_eq!(failed(&wire.receive_until(b'Z')).0, "54000");
            assert_eq!(column(&wire.receive_until(b'Z')), ["next"]);
        }
        fine(&wire.query("BEGIN"));
        assert_eq!(failed(&wire.query(&sql)), ("54000".into(), 'E'));
        fine(&wire.query("ROLLBACK"));
    }
}

#[test]
fn long_statements_are_judged_to_their_end() {
    let stack = stack();
    let mut wire = plain(&stack);
    for length in [40 * 1024, 500_000] {
        for sql in [
            format!("{}; CREATE TABLE made (id int)", select(length)),
            format!("/*{}*/ CREATE TABLE made (id int)", "x".repeat(length)),
            format!("CREATE TABLE made (id int); {}", select(length)),
        ] {
            assert_eq!(failed(&wire.query(&sql)), ("42501".into(), 'I'));
            let answer = wire.batch(&message::extended(&sql, &[]));
            assert_eq!(failed(&answer), ("42501".into(), 'I'));
        }
        fine(&wire.query(&format!("/*{}*/ SELECT 1", "-".repeat(length))));
    }
}

/// What makes PostgreSQL's own parser take seconds.
fn slow_inputs() -> Vec<String> {
    vec![
        format!("SELECT {}1{}", "/*".repeat(40_000), "*/".repeat(40_000)),
        format!("SELECT 1 {} 1", "+".repeat(400_000)),
        format!("SELECT 1{}", "+ +1".repeat(25_000)),
        format!("SELECT 1 {}", "/****/".repeat(52_000)),
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}", "-".repeat(500_000)),
        format!("SELECT 1 {}", "@/*x*/".repeat(50_000)),
    ]
}

#[test]
fn slow_texts_are_settled_at_once_and_nobody_waits_for_them() {
    let stack = stack();
    let done = AtomicBool::new(false);
    let (longest, stall) = std::thread::scope(|scope| {
        // How late the machine itself is: this thread asks nothing of Portcullis.
        let stall = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                std::thread::sleep(Duration::from_millis(5));
                longest = longest.max(start.elapsed());
            }
            longest
        });
        // More clients than workers: every worker has some.
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut wire = plain(&stack);
                    let mut longest = Duration::ZERO;
                    while !done.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        fine(&wire.query("SELECT 1"));
                        longest = longest.max(start.elapsed());
                    }
                    longest
                })
            })
            .collect();
        let slow: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut wire = plain(&stack);
                    for sql in slow_inputs() {
                        let start = Instant::now();
                        wire.query(&sql);
                        wire.batch(&message::extended(&sql, &[]));
                        let took = start.elapsed();
                        assert!(took < Duration::from_secs(10), "{took:?}: {}", &sql[..20]);
                    }
                })
            })
            .collect();
        let slow: Vec<_> = slow.into_iter().map(|thread| thread.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(slow.iter().all(Result::is_ok));
        let longest = waiting
            .into_iter()
            .map(|thread| thread.join().expect("a client"));
        (
            longest.max().unwrap_or_default(),
            stall.join().expect("a thread"),
        )
    });
    // libpg_query would take 2.5 to 21 s for these; what is left is this machine's other work, which
    // four processes between question and answer feel each.
    assert!(
        longest < Duration::from_secs(1) + 8 * stall,
        "{longest:?} on a machine that stalls for {stall:?}"
    );
}

/// Many texts in one write take their turns with everybody else's on the same worker.
#[test]
fn who_sends_many_texts_at_once_keeps_nobody_waiting_for_all_of_them() {
    const TEXTS: usize = 200;
    let stack = Stack::start(StackOptions {
        client_tls: "allow",
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let text = format!("{}DROP TABLE notes", "TABLE t;".repeat(3500));
    let mut many = Wire::login_with(&login, Transport::Plain, &[]);
    let mut sending = many.tcp().try_clone().expect("a socket");
    // One of them at least is on the same worker.
    let mut others: Vec<Wire> = (0..4).map(|_| plain(&stack)).collect();
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Each is another, or the description of the first would do for all.
        let texts = (0..TEXTS).flat_map(|number| message::query(&format!("{text} --{number}")));
        let texts: Vec<u8> = texts.collect();
        scope.spawn(move || sending.write_all(&texts).expect("sent"));
        scope.spawn(|| {
            for _ in 0..TEXTS {
                assert_eq!(failed(&many.receive_until(b'Z')).0, "42501");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        let done = || answered.load(Ordering::Relaxed);
        wait_until("it has begun", || done() > 0);
        let begun = done();
        for other in &mut others {
            assert_eq!(failed(&other.query("DROP TABLE notes")).0, "42501");
        }
        let between = done() - begun;
        assert!(between < TEXTS / 4, "{between} of {TEXTS}");
    });
}

/// 256 MB of statements that have not arrived whole, of all connections together.
#[test]
fn what_all_connections_hold_is_bounded() {
    let stack = Stack::start(StackOptions {
        limits: "max_statement_bytes = \"64MB\"".into(),
        client_tls: "allow",
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let half_sent = || {
        let mut wire = Wire::login_with(&login, Transport::Plain, &[]);
        let text = message::query(&select(60 << 20));
        // Where it is refused, the proxy has closed before everything is sent.
        let _ = wire.try_send(&text[..text.len() - 1]);
        wire
    };
    let mut held: Vec<Wire> = (0..4).map(|_| half_sent()).collect();
    let refused = half_sent().receive_to_end();
    let error = error(&refused).expect("the proxy says why");
    assert_eq!(error.sqlstate(), "53200");
    // Statements that are not long pass, and so does a long one when another is through.
    fine(&plain(&stack).query("SELECT 1"));
    let mut first = held.remove(0);
    first.send(b"\0");
    assert_eq!(column(&first.receive_until(b'Z')).len(), 1);
    let mut next = half_sent();
    next.send(b"\0");
    assert_eq!(column(&next.receive_until(b'Z')).len(), 1);
}
