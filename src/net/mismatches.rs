//! Roles whose verifiers Portcullis, PgBouncer and PostgreSQL hold differently, as health tells them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::telemetry::Health;
use crate::telemetry::health::State;

/// The check's name on `/health/ready`.
const CHECK: &str = "verifiers";
/// Roles that are told; of more only the number.
const MAX_TOLD: usize = 8;

/// What was found at logins, by role; as many at most as the policy has server roles.
#[derive(Debug, Default)]
pub struct Mismatches {
    roles: Mutex<BTreeMap<Box<str>, String>>,
    /// Is there any? Every login asks.
    any: AtomicBool,
}

impl Mismatches {
    /// A login of `role` failed because verifiers differ.
    pub fn found(&self, role: &str, text: &str, health: &Health) {
        let mut roles = self.lock();
        roles.insert(role.into(), text.to_owned());
        self.tell(&roles, health);
    }

    /// A login of `role` succeeded: whatever differed does so no longer.
    pub fn mended(&self, role: &str, health: &Health) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut roles = self.lock();
        if roles.remove(role).is_some() {
            self.tell(&roles, health);
        }
    }

    /// Other verifiers are in use: the next logins find out.
    pub fn forget(&self, health: &Health) {
        let mut roles = self.lock();
        roles.clear();
        self.tell(&roles, health);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, String>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With the lock held, so that of two threads the later one has the last word.
    fn tell(&self, roles: &BTreeMap<Box<str>, String>, health: &Health) {
        self.any.store(!roles.is_empty(), Ordering::Release);
        if roles.is_empty() {
            return health.remove(CHECK);
        }
        let told: Vec<&str> = roles.values().take(MAX_TOLD).map(String::as_str).collect();
        let mut text = told.join("; ");
        if let Some(more) = roles.len().checked_sub(MAX_TOLD + 1) {
            text += &format!("; and {} more", more + 1);
        }
        health.set(CHECK, false, State::Degraded, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_heals_by_itself() {
        let (mismatches, health) = (Mismatches::default(), Health::default());
        let told = || health.report().1;
        mismatches.found("a", "role a differs", &health);
        mismatches.found("b", "role b differs", &health);
        mismatches.found("b", "role b differs", &health);
        assert!(told().contains("role a differs; role b differs\""));
        mismatches.mended("c", &health);
        mismatches.mended("a", &health);
        assert!(told().contains("\"role b differs\""), "{}", told());
        mismatches.mended("b", &health);
        assert!(!told().contains("verifiers"), "{}", told());
        for role in 0..20 {
            let role = role.to_string();
            mismatches.found(&role, &format!("role {role} differs"), &health);
        }
        assert_eq!(told().matches("differs").count(), MAX_TOLD);
        assert!(told().contains("and 12 more"), "{}", told());
        mismatches.forget(&health);
        assert!(!told().contains("verifiers"), "{}", told());
    }
}
