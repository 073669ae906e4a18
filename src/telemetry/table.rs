//! The one table of metrics: name, kind, labels, help. Storage, the text on `/metrics` and the help
//! pages are all made from it. Names follow Prometheus' conventions: base units, `_total` for counters.

use super::labels::{self, Label};

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; starts at 0 with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Fixed buckets.
    Histogram,
}

impl Kind {
    /// The word on the `# TYPE` line.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A metric that several time series share.
#[derive(Debug)]
pub struct Family {
    /// `portcullis_...`
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its labels, the outermost first.
    pub labels: &'static [&'static Label],
    /// One sentence.
    pub help: &'static str,
}

impl Family {
    /// How many time series it has: the product of its labels' values.
    pub const fn series(&self) -> usize {
        let mut count = 1;
        let mut i = 0;
        while i < self.labels.len() {
            count *= self.labels[i].values.len();
            i += 1;
        }
        count
    }

    /// The labels of the series with this index, as (name, value).
    pub fn labels_of(&self, series: usize) -> Vec<(&'static str, &'static str)> {
        let mut rest = series;
        let mut pairs: Vec<_> = (self.labels.iter().rev())
            .map(|label| {
                let value = label.values[rest % label.values.len()];
                rest /= label.values.len();
                (label.name, value)
            })
            .collect();
        pairs.reverse();
        pairs
    }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static Label],
    help: &'static str,
) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    gauge_by(name, &[], help)
}

const fn gauge_by(
    name: &'static str,
    labels: &'static [&'static Label],
    help: &'static str,
) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

/// Declares the counters that threads of the proxy write: an index ([`Tallied`]) and its row.
macro_rules! tallied {
    ($($id:ident: $name:literal, [$($label:ident),*], $help:literal;)+) => {
        /// A row of [`TALLIED`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Tallied { $(#[doc = $help] $id,)+ }

        /// The counters that are kept per thread and summed when they are read.
        pub static TALLIED: &[Family] = &[$(counter($name, &[$(&labels::$label),*], $help),)+];
    };
}

tallied! {
    ClientsOpened: "portcullis_client_connections_opened_total", [],
        "Client connections accepted.";
    ClientsClosed: "portcullis_client_connections_closed_total", [],
        "Client connections ended.";
    ClientsRejected: "portcullis_client_connections_rejected_total", [REJECTED],
        "Clients turned away for being too many: logged in (max_client_conn, SQLSTATE 53300), or arriving (they have not logged in).";
    ClientsLetGo: "portcullis_client_connections_let_go_total", [],
        "Client connections ended because a reload changed what they were admitted with.";
    RoutesEntered: "portcullis_route_client_connections_opened_total", [ROUTE],
        "Clients that were let in, by the route that leads to their server.";
    RoutesLeft: "portcullis_route_client_connections_closed_total", [ROUTE],
        "Clients that were let in and are gone, by the route that led to their server.";
    Reloads: "portcullis_reloads_total", [FILES, RELOAD],
        "Files read again while running, by what came of it; after a failure nothing has changed.";
    Handshakes: "portcullis_handshakes_total", [KIND, HANDSHAKE],
        "Client handshakes by how they began and how they ended.";
    Logins: "portcullis_logins_total", [LOGIN],
        "Client logins by how they ended.";
    ServersOpened: "portcullis_server_connections_opened_total", [],
        "Connections to PgBouncer that were logged in.";
    ServersClosed: "portcullis_server_connections_closed_total", [],
        "Connections to PgBouncer ended by the proxy.";
    ServersLost: "portcullis_server_connections_lost_total", [],
        "Connections to PgBouncer that the other side ended.";
    ServersFailed: "portcullis_server_connections_failed_total", [],
        "Connections to PgBouncer that could not be made: dial, TLS or login failed.";
    Statements: "portcullis_statements_total", [CLASS, VERDICT],
        "Statements judged, by the most restricted class of the message and by verdict.";
    Refusals: "portcullis_refusals_total", [GUARD],
        "Refusals by the guard that decided.";
    Observed: "portcullis_observed_refusals_total", [GUARD],
        "Statements that a guard in observe mode would have refused.";
    Foreseen: "portcullis_observed_changes_total", [CHANGE],
        "Zones and parameters that an enforcing policy would have set ahead of a transaction, and messages that it would have sent in another form; while the whole policy observes.";
    Injections: "portcullis_zone_injections_total", [],
        "Zone contexts set ahead of a transaction.";
    InjectionsFailed: "portcullis_zone_injection_failures_total", [],
        "Zone contexts that could not be set: the transaction did not run.";
    ServerErrors: "portcullis_server_errors_total", [SQLSTATE_CLASS],
        "Errors sent by the server, by SQLSTATE class.";
    Cancels: "portcullis_cancel_requests_total", [CANCEL],
        "Cancel requests by what became of them.";
    IsolationFailures: "portcullis_isolation_failures_total", [POOL_ROUTE, ISOLATION],
        "What kept proofs that zones are kept apart from succeeding, by the route that was asked on and by reason.";
    ForwardedBytes: "portcullis_forwarded_bytes_total", [DIRECTION],
        "Protocol bytes forwarded, without TLS.";
    CacheHits: "portcullis_facts_cache_hits_total", [],
        "Statement texts whose description was found in the cache.";
    CacheMisses: "portcullis_facts_cache_misses_total", [],
        "Statement texts that had to be parsed.";
}

/// Where each row's counters begin among those of a thread, and their number in all.
const OFFSETS: [usize; TALLIED.len() + 1] = {
    let mut offsets = [0; TALLIED.len() + 1];
    let mut row = 0;
    while row < TALLIED.len() {
        offsets[row + 1] = offsets[row] + TALLIED[row].series();
        row += 1;
    }
    offsets
};

impl Tallied {
    /// How many counters one thread keeps in all.
    pub const TOTAL: usize = OFFSETS[TALLIED.len()];

    /// Where this row's counters begin among those of a thread.
    pub const fn offset(self) -> usize {
        OFFSETS[self as usize]
    }
}

/// The build's version as a label; the value is always 1.
pub static BUILD_INFO: Family = gauge("portcullis_build_info", "The running version; always 1.");
/// Client connections open now.
pub static CLIENTS: Family = gauge(
    "portcullis_client_connections",
    "Client connections open now.",
);
/// Clients that are in, by route.
pub static ROUTE_CLIENTS: Family = gauge_by(
    "portcullis_route_client_connections",
    &[&labels::ROUTE],
    "Clients that are in now, by the route that leads to their server.",
);
/// Client connections of one worker.
pub static BUSIEST: Family = gauge(
    "portcullis_worker_client_connections_max",
    "Client connections open now of the worker that has most of them.",
);
/// Threads on the data path.
pub static WORKERS: Family = gauge("portcullis_workers", "Threads on the data path.");
/// How often the configuration was loaded.
pub static CONFIG_VERSION: Family = gauge(
    "portcullis_config_version",
    "Number of the configuration in force; each reload adds 1.",
);
/// How often the policy was loaded.
pub static POLICY_VERSION: Family = gauge(
    "portcullis_policy_version",
    "Number of the policy in force; each one that is loaded adds 1.",
);
/// The policy's version as a label; the value is always 1.
pub static POLICY_INFO: Family = gauge(
    "portcullis_policy_info",
    "The policy in force: its number and the first digits of its file's SHA-256; always 1.",
);
/// Migration sessions open now.
pub static MIGRATIONS_OPEN: Family = gauge(
    "portcullis_migration_sessions",
    "Migration sessions open now.",
);
/// Migration sessions opened.
pub static MIGRATIONS_OPENED: Family = counter(
    "portcullis_migration_sessions_opened_total",
    &[],
    "Migration sessions opened.",
);
/// Migration sessions ended.
pub static MIGRATIONS_CLOSED: Family = counter(
    "portcullis_migration_sessions_closed_total",
    &[],
    "Migration sessions ended: closed, expired or ended by an error.",
);
/// When zones were proved to be kept apart.
pub static ISOLATION_PROVED: Family = gauge_by(
    "portcullis_isolation_last_proof_timestamp_seconds",
    &[&labels::POOL_ROUTE],
    "When the last proof that zones are kept apart succeeded, in seconds since 1970, by the route that was asked on; 0 before the first. Only routes of logins that ask.",
);
/// How much that proof is about.
pub static ISOLATION_TABLES: Family = gauge_by(
    "portcullis_isolation_tables",
    &[&labels::POOL_ROUTE],
    "Tables in the last proof that zones are kept apart, by route, counted for each login that asks. Only routes of logins that ask.",
);
/// Lines of the log that were dropped.
pub static LOG_DROPPED: Family = counter(
    "portcullis_log_dropped_total",
    &[],
    "Log lines dropped because stderr did not take them in time.",
);
/// The longest time one poll held a worker, since the last scrape.
pub static STALL_RECENT: Family = gauge(
    "portcullis_worker_stall_seconds",
    "Longest time that one step of one connection held a worker since the last scrape.",
);
/// The longest time one poll held a worker, since the start.
pub static STALL_EVER: Family = gauge(
    "portcullis_worker_stall_max_seconds",
    "Longest time that one step of one connection held a worker since the start.",
);
/// What the proxy adds to the server's time.
pub static ADDED_LATENCY: Family = Family {
    name: "portcullis_added_latency_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: "Time from reading messages of a client to writing them to the server, judging and the wait for it included; one sample a write.",
};

/// The families that are not kept per thread, and those that are made from several counters.
pub static OTHERS: [&Family; 17] = [
    &BUILD_INFO,
    &CLIENTS,
    &ROUTE_CLIENTS,
    &BUSIEST,
    &WORKERS,
    &CONFIG_VERSION,
    &POLICY_VERSION,
    &POLICY_INFO,
    &MIGRATIONS_OPEN,
    &MIGRATIONS_OPENED,
    &MIGRATIONS_CLOSED,
    &ISOLATION_PROVED,
    &ISOLATION_TABLES,
    &LOG_DROPPED,
    &STALL_RECENT,
    &STALL_EVER,
    &ADDED_LATENCY,
];

/// Every metric there is.
pub fn families() -> impl Iterator<Item = &'static Family> {
    TALLIED.iter().chain(OTHERS)
}
