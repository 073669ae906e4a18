//! Statements behind, between and inside of messages that no driver sends, in every combination of two: whatever the
//! connection makes of those, the server gets no statement that was not judged, and no row of another zone comes back.

mod support;

use support::fixture::SQL;
use support::message::{
    self, Message, bind, close, copy_data, copy_done, copy_fail, describe, execute, extended,
    flush, framed, parse, query, sync, terminate, untyped,
};
use support::wire::Transport;
use support::{NEW, OLD, Pooler, Stack, StackOptions, Version, Wire};

/// A message of this type with this body and a length of its own choice.
fn lying(kind: u8, length: i32, body: &[u8]) -> Vec<u8> {
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// What stands ahead of the statement, or around one like it.
fn pieces(hidden: &str) -> Vec<Vec<u8>> {
    let whole = query(hidden);
    let nul = |text: &str| [text.as_bytes(), b"\0"].concat();
    let copy = "COPY imports (note) FROM STDIN";
    vec![
        Vec::new(),
        sync(),
        flush(),
        query(""),
        query("BEGIN"),
        query("SELECT 1/0"),
        query(copy),
        query("COPY nothing FROM STDIN"),
        query("COPY imports (note) TO STDOUT"),
        extended(copy, &[]),
        [extended(copy, &[]), flush()].concat(),
        extended("SELECT 1/0", &[]),
        parse("", "SELECT 1"),
        parse("", hidden),
        parse("s", "SELECT $1::int"),
        [parse("", "COMMIT"), bind("", "", &[]), execute("", 0)].concat(),
        bind("", "nothing", &[]),
        bind("p", "", &[]),
        execute("nothing", 1),
        describe(b'S', "s"),
        describe(b'P', ""),
        close(b'S', "s"),
        // For the server to ignore, outside of COPY.
        copy_data(&whole),
        copy_data(b"\\.\n"),
        copy_done(),
        copy_fail(hidden),
        // More behind the end of a text.
        framed(b'Q', &[nul("SELECT 1"), nul(hidden)].concat()),
        framed(
            b'P',
            &[nul(""), nul("SELECT 1"), nul(hidden), vec![0, 0]].concat(),
        ),
        framed(b'Q', hidden.as_bytes()),
        framed(
            b'Q',
            &[b"SELECT 1 /* \xff */; ", hidden.as_bytes(), b"\0"].concat(),
        ),
        // Numbers of values that are not there, and lengths below nothing.
        framed(b'B', &[&b"\0\0\0\0\xff\xff"[..], &whole].concat()),
        framed(
            b'B',
            &[&b"\0\0\0\0\0\x01\xff\xff\xff\xfe"[..], &whole].concat(),
        ),
        framed(b'E', &[&b"\0"[..], &whole].concat()),
        framed(b'D', &whole),
        framed(b'C', &whole),
        framed(b'S', &whole),
        framed(b'H', &whole),
        // Of no client, or not now.
        framed(b'p', &nul(hidden)),
        framed(b'F', &[&b"\0\0\x03\xc7\0\0\0\0\0\0"[..], &whole].concat()),
        framed(b'q', &nul(hidden)),
        framed(b'Z', b"I"),
        framed(b'G', b"\0\0\0"),
        framed(b'W', b"\0\0\0"),
        untyped(&[&[0x04, 0xd2, 0x16, 0x2f][..], &whole].concat()),
        message::startup((3, 0), &[("user", "postgres"), ("database", "shop")]),
        lying(b'Q', 0, &nul(hidden)),
        lying(b'Q', 3, &nul(hidden)),
        lying(b'Q', -1, &nul(hidden)),
        lying(b'Q', i32::MAX, &nul(hidden)),
        lying(b'd', 5, &whole),
        lying(b'Q', whole.len() as i32 + 8, &whole),
        [terminate(), whole].concat(),
    ]
}

/// The statements that must not run, by both protocols, one that may, and a few bytes more for a message that
/// takes what stands behind it for its own.
fn behind(number: usize) -> Vec<u8> {
    let ddl = format!("CREATE TABLE made_{number} ()");
    [
        query(&ddl),
        sync(),
        query("ROLLBACK"),
        extended(&ddl, &[]),
        sync(),
        query("SET app.tenant_id = 'globex'; SELECT note FROM orders"),
        query(&format!(
            "INSERT INTO orders (note) VALUES ('pair {number}')"
        )),
        sync().repeat(4),
    ]
    .concat()
}

/// Sends all of it and gives back what comes until the last statement is answered or the connection ends. A COPY that
/// waits for data is given up, and everything is said again.
fn tried(wire: &mut Wire, sent: &[u8], number: usize) -> Vec<Message> {
    // Who is cut off early may not be able to send it all.
    let _ = wire.try_send(sent);
    let mut answers = Vec::new();
    while let Some(answer) = wire.receive() {
        if answer.kind == b'G' {
            let _ = wire.try_send(&[copy_fail("stop"), behind(number)].concat());
        }
        let last = answer.kind == b'C' && answer.tag() == "INSERT 0 1";
        answers.push(answer);
        if last {
            break;
        }
    }
    answers
}

fn plain(stack: &Stack, port: u16) -> Wire {
    let login = stack.login_at(port, "shop_acme", "shop");
    Wire::login_with(&login, Transport::Plain, &[])
}

fn run((version, pooler): (Version, Pooler)) {
    let stack = Stack::start(StackOptions {
        version,
        pooler,
        client_tls: "allow",
        sql: format!("{SQL}\n\\connect shop\nGRANT CREATE ON SCHEMA public TO shop_acme;"),
        ..StackOptions::default()
    });
    // Without Portcullis both have their effect.
    let mut wire = plain(&stack, stack.transaction_port);
    let sent = [copy_data(&query("SELECT 1")), behind(0)].concat();
    let answers = tried(&mut wire, &sent, 0);
    assert!(says_hammock(&answers), "{}", message::kinds(&answers));
    assert_eq!(made(&stack), "made_0\n");
    stack.direct(
        "shop",
        "DROP TABLE made_0; DELETE FROM orders WHERE note LIKE 'pair%'",
    );

    let count = pieces("").len();
    for first in 0..count {
        for second in 0..count {
            let number = first * count + second;
            let pieces = pieces(&format!("CREATE TABLE made_{number} ()"));
            let sent = [&pieces[first][..], &pieces[second], &behind(number)].concat();
            let mut wire = plain(&stack, stack.port);
            let answers = tried(&mut wire, &sent, number);
            assert!(
                !says_hammock(&answers),
                "pair {number}: pieces {first} and {second}: {}",
                message::kinds(&answers)
            );
        }
    }
    assert_eq!(made(&stack), "");
    let written = "SELECT count(*) FROM orders WHERE note LIKE 'pair%' AND tenant_id = 'acme'";
    let written: usize = stack
        .direct("shop", written)
        .trim()
        .parse()
        .expect("a number");
    println!(
        "{version:?}: {written} of {} wrote at the end",
        count * count
    );
    assert!(written > count * count / 4, "only {written} came so far");
}

fn says_hammock(answers: &[Message]) -> bool {
    let has = |answer: &Message| answer.body.windows(7).any(|bytes| bytes == b"hammock");
    answers.iter().any(has)
}

fn made(stack: &Stack) -> String {
    stack.direct(
        "shop",
        "SELECT relname FROM pg_class WHERE relname LIKE 'made%' ORDER BY 1",
    )
}

#[test]
fn nothing_is_smuggled_to_postgresql_15() {
    run(OLD);
}

#[test]
fn nothing_is_smuggled_to_postgresql_17() {
    run(NEW);
}
