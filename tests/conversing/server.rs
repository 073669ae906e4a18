//! A model of PostgreSQL's side of the protocol: skip-to-Sync, transaction status, implicit
//! transactions, names, the life of a local setting, and what is kept back until Sync or Flush.
//! It runs the few statements of [`super::statement`], and notes what must never happen.
//!
//! Sources: PostgreSQL documentation, "Message Flow"; `postgres.c`, `xact.c`, `portalmem.c`.

use std::collections::{BTreeMap, BTreeSet};

use super::frames::{self, Frame, cstr, message, report};
use super::statement::{self, At, Statement};
use super::who::{Login, NOWHERE, PREFIX_NAME, ZONE};

/// Where the model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind the proxy: notes statements without zone, and texts that should have been refused.
    Behind,
    /// In place of proxy and server: refuses by itself. What a client may expect to see.
    Alone,
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
    pub migration_open: bool,
    input: Vec<u8>,
    /// Sent.
    pub output: Vec<u8>,
    /// Kept back until Sync, Flush, an error or a COPY.
    buffered: Vec<u8>,
    transaction: Transaction,
    zone: Option<String>,
    queried: bool,
    /// Names, and the zone when they were set.
    savepoints: Vec<(String, Option<String>)>,
    skipping: bool,
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
            migration_open: login == Login::Migrator,
            input: Vec::new(),
            output: Vec::new(),
            buffered: Vec::new(),
            transaction: Transaction::None,
            zone: None,
            queried: false,
            savepoints: Vec::new(),
            skipping: false,
            copy: None,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            doomed: BTreeSet::new(),
            fallen: BTreeSet::new(),
            hit: None,
            violations: Vec::new(),
            doubtful: false,
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

    /// Is a prefix of ours on the server although everything is answered?
    pub fn has_leftover(&self) -> bool {
        self.statements.contains_key(PREFIX_NAME)
    }

    /// Whether a prefix falls depends on the message behind it: false until that is there.
    fn sees_prefix(&mut self, rest: &[u8]) -> bool {
        let head = frames::first(rest);
        if head.is_none_or(|head| head.kind != b'C' || !head.body[..].starts_with(b"Spc_")) {
            return true;
        }
        let (frames, _) = frames::split(rest);
        match frames.get(1) {
            None => return false,
            Some(second) if second.kind != b'P' => return true,
            Some(_) => {}
        }
        let Some(behind) = frames.get(5) else {
            return false;
        };
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
        if let Some(simple) = self.copy {
            return self.take_copy(frame, simple);
        }
        if self.skipping && !matches!(frame.kind, b'S' | b'X') {
            return;
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

    fn ready(&mut self) {
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

    // ------------------------------------------------------------------ messages

    fn query(&mut self, body: &[u8]) {
        let text = text(body.strip_suffix(b"\0").unwrap_or(body));
        let refusal = statement::query_refusal(&text, self.login, self.migration_open);
        if let Some(sqlstate) = refusal {
            self.violate_if_behind(&format!("refused Query reached the server: {text}"));
            self.fail(sqlstate);
            return self.ready();
        }
        self.statements.remove("");
        let fallen = self.place == Place::Alone
            && statement::mark(body).is_some_and(|mark| self.doomed.contains(&mark));
        let result = if fallen {
            Err(CANCELED)
        } else {
            self.run_all(&text)
        };
        if self.copy.is_some() {
            return;
        }
        if let Err(sqlstate) = result {
            self.fail(sqlstate);
        }
        if self.transaction == Transaction::Implicit {
            self.end_transaction();
        }
        self.ready();
    }

    fn run_all(&mut self, text: &str) -> Result<(), Failure> {
        let statements = statement::read(text);
        if statements.is_empty() {
            self.put(b'I', &[]);
        }
        if statements.contains(&Statement::Unknown) {
            return Err("42601");
        }
        let alone = statements.len() == 1;
        for statement in &statements {
            if alone
                && self.transaction == Transaction::Implicit
                && self.login == Login::Zoned
                && statement.needs_zone()
            {
                self.violate_if_behind(&format!("PostgreSQL 18 would lose: {text}"));
            }
            self.start();
            if self.transaction == Transaction::Failed && !statement.is_exit() {
                return Err(ABORTED);
            }
            if let Statement::Fails(_) = statement {
                self.queried = true;
                return Err("22012");
            }
            if statement.has_rows() {
                self.put(b'T', &[&[0, 0]]);
            }
            if let Statement::RollbackTo(name) = statement {
                self.doubt(name);
            }
            let tag = self.run(statement, text)?;
            if *statement == Statement::Select {
                self.rows(ROWS);
            }
            if *statement == Statement::CopyIn {
                return self.begin_copy(true);
            }
            self.put(b'C', &[&cstr(&tag)]);
        }
        Ok(())
    }

    fn rows(&mut self, count: usize) {
        (0..count).for_each(|_| self.put(b'D', &[&[0, 0]]));
    }

    fn begin_copy(&mut self, simple: bool) -> Result<(), Failure> {
        self.put(b'G', &[&[0, 0, 0]]);
        self.flush();
        self.copy = Some(simple);
        Ok(())
    }

    fn parse(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut parts = body.split(|byte| *byte == 0);
        let (Some(name), Some(sql)) = (parts.next(), parts.next()) else {
            return Err("08P01");
        };
        let (name, sql) = (text(name), text(sql));
        if name == PREFIX_NAME && self.is_hit(b'P') {
            self.start();
            return Err(CANCELED);
        }
        if name != PREFIX_NAME
            && let Some(sqlstate) = statement::refusal(&sql, self.login, self.migration_open)
        {
            self.violate_if_behind(&format!("refused Parse reached the server: {sql}"));
            return Err(sqlstate);
        }
        self.start();
        if name.is_empty() {
            self.statements.remove("");
        }
        let statements = statement::read(&sql);
        if statements.contains(&Statement::Unknown) || statements.len() > 1 {
            return Err("42601");
        }
        if let Some(statement) = statements.first() {
            if self.transaction == Transaction::Failed && !statement.is_exit() {
                return Err(ABORTED);
            }
            self.queried |= statement.takes_snapshot();
            if *statement == Statement::Fails(At::Parse) {
                return Err("42703");
            }
        }
        if !name.is_empty() && self.statements.contains_key(&name) {
            if name == PREFIX_NAME {
                self.violate_if_behind("the prefix's name was left on the server");
            }
            return Err("42P05");
        }
        self.statements.insert(name, sql);
        self.put(b'1', &[]);
        Ok(())
    }

    fn bind(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut parts = body.splitn(3, |byte| *byte == 0);
        let (Some(portal), Some(name), Some(values)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("08P01");
        };
        let (portal, name) = (text(portal), text(name));
        if self.place == Place::Alone
            && statement::mark(values).is_some_and(|mark| self.doomed.contains(&mark))
        {
            return Err(CANCELED);
        }
        let sql = self.statements.get(&name).cloned().ok_or("26000")?;
        if name == PREFIX_NAME && self.is_hit(b'B') {
            self.start();
            return Err(CANCELED);
        }
        let ours = name == PREFIX_NAME;
        if !ours && let Some(sqlstate) = statement::refusal(&sql, self.login, self.migration_open) {
            self.violate_if_behind(&format!("Bind of a refused text: {sql}"));
            return Err(sqlstate);
        }
        self.start();
        let statement = statement::read(&sql).into_iter().next();
        if self.transaction == Transaction::Failed
            && statement
                .as_ref()
                .is_some_and(|statement| !statement.is_exit())
        {
            return Err(ABORTED);
        }
        if let Some(Statement::RollbackTo(name)) = &statement {
            self.doubt(name);
        }
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            return Err("42P03");
        }
        self.queried |= statement.as_ref().is_some_and(Statement::takes_snapshot);
        if statement == Some(Statement::Fails(At::Bind)) {
            return Err("22P02");
        }
        self.unnamed_taken &= !portal.is_empty() || ours;
        let acme = format!("{{\"{ZONE}\"}}");
        let has_zone = ours
            && values
                .windows(acme.len())
                .any(|window| window == acme.as_bytes());
        let bound = Portal {
            text: sql,
            left: None,
            zone: has_zone.then(|| ZONE.to_owned()),
            depth: self.savepoints.len(),
        };
        self.portals.insert(portal, bound);
        self.put(b'2', &[]);
        Ok(())
    }

    fn describe(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (kind, name) = kind_and_name(body)?;
        self.start();
        let sql = if kind == b'S' {
            self.statements.get(&name).cloned().ok_or("26000")?
        } else {
            self.portals
                .get(&name)
                .map(|portal| portal.text.clone())
                .ok_or("34000")?
        };
        let rows = statement::read(&sql)
            .first()
            .is_some_and(Statement::has_rows);
        if rows && self.transaction == Transaction::Failed {
            return Err(ABORTED);
        }
        if kind == b'S' {
            self.put(b't', &[&[0, 0]]);
        }
        match rows {
            true => self.put(b'T', &[&[0, 0]]),
            false => self.put(b'n', &[]),
        }
        Ok(())
    }

    fn execute(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut parts = body.splitn(2, |byte| *byte == 0);
        let (Some(name), Some(most)) = (parts.next(), parts.next()) else {
            return Err("08P01");
        };
        let name = text(name);
        self.doubtful |= name == NOWHERE && self.unnamed_taken;
        let most = most.try_into().map_or(0, u32::from_be_bytes) as usize;
        let portal = self.portals.get(&name).cloned().ok_or("34000")?;
        let ours = portal.zone.is_some();
        if ours && self.is_hit(b'E') {
            return Err(CANCELED);
        }
        if !ours
            && let Some(sqlstate) =
                statement::refusal(&portal.text, self.login, self.migration_open)
        {
            self.violate_if_behind(&format!("Execute of a refused text: {}", portal.text));
            return Err(sqlstate);
        }
        self.start();
        let Some(statement) = statement::read(&portal.text).into_iter().next() else {
            self.put(b'I', &[]);
            return Ok(());
        };
        if self.transaction == Transaction::Failed && !statement.is_exit() {
            return Err(ABORTED);
        }
        if let (Some(_), false) = (portal.left, statement.has_rows()) {
            return Err("55000");
        }
        if statement == Statement::Select {
            return self.fetch(&name, portal.left.unwrap_or(ROWS), most);
        }
        if let Some(entry) = self.portals.get_mut(&name) {
            entry.left = Some(0);
        }
        if portal.zone.is_some() {
            self.zone = portal.zone;
        }
        if let Statement::Fails(_) = statement {
            return Err("22012");
        }
        let tag = self.run(&statement, &portal.text)?;
        if statement == Statement::CopyIn {
            return self.begin_copy(false);
        }
        self.put(b'C', &[&cstr(&tag)]);
        Ok(())
    }

    fn fetch(&mut self, name: &str, left: usize, most: usize) -> Result<(), Failure> {
        self.run(&Statement::Select, name)?;
        let count = if most == 0 { left } else { left.min(most) };
        self.rows(count);
        if let Some(entry) = self.portals.get_mut(name) {
            entry.left = Some(left - count);
        }
        if most > 0 && count == most {
            self.put(b's', &[]);
        } else {
            self.put(b'C', &[&cstr(&format!("SELECT {count}"))]);
        }
        Ok(())
    }

    fn close(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (kind, name) = kind_and_name(body)?;
        if kind == b'S' {
            self.statements.remove(&name);
        } else {
            self.portals.remove(&name);
        }
        self.put(b'3', &[]);
        Ok(())
    }

    // ------------------------------------------------------------------ statements

    /// Runs a statement; its tag.
    fn run(&mut self, statement: &Statement, text: &str) -> Result<String, Failure> {
        self.runs += 1;
        if self.login == Login::Zoned
            && statement.needs_zone()
            && self.zone.as_deref() != Some(ZONE)
            && self.in_reach(statement)
        {
            self.violate_if_behind(&format!("ran without its zone: {statement:?} {text}"));
        }
        self.queried |= statement.takes_snapshot();
        let block = matches!(self.transaction, Transaction::Block | Transaction::Failed);
        let tag = match statement {
            Statement::Begin => {
                if block {
                    self.warn("25001");
                }
                self.transaction = Transaction::Block;
                "BEGIN"
            }
            Statement::Commit { chain } | Statement::Rollback { chain } => {
                return self.finish(statement, *chain, block);
            }
            Statement::Savepoint(name) if block => {
                self.savepoints.push((name.clone(), self.zone.clone()));
                "SAVEPOINT"
            }
            Statement::RollbackTo(name) if block => {
                self.rollback_to(name)?;
                "ROLLBACK"
            }
            Statement::Savepoint(_) | Statement::RollbackTo(_) => return Err("25P01"),
            Statement::SetTransaction => {
                if self.queried || !self.savepoints.is_empty() {
                    return Err("25001");
                }
                if !block {
                    self.warn("25P01");
                }
                "SET"
            }
            Statement::DeallocateAll => {
                self.statements.clear();
                "DEALLOCATE ALL"
            }
            Statement::Insert => "INSERT 0 1",
            Statement::Ddl => "DROP TABLE",
            Statement::CopyIn => "COPY 1",
            Statement::Select => "SELECT 2",
            _ => "SELECT 0",
        };
        Ok(tag.to_owned())
    }

    /// Outside a block some fail before they do anything.
    fn in_reach(&self, statement: &Statement) -> bool {
        !matches!(statement, Statement::Savepoint(_)) || self.transaction == Transaction::Block
    }

    fn finish(
        &mut self,
        statement: &Statement,
        chain: bool,
        block: bool,
    ) -> Result<String, Failure> {
        if chain && !block {
            return Err("25P01");
        }
        if !block {
            self.warn("25P01");
        }
        let commits = matches!(statement, Statement::Commit { .. });
        let failed = self.transaction == Transaction::Failed;
        self.end_transaction();
        if chain {
            self.transaction = Transaction::Block;
        }
        Ok(if commits && !failed {
            "COMMIT"
        } else {
            "ROLLBACK"
        }
        .to_owned())
    }

    fn doubt(&mut self, name: &str) {
        let known = self.savepoints.iter().any(|(known, _)| known == name);
        self.doubtful |= self.transaction == Transaction::Failed && !known;
    }

    fn rollback_to(&mut self, name: &str) -> Result<(), Failure> {
        let found = self.savepoints.iter().rposition(|(known, _)| known == name);
        let at = found.ok_or("3B001")?;
        self.savepoints.truncate(at + 1);
        self.zone = self.savepoints[at].1.clone();
        self.portals.retain(|_, portal| portal.depth <= at);
        self.transaction = Transaction::Block;
        Ok(())
    }
}

fn kind_and_name(body: &[u8]) -> Result<(u8, String), Failure> {
    let (kind, name) = body.split_first().ok_or("08P01")?;
    Ok((*kind, text(name.strip_suffix(b"\0").unwrap_or(name))))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
