//! What `portcullis lint` prints.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Linted;
use super::judge::Found;
use crate::cli::judged::count;
use crate::cli::junit::{JunitCase, JunitResult, junit};

/// Every problem with its file.
fn all(linted: &[Linted]) -> impl Iterator<Item = (&str, &Found)> {
    linted
        .iter()
        .flat_map(|linted| linted.found.iter().map(|found| (&*linted.file, found)))
}

fn severity(found: &Found) -> &'static str {
    if found.is_error() { "error" } else { "warning" }
}

/// As compilers do, so that editors find the place; then a summary.
pub(super) fn as_text(linted: &[Linted]) -> String {
    let mut text = String::new();
    for (file, found) in all(linted) {
        let Found {
            line,
            column,
            message,
            ..
        } = found;
        let (severity, guard) = (severity(found), &*found.guard);
        let _ = writeln!(
            text,
            "{file}:{line}:{column}: {severity}: {message} [{guard}]"
        );
        if let Some(hint) = &found.hint {
            let _ = writeln!(text, "    hint: {hint}");
        }
    }
    let statements = linted.iter().map(|linted| linted.statements).sum();
    let errors = all(linted).filter(|(_, found)| found.is_error()).count();
    let warnings = all(linted).count() - errors;
    let judged = format!(
        "{}, {}",
        count(linted.len(), "file"),
        count(statements, "statement")
    );
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(text, "{judged}: nothing would be refused"),
        (0, _) => writeln!(text, "{judged}: {}", count(warnings, "warning")),
        (_, 0) => writeln!(text, "{judged}: {}", count(errors, "error")),
        _ => writeln!(
            text,
            "{judged}: {}, {}",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    };
    text
}

pub(super) fn as_json(linted: &[Linted]) -> String {
    let problems = all(linted).map(|(file, found)| {
        json!({
            "severity": severity(found),
            "file": file,
            "line": found.line,
            "column": found.column,
            "guard": &*found.guard,
            "sqlstate": found.sqlstate,
            "fingerprint": found.fingerprint,
            "message": found.message,
            "hint": found.hint,
        })
    });
    let problems: Vec<Value> = problems.collect();
    let statements: usize = linted.iter().map(|linted| linted.statements).sum();
    let value = json!({ "files": linted.len(), "statements": statements, "problems": problems });
    format!("{value:#}\n")
}

/// A case for each file without an error, and one for each error.
pub(super) fn as_junit(linted: &[Linted]) -> String {
    let mut cases = Vec::new();
    for file in linted {
        let mut case = |name: String, result| {
            cases.push(JunitCase {
                file: file.file.clone(),
                name,
                result,
            });
        };
        let errors: Vec<&Found> = file.found.iter().filter(|found| found.is_error()).collect();
        if errors.is_empty() {
            case("nothing would be refused".to_owned(), JunitResult::Passed);
        }
        for found in errors {
            let place = format!("line {}, column {}", found.line, found.column);
            let hint = found.hint.as_deref().unwrap_or_default();
            let message = format!("{} [{}] {hint}", found.message, &*found.guard);
            case(place, JunitResult::Failed(message.trim_end().to_owned()));
        }
    }
    junit(&cases)
}

/// SARIF 2.1.0.
pub(super) fn as_sarif(linted: &[Linted]) -> String {
    let guards: BTreeSet<&str> = all(linted).map(|(_, found)| &*found.guard).collect();
    let rules = guards.iter().map(|id| {
        json!({
            "id": id,
            "shortDescription": { "text": format!("guard {id}") },
            "help": { "text": format!("portcullis help {id}") },
        })
    });
    let result = |(file, found): (&str, &Found)| {
        let text = match &found.hint {
            Some(hint) => format!("{}. {hint}", found.message),
            None => found.message.clone(),
        };
        json!({
            "ruleId": &*found.guard,
            "level": severity(found),
            "message": { "text": text },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": uri(file) },
                "region": { "startLine": found.line, "startColumn": found.column },
            }}],
        })
    };
    sarif(
        rules.collect(),
        all(linted).map(result).collect(),
        &json!({ "executionSuccessful": true }),
    )
}

/// The same where it could not be linted, for the reason that is told.
pub(super) fn sarif_of_failure(why: &str) -> String {
    let notification = json!({ "level": "error", "message": { "text": why } });
    let invocation = json!({
        "executionSuccessful": false,
        "exitCode": 2,
        "toolExecutionNotifications": [notification],
    });
    sarif(Vec::new(), Vec::new(), &invocation)
}

/// A log of one run (SARIF 2.1.0, sections 3.13, 3.14 and 3.20).
fn sarif(rules: Vec<Value>, results: Vec<Value>, invocation: &Value) -> String {
    let value = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portcullis",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [invocation],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{value:#}\n")
}

/// One case that could not be looked at, for the reason that is told.
pub(super) fn junit_of_failure(why: &str) -> String {
    junit(&[JunitCase {
        file: "portcullis lint".to_owned(),
        name: "the files can be linted".to_owned(),
        result: JunitResult::Error(why.to_owned()),
    }])
}

/// A path as a relative or absolute reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}
