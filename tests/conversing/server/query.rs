//! A simple Query, and COPY FROM STDIN.

use super::*;

impl Server {
    pub(super) fn query(&mut self, body: &[u8]) {
        let text = text(body.strip_suffix(b"\0").unwrap_or(body));
        self.statements.remove("");
        let open = matches!(self.transaction, Transaction::Block | Transaction::Failed);
        let unsynced = std::mem::take(&mut self.unsynced);
        let refusal =
            statement::query_refusal(&text, self.login, self.migration_open, open, unsynced);
        let refusal = refusal.or_else(|| self.lacks_zone(&text).then_some("42501"));
        if let Some(sqlstate) = refusal {
            self.violate_if_behind(&format!("refused Query reached the server: {text}"));
            self.fail(sqlstate);
            return self.ready();
        }
        let fallen = self.place == Place::Alone
            && statement::mark(body).is_some_and(|mark| self.doomed.contains(&mark));
        let statements = statement::read(&text);
        if !statements.is_empty() {
            // As documented for any Query. PostgreSQL's own is later: one that fails before it runs leaves it.
            self.portals.remove("");
        }
        // The prefix stood ahead of the last piece, if the text was cut.
        let falls = fallen.then(|| match self.login {
            Login::Zoned | Login::Chooser => statement::last_piece(&statements, open),
            _ => 0,
        });
        let result = self.run_all(&text, falls);
        self.several = false;
        if self.copy.is_some() {
            return;
        }
        if let Err(sqlstate) = result {
            self.fail(sqlstate);
        }
        if self.transaction == Transaction::Implicit {
            self.parameters.end(true);
            self.end_transaction();
        }
        self.ready();
    }

    /// Runs the statements of a text; at the one numbered `falls` it is cancelled.
    pub(super) fn run_all(&mut self, text: &str, falls: Option<usize>) -> Result<(), Failure> {
        let statements = statement::read(text);
        if statements.is_empty() {
            self.put(b'I', &[]);
        }
        if statements.contains(&Statement::Unknown) {
            return Err("42601");
        }
        let alone = statements.len() == 1;
        self.several = !alone;
        for (number, statement) in statements.iter().enumerate() {
            if falls == Some(number) {
                return Err(CANCELED);
            }
            if alone
                && self.transaction == Transaction::Implicit
                && self.login == Login::Zoned
                && statement.needs_zone()
            {
                self.violate_if_behind(&format!("PostgreSQL 18 would lose: {text}"));
            }
            self.start();
            if self.transaction == Transaction::Failed && !statement.is_exit() {
                return Err(ABORTED);
            }
            if let Statement::Fails(_) = statement {
                self.queried = true;
                return Err("22012");
            }
            if statement.has_rows() {
                self.put(b'T', &[&[0, 0]]);
            }
            if let Statement::RollbackTo(name) = statement {
                self.doubt(name);
            }
            let tag = self.run(statement, text, &[])?;
            if let Some(shown) = self.shown(statement, &[]).filter(|_| statement.has_rows()) {
                self.row(&shown);
            }
            if *statement == Statement::Select {
                self.rows(ROWS);
            }
            if *statement == Statement::CopyIn {
                return self.begin_copy(true);
            }
            self.put(b'C', &[&cstr(&tag)]);
        }
        Ok(())
    }

    pub(super) fn rows(&mut self, count: usize) {
        (0..count).for_each(|_| self.put(b'D', &[&[0, 0]]));
    }

    pub(super) fn begin_copy(&mut self, simple: bool) -> Result<(), Failure> {
        self.put(b'G', &[&[0, 0, 0]]);
        self.flush();
        self.copy = Some(simple);
        Ok(())
    }
}
