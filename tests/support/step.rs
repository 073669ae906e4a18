//! What a client does step by step, for tests in which something else happens between two of them.

use super::message;

/// Something that a client sends in one piece, and the ReadyForQuery that it is owed then.
pub struct Step {
    pub bytes: Vec<u8>,
    pub owed: usize,
}

pub fn query(sql: &str) -> Step {
    Step {
        bytes: message::query(sql),
        owed: 1,
    }
}

/// Nothing is owed yet.
pub fn part(bytes: &[u8]) -> Step {
    Step {
        bytes: bytes.to_vec(),
        owed: 0,
    }
}

/// Nothing, or the rest of what was sent before; it is answered now.
pub fn last(bytes: &[u8]) -> Step {
    Step {
        bytes: bytes.to_vec(),
        owed: 1,
    }
}

/// With Sync behind it.
pub fn batch(bytes: &[u8]) -> Step {
    last(&[bytes, &message::sync()].concat())
}
