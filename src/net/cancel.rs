//! Cancel requests: Portcullis mints its own keys and maps them to the key and endpoint of the
//! server connection behind, one map for all workers. A key of another proxy is that one's: [`super::peers`].
//!
//! PostgreSQL documentation, "Canceling Requests in Progress": the request comes on a connection of
//! its own and gets no answer, whatever becomes of it.

mod room;
mod route;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::interrupt::Interrupt;
use super::peers::{Peers, Request};
use super::shared::{Shared, Target};
use crate::protocol::startup::put_cancel;
use crate::telemetry::labels::CancelOutcome;
pub(super) use room::Room;
use route::Route;

/// Bytes of a secret in protocol 3.2; 3.0 has 4.
pub const SECRET: usize = 32;
/// A guesser's budget is for one window. The windows of all keys change at the same moments.
const WINDOW: Duration = Duration::from_secs(60);
/// Wrong secrets taken in a window for a key of 4 bytes: half of all would take 40 years. (One of
/// [`SECRET`] bytes is not found by guessing.)
const MAX_GUESSES: u32 = 100;
/// The same from the address of the key's owner, whom a guesser elsewhere must not keep from
/// cancelling: half of all would take 150 days.
const MAX_OWN_GUESSES: u32 = 10_000;
/// To deliver one request.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

struct Key {
    secret: [u8; SECRET],
    /// How much of it the client was given.
    length: usize,
    /// The address of the client that it was given to.
    owner: Option<IpAddr>,
    /// Wrong secrets from that address.
    own_guesses: Guesses,
    /// Wrong secrets from others.
    guesses: Guesses,
    route: Arc<Route>,
}

/// Wrong secrets in the window that is open: its number in the upper half, their count in the lower.
#[derive(Debug, Default)]
struct Guesses(AtomicU64);

impl Guesses {
    fn count(&self, window: u32) -> u32 {
        let value = self.0.load(Ordering::Relaxed);
        match value >> 32 == u64::from(window) {
            true => u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX),
            false => 0,
        }
    }

    /// Of two at once one may be lost: the limit is no exact one.
    fn add(&self, window: u32) {
        let count = self.count(window).saturating_add(1);
        let value = u64::from(window) << 32 | u64::from(count);
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Key {
    /// Compares in constant time, unless there were too many wrong ones from where this one comes.
    fn check(&self, secret: &[u8], from: Option<IpAddr>, window: u32) -> Result<(), CancelOutcome> {
        let (guesses, limit) = match from == self.owner {
            true => (&self.own_guesses, MAX_OWN_GUESSES),
            false => (&self.guesses, MAX_GUESSES),
        };
        if self.length < SECRET && guesses.count(window) >= limit {
            return Err(CancelOutcome::Limited);
        }
        if is_secret(&self.secret[..self.length], secret) {
            return Ok(());
        }
        guesses.add(window);
        Err(CancelOutcome::UnknownKey)
    }
}

/// Whether `said` is `secret`, in a time that does not tell how much of it is right: `cargo bench --bench
/// conversation -- cancel` measures it. Another length is told at once: lengths are no secret.
pub fn is_secret(secret: &[u8], said: &[u8]) -> bool {
    secret.ct_eq(said).into()
}

/// All cancel keys of the process.
pub struct Cancels {
    /// By the "process id" that clients are given: instance (7 bits) and a random number (24 bits).
    keys: DashMap<u32, Key>,
    /// `peer_id`, or a random one where there are no peers.
    instance: u32,
    peers: Option<Peers>,
    random: SystemRandom,
    /// For the keys of this proxy.
    room: Room,
    started: Instant,
}

/// The key of one client connection; gone when dropped.
pub struct CancelKey {
    shared: Arc<Shared>,
    /// For BackendKeyData.
    pub process: u32,
    secret: [u8; SECRET],
    length: usize,
    route: Arc<Route>,
}

impl Cancels {
    /// An empty map; `places`: requests carried at a time.
    pub fn new(places: usize, peers: Option<Peers>) -> Self {
        let random = SystemRandom::new();
        let mut instance = [0; 1];
        let instance = match (&peers, random.fill(&mut instance)) {
            (Some(peers), _) => u32::from(peers.id),
            (None, Ok(())) => u32::from(instance[0] & 0x7f),
            (None, Err(_)) => 0,
        };
        Self {
            keys: DashMap::new(),
            instance,
            peers,
            random,
            room: Room::new(places),
            started: Instant::now(),
        }
    }

    /// Requests that wait, or are carried: their sockets are not about to log in.
    pub fn there(&self) -> usize {
        self.rooms().map(Room::there).sum()
    }

    /// Sockets that they may come to have.
    pub fn sockets(&self) -> usize {
        let sockets = self.rooms().map(Room::sockets);
        sockets.fold(0, usize::saturating_add)
    }

    fn rooms(&self) -> impl Iterator<Item = &Room> {
        let of_peers = self.peers.iter().flat_map(Peers::rooms);
        of_peers.chain([&self.room])
    }

    /// Whose server connection a key names. A number that nobody has costs a look into the map, and
    /// nothing is kept of it.
    fn find(
        &self,
        process: u32,
        secret: &[u8],
        from: Option<IpAddr>,
        window: u32,
    ) -> Result<Arc<Route>, CancelOutcome> {
        let key = self.keys.get(&process).ok_or(CancelOutcome::UnknownKey)?;
        key.check(secret, from, window)?;
        Ok(Arc::clone(&key.route))
    }

    /// The number of the window that is open, from 1.
    fn window(&self) -> u32 {
        let windows = self.started.elapsed().as_secs() / WINDOW.as_secs();
        u32::try_from(windows).unwrap_or(u32::MAX - 1) + 1
    }
}

impl CancelKey {
    /// Mints a key for a client connection from `owner` that speaks protocol 3.`minor`. `None`: no
    /// randomness, or no number is free.
    pub fn mint(shared: &Arc<Shared>, minor: u16, owner: Option<IpAddr>) -> Option<Self> {
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
                let route = Arc::new(Route::new(Arc::default()));
                place.insert(Key {
                    secret,
                    length,
                    owner,
                    own_guesses: Guesses::default(),
                    guesses: Guesses::default(),
                    route: Arc::clone(&route),
                });
                return Some(Self {
                    shared: Arc::clone(shared),
                    process,
                    secret,
                    length,
                    route,
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
        self.route.lead_to(target);
    }

    /// Where they go now.
    pub fn target(&self) -> Option<Target> {
        self.route.target()
    }

    /// Of the client whose key it is. It is asked whether anything runs.
    pub fn interrupt(&self) -> Arc<Interrupt> {
        Arc::clone(&self.route.interrupt)
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        self.shared.cancels.keys.remove(&self.process);
        self.lead_to(None);
    }
}

/// Carries one request, here or to the peer whose key it is: at most 5 s for a place, and 5 s to deliver it;
/// and for one of this proxy's keys as long again, behind another one with the same key.
pub async fn carry(shared: &Shared, mut request: Request<'_>) -> CancelOutcome {
    let cancels = &shared.cancels;
    if let Some(peers) = &cancels.peers {
        let snapshot = shared.snapshot();
        request = match peers.own(request, snapshot.files.peer_tls.as_ref()).await {
            Ok(own) => own,
            Err(outcome) => return outcome,
        };
    }
    let Request {
        process,
        secret,
        from,
    } = request;
    let route = match cancels.find(process, secret, from, cancels.window()) {
        Ok(route) => route,
        Err(outcome) => return outcome,
    };
    let (Ok(outcome) | Err(outcome)) = carry_own(shared, &route).await;
    outcome
}

/// A right key waits: a pool of clients that times out as one must not lose its requests.
async fn carry_own(shared: &Shared, route: &Route) -> Result<CancelOutcome, CancelOutcome> {
    let room = &shared.cancels.room;
    let _seat = room.enter()?;
    let _turn = route.turn().await?;
    if route.target().is_none() || route.rests().await {
        return Err(CancelOutcome::Idle);
    }
    let _place = room.place().await?;
    let target = route.target().ok_or(CancelOutcome::Idle)?;
    Ok(deliver(shared, &target).await)
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

    const OWNER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const OTHER: Option<IpAddr> = Some(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));

    /// Keys of [`OWNER`], of 4 bytes where `long` does not say otherwise.
    fn with_keys(numbers: &[u32], long: &[u32]) -> Cancels {
        let cancels = Cancels::new(4, None);
        for number in numbers.iter().chain(long) {
            let length = if long.contains(number) { SECRET } else { 4 };
            let key = Key {
                secret: [7; SECRET],
                length,
                owner: OWNER,
                own_guesses: Guesses::default(),
                guesses: Guesses::default(),
                route: Arc::new(Route::new(Arc::default())),
            };
            cancels.keys.insert(*number, key);
        }
        cancels
    }

    #[test]
    fn who_guesses_a_secret_gets_few_tries_in_a_window_and_hurts_nobody_else() {
        let cancels = with_keys(&[1, 2], &[3]);
        let outcome = |process, secret: &[u8], from, window| {
            cancels.find(process, secret, from, window).err()
        };
        let mut compared = 0;
        for guess in 0..10_000_u32 {
            let guess = guess.to_be_bytes();
            match outcome(1, &guess, OTHER, 1) {
                Some(CancelOutcome::UnknownKey) => compared += 1,
                refused => assert_eq!(refused, Some(CancelOutcome::Limited)),
            }
            assert_eq!(
                outcome(4, &[7; 4], OTHER, 1),
                Some(CancelOutcome::UnknownKey)
            );
            assert_eq!(
                outcome(3, &guess, OTHER, 1),
                Some(CancelOutcome::UnknownKey)
            );
        }
        assert_eq!(compared, MAX_GUESSES);
        assert_eq!(outcome(1, &[7; 4], OTHER, 1), Some(CancelOutcome::Limited));
        // The owner, other keys, a key that cannot be guessed, and everybody a window later.
        assert_eq!(outcome(1, &[7; 4], OWNER, 1), None);
        assert_eq!(outcome(2, &[7; 4], OTHER, 1), None);
        assert_eq!(outcome(3, &[7; SECRET], OTHER, 1), None);
        assert_eq!(outcome(1, &[7; 4], OTHER, 2), None);
    }

    #[test]
    fn guesses_from_the_address_of_the_owner_are_limited_too() {
        let cancels = with_keys(&[1], &[]);
        for guess in 0..MAX_OWN_GUESSES {
            let refused = cancels.find(1, &guess.to_be_bytes(), OWNER, 1).err();
            assert_eq!(refused, Some(CancelOutcome::UnknownKey));
        }
        let limited = Some(CancelOutcome::Limited);
        assert_eq!(cancels.find(1, &[7; 4], OWNER, 1).err(), limited);
        assert_eq!(cancels.find(1, &[7; 4], OWNER, 2).err(), None);
    }

    #[test]
    fn a_secret_counts_only_as_a_whole() {
        let cancels = with_keys(&[1], &[2]);
        for (process, whole) in [(1, &[7; 4][..]), (2, &[7; SECRET])] {
            let refused = |secret: &[u8]| {
                let outcome = cancels.find(process, secret, OWNER, 1).err();
                assert_eq!(outcome, Some(CancelOutcome::UnknownKey), "{secret:?}");
            };
            for length in (0..=2 * SECRET).filter(|length| *length != whole.len()) {
                refused(&vec![7; length]);
            }
            for (place, bit) in
                (0..whole.len()).flat_map(|place| (0..8).map(move |bit| (place, bit)))
            {
                let mut wrong = whole.to_vec();
                wrong[place] ^= 1 << bit;
                refused(&wrong);
            }
            assert!(cancels.find(process, whole, OWNER, 1).is_ok());
        }
    }
}
