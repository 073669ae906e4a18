//! Long texts are described off the workers: libpg_query cannot be interrupted, and 32 KB of it
//! take longer than a worker may be held.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::sql::{Depth, Facts};

/// Texts waiting; more are refused (each may be max_statement_bytes long).
const QUEUE: usize = 64;
/// Threads.
const THREADS: usize = 2;
/// The parser recurses; the depth is bounded by its own check of the stack.
const STACK: usize = 16 * 1024 * 1024;

struct Job {
    text: Vec<u8>,
    depth: Depth,
    answer: oneshot::Sender<Arc<Facts>>,
}

/// A bounded pool of describing threads. They end with the process.
pub struct DescribePool {
    jobs: SyncSender<Job>,
}

impl DescribePool {
    /// Starts the threads.
    pub fn start() -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(QUEUE);
        let inbox = Arc::new(Mutex::new(inbox));
        for _ in 0..THREADS {
            let inbox = Arc::clone(&inbox);
            std::thread::Builder::new()
                .name("describe".into())
                .stack_size(STACK)
                .spawn(move || work(&inbox, crate::sql::describe_at))?;
        }
        Ok(Self { jobs })
    }

    /// Queues a text, to be described as closely as `depth` says. `None`: the queue is full.
    pub fn submit(&self, text: &[u8], depth: Depth) -> Option<oneshot::Receiver<Arc<Facts>>> {
        let (answer, receiver) = oneshot::channel();
        let text = text.to_vec();
        let job = Job {
            text,
            depth,
            answer,
        };
        self.jobs.try_send(job).ok()?;
        Some(receiver)
    }
}

/// A text that makes `describe` panic gets no answer, and its client is let go; the thread goes on, or
/// two such texts would leave nobody to describe those of all others.
fn work(inbox: &Mutex<Receiver<Job>>, describe: fn(&[u8], Depth) -> Facts) {
    loop {
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if !job.answer.is_closed() {
            let Ok(facts) = std::panic::catch_unwind(|| describe(&job.text, job.depth)) else {
                tracing::error!(
                    bytes = job.text.len(),
                    "a long statement could not be described"
                );
                continue;
            };
            // The client may be gone by now: nobody else wants the answer.
            let _ = job.answer.send(Arc::new(facts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_makes_the_parser_panic_costs_its_own_client_only() {
        let (jobs, inbox) = sync_channel(2);
        let answers = ["boom", "select 1"].map(|text| {
            let (answer, receiver) = oneshot::channel();
            let text = text.as_bytes().to_vec();
            let depth = Depth::Names;
            let job = Job {
                text,
                depth,
                answer,
            };
            assert!(jobs.send(job).is_ok());
            receiver
        });
        drop(jobs);
        work(&Mutex::new(inbox), |text, depth| {
            assert_ne!(text, b"boom", "on purpose");
            crate::sql::describe_at(text, depth)
        });
        let [boom, select] = answers.map(|mut receiver| receiver.try_recv());
        assert!(boom.is_err());
        assert!(select.is_ok_and(|facts| facts.undescribed.is_none()));
    }
}
