//! What a statement does, above all to the transaction.

use super::*;

impl Server {
    /// Runs a statement; its tag.
    pub(super) fn run(
        &mut self,
        statement: &Statement,
        text: &str,
        values: &[String],
    ) -> Result<String, Failure> {
        self.runs += 1;
        if self.chooses() && statement::reads_rows(text) {
            self.check_zone(text);
        }
        if self.login == Login::Zoned
            && statement.needs_zone()
            && self.zone.as_deref() != Some(ZONE)
            && self.in_reach(statement)
        {
            self.violate_if_behind(&format!("ran without its zone: {statement:?} {text}"));
        }
        self.queried |= statement.takes_snapshot();
        let block = matches!(self.transaction, Transaction::Block | Transaction::Failed);
        let tag = match statement {
            Statement::Begin => {
                if block {
                    self.warn("25001");
                }
                self.transaction = Transaction::Block;
                "BEGIN"
            }
            Statement::Commit { chain } | Statement::Rollback { chain } => {
                return self.finish(statement, *chain, block);
            }
            Statement::Savepoint(name) if block => {
                self.savepoints.push((name.clone(), self.zone.clone()));
                self.parameters.save();
                "SAVEPOINT"
            }
            Statement::RollbackTo(name) if block => {
                self.rollback_to(name)?;
                "ROLLBACK"
            }
            Statement::Savepoint(_) | Statement::RollbackTo(_) => return Err("25P01"),
            Statement::SetTransaction => {
                if self.queried || !self.savepoints.is_empty() {
                    return Err("25001");
                }
                if !block {
                    self.warn("25P01");
                }
                "SET"
            }
            Statement::Choose(choose) => {
                if choose.by_set && choose.local && !block && !self.several {
                    self.warn("25P01");
                }
                self.choose(choose, values);
                if choose.by_set { "SET" } else { "SELECT 1" }
            }
            Statement::Reset(name) => {
                self.reset(name.as_deref());
                "RESET"
            }
            Statement::SetLocal => {
                if !block && !self.several {
                    self.warn("25P01");
                }
                "SET"
            }
            Statement::DeallocateAll => {
                // `DropAllPreparedStatements` knows the named ones only.
                self.statements.retain(|name, _| name.is_empty());
                "DEALLOCATE ALL"
            }
            Statement::Insert => "INSERT 0 1",
            Statement::Ddl => "DROP TABLE",
            Statement::CopyIn => "COPY 1",
            Statement::Select => "SELECT 2",
            _ => "SELECT 0",
        };
        Ok(tag.to_owned())
    }

    /// Outside a block some fail before they do anything.
    pub(super) fn in_reach(&self, statement: &Statement) -> bool {
        !matches!(statement, Statement::Savepoint(_)) || self.transaction == Transaction::Block
    }

    pub(super) fn finish(
        &mut self,
        statement: &Statement,
        chain: bool,
        block: bool,
    ) -> Result<String, Failure> {
        if chain && !block {
            return Err("25P01");
        }
        if !block {
            self.warn("25P01");
        }
        let commits = matches!(statement, Statement::Commit { .. });
        let failed = self.transaction == Transaction::Failed;
        self.parameters.end(commits && !failed);
        self.end_transaction();
        if chain {
            self.transaction = Transaction::Block;
        }
        Ok(if commits && !failed {
            "COMMIT"
        } else {
            "ROLLBACK"
        }
        .to_owned())
    }

    pub(super) fn doubt(&mut self, name: &str) {
        let known = self.savepoints.iter().any(|(known, _)| known == name);
        self.doubtful |= self.transaction == Transaction::Failed && !known;
    }

    pub(super) fn rollback_to(&mut self, name: &str) -> Result<(), Failure> {
        let found = self.savepoints.iter().rposition(|(known, _)| known == name);
        let at = found.ok_or("3B001")?;
        self.savepoints.truncate(at + 1);
        self.zone = self.savepoints[at].1.clone();
        self.parameters.back_to(at);
        self.portals.retain(|_, portal| portal.depth <= at);
        self.transaction = Transaction::Block;
        Ok(())
    }
}
