//! RESET ALL and DISCARD ALL bring back what role and database have as their defaults, be it another reading of
//! strings. PostgreSQL says so ahead of its ReadyForQuery, and then the connection ends: until that is here, no text
//! is sent behind them, where nothing of ours sets again what is pinned.

use super::client::{Message, Step};
use super::needs::clears;
use super::splice::Splice;
use super::{Batch, Context, Conversation, Observer};
use crate::error::SqlState;
use crate::policy::{Guard, Objection, Who};
use crate::sql::Facts;

impl Conversation {
    /// A statement was sent. `facts`: its description.
    pub(super) fn may_unpin(&mut self, facts: &Facts) {
        let discards = facts.statements.iter().any(|it| it.tag == "DISCARD ALL");
        // Behind RESET ALL on a connection that is handed on it is set again in the same round trip.
        self.unpinned |= clears(facts) && (discards || !self.replaceable);
    }

    /// ReadyForQuery came: what was to be said of parameters is said.
    pub(super) fn pinned_again(&mut self) {
        self.unpinned &= !self.in_flight.is_empty();
    }

    /// What becomes of a message that may bring a text, while one of these is not answered. None: nothing, it goes on.
    pub(super) fn behind_unpinned<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Option<Step> {
        if !self.unpinned {
            return None;
        }
        match (message.header.kind, self.batch) {
            (b'Q' | b'P' | b'B' | b'D' | b'E', Batch::Closed) => {
                (!self.in_flight.is_empty()).then_some(Step::Hold)
            }
            (b'Q', _) => {
                let refusal = Box::new(in_one_batch(cx.who));
                Some(self.refuse_simple(message, refusal, cx, out, reply))
            }
            (b'P' | b'B' | b'D' | b'E', _) => {
                let refusal = Box::new(in_one_batch(cx.who));
                Some(self.refuse_extended(message, refusal, cx, out))
            }
            _ => None,
        }
    }
}

fn in_one_batch(who: &Who) -> crate::policy::Refusal {
    Objection::new("cannot go on in the same batch behind RESET ALL or DISCARD ALL")
        .sqlstate(SqlState::UNSUPPORTED)
        .detail("How the server reads strings may be another from there on, and it says so behind the batch")
        .hint("Send Sync behind it")
        .refuse(Guard::LexingParameters, who, None)
}
