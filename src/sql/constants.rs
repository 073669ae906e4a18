//! What the constants of a statement are to its fingerprint.

use super::token::Kind;
use super::view::View;

/// How a statement's constants are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constants {
    /// They make no other statement.
    Ignored,
    /// Its strings are code, or as good as code; its numbers are not.
    Strings,
    /// Each makes another statement.
    All,
    /// Each makes another statement, and may be a password: no name can tell them apart.
    Masked,
}

/// What may stand between CREATE and the word for what is made.
const BEFORE: [&str; 12] = [
    "constraint",
    "event",
    "global",
    "local",
    "materialized",
    "or",
    "recursive",
    "replace",
    "temp",
    "temporary",
    "unique",
    "unlogged",
];

/// What is made or changed with passwords, or with settings that are as secret.
const SECRET: [&str; 7] = [
    "database",
    "foreign",
    "group",
    "role",
    "server",
    "subscription",
    "user",
];

/// Of one statement. What is not known to be harmless counts, or is masked.
pub(super) fn of(view: View<'_>) -> Constants {
    // By words at their places, not anywhere: a role may be called "view", and has a password.
    if view.is_any(0, &["do", "call", "load"]) {
        return Constants::Strings;
    }
    // EXPLAIN ANALYZE makes what it explains.
    let makes = || (1..view.tokens.len()).any(|at| view.is(at, "create"));
    if view.is(0, "security") || view.is(0, "explain") && makes() {
        return Constants::All;
    }
    if view.is(0, "import") {
        return Constants::Masked;
    }
    if view.is(0, "alter") && view.is(1, "system") {
        let password = view.name(3).is_some_and(|name| name == "primary_conninfo");
        return match password {
            true => Constants::Masked,
            false => Constants::All,
        };
    }
    if view.is_any(0, &["create", "alter"]) {
        return of_object(view);
    }
    Constants::Ignored
}

/// Of what is made or changed.
fn of_object(view: View<'_>) -> Constants {
    let object = 1 + (1..=6).take_while(|at| view.is_any(*at, &BEFORE)).count();
    // Of foreign tables, which ALTER TABLE changes, too.
    let options = || {
        (object..view.tokens.len())
            .any(|at| view.is(at, "options") && view.is_kind(at + 1, Kind::Open))
    };
    if view.is_any(object, &SECRET) || options() {
        Constants::Masked
    } else if view.is_any(object, &["table", "index"]) {
        Constants::Ignored
    } else {
        Constants::All
    }
}
