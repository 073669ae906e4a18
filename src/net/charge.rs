//! The bytes that one connection holds of long statements, and those that it keeps of prepared ones, counted among
//! those of all. Each have a limit of their own: what is kept stays, and must not keep out what passes through.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::exit::Exit;
use super::shared::MAX_HELD;
use super::worker::{READ, Worker};
use crate::conversation::{ALWAYS_KEPT, Fatal};
use crate::error::SqlState;

/// What a connection has of [`MAX_HELD`] and of `max_prepared_bytes`; given back when dropped.
pub struct Charge {
    worker: Rc<Worker>,
    bytes: usize,
    kept: usize,
}

/// In what steps it is counted, bytes.
const STEP: usize = 8 * 1024;

impl Charge {
    /// Nothing yet.
    pub fn new(worker: Rc<Worker>) -> Self {
        Self {
            worker,
            bytes: 0,
            kept: 0,
        }
    }

    /// Is anything counted that is held?
    pub fn is_due(&self) -> bool {
        self.bytes > 0
    }

    /// Counts `held` bytes instead of those before. One read of each connection is free.
    pub fn set(&mut self, held: usize) -> Result<(), Exit> {
        let due = if held > READ { held } else { 0 };
        let total = &self.worker.shared.held;
        if due > self.bytes {
            let more = due - self.bytes;
            if total.fetch_add(more, Ordering::Relaxed) + more > MAX_HELD {
                total.fetch_sub(more, Ordering::Relaxed);
                return Err(Exit::Fatal(Fatal {
                    sqlstate: SqlState::OUT_OF_MEMORY,
                    message: "too many long statements are arriving at once".to_owned(),
                }));
            }
        } else {
            total.fetch_sub(self.bytes - due, Ordering::Relaxed);
        }
        self.bytes = due;
        Ok(())
    }

    /// Counts `kept` bytes of prepared statements instead of those before: none of the few that every connection
    /// may have, and else in steps, so that one statement more or less is seldom a matter for the other workers.
    /// Nothing is refused here: that is done by what [`Self::room`] says, before anything is kept.
    pub fn keep(&mut self, kept: usize) {
        let due = kept.saturating_sub(ALWAYS_KEPT).next_multiple_of(STEP);
        let total = &self.worker.shared.kept;
        if due > self.kept {
            total.fetch_add(due - self.kept, Ordering::Relaxed);
        } else if due < self.kept {
            total.fetch_sub(self.kept - due, Ordering::Relaxed);
        }
        self.kept = due;
    }

    /// How many bytes of prepared statements may be kept here, by what the other connections leave. Two who ask
    /// at once are told the same: each may then take what was left, as far as it comes with one read.
    pub fn room(&self) -> usize {
        let shared = &self.worker.shared;
        let kept = shared.kept.load(Ordering::Relaxed);
        let limit = shared.config.limits.max_prepared_bytes;
        let left = limit.saturating_sub(kept);
        ALWAYS_KEPT.saturating_add(self.kept).saturating_add(left)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let shared = &self.worker.shared;
        shared.held.fetch_sub(self.bytes, Ordering::Relaxed);
        shared.kept.fetch_sub(self.kept, Ordering::Relaxed);
    }
}
