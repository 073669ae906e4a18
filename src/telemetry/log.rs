//! Structured lines on stderr that never hold up the thread that writes them.
//!
//! A line goes into a bounded queue; one thread of its own writes the queue to stderr. When stderr
//! stalls and the queue is full, lines are dropped and counted (`portcullis_log_dropped_total`).

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::metrics::Shared;

/// Lines that may wait.
const MAX_LINES: usize = 4096;
/// Bytes that may wait, all lines together.
const MAX_BYTES: usize = 4 << 20;
/// How often a [`limited!`](crate::limited) line is written at most.
const EVERY: Duration = Duration::from_secs(10);

/// The connection's id in log lines, errors and the console: six or more hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

enum Entry {
    Line(Box<[u8]>),
    /// Everything before it has been written when this sender is dropped.
    Flush(#[allow(dead_code, reason = "dropping it is the message")] SyncSender<()>),
}

/// The queue's end that threads write to.
#[derive(Clone)]
struct Queue {
    entries: SyncSender<Entry>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<Shared>,
}

impl Queue {
    /// Starts the thread that writes to `out`.
    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (entries, queued) = mpsc::sync_channel(MAX_LINES);
        let (waiting, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(Shared::default()));
        let queue = Self {
            entries,
            waiting: Arc::clone(&waiting),
            dropped: Arc::clone(&dropped),
        };
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || drain(&queued, out, &waiting, &dropped))?;
        Ok(queue)
    }

    fn push(&self, line: &[u8]) {
        let before = self.waiting.fetch_add(line.len(), Relaxed);
        let fits = before.saturating_add(line.len()) <= MAX_BYTES;
        if !fits || self.entries.try_send(Entry::Line(line.into())).is_err() {
            self.waiting.fetch_sub(line.len(), Relaxed);
            self.dropped.increment();
        }
    }
}

fn drain(queued: &Receiver<Entry>, mut out: impl Write, waiting: &AtomicUsize, dropped: &Shared) {
    // Half a line may have been written, on a disk that is full: the next one must not go on from there.
    let mut half = false;
    for entry in queued {
        if let Entry::Line(line) = entry {
            let ended = match half {
                true => out.write_all(b"\n"),
                false => Ok(()),
            };
            half = ended.and_then(|()| out.write_all(&line)).is_err();
            if half {
                dropped.increment();
            }
            waiting.fetch_sub(line.len(), Relaxed);
        }
    }
}

/// One event's writer. The formatter hands over a whole line at a time.
struct Line<'a>(&'a Queue);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// The log in use.
pub struct Log(Queue);

impl Log {
    /// How many lines were dropped; for [`super::Telemetry::new`].
    pub fn dropped(&self) -> Arc<Shared> {
        Arc::clone(&self.0.dropped)
    }

    /// Waits until the lines written so far are out, for at most `patience`. For the end of the process.
    pub fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (done, all_out) = mpsc::sync_channel(1);
        let mut flush = Entry::Flush(done);
        while let Err(mpsc::TrySendError::Full(entry)) = self.0.entries.try_send(flush) {
            if Instant::now() >= until {
                return;
            }
            flush = entry;
            std::thread::sleep(Duration::from_millis(5));
        }
        // Nothing is ever sent: the thread drops the sender, or the time is up.
        let _ = all_out.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// Why there is no log.
#[derive(Debug)]
pub enum LogError {
    /// The thread could not be started.
    Thread(io::Error),
    /// There is a log already in this process.
    Twice(TryInitError),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Thread(error) => write!(f, "cannot start the log's thread: {error}"),
            LogError::Twice(error) => write!(f, "cannot set up the log: {error}"),
        }
    }
}

impl std::error::Error for LogError {}

/// Sends this process's log to stderr from now on: JSON or text, our lines from `level` on and those
/// of libraries from `warn` on (or `level`, if that is less).
///
/// # Errors
/// When the thread cannot be started, or a second log is asked for.
pub fn init(json_lines: bool, level: Level) -> Result<Log, LogError> {
    let queue = Queue::start(io::stderr()).map_err(LogError::Thread)?;
    let levels = Targets::new()
        .with_default(level.min(Level::WARN))
        .with_target("portcullis", level);
    let registry = tracing_subscriber::registry().with(levels);
    let initialised = if json_lines {
        registry.with(json(queue.clone())).try_init()
    } else {
        registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(queue.clone())
                    .with_ansi(false),
            )
            .try_init()
    };
    initialised.map_err(LogError::Twice)?;
    Ok(Log(queue))
}

/// One object per line: timestamp, level, target, and the event's fields beside them.
fn json<S>(queue: Queue) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(queue)
}

/// Lets one event through per 10 s and counts the others. Used through [`limited!`](crate::limited).
#[derive(Debug)]
pub struct Limit {
    /// From when on one may pass: milliseconds since the first use of any limit.
    next: AtomicU64,
    suppressed: AtomicU64,
}

impl Limit {
    /// Open.
    #[allow(clippy::new_without_default, reason = "made in statics only")]
    pub const fn new() -> Self {
        Self {
            next: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// If the event at `now` may be written: how many like it were not since the last one that was.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let elapsed = now
            .saturating_duration_since(*FIRST.get_or_init(|| now))
            .as_millis();
        let now = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let next = self.next.load(Relaxed);
        let later = now.saturating_add(EVERY.as_millis() as u64);
        if now < next
            || self
                .next
                .compare_exchange(next, later, Relaxed, Relaxed)
                .is_err()
        {
            self.suppressed.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.suppressed.swap(0, Relaxed))
    }
}

/// `limited!(warn, field = value, "message")`: like `tracing::warn!`, at most once in 10 s from this
/// place in the code, with the number of lines left out as `suppressed`.
#[macro_export]
macro_rules! limited {
    ($level:ident, $($event:tt)+) => {{
        static LIMIT: $crate::telemetry::log::Limit = $crate::telemetry::log::Limit::new();
        if let Some(suppressed) = LIMIT.admit(::std::time::Instant::now()) {
            ::tracing::$level!(suppressed, $($event)+);
        }
    }};
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
