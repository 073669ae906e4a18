//! What servers said of the roles behind logins, remembered for all workers: for whom an answer is good,
//! and who asks for another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use crate::config::Endpoint;
use crate::policy::RouteName;
use crate::policy::guards::server_role::ServerRole;

/// How long an answer serves logins for which the server cannot be asked anew, since no connection of
/// the pool is free.
const SERVES_FOR: Duration = Duration::from_secs(600);
/// Answers kept. There are as many as the policy has servers, databases and roles; if those are more,
/// the server is asked more often.
const MAX_KEPT: usize = 10_000;
/// Logins of one answer whose objection is written to the log.
const MAX_TOLD: usize = 32;

/// What is asked once for all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) route: RouteName,
    pub(super) endpoint: Endpoint,
    pub(super) database: Arc<str>,
    pub(super) role: Box<str>,
}

/// What a server said of the roles that act on a connection, or why it is not known.
pub(super) type Found = Result<Vec<ServerRole>, String>;

/// What was found, and when.
#[derive(Debug)]
pub(super) struct Answer {
    /// When it was asked: what has changed since then is not in it.
    asked: Instant,
    answered: Instant,
    pub(super) found: Found,
    /// Logins whose objection was written to the log.
    told: Vec<Box<str>>,
}

impl Answer {
    /// One that has come just now.
    pub(super) fn new(asked: Instant, found: Found) -> Self {
        Self {
            asked,
            answered: Instant::now(),
            found,
            told: Vec::new(),
        }
    }

    /// Is it good for a login that came at `came`, without asking? An answer that came since then is,
    /// whatever it says: of many that wait, each would fail as the first did, one after the other.
    pub(super) fn is_new(&self, max_age: Duration, came: Instant) -> bool {
        let new = self.found.is_ok() && self.asked.elapsed() < max_age;
        new || self.answered >= came
    }

    /// Was it asked for less than `max_age` ago, whatever it says?
    pub(super) fn is_younger(&self, max_age: Duration) -> bool {
        self.asked.elapsed() < max_age
    }

    /// Is it good for a login where the server cannot be asked?
    pub(super) fn is_good(&self) -> bool {
        self.found.is_ok() && self.asked.elapsed() < SERVES_FOR
    }

    /// Is this login's objection news?
    pub(super) fn is_news(&mut self, login: &str) -> bool {
        let news = self.told.len() < MAX_TOLD && !self.told.iter().any(|told| **told == *login);
        if news {
            self.told.push(login.into());
        }
        news
    }
}

/// Whose turn it is to ask. It ends when this goes.
pub(super) type Turn = OwnedMutexGuard<()>;

/// The answer of one key.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Locked while somebody asks.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Stays while somebody asks, and if they leave before they are answered.
    answer: Mutex<Option<Answer>>,
}

impl Slot {
    /// Waits until nobody else asks.
    pub(super) async fn turn(&self) -> Turn {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// `None`: somebody asks.
    pub(super) fn try_turn(&self) -> Option<Turn> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }

    /// The answer, if there is one. Not to be held over an await.
    pub(super) fn answer(&self) -> MutexGuard<'_, Option<Answer>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What servers said.
#[derive(Debug, Default)]
pub struct Looks(Mutex<HashMap<Key, Arc<Slot>>>);

impl Looks {
    /// Forgets all of it. Who asks at this moment keeps what they are told.
    pub fn forget(&self) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.clear();
    }

    pub(super) fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_KEPT && !slots.contains_key(&key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ago(age: Duration) -> Instant {
        Instant::now().checked_sub(age).unwrap()
    }

    fn answer(age: Duration, found: Found) -> Answer {
        Answer {
            answered: ago(age),
            ..Answer::new(ago(age), found)
        }
    }

    #[test]
    fn an_answer_is_new_for_its_time_and_a_failure_for_those_who_waited_for_it() {
        let now = Instant::now();
        let age = SECOND * 60;
        assert!(answer(SECOND * 59, Ok(Vec::new())).is_new(age, now));
        assert!(!answer(age, Ok(Vec::new())).is_new(age, now));
        assert!(!answer(SECOND, Ok(Vec::new())).is_new(Duration::ZERO, now));
        let failed = || Err("no".to_owned());
        assert!(!answer(SECOND, failed()).is_new(age, now));
        assert!(answer(SECOND, failed()).is_new(age, ago(SECOND * 2)));
    }

    #[test]
    fn an_old_answer_serves_for_ten_minutes_and_a_failure_never() {
        assert!(answer(SECOND * 599, Ok(Vec::new())).is_good());
        assert!(!answer(SECOND * 600, Ok(Vec::new())).is_good());
        assert!(!answer(Duration::ZERO, Err("no".to_owned())).is_good());
    }

    #[test]
    fn what_is_kept_and_told_is_bounded() {
        let looks = Looks::default();
        let key = |number: usize| Key {
            route: RouteName::Transaction,
            endpoint: Endpoint {
                host: "localhost".to_owned(),
                port: 6432,
            },
            database: "shop".into(),
            role: number.to_string().into(),
        };
        for number in 0..=MAX_KEPT {
            let slot = looks.slot(key(number));
            assert!(Arc::ptr_eq(&slot, &looks.slot(key(number))));
            assert!(looks.0.lock().unwrap().len() <= MAX_KEPT);
        }
        let slot = looks.slot(key(MAX_KEPT));
        looks.forget();
        assert!(!Arc::ptr_eq(&slot, &looks.slot(key(MAX_KEPT))));

        let mut answer = answer(Duration::ZERO, Ok(Vec::new()));
        assert!(answer.is_news("a"));
        assert!(!answer.is_news("a"));
        let news = (0..100).filter(|login| answer.is_news(&login.to_string()));
        assert_eq!(news.count(), MAX_TOLD - 1);
    }
}
