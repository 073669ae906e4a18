//! `parameters`: a client may lower its limits, never raise them.

use super::lexing_parameters::COMPUTED_NAME;
use crate::policy::objection::quoted;
use crate::policy::options::Parameters;
use crate::policy::pattern::Pattern;
use crate::policy::quantity::{Above, Ceiling};
use crate::policy::rights::in_migration_session;
use crate::policy::{Guard, Kind, Mode, Objection, Refusal, State, Who};
use crate::sql::{Facts, ParameterName, ParameterTouch, ParameterUse, current_name, other_name};

/// Objects to values above a ceiling, to values that cannot be told beforehand where there is one,
/// to parameters that are denied, and to those for one transaction that are set for longer. RESET and
/// DEFAULT pass: they return to what the server gives. Migration sessions are not bound.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    facts.statements.iter().find_map(|statement| {
        let objection = statement
            .parameters
            .iter()
            .find_map(|touch| touched(touch, who))?;
        Some(objection.at(statement.position))
    })
}

/// The refusal of a parameter of a startup packet, which sets it for as long as the connection lasts;
/// none while the guard does not enforce.
pub fn at_startup(who: &Who, name: &str, value: &str) -> Option<Refusal> {
    let enforces = who.policy.mode(Guard::Parameters) == Mode::Enforce;
    enforces.then(|| foreseen(who, name, value)).flatten()
}

/// The same where the guard may only observe; none where it is off.
pub fn foreseen(who: &Who, name: &str, value: &str) -> Option<Refusal> {
    let is_off = who.policy.mode(Guard::Parameters) == Mode::Off;
    if who.login.kind == Kind::Migrator || is_off {
        return None;
    }
    let folded = name.to_ascii_lowercase();
    let name = ParameterName::Named(current_name(&folded).unwrap_or(&folded).into());
    let touch = ParameterTouch {
        value: Some(value.into()),
        ..ParameterTouch::new(name, ParameterUse::Session)
    };
    touched(&touch, who).map(|objection| objection.refuse(Guard::Parameters, who, None))
}

/// Has the parameter that is set a ceiling, so that its value must be read where it is bound?
pub fn has_ceiling(touch: &ParameterTouch, who: &Who) -> bool {
    let sets = matches!(touch.how, ParameterUse::Session | ParameterUse::Local);
    let is = |name: &str| ceilings(who).iter().any(|it| *it.parameter.name == *name);
    sets && matches!(&touch.name, ParameterName::Named(name) if is(name))
}

fn ceilings(who: &Who) -> &[Ceiling] {
    let settings = &who.policy.options.parameters;
    who.login.ceilings.as_ref().unwrap_or(&settings.ceilings)
}

fn touched(touch: &ParameterTouch, who: &Who) -> Option<Objection> {
    let settings = &who.policy.options.parameters;
    let ceilings = ceilings(who);
    if touch.how == ParameterUse::Reset {
        return None;
    }
    let name = match &touch.name {
        ParameterName::Named(name) => name,
        ParameterName::All => return None,
        ParameterName::Dynamic => return any(settings, ceilings).then(computed_name),
    };
    let other = other_name(name);
    let fits = |pattern: &Pattern| pattern.fits(name) || other.is_some_and(|it| pattern.fits(it));
    let listed = |patterns: &[Pattern]| patterns.iter().any(fits);
    if listed(&settings.denied) {
        return Some(
            Objection::new(format!("parameter \"{}\" cannot be set", quoted(name)))
                .hint("Leave it as it is"),
        );
    }
    if listed(&settings.transaction_only) && touch.how != ParameterUse::Local {
        let message = format!(
            "parameter \"{}\" can only be set for one transaction",
            quoted(name)
        );
        return Some(
            Objection::new(message)
                .detail("Its value would stay on the connection")
                .hint("Use SET LOCAL, or set_config() with true as its third argument, in a transaction"),
        );
    }
    let ceiling = ceilings
        .iter()
        .find(|ceiling| *ceiling.parameter.name == **name)?;
    above(ceiling, touch)
}

fn any(settings: &Parameters, ceilings: &[Ceiling]) -> bool {
    !settings.denied.is_empty() || !settings.transaction_only.is_empty() || !ceilings.is_empty()
}

fn computed_name() -> Objection {
    Objection::new("cannot set a parameter whose name is computed").hint(COMPUTED_NAME)
}

fn above(ceiling: &Ceiling, touch: &ParameterTouch) -> Option<Objection> {
    let (name, most) = (ceiling.parameter.name, &ceiling.text);
    let value = touch
        .value
        .as_deref()
        .filter(|_| touch.how != ParameterUse::Stored);
    let Some(value) = value else {
        return Some(
            Objection::new(format!(
                "parameter \"{name}\" cannot be set to a computed value"
            ))
            .detail(format!("Its ceiling is {most}"))
            .hint(format!(
                "Write the value as a constant: SET {name} = '{most}'"
            )),
        );
    };
    let above = ceiling.is_passed_by(value)?;
    let detail = match above {
        Above::More => format!("Its ceiling is {most}"),
        Above::Unlimited => {
            format!(
                "Without a limit it would be above its ceiling, {most}, whatever the default is"
            )
        }
        Above::Unknown => format!("It cannot be compared with its ceiling, {most}"),
    };
    // Who lifts a limit often wants no more than what was there before. That it is the same today is no reason to pass:
    // what is set here would stand over the default of another day, and of another database. And where it is a library
    // that says it, its user cannot.
    let hint = match above {
        Above::Unlimited => format!(
            "Set it to {most} or less, or leave it out: RESET {name} returns to the default; a tool that says so by \
             itself needs a login with ceilings of its own in the policy"
        ),
        Above::More | Above::Unknown => format!("Set it to {most} or less"),
    };
    Some(
        Objection::new(format!(
            "parameter \"{name}\" cannot be set to \"{}\"",
            quoted(value)
        ))
        .detail(detail)
        .hint(hint),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    const GUARDS: &str = r#"
[guards.parameters]
ceilings = { statement_timeout = "15min", work_mem = "64MB" }
denied = ["session_preload_*", "plan_cache_mode"]
transaction_only = ["app.encryption_key"]
"#;

    fn acme() -> Who {
        who_under(&policy(GUARDS), "shop_acme", "shop")
    }

    fn named(name: &str, how: ParameterUse, value: Option<&str>) -> Facts {
        parameter(ParameterName::Named(name.into()), how, value)
    }

    #[test]
    fn a_former_name_is_the_same_parameter() {
        let who = who_under(
            &policy(
                "\n[guards.parameters]\nceilings = { work_mem = \"64MB\" }\ndenied = [\"force_parallel_mode\"]\n",
            ),
            "shop_acme",
            "shop",
        );
        // As facts tell them: by today's names, but what another has replaced.
        for (name, value) in [
            ("work_mem", "1TB"),
            ("debug_parallel_query", "on"),
            ("force_parallel_mode", "on"),
        ] {
            let facts = named(name, ParameterUse::Local, Some(value));
            assert_eq!(
                refused(&facts, &who, CLOSED).guard,
                Guard::Parameters,
                "{name}"
            );
        }
        assert!(at_startup(&who, "Sort_Mem", "1TB").is_some());
        assert!(at_startup(&who, "sort_mem", "32MB").is_none());
    }

    #[test]
    fn a_limit_is_lowered_but_not_raised() {
        for how in [ParameterUse::Session, ParameterUse::Local] {
            for (name, value) in [
                ("statement_timeout", "5s"),
                ("statement_timeout", "15min"),
                ("work_mem", "4MB"),
                ("maintenance_work_mem", "100GB"),
                ("application_name", "x"),
            ] {
                assert_allowed(&named(name, how, Some(value)), &acme(), CLOSED);
            }
            for (name, value, detail, hint) in [
                (
                    "statement_timeout",
                    "16min",
                    "Its ceiling is 15min",
                    "Set it to 15min or less.",
                ),
                (
                    "statement_timeout",
                    "0",
                    "Without a limit it would be above its ceiling, 15min, whatever the default is",
                    "Set it to 15min or less, or leave it out: RESET statement_timeout returns to the default; a tool that says so by itself needs a login with ceilings of its own in the policy.",
                ),
                (
                    "statement_timeout",
                    "0x7fffffff",
                    "It cannot be compared with its ceiling, 15min",
                    "Set it to 15min or less.",
                ),
                (
                    "work_mem",
                    "1GB",
                    "Its ceiling is 64MB",
                    "Set it to 64MB or less.",
                ),
            ] {
                let refusal = refused(&named(name, how, Some(value)), &acme(), CLOSED);
                assert_eq!(
                    (refusal.guard, &*refusal.message),
                    (
                        Guard::Parameters,
                        &*format!("parameter \"{name}\" cannot be set to \"{value}\"")
                    )
                );
                assert!(
                    refusal.detail.starts_with(&format!("{detail}. Login")),
                    "{}",
                    refusal.detail
                );
                assert_eq!(refusal.hint.as_deref(), Some(hint));
            }
            let message = "parameter \"work_mem\" cannot be set to a computed value";
            assert_refused(
                &named("work_mem", how, None),
                &acme(),
                CLOSED,
                Guard::Parameters,
                message,
            );
        }
    }

    #[test]
    fn resets_and_migrations_pass() {
        for facts in [
            named("work_mem", ParameterUse::Reset, None),
            named("plan_cache_mode", ParameterUse::Reset, None),
            named("app.encryption_key", ParameterUse::Reset, None),
        ] {
            assert_allowed(&facts, &acme(), CLOSED);
        }
        let who = who_under(&policy(GUARDS), "migrator", "shop");
        for (name, value) in [
            ("statement_timeout", "0"),
            ("plan_cache_mode", "auto"),
            ("app.encryption_key", "k"),
        ] {
            assert_allowed(&set(name, value), &who, OPEN);
            assert!(at_startup(&who, name, value).is_none());
        }
    }

    #[test]
    fn stored_settings_are_told_no_value() {
        let stored = named("work_mem", ParameterUse::Stored, Some("1MB"));
        let message = "parameter \"work_mem\" cannot be set to a computed value";
        assert_refused(&stored, &acme(), CLOSED, Guard::Parameters, message);
    }

    #[test]
    fn some_are_never_set_and_some_for_a_transaction_only() {
        let denied = "parameter \"session_preload_libraries\" cannot be set";
        assert_refused(
            &set("session_preload_libraries", "x"),
            &acme(),
            CLOSED,
            Guard::Parameters,
            denied,
        );
        let key = "parameter \"app.encryption_key\" can only be set for one transaction";
        assert_refused(
            &set("app.encryption_key", "k"),
            &acme(),
            CLOSED,
            Guard::Parameters,
            key,
        );
        // The value may be bound: nobody needs to see it.
        for value in [Some("k"), None] {
            assert_allowed(
                &named("app.encryption_key", ParameterUse::Local, value),
                &acme(),
                CLOSED,
            );
        }
        assert_allowed(&set("app.encryption", "k"), &acme(), CLOSED);
    }

    #[test]
    fn a_computed_name_could_be_one_of_them() {
        let guards = format!("lexing-parameters = \"off\"\n{GUARDS}");
        let computed = parameter(ParameterName::Dynamic, ParameterUse::Local, Some("x"));
        let boris = who_under(&policy(&guards), "boris", "tools");
        let message = "cannot set a parameter whose name is computed";
        assert_refused(&computed, &boris, CLOSED, Guard::Parameters, message);
        let none = who_under(&policy("lexing-parameters = \"off\""), "boris", "tools");
        assert_allowed(&computed, &none, CLOSED);
    }

    #[test]
    fn a_startup_packet_is_no_way_around() {
        let what =
            |name, value| at_startup(&acme(), name, value).map(|objection| objection.message);
        assert_eq!(
            what("Statement_Timeout", "0").as_deref(),
            Some("parameter \"statement_timeout\" cannot be set to \"0\"")
        );
        assert_eq!(what("statement_timeout", "10s"), None);
        assert!(what("app.encryption_key", "k").is_some());
        let off = GUARDS.replace("ceilings", "mode = \"observe\"\nceilings");
        let who = who_under(&policy(&off), "shop_acme", "shop");
        assert!(at_startup(&who, "statement_timeout", "0").is_none());
    }

    #[test]
    fn a_login_can_have_ceilings_of_its_own() {
        let lax = "[login.dump]\nkind = \"service\"\ndatabases = [\"tools\"]\nceilings = {}\n";
        let policy = policy(&format!("{GUARDS}{lax}"));
        assert_allowed(
            &set("statement_timeout", "0"),
            &who_under(&policy, "dump", "tools"),
            CLOSED,
        );
        refused(
            &set("statement_timeout", "0"),
            &who_under(&policy, "shop_report", "tools"),
            CLOSED,
        );
    }
}
