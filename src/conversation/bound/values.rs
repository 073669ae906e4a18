//! What a Bind says: its values, as far as they are names of parameters, zones, or for how long.

use std::sync::Arc;

use super::{Read, binds_names, bound, is, is_capped, is_late, matters};
use crate::conversation::client::Message;
use crate::policy::guards::{lexing_parameters, session_state, statement_bounds, zone_parameter};
use crate::policy::{Guard, Refusal, Who};
use crate::protocol::bind;
use crate::sql::{
    Bound, Facts, JSON, ParameterTouch, ParameterUse, Said, Statement, pairs, resolve,
    resolve_pairs, without_bounds,
};

/// Says whether a zone may not be bound.
type Refuse = fn(&Who, &str) -> Option<Refusal>;

/// Reads what a Bind sets by its values. `max`: the longest text, bytes; `types`: how many the Parse declared, and these,
/// or nothing where all that is read is text.
pub fn read_bound(
    facts: &Facts,
    message: Message<'_>,
    who: &Who,
    max: usize,
    refuse: Refuse,
    types: &[u8],
) -> Read {
    let Some(statement) = facts.statements.first() else {
        return Read::Nothing;
    };
    let mut all = bound(statement);
    if !all.any(|(bound, touch)| is_read(bound, touch, statement, who)) {
        return Read::Nothing;
    }
    if message.header.total > max {
        return Read::Refused(Box::new(statement_bounds::too_long(who, max)));
    }
    let Some(body) = message.body() else {
        return Read::More(message.header.total);
    };
    match read(facts, statement, body, who, refuse, types) {
        Ok(None) => Read::Nothing,
        Ok(Some(facts)) => Read::Facts(Arc::new(facts)),
        Err(refusal) => Read::Refused(refusal),
    }
}

/// Must the values be read? Of one with a ceiling the guard says what is to be done where it cannot be.
fn is_read(bound: &Bound, touch: &ParameterTouch, statement: &Statement, who: &Who) -> bool {
    matters(bound, touch, statement, who) || is_capped(bound, touch, who)
}

/// A name, a zone, or for how long, that will be bound with a type that is not read byte by byte.
pub fn bound_otherwise(facts: &Facts, types: Types<'_>, who: &Who) -> Option<Box<Refusal>> {
    let statement = facts.statements.first()?;
    let mut all = bound(statement).filter(|(bound, touch)| matters(bound, touch, statement, who));
    // Pairs of a type that is not read are left in the text's facts, as a computed name.
    let found = all.any(|(bound, _)| bound.pairs.is_none() && !is_readable(bound, types));
    found.then(|| unreadable(statement, facts, who))
}

/// What a Parse declares.
#[derive(Clone, Copy, Debug)]
pub struct Types<'t> {
    /// How many types, and these.
    pub all: &'t [u8],
    /// They are known at Bind as well.
    pub remembered: bool,
}

/// Do the types leave the values as they are? Those of text, and where nothing is said (which PostgreSQL also
/// calls type unknown): then it is text that `set_config` takes, and boolean. Or is it known how a value is cast to text,
/// without which `set_config` does not take it?
pub fn is_readable(bound: &Bound, types: Types<'_>) -> bool {
    const BOOLEAN: [u32; 2] = [0, 16];
    let is = |number: &u16, those: &[u32]| {
        bind::declared_type(types.all, *number).is_some_and(|oid| those.contains(&oid))
    };
    let is_text = |number: &u16| is(number, &bind::TEXTS);
    let is_spelled = |number: &u16| types.remembered && is(number, &bind::SPELLED);
    // Where nothing is said it has the type that the text casts it to.
    let is_value = |number: &u16| match bound.cast {
        0 => is_text(number) || is_spelled(number),
        cast => is(number, &[0, cast]),
    };
    let is_json = |number: &u16| is(number, &[JSON]);
    bound.name.iter().all(is_text)
        && bound.pairs.iter().all(|it| is_text(it) || is_json(it))
        && bound.value.iter().all(is_value)
        && bound.local.iter().all(|it| is(it, &BOOLEAN))
}

/// So many values are looked up one by one; of more, all are read once.
const FEW: usize = 8;

/// The facts with what is bound, where names are; a refusal, where a zone is not granted.
pub fn read(
    facts: &Facts,
    statement: &Statement,
    body: &[u8],
    who: &Who,
    refuse: Refuse,
    types: &[u8],
) -> Result<Option<Facts>, Box<Refusal>> {
    let many = bound(statement).nth(FEW).is_some();
    let values = many.then(|| bind::values(body)).flatten();
    let value = |number: u16| match &values {
        Some(all) => all.get(usize::from(number).checked_sub(1)?).copied(),
        None if many => None,
        None => bind::value(body, number),
    };
    if let Some(number) = bound(statement).find_map(|(bound, _)| bound.pairs) {
        // All of it, and so all that the statement sets.
        return Ok(Some(match value(number).flatten().and_then(pairs) {
            Some(all) => resolve_pairs(facts, all),
            // A computed name, of which each guard says what its mode says.
            None => without_bounds(facts),
        }));
    }
    let of = |bound: &Bound, number: u16| match bound.cast {
        0 => bind::declared_type(types, number).unwrap_or_default(),
        cast => cast,
    };
    let spell = |number: u16, oid: u32| {
        let binary = bind::is_binary(body, number)?;
        Some(bind::spelled(value(number)??, oid, binary)?.into_owned())
    };
    let others = bound(statement).filter_map(|(bound, _)| Some((bound.value?, bound)));
    let others = others.map(|(number, bound)| (number, of(bound, number)));
    let others = others.filter(|(_, oid)| bind::SPELLED.contains(oid));
    let others: Vec<_> = others
        .map(|(number, oid)| (number, spell(number, oid)))
        .collect();
    let text = |number: u16| match others.iter().find(|(it, _)| *it == number) {
        Some((_, text)) => text.as_deref(),
        None => std::str::from_utf8(value(number)??).ok(),
    };
    let boolean = |number: u16| match value(number)? {
        Some(value) => bind::boolean(value, bind::is_binary(body, number)?),
        // `set_config` takes NULL for false.
        None => Some(false),
    };
    // A zone that is NULL is none, as one that is empty.
    let is_null = |bound: &Bound| bound.value.and_then(value) == Some(None);
    // PostgreSQL takes no NUL either; a question of ours would end there.
    let named = |name: &&str| !name.contains('\0');
    // A zone that is signed will be entered.
    let mut told = who.zone_is_signed();
    let mut resolved = Vec::new();
    let all = bound(statement);
    for (bound, touch) in all.filter(|(bound, touch)| is_read(bound, touch, statement, who)) {
        let value = bound.value.and_then(text);
        if !matters(bound, touch, statement, who) {
            told = true;
            resolved.push(Said {
                touch: bound.touch,
                name: None,
                value,
                local: None,
            });
            continue;
        }
        if is_late(bound, touch, statement) {
            let name = bound.name.map(|it| text(it).filter(named));
            let local = bound.local.map(boolean);
            if name == Some(None) || local == Some(None) {
                return Err(unreadable(statement, facts, who));
            }
            let for_session = touch.how == ParameterUse::Session && local != Some(Some(true));
            let zone = who.chosen_parameter().filter(|_| for_session);
            let is_zone = zone.is_some_and(|zone| match name.flatten() {
                Some(name) => name.eq_ignore_ascii_case(zone),
                None => is(touch, zone),
            });
            let value = value.or_else(|| is_null(bound).then_some("").filter(|_| is_zone));
            told = true;
            resolved.push(Said {
                touch: bound.touch,
                name: name.flatten(),
                value,
                local: local.flatten(),
            });
            continue;
        }
        let for_session = touch.how == ParameterUse::Session;
        let value = value.or_else(|| is_null(bound).then_some("").filter(|_| for_session));
        let Some(value) = value else {
            return Err(unreadable(statement, facts, who));
        };
        // For the session the empty text gives back what the client has chosen.
        let gives_back = for_session && value.is_empty();
        if let Some(refusal) = (!gives_back).then(|| refuse(who, value)).flatten() {
            return Err(Box::new(refusal));
        }
        told |= value.is_empty();
        resolved.push(Said {
            touch: bound.touch,
            name: None,
            value: Some(value),
            local: None,
        });
    }
    if !told || resolved.is_empty() {
        return Ok(None);
    }
    Ok(Some(resolve(facts, resolved.into_iter())))
}

/// What is bound cannot be read: for whoever has a zone it could be that.
pub fn unreadable(statement: &Statement, facts: &Facts, who: &Who) -> Box<Refusal> {
    let (guard, objection) = match who.zone_parameter() {
        Some(_) => (Guard::ZoneParameter, zone_parameter::unreadable(who)),
        None if binds_names(statement) => {
            (Guard::LexingParameters, lexing_parameters::unreadable())
        }
        None => (Guard::SessionState, session_state::unreadable()),
    };
    let objection = objection.at(statement.position);
    Box::new(objection.refuse(guard, who, facts.fingerprint()))
}
