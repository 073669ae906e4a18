//! SASL messages that a client should not send: refused once, and nobody is let in. What a refusal takes.

mod support;

use std::time::{Duration, Instant};

use support::shared::stack;
use support::{Login, Transport, Wire, message};

/// A connection that has been asked for SASL.
fn asked(login: &Login) -> Wire {
    ask(
        Wire::open_with(login.port, Transport::SslRequest, &login.sslrootcert),
        login,
    )
}

fn ask(mut wire: Wire, login: &Login) -> Wire {
    let parameters = [("user", &*login.user), ("database", &*login.database)];
    wire.send(&message::startup((3, 0), &parameters));
    let offer = wire.receive().expect("an offer");
    assert!(
        offer
            .body
            .ends_with(b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
    );
    wire
}

fn initial(mechanism: &str, data: &str) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("short").to_be_bytes();
    let body = [mechanism.as_bytes(), b"\0", &length, data.as_bytes()].concat();
    message::framed(b'p', &body)
}

/// At most one FATAL, and the end: no AuthenticationOk.
#[track_caller]
fn turned_away(mut wire: Wire, what: &str) {
    let answer = wire.receive_to_end();
    match answer.as_slice() {
        [] => {}
        [error] if error.kind == b'E' => {
            assert_eq!(error.field(b'S').as_deref(), Some("FATAL"), "{what}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn first_messages_that_lie_are_refused() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let plain = "SCRAM-SHA-256";
    let plus = "SCRAM-SHA-256-PLUS";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a query", message::query("SELECT 1")),
        ("a length below 4", b"p\0\0\0\x03".to_vec()),
        ("a negative length", b"p\xff\xff\xff\xff".to_vec()),
        ("64 MB announced", b"p\x04\0\0\0".to_vec()),
        ("1 MB", message::framed(b'p', &vec![b'x'; 1 << 20])),
        ("nothing", message::framed(b'p', b"")),
        ("a password", message::framed(b'p', b"secret\0")),
        (
            "an unknown mechanism",
            initial("SCRAM-SHA-1", "n,,n=,r=abc"),
        ),
        ("no user data", initial(plain, "")),
        ("no nonce", initial(plain, "n,,n=,r=")),
        (
            "an authorization identity",
            initial(plain, "n,a=other,n=,r=abc"),
        ),
        (
            "an extension that must be understood",
            initial(plain, "n,,m=x,n=,r=abc"),
        ),
        // What somebody in between makes of a client that could bind the channel.
        ("PLUS stripped", initial(plain, "y,,n=,r=abcdefgh")),
        (
            "binding named without PLUS",
            initial(plain, "p=tls-server-end-point,,n=,r=abcdefgh"),
        ),
        ("PLUS without binding", initial(plus, "n,,n=,r=abcdefgh")),
        (
            "PLUS with another binding",
            initial(plus, "p=tls-unique,,n=,r=abcdefgh"),
        ),
        ("a length that lies", {
            let body = [plain.as_bytes(), b"\0", &[0, 0, 0, 200], b"n,,n=,r=abc"].concat();
            message::framed(b'p', &body)
        }),
    ];
    for (what, sent) in cases {
        let mut wire = asked(&login);
        // It may have closed before it has read everything.
        let _ = wire.try_send(&sent);
        turned_away(wire, what);
    }
}

#[test]
fn final_messages_that_lie_are_refused() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let proof = format!("p={}=", "A".repeat(43));
    /// Makes the message from the nonce and a proof.
    type Make = fn(&str, &str) -> String;
    let finals: [(&str, Make); 6] = [
        ("another nonce", |_, proof| {
            format!("c=biws,r=abcdefgh,{proof}")
        }),
        ("another binding", |nonce, proof| {
            format!("c=eSws,{nonce},{proof}")
        }),
        ("no proof", |nonce, _| format!("c=biws,{nonce}")),
        ("a short proof", |nonce, _| format!("c=biws,{nonce},p=AAAA")),
        ("a wrong proof", |nonce, proof| {
            format!("c=biws,{nonce},{proof}")
        }),
        ("nothing", |_, _| String::new()),
    ];
    for (what, make) in finals {
        let mut wire = asked(&login);
        wire.send(&initial("SCRAM-SHA-256", "n,,n=,r=abcdefgh"));
        let challenge = wire.receive().expect("a challenge").body;
        let challenge = String::from_utf8_lossy(&challenge[4..]).into_owned();
        let nonce = challenge.split(',').next().expect("a nonce");
        wire.send(&message::framed(b'p', make(nonce, &proof).as_bytes()));
        turned_away(wire, what);
    }
}

/// From the startup packet to the refusal of a wrong proof, which is the same one for everybody.
fn refusal_time(login: &Login) -> Duration {
    let wire = Wire::open_with(login.port, Transport::SslRequest, &login.sslrootcert);
    let begun = Instant::now();
    let mut wire = ask(wire, login);
    wire.send(&initial("SCRAM-SHA-256", "n,,n=,r=abcdefgh"));
    let challenge = wire.receive().expect("a challenge").body;
    let challenge = String::from_utf8_lossy(&challenge[4..]).into_owned();
    let nonce = challenge.split(',').next().expect("a nonce");
    let proof = format!("c=biws,{nonce},p={}=", "A".repeat(43));
    wire.send(&message::framed(b'p', proof.as_bytes()));
    let error = wire.receive().expect("a refusal");
    let time = begun.elapsed();
    assert_eq!(error.sqlstate(), "28P01");
    time
}

/// Of the processor, that is, and as far as a busy machine shows: work for one of them alone, as keys derived from a
/// password, is seen. A name of the same length, and they take turns.
#[test]
fn the_time_of_a_refusal_does_not_tell_an_unknown_user() {
    let stack = stack();
    let known = stack.login("shop_plain", "app");
    let unknown = Login {
        user: "shop_plaim".into(),
        ..known.clone()
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..200 {
        for (login, times) in [&known, &unknown].into_iter().zip(&mut times) {
            times.push(refusal_time(login));
        }
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    let ratio = medians[1] / medians[0];
    eprintln!("a refusal takes {medians:?} s, ratio {ratio:.3}");
    assert!((0.7..1.4).contains(&ratio), "{medians:?} s");
}
