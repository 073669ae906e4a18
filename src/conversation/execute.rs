//! Execute: what stands behind a portal runs.

use std::sync::Arc;

use super::by_sql::Named;
use super::client::{Message, Step, bad_layout, has_copy_in};
use super::extended::{
    Lookup, clears_too_late, portal_without_zone, wait_for_names, within_bounds,
};
use super::in_flight::Expected;
use super::judge::blindly;
use super::names::{is_cut, name_too_long};
use super::reading::Moves;
use super::splice::Splice;
use super::virtualised::Noted;
use super::{Batch, Context, Conversation, Fatal, Observer};
use crate::policy::Refusal;
use crate::protocol::frame::cstr;
use crate::sql::Facts;

/// What becomes of a statement that is to run.
enum Begun {
    /// It runs; `noted`: what it sets is read back behind it.
    Runs {
        noted: bool,
    },
    Wait,
    Refused(Box<Refusal>),
}

impl Conversation {
    pub(super) fn execute<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Result<Step, Fatal> {
        let Some(body) = message.body() else {
            return wait_for_names(message);
        };
        let (portal, rows) = cstr(body).ok_or_else(bad_layout)?;
        within_bounds(portal)?;
        if rows.len() != 4 {
            return Err(bad_layout());
        }
        if is_cut(portal) {
            return Ok(self.refuse_extended(message, name_too_long(cx.who), cx, out));
        }
        let prepared = match self.lookup_portal(portal, out) {
            Lookup::Known(prepared) => Some(prepared),
            Lookup::Wait => return Ok(Step::Hold),
            Lookup::Unknown if portal.is_empty() => {
                return Ok(self.refuse_unnamed_portal(message, cx, out));
            }
            // Without Bind it can only be a cursor that an allowed statement declared.
            Lookup::Unknown => {
                if let Some(refusal) = self.judge_cursor(portal, cx) {
                    return Ok(self.refuse_extended(message, refusal, cx, out));
                }
                None
            }
        };
        let facts = prepared.as_ref().map(|prepared| &prepared.facts);
        if let Some(refusal) = self.refused_at_execute(facts, cx) {
            return Ok(self.refuse_extended(message, refusal, cx, out));
        }
        if let Some(prepared) = prepared.as_ref().filter(|it| it.deallocates) {
            return Ok(self.execute_deallocate(message, &prepared.facts, cx, out));
        }
        let clears_late = facts.is_some_and(|facts| self.clears_late(facts));
        let noted = match facts.map(|facts| self.begin(facts, cx, out)) {
            None => false,
            Some(Begun::Runs { noted }) => noted,
            Some(Begun::Wait) => return Ok(Step::Hold),
            Some(Begun::Refused(refusal)) => {
                return Ok(self.refuse_extended(message, refusal, cx, out));
            }
        };
        self.limit_rows(cx);
        if self.record {
            self.record_execute(prepared.as_ref(), cx);
        }
        self.batch = Batch::Open;
        let step = self.pass(message, out);
        let moves = prepared.as_ref().and_then(|it| it.moves.clone());
        self.expect_of_execute(facts, noted, moves, out);
        if clears_late {
            self.put_zone_again(cx, out);
        }
        Ok(step)
    }

    /// Why it may not run any more, or not so; `None`: a cursor's statement, or nothing is against it.
    fn refused_at_execute<O: Observer>(
        &mut self,
        facts: Option<&Arc<Facts>>,
        cx: &mut Context<'_, O>,
    ) -> Option<Box<Refusal>> {
        let described = facts.map(|facts| &**facts);
        let injection = self.injection.as_ref();
        let failed = self.failed();
        if injection.is_some_and(|injection| injection.lost_to_portal(described, failed)) {
            return Some(portal_without_zone(cx.who, described));
        }
        let facts = facts?;
        // What is set again must be understood, as a text and by its name.
        let is_sure = self.replaceable && injection.is_some_and(|it| !it.removes_names());
        if !is_sure && self.clears_late(facts) {
            return Some(clears_too_late(cx.who, facts));
        }
        let refusal = self.judge_again(facts, cx);
        refusal.or_else(|| self.parameters_are_too_many(facts, cx.who))
    }

    /// What it does to names, parameters and the zone is known from here on.
    fn begin<O: Observer>(
        &mut self,
        facts: &Arc<Facts>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Begun {
        if self.goes_back_blindly(facts) {
            return Begun::Refused(blindly(cx.who, facts));
        }
        match self.judge_named(facts, cx, out) {
            Named::Allowed => {}
            Named::Wait => return Begun::Wait,
            Named::Refused(refusal) => return Begun::Refused(refusal),
        }
        if self.must_know_ahead_of_procedure(facts, out) {
            return Begun::Wait;
        }
        let noted = match self.note(facts, out) {
            Noted::No => false,
            Noted::Yes => true,
            Noted::Wait => return Begun::Wait,
        };
        self.may_deallocate(facts);
        self.may_hide_relations(facts);
        self.note_names(facts);
        self.may_unpin(facts);
        let failed = self.failed();
        if let Some(injection) = &mut self.injection {
            if noted {
                // What is touched from here on is remembered.
                injection.begin_parameters();
            }
            injection.executed(facts, failed);
        }
        Begun::Runs { noted }
    }

    /// The answers that will come, that to what reads back included.
    fn expect_of_execute(
        &mut self,
        facts: Option<&Arc<Facts>>,
        noted: bool,
        moves: Moves,
        out: &mut Splice<'_>,
    ) {
        let copy_in = facts.is_some_and(|facts| has_copy_in(facts));
        let expected = match noted {
            true => Expected::NotedExecute,
            false => Expected::Execute,
        };
        self.in_flight.push_statement(expected, copy_in);
        self.in_flight.last_is_moved(moves);
        if let Some(facts) = facts.filter(|_| noted) {
            self.read_back(facts, out);
        }
    }
}
