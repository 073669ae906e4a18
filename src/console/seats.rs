//! How many connections of the console there may be, and whose: whoever may only look must not keep those
//! out who can end a session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections at a time; more are refused with 53300.
pub(super) const MAX_CONNECTIONS: usize = 32;
/// So many of them only root and the proxy's own user get.
const FOR_OWNERS: usize = 8;
/// So many one of the others gets.
const MAX_OF_ONE: usize = 16;

/// The connections of each user.
#[derive(Default)]
pub(super) struct Seats(Mutex<HashMap<u32, usize>>);

/// One of them, until it is dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    uid: u32,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for this user, if there is one.
    pub fn take(self: &Arc<Self>, uid: u32, owner: bool) -> Option<Seat> {
        let mut taken = self.lock();
        let all: usize = taken.values().sum();
        let own = taken.get(&uid).copied().unwrap_or(0);
        let free = match owner {
            true => all < MAX_CONNECTIONS,
            false => all < MAX_CONNECTIONS - FOR_OWNERS && own < MAX_OF_ONE,
        };
        if !free {
            return None;
        }
        taken.insert(uid, own + 1);
        Some(Seat {
            seats: Arc::clone(self),
            uid,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        match taken.get_mut(&self.uid) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.uid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_find_a_seat_whatever_the_others_take() {
        let seats = Arc::new(Seats::default());
        let of = |uid| -> Vec<Seat> {
            let taken = std::iter::repeat_with(|| seats.take(uid, uid == 0));
            taken.map_while(|seat| seat).collect()
        };
        let (one, two) = (of(1000), of(1001));
        assert_eq!((one.len(), two.len()), (MAX_OF_ONE, 8));
        assert!(seats.take(1002, false).is_none());
        assert_eq!(of(0).len(), FOR_OWNERS);
        drop((one, two));
        assert!(seats.lock().is_empty());
        assert_eq!(of(0).len(), MAX_CONNECTIONS);
    }
}
