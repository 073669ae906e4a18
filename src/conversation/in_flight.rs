//! What was sent and is not answered yet, in order. PostgreSQL answers in the order of the
//! messages, so the head of this queue says what the next answer belongs to.

use std::collections::VecDeque;

use super::names::Prepared;
use crate::policy::Refusal;

/// More than this many unanswered messages: the client is not read until some are answered.
pub const MAX_IN_FLIGHT: usize = 65_536;

/// The answer that one sent message will get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// ParseComplete; the head of `parses` becomes known then.
    Parse,
    /// BindComplete; the head of `binds` becomes known then.
    Bind,
    /// RowDescription or NoData.
    Describe,
    /// CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute,
    /// CloseComplete; the head of `closes` becomes unknown then.
    Close,
    /// ReadyForQuery.
    Sync,
    /// Anything up to ReadyForQuery.
    Query,
    /// A Query behind [`crate::zone::QUERY_GUARD`]: the guard's RowDescription is to be swallowed.
    GuardedRow,
    /// The guard's CommandComplete is to be swallowed.
    GuardedTag,
    /// The guard is swallowed; positions are still too large by its length.
    Guarded,
    /// A message that was replaced by Execute of a portal that cannot exist: its error becomes the refusal.
    Refused,
    /// The zone prefix: CloseComplete.
    PrefixClose,
    /// ParseComplete.
    PrefixParse,
    /// BindComplete.
    PrefixBind,
    /// CommandComplete.
    PrefixExecute,
    /// CloseComplete.
    PrefixEnd,
    /// Removal of a failed prefix's name: CloseComplete.
    CleanupClose,
    /// ReadyForQuery.
    CleanupSync,
}

/// The five answers to a zone prefix.
pub const PREFIX: [Expected; 5] = [
    Expected::PrefixClose,
    Expected::PrefixParse,
    Expected::PrefixBind,
    Expected::PrefixExecute,
    Expected::PrefixEnd,
];

impl Expected {
    /// Does ReadyForQuery answer it?
    pub fn ends_batch(self) -> bool {
        matches!(self, Self::Sync | Self::CleanupSync) || self.is_query()
    }

    /// A simple Query in any stage?
    pub fn is_query(self) -> bool {
        matches!(
            self,
            Self::Query | Self::GuardedRow | Self::GuardedTag | Self::Guarded
        )
    }

    /// Part of the zone prefix?
    pub fn is_prefix(self) -> bool {
        PREFIX.contains(&self)
    }
}

/// One entry of the queue.
#[derive(Clone, Copy, Debug)]
struct Entry {
    expected: Expected,
    /// A COPY FROM STDIN: while it runs the server ignores Sync.
    copy_in: bool,
}

/// The queue, and what belongs to its entries.
#[derive(Debug, Default)]
pub struct InFlight {
    queue: VecDeque<Entry>,
    /// One for each [`Expected::Parse`]: the name, and what it will mean.
    parses: VecDeque<(Box<[u8]>, Prepared)>,
    /// One for each [`Expected::Bind`]: the portal's name, and what it will run; `None` if something
    /// sent behind it takes it away.
    binds: VecDeque<(Box<[u8]>, Option<Prepared>)>,
    /// One for each [`Expected::Close`].
    closes: VecDeque<Closing>,
    /// One for each [`Expected::Refused`].
    refusals: VecDeque<Box<Refusal>>,
    copies: usize,
}

/// What a Close names.
#[derive(Debug)]
pub enum Closing {
    /// A prepared statement.
    Statement(Box<[u8]>),
    /// A portal.
    Portal(Box<[u8]>),
}

/// What [`InFlight::skip_batch`] took off the queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Statements that will not run.
    pub executes: usize,
    /// The batch's Sync was sent already: it will be answered.
    pub synced: bool,
}

impl InFlight {
    /// Nothing unanswered?
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Too many to take another message?
    pub fn is_full(&self) -> bool {
        self.queue.len() >= MAX_IN_FLIGHT
    }

    /// What the next answer belongs to.
    pub fn head(&self) -> Option<Expected> {
        self.queue.front().map(|entry| entry.expected)
    }

    /// Is a COPY FROM STDIN unanswered?
    pub fn has_copy_in(&self) -> bool {
        self.copies > 0
    }

    /// The server asks for data: the head is a COPY FROM STDIN, whatever it was taken for.
    pub fn begin_copy(&mut self) {
        if let Some(head) = self.queue.front_mut() {
            self.copies += usize::from(!std::mem::replace(&mut head.copy_in, true));
        }
    }

    /// The COPY FROM STDIN at the head, if it is one, is over before its ReadyForQuery.
    pub fn end_copy(&mut self) {
        if let Some(head) = self.queue.front_mut() {
            self.copies -= usize::from(std::mem::take(&mut head.copy_in));
        }
    }

    /// One more message was sent.
    pub fn push(&mut self, expected: Expected) {
        self.push_statement(expected, false);
    }

    /// A Query or Execute was sent; `copy_in`: of a COPY FROM STDIN.
    pub fn push_statement(&mut self, expected: Expected, copy_in: bool) {
        self.copies += usize::from(copy_in);
        self.queue.push_back(Entry { expected, copy_in });
    }

    /// A Parse was sent.
    pub fn push_parse(&mut self, name: &[u8], prepared: Prepared) {
        self.parses.push_back((name.into(), prepared));
        self.push(Expected::Parse);
    }

    /// A Bind was sent.
    pub fn push_bind(&mut self, portal: &[u8], prepared: Prepared) {
        self.binds.push_back((portal.into(), Some(prepared)));
        self.push(Expected::Bind);
    }

    /// Something else was sent that takes this portal.
    pub fn unbind(&mut self, portal: &[u8]) {
        let taken = self.binds.iter_mut().filter(|(name, _)| **name == *portal);
        taken.for_each(|(_, prepared)| *prepared = None);
    }

    /// A Close was sent.
    pub fn push_close(&mut self, closing: Closing) {
        self.closes.push_back(closing);
        self.push(Expected::Close);
    }

    /// A message was replaced.
    pub fn push_refused(&mut self, refusal: Box<Refusal>) {
        self.refusals.push_back(refusal);
        self.push(Expected::Refused);
    }

    /// The zone prefix was sent.
    pub fn push_prefix(&mut self) {
        PREFIX.into_iter().for_each(|expected| self.push(expected));
    }

    /// The head is answered.
    pub fn pop(&mut self) -> Option<Expected> {
        let head = self.queue.pop_front()?;
        self.copies -= usize::from(head.copy_in);
        Some(head.expected)
    }

    /// The head changes its stage.
    pub fn replace_head(&mut self, stage: Expected) {
        if let Some(head) = self.queue.front_mut() {
            head.expected = stage;
        }
    }

    /// The head's ParseComplete arrived: its name and meaning.
    pub fn parsed(&mut self) -> Option<(Box<[u8]>, Prepared)> {
        self.pop();
        self.parses.pop_front()
    }

    /// The head's BindComplete arrived: the portal's name and what it runs.
    pub fn bound(&mut self) -> Option<(Box<[u8]>, Option<Prepared>)> {
        self.pop();
        self.binds.pop_front()
    }

    /// The head's CloseComplete arrived: what is closed.
    pub fn closed(&mut self) -> Option<Closing> {
        self.pop();
        self.closes.pop_front()
    }

    /// The head's error arrived.
    pub fn refused(&mut self) -> Option<Box<Refusal>> {
        self.pop();
        self.refusals.pop_front()
    }

    /// The server failed a message of an extended batch: everything up to the batch's end is skipped.
    pub fn skip_batch(&mut self) -> Skipped {
        let mut skipped = Skipped::default();
        while let Some(head) = self.head() {
            if head.ends_batch() {
                skipped.synced = true;
                break;
            }
            self.pop();
            match head {
                Expected::Parse => drop(self.parses.pop_front()),
                Expected::Bind => drop(self.binds.pop_front()),
                Expected::Close => drop(self.closes.pop_front()),
                Expected::Refused => drop(self.refusals.pop_front()),
                Expected::Execute => skipped.executes += 1,
                _ => {}
            }
        }
        skipped
    }

    /// The latest unanswered Parse of `name`, and whether it belongs to the batch that is still open
    /// (no Sync behind it).
    pub fn pending_parse(&self, name: &[u8]) -> Option<(&Prepared, bool)> {
        let back = self.parses.iter().rev().position(|(n, _)| **n == *name)?;
        let (_, prepared) = self.parses.get(self.parses.len() - 1 - back)?;
        Some((prepared, self.in_open_batch(Expected::Parse, back)))
    }

    /// The same for Bind; `None` inside: the portal will be gone.
    pub fn pending_bind(&self, portal: &[u8]) -> Option<(Option<&Prepared>, bool)> {
        let back = self.binds.iter().rev().position(|(n, _)| **n == *portal)?;
        let (_, prepared) = self.binds.get(self.binds.len() - 1 - back)?;
        let open = self.in_open_batch(Expected::Bind, back);
        Some((prepared.as_ref(), open))
    }

    /// Does the entry of this kind with `back` others behind it belong to the open batch?
    fn in_open_batch(&self, kind: Expected, back: usize) -> bool {
        let open = self.queue.iter().rev().map(|entry| entry.expected);
        let open = open.take_while(|expected| !expected.ends_batch());
        open.filter(|expected| *expected == kind)
            .nth(back)
            .is_some()
    }

    /// How many names unanswered messages may add.
    pub fn pending_names(&self) -> usize {
        self.parses.len() + self.binds.len()
    }

    /// Everything is answered: give memory back if a burst made the queue large.
    pub fn settle(&mut self) {
        if self.queue.capacity() > 64 {
            self.queue.shrink_to(16);
        }
        if self.parses.capacity() > 16 {
            self.parses.shrink_to(4);
        }
        if self.binds.capacity() > 16 {
            self.binds.shrink_to(4);
        }
    }
}
