//! What `portcullis test` prints.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Outcome, Tested};
use crate::cli::judged::count;
use crate::cli::junit::JunitCase;

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
    let cases = match &tested.cases {
        Some(_) if !tested.problems.is_empty() => "the cases could not be read".to_owned(),
        Some(_) => format!(
            "{passed} of {} as expected",
            count(tested.outcomes.len(), "case")
        ),
        None => "no cases beside it".to_owned(),
    };
    let held = tested.invariants.held;
    let _ = writeln!(text, "{policy}: {cases}, {} kept", count(held, "invariant"));
    for (guards, statements) in &tested.invariants.open {
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
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
                file(tested),
                outcome.line,
                outcome.name
            );
        }
    }
}

/// The file of cases.
fn file(tested: &Tested) -> String {
    let file = tested.cases.as_ref().unwrap_or(&tested.policy);
    file.display().to_string()
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
    json!({
        "policy": tested.policy.display().to_string(),
        "file": tested.cases.as_ref().map(|file| file.display().to_string()),
        "cases": tested.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "invariants": {
            "kept": tested.invariants.held,
            "broken": tested.invariants.broken,
            "not_enforced": tested.invariants.open,
        },
        "problems": tested.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// The same for CI systems; a file that cannot be used is a failure, too.
pub(super) fn junit_cases(tested: &[Tested]) -> Vec<JunitCase> {
    let mut cases = Vec::new();
    for policy in tested {
        let file = file(policy);
        let mut case = |name: &str, failure: Option<String>| {
            cases.push(JunitCase {
                file: file.clone(),
                name: name.to_owned(),
                failure,
            });
        };
        for problem in &policy.problems {
            let place = format!("{}:{}: {}", problem.file, problem.line, problem.message);
            case("the file can be used", Some(place));
        }
        let broken = &policy.invariants.broken;
        if policy.invariants.held > 0 || !broken.is_empty() {
            let failure = (!broken.is_empty()).then(|| broken.join("; "));
            case("what every policy must keep", failure);
        }
        for outcome in &policy.outcomes {
            case(&outcome.name, failure(outcome));
        }
    }
    cases
}
