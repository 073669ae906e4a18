//! `unknown-name`: nothing is executed that was never seen.

use crate::error::SqlState;
use crate::policy::objection::quoted;
use crate::policy::{Guard, Objection, Place, Refusal, Who};

/// The refusal of a message that names a prepared statement which this connection never prepared;
/// PostgreSQL's own words and SQLSTATE, so that drivers prepare it again.
pub fn statement(who: &Who, name: &str) -> Refusal {
    let message = match name {
        "" => "unnamed prepared statement does not exist".to_owned(),
        _ => format!("prepared statement \"{}\" does not exist", quoted(name)),
    };
    Objection::new(message)
        .sqlstate(SqlState::UNDEFINED_STATEMENT)
        .detail("It was not prepared on this connection")
        .hint("Prepare it again")
        .refuse(Guard::UnknownName, who, None)
}

/// The answer to Parse of a name that this connection has prepared already.
pub fn taken(who: &Who, name: &str) -> Refusal {
    /// PostgreSQL's `duplicate_prepared_statement`.
    const DUPLICATE: SqlState = SqlState(*b"42P05");
    let message = format!("prepared statement \"{}\" already exists", quoted(name));
    Objection::new(message)
        .sqlstate(DUPLICATE)
        .detail("It was prepared on this connection")
        .hint("Close it first, or use another name")
        .refuse(Guard::UnknownName, who, None)
}

/// The answer to Bind of a statement that no longer returns what the client was told, in
/// PostgreSQL's words, and from its place: by that drivers tell it from the many other errors of its SQLSTATE, and
/// prepare anew.
pub fn changed(who: &Who) -> Refusal {
    const PLACE: Place = Place {
        routine: "RevalidateCachedQuery",
        file: "plancache.c",
    };
    Objection::new("cached plan must not change result type")
        .sqlstate(SqlState::UNSUPPORTED)
        .detail("The statement's parameters or columns have other types than when it was described")
        .hint("Prepare it again")
        .like(&PLACE)
        .refuse(Guard::UnknownName, who, None)
}

/// The same for a portal.
pub fn portal(who: &Who, name: &str) -> Refusal {
    /// PostgreSQL's `undefined_cursor`.
    const UNDEFINED_CURSOR: SqlState = SqlState(*b"34000");
    Objection::new(format!("portal \"{}\" does not exist", quoted(name)))
        .sqlstate(UNDEFINED_CURSOR)
        .detail("It was not bound in this transaction")
        .hint("Bind it again")
        .refuse(Guard::UnknownName, who, None)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::acme;
    use super::*;

    #[test]
    fn the_words_are_those_of_postgresql() {
        let refusal = statement(&acme(), "s1");
        assert_eq!(refusal.message, "prepared statement \"s1\" does not exist");
        assert_eq!(
            (refusal.guard, refusal.sqlstate.as_str()),
            (Guard::UnknownName, "26000")
        );
        assert_eq!(
            statement(&acme(), "").message,
            "unnamed prepared statement does not exist"
        );
        let refusal = taken(&acme(), "s1");
        assert_eq!(
            (&*refusal.message, refusal.sqlstate.as_str()),
            ("prepared statement \"s1\" already exists", "42P05")
        );
        let refusal = portal(&acme(), "c\n1");
        assert_eq!(
            (&*refusal.message, refusal.sqlstate.as_str()),
            ("portal \"c?1\" does not exist", "34000")
        );
        let refusal = changed(&acme());
        let routine = refusal.place.map(|place| place.routine);
        assert_eq!(
            (&*refusal.message, routine),
            (
                "cached plan must not change result type",
                Some("RevalidateCachedQuery")
            )
        );
    }
}
