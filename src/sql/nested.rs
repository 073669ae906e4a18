//! Statements that hold a statement: EXPLAIN, PREPARE, DECLARE, COPY. `nesting` says how many more
//! levels the inner one may have.

use super::classify::lead;
use super::token::Kind;
use super::view::View;
use super::{Class, Statement, TransactionControl};

pub(super) fn explain(
    view: View<'_>,
    nesting: u32,
    found: &mut Statement,
) -> (&'static str, Class) {
    let mut at = 1;
    let mut analyze = false;
    // `EXPLAIN (SELECT ...)` has a query in its parentheses, not options.
    let query = view.is_any(2, &["select", "with", "table"])
        || (view.is(2, "values") && view.is_kind(3, Kind::Open))
        || view.is_kind(2, Kind::Open);
    if view.is_kind(1, Kind::Open) && !query {
        at = view.behind_parens(1);
        analyze = analyze_option(View {
            tokens: &view.tokens[2..at.max(2)],
            ..view
        });
    } else {
        if view.is_any(at, &["analyze", "analyse"]) {
            analyze = true;
            at += 1;
        }
        at += usize::from(view.is(at, "verbose"));
    }
    if analyze {
        lead(view.from(at), nesting, found);
    }
    ("EXPLAIN", Class::Explain)
}

/// Is ANALYZE among the options? Only a plain `off`, `false` or `0` says that it is not.
fn analyze_option(options: View<'_>) -> bool {
    (0..options.tokens.len()).any(|at| {
        let names = options
            .name(at)
            .is_none_or(|name| matches!(&*name, "analyze" | "analyse"));
        let off = options.is_any(at + 1, &["off", "false"])
            || options
                .tokens
                .get(at + 1)
                .is_some_and(|token| token.of(options.text) == b"0");
        options.is_name(at) && names && !off
    })
}

pub(super) fn prepare(
    view: View<'_>,
    nesting: u32,
    found: &mut Statement,
) -> (&'static str, Class) {
    // A statement may be called "transaction".
    if view.is(1, "transaction") && view.kind(2).is_some_and(Kind::is_string) {
        found.transaction = Some(TransactionControl::TwoPhase);
        return ("PREPARE TRANSACTION", Class::Transaction);
    }
    match view.find_outside_parens(2, &["as"]) {
        Some(at) => lead(view.from(at + 1), nesting, found),
        None => found.classes = found.classes.with(Class::Unknown),
    }
    ("PREPARE", Class::Prepare)
}

pub(super) fn declare(
    view: View<'_>,
    nesting: u32,
    found: &mut Statement,
) -> (&'static str, Class) {
    match view.find_outside_parens(2, &["for"]) {
        Some(at) => {
            if (2..at).any(|n| view.is(n, "with") && view.is(n + 1, "hold")) {
                found.classes = found.classes.with(Class::SessionState);
            }
            lead(view.from(at + 1), nesting, found);
        }
        None => found.classes = found.classes.with(Class::Unknown),
    }
    ("DECLARE CURSOR", Class::Cursor)
}

pub(super) fn copy(view: View<'_>, nesting: u32, found: &mut Statement) -> (&'static str, Class) {
    let mut at = 1 + usize::from(view.is(1, "binary"));
    if view.is_kind(at, Kind::Open) {
        let end = view.behind_parens(at);
        lead(
            View {
                tokens: view.tokens.get(at + 1..end - 1).unwrap_or_default(),
                ..view
            },
            nesting,
            found,
        );
        at = end;
    } else {
        while view.is_kind(at + 1, Kind::Dot) {
            at += 2;
        }
        at += 1;
        if view.is_kind(at, Kind::Open) {
            at = view.behind_parens(at);
        }
    }
    let class = match () {
        _ if !view.is_any(at, &["from", "to"]) => Class::Unknown,
        _ if view.is(at + 1, "program") => Class::CopyProgram,
        _ if view.kind(at + 1).is_some_and(Kind::is_string) => Class::CopyFile,
        _ if !view.is_any(at + 1, &["stdin", "stdout"]) => Class::Unknown,
        _ if view.is(at, "from") => Class::CopyIn,
        _ => Class::CopyOut,
    };
    ("COPY", class)
}
