//! The registry's tables. Forward only: a released step is never edited, a new one is appended.

use rusqlite::Connection;

/// Step N takes the file from schema N to schema N + 1.
const STEPS: &[&str] = &["
    CREATE TABLE migration_session (
        id         TEXT    PRIMARY KEY,
        database   TEXT    NOT NULL,
        role       TEXT    NOT NULL,
        reason     TEXT    NOT NULL,
        verifier   TEXT,              -- SCRAM; forgotten when the session ends
        opened_by  TEXT    NOT NULL,
        opened_at  INTEGER NOT NULL,  -- milliseconds since 1970, as all times here
        ends_at    INTEGER NOT NULL CHECK (ends_at > opened_at),
        state      TEXT    NOT NULL CHECK (state IN ('open', 'closed', 'expired')),
        closed_at  INTEGER,
        closed_by  TEXT,
        note       TEXT,
        complete   INTEGER NOT NULL DEFAULT 1 CHECK (complete IN (0, 1)),
        CHECK ((state = 'open') = (closed_at IS NULL)),
        CHECK ((state = 'open') = (verifier IS NOT NULL))
    ) STRICT;
    CREATE UNIQUE INDEX lease ON migration_session (database) WHERE state = 'open';
    CREATE INDEX migration_session_by_time ON migration_session (opened_at);
    CREATE TABLE migration_statement (
        session     TEXT    NOT NULL REFERENCES migration_session (id),
        number      INTEGER NOT NULL,
        tag         TEXT    NOT NULL,
        text        TEXT,              -- without literals
        fingerprint TEXT,
        started_at  INTEGER NOT NULL,
        duration_us INTEGER NOT NULL,
        outcome     TEXT    NOT NULL,  -- 00000 or the error's SQLSTATE
        PRIMARY KEY (session, number)
    ) STRICT, WITHOUT ROWID;
", "
    ALTER TABLE migration_session ADD COLUMN phase TEXT CHECK (phase IN ('expand', 'contract'));  -- NULL: none was said
", "
    CREATE TABLE last_run (
        ended INTEGER NOT NULL CHECK (ended IN (0, 1))  -- 1: it wrote all that it had to write
    ) STRICT;
    INSERT INTO last_run VALUES (1);
"];

/// Why a file cannot become a registry of this schema.
#[derive(Debug)]
pub(super) enum SchemaError {
    /// SQLite's own.
    Sqlite(rusqlite::Error),
    /// It has tables, but not ours.
    Foreign,
    /// A later release wrote it.
    Newer { found: usize },
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The schema that this release reads and writes.
pub(super) const CURRENT: usize = STEPS.len();

/// Brings the file to [`CURRENT`], in one transaction.
pub(super) fn upgrade(connection: &mut Connection) -> Result<(), SchemaError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let tables: usize = transaction.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
        [],
        |row| row.get(0),
    )?;
    let ours: bool = transaction.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'",
        [],
        |row| row.get(0),
    )?;
    if tables > 0 && !ours {
        return Err(SchemaError::Foreign);
    }
    if !ours {
        transaction.execute_batch("CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT; INSERT INTO schema_version VALUES (0);")?;
    }
    let found: usize =
        transaction.query_row("SELECT version FROM schema_version", [], |row| row.get(0))?;
    let steps = STEPS.get(found..).ok_or(SchemaError::Newer { found })?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.execute("UPDATE schema_version SET version = ?1", [CURRENT])?;
    transaction.commit()?;
    Ok(())
}
