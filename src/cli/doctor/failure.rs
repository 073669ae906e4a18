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

/// How far a connection got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The name has no address: nothing was tried.
    Unknown,
    /// Nothing took the connection.
    Silent,
    /// Something did.
    Answered,
}

/// A connection that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub cause: Cause,
    /// One line.
    pub message: String,
    /// One thing to do.
    pub hint: String,
    pub reach: Reach,
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
            reach: Reach::Answered,
            server: None,
        }
    }

    /// The name has no address.
    pub(super) fn unresolved(dsn: &Dsn, why: &str) -> Self {
        let host = &dsn.host;
        let message = format!("host \"{host}\" has no address: {why}");
        Self {
            reach: Reach::Unknown,
            ..Self::new(Cause::Host, message, "Check host and this machine's DNS.")
        }
    }

    /// It could not be dialled.
    pub(super) fn dialling(dsn: &Dsn, error: &io::Error) -> Self {
        let address = dsn.address();
        let failure = match error.kind() {
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
        };
        Self {
            reach: Reach::Silent,
            ..failure
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

    /// The server refused the login behind which it had taken our password: a pooler's own login failed.
    pub(super) fn refused_behind(dsn: &Dsn, error: ServerError) -> Self {
        let failure = Self::refused(dsn, error);
        match (failure.cause, &failure.server) {
            (Cause::Secret, Some(error)) => Self {
                message: format!(
                    "{} let \"{}\" in and PostgreSQL behind it did not: {}",
                    dsn.address(),
                    dsn.user,
                    error.message
                ),
                hint: "PgBouncer and PostgreSQL keep different verifiers: portcullis doctor --auth-file userlist.txt \
                       at PostgreSQL, as a superuser, tells whose."
                    .to_owned(),
                ..failure
            },
            _ => failure,
        }
    }

    /// The server refused the login.
    pub(super) fn refused(dsn: &Dsn, error: ServerError) -> Self {
        let (cause, hint) = classified(&error);
        // Portcullis knows better what to do.
        let hint = error.hint.clone().unwrap_or_else(|| hint.to_owned());
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

/// What servers say, in lower case, and what it means; the first that fits. PostgreSQL has SQLSTATEs, PgBouncer
/// says 08P01 for nearly everything and its words tell more.
const WORDS: &[(&[&str], Cause, &str)] = &[
    (
        &[
            "no encryption",
            "ssl off",
            "ssl required",
            "tls required",
            "ssl encryption",
            "tls connections only",
        ],
        Cause::SslMode,
        "The server wants another sslmode: require, or verify-full with sslrootcert=FILE.",
    ),
    (
        &[
            "no such database",
            "does not allow connections",
            "bouncer config error",
            "3d000",
        ],
        Cause::Database,
        "Check dbname: it must be in PgBouncer's [databases] and exist in PostgreSQL.",
    ),
    (
        &["permission denied for database"],
        Cause::Database,
        "Check dbname, or grant CONNECT on it.",
    ),
    (
        &[
            "wrong password type",
            "server login has been failing",
            "server_login_retry",
        ],
        Cause::Server,
        "PgBouncer cannot log in to PostgreSQL: see its log; its password for this user must be PostgreSQL's.",
    ),
    (
        &[
            "password authentication failed",
            "sasl authentication failed",
            "auth failed",
            "wrong password",
            "28p01",
        ],
        Cause::Secret,
        "Check the password (PGPASSWORD, ~/.pgpass) and user: servers do not say that there is no such user.",
    ),
    (
        &[
            "no such user",
            "login rejected",
            "not permitted to log in",
            "pg_hba.conf",
            "28000",
        ],
        Cause::User,
        "Check user, its LOGIN attribute, and the rules that let it in (pg_hba.conf, PgBouncer's auth_file).",
    ),
];

fn classified(error: &ServerError) -> (Cause, &'static str) {
    let said = format!("{} {}", error.sqlstate, error.message).to_lowercase();
    // PgBouncer passes PostgreSQL's own words on.
    for (what, cause) in [("database", Cause::Database), ("role", Cause::User)] {
        if said.contains(&format!("{what} \"")) && said.contains("\" does not exist") {
            let hint = WORDS.iter().find(|(_, known, _)| *known == cause);
            return (cause, hint.map_or("", |(_, _, hint)| hint));
        }
    }
    let fits =
        |(words, _, _): &&(&[&str], Cause, &str)| words.iter().any(|word| said.contains(word));
    WORDS.iter().find(fits).map_or(
        (Cause::Server, "See the server's log."),
        |(_, cause, hint)| (*cause, hint),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL 15 to 18, PgBouncer 1.18 and 1.24, and Portcullis say it.
    #[test]
    fn servers_words_are_understood() {
        for (sqlstate, message, cause) in [
            (
                "28P01",
                "password authentication failed for user \"x\"",
                Cause::Secret,
            ),
            ("08P01", "SASL authentication failed", Cause::Secret),
            (
                "08P01",
                "password authentication failed for user \"x\"",
                Cause::Secret,
            ),
            (
                "28000",
                "no pg_hba.conf entry for host \"10.0.0.1\", user \"x\", database \"d\", no encryption",
                Cause::SslMode,
            ),
            (
                "28000",
                "no pg_hba.conf entry for host \"10.0.0.1\", user \"x\", database \"d\", SSL encryption",
                Cause::SslMode,
            ),
            (
                "28000",
                "role \"x\" is not permitted to log in",
                Cause::User,
            ),
            ("28000", "role \"x\" does not exist", Cause::User),
            ("08P01", "no such user: x", Cause::User),
            ("08P01", "SSL required", Cause::SslMode),
            (
                "28000",
                "this server accepts TLS connections only",
                Cause::SslMode,
            ),
            ("3D000", "database \"d\" does not exist", Cause::Database),
            (
                "08P01",
                "server login failed: FATAL database \"d\" does not exist",
                Cause::Database,
            ),
            ("08P01", "no such database: d", Cause::Database),
            (
                "42501",
                "permission denied for database \"d\"",
                Cause::Database,
            ),
            (
                "08P01",
                "server login failed: wrong password type",
                Cause::Server,
            ),
            ("53300", "sorry, too many clients already", Cause::Server),
        ] {
            let error = ServerError {
                sqlstate: sqlstate.to_owned(),
                message: message.to_owned(),
                ..ServerError::default()
            };
            assert_eq!(classified(&error).0, cause, "{message}");
        }
    }
}
