//! `portcullis check`: every mistake in configuration and policy, in one run.

mod files;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use files::Files;

use super::answer::Answer;
use super::judged::count;
use super::test as cases;
use crate::clock::today;
use crate::config::{self, Config, Problem, read, read_given};
use crate::net::unproved::check_unproved;
use crate::policy::{Date, Policy, check_together, check_zone_keys};

/// Checks configuration and policy files. With a configuration, its policy is checked too, whether
/// the two fit, the other files that it names, and who could not log in. Exceptions that expire within
/// 14 days are told.
///
/// What would keep the proxy from starting is an error. A file or directory that the configuration names and that is
/// not here, or not for this user to read, is a warning: check may run where secrets and certificates are not.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Configuration and policy files, files of cases (NAME.test.toml), or directories of them [default: /etc/portcullis/portcullis.toml]
    files: Vec<PathBuf>,
    /// Print the problems as JSON
    #[arg(long)]
    json: bool,
}

/// Prints every problem. 0: no errors; 1: errors; 2: a file could not be read.
pub fn run(args: &CheckArgs) -> ExitCode {
    check(args, today()).print()
}

fn check(args: &CheckArgs, today: Date) -> Answer {
    let default = [PathBuf::from(config::DEFAULT_FILE)];
    let files = if args.files.is_empty() {
        &default[..]
    } else {
        &args.files
    };
    let mut run = Run {
        today,
        checked: Vec::new(),
        problems: Vec::new(),
        unreadable: false,
    };
    files.iter().for_each(|file| run.path(file));
    let errors = run
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .count();
    let stdout = if args.json {
        as_json(&run.problems)
    } else {
        as_text(&run, errors)
    };
    let code = match (run.unreadable, errors) {
        (true, _) => 2,
        (false, 0) => 0,
        (false, _) => 1,
    };
    Answer {
        stdout,
        code,
        ..Answer::default()
    }
}

/// Reads a file: one that was given, or another.
type Reads = fn(&Path) -> Result<String, Vec<Problem>>;

/// What was checked and what was found so far.
struct Run {
    today: Date,
    checked: Vec<PathBuf>,
    problems: Vec<Problem>,
    unreadable: bool,
}

impl Run {
    /// A file, or those of a directory in alphabetical order.
    fn path(&mut self, path: &Path) {
        if !path.is_dir() {
            return self.file(path, read_given);
        }
        match files_of(path) {
            Ok(files) if files.is_empty() => {
                self.unreadable = true;
                let file = path.display().to_string();
                self.note(vec![Problem::error(&file, "the directory has no *.toml")]);
            }
            Ok(files) => files.iter().for_each(|file| self.file(file, read)),
            Err(error) => {
                self.unreadable = true;
                let message = format!("could not read the directory: {error}");
                self.note(vec![Problem::error(&path.display().to_string(), message)]);
            }
        }
    }

    fn file(&mut self, path: &Path, read_text: Reads) {
        let Some(text) = self.text(path, read_text) else {
            return;
        };
        if cases::is_cases(path) {
            let policies = cases::named_in(path, &text);
            self.unreadable |= policies.iter().any(|policy| read(policy).is_err());
            return self.note(cases::problems_of_cases(path, &text));
        }
        if !is_config(&text) {
            self.policy(path, &text);
            return;
        }
        let config = match Config::parse(&text, path, 1) {
            Ok(config) => config,
            Err(problems) => {
                self.problems.extend(problems);
                return self.policy_of(path, &text);
            }
        };
        let mut files = Files::new(&config, &text);
        files.look();
        let (users, zone_keys) = (files.users(), files.zone_keys());
        self.problems.append(&mut files.problems);
        let Some(text) = self.text(&config.policy, read) else {
            return;
        };
        if let Some(policy) = self.policy(&config.policy, &text) {
            self.problems.extend(check_together(&config, &policy));
            if let Some(keys) = zone_keys {
                self.problems
                    .extend(check_zone_keys(&config, &policy, &keys));
            }
            if let Some((list, keys)) = users {
                let (users, lines) = (&list.users, &list.problems);
                self.problems
                    .extend(check_unproved(&config, &policy, users, lines, &keys));
            }
        }
    }

    /// The policy that a configuration names which is wrong elsewhere.
    fn policy_of(&mut self, path: &Path, text: &str) {
        let (tree, _) = toml::de::DeTable::parse_recoverable(text);
        let named = tree.get_ref().get("policy");
        let Some(name) = named.and_then(|name| name.get_ref().as_str()) else {
            return;
        };
        let policy = path.with_file_name(name);
        // Whether there is one is asked again when the configuration is right.
        if !name.is_empty()
            && policy.is_file()
            && let Some(text) = self.text(&policy, read)
        {
            self.policy(&policy, &text);
        }
    }

    /// The text of a file that was not checked yet.
    fn text(&mut self, path: &Path, read_text: Reads) -> Option<String> {
        if !self.checked.iter().any(|checked| checked == path) {
            self.checked.push(path.to_owned());
        }
        match read_text(path) {
            Ok(text) => Some(text),
            Err(problems) => {
                self.unreadable = true;
                self.problems.extend(problems);
                None
            }
        }
    }

    fn policy(&mut self, path: &Path, text: &str) -> Option<Policy> {
        let file = path.display().to_string();
        match Policy::parse(text, &file) {
            Ok((policy, warnings)) => {
                self.note(warnings);
                self.note(policy.expiring(self.today, &file));
                Some(policy)
            }
            Err(problems) => {
                self.note(problems);
                None
            }
        }
    }

    /// A policy can be named twice: by itself and by a configuration.
    fn note(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}

/// The files of a directory that could be meant.
fn files_of(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)?.take(cases::MAX_FILES) {
        let file = entry?.path();
        if file.extension().is_some_and(|ending| ending == "toml") {
            files.push(file);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Does a text look like a configuration rather than a policy? Where it cannot be told, it is a policy.
fn is_config(text: &str) -> bool {
    let (tree, _) = toml::de::DeTable::parse_recoverable(text);
    [
        "policy",
        "listen",
        "route",
        "auth",
        "client_tls",
        "server_tls",
    ]
    .iter()
    .any(|key| tree.get_ref().contains_key(*key))
}

fn as_text(run: &Run, errors: usize) -> String {
    let mut text = String::new();
    for problem in &run.problems {
        let _ = writeln!(text, "{problem}");
    }
    let warnings = run.problems.len() - errors;
    let files = count(run.checked.len(), "file");
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(text, "{files} checked: no problems"),
        (0, _) => writeln!(text, "{files} checked: {}", count(warnings, "warning")),
        (_, 0) => writeln!(text, "{}; nothing would be loaded", count(errors, "error")),
        _ => writeln!(
            text,
            "{}, {}; nothing would be loaded",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    };
    text
}

fn as_json(problems: &[Problem]) -> String {
    let problems: Vec<_> = problems
        .iter()
        .map(|problem| {
            json!({
                "severity": problem.severity.word(),
                "message": problem.message,
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "help": problem.help,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "problems": problems }))
}
