//! What a server may say that is not so.

use super::liar::{Step, Tell};
use super::support::message::{Message, framed};

/// ReadyForQuery.
pub const READY: &[u8] = b"Z\0\0\0\x05I";

/// Its name, the message in whose place it is told, and what is told.
pub type Lie = (&'static str, Step, Tell);

/// All of them.
pub fn lies() -> Vec<Lie> {
    let anywhere = [Step::Offer, Step::First, Step::Final];
    let mut lies: Vec<Lie> = anywhere.into_iter().flat_map(lengths).collect();
    lies.extend(offers());
    lies.extend([Step::First, Step::Final].into_iter().flat_map(others));
    lies.extend(firsts());
    lies.extend(finals());
    lies.extend(behind());
    lies
}

/// An Authentication message.
fn authentication(code: u32, data: &[u8]) -> Vec<u8> {
    framed(b'R', &[&code.to_be_bytes(), data].concat())
}

/// These bytes.
fn bytes(bytes: Vec<u8>) -> Tell {
    Box::new(move |_| bytes.clone())
}

/// An Authentication message with this text.
fn says(code: u32, text: &str) -> Tell {
    bytes(authentication(code, text.as_bytes()))
}

/// The message with its text changed.
fn text(change: impl Fn(&str) -> String + Send + 'static) -> Tell {
    Box::new(move |message: &Message| {
        let (code, text) = message.body.split_at(4);
        let text = std::str::from_utf8(text).expect("text");
        let told = change(text);
        assert_ne!(told, text, "no lie");
        framed(message.kind, &[code, told.as_bytes()].concat())
    })
}

/// The message with another value of an attribute of SCRAM.
fn with(name: &'static str, value: &'static str) -> Tell {
    text(move |text| {
        let attribute = |part: &str| match part.strip_prefix(name) {
            Some(_) => format!("{name}{value}"),
            None => part.to_owned(),
        };
        let parts: Vec<String> = text.split(',').map(attribute).collect();
        parts.join(",")
    })
}

fn come_in() -> Tell {
    bytes([&authentication(0, b""), READY].concat())
}

fn lengths(at: Step) -> Vec<Lie> {
    let more = [&b"R\0\0\0\x40"[..], b"\0\0\0\x0b"].concat();
    vec![
        ("a length below 4", at, bytes(b"R\0\0\0\x03".to_vec())),
        (
            "a negative length",
            at,
            bytes(b"R\xff\xff\xff\xff".to_vec()),
        ),
        (
            "2 GB announced",
            at,
            bytes(b"R\x7f\xff\xff\xff\0\0\0\x0b".to_vec()),
        ),
        ("1 MB", at, bytes(authentication(11, &vec![b'r'; 1 << 20]))),
        ("more announced than comes", at, bytes(more)),
        ("half a code", at, bytes(framed(b'R', b"\0\0"))),
    ]
}

fn offers() -> Vec<Lie> {
    let at = Step::Offer;
    vec![
        ("come in", at, come_in()),
        ("the password, please", at, says(3, "")),
        ("MD5", at, says(5, "salt")),
        ("GSSAPI", at, says(7, "")),
        ("an unknown way", at, says(99, "")),
        ("another mechanism", at, says(10, "SCRAM-SHA-1\0\0")),
        ("no mechanism", at, says(10, "\0")),
        ("ready", at, bytes(READY.to_vec())),
        ("a row", at, bytes(framed(b'D', b"\0\0"))),
    ]
}

/// In the place of a message of SCRAM, another message or another text.
fn others(at: Step) -> Vec<Lie> {
    let no_text = |it: &Message| framed(it.kind, &[&it.body[..4], b"\xff\xfe"].concat());
    vec![
        ("come in", at, come_in()),
        ("the password, please", at, says(3, "")),
        ("the offer again", at, says(10, "SCRAM-SHA-256\0\0")),
        ("ready", at, bytes(READY.to_vec())),
        ("nothing", at, text(|_| String::new())),
        ("no text", at, Box::new(no_text)),
        ("cut short", at, text(|it| it[..it.len() - 9].to_owned())),
    ]
}

/// Who is believed with few iterations, or a nonce that is used twice, gets a proof from which the password is guessed.
fn firsts() -> Vec<Lie> {
    let at = Step::First;
    let extension = |it: &str| format!("m=x,{it}");
    // Of 18 random bytes.
    let ours = |it: &str| format!("{}{}", &it[..26], &it[it.find(",s=").expect("a salt")..]);
    vec![
        ("a nonce of its own", at, with("r=", "abcdefghijklmnop")),
        ("our nonce and nothing behind", at, text(ours)),
        ("no nonce", at, with("r=", "")),
        ("another salt", at, with("s=", "c29tZW90aGVyc2FsdA==")),
        ("no salt", at, with("s=", "")),
        ("a salt that is none", at, with("s=", "!!!!")),
        ("one iteration", at, with("i=", "1")),
        ("no iterations", at, with("i=", "0")),
        ("iterations for hours", at, with("i=", "4294967295")),
        ("fewer than none", at, with("i=", "-4096")),
        ("an extension that must be understood", at, text(extension)),
        ("the final message", at, says(12, "v=AAAA")),
    ]
}

fn finals() -> Vec<Lie> {
    let at = Step::Final;
    let none = format!("v={}=", "A".repeat(43));
    let other = |it: &str| {
        let first = if &it[2..3] == "A" { "B" } else { "A" };
        format!("v={first}{}", &it[3..])
    };
    vec![
        ("a signature of nothing", at, says(12, &none)),
        ("one letter of the signature", at, text(other)),
        ("a short signature", at, says(12, "v=AAAA")),
        ("an error of its own", at, says(12, "e=other-error")),
        ("the first message again", at, says(11, "r=a,s=YQ==,i=4096")),
    ]
}

fn behind() -> Vec<Lie> {
    let twice = [&authentication(0, b""), READY].concat();
    vec![
        ("the password after all", Step::In, says(3, "")),
        (
            "the offer once more",
            Step::In,
            says(10, "SCRAM-SHA-256\0\0"),
        ),
        ("ready without letting in", Step::In, bytes(READY.to_vec())),
        ("let in twice", Step::Ready, bytes(twice)),
        ("asked for the password when in", Step::Key, says(3, "")),
    ]
}
