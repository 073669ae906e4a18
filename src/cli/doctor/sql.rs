//! Asking the server: read-only transactions, literals, rows.

use super::connection::{Connection, Trouble};

/// The rows of an answer, NULL as "".
pub(super) type Rows = Vec<Vec<String>>;

/// A string literal, whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    match text.contains('\\') {
        false => format!("'{}'", text.replace('\'', "''")),
        true => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
    }
}

/// An identifier, quoted.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A parameter's name as SET takes it: each of its parts is an identifier.
pub(super) fn parameter(name: &str) -> String {
    name.split('.')
        .map(identifier)
        .collect::<Vec<_>>()
        .join(".")
}

/// `ARRAY['a', 'b']::text[]`
pub(super) fn array<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let literals: Vec<String> = texts.into_iter().map(literal).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", literals.join(", "))
}

/// The rows of one statement.
pub(super) fn rows(connection: &mut Connection, sql: &str) -> Result<Rows, Trouble> {
    let answer = connection.query(sql)?;
    let row = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect();
    Ok(answer.rows.into_iter().map(row).collect())
}

/// The first value of the first row, "" if there is none.
pub(super) fn value(connection: &mut Connection, sql: &str) -> Result<String, Trouble> {
    let rows = rows(connection, sql)?;
    Ok(rows.into_iter().flatten().next().unwrap_or_default())
}

/// From here to the transaction's end names and operators are PostgreSQL's own, and what is printed is
/// qualified: nobody can put something of theirs before it, for us to run with our rights (CVE-2018-1058).
pub(super) const PINNED: &str = "SET LOCAL search_path = pg_catalog";

/// PostgreSQL's own, where the path is not [`PINNED`].
pub(super) const EQUALS: &str = "OPERATOR(pg_catalog.=)";

/// Runs `work` between BEGIN READ ONLY and COMMIT, with the path [`PINNED`]. After a refusal the
/// connection can be used again.
pub(super) fn read_only<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    between(connection, "BEGIN READ ONLY", |connection| {
        connection.query(PINNED)?;
        work(connection)
    })
}

/// The same, with search_path as it is: `work` qualifies what it names, operators too.
pub(super) fn read_only_unpinned<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    between(connection, "BEGIN READ ONLY", work)
}

/// Runs `work` between BEGIN and COMMIT, with search_path as it is: `work` qualifies what it names, operators
/// too. After a refusal the connection can be used again.
pub(super) fn transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    between(connection, "BEGIN", work)
}

fn between<T>(
    connection: &mut Connection,
    begin: &str,
    work: impl FnOnce(&mut Connection) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    connection.query(begin)?;
    let done = work(connection);
    let end = match &done {
        Err(Trouble::Lost(_)) => return done,
        Err(Trouble::Refused(_)) => "ROLLBACK",
        Ok(_) => "COMMIT",
    };
    connection.query(end)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(literal("o'neil"), "'o''neil'");
        assert_eq!(literal(r"a\'"), r"E'a\\'''");
        assert_eq!(parameter("app.tenant_id"), "\"app\".\"tenant_id\"");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(array(["a", "b'"]), "ARRAY['a', 'b''']::pg_catalog.text[]");
        assert_eq!(array([]), "ARRAY[]::pg_catalog.text[]");
    }
}
