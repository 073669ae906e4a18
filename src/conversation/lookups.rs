//! PURE. What LOCK and SET CONSTRAINTS need of what the client has set: where a name is looked for, and how long is
//! waited. It is said by SET LOCAL, one by one: the prefix is a query, whose snapshot would be older than the lock
//! (which a REPEATABLE READ transaction is locked for), and too early for SET TRANSACTION. The prefix stays due.

use super::reading::{Behind, quoted};
use crate::sql::{Class, ClassSet, Facts, Statement, quote};

/// Where names are looked for.
const SEARCH_PATH: &str = "search_path";
/// How long is waited.
const TIMEOUTS: [&str; 3] = ["lock_timeout", "statement_timeout", "transaction_timeout"];

/// Does any of it look up names, and lock or wait, without a snapshot?
pub fn looks_up(facts: &Facts) -> bool {
    facts
        .statements
        .iter()
        .any(|it| it.classes.has(Class::Lock) || is_about_constraints(it))
}

/// SET CONSTRAINTS can run triggers at once, but only those of statements that got the prefix themselves.
pub fn is_about_constraints(statement: &Statement) -> bool {
    statement.tag == "SET CONSTRAINTS" && statement.classes == ClassSet::of(Class::Transaction)
}

/// What says these values of the client's for the running transaction, as far as it bears on such a statement.
pub fn said<'v>(values: impl Iterator<Item = (&'v str, &'v str)>) -> Vec<Behind<'static>> {
    let said = values.filter_map(|(name, value)| {
        let value = match name {
            SEARCH_PATH => path(value),
            name if TIMEOUTS.contains(&name) => quoted(value),
            _ => return None,
        };
        let name = quote::parameter(name);
        Some(Behind::saying(format!("SET LOCAL {name} TO {value}")))
    });
    said.collect()
}

/// A list of identifiers as SET takes it: each as a constant. The empty name is that of no schema, so it does for a list
/// that is empty, or none.
fn path(value: &str) -> String {
    let parts = identifiers(value).filter(|parts| !parts.is_empty());
    let parts = parts.unwrap_or_else(|| vec![String::new()]);
    let parts: Vec<String> = parts.iter().map(|part| quoted(part)).collect();
    parts.join(", ")
}

/// The parts of the list, as PostgreSQL reads them (`SplitIdentifierString`); none where it would not.
fn identifiers(list: &str) -> Option<Vec<String>> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c');
    let mut rest = list.trim_start_matches(is_space);
    let mut parts = Vec::new();
    if rest.is_empty() {
        return Some(parts);
    }
    loop {
        let part = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (part, behind) = unquoted(quoted)?;
                rest = behind;
                part
            }
            None => {
                let end = rest.find(|c| c == ',' || is_space(c));
                let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
                rest = behind;
                (!part.is_empty()).then(|| part.to_ascii_lowercase())?
            }
        };
        parts.push(part);
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            return Some(parts);
        }
        rest = rest.strip_prefix(',')?.trim_start_matches(is_space);
    }
}

/// What stands ahead of the closing quote, and what behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (ahead, behind) = rest.split_once('"')?;
        part.push_str(ahead);
        match behind.strip_prefix('"') {
            Some(behind) => {
                part.push('"');
                rest = behind;
            }
            None => return Some((part, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_said_part_by_part() {
        for (value, expected) in [
            ("public", "'public'"),
            ("\"$user\", public", "'$user', 'public'"),
            (" A ,\"B, \"\"c\"\"\",\tit's", "'a', 'B, \"c\"', 'it''s'"),
            ("a\\b", "$p0$a\\b$p0$"),
            ("", "''"),
            ("\"\"", "''"),
            ("  ", "''"),
            ("a,", "''"),
            ("a,,b", "''"),
            ("\"a", "''"),
            ("\"a\"b", "''"),
            ("a b", "''"),
        ] {
            assert_eq!(path(value), expected, "{value}");
        }
    }

    #[test]
    fn only_what_bears_on_a_lock_is_said() {
        let values = [
            ("work_mem", "1MB"),
            ("lock_timeout", "5s"),
            ("app.tenant_id", "acme"),
            ("search_path", "a, b"),
        ];
        let said: Vec<String> = said(values.into_iter())
            .into_iter()
            .map(|it| it.text)
            .collect();
        assert_eq!(
            said,
            [
                "SET LOCAL \"lock_timeout\" TO '5s'",
                "SET LOCAL \"search_path\" TO 'a', 'b'"
            ]
        );
    }
}
