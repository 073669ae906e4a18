//! The admin console under attack: whatever comes in at its socket is answered clearly or ended, holds
//! bounded memory, and the proxy goes on serving.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use support::fixture::POLICY;
use support::message::{self, Message, column, framed, kinds, query, untyped};
use support::migration::{finished, portcullis};
use support::process::{open_many_files, server_account, wait_until};
use support::wire::PATIENCE;
use support::{Shared, Stack, StackOptions, Wire};

fn stack() -> Arc<Stack> {
    static STACK: Shared = Shared::new();
    STACK.get(StackOptions::default)
}

fn connect(stack: &Stack) -> UnixStream {
    let stream = UnixStream::connect(stack.file("console.sock")).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.set_write_timeout(Some(PATIENCE)).expect("set");
    stream
}

fn startup() -> Vec<u8> {
    message::startup((3, 0), &[("user", "root"), ("database", "portcullis")])
}

/// Everything up to the end of the connection, which may be a reset: what we sent was not read.
fn to_end(stream: &mut UnixStream) -> Vec<u8> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("not ended: {error}, so far {answer:?}"),
    }
    answer
}

/// Sends bytes, says that nothing more comes, and reads to the end.
fn exchange(stack: &Stack, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(stack);
    // It may have been ended before all of it was taken.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    to_end(&mut stream)
}

/// Whole messages and nothing else.
#[track_caller]
fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let [kind, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        assert!(length >= 4 && rest.len() >= length - 4, "half a message");
        let (body, behind) = rest.split_at(length - 4);
        messages.push(Message {
            kind: *kind,
            body: body.to_vec(),
        });
        bytes = behind;
    }
    assert!(bytes.is_empty(), "{bytes:?} is no message");
    messages
}

/// The console has a seat for an owner, and the proxy serves.
fn serves(stack: &Stack) {
    wait_until("the console answers", || {
        finished(portcullis(stack, &["console", "SHOW VERSION"])).status == 0
    });
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    assert_eq!(stack.http_get("/health/live").0, 200);
}

#[test]
fn every_kind_of_message_of_every_length_is_answered_or_ends_the_connection() {
    let stack = stack();
    for kind in 0..=255_u8 {
        for claimed in [0_u32, 3, 4, 5, 40, 65_536, 65_537, u32::MAX] {
            let body = (claimed as usize).saturating_sub(4).min(64);
            let message = [&[kind][..], &claimed.to_be_bytes(), &vec![b'\''; body]].concat();
            let answer = messages(&exchange(&stack, &[startup(), message].concat()));
            let told = kinds(&answer);
            let what = format!("{kind}, {claimed}: {told}");
            let rest = told.split_once('Z').expect(&what).1;
            // Nothing, because the message was not all there or needs no answer; or words, and why.
            assert!(matches!(rest, "" | "E" | "EZ" | "Z"), "{what}");
            if rest == "E"
                && message::error(&answer).expect("E").field(b'S') == Some("FATAL".into())
            {
                assert_eq!(message::error(&answer).expect("E").sqlstate(), "08P01");
            }
        }
    }
    serves(&stack);
}

#[test]
fn a_conversation_may_be_cut_anywhere() {
    let stack = stack();
    let whole = [
        message::ssl_request(),
        message::gss_request(),
        startup(),
        query("SHOW VERSION; SHOW GUARDS"),
        message::extended("SHOW VERSION", &[Some("x")]),
        message::sync(),
        query("CLOSE MIGRATION 'mig_''00000' NOTE 'it''s \u{e9}'"),
        message::copy_data(b"x"),
        message::function_call(1, &["x"]),
        message::terminate(),
    ]
    .concat();
    let all = exchange(&stack, &whole);
    for end in 0..whole.len() {
        let answer = exchange(&stack, &whole[..end]);
        assert!(all.starts_with(&answer), "cut at {end}: {answer:?}");
        // Encryption is declined twice, outside of any message.
        let declined = answer
            .iter()
            .take(2)
            .take_while(|byte| **byte == b'N')
            .count();
        messages(&answer[declined..]);
    }
    // One byte at a time, each looked at on its own.
    let mut stream = connect(&stack);
    for byte in &whole {
        stream.write_all(&[*byte]).expect("taken");
    }
    assert_eq!(to_end(&mut stream), all);
    serves(&stack);
}

#[test]
fn startup_packets_that_lie_are_refused() {
    let stack = stack();
    let packet = |body: &[u8]| untyped(&[&b"\0\x03\0\0"[..], body].concat());
    let long = format!("user\0{}\0\0", "x".repeat(9_000));
    let options = "_pq_.x\0\0".repeat(1_200) + "\0";
    for (bytes, expected) in [
        (b"\0\0\0\x07\0\x03\0".to_vec(), "08P01"),
        (b"\0\0\x27\x11\0\x03\0\0".to_vec(), "08P01"),
        (u32::MAX.to_be_bytes().to_vec(), "08P01"),
        (packet(b"user\0x"), "08P01"),
        (packet(b"user\0\xff\xfe\0\0"), "08P01"),
        (packet(b"database\0port\0cullis\0\0"), "08P01"),
        (packet(long.as_bytes()), "3D000"),
        (packet(b"database\0shop\0\0"), "3D000"),
        (packet(b"database\0portcullis'; SHUTDOWN; --\0\0"), "3D000"),
        (packet(b"\0"), "3D000"),
        (untyped(b"\0\x02\0\0user\0x\0\0"), "08P01"),
    ] {
        let answer = messages(&exchange(&stack, &bytes));
        assert_eq!(kinds(&answer), "E", "{bytes:?}");
        assert_eq!(answer[0].sqlstate(), expected, "{bytes:?}");
    }
    let body = format!("database\0portcullis\0{options}");
    let answer = messages(&exchange(&stack, &packet(body.as_bytes())));
    assert!(kinds(&answer).starts_with('v'), "{}", kinds(&answer));
    // Requests to cancel, whole or not, are nobody's here.
    for key in [&b""[..], b"\0\0\0\x01", &[0; 8], &[0xff; 260]] {
        assert_eq!(exchange(&stack, &message::cancel(key)), b"");
    }
    serves(&stack);
}

/// Commands that are none, in whatever letters: one error each, with a position inside of the text.
#[test]
fn odd_texts_are_answered_once_and_the_connection_stays_in_step() {
    let stack = stack();
    let long = "x".repeat(65_000);
    let quoted = format!("'{}'", "''".repeat(32_000));
    let texts: Vec<String> = [
        "'",
        "'''",
        "''''",
        "SHOW",
        "SHOW 'VERSION'",
        "SHOW MIGRATION",
        "SHOW MIGRATION mig_0000000\u{e9}",
        "SHOW MIGRATION 'mig_00000000'''",
        "SHOW\u{a0}MIGRATIONS\u{2028}x",
        "\u{feff}SHOW VERSION",
        "\u{202e}NOISREV WOHS",
        "\u{1f4a3}",
        "SHOW VERSION\u{37e}",
        "\\! id",
        "$$SHUTDOWN$$",
        "/* */ SHUTDOWN",
        "SHUTDOWN --",
        "SHUTDOWN now; SHUTDOWN",
        "RELOAD RELOAD",
        "OPEN MIGRATION",
        "OPEN MIGRATION DATABASE app",
        "OPEN MIGRATION DATABASE '' REASON x",
        "OPEN MIGRATION DATABASE app REASON 'a\nb'",
        "OPEN MIGRATION DATABASE app REASON 'a\x1b[2J'",
        "OPEN MIGRATION DATABASE app REASON x DATABASE shop",
        "OPEN MIGRATION DATABASE app REASON x TTL '-1s'",
        "OPEN MIGRATION DATABASE app REASON x TTL '99999999999999999999d'",
        "OPEN MIGRATION DATABASE app REASON x TTL '0'",
        "OPEN MIGRATION DATABASE \"app\" REASON x",
        "OPEN MIGRATION DATABASE 'app'';DROP TABLE migration_session;--' REASON x",
        "OPEN MIGRATION DATABASE app ROLE 'migrator\u{301}' REASON x",
        "CLOSE MIGRATION mig_00000000 NOTE ''",
        "CLOSE MIGRATION 'mig_00000000' NOTE x y",
        "SHOW VERSION; SHUTDOWN x",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        long.clone(),
        quoted,
        format!(
            "OPEN MIGRATION DATABASE app REASON '{}'",
            "\u{e9}".repeat(251)
        ),
        format!("OPEN MIGRATION DATABASE {} REASON x", &long[..64]),
        "SHOW VERSION;".repeat(17),
        format!("{}x", ";".repeat(65_000)),
        "' ".repeat(32_001),
        "\u{e9} ".repeat(21_000),
    ])
    .collect();
    let mut stream = connect(&stack);
    let asked: Vec<u8> = texts.iter().flat_map(|text| query(text)).collect();
    // All at once, and nothing is read before all is sent.
    let writing = stream.try_clone().expect("the other half");
    let answer = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut writing = writing;
            writing.write_all(&startup()).expect("taken");
            writing.write_all(&asked).expect("taken");
            writing.shutdown(Shutdown::Write).expect("shut");
        });
        messages(&to_end(&mut stream))
    });
    let answers: Vec<&[Message]> = answer.split(|it| it.kind == b'Z').skip(1).collect();
    assert_eq!(answers.len(), texts.len() + 1, "{}", kinds(&answer));
    for (text, answer) in texts.iter().zip(answers) {
        let shown: String = text.chars().take(60).collect();
        assert_eq!(kinds(answer), "E", "{shown}");
        let error = &answer[0];
        assert_eq!(error.field(b'S').as_deref(), Some("ERROR"), "{shown}");
        let position = error
            .field(b'P')
            .map_or(1, |it| it.parse().expect("a number"));
        assert!(
            (1..=text.chars().count() + 1).contains(&position),
            "{shown}"
        );
    }
    let open = finished(portcullis(&stack, &["migration", "list", "--json"])).ok();
    assert_eq!(open.trim(), "[]", "nothing was opened");
    serves(&stack);
}

/// Many that say nothing: those without a seat are told, the others get theirs for a while only.
#[test]
fn thousands_that_say_nothing_are_turned_away_and_the_proxy_serves() {
    let stack = Stack::start(StackOptions::default());
    open_many_files();
    let mut silent: Vec<UnixStream> = (0..3_000).map(|_| connect(&stack)).collect();
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    let mut told = [0, 0];
    for stream in &mut silent {
        let answer = messages(&to_end(stream));
        assert_eq!(kinds(&answer), "E");
        match answer[0].sqlstate().as_str() {
            "53300" => told[0] += 1,
            // It kept its seat and was too slow.
            "08P01" => told[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(told[0] > 2_000 && told[1] > 0, "{told:?}");
    assert!(stack.memory("VmHWM") < 200 << 20);
    serves(&stack);
}

/// A session whose record is as long as one that is shown, written while no proxy runs.
fn long_record(stack: &mut Stack) -> String {
    let opened = support::migration::open(stack, "app");
    let id = support::migration::id(&opened).to_owned();
    support::migration::close(stack, &opened);
    stack.proxy = None;
    let file = Connection::open(stack.file("registry.db")).expect("the registry");
    let insert = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
         INSERT INTO migration_statement SELECT ?1, n, 'SELECT', hex(randomblob(2000)), NULL, 0, 1, '00000' FROM n";
    file.execute(insert, [&id]).expect("inserted");
    drop(file);
    stack.restart_proxy();
    id
}

/// The attack: sixteen times 40 MB were put together for a client that reads nothing of it.
#[test]
fn answers_that_nobody_takes_are_held_in_bounded_memory() {
    let mut stack = Stack::start(StackOptions::default());
    let id = long_record(&mut stack);
    let asked = [
        startup(),
        query(&format!("SHOW MIGRATION {id};").repeat(16)),
    ]
    .concat();
    let clients: Vec<UnixStream> = (0..4)
        .map(|_| {
            let mut stream = connect(&stack);
            stream.write_all(&asked).expect("taken");
            stream
        })
        .collect();
    // What they ask for has been begun: the last of them has got its first bytes.
    for client in &clients {
        let mut stream = client.try_clone().expect("another");
        assert_eq!(stream.read(&mut [0; 1]).expect("an answer"), 1);
    }
    let mut shown = 0;
    let until = std::time::Instant::now() + Duration::from_secs(4);
    while std::time::Instant::now() < until {
        shown = shown.max(stack.memory("VmRSS"));
        serves(&stack);
    }
    drop(clients);
    eprintln!("most in memory: {} MB", stack.memory("VmHWM") >> 20);
    assert!(stack.memory("VmHWM") < 200 << 20, "{shown}");
    // Who reads gets all of it, in order.
    let mut stream = connect(&stack);
    let asked = [
        startup(),
        query(&format!("SHOW MIGRATION {id}")),
        message::terminate(),
    ]
    .concat();
    stream.write_all(&asked).expect("taken");
    let answer = messages(&to_end(&mut stream));
    let numbers = column(&answer);
    assert_eq!(numbers.len(), 10_000);
    let expected = (1..=10_000).map(|number: u32| number.to_string());
    assert!(numbers.into_iter().eq(expected), "out of order");
    assert_eq!(kinds(&answer[answer.len() - 2..]), "CZ");
}

/// psql as somebody else on the console, who says nothing.
fn somebody(stack: &Stack, uid: u32, gid: u32) -> Child {
    let mut psql = Command::new("setpriv");
    psql.args([&format!("--reuid={uid}"), &format!("--regid={gid}")])
        .args([
            "--clear-groups",
            "--pdeathsig=KILL",
            "psql",
            "-XAtq",
            "-d",
            "portcullis",
        ])
        .args(["-p", "6432", "-h"])
        .arg(stack.directory())
        .env("PGUSER", "somebody")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    support::process::spawn(psql).expect("psql")
}

/// The attack: whoever may look took every seat, and nobody could close a session any more.
#[test]
fn who_may_only_look_keeps_no_owner_out() {
    let Some(account) = server_account() else {
        eprintln!("not tried: only root can be somebody else");
        return;
    };
    let viewer = format!(
        "[login.{}]\nkind = \"human\"\ndatabases = [\"app\"]\nconsole = \"viewer\"\n",
        account.name
    );
    let stack = Stack::start(StackOptions {
        policy: format!("{POLICY}\n{viewer}"),
        ..StackOptions::default()
    });
    let session = support::migration::open(&stack, "app");
    std::os::unix::fs::symlink(stack.file("console.sock"), stack.file(".s.PGSQL.6432"))
        .expect("psql's name for it");
    // In the socket's group: root's.
    let mut there: Vec<Child> = (0..40).map(|_| somebody(&stack, account.uid, 0)).collect();
    let (mut seated, mut refused) = (0, 0);
    for psql in &mut there {
        let mut line = b"SHOW VERSION;\n\\echo done\n".to_vec();
        line.push(b'\n');
        let input = psql.stdin.as_mut().expect("a pipe");
        let taken = input.write_all(&line).and_then(|()| input.flush());
        let mut first = [0; 1];
        let output = psql.stdout.as_mut().expect("a pipe");
        match taken.and_then(|()| output.read(&mut first)) {
            Ok(1) => seated += 1,
            _ => refused += 1,
        }
    }
    assert!(
        (1..=16).contains(&seated) && refused > 0,
        "{seated} and {refused}"
    );
    support::migration::close(&stack, &session);
    serves(&stack);
    // What the policy does not grant them they do not get; who is not in the group, nothing at all.
    for mut psql in there {
        let _ = psql.kill();
        let _ = psql.wait();
    }
    for (gid, verb, expected) in [
        (0, "SHUTDOWN;", "permission denied"),
        (
            0,
            "OPEN MIGRATION DATABASE app REASON x;",
            "permission denied",
        ),
        (account.gid, "SHOW VERSION;", "ermission denied"),
    ] {
        // At first the seats may still be those of the ones before.
        wait_until(&format!("{verb} {expected}"), || {
            let mut psql = somebody(&stack, account.uid, gid);
            let mut input = psql.stdin.take().expect("a pipe");
            let _ = input.write_all(verb.as_bytes());
            drop(input);
            let output = psql.wait_with_output().expect("psql ended");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                said.contains(expected) || said.contains("too many"),
                "{verb}: {said}"
            );
            said.contains(expected)
        });
    }
    serves(&stack);
}

#[test]
fn framed_messages_without_end_are_read_in_bounded_memory() {
    let stack = stack();
    let mut stream = connect(&stack);
    stream.write_all(&startup()).expect("taken");
    // Passed over without an answer, for as long as it comes.
    let pass = framed(b'd', &[0; 60_000]);
    for _ in 0..500 {
        stream.write_all(&pass).expect("taken");
    }
    stream.write_all(&query("SHOW VERSION")).expect("taken");
    stream.shutdown(Shutdown::Write).expect("shut");
    assert!(kinds(&messages(&to_end(&mut stream))).ends_with("ZTDCZ"));
    assert!(stack.memory("VmRSS") < 200 << 20);
}
