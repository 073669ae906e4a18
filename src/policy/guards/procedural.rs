//! `procedural`: code that cannot be seen is not run.

use super::first;
use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts};

/// Objects to DO and CALL outside a migration session.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let statement = first(facts, Class::Procedural)?;
    Some(
        Objection::new(format!(
            "cannot execute {} outside a migration session",
            statement.tag
        ))
        .detail("What its code does cannot be judged")
        .hint("Send the statements themselves, or run it in a migration session")
        .at(statement.position),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;

    #[test]
    fn code_is_refused_outside_a_migration_session() {
        for tag in ["DO", "CALL"] {
            let message = format!("cannot execute {tag} outside a migration session");
            assert_refused(
                &facts(tag, &[Class::Procedural]),
                &acme(),
                CLOSED,
                Guard::Procedural,
                &message,
            );
            assert_allowed(&facts(tag, &[Class::Procedural]), &migrator(), OPEN);
        }
        assert_allowed(&facts("EXPLAIN", &[Class::Explain]), &acme(), CLOSED);
    }

    #[test]
    fn off_lets_it_pass() {
        let who = who_under(&policy("procedural = \"off\""), "shop_acme", "shop");
        assert_allowed(&facts("DO", &[Class::Procedural]), &who, CLOSED);
    }
}
