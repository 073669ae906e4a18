//! `NAME.test.toml` -> [`Cases`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::step::{PLACES, Step, step};
use super::upstream::{LOCAL, NO_ZONE, NOTHING, PART, PIECES, READ_ONLY, UNCHANGED};
use crate::cli::judged;
use crate::config::Problem;
use crate::config::reader::{Located, Reader, Span, Table, Wrong, one_of};
use crate::policy::{Guard, Mode, Phase, Policy, State, Who};

/// Most cases of one file.
const MAX_CASES: usize = 10_000;

/// A file of cases.
#[derive(Debug)]
pub(super) struct Cases {
    /// `[[case]]`, in its order.
    pub cases: Vec<Case>,
    /// `not_enforced`: the guards that are meant not to refuse.
    pub not_enforced: BTreeSet<Guard>,
}

/// One `[[case]]`.
#[derive(Debug)]
pub(super) struct Case {
    pub name: String,
    /// Its line, from 1.
    pub line: u32,
    pub who: Who,
    /// The zone that the case says its login has, or that the client has set.
    pub zone: Option<String>,
    /// The migration session that the connection belongs to.
    pub migration: Migration,
    pub script: Script,
    pub expect: Expect,
}

/// `migration`
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Migration {
    /// It is open from the beginning.
    pub open: bool,
    /// What it was opened for.
    pub phase: Option<Phase>,
}

impl Case {
    /// At the beginning.
    pub fn state(&self) -> State {
        State {
            phase: self.migration.phase,
            chosen: judged::chosen(self.zone.as_deref()),
            ..judged::state(self.migration.open)
        }
    }
}

/// What the client does.
#[derive(Debug)]
pub(super) enum Script {
    /// One text, in every way in which a client can send it.
    Sql(String),
    /// These messages.
    Steps(Vec<Step>),
}

/// `expect`
#[derive(Debug, Default)]
pub(super) struct Expect {
    /// The id that refuses; `None`: it is allowed.
    pub refused: Option<String>,
    pub sqlstate: Option<String>,
    /// A part of the error's message.
    pub message: Option<String>,
    /// A part of its hint.
    pub hint: Option<String>,
    /// The message that is refused.
    pub at: Option<&'static str>,
    /// What the server gets, all of it.
    pub upstream: Option<Vec<String>>,
    /// The guards that only observe and would refuse.
    pub observed: Option<Vec<String>>,
}

/// `policies`: the files beside it that a file of cases names; empty where it names none. What is wrong
/// with them is told by [`cases`].
pub(super) fn policies(text: &str) -> Vec<String> {
    let (tree, _) = toml::de::DeTable::parse_recoverable(text);
    let list = tree.get_ref().get("policies");
    let list = list.and_then(|list| list.get_ref().as_array());
    let names = list.into_iter().flatten();
    let names = names.filter_map(|item| item.get_ref().as_str());
    names.filter_map(|name| policy_file(name).ok()).collect()
}

/// What a file of cases says for one of its policies.
///
/// # Errors
/// Every problem of the file at once.
pub(super) fn cases(text: &str, file: &str, policy: &Arc<Policy>) -> Result<Cases, Vec<Problem>> {
    let tree = Reader::tree(file, text)?;
    let mut reader = Reader::new(file, text);
    let mut top = Table::top(tree.get_ref());
    if let Some(named) = reader.list(&mut top, "policies", policy_file)
        && named.value.is_empty()
    {
        let help = "policies = [\"production.toml\", \"staging.toml\"]";
        reader.error_with_help(named.span, "\"policies\" names no policy", help);
    }
    let not_enforced = not_enforced(&mut reader, &mut top, policy);
    let tables = reader.tables(&mut top, "case", MAX_CASES);
    reader.finish(top);
    if tables.is_empty() {
        reader.error(0..0, "there is no [[case]]");
    }
    let mut names = BTreeMap::new();
    let cases: Vec<Option<Case>> = tables
        .into_iter()
        .map(|table| case(&mut reader, table, policy, &mut names))
        .collect();
    let (problems, _) = reader.into_problems();
    match problems.is_empty() {
        true => Ok(Cases {
            cases: cases.into_iter().flatten().collect(),
            not_enforced,
        }),
        false => Err(problems),
    }
}

/// The name of a policy in the same directory.
fn policy_file(text: &str) -> Result<String, Wrong> {
    let path = Path::new(text);
    let plain = path.file_name().is_some_and(|name| name == text);
    match plain && text.ends_with(".toml") && !super::is_cases(path) {
        true => Ok(text.to_owned()),
        false => Err(Wrong::new(format!(
            "\"{text}\" is not the file of a policy beside this one"
        ))
        .help("its name without directories: \"production.toml\"")),
    }
}

/// A guard that is enforced has no place in the list: it would hide that it is turned off one day.
fn not_enforced(reader: &mut Reader<'_>, top: &mut Table<'_>, policy: &Policy) -> BTreeSet<Guard> {
    let known = |id: &str| guard(id).map(|_| id.to_owned());
    let Some(list) = reader.list(top, "not_enforced", known) else {
        return BTreeSet::new();
    };
    let mut guards = BTreeSet::new();
    for item in list.value {
        let Some(guard) = Guard::from_id(&item.value) else {
            continue;
        };
        if policy.mode(guard) == Mode::Enforce {
            let message = format!("guard \"{}\" is enforced by {}", item.value, policy.file);
            reader.error_with_help(item.span, message, "remove it here");
        }
        guards.insert(guard);
    }
    guards
}

/// `None`: an error was noted. So it is with every function below. `names`: of the cases so far, with
/// their lines.
fn case<'t>(
    reader: &mut Reader<'_>,
    mut table: Table<'t>,
    policy: &Arc<Policy>,
    names: &mut BTreeMap<&'t str, u32>,
) -> Option<Case> {
    let span = table.span.clone();
    for (key, example) in [
        ("name", "name = \"an application creates no table\""),
        ("login", "login = \"shop_acme\""),
        ("expect", "expect = { allowed = true }"),
    ] {
        reader.require(&table, key, example);
    }
    let name = name(reader, &mut table, names);
    let who = who(reader, &mut table, policy);
    let zone = reader
        .string(&mut table, "zone")
        .map(|zone| zone.value.to_owned());
    let migration = migration(reader, &mut table);
    let opened = migration.is_some_and(|migration| migration.open);
    let script = script(reader, &mut table, span.clone(), opened);
    let expect = reader
        .table(&mut table, "expect")
        .and_then(|table| expect(reader, table));
    reader.finish(table);
    let (who, script, migration) = (who?, script?, migration?);
    let opens = match &script {
        Script::Steps(steps) => steps
            .iter()
            .any(|step| matches!(step, Step::Migration { .. })),
        Script::Sql(_) => false,
    };
    if (migration.open || opens)
        && let Err(why) = judged::has_sessions(&who.login)
    {
        reader.error(span.clone(), why);
    }
    Some(Case {
        name: name?,
        line: reader.source.line(span.start),
        who,
        zone,
        migration,
        script,
        expect: expect?,
    })
}

/// A report names a case by it: each has its own.
fn name<'t>(
    reader: &mut Reader<'_>,
    table: &mut Table<'t>,
    names: &mut BTreeMap<&'t str, u32>,
) -> Option<String> {
    let name = reader.string(table, "name")?;
    if name.value.trim().is_empty() {
        let help = "say what it shows: name = \"an application creates no table\"";
        reader.error_with_help(name.span, "\"name\" is empty", help);
        return None;
    }
    let line = reader.source.line(name.span.start);
    if let Some(first) = names.get(name.value) {
        let message = format!("the case in line {first} is called \"{}\", too", name.value);
        reader.error_with_help(name.span, message, "give each case a name of its own");
        return None;
    }
    names.insert(name.value, line);
    Some(name.value.to_owned())
}

fn who(reader: &mut Reader<'_>, table: &mut Table<'_>, policy: &Arc<Policy>) -> Option<Who> {
    let login = reader.string(table, "login");
    let database = reader.string(table, "database");
    let login = login?;
    let asked = database.as_ref().map(|database| database.value);
    match judged::who(policy, login.value, asked) {
        Ok(who) => Some(who),
        Err(why) => {
            let known = policy.logins.contains_key(login.value);
            let at = database.filter(|_| known).map(|database| database.span);
            reader.error(at.unwrap_or(login.span), why);
            None
        }
    }
}

/// `migration = true`, or a table, for what a session may be opened with.
fn migration(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Migration> {
    if !table.has("migration") {
        return Some(Migration::default());
    }
    if !table.has_table("migration") {
        let said = reader.boolean(table, "migration")?;
        return Some(Migration {
            open: said.value,
            phase: None,
        });
    }
    let mut inner = reader.table(table, "migration")?;
    let phase = reader.parsed(&mut inner, "phase", |text| one_of(text, &Phase::WORDS));
    reader.finish(inner);
    Some(Migration {
        open: true,
        phase: phase.map(|phase| phase.value),
    })
}

/// `opened`: the migration session is open from the beginning.
fn script(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    case: Span,
    opened: bool,
) -> Option<Script> {
    let (has_sql, has_steps) = (table.has("sql"), table.has("steps"));
    let sql = reader.parsed(table, "sql", sql);
    let steps = reader.list(table, "steps", step);
    match (has_sql, has_steps) {
        (true, false) => sql.map(|sql| Script::Sql(sql.value)),
        (false, true) => {
            let steps = steps?;
            if !steps.value.iter().any(|step| sends(&step.value)) {
                let help = "steps = [\"parse s1: SELECT 1\", \"bind s1\", \"execute\"]";
                reader.error_with_help(steps.span, "no step sends a message", help);
                return None;
            }
            sessions(reader, &steps.value, opened);
            let steps = steps.value.into_iter().map(|step| step.value);
            Some(Script::Steps(steps.collect()))
        }
        _ => {
            let help =
                "sql = \"SELECT 1\", or steps = [\"parse s1: SELECT 1\", \"bind s1\", \"execute\"]";
            reader.error_with_help(case, "a case has either sql or steps", help);
            None
        }
    }
}

fn sql(text: &str) -> Result<String, Wrong> {
    if text.contains('\0') {
        return Err(Wrong::new("a text must not contain a NUL"));
    }
    // Whatever a policy says, nothing is never refused.
    let facts = judged::facts(text.as_bytes());
    if facts.is_empty_query() {
        return Err(Wrong::new("\"sql\" has no statement").help("sql = \"SELECT 1\""));
    }
    Ok(text.to_owned())
}

fn sends(step: &Step) -> bool {
    matches!(step, Step::Send(_))
}

/// A session that is opened twice, or closed where none is open, is most likely a slip in the order.
fn sessions(reader: &mut Reader<'_>, steps: &[Located<Step>], opened: bool) {
    let mut is_open = opened;
    for step in steps {
        let Step::Migration { open } = step.value else {
            continue;
        };
        if open == is_open {
            let (message, help) = match open {
                true => (
                    "a migration session is open already",
                    "\"close migration\" comes first, or leave out migration = true",
                ),
                false => (
                    "no migration session is open",
                    "\"open migration\" comes first, or say migration = true",
                ),
            };
            reader.error_with_help(step.span.clone(), message, help);
        }
        is_open = open;
    }
}

fn expect(reader: &mut Reader<'_>, mut table: Table<'_>) -> Option<Expect> {
    let span = table.span.clone();
    let allowed = reader.boolean(&mut table, "allowed");
    let mut text = |reader: &mut Reader<'_>, key| {
        let text = reader.string(&mut table, key)?;
        Some((text.value.to_owned(), text.span))
    };
    let refused = text(reader, "refused");
    let sqlstate = text(reader, "sqlstate");
    let message = text(reader, "message");
    let hint = text(reader, "hint");
    for (key, said) in [
        ("sqlstate", &sqlstate),
        ("message", &message),
        ("hint", &hint),
    ] {
        if let Some((_, span)) = said.as_ref().filter(|(text, _)| text.is_empty()) {
            let help = "say what it has, or leave it out";
            reader.error_with_help(span.clone(), format!("\"{key}\" is empty"), help);
        }
    }
    let at = reader.parsed(&mut table, "at", |text| {
        one_of(text, &PLACES.map(|place| (place, place)))
    });
    let upstream = reader.list(&mut table, "upstream", upstream_word);
    let observed = reader.list(&mut table, "observed", guard);
    reader.finish(table);
    let allows = allowed.as_ref().map(|allowed| allowed.value);
    let one = match (allows, &refused) {
        (Some(true), None) | (None | Some(false), Some(_)) => true,
        _ => {
            let help = "allowed = true, or refused = \"ddl-outside-migration\"";
            reader.error_with_help(
                span.clone(),
                "a case expects either allowed or refused",
                help,
            );
            false
        }
    };
    if allows == Some(true) {
        let of_errors = [&sqlstate, &message, &hint];
        let said = of_errors
            .into_iter()
            .flatten()
            .map(|(_, span)| span.clone());
        let at = at.as_ref().map(|at| at.span.clone());
        for span in said.chain(at).collect::<Vec<_>>() {
            reader.error(span, "what is allowed has no error");
        }
    }
    let values = |list: Vec<Located<String>>| list.into_iter().map(|item| item.value).collect();
    one.then(|| Expect {
        refused: refused.map(|(text, _)| text),
        sqlstate: sqlstate.map(|(text, _)| text),
        message: message.map(|(text, _)| text),
        hint: hint.map(|(text, _)| text),
        at: at.map(|at| at.value),
        upstream: upstream.map(|list| values(list.value)),
        observed: observed.map(|list| values(list.value)),
    })
}

fn upstream_word(text: &str) -> Result<String, Wrong> {
    let zone = text.strip_prefix("set zone ");
    if zone.is_some_and(|zone| !zone.is_empty())
        || [NO_ZONE, READ_ONLY, UNCHANGED, LOCAL, PIECES, NOTHING, PART].contains(&text)
    {
        return Ok(text.to_owned());
    }
    let help = format!(
        "one of: \"set zone acme\", \"{NO_ZONE}\", \"{READ_ONLY}\", \"{UNCHANGED}\", \"{LOCAL}\", \"{PIECES}\", \"{PART}\", \"{NOTHING}\""
    );
    Err(Wrong::new(format!("\"{text}\" is not known")).help(help))
}

fn guard(id: &str) -> Result<String, Wrong> {
    match Guard::from_id(id) {
        Some(guard) => Ok(guard.id().to_owned()),
        None => Err(Wrong::new(format!("there is no guard \"{id}\""))
            .help("portcullis help guards lists them")),
    }
}
