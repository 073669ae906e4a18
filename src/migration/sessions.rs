//! The open migration sessions as the running proxy sees them: every worker looks here, the
//! registry's thread and the timer task write here. An end takes effect here first (connections
//! are cut off at once) and is then written to the registry, again and again until it is.

mod session;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use ring::rand::{SecureRandom, SystemRandom};

pub use session::{End, Session, Why};

use crate::auth::scram::Keys;
use crate::policy::Phase;

use super::registry::{
    NewSession, RegistryError, RegistryHandle, SessionRow, Statement, StatementRow, forget,
};
use super::span::Millis;
use super::token::{ID_RANDOM, SessionId, TOKEN_RANDOM, Token};

/// Bytes of salt in a token's verifier, as PostgreSQL's.
const SALT: usize = 16;
/// PostgreSQL's default. More would buy nothing: a token has 202 random bits.
const ITERATIONS: u32 = 4096;
/// How often ends are looked for, at the latest.
const TICK: Duration = Duration::from_secs(1);

/// What is asked for when a session is opened. The caller has checked that it may be.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The one database.
    pub database: String,
    /// The login of kind migrator.
    pub role: String,
    /// Why, in the opener's words.
    pub reason: String,
    /// What it is opened for, where that was said.
    pub phase: Option<Phase>,
    /// How long it may last.
    pub ttl: Duration,
    /// Who opens it.
    pub by: String,
}

/// All migration sessions of this proxy.
pub struct Sessions {
    registry: RegistryHandle,
    /// Open ones, and ended ones whose end is not in the registry yet.
    by_id: RwLock<HashMap<SessionId, Arc<Session>>>,
    opened: AtomicU64,
    ended: AtomicU64,
}

impl Sessions {
    /// Ends in the registry what has expired while no proxy ran, and takes up the rest.
    pub async fn load(registry: RegistryHandle) -> Result<Arc<Self>, RegistryError> {
        let now = now();
        let rows = registry
            .run(move |store| {
                store.expire(now)?;
                store.open_sessions()
            })
            .await?;
        let mut by_id = HashMap::with_capacity(rows.len());
        for row in rows {
            let session = Session::from_row(row, now, Instant::now())?;
            by_id.insert(session.id, Arc::new(session));
        }
        Ok(Arc::new(Self {
            registry,
            by_id: RwLock::new(by_id),
            opened: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }))
    }

    /// The session with this id, if it is open. Looked up once per connection.
    pub fn lookup(&self, id: SessionId) -> Option<Arc<Session>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.get(&id).filter(|session| session.is_open()).cloned()
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.values().filter(|session| session.is_open()).count()
    }

    /// How many this process has opened.
    pub fn opened_count(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// How many have ended, in the registry too, under this process.
    pub fn ended_count(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Opens a session. The token is in the answer and nowhere else.
    pub async fn open(&self, opening: Opening) -> Result<(Arc<Session>, Token), RegistryError> {
        self.sweep().await;
        let Secrets { id, token, salt } = Secrets::draw()?;
        let opened_at = now();
        let ends_at = opened_at
            .saturating_add(Millis::try_from(opening.ttl.as_millis()).unwrap_or(Millis::MAX));
        let secret = token.clone();
        let row = self
            .registry
            .run_or_undo(
                move |store| {
                    // PBKDF2 takes a millisecond: here, on the registry's thread, it stalls no client.
                    let verifier = Keys::derive(secret.reveal(), &salt, ITERATIONS)
                        .verifier()
                        .to_string();
                    let Opening {
                        database,
                        role,
                        reason,
                        phase,
                        by: opened_by,
                        ..
                    } = opening;
                    store.open_session(&NewSession {
                        id,
                        database,
                        role,
                        reason,
                        phase,
                        verifier,
                        opened_by,
                        opened_at,
                        ends_at,
                    })?;
                    store.session(id)?.ok_or(RegistryError::NoSession(id))
                },
                move |store| forget(store, id, opened_at),
            )
            .await?;
        let session = Arc::new(Session::from_row(row, opened_at, Instant::now())?);
        self.write().insert(id, session.clone());
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok((session, token))
    }

    /// Ends a session: its connections are told at once, also when the registry cannot be written
    /// (then the error says so, and the writing is tried again).
    pub async fn close(
        &self,
        id: SessionId,
        by: &str,
        note: Option<&str>,
    ) -> Result<(), RegistryError> {
        let Some(session) = self.read(id) else {
            // Unknown here: the registry knows whether it ever was.
            let known = self.registry.run(move |store| store.session(id)).await?;
            return Err(known.map_or(RegistryError::NoSession(id), |_| RegistryError::Ended(id)));
        };
        if !session.end(Why::Closed {
            by: by.into(),
            note: note.map(Into::into),
        }) {
            return Err(RegistryError::Ended(id));
        }
        self.settle(&session).await
    }

    /// Queues a statement for the session's record; never waits. When that is impossible the
    /// session ends, since what it did could not be told any more.
    pub fn record(
        &self,
        session: &Arc<Session>,
        statement: Statement,
    ) -> Result<(), RegistryError> {
        self.registry
            .record(session, statement)
            .inspect_err(|error| session.lose_record(error))
    }

    /// Resolves when every statement recorded so far is in the file, and that this is so. Before the process ends.
    pub async fn finish(&self) -> Result<(), RegistryError> {
        self.registry.run(|store| store.end_run()).await
    }

    /// The open sessions and the latest others, newest first.
    pub async fn list(&self, limit: usize) -> Result<Vec<SessionRow>, RegistryError> {
        self.registry.run(move |store| store.sessions(limit)).await
    }

    /// One session and its next statements behind number `behind`: see [`Store::statements`].
    ///
    /// [`Store::statements`]: super::registry::Store::statements
    pub async fn show(
        &self,
        id: SessionId,
        behind: u64,
    ) -> Result<(SessionRow, Vec<StatementRow>), RegistryError> {
        self.registry
            .run(move |store| {
                Ok((
                    store.session(id)?.ok_or(RegistryError::NoSession(id))?,
                    store.statements(id, behind)?,
                ))
            })
            .await
    }

    /// The timer task: ends sessions on time and writes ends that could not be written. Runs
    /// until it is dropped.
    pub async fn keep_time(&self) {
        loop {
            self.sweep().await;
            tokio::time::sleep(self.until_next_end().min(TICK)).await;
        }
    }

    /// Tells every session's connections that the proxy stops. The sessions stay open in the
    /// registry: the next process takes them up.
    pub fn shut_down(&self) {
        for session in self.all() {
            session.end(Why::Shutdown);
        }
    }

    async fn sweep(&self) {
        for session in self.all() {
            session.end_if_over();
            if let Err(error) = self.settle(&session).await {
                tracing::error!(session = %session.id, %error, "the end of a migration session is not in the registry yet");
            }
        }
    }

    /// Brings a session's end, if it has ended, into the registry.
    async fn settle(&self, session: &Session) -> Result<(), RegistryError> {
        let Some(closing) = session.how_it_ended().and_then(|end| end.closing()) else {
            return Ok(());
        };
        let id = session.id;
        match self
            .registry
            .run(move |store| store.close_session(id, &closing))
            .await
        {
            Ok(()) | Err(RegistryError::Ended(_) | RegistryError::NoSession(_)) => {
                if self.write().remove(&id).is_some() {
                    self.ended.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn until_next_end(&self) -> Duration {
        self.all()
            .iter()
            .map(|session| session.time_left())
            .filter(|left| !left.is_zero())
            .min()
            .unwrap_or(TICK)
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.by_id
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    fn read(&self, id: SessionId) -> Option<Arc<Session>> {
        self.by_id
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.by_id.write().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Secrets {
    id: SessionId,
    token: Token,
    salt: [u8; SALT],
}

impl Secrets {
    fn draw() -> Result<Self, RegistryError> {
        let source = SystemRandom::new();
        let mut id = [0; ID_RANDOM];
        let mut token = zeroize::Zeroizing::new([0; TOKEN_RANDOM]);
        let mut salt = [0; SALT];
        source
            .fill(&mut id)
            .and_then(|()| source.fill(token.as_mut()))
            .and_then(|()| source.fill(&mut salt))
            .map_err(|_| RegistryError::NoRandomness)?;
        match (SessionId::from_random(&id), Token::from_random(&token)) {
            (Some(id), Some(token)) => Ok(Self { id, token, salt }),
            _ => Err(RegistryError::NoRandomness),
        }
    }
}

/// The time of day, as the registry stores it.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
