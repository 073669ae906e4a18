//! A conversation that is had: with what its input says, and in one piece or cut.
// Each target compiles this module and uses its own part of it.
#![allow(dead_code)]

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
