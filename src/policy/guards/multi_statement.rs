//! `multi-statement`: some statements must stand alone in their message.

use super::first;
use crate::error::SqlState;
use crate::policy::{Guard, Objection, Refusal, State, Who};
use crate::sql::{Class, Facts, Fingerprint};

/// Objects to COPY FROM STDIN beside other statements: a parser may take the rest for inline data
/// while the server runs it.
pub fn judge(facts: &Facts, _who: &Who, _state: State) -> Option<Objection> {
    if facts.statements.len() < 2 {
        return None;
    }
    let statement = first(facts, Class::CopyIn)?;
    Some(
        Objection::new("cannot execute COPY FROM STDIN together with other statements")
            .hint("Send COPY in a message of its own")
            .at(statement.position),
    )
}

/// The refusal of transaction control beside other statements, where a zone must be set in between.
pub fn transaction_control(
    who: &Who,
    tag: &str,
    position: u32,
    fingerprint: Option<Fingerprint>,
) -> Refusal {
    Objection::new(format!(
        "cannot execute {tag} together with other statements"
    ))
    .sqlstate(SqlState::UNSUPPORTED)
    .detail(format!(
        "The {} is set once the transaction has begun",
        who.noun()
    ))
    .hint(format!("Send {tag} in a message of its own"))
    .at(position)
    .refuse(Guard::MultiStatement, who, fingerprint)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn copy_from_stdin_stands_alone() {
        let select = || statement("SELECT", &[Class::Read]);
        let copy = || statement("COPY", &[Class::CopyIn]);
        let message_text = "cannot execute COPY FROM STDIN together with other statements";
        for (who, state) in [(acme(), CLOSED), (migrator(), OPEN)] {
            assert_refused(
                &message(vec![select(), copy()]),
                &who,
                state,
                Guard::MultiStatement,
                message_text,
            );
            assert_allowed(&message(vec![copy()]), &who, state);
            assert_allowed(&message(vec![select(), select()]), &who, state);
        }
        assert_eq!(
            refused(&message(vec![select(), copy()]), &acme(), CLOSED).position,
            11
        );
    }

    #[test]
    fn transaction_control_is_refused_by_the_same_guard() {
        let refusal = transaction_control(&acme(), "BEGIN", 1, None);
        assert_eq!(
            refusal.message,
            "cannot execute BEGIN together with other statements"
        );
        assert_eq!(
            (refusal.guard, refusal.sqlstate.as_str(), refusal.position),
            (Guard::MultiStatement, "0A000", 1)
        );
        assert_eq!(
            refusal.hint.as_deref(),
            Some("Send BEGIN in a message of its own.")
        );
    }
}
