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
use portcullis::policy::{Chosen, State, Verdict, decide};
use portcullis::sql::{Facts, ParameterUse, describe};

/// Output is at most this many times the input: the longest answer to the shortest message is a
/// refusal of about 500 bytes to a message of 5.
const MOST: usize = 128;

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
        let text = text.strip_prefix(b"select where false;").unwrap_or(text);
        let mut facts = describe(&as_sent(text));
        if frame.kind == b'P' {
            named_later(&mut facts);
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

/// What the client has sent: a third argument of `set_config` that is bound is as it was.
fn as_sent(text: &[u8]) -> Vec<u8> {
    const INSERTED: &[u8] = b"(true or ";
    let mut sent = Vec::new();
    let mut rest = text;
    while let Some(byte) = rest.first() {
        sent.push(*byte);
        rest = rest.strip_prefix(INSERTED).unwrap_or(&rest[1..]);
    }
    sent
}

/// Parameters whose names are bound, or for how long they are set, are judged when that is bound; zones are looked at
/// by a target of their own.
fn named_later(facts: &mut Facts) {
    let Some(statement) = facts.statements.first_mut() else {
        return;
    };
    let bound = statement.details.bound.take();
    let bound = bound.iter().flat_map(|it| it.0.iter());
    let later = bound.filter(|it| it.name.is_some() || it.local.is_some());
    let later: Vec<(usize, bool)> = later
        .map(|it| (usize::from(it.touch), it.local.is_some()))
        .collect();
    let mut at = 0;
    statement.parameters.retain(|touch| {
        let mut of_it = later.iter().filter(|(place, _)| *place == at);
        let is_later = of_it.any(|(_, how)| *how || touch.how == ParameterUse::Local);
        at += 1;
        !is_later
    });
}
