//! `phase-expand`: a migration session that was opened to expand the schema takes nothing away from
//! the code that still runs.

use crate::policy::rights::{NOBODY, in_expand_session};
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts, Loss, Statement, TakesAway};

/// Objects to whatever is not known to add only, and to code that cannot be seen. Functions that run
/// text as SQL are the business of `dangerous-functions`, in such a session, too.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if !in_expand_session(who, state) {
        return None;
    }
    match facts.undescribed {
        Some(_) => Some(unjudged()),
        None => facts.statements.iter().find_map(statement),
    }
}

fn statement(statement: &Statement) -> Option<Objection> {
    let classes = statement.classes;
    let objection = if classes.has(Class::Procedural) {
        hidden(statement.tag)
    } else if classes.is_empty() || classes.intersects(NOBODY) {
        unjudged()
    } else {
        taken(statement.details.takes_away.as_ref()?, statement.tag)
    };
    Some(objection.at(statement.position))
}

fn taken(away: &TakesAway, tag: &str) -> Objection {
    let message = match &*away.what {
        "" => format!("cannot execute {tag} in an expand session"),
        what => format!("cannot {what} in an expand session"),
    };
    let (detail, hint) = match away.loss {
        Loss::Gone => (
            "The code that still runs may need what it takes away",
            "Do it in a contract session, after the release that no longer needs it",
        ),
        Loss::Stricter => (
            "The code that still runs may write rows that it refuses",
            "Do it in a contract session, after the release that keeps to it",
        ),
        Loss::NoValue => (
            "The code that still runs writes rows without it",
            "Give it a default",
        ),
        Loss::Unknown => (
            "It is not known to add only",
            "Do it in a contract session, after the release that does not mind it",
        ),
    };
    Objection::new(message).detail(detail).hint(hint)
}

/// DO and CALL.
fn hidden(tag: &str) -> Objection {
    Objection::new(format!("cannot execute {tag} in an expand session"))
        .detail("What its code does cannot be judged")
        .hint("Send the statements that it would run by themselves")
}

fn unjudged() -> Objection {
    Objection::new("cannot execute a statement that cannot be judged in an expand session")
        .detail("It is not known to add only")
        .hint("Write it in a form that PostgreSQL's grammar knows")
}
