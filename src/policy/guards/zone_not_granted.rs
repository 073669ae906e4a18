//! `zone-not-granted`: asking for somebody else's zone.

use super::zone_parameter::touches;
use crate::policy::objection::quoted;
use crate::policy::zone::ALL_ZONES;
use crate::policy::{Guard, Mode, Objection, Refusal, State, Who};
use crate::sql::{Facts, ParameterName, ParameterUse};
use crate::zone::signed::LONGEST_ZONE;

/// Objects to a zone that is named in the text and is not the login's own, or not one of those that it
/// may choose from. The empty text is none: with it a client gives back what it has chosen for its session, and has
/// none. What is bound is asked about by [`is_granted`] when it is bound.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    touches(facts, who).find_map(|touch| {
        let (statement, touch) = (touch.statement, touch.touch);
        let asked = matches!(touch.name, ParameterName::Named(_))
            && matches!(touch.how, ParameterUse::Session | ParameterUse::Local);
        let asked = asked && !who.gives_back(touch);
        let value = touch.value.as_deref().filter(|_| asked)?;
        (!is_granted(who, value)).then(|| objection(who, value).at(statement.position))
    })
}

/// Is this the login's own zone, or one that it may choose? Of one that is signed it must be possible to
/// make a token.
pub fn is_granted(who: &Who, value: &str) -> bool {
    match who.grant() {
        Some(grant) => {
            let signed = who.zone_is_signed();
            grant.admits(value) && (!signed || value.len() <= LONGEST_ZONE)
        }
        None => who.zone() == Some(value),
    }
}

/// The refusal of a zone that was bound or stands in the startup packet, and is not granted; none where
/// the guard does not enforce.
pub fn refusal(who: &Who, value: &str) -> Option<Refusal> {
    let enforces = who.policy.mode(Guard::ZoneNotGranted) == Mode::Enforce;
    enforces.then(|| foreseen(who, value)).flatten()
}

/// The same where the guard may only observe; none where it is off.
pub fn foreseen(who: &Who, value: &str) -> Option<Refusal> {
    let is_off = who.policy.mode(Guard::ZoneNotGranted) == Mode::Off;
    let refused = !is_off && !is_granted(who, value);
    refused.then(|| objection(who, value).refuse(Guard::ZoneNotGranted, who, None))
}

fn objection(who: &Who, value: &str) -> Objection {
    let noun = who.noun();
    let objection = Objection::new(format!(
        "{noun} \"{}\" is not granted to login \"{}\"",
        quoted(value),
        who.login.name
    ));
    if who.grant().is_none() {
        return objection.hint(format!(
            "Leave it out: Portcullis sets the {noun} of every transaction"
        ));
    }
    match value {
        ALL_ZONES => objection
            .detail(format!("It would be every {noun} at once"))
            .hint("all_zones = true in the policy grants it"),
        "" => objection.hint(format!(
            "An empty {noun} is none: RESET {}, or name one",
            who.zone_parameter().unwrap_or_default()
        )),
        _ => objection.hint("Set one that the policy grants to this login: \"values\" of its zone"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::Guard;
    use crate::sql::{ParameterName, ParameterUse};

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
    fn a_client_chooses_from_what_it_is_granted() {
        let listed = chooser("values = [\"acme\", \"b-*\"]");
        for value in ["acme", "b-1"] {
            assert_allowed(&set("app.tenant_id", value), &listed, CLOSED);
        }
        let own = |how, value| {
            let name = ParameterName::Named("app.tenant_id".into());
            parameter(name, how, Some(value))
        };
        let gives_back = own(ParameterUse::Session, "");
        assert_allowed(&gives_back, &listed, CHOSEN);
        let refusal = refused(&own(ParameterUse::Local, ""), &listed, CHOSEN);
        assert_eq!(refusal.guard, Guard::ZoneNotGranted);
        let hint = "An empty tenant is none: RESET app.tenant_id, or name one.";
        assert_eq!(refusal.hint.as_deref(), Some(hint));
        for value in ["globex", "*", "ACME", "a\tb"] {
            let message = format!("tenant \"{value}\" is not granted to login \"shop_api\"");
            let message = message.replace('\t', " ");
            for how in [ParameterUse::Session, ParameterUse::Local] {
                let refusal = refused(&own(how, value), &listed, CHOSEN);
                assert_eq!(refusal.guard, Guard::ZoneNotGranted);
                if !value.contains('\t') {
                    assert_eq!(refusal.message, message);
                }
            }
        }
        let all = chooser("values = \"any\", all_zones = true");
        assert_allowed(&set("app.tenant_id", "*"), &all, CLOSED);
        assert_allowed(&set("app.tenant_id", "globex"), &all, CLOSED);
        let any = chooser("values = \"any\"");
        let refusal = refused(&set("app.tenant_id", "*"), &any, CLOSED);
        let hint = "all_zones = true in the policy grants it.";
        assert_eq!(refusal.hint.as_deref(), Some(hint));
    }

    #[test]
    fn other_parameters_and_migrations_pass() {
        assert_allowed(&set("application_name", "globex"), &acme(), CLOSED);
        assert_allowed(&set("app.tenant_id", "globex"), &migrator(), OPEN);
    }
}
