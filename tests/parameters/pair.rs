//! Two connections that are told the same: one straight at PostgreSQL, one through Portcullis.

use crate::support::message::{self, Message};
use crate::support::{Stack, Transport, Wire};

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// One statement, by the protocol under test.
    Query(&'static str),
    /// A simple Query in any case.
    Simple(&'static str),
    /// Statements of the extended protocol in one write; SYNC where it stands and at the end.
    Batch(&'static [&'static str]),
}

impl Step {
    /// The bytes, and how many ReadyForQuery answer them.
    fn sent(self, extended: bool) -> (Vec<u8>, usize) {
        match self {
            Self::Query(text) if !extended => (message::query(text), 1),
            Self::Simple(text) => (message::query(text), 1),
            Self::Query(text) => {
                let described = [
                    message::parse("", text),
                    message::describe(b'S', ""),
                    message::bind("", "", &[]),
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
}

impl Pair {
    pub fn open(stack: &Stack, (user, database): (&str, &str), startup: &[(&str, &str)]) -> Self {
        let direct = stack.login_at(stack.cluster.port, user, database);
        let pair = Self {
            direct: Wire::login_with(&direct, Transport::Plain, startup),
            through: Wire::login_with(&stack.login(user, database), Transport::SslRequest, startup),
        };
        pair
    }

    /// Runs the script on both; what differs, if anything does.
    pub fn run(&mut self, script: &[Step], extended: bool) -> Option<String> {
        for (at, step) in script.iter().enumerate() {
            let (bytes, ends) = step.sent(extended);
            let [expected, found] =
                [&mut self.direct, &mut self.through].map(|wire| told(wire, &bytes, ends));
            if expected != found {
                return Some(format!(
                    "{script:?}\n  step {at} {step:?}\n    expected {expected:#?}\n    found {found:#?}"
                ));
            }
        }
        None
    }
}

/// What the client is told, in words.
pub fn told(wire: &mut Wire, bytes: &[u8], ends: usize) -> Vec<String> {
    let before = wire.parameters.len();
    wire.send(bytes);
    let mut all: Vec<String> = Vec::new();
    for _ in 0..ends {
        all.extend(wire.receive_until(b'Z').iter().map(words));
    }
    let reported = wire.parameters.drain(before..);
    all.extend(reported.map(|(name, value)| format!("reported {name} = {value}")));
    all
}

fn words(message: &Message) -> String {
    let kind = char::from(message.kind);
    match message.kind {
        b'E' | b'N' => {
            let fields = *b"VCMP";
            let fields = fields.map(|field| message.field(field).unwrap_or_default());
            format!("{kind} {}", fields.join(" "))
        }
        b'D' => format!("{kind} {:?}", message.row()),
        b'C' => format!("{kind} {}", message.tag()),
        b'Z' => format!("{kind} {}", message.transaction()),
        _ => kind.to_string(),
    }
}

/// What makes the pool's only connection other than a fresh one of the same role.
pub fn probe(stack: &Stack, (user, database): (&str, &str)) -> Option<String> {
    // PgBouncer that follows prepared statements keeps those of everybody, under names of its own.
    const ALL: &str = "SELECT name || ' = ' || setting FROM pg_settings
        UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements WHERE name NOT LIKE 'PGBOUNCER%'
        UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name LIKE '%c\\_%' ORDER BY 1";
    let [mut fresh, mut pooled] = [stack.cluster.port, stack.transaction_port]
        .map(|port| Wire::login_with(&stack.login_at(port, user, database), Transport::Plain, &[]));
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
