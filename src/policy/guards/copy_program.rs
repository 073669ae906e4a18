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

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;

    #[test]
    fn nobody_may_and_standard_streams_pass() {
        let copy = facts("COPY", &[Class::CopyProgram]);
        assert_refused(
            &copy,
            &acme(),
            CLOSED,
            Guard::CopyProgram,
            "cannot COPY to or from a program on the server",
        );
        assert_refused(
            &copy,
            &migrator(),
            OPEN,
            Guard::CopyProgram,
            "cannot COPY to or from a program on the server",
        );
        for class in [Class::CopyIn, Class::CopyOut] {
            assert_allowed(&facts("COPY", &[class]), &acme(), CLOSED);
            assert_allowed(&facts("COPY", &[class]), &migrator(), OPEN);
        }
    }
}
