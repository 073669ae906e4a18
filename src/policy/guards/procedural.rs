//! `procedural`: code that cannot be seen is not run.

use super::first;
use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts};

/// Objects to DO and CALL outside a migration session.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let statement = first(facts, Class::Procedural)?;
    Some(
        Objection::new(format!("cannot execute {} outside a migration session", statement.tag))
            .detail("What its code does cannot be judged")
            .hint("Send the statements themselves, or run it in a migration session")
            .at(statement.position),
    )
}
