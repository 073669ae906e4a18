//! `portcullis explain`: the verdict on a statement, and why. The same engine as the proxy, offline.

mod behind;
mod facts;
mod report;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use self::behind::{Ahead, Whole};
use super::answer::Answer;
use super::judged::{self, Finding, alone, cut, findings, one_line};
use super::test::player::{messages, play_in, prepared};
use super::test::upstream::Upstream;
use crate::conversation::{Types, without_what_is_bound};
use crate::policy::guards::bulk_export;
use crate::policy::{
    Guard, Mode, Objection, Phase, Refusal, State, Verdict, Who, decide, decide_command,
};
use crate::sql::{Class, ClassSet, Facts, Fingerprint, Statement};

/// A Parse that declares no types.
const NO_TYPES: Types<'_> = Types {
    all: &[0, 0],
    remembered: false,
};

/// Longest text that is explained: the largest that `max_statement_bytes` allows.
const MAX_TEXT: u64 = 64 << 20;

/// Says what a policy makes of a text, statement by statement.
#[derive(Debug, Args)]
#[command(after_help = super::examples::EXPLAIN)]
pub struct ExplainArgs {
    /// The policy file
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Who asks
    #[arg(long)]
    login: String,
    /// Which database [default: the first that the login may reach]
    #[arg(long)]
    database: Option<String>,
    /// The zone that the client's startup packet says, of a login that sets its zone itself: each
    /// statement is judged in it, and RESET in the text returns to it
    #[arg(long)]
    zone: Option<String>,
    /// As in an open migration session; PHASE, expand or contract: one that was opened for it
    #[arg(long, value_name = "PHASE", num_args = 0..=1, value_parser = unmarked)]
    migration: Option<Option<String>>,
    /// Read the text from a file
    #[arg(long, value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The text, judged as one message; - reads it from stdin
    #[arg(required_unless_present_any = ["file", "migration"], value_parser = unmarked)]
    sql: Option<String>,
}

/// Stands before a text that begins with a comment, while the command line is read: no argument of a
/// process can hold it.
const MARK: char = '\0';

/// Marks the texts of `explain` that begin with a comment, so that they are not taken for options. What
/// begins with two hyphens and is one word on one line is an option, if a mistyped one.
pub(super) fn comments_are_texts(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    if arguments.get(1).is_some_and(|word| word == "explain") {
        for argument in arguments.iter_mut().skip(2) {
            if let Some(text) = argument.to_str().filter(|text| is_comment(text)) {
                *argument = format!("{MARK}{text}").into();
            }
        }
    }
    arguments
}

fn is_comment(text: &str) -> bool {
    let blank = |rest: &str| rest.starts_with(|c: char| c.is_ascii_whitespace());
    let rest = text.strip_prefix("--");
    rest.is_some_and(|rest| blank(rest) || rest.contains(['\n', '\r']))
}

/// The argument without its mark.
fn unmarked(text: &str) -> Result<String, Infallible> {
    Ok(text.strip_prefix(MARK).unwrap_or(text).to_owned())
}

/// Prints the verdict. 0: allowed; 1: refused; 2: it could not be judged.
pub fn run(args: &ExplainArgs) -> ExitCode {
    explain(args)
        .unwrap_or_else(Answer::failed_as(args.json))
        .print()
}

/// `Err`: what could not be done.
fn explain(args: &ExplainArgs) -> Result<Answer, String> {
    let (migration, sql) = args.migration()?;
    let text = text(args.file.as_deref(), sql)?;
    let (policy, _) = judged::valid_given_policy(&args.policy)?;
    let who = judged::who(&policy, &args.login, args.database.as_deref())?;
    if let Some(zone) = &args.zone {
        may_be_in(&who, zone)?;
    }
    let state = match migration {
        None => judged::state(false),
        Some(phase) => {
            judged::has_sessions(&who.login)?;
            State {
                phase,
                ..judged::state(true)
            }
        }
    };
    let zone = args.zone.as_deref();
    let chosen = judged::chosen(zone);
    let state = State { chosen, ..state };
    let explanation = Explanation::new(&text, who, zone, state);
    let stdout = if args.json {
        report::as_json(&explanation)
    } else {
        report::as_text(&explanation)
    };
    let code = u8::from(explanation.refusal.is_some());
    Ok(Answer {
        stdout,
        code,
        ..Answer::default()
    })
}

impl ExplainArgs {
    /// The migration session, if it is to be in one, and the text. A word behind `--migration` that
    /// is no phase is the text, which would stand there if the phase were left out.
    fn migration(&self) -> Result<(Option<Option<Phase>>, Option<&str>), String> {
        let sql = self.sql.as_deref();
        let needed = "the text is needed: 'SQL', - for stdin, or --file FILE";
        let (migration, sql) = match &self.migration {
            None => (None, sql),
            Some(None) => (Some(None), sql),
            Some(Some(word)) => match (Phase::from_id(word), sql, &self.file) {
                (Some(phase), ..) => (Some(Some(phase)), sql),
                (None, None, None) => (Some(None), Some(&**word)),
                (None, ..) => {
                    let known = Phase::ALL.map(Phase::id).join(", ");
                    return Err(format!("\"{word}\" is no phase; one of: {known}"));
                }
            },
        };
        match sql.is_none() && self.file.is_none() {
            true => Err(needed.to_owned()),
            false => Ok((migration, sql)),
        }
    }
}

/// May the connection be in this zone?
fn may_be_in(who: &Who, zone: &str) -> Result<(), String> {
    let (login, noun) = (&who.login.name, who.noun());
    match (who.grant(), who.zone()) {
        (Some(grant), _) if grant.admits(zone) => Ok(()),
        (None, Some(own)) if own == zone => Ok(()),
        (Some(_), _) => Err(format!(
            "{noun} \"{zone}\" is not granted to login \"{login}\""
        )),
        (None, Some(own)) => Err(format!("{noun} of login \"{login}\" is \"{own}\"")),
        (None, None) => Err(format!("login \"{login}\" has no {noun}")),
    }
}

fn text(file: Option<&Path>, sql: Option<&str>) -> Result<Vec<u8>, String> {
    let (name, read) = match (file, sql) {
        (Some(path), _) => (
            path.display().to_string(),
            std::fs::File::open(path).and_then(all),
        ),
        (None, Some("-") | None) => ("stdin".to_owned(), all(std::io::stdin().lock())),
        (None, Some(sql)) => return Ok(sql.as_bytes().to_vec()),
    };
    let text = read.map_err(|error| format!("could not read {name}: {error}"))?;
    if text.len() as u64 > MAX_TEXT {
        return Err(format!("{name} is longer than 64MB"));
    }
    Ok(judged::without_mark(&text).to_vec())
}

fn all(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(MAX_TEXT + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Who says a zone.
#[derive(Clone, Copy)]
enum Says {
    /// The policy, of the login.
    Login,
    /// The client, in its startup packet.
    Startup,
}

impl Says {
    fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Startup => "startup",
        }
    }
}

/// Everything there is to say about a text.
struct Explanation {
    who: Who,
    /// The zone that the client's startup packet says.
    chosen: Option<String>,
    /// What the client is answered with.
    refusal: Option<Refusal>,
    /// What the server gets of the text as a simple query.
    upstream: Upstream,
    statements: Vec<Explained>,
    /// What the message as a whole is objected to, beside its statements.
    message: Vec<Finding>,
    /// What an exception calls the message.
    fingerprint: Option<Fingerprint>,
    /// The text could not be described: nothing is said about single statements.
    undescribed: bool,
}

/// One statement by itself.
struct Explained {
    /// Its text, on one line.
    text: String,
    /// The relations it names: a label, which no guard reads.
    relations: Vec<String>,
    facts: Statement,
    findings: Vec<Finding>,
}

impl Explanation {
    fn new(text: &[u8], who: Who, zone: Option<&str>, state: State) -> Self {
        let command = judged::command(text, &who);
        let facts = match &command {
            Some(command) => command.facts(text),
            None => judged::facts(text),
        };
        // Where names are bound it comes as a Parse, and each Bind is judged by itself.
        let parsed = without_what_is_bound(&facts, NO_TYPES, &who);
        let judged = parsed.as_ref().unwrap_or(&facts);
        let findings = |facts: &Facts| match &command {
            Some(command) => judged::of_command(command, &who),
            None => findings(facts, &who, state),
        };
        let sql = String::from_utf8_lossy(text);
        let played = match parsed {
            Some(_) => play_in(&who, zone, state, &prepared(&sql)),
            None => play_in(&who, zone, state, &messages(&sql, false)),
        };
        let decision = match &command {
            Some(command) => decide_command(command, judged, &who),
            None => decide(judged, &who, state),
        };
        let refusal = match decision.verdict {
            Verdict::Refuse(refusal) => Some(*refusal),
            Verdict::Allow => played.refusal,
        };
        let undescribed = facts.undescribed.is_some();
        let statements = match undescribed {
            true => Vec::new(),
            false => {
                let whole = Whole {
                    facts: judged,
                    who: &who,
                    state,
                    refusal: refusal.as_ref(),
                };
                one_by_one(&sql, &facts, &whole, findings)
            }
        };
        let message = of_message(findings(judged), &who, &statements, refusal.as_ref());
        Self {
            who,
            chosen: zone.map(str::to_owned),
            refusal,
            upstream: played.upstream,
            statements,
            message,
            fingerprint: facts.fingerprint(),
            undescribed,
        }
    }
}

/// Each statement with what `findings` says of it as it is judged, where that holds behind those ahead of it.
fn one_by_one(
    sql: &str,
    facts: &Facts,
    whole: &Whole<'_>,
    findings: impl Fn(&Facts) -> Vec<Finding>,
) -> Vec<Explained> {
    let mut ahead = Ahead::default();
    let statements = facts.statements.iter().zip(&whole.facts.statements);
    let all = statements.zip(cut(sql, facts)).enumerate();
    all.map(|(at, ((statement, judged), text))| {
        let mut findings = findings(&alone(judged, facts.fingerprint()));
        findings.retain(|finding| ahead.holds(at, finding, whole));
        Explained {
            text: one_line(text),
            relations: crate::sql::labels::relations(text),
            facts: statement.clone(),
            findings,
        }
    })
    .collect()
}

/// Of all that a message is objected to, what is not told of one of its statements.
fn of_message(
    mut message: Vec<Finding>,
    who: &Who,
    statements: &[Explained],
    refusal: Option<&Refusal>,
) -> Vec<Finding> {
    // Off unless it is asked for: it would be told of every message of several statements.
    if who.policy.mode(Guard::MultiStatement) == Mode::Off {
        message.retain(|finding| finding.guard != Guard::MultiStatement);
    }
    let told = |guard| statements.iter().any(|statement| statement.has(guard));
    message.retain(|finding| !told(finding.guard));
    // What only the conversation knows: where a zone cannot be set.
    if let Some(refusal) = refusal
        && !message.iter().any(|finding| finding.guard == refusal.guard)
        && !told(refusal.guard)
    {
        let objection = Objection::new(refusal.message.clone()).sqlstate(refusal.sqlstate);
        message.push(Finding {
            guard: refusal.guard,
            objection,
            exempt: false,
            by_conversation: true,
        });
    }
    message
}

impl Explanation {
    /// The zone that the text comes in, if there is one, and who says it.
    fn zone(&self) -> Option<(&str, Says)> {
        let own = self.who.zone().map(|zone| (zone, Says::Login));
        own.or(self.chosen.as_deref().map(|zone| (zone, Says::Startup)))
    }

    /// The most rows that the login gets at a time, where the text can have any.
    fn max_rows(&self) -> Option<u64> {
        const ROWS: ClassSet = ClassSet::of(Class::Read)
            .with(Class::Write)
            .with(Class::Show)
            .with(Class::Explain)
            .with(Class::Cursor)
            .with(Class::Execute)
            .with(Class::CopyOut);
        let mut all = self.statements.iter();
        let any = all.any(|statement| statement.facts.classes.intersects(ROWS));
        bulk_export::limit(&self.who).filter(|_| any)
    }
}

impl Explained {
    fn has(&self, guard: Guard) -> bool {
        self.findings.iter().any(|finding| finding.guard == guard)
    }
}
