//! What the registry keeps, as values.

use std::time::Duration;

use rusqlite::Row;
use rusqlite::types::Type;

use crate::error::SqlState;
use crate::migration::span::Millis;
use crate::migration::token::SessionId;
use crate::policy::Phase;
use crate::sql::Fingerprint;

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// The one database.
    pub database: String,
    /// The login of kind migrator.
    pub role: String,
    /// Why, in the opener's words.
    pub reason: String,
    /// What it is opened for, where that was said.
    pub phase: Option<Phase>,
    /// The token's SCRAM verifier.
    pub verifier: String,
    /// Who opened it.
    pub opened_by: String,
    /// When.
    pub opened_at: Millis,
    /// When it ends by itself.
    pub ends_at: Millis,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Who closed it; None: its time was over.
    pub by: Option<String>,
    /// Why, in the closer's words.
    pub note: Option<String>,
    /// When.
    pub at: Millis,
    /// False when statements ran that could not be recorded.
    pub complete: bool,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Statements may run.
    Open,
    /// Someone ended it.
    Closed,
    /// Its time was over.
    Expired,
}

impl State {
    /// The word in the registry and on the console.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }

    fn from_id(id: &str) -> Option<Self> {
        [Self::Open, Self::Closed, Self::Expired]
            .into_iter()
            .find(|state| state.id() == id)
    }
}

/// A session as the registry has it.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// The one database.
    pub database: String,
    /// The login of kind migrator.
    pub role: String,
    /// Why it was opened.
    pub reason: String,
    /// What it was opened for, where that was said.
    pub phase: Option<Phase>,
    /// Who opened it.
    pub opened_by: String,
    /// When.
    pub opened_at: Millis,
    /// When it ends, or would have ended, by itself.
    pub ends_at: Millis,
    /// Where it is in its life.
    pub state: State,
    /// The token's SCRAM verifier, while it is open.
    pub verifier: Option<String>,
    /// When it ended.
    pub closed_at: Option<Millis>,
    /// Who ended it.
    pub closed_by: Option<String>,
    /// Why, in the closer's words.
    pub note: Option<String>,
    /// False when statements ran that could not be recorded.
    pub complete: bool,
    /// How many statements are recorded.
    pub statements: u64,
}

impl SessionRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let state: String = row.get(7)?;
        Ok(Self {
            id: row
                .get::<_, String>(0)?
                .parse()
                .map_err(|error| conversion(0, error))?,
            database: row.get(1)?,
            role: row.get(2)?,
            reason: row.get(3)?,
            opened_by: row.get(4)?,
            opened_at: row.get(5)?,
            ends_at: row.get(6)?,
            state: State::from_id(&state).ok_or_else(|| conversion(7, std::fmt::Error))?,
            verifier: row.get(8)?,
            closed_at: row.get(9)?,
            closed_by: row.get(10)?,
            note: row.get(11)?,
            complete: row.get(12)?,
            statements: row.get(13)?,
            phase: phase(row.get(14)?)?,
        })
    }
}

/// A word that this release does not know is an error: what it forbids is not known either.
fn phase(id: Option<String>) -> rusqlite::Result<Option<Phase>> {
    let known = |id: String| Phase::from_id(&id).ok_or_else(|| conversion(14, std::fmt::Error));
    id.map(known).transpose()
}

fn conversion(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// A statement that ran in a session, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// PostgreSQL's words for it: `CREATE TABLE`.
    pub tag: &'static str,
    /// Its text without literals, if there is one.
    pub text: Option<Box<str>>,
    /// Its name in logs and reports.
    pub fingerprint: Option<Fingerprint>,
    /// When it was sent to the server.
    pub started_at: Millis,
    /// How long until its answer was complete.
    pub duration: Duration,
    /// 00000, or the server's error.
    pub outcome: SqlState,
}

/// A recorded statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRow {
    /// Its place in the session, from 1.
    pub number: u64,
    /// PostgreSQL's words for it.
    pub tag: String,
    /// Its text without literals, if there is one.
    pub text: Option<String>,
    /// Its name in logs and reports.
    pub fingerprint: Option<String>,
    /// When it was sent to the server.
    pub started_at: Millis,
    /// How long until its answer was complete.
    pub duration: Duration,
    /// 00000, or the server's error.
    pub outcome: String,
}

impl StatementRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            tag: row.get(1)?,
            text: row.get(2)?,
            fingerprint: row.get(3)?,
            started_at: row.get(4)?,
            duration: Duration::from_micros(row.get(5)?),
            outcome: row.get(6)?,
        })
    }
}
