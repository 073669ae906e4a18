//! The extended protocol, client's side: Parse, Bind, Describe, Close; Execute in `execute`.

use std::sync::Arc;

use super::bound::Read;
use super::client::{Message, Step, bad_layout, only_cstr};
use super::in_flight::{Expected, Pending, Space};
use super::judge::Judged;
use super::names::{
    ALWAYS_KEPT, MAX_BYTES, MAX_NAMES, Prepared, bytes_of, is_cut, name_too_long, no_memory_left,
    too_many_names,
};
use super::prepared::{self, Called};
use super::reading;
use super::splice::Splice;
use super::{Batch, Context, Conversation, Fatal, Observer};
use crate::error::SqlState;
use crate::policy::{Guard, Objection, Refusal, Who, guards};
use crate::protocol::frame::{HEADER, cstr};
use crate::sql::Facts;

/// The longest name of a prepared statement or portal, bytes.
const MAX_NAME: usize = 8 * 1024;

/// What a statement's name stands for.
pub(super) enum Lookup {
    Known(Prepared),
    Wait,
    Unknown,
}

impl Conversation {
    /// Is a Parse refused without being read?
    pub(super) fn is_too_long(&self, message: Message<'_>) -> bool {
        message.header.total > HEADER + self.max_statement_bytes + MAX_NAME
    }

    pub(super) fn parse<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Result<Step, Fatal> {
        if self.is_too_long(message) {
            let refusal = self.too_long(cx.who);
            return Ok(self.refuse_extended(message, refusal, cx, out));
        }
        let Some(body) = message.body() else {
            return Ok(Step::More(message.header.total));
        };
        let (name, text, types) = prepared::parts(body).ok_or_else(bad_layout)?;
        if name.len() > MAX_NAME || text.len() > self.max_statement_bytes {
            let refusal = self.too_long(cx.who);
            return Ok(self.refuse_extended(message, refusal, cx, out));
        }
        if self.is_cut_statement(name) {
            return Ok(self.refuse_extended(message, name_too_long(cx.who), cx, out));
        }
        if self.owns(name) {
            let refusal = taken_name(cx.who, name);
            return Ok(self.refuse_extended(message, refusal, cx, out));
        }
        let facts = match self.judge(text, Some(types), cx) {
            Judged::Long => return Ok(Step::describe(text)),
            Judged::Refused(refusal) => {
                return Ok(self.refuse_extended(message, refusal, cx, out));
            }
            Judged::Allowed(facts) => facts,
        };
        if self.remembers_too_much() {
            self.wait_for_answers(out);
            return Ok(Step::Hold);
        }
        if self.must_know(&facts, out) {
            return Ok(Step::Hold);
        }
        let taken = match name.is_empty() {
            true => Lookup::Unknown,
            false if !self.remembers() => Lookup::Unknown,
            false => self.lookup(name, out),
        };
        if matches!(taken, Lookup::Wait) {
            return Ok(Step::Hold);
        }
        let source = self.remember(name, text, types, &facts);
        let free = source.as_ref().is_some_and(|it| !it.is_marked());
        let meaning = Prepared {
            source,
            followed: !name.is_empty() && free && self.hands_over_now(name, &facts),
            text: self.record.then(|| Arc::new(text.to_vec())),
            moves: reading::moves(text, &self.rewrites(&facts)),
            deallocates: self.deallocates(&facts).is_some(),
            facts,
        };
        let taken = matches!(taken, Lookup::Known(_));
        let refusal = match taken {
            true => None,
            false => self.no_room_for(name, &meaning, cx.who),
        };
        if let Some(refusal) = refusal {
            return Ok(self.refuse_extended(message, refusal, cx, out));
        }
        self.put_prefix_for_parse(&meaning.facts, meaning.followed, cx, out);
        if taken {
            self.try_parse(&meaning, out);
            let refusal = taken_name(cx.who, name);
            return Ok(self.refuse_extended(message, refusal, cx, out));
        }
        Ok(self.send_parse(message, name, meaning, out))
    }

    pub(super) fn bind<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Result<Step, Fatal> {
        let there = &message.bytes[HEADER..message.header.total.min(message.bytes.len())];
        let names = cstr(there).and_then(|(portal, rest)| Some((portal, cstr(rest)?.0)));
        let Some((portal, name)) = names else {
            return wait_for_names(message);
        };
        within_bounds(portal)?;
        within_bounds(name)?;
        if is_cut(portal) || self.is_cut_statement(name) {
            return Ok(self.refuse_extended(message, name_too_long(cx.who), cx, out));
        }
        let statement = match self.lookup(name, out) {
            Lookup::Wait => return Ok(Step::Hold),
            Lookup::Unknown => {
                let refusal = unknown_statement(cx.who, name);
                return Ok(self.refuse_extended(message, refusal, cx, out));
            }
            Lookup::Known(statement) => statement,
        };
        if self.chooses_just_now() || self.binds_too_much(&statement.facts) {
            self.wait_for_answers(out);
            return Ok(Step::Hold);
        }
        let mut prepared = statement.clone();
        match self.read_bound(&statement, message, cx.who) {
            Read::Nothing => {}
            Read::Facts(facts) => prepared.facts = facts,
            Read::More(total) => return Ok(Step::More(total)),
            Read::Refused(refusal) => return Ok(self.refuse_extended(message, refusal, cx, out)),
        }
        let refusal = self.judge_again(&prepared.facts, cx);
        let refusal = refusal
            .or_else(|| self.judge_prepared_by_sql(name, cx))
            .or_else(|| self.judge_behind_procedure(&prepared.facts, cx.who));
        if let Some(refusal) = refusal {
            return Ok(self.refuse_extended(message, refusal, cx, out));
        }
        // What the unnamed portal has in memory is its statement's, and ends with the next.
        let kept = !portal.is_empty();
        let refusal = kept.then(|| self.no_room_for(portal, &prepared, cx.who));
        if let Some(refusal) = refusal.flatten() {
            return Ok(self.refuse_extended(message, refusal, cx, out));
        }
        if self.must_know(&prepared.facts, out) {
            return Ok(Step::Hold);
        }
        let failed = self.failed();
        let injection = self.injection.as_ref();
        let named = !name.is_empty();
        if injection.is_some_and(|i| i.due_at_bind(&prepared.facts, named, failed)) {
            self.put_prefix(&prepared.facts, cx, out);
        }
        let anew = prepared::is_described_next(message, portal);
        let ours = self.parse_as_bound(&statement, &mut prepared, out);
        let called = ours.unwrap_or_else(|| self.say_again(name, &statement, anew, out));
        match called {
            Called::Wait => return Ok(Step::Hold),
            Called::Changed => {
                let refusal = changed_type(cx.who);
                return Ok(self.refuse_extended(message, refusal, cx, out));
            }
            Called::ByName | Called::AtPool(_) | Called::Unnamed | Called::Ours(_) => {}
        }
        let moves = prepared.moves.clone();
        let bound = Prepared {
            // The memory of an unnamed one serves the next.
            source: prepared.source.filter(|_| named),
            ..prepared
        };
        self.in_flight
            .push_change(Expected::Bind, Space::Portal, portal, Some(bound));
        self.in_flight.last_is_moved(moves);
        self.batch = Batch::Open;
        Ok(self.pass_bind(message, portal, name, called, out))
    }

    pub(super) fn describe<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Result<Step, Fatal> {
        let Some((kind, name)) = kind_and_name(message)? else {
            return wait_for_names(message);
        };
        if self.is_cut_name(kind, name) {
            return Ok(self.refuse_extended(message, name_too_long(cx.who), cx, out));
        }
        if kind == b'S' {
            return Ok(self.describe_statement(message, name, cx, out));
        }
        let of = match self.lookup_portal(name, out) {
            Lookup::Wait => return Ok(Step::Hold),
            Lookup::Unknown if name.is_empty() => {
                return Ok(self.refuse_unnamed_portal(message, cx, out));
            }
            Lookup::Unknown => None,
            Lookup::Known(portal) => portal.source,
        };
        self.in_flight.push_describe(Expected::Describe, of);
        self.batch = Batch::Open;
        Ok(self.pass(message, out))
    }

    fn describe_statement<O: Observer>(
        &mut self,
        message: Message<'_>,
        name: &[u8],
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Step {
        // PgBouncer >= 1.21 may disconnect over a statement that it does not know.
        let prepared = match self.lookup(name, out) {
            Lookup::Wait => return Step::Hold,
            Lookup::Unknown => {
                let refusal = unknown_statement(cx.who, name);
                return self.refuse_extended(message, refusal, cx, out);
            }
            Lookup::Known(prepared) => prepared,
        };
        if let Some(refusal) = self.judge_behind_procedure(&prepared.facts, cx.who) {
            return self.refuse_extended(message, refusal, cx, out);
        }
        if self.must_know(&prepared.facts, out) {
            return Step::Hold;
        }
        self.put_prefix_for_parse(&prepared.facts, false, cx, out);
        let called = self.say_again(name, &prepared, false, out);
        match called {
            Called::Wait => return Step::Hold,
            Called::Changed => {
                let refusal = changed_type(cx.who);
                return self.refuse_extended(message, refusal, cx, out);
            }
            Called::ByName | Called::AtPool(_) | Called::Unnamed | Called::Ours(_) => {}
        }
        self.in_flight
            .push_describe(Expected::Describe, prepared.source);
        self.in_flight.last_is_moved(prepared.moves);
        self.batch = Batch::Open;
        self.pass_describe(message, name, called, out)
    }

    pub(super) fn close<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Result<Step, Fatal> {
        let Some((kind, name)) = kind_and_name(message)? else {
            return wait_for_names(message);
        };
        if self.is_cut_name(kind, name) {
            return Ok(self.refuse_extended(message, name_too_long(cx.who), cx, out));
        }
        let mut followed = None;
        if kind == b'S' && self.remembers() {
            followed = match self.lookup(name, out) {
                Lookup::Wait => return Ok(Step::Hold),
                Lookup::Known(prepared) => prepared.number_at_pool(),
                Lookup::Unknown => None,
            };
            if followed.is_some() && !self.in_flight.is_empty() {
                // PgBouncer would answer it by itself, and sometimes before what was sent earlier
                // (measured on 1.24): it keeps that one.
                self.doubt(name.into());
                followed = None;
            }
        }
        let space = match kind {
            b'S' => Space::Statement,
            _ => Space::Portal,
        };
        self.in_flight
            .push_change(Expected::Close, space, name, None);
        self.batch = Batch::Open;
        Ok(match space {
            Space::Statement => self.pass_close(message, name, followed, out),
            Space::Portal => self.pass(message, out),
        })
    }

    /// What a statement's name stands for once everything sent has run.
    pub(super) fn lookup(&mut self, name: &[u8], out: &mut Splice<'_>) -> Lookup {
        if self.is_deallocating() {
            return self.wait_for_answers(out);
        }
        let found = match self.in_flight.pending(Space::Statement, name) {
            Pending::Sure(prepared) => prepared,
            // An unanswered Query drops it.
            Pending::None if name.is_empty() && self.in_flight.has_ended_batches() => {
                return self.wait_for_answers(out);
            }
            Pending::None => self.names.statement(name),
            Pending::Open => return self.wait_for_answers(out),
        };
        found.cloned().map_or(Lookup::Unknown, Lookup::Known)
    }

    /// The same for a portal.
    pub(super) fn lookup_portal(&mut self, name: &[u8], out: &mut Splice<'_>) -> Lookup {
        let found = match self.in_flight.pending(Space::Portal, name) {
            Pending::Sure(prepared) => prepared,
            Pending::None => self.names.portal(name),
            Pending::Open => return self.wait_for_answers(out),
        };
        found.cloned().map_or(Lookup::Unknown, Lookup::Known)
    }

    fn wait_for_answers(&mut self, out: &mut Splice<'_>) -> Lookup {
        self.ask_for_open_batch(out);
        Lookup::Wait
    }

    /// A zone prefix or Query is sent, which takes the unnamed portal: what the client has bound to it must not seem
    /// to be there. A Query that fails in a block leaves one at the server whose statements are in memory that is
    /// freed; Execute of that makes PostgreSQL crash.
    pub(super) fn unnamed_portal_is_taken(&mut self) {
        self.in_flight.unbind_unnamed();
        self.names.drop_unnamed_portal();
    }

    /// The unnamed portal without a Bind of the client's: if there is one, a zone prefix or a Query left it.
    pub(super) fn refuse_unnamed_portal<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Step {
        let refusal = Box::new(guards::unknown_name::portal(cx.who, ""));
        self.refuse_extended(message, refusal, cx, out)
    }

    fn is_cut_name(&self, kind: u8, name: &[u8]) -> bool {
        match kind {
            b'S' => self.is_cut_statement(name),
            _ => is_cut(name),
        }
    }

    /// What is kept of prepared statements and portals, or will be if what is in flight succeeds, and of a Query that
    /// goes in pieces; bytes.
    pub fn kept_bytes(&self) -> usize {
        let pieces = self.pieces.as_ref().map_or(0, |pieces| pieces.bytes());
        self.named_bytes() + self.names.unnamed_bytes() + pieces
    }

    /// May so many bytes more be kept?
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.kept_bytes() + bytes <= self.room
    }

    fn named_bytes(&self) -> usize {
        self.names.bytes() + self.in_flight.pending_bytes()
    }

    /// So much of them may be kept here, by what other connections leave.
    pub fn may_keep(&mut self, bytes: usize) {
        self.room = bytes.max(ALWAYS_KEPT);
    }

    /// What may wait for answers of them before anything more is sent.
    pub(super) fn most_pending(&self) -> usize {
        MAX_BYTES.min(self.room)
    }

    /// The refusal of one more, if there is no room for it. An unnamed one takes the place of the one before: of
    /// those only long ones are a matter of room.
    fn no_room_for(&self, name: &[u8], meaning: &Prepared, who: &Who) -> Option<Box<Refusal>> {
        if name.is_empty() && meaning.text_bytes() <= ALWAYS_KEPT {
            return None;
        }
        let more = bytes_of(name, Some(meaning));
        let too_many = self.names.count() + self.in_flight.pending_names() >= MAX_NAMES
            || self.named_bytes() + more > MAX_BYTES;
        if !name.is_empty() && too_many {
            return Some(too_many_names(who));
        }
        (!self.has_room_for(more)).then(|| no_memory_left(who))
    }
}

/// The body of Describe and Close; `None` when it is not all there.
fn kind_and_name(message: Message<'_>) -> Result<Option<(u8, &[u8])>, Fatal> {
    let Some(body) = message.body() else {
        return Ok(None);
    };
    let (kind, name) = body.split_first().ok_or_else(bad_layout)?;
    if !matches!(kind, b'S' | b'P') {
        return Err(bad_layout());
    }
    let name = only_cstr(name)?;
    within_bounds(name)?;
    Ok(Some((*kind, name)))
}

/// A longer name could not be waited for.
pub(super) fn within_bounds(name: &[u8]) -> Result<(), Fatal> {
    if name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(Fatal {
        sqlstate: SqlState::PROGRAM_LIMIT,
        message: format!("name of a prepared statement or portal exceeds {MAX_NAME} bytes"),
    })
}

/// The names of a message are not all there yet: how much more may be waited for?
pub(super) fn wait_for_names(message: Message<'_>) -> Result<Step, Fatal> {
    let there = message.bytes.len();
    if there >= message.header.total {
        return Err(bad_layout());
    }
    // Two names and their NULs.
    if there > HEADER + 2 * (MAX_NAME + 1) {
        return Err(Fatal {
            sqlstate: SqlState::PROGRAM_LIMIT,
            message: format!("name of a prepared statement or portal exceeds {MAX_NAME} bytes"),
        });
    }
    Ok(Step::More((there + 1).min(message.header.total)))
}

pub(super) fn unknown_statement(who: &Who, name: &[u8]) -> Box<Refusal> {
    let name = String::from_utf8_lossy(name);
    Box::new(guards::unknown_name::statement(who, &name))
}

fn changed_type(who: &Who) -> Box<Refusal> {
    Box::new(guards::unknown_name::changed(who))
}

pub(super) fn taken_name(who: &Who, name: &[u8]) -> Box<Refusal> {
    let name = String::from_utf8_lossy(name);
    Box::new(guards::unknown_name::taken(who, &name))
}

pub(super) fn portal_without_zone(who: &Who, facts: Option<&Facts>) -> Box<Refusal> {
    let objection = Objection::new(format!(
        "cannot run a portal from before RESET ALL, or from before its {} was set",
        who.noun()
    ))
    .hint("Bind it again");
    let fingerprint = facts.and_then(|facts| facts.fingerprint());
    Box::new(objection.refuse(Guard::ZoneRequired, who, fingerprint))
}

/// RESET ALL behind what may leave work for the end of an implicit transaction.
pub(super) fn clears_too_late(who: &Who, facts: &Facts) -> Box<Refusal> {
    let noun = who.noun();
    let objection = Objection::new("cannot execute RESET ALL behind other statements of its batch")
        .sqlstate(SqlState::UNSUPPORTED)
        .detail(format!(
            "Triggers and cursors that are put off to the end of the batch would run without the {noun}"
        ))
        .hint("Send Sync ahead of it");
    Box::new(objection.refuse(Guard::ZoneRequired, who, facts.fingerprint()))
}
