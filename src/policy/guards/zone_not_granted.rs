//! `zone-not-granted`: asking for somebody else's zone.

use super::zone_parameter::touches;
use crate::policy::objection::quoted;
use crate::policy::{Objection, State, Who};
use crate::sql::{Facts, ParameterName, ParameterUse};

/// Objects to a zone that is named in the text and is not the login's own.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    let own = who.zone().map(|zone| &**zone);
    touches(facts, who).find_map(|(statement, touch)| {
        let asked = matches!(touch.name, ParameterName::Named(_))
            && matches!(touch.how, ParameterUse::Session | ParameterUse::Local);
        let value = touch
            .value
            .as_deref()
            .filter(|value| asked && Some(*value) != own)?;
        Some(
            Objection::new(format!(
                "{} \"{}\" is not granted to login \"{}\"",
                who.noun(),
                quoted(value),
                who.login.name
            ))
            .hint(format!(
                "Leave it out: Portcullis sets the {} of every transaction",
                who.noun()
            ))
            .at(statement.position),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::Guard;

    #[test]
    fn somebody_elses_zone_is_refused_by_name() {
        for value in ["globex", "*", "", "ACME"] {
            let message = format!("tenant \"{value}\" is not granted to login \"shop_acme\"");
            assert_refused(
                &set("app.tenant_id", value),
                &acme(),
                CLOSED,
                Guard::ZoneNotGranted,
                &message,
            );
        }
        let message = "tenant \"acme\" is not granted to login \"shop_report\"";
        assert_refused(
            &set("app.tenant_id", "acme"),
            &who("shop_report", "shop"),
            CLOSED,
            Guard::ZoneNotGranted,
            message,
        );
    }

    #[test]
    fn other_parameters_and_migrations_pass() {
        assert_allowed(&set("application_name", "globex"), &acme(), CLOSED);
        assert_allowed(&set("app.tenant_id", "globex"), &migrator(), OPEN);
    }
}
