//! What a client was told about a statement, and whether it is still true.
//!
//! A client decodes rows and encodes parameters by the description that it was given once. PostgreSQL
//! refuses to run a statement whose columns have changed since ("cached plan must not change result
//! type"). A statement that is parsed anew has no past: so it is described, too, and its Bind waits for
//! the answer, which is compared with what the client was told. That costs one round trip to the
//! server in every transaction that uses a statement the client has had described in an earlier one.
//! It is not sent along with the Bind: what the statement writes would be committed by the client's
//! Sync before anybody has looked. Who sends Describe of the portal right behind each Bind, like libpq,
//! pays nothing: no description from before is used then.
//!
//! Parameters are compared as well; PostgreSQL keeps their types, and would run the statement or fail.
//! Descriptions over 32 KB are not compared.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::passing::put_describe;
use super::{Check, Source};
use crate::conversation::Conversation;
use crate::conversation::client::Message;
use crate::conversation::in_flight::Expected;
use crate::conversation::server::{MAX_ERROR, Step};
use crate::protocol::frame::{self, HEADER, Header, cstr};

/// Does Describe of this portal stand behind the Bind? Only then is it known that the client does not
/// rely on what it was told before.
pub fn is_described_next(bind: Message<'_>, portal: &[u8]) -> bool {
    let Some(next) = bind.bytes.get(bind.header.total..) else {
        return false;
    };
    let Ok(Some(header)) = frame::header(next) else {
        return false;
    };
    let body = next.get(HEADER..header.total).unwrap_or_default();
    let name = body
        .strip_prefix(b"P")
        .and_then(|name| name.strip_suffix(b"\0"));
    header.kind == b'D' && name == Some(portal)
}

/// Nothing was said.
const UNKNOWN: u64 = 0;
/// There are none.
const NONE: u64 = 1;

/// Hashes of what a client was told.
#[derive(Debug, Default)]
pub struct Description {
    /// The types of the parameters.
    parameters: AtomicU64,
    /// Names and types of the columns.
    columns: AtomicU64,
}

impl Description {
    fn part(&self, kind: u8) -> &AtomicU64 {
        match kind {
            b't' => &self.parameters,
            _ => &self.columns,
        }
    }

    /// The client is told this: ParameterDescription, RowDescription or NoData.
    pub fn told(&self, kind: u8, body: Option<&[u8]>) {
        self.part(kind).store(hash(kind, body), Relaxed);
    }

    /// Is it what the client was told, if it was told anything?
    pub fn is_same(&self, kind: u8, body: Option<&[u8]>) -> bool {
        let told = self.part(kind).load(Relaxed);
        told == UNKNOWN || told == hash(kind, body)
    }

    /// Could the client go wrong by it? A text without rows has none later, either. `anew`: the columns
    /// are described to it again.
    pub fn is_relied_upon(&self, anew: bool) -> bool {
        self.parameters.load(Relaxed) > NONE || (!anew && self.columns.load(Relaxed) > NONE)
    }
}

fn hash(kind: u8, body: Option<&[u8]>) -> u64 {
    let Some((count, mut rest)) = body.and_then(|body| body.split_first_chunk::<2>()) else {
        return if kind == b'n' { NONE } else { UNKNOWN };
    };
    let mut hasher = DefaultHasher::new();
    if kind == b't' {
        if *count == [0, 0] {
            return NONE;
        }
        hasher.write(rest);
    } else {
        // Name; table, column; type, its length, its modifier; the format, which each Bind chooses.
        while let Some((name, tail)) = cstr(rest) {
            let Some((fields, tail)) = tail.split_first_chunk::<18>() else {
                break;
            };
            hasher.write(name);
            hasher.write_u8(0);
            hasher.write(&fields[6..16]);
            rest = tail;
        }
        hasher.write(count);
    }
    hasher.finish().max(NONE + 1)
}

impl Conversation {
    /// An answer to Describe.
    pub(in crate::conversation) fn described(&mut self, header: Header, bytes: &[u8]) -> Step {
        let own = self.in_flight.head() == Some(Expected::OwnDescribe);
        if self.remembers() && header.total <= MAX_ERROR && bytes.len() < header.total {
            return Step::More;
        }
        let body = bytes.get(HEADER..header.total);
        let body = body.filter(|_| header.total <= MAX_ERROR);
        let kind = header.kind;
        if let Some(source) = self.in_flight.described() {
            if own {
                let same = source.given.is_same(kind, body);
                let there = self.statements.there.as_mut();
                if let Some(there) = there.filter(|it| it.id == source.id) {
                    match (same, kind, there.check) {
                        (false, _, _) => there.check = Check::Changed,
                        (true, b'T' | b'n', Check::Asked) => {
                            there.check = Check::Same;
                            let schema = there.schema;
                            self.is_same_under(schema, source);
                        }
                        (true, _, _) => {}
                    }
                }
            } else {
                source.given.told(kind, body);
            }
        }
        if kind != b't' {
            self.in_flight.pop_described();
        }
        match own {
            true => Step::Swallow,
            false => Step::Carry,
        }
    }

    /// Asks for the description of the server's unnamed statement.
    pub(super) fn ask_for_description(&mut self, out: &mut Vec<u8>, of: &Arc<Source>) {
        put_describe(out);
        self.in_flight
            .push_describe(Expected::OwnDescribe, Some(Arc::clone(of)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(name: &str, table: u8, of: u8, format: u8) -> Vec<u8> {
        let mut body = vec![0, 1];
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&[0, 0, 0, 0, table, 0, 1, 0, 0, 0, of, 0, 4]);
        body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0, format]);
        body
    }

    #[test]
    fn names_and_types_matter_and_nothing_else() {
        let given = Description::default();
        assert!(!given.is_relied_upon(false));
        let told = columns("v", 1, 23, 0);
        given.told(b'T', Some(&told));
        assert!(given.is_relied_upon(false) && !given.is_relied_upon(true));
        assert!(given.is_same(b'T', Some(&told)));
        assert!(given.is_same(b'T', Some(&columns("v", 2, 23, 1))));
        assert!(given.is_same(b't', Some(&[0, 1, 0, 0, 0, 23])), "not told");
        for other in [columns("v", 1, 20, 0), columns("w", 1, 23, 0)] {
            assert!(!given.is_same(b'T', Some(&other)));
        }
        assert!(!given.is_same(b'n', Some(&[])));
        given.told(b't', Some(&[0, 1, 0, 0, 0, 23]));
        assert!(!given.is_same(b't', Some(&[0, 1, 0, 0, 0, 20])));
    }

    #[test]
    fn what_has_neither_rows_nor_parameters_is_not_relied_upon() {
        let given = Description::default();
        given.told(b't', Some(&[0, 0]));
        given.told(b'n', Some(&[]));
        assert!(!given.is_relied_upon(false));
        given.told(b't', Some(&[0, 1, 0, 0, 0, 23]));
        assert!(given.is_relied_upon(true));
    }
}
