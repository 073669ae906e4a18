//! What is temporary, and would be there for the next client of the server connection.

use super::{OWN, left_behind};
use crate::policy::Objection;
use crate::sql::{Statement, TemporaryTable};

/// Objects to what is temporary and is not gone with its transaction.
pub(super) fn judge(statement: &Statement) -> Option<Objection> {
    let table = statement.details.temporary_table.as_deref();
    let goes = table.is_some_and(TemporaryTable::is_dropped_at_commit);
    (statement.details.temporary && !goes).then(|| stays(statement))
}

/// A temporary table, view or sequence, or whatever else is in `pg_temp`, that its transaction leaves there.
pub(in crate::policy::guards) fn stays(statement: &Statement) -> Objection {
    let tag = statement.tag;
    let (what, instead) = match tag {
        "CREATE TABLE" | "CREATE TABLE AS" => (
            "for a temporary table",
            "Say ON COMMIT DROP and use it in one transaction",
        ),
        "SELECT INTO" => ("for a temporary table", "Use WITH"),
        "CREATE VIEW" => ("for a temporary view", "Use WITH"),
        "CREATE SEQUENCE" => ("for a temporary sequence", "Use row_number()"),
        _ if is_routine(statement) => ("in pg_temp", INLINE),
        _ => ("in pg_temp", "Leave it out"),
    };
    left_behind(&format!("{tag} {what}"), format!("{instead}, or {OWN}"))
}

/// What to do without a function of one's own. Who has it from a library cannot change that, but call another part of it.
pub(in crate::policy::guards) const INLINE: &str =
    "Send what it does as a statement (Sequelize: findCreateFind() in place of findOrCreate())";

/// Does it make a function or procedure in `pg_temp`?
pub(in crate::policy::guards) fn is_routine(statement: &Statement) -> bool {
    statement.details.temporary && matches!(statement.tag, "CREATE FUNCTION" | "CREATE PROCEDURE")
}
