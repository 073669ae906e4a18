//! Drives a conversation as `net::pump` does: bytes are taken as they come, what is not used up is
//! held and comes again, and a client that waits for answers is not read.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use portcullis::conversation::splice::Splice;
use portcullis::conversation::{Change, Context, Conversation, Fatal, Next, Observer};
use portcullis::error::SqlState;
use portcullis::policy::{Chosen, Decision, Refusal, State, Who};
use portcullis::sql::{Facts, FactsCache, describe};

use super::frames;
use super::who::{Login, Notary};

/// Longest text, bytes: short, so that tests reach it.
pub const MAX_STATEMENT: usize = 64 * 1024;

/// What the conversation reported.
#[derive(Debug, Default)]
pub struct Seen {
    /// Guards that refused, in order.
    pub refused: RefCell<Vec<&'static str>>,
    pub injected: Cell<usize>,
    pub injections_failed: Cell<usize>,
    /// Statements started and not ended: recorded connections only.
    pub running: Cell<isize>,
}

impl Observer for Seen {
    fn judged(&self, _: &Facts, _: &Decision, _: &[u8]) {}

    fn refused(&self, refusal: &Refusal, _: &[u8]) {
        self.refused.borrow_mut().push(refusal.guard.id());
    }

    fn observed(&self, _: &Refusal, _: &[u8]) {}
    fn foreseen(&self, _: Change, _: Option<&Facts>, _: &[u8]) {}
    fn injected(&self) {
        self.injected.set(self.injected.get() + 1);
    }

    fn injection_failed(&self) {
        self.injections_failed.set(self.injections_failed.get() + 1);
    }

    fn server_error(&self, _: &[u8]) {}

    fn started(&self, _: Option<&Facts>, _: &[u8]) {
        self.running.set(self.running.get() + 1);
    }

    fn ended(&self, _: SqlState) {
        self.running.set(self.running.get() - 1);
    }
}

/// A conversation between two byte streams.
pub struct Driver {
    conversation: Conversation,
    who: Who,
    facts: FactsCache,
    pub seen: Seen,
    /// The migration session that the connection belongs to is open.
    pub migration_open: bool,
    /// From the client, read and not used up.
    from_client: Vec<u8>,
    /// The client is not read until the server has answered.
    waiting: bool,
    /// From the server, read and not used up.
    from_server: Vec<u8>,
    pub to_server: Vec<u8>,
    pub to_client: Vec<u8>,
    pub fatal: Option<Fatal>,
    /// The client said goodbye.
    pub left: bool,
    scratch: Vec<u8>,
}

impl Driver {
    pub fn new(login: Login) -> Self {
        let who = login.who();
        let mut facts = FactsCache::new(1 << 20, 1);
        facts.set_depth(who.policy.depth());
        Self {
            conversation: Conversation::new(&login.setup(MAX_STATEMENT)),
            who,
            facts,
            seen: Seen::default(),
            migration_open: login == Login::Migrator,
            from_client: Vec::new(),
            waiting: false,
            from_server: Vec::new(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            fatal: None,
            left: false,
            scratch: Vec::new(),
        }
    }

    /// May the client be read now?
    pub fn reads_client(&self) -> bool {
        !self.waiting && !self.is_over()
    }

    /// Did it end?
    pub fn is_over(&self) -> bool {
        self.fatal.is_some() || self.left
    }

    /// Bytes of the client that were read and not used up.
    pub fn held(&self) -> usize {
        self.from_client.len()
    }

    pub fn is_idle(&self) -> bool {
        self.conversation.is_idle()
    }

    /// A read from the client; only while [`Self::reads_client`].
    pub fn client_sends(&mut self, bytes: &[u8]) {
        assert!(self.reads_client(), "the client is not to be read now");
        self.from_client.extend_from_slice(bytes);
        self.ask();
    }

    /// A read from the server.
    pub fn server_sends(&mut self, bytes: &[u8]) {
        if self.is_over() {
            return;
        }
        self.from_server.extend_from_slice(bytes);
        let mut splice = Splice::new(&self.from_server, &mut self.scratch);
        let used = self.conversation.from_server(
            &self.from_server,
            &self.seen,
            &mut splice,
            &mut self.to_server,
        );
        self.to_client.extend_from_slice(splice.finish());
        match used {
            Ok(used) => {
                assert!(used <= self.from_server.len());
                self.from_server.drain(..used);
            }
            Err(fatal) => {
                let (_, rest) = frames::split(&self.to_client);
                assert!(rest.is_empty(), "the last words are part of a message");
                self.fatal = Some(fatal);
                return;
            }
        }
        if std::mem::take(&mut self.waiting) {
            self.ask();
        }
    }

    /// The pooler closed the idle server connection and another one was made; false when that
    /// would be noticed.
    pub fn replace_server(&mut self) -> bool {
        let replaceable = self.conversation.is_replaceable();
        if replaceable {
            self.conversation.server_replaced();
        }
        replaceable
    }

    /// Lets the conversation look at what is held.
    fn ask(&mut self) {
        let mut described = None;
        loop {
            let mut splice = Splice::new(&self.from_client, &mut self.scratch);
            let mut context = Context {
                who: &self.who,
                state: State {
                    phase: None,
                    migration_open: self.migration_open,
                    today: None,
                    chosen: Chosen::No,
                    first: false,
                },
                facts: &mut self.facts,
                described: described.take(),
                busy: false,
                observer: &self.seen,
                signer: &Notary,
            };
            let taken = self.conversation.from_client(
                &self.from_client,
                &mut context,
                &mut splice,
                &mut self.to_client,
            );
            self.to_server.extend_from_slice(splice.finish());
            let taken = match taken {
                Ok(taken) => taken,
                Err(fatal) => {
                    self.fatal = Some(fatal);
                    return;
                }
            };
            assert!(taken.consumed <= self.from_client.len());
            if let Next::Describe { text, .. } = &taken.next {
                described = Some(Arc::new(describe(text)));
            }
            self.from_client.drain(..taken.consumed);
            match taken.next {
                Next::Describe { .. } | Next::Pause => {}
                Next::Read { .. } => return,
                Next::Hold => {
                    self.waiting = true;
                    return;
                }
                Next::Terminate => {
                    self.left = true;
                    return;
                }
            }
        }
    }
}
