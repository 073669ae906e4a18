//! What an enforcing policy would do beside refusing: set the zone, or parameters that the client has
//! set, ahead of a transaction; send a message in another form. Predicted from what the client sends and
//! from the states that the server reports, for the counters alone: nothing here changes a byte, and
//! where an answer would decide (does the pool follow names? did the statement fail?), what usually
//! comes is taken to come.

use std::collections::HashMap;
use std::sync::Arc;

use crate::conversation::choice::Choice;
use crate::conversation::needs::{joined, matters_to, moves, shows_other};
use crate::conversation::pieces::{LONGEST_IN_PIECES, can_be_cut};
use crate::conversation::reading::{self, Keeps};
use crate::conversation::{Origins, Setup};
use crate::policy::Chosen;
use crate::protocol::TransactionStatus;
use crate::sql::{
    Class, Facts, ParameterName, ParameterTouch, ParameterUse, Statement, TransactionControl,
    weight,
};

/// Names of prepared statements that are known.
const MAX_NAMES: usize = 4096;
/// What they may take, with the descriptions that they stand for, bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// What would have been done with something that was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
pub enum Change {
    /// The zone would have been set ahead of a transaction (and parameters with it, if there are any).
    Zone,
    /// Parameters that the client had set would have been set ahead of a transaction.
    Parameters,
    /// What sets parameters for the session would have set them for the transaction, and been
    /// remembered.
    Local,
    /// DEALLOCATE would have taken the statement from this client alone.
    Deallocate,
    /// A named statement would have been prepared without a name, if the pool does not follow names.
    Unnamed,
    /// A startup parameter would not have gone to the server as it is: it is set in each transaction, set
    /// once logged in, or pinned.
    Startup,
}

impl Change {
    /// All, in the order of the enum; `ALL[c as usize] == c`.
    pub const ALL: [Self; 6] = [
        Self::Zone,
        Self::Parameters,
        Self::Local,
        Self::Deallocate,
        Self::Unnamed,
        Self::Startup,
    ];

    /// The word in reports and metrics.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Parameters => "parameters",
            Self::Local => "set-local",
            Self::Deallocate => "deallocate",
            Self::Unnamed => "unnamed",
            Self::Startup => "startup",
        }
    }

    /// Is it something that would have been said to the server beside what the client said?
    pub const fn is_injection(self) -> bool {
        matches!(self, Self::Zone | Self::Parameters)
    }
}

/// What a prepared statement does.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// Its description.
    pub facts: Arc<Facts>,
    /// How many types its Parse has declared, and these; none: it has declared none.
    pub types: Option<Arc<[u8]>>,
    /// Would it have been refused when it was prepared?
    pub refused: bool,
}

/// Prepared statements, some of which may not have come about, and what each does, where that was read.
#[derive(Debug, Default)]
struct Names {
    known: HashMap<Box<[u8]>, Option<Meaning>>,
    bytes: usize,
    /// There were too many: nobody can tell any more who is unknown.
    given_up: bool,
}

fn cost(name: &[u8], meaning: Option<&Meaning>) -> usize {
    let types = meaning.and_then(|meaning| meaning.types.as_ref());
    let types = types.map_or(0, |types| types.len());
    name.len() + types + meaning.map_or(0, |meaning| weight(&meaning.facts))
}

impl Names {
    fn add(&mut self, name: &[u8], meaning: Option<Meaning>) {
        if self.given_up {
            return;
        }
        self.remove(name);
        self.bytes += cost(name, meaning.as_ref());
        self.given_up = self.known.len() >= MAX_NAMES || self.bytes > MAX_BYTES;
        match self.given_up {
            true => self.known = HashMap::new(),
            false => drop(self.known.insert(name.into(), meaning)),
        }
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(meaning) = self.known.remove(name) {
            self.bytes -= cost(name, meaning.as_ref());
        }
    }
}

/// What is known of one connection.
#[derive(Debug)]
pub struct Foresight {
    /// The login's zone is its own.
    zone: bool,
    /// The zone that the client sets itself, where it does.
    choice: Option<Box<Choice>>,
    /// It has set it for its session.
    chosen: bool,
    /// The server connection is handed on.
    pooled: bool,
    /// The client has parameters that would be set in each transaction.
    has_parameters: bool,
    /// SQL has prepared something: then DEALLOCATE goes to the server.
    prepared_by_sql: bool,
    /// A prefix was counted in the transaction that the next statement runs in.
    armed: bool,
    /// The next statement runs in an explicit transaction.
    in_transaction: bool,
    /// The server's last word is that the transaction has failed.
    failed: bool,
    /// The unnamed statement.
    unnamed: Option<Meaning>,
    /// Allocated with the first that has a name.
    names: Option<Box<Names>>,
}

impl Foresight {
    /// For a connection that has sent nothing yet.
    pub fn new(setup: &Setup) -> Self {
        let choice = setup.chooses.as_ref().map(|who| Box::new(Choice::new(who)));
        Self {
            zone: setup.zone.is_some(),
            choice,
            chosen: false,
            pooled: setup.replaceable,
            has_parameters: false,
            prepared_by_sql: false,
            armed: false,
            in_transaction: false,
            failed: false,
            unnamed: None,
            names: None,
        }
    }

    /// These startup parameters would be set in each transaction.
    pub fn begins_with(&mut self, origins: &Origins) {
        let mut kept = origins.kept.iter().map(|(name, _)| name);
        let is_zone = |name: &String| self.choice.as_ref().is_some_and(|it| it.is(name));
        self.chosen |= kept.clone().any(is_zone);
        self.has_parameters |= kept.any(|name| !is_zone(name));
    }

    /// Is a statement of this name unknown? No, where that cannot be told.
    pub fn is_unknown(&self, name: &[u8]) -> bool {
        let names = self.names.as_ref();
        !name.is_empty() && names.is_none_or(|it| !it.given_up && !it.known.contains_key(name))
    }

    /// What the name stands for; none where nobody knows.
    pub fn statement(&self, name: &[u8]) -> Option<&Meaning> {
        match name.is_empty() {
            true => self.unnamed.as_ref(),
            false => self.names.as_ref()?.known.get(name)?.as_ref(),
        }
    }

    /// A statement was closed.
    pub fn closed(&mut self, name: &[u8]) {
        match &mut self.names {
            _ if name.is_empty() => self.unnamed = None,
            Some(names) => names.remove(name),
            None => {}
        }
    }

    /// A statement was prepared; `meaning`: none where it was not read. What would be done with the message?
    pub fn parsed(
        &mut self,
        name: &[u8],
        meaning: Option<Meaning>,
    ) -> impl Iterator<Item = Change> {
        let allowed = meaning.as_ref().filter(|it| !it.refused);
        let form = allowed.and_then(|it| self.form_of_parse(&it.facts));
        // Names, and constants like dates, mean what the client's parameters say.
        let reads = allowed.filter(|_| self.pooled && self.has_parameters);
        let prefix = reads.and_then(|it| self.prefix(&it.facts));
        self.armed |= prefix.is_some();
        let unnamed = allowed.filter(|_| self.pooled && !name.is_empty());
        let unnamed = unnamed.map(|_| Change::Unnamed);
        match name.is_empty() {
            true => self.unnamed = meaning,
            false => self.names.get_or_insert_default().add(name, meaning),
        }
        prefix.into_iter().chain(form).chain(unnamed)
    }

    /// A Query was sent: what would be done with it? Nothing, where it would have been `refused`.
    pub fn queried(&mut self, facts: &Facts, refused: bool) -> impl Iterator<Item = Change> {
        self.unnamed = None;
        let form = self.form(facts);
        let form = form.filter(|_| !refused);
        let prefix = self.runs(facts, refused);
        self.synced();
        prefix.into_iter().chain(form)
    }

    /// A statement is about to run: would it get a prefix? Not where it would have been `refused`.
    pub fn runs(&mut self, facts: &Facts, refused: bool) -> Option<Change> {
        let prefix = self.prefix(facts).filter(|_| !refused);
        self.armed |= prefix.is_some();
        self.prepared_by_sql |= !refused && facts.classes.has(Class::Prepare);
        self.executed(facts);
        prefix
    }

    /// Sync was sent, or a Query: an implicit transaction ends.
    pub fn synced(&mut self) {
        if !self.in_transaction {
            self.transaction_ended();
        }
    }

    /// Everything is answered: the server's word replaces the prediction.
    pub fn settled(&mut self, status: TransactionStatus) {
        self.failed = status == TransactionStatus::Failed;
        self.in_transaction = status != TransactionStatus::Idle;
        if !self.in_transaction {
            self.transaction_ended();
        }
    }

    /// Of a login that sets its zone itself: has it? `runs`: the statement is about to.
    pub fn choice(&self, runs: bool) -> Chosen {
        match &self.choice {
            None => Chosen::No,
            Some(choice) if choice.is_set_here() => Chosen::Yes,
            Some(choice) if self.chosen && !choice.is_gone_here() => Chosen::Yes,
            Some(_) if runs => Chosen::No,
            Some(_) => Chosen::Later,
        }
    }

    /// The name, where DEALLOCATE of it would be this client's own matter.
    pub fn deallocates<'f>(&self, facts: &'f Facts) -> Option<&'f str> {
        let [statement] = &facts.statements[..] else {
            return None;
        };
        let localized = statement.details.localized.as_ref()?;
        let name = localized.deallocates.as_deref()?;
        let own = !self.prepared_by_sql || !self.is_unknown(name.as_bytes());
        (self.pooled && own).then_some(name)
    }

    /// Would a Query have to be sent in pieces, and cannot be? `long`: it is too long for that.
    pub fn cannot_be_cut(&self, facts: &Facts, length: usize) -> bool {
        let several = facts.statements.len() > 1;
        let moves = facts.statements.iter().any(moves);
        let is_one = !self.in_transaction && joined(facts);
        let kept = self.pooled && self.has_parameters;
        let sets = self.zone || self.chosen || kept || self.form(facts).is_some();
        several
            && moves
            && !is_one
            && sets
            && (length > LONGEST_IN_PIECES
                || !can_be_cut(&facts.statements, length, self.in_transaction, |_| false))
    }

    /// Is the server connection handed on?
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }

    fn form(&self, facts: &Facts) -> Option<Change> {
        if self.deallocates(facts).is_some() {
            return Some(Change::Deallocate);
        }
        let keeps = self.keeps()?;
        reading::sets(facts, keeps).then_some(Change::Local)
    }

    fn form_of_parse(&self, facts: &Facts) -> Option<Change> {
        let statement = facts.statements.first()?;
        let bound = self
            .keeps()
            .and_then(|keeps| reading::localized_at_parse(statement, keeps));
        self.form(facts).or(bound.map(|_| Change::Local))
    }

    /// Of which parameters values would be kept.
    fn keeps(&self) -> Option<Keeps<'_>> {
        match &self.choice {
            _ if self.pooled => Some(Keeps::All),
            Some(choice) => Some(Keeps::Only(choice.name())),
            None => None,
        }
    }

    fn prefix(&self, facts: &Facts) -> Option<Change> {
        // Which parameters the client has is not known here.
        let needs = |it: &Statement| matters_to(it) && !shows_other(it, |_| self.has_parameters);
        let matters = facts.undescribed.is_some() || facts.statements.iter().any(needs);
        if self.armed || self.failed || !matters {
            return None;
        }
        match self {
            it if it.zone || it.chosen => Some(Change::Zone),
            it if it.pooled && it.has_parameters => Some(Change::Parameters),
            _ => None,
        }
    }

    /// What a statement does to the transaction and to the parameters.
    fn executed(&mut self, facts: &Facts) {
        let zone = self.choice.as_ref().map(|choice| choice.parameter());
        let is_zone = |name: &str| zone.as_ref().is_some_and(|zone| **zone == *name);
        for touch in facts.statements.iter().flat_map(|it| &it.parameters) {
            match touch {
                ParameterTouch {
                    name: ParameterName::Named(name),
                    how,
                    value,
                    passing,
                } if is_zone(name) => match how {
                    ParameterUse::Session => self.chosen = value.as_deref() != Some(""),
                    ParameterUse::Reset if !passing => self.chosen = false,
                    _ => {}
                },
                ParameterTouch {
                    name: ParameterName::Named(name),
                    how: ParameterUse::Session,
                    ..
                } => self.has_parameters |= reading::is_kept(name),
                ParameterTouch {
                    name: ParameterName::All,
                    ..
                } => (self.chosen, self.has_parameters, self.armed) = (false, false, false),
                _ => {}
            }
        }
        if let Some(choice) = &mut self.choice {
            choice.sent(facts);
        }
        for control in facts.statements.iter().filter_map(|it| it.transaction) {
            use TransactionControl::{
                Begin, Commit, Rollback, Savepoint, SetTransaction, TwoPhase,
            };
            match control {
                Begin => {
                    self.armed &= self.in_transaction;
                    self.in_transaction = true;
                }
                Commit { chain } | Rollback { chain } => {
                    self.transaction_ended();
                    self.in_transaction = chain;
                }
                TwoPhase => {
                    self.transaction_ended();
                    self.in_transaction = false;
                }
                Savepoint | SetTransaction => {}
            }
        }
    }

    /// What was set in the transaction is gone with it.
    fn transaction_ended(&mut self) {
        (self.armed, self.failed) = (false, false);
        if let Some(choice) = &mut self.choice {
            choice.transaction_ended();
        }
    }
}
