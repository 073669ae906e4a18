//! `role-change`: a login acts as itself.

use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts, ParameterName, Statement};

/// Parameters that change who acts, or what its rights mean. `row_security` is not one of them: off
/// makes a filtered query fail, it never shows a row more (PostgreSQL documentation, section 5.9).
const PARAMETERS: [&str; 3] = ["role", "session_authorization", "session_replication_role"];

/// Objects to SET ROLE and SET SESSION AUTHORIZATION, also through `set_config`, and to
/// `session_replication_role`, which switches off triggers and foreign keys.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let statement = facts
        .statements
        .iter()
        .find(|statement| changes_role(statement))?;
    Some(
        Objection::new(format!(
            "login \"{}\" cannot act as another role",
            who.login.name
        ))
        .hint("Connect as the login that has the right")
        .at(statement.position),
    )
}

fn changes_role(statement: &Statement) -> bool {
    statement.classes.has(Class::RoleChange)
        || statement.parameters.iter().any(|touch| match &touch.name {
            ParameterName::Named(name) => PARAMETERS.contains(&&**name),
            ParameterName::All | ParameterName::Dynamic => false,
        })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;

    const MESSAGE: &str = "login \"shop_acme\" cannot act as another role";

    #[test]
    fn roles_and_what_switches_off_triggers_are_refused() {
        assert_refused(
            &facts("SET ROLE", &[Class::RoleChange]),
            &acme(),
            CLOSED,
            Guard::RoleChange,
            MESSAGE,
        );
        for name in ["role", "session_authorization", "session_replication_role"] {
            assert_refused(&set(name, "x"), &acme(), CLOSED, Guard::RoleChange, MESSAGE);
            assert_allowed(&set(name, "x"), &migrator(), OPEN);
        }
    }

    #[test]
    fn other_parameters_pass() {
        for name in ["row_security", "timezone", "statement_timeout", "my.role"] {
            assert_allowed(&set(name, "off"), &acme(), CLOSED);
        }
    }
}
