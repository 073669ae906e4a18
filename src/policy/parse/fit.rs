//! What `[zone]`, the logins and the guards say together.

use super::super::Guard;
use super::super::file::{GuardSetting, Kind, Login, Mode, Protection, ZonePolicy};
use super::super::zone::{ZoneSource, is_single};
use super::zone::LocatedZone;
use crate::config::reader::{Located, Reader, Span};
use crate::zone::signed::LONGEST_ZONE;

/// A zone is a value of a parameter that nobody named.
pub(super) fn without_zone(reader: &mut Reader<'_>, logins: &[(Login, Span)]) {
    for (login, span) in logins.iter().filter(|(login, _)| login.zone.is_some()) {
        let message = format!(
            "login \"{}\" has a zone, but there is no [zone]",
            login.name
        );
        let help = "[zone] names the parameter that row-level security reads";
        reader.error_with_help(span.clone(), message, help);
    }
}

/// What is valid and yet can hardly be meant.
pub(super) fn with_zone(
    reader: &mut Reader<'_>,
    (zone, databases): &LocatedZone,
    logins: &[(Login, Span)],
    guards: &[GuardSetting],
) {
    databases
        .iter()
        .for_each(|database| reachable(reader, database, logins));
    if guards[Guard::ZoneRequired as usize].mode == Mode::Enforce {
        logins
            .iter()
            .for_each(|login| has_zone(reader, zone, login));
    }
    if zone.protection == Protection::Signed {
        logins
            .iter()
            .for_each(|login| is_signed(reader, zone, login));
    }
}

/// A token has less room than a parameter.
fn is_signed(reader: &mut Reader<'_>, zone: &ZonePolicy, (login, span): &(Login, Span)) {
    let fixed = match &login.zone {
        Some(ZoneSource::Fixed(fixed)) => fixed,
        _ => return,
    };
    if fixed.len() > LONGEST_ZONE {
        let (name, noun) = (&login.name, &zone.noun);
        let message = format!("the {noun} of login \"{name}\" is too long to be signed");
        let help = format!("at most {LONGEST_ZONE} bytes");
        reader.error_with_help(span.clone(), message, help);
    }
}

fn reachable(reader: &mut Reader<'_>, database: &Located<Box<str>>, logins: &[(Login, Span)]) {
    if !logins
        .iter()
        .any(|(login, _)| login.databases.contains(&database.value))
    {
        let message = format!("no login may reach database \"{}\"", database.value);
        reader.warning(
            database.span.clone(),
            message,
            "add it to a login, or remove it here",
        );
    }
}

fn has_zone(reader: &mut Reader<'_>, zone: &ZonePolicy, (login, span): &(Login, Span)) {
    let zone_databases = &zone.databases;
    let zoned = login
        .databases
        .iter()
        .find(|database| zone.databases.contains(database));
    if let (Some(database), None, Kind::Service | Kind::Human) = (zoned, &login.zone, login.kind) {
        let (name, noun) = (&login.name, &zone.noun);
        let message =
            format!("login \"{name}\" has no {noun} and can do nothing on database \"{database}\"");
        reader.warning(span.clone(), message, "give it zone = \"...\"");
    }
    let Some(ZoneSource::Database(pattern)) = &login.zone else {
        return;
    };
    let nobodys = |database: &str| {
        let zone = pattern.starred(database);
        let needed = zone_databases.iter().any(|needed| **needed == *database);
        needed && zone.is_none_or(|zone| !is_single(zone))
    };
    let mut databases = login.databases.iter();
    if let Some(database) = databases.find(|database| nobodys(database)) {
        let message = format!(
            "database \"{database}\" does not fit the pattern \"{}\": login \"{}\" has no {} there",
            pattern.as_str(),
            login.name,
            zone.noun
        );
        reader.warning(
            span.clone(),
            message,
            "change the pattern, or the databases of the login",
        );
    }
}

/// Does the whole file observe? It is the only way to let everything pass, so it is told.
pub(super) fn observing(reader: &mut Reader<'_>, mode: &Located<bool>) -> bool {
    if mode.value {
        let help = "mode = \"enforce\" once the report is empty";
        reader.warning(
            mode.span.clone(),
            "the whole file observes: nothing is refused",
            help,
        );
    }
    mode.value
}
