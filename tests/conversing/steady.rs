//! One connection in steady state, without sockets: batches in, answers out. What the test of
//! allocations and the micro-benchmark share.

use std::sync::Arc;

use portcullis::conversation::splice::Splice;
use portcullis::conversation::{Context, Conversation, Next, Observer, Origins, Setup, Taken};
use portcullis::policy::{Policy, State, Who};
use portcullis::protocol::frame::{SYNC, message, put_cstr};
use portcullis::sql::FactsCache;
use portcullis::zone::Prefix;
use portcullis::zone::signed::Unsigned;

const POLICY: &str = r#"
schema = 1
environment = "production"

[zone]
parameter = "app.tenant_id"
databases = ["shop"]

[login.plain]
kind = "service"
databases = ["app"]

[login.zoned]
kind = "service"
databases = ["shop"]
zone = "acme"
"#;

/// The statement that is run again and again.
pub const SELECT: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = $1;";
pub const READY: &[u8] = b"Z\0\0\0\x05I";
pub const PARSED: &[u8] = b"1\0\0\0\x04";
pub const BOUND: &[u8] = b"2\0\0\0\x04";
/// What the guard ahead of a simple Query answers.
pub const GUARD: &[u8] = b"T\0\0\0\x06\0\0C\0\0\0\x0dSELECT 0\0";

/// How the login stands to zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// It has none.
    None,
    /// Its statement is closed in every transaction.
    Closed,
    /// Its statement stays: the pool follows names.
    Kept,
    /// The same, and the client has [`PARAMETERS`] of its own.
    WithParameters,
}

/// What the client's startup packet sets; none of it is the server's default.
const PARAMETERS: [(&str, &str); 10] = [
    ("statement_timeout", "1min"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "1min"),
    ("search_path", "public"),
    ("work_mem", "8MB"),
    ("jit", "off"),
    ("client_min_messages", "warning"),
    ("intervalstyle", "iso_8601"),
    ("random_page_cost", "1.1"),
    ("cursor_tuple_fraction", "0.2"),
];

impl Zone {
    /// What the server answers to the prefix.
    pub fn answer(self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Closed => prefixed(b"312C3"),
            Self::Kept | Self::WithParameters => prefixed(b"2C"),
        }
    }

    /// What it answers to what was prepared, ahead of Bind: where the pool does not follow names, or the
    /// client has a search_path of its own, the statement is said again.
    pub fn answer_to_prepared(self) -> Vec<u8> {
        match self {
            Self::Closed | Self::WithParameters => [&self.answer(), PARSED].concat(),
            Self::None | Self::Kept => self.answer(),
        }
    }

    /// What it answers to Parse: the client's parameters are set ahead of it.
    pub fn answer_to_parse(self) -> Vec<u8> {
        match self {
            Self::WithParameters => [&self.answer(), PARSED].concat(),
            _ => [PARSED, &self.answer()].concat(),
        }
    }
}

fn prefixed(kinds: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for kind in kinds {
        match kind {
            b'C' => message(&mut out, *kind, |body| put_cstr(body, b"SELECT 0")),
            _ => message(&mut out, *kind, |_| ()),
        }
    }
    out
}

/// One connection and everything it looks at.
pub struct Connection<O> {
    conversation: Conversation,
    who: Who,
    facts: FactsCache,
    observer: O,
    scratch: Vec<u8>,
    own: Vec<u8>,
}

impl<O: Observer> Connection<O> {
    pub fn new(zone: Zone, observer: O) -> Self {
        let (policy, _) = Policy::parse(POLICY, "production.toml").expect("the policy is valid");
        let (name, database) = match zone {
            Zone::None => ("plain", "app"),
            _ => ("zoned", "shop"),
        };
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let kept = match zone {
            Zone::WithParameters => PARAMETERS.map(pair).to_vec(),
            _ => Vec::new(),
        };
        let pooled = Vec::new();
        let login = Arc::clone(&policy.logins[name]);
        let prefix = |zone: &str| Arc::new(Prefix::new(&[("app.tenant_id", zone)], None));
        let setup = Setup {
            connection: 1,
            random: [1, 2],
            zone: login.zone.as_ref().map(|_| prefix("acme")),
            chooses: None,
            max_statement_bytes: 1 << 20,
            record: false,
            replaceable: true,
            origins: Arc::new(Origins { kept, pooled }),
            reported: Vec::new(),
            observes: false,
            walsender: false,
            spelling: Arc::default(),
        };
        let mut connection = Self {
            conversation: Conversation::new(&setup),
            who: Who {
                policy: Arc::new(policy),
                login,
                database: database.into(),
            },
            facts: FactsCache::new(1 << 20, 1),
            observer,
            scratch: Vec::new(),
            own: Vec::new(),
        };
        connection.settle_in(zone);
        connection
    }

    /// Transactions until the pool has been asked, and the statement is where it stays.
    fn settle_in(&mut self, zone: Zone) {
        let batch = query("select 1");
        let answer = |prefix: &[u8]| [prefix, GUARD, &answer(0), READY].concat();
        let closed = answer(&prefixed(b"312C3"));
        if zone == Zone::None {
            return;
        }
        while self.client(&batch) > 0 {
            self.server(&closed);
        }
        match zone {
            Zone::Kept | Zone::WithParameters => {
                self.server(&[&prefixed(b"312C3"), READY].concat())
            }
            _ => self.server(&[&prefixed(b"312"), &answer_row(), &prefixed(b"C3"), READY].concat()),
        };
        assert_eq!(self.client(&batch), batch.len());
        match zone {
            Zone::Kept | Zone::WithParameters => self.server(&answer(&prefixed(b"312C"))),
            _ => self.server(&closed),
        };
    }

    /// The Parse of a name, which the pool is asked for if it was not yet: it follows names.
    pub fn prepare(&mut self, batch: &[u8], zone: Zone) {
        if self.client(batch) == 0 {
            self.server(&[&prefixed(b"312C3"), READY].concat());
            assert_eq!(self.client(batch), batch.len());
        }
        let parsed = match zone {
            Zone::WithParameters => zone.answer_to_parse(),
            _ => PARSED.to_vec(),
        };
        self.server(&[&parsed, READY].concat());
    }

    /// One step with what has been read of the client; bytes used up, and whether it goes on without an answer.
    #[allow(dead_code, reason = "the test of allocations takes whole batches")]
    pub fn step(&mut self, read: &[u8]) -> (usize, bool) {
        let taken = self.take(read);
        self.own.clear();
        let goes_on = taken.next == Next::Pause || taken.consumed > 0;
        (taken.consumed, goes_on && taken.next != Next::Hold)
    }

    /// The client's batch goes in; bytes used up (none: it waits for the answer of the pool).
    fn client(&mut self, batch: &[u8]) -> usize {
        let taken = self.take(batch);
        assert!(taken.consumed == batch.len() || taken.next == Next::Hold);
        assert!(self.own.is_empty());
        taken.consumed
    }

    fn take(&mut self, batch: &[u8]) -> Taken {
        let mut context = Context {
            who: &self.who,
            state: State::default(),
            facts: &mut self.facts,
            described: None,
            busy: false,
            observer: &self.observer,
            signer: &Unsigned,
        };
        let mut out = Splice::new(batch, &mut self.scratch);
        let taken = self
            .conversation
            .from_client(batch, &mut context, &mut out, &mut self.own)
            .expect("no protocol error");
        std::hint::black_box(out.finish());
        taken
    }

    /// The server's answer comes out; bytes for the client.
    fn server(&mut self, answer: &[u8]) -> usize {
        let mut out = Splice::new(answer, &mut self.scratch);
        let used = self
            .conversation
            .from_server(answer, &self.observer, &mut out, &mut self.own);
        assert_eq!(used.expect("in step"), answer.len());
        assert!(self.own.is_empty() && self.conversation.is_idle());
        std::hint::black_box(out.finish()).len()
    }

    /// A batch and its whole answer; bytes for the client.
    pub fn round_trip(&mut self, batch: &[u8], answer: &[u8]) -> usize {
        assert_eq!(self.client(batch), batch.len());
        self.server(answer)
    }
}

/// Parse of [`SELECT`].
pub fn parse(statement: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'P', |body| {
        put_cstr(body, statement.as_bytes());
        put_cstr(body, SELECT.as_bytes());
        body.extend_from_slice(&[0, 0]);
    });
    out
}

/// Bind, Describe, Execute and Sync of a statement with one parameter.
pub fn run(statement: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'B', |body| {
        put_cstr(body, b"");
        put_cstr(body, statement.as_bytes());
        body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 5]);
        body.extend_from_slice(b"56789");
        body.extend_from_slice(&[0, 0]);
    });
    message(&mut out, b'D', |body| put_cstr(body, b"P"));
    message(&mut out, b'E', |body| {
        put_cstr(body, b"");
        body.extend_from_slice(&[0; 4]);
    });
    [out, SYNC.to_vec()].concat()
}

/// A simple Query.
pub fn query(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'Q', |body| put_cstr(body, text.as_bytes()));
    out
}

fn answer_row() -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'D', |body| {
        body.extend_from_slice(b"\0\x01\0\0\0\x041234");
    });
    out
}

/// RowDescription, so many rows, CommandComplete.
pub fn answer(rows: usize) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'T', |body| {
        body.extend_from_slice(&[0, 1]);
        put_cstr(body, b"abalance");
        body.extend_from_slice(&[0; 18]);
    });
    (0..rows).for_each(|_| out.extend(answer_row()));
    message(&mut out, b'C', |body| {
        put_cstr(body, format!("SELECT {rows}").as_bytes());
    });
    out
}
