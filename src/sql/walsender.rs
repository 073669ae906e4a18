//! Walsender commands: what a replication connection may send beside SQL.
//!
//! PostgreSQL looks at the first token of a Query: is it one of ten (`FIRST`), written exactly so, the text is
//! a command and nothing else; any other text is SQL. Its scanner for that knows no comments, folds no
//! keyword, and is older than most of SQL's ways to write a name; it is the same in PostgreSQL 15, 17 and
//! 18, but for `ALTER_REPLICATION_SLOT` and `UPLOAD_MANIFEST`, which 15 does not know (there they are SQL
//! that does not parse). So a text that is read as a command here is either that command or a syntax error,
//! and one that is read as SQL here begins with another word, which is no command in any version.

mod tokens;

use super::details::Details;
use super::facts::{Class, ClassSet, Facts, Statement};
use super::fingerprint;
use tokens::{Token, Tokens};

/// Longest command, in bytes; a longer one is malformed.
pub const MAX_COMMAND: usize = 64 * 1024;
/// Most options of one command.
const MAX_OPTIONS: usize = 1000;

/// The words that make a text a command.
const FIRST: [&str; 10] = [
    "ALTER_REPLICATION_SLOT",
    "BASE_BACKUP",
    "CREATE_REPLICATION_SLOT",
    "DROP_REPLICATION_SLOT",
    "IDENTIFY_SYSTEM",
    "READ_REPLICATION_SLOT",
    "SHOW",
    "START_REPLICATION",
    "TIMELINE_HISTORY",
    "UPLOAD_MANIFEST",
];

/// The other words that are no names unless they are quoted.
const OTHERS: [&str; 11] = [
    "EXPORT_SNAPSHOT",
    "LOGICAL",
    "NOEXPORT_SNAPSHOT",
    "PHYSICAL",
    "RESERVE_WAL",
    "SLOT",
    "TEMPORARY",
    "TIMELINE",
    "TWO_PHASE",
    "USE_SNAPSHOT",
    "WAIT",
];

/// A name and the value that was given to it, if any.
pub type Setting = (String, Option<String>);

/// What a command asks for. Names are as PostgreSQL stores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Who are you, and where in the WAL?
    IdentifySystem,
    /// A configuration parameter.
    Show,
    /// Where a physical slot is.
    ReadSlot(String),
    /// A new slot for logical decoding.
    CreateLogicalSlot {
        /// Its name.
        slot: String,
        /// The output plugin.
        plugin: String,
    },
    /// A new slot for the WAL as it is.
    CreatePhysicalSlot(String),
    /// Changes a slot.
    AlterSlot(String),
    /// Removes a slot.
    DropSlot(String),
    /// Streams what a slot decodes.
    StartLogical {
        /// The slot.
        slot: String,
        /// For the output plugin.
        options: Vec<Setting>,
    },
    /// Streams the WAL as it is.
    StartPhysical,
    /// The history file of a timeline.
    TimelineHistory,
    /// A copy of the whole cluster.
    BaseBackup,
    /// For the next BASE_BACKUP.
    UploadManifest,
}

/// A command by its first word, and by no grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A text that is a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walsender {
    /// Its first word.
    pub tag: &'static str,
    /// What it asks for.
    pub command: Result<Command, Malformed>,
}

/// Reads the text of a Query on a replication connection; `None`: it is SQL. Takes time linear in the
/// length of the text, and none for SQL.
pub fn read(text: &[u8]) -> Option<Walsender> {
    let mut tokens = Tokens::new(text);
    let word = match tokens.next() {
        Some(Token::Word(word)) => word,
        _ => return None,
    };
    let tag = FIRST.into_iter().find(|first| first.as_bytes() == word)?;
    let command = match text.len() <= MAX_COMMAND {
        true => whole(tag, tokens).ok_or(Malformed),
        false => Err(Malformed),
    };
    Some(Walsender { tag, command })
}

impl Walsender {
    /// The command as facts, for counters and records.
    pub fn facts(&self, text: &[u8]) -> Facts {
        let classes = ClassSet::of(Class::Replication);
        Facts {
            statements: vec![Statement {
                classes,
                tag: self.tag,
                position: 1,
                transaction: None,
                unlocks_all: false,
                recalls: false,
                alone: false,
                only_sets: false,
                parameters: Vec::new(),
                functions: Vec::new(),
                details: Details::default(),
            }],
            classes,
            undescribed: None,
            fingerprint: Some(fingerprint::of_bytes(text)).into(),
        }
    }
}

/// One command, a semicolon perhaps, and nothing more.
fn whole(tag: &str, tokens: Tokens<'_>) -> Option<Command> {
    let mut reader = Reader { next: None, tokens };
    let command = reader.command(tag)?;
    if reader.peek() == Some(&Token::Sign(b';')) {
        reader.take();
    }
    // Where the tokens end before the text does, there is something that is none.
    (reader.take().is_none() && reader.tokens.is_at_end()).then_some(command)
}

struct Reader<'t> {
    tokens: Tokens<'t>,
    next: Option<Token<'t>>,
}

impl<'t> Reader<'t> {
    fn peek(&mut self) -> Option<&Token<'t>> {
        if self.next.is_none() {
            self.next = self.tokens.next();
        }
        self.next.as_ref()
    }

    fn take(&mut self) -> Option<Token<'t>> {
        self.next.take().or_else(|| self.tokens.next())
    }

    /// Takes the keyword if it is there.
    fn has(&mut self, keyword: &str) -> bool {
        let there = self.peek() == Some(&Token::Word(keyword.as_bytes()));
        if there {
            self.next = None;
        }
        there
    }

    fn sign(&mut self, sign: u8) -> Option<()> {
        (self.take()? == Token::Sign(sign)).then_some(())
    }

    fn name(&mut self) -> Option<String> {
        match self.take()? {
            Token::Quoted(name) => Some(name),
            Token::Word(word) if !is_keyword(word) => folded(word),
            _ => None,
        }
    }

    fn command(&mut self, tag: &str) -> Option<Command> {
        Some(match tag {
            "IDENTIFY_SYSTEM" => Command::IdentifySystem,
            "SHOW" => {
                self.dotted()?;
                Command::Show
            }
            "READ_REPLICATION_SLOT" => Command::ReadSlot(self.dotted()?),
            "CREATE_REPLICATION_SLOT" => self.create_slot()?,
            "ALTER_REPLICATION_SLOT" => {
                let slot = self.name()?;
                self.options(true)?;
                Command::AlterSlot(slot)
            }
            "DROP_REPLICATION_SLOT" => {
                let slot = self.name()?;
                self.has("WAIT");
                Command::DropSlot(slot)
            }
            "START_REPLICATION" => self.start()?,
            "TIMELINE_HISTORY" => {
                (self.take()? == Token::Number).then_some(())?;
                Command::TimelineHistory
            }
            "BASE_BACKUP" => {
                if self.peek() == Some(&Token::Sign(b'(')) {
                    self.options(true)?;
                }
                Command::BaseBackup
            }
            "UPLOAD_MANIFEST" => Command::UploadManifest,
            _ => return None,
        })
    }

    fn dotted(&mut self) -> Option<String> {
        let mut name = self.name()?;
        while self.peek() == Some(&Token::Sign(b'.')) {
            self.take();
            name = format!("{name}.{}", self.name()?);
        }
        Some(name)
    }

    fn create_slot(&mut self) -> Option<Command> {
        let slot = self.name()?;
        self.has("TEMPORARY");
        let command = match self.has("PHYSICAL") {
            true => Command::CreatePhysicalSlot(slot),
            false if self.has("LOGICAL") => Command::CreateLogicalSlot {
                slot,
                plugin: self.name()?,
            },
            false => return None,
        };
        if self.peek() == Some(&Token::Sign(b'(')) {
            self.options(true)?;
            return Some(command);
        }
        const FORMER: [&str; 5] = [
            "EXPORT_SNAPSHOT",
            "NOEXPORT_SNAPSHOT",
            "USE_SNAPSHOT",
            "RESERVE_WAL",
            "TWO_PHASE",
        ];
        while FORMER.into_iter().any(|option| self.has(option)) {}
        Some(command)
    }

    fn start(&mut self) -> Option<Command> {
        let slot = match self.has("SLOT") {
            true => Some(self.name()?),
            false => None,
        };
        if let Some(slot) = slot
            && self.has("LOGICAL")
        {
            (self.take()? == Token::Location).then_some(())?;
            let options = match self.peek() == Some(&Token::Sign(b'(')) {
                true => self.options(false)?,
                false => Vec::new(),
            };
            return Some(Command::StartLogical { slot, options });
        }
        self.has("PHYSICAL");
        (self.take()? == Token::Location).then_some(())?;
        if self.has("TIMELINE") {
            (self.take()? == Token::Number).then_some(())?;
        }
        Some(Command::StartPhysical)
    }

    /// `(name [value], ...)`. `generic`: the name may be a keyword, and the value a name or number;
    /// otherwise it is a string.
    fn options(&mut self, generic: bool) -> Option<Vec<Setting>> {
        self.sign(b'(')?;
        let mut options = Vec::new();
        loop {
            let name = match self.take()? {
                Token::Quoted(name) => name,
                Token::Word(word) if generic || !is_keyword(word) => folded(word)?,
                _ => return None,
            };
            let mut value = None;
            match self.peek()? {
                Token::String(text) => {
                    value = Some(text.clone());
                    self.take();
                }
                Token::Quoted(_) | Token::Word(_) | Token::Number if generic => {
                    if matches!(self.peek(), Some(Token::Word(word)) if is_keyword(word)) {
                        return None;
                    }
                    self.take();
                }
                _ => {}
            }
            options.push((name, value));
            match self.take()? {
                Token::Sign(b',') if options.len() < MAX_OPTIONS => {}
                Token::Sign(b')') => return Some(options),
                _ => return None,
            }
        }
    }
}

fn is_keyword(word: &[u8]) -> bool {
    let mut keywords = FIRST.iter().chain(&OTHERS);
    keywords.any(|keyword| keyword.as_bytes() == word)
}

/// A name without quotes as PostgreSQL stores it.
fn folded(word: &[u8]) -> Option<String> {
    String::from_utf8(word.to_ascii_lowercase()).ok()
}

#[cfg(test)]
mod tests;
