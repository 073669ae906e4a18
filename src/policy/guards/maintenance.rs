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

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;

    #[test]
    fn maintenance_is_refused_outside_a_migration_session() {
        for tag in ["VACUUM", "REINDEX", "ALTER SYSTEM"] {
            let message = format!("cannot execute {tag} outside a migration session");
            assert_refused(
                &facts(tag, &[Class::Maintenance]),
                &acme(),
                CLOSED,
                Guard::Maintenance,
                &message,
            );
            assert_allowed(&facts(tag, &[Class::Maintenance]), &migrator(), OPEN);
        }
        assert_allowed(&facts("LOCK TABLE", &[Class::Lock]), &acme(), CLOSED);
    }
}
