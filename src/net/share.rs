//! How many connections a login may have.

use std::rc::Rc;
use std::sync::Arc;

use super::login::{Identity, Refused};
use super::shared::Shared;
use super::worker::Worker;
use crate::error::SqlState;
use crate::policy::Kind;
use crate::protocol::reply::ErrorReply;
use crate::telemetry::labels::LoginOutcome;

/// One connection of a login that has `max_connections`.
pub struct Share {
    login: Box<str>,
    shared: Arc<Shared>,
}

impl Share {
    /// Takes a place; none is needed where the policy sets no limit.
    pub fn take(identity: &Identity, worker: &Rc<Worker>) -> Result<Option<Self>, Refused> {
        let login = &identity.who.login;
        let Some(limit) = login
            .max_connections
            .filter(|_| login.kind != Kind::Migrator)
        else {
            return Ok(None);
        };
        let mut count = worker
            .shared
            .login_counts
            .entry(login.name.clone())
            .or_insert(0);
        if *count >= limit {
            let message = format!("too many connections for login \"{}\"", login.name);
            let reply = ErrorReply::fatal(SqlState::TOO_MANY, message)
                .detail(format!("Its max_connections is {limit}."));
            return Err(Refused::new(LoginOutcome::LimitReached, reply));
        }
        *count += 1;
        Ok(Some(Self {
            login: login.name.clone(),
            shared: Arc::clone(&worker.shared),
        }))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(mut count) = self.shared.login_counts.get_mut(&self.login) {
            *count = count.saturating_sub(1);
        }
    }
}
