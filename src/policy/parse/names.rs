//! Names of databases, roles and logins.

use crate::config::reader::{Located, Reader, Table, Wrong};

/// The database name under which the admin console answers.
pub const CONSOLE_DATABASE: &str = "portcullis";
/// Longest identifier: PostgreSQL's NAMEDATALEN less one.
pub(super) const MAX_NAME: usize = 63;

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
