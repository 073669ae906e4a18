//! What a prefix has in it, and whether one is due.

use std::sync::Arc;

use super::Injection;
use crate::conversation::choice::Choice;
use crate::conversation::entering::{Enter, Entering};
use crate::conversation::needs::{locks, matters_to};
use crate::conversation::parameters::Parameters;
use crate::sql::{Facts, SavepointAct, Statement};
use crate::zone::signed::Signer;
use crate::zone::{Form, Prefix};

impl Injection {
    /// Is there anything to set in a transaction?
    pub(super) fn injects(&self) -> bool {
        self.sets() || self.entering().is_some()
    }

    /// Is there anything to set that does not depend on what the client does in the transaction?
    pub(super) fn sets(&self) -> bool {
        let parameters = self.parameters.as_ref();
        self.zone.is_some() || parameters.is_some_and(|parameters| parameters.have_to_be_set())
    }

    /// Is a prefix due ahead of a statement that it matters for?
    pub(super) fn is_due(&self, facts: &Facts) -> bool {
        (!self.armed && self.sets() && !self.begins_with(facts)) || self.enter(facts) != Enter::No
    }

    /// Does the statement set the client's zone, and is there nothing else to set?
    fn begins_with(&self, facts: &Facts) -> bool {
        let (Some(choice), [statement]) = (&self.choice, &facts.statements[..]) else {
            return false;
        };
        let parameters = self.parameters.as_ref();
        statement.only_sets
            && choice.sets_by(statement)
            && parameters.is_some_and(|it| it.sets_only(choice.name()))
    }

    /// Was everything sent that the transaction needs?
    pub(super) fn is_settled_in(&self) -> bool {
        self.armed && self.entering().is_none_or(Entering::has_entered)
    }

    /// Is anything entered with tokens?
    pub fn signs(&self) -> bool {
        let fixed = self.zone.as_ref().and_then(|it| it.entry());
        fixed.is_some() || self.entering().is_some()
    }

    fn entering(&self) -> Option<&Entering> {
        self.choice.as_ref()?.entering()
    }

    /// What is to be entered ahead of a statement. Nothing ahead of one that sets the zone, or may turn out
    /// to when its names are bound: it would be another one.
    fn enter(&self, facts: &Facts) -> Enter {
        let Some(choice) = &self.choice else {
            return Enter::No;
        };
        let is_open = choice.entering().is_some_and(|it| !it.has_entered());
        if !is_open || choice.sets(facts) || choice.may_set(facts) {
            return Enter::No;
        }
        if self.armed && goes_back(facts) {
            // What it would enter is taken back at once, or refused where it is another zone.
            return Enter::No;
        }
        if choice.is_set_here() {
            return choice.said().map_or(Enter::No, Enter::Said);
        }
        let touched = |it: &Parameters| it.is_touched(choice.name());
        match self.zone_kept(choice) {
            // What was entered before it was given back holds until the transaction ends.
            None if choice.entering().is_some_and(Entering::may_be_in) => Enter::Nothing,
            None => Enter::No,
            Some(_) if !self.armed && !self.parameters.as_deref().is_some_and(touched) => {
                Enter::Kept
            }
            Some(zone) => Enter::Said(zone.into()),
        }
    }

    /// Does a text of several statements set the zone among others that it matters for? Between them it
    /// cannot be entered.
    pub(super) fn sets_among_others(&self, facts: &Facts) -> bool {
        let Some(choice) = self.choice.as_ref().filter(|it| it.entering().is_some()) else {
            return false;
        };
        let (mut sets, mut others) = (facts.statements.iter(), facts.statements.iter());
        let among = sets.any(|it| choice.sets_by(it))
            && others.any(|it| (matters_to(it) || locks(it)) && !choice.sets_by(it));
        // Behind RESET it is left. What only tidies up may stand there.
        let mut behind = facts
            .statements
            .iter()
            .skip_while(|it| !choice.resets_by(it));
        among || behind.any(|it| matters_to(it) && !tidies(it))
    }

    /// Does the statement set a zone, which is entered behind it?
    pub fn sets_zone(&self, statement: &Statement) -> bool {
        let choice = self.choice.as_ref().filter(|it| it.entering().is_some());
        choice.is_some_and(|choice| choice.sets_by(statement))
    }

    /// Is what the statement sets entered behind it, or left?
    pub fn enters_behind(&self, statement: &Statement) -> bool {
        let choice = self.choice.as_ref().filter(|it| it.entering().is_some());
        choice.is_some_and(|choice| choice.sets_by(statement) || choice.resets_by(statement))
    }

    /// Is it unknown what must be set ahead of the statement, behind a procedure?
    pub fn is_doubted(&self, facts: &Facts) -> bool {
        let parameters = self.parameters.as_ref();
        parameters.is_some_and(|it| it.are_doubted()) && !self.armed && self.matters(facts, true)
    }

    /// Appends the prefix that is due ahead of a statement; in which form?
    pub fn put(&mut self, out: &mut Vec<u8>, facts: &Facts, signer: &dyn Signer) -> Form {
        let enter = self.enter(facts);
        let form = self.next_form();
        let name = &self.name;
        let spelling = &self.spelling;
        let mut put = |prefix: &Prefix| {
            let start = out.len();
            prefix.put(out, name, form, signer);
            prefix.respell(&mut out[start..], form, spelling);
        };
        let choice = self.choice.as_deref_mut().and_then(Choice::entering_mut);
        match (&mut self.parameters, &self.zone, choice) {
            (parameters, zone, Some(entering)) => {
                let fixed = zone.as_deref();
                let parameters = parameters.as_mut().filter(|_| !self.armed);
                match parameters.filter(|it| fixed.is_some() || it.have_to_be_set()) {
                    Some(parameters) => parameters.put_prefix_of(entering, &enter, fixed, put),
                    None => entering.put_prefix(&enter, put),
                }
                entering.sent(&enter);
            }
            (Some(parameters), zone, None) if parameters.have_to_be_set() || zone.is_none() => {
                parameters.put_prefix(zone.as_deref(), put);
            }
            (_, Some(zone), None) => put(zone),
            (_, None, None) => {}
        }
        self.armed = true;
        self.cleared = false;
        form
    }

    fn next_form(&mut self) -> Form {
        let form = self.keeping.next_form();
        if form != Form::Again {
            self.spelled = self.spelling.number();
        }
        form
    }

    /// Appends what sets the zone alone.
    pub fn put_zone_again(&mut self, out: &mut Vec<u8>, signer: &dyn Signer) -> Option<Form> {
        let zone = Arc::clone(self.zone.as_ref()?);
        let form = self.next_form();
        let start = out.len();
        zone.put(out, &self.name, form, signer);
        zone.respell(&mut out[start..], form, &self.spelling);
        self.cleared = false;
        Some(form)
    }

    /// Would the statement's names be bound, so that it may turn out to set the zone, and is that entered?
    pub fn may_set_zone(&self, facts: &Facts) -> bool {
        let choice = self.choice.as_ref().filter(|it| it.entering().is_some());
        choice.is_some_and(|choice| choice.may_set(facts))
    }

    /// Were the parameters set in this transaction?
    pub fn is_armed(&self) -> bool {
        self.armed
    }

    /// Would a portal that was bound before run without its zone? `facts`: of its statement, if known; `failed`: the
    /// transaction is known to have failed, and all that ends it is ROLLBACK.
    pub fn lost_to_portal(&self, facts: Option<&Facts>, failed: bool) -> bool {
        // To go back is no matter of rows, and in a failed transaction nothing was cleared. But what is set behind a
        // savepoint goes with it: the zone is set ahead of one.
        let goes_back = |it: &Statement| {
            let savepoint = it.details.savepoint.as_ref();
            savepoint.is_some_and(|it| it.act != SavepointAct::Set)
        };
        let matters = |facts: &Facts| self.needs(facts) && !facts.statements.iter().all(goes_back);
        let behind = self.entering().is_some_and(Entering::is_behind);
        let sets = |facts: &Facts| self.choice.as_ref().is_some_and(|it| it.sets(facts));
        (self.cleared && self.zone.is_some() && facts.is_none_or(matters))
            || (!failed && facts.is_some_and(|facts| self.owes_zone_to(facts)))
            || (behind && facts.is_some_and(|facts| matters(facts) && !sets(facts)))
    }
}

/// What pools send beside RESET reads no row.
fn tidies(statement: &Statement) -> bool {
    statement.unlocks_all || statement.tag == "CLOSE CURSOR" || statement.tag.starts_with("DISCARD")
}

/// ROLLBACK TO SAVEPOINT, and nothing else.
fn goes_back(facts: &Facts) -> bool {
    let [statement] = &*facts.statements else {
        return false;
    };
    let savepoint = statement.details.savepoint.as_ref();
    facts.undescribed.is_none() && savepoint.is_some_and(|it| it.act == SavepointAct::RollBackTo)
}
