//! What the client sends: judged, then carried, prefixed or replaced.

use super::in_flight::Expected;
use super::prepared::is_named_parse;
use super::splice::Splice;
use super::{Batch, Body, Context, Conversation, Copy, Fatal, Next, Observer, Taken};
use crate::error::SqlState;
use crate::policy::guards;
use crate::protocol::frame::{self, HEADER, Header, cstr};
use crate::sql::{Facts, LONG_TEXT};

/// What became of the message at the head.
pub(super) enum Step {
    /// Dealt with: this many bytes are used up, more of its body may follow.
    Done(usize),
    /// It needs this many bytes first.
    More(usize),
    /// It must wait for answers.
    Hold,
    /// It goes on in the next turn.
    Pause,
    /// Its text, or this piece of it, is long.
    Describe { text: Vec<u8>, goes_on: bool },
    /// Terminate.
    Goodbye(usize),
}

/// The message at the head of the client's bytes.
#[derive(Clone, Copy)]
pub(super) struct Message<'i> {
    pub header: Header,
    /// Where it starts in the input.
    pub at: usize,
    /// As much of it as is there.
    pub bytes: &'i [u8],
}

impl Step {
    pub(super) fn describe(text: &[u8]) -> Self {
        Self::Describe {
            text: text.to_vec(),
            goes_on: false,
        }
    }
}

impl<'i> Message<'i> {
    /// The body, if the whole message is there.
    pub(super) fn body(&self) -> Option<&'i [u8]> {
        self.bytes.get(HEADER..self.header.total)
    }

    /// The text of a Query or Parse that is there whole; else nothing.
    pub(super) fn text(&self) -> &'i [u8] {
        let text = match (self.header.kind, self.body()) {
            (b'Q', Some(body)) => cstr(body),
            (b'P', Some(body)) => cstr(body).and_then(|(_, rest)| cstr(rest)),
            _ => None,
        };
        text.map_or(b"", |(text, _)| text)
    }

    pub(super) fn range(&self, length: usize) -> std::ops::Range<usize> {
        self.at..self.at + length
    }
}

impl Conversation {
    /// Takes what the client sent. What goes to the server is put into `out`; `reply` gets answers
    /// that need no server.
    pub fn from_client<O: Observer>(
        &mut self,
        input: &[u8],
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Taken, Fatal> {
        if let Some(onlooker) = &mut self.onlooker {
            if cx.who.observes() {
                return Ok(onlooker.client_sent(input, cx, out));
            }
            // Nobody knows what was prepared here, and in which transaction it is.
            return Err(Fatal {
                sqlstate: SqlState::ADMIN_SHUTDOWN,
                message: "the policy is enforced from here on: connect again".to_owned(),
            });
        }
        let mut at = 0;
        let misses = cx.facts.misses();
        self.judged = 0;
        self.renew_choice(cx.who);
        loop {
            at += self.carry_body(at, input.len(), out);
            let bytes = &input[at..];
            let next = match frame::header(bytes) {
                Err(frame::BadLength) => return Err(Fatal::protocol("invalid message length")),
                Ok(None) => Next::Read { total: 0 },
                Ok(Some(_)) if self.in_flight.is_full() => Next::Hold,
                Ok(Some(header)) if enough(cx.facts.misses() - misses, at + header.total) => {
                    Next::Pause
                }
                Ok(Some(_)) if self.judged > MAX_JUDGED || out.copied() > MAX_COPIED => Next::Pause,
                Ok(Some(header)) => {
                    let message = Message { header, at, bytes };
                    match self.take(message, cx, out, reply)? {
                        Step::Done(length) => {
                            at += length;
                            self.flushed = false;
                            // It was for this message, be it that the message was left out unread.
                            cx.described = None;
                            cx.busy = false;
                            continue;
                        }
                        Step::More(total) => Next::Read { total },
                        Step::Hold => Next::Hold,
                        Step::Pause => Next::Pause,
                        Step::Describe { text, goes_on } => Next::Describe { text, goes_on },
                        Step::Goodbye(length) => {
                            at += length;
                            Next::Terminate
                        }
                    }
                }
            };
            return Ok(Taken { consumed: at, next });
        }
    }

    /// Carries or drops what is left of a body; returns the bytes used up.
    fn carry_body(&mut self, at: usize, end: usize, out: &mut Splice<'_>) -> usize {
        let length = self.client_body.remaining.min(end - at);
        if length > 0 {
            self.client_body.remaining -= length;
            if !self.client_body.dropped {
                out.keep(at..at + length);
            }
        }
        length
    }

    fn take<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Step, Fatal> {
        let kind = message.header.kind;
        if self.copy.active && !matches!(kind, b'd' | b'c' | b'f' | b'S' | b'H' | b'X') {
            return Err(Fatal::protocol(format!(
                "unexpected message type 0x{kind:02X} during COPY from stdin"
            )));
        }
        if matches!(kind, b'Q' | b'F' | b'P' | b'B' | b'D' | b'E' | b'C') {
            let skipping = self.batch == Batch::Skipping;
            // The rest of a Query that goes in pieces is nothing new.
            let ending = self.ending && !self.is_in_pieces();
            if ending && !skipping {
                if self.batch == Batch::Open && !self.in_flight.is_empty() {
                    self.ask_for_answers(out);
                }
                return Ok(Step::Hold);
            }
            if !ending
                && (self.asks_pool(message, out)
                    || self.must_wait(matches!(kind, b'Q' | b'F'), out))
            {
                return Ok(Step::Hold);
            }
            if skipping {
                self.pieces = None;
                return Ok(self.drop_message(message));
            }
            if let Some(step) = self.behind_unpinned(message, cx, out, reply) {
                return Ok(step);
            }
        }
        match kind {
            b'Q' => self.query(message, cx, out, reply),
            b'P' => self.parse(message, cx, out),
            b'B' => self.bind(message, cx, out),
            b'D' => self.describe(message, cx, out),
            b'E' => self.execute(message, cx, out),
            b'C' => self.close(message, cx, out),
            b'S' => self.sync(message, out),
            b'H' => self.flush(message, out),
            b'd' | b'c' | b'f' => Ok(self.copy_data(message, out)),
            b'F' => self.call(message, cx, out, reply),
            b'X' => {
                let whole = exact(message, HEADER)?;
                if self.waits_to_leave() {
                    return Ok(Step::Hold);
                }
                // PgBouncer would let go of the server at once, and what runs there could not be
                // cancelled any more: with a migration session the shell says goodbye.
                if !self.record {
                    out.keep(message.range(whole));
                }
                Ok(Step::Goodbye(whole))
            }
            _ => Err(Fatal::protocol(format!(
                "invalid frontend message type {kind}"
            ))),
        }
    }

    /// Does Terminate wait for answers? PgBouncer lets go of the server when it reads it, and may not have sent on what
    /// stands ahead. A batch without Sync ends unanswered, and so does a COPY that the client has not ended.
    fn waits_to_leave(&self) -> bool {
        let copies = (self.copy.active || self.in_flight.has_copy_in()) && !self.copy.ended;
        self.in_flight.has_ended_batches() && !copies && !self.streaming && !self.record
    }

    /// Carries the message, as much of it as is there; the rest follows unread.
    pub(super) fn pass(&mut self, message: Message<'_>, out: &mut Splice<'_>) -> Step {
        let length = self.begin_body(message, false);
        out.keep(message.range(length));
        Step::Done(length)
    }

    /// Leaves the message out.
    pub(super) fn drop_message(&mut self, message: Message<'_>) -> Step {
        Step::Done(self.begin_body(message, true))
    }

    fn begin_body(&mut self, message: Message<'_>, dropped: bool) -> usize {
        let length = message.header.total.min(message.bytes.len());
        let remaining = message.header.total - length;
        self.client_body = Body { remaining, dropped };
        length
    }

    /// Must a message that begins something wait for answers? `simple`: Query or FunctionCall.
    fn must_wait(&mut self, simple: bool, out: &mut Splice<'_>) -> bool {
        if self.in_flight.is_empty() {
            return false;
        }
        if self.waits_for_rows() {
            if self.batch == Batch::Open {
                self.ask_for_answers(out);
            }
            return true;
        }
        if self.in_flight.has_copy_in() {
            // PostgreSQL keeps the answer to a COPY of the extended protocol until Sync or Flush.
            if self.copy.ended && self.batch == Batch::Open {
                self.ask_for_answers(out);
            }
            return true;
        }
        if self.batch == Batch::Open {
            // A Query behind unsynced messages is ignored if one of them failed: know that first.
            if simple {
                self.ask_for_answers(out);
            }
            return simple;
        }
        // When the session ends what runs is cancelled; what was sent ahead would run after it.
        let injection = self.injection.as_ref();
        self.batch == Batch::Closed
            && (self.record
                || injection
                    .is_some_and(|it| it.holds_batches() || (!simple && it.may_be_handed_on())))
    }

    /// Asks the pool what the zone must know about it, where nothing else is open or unanswered. What
    /// the client has just sent waits for the answer.
    fn asks_pool(&mut self, message: Message<'_>, out: &mut Splice<'_>) -> bool {
        let idle = self.is_idle();
        // What is left out, or refused unread, may not be there whole.
        let is_read = self.batch != Batch::Skipping && !self.unpinned && !self.is_too_long(message);
        let Some(injection) = &mut self.injection else {
            return false;
        };
        if self.replaceable && is_read && is_named_parse(message) {
            injection.has_names();
        }
        if self.in_flight.head().is_some_and(Expected::is_about_pool) {
            return true;
        }
        if !idle || !injection.is_curious() {
            return false;
        }
        injection.put_question(out.insert());
        self.in_flight.push(Expected::Question);
        true
    }

    /// Inserts Flush, once for the message at the head.
    pub(super) fn ask_for_answers(&mut self, out: &mut Splice<'_>) {
        if !self.flushed {
            self.flushed = true;
            out.insert().extend_from_slice(frame::FLUSH);
        }
    }

    /// FunctionCall: the number of a function is all that is looked at.
    fn call<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Step, Fatal> {
        const NUMBER: usize = HEADER + 4;
        if message.header.total < NUMBER {
            return Err(Fatal::protocol("invalid message format"));
        }
        let Some(&number) = message.bytes.get(HEADER..).and_then(|it| it.first_chunk()) else {
            return Ok(Step::More(NUMBER));
        };
        if let Some(refusal) = guards::fast_path::judge(cx.who, u32::from_be_bytes(number)) {
            return Ok(self.refuse_simple(message, Box::new(refusal), cx, out, reply));
        }
        self.in_flight.push(Expected::Call);
        // Outside of a transaction it is one of its own, which ends what was open implicitly.
        if let Some(injection) = &mut self.injection {
            injection.batch_ended();
        }
        self.batch = Batch::Closed;
        Ok(self.pass(message, out))
    }

    /// The prefix that is due ahead of a statement.
    pub(super) fn put_prefix<O: Observer>(
        &mut self,
        facts: &Facts,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) {
        self.put_modes(out);
        if let Some(injection) = &mut self.injection {
            let form = injection.put(out.insert(), facts, cx.signer);
            self.in_flight.push_prefix(form);
            self.unnamed_portal_is_taken();
            cx.observer.injected();
        }
    }

    /// Does RESET ALL stand behind what may have put off triggers to the end of an implicit transaction?
    pub(super) fn clears_late(&self, facts: &Facts) -> bool {
        let injection = self.injection.as_ref();
        injection.is_some_and(|injection| injection.clears_late(facts))
    }

    /// Behind RESET ALL: the zone alone, whatever else has to be set ahead of the next statement.
    pub(super) fn put_zone_again<O: Observer>(
        &mut self,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) {
        let injection = self.injection.as_mut();
        if let Some(form) = injection.and_then(|it| it.put_zone_again(out.insert(), cx.signer)) {
            self.in_flight.push_prefix(form);
            self.unnamed_portal_is_taken();
            cx.observer.injected();
        }
    }

    fn sync(&mut self, message: Message<'_>, out: &mut Splice<'_>) -> Result<Step, Fatal> {
        exact(message, HEADER)?;
        if self.copy.active {
            // The server ignores it, and PgBouncer before 1.22 would count on an answer.
            return Ok(self.drop_message(message));
        }
        if (self.in_flight.has_copy_in() && !self.copy.ended)
            || (self.batch == Batch::Closed && self.must_wait(false, out))
        {
            return Ok(Step::Hold);
        }
        self.in_flight.push(Expected::Sync);
        self.batch = Batch::Closed;
        if let Some(injection) = &mut self.injection {
            injection.batch_ended();
        }
        Ok(self.pass(message, out))
    }

    fn flush(&mut self, message: Message<'_>, out: &mut Splice<'_>) -> Result<Step, Fatal> {
        exact(message, HEADER)?;
        if self.copy.active || self.batch != Batch::Open {
            return Ok(self.drop_message(message));
        }
        Ok(self.pass(message, out))
    }

    fn copy_data(&mut self, message: Message<'_>, out: &mut Splice<'_>) -> Step {
        if !self.in_flight.has_copy_in() || self.copy.ended {
            // Late data of a COPY that failed: PostgreSQL ignores it, PgBouncer before 1.26 sticks.
            return self.drop_message(message);
        }
        if !self.copy.active {
            // The COPY may still fail, and what is to be said to the server then must not end up in
            // the middle of data.
            return Step::Hold;
        }
        if message.header.kind != b'd' {
            self.copy = Copy {
                active: false,
                ended: true,
            };
        }
        self.pass(message, out)
    }
}

/// Statements, parameters and names that are judged in one step: each is asked about by every guard.
const MAX_JUDGED: u32 = 4096;

/// Bytes that are made in one step, but for its last message: a Bind of some bytes can have a statement of a megabyte
/// said again.
const MAX_COPIED: usize = 256 * 1024;

/// Was this much describing enough for one step? Thousands of small new texts, or some long ones,
/// must not hold the worker. `bytes`: with the message at hand, which may be as long again.
pub(super) fn enough(described: u64, bytes: usize) -> bool {
    described >= 64 || (described > 0 && bytes > LONG_TEXT)
}

pub(super) fn has_copy_in(facts: &crate::sql::Facts) -> bool {
    facts.classes.has(crate::sql::Class::CopyIn)
}

pub(super) fn bad_layout() -> Fatal {
    Fatal::protocol("invalid message format")
}

/// The message must have exactly this size; its bytes may be missing only in part.
fn exact(message: Message<'_>, total: usize) -> Result<usize, Fatal> {
    if message.header.total == total {
        Ok(total)
    } else {
        Err(bad_layout())
    }
}

/// The one string of a Query: no NUL inside, nothing behind it.
pub(super) fn only_cstr(body: &[u8]) -> Result<&[u8], Fatal> {
    match cstr(body) {
        Some((text, [])) => Ok(text),
        _ => Err(bad_layout()),
    }
}
