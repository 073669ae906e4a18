//! A small blocking client of the console: the simple query protocol over its unix socket
//! (PostgreSQL documentation, "Frontend/Backend Protocol"). Bounded in size and time.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::console::DATABASE;
use crate::error::SqlState;

/// Longest message that is taken.
const MAX_MESSAGE: usize = 1 << 20;
/// Longest answer to one query, all messages together.
const MAX_ANSWER: usize = 64 << 20;
/// The console bounds its verbs with 60 s.
const DEADLINE: Duration = Duration::from_secs(75);
/// PostgreSQL's type OID of int8: the console's numbers.
const INT8: u32 = 20;

/// A connection to the console.
pub struct Client {
    stream: UnixStream,
}

/// What one verb answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The columns; none for verbs without rows.
    pub columns: Vec<Column>,
    /// As many values as columns in each; None is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// The command tag.
    pub tag: String,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Holds whole numbers.
    pub number: bool,
}

/// An error that the console sent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ServerError {
    /// Field `C`.
    pub sqlstate: String,
    /// Field `M`.
    pub message: String,
    /// Field `D`.
    pub detail: Option<String>,
    /// Field `H`.
    pub hint: Option<String>,
    /// Field `P`: characters, from 1.
    pub position: Option<u32>,
    /// Field `R`: the guard's id where Portcullis refused.
    pub routine: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// The console refused.
    Refused(Box<ServerError>),
    /// There is no console at that path, or it cannot be entered.
    NoConsole {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The connection was lost, or the console did not answer in time.
    Lost(io::Error),
    /// What came is not PostgreSQL's protocol, or too much of it.
    Protocol(&'static str),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => f.write_str(&error.message),
            Self::NoConsole { path, error } => {
                write!(f, "no Portcullis answers on {}: {error}", path.display())
            }
            Self::Lost(error) => write!(f, "the console was lost: {error}"),
            Self::Protocol(what) => write!(f, "the console's answer was not understood: {what}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl ClientError {
    /// The SQLSTATE of a refusal.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => Some(&error.sqlstate),
            _ => None,
        }
    }
}

impl Client {
    /// Connects and logs in; the kernel says who we are.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let no_console = |error| ClientError::NoConsole {
            path: path.to_owned(),
            error,
        };
        let stream = UnixStream::connect(path).map_err(no_console)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let mut client = Self { stream };
        let body = format!("\0\x03\0\0user\0{DATABASE}\0database\0{DATABASE}\0\0");
        let startup = [&length_of(body.len())?[..], body.as_bytes()].concat();
        client.stream.write_all(&startup)?;
        client.answers()?;
        Ok(client)
    }

    /// Runs verbs; one answer for each.
    pub fn query(&mut self, text: &str) -> Result<Vec<Answer>, ClientError> {
        if text.contains('\0') {
            return Err(ClientError::Protocol("a verb cannot hold a zero byte"));
        }
        let mut message = vec![b'Q'];
        message.extend(length_of(text.len() + 1)?);
        message.extend(text.as_bytes());
        message.push(0);
        self.stream.write_all(&message)?;
        self.answers()
    }

    /// Runs one verb.
    pub fn verb(&mut self, text: &str) -> Result<Answer, ClientError> {
        self.query(text)?
            .into_iter()
            .next()
            .ok_or(ClientError::Protocol("no answer"))
    }

    /// Everything up to ReadyForQuery, or the error before it.
    fn answers(&mut self) -> Result<Vec<Answer>, ClientError> {
        let mut answers = Vec::new();
        let mut current = Answer::default();
        let mut failed = None;
        let mut room = MAX_ANSWER;
        loop {
            let (kind, body) = self.message()?;
            room = room
                .checked_sub(body.len())
                .ok_or(ClientError::Protocol("too long"))?;
            let mut body = Body(&body);
            match kind {
                b'T' => current.columns = body.columns()?,
                b'D' => current.rows.push(body.row()?),
                b'C' => {
                    current.tag = body.text()?.to_owned();
                    answers.push(std::mem::take(&mut current));
                }
                b'E' => {
                    let (fatal, error) = body.error()?;
                    if fatal {
                        return Err(ClientError::Refused(Box::new(error)));
                    }
                    failed = Some(error);
                }
                b'Z' => {
                    return failed.map_or(Ok(answers), |error| {
                        Err(ClientError::Refused(Box::new(error)))
                    });
                }
                b'R' if body.number()? != 0 => {
                    return Err(ClientError::Protocol("it asks for a password"));
                }
                // Authentication, parameters, the cancel key, notices, an empty query.
                b'R' | b'S' | b'K' | b'v' | b'N' | b'I' => {}
                _ => return Err(ClientError::Protocol("an unknown message")),
            }
        }
    }

    fn message(&mut self) -> Result<(u8, Vec<u8>), ClientError> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if !(4..=MAX_MESSAGE).contains(&length) {
            return Err(ClientError::Protocol("invalid message length"));
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

/// A message's length field: counts itself.
pub(super) fn length_of(body: usize) -> Result<[u8; 4], ClientError> {
    let length =
        u32::try_from(body + 4).map_err(|_| ClientError::Protocol("the verb is too long"))?;
    Ok(length.to_be_bytes())
}

/// What is left of a message.
pub(super) struct Body<'m>(pub(super) &'m [u8]);

impl<'m> Body<'m> {
    const SHORT: ClientError = ClientError::Protocol("a message is too short");

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ClientError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Self::SHORT)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(super) fn number(&mut self) -> Result<u32, ClientError> {
        self.bytes().map(u32::from_be_bytes)
    }

    fn count(&mut self) -> Result<usize, ClientError> {
        self.bytes().map(u16::from_be_bytes).map(usize::from)
    }

    fn take(&mut self, length: usize) -> Result<&'m [u8], ClientError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Self::SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A string that ends with a zero byte.
    pub(super) fn text(&mut self) -> Result<&'m str, ClientError> {
        let length = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(Self::SHORT)?;
        let text = self.take(length)?;
        self.take(1)?;
        utf8(text)
    }

    pub(super) fn columns(&mut self) -> Result<Vec<Column>, ClientError> {
        let mut columns = Vec::new();
        for _ in 0..self.count()? {
            let name = self.text()?.to_owned();
            let [_table, _attribute, oid] = [self.number()?, self.count()? as u32, self.number()?];
            self.take(8)?; // size, modifier, format
            columns.push(Column {
                name,
                number: oid == INT8,
            });
        }
        Ok(columns)
    }

    pub(super) fn row(&mut self) -> Result<Vec<Option<String>>, ClientError> {
        let mut row = Vec::new();
        for _ in 0..self.count()? {
            row.push(match self.number()? {
                u32::MAX => None,
                length => Some(utf8(self.take(length as usize)?)?.to_owned()),
            });
        }
        Ok(row)
    }

    pub(super) fn error(&mut self) -> Result<(bool, ServerError), ClientError> {
        let mut error = ServerError::default();
        let mut fatal = false;
        loop {
            let [code] = self.bytes()?;
            if code == 0 {
                return Ok((fatal, error));
            }
            let text = self.text()?;
            match code {
                b'V' => fatal = text != "ERROR",
                b'C' => error.sqlstate = text.to_owned(),
                b'M' => error.message = text.to_owned(),
                b'D' => error.detail = Some(text.to_owned()),
                b'H' => error.hint = Some(text.to_owned()),
                b'P' => error.position = text.parse().ok(),
                b'R' => error.routine = Some(text.to_owned()),
                _ => {}
            }
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, ClientError> {
    std::str::from_utf8(bytes).map_err(|_| ClientError::Protocol("not UTF-8"))
}

/// Does this refusal mean that the thing was over already (55000)?
pub fn is_over(error: &ClientError) -> bool {
    error.sqlstate() == Some(SqlState(*b"55000").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::testing::TestConsole;

    #[test]
    fn answers_errors_and_the_next_answer() {
        let console = TestConsole::start();
        let mut client = Client::connect(&console.socket).expect("connected");
        let version = client.verb("SHOW VERSION").expect("an answer");
        assert_eq!((version.columns.len(), version.tag.as_str()), (1, "SHOW"));
        let ClientError::Refused(error) = client.query("SHOW TABLES").expect_err("refused") else {
            panic!("not refused")
        };
        assert_eq!(
            (
                error.sqlstate.as_str(),
                error.position,
                error.hint.as_deref()
            ),
            ("42601", Some(6), Some("SHOW HELP lists the verbs."))
        );
        let answers = client
            .query("SHOW VERSION; SHOW MIGRATIONS; RELOAD")
            .expect("three answers");
        assert_eq!(
            answers
                .iter()
                .map(|answer| answer.tag.as_str())
                .collect::<Vec<_>>(),
            ["SHOW", "SHOW", "RELOAD"]
        );
        assert!(
            answers[1]
                .columns
                .iter()
                .any(|column| column.name == "statements" && column.number)
        );
    }

    #[test]
    fn a_missing_console_is_named() {
        let path = Path::new("/nonexistent/console.sock");
        let error = Client::connect(path).map(drop).expect_err("nobody there");
        assert_eq!(
            error.to_string(),
            "no Portcullis answers on /nonexistent/console.sock: No such file or directory (os error 2)"
        );
    }

    /// Serves fixed bytes to one client.
    fn answering(bytes: &'static [u8]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        std::thread::spawn(move || {
            if let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.write_all(bytes); // the client may leave first
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new()); // until it has left
            }
        });
        (directory, path)
    }

    #[test]
    fn nonsense_is_an_error_and_no_panic() {
        for bytes in [
            &b"R\0\0\0\x08\0\0\0\x05"[..],        // wants a password
            b"E\0\0\0\x06S\0",                    // no end
            b"T\0\0\0\x06\xff\xff",               // columns that do not come
            b"D\0\0\0\x0a\0\x01\x7f\xff\xff\xff", // a value longer than its message
            b"D\0\0\0\x0b\0\x01\0\0\0\x01\xff",   // not UTF-8
            b"Z\0\0\0\x03",
            b"Z\xff\xff\xff\xff",
            b"HTTP/1.1 400 Bad Request",
            b"C\0\0\0\x05",
        ] {
            let (_directory, path) = answering(bytes);
            assert!(Client::connect(&path).is_err(), "{bytes:?}");
        }
        let (_directory, path) = answering(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
        assert!(Client::connect(&path).is_ok());
    }
}
