//! Carries bytes both ways between a client and its server connection, and lets the conversation
//! look at them. It decides nothing.
//!
//! One task and one poll function per connection. A read goes into the worker's scratch memory and
//! is written on at once; only what the other side does not take is kept, and while it is kept the
//! reading side rests.

mod ending;
mod idle;
mod moving;

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::charge::Charge;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::observer::Watcher;
use super::schema::Moving;
use super::stall::Stall;
use super::standing::Standing;
use super::stream::{Backlog, Held, Stream};
use super::worker::{READ, Scratch, Worker};
use crate::conversation::splice::Splice;
use crate::conversation::{self, Conversation, Fatal, Next};
use crate::error::SqlState;
use crate::migration::Session;
use crate::policy::{Chosen, State, Who};
use crate::sql::Facts;
use crate::telemetry::labels::Direction;
use idle::Idle;

/// Rounds of one poll: a fast pair of peers must not hold the worker.
const MAX_ROUNDS: usize = 16;

/// No round of a poll begins later than this: many small statements in one read cost more than
/// bytes that are only carried.
const SLICE: Duration = Duration::from_millis(1);

/// What the client's bytes wait for.
#[derive(Debug)]
enum Waiting {
    /// More bytes.
    Bytes,
    /// Answers from the server.
    Answers,
    /// A description of a long text.
    Description(oneshot::Receiver<Arc<Facts>>),
    /// Nothing: what is held is to be looked at again.
    Again,
}

/// One connection at work.
pub struct Pump {
    worker: Rc<Worker>,
    client: Stream,
    server: Option<Stream>,
    conversation: Conversation,
    who: Who,
    session: Option<Arc<Session>>,
    /// Something of that session runs.
    moving: Option<Moving>,
    watcher: Watcher,
    interrupt: Arc<Interrupt>,
    registered: bool,
    waiting: Waiting,
    described: Option<Arc<Facts>>,
    /// Nobody could take the text at the head of `from_client` to describe it.
    busy: bool,
    from_client: Held,
    /// For `from_client`.
    charge: Charge,
    from_server: Held,
    to_client: Backlog,
    to_server: Backlog,
    /// When the client's bytes were read last, or could go on after a wait for answers.
    read_at: Instant,
    /// Bytes of the client have been written to the server since that was counted last.
    passed_on: bool,
    /// The client said goodbye: only what is owed to the server is still written.
    leaving: bool,
    /// With what was read from files last.
    standing: Standing,
    /// Of the server.
    stall: Stall,
    /// Of the client.
    idle: Idle,
}

/// What a pump is made of.
pub struct Parts {
    /// The worker it lives on.
    pub worker: Rc<Worker>,
    /// The client.
    pub client: Stream,
    /// The server.
    pub server: Stream,
    /// The state machine.
    pub conversation: Conversation,
    /// Who asks.
    pub who: Who,
    /// The migration session it belongs to.
    pub session: Option<Arc<Session>>,
    /// Counts and records.
    pub watcher: Watcher,
    /// Lets others stop it.
    pub interrupt: Arc<Interrupt>,
    /// Of `who`.
    pub standing: Standing,
}

impl Pump {
    /// Ready to run.
    pub fn new(parts: Parts) -> Self {
        Self {
            charge: Charge::new(Rc::clone(&parts.worker)),
            worker: parts.worker,
            client: parts.client,
            server: Some(parts.server),
            conversation: parts.conversation,
            who: parts.who,
            session: parts.session,
            moving: None,
            watcher: parts.watcher,
            interrupt: parts.interrupt,
            registered: false,
            waiting: Waiting::Bytes,
            described: None,
            busy: false,
            from_client: Held::default(),
            from_server: Held::default(),
            to_client: Backlog::default(),
            to_server: Backlog::default(),
            read_at: Instant::now(),
            passed_on: false,
            leaving: false,
            standing: parts.standing,
            stall: Stall::default(),
            idle: Idle::default(),
        }
    }

    /// Runs until it cannot go on by itself. After [`Exit::NeedServer`] it can be run again with
    /// [`Self::replace_server`]; after every other exit it is over.
    pub async fn run(&mut self) -> Exit {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// A new server connection.
    pub fn replace_server(&mut self, server: Stream) {
        self.server = Some(server);
        self.from_server = Held::default();
        self.to_server = Backlog::default();
        self.conversation.server_replaced();
        self.waiting = Waiting::Again;
    }

    /// Who asks, by the policy that judges now.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Who counts and records what happens here.
    pub fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// The client's stream, to say the last words on.
    pub fn client(&mut self) -> &mut Stream {
        &mut self.client
    }

    /// May the server connection be given back in good order?
    pub fn is_idle(&self) -> bool {
        self.conversation.is_idle() && self.to_server.is_empty()
    }

    /// Do the bytes of both sides go on unchanged?
    pub fn only_looks_on(&self) -> bool {
        self.conversation.only_looks_on()
    }

    /// The server's stream.
    pub fn server(&mut self) -> Option<&mut Stream> {
        self.server.as_mut()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let began = Instant::now();
        let worker = Rc::clone(&self.worker);
        let mut scratch = worker.scratch.borrow_mut();
        let polled = self.turn(cx, &mut scratch, began);
        self.charge.keep(self.conversation.kept_bytes());
        // A burst must not stay with the worker for ever.
        scratch.out.clear();
        scratch.out.shrink_to(4 * READ);
        worker.counters.poll(began.elapsed());
        match polled {
            Ok(()) => Poll::Pending,
            Err(exit) => Poll::Ready(exit),
        }
    }

    /// Goes on until both sides wait.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        began: Instant,
    ) -> Result<(), Exit> {
        self.heed_interrupt(cx)?;
        let mut now = began;
        for _ in 0..MAX_ROUNDS {
            self.pay(cx)?;
            self.over()?;
            let answered = self.poll_server(cx, scratch)?;
            if answered {
                // What the answers took is not what the client's messages take.
                now = Instant::now();
            }
            let asked = self.poll_client(cx, scratch, now)?;
            if !answered && !asked {
                self.idled(cx)?;
                return self.stalled(cx);
            }
            now = Instant::now();
            if std::mem::take(&mut self.passed_on) {
                let added = now.saturating_duration_since(self.read_at);
                self.worker.counters.added_latency(added);
            }
            if now > began + SLICE {
                break;
            }
        }
        // The others on this worker first: those as well of whom the driver has not told yet. To wake itself would be to
        // run again before it is asked, up to 61 times.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
        Ok(())
    }

    /// Writes what is owed.
    fn pay(&mut self, cx: &mut Context<'_>) -> Result<(), Exit> {
        if !self.to_client.is_empty() {
            let paid = self.to_client.drain(&mut self.client, cx);
            paid.map_err(|_| Exit::ClientGone)?;
        }
        if !self.to_server.is_empty()
            && let Some(server) = &mut self.server
        {
            let paid = self.to_server.drain(server, cx);
            paid.map_err(|_| self.server_gone())?;
        }
        if self.leaving && self.to_server.is_empty() {
            return Err(Exit::Goodbye);
        }
        Ok(())
    }

    /// Reads from the server and passes on; false when there is nothing to do.
    fn poll_server(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<bool, Exit> {
        if !self.to_client.is_empty() || self.leaving {
            return Ok(false);
        }
        let Some(server) = &mut self.server else {
            return Ok(false);
        };
        // What is held is part of a message: a few bytes, an ErrorResponse at most.
        let held = self.from_server.bytes().len();
        scratch.read[..held].copy_from_slice(self.from_server.bytes());
        let length = match server.poll_into(cx, &mut scratch.read[held..]) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(length)) if length > 0 => length,
            // An error is an end: what matters is what the conversation was in the middle of.
            Poll::Ready(_) => return self.server_ended(),
        };
        self.worker.counters.forwarded(Direction::ToClient, length);
        let Scratch { read, out, own } = scratch;
        own.clear();
        let input = &read[..held + length];
        let mut splice = Splice::new(input, out);
        let used = self
            .conversation
            .from_server(input, &self.watcher, &mut splice, own);
        // What was carried ahead of an error ends with a message, and the last words stand behind it.
        let sent = self.to_client.send(&mut self.client, cx, splice.finish());
        let used = used.map_err(Exit::Fatal)?;
        sent.map_err(|_| Exit::ClientGone)?;
        self.from_server.hold(&input[used..]);
        if !own.is_empty() {
            self.stall.sent();
            let sent = self.to_server.send(server, cx, own);
            sent.map_err(|_| self.server_gone())?;
        }
        self.tell_of_migration();
        self.over()?;
        if self.conversation.must_be_replaced() {
            return self.server_ended();
        }
        if matches!(self.waiting, Waiting::Answers) {
            self.waiting = Waiting::Bytes;
            // It was the server that let it wait.
            self.read_at = Instant::now();
            self.ask_again(cx, scratch)?;
        }
        Ok(true)
    }

    /// Reads from the client and passes on; false when there is nothing to do.
    fn poll_client(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Result<bool, Exit> {
        // A client that does not take its refusals gets no more of them.
        if !self.to_server.is_empty() || self.to_client.is_large() || self.leaving {
            return Ok(false);
        }
        match &mut self.waiting {
            Waiting::Answers => {
                self.held_back(cx, scratch)?;
                return Ok(false);
            }
            Waiting::Again => {
                self.waiting = Waiting::Bytes;
                self.ask_again(cx, scratch)?;
                return Ok(true);
            }
            Waiting::Description(receiver) => {
                let Poll::Ready(described) = Pin::new(receiver).poll(cx) else {
                    // Where nothing runs there is nothing to stop: a description does not take long.
                    if !self.conversation.is_answered() {
                        self.held_back(cx, scratch)?;
                    }
                    return Ok(false);
                };
                self.described = Some(described.map_err(|_| not_described())?);
                self.waiting = Waiting::Bytes;
                self.ask_again(cx, scratch)?;
                return Ok(true);
            }
            Waiting::Bytes => {}
        }
        let held = self.from_client.bytes().len();
        let small = held <= READ / 2;
        let start = if small { held } else { 0 };
        let length = match self.client.poll_into(cx, &mut scratch.read[start..]) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(length)) if length > 0 => length,
            Poll::Ready(_) => return Err(Exit::ClientGone),
        };
        self.read_at = now;
        self.worker.counters.forwarded(Direction::ToServer, length);
        if !small {
            self.charge.set(held + length)?;
            self.from_client.extend(&scratch.read[..length]);
            self.ask_again(cx, scratch)?;
            return Ok(true);
        }
        scratch.read[..held].copy_from_slice(self.from_client.bytes());
        if self.server.is_none() {
            if scratch.read[0] == b'X' {
                return Err(Exit::Goodbye);
            }
            self.from_client.hold(&scratch.read[..held + length]);
            return Err(Exit::NeedServer);
        }
        let Scratch { read, out, own } = scratch;
        let input = &read[..held + length];
        let used = self.ask(cx, input, out, own)?;
        if used < input.len() {
            self.from_client.hold(&input[used..]);
        } else if held > 0 {
            self.from_client = Held::default();
        }
        Ok(true)
    }

    /// Lets the conversation look at what is held already.
    fn ask_again(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), Exit> {
        if self.from_client.is_empty() {
            return Ok(());
        }
        if self.server.is_none() {
            return Err(Exit::NeedServer);
        }
        let input = self.from_client.take();
        let used = self.ask(cx, &input, &mut scratch.out, &mut scratch.own)?;
        self.from_client.put_back(input, used);
        if self.charge.is_due() {
            self.charge.set(self.from_client.bytes().len())?;
        }
        Ok(())
    }

    /// Gives `input` to the conversation and writes what comes of it; returns the bytes used up.
    fn ask(
        &mut self,
        cx: &mut Context<'_>,
        input: &[u8],
        out: &mut Vec<u8>,
        own: &mut Vec<u8>,
    ) -> Result<usize, Exit> {
        self.keep_up();
        self.conversation.may_keep(self.charge.room());
        self.conversation
            .schema_is(self.worker.shared.schemas.now());
        own.clear();
        let mut splice = Splice::new(input, out);
        let taken = {
            let mut facts = self.worker.facts.borrow_mut();
            let mut context = conversation::Context {
                who: &self.who,
                state: State {
                    migration_open: self
                        .session
                        .as_ref()
                        .is_some_and(|session| session.is_open()),
                    phase: self.session.as_ref().and_then(|session| session.phase),
                    // Only exceptions go by the day.
                    today: (!self.who.policy.exceptions.is_empty()).then(crate::clock::today),
                    // The conversation knows.
                    chosen: Chosen::No,
                    first: false,
                },
                facts: &mut facts,
                described: self.described.take(),
                busy: std::mem::take(&mut self.busy),
                observer: &self.watcher,
                signer: &*self.worker,
            };
            let taken = self
                .conversation
                .from_client(input, &mut context, &mut splice, own);
            self.described = context.described;
            self.worker
                .counters
                .facts_cache(facts.hits(), facts.misses());
            taken
        };
        self.tell_of_migration();
        // What was accepted before an error is still on its way.
        let bytes = splice.finish();
        if let Some(server) = &mut self.server
            && !bytes.is_empty()
        {
            self.stall.sent();
            self.passed_on = true;
            let sent = self.to_server.send(server, cx, bytes);
            sent.map_err(|_| self.server_gone())?;
        }
        if !own.is_empty() {
            let sent = self.to_client.send(&mut self.client, cx, own);
            sent.map_err(|_| Exit::ClientGone)?;
        }
        let taken = taken.map_err(Exit::Fatal)?;
        if taken.consumed > 0 {
            self.idle.is_over();
        }
        match taken.next {
            Next::Read { .. } => {}
            Next::Hold => self.waiting = Waiting::Answers,
            Next::Pause => self.waiting = Waiting::Again,
            Next::Describe { text, goes_on } => self.describe(text, goes_on),
            Next::Terminate => {
                self.leaving = true;
                self.pay(cx)?;
            }
        }
        self.let_go()?;
        Ok(taken.consumed)
    }

    fn describe(&mut self, text: Vec<u8>, goes_on: bool) {
        let depth = self.worker.facts.borrow().depth();
        let login = &self.who().login.name;
        let pool = &self.worker.shared.describe;
        self.waiting = match pool.submit(login, text, depth, goes_on) {
            Some(receiver) => Waiting::Description(receiver),
            None => {
                self.busy = true;
                Waiting::Again
            }
        };
    }
}

fn not_described() -> Exit {
    Exit::Fatal(Fatal {
        sqlstate: SqlState::INSUFFICIENT_RESOURCES,
        message: "a long statement could not be judged".to_owned(),
    })
}
