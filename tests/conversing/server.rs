//! A model of PostgreSQL's side of the protocol: skip-to-Sync, transaction status, implicit
//! transactions, names, the life of a local setting, and what is kept back until Sync or Flush.
//! It runs the few statements of [`super::statement`], and notes what must never happen.
//!
//! Sources: PostgreSQL documentation, "Message Flow"; `postgres.c`, `xact.c`, `portalmem.c`.

mod extended;
mod query;
mod transaction;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use super::frames::{self, Frame, cstr, message, report};
use super::statement::{self, At, Statement};
use super::who::{Login, NOWHERE, PREFIX_NAME, ZONE};
use zones::Parameters;

/// Where the model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind the proxy: notes statements without zone, and texts that should have been refused.
    Behind,
    /// In place of proxy and server: refuses by itself. What a client may expect to see.
    Alone,
}

/// What the pool in front of the server does with the names of prepared statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// It gives them names of its own and follows them to every server connection.
    Follows,
    /// It carries them as they are.
    Forgets,
    /// The same, and the server does not let the client see what is prepared.
    Hides,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    None,
    /// Ends with Sync, or with the Query.
    Implicit,
    Block,
    Failed,
}

#[derive(Clone, Debug)]
struct Portal {
    text: String,
    /// Rows that are left; `None`: not started.
    left: Option<usize>,
    /// The value bound to the zone.
    zone: Option<String>,
    /// All that is bound.
    values: Vec<String>,
    /// Savepoints that were open when it was bound.
    depth: usize,
}

/// An error: SQLSTATE. What it does is the caller's business.
type Failure = &'static str;

const ROWS: usize = 2;
const CANCELED: Failure = "57014";
const ABORTED: Failure = "25P02";

/// The model.
pub struct Server {
    place: Place,
    login: Login,
    pub pool: Pool,
    pub migration_open: bool,
    input: Vec<u8>,
    /// Sent.
    pub output: Vec<u8>,
    /// Kept back until Sync, Flush, an error or a COPY.
    buffered: Vec<u8>,
    transaction: Transaction,
    zone: Option<String>,
    parameters: Parameters,
    /// A Query of several statements runs: a block of its own.
    several: bool,
    queried: bool,
    /// Names, and the zone when they were set.
    savepoints: Vec<(String, Option<String>)>,
    skipping: bool,
    /// Extended messages came since the last Sync.
    unsynced: bool,
    /// A COPY FROM STDIN runs: by Query?
    copy: Option<bool>,
    statements: BTreeMap<String, String>,
    portals: BTreeMap<String, Portal>,
    /// Marks of messages ahead of which a prefix is to be cancelled (or is, when [`Place::Alone`]).
    pub doomed: BTreeSet<u32>,
    /// Those ahead of which one was.
    pub fallen: BTreeSet<u32>,
    /// The message of the prefix that the cancel will hit, and the mark behind the prefix.
    hit: Option<(u8, u32)>,
    /// What must never happen and did.
    pub violations: Vec<String>,
    /// Something happened after which a client may see another thing than with one server alone: ROLLBACK
    /// TO of what never was a savepoint, in a failed transaction (a prefix that went ahead of it fails
    /// sooner); an unnamed portal used again after a prefix took its place (refused).
    pub doubtful: bool,
    /// A statement without rows was described in a failed transaction: PostgreSQL answers that, but takes
    /// no Parse there, so that a statement that has to be sent again is answered with 25P02. Or one was
    /// described before any other had run: the Parse takes a snapshot, and SET TRANSACTION comes too late.
    pub described_in_vain: bool,
    /// Between the first message of a prefix and its Execute.
    in_prefix: bool,
    /// The highest mark of a message so far.
    latest: u32,
    /// A prefix took the place of the client's unnamed portal.
    unnamed_taken: bool,
    /// Statements that ran.
    pub runs: usize,
}

impl Server {
    pub fn new(place: Place, login: Login) -> Self {
        Self {
            place,
            login,
            pool: Pool::Forgets,
            migration_open: login == Login::Migrator,
            input: Vec::new(),
            output: Vec::new(),
            buffered: Vec::new(),
            transaction: Transaction::None,
            zone: None,
            parameters: Parameters::default(),
            several: false,
            queried: false,
            savepoints: Vec::new(),
            skipping: false,
            unsynced: false,
            copy: None,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            doomed: BTreeSet::new(),
            fallen: BTreeSet::new(),
            hit: None,
            violations: Vec::new(),
            doubtful: false,
            described_in_vain: false,
            in_prefix: false,
            latest: 0,
            unnamed_taken: false,
            runs: 0,
        }
    }

    /// Takes bytes and answers every whole message.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some(frame) = frames::first(rest) {
            if !self.sees_prefix(rest) {
                break;
            }
            rest = &rest[frame.bytes.len()..];
            self.take(&frame);
        }
        self.input = rest.to_vec();
    }

    /// Is a prefix of ours on the server although everything is answered, and nobody follows it?
    pub fn has_leftover(&self) -> bool {
        self.pool != Pool::Follows && self.statements.contains_key(PREFIX_NAME)
    }

    /// Whether a prefix falls depends on the message behind it: false until that is there.
    fn sees_prefix(&mut self, rest: &[u8]) -> bool {
        let ours = |frame: &Frame<'_>| match frame.kind {
            b'C' => frame.body.get(1..).is_some_and(is_prefix_name),
            b'B' => frame.body.get(1..).is_some_and(is_prefix_name),
            _ => false,
        };
        let (frames, _) = frames::split(rest);
        let length = match frames.first() {
            Some(head) if !self.in_prefix && ours(head) => match (head.kind, frames.get(1)) {
                (b'B', _) => 2,
                (_, None) => return false,
                (_, Some(second)) if second.kind != b'P' || !is_prefix_name(second.body) => {
                    return true;
                }
                (_, Some(second)) if is_question(second) => {
                    self.in_prefix = true;
                    return true;
                }
                (_, Some(_)) => match frames.get(4) {
                    None => return false,
                    Some(fifth) => 4 + usize::from(fifth.kind == b'C' && ours(fifth)),
                },
            },
            head => {
                self.in_prefix &= head.is_some_and(|head| head.kind != b'E');
                return true;
            }
        };
        // A statement that is said again is no message of the client's: its mark was seen before.
        let mut behind = frames[length.min(frames.len())..].iter();
        let behind = behind.find(|frame| match frame.kind {
            b'P' => statement::mark(frame.body).is_some_and(|mark| mark > self.latest),
            kind => kind != b'C',
        });
        let Some(behind) = behind else {
            return false;
        };
        self.in_prefix = true;
        self.hit = None;
        self.unnamed_taken |= self.portals.contains_key("");
        if let Some(mark) = statement::mark(behind.body)
            && self.doomed.contains(&mark)
            && !self.skipping
        {
            self.hit = Some((b"PBE"[mark as usize % 3], mark));
        }
        true
    }

    /// Does the cancel hit this message of the prefix?
    fn is_hit(&mut self, kind: u8) -> bool {
        let hit = self.hit.take_if(|(at, _)| *at == kind);
        self.fallen.extend(hit.map(|(_, mark)| mark));
        hit.is_some()
    }

    fn take(&mut self, frame: &Frame<'_>) {
        if let Some(mark) = statement::mark(frame.body) {
            self.latest = self.latest.max(mark);
        }
        if let Some(simple) = self.copy {
            return self.take_copy(frame, simple);
        }
        if self.skipping && !matches!(frame.kind, b'S' | b'X') {
            return;
        }
        match frame.kind {
            b'P' | b'B' | b'D' | b'E' | b'C' => self.unsynced = true,
            b'S' | b'F' => self.unsynced = false,
            _ => {}
        }
        let result = match frame.kind {
            b'Q' => {
                self.query(frame.body);
                return;
            }
            b'F' => {
                // Refused wherever there is a gate.
                self.violate_if_behind("FunctionCall reached the server");
                self.fail("42501");
                self.ready();
                return;
            }
            b'S' => {
                self.skipping = false;
                if self.transaction == Transaction::Implicit {
                    self.parameters.end(true);
                    self.end_transaction();
                }
                self.ready();
                return;
            }
            b'H' => {
                self.flush();
                return;
            }
            b'P' => self.parse(frame.body),
            b'B' => self.bind(frame.body),
            b'D' => self.describe(frame.body),
            b'E' => self.execute(frame.body),
            b'C' => self.close(frame.body),
            _ => return,
        };
        if let Err(sqlstate) = result {
            self.fail(sqlstate);
            self.skipping = true;
        }
    }

    fn take_copy(&mut self, frame: &Frame<'_>, simple: bool) {
        let result = match frame.kind {
            b'd' if frame.body.starts_with(b"bad") => Err("22P04"),
            b'c' => Ok(()),
            b'f' => Err(CANCELED),
            b'd' | b'S' | b'H' => return,
            _ => {
                self.violations
                    .push(format!("message {} during COPY", char::from(frame.kind)));
                return;
            }
        };
        self.copy = None;
        match result {
            Ok(()) => self.put(b'C', &[&cstr("COPY 1")]),
            Err(sqlstate) => {
                self.fail(sqlstate);
                self.skipping = !simple;
            }
        }
        if simple {
            if self.transaction == Transaction::Implicit {
                self.parameters.end(true);
                self.end_transaction();
            }
            self.ready();
        }
    }

    fn violate_if_behind(&mut self, what: &str) {
        if self.place == Place::Behind {
            self.violations.push(what.to_owned());
        }
    }

    // ------------------------------------------------------------------ answers

    fn put(&mut self, kind: u8, parts: &[&[u8]]) {
        self.buffered.extend(message(kind, parts));
    }

    fn flush(&mut self) {
        self.output.append(&mut self.buffered);
    }

    /// Another server connection is given to the client's next transaction: what it prepared is gone,
    /// unless the pool follows it, and its unnamed statement is somebody else's.
    fn hand_on(&mut self) {
        if self.place == Place::Alone || self.login == Login::Migrator {
            return;
        }
        if self.pool != Pool::Follows {
            let own = |name: &&String| !name.is_empty() && *name != PREFIX_NAME;
            if let Some(name) = self.statements.keys().find(own) {
                self.violations
                    .push(format!("a statement is left on the server: {name}"));
            }
            self.statements.retain(|name, _| name == PREFIX_NAME);
        }
        if self.parameters.leave_something() {
            let left = format!("left on the server: {:?}", self.parameters);
            self.violations.push(left);
        }
        let of_another = "drop table of_another_client".to_owned();
        self.statements.insert(String::new(), of_another);
    }

    fn ready(&mut self) {
        if self.transaction == Transaction::None {
            self.hand_on();
        }
        let status = match self.transaction {
            Transaction::None | Transaction::Implicit => b"I",
            Transaction::Block => b"T",
            Transaction::Failed => b"E",
        };
        self.put(b'Z', &[status]);
        self.flush();
    }

    fn warn(&mut self, sqlstate: &str) {
        let notice = report(b'N', "WARNING", sqlstate, "so to speak", "");
        self.buffered.extend(notice);
    }

    /// Reports an error; the transaction is aborted.
    fn fail(&mut self, sqlstate: &str) {
        let error = report(b'E', "ERROR", sqlstate, "it failed", "");
        self.buffered.extend(error);
        self.flush();
        match self.transaction {
            Transaction::None | Transaction::Implicit => self.end_transaction(),
            Transaction::Block | Transaction::Failed => self.transaction = Transaction::Failed,
        }
    }

    fn end_transaction(&mut self) {
        self.transaction = Transaction::None;
        self.parameters.end(false);
        self.zone = None;
        self.queried = false;
        self.savepoints.clear();
        self.portals.clear();
    }

    fn start(&mut self) {
        if self.transaction == Transaction::None {
            self.transaction = Transaction::Implicit;
        }
    }
}

fn is_prefix_name(body: &[u8]) -> bool {
    body.starts_with(PREFIX_NAME.as_bytes())
}

fn is_question(parse: &Frame<'_>) -> bool {
    let mut parts = parse.body.split(|byte| *byte == 0);
    parts.nth(1).is_some_and(|sql| {
        let statements = statement::read(&text(sql));
        statements.contains(&Statement::Question)
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
