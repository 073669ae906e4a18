//! `portcullis test`: the cases beside the policies, played through the conversation that the proxy
//! runs, and what every policy must keep. A right answer for the wrong reason fails.

mod case;
mod invariants;
mod judge;
pub(super) mod player;
mod report;
mod server;
mod step;
#[cfg(test)]
mod tests;
pub(super) mod upstream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::answer::Answer;
use super::judged;
use super::junit::junit;
use crate::config::{Problem, read};
use invariants::{Invariants, invariants};
use judge::{Outcome, judge};

/// How the file of cases of a policy is called: `production.test.toml` for `production.toml`.
const ENDING: &str = ".test.toml";
/// Most files of one directory that are looked at.
pub(super) const MAX_FILES: usize = 10_000;

/// Runs the cases of NAME.test.toml for the policy NAME.toml beside it, and what every policy must
/// keep. Nothing is connected to.
#[derive(Debug, Args)]
#[command(after_help = super::examples::TEST)]
pub struct TestArgs {
    /// Policy files, files of cases, or directories of both [default: policies]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Also write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs the cases. 0: all as expected; 1: some are not; 2: a file could not be used, or a path has no
/// case.
pub fn run(args: &TestArgs) -> ExitCode {
    test(args)
        .unwrap_or_else(Answer::failed_as(args.json))
        .print()
}

/// Is this a step of a case?
#[cfg(test)]
pub(super) fn is_step(text: &str) -> bool {
    step::step(text).is_ok()
}

/// What was found out about one policy.
#[derive(Debug)]
struct Tested {
    /// As it was named to us.
    policy: PathBuf,
    /// The file of cases, if there is one.
    cases: Option<PathBuf>,
    outcomes: Vec<Outcome>,
    invariants: Invariants,
    /// Why one of the files could not be used.
    problems: Vec<Problem>,
}

impl Tested {
    fn failures(&self) -> usize {
        let failed = |outcome: &&Outcome| outcome.failure.is_some();
        self.outcomes.iter().filter(failed).count() + self.invariants.broken.len()
    }
}

/// `Err`: what could not be done.
fn test(args: &TestArgs) -> Result<Answer, String> {
    let default = [PathBuf::from("policies")];
    let paths = match args.paths.is_empty() {
        true => &default[..],
        false => &args.paths,
    };
    let mut policies: Vec<PathBuf> = Vec::new();
    let mut asked = Vec::new();
    for path in paths {
        let of_path = policies_of(path)?;
        for policy in &of_path {
            if !policies.contains(policy) {
                policies.push(policy.clone());
            }
        }
        asked.push((path, of_path));
    }
    let tested: Vec<Tested> = policies.into_iter().map(test_policy).collect();
    let stdout = match args.json {
        true => report::as_json(&tested),
        false => report::as_text(&tested),
    };
    if let Some(file) = &args.junit {
        std::fs::write(file, junit(&report::junit_cases(&tested)))
            .map_err(|error| format!("could not write {}: {error}", file.display()))?;
    }
    let unusable = tested.iter().any(|tested| !tested.problems.is_empty());
    let failed = tested.iter().any(|tested| tested.failures() > 0);
    // A run without cases proves next to nothing, and is most likely a slip in the path.
    let silent = |policy: &PathBuf| {
        let of = tested.iter().find(|tested| tested.policy == *policy);
        of.is_none_or(|tested| tested.outcomes.is_empty() && tested.problems.is_empty())
    };
    let without: Vec<String> = asked
        .iter()
        .filter(|(_, policies)| policies.iter().all(silent))
        .map(|(path, _)| path.display().to_string())
        .collect();
    let stderr = match without.is_empty() {
        true => String::new(),
        false => format!(
            "no case was run for {}; the cases of NAME.toml are in NAME{ENDING} beside it",
            without.join(", ")
        ),
    };
    let unusable = unusable || !without.is_empty();
    Ok(Answer {
        stdout,
        stderr,
        code: if unusable { 2 } else { u8::from(failed) },
    })
}

/// The policies that a path stands for: itself, the one beside a file of cases, or those of a
/// directory in alphabetical order.
fn policies_of(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![policy_of(path)]);
    }
    let unreadable = |error: std::io::Error| format!("could not read {}: {error}", path.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)?.take(MAX_FILES) {
        let file = entry.map_err(unreadable)?.path();
        let is_toml = file.extension().is_some_and(|ending| ending == "toml");
        if is_toml && (is_cases(&file) || is_policy(&file)) {
            files.push(policy_of(&file));
        }
    }
    files.sort_unstable();
    files.dedup();
    match files.is_empty() {
        true => Err(format!("{} has no policy", path.display())),
        false => Ok(files),
    }
}

/// Is it called like a file of cases?
pub(super) fn is_cases(path: &Path) -> bool {
    name(path).ends_with(ENDING)
}

/// What is wrong with a file of cases, or with its policy.
pub(super) fn problems_of_cases(path: &Path, text: &str) -> Vec<Problem> {
    let shown = path.display().to_string();
    let cases =
        judged::policy(&policy_of(path)).and_then(|(policy, _)| case::cases(text, &shown, &policy));
    cases.err().unwrap_or_default()
}

fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

fn policy_of(path: &Path) -> PathBuf {
    match name(path).strip_suffix(ENDING) {
        Some(stem) => path.with_file_name(format!("{stem}.toml")),
        None => path.to_owned(),
    }
}

/// A directory can hold a configuration too. What cannot be read is a policy: then that is told.
fn is_policy(path: &Path) -> bool {
    let Ok(text) = read(path) else { return true };
    let (tree, _) = toml::de::DeTable::parse_recoverable(&text);
    let has = |key: &str| tree.get_ref().contains_key(key);
    !has("listen") && !has("route")
}

fn test_policy(path: PathBuf) -> Tested {
    let mut tested = Tested {
        cases: None,
        outcomes: Vec::new(),
        invariants: Invariants::default(),
        problems: Vec::new(),
        policy: path,
    };
    let policy = match judged::policy(&tested.policy) {
        Ok((policy, _)) => policy,
        Err(problems) => {
            tested.problems = problems.into_iter().filter(Problem::is_error).collect();
            return tested;
        }
    };
    tested.invariants = invariants(&policy);
    let stem = tested.policy.with_extension("");
    let file = stem.with_file_name(format!("{}{ENDING}", name(&stem)));
    if !file.exists() {
        return tested;
    }
    let shown = file.display().to_string();
    match read(&file).and_then(|text| case::cases(&text, &shown, &policy)) {
        Ok(cases) => tested.outcomes = cases.iter().map(judge).collect(),
        Err(problems) => tested.problems = problems,
    }
    tested.cases = Some(file);
    tested
}
