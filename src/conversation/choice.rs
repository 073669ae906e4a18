//! The zone of a client that sets it itself: it is kept as a parameter like others (see `parameters`),
//! and what is here asks whether it has one, and whether it may have that one.
//!
//! A value is checked before it is sent: what the text says by the guards, what is bound when it is
//! bound. Whether one is set in the running transaction is predicted from what was sent; where that is
//! wrong (a call that was not reached), the transaction has the client's zone of before, or none, and
//! then row-level security shows nothing.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::client::Message;
use super::entering::Entering;
use super::{Context, Conversation, Observer};
use crate::policy::guards::{statement_bounds, zone_not_granted, zone_parameter};
use crate::policy::{Chosen, Guard, Refusal, State, Who};
use crate::protocol::bind;
use crate::sql::{
    Bound, Bounds, Facts, ParameterName, ParameterUse, Savepoint, SavepointAct, Statement, resolve,
};

/// What is known of one client's choice.
#[derive(Debug)]
pub struct Choice {
    parameter: Arc<str>,
    /// With what is granted now.
    who: Who,
    here: Set,
    /// Those of the running transaction: a hash of the name, and what was set before it.
    savepoints: Vec<(u64, Set)>,
    /// Where zones are signed.
    entering: Option<Entering>,
}

/// Was it set in the running transaction?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Set {
    /// No.
    #[default]
    Not,
    /// To this; none: to what is not looked at here.
    To(Option<Arc<str>>),
}

/// What is known of the running transaction.
pub type Here = (Set, Vec<(u64, Set)>);

/// Savepoints that are followed: behind one that is not, nothing counts as set that was set behind it.
const MAX_SAVEPOINTS: usize = 1000;

impl Choice {
    /// For a client that has set nothing yet.
    pub fn new(who: &Who) -> Self {
        let parameter: Arc<str> = who.chosen_parameter().unwrap_or_default().into();
        Self {
            entering: Entering::new(who, &parameter),
            parameter,
            who: who.clone(),
            here: Set::Not,
            savepoints: Vec::new(),
        }
    }

    /// What is known about entering it, where it is signed.
    pub fn entering(&self) -> Option<&Entering> {
        self.entering.as_ref()
    }

    /// The same.
    pub fn entering_mut(&mut self) -> Option<&mut Entering> {
        self.entering.as_mut()
    }

    /// What was set in the running transaction, if that may be signed.
    pub fn said(&self) -> Option<Arc<str>> {
        match &self.here {
            Set::To(Some(zone)) if self.admits(&self.parameter, zone) => Some(Arc::clone(zone)),
            _ => None,
        }
    }

    /// Does any statement set it?
    pub fn sets(&self, facts: &Facts) -> bool {
        facts.statements.iter().any(|it| self.sets_by(it))
    }

    /// Does the statement set it?
    pub fn sets_by(&self, statement: &Statement) -> bool {
        let is = |name: &ParameterName| matches!(name, ParameterName::Named(it) if self.is(it));
        let mut touches = statement.parameters.iter();
        touches.any(|touch| {
            is(&touch.name) && matches!(touch.how, ParameterUse::Session | ParameterUse::Local)
        })
    }

    /// May it turn out to set it, when names are bound?
    pub fn may_set(&self, facts: &Facts) -> bool {
        let mut all = facts.statements.first().into_iter().flat_map(bound);
        all.any(|(_, name)| *name == ParameterName::Dynamic)
    }

    /// The parameter.
    pub fn parameter(&self) -> Arc<str> {
        Arc::clone(&self.parameter)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.parameter
    }

    /// Is it this parameter?
    pub fn is(&self, name: &str) -> bool {
        *self.parameter == *name
    }

    /// May the parameter have this value? Every value, if it is another; and where the guard does not enforce.
    pub fn admits(&self, name: &str, value: &str) -> bool {
        !self.is(name) || zone_not_granted::refusal(&self.who, value).is_none()
    }

    /// Was it set in the running transaction, as far as was sent?
    pub fn is_set_here(&self) -> bool {
        self.here != Set::Not
    }

    /// A statement was sent to run.
    pub fn sent(&mut self, facts: &Facts) {
        for statement in &facts.statements {
            for touch in &statement.parameters {
                match (&touch.name, touch.how) {
                    (ParameterName::All, _) => {
                        self.here = Set::Not;
                        self.leave();
                    }
                    (ParameterName::Named(name), how) if *self.parameter == **name => {
                        self.set(how, touch.value.as_deref());
                    }
                    _ => {}
                }
            }
            if let Some(savepoint) = &statement.details.savepoint {
                self.follow(savepoint);
            }
        }
    }

    fn set(&mut self, how: ParameterUse, value: Option<&str>) {
        let value = value.filter(|_| self.entering.is_some());
        self.here = match how {
            ParameterUse::Reset => Set::Not,
            _ => Set::To(value.map(Arc::from)),
        };
        if let Some(entering) = &mut self.entering {
            entering.set();
        }
    }

    /// What was entered may be gone.
    pub fn leave(&mut self) {
        if let Some(entering) = &mut self.entering {
            entering.leave();
        }
    }

    fn follow(&mut self, savepoint: &Savepoint) {
        let mut hasher = DefaultHasher::new();
        savepoint.name.hash(&mut hasher);
        let name = hasher.finish();
        if savepoint.act == SavepointAct::Set {
            if self.savepoints.len() < MAX_SAVEPOINTS {
                self.savepoints.push((name, self.here.clone()));
            }
            return;
        }
        if savepoint.act == SavepointAct::RollBackTo {
            self.leave();
        }
        let place = self.savepoints.iter().rposition(|(it, _)| *it == name);
        match (savepoint.act, place) {
            (SavepointAct::Release, Some(place)) => self.savepoints.truncate(place),
            (SavepointAct::RollBackTo, Some(place)) => {
                self.here = self.savepoints[place].1.clone();
                self.savepoints.truncate(place + 1);
            }
            (SavepointAct::RollBackTo, None) => self.here = Set::Not,
            (_, _) => {}
        }
    }

    /// What is known of the running transaction.
    pub fn here(&self) -> Here {
        (self.here.clone(), self.savepoints.clone())
    }

    /// It goes on, and this is known of it.
    pub fn go_back(&mut self, here: Here) {
        (self.here, self.savepoints) = here;
        self.leave();
    }

    /// What was set in the transaction is gone with it.
    pub fn transaction_ended(&mut self) {
        self.here = Set::Not;
        self.savepoints.clear();
        if let Some(entering) = &mut self.entering {
            entering.transaction_ended();
        }
    }
}

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
    /// What is granted is what the policy grants now.
    pub(super) fn renew_choice(&mut self, who: &Who) {
        let choice = self.injection.as_mut().and_then(|it| it.choice.as_mut());
        if let Some(choice) = choice
            && !Arc::ptr_eq(&choice.who.login, &who.login)
        {
            choice.who = who.clone();
        }
    }

    /// With what is known about the client's zone. `runs`: the statement is about to.
    pub(super) fn state<O: Observer>(&self, cx: &Context<'_, O>, runs: bool) -> State {
        let chosen = match &self.injection {
            Some(injection) if injection.choice.is_some() => match injection.has_chosen() {
                true => Chosen::Yes,
                false if runs => Chosen::No,
                false => Chosen::Later,
            },
            _ => cx.state.chosen,
        };
        let injection = self.injection.as_ref();
        let first = runs && injection.is_some_and(|injection| injection.is_first());
        State {
            chosen,
            first,
            ..cx.state
        }
    }

    /// Does it depend on unanswered messages whether the client has a zone?
    pub(super) fn chooses_just_now(&self) -> bool {
        self.injection.as_ref().is_some_and(|injection| {
            injection.choice.is_some() && !injection.has_chosen() && injection.is_unanswered()
        })
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
    let mut all = bound(statement).filter(|(bound, _)| matters(bound, statement, who));
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

/// What a Parse is judged by: without the parameters whose names will be bound, for one transaction. They
/// are judged when they are. None: there are none.
pub(super) fn without_bound_names(facts: &Facts, types: &[u8]) -> Option<Facts> {
    let statement = facts.statements.first()?;
    let is_deferred = |at: usize| {
        let mut all = bound(statement);
        all.any(|(bound, _)| {
            usize::from(bound.touch) == at && is_name(bound, statement) && is_text(bound, types)
        })
    };
    let count = statement.parameters.len();
    if !(0..count).any(is_deferred) {
        return None;
    }
    let mut rest = facts.clone();
    let parameters = statement.parameters.iter().enumerate();
    let kept = parameters.filter(|(at, _)| !is_deferred(*at));
    let kept = kept.map(|(_, touch)| touch.clone()).collect();
    // Their numbers are others now, and what is bound as a value can be told where the name is bound.
    rest.statements[0].parameters = kept;
    rest.statements[0].details.bound = renumbered(statement, is_deferred);
    Some(rest)
}

fn renumbered(statement: &Statement, gone: impl Fn(usize) -> bool) -> Option<Box<Bounds>> {
    let all = bound(statement).filter(|(bound, _)| !gone(usize::from(bound.touch)));
    let all = all.map(|(bound, _)| {
        let before = (0..usize::from(bound.touch)).filter(|at| gone(*at)).count();
        Bound {
            touch: bound.touch - before as u16,
            ..*bound
        }
    });
    Some(Box::new(Bounds(all.collect())))
}

/// A zone that will be bound with a type that is not read byte by byte.
pub(super) fn bound_otherwise(facts: &Facts, types: &[u8], who: &Who) -> Option<Box<Refusal>> {
    let statement = facts.statements.first()?;
    let mut all = bound(statement).filter(|(bound, _)| matters(bound, statement, who));
    let found = all.any(|(bound, _)| !is_text(bound, types));
    found.then(|| unreadable(statement, facts, who))
}

fn bound(statement: &Statement) -> impl Iterator<Item = (&Bound, &ParameterName)> {
    let all = statement.details.bound.iter().flat_map(|it| it.0.iter());
    all.filter_map(|bound| {
        let touch = statement.parameters.get(usize::from(bound.touch))?;
        Some((bound, &touch.name))
    })
}

/// Is the name bound, of a parameter for one transaction, and its value as well?
fn is_name(bound: &Bound, statement: &Statement) -> bool {
    let touch = statement.parameters.get(usize::from(bound.touch));
    let local = touch.is_some_and(|touch| touch.how == ParameterUse::Local);
    local && bound.name.is_some() && bound.value.is_some()
}

/// Must the values be read?
fn matters(bound: &Bound, statement: &Statement, who: &Who) -> bool {
    let is_zone = |parameter: &str| match statement.parameters.get(usize::from(bound.touch)) {
        Some(touch) => touch.name == ParameterName::Named(parameter.into()),
        None => false,
    };
    is_name(bound, statement) || who.chosen_parameter().is_some_and(is_zone)
}

/// Do the types leave the values as they are? Those of text, and where nothing is said: then it is text
/// that `set_config` takes.
fn is_text(bound: &Bound, types: &[u8]) -> bool {
    const TEXT: [u32; 3] = [0, 25, 1043];
    let mut numbers = bound.name.iter().chain(&bound.value);
    numbers.all(|number| bind::declared_type(types, *number).is_some_and(|oid| TEXT.contains(&oid)))
}

/// The facts with what is bound, where names are; a refusal, where a zone is not granted.
fn read(
    facts: &Facts,
    statement: &Statement,
    body: &[u8],
    who: &Who,
    refuse: Refuse,
) -> Result<Option<Facts>, Box<Refusal>> {
    let text = |number: u16| {
        let value = bind::value(body, number).flatten()?;
        std::str::from_utf8(value).ok()
    };
    let mut resolved = Vec::new();
    for (bound, _) in bound(statement).filter(|(bound, _)| matters(bound, statement, who)) {
        let Some(value) = bound.value.and_then(text) else {
            return Err(unreadable(statement, facts, who));
        };
        if is_name(bound, statement) {
            let Some(name) = bound.name.and_then(text) else {
                return Err(unreadable(statement, facts, who));
            };
            resolved.push((bound.touch, Some(name), Some(value)));
        } else if let Some(refusal) = refuse(who, value) {
            return Err(Box::new(refusal));
        } else if who.zone_is_signed() {
            // The transaction will enter it.
            resolved.push((bound.touch, None, Some(value)));
        }
    }
    if resolved.is_empty() {
        return Ok(None);
    }
    Ok(Some(resolve(facts, resolved.into_iter())))
}

fn unreadable(statement: &Statement, facts: &Facts, who: &Who) -> Box<Refusal> {
    let objection = zone_parameter::unreadable(who).at(statement.position);
    Box::new(objection.refuse(Guard::ZoneParameter, who, facts.fingerprint))
}
