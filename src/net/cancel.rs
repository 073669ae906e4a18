//! Cancel requests: Portcullis mints its own keys and maps them to the key and endpoint of the
//! server connection behind, one map for all workers.
//!
//! PostgreSQL documentation, "Canceling Requests in Progress": the request comes on a connection of
//! its own and gets no answer, whatever becomes of it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::shared::{Shared, Target};
use crate::protocol::startup::put_cancel;
use crate::telemetry::labels::CancelOutcome;

/// Bytes of a secret in protocol 3.2; 3.0 has 4.
pub const SECRET: usize = 32;
/// Wrong keys looked at per second, over all clients.
const WRONG_PER_SECOND: u32 = 50;
/// To deliver one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where requests with one key go; `None` between two server connections.
type Destination = Arc<Mutex<Option<Target>>>;

struct Key {
    secret: [u8; SECRET],
    /// How much of it the client was given.
    length: usize,
    target: Destination,
}

/// All cancel keys of the process.
pub struct Cancels {
    /// By the "process id" that clients are given: instance (7 bits) and a random number (24 bits).
    keys: DashMap<u32, Key>,
    instance: u32,
    random: SystemRandom,
    places: Semaphore,
    wrong: AtomicU32,
    second: AtomicU64,
    started: Instant,
}

/// The key of one client connection; gone when dropped.
pub struct CancelKey {
    shared: Arc<Shared>,
    /// For BackendKeyData.
    pub process: u32,
    secret: [u8; SECRET],
    length: usize,
    target: Destination,
}

impl Cancels {
    /// An empty map; `places`: requests carried at a time.
    pub fn new(places: usize) -> Self {
        let random = SystemRandom::new();
        let mut instance = [0; 1];
        let instance = match random.fill(&mut instance) {
            Ok(()) => u32::from(instance[0] & 0x7f),
            Err(_) => 0,
        };
        Self {
            keys: DashMap::new(),
            instance,
            random,
            places: Semaphore::new(places),
            wrong: AtomicU32::new(0),
            second: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// Whose server connection a key names, compared in constant time.
    fn find(&self, process: u32, secret: &[u8]) -> Result<Destination, CancelOutcome> {
        if self.too_many_wrong() {
            return Err(CancelOutcome::Limited);
        }
        let target = self.keys.get(&process).and_then(|key| {
            let same: bool = key.secret[..key.length].ct_eq(secret).into();
            same.then(|| Arc::clone(&key.target))
        });
        let Some(target) = target else {
            self.wrong.fetch_add(1, Ordering::Relaxed);
            return Err(CancelOutcome::UnknownKey);
        };
        Ok(target)
    }

    fn too_many_wrong(&self) -> bool {
        let second = self.started.elapsed().as_secs();
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.wrong.store(0, Ordering::Relaxed);
        }
        self.wrong.load(Ordering::Relaxed) >= WRONG_PER_SECOND
    }
}

impl CancelKey {
    /// Mints a key for a client connection that speaks protocol 3.`minor`. `None`: no randomness,
    /// or no number is free.
    pub fn mint(shared: &Arc<Shared>, minor: u16) -> Option<Self> {
        let length = if minor >= 2 { SECRET } else { 4 };
        let cancels = &shared.cancels;
        for _ in 0..64 {
            let mut number = [0; 4];
            let mut secret = [0; SECRET];
            cancels.random.fill(&mut number[1..]).ok()?;
            cancels.random.fill(&mut secret).ok()?;
            let process = (cancels.instance << 24) | u32::from_be_bytes(number);
            if process == 0 {
                continue;
            }
            if let Entry::Vacant(place) = cancels.keys.entry(process) {
                let target = Arc::new(Mutex::new(None));
                place.insert(Key {
                    secret,
                    length,
                    target: Arc::clone(&target),
                });
                return Some(Self {
                    shared: Arc::clone(shared),
                    process,
                    secret,
                    length,
                    target,
                });
            }
        }
        None
    }

    /// For BackendKeyData: 4 bytes in protocol 3.0, [`SECRET`] in 3.2.
    pub fn secret(&self) -> &[u8] {
        &self.secret[..self.length]
    }

    /// Where requests with this key go from now on.
    pub fn lead_to(&self, target: Option<Target>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Where they go now.
    pub fn target(&self) -> Option<Target> {
        current(&self.target)
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        self.shared.cancels.keys.remove(&self.process);
        self.lead_to(None);
    }
}

fn current(destination: &Destination) -> Option<Target> {
    let target = destination.lock();
    target.unwrap_or_else(PoisonError::into_inner).clone()
}

/// Carries one request: at most 5 s for a place, and 5 s to deliver it.
pub async fn carry(shared: &Shared, process: u32, secret: &[u8]) -> CancelOutcome {
    let destination = match shared.cancels.find(process, secret) {
        Ok(destination) => destination,
        Err(outcome) => return outcome,
    };
    // A right key waits: a pool of clients that times out as one must not lose its requests.
    let place = shared.cancels.places.acquire();
    let Ok(Ok(_place)) = tokio::time::timeout(PATIENCE, place).await else {
        return CancelOutcome::Limited;
    };
    match current(&destination) {
        Some(target) => deliver(shared, &target).await,
        None => CancelOutcome::Idle,
    }
}

/// Tells the PgBouncer behind `target` to cancel, and waits until it has taken the request.
pub async fn deliver(shared: &Shared, target: &Target) -> CancelOutcome {
    let delivery = async {
        let mut stream = super::server::connect(shared, &target.endpoint)
            .await
            .ok()?;
        let mut request = Vec::new();
        put_cancel(&mut request, target.process, &target.secret);
        stream.write_all(&request).await.ok()?;
        stream.flush().await.ok()?;
        // PgBouncer closes when it has passed the request on.
        let _ = stream.read(&mut [0; 64]).await;
        Some(())
    };
    match tokio::time::timeout(PATIENCE, delivery).await {
        Ok(Some(())) => CancelOutcome::Forwarded,
        Ok(None) | Err(_) => CancelOutcome::Failed,
    }
}
