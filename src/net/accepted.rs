//! What servers made of TimeZone and DateStyle in startup packets. PgBouncer takes any value, tells it to the client as
//! it was typed, and loses a server connection over a wrong one when the first query comes. So what is new is tried
//! before the pool is given it, and the pool is given what the server shows.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::login::Identity;
use super::settings::Settings;

/// How long an answer is taken for true: what DateStyle leaves out is the role's default, which may change.
const HOLDS: Duration = Duration::from_secs(600);
/// So many are kept: who sends others is asked for each time.
const MAX_KEPT: usize = 1000;
/// Those whose value is looked at.
const NAMES: [&str; 2] = ["datestyle", "timezone"];

type Pairs = Vec<(String, String)>;

/// By the hash of role, database, name and value: nobody can foresee it, and it takes as much room whatever they send.
#[derive(Debug, Default)]
pub struct Accepted {
    shown: Mutex<HashMap<u64, (Instant, Box<str>)>>,
    hashes: RandomState,
}

impl Accepted {
    /// Takes from the startup packet what no server has shown yet; what is known goes as it is shown.
    pub fn take_untried(&self, settings: &mut Settings, identity: &Identity) -> Pairs {
        // A replication connection goes to PostgreSQL as it is, and so does what is only observed.
        if settings.walsender || settings.foreseen.is_some() {
            return Pairs::new();
        }
        let mut untried = Pairs::new();
        settings.startup.retain_mut(|pair| {
            if !NAMES.contains(&&*pair.0) {
                return true;
            }
            let known = self.find(self.hash(identity, pair), Instant::now());
            match known {
                Some(shown) => pair.1 = shown,
                None => untried.push(std::mem::take(pair)),
            }
            !pair.0.is_empty()
        });
        untried
    }

    /// Gives them to the startup packet as the server shows them, and remembers that.
    pub fn give_back(
        &self,
        settings: &mut Settings,
        identity: &Identity,
        untried: Pairs,
        shown: Vec<String>,
    ) {
        for (pair, shown) in untried.into_iter().zip(shown) {
            self.keep(self.hash(identity, &pair), &shown, Instant::now());
            settings.startup.push((pair.0, shown));
        }
    }

    fn hash(&self, identity: &Identity, pair: &(String, String)) -> u64 {
        let whose = (&*identity.role, &*identity.who.database);
        self.hashes.hash_one((whose, pair))
    }

    fn find(&self, hash: u64, now: Instant) -> Option<String> {
        let all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, shown) = all.get(&hash)?;
        (now < *until).then(|| shown.to_string())
    }

    fn keep(&self, hash: u64, shown: &str, now: Instant) {
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEPT {
            all.retain(|_, (until, _)| now < *until);
        }
        if all.len() < MAX_KEPT || all.contains_key(&hash) {
            all.insert(hash, (now + HOLDS, shown.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_holds_for_a_while_and_takes_no_more_room_than_it_may() {
        let (accepted, begin) = (Accepted::default(), Instant::now());
        for hash in 0..2 * MAX_KEPT as u64 {
            accepted.keep(hash, "ISO, DMY", begin);
        }
        let kept = |now| {
            (0..2 * MAX_KEPT as u64)
                .filter(|hash| accepted.find(*hash, now).is_some())
                .count()
        };
        assert_eq!((kept(begin), kept(begin + HOLDS)), (MAX_KEPT, 0));
        let later = begin + HOLDS;
        accepted.keep(7, "ISO, MDY", later);
        accepted.keep(5000, "UTC", later);
        assert_eq!(accepted.find(7, later).as_deref(), Some("ISO, MDY"));
        assert_eq!(kept(later), 1);
        assert_eq!(accepted.find(5000, later).as_deref(), Some("UTC"));
    }
}
