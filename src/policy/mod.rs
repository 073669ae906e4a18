//! PURE. Facts + who + state -> [`Verdict`]. What a policy file says is in [`file`].

pub mod file;
mod parse;
mod verdict;

use std::sync::Arc;

pub use file::{ConsoleRole, Kind, Login, Mode, Policy, RouteName};
pub use parse::{CONSOLE_DATABASE, MAX_ZONE, is_migration_login};
pub use verdict::*;

use crate::sql::Facts;

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
}

/// Judges the text of one message. An allowed statement in a pipeline is judged again at Bind and
/// Execute with the state of that moment.
pub fn decide(_facts: &Facts, _who: &Who, _state: State) -> Verdict {
    Verdict::Allow
}
