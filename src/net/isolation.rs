//! Isolation as a service level (`[isolation]`): at an interval Portcullis asks each table for the canary
//! rows of two zones, in the one, in the other and in none, through the pools that clients use and with
//! the prefix that their transactions get. What is seen, and what is not, is the proof.
//!
//! A login is asked with on the route that its clients take, and each route is proved by itself: what keeps
//! one from being proved says nothing about the other. A proof is complete or it is none: whatever keeps one
//! question from being answered as it should is a failure with a reason. The proofs of a route are made one
//! after the other, each in `timeout`.

mod answers;
mod asking;

use std::sync::Arc;

use tokio::time::timeout;

use self::answers::{Asker, choose};
use self::asking::{Means, Talk};
use super::server::{NoServer, dial};
use super::shared::{Shared, Snapshot};
use crate::clock;
use crate::config::Isolation;
use crate::config::isolation::MAX_TABLES;
use crate::error::SqlState;
use crate::policy::RouteName;
use crate::telemetry::Counters;
use crate::telemetry::health::{Phase, State};
use crate::telemetry::labels::IsolationFailure;

/// The routes that lead applications to a pool, and what each one's check at /health/ready is called.
const ROUTES: [(RouteName, &str); 2] = [
    (RouteName::Transaction, "isolation.transaction"),
    (RouteName::Session, "isolation.session"),
];
/// Failures of one proof that are written to the log; the rest is counted there.
const MAX_TOLD: usize = 20;

/// Why an answer, or the lack of one, is no proof.
#[derive(Debug)]
struct Cause {
    reason: IsolationFailure,
    /// For the log. Names no zone.
    detail: String,
    /// The connection is of no further use.
    ends: bool,
}

impl Cause {
    fn of(reason: IsolationFailure) -> Self {
        Self {
            reason,
            detail: String::new(),
            ends: false,
        }
    }

    /// An answer that is none.
    fn odd() -> Self {
        Self {
            detail: "the answer is not understood".to_owned(),
            ..Self::of(IsolationFailure::Error)
        }
    }

    fn setup(detail: String) -> Self {
        Self {
            detail,
            ..Self::of(IsolationFailure::Setup)
        }
    }

    fn no_server(error: &NoServer) -> Self {
        let reason = match error.sqlstate {
            SqlState::NO_SERVER => IsolationFailure::Unreachable,
            _ => IsolationFailure::Login,
        };
        Self {
            detail: error.cause.clone(),
            ..Self::of(reason)
        }
    }

    fn lost(error: &NoServer) -> Self {
        Self {
            detail: error.cause.clone(),
            ends: true,
            ..Self::of(IsolationFailure::Unreachable)
        }
    }
}

/// A failure, where it belongs.
struct Failure {
    login: Box<str>,
    table: Option<String>,
    asker: Option<Asker>,
    cause: Cause,
}

/// What one proof has come to so far: kept when its time is over.
#[derive(Default)]
struct Proof {
    /// Tables that were asked by each login.
    tables: usize,
    failures: Vec<Failure>,
}

/// Proves each route again and again, until the proxy drains. Where [`Isolation::readiness`] asks for it the
/// proxy is not ready from here to the first proofs.
pub(super) fn start(shared: &Arc<Shared>, settings: &Arc<Isolation>) {
    for (route, check) in ROUTES {
        let of_route = Watch {
            shared: Arc::clone(shared),
            settings: Arc::clone(settings),
            route,
            check,
        };
        let asked = !of_route.logins(&shared.snapshot()).is_empty();
        if asked && settings.readiness {
            let first = "not proven yet";
            shared.health.set(check, true, State::Unhealthy, first);
        }
        tokio::spawn(of_route.run());
    }
}

/// The proofs of one route.
struct Watch {
    shared: Arc<Shared>,
    settings: Arc<Isolation>,
    route: RouteName,
    check: &'static str,
}

impl Watch {
    /// The logins of `[isolation]` whose clients take this route.
    fn logins(&self, snapshot: &Snapshot) -> Vec<&str> {
        let logins = &snapshot.files.policy.logins;
        // A policy without one of them is not loaded.
        let is_here = |name: &&str| {
            let login = logins.get(*name);
            login.map_or(RouteName::Transaction, |it| it.route) == self.route
        };
        let names = self.settings.logins.iter().map(|name| &**name);
        names.filter(is_here).collect()
    }

    async fn run(self) {
        let counters = self.shared.telemetry.counters();
        while self.shared.health.phase() != Phase::Draining {
            let snapshot = self.shared.snapshot();
            let logins = self.logins(&snapshot);
            let asked = !logins.is_empty();
            self.shared.telemetry.isolation.asked(self.route, asked);
            if asked {
                let proof = self.prove_in_time(&snapshot, &logins).await;
                self.conclude(&proof, &counters);
            } else {
                self.shared.health.remove(self.check);
            }
            drop(logins);
            drop(snapshot);
            tokio::time::sleep(self.settings.interval).await;
        }
    }

    async fn prove_in_time(&self, snapshot: &Snapshot, logins: &[&str]) -> Proof {
        let (mut proof, limit) = (Proof::default(), self.settings.timeout);
        let asked = timeout(limit, self.prove(snapshot, logins, &mut proof)).await;
        if asked.is_err() {
            proof.failures.push(Failure {
                login: "".into(),
                table: None,
                asker: None,
                cause: Cause {
                    detail: format!("after {} tables", proof.tables),
                    ..Cause::of(IsolationFailure::Timeout)
                },
            });
        }
        proof
    }

    /// Asks by each login. What fails is noted, and the others are asked all the same.
    async fn prove(&self, snapshot: &Snapshot, logins: &[&str], proof: &mut Proof) {
        for login in logins {
            let proved = prove_for(&self.shared, snapshot, &self.settings, login, proof).await;
            if let Err(cause) = proved {
                proof.failures.push(Failure {
                    login: (*login).into(),
                    table: None,
                    asker: None,
                    cause,
                });
            }
        }
    }
}

async fn prove_for(
    shared: &Shared,
    snapshot: &Snapshot,
    settings: &Isolation,
    login: &str,
    proof: &mut Proof,
) -> Result<(), Cause> {
    let means = Means::new(snapshot, settings, login)?;
    let server = dial(shared, &means.login(settings)).await;
    let server = server.map_err(|error| Cause::no_server(&error))?;
    let mut talk = Talk::new(server, snapshot, means);
    let column = [&*settings.column];
    let found = talk.ask(Asker::Nobody, answers::TABLES, &column).await?;
    if found.len() > MAX_TABLES {
        let detail = format!("there are more than {MAX_TABLES} tables: list them");
        return Err(Cause::setup(detail));
    }
    let (tables, missing) = choose(found, settings.tables.as_deref());
    let mut failed = |table: Option<String>, asker, cause| {
        proof.failures.push(Failure {
            login: login.into(),
            table,
            asker,
            cause,
        });
    };
    for table in missing {
        let cause = Cause::of(IsolationFailure::MissingTable);
        failed(Some(table), None, cause);
    }
    if tables.is_empty() && settings.tables.is_none() {
        failed(None, None, Cause::of(IsolationFailure::MissingTable));
    }
    for table in &tables {
        for asker in Asker::ALL {
            if let Err(cause) = talk.look(asker, table, &settings.zones).await {
                let ends = cause.ends;
                failed(Some(table.name.clone()), Some(asker), cause);
                if ends {
                    return Ok(());
                }
            }
        }
        proof.tables += 1;
    }
    talk.goodbye().await;
    Ok(())
}

impl Watch {
    /// Counts and tells what came of a proof.
    fn conclude(&self, proof: &Proof, counters: &Counters) {
        for failure in &proof.failures {
            counters.isolation_failed(self.route, failure.cause.reason);
        }
        let told = proof.failures.iter().take(MAX_TOLD);
        told.for_each(|failure| self.tell(failure));
        let (tables, failures) = (proof.tables, proof.failures.len());
        let (required, route) = (self.settings.readiness, self.route.id());
        let (state, said) = match failures {
            0 => {
                let now = clock::now().unsigned_abs() / 1000;
                let isolation = &self.shared.telemetry.isolation;
                isolation.proved(self.route, now, tables as u64);
                tracing::debug!(route, tables, "isolation is proved");
                (State::Healthy, format!("proved: {tables} tables"))
            }
            _ if required => (State::Unhealthy, not_proved(failures)),
            _ => (State::Degraded, not_proved(failures)),
        };
        if failures > MAX_TOLD {
            let told = MAX_TOLD;
            tracing::warn!(route, failures, told, "isolation is not proved");
        }
        self.shared.health.set(self.check, required, state, said);
    }

    fn tell(&self, failure: &Failure) {
        let settings = &self.settings;
        let zone = match failure.asker {
            Some(Asker::Zone(number)) if self.shared.config.log.zones => settings.zones.get(number),
            _ => None,
        };
        let cause = &failure.cause;
        tracing::warn!(
            route = self.route.id(),
            login = (!failure.login.is_empty()).then_some(&*failure.login),
            database = &*settings.database,
            table = failure.table,
            asked_by = failure.asker.map(Asker::id),
            zone = zone.map(|zone| &**zone),
            reason = IsolationFailure::WORDS[cause.reason as usize],
            detail = (!cause.detail.is_empty()).then_some(&*cause.detail),
            "isolation is not proved"
        );
    }
}

fn not_proved(failures: usize) -> String {
    format!("not proved: {failures} failures")
}
