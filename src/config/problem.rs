//! What is wrong with a file, said so that it can be mended at once: shared by configuration and policy.

use std::fmt;
use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is loaded.
    Error,
    /// It is loaded, and somebody should look.
    Warning,
}

impl Severity {
    /// The word that starts the report.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One mistake in a configuration or policy file.
///
/// [`Display`](fmt::Display) prints it as compilers do: message, place, line, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong; lower case, one line, no full stop.
    pub message: String,
    /// The file, as it was named to us.
    pub file: String,
    /// Line, from 1; 0: the file as a whole.
    pub line: u32,
    /// Column in characters, from 1; 0: the line as a whole.
    pub column: u32,
    /// The line itself, and how many characters of it are meant; absent where the message says it all.
    pub snippet: Option<Snippet>,
    /// One thing to do about it.
    pub help: Option<String>,
}

/// A line of the file with the part that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The line, control characters replaced by spaces.
    pub text: String,
    /// Length of the part that is meant, in characters, from 1.
    pub width: u32,
}

impl Problem {
    /// An error about the file as a whole.
    pub fn error(file: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            file: file.to_owned(),
            line: 0,
            column: 0,
            snippet: None,
            help: None,
        }
    }

    /// A warning about the file as a whole.
    pub fn warning(file: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(file, message)
        }
    }

    /// The same, about a line (from 1).
    pub fn on_line(self, line: u32) -> Self {
        Self { line, ..self }
    }

    /// The same, with one thing to do.
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Does it keep the file from being loaded?
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.severity.word(), self.message)?;
        write!(f, "  --> {}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        match (&self.snippet, &self.help) {
            (Some(snippet), help) => {
                let before = " ".repeat((self.column.saturating_sub(1)) as usize);
                let carets = "^".repeat(snippet.width.max(1) as usize);
                write!(
                    f,
                    "\n{gutter} |\n{number} | {}\n{gutter} | {before}{carets}",
                    snippet.text
                )?;
                help.as_ref().map_or(Ok(()), |help| write!(f, " {help}"))
            }
            (None, Some(help)) => write!(f, "\n{gutter} = {help}"),
            (None, None) => Ok(()),
        }
    }
}

/// A file's name and text: turns byte ranges into places.
#[derive(Clone, Copy, Debug)]
pub struct Source<'t> {
    /// The file, as it was named to us.
    pub file: &'t str,
    /// All of it.
    pub text: &'t str,
}

impl Source<'_> {
    /// The line (from 1) of a byte offset.
    pub fn line(&self, offset: usize) -> u32 {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count() as u32
    }

    /// An error at a byte range; only its first line is shown.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        self.place(Problem::error(self.file, message), span)
    }

    /// A warning at a byte range; only its first line is shown.
    pub fn warning(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        self.place(Problem::warning(self.file, message), span)
    }

    fn place(&self, problem: Problem, span: Range<usize>) -> Problem {
        let start = floor(self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |at| start + at);
        let end = floor(self.text, span.end.clamp(start, line_end));
        let text = self.text[line_start..line_end].trim_end();
        Problem {
            line: self.line(start),
            column: 1 + self.text[line_start..start].chars().count() as u32,
            snippet: Some(Snippet {
                text: text
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect(),
                width: self.text[start..end].chars().count().max(1) as u32,
            }),
            ..problem
        }
    }
}

/// The nearest character boundary at or before a byte offset.
fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The candidate that a misspelt word most likely meant: at most a third of it differs.
pub fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 1.max(candidate.chars().count().max(word.chars().count()) / 3)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, upper and lower case and `-` and `_` being the same; words over 64 characters are far away.
fn distance(a: &str, b: &str) -> usize {
    let fold = |word: &str| -> Vec<char> {
        word.chars()
            .map(|c| {
                if c == '-' {
                    '_'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let (a, b) = (fold(a), fold(b));
    if a.len().max(b.len()) > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_line_and_the_part_that_is_meant() {
        let text = "schema = 1\n[login.é]\nzone      = { values = [\"*\"] }\n";
        let at = text.find("\"*\"").unwrap();
        let problem = Source {
            file: "p.toml",
            text,
        }
        .error(at..at + 3, "zone \"*\" would grant all zones at once")
        .with_help("did you mean something else?");
        assert_eq!(
            problem.to_string(),
            "error: zone \"*\" would grant all zones at once\n  --> p.toml:3:25\n  |\n\
             3 | zone      = { values = [\"*\"] }\n  |                         ^^^ did you mean something else?"
        );
    }

    #[test]
    fn prints_a_line_and_a_file_without_a_part() {
        let problem = Problem::warning("p.toml", "a").on_line(25);
        assert_eq!(problem.to_string(), "warning: a\n  --> p.toml:25");
        assert_eq!(
            Problem::error("p.toml", "a").with_help("b").to_string(),
            "error: a\n  --> p.toml\n  = b"
        );
    }

    #[test]
    fn a_snippet_carries_no_control_characters_and_columns_are_characters() {
        let text = "é\t\u{1b}[2Jx";
        let at = text.find('x').unwrap();
        let problem = Source { file: "f", text }.error(at..at + 1, "m");
        assert_eq!(problem.snippet.unwrap().text, "é  [2Jx");
        assert_eq!(problem.column, 7);
    }

    #[test]
    fn spans_beyond_the_text_do_no_harm() {
        let source = Source {
            file: "f",
            text: "aé",
        };
        assert_eq!(source.error(2..99, "m").line, 1);
        assert_eq!(source.error(99..100, "m").column, 3);
        assert_eq!(
            Source {
                file: "f",
                text: ""
            }
            .error(0..0, "m")
            .line,
            1
        );
    }

    #[test]
    fn suggests_near_words_only() {
        let keys = ["max_client_conn", "postgres", "http"];
        assert_eq!(
            did_you_mean("max_client_con", keys),
            Some("max_client_conn")
        );
        assert_eq!(
            did_you_mean("Max-Client-Conn", keys),
            Some("max_client_conn")
        );
        assert_eq!(did_you_mean("postgers", keys), Some("postgres"));
        assert_eq!(did_you_mean("colour", keys), None);
        assert_eq!(did_you_mean(&"x".repeat(1000), keys), None);
    }
}
