//! `dangerous-functions`: functions that get past the text of the statement.

use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::{Facts, FunctionGroup, group};

/// Objects to functions that run text as SQL, touch files, other backends or other connections.
///
/// Not its business: `set_config` (judged by the parameter it sets), large objects, session locks.
/// A migration session may use them, except for files.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    let migrating = in_migration_session(who, state);
    let objectionable = |name: &&str| !is_free(name) && (!migrating || touches_files(name));
    let (statement, name) = facts.statements.iter().find_map(|statement| {
        statement
            .functions
            .iter()
            .copied()
            .find(|name| objectionable(name))
            .map(|name| (statement, name))
    })?;
    Some(
        Objection::new(format!("function {name}() is not allowed"))
            .detail("It runs text as SQL, or touches files, other connections or other servers")
            .hint("Write the statement without it")
            .at(statement.position),
    )
}

/// Watched by others, or by nobody yet.
fn is_free(name: &str) -> bool {
    use FunctionGroup::{LargeObjects, SessionLocks, Settings};
    matches!(group(name), Some(Settings | LargeObjects | SessionLocks))
}

/// Reads, writes or lists files on the server; an unknown name could.
fn touches_files(name: &str) -> bool {
    matches!(group(name), Some(FunctionGroup::Files) | None)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::Guard;

    #[test]
    fn functions_that_get_past_the_text_are_refused() {
        for name in [
            "query_to_xml",
            "pg_read_file",
            "lo_import",
            "dblink",
            "pg_terminate_backend",
        ] {
            let message = format!("function {name}() is not allowed");
            assert_refused(
                &calls(&[name]),
                &acme(),
                CLOSED,
                Guard::DangerousFunctions,
                &message,
            );
            assert_refused(
                &calls(&["set_config", name]),
                &acme(),
                CLOSED,
                Guard::DangerousFunctions,
                &message,
            );
        }
    }

    #[test]
    fn settings_large_objects_and_locks_are_the_business_of_others() {
        assert_allowed(
            &calls(&[
                "set_config",
                "lo_open",
                "loread",
                "pg_advisory_lock",
                "pg_try_advisory_lock",
            ]),
            &acme(),
            CLOSED,
        );
    }

    #[test]
    fn a_migration_may_use_them_but_for_files() {
        assert_allowed(
            &calls(&["query_to_xml", "pg_terminate_backend"]),
            &migrator(),
            OPEN,
        );
        let message = "function pg_read_file() is not allowed";
        assert_refused(
            &calls(&["pg_read_file"]),
            &migrator(),
            OPEN,
            Guard::DangerousFunctions,
            message,
        );
    }
}
