//! Lets the rest of the process stop a connection, or ask it whether it rests.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::oneshot;

const DRAIN: u8 = 1;
const END: u8 = 2;
const QUESTION: u8 = 4;

/// Lets others stop a pump.
#[derive(Debug, Default)]
pub struct Interrupt {
    wish: AtomicU8,
    waker: Mutex<Option<Waker>>,
    question: Mutex<Option<oneshot::Sender<bool>>>,
}

impl Interrupt {
    /// End when no transaction is open.
    pub fn drain(&self) {
        self.ask(DRAIN);
    }

    /// End now.
    pub fn end(&self) {
        self.ask(END);
    }

    /// End when the time is over. Only on a worker.
    pub fn end_after(self: &Arc<Self>, limit: Duration) {
        let interrupt = Arc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(limit).await;
            interrupt.end();
        });
    }

    /// Look around: something else than a wish has changed.
    pub fn wake(&self) {
        self.ask(0);
    }

    /// Does nothing run for the client, and is there nothing of it that is yet to be read? No answer comes from
    /// one that looks at neither, or is asked again.
    pub fn does_it_rest(&self) -> oneshot::Receiver<bool> {
        let (sender, receiver) = oneshot::channel();
        *self.question() = Some(sender);
        self.ask(QUESTION);
        receiver
    }

    /// Where the answer is to go, if that was asked. Costs a load where it was not.
    pub fn asked(&self) -> Option<oneshot::Sender<bool>> {
        if self.wish.load(Ordering::Acquire) & QUESTION == 0 {
            return None;
        }
        self.wish.fetch_and(!QUESTION, Ordering::AcqRel);
        self.question().take()
    }

    fn question(&self) -> MutexGuard<'_, Option<oneshot::Sender<bool>>> {
        self.question.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, wish: u8) {
        self.wish.fetch_or(wish, Ordering::AcqRel);
        // Kept for the next wish: a task's waker stays the same.
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waker.as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Wakes this task from now on.
    pub fn register(&self, cx: &Context<'_>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
    }

    /// Asked to end now?
    pub fn is_ended(&self) -> bool {
        self.wish.load(Ordering::Acquire) & END != 0
    }

    /// Asked to end when no transaction is open?
    pub fn is_draining(&self) -> bool {
        self.wish.load(Ordering::Acquire) & DRAIN != 0
    }
}
