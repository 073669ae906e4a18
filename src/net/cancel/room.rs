//! How many cancel requests there may be at a time that somebody waits for.

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::PATIENCE;
use crate::telemetry::labels::CancelOutcome;

/// For each that is carried at a time, how many there may be that are, or wait for it.
const WAITING: usize = 16;

/// The requests that go one way: to the servers behind, or to one peer. Each way has a room of its own: one
/// where nobody answers fills no other. Who is in one is not counted among those who may still log in.
pub struct Room {
    /// Of all who are in it.
    seats: Semaphore,
    /// How many those are.
    most: usize,
    /// Of those who are carried.
    places: Semaphore,
    /// How many those are.
    carried: usize,
}

impl Room {
    /// Where so many requests are carried at a time.
    pub fn new(carried: usize) -> Self {
        let most = carried.saturating_mul(WAITING).min(Semaphore::MAX_PERMITS);
        Self {
            seats: Semaphore::new(most),
            most,
            places: Semaphore::new(carried),
            carried,
        }
    }

    /// How many are in it.
    pub fn there(&self) -> usize {
        self.most.saturating_sub(self.seats.available_permits())
    }

    /// How many sockets it may come to have: of who is in it, and of what is carried.
    pub fn sockets(&self) -> usize {
        self.most.saturating_add(self.carried)
    }

    /// One more; it leaves when what this gives is dropped.
    ///
    /// # Errors
    /// It is full.
    pub fn enter(&self) -> Result<SemaphorePermit<'_>, CancelOutcome> {
        self.seats.try_acquire().map_err(|_| CancelOutcome::Limited)
    }

    /// May be carried, until what this gives is dropped; a request waits at most 5 s for it.
    ///
    /// # Errors
    /// That was not long enough.
    pub async fn place(&self) -> Result<SemaphorePermit<'_>, CancelOutcome> {
        match timeout(PATIENCE, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(CancelOutcome::Limited),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_leaves_makes_room() {
        let room = Room::new(1);
        let mut all: Vec<_> = (0..WAITING).map(|_| room.enter().unwrap()).collect();
        assert_eq!(room.there(), WAITING);
        assert_eq!(room.enter().err(), Some(CancelOutcome::Limited));
        drop(room.place().await.unwrap());
        all.pop();
        assert_eq!(room.there(), WAITING - 1);
        assert!(room.enter().is_ok());
        assert!(room.place().await.is_ok());
    }
}
