//! What the names of prepared statements, the client's and ours, and the pool between have to do with it.

use super::Injection;
use crate::conversation::names::is_cut_behind;
use crate::conversation::needs::is_analyzed;
use crate::protocol::frame::put_cstr;
use crate::sql::Facts;
use crate::zone::{NAME_LENGTH, put_question};

/// Bytes of a number in the name of a statement that a pool follows: hexadecimal.
pub const NUMBER_LENGTH: usize = 16;

/// Bytes that are no other statement's of any connection.
const OWN_LENGTH: usize = NAME_LENGTH + NUMBER_LENGTH;

/// The name of a statement that a pool follows: the connection's, the statement's number there, and for those who look
/// for it the client's name. PostgreSQL cuts none.
#[derive(Clone, Copy, Debug)]
pub struct PoolName<'n> {
    own: [u8; OWN_LENGTH],
    /// The client's, or nothing where it is too long.
    name: &'n [u8],
}

impl PoolName<'_> {
    /// Both parts, which stand behind each other.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.own, self.name]
    }

    /// Appends it, and NUL.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.own);
        put_cstr(out, self.name);
    }
}

impl Injection {
    /// The client names its prepared statements: it is worth asking the pool at once.
    pub fn has_names(&mut self) {
        self.keeping.named();
    }

    /// A name like the prefix's, and another: of what is parsed once more for a Bind.
    pub fn bound_name(&self) -> [u8; NAME_LENGTH] {
        let mut name = self.name;
        name[0] = b'b';
        name
    }

    /// What the pool is told as the name of the statement of this number, which the client calls `name`: no two
    /// connections use the same, and none for two statements. A PgBouncer that is told to follow names no more
    /// (`max_prepared_statements = 0`) passes them on to the server, where the next client would meet this one's
    /// statement under a name of its own, and this one an earlier one that it has closed or one whose name is cut.
    pub fn pool_name<'n>(&self, number: u64, name: &'n [u8]) -> PoolName<'n> {
        let mut own = [0; OWN_LENGTH];
        let (connection, digits) = own.split_at_mut(NAME_LENGTH);
        connection.copy_from_slice(&self.name);
        connection[0] = b'c';
        for (at, digit) in digits.iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (4 * at)) as usize & 0xf];
        }
        let fits = !is_cut_behind(OWN_LENGTH, name);
        let name = if fits { name } else { b"" };
        PoolName { own, name }
    }

    /// Is it one of ours on the server connection? A client that could prepare something under it would have what is
    /// bound to it judged as that, and run as ours.
    pub fn owns(&self, name: &[u8]) -> bool {
        match name {
            [b'p' | b'r' | b'b', rest @ ..] => *rest == self.name[1..],
            [b'c', rest @ ..] => rest.starts_with(&self.name[1..]),
            _ => false,
        }
    }

    /// Does the pool follow names at all?
    pub fn pool_follows(&self) -> bool {
        self.keeping.follows()
    }

    /// Was PREPARE run on this connection?
    pub fn has_prepared_by_sql(&self) -> bool {
        self.prepared_by_sql
    }

    /// Does the pool follow the names of this client's statements? Where clients read the same text
    /// by a search_path of their own, or by what is set in this transaction alone, it would give them one plan
    /// (see `shared`).
    pub fn names_are_followed(&self) -> bool {
        let parameters = self.parameters.as_ref().map(|it| it.record());
        let own_path = parameters.is_some_and(|record| {
            record.value("search_path").is_some()
                || record.origins(Some("search_path")).next().is_some()
        });
        let otherwise = self.reads_otherwise || self.is_unanswered();
        self.keeping.follows() && !self.loses_names() && !own_path && !otherwise
    }

    /// The pool has lost a name of the client's, or keeps an outdated plan behind it.
    pub fn stop_following(&mut self) {
        self.keeping.lost();
    }

    /// Is the prefix due ahead of a Parse of this statement? To read a query PostgreSQL takes a snapshot,
    /// and modes must be set before.
    /// Other parameters decide what names and constants mean; the zone decides nothing there, but SHOW of its
    /// parameter fails where no transaction of the server connection has set it yet.
    pub fn due_at_parse(&self, facts: &Facts, failed: bool) -> bool {
        let parameters = self.parameters.as_ref();
        let set = parameters.is_some_and(|it| it.have_to_be_set() || it.modes().is_some());
        let shows = facts.statements.iter().any(|it| it.tag == "SHOW");
        (set || shows) && !self.armed && self.is_due(facts) && !failed && self.matters(facts, true)
    }

    /// Is the prefix due ahead of the Parse of a statement that is left to the pool? PgBouncer answers a
    /// Parse of a text that the server connection has met, and Close, by itself; when they come in two
    /// reads, Close first (measured on 1.24.1). So as long as the prefix closes its own name it does not
    /// stand behind such a Parse, unless SET TRANSACTION could still come between that and its Bind.
    pub fn due_at_followed_parse(&self, facts: &Facts, failed: bool) -> bool {
        let due = self.is_due(facts) && !self.keeping.is_kept() && !failed;
        due && is_analyzed(facts) && self.matters(facts, true)
    }

    /// May a prefix that closes its own name stand behind the Parse of this statement, ahead of its Bind or, where it
    /// needs none itself, of the next statement? That is the exception above: PgBouncer would answer the Close, and
    /// the Parse only with what the server says next.
    pub fn closes_behind_parse(&self, facts: &Facts, failed: bool) -> bool {
        let due = self.is_due(facts) && !self.keeping.is_kept() && !failed;
        due && !(is_analyzed(facts) && self.matters(facts, true))
    }

    /// May the server connection be given to another client behind what is unanswered? PgBouncer 1.18 gives
    /// it away with the last ReadyForQuery that it expects, and does not count what was sent behind that
    /// without Sync: the rest of the batch reaches another server, and the next client of the connection reads
    /// the answers (measured). 1.24 counts every message, and hangs over random batches sent so.
    pub fn may_be_handed_on(&self) -> bool {
        self.is_pooled() && (self.unsettled || !self.in_transaction)
    }

    /// The prefix failed or was cancelled.
    pub fn failed(&mut self) {
        self.leftover = true;
        self.unsettled = true;
    }

    /// A question about a parameter failed.
    pub fn reading_failed(&mut self) {
        self.asked_in_vain = true;
        self.unsettled = true;
    }

    /// The names that must be removed before anything else is sent, once.
    pub fn take_leftovers(&mut self) -> Vec<[u8; NAME_LENGTH]> {
        let own = std::mem::take(&mut self.leftover).then_some(self.name);
        let asked = std::mem::take(&mut self.asked_in_vain).then(|| self.reading_name());
        own.into_iter().chain(asked).collect()
    }

    /// A name like the prefix's, and another.
    pub(super) fn reading_name(&self) -> [u8; NAME_LENGTH] {
        let mut name = self.name;
        name[0] = b'r';
        name
    }

    /// Is it time to ask whether the pool follows names? Only while nothing is open or unanswered.
    pub fn is_curious(&self) -> bool {
        let of_use = self.injects() || self.keeping.has_names();
        self.keeping.is_curious() && of_use && !self.loses_names()
    }

    /// Has a name been lost that should have stayed?
    fn loses_names(&self) -> bool {
        self.zone.as_ref().is_some_and(|zone| zone.loses_names())
    }

    /// Appends the question.
    pub fn put_question(&mut self, out: &mut Vec<u8>) {
        put_question(out, &self.name);
        self.keeping.asked();
    }

    /// PostgreSQL knows the name: the pool does not follow it.
    pub fn pool_forgets(&mut self) {
        self.keeping.forgets();
    }

    /// The question failed: its name may still be there.
    pub fn question_failed(&mut self) {
        self.keeping.forgets();
        self.failed();
    }

    /// The question is answered to its end.
    pub fn question_answered(&mut self) {
        self.keeping.answered();
    }

    /// The prefix's statement is there.
    pub fn parsed(&mut self) {
        self.keeping.parsed();
    }

    /// A prefix failed, or was skipped with what stood before it.
    pub fn name_doubted(&mut self) {
        self.keeping.doubted();
    }

    /// The pool has lost a question about a parameter.
    pub fn question_lost(&mut self) {
        self.spelling.lost(self.spelling.number());
    }

    /// The pool does not know a name that it should have followed.
    pub fn name_lost(&mut self) {
        self.keeping.lost();
        self.spelling.lost(self.spelled);
        if let Some(zone) = &self.zone {
            zone.name_lost();
        }
    }
}
