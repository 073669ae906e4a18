//! The defaults for transactions (`default_transaction_isolation` and its like): a transaction takes
//! them when it begins, so that setting them in its prefix comes too late. What they stand for is set
//! instead.

use super::reading::Behind;
use crate::sql::{Modes, ParameterName, Statement};

/// How a transaction sees the writes of others.
pub const ISOLATION: &str = "default_transaction_isolation";
/// Whether it may write.
pub const READ_ONLY: &str = "default_transaction_read_only";
/// Whether it may wait for a snapshot that cannot fail.
pub const DEFERRABLE: &str = "default_transaction_deferrable";

/// All of them.
pub const DEFAULTS: [&str; 3] = [ISOLATION, READ_ONLY, DEFERRABLE];

/// The modes that a statement sets as parameters of the running transaction.
pub fn of(statement: &Statement) -> Modes {
    let sets = |name: &str| {
        let mut touches = statement.parameters.iter();
        touches.any(|touch| matches!(&touch.name, ParameterName::Named(it) if **it == *name))
    };
    Modes {
        isolation: sets("transaction_isolation"),
        access: sets("transaction_read_only"),
        deferrable: sets("transaction_deferrable"),
    }
}

/// The statement that gives these modes to the transaction, if it needs one. `read_only`: the value, if
/// there is one; on, alone, is left to the prefix, which costs nothing more.
pub fn statement(
    isolation: Option<&str>,
    deferrable: Option<&str>,
    read_only: Option<&str>,
) -> Option<Behind<'static>> {
    let isolation = isolation.and_then(|level| match level {
        "serializable" => Some("isolation level serializable"),
        "repeatable read" => Some("isolation level repeatable read"),
        "read committed" => Some("isolation level read committed"),
        "read uncommitted" => Some("isolation level read uncommitted"),
        _ => None,
    });
    let deferrable = deferrable.map(|on| match on {
        "on" => "deferrable",
        _ => "not deferrable",
    });
    // A transaction that waits for a safe snapshot must be read-only before it takes one.
    let access = match read_only {
        Some("on") if isolation.is_some() || deferrable.is_some() => Some("read only"),
        Some("off") => Some("read write"),
        _ => None,
    };
    let all = [isolation, deferrable, access];
    let all: Vec<&str> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| Behind::saying(format!("set transaction {}", all.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_is_said_and_only_in_fixed_words() {
        let said = |isolation, deferrable, read_only| {
            let said = statement(isolation, deferrable, read_only);
            said.map_or(String::new(), |said| said.text)
        };
        assert_eq!(said(None, None, None), "");
        assert_eq!(said(Some("; drop table t"), None, Some("on")), "");
        assert_eq!(said(None, None, Some("off")), "set transaction read write");
        assert_eq!(
            said(Some("serializable"), Some("on"), Some("on")),
            "set transaction isolation level serializable,deferrable,read only"
        );
        assert_eq!(
            said(None, Some("off"), None),
            "set transaction not deferrable"
        );
    }
}
