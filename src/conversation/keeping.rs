//! May the zone's statement stay on the server from one transaction to the next?
//!
//! It may where the pool follows names from one server connection to another, as PgBouncer does from
//! 1.21 on with `max_prepared_statements`. It answers Close, and Parse of a text that the server
//! connection has met before, by itself, in packets of their own: each wakes the proxy once more in
//! every transaction. Bind and Execute of a statement that stayed go through with the client's own.
//! The pool is asked, once per connection, when a few transactions have shown that it is worth it.

use crate::zone::Form;

/// Transactions on one connection before the pool is asked: it costs one more, and shows that it lasts.
const ASK_AFTER: u8 = 8;

/// What is known about the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    /// Nothing: so many prefixes were sent.
    Unasked(u8),
    /// It was asked.
    Asked,
    /// It follows names.
    Follows(Kept),
    /// It does not, or nobody knows.
    Forgets,
    /// It has lost a name, or keeps outdated plans: not to be relied upon again.
    Loses,
}

/// Has the pool got the statement?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    No,
    /// It was sent.
    Sent,
    Yes,
}

/// What one connection knows about its pool.
#[derive(Debug)]
pub struct Keeping {
    pool: Pool,
    /// The client names its prepared statements.
    named: bool,
}

impl Keeping {
    /// For a new connection to a pool. `pooled`: its server connections change between transactions;
    /// where they do not, nobody waits for speed.
    pub fn new(pooled: bool) -> Self {
        let pool = if pooled {
            Pool::Unasked(0)
        } else {
            Pool::Forgets
        };
        Self { pool, named: false }
    }

    /// The client names a prepared statement: the answer is of use at once.
    pub fn named(&mut self) {
        if let (false, Pool::Unasked(prefixes)) = (self.named, &mut self.pool) {
            *prefixes = ASK_AFTER;
        }
        self.named = true;
    }

    /// Does it name its prepared statements?
    pub fn has_names(&self) -> bool {
        self.named
    }

    /// Does the pool follow names?
    pub fn follows(&self) -> bool {
        matches!(self.pool, Pool::Follows(_))
    }

    /// Has the pool got the zone's statement, so that the prefix names it and no more?
    pub fn is_kept(&self) -> bool {
        self.pool == Pool::Follows(Kept::Yes)
    }

    /// Is it time to ask the pool?
    pub fn is_curious(&self) -> bool {
        self.pool == Pool::Unasked(ASK_AFTER)
    }

    /// It was asked.
    pub fn asked(&mut self) {
        self.pool = Pool::Asked;
    }

    /// The question failed, or PostgreSQL knows the name: it does not follow.
    pub fn forgets(&mut self) {
        self.pool = Pool::Forgets;
    }

    /// A name is gone that should have stayed, or its plan is outdated.
    pub fn lost(&mut self) {
        self.pool = Pool::Loses;
    }

    /// The question is answered to its end.
    pub fn answered(&mut self) {
        if self.pool == Pool::Asked {
            self.pool = Pool::Follows(Kept::No);
        }
    }

    /// A prefix is being sent: in this form.
    pub fn next_form(&mut self) -> Form {
        match &mut self.pool {
            Pool::Follows(Kept::Yes) => return Form::Again,
            Pool::Follows(kept) => {
                *kept = Kept::Sent;
                return Form::First;
            }
            Pool::Unasked(prefixes) => *prefixes = (*prefixes + 1).min(ASK_AFTER),
            Pool::Asked | Pool::Forgets | Pool::Loses => {}
        }
        Form::Whole
    }

    /// The statement is there.
    pub fn parsed(&mut self) {
        if self.pool == Pool::Follows(Kept::Sent) {
            self.pool = Pool::Follows(Kept::Yes);
        }
    }

    /// It may be gone: a prefix failed or was skipped, or something was sent that may remove it.
    pub fn doubted(&mut self) {
        if let Pool::Follows(kept) = &mut self.pool {
            *kept = Kept::No;
        }
    }

    /// Another connection, perhaps to another pool; `Loses` stays: it is always right.
    pub fn server_replaced(&mut self) {
        if self.pool != Pool::Loses {
            self.pool = Pool::Unasked(ASK_AFTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its answer says that it follows names.
    fn follows() -> Keeping {
        let mut keeping = Keeping::new(true);
        for _ in 0..ASK_AFTER {
            assert!(!keeping.is_curious());
            assert_eq!(keeping.next_form(), Form::Whole);
        }
        assert!(keeping.is_curious());
        keeping.asked();
        keeping.answered();
        keeping
    }

    #[test]
    fn the_name_stays_once_the_server_has_it() {
        let mut keeping = follows();
        assert_eq!(keeping.next_form(), Form::First);
        assert_eq!(keeping.next_form(), Form::First);
        assert!(!keeping.is_kept());
        keeping.parsed();
        assert!(keeping.is_kept());
        assert_eq!(keeping.next_form(), Form::Again);
        assert!(!keeping.is_curious());
    }

    #[test]
    fn what_may_have_removed_it_counts_from_when_it_was_sent() {
        let mut keeping = follows();
        keeping.next_form();
        keeping.doubted();
        // The answer to the Parse that stood before it.
        keeping.parsed();
        assert_eq!(keeping.next_form(), Form::First);
        keeping.parsed();
        keeping.doubted();
        assert_eq!(keeping.next_form(), Form::First);
    }

    #[test]
    fn a_client_that_names_its_statements_is_worth_asking_for_at_once() {
        let mut keeping = Keeping::new(true);
        assert!(!keeping.is_curious() && !keeping.follows());
        keeping.named();
        assert!(keeping.is_curious());
        keeping.asked();
        assert!(!keeping.follows() && !keeping.is_curious());
        keeping.named();
        keeping.answered();
        assert!(keeping.follows() && !keeping.is_curious());
        keeping.server_replaced();
        assert!(keeping.is_curious() && !keeping.follows());
        keeping.asked();
        keeping.answered();
        keeping.lost();
        keeping.server_replaced();
        keeping.named();
        assert!(!keeping.is_curious() && !keeping.follows());
    }

    #[test]
    fn a_pool_that_forgets_is_asked_again_when_it_is_another() {
        let mut keeping = Keeping::new(true);
        for _ in 0..ASK_AFTER {
            assert_eq!(keeping.next_form(), Form::Whole);
        }
        keeping.asked();
        keeping.forgets();
        keeping.answered();
        assert!(!keeping.is_curious());
        keeping.parsed();
        assert_eq!(keeping.next_form(), Form::Whole);
        keeping.server_replaced();
        assert!(keeping.is_curious());
        let mut own = Keeping::new(false);
        own.named();
        assert!(!own.is_curious());
    }

    #[test]
    fn another_server_connection_is_asked_anew() {
        let mut keeping = follows();
        keeping.next_form();
        keeping.parsed();
        keeping.server_replaced();
        assert!(keeping.is_curious());
        assert_eq!(keeping.next_form(), Form::Whole);
    }
}
