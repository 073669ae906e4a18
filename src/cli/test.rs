//! `portcullis test`: the cases beside the policies, played through the conversation that the proxy
//! runs, and what every policy must keep. A right answer for the wrong reason fails.

mod case;
mod invariants;
mod judge;
mod parameters;
pub(super) mod player;
mod report;
mod server;
mod step;
#[cfg(test)]
mod tests;
pub(super) mod upstream;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::answer::Answer;
use super::judged;
use super::junit::{JunitCase, JunitResult, junit};
use crate::config::{Problem, read};
use invariants::{Invariants, invariants};
use judge::{Outcome, judge};

/// How the file of cases of a policy is called: `production.test.toml` for `production.toml`.
const ENDING: &str = ".test.toml";
/// Most files of one directory that are looked at.
pub(super) const MAX_FILES: usize = 10_000;

/// Runs the cases of NAME.test.toml for the policy NAME.toml beside it, or for those that the file names,
/// and what every policy must keep. Nothing is connected to.
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
    test(args).unwrap_or_else(|why| failed(args, why)).print()
}

/// It could not be done; a report that was asked for says so, too.
fn failed(args: &TestArgs, why: String) -> Answer {
    if let Some(file) = &args.junit {
        let case = JunitCase {
            file: "portcullis test".to_owned(),
            name: "the cases can be run".to_owned(),
            result: JunitResult::Error(why.clone()),
        };
        // If it cannot be written either, that is one reason more for the same exit code.
        let _ = std::fs::write(file, junit(&[case]));
    }
    Answer::failed_as(args.json)(why)
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
    /// The files of cases.
    cases: Vec<PathBuf>,
    outcomes: Vec<Outcome>,
    /// The whole policy observes: it refuses nothing.
    observes: bool,
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
    let test = |policy| test_policy(policy, paths);
    let tested: Vec<Tested> = policies.into_iter().map(test).collect();
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
        return Ok(match is_cases(path) {
            true => named_by(path),
            false => vec![path.to_owned()],
        });
    }
    let unreadable = |error: std::io::Error| format!("could not read {}: {error}", path.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for file in toml_files(path).map_err(unreadable)? {
        if is_cases(&file) {
            files.extend(named_by(&file));
        } else if is_policy(&file) {
            files.push(file);
        }
    }
    files.sort_unstable();
    files.dedup();
    match files.is_empty() {
        true => Err(format!("{} has no policy", path.display())),
        false => Ok(files),
    }
}

/// The TOML files of a directory.
fn toml_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)?.take(MAX_FILES) {
        let file = entry?.path();
        if file.extension().is_some_and(|ending| ending == "toml") {
            files.push(file);
        }
    }
    Ok(files)
}

/// The policies of a file of cases: those that it names, or the one that is called like it.
fn named_by(cases: &Path) -> Vec<PathBuf> {
    named_in(cases, &read(cases).unwrap_or_default())
}

/// The same of its text.
pub(super) fn named_in(cases: &Path, text: &str) -> Vec<PathBuf> {
    let names = case::policies(text);
    match names.is_empty() {
        true => vec![policy_of(cases)],
        false => {
            let files = names.iter().map(|name| cases.with_file_name(name));
            files.collect()
        }
    }
}

/// The files of cases of a policy: those beside it that name it, in alphabetical order.
fn cases_of(policy: &Path) -> Vec<PathBuf> {
    let directory = match policy.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut files: Vec<PathBuf> = toml_files(directory)
        .unwrap_or_default()
        .into_iter()
        .filter(|file| is_cases(file))
        .filter(|file| {
            let mut policies = named_by(file).into_iter();
            policies.any(|named| named.file_name() == policy.file_name())
        })
        // Written as the policy is.
        .map(|file| policy.with_file_name(name(&file)))
        .collect();
    files.sort_unstable();
    files
}

/// Is it called like a file of cases?
pub(super) fn is_cases(path: &Path) -> bool {
    name(path).ends_with(ENDING)
}

/// What is wrong with a file of cases, or with its policies; each problem once.
pub(super) fn problems_of_cases(path: &Path, text: &str) -> Vec<Problem> {
    let shown = path.display().to_string();
    let mut problems: Vec<Problem> = Vec::new();
    for policy in named_in(path, text) {
        let cases =
            judged::policy(&policy).and_then(|(policy, _)| case::cases(text, &shown, &policy));
        for problem in cases.err().unwrap_or_default() {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    problems
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

fn test_policy(path: PathBuf, given: &[PathBuf]) -> Tested {
    let mut tested = Tested {
        cases: Vec::new(),
        outcomes: Vec::new(),
        observes: false,
        invariants: Invariants::default(),
        problems: Vec::new(),
        policy: path,
    };
    let policy = match given.contains(&tested.policy) {
        true => judged::given_policy(&tested.policy),
        false => judged::policy(&tested.policy),
    };
    let policy = match policy {
        Ok((policy, _)) => policy,
        Err(problems) => {
            tested.problems = problems.into_iter().filter(Problem::is_error).collect();
            return tested;
        }
    };
    tested.observes = policy.observes;
    tested.invariants = invariants(&policy);
    let mut not_enforced = BTreeSet::new();
    for file in cases_of(&tested.policy) {
        let shown = file.display().to_string();
        match read(&file).and_then(|text| case::cases(&text, &shown, &policy)) {
            Ok(found) => {
                not_enforced.extend(found.not_enforced);
                let outcomes = found.cases.iter().map(|case| judge(case, &shown));
                tested.outcomes.extend(outcomes);
            }
            Err(problems) => tested.problems.extend(problems),
        }
        tested.cases.push(file);
    }
    tested.invariants.meant(&policy, &not_enforced);
    tested
}
