//! PURE. The console's language: what a person may type. Key words in any case, values as words
//! or in single quotes (`''` is a quote), several verbs separated by semicolons.

use std::time::Duration;

use crate::config::units;
use crate::migration::token::SessionId;

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
        "OPEN MIGRATION DATABASE 'name' REASON 'why' [ROLE 'name'] [TTL '30min']",
        "open one; shows its token, once",
    ),
    (
        "CLOSE MIGRATION id [NOTE 'why']",
        "end one; its connections are cut off",
    ),
    ("RELOAD", "read configuration and policy again"),
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

/// `OPEN MIGRATION DATABASE '...' REASON '...' [ROLE '...'] [TTL '...']`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenMigration {
    /// The one database.
    pub database: String,
    /// The login of kind migrator; None: the only one that reaches the database.
    pub role: Option<String>,
    /// Why.
    pub reason: String,
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
    loop {
        rest = rest.trim_start();
        let position = 1 + characters(&text[..text.len() - rest.len()]);
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
        } else {
            Err(self.unexpected())
        }
    }

    fn open(&mut self) -> Result<OpenMigration, SyntaxError> {
        let (mut database, mut role, mut reason, mut ttl) = (None, None, None, None);
        loop {
            if database.is_none() && self.take("DATABASE") {
                database = Some(self.name("DATABASE")?);
            } else if role.is_none() && self.take("ROLE") {
                role = Some(self.name("ROLE")?);
            } else if reason.is_none() && self.take("REASON") {
                reason = Some(self.remark("REASON")?);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Verb {
        let mut verbs = parse(text).expect(text);
        assert_eq!(verbs.len(), 1, "{text}");
        verbs.remove(0)
    }

    fn wrong(text: &str) -> (String, u32) {
        let error = parse(text).expect_err(text);
        (error.message, error.position)
    }

    #[test]
    fn verbs_in_any_case() {
        let id: SessionId = "mig_4k7qz2hd".parse().expect("an id");
        assert_eq!(one("show version"), Verb::ShowVersion);
        assert_eq!(one(" SHOW\n\tHelp ;"), Verb::ShowHelp);
        assert_eq!(one("SHOW MIGRATIONS;;"), Verb::ShowMigrations);
        assert_eq!(one("SHOW MIGRATION mig_4k7qz2hd"), Verb::ShowMigration(id));
        assert_eq!(
            one("Close Migration 'mig_4k7qz2hd' note 'it''s the wrong window; sorry'"),
            Verb::CloseMigration {
                id,
                note: Some("it's the wrong window; sorry".into())
            }
        );
        assert_eq!(
            one("close migration mig_4k7qz2hd;"),
            Verb::CloseMigration { id, note: None }
        );
        assert_eq!(
            (one("reload"), one("SHUTDOWN")),
            (Verb::Reload, Verb::Shutdown)
        );
        assert_eq!(parse(" ;; "), Ok(vec![]));
        assert_eq!(
            parse("RELOAD; SHOW VERSION"),
            Ok(vec![Verb::Reload, Verb::ShowVersion])
        );
    }

    #[test]
    fn an_opening_takes_its_clauses_in_any_order() {
        let opening = OpenMigration {
            database: "shop".into(),
            role: Some("migrator".into()),
            reason: "SHOP-298 order notes".into(),
            ttl: Some(Duration::from_secs(1800)),
        };
        assert_eq!(
            one(
                "OPEN MIGRATION DATABASE 'shop' ROLE 'migrator' REASON 'SHOP-298 order notes' TTL '30min'"
            ),
            Verb::OpenMigration(opening.clone())
        );
        assert_eq!(
            one(
                "open migration ttl 30min reason 'SHOP-298 order notes' role migrator database shop"
            ),
            Verb::OpenMigration(opening.clone())
        );
        assert_eq!(
            one("OPEN MIGRATION DATABASE shop REASON 'SHOP-298 order notes'"),
            Verb::OpenMigration(OpenMigration {
                role: None,
                ttl: None,
                ..opening
            })
        );
    }

    #[test]
    fn every_mistake_is_located() {
        assert_eq!(
            wrong("DROP TABLE orders"),
            ("syntax error at or near \"DROP\"".into(), 1)
        );
        assert_eq!(wrong("é SHOW"), ("syntax error at or near \"é\"".into(), 1));
        assert_eq!(
            wrong("SHOW 'VERSION'"),
            ("syntax error at or near \"VERSION\"".into(), 6)
        );
        assert_eq!(wrong("SHOW"), ("syntax error at end of input".into(), 5));
        assert_eq!(
            wrong("SHOW VERSION RELOAD"),
            ("syntax error at or near \"RELOAD\"".into(), 14)
        );
        assert_eq!(
            wrong("RELOAD; 'é' x"),
            ("syntax error at or near \"é\"".into(), 9)
        );
        assert_eq!(
            wrong("CLOSE MIGRATION"),
            ("MIGRATION needs a value".into(), 16)
        );
        assert_eq!(
            wrong("CLOSE MIGRATION c_91"),
            ("\"c_91\" is no migration session".into(), 17)
        );
        assert_eq!(
            wrong("OPEN MIGRATION REASON 'x'"),
            ("OPEN MIGRATION needs DATABASE 'name'".into(), 26)
        );
        assert_eq!(
            wrong("OPEN MIGRATION DATABASE shop"),
            ("OPEN MIGRATION needs REASON 'why'".into(), 29)
        );
        assert_eq!(
            wrong("OPEN MIGRATION DATABASE shop REASON ' '"),
            ("REASON is empty".into(), 37)
        );
        assert_eq!(
            wrong("OPEN MIGRATION DATABASE shop REASON 'x\ny'"),
            ("REASON holds a control character".into(), 37)
        );
        assert_eq!(
            wrong("OPEN MIGRATION DATABASE shop DATABASE crm REASON x"),
            ("OPEN MIGRATION needs REASON 'why'".into(), 30)
        );
        assert_eq!(
            wrong("OPEN MIGRATION DATABASE shop REASON x TTL 30"),
            ("TTL \"30\" is not a duration".into(), 43)
        );
        assert_eq!(
            wrong("SHOW MIGRATION 'mig_4k7qz2hd"),
            ("unterminated quoted string".into(), 16)
        );
        assert_eq!(
            wrong(&"RELOAD;".repeat(17)).0,
            "more than 16 verbs in one text"
        );
        assert_eq!(
            wrong(&format!(
                "OPEN MIGRATION DATABASE {} REASON x",
                "d".repeat(64)
            ))
            .0,
            "DATABASE is longer than 63 bytes"
        );
    }

    #[test]
    fn the_help_names_only_verbs_that_exist() {
        for (verb, _) in HELP {
            let example = verb.replace("id", "mig_4k7qz2hd").replace(['[', ']'], "");
            parse(&example).expect(verb);
        }
    }
}
