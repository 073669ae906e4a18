//! `rule`: the operator's own refusals, `[[rule]]`. The refusal bears the id of the rule.

use std::sync::Arc;

use crate::policy::rule::Rule;
use crate::policy::{Objection, State, Who};
use crate::sql::Facts;

/// Objects to the first statement for which a rule holds.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    let rules = &who.login.watch.rules;
    facts.statements.iter().find_map(|statement| {
        let rule = rules.first(statement, who, state)?;
        Some(objection(rule).at(statement.position))
    })
}

fn objection(rule: &Arc<Rule>) -> Objection {
    Objection {
        hint: rule.hint.as_deref().map(str::to_owned),
        rule: Some(rule.clone()),
        ..Objection::new(&*rule.message).sqlstate(rule.sqlstate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::{Guard, GuardSet, Refusal, State, Verdict, Who, decide};
    use crate::sql::{Class, Facts, ParameterName, ParameterUse, RelationAct};

    /// A login under a policy with one rule: `when` and what else it says.
    fn login(name: &str, rule: &str) -> Who {
        let text = format!("[[rule]]\nid = \"own\"\nmessage = \"not here\"\n{rule}\n");
        let database = if name == "boris" { "tools" } else { "shop" };
        who_under(&policy(&text), name, database)
    }

    fn own(text: &Facts, name: &str, state: State, rule: &str) -> Refusal {
        let refusal = refused(text, &login(name, rule), state);
        assert_eq!(
            (refusal.guard, refusal.by()),
            (Guard::Rule, "own"),
            "{rule}"
        );
        refusal
    }

    fn copy_out() -> Facts {
        facts("COPY", &[Class::CopyOut])
    }

    #[test]
    fn a_rule_refuses_in_its_own_words() {
        let rule =
            "when = { kind = \"human\", class = \"copy-out\" }\nhint = \"Ask for an export job.\"";
        let refusal = own(&copy_out(), "boris", CLOSED, rule);
        assert_eq!(
            (&*refusal.message, refusal.sqlstate.as_str()),
            ("not here", "42501")
        );
        assert_eq!(
            refusal.detail,
            "Login \"boris\" on database \"tools\" was refused by rule \"own\""
        );
        assert_eq!(refusal.hint.as_deref(), Some("Ask for an export job."));
        assert_eq!(refusal.policy_line, 21);
        let sqlstate = own(
            &copy_out(),
            "boris",
            CLOSED,
            "when = { kind = \"human\" }\nsqlstate = \"0A000\"",
        );
        assert_eq!(sqlstate.sqlstate.as_str(), "0A000");

        assert_allowed(&copy_out(), &login("shop_acme", rule), CLOSED);
        assert_allowed(
            &facts("SELECT", &[Class::Read]),
            &login("boris", rule),
            CLOSED,
        );
    }

    #[test]
    fn every_fact_can_be_asked_for() {
        let orders = touches(
            "DELETE",
            &[Class::Write],
            &[("public.orders", RelationAct::Delete)],
        );
        for (holds, does_not) in [
            ("login = \"shop_*\"", "login = \"shop\""),
            ("kind = [\"human\", \"service\"]", "kind = \"human\""),
            ("database = \"shop\"", "database = \"tools\""),
            ("environment = \"t*\"", "environment = \"production\""),
            ("route = \"transaction\"", "route = \"session\""),
            ("migration = false", "migration = true"),
            ("class = [\"write\", \"lock\"]", "class = \"read\""),
            ("tag = \"DELETE\"", "tag = [\"UPDATE\", \"INSERT\"]"),
            ("relation = \"orders\"", "relation = \"audit.orders\""),
            ("relation = \"public.*\"", "relation = \"order\""),
            (
                "login = \"shop_acme\", tag = \"DEL*\"",
                "login = \"shop_acme\", tag = \"DEL\"",
            ),
        ] {
            own(
                &orders,
                "shop_acme",
                CLOSED,
                &format!("when = {{ {holds} }}"),
            );
            let rule = format!("when = {{ {does_not} }}");
            assert_allowed(&orders, &login("shop_acme", &rule), CLOSED);
        }
    }

    #[test]
    fn parameters_and_functions_are_asked_for_by_name() {
        let rule = "when = { parameter = \"enable_*\" }";
        own(&set("enable_seqscan", "off"), "shop_acme", CLOSED, rule);
        assert_allowed(&set("timezone", "UTC"), &login("shop_acme", rule), CLOSED);
        let all = parameter(ParameterName::All, ParameterUse::Reset, None);
        assert_allowed(&all, &login("boris", rule), CLOSED);

        let rule = "when = { function = \"pg_sleep*\" }";
        let calling = |name: &str| {
            let mut text = facts("SELECT", &[Class::Read]);
            text.statements[0].details.calls = Some(vec![qualified(name)]);
            text
        };
        own(&calling("pg_sleep_for"), "shop_acme", CLOSED, rule);
        own(&calling("pg_catalog.pg_sleep"), "shop_acme", CLOSED, rule);
        assert_allowed(&calling("now"), &login("shop_acme", rule), CLOSED);
    }

    #[test]
    fn what_is_not_known_could_be_meant() {
        let unknown = facts("SELECT", &[Class::Read]);
        for rule in [
            "when = { relation = \"orders\" }",
            "when = { function = \"f\" }",
        ] {
            own(&unknown, "shop_acme", CLOSED, rule);
            assert_allowed(
                &facts("COMMIT", &[Class::Transaction]),
                &login("shop_acme", rule),
                CLOSED,
            );
        }
    }

    #[test]
    fn one_statement_must_have_all_of_it() {
        let rule = "when = { class = \"write\", relation = \"orders\" }";
        let mut text = touches("SELECT", &[Class::Read], &[("orders", RelationAct::Read)]);
        let other = touches("INSERT", &[Class::Write], &[("notes", RelationAct::Insert)]);
        text.statements.extend(other.statements);
        text.classes = text.classes.with(Class::Write);
        assert_allowed(&text, &login("shop_acme", rule), CLOSED);
    }

    #[test]
    fn rules_bind_migrations_and_can_observe() {
        let rule = "when = { tag = \"DROP TABLE\", migration = true }";
        let drop = facts("DROP TABLE", &[Class::Ddl]);
        own(&drop, "migrator", OPEN, rule);
        let observing =
            format!("rule = \"observe\"\n[[rule]]\nid = \"own\"\nmessage = \"not here\"\n{rule}");
        let who = who_under(&policy(&observing), "migrator", "shop");
        let decision = decide(&drop, &who, OPEN);
        assert_eq!(decision.verdict, Verdict::Allow);
        assert_eq!(decision.observed, GuardSet::EMPTY.with(Guard::Rule));
        assert_eq!(decision.observed_rule.as_deref(), Some("own"));
    }
}
