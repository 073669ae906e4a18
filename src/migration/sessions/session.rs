//! One migration session, shared by the workers that serve its connections.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::now;
use crate::auth::scram::Verifier;
use crate::migration::registry::{Closing, RegistryError, SessionRow};
use crate::migration::span::{Millis, time_of_day};
use crate::migration::token::SessionId;
use crate::policy::Phase;

/// One migration session.
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The login of kind migrator.
    pub role: Box<str>,
    /// The one database.
    pub database: Box<str>,
    /// The token's SCRAM verifier.
    pub verifier: Verifier,
    /// Who opened it.
    pub opened_by: Box<str>,
    /// What it was opened for, if its opener said so.
    pub phase: Option<Phase>,
    /// When it ends by itself.
    pub ends_at: Millis,
    /// The same by the clock that nobody sets.
    deadline: Instant,
    open: AtomicBool,
    end: watch::Sender<Option<Arc<End>>>,
}

/// How and when a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Millis,
    /// How.
    pub why: Why,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Someone closed it.
    Closed {
        /// Who.
        by: Box<str>,
        /// Why, in their words.
        note: Option<Box<str>>,
    },
    /// Its time was over.
    Expired,
    /// Its statements could not be recorded any more.
    Unrecorded {
        /// What the registry said.
        problem: Box<str>,
    },
    /// The proxy stops; the session itself goes on.
    Shutdown,
}

impl Session {
    pub(super) fn from_row(
        row: SessionRow,
        now: Millis,
        instant: Instant,
    ) -> Result<Self, RegistryError> {
        let verifier = row
            .verifier
            .as_deref()
            .and_then(|text| text.parse().ok())
            .ok_or(RegistryError::Verifier(row.id))?;
        // A clock that was set back must not make its life longer than it was meant to be.
        let left = row.ends_at.saturating_sub(now.max(row.opened_at));
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Ok(Self {
            id: row.id,
            role: row.role.into(),
            database: row.database.into(),
            verifier,
            opened_by: row.opened_by.into(),
            phase: row.phase,
            ends_at: row.ends_at,
            // Too far away for the clock: over at once rather than never.
            deadline: instant.checked_add(left).unwrap_or(instant),
            open: AtomicBool::new(true),
            end: watch::Sender::new(None),
        })
    }

    /// May statements run in it? One load and one reading of the clock; asked for each statement.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) && Instant::now() < self.deadline
    }

    /// Resolves when the session has ended; at once if it has already.
    pub async fn ended(&self) -> Arc<End> {
        let mut end = self.end.subscribe();
        // Bound to a name so that the watch's read lock is released before `end`.
        let known = end
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|end| end.clone());
        known.unwrap_or_else(|| {
            Arc::new(End {
                at: now(),
                why: Why::Shutdown,
            })
        })
    }

    /// How it ended, if it has.
    pub fn how_it_ended(&self) -> Option<Arc<End>> {
        self.end.borrow().clone()
    }

    /// How long it may still last; zero when it has ended.
    pub fn time_left(&self) -> Duration {
        if self.open.load(Ordering::Acquire) {
            self.deadline.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        }
    }

    /// Ends it because a statement that ran could not be recorded.
    pub(crate) fn lose_record(&self, error: &RegistryError) {
        self.end(Why::Unrecorded {
            problem: error.to_string().into(),
        });
    }

    /// Ends it. False when it had ended before; the first end stands.
    pub(super) fn end(&self, why: Why) -> bool {
        let first = self.open.swap(false, Ordering::AcqRel);
        if first {
            self.end
                .send_replace(Some(Arc::new(End { at: now(), why })));
        }
        first
    }

    pub(super) fn end_if_over(&self) {
        if Instant::now() >= self.deadline {
            self.end(Why::Expired);
        }
    }

    /// What its connections are told: message, detail and hint of a FATAL 57P01.
    pub fn farewell(&self, end: &End) -> (String, String, String) {
        (
            format!(
                "migration session {} ended at {}",
                self.id,
                time_of_day(end.at)
            ),
            end.why.to_string(),
            format!("portcullis migration show {}", self.id),
        )
    }
}

impl End {
    /// What the registry keeps of it; nothing when the session goes on after a restart.
    pub(super) fn closing(&self) -> Option<Closing> {
        let closing = |by: Option<&str>, note: Option<String>, complete| Closing {
            by: by.map(Into::into),
            note,
            at: self.at,
            complete,
        };
        match &self.why {
            Why::Closed { by, note } => {
                Some(closing(Some(by), note.as_deref().map(Into::into), true))
            }
            Why::Expired => Some(closing(None, None, true)),
            Why::Unrecorded { problem } => Some(closing(
                Some("portcullis"),
                Some(format!("its record is incomplete: {problem}")),
                false,
            )),
            Why::Shutdown => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed {
                by,
                note: Some(note),
            } => write!(f, "It was closed by \"{by}\" with the note \"{note}\"."),
            Self::Closed { by, note: None } => write!(f, "It was closed by \"{by}\"."),
            Self::Expired => f.write_str("Its time was over."),
            Self::Unrecorded { problem } => {
                write!(f, "Its statements could not be recorded: {problem}.")
            }
            Self::Shutdown => {
                f.write_str("This proxy is stopping; the session itself is still open.")
            }
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Session({} on {}, open: {})",
            self.id,
            self.database,
            self.is_open()
        )
    }
}
