//! What a client of the simulation does: a random list of messages that makes sense often enough.

use crate::conversing::frames::{cstr, message};
use crate::conversing::random::Random;
use crate::conversing::who::Login;

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
/// Of a client that sets its zone itself, and other parameters beside it.
const CHOOSER: &[&str] = &[
    "select 1 from t",
    "select 1 from t",
    "select 1 from t",
    "select 1 from t",
    "select 1 from t",
    "insert into t values (1)",
    "insert into t values (1)",
    "select 1",
    "set app.tenant_id = 'acme'",
    "set app.tenant_id = 'acme'",
    "set app.tenant_id = 'globex'",
    "set local app.tenant_id = 'acme'",
    "set local App.Tenant_ID = 'globex'",
    "select set_config('app.tenant_id', 'acme', true)",
    "select set_config('app.tenant_id', 'acme', false)",
    "select set_config('app.tenant_id', 'globex', true) where false",
    "select set_config('app.tenant_id', $2, false)",
    "select set_config($1, 'acme', false)",
    "select set_config($1, $2, false)",
    "select set_config($1, $2, false)",
    "select set_config($1, $2, true)",
    "select set_config($1, $2, true)",
    "reset app.tenant_id",
    "reset all",
    "show app.tenant_id",
    "show my.own",
    "begin",
    "begin",
    "begin",
    "commit",
    "commit",
    "rollback",
    "commit and chain",
    "rollback and chain",
    "savepoint s",
    "rollback to s",
    "select fail_parse",
    "select fail_bind",
    "select fail_execute",
    "drop table t",
    "deallocate all",
    "",
];
const BOUND_NAMES: &[&str] = &[
    "app.tenant_id",
    "app.tenant_id",
    "APP.tenant_id",
    "my.own",
    "role",
];
const BOUND_VALUES: &[&str] = &["acme", "acme", "globex", "globex", "hooli"];
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
    /// It sets its zone itself.
    chooses: bool,
    random: Random,
}

impl Writer {
    /// A program of about `length` steps that ends with Sync and waits. `seasoned`: on a connection that
    /// has run some transactions already.
    pub fn program(random: Random, length: usize, login: Login, seasoned: bool) -> Self {
        let migrates = login == Login::Migrator;
        let mut writer = Self {
            acts: Vec::new(),
            marks: 0,
            saved: false,
            chooses: login == Login::Chooser,
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
        let texts = if self.chooses { CHOOSER } else { TEXTS };
        let mut text = *self.random.pick(texts);
        if text == "rollback to s" && !std::mem::replace(&mut self.saved, false) {
            text = "savepoint s";
        }
        self.saved |= text == "savepoint s";
        let mark = self.mark();
        format!("{text} /*{mark}*/")
    }

    fn query(&mut self) {
        let mut text = self.text();
        if self.chooses {
            // By a simple Query nothing is bound.
            while text.contains('$') {
                text = self.text();
            }
        } else if self.random.one_in(6) {
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
        let [bound, zone] = [BOUND_NAMES, BOUND_VALUES].map(|all| match self.chooses {
            true => *self.random.pick(all),
            false => "",
        });
        let values = [bound, zone, &mark];
        let count = if self.chooses { 3 } else { 1 };
        let mut body = vec![0, 0, 0, count];
        for value in &values[3 - usize::from(count)..] {
            body.extend(u32::try_from(value.len()).unwrap_or(0).to_be_bytes());
            body.extend(value.as_bytes());
        }
        let parts: [&[u8]; 4] = [&cstr(portal), &cstr(name), &body, &[0, 0]];
        let words = format!("Bind {portal:?} {name:?} {bound} {zone} {mark}");
        self.send(words, b'B', &parts);
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
