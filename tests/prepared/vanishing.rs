//! Names that vanish from the pool and the server (RECONNECT, KILL, ended backends, names pushed out, DISCARD
//! ALL behind every transaction) while two clients hold statements of the same names and texts, each in a
//! schema of its own: the same answers as on connections of their own.
//!
//! `PORTCULLIS_TEST_TIMES=<n>`: more steps; `PORTCULLIS_TEST_SEED=<seed>`: others.

use crate::random::Random;
use crate::support::fixture::{ADMIN, POLICY, SQL};
use crate::support::message::{self, Message, column, fine};
use crate::support::process::wait_until;
use crate::support::{
    NEW, NEWEST, OLD, Pooler, Stack, StackOptions, Transport, Version, Wire, wanted,
};
use crate::{direct, plain, words};

/// Steps on each version in an ordinary run.
const STEPS: usize = 250;

/// The same names in two schemas: of one type, and of two.
const TABLES: &str = "
\\connect app
SET ROLE migrator;
CREATE SCHEMA one;
CREATE SCHEMA two;
GRANT USAGE ON SCHEMA one, two TO shop_plain;
CREATE TABLE one.same AS SELECT 'of one' AS v;
CREATE TABLE two.same AS SELECT 'of two' AS v;
CREATE TABLE one.other AS SELECT 1 AS v;
CREATE TABLE two.other AS SELECT 'two' AS v;
GRANT SELECT ON ALL TABLES IN SCHEMA one, two TO shop_plain;
";

const TEXTS: [&str; 7] = [
    "SELECT v FROM same",
    "SELECT v || $1 FROM same",
    "SELECT v FROM other",
    "SELECT pg_typeof(v)::text FROM other",
    "SELECT * FROM same, generate_series(1, 3)",
    "SELECT $1::text",
    "SELECT current_setting('search_path')",
];
const NAMES: [&str; 3] = ["a", "b", "c"];

fn start(version: Version, pooler: Pooler, pgbouncer: &str) -> Stack {
    Stack::start(StackOptions {
        version,
        pooler,
        pool_size: 1,
        pgbouncer: pgbouncer.into(),
        sql: format!("{SQL}{TABLES}"),
        policy: format!("{POLICY}\n[guards.ddl-outside-migration]\ntemporary_tables = [\"*\"]\n"),
        ..StackOptions::default()
    })
}

/// In words, without the number of each column's table: temporary ones have each their own.
fn without_tables(message: &Message) -> String {
    let mut message = message.clone();
    let mut at = 2;
    while message.kind == b'T' && at < message.body.len() {
        let name = message.body[at..].iter().position(|byte| *byte == 0);
        let table = at + name.expect("a name") + 1;
        message.body[table..table + 4].fill(0);
        at = table + 18;
    }
    match message.kind {
        b'D' => format!("D {:?}", message.row()),
        _ => words(&message),
    }
}

/// A client of the pool, and the same on a connection of its own.
struct Pair {
    pooled: Wire,
    own: Wire,
    schema: &'static str,
    open: bool,
    /// A temporary table hides `same`: from statements that are prepared anew, not from plans that are kept.
    hides: bool,
    /// What each name was prepared from, and in which schema.
    told: Vec<String>,
}

impl Pair {
    fn new(stack: &Stack, schema: &'static str) -> Self {
        let mut pair = Self {
            pooled: plain(stack),
            own: direct(stack),
            schema,
            open: false,
            hides: false,
            told: Vec::new(),
        };
        pair.both(
            &message::query(&format!("SET search_path = {schema}")),
            "SET",
        );
        pair
    }

    /// The same answers.
    #[track_caller]
    fn both(&mut self, sent: &[u8], told: &str) -> Vec<Message> {
        self.told.push(told.to_owned());
        self.own.send(sent);
        self.pooled.send(sent);
        let wanted = self.own.receive_until(b'Z');
        let found = self.pooled.receive_until(b'Z');
        let visible = format!("of {}", self.schema);
        let said = |message: &Message| {
            let said = without_tables(message);
            match self.hides {
                true => said.replace(&visible, "hides"),
                false => said,
            }
        };
        let [left, right] = [&wanted, &found].map(|it| it.iter().map(said).collect::<Vec<_>>());
        let last = self.told.len().saturating_sub(25);
        assert_eq!(left, right, "{:#?}", &self.told[last..]);
        self.open = found.last().expect("an answer").transaction() != 'I';
        self.hides &= self.open;
        found
    }

    fn batch(&mut self, parts: &[Vec<u8>], told: &str) -> Vec<Message> {
        self.both(&[parts.concat(), message::sync()].concat(), told)
    }

    fn values(text: &str) -> &'static [Option<&'static str>] {
        match text.contains("$1") {
            true => &[Some("!")],
            false => &[],
        }
    }

    fn step(&mut self, random: &mut Random, texts: &mut [&'static str; 3]) {
        let at = random.below(NAMES.len());
        let (name, text) = (NAMES[at], texts[at]);
        let bind = message::bind("", name, Self::values(text));
        match random.below(14) {
            0 => {
                let all = [bind, message::describe(b'P', ""), message::execute("", 0)];
                drop(self.batch(&all, &format!("bind, describe, run {name}")));
            }
            1 => drop(self.batch(
                &[message::describe(b'S', name)],
                &format!("describe {name}"),
            )),
            2 => {
                let text = *random.pick(&TEXTS);
                texts[at] = text;
                let all = [message::close(b'S', name), message::parse(name, text)];
                let answer = self.batch(&all, &format!("close {name}, parse {text}"));
                if message::error(&answer).is_some() {
                    // Nothing has this name now, or what it had.
                    self.end(random);
                    fine(&self.batch(&all, "again"));
                }
            }
            3 => {
                let sql = *random.pick(&["DEALLOCATE ALL", "DISCARD ALL"]);
                if self.open && sql == "DISCARD ALL" {
                    return;
                }
                drop(self.both(&message::query(sql), sql));
                if sql == "DISCARD ALL" {
                    let set = format!("SET search_path = {}", self.schema);
                    drop(self.both(&message::query(&set), &set));
                }
                if !self.open {
                    let all = [0, 1, 2].map(|at| message::parse(NAMES[at], texts[at]));
                    drop(self.batch(&all, "all anew"));
                }
            }
            4 | 5 if !self.open => drop(self.both(&message::query("BEGIN"), "BEGIN")),
            6 | 7 if self.open => self.end(random),
            8 if self.open => {
                // A portal outlives its statement's name.
                let portal = message::bind("p", name, Self::values(text));
                let all = [portal, message::execute("p", 1)];
                let answer = self.batch(&all, &format!("portal of {name}"));
                if message::error(&answer).is_none() && random.one_in(2) {
                    let all = [message::close(b'S', name), message::parse(name, text)];
                    drop(self.batch(&all, "its statement anew"));
                    drop(self.batch(&[message::execute("p", 0)], "the rest"));
                }
                drop(self.batch(&[message::close(b'P', "p")], "close the portal"));
            }
            9 if self.open => {
                let sql = "CREATE TEMPORARY TABLE same (v) ON COMMIT DROP AS SELECT 'hides'::text";
                drop(self.both(&message::query(sql), sql));
                self.hides = self.open;
            }
            10 => drop(self.both(&message::query("SELECT 1/0"), "an error")),
            _ => {
                let all = [bind, message::execute("", 0)];
                drop(self.batch(&all, &format!("run {name}")));
            }
        }
    }

    fn end(&mut self, random: &mut Random) {
        let sql = *random.pick(&["COMMIT", "ROLLBACK"]);
        drop(self.both(&message::query(sql), sql));
    }
}

/// What takes names away, while nobody is in a transaction.
fn vanish(stack: &Stack, console: &mut Wire, pairs: &mut [Pair; 2], random: &mut Random) {
    match random.below(3) {
        0 => drop(console.query("RECONNECT app")),
        1 => {
            fine(&console.query("KILL app"));
            fine(&console.query("RESUME app"));
        }
        _ => {
            let own = pairs
                .iter_mut()
                .map(|it| column(&it.own.query("SELECT pg_backend_pid()")).concat());
            let own = own.collect::<Vec<_>>().join(",");
            stack.direct(
                "app",
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE usename = 'shop_plain' AND pid NOT IN ({own})"
                ),
            );
        }
    }
    wait_until("the pool has no old connection", || {
        let servers = console.query("SHOW SERVERS");
        let rows = servers.iter().filter(|it| it.kind == b'D');
        let mut rows = rows.map(|row| row.row().into_iter().flatten().collect::<Vec<_>>());
        !rows.any(|row| row.iter().any(|it| it == "app"))
    });
}

fn play(version: Version, pooler: Pooler, pgbouncer: &str, random: &mut Random, steps: usize) {
    let stack = start(version, pooler, pgbouncer);
    let login = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
    let mut console = Wire::login_with(&login, Transport::Plain, &[]);
    let mut pairs = ["one", "two"].map(|schema| Pair::new(&stack, schema));
    let mut texts = [[TEXTS[0], TEXTS[1], TEXTS[2]]; 2];
    for pair in &mut pairs {
        let all = [0, 1, 2].map(|at| message::parse(NAMES[at], TEXTS[at]));
        fine(&pair.batch(&all, "prepare"));
    }
    for _ in 0..steps {
        let at = random.below(2);
        let pair = &mut pairs[at];
        pair.step(random, &mut texts[at]);
        while pair.open {
            pair.step(random, &mut texts[at]);
        }
        if random.one_in(15) {
            vanish(&stack, &mut console, &mut pairs, random);
        }
    }
}

#[test]
fn whatever_takes_them_away_each_client_has_its_own() {
    let steps = STEPS * wanted::times() as usize;
    let mut random = Random::new(wanted::seed().unwrap_or(1));
    for ((version, pooler), pgbouncer) in [
        (NEW, ""),
        (NEW, "max_prepared_statements = 2"),
        (NEWEST, "server_reset_query_always = 1"),
        (OLD, ""),
        (OLD, "server_reset_query_always = 1"),
    ] {
        eprintln!("{pooler:?} {pgbouncer}");
        play(version, pooler, pgbouncer, &mut random, steps);
    }
}
