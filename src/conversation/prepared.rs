//! Prepared statements of a client whose server connection is handed on.
//!
//! Whoever gets the server connection next must find none of them there, and this client must find
//! its own on whichever connection it is led to. So every Parse is remembered, and goes to the server
//! as its *unnamed* statement; a Bind or Describe that meets another one there, or another
//! connection, gets the remembered Parse ahead, whose ParseComplete nobody sees. That holds for the
//! client's unnamed statement as well: in its next transaction it is gone, or another client's.
//!
//! Only where the pool follows names by itself (see `keeping`) it is told them, each behind the connection's own.
//!
//! **What the server has.** Within a batch that is certain: if anything fails, the rest is skipped.
//! Behind unanswered batches it is not, and the statement is sent again. It always may be: a portal
//! keeps what it was bound to.

mod deallocated;
mod description;
mod loss;
mod passing;
mod schema;
mod source;

use std::sync::Arc;

pub(super) use deallocated::SEND_ALONE;
pub(super) use description::is_described_next;
pub use schema::Schema;
pub use source::Source;
pub(super) use source::parts;

use super::client::{Message, Step};
use super::in_flight::{Expected, Space};
use super::injection::PoolName;
use super::injection::shared::{ReadUnder, mark, moves_with};
use super::names::{Prepared, is_cut};
use super::reading::{self, Keeps, Rewrite};
use super::splice::Splice;
use super::{Batch, Context, Conversation, Observer};
use crate::protocol::TransactionStatus;
use crate::sql::Facts;
use crate::zone::NAME_LENGTH;

/// More than this is not kept ready for the client's next unnamed statement, bytes.
const MAX_SPARE: usize = 16 * 1024;

/// With more names of which nobody knows whether the pool has them, none is left to it any more.
const MAX_DOUBTED: usize = 64;

/// The server's unnamed statement, once everything sent has run.
#[derive(Debug)]
struct There {
    id: u64,
    /// Batches before it was sent.
    batch: u64,
    /// Is it what the client was told?
    check: Check,
    /// When it was asked for.
    schema: Schema,
}

/// What is known about a statement that was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Nothing: the client asks for its description anew.
    Unasked,
    /// It was asked for its description.
    Asked,
    /// It has the one that the client was given, or the client was given none.
    Same,
    /// It has another.
    Changed,
}

/// What one pooled connection knows about the statements on its server.
#[derive(Debug, Default)]
pub struct Statements {
    there: Option<There>,
    /// What takes names was sent, and may be unanswered.
    deallocating: bool,
    /// As it is now.
    schema: Schema,
    /// Names that the pool may have, and this client has not, or the other way round.
    doubted: Vec<Box<[u8]>>,
    /// Sources made so far.
    made: u64,
    /// Memory of an unnamed statement that is gone, for the next.
    spare: Option<Arc<Source>>,
}

impl Statements {
    /// Nobody knows what the server's unnamed statement is: an error, the end of a transaction,
    /// a simple Query, Close, another server connection.
    pub fn lost(&mut self) {
        self.there = None;
    }

    /// An unnamed statement is gone: its memory serves the next one.
    pub fn recycle(&mut self, gone: Option<Prepared>) {
        let source = gone.and_then(|prepared| prepared.source);
        let Some(mut source) = source.filter(|it| it.bytes() <= MAX_SPARE) else {
            return;
        };
        if Arc::get_mut(&mut source).is_some() {
            self.spare = Some(source);
        }
    }

    /// Remembers a Parse; `unnamed`: one that will not last.
    fn remember(
        &mut self,
        unnamed: bool,
        text: &[u8],
        types: &[u8],
        rewrites: &[Rewrite],
    ) -> Arc<Source> {
        self.made += 1;
        let mut source = match unnamed {
            true => self.spare.take().unwrap_or_default(),
            false => Arc::default(),
        };
        let version = self.schema.version();
        match Arc::get_mut(&mut source) {
            Some(source) => source.fill(self.made, version, text, types, rewrites),
            None => {
                let mut new = Source::default();
                new.fill(self.made, version, text, types, rewrites);
                source = Arc::new(new);
            }
        }
        if let Some(source) = Arc::get_mut(&mut source).filter(|_| !unnamed) {
            source.look_for_mark();
        }
        source
    }
}

/// How a message calls the statement that it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Called {
    /// By the client's name.
    ByName,
    /// By the name that the pool follows, of this number.
    AtPool(u64),
    /// It is the server's unnamed one.
    Unnamed,
    /// It is one of ours.
    Ours([u8; NAME_LENGTH]),
    /// Whether it still is what the client was told is not known yet.
    Wait,
    /// It is not.
    Changed,
}

impl Conversation {
    /// Is every Parse remembered?
    pub(super) fn remembers(&self) -> bool {
        self.replaceable
    }

    /// Would the server cut this name of a statement? Of one that is remembered it hears no name, and the pool is not
    /// told one that is too long.
    pub(super) fn is_cut_statement(&self, name: &[u8]) -> bool {
        is_cut(name) && !self.remembers()
    }

    /// What is to be remembered of a Parse.
    pub(super) fn remember(
        &mut self,
        name: &[u8],
        text: &[u8],
        types: &[u8],
        facts: &Facts,
    ) -> Option<Arc<Source>> {
        let rewrites = match self.remembers() {
            true => self.rewrites(facts),
            false if self.is_told_late(facts) => Vec::new(),
            false => return None,
        };
        let unnamed = name.is_empty();
        Some(self.statements.remember(unnamed, text, types, &rewrites))
    }

    /// What changes in the text of a Parse on its way to the server.
    pub(super) fn rewrites(&self, facts: &Facts) -> Vec<Rewrite> {
        let Some(statement) = facts.statements.first() else {
            return Vec::new();
        };
        let injection = self.injection.as_ref();
        match injection.filter(|it| it.changes(statement)) {
            Some(injection) => injection.rewrites(statement),
            None if self.deallocates(facts).is_none() => Vec::new(),
            None => reading::rewrites(statement, Keeps::All, |_| None),
        }
    }

    /// Do so many unanswered Parses wait to be remembered that no more may be sent?
    pub(super) fn remembers_too_much(&self) -> bool {
        let injection = self.injection.as_ref();
        let remembers = self.remembers() || injection.is_some_and(|it| it.keeps_zone_only());
        remembers && self.in_flight.pending_bytes() > self.most_pending()
    }

    /// Does a name go to the pool as it is, which follows it?
    pub(super) fn passes_names(&self) -> bool {
        let injection = self.injection.as_ref();
        !self.remembers() || injection.is_some_and(|injection| injection.names_are_followed())
    }

    /// May a Parse be left to the pool, which follows names? PgBouncer hangs when it comes in two pieces
    /// behind a Sync that is not answered (see `Injection::holds_batches`), and answers it by itself where
    /// PostgreSQL would not, in a failed transaction.
    /// Nor where it is not known before Bind whether a prefix is due.
    pub(super) fn hands_over(&self, name: &[u8], facts: &Facts) -> bool {
        let injection = self.injection.as_ref();
        !injection.is_some_and(|injection| injection.may_set_zone(facts))
            && self.remembers()
            && self.passes_names()
            && !is_cut(name)
            && !self.statements.doubted.iter().any(|it| **it == *name)
            && self.status != TransactionStatus::Failed
            && !self.in_flight.has_ended_batches()
            && !self.schema_moves()
    }

    /// May this Parse be left to the pool already? Not where a prefix that closes its own name comes between
    /// it and its Bind: it is handed over with that.
    pub(super) fn hands_over_now(&self, name: &[u8], facts: &Facts) -> bool {
        let failed = self.failed();
        let injection = self.injection.as_ref();
        let between = injection.is_some_and(|it| it.closes_behind_parse(facts, failed));
        !between && self.hands_over(name, facts)
    }

    /// Sends the Parse of a statement. `meaning`: what its name will stand for.
    pub(super) fn send_parse(
        &mut self,
        message: Message<'_>,
        name: &[u8],
        meaning: Prepared,
        out: &mut Splice<'_>,
    ) -> Step {
        let facts = Arc::clone(&meaning.facts);
        let source = meaning.source.clone();
        let mut moves = meaning.moves.clone();
        let followed = meaning.followed;
        let read_under = if followed { self.read_under() } else { 0 };
        let version = self.statements.schema.version();
        let left = source.clone().filter(|_| followed);
        if let Some(source) = &left {
            moves = moves_with(&moves, source.text(), &mark(read_under, version));
        }
        self.in_flight
            .push_change(Expected::Parse, Space::Statement, name, Some(meaning));
        self.in_flight.last_is_moved(moves);
        self.batch = Batch::Open;
        match source.filter(|_| !followed && self.remembers()) {
            Some(source) => {
                self.is_there(&source, Check::Same);
                if name.is_empty() {
                    return self.pass_parse(message, &facts, out);
                }
                out.insert().extend_from_slice(&source.message);
                self.drop_message(message)
            }
            None => {
                match left.and_then(|left| Some((self.pool_name(left.number(), name)?, left))) {
                    Some((name, source)) => {
                        source.put_marked(out.insert(), name, read_under, version);
                        self.drop_message(message)
                    }
                    None => self.pass_parse(message, &facts, out),
                }
            }
        }
    }

    /// What the pool is told as the name of the statement of this number, where it is told any.
    pub(super) fn pool_name<'n>(&self, number: u64, name: &'n [u8]) -> Option<PoolName<'n>> {
        let injection = self.injection.as_ref();
        injection.map(|injection| injection.pool_name(number, name))
    }

    /// By what a text of this client is read now.
    pub(super) fn read_under(&self) -> ReadUnder {
        let injection = self.injection.as_ref();
        injection.map_or(0, |injection| injection.read_under())
    }

    /// Sends a Parse whose name is taken, for the errors that PostgreSQL looks for first.
    pub(super) fn try_parse(&mut self, meaning: &Prepared, out: &mut Splice<'_>) {
        if let Some(source) = &meaning.source {
            out.insert().extend_from_slice(&source.message);
            self.in_flight.push(Expected::OwnParse);
            self.in_flight.last_is_moved(meaning.moves.clone());
            self.statements.lost();
            self.batch = Batch::Open;
        }
    }

    fn is_there(&mut self, source: &Source, check: Check) {
        self.statements.there = Some(There {
            id: source.id,
            batch: self.in_flight.batch(),
            check,
            schema: self.statements.schema,
        });
    }

    /// Sees to it that the server has the statement when the next message reaches it. `anew`: its columns
    /// are described to the client before it sees any.
    pub(super) fn say_again(
        &mut self,
        name: &[u8],
        prepared: &Prepared,
        anew: bool,
        out: &mut Splice<'_>,
    ) -> Called {
        let source = prepared.source.as_ref().filter(|_| self.remembers());
        let Some(source) = source else {
            return Called::ByName;
        };
        let settled = !self.in_flight.has_ended_batches();
        if !name.is_empty() && self.passes_names() && self.is_up_to_date(source, anew) {
            let as_read = source.read_under() == self.read_under();
            let as_left = source.left() == self.statements.schema.version();
            if prepared.followed && as_read && as_left {
                return Called::AtPool(source.number());
            }
            // One that was left under an earlier schema is left once more; for other parameters it stays as it is.
            let may = !prepared.followed || as_read;
            if may && !source.is_marked() && self.hands_over(name, &prepared.facts) {
                self.have_it_followed(name, prepared, source, out);
                return Called::AtPool(source.number());
            }
        }
        let batch = self.in_flight.batch();
        let there = self.statements.there.as_mut();
        let relied_upon = source.given.is_relied_upon(anew);
        let is_it = |it: &&mut There| {
            let unknown = it.check == Check::Unasked && relied_upon;
            it.id == source.id && (it.batch == batch || settled) && !unknown
        };
        match there.filter(is_it) {
            Some(there) => {
                there.batch = batch;
                match there.check {
                    Check::Same | Check::Unasked => return Called::Unnamed,
                    Check::Changed => return Called::Changed,
                    Check::Asked => {}
                }
            }
            None => {
                out.insert().extend_from_slice(&source.message);
                // A Flush that was inserted for this message stands ahead of it.
                self.flushed = false;
                self.in_flight.push(Expected::OwnParse);
                self.in_flight.last_is_moved(prepared.moves.clone());
                self.batch = Batch::Open;
                if !relied_upon {
                    self.is_there(source, Check::Unasked);
                    return Called::Unnamed;
                }
                self.is_there(source, Check::Asked);
                self.ask_for_description(out.insert(), source);
            }
        }
        self.ask_for_answers(out);
        Called::Wait
    }

    /// A Parse, Bind or Close is confirmed.
    pub(super) fn changed(&mut self) {
        if let Some((space, name, meaning)) = self.in_flight.changed() {
            let gone = self.names.change(space, name, meaning);
            self.statements.recycle(gone);
        }
    }

    /// Hands the statement to the pool.
    fn have_it_followed(
        &mut self,
        name: &[u8],
        prepared: &Prepared,
        source: &Source,
        out: &mut Splice<'_>,
    ) {
        let read_under = self.read_under();
        let version = self.statements.schema.version();
        if prepared.followed {
            // By its number some server connection may have a plan from before the schema changed. PgBouncer keeps that
            // until the client goes.
            self.statements.made += 1;
            source.renumber(self.statements.made);
        }
        if let Some(name) = self.pool_name(source.number(), name) {
            source.put_marked(out.insert(), name, read_under, version);
        }
        let moves = moves_with(&prepared.moves, source.text(), &mark(read_under, version));
        let meaning = Prepared {
            followed: true,
            ..prepared.clone()
        };
        let space = Space::Statement;
        self.in_flight
            .push_change(Expected::FollowedParse, space, name, Some(meaning));
        self.in_flight.last_is_moved(moves);
        self.batch = Batch::Open;
    }

    /// The prefix that a Parse needs: names, and constants like dates, mean what the client's
    /// parameters say. `followed`: the Parse is left to the pool.
    pub(super) fn put_prefix_for_parse<O: Observer>(
        &mut self,
        facts: &Facts,
        followed: bool,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) {
        let failed = self.failed();
        let injection = self.injection.as_ref();
        if injection.is_some_and(|injection| {
            injection.due_at_parse(facts, failed)
                || (followed && injection.due_at_followed_parse(facts, failed))
        }) {
            self.put_prefix(facts, cx, out);
            self.batch = Batch::Open;
        }
    }
}

/// Is this the Parse of a statement with a name? Not before it is all there: nothing may depend on how a
/// message is cut.
pub(super) fn is_named_parse(message: Message<'_>) -> bool {
    let named = |body: &[u8]| body.first().is_some_and(|byte| *byte != 0);
    message.header.kind == b'P' && message.body().is_some_and(named)
}
