//! PgBouncer's `userlist.txt` (`auth_file`), read exactly as PgBouncer's `loader.c` reads it.
//!
//! Why the same file and not a list of our own: logging in behind with the client's key works only
//! where Portcullis, PgBouncer and PostgreSQL hold the identical verifier. For the same reason only
//! SCRAM lines count. From an md5 or plain-text line PgBouncer would mint something else.
//!
//! PgBouncer's reading, quirks included: blanks and line ends before an entry are skipped; `;` in
//! the place of an entry begins a comment; an entry is `"name"`, anything without a quote, and
//! `"secret"`; `""` inside quotes is one quote; the rest of the line is ignored. At anything else
//! PgBouncer stops, and what follows is not loaded. Of two lines for one name the later wins.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::scram::{Verifier, VerifierError};
use super::split_quoted;

#[cfg(test)]
mod tests;

/// PgBouncer's `MAX_USERNAME`: a quoted name must be shorter, in bytes.
const MAX_NAME: usize = 128;
/// PgBouncer's `MAX_PASSWORD`: a quoted secret must be shorter, in bytes.
const MAX_SECRET: usize = 2048;

/// Who may log in, and what in the file keeps somebody from it.
#[derive(Debug, Default)]
pub struct Userlist {
    /// The users with a SCRAM-SHA-256 verifier.
    pub users: HashMap<Box<str>, Verifier>,
    /// What must be mended, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One mistake in the file. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the entry begins, from 1.
    pub line: u32,
    /// Whose entry it is, where that is known.
    pub user: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Userlist {
    /// Reads the text of a `userlist.txt`.
    pub fn parse(text: &str) -> Self {
        let mut list = Self::default();
        let mut lines: HashMap<String, u32> = HashMap::new();
        let mut reader = Reader::new(text);
        loop {
            let line = match reader.seek_entry() {
                Some(line) => line,
                None => return list,
            };
            match reader.entry() {
                Ok(entry) => list.add(line, entry, &mut lines),
                Err(stop) => {
                    list.problems.push(stop.problem(line));
                    return list;
                }
            }
        }
    }

    fn add(&mut self, line: u32, entry: Entry, lines: &mut HashMap<String, u32>) {
        let Entry { name, secret } = entry;
        if let Some(first) = lines.insert(name.clone(), line) {
            self.problems.push(Problem {
                line,
                message: format!(
                    "user \"{name}\" is already on line {first}; this line replaces it"
                ),
                hint: format!("remove line {first} or line {line}"),
                user: Some(name.clone()),
            });
        }
        match secret.parse() {
            Ok(verifier) => {
                self.users.insert(name.into(), verifier);
            }
            Err(error) => {
                // As in PgBouncer, the later line counts: the verifier of an earlier one is void.
                self.users.remove(name.as_str());
                self.problems.push(bad_secret(line, name, &secret, error));
            }
        }
    }
}

/// Names what kind of secret it is, and the statement that makes a verifier of it.
fn bad_secret(line: u32, name: String, secret: &str, error: VerifierError) -> Problem {
    let role = name.replace('"', "\"\"");
    let literal = name.replace('\'', "''");
    let copy = format!(
        "put the result of SELECT rolpassword FROM pg_authid WHERE rolname = '{literal}' on line {line}"
    );
    let renew = format!(
        "run SET password_encryption = 'scram-sha-256'; ALTER ROLE \"{role}\" PASSWORD '...'; then {copy}"
    );
    let (message, hint) = match error {
        VerifierError::NotScram if secret.is_empty() => {
            (format!("user \"{name}\" has no secret"), copy)
        }
        VerifierError::NotScram if is_md5(secret) => (
            format!("user \"{name}\" has an md5 secret, which cannot be used for SCRAM"),
            renew,
        ),
        VerifierError::NotScram => (
            format!(
                "user \"{name}\" has a plain-text password, from which PgBouncer makes a verifier of its own"
            ),
            renew,
        ),
        damaged => (
            format!("user \"{name}\" has a damaged verifier: {damaged}"),
            copy,
        ),
    };
    Problem {
        line,
        user: Some(name),
        message,
        hint,
    }
}

/// PostgreSQL's `get_password_type`: `md5` and 32 hexadecimal digits.
fn is_md5(secret: &str) -> bool {
    secret.strip_prefix("md5").is_some_and(|digits| {
        digits.len() == 32
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

struct Entry {
    name: String,
    secret: Zeroizing<String>,
}

/// Why PgBouncer stops reading.
enum Stop {
    NoQuote,
    OpenName,
    LongName,
    NoSecret,
    OpenSecret,
    LongSecret,
}

impl Stop {
    fn problem(&self, line: u32) -> Problem {
        let what = match self {
            Self::NoQuote => "an entry does not begin with a quote",
            Self::OpenName => "the quote around the name is not closed",
            Self::LongName => "the name is too long",
            Self::NoSecret => "there is no quoted secret after the name",
            Self::OpenSecret => "the quote around the secret is not closed",
            Self::LongSecret => "the secret is too long",
        };
        Problem {
            line,
            user: None,
            message: format!("{what}; PgBouncer reads nothing from line {line} on"),
            hint: "write each entry as \"name\" \"SCRAM-SHA-256$...\", and a quote inside as \"\""
                .to_owned(),
        }
    }
}

/// A place in the text.
struct Reader<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Reader<'a> {
    /// C reads up to the first NUL.
    fn new(text: &'a str) -> Self {
        let end = text.find('\0').unwrap_or(text.len());
        Self {
            rest: &text[..end],
            line: 1,
        }
    }

    /// Goes to the next entry and gives its line; none at the end.
    fn seek_entry(&mut self) -> Option<u32> {
        loop {
            let blanks = self
                .rest
                .find(|c| !is_c_space(c))
                .unwrap_or(self.rest.len());
            self.advance(blanks);
            match self.rest.chars().next() {
                None => return None,
                Some(';') => self.skip_line(),
                Some(_) => return Some(self.line),
            }
        }
    }

    fn entry(&mut self) -> Result<Entry, Stop> {
        if !self.rest.starts_with('"') {
            return Err(Stop::NoQuote);
        }
        let name = self.quoted().ok_or(Stop::OpenName)?;
        if name.len() >= MAX_NAME {
            return Err(Stop::LongName);
        }
        let gap = self.rest.find('"').ok_or(Stop::NoSecret)?;
        self.advance(gap);
        let secret = self.quoted().ok_or(Stop::OpenSecret)?;
        if secret.len() >= MAX_SECRET {
            return Err(Stop::LongSecret);
        }
        self.skip_line();
        Ok(Entry {
            name: name.replace("\"\"", "\""),
            secret: Zeroizing::new(secret.replace("\"\"", "\"")),
        })
    }

    /// What stands between this quote and the one that closes it, still with doubled quotes.
    fn quoted(&mut self) -> Option<&'a str> {
        let (inner, rest) = split_quoted(self.rest)?;
        self.advance(self.rest.len() - rest.len());
        Some(inner)
    }

    fn skip_line(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.advance(end);
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        let ends = passed.bytes().filter(|b| *b == b'\n').count();
        self.line = self
            .line
            .saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
        self.rest = rest;
    }
}

/// C's `isspace` in the C locale.
fn is_c_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}
