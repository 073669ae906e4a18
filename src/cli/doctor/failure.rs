//! Why there is no connection: one of seven causes, in a sentence with a hint.

use std::fmt;
use std::io;

use super::dsn::Dsn;
use crate::cli::client::ServerError;

/// What somebody whose connection fails has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The password, or the server's proof that it knows it.
    Secret,
    /// The name or the address; what is in between.
    Host,
    /// The machine is there, and nothing that fits listens.
    Port,
    /// The login.
    User,
    /// The database's name.
    Database,
    /// TLS: asked for and not there, or the other way round; certificates.
    SslMode,
    /// Logged in, but advisory locks cannot be taken: migration tools need them.
    AdvisoryLocks,
    /// None of these: the server's own reason.
    Server,
}

impl Cause {
    /// Stable, for JSON.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Host => "host",
            Self::Port => "port",
            Self::User => "user",
            Self::Database => "database",
            Self::SslMode => "sslmode",
            Self::AdvisoryLocks => "advisory-locks",
            Self::Server => "server",
        }
    }
}

/// A connection that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub cause: Cause,
    /// One line.
    pub message: String,
    /// One thing to do.
    pub hint: String,
    /// The server's own words, if it said any.
    pub server: Option<Box<ServerError>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    pub(super) fn new(cause: Cause, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
            hint: hint.into(),
            server: None,
        }
    }

    /// The name has no address.
    pub(super) fn unresolved(dsn: &Dsn, why: &str) -> Self {
        let host = &dsn.host;
        let message = format!("host \"{host}\" has no address: {why}");
        Self::new(Cause::Host, message, "Check host and this machine's DNS.")
    }

    /// It could not be dialled.
    pub(super) fn dialling(dsn: &Dsn, error: &io::Error) -> Self {
        let address = dsn.address();
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::new(
                Cause::Port,
                format!("nothing listens on {address}"),
                "Check port: PgBouncer's is usually 6432, PostgreSQL's 5432.",
            ),
            io::ErrorKind::NotFound => Self::new(
                Cause::Port,
                format!("there is no socket {address}"),
                "Check port and the directory in host, or write host=localhost.",
            ),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::new(
                Cause::Host,
                format!(
                    "{address} does not answer within {} s",
                    dsn.connect_timeout.as_secs()
                ),
                "Check host, and the firewalls between here and there.",
            ),
            _ => Self::new(
                Cause::Host,
                format!("{address} cannot be reached: {error}"),
                "Check host, and the network between here and there.",
            ),
        }
    }

    /// Connected, and then no answer that fits.
    pub(super) fn talking(dsn: &Dsn, error: &io::Error) -> Self {
        let address = dsn.address();
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::new(
                Cause::Port,
                format!("what listens on {address} accepts connections and does not answer"),
                "Check port; or the server behind hangs.",
            ),
            _ => Self::new(
                Cause::Port,
                format!("what listens on {address} closed the connection: {error}"),
                "Check port, and the server's log.",
            ),
        }
    }

    /// It speaks something else.
    pub(super) fn stranger(dsn: &Dsn) -> Self {
        let address = dsn.address();
        Self::new(
            Cause::Port,
            format!("what listens on {address} does not speak PostgreSQL's protocol"),
            "Check port.",
        )
    }

    /// The server refused the login.
    pub(super) fn refused(dsn: &Dsn, error: ServerError, encrypted: bool) -> Self {
        let (cause, hint) = classified(dsn, &error, encrypted);
        let message = match cause {
            Cause::Secret => format!("the password of \"{}\" was not accepted", dsn.user),
            Cause::User => format!("\"{}\" may not log in: {}", dsn.user, error.message),
            Cause::Database => format!(
                "there is no database \"{}\" here for us: {}",
                dsn.database, error.message
            ),
            Cause::SslMode => format!(
                "sslmode {} does not fit: {}",
                dsn.sslmode.name(),
                error.message
            ),
            _ => format!("{} refused: {}", dsn.address(), error.message),
        };
        Self {
            server: Some(Box::new(error)),
            ..Self::new(cause, message, hint)
        }
    }
}

/// PostgreSQL says it by SQLSTATE, PgBouncer (08P01 for nearly everything) by its words.
fn classified(dsn: &Dsn, error: &ServerError, encrypted: bool) -> (Cause, String) {
    let message = error.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let user = &dsn.user;
    if says(&[
        "no encryption",
        "ssl off",
        "ssl required",
        "tls required",
        "ssl encryption",
    ]) {
        let hint = match encrypted {
            false => "The server wants TLS: sslmode=require, or verify-full with sslrootcert=FILE.",
            true => "The server takes no TLS from us: check pg_hba.conf's hostnossl lines.",
        };
        return (Cause::SslMode, hint.to_owned());
    }
    if error.sqlstate == "3D000"
        || says(&[
            "no such database",
            "does not allow connections",
            "bouncer config error",
        ])
    {
        let hint = "Check dbname: it must be in PgBouncer's [databases] and exist in PostgreSQL.";
        return (Cause::Database, hint.to_owned());
    }
    if says(&["permission denied for database"]) {
        let hint = format!("GRANT CONNECT ON DATABASE ... TO \"{user}\", or check dbname.");
        return (Cause::Database, hint);
    }
    if says(&[
        "password authentication failed",
        "sasl authentication failed",
        "auth failed",
        "wrong password",
        "wrong server key",
    ]) || error.sqlstate == "28P01"
    {
        let hint = format!(
            "Check the password (PGPASSWORD, ~/.pgpass) and user: servers do not say when there is no \"{user}\"."
        );
        return (Cause::Secret, hint);
    }
    if error.sqlstate == "28000"
        || says(&[
            "no such user",
            "login rejected",
            "not permitted to log in",
            "pg_hba.conf",
        ])
    {
        let hint = "Check user, its LOGIN attribute, and the rules that let it in (pg_hba.conf, PgBouncer's auth_file).";
        return (Cause::User, hint.to_owned());
    }
    if says(&[
        "server login failed",
        "server login has been failing",
        "server_login_retry",
    ]) {
        let hint = "PgBouncer is there and cannot log in to PostgreSQL: see its log; check that its password for this user is PostgreSQL's.";
        return (Cause::Server, hint.to_owned());
    }
    (Cause::Server, "See the server's log.".to_owned())
}
