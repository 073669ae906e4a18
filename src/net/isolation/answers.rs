//! What is asked, and what the answers mean. Nothing here waits.

use super::Cause;
use crate::protocol::frame::{message, put_cstr};
use crate::telemetry::labels::IsolationFailure;

/// As whom a table is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// In the first zone, or the second.
    Zone(usize),
    /// Without a zone.
    Nobody,
}

impl Asker {
    pub(super) const ALL: [Self; 3] = [Self::Zone(0), Self::Zone(1), Self::Nobody];

    /// For the log, where zones are not named.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Zone(0) => "the first zone",
            Self::Zone(_) => "the second zone",
            Self::Nobody => "nobody",
        }
    }
}

/// Every table with the column `$1` whose column the role may read: name as SQL writes it, and column. Partitions
/// are asked through their table. Names and operators are pg_catalog's, whatever the search_path is.
pub(super) const TABLES: &str = "\
select pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(a.attname) \
from pg_catalog.pg_class c \
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) c.oid \
where a.attname operator(pg_catalog.=) $1 and a.attnum operator(pg_catalog.>) 0 \
and not a.attisdropped and not c.relispartition \
and c.relkind operator(pg_catalog.=) any (array['r', 'p']::pg_catalog.\"char\"[]) \
and c.relpersistence operator(pg_catalog.<>) 't' \
and pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
and pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') \
order by 1";

/// Which of the two canary rows are seen in a table. Each is looked up by its zone: an index on the column
/// answers it, however large the table is and whatever row-level security lets through.
pub(super) fn sight(table: &Table) -> String {
    let Table { name, column } = table;
    let exists = |value: &str| {
        format!("exists (select from {name} where {column} operator(pg_catalog.=) {value})")
    };
    format!("select {}, {}", exists("$1"), exists("$2"))
}

/// A table that is asked, as SQL writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) column: String,
}

/// Appends Parse, Bind and Execute of the unnamed statement and Sync; values are text of whatever type
/// the server takes them for.
pub(super) fn put_question(out: &mut Vec<u8>, sql: &str, values: &[&str]) {
    let count = |many: usize| u16::try_from(many).unwrap_or(u16::MAX).to_be_bytes();
    message(out, b'P', |out| {
        put_cstr(out, b"");
        put_cstr(out, sql.as_bytes());
        out.extend_from_slice(&count(0));
    });
    message(out, b'B', |out| {
        put_cstr(out, b"");
        put_cstr(out, b"");
        out.extend_from_slice(&count(0));
        out.extend_from_slice(&count(values.len()));
        for value in values {
            let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(&count(0));
    });
    message(out, b'E', |out| {
        put_cstr(out, b"");
        out.extend_from_slice(&0u32.to_be_bytes());
    });
    out.extend_from_slice(crate::protocol::frame::SYNC);
}

/// The two texts of a DataRow; `None`: it is another one.
pub(super) fn pair(body: &[u8]) -> Option<[String; 2]> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    if u16::from_be_bytes(*count) != 2 {
        return None;
    }
    let mut pair = [String::new(), String::new()];
    for value in &mut pair {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
        let (text, tail) = tail.split_at_checked(length)?;
        *value = std::str::from_utf8(text).ok()?.to_owned();
        rest = tail;
    }
    rest.is_empty().then_some(pair)
}

/// What an answer to [`sight`] says against isolation. Only the one that is expected says nothing.
pub(super) fn judge(asker: Asker, rows: &[[String; 2]]) -> Result<(), Cause> {
    let [row] = rows else {
        return Err(Cause::odd());
    };
    let mut seen = [false; 2];
    for (seen, text) in seen.iter_mut().zip(row) {
        *seen = match text.as_str() {
            "t" => true,
            "f" => false,
            _ => return Err(Cause::odd()),
        };
    }
    let failure = match asker {
        Asker::Nobody if seen == [false, false] => return Ok(()),
        Asker::Nobody => IsolationFailure::NoZone,
        Asker::Zone(own) => match (seen[own % 2], seen[(own + 1) % 2]) {
            (true, false) => return Ok(()),
            // What is worse is told.
            (_, true) => IsolationFailure::OtherZone,
            (false, false) => IsolationFailure::MissingRow,
        },
    };
    Err(Cause::of(failure))
}

/// The tables that are asked, of those that were found, and those of the list that were not.
pub(super) fn choose(
    found: Vec<[String; 2]>,
    listed: Option<&[Box<str>]>,
) -> (Vec<Table>, Vec<String>) {
    let table = |[name, column]: [String; 2]| Table { name, column };
    let Some(listed) = listed else {
        return (found.into_iter().map(table).collect(), Vec::new());
    };
    let is_listed = |name: &str| listed.iter().any(|it| **it == *name);
    let tables: Vec<Table> = (found.into_iter())
        .filter(|[name, _]| is_listed(name))
        .map(table)
        .collect();
    let missing = listed
        .iter()
        .filter(|it| !tables.iter().any(|table| *table.name == ***it));
    let missing = missing.map(|it| it.to_string()).collect();
    (tables, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(a: &str, b: &str) -> [String; 2] {
        [a.to_owned(), b.to_owned()]
    }

    #[test]
    fn only_what_each_should_see_proves_anything() {
        use IsolationFailure::{Error, MissingRow, NoZone, OtherZone};
        let [first, second, nobody] = Asker::ALL;
        for (asker, a, b, expected) in [
            (first, "t", "f", None),
            (first, "f", "f", Some(MissingRow)),
            (first, "t", "t", Some(OtherZone)),
            (first, "f", "t", Some(OtherZone)),
            (second, "f", "t", None),
            (second, "f", "f", Some(MissingRow)),
            (second, "t", "t", Some(OtherZone)),
            (second, "t", "f", Some(OtherZone)),
            (nobody, "f", "f", None),
            (nobody, "t", "f", Some(NoZone)),
            (nobody, "f", "t", Some(NoZone)),
            (nobody, "t", "t", Some(NoZone)),
            (nobody, "", "f", Some(Error)),
            (nobody, "f", "true", Some(Error)),
        ] {
            let said = judge(asker, &[row(a, b)]).err().map(|cause| cause.reason);
            assert_eq!(said, expected, "{asker:?} {a} {b}");
        }
        for rows in [vec![], vec![row("f", "f"), row("f", "f")]] {
            let said = judge(nobody, &rows).err().map(|cause| cause.reason);
            assert_eq!(said, Some(Error));
        }
    }

    #[test]
    fn a_row_is_two_texts_or_none() {
        let mut body = vec![0, 2];
        for value in ["t", "public.x"] {
            body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(value.as_bytes());
        }
        assert_eq!(pair(&body), Some(row("t", "public.x")));
        for end in 0..body.len() {
            assert_eq!(pair(&body[..end]), None, "{end}");
        }
        assert_eq!(pair(&[&body[..], b"x"].concat()), None);
        assert_eq!(pair(&[0, 2, 255, 255, 255, 255, 0, 0, 0, 0]), None);
        assert_eq!(pair(&[0, 1, 0, 0, 0, 1, b'1']), None);
    }

    #[test]
    fn a_listed_table_that_is_not_found_is_missing() {
        let found = || vec![row("public.a", "t"), row("public.b", "t")];
        let (all, missing) = choose(found(), None);
        assert_eq!((all.len(), missing.len()), (2, 0));
        let listed = ["public.b".into(), "public.c".into()];
        let (some, missing) = choose(found(), Some(&listed));
        assert_eq!(some[0].name, "public.b");
        assert_eq!((some.len(), missing), (1, vec!["public.c".to_owned()]));
    }
}
