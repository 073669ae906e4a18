//! Transaction control.

use super::super::{Class, TransactionControl::*};
use super::{facts, second_opinion};

#[test]
fn transaction_control_is_told_apart() {
    let table = [
        ("begin", Begin),
        ("start transaction isolation level serializable", Begin),
        ("begin work read only", Begin),
        ("commit", Commit { chain: false }),
        ("end transaction", Commit { chain: false }),
        ("commit and chain", Commit { chain: true }),
        ("end work and no chain", Commit { chain: false }),
        ("rollback", Rollback { chain: false }),
        ("abort transaction and chain", Rollback { chain: true }),
        ("savepoint chain", Savepoint),
        ("release chain", Savepoint),
        ("rollback to a", Savepoint),
        ("rollback work to savepoint chain", Savepoint),
        ("set transaction read only", SetTransaction),
        (
            "set local transaction isolation level serializable",
            SetTransaction,
        ),
        (
            "set session characteristics as transaction read only",
            SetTransaction,
        ),
        ("prepare transaction 'x'", TwoPhase),
        ("commit prepared 'x'", TwoPhase),
        ("rollback prepared 'x'", TwoPhase),
    ];
    for (text, control) in table {
        let facts = facts(text);
        assert_eq!(facts.statements[0].transaction, Some(control), "{text}");
        assert!(facts.classes.has(Class::Transaction), "{text}");
        assert!(second_opinion(text).has(Class::Transaction), "{text}");
    }
}

#[test]
fn other_statements_control_nothing() {
    for text in [
        "select 1",
        "prepare transaction as select 1",
        "set transaction.a = 1",
        "show transaction_isolation",
    ] {
        let facts = facts(text);
        assert_eq!(facts.statements[0].transaction, None, "{text}");
        assert!(!facts.classes.has(Class::Transaction), "{text}");
    }
}

#[test]
fn set_constraints_is_no_boundary() {
    let facts = super::super::describe(b"set constraints all deferred");
    assert_eq!(facts.statements[0].transaction, None);
    assert_eq!(facts.statements[0].tag, "SET CONSTRAINTS");
}
