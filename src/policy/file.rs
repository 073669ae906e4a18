//! The policy as a value: what a valid policy file says.

use std::collections::HashMap;
use std::sync::Arc;

use super::Guard;

/// A valid policy. Immutable; a reload swaps the whole.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The file's name without directories, for field `F` of errors.
    pub file: Arc<str>,
    /// `environment`
    pub environment: Box<str>,
    /// `[zone]`
    pub zone: Option<ZonePolicy>,
    /// `[login.*]` by name.
    pub logins: HashMap<Box<str>, Arc<Login>>,
    /// `[guards]`: the mode of each guard, and the line that says so (for an unnamed guard the line of `[guards]`).
    pub guards: [GuardSetting; Guard::ALL.len()],
    /// `[migrations]`
    pub migrations: MigrationPolicy,
    /// `help_url` of the configuration, so that hints can be written.
    pub help_url: Option<Arc<str>>,
    /// Which of the policies that a proxy has loaded this is; none where there is no proxy.
    pub version: Option<Version>,
}

/// Which policy is in force: in metrics, log lines and the DETAIL of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Counts the policies that this process has loaded, from 1.
    pub number: u64,
    /// The first bytes of the file's SHA-256.
    pub digest: [u8; 4],
}

impl std::fmt::Display for Version {
    /// `2-5f0c2a91`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:08x}", self.number, u32::from_be_bytes(self.digest))
    }
}

impl Policy {
    /// The mode of a guard.
    pub fn mode(&self, guard: Guard) -> Mode {
        self.guards[guard as usize].mode
    }
}

/// A guard's mode and where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardSetting {
    /// The mode.
    pub mode: Mode,
    /// Line of the policy file, from 1.
    pub line: u32,
}

/// What a guard does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Refuse.
    Enforce,
    /// Count what would be refused.
    Observe,
    /// Nothing.
    Off,
}

/// `[zone]`: the row-level security context of a transaction.
#[derive(Clone, Debug)]
pub struct ZonePolicy {
    /// `parameter`: the configuration parameter that policies read, as PostgreSQL compares it (lower case).
    pub parameter: Box<str>,
    /// `databases`: here services and people without a zone are refused.
    pub databases: Vec<Box<str>>,
    /// `noun`: the team's own word for a zone. Default "zone".
    pub noun: Box<str>,
}

/// `kind`: carries the class rights of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// DML and reads; never DDL, roles, files or programs.
    Service,
    /// A person.
    Human,
    /// Exists only inside a migration session.
    Migrator,
    /// Logical decoding.
    Replication,
}

/// Which upstream pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteName {
    /// PgBouncer in transaction mode.
    Transaction,
    /// PgBouncer in session mode.
    Session,
}

/// `console`: what a login may do on the admin console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsoleRole {
    /// SHOW.
    Viewer,
    /// and KILL, PAUSE, RESUME, ...
    Operator,
    /// and migration sessions.
    Dba,
}

impl ConsoleRole {
    /// The word in the policy.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Dba => "dba",
        }
    }
}

/// `[login.NAME]`
#[derive(Clone, Debug)]
pub struct Login {
    /// NAME
    pub name: Box<str>,
    /// `kind`
    pub kind: Kind,
    /// `databases`: nothing else can be reached.
    pub databases: Vec<Box<str>>,
    /// `route`. Default: transaction; migrators: session.
    pub route: RouteName,
    /// `zone = "value"`: fixed for every transaction of this login.
    pub zone: Option<Arc<str>>,
    /// `server_role`: the PostgreSQL role behind this login, when it is another one.
    pub server_role: Option<Box<str>>,
    /// `console`
    pub console: Option<ConsoleRole>,
    /// `max_connections`
    pub max_connections: Option<usize>,
    /// Line of `[login.NAME]`, from 1.
    pub line: u32,
}

/// `[migrations]`
#[derive(Clone, Debug)]
pub struct MigrationPolicy {
    /// `max_ttl`: the longest life of a migration session. Default 4 h.
    pub max_ttl: std::time::Duration,
    /// `lock_timeout`: set at session level on connect, PostgreSQL's unit syntax (`3s`). Default 3 s.
    pub lock_timeout: Box<str>,
}
