//! Asking the server: read-only transactions, literals, rows.

use super::connection::{Connection, Trouble};
use crate::cli::output::{is_hidden, printable};
pub(super) use crate::sql::quote::{identifier, parameter};

/// The rows of an answer, NULL as "".
pub(super) type Rows = Vec<Vec<String>>;

/// A string literal, whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    match text.contains('\\') {
        false => format!("'{}'", text.replace('\'', "''")),
        true => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
    }
}

/// The same statement on one line, with nothing in it that a terminal obeys, a shell completes or an eye
/// misses: identifiers and literals that hold such characters are written with escapes. For a server whose
/// `standard_conforming_strings` is on, as it is by default; another one refuses `U&`.
pub(super) fn on_one_line(statement: &str) -> String {
    let mut out = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some(at) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(at);
        let escapes = quoted.starts_with('\'') && before.ends_with('E');
        let end = closing(quoted, escapes);
        let (part, after) = quoted.split_at(end);
        out.push_str(&printable(before));
        match (part.contains(is_hidden), part.starts_with('"')) {
            (false, _) => out.push_str(part),
            (true, true) => {
                out.push_str("U&");
                escape(&mut out, part, true, |code| match code {
                    ..=0xffff => format!("\\{code:04x}"),
                    _ => format!("\\+{code:06x}"),
                });
            }
            (true, false) => {
                if !escapes {
                    out.push('E');
                }
                escape(&mut out, part, !escapes, |code| match code {
                    ..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
        rest = after;
    }
    out.push_str(&printable(rest));
    out
}

/// Where a quoted part ends, in bytes: behind its closing quote.
fn closing(quoted: &str, escapes: bool) -> usize {
    let mut chars = quoted.char_indices();
    let Some((_, quote)) = chars.next() else {
        return 0;
    };
    let mut chars = chars.peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return at + c.len_utf8();
        }
    }
    quoted.len()
}

/// `double`: a backslash of its own is doubled, since it begins an escape from now on.
fn escape(out: &mut String, part: &str, double: bool, written: impl Fn(u32) -> String) {
    for c in part.chars() {
        match c {
            c if is_hidden(c) => out.push_str(&written(u32::from(c))),
            '\\' if double => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
}

/// `ARRAY['a', 'b']::text[]`
pub(super) fn array<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let literals: Vec<String> = texts.into_iter().map(literal).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", literals.join(", "))
}

/// What `json_agg` of texts gives; NULL, and what is none, is nothing.
pub(super) fn texts(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
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
        assert_eq!(texts("[\"a, b\", \"c\"]"), ["a, b", "c"]);
        assert!(texts("").is_empty());
        assert_eq!(printable("a\tb\u{202e}c ä"), "a b c ä");
    }

    #[test]
    fn a_statement_is_on_one_line_and_means_the_same() {
        for (statement, written) in [
            ("DROP TABLE a", "DROP TABLE a"),
            ("DROP TABLE \"a\"\"b\\c\"", "DROP TABLE \"a\"\"b\\c\""),
            (
                "DROP TABLE p.\"a\n\\b\"\"\"",
                "DROP TABLE p.U&\"a\\000a\\\\b\"\"\"",
            ),
            ("SELECT \"\u{202e}x\", 'y'", "SELECT U&\"\\202ex\", 'y'"),
            ("SELECT \"\u{e0041}\"", "SELECT U&\"\\+0e0041\""),
            ("SELECT 'it''s\tso'", "SELECT E'it''s\\u0009so'"),
            (
                "SELECT E'a\\\\\\'\n', \"b\"",
                "SELECT E'a\\\\\\'\\u000a', \"b\"",
            ),
            ("SELECT\n1", "SELECT 1"),
            ("SELECT \"open", "SELECT \"open"),
        ] {
            assert_eq!(on_one_line(statement), written);
        }
    }
}
