//! A conversation that is had: with what its input says, and in one piece or cut.
// Each target compiles this module and uses its own part of it.
#![allow(dead_code)]

use std::ops::Range;

use crate::conversing::driver::Driver;
use crate::conversing::frames;
use crate::conversing::server::{Place, Server};
use crate::conversing::who::Login;
use crate::input::Act;

/// A conversation that was had.
pub struct Played {
    pub driver: Driver,
    /// Bytes that either side sent.
    pub input: usize,
    /// Bytes to the server when the migration session ended.
    pub ended_at: usize,
}

pub fn play(login: Login, acts: &[Act<'_>], cut: usize) -> Played {
    let mut driver = Driver::new(login);
    let mut server = Server::new(Place::Behind, login);
    let (mut asked, mut answered) = (0, 0);
    let mut unread = Unread::new(acts);
    let mut input = 0;
    let mut ended_at = usize::MAX;
    for act in acts {
        match act {
            Act::Client(bytes) => {
                input += bytes.len();
                unread.bytes.extend_from_slice(bytes);
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

fn send(driver: &mut Driver, bytes: &[u8], unread: &mut Unread, cut: usize) {
    for chunk in bytes.chunks(cut.min(bytes.len().max(1))) {
        driver.server_sends(chunk);
        read_client(driver, unread, cut);
    }
}

fn read_client(driver: &mut Driver, unread: &mut Unread, cut: usize) {
    while !unread.bytes.is_empty() && driver.reads_client() {
        let chunk = unread.next(cut);
        driver.client_sends(&chunk);
    }
}

/// What the client has sent and nobody has read.
struct Unread {
    bytes: Vec<u8>,
    /// How much was read before.
    at: usize,
    /// What is not cut: each Bind with the Describe behind it. Whether that is there already decides if the statement is
    /// described once more ahead of the Bind, so the server may be sent other bytes.
    whole: Vec<Range<usize>>,
}

impl Unread {
    fn new(acts: &[Act<'_>]) -> Self {
        let client = acts.iter().filter_map(|act| match act {
            Act::Client(bytes) => Some(*bytes),
            _ => None,
        });
        let all = client.collect::<Vec<_>>().concat();
        let mut whole = Vec::new();
        let (mut at, mut bind) = (0, None);
        for frame in frames::split(&all).0 {
            let end = at + frame.bytes.len();
            if let (Some(start), b'D') = (bind, frame.kind) {
                whole.push(start..end);
            }
            bind = (frame.kind == b'B').then_some(at);
            at = end;
        }
        Self {
            bytes: Vec::new(),
            at: 0,
            whole,
        }
    }

    fn next(&mut self, cut: usize) -> Vec<u8> {
        let mut end = self.at.saturating_add(cut);
        let inside = |it: &&Range<usize>| it.start < end && end < it.end;
        end = self.whole.iter().find(inside).map_or(end, |it| it.end);
        let length = (end - self.at).min(self.bytes.len());
        self.at += length;
        self.bytes.drain(..length).collect()
    }
}

/// The same bytes come out however they went in.
pub fn check_same(whole: &Played, cut: &Played) {
    same_bytes(&whole.driver.to_server, &cut.driver.to_server, whole, cut);
    same_bytes(&whole.driver.to_client, &cut.driver.to_client, whole, cut);
}

/// Where the connection ended in the middle, as far as both got.
fn same_bytes(one: &[u8], other: &[u8], whole: &Played, cut: &Played) {
    let ended = whole.driver.fatal.is_some();
    assert_eq!(ended, cut.driver.fatal.is_some());
    let length = if ended {
        one.len().min(other.len())
    } else {
        one.len().max(other.len())
    };
    assert_eq!(one.get(..length), other.get(..length));
}
