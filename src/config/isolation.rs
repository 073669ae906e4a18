//! `[isolation]`: isolation as a service level.

use std::time::Duration;

/// Most logins of `[isolation]`.
pub const MAX_LOGINS: usize = 16;
/// Most tables of `[isolation]`, listed or found.
pub const MAX_TABLES: usize = 1000;

/// `[isolation]`: how Portcullis proves again and again that zones are kept apart.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// `interval` from the end of a route's proof to its next; 1 s to 1 d. Default 1 min.
    pub interval: Duration,
    /// `timeout` of a route's proof as a whole; 1 s to 10 min. Default 10 s.
    pub timeout: Duration,
    /// `database`
    pub database: Box<str>,
    /// `logins` of the policy by whose server roles and on whose routes it asks, 1 to [`MAX_LOGINS`].
    pub logins: Vec<Box<str>>,
    /// `zones`: two that have a canary row in each table, and nothing else.
    pub zones: [Box<str>; 2],
    /// `column` that holds the zone.
    pub column: Box<str>,
    /// `tables`; none: every table with that column that the role may read.
    pub tables: Option<Vec<Box<str>>>,
    /// `readiness`: a route whose proof failed makes /health/ready say 503. Default false.
    pub readiness: bool,
}
