//! What `portcullis test` prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{Outcome, Tested};
use crate::cli::judged::count;
use crate::cli::junit::{JunitCase, JunitResult};

/// A line for each policy and each failure, and a summary.
pub(super) fn as_text(tested: &[Tested]) -> String {
    let mut text = String::new();
    for policy in tested {
        one(&mut text, policy);
    }
    let cases: usize = tested.iter().map(|policy| policy.outcomes.len()).sum();
    let failures: usize = tested.iter().map(Tested::failures).sum();
    let unusable = tested
        .iter()
        .filter(|policy| !policy.problems.is_empty())
        .count();
    let _ = write!(
        text,
        "{}, {}: ",
        count(tested.len(), "policy").replace("policys", "policies"),
        count(cases, "case")
    );
    let _ = match (failures, unusable) {
        (0, 0) if cases == 0 => writeln!(text, "every invariant kept"),
        (0, 0) => writeln!(text, "all as expected"),
        (_, 0) => writeln!(text, "{}", count(failures, "failure")),
        _ => writeln!(
            text,
            "{}, {} could not be tested",
            count(failures, "failure"),
            unusable
        ),
    };
    text
}

fn one(text: &mut String, tested: &Tested) {
    let policy = tested.policy.display();
    for problem in &tested.problems {
        let _ = writeln!(text, "{problem}");
    }
    if !tested.problems.is_empty() && tested.outcomes.is_empty() && tested.invariants.held == 0 {
        return;
    }
    let passed = tested
        .outcomes
        .iter()
        .filter(|outcome| outcome.failure.is_none())
        .count();
    let cases = match tested.cases[..] {
        [] => "no cases beside it".to_owned(),
        _ if !tested.problems.is_empty() => "the cases could not be read".to_owned(),
        _ => format!(
            "{passed} of {} as expected",
            count(tested.outcomes.len(), "case")
        ),
    };
    let held = tested.invariants.held;
    let observes = match tested.observes {
        true => "; the whole file observes: no invariant can fail",
        false => "",
    };
    let kept = count(held, "invariant");
    let _ = writeln!(text, "{policy}: {cases}, {kept} kept{observes}");
    for (guards, open) in &tested.invariants.open {
        let statements: Vec<&str> = open.statements.iter().map(String::as_str).collect();
        let _ = writeln!(
            text,
            "  not enforced by {guards}: {}",
            statements.join(", ")
        );
    }
    for broken in &tested.invariants.broken {
        let _ = writeln!(text, "FAILED {policy}: {broken}");
    }
    for outcome in &tested.outcomes {
        if let Some(why) = failure(outcome) {
            let _ = writeln!(
                text,
                "FAILED {}:{}: {}: {why}",
                outcome.file,
                outcome.line,
                label(outcome, tested)
            );
        }
    }
}

/// The first file of cases.
fn file(tested: &Tested) -> String {
    let file = tested.cases.first().unwrap_or(&tested.policy);
    file.display().to_string()
}

/// What a case is called; one of a file that has several policies with the name of the policy.
fn label(outcome: &Outcome, tested: &Tested) -> String {
    let (file, policy) = (Path::new(&outcome.file), &tested.policy);
    match super::policy_of(file).file_name() == policy.file_name() {
        true => outcome.name.clone(),
        false => format!("{} ({})", outcome.name, super::name(policy)),
    }
}

fn failure(outcome: &Outcome) -> Option<String> {
    let failure = outcome.failure.as_ref()?;
    Some(format!(
        "expected {}; got {}",
        failure.expected, failure.got
    ))
}

/// The same for programs.
pub(super) fn as_json(tested: &[Tested]) -> String {
    let policies: Vec<Value> = tested.iter().map(policy_json).collect();
    let failures: usize = tested.iter().map(Tested::failures).sum();
    format!(
        "{:#}\n",
        json!({ "policies": policies, "failures": failures })
    )
}

fn policy_json(tested: &Tested) -> Value {
    let outcome = |outcome: &Outcome| {
        json!({
            "name": outcome.name,
            "file": outcome.file,
            "line": outcome.line,
            "passed": outcome.failure.is_none(),
            "expected": outcome.failure.as_ref().map(|failure| &failure.expected),
            "got": outcome.failure.as_ref().map(|failure| &failure.got),
        })
    };
    let problem = |problem: &crate::config::Problem| {
        json!({
            "message": problem.message,
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "help": problem.help,
        })
    };
    let open = tested.invariants.open.iter();
    let open = open.map(|(guards, open)| (guards, &open.statements));
    json!({
        "policy": tested.policy.display().to_string(),
        "observes": tested.observes,
        "files": tested.cases.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        "cases": tested.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "invariants": {
            "kept": tested.invariants.held,
            "broken": tested.invariants.broken,
            "not_enforced": open.collect::<BTreeMap<_, _>>(),
        },
        "problems": tested.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// The same for CI systems; a file that cannot be used is a failure, too.
pub(super) fn junit_cases(tested: &[Tested]) -> Vec<JunitCase> {
    let mut cases = Vec::new();
    for policy in tested {
        let mut case = |file: String, name: String, failure: Option<String>| {
            let result = failure.map_or(JunitResult::Passed, JunitResult::Failed);
            cases.push(JunitCase { file, name, result });
        };
        for problem in &policy.problems {
            let place = format!("{}:{}: {}", problem.file, problem.line, problem.message);
            case(file(policy), "the file can be used".to_owned(), Some(place));
        }
        let broken = &policy.invariants.broken;
        if policy.invariants.held > 0 || !broken.is_empty() {
            let name = match policy.cases[..] {
                [] => "what every policy must keep".to_owned(),
                _ => format!(
                    "what every policy must keep ({})",
                    super::name(&policy.policy)
                ),
            };
            let failure = (!broken.is_empty()).then(|| broken.join("; "));
            case(file(policy), name, failure);
        }
        for outcome in &policy.outcomes {
            let name = label(outcome, policy);
            case(outcome.file.clone(), name, failure(outcome));
        }
    }
    cases
}
