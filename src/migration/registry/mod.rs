//! What must outlive the process: an SQLite file that the running proxy alone writes, on a thread
//! of its own with a bounded queue. A full queue, a late answer and any error are refusals.

mod error;
mod reserve;
mod row;
mod schema;
mod store;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

pub use error::{Holder, RegistryError};
pub use row::{Closing, NewSession, SessionRow, State, Statement, StatementRow};
pub use store::{STATEMENTS_READ, Store, look};

use super::sessions::Session;
use super::token::SessionId;

/// Requests that may wait beside the records.
const REQUESTS: usize = 128;
/// Statements that may wait to be recorded, over all sessions.
pub const RECORDS: usize = 4096;
/// Statements written in one transaction, so that one fsync serves many.
const BATCH: usize = 512;
/// How long a caller waits for the registry: SQLite's busy timeout, and a few syncs of a disk that
/// is busy with somebody else's gigabytes.
const DEADLINE: Duration = Duration::from_secs(20);

type Work = Box<dyn FnOnce(&mut Store) + Send>;

enum Job {
    Work(Work),
    Record(Arc<Session>, Statement),
}

/// The way to the registry's thread. Cheap to clone; the thread ends when the last one is gone.
#[derive(Clone)]
pub struct RegistryHandle {
    jobs: SyncSender<Job>,
    records: Arc<AtomicUsize>,
}

impl RegistryHandle {
    /// Opens the file (see [`Store::open`]) and starts the thread.
    pub fn start(path: &Path) -> Result<Self, RegistryError> {
        Self::start_with(Store::open(path)?)
    }

    pub(crate) fn start_with(store: Store) -> Result<Self, RegistryError> {
        let (jobs, inbox) = sync_channel(REQUESTS + RECORDS);
        let records = Arc::new(AtomicUsize::new(0));
        let waiting = records.clone();
        let path = store.path().to_owned();
        std::thread::Builder::new()
            .name("registry".into())
            .spawn(move || serve(store, inbox, &waiting))
            .map_err(|error| RegistryError::file(&path, format!("got no thread: {error}")))?;
        Ok(Self { jobs, records })
    }

    /// Runs `work` on the registry's thread.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        self.run_or_undo(work, |_| ()).await
    }

    /// Runs `work` on the registry's thread; when it succeeds after the caller stopped waiting,
    /// `undo` runs at once, so that nothing is left that nobody knows of.
    pub async fn run_or_undo<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, RegistryError> + Send + 'static,
        undo: impl FnOnce(&mut Store) + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Work(Box::new(move |store| {
            if reply.is_closed() {
                return;
            }
            if let Err(Ok(_)) = reply.send(work(store)) {
                undo(store);
            }
        }));
        self.send(job)?;
        match tokio::time::timeout(DEADLINE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(RegistryError::Gone),
            Err(_) => Err(RegistryError::Late),
        }
    }

    /// Queues a statement for the session's record; never waits. If it cannot be written later,
    /// the session is told ([`Session::lose_record`]).
    pub(super) fn record(
        &self,
        session: &Arc<Session>,
        statement: Statement,
    ) -> Result<(), RegistryError> {
        if self.records.fetch_add(1, Ordering::Relaxed) >= RECORDS {
            self.records.fetch_sub(1, Ordering::Relaxed);
            return Err(RegistryError::Full);
        }
        self.send(Job::Record(session.clone(), statement))
            .inspect_err(|_| {
                self.records.fetch_sub(1, Ordering::Relaxed);
            })
    }

    fn send(&self, job: Job) -> Result<(), RegistryError> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => RegistryError::Full,
            TrySendError::Disconnected(_) => RegistryError::Gone,
        })
    }
}

fn serve(mut store: Store, inbox: Receiver<Job>, records: &AtomicUsize) {
    while let Ok(job) = inbox.recv() {
        let next = match job {
            Job::Work(work) => Some(work),
            Job::Record(session, statement) => {
                record_batch(&mut store, &inbox, records, (session, statement))
            }
        };
        if let Some(work) = next {
            work(&mut store);
        }
    }
}

/// Writes a statement and those that already wait behind it. Returns the work that stopped it.
fn record_batch(
    store: &mut Store,
    inbox: &Receiver<Job>,
    records: &AtomicUsize,
    first: (Arc<Session>, Statement),
) -> Option<Work> {
    let mut batch = vec![first];
    let mut next = None;
    while batch.len() < BATCH && next.is_none() {
        match inbox.try_recv() {
            Ok(Job::Record(session, statement)) => batch.push((session, statement)),
            Ok(Job::Work(work)) => next = Some(work),
            Err(_) => break,
        }
    }
    let written = store.record(
        batch
            .iter()
            .map(|(session, statement)| (session.id, statement)),
    );
    records.fetch_sub(batch.len(), Ordering::Relaxed);
    if let Err(error) = written {
        for (session, _) in &batch {
            session.lose_record(&error);
        }
    }
    next
}

/// Closes a session that nobody learned of.
pub(super) fn forget(store: &mut Store, id: SessionId, at: super::span::Millis) {
    let closing = Closing {
        by: Some("portcullis".into()),
        note: Some("the opener had gone".into()),
        at,
        complete: true,
    };
    if let Err(error) = store.close_session(id, &closing) {
        tracing::error!(session = %id, %error, "a migration session stays in the registry until it expires");
    }
}
