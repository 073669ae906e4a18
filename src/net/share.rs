//! How many clients there may be, and how many connections a login may have.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::login::{Identity, Refused};
use super::shared::Shared;
use super::worker::Worker;
use crate::error::SqlState;
use crate::policy::Kind;
use crate::protocol::reply::ErrorReply;
use crate::telemetry::labels::LoginOutcome;

/// One of the `max_client_conn` clients; given back when dropped.
pub struct Seat {
    shared: Arc<Shared>,
}

impl Seat {
    /// Takes a seat, if one is free. Silent sockets hold none: they could keep everybody out.
    pub fn take(shared: &Arc<Shared>) -> Option<Self> {
        let taken = shared.logged_in.fetch_add(1, Ordering::Relaxed);
        let seat = Self {
            shared: Arc::clone(shared),
        };
        (taken < shared.config.listen.max_client_conn).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.logged_in.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection of a login: counted without `max_connections` too, as a reload may set it.
pub struct Share {
    login: Box<str>,
    shared: Arc<Shared>,
}

impl Share {
    /// Takes a place; migrators are bounded by their sessions.
    pub fn take(identity: &Identity, worker: &Rc<Worker>) -> Result<Option<Self>, Refused> {
        let login = &identity.who.login;
        if login.kind == Kind::Migrator {
            return Ok(None);
        }
        let limit = login.max_connections.unwrap_or(usize::MAX);
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
