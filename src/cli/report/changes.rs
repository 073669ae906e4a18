//! What an enforcing policy would have changed, beside what it would have refused.

use super::{Found, drop_if_empty, value};
use crate::cli::client::Answer;
use crate::cli::output::as_table;

/// Outcomes of rows that are no refusals.
const INJECTED: &str = "injected";
const REWRITTEN: &str = "rewritten";

impl Found {
    /// How many refusals there are, or would have been.
    pub(super) fn refusals(&self) -> u64 {
        self.count("refused") + self.count("observed")
    }

    /// How much would have been set ahead of transactions, and sent in another form.
    pub(super) fn changes(&self) -> (u64, u64) {
        (self.count(INJECTED), self.count(REWRITTEN))
    }

    /// The rows that are about changes, or those that are not.
    pub(super) fn part(&self, changes: bool) -> Answer {
        let is_change = |row: &Vec<_>| {
            let outcome = value(&self.rows, row, "outcome");
            matches!(outcome, Some(INJECTED | REWRITTEN)) == changes
        };
        let rows = self.rows.rows.iter().filter(|row| is_change(row));
        Answer {
            columns: self.rows.columns.clone(),
            rows: rows.cloned().collect(),
            tag: String::new(),
        }
    }

    /// The changes for people; none where there are none.
    pub(super) fn changes_as_text(&self) -> Option<String> {
        let (injected, rewritten) = self.changes();
        if injected + rewritten == 0 {
            return None;
        }
        let mut shown = self.part(true);
        for column in ["guard", "rule", "fingerprint", "statement", "exempt_until"] {
            drop_if_empty(&mut shown, column);
        }
        Some(format!(
            "An enforcing policy would have set something ahead of {injected} transaction{}, and sent {rewritten} message{} in another form.\n\n{}",
            plural(injected),
            plural(rewritten),
            as_table(&shown)
        ))
    }
}

fn plural(count: u64) -> &'static str {
    match count {
        1 => "",
        _ => "s",
    }
}
