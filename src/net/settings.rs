//! Startup parameters: which go to the server, which are set there at session level, which are kept for
//! the client and set in each of its transactions, which are refused. What PgBouncer does not know would
//! end the connection there, or be dropped silently.

pub(super) use crate::policy::guards::lexing_parameters::PINNED;
use crate::policy::guards::lexing_parameters::{is_sql_ascii, is_utf8};

use crate::conversation::{MAX_NAMES, Origins};
use crate::error::SqlState;
use crate::policy::{Guard, Kind, Objection, Refusal, RouteName, Who, guards};
use crate::protocol::reply::ErrorReply;
use crate::protocol::startup::Startup;
use crate::sql::current_name;

/// What becomes of a client's startup parameters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// For the startup packet: parameters that PgBouncer of every version tracks.
    pub startup: Vec<(String, String)>,
    /// What decides where a string ends was set for good, and the server must say so.
    pub pinned: bool,
    /// To be set with set_config once logged in: only where the server connection is the client's own.
    pub session: Vec<(String, String)>,
    /// To be set in every transaction, since the server connection is handed on.
    pub kept: Vec<(String, String)>,
    /// The client asks for replication, and may: `replication` is among the parameters for the startup packet.
    pub walsender: bool,
    /// Where the whole policy observes: what would have become of them.
    pub foreseen: Option<Box<Foreseen>>,
}

/// What an enforcing policy would have done with startup parameters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// Would have been refused: their names, and why.
    pub refused: Vec<(String, Refusal)>,
    /// Would not have gone to the server as they are, but have been set there.
    pub changed: Vec<String>,
    /// Those of them that would have been set in every transaction.
    pub origins: Origins,
}

/// Parameters that change how SQL is read or who runs it: never from a startup packet.
const REFUSED: [&str; 5] = [
    "role",
    "session_authorization",
    "session_replication_role",
    "row_security",
    "backslash_quote",
];

/// The one parameter that goes to the one place or the other by its value.
const NAME: &str = "application_name";

/// That of who gives none, on a connection of the pool: that of the client before it would be there.
const NO_NAME: &str = "portcullis";

/// Sorts the parameters of a startup packet.
pub fn sort(
    startup: &Startup<'_>,
    who: &Who,
    route: RouteName,
) -> Result<Settings, Box<ErrorReply>> {
    if who.observes() && who.login.kind != Kind::Migrator {
        return Ok(Settings {
            startup: as_sent(startup),
            walsender: startup.get("replication") == Some("database"),
            foreseen: Some(Box::new(foreseen(startup, who, route))),
            ..Settings::default()
        });
    }
    enforced(startup, who, route)
}

/// Sorts each parameter alone as where the policy is enforced. What PostgreSQL would refuse by itself is
/// no matter of ours.
fn foreseen(startup: &Startup<'_>, who: &Who, route: RouteName) -> Foreseen {
    let mut foreseen = Foreseen::default();
    let refused = |name: &str, reply: &ErrorReply| {
        objection(reply, who).map(|refusal| (name.to_owned(), refusal))
    };
    if let Err(reply) = replication(startup, who) {
        foreseen.refused.extend(refused("replication", &reply));
    }
    let parameters = all(startup).unwrap_or_default();
    for (name, value) in &parameters {
        if name.eq_ignore_ascii_case("replication") {
            continue;
        }
        let alone = Startup {
            minor: startup.minor,
            parameters: vec![(name, value)],
        };
        match enforced(&alone, who, route) {
            Err(reply) => foreseen.refused.extend(refused(name, &reply)),
            Ok(settings) => {
                let set = || settings.session.iter().chain(&settings.kept);
                // What every login may set is asked of nobody.
                let asked = set().next().is_some() || route == RouteName::Replication;
                let observed = asked.then(|| beyond(who, name, value)).flatten();
                match observed {
                    Some(refusal) => foreseen.refused.push((name.clone(), refusal)),
                    None => foreseen.changed.extend(set().map(|(name, _)| name.clone())),
                }
                foreseen.origins.kept.extend(settings.kept);
            }
        }
    }
    foreseen
}

/// What guards say that are silent unless they enforce.
fn beyond(who: &Who, name: &str, value: &str) -> Option<Refusal> {
    let name = name.to_ascii_lowercase();
    match who.chosen_parameter() == Some(&*name) {
        true => guards::zone_not_granted::foreseen(who, value),
        false => guards::parameters::foreseen(who, &name, value),
    }
}

/// What a guard said, for the counters; none where no guard did.
fn objection(reply: &ErrorReply, who: &Who) -> Option<Refusal> {
    let guard = Guard::from_id(&reply.decided.as_ref()?.0)?;
    Some(Objection::new(reply.message.clone()).refuse(guard, who, None))
}

/// The same where the policy is enforced.
fn enforced(
    startup: &Startup<'_>,
    who: &Who,
    route: RouteName,
) -> Result<Settings, Box<ErrorReply>> {
    let mut settings = Settings {
        walsender: replication(startup, who)?,
        ..Settings::default()
    };
    for parameter in all(startup)? {
        sort_in(&mut settings, parameter, who, route)?;
    }
    only_last(&mut settings.startup);
    only_last(&mut settings.kept);
    if settings.kept.len() + settings.startup.len() > MAX_NAMES {
        let message = "too many startup parameters";
        return Err(Box::new(ErrorReply::fatal(
            SqlState::PROGRAM_LIMIT,
            message,
        )));
    }
    let named = |(name, _): &(String, String)| name == NAME;
    let mut given = settings.startup.iter().chain(&settings.kept);
    if route == RouteName::Transaction && !given.any(named) {
        let name = (NAME.to_owned(), NO_NAME.to_owned());
        settings.startup.push(name);
    }
    if settings.walsender {
        let replication = ("replication".to_owned(), "database".to_owned());
        settings.startup.push(replication);
    }
    let pinned = PINNED.map(|(name, value)| (name.to_owned(), value.to_owned()));
    settings.startup.extend(pinned);
    settings.pinned = true;
    Ok(settings)
}

/// Where one parameter goes, or why it is refused.
fn sort_in(
    settings: &mut Settings,
    (name, value): (String, String),
    who: &Who,
    route: RouteName,
) -> Result<(), Box<ErrorReply>> {
    let folded = name.to_ascii_lowercase();
    let zone = who.policy.zone.as_ref().map(|zone| &*zone.parameter);
    if folded == NAME {
        // The last one holds.
        for given in [&mut settings.startup, &mut settings.kept] {
            given.retain(|(name, _)| name != NAME);
        }
    }
    match folded.as_str() {
        // PgBouncer leaves the last client's name to one that has none.
        "application_name" if value.is_empty() => sort_other(settings, folded, value, who, route)?,
        "application_name" | "datestyle" | "timezone" => settings.startup.push((folded, value)),
        // What libpq sends of a terminal with LANG=C: no wish for an encoding. UTF8 stays, and the server says so.
        "client_encoding" if is_utf8(&value) || is_sql_ascii(&value) => {}
        "standard_conforming_strings" if boolean(&value) == Some(true) => {}
        "client_encoding" | "standard_conforming_strings" => {
            return Err(refused("lexing-parameters", &name, &value));
        }
        // Every value from 1 on gives the shortest exact text, as the server's default does. Where role or database have
        // a lower one it stays: set here, every JDBC client would have a prefix.
        "extra_float_digits"
            if value
                .parse()
                .is_ok_and(|digits: i32| (1..=3).contains(&digits)) => {}
        // PostgreSQL does nothing by it here. Set, it would seed whose connection that is next as well.
        "seed" => {}
        // Behind anybody's temporary table it could not be set again.
        "temp_buffers" if route == RouteName::Transaction => {}
        // In `options`, or in capitals: there it asks for nothing.
        "replication" => return Err(unrecognized(&name)),
        folded if Some(folded) == who.chosen_parameter() => {
            if let Some(refusal) = guards::zone_not_granted::refusal(who, &value) {
                return Err(Box::new(at_login(refusal)));
            }
            settings.kept.push((folded.to_owned(), value));
        }
        folded if Some(folded) == zone => return Err(refused("zone-parameter", &name, &value)),
        folded if folded.starts_with(guards::zone_parameter::OWN) && who.zone_is_guarded() => {
            return Err(refused("zone-parameter", &name, &value));
        }
        // A transaction begins with its default, whatever these were.
        "transaction_deferrable" | "transaction_isolation" | "transaction_read_only" => {}
        // As it is without being asked, unless role or database say otherwise.
        "row_security" if boolean(&value) == Some(true) => {
            sort_other(settings, folded, value, who, route)?;
        }
        folded if REFUSED.contains(&folded) => {
            return Err(refused("role-change", &name, &value));
        }
        _ => sort_other(settings, folded, value, who, route)?,
    }
    Ok(())
}

/// One that means nothing to us: what the policy says of it, and then by the route.
fn sort_other(
    settings: &mut Settings,
    folded: String,
    value: String,
    who: &Who,
    route: RouteName,
) -> Result<(), Box<ErrorReply>> {
    let denied = guards::replication::parameter_at_startup(who, &folded)
        .map(|objection| objection.refuse(Guard::Replication, who, None))
        .or_else(|| guards::parameters::at_startup(who, &folded, &value));
    if let Some(refusal) = denied {
        return Err(Box::new(at_login(refusal)));
    }
    let folded = current_name(&folded).map_or(folded.clone(), str::to_owned);
    match route {
        RouteName::Transaction => settings.kept.push((folded, value)),
        RouteName::Session => settings.session.push((folded, value)),
        // PostgreSQL takes them all, and a walsender has no other way for us to set them.
        RouteName::Replication => settings.startup.push((folded, value)),
    }
    Ok(())
}

/// Every parameter of the packet, in the order in which PostgreSQL sets them: `options` first.
fn all(startup: &Startup<'_>) -> Result<Vec<(String, String)>, Box<ErrorReply>> {
    let mut all = Vec::new();
    for (name, value) in &startup.parameters {
        if *name == "options" {
            all.extend(options(value)?);
        }
    }
    let own = |name: &str| {
        matches!(name, "user" | "database" | "options" | "replication") || name.starts_with("_pq_.")
    };
    let others = startup.parameters.iter().filter(|(name, _)| !own(name));
    all.extend(others.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Ok(all)
}

/// Of several values of a parameter the last one holds.
fn only_last(values: &mut Vec<(String, String)>) {
    let mut at = values.len();
    while at > 0 {
        at -= 1;
        if values[at + 1..]
            .iter()
            .any(|(name, _)| *name == values[at].0)
        {
            values.remove(at);
        }
    }
}

/// What PgBouncer would have been sent without us: nothing is refused, pinned or rewritten.
fn as_sent(startup: &Startup<'_>) -> Vec<(String, String)> {
    let parameters = startup.parameters.iter();
    parameters
        .filter(|(name, _)| !matches!(*name, "user" | "database") && !name.starts_with("_pq_."))
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn refused(guard: &'static str, name: &str, value: &str) -> Box<ErrorReply> {
    let message = format!("startup parameter \"{name}\" may not be \"{value}\"");
    let instead = match name.eq_ignore_ascii_case("client_encoding") {
        true => "Connect with PGCLIENTENCODING=UTF8; ",
        false => "",
    };
    let mut reply = ErrorReply::fatal(SqlState::POLICY, message)
        .detail(format!("It was refused by guard \"{guard}\"."))
        .hint(format!("{instead}portcullis help {guard}"));
    reply.decided = Some((guard.into(), String::new(), 0));
    Box::new(reply)
}

/// A refusal for somebody who is not in yet.
pub(super) fn at_login(refusal: Refusal) -> ErrorReply {
    let mut reply = ErrorReply::fatal(refusal.sqlstate, refusal.message)
        .detail(format!("{}.", refusal.detail))
        .hint(refusal.hint.unwrap_or_default());
    let place = (refusal.policy_file.to_string(), refusal.policy_line);
    reply.decided = Some((refusal.guard.id().into(), place.0, place.1));
    reply
}

/// Does the client ask for replication, and may it? Read as PostgreSQL reads it, but that two values are
/// one too many.
fn replication(startup: &Startup<'_>, who: &Who) -> Result<bool, Box<ErrorReply>> {
    let parameters = startup.parameters.iter();
    let mut values = parameters.filter(|(name, _)| *name == "replication");
    let Some((name, value)) = values.next() else {
        return Ok(false);
    };
    let physical = match (*value, boolean(value)) {
        _ if values.next().is_some() => {
            let message = "\"replication\" is there twice";
            return Err(Box::new(ErrorReply::fatal(SqlState::PROTOCOL, message)));
        }
        ("database", _) => false,
        (_, Some(true)) => true,
        (_, Some(false)) => return Ok(false),
        (_, None) => {
            let message = format!("invalid value for parameter \"{name}\": \"{value}\"");
            let reply = ErrorReply::fatal(INVALID_VALUE, message)
                .hint("Valid values are: \"false\", 0, \"true\", 1, \"database\".");
            return Err(Box::new(reply));
        }
    };
    match guards::replication::at_startup(who, physical) {
        None => Ok(true),
        Some(objection) => {
            let refusal = objection.refuse(Guard::Replication, who, None);
            Err(Box::new(at_login(refusal)))
        }
    }
}

/// PostgreSQL's `invalid_parameter_value` and `undefined_object`.
const INVALID_VALUE: SqlState = SqlState(*b"22023");
const UNDEFINED_OBJECT: SqlState = SqlState(*b"42704");

fn unrecognized(name: &str) -> Box<ErrorReply> {
    let message = format!("unrecognized configuration parameter \"{name}\"");
    Box::new(ErrorReply::fatal(UNDEFINED_OBJECT, message))
}

/// PostgreSQL's spellings of a truth value: any beginning of a word that is of no other.
fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// The grammar of `options` (PostgreSQL's `pg_split_opts` and `process_postgres_switches`): words
/// parted by white space, a backslash escapes; `-c name=value`, `-cname=value`, `--name=value`, and of
/// the single letters those that a client may set: `-e`, `-f` and `-S`.
fn options(text: &str) -> Result<Vec<(String, String)>, Box<ErrorReply>> {
    let mut settings = Vec::new();
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').filter(|letters| *letters != "-");
        let mut letters = letters.ok_or_else(|| invalid(&word))?;
        while let Some(letter) = letters.chars().next() {
            let rest = &letters[letter.len_utf8()..];
            if letter == 'e' {
                settings.push(("datestyle".to_owned(), "euro".to_owned()));
                letters = rest;
                continue;
            }
            let argument = match rest {
                "" => words.next().ok_or_else(|| invalid(&word))?,
                rest => rest.to_owned(),
            };
            settings.push(switch(letter, argument).ok_or_else(|| invalid(&word))?);
            break;
        }
    }
    Ok(settings)
}

/// What a letter with an argument sets.
fn switch(letter: char, argument: String) -> Option<(String, String)> {
    let disabled = |what: &str| Some((format!("enable_{what}"), "off".to_owned()));
    match (letter, argument.as_str()) {
        ('c' | '-', _) => {
            let (name, value) = argument.split_once('=')?;
            Some((name.replace('-', "_"), value.to_owned()))
        }
        ('S', _) => Some(("work_mem".to_owned(), argument)),
        ('f', "s") => disabled("seqscan"),
        ('f', "i") => disabled("indexscan"),
        ('f', "o") => disabled("indexonlyscan"),
        ('f', "b") => disabled("bitmapscan"),
        ('f', "t") => disabled("tidscan"),
        ('f', "n") => disabled("nestloop"),
        ('f', "m") => disabled("mergejoin"),
        ('f', "h") => disabled("hashjoin"),
        _ => None,
    }
}

fn invalid(word: &str) -> Box<ErrorReply> {
    Box::new(ErrorReply::fatal(
        SqlState::SYNTAX,
        format!("invalid command-line argument for server process: {word}"),
    ))
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            // PostgreSQL's isspace() in the C locale.
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests;
