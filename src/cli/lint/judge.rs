//! Judges a file statement by statement, as migration tools send it.

use super::place::Lines;
use crate::cli::judged::{self, Finding, alone, findings};
use crate::policy::{Guard, Mode, State, Who};
use crate::sql::{Facts, fingerprint};

/// What a guard says to a statement of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The id of the guard or rule.
    pub guard: String,
    /// It would be refused; otherwise it is counted.
    pub refused: bool,
    pub sqlstate: String,
    /// What an exception calls the statement.
    pub fingerprint: Option<String>,
    pub message: String,
    pub hint: Option<String>,
}

impl Found {
    /// Would it be refused?
    pub fn is_error(&self) -> bool {
        self.refused
    }
}

/// How many statements a file has, and what is objected to them, in its order. A statement that
/// cannot be read does not keep the others from being judged.
pub(super) fn judge(bytes: &[u8], who: &Who, state: State) -> (usize, Vec<Found>) {
    let bytes = judged::without_mark(bytes);
    let facts = judged::facts(bytes);
    let text = String::from_utf8_lossy(bytes);
    let mut file = File {
        who,
        state,
        lines: Lines::of(&text),
        text: &text,
        found: Vec::new(),
    };
    if facts.undescribed.is_none() {
        for (statement, text) in facts.statements.iter().zip(judged::cut(&text, &facts)) {
            let facts = alone(statement, Some(fingerprint(text.as_bytes())));
            file.message(&facts, 0, statement.position as usize);
        }
        return (facts.statements.len(), file.found);
    }
    let whole = std::str::from_utf8(bytes).is_ok();
    let starts = judged::starts(&text, &facts);
    if !whole || starts.is_empty() {
        file.message(&facts, 0, 1);
        return (1, file.found);
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    for ((start, end), statement) in starts.iter().zip(ends).zip(&facts.statements) {
        let before = statement.position.saturating_sub(1) as usize;
        let piece = judged::facts(&bytes[*start..end.max(*start)]);
        file.message(&piece, before, statement.position as usize);
    }
    (starts.len(), file.found)
}

/// A file being judged.
struct File<'f> {
    who: &'f Who,
    state: State,
    text: &'f str,
    lines: Lines,
    found: Vec<Found>,
}

impl File<'_> {
    /// Judges one message: `before` characters of the file stand before its text; `start`: the
    /// position of its statement in the file.
    fn message(&mut self, facts: &Facts, before: usize, start: usize) {
        // Why a text cannot be read is said once.
        let unread =
            |finding: &Finding| facts.undescribed.is_some() && finding.guard == Guard::PhaseExpand;
        for finding in findings(facts, self.who, self.state) {
            if finding.mode(self.who) != Mode::Off && !finding.exempt && !unread(&finding) {
                let found = Found {
                    fingerprint: facts
                        .fingerprint()
                        .map(|fingerprint| fingerprint.to_string()),
                    ..self.found(finding, before, start)
                };
                self.found.push(found);
            }
        }
    }

    fn found(&self, finding: Finding, before: usize, start: usize) -> Found {
        let (refused, id) = (finding.refuses(self.who), finding.id().to_owned());
        let Finding {
            guard, objection, ..
        } = finding;
        let position = match objection.position {
            0 => start,
            position => before + position as usize,
        };
        let (line, column) = self.lines.place(position);
        let refusal = objection.refuse(guard, self.who, None);
        Found {
            line,
            column,
            guard: id,
            refused,
            sqlstate: refusal.sqlstate.to_string(),
            fingerprint: None,
            message: refusal.message,
            hint: self.of_psql(guard, line).or(refusal.hint),
        }
    }

    /// psql's own commands are the most common thing in such files that is not SQL.
    fn of_psql(&self, guard: Guard, line: usize) -> Option<String> {
        let text = self.lines.from(self.text, line);
        let text = text.trim_start_matches([' ', '\t']);
        let psql = guard == Guard::UnknownStatement && text.starts_with('\\');
        psql.then(|| "psql's own commands are not SQL; lint what psql would send.".to_owned())
    }
}
