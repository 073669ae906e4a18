//! The bytes that one connection holds of long statements, counted among those of all.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::exit::Exit;
use super::shared::MAX_HELD;
use super::worker::{READ, Worker};
use crate::conversation::Fatal;
use crate::error::SqlState;

/// What a connection has of [`MAX_HELD`]; given back when dropped.
pub struct Charge {
    worker: Rc<Worker>,
    bytes: usize,
}

impl Charge {
    /// Nothing yet.
    pub fn new(worker: Rc<Worker>) -> Self {
        Self { worker, bytes: 0 }
    }

    /// Is anything counted?
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
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.worker
            .shared
            .held
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
