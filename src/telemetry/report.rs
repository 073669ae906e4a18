//! What guards refused, or would have refused, and what an enforcing policy would have changed: counted by
//! login, guard and statement, so that a team can look before it enforces.
//!
//! Each worker has a [`Tally`] of its own, so a flood of refusals makes nobody wait. All of them together
//! are bounded; what finds no room is counted by guard alone. In memory, since the start.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::conversation::Change;
use crate::migration::span::Millis;
use crate::policy::{Guard, Mode, Policy};
use crate::sql::Fingerprint;

/// Rows of all workers together.
const MAX_ROWS: usize = 10_000;
/// How many of them may be about what would have been changed: refusals must find room beside them.
const MAX_CHANGED: usize = 1_000;
/// Bytes of all rows together, as [`cost`] reckons.
const MAX_BYTES: usize = 4 << 20;
/// Longest example in bytes, before the mark that says there was more.
const MAX_EXAMPLE: usize = 256;
/// What a row takes beside its texts, about.
const ROW: usize = 160;

const GUARDS: usize = Guard::ALL.len();

/// What became of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It was refused.
    Refused,
    /// It passed; an enforcing guard would have refused it.
    Observed,
    /// The whole policy observes; an enforcing one would have let it pass, and done this.
    Changed(Change),
}

impl Outcome {
    /// The word in reports.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Observed => "observed",
            Self::Changed(change) if change.is_injection() => "injected",
            Self::Changed(_) => "rewritten",
        }
    }

    /// What would have been done.
    pub const fn change(self) -> Option<Change> {
        match self {
            Self::Changed(change) => Some(change),
            Self::Refused | Self::Observed => None,
        }
    }

    /// The place among [`KINDS`]; a guard that objected is there where the outcome is no change.
    fn kind(self, guard: Option<Guard>) -> usize {
        let guard = guard.map_or(0, |guard| guard as usize);
        match self {
            Self::Refused => guard,
            Self::Observed => GUARDS + guard,
            Self::Changed(change) => 2 * GUARDS + change as usize,
        }
    }
}

/// Guards that refused, guards that observed, changes.
const KINDS: usize = 2 * GUARDS + Change::ALL.len();

/// What is counted as the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who asked.
    pub login: Arc<str>,
    /// On which database.
    pub database: Arc<str>,
    /// The guard that objected; none where nobody did ([`Outcome::Changed`]).
    pub guard: Option<Guard>,
    /// The id of the rule that objected, if the guard is [`Guard::Rule`].
    pub rule: Option<Arc<str>>,
    /// The statement; none where a message without a text was refused.
    pub fingerprint: Option<Fingerprint>,
    /// The startup parameter, if it is about one.
    pub parameter: Option<Arc<str>>,
    /// Refused, or only observed?
    pub outcome: Outcome,
}

/// How often, when, and what it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// The first time.
    pub first: Millis,
    /// The last time.
    pub last: Millis,
    /// One of the statements, without constants; none where the text was not at hand.
    pub example: Option<Arc<str>>,
}

type Rows = HashMap<Key, Seen>;

/// What all workers share: the room that is left, and what found none.
#[derive(Debug)]
struct Common {
    rows: AtomicUsize,
    bytes: AtomicUsize,
    /// Of the rows, those that may be about changes.
    changed: AtomicUsize,
    others: [AtomicU64; KINDS],
}

impl Common {
    /// Is there room for one more row?
    fn take(&self, outcome: Outcome, bytes: usize) -> bool {
        let changed = usize::from(outcome.change().is_some());
        let all = [
            (&self.rows, 1),
            (&self.changed, changed),
            (&self.bytes, bytes),
        ];
        for (at, (left, amount)) in all.iter().enumerate() {
            let less = |left: usize| left.checked_sub(*amount);
            if left.fetch_update(Relaxed, Relaxed, less).is_err() {
                // What was taken is given back.
                for (left, amount) in &all[..at] {
                    left.fetch_add(*amount, Relaxed);
                }
                return false;
            }
        }
        true
    }

    /// Is there surely none?
    fn is_full(&self, outcome: Outcome) -> bool {
        let changed = outcome.change().is_some();
        self.rows.load(Relaxed) == 0 || (changed && self.changed.load(Relaxed) == 0)
    }

    fn other(&self, guard: Option<Guard>, outcome: Outcome) {
        self.others[outcome.kind(guard)].fetch_add(1, Relaxed);
    }
}

/// One worker's rows.
#[derive(Debug)]
pub struct Tally {
    rows: Arc<Mutex<Rows>>,
    common: Arc<Common>,
}

impl Tally {
    /// Counts one; `example` is asked for if it is the first of its kind. Never waits: what happens at the
    /// moment at which the rows are read is counted among the others.
    pub fn note(&self, key: Key, now: Millis, example: impl FnOnce() -> Option<Box<str>>) {
        let mut rows = match self.rows.try_lock() {
            Ok(rows) => rows,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.common.other(key.guard, key.outcome),
        };
        let (guard, outcome) = (key.guard, key.outcome);
        match rows.entry(key) {
            Entry::Occupied(mut row) => {
                let seen = row.get_mut();
                seen.count = seen.count.saturating_add(1);
                seen.last = seen.last.max(now);
            }
            // When it is full already, no text is read for nothing.
            Entry::Vacant(_) if self.common.is_full(outcome) => {
                self.common.other(guard, outcome);
            }
            Entry::Vacant(row) => {
                let example = example().map(|text| shortened(&text));
                if self
                    .common
                    .take(outcome, cost(row.key(), example.as_deref()))
                {
                    row.insert(Seen {
                        count: 1,
                        first: now,
                        last: now,
                        example,
                    });
                } else {
                    self.common.other(guard, outcome);
                }
            }
        }
    }
}

/// What a row takes in memory, about.
fn cost(key: &Key, example: Option<&str>) -> usize {
    let texts = [&key.rule, &key.parameter];
    let texts: usize = texts
        .iter()
        .map(|it| it.as_deref().map_or(0, str::len))
        .sum();
    ROW + key.login.len() + key.database.len() + texts + example.map_or(0, str::len)
}

fn shortened(text: &str) -> Arc<str> {
    if text.len() <= MAX_EXAMPLE {
        return text.into();
    }
    let end = (0..=MAX_EXAMPLE)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..end.unwrap_or(0)]).into()
}

/// What a guard does, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InMode {
    /// Its mode.
    pub mode: Mode,
    /// When a policy first said so, without a break until now.
    pub since: Millis,
    /// It has a table in the policy, and its mode stands there.
    pub table: bool,
}

/// The rows of all workers.
#[derive(Debug)]
pub struct Report {
    /// Nothing before that moment is in it.
    pub since: Millis,
    common: Arc<Common>,
    tallies: Mutex<Vec<Arc<Mutex<Rows>>>>,
    modes: Mutex<Option<[InMode; GUARDS]>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Report {
    /// Nothing yet.
    pub fn new(since: Millis) -> Self {
        Self::bounded(since, MAX_ROWS, MAX_BYTES)
    }

    fn bounded(since: Millis, rows: usize, bytes: usize) -> Self {
        let common = Common {
            rows: AtomicUsize::new(rows),
            bytes: AtomicUsize::new(bytes),
            changed: AtomicUsize::new(MAX_CHANGED),
            others: [const { AtomicU64::new(0) }; KINDS],
        };
        Self {
            since,
            common: Arc::new(common),
            tallies: Mutex::default(),
            modes: Mutex::default(),
        }
    }

    /// Rows for one more worker; to be asked for once, at its start.
    pub fn tally(&self) -> Tally {
        let rows = Arc::<Mutex<Rows>>::default();
        lock(&self.tallies).push(Arc::clone(&rows));
        Tally {
            rows,
            common: Arc::clone(&self.common),
        }
    }

    /// This policy is in force from now on.
    pub fn policy_is(&self, policy: &Policy, now: Millis) {
        let mut modes = lock(&self.modes);
        let before = *modes;
        *modes = Some(Guard::ALL.map(|guard| {
            let mode = policy.mode(guard);
            let before = before.map(|before| before[guard as usize]);
            let since = before
                .filter(|it| it.mode == mode)
                .map_or(now, |it| it.since);
            let table = policy.guards[guard as usize].table;
            InMode { mode, since, table }
        }));
    }

    /// What a guard does; `None` before there is a policy.
    pub fn mode(&self, guard: Guard) -> Option<InMode> {
        lock(&self.modes).map(|modes| modes[guard as usize])
    }

    /// All rows, the most frequent first. Holds up no worker for longer than its rows are copied.
    pub fn rows(&self) -> Vec<(Key, Seen)> {
        let mut all = Rows::new();
        let tallies = lock(&self.tallies).clone();
        for tally in tallies {
            let rows = lock(&tally).clone();
            for (key, seen) in rows {
                match all.entry(key) {
                    Entry::Vacant(row) => drop(row.insert(seen)),
                    Entry::Occupied(mut row) => row.get_mut().add(seen),
                }
            }
        }
        let mut rows: Vec<_> = all.into_iter().collect();
        let order = |key: &Key| (key.guard, key.login.clone(), key.fingerprint, key.outcome);
        rows.sort_by_cached_key(|(key, seen)| (Reverse(seen.count), order(key)));
        rows
    }

    /// How many of each guard, or change, are in no row.
    pub fn others(&self, guard: Option<Guard>, outcome: Outcome) -> u64 {
        self.common.others[outcome.kind(guard)].load(Relaxed)
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.example = self.example.take().or(other.example);
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
