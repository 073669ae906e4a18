//! What the server says about a text, with positions counted in the client's own.

use super::Conversation;
use super::in_flight::Expected;
use super::reading::{Move, moved};
use super::server::{MAX_ERROR, Step};
use super::splice::Splice;
use crate::protocol::error_fields;
use crate::protocol::frame::Header;
use crate::zone::QUERY_GUARD;

impl Conversation {
    pub(super) fn move_position_in_plan(
        &self,
        header: Header,
        bytes: &[u8],
        out: &mut Splice<'_>,
    ) -> Step {
        move_position_by(self.moves_in_plan(), header, bytes, out)
    }

    /// A simple Query failed; ReadyForQuery follows.
    pub(super) fn query_failed(
        &mut self,
        head: Expected,
        header: Header,
        bytes: &[u8],
        out: &mut Splice<'_>,
    ) -> Step {
        self.copy_ended();
        // What stands ahead of it without Sync fails with it.
        self.query_undoes();
        if self.leaves_out() {
            match head.is_planned() {
                true => self.in_flight.replace_head(Expected::Planned),
                false => self.in_flight.replace_head(Expected::Guarded),
            }
            return Step::Swallow;
        }
        match head {
            Expected::GuardedRow | Expected::GuardedTag | Expected::Guarded => {
                self.in_flight.replace_head(Expected::Guarded);
                move_position(header, bytes, out)
            }
            Expected::DeallocatingQuery => {
                drop(self.in_flight.deallocated());
                Step::Carry
            }
            Expected::Planned | Expected::PlannedOwn => {
                let step = self.move_position_in_plan(header, bytes, out);
                if !matches!(step, Step::More) {
                    self.in_flight.replace_head(Expected::Planned);
                }
                step
            }
            _ => Step::Carry,
        }
    }
}

/// What the guard of a Query is ahead of the client's text.
const GUARD: [Move; 1] = [(0, QUERY_GUARD.len() as u32)];

/// Puts an error or notice out with its position counted in the client's own text.
pub(super) fn move_position(header: Header, bytes: &[u8], out: &mut Splice<'_>) -> Step {
    move_position_by(&GUARD, header, bytes, out)
}

/// The same for what was inserted elsewhere. Very long ones are put out as they come.
pub(super) fn move_position_by(
    moves: &[Move],
    header: Header,
    bytes: &[u8],
    out: &mut Splice<'_>,
) -> Step {
    if header.total > MAX_ERROR {
        return Step::Moving(Box::new(Moving {
            moves: moves.into(),
            field: Field::Kind,
        }));
    }
    let Some(message) = bytes.get(..header.total) else {
        return Step::More;
    };
    error_fields::put_moved(out.insert(), message, |position| moved(moves, position));
    Step::Replaced
}

/// An ErrorResponse or NoticeResponse whose position is moved while it is carried: it is too long to be
/// held. Its length has been told before its position is known, so the length must stay: a number that is
/// shorter gets zeros ahead, and one that has no place in the client's text goes as a field that nobody knows.
#[derive(Debug)]
pub(super) struct Moving {
    moves: Box<[Move]>,
    field: Field,
}

/// Where in the fields what comes next is.
#[derive(Debug)]
enum Field {
    /// The byte that says which field it is.
    Kind,
    /// A value that goes out as it is.
    Value,
    /// A position, of which these digits were held back.
    Position([u8; MAX_DIGITS], usize),
    /// Behind the last field.
    End,
}

/// Of the largest position.
const MAX_DIGITS: usize = 10;
/// PostgreSQL's fields are letters; whoever does not know one has to skip it.
const NO_FIELD: u8 = b'_';

impl Moving {
    /// More of the message's body.
    pub fn put(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = bytes.split_first() {
            let mut taken = 1;
            match (&mut self.field, byte) {
                (Field::Kind, b'P') => self.field = Field::Position([0; MAX_DIGITS], 0),
                (Field::Kind, kind) => {
                    out.push(kind);
                    self.field = match kind {
                        0 => Field::End,
                        _ => Field::Value,
                    };
                }
                (Field::Value, _) => {
                    let end = bytes.iter().position(|byte| *byte == 0);
                    taken = end.map_or(bytes.len(), |end| end + 1);
                    out.extend_from_slice(&bytes[..taken]);
                    if end.is_some() {
                        self.field = Field::Kind;
                    }
                }
                (Field::Position(digits, length), b'0'..=b'9') if *length < MAX_DIGITS => {
                    digits[*length] = byte;
                    *length += 1;
                }
                (Field::Position(digits, length), 0) => {
                    put_position(&digits[..*length], &self.moves, out);
                    self.field = Field::Kind;
                }
                // It is none.
                (Field::Position(..), _) => {
                    self.let_go(out);
                    self.field = Field::Value;
                    taken = 0;
                }
                (Field::End, _) => {
                    taken = bytes.len();
                    out.extend_from_slice(bytes);
                }
            }
            bytes = match taken {
                1 => rest,
                _ => &bytes[taken..],
            };
        }
    }

    /// The message is over, wherever in its fields that is.
    pub fn let_go(&mut self, out: &mut Vec<u8>) {
        if let Field::Position(digits, length) = &self.field {
            out.push(b'P');
            out.extend_from_slice(&digits[..*length]);
        }
        self.field = Field::End;
    }
}

fn put_position(digits: &[u8], moves: &[Move], out: &mut Vec<u8>) {
    let position = std::str::from_utf8(digits).ok();
    let position = position.and_then(|digits| digits.parse().ok());
    let place = position.map(|position| moved(moves, position));
    let before = out.len();
    match place {
        Some(Some(moved)) => {
            out.push(b'P');
            let number = moved.to_string();
            let zeros = digits.len().saturating_sub(number.len());
            out.resize(out.len() + zeros, b'0');
            out.extend_from_slice(number.as_bytes());
        }
        Some(None) => {
            out.push(NO_FIELD);
            out.extend_from_slice(digits);
        }
        None => {
            out.push(b'P');
            out.extend_from_slice(digits);
        }
    }
    out.push(0);
    debug_assert_eq!(out.len() - before, digits.len() + 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put out in two pieces, cut at every place; each time it is the same.
    fn put(body: &[u8]) -> Vec<u8> {
        let cut_at = |at: usize| {
            let mut moving = Moving {
                moves: GUARD.into(),
                field: Field::Kind,
            };
            let mut out = Vec::new();
            moving.put(&body[..at], &mut out);
            moving.put(&body[at..], &mut out);
            moving.let_go(&mut out);
            assert_eq!(out.len(), body.len(), "its length has been told");
            out
        };
        let whole = cut_at(0);
        for at in 1..=body.len() {
            assert_eq!(cut_at(at), whole, "cut at {at}");
        }
        whole
    }

    #[test]
    fn the_position_of_a_long_one_moves_and_its_length_does_not() {
        for (body, expected) in [
            (
                &b"SERROR\0MP25\0P25\0Fx.c\0\0"[..],
                &b"SERROR\0MP25\0P06\0Fx.c\0\0"[..],
            ),
            (b"C42601\0P119\0\0", b"C42601\0P100\0\0"),
            // In what the client has not sent.
            (b"P19\0C42601\0\0", b"_19\0C42601\0\0"),
            (b"p25\0W P25\0\0", b"p25\0W P25\0\0"),
        ] {
            assert_eq!(put(body), expected);
        }
        for odd in [
            &b""[..],
            b"P",
            b"P2",
            b"P25",
            b"P\0\0",
            b"Pat 25\0\0",
            b"P2x5\0\0",
            b"P9999999999\0\0",
            b"P12345678901\0\0",
            b"C42601\0\0P25\0\0",
            b"C426",
        ] {
            assert_eq!(put(odd), odd);
        }
    }
}
