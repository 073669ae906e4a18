//! When a pump must stop: told from outside, let go after a reload, left by the server or the client.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{Exit, Pump};
use crate::net::standing::Circumstances;
use crate::net::stream::{Backlog, End};
use crate::net::worker::{READ, Scratch};
use crate::protocol::frame::TERMINATE;
use crate::telemetry::labels::Direction;

/// How often it is looked whether a client is still there, of which there is more to read than is read.
const LOOK: Duration = Duration::from_secs(1);

/// How long what a client has sent ahead of its goodbye is waited for, since the last answer or since that was read, once
/// it has closed its side: its place in the pool is somebody else's.
const LAST_WISH: Duration = Duration::from_secs(10);

/// More than this is not read of a client that has closed its side while it waits.
const LAST_WORDS: usize = READ;

impl Pump {
    /// What was owed to the client when the pump stopped.
    pub fn owed_to_client(&mut self) -> Backlog {
        std::mem::take(&mut self.to_client)
    }

    /// Is the client between two messages, so that one of ours can be put there?
    pub fn can_speak(&self) -> bool {
        self.conversation.is_between_answers()
    }

    /// Why the client was let go, if it was.
    pub fn why_let_go(&self) -> Option<&str> {
        self.standing.why_let_go()
    }

    pub(super) fn heed_interrupt(&mut self, cx: &Context<'_>) -> Result<(), Exit> {
        if !self.registered {
            self.registered = true;
            self.interrupt.register(cx);
        }
        if let Some(answer) = self.interrupt.asked() {
            let _ = answer.send(self.rests());
        }
        if self.interrupt.is_ended() {
            return Err(Exit::Ended);
        }
        self.keep_up();
        Ok(())
    }

    /// Is there nothing that a cancel request could be meant for, be it a statement whose bytes have just come?
    /// Who only looks on does not know what runs.
    fn rests(&self) -> bool {
        let read = self.from_client.is_empty() && self.client.is_read_up();
        read && self.is_idle() && !self.only_looks_on()
    }

    /// Is it time to end, after what was answered last? A stream has no end of its own: it is as good to
    /// end now as later, and the client goes on with it elsewhere.
    pub(super) fn over(&self) -> Result<(), Exit> {
        self.let_go()?;
        let idle = self.conversation.is_idle() && self.from_client.is_empty();
        let ends = (idle || self.conversation.is_streaming()) && self.to_client.is_empty();
        if self.interrupt.is_draining() && ends {
            return Err(Exit::Drained);
        }
        Ok(())
    }

    pub(super) fn let_go(&self) -> Result<(), Exit> {
        let answered = self.conversation.is_answered() || self.conversation.is_streaming();
        if answered && self.to_client.is_empty() && self.standing.why_let_go().is_some() {
            return Err(Exit::LetGo);
        }
        Ok(())
    }

    /// Goes by what was read from files last. A client that was admitted with something else gets the
    /// answers to what it has sent and begins nothing more; any other is judged by one policy from the
    /// first message of a batch to its Sync, see [`super::standing`].
    pub(super) fn keep_up(&mut self) {
        if self.standing.is_of(self.worker.generation()) {
            return;
        }
        let circumstances = Circumstances {
            in_session: self.session.is_some(),
            in_batch: self.conversation.is_in_batch(),
            address: self.client.peer_address(),
        };
        let standing = &mut self.standing;
        if !standing.renew(&mut self.who, &circumstances, &self.worker) {
            self.conversation.begin_nothing_more();
            let limit = self.worker.shared.config.limits.drain_timeout;
            self.interrupt.end_after(limit);
        }
    }

    pub(super) fn server_gone(&self) -> Exit {
        Exit::ServerGone {
            told: self.conversation.server_said_goodbye(),
        }
    }

    pub(super) fn server_ended(&mut self) -> Result<bool, Exit> {
        if self.conversation.is_replaceable() && self.to_server.is_empty() {
            self.server = None;
            self.worker.counters.server_lost();
            if !self.from_client.is_empty() {
                return Err(Exit::NeedServer);
            }
            return Ok(false);
        }
        Err(self.server_gone())
    }

    /// While the server does not take what it is owed the client is not read, and its end would not be
    /// noticed. A server that takes nothing for `server_connect_timeout` is not waited for by a client
    /// that has left; any other client may wait as long as it likes.
    pub(super) fn stalled(&mut self, cx: &mut Context<'_>) -> Result<(), Exit> {
        let limit = self.worker.shared.config.limits.server_connect_timeout;
        if !self.stall.poll(self.to_server.owed(), limit, cx) {
            return Ok(());
        }
        if self.leaving {
            return Err(Exit::Goodbye);
        }
        match self.client.is_hung_up(cx) {
            true => Err(Exit::ClientGone),
            false => Ok(()),
        }
    }

    /// While a message waits the client is not read. If it ends its side now, that is what it is where
    /// nothing waits: it is gone, and what runs for it is not waited for. Costs no system call as long as it has not. An end that TCP still keeps behind more than the sockets hold is not seen
    /// until TCP gives the client up. Who has said goodbye has not vanished: what it sent ahead of that is to be done, if it does not
    /// take long.
    pub(super) fn held_back(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Exit> {
        match self.client.poll_end(cx) {
            End::Reached => {
                self.read_last_words(cx, scratch)?;
                if !self.said_goodbye() || self.read_at.elapsed() > LAST_WISH {
                    return Err(Exit::ClientGone);
                }
                self.stall.wake_within(LOOK, cx);
            }
            End::NotYet => {}
            // Behind what is unread the end wakes nobody.
            End::Behind => self.stall.wake_within(LOOK, cx),
        }
        Ok(())
    }

    /// Reads what a client has left that has closed its side, as far as it may be kept.
    fn read_last_words(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), Exit> {
        while self.from_client.bytes().len() < LAST_WORDS {
            let Poll::Ready(Ok(length @ 1..)) = self.client.poll_into(cx, &mut scratch.read) else {
                break;
            };
            self.worker.counters.forwarded(Direction::ToServer, length);
            self.charge.set(self.from_client.bytes().len() + length)?;
            self.from_client.extend(&scratch.read[..length]);
            self.read_at = Instant::now();
        }
        Ok(())
    }

    /// Is the last that has been read of the client Terminate? In a migration session what runs ends with the client.
    fn said_goodbye(&self) -> bool {
        self.session.is_none() && self.from_client.bytes().ends_with(TERMINATE)
    }
}
