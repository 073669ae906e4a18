//! `[[exception]]`: one known statement of one login past one guard, until a day.

use super::{Date, Guard, Policy, State, Who};
use crate::config::Problem;
use crate::sql::Fingerprint;

/// Days before its end from which [`Policy::expiring`] tells of an exception.
const NOTICE: i64 = 14;

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// `guard`
    pub guard: Guard,
    /// `login`
    pub login: Box<str>,
    /// `fingerprint`: behind `statement` in the DETAIL of the refusal and in the log. Never a masked one.
    pub fingerprint: Fingerprint,
    /// `reason`
    pub reason: Box<str>,
    /// `expires`: the first day on which the statement is refused again.
    pub expires: Date,
    /// Line of `[[exception]]`, from 1.
    pub line: u32,
}

/// Guards that can have exceptions: those that go by what a statement is, which a fingerprint tells.
/// The others go by constants (a file, a value, a text to run), which make no difference to it.
pub const EXEMPTIBLE: [Guard; 10] = [
    Guard::DdlOutsideMigration,
    Guard::Maintenance,
    Guard::Procedural,
    Guard::PhaseExpand,
    Guard::MissingWhere,
    Guard::HumanWrite,
    Guard::SessionState,
    Guard::AppendOnly,
    Guard::DeniedRelations,
    Guard::Functions,
];

/// May this statement pass this guard today? Where the day is not known no exception holds, and none
/// for what has a masked fingerprint.
pub(crate) fn exempt(
    guard: Guard,
    who: &Who,
    state: State,
    statement: Option<Fingerprint>,
) -> bool {
    let (Some(today), Some(statement)) = (state.today, statement) else {
        return false;
    };
    if statement.is_masked() {
        return false;
    }
    who.policy.exceptions.iter().any(|exception| {
        exception.guard == guard
            && exception.fingerprint == statement
            && exception.login == who.login.name
            && today < exception.expires
    })
}

impl Policy {
    /// Warnings about exceptions that have expired, or will within 14 days. `file` is the policy's
    /// name as it shall appear.
    pub fn expiring(&self, today: Date, file: &str) -> Vec<Problem> {
        let told = self.exceptions.iter().filter_map(|exception| {
            let days = exception.expires.days_after(today);
            let when = match days {
                ..=0 => format!("expired on {}: the statement is refused", exception.expires),
                1..=NOTICE => format!("expires on {}", exception.expires),
                _ => return None,
            };
            let message = format!(
                "the exception of login \"{}\" from guard \"{}\" {when}",
                exception.login,
                exception.guard.id()
            );
            let help = match days {
                ..=0 => "remove it",
                _ => "see to its reason, or give it another day",
            };
            Some(
                Problem::warning(file, message)
                    .on_line(exception.line)
                    .with_help(help),
            )
        });
        told.collect()
    }
}
