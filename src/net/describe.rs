//! Long texts are described off the workers: libpg_query cannot be interrupted, and 32 KB of it
//! take longer than a worker may be held.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::sql::{Depth, Facts};

/// Texts waiting; more are refused (each may be max_statement_bytes long).
const QUEUE: usize = 64;
/// So many of them leave a login the rest of the places, however many of its own wait; and so many places are its own.
const SHARED: usize = QUEUE / 2;
const OWN: usize = 4;
/// More places, for pieces of texts of which others have run: to refuse one of those undoes nothing of what was committed.
const GOING_ON: usize = 64;
/// Threads.
const THREADS: usize = 2;
/// The parser recurses; the depth is bounded by its own check of the stack.
const STACK: usize = 16 * 1024 * 1024;

struct Job {
    text: Vec<u8>,
    depth: Depth,
    answer: oneshot::Sender<Arc<Facts>>,
}

/// Texts that wait, of each login in their order; the logins take turns. None of them is empty.
#[derive(Default)]
struct Waiting {
    logins: VecDeque<(Box<str>, VecDeque<Job>)>,
    count: usize,
}

impl Waiting {
    /// False: there is no place for it.
    fn push(&mut self, login: &str, job: Job, goes_on: bool) -> bool {
        let mine = self.logins.iter_mut().find(|(name, _)| **name == *login);
        let own = mine.as_ref().map_or(0, |(_, jobs)| jobs.len());
        let none_left = match goes_on {
            true => self.count >= QUEUE + GOING_ON,
            false => self.count >= QUEUE || (self.count >= SHARED && own >= OWN),
        };
        if none_left {
            return false;
        }
        match mine {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.logins.push_back((login.into(), [job].into())),
        }
        self.count += 1;
        true
    }

    fn pop(&mut self) -> Option<Job> {
        let (login, mut jobs) = self.logins.pop_front()?;
        let job = jobs.pop_front()?;
        if !jobs.is_empty() {
            self.logins.push_back((login, jobs));
        }
        self.count -= 1;
        Some(job)
    }
}

/// A bounded pool of describing threads. They end with the process.
#[derive(Default)]
pub struct DescribePool {
    waiting: Arc<(Mutex<Waiting>, Condvar)>,
}

impl DescribePool {
    /// Starts the threads.
    pub fn start() -> io::Result<Self> {
        let pool = Self::default();
        for _ in 0..THREADS {
            let waiting = Arc::clone(&pool.waiting);
            std::thread::Builder::new()
                .name("describe".into())
                .stack_size(STACK)
                .spawn(move || {
                    loop {
                        work(next(&waiting), crate::sql::describe_at);
                    }
                })?;
        }
        Ok(pool)
    }

    /// Queues a text of a login, to be described as closely as `depth` says. `goes_on`: it belongs to one that has begun
    /// to run. `None`: there is no place for it.
    pub fn submit(
        &self,
        login: &str,
        text: Vec<u8>,
        depth: Depth,
        goes_on: bool,
    ) -> Option<oneshot::Receiver<Arc<Facts>>> {
        let (answer, receiver) = oneshot::channel();
        let job = Job {
            text,
            depth,
            answer,
        };
        let (waiting, come) = &*self.waiting;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(login, job, goes_on).then(|| {
            come.notify_one();
            receiver
        })
    }
}

fn next((waiting, come): &(Mutex<Waiting>, Condvar)) -> Job {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match waiting.pop() {
            Some(job) => return job,
            None => waiting = come.wait(waiting).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// A text that makes `describe` panic gets no answer, and its client is let go; the thread goes on, or
/// two such texts would leave nobody to describe those of all others.
fn work(job: Job, describe: fn(&[u8], Depth) -> Facts) {
    if job.answer.is_closed() {
        return;
    }
    let Ok(facts) = std::panic::catch_unwind(|| describe(&job.text, job.depth)) else {
        tracing::error!(
            bytes = job.text.len(),
            "a long statement could not be described"
        );
        return;
    };
    // The client may be gone by now: nobody else wants the answer.
    let _ = job.answer.send(Arc::new(facts));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(text: &str) -> (Job, oneshot::Receiver<Arc<Facts>>) {
        let (answer, receiver) = oneshot::channel();
        let job = Job {
            text: text.into(),
            depth: Depth::Names,
            answer,
        };
        (job, receiver)
    }

    #[test]
    fn a_text_that_makes_the_parser_panic_costs_its_own_client_only() {
        let [boom, select] = ["boom", "select 1"].map(|text| {
            let (job, mut receiver) = job(text);
            work(job, |text, depth| {
                assert_ne!(text, b"boom", "on purpose");
                crate::sql::describe_at(text, depth)
            });
            receiver.try_recv()
        });
        assert!(boom.is_err());
        assert!(select.is_ok_and(|facts| facts.undescribed.is_none()));
    }

    fn push(waiting: &mut Waiting, login: &str) -> bool {
        waiting.push(login, job(login).0, false)
    }

    fn count(waiting: &mut Waiting, login: &str) -> usize {
        (0..100).filter(|_| push(waiting, login)).count()
    }

    #[test]
    fn the_logins_take_turns_and_none_takes_every_place() {
        let mut waiting = Waiting::default();
        assert_eq!(count(&mut waiting, "greedy"), SHARED);
        assert_eq!(count(&mut waiting, "other"), OWN);
        let first: Vec<_> = (0..4)
            .filter_map(|_| waiting.pop())
            .map(|job| String::from_utf8_lossy(&job.text).into_owned())
            .collect();
        assert_eq!(first, ["greedy", "other", "greedy", "other"]);
        let all = (0..100).map(|number| count(&mut waiting, &number.to_string()));
        assert_eq!(all.sum::<usize>() + SHARED + OWN - 4, QUEUE);
        // Who has begun finds one all the same.
        let going_on = (0..100).filter(|_| waiting.push("greedy", job("greedy").0, true));
        assert_eq!(going_on.count(), GOING_ON);
        assert_eq!(
            std::iter::from_fn(|| waiting.pop()).count(),
            QUEUE + GOING_ON
        );
        assert!(waiting.logins.is_empty() && waiting.count == 0);
        assert!(push(&mut waiting, "greedy"));
    }
}
