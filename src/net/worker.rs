//! A worker: one thread, one single-threaded runtime, its share of the clients. What all its
//! clients use by turns lies here, so that an idle connection holds next to nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;

use super::arrivals::{Arrival, Arrivals, origin};
use super::client;
use super::interrupt::Interrupt;
use super::shared::{Shared, Snapshot};
use super::signer::Nonces;
use crate::sql::FactsCache;
use crate::telemetry::Counters;
use crate::telemetry::labels::Rejected;
use crate::telemetry::report::Tally;

/// Bytes read at a time.
pub const READ: usize = 64 * 1024;
/// TLS handshakes at a time on one worker: each takes half a millisecond of its thread.
const HANDSHAKES: usize = 4;
/// Sockets handed over and not taken yet.
const INBOX: usize = 1024;
/// The parser recurses; the depth is bounded by its own check of the stack.
const STACK: usize = 8 * 1024 * 1024;

/// So many sockets that have not logged in there may be.
pub(super) fn most_arriving(max_client_conn: usize) -> usize {
    const ALWAYS: usize = 1000;
    max_client_conn.max(ALWAYS)
}

/// What a worker is told.
pub enum Order {
    /// Serve this client.
    Serve(TcpStream),
    /// End idle connections now, others after their transaction.
    Drain,
    /// What was read from files has changed: connections that rest must look at it too.
    TakeUp,
}

/// One worker's own state.
pub struct Worker {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// This thread's counters.
    pub counters: Counters,
    /// What this thread refused, or would have.
    pub tally: Tally,
    /// Memory used within one poll.
    pub scratch: RefCell<Scratch>,
    /// Descriptions of statements.
    pub facts: RefCell<FactsCache>,
    /// Places for TLS handshakes.
    pub handshakes: Semaphore,
    /// The sockets that have not logged in.
    pub arrivals: RefCell<Arrivals>,
    /// The connections that can be interrupted, by number.
    pub interrupts: RefCell<HashMap<u32, Arc<Interrupt>>>,
    /// For the tokens of zones.
    pub nonces: Nonces,
    /// Draining?
    pub draining: Cell<bool>,
    /// What was read from files, as this worker knows it, and its generation.
    snapshot: RefCell<Arc<Snapshot>>,
    generation: Cell<u64>,
}

/// Memory used within one poll of one connection.
#[derive(Debug)]
pub struct Scratch {
    /// What was read.
    pub read: Box<[u8]>,
    /// What is written instead, if anything changes.
    pub out: Vec<u8>,
    /// What Portcullis itself says.
    pub own: Vec<u8>,
}

/// The way to a worker.
pub struct WorkerHandle {
    orders: mpsc::Sender<Order>,
    /// Clients it serves, or is about to.
    load: Arc<AtomicUsize>,
}

/// Counts a client of a worker and of the process while it lives.
pub struct Place {
    shared: Arc<Shared>,
    load: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.shared.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WorkerHandle {
    /// Starts a worker's thread.
    pub fn start(number: usize, shared: Arc<Shared>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel(INBOX);
        let load = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&load);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(4)
            .build()?;
        std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .stack_size(STACK)
            .spawn(move || LocalSet::new().block_on(&runtime, serve(shared, count, inbox)))?;
        Ok(Self { orders, load })
    }

    /// Clients it serves.
    pub fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Hands a socket over; waits while the worker's inbox is full.
    pub fn serve(&self, socket: TcpStream) {
        self.load.fetch_add(1, Ordering::Relaxed);
        // A worker ends only with the process; then the socket is closed.
        let _ = self.orders.blocking_send(Order::Serve(socket));
    }

    /// Tells it to drain.
    pub async fn drain(&self) {
        let _ = self.orders.send(Order::Drain).await;
    }

    /// Tells it that what was read from files has changed.
    pub async fn take_up(&self) {
        let _ = self.orders.send(Order::TakeUp).await;
    }
}

async fn serve(shared: Arc<Shared>, load: Arc<AtomicUsize>, mut inbox: mpsc::Receiver<Order>) {
    let worker = Rc::new(Worker::new(Arc::clone(&shared)));
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Serve(socket) => {
                let sockets = shared.clients.fetch_add(1, Ordering::Relaxed);
                let place = Place {
                    shared: Arc::clone(&shared),
                    load: Arc::clone(&load),
                };
                let others = shared.logged_in.load(Ordering::Relaxed) + shared.cancels.there();
                let arriving = sockets.saturating_sub(others);
                let origin = origin(socket.peer_addr().ok().map(|address| address.ip()));
                if arriving >= most_arriving(shared.config.listen.max_client_conn) {
                    worker.counters.client_rejected(Rejected::Arriving);
                    crate::limited!(warn, arriving, "too many sockets that have not logged in");
                    if !worker.arrivals.borrow_mut().make_room(origin) {
                        continue;
                    }
                }
                match tokio::net::TcpStream::from_std(socket) {
                    Ok(socket) => {
                        let connection = shared.next_connection.fetch_add(1, Ordering::Relaxed);
                        let arrival = Arrival::new(&worker, connection, origin);
                        let worker = Rc::clone(&worker);
                        tokio::task::spawn_local(client::serve(socket, worker, place, arrival));
                    }
                    Err(error) => tracing::error!(%error, "a client's socket cannot be served"),
                }
            }
            Order::Drain => worker.drain(),
            Order::TakeUp => {
                worker.generation();
                for interrupt in worker.interrupts.borrow().values() {
                    interrupt.wake();
                }
            }
        }
    }
}

impl Worker {
    fn new(shared: Arc<Shared>) -> Self {
        let seed = random::<8>().map_or(0, u64::from_ne_bytes);
        // The generation first: what is read between the two is taken up again.
        let generation = shared.generation();
        let snapshot = shared.snapshot();
        let mut facts = FactsCache::new(shared.config.limits.facts_cache_bytes, seed);
        facts.set_depth(snapshot.files.policy.depth());
        Self {
            counters: shared.telemetry.counters(),
            tally: shared.telemetry.report.tally(),
            scratch: RefCell::new(Scratch {
                read: vec![0; READ].into(),
                out: Vec::new(),
                own: Vec::new(),
            }),
            facts: RefCell::new(facts),
            handshakes: Semaphore::new(HANDSHAKES),
            arrivals: RefCell::default(),
            interrupts: RefCell::default(),
            nonces: Nonces::default(),
            draining: Cell::new(false),
            generation: Cell::new(generation),
            snapshot: RefCell::new(snapshot),
            shared,
        }
    }

    /// The generation of the files, which this worker has taken up. Costs one load if nothing has
    /// changed; must not be called while `facts` is borrowed.
    pub fn generation(&self) -> u64 {
        let current = self.shared.generation();
        if current != self.generation.get() {
            self.take_up(current);
        }
        current
    }

    /// What was read from files, of the last [`Self::generation`] or a later one.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// The one place where a worker begins to go by a new policy: before any statement is judged by
    /// it. What it keeps for the old one and the new one cannot use is given up here.
    fn take_up(&self, generation: u64) {
        let snapshot = self.shared.snapshot();
        self.facts
            .borrow_mut()
            .set_depth(snapshot.files.policy.depth());
        *self.snapshot.borrow_mut() = snapshot;
        self.generation.set(generation);
    }

    fn drain(&self) {
        self.draining.set(true);
        for interrupt in self.interrupts.borrow().values() {
            interrupt.drain();
        }
    }
}

/// Random bytes; `None` when the system has none.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}
