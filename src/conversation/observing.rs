//! Where the whole policy observes: the bytes of both sides go on unchanged. Texts are judged, and what
//! would have been refused is counted; nothing is refused, injected, replaced or held back, and what
//! cannot be read is carried unread.
//!
//! Nothing here may stand in anybody's way, so it knows little: where messages begin, and whether
//! answers are due.

use std::collections::HashSet;

use super::server::MAX_ERROR;
use super::splice::Splice;
use super::{Context, Next, Observer, Taken};
use crate::policy::{State, decide, decide_command, guards};
use crate::protocol::TransactionStatus;
use crate::protocol::error_fields;
use crate::protocol::frame::{self, HEADER, Header, cstr};
use crate::sql::{LONG_TEXT, walsender};

/// Names and types of a Parse that is read: longer ones are carried unread.
const MAX_BESIDE_TEXT: usize = 8 * 1024;

/// Names of prepared statements that are known.
const MAX_NAMES: usize = 4096;
/// What they may take, bytes.
const MAX_NAME_BYTES: usize = 256 * 1024;

/// One side's place in its stream.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Bytes of a message whose beginning was carried.
    remaining: usize,
    /// Nobody knows where messages begin any more.
    lost: bool,
}

impl Stream {
    /// Carries what needs no look; the bytes used up.
    fn carry(&mut self, at: usize, end: usize, out: &mut Splice<'_>) -> usize {
        let there = end - at;
        let length = match self.lost {
            true => there,
            false => self.remaining.min(there),
        };
        if length > 0 {
            out.keep(at..at + length);
        }
        self.remaining -= length.min(self.remaining);
        length
    }

    /// Carries a message, as much of it as is there; the bytes used up.
    fn pass(&mut self, header: Header, at: usize, there: usize, out: &mut Splice<'_>) -> usize {
        let length = header.total.min(there);
        out.keep(at..at + length);
        self.remaining = header.total - length;
        length
    }
}

/// A connection that is only looked at.
#[derive(Debug)]
pub struct Onlooker {
    max_statement_bytes: usize,
    client: Stream,
    server: Stream,
    /// ReadyForQuery that were asked for and have not come.
    due: u64,
    status: TransactionStatus,
    /// Something was run since the last Sync.
    has_run: bool,
    /// The server reads COPY data: it ignores Sync.
    copying: bool,
    /// A replication connection.
    walsender: bool,
    /// The server streams (CopyBoth).
    streaming: bool,
    /// Statements that the client has prepared; allocated with the first that has a name.
    names: Option<Box<Names>>,
}

/// Names of prepared statements, some of which may not have come about.
#[derive(Debug, Default)]
struct Names {
    known: HashSet<Box<[u8]>>,
    bytes: usize,
    /// There were too many: nobody can tell any more who is unknown.
    given_up: bool,
}

impl Names {
    fn add(&mut self, name: &[u8]) {
        if self.given_up || self.known.contains(name) {
            return;
        }
        self.bytes += name.len();
        self.given_up = self.known.len() >= MAX_NAMES || self.bytes > MAX_NAME_BYTES;
        match self.given_up {
            true => self.known = HashSet::new(),
            false => _ = self.known.insert(name.into()),
        }
    }

    fn remove(&mut self, name: &[u8]) {
        if self.known.remove(name) {
            self.bytes -= name.len();
        }
    }
}

impl Onlooker {
    /// For a connection whose server has just reported ReadyForQuery, idle.
    pub fn new(max_statement_bytes: usize, walsender: bool) -> Self {
        Self {
            max_statement_bytes,
            client: Stream::default(),
            server: Stream::default(),
            due: 0,
            status: TransactionStatus::Idle,
            has_run: false,
            copying: false,
            walsender,
            streaming: false,
            names: None,
        }
    }

    /// Is nothing due and no transaction open, as far as can be told?
    pub fn is_idle(&self) -> bool {
        let between = self.client.remaining == 0 && self.is_between_answers();
        between && !self.client.lost && self.due == 0 && self.status == TransactionStatus::Idle
    }

    /// Has the client all answers that it has asked for?
    pub fn is_answered(&self) -> bool {
        self.due == 0 && self.is_between_answers()
    }

    /// Does the server stream, and has the client whole messages only?
    pub fn is_streaming(&self) -> bool {
        self.streaming && self.is_between_answers()
    }

    /// Has the client been given whole messages only?
    pub fn is_between_answers(&self) -> bool {
        self.server.remaining == 0 && !self.server.lost
    }

    /// What the client sent.
    pub fn client_sent<O: Observer>(
        &mut self,
        input: &[u8],
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Taken {
        let mut at = 0;
        let misses = cx.facts.misses();
        loop {
            at += self.client.carry(at, input.len(), out);
            let bytes = &input[at..];
            let next = match frame::header(bytes) {
                Err(frame::BadLength) => {
                    self.client.lost = true;
                    continue;
                }
                Ok(None) => Next::Read { total: 0 },
                Ok(Some(_)) if super::client::enough(cx.facts.misses() - misses, at) => Next::Pause,
                Ok(Some(header)) => match self.look(header, bytes, cx) {
                    Some(Next::Describe(text)) => Next::Describe(at + text.start..at + text.end),
                    Some(next) => next,
                    None => {
                        cx.described = None;
                        cx.busy = false;
                        at += self.client.pass(header, at, bytes.len(), out);
                        if header.kind != b'X' {
                            continue;
                        }
                        Next::Terminate
                    }
                },
            };
            return Taken { consumed: at, next };
        }
    }

    /// `None`: the message can go on.
    fn look<O: Observer>(
        &mut self,
        header: Header,
        bytes: &[u8],
        cx: &mut Context<'_, O>,
    ) -> Option<Next> {
        let longest = HEADER + self.max_statement_bytes + MAX_BESIDE_TEXT;
        if matches!(header.kind, b'Q' | b'P') && header.total <= longest {
            let Some(body) = bytes.get(HEADER..header.total) else {
                return Some(Next::Read {
                    total: header.total,
                });
            };
            let first = !self.has_run && self.due == 0 && self.status == TransactionStatus::Idle;
            if let Some(text) = judge(header.kind, body, self.walsender, first, cx) {
                return Some(Next::Describe(text));
            }
        }
        if header.kind == b'F' {
            const NUMBER: usize = HEADER + 4;
            match bytes.get(HEADER..).and_then(|it| it.first_chunk()) {
                None if header.total >= NUMBER => return Some(Next::Read { total: NUMBER }),
                Some(number) if header.total >= NUMBER => {
                    let refusal = guards::fast_path::judge(cx.who, u32::from_be_bytes(*number));
                    refusal.iter().for_each(|it| cx.observer.observed(it));
                }
                _ => {}
            }
        }
        self.follow(header, bytes, cx);
        match header.kind {
            b'E' => self.has_run = true,
            b'Q' | b'S' => self.has_run = false,
            _ => {}
        }
        match header.kind {
            b'Q' | b'F' => self.due += 1,
            b'S' => self.due += u64::from(!self.copying),
            b'c' | b'f' => self.copying = false,
            _ => {}
        }
        None
    }

    /// Follows the names of prepared statements, as far as messages are there: nothing waits for that.
    fn follow<O: Observer>(&mut self, header: Header, bytes: &[u8], cx: &Context<'_, O>) {
        let body = &bytes[HEADER..header.total.min(bytes.len())];
        let name_in = |body| cstr(body).map(|(name, _)| name).filter(|it| !it.is_empty());
        let (name, uses) = match (header.kind, body.split_first()) {
            (b'P', _) => {
                if let Some(name) = name_in(body) {
                    self.names.get_or_insert_default().add(name);
                }
                return;
            }
            (b'C', Some((b'S', rest))) => (name_in(rest), false),
            (b'D', Some((b'S', rest))) => (name_in(rest), true),
            (b'B', _) => (cstr(body).and_then(|(_, rest)| name_in(rest)), true),
            _ => return,
        };
        let Some(name) = name else { return };
        let names = self.names.as_ref();
        if uses && names.is_none_or(|it| !it.given_up && !it.known.contains(name)) {
            let name = String::from_utf8_lossy(name);
            cx.observer
                .observed(&guards::unknown_name::statement(cx.who, &name));
        } else if !uses && let Some(names) = &mut self.names {
            names.remove(name);
        }
    }

    /// What the server answered; the bytes used up.
    pub fn server_answered<O: Observer>(
        &mut self,
        input: &[u8],
        observer: &O,
        out: &mut Splice<'_>,
    ) -> usize {
        let mut at = 0;
        loop {
            at += self.server.carry(at, input.len(), out);
            let bytes = &input[at..];
            let Ok(header) = frame::header(bytes) else {
                self.server.lost = true;
                continue;
            };
            let Some(header) = header else { return at };
            match (header.kind, bytes.get(HEADER..header.total)) {
                (b'Z', None) => return at,
                (b'E', None) if header.total <= MAX_ERROR => return at,
                (b'Z', Some(body)) => self.ready(body),
                (b'E', Some(body)) => observer.server_error(error_fields::read(body).sqlstate),
                (b'G', _) => self.copying = true,
                (b'W', _) => (self.copying, self.streaming) = (true, true),
                _ => {}
            }
            at += self.server.pass(header, at, bytes.len(), out);
        }
    }

    fn ready(&mut self, body: &[u8]) {
        self.due = self.due.saturating_sub(1);
        (self.copying, self.streaming) = (false, false);
        if let [status] = body {
            self.status = TransactionStatus::from_byte(*status).unwrap_or(self.status);
        }
    }
}

/// Judges the text of a Query or Parse, if it has one; where it is long: its place in the message, to be
/// described elsewhere first.
fn judge<O: Observer>(
    kind: u8,
    body: &[u8],
    walsender: bool,
    first: bool,
    cx: &mut Context<'_, O>,
) -> Option<std::ops::Range<usize>> {
    let start = match kind {
        b'P' => cstr(body)?.0.len() + 1,
        _ => 0,
    };
    let text = cstr(&body[start..])?.0;
    if let Some(command) = walsender.then(|| walsender::read(text)).flatten() {
        let facts = command.facts(text);
        let decision = decide_command(&command, &facts, cx.who);
        cx.observer.judged(&facts, &decision, text);
        return None;
    }
    let facts = match cx.described.take() {
        Some(facts) => {
            cx.facts.admit(text, &facts);
            facts
        }
        None if text.len() <= LONG_TEXT => cx.facts.describe(text),
        None => match cx.facts.get(text) {
            Some(facts) => facts,
            None if cx.busy => return None,
            None => return Some(HEADER + start..HEADER + start + text.len()),
        },
    };
    let state = State { first, ..cx.state };
    cx.observer
        .judged(&facts, &decide(&facts, cx.who, state), text);
    None
}

#[cfg(test)]
mod tests;
