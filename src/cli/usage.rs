//! Errors of the command line itself: an option that there is not, an argument that is missing.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use super::answer::Answer;
use super::output::COULD_NOT;

/// Reads the command line. `Err`: it is wrong or asks for help, and all has been said; programs that ask for JSON get
/// an error on stdout as of whatever else could not be done.
pub(super) fn read<P: Parser>(arguments: &[OsString]) -> Result<P, ExitCode> {
    P::try_parse_from(arguments).map_err(|error| {
        // Nobody could be told that it was not told.
        let _ = error.print();
        let wrong = error.use_stderr() && asks_for_json(arguments);
        let answer = Answer {
            stdout: match wrong {
                true => as_json(&error.render().to_string()),
                false => String::new(),
            },
            code: u8::try_from(error.exit_code()).unwrap_or(COULD_NOT),
            ..Answer::default()
        };
        answer.print()
    })
}

/// Is JSON asked for, as far as it can be told of a command line that is wrong? What stands behind `--` is no option
/// of ours.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let mut before: &OsStr = OsStr::new("");
    let options = arguments.iter().skip(1).take_while(|word| *word != "--");
    for word in options {
        if word == "--json" || word == "--format=json" || (before == "--format" && word == "json") {
            return true;
        }
        before = word;
    }
    false
}

/// What is wrong without how it would be right, which is for people.
fn as_json(told: &str) -> String {
    let told = told.strip_prefix("error: ").unwrap_or(told);
    let ends = ["\n\nUsage:", "\n\nFor more information"].map(|end| told.find(end));
    let end = ends.into_iter().flatten().min().unwrap_or(told.len());
    let message = told.get(..end).unwrap_or(told).trim_end();
    format!("{:#}\n", json!({ "error": { "message": message } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(line: &str) -> bool {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        asks_for_json(&words)
    }

    #[test]
    fn whoever_asks_for_json_gets_it() {
        for line in [
            "portcullis check --json --x",
            "portcullis migration run --x --json -- true",
            "portcullis lint --format json --x",
            "portcullis migration open --format=json",
        ] {
            assert!(asks(line), "{line}");
        }
        for line in [
            "portcullis check --x",
            "portcullis check --jsno",
            "portcullis migration run --x -- tool --json",
            "portcullis lint --format sarif json",
            "--json",
        ] {
            assert!(!asks(line), "{line}");
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
            let value: serde_json::Value = serde_json::from_str(&as_json(told)).unwrap();
            assert_eq!(value, json!({ "error": { "message": message } }));
        }
    }
}
