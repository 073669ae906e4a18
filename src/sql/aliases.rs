//! Names of guarded functions that are no calls: `FROM (VALUES (1)) AS crosstab (n)`.
//!
//! To the tokens an alias with columns looks like a call. It is none if both opinions say so: behind each
//! such name the tokens show a list of plain names in parentheses, and the tree has as many aliases with
//! columns of that name. Where anything else is in the way the name counts as a call.

use std::collections::HashSet;
use std::ops::ControlFlow;

use pg_raw_parse::Node;
use pg_raw_parse::walk::{Recurse, walk_manual};

use super::scan;
use super::token::Kind;
use super::view::View;
use super::{FunctionGroup, group};

/// How often a guarded function seems to be called in the statement; none if one of these must be a call.
/// What sets parameters is not told from an alias.
fn seen(view: View<'_>, function: &str) -> Option<usize> {
    if group(function) == Some(FunctionGroup::Settings) {
        return None;
    }
    let mut count = 0;
    for at in 0..view.tokens.len() {
        if scan::called(view, at) != Some(function) {
            continue;
        }
        if at == 0 || view.is_kind(at - 1, Kind::Dot) || !holds_names(view, at + 1) {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// Does `(a, b)` stand there?
fn holds_names(view: View<'_>, open: usize) -> bool {
    if !view.is_kind(open, Kind::Open) {
        return false;
    }
    let mut at = open + 1;
    loop {
        if !view.is_name(at) {
            return false;
        }
        match view.kind(at + 1) {
            Some(Kind::Comma) => at += 2,
            Some(Kind::Close) => return true,
            _ => return false,
        }
    }
}

/// The aliases with columns anywhere in a query, each as often as it is there.
pub(super) fn named(query: Node<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let mut known = HashSet::new();
    let mut open = vec![query];
    while let Some(node) = open.pop() {
        match node {
            // The library reads through the pointer behind these.
            Node::None => continue,
            Node::NodeList(list) if list.is_empty() => continue,
            Node::Invalid(..) => return Vec::new(),
            Node::Alias(alias)
                if !alias.colnames().is_empty() && known.insert(std::ptr::from_ref(alias)) =>
            {
                names.extend(alias.aliasname().map(str::to_owned));
            }
            _ => {}
        }
        // One level at a time: the library's own descent would use stack for every level.
        walk_manual::<()>(node, |child| {
            open.push(child);
            ControlFlow::Continue(Recurse::No)
        });
    }
    names
}

/// Takes from the functions that a statement seems to call those that are aliases in it; `named`: by [`named`].
pub(super) fn not_calls(view: View<'_>, named: &[String], calls: &mut Vec<&'static str>) {
    calls.retain(|function| {
        let aliases = named.iter().filter(|name| name == function).count();
        aliases == 0 || seen(view, function) != Some(aliases)
    });
}
