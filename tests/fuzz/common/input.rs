//! A conversation as a string of bytes that can be mutated: who asks, then acts; each act is a byte
//! for its kind, for the sending ones two bytes for a length, and the bytes sent.

// Every target compiles this module and uses its own part of it.
#![allow(dead_code)]

use crate::conversing::who::Login;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub enum Act<'a> {
    /// The client sends.
    Client(&'a [u8]),
    /// The server sends whatever it likes.
    Server(&'a [u8]),
    /// The server answers everything it has got.
    Answers,
    /// The migration session ends.
    MigrationEnds,
}

/// Reads an input; every string of bytes is one.
pub fn read(input: &[u8]) -> (Login, Vec<Act<'_>>) {
    let (who, mut rest) = input.split_first().unwrap_or((&0, &[]));
    let all = [Login::Zoned, Login::Plain, Login::Migrator, Login::Chooser];
    let login = all[usize::from(who % 4)];
    let mut acts = Vec::new();
    while let Some((kind, tail)) = rest.split_first() {
        rest = tail;
        let act = match kind % 4 {
            2 => Act::Answers,
            3 => Act::MigrationEnds,
            kind => {
                let Some((length, tail)) = rest.split_first_chunk::<2>() else {
                    break;
                };
                let length = usize::from(u16::from_le_bytes(*length)).min(tail.len());
                let (bytes, tail) = tail.split_at(length);
                rest = tail;
                if kind == 0 {
                    Act::Client(bytes)
                } else {
                    Act::Server(bytes)
                }
            }
        };
        acts.push(act);
    }
    (login, acts)
}

/// Writes an input.
pub fn write(login: u8, acts: &[Act<'_>]) -> Vec<u8> {
    let mut input = vec![login];
    for act in acts {
        let (kind, bytes): (u8, &[u8]) = match act {
            Act::Client(bytes) => (0, bytes),
            Act::Server(bytes) => (1, bytes),
            Act::Answers => (2, &[]),
            Act::MigrationEnds => (3, &[]),
        };
        input.push(kind);
        if kind < 2 {
            let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
            input.extend(length.to_le_bytes());
            input.extend(&bytes[..usize::from(length)]);
        }
    }
    input
}
