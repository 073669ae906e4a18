//! What the policy allows passes as if nobody stood in between, on every version of the stack.

mod support;

use std::time::Duration;

use support::message::{self, Message, column, error, extended, failed, fine, kinds};
use support::notes::{count, insert, plain};
use support::process::wait_until;
use support::shared::stacks;
use support::{NEW, OLD, Stack, StackOptions, Transport, Wire};

/// A bit of everything, several Syncs, and what must come of it.
fn transcript() -> (Vec<u8>, Vec<&'static str>) {
    let steps = [
        ("TDCZ", message::query("SELECT 'simple'")),
        ("CCTDCZ", message::query("BEGIN; COMMIT; SELECT 1")),
        ("IZ", message::query("")),
        ("IZ", message::query("/* nothing */ ; -- but this")),
        ("Z", message::sync()),
        (
            "12DCZ",
            [extended("SELECT $1::text", &[Some("x")]), message::sync()].concat(),
        ),
        (
            "12DC12DCZ",
            [
                extended("SELECT 1", &[]),
                extended("SELECT 2", &[]),
                message::sync(),
            ]
            .concat(),
        ),
        ("1Z", [message::parse("", ""), message::sync()].concat()),
        (
            "12DCZ",
            [extended("SELECT 3", &[]), message::flush(), message::sync()].concat(),
        ),
        (
            "1tT2TDsDCZ",
            [
                message::parse("", "SELECT generate_series(1, 2) WHERE $1 = 1"),
                message::describe(b'S', ""),
                message::bind("", "", &[Some("1")]),
                message::describe(b'P', ""),
                message::execute("", 1),
                message::execute("", 2),
                message::sync(),
            ]
            .concat(),
        ),
        ("EZ", message::query("SELECT nope")),
        (
            "EZ",
            [
                extended("SELECT nope", &[]),
                extended("SELECT 1", &[]),
                message::sync(),
            ]
            .concat(),
        ),
        ("NCZ", message::query("ROLLBACK")),
        ("CZ", message::query(&insert("transcript"))),
        // Last: PgBouncer 1.18 loses a Query that is sent ahead of the answer to a COPY.
        ("HdcCZ", message::query("COPY (SELECT 'out') TO STDOUT")),
    ];
    let expected = steps.iter().map(|(kinds, _)| *kinds).collect();
    (
        steps.into_iter().flat_map(|(_, sent)| sent).collect(),
        expected,
    )
}

#[track_caller]
fn answers(wire: &mut Wire, expected: &[&str]) {
    for (number, expected) in expected.iter().enumerate() {
        let answer = wire.receive_until(b'Z');
        assert_eq!(kinds(&answer), *expected, "answer {number}");
    }
}

#[test]
fn a_transcript_gets_the_same_answers_however_it_is_cut() {
    let (sent, expected) = transcript();
    for stack in stacks() {
        // The server's own answers, and ours.
        for port in [stack.session_port, stack.port] {
            let mut wire = Wire::login(&stack.login_at(port, "shop_plain", "app"));
            wire.send(&sent);
            answers(&mut wire, &expected);
        }
        for size in [1, 7, 4096] {
            let mut wire = plain(&stack);
            wire.send_in_pieces(&sent, size);
            answers(&mut wire, &expected);
        }
        // PostgreSQL 17's stack is used by the next test too.
        assert!(count(&stack, "transcript") >= 5);
    }
}

#[test]
fn a_transcript_can_be_split_at_every_byte() {
    let stack = &stacks()[1];
    let (sent, expected) = transcript();
    let mut wire = plain(stack);
    for split in 1..sent.len() {
        wire.send(&sent[..split]);
        if split % 16 == 0 {
            // Long enough for the first part to be read by itself.
            std::thread::sleep(Duration::from_millis(2));
        }
        wire.send(&sent[split..]);
        answers(&mut wire, &expected);
    }
}

#[test]
fn pipelines_over_many_syncs_are_answered_in_order() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        let sent: Vec<u8> = (0..500)
            .flat_map(|number| {
                let number = number.to_string();
                let batch = extended("SELECT $1::int", &[Some(&number)]);
                [batch, message::sync()].concat()
            })
            .collect();
        wire.send(&sent);
        for number in 0..500 {
            assert_eq!(column(&wire.receive_until(b'Z')), [number.to_string()]);
        }
        // The next batch before the answer to the one before; a batch that fails in the middle.
        for sql in ["SELECT 'a'", "SELECT nope", "SELECT 'b'"] {
            wire.send(&[extended(sql, &[]), message::sync()].concat());
        }
        assert_eq!(column(&wire.receive_until(b'Z')), ["a"]);
        assert_eq!(failed(&wire.receive_until(b'Z')).0, "42703");
        assert_eq!(column(&wire.receive_until(b'Z')), ["b"]);
    }
}

#[test]
fn flush_brings_answers_without_sync() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        wire.send(&[extended("SELECT 'flushed'", &[]), message::flush()].concat());
        assert_eq!(kinds(&wire.receive_until(b'C')), "12DC");
        wire.send(&[message::describe(b'S', ""), message::flush()].concat());
        assert_eq!(kinds(&wire.receive_until(b'T')), "tT");
        assert_eq!(fine(&wire.batch(&[])), 'I');
    }
}

/// The data of a COPY TO STDOUT.
fn copied(messages: &[Message]) -> Vec<u8> {
    let data = messages.iter().filter(|message| message.kind == b'd');
    data.flat_map(|message| message.body.clone()).collect()
}

#[test]
fn copy_carries_text_and_binary_both_ways() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        for format in ["text", "csv", "binary"] {
            let out =
                format!("COPY (SELECT 1000007::bigint, 'copy {format}') TO STDOUT ({format})")
                    .replace(&format!("({format})"), &format!("(FORMAT {format})"));
            let into = format!("COPY notes (id, body) FROM STDIN (FORMAT {format})");
            for protocol in 0..2 {
                let answer = match protocol {
                    0 => wire.query(&out),
                    _ => wire.batch(&extended(&out, &[])),
                };
                fine(&answer);
                stack.direct("app", "DELETE FROM notes WHERE id = 1000007");
                match protocol {
                    0 => wire.send(&message::query(&into)),
                    // libpq's way: Sync right behind Execute, before any data.
                    _ => wire.send(&[extended(&into, &[]), message::sync()].concat()),
                }
                assert_eq!(error(&wire.receive_until(b'G')), None);
                for piece in copied(&answer).chunks(5) {
                    wire.send(&message::copy_data(piece));
                }
                wire.send(&message::copy_done());
                if protocol == 1 {
                    wire.send(&message::sync());
                }
                assert_eq!(kinds(&wire.receive_until(b'Z')), "CZ");
                let body = format!("copy {format}");
                assert_eq!(count(&stack, &body), 1, "{protocol}");
            }
        }
    }
}

#[test]
fn copy_errors_leave_the_protocol_in_step() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        let into = "COPY notes (id, body) FROM STDIN";
        let data = |text: &[u8]| message::copy_data(text);
        // The client gives up.
        wire.send(&message::query(into));
        wire.receive_until(b'G');
        wire.send(&[data(b"1000001\tgiven up\n"), message::copy_fail("no more")].concat());
        assert_eq!(failed(&wire.receive_until(b'Z')).0, "57014");
        // An error midway, and what the client goes on sending until it has read it.
        wire.send(&message::query(into));
        wire.receive_until(b'G');
        wire.send(&data(b"no number\tx\n"));
        assert_eq!(failed(&wire.receive_until(b'Z')).0, "22P02");
        let late = [data(b"1000002\tlate\n"), message::copy_done()].concat();
        wire.send(&[late.clone(), message::query("SELECT 'in step'")].concat());
        assert_eq!(column(&wire.receive_until(b'Z')), ["in step"]);
        // Data ahead of a COPY that fails: nobody gets it.
        let nowhere = message::query("COPY nowhere FROM STDIN");
        wire.send(&[nowhere, late.clone(), message::query("SELECT 'in step'")].concat());
        assert_eq!(failed(&wire.receive_until(b'Z')), ("42P01".into(), 'I'));
        assert_eq!(column(&wire.receive_until(b'Z')), ["in step"]);
        // The same in the extended protocol, where only Sync ends it.
        wire.send(&[extended(into, &[]), message::sync()].concat());
        wire.receive_until(b'G');
        let sent = [data(b"no number\tx\n"), late, message::sync()].concat();
        wire.send(&sent);
        assert_eq!(failed(&wire.receive_until(b'Z')), ("22P02".into(), 'I'));
        assert!(wire.is_quiet_for(Duration::from_millis(50)));
        // In a transaction, with statements of the same batch behind it.
        fine(&wire.query("BEGIN"));
        let sent = [
            extended(into, &[]),
            data(b"1000003\tin a batch\n"),
            message::copy_done(),
            extended("SELECT 'behind'", &[]),
            message::sync(),
        ];
        wire.send(&sent.concat());
        let answer = wire.receive_until(b'Z');
        assert_eq!(kinds(&answer), "12GC12DCZ");
        fine(&wire.query("COMMIT"));
        assert_eq!(count(&stack, "in a batch"), 1);
        assert_eq!((count(&stack, "late"), count(&stack, "given up")), (0, 0));
    }
}

#[test]
fn a_terminated_batch_and_a_goodbye_in_one_write() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        fine(&wire.query(&insert("goodbye")));
        wire.send(&message::terminate());
        assert_eq!(kinds(&wire.receive_to_end()), "");
        assert_eq!(count(&stack, "goodbye"), 1);
    }
}

/// As straight at PostgreSQL, whether the client waits for the end or has closed its side at once.
#[test]
fn what_stands_ahead_of_a_goodbye_is_done() {
    let query = |text: &str| message::query(text);
    let extended = |text: &str| extended(text, &[]);
    let copy = [
        query("COPY notes (body) FROM STDIN"),
        message::copy_data(b"a copy\n"),
        message::copy_done(),
    ];
    let cases: [(&str, usize, Vec<u8>); 9] = [
        ("a copy", 1, copy.concat()),
        ("a query", 1, query(&insert("a query"))),
        (
            "slow",
            1,
            query("INSERT INTO notes (body) SELECT 'slow' FROM pg_sleep(0.3)"),
        ),
        (
            "three",
            3,
            [(); 3].map(|()| query(&insert("three"))).concat(),
        ),
        (
            "a transaction",
            1,
            ["BEGIN", &insert("a transaction"), "COMMIT"]
                .map(query)
                .concat(),
        ),
        (
            "a batch",
            1,
            [extended(&insert("a batch")), message::sync()].concat(),
        ),
        ("open", 0, ["BEGIN", &insert("open")].map(query).concat()),
        ("no sync", 0, extended(&insert("no sync"))),
        (
            "a query ahead",
            1,
            [
                query(&insert("a query ahead")),
                extended(&insert("a query ahead")),
            ]
            .concat(),
        ),
    ];
    for stack in stacks() {
        for (name, expected, sent) in &cases {
            for closes in [false, true] {
                fine(&plain(&stack).query(&format!("DELETE FROM notes WHERE body = '{name}'")));
                let mut wire = plain(&stack);
                wire.send(&[&sent[..], &message::terminate()].concat());
                match closes {
                    true => drop(wire),
                    false => drop(wire.receive_to_end()),
                }
                if closes {
                    wait_until("it is done", || count(&stack, name) == *expected);
                }
                assert_eq!(count(&stack, name), *expected, "{name}, closes {closes}");
            }
        }
        // A COPY that is not ended ends with the client.
        let mut wire = plain(&stack);
        wire.send(&message::query("COPY notes (body) FROM STDIN"));
        wire.receive_until(b'G');
        wire.send(&[message::copy_data(b"copied\n"), message::terminate()].concat());
        wire.receive_to_end();
        assert_eq!(count(&stack, "copied"), 0);
    }
}

/// What waits for answers is held here, and the goodbye may still lie in the socket.
#[test]
fn what_is_held_ahead_of_a_goodbye_is_done() {
    let pause = || std::thread::sleep(Duration::from_millis(50));
    let slow = "INSERT INTO orders (note) SELECT 'held' FROM pg_sleep(0.3)";
    let held = "SELECT count(*) FROM orders WHERE note = 'held'";
    for stack in stacks() {
        let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
        // One: who has closed his side takes one answer, and is found to be gone by the next.
        let second = "INSERT INTO orders (note) VALUES ('held')";
        for write in [
            message::query(slow),
            message::query(second),
            message::terminate(),
        ] {
            wire.send(&write);
            pause();
        }
        drop(wire);
        wait_until("both are done", || stack.direct("shop", held).trim() == "2");
    }
}

/// Ten seconds are from when he said goodbye, not from when what runs was sent.
#[test]
fn a_goodbye_may_come_late() {
    let stack = Stack::start(StackOptions::default());
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    wire.send(&message::query("SELECT pg_sleep(12)"));
    wire.send(&message::query("INSERT INTO orders (note) VALUES ('late')"));
    std::thread::sleep(Duration::from_secs(11));
    wire.send(&message::terminate());
    drop(wire);
    let late = "SELECT count(*) FROM orders WHERE note = 'late'";
    wait_until("it is done", || stack.direct("shop", late).trim() == "1");
}

#[test]
fn notices_and_parameters_come_as_from_the_server() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        for (sql, expected) in [
            ("COMMIT", "NCZ"),
            ("SET DateStyle = 'German'", "CSZ"),
            ("SET TimeZone = 'Asia/Tokyo'", "CSZ"),
        ] {
            assert_eq!(kinds(&wire.query(sql)), expected, "{sql}");
        }
        assert!(
            wire.parameters
                .contains(&("DateStyle".into(), "German, DMY".into()))
        );
        // PgBouncer follows these: they are there in the next transaction, whoever ran between.
        let mut other = plain(&stack);
        assert_eq!(column(&other.query("SHOW TimeZone")), ["UTC"]);
        assert_eq!(column(&wire.query("SHOW TimeZone")), ["Asia/Tokyo"]);
        let startup = [
            ("application_name", "it's me"),
            ("TimeZone", "Europe/Paris"),
        ];
        let login = stack.login("shop_plain", "app");
        let mut third = Wire::login_with(&login, Transport::SslRequest, &startup);
        assert_eq!(column(&third.query("SHOW application_name")), ["it's me"]);
        assert_eq!(column(&third.query("SHOW TimeZone")), ["Europe/Paris"]);
    }
}

#[test]
fn settings_follow_their_transaction() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        let name = |wire: &mut Wire| column(&wire.query("SHOW application_name"));
        fine(&wire.query("SET application_name = 'before'"));
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SET application_name = 'inside'"));
        assert_eq!(name(&mut wire), ["inside"]);
        assert_eq!(kinds(&wire.query("ROLLBACK")), "CSZ");
        assert_eq!(name(&mut wire), ["before"]);
        let last = wire.parameters.last().cloned();
        assert_eq!(last, Some(("application_name".into(), "before".into())));
        assert_eq!(
            kinds(&wire.query("SET LOCAL application_name = 'nowhere'")),
            "NCZ"
        );
        assert_eq!(name(&mut wire), ["before"]);
    }
}

/// The last words stood in the middle of a row: what had been read together with what they are about was
/// lost.
#[test]
fn what_comes_ahead_of_the_last_words_is_whole() {
    for stack in stacks() {
        // Each fits, and both are kept: RESET returns to the first.
        let [first, second] = ["a", "b"].map(|it| it.repeat(9_000));
        let rows = "SELECT repeat('y', 300000)";
        let set = format!("SET my.p = '{second}'");
        let batch = [extended(rows, &[]), extended(&set, &[]), message::sync()];
        for (kinds_of, sent) in [
            ("TDCCE", message::query(&format!("{rows}; {set}"))),
            ("12DC12CE", batch.concat()),
        ] {
            let login = stack.login("shop_plain", "app");
            let startup = [("my.p", &*first)];
            let mut wire = Wire::login_with(&login, Transport::SslRequest, &startup);
            wire.send(&sent);
            let answer = wire.receive_to_end();
            assert_eq!(kinds(&answer), kinds_of);
            assert_eq!(column(&answer)[0].len(), 300_000);
            let last = error(&answer).expect("the last words");
            assert_eq!(last.field(b'V').as_deref(), Some("FATAL"));
            assert_eq!(last.sqlstate(), "54000");
        }
    }
}

/// The stall: over TLS PgBouncer waits for the socket where OpenSSL has read what comes next (its #1530), and a message
/// that it must see whole ended behind its buffer of 4096 bytes.
#[test]
fn a_batch_that_ends_behind_the_pools_buffer_is_answered() {
    for (version, pooler) in [OLD, NEW] {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            ..StackOptions::default()
        });
        for length in (3_600..4_100).step_by(10) {
            // The zone's own messages are more while it is not known what the pool does with names.
            let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
            let text = format!("SELECT count(*) > 0 FROM orders -- {}", "x".repeat(length));
            for name in ["", "named"] {
                let sent = [
                    message::parse(name, &text),
                    message::describe(b'S', name),
                    message::bind("", name, &[]),
                    message::execute("", 0),
                ];
                assert_eq!(column(&wire.batch(&sent.concat())), ["t"], "{length}");
            }
        }
    }
}
