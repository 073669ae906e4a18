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
    let statement = facts.statements.iter().find(|statement| changes_role(statement))?;
    Some(
        Objection::new(format!("login \"{}\" cannot act as another role", who.login.name))
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
