//! `session-state`: a pooled connection is handed on as it was found.

mod numbers;

use crate::error::SqlState;
use crate::policy::rights::in_migration_session;
use crate::policy::{Guard, Mode, Objection, RouteName, State, Who};
use crate::sql::{
    Class, ClassSet, Facts, FunctionGroup, ParameterName, ParameterTouch, ParameterUse, Statement,
    TransactionControl, group,
};

/// Objects, on the transaction route, to what stays on the server connection when the transaction is
/// over: LISTEN, LOAD, cursors WITH HOLD, SQL-level PREPARE and EXECUTE, temporary tables, session
/// advisory locks, `set_limit()` and its like, `currval()` and `lastval()` where nothing has run before them
/// in their transaction, and parameters set for the session where that cannot be turned into a setting for the
/// transaction (elsewhere it is, and kept for the client). On every route it objects to prepared transactions, which outlive even the
/// connection.
///
/// What clears such state passes: DISCARD, DEALLOCATE, UNLISTEN, CLOSE, `pg_advisory_unlock_all()`.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let pooled = who.login.route == RouteName::Transaction;
    let found = facts.statements.iter().find_map(|statement| {
        let objection =
            two_phase(statement).or_else(|| pooled.then(|| stays(statement, who)).flatten())?;
        Some(objection.at(statement.position))
    });
    found.or_else(|| pooled.then(|| numbers::judge(facts, state)).flatten())
}

fn two_phase(statement: &Statement) -> Option<Objection> {
    let is = statement.transaction == Some(TransactionControl::TwoPhase);
    is.then(|| {
        Objection::new(format!(
            "cannot execute {} outside a migration session",
            statement.tag
        ))
        .detail(
            "A prepared transaction keeps its locks until somebody ends it, on whatever connection",
        )
        .hint("Commit in one phase")
    })
}

/// The way to a connection of one's own.
const OWN: &str = "give the login route = \"session\" in the policy";

fn stays(statement: &Statement, who: &Who) -> Option<Objection> {
    let has = |class| statement.classes.has(class);
    let tag = statement.tag;
    if let Some(objection) = sets_for_session(statement) {
        return Some(objection);
    }
    let (what, hint) = if tag == "LISTEN" && has(Class::Notify) {
        ("LISTEN".to_owned(), format!("To listen, {OWN}"))
    } else if tag == "LOAD" && has(Class::SessionState) {
        (
            "LOAD".to_owned(),
            format!("Preload the library on the server, or {OWN}"),
        )
    } else if has(Class::Cursor) && has(Class::SessionState) {
        (
            "DECLARE CURSOR WITH HOLD".to_owned(),
            format!("Fetch within one transaction, without WITH HOLD, or {OWN}"),
        )
    } else if has(Class::Prepare) || has(Class::Execute) {
        let what = if has(Class::Prepare) {
            "PREPARE"
        } else {
            "EXECUTE"
        };
        (
            what.to_owned(),
            format!("Let the driver prepare it by the protocol, or {OWN}"),
        )
    } else if statement.details.temporary {
        (
            format!("{tag} for a temporary table or view"),
            match who.policy.mode(Guard::DdlOutsideMigration) {
                // They would be refused there, too.
                Mode::Enforce => "Use WITH".to_owned(),
                Mode::Observe | Mode::Off => format!("Use WITH, or {OWN}"),
            },
        )
    } else if let Some(function) = statement.functions.iter().find(|name| sets_state(name)) {
        let hint = match *function {
            "set_limit" => "Use SET LOCAL pg_trgm.similarity_threshold".to_owned(),
            _ => format!("If you need it, {OWN}"),
        };
        (format!("{function}()"), hint)
    } else {
        let lock = statement.functions.iter().find(|name| takes_lock(name))?;
        let hint = match lock.contains("unlock") {
            true => "Locks of pg_advisory_xact_lock() end with their transaction".to_owned(),
            false => format!(
                "Use {}, which ends with the transaction",
                transactional(lock)
            ),
        };
        (format!("{lock}()"), format!("{hint}; or {OWN}"))
    };
    Some(
        Objection::new(format!("cannot execute {what} on the transaction route"))
            .sqlstate(SqlState::UNSUPPORTED)
            .detail(
                "It would stay on the pooled connection for its next client, or be missed there",
            )
            .hint(hint),
    )
}

/// A parameter is set for the session in a way that is not known to end with the transaction.
fn sets_for_session(statement: &Statement) -> Option<Objection> {
    /// What runs nothing of what it holds.
    const QUIET: ClassSet = ClassSet::of(Class::Ddl).with(Class::Explain);
    let runs = !statement.classes.minus(QUIET).is_empty() || statement.details.into;
    let is = |touch: &ParameterTouch, how| touch.how == how && runs;
    let local = statement.details.localized.is_some();
    let (what, hint) = statement.parameters.iter().find_map(|touch| {
        let role = matches!(&touch.name, ParameterName::Named(name) if matches!(&**name, "role" | "session_authorization"));
        let computed = touch.name == ParameterName::Dynamic;
        if is(touch, ParameterUse::Session) && role {
            Some(("SET ROLE", format!("Use SET LOCAL ROLE in a transaction, or {OWN}")))
        } else if is(touch, ParameterUse::Session) && (computed || !local) {
            let hint = "Use SET, or a SELECT of set_config() with its name and false as constants";
            Some(("set_config()", format!("{hint}; or {OWN}")))
        } else if is(touch, ParameterUse::Stored) && computed && statement.classes.has(Class::Write) {
            Some(("UPDATE of pg_settings", format!("Use SET, or {OWN}")))
        } else {
            None
        }
    })?;
    Some(
        Objection::new(format!(
            "cannot execute this {what} on the transaction route"
        ))
        .sqlstate(SqlState::UNSUPPORTED)
        .detail("What it sets would stay on the pooled connection for its next client")
        .hint(hint),
    )
}

/// Settings and variables of extensions.
fn sets_state(name: &str) -> bool {
    group(name) == Some(FunctionGroup::SessionSettings)
}

/// A session advisory lock, or the release of a single one, which may be another client's.
fn takes_lock(name: &str) -> bool {
    group(name) == Some(FunctionGroup::SessionLocks) && name != "pg_advisory_unlock_all"
}

/// `pg_try_advisory_lock_shared` -> `pg_try_advisory_xact_lock_shared()`
fn transactional(lock: &str) -> String {
    format!("{}()", lock.replace("advisory_lock", "advisory_xact_lock"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixture::*;
    use super::{OWN, judge};
    use crate::policy::{Guard, Login, RouteName, Who};
    use crate::sql::{
        Class, Details, Facts, ParameterName, ParameterUse, Statement, TransactionControl, describe,
    };

    /// A service without zones on the transaction route.
    fn pooled() -> Who {
        who("shop_report", "tools")
    }

    /// The same on the session route.
    fn own() -> Who {
        let mut who = pooled();
        who.login = Arc::new(Login {
            route: RouteName::Session,
            ..(*who.login).clone()
        });
        who
    }

    fn two_phase(tag: &'static str) -> Facts {
        message(vec![Statement {
            transaction: Some(TransactionControl::TwoPhase),
            ..statement(tag, &[Class::Transaction])
        }])
    }

    fn temporary() -> Facts {
        message(vec![Statement {
            details: Details {
                temporary: true,
                ..Details::default()
            },
            ..statement("CREATE TABLE", &[Class::Ddl])
        }])
    }

    #[test]
    fn what_stays_is_refused_where_connections_are_shared() {
        for (text, what, hint) in [
            (
                calls(&["set_limit"]),
                "set_limit()",
                "Use SET LOCAL pg_trgm.similarity_threshold.",
            ),
            (
                facts("LISTEN", &[Class::Notify]),
                "LISTEN",
                "To listen, give the login route = \"session\" in the policy.",
            ),
            (
                facts("LOAD", &[Class::SessionState]),
                "LOAD",
                "Preload the library on the server, or give the login route = \"session\" in the policy.",
            ),
            (
                facts(
                    "DECLARE CURSOR",
                    &[Class::Cursor, Class::SessionState, Class::Read],
                ),
                "DECLARE CURSOR WITH HOLD",
                "Fetch within one transaction, without WITH HOLD, or give the login route = \"session\" in the policy.",
            ),
            (
                facts("PREPARE", &[Class::Prepare, Class::Read]),
                "PREPARE",
                "Let the driver prepare it by the protocol, or give the login route = \"session\" in the policy.",
            ),
            (
                facts("EXECUTE", &[Class::Execute]),
                "EXECUTE",
                "Let the driver prepare it by the protocol, or give the login route = \"session\" in the policy.",
            ),
            (
                calls(&["pg_try_advisory_lock_shared"]),
                "pg_try_advisory_lock_shared()",
                "Use pg_try_advisory_xact_lock_shared(), which ends with the transaction; or give the login route = \"session\" in the policy.",
            ),
            (
                calls(&["pg_advisory_unlock"]),
                "pg_advisory_unlock()",
                "Locks of pg_advisory_xact_lock() end with their transaction; or give the login route = \"session\" in the policy.",
            ),
        ] {
            let refusal = refused(&text, &pooled(), CLOSED);
            assert_eq!(
                (refusal.guard, refusal.sqlstate.as_str()),
                (Guard::SessionState, "0A000"),
                "{what}"
            );
            assert_eq!(
                refusal.message,
                format!("cannot execute {what} on the transaction route")
            );
            assert_eq!(refusal.hint.as_deref(), Some(hint));
            assert_allowed(&text, &own(), CLOSED);
            assert_allowed(&text, &migrator(), OPEN);
        }
    }

    #[test]
    fn temporary_tables_stay_as_well_where_tables_may_be_made() {
        let lax = |mut who: Who| {
            who.policy = policy("ddl-outside-migration = \"off\"");
            who
        };
        let message =
            "cannot execute CREATE TABLE for a temporary table or view on the transaction route";
        assert_refused(
            &temporary(),
            &lax(pooled()),
            CLOSED,
            Guard::SessionState,
            message,
        );
        assert_allowed(&temporary(), &lax(own()), CLOSED);
        let hint = |who: &Who| judge(&temporary(), who, CLOSED).and_then(|found| found.hint);
        assert_eq!(hint(&pooled()).as_deref(), Some("Use WITH"));
        let other = format!("Use WITH, or {OWN}");
        assert_eq!(hint(&lax(pooled())), Some(other));
        assert_allowed(
            &facts("CREATE TABLE", &[Class::Ddl]),
            &lax(pooled()),
            CLOSED,
        );
    }

    #[test]
    fn what_is_set_for_the_session_passes_where_it_can_be_set_for_the_transaction() {
        let message = "cannot execute this set_config() on the transaction route";
        for text in [
            "select set_config('a', 'b', $1)",
            "select set_config('a', 'b', false), set_config('c', 'd', 'f')",
            "explain analyze select set_config('a', 'b', false)",
            "create table t as select set_config('a', 'b', false)",
            "call p(set_config('a', 'b', false))",
        ] {
            let facts = describe(text.as_bytes());
            let found = judge(&facts, &pooled(), CLOSED).map(|found| found.message);
            assert_eq!(found.as_deref(), Some(message), "{text}");
            assert!(judge(&facts, &own(), CLOSED).is_none(), "{text}");
        }
        for (text, what) in [
            ("set role boss", "SET ROLE"),
            ("select set_config('role', 'boss', false)", "SET ROLE"),
            (
                "update pg_settings set setting = 'x'",
                "UPDATE of pg_settings",
            ),
        ] {
            let found = judge(&describe(text.as_bytes()), &pooled(), CLOSED);
            let message = format!("cannot execute this {what} on the transaction route");
            assert_eq!(found.map(|found| found.message), Some(message), "{text}");
        }
        for text in [
            "set jit = off",
            "set session jit = off",
            "set local role boss",
            "reset role",
            "select set_config('a', 'b', false), 1",
            "insert into t select set_config('a', 'b', false)",
            "explain select set_config('a', 'b', false)",
            "create function f() returns text return set_config('a', 'b', false)",
            "create view v as select set_config('a', 'b', false)",
            "alter role boss set jit = off",
        ] {
            let found = judge(&describe(text.as_bytes()), &pooled(), CLOSED);
            assert!(found.is_none(), "{text}");
        }
    }

    #[test]
    fn two_phases_are_refused_on_every_route() {
        for tag in [
            "PREPARE TRANSACTION",
            "COMMIT PREPARED",
            "ROLLBACK PREPARED",
        ] {
            for who in [pooled(), own(), acme(), who("boris", "tools")] {
                let message = format!("cannot execute {tag} outside a migration session");
                assert_refused(&two_phase(tag), &who, CLOSED, Guard::SessionState, &message);
            }
            assert_allowed(&two_phase(tag), &migrator(), OPEN);
        }
    }

    #[test]
    fn what_clears_up_and_what_ends_with_the_transaction_passes() {
        for text in [
            facts("DISCARD ALL", &[Class::SessionState]),
            facts("DISCARD TEMP", &[Class::SessionState]),
            facts("DEALLOCATE ALL", &[Class::Deallocate]),
            facts("DEALLOCATE", &[Class::Deallocate]),
            facts("UNLISTEN", &[Class::Notify]),
            facts("NOTIFY", &[Class::Notify]),
            facts("CLOSE CURSOR", &[Class::Cursor]),
            facts("DECLARE CURSOR", &[Class::Cursor, Class::Read]),
            facts("LOCK TABLE", &[Class::Lock]),
            facts("BEGIN", &[Class::Transaction]),
            calls(&["pg_advisory_unlock_all"]),
            calls(&["lo_open", "loread"]),
            parameter(ParameterName::All, ParameterUse::Reset, None),
            set("search_path", "shop"),
        ] {
            assert_allowed(&text, &pooled(), CLOSED);
        }
        // asyncpg, between two users of its pool.
        assert_allowed(
            &message(vec![
                Statement {
                    functions: vec!["pg_advisory_unlock_all"],
                    ..statement("SELECT", &[Class::Read])
                },
                statement("CLOSE CURSOR", &[Class::Cursor]),
                statement("UNLISTEN", &[Class::Notify]),
                statement("RESET", &[Class::Parameter]),
            ]),
            &pooled(),
            CLOSED,
        );
    }
}
