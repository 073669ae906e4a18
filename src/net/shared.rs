//! What all workers share. Everything a client's login depends on is one immutable [`Snapshot`]
//! that a reload swaps as a whole.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use dashmap::DashMap;

use super::accepted::Accepted;
use super::cancel::Cancels;
use super::describe::DescribePool;
use super::failures::Failures;
use super::mismatches::Mismatches;
use super::peers::Peers;
use super::schema::Schemas;
use super::server_role::Looks;
use crate::auth::keys::ServerKeys;
use crate::auth::scram::{MockIterations, Verifier};
use crate::clock::now;
use crate::config::{Config, Endpoint, Route};
use crate::migration::Sessions;
use crate::policy::{Login, Policy, Protection, RouteName, ZonePolicy, ZoneSource};
use crate::telemetry::{Health, Telemetry};
use crate::tls::ClientSide;
use crate::zone::keys::ZoneKeys;
use crate::zone::signed::Audience;
use crate::zone::spelling::Spelling;
use crate::zone::{Entry, Prefix};

/// What was read from files. A reload makes a copy with new parts.
#[derive(Clone)]
pub struct Files {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Its text.
    pub policy_text: Arc<str>,
    /// `auth_file`.
    pub users: Arc<HashMap<Box<str>, Verifier>>,
    /// `key_file`.
    pub keys: Arc<ServerKeys>,
    /// `zone_key_file`.
    pub zone_keys: Arc<ZoneKeys>,
    /// TLS towards applications.
    pub client_tls: Option<ClientSide>,
    /// TLS towards PgBouncer.
    pub server_tls: Option<Arc<rustls::ClientConfig>>,
    /// TLS towards the proxies of `[peers]`.
    pub peer_tls: Option<Arc<rustls::ClientConfig>>,
}

/// By database.
type Prefixes = Vec<(Box<str>, Arc<Prefix>)>;

/// Who may log in, and what they may do.
pub struct Snapshot {
    /// What was read.
    pub files: Files,
    /// The zone prefixes of each login whose zone does not depend on the client.
    prefixes: HashMap<Box<str>, Prefixes>,
    /// Iterations that users who do not exist pretend to have: those of the users who do.
    pub mock_iterations: MockIterations,
}

impl Snapshot {
    /// Puts the parts together.
    pub fn new(files: Files) -> Self {
        let policy = &files.policy;
        let prefixes = |login: &Arc<Login>| {
            let (zone, source) = (policy.zone.as_ref()?, login.zone.as_ref()?);
            Some((login.name.clone(), prefixes(zone, login, source)))
        };
        let prefixes = policy.logins.values().filter_map(prefixes).collect();
        // Who is in no policy is a stranger too.
        let known = policy
            .logins
            .keys()
            .filter_map(|name| files.users.get(name));
        Self {
            mock_iterations: MockIterations::new(known.map(|verifier| verifier.iterations)),
            prefixes,
            files,
        }
    }

    /// What sets the zone of a login in a database, if it has one that does not depend on what the client
    /// sends. One that comes from a certificate is of this connection alone.
    pub fn prefix(&self, login: &Login, database: &str) -> Option<Arc<Prefix>> {
        let source = login.zone.as_ref()?;
        if source.certificate().is_some() {
            let zone = self.files.policy.zone.as_ref()?;
            return prefix(zone, login, database, source.on(database)?);
        }
        let prefixes = self.prefixes.get(&login.name)?;
        let found = prefixes.iter().find(|(name, _)| **name == *database);
        found.map(|(_, prefix)| Arc::clone(prefix))
    }
}

/// Sets this zone; none for a name that PostgreSQL cannot have, which has no audience, and no connection.
fn prefix(zone: &ZonePolicy, login: &Login, database: &str, value: &str) -> Option<Arc<Prefix>> {
    let entry = match zone.protection {
        Protection::Plain => None,
        Protection::Signed => {
            let role = login.server_role.as_ref().unwrap_or(&login.name);
            Some(Entry {
                zone: value.into(),
                audience: Arc::new(Audience::new(role, database).ok()?),
                parameter: None,
            })
        }
    };
    let values = [(&*zone.parameter, value)];
    Some(Arc::new(Prefix::new(&values, entry)))
}

/// One for all databases with the same zone, unless tokens are for one of them alone.
fn prefixes(zone: &ZonePolicy, login: &Login, source: &ZoneSource) -> Prefixes {
    let mut plain: Vec<(&str, Arc<Prefix>)> = Vec::new();
    let mut of = |database| {
        let value = source.on(database)?;
        let known = plain.iter().find(|(it, _)| *it == value);
        let prefix = match known {
            Some((_, prefix)) => Arc::clone(prefix),
            None => prefix(zone, login, database, value)?,
        };
        if zone.protection == Protection::Plain {
            plain.push((value, Arc::clone(&prefix)));
        }
        Some((database.into(), prefix))
    };
    let databases = login.databases.iter().map(|database| &**database);
    databases.filter_map(&mut of).collect()
}

/// Bytes that all connections together may hold of statements that have not arrived whole or wait
/// for answers, beyond one read each.
pub const MAX_HELD: usize = 256 * 1024 * 1024;

/// Process-wide state.
pub struct Shared {
    /// The configuration.
    pub config: Config,
    snapshot: RwLock<Arc<Snapshot>>,
    /// Counts the snapshots, from 1.
    generation: AtomicU64,
    /// Phase and checks.
    pub health: Arc<Health>,
    /// Counters.
    pub telemetry: Arc<Telemetry>,
    /// Migration sessions, where there is a registry.
    pub sessions: Option<Arc<Sessions>>,
    /// What they do.
    pub schemas: Schemas,
    /// How statements of Portcullis's own are spelled.
    pub spelling: Arc<Spelling>,
    /// Who may cancel what.
    pub cancels: Cancels,
    /// Describes long texts.
    pub describe: DescribePool,
    /// Roles that could not log in at a server.
    pub mismatches: Mismatches,
    /// What the log was told of logins that failed.
    pub failures: Mutex<Failures>,
    /// What servers made of what clients began with.
    pub accepted: Accepted,
    /// Salts of users who do not exist are derived from it.
    pub mock_secret: [u8; 32],
    /// Numbers connections, for logs and errors.
    pub next_connection: AtomicU32,
    /// Bytes held, of [`MAX_HELD`].
    pub held: AtomicUsize,
    /// Bytes kept of prepared statements, of `max_prepared_bytes`: see `net/charge.rs`.
    pub kept: AtomicUsize,
    /// Sockets being served, logged in or not.
    pub clients: AtomicUsize,
    /// Clients that are logged in, or about to be: those of `max_client_conn`.
    pub logged_in: AtomicUsize,
    /// Connections of each login.
    pub login_counts: DashMap<Box<str>, usize>,
    /// What servers said of the roles behind logins.
    pub server_roles: Looks,
    /// Milliseconds since `started` of the last login at a server, by route.
    reached: [AtomicU64; 3],
    started: Instant,
}

/// The parts of [`Shared`] that differ from start to start.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// Who may do what.
    pub snapshot: Snapshot,
    /// Counters.
    pub telemetry: Arc<Telemetry>,
    /// Migration sessions.
    pub sessions: Option<Arc<Sessions>>,
    /// Salts of users who do not exist are derived from it.
    pub mock_secret: [u8; 32],
    /// The other proxies.
    pub peers: Option<Peers>,
}

impl Shared {
    /// Puts the parts together; the phase is Starting.
    pub fn new(parts: Parts) -> std::io::Result<Self> {
        let cancels = Cancels::new(parts.config.limits.max_cancels, parts.peers);
        let policy = &parts.snapshot.files.policy;
        parts.telemetry.report.policy_is(policy, now());
        Ok(Self {
            cancels,
            config: parts.config,
            snapshot: RwLock::new(Arc::new(parts.snapshot)),
            generation: AtomicU64::new(1),
            health: Arc::default(),
            mismatches: Mismatches::default(),
            failures: Mutex::default(),
            accepted: Accepted::default(),
            telemetry: parts.telemetry,
            sessions: parts.sessions,
            schemas: Schemas::default(),
            spelling: Arc::default(),
            describe: DescribePool::start()?,
            mock_secret: parts.mock_secret,
            next_connection: AtomicU32::new(1),
            held: AtomicUsize::new(0),
            kept: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            logged_in: AtomicUsize::new(0),
            login_counts: DashMap::new(),
            server_roles: Looks::default(),
            reached: [const { AtomicU64::new(0) }; 3],
            started: Instant::now(),
        })
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let snapshot = self.snapshot.read();
        Arc::clone(&snapshot.unwrap_or_else(PoisonError::into_inner))
    }

    /// Swaps the snapshot: whatever is asked from now on, on whichever connection, is judged by it.
    pub fn swap(&self, snapshot: Snapshot) {
        let mut current = self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.telemetry
            .report
            .policy_is(&snapshot.files.policy, now());
        *current = Arc::new(snapshot);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The number of the snapshot in force. A snapshot taken after it is that one or a later one.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The endpoints of a route; `None` when the configuration has no such route.
    pub fn route(&self, route: RouteName) -> Option<&Route> {
        match route {
            RouteName::Transaction => Some(&self.config.transaction),
            RouteName::Session => self.config.session.as_ref(),
            RouteName::Replication => self.config.replication.as_ref(),
        }
    }

    /// A login at a server of this route succeeded.
    pub fn note_reached(&self, route: RouteName) {
        let elapsed = self.started.elapsed().as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX).max(1);
        self.reached[route as usize].store(elapsed, Ordering::Relaxed);
    }

    /// How long ago that was.
    pub fn since_reached(&self, route: RouteName) -> Option<std::time::Duration> {
        let at = self.reached[route as usize].load(Ordering::Relaxed);
        let at = (at > 0).then(|| std::time::Duration::from_millis(at))?;
        Some(self.started.elapsed().saturating_sub(at))
    }
}

/// Where a server connection leads.
#[derive(Clone, Debug)]
pub struct Target {
    /// The PgBouncer.
    pub endpoint: Endpoint,
    /// BackendKeyData: "process id".
    pub process: u32,
    /// BackendKeyData: secret.
    pub secret: Vec<u8>,
}
