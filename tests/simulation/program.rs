//! What a client of the simulation does: a random list of messages that makes sense often enough.

use super::conversing::frames::{cstr, message};
use super::conversing::random::Random;

/// One thing that a client does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends a message; the words are for people.
    Send(String, Vec<u8>),
    /// Waits until everything that was asked for is answered.
    Wait,
    /// Its migration session ends (while it waits).
    EndMigration,
}

const TEXTS: &[&str] = &[
    "select 1",
    "select 1",
    "select 1",
    "insert into t values (1)",
    "insert into t values (1)",
    "begin",
    "begin",
    "commit",
    "commit",
    "rollback",
    "commit and chain",
    "rollback and chain",
    "savepoint s",
    "rollback to s",
    "set transaction isolation level serializable",
    "set local statement_timeout to 1000",
    "select fail_parse",
    "select fail_bind",
    "select fail_execute",
    "drop table t",
    "deallocate all",
    "",
];
const SEVERAL: &[&str] = &[
    "insert into t values (1); select 1",
    "begin; insert into t values (1)",
    "select 1; commit",
    "begin; insert into t values (1); commit",
    "commit; begin; select 1",
    "begin; set transaction isolation level serializable; select 1; select fail_execute; commit",
    "rollback; select 1; insert into t values (1)",
    "insert into t values (1); rollback",
    "begin; savepoint s; insert into t values (1); rollback to s; commit and chain; select 1; commit; begin",
    "select 1; drop table t",
    "select 1; select fail_execute; select 2",
];
/// Transactions after which the proxy asks the pool what it does with names.
const SEASON: usize = 8;
const NAMES: &[&str] = &["", "", "a", "b"];
const PORTALS: &[&str] = &["", "", "p", "q"];

/// Writes a program.
pub struct Writer {
    pub acts: Vec<Act>,
    /// How many messages carry a mark.
    pub marks: u32,
    /// A savepoint was asked for.
    saved: bool,
    random: Random,
}

impl Writer {
    /// A program of about `length` steps that ends with Sync and waits. `seasoned`: on a connection that
    /// has run some transactions already.
    pub fn program(random: Random, length: usize, migrates: bool, seasoned: bool) -> Self {
        let mut writer = Self {
            acts: Vec::new(),
            marks: 0,
            saved: false,
            random,
        };
        for _ in 0..if seasoned { SEASON } else { 0 } {
            writer.send("Query select 1".to_owned(), b'Q', &[b"select 1\0"]);
            writer.acts.push(Act::Wait);
        }
        let end = writer.random.below(length);
        for at in 0..length {
            writer.step();
            if writer.random.one_in(5) {
                writer.acts.push(Act::Wait);
            }
            if migrates && at == end {
                writer.acts.push(Act::EndMigration);
            }
        }
        writer.sync();
        writer.acts.push(Act::Wait);
        writer
    }

    fn step(&mut self) {
        match self.random.below(12) {
            0..3 => self.query(),
            3..6 => self.batch(),
            6..10 => self.single(),
            10 => self.copy(),
            _ => self.sync(),
        }
    }

    fn send(&mut self, words: String, kind: u8, parts: &[&[u8]]) {
        self.acts.push(Act::Send(words, message(kind, parts)));
    }

    fn mark(&mut self) -> String {
        self.marks += 1;
        format!("<m{}>", self.marks)
    }

    fn text(&mut self) -> String {
        let mut text = *self.random.pick(TEXTS);
        if text == "rollback to s" && !std::mem::replace(&mut self.saved, false) {
            text = "savepoint s";
        }
        self.saved |= text == "savepoint s";
        let mark = self.mark();
        format!("{text} /*{mark}*/")
    }

    fn query(&mut self) {
        let mut text = self.text();
        if self.random.one_in(6) {
            let several = *self.random.pick(SEVERAL);
            text = format!("{several} /*{}*/", self.mark());
        }
        self.send(format!("Query {text}"), b'Q', &[&cstr(&text)]);
    }

    fn parse(&mut self, name: &str) {
        let text = self.text();
        let parts: [&[u8]; 3] = [&cstr(name), &cstr(&text), &[0, 0]];
        self.send(format!("Parse {name:?} {text}"), b'P', &parts);
    }

    fn bind(&mut self, portal: &str, name: &str) {
        let mark = self.mark();
        let length = u32::try_from(mark.len()).unwrap_or(0).to_be_bytes();
        let parts: [&[u8]; 6] = [
            &cstr(portal),
            &cstr(name),
            &[0, 0, 0, 1],
            &length,
            mark.as_bytes(),
            &[0, 0],
        ];
        self.send(format!("Bind {portal:?} {name:?} {mark}"), b'B', &parts);
    }

    fn execute(&mut self, portal: &str) {
        let rows = *self.random.pick(&[0u32, 0, 1, 2]);
        let parts: [&[u8]; 2] = [&cstr(portal), &rows.to_be_bytes()];
        self.send(format!("Execute {portal:?} {rows}"), b'E', &parts);
    }

    fn named(&mut self, kind: u8, what: u8, name: &str) {
        let words = format!("{} {} {name:?}", char::from(kind), char::from(what));
        self.send(words, kind, &[&[what], &cstr(name)]);
    }

    fn sync(&mut self) {
        self.send("Sync".to_owned(), b'S', &[]);
    }

    /// What drivers send.
    fn batch(&mut self) {
        let name = *self.random.pick(NAMES);
        let portal = *self.random.pick(PORTALS);
        for _ in 0..=self.random.below(2) {
            if self.random.one_in(3) && !name.is_empty() {
                self.named(b'C', b'S', name);
            }
            self.parse(name);
            self.bind(portal, name);
            if self.random.one_in(2) {
                self.named(b'D', b'P', portal);
            }
            self.execute(portal);
        }
        if !self.random.one_in(4) {
            self.sync();
        }
    }

    fn single(&mut self) {
        let name = *self.random.pick(NAMES);
        let portal = *self.random.pick(PORTALS);
        match self.random.below(10) {
            0 | 1 => self.parse(name),
            2 | 3 => self.bind(portal, name),
            4 | 5 => self.execute(portal),
            6 => self.named(b'D', b'S', name),
            7 => self.named(b'C', *self.random.clone().pick(b"SP"), name),
            8 => self.send("Flush".to_owned(), b'H', &[]),
            _ => self.send("FunctionCall".to_owned(), b'F', &[&[0; 10]]),
        }
    }

    /// COPY FROM STDIN with names of its own, so that no other message starts it unprepared; and all
    /// that may be late or early.
    fn copy(&mut self) {
        let mark = self.mark();
        let text = format!("copy t from stdin /*{mark}*/");
        let simple = self.random.one_in(2);
        if simple {
            self.send(format!("Query {text}"), b'Q', &[&cstr(&text)]);
        } else {
            self.named(b'C', b'S', "c");
            self.named(b'C', b'P', "c");
            let parts: [&[u8]; 3] = [&cstr("c"), &cstr(&text), &[0, 0]];
            self.send(format!("Parse \"c\" {text}"), b'P', &parts);
            self.bind("c", "c");
            self.execute("c");
            if self.random.one_in(2) {
                self.sync();
            }
        }
        for _ in 0..self.random.below(4) {
            if self.random.one_in(4) {
                self.acts.push(Act::Wait);
            }
            let data = *self.random.pick(&[&b"1\n"[..], b"2\n", b"3\n", b"bad\n"]);
            self.send(format!("CopyData {}", data.escape_ascii()), b'd', &[data]);
        }
        if self.random.one_in(4) {
            self.send("CopyFail".to_owned(), b'f', &[b"enough\0"]);
        } else {
            self.send("CopyDone".to_owned(), b'c', &[]);
        }
        if !simple && !self.random.one_in(3) {
            self.sync();
        }
    }
}
