//! What stands ahead of a statement in its message may be what it needs: a zone, a number of a sequence.

use crate::cli::judged::{Finding, objects};
use crate::policy::{Guard, Refusal, State, Who};
use crate::sql::{ClassSet, Facts, Fingerprint, Statement};

/// The statements of a message up to the one at hand, for each guard without those that it objects to.
#[derive(Default)]
pub(super) struct Ahead(Vec<(Guard, Row)>);

/// The statements, and how many of the message's were looked at.
struct Row {
    facts: Facts,
    seen: usize,
    /// The answer was about one of them for a reason that only the conversation knows.
    lost: bool,
}

/// A message, who sends it, and what it is answered with.
pub(super) struct Whole<'w> {
    pub facts: &'w Facts,
    pub who: &'w Who,
    pub state: State,
    pub refusal: Option<&'w Refusal>,
}

impl Ahead {
    /// Does what was found of the statement at `at` by itself hold behind those ahead of it, too? Where the answer is
    /// about that statement it does: only the conversation knows what the end of a transaction has taken away.
    pub fn holds(&mut self, at: usize, finding: &Finding, whole: &Whole<'_>) -> bool {
        let Some(statement) = whole.facts.statements.get(at) else {
            return true;
        };
        let answered = whole.refusal.is_some_and(|refusal| {
            refusal.guard == finding.guard && refusal.position == statement.position
        });
        let row = self.row(finding.guard, whole.facts.fingerprint());
        let ahead = whole.facts.statements.iter().take(at).skip(row.seen);
        ahead.for_each(|it| row.push(it));
        row.seen = at + 1;
        let before = row.facts.classes;
        row.push(statement);
        let objected = objects(finding.guard, &row.facts, whole.who, whole.state);
        row.lost |= answered && !objected;
        let holds = row.lost || objected;
        if holds {
            row.facts.statements.pop();
            row.facts.classes = before;
        }
        holds
    }

    fn row(&mut self, guard: Guard, fingerprint: Option<Fingerprint>) -> &mut Row {
        let place = self.0.iter().position(|(of, _)| *of == guard);
        let place = place.unwrap_or_else(|| {
            let facts = Facts {
                statements: Vec::new(),
                classes: ClassSet::default(),
                undescribed: None,
                fingerprint: fingerprint.into(),
            };
            let row = Row {
                facts,
                seen: 0,
                lost: false,
            };
            self.0.push((guard, row));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }
}

impl Row {
    fn push(&mut self, statement: &Statement) {
        self.facts.classes = self.facts.classes.union(statement.classes);
        self.facts.statements.push(statement.clone());
    }
}
