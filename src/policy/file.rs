//! The policy as a value: what a valid policy file says.

use core::net::IpAddr;
use std::collections::HashMap;
use std::sync::Arc;

use super::exception::Exception;
use super::guards::server_role::Power;
use super::network::Network;
use super::options::Options;
use super::pattern::{NamePattern, Pattern};
use super::quantity::Ceiling;
use super::rule::Rule;
use super::watch::Watch;
use super::zone::ZoneSource;
use super::{Date, Guard, Who};
use crate::sql::Depth;

/// A valid policy. Immutable; a reload swaps the whole.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The file's name without directories, for field `F` of errors.
    pub file: Arc<str>,
    /// `environment`
    pub environment: Box<str>,
    /// `mode = "observe"`: nothing is refused, injected or rewritten; what would be is counted.
    pub observes: bool,
    /// `[zone]`
    pub zone: Option<ZonePolicy>,
    /// `[login.*]` by name.
    pub logins: HashMap<Box<str>, Arc<Login>>,
    /// `[guards]`: the mode of each guard, and the line that says so (for an unnamed guard the line of `[guards]`).
    pub guards: [GuardSetting; Guard::ALL.len()],
    /// `[guards.*]`: what guards are told beside their mode.
    pub options: Options,
    /// `[[rule]]`, in the order of the file.
    pub rules: Vec<Arc<Rule>>,
    /// `[[exception]]`
    pub exceptions: Vec<Exception>,
    /// `[migrations]`
    pub migrations: MigrationPolicy,
    /// `help_url` of the configuration, so that hints can be written.
    pub help_url: Option<Arc<str>>,
    /// How closely statements must be looked at; worked out when the file is read.
    pub(super) depth: Depth,
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
    /// The mode of a guard; none enforces while the whole file observes.
    pub fn mode(&self, guard: Guard) -> Mode {
        match self.guards[guard as usize].mode {
            Mode::Enforce if self.observes => Mode::Observe,
            mode => mode,
        }
    }

    /// How closely statements must be looked at: [`Depth::Names`] if a guard or rule that is not off
    /// goes by the relations or functions that a statement names.
    pub fn depth(&self) -> Depth {
        self.depth
    }
}

impl Who {
    /// Is the whole policy in observe mode? Then the client's bytes go on unchanged: nothing is
    /// refused, injected or rewritten on its behalf.
    pub fn observes(&self) -> bool {
        self.policy.observes
    }

    /// Do its transactions only read, whatever functions do in them? Those of people, where `human-write` is enforced, and
    /// nothing that writes is let through for them in another way: no DDL, no statement of theirs that is excepted. `today`:
    /// where it is not known no exception holds.
    pub fn only_reads(&self, today: Option<Date>) -> bool {
        const MAY_WRITE: [Guard; 5] = [
            Guard::HumanWrite,
            Guard::DdlOutsideMigration,
            Guard::Procedural,
            Guard::Maintenance,
            Guard::Functions,
        ];
        let excepted = |it: &Exception| {
            it.login == self.login.name
                && MAY_WRITE.contains(&it.guard)
                && today.is_some_and(|today| today < it.expires)
        };
        let enforced = |guard| self.policy.mode(guard) == Mode::Enforce;
        self.login.kind == Kind::Human
            && enforced(Guard::HumanWrite)
            && enforced(Guard::DdlOutsideMigration)
            && !self.policy.exceptions.iter().any(excepted)
    }
}

/// A guard's mode and where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardSetting {
    /// The mode.
    pub mode: Mode,
    /// Line of the policy file, from 1.
    pub line: u32,
    /// It has a table, `[guards.ID]`, and then its mode stands there.
    pub table: bool,
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
    /// `protection`: what keeps others from setting it. Default plain.
    pub protection: Protection,
}

/// `protection`: what a row-level policy can rely on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// `plain`: the parameter itself. The guards keep clients from setting it; code inside the database could.
    #[default]
    Plain,
    /// `signed`: a token with the proxy's MAC, which `portcullis.enter()` of deploy/sql verifies.
    Signed,
}

/// `kind`: carries the class rights of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// DML, reads and temporary tables; never other DDL, roles, files or programs.
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
    /// PostgreSQL itself.
    Replication,
}

/// `console`: what a login may do on the admin console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsoleRole {
    /// SHOW.
    Viewer,
    /// and RELOAD.
    Operator,
    /// and migration sessions, and SHUTDOWN.
    Dba,
}

impl Kind {
    /// The word in the policy.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Human => "human",
            Self::Migrator => "migrator",
            Self::Replication => "replication",
        }
    }
}

impl RouteName {
    /// The word in the policy.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Session => "session",
            Self::Replication => "replication",
        }
    }
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
    /// `route`. Default: transaction; migrators: session; kind replication: replication.
    pub route: RouteName,
    /// `zone`: where the zone of its transactions comes from.
    pub zone: Option<ZoneSource>,
    /// `server_role`: the PostgreSQL role behind this login, when it is another one.
    pub server_role: Option<Box<str>>,
    /// `allow_server_role`: what the role behind may be, although guard `server-role` refuses it.
    pub allow_server_role: Vec<Power>,
    /// `console`
    pub console: Option<ConsoleRole>,
    /// `max_connections`
    pub max_connections: Option<usize>,
    /// `max_rows`: how many rows it may read at a time; none: as many as it likes.
    pub max_rows: Option<u64>,
    /// `networks`: where it may come from; empty: from anywhere.
    pub networks: Vec<Network>,
    /// `roles`: what `SET LOCAL ROLE` may name.
    pub roles: Vec<Box<str>>,
    /// `ceilings`: in place of those of `[guards.parameters]`.
    pub ceilings: Option<Vec<Ceiling>>,
    /// `fast_path = ["large-objects"]`: FunctionCall messages may call the functions of large objects.
    pub fast_path: bool,
    /// Relations that it may not touch: its own `denied_relations`, and those of `[guards.denied-relations]` that concern it.
    pub denied_relations: Vec<NamePattern>,
    /// What a login of kind replication may reach.
    pub replicates: Replicates,
    /// What its statements are looked at for; worked out when the file is read.
    pub(super) watch: Watch,
    /// Line of `[login.NAME]`, from 1.
    pub line: u32,
}

impl Login {
    /// May it come from this address?
    pub fn admits(&self, address: IpAddr) -> bool {
        self.networks.is_empty()
            || self
                .networks
                .iter()
                .any(|network| network.contains(address))
    }

    /// May a peer whose address may be unknown (it has gone) come in? Where it matters, not.
    pub fn admits_peer(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.admits(address),
            None => self.networks.is_empty(),
        }
    }
}

/// What a login of kind replication may reach; of no use to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicates {
    /// `relations`: what its SQL may read beside PostgreSQL's own catalogs.
    pub relations: Vec<NamePattern>,
    /// `slots`: the replication slots that it may make, use and remove; none: all.
    pub slots: Option<Vec<Pattern>>,
    /// `plugins`: the output plugins of the slots that it makes. Default pgoutput.
    pub plugins: Vec<Box<str>>,
    /// `publications`: what it may stream; none: all.
    pub publications: Option<Vec<Pattern>>,
}

/// `[migrations]`
#[derive(Clone, Debug)]
pub struct MigrationPolicy {
    /// `max_ttl`: the longest life of a migration session. Default 4 h.
    pub max_ttl: std::time::Duration,
    /// `lock_timeout`: set at session level on connect, PostgreSQL's unit syntax (`3s`). Default 3 s.
    pub lock_timeout: Box<str>,
}
