//! Parameters that a client sets for its session, on a server connection that is handed on: each is
//! set for the transaction only, read back, and remembered. What the record does with that is in
//! `parameters`.

use std::sync::Arc;

use super::client::{Message, Step};
use super::in_flight::{Expected, Skipped};
use super::injection::{Injection, QueryForm};
use super::parameters::{Parameters, Unkept};
use super::reading::{self, Move, Says, Sent};
use super::record::{MAX_BYTES, MAX_NAMES};
use super::server::{MAX_ERROR, Step as Answer};
use super::splice::Splice;
use super::{Batch, Conversation, Fatal};
use crate::error::SqlState;
use crate::policy::{Guard, Objection, Refusal, Who};
use crate::protocol::error_fields;
use crate::protocol::frame::{self, HEADER, Header, cstr};
use crate::sql::Facts;
use crate::zone::QUERY_GUARD;

/// What an Execute does to the parameters.
pub(super) enum Noted {
    /// Nothing.
    No,
    /// Its answer may change them.
    Yes,
    /// Answers must be waited for first.
    Wait,
}

impl Conversation {
    /// The parameters of the client; made for the first statement that sets one.
    fn parameters(&mut self) -> Option<&mut Parameters> {
        let injection = self.injection.as_mut()?;
        injection.parameters.as_deref_mut()
    }

    /// No more parameters, or savepoints behind a change of one, than can be kept.
    pub(super) fn parameters_are_too_many(&self, facts: &Facts, who: &Who) -> Option<Box<Refusal>> {
        let injection = self.injection.as_ref()?;
        let room = match &injection.parameters {
            Some(parameters) => parameters.have_room_for(facts),
            None if injection.localizes(facts) => Parameters::default().have_room_for(facts),
            None => true,
        };
        (!room).then(|| too_many_parameters(who))
    }

    /// The values of the startup packet would make of a text one that is much longer.
    pub(super) fn parameters_say_too_much(&self, facts: &Facts, who: &Who) -> Option<Box<Refusal>> {
        let injection = self.injection.as_ref()?;
        injection.adds_too_much(facts).then(|| too_many_resets(who))
    }

    /// Passes a Parse on: its text in the local form, if it has one here.
    pub(super) fn pass_parse(
        &mut self,
        message: Message<'_>,
        facts: &Facts,
        out: &mut Splice<'_>,
    ) -> Step {
        let rewrites = self.rewrites(facts);
        let parts = message.body().and_then(|body| {
            let (name, rest) = cstr(body)?;
            let (text, types) = cstr(rest)?;
            Some((name, text, types))
        });
        let Some((name, text, types)) = parts.filter(|_| !rewrites.is_empty()) else {
            return self.pass(message, out);
        };
        frame::message(out.insert(), b'P', |out| {
            frame::put_cstr(out, name);
            reading::put_rewritten(out, text, &rewrites);
            out.push(0);
            out.extend_from_slice(types);
        });
        self.drop_message(message)
    }

    /// Must answers be waited for, because they decide which prefix is due ahead of the statement?
    pub(super) fn must_know(&mut self, facts: &Facts, out: &mut Splice<'_>) -> bool {
        let Some(injection) = &mut self.injection else {
            return false;
        };
        if self.in_flight.is_empty() {
            injection.answered();
            return false;
        }
        let must = injection.must_know(facts);
        if must {
            self.ask_for_open_batch(out);
        }
        must
    }

    /// What the client has set is set again behind a procedure that may begin another transaction: must it be
    /// waited for what that is?
    pub(super) fn must_know_ahead_of_procedure(
        &mut self,
        facts: &Facts,
        out: &mut Splice<'_>,
    ) -> bool {
        let injection = self.injection.as_ref();
        let must = !self.in_flight.is_empty()
            && injection.is_some_and(|it| it.is_unanswered() && it.may_go_on_in_another(facts));
        if must {
            self.ask_for_open_batch(out);
        }
        must
    }

    /// Waiting for the answers of a batch without Sync.
    pub(super) fn ask_for_open_batch(&mut self, out: &mut Splice<'_>) {
        if self.batch == Batch::Open {
            self.ask_for_answers(out);
        }
    }

    /// Does a statement that is about to be executed change the parameters?
    pub(super) fn note(&mut self, facts: &Facts, out: &mut Splice<'_>) -> Noted {
        let Some(injection) = &mut self.injection else {
            return Noted::No;
        };
        if self.in_flight.is_empty() {
            injection.answered();
        }
        let parameters = injection.parameters.as_ref();
        let would_change = parameters.is_some_and(|parameters| parameters.would_change(facts));
        let speaks = injection.speaks(facts);
        // A named Parse of ours must not stand behind a Sync that is not answered (see
        // `Injection::holds_batches`), and what is reported there must not be taken for what is
        // reported behind the end of the transaction.
        let apart = speaks || would_change || injection.ends_transaction(facts);
        if apart && self.in_flight.has_ended_batches() {
            return Noted::Wait;
        }
        if speaks && injection.removes_names() {
            self.ask_for_open_batch(out);
            return Noted::Wait;
        }
        match speaks || would_change {
            true => Noted::Yes,
            false => Noted::No,
        }
    }

    /// Does it go back into a transaction of which nobody knows what is set in it?
    pub(super) fn goes_back_blindly(&self, facts: &Facts) -> bool {
        let injection = self.injection.as_ref();
        injection.is_some_and(|injection| injection.goes_back_blindly(facts))
    }

    /// Does it end a transaction AND CHAIN of which nobody knows yet whether it has failed? That decides
    /// which modes the next one has.
    pub(super) fn chains_blindly(&self, facts: &Facts) -> bool {
        let injection = self.injection.as_ref();
        !self.in_flight.is_empty() && injection.is_some_and(|injection| injection.chains(facts))
    }

    /// Behind an Execute that was noted: what it sets is read back.
    pub(super) fn read_back(&mut self, facts: &Arc<Facts>, out: &mut Splice<'_>) {
        let Some(injection) = &mut self.injection else {
            return;
        };
        let zone = injection.zone_begun_empty();
        let parameters = injection.begin_parameters();
        parameters.note(facts);
        let Some(statement) = facts.statements.first() else {
            return;
        };
        let all = reading::behind(statement, &says(parameters, zone.as_deref()));
        all.iter().for_each(|behind| parameters.ask(behind));
        for behind in &all {
            injection.put_behind(out.insert(), behind);
            self.in_flight.push_reading();
        }
    }

    /// Ahead of a prefix: the modes that the transaction must have from its beginning.
    pub(super) fn put_modes(&mut self, out: &mut Splice<'_>) {
        let Some(injection) = &mut self.injection else {
            return;
        };
        if injection.is_armed() {
            return;
        }
        let modes = injection.parameters.as_mut().and_then(|parameters| {
            let modes = parameters.modes()?;
            parameters.ask(&modes);
            Some(modes)
        });
        if let Some(modes) = modes {
            injection.put_behind(out.insert(), &modes);
            self.in_flight.push_reading();
        }
    }

    /// Sends a Query that sets parameters, or whose answers change them, in its local form; false: it
    /// is an ordinary one.
    pub(super) fn put_planned(
        &mut self,
        body: &[u8],
        facts: &Arc<Facts>,
        form: QueryForm,
        out: &mut Splice<'_>,
    ) -> bool {
        let Some(injection) = &mut self.injection else {
            return false;
        };
        let parameters = injection.parameters.as_ref();
        let would_change = parameters.is_some_and(|parameters| parameters.would_change(facts));
        if !would_change && !injection.speaks(facts) {
            return false;
        }
        let guard = matches!(form, QueryForm::Guarded | QueryForm::PrefixedGuarded);
        let guard = if guard { QUERY_GUARD } else { b"" };
        let text = body.strip_suffix(b"\0").unwrap_or(body);
        let parameters = injection.begin_parameters();
        let mut sent = Sent::default();
        frame::message(out.insert(), b'Q', |out| {
            let says = says(parameters, None);
            sent = reading::put_query(out, guard, text, facts, &says);
            out.push(0);
        });
        parameters.plan(facts, !guard.is_empty(), sent);
        let stage = match guard.is_empty() {
            true => Expected::Planned,
            false => Expected::PlannedOwn,
        };
        self.in_flight.push(stage);
        true
    }

    /// The answer to a question of ours.
    pub(super) fn read_back_row(&mut self, header: Header, bytes: &[u8]) -> Result<Answer, Fatal> {
        if header.total > MAX_ERROR {
            return Err(unkept(Unkept::NoRoom));
        }
        let Some(message) = bytes.get(..header.total) else {
            return Ok(Answer::More);
        };
        self.read_row(message);
        Ok(Answer::Swallow)
    }

    /// SET LOCAL warns in an implicit transaction; the client has sent SET.
    pub(super) fn notice_of_set(&self, header: Header, bytes: &[u8]) -> Answer {
        if header.total > MAX_ERROR {
            return Answer::Carry;
        }
        match bytes.get(HEADER..header.total) {
            None => Answer::More,
            Some(body) => {
                let head = self.in_flight.head();
                let sqlstate = error_fields::read(body).sqlstate;
                match head.is_some_and(|head| self.is_of_local_form(sqlstate, head)) {
                    true => Answer::Swallow,
                    false => Answer::Carry,
                }
            }
        }
    }

    /// A DataRow of ours.
    pub(super) fn read_row(&mut self, row: &[u8]) {
        if let Some(parameters) = self.parameters() {
            parameters.row(&row[HEADER..]);
        }
    }

    /// Is this the warning that SET LOCAL gives where the client has sent SET, or that SET TRANSACTION
    /// of ours gives?
    pub(super) fn is_of_local_form(&self, sqlstate: &[u8], head: Expected) -> bool {
        if head.is_reading() {
            return sqlstate == b"25P01";
        }
        let injection = self.injection.as_ref();
        let parameters = injection.and_then(|injection| injection.parameters.as_ref());
        sqlstate == b"25P01" && parameters.is_some_and(|parameters| parameters.is_localized())
    }

    /// What was inserted in a planned Query.
    pub(super) fn moves_in_plan(&self) -> &[Move] {
        let injection = self.injection.as_ref();
        let parameters = injection.and_then(|injection| injection.parameters.as_ref());
        parameters.map_or(&[], |parameters| parameters.moves())
    }

    /// The server reports a parameter: is it ours to tell the client about it?
    pub(super) fn holds_report(&mut self, body: &[u8]) -> bool {
        let injection = self.injection.as_ref();
        let kept = injection.is_some_and(|it| it.parameters.is_some() && it.is_pooled());
        self.reports.reported(body, kept)
    }

    /// Ahead of ReadyForQuery: what the client's own connection would report.
    pub(super) fn put_news(&mut self, out: &mut Splice<'_>) {
        let Some(injection) = &self.injection else {
            return;
        };
        if injection.parameters.is_some() && injection.is_pooled() {
            let effective = |name: &str| injection.effective(name, self.status);
            self.reports.put_news(|| out.insert(), effective);
        }
    }

    /// The answer to a RESET that was sent as a SET, if that is what it is; it is left out where everything is.
    pub(super) fn tag_of_reset(&self, complete: &[u8], planned: bool) -> Option<&'static [u8]> {
        let parameters = self.injection.as_ref()?.parameters.as_ref()?;
        let statement = parameters.answered_next(planned)?;
        let is = tag(complete) == b"SET" && statement.tag == "RESET" && !self.leaves_out();
        is.then_some(b"RESET")
    }

    /// A noted Execute has ended.
    pub(super) fn noted_ended(&mut self, complete: &[u8]) {
        if let Some(parameters) = self.parameters() {
            parameters.executed(tag(complete));
        }
    }

    /// The question behind an Execute is answered.
    pub(super) fn reading_ended(&mut self) -> Result<(), Fatal> {
        match self.injection.as_deref_mut() {
            Some(Injection {
                parameters: Some(parameters),
                choice,
                ..
            }) => parameters.answered(choice.as_deref()).map_err(unkept),
            _ => Ok(()),
        }
    }

    /// A statement of a planned Query has ended; whose is the next?
    pub(super) fn planned_ended(&mut self, complete: &[u8]) -> Result<(), Fatal> {
        let Some(Injection {
            parameters: Some(parameters),
            choice,
            ..
        }) = self.injection.as_deref_mut()
        else {
            return Ok(());
        };
        let ended = parameters.statement_ended(tag(complete), choice.as_deref());
        ended.map_err(unkept)?;
        let stage = match parameters.expects_own() {
            true => Expected::PlannedOwn,
            false => Expected::Planned,
        };
        self.in_flight.replace_head(stage);
        Ok(())
    }

    /// The server has failed a batch. `reading`: at a question of ours.
    pub(super) fn parameters_failed(&mut self, skipped: &Skipped, reading: bool) {
        if let Some(injection) = &mut self.injection
            && let Some(parameters) = &mut injection.parameters
        {
            parameters.batch_failed(skipped.noted, skipped.readings);
            if reading {
                injection.reading_failed();
            }
        }
    }

    /// A Query or FunctionCall failed, and the implicit transaction with it.
    pub(super) fn query_undoes(&mut self) {
        if let Some(parameters) = self.parameters() {
            parameters.query_failed();
        }
    }

    /// ReadyForQuery: `planned`, behind a planned Query.
    pub(super) fn parameters_ready(&mut self, idle: bool, planned: bool) {
        if let Some(parameters) = self.parameters() {
            if planned {
                parameters.query_ended();
            }
            parameters.ready(idle);
        }
    }
}

fn says<'p>(parameters: &'p Parameters, zone: Option<&'p str>) -> Says<'p> {
    Says {
        keeps: parameters.keeps(),
        record: Some(parameters.record()),
        zone,
    }
}

/// The command tag of a CommandComplete; empty for another message.
fn tag(message: &[u8]) -> &[u8] {
    match message.split_first() {
        Some((b'C', _)) => message
            .get(HEADER..)
            .and_then(cstr)
            .map_or(b"", |(tag, _)| tag),
        _ => b"",
    }
}

fn too_many_parameters(who: &Who) -> Box<Refusal> {
    let objection = Objection::new("too many parameters are set on this connection")
        .sqlstate(SqlState::PROGRAM_LIMIT)
        .detail(format!(
            "On the transaction route a session may have {MAX_NAMES}, of {} KB",
            MAX_BYTES >> 10
        ))
        .hint("Use SET LOCAL in a transaction, or RESET what is no longer needed");
    Box::new(objection.refuse(Guard::SessionState, who, None))
}

fn too_many_resets(who: &Who) -> Box<Refusal> {
    let objection = Objection::new("too many parameters are reset in one text")
        .sqlstate(SqlState::PROGRAM_LIMIT)
        .detail("Each returns to what the connection has begun with, which is said again behind it")
        .hint("Send them one by one");
    Box::new(objection.refuse(Guard::SessionState, who, None))
}

fn unkept(why: Unkept) -> Fatal {
    match why {
        Unkept::NoRoom => Fatal {
            sqlstate: SqlState::PROGRAM_LIMIT,
            message: format!(
                "the parameters of this connection exceed {} KB",
                MAX_BYTES >> 10
            ),
        },
        Unkept::NotGranted => Fatal {
            sqlstate: SqlState::POLICY,
            message: "something in the database has set a zone that is not granted".to_owned(),
        },
    }
}
