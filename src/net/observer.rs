//! What happens on a connection, counted and (in a migration session) recorded.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::refusals::Refusals;
use super::settings::Foreseen;
use super::worker::Worker;
use crate::clock;
use crate::conversation::{Change, Observer};
use crate::error::SqlState;
use crate::migration::Session;
use crate::migration::registry::Statement;
use crate::policy::{Decision, Guard, Refusal, Verdict, Who};
use crate::sql::{Facts, Fingerprint};
use crate::telemetry::labels::Judged;
use crate::telemetry::log::ConnectionId;
use crate::telemetry::report::{Key, Outcome};

/// Bytes of a startup parameter's name in the report.
const MAX_NAME: usize = 63;

/// Counts and records for one connection.
pub struct Watcher {
    worker: Rc<Worker>,
    connection: u32,
    login: Rc<str>,
    database: Arc<str>,
    recorder: Option<Box<Recorder>>,
    /// Of the log; made at the first refusal.
    refusals: OnceCell<Rc<Refusals>>,
    /// The login as the report names it; made at the first row.
    reported: OnceCell<Arc<str>>,
}

/// Records the statements of a migration session.
struct Recorder {
    session: Arc<Session>,
    running: RefCell<VecDeque<Running>>,
}

struct Running {
    tag: &'static str,
    text: Option<Box<str>>,
    fingerprint: Option<Fingerprint>,
    at: SystemTime,
    since: Instant,
}

/// Which guard objected to what; or what would have been changed.
struct Told<'a> {
    guard: Option<Guard>,
    rule: Option<&'a Arc<str>>,
    fingerprint: Option<Fingerprint>,
    parameter: Option<&'a str>,
    outcome: Outcome,
}

impl<'a> Told<'a> {
    fn of(refusal: &'a Refusal, outcome: Outcome) -> Self {
        Self {
            guard: Some(refusal.guard),
            rule: refusal.rule.as_ref(),
            fingerprint: refusal.fingerprint,
            parameter: None,
            outcome,
        }
    }

    fn changed(change: Change) -> Self {
        Self {
            guard: None,
            rule: None,
            fingerprint: None,
            parameter: None,
            outcome: Outcome::Changed(change),
        }
    }
}

impl Watcher {
    /// For one connection; `session`: where its statements are recorded.
    pub fn new(
        worker: Rc<Worker>,
        connection: u32,
        who: &Who,
        session: Option<Arc<Session>>,
    ) -> Self {
        let recorder = session.map(|session| {
            let running = RefCell::default();
            Box::new(Recorder { session, running })
        });
        Self {
            worker,
            connection,
            login: (&*who.login.name).into(),
            database: Arc::clone(&who.database),
            recorder,
            refusals: OnceCell::new(),
            reported: OnceCell::new(),
        }
    }

    /// For the report. What the text says is looked at when it is the first of its kind.
    fn report(&self, told: Told, text: &[u8]) {
        let login = self.reported.get_or_init(|| (&*self.login).into());
        let key = Key {
            login: Arc::clone(login),
            database: Arc::clone(&self.database),
            guard: told.guard,
            rule: told.rule.map(Arc::clone),
            fingerprint: told.fingerprint,
            parameter: told.parameter.map(shortened),
            outcome: told.outcome,
        };
        self.worker.tally.note(key, clock::now(), || {
            (!text.is_empty()).then(|| crate::sql::redact(text))
        });
    }

    /// What would have become of the client's startup parameters. By name alone: a value may be anything.
    pub(super) fn startup_foreseen(&self, foreseen: &Foreseen) {
        for (name, refusal) in &foreseen.refused {
            self.worker.counters.observed(refusal.guard);
            let told = Told {
                parameter: Some(name),
                ..Told::of(refusal, Outcome::Observed)
            };
            self.report(told, b"");
        }
        for name in &foreseen.changed {
            self.worker.counters.foreseen(Change::Startup);
            let told = Told {
                parameter: Some(name),
                ..Told::changed(Change::Startup)
            };
            self.report(told, b"");
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

/// A parameter's name, which may be anything.
fn shortened(name: &str) -> Arc<str> {
    let end = (0..=MAX_NAME.min(name.len())).rev();
    let end = end.into_iter().find(|at| name.is_char_boundary(*at));
    name[..end.unwrap_or(0)].into()
}

impl Observer for Watcher {
    fn judged(&self, facts: &Facts, decision: &Decision, text: &[u8]) {
        let verdict = match decision.verdict {
            Verdict::Refuse(_) => Judged::Refused,
            Verdict::Allow if decision.observed.is_empty() => Judged::Allowed,
            Verdict::Allow => Judged::Observed,
        };
        let counters = &self.worker.counters;
        counters.statement(facts.classes, verdict);
        for guard in decision.observed.iter() {
            counters.observed(guard);
            let told = Told {
                guard: Some(guard),
                rule: decision
                    .observed_rule
                    .as_ref()
                    .filter(|_| guard == Guard::Rule),
                fingerprint: facts.fingerprint(),
                parameter: None,
                outcome: Outcome::Observed,
            };
            self.report(told, text);
        }
    }

    fn refused(&self, refusal: &Refusal, text: &[u8]) {
        self.worker.counters.refusal(refusal.guard);
        self.report(Told::of(refusal, Outcome::Refused), text);
        let refusals = self.refusals.get_or_init(Refusals::new);
        if !refusals.admit(refusal.guard, self.connection, &self.login) {
            return;
        }
        tracing::info!(
            connection = %ConnectionId(self.connection.into()),
            login = &*self.login,
            guard = refusal.by(),
            sqlstate = refusal.sqlstate.as_str(),
            statement = refusal.fingerprint.map(tracing::field::display),
            policy = refusal.policy_version.map(tracing::field::display),
            "refused"
        );
    }

    fn observed(&self, refusal: &Refusal, text: &[u8]) {
        self.worker.counters.observed(refusal.guard);
        self.report(Told::of(refusal, Outcome::Observed), text);
    }

    fn foreseen(&self, change: Change, facts: Option<&Facts>, text: &[u8]) {
        self.worker.counters.foreseen(change);
        // What happens to every prepared statement has no row for each.
        let facts = facts.filter(|_| change != Change::Unnamed);
        let told = Told {
            fingerprint: facts.and_then(|facts| facts.fingerprint()),
            ..Told::changed(change)
        };
        self.report(told, if facts.is_some() { text } else { b"" });
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
        recorder.running.borrow_mut().push_back(Running {
            tag: first.map_or("", |statement| statement.tag),
            text: Some(crate::sql::redact(text)),
            fingerprint: facts.and_then(|facts| facts.fingerprint()),
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
