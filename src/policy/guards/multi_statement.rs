//! `multi-statement`: one statement in a message, where the policy asks for that.

use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::Facts;

/// Objects to the second statement of a message. Off unless the policy says otherwise: every statement
/// of a message is judged anyway. Migration sessions are not bound: tools send whole files.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    let second = facts.statements.get(1)?;
    if in_migration_session(who, state) {
        return None;
    }
    Some(
        Objection::new("cannot execute several statements in one message")
            .hint("Send each statement in a message of its own")
            .at(second.position),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::Guard;
    use crate::sql::{Class, Facts};

    fn two() -> Facts {
        let select = || statement("SELECT", &[Class::Read]);
        message(vec![select(), select()])
    }

    #[test]
    fn a_second_statement_is_refused_where_the_policy_says_so() {
        let guards = "multi-statement = \"enforce\"";
        let acme = who_under(&policy(guards), "shop_acme", "shop");
        let words = "cannot execute several statements in one message";
        assert_refused(&two(), &acme, CLOSED, Guard::MultiStatement, words);
        assert_eq!(refused(&two(), &acme, CLOSED).position, 11);
        assert_allowed(&facts("SELECT", &[Class::Read]), &acme, CLOSED);
        assert_allowed(&message(Vec::new()), &acme, CLOSED);
        assert_allowed(
            &two(),
            &who_under(&policy(guards), "migrator", "shop"),
            OPEN,
        );
    }

    #[test]
    fn it_is_off_where_the_policy_does_not_name_it() {
        for guards in ["", "multi-statement = \"off\""] {
            assert_allowed(
                &two(),
                &who_under(&policy(guards), "shop_acme", "shop"),
                CLOSED,
            );
        }
    }
}
