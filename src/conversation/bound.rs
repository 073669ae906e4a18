//! What `set_config` sets that stands in a Bind and not in the text: names of parameters, zones, and for how long.
//!
//! The description of a statement is that of its text, and one for all who send it. So a Parse is judged without
//! the parameters of which that will be bound, and each Bind with what it binds: by the same guards, as if the text
//! said it. What a portal does is what it was bound to; what the statement's name stands for stays as it is.

use std::sync::Arc;

use super::Conversation;
use super::client::Message;
use super::in_flight::Expected;
use super::names::{MAX_BYTES, Prepared};
use super::prepared::Called;
use super::splice::Splice;
use crate::policy::guards::{
    lexing_parameters, session_state, statement_bounds, zone_not_granted, zone_parameter,
};
use crate::policy::{Guard, Refusal, Who};
use crate::protocol::{bind, frame};
use crate::sql::{
    Bound, Bounds, Facts, ParameterName, ParameterTouch, ParameterUse, Said, Statement, resolve,
};

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
        self.in_flight.pending_bytes() > MAX_BYTES && facts.statements.first().is_some_and(binds)
    }

    /// Reads what a Bind sets by its values: the names of parameters, and the zone.
    pub(super) fn read_bound(&self, facts: &Facts, message: Message<'_>, who: &Who) -> Read {
        read_bound(
            facts,
            message,
            who,
            self.max_statement_bytes,
            zone_not_granted::refusal,
        )
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
    /// ours, in the form that sets that for the transaction. `facts`: with what is bound.
    pub(super) fn parse_as_bound(
        &mut self,
        statement: &Prepared,
        facts: &Facts,
        out: &mut Splice<'_>,
    ) -> Option<Called> {
        let injection = self.injection.as_ref()?;
        let now = facts.statements.first()?;
        if self.remembers() || !injection.localizes(facts) {
            return None;
        }
        let Some(source) = &statement.source else {
            // Told by its text, it was parsed in that form; nothing else is without, and would not be right as it is.
            return self
                .is_told_late(&statement.facts)
                .then_some(Called::Changed);
        };
        let rewrites = injection.rewrites(now);
        let ours = injection.bound_name();
        frame::message(out.insert(), b'C', |out| {
            out.push(b'S');
            frame::put_cstr(out, &ours);
        });
        source.put_rewritten(out.insert(), &ours, &rewrites);
        self.in_flight.push(Expected::OwnClose);
        self.in_flight.push(Expected::OwnParse);
        Some(Called::Ours(ours))
    }
}

/// Says whether a zone may not be bound.
type Refuse = fn(&Who, &str) -> Option<Refusal>;

/// The same for whoever only looks on. `max`: the longest text, bytes.
pub(super) fn read_bound(
    facts: &Facts,
    message: Message<'_>,
    who: &Who,
    max: usize,
    refuse: Refuse,
) -> Read {
    let Some(statement) = facts.statements.first() else {
        return Read::Nothing;
    };
    let mut all = bound(statement).filter(|(bound, touch)| matters(bound, touch, statement, who));
    if all.next().is_none() {
        return Read::Nothing;
    }
    if message.header.total > max {
        return Read::Refused(Box::new(statement_bounds::too_long(who, max)));
    }
    let Some(body) = message.body() else {
        return Read::More(message.header.total);
    };
    match read(facts, statement, body, who, refuse) {
        Ok(None) => Read::Nothing,
        Ok(Some(facts)) => Read::Facts(Arc::new(facts)),
        Err(refusal) => Read::Refused(refusal),
    }
}

/// What a Parse is judged by: without the parameters whose names will be bound, or for how long they are set. They
/// are judged when they are.
/// None: there are none. `types`: how many the Parse declares, and these.
pub fn without_bound_names(facts: &Facts, types: &[u8]) -> Option<Facts> {
    let statement = facts.statements.first()?;
    let deferred = |(bound, touch): &(&Bound, &ParameterTouch)| {
        is_late(bound, touch, statement) && is_readable(bound, types)
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

/// A name, a zone, or for how long, that will be bound with a type that is not read byte by byte.
pub(super) fn bound_otherwise(facts: &Facts, types: &[u8], who: &Who) -> Option<Box<Refusal>> {
    let statement = facts.statements.first()?;
    let mut all = bound(statement).filter(|(bound, touch)| matters(bound, touch, statement, who));
    let found = all.any(|(bound, _)| !is_readable(bound, types));
    found.then(|| unreadable(statement, facts, who))
}

/// A statement of the protocol that is run by SQL: nobody reads what it is given as the zone.
pub(super) fn unread_zone(facts: &Facts, who: &Who) -> Option<Box<Refusal>> {
    let statement = facts.statements.first()?;
    let parameter = who.chosen_parameter()?;
    let sets = bound(statement).any(|(_, touch)| is(touch, parameter));
    sets.then(|| unreadable(statement, facts, who))
}

/// Is anything bound that must be read?
fn binds(statement: &Statement) -> bool {
    statement.details.bound.is_some()
}

/// Is any name bound, so that it is not known before which parameters the statement sets?
pub(super) fn binds_names(statement: &Statement) -> bool {
    bound(statement).any(|(bound, _)| bound.name.is_some())
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
    (bound.name.is_some() || bound.local.is_some()) && settable
}

/// Must the values be read?
fn matters(bound: &Bound, touch: &ParameterTouch, statement: &Statement, who: &Who) -> bool {
    is_late(bound, touch, statement) || who.chosen_parameter().is_some_and(|it| is(touch, it))
}

fn is(touch: &ParameterTouch, parameter: &str) -> bool {
    matches!(&touch.name, ParameterName::Named(name) if **name == *parameter)
}

/// Do the types leave the values as they are? Those of text, and where nothing is said (which PostgreSQL also
/// calls type unknown): then it is text that `set_config` takes, and boolean.
fn is_readable(bound: &Bound, types: &[u8]) -> bool {
    const TEXT: [u32; 4] = [0, 25, 705, 1043];
    const BOOLEAN: [u32; 2] = [0, 16];
    let is = |number: &u16, those: &[u32]| {
        bind::declared_type(types, *number).is_some_and(|oid| those.contains(&oid))
    };
    let mut texts = bound.name.iter().chain(&bound.value);
    texts.all(|number| is(number, &TEXT)) && bound.local.iter().all(|it| is(it, &BOOLEAN))
}

/// So many values are looked up one by one; of more, all are read once.
const FEW: usize = 8;

/// The facts with what is bound, where names are; a refusal, where a zone is not granted.
fn read(
    facts: &Facts,
    statement: &Statement,
    body: &[u8],
    who: &Who,
    refuse: Refuse,
) -> Result<Option<Facts>, Box<Refusal>> {
    let many = bound(statement).nth(FEW).is_some();
    let values = many.then(|| bind::values(body)).flatten();
    let value = |number: u16| match &values {
        Some(all) => all.get(usize::from(number).checked_sub(1)?).copied(),
        None if many => None,
        None => bind::value(body, number),
    };
    let text = |number: u16| std::str::from_utf8(value(number)??).ok();
    let boolean = |number: u16| match value(number)? {
        Some(value) => bind::boolean(value, bind::is_binary(body, number)?),
        // `set_config` takes NULL for false.
        None => Some(false),
    };
    // PostgreSQL takes no NUL either; a question of ours would end there.
    let named = |name: &&str| !name.contains('\0');
    // A zone that is signed will be entered.
    let mut told = who.zone_is_signed();
    let mut resolved = Vec::new();
    let all = bound(statement);
    for (bound, touch) in all.filter(|(bound, touch)| matters(bound, touch, statement, who)) {
        let value = bound.value.and_then(text);
        if is_late(bound, touch, statement) {
            let name = bound.name.map(|it| text(it).filter(named));
            let local = bound.local.map(boolean);
            if name == Some(None) || local == Some(None) {
                return Err(unreadable(statement, facts, who));
            }
            told = true;
            resolved.push(Said {
                touch: bound.touch,
                name: name.flatten(),
                value,
                local: local.flatten(),
            });
            continue;
        }
        let Some(value) = value else {
            return Err(unreadable(statement, facts, who));
        };
        if let Some(refusal) = refuse(who, value) {
            return Err(Box::new(refusal));
        }
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
fn unreadable(statement: &Statement, facts: &Facts, who: &Who) -> Box<Refusal> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::decide;
    use crate::policy::guards::fixture::{CHOSEN, chooser, policy, who_under};
    use crate::sql::describe;

    const GUARDS: &str = "
[guards.parameters]
ceilings = { work_mem = \"64MB\" }
denied = [\"plan_cache_mode\"]
transaction_only = [\"app.encryption_key\"]
";

    /// A Bind of text values.
    fn body(values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = b"\0\0\0\0".to_vec();
        body.extend((values.len() as u16).to_be_bytes());
        for value in values {
            body.extend(value.map_or(-1, |it| it.len() as i32).to_be_bytes());
            body.extend(value.unwrap_or_default());
        }
        body.extend([0, 0]);
        body
    }

    /// The guard that refuses it, if one does.
    fn judged(text: &str, who: &Who, values: &[Option<&[u8]>]) -> Option<Guard> {
        let facts = describe(text.as_bytes());
        let at_parse = without_bound_names(&facts, &[0, 0]);
        let at_parse = at_parse.as_ref().unwrap_or(&facts);
        if let crate::policy::Verdict::Refuse(refusal) = decide(at_parse, who, CHOSEN).verdict {
            return Some(refusal.guard);
        }
        let statement = &facts.statements[0];
        let bound = match read(
            &facts,
            statement,
            &body(values),
            who,
            zone_not_granted::refusal,
        ) {
            Err(refusal) => return Some(refusal.guard),
            Ok(bound) => bound.unwrap_or(facts),
        };
        match decide(&bound, who, CHOSEN).verdict {
            crate::policy::Verdict::Allow => None,
            crate::policy::Verdict::Refuse(refusal) => Some(refusal.guard),
        }
    }

    #[test]
    fn what_is_bound_is_judged_as_if_the_text_said_it() {
        let who = who_under(&policy(GUARDS), "shop_acme", "shop");
        for how in ["true", "false"] {
            let both = format!("select set_config($1, $2, {how})");
            let said = |name: &str, value: &str| {
                let values = [Some(name.as_bytes()), Some(value.as_bytes())];
                let literal = format!("select set_config('{name}', '{value}', {how})");
                let bound = judged(&both, &who, &values);
                assert_eq!(bound, judged(&literal, &who, &[]), "{literal}");
                let all = [&values[..], &[Some(how.as_bytes())]].concat();
                let third = judged("select set_config($1, $2, $3)", &who, &all);
                assert_eq!(third, bound, "{literal}");
                let third = format!("select set_config('{name}', $1, $2::bool)");
                // Who acts is known before.
                if name != "role" {
                    assert_eq!(judged(&third, &who, &all[1..]), bound, "{literal}");
                }
                let half = format!("select set_config($1, '{value}', {how})");
                assert_eq!(bound, judged(&half, &who, &values[..1]), "{half}");
                bound
            };
            assert_eq!(said("Work_Mem", "32MB"), None);
            assert_eq!(said("sort_mem", "1GB"), Some(Guard::Parameters));
            assert_eq!(said("plan_cache_mode", "auto"), Some(Guard::Parameters));
            let local = (how == "false").then_some(Guard::Parameters);
            assert_eq!(said("app.encryption_key", "k"), local);
            assert_eq!(said("App.Tenant_ID", "acme"), Some(Guard::ZoneParameter));
            assert_eq!(said("app.tenant_id", "globex"), Some(Guard::ZoneNotGranted));
            assert_eq!(said("role", "postgres"), Some(Guard::RoleChange));
            assert_eq!(
                said("client_encoding", "SJIS"),
                Some(Guard::LexingParameters)
            );
            assert_eq!(said("client_encoding", "UTF8"), None);
            assert_eq!(said("TimeZone", "UTC"), None);
            assert_eq!(said("no.such", "x"), None);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let acme = who_under(&policy(GUARDS), "shop_acme", "shop");
        let nobody = who_under(&policy(GUARDS), "shop_report", "tools");
        let text = "select set_config($1, $2, false)";
        for (who, guard) in [
            (&acme, Guard::ZoneParameter),
            (&nobody, Guard::LexingParameters),
        ] {
            let long = "x".repeat(2_000);
            let value = Some(&b"x"[..]);
            for name in [None, Some(&b"a\0"[..]), Some(b"\xff")] {
                assert_eq!(judged(text, who, &[name, value]), Some(guard));
            }
            assert_eq!(judged(text, who, &[]), Some(guard), "there is none");
            let long = [Some(long.as_bytes()), value];
            assert_eq!(judged(text, who, &long), Some(guard), "a name that is none");
            // Values are no matter to most parameters.
            for value in [None, Some(&b"\xff"[..])] {
                assert_eq!(judged(text, who, &[Some(b"timezone"), value]), None);
                let mem = judged(text, who, &[Some(b"work_mem"), value]);
                assert_eq!(mem, Some(Guard::Parameters));
            }
        }
        for third in [&b"maybe"[..], b"", b"\0", b"t\0"] {
            let third = [Some(third)];
            let text = "select set_config('a.b', 'x', $1)";
            assert_eq!(judged(text, &nobody, &third), Some(Guard::SessionState));
            assert_eq!(judged(text, &acme, &third), Some(Guard::ZoneParameter));
        }
        for text in [
            "select set_config($1, $2, not $3)",
            "select set_config($1, $2, $3), $3",
            "select set_config($1, $2, false), $1",
            "select set_config($1 || '', $2, false)",
            "select set_config($1, $2, 'f' || '')",
        ] {
            let value = Some(&b"timezone"[..]);
            let guard = judged(text, &acme, &[value, value, value]);
            assert_eq!(guard, Some(Guard::ZoneParameter), "{text}");
        }
    }

    #[test]
    fn many_of_them_are_told_apart() {
        let calls = (1..=999).map(|number| match number % 3 {
            0 => format!("set_config(${number}, '{number}', true)"),
            _ => format!("set_config('a.b', ${number}, true)"),
        });
        let text = format!("select {}", calls.collect::<Vec<_>>().join(", "));
        let facts = describe(text.as_bytes());
        let rest = without_bound_names(&facts, &[0, 0]).expect("names are bound");
        let statement = &rest.statements[0];
        assert_eq!(statement.parameters.len(), 666);
        let bounds = statement.details.bound.as_ref().expect("values are");
        let places = bounds.0.iter().map(|bound| usize::from(bound.touch));
        assert!(places.eq(0..666));
        let numbers = bounds.0.iter().map(|bound| bound.value);
        let kept = (1..=999u16).filter(|number| number % 3 != 0);
        assert!(numbers.eq(kept.map(Some)));

        let who = who_under(&policy(""), "shop_report", "tools");
        let mut values = vec![Some(&b"timezone"[..]); 999];
        assert_eq!(judged(&text, &who, &values), None);
        values[998] = Some(b"role");
        assert_eq!(judged(&text, &who, &values), Some(Guard::RoleChange));
        values[998] = None;
        assert_eq!(judged(&text, &who, &values), Some(Guard::LexingParameters));
    }

    #[test]
    fn a_zone_that_is_bound_beside_names_is_read_as_well() {
        let who = chooser("values = [\"acme\"]");
        let text = "select set_config('app.tenant_id', $1, false), set_config($2, $3, false)";
        let values = |zone: &'static [u8], name: &'static [u8]| [zone, name, b"acme"].map(Some);
        assert_eq!(judged(text, &who, &values(b"acme", b"TimeZone")), None);
        assert_eq!(judged(text, &who, &values(b"acme", b"app.tenant_id")), None);
        let other = judged(text, &who, &values(b"globex", b"TimeZone"));
        assert_eq!(other, Some(Guard::ZoneNotGranted));
        let role = judged(text, &who, &values(b"acme", b"role"));
        assert_eq!(role, Some(Guard::RoleChange));
    }
}
