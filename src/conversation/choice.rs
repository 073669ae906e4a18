//! The zone of a client that sets it itself: it is kept as a parameter like others (see `parameters`),
//! and what is here asks whether it has one, and whether it may have that one.
//!
//! A value is checked before it is sent: what the text says by the guards, what is bound when it is
//! bound (see `bound`). Whether one is set in the running transaction is predicted from what was sent; where that is
//! wrong (a call that was not reached), the transaction has the client's zone of before, or none, and
//! then row-level security shows nothing.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::bound;
use super::entering::Entering;
use super::{Context, Conversation, Observer};
use crate::policy::guards::zone_not_granted;
use crate::policy::{Chosen, Guard, Mode, State, Who};
use crate::sql::{Facts, ParameterName, ParameterUse, Savepoint, SavepointAct, Statement};

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
    /// To the empty text: the client has given its zone back.
    Empty,
    /// Back to what its startup packet says, if that says any.
    Back,
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

    /// Does the statement reset it, by its name?
    pub fn resets_by(&self, statement: &Statement) -> bool {
        let is = |name: &ParameterName| matches!(name, ParameterName::Named(it) if self.is(it));
        let mut touches = statement.parameters.iter();
        touches.any(|touch| is(&touch.name) && touch.how == ParameterUse::Reset)
    }

    /// May it turn out to set it, when names are bound?
    pub fn may_set(&self, facts: &Facts) -> bool {
        facts.statements.first().is_some_and(bound::binds_names)
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

    /// Is it refused to be without?
    pub fn is_needed(&self) -> bool {
        let who = &self.who;
        who.zone_is_required() && who.policy.mode(Guard::ZoneRequired) == Mode::Enforce
    }

    /// May the parameter have this value? Every value, if it is another; and where the guard does not enforce.
    pub fn admits(&self, name: &str, value: &str) -> bool {
        !self.is(name) || zone_not_granted::refusal(&self.who, value).is_none()
    }

    /// Was it set in the running transaction, as far as was sent?
    pub fn is_set_here(&self) -> bool {
        matches!(self.here, Set::To(_))
    }

    /// Was it given back there? The startup packet's is not looked at.
    pub fn is_gone_here(&self) -> bool {
        matches!(self.here, Set::Empty | Set::Back)
    }

    /// Has the client a zone, where the running transaction has not set it otherwise? `kept`: the one of its session;
    /// `begun`: the one of its startup packet.
    pub fn zone_kept<'k>(&self, kept: Option<&'k str>, begun: Option<&'k str>) -> Option<&'k str> {
        let zone = match self.here {
            Set::Not | Set::To(_) => kept,
            Set::Empty => None,
            Set::Back => begun,
        };
        zone.filter(|zone| !zone.is_empty())
    }

    /// A statement was sent to run.
    pub fn sent(&mut self, facts: &Facts) {
        for statement in &facts.statements {
            let mut empty = false;
            for touch in &statement.parameters {
                match (&touch.name, touch.how) {
                    (ParameterName::All, _) => {
                        self.here = Set::Back;
                        self.leave();
                    }
                    (ParameterName::Named(name), how) if *self.parameter == **name => {
                        self.set(how, touch.value.as_deref());
                        empty |= touch.value.as_deref() == Some("");
                    }
                    _ => {}
                }
            }
            if empty {
                // Whichever of its calls is the last.
                self.here = Set::Empty;
            }
            if let Some(savepoint) = &statement.details.savepoint {
                self.follow(savepoint);
            }
        }
    }

    fn set(&mut self, how: ParameterUse, value: Option<&str>) {
        let value = value.filter(|_| self.entering.is_some());
        self.here = match how {
            ParameterUse::Reset => Set::Back,
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
        if let Some(entering) = &mut self.entering {
            entering.go_back();
        }
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
                true if injection.begins_with_zone() => Chosen::FromStartup,
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
}
