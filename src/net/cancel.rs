//! Cancel requests: Portcullis mints its own keys and maps them to the key and endpoint of the
//! server connection behind, one map for all workers.
//!
//! PostgreSQL documentation, "Canceling Requests in Progress": the request comes on a connection of
//! its own and gets no answer, whatever becomes of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
/// Wrong secrets taken for one key in its life: who guesses 4 bytes finds none, and nobody who
/// sends wrong keys keeps the owners of others from cancelling.
const MAX_GUESSES: u32 = 100;
/// To deliver one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where requests with one key go; `None` between two server connections.
type Destination = Arc<Mutex<Option<Target>>>;

struct Key {
    secret: [u8; SECRET],
    /// How much of it the client was given.
    length: usize,
    /// Wrong secrets that came for it.
    guesses: AtomicU32,
    target: Destination,
}

/// All cancel keys of the process.
pub struct Cancels {
    /// By the "process id" that clients are given: instance (7 bits) and a random number (24 bits).
    keys: DashMap<u32, Key>,
    instance: u32,
    random: SystemRandom,
    places: Semaphore,
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
        }
    }

    /// Whose server connection a key names, compared in constant time.
    fn find(&self, process: u32, secret: &[u8]) -> Result<Destination, CancelOutcome> {
        let key = self.keys.get(&process).ok_or(CancelOutcome::UnknownKey)?;
        if key.guesses.load(Ordering::Relaxed) >= MAX_GUESSES {
            return Err(CancelOutcome::Limited);
        }
        if !bool::from(key.secret[..key.length].ct_eq(secret)) {
            key.guesses.fetch_add(1, Ordering::Relaxed);
            return Err(CancelOutcome::UnknownKey);
        }
        Ok(Arc::clone(&key.target))
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
                    guesses: AtomicU32::new(0),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with_keys(numbers: &[u32]) -> Cancels {
        let cancels = Cancels::new(4);
        for number in numbers {
            let key = Key {
                secret: [7; SECRET],
                length: 4,
                guesses: AtomicU32::new(0),
                target: Arc::default(),
            };
            cancels.keys.insert(*number, key);
        }
        cancels
    }

    #[test]
    fn who_guesses_a_secret_gets_few_tries_and_hurts_nobody_else() {
        let cancels = with_keys(&[1, 2]);
        let outcome = |process, secret: &[u8]| cancels.find(process, secret).err();
        for guess in 0..10_000_u32 {
            let refused = outcome(1, &guess.to_be_bytes());
            assert!(matches!(
                refused,
                Some(CancelOutcome::UnknownKey | CancelOutcome::Limited)
            ));
            assert_eq!(outcome(3, &[7; 4]), Some(CancelOutcome::UnknownKey));
        }
        assert_eq!(outcome(1, &[7; 4]), Some(CancelOutcome::Limited));
        assert_eq!(outcome(2, &[7; 4]), None);
    }

    #[test]
    fn a_secret_counts_only_as_a_whole() {
        let cancels = with_keys(&[1]);
        for secret in [&[][..], &[7; 3], &[7; 5], &[7; SECRET]] {
            assert_eq!(
                cancels.find(1, secret).err(),
                Some(CancelOutcome::UnknownKey)
            );
        }
        assert!(cancels.find(1, &[7; 4]).is_ok());
    }
}
