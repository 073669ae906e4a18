//! Rows that a login with `max_rows` gets at a time. The first one too many becomes an error, and what
//! the server says up to ReadyForQuery is left out. Where a transaction is open it is then made to fail, as
//! it would have by an error of the server's own.
//!
//! Nothing is sent behind such a login's statement before that is answered, so nothing runs that the
//! client would have to take for skipped. Where the whole policy observes the rows are counted, and that is all.

use super::in_flight::Expected;
use super::server::Step;
use super::splice::Splice;
use super::{Batch, Context, Conversation, Observer};
use crate::policy::guards::bulk_export;
use crate::policy::{Guard, Mode, Refusal, Who};
use crate::protocol::TransactionStatus;
use crate::protocol::frame::{self, HEADER, Header, SYNC};
use std::sync::Arc;

/// What is counted for one login.
#[derive(Debug)]
pub struct Rows {
    who: Who,
    limit: u64,
    /// Of the result that is coming in.
    here: u64,
    /// Read in parts since the transaction began.
    in_parts: u64,
    /// One too many has come since the last ReadyForQuery.
    exceeded: bool,
}

impl Rows {
    /// Goes by what the policy says of the login now, ahead of a statement of its own.
    pub fn follow(rows: &mut Option<Box<Self>>, who: &Who) {
        match (&mut *rows, bulk_export::limit(who)) {
            (None, None) => {}
            (_, None) => *rows = None,
            (Some(rows), Some(limit)) => {
                rows.limit = limit;
                if !Arc::ptr_eq(&rows.who.policy, &who.policy) {
                    rows.who = who.clone();
                }
            }
            (None, Some(limit)) => {
                *rows = Some(Box::new(Self {
                    who: who.clone(),
                    limit,
                    here: 0,
                    in_parts: 0,
                    exceeded: false,
                }));
            }
        }
    }

    /// A row, or a line of COPY: the refusal, if it is the first one too many.
    pub fn count(&mut self) -> Option<Refusal> {
        self.here += 1;
        if self.exceeded || self.here + self.in_parts <= self.limit {
            return None;
        }
        self.exceeded = true;
        Some(bulk_export::refusal(&self.who, self.limit))
    }

    /// The result has ended, by CommandComplete, or a part of it, by PortalSuspended.
    pub fn ended(&mut self, kind: u8, body: &[u8]) {
        let here = std::mem::take(&mut self.here);
        if kind == b's' || body.starts_with(b"FETCH ") {
            self.in_parts += here;
        }
    }

    /// ReadyForQuery. `over`: nothing that was read in parts can be read on.
    pub fn ready(&mut self, over: bool) {
        self.here = 0;
        self.exceeded = false;
        if over {
            self.in_parts = 0;
        }
    }

    fn refuses(&self) -> bool {
        self.exceeded && self.who.policy.mode(Guard::BulkExport) == Mode::Enforce
    }
}

impl Conversation {
    /// A statement is about to be sent: how many rows may it give?
    pub(super) fn limit_rows<O: Observer>(&mut self, cx: &Context<'_, O>) {
        Rows::follow(&mut self.rows, cx.who);
    }

    /// Must whatever begins wait for the statement before it?
    pub(super) fn waits_for_rows(&self) -> bool {
        self.rows.is_some() && self.in_flight.has_running()
    }

    /// Is what the server says left out, because the client has been told that there was too much?
    pub(super) fn leaves_out(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.refuses())
    }

    /// A row, or a line of COPY.
    pub(super) fn row<O: Observer>(&mut self, observer: &O, out: &mut Splice<'_>) -> Step {
        let Some(rows) = &mut self.rows else {
            return Step::Carry;
        };
        let Some(refusal) = rows.count() else {
            return Step::Carry;
        };
        if !rows.refuses() {
            observer.observed(&refusal, b"");
            return Step::Carry;
        }
        observer.refused(&refusal, b"");
        self.error_reply(&refusal).put(out.insert());
        self.piece_failed();
        if self.batch == Batch::Open {
            self.batch = Batch::Skipping;
        }
        Step::Swallow
    }

    /// CommandComplete or PortalSuspended, which has to be there as a whole.
    pub(super) fn rows_ended(&mut self, header: Header, bytes: &[u8]) -> Option<Step> {
        let rows = self.rows.as_mut()?;
        let Some(body) = bytes.get(HEADER..header.total) else {
            return Some(Step::More);
        };
        rows.ended(header.kind, body);
        None
    }

    /// ReadyForQuery. True: the transaction has to fail first, and the client gets the next one instead.
    pub(super) fn rows_ready(&mut self, to_server: &mut Vec<u8>) -> bool {
        let fails = self.leaves_out() && self.status == TransactionStatus::Transaction;
        let idle = self.status == TransactionStatus::Idle;
        let holds = self.by_sql.as_ref().is_some_and(|names| names.holds());
        let Some(rows) = &mut self.rows else {
            return false;
        };
        rows.ready(idle && !holds);
        if fails {
            frame::message(to_server, b'E', |out| {
                frame::put_cstr(out, &self.nowhere);
                out.extend_from_slice(&0u32.to_be_bytes());
            });
            to_server.extend_from_slice(SYNC);
            self.in_flight.push(Expected::Abort);
            self.in_flight.push(Expected::Sync);
        }
        fails
    }
}
