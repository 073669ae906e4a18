//! What the migration sessions of this process do to schemas, as far as prepared statements must know: on any database, for
//! few look so closely.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::shared::Shared;
use crate::conversation::Schema;

/// Counts what migration sessions run. Read once for whatever is read of a client: two loads.
#[derive(Debug, Default)]
pub struct Schemas {
    running: AtomicUsize,
    version: AtomicU32,
}

impl Schemas {
    /// As they are now. What begins behind this waits for the locks of what is sent under it, but for what waits in
    /// PgBouncer.
    pub fn now(&self) -> Schema {
        // In the other order from that in which they are changed.
        let moves = self.running.load(Ordering::Acquire) > 0;
        let version = self.version.load(Ordering::Acquire);
        Schema::new(version, moves)
    }
}

/// A migration session has something running, or a transaction open. Over when dropped.
pub struct Moving(Arc<Shared>);

impl Moving {
    /// From now on.
    pub fn begin(shared: &Arc<Shared>) -> Self {
        shared.schemas.running.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.0.schemas.version.fetch_add(1, Ordering::AcqRel);
        self.0.schemas.running.fetch_sub(1, Ordering::AcqRel);
    }
}
