//! The parameters of one client on a pooled connection: what was sent about them and is not answered
//! yet, and what the running transaction's prefix must leave alone. What they are is in the `record`.

mod defaults;
mod prefix;
mod touched;

use std::cell::{Cell, LazyCell};
use std::collections::VecDeque;
use std::sync::Arc;

use super::choice::Choice;
use super::injection::shared::ReadUnder;
use super::modes::{self, Ended, Running};
use super::needs::looks_up;
use super::reading::{self, Behind, Keeps, Move, Sent};
use super::record::Record;
use crate::protocol::frame::only_value;
use crate::sql::{
    Facts, ParameterName, ParameterTouch, ParameterUse, Savepoint, SavepointAct, Statement,
    TransactionControl,
};
use crate::zone::Prefix;
pub use touched::Touched;
use touched::{add, append, contains};

/// A simple Query whose answers are counted.
#[derive(Debug)]
struct Plan {
    facts: Arc<Facts>,
    /// The statement of the client's that is answered next.
    next: usize,
    /// Statements of ours before that.
    own: usize,
    /// Is the first of those the guard, and nobody waits for its answer?
    guard: bool,
    sent: Sent,
}

/// The parameters of one client.
#[derive(Debug, Default)]
pub struct Parameters {
    record: Record,
    /// By what texts are read, and at which stamp of the record plus one.
    under: Cell<(u64, ReadUnder)>,
    /// Values are kept of this one only; none: of all.
    only: Option<Arc<str>>,
    /// What sets all of them, and the zone; made when it is needed and until something changes.
    prefix: Option<Prefix>,
    /// Set by the client in the running transaction: not for a prefix to overwrite.
    touched: Vec<Box<str>>,
    /// The same, but for a RESET ALL that a ROLLBACK TO may take back.
    reset: Vec<Box<str>>,
    /// A value of the transaction's own stands over one that is kept.
    covered: bool,
    /// Whether it still does is not known.
    doubted: bool,
    /// Those of the running transaction.
    modes: Running,
    /// Transactions are read-only where the client says nothing.
    reads_only: bool,
    /// Statements that change the record, of Executes, unanswered.
    noted: VecDeque<Arc<Facts>>,
    /// Parameters that the server was asked about, unanswered; none: what was said there sets them.
    asked: VecDeque<Option<Box<str>>>,
    plan: Option<Plan>,
    /// The answer to the first of `asked`.
    value: Option<Box<str>>,
    /// Something failed since the last ReadyForQuery.
    failed: bool,
    /// Those of the running transaction; the first may have empty names.
    savepoints: Vec<Box<str>>,
}

/// Savepoints that are followed: behind more of them a failed transaction may be taken for one that
/// goes on.
const MAX_SAVEPOINTS: usize = 1000;

/// What the server has said cannot be kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Unkept {
    /// There is no room for it.
    NoRoom,
    /// It is a zone that the client may not have: something in the database has set it.
    NotGranted,
}

/// Parameters whose meaning depends on others, and on which: they are set behind a prefix.
const DEPENDENT: [(&str, &str); 2] = [
    ("datestyle", "datestyle"),
    ("default_text_search_config", "search_path"),
];

impl Parameters {
    /// For a client that begins with this. `reads_only`: its transactions are read-only where it says
    /// nothing.
    /// `savepoints`: so many have been set in the running transaction.
    /// `only`: values are kept of this one alone.
    pub fn new(
        record: Record,
        only: Option<Arc<str>>,
        reads_only: bool,
        savepoints: usize,
    ) -> Self {
        Self {
            record,
            only,
            reads_only,
            savepoints: vec![Box::default(); savepoints.min(MAX_SAVEPOINTS)],
            ..Self::default()
        }
    }

    /// Of which values are kept.
    pub fn keeps(&self) -> Keeps<'_> {
        self.only.as_deref().map_or(Keeps::All, Keeps::Only)
    }

    /// What the client has set, as far as the server has confirmed it.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// By what the client's texts are read: what `find` says, once for each change of the record.
    pub fn read_under(&self, find: impl FnOnce() -> ReadUnder) -> ReadUnder {
        let stamp = self.record.stamp() + 1;
        let (at, under) = self.under.get();
        if at == stamp {
            return under;
        }
        let under = find();
        self.under.set((stamp, under));
        under
    }

    /// Is anything unanswered that may change the record?
    pub fn is_unanswered(&self) -> bool {
        self.plan.is_some() || !self.noted.is_empty() || !self.asked.is_empty()
    }

    /// Must a prefix set anything?
    pub fn have_to_be_set(&self) -> bool {
        self.to_set().next().is_some()
    }

    /// Does it set nothing but this?
    pub fn sets_only(&self, name: &str) -> bool {
        self.to_set().all(|(it, _)| it == name)
    }

    fn to_set(&self) -> impl Iterator<Item = (&str, &str)> {
        let applied = self.record.applied();
        applied.filter(|(name, _)| !contains(&self.touched, name))
    }

    /// Has the client set it in the running transaction?
    pub fn is_touched(&self, name: &str) -> bool {
        contains(&self.touched, name)
    }

    /// Must a prefix stand ahead of the statement, because of what it sets or resets? `goes_on`: its
    /// transaction may go on behind it.
    pub fn bear_on(&self, facts: &Facts, goes_on: bool) -> bool {
        if self.record.is_empty() {
            return false;
        }
        let depends = |touch: &ParameterTouch| {
            let named =
                |it: &str| matches!(&touch.name, ParameterName::Named(name) if **name == *it);
            let has = |name: &str| self.record.value(name).is_some();
            // The running transaction has the modes that were the defaults when it began.
            let mode = |it: &str| (named(it) || touch.name == ParameterName::All) && has(it);
            DEPENDENT.iter().any(|(it, on)| named(it) && has(on))
                || (goes_on && modes::DEFAULTS.into_iter().any(mode))
        };
        // What is said behind a RESET takes a snapshot, and modes must be set before.
        let has_modes = LazyCell::new(|| self.modes().is_some());
        let snapshot = |it: &Statement| {
            *has_modes
                && reading::localized(it, self.keeps()).is_none()
                && reading::returns_to_origin(it, &self.record)
        };
        // DISCARD ALL runs alone or not at all.
        let mut statements = facts.statements.iter().filter(|it| it.tag != "DISCARD ALL");
        let touches = |it: &Statement| it.parameters.iter().any(depends);
        statements.any(|it| touches(it) || looks_up(it, &self.record) || snapshot(it))
    }

    /// A statement is being sent to run.
    pub fn sent(&mut self, facts: &Facts) {
        for statement in &facts.statements {
            let named = statement.details.modes;
            self.modes.named = self.modes.named.or(named).or(modes::of(statement));
            let savepoint = statement.details.savepoint.as_ref();
            if savepoint.is_some_and(|it| it.act == SavepointAct::RollBackTo) {
                append(&mut self.touched, &mut self.reset);
            }
        }
        for touch in facts.statements.iter().flat_map(|it| &it.parameters) {
            if touch.name == ParameterName::All {
                append(&mut self.reset, &mut self.touched);
            } else if let Some(name) = self.of_interest(touch) {
                add(&mut self.touched, name);
                self.covered |= touch.how != ParameterUse::Session;
            }
        }
    }

    /// The transaction is over: what was touched in it is as it was.
    pub fn transaction_ended(&mut self, how: Ended) {
        let touched = modes::defaults(|name| self.is_touched(name));
        self.modes = self.modes.next(how, touched, self.is_in_savepoint());
        self.touched.clear();
        self.reset.clear();
        (self.covered, self.doubted) = (false, false);
    }

    /// What the client has touched in the running transaction, and its modes.
    pub fn touched(&self) -> Touched {
        Touched {
            names: self.touched.clone(),
            reset: self.reset.clone(),
            covered: self.covered,
            modes: self.modes,
        }
    }

    /// It goes on, and this was touched in it, and its modes.
    pub fn touch_again(&mut self, before: Touched) {
        self.touched = before.names;
        self.reset = before.reset;
        self.covered = before.covered;
        self.modes = before.modes;
    }

    /// Can the answer to this change the record?
    pub fn would_change(&self, facts: &Facts) -> bool {
        let undoes = self.record.is_changed() || self.is_in_savepoint() || self.is_unanswered();
        let resets = |statement: &Statement| {
            let mut touches = statement.parameters.iter();
            touches.any(|touch| touch.how == ParameterUse::Reset)
        };
        let mut statements = facts.statements.iter();
        reading::sets(facts, self.keeps())
            || statements.any(|it| {
                resets(it) || it.details.savepoint.is_some() || (undoes && it.transaction.is_some())
            })
    }

    /// Is there room for what a statement sets, and for the savepoint that it sets?
    pub fn have_room_for(&self, facts: &Facts) -> bool {
        let names = facts.statements.iter();
        let names = names.flat_map(|it| reading::named(it, self.keeps()));
        let asked = self.asked.iter().flatten().map(|name| &**name);
        let savepoint = |it: &Statement| it.details.savepoint.is_some();
        let grows = reading::sets(facts, self.keeps())
            || (self.record.is_changed() && facts.statements.iter().any(savepoint));
        self.can_touch(facts) && (!grows || self.record.has_room_for(names.chain(asked)))
    }

    /// Such a statement was sent, in an Execute.
    pub fn note(&mut self, facts: &Arc<Facts>) {
        self.noted.push_back(Arc::clone(facts));
    }

    /// This was sent behind an Execute, or ahead of a prefix.
    pub fn ask(&mut self, behind: &Behind<'_>) {
        self.asked.push_back(behind.name.map(Box::from));
    }

    /// Such statements were sent, in a Query.
    pub fn plan(&mut self, facts: &Arc<Facts>, guard: bool, mut sent: Sent) {
        self.asked.extend(std::mem::take(&mut sent.asked));
        self.plan = Some(Plan {
            facts: Arc::clone(facts),
            next: 0,
            own: usize::from(guard),
            guard,
            sent,
        });
    }

    /// Is the next answer to the Query one to a statement of ours?
    pub fn expects_own(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.own > 0)
    }

    /// What was inserted in the Query's text.
    pub fn moves(&self) -> &[Move] {
        self.plan.as_ref().map_or(&[], |plan| &plan.sent.moves)
    }

    /// Was the Execute that is answered next sent in another form than the client's?
    pub fn is_localized(&self) -> bool {
        let keeps = self.keeps();
        self.noted.front().is_some_and(|facts| {
            let mut statements = facts.statements.iter();
            reading::sets(facts, keeps)
                || statements.any(|it| reading::is_answered_as_set(it, keeps, &self.record))
        })
    }

    /// The client's statement that is answered next: of the planned Query, or of the noted Execute.
    pub fn answered_next(&self, planned: bool) -> Option<&Statement> {
        match planned {
            true => self
                .plan
                .as_ref()
                .and_then(|plan| plan.facts.statements.get(plan.next)),
            false => self.noted.front()?.statements.first(),
        }
    }

    /// A DataRow of ours: its body.
    pub fn row(&mut self, body: &[u8]) {
        self.value = only_value(body).map(Box::from);
    }

    /// The noted Execute has ended: `tag` is that of its CommandComplete.
    pub fn executed(&mut self, tag: &[u8]) {
        if let Some(facts) = self.noted.pop_front()
            && let Some(statement) = facts.statements.first()
        {
            self.apply(statement, tag);
        }
    }

    /// The question behind an Execute is answered to its end.
    pub fn answered(&mut self, zone: Option<&Choice>) -> Result<(), Unkept> {
        let value = self.value.take();
        let asked = self.asked.pop_front().flatten().zip(value);
        match asked {
            // It was not reached, or is not known.
            None => Ok(()),
            // The empty text is no zone: the client has given its own back, and has none.
            Some((name, value))
                if zone.is_some_and(|zone| !value.is_empty() && !zone.admits(&name, &value)) =>
            {
                Err(Unkept::NotGranted)
            }
            Some((name, value)) if self.record.fits(&name, &value) => {
                self.prefix = None;
                self.record.set(&name, &value);
                Ok(())
            }
            Some(_) => Err(Unkept::NoRoom),
        }
    }

    /// A statement of the planned Query has ended.
    pub fn statement_ended(&mut self, tag: &[u8], zone: Option<&Choice>) -> Result<(), Unkept> {
        let Some(plan) = &mut self.plan else {
            return Ok(());
        };
        if plan.own > 0 {
            plan.own -= 1;
            return match std::mem::take(&mut plan.guard) {
                true => Ok(()),
                false => self.answered(zone),
            };
        }
        let facts = Arc::clone(&plan.facts);
        if let Some(statement) = facts.statements.get(plan.next) {
            plan.own = plan.sent.behind.get(plan.next).copied().unwrap_or(0);
            plan.next += 1;
            self.apply(statement, tag);
        }
        Ok(())
    }

    fn apply(&mut self, statement: &Statement, tag: &[u8]) {
        use TransactionControl::{Commit, Rollback, TwoPhase};
        for touch in &statement.parameters {
            if touch.how == ParameterUse::Reset && !touch.passing {
                self.prefix = None;
                match &touch.name {
                    ParameterName::Named(name) => self.record.reset(name),
                    ParameterName::All => self.record.reset_all(),
                    ParameterName::Dynamic => {}
                }
            }
        }
        if statement.tag == "DISCARD ALL" {
            // It is committed at once, whatever follows.
            self.record.forgotten_by_pool();
            self.record.commit();
        }
        match statement.transaction {
            // COMMIT of a failed transaction is answered with ROLLBACK.
            Some(Commit { .. } | Rollback { .. }) if tag == b"COMMIT" => {
                self.record.commit();
                self.savepoints.clear();
            }
            Some(Commit { .. } | Rollback { .. } | TwoPhase) => self.roll_back(),
            _ => {}
        }
        if let Some(savepoint) = &statement.details.savepoint {
            let name = &savepoint.name;
            self.follow(savepoint);
            match savepoint.act {
                SavepointAct::Set => self.record.savepoint(name),
                SavepointAct::Release => self.record.release(name),
                SavepointAct::RollBackTo => {
                    self.prefix = None;
                    self.record.roll_back_to(name);
                }
            }
        }
    }

    fn follow(&mut self, savepoint: &Savepoint) {
        if savepoint.act == SavepointAct::Set {
            if self.savepoints.len() < MAX_SAVEPOINTS {
                self.savepoints.push(savepoint.name.clone());
            }
            return;
        }
        let mut named = self.savepoints.iter();
        let place = named.rposition(|it| *it == savepoint.name);
        // One that is not known is among those without names.
        let unnamed = self.savepoints.iter().filter(|it| it.is_empty()).count();
        let place = place.unwrap_or(unnamed.saturating_sub(1));
        let kept = usize::from(savepoint.act == SavepointAct::RollBackTo);
        self.savepoints.truncate(place + kept);
    }

    /// Is the failed transaction one that can be rolled back to a savepoint?
    pub fn is_in_savepoint(&self) -> bool {
        !self.savepoints.is_empty()
    }

    fn roll_back(&mut self) {
        self.savepoints.clear();
        if self.record.is_changed() {
            self.prefix = None;
            self.record.roll_back();
        }
    }

    /// The server has failed a batch and skipped so much of it.
    pub fn batch_failed(&mut self, noted: usize, asked: usize) {
        self.failed = true;
        self.value = None;
        self.noted.drain(..noted.min(self.noted.len()));
        self.asked.drain(..asked.min(self.asked.len()));
    }

    /// A Query failed.
    pub fn query_failed(&mut self) {
        self.failed = true;
        self.value = None;
    }

    /// The planned Query is over.
    pub fn query_ended(&mut self) {
        if self.plan.take().is_some() {
            self.asked.clear();
        }
    }

    /// ReadyForQuery: `idle`, and so an implicit transaction, if there was one, has ended.
    pub fn ready(&mut self, idle: bool) {
        let failed = std::mem::take(&mut self.failed);
        if idle {
            self.savepoints.clear();
        }
        if idle && failed {
            self.roll_back();
        } else if idle {
            self.record.commit();
        }
    }
}
