//! A policy file -> [`Policy`]. Keys of later versions are refused by name: a rule that is silently
//! ignored is worse than no rule.

mod exception;
mod fit;
mod guards;
mod isolation;
mod login;
mod names;
mod replication;
mod rule;
mod source;
mod zone;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::file::{MigrationPolicy, Policy};
use super::watch;
use crate::config::Problem;
use crate::config::reader::{Reader, Table, Wrong, one_of};
use crate::config::units::{duration, duration_within};
use crate::sql::Depth;
pub(super) use guards::{ALWAYS_ENFORCED, MAX_REASON, MODES};
pub use guards::{always_enforced, has_settings};
use login::logins;
pub(super) use login::{CONSOLE_ROLES, KINDS, POWERS, ROUTES};
pub use names::CONSOLE_DATABASE;
pub(super) use names::MAX_NAME;
use names::name;
pub(super) use rule::{MAX_RULES, MAX_TEXT, PARAMETER_USES};
pub(super) use source::{FIELDS, MAX_VALUES};
use zone::zone;

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
    let mode = reader.parsed(&mut top, "mode", |text| one_of(text, &FILE_MODES));
    let table = reader.table(&mut top, "zone");
    let zoneless = table.is_none();
    let zone = table.and_then(|table| zone(reader, table));
    let mut logins = reader
        .table(&mut top, "login")
        .map_or_else(Vec::new, |table| logins(reader, table));
    let unnamed = mode
        .as_ref()
        .map_or(1, |mode| reader.source.line(mode.span.start));
    let guards = reader.table(&mut top, "guards");
    let (guards, options) = guards::guards(reader, guards, unnamed, &mut logins);
    let migrations = reader.table(&mut top, "migrations");
    let migrations = migration_policy(reader, migrations);
    let named = environment.as_ref().map(|name| &*name.value);
    let rules = rule::rules(reader, &mut top, &logins, named);
    let exceptions = exception::exceptions(reader, &mut top, &logins);
    reader.finish(top);
    if zoneless {
        fit::without_zone(reader, &logins);
    }
    if let Some(zone) = zone.as_ref().filter(|_| !reader.has_errors()) {
        fit::with_zone(reader, zone, &logins, &guards);
    }
    if !reader.has_errors() {
        isolation::kept_apart(reader, zone.as_ref(), &logins, &guards, &options);
    }
    let observes = mode.is_some_and(|mode| fit::observing(reader, &mode));
    let mut policy = Policy {
        file: reader
            .source
            .file
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .into(),
        environment: environment?.value,
        observes,
        zone: zone.map(|(zone, _)| zone),
        logins: logins
            .into_iter()
            .map(|(login, _)| (login.name.clone(), Arc::new(login)))
            .collect::<HashMap<_, _>>(),
        guards,
        options,
        rules,
        exceptions,
        migrations,
        help_url: None,
        depth: Depth::Surface,
        version: None,
    };
    watch::prepare(&mut policy);
    Some(policy)
}

/// The words for `mode`: does the file observe?
pub(super) const FILE_MODES: [(&str, bool); 2] = [("enforce", false), ("observe", true)];

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

/// Every table of a valid text, with the keys that it may have.
#[cfg(test)]
pub(super) fn known_keys(text: &str) -> Vec<(String, Vec<&'static str>)> {
    let tree = Reader::tree("test.toml", text).expect("the text is TOML");
    let mut reader = Reader::new("test.toml", text);
    policy(&mut reader, Table::top(tree.get_ref()));
    assert!(!reader.has_errors(), "{:?}", reader.into_problems().0);
    reader.known
}
