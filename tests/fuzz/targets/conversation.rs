//! The state machine of a connection, between a client and a server that send what they like.
#![no_main]

#[path = "../../conversing/mod.rs"]
mod conversing;
#[path = "../common/input.rs"]
mod input;
#[path = "../common/seeds.rs"]
mod seeds;

use conversing::driver::Driver;
use conversing::frames;
use conversing::server::{Place, Server};
use conversing::who::{Login, PREFIX_NAME};
use input::Act;
use portcullis::policy::{State, Verdict, decide};
use portcullis::sql::{Facts, ParameterUse, describe};

/// Output is at most this many times the input: the longest answer to the shortest message is a
/// refusal of about 500 bytes to a message of 5.
const MOST: usize = 128;

libfuzzer_sys::fuzz_target!(
    init: seeds::write(|scripts| scripts.iter().flat_map(seeds::conversations).collect()),
    |bytes: &[u8]| {
        let (login, acts) = input::read(bytes);
        let whole = play(login, &acts, usize::MAX);
        for (output, name) in [(&whole.driver.to_server, "server"), (&whole.driver.to_client, "client")] {
            assert!(output.len() <= MOST * whole.input + 1024, "too much to the {name}");
        }
        check_texts(&whole, login);
        let cut = play(login, &acts, 1 + bytes.len() % 7);
        check_same(&whole.driver.to_server, &cut.driver.to_server, &whole, &cut);
        check_same(&whole.driver.to_client, &cut.driver.to_client, &whole, &cut);
    }
);

/// A conversation that was had.
struct Played {
    driver: Driver,
    /// Bytes that either side sent.
    input: usize,
    /// Bytes to the server when the migration session ended.
    ended_at: usize,
}

fn play(login: Login, acts: &[Act<'_>], cut: usize) -> Played {
    let mut driver = Driver::new(login);
    let mut server = Server::new(Place::Behind, login);
    let (mut asked, mut answered) = (0, 0);
    let mut unread: Vec<u8> = Vec::new();
    let mut input = 0;
    let mut ended_at = usize::MAX;
    for act in acts {
        match act {
            Act::Client(bytes) => {
                input += bytes.len();
                unread.extend_from_slice(bytes);
                read_client(&mut driver, &mut unread, cut);
            }
            Act::Server(bytes) => {
                input += bytes.len();
                // Message by message however it is cut: what a held client is answered without the
                // server must have one place among messages that come unasked.
                let (frames, rest) = frames::split(bytes);
                for part in frames.iter().map(|frame| frame.bytes).chain([rest]) {
                    send(&mut driver, part, &mut unread, cut);
                }
            }
            Act::Answers => {
                server.receive(&driver.to_server[asked..]);
                asked = driver.to_server.len();
                let answers = server.output[answered..].to_vec();
                answered = server.output.len();
                input += answers.len();
                for frame in frames::split(&answers).0 {
                    send(&mut driver, frame.bytes, &mut unread, cut);
                }
            }
            Act::MigrationEnds => {
                driver.migration_open = false;
                ended_at = ended_at.min(driver.to_server.len());
            }
        }
    }
    Played {
        driver,
        input,
        ended_at,
    }
}

fn send(driver: &mut Driver, bytes: &[u8], unread: &mut Vec<u8>, cut: usize) {
    for chunk in bytes.chunks(cut.min(bytes.len().max(1))) {
        driver.server_sends(chunk);
        read_client(driver, unread, cut);
    }
}

fn read_client(driver: &mut Driver, unread: &mut Vec<u8>, cut: usize) {
    while !unread.is_empty() && driver.reads_client() {
        let chunk: Vec<u8> = unread.drain(..cut.min(unread.len())).collect();
        driver.client_sends(&chunk);
    }
}

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
        let mut facts = describe(text);
        if frame.kind == b'P' {
            named_later(&mut facts);
        }
        let verdict = decide(
            &facts,
            &who,
            State {
                migration_open,
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

/// The same bytes come out however they went in; where the connection ended in the middle, as far as
/// both got.
fn check_same(one: &[u8], other: &[u8], whole: &Played, cut: &Played) {
    let ended = whole.driver.fatal.is_some();
    assert_eq!(ended, cut.driver.fatal.is_some());
    let length = if ended {
        one.len().min(other.len())
    } else {
        one.len().max(other.len())
    };
    assert_eq!(one.get(..length), other.get(..length));
}

/// Parameters for one transaction whose names and values are bound are judged when they are bound.
fn named_later(facts: &mut Facts) {
    let Some(statement) = facts.statements.first_mut() else {
        return;
    };
    let bound = statement.details.bound.take();
    let bound = bound.iter().flat_map(|it| it.0.iter());
    let named = bound.filter(|it| it.name.is_some() && it.value.is_some());
    let named: Vec<usize> = named.map(|it| usize::from(it.touch)).collect();
    let mut at = 0;
    statement.parameters.retain(|touch| {
        let is_named = named.contains(&at) && touch.how == ParameterUse::Local;
        at += 1;
        !is_named
    });
}
