//! A well-behaved server, as far as a case needs one: it runs everything, and knows transactions,
//! portals, parameters, COPY FROM STDIN and skip-to-Sync (PostgreSQL documentation, "Message Flow").

use std::collections::BTreeMap;

use super::parameters::Parameters;
use crate::cli::judged;
use crate::protocol::TransactionStatus;
use crate::protocol::error_fields;
use crate::protocol::frame::{self, HEADER, cstr, put_cstr};
use crate::sql::{Class, Statement, TransactionControl};
use crate::zone::QUERY_GUARD;

/// An error: its SQLSTATE.
type Failure = &'static str;

const ABORTED: Failure = "25P02";
const NO_STATEMENT: Failure = "26000";
const NO_PORTAL: Failure = "34000";

/// The server's side of one connection.
#[derive(Debug)]
pub(super) struct Server {
    /// Received and not read.
    input: Vec<u8>,
    /// Kept back until Sync, Flush, an error or a COPY.
    kept: Vec<u8>,
    /// Sent.
    output: Vec<u8>,
    status: TransactionStatus,
    /// Up to Sync everything is ignored.
    skipping: bool,
    /// A COPY FROM STDIN runs; of a simple Query?
    copy: Option<bool>,
    statements: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The text behind each portal.
    portals: BTreeMap<Vec<u8>, Vec<u8>>,
    parameters: Parameters,
    /// What [`ROWS`] is answered with.
    pub rows: u64,
}

/// A query that gives rows.
pub(super) const ROWS: &str = "SELECT 'rows'";

impl Server {
    /// Idle, right after the login.
    pub fn new() -> Self {
        Self {
            input: Vec::new(),
            kept: Vec::new(),
            output: Vec::new(),
            status: TransactionStatus::Idle,
            skipping: false,
            copy: None,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            parameters: Parameters::default(),
            rows: 0,
        }
    }

    /// Takes bytes; what it answers.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Ok(Some(header)) = frame::header(rest) {
            let Some(message) = rest.get(..header.total) else {
                break;
            };
            self.take(header.kind, &message[HEADER..]);
            rest = &rest[header.total..];
        }
        self.input = rest.to_vec();
        std::mem::take(&mut self.output)
    }

    fn take(&mut self, kind: u8, body: &[u8]) {
        if let Some(simple) = self.copy {
            return self.copy_message(kind, simple);
        }
        if self.skipping && kind != b'S' {
            return;
        }
        let done = match kind {
            b'Q' => return self.query(cstr(body).map_or(body, |(text, _)| text)),
            b'S' => {
                self.skipping = false;
                return self.ready();
            }
            b'H' => return self.flush(),
            b'P' => self.parse(body),
            b'B' => self.bind(body),
            b'D' => self.describe(body),
            b'E' => self.execute(body),
            b'C' => {
                self.close(body);
                Ok(())
            }
            _ => return,
        };
        if let Err(sqlstate) = done {
            self.fail(sqlstate);
            self.skipping = true;
        }
    }

    fn parse(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (name, rest) = cstr(body).ok_or(NO_STATEMENT)?;
        let (text, _) = cstr(rest).ok_or(NO_STATEMENT)?;
        self.admit(&judged::facts(text).statements)?;
        self.statements.insert(name.to_vec(), text.to_vec());
        self.put(b'1', |_| {});
        Ok(())
    }

    fn bind(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (portal, rest) = cstr(body).ok_or(NO_STATEMENT)?;
        let (name, _) = cstr(rest).ok_or(NO_STATEMENT)?;
        let text = self.statements.get(name).cloned().ok_or(NO_STATEMENT)?;
        self.admit(&judged::facts(&text).statements)?;
        self.portals.insert(portal.to_vec(), text);
        self.put(b'2', |_| {});
        Ok(())
    }

    fn describe(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (kind, name) = kind_and_name(body).ok_or(NO_STATEMENT)?;
        if kind == b'S' {
            self.statements.get(name).ok_or(NO_STATEMENT)?;
            self.put(b't', |out| out.extend_from_slice(&[0, 0]));
        } else {
            self.portals.get(name).ok_or(NO_PORTAL)?;
        }
        self.put(b'n', |_| {});
        Ok(())
    }

    fn execute(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (portal, _) = cstr(body).ok_or(NO_PORTAL)?;
        let text = self.portals.get(portal).cloned().ok_or(NO_PORTAL)?;
        match judged::facts(&text).statements.first() {
            None => self.put(b'I', |_| {}),
            Some(statement) => self.run(statement, &String::from_utf8_lossy(&text), false)?,
        }
        Ok(())
    }

    fn close(&mut self, body: &[u8]) {
        match kind_and_name(body) {
            Some((b'S', name)) => drop(self.statements.remove(name)),
            Some((_, name)) => drop(self.portals.remove(name)),
            None => {}
        }
        self.put(b'3', |_| {});
    }

    fn query(&mut self, text: &[u8]) {
        self.statements.remove(&b""[..]);
        let text = match text.strip_prefix(QUERY_GUARD) {
            Some(rest) => {
                self.put(b'T', |out| out.extend_from_slice(&[0, 0]));
                self.put(b'C', |out| put_cstr(out, b"SELECT 0"));
                rest
            }
            None => text,
        };
        let facts = judged::facts(text);
        if facts.statements.is_empty() {
            self.put(b'I', |_| {});
        }
        let text = String::from_utf8_lossy(text);
        for (statement, text) in facts.statements.iter().zip(judged::cut(&text, &facts)) {
            if let Err(sqlstate) = self.run(statement, text, true) {
                self.fail(sqlstate);
                break;
            }
            if self.copy.is_some() {
                return;
            }
        }
        self.ready();
    }

    /// In a failed transaction only its end is run.
    fn admit(&self, statements: &[Statement]) -> Result<(), Failure> {
        let failed = self.status == TransactionStatus::Failed;
        match failed && !statements.iter().all(ends_or_goes_back) {
            true => Err(ABORTED),
            false => Ok(()),
        }
    }

    fn run(&mut self, statement: &Statement, text: &str, simple: bool) -> Result<(), Failure> {
        use TransactionControl as Control;
        self.admit(std::slice::from_ref(statement))?;
        match statement.transaction {
            Some(
                Control::Begin
                | Control::Commit { chain: true }
                | Control::Rollback { chain: true },
            ) => self.status = TransactionStatus::Transaction,
            Some(Control::Commit { .. } | Control::Rollback { .. } | Control::TwoPhase) => {
                let back = matches!(statement.transaction, Some(Control::Rollback { .. }));
                self.parameters
                    .ended(back || self.status == TransactionStatus::Failed);
                self.status = TransactionStatus::Idle;
                self.portals.clear();
            }
            Some(Control::Savepoint) if self.status == TransactionStatus::Failed => {
                self.status = TransactionStatus::Transaction;
            }
            _ => {}
        }
        self.parameters.apply(statement);
        let row = self.parameters.asked(text).map(|value| (row_of(value), 1));
        let row = row.or((text == ROWS).then(|| (row_of("row"), self.rows)));
        if let Some((row, count)) = row {
            if simple {
                self.put(b'T', |out| out.extend_from_slice(&[0, 0]));
            }
            for _ in 0..count {
                self.put(b'D', |out| out.extend_from_slice(&row));
            }
        }
        if statement.classes.has(Class::CopyIn) {
            self.put(b'G', |out| out.extend_from_slice(&[0, 0, 0]));
            self.copy = Some(simple);
            self.flush();
        } else {
            self.put(b'C', |out| put_cstr(out, statement.tag.as_bytes()));
        }
        Ok(())
    }

    fn copy_message(&mut self, kind: u8, simple: bool) {
        match kind {
            b'c' => self.put(b'C', |out| put_cstr(out, b"COPY 1")),
            b'f' => {
                self.fail("57014");
                self.skipping = !simple;
            }
            _ => return,
        }
        self.copy = None;
        if simple {
            self.ready();
        }
    }

    fn put(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        frame::message(&mut self.kept, kind, body);
    }

    fn flush(&mut self) {
        self.output.append(&mut self.kept);
    }

    fn fail(&mut self, sqlstate: Failure) {
        self.put(b'E', |out| {
            for (field, value) in [
                (b'S', "ERROR"),
                (b'V', "ERROR"),
                (b'C', sqlstate),
                (b'M', "the scripted server says no"),
            ] {
                out.push(field);
                put_cstr(out, value.as_bytes());
            }
            out.push(0);
        });
        self.flush();
        match self.status {
            TransactionStatus::Idle => {
                self.portals.clear();
                self.parameters.ended(true);
            }
            _ => self.status = TransactionStatus::Failed,
        }
    }

    fn ready(&mut self) {
        let status = match self.status {
            TransactionStatus::Idle => b'I',
            TransactionStatus::Transaction => b'T',
            TransactionStatus::Failed => b'E',
        };
        if status == b'I' {
            self.portals.clear();
            self.parameters.ended(false);
        }
        self.put(b'Z', |out| out.push(status));
        self.flush();
    }
}

/// One column, as text.
fn row_of(value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let mut row = vec![0, 1];
    row.extend_from_slice(&length.to_be_bytes());
    row.extend_from_slice(value.as_bytes());
    row
}

fn kind_and_name(body: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = body.split_first()?;
    Some((*kind, cstr(rest)?.0))
}

/// COMMIT, ROLLBACK, and ROLLBACK TO (whose tag tells it from SAVEPOINT).
fn ends_or_goes_back(statement: &Statement) -> bool {
    match statement.transaction {
        Some(TransactionControl::Commit { .. } | TransactionControl::Rollback { .. }) => true,
        Some(TransactionControl::Savepoint) => statement.tag.starts_with("ROLLBACK"),
        _ => false,
    }
}

/// The errors of a byte stream of a server: field R, SQLSTATE, message, hint.
pub(super) fn errors(mut bytes: &[u8]) -> Vec<Seen> {
    let mut errors = Vec::new();
    while let Ok(Some(header)) = frame::header(bytes) {
        let Some(message) = bytes.get(..header.total) else {
            break;
        };
        if header.kind == b'E' {
            errors.push(seen(&message[HEADER..]));
        }
        bytes = &bytes[header.total..];
    }
    errors
}

/// What a client reads in an ErrorResponse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Seen {
    /// Field `R`: who decided; empty for an error of the server.
    pub routine: String,
    pub sqlstate: String,
    pub message: String,
    pub hint: String,
}

fn seen(body: &[u8]) -> Seen {
    let fields = error_fields::read(body);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let field = |code: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        let found = fields.find(|field| field.first() == Some(&code));
        found.map_or_else(String::new, |field| text(&field[1..]))
    };
    Seen {
        routine: field(b'R'),
        sqlstate: text(fields.sqlstate),
        message: text(fields.message),
        hint: field(b'H'),
    }
}
