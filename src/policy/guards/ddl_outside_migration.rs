//! `ddl-outside-migration`: the schema, roles and privileges change only in a migration session.

use super::first_of;
use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, ClassSet, Facts};

const CHANGES: ClassSet = ClassSet::of(Class::Ddl).with(Class::Role);

/// Objects to DDL, TRUNCATE, SELECT INTO, roles and grants, however they are wrapped.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let statement = first_of(facts, CHANGES)?;
    Some(outside(statement.tag, who).at(statement.position))
}

/// The words for whatever needs a migration session and has none.
pub(super) fn outside(tag: &str, who: &Who) -> Objection {
    let hint = match who.policy.help_url {
        Some(_) => "Run it in a migration session".to_owned(),
        None => format!("Ask a DBA for a migration session: portcullis migration run --database {} -- <your tool>", who.database),
    };
    Objection::new(format!("cannot execute {tag} outside a migration session")).hint(hint)
}

/// For a migrator whose session is over: nothing at all is left to it.
pub fn ended(facts: &Facts) -> Objection {
    Objection::new("the migration session has ended")
        .detail("A migrator can do nothing outside an open migration session")
        .hint("Open another migration session")
        .at(facts.statements.first().map_or(0, |statement| statement.position))
}
