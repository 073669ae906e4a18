//! The server key file: who Portcullis is towards PgBouncer when no client's key is at hand (a
//! migration token, a login that is mapped to another role, Portcullis's own checks).
//!
//! One line a role, quoted as in PgBouncer's `userlist.txt`:
//!
//! ```text
//! ; comment
//! "role" "SCRAM-SHA-256-KEYS$<iterations>:<salt>$<ClientKey>:<ServerKey>"
//! ```
//!
//! Salt and keys in base64. `portcullis keys add` writes it. A ClientKey is as good as the role's
//! password: the file has mode 0600 and its text is never logged. Unlike `userlist.txt` the file is
//! ours, so whatever is not understood is an error.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use super::scram::{Keys, VerifierError};
use super::split_quoted;

#[cfg(test)]
mod tests;

const PREFIX: &str = "SCRAM-SHA-256-KEYS$";
/// What a new file begins with.
const HEADER: &str = "; Portcullis server keys. Each is as good as the role's password: mode 0600, out of version control.\n";

/// The keys of every role in the file.
#[derive(Debug, Default)]
pub struct ServerKeys {
    roles: HashMap<Box<str>, Keys>,
}

/// What is wrong with a key file, or with a role that shall go into it. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFileError {
    /// The line is no `"role" "SCRAM-SHA-256-KEYS$..."`.
    Line {
        /// From 1.
        line: u32,
    },
    /// The keys are damaged.
    Keys {
        /// From 1.
        line: u32,
        /// Which part.
        error: VerifierError,
    },
    /// The role has an earlier line.
    Duplicate {
        /// From 1.
        line: u32,
        /// The role.
        role: String,
    },
    /// The role is empty or holds a control character.
    Role,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line } => {
                write!(f, "line {line} is not \"role\" \"{PREFIX}...\"")
            }
            Self::Keys { line, error } => write!(f, "line {line}: {error}"),
            Self::Duplicate { line, role } => {
                write!(f, "line {line}: role \"{role}\" has an earlier line")
            }
            Self::Role => f.write_str("role is empty or holds a control character"),
        }
    }
}

impl std::error::Error for KeyFileError {}

impl ServerKeys {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut roles = HashMap::new();
        for (line, content) in numbered(text) {
            let Some((role, keys)) = read_line(line, content)? else {
                continue;
            };
            if roles.insert(role.clone().into_boxed_str(), keys).is_some() {
                return Err(KeyFileError::Duplicate { line, role });
            }
        }
        Ok(Self { roles })
    }

    /// The keys of a role.
    pub fn get(&self, role: &str) -> Option<&Keys> {
        self.roles.get(role)
    }

    /// The roles that have keys, sorted.
    pub fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self.roles.keys().map(AsRef::as_ref).collect();
        roles.sort_unstable();
        roles
    }
}

/// The text of a key file with these keys for the role: in the place of its line, or at the end.
/// Comments and the other lines stay as they are.
///
/// # Errors
/// A text that is no key file (nothing may be lost by rewriting it), or a role that cannot be written.
pub fn with_keys(text: &str, role: &str, keys: &Keys) -> Result<Zeroizing<String>, KeyFileError> {
    if role.is_empty() || role.chars().any(char::is_control) {
        return Err(KeyFileError::Role);
    }
    ServerKeys::parse(text)?;
    let secret = keys.to_text();
    let line = Zeroizing::new(format!("\"{}\" \"{PREFIX}{}\"\n", escape(role), *secret));
    // Room for all of it at once: a text that grows leaves copies behind.
    let mut out = Zeroizing::new(String::with_capacity(
        HEADER.len() + text.len() + line.len() + 1,
    ));
    if text.is_empty() {
        out.push_str(HEADER);
    }
    let mut replaced = false;
    for (number, content) in numbered(text) {
        if is_line_of(number, content, role)? {
            out.push_str(&line);
            replaced = true;
        } else {
            out.push_str(content);
            out.push('\n');
        }
    }
    if !replaced {
        out.push_str(&line);
    }
    Ok(out)
}

/// The text of a key file without the role; none where the role is not in it.
///
/// # Errors
/// A text that is no key file.
pub fn without_keys(text: &str, role: &str) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    if ServerKeys::parse(text)?.get(role).is_none() {
        return Ok(None);
    }
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 1));
    for (number, content) in numbered(text) {
        if !is_line_of(number, content, role)? {
            out.push_str(content);
            out.push('\n');
        }
    }
    Ok(Some(out))
}

fn numbered(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1..).zip(text.lines())
}

fn is_line_of(line: u32, content: &str, role: &str) -> Result<bool, KeyFileError> {
    Ok(read_line(line, content)?.is_some_and(|(found, _)| found == role))
}

/// The role and keys of a line; none for a blank line or a comment.
fn read_line(line: u32, content: &str) -> Result<Option<(String, Keys)>, KeyFileError> {
    let content = content.trim();
    if content.is_empty() || content.starts_with(';') {
        return Ok(None);
    }
    let malformed = || KeyFileError::Line { line };
    let (role, rest) = split_quoted(content).ok_or_else(malformed)?;
    let (secret, rest) = split_quoted(rest.trim_start()).ok_or_else(malformed)?;
    if role.is_empty() || !rest.is_empty() {
        return Err(malformed());
    }
    let keys = secret.strip_prefix(PREFIX).ok_or_else(malformed)?;
    let keys = Keys::from_text(keys).map_err(|error| KeyFileError::Keys { line, error })?;
    Ok(Some((role.replace("\"\"", "\""), keys)))
}

fn escape(role: &str) -> String {
    role.replace('"', "\"\"")
}
