//! Is the proxy fit to serve? Written by whoever finds out, read by probes and by the startup path.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Not everything has been loaded: clients get 57P03.
    Starting,
    /// Serving.
    Ready,
    /// Letting running transactions end; new clients get 57P03. There is no way back.
    Draining,
}

/// How one part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum State {
    /// As it should be.
    Healthy,
    /// Works, but someone should look.
    Degraded,
    /// Does not work.
    Unhealthy,
}

/// One part that is watched: `route.transaction`, `auth_file`.
#[derive(Clone, Debug, Serialize)]
struct Check {
    status: State,
    description: String,
    /// Without it the proxy cannot serve.
    #[serde(skip)]
    required: bool,
}

/// The answer to `/health/ready`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    status: &'static str,
    checks: &'a BTreeMap<&'static str, Check>,
}

/// The phase and the checks. Reading never waits for a check: it shows what the last one found.
#[derive(Debug)]
pub struct Health {
    phase: AtomicU8,
    checks: Mutex<BTreeMap<&'static str, Check>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Starting as u8),
            checks: Mutex::default(),
        }
    }
}

impl Health {
    /// Where the process is. Lock-free: the startup path asks for every client.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Moves on. An attempt to go back is ignored: a drain that has begun is not undone by a late start.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Records what a check found. `required`: while it is [`State::Unhealthy`] the proxy is not ready.
    pub fn set(
        &self,
        check: &'static str,
        required: bool,
        status: State,
        description: impl Into<String>,
    ) {
        let check_result = Check {
            status,
            description: description.into(),
            required,
        };
        self.checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(check, check_result);
    }

    /// Forgets a check whose subject is gone (a route removed by a reload).
    pub fn remove(&self, check: &'static str) {
        self.checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(check);
    }

    /// Whether to send traffic here, and why (JSON).
    pub fn report(&self) -> (bool, String) {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = checks
            .values()
            .any(|check| check.required && check.status == State::Unhealthy);
        let status = match self.phase() {
            Phase::Starting => "starting",
            Phase::Draining => "draining",
            Phase::Ready if broken => "unready",
            Phase::Ready => "ready",
        };
        // Strings and maps with string keys: this cannot fail.
        let body = serde_json::to_string(&Report {
            status,
            checks: &checks,
        })
        .unwrap_or_default();
        (status == "ready", body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_only_moves_on() {
        let health = Health::default();
        assert_eq!(health.phase(), Phase::Starting);
        assert_eq!(
            health.report(),
            (false, r#"{"status":"starting","checks":{}}"#.into())
        );
        health.enter(Phase::Draining);
        health.enter(Phase::Ready);
        assert_eq!(health.phase(), Phase::Draining);
        assert_eq!(
            health.report(),
            (false, r#"{"status":"draining","checks":{}}"#.into())
        );
    }

    #[test]
    fn only_a_required_check_that_is_unhealthy_takes_the_proxy_out() {
        let health = Health::default();
        health.enter(Phase::Ready);
        health.set(
            "route.transaction",
            true,
            State::Degraded,
            "1 of 2 hosts answers",
        );
        health.set(
            "route.session",
            false,
            State::Unhealthy,
            "connection refused",
        );
        assert!(health.report().0);
        health.set(
            "route.transaction",
            true,
            State::Unhealthy,
            r#"no host answers: "refused""#,
        );
        let (ready, body) = health.report();
        assert!(!ready);
        assert_eq!(
            body,
            concat!(
                r#"{"status":"unready","checks":{"#,
                r#""route.session":{"status":"Unhealthy","description":"connection refused"},"#,
                r#""route.transaction":{"status":"Unhealthy","description":"no host answers: \"refused\""}}}"#
            )
        );
        health.remove("route.transaction");
        assert!(health.report().0);
    }
}
