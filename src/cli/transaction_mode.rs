//! `portcullis help transaction-mode`: what a session has on a connection of its own, and what becomes of
//! it behind PgBouncer and behind Portcullis. `tests/features.rs` runs the rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

/// One kind of features.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// What they are about.
    pub title: String,
    /// They.
    pub feature: Vec<Feature>,
}

/// Something that a session can do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// What it is called.
    pub name: String,
    /// Parameters of the startup packet.
    #[serde(default)]
    pub startup: BTreeMap<String, String>,
    /// Whose login does it; none: one without rights of its own.
    #[serde(default, rename = "as")]
    pub login: Option<String>,
    /// What shows it.
    pub steps: Vec<Step>,
    /// The outcome behind PgBouncer alone, where it is the same for both versions.
    #[serde(default)]
    pgbouncer: Option<String>,
    #[serde(default, rename = "1.18")]
    v1_18: Option<String>,
    #[serde(default, rename = "1.24")]
    v1_24: Option<String>,
    /// The outcome on the transaction route.
    pub portcullis: String,
    /// The outcome on the session route.
    #[serde(default = "works")]
    pub session: String,
    /// What else is to be said.
    #[serde(default)]
    pub note: Option<String>,
    /// More tests, as `file::function`.
    #[serde(default)]
    pub tests: Vec<String>,
}

/// What is sent, and answered before the next.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// A statement, by whichever protocol, and perhaps what happens meanwhile.
    Statement(String),
    /// Messages.
    Messages(Vec<String>),
}

fn works() -> String {
    "works".to_owned()
}

impl Feature {
    /// The outcomes behind PgBouncer 1.18 and 1.24 alone; empty where the row does not say.
    pub fn pgbouncer(&self) -> [&str; 2] {
        [&self.v1_18, &self.v1_24].map(|own| {
            let outcome = own.as_ref().or(self.pgbouncer.as_ref());
            outcome.map_or("", String::as_str)
        })
    }
}

const ROWS: &str = include_str!("transaction_mode/features.toml");

/// The table. Empty if it cannot be read, which a test excludes.
pub fn sections() -> Vec<Section> {
    #[derive(Deserialize)]
    struct Table {
        section: Vec<Section>,
    }
    toml::from_str::<Table>(ROWS).map_or_else(|_| Vec::new(), |table| table.section)
}

const HEAD: &str = "\
# transaction-mode

What a client may do for its session, one line each: behind PgBouncer alone with pool_mode = transaction, through
Portcullis in front of the same pool, and through Portcullis on a route to a pool with pool_mode = session.

  works             as on a connection of one's own, and nothing stays for the next client
  lost              answered otherwise, or the connection ends; each transaction gets another server connection
  leaks             the next client of the server connection finds something of it
  no login          the connection is refused
  refused by GUARD  by Portcullis, with a hint; portcullis help GUARD

A login that needs what is refused gets a connection of its own by its policy: route = \"session\". That is decided when it
connects, and holds as long as the connection does. Every line was run in tests/features.rs, by the simple and the extended
protocol, with a pool of one connection and another client behind each statement; `tests` names what tests more of it.
";

/// The page.
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    for section in sections() {
        let Section { title, feature } = section;
        let _ = writeln!(text, "\n## {title}\n");
        put_row(
            &mut text,
            ["PgBouncer 1.18", "1.24", "Portcullis", "its session route"],
        );
        for feature in feature {
            let [old, new] = feature.pgbouncer();
            let _ = writeln!(text, "\n{}", feature.name);
            put_row(&mut text, [old, new, &feature.portcullis, &feature.session]);
            put_wrapped(&mut text, feature.note.iter().map(String::as_str));
            let tests = feature.tests.join(", ");
            let tests = (!tests.is_empty()).then(|| format!("tests: {tests}"));
            put_wrapped(&mut text, tests.iter().map(String::as_str));
        }
    }
    text
}

fn put_row(text: &mut String, [old, new, portcullis, session]: [&str; 4]) {
    let line = format!("    {old:<16}{new:<14}{portcullis:<34}{session}");
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Paragraphs below a row, no line longer than a page is wide.
fn put_wrapped<'t>(text: &mut String, paragraphs: impl Iterator<Item = &'t str>) {
    const WIDTH: usize = 116;
    for paragraph in paragraphs {
        let mut column = 0;
        for word in paragraph.split(' ') {
            let length = word.chars().count() + 1;
            if column == 0 || column + length > WIDTH {
                text.push_str(if column == 0 { "   " } else { "\n   " });
                column = 3;
            }
            let _ = write!(text, " {word}");
            column += length;
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_all_of_it() {
        let sections = sections();
        assert!(sections.len() > 4, "the table cannot be read");
        for feature in sections.iter().flat_map(|section| &section.feature) {
            let name = &feature.name;
            assert!(!feature.steps.is_empty(), "{name} is only claimed");
            let known = ["works", "lost", "leaks", "lost, leaks", "no login"];
            for outcome in feature.pgbouncer() {
                assert!(known.contains(&outcome), "{name}: PgBouncer {outcome}");
            }
            for outcome in [&*feature.portcullis, &feature.session] {
                let guard = outcome.strip_prefix("refused by ");
                let is_guard = guard.is_some_and(|id| crate::policy::Guard::from_id(id).is_some());
                let is_known = known.contains(&outcome) || is_guard;
                assert!(is_known, "{name}: {outcome}");
                let told = outcome == "works" || is_guard || feature.note.is_some();
                assert!(told, "{name} is {outcome}, and no note says why");
            }
        }
    }

    #[test]
    fn the_page_has_every_row_and_no_long_line() {
        let page = page();
        let rows = sections().into_iter().flat_map(|section| section.feature);
        for feature in rows {
            assert!(page.contains(&format!("\n{}\n", feature.name)));
        }
        let long = page.lines().find(|line| line.chars().count() > 130);
        assert_eq!(long, None);
    }
}
