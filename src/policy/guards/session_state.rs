//! `session-state`: a pooled connection is handed on as it was found.

mod numbers;
pub(super) mod temporary;

use crate::error::SqlState;
use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, RouteName, State, Who};
use crate::sql::{
    Class, ClassSet, Facts, FunctionGroup, ParameterName, ParameterTouch, ParameterUse, Statement,
    TransactionControl, group,
};

/// Objects, on the transaction route, to what stays on the server connection when the transaction is
/// over: LISTEN, LOAD, cursors WITH HOLD, SQL-level PREPARE and EXECUTE, temporary tables without ON COMMIT DROP, session
/// advisory locks, `setseed()`, `set_limit()` and its like, `currval()` and `lastval()` where nothing has run before them
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
            two_phase(statement).or_else(|| pooled.then(|| stays(statement)).flatten())?;
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

/// What to do without a seed.
const UNSEEDED: &str = "For a sample that can be drawn again use TABLESAMPLE with REPEATABLE";

fn stays(statement: &Statement) -> Option<Objection> {
    sets_for_session(statement)
        .or_else(|| holds(statement))
        .or_else(|| temporary::judge(statement))
        .or_else(|| calls(statement))
}

/// LISTEN, LOAD, cursors WITH HOLD, SQL-level PREPARE and EXECUTE.
fn holds(statement: &Statement) -> Option<Objection> {
    let has = |class| statement.classes.has(class);
    let (what, hint) = match statement.tag {
        "LISTEN" if has(Class::Notify) => ("LISTEN", format!("To listen, {OWN}")),
        "LOAD" if has(Class::SessionState) => (
            "LOAD",
            format!("Preload the library on the server, or {OWN}"),
        ),
        _ if has(Class::Cursor) && has(Class::SessionState) => (
            "DECLARE CURSOR WITH HOLD",
            format!("Fetch within one transaction, without WITH HOLD, or {OWN}"),
        ),
        _ if has(Class::Prepare) || has(Class::Execute) => (
            if has(Class::Prepare) {
                "PREPARE"
            } else {
                "EXECUTE"
            },
            format!("Let the driver prepare it by the protocol, or {OWN}"),
        ),
        _ => return None,
    };
    Some(left_behind(what, hint))
}

/// `setseed()`, `set_limit()` and its like, and advisory locks of the session.
fn calls(statement: &Statement) -> Option<Objection> {
    let called = |is: fn(&str) -> bool| statement.functions.iter().find(|name| is(name));
    if let Some(function) = called(sets_state) {
        let hint = match *function {
            "set_limit" => "Use SET LOCAL pg_trgm.similarity_threshold".to_owned(),
            "setseed" => format!("{UNSEEDED}; or {OWN}"),
            _ => format!("If you need it, {OWN}"),
        };
        return Some(left_behind(&format!("{function}()"), hint));
    }
    let lock = called(takes_lock)?;
    let instead = match lock.contains("unlock") {
        // Often the one error that is shown: that of `finally`, which stands over the lock's own.
        true => {
            let taken = lock.replace("unlock", "lock");
            format!(
                "{taken}(), which it belongs to, is refused as well; locks of {} end with their transaction",
                transactional(&taken)
            )
        }
        false => format!(
            "Use {}, which ends with the transaction",
            transactional(lock)
        ),
    };
    Some(left_behind(
        &format!("{lock}()"),
        format!("{instead}; migrate in a migration session; or {OWN}"),
    ))
}

/// What is on the pooled connection when the transaction is over.
fn left_behind(what: &str, hint: String) -> Objection {
    Objection::new(format!("cannot execute {what} on the transaction route"))
        .sqlstate(SqlState::UNSUPPORTED)
        .detail("It would stay on the pooled connection for its next client, or be missed there")
        .hint(hint)
}

/// A parameter is set for the session in a way that is not known to end with the transaction.
fn sets_for_session(statement: &Statement) -> Option<Objection> {
    /// What runs nothing of what it holds.
    const QUIET: ClassSet = ClassSet::of(Class::Ddl).with(Class::Explain);
    let runs = !statement.classes.minus(QUIET).is_empty() || statement.details.into;
    let is = |touch: &ParameterTouch, how| touch.how == how && runs;
    // Where only a Bind tells, that is judged, and this is none.
    let mut bound = statement.details.bound.iter().flat_map(|it| it.0.iter());
    let late = bound.any(|it| it.local.is_some());
    let local = statement.details.localized.is_some() && !late;
    let (what, hint) = statement.parameters.iter().find_map(|touch| {
        let role = matches!(&touch.name, ParameterName::Named(name) if matches!(&**name, "role" | "session_authorization"));
        let computed = touch.name == ParameterName::Dynamic;
        let named = |it: &str| matches!(&touch.name, ParameterName::Named(name) if **name == *it);
        let seed = named("seed");
        if seed && (is(touch, ParameterUse::Session) || is(touch, ParameterUse::Local)) {
            // It is a call of setseed(): nothing takes it back at the transaction's end.
            Some(("SET seed", format!("{UNSEEDED}; or {OWN}")))
        } else if named("temp_buffers")
            && (is(touch, ParameterUse::Session) || is(touch, ParameterUse::Local))
        {
            // PostgreSQL changes it no more once its session has used a temporary table, anybody's here.
            Some(("SET temp_buffers", format!("Use the value that the server has, or {OWN}")))
        } else if is(touch, ParameterUse::Session) && role {
            Some(("SET ROLE", format!("Use SET LOCAL ROLE in a transaction, or {OWN}")))
        } else if is(touch, ParameterUse::Session) && (computed || !local) {
            let hint = "Use SET, or a SELECT of set_config() with its name as a constant and the word false";
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

/// The objection to a bound value that does not say for how long a parameter is set.
pub fn unreadable() -> Objection {
    Objection::new("cannot tell whether this sets a parameter for the session")
        .detail("is_local must be a constant, or a bound value of type boolean")
        .hint("Bind true or false")
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
    use super::temporary::INLINE;
    use super::{OWN, judge};
    use crate::policy::{Guard, Login, RouteName, Who};
    use crate::sql::{
        Class, Facts, ParameterName, ParameterUse, Statement, TransactionControl, describe,
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

    #[test]
    fn what_stays_is_refused_where_connections_are_shared() {
        for (text, what, hint) in [
            (
                calls(&["set_limit"]),
                "set_limit()",
                "Use SET LOCAL pg_trgm.similarity_threshold.",
            ),
            (
                calls(&["setseed"]),
                "setseed()",
                "For a sample that can be drawn again use TABLESAMPLE with REPEATABLE; or give the login route = \"session\" in the policy.",
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
                "Use pg_try_advisory_xact_lock_shared(), which ends with the transaction; migrate in a migration session; or give the login route = \"session\" in the policy.",
            ),
            (
                calls(&["pg_advisory_unlock"]),
                "pg_advisory_unlock()",
                "pg_advisory_lock(), which it belongs to, is refused as well; locks of pg_advisory_xact_lock() end with their transaction; migrate in a migration session; or give the login route = \"session\" in the policy.",
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
        for (text, tag, instead) in [
            (
                "create temp table t (a int)",
                "CREATE TABLE",
                "Say ON COMMIT DROP and use it in one transaction",
            ),
            (
                "create temp table t on commit delete rows as select 1",
                "CREATE TABLE AS",
                "Say ON COMMIT DROP and use it in one transaction",
            ),
            (
                "create temp table t () inherits (u) on commit drop",
                "CREATE TABLE",
                "Say ON COMMIT DROP and use it in one transaction",
            ),
            ("select 1 into temp t", "SELECT INTO", "Use WITH"),
            ("create temp view v as select 1", "CREATE VIEW", "Use WITH"),
            (
                "create or replace function pg_temp.testfunc(out x int) as $$ select 1 $$ language sql",
                "CREATE FUNCTION",
                INLINE,
            ),
            (
                "create type pg_temp.pair as (a int, b int)",
                "CREATE TYPE",
                "Leave it out",
            ),
        ] {
            let facts = describe(text.as_bytes());
            let what = match tag {
                "CREATE VIEW" => "for a temporary view",
                "CREATE FUNCTION" | "CREATE TYPE" => "in pg_temp",
                _ => "for a temporary table",
            };
            let message = format!("cannot execute {tag} {what} on the transaction route");
            assert_refused(
                &facts,
                &lax(pooled()),
                CLOSED,
                Guard::SessionState,
                &message,
            );
            assert_allowed(&facts, &lax(own()), CLOSED);
            let found = judge(&facts, &pooled(), CLOSED).and_then(|found| found.hint);
            assert_eq!(found, Some(format!("{instead}, or {OWN}")));
        }
        for text in [
            "create table t (a int)",
            "create temp table t (a int) on commit drop",
        ] {
            assert_allowed(&describe(text.as_bytes()), &lax(pooled()), CLOSED);
        }
    }

    #[test]
    fn what_is_set_for_the_session_passes_where_it_can_be_set_for_the_transaction() {
        let message = "cannot execute this set_config() on the transaction route";
        for text in [
            "select set_config('a', 'b', $1)",
            "select set_config('a', 'b', not $1)",
            "select set_config('a', 'b', false), set_config('c', 'd', 'f' || '')",
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
            ("set seed = 0.5", "SET seed"),
            ("set local seed to .5", "SET seed"),
            ("select set_config('seed', '0.5', true)", "SET seed"),
            ("set temp_buffers = '8MB'", "SET temp_buffers"),
            ("set session \"temp_buffers\" to 1024", "SET temp_buffers"),
            ("set local Temp_Buffers = 1024", "SET temp_buffers"),
            (
                "select set_config('temp_buffers', '8MB', true)",
                "SET temp_buffers",
            ),
            (
                "select set_config('TEMP_BUFFERS', $1, false)",
                "SET temp_buffers",
            ),
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
            "reset seed",
            "reset temp_buffers",
            "set temp_buffers to default",
            "show temp_buffers",
            "select set_config('a', 'b', false), 1",
            "select set_config('a', 'b', false), set_config('c', 'd', 'f')",
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
    fn an_explain_of_what_somebody_prepared_is_an_execute() {
        for text in [
            "explain execute p",
            "explain create table t as execute p (set_config('jit', 'off', false))",
            "explain (verbose) create temp table tmp_t on commit drop as execute p",
        ] {
            let found = judge(&describe(text.as_bytes()), &pooled(), CLOSED);
            assert!(found.is_some(), "{text}");
        }
        for text in [
            "explain create table t as select set_config('jit', 'off', false)",
            "explain (verbose) create temp table tmp_t on commit drop as select 1",
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
