//! When a prefix is due: the transaction as it will be once everything sent has run.
//!
//! Within a batch the prediction is exact: if anything fails, the server skips the rest. Between
//! batches it may be wrong only after transaction control; then the next batch waits for the answer.

mod names;
mod putting;
pub mod shared;
mod skipped;
mod transaction;

use std::sync::Arc;

use super::choice::Choice;
use super::keeping::Keeping;
use super::modes;
use super::needs::{
    depends_on, joined, locks, matters_to, moves, names_only, needs_block, resets_all, runs_alone,
    runs_deferred, shows_other,
};
use super::parameters::Parameters;
use super::reading::{self, Behind, Keeps, Rewrite};
use super::record::Record;
use super::reports::Effective;
use super::{Origins, Setup};
use crate::protocol::TransactionStatus;
use crate::sql::{
    Facts, ParameterName, ParameterTouch, ParameterUse, Statement, TransactionControl,
};
pub use names::{NUMBER_LENGTH, PoolName};
use skipped::{Before, Failed};

use crate::zone::spelling::Spelling;
use crate::zone::{NAME_LENGTH, Prefix};

/// What is set in every transaction of one connection: its zone, and the parameters of a client whose
/// server connection is pooled.
#[derive(Debug)]
pub struct Injection {
    /// What sets the zone, if there is one.
    zone: Option<Arc<Prefix>>,
    name: [u8; NAME_LENGTH],
    /// Parameters are kept here, since the server connection is handed on or the client sets its zone
    /// itself: with those of the startup packet.
    origins: Option<Arc<Origins>>,
    /// The server connection is handed on.
    pooled: bool,
    /// The zone that the client sets itself, where it does.
    pub choice: Option<Box<Choice>>,
    /// Transactions are read-only where the client says nothing.
    reads_only: bool,
    /// Those that the client has, once it has set any, or reset any of the startup packet.
    pub parameters: Option<Box<Parameters>>,
    /// The prefix was sent in the transaction that the next statement runs in.
    armed: bool,
    /// The next statement runs in an explicit transaction.
    in_transaction: bool,
    /// Something was sent in that transaction that reads or writes.
    has_run: bool,
    /// Something was set in that transaction that decides how texts are read.
    reads_otherwise: bool,
    /// RESET ALL took the zone from the transaction; what was bound before it would run without.
    cleared: bool,
    /// Savepoints of the transaction, as far as is known before there are parameters.
    savepoints: u32,
    /// Transaction control, or a prefix ahead of a simple Query, is unanswered: no batch is sent
    /// ahead of it.
    unsettled: bool,
    /// The prefix failed: its name may still be there.
    leftover: bool,
    /// A question about a parameter failed: the same.
    asked_in_vain: bool,
    /// DISCARD ALL or DEALLOCATE ALL was sent: a pool that follows names knows that what it has parsed is
    /// gone once it is answered, and not before.
    removes_names: bool,
    /// PREPARE was run: behind DEALLOCATE a name can stand for another statement than the one that was
    /// parsed under it. SQL can prepare only what a zone matters for.
    prepared_by_sql: bool,
    /// What was known before the first unanswered statement that ends the transaction: it may be skipped.
    before: Option<Box<Before>>,
    last_failed: Failed,
    keeping: Keeping,
    /// Of our own statements, and how the prefix was spelled last.
    spelling: Arc<Spelling>,
    spelled: u32,
}

/// How a simple Query goes to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryForm {
    /// As the client sent it.
    Verbatim,
    /// Behind the prefix (safe in an explicit transaction).
    Prefixed,
    /// Behind [`crate::zone::QUERY_GUARD`]: the zone is set by this very implicit transaction.
    Guarded,
    /// Behind the prefix and the guard.
    PrefixedGuarded,
    /// It mixes transaction control with other statements: where the zone would have to be set
    /// cannot be reached from outside.
    Mixed,
}

impl Injection {
    /// For a new server connection. `reads_only`: transactions are read-only by default.
    pub fn new(setup: &Setup, name: [u8; NAME_LENGTH], pooled: bool, reads_only: bool) -> Self {
        let choice = setup.chooses.as_ref().map(|who| Box::new(Choice::new(who)));
        let keeps = pooled || choice.is_some();
        let mut injection = Self {
            zone: setup.zone.clone(),
            name,
            origins: keeps.then(|| origins(setup, choice.as_deref())),
            pooled,
            choice,
            reads_only,
            parameters: None,
            armed: false,
            in_transaction: false,
            has_run: false,
            reads_otherwise: false,
            cleared: false,
            savepoints: 0,
            unsettled: false,
            leftover: false,
            asked_in_vain: false,
            removes_names: false,
            prepared_by_sql: false,
            before: None,
            last_failed: Failed::Known,
            keeping: Keeping::new(pooled),
            spelling: Arc::clone(&setup.spelling),
            spelled: 0,
        };
        let origins = injection.origins.as_ref();
        // What is fixed goes with them where the client sets its zone itself.
        let both = injection.zone.is_some() && injection.choice.is_some();
        if both || origins.is_some_and(|it| !it.kept.is_empty()) {
            injection.begin_parameters();
        }
        injection
    }

    /// The parameters of the client; from now on there are some.
    pub fn begin_parameters(&mut self) -> &mut Parameters {
        let origins = self.origins.as_deref();
        self.parameters.get_or_insert_with(|| {
            let record = origins.map(|it| Record::new(&it.kept, &it.pooled));
            let (reads_only, savepoints) = (self.reads_only, self.savepoints);
            let record = record.unwrap_or_default();
            let choice = self.choice.as_ref().filter(|_| !self.pooled);
            let only = choice.map(|choice| choice.parameter());
            let savepoints = savepoints as usize;
            Box::new(Parameters::new(record, only, reads_only, savepoints))
        })
    }

    /// Is the server connection handed on?
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// Of which parameters values are kept.
    pub fn keeps(&self) -> Keeps<'_> {
        match &self.choice {
            Some(choice) if !self.pooled => Keeps::Only(choice.name()),
            _ => Keeps::All,
        }
    }

    /// Are values kept of the zone alone: is the server connection the client's own?
    pub fn keeps_zone_only(&self) -> bool {
        matches!(self.keeps(), Keeps::Only(_))
    }

    /// Has the client set its zone, for its session or in the running transaction?
    pub fn has_chosen(&self) -> bool {
        let Some(choice) = &self.choice else {
            return false;
        };
        choice.is_set_here() || self.zone_kept(choice).is_some()
    }

    /// The zone of the client's session, as far as the running transaction leaves it.
    fn zone_kept(&self, choice: &Choice) -> Option<&str> {
        let record = self.parameters.as_ref()?.record();
        choice.zone_kept(record.value(choice.name()), self.begun(choice))
    }

    /// Has the client's startup packet said a zone, to which RESET returns?
    pub fn begins_with_zone(&self) -> bool {
        let choice = self.choice.as_deref();
        choice.is_some_and(|choice| self.begun(choice).is_some())
    }

    /// The zone's parameter, where the client has begun with the empty one.
    pub fn zone_begun_empty(&self) -> Option<Arc<str>> {
        let choice = self.choice.as_ref()?;
        let mut origins = self.origins.iter().flat_map(|it| it.kept.iter());
        let empty = origins.any(|(name, value)| choice.is(name) && value.is_empty());
        empty.then(|| choice.parameter())
    }

    /// That zone.
    fn begun(&self, choice: &Choice) -> Option<&str> {
        let mut origins = self.origins.iter().flat_map(|it| it.kept.iter());
        let (_, zone) = origins.find(|(name, value)| choice.is(name) && !value.is_empty())?;
        Some(zone)
    }

    /// Is anything said behind it, or is it sent in another form?
    pub fn speaks(&self, facts: &Facts) -> bool {
        self.localizes(facts) || self.resets_origin(facts)
    }

    /// Does the statement reset what the client had in its startup packet?
    fn resets_origin(&self, facts: &Facts) -> bool {
        let Some(origins) = &self.origins else {
            return false;
        };
        let all = || origins.kept.iter().chain(&origins.pooled);
        let is = |touch: &ParameterTouch| {
            touch.how == ParameterUse::Reset
                && match &touch.name {
                    ParameterName::All => all().next().is_some(),
                    ParameterName::Named(name) => all().any(|(it, _)| **it == **name),
                    ParameterName::Dynamic => false,
                }
        };
        facts
            .statements
            .iter()
            .flat_map(|it| &it.parameters)
            .any(is)
    }

    /// Another server connection takes the place of the idle one.
    pub fn server_replaced(&mut self) {
        self.keeping.server_replaced();
    }

    /// Is transaction control, or a prefix ahead of a simple Query, unanswered?
    pub fn unsettled(&self) -> bool {
        self.unsettled
    }

    /// Must the next batch wait until everything is answered? Also where it would begin with a
    /// prefix: PgBouncer that follows prepared statements hangs for ever when a named Parse comes
    /// in two pieces behind a Sync that is not answered yet (measured on 1.24.1).
    pub fn holds_batches(&self) -> bool {
        self.is_unanswered()
            || (self.choice.is_some() && self.unsettled)
            || (self.injects() && (self.unsettled || !self.in_transaction || !self.is_settled_in()))
    }

    /// What a parameter is for the client, where that is not what the server has now: what is set
    /// once a prefix is sent, or comes back when the failed transaction is rolled back.
    pub fn effective(&self, name: &str, status: TransactionStatus) -> Effective<'_> {
        let Some(parameters) = &self.parameters else {
            return Effective::Reported;
        };
        let record = parameters.record();
        let own = match status {
            TransactionStatus::Idle => record.value(name),
            TransactionStatus::Transaction if parameters.is_touched(name) => None,
            TransactionStatus::Transaction if self.armed => {
                let set = record.value(name);
                return set.map_or(Effective::Reported, Effective::Set);
            }
            TransactionStatus::Transaction => record.value(name),
            TransactionStatus::Failed if parameters.is_in_savepoint() => None,
            TransactionStatus::Failed => record.value_before(name),
        };
        own.map_or(Effective::Reported, Effective::Own)
    }

    /// The same for a parameter that bears on no statement, so that only what is set there counts. In a failed
    /// transaction that is nothing of this parameter's, unless the client has said something of it there.
    pub fn unknown_there(&self, name: &str, status: TransactionStatus) -> Option<&str> {
        let parameters = self.parameters.as_ref()?;
        match status {
            TransactionStatus::Failed if !parameters.is_touched(name) => {
                parameters.record().value(name)
            }
            _ => match self.effective(name, status) {
                Effective::Own(value) => Some(value),
                Effective::Set(_) | Effective::Reported => None,
            },
        }
    }

    /// Is anything unanswered that may change the parameters?
    pub fn is_unanswered(&self) -> bool {
        let parameters = self.parameters.as_ref();
        parameters.is_some_and(|parameters| parameters.is_unanswered())
    }

    /// Does a prefix matter for what the statement does? `goes_on`: its transaction may go on behind it.
    fn matters(&self, facts: &Facts, goes_on: bool) -> bool {
        let parameters = self.parameters.as_ref();
        self.needs(facts)
            || (self.signs() && facts.statements.iter().any(locks))
            || self.owes_zone_to(facts)
            || parameters.is_some_and(|it| match &*facts.statements {
                [alone] if runs_alone(alone) => depends_on(alone, it.record()),
                _ => it.bear_on(facts, goes_on),
            })
    }

    /// Does a prefix bear on the rows that the statement reads or writes, or on what it shows?
    pub(super) fn needs(&self, facts: &Facts) -> bool {
        let needs = |it: &Statement| matters_to(it) && !shows_other(it, |name| self.bears_on(name));
        facts.undescribed.is_some() || facts.statements.iter().any(needs)
    }

    /// Does it bear on what SHOW of this parameter tells, or may it, for all that is known by now?
    fn bears_on(&self, shown: &str) -> bool {
        let mut zone = self.zone.iter().flat_map(|it| it.values());
        let record = self.parameters.as_ref().map(|it| it.record());
        let default = modes::default_of(shown);
        let is_open = reading::is_kept(shown) || default.is_some();
        (is_open && self.is_unanswered())
            || zone.any(|(name, _)| name.eq_ignore_ascii_case(shown))
            || record.is_some_and(|record| {
                let has = |name: &str| record.value(name).is_some();
                has(shown) || default.is_some_and(has)
            })
    }

    /// Would triggers that were put off run without the zone, because RESET ALL has taken it?
    pub(super) fn owes_zone_to(&self, facts: &Facts) -> bool {
        self.cleared
            && self.has_run
            && self.zone.is_some()
            && facts.statements.iter().any(runs_deferred)
    }

    /// The same at the end of an implicit transaction, where nothing of ours stands ahead of them: would RESET ALL take
    /// the zone from what has run there?
    pub fn clears_late(&self, facts: &Facts) -> bool {
        self.zone.is_some() && self.has_run && !self.in_transaction && resets_all(facts)
    }

    /// Does it depend on unanswered messages whether a prefix is due ahead of the statement, and which,
    /// or whether it is understood?
    pub fn must_know(&self, facts: &Facts) -> bool {
        let due = self.removes_names && self.injects();
        let matters = self.matters(facts, true)
            || modes::sets_default(facts)
            // What is unanswered may be the search_path that they go by.
            || facts.statements.iter().any(names_only);
        (self.is_unanswered() || due) && !self.is_settled_in() && matters
    }

    /// Would a name of ours not be understood?
    pub fn removes_names(&self) -> bool {
        self.removes_names
    }

    /// Nothing is unanswered.
    pub fn answered(&mut self) {
        self.removes_names = false;
    }

    /// Does it end the running transaction, and with it what is known about its parameters?
    pub fn ends_transaction(&self, facts: &Facts) -> bool {
        use TransactionControl::{Commit, Rollback, TwoPhase};
        let mut control = facts.statements.iter().filter_map(|it| it.transaction);
        self.parameters.is_some()
            && control.any(|it| matches!(it, Commit { .. } | Rollback { .. } | TwoPhase))
    }

    /// Does another transaction begin with the modes of the running one, where there are parameters?
    pub fn chains(&self, facts: &Facts) -> bool {
        use TransactionControl::{Commit, Rollback};
        let mut control = facts.statements.iter().filter_map(|it| it.transaction);
        let chain = |it| matches!(it, Commit { chain: true } | Rollback { chain: true });
        self.parameters.is_some() && control.any(chain)
    }

    /// Is the prefix due ahead of a Bind of this statement?
    /// `named`: the statement has a name.
    pub fn due_at_bind(&self, facts: &Facts, named: bool, failed: bool) -> bool {
        let unsure = named && self.prepared_by_sql;
        self.is_due(facts) && !failed && (unsure || self.matters(facts, true))
    }

    /// How a simple Query must go. `failed`: the transaction is known to have failed.
    /// `batch_open`: something stands before it in its implicit transaction, extended messages without Sync or other
    /// statements of its text.
    pub fn query_form(&self, facts: &Facts, failed: bool, batch_open: bool) -> QueryForm {
        let implicit = !self.in_transaction;
        let several = facts.statements.len() > 1;
        if several && (self.mixes(facts) || self.sets_among_others(facts)) {
            return QueryForm::Mixed;
        }
        let goes_on = !implicit || facts.statements.iter().any(moves);
        // Behind a prefix it would be in a block, and seem to come about.
        let fails = implicit && !batch_open && needs_block(facts);
        if failed || fails || !self.matters(facts, goes_on) {
            return QueryForm::Verbatim;
        }
        match (self.is_due(facts), implicit) {
            (false, true) if self.armed && batch_open => QueryForm::Guarded,
            (false, _) => QueryForm::Verbatim,
            (true, true) => QueryForm::PrefixedGuarded,
            (true, false) => QueryForm::Prefixed,
        }
    }

    /// Is the text sent in its local form, because it sets parameters that are kept here?
    pub fn localizes(&self, facts: &Facts) -> bool {
        self.origins.is_some() && reading::sets(facts, self.keeps())
    }

    /// May a Parse go to the server in another form?
    pub fn changes(&self, statement: &Statement) -> bool {
        let keeps = self.keeps();
        self.origins.is_some()
            && (reading::localized_at_parse(statement, keeps).is_some()
                || reading::resets(statement, keeps).is_some())
    }

    /// What changes in its text then.
    pub fn rewrites(&self, statement: &Statement) -> Vec<Rewrite> {
        let origins = self.origins.iter();
        let origins = origins.flat_map(|it| it.kept.iter().chain(&it.pooled));
        reading::rewrites(statement, self.keeps(), |name| {
            let mut all = origins.clone();
            all.find(|(it, _)| it == name).map(|(_, value)| &**value)
        })
    }

    /// Would the values of the startup packet make a text too long?
    pub fn adds_too_much(&self, facts: &Facts) -> bool {
        let origins = self.origins.as_deref();
        origins.is_some_and(|origins| reading::is_too_much(facts, self.keeps(), origins))
    }

    /// Appends what is said behind an Execute.
    pub fn put_behind(&self, out: &mut Vec<u8>, behind: &Behind<'_>) {
        reading::put_behind(out, &self.reading_name(), behind, &self.spelling);
    }
}

/// What the client begins with. One that must set its zone itself, and has said none, has the empty one: not what role
/// or database have as their default, which it need not be granted.
fn origins(setup: &Setup, choice: Option<&Choice>) -> Arc<Origins> {
    let says = |choice: &Choice| setup.origins.kept.iter().any(|(name, _)| choice.is(name));
    let Some(choice) = choice.filter(|choice| choice.is_needed() && !says(choice)) else {
        return Arc::clone(&setup.origins);
    };
    let mut origins = Origins::clone(&setup.origins);
    origins.kept.push((choice.name().to_owned(), String::new()));
    Arc::new(origins)
}

#[cfg(test)]
mod tests;
