//! The state machine of a connection, between a client and a server that send what they like.
#![no_main]

#[path = "../../conversing/mod.rs"]
mod conversing;
#[path = "../common/input.rs"]
mod input;
#[path = "../common/play.rs"]
mod play;
#[path = "../common/seeds.rs"]
mod seeds;

use conversing::frames;
use conversing::who::{Login, PREFIX_NAME};
use play::{Played, check_same, play};
use portcullis::conversation::{Types, without_what_is_bound};
use portcullis::policy::{Chosen, State, Verdict, decide};
use portcullis::sql::describe;

/// Output is at most this many times the input: the longest answer to the shortest message is a
/// refusal of about 500 bytes to a message of 5.
const MOST: usize = 128;

/// The types of a Parse that declares none.
const NO_TYPES: Types<'_> = Types {
    all: &[0, 0],
    remembered: true,
};

libfuzzer_sys::fuzz_target!(
    init: seeds::write(|scripts| {
        let transcripts = scripts.iter().flat_map(seeds::conversations);
        transcripts.chain(seeds::choosers()).collect()
    }),
    |bytes: &[u8]| {
        let (login, acts) = input::read(bytes);
        let whole = play(login, &acts, usize::MAX);
        for (output, name) in [(&whole.driver.to_server, "server"), (&whole.driver.to_client, "client")] {
            assert!(output.len() <= MOST * whole.input + 1024, "too much to the {name}");
        }
        check_texts(&whole, login);
        let cut = play(login, &acts, 1 + bytes.len() % 7);
        check_same(&whole, &cut);
    }
);

/// What is said behind a RESET of the zone, to a client that has begun with none.
const BEHIND_RESET: &[u8] = b";select pg_catalog.set_config('app.tenant_id','',true)";

/// Every text that reached the server is judged once more: none may be one that is refused.
fn check_texts(played: &Played, login: Login) {
    let who = login.who();
    let (frames, _) = frames::split(&played.driver.to_server);
    let mut at = 0;
    for frame in frames {
        let migration_open = login == Login::Migrator && at < played.ended_at;
        at += frame.bytes.len();
        let mut strings = frame.body.split(|byte| *byte == 0);
        let text = match frame.kind {
            b'Q' => strings.next(),
            b'P' if frame.body.starts_with(PREFIX_NAME.as_bytes()) => continue,
            b'P' => strings.nth(1),
            b'F' => panic!("a FunctionCall reached the server"),
            _ => continue,
        };
        let text = text.expect("a text");
        if frame.kind == b'P' && text == &BEHIND_RESET[1..] {
            continue;
        }
        let text = text.strip_prefix(b"select where false;").unwrap_or(text);
        let mut facts = describe(&as_sent(text));
        if frame.kind == b'P' {
            // What is bound is judged when it is; zones are looked at by a target of their own.
            facts = without_what_is_bound(&facts, NO_TYPES, &who).unwrap_or(facts);
        }
        let verdict = decide(
            &facts,
            &who,
            State {
                migration_open,
                chosen: Chosen::Yes,
                ..State::default()
            },
        )
        .verdict;
        assert_eq!(
            verdict,
            Verdict::Allow,
            "a refused text reached the server: {}",
            text.escape_ascii()
        );
    }
}

/// What the client has sent: a third argument of `set_config` that is bound is as it was, and so is a second one that
/// may be NULL; and nothing stands behind a RESET of the zone.
fn as_sent(text: &[u8]) -> Vec<u8> {
    const MADE: [(&[u8], &[u8]); 4] = [
        (b"(true or ", b"("),
        (b"coalesce(", b""),
        (b",'')", b""),
        (BEHIND_RESET, b""),
    ];
    let mut sent = Vec::new();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        let made = MADE
            .iter()
            .find_map(|(made, was)| Some((*was, rest.strip_prefix(*made)?)));
        let (was, behind) = made.unwrap_or((std::slice::from_ref(byte), behind));
        sent.extend_from_slice(was);
        rest = behind;
    }
    sent
}
