//! Where the requests with one key go, and when: one after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::net::interrupt::Interrupt;
use crate::net::shared::Target;
use crate::telemetry::labels::CancelOutcome;

/// A client that takes longer to say whether anything runs for it is taken for one that waits for something.
const ANSWER: Duration = Duration::from_secs(1);

/// What a key leads to.
pub struct Route {
    /// `None` between two server connections.
    target: Mutex<Option<Target>>,
    /// Of the client whose key it is: it knows whether anything runs.
    pub interrupt: Arc<Interrupt>,
    /// To be carried.
    turn: Semaphore,
    /// Somebody waits for its turn.
    next: AtomicBool,
}

impl Route {
    /// Leads nowhere yet.
    pub fn new(interrupt: Arc<Interrupt>) -> Self {
        Self {
            target: Mutex::default(),
            interrupt,
            turn: Semaphore::new(1),
            next: AtomicBool::new(false),
        }
    }

    /// From now on it leads there.
    pub fn lead_to(&self, target: Option<Target>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Where it leads now.
    pub fn target(&self) -> Option<Target> {
        let target = self.target.lock();
        target.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does nothing run, at a time behind this call? Only a client that says so is believed to rest.
    pub async fn rests(&self) -> bool {
        let answer = tokio::time::timeout(ANSWER, self.interrupt.does_it_rest());
        matches!(answer.await, Ok(Ok(true)))
    }

    /// Waits until no other request with this key is being carried. One that waits already does for this one,
    /// too: it has yet to be carried, whatever this one is meant for. One that is being carried does not: it may
    /// have hit the statement before.
    ///
    /// # Errors
    /// Another one waits.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, CancelOutcome> {
        if self.next.swap(true, Ordering::AcqRel) {
            return Err(CancelOutcome::Merged);
        }
        // Whatever ends the wait: who comes from now on is not this one's business any more.
        let _waiting = Waiting(&self.next);
        let turn = self.turn.acquire().await;
        turn.map_err(|_| CancelOutcome::Idle)
    }
}

/// Who is next, until it is its turn.
struct Waiting<'r>(&'r AtomicBool);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn one_is_carried_and_one_waits_and_does_for_all_who_came_before_its_turn() {
        let route = Route::new(Arc::default());
        let mut cx = Context::from_waker(Waker::noop());
        let merged = |cx: &mut Context<'_>| {
            let polled = pin!(route.turn()).poll(cx);
            matches!(polled, Poll::Ready(Err(CancelOutcome::Merged)))
        };
        let Poll::Ready(Ok(first)) = pin!(route.turn()).poll(&mut cx) else {
            panic!("nobody is there");
        };
        let mut second = pin!(route.turn());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(merged(&mut cx) && merged(&mut cx));
        drop(first);
        let Poll::Ready(Ok(second)) = second.as_mut().poll(&mut cx) else {
            panic!("it is next");
        };
        // Who comes while that one is being carried gets a turn of its own; and so when one gives up.
        for _ in 0..2 {
            let mut third = pin!(route.turn());
            assert!(third.as_mut().poll(&mut cx).is_pending());
            assert!(merged(&mut cx));
        }
        drop(second);
        assert!(pin!(route.turn()).poll(&mut cx).is_ready());
        assert!(!merged(&mut cx));
    }
}
