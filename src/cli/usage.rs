//! Errors of the command line itself: an option that there is not, an argument that is missing.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use serde_json::json;

use super::answer::Answer;
use super::lint;
use super::output::COULD_NOT;

/// Reads the command line. `Err`: it is wrong or asks for help, and all has been said; programs that ask for JSON, or
/// for another form that `lint` has, get an error on stdout as of whatever else could not be done.
pub(super) fn read<P: Parser>(arguments: &[OsString]) -> Result<P, ExitCode> {
    P::try_parse_from(arguments).map_err(|error| {
        // Nobody could be told that it was not told.
        let _ = error.print();
        let asked = asked(arguments).filter(|_| error.use_stderr());
        let told = || error.render().to_string();
        let answer = Answer {
            stdout: asked.map_or_else(String::new, |form| form.of(what_is_wrong(&told()))),
            code: u8::try_from(error.exit_code()).unwrap_or(COULD_NOT),
            ..Answer::default()
        };
        answer.print()
    })
}

/// A form for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    OfLint(lint::Format),
}

impl Form {
    fn of(self, message: &str) -> String {
        match self {
            Self::Json => format!("{:#}\n", json!({ "error": { "message": message } })),
            Self::OfLint(format) => lint::failure(format, message).unwrap_or_default(),
        }
    }
}

/// Which form is asked for, as far as it can be told of a command line that is wrong? JSON wherever it is named: that
/// every command has. What stands behind `--` is no option of ours.
fn asked(arguments: &[OsString]) -> Option<Form> {
    let is_lint = arguments.get(1).is_some_and(|word| word == "lint");
    let mut before: &OsStr = OsStr::new("");
    let mut of_lint = None;
    let options = arguments.iter().skip(1).take_while(|word| *word != "--");
    for word in options {
        let named = match word
            .to_str()
            .and_then(|word| word.strip_prefix("--format="))
        {
            Some(named) => Some(named),
            None if before == "--format" => word.to_str(),
            None => None,
        };
        if word == "--json" || named == Some("json") {
            return Some(Form::Json);
        }
        let format = named.and_then(|named| lint::Format::from_str(named, false).ok());
        of_lint = format.filter(|_| is_lint).or(of_lint);
        before = word;
    }
    of_lint.map(Form::OfLint)
}

/// What is wrong without how it would be right, which is for people.
fn what_is_wrong(told: &str) -> &str {
    let told = told.strip_prefix("error: ").unwrap_or(told);
    let ends = ["\n\nUsage:", "\n\nFor more information"].map(|end| told.find(end));
    let end = ends.into_iter().flatten().min().unwrap_or(told.len());
    told.get(..end).unwrap_or(told).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(line: &str) -> Option<Form> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        asked(&words)
    }

    #[test]
    fn whoever_asks_for_json_gets_it() {
        for line in [
            "portcullis check --json --x",
            "portcullis migration run --x --json -- true",
            "portcullis lint --format json --x",
            "portcullis migration open --format=json",
            "portcullis lint --format sarif --json",
            "portcullis lint --json --format=junit",
        ] {
            assert_eq!(asks(line), Some(Form::Json), "{line}");
        }
        for line in [
            "portcullis check --x",
            "portcullis check --jsno",
            "portcullis migration run --x -- tool --json",
            "portcullis lint --format text json",
            "portcullis lint --format",
            "portcullis lint --format saarif",
            "portcullis lint -- --format sarif",
            "portcullis test --format sarif",
            "--json",
        ] {
            let told = asks(line).map(|form| form.of("x")).unwrap_or_default();
            assert_eq!(told, "", "{line}");
        }
    }

    #[test]
    fn whoever_asks_lint_for_another_form_gets_that() {
        use lint::Format::{Junit, Sarif};
        for (line, format) in [
            ("portcullis lint --format sarif --x", Sarif),
            ("portcullis lint --x --format=junit", Junit),
            ("portcullis lint --format text --format sarif", Sarif),
            ("portcullis lint --format sarif json", Sarif),
        ] {
            assert_eq!(asks(line), Some(Form::OfLint(format)), "{line}");
        }
    }

    #[test]
    fn only_what_is_wrong_is_told() {
        for (told, message) in [
            (
                "error: unexpected argument '--x' found\n\n  tip: 'y'\n\nUsage: a\n\nFor more information, try '--help'.\n",
                "unexpected argument '--x' found\n\n  tip: 'y'",
            ),
            (
                "error: invalid value 'x'\n\nFor more information, try '--help'.\n",
                "invalid value 'x'",
            ),
            ("something else\n", "something else"),
            ("", ""),
        ] {
            assert_eq!(what_is_wrong(told), message);
            let value: serde_json::Value = serde_json::from_str(&Form::Json.of(message)).unwrap();
            assert_eq!(value, json!({ "error": { "message": message } }));
        }
    }
}
