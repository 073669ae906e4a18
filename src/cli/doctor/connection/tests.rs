//! Servers that do not play along.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;
use crate::auth::scram::{Keys, ServerExchange};

/// Connects to a server that runs `serve`.
fn connected(
    sslmode: &str,
    serve: impl FnOnce(&mut std::net::TcpStream) + Send + 'static,
) -> Result<Connection, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        serve(&mut stream);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new()); // until the doctor has left
    });
    let text = format!("host=127.0.0.1 port={port} user=me sslmode={sslmode} connect_timeout=5");
    let dsn = Dsn::read(&text, &|name| {
        (name == "PGPASSWORD").then(|| "secret".to_owned())
    });
    Connection::open(&dsn.unwrap())
}

fn answering(bytes: &'static [u8]) -> Cause {
    let opened = connected("disable", move |stream| {
        let _ = stream.write_all(bytes); // the doctor may leave first
    });
    opened.map(drop).expect_err("it must not work").cause
}

#[test]
fn nonsense_is_a_failure_and_no_panic() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"R\0\0\0\x03",
        b"R\xff\xff\xff\xff",
        b"R\0\0\0\x05\0",
        b"R\0\0\0\x08\0\0\0\x63",
        b"E\0\0\0\x06S\0",
        b"K\0\0\0\x06xx",
        b"\0\0\0\0\0\0\0\0",
        b"D\0\0\0\x06\0\0",
    ] {
        assert_eq!(answering(bytes), Cause::Port, "{}", bytes.escape_ascii());
    }
}

#[test]
fn less_than_scram_gets_no_password() {
    assert_eq!(
        answering(b"R\0\0\0\x08\0\0\0\x03"),
        Cause::SslMode,
        "cleartext"
    );
    assert_eq!(
        answering(b"R\0\0\0\x0c\0\0\0\x05salt"),
        Cause::Secret,
        "MD5"
    );
    assert_eq!(answering(b"R\0\0\0\x08\0\0\0\x07"), Cause::Secret, "GSSAPI");
    let unknown = b"R\0\0\0\x10\0\0\0\x0aOTHER\0\0\0";
    assert_eq!(answering(unknown), Cause::Secret, "an unknown mechanism");
}

#[test]
fn tls_that_is_asked_for_is_not_given_up() {
    for mode in ["require", "prefer"] {
        let refused = connected(mode, |stream| {
            stream.read_exact(&mut [0; 8]).unwrap();
            stream
                .write_all(b"NR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")
                .unwrap();
        });
        assert_eq!(refused.is_err(), mode == "require", "{mode}");
    }
}

fn message(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    [b"R", &length.to_be_bytes()[..], &kind.to_be_bytes(), body].concat()
}

/// Reads one message; gives its body.
fn received(stream: &mut std::net::TcpStream) -> Vec<u8> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).unwrap();
    body
}

/// A SCRAM server for the password "secret" whose last messages are made by `last`.
fn scram(last: impl FnOnce(Vec<u8>) -> Vec<u8> + Send + 'static) -> Result<Connection, Failure> {
    connected("disable", move |stream| {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
        stream.read_exact(&mut startup).unwrap();
        stream
            .write_all(&message(10, b"SCRAM-SHA-256\0\0"))
            .unwrap();
        let first = received(stream);
        let verifier = Keys::derive("secret", b"0123456789abcdef", 4096).verifier();
        let server = ServerExchange::new(verifier, true, None, false, [7; 18]);
        let (server, server_first) = server.first(MECHANISM, &first[18..]).unwrap();
        stream.write_all(&message(11, &server_first)).unwrap();
        let server_final = server.finish(&received(stream)).unwrap().server_final;
        let _ = stream.write_all(&last(server_final)); // the doctor may leave first
    })
}

#[test]
fn the_server_has_to_prove_itself() {
    let end = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    let good = scram(|server_final| [&message(12, &server_final)[..], end].concat());
    assert_eq!(
        good.map(|connection| connection.asked).unwrap(),
        Asked::Scram
    );
    let early = scram(|_| end.to_vec());
    assert_eq!(early.map(drop).unwrap_err().cause, Cause::Port);
    let wrong = scram(|mut server_final| {
        server_final[4] ^= 1;
        [&message(12, &server_final)[..], end].concat()
    });
    assert_eq!(wrong.map(drop).unwrap_err().cause, Cause::Secret);
}
