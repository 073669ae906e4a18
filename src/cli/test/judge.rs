//! Did a case come out as it should, for the right reason?

use super::case::{Case, Expect, Script};
use super::player::{Played, messages, play_in};
use super::server::Seen;
use crate::cli::judged;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub name: String,
    /// The file of cases.
    pub file: String,
    /// Of the case in its file.
    pub line: u32,
    /// `None`: as expected.
    pub failure: Option<Failure>,
}

/// A wrong answer, or a right one for the wrong reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub expected: String,
    pub got: String,
}

/// Plays a case. A text goes as a simple Query and, where it is one statement, through the extended
/// protocol; both must come out as expected. `file`: that it stands in.
pub(super) fn judge(case: &Case, file: &str) -> Outcome {
    Outcome {
        name: case.name.clone(),
        file: file.to_owned(),
        line: case.line,
        failure: failure(case),
    }
}

fn failure(case: &Case) -> Option<Failure> {
    let zone = case.who.zone();
    if let (Some(wanted), Some(grant)) = (&case.zone, case.who.grant()) {
        if !grant.admits(wanted) {
            return Some(Failure {
                expected: format!("zone {wanted}"),
                got: format!("it is not granted to login \"{}\"", case.who.login.name),
            });
        }
    } else if let Some(wanted) = case.zone.as_deref().filter(|wanted| Some(*wanted) != zone) {
        let has = zone.map_or_else(|| "no zone".to_owned(), |zone| format!("zone {zone}"));
        return Some(Failure {
            expected: format!("zone {wanted}"),
            got: format!("login \"{}\" has {has}", case.who.login.name),
        });
    }
    match &case.script {
        Script::Steps(steps) => {
            let played = play_in(&case.who, case.zone.as_deref(), case.state(), steps);
            compare(&case.expect, &played, "")
        }
        Script::Sql(sql) => {
            let one = judged::facts(sql.as_bytes()).statements.len() <= 1;
            let simple = !matches!(
                case.expect.at,
                Some("parse" | "bind" | "describe" | "execute")
            );
            let extended = one && case.expect.at != Some("query");
            let ways = [
                (simple, false, "as a simple query"),
                (extended || !simple, true, "parsed, bound and executed"),
            ];
            ways.into_iter()
                .filter(|(taken, ..)| *taken)
                .find_map(|(_, extended, way)| {
                    let zone = case.zone.as_deref();
                    let steps = messages(sql, extended);
                    let played = play_in(&case.who, zone, case.state(), &steps);
                    compare(&case.expect, &played, way)
                })
        }
    }
}

fn compare(expect: &Expect, played: &Played, way: &str) -> Option<Failure> {
    let right = played.broken.is_none()
        && match &expect.refused {
            None => is_allowed(played),
            Some(id) => is_refused(expect, id, played),
        }
        && expect
            .upstream
            .as_ref()
            .is_none_or(|words| *words == played.upstream.words)
        && expect
            .observed
            .as_ref()
            .is_none_or(|ids| same(ids, &observed(played)));
    (!right).then(|| Failure {
        expected: wanted(expect),
        got: got(expect, played, way),
    })
}

fn is_allowed(played: &Played) -> bool {
    played.errors.is_empty() && played.upstream.whole
}

/// The first error that the client got is the refusal, and the only one: what follows it must go through.
fn is_refused(expect: &Expect, id: &str, played: &Played) -> bool {
    let [error] = &played.errors[..] else {
        return false;
    };
    let has =
        |text: &str, part: &Option<String>| part.as_deref().is_none_or(|part| text.contains(part));
    error.routine == id
        && expect
            .sqlstate
            .as_ref()
            .is_none_or(|wanted| *wanted == error.sqlstate)
        && has(&error.message, &expect.message)
        && has(&error.hint, &expect.hint)
        && expect.at.is_none_or(|at| played.refused_at == Some(at))
}

/// The same words, in any order.
fn same(wanted: &[String], got: &[String]) -> bool {
    let sorted = |words: &[String]| {
        let mut words = words.to_vec();
        words.sort_unstable();
        words
    };
    sorted(wanted) == sorted(got)
}

fn observed(played: &Played) -> Vec<String> {
    played
        .observed
        .iter()
        .map(|guard| guard.id().to_owned())
        .collect()
}

/// `refused by ddl-outside-migration (42501, at parse)`
fn wanted(expect: &Expect) -> String {
    let mut text = match &expect.refused {
        None => "allowed".to_owned(),
        Some(id) => {
            let at = expect.at.map(|at| format!("at {at}"));
            let facts: Vec<String> = expect.sqlstate.clone().into_iter().chain(at).collect();
            match facts.is_empty() {
                true => format!("refused by {id}"),
                false => format!("refused by {id} ({})", facts.join(", ")),
            }
        }
    };
    for (word, part) in [("message", &expect.message), ("hint", &expect.hint)] {
        if let Some(part) = part {
            text.push_str(&format!(", {word} with \"{part}\""));
        }
    }
    lists(
        &mut text,
        expect.upstream.as_deref(),
        expect.observed.as_deref(),
    );
    text
}

/// What happened, as far as the case asks for it.
fn got(expect: &Expect, played: &Played, way: &str) -> String {
    let mut text = match played.errors.first() {
        None if played.refused_at.is_some() => "refused, and the client was not told".to_owned(),
        None => "allowed".to_owned(),
        Some(error) if error.routine.is_empty() => {
            format!("an error of the server ({})", error.sqlstate)
        }
        Some(error) => {
            let at = played.refused_at.unwrap_or("no message");
            format!(
                "refused by {} ({}, at {at}): {}",
                error.routine, error.sqlstate, error.message
            )
        }
    };
    if let (Some(id), [first, second, ..]) = (&expect.refused, &played.errors[..])
        && first.routine == *id
    {
        text.push_str(&format!("; behind it {}", behind(second)));
    }
    if let (Some(_), Some(error)) = (&expect.hint, played.errors.first()) {
        text.push_str(&format!("; hint: {}", error.hint));
    }
    let seen = expect.upstream.is_some() || (expect.refused.is_none() && !played.upstream.whole);
    let observes = expect.observed.is_some().then(|| observed(played));
    lists(
        &mut text,
        seen.then_some(&played.upstream.words[..]),
        observes.as_deref(),
    );
    let words = expect
        .upstream
        .as_ref()
        .filter(|words| **words != played.upstream.words && same(words, &played.upstream.words));
    if words.is_some() {
        text.push_str(", in this order");
    }
    if let Some(why) = &played.broken {
        text.push_str(&format!("; the connection ended: {why}"));
    }
    match way {
        "" => text,
        way => format!("{text} ({way})"),
    }
}

/// An error behind the refusal that the case expects.
fn behind(error: &Seen) -> String {
    match error.routine.is_empty() {
        true => format!("an error of the server ({})", error.sqlstate),
        false => format!(
            "refused by {} ({}): {}",
            error.routine, error.sqlstate, error.message
        ),
    }
}

fn lists(text: &mut String, upstream: Option<&[String]>, observed: Option<&[String]>) {
    for (word, list) in [("upstream", upstream), ("observed", observed)] {
        if let Some(list) = list {
            let list = if list.is_empty() {
                "none".to_owned()
            } else {
                list.join(" + ")
            };
            text.push_str(&format!("; {word}: {list}"));
        }
    }
}
