//! `copy-program`: nobody runs programs on the database server.

use super::first;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts};

/// Objects to COPY with a program on the server; in a migration session too.
pub fn judge(facts: &Facts, _who: &Who, _state: State) -> Option<Objection> {
    let statement = first(facts, Class::CopyProgram)?;
    Some(
        Objection::new("cannot COPY to or from a program on the server")
            .hint("Run the program on the client and use COPY FROM STDIN or COPY TO STDOUT")
            .at(statement.position),
    )
}
