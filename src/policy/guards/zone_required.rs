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
        Objection::new(format!("database \"{}\" needs a {noun} and this transaction has none", who.database))
            .detail(format!("The policy gives login \"{}\" no {noun}", who.login.name))
            .hint("Give the login a zone in the policy")
            .at(statement.position),
    )
}
