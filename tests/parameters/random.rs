//! What a client of many moods sends.

use std::collections::VecDeque;

use crate::support::message;

/// One write.
pub struct Message {
    pub bytes: Vec<u8>,
    /// ReadyForQuery that answer it.
    pub ends: usize,
    /// For people.
    pub words: String,
}

/// A sequence that its seed decides.
pub struct Sequence {
    state: u64,
    begun: bool,
    /// A statement that writes nothing, and fails in a read-only transaction.
    write: &'static str,
    /// What has been begun and comes next.
    next: VecDeque<String>,
}

/// The modes of the running transaction.
const MODES: &str =
    "SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')";
/// For transactions that have run nothing yet. Nothing deferrable: it might wait for the other connection.
const OF_TRANSACTION: [&str; 5] = [
    "SET TRANSACTION READ ONLY",
    "SET TRANSACTION READ WRITE",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET LOCAL transaction_read_only = on",
];
const OF_SESSION: [&str; 4] = [
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
];
const CHAINS: [&str; 3] = ["COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "END AND CHAIN"];

const VALUES: [(&str, &[&str]); 11] = [
    ("work_mem", &["'1MB'", "'2MB'", "4096", "'never'"]),
    ("jit", &["on", "off", "2"]),
    (
        "TimeZone",
        &["'UTC'", "'Asia/Tokyo'", "'Europe/Berlin'", "'No/Where'"],
    ),
    (
        "DateStyle",
        &["'ISO'", "'SQL, DMY'", "'German'", "MDY", "'x'"],
    ),
    ("IntervalStyle", &["iso_8601", "postgres", "sql_standard"]),
    ("application_name", &["'a'", "'b c'", "''"]),
    (
        "search_path",
        &["public", "pg_catalog, public", "nowhere, public"],
    ),
    ("statement_timeout", &["'11s'", "0"]),
    ("app.made", &["'x'", "'y''z'", "''"]),
    ("default_transaction_read_only", &["on", "off"]),
    (
        "default_transaction_isolation",
        &["serializable", "'repeatable read'", "'read committed'"],
    ),
];

impl Sequence {
    pub fn new(seed: u64, write: &'static str) -> Self {
        Self {
            write,
            next: VecDeque::new(),
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995,
            begun: false,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % limit
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A parameter and a value, as SQL.
    fn value(&mut self) -> (&'static str, &'static str) {
        let (name, values) = VALUES[self.below(VALUES.len())];
        (name, self.one_of(values))
    }

    /// One that may stand beside others in a simple Query.
    fn harmless(&mut self) -> String {
        let (name, value) = self.value();
        let text = format!("'{}'", value.trim_matches('\''));
        match self.below(16) {
            0..=2 => format!("SET {name} = {value}"),
            3 => format!("SET SESSION {name} TO {value} -- so\n"),
            // A prefix ahead of it takes a warning away, from PostgreSQL 17 on.
            4 if name != "DateStyle" => format!("SET LOCAL {name} TO {value}"),
            5 => format!("SELECT set_config('{name}', {text}, false), 'é' AS e"),
            6 => format!("SELECT set_config('{name}', {text}, true)"),
            7 => format!("RESET {name}"),
            8 => format!("SET {name} TO DEFAULT"),
            9 | 10 => format!("SHOW {name}"),
            11 => MODES.to_owned(),
            12 => self.write.to_owned(),
            13 => self.one_of(&OF_SESSION).to_owned(),
            14 if name != "DateStyle" => format!("SET LOCAL {name} TO DEFAULT"),
            _ => "SELECT now() - now() AS nothing, '2001-02-03'::date".to_owned(),
        }
    }

    fn statement(&mut self) -> String {
        match self.below(20) {
            // Not with an isolation level: inside a transaction it fails behind a prefix, and without one
            // it need not.
            0 | 1 => self
                .one_of(&["BEGIN", "START TRANSACTION", "BEGIN READ ONLY"])
                .to_owned(),
            2 | 3 => self
                .one_of(&["COMMIT", "END", "COMMIT AND CHAIN", "COMMIT"])
                .to_owned(),
            4 => self
                .one_of(&["ROLLBACK", "ROLLBACK AND CHAIN", "ABORT"])
                .to_owned(),
            5 => self
                .one_of(&["SAVEPOINT a", "SAVEPOINT b", "SAVEPOINT \"A\""])
                .to_owned(),
            6 => self
                .one_of(&[
                    "ROLLBACK TO a",
                    "ROLLBACK TO SAVEPOINT B",
                    "RELEASE a",
                    "RELEASE b",
                ])
                .to_owned(),
            7 => self
                .one_of(&["SELECT 1/0", "SELECT nothing", "RESET ALL", "DISCARD ALL"])
                .to_owned(),
            8 => self.one_of(&OF_SESSION).to_owned(),
            _ => self.harmless(),
        }
    }

    /// A transaction, and those that are chained to it.
    fn chain(&mut self) -> Vec<String> {
        const BEGINS: [&str; 3] = ["BEGIN", "BEGIN READ ONLY", "BEGIN READ WRITE"];
        const FAILURES: [&str; 3] = ["SELECT 1/0", "SELECT nothing", "SET work_mem = 'no'"];
        let mut all = vec!["ROLLBACK".to_owned(), self.one_of(&BEGINS).to_owned()];
        for _ in 0..=self.below(3) {
            // Of what nobody sets, so that nothing has to be said ahead of it.
            if self.below(3) == 0 {
                all.push("SHOW server_encoding".to_owned());
            }
            if self.below(3) == 0 {
                all.push(self.one_of(&OF_TRANSACTION).to_owned());
            }
            for _ in 0..self.below(3) {
                let step = match self.below(7) {
                    0 => "RESET ALL",
                    1 => "RESET default_transaction_read_only",
                    2 => "SAVEPOINT a",
                    3 => "ROLLBACK TO a",
                    4 => self.one_of(&OF_SESSION),
                    5 => self.write,
                    _ => MODES,
                };
                all.push(step.to_owned());
            }
            if self.below(2) == 0 {
                all.push(self.one_of(&FAILURES).to_owned());
            }
            all.push(self.one_of(&CHAINS).to_owned());
        }
        all.extend([MODES.to_owned(), self.write.to_owned()]);
        all
    }

    fn several(&mut self) -> Vec<String> {
        let count = 2 + self.below(3);
        (0..count).map(|_| self.harmless()).collect()
    }

    /// Statements between which transactions begin and end, in one message.
    fn transactions(&mut self) -> Vec<String> {
        const MOVES: [&str; 6] = [
            "BEGIN",
            "BEGIN READ ONLY",
            "COMMIT",
            "END",
            "ROLLBACK",
            "SELECT nothing",
        ];
        let count = 1 + self.below(4);
        let mut all = Vec::new();
        for _ in 0..count {
            let before = self.below(3);
            all.extend((0..before).map(|_| self.harmless()));
            all.push(self.one_of(&MOVES).to_owned());
        }
        all.push(self.harmless());
        all
    }

    pub fn next_message(&mut self) -> Message {
        if !std::mem::replace(&mut self.begun, true) {
            // A parameter of nobody's is empty once it has been there.
            return simple(&["SET app.made = 'x'".to_owned()]);
        }
        if let Some(text) = self.next.pop_front() {
            return match self.below(2) {
                0 => simple(&[text]),
                _ => batch(&[text]),
            };
        }
        match self.below(7) {
            0 | 1 => simple(&[self.statement()]),
            2 => {
                let texts = match self.below(2) {
                    0 => self.several(),
                    _ => self.transactions(),
                };
                simple(&texts)
            }
            3 | 4 => batch(&[self.statement()]),
            5 => {
                let texts = self.chain();
                match self.below(3) {
                    0 => {
                        // Of several batches that nobody waits for.
                        let ends = |text: String| [text, "SYNC".to_owned()];
                        batch(&texts.into_iter().flat_map(ends).collect::<Vec<_>>())
                    }
                    _ => {
                        self.next.extend(texts);
                        self.next_message()
                    }
                }
            }
            _ => {
                let count = 2 + self.below(4);
                let mut texts: Vec<String> = (0..count).map(|_| self.statement()).collect();
                if self.below(2) == 0 {
                    texts.insert(1, "SYNC".to_owned());
                }
                // No text may stand behind it in its batch (tests/unpinned.rs).
                let synced = texts.into_iter().flat_map(|text| match text.as_str() {
                    "DISCARD ALL" => vec![text, "SYNC".to_owned()],
                    _ => vec![text],
                });
                batch(&synced.collect::<Vec<_>>())
            }
        }
    }
}

fn simple(texts: &[String]) -> Message {
    let text = texts.join("; ");
    Message {
        bytes: message::query(&text),
        ends: 1,
        words: format!("Query {text}"),
    }
}

fn batch(texts: &[String]) -> Message {
    let mut bytes = Vec::new();
    for text in texts {
        match text.as_str() {
            "SYNC" => bytes.extend(message::sync()),
            text => bytes.extend(message::extended(text, &[])),
        }
    }
    bytes.extend(message::sync());
    Message {
        bytes,
        ends: 1 + texts.iter().filter(|text| **text == "SYNC").count(),
        words: format!("Batch {}", texts.join(" | ")),
    }
}
