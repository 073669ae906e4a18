//! Statements that end the transaction, and that the server may skip: what was known before them counts
//! again then, in the transaction that a ROLLBACK TO brings back.

use super::Injection;
use crate::conversation::choice::Here;
use crate::conversation::parameters::Touched;
use crate::protocol::TransactionStatus;
use crate::sql::{Facts, SavepointAct, TransactionControl};

/// What is forgotten when a statement that ends the transaction is sent.
#[derive(Debug)]
pub struct Before {
    armed: bool,
    cleared: bool,
    has_run: bool,
    reads_otherwise: bool,
    savepoints: u32,
    choice: Option<Here>,
    /// In parameters, if there are any.
    touched: Option<Touched>,
    /// The server has ended a transaction since.
    ended: bool,
}

/// What is known about the failed transaction after a batch that ended transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failed {
    /// Everything, or there is none.
    #[default]
    Known,
    /// Not which one it is, nor what was set in it.
    Unknown,
}

impl Injection {
    /// A statement that ends the transaction is being sent.
    pub(super) fn remember(&mut self) {
        if self.before.is_some() || !self.in_transaction {
            return;
        }
        let parameters = self.parameters.as_ref();
        self.before = Some(Box::new(Before {
            armed: self.armed,
            cleared: self.cleared,
            has_run: self.has_run,
            reads_otherwise: self.reads_otherwise,
            savepoints: self.savepoints,
            choice: self.choice.as_ref().map(|choice| choice.here()),
            touched: parameters.map(|parameters| parameters.touched()),
            ended: false,
        }));
    }

    /// Has nothing that reads or writes been sent in the transaction that the next statement runs in?
    pub fn is_first(&self) -> bool {
        !self.has_run
    }

    /// The server has ended a transaction, or gone back to a savepoint.
    pub fn ended_at_server(&mut self) {
        if let Some(before) = &mut self.before {
            before.ended = true;
        }
    }

    /// Everything is answered. If the transaction has failed, the statement that would have ended it
    /// was skipped, unless one has been ended before.
    pub(super) fn recall(&mut self, status: TransactionStatus) {
        let before = self.before.take();
        if status != TransactionStatus::Failed {
            self.last_failed = Failed::Known;
        }
        let Some(before) = before.filter(|_| status == TransactionStatus::Failed) else {
            return;
        };
        if before.ended {
            self.last_failed = Failed::Unknown;
            self.reads_otherwise = true;
            return;
        }
        self.armed = before.armed;
        self.cleared = before.cleared;
        self.has_run |= before.has_run;
        self.reads_otherwise |= before.reads_otherwise;
        self.savepoints = before.savepoints;
        if let (Some(choice), Some(here)) = (&mut self.choice, before.choice) {
            choice.go_back(here);
        }
        if let (Some(parameters), Some(touched)) = (&mut self.parameters, before.touched) {
            parameters.touch_again(touched);
        }
    }

    /// Would it bring back a transaction of which nobody knows what is set in it?
    pub fn goes_back_blindly(&self, facts: &Facts) -> bool {
        let back = |act: SavepointAct| act == SavepointAct::RollBackTo;
        self.last_failed == Failed::Unknown
            && self.keeps_anything()
            && (facts.statements.iter())
                .filter_map(|it| it.details.savepoint.as_ref())
                .any(|savepoint| back(savepoint.act))
    }

    /// Is there anything that belongs into every transaction, whether it is set in this one or not?
    fn keeps_anything(&self) -> bool {
        self.zone.is_some() || self.choice.is_some() || self.keeps_values()
    }

    /// Has any parameter a value that belongs into every transaction?
    fn keeps_values(&self) -> bool {
        let parameters = self.parameters.as_ref();
        parameters.is_some_and(|it| it.record().applied().next().is_some())
    }

    /// Does a text of several statements end or begin a transaction where something would have to be set in
    /// between? Not where a client that chooses its zone sets it in a transaction of its own, and nothing
    /// else is kept.
    pub(super) fn mixes(&self, facts: &Facts) -> bool {
        let is_one = !self.in_transaction && super::joined(facts);
        if is_one || !facts.statements.iter().any(super::moves) {
            return false;
        }
        let nothing = self.zone.is_none() && !self.keeps_values();
        let unanswered = self.is_unanswered() || self.localizes(facts);
        match nothing && !unanswered {
            true => self.choice.is_some() && (self.in_transaction || !is_framed(facts)),
            false => true,
        }
    }
}

/// BEGIN, statements, and the end of the transaction or none.
fn is_framed(facts: &Facts) -> bool {
    let [first, rest @ ..] = &facts.statements[..] else {
        return false;
    };
    let between = match rest {
        [between @ .., last] if super::moves(last) => {
            let ends = matches!(
                last.transaction,
                Some(
                    TransactionControl::Commit { chain: false }
                        | TransactionControl::Rollback { chain: false }
                )
            );
            if !ends {
                return false;
            }
            between
        }
        between => between,
    };
    first.transaction == Some(TransactionControl::Begin) && !between.iter().any(super::moves)
}
