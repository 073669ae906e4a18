//! How statements are lost: to the client, to the server's unnamed one, to the pool.

use super::MAX_DOUBTED;
use crate::conversation::Conversation;
use crate::conversation::in_flight::Expected;
use crate::conversation::injection::Injection;
use crate::conversation::names::is_cut;
use crate::protocol::frame::HEADER;
use crate::sql::{Class, Facts};

impl Conversation {
    /// An error has arrived, for this message.
    pub(in crate::conversation) fn statement_failed(&mut self, head: Expected, sqlstate: &[u8]) {
        self.statements.lost();
        let unnamed = head == Expected::Parse && self.in_flight.parses_unnamed();
        if unnamed || head == Expected::RefusedUnnamed {
            // PostgreSQL drops the one before it reads the text.
            let gone = self.names.drop_unnamed();
            self.statements.recycle(gone);
        }
        let lost = sqlstate == b"26000" && matches!(head, Expected::Bind | Expected::Describe);
        // Of a pool that follows names no more the server may have it already.
        let taken =
            sqlstate == b"42P05" && matches!(head, Expected::Parse | Expected::FollowedParse);
        let stale = sqlstate == b"0A000" && matches!(head, Expected::Bind | Expected::Describe);
        if lost || taken || stale {
            self.names_are_lost();
        }
    }

    /// The server has skipped the Parse or Close of these names. PgBouncer that follows names has not:
    /// it does what they say when it reads them. So nobody knows which of them it has; whether names pass just now is
    /// no matter, they did when these were sent.
    pub(in crate::conversation) fn names_were_skipped(&mut self, names: Vec<Box<[u8]>>) {
        let injection = self.injection.as_deref();
        if !self.remembers() || !injection.is_some_and(Injection::pool_follows) {
            return;
        }
        // One that is too long has never gone to the pool.
        for name in names.into_iter().filter(|name| !is_cut(name)) {
            self.names.unfollow_one(&name);
            self.doubt(name);
        }
    }

    /// The pool may have this name or not: from now on the client's statement of this name is sent again.
    pub(in crate::conversation) fn doubt(&mut self, name: Box<[u8]>) {
        if self.statements.doubted.len() < MAX_DOUBTED {
            self.statements.doubted.push(name);
        } else {
            self.names_are_lost();
        }
    }

    /// The pool does not follow names after all, or only an outdated plan behind them that every
    /// statement of the same text would get: from now on each statement is sent again.
    fn names_are_lost(&mut self) {
        if let Some(injection) = &mut self.injection {
            injection.stop_following();
        }
    }

    /// A statement has ended: DEALLOCATE ALL and DISCARD ALL take the names, and a transaction may be over.
    /// `complete` begins with its whole CommandComplete.
    pub(in crate::conversation) fn note_tag(&mut self, complete: &[u8]) {
        let tags: [&[u8]; 2] = [b"DEALLOCATE ALL\0", b"DISCARD ALL\0"];
        let ends: [&[u8]; 3] = [b"COMMIT\0", b"ROLLBACK\0", b"PREPARE TRANSACTION\0"];
        let tag = complete.get(HEADER..).unwrap_or_default();
        if complete[0] == b'C'
            && ends.iter().any(|it| tag.starts_with(it))
            && let Some(injection) = &mut self.injection
        {
            injection.ended_at_server();
        }
        if self.remembers() && complete[0] == b'C' && tags.iter().any(|it| tag.starts_with(it)) {
            self.names.deallocate_all();
        }
    }

    /// A statement is sent to run: may it take names?
    pub(in crate::conversation) fn may_deallocate(&mut self, facts: &Facts) {
        self.statements.deallocating |= facts.classes.has(Class::Deallocate)
            || facts.statements.iter().any(|it| it.tag == "DISCARD ALL");
    }

    /// A statement is sent to run: does it make something temporary, that hides what has its name until the
    /// transaction ends? A pool that follows names keeps whatever is parsed meanwhile, with types of the hiding table, for
    /// everybody who sends the same text.
    pub(in crate::conversation) fn may_hide_relations(&mut self, facts: &Facts) {
        if self.remembers() && facts.statements.iter().any(|it| it.details.temporary) {
            self.names_are_lost();
        }
    }

    /// Is what may take names unanswered?
    pub(in crate::conversation) fn is_deallocating(&mut self) -> bool {
        self.statements.deallocating &= !self.in_flight.is_empty();
        self.statements.deallocating && self.remembers()
    }

    /// The pool knows nothing of what it has followed for this client.
    pub(in crate::conversation) fn unfollow(&mut self) {
        self.names.unfollow();
        self.statements.doubted = Vec::new();
        self.statements.lost();
    }
}
