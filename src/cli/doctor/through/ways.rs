//! Every way to ask for another zone, tried through Portcullis; and the plainest of them around it.

use super::super::connection::{Connection, Trouble};
use super::super::dsn::Dsn;
use super::super::failure::Failure;
use super::super::sql::{literal, parameter as quoted, read_only, value};
use super::Table;
use crate::policy::Guard;

/// Most tables that are asked after each way.
const TABLES: usize = 20;

/// A way that was tried.
pub(in super::super) struct Way {
    pub name: &'static str,
    /// The guard, or the SQLSTATE, that refused.
    pub refused_by: Option<String>,
    /// Tables that showed rows of another zone then.
    pub seen: Vec<String>,
}

/// What is asked for, and where it would be seen.
pub(super) struct Asked<'a> {
    pub parameter: &'a str,
    /// The zone that is not ours.
    pub other: &'a str,
    pub own: &'a str,
    pub tables: &'a [&'a Table],
    /// Nothing for the session.
    pub only_local: bool,
}

/// How it is tried.
enum How {
    /// At connect, in libpq's `options`.
    Options,
    /// For the session.
    Session(String),
    /// In the transaction that looks.
    Transaction(String),
}

fn ways(asked: &Asked) -> Vec<(&'static str, How)> {
    let (name, zone) = (literal(asked.parameter), literal(asked.other));
    let set = quoted(asked.parameter);
    let (first, rest) = asked
        .parameter
        .split_at(asked.parameter.find('.').unwrap_or(0));
    let joined = format!("{} || {}", literal(first), literal(rest));
    let call = |name: &str, local: bool| format!("pg_catalog.set_config({name}, {zone}, {local})");
    let block = literal(&format!("BEGIN PERFORM {}; END", call(&name, true)));
    let (session, local) = (How::Session, How::Transaction);
    let mut ways = vec![
        ("SET LOCAL", local(format!("SET LOCAL {set} = {zone}"))),
        (
            "set_config() for the transaction",
            local(format!("SELECT {}", call(&name, true))),
        ),
        (
            "set_config() of a name put together",
            local(format!("SELECT {}", call(&joined, true))),
        ),
        ("a DO block", local(format!("DO {block}"))),
    ];
    if !asked.only_local {
        ways.extend([
            ("SET", session(format!("SET {set} = {zone}"))),
            (
                "set_config() for the session",
                session(format!("SELECT {}", call(&name, false))),
            ),
            ("options at connect", How::Options),
            ("RESET", session(format!("RESET {set}"))),
            ("DISCARD ALL", session("DISCARD ALL".to_owned())),
        ]);
    }
    ways
}

/// libpq's `options` of this connection, and a parameter.
pub(super) fn options(dsn: &Dsn, parameter: &str, zone: &str) -> String {
    let mut options = dsn.options.clone().unwrap_or_default();
    if !options.is_empty() {
        options.push(' ');
    }
    options.push_str("-c ");
    for c in format!("{parameter}={zone}").chars() {
        if c.is_whitespace() || c == '\\' {
            options.push('\\');
        }
        options.push(c);
    }
    options
}

/// Tries all of them, each on a connection of its own.
pub(super) fn try_all(dsn: &Dsn, asked: &Asked) -> Vec<Way> {
    let tried = |(name, how)| {
        let mut way = Way {
            name,
            refused_by: None,
            seen: Vec::new(),
        };
        tried(&mut way, &how, dsn, asked);
        way
    };
    ways(asked).into_iter().map(tried).collect()
}

fn tried(way: &mut Way, how: &How, dsn: &Dsn, asked: &Asked) {
    let dsn = match how {
        How::Options => Dsn {
            options: Some(options(dsn, asked.parameter, asked.other)),
            ..dsn.clone()
        },
        _ => dsn.clone(),
    };
    let mut connection = match Connection::open(&dsn) {
        Ok(connection) => connection,
        Err(failure) => {
            way.refused_by = Some(refusal_at_login(&failure));
            return;
        }
    };
    let refused = |trouble: Trouble| match trouble {
        Trouble::Refused(error) => guard_or_state(error.routine.as_deref(), &error.sqlstate),
        Trouble::Lost(_) => "the connection ended".to_owned(),
    };
    let set = match how {
        How::Session(sql) => connection.query(sql).map(drop),
        How::Options | How::Transaction(_) => Ok(()),
    };
    way.refused_by = set.err().map(refused);
    let looked = read_only(&mut connection, |connection| {
        if let How::Transaction(sql) = how {
            connection.query(sql)?;
        }
        seen(connection, asked.own, asked.tables)
    });
    match looked {
        Ok(tables) => way.seen = tables,
        Err(trouble) => {
            way.refused_by.get_or_insert(refused(trouble));
        }
    }
    connection.close();
}

fn refusal_at_login(failure: &Failure) -> String {
    match &failure.server {
        Some(error) => guard_or_state(error.routine.as_deref(), &error.sqlstate),
        None => failure.cause.id().to_owned(),
    }
}

fn guard_or_state(routine: Option<&str>, sqlstate: &str) -> String {
    let guard = routine.filter(|routine| Guard::ALL.iter().any(|guard| guard.id() == *routine));
    guard.unwrap_or(sqlstate).to_owned()
}

/// Tables that show rows of another zone than our own.
fn seen(connection: &mut Connection, own: &str, tables: &[&Table]) -> Result<Vec<String>, Trouble> {
    let mut seen = Vec::new();
    for Table { name, column, .. } in tables.iter().take(TABLES) {
        let question = format!(
            "SELECT EXISTS (SELECT FROM {name} WHERE {column} IS NOT NULL \
             AND {column}::pg_catalog.text IS DISTINCT FROM {})",
            literal(own)
        );
        if value(connection, &question)? == "t" {
            seen.push(name.clone());
        }
    }
    Ok(seen)
}

/// Tables that show rows of another zone once `set_config()` has asked for it, around Portcullis. Local to a
/// read-only transaction: nothing of it stays.
pub(super) fn around(
    dsn: &Dsn,
    parameter: &str,
    other: &str,
    own: &str,
    tables: &[&Table],
) -> Vec<String> {
    let Ok(mut connection) = Connection::open(dsn) else {
        return Vec::new();
    };
    let set = format!(
        "SELECT pg_catalog.set_config({}, {}, true)",
        literal(parameter),
        literal(other)
    );
    let shown = read_only(&mut connection, |connection| {
        connection.query(&set)?;
        seen(connection, own, tables)
    });
    connection.close();
    shown.unwrap_or_default()
}
