//! `copy-file`: nobody reads or writes files on the database server.

use super::first;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts};

/// Objects to COPY with a file on the server; in a migration session too.
pub fn judge(facts: &Facts, _who: &Who, _state: State) -> Option<Objection> {
    let statement = first(facts, Class::CopyFile)?;
    Some(
        Objection::new("cannot COPY to or from a file on the server")
            .hint("Use COPY FROM STDIN or COPY TO STDOUT; in psql, \\copy does it")
            .at(statement.position),
    )
}
