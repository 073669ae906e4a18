//! `zone-not-granted`: asking for somebody else's zone.

use super::zone_parameter::touches;
use crate::policy::objection::quoted;
use crate::policy::{Objection, State, Who};
use crate::sql::{Facts, ParameterName, ParameterUse};

/// Objects to a zone that is named in the text and is not the login's own.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    let own = who.zone().map(|zone| &**zone);
    touches(facts, who).find_map(|(statement, touch)| {
        let asked = matches!(touch.name, ParameterName::Named(_)) && matches!(touch.how, ParameterUse::Session | ParameterUse::Local);
        let value = touch.value.as_deref().filter(|value| asked && Some(*value) != own)?;
        Some(
            Objection::new(format!("{} \"{}\" is not granted to login \"{}\"", who.noun(), quoted(value), who.login.name))
                .hint(format!("Leave it out: Portcullis sets the {} of every transaction", who.noun()))
                .at(statement.position),
        )
    })
}
