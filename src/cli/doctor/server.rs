//! What answers at the other end, and how its connections are shared.

use std::time::Duration;

use super::connection::{Connection, Trouble};
use super::dsn::Dsn;
use super::sql::{read_only, value};
use crate::policy::Guard;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// PostgreSQL: the key for cancel requests carries the process id of the backend.
    PostgreSql,
    /// A guard of Portcullis refused.
    Portcullis,
    /// PgBouncer's console said so.
    PgBouncer,
    /// Something with keys of its own.
    Pooler,
}

impl Answers {
    /// Stable, for JSON.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::Portcullis => "portcullis",
            Self::PgBouncer => "pgbouncer",
            Self::Pooler => "pooler",
        }
    }
}

/// What can be told from outside.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub answers: Answers,
    /// Two clients at the same time had the same backend.
    pub shared: bool,
    /// PostgreSQL's version.
    pub version: String,
}

/// How long a second client waits for its turn.
const SHORT: Duration = Duration::from_secs(2);

impl Server {
    /// Looks at a connection that is open, and at a second one beside it.
    pub(super) fn look(connection: &mut Connection, dsn: &Dsn) -> Result<Self, Trouble> {
        let backend = |connection: &mut Connection| {
            read_only(connection, |connection| {
                value(connection, "SELECT pg_catalog.pg_backend_pid()")
            })
        };
        let first = backend(connection)?;
        let version = read_only(connection, |connection| {
            value(connection, "SHOW server_version")
        })?;
        let version = version.split(' ').next().unwrap_or_default().to_owned();
        if first == connection.key.to_string() {
            return Ok(Self {
                answers: Answers::PostgreSql,
                shared: false,
                version,
            });
        }
        let mut second =
            Connection::open(dsn).map_err(|failure| Trouble::Lost(failure.to_string()))?;
        // In session mode the first one keeps its server connection, and the pool may have no other.
        second.patience = SHORT;
        let other = backend(&mut second);
        second.close();
        // Where the pool gives out its connections in turn they differ; then the mode is not known.
        let shared = other.is_ok_and(|other| other == first);
        let answers = match refuses(connection)? {
            true => Answers::Portcullis,
            false => Answers::Pooler,
        };
        Ok(Self {
            answers,
            shared,
            version,
        })
    }
}

/// A SELECT that runs nothing, and that Portcullis refuses by a guard's name.
fn refuses(connection: &mut Connection) -> Result<bool, Trouble> {
    let sql = "SELECT pg_catalog.query_to_xml('SELECT 1', true, true, '') WHERE false";
    match read_only(connection, |connection| connection.query(sql)) {
        Err(Trouble::Refused(error)) => Ok(error
            .routine
            .is_some_and(|routine| Guard::ALL.iter().any(|guard| guard.id() == routine))),
        Err(lost) => Err(lost),
        Ok(_) => Ok(false),
    }
}
