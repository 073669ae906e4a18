//! What the server answers: carried unread, but for the few messages that belong to us or move a
//! state.

use super::in_flight::Expected;
use super::injection::Injection;
use super::positions::move_position;
use super::splice::Splice;
use super::{Batch, Body, Conversation, Copy, Fatal, Observer};
use crate::error::SqlState;
use crate::protocol::error_fields;
use crate::protocol::frame::{self, HEADER, Header};
use crate::protocol::parameter_status;
use crate::protocol::{TransactionStatus, frame::SYNC};
use crate::zone::put_cleanup;

/// So much of an ErrorResponse is read; a longer one is carried as it is.
pub const MAX_ERROR: usize = 32 * 1024;

/// `undefined_cursor`: what Execute of a portal that does not exist is answered with.
const UNDEFINED_CURSOR: &[u8] = b"34000";
/// `invalid_sql_statement_name`: what PostgreSQL answers to Bind of a statement that it does not know.
const UNKNOWN_STATEMENT: &[u8] = b"26000";
/// What PgBouncer ends the connection with then; and what a walsender, which takes nothing of the extended
/// protocol, answers to Execute.
const PROTOCOL_VIOLATION: &[u8] = b"08P01";

/// What to do with the message at the head.
pub(super) enum Step {
    Carry,
    Swallow,
    /// The whole message was put out in another form.
    Replaced,
    /// It must be there as a whole first.
    More,
}

impl Conversation {
    /// Takes what the server sent: what goes to the client is put into `out`, what Portcullis itself
    /// must say to the server into `to_server`. Returns the bytes used up; the rest (fewer than
    /// 32 KB) must come again with more behind it.
    pub fn from_server<O: Observer>(
        &mut self,
        input: &[u8],
        observer: &O,
        out: &mut Splice<'_>,
        to_server: &mut Vec<u8>,
    ) -> Result<usize, Fatal> {
        if let Some(onlooker) = &mut self.onlooker {
            return Ok(onlooker.server_answered(input, observer, out));
        }
        let mut at = 0;
        loop {
            let length = self.server_body.remaining.min(input.len() - at);
            if length > 0 {
                if !self.server_body.dropped {
                    out.keep(at..at + length);
                }
                self.server_body.remaining -= length;
                at += length;
            }
            let bytes = &input[at..];
            let Some(header) = frame::header(bytes).map_err(|_| out_of_step(0))? else {
                return Ok(at);
            };
            let there = header.total.min(bytes.len());
            let said = to_server.len();
            let left_out = self.leaves_out();
            let step = self.answer(header, bytes, observer, out, to_server)?;
            let step = match step {
                Step::Carry
                    if left_out
                        && !self.farewell
                        && !matches!(header.kind, b'Z' | b'S' | b'A' | b'N') =>
                {
                    Step::Swallow
                }
                step => step,
            };
            if self.client_body.is_halfway() && to_server.len() > said {
                // It would end up in the middle of a message that the server still has to get.
                return Err(out_of_step(header.kind));
            }
            let dropped = match step {
                Step::Carry => {
                    out.keep(at..at + there);
                    false
                }
                Step::Swallow | Step::Replaced => true,
                Step::More => return Ok(at),
            };
            self.server_body = Body {
                remaining: header.total - there,
                dropped,
            };
            at += there;
        }
    }

    fn answer<O: Observer>(
        &mut self,
        header: Header,
        bytes: &[u8],
        observer: &O,
        out: &mut Splice<'_>,
        to_server: &mut Vec<u8>,
    ) -> Result<Step, Fatal> {
        use Expected as E;
        if self.farewell {
            // PgBouncer adds an error of its own to the server's.
            return Ok(Step::Swallow);
        }
        if matches!(header.kind, b'C' | b's')
            && let Some(step) = self.rows_ended(header, bytes)
        {
            return Ok(step);
        }
        let head = self.in_flight.head();
        let step = match (header.kind, head) {
            (b'1', Some(E::FollowedParse)) => {
                self.changed();
                Step::Swallow
            }
            // PostgreSQL knows our name: nobody has put another in its place.
            (b'D', Some(E::Question)) => self.of_injection(Injection::pool_forgets),
            (b'1' | b'2' | b'3' | b'C', Some(E::Question)) => Step::Swallow,
            (b'D', Some(E::ReadingExecute | E::PlannedOwn)) => {
                return self.read_back_row(header, bytes);
            }
            // Rows, COPY data, and what may come at any moment.
            (b'D' | b'd', _) => self.row(observer, out),
            (b'A', _) => Step::Carry,
            (b'S', _) => return self.parameter_status(header, bytes),
            (b'N', Some(E::GuardedRow | E::GuardedTag | E::Guarded)) => {
                return Ok(move_position(header, bytes, out));
            }
            (b'N', Some(E::Planned | E::PlannedOwn)) => {
                return Ok(self.move_position_in_plan(header, bytes, out));
            }
            (b'N', Some(E::NotedExecute | E::ReadingExecute)) => {
                return Ok(self.notice_of_set(header, bytes));
            }
            (b'N', _) => Step::Carry,
            (b'Z', _) => return self.ready(header, bytes, head, observer, out, to_server),
            (b'E', _) => return self.error(header, bytes, head, observer, out, to_server),

            (b'1', Some(E::Parse)) | (b'2', Some(E::Bind)) | (b'3', Some(E::Close)) => {
                self.changed();
                Step::Carry
            }
            (b'V', Some(E::Call)) => Step::Carry,
            (b't' | b'T' | b'n', Some(E::Describe | E::OwnDescribe)) => {
                return Ok(self.described(header, bytes));
            }
            (b'C', Some(head @ (E::Deallocate | E::DeallocatingQuery))) => {
                return Ok(self.deallocated(head, out));
            }
            (b'C', Some(E::Execute | E::Query | E::Guarded))
                if self.remembers() && bytes.len() < header.total =>
            {
                return Ok(Step::More);
            }
            (b'C' | b'I' | b's', Some(E::Execute)) => {
                self.note_tag(bytes);
                self.statement_ended(observer, SqlState::SUCCESS);
                self.copy_ended();
                self.answered()
            }
            (b'C' | b'I' | b's', Some(E::NotedExecute)) => {
                let Some(message) = bytes.get(..header.total) else {
                    return Ok(Step::More);
                };
                self.note_tag(message);
                self.noted_ended(message);
                self.statement_ended(observer, SqlState::SUCCESS);
                self.copy_ended();
                self.answered()
            }
            (b'C', Some(E::ReadingExecute)) => {
                self.in_flight.pop();
                self.reading_ended()?;
                Step::Swallow
            }
            (b'1', Some(E::OwnParse | E::ReadingParse))
            | (b'2', Some(E::ReadingBind))
            | (b'3', Some(E::ReadingClose | E::ReadingEnd)) => {
                self.in_flight.pop();
                Step::Swallow
            }
            (b'T', Some(E::PlannedOwn)) => Step::Swallow,
            (b'C', Some(E::Planned | E::PlannedOwn)) => {
                let Some(message) = bytes.get(..header.total) else {
                    return Ok(Step::More);
                };
                self.note_tag(message);
                self.planned_ended(message)?;
                match head {
                    Some(E::PlannedOwn) => Step::Swallow,
                    _ => Step::Carry,
                }
            }
            (b'T' | b'I' | b'H' | b'c', Some(E::Planned)) => Step::Carry,

            (b'3', Some(E::PrefixClose | E::PrefixEnd | E::CleanupClose))
            | (b'2', Some(E::PrefixBind))
            | (b'C', Some(E::PrefixExecute)) => {
                self.in_flight.pop();
                Step::Swallow
            }
            (b'1', Some(E::PrefixParse)) => {
                self.in_flight.pop();
                self.of_injection(Injection::parsed)
            }

            (b'T', Some(E::GuardedRow)) => self.stage(E::GuardedTag),
            (b'C', Some(E::GuardedTag)) => self.stage(E::Guarded),
            (b'C', Some(E::Query | E::Guarded)) => {
                self.note_tag(bytes);
                self.copy_ended();
                Step::Carry
            }
            (b'T' | b'I' | b'H' | b'c', Some(E::Query | E::Guarded))
            | (b'H' | b'c', Some(E::Execute | E::NotedExecute)) => Step::Carry,
            (b'G', Some(E::Query | E::Guarded | E::Execute)) => {
                self.in_flight.begin_copy();
                self.copy.active = true;
                Step::Carry
            }
            (b'W', Some(E::Query)) if self.walsender => self.stream_begins(),
            (kind, _) => return Err(out_of_step(kind)),
        };
        Ok(step)
    }

    /// Something about the zone that the client does not see.
    fn of_injection(&mut self, event: fn(&mut Injection)) -> Step {
        if let Some(injection) = &mut self.injection {
            event(injection);
        }
        Step::Swallow
    }

    pub(super) fn answered(&mut self) -> Step {
        self.in_flight.pop();
        Step::Carry
    }

    /// A stored function can change how the server reads SQL, and so can a default that RESET ALL brings
    /// back: from then on nobody knows what a text does. Very long ones are neither of those looked for.
    fn parameter_status(&mut self, header: Header, bytes: &[u8]) -> Result<Step, Fatal> {
        if header.total > MAX_ERROR {
            return Ok(Step::Carry);
        }
        match bytes.get(HEADER..header.total) {
            None => Ok(Step::More),
            Some(body) if parameter_status::changes_lexing(body) => Err(Fatal {
                sqlstate: SqlState::POLICY,
                message: "the server reads SQL in another way from here on".to_owned(),
            }),
            Some(body) if self.holds_report(body) => Ok(Step::Swallow),
            Some(_) => Ok(Step::Carry),
        }
    }

    /// What is at the head is over; if it is the COPY, no more data is for it.
    pub(super) fn copy_ended(&mut self) {
        self.in_flight.end_copy();
        self.forget_copy();
    }

    fn forget_copy(&mut self) {
        if !self.in_flight.has_copy_in() {
            self.copy = Copy::default();
        }
    }

    fn stage(&mut self, stage: Expected) -> Step {
        self.in_flight.replace_head(stage);
        Step::Swallow
    }

    fn statement_ended<O: Observer>(&self, observer: &O, sqlstate: SqlState) {
        if self.record {
            observer.ended(sqlstate);
        }
    }

    fn ready<O: Observer>(
        &mut self,
        header: Header,
        bytes: &[u8],
        head: Option<Expected>,
        observer: &O,
        out: &mut Splice<'_>,
        to_server: &mut Vec<u8>,
    ) -> Result<Step, Fatal> {
        let status = match bytes.get(HEADER..header.total) {
            Some([status]) => TransactionStatus::from_byte(*status),
            Some(_) => None,
            None => return Ok(Step::More),
        };
        let (Some(status), Some(head)) = (status, head.filter(|head| head.ends_batch())) else {
            return Err(out_of_step(b'Z'));
        };
        self.status = status;
        self.streaming = false;
        self.copy_ended();
        self.in_flight.pop();
        self.parameters_ready(status == TransactionStatus::Idle, head.is_planned());
        if head.is_query() {
            let outcome = std::mem::replace(&mut self.outcome, SqlState::SUCCESS);
            self.statement_ended(observer, outcome);
            let gone = self.names.drop_unnamed();
            self.statements.recycle(gone);
        }
        if status == TransactionStatus::Idle {
            self.statements.lost();
        }
        if head == Expected::Question {
            self.of_injection(Injection::question_answered);
        }
        if self.in_flight.is_empty() {
            self.settle(to_server);
        }
        let ours = matches!(head, Expected::CleanupSync | Expected::Question);
        let goes_on = head.is_query() && self.piece_ended();
        if ours || self.rows_ready(to_server) || goes_on {
            return Ok(Step::Swallow);
        }
        self.put_news(out);
        Ok(Step::Carry)
    }

    /// Everything is answered.
    fn settle(&mut self, to_server: &mut Vec<u8>) {
        self.in_flight.settle();
        let idle = self.status == TransactionStatus::Idle && self.batch == Batch::Closed;
        if idle {
            self.names.transaction_ended();
        }
        self.names_by_sql_settled(idle);
        let Some(injection) = &mut self.injection else {
            return;
        };
        let names = injection.take_leftovers();
        if !names.is_empty() {
            // Before anything else is sent; nothing is taken from the client until it is confirmed.
            put_cleanup(to_server, &names);
            names
                .iter()
                .for_each(|_| self.in_flight.push(Expected::CleanupClose));
            self.in_flight.push(Expected::CleanupSync);
        } else if self.batch == Batch::Closed {
            injection.settled(self.status);
        }
    }

    fn error<O: Observer>(
        &mut self,
        header: Header,
        bytes: &[u8],
        head: Option<Expected>,
        observer: &O,
        out: &mut Splice<'_>,
        to_server: &mut Vec<u8>,
    ) -> Result<Step, Fatal> {
        let Some(beginning) = bytes.get(HEADER..header.total.min(MAX_ERROR)) else {
            return Ok(Step::More);
        };
        self.names_by_sql_failed();
        let fields = error_fields::read(beginning);
        if head == Some(Expected::PrefixBind)
            && matches!(fields.sqlstate, UNKNOWN_STATEMENT | PROTOCOL_VIOLATION)
        {
            self.of_injection(Injection::name_lost);
        }
        if fields.ends_connection() {
            observer.server_error(fields.sqlstate);
            self.farewell = true;
            return Ok(if self.is_replaceable() {
                Step::Swallow
            } else {
                Step::Carry
            });
        }
        if !head.is_some_and(Expected::is_about_pool) {
            self.piece_failed();
        }
        let Some(head) = head else {
            observer.server_error(fields.sqlstate);
            return Ok(Step::Carry);
        };
        if head == Expected::Call {
            // ReadyForQuery follows.
            observer.server_error(fields.sqlstate);
            return Ok(Step::Carry);
        }
        if head.is_query() {
            observer.server_error(fields.sqlstate);
            self.outcome = SqlState::from_bytes(fields.sqlstate);
            return Ok(self.query_failed(head, header, bytes, out));
        }
        match head {
            Expected::Refused | Expected::RefusedUnnamed
                if fields.sqlstate == UNDEFINED_CURSOR
                    || (self.walsender && fields.sqlstate == PROTOCOL_VIOLATION) =>
            {
                self.statement_failed(head, fields.sqlstate);
                if let Some(refusal) = self.in_flight.refused() {
                    self.error_reply(&refusal).put(out.insert());
                }
                self.batch_failed(observer, to_server, SqlState::POLICY, None);
                return Ok(Step::Replaced);
            }
            Expected::Abort => {
                self.statement_failed(head, fields.sqlstate);
                self.in_flight.pop();
                self.batch_failed(observer, to_server, SqlState::PROGRAM_LIMIT, None);
                return Ok(Step::Swallow);
            }
            Expected::Question => return Ok(self.of_injection(Injection::question_failed)),
            Expected::CleanupClose | Expected::CleanupSync => {
                return Err(Fatal::protocol("a name on the server could not be removed"));
            }
            _ => {}
        }
        observer.server_error(fields.sqlstate);
        self.statement_failed(head, fields.sqlstate);
        if head.is_prefix() {
            observer.injection_failed();
            self.of_injection(Injection::failed);
        }
        let sqlstate = SqlState::from_bytes(fields.sqlstate);
        self.batch_failed(observer, to_server, sqlstate, Some(head));
        Ok(Step::Carry)
    }

    /// A message of an extended batch failed: the server skips up to Sync.
    fn batch_failed<O: Observer>(
        &mut self,
        observer: &O,
        to_server: &mut Vec<u8>,
        sqlstate: SqlState,
        head: Option<Expected>,
    ) {
        let prefix = head.is_some_and(|head| head.is_prefix() || head.is_reading());
        let skipped = self.in_flight.skip_batch();
        self.parameters_failed(&skipped, head.is_some_and(Expected::is_reading));
        if skipped.prefix {
            self.of_injection(Injection::name_doubted);
        }
        self.names_were_skipped(skipped.names);
        self.forget_copy();
        for _ in 0..skipped.executes {
            self.statement_ended(observer, sqlstate);
        }
        if !skipped.synced {
            if self.batch == Batch::Open {
                self.batch = Batch::Skipping;
            }
        } else if prefix && self.in_flight.head().is_some_and(Expected::is_query) {
            // The Query behind the failed prefix is skipped without ReadyForQuery: Sync asks for it.
            // Nothing else was sent behind it. PgBouncer 1.18 counts on two.
            to_server.extend_from_slice(SYNC);
            self.miscounted = true;
        }
    }
}

/// The server said something that nothing in flight explains: from here on nobody knows what
/// belongs to what.
fn out_of_step(kind: u8) -> Fatal {
    Fatal::protocol(format!("unexpected message 0x{kind:02X} from the server"))
}
