//! A client that sets signed zones in every way, beside a model of what it has said.

use super::signed::log_in;
use crate::conversing::random::Random;
use crate::support::cancel::cancel_from;
use crate::support::message::{self, Message, bind, column, error, execute, extended, parse};
use crate::support::{Stack, Wire};

/// The zone whose rows are seen, and what the parameter says meanwhile.
pub const TOLD: &str =
    "SELECT DISTINCT current_setting('app.tenant_id', true) || ':' || tenant_id FROM orders";
const NOTE: &str =
    "INSERT INTO orders (note) VALUES ('r:' || current_setting('app.tenant_id', true))";
/// What the parameter is, and what has been entered. Savepoints keep a copy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    session: Option<&'static str>,
    local: Option<&'static str>,
    entered: Option<&'static str>,
    /// A statement that says a zone is one that could read rows: what was said before may have been entered.
    maybe: bool,
}

impl Said {
    /// May entering what is said now be refused, as it may be another zone than was entered?
    fn may_differ(&self) -> bool {
        self.maybe || self.entered.is_some_and(|it| Some(it) != self.zone())
    }

    fn zone(&self) -> Option<&'static str> {
        self.local.or(self.session)
    }
}

/// What a transaction is in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    Idle,
    Open,
    Failed,
}

pub struct Client {
    pub wire: Wire,
    pub zones: [&'static str; 2],
    pub status: Status,
    now: Said,
    /// What was before BEGIN.
    before: Said,
    savepoints: Vec<Said>,
    /// What it did, for whoever reads of a failure.
    pub told: Vec<String>,
}

impl Client {
    pub fn new(stack: &Stack, database: &str, zones: [&'static str; 2]) -> Self {
        let mut client = Self {
            wire: log_in(stack, "picky", database, &[]),
            zones,
            status: Status::Idle,
            now: Said::default(),
            before: Said::default(),
            savepoints: Vec::new(),
            told: Vec::new(),
        };
        client.prepare();
        client
    }

    fn prepare(&mut self) {
        let set = "SELECT set_config('app.tenant_id', $1, true)";
        let all = [parse("ask", TOLD), parse("set", set), parse("note", NOTE)];
        let answer = self.wire.batch(&all.concat());
        self.must(&answer);
    }

    /// Goes away, whatever is open, and comes again.
    pub fn come_again(&mut self, stack: &Stack, database: &str) {
        self.wire = log_in(stack, "picky", database, &[]);
        self.status = Status::Idle;
        self.now = Said::default();
        self.told.push("another connection".to_owned());
        self.prepare();
    }

    fn failure(&self, why: &str, answer: &[Message]) -> String {
        let last = self.told.len().saturating_sub(30);
        format!(
            "{why}: {:?} {:?}\nmodel {:?}, {:?}\n{}",
            message::kinds(answer),
            error(answer),
            self.status,
            self.now,
            self.told[last..].join("\n")
        )
    }

    /// Sends a text in one of the two protocols.
    fn run(&mut self, random: &mut Random, sql: &str) -> Vec<Message> {
        let simple = random.one_in(2);
        self.told
            .push(format!("{} {sql}", if simple { "Q" } else { "P" }));
        match simple {
            true => self.wire.query(sql),
            false => self.wire.batch(&extended(sql, &[])),
        }
    }

    /// What the server says of the transaction; the model's where that fits.
    fn settle(&mut self, answer: &[Message]) {
        let status = match answer.last().expect("an answer").transaction() {
            'I' => Status::Idle,
            'T' => Status::Open,
            _ => Status::Failed,
        };
        match (self.status, status) {
            (Status::Idle, Status::Idle) => {}
            (Status::Idle, _) => {
                self.before = self.now.clone();
                self.savepoints.clear();
            }
            (_, Status::Idle) => panic!("{}", self.failure("it has ended", answer)),
            _ => {}
        }
        self.status = status;
    }

    #[track_caller]
    fn must(&self, answer: &[Message]) {
        assert!(
            error(answer).is_none(),
            "{}",
            self.failure("refused", answer)
        );
    }

    pub fn begin(&mut self, random: &mut Random) {
        let text = *random.pick(&[
            "BEGIN",
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            "START TRANSACTION",
        ]);
        let answer = self.run(random, text);
        self.must(&answer);
        self.settle(&answer);
        self.now.entered = None;
        self.now.local = None;
    }

    pub fn end(&mut self, random: &mut Random) {
        let chain = random.one_in(5);
        let commit = random.one_in(2);
        let word = if commit { "COMMIT" } else { "ROLLBACK" };
        let text = if chain {
            format!("{word} AND CHAIN")
        } else {
            word.to_owned()
        };
        let answer = self.run(random, &text);
        self.must(&answer);
        let kept = commit && self.status == Status::Open;
        let session = if kept {
            self.now.session
        } else {
            self.before.session
        };
        self.now = Said {
            session,
            ..Said::default()
        };
        self.savepoints.clear();
        self.before = self.now.clone();
        self.status = if chain { Status::Open } else { Status::Idle };
        let told = answer.last().expect("an answer").transaction();
        let wanted = if chain { 'T' } else { 'I' };
        assert_eq!(told, wanted, "{}", self.failure("the end", &answer));
    }

    /// In every way in which a zone is said.
    pub fn say(&mut self, random: &mut Random) {
        let zone = *random.pick(&self.zones);
        let local = random.one_in(2);
        let name = [Some("app.tenant_id"), Some(zone)];
        let called = format!("SELECT set_config('app.tenant_id', '{zone}', {local})");
        let set = format!(
            "SET {} app.tenant_id = '{zone}'",
            if local { "LOCAL" } else { "" }
        );
        self.told.push(format!("zone {zone} local {local}"));
        let answer = match random.below(5) {
            0 => self.run(random, &called),
            1 => self.run(random, &set),
            2 if local => self
                .wire
                .batch(&[bind("", "set", &name[1..]), execute("", 0)].concat()),
            3 => {
                let text = format!("SELECT set_config($1, $2, {local})");
                self.wire.batch(&extended(&text, &name))
            }
            _ => {
                let text = format!("SELECT set_config('app.tenant_id', $1, {local})");
                self.wire.batch(&extended(&text, &name[1..]))
            }
        };
        if self.status == Status::Failed {
            assert!(error(&answer).is_some(), "{}", self.failure("ran", &answer));
            return;
        }
        let open = self.status == Status::Open;
        if !self.ran(&answer) {
            return;
        }
        let before = self.now.zone();
        let nothing_sure = open && self.now.entered.is_none();
        self.now.maybe |= nothing_sure && before.is_some_and(|it| it != zone);
        match (self.status, local) {
            // What is local outside of a transaction ends with its statement.
            (Status::Idle, true) => {}
            (_, true) => self.now.local = Some(zone),
            (_, false) => (self.now.session, self.now.local) = (Some(zone), None),
        }
    }

    /// It ran; false: a zone was to be entered ahead of it, and may be another.
    fn ran(&mut self, answer: &[Message]) -> bool {
        if self.status == Status::Open && self.now.may_differ() && error(answer).is_some() {
            self.other_zone(answer);
            return false;
        }
        self.must(answer);
        true
    }

    /// The refusal of a second zone.
    fn other_zone(&mut self, answer: &[Message]) {
        let told = error(answer).and_then(|it| it.field(b'M'));
        let wanted = Some("this transaction is in another zone".to_owned());
        assert_eq!(told, wanted, "{}", self.failure("refused", answer));
        self.status = Status::Failed;
    }

    pub fn reset(&mut self, random: &mut Random) {
        let text = *random.pick(&[
            "RESET app.tenant_id",
            "SET app.tenant_id = ''",
            "SELECT set_config('app.tenant_id', '', false)",
            "RESET ALL",
            "DISCARD ALL",
        ]);
        if text == "DISCARD ALL" && self.status != Status::Idle {
            return;
        }
        let answer = self.run(random, text);
        if self.status == Status::Failed {
            assert!(error(&answer).is_some(), "{}", self.failure("ran", &answer));
            return;
        }
        if !self.ran(&answer) {
            return;
        }
        (self.now.session, self.now.local) = (None, None);
        if text == "RESET ALL" {
            // It takes the mark as well.
            self.now.maybe |= self.now.entered.take().is_some();
        }
        if text == "DISCARD ALL" {
            self.prepare();
        }
    }

    pub fn savepoint(&mut self, random: &mut Random) {
        if self.status == Status::Idle {
            return;
        }
        let depth = self.savepoints.len();
        match random.below(3) {
            0 if self.status == Status::Open && depth < 5 => {
                let answer = self.run(random, &format!("SAVEPOINT s{depth}"));
                if self.ran(&answer) {
                    self.savepoints.push(self.now.clone());
                }
            }
            1 if self.status == Status::Open && depth > 0 => {
                let to = random.below(depth);
                let answer = self.run(random, &format!("RELEASE s{to}"));
                if self.ran(&answer) {
                    self.savepoints.truncate(to);
                }
            }
            _ if depth > 0 => {
                let to = random.below(depth);
                let answer = self.run(random, &format!("ROLLBACK TO s{to}"));
                self.must(&answer);
                self.now = self.savepoints[to].clone();
                self.savepoints.truncate(to + 1);
                self.status = Status::Open;
            }
            _ => {}
        }
    }

    pub fn ask(&mut self, random: &mut Random, write: bool) {
        let (text, name) = if write { (NOTE, "note") } else { (TOLD, "ask") };
        let answer = match random.below(3) {
            0 => {
                self.told.push(format!("bind {name}"));
                self.wire
                    .batch(&[bind("", name, &[]), execute("", 0)].concat())
            }
            _ => self.run(random, text),
        };
        self.seen(&answer, write);
    }

    /// The model's zone and no other.
    pub fn seen(&mut self, answer: &[Message], write: bool) {
        let open = self.status == Status::Open;
        let zone = self.now.zone().filter(|_| self.status != Status::Failed);
        let Some(zone) = zone else {
            assert!(error(answer).is_some(), "{}", self.failure("ran", answer));
            if open {
                self.status = Status::Failed;
            }
            return;
        };
        let sure = open && self.now.entered.is_some_and(|it| it != zone);
        let may = open && self.now.entered.is_none() && self.now.maybe;
        if sure || (may && error(answer).is_some()) {
            return self.other_zone(answer);
        }
        self.must(answer);
        let all = if write {
            vec![]
        } else {
            vec![format!("{zone}:{zone}")]
        };
        let seen = column(answer);
        assert_eq!(seen, all, "{}", self.failure("seen", answer));
        if open {
            (self.now.entered, self.now.maybe) = (Some(zone), false);
        }
    }

    pub fn fail(&mut self, random: &mut Random) {
        let text = *random.pick(&[
            "SELECT 1/0",
            "SELECT nothing FROM orders",
            "SELEC",
            "CREATE TABLE no (a int)",
        ]);
        let answer = self.run(random, text);
        assert!(error(&answer).is_some(), "{}", self.failure("ran", &answer));
        if self.status == Status::Open {
            self.status = Status::Failed;
        }
    }

    /// Cancelled while it sleeps.
    pub fn cancelled(&mut self, stack: &Stack, random: &mut Random) {
        let conflict = self.status == Status::Open && self.now.may_differ();
        if self.status == Status::Failed || self.now.zone().is_none() || conflict {
            return;
        }
        let sleep = format!("SELECT pg_sleep(600) FROM ({TOLD}) told");
        self.told.push("cancelled".to_owned());
        match random.one_in(2) {
            true => self.wire.send(&message::query(&sleep)),
            false => self
                .wire
                .send(&[extended(&sleep, &[]), message::sync()].concat()),
        }
        stack.wait_for_sleepers(1);
        cancel_from([127, 0, 0, 1], stack.port, &self.wire.cancel_key);
        let answer = self.wire.receive_until(b'Z');
        let told = error(&answer).map(Message::sqlstate);
        assert_eq!(
            told.as_deref(),
            Some("57014"),
            "{}",
            self.failure("ran", &answer)
        );
        if self.status == Status::Open {
            self.status = Status::Failed;
        }
    }

    /// Several steps in one write, each in a batch of its own or all in one; what is seen is one of its zones
    /// or nothing.
    pub fn pipeline(&mut self, random: &mut Random) {
        let mut all = Vec::new();
        let mut syncs = 0;
        let mut told = String::new();
        for _ in 0..2 + random.below(7) {
            let zone = *random.pick(&self.zones);
            let text = match random.below(9) {
                0 => "BEGIN".to_owned(),
                1 => "COMMIT".to_owned(),
                2 => "ROLLBACK".to_owned(),
                3 => format!("SELECT set_config('app.tenant_id', '{zone}', true)"),
                4 => format!("SET LOCAL app.tenant_id = '{zone}'"),
                5 => "SELECT 1/0".to_owned(),
                6 => NOTE.to_owned(),
                _ => TOLD.to_owned(),
            };
            told += &format!(" | {text}");
            match random.below(4) {
                0 => {
                    // Behind an error PostgreSQL skips a Query as well, up to Sync.
                    all.extend([message::sync(), message::query(&text)].concat());
                    told += " (Q)";
                    syncs += 2;
                }
                1 if text == TOLD => all.extend([bind("", "ask", &[]), execute("", 0)].concat()),
                _ => all.extend(extended(&text, &[])),
            }
            if random.one_in(2) {
                all.extend(message::sync());
                told += " | Sync";
                syncs += 1;
            }
        }
        all.extend(message::sync());
        self.told.push(format!("pipeline{told}"));
        self.wire.send(&all);
        for _ in 0..=syncs {
            let answer = self.wire.receive_until(b'Z');
            for row in answer.iter().filter(|it| it.kind == b'D') {
                let row = row.row().pop().flatten().unwrap_or_default();
                let plain = self.zones.iter().any(|zone| row == *zone);
                let same = self
                    .zones
                    .iter()
                    .any(|zone| row == format!("{zone}:{zone}"));
                assert!(plain || same, "{row} {}", self.failure("seen", &answer));
            }
        }
        // What is open now nobody knows.
        let mut answer = self.wire.query("ROLLBACK");
        if answer.last().map(Message::transaction) != Some('I') {
            answer = self.wire.query("ROLLBACK");
        }
        assert_eq!(answer.last().map(Message::transaction), Some('I'));
        // Nor whether what was set before it was committed.
        if self.status != Status::Idle {
            let zone = *random.pick(&self.zones);
            let set = self.run(random, &format!("SET app.tenant_id = '{zone}'"));
            self.must(&set);
            self.now.session = Some(zone);
        }
        self.now = Said {
            session: self.now.session,
            ..Said::default()
        };
        self.status = Status::Idle;
    }
}
