//! Long texts are described off the workers: libpg_query cannot be interrupted, and 32 KB of it
//! take longer than a worker may be held.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::sql::Facts;

/// Texts waiting; more are refused (each may be max_statement_bytes long).
const QUEUE: usize = 64;
/// Threads.
const THREADS: usize = 2;
/// The parser recurses; the depth is bounded by its own check of the stack.
const STACK: usize = 16 * 1024 * 1024;

struct Job {
    text: Vec<u8>,
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
                .spawn(move || work(&inbox))?;
        }
        Ok(Self { jobs })
    }

    /// Queues a text. `None`: the queue is full.
    pub fn submit(&self, text: &[u8]) -> Option<oneshot::Receiver<Arc<Facts>>> {
        let (answer, receiver) = oneshot::channel();
        let text = text.to_vec();
        self.jobs.try_send(Job { text, answer }).ok()?;
        Some(receiver)
    }
}

fn work(inbox: &Mutex<Receiver<Job>>) {
    loop {
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if !job.answer.is_closed() {
            let facts = Arc::new(crate::sql::describe(&job.text));
            // The client may be gone by now: nobody else wants the answer.
            let _ = job.answer.send(facts);
        }
    }
}
