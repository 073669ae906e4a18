//! A policy file -> [`Policy`]. Keys of later versions are refused by name: a rule that is silently
//! ignored is worse than no rule.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Guard;
use super::file::{ConsoleRole, GuardSetting, Kind, Login, MigrationPolicy, Mode, Policy, RouteName, ZonePolicy};
use crate::config::Problem;
use crate::config::reader::{Located, Reader, Span, Table, Wrong, one_of};
use crate::config::units::{duration, duration_within};

/// The database name under which the admin console answers.
pub const CONSOLE_DATABASE: &str = "portcullis";
/// Longest identifier: PostgreSQL's NAMEDATALEN less one.
const MAX_NAME: usize = 63;
/// Longest zone value, in bytes.
pub const MAX_ZONE: usize = 255;

/// Guards that everything else stands on: an unjudged text would pass all the others as well.
const ALWAYS_ENFORCED: [Guard; 4] =
    [Guard::UnknownStatement, Guard::StatementBounds, Guard::MultiStatement, Guard::UnknownName];

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

    /// The same policy with the configuration's `help_url`, which closes every hint.
    pub fn with_help_url(self, help_url: Option<&str>) -> Self {
        Self { help_url: help_url.map(Arc::from), ..self }
    }
}

/// `None`: an error was noted. So it is with every function below.
fn policy(reader: &mut Reader<'_>, mut top: Table<'_>) -> Option<Policy> {
    reader.schema(&mut top);
    reader.require(&top, "environment", "environment = \"production\"");
    let environment = reader.parsed(&mut top, "environment", |text| name(text, "an environment"));
    let mode = reader.parsed(&mut top, "mode", file_mode);
    let zone = reader.table(&mut top, "zone").and_then(|table| zone(reader, table));
    let logins = reader.table(&mut top, "login").map_or_else(Vec::new, |table| logins(reader, table));
    let unnamed = mode.map_or(1, |mode| reader.source.line(mode.span.start));
    let guards = reader.table(&mut top, "guards");
    let guards = guard_settings(reader, guards, unnamed);
    let migrations = reader.table(&mut top, "migrations");
    let migrations = migration_policy(reader, migrations);
    reader.not_yet(&mut top, "exception");
    reader.not_yet(&mut top, "rule");
    reader.finish(top);
    if !reader.has_errors() {
        zones_fit(reader, zone.as_ref(), &logins, &guards);
    }
    Some(Policy {
        file: reader.source.file.rsplit('/').next().unwrap_or_default().into(),
        environment: environment?.value,
        zone: zone.map(|(zone, _)| zone),
        logins: logins.into_iter().map(|(login, _)| (login.name.clone(), Arc::new(login))).collect::<HashMap<_, _>>(),
        guards,
        migrations,
        help_url: None,
    })
}

fn file_mode(text: &str) -> Result<(), Wrong> {
    match text {
        "observe" => Err(Wrong::new("mode \"observe\" for a whole file is not supported in this version")
            .help("set single guards to \"observe\" in [guards]")),
        _ => one_of(text, &[("enforce", ())]),
    }
}

/// The names of [zone], with the places of its databases.
type LocatedZone = (ZonePolicy, Vec<Located<Box<str>>>);

fn zone(reader: &mut Reader<'_>, mut table: Table<'_>) -> Option<LocatedZone> {
    reader.require(&table, "parameter", "parameter = \"app.tenant_id\"");
    reader.require(&table, "databases", "databases = [\"shop\"]");
    let parameter = reader.parsed(&mut table, "parameter", parameter);
    let databases = databases(reader, &mut table);
    let noun = reader.parsed(&mut table, "noun", noun);
    let _ = reader.parsed(&mut table, "protection", |text| match text {
        "signed" => Err(Wrong::new("protection \"signed\" is not supported in this version").help("protection = \"plain\"")),
        _ => one_of(text, &[("plain", ())]),
    });
    reader.finish(table);
    let databases = databases?;
    let names = databases.iter().map(|database| database.value.clone()).collect();
    let noun = noun.map_or_else(|| "zone".into(), |noun| noun.value);
    Some((ZonePolicy { parameter: parameter?.value, databases: names, noun }, databases))
}

/// A name with a dot, as only custom parameters have it (PostgreSQL documentation, section 20.16):
/// every other parameter means something to the server.
fn parameter(text: &str) -> Result<Box<str>, Wrong> {
    let bad = |help: &str| Err(Wrong::new(format!("\"{text}\" cannot be the zone parameter")).help(help));
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if text.len() > MAX_NAME || !text.contains('.') || !text.split('.').all(part) {
        return bad("two words with a dot, of letters, digits and _: \"app.tenant_id\"");
    }
    Ok(text.to_ascii_lowercase().into())
}

fn noun(text: &str) -> Result<Box<str>, Wrong> {
    match !text.is_empty() && text.len() <= 32 && text.chars().all(char::is_alphabetic) {
        true => Ok(text.into()),
        false => Err(Wrong::new(format!("\"{text}\" is not a noun")).help("one word of letters: \"tenant\"")),
    }
}

fn name(text: &str, what: &str) -> Result<Box<str>, Wrong> {
    match text {
        "" => Err(Wrong::new(format!("{what} must not be empty"))),
        _ if text.len() > MAX_NAME => Err(Wrong::new(format!("{what} has at most {MAX_NAME} bytes"))),
        _ if text.chars().any(char::is_control) => Err(Wrong::new(format!("{what} must not contain control characters"))),
        _ => Ok(text.into()),
    }
}

fn database(text: &str) -> Result<Box<str>, Wrong> {
    match text {
        CONSOLE_DATABASE => Err(Wrong::new("\"portcullis\" is the name of the admin console, not of a database")
            .help("console = \"viewer\", \"operator\" or \"dba\" grants the console")),
        "*" => Err(Wrong::new("\"*\" would grant every database").help("name each database")),
        _ => name(text, "the name of a database"),
    }
}

fn databases(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Vec<Located<Box<str>>>> {
    let list = reader.list(table, "databases", database)?;
    if list.value.is_empty() {
        reader.error_with_help(list.span, "\"databases\" names no database", "databases = [\"shop\"]");
    }
    let mut seen: Vec<Located<Box<str>>> = Vec::new();
    for database in list.value {
        if seen.iter().any(|other| other.value == database.value) {
            reader.error(database.span, format!("database \"{}\" is named twice", database.value));
        } else {
            seen.push(database);
        }
    }
    Some(seen)
}

fn logins(reader: &mut Reader<'_>, mut table: Table<'_>) -> Vec<(Login, Span)> {
    let mut logins = Vec::new();
    for name in table.names() {
        if let Some(inner) = reader.named_table(&mut table, name) {
            logins.extend(login(reader, name, inner));
        }
    }
    logins
}

fn login(reader: &mut Reader<'_>, login_name: &str, mut table: Table<'_>) -> Option<(Login, Span)> {
    let span = table.span.clone();
    let name = match self::login_name(login_name) {
        Ok(name) => Some(name),
        Err(wrong) => {
            reader.wrong(span.clone(), wrong);
            None
        }
    };
    reader.require(&table, "kind", "kind = \"service\"");
    reader.require(&table, "databases", "databases = [\"shop\"]");
    let kind = reader.parsed(&mut table, "kind", kind);
    let databases = databases(reader, &mut table);
    let route = reader.parsed(&mut table, "route", route);
    let zone = login_zone(reader, &mut table);
    let server_role = reader.parsed(&mut table, "server_role", |text| self::name(text, "the name of a role"));
    let console = reader.parsed(&mut table, "console", |text| {
        one_of(text, &[("viewer", ConsoleRole::Viewer), ("operator", ConsoleRole::Operator), ("dba", ConsoleRole::Dba)])
    });
    let max_connections = reader.integer(&mut table, "max_connections", 1..=1_000_000);
    for key in ["networks", "relations", "functions", "ceilings", "allow"] {
        reader.not_yet(&mut table, key);
    }
    reader.finish(table);
    let kind = kind?.value;
    if kind == Kind::Migrator {
        migrator_fits(reader, route.as_ref(), zone.as_ref(), console.as_ref());
    }
    let default_route = if kind == Kind::Migrator { RouteName::Session } else { RouteName::Transaction };
    let login = Login {
        name: name?,
        kind,
        databases: databases?.into_iter().map(|database| database.value).collect(),
        route: route.map_or(default_route, |route| route.value),
        zone: zone.map(|zone| zone.value),
        server_role: server_role.map(|role| role.value),
        console: console.map(|console| console.value),
        max_connections: max_connections.and_then(|number| usize::try_from(number.value).ok()),
        line: reader.source.line(span.start),
    };
    Some((login, span))
}

fn login_name(text: &str) -> Result<Box<str>, Wrong> {
    if is_migration_login(text) {
        return Err(Wrong::new(format!("login \"{text}\" has the form of a migration session's login")).help("choose another name"));
    }
    name(text, "the name of a login")
}

/// Does a user name have the form that migration sessions use: `NAME.mig_` and eight of `0-9a-z`?
pub fn is_migration_login(name: &str) -> bool {
    name.rsplit_once('.')
        .and_then(|(_, id)| id.strip_prefix("mig_"))
        .is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()))
}

fn kind(text: &str) -> Result<Kind, Wrong> {
    match text {
        "replication" => Err(Wrong::new("kind \"replication\" is not supported in this version").help("remove the login")),
        _ => one_of(text, &[("service", Kind::Service), ("human", Kind::Human), ("migrator", Kind::Migrator)]),
    }
}

fn route(text: &str) -> Result<RouteName, Wrong> {
    match text {
        "replication" => Err(Wrong::new("route \"replication\" is not supported in this version").help("remove it")),
        _ => one_of(text, &[("transaction", RouteName::Transaction), ("session", RouteName::Session)]),
    }
}

fn migrator_fits(
    reader: &mut Reader<'_>,
    route: Option<&Located<RouteName>>,
    zone: Option<&Located<Arc<str>>>,
    console: Option<&Located<ConsoleRole>>,
) {
    if let Some(Located { value: RouteName::Transaction, span }) = route {
        reader.error_with_help(span.clone(), "a migrator works on the session route", "remove route");
    }
    if let Some(zone) = zone {
        reader.error_with_help(zone.span.clone(), "a migrator has no zone: migrations see all rows their role may see", "remove zone");
    }
    if let Some(console) = console {
        let help = "grant the console to the people who open migration sessions";
        reader.error_with_help(console.span.clone(), "a migrator cannot use the console", help);
    }
}

fn login_zone(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Located<Arc<str>>> {
    if let Some(span) = table.span_of_table("zone") {
        let help = "a fixed zone is supported: zone = \"acme\"";
        reader.error_with_help(span, "a zone chosen by the client is not supported in this version", help);
        table.skip("zone");
        return None;
    }
    reader.parsed(table, "zone", zone_value)
}

/// A zone's grammar: 1 to [`MAX_ZONE`] bytes, no control characters; `*` is not one.
fn zone_value(text: &str) -> Result<Arc<str>, Wrong> {
    match text {
        "" => Err(Wrong::new("a zone must not be empty").help("without a zone: remove the key")),
        "*" => Err(Wrong::new("zone \"*\" would grant all zones at once").help("all zones is no zone; name one")),
        _ if text.len() > MAX_ZONE => Err(Wrong::new(format!("a zone has at most {MAX_ZONE} bytes"))),
        _ if text.chars().any(char::is_control) => Err(Wrong::new("a zone must not contain control characters")),
        _ => Ok(text.into()),
    }
}

fn guard_settings(reader: &mut Reader<'_>, table: Option<Table<'_>>, line: u32) -> [GuardSetting; Guard::ALL.len()] {
    let line = table.as_ref().map_or(line, |table| reader.source.line(table.span.start));
    let mut settings = [GuardSetting { mode: Mode::Enforce, line }; Guard::ALL.len()];
    let Some(mut table) = table else { return settings };
    for guard in Guard::ALL {
        let mode = reader.parsed(&mut table, guard.id(), |text| {
            let mode = one_of(text, &[("enforce", Mode::Enforce), ("observe", Mode::Observe), ("off", Mode::Off)])?;
            match mode != Mode::Enforce && ALWAYS_ENFORCED.contains(&guard) {
                true => Err(Wrong::new(format!("guard \"{}\" is always enforced", guard.id())).help("the others stand on it; remove the line")),
                false => Ok(mode),
            }
        });
        if let Some(mode) = mode {
            settings[guard as usize] = GuardSetting { mode: mode.value, line: reader.source.line(mode.span.start) };
        }
    }
    for key in LATER_GUARDS {
        reader.not_yet(&mut table, key);
    }
    reader.finish(table);
    settings
}

fn migration_policy(reader: &mut Reader<'_>, table: Option<Table<'_>>) -> MigrationPolicy {
    let mut policy = MigrationPolicy { max_ttl: Duration::from_secs(4 * 3600), lock_timeout: "3s".into() };
    let Some(mut table) = table else { return policy };
    if let Some(max_ttl) = reader.quantity(&mut table, "max_ttl", "h", |text| duration_within(text, "1min", "7d")) {
        policy.max_ttl = max_ttl;
    }
    if let Some(lock_timeout) = reader.quantity(&mut table, "lock_timeout", "s", lock_timeout) {
        policy.lock_timeout = lock_timeout;
    }
    for key in ["approvals", "approvers", "receipt_from", "slow", "large_table", "on_error"] {
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

/// What [zone], the logins and the guards say together.
fn zones_fit(reader: &mut Reader<'_>, zone: Option<&LocatedZone>, logins: &[(Login, Span)], guards: &[GuardSetting]) {
    let Some((zone, databases)) = zone else {
        for (login, span) in logins.iter().filter(|(login, _)| login.zone.is_some()) {
            let message = format!("login \"{}\" has a zone, but there is no [zone]", login.name);
            reader.error_with_help(span.clone(), message, "[zone] names the parameter that row-level security reads");
        }
        return;
    };
    for database in databases {
        if !logins.iter().any(|(login, _)| login.databases.contains(&database.value)) {
            let message = format!("no login may reach database \"{}\"", database.value);
            reader.warning(database.span.clone(), message, "add it to a login, or remove it here");
        }
    }
    for (login, span) in logins {
        let zoned = login.databases.iter().find(|database| zone.databases.contains(database));
        if let (Some(database), None, Kind::Service | Kind::Human) = (zoned, &login.zone, login.kind)
            && guards[Guard::ZoneRequired as usize].mode == Mode::Enforce
        {
            let message = format!("login \"{}\" has no {} and can do nothing on database \"{database}\"", login.name, zone.noun);
            reader.warning(span.clone(), message, "give it zone = \"...\"");
        }
    }
}
