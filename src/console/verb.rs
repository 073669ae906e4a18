//! PURE. The console's language: what a person may type. Key words in any case, values as words
//! or in single quotes (`''` is a quote), several verbs separated by semicolons.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::config::units;
use crate::migration::token::SessionId;
use crate::policy::{ConsoleRole, Phase};

/// Most verbs in one text.
const MAX_VERBS: usize = 16;
/// Longest name of a database or role in bytes (PostgreSQL's NAMEDATALEN - 1).
const MAX_NAME: usize = 63;
/// Longest reason or note in bytes.
const MAX_REMARK: usize = 500;

/// Every verb with what it does, as `SHOW HELP` lists them.
pub const HELP: &[(&str, &str)] = &[
    ("SHOW VERSION", "which Portcullis this is"),
    (
        "SHOW MIGRATIONS",
        "open migration sessions and the latest others",
    ),
    ("SHOW MIGRATION id", "the statements of one"),
    (
        "SHOW REPORT",
        "what was refused, or would have been: by login, guard and statement",
    ),
    (
        "SHOW GUARDS",
        "the mode of each guard, and how often it has objected",
    ),
    ("SHOW LOGINS", "the logins of the policy in force"),
    (
        "OPEN MIGRATION DATABASE 'name' REASON 'why' [ROLE 'name'] [PHASE 'expand'] [TTL '30min']",
        "open one; shows its token, once",
    ),
    (
        "CLOSE MIGRATION id [NOTE 'why']",
        "end one; its connections are cut off",
    ),
    (
        "RELOAD",
        "read policy, users, server keys and certificates again",
    ),
    ("SHUTDOWN", "drain and stop"),
    ("SHOW HELP", "this list"),
];

/// What a person asks of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `SHOW VERSION`
    ShowVersion,
    /// `SHOW HELP`
    ShowHelp,
    /// `SHOW MIGRATIONS`
    ShowMigrations,
    /// `SHOW MIGRATION id`
    ShowMigration(SessionId),
    /// `SHOW REPORT`
    ShowReport,
    /// `SHOW GUARDS`
    ShowGuards,
    /// `SHOW LOGINS`
    ShowLogins,
    /// `OPEN MIGRATION ...`
    OpenMigration(OpenMigration),
    /// `CLOSE MIGRATION id [NOTE '...']`
    CloseMigration {
        /// Which.
        id: SessionId,
        /// Why.
        note: Option<String>,
    },
    /// `RELOAD`
    Reload,
    /// `SHUTDOWN`
    Shutdown,
}

impl Verb {
    /// What a person needs for it in the policy (`console`).
    pub fn needs(&self) -> ConsoleRole {
        match self {
            Self::ShowVersion | Self::ShowHelp => ConsoleRole::Viewer,
            Self::ShowReport | Self::ShowGuards | Self::ShowLogins => ConsoleRole::Viewer,
            Self::ShowMigrations | Self::ShowMigration(_) => ConsoleRole::Viewer,
            Self::Reload => ConsoleRole::Operator,
            Self::OpenMigration(_) | Self::CloseMigration { .. } => ConsoleRole::Dba,
            Self::Shutdown => ConsoleRole::Dba,
        }
    }
}

/// `OPEN MIGRATION DATABASE '...' REASON '...' [ROLE '...'] [PHASE '...'] [TTL '...']`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenMigration {
    /// The one database.
    pub database: String,
    /// The login of kind migrator; None: the only one that reaches the database.
    pub role: Option<String>,
    /// Why.
    pub reason: String,
    /// `expand` or `contract`; None: nothing more is refused than in any session.
    pub phase: Option<Phase>,
    /// How long it may last; None: the default.
    pub ttl: Option<Duration>,
}

/// Why a text is not a list of verbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// In PostgreSQL's style.
    pub message: String,
    /// One thing to do.
    pub hint: Option<String>,
    /// Where: characters, from 1.
    pub position: u32,
}

/// The verbs of a text, in order; none for white space and semicolons alone.
pub fn parse(text: &str) -> Result<Vec<Verb>, SyntaxError> {
    let mut reader = Reader {
        words: words(text)?.into_iter().peekable(),
        end: characters(text) + 1,
    };
    let mut verbs = Vec::new();
    loop {
        while reader.take_semicolon() {}
        if reader.words.peek().is_none() {
            return Ok(verbs);
        }
        if verbs.len() == MAX_VERBS {
            return Err(reader.wrong(format!("more than {MAX_VERBS} verbs in one text")));
        }
        verbs.push(reader.verb()?);
        if reader.words.peek().is_some() && !reader.take_semicolon() {
            return Err(reader.unexpected());
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// Bare: a key word or a value.
    Word,
    /// In single quotes: a value.
    Quoted,
    Semicolon,
}

struct Word {
    form: Form,
    text: String,
    /// Characters, from 1.
    position: u32,
}

fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX - 1)
}

fn words(text: &str) -> Result<Vec<Word>, SyntaxError> {
    let mut words = Vec::new();
    let mut rest = text;
    let mut position = 1;
    loop {
        let blank = rest.len() - rest.trim_start().len();
        position += characters(&rest[..blank]);
        rest = &rest[blank..];
        let Some(first) = rest.chars().next() else {
            return Ok(words);
        };
        let (form, value, length) = match first {
            ';' => (Form::Semicolon, ";".to_owned(), 1),
            '\'' => {
                let (value, length) = quoted(rest).ok_or_else(|| SyntaxError {
                    message: "unterminated quoted string".into(),
                    hint: None,
                    position,
                })?;
                (Form::Quoted, value, length)
            }
            _ => {
                let length = rest
                    .find(|c: char| c.is_whitespace() || c == ';' || c == '\'')
                    .unwrap_or(rest.len());
                (Form::Word, rest[..length].to_owned(), length)
            }
        };
        words.push(Word {
            form,
            text: value,
            position,
        });
        // From one word to the next: a text may be nothing but semicolons.
        position += characters(&rest[..length]);
        rest = &rest[length..];
    }
}

/// The value of the string that `text` begins with, and its length in bytes, quotes included.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != '\'' {
            value.push(character);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            value.push('\'');
        } else {
            return Some((value, at + 1));
        }
    }
    None
}

struct Reader {
    words: std::iter::Peekable<std::vec::IntoIter<Word>>,
    /// The position behind the last character.
    end: u32,
}

impl Reader {
    fn verb(&mut self) -> Result<Verb, SyntaxError> {
        if self.take("SHOW") {
            self.show()
        } else if self.take("OPEN") {
            self.expect("MIGRATION")?;
            self.open().map(Verb::OpenMigration)
        } else if self.take("CLOSE") {
            self.expect("MIGRATION")?;
            let id = self.session()?;
            let note = if self.take("NOTE") {
                Some(self.remark("NOTE")?)
            } else {
                None
            };
            Ok(Verb::CloseMigration { id, note })
        } else if self.take("RELOAD") {
            Ok(Verb::Reload)
        } else if self.take("SHUTDOWN") {
            Ok(Verb::Shutdown)
        } else {
            Err(self.unexpected())
        }
    }

    fn show(&mut self) -> Result<Verb, SyntaxError> {
        if self.take("VERSION") {
            Ok(Verb::ShowVersion)
        } else if self.take("HELP") {
            Ok(Verb::ShowHelp)
        } else if self.take("MIGRATIONS") {
            Ok(Verb::ShowMigrations)
        } else if self.take("MIGRATION") {
            self.session().map(Verb::ShowMigration)
        } else if self.take("REPORT") {
            Ok(Verb::ShowReport)
        } else if self.take("GUARDS") {
            Ok(Verb::ShowGuards)
        } else if self.take("LOGINS") {
            Ok(Verb::ShowLogins)
        } else {
            Err(self.unexpected())
        }
    }

    fn open(&mut self) -> Result<OpenMigration, SyntaxError> {
        let (mut database, mut role, mut reason) = (None, None, None);
        let (mut phase, mut ttl) = (None, None);
        loop {
            if database.is_none() && self.take("DATABASE") {
                database = Some(self.name("DATABASE")?);
            } else if role.is_none() && self.take("ROLE") {
                role = Some(self.name("ROLE")?);
            } else if reason.is_none() && self.take("REASON") {
                reason = Some(self.remark("REASON")?);
            } else if phase.is_none() && self.take("PHASE") {
                phase = Some(self.phase()?);
            } else if ttl.is_none() && self.take("TTL") {
                ttl = Some(self.ttl()?);
            } else {
                break;
            }
        }
        match (database, reason) {
            (Some(database), Some(reason)) => Ok(OpenMigration {
                database,
                role,
                reason,
                phase,
                ttl,
            }),
            (None, _) => Err(self.wrong("OPEN MIGRATION needs DATABASE 'name'")),
            (_, None) => Err(self.wrong("OPEN MIGRATION needs REASON 'why'")),
        }
    }

    fn take(&mut self, word: &str) -> bool {
        self.words
            .next_if(|next| next.form == Form::Word && next.text.eq_ignore_ascii_case(word))
            .is_some()
    }

    fn take_semicolon(&mut self) -> bool {
        self.words
            .next_if(|next| next.form == Form::Semicolon)
            .is_some()
    }

    fn expect(&mut self, word: &str) -> Result<(), SyntaxError> {
        if self.take(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn value(&mut self, what: &str) -> Result<Word, SyntaxError> {
        match self.words.next_if(|next| next.form != Form::Semicolon) {
            Some(word) => Ok(word),
            None => Err(self.wrong(format!("{what} needs a value"))),
        }
    }

    fn bounded(&mut self, what: &str, longest: usize) -> Result<String, SyntaxError> {
        let word = self.value(what)?;
        let wrong = |message| {
            Err(SyntaxError {
                message,
                hint: None,
                position: word.position,
            })
        };
        match word.text.as_str() {
            text if text.trim().is_empty() => wrong(format!("{what} is empty")),
            text if text.len() > longest => wrong(format!("{what} is longer than {longest} bytes")),
            text if text.chars().any(char::is_control) => {
                wrong(format!("{what} holds a control character"))
            }
            _ => Ok(word.text),
        }
    }

    fn name(&mut self, what: &str) -> Result<String, SyntaxError> {
        self.bounded(what, MAX_NAME)
    }

    fn remark(&mut self, what: &str) -> Result<String, SyntaxError> {
        self.bounded(what, MAX_REMARK)
    }

    fn session(&mut self) -> Result<SessionId, SyntaxError> {
        let word = self.value("MIGRATION")?;
        word.text.parse().map_err(|error| SyntaxError {
            message: format!("\"{}\" is no migration session", word.text),
            hint: Some(format!("{error}")),
            position: word.position,
        })
    }

    fn phase(&mut self) -> Result<Phase, SyntaxError> {
        let word = self.value("PHASE")?;
        Phase::from_id(&word.text).ok_or_else(|| SyntaxError {
            message: format!("\"{}\" is no phase", word.text),
            hint: Some(format!("One of: {}.", Phase::ALL.map(Phase::id).join(", "))),
            position: word.position,
        })
    }

    fn ttl(&mut self) -> Result<Duration, SyntaxError> {
        let word = self.value("TTL")?;
        units::duration(&word.text).map_err(|wrong| SyntaxError {
            message: format!("TTL {}", wrong.message),
            hint: wrong.help,
            position: word.position,
        })
    }

    fn wrong(&mut self, message: impl Into<String>) -> SyntaxError {
        let position = self.words.peek().map_or(self.end, |word| word.position);
        SyntaxError {
            message: message.into(),
            hint: None,
            position,
        }
    }

    fn unexpected(&mut self) -> SyntaxError {
        let message = match self.words.peek() {
            Some(word) => format!("syntax error at or near \"{}\"", word.text),
            None => "syntax error at end of input".to_owned(),
        };
        SyntaxError {
            hint: Some("SHOW HELP lists the verbs.".into()),
            ..self.wrong(message)
        }
    }
}
