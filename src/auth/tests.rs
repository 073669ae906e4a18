//! Whatever arrives: nothing panics, nothing loops.

use super::keys::ServerKeys;
use super::scram::{ClientExchange, Keys, MECHANISM, MECHANISM_PLUS, ServerExchange};
use super::userlist::Userlist;

/// Texts of up to 40 of these pieces, by xorshift: the same ones in each run.
fn texts(pieces: &'static [&'static str], seed: u64) -> impl Iterator<Item = String> {
    let mut state = seed;
    let mut next = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    std::iter::repeat_with(move || {
        let length = next(40);
        (0..length).map(|_| pieces[next(pieces.len())]).collect()
    })
}

#[test]
fn any_text_is_read_as_a_file_or_refused() {
    let pieces = &[
        "\"",
        "\"\"",
        "\" \"",
        ";",
        "\n",
        " ",
        "a",
        "\u{e9}",
        "\0",
        "\r",
        "$",
        ":",
        "md5",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256-KEYS$",
        "4096",
        "QUJD",
        "=",
    ];
    for text in texts(pieces, 0x9E37_79B9).take(50_000) {
        let list = Userlist::parse(&text);
        assert!(list.users.is_empty(), "{text:?}");
        let keys = ServerKeys::parse(&text);
        assert!(keys.is_err() || keys.is_ok_and(|keys| keys.roles().is_empty()));
    }
}

#[test]
fn any_message_ends_an_exchange_or_continues_it() {
    let pieces = &[
        "n,,",
        "y,,",
        "p=tls-server-end-point,,",
        "n=",
        "r=",
        "c=",
        "s=",
        "i=",
        "v=",
        "e=",
        "m=",
        "p=",
        ",",
        "=",
        "abc",
        "biws",
        "4096",
        "BwcH",
        "AwMDAwMDAwMDAwMDAwMDAwMDAwMD",
        "\u{e9}",
    ];
    let keys = Keys::derive("pencil", b"salt", 1);
    let server = || ServerExchange::new(keys.verifier(), true, Some(vec![1; 32]), true, [7; 18]);
    for text in texts(pieces, 0x2545_F491).take(50_000) {
        let message = text.as_bytes();
        for mechanism in [MECHANISM, MECHANISM_PLUS] {
            let _ = server().first(mechanism, message);
        }
        let (waiting, _) = server().first(MECHANISM, b"n,,n=,r=abc").unwrap();
        assert!(waiting.finish(message).is_err(), "{text}");
        let (client, _) = ClientExchange::new(&keys, [3; 18]);
        let first = format!("r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=c2FsdA==,i=1,{text}");
        let _ = client.server_first(first.as_bytes());
        let (client, _) = ClientExchange::new(&keys, [3; 18]);
        let (client, _) = client.server_first(&first.as_bytes()[..42]).unwrap();
        assert!(client.server_final(message).is_err(), "{text}");
    }
}
