//! What the server says about a text, with positions counted in the client's own.

use super::Conversation;
use super::in_flight::Expected;
use super::reading::{Move, moved};
use super::server::{MAX_ERROR, Step};
use super::splice::Splice;
use crate::protocol::error_fields;
use crate::protocol::frame::Header;
use crate::zone::QUERY_GUARD;

impl Conversation {
    pub(super) fn move_position_in_plan(
        &self,
        header: Header,
        bytes: &[u8],
        out: &mut Splice<'_>,
    ) -> Step {
        put_moved(header, bytes, out, |position| {
            self.position_in_plan(position)
        })
    }

    /// A simple Query failed; ReadyForQuery follows.
    pub(super) fn query_failed(
        &mut self,
        head: Expected,
        header: Header,
        bytes: &[u8],
        out: &mut Splice<'_>,
    ) -> Step {
        self.copy_ended();
        // What stands ahead of it without Sync fails with it.
        self.query_undoes();
        if self.leaves_out() {
            match head.is_planned() {
                true => self.in_flight.replace_head(Expected::Planned),
                false => self.in_flight.replace_head(Expected::Guarded),
            }
            return Step::Swallow;
        }
        match head {
            Expected::GuardedRow | Expected::GuardedTag | Expected::Guarded => {
                self.in_flight.replace_head(Expected::Guarded);
                move_position(header, bytes, out)
            }
            Expected::DeallocatingQuery => {
                drop(self.in_flight.deallocated());
                Step::Carry
            }
            Expected::Planned | Expected::PlannedOwn => {
                let step = self.move_position_in_plan(header, bytes, out);
                if !matches!(step, Step::More) {
                    self.in_flight.replace_head(Expected::Planned);
                }
                step
            }
            _ => Step::Carry,
        }
    }
}

/// Puts an error or notice out with its position counted in the client's own text.
pub(super) fn move_position(header: Header, bytes: &[u8], out: &mut Splice<'_>) -> Step {
    let offset = u32::try_from(QUERY_GUARD.len()).unwrap_or(0);
    put_moved(header, bytes, out, |position| {
        position.checked_sub(offset).filter(|moved| *moved > 0)
    })
}

/// The same for what was inserted elsewhere.
pub(super) fn move_position_by(
    moves: &[Move],
    header: Header,
    bytes: &[u8],
    out: &mut Splice<'_>,
) -> Step {
    put_moved(header, bytes, out, |position| moved(moves, position))
}

/// The same with any move. Very long ones are carried as they are.
fn put_moved(
    header: Header,
    bytes: &[u8],
    out: &mut Splice<'_>,
    moved: impl Fn(u32) -> Option<u32>,
) -> Step {
    if header.total > MAX_ERROR {
        return Step::Carry;
    }
    let Some(message) = bytes.get(..header.total) else {
        return Step::More;
    };
    error_fields::put_moved(out.insert(), message, moved);
    Step::Replaced
}
