//! What is remembered of a Parse, so that it can be said again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::description::Description;
use crate::conversation::injection::PoolName;
use crate::conversation::injection::shared::{ReadUnder, is_marked, mark};
use crate::conversation::reading::{Rewrite, put_rewritten};
use crate::protocol::frame::{self, HEADER, cstr, put_cstr};

/// A Parse that can be said again.
#[derive(Debug, Default)]
pub struct Source {
    /// No two of one connection have the same.
    pub(super) id: u64,
    /// By which the pool knows it, the same or a later one.
    number: AtomicU64,
    /// The whole message, for the server's unnamed statement.
    pub(super) message: Vec<u8>,
    /// A hash of what the client was told of parameters and columns.
    pub(super) given: Description,
    /// By what parameters it was read when it was left to the pool.
    read_under: AtomicU64,
    /// The schema under which it was parsed, or its description last compared.
    version: AtomicU32,
    /// The schema under which it was left to the pool.
    left: AtomicU32,
    /// It has a name, and its text a mark of its own: it is not left to the pool.
    marked: bool,
}

impl Source {
    /// By which the pool knows it: no two of one connection have the same.
    pub fn number(&self) -> u64 {
        self.number.load(Relaxed)
    }

    /// The pool is to know it by another number.
    pub(super) fn renumber(&self, number: u64) {
        self.number.store(number, Relaxed);
    }

    /// What it takes, bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.message.capacity()
    }

    /// Its text, as it goes to the server.
    pub fn text(&self) -> &[u8] {
        parts(&self.message[HEADER..]).map_or(b"", |(_, text, _)| text)
    }

    /// How many types it declares, and these.
    pub fn types(&self) -> &[u8] {
        parts(&self.message[HEADER..]).map_or(&[], |(_, _, types)| types)
    }

    /// Makes it a Parse of this text, in which this changes; `types`: their count and they.
    pub(super) fn fill(
        &mut self,
        id: u64,
        version: u32,
        text: &[u8],
        types: &[u8],
        rewrites: &[Rewrite],
    ) {
        self.id = id;
        self.number = id.into();
        self.version = version.into();
        self.left = version.into();
        self.given = Description::default();
        self.read_under = AtomicU64::default();
        self.marked = false;
        self.message.clear();
        // At once: growing leaves up to as much again unused, in every statement of every client.
        self.message
            .reserve(HEADER + 1 + text.len() + 1 + types.len());
        frame::message(&mut self.message, b'P', |out| {
            out.push(0);
            put_rewritten(out, text, rewrites);
            out.push(0);
            out.extend_from_slice(types);
        });
    }

    /// Appends it as the Parse that is left to the pool, with the mark of what it is read under behind its text.
    pub(super) fn put_marked(
        &self,
        out: &mut Vec<u8>,
        name: PoolName<'_>,
        under: ReadUnder,
        version: u32,
    ) {
        self.is_read_under(under);
        self.left.store(version, Relaxed);
        let Some((_, text, types)) = parts(&self.message[HEADER..]) else {
            return;
        };
        frame::message(out, b'P', |out| {
            name.put(out);
            out.extend_from_slice(text);
            out.extend_from_slice(mark(under, version).as_bytes());
            out.push(0);
            out.extend_from_slice(types);
        });
    }

    /// Looked for once, when it is parsed: a Bind of some bytes must not read a megabyte again.
    pub(super) fn look_for_mark(&mut self) {
        self.marked = is_marked(self.text());
    }

    /// May its text not be left to the pool?
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// It is left to the pool, read by this.
    pub(super) fn is_read_under(&self, under: ReadUnder) {
        self.read_under.store(under, Relaxed);
    }

    /// Its description is what the client was told under this schema.
    pub(super) fn is_of(&self, version: u32) {
        self.version.store(version, Relaxed);
    }

    /// The latest schema under which that is known.
    pub(super) fn version(&self) -> u32 {
        self.version.load(Relaxed)
    }

    /// The schema under which it was left to the pool: no server connection has a plan from before.
    pub(super) fn left(&self) -> u32 {
        self.left.load(Relaxed)
    }

    /// By what it was read when it was left to the pool.
    pub(super) fn read_under(&self) -> ReadUnder {
        self.read_under.load(Relaxed)
    }

    /// The same as [`Source::put_marked`], without a mark, and this changes in its text.
    pub fn put_rewritten(&self, out: &mut Vec<u8>, name: &[u8], rewrites: &[Rewrite]) {
        let Some((_, text, types)) = parts(&self.message[HEADER..]) else {
            return;
        };
        frame::message(out, b'P', |out| {
            put_cstr(out, name);
            put_rewritten(out, text, rewrites);
            out.push(0);
            out.extend_from_slice(types);
        });
    }
}

/// Name, text, and the types with their count, of a Parse's body.
pub fn parts(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = cstr(body)?;
    let (text, types) = cstr(rest)?;
    let (count, each) = types.split_first_chunk::<2>()?;
    (each.len() == 4 * usize::from(u16::from_be_bytes(*count))).then_some((name, text, types))
}
