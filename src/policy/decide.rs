//! Facts + who + state -> verdict. Default deny; allocates only to refuse.

use super::exception::exempt;
use super::rights::{in_migration_session, works_alone};
use super::watch::is_plain;
use super::{Decision, Guard, GuardSet, Mode, Refusal, State, Verdict, Who, guards};
use crate::sql::Facts;
use crate::sql::walsender::Walsender;

/// Judges the text of one message. An allowed statement in a pipeline is judged again at Bind and
/// Execute with the state of that moment.
///
/// The guards are asked in a fixed order ([`guards::TABLE`]); the first that enforces and objects
/// decides, unless an exception lets the statement past it. Those that only observe are noted, and
/// the next is asked. Where the whole policy observes nothing is refused.
pub fn decide(facts: &Facts, who: &Who, state: State) -> Decision {
    let mut observed = GuardSet::EMPTY;
    let mut rule = None;
    if facts.is_empty_query() {
        return allow(observed);
    }
    if !works_alone(who.login.kind) && !in_migration_session(who, state) {
        // Not a matter of single modes: such a login exists only inside a migration session.
        let guard = Guard::DdlOutsideMigration;
        if who.observes() {
            return allow(observed.with(guard));
        }
        let objection = guards::ddl_outside_migration::ended(facts);
        return refuse(objection.refuse(guard, who, facts.fingerprint()), observed);
    }
    if is_plain(facts, who, state) {
        return allow(observed);
    }
    for (guard, judge) in guards::TABLE {
        let mode = who.policy.mode(guard);
        if mode == Mode::Off {
            continue;
        }
        match judge(facts, who, state) {
            None => {}
            Some(_) if exempt(guard, who, state, facts.fingerprint()) => {}
            Some(objection) if mode == Mode::Observe => {
                observed = observed.with(guard);
                rule = objection.rule.map(|rule| rule.id.clone()).or(rule);
            }
            Some(objection) => {
                let refusal = objection.refuse(guard, who, facts.fingerprint());
                return Decision {
                    observed_rule: rule,
                    ..refuse(refusal, observed)
                };
            }
        }
    }
    Decision {
        observed_rule: rule,
        ..allow(observed)
    }
}

/// Judges a walsender command.
pub fn decide_command(walsender: &Walsender, facts: &Facts, who: &Who) -> Decision {
    let guard = Guard::Replication;
    match guards::replication::command(walsender, who) {
        None => allow(GuardSet::EMPTY),
        Some(_) if who.policy.mode(guard) != Mode::Enforce => allow(GuardSet::EMPTY.with(guard)),
        Some(objection) => refuse(
            objection.refuse(guard, who, facts.fingerprint()),
            GuardSet::EMPTY,
        ),
    }
}

fn allow(observed: GuardSet) -> Decision {
    Decision {
        verdict: Verdict::Allow,
        observed,
        observed_rule: None,
    }
}

fn refuse(refusal: Refusal, observed: GuardSet) -> Decision {
    Decision {
        verdict: Verdict::Refuse(Box::new(refusal)),
        observed,
        observed_rule: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::guards::fixture::*;
    use super::*;
    use crate::sql::{Class, ParameterName, ParameterUse};

    #[test]
    fn an_observing_guard_is_noted_and_the_next_is_asked() {
        let policy = policy("ddl-outside-migration = \"observe\"\nprocedural = \"observe\"");
        let who = who_under(&policy, "shop_acme", "shop");
        let both = message(vec![
            statement("DO", &[Class::Procedural]),
            statement("DROP TABLE", &[Class::Ddl]),
        ]);
        let decision = decide(&both, &who, CLOSED);
        assert_eq!(decision.verdict, Verdict::Allow);
        assert_eq!(
            decision.observed,
            GuardSet::EMPTY
                .with(Guard::Procedural)
                .with(Guard::DdlOutsideMigration)
        );

        let file = message(vec![
            statement("DO", &[Class::Procedural]),
            statement("COPY", &[Class::CopyFile]),
        ]);
        let decision = decide(&file, &who, CLOSED);
        assert!(
            matches!(decision.verdict, Verdict::Refuse(refusal) if refusal.guard == Guard::CopyFile)
        );
        assert!(decision.observed.has(Guard::Procedural));
    }

    #[test]
    fn a_guard_that_is_off_says_nothing() {
        let who = who_under(
            &policy("ddl-outside-migration = \"off\""),
            "shop_acme",
            "shop",
        );
        assert_allowed(&facts("DROP TABLE", &[Class::Ddl]), &who, CLOSED);
    }

    #[test]
    fn the_line_of_the_guards_own_setting_decides() {
        let who = who_under(
            &policy("copy-file = \"off\"\nprocedural = \"enforce\""),
            "shop_acme",
            "shop",
        );
        assert_eq!(
            refused(&facts("DO", &[Class::Procedural]), &who, CLOSED).policy_line,
            22
        );
        assert_eq!(
            refused(&facts("DROP TABLE", &[Class::Ddl]), &who, CLOSED).policy_line,
            20
        );
    }

    #[test]
    fn what_a_statement_is_comes_before_whose_rows_it_sees() {
        let ddl = facts("DROP TABLE", &[Class::Ddl]);
        assert_eq!(
            refused(&ddl, &who("shop_report", "shop"), CLOSED).guard,
            Guard::DdlOutsideMigration
        );
    }

    #[test]
    fn a_quiet_statement_with_a_parameter_or_function_is_looked_at() {
        let zone = ParameterName::Named("app.tenant_id".into());
        let reset = parameter(zone, ParameterUse::Reset, None);
        assert_eq!(refused(&reset, &acme(), CLOSED).guard, Guard::ZoneParameter);
        assert_eq!(
            refused(&calls(&["dblink"]), &acme(), CLOSED).guard,
            Guard::DangerousFunctions
        );
    }

    #[test]
    fn a_text_that_is_described_in_part_is_refused() {
        let mut partly = facts("SELECT", &[Class::Read]);
        partly.undescribed = Some(crate::sql::Undescribed::Internal);
        assert_eq!(
            refused(&partly, &acme(), CLOSED).guard,
            Guard::UnknownStatement
        );
    }
}
