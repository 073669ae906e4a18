//! Startup parameters: which go to the server, which are set there at session level, which are
//! refused. What PgBouncer does not know would end the connection there, or be dropped silently.

use crate::error::SqlState;
use crate::policy::{Kind, Refusal, RouteName, Who, guards};
use crate::protocol::reply::ErrorReply;
use crate::protocol::startup::Startup;

/// What becomes of a client's startup parameters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// For the startup packet: parameters that PgBouncer of every version tracks.
    pub startup: Vec<(String, String)>,
    /// What decides where a string ends was set for good, and the server must say so.
    pub pinned: bool,
    /// To be set with set_config once logged in: only where the server connection is the client's own.
    pub session: Vec<(String, String)>,
}

/// Parameters that change how SQL is read or who runs it: never from a startup packet.
const REFUSED: [&str; 5] = [
    "role",
    "session_authorization",
    "session_replication_role",
    "row_security",
    "backslash_quote",
];

/// Sorts the parameters of a startup packet.
pub fn sort(
    startup: &Startup<'_>,
    who: &Who,
    route: RouteName,
) -> Result<Settings, Box<ErrorReply>> {
    let mut settings = Settings::default();
    if who.observes() && who.login.kind != Kind::Migrator {
        settings.startup = as_sent(startup);
        return Ok(settings);
    }
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in &startup.parameters {
        match *name {
            "user" | "database" => {}
            "options" => all.extend(options(value)?),
            name if name.starts_with("_pq_.") => {}
            name => all.push((name.to_owned(), (*value).to_owned())),
        }
    }
    for (name, value) in all {
        let folded = name.to_ascii_lowercase();
        let zone = who.policy.zone.as_ref().map(|zone| &*zone.parameter);
        match folded.as_str() {
            "application_name" | "datestyle" | "timezone" => settings.startup.push((folded, value)),
            "client_encoding" if is_utf8(&value) => {}
            "standard_conforming_strings" if value.eq_ignore_ascii_case("on") => {}
            "client_encoding" | "standard_conforming_strings" => {
                return Err(refused("lexing-parameters", &name, &value));
            }
            // Every value from 1 on gives the shortest exact text, as the server's default does.
            "extra_float_digits"
                if value
                    .parse()
                    .is_ok_and(|digits: i32| (1..=3).contains(&digits)) => {}
            "replication" if is_false(&value) => {}
            "replication" => {
                let message = "replication is not served by this version";
                return Err(Box::new(ErrorReply::fatal(SqlState::UNSUPPORTED, message)));
            }
            folded if Some(folded) == zone => return Err(refused("zone-parameter", &name, &value)),
            folded if REFUSED.contains(&folded) => {
                return Err(refused("role-change", &name, &value));
            }
            _ if route == RouteName::Session => {
                if let Some(refusal) = guards::parameters::at_startup(who, &folded, &value) {
                    return Err(Box::new(at_login(refusal)));
                }
                settings.session.push((folded, value));
            }
            _ => return Err(unsupported(&name)),
        }
    }
    // Pinned, whatever server, database and role have as their defaults: they decide where a string
    // ends. PgBouncer of every version keeps both for each client.
    let pinned = [
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
    ];
    let pinned = pinned.map(|(name, value)| (name.to_owned(), value.to_owned()));
    settings.startup.extend(pinned);
    settings.pinned = true;
    Ok(settings)
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
    let mut reply = ErrorReply::fatal(SqlState::POLICY, message)
        .detail(format!("It was refused by guard \"{guard}\"."))
        .hint(format!("portcullis help {guard}"));
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

fn unsupported(name: &str) -> Box<ErrorReply> {
    let message = format!("startup parameter \"{name}\" is not supported on the transaction route");
    let reply = ErrorReply::fatal(SqlState::UNSUPPORTED, message)
        .detail("A pooled connection would pass it on to another client.")
        .hint("Remove it from the connection settings, or use SET LOCAL in a transaction.");
    Box::new(reply)
}

/// `UTF8` in the spellings that drivers use (asyncpg quotes it).
fn is_utf8(value: &str) -> bool {
    let letters = value.chars().filter(char::is_ascii_alphanumeric);
    let letters: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    matches!(letters.as_str(), "utf8" | "unicode")
}

fn is_false(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "off" | "false" | "no" | "0"
    )
}

/// The grammar of `options` (PostgreSQL's `pg_split_opts` and `process_postgres_switches`): words
/// parted by white space, a backslash escapes; `-c name=value`, `-cname=value`, `--name=value`.
fn options(text: &str) -> Result<Vec<(String, String)>, Box<ErrorReply>> {
    let invalid = |word: &str| {
        Box::new(ErrorReply::fatal(
            SqlState::SYNTAX,
            format!("invalid word in startup options: \"{word}\""),
        ))
    };
    let mut settings = Vec::new();
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        let assignment = if word == "-c" || word == "--" {
            words.next().ok_or_else(|| invalid(&word))?
        } else if let Some(rest) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            rest.to_owned()
        } else {
            return Err(invalid(&word));
        };
        let (name, value) = assignment
            .split_once('=')
            .ok_or_else(|| invalid(&assignment))?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
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
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_postgresql_reads_them() {
        let read = |text| options(text).map_err(|error| error.message);
        let one = |name: &str, value: &str| Ok(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(read("-c work_mem=4MB"), one("work_mem", "4MB"));
        assert_eq!(read("-cwork_mem=4MB"), one("work_mem", "4MB"));
        assert_eq!(read("--work-mem=4MB\x0b"), one("work_mem", "4MB"));
        assert_eq!(
            read("-c\x0csearch_path=a\\ b\\\\c"),
            one("search_path", "a b\\c")
        );
        assert_eq!(read(""), Ok(Vec::new()));
        for bad in ["-c", "x", "-d 3", "-c nothing", "work_mem=1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn utf8_has_many_spellings_and_sjis_is_none() {
        for good in ["UTF8", "utf-8", "'utf-8'", "UNICODE", "Utf_8"] {
            assert!(is_utf8(good), "{good}");
        }
        for bad in ["SJIS", "LATIN1", "", "UTF16", "SQL_ASCII"] {
            assert!(!is_utf8(bad), "{bad}");
        }
    }
}
