//! Large results and large COPYs pass in bounded memory, whoever is slow.
//!
//! A whole GB each of a result, of COPY out and of COPY in, without TLS and with it on both legs, where one read
//! is 64 KB: whatever is not passed on at once shows. Each goes at full speed and stands still twice in between.

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use support::message::{self, column, fine};
use support::process::wait_until;
use support::{Shared, Stack, StackOptions, Transport, Wire};

const MB: u64 = 1024 * 1024;
const GB: u64 = 1024 * MB;
/// What the proxy may grow by: sockets' backlogs and one read of each connection.
const GROWTH: u64 = 24 * MB;

/// What may be on the way when nobody takes it, of a GB: a socket of Linux keeps up to 36 MB by its defaults, and
/// there are three on the way to the server. None of it is the proxy's memory.
const IN_SOCKETS: u64 = 128 * MB;

fn stack() -> Arc<Stack> {
    static STACK: Shared = Shared::new();
    STACK.get(|| StackOptions {
        client_tls: "allow",
        ..StackOptions::default()
    })
}

/// A test with the proxy for itself: what it grows by is of nobody else. The peak is counted anew.
fn alone(stack: &Stack) -> (MutexGuard<'static, ()>, u64) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    wait_until("the others are gone", || {
        scraped(stack, "client_connections") == 0
    });
    let pid = stack.proxy.as_ref().expect("a proxy").pid();
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("reset the peak");
    let before = stack.memory("VmRSS");
    let peak = stack.memory("VmHWM");
    assert!(
        peak < before + MB,
        "the peak is one of the past: {} MB",
        peak / MB
    );
    (alone, before)
}

/// A figure of /metrics.
fn scraped(stack: &Stack, series: &str) -> u64 {
    support::proxy::metric(stack.http_port, &format!("portcullis_{series}"))
}

fn connect(stack: &Stack, transport: Transport) -> Wire {
    Wire::login_with(&stack.login("shop_plain", "app"), transport, &[])
}

/// By how much `carried` has grown from `begun` on when it stands still: for a second it has not moved.
fn stands_still(begun: u64, carried: impl Fn() -> u64) -> u64 {
    let mut seen = (begun, Instant::now());
    wait_until("nothing moves any more", || {
        let now = carried();
        if now != seen.0 {
            seen = (now, Instant::now());
        }
        now > begun && seen.1.elapsed() > Duration::from_secs(1)
    });
    seen.0 - begun
}

/// Reads this many rows; their bytes.
fn receive_rows(wire: &mut Wire, rows: u64) -> u64 {
    let (mut bytes, mut counted) = (0, 0);
    while counted < rows {
        let message = wire.receive().expect("an answer");
        counted += u64::from(matches!(message.kind, b'D' | b'd'));
        bytes += message.body.len() as u64;
    }
    bytes
}

/// Reads rows up to ReadyForQuery; bytes and rows.
fn drain(wire: &mut Wire) -> (u64, u64) {
    let (mut bytes, mut rows) = (0, 0);
    loop {
        let message = wire.receive().expect("an answer");
        match message.kind {
            b'D' | b'd' => rows += 1,
            b'E' => panic!("{message:?}"),
            b'Z' => return (bytes, rows),
            _ => {}
        }
        bytes += message.body.len() as u64;
    }
}

#[test]
fn a_large_result_or_copy_waits_for_a_slow_reader() {
    let stack = stack();
    let rows = 107_500;
    let select = format!("SELECT repeat('x', 10000) FROM generate_series(1, {rows})");
    let copy = format!("COPY ({select}) TO STDOUT");
    for transport in [Transport::Plain, Transport::SslRequest] {
        for sql in [&select, &copy] {
            let (_alone, before) = alone(&stack);
            let carried = || scraped(&stack, "forwarded_bytes_total{direction=\"to-client\"}");
            let mut wire = connect(&stack, transport);
            let begun = carried();
            wire.send(&message::query(sql));
            let stood = stands_still(begun, carried);
            assert!(stood < IN_SOCKETS, "{} MB are on the way", stood / MB);
            // Others are served meanwhile.
            let mut other = connect(&stack, transport);
            assert_eq!(column(&other.query("SELECT 1")), ["1"]);
            // The reader stops once more on its way.
            let half = receive_rows(&mut wire, rows / 2);
            let stood = stands_still(begun + half, carried);
            assert!(stood < IN_SOCKETS, "{} MB are on the way", stood / MB);
            let (bytes, counted) = drain(&mut wire);
            assert_eq!(counted, rows - rows / 2);
            assert!(half + bytes > GB, "{half} and {bytes}");
            let peak = stack.memory("VmHWM");
            assert!(peak < before + GROWTH, "{} MB", (peak - before) / MB);
            assert_eq!(column(&wire.query("SELECT 'in step'")), ["in step"]);
        }
    }
}

#[test]
fn one_row_larger_than_every_buffer_passes() {
    let stack = stack();
    let (_alone, before) = alone(&stack);
    let mut wire = connect(&stack, Transport::SslRequest);
    let answer = wire.query("SELECT repeat('x', 60000000)");
    assert_eq!(column(&answer)[0].len(), 60_000_000);
    // The same as a bound value: only its statement's text counts for max_statement_bytes.
    let value = "y".repeat(40_000_000);
    let batch = message::extended("SELECT length($1)", &[Some(&value)]);
    wire.tcp()
        .set_write_timeout(Some(Duration::from_secs(60)))
        .expect("set a write deadline");
    assert_eq!(column(&wire.batch(&batch)), ["40000000"]);
    let peak = stack.memory("VmHWM");
    assert!(peak < before + GROWTH, "{} MB", (peak - before) / MB);
}

/// Reads and throws away every row; at a row that is a number it waits for the lock of that number.
const SLOW_COPY: &str = "COPY notes (body) FROM STDIN WHERE
    CASE WHEN body IN ('1', '2') THEN pg_advisory_xact_lock(body::int) IS NULL ELSE false END";

/// A client whose transaction has the lock of this number.
fn holder(stack: &Stack, number: u8) -> Wire {
    let mut holder = connect(stack, Transport::Plain);
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({number})");
    assert_eq!(fine(&holder.query(&lock)), 'T');
    holder
}

#[test]
fn a_large_copy_waits_for_a_slow_server() {
    let stack = stack();
    for transport in [Transport::Plain, Transport::SslRequest] {
        let (_alone, before) = alone(&stack);
        let mut holders = [1, 2].map(|number| holder(&stack, number));
        let mut wire = connect(&stack, transport);
        wire.send(&message::query(SLOW_COPY));
        wire.receive_until(b'G');
        let written = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&written);
        let writer = std::thread::spawn(move || {
            write_copy(&mut wire, &counted);
            wire
        });
        // Each time until the server takes no more of it.
        let mut begun = 0;
        for holder in &mut holders {
            let stood = stands_still(begun, || written.load(Ordering::Relaxed));
            assert!(stood < IN_SOCKETS, "{} MB are on the way", stood / MB);
            let mut other = connect(&stack, transport);
            assert_eq!(column(&other.query("SELECT 1")), ["1"]);
            assert_eq!(fine(&holder.query("COMMIT")), 'I');
            begun = GB / 2;
        }
        let mut wire = writer.join().expect("everything is written");
        let answer = wire.receive_until(b'Z');
        assert_eq!(fine(&answer), 'I');
        assert_eq!(answer[0].tag(), "COPY 0");
        let peak = stack.memory("VmHWM");
        assert!(peak < before + GROWTH, "{} MB", (peak - before) / MB);
    }
}

/// A GB of rows of 100 bytes, each in a message of its own, and how many bytes of them are written. The
/// server waits at the first and in the middle.
fn write_copy(wire: &mut Wire, written: &AtomicU64) {
    let row = [vec![b'x'; 99], vec![b'\n']].concat();
    let chunk = message::copy_data(&row).repeat(10_000);
    for wait in ["1\n", "2\n"] {
        wire.send(&message::copy_data(wait.as_bytes()));
        let half = written.load(Ordering::Relaxed) + GB / 2;
        while written.load(Ordering::Relaxed) < half {
            wire.send(&chunk);
            written.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
    }
    wire.send(&message::copy_done());
}

#[test]
fn both_directions_are_loaded_at_once() {
    let stack = stack();
    for (user, database) in [("shop_plain", "app"), ("shop_acme", "shop")] {
        let (_alone, before) = alone(&stack);
        let login = stack.login(user, database);
        let mut wire = Wire::login_with(&login, Transport::Plain, &[]);
        // 100 MB there, 200 MB back.
        let count = 10_000;
        let padding = "x".repeat(10_000);
        let batch = message::extended("SELECT $1 || $1", &[Some(&padding)]);
        let batch = [batch, message::sync()].concat();
        let mut writing = wire.tcp().try_clone().expect("a second handle");
        let writer =
            std::thread::spawn(move || (0..count).try_for_each(|_| writing.write_all(&batch)));
        for number in 0..count {
            // A slow reader: everything in between fills up, in both directions.
            if number % 1_000 == 0 {
                std::thread::sleep(Duration::from_millis(200));
            }
            let (bytes, rows) = drain(&mut wire);
            assert_eq!(rows, 1);
            assert!(bytes > 20_000);
        }
        writer
            .join()
            .expect("a writer")
            .expect("everything is sent");
        let peak = stack.memory("VmHWM");
        assert!(peak < before + GROWTH, "{} MB", (peak - before) / MB);
    }
}

#[test]
fn a_client_that_only_writes_is_not_read_for_ever() {
    let stack = stack();
    let (_alone, before) = alone(&stack);
    let mut wire = connect(&stack, Transport::Plain);
    wire.tcp()
        .set_write_timeout(Some(Duration::from_secs(1)))
        .expect("set a write deadline");
    let query = message::query("SELECT repeat('x', 100000)").repeat(1_000);
    let mut sent = 0;
    while wire.try_send(&query).is_ok() {
        sent += query.len() as u64;
        assert!(sent < 500 * MB, "everything is taken and kept somewhere");
    }
    assert!(sent > 0, "nothing was taken");
    let peak = stack.memory("VmHWM");
    assert!(peak < before + GROWTH, "{} MB", (peak - before) / MB);
    let mut other = connect(&stack, Transport::Plain);
    assert_eq!(column(&other.query("SELECT 1")), ["1"]);
}

/// As large as PostgreSQL takes a message, nearly: in front of it nobody holds more than a read of it.
#[test]
fn a_bind_of_nearly_a_gigabyte_passes_in_bounded_memory() {
    let stack = stack();
    let (_alone, before) = alone(&stack);
    for transport in [Transport::Plain, Transport::SslRequest] {
        let mut wire = connect(&stack, transport);
        let patience = Some(Duration::from_secs(120));
        wire.tcp().set_write_timeout(patience).expect("patience");
        wire.tcp().set_read_timeout(patience).expect("patience");
        let (length, piece) = (1_000_000_000_u32, vec![b'x'; 1_000_000]);
        // Portal, statement, no formats, one value; behind it the formats of the result: as text.
        let head = [&b"\0\0\0\0\0\x01"[..], &length.to_be_bytes()].concat();
        let whole = 4 + u32::try_from(head.len()).expect("short") + length + 2;
        wire.send(&message::parse("", "SELECT length($1::text)"));
        wire.send(&[b"B", &whole.to_be_bytes()[..], &head].concat());
        for _ in 0..length / 1_000_000 {
            wire.send(&piece);
        }
        wire.send(&[&[0, 0][..], &message::execute("", 0), &message::sync()].concat());
        let answer = wire.receive_until(b'Z');
        assert_eq!(column(&answer), [length.to_string()], "{transport:?}");
        let peak = stack.memory("VmHWM");
        assert!(peak < before + GROWTH, "{} MB", (peak - before) / MB);
    }
}
