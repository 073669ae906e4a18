//! What the server answers: carried unread, but for the few messages that belong to us or move a
//! state.

use super::in_flight::Expected;
use super::injection::Injection;
use super::positions::{Moving, move_position_by};
use super::reading::Move;
use super::splice::Splice;
use super::{Batch, Body, Conversation, Copy, Fatal, Observer};
use crate::error::SqlState;
use crate::protocol::error_fields;
use crate::protocol::frame::{self, HEADER, Header};
use crate::protocol::parameter_status;
use crate::protocol::{TransactionStatus, frame::SYNC};
use crate::zone::put_cleanup;

/// So much of an ErrorResponse is read; the rest of a longer one is carried as it is, but for its position.
pub const MAX_ERROR: usize = 32 * 1024;

/// `undefined_cursor`: what Execute of a portal that does not exist is answered with.
const UNDEFINED_CURSOR: &[u8] = b"34000";
/// `invalid_sql_statement_name`: what PostgreSQL answers to Bind of a statement that it does not know.
const UNKNOWN_STATEMENT: &[u8] = b"26000";
/// In PgBouncer's message about one (1.24: "prepared statement did not exist").
const NAMES: &[u8] = b"prepared statement";
/// What PgBouncer ends the connection with then; and what a walsender, which takes nothing of the extended
/// protocol, answers to Execute.
const PROTOCOL_VIOLATION: &[u8] = b"08P01";

/// What to do with the message at the head.
pub(super) enum Step {
    Carry,
    Swallow,
    /// The same, but for the position in it.
    Moving(Box<Moving>),
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
                match &mut self.moving {
                    Some(moving) => moving.put(&input[at..at + length], out.insert()),
                    None if self.server_body.dropped => {}
                    None => out.keep(at..at + length),
                }
                self.server_body.remaining -= length;
                at += length;
            }
            if self.server_body.remaining == 0
                && let Some(mut moving) = self.moving.take()
            {
                moving.let_go(out.insert());
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
                Step::Carry | Step::Moving(_)
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
                Step::Moving(mut moving) => {
                    let out = out.insert();
                    out.extend_from_slice(&bytes[..HEADER]);
                    moving.put(&bytes[HEADER..there], out);
                    self.moving = Some(moving);
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

    /// Something about the zone that the client does not see.
    pub(super) fn of_injection(&mut self, event: fn(&mut Injection)) -> Step {
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
    pub(super) fn parameter_status(&mut self, header: Header, bytes: &[u8]) -> Result<Step, Fatal> {
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

    pub(super) fn stage(&mut self, stage: Expected) -> Step {
        self.in_flight.replace_head(stage);
        Step::Swallow
    }

    pub(super) fn statement_ended<O: Observer>(&self, observer: &O, sqlstate: SqlState) {
        if self.record {
            observer.ended(sqlstate);
        }
    }

    pub(super) fn ready<O: Observer>(
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
            self.reports.transaction_ended();
        }
        if head == Expected::Question {
            self.of_injection(Injection::question_answered);
        }
        self.pinned_again();
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

    pub(super) fn error<O: Observer>(
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
        let is_about_names = match fields.sqlstate {
            UNKNOWN_STATEMENT => true,
            // PgBouncer's own; it says other things by it, too.
            PROTOCOL_VIOLATION => {
                let mut words = fields.message.windows(NAMES.len());
                words.any(|it| it == NAMES)
            }
            _ => false,
        };
        if is_about_names {
            match head {
                Some(Expected::PrefixBind) => drop(self.of_injection(Injection::name_lost)),
                Some(Expected::ReadingBind) => drop(self.of_injection(Injection::question_lost)),
                _ => {}
            }
        }
        if fields.ends_connection() {
            observer.server_error(fields.sqlstate);
            self.farewell = true;
            return Ok(match head {
                _ if self.is_replaceable() => Step::Swallow,
                Some(head) if head.is_unknown() => bare(header, bytes, out),
                _ => Step::Carry,
            });
        }
        if !head.is_some_and(Expected::is_about_pool) {
            self.piece_failed();
        }
        let Some(head) = head else {
            observer.server_error(fields.sqlstate);
            self.unasked_failed(fields.sqlstate, observer, to_server);
            return Ok(Step::Carry);
        };
        if head == Expected::Call {
            // ReadyForQuery follows.
            self.query_undoes();
            observer.server_error(fields.sqlstate);
            return Ok(Step::Carry);
        }
        if head.is_query() {
            observer.server_error(fields.sqlstate);
            self.outcome = SqlState::from_bytes(fields.sqlstate);
            return Ok(self.query_failed(head, header, bytes, out));
        }
        let moves = self.in_flight.moves().map(<[Move]>::to_vec);
        let left_out = self.leaves_out();
        let step = self.message_failed(head, fields.sqlstate, observer, out, to_server)?;
        let about_name = !left_out && is_about_name(fields.sqlstate);
        Ok(match (step, moves) {
            (Step::Carry, _) if !left_out && head.is_unknown() => bare(header, bytes, out),
            (Step::Carry, _) if about_name && self.by_the_clients_name(header, bytes, out) => {
                Step::Replaced
            }
            (Step::Carry, Some(moves)) if !left_out => move_position_by(&moves, header, bytes, out),
            (step, _) => step,
        })
    }

    /// An error that answers nothing: a statement's time was over before the client has gone on with its
    /// batch, which the server finds out when it reads Flush. It skips up to Sync then, too.
    fn unasked_failed<O: Observer>(
        &mut self,
        sqlstate: &[u8],
        observer: &O,
        to_server: &mut Vec<u8>,
    ) {
        if self.batch != Batch::Closed {
            self.statements.lost();
            self.batch_failed(observer, to_server, SqlState::from_bytes(sqlstate), None);
        }
    }

    /// A message of an extended batch was answered with an error: the client's, or one of ours.
    fn message_failed<O: Observer>(
        &mut self,
        head: Expected,
        sqlstate: &[u8],
        observer: &O,
        out: &mut Splice<'_>,
        to_server: &mut Vec<u8>,
    ) -> Result<Step, Fatal> {
        match head {
            Expected::Refused | Expected::RefusedUnnamed
                if sqlstate == UNDEFINED_CURSOR
                    || (self.walsender && sqlstate == PROTOCOL_VIOLATION) =>
            {
                self.statement_failed(head, sqlstate);
                if let Some(refusal) = self.in_flight.refused() {
                    self.error_reply(&refusal).put(out.insert());
                }
                self.batch_failed(observer, to_server, SqlState::POLICY, None);
                return Ok(Step::Replaced);
            }
            Expected::Abort => {
                self.statement_failed(head, sqlstate);
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
        observer.server_error(sqlstate);
        self.statement_failed(head, sqlstate);
        if head.is_prefix() {
            observer.injection_failed();
            self.of_injection(Injection::failed);
        }
        let sqlstate = SqlState::from_bytes(sqlstate);
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

/// Is it an error that names a prepared statement, and says no place in a text?
fn is_about_name(sqlstate: &[u8]) -> bool {
    matches!(sqlstate, UNKNOWN_STATEMENT | b"42P05")
}

/// An error of something of which the client knows nothing: what was bound there, a token perhaps, is no matter of its own.
fn bare(header: Header, bytes: &[u8], out: &mut Splice<'_>) -> Step {
    let there = bytes.len().min(header.total).min(MAX_ERROR);
    error_fields::put_bare(out.insert(), &bytes[..there]);
    Step::Replaced
}

/// The server said something that nothing in flight explains: from here on nobody knows what
/// belongs to what.
pub(super) fn out_of_step(kind: u8) -> Fatal {
    Fatal::protocol(format!("unexpected message 0x{kind:02X} from the server"))
}
