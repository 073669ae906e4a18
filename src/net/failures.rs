//! Logins that failed, as the log tells them: those that are worth a look, and of what is alike one line in a
//! while. Every one of them is in `portcullis_logins_total`.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::arrivals::origin;
use super::login::{self, Refused};
use super::worker::Worker;
use crate::telemetry::labels::LoginOutcome;
use crate::telemetry::log::ConnectionId;

/// How often what is alike is told at most.
const EVERY: Duration = Duration::from_secs(10);
/// So many that are not alike are told in that time. Who tries passwords from many addresses fills no disk.
const MAX_TOLD: usize = 128;

/// When one like it may be told again, and how many were not since the last one.
#[derive(Debug)]
struct Told {
    next: Instant,
    suppressed: u64,
}

impl Told {
    const fn at(now: Instant) -> Self {
        Self {
            next: now,
            suppressed: 0,
        }
    }

    fn admit(&mut self, now: Instant) -> Option<u64> {
        if now < self.next {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.next = now + EVERY;
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// What was told lately.
#[derive(Debug, Default)]
pub struct Failures {
    /// By the hash of what is alike: nobody can foresee it, and it takes as much room whatever they send.
    told: HashMap<u64, Told>,
    /// All for which there is no place, or was one.
    others: Option<Told>,
    hashes: RandomState,
}

impl Failures {
    /// If this one may be told: how many like it were not since the last one that was.
    pub fn admit(&mut self, alike: impl Hash, now: Instant) -> Option<u64> {
        let hash = self.hashes.hash_one(alike);
        if let Some(told) = self.told.get_mut(&hash) {
            return told.admit(now);
        }
        let others = self.others.get_or_insert_with(|| Told::at(now));
        if self.told.len() >= MAX_TOLD {
            self.told.retain(|_, told| {
                let stays = now < told.next;
                if !stays {
                    others.suppressed = others.suppressed.saturating_add(told.suppressed);
                }
                stays
            });
        }
        if self.told.len() >= MAX_TOLD {
            return others.admit(now);
        }
        self.told
            .entry(hash)
            .or_insert_with(|| Told::at(now))
            .admit(now)
    }
}

/// Tells the log of a login that failed. Alike are those of one login, from one place, for one reason.
pub fn note(
    worker: &Worker,
    connection: u32,
    packet: &[u8],
    refused: &Refused,
    client: Option<IpAddr>,
) {
    let id = ConnectionId(connection.into());
    let outcome = refused.outcome;
    // Probes (pg_isready) and clients that hang up are no news; a server role was told of once.
    if let LoginOutcome::Protocol | LoginOutcome::NotReady | LoginOutcome::ServerRole = outcome {
        tracing::debug!(connection = %id, why = refused.why, "not logged in");
        return;
    }
    let attempted = login::attempted(packet, worker);
    let why = match (outcome, &attempted) {
        (LoginOutcome::Unknown, Some((_, true))) => "there is no such migration session",
        (LoginOutcome::Unknown, Some((_, false))) => "auth_file has no line for this login",
        _ => &refused.why,
    };
    let login = attempted.as_ref().map(|(login, _)| login);
    let alike = (login, origin(client), outcome as u8, why);
    let failures = worker.shared.failures.lock();
    let mut failures = failures.unwrap_or_else(PoisonError::into_inner);
    if let Some(suppressed) = failures.admit(alike, Instant::now()) {
        let outcome = LoginOutcome::WORDS.get(outcome as usize);
        let client = client.map(tracing::field::display);
        tracing::warn!(connection = %id, outcome, login, client, why, suppressed, "not logged in");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_told_once_in_a_while_with_how_many_were_not() {
        let (mut failures, begin) = (Failures::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(failures.admit("a", at(0)), Some(0));
        for _ in 0..3 {
            assert_eq!(failures.admit("a", at(9)), None);
        }
        // Another one is told all the same.
        assert_eq!(failures.admit("b", at(9)), Some(0));
        assert_eq!(failures.admit("a", at(10)), Some(3));
        assert_eq!(failures.admit("a", at(11)), None);
        assert_eq!(failures.admit("a", at(3600)), Some(1));
    }

    #[test]
    fn who_is_never_the_same_is_bounded() {
        let (mut failures, begin) = (Failures::default(), Instant::now());
        let most = MAX_TOLD + 1;
        let mut told = |seconds, many: std::ops::Range<usize>| {
            let now = begin + Duration::from_secs(seconds);
            let told = many.filter_map(|number| failures.admit(number, now));
            let told: Vec<u64> = told.collect();
            assert!(failures.told.len() <= MAX_TOLD);
            (told.len(), told.into_iter().sum::<u64>())
        };
        assert_eq!(told(0, 0..10_000), (most, 0));
        // Those that have their place keep it; there is none for others.
        assert_eq!(told(9, 0..10_000), (0, 0));
        // What was left out is told with the next ones.
        let left_out = 20_000 - most as u64;
        assert_eq!(told(10, 10_000..20_000), (most, left_out));
    }
}
