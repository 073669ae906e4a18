//! What happens on a connection, counted and (in a migration session) recorded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::worker::Worker;
use crate::conversation::Observer;
use crate::error::SqlState;
use crate::migration::Session;
use crate::migration::registry::Statement;
use crate::policy::{Decision, Refusal, Verdict};
use crate::sql::Facts;
use crate::telemetry::labels::Judged;
use crate::telemetry::log::ConnectionId;

/// Bytes of a statement's text that are recorded.
const MAX_TEXT: usize = 4096;

/// Counts and records for one connection.
pub struct Watcher {
    worker: Rc<Worker>,
    connection: u32,
    login: Box<str>,
    recorder: Option<Box<Recorder>>,
}

/// Records the statements of a migration session.
struct Recorder {
    session: Arc<Session>,
    running: RefCell<VecDeque<Running>>,
}

struct Running {
    tag: &'static str,
    text: Option<Box<str>>,
    fingerprint: Option<crate::sql::Fingerprint>,
    at: SystemTime,
    since: Instant,
}

impl Watcher {
    /// For one connection; `session`: where its statements are recorded.
    pub fn new(
        worker: Rc<Worker>,
        connection: u32,
        login: &str,
        session: Option<Arc<Session>>,
    ) -> Self {
        let recorder = session.map(|session| {
            let running = RefCell::default();
            Box::new(Recorder { session, running })
        });
        Self {
            worker,
            connection,
            login: login.into(),
            recorder,
        }
    }

    /// The connection ends. Nobody will see the end of what still runs: it is recorded so (08006).
    pub fn cut_off(&self) {
        let running = self
            .recorder
            .as_ref()
            .map_or(0, |recorder| recorder.running.borrow().len());
        for _ in 0..running {
            self.ended(SqlState::CONNECTION_FAILURE);
        }
    }
}

impl Observer for Watcher {
    fn judged(&self, facts: &Facts, decision: &Decision) {
        let verdict = match decision.verdict {
            Verdict::Refuse(_) => Judged::Refused,
            Verdict::Allow if decision.observed.is_empty() => Judged::Allowed,
            Verdict::Allow => Judged::Observed,
        };
        let counters = &self.worker.counters;
        counters.statement(facts.classes, verdict);
        for guard in decision.observed.iter() {
            counters.observed(guard);
        }
    }

    fn refused(&self, refusal: &Refusal) {
        self.worker.counters.refusal(refusal.guard);
        tracing::info!(
            connection = %ConnectionId(self.connection.into()),
            login = &*self.login,
            guard = refusal.by(),
            sqlstate = refusal.sqlstate.as_str(),
            statement = refusal.fingerprint.map(tracing::field::display),
            "refused"
        );
    }

    fn injected(&self) {
        self.worker.counters.injection();
    }

    fn injection_failed(&self) {
        self.worker.counters.injection_failed();
    }

    fn server_error(&self, sqlstate: &[u8]) {
        self.worker
            .counters
            .server_error(&SqlState::from_bytes(sqlstate).0);
    }

    fn started(&self, facts: Option<&Facts>, text: &[u8]) {
        let Some(recorder) = &self.recorder else {
            return;
        };
        let first = facts.and_then(|facts| facts.statements.first());
        let text = &text[..text.len().min(MAX_TEXT)];
        recorder.running.borrow_mut().push_back(Running {
            tag: first.map_or("", |statement| statement.tag),
            text: Some(crate::sql::redact(text)),
            fingerprint: facts.and_then(|facts| facts.fingerprint),
            at: SystemTime::now(),
            since: Instant::now(),
        });
    }

    fn ended(&self, sqlstate: SqlState) {
        let Some(recorder) = &self.recorder else {
            return;
        };
        let Some(running) = recorder.running.borrow_mut().pop_front() else {
            return;
        };
        let Some(sessions) = &self.worker.shared.sessions else {
            return;
        };
        let since_epoch = running.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let statement = Statement {
            tag: running.tag,
            text: running.text,
            fingerprint: running.fingerprint,
            started_at: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX),
            duration: running.since.elapsed(),
            outcome: sqlstate,
        };
        if let Err(error) = sessions.record(&recorder.session, statement) {
            tracing::error!(session = %recorder.session.id, %error, "a statement could not be recorded");
        }
    }
}
