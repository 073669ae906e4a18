//! What `[[rule]]` refuses: for each rule that can hold for a login, a statement for which it does.

use super::{Invariants, outside, refused};
use crate::cli::judged;
use crate::policy::rule::{Rule, When};
use crate::policy::{Guard, Kind, Mode, Phase, State, Who};

/// One of every kind. What stands in braces is taken from the rule, where it names any.
const TEXTS: [&str; 38] = [
    "SELECT 1",
    "SELECT * FROM {relation}",
    "SELECT * FROM {relation} FOR UPDATE",
    "SELECT {function}()",
    "SELECT 1; SELECT * FROM {relation}",
    "INSERT INTO {relation} VALUES (1)",
    "UPDATE {relation} SET a = 1 WHERE b = 1",
    "UPDATE {relation} SET a = 1",
    "DELETE FROM {relation} WHERE b = 1",
    "DELETE FROM {relation}",
    "MERGE INTO {relation} USING s ON true WHEN MATCHED THEN DELETE",
    "COPY {relation} TO STDOUT",
    "COPY {relation} FROM STDIN",
    "COPY {relation} TO PROGRAM 'true'",
    "COPY {relation} TO '/tmp/x'",
    "LOCK TABLE {relation}",
    "TRUNCATE {relation}",
    "CREATE TABLE {relation} (a int)",
    "CREATE TABLE {relation} AS SELECT 1",
    "ALTER TABLE {relation} ADD b int",
    "DROP TABLE {relation}",
    "CREATE INDEX i ON {relation} (a)",
    "GRANT SELECT ON {relation} TO r",
    "CREATE ROLE r",
    "VACUUM {relation}",
    "CREATE EXTENSION {extension}",
    "SET {parameter} = '1'",
    "SET LOCAL {parameter} = '1'",
    "RESET {parameter}",
    "ALTER ROLE r SET {parameter} = '1'",
    "SET LOCAL ROLE {role}",
    "BEGIN",
    "SHOW work_mem",
    "EXPLAIN SELECT 1",
    "LISTEN a",
    "NOTIFY a",
    "DO $$ BEGIN END $$",
    "CALL {function}()",
];

/// Tries them. While the guard does not refuse, no rule does.
pub(super) fn kept(who: &Who, found: &mut Invariants) {
    let environment = &who.policy.environment;
    let can_hold = |rule: &&std::sync::Arc<Rule>| rule.when.can_hold(&who.login, environment);
    for rule in who.policy.rules.iter().filter(can_hold) {
        if judged::mode(Guard::Rule, who) != Mode::Enforce {
            found.not_kept(who, Guard::Rule, "what [[rule]] refuses");
        } else if let Some((state, text)) = example(rule, who) {
            let name = format!("what rule \"{}\" refuses", rule.id);
            refused(who, state, &name, &text, found);
        }
    }
}

/// A statement for which the rule holds; best one that nothing else refuses. Not for every rule one is
/// found: then there is nothing to try.
fn example(rule: &Rule, who: &Who) -> Option<(State, String)> {
    let of = |phase| State {
        phase,
        ..judged::state(true)
    };
    let states = match who.login.kind {
        Kind::Migrator => vec![of(None), of(Some(Phase::Expand)), of(Some(Phase::Contract))],
        _ => vec![outside()],
    };
    let mut second = None;
    for text in texts(&rule.when) {
        let facts = judged::facts(text.as_bytes());
        for state in &states {
            let objections = judged::findings(&facts, who, *state);
            let is_own = objections.iter().any(|it| it.id() == &*rule.id);
            match (is_own, objections.len()) {
                (true, 1) => return Some((*state, text)),
                (true, _) => second = second.or(Some((*state, text.clone()))),
                (false, _) => {}
            }
        }
    }
    second
}

fn texts(when: &When) -> Vec<String> {
    let names = [&when.relation, &when.reads, &when.writes];
    let named = names.into_iter().flatten().flatten();
    let first = |names: Vec<String>, or: &str| names.into_iter().next().unwrap_or(or.to_owned());
    let relation = first(named.map(|it| it.example()).collect(), "orders");
    let called = when.function.iter().flatten();
    let function = first(called.map(|it| it.example()).collect(), "f");
    let [parameter, extension, role] = [
        (&when.parameter, "work_mem"),
        (&when.extension, "e"),
        (&when.role, "r"),
    ]
    .map(|(patterns, or)| {
        let patterns = patterns.iter().flatten();
        let examples = patterns.map(|it| it.as_str().replace('*', "x"));
        first(examples.collect(), or)
    });
    let fill = |text: &&str| {
        text.replace("{relation}", &relation)
            .replace("{function}", &function)
            .replace("{parameter}", &parameter)
            .replace("{extension}", &extension)
            .replace("{role}", &role)
    };
    TEXTS.iter().map(fill).collect()
}
