//! `unknown-statement`: what cannot be judged is refused. The default deny of the policy lives here.

use crate::error::SqlState;
use crate::policy::rights::NOBODY;
use crate::policy::{Objection, State, Who};
use crate::sql::{ClassSet, Facts, Undescribed};

/// PostgreSQL's `character_not_in_repertoire`.
const NOT_UTF8: SqlState = SqlState(*b"22021");

/// Objects to texts that could not be described, and to statements of a class that no login has,
/// including one that the message has and none of its statements admits.
pub fn judge(facts: &Facts, _who: &Who, _state: State) -> Option<Objection> {
    if let Some(undescribed) = &facts.undescribed {
        return without_description(undescribed);
    }
    if let Some(statement) = facts.statements.iter().find(|statement| nobody_may(statement.classes)) {
        return Some(unjudged().at(statement.position));
    }
    let known = facts.statements.iter().fold(ClassSet::EMPTY, |known, statement| known.union(statement.classes));
    (!facts.classes.minus(known).is_empty()).then(unjudged)
}

fn nobody_may(classes: ClassSet) -> bool {
    classes.is_empty() || classes.intersects(NOBODY)
}

/// A typo looks as it does on PostgreSQL. Bounds are the business of another guard.
fn without_description(undescribed: &Undescribed) -> Option<Objection> {
    Some(match undescribed {
        Undescribed::CommentDepth | Undescribed::OperatorRun | Undescribed::ScanCost => return None,
        Undescribed::Syntax { message, position } => {
            Objection::new(message.clone()).sqlstate(SqlState::SYNTAX).at(*position)
        }
        Undescribed::Unterminated => {
            Objection::new("unterminated quoted string, identifier or comment").sqlstate(SqlState::SYNTAX)
        }
        Undescribed::Encoding => Objection::new("invalid byte sequence for encoding \"UTF8\"").sqlstate(NOT_UTF8),
        Undescribed::Disagreement | Undescribed::Internal => unjudged(),
    })
}

fn unjudged() -> Objection {
    Objection::new("cannot execute a statement that cannot be judged")
        .detail("It is not known what it does")
        .hint("Write it in a form that PostgreSQL's grammar knows")
}
