//! Facts and verdict for one text; and what stands in the stream for a refused message.
//!
//! A refused message is replaced by Execute of a portal that cannot exist (a simple Query also by a
//! Sync of ours), and the error that this gets becomes the refusal. So order, skip-to-Sync, the
//! abort of explicit and implicit transactions and the final status are the server's own. Dropping
//! the message instead would let the Sync behind it commit what came before.

use std::sync::Arc;

use super::bound::{bound_otherwise, without_what_is_bound};
use super::client::{Message, Step};
use super::in_flight::Expected;
use super::names::Prepared;
use super::prepared::SEND_ALONE;
use super::server::Step as Answered;
use super::splice::Splice;
use super::{Batch, Context, Conversation, Observer};
use crate::error::SqlState;
use crate::policy::{Guard, Objection, Refusal, Verdict, Who, decide, decide_command, guards};
use crate::protocol::frame::{self, HEADER};
use crate::protocol::reply::{ErrorReply, READY_IDLE, Severity};
use crate::sql::walsender::{self, Walsender};
use crate::sql::{Class, ClassSet, Facts, LONG_TEXT, is_long};

/// What a refusal adds to what was judged in a step: its words are made anew each time, some microseconds.
const A_REFUSAL: usize = 8;

/// The outcome for one text.
pub(super) enum Judged {
    Allowed(Arc<Facts>),
    Refused(Box<Refusal>),
    /// Too long to be described here.
    Long,
}

impl Conversation {
    /// So much was judged.
    fn count_judged(&mut self, extent: usize) {
        let extent = u32::try_from(extent).unwrap_or(u32::MAX);
        self.judged = self.judged.saturating_add(extent);
    }

    /// Describes and judges the text of a Query or Parse. `types`: of a Parse, those that it declares.
    pub(super) fn judge<O: Observer>(
        &mut self,
        text: &[u8],
        types: Option<&[u8]>,
        cx: &mut Context<'_, O>,
    ) -> Judged {
        if let Some(command) = self.walsender.then(|| walsender::read(text)).flatten() {
            return self.judge_command(&command, text, cx);
        }
        let facts = match cx.described.take() {
            Some(facts) => {
                cx.facts.admit(text, &facts);
                facts
            }
            None if !is_long(text) => cx.facts.describe(text),
            None => match cx.facts.get(text) {
                Some(facts) => facts,
                None if cx.busy => return Judged::Refused(too_busy(cx.who)),
                None => return Judged::Long,
            },
        };
        self.count_judged(facts.extent());
        let state = self.state(cx, types.is_none());
        let types = types.map(|all| self.types(all));
        let without = types.and_then(|types| without_what_is_bound(&facts, types, cx.who));
        let decision = decide(without.as_ref().unwrap_or(&facts), cx.who, state);
        cx.observer.judged(&facts, &decision, text);
        match decision.verdict {
            Verdict::Allow => {
                let otherwise = types.and_then(|types| bound_otherwise(&facts, types, cx.who));
                let refusal = otherwise.or_else(|| self.reaches_for_names(&facts, cx.who));
                let refusal = refusal.or_else(|| self.parameters_say_too_much(&facts, cx.who));
                match refusal.or_else(|| self.judge_behind_procedure(&facts, cx.who)) {
                    None => Judged::Allowed(facts),
                    Some(refusal) => Judged::Refused(refusal),
                }
            }
            Verdict::Refuse(refusal) => Judged::Refused(refusal),
        }
    }

    /// CopyBoth: data of the client is for the server until it says that it has ended.
    pub(super) fn stream_begins(&mut self) -> Answered {
        self.in_flight.begin_copy();
        self.copy.active = true;
        self.streaming = true;
        Answered::Carry
    }

    /// A walsender command is no SQL: nobody else has an opinion on it, and it is seldom sent twice.
    fn judge_command<O: Observer>(
        &mut self,
        command: &Walsender,
        text: &[u8],
        cx: &Context<'_, O>,
    ) -> Judged {
        let facts = command.facts(text);
        self.count_judged(facts.extent());
        let decision = decide_command(command, &facts, cx.who);
        cx.observer.judged(&facts, &decision, text);
        match decision.verdict {
            Verdict::Allow => Judged::Allowed(Arc::new(facts)),
            Verdict::Refuse(refusal) => Judged::Refused(refusal),
        }
    }

    /// A pool that follows prepared statements keeps those of all its clients on its server connections,
    /// under names that anybody can guess, and the one that sets a zone is among them. By SQL a client
    /// could run it with another zone, or put a statement of its own in the place of another client's:
    /// that is no matter of a guard that may be off.
    ///
    /// DEALLOCATE alone reaches the client's own (see `prepared::deallocated`), beside other statements none.
    pub(super) fn reaches_for_names(&self, facts: &Facts, who: &Who) -> Option<Box<Refusal>> {
        if !facts.classes.intersects(BY_SQL)
            || !self.replaceable
            || who.observes()
            || self.deallocates(facts).is_some()
        {
            return None;
        }
        if !who.zone_is_guarded() {
            return self.deallocates_among_others(facts, who);
        }
        reaches_for_others(facts, who)
    }

    /// A statement that was allowed at Parse is judged again when it is bound or run: the right to
    /// it may have ended meanwhile.
    pub(super) fn judge_again<O: Observer>(
        &mut self,
        facts: &Facts,
        cx: &Context<'_, O>,
    ) -> Option<Box<Refusal>> {
        self.count_judged(facts.extent());
        match decide(facts, cx.who, self.state(cx, true)).verdict {
            Verdict::Allow => None,
            Verdict::Refuse(refusal) => Some(refusal),
        }
    }

    /// Refuses a Query or FunctionCall: Execute of nothing, and Sync. With nothing in flight and no
    /// transaction open the answer is given at once, without the server.
    pub(super) fn refuse_simple<O: Observer>(
        &mut self,
        message: Message<'_>,
        refusal: Box<Refusal>,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Step {
        self.count_judged(A_REFUSAL);
        cx.observer.refused(&refusal, message.text());
        let query = message.header.kind == b'Q';
        if self.is_idle() {
            self.error_reply(&refusal).put(reply);
            reply.extend_from_slice(READY_IDLE);
            if query {
                let gone = self.names.drop_unnamed();
                self.statements.recycle(gone);
            }
        } else {
            self.put_execute_of_nothing(out);
            out.insert().extend_from_slice(frame::SYNC);
            let expected = match query {
                true => Expected::RefusedUnnamed,
                false => Expected::Refused,
            };
            self.in_flight.push_refused(expected, refusal);
            self.in_flight.push(Expected::Sync);
            if let Some(injection) = &mut self.injection {
                injection.batch_ended();
            }
            self.batch = Batch::Closed;
        }
        self.drop_message(message)
    }

    /// Refuses a message of the extended protocol; the rest of its batch is left out, as the server
    /// would skip it.
    pub(super) fn refuse_extended<O: Observer>(
        &mut self,
        message: Message<'_>,
        refusal: Box<Refusal>,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Step {
        let name = message.bytes.get(HEADER);
        if message.header.kind == b'P' && name.is_none() && message.header.total > HEADER {
            // Whether it takes the place of the unnamed statement is told by the first byte.
            return Step::More(HEADER + 1);
        }
        self.count_judged(A_REFUSAL);
        cx.observer.refused(&refusal, message.text());
        self.put_execute_of_nothing(out);
        let unnamed = message.header.kind == b'P' && name == Some(&0);
        let expected = match unnamed {
            true => Expected::RefusedUnnamed,
            false => Expected::Refused,
        };
        self.in_flight.push_refused(expected, refusal);
        self.batch = Batch::Skipping;
        self.drop_message(message)
    }

    fn put_execute_of_nothing(&self, out: &mut Splice<'_>) {
        frame::message(out.insert(), b'E', |out| {
            frame::put_cstr(out, &self.nowhere);
            out.extend_from_slice(&0u32.to_be_bytes());
        });
    }

    /// The refusal as the client reads it.
    pub(super) fn error_reply(&self, refusal: &Refusal) -> ErrorReply {
        let connection = self.connection;
        let mut at = match refusal.fingerprint {
            Some(statement) => format!("statement {statement}, connection {connection:06x}"),
            None => format!("connection {connection:06x}"),
        };
        if let Some(version) = refusal.policy_version {
            at += &format!(", policy {version}");
        }
        let decided = match refusal.place {
            Some(place) => (place.routine.into(), place.file.to_owned(), 0),
            None => (
                refusal.by().to_owned().into(),
                refusal.policy_file.to_string(),
                refusal.policy_line,
            ),
        };
        ErrorReply {
            severity: Severity::Error,
            sqlstate: refusal.sqlstate,
            message: refusal.message.clone(),
            detail: Some(format!("{} ({at}).", refusal.detail.trim_end_matches('.'))),
            hint: refusal.hint.clone(),
            position: refusal.position,
            decided: Some(decided),
        }
    }

    pub(super) fn too_long(&self, who: &Who) -> Box<Refusal> {
        Box::new(guards::statement_bounds::too_long(
            who,
            self.max_statement_bytes,
        ))
    }

    pub(super) fn record_execute<O: Observer>(
        &self,
        prepared: Option<&Prepared>,
        cx: &Context<'_, O>,
    ) {
        match prepared {
            Some(Prepared { facts, text, .. }) => {
                let text = text.as_ref().map_or(&b""[..], |text| text);
                cx.observer.started(Some(facts), text);
            }
            None => cx.observer.started(None, b""),
        }
    }
}

/// What reaches for the names of a pooled connection.
const BY_SQL: ClassSet = ClassSet::of(Class::Prepare)
    .with(Class::Execute)
    .with(Class::Deallocate);

/// The refusal of what would meet what other clients have prepared; for a login with a zone.
pub(super) fn reaches_for_others(facts: &Facts, who: &Who) -> Option<Box<Refusal>> {
    let mut statements = facts.statements.iter();
    // Whoever deallocates everything harms others no more than PgBouncer lets him.
    let statement =
        statements.find(|s| s.classes.intersects(BY_SQL) && s.tag != "DEALLOCATE ALL")?;
    let objection = Objection::new(format!(
        "cannot execute {} on a pooled connection",
        statement.tag
    ))
    .sqlstate(SqlState::UNSUPPORTED)
    .detail(format!(
        "What others have prepared is there as well, and what sets the {}",
        who.noun()
    ))
    .hint(match statement.tag {
        "DEALLOCATE" => SEND_ALONE,
        _ => "Let the driver prepare it by the protocol",
    })
    .at(statement.position);
    Some(Box::new(objection.refuse(
        Guard::ZoneParameter,
        who,
        facts.fingerprint(),
    )))
}

/// A long text that nobody has the time to read: that statement is refused, and its client stays.
pub(super) fn too_busy(who: &Who) -> Box<Refusal> {
    let objection = Objection::new("too many long statements are waiting to be judged")
        .sqlstate(SqlState::INSUFFICIENT_RESOURCES)
        .detail(format!(
            "Texts over {} KB, or of many statements, are judged in turn",
            LONG_TEXT / 1024
        ))
        .hint("Try again");
    Box::new(objection.refuse(Guard::StatementBounds, who, None))
}

impl Conversation {
    /// What the client has set cannot be set again behind a procedure that may have begun another transaction, or not.
    pub(super) fn judge_behind_procedure(&self, facts: &Facts, who: &Who) -> Option<Box<Refusal>> {
        let injection = self.injection.as_ref()?;
        injection.is_doubted(facts).then(|| {
            let objection = Objection::new("cannot go on in the same batch behind CALL or DO")
                .sqlstate(SqlState::UNSUPPORTED)
                .detail("It may have ended the transaction and begun another: what was set for that one, and default_transaction_isolation and the like, could not be set as they should")
                .hint("Send Sync behind it");
            Box::new(objection.refuse(Guard::SessionState, who, facts.fingerprint()))
        })
    }
}

/// ROLLBACK TO in a failed transaction of which nobody knows what is set in it.
pub(super) fn blindly(who: &Who, facts: &Facts) -> Box<Refusal> {
    let objection = Objection::new("cannot go back to a savepoint behind this batch")
        .sqlstate(SqlState::UNSUPPORTED)
        .detail("A batch has ended a transaction, begun another and failed, so that it is not known which one goes on")
        .hint("Send ROLLBACK");
    Box::new(objection.refuse(Guard::SessionState, who, facts.fingerprint()))
}
