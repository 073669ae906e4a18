//! `portcullis check`: every mistake in configuration and policy, in one run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::answer::Answer;
use super::judged::count;
use super::test as cases;
use crate::clock::today;
use crate::config::{self, Config, Problem, read, read_given};
use crate::net::load;
use crate::net::unproved::check_unproved;
use crate::policy::{Date, Policy, check_together, check_zone_keys};

/// Checks configuration and policy files. With a configuration, its policy is checked too, whether
/// the two fit, and who could not log in. Exceptions that expire within 14 days are told.
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
            return self.note(cases::problems_of_cases(path, &text));
        }
        if !is_config(&text) {
            self.policy(path, &text);
            return;
        }
        let config = match Config::parse(&text, path, 1) {
            Ok(config) => config,
            Err(problems) => return self.problems.extend(problems),
        };
        let Some(text) = self.text(&config.policy, read) else {
            return;
        };
        if let Some(policy) = self.policy(&config.policy, &text) {
            self.problems.extend(check_together(&config, &policy));
            self.problems.extend(match load::zone_keys(&config) {
                Ok(keys) => check_zone_keys(&config, &policy, &keys),
                Err(problem) => vec![problem],
            });
            self.problems.extend(check_logins(&config, &policy));
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

/// Who cannot log in, as far as the files can be read here: they may be another user's, or on another machine.
fn check_logins(config: &Config, policy: &Policy) -> Vec<Problem> {
    match load::users(config) {
        Ok(users) => check_unproved(config, policy, &users.users, &users.problems, &users.keys),
        Err(why) => {
            let why = why.strip_prefix("error: ").unwrap_or(&why);
            let message = format!("whether every login can log in was not looked at: {why}");
            vec![Problem::warning(
                &config.path.display().to_string(),
                message,
            )]
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

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const POLICY: &str = "schema = 1\nenvironment = \"test\"\n[login.jobs]\nkind = \"service\"\ndatabases = [\"shop\"]\nroute = \"session\"\n";
    const CONFIG: &str = "schema = 1\npolicy = \"policy.toml\"\n[listen]\npostgres = \"127.0.0.1:6432\"\n[client_tls]\nsslmode = \"disable\"\n\
        [server_tls]\nsslmode = \"disable\"\n[auth]\nauth_file = \"u\"\n[route.transaction]\nhosts = [\"a:1\"]\n[route.session]\nhosts = [\"a:2\"]\n";

    /// A line of `auth_file` for the login of [`POLICY`].
    fn line_of_jobs() -> String {
        let verifier = crate::auth::scram::mock_verifier(&[0; 32], "jobs");
        format!("\"jobs\" \"{verifier}\"\n")
    }

    /// Checks files with these texts in a directory of their own; its name is taken out of the answer.
    fn checked(texts: &[(&str, &str)], names: &[&str], json: bool) -> Answer {
        let directory = tempfile::tempdir().unwrap();
        let users = ("u", &*line_of_jobs());
        for (name, text) in [&users].into_iter().chain(texts) {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        let files = names
            .iter()
            .map(|name| directory.path().join(name))
            .collect();
        let today = Date::new(2027, 2, 20).unwrap();
        let answer = check(&CheckArgs { files, json }, today);
        let prefix = format!("{}/", directory.path().display());
        Answer {
            stdout: answer.stdout.replace(&prefix, ""),
            ..answer
        }
    }

    #[test]
    fn a_configuration_brings_its_policy() {
        let answer = checked(
            &[("portcullis.toml", CONFIG), ("policy.toml", POLICY)],
            &["portcullis.toml"],
            false,
        );
        assert_eq!(
            (answer.code, answer.stdout.as_str()),
            (0, "2 files checked: no problems\n")
        );
    }

    #[test]
    fn what_does_not_fit_is_found() {
        let config = CONFIG.replace("[route.session]\nhosts = [\"a:2\"]\n", "");
        let answer = checked(
            &[("portcullis.toml", &config), ("policy.toml", POLICY)],
            &["portcullis.toml"],
            false,
        );
        assert_eq!(answer.code, 1);
        assert_eq!(
            answer.stdout,
            "error: login \"jobs\" has route \"session\", but portcullis.toml has no [route.session]\n  --> policy.toml:3\n1 error; nothing would be loaded\n"
        );
    }

    #[test]
    fn a_policy_stands_alone_and_is_told_once() {
        let wrong = POLICY.replace("kind", "kindd");
        let expected = "error: missing key \"kind\" in [login.jobs]\n  --> policy.toml:3\n  = kind = \"service\"\n\
            error: unknown key \"login.jobs.kindd\"\n  --> policy.toml:4:1\n  |\n4 | kindd = \"service\"\n  | ^^^^^ did you mean \"kind\"?\n\
            2 errors; nothing would be loaded\n";
        assert_eq!(
            checked(&[("policy.toml", &wrong)], &["policy.toml"], false).stdout,
            expected
        );
        let both = checked(
            &[("portcullis.toml", CONFIG), ("policy.toml", &wrong)],
            &["portcullis.toml", "policy.toml"],
            false,
        );
        assert_eq!((both.code, both.stdout.as_str()), (1, expected));
    }

    #[test]
    fn warnings_are_shown_and_do_not_fail() {
        let policy = format!("{POLICY}[zone]\nparameter = \"app.zone\"\ndatabases = [\"shop\"]\n");
        let answer = checked(&[("policy.toml", &policy)], &["policy.toml"], false);
        assert_eq!(answer.code, 0);
        assert!(
            answer.stdout.starts_with(
                "warning: login \"jobs\" has no zone and can do nothing on database \"shop\"\n"
            ),
            "{}",
            answer.stdout
        );
        assert!(answer.stdout.ends_with("1 file checked: 1 warning\n"));
    }

    #[test]
    fn exceptions_that_expire_are_told() {
        let exception = |expires: &str| {
            format!(
                "{POLICY}[[exception]]\nguard = \"procedural\"\nlogin = \"jobs\"\nfingerprint = \"0123456789abcdef0123456789abcdef\"\nreason = \"r\"\nexpires = {expires}\n"
            )
        };
        let soon = checked(
            &[("policy.toml", &exception("2027-03-01"))],
            &["policy.toml"],
            false,
        );
        assert_eq!(
            (soon.code, &*soon.stdout),
            (
                0,
                "warning: the exception of login \"jobs\" from guard \"procedural\" expires on 2027-03-01\n  --> policy.toml:7\n  = see to its reason, or give it another day\n1 file checked: 1 warning\n"
            )
        );
        let later = checked(
            &[("policy.toml", &exception("2027-04-01"))],
            &["policy.toml"],
            false,
        );
        assert_eq!(later.stdout, "1 file checked: no problems\n");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_a_clean_one() {
        let answer = checked(&[("portcullis.toml", CONFIG)], &["portcullis.toml"], false);
        assert_eq!(answer.code, 2);
        assert!(
            answer
                .stdout
                .starts_with("error: could not read the file: No such file"),
            "{}",
            answer.stdout
        );
    }

    #[test]
    fn a_directory_stands_for_its_files_and_cases_are_checked_as_cases() {
        let case = "[[case]]\nname = \"n\"\nlogin = \"jobs\"\nsql = \"SELECT 1\"\nexpect = { allowed = true }\n";
        let files = [("policy.toml", POLICY), ("policy.test.toml", case)];
        let answer = checked(&files, &[""], false);
        assert_eq!(
            (answer.code, answer.stdout.as_str()),
            (0, "2 files checked: no problems\n")
        );
        let wrong = case.replace("jobs", "jbos");
        let files = [("policy.toml", POLICY), ("policy.test.toml", &wrong)];
        let answer = checked(&files, &["policy.test.toml"], false);
        assert_eq!(answer.code, 1);
        assert!(
            answer.stdout.contains("has no login \"jbos\""),
            "{}",
            answer.stdout
        );
        let none = checked(&[("notes.txt", "")], &[""], false);
        assert_eq!(none.code, 2);
        assert!(
            none.stdout.contains("the directory has no *.toml"),
            "{}",
            none.stdout
        );
    }

    #[test]
    fn who_cannot_log_in_is_told() {
        let login =
            "[login.mapped]\nkind = \"service\"\ndatabases = [\"shop\"]\nserver_role = \"it's\"\n";
        let policy = format!("{POLICY}{login}");
        let config = CONFIG.replace("\"u\"\n", "\"u\"\nkey_file = \"k\"\n");
        let told = |users: &str| {
            let files = [
                ("portcullis.toml", &*config),
                ("policy.toml", &policy),
                ("u", users),
                ("k", ""),
            ];
            let answer = checked(&files, &["portcullis.toml"], false);
            assert_eq!(answer.code, 0, "{}", answer.stdout);
            answer.stdout
        };
        let of_key = "warning: login \"mapped\" cannot log in: k has no key for role \"it's\"\n  --> policy.toml:7\n  \
            = portcullis keys add --key-file k --role 'it'\\''s' --auth-file u\n";
        let select = |name: &str| {
            format!(
                "  = its line: SELECT '\"' || rolname || '\" \"' || rolpassword || '\"' FROM pg_authid WHERE rolname = '{name}'\n"
            )
        };
        let jobs = line_of_jobs();
        let missing =
            "warning: login \"mapped\" cannot log in: u has no line for it\n  --> policy.toml:7\n";
        let expected = format!(
            "{missing}{}{of_key}2 files checked: 2 warnings\n",
            select("mapped")
        );
        assert_eq!(told(&jobs), expected);
        let mapped = jobs.replace("jobs", "mapped");
        let expected = format!("{of_key}2 files checked: 1 warning\n");
        assert_eq!(told(&format!("{jobs}{mapped}")), expected);
        // A line that is of no use.
        let said = told(&format!("{mapped}\"jobs\" \"plain\"\n"));
        let why = "warning: login \"jobs\" cannot log in: u, line 2: user \"jobs\" has a plain-text password,";
        assert!(said.starts_with(why), "{said}");
        assert!(said.contains("ALTER ROLE \"jobs\" PASSWORD"), "{said}");
    }

    #[test]
    fn files_of_another_user_are_told_as_not_looked_at() {
        let config = CONFIG.replace("\"u\"", "\"not-here\"");
        let files = [("portcullis.toml", &*config), ("policy.toml", POLICY)];
        let answer = checked(&files, &["portcullis.toml"], false);
        let why =
            "warning: whether every login can log in was not looked at: \"not-here\": No such file";
        assert!(answer.stdout.starts_with(why), "{}", answer.stdout);
        assert_eq!(answer.code, 0);
    }

    #[test]
    fn json_has_the_same_problems() {
        let answer = checked(
            &[("policy.toml", &POLICY.replace("schema = 1", "schema = 2"))],
            &["policy.toml"],
            true,
        );
        let value: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(
            value["problems"][0]["message"],
            "schema 2 is not known to this version"
        );
        assert_eq!(
            (
                &value["problems"][0]["line"],
                &value["problems"][0]["severity"]
            ),
            (&json!(1), &json!("error"))
        );
    }
}
