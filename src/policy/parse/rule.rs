//! `[[rule]]`.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::file::Login;
use super::super::pattern::Pattern;
use super::super::rule::{Rule, When};
use super::super::{Guard, Phase};
use super::login::{kind, route};
use super::names::{name_pattern, pattern, relations, values};
use crate::config::problem::did_you_mean;
use crate::config::reader::{Located, Reader, Span, Table, Wrong, one_of};
use crate::error::SqlState;
use crate::sql::{Class, ClassSet, ParameterUse, tags};

/// Most rules of a policy.
pub(in crate::policy) const MAX_RULES: usize = 1000;
/// Longest message or hint, in bytes.
pub(in crate::policy) const MAX_TEXT: usize = 300;
/// Longest id, in bytes.
const MAX_ID: usize = 63;

/// The words for `parameter_use`.
pub(in crate::policy) const PARAMETER_USES: [(&str, ParameterUse); 4] = [
    ("session", ParameterUse::Session),
    ("local", ParameterUse::Local),
    ("reset", ParameterUse::Reset),
    ("stored", ParameterUse::Stored),
];

pub(super) fn rules(
    reader: &mut Reader<'_>,
    top: &mut Table<'_>,
    logins: &[(Login, Span)],
    environment: Option<&str>,
) -> Vec<Arc<Rule>> {
    let mut ids: HashSet<Arc<str>> = HashSet::new();
    let mut list = Vec::new();
    for table in reader.tables(top, "rule", MAX_RULES) {
        let Some((rule, id)) = rule(reader, table, logins, environment) else {
            continue;
        };
        if ids.insert(rule.id.clone()) {
            list.push(Arc::new(rule));
        } else {
            reader.error(id, format!("rule \"{}\" is there twice", rule.id));
        }
    }
    list
}

fn rule(
    reader: &mut Reader<'_>,
    mut table: Table<'_>,
    logins: &[(Login, Span)],
    environment: Option<&str>,
) -> Option<(Rule, Span)> {
    let line = reader.source.line(table.span.start);
    for (key, example) in [
        ("id", "id = \"no-bulk-export\""),
        ("when", "when = { kind = \"human\", class = \"copy-out\" }"),
        ("message", "message = \"bulk export is not allowed\""),
    ] {
        reader.require(&table, key, example);
    }
    let id = reader.parsed(&mut table, "id", id);
    let message = reader.parsed(&mut table, "message", one_line);
    let hint = reader.parsed(&mut table, "hint", one_line);
    let sqlstate = reader.parsed(&mut table, "sqlstate", sqlstate);
    let inner = reader.table(&mut table, "when");
    let when = inner.map(|inner| when(reader, inner, logins, environment));
    reader.finish(table);
    let id = id?;
    let rule = Rule {
        id: id.value,
        when: when?,
        message: message?.value,
        hint: hint.map(|hint| hint.value),
        sqlstate: sqlstate.map_or(SqlState::POLICY, |sqlstate| sqlstate.value),
        line,
    };
    Some((rule, id.span))
}

fn when(
    reader: &mut Reader<'_>,
    mut table: Table<'_>,
    logins: &[(Login, Span)],
    environment: Option<&str>,
) -> When {
    let span = table.span.clone();
    let empty = table.is_empty();
    for list in table.empty_lists() {
        reader.error_with_help(
            list,
            "an empty list holds for nothing, and the rule never",
            "name a value, or leave the key out: it then holds for all",
        );
    }
    let login = reader.one_or_more(&mut table, "login", pattern);
    known_logins(reader, login.as_ref(), logins);
    let database = reader.one_or_more(&mut table, "database", pattern);
    granted_databases(reader, database.as_ref(), logins);
    let environments = reader.one_or_more(&mut table, "environment", pattern);
    own_environment(reader, environments.as_ref(), environment);
    let parameter = |text: &str| pattern(&text.to_ascii_lowercase());
    let class = reader.one_or_more(&mut table, "class", class);
    let tag = reader.one_or_more(&mut table, "tag", tag);
    known_tags(reader, tag.as_ref());
    let parameter_use = |text: &str| one_of(text, &PARAMETER_USES);
    let mut boolean = |reader: &mut Reader<'_>, key| {
        let said = reader.boolean(&mut table, key)?;
        Some(said.value)
    };
    let (migration, missing_where) = (
        boolean(reader, "migration"),
        boolean(reader, "missing_where"),
    );
    let (row_lock, into) = (boolean(reader, "row_lock"), boolean(reader, "into"));
    let several_statements = boolean(reader, "several_statements");
    let when = When {
        login: values(login),
        kind: values(reader.one_or_more(&mut table, "kind", kind)),
        database: values(database),
        environment: values(environments),
        route: values(reader.one_or_more(&mut table, "route", route)),
        migration,
        phase: values(reader.one_or_more(&mut table, "phase", |text| one_of(text, &Phase::WORDS))),
        class: values(class).map(|classes| {
            let all = classes.into_iter();
            all.fold(ClassSet::EMPTY, ClassSet::with)
        }),
        tag: values(tag),
        relation: relations(reader, &mut table, "relation"),
        reads: relations(reader, &mut table, "reads"),
        writes: relations(reader, &mut table, "writes"),
        function: values(reader.one_or_more(&mut table, "function", name_pattern)),
        parameter: values(reader.one_or_more(&mut table, "parameter", parameter)),
        parameter_use: values(reader.one_or_more(&mut table, "parameter_use", parameter_use)),
        extension: values(reader.one_or_more(&mut table, "extension", pattern)),
        role: values(reader.one_or_more(&mut table, "role", pattern)),
        missing_where,
        row_lock,
        into,
        several_statements,
    };
    reader.finish(table);
    if empty {
        let help = "name at least one fact: when = { class = \"copy-out\" }";
        reader.error_with_help(
            span,
            "a rule without a condition would refuse everything",
            help,
        );
    }
    when
}

/// A login that is named and does not exist is most likely a slip.
fn known_logins(
    reader: &mut Reader<'_>,
    named: Option<&Located<Vec<Located<Pattern>>>>,
    logins: &[(Login, Span)],
) {
    for pattern in named.iter().flat_map(|list| &list.value) {
        let exists = logins
            .iter()
            .any(|(login, _)| pattern.value.fits(&login.name));
        if !exists {
            let message = format!("no login is called \"{}\"", pattern.value.as_str());
            reader.warning(pattern.span.clone(), message, "the rule never holds for it");
        }
    }
}

/// So is a database that nobody may reach.
fn granted_databases(
    reader: &mut Reader<'_>,
    named: Option<&Located<Vec<Located<Pattern>>>>,
    logins: &[(Login, Span)],
) {
    for pattern in named.iter().flat_map(|list| &list.value) {
        let mut granted = logins.iter().flat_map(|(login, _)| &login.databases);
        if !granted.any(|database| pattern.value.fits(database)) {
            let message = format!("no login may reach database \"{}\"", pattern.value.as_str());
            reader.warning(pattern.span.clone(), message, "the rule never holds for it");
        }
    }
}

/// So is a command tag that no statement has.
fn known_tags(reader: &mut Reader<'_>, named: Option<&Located<Vec<Located<Pattern>>>>) {
    for pattern in named.iter().flat_map(|list| &list.value) {
        let text = pattern.value.as_str();
        if tags().any(|tag| pattern.value.fits(tag)) {
            continue;
        }
        let help = match did_you_mean(text, tags()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "the rule never holds for it; portcullis explain prints tags".to_owned(),
        };
        let message = format!("no statement has the command tag \"{text}\"");
        reader.warning(pattern.span.clone(), message, help);
    }
}

/// A rule that stands in several files may name all their environments; one that names only others never holds.
fn own_environment(
    reader: &mut Reader<'_>,
    named: Option<&Located<Vec<Located<Pattern>>>>,
    environment: Option<&str>,
) {
    let (Some(named), Some(environment)) = (named, environment) else {
        return;
    };
    let mut patterns = named.value.iter();
    if !named.value.is_empty() && !patterns.any(|pattern| pattern.value.fits(environment)) {
        let message = format!("the environment of this policy is \"{environment}\"");
        reader.warning(named.span.clone(), message, "the rule never holds in it");
    }
}

fn id(text: &str) -> Result<Arc<str>, Wrong> {
    let fine = (1..=MAX_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.starts_with(|c: char| c.is_ascii_lowercase());
    match Guard::from_id(text) {
        Some(_) => Err(Wrong::new(format!("\"{text}\" is the id of a guard"))
            .help("choose another id for the rule")),
        None if fine => Ok(text.into()),
        None => Err(Wrong::new(format!("\"{text}\" is not an id"))
            .help("lower-case letters, digits and -, at most 63: \"no-bulk-export\"")),
    }
}

fn class(text: &str) -> Result<Class, Wrong> {
    one_of(text, &Class::ALL.map(|class| (class.id(), class)))
}

/// PostgreSQL's words are upper case.
fn tag(text: &str) -> Result<Pattern, Wrong> {
    match text == text.to_ascii_uppercase() {
        true => pattern(text),
        false => Err(Wrong::new(format!("\"{text}\" is not a command tag")).help(
            match did_you_mean(text, tags()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "PostgreSQL's words in upper case: \"DROP TABLE\"".to_owned(),
            },
        )),
    }
}

fn one_line(text: &str) -> Result<Box<str>, Wrong> {
    match !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control) {
        true => Ok(text.into()),
        false => Err(Wrong::new(format!(
            "what a client reads is one line of at most {MAX_TEXT} bytes"
        ))),
    }
}

/// Five digits or upper-case letters, of a class that means an error.
fn sqlstate(text: &str) -> Result<SqlState, Wrong> {
    let code: Option<[u8; 5]> = text.as_bytes().try_into().ok();
    let fine = |code: &[u8; 5]| {
        code.iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            && !matches!(&code[..2], b"00" | b"01" | b"02")
    };
    code.filter(fine).map(SqlState).ok_or_else(|| {
        Wrong::new(format!("\"{text}\" is not the SQLSTATE of an error"))
            .help("five digits or upper-case letters: \"42501\"")
    })
}
