//! A simple Query: judged as a whole, and sent as it is, behind what its transaction needs, in its local form, or
//! in pieces (`pieces`).

use std::sync::Arc;

use super::by_sql::Named;
use super::client::{Message, Step, has_copy_in, only_cstr};
use super::extended::clears_too_late;
use super::in_flight::Expected;
use super::injection::QueryForm;
use super::judge::{Judged, blindly};
use super::names::no_memory_left;
use super::pieces::{LONGEST_IN_PIECES, Pieces};
use super::splice::Splice;
use super::{Batch, Context, Conversation, Fatal, Observer};
use crate::policy::{Refusal, guards};
use crate::protocol::frame::{self, HEADER};
use crate::sql::Facts;
use crate::zone::QUERY_GUARD;

/// What became of a Query that was to be sent.
pub(super) enum Sending {
    Sent,
    /// It must wait for answers.
    Wait,
    /// It begins or ends transactions among other statements: not in one piece.
    Mixed,
    Refused(Box<Refusal>),
}

impl Conversation {
    pub(super) fn query<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Step, Fatal> {
        if message.header.total > HEADER + self.max_statement_bytes + 1 {
            let refusal = self.too_long(cx.who);
            return Ok(self.refuse_simple(message, refusal, cx, out, reply));
        }
        if self.pieces.is_some() && !self.in_flight.is_empty() {
            // Asked behind each answer, it is not read for that.
            return Ok(Step::Hold);
        }
        let Some(body) = message.body() else {
            return Ok(Step::More(message.header.total));
        };
        let text = only_cstr(body)?;
        if let Some(pieces) = self.pieces.take() {
            return Ok(self.next_piece(message, text, pieces, cx, out, reply));
        }
        let facts = match self.judge(text, None, cx) {
            Judged::Long => return Ok(Step::describe(text)),
            Judged::Refused(refusal) => {
                return Ok(self.refuse_simple(message, refusal, cx, out, reply));
            }
            Judged::Allowed(facts) => facts,
        };
        if self.deallocates(&facts).is_some() {
            return Ok(self.query_deallocate(message, &facts, cx, out, reply));
        }
        Ok(
            match self.send_query(Some(message), body, &facts, cx, out) {
                Sending::Sent => Step::Done(message.header.total),
                Sending::Wait => Step::Hold,
                Sending::Refused(refusal) => self.refuse_simple(message, refusal, cx, out, reply),
                Sending::Mixed if self.batch == Batch::Open || text.len() > LONGEST_IN_PIECES => {
                    self.refuse_mixed(message, &facts, cx, out, reply)
                }
                Sending::Mixed => {
                    let pieces = Pieces::new(facts);
                    if self.has_room_for(pieces.bytes()) {
                        self.begin_pieces(pieces)
                    } else {
                        let refusal = no_memory_left(cx.who);
                        self.refuse_simple(message, refusal, cx, out, reply)
                    }
                }
            },
        )
    }

    /// From here on nothing but its pieces is sent, until its end or the connection's.
    fn begin_pieces(&mut self, pieces: Pieces) -> Step {
        self.pieces = Some(Box::new(pieces));
        match self.in_flight.is_empty() {
            true => Step::Pause,
            false => Step::Hold,
        }
    }

    /// Refuses a text that begins or ends transactions, or sets a signed zone, among other statements.
    pub(super) fn refuse_mixed<O: Observer>(
        &mut self,
        message: Message<'_>,
        facts: &Facts,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Step {
        let refusal = guards::zone_required::among_others(cx.who, facts);
        self.refuse_simple(message, Box::new(refusal), cx, out, reply)
    }

    /// Sends the body of a Query that may be sent: `whole`, the client's message as it is, if that has no
    /// other form here; or a piece of it.
    pub(super) fn send_query<O: Observer>(
        &mut self,
        whole: Option<Message<'_>>,
        body: &[u8],
        facts: &Arc<Facts>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Sending {
        let failed = self.failed();
        let batch_open = self.batch == Batch::Open;
        let form = match &self.injection {
            // A piece stands beside others, which PostgreSQL would run in one implicit block.
            Some(injection) => injection.query_form(facts, failed, batch_open || whole.is_none()),
            None => QueryForm::Verbatim,
        };
        if form == QueryForm::Mixed {
            return Sending::Mixed;
        }
        if self.chains_blindly(facts) {
            return Sending::Wait;
        }
        if self.clears_late(facts) {
            return Sending::Refused(clears_too_late(cx.who, facts));
        }
        if let Some(refusal) = self.parameters_are_too_many(facts, cx.who) {
            return Sending::Refused(refusal);
        }
        self.limit_rows(cx);
        if self.goes_back_blindly(facts) {
            return Sending::Refused(blindly(cx.who, facts));
        }
        match self.judge_named(facts, cx, out) {
            Named::Allowed => {}
            Named::Wait => return Sending::Wait,
            Named::Refused(refusal) => return Sending::Refused(refusal),
        }
        if matches!(form, QueryForm::Prefixed | QueryForm::PrefixedGuarded) {
            self.put_prefix(facts, cx, out);
        }
        self.put_query(whole, body, facts, form, out);
        // PostgreSQL makes none for a text without a statement.
        if !facts.statements.is_empty() {
            self.unnamed_portal_is_taken();
        }
        self.statements.lost();
        self.may_deallocate(facts);
        self.may_hide_relations(facts);
        self.note_names(facts);
        self.may_unpin(facts);
        if let Some(injection) = &mut self.injection {
            injection.queried(facts, form, failed);
        }
        if self.record {
            let text = body.strip_suffix(b"\0").unwrap_or(body);
            cx.observer.started(Some(facts), text);
        }
        self.batch = Batch::Closed;
        Sending::Sent
    }

    /// The message itself: as the client sent it, in its local form, or with a guard before it.
    fn put_query(
        &mut self,
        whole: Option<Message<'_>>,
        body: &[u8],
        facts: &Arc<Facts>,
        form: QueryForm,
        out: &mut Splice<'_>,
    ) {
        if self.put_planned(body, facts, form, out) {
            return;
        }
        let copy_in = has_copy_in(facts);
        let guarded = matches!(form, QueryForm::Guarded | QueryForm::PrefixedGuarded);
        if let Some(message) = whole.filter(|_| !guarded) {
            out.keep(message.range(message.header.total));
            self.in_flight.push_statement(Expected::Query, copy_in);
            return;
        }
        let (guard, expected) = match guarded {
            true => (QUERY_GUARD, Expected::GuardedRow),
            false => (&b""[..], Expected::Query),
        };
        frame::message(out.insert(), b'Q', |out| {
            out.extend_from_slice(guard);
            out.extend_from_slice(body);
        });
        self.in_flight.push_statement(expected, copy_in);
    }
}
