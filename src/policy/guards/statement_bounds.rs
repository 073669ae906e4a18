//! `statement-bounds`: no text may hold a worker, here or on the server.

use crate::error::SqlState;
use crate::policy::{Guard, Objection, Refusal, State, Who};
use crate::sql::{Facts, MAX_STATEMENTS, Undescribed};

/// Objects to texts whose shape makes parsers quadratic, and to more statements than are judged.
pub fn judge(facts: &Facts, _who: &Who, _state: State) -> Option<Objection> {
    let (message, hint) = match facts.undescribed.as_ref()? {
        Undescribed::CommentDepth => (
            "comments are nested too deeply",
            "Nest comments less deeply",
        ),
        Undescribed::OperatorRun => (
            "too many operator characters in a row",
            "Put spaces or parentheses between operators",
        ),
        Undescribed::ScanCost => ("statement is too complex", "Split the statement"),
        Undescribed::TooManyStatements => {
            return Some(
                Objection::new("too many statements in one message")
                    .sqlstate(SqlState::PROGRAM_LIMIT)
                    .detail(format!("The limit is {MAX_STATEMENTS}"))
                    .hint("Send them in several messages"),
            );
        }
        _ => return None,
    };
    Some(
        Objection::new(message)
            .sqlstate(SqlState::PROGRAM_LIMIT)
            .hint(hint),
    )
}

/// The refusal of a Query or Parse message whose text is longer than `max_statement_bytes`; such a text is never read.
pub fn too_long(who: &Who, max_statement_bytes: usize) -> Refusal {
    Objection::new("statement is too long")
        .sqlstate(SqlState::PROGRAM_LIMIT)
        .detail(format!(
            "The limit is {max_statement_bytes} bytes (max_statement_bytes)"
        ))
        .hint("Send values as parameters or by COPY")
        .refuse(Guard::StatementBounds, who, None)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::sql::Class;

    #[test]
    fn shapes_that_parsers_choke_on_are_refused() {
        for (why, message) in [
            (Undescribed::CommentDepth, "comments are nested too deeply"),
            (
                Undescribed::OperatorRun,
                "too many operator characters in a row",
            ),
            (Undescribed::ScanCost, "statement is too complex"),
            (
                Undescribed::TooManyStatements,
                "too many statements in one message",
            ),
        ] {
            for (who, state) in [(acme(), CLOSED), (migrator(), OPEN)] {
                let refusal = refused(&undescribed(why.clone()), &who, state);
                assert_eq!(
                    (refusal.guard, &*refusal.message),
                    (Guard::StatementBounds, message)
                );
                assert_eq!(refusal.sqlstate.as_str(), "54000");
            }
        }
        assert_allowed(&facts("SELECT", &[Class::Read]), &acme(), CLOSED);
    }

    #[test]
    fn a_long_text_names_the_setting() {
        let refusal = too_long(&acme(), 1_048_576);
        assert_eq!(
            (refusal.guard, refusal.sqlstate.as_str()),
            (Guard::StatementBounds, "54000")
        );
        assert!(
            refusal.detail.starts_with(
                "The limit is 1048576 bytes (max_statement_bytes). Login \"shop_acme\""
            )
        );
    }
}
