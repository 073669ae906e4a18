//! The defaults for transactions (`default_transaction_isolation` and its like): a transaction takes
//! them when it begins, so that setting them in its prefix comes too late. What they stand for is set
//! instead.

use super::reading::Behind;
use crate::sql::{Facts, Modes, ParameterName, Statement};

/// How a transaction sees the writes of others.
pub const ISOLATION: &str = "default_transaction_isolation";
/// Whether it may write.
pub const READ_ONLY: &str = "default_transaction_read_only";
/// Whether it may wait for a snapshot that cannot fail.
pub const DEFERRABLE: &str = "default_transaction_deferrable";

/// All of them.
pub const DEFAULTS: [&str; 3] = [ISOLATION, READ_ONLY, DEFERRABLE];

/// That of the running transaction's mode with this name: `transaction_isolation`.
pub fn default_of(mode: &str) -> Option<&'static str> {
    let mut defaults = DEFAULTS.into_iter();
    defaults.find(|it| it.strip_prefix("default_") == Some(mode))
}

/// Does it set or reset any of them? The running transaction has the modes that were the defaults when it began.
pub fn sets_default(facts: &Facts) -> bool {
    let mut touches = facts.statements.iter().flat_map(|it| &it.parameters);
    touches.any(|touch| match &touch.name {
        ParameterName::Named(name) => DEFAULTS.contains(&&**name),
        ParameterName::All => true,
        ParameterName::Dynamic => false,
    })
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The next one begins with the defaults.
    Whole,
    /// AND CHAIN: another has begun, with its modes.
    Chained,
    /// The same, and it had failed.
    ChainedFailed,
}

/// The modes of the running transaction that it has on the server already, or that the client has chosen:
/// the defaults are no matter for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// All of these.
    pub named: Modes,
    /// Those that it had from its beginning, by AND CHAIN.
    carried: Modes,
    /// Something has run that may have begun another transaction.
    lost: bool,
}

impl Running {
    /// It may be another one, with the server's own.
    pub fn lose(&mut self) {
        *self = Self {
            lost: true,
            ..Self::default()
        };
    }

    /// May it be another one, and have read something already?
    pub fn are_lost(self) -> bool {
        self.lost
    }

    /// A prefix is being sent, and sets the rest: those that it must leave alone.
    pub fn set(&mut self) -> Modes {
        std::mem::replace(&mut self.named, Modes::ALL)
    }

    /// Of the next transaction. `touched`: whose defaults were set in this one, which has what they were before;
    /// `in_savepoint`: there is one.
    pub fn next(self, how: Ended, touched: Modes, in_savepoint: bool) -> Self {
        let carried = match how {
            Ended::Whole => Modes::default(),
            // The failure took back what was named and set since the beginning, and then the modes of the
            // beginning are carried over; in a savepoint it took back what was set behind that.
            Ended::ChainedFailed if !in_savepoint => self.carried,
            Ended::Chained | Ended::ChainedFailed => self.named.or(touched),
        };
        Self {
            named: carried,
            carried,
            lost: false,
        }
    }
}

/// The modes whose defaults are among these parameters.
pub fn defaults(has: impl Fn(&str) -> bool) -> Modes {
    Modes {
        isolation: has(ISOLATION),
        access: has(READ_ONLY),
        deferrable: has(DEFERRABLE),
    }
}

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
    fn a_chained_transaction_has_what_the_one_before_it_had() {
        const NONE: Modes = Modes {
            isolation: false,
            access: false,
            deferrable: false,
        };
        let access = Modes {
            access: true,
            ..NONE
        };
        let isolation = Modes {
            isolation: true,
            ..NONE
        };
        let mut begun = Running::default();
        begun.named = begun.named.or(access);
        assert_eq!(begun.next(Ended::Whole, NONE, false), Running::default());
        let chained = begun.next(Ended::Chained, isolation, false);
        assert_eq!(chained.named, access.or(isolation));
        assert_eq!(
            begun.next(Ended::ChainedFailed, isolation, false).named,
            NONE
        );
        // Nothing that stood ahead of the savepoint is lost.
        assert_eq!(begun.next(Ended::ChainedFailed, NONE, true).named, access);
        // What a prefix has set is lost as well, but not what was there at the beginning.
        let mut set = begun.next(Ended::Chained, NONE, false);
        assert_eq!(set.set(), access);
        assert_eq!(set.next(Ended::Chained, NONE, false).named, Modes::ALL);
        assert_eq!(set.next(Ended::ChainedFailed, NONE, false).named, access);
        let all = |has: &str| DEFAULTS.contains(&has);
        assert_eq!(defaults(all), Modes::ALL);
    }

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
