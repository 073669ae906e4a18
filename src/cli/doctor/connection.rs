//! A blocking client of a stranger's server: startup, SCRAM, the simple protocol. Bounded in size and
//! time; it never gives a password to who has not proved anything.

#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use super::dsn::{Dsn, Mode};
use super::failure::{Cause, Failure};
use super::stream::Stream;
use crate::auth::scram::{MECHANISM, PasswordExchange};
use crate::cli::client::{Answer, Body, ClientError, ServerError, length_of};
use crate::net::worker::random;

/// Longest message that is taken, in bytes.
const MAX_MESSAGE: usize = 16 << 20;
/// Longest answer to one query, in bytes.
const MAX_ANSWER: usize = 64 << 20;
/// What a message counts besides its bytes: a row without columns takes memory as well.
const MESSAGE: usize = 64;
/// Longest message while we know nothing of the other side, in bytes.
const MAX_BEFORE_LOGIN: usize = 64 << 10;
/// How long one query may take. Catalogs with 100,000 relations answer in a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server asked for at login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing: it trusts whoever comes.
    Nothing,
    /// The password itself, inside TLS.
    Cleartext,
    /// SCRAM-SHA-256.
    Scram,
}

/// A connection that is logged in.
pub(super) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    deadline: Instant,
    /// How long one query may take.
    pub patience: Duration,
    /// Of BackendKeyData: PostgreSQL's own is the backend's process id.
    pub key: u32,
    pub asked: Asked,
}

/// Why a query has no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server refused, and the connection lives.
    Refused(Box<ServerError>),
    /// The connection is gone, or of no use any more.
    Lost(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => f.write_str(&error.message),
            Self::Lost(why) => write!(f, "the connection was lost: {why}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Lost(match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
            io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
            _ => error.to_string(),
        })
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Lost(match error {
            ClientError::Protocol(what) => format!("the answer was not understood: {what}"),
            other => other.to_string(),
        })
    }
}

impl Connection {
    /// Connects and logs in, within `connect_timeout`.
    ///
    /// # Errors
    /// Which of the causes it is.
    pub(super) fn open(dsn: &Dsn) -> Result<Self, Failure> {
        let deadline = Instant::now() + dsn.connect_timeout;
        let opened = Self::open_as(dsn, dsn.sslmode, deadline);
        match opened {
            Err(failure) if dsn.sslmode == Mode::Allow && failure.cause == Cause::SslMode => {
                Self::open_as(dsn, Mode::Require, deadline)
            }
            opened => opened,
        }
    }

    fn open_as(dsn: &Dsn, mode: Mode, deadline: Instant) -> Result<Self, Failure> {
        let mut connection = Self {
            stream: Stream::open(dsn, mode, deadline)?,
            buffer: Vec::new(),
            deadline,
            patience: PATIENCE,
            key: 0,
            asked: Asked::Nothing,
        };
        connection
            .send_startup(dsn)
            .map_err(|error| Failure::talking(dsn, &error))?;
        connection.log_in(dsn)?;
        Ok(connection)
    }

    /// The version of TLS, if there is any.
    pub(super) fn tls(&self) -> Option<&'static str> {
        self.stream.tls()
    }

    pub(super) fn is_unix(&self) -> bool {
        self.stream.is_unix()
    }

    /// Runs one statement in the simple protocol.
    pub(super) fn query(&mut self, sql: &str) -> Result<Answer, Trouble> {
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.deadline = Instant::now() + self.patience;
        self.send(b'Q', &body)?;
        self.answer()
    }

    /// Prepares a named statement as drivers do: Parse, Sync.
    pub(super) fn prepare(&mut self, name: &str, sql: &str) -> Result<(), Trouble> {
        self.deadline = Instant::now() + self.patience;
        // No parameter types.
        self.send(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())?;
        self.send(b'S', b"")?;
        self.answer().map(drop)
    }

    /// Takes a named statement away: Close, Sync. That there is none is no error.
    pub(super) fn unprepare(&mut self, name: &str) -> Result<(), Trouble> {
        self.deadline = Instant::now() + self.patience;
        self.send(b'C', format!("S{name}\0").as_bytes())?;
        self.send(b'S', b"")?;
        self.answer().map(drop)
    }

    /// Says goodbye, so that a pool takes the server connection back at once.
    pub(super) fn close(mut self) {
        self.deadline = Instant::now() + Duration::from_secs(2);
        // Who has gone already needs no goodbye.
        let _ = self.send(b'X', b"");
    }

    fn send_startup(&mut self, dsn: &Dsn) -> io::Result<()> {
        let mut body = b"\0\x03\0\0".to_vec();
        let mut pairs = vec![
            ("user", dsn.user.as_str()),
            ("database", &dsn.database),
            ("application_name", &dsn.application_name),
            ("client_encoding", "UTF8"),
        ];
        pairs.extend(dsn.options.as_deref().map(|options| ("options", options)));
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            body.extend(text.bytes().filter(|byte| *byte != 0));
            body.push(0);
        }
        body.push(0);
        let length = length_of(body.len()).map_err(io::Error::other)?;
        self.stream
            .write(&[&length[..], &body].concat(), self.deadline)
    }

    /// Everything up to the first ReadyForQuery.
    fn log_in(&mut self, dsn: &Dsn) -> Result<(), Failure> {
        loop {
            let (kind, body) =
                self.message(MAX_BEFORE_LOGIN)
                    .map_err(|error| match error.kind() {
                        io::ErrorKind::InvalidData => Failure::stranger(dsn),
                        _ => Failure::talking(dsn, &error),
                    })?;
            let stranger = |_| Failure::stranger(dsn);
            let mut body = Body(&body);
            match kind {
                b'R' => self.authenticate(dsn, &mut body)?,
                b'K' => self.key = body.number().map_err(stranger)?,
                b'E' => {
                    let (_, error) = body.error().map_err(stranger)?;
                    return Err(match self.asked {
                        // It has proved that it knows our password, and so has taken it.
                        Asked::Scram => Failure::refused_behind(dsn, error),
                        _ => Failure::refused(dsn, error),
                    });
                }
                b'Z' => return Ok(()),
                // Parameters, notices, a lower protocol version.
                b'S' | b'N' | b'v' => {}
                _ => return Err(Failure::stranger(dsn)),
            }
        }
    }

    fn authenticate(&mut self, dsn: &Dsn, body: &mut Body) -> Result<(), Failure> {
        let wanted = body.number().map_err(|_| Failure::stranger(dsn))?;
        match wanted {
            0 => Ok(()),
            3 => self.send_cleartext(dsn),
            10 => {
                let mut mechanisms = std::iter::from_fn(|| body.text().ok());
                match mechanisms.any(|mechanism| mechanism == MECHANISM) {
                    true => self.scram(dsn),
                    false => Err(unsupported("another SASL mechanism than SCRAM-SHA-256")),
                }
            }
            5 => Err(unsupported("an MD5 password")),
            7 | 8 => Err(unsupported("GSSAPI")),
            9 => Err(unsupported("SSPI")),
            _ => Err(Failure::stranger(dsn)),
        }
    }

    /// Only to a server that has proved by its certificate who it is.
    fn send_cleartext(&mut self, dsn: &Dsn) -> Result<(), Failure> {
        if self.stream.tls().is_none() || !dsn.sslmode.verifies() {
            return Err(Failure::new(
                Cause::SslMode,
                "the server asks for the password itself, and has not proved who it is",
                "Use sslmode=verify-full with sslrootcert=FILE, or SCRAM-SHA-256 on the server.",
            ));
        }
        let mut message = password(dsn)?.as_bytes().to_vec();
        message.push(0);
        self.asked = Asked::Cleartext;
        self.send(b'p', &message)
            .map_err(|error| Failure::talking(dsn, &error))
    }

    fn scram(&mut self, dsn: &Dsn) -> Result<(), Failure> {
        let nonce = random().ok_or_else(|| {
            Failure::new(
                Cause::Server,
                "the system gives no random bytes",
                "Try again.",
            )
        })?;
        let (exchange, first) = PasswordExchange::new(password(dsn)?, nonce);
        let length = length_of(first.len()).map_err(|_| Failure::stranger(dsn))?;
        // This length does not count itself.
        let length = (u32::from_be_bytes(length) - 4).to_be_bytes();
        let initial = [MECHANISM.as_bytes(), b"\0", &length, &first].concat();
        let server_first = self.sasl(dsn, &initial, 11)?;
        let unproved = |error: crate::auth::scram::ScramError| {
            Failure::new(
                Cause::Secret,
                format!("the server did not prove that it knows the password: {error}"),
                "Check host and port: this may be another server.",
            )
        };
        let (exchange, proof) = exchange.server_first(&server_first).map_err(unproved)?;
        let server_final = self.sasl(dsn, &proof, 12)?;
        exchange.server_final(&server_final).map_err(unproved)?;
        self.asked = Asked::Scram;
        Ok(())
    }

    /// Sends a SASL message; gives the next one, which must be of that kind.
    fn sasl(&mut self, dsn: &Dsn, message: &[u8], kind: u32) -> Result<Vec<u8>, Failure> {
        self.send(b'p', message)
            .map_err(|error| Failure::talking(dsn, &error))?;
        loop {
            let (found, body) = self
                .message(MAX_BEFORE_LOGIN)
                .map_err(|error| Failure::talking(dsn, &error))?;
            let mut body = Body(&body);
            match found {
                b'R' if body.number().ok() == Some(kind) => return Ok(body.0.to_vec()),
                b'E' => {
                    let (_, error) = body.error().map_err(|_| Failure::stranger(dsn))?;
                    return Err(Failure::refused(dsn, error));
                }
                b'N' => {}
                // AuthenticationOk in the middle of it would leave the server unproved.
                _ => return Err(Failure::stranger(dsn)),
            }
        }
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let length = length_of(body.len()).map_err(io::Error::other)?;
        let message = [&[kind][..], &length, body].concat();
        self.stream.write(&message, self.deadline)
    }

    /// Everything up to ReadyForQuery, or the error before it.
    fn answer(&mut self) -> Result<Answer, Trouble> {
        let mut answer = Answer::default();
        let mut failed: Option<ServerError> = None;
        let mut room = MAX_ANSWER;
        loop {
            let (kind, body) = match (self.message(MAX_MESSAGE), &failed) {
                (Ok(message), _) => message,
                // PgBouncer hangs up after an error of its own, which says more than that.
                (Err(_), Some(error)) => return Err(Trouble::Lost(error.message.clone())),
                (Err(error), None) => return Err(error.into()),
            };
            room = room
                .checked_sub(body.len() + MESSAGE)
                .ok_or_else(|| Trouble::Lost("the answer is too long".to_owned()))?;
            let mut body = Body(&body);
            match kind {
                b'T' => answer.columns = body.columns()?,
                b'D' => answer.rows.push(body.row()?),
                b'C' => answer.tag = body.text()?.to_owned(),
                b'E' => {
                    let (fatal, error) = body.error()?;
                    if fatal {
                        return Err(Trouble::Lost(error.message));
                    }
                    failed = Some(error);
                }
                b'Z' => {
                    return failed
                        .map_or(Ok(answer), |error| Err(Trouble::Refused(Box::new(error))));
                }
                // Parameters, notices, notifications, an empty query, ParseComplete, CloseComplete.
                b'S' | b'N' | b'A' | b'I' | b'1' | b'3' => {}
                _ => return Err(Trouble::Lost("an unknown message".to_owned())),
            }
        }
    }

    /// The next message; `InvalidData` if it is none.
    fn message(&mut self, longest: usize) -> io::Result<(u8, Vec<u8>)> {
        loop {
            if let Some(([kind, length @ ..], rest)) = self.buffer.split_first_chunk::<5>() {
                let length = u32::from_be_bytes(*length) as usize;
                if !(4..=longest).contains(&length) || !kind.is_ascii_alphanumeric() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                if let Some(body) = rest.get(..length - 4) {
                    let message = (*kind, body.to_vec());
                    self.buffer.drain(..=length);
                    return Ok(message);
                }
            }
            let mut chunk = [0; 16 << 10];
            let read = self.stream.read(&mut chunk, self.deadline)?;
            match chunk.get(..read) {
                Some([]) | None => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(read) => self.buffer.extend(read),
            }
        }
    }
}

fn password(dsn: &Dsn) -> Result<&str, Failure> {
    let password = dsn.password.as_ref().map(super::dsn::Password::text);
    password.ok_or_else(|| {
        let message = format!(
            "the server asks for the password of \"{}\", and there is none",
            dsn.user
        );
        let hint = match &dsn.passfile_problem {
            Some(problem) => format!("{problem}."),
            None => "Put it in ~/.pgpass or in PGPASSWORD.".to_owned(),
        };
        Failure::new(Cause::Secret, message, hint)
    })
}

fn unsupported(what: &str) -> Failure {
    Failure::new(
        Cause::Secret,
        format!("the server asks for {what}, which the doctor does not give"),
        "Use SCRAM-SHA-256: password_encryption = 'scram-sha-256' and a new password; PgBouncer: auth_type = scram-sha-256.",
    )
}
