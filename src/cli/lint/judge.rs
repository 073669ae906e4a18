//! Judges a file statement by statement, as migration tools send it.

use super::place::Lines;
use crate::cli::judged::{self, Finding, alone, findings};
use crate::policy::{Guard, Mode, State, Who};
use crate::sql::{self, Class, Facts, Undescribed, fingerprint, starts};

/// What behind COPY FROM STDIN is no SQL.
const ROWS: &str = "The lines behind COPY ... FROM STDIN, up to \\., are rows for psql and not SQL; lint the file without them.";

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

/// Most statements of one file that are judged.
const MAX_STATEMENTS: usize = 1_000_000;

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
    let statements = match facts.undescribed {
        None => {
            for (statement, text) in facts.statements.iter().zip(judged::cut(&text, &facts)) {
                let facts = alone(statement, Some(fingerprint(text.as_bytes())));
                file.message(&facts, 0, statement.position as usize);
            }
            facts.statements.len()
        }
        Some(_) => file.pieces(bytes, &facts),
    };
    (statements, file.found)
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
    /// Judges each statement as it is sent by itself, of a file that cannot be described as a whole; and says
    /// how many there are.
    fn pieces(&mut self, bytes: &[u8], whole: &Facts) -> usize {
        let (starts, complete) = starts(bytes);
        if starts.is_empty() {
            self.message(whole, 0, 1);
            self.rest(complete || !stops(whole));
            return 1;
        }
        let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
        let (mut at, mut before, mut of_copy, mut stopped) = (0, 0, false, false);
        for (start, end) in starts.iter().copied().zip(ends).take(MAX_STATEMENTS) {
            before += characters(&bytes[at..start]);
            at = start;
            let text = &bytes[start..end];
            let facts = judged::facts(text);
            let found = self.found.len();
            // Of a statement that is not UTF-8: the byte.
            let valid = match (&facts.undescribed, str::from_utf8(text)) {
                (Some(Undescribed::Encoding), Err(error)) => error.valid_up_to(),
                _ => 0,
            };
            self.message(&facts, before, before + characters(&text[..valid]) + 1);
            if of_copy && facts.undescribed.is_some() {
                self.hint(found, ROWS);
            }
            of_copy = facts.classes.has(Class::CopyIn);
            stopped = stops(&facts);
        }
        if starts.len() > sql::MAX_STATEMENTS {
            self.many(whole, starts.len());
        }
        self.rest(complete || !stopped);
        starts.len()
    }

    /// Another hint for what was found since.
    fn hint(&mut self, since: usize, hint: &str) {
        for found in &mut self.found[since..] {
            found.hint = Some(hint.to_owned());
        }
    }

    /// A tool may send the file as one message, and that is refused; and nobody waits for more than
    /// [`MAX_STATEMENTS`].
    fn many(&mut self, whole: &Facts, statements: usize) {
        let judged = statements <= MAX_STATEMENTS;
        for finding in findings(whole, self.who, self.state) {
            if finding.guard == Guard::StatementBounds {
                let mut found = self.found(finding, 0, 1);
                found.refused &= !judged;
                found.hint = Some(match judged {
                    true => "Each was judged by itself; a tool that sends the file as one message is refused.".to_owned(),
                    false => format!("Only the first {MAX_STATEMENTS} were judged; split the file."),
                });
                self.found.insert(0, found);
            }
        }
    }

    /// Where the file could not be cut to its end: what was found last says so.
    fn rest(&mut self, complete: bool) {
        if let Some(last) = self.found.last_mut().filter(|_| !complete) {
            let hint = last.hint.take().unwrap_or_default();
            let hint = format!("{hint} What is behind it in this file was not judged.");
            last.hint = Some(hint.trim_start().to_owned());
        }
    }

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

/// Is it something that cannot be read to its end?
fn stops(facts: &Facts) -> bool {
    matches!(
        facts.undescribed,
        Some(
            Undescribed::CommentDepth
                | Undescribed::OperatorRun
                | Undescribed::ScanCost
                | Undescribed::TooManyStatements
        )
    )
}

/// How many characters these bytes are, where what is not UTF-8 counts as it is shown.
fn characters(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).chars().count()
}
