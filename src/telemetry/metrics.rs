//! Counters that cost the data path a load and a store, and their text for `/metrics`.
//!
//! Each thread that counts has its own [`Counters`]; nobody else writes them, so there is no
//! contention and no locked instruction. A scrape sums them, on the thread that serves HTTP.

use std::cell::Cell;
use std::fmt::Write as _;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::isolation::{self, Proofs};
use super::labels::{
    CancelOutcome, Direction, Files, HandshakeKind, HandshakeOutcome, IsolationFailure, Judged,
    LoginOutcome, Rejected, Reload, primary_class, sqlstate_class,
};
use super::latency::{self, Histogram};
use super::report::Report;
use super::table::{self, Family, Kind, TALLIED, Tallied};
use crate::conversation::Change;
use crate::policy::{Guard, RouteName, Version};
use crate::sql::ClassSet;

/// What one thread has counted. The alignment keeps two threads off one cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Cells {
    tallies: [AtomicU64; Tallied::TOTAL],
    added_latency: Histogram,
    /// Nanoseconds; the reader sets it back to 0.
    stall_recent: AtomicU64,
    /// Nanoseconds.
    stall_ever: AtomicU64,
}

/// The counters of one thread. It may move to its thread but not be shared between threads
/// (it is `Send`, not `Sync`), because two writers would lose counts.
#[derive(Debug)]
pub struct Counters {
    cells: Arc<Cells>,
    one_thread: PhantomData<Cell<()>>,
}

impl Counters {
    fn add(&self, row: Tallied, series: usize, n: u64) {
        let cell = &self.cells.tallies[row.offset() + series];
        cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// A client was accepted.
    pub fn client_opened(&self) {
        self.add(Tallied::ClientsOpened, 0, 1);
    }

    /// A client that was [opened](Self::client_opened) is gone.
    pub fn client_closed(&self) {
        self.add(Tallied::ClientsClosed, 0, 1);
    }

    /// A client was let in that this route leads to its server.
    pub fn route_entered(&self, route: RouteName) {
        self.add(Tallied::RoutesEntered, route as usize, 1);
    }

    /// A client that was [let in](Self::route_entered) is gone.
    pub fn route_left(&self, route: RouteName) {
        self.add(Tallied::RoutesLeft, route as usize, 1);
    }

    /// A client was turned away for being one too many.
    pub fn client_rejected(&self, why: Rejected) {
        self.add(Tallied::ClientsRejected, why as usize, 1);
    }

    /// A client's connection must end after a reload.
    pub fn let_go(&self) {
        self.add(Tallied::ClientsLetGo, 0, 1);
    }

    /// Files were read again.
    pub fn reload(&self, files: Files, outcome: Reload) {
        let series = files as usize * Reload::WORDS.len() + outcome as usize;
        self.add(Tallied::Reloads, series, 1);
    }

    /// A handshake ended.
    pub fn handshake(&self, kind: HandshakeKind, outcome: HandshakeOutcome) {
        let series = kind as usize * HandshakeOutcome::WORDS.len() + outcome as usize;
        self.add(Tallied::Handshakes, series, 1);
    }

    /// A login ended.
    pub fn login(&self, outcome: LoginOutcome) {
        self.add(Tallied::Logins, outcome as usize, 1);
    }

    /// A connection to PgBouncer is logged in.
    pub fn server_opened(&self) {
        self.add(Tallied::ServersOpened, 0, 1);
    }

    /// The proxy ended a connection to PgBouncer.
    pub fn server_closed(&self) {
        self.add(Tallied::ServersClosed, 0, 1);
    }

    /// PgBouncer ended a connection.
    pub fn server_lost(&self) {
        self.add(Tallied::ServersLost, 0, 1);
    }

    /// A connection to PgBouncer could not be made.
    pub fn server_failed(&self) {
        self.add(Tallied::ServersFailed, 0, 1);
    }

    /// A message was judged; counted under its most restricted class. An empty query is not counted.
    pub fn statement(&self, classes: ClassSet, verdict: Judged) {
        if let Some(class) = primary_class(classes) {
            self.add(
                Tallied::Statements,
                class as usize * Judged::WORDS.len() + verdict as usize,
                1,
            );
        }
    }

    /// A guard refused.
    pub fn refusal(&self, guard: Guard) {
        self.add(Tallied::Refusals, guard as usize, 1);
    }

    /// A guard in observe mode would have refused.
    pub fn observed(&self, guard: Guard) {
        self.add(Tallied::Observed, guard as usize, 1);
    }

    /// A policy that observes as a whole would have done this if it enforced.
    pub fn foreseen(&self, change: Change) {
        self.add(Tallied::Foreseen, change as usize, 1);
    }

    /// A zone context was sent ahead.
    pub fn injection(&self) {
        self.add(Tallied::Injections, 0, 1);
    }

    /// The server did not accept a zone context.
    pub fn injection_failed(&self) {
        self.add(Tallied::InjectionsFailed, 0, 1);
    }

    /// The server sent an error with this SQLSTATE.
    pub fn server_error(&self, sqlstate: &[u8; 5]) {
        self.add(Tallied::ServerErrors, sqlstate_class(sqlstate), 1);
    }

    /// A cancel request is done with.
    pub fn cancel(&self, outcome: CancelOutcome) {
        self.add(Tallied::Cancels, outcome as usize, 1);
    }

    /// A proof on this route that zones are kept apart failed.
    pub fn isolation_failed(&self, route: RouteName, why: IsolationFailure) {
        let series = isolation::place(route) * IsolationFailure::WORDS.len() + why as usize;
        self.add(Tallied::IsolationFailures, series, 1);
    }

    /// So many bytes were forwarded.
    pub fn forwarded(&self, direction: Direction, bytes: usize) {
        self.add(Tallied::ForwardedBytes, direction as usize, bytes as u64);
    }

    /// The facts cache of this thread has had so many hits and misses since the start.
    pub fn facts_cache(&self, hits: u64, misses: u64) {
        self.cells.tallies[Tallied::CacheHits.offset()].store(hits, Relaxed);
        self.cells.tallies[Tallied::CacheMisses.offset()].store(misses, Relaxed);
    }

    /// Messages were written to the server this long after they had been read from the client.
    pub fn added_latency(&self, duration: Duration) {
        self.cells.added_latency.record(duration);
    }

    /// One step of one connection held the thread for this long.
    pub fn poll(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // The reader may set `stall_recent` to 0 in between; at worst one stall is reported twice.
        for longest in [&self.cells.stall_recent, &self.cells.stall_ever] {
            if nanoseconds > longest.load(Relaxed) {
                longest.store(nanoseconds, Relaxed);
            }
        }
    }
}

/// A value that any thread may set or add to; for what happens rarely.
#[derive(Debug, Default)]
pub struct Shared(AtomicU64);

impl Shared {
    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Adds 1.
    pub fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Reads it.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// All counters of the process.
#[derive(Debug)]
pub struct Telemetry {
    /// Number of the configuration in force.
    pub config_version: Shared,
    policy_version: Mutex<Option<Version>>,
    /// Threads on the data path.
    pub workers: Shared,
    /// Migration sessions open now.
    pub migrations_open: Shared,
    /// Migration sessions opened.
    pub migrations_opened: Shared,
    /// Migration sessions ended.
    pub migrations_closed: Shared,
    /// What proofs that zones are kept apart came to.
    pub isolation: Proofs,
    /// Log lines dropped; the [log](super::log) shares it.
    pub log_dropped: Arc<Shared>,
    /// What was refused, or would have been.
    pub report: Arc<Report>,
    threads: Mutex<Vec<Arc<Cells>>>,
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Telemetry {
    /// Everything at 0. `log_dropped` comes from [`super::log::init`], which runs first.
    pub fn new(log_dropped: Arc<Shared>) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for family in table::families() {
            let (name, help) = (KeyName::from_const_str(family.name), family.help.into());
            match family.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                // Rendered by `latency`: the exporter takes single samples, not sums of buckets.
                Kind::Histogram => {}
            }
        }
        Self {
            config_version: Shared::default(),
            policy_version: Mutex::default(),
            workers: Shared::default(),
            migrations_open: Shared::default(),
            migrations_opened: Shared::default(),
            migrations_closed: Shared::default(),
            isolation: Proofs::default(),
            log_dropped,
            report: Arc::new(Report::new(crate::clock::now())),
            threads: Mutex::default(),
            handle: recorder.handle(),
            recorder,
        }
    }

    /// Counters for one more thread; to be asked for once per thread, at its start. What it counted
    /// stays in the sums when the thread has ended.
    pub fn counters(&self) -> Counters {
        let cells = Arc::new(Cells {
            tallies: [const { AtomicU64::new(0) }; Tallied::TOTAL],
            added_latency: Histogram::default(),
            stall_recent: AtomicU64::new(0),
            stall_ever: AtomicU64::new(0),
        });
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&cells));
        Counters {
            cells,
            one_thread: PhantomData,
        }
    }

    /// This policy is in force.
    pub fn set_policy(&self, version: Option<Version>) {
        *self
            .policy_version
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// Everything in Prometheus' text format (version 0.0.4), sorted by name. Takes well under a
    /// millisecond, allocates, and sets the recent stall back to 0: not for a worker.
    pub fn render(&self) -> String {
        let threads = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.publish_tallies(&threads);
        let open = threads.iter().map(|thread| {
            // Read in this order the difference cannot fall below 0.
            let closed = thread.tallies[Tallied::ClientsClosed.offset()].load(Relaxed);
            let opened = thread.tallies[Tallied::ClientsOpened.offset()].load(Relaxed);
            opened.saturating_sub(closed)
        });
        let (sum, most) = open.fold((0, 0), |(sum, most), open| (sum + open, most.max(open)));
        self.gauge(&table::CLIENTS, sum as f64);
        self.gauge(&table::BUSIEST, most as f64);
        self.publish_routes(&threads);
        self.publish_shared();
        let version = *self
            .policy_version
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.gauge(
            &table::POLICY_VERSION,
            version.map_or(0, |version| version.number) as f64,
        );
        let recent = threads
            .iter()
            .map(|thread| thread.stall_recent.swap(0, Relaxed))
            .max();
        let ever = threads
            .iter()
            .map(|thread| thread.stall_ever.load(Relaxed))
            .max();
        self.gauge(&table::STALL_RECENT, recent.unwrap_or(0) as f64 / 1e9);
        self.gauge(&table::STALL_EVER, ever.unwrap_or(0) as f64 / 1e9);
        let mut text = sorted(&self.handle.render());
        latency::render(
            &mut text,
            &table::ADDED_LATENCY,
            threads.iter().map(|thread| &thread.added_latency),
        );
        put_policy_info(&mut text, version);
        self.isolation.put(&mut text);
        text
    }

    fn publish_tallies(&self, threads: &[Arc<Cells>]) {
        let mut cell = 0;
        for family in TALLIED {
            for series in 0..family.series() {
                let value = threads
                    .iter()
                    .map(|thread| thread.tallies[cell].load(Relaxed))
                    .sum();
                let labels = family
                    .labels_of(series)
                    .into_iter()
                    .map(|(name, value)| Label::new(name, value));
                self.counter(family, labels.collect(), value);
                cell += 1;
            }
        }
    }

    fn publish_routes(&self, threads: &[Arc<Cells>]) {
        let family = &table::ROUTE_CLIENTS;
        for series in 0..family.series() {
            let read =
                |thread: &Cells, row: Tallied| thread.tallies[row.offset() + series].load(Relaxed);
            let open = threads.iter().map(|thread| {
                // Read in this order the difference cannot fall below 0.
                let left = read(thread, Tallied::RoutesLeft);
                read(thread, Tallied::RoutesEntered).saturating_sub(left)
            });
            let open: u64 = open.sum();
            let labels = family.labels_of(series).into_iter();
            let labels = labels.map(|(name, value)| Label::new(name, value));
            let key = Key::from_parts(family.name, labels.collect::<Vec<_>>());
            self.recorder
                .register_gauge(&key, &METADATA)
                .set(open as f64);
        }
    }

    fn publish_shared(&self) {
        let version = Label::new("version", env!("CARGO_PKG_VERSION"));
        let build = Key::from_parts(table::BUILD_INFO.name, vec![version]);
        self.recorder.register_gauge(&build, &METADATA).set(1.0);
        for (family, value) in [
            (&table::WORKERS, &self.workers),
            (&table::CONFIG_VERSION, &self.config_version),
            (&table::MIGRATIONS_OPEN, &self.migrations_open),
        ] {
            self.gauge(family, value.get() as f64);
        }
        for (family, value) in [
            (&table::MIGRATIONS_OPENED, &self.migrations_opened),
            (&table::MIGRATIONS_CLOSED, &self.migrations_closed),
            (&table::LOG_DROPPED, &*self.log_dropped),
        ] {
            self.counter(family, Vec::new(), value.get());
        }
    }

    fn counter(&self, family: &Family, labels: Vec<Label>, value: u64) {
        self.recorder
            .register_counter(&Key::from_parts(family.name, labels), &METADATA)
            .absolute(value);
    }

    fn gauge(&self, family: &Family, value: f64) {
        self.recorder
            .register_gauge(&Key::from_static_name(family.name), &METADATA)
            .set(value);
    }
}

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// Written by hand: the exporter would go on showing the versions before.
fn put_policy_info(out: &mut String, version: Option<Version>) {
    let (name, help) = (table::POLICY_INFO.name, table::POLICY_INFO.help);
    let version = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{{version=\"{version}\"}} 1"
    );
}

/// The exporter's families and series come in the order of a hash map: sorted, two scrapes can be compared.
/// (`#` sorts before letters and HELP before TYPE, so a family's head stays its head.)
fn sorted(text: &str) -> String {
    let mut families: Vec<String> = (text.split("\n\n"))
        .filter(|family| !family.trim().is_empty())
        .map(|family| {
            let mut lines: Vec<&str> = family.lines().collect();
            lines.sort_unstable();
            lines.join("\n")
        })
        .collect();
    families.sort_unstable();
    families
        .iter()
        .map(|family| format!("{family}\n\n"))
        .collect()
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
