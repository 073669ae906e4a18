//! Facts + who + state -> verdict. Default deny; allocates only to refuse.

use super::rights::{in_migration_session, is_quiet, works_alone};
use super::{Decision, Guard, GuardSet, Mode, State, Verdict, Who, guards};
use crate::sql::Facts;

/// Judges the text of one message. An allowed statement in a pipeline is judged again at Bind and
/// Execute with the state of that moment.
///
/// The guards are asked in a fixed order ([`guards::TABLE`]); the first that enforces and objects
/// decides. Those that only observe are noted, and the next is asked.
pub fn decide(facts: &Facts, who: &Who, state: State) -> Decision {
    let mut observed = GuardSet::EMPTY;
    if facts.is_empty_query() {
        return Decision { verdict: Verdict::Allow, observed };
    }
    if !works_alone(who.login.kind) && !in_migration_session(who, state) {
        // Not a matter of modes: such a login exists only inside a migration session.
        let objection = guards::ddl_outside_migration::ended(facts);
        return refuse(objection.refuse(Guard::DdlOutsideMigration, who, facts.fingerprint), observed);
    }
    if is_plain(facts, who) {
        return Decision { verdict: Verdict::Allow, observed };
    }
    for (guard, judge) in guards::TABLE {
        let mode = who.policy.mode(guard);
        if mode == Mode::Off {
            continue;
        }
        match judge(facts, who, state) {
            None => {}
            Some(_) if mode == Mode::Observe => observed = observed.with(guard),
            Some(objection) => return refuse(objection.refuse(guard, who, facts.fingerprint), observed),
        }
    }
    Decision { verdict: Verdict::Allow, observed }
}

fn refuse(refusal: super::Refusal, observed: GuardSet) -> Decision {
    Decision { verdict: Verdict::Refuse(Box::new(refusal)), observed }
}

/// Reads, writes and the like, which no guard has an opinion on: nearly all traffic.
fn is_plain(facts: &Facts, who: &Who) -> bool {
    facts.undescribed.is_none()
        && is_quiet(facts.classes)
        && facts.statements.iter().all(|statement| {
            is_quiet(statement.classes) && statement.parameters.is_empty() && statement.functions.is_empty()
        })
        && (who.login.zone.is_some() || !who.zone_is_required())
}
