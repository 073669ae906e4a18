//! `unknown-statement`: what cannot be judged is refused. The default deny of the policy lives here.

use crate::error::SqlState;
use crate::policy::rights::NOBODY;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, ClassSet, Facts, Undescribed};

/// PostgreSQL's `character_not_in_repertoire`.
const NOT_UTF8: SqlState = SqlState(*b"22021");

/// Objects to texts that could not be described, and to statements of a class that no login has,
/// including one that the message has and none of its statements admits.
pub fn judge(facts: &Facts, _who: &Who, _state: State) -> Option<Objection> {
    if let Some(undescribed) = &facts.undescribed {
        return without_description(undescribed);
    }
    if let Some(objection) = copy_with_others(facts) {
        return Some(objection);
    }
    if let Some(statement) = facts
        .statements
        .iter()
        .find(|statement| nobody_may(statement.classes))
    {
        return Some(unjudged().at(statement.position));
    }
    let known = facts
        .statements
        .iter()
        .fold(ClassSet::EMPTY, |known, statement| {
            known.union(statement.classes)
        });
    (!facts.classes.minus(known).is_empty()).then(unjudged)
}

/// COPY FROM STDIN beside other statements: a parser may take the rest for inline data while the
/// server runs it.
fn copy_with_others(facts: &Facts) -> Option<Objection> {
    if facts.statements.len() < 2 {
        return None;
    }
    let mut statements = facts.statements.iter();
    let statement = statements.find(|statement| statement.classes.has(Class::CopyIn))?;
    Some(
        Objection::new("cannot execute COPY FROM STDIN together with other statements")
            .hint("Send COPY in a message of its own")
            .at(statement.position),
    )
}

fn nobody_may(classes: ClassSet) -> bool {
    classes.is_empty() || classes.intersects(NOBODY)
}

/// A typo looks as it does on PostgreSQL. Bounds are the business of another guard.
fn without_description(undescribed: &Undescribed) -> Option<Objection> {
    Some(match undescribed {
        Undescribed::CommentDepth
        | Undescribed::OperatorRun
        | Undescribed::ScanCost
        | Undescribed::TooManyStatements => {
            return None;
        }
        Undescribed::Syntax { message, position } => Objection::new(message.clone())
            .sqlstate(SqlState::SYNTAX)
            .at(*position),
        Undescribed::Encoding => {
            Objection::new("invalid byte sequence for encoding \"UTF8\"").sqlstate(NOT_UTF8)
        }
        Undescribed::Folded => Objection::new("cannot execute a statement that cannot be judged")
            .detail("A name in it has capital letters beyond ASCII, and means another one in databases with an encoding of one byte")
            .hint("Put the name in quotes, or write it in small letters"),
        Undescribed::Disagreement | Undescribed::Internal => unjudged(),
    })
}

fn unjudged() -> Objection {
    Objection::new("cannot execute a statement that cannot be judged")
        .detail("It is not known what it does")
        .hint("Write it in a form that PostgreSQL's grammar knows")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;
    use crate::sql::Class;

    const MESSAGE: &str = "cannot execute a statement that cannot be judged";

    #[test]
    fn nobody_may_what_nobody_knows() {
        for classes in [
            &[Class::Unknown][..],
            &[Class::Replication],
            &[Class::Read, Class::Unknown],
            &[],
        ] {
            assert_refused(
                &facts("?", classes),
                &acme(),
                CLOSED,
                Guard::UnknownStatement,
                MESSAGE,
            );
            assert_refused(
                &facts("?", classes),
                &migrator(),
                OPEN,
                Guard::UnknownStatement,
                MESSAGE,
            );
        }
        for why in [Undescribed::Disagreement, Undescribed::Internal] {
            assert_refused(
                &undescribed(why.clone()),
                &acme(),
                CLOSED,
                Guard::UnknownStatement,
                MESSAGE,
            );
            assert_refused(
                &undescribed(why),
                &migrator(),
                OPEN,
                Guard::UnknownStatement,
                MESSAGE,
            );
        }
    }

    #[test]
    fn a_class_of_the_message_that_no_statement_admits_is_refused() {
        let mut text = facts("SELECT", &[Class::Read]);
        text.classes = text.classes.with(Class::Ddl);
        assert_refused(&text, &acme(), CLOSED, Guard::UnknownStatement, MESSAGE);
    }

    #[test]
    fn every_ordinary_class_passes() {
        for class in [
            Class::Read,
            Class::Write,
            Class::Transaction,
            Class::Parameter,
            Class::SessionState,
            Class::CopyIn,
            Class::CopyOut,
            Class::Lock,
            Class::Cursor,
            Class::Deallocate,
            Class::Notify,
            Class::Explain,
            Class::Show,
        ] {
            assert_allowed(&facts("", &[class]), &acme(), CLOSED);
            if !matches!(class, Class::Write | Class::CopyIn | Class::Lock) {
                assert_allowed(&facts("", &[class]), &who("boris", "tools"), CLOSED);
            }
        }
        // Behind a pool nothing is prepared by SQL: session-state says so.
        let mut own = acme();
        own.login = std::sync::Arc::new(crate::policy::Login {
            route: crate::policy::RouteName::Session,
            ..(*own.login).clone()
        });
        for class in [Class::Prepare, Class::Execute] {
            assert_allowed(&facts("", &[class]), &own, CLOSED);
        }
    }

    #[test]
    fn a_typo_looks_as_it_does_on_postgresql() {
        let syntax = Undescribed::Syntax {
            message: "syntax error at or near \"selct\"".into(),
            position: 7,
        };
        let refusal = refused(&undescribed(syntax), &acme(), CLOSED);
        assert_eq!(refusal.message, "syntax error at or near \"selct\"");
        assert_eq!(
            (refusal.sqlstate.as_str(), refusal.position, refusal.hint),
            ("42601", 7, None)
        );
        assert_eq!(
            refused(&undescribed(Undescribed::Encoding), &acme(), CLOSED)
                .sqlstate
                .as_str(),
            "22021"
        );
    }

    #[test]
    fn copy_from_stdin_stands_alone() {
        let select = || statement("SELECT", &[Class::Read]);
        let copy = || statement("COPY", &[Class::CopyIn]);
        let words = "cannot execute COPY FROM STDIN together with other statements";
        for (who, state) in [(acme(), CLOSED), (migrator(), OPEN)] {
            let both = message(vec![select(), copy()]);
            assert_refused(&both, &who, state, Guard::UnknownStatement, words);
            assert_eq!(refused(&both, &who, state).position, 11);
            assert_allowed(&message(vec![copy()]), &who, state);
            assert_allowed(&message(vec![select(), select()]), &who, state);
        }
    }
}
