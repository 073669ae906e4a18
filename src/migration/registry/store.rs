//! The registry's file and its statements. Synchronous: lives on the registry's thread alone.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::error::{Holder, NO_SQLITE, RegistryError};
use super::reserve::Reserve;
use super::row::{Closing, NewSession, SessionRow, State, Statement, StatementRow};
use super::schema;
use crate::migration::span::Millis;
use crate::migration::token::SessionId;
use crate::policy::Phase;

/// How long SQLite waits for another process (a backup) to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a process that is just ending may still hold the file, and how often we look.
const HANDOVER: Duration = Duration::from_secs(2);
const HANDOVER_STEP: Duration = Duration::from_millis(20);
/// Most statements of a session that are read back.
const STATEMENTS_SHOWN: i64 = 10_000;
/// Most of them at a time: a text has up to 4 kB.
pub const STATEMENTS_READ: usize = 200;

/// What an SQLite file begins with.
const HEADER: &[u8] = b"SQLite format 3\0";

const SESSION_COLUMNS: &str = "id, database, role, reason, opened_by, opened_at, ends_at, state, verifier, closed_at, closed_by, note, complete,
    (SELECT count(*) FROM migration_statement s WHERE s.session = migration_session.id), phase";

/// An open registry file. One process holds it at a time.
pub struct Store {
    path: PathBuf,
    connection: Connection,
    reserve: Reserve,
    /// Held for as long as the store lives. A file of its own: closing any descriptor of the
    /// database file itself would drop SQLite's POSIX locks on it.
    _only_one: File,
}

impl Store {
    /// Opens the file, creates it (mode 0600) if there is none, and brings it to this release's
    /// schema. Refuses a file that others can read, that is damaged, that a newer release wrote
    /// or that another process uses.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        let only_one = lock(path)?;
        private_file(path).and_then(|()| Self::connect(path, only_one))
    }

    fn connect(path: &Path, only_one: File) -> Result<Self, RegistryError> {
        let failed = |error: rusqlite::Error| RegistryError::sqlite(path, &error);
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let mode: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(failed)?;
        if mode != "wal" {
            return Err(RegistryError::file(
                path,
                "lies on a file system without shared memory; SQLite's WAL needs it",
            ));
        }
        connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF",
            )
            .map_err(failed)?;
        let health: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(failed)?;
        if health != "ok" {
            return Err(RegistryError::file(
                path,
                "is damaged; restore it from a backup",
            ));
        }
        schema::upgrade(&mut connection).map_err(|error| RegistryError::schema(path, error))?;
        begin_run(&mut connection).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            reserve: Reserve::of(path),
            _only_one: only_one,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a session and takes its database's lease, if there is room to write its end, too.
    pub fn open_session(&mut self, new: &NewSession) -> Result<(), RegistryError> {
        self.reserve
            .keep()
            .map_err(|error| RegistryError::no_room(&self.path, &error))?;
        let inserted = self.connection.execute(
            "INSERT INTO migration_session (id, database, role, reason, verifier, opened_by, opened_at, ends_at, phase, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'open')",
            params![new.id.to_string(), new.database, new.role, new.reason, new.verifier, new.opened_by, new.opened_at, new.ends_at, new.phase.map(Phase::id)],
        );
        match inserted {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                match self.holder(&new.database)? {
                    Some(holder) => Err(RegistryError::Held(Box::new(holder))),
                    None => Err(self.failed(error)),
                }
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn holder(&self, database: &str) -> Result<Option<Holder>, RegistryError> {
        let row = self.one("database = ?1 AND state = 'open'", database)?;
        Ok(row.map(|row| Holder {
            database: row.database,
            id: row.id,
            by: row.opened_by,
            until: row.ends_at,
        }))
    }

    /// Ends a session, gives its lease back and forgets its verifier.
    pub fn close_session(&mut self, id: SessionId, closing: &Closing) -> Result<(), RegistryError> {
        let mut changed = self.end(id, closing);
        // Over a quota SQLite calls it an error of input and output.
        let full = |error: &rusqlite::Error| {
            let code = error.sqlite_error_code();
            matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
        };
        if changed.as_ref().is_err_and(full) && self.reserve.release() {
            changed = self.end(id, closing);
        }
        match changed.map_err(|error| self.failed(error))? {
            1 => Ok(()),
            _ => Err(self
                .session(id)?
                .map_or(RegistryError::NoSession(id), |_| RegistryError::Ended(id))),
        }
    }

    fn end(&self, id: SessionId, closing: &Closing) -> rusqlite::Result<usize> {
        self.connection.execute(
            "UPDATE migration_session
             SET state = ?2, closed_at = ?3, closed_by = ?4, note = ?5, complete = complete AND ?6, verifier = NULL
             WHERE id = ?1 AND state = 'open'",
            params![id.to_string(), closing.state().id(), closing.at, closing.by, closing.note, closing.complete],
        )
    }

    /// All that was to be written is: the records that the next process takes up are whole.
    pub fn end_run(&mut self) -> Result<(), RegistryError> {
        let ended = self.connection.execute("UPDATE last_run SET ended = 1", []);
        ended.map(|_| ()).map_err(|error| self.failed(error))
    }

    /// Ends the sessions whose time was over while no proxy ran. Returns how many.
    pub fn expire(&mut self, now: Millis) -> Result<usize, RegistryError> {
        self.connection
            .execute(
                "UPDATE migration_session SET state = 'expired', closed_at = ends_at, verifier = NULL WHERE state = 'open' AND ends_at <= ?1",
                [now],
            )
            .map_err(|error| self.failed(error))
    }

    /// Appends statements to their sessions' records: all or none.
    pub fn record<'a>(
        &mut self,
        statements: impl Iterator<Item = (SessionId, &'a Statement)>,
    ) -> Result<(), RegistryError> {
        let path = &self.path;
        let failed = |error: rusqlite::Error| RegistryError::sqlite(path, &error);
        let transaction = self.connection.transaction().map_err(failed)?;
        {
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO migration_statement (session, number, tag, text, fingerprint, started_at, duration_us, outcome)
                     SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7 FROM migration_statement WHERE session = ?1",
                )
                .map_err(failed)?;
            for (id, statement) in statements {
                let micros = i64::try_from(statement.duration.as_micros()).unwrap_or(i64::MAX);
                let fingerprint = statement.fingerprint.map(|name| name.to_string());
                insert
                    .execute(params![
                        id.to_string(),
                        statement.tag,
                        statement.text,
                        fingerprint,
                        statement.started_at,
                        micros,
                        statement.outcome.as_str()
                    ])
                    .map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// One session.
    pub fn session(&self, id: SessionId) -> Result<Option<SessionRow>, RegistryError> {
        self.one("id = ?1", &id.to_string())
    }

    /// The open sessions and the latest others, newest first, `limit` at most.
    pub fn sessions(&self, limit: usize) -> Result<Vec<SessionRow>, RegistryError> {
        self.many(
            "true ORDER BY state = 'open' DESC, opened_at DESC LIMIT ?1",
            limit,
        )
    }

    /// All open sessions: one per database at most.
    pub fn open_sessions(&self) -> Result<Vec<SessionRow>, RegistryError> {
        self.many("state = 'open' LIMIT ?1", i64::MAX as usize)
    }

    /// The next statements of a session behind number `behind`, in order, [`STATEMENTS_READ`] at most; none
    /// behind the first 10,000.
    pub fn statements(
        &self,
        id: SessionId,
        behind: u64,
    ) -> Result<Vec<StatementRow>, RegistryError> {
        let failed = |error| self.failed(error);
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT number, tag, text, fingerprint, started_at, duration_us, outcome FROM migration_statement
                 WHERE session = ?1 AND number > ?2 AND number <= ?3 ORDER BY number LIMIT ?4",
            )
            .map_err(failed)?;
        let rows = select
            .query_map(
                params![id.to_string(), behind, STATEMENTS_SHOWN, STATEMENTS_READ],
                StatementRow::read,
            )
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn one(&self, condition: &str, value: &str) -> Result<Option<SessionRow>, RegistryError> {
        let sql = format!("SELECT {SESSION_COLUMNS} FROM migration_session WHERE {condition}");
        self.connection
            .query_row(&sql, [value], SessionRow::read)
            .optional()
            .map_err(|error| self.failed(error))
    }

    fn many(&self, condition: &str, limit: usize) -> Result<Vec<SessionRow>, RegistryError> {
        let failed = |error| self.failed(error);
        let sql = format!("SELECT {SESSION_COLUMNS} FROM migration_session WHERE {condition}");
        let mut select = self.connection.prepare_cached(&sql).map_err(failed)?;
        let rows = select
            .query_map([limit], SessionRow::read)
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn failed(&self, error: rusqlite::Error) -> RegistryError {
        RegistryError::sqlite(&self.path, &error)
    }

    /// Bounds the file, as a full disk would.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        let set =
            self.connection
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| {
                    row.get::<_, u32>(0)
                });
        assert!(set.is_ok());
    }
}

impl Closing {
    fn state(&self) -> State {
        if self.by.is_some() {
            State::Closed
        } else {
            State::Expired
        }
    }
}

/// A run that was killed may have lost what it was about to write: who was open then has a record that lacks it.
fn begin_run(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "UPDATE migration_session SET complete = 0 WHERE state = 'open' AND NOT (SELECT ended FROM last_run);
         UPDATE last_run SET ended = 0;",
    )?;
    transaction.commit()
}

/// Creates the file with mode 0600, or finds it so. SQLite gives its -wal and -shm the same mode.
fn private_file(path: &Path) -> Result<(), RegistryError> {
    let cannot =
        |error: std::io::Error| RegistryError::file(path, format!("cannot be opened: {error}"));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    check_private(path, &metadata)
}

fn check_private(path: &Path, metadata: &Metadata) -> Result<(), RegistryError> {
    if !metadata.is_file() {
        // SQLite would read a named pipe for ever.
        return Err(RegistryError::file(path, "is not a regular file"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(RegistryError::file(
            path,
            format!(
                "has mode {mode:04o}, so others can use it: chmod 0600 {}",
                path.display()
            ),
        ));
    }
    Ok(())
}

/// What [`Store::open`] would say of the file without opening it for use: makes nothing, locks nothing, and passes over
/// what this user may not read. Of what is in it only whether it is an SQLite file.
///
/// # Errors
/// It is no regular file, others may read it, or it is no SQLite file.
pub fn look(path: &Path) -> Result<(), RegistryError> {
    let passed = |error: &std::io::Error| {
        matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied
        )
    };
    let cannot =
        |error: std::io::Error| RegistryError::file(path, format!("cannot be opened: {error}"));
    let metadata = match std::fs::metadata(path) {
        Err(error) if passed(&error) => return Ok(()),
        found => found.map_err(cannot)?,
    };
    check_private(path, &metadata)?;
    let mut beginning = Vec::new();
    let file = match File::open(path) {
        Err(error) if passed(&error) => return Ok(()),
        opened => opened.map_err(cannot)?,
    };
    file.take(HEADER.len() as u64)
        .read_to_end(&mut beginning)
        .map_err(cannot)?;
    match beginning.is_empty() || beginning == HEADER {
        true => Ok(()),
        false => Err(RegistryError::file(path, NO_SQLITE)),
    }
}

fn lock(path: &Path) -> Result<File, RegistryError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let cannot =
        |error: std::io::Error| RegistryError::file(path, format!("cannot be locked: {error}"));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(name)
        .map_err(cannot)?;
    let until = Instant::now() + HANDOVER;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(HANDOVER_STEP);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(RegistryError::file(
                    path,
                    "is in use by another Portcullis process",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
    }
}
