//! `zone-required`: without a zone nothing is asked of a database whose rows belong to zones.

use crate::policy::{Objection, State, Who};
use crate::sql::Facts;

/// Objects to every statement of a service or person without a zone on a zone database.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    let statement = facts.statements.first()?;
    if who.zone().is_some() || !who.zone_is_required() {
        return None;
    }
    let noun = who.noun();
    Some(
        Objection::new(format!(
            "database \"{}\" needs a {noun} and this transaction has none",
            who.database
        ))
        .detail(format!(
            "The policy gives login \"{}\" no {noun}",
            who.login.name
        ))
        .hint("Give the login a zone in the policy")
        .at(statement.position),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::Guard;
    use crate::sql::Class;

    #[test]
    fn without_a_zone_nothing_is_asked_of_a_zone_database() {
        let message_text = "database \"shop\" needs a tenant and this transaction has none";
        for class in [
            Class::Read,
            Class::Transaction,
            Class::Show,
            Class::Parameter,
        ] {
            assert_refused(
                &facts("", &[class]),
                &who("shop_report", "shop"),
                CLOSED,
                Guard::ZoneRequired,
                message_text,
            );
        }
        assert_allowed(&message(Vec::new()), &who("shop_report", "shop"), CLOSED);
    }

    #[test]
    fn with_a_zone_or_elsewhere_or_in_a_migration_it_is() {
        let select = facts("SELECT", &[Class::Read]);
        assert_allowed(&select, &acme(), CLOSED);
        assert_allowed(&select, &who("shop_report", "tools"), CLOSED);
        assert_allowed(&select, &migrator(), OPEN);
    }
}
