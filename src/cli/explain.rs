//! `portcullis explain`: the verdict on a statement, and why. The same engine as the proxy, offline.

mod report;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::answer::Answer;
use crate::config::read;
use crate::policy::{
    Decision, Guard, Kind, Mode, Objection, Policy, State, Verdict, Who, decide, guards,
};
use crate::sql::{Facts, Statement, describe};

/// Longest text that is explained: the largest that `max_statement_bytes` allows.
const MAX_TEXT: u64 = 64 << 20;

/// Says what a policy makes of a text, statement by statement.
#[derive(Debug, Args)]
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
    /// As in an open migration session
    #[arg(long)]
    migration: bool,
    /// Read the text from a file
    #[arg(long, value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The text, judged as one message; - reads it from stdin
    #[arg(required_unless_present = "file")]
    sql: Option<String>,
}

/// Prints the verdict. 0: allowed; 1: refused; 2: it could not be judged.
pub fn run(args: &ExplainArgs) -> ExitCode {
    explain(args).unwrap_or_else(Answer::failed).print()
}

/// `Err`: what could not be done.
fn explain(args: &ExplainArgs) -> Result<Answer, String> {
    let text = text(args)?;
    let who = who(args)?;
    let state = State {
        migration_open: args.migration,
        today: Some(crate::clock::today()),
    };
    if args.migration && who.login.kind != Kind::Migrator {
        return Err(format!(
            "login \"{}\" is not a migrator: it has no migration sessions",
            who.login.name
        ));
    }
    let explanation = Explanation::new(&text, who, state);
    let stdout = if args.json {
        report::as_json(&explanation)
    } else {
        report::as_text(&explanation)
    };
    let code = u8::from(matches!(explanation.decision.verdict, Verdict::Refuse(_)));
    Ok(Answer {
        stdout,
        code,
        ..Answer::default()
    })
}

fn text(args: &ExplainArgs) -> Result<Vec<u8>, String> {
    let (name, read) = match (&args.file, args.sql.as_deref()) {
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
    Ok(text)
}

fn all(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(MAX_TEXT + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn who(args: &ExplainArgs) -> Result<Who, String> {
    let told = |problems: Vec<crate::config::Problem>| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("the policy is not valid\n{}", problems.join("\n"))
    };
    let file = args.policy.display().to_string();
    let (policy, _) = read(&args.policy)
        .and_then(|text| Policy::parse(&text, &file))
        .map_err(told)?;
    let Some(login) = policy.logins.get(&*args.login).cloned() else {
        let mut names: Vec<&str> = policy.logins.keys().map(|name| &**name).collect();
        names.sort_unstable();
        return Err(format!(
            "{file} has no login \"{}\"; it has {}",
            args.login,
            names.join(", ")
        ));
    };
    let database = args
        .database
        .as_deref()
        .or(login.databases.first().map(|name| &**name))
        .unwrap_or_default();
    if !login.databases.iter().any(|name| **name == *database) {
        return Err(format!(
            "login \"{}\" may reach {} only, not \"{database}\"",
            login.name,
            login.databases.join(", ")
        ));
    }
    Ok(Who {
        database: database.into(),
        login,
        policy: Arc::new(policy),
    })
}

/// Everything there is to say about a text.
struct Explanation {
    who: Who,
    decision: Decision,
    statements: Vec<Explained>,
    /// What the message as a whole is objected to, beside its statements.
    message: Vec<Finding>,
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

/// A guard that objects, in whatever mode.
struct Finding {
    guard: Guard,
    objection: Objection,
}

impl Explanation {
    fn new(text: &[u8], who: Who, state: State) -> Self {
        let facts = describe(text);
        let decision = decide(&facts, &who, state);
        let lossy = String::from_utf8_lossy(text);
        let texts = cut(&lossy, &facts);
        let explained = |(statement, text): (&Statement, &str)| Explained {
            text: one_line(text),
            relations: crate::sql::labels::relations(text),
            facts: statement.clone(),
            findings: findings(&alone(statement), &who, state),
        };
        let undescribed = facts.undescribed.is_some();
        let statements: Vec<Explained> = match undescribed {
            true => Vec::new(),
            false => facts.statements.iter().zip(texts).map(explained).collect(),
        };
        let mut message = findings(&facts, &who, state);
        message.retain(|finding| {
            !statements
                .iter()
                .any(|statement| statement.has(finding.guard))
        });
        Self {
            who,
            decision,
            statements,
            message,
            undescribed,
        }
    }
}

impl Explained {
    fn has(&self, guard: Guard) -> bool {
        self.findings.iter().any(|finding| finding.guard == guard)
    }
}

impl Finding {
    /// An ended migration session is no matter of modes.
    fn mode(&self, who: &Who) -> Mode {
        if who.login.kind == Kind::Migrator && self.guard == Guard::DdlOutsideMigration {
            return Mode::Enforce;
        }
        who.policy.mode(self.guard)
    }
}

/// The guard that refuses: the first of them that enforces.
fn enforced<'f>(findings: &'f [Finding], who: &Who) -> Option<&'f Finding> {
    findings
        .iter()
        .find(|finding| finding.mode(who) == Mode::Enforce)
}

/// The facts as if the statement were the only one of its message.
fn alone(statement: &Statement) -> Facts {
    Facts {
        statements: vec![statement.clone()],
        classes: statement.classes,
        undescribed: None,
        fingerprint: None,
    }
}

/// Every guard that objects, whatever its mode, in the order in which they are asked.
fn findings(facts: &Facts, who: &Who, state: State) -> Vec<Finding> {
    if who.login.kind == Kind::Migrator && !state.migration_open && !facts.is_empty_query() {
        let objection = guards::ddl_outside_migration::ended(facts);
        return vec![Finding {
            guard: Guard::DdlOutsideMigration,
            objection,
        }];
    }
    guards::TABLE
        .iter()
        .filter_map(|(guard, judge)| {
            Some(Finding {
                guard: *guard,
                objection: judge(facts, who, state)?,
            })
        })
        .collect()
}

/// The text of each statement: from its first token to the next one's.
fn cut<'t>(text: &'t str, facts: &Facts) -> Vec<&'t str> {
    let starts: Vec<usize> = facts
        .statements
        .iter()
        .map(|statement| byte_offset(text, statement.position))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &text[*start..end.max(*start)])
        .collect()
}

fn byte_offset(text: &str, position: u32) -> usize {
    let characters = (position as usize).saturating_sub(1);
    text.char_indices()
        .nth(characters)
        .map_or(text.len(), |(at, _)| at)
}

/// Words with single spaces, without the closing semicolon, at most 120 characters, nothing that a terminal obeys.
fn one_line(text: &str) -> String {
    const MOST: usize = 120;
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches([';', ' ']);
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}
