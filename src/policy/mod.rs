//! PURE. Facts + who + state -> [`Verdict`]. What a policy file says is in [`mod@file`], and how it is
//! read in `parse`; `together` finds what does not fit the configuration.
//!
//! [`decide()`] asks `watch` whether a statement can interest anybody, then the [`guards`] in their
//! order; [`mod@rule`] holds the policy's own refusals, of which `sieve` picks those that a statement can
//! break, and [`exception`] lets one known statement past a guard.

mod date;
mod decide;
pub mod exception;
pub mod file;
pub mod guards;
mod network;
mod objection;
pub mod options;
mod parse;
pub mod pattern;
mod phase;
pub mod quantity;
mod rights;
pub mod rule;
pub mod schema;
mod sieve;
mod together;
mod verdict;
mod watch;
pub mod zone;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use date::Date;
pub use decide::{decide, decide_command};
pub use file::{
    ConsoleRole, Kind, Login, Mode, Policy, Protection, RouteName, Version, ZonePolicy,
};
pub use network::Network;
pub use objection::Objection;
pub use parse::{CONSOLE_DATABASE, always_enforced, has_settings};
pub use phase::Phase;
pub use together::{check_together, check_zone_keys};
pub use verdict::*;
pub use zone::{Certificate, Field, Grant, MAX_ZONE, NoZone, ZoneSource, with_zone};

/// Who asks: fixed for a client connection between policy reloads.
#[derive(Clone, Debug)]
pub struct Who {
    /// The policy that judges.
    pub policy: Arc<Policy>,
    /// The login.
    pub login: Arc<Login>,
    /// The database asked for at startup.
    pub database: Arc<str>,
}

/// What changes between two statements of the same connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// The connection belongs to a migration session that is open right now.
    pub migration_open: bool,
    /// The phase for which that session was opened, if it was for one.
    pub phase: Option<Phase>,
    /// The day, for exceptions that expire; not known: no exception holds.
    pub today: Option<Date>,
    /// Of a login that sets its zone itself: has it?
    pub chosen: Chosen,
    /// Nothing has read or written in the transaction before the statement, which runs now.
    pub first: bool,
}

/// What is known about the zone of a client that sets it itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chosen {
    /// It has set none.
    #[default]
    No,
    /// It has set one.
    Yes,
    /// Its startup packet has said one, which RESET returns to, and it has that or another.
    FromStartup,
    /// Nothing runs yet: it is asked again when something does.
    Later,
}
