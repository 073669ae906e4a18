//! `rule`: the operator's own refusals, `[[rule]]`. The refusal bears the id of the rule.

use std::sync::Arc;

use crate::policy::rule::Rule;
use crate::policy::{Objection, State, Who};
use crate::sql::Facts;

/// Objects to the first statement for which a rule holds.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    let rules = &who.login.watch.rules;
    let alone = facts.statements.len() < 2;
    facts.statements.iter().find_map(|statement| {
        let rule = rules.first(statement, alone, who, state)?;
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
    fn what_is_read_is_told_from_what_is_written() {
        let moves = touches(
            "INSERT",
            &[Class::Write],
            &[
                ("notes", RelationAct::Read),
                ("public.orders", RelationAct::Insert),
                ("t", RelationAct::Lock),
                ("u", RelationAct::Define),
            ],
        );
        for (holds, does_not) in [
            ("reads = \"notes\"", "reads = \"orders\""),
            ("writes = [\"x\", \"public.*\"]", "writes = \"notes\""),
            ("reads = \"*\", writes = \"orders\"", "reads = \"t\""),
            ("relation = \"t\"", "writes = [\"t\", \"u\"]"),
        ] {
            let rule = format!("when = {{ {holds} }}");
            own(&moves, "shop_acme", CLOSED, &rule);
            let rule = format!("when = {{ {does_not} }}");
            assert_allowed(&moves, &login("shop_acme", &rule), CLOSED);
        }
        for act in [
            RelationAct::Update,
            RelationAct::Delete,
            RelationAct::Truncate,
        ] {
            let text = touches("DELETE", &[Class::Write], &[("orders", act)]);
            own(&text, "shop_acme", CLOSED, "when = { writes = \"orders\" }");
        }
    }

    #[test]
    fn how_a_parameter_is_touched_can_be_asked_for() {
        let rule = "when = { parameter = \"enable_*\", parameter_use = [\"session\", \"reset\"] }";
        let touch = |name: &str, how| parameter(ParameterName::Named(name.into()), how, None);
        for how in [ParameterUse::Session, ParameterUse::Reset] {
            own(&touch("enable_sort", how), "migrator", OPEN, rule);
        }
        let who = login("migrator", rule);
        assert_allowed(&touch("enable_sort", ParameterUse::Local), &who, OPEN);
        assert_allowed(&touch("timezone", ParameterUse::Session), &who, OPEN);
        // One parameter must have both.
        let mut two = touch("enable_sort", ParameterUse::Local);
        let other = touch("timezone", ParameterUse::Session);
        let parameters = other.statements[0].parameters.clone();
        two.statements[0].parameters.extend(parameters);
        assert_allowed(&two, &who, OPEN);
        let rule = "when = { parameter_use = \"local\" }";
        own(&two, "migrator", OPEN, rule);
        assert_allowed(&other, &login("migrator", rule), OPEN);
    }

    /// The facts of a text, as the proxy finds them for a policy with this rule.
    fn described(text: &str, who: &Who) -> Facts {
        crate::sql::describe_at(text.as_bytes(), who.policy.depth())
    }

    #[test]
    fn the_shape_of_a_statement_can_be_asked_for() {
        for (condition, holds, does_not) in [
            (
                "missing_where = true",
                "WITH d AS (DELETE FROM t) SELECT 1",
                "DELETE FROM t WHERE a",
            ),
            (
                "missing_where = false, tag = \"UPDATE\"",
                "UPDATE t SET a = 1 WHERE b",
                "UPDATE t SET a = 1",
            ),
            (
                "row_lock = true",
                "SELECT FROM t FOR UPDATE",
                "SELECT FROM t",
            ),
            (
                "row_lock = true",
                "SELECT (SELECT 1 FROM t FOR SHARE)",
                "SELECT 1 AS for",
            ),
            ("into = true", "SELECT 1 INTO t", "INSERT INTO t VALUES (1)"),
            (
                "into = true",
                "CREATE TABLE t AS SELECT 1",
                "CREATE TABLE t ()",
            ),
            (
                "several_statements = true",
                "SELECT 1; SELECT 2",
                "SELECT 1;",
            ),
            (
                "several_statements = false, class = \"read\"",
                "SELECT 1",
                "SELECT 1; SELECT 2",
            ),
            (
                "extension = \"PG_*\"",
                "DROP EXTENSION \"PG_x\"",
                "DROP EXTENSION pg_x",
            ),
            (
                "extension = [\"pg_trgm\", \"citext\"]",
                "CREATE EXTENSION IF NOT EXISTS Citext",
                "CREATE EXTENSION pgcrypto",
            ),
            (
                "role = \"app_*\"",
                "SET LOCAL ROLE app_read",
                "SET LOCAL ROLE postgres",
            ),
            (
                "role = \"app_*\"",
                "SELECT set_config('role', 'app_read', true)",
                "RESET ROLE",
            ),
            (
                "role = \"app_*\"",
                "SET SESSION AUTHORIZATION app_x",
                "SET ROLE NONE",
            ),
            // What cannot be told could be meant.
            (
                "role = \"app_*\"",
                "SELECT set_config('role', $1, true)",
                "SET LOCAL work_mem = '1MB'",
            ),
        ] {
            let rule = format!("when = {{ {condition} }}");
            let who = login("migrator", &rule);
            let text = described(holds, &who);
            own(&text, "migrator", OPEN, &rule);
            assert_allowed(&described(does_not, &who), &who, OPEN);
        }
    }

    #[test]
    fn what_is_not_known_could_be_meant() {
        let unknown = facts("SELECT", &[Class::Read]);
        for rule in [
            "when = { relation = \"orders\" }",
            "when = { function = \"f\" }",
            "when = { reads = \"orders\" }",
            "when = { writes = \"orders\" }",
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
