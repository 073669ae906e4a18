//! `SHOW REPORT`, `SHOW GUARDS` and `SHOW LOGINS`.

use std::sync::Arc;

use super::ConsoleState;
use super::reply::{Answer, Column, Type};
use crate::clock::today;
use crate::conversation::Change;
use crate::migration::span::timestamp;
use crate::policy::{Guard, Login, Mode, Policy};
use crate::telemetry::report::{Key, Outcome, Seen};

/// In the place of a statement: those that have no row of their own.
const OTHERS: &str = "others, for which the report has no room";

const ROWS: &[Column] = &[
    ("count", Type::Number),
    ("outcome", Type::Text),
    ("login", Type::Text),
    ("database", Type::Text),
    ("guard", Type::Text),
    ("rule", Type::Text),
    ("fingerprint", Type::Text),
    ("statement", Type::Text),
    ("first_at", Type::Text),
    ("last_at", Type::Text),
    ("exempt_until", Type::Text),
    ("change", Type::Text),
];
const GUARDS: &[Column] = &[
    ("guard", Type::Text),
    ("mode", Type::Text),
    ("mode_since", Type::Text),
    ("refused", Type::Number),
    ("observed", Type::Number),
    ("counted_since", Type::Text),
    ("in_table", Type::Text),
];
const LOGINS: &[Column] = &[
    ("login", Type::Text),
    ("kind", Type::Text),
    ("databases", Type::Text),
];
const OUTCOMES: [Outcome; 2] = [Outcome::Refused, Outcome::Observed];

/// What was refused, or would have been refused or changed, the most frequent first.
pub(super) fn rows(state: &ConsoleState) -> Answer {
    let (report, policy) = (state.proxy.report(), state.proxy.policy());
    let mut rows: Vec<(u64, Vec<Option<String>>)> = report
        .rows()
        .iter()
        .map(|(key, seen)| (seen.count, row(key, seen, &policy)))
        .collect();
    for guard in Guard::ALL {
        for outcome in OUTCOMES {
            let count = report.others(Some(guard), outcome);
            if count > 0 {
                rows.push((count, others(count, Some(guard), outcome)));
            }
        }
    }
    for change in Change::ALL {
        let outcome = Outcome::Changed(change);
        let count = report.others(None, outcome);
        if count > 0 {
            rows.push((count, others(count, None, outcome)));
        }
    }
    rows.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    Answer {
        columns: ROWS,
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        tag: "SHOW",
        rest: None,
    }
}

fn row(key: &Key, seen: &Seen, policy: &Policy) -> Vec<Option<String>> {
    let today = today();
    let exception = policy.exceptions.iter().find(|exception| {
        Some(exception.guard) == key.guard
            && Some(exception.fingerprint) == key.fingerprint
            && *exception.login == *key.login
            && today < exception.expires
    });
    vec![
        Some(seen.count.to_string()),
        Some(key.outcome.id().to_owned()),
        Some(key.login.to_string()),
        Some(key.database.to_string()),
        key.guard.map(|guard| guard.id().to_owned()),
        key.rule.as_deref().map(str::to_owned),
        key.fingerprint.map(|fingerprint| fingerprint.to_string()),
        text(key, seen),
        Some(timestamp(seen.first)),
        Some(timestamp(seen.last)),
        exception.map(|exception| exception.expires.to_string()),
        key.outcome.change().map(|change| change.id().to_owned()),
    ]
}

/// The statement, or what stands in its place.
fn text(key: &Key, seen: &Seen) -> Option<String> {
    match &key.parameter {
        Some(name) => Some(format!("startup parameter {name}")),
        None => seen.example.as_deref().map(str::to_owned),
    }
}

fn others(count: u64, guard: Option<Guard>, outcome: Outcome) -> Vec<Option<String>> {
    let mut row = vec![None; ROWS.len()];
    row[0] = Some(count.to_string());
    row[1] = Some(outcome.id().to_owned());
    row[4] = guard.map(|guard| guard.id().to_owned());
    row[7] = Some(OTHERS.to_owned());
    row[11] = outcome.change().map(|change| change.id().to_owned());
    row
}

/// The logins of the policy in force, by name.
pub(super) fn logins(state: &ConsoleState) -> Answer {
    let policy = state.proxy.policy();
    let mut logins: Vec<_> = policy.logins.values().collect();
    logins.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let row = |login: &Arc<Login>| {
        let databases: Vec<&str> = login.databases.iter().map(|name| &**name).collect();
        vec![
            Some(login.name.to_string()),
            Some(login.kind.id().to_owned()),
            Some(databases.join(", ")),
        ]
    };
    Answer {
        columns: LOGINS,
        rows: logins.into_iter().map(row).collect(),
        tag: "SHOW",
        rest: None,
    }
}

/// Every guard's mode, since when, and how often it has objected since the start.
pub(super) fn guards(state: &ConsoleState) -> Answer {
    let (report, policy) = (state.proxy.report(), state.proxy.policy());
    let all = report.rows();
    let count = |guard, outcome| {
        let of = |(key, _): &&(Key, Seen)| key.guard == Some(guard) && key.outcome == outcome;
        let counted: u64 = all.iter().filter(of).map(|(_, seen)| seen.count).sum();
        Some((counted + report.others(Some(guard), outcome)).to_string())
    };
    let row = |guard: Guard| {
        let known = report.mode(guard);
        let mode = known.map_or(policy.mode(guard), |known| known.mode);
        let since = known.map_or(report.since, |known| known.since);
        vec![
            Some(guard.id().to_owned()),
            Some(word(mode).to_owned()),
            Some(timestamp(since)),
            count(guard, Outcome::Refused),
            count(guard, Outcome::Observed),
            Some(timestamp(report.since)),
            known.filter(|known| known.table).map(|_| "yes".to_owned()),
        ]
    };
    Answer {
        columns: GUARDS,
        rows: Guard::ALL.map(row).to_vec(),
        tag: "SHOW",
        rest: None,
    }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
        Mode::Off => "off",
    }
}
