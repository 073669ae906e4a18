//! Two connections that are told the same: one straight at PostgreSQL, one through Portcullis.
// Both test crates compile this module and use their own part of it.
#![allow(dead_code)]

use crate::support::message::{self, words};
use crate::support::{Stack, Transport, Wire};

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// One statement, by the protocol under test.
    Query(&'static str),
    /// A simple Query in any case.
    Simple(&'static str),
    /// By the extended protocol in any case, with the values that are bound.
    Bound(&'static str, &'static [Option<&'static str>]),
    /// Statements of the extended protocol in one write; SYNC where it stands and at the end.
    Batch(&'static [&'static str]),
}

impl Step {
    /// The bytes, and how many ReadyForQuery answer them.
    fn sent(self, extended: bool) -> (Vec<u8>, usize) {
        match self {
            Self::Query(text) if !extended => (message::query(text), 1),
            Self::Simple(text) => (message::query(text), 1),
            Self::Query(text) => Self::Bound(text, &[]).sent(true),
            Self::Bound(text, values) => {
                let described = [
                    message::parse("", text),
                    message::describe(b'S', ""),
                    message::bind("", "", values),
                    message::describe(b'P', ""),
                    message::execute("", 0),
                    message::sync(),
                ];
                (described.concat(), 1)
            }
            Self::Batch(texts) => {
                let one = |text: &&str| match *text {
                    "SYNC" => message::sync(),
                    text => message::extended(text, &[]),
                };
                let mut bytes: Vec<u8> = texts.iter().flat_map(one).collect();
                bytes.extend(message::sync());
                (
                    bytes,
                    1 + texts.iter().filter(|text| **text == "SYNC").count(),
                )
            }
        }
    }
}

/// Two connections.
pub struct Pair {
    pub direct: Wire,
    pub through: Wire,
    /// What goes through Portcullis is sent in pieces of so many bytes; 0: in one.
    pub pieces: usize,
}

impl Pair {
    pub fn open(stack: &Stack, (user, database): (&str, &str), startup: &[(&str, &str)]) -> Self {
        let direct = stack.login_at(stack.cluster.port, user, database);
        // PgBouncer 1.18 leaves the last client's name to one that has none.
        let mut startup = startup.to_vec();
        if startup.iter().all(|(name, _)| *name != "application_name") {
            startup.push(("application_name", "pair"));
        }
        let startup = &startup;
        Self {
            direct: Wire::login_with(&direct, Transport::Plain, startup),
            through: Wire::login_with(&stack.login(user, database), Transport::SslRequest, startup),
            pieces: 0,
        }
    }

    /// Runs the script on both; what differs, if anything does.
    pub fn run(&mut self, script: &[Step], extended: bool) -> Option<String> {
        for (at, step) in script.iter().enumerate() {
            let _told = TellInPanic(script, at);
            let (bytes, ends) = step.sent(extended);
            if let Some([expected, found]) = self.differs(&bytes, ends) {
                return Some(format!(
                    "{script:?}\n  step {at} {step:?}\n    expected {expected:#?}\n    found {found:#?}"
                ));
            }
        }
        None
    }

    /// Sends the same to both; what they are told, if it is not the same.
    pub fn differs(&mut self, bytes: &[u8], ends: usize) -> Option<[Vec<String>; 2]> {
        let both = [(&mut self.direct, 0), (&mut self.through, self.pieces)];
        let [expected, found] = both.map(|(wire, pieces)| told(wire, bytes, pieces, ends));
        (expected != found).then_some([expected, found])
    }
}

/// Says where it was when something gives up in the middle.
struct TellInPanic<'s>(&'s [Step], usize);

impl Drop for TellInPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("during step {} of {:?}", self.1, self.0);
        }
    }
}

/// What the client is told, in words.
fn told(wire: &mut Wire, bytes: &[u8], pieces: usize, ends: usize) -> Vec<String> {
    let before = wire.parameters.len();
    match pieces {
        0 => wire.send(bytes),
        size => wire.send_in_pieces(bytes, size),
    }
    let mut all: Vec<String> = Vec::new();
    for _ in 0..ends {
        all.extend(wire.receive_until(b'Z').iter().map(words));
    }
    // PostgreSQL 16 and newer report several in no particular order.
    let mut reported: Vec<_> = wire.parameters.drain(before..).collect();
    reported.sort();
    let reported = reported.into_iter();
    all.extend(reported.map(|(name, value)| format!("reported {name} = {value}")));
    all
}

/// Behind a batch that may have ended the transaction it is not known which savepoints there are. The two may be
/// in different states from there on.
pub fn is_refused(found: &[String]) -> bool {
    let refused = "E ERROR 0A000 cannot go back to a savepoint behind this batch ";
    found.iter().any(|line| line == refused)
}

/// What makes the pool's only connection other than a fresh one of the same role.
pub fn probe(stack: &Stack, (user, database): (&str, &str)) -> Option<String> {
    // PgBouncer that follows prepared statements keeps those of everybody, under names of its own.
    const ALL: &str = "SELECT name || ' = ' || setting FROM pg_settings
        UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements WHERE name NOT LIKE 'PGBOUNCER%'
        UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name LIKE '%c\\_%' ORDER BY 1";
    // PgBouncer 1.18 leaves the last client's name to one that has none.
    let named = [("application_name", "probe")];
    let [mut fresh, mut pooled] = [stack.cluster.port, stack.transaction_port].map(|port| {
        Wire::login_with(
            &stack.login_at(port, user, database),
            Transport::Plain,
            &named,
        )
    });
    let of = |wire: &mut Wire| {
        let answer = wire.query(ALL);
        message::fine(&answer);
        message::column(&answer)
    };
    let (fresh, pooled) = (of(&mut fresh), of(&mut pooled));
    // A custom parameter that was set once, be it for a transaction, is there and empty from then on.
    let empty = |line: &&String| !fresh.contains(line) && !line.ends_with(" = ");
    let left: Vec<_> = pooled.iter().filter(empty).collect();
    let gone: Vec<_> = fresh.iter().filter(|line| !pooled.contains(line)).collect();
    (!left.is_empty() || !gone.is_empty()).then(|| format!("left {left:?}, instead of {gone:?}"))
}

/// The parameters that the pool's only connection has for its session, and that no longer follow the server's
/// configuration; not those that PgBouncer sets for every client.
pub fn left_to_the_session(stack: &Stack, (user, database): (&str, &str)) -> Vec<String> {
    const ALL: &str = "SELECT name FROM pg_settings WHERE source = 'session'
        AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'IntervalStyle', 'TimeZone', 'standard_conforming_strings')";
    let login = stack.login_at(stack.transaction_port, user, database);
    let answer = Wire::login(&login).query(ALL);
    message::fine(&answer);
    message::column(&answer)
}
