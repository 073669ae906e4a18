//! `portcullis lint`: migration files judged before they ship, offline, by the engine of the proxy:
//! every statement as in an open migration session.

mod judge;
mod place;
mod report;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::answer::Answer;
use super::judged;
use crate::clock::today;
use crate::config::Problem;
use crate::policy::{Kind, Phase, Policy, State, Who};
use crate::tls::files::open_regular_or_pipe;
use judge::Found;

/// Longest file: the longest text that `max_statement_bytes` allows.
const MAX_FILE: u64 = 64 << 20;
/// Most files of one run.
const MAX_FILES: usize = 100_000;
/// How deep directories are searched.
const MAX_DEPTH: usize = 16;

/// Judges migration files before they ship: every statement as in an open migration session, with the
/// guards and messages of the proxy. Nothing is connected to.
#[derive(Debug, Args)]
#[command(after_help = super::examples::LINT)]
pub struct LintArgs {
    /// Files, or directories of *.sql
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The policy
    #[arg(long, value_name = "FILE", default_value = "policies/production.toml")]
    policy: PathBuf,
    /// Who migrates [default: the policy's only migrator]
    #[arg(long)]
    login: Option<String>,
    /// Which database [default: the first that the login may reach]
    #[arg(long)]
    database: Option<String>,
    /// As in a session that was opened for this phase; expand: whatever takes something away from
    /// code that still runs is refused
    #[arg(long, value_parser = judged::phases())]
    phase: Option<Phase>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print JSON
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// How the problems are printed.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// FILE:LINE:COLUMN, as compilers print it
    #[default]
    Text,
    /// For programs
    Json,
    /// For CI systems
    Junit,
    /// For code review
    Sarif,
}

/// Prints what would be refused, and on stderr the warnings of the policy. 0: nothing; 1: something; 2: a file could
/// not be read.
pub fn run(args: &LintArgs) -> ExitCode {
    lint(args).unwrap_or_else(|why| failed(args, why)).print()
}

/// It could not be done: said in the form that was asked for, so that what reads it need not guess.
fn failed(args: &LintArgs, why: String) -> Answer {
    match failure(args.format, &why) {
        Some(stdout) => Answer {
            stdout,
            ..Answer::failed(why)
        },
        None => Answer::failed_as(args.json || args.format == Format::Json)(why),
    }
}

/// The document that says why it could not be done, of a form that `lint` alone has.
pub(super) fn failure(format: Format, why: &str) -> Option<String> {
    match format {
        Format::Junit => Some(report::junit_of_failure(why)),
        Format::Sarif => Some(report::sarif_of_failure(why)),
        Format::Text | Format::Json => None,
    }
}

/// What was found in one file.
#[derive(Debug, Default)]
struct Linted {
    /// As it was named to us.
    file: String,
    statements: usize,
    found: Vec<Found>,
}

/// `Err`: what could not be done.
fn lint(args: &LintArgs) -> Result<Answer, String> {
    let (policy, warnings) = judged::valid_given_policy(&args.policy)?;
    let login = match &args.login {
        Some(login) => login.clone(),
        None => only_migrator(&policy)?,
    };
    let who = judged::who(&policy, &login, args.database.as_deref())?;
    judged::has_sessions(&who.login)?;
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    let state = State {
        phase: args.phase,
        ..judged::state(true)
    };
    let linted: Result<Vec<Linted>, String> =
        files.iter().map(|file| one(file, &who, state)).collect();
    let linted = linted?;
    let refused = linted
        .iter()
        .any(|linted| linted.found.iter().any(Found::is_error));
    let stdout = match args.format {
        _ if args.json => report::as_json(&linted),
        Format::Text => report::as_text(&linted),
        Format::Json => report::as_json(&linted),
        Format::Junit => report::as_junit(&linted),
        Format::Sarif => report::as_sarif(&linted),
    };
    Ok(Answer {
        stdout,
        stderr: worth_a_look(args, &policy, warnings),
        code: u8::from(refused),
    })
}

/// What `portcullis check` warns of in the policy: it judges otherwise than its author may believe.
fn worth_a_look(args: &LintArgs, policy: &Policy, mut warnings: Vec<Problem>) -> String {
    let file = args.policy.display().to_string();
    warnings.extend(policy.expiring(today(), &file));
    let said: String = warnings.iter().map(|it| format!("\n{it}")).collect();
    match warnings.len() {
        0 => String::new(),
        many => format!("{} of the policy{said}", judged::count(many, "warning")),
    }
}

fn only_migrator(policy: &Policy) -> Result<String, String> {
    let logins = judged::logins(policy);
    let migrators = logins.iter().filter(|login| login.kind == Kind::Migrator);
    let names: Vec<&str> = migrators.map(|login| &*login.name).collect();
    match names[..] {
        [name] => Ok(name.to_owned()),
        [] => Err(format!("{} has no migrator", policy.file)),
        _ => Err(format!("--login is needed: one of {}", names.join(", "))),
    }
}

/// The files that a path stands for: itself, or those below it that end in .sql, in alphabetical
/// order, whatever its case. What begins with a dot is passed over; links are followed.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let before = files.len();
    below(path, 0, files)?;
    match files.len() == before {
        true => Err(format!("{} has no *.sql", path.display())),
        false => Ok(()),
    }
}

fn below(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error| format!("could not read {}: {error}", directory.display());
    if depth > MAX_DEPTH {
        return Err(format!("{} is too deep", directory.display()));
    }
    let entries: Result<Vec<_>, _> = std::fs::read_dir(directory)
        .map_err(unreadable)?
        .take(MAX_FILES + 1)
        .collect();
    let mut entries = entries.map_err(unreadable)?;
    if entries.len() > MAX_FILES {
        return Err(format!("more than {MAX_FILES} files"));
    }
    entries.sort_unstable_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            below(&path, depth + 1, files)?;
        } else if path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("sql"))
        {
            // What cannot be read is no clean file.
            if !path.is_file() {
                return Err(format!("{} is not a regular file", path.display()));
            }
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(format!("more than {MAX_FILES} files"));
        }
    }
    Ok(())
}

fn one(path: &Path, who: &Who, state: State) -> Result<Linted, String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    open_regular_or_pipe(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("could not read {}: {error}", path.display()))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("{} is longer than 64MB", path.display()));
    }
    let (statements, found) = judge::judge(&bytes, who, state);
    Ok(Linted {
        file: path.display().to_string(),
        statements,
        found,
    })
}
