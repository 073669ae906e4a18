//! PURE. The keys that sign the tokens of the signed level (`[auth] zone_key_file`).
//!
//! One line a key, quoted as in PgBouncer's `userlist.txt`:
//!
//! ```text
//! ; comment
//! "database" "key id" "secret in hex"
//! ```
//!
//! The secret is what `portcullis.add_key('key id')` returned in that database. Of several lines of one
//! database the last signs: while keys are changed, the others are for comparing with the server's.
//! Whoever has a secret can enter every zone of the database: the file has mode 0600 and its text is
//! never logged.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::signed::{Key, SECRET, Unsignable};
use crate::auth::split_quoted;

/// The key of each database.
#[derive(Debug, Default)]
pub struct ZoneKeys {
    databases: HashMap<Box<str>, Arc<Key>>,
}

/// What is wrong with a line of the file, from 1. Never holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneKeyError {
    /// It is not `"database" "key id" "secret in hex"`.
    Line(u32),
    /// There can be no such key.
    Key(u32, Unsignable),
}

impl fmt::Display for ZoneKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(
                f,
                "line {line} is not \"database\" \"key id\" \"secret in hex\""
            ),
            Self::Key(line, problem) => write!(f, "line {line}: {problem}"),
        }
    }
}

impl std::error::Error for ZoneKeyError {}

impl ZoneKeys {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn parse(text: &str) -> Result<Self, ZoneKeyError> {
        let mut databases = HashMap::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with(';') {
                continue;
            }
            let (database, id, secret) = parts(content).ok_or(ZoneKeyError::Line(line))?;
            let key = Key::new(id, &secret).map_err(|error| ZoneKeyError::Key(line, error))?;
            databases.insert(database.into(), Arc::new(key));
        }
        Ok(Self { databases })
    }

    /// The key that signs for a database.
    pub fn of(&self, database: &str) -> Option<&Arc<Key>> {
        self.databases.get(database)
    }
}

fn parts(line: &str) -> Option<(String, &str, Zeroizing<Vec<u8>>)> {
    let (database, rest) = split_quoted(line)?;
    let (id, rest) = split_quoted(rest.trim_start())?;
    let (secret, rest) = split_quoted(rest.trim_start())?;
    let database = database.replace("\"\"", "\"");
    let secret = from_hex(secret)?;
    (!database.is_empty() && rest.is_empty()).then_some((database, id, secret))
}

fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 4 * SECRET.end() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.chunks_exact(2) {
        bytes.push((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(database: &str, id: &str) -> String {
        format!("\"{database}\" \"{id}\"  \"{}\"\n", "0a".repeat(32))
    }

    #[test]
    fn the_last_line_of_a_database_signs() {
        let text = format!(
            "; keys\n\n{}{}{}",
            line("shop", "k1"),
            line("a \"\"b", "k9"),
            line("shop", "k2")
        );
        let keys = ZoneKeys::parse(&text).unwrap();
        let id = |database| keys.of(database).map(|key| key.id().to_owned());
        assert_eq!(id("shop").as_deref(), Some("k2"));
        assert_eq!(id("a \"b").as_deref(), Some("k9"));
        assert_eq!(id("other"), None);
        let printed = format!("{keys:?}");
        assert!(!printed.contains("0a0a"), "{printed}");
    }

    #[test]
    fn what_is_not_a_key_is_named_by_its_line() {
        let wrong = |line: &str| ZoneKeys::parse(&format!(";\n{line}")).unwrap_err();
        for line in [
            "shop k1 00",
            "\"shop\" \"k1\"",
            "\"shop\" \"k1\" \"0\"",
            "\"shop\" \"k1\" \"zz\"",
            "\"\" \"k1\" \"00\"",
            &format!("{} more", line("shop", "k1").trim()),
            &format!("\"shop\" \"k1\" \"{}\"", "00".repeat(500)),
        ] {
            assert_eq!(wrong(line), ZoneKeyError::Line(2), "{line}");
        }
        assert_eq!(
            wrong("\"shop\" \"k1\" \"00\"").to_string(),
            "line 2: a key's secret has 32 to 64 bytes"
        );
        assert_eq!(
            wrong(&line("shop", "K1")),
            ZoneKeyError::Key(2, Unsignable::KeyId)
        );
    }
}
