//! PURE. The state machine of one connection: bytes and the gate's verdicts go in, bytes to both
//! sides come out. It follows what is in flight, which transaction the server is in, and what each
//! prepared name means; it replaces refused messages in the stream, sets the zone, and keeps the
//! parameters of a client whose server connection is handed on.
//!
//! What the client sends is handled in `client`, what the server answers in `server` and `answers`.
//! After a [`Fatal`] there is nothing to go on with. Where the whole policy only observes
//! ([`Setup::observes`]), `observing` stands in the place of both.

mod answers;
#[cfg(test)]
mod attacks;
mod bound;
mod by_sql;
mod choice;
mod client;
mod entering;
mod execute;
mod extended;
mod idling;
mod in_flight;
mod injection;
mod judge;
mod keeping;
mod modes;
mod names;
mod needs;
mod observing;
mod parameters;
mod pieces;
mod positions;
mod prepared;
mod query;
mod reading;
mod record;
mod reports;
mod rows;
mod server;
pub mod splice;
mod unpinned;
mod virtualised;

use std::sync::Arc;

use crate::error::SqlState;
use crate::policy::{Decision, Refusal, State, Who};
use crate::protocol::TransactionStatus;
use crate::sql::Facts;
use crate::sql::FactsCache;
use crate::zone::signed::Signer;
use crate::zone::spelling::Spelling;
use crate::zone::{NAME_LENGTH, Prefix};

pub use bound::{Types, without_what_is_bound};
use by_sql::BySql;
pub use idling::Idling;
use in_flight::InFlight;
use injection::Injection;
pub use injection::NUMBER_LENGTH;
pub use names::ALWAYS_KEPT;
use names::Names;
pub use observing::Change;
use observing::Onlooker;
use pieces::Pieces;
use positions::Moving;
pub use prepared::Schema;
use prepared::Statements;
pub use reading::local_form;
pub use record::MAX_NAMES;
use reports::Reports;
pub use reports::put_reports;
use rows::Rows;

/// What happens on a connection, for counters and records. Called on the data path: must be cheap.
pub trait Observer {
    /// A text was judged.
    fn judged(&self, facts: &Facts, decision: &Decision, text: &[u8]);
    /// A refusal is on its way to the client. `text`: what the refused message says; empty where it
    /// has no text or is not there whole.
    fn refused(&self, refusal: &Refusal, text: &[u8]);
    /// An observing guard would have refused something that was not judged as a text. `text`: what it says, if
    /// it has one.
    fn observed(&self, refusal: &Refusal, text: &[u8]);
    /// Where nothing is done but to look on: an enforcing policy would have done this. `facts` and
    /// `text`: of the message that would have been sent in another form, if it has a text.
    fn foreseen(&self, change: Change, facts: Option<&Facts>, text: &[u8]);
    /// A zone prefix was sent.
    fn injected(&self);
    /// A zone prefix failed.
    fn injection_failed(&self);
    /// The server answered with an error.
    fn server_error(&self, sqlstate: &[u8]);
    /// A statement was sent to run, or a cursor to be read (`None`); only on recorded connections.
    fn started(&self, facts: Option<&Facts>, text: &[u8]);
    /// The oldest statement started ended, with 00000 or an error; only on recorded connections.
    fn ended(&self, sqlstate: SqlState);
}

/// What a step of the conversation may look at: nothing here belongs to the connection itself.
pub struct Context<'a, O: Observer> {
    /// Who asks.
    pub who: &'a Who,
    /// What may have changed since the last statement.
    pub state: State,
    /// The worker's descriptions.
    pub facts: &'a mut FactsCache,
    /// The description of the text at the head of the input, when it was made elsewhere.
    pub described: Option<Arc<Facts>>,
    /// The text at the head of the input is long and cannot be described elsewhere, because too many
    /// wait for that already: it is refused.
    pub busy: bool,
    /// Where events go.
    pub observer: &'a O,
    /// Makes the tokens of the signed level.
    pub signer: &'a dyn Signer,
}

/// The parameters of a client's startup packet, on a server connection that is handed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Set in every transaction; as the server shows them.
    pub kept: Vec<(String, String)>,
    /// Given to the pool at its start, which keeps them for the client.
    pub pooled: Vec<(String, String)>,
}

/// What the conversation must know from the start.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Names the connection in errors and logs.
    pub connection: u32,
    /// Random, for the names that Portcullis uses on the server.
    pub random: [u64; 2],
    /// What sets the login's zone, if it has one that does not depend on the client.
    pub zone: Option<Arc<Prefix>>,
    /// Who sets its zone itself; see [`Who::chosen_parameter`].
    pub chooses: Option<Who>,
    /// Longest text of one Query or Parse, bytes.
    pub max_statement_bytes: usize,
    /// Record every statement (migration sessions).
    pub record: bool,
    /// The server connection holds nothing of this client between transactions (transaction mode):
    /// when it is lost while idle it is replaced.
    pub replaceable: bool,
    /// The client's startup parameters; of use where the connection is replaceable.
    pub origins: Arc<Origins>,
    /// The ParameterStatus messages that the client was sent at login; empty: none are followed.
    pub reported: Vec<u8>,
    /// The whole policy observes: the bytes of both sides go on unchanged. Not for recorded
    /// connections: what runs in a migration session is judged in any case.
    pub observes: bool,
    /// A replication connection: what it sends may be a walsender command.
    pub walsender: bool,
    /// Of Portcullis's own statements; of the whole process.
    pub spelling: Arc<Spelling>,
}

/// Why the client was not read to the end of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// All whole messages are taken: read more. `total`: bytes the message at the head needs, if known.
    Read {
        /// Bytes of the unfinished message that must be there before it can be taken; 0: unknown.
        total: usize,
    },
    /// The message at the head waits for answers from the server.
    Hold,
    /// Others may have the worker first; then come back with the rest.
    Pause,
    /// A text is long: describe it off the worker, and come back with it in [`Context::described`], or with
    /// [`Context::busy`].
    Describe {
        /// That of the message at the head, or a piece of it.
        text: Vec<u8>,
        /// Pieces of the same message have run: it should not fail for want of a place.
        goes_on: bool,
    },
    /// The client said goodbye (Terminate is in the output, but for recorded connections).
    Terminate,
}

impl Next {
    fn describe(text: &[u8]) -> Self {
        Self::Describe {
            text: text.to_vec(),
            goes_on: false,
        }
    }
}

/// What was done with a run of the client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Bytes used up.
    pub consumed: usize,
    /// And then?
    pub next: Next,
}

/// The connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    /// For the client.
    pub sqlstate: SqlState,
    /// For the client, PostgreSQL's style.
    pub message: String,
}

impl Fatal {
    fn protocol(message: impl Into<String>) -> Self {
        Self {
            sqlstate: SqlState::PROTOCOL,
            message: message.into(),
        }
    }
}

/// The rest of a message whose beginning was dealt with already.
#[derive(Clone, Copy, Debug, Default)]
struct Body {
    remaining: usize,
    /// Left out instead of carried.
    dropped: bool,
}

impl Body {
    /// Has the other side got the beginning and not yet the end?
    fn is_halfway(self) -> bool {
        self.remaining > 0 && !self.dropped
    }
}

/// Messages of the client since its last Sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Batch {
    /// None.
    #[default]
    Closed,
    /// Some were sent.
    Open,
    /// One of them failed or was refused: the server ignores, and we drop, everything up to Sync.
    Skipping,
}

/// The state machine of one connection.
#[derive(Debug)]
pub struct Conversation {
    connection: u32,
    max_statement_bytes: usize,
    /// What prepared statements may take here, by what other connections leave; bytes.
    room: usize,
    record: bool,
    replaceable: bool,
    walsender: bool,
    /// The server streams (CopyBoth), until its ReadyForQuery.
    streaming: bool,
    /// Nothing is done here but to look on.
    onlooker: Option<Box<Onlooker>>,
    /// A portal of this name never exists.
    nowhere: [u8; NAME_LENGTH],
    injection: Option<Box<Injection>>,
    reports: Reports,
    /// The server's last word.
    status: TransactionStatus,
    in_flight: InFlight,
    names: Names,
    /// What the client has named by SQL; allocated with the first.
    by_sql: Option<Box<BySql>>,
    statements: Statements,
    /// Where the login may read so many rows at a time.
    rows: Option<Box<Rows>>,
    batch: Batch,
    /// The Query at the head of the client's bytes goes on in pieces.
    pieces: Option<Box<Pieces>>,
    client_body: Body,
    server_body: Body,
    /// That body is a long error, whose position is moved when it comes.
    moving: Option<Box<Moving>>,
    copy: Copy,
    /// 00000, or the error of the simple Query at the head.
    outcome: SqlState,
    /// The server sent FATAL: it closes the connection.
    farewell: bool,
    /// PgBouncer's count of the answers it expects is wrong: it would never give the server's
    /// connection back to its pool.
    miscounted: bool,
    /// Flush was inserted because a message waits for the answers before it.
    flushed: bool,
    /// What is pinned may be lost, and the server has not said yet whether it is.
    unpinned: bool,
    /// Nothing more may begin.
    ending: bool,
    /// What was judged in this step; see [`Facts::extent`].
    judged: u32,
}

/// The COPY FROM STDIN in flight; nothing but its data, and one Sync, is sent behind it before it is
/// answered.
#[derive(Clone, Copy, Debug, Default)]
struct Copy {
    /// The server reads data: it ignores Sync and Flush.
    active: bool,
    /// The client has ended its data: whatever follows is not for the COPY.
    ended: bool,
}

impl Conversation {
    /// A conversation with a server that has just reported ReadyForQuery, idle.
    pub fn new(setup: &Setup) -> Self {
        let [statement, portal] = setup.random.map(crate::zone::name);
        let onlooker = (setup.observes && !setup.record).then(|| Box::new(Onlooker::new(setup)));
        let pooled = setup.replaceable && onlooker.is_none();
        let chooses = setup.chooses.is_some() && onlooker.is_none();
        let injects = pooled || setup.zone.is_some() || chooses;
        Self {
            connection: setup.connection,
            max_statement_bytes: setup.max_statement_bytes,
            room: usize::MAX,
            record: setup.record,
            replaceable: pooled,
            walsender: setup.walsender,
            streaming: false,
            onlooker,
            nowhere: portal,
            injection: injects.then(|| {
                let reads_only = reports::says_read_only(&setup.reported);
                Box::new(Injection::new(setup, statement, pooled, reads_only))
            }),
            reports: match pooled {
                true => Reports::new(&setup.reported, &setup.origins.kept),
                false => Reports::default(),
            },
            status: TransactionStatus::Idle,
            in_flight: InFlight::default(),
            names: Names::default(),
            by_sql: None,
            statements: Statements::default(),
            rows: None,
            batch: Batch::Closed,
            pieces: None,
            client_body: Body::default(),
            server_body: Body::default(),
            moving: None,
            copy: Copy::default(),
            outcome: SqlState::SUCCESS,
            farewell: false,
            miscounted: false,
            flushed: false,
            unpinned: false,
            ending: false,
            judged: 0,
        }
    }

    /// Do the bytes of both sides go on unchanged?
    pub fn only_looks_on(&self) -> bool {
        self.onlooker.is_some()
    }

    /// Only looking on: what would be kept of the client's startup packet is in nobody's record, and is
    /// told here.
    pub fn would_begin_with(&mut self, origins: &Origins) {
        if let Some(onlooker) = &mut self.onlooker {
            onlooker.begins_with(origins);
        }
    }

    /// From now on nothing begins any more: what was sent is answered, a COPY gets its data, a batch
    /// its Sync, and every other message of the client waits for ever.
    pub fn begin_nothing_more(&mut self) {
        self.ending = true;
        if let Some(onlooker) = &mut self.onlooker {
            onlooker.begin_nothing_more();
        }
    }

    /// Has the client sent messages that wait for its Sync? They are one piece of work to it.
    pub fn is_in_batch(&self) -> bool {
        self.batch == Batch::Open
    }

    /// Is everything that was sent answered, as far as the client has asked for answers? A Query of which pieces are
    /// still to be sent is not.
    pub fn is_answered(&self) -> bool {
        if let Some(onlooker) = &self.onlooker {
            return onlooker.is_answered();
        }
        self.in_flight.is_empty() && self.server_body.remaining == 0 && !self.is_in_pieces()
    }

    /// Nothing is in flight, no transaction is open, no message is half-way: the server connection
    /// can be given up or replaced without the client noticing.
    pub fn is_idle(&self) -> bool {
        if let Some(onlooker) = &self.onlooker {
            return onlooker.is_idle();
        }
        self.status == TransactionStatus::Idle && self.is_at_rest()
    }

    /// Does the server stream changes, which has no end of its own? The client has whole messages only.
    pub fn is_streaming(&self) -> bool {
        match &self.onlooker {
            Some(onlooker) => onlooker.is_streaming(),
            None => self.streaming && !self.server_body.is_halfway(),
        }
    }

    /// Has the client been given whole messages only?
    pub fn is_between_answers(&self) -> bool {
        match &self.onlooker {
            Some(onlooker) => onlooker.is_between_answers(),
            None => !self.server_body.is_halfway(),
        }
    }

    /// Can the lost server connection be replaced at the next statement?
    pub fn is_replaceable(&self) -> bool {
        self.replaceable && self.is_idle()
    }

    /// Must the server connection be given up now, before anything else is sent? Behind a goodbye, too: the end
    /// of the connection may come after the client's next statement.
    pub fn must_be_replaced(&self) -> bool {
        (self.miscounted || self.farewell) && self.is_replaceable()
    }

    /// The server said goodbye (FATAL), and the client has been told unless it is replaced. Where
    /// nothing is done but to look on, nobody says more than the server did.
    pub fn server_said_goodbye(&self) -> bool {
        self.farewell || self.onlooker.is_some()
    }

    /// The server connection was replaced while idle: what the old one knew is gone. The client's
    /// prepared statements are sent again.
    pub fn server_replaced(&mut self) {
        self.unfollow();
        if let Some(injection) = &mut self.injection {
            injection.server_replaced();
        }
        self.farewell = false;
        self.miscounted = false;
    }

    /// Is the transaction known to have failed? Only transaction control could have changed that since
    /// the server's last word.
    fn failed(&self) -> bool {
        let controlled = self.injection.as_ref().is_none_or(|i| i.unsettled());
        self.status == TransactionStatus::Failed && !controlled
    }
}
