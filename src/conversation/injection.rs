//! When a zone prefix is due: the transaction as it will be once everything sent has run.
//!
//! Within a batch the prediction is exact: if anything fails, the server skips the rest. Between
//! batches it may be wrong only after transaction control; then the next batch waits for the answer.

use std::sync::Arc;

use super::keeping::Keeping;
use crate::protocol::TransactionStatus;
use crate::sql::{Class, ClassSet, Facts, ParameterName, Statement, TransactionControl};
use crate::zone::{Form, NAME_LENGTH, Prefix, put_question};

/// The injection of one connection that has a zone.
#[derive(Debug)]
pub struct Injection {
    prefix: Arc<Prefix>,
    name: [u8; NAME_LENGTH],
    /// The zone is set in the transaction that the next statement runs in.
    armed: bool,
    /// The next statement runs in an explicit transaction.
    in_transaction: bool,
    /// RESET ALL took the zone from the transaction; what was bound before it would run without.
    cleared: bool,
    /// Transaction control, or a prefix ahead of a simple Query, is unanswered: no batch is sent
    /// ahead of it.
    unsettled: bool,
    /// The prefix failed: its name may still be there.
    leftover: bool,
    /// PREPARE was run: behind DEALLOCATE a name can stand for another statement than the one that was
    /// parsed under it. SQL can prepare only what a zone matters for.
    prepared_by_sql: bool,
    keeping: Keeping,
}

/// How a simple Query goes to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryForm {
    /// As the client sent it.
    Verbatim,
    /// Behind the prefix (safe in an explicit transaction).
    Prefixed,
    /// Behind [`crate::zone::QUERY_GUARD`]: the zone is set by this very implicit transaction.
    Guarded,
    /// Behind the prefix and the guard.
    PrefixedGuarded,
    /// It mixes transaction control with other statements: where the zone would have to be set
    /// cannot be reached from outside.
    Mixed,
}

impl Injection {
    /// For a new server connection. `pooled`: it holds nothing of this client between transactions.
    pub fn new(prefix: Arc<Prefix>, name: [u8; NAME_LENGTH], pooled: bool) -> Self {
        Self {
            prefix,
            name,
            armed: false,
            in_transaction: false,
            cleared: false,
            unsettled: false,
            leftover: false,
            prepared_by_sql: false,
            keeping: Keeping::new(pooled),
        }
    }

    /// Another server connection takes the place of the idle one.
    pub fn server_replaced(&mut self) {
        self.keeping.server_replaced();
    }

    /// Is transaction control, or a prefix ahead of a simple Query, unanswered?
    pub fn unsettled(&self) -> bool {
        self.unsettled
    }

    /// Must the next batch wait until everything is answered? Also where it would begin with a
    /// prefix: PgBouncer that follows prepared statements hangs for ever when a named Parse comes
    /// in two pieces behind a Sync that is not answered yet (measured on 1.24.1).
    pub fn holds_batches(&self) -> bool {
        self.unsettled || !self.in_transaction || !self.armed
    }

    /// Is the prefix due ahead of a Bind of this statement?
    /// `named`: the statement has a name.
    pub fn due_at_bind(&self, facts: &Facts, named: bool, failed: bool) -> bool {
        let unsure = named && self.prepared_by_sql;
        !self.armed && !failed && (unsure || needs_zone(facts))
    }

    /// Would a portal that was bound before run without its zone? `facts`: of its statement, if known.
    pub fn lost_to_portal(&self, facts: Option<&Facts>) -> bool {
        self.cleared && facts.is_none_or(needs_zone)
    }

    /// How a simple Query must go. `failed`: the transaction is known to have failed.
    /// `batch_open`: extended messages without Sync stand before it.
    pub fn query_form(&self, facts: &Facts, failed: bool, batch_open: bool) -> QueryForm {
        let implicit = !self.in_transaction;
        if facts.statements.len() > 1 && facts.statements.iter().any(|s| moves(s.transaction)) {
            return match facts.is_rollback_and_clearing() {
                true => QueryForm::Verbatim,
                false => QueryForm::Mixed,
            };
        }
        if failed || !needs_zone(facts) {
            return QueryForm::Verbatim;
        }
        match (self.armed, implicit) {
            (true, true) if batch_open => QueryForm::Guarded,
            (true, _) => QueryForm::Verbatim,
            (false, true) => QueryForm::PrefixedGuarded,
            (false, false) => QueryForm::Prefixed,
        }
    }

    /// Appends the prefix; in which form?
    pub fn put(&mut self, out: &mut Vec<u8>) -> Form {
        let form = self.keeping.next_form();
        self.prefix.put(out, &self.name, form);
        self.armed = true;
        self.cleared = false;
        form
    }

    /// Is it time to ask whether the pool follows names? Only while nothing is open or unanswered.
    pub fn is_curious(&self) -> bool {
        self.keeping.is_curious() && !self.prefix.loses_names()
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

    /// The pool does not know a name that it should have followed.
    pub fn name_lost(&mut self) {
        self.keeping.forgets();
        self.prefix.name_lost();
    }

    /// A statement was sent to run: what it does to the transaction.
    pub fn executed(&mut self, facts: &Facts) {
        self.prepared_by_sql |= facts.classes.has(Class::Prepare);
        if may_remove_names(facts) {
            self.keeping.doubted();
        }
        if facts.undescribed.is_some() || facts.classes.has(Class::Procedural) {
            // Where the policy lets them pass: DO and CALL can end the transaction inside, and nobody
            // knows what a text without description does. The server's word will tell.
            self.unsettled = true;
            self.armed = false;
        }
        if clears(facts) {
            self.armed = false;
            self.cleared = true;
        }
        for control in facts.statements.iter().filter_map(|s| s.transaction) {
            self.unsettled = true;
            match control {
                TransactionControl::Begin => {
                    // Set again even if this batch has set it already: harmless, and the same everywhere.
                    // Not where a transaction is open: there BEGIN only warns.
                    self.armed &= self.in_transaction;
                    self.in_transaction = true;
                }
                TransactionControl::Commit { chain } | TransactionControl::Rollback { chain } => {
                    self.armed = false;
                    self.in_transaction = chain;
                }
                TransactionControl::TwoPhase => {
                    self.armed = false;
                    self.in_transaction = false;
                }
                TransactionControl::Savepoint | TransactionControl::SetTransaction => {}
            }
        }
    }

    /// A simple Query was sent in `form`.
    pub fn queried(&mut self, facts: &Facts, form: QueryForm) {
        if form != QueryForm::Verbatim {
            // If the prefix fails the Query is skipped without ReadyForQuery: know before going on.
            self.unsettled = true;
        }
        self.executed(facts);
        self.batch_ended();
    }

    /// Sync was sent, or a simple Query: an implicit transaction ends.
    pub fn batch_ended(&mut self) {
        if !self.in_transaction {
            self.armed = false;
            self.cleared = false;
        }
    }

    /// Everything is answered: the server's word replaces the prediction.
    pub fn settled(&mut self, status: TransactionStatus) {
        self.unsettled = self.leftover;
        self.in_transaction = status != TransactionStatus::Idle;
        if !self.in_transaction {
            self.armed = false;
            self.cleared = false;
        }
    }

    /// The prefix failed or was cancelled.
    pub fn failed(&mut self) {
        self.leftover = true;
        self.unsettled = true;
    }

    /// The name that must be removed before anything else is sent, once.
    pub fn take_leftover(&mut self) -> Option<[u8; NAME_LENGTH]> {
        std::mem::take(&mut self.leftover).then_some(self.name)
    }
}

/// Does the statement read or write anything a zone could matter for?
/// Not: BEGIN, COMMIT, ROLLBACK, SET TRANSACTION (which a query before it would break), what takes no
/// snapshot, an empty query.
fn needs_zone(facts: &Facts) -> bool {
    use TransactionControl::{Begin, Commit, Rollback, SetTransaction, TwoPhase};
    let unknown = facts.undescribed.is_some();
    unknown
        || facts.statements.iter().any(|statement| {
            !matches!(
                statement.transaction,
                Some(Begin | Commit { .. } | Rollback { .. } | SetTransaction | TwoPhase)
            ) && !takes_no_snapshot(statement)
                && !discards_all(statement)
        })
}

/// DISCARD ALL runs alone, in no transaction, or not at all.
fn discards_all(statement: &Statement) -> bool {
    const ROWS: ClassSet = ClassSet::of(Class::Read).with(Class::Write);
    statement.tag == "DISCARD ALL" && !statement.classes.intersects(ROWS)
}

/// RESET ALL, DISCARD ALL.
fn clears(facts: &Facts) -> bool {
    let mut touches = facts.statements.iter().flat_map(|s| &s.parameters);
    touches.any(|touch| touch.name == ParameterName::All)
}

/// SET, RESET, LOCK, LISTEN, UNLISTEN, NOTIFY: PostgreSQL runs them without a snapshot, so that SET
/// TRANSACTION may still follow, and they see no row. Not SHOW: it may show the zone. Where a
/// parameter is set by anything else, its class is there, too.
fn takes_no_snapshot(statement: &Statement) -> bool {
    const NONE: ClassSet = ClassSet::of(Class::Parameter)
        .with(Class::Lock)
        .with(Class::Notify);
    let classes = statement.classes;
    !classes.is_empty() && classes.minus(NONE).is_empty() && statement.functions.is_empty()
}

/// DEALLOCATE ALL and DISCARD ALL make PgBouncer forget what it follows for this client, too.
fn may_remove_names(facts: &Facts) -> bool {
    let classes = &facts.classes;
    facts.undescribed.is_some()
        || classes.has(Class::Deallocate)
        || classes.has(Class::SessionState)
        || classes.has(Class::Procedural)
}

/// Begins or ends a transaction, or must come first in one?
fn moves(control: Option<TransactionControl>) -> bool {
    control.is_some_and(|control| control != TransactionControl::Savepoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::describe;

    fn in_a_zone() -> Injection {
        let prefix = Arc::new(Prefix::new(&[("app.tenant_id", "acme")]));
        Injection::new(prefix, crate::zone::name(1), true)
    }

    #[test]
    fn what_resets_everything_takes_the_zone_with_it_until_it_is_set_again() {
        let select = describe(b"select 1");
        for text in ["reset all", "select 1; reset all"] {
            let mut injection = in_a_zone();
            injection.executed(&describe(b"begin"));
            injection.put(&mut Vec::new());
            assert!(!injection.due_at_bind(&select, false, false));
            injection.executed(&describe(text.as_bytes()));
            assert!(injection.due_at_bind(&select, false, false), "{text}");
            assert_eq!(
                injection.query_form(&select, false, false),
                QueryForm::Prefixed
            );
            // What was bound before it, and cursors of SQL's, would run without.
            assert!(injection.lost_to_portal(Some(&select)) && injection.lost_to_portal(None));
            assert!(!injection.lost_to_portal(Some(&describe(b"commit"))));
            injection.put(&mut Vec::new());
            assert!(!injection.lost_to_portal(Some(&select)));
        }
        // It would fail behind a prefix.
        let discard = describe(b"discard all");
        assert_eq!(
            in_a_zone().query_form(&discard, false, false),
            QueryForm::Verbatim
        );
        assert!(!in_a_zone().due_at_bind(&discard, false, false));
    }

    #[test]
    fn what_may_have_ended_the_transaction_inside_takes_the_zone_with_it() {
        let select = describe(b"select 1");
        for text in [
            "do $$ begin commit; end $$",
            "call pay()",
            "selec 1",
            "/*/*/*/*",
        ] {
            let facts = describe(text.as_bytes());
            let mut injection = in_a_zone();
            assert!(injection.due_at_bind(&facts, false, false), "{text}");
            injection.put(&mut Vec::new());
            injection.executed(&facts);
            assert!(injection.due_at_bind(&select, false, false), "{text}");
            assert!(injection.holds_batches(), "{text}");
        }
    }

    /// Parse s = `begin`; `deallocate s`; `prepare s as select ...`; Bind s: the select would run without.
    #[test]
    fn a_name_that_sql_may_have_taken_gets_the_zone_whatever_was_parsed_under_it() {
        let begin = describe(b"begin");
        let mut injection = in_a_zone();
        assert!(!injection.due_at_bind(&begin, true, false));
        injection.executed(&describe(b"prepare s as select * from orders"));
        injection.batch_ended();
        assert!(injection.due_at_bind(&begin, true, false));
        assert!(!injection.due_at_bind(&begin, false, false));
    }

    #[test]
    fn what_takes_no_snapshot_needs_no_zone() {
        for text in [
            "set local statement_timeout = 1000",
            "set statement_timeout to 1000",
            "reset statement_timeout",
            "lock table orders",
            "notify c",
            "set transaction isolation level serializable",
        ] {
            assert!(!needs_zone(&describe(text.as_bytes())), "{text}");
        }
        for text in [
            "select set_config('a.b', 'c', true)",
            "update pg_settings set setting = 'x'",
            "select * from orders for update",
            "show app.tenant_id",
            "set local a.b = 'c'; select 1",
            "lock table orders; select 1",
            "savepoint s",
            "do $$ begin set a.b = 'c'; end $$",
            "explain select 1",
            "prepare p as select 1",
            "deallocate p",
            "fetch c",
            "selec 1",
        ] {
            assert!(needs_zone(&describe(text.as_bytes())), "{text}");
        }
    }

    #[test]
    fn a_query_keeps_the_zone_within_its_batch() {
        let select = describe(b"select 1");
        let mut injection = in_a_zone();
        injection.put(&mut Vec::new());
        injection.executed(&select);
        assert!(!injection.due_at_bind(&select, false, false));
        assert!(!injection.due_at_bind(&describe(b"commit"), false, false));
        injection.batch_ended();
        assert!(injection.due_at_bind(&select, false, false));
    }
}
