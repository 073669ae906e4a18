//! What a statement needs of the prefix, and what it does to it.

use super::injection::shared::decides;
use super::modes;
use super::record::Record;
use crate::sql::{
    Class, ClassSet, Facts, NameAct, ParameterName, ParameterTouch, ParameterUse, Statement,
    TransactionControl,
};

/// Does the statement read or write anything a zone could matter for?
/// Not: BEGIN, COMMIT, ROLLBACK, SET TRANSACTION (which a query before it would break), what takes no
/// snapshot, an empty query.
pub fn needs_zone(facts: &Facts) -> bool {
    facts.undescribed.is_some() || facts.statements.iter().any(matters_to)
}

/// The same of one statement.
pub fn matters_to(statement: &Statement) -> bool {
    use TransactionControl::{Begin, Commit, Rollback, SetTransaction, TwoPhase};
    !matches!(
        statement.transaction,
        Some(Begin | Commit { .. } | Rollback { .. } | SetTransaction | TwoPhase)
    ) && !takes_no_snapshot(statement)
        && !is_about_constraints(statement)
        && !discards_all(statement)
        && !runs_alone(statement)
}

/// What PostgreSQL runs in no transaction block fails behind a prefix, and in a block in any case. It gives the
/// client no row, so the zone is no matter. A function that it calls for an index or a trigger sees no zone, and gets nothing.
///
/// Not what sets a parameter for itself or others: that is looked at elsewhere.
pub fn runs_alone(statement: &Statement) -> bool {
    const THESE: ClassSet = ClassSet::of(Class::Ddl)
        .with(Class::Maintenance)
        .with(Class::Parameter);
    let stored = |touch: &ParameterTouch| touch.how == ParameterUse::Stored;
    statement.alone
        && statement.classes.minus(THESE).is_empty()
        && statement.parameters.iter().all(stored)
}

/// Would it do something else without what the client has set? What makes or drops anything, where the client lets
/// nothing be written; what names a relation, which is looked for along the search_path; an index, whose constants are
/// read by more. Better that it fails.
pub fn depends_on(statement: &Statement, record: &Record) -> bool {
    const OF_THE_CLUSTER: [&str; 4] = ["DATABASE", "TABLESPACE", "SYSTEM", "SUBSCRIPTION"];
    let has = |name: &str| record.value(name).is_some();
    let names_none = OF_THE_CLUSTER.iter().any(|it| statement.tag.ends_with(it));
    let writes_not = || record.value(modes::READ_ONLY).is_some_and(|it| it != "off");
    let reads = || statement.tag == "CREATE INDEX" && record.all().any(|(name, _)| decides(name));
    (statement.classes.has(Class::Ddl) && writes_not())
        || (!names_none && has("search_path"))
        || reads()
}

/// Does it run triggers that were put off, of statements that have run in the transaction? They got the prefix, and what
/// it set holds until then, if RESET ALL has not taken it.
pub fn runs_deferred(statement: &Statement) -> bool {
    use TransactionControl::{Commit, TwoPhase};
    matches!(statement.transaction, Some(Commit { .. } | TwoPhase))
        || is_about_constraints(statement)
}

/// SET CONSTRAINTS can run triggers at once, but only those of statements that got the prefix themselves.
fn is_about_constraints(statement: &Statement) -> bool {
    statement.tag == "SET CONSTRAINTS" && statement.classes == ClassSet::of(Class::Transaction)
}

/// LOCK waits as long as `lock_timeout` says for what it finds along the `search_path`, and SET CONSTRAINTS finds what it
/// names there. Nothing else that a client sets bears on them: a REPEATABLE READ transaction is to have its snapshot
/// behind its first LOCK, and the prefix would take it.
pub fn looks_up(statement: &Statement, record: &Record) -> bool {
    const BY: [&str; 4] = [
        "lock_timeout",
        "search_path",
        "statement_timeout",
        "transaction_timeout",
    ];
    names_only(statement) && BY.iter().any(|name| record.value(name).is_some())
}

/// Does it look for what it names, and read no row?
pub fn names_only(statement: &Statement) -> bool {
    statement.classes.has(Class::Lock) || is_about_constraints(statement)
}

/// LOCK in its strongest mode takes a transaction id, behind which no zone is entered with a key of `once`
/// (`deploy/sql`).
pub fn locks(statement: &Statement) -> bool {
    statement.classes.has(Class::Lock)
}

/// DISCARD ALL runs alone, in no transaction, or not at all.
fn discards_all(statement: &Statement) -> bool {
    const ROWS: ClassSet = ClassSet::of(Class::Read).with(Class::Write);
    statement.tag == "DISCARD ALL" && !statement.classes.intersects(ROWS)
}

/// RESET ALL, DISCARD ALL.
pub fn clears(facts: &Facts) -> bool {
    let mut touches = facts.statements.iter().flat_map(|s| &s.parameters);
    touches.any(|touch| touch.name == ParameterName::All)
}

/// RESET ALL.
pub fn resets_all(facts: &Facts) -> bool {
    clears(facts) && !facts.statements.iter().any(|it| it.tag == "DISCARD ALL")
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

/// Does SHOW tell something that no prefix sets? Not of a parameter that `is_set` by it, nor of one that somebody has
/// made up: zones are such.
pub fn shows_other(statement: &Statement, is_set: impl Fn(&str) -> bool) -> bool {
    let other = |shown: &ParameterName| match shown {
        ParameterName::Named(name) => !name.contains('.') && !is_set(name),
        ParameterName::All | ParameterName::Dynamic => false,
    };
    let shown = statement.details.shows.as_deref();
    statement.classes == ClassSet::of(Class::Show) && shown.is_some_and(other)
}

/// Does PostgreSQL take a snapshot already to read it, so that no SET TRANSACTION may follow?
pub fn is_analyzed(facts: &Facts) -> bool {
    const READ: ClassSet = ClassSet::of(Class::Read)
        .with(Class::Write)
        .with(Class::Explain);
    facts.undescribed.is_none()
        && facts.statements.iter().all(|statement| {
            let classes = statement.classes;
            statement.tag == "CALL" || (!classes.is_empty() && classes.minus(READ).is_empty())
        })
}

/// DEALLOCATE ALL and DISCARD ALL make PgBouncer forget what it follows for this client, too.
pub fn may_remove_names(facts: &Facts) -> bool {
    let classes = &facts.classes;
    facts.undescribed.is_some()
        || classes.has(Class::Deallocate)
        || classes.has(Class::SessionState)
        || classes.has(Class::Procedural)
}

/// LOCK, or DECLARE of a cursor that ends with its transaction, and nothing else: outside of a block PostgreSQL refuses
/// it.
pub fn needs_block(facts: &Facts) -> bool {
    let [statement] = &facts.statements[..] else {
        return false;
    };
    let by_name = statement.details.by_name.as_ref();
    let declares = by_name.is_some_and(|it| it.act == NameAct::Declare { hold: false });
    facts.undescribed.is_none() && (declares || statement.tag == "LOCK TABLE")
}

/// Begins or ends a transaction, or must come first in one? SET SESSION CHARACTERISTICS is a SET like others.
pub fn moves(statement: &Statement) -> bool {
    match statement.transaction {
        None | Some(TransactionControl::Savepoint) => false,
        Some(TransactionControl::SetTransaction) => !statement.classes.has(Class::Parameter),
        Some(_) => true,
    }
}

/// Is what stands before it in the same text, outside of a transaction block, in one transaction with it? BEGIN takes
/// that into its block, COMMIT and ROLLBACK end it.
pub fn joins(statement: &Statement) -> bool {
    use TransactionControl::{Begin, Commit, Rollback};
    matches!(
        statement.transaction,
        Some(Begin | Commit { chain: false } | Rollback { chain: false })
    )
}

/// Are the statements one transaction, if no block is open: does none but the last move it, and that joins them?
pub fn joined(facts: &Facts) -> bool {
    match &facts.statements[..] {
        [before @ .., last] => joins(last) && !before.iter().any(moves),
        [] => false,
    }
}
