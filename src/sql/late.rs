//! A fingerprint that is taken when it is asked for.
//!
//! Where there are rules about names any statement may be refused, and few are: to take every
//! statement's fingerprint at once was a fifth of what an INSERT costs.

use std::sync::OnceLock;

use super::Fingerprint;
use super::fingerprint::fingerprint;

/// A longer text (bytes) is not kept for it: its fingerprint is taken at once, by whoever describes the
/// text, and asking never takes longer than a few microseconds.
const MAX_TEXT: usize = 1024;

/// The fingerprint of a text, or that none is needed. Taken once, and equal to another as soon as their
/// fingerprints are.
#[derive(Clone)]
pub struct LateFingerprint(State);

#[derive(Clone)]
enum State {
    Known(Option<Fingerprint>),
    /// In a box: every prepared statement has facts, and they are counted.
    Of(Box<Late>),
}

#[derive(Clone)]
struct Late {
    text: Box<[u8]>,
    /// Once somebody has asked.
    taken: OnceLock<Fingerprint>,
}

impl LateFingerprint {
    /// For when it is asked for; `now`: how to take it of a long text.
    pub(super) fn of(text: &[u8], now: impl FnOnce() -> Fingerprint) -> Self {
        match text.len() {
            0..=MAX_TEXT => Self(State::Of(Box::new(Late {
                text: text.into(),
                taken: OnceLock::new(),
            }))),
            _ => Some(now()).into(),
        }
    }

    /// The fingerprint; none where nothing could lead to a refusal.
    pub fn get(&self) -> Option<Fingerprint> {
        match &self.0 {
            State::Known(known) => *known,
            State::Of(late) => Some(*late.taken.get_or_init(|| fingerprint(&late.text))),
        }
    }

    /// Is there one? Does not take it.
    pub fn is_some(&self) -> bool {
        !matches!(self.0, State::Known(None))
    }

    /// Bytes that it owns.
    pub(super) fn weight(&self) -> usize {
        match &self.0 {
            State::Known(_) => 0,
            State::Of(late) => size_of::<Late>() + late.text.len(),
        }
    }
}

impl From<Option<Fingerprint>> for LateFingerprint {
    fn from(known: Option<Fingerprint>) -> Self {
        Self(State::Known(known))
    }
}

impl PartialEq for LateFingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for LateFingerprint {}

/// Not the text: it may hold what must not be logged.
impl std::fmt::Debug for LateFingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}
