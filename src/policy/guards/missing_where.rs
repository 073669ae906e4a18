//! `missing-where`: nobody changes every row of a table by accident.

use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::Facts;

/// Objects to UPDATE and DELETE without WHERE outside a migration session, also inside a CTE,
/// EXPLAIN ANALYZE or PREPARE.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let statement = facts
        .statements
        .iter()
        .find(|statement| statement.details.missing_where)?;
    let what = match statement.tag {
        tag @ ("UPDATE" | "DELETE") => tag,
        _ => "UPDATE or DELETE",
    };
    Some(
        Objection::new(format!("cannot execute {what} without WHERE"))
            .detail("It would change every row of the table")
            .hint("Add a WHERE clause; WHERE true says that every row is meant")
            .at(statement.position),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::Guard;
    use crate::sql::{Class, Details, Facts, Statement};

    fn without_where(tag: &'static str) -> Facts {
        message(vec![Statement {
            details: Details {
                missing_where: true,
                ..Details::default()
            },
            ..statement(tag, &[Class::Write])
        }])
    }

    #[test]
    fn every_row_is_not_changed_by_accident() {
        for (tag, what) in [
            ("UPDATE", "UPDATE"),
            ("DELETE", "DELETE"),
            ("SELECT", "UPDATE or DELETE"),
        ] {
            for who in [acme(), who("shop_acme", "tools")] {
                let message = format!("cannot execute {what} without WHERE");
                assert_refused(
                    &without_where(tag),
                    &who,
                    CLOSED,
                    Guard::MissingWhere,
                    &message,
                );
            }
        }
    }

    #[test]
    fn with_where_or_in_a_migration_it_passes() {
        for tag in ["UPDATE", "DELETE", "INSERT"] {
            assert_allowed(&facts(tag, &[Class::Write]), &acme(), CLOSED);
        }
        assert_allowed(&without_where("UPDATE"), &migrator(), OPEN);
    }
}
