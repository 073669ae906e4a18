//! Names of databases, roles and logins.

use super::super::pattern::{MAX_PATTERN, NamePattern, Pattern, cut};
use crate::config::reader::{Located, Reader, Table, Wrong};

/// The database name under which the admin console answers.
pub const CONSOLE_DATABASE: &str = "portcullis";
/// Longest identifier: PostgreSQL's NAMEDATALEN less one.
pub(in crate::policy) const MAX_NAME: usize = 63;

/// A name as PostgreSQL takes it; `what` says of what, for the message.
pub(super) fn name(text: &str, what: &str) -> Result<Box<str>, Wrong> {
    match text {
        "" => Err(Wrong::new(format!("{what} must not be empty"))),
        _ if text.len() > MAX_NAME => {
            Err(Wrong::new(format!("{what} has at most {MAX_NAME} bytes")))
        }
        _ if text.chars().any(char::is_control) => Err(Wrong::new(format!(
            "{what} must not contain control characters"
        ))),
        _ => Ok(text.into()),
    }
}

fn database(text: &str) -> Result<Box<str>, Wrong> {
    match text {
        CONSOLE_DATABASE => Err(Wrong::new(
            "\"portcullis\" is the name of the admin console, not of a database",
        )
        .help("console = \"viewer\", \"operator\" or \"dba\" grants the console")),
        "*" => Err(Wrong::new("\"*\" would grant every database").help("name each database")),
        _ => name(text, "the name of a database"),
    }
}

/// Takes the key `databases`; `None`: an error was noted.
pub(super) fn databases(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
) -> Option<Vec<Located<Box<str>>>> {
    let list = reader.list(table, "databases", database)?;
    if list.value.is_empty() {
        reader.error_with_help(
            list.span,
            "\"databases\" names no database",
            "databases = [\"shop\"]",
        );
    }
    let mut seen: Vec<Located<Box<str>>> = Vec::new();
    for database in list.value {
        if database.value.contains('*') {
            let message = format!("\"{}\" is one database of that name", database.value);
            let help = "name each database: * stands for nothing else here";
            reader.warning(database.span.clone(), message, help);
        }
        if seen.iter().any(|other| other.value == database.value) {
            reader.error(
                database.span,
                format!("database \"{}\" is named twice", database.value),
            );
        } else {
            seen.push(database);
        }
    }
    Some(seen)
}

/// A name in which `*` may stand for any run of characters.
pub(super) fn pattern(text: &str) -> Result<Pattern, Wrong> {
    match text {
        "" => Err(Wrong::new("a name must not be empty").help("\"*\" means every name")),
        _ if text.len() > MAX_PATTERN => Err(Wrong::new(format!(
            "a name has at most {MAX_PATTERN} bytes"
        ))),
        _ if text.chars().any(char::is_control) => {
            Err(Wrong::new("a name must not contain control characters"))
        }
        _ => Ok(Pattern::new(text)),
    }
}

/// The name of a relation or function, with or without its schema; `*` as in [`pattern`].
pub(super) fn name_pattern(text: &str) -> Result<NamePattern, Wrong> {
    pattern(text)?;
    let name = NamePattern::new(text).ok_or_else(|| {
        Wrong::new(format!("\"{text}\" is not a name with or without a schema")).help(
            "as PostgreSQL stores it, without quotes: \"public.orders\", \"orders\" or \"audit.*\"",
        )
    })?;
    let letters = |part: &str| part.bytes().filter(|byte| *byte != b'*').count();
    match text.split('.').find(|part| letters(part) > MAX_NAME) {
        // It would fit nothing.
        Some(long) => Err(
            Wrong::new(format!("PostgreSQL cuts \"{long}\" to {MAX_NAME} bytes"))
                .help(format!("as PostgreSQL stores it: \"{}\"", cut(long))),
        ),
        None => Ok(name),
    }
}

/// Takes one or more names of relations that are refused.
pub(super) fn relations(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    key: &'static str,
) -> Option<Vec<NamePattern>> {
    let list = reader.one_or_more(table, key, name_pattern)?;
    for name in list
        .value
        .iter()
        .filter(|name| name.value.is_whole_schema())
    {
        let message = "every relation that is named without its schema could be meant";
        let help = "name the relations: \"vault.keys\", \"vault.secret_*\"";
        reader.warning(name.span.clone(), message, help);
    }
    Some(list.value.into_iter().map(|name| name.value).collect())
}

/// The values of a list without their places.
pub(super) fn values<T>(list: Option<Located<Vec<Located<T>>>>) -> Option<Vec<T>> {
    list.map(|list| list.value.into_iter().map(|item| item.value).collect())
}
