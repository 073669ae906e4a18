//! Isolation as a service level (`[isolation]`): at an interval Portcullis asks each table for the canary
//! rows of two zones, in the one, in the other and in none, through the pool that clients use and with
//! the prefix that their transactions get. What is seen, and what is not, is the proof.
//!
//! A proof is complete or it is none: whatever keeps one question from being answered as it should is a
//! failure with a reason. Proofs are made one after the other, each in `timeout`.

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
use crate::telemetry::Counters;
use crate::telemetry::health::{Phase, State};
use crate::telemetry::labels::IsolationFailure;

/// The name of its check at /health/ready.
const CHECK: &str = "isolation";
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

/// Proves again and again, until the proxy drains.
pub(super) async fn watch(shared: Arc<Shared>, settings: Isolation) {
    let mut counters = shared.telemetry.counters();
    if settings.readiness {
        let (health, first) = (&shared.health, "not proven yet");
        health.set(CHECK, true, State::Unhealthy, first);
    }
    while shared.health.phase() != Phase::Draining {
        let mut proof = Proof::default();
        let asked = timeout(settings.timeout, prove(&shared, &settings, &mut proof)).await;
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
        conclude(&shared, &settings, &proof, &mut counters);
        tokio::time::sleep(settings.interval).await;
    }
}

/// Asks by each login. What fails is noted, and the others are asked all the same.
async fn prove(shared: &Shared, settings: &Isolation, proof: &mut Proof) {
    let snapshot = shared.snapshot();
    for login in &settings.logins {
        if let Err(cause) = prove_for(shared, &snapshot, settings, login, proof).await {
            proof.failures.push(Failure {
                login: login.clone(),
                table: None,
                asker: None,
                cause,
            });
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

/// Counts and tells what came of a proof.
fn conclude(shared: &Shared, settings: &Isolation, proof: &Proof, counters: &mut Counters) {
    for failure in &proof.failures {
        counters.isolation_failed(failure.cause.reason);
    }
    let told = proof.failures.iter().take(MAX_TOLD);
    told.for_each(|failure| tell(shared, settings, failure));
    let (tables, failures) = (proof.tables, proof.failures.len());
    if failures == 0 {
        let telemetry = &shared.telemetry;
        telemetry
            .isolation_proved
            .set(clock::now().unsigned_abs() / 1000);
        telemetry.isolation_tables.set(tables as u64);
        let said = format!("proved: {tables} tables");
        (shared.health).set(CHECK, settings.readiness, State::Healthy, said);
        tracing::debug!(tables, "isolation is proved");
        return;
    }
    if failures > MAX_TOLD {
        tracing::warn!(failures, told = MAX_TOLD, "isolation is not proved");
    }
    let state = match settings.readiness {
        true => State::Unhealthy,
        false => State::Degraded,
    };
    let said = format!("not proved: {failures} failures");
    (shared.health).set(CHECK, settings.readiness, state, said);
}

fn tell(shared: &Shared, settings: &Isolation, failure: &Failure) {
    let zone = match failure.asker {
        Some(Asker::Zone(number)) if shared.config.log.zones => settings.zones.get(number),
        _ => None,
    };
    let cause = &failure.cause;
    tracing::warn!(
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
