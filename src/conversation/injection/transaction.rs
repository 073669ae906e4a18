//! What was sent, and what that does to the transaction that the next statement runs in.

use super::shared::reads_otherwise;
use super::{Injection, QueryForm};
use crate::conversation::modes::Ended;
use crate::conversation::needs::{clears, may_remove_names, needs_zone};
use crate::protocol::TransactionStatus;
use crate::sql::{Class, Facts, SavepointAct, TransactionControl};

impl Injection {
    /// A statement was sent to run: what it does to the transaction. `failed`: that one is known to have
    /// failed.
    pub fn executed(&mut self, facts: &Facts, mut failed: bool) {
        if let Some(parameters) = &mut self.parameters {
            parameters.sent(facts);
        }
        if let Some(choice) = &mut self.choice {
            choice.sent(facts);
        }
        self.prepared_by_sql |= facts.classes.has(Class::Prepare);
        self.reads_otherwise |= reads_otherwise(facts) || ends_inside(facts);
        if may_remove_names(facts) {
            self.keeping.doubted();
            self.removes_names = true;
        }
        let goes_on = self.may_go_on_in_another(facts);
        if ends_inside(facts) {
            self.unsettled = true;
            self.armed = false;
            self.leave();
            if let Some(parameters) = self.parameters.as_mut().filter(|_| goes_on) {
                parameters.may_go_on_in_another();
            }
        }
        if clears(facts) {
            self.armed = false;
            self.cleared = true;
        }
        for savepoint in facts
            .statements
            .iter()
            .filter_map(|s| s.details.savepoint.as_ref())
        {
            match savepoint.act {
                SavepointAct::Set => self.savepoints = self.savepoints.saturating_add(1),
                SavepointAct::Release => self.savepoints = self.savepoints.saturating_sub(1),
                SavepointAct::RollBackTo => {}
            }
        }
        for control in facts.statements.iter().filter_map(|s| s.transaction) {
            self.unsettled = true;
            match control {
                TransactionControl::Begin => {
                    // Set again even if this batch has set it already: harmless, and the same everywhere.
                    // Not where a transaction is open: there BEGIN only warns.
                    if !self.in_transaction {
                        self.armed = false;
                        self.leave();
                    }
                    self.in_transaction = true;
                }
                TransactionControl::Commit { chain } | TransactionControl::Rollback { chain } => {
                    self.remember();
                    self.transaction_ended(match (chain, std::mem::take(&mut failed)) {
                        (false, _) => Ended::Whole,
                        (true, false) => Ended::Chained,
                        (true, true) => Ended::ChainedFailed,
                    });
                    self.in_transaction = chain;
                }
                TransactionControl::TwoPhase => {
                    self.remember();
                    self.transaction_ended(Ended::Whole);
                    self.in_transaction = false;
                }
                TransactionControl::Savepoint | TransactionControl::SetTransaction => {}
            }
        }
        self.has_run |= needs_zone(facts);
    }

    /// Can what follows in the same batch be in another transaction than what stands before the statement?
    pub fn may_go_on_in_another(&self, facts: &Facts) -> bool {
        ends_inside(facts) && !self.in_transaction
    }

    fn leave(&mut self) {
        if let Some(choice) = &mut self.choice {
            choice.leave();
        }
    }

    /// What was set in the transaction is gone with it.
    fn transaction_ended(&mut self, how: Ended) {
        self.armed = false;
        self.has_run = false;
        self.reads_otherwise = false;
        self.savepoints = 0;
        if let Some(choice) = &mut self.choice {
            choice.transaction_ended();
        }
        if let Some(parameters) = &mut self.parameters {
            parameters.transaction_ended(how);
        }
    }

    /// A simple Query was sent in `form`; `failed`: in a transaction that is known to have failed.
    pub fn queried(&mut self, facts: &Facts, form: QueryForm, failed: bool) {
        if form != QueryForm::Verbatim {
            // If the prefix fails the Query is skipped without ReadyForQuery: know before going on.
            self.unsettled = true;
        }
        self.executed(facts, failed);
        self.batch_ended();
    }

    /// Sync was sent, or a simple Query: an implicit transaction ends.
    pub fn batch_ended(&mut self) {
        if !self.in_transaction {
            self.transaction_ended(Ended::Whole);
            self.cleared = false;
        }
    }

    /// Everything is answered: the server's word replaces the prediction.
    pub fn settled(&mut self, status: TransactionStatus) {
        self.recall(status);
        self.unsettled = self.leftover || self.asked_in_vain;
        self.in_transaction = status != TransactionStatus::Idle;
        if !self.in_transaction {
            self.transaction_ended(Ended::Whole);
            self.cleared = false;
        }
    }
}

/// Where the policy lets them pass: DO and CALL can end the transaction inside, and nobody knows what a text
/// without description does. The server's word will tell.
fn ends_inside(facts: &Facts) -> bool {
    facts.undescribed.is_some() || facts.classes.has(Class::Procedural)
}
