//! What a message of the server's means: by its type, and by what at the head of everything in flight is
//! still to be answered. Whatever fits nothing there ends the connection.

use super::in_flight::Expected as E;
use super::injection::Injection;
use super::positions::{move_position, move_position_by};
use super::server::{MAX_ERROR, Step, out_of_step};
use super::splice::Splice;
use super::{Conversation, Fatal, Observer};
use crate::error::SqlState;
use crate::protocol::error_fields;
use crate::protocol::frame::{self, HEADER, Header, put_cstr};

impl Conversation {
    /// The next message, of which `bytes` has the beginning at least.
    ///
    /// # Errors
    /// Nothing in flight explains it, or nothing can be trusted behind it.
    pub(super) fn answer<O: Observer>(
        &mut self,
        header: Header,
        bytes: &[u8],
        observer: &O,
        out: &mut Splice<'_>,
        to_server: &mut Vec<u8>,
    ) -> Result<Step, Fatal> {
        if self.farewell {
            // PgBouncer adds an error of its own to the server's.
            return Ok(Step::Swallow);
        }
        let head = self.in_flight.head();
        match header.kind {
            b'D' | b'd' => self.data(header, bytes, head, observer, out),
            b'C' | b'I' | b's' => self.ended(header, bytes, head, observer, out),
            b'1' | b'2' | b'3' => self.acknowledged(header.kind, head),
            b'Z' => self.ready(header, bytes, head, observer, out, to_server),
            b'E' => self.error(header, bytes, head, observer, out, to_server),
            b'S' => self.parameter_status(header, bytes),
            b'N' => Ok(self.notice(header, bytes, head, out)),
            b'A' => Ok(Step::Carry),
            _ => self.begun(header, bytes, head),
        }
    }

    /// Rows and COPY data.
    fn data<O: Observer>(
        &mut self,
        header: Header,
        bytes: &[u8],
        head: Option<E>,
        observer: &O,
        out: &mut Splice<'_>,
    ) -> Result<Step, Fatal> {
        match (header.kind, head) {
            // PostgreSQL knows our name: nobody has put another in its place.
            (b'D', Some(E::Question)) => Ok(self.of_injection(Injection::pool_forgets)),
            (b'D', Some(E::ReadingExecute | E::PlannedOwn)) => self.read_back_row(header, bytes),
            _ => Ok(self.row(observer, out)),
        }
    }

    fn notice(
        &mut self,
        header: Header,
        bytes: &[u8],
        head: Option<E>,
        out: &mut Splice<'_>,
    ) -> Step {
        // What is bound in a statement of ours may be a token, and its duration is told when it is over.
        let ours = head.is_some_and(E::is_unknown);
        let signs = self.injection.as_ref().is_some_and(|it| it.signs());
        if ours || signs {
            let Some(beginning) = bytes.get(HEADER..header.total.min(MAX_ERROR)) else {
                return Step::More;
            };
            if (ours && signs) || error_fields::read(beginning).is_for_the_log() {
                return Step::Swallow;
            }
        }
        match head {
            Some(E::GuardedRow | E::GuardedTag | E::Guarded) => move_position(header, bytes, out),
            Some(E::Planned | E::PlannedOwn) => self.move_position_in_plan(header, bytes, out),
            Some(E::NotedExecute | E::ReadingExecute) => self.notice_of_set(header, bytes),
            _ => match self.in_flight.moves() {
                Some(moves) => move_position_by(moves, header, bytes, out),
                None => Step::Carry,
            },
        }
    }

    /// ParseComplete, BindComplete, CloseComplete.
    fn acknowledged(&mut self, kind: u8, head: Option<E>) -> Result<Step, Fatal> {
        match (kind, head) {
            (b'1', Some(E::FollowedParse)) => {
                self.changed();
                Ok(Step::Swallow)
            }
            (_, Some(E::Question)) => Ok(Step::Swallow),
            (b'1', Some(E::Parse)) | (b'2', Some(E::Bind)) | (b'3', Some(E::Close)) => {
                self.changed();
                Ok(Step::Carry)
            }
            (b'1', Some(E::OwnParse | E::ReadingParse))
            | (b'2', Some(E::ReadingBind | E::PrefixBind))
            | (b'3', Some(E::ReadingClose | E::ReadingEnd | E::OwnClose))
            | (b'3', Some(E::PrefixClose | E::PrefixEnd | E::CleanupClose)) => {
                self.in_flight.pop();
                Ok(Step::Swallow)
            }
            (b'1', Some(E::PrefixParse)) => {
                self.in_flight.pop();
                Ok(self.of_injection(Injection::parsed))
            }
            _ => Err(out_of_step(kind)),
        }
    }

    /// CommandComplete, EmptyQueryResponse, PortalSuspended.
    fn ended<O: Observer>(
        &mut self,
        header: Header,
        bytes: &[u8],
        head: Option<E>,
        observer: &O,
        out: &mut Splice<'_>,
    ) -> Result<Step, Fatal> {
        if header.kind != b'I'
            && let Some(step) = self.rows_ended(header, bytes)
        {
            return Ok(step);
        }
        let step = match (header.kind, head) {
            (b'C', Some(E::Execute | E::Query | E::Guarded))
                if self.remembers() && bytes.len() < header.total =>
            {
                Step::More
            }
            (_, Some(E::Execute)) => {
                self.note_tag(bytes);
                self.execute_ended(observer)
            }
            (_, Some(E::NotedExecute)) => {
                let Some(message) = bytes.get(..header.total) else {
                    return Ok(Step::More);
                };
                self.note_tag(message);
                let of_reset = self.tag_of_reset(message, false);
                self.noted_ended(message);
                let step = self.execute_ended(observer);
                of_reset.map_or(step, |tag| tagged(tag, out))
            }
            (b'C', Some(E::Query | E::Guarded)) => {
                self.note_tag(bytes);
                self.copy_ended();
                Step::Carry
            }
            (b'I', Some(E::Query | E::Guarded | E::Planned)) => Step::Carry,
            (b'C', Some(head)) => return self.own_ended(header, bytes, head, out),
            (kind, _) => return Err(out_of_step(kind)),
        };
        Ok(step)
    }

    fn execute_ended<O: Observer>(&mut self, observer: &O) -> Step {
        self.statement_ended(observer, SqlState::SUCCESS);
        self.copy_ended();
        self.answered()
    }

    /// CommandComplete of what was sent in another form than the client's, or is not the client's at all.
    fn own_ended(
        &mut self,
        header: Header,
        bytes: &[u8],
        head: E,
        out: &mut Splice<'_>,
    ) -> Result<Step, Fatal> {
        let step = match head {
            E::Question => Step::Swallow,
            E::Deallocate | E::DeallocatingQuery => self.deallocated(head, out),
            E::GuardedTag => self.stage(E::Guarded),
            E::PrefixExecute => {
                self.in_flight.pop();
                Step::Swallow
            }
            E::ReadingExecute => {
                self.in_flight.pop();
                self.reading_ended()?;
                Step::Swallow
            }
            E::Planned | E::PlannedOwn => {
                let Some(message) = bytes.get(..header.total) else {
                    return Ok(Step::More);
                };
                self.note_tag(message);
                let of_reset = self.tag_of_reset(message, head == E::Planned);
                self.planned_ended(message)?;
                match (head, of_reset) {
                    (E::PlannedOwn, _) => Step::Swallow,
                    (_, Some(tag)) => tagged(tag, out),
                    _ => Step::Carry,
                }
            }
            _ => return Err(out_of_step(header.kind)),
        };
        Ok(step)
    }

    /// What stands ahead of rows and COPY data, or behind the latter; and the answer to FunctionCall.
    fn begun(&mut self, header: Header, bytes: &[u8], head: Option<E>) -> Result<Step, Fatal> {
        let step = match (header.kind, head) {
            (b't' | b'T' | b'n', Some(E::Describe | E::OwnDescribe)) => {
                self.described(header, bytes)
            }
            (b'T', Some(E::PlannedOwn)) => Step::Swallow,
            (b'T', Some(E::GuardedRow)) => self.stage(E::GuardedTag),
            (b'T' | b'H' | b'c', Some(E::Query | E::Guarded | E::Planned))
            | (b'H' | b'c', Some(E::Execute | E::NotedExecute))
            | (b'V', Some(E::Call)) => Step::Carry,
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
}

/// A CommandComplete with another tag than the server's.
fn tagged(tag: &[u8], out: &mut Splice<'_>) -> Step {
    frame::message(out.insert(), b'C', |out| put_cstr(out, tag));
    Step::Replaced
}
