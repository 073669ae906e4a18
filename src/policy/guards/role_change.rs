//! `role-change`: a login acts as itself.

use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, RouteName, State, Who};
use crate::sql::{Class, Facts, ParameterName, ParameterTouch, ParameterUse, Statement};

/// Parameters that change who acts, or what its rights mean. `row_security` is not one of them: off
/// makes a filtered query fail, it never shows a row more (PostgreSQL documentation, section 5.9).
const PARAMETERS: [&str; 3] = ["role", "session_authorization", REPLICATION_ROLE];
const REPLICATION_ROLE: &str = "session_replication_role";

/// Objects to SET ROLE and SET SESSION AUTHORIZATION, also through `set_config`, and to
/// `session_replication_role`, which switches off triggers and foreign keys.
///
/// A login that was granted `roles` may take one of them for a transaction. Going back to what the
/// connection began as is no matter of rights: poolers and drivers do so to tidy up.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let statement = facts.statements.iter().find(|statement| {
        changes_role(statement) && !goes_back(statement, who) && !is_granted(statement, who)
    })?;
    if statement.parameters.iter().any(is_none_for_good) {
        let objection = Objection::new("cannot execute SET ROLE NONE on a pooled connection")
            .detail("Where the role has a \"role\" of its own it would stay without, for the next client as well")
            .hint("Use RESET ROLE");
        return Some(objection.at(statement.position));
    }
    if only_switches_off(statement) {
        let objection = Objection::new(format!(
            "login \"{}\" cannot switch off triggers and foreign keys",
            who.login.name
        ))
        .detail("session_replication_role does that")
        .hint("Load such data in a migration session");
        return Some(objection.at(statement.position));
    }
    let objection = Objection::new(format!(
        "login \"{}\" cannot act as another role",
        who.login.name
    ));
    let objection = match who.login.roles.is_empty() {
        true => objection.hint("Connect as the login that has the right"),
        false => objection
            .detail(format!(
                "For a transaction it may act as {}",
                who.login.roles.join(", ")
            ))
            .hint("Use SET LOCAL ROLE with one of them, in a transaction"),
    };
    Some(objection.at(statement.position))
}

fn changes_role(statement: &Statement) -> bool {
    statement.classes.has(Class::RoleChange) || statement.parameters.iter().any(is_one)
}

/// Is `session_replication_role` all that it changes of these?
fn only_switches_off(statement: &Statement) -> bool {
    let is = |touch: &ParameterTouch| matches!(&touch.name, ParameterName::Named(name) if **name == *REPLICATION_ROLE);
    let mut changes = statement.parameters.iter().filter(|touch| is_one(touch));
    statement.details.role.is_none() && changes.next().is_some_and(is) && changes.all(is)
}

fn is_one(touch: &ParameterTouch) -> bool {
    match &touch.name {
        ParameterName::Named(name) => PARAMETERS.contains(&&**name),
        ParameterName::All | ParameterName::Dynamic => false,
    }
}

/// `SET ROLE NONE`, without LOCAL.
fn is_none_for_good(touch: &ParameterTouch) -> bool {
    touch.how == ParameterUse::Session
        && touch.value.as_deref() == Some("none")
        && matches!(&touch.name, ParameterName::Named(name) if **name == *"role")
}

/// RESET ROLE, RESET SESSION AUTHORIZATION, SET ... DEFAULT, and nothing else about roles; on a connection of
/// the client's own SET ROLE NONE, too.
fn goes_back(statement: &Statement, who: &Who) -> bool {
    let own = who.login.route != RouteName::Transaction;
    let is_back = |touch: &ParameterTouch| {
        let resets = touch.how == ParameterUse::Reset
            && matches!(&touch.name, ParameterName::Named(name) if **name != *"session_replication_role");
        resets || (own && is_none_for_good(touch))
    };
    let role = statement.details.role.as_deref();
    role.is_some_and(|touch| touch.role.is_none())
        && statement
            .parameters
            .iter()
            .filter(|touch| is_one(touch))
            .all(is_back)
}

/// Is every change of role in it one to a granted role for one transaction, or back?
fn is_granted(statement: &Statement, who: &Who) -> bool {
    let is_role = |touch: &ParameterTouch| matches!(&touch.name, ParameterName::Named(name) if **name == *"role");
    let roles = &who.login.roles;
    let granted = |role: &str| roles.iter().any(|granted| **granted == *role);
    let mut changes = statement
        .parameters
        .iter()
        .filter(|touch| is_one(touch))
        .peekable();
    let detail = statement.details.role.as_ref().is_none_or(|touch| {
        let back = touch.role.is_none();
        !touch.authorization && (back || touch.local && touch.role.as_deref().is_some_and(granted))
    });
    !roles.is_empty()
        && changes.peek().is_some()
        && changes.all(|touch| {
            is_role(touch)
                && match touch.how {
                    ParameterUse::Local => touch.value.as_deref().is_some_and(granted),
                    ParameterUse::Reset => true,
                    ParameterUse::Session | ParameterUse::Stored => false,
                }
        })
        && detail
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;
    use crate::sql::{ClassSet, RoleTouch};

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
        let off = "login \"shop_acme\" cannot switch off triggers and foreign keys";
        for (name, message) in [
            ("role", MESSAGE),
            ("session_authorization", MESSAGE),
            ("session_replication_role", off),
        ] {
            assert_refused(&set(name, "x"), &acme(), CLOSED, Guard::RoleChange, message);
            assert_allowed(&set(name, "x"), &migrator(), OPEN);
        }
    }

    #[test]
    fn other_parameters_pass() {
        for name in ["row_security", "timezone", "statement_timeout", "my.role"] {
            assert_allowed(&set(name, "off"), &acme(), CLOSED);
        }
    }

    const GRANTED: &str =
        "[login.tester]\nkind = \"service\"\ndatabases = [\"tools\"]\nroles = [\"shop_api\"]";

    fn tester() -> Who {
        who_under(&policy(GRANTED), "tester", "tools")
    }

    fn role(name: &str, how: ParameterUse, value: Option<&str>) -> Facts {
        let mut text = parameter(ParameterName::Named(name.into()), how, value);
        text.statements[0].classes = ClassSet::of(Class::RoleChange);
        text.classes = ClassSet::of(Class::RoleChange);
        text
    }

    #[test]
    fn none_for_good_is_not_for_a_pooled_connection() {
        let message = "cannot execute SET ROLE NONE on a pooled connection";
        for text in [
            "set role none",
            "SET SESSION ROLE NONE",
            "set role to 'none'",
        ] {
            let facts = crate::sql::describe(text.as_bytes());
            assert_refused(&facts, &acme(), CLOSED, Guard::RoleChange, message);
        }
        for text in ["set local role none", "reset role", "set role to default"] {
            let facts = crate::sql::describe(text.as_bytes());
            assert_allowed(&facts, &acme(), CLOSED);
        }
    }

    #[test]
    fn a_granted_role_is_taken_for_a_transaction() {
        assert_allowed(
            &role("role", ParameterUse::Local, Some("shop_api")),
            &tester(),
            CLOSED,
        );
        assert_allowed(&role("role", ParameterUse::Reset, None), &tester(), CLOSED);
        let message = "login \"tester\" cannot act as another role";
        for text in [
            role("role", ParameterUse::Local, Some("postgres")),
            role("role", ParameterUse::Local, Some("Shop_api")),
            role("role", ParameterUse::Local, Some("none")),
            role("role", ParameterUse::Local, None),
            role("role", ParameterUse::Session, Some("shop_api")),
            role("role", ParameterUse::Stored, Some("shop_api")),
            role(
                "session_authorization",
                ParameterUse::Local,
                Some("shop_api"),
            ),
            role("session_authorization", ParameterUse::Reset, None),
            facts("SET ROLE", &[Class::RoleChange]),
        ] {
            assert_refused(&text, &tester(), CLOSED, Guard::RoleChange, message);
        }
        let name = "session_replication_role";
        let text = role(name, ParameterUse::Local, Some("shop_api"));
        let off = "login \"tester\" cannot switch off triggers and foreign keys";
        assert_refused(&text, &tester(), CLOSED, Guard::RoleChange, off);
        let refusal = refused(
            &role("role", ParameterUse::Local, Some("postgres")),
            &tester(),
            CLOSED,
        );
        assert!(
            refusal
                .detail
                .starts_with("For a transaction it may act as shop_api. Login")
        );
    }

    #[test]
    fn both_readings_of_a_role_must_agree() {
        let mut text = role("role", ParameterUse::Local, Some("shop_api"));
        for touch in [
            ("postgres", true, false),
            ("shop_api", false, false),
            ("shop_api", true, true),
        ] {
            text.statements[0].details.role = Some(Box::new(RoleTouch {
                role: Some(touch.0.into()),
                local: touch.1,
                authorization: touch.2,
            }));
            refused(&text, &tester(), CLOSED);
        }
        text.statements[0].details.role = Some(Box::new(RoleTouch {
            role: Some("shop_api".into()),
            local: true,
            authorization: false,
        }));
        assert_allowed(&text, &tester(), CLOSED);
    }
}
