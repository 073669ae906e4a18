//! What was sent and is not answered yet, in order. PostgreSQL answers in the order of the
//! messages, so the head of this queue says what the next answer belongs to.

mod expected;

use std::collections::VecDeque;
use std::sync::Arc;

use super::names::{Prepared, bytes_of};
use super::prepared::Source;
use super::reading::{Move, Moves};
use crate::policy::Refusal;
use crate::zone::Form;
pub use expected::Expected;
use expected::{PREFIX, READING};

/// More than this many unanswered messages: the client is not read until some are answered.
pub const MAX_IN_FLIGHT: usize = 4096;

/// Unanswered changes of names looked at for one name; behind more of them it is waited for.
const MAX_LOOKED_AT: usize = 256;

/// One entry of the queue.
#[derive(Clone, Copy, Debug)]
struct Entry {
    expected: Expected,
    /// A COPY FROM STDIN: while it runs the server ignores Sync.
    copy_in: bool,
    /// It is about a text in which something was inserted.
    moved: bool,
}

/// The two kinds of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Prepared statements.
    Statement,
    /// Portals.
    Portal,
}

/// A change of a name that the server has not confirmed.
#[derive(Debug)]
struct Change {
    /// Batches before it.
    batch: u64,
    space: Space,
    name: Box<[u8]>,
    /// What the name will stand for; `None`: nothing.
    meaning: Option<Prepared>,
    /// What name and meaning took when it was sent.
    bytes: usize,
}

impl Change {
    /// Is it a Bind of the unnamed portal that nothing has taken since?
    fn binds_unnamed(&self) -> bool {
        self.space == Space::Portal && self.name.is_empty() && self.meaning.is_some()
    }
}

/// The latest unanswered change of a name.
#[derive(Debug)]
pub enum Pending<'a> {
    /// There is none.
    None,
    /// It belongs to the batch that is still open: if it fails, what follows is skipped. This is what
    /// the name will stand for.
    Sure(Option<&'a Prepared>),
    /// Whether it succeeds decides what the name will stand for.
    Open,
}

/// What belongs to few entries.
#[derive(Debug, Default)]
struct Rare {
    /// One for each [`Expected::Refused`] and [`Expected::RefusedUnnamed`].
    refusals: VecDeque<Box<Refusal>>,
    /// One for each that is `moved`.
    moves: VecDeque<Arc<Vec<Move>>>,
}

/// The queue, and what belongs to its entries.
#[derive(Debug, Default)]
pub struct InFlight {
    queue: VecDeque<Entry>,
    /// One for each Parse, Bind and Close, in order.
    changes: VecDeque<Change>,
    /// What they take.
    bytes: usize,
    /// How many of them are of statements.
    statements: usize,
    /// How many of them bind the unnamed portal: a Query among thousands need not look for it.
    bound_unnamed: usize,
    /// Batches sent.
    batch: u64,
    /// Allocated with the first message that it is about.
    rare: Option<Box<Rare>>,
    /// One for each [`Expected::Describe`] and [`Expected::OwnDescribe`]: none where it is no matter.
    described: VecDeque<Option<Arc<Source>>>,
    copies: usize,
    /// Answers that end a batch.
    ends: usize,
}

/// What [`InFlight::skip_batch`] took off the queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Statements that will not run.
    pub executes: usize,
    /// Those of them that were noted.
    pub noted: usize,
    /// Questions that are not answered.
    pub readings: usize,
    /// The batch's Sync was sent already: it will be answered.
    pub synced: bool,
    /// A zone prefix, or what was left of it, was among them.
    pub prefix: bool,
    /// Statements that were not parsed or closed under these names.
    pub names: Vec<Box<[u8]>>,
}

impl InFlight {
    /// Nothing unanswered?
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Is anything unanswered that may give rows, or make a transaction fail?
    pub fn has_running(&self) -> bool {
        use Expected::{Abort, Call, Execute, NotedExecute};
        let runs =
            |it: Expected| matches!(it, Abort | Call | Execute | NotedExecute) || it.is_query();
        self.queue.iter().any(|entry| runs(entry.expected))
    }

    /// Too many to take another message?
    pub fn is_full(&self) -> bool {
        self.queue.len() >= MAX_IN_FLIGHT
    }

    /// What the next answer belongs to.
    pub fn head(&self) -> Option<Expected> {
        self.queue.front().map(|entry| entry.expected)
    }

    /// Are there unanswered batches before the one that is open?
    pub fn has_ended_batches(&self) -> bool {
        self.ends > 0
    }

    /// Batches sent so far.
    pub fn batch(&self) -> u64 {
        self.batch
    }

    /// Does the first unanswered change make the unnamed statement another?
    pub fn parses_unnamed(&self) -> bool {
        let first = self.changes.front();
        first.is_some_and(|change| change.space == Space::Statement && change.name.is_empty())
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
        self.batch += u64::from(expected.ends_batch());
        self.ends += usize::from(expected.ends_batch());
        self.queue.push_back(Entry {
            expected,
            copy_in,
            moved: false,
        });
    }

    /// The message that was sent last is about a text in which this was inserted.
    pub fn last_is_moved(&mut self, moves: Moves) {
        if let (Some(moves), Some(last)) = (moves, self.queue.back_mut()) {
            last.moved = true;
            self.rare.get_or_insert_default().moves.push_back(moves);
        }
    }

    /// What was inserted in the text that the head is about, if anything was.
    pub fn moves(&self) -> Option<&[Move]> {
        self.queue.front().filter(|head| head.moved)?;
        Some(self.rare.as_ref()?.moves.front()?)
    }

    /// A Parse, Bind or Close was sent.
    pub fn push_change(
        &mut self,
        expected: Expected,
        space: Space,
        name: &[u8],
        meaning: Option<Prepared>,
    ) {
        self.statements += usize::from(space == Space::Statement);
        let bytes = bytes_of(name, meaning.as_ref());
        self.bytes += bytes;
        let change = Change {
            batch: self.batch,
            space,
            name: name.into(),
            meaning,
            bytes,
        };
        self.bound_unnamed += usize::from(change.binds_unnamed());
        self.changes.push_back(change);
        self.push(expected);
    }

    /// Something else was sent that takes the unnamed portal.
    pub fn unbind_unnamed(&mut self) {
        if self.bound_unnamed > 0 {
            let taken = self.changes.iter_mut().filter(|it| it.binds_unnamed());
            taken.for_each(|change| change.meaning = None);
            self.bound_unnamed = 0;
        }
    }

    /// A message was replaced.
    pub fn push_refused(&mut self, expected: Expected, refusal: Box<Refusal>) {
        self.rare
            .get_or_insert_default()
            .refusals
            .push_back(refusal);
        self.push(expected);
    }

    /// A Describe was sent.
    pub fn push_describe(&mut self, expected: Expected, of: Option<Arc<Source>>) {
        self.described.push_back(of);
        self.push(expected);
    }

    /// What the Describe at the head is about.
    pub fn described(&self) -> Option<&Source> {
        self.described.front()?.as_deref()
    }

    /// The Describe at the head is answered.
    pub fn pop_described(&mut self) {
        self.pop();
        self.described.pop_front();
    }

    /// The zone prefix was sent in this form.
    pub fn push_prefix(&mut self, form: Form) {
        let answers = match form {
            Form::Whole => &PREFIX[..],
            Form::First => &PREFIX[..4],
            Form::Again => &PREFIX[2..4],
        };
        answers.iter().for_each(|expected| self.push(*expected));
    }

    /// The question what a parameter is was sent.
    pub fn push_reading(&mut self) {
        READING.iter().for_each(|expected| self.push(*expected));
    }

    /// The head is answered.
    pub fn pop(&mut self) -> Option<Expected> {
        let head = self.queue.pop_front()?;
        if let Some(rare) = self.rare.as_mut().filter(|_| head.moved) {
            rare.moves.pop_front();
        }
        self.ends -= usize::from(head.expected.ends_batch());
        self.copies -= usize::from(head.copy_in);
        Some(head.expected)
    }

    /// The head changes its stage.
    pub fn replace_head(&mut self, stage: Expected) {
        if let Some(head) = self.queue.front_mut() {
            head.expected = stage;
        }
    }

    /// ParseComplete, BindComplete or CloseComplete arrived for the head: the change it confirms.
    pub fn changed(&mut self) -> Option<(Space, Box<[u8]>, Option<Prepared>)> {
        self.pop();
        let change = self.pop_change()?;
        Some((change.space, change.name, change.meaning))
    }

    /// The Query at the head has changed its name, or failed to: it is an ordinary one from here on.
    pub fn deallocated(&mut self) -> Option<Box<[u8]>> {
        self.replace_head(Expected::Query);
        self.pop_change().map(|change| change.name)
    }

    fn pop_change(&mut self) -> Option<Change> {
        let change = self.changes.pop_front()?;
        self.bytes -= change.bytes;
        self.bound_unnamed -= usize::from(change.binds_unnamed());
        self.statements -= usize::from(change.space == Space::Statement);
        Some(change)
    }

    /// The head's error arrived.
    pub fn refused(&mut self) -> Option<Box<Refusal>> {
        self.pop();
        self.rare.as_mut()?.refusals.pop_front()
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
            skipped.prefix |= head.is_prefix();
            match head {
                Expected::Parse | Expected::FollowedParse | Expected::Bind | Expected::Close => {
                    let change = self.pop_change();
                    let named = |it: &Change| it.space == Space::Statement && !it.name.is_empty();
                    let name = change.filter(named).map(|change| change.name);
                    skipped.names.extend(name);
                }
                Expected::Refused | Expected::RefusedUnnamed => {
                    drop(self.rare.as_mut().and_then(|it| it.refusals.pop_front()));
                }
                Expected::Deallocate => drop(self.pop_change()),
                Expected::Execute => skipped.executes += 1,
                Expected::Describe | Expected::OwnDescribe => {
                    drop(self.described.pop_front());
                }
                Expected::NotedExecute => {
                    skipped.executes += 1;
                    skipped.noted += 1;
                }
                Expected::ReadingExecute => skipped.readings += 1,
                _ => {}
            }
        }
        skipped
    }

    /// What becomes of a name once everything unanswered has run.
    pub fn pending(&self, space: Space, name: &[u8]) -> Pending<'_> {
        if space == Space::Statement && self.statements == 0 {
            return Pending::None;
        }
        let latest = self.changes.iter().rev().take(MAX_LOOKED_AT);
        let mut of_name = latest.filter(|change| change.space == space && *change.name == *name);
        match of_name.next() {
            Some(change) if change.batch == self.batch => Pending::Sure(change.meaning.as_ref()),
            Some(_) => Pending::Open,
            None if self.changes.len() > MAX_LOOKED_AT => Pending::Open,
            None => Pending::None,
        }
    }

    /// How many names unanswered messages may add.
    pub fn pending_names(&self) -> usize {
        self.changes.len()
    }

    /// What the names take that unanswered messages may add.
    pub fn pending_bytes(&self) -> usize {
        self.bytes
    }

    /// Everything is answered: give memory back if a burst made the queue large.
    pub fn settle(&mut self) {
        if self.queue.capacity() > 64 {
            self.queue.shrink_to(16);
        }
        self.rare = None;
        if self.described.capacity() > 16 {
            self.described.shrink_to(4);
        }
        if self.changes.capacity() > 16 {
            self.changes.shrink_to(4);
        }
    }
}
