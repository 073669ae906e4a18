//! Where the whole policy observes: the bytes of both sides go on unchanged. Texts are judged, rows are
//! counted, and so is what would have been refused, and what would have been changed (`foresight`); nothing is
//! refused, injected, replaced or held back, and what cannot be read is carried unread.
//!
//! Nothing here may stand in anybody's way, so it knows little: where messages begin, and whether
//! answers are due.

mod foresight;
mod texts;

pub use foresight::Change;
use foresight::Foresight;

use super::client::{Message, enough};
use super::rows::Rows;
use super::server::MAX_ERROR;
use super::splice::Splice;
use super::{Context, Next, Observer, Origins, Setup, Taken};
use crate::policy::guards;
use crate::protocol::TransactionStatus;
use crate::protocol::error_fields;
use crate::protocol::frame::{self, HEADER, Header, cstr};

/// Names and types of a Parse that is read: longer ones are carried unread. Names of a Bind that are
/// waited for.
const MAX_BESIDE_TEXT: usize = 8 * 1024;

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
    /// So many of the last of them by Syncs.
    due_to_syncs: u64,
    status: TransactionStatus,
    /// Messages were sent that wait for their Sync.
    in_batch: bool,
    /// Something was run since the last Sync.
    has_run: bool,
    /// The server reads COPY data: it ignores Sync.
    copying: bool,
    /// A replication connection.
    walsender: bool,
    /// The server streams (CopyBoth).
    streaming: bool,
    /// Nothing more may begin.
    ending: bool,
    /// What an enforcing policy would do beside refusing.
    foresight: Foresight,
    /// Of a login with `max_rows`.
    rows: Option<Box<Rows>>,
}

impl Onlooker {
    /// For a connection whose server has just reported ReadyForQuery, idle.
    pub fn new(setup: &Setup) -> Self {
        Self {
            max_statement_bytes: setup.max_statement_bytes,
            client: Stream::default(),
            server: Stream::default(),
            due: 0,
            due_to_syncs: 0,
            status: TransactionStatus::Idle,
            in_batch: false,
            has_run: false,
            copying: false,
            walsender: setup.walsender,
            streaming: false,
            ending: false,
            foresight: Foresight::new(setup),
            rows: None,
        }
    }

    /// These startup parameters would be kept for the client.
    pub fn begins_with(&mut self, origins: &Origins) {
        self.foresight.begins_with(origins);
    }

    /// From now on nothing begins any more: what has begun gets its COPY data and its Sync, and every other message
    /// waits for ever. Whoever was let go is still judged by the policy that observed.
    pub fn begin_nothing_more(&mut self) {
        self.ending = true;
    }

    /// Is nothing due and no transaction open, as far as can be told?
    pub fn is_idle(&self) -> bool {
        let between = self.client.remaining == 0 && !self.client.lost;
        between && self.is_answered() && self.status == TransactionStatus::Idle
    }

    /// Has the client all answers that it has asked for, and asked for those to all that it has sent?
    pub fn is_answered(&self) -> bool {
        let begun = self.in_batch || self.copying;
        self.due == 0 && !begun && self.is_between_answers()
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
        if self.ending && self.client.lost {
            let next = Next::Hold;
            return Taken { consumed: 0, next };
        }
        loop {
            at += self.client.carry(at, input.len(), out);
            let bytes = &input[at..];
            let next = match frame::header(bytes) {
                Err(frame::BadLength) if self.ending => Next::Hold,
                Err(frame::BadLength) => {
                    self.client.lost = true;
                    continue;
                }
                Ok(None) => Next::Read { total: 0 },
                Ok(Some(header)) if self.ending && begins(header.kind) => {
                    // What comes behind it does not come any more.
                    self.in_batch = false;
                    Next::Hold
                }
                Ok(Some(header)) if enough(cx.facts.misses() - misses, at + header.total) => {
                    Next::Pause
                }
                Ok(Some(header)) => match self.look(Message { header, at, bytes }, cx) {
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
    fn look<O: Observer>(&mut self, message: Message<'_>, cx: &mut Context<'_, O>) -> Option<Next> {
        let wait = match message.header.kind {
            b'Q' | b'P' => self.text(message, cx),
            b'B' => self.bind(message, cx),
            b'F' => self.call(message, cx),
            b'C' | b'D' => {
                self.statement(message, cx);
                None
            }
            _ => None,
        };
        if wait.is_some() {
            return wait;
        }
        if matches!(message.header.kind, b'Q' | b'E') {
            Rows::follow(&mut self.rows, cx.who);
        }
        match message.header.kind {
            b'E' => self.has_run = true,
            b'Q' | b'S' => self.has_run = false,
            _ => {}
        }
        match message.header.kind {
            b'P' | b'B' | b'D' | b'E' | b'C' => self.in_batch = true,
            // While it copies this Sync is ignored, and the batch goes on.
            b'S' if self.copying => {}
            b'Q' | b'F' | b'S' => self.in_batch = false,
            _ => {}
        }
        match message.header.kind {
            b'Q' | b'F' => {
                self.due += 1;
                self.due_to_syncs = 0;
            }
            b'S' if !self.copying => {
                self.due += 1;
                self.due_to_syncs += 1;
                self.foresight.synced();
            }
            b'c' | b'f' => self.copying = false,
            _ => {}
        }
        None
    }

    /// FunctionCall.
    fn call<O: Observer>(&mut self, message: Message<'_>, cx: &Context<'_, O>) -> Option<Next> {
        const NUMBER: usize = HEADER + 4;
        if message.header.total < NUMBER {
            return None;
        }
        let Some(number) = message.bytes.get(HEADER..).and_then(|it| it.first_chunk()) else {
            return Some(Next::Read { total: NUMBER });
        };
        let refusal = guards::fast_path::judge(cx.who, u32::from_be_bytes(*number));
        refusal.iter().for_each(|it| cx.observer.observed(it, b""));
        self.foresight.synced();
        None
    }

    /// Close or Describe of a statement, as far as it is there: nothing waits for that.
    fn statement<O: Observer>(&mut self, message: Message<'_>, cx: &Context<'_, O>) {
        let body = &message.bytes[HEADER..message.header.total.min(message.bytes.len())];
        let Some((b'S', rest)) = body.split_first() else {
            return;
        };
        let Some((name, _)) = cstr(rest) else { return };
        match message.header.kind {
            b'C' => self.foresight.closed(name),
            _ => self.is_known(name, cx),
        }
    }

    fn is_known<O: Observer>(&self, name: &[u8], cx: &Context<'_, O>) {
        if self.foresight.is_unknown(name) {
            let name = String::from_utf8_lossy(name);
            let refusal = guards::unknown_name::statement(cx.who, &name);
            cx.observer.observed(&refusal, b"");
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
                (b'C', None) if self.rows.is_some() && header.total <= MAX_ERROR => return at,
                (b'Z', Some(body)) => self.ready(body),
                (b'E', Some(body)) => observer.server_error(error_fields::read(body).sqlstate),
                (b'D' | b'd', _) => {
                    let exceeds = self.rows.as_mut().and_then(|rows| rows.count());
                    exceeds.iter().for_each(|it| observer.observed(it, b""));
                }
                (b'C' | b's', Some(body)) => {
                    let rows = self.rows.iter_mut();
                    rows.for_each(|rows| rows.ended(header.kind, body));
                }
                (b'G', _) => {
                    self.copying = true;
                    // It ignores each Sync up to the end of the data, and so the one behind the Execute.
                    self.due -= std::mem::take(&mut self.due_to_syncs);
                    self.in_batch = self.due == 0;
                }
                (b'W', _) => (self.copying, self.streaming) = (true, true),
                _ => {}
            }
            at += self.server.pass(header, at, bytes.len(), out);
        }
    }

    fn ready(&mut self, body: &[u8]) {
        self.due = self.due.saturating_sub(1);
        self.due_to_syncs = self.due_to_syncs.min(self.due);
        (self.copying, self.streaming) = (false, false);
        if let [status] = body {
            self.status = TransactionStatus::from_byte(*status).unwrap_or(self.status);
        }
        let idle = self.status == TransactionStatus::Idle;
        self.rows.iter_mut().for_each(|rows| rows.ready(idle));
        if self.due == 0 {
            self.foresight.settled(self.status);
        }
    }
}

/// May this message of the client's begin something, as far as can be told by its kind?
fn begins(kind: u8) -> bool {
    !matches!(kind, b'd' | b'c' | b'f' | b'S' | b'H' | b'X')
}

#[cfg(test)]
mod tests;
