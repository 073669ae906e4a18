//! A policy file -> [`Policy`]. Keys of later versions are refused by name: a rule that is silently
//! ignored is worse than no rule.

mod fit;
mod login;
mod names;
mod zone;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Guard;
use super::file::{GuardSetting, MigrationPolicy, Mode, Policy};
use crate::config::Problem;
use crate::config::reader::{Reader, Table, Wrong, one_of};
use crate::config::units::{duration, duration_within};
use login::logins;
pub use login::{MAX_ZONE, is_migration_login};
pub use names::CONSOLE_DATABASE;
use names::name;
use zone::zone;

/// Guards that everything else stands on: what cannot be judged would pass all the others as well.
const ALWAYS_ENFORCED: [Guard; 5] = [
    Guard::FastPath,
    Guard::UnknownStatement,
    Guard::StatementBounds,
    Guard::MultiStatement,
    Guard::UnknownName,
];

/// Guards of later versions, so that a policy written for one of them gets a true answer.
const LATER_GUARDS: [&str; 12] = [
    "append-only",
    "denied-relations",
    "encryption-keys",
    "extensions",
    "functions",
    "human-write",
    "large-table",
    "missing-where",
    "parameters",
    "phase-expand",
    "session-state",
    "still-in-use",
];

impl Policy {
    /// What a text says, and what is worth a look although it is valid. `file` is its name, as it
    /// shall appear in problems and (without directories) in field `F` of errors.
    ///
    /// # Errors
    /// Every problem of the text at once, warnings included.
    pub fn parse(text: &str, file: &str) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
        let tree = Reader::tree(file, text)?;
        let mut reader = Reader::new(file, text);
        let policy = policy(&mut reader, Table::top(tree.get_ref()));
        let (mut errors, warnings) = reader.into_problems();
        match policy {
            Some(policy) if errors.is_empty() => Ok((policy, warnings)),
            _ => {
                errors.extend(warnings);
                Err(errors)
            }
        }
    }
}

/// `None`: an error was noted. So it is with every function below.
fn policy(reader: &mut Reader<'_>, mut top: Table<'_>) -> Option<Policy> {
    reader.schema(&mut top);
    reader.require(&top, "environment", "environment = \"production\"");
    let environment = reader.parsed(&mut top, "environment", |text| name(text, "an environment"));
    let mode = reader.parsed(&mut top, "mode", file_mode);
    let table = reader.table(&mut top, "zone");
    let zoneless = table.is_none();
    let zone = table.and_then(|table| zone(reader, table));
    let logins = reader
        .table(&mut top, "login")
        .map_or_else(Vec::new, |table| logins(reader, table));
    let unnamed = mode.map_or(1, |mode| reader.source.line(mode.span.start));
    let guards = reader.table(&mut top, "guards");
    let guards = guard_settings(reader, guards, unnamed);
    let migrations = reader.table(&mut top, "migrations");
    let migrations = migration_policy(reader, migrations);
    reader.not_yet(&mut top, "exception");
    reader.not_yet(&mut top, "rule");
    reader.finish(top);
    if zoneless {
        fit::without_zone(reader, &logins);
    }
    if let Some(zone) = zone.as_ref().filter(|_| !reader.has_errors()) {
        fit::with_zone(reader, zone, &logins, &guards);
    }
    Some(Policy {
        file: reader
            .source
            .file
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .into(),
        environment: environment?.value,
        zone: zone.map(|(zone, _)| zone),
        logins: logins
            .into_iter()
            .map(|(login, _)| (login.name.clone(), Arc::new(login)))
            .collect::<HashMap<_, _>>(),
        guards,
        migrations,
        help_url: None,
        version: None,
    })
}

fn file_mode(text: &str) -> Result<(), Wrong> {
    match text {
        "observe" => Err(Wrong::new(
            "mode \"observe\" for a whole file is not supported in this version",
        )
        .help("set single guards to \"observe\" in [guards]")),
        _ => one_of(text, &[("enforce", ())]),
    }
}

fn guard_settings(
    reader: &mut Reader<'_>,
    table: Option<Table<'_>>,
    line: u32,
) -> [GuardSetting; Guard::ALL.len()] {
    let line = table
        .as_ref()
        .map_or(line, |table| reader.source.line(table.span.start));
    let mut settings = [GuardSetting {
        mode: Mode::Enforce,
        line,
    }; Guard::ALL.len()];
    let Some(mut table) = table else {
        return settings;
    };
    for guard in Guard::ALL {
        let mode = reader.parsed(&mut table, guard.id(), |text| {
            let mode = one_of(
                text,
                &[
                    ("enforce", Mode::Enforce),
                    ("observe", Mode::Observe),
                    ("off", Mode::Off),
                ],
            )?;
            match mode != Mode::Enforce && ALWAYS_ENFORCED.contains(&guard) {
                true => Err(
                    Wrong::new(format!("guard \"{}\" is always enforced", guard.id()))
                        .help("the others stand on it; remove the line"),
                ),
                false => Ok(mode),
            }
        });
        if let Some(mode) = mode {
            settings[guard as usize] = GuardSetting {
                mode: mode.value,
                line: reader.source.line(mode.span.start),
            };
        }
    }
    for key in LATER_GUARDS {
        reader.not_yet(&mut table, key);
    }
    reader.finish(table);
    settings
}

fn migration_policy(reader: &mut Reader<'_>, table: Option<Table<'_>>) -> MigrationPolicy {
    let mut policy = MigrationPolicy {
        max_ttl: Duration::from_secs(4 * 3600),
        lock_timeout: "3s".into(),
    };
    let Some(mut table) = table else {
        return policy;
    };
    if let Some(max_ttl) = reader.quantity(&mut table, "max_ttl", "h", |text| {
        duration_within(text, "1min", "7d")
    }) {
        policy.max_ttl = max_ttl;
    }
    if let Some(lock_timeout) = reader.quantity(&mut table, "lock_timeout", "s", lock_timeout) {
        policy.lock_timeout = lock_timeout;
    }
    for key in [
        "approvals",
        "approvers",
        "receipt_from",
        "slow",
        "large_table",
        "on_error",
    ] {
        reader.not_yet(&mut table, key);
    }
    reader.finish(table);
    policy
}

/// Kept as it is written: PostgreSQL reads it. 0 would mean no timeout at all.
fn lock_timeout(text: &str) -> Result<Box<str>, Wrong> {
    duration(text)?;
    duration_within(text, "1ms", "1h").map(|_| text.into())
}
