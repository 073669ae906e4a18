//! `[zone]`.

use super::super::file::{Protection, ZonePolicy};
use super::names::{MAX_NAME, databases};
use crate::config::reader::{Located, Reader, Table, Wrong, one_of};
use crate::policy::guards::zone_parameter::OWN;

/// What `[zone]` says, with the places of its databases.
pub(super) type LocatedZone = (ZonePolicy, Vec<Located<Box<str>>>);

/// Reads the table; `None`: an error was noted.
pub(super) fn zone(reader: &mut Reader<'_>, mut table: Table<'_>) -> Option<LocatedZone> {
    reader.require(&table, "parameter", "parameter = \"app.tenant_id\"");
    reader.require(&table, "databases", "databases = [\"shop\"]");
    let parameter = reader.parsed(&mut table, "parameter", parameter);
    let databases = databases(reader, &mut table);
    let noun = reader.parsed(&mut table, "noun", noun);
    let protection = reader.parsed(&mut table, "protection", |text| {
        one_of(
            text,
            &[("plain", Protection::Plain), ("signed", Protection::Signed)],
        )
    });
    reader.finish(table);
    let databases = databases?;
    let names = databases
        .iter()
        .map(|database| database.value.clone())
        .collect();
    let noun = noun.map_or_else(|| "zone".into(), |noun| noun.value);
    Some((
        ZonePolicy {
            parameter: parameter?.value,
            databases: names,
            noun,
            protection: protection.map_or_else(Protection::default, |it| it.value),
        },
        databases,
    ))
}

/// A name with a dot, as only custom parameters have it (PostgreSQL documentation, section 20.16):
/// every other parameter means something to the server.
fn parameter(text: &str) -> Result<Box<str>, Wrong> {
    let bad =
        |help: &str| Err(Wrong::new(format!("\"{text}\" cannot be the zone parameter")).help(help));
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if text.len() > MAX_NAME || !text.contains('.') || !text.split('.').all(part) {
        return bad("two words with a dot, of letters, digits and _: \"app.tenant_id\"");
    }
    let name = text.to_ascii_lowercase();
    if name.starts_with(OWN) {
        return bad("another name: those that begin with \"portcullis.\" are Portcullis's own");
    }
    Ok(name.into())
}

fn noun(text: &str) -> Result<Box<str>, Wrong> {
    match !text.is_empty() && text.len() <= 32 && text.chars().all(char::is_alphabetic) {
        true => Ok(text.into()),
        false => {
            Err(Wrong::new(format!("\"{text}\" is not a noun"))
                .help("one word of letters: \"tenant\""))
        }
    }
}
