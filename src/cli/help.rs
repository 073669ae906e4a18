//! `portcullis help TOPIC`: the pages that are compiled in, so that help never lags behind the version.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::answer::Answer;
use super::{doctor, transaction_mode};
use crate::config::SETTINGS;
use crate::config::problem::did_you_mean;
use crate::policy::{Guard, always_enforced, guards, has_settings, schema};

/// Pages about guards, configuration and policy.
#[derive(Debug, Args)]
pub struct HelpArgs {
    /// guards, transaction-mode, doctor, config, policy, policy-schema, or the id of a guard
    topic: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints a page. 0: printed; 2: there is no such page.
pub fn run(args: &HelpArgs) -> ExitCode {
    let topic = args.topic.as_deref();
    match args.json {
        true => as_json(topic).print(),
        false => page(topic).print(),
    }
}

/// Topics that are not guards.
const TOPICS: [(&str, &str); 6] = [
    ("guards", "the guards, one line each"),
    (
        "transaction-mode",
        "each feature of a session: behind PgBouncer, behind Portcullis",
    ),
    ("doctor", "what portcullis doctor finds, by id"),
    ("config", "every setting of portcullis.toml"),
    ("policy", "a complete policy file with comments"),
    (
        "policy-schema",
        "the JSON schema of policy files, for editors",
    ),
];

fn page(topic: Option<&str>) -> Answer {
    match topic {
        None => Answer::clean(topics()),
        Some("guards") => Answer::clean(guard_list()),
        Some("transaction-mode") => Answer::clean(transaction_mode::page()),
        Some("doctor") => Answer::clean(doctor::FINDINGS.to_owned()),
        Some("config") => Answer::clean(SETTINGS.to_owned()),
        Some("policy") => Answer::clean(include_str!("../../policies/production.toml").to_owned()),
        Some("policy-schema") => Answer::clean(schema::text()),
        Some(topic) => match Guard::from_id(topic) {
            Some(guard) => Answer::clean(guards::page(guard).to_owned()),
            None => Answer::failed(no_page(topic)),
        },
    }
}

/// The guards as objects; any other page as its text.
fn as_json(topic: Option<&str>) -> Answer {
    let shown = page(topic);
    let value = match topic {
        _ if shown.code != 0 => {
            json!({ "error": { "message": shown.stderr, "hint": "portcullis help" } })
        }
        Some("guards") => Guard::ALL
            .into_iter()
            .map(|guard| {
                json!({
                    "guard": guard.id(),
                    "summary": summary(guards::page(guard)),
                    "always_enforced": always_enforced(guard),
                    "has_settings": has_settings(guard),
                    "page": guards::page(guard),
                })
            })
            .collect(),
        _ => json!({ "topic": topic, "text": shown.stdout }),
    };
    Answer {
        stdout: format!("{value:#}\n"),
        ..shown
    }
}

fn topics() -> String {
    let mut text = String::from("portcullis help TOPIC\n\n");
    for (topic, about) in TOPICS {
        let _ = writeln!(text, "  {topic:<23} {about}");
    }
    let _ = writeln!(text, "  {:<23} the page of a guard", "any guard's id");
    text
}

fn guard_list() -> String {
    let mut text = String::from(
        "The guards of a policy, [guards] in its file. A guard that is not named there is enforced,\n\
         but for multi-statement, which is off.\n\n",
    );
    for guard in Guard::ALL {
        let _ = writeln!(
            text,
            "  {:<23} {}",
            guard.id(),
            summary(guards::page(guard))
        );
    }
    text.push_str("\nA guard's page:  portcullis help ID\n");
    text
}

/// The first sentence of a page, cut at a colon, on one line.
fn summary(page: &str) -> String {
    let body = page
        .lines()
        .skip(1)
        .skip_while(|line| line.is_empty())
        .take_while(|line| !line.is_empty());
    let paragraph = body.collect::<Vec<_>>().join(" ");
    let end = paragraph.find([':', '.']).unwrap_or(paragraph.len());
    paragraph[..end].to_owned()
}

fn no_page(topic: &str) -> String {
    let words = TOPICS
        .iter()
        .map(|(topic, _)| *topic)
        .chain(Guard::ALL.into_iter().map(Guard::id));
    match did_you_mean(topic, words) {
        Some(near) => format!("there is no page \"{topic}\"; did you mean \"{near}\"?"),
        None => format!("there is no page \"{topic}\"; portcullis help lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_and_guard_has_a_page() {
        for (topic, _) in TOPICS {
            assert!(page(Some(topic)).stdout.lines().count() > 10, "{topic}");
        }
        for guard in Guard::ALL {
            assert!(
                page(Some(guard.id()))
                    .stdout
                    .starts_with(&format!("# {}\n", guard.id()))
            );
        }
        assert!(page(None).stdout.contains("any guard's id"));
    }

    #[test]
    fn the_list_has_a_sentence_for_each_guard() {
        let list = page(Some("guards")).stdout;
        let line = "\n  copy-program            Refuses COPY from or to a program on the database server\n";
        assert!(list.contains(line), "{list}");
        assert!(
            list.lines().all(|line| line.chars().count() <= 120),
            "{list}"
        );
        assert_eq!(
            list.lines()
                .filter(|line| line.contains(" Refuses "))
                .count(),
            Guard::ALL.len()
        );
    }

    #[test]
    fn pages_are_there_as_json() {
        let read = |topic| -> serde_json::Value {
            serde_json::from_str(&as_json(topic).stdout).expect("JSON")
        };
        let list = read(Some("guards"));
        assert_eq!(list.as_array().map(Vec::len), Some(Guard::ALL.len()));
        let fast_path = &list[Guard::FastPath as usize];
        assert_eq!(fast_path["guard"], "fast-path");
        assert_eq!(fast_path["always_enforced"], true);
        assert_eq!(read(Some("config"))["text"], SETTINGS);
        let missing = as_json(Some("gaurds"));
        assert_eq!(missing.code, 2);
        assert!(
            read(Some("gaurds"))["error"]["message"]
                .as_str()
                .is_some_and(|it| it.contains("guards"))
        );
    }

    #[test]
    fn a_missing_page_is_told_and_could_not_be_printed() {
        let answer = page(Some("gaurds"));
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""));
        assert_eq!(
            answer.stderr,
            "there is no page \"gaurds\"; did you mean \"guards\"?"
        );
    }
}
