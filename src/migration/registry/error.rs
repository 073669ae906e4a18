//! Why the registry did not do it. Every one of these is a refusal.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::schema::{CURRENT, SchemaError};
use crate::migration::span::{Millis, time_of_day};
use crate::migration::token::SessionId;

/// In words that follow "the registry PATH".
pub(super) const NO_SQLITE: &str = "is not a registry: it is not an SQLite file";

/// Why the registry did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryError {
    /// Another session holds the database's lease.
    Held(Box<Holder>),
    /// There is no such session.
    NoSession(SessionId),
    /// The session has ended already.
    Ended(SessionId),
    /// The file cannot be used; which one and what is wrong with it.
    File {
        /// The registry's file.
        path: PathBuf,
        /// What is wrong, in PostgreSQL's style.
        problem: String,
    },
    /// The registry's queue is full.
    Full,
    /// The registry did not answer in time; the work is undone or was never begun.
    Late,
    /// The registry's thread has ended.
    Gone,
    /// An open session's verifier cannot be read.
    Verifier(SessionId),
    /// The system gave no random bytes for a token.
    NoRandomness,
}

/// Who holds a database's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The database.
    pub database: String,
    /// The session.
    pub id: SessionId,
    /// Who opened it.
    pub by: String,
    /// When it ends at the latest.
    pub until: Millis,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(holder) => write!(
                f,
                "migration session {} of \"{}\" holds the lease on database \"{}\" until {}",
                holder.id,
                holder.by,
                holder.database,
                time_of_day(holder.until)
            ),
            Self::NoSession(id) => write!(f, "migration session {id} does not exist"),
            Self::Ended(id) => write!(f, "migration session {id} has ended already"),
            Self::File { path, problem } => write!(f, "the registry {} {problem}", path.display()),
            Self::Full => f.write_str("the registry has too much waiting"),
            Self::Late => f.write_str("the registry did not answer in time"),
            Self::Gone => f.write_str("the registry has stopped"),
            Self::Verifier(id) => write!(
                f,
                "the registry holds no usable verifier for migration session {id}"
            ),
            Self::NoRandomness => f.write_str("the system gave no random bytes for a token"),
        }
    }
}

impl std::error::Error for RegistryError {}

impl RegistryError {
    /// The file at `path` has a problem, in words that follow "the registry PATH".
    pub(super) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// SQLite's error in words.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let problem = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "cannot be written: the disk is full".to_owned(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "is locked by another process".to_owned()
            }
            Some(ErrorCode::DatabaseCorrupt) => "is damaged; restore it from a backup".to_owned(),
            Some(ErrorCode::NotADatabase) => NO_SQLITE.to_owned(),
            Some(ErrorCode::ReadOnly) => "cannot be written: it is read-only".to_owned(),
            _ => format!("failed: {error}"),
        };
        Self::file(path, problem)
    }

    /// The system's error where room was to be taken.
    pub(super) fn no_room(path: &Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull => {
                Self::file(path, "cannot be written: the disk is full")
            }
            _ => Self::file(path, format!("cannot be written: {error}")),
        }
    }

    pub(super) fn schema(path: &Path, error: SchemaError) -> Self {
        match error {
            SchemaError::Sqlite(error) => Self::sqlite(path, &error),
            SchemaError::Foreign => Self::file(path, "is some other program's SQLite file"),
            SchemaError::Newer { found } => Self::file(
                path,
                format!(
                    "was written by a newer Portcullis (schema {found}; this one knows {CURRENT})"
                ),
            ),
        }
    }
}
