//! Does a statement ask for a number that a sequence gave this session, `currval()` or `lastval()`, before it could
//! draw one itself?

use super::scan;
use super::token::Kind;
use super::view::View;
use super::{Class, ClassSet, FunctionGroup, Statement, group};

/// What is called around `currval()` and `lastval()`, or looks like a call.
const DRAWS_NOTHING: [&str; 52] = [
    "copy",
    "explain",
    "pg_get_serial_sequence",
    "abs",
    "btrim",
    "cast",
    "clock_timestamp",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "current_setting",
    "format",
    "greatest",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "least",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "max",
    "min",
    "mod",
    "now",
    "nullif",
    "pg_backend_pid",
    "quote_ident",
    "row",
    "row_to_json",
    "rpad",
    "rtrim",
    "sum",
    "to_char",
    "to_json",
    "to_jsonb",
    "trim",
    "txid_current",
    "upper",
    "as",
    "in",
    "exists",
    "values",
    "select",
    "where",
    "and",
    "or",
    "not",
];

fn is_recall(function: &str) -> bool {
    group(function) == Some(FunctionGroup::SessionNumbers)
}

/// Of a query: it asks, and nothing in it could draw a number. Of an INSERT with a query, an UPDATE and a DELETE: what
/// runs before the first row is written does.
pub(super) fn recalls(view: View<'_>, found: &Statement) -> bool {
    if !found.functions.iter().any(|name| is_recall(name)) {
        return false;
    }
    let part = match found.classes.has(Class::Write) {
        false => Some(view),
        true if found.classes == ClassSet::of(Class::Write) => before_rows(view),
        true => None,
    };
    part.is_some_and(|part| asks(part) && scan::calls_only(part, draws_nothing))
}

fn draws_nothing(name: &str) -> bool {
    is_recall(name) || DRAWS_NOTHING.contains(&name)
}

fn asks(part: View<'_>) -> bool {
    (0..part.tokens.len()).any(|at| scan::called(part, at).is_some_and(is_recall))
}

/// What of a writing statement runs before it writes a row: not the values of an INSERT, which may stand behind a
/// default that draws a number, not RETURNING, not ON CONFLICT. None: it cannot be told.
fn before_rows(view: View<'_>) -> Option<View<'_>> {
    let from = match () {
        () if view.is_any(0, &["update", "delete"]) => 0,
        () if view.is(0, "insert") => query_of_insert(view)?,
        () => return None,
    };
    let rest = view.from(from);
    let end = rest.find_outside_parens(0, &["returning"]);
    let conflict = rest.find_outside_parens(0, &["conflict"]);
    let end = end.into_iter().chain(conflict).min();
    let part = View {
        tokens: &rest.tokens[..end.unwrap_or(rest.tokens.len())],
        ..rest
    };
    // `SET id = DEFAULT` draws one.
    let draws = (0..part.tokens.len()).any(|at| part.is(at, "default"));
    (!draws).then_some(part)
}

/// Where the SELECT of an INSERT begins, behind the target and the names of its columns.
fn query_of_insert(view: View<'_>) -> Option<usize> {
    let at = view.find_outside_parens(1, &["select", "values", "default", "with", "table"]);
    let at = match at {
        Some(at) => at,
        // INSERT INTO t (SELECT ...)
        None => {
            let mut opens = (1..view.tokens.len()).filter(|&at| view.is_kind(at, Kind::Open));
            opens.find(|&at| view.is(at + 1, "select"))? + 1
        }
    };
    view.is(at, "select").then_some(at)
}
