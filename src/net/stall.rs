//! Notices a peer that takes nothing of what it is owed.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Since when, and at how many bytes, nothing moves. Its timer is made at the first stall and kept.
#[derive(Debug, Default)]
pub struct Stall {
    owed: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// Something was sent: nothing was owed before.
    pub fn sent(&mut self) {
        self.owed = usize::MAX;
    }

    /// Has the peer taken nothing for `limit`? `owed`: bytes that it is owed now. To be asked whenever
    /// the connection waits; wakes it when the limit is over. After a yes the limit begins anew.
    pub fn poll(&mut self, owed: usize, limit: Duration, cx: &mut Context<'_>) -> bool {
        let moved = self.owed != owed;
        self.owed = owed;
        if owed == 0 {
            return false;
        }
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if moved {
            timer.as_mut().reset(Instant::now() + limit);
        }
        let over = timer.as_mut().poll(cx).is_ready();
        if over {
            timer.as_mut().reset(Instant::now() + limit);
            // Once more, so that it wakes this task at the end of the next one.
            let _ = timer.as_mut().poll(cx);
        }
        over
    }

    /// Wakes the task within `limit`, for one that waits for what wakes nobody. To be asked whenever it
    /// waits so, and only while the peer is owed nothing.
    pub fn wake_within(&mut self, limit: Duration, cx: &mut Context<'_>) {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        let latest = Instant::now() + limit;
        if timer.is_elapsed() || timer.deadline() > latest {
            timer.as_mut().reset(latest);
        }
        if timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(latest);
            let _ = timer.as_mut().poll(cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);

    fn run(check: impl AsyncFnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(check());
    }

    async fn ask(stall: &mut Stall, owed: usize) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(stall.poll(owed, LIMIT, cx))).await
    }

    #[test]
    fn only_a_peer_that_takes_nothing_for_the_whole_limit_is_stalled() {
        run(async || {
            let mut stall = Stall::default();
            for owed in [0, 10, 9] {
                assert!(!ask(&mut stall, owed).await);
            }
            tokio::time::sleep(2 * LIMIT).await;
            assert!(!ask(&mut stall, 8).await);
            tokio::time::sleep(2 * LIMIT).await;
            assert!(ask(&mut stall, 8).await);
            assert!(!ask(&mut stall, 8).await);
            tokio::time::sleep(2 * LIMIT).await;
            stall.sent();
            assert!(!ask(&mut stall, 8).await);
            assert!(!ask(&mut stall, 0).await);
            tokio::time::sleep(2 * LIMIT).await;
            assert!(!ask(&mut stall, 8).await);
        });
    }

    #[test]
    fn whoever_waits_is_woken() {
        run(async || {
            let mut stall = Stall::default();
            for _ in 0..2 {
                let mut asked = false;
                let woken = std::future::poll_fn(|cx| {
                    stall.wake_within(LIMIT, cx);
                    match std::mem::replace(&mut asked, true) {
                        true => std::task::Poll::Ready(()),
                        false => std::task::Poll::Pending,
                    }
                });
                let limit = Duration::from_secs(15);
                tokio::time::timeout(limit, woken).await.expect("woken");
                let woken = std::future::poll_fn(|cx| match stall.poll(1, LIMIT, cx) {
                    true => std::task::Poll::Ready(()),
                    false => std::task::Poll::Pending,
                });
                let limit = Duration::from_secs(15);
                tokio::time::timeout(limit, woken).await.expect("woken");
            }
        });
    }
}
