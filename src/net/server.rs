//! The leg to PgBouncer: dial, TLS, log in. Nothing that arrives before TLS is trusted, and what
//! the configured sslmode asks for is never less.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dial::connect_to;
use super::shared::{Shared, Target};
use super::stream::Stream;
use crate::auth::scram::{self, ClientExchange, Keys, ScramError};
use crate::config::Endpoint;
use crate::error::SqlState;
use crate::policy::RouteName;
use crate::protocol::error_fields;
use crate::protocol::frame::only_value;
use crate::protocol::frame::{self, HEADER, cstr, message, put_cstr};
use crate::protocol::parameter_status::changes_lexing;
use crate::protocol::reply::ErrorReply;
use crate::protocol::startup::put_startup;

/// The largest message taken from a server while logging in.
const MAX_MESSAGE: usize = 64 * 1024;
/// Bytes of ParameterStatus messages kept for the client.
const MAX_PARAMETERS: usize = 64 * 1024;

/// A server connection that is ready for queries.
#[derive(Debug)]
pub struct Server {
    /// The stream.
    pub stream: Stream,
    /// How to cancel what it runs.
    pub target: Target,
    /// Its ParameterStatus messages, as they came.
    pub parameters: Vec<u8>,
}

/// Why there is no server connection. `message` is fit for the client; PostgreSQL's style.
#[derive(Debug)]
pub struct NoServer {
    /// For the client.
    pub sqlstate: SqlState,
    /// For the client.
    pub message: String,
    /// For the client.
    pub hint: Option<String>,
    /// For the log.
    pub cause: String,
    /// PgBouncer holds another verifier than we do.
    pub mismatch: bool,
    /// The server was reached, and its role is not one for this login: what the client is told instead.
    pub refusal: Option<Box<ErrorReply>>,
}

impl NoServer {
    fn new(cause: impl ToString) -> Self {
        Self {
            sqlstate: SqlState::NO_SERVER,
            message: "could not connect to the server behind".to_owned(),
            hint: None,
            cause: cause.to_string(),
            mismatch: false,
            refusal: None,
        }
    }

    /// A server that was reached, and is not for this client.
    pub fn refused(refusal: ErrorReply) -> Self {
        Self {
            refusal: Some(Box::new(refusal)),
            ..Self::new("refused")
        }
    }

    /// For the client.
    pub fn reply(self) -> ErrorReply {
        if let Some(refusal) = self.refusal {
            return *refusal;
        }
        let mut reply = ErrorReply::fatal(self.sqlstate, self.message);
        reply.hint = self.hint;
        reply
    }
}

/// Who logs in at the server, and with which settings.
pub struct ServerLogin<'a> {
    /// The server role.
    pub role: &'a str,
    /// The database.
    pub database: &'a str,
    /// Its keys.
    pub keys: &'a Keys,
    /// Further startup parameters.
    pub parameters: &'a [(&'a str, &'a str)],
    /// Does the server have to take the client_encoding and standard_conforming_strings among them?
    pub pinned: bool,
    /// Which pool.
    pub route: RouteName,
}

/// Logs in at the first endpoint of the route that can be reached, in `server_connect_timeout`.
pub async fn dial(shared: &Shared, login: &ServerLogin<'_>) -> Result<Server, NoServer> {
    let Some(route) = shared.route(login.route) else {
        return Err(NoServer::new("the configuration has no such route"));
    };
    let limit = shared.config.limits.server_connect_timeout;
    let each = limit / u32::try_from(route.hosts.len().max(1)).unwrap_or(1);
    let mut last = NoServer::new("the route has no hosts");
    for endpoint in &route.hosts {
        let attempt = attempt(shared, endpoint, login);
        match tokio::time::timeout(each.max(Duration::from_millis(100)), attempt).await {
            Ok(Ok(server)) => {
                shared.note_reached(login.route);
                return Ok(server);
            }
            // An answer is an answer: the next host would say the same.
            Ok(Err(error)) if error.sqlstate != SqlState::NO_SERVER => return Err(error),
            Ok(Err(error)) => last = error,
            Err(_) => last = NoServer::new("timed out"),
        }
        last.cause = format!("{}:{}: {}", endpoint.host, endpoint.port, last.cause);
    }
    Err(last)
}

async fn attempt(
    shared: &Shared,
    endpoint: &Endpoint,
    login: &ServerLogin<'_>,
) -> Result<Server, NoServer> {
    let stream = connect(shared, endpoint).await.map_err(NoServer::new)?;
    let mut talk = Talk {
        stream,
        buffer: Vec::new(),
    };
    let mut packet = Vec::new();
    let own = [("user", login.role), ("database", login.database)];
    put_startup(
        &mut packet,
        own.into_iter().chain(login.parameters.iter().copied()),
    );
    talk.write(&packet).await?;
    talk.log_in(login, endpoint).await
}

/// Connects to an endpoint of a route, with TLS as `[server_tls]` asks.
pub async fn connect(shared: &Shared, endpoint: &Endpoint) -> io::Result<Stream> {
    connect_to(endpoint, shared.snapshot().files.server_tls.as_ref()).await
}

struct Talk {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Talk {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), NoServer> {
        self.stream.write_all(bytes).await.map_err(NoServer::new)?;
        self.stream.flush().await.map_err(NoServer::new)
    }

    /// Reads one message into the buffer; returns its type.
    async fn read(&mut self) -> Result<u8, NoServer> {
        let mut head = [0; HEADER];
        let read = self.stream.read_exact(&mut head).await;
        read.map_err(NoServer::new)?;
        let header = frame::header(&head).ok().flatten();
        let header = header.filter(|header| header.total <= MAX_MESSAGE);
        let header = header.ok_or_else(|| NoServer::new("invalid message length"))?;
        self.buffer.resize(header.total - HEADER, 0);
        let read = self.stream.read_exact(&mut self.buffer).await;
        read.map_err(NoServer::new)?;
        Ok(header.kind)
    }

    async fn log_in(
        mut self,
        login: &ServerLogin<'_>,
        endpoint: &Endpoint,
    ) -> Result<Server, NoServer> {
        let mut parameters = Vec::new();
        let mut target = Target {
            endpoint: endpoint.clone(),
            process: 0,
            secret: Vec::new(),
        };
        let mut proved = false;
        loop {
            match self.read().await? {
                b'R' => proved = self.authenticate(login.keys, login.role).await? || proved,
                b'S' if login.pinned && changes_lexing(&self.buffer) => {
                    return Err(NoServer::new(
                        "the server ignores client_encoding or standard_conforming_strings in the startup packet",
                    ));
                }
                b'S' if parameters.len() < MAX_PARAMETERS => {
                    message(&mut parameters, b'S', |out| {
                        out.extend_from_slice(&self.buffer)
                    });
                }
                b'K' => {
                    if let Some((process, secret)) = self.buffer.split_first_chunk::<4>() {
                        target.process = u32::from_be_bytes(*process);
                        target.secret = secret.to_vec();
                    }
                }
                b'Z' if proved => {
                    let stream = self.stream;
                    return Ok(Server {
                        stream,
                        target,
                        parameters,
                    });
                }
                b'E' => return Err(self.refused(login)),
                b'N' | b'v' | b'S' => {}
                kind => {
                    let cause = format!("unexpected message 0x{kind:02X} while logging in");
                    return Err(NoServer::new(cause));
                }
            }
        }
    }

    /// Answers one Authentication message; true when the server has let us in.
    async fn authenticate(&mut self, keys: &Keys, role: &str) -> Result<bool, NoServer> {
        let (code, data) = self.authentication()?;
        match code {
            10 => {}
            // Whoever lets us in without a proof has not proved itself either.
            0 => return Err(NoServer::new("server asks for no proof (auth_type trust?)")),
            _ => {
                return Err(NoServer::new(
                    "server asks for something other than SCRAM-SHA-256",
                ));
            }
        }
        if !mechanisms(data).any(|name| name == scram::MECHANISM.as_bytes()) {
            return Err(NoServer::new("server does not offer SCRAM-SHA-256"));
        }
        let nonce = super::worker::random::<18>().ok_or_else(|| NoServer::new("no randomness"))?;
        let (exchange, first) = ClientExchange::new(keys, nonce);
        let mut out = Vec::new();
        message(&mut out, b'p', |out| {
            put_cstr(out, scram::MECHANISM.as_bytes());
            out.extend_from_slice(&u32::try_from(first.len()).unwrap_or(0).to_be_bytes());
            out.extend_from_slice(&first);
        });
        self.write(&out).await?;

        let data = self.expect_authentication(11, role).await?;
        let stepped = exchange.server_first(&data);
        let (exchange, proof) = stepped.map_err(|error| scram_failed(&error, role))?;
        out.clear();
        message(&mut out, b'p', |out| out.extend_from_slice(&proof));
        self.write(&out).await?;

        let data = self.expect_authentication(12, role).await?;
        let verified = exchange.server_final(&data);
        verified.map_err(|error| scram_failed(&error, role))?;
        self.expect_authentication(0, role).await?;
        Ok(true)
    }

    fn authentication(&self) -> Result<(u32, &[u8]), NoServer> {
        let split = self.buffer.split_first_chunk::<4>();
        let (code, data) = split.ok_or_else(|| NoServer::new("malformed Authentication"))?;
        Ok((u32::from_be_bytes(*code), data))
    }

    async fn expect_authentication(
        &mut self,
        expected: u32,
        role: &str,
    ) -> Result<Vec<u8>, NoServer> {
        match self.read().await? {
            b'R' => {}
            b'E' => return Err(self.proof_refused(role)),
            kind => return Err(NoServer::new(format!("unexpected message 0x{kind:02X}"))),
        }
        match self.authentication()? {
            (code, data) if code == expected => Ok(data.to_vec()),
            _ => Err(NoServer::new("unexpected Authentication message")),
        }
    }

    /// The proof was refused, by PgBouncer or by PostgreSQL behind it. That is not about the client's
    /// password: they have proved that they know it, and PgBouncer's salt is ours.
    fn proof_refused(&self, role: &str) -> NoServer {
        let fields = error_fields::read(&self.buffer);
        let cause = String::from_utf8_lossy(fields.message).into_owned();
        // PgBouncer hands PostgreSQL's message on, and not always its SQLSTATE.
        let mismatch = fields.sqlstate == SqlState::PASSWORD.0
            || fields
                .message
                .starts_with(b"password authentication failed")
            || fields.message.starts_with(b"SASL authentication failed");
        let (message, hint) = if mismatch {
            let message =
                format!("PostgreSQL holds another verifier of role \"{role}\" than PgBouncer");
            (message, Some(COPY_VERIFIER.to_owned()))
        } else {
            ("the server behind refused the login".to_owned(), None)
        };
        // Who has no room or goes down says nothing about the proof: a client may come again.
        let sqlstate = match fields.sqlstate.get(..2) {
            Some(b"53" | b"57") if !mismatch => SqlState::from_bytes(fields.sqlstate),
            _ => SqlState::IDENTITY,
        };
        NoServer {
            sqlstate,
            message,
            hint,
            cause,
            mismatch,
            refusal: None,
        }
    }

    /// The server's ErrorResponse, handed on: it names what the client can mend (no such database).
    fn refused(&self, login: &ServerLogin<'_>) -> NoServer {
        let fields = error_fields::read(&self.buffer);
        let message: String = String::from_utf8_lossy(fields.message)
            .chars()
            .take(500)
            .collect();
        let sqlstate = match SqlState::from_bytes(fields.sqlstate) {
            // PgBouncer gives most of its refusals this code; a retry elsewhere would not help.
            SqlState::INTERNAL => SqlState::CONNECTION_FAILURE,
            sqlstate => sqlstate,
        };
        NoServer {
            sqlstate,
            cause: format!("login of \"{}\" was refused: {message}", login.role),
            message,
            hint: None,
            mismatch: false,
            refusal: None,
        }
    }
}

fn mechanisms(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (name, rest) = cstr(data)?;
        data = rest;
        (!name.is_empty()).then_some(name)
    })
}

/// What mends verifiers that differ.
const COPY_VERIFIER: &str = "Copy rolpassword from pg_authid to the auth_file of both PgBouncer and Portcullis; run portcullis keys add where a server key is used.";

fn scram_failed(error: &ScramError, role: &str) -> NoServer {
    let mismatch = matches!(error, ScramError::VerifierMismatch { .. });
    let (message, hint) = if mismatch {
        (
            format!("the server holds another verifier of role \"{role}\" than Portcullis"),
            Some(COPY_VERIFIER.to_owned()),
        )
    } else {
        ("the server behind could not be verified".to_owned(), None)
    };
    NoServer {
        sqlstate: SqlState::IDENTITY,
        message,
        hint,
        cause: error.to_string(),
        mismatch,
        refusal: None,
    }
}

impl Server {
    /// Sets parameters at session level, for a server connection that is the client's own.
    pub async fn apply(&mut self, settings: &[(String, String)]) -> Result<(), NoServer> {
        if settings.is_empty() {
            return Ok(());
        }
        self.set(settings, false).await.map(drop)
    }

    /// What the server makes of parameters: their values as it shows them. Nothing of it stays.
    pub async fn try_out(
        &mut self,
        settings: &[(String, String)],
    ) -> Result<Vec<String>, NoServer> {
        if settings.is_empty() {
            return Ok(Vec::new());
        }
        // Reports of what was only tried are none for the client.
        let told = self.parameters.len();
        let values = self.set(settings, true).await?;
        self.parameters.truncate(told);
        if values.len() != settings.len() {
            return Err(NoServer::new("a startup parameter has no value"));
        }
        Ok(values)
    }

    async fn set(
        &mut self,
        settings: &[(String, String)],
        local: bool,
    ) -> Result<Vec<String>, NoServer> {
        let pairs: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (&**n, &**v)).collect();
        let mut out = Vec::new();
        crate::zone::put_settings(&mut out, &pairs, local);
        self.send(&out).await?;
        let mut failure = None;
        let mut values = Vec::new();
        loop {
            let (kind, body) = self.next().await?;
            match kind {
                b'Z' => return failure.map_or(Ok(values), Err),
                b'D' if values.len() < settings.len() => {
                    values.extend(only_value(&body).map(str::to_owned));
                }
                b'E' => {
                    let fields = error_fields::read(&body);
                    failure = Some(NoServer {
                        sqlstate: SqlState::from_bytes(fields.sqlstate),
                        message: String::from_utf8_lossy(fields.message).into_owned(),
                        ..NoServer::new("a startup parameter was refused by the server")
                    });
                }
                _ => {}
            }
        }
    }

    /// Sends bytes of our own, before the client may send any.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), NoServer> {
        let stream = &mut self.stream;
        stream.write_all(bytes).await.map_err(NoServer::new)?;
        stream.flush().await.map_err(NoServer::new)
    }

    /// Type and body of the next message of an answer. ParameterStatus is kept for the client, which
    /// sees what a direct connection would have told it.
    pub(super) async fn next(&mut self) -> Result<(u8, Vec<u8>), NoServer> {
        loop {
            let mut head = [0; HEADER];
            let read = self.stream.read_exact(&mut head).await;
            read.map_err(NoServer::new)?;
            let header = frame::header(&head).ok().flatten();
            let header = header.filter(|header| header.total <= MAX_MESSAGE);
            let header = header.ok_or_else(|| NoServer::new("invalid message length"))?;
            let mut body = vec![0; header.total - HEADER];
            let read = self.stream.read_exact(&mut body).await;
            read.map_err(NoServer::new)?;
            match header.kind {
                b'S' if changes_lexing(&body) => {
                    return Err(NoServer::new("the server reads SQL in another way"));
                }
                b'S' if self.parameters.len() < MAX_PARAMETERS => {
                    message(&mut self.parameters, b'S', |out| {
                        out.extend_from_slice(&body)
                    });
                }
                b'S' => {}
                kind => return Ok((kind, body)),
            }
        }
    }
}
