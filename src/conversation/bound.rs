//! What `set_config` sets that stands in a Bind and not in the text: names of parameters, zones, and for how long.
//!
//! The description of a statement is that of its text, and one for all who send it. So a Parse is judged without
//! the parameters of which that will be bound, and each Bind with what it binds: by the same guards, as if the text
//! said it. What a portal does is what it was bound to; what the statement's name stands for stays as it is.

mod values;

use std::sync::Arc;

use super::Conversation;
use super::client::Message;
use super::in_flight::Expected;
use super::names::Prepared;
use super::prepared::Called;
use super::reading;
use super::splice::Splice;
use crate::policy::guards::parameters::has_ceiling;
use crate::policy::guards::zone_not_granted;
use crate::policy::{Refusal, Who};
use crate::protocol::frame;
use crate::sql::{Bound, Bounds, Facts, ParameterName, ParameterTouch, ParameterUse, Statement};
pub use values::Types;
pub(super) use values::{bound_otherwise, read_bound};
use values::{is_readable, unreadable};

/// What a message that binds values sets by them.
pub(super) enum Read {
    /// Nothing that must be looked at.
    Nothing,
    /// This is what the statement does, with them.
    Facts(Arc<Facts>),
    /// The message must be there whole.
    More(usize),
    /// It is not granted, or cannot be read.
    Refused(Box<Refusal>),
}

impl Conversation {
    /// Do so many unanswered messages wait with descriptions of their own that no other may be sent? What is
    /// bound makes one for each Bind.
    pub(super) fn binds_too_much(&self, facts: &Facts) -> bool {
        self.in_flight.pending_bytes() > self.most_pending()
            && facts.statements.first().is_some_and(binds)
    }

    /// Reads what a Bind sets by its values: the names of parameters, and the zone.
    pub(super) fn read_bound(&self, statement: &Prepared, message: Message<'_>, who: &Who) -> Read {
        read_bound(
            &statement.facts,
            message,
            who,
            self.max_statement_bytes,
            zone_not_granted::refusal,
            statement.types(),
        )
    }

    /// What a Parse declares; a statement that is remembered says it at Bind as well.
    pub(super) fn types<'t>(&self, all: &'t [u8]) -> Types<'t> {
        let remembered = self.remembers();
        Types { all, remembered }
    }

    /// Does only a Bind tell whether the statement sets the zone for the session, while its Parse goes to the
    /// server as it is? There the server keeps what else may be bound.
    pub(super) fn is_told_late(&self, facts: &Facts) -> bool {
        let injection = self.injection.as_ref();
        injection.is_some_and(|it| it.keeps_zone_only())
            && facts.statements.first().is_some_and(|statement| {
                let mut names = bound(statement).filter(|it| is_name(it.0, it.1, statement));
                names.any(|(_, touch)| touch.how == ParameterUse::Session)
            })
    }

    /// Is it a name of ours on the server connection?
    pub(super) fn owns(&self, name: &[u8]) -> bool {
        let injection = self.injection.as_ref();
        injection.is_some_and(|it| it.owns(name))
    }

    /// A Bind of such a statement: where it sets the zone, the statement is parsed once more, under a name of
    /// ours, in the form that sets that for the transaction. `now`: with what is bound.
    pub(super) fn parse_as_bound(
        &mut self,
        statement: &Prepared,
        now: &mut Prepared,
        out: &mut Splice<'_>,
    ) -> Option<Called> {
        let injection = self.injection.as_ref()?;
        if self.remembers() || !injection.localizes(&now.facts) {
            return None;
        }
        let Some(source) = &statement.source else {
            // Told by its text, it was parsed in that form; nothing else is without, and would not be right as it is.
            return self
                .is_told_late(&statement.facts)
                .then_some(Called::Changed);
        };
        let rewrites = injection.rewrites(now.facts.statements.first()?);
        let ours = injection.bound_name();
        frame::message(out.insert(), b'C', |out| {
            out.push(b'S');
            frame::put_cstr(out, &ours);
        });
        source.put_rewritten(out.insert(), &ours, &rewrites);
        self.in_flight.push(Expected::OwnClose);
        now.moves = reading::moves(source.text(), &rewrites);
        self.in_flight.push(Expected::OwnParse);
        self.in_flight.last_is_moved(now.moves.clone());
        Some(Called::Ours(ours))
    }
}

/// What a Parse is judged by: without the parameters whose names will be bound, or for how long they are set, or a
/// value that has a ceiling. They are judged when they are.
/// None: there are none. `types`: how many the Parse declares, and these.
pub fn without_what_is_bound(facts: &Facts, types: Types<'_>, who: &Who) -> Option<Facts> {
    let statement = facts.statements.first()?;
    let deferred = |(bound, touch): &(&Bound, &ParameterTouch)| {
        let late = is_late(bound, touch, statement) || is_capped(bound, touch, who);
        late && is_readable(bound, types)
    };
    let mut gone = vec![false; statement.parameters.len()];
    for (bound, _) in bound(statement).filter(deferred) {
        gone[usize::from(bound.touch)] = true;
    }
    if !gone.contains(&true) {
        return None;
    }
    let mut rest = facts.clone();
    let parameters = statement.parameters.iter().zip(&gone);
    let kept = parameters.filter(|(_, gone)| !**gone);
    let kept = kept.map(|(touch, _)| touch.clone()).collect();
    // Their numbers are others now, and what is bound as a value can be told where the name is bound.
    rest.statements[0].parameters = kept;
    rest.statements[0].details.bound = Some(renumbered(statement, &gone));
    Some(rest)
}

fn renumbered(statement: &Statement, gone: &[bool]) -> Box<Bounds> {
    let mut left = 0;
    let place = |gone: &bool| {
        let place = (!gone).then_some(left);
        left += u16::from(!gone);
        place
    };
    let places: Vec<Option<u16>> = gone.iter().map(place).collect();
    let all = bound(statement).filter_map(|(bound, _)| {
        let touch = places[usize::from(bound.touch)]?;
        Some(Bound { touch, ..*bound })
    });
    Box::new(Bounds(all.collect()))
}

/// A statement of the protocol that is run by SQL: nobody reads what it is given as the zone, nor follows that the zone
/// is given back.
pub(super) fn unread_zone(facts: &Facts, who: &Who) -> Option<Box<Refusal>> {
    let statement = facts.statements.first()?;
    let is_all = |touch: &ParameterTouch| touch.name == ParameterName::All;
    if who.zone_parameter().is_some() && statement.parameters.iter().any(is_all) {
        return Some(unreadable(statement, facts, who));
    }
    let parameter = who.chosen_parameter()?;
    let sets = bound(statement).any(|(_, touch)| is(touch, parameter));
    let gives_back = |touch: &ParameterTouch| {
        let resets = touch.how == ParameterUse::Reset;
        who.gives_back(touch) || (resets && is(touch, parameter))
    };
    let sets = sets || statement.parameters.iter().any(gives_back);
    sets.then(|| unreadable(statement, facts, who))
}

/// Is anything bound that must be read?
fn binds(statement: &Statement) -> bool {
    statement.details.bound.is_some()
}

/// Is any name bound, so that it is not known before which parameters the statement sets?
pub(super) fn binds_names(statement: &Statement) -> bool {
    bound(statement).any(|(bound, _)| bound.name.is_some() || bound.pairs.is_some())
}

fn bound(statement: &Statement) -> impl Iterator<Item = (&Bound, &ParameterTouch)> {
    let all = statement.details.bound.iter().flat_map(|it| it.0.iter());
    all.filter_map(|bound| {
        let touch = statement.parameters.get(usize::from(bound.touch))?;
        Some((bound, touch))
    })
}

/// Is the name bound, of a parameter that can be set once the name is known?
fn is_name(bound: &Bound, touch: &ParameterTouch, statement: &Statement) -> bool {
    bound.name.is_some() && is_late(bound, touch, statement)
}

/// Does only the Bind tell which parameter is set, or for how long? For the session that can be only where the text
/// has a form that sets it for the transaction: no other is sent.
fn is_late(bound: &Bound, touch: &ParameterTouch, statement: &Statement) -> bool {
    let settable = match touch.how {
        ParameterUse::Local => true,
        ParameterUse::Session => statement.details.localized.is_some(),
        ParameterUse::Reset | ParameterUse::Stored => false,
    };
    let said = [bound.name, bound.local, bound.pairs];
    said.iter().any(Option::is_some) && settable
}

/// Is a value bound to a parameter that has a ceiling?
fn is_capped(bound: &Bound, touch: &ParameterTouch, who: &Who) -> bool {
    bound.value.is_some() && has_ceiling(touch, who)
}

/// Can nobody go on where the values cannot be read?
fn matters(bound: &Bound, touch: &ParameterTouch, statement: &Statement, who: &Who) -> bool {
    is_late(bound, touch, statement) || who.chosen_parameter().is_some_and(|it| is(touch, it))
}

fn is(touch: &ParameterTouch, parameter: &str) -> bool {
    matches!(&touch.name, ParameterName::Named(name) if **name == *parameter)
}

#[cfg(test)]
mod tests;
