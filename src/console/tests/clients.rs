//! What any client may send, well-behaved or not.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::{TestConsole, out, psql};
use crate::console::seats::MAX_CONNECTIONS;

#[test]
fn the_extended_protocol_is_refused_and_the_connection_stays_in_step() {
    let console = TestConsole::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(console.directory.path())
            .port(6432)
            .user("root")
            .dbname("portcullis");
        let (client, connection) = config
            .connect(tokio_postgres::NoTls)
            .await
            .expect("connected");
        let connection = tokio::spawn(connection);
        for _ in 0..2 {
            let error = client
                .query("SHOW VERSION", &[])
                .await
                .expect_err("refused");
            let error = error.as_db_error().expect("from the console");
            assert_eq!(error.code().code(), "0A000");
            assert_eq!(
                error.message(),
                "the console speaks the simple query protocol only"
            );
            client.simple_query("SHOW VERSION").await.expect("in step");
        }
        drop(client);
        connection
            .await
            .expect("joined")
            .expect("closed in good order");
    });
}

/// A startup packet for the console.
fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\x02user\0root\0database\0portcullis\0_pq_.what\0on\0\0";
    [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

/// Sends bytes and reads to the end of the connection.
fn exchange(console: &TestConsole, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(&console.socket).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("set");
    stream.write_all(bytes).expect("written");
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Closed with something of ours unread: the kernel says so after the last answer.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => answer,
        end => end.map(|_| answer).expect("closed by the console"),
    }
}

#[test]
fn startup_variants() {
    let console = TestConsole::start();
    let terminate = b"X\0\0\0\x04";
    let ssl = b"\0\0\0\x08\x04\xd2\x16\x2f";
    let answer = exchange(&console, &[&ssl[..], &startup(), terminate].concat());
    assert_eq!(answer[0], b'N');
    // NegotiateProtocolVersion: 3.0, and the option that nobody here knows.
    assert!(
        answer[1..].starts_with(b"v\0\0\0\x16\0\0\0\0\0\0\0\x01_pq_.what\0R"),
        "{answer:?}"
    );
    assert!(answer.ends_with(b"Z\0\0\0\x05I"));
    assert_eq!(
        exchange(&console, b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02"),
        b"",
        "a cancel request gets no answer"
    );
    let four = exchange(&console, &ssl.repeat(3));
    assert!(four.starts_with(b"NNNE"), "{four:?}");
}

#[test]
fn broken_clients_are_told_and_dropped() {
    let console = TestConsole::start();
    for bytes in [
        &b"\xff\xff\xff\xff"[..],
        b"\0\0\x27\x11",
        b"GET / HTTP/1.1\r\n\r\n",
        &[&startup()[..], b"Q\xff\xff\xff\xff"].concat(),
        &[&startup()[..], b"Q\0\0\0\x06AB"].concat(),
        &[&startup()[..], b"!\0\0\0\x04"].concat(),
    ] {
        let answer = exchange(&console, bytes);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("SFATAL\0VFATAL\0C08P01\0M"), "{text:?}");
    }
    out(&psql(&console, &["-c", "SHOW VERSION"]));
}

#[test]
fn a_token_that_nobody_takes_opens_nothing() {
    let console = TestConsole::start();
    let verb = b"OPEN MIGRATION DATABASE shop REASON x\0";
    let query = [&b"Q"[..], &(verb.len() as u32 + 4).to_be_bytes(), verb].concat();
    let mut stream = UnixStream::connect(&console.socket).expect("connected");
    stream
        .write_all(&[&startup()[..], &query].concat())
        .expect("written");
    drop(stream);
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(20));
        let listed = out(&psql(&console, &["-At", "-c", "SHOW MIGRATIONS"]));
        // Gone before the verb was read, or after: never left open.
        if listed.is_empty() || listed.contains("|closed|0||") {
            return;
        }
    }
    panic!("the session is still open");
}

#[test]
fn the_33rd_connection_is_turned_away() {
    let console = TestConsole::start();
    let mut seated: Vec<UnixStream> = (0..MAX_CONNECTIONS)
        .map(|_| {
            let mut stream = UnixStream::connect(&console.socket).expect("connected");
            stream.write_all(&startup()).expect("written");
            assert!(stream.read(&mut [0]).expect("an answer") == 1);
            stream
        })
        .collect();
    let answer = exchange(&console, b"");
    assert!(
        String::from_utf8_lossy(&answer).contains("C53300\0Mtoo many connections to the console")
    );
    seated.pop();
    for _ in 0..100 {
        if psql(&console, &["-c", "SHOW VERSION"]).status.success() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the seat is not free again");
}
