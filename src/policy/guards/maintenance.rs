//! `maintenance`: what locks tables or changes the server belongs into a migration session.

use super::ddl_outside_migration::outside;
use super::first;
use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts};

/// Objects to VACUUM, ANALYZE, CLUSTER, REINDEX, CHECKPOINT and ALTER SYSTEM outside a migration session.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let statement = first(facts, Class::Maintenance)?;
    Some(outside(statement.tag, who).at(statement.position))
}
