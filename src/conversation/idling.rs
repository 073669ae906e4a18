//! How long a client may be idle, by what it has set for its session, where no server connection sees to
//! that: between transactions there is none, and in one that has begun it learns the client's parameters
//! ahead of the first statement that they bear on, and not before. What fails forgets them again.

use std::time::Duration;

use super::{Batch, Conversation, Fatal};
use crate::error::SqlState;
use crate::policy::quantity;
use crate::protocol::TransactionStatus;

/// Where a client is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idling {
    /// Between transactions.
    InSession,
    /// In a transaction, be it a failed one.
    InTransaction,
}

impl Idling {
    /// The parameter that limits it.
    fn parameter(self) -> &'static str {
        match self {
            Self::InSession => "idle_session_timeout",
            Self::InTransaction => "idle_in_transaction_session_timeout",
        }
    }

    /// What PostgreSQL says when the limit is reached.
    pub fn last_words(self) -> Fatal {
        let (sqlstate, what) = match self {
            Self::InSession => (*b"57P05", "idle-session"),
            Self::InTransaction => (*b"25P03", "idle-in-transaction"),
        };
        Fatal {
            sqlstate: SqlState(sqlstate),
            message: format!("terminating connection due to {what} timeout"),
        }
    }
}

impl Conversation {
    /// Is everything that was sent answered to its ReadyForQuery, and no message half-way?
    pub fn is_at_rest(&self) -> bool {
        self.in_flight.is_empty()
            && self.batch == Batch::Closed
            && !self.is_in_pieces()
            && self.client_body.remaining == 0
            && self.server_body.remaining == 0
    }

    /// For how long may the client, at rest, be idle? None: the server sees to it, or nobody has to.
    pub fn may_idle(&self) -> Option<(Idling, Duration)> {
        let injection = self.injection.as_ref()?;
        let idling = match self.status {
            TransactionStatus::Idle => Idling::InSession,
            TransactionStatus::Transaction | TransactionStatus::Failed => Idling::InTransaction,
        };
        let value = injection.unknown_there(idling.parameter(), self.status)?;
        Some((idling, quantity::time_limit(value)?))
    }
}
