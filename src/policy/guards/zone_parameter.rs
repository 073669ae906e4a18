//! `zone-parameter`: only Portcullis sets the parameter that row-level security reads.

use crate::policy::{Objection, State, Who};
use crate::sql::{Facts, ParameterName, ParameterTouch, Statement};

/// Objects to setting, resetting or discarding the zone parameter, and to parameters whose name is
/// computed: it could be this one. RESET ALL and DISCARD ALL would take the zone away.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    let (statement, _) = touches(facts, who).next()?;
    let (noun, login) = (who.noun(), &who.login.name);
    let message = match who.zone() {
        Some(_) => format!("{noun} of login \"{login}\" is fixed and cannot be set, reset or discarded"),
        None => format!("login \"{login}\" has no {noun} and cannot set one"),
    };
    Some(
        Objection::new(message)
            .hint(format!("Leave it out: Portcullis sets the {noun} of every transaction"))
            .at(statement.position),
    )
}

/// Every place where a login whose zone is guarded touches the zone parameter, or may do so.
pub(super) fn touches<'f>(facts: &'f Facts, who: &Who) -> impl Iterator<Item = (&'f Statement, &'f ParameterTouch)> {
    let parameter = who.policy.zone.as_ref().filter(|_| who.zone_is_guarded()).map(|zone| &*zone.parameter);
    let is_zone = move |touch: &&ParameterTouch| match (&touch.name, parameter) {
        (_, None) => false,
        (ParameterName::Named(name), Some(parameter)) => **name == *parameter,
        (ParameterName::All | ParameterName::Dynamic, Some(_)) => true,
    };
    facts.statements.iter().flat_map(move |statement| {
        statement.parameters.iter().filter(is_zone).map(move |touch| (statement, touch))
    })
}
