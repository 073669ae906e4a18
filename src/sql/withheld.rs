//! Values that may be secret though they are no constants: `SET app.key = abc` sets what
//! `SET app.key = 'abc'` sets, and `PASSWORD abc` is a slip in which the password stands all the same.

use std::ops::Range;

use super::ParameterName;
use super::settings;
use super::token::Kind;
use super::view::View;

/// What is withheld of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    /// Positions of its tokens. Beyond the statement's end: up to the end of the text.
    pub(super) tokens: Range<usize>,
    /// A value of PostgreSQL's own parameters is no secret that a fingerprint could give away, and is
    /// part of what an exception admits. It is not shown all the same.
    pub(super) secret: bool,
}

/// PostgreSQL's own parameters whose values are names and words, none of them secret; so are the roles
/// that SET ROLE and SESSION AUTHORIZATION name.
const SHOWN: [&str; 38] = [
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "compute_query_id",
    "constraint_exclusion",
    "datestyle",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_isolation",
    "huge_pages",
    "intervalstyle",
    "krb_server_keyfile",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "log_error_verbosity",
    "log_min_error_statement",
    "log_min_messages",
    "log_statement",
    "password_encryption",
    "plan_cache_mode",
    "role",
    "search_path",
    "session_authorization",
    "session_replication_role",
    "ssl_key_file",
    "ssl_passphrase_command_supports_reload",
    "synchronous_commit",
    "temp_tablespaces",
    "timezone",
    "track_functions",
    "transaction_isolation",
    "wal_level",
    "xmlbinary",
    "xmloption",
];

/// In names of parameters that hold secrets. One with a dot holds whatever its users want.
const TELLING: [&str; 8] = [
    "conninfo",
    "credential",
    "key",
    "pass",
    "private",
    "pwd",
    "secret",
    "token",
];

/// Values that say nothing.
const HARMLESS: [&str; 5] = ["default", "false", "off", "on", "true"];

/// What may stand behind a role's password.
const ROLE_OPTIONS: [&str; 24] = [
    "admin",
    "bypassrls",
    "connection",
    "createdb",
    "createrole",
    "encrypted",
    "group",
    "in",
    "inherit",
    "login",
    "nobypassrls",
    "nocreatedb",
    "nocreaterole",
    "noinherit",
    "nologin",
    "noreplication",
    "nosuperuser",
    "password",
    "replication",
    "role",
    "superuser",
    "sysid",
    "user",
    "valid",
];

/// What may follow the value of a function's parameter.
const FUNCTION_CLAUSES: [&str; 22] = [
    "as",
    "begin",
    "called",
    "cost",
    "external",
    "immutable",
    "language",
    "leakproof",
    "not",
    "parallel",
    "reset",
    "restrict",
    "return",
    "returns",
    "rows",
    "security",
    "set",
    "stable",
    "strict",
    "support",
    "transform",
    "volatile",
];

/// Of one statement, in order.
pub(super) fn of(view: View<'_>) -> Vec<Withheld> {
    let mut found = Vec::new();
    if view.is(0, "set") {
        set(view, &mut found);
    } else if view.is_any(0, &["alter", "create"]) {
        let replaces = view.is(1, "or") && view.is(2, "replace");
        let object = if replaces { 3 } else { 1 };
        if view.is_any(object, &["function", "procedure", "routine"]) {
            function(view, object + 1, &mut found);
        } else if view.is(1, "system") {
            stored(view, 2, &["set"], &mut found);
        } else if view.is(1, "database") {
            stored(view, 3, &["set"], &mut found);
        } else if view.is_any(1, &["group", "role", "user"]) && !is_mapping(view) {
            stored(view, 3, &["password", "rename", "set"], &mut found);
        }
    }
    found
}

/// Is the token at `at` a value that may be shown, if it is one alone?
pub(super) fn is_harmless(view: View<'_>, at: usize) -> bool {
    view.is_any(at, &HARMLESS)
}

/// SET. What it says of transactions and constraints are keywords and names.
fn set(view: View<'_>, found: &mut Vec<Withheld>) {
    let at = settings::named_at(view);
    let names = view.is_any(at, &["constraints", "role", "transaction"]);
    if settings::is_session_command(view, at)
        || names && !settings::follows_name(view, at + 1)
        || view.tokens.len() <= at
    {
        return;
    }
    let (secret, value) = match clause(view, at) {
        Some(told) => told,
        None => return,
    };
    push(view, value..view.tokens.len(), secret, found);
}

/// USER MAPPING is no role. One may be called so.
fn is_mapping(view: View<'_>) -> bool {
    view.is(1, "user") && view.is(2, "mapping") && view.is_any(3, &["for", "if"])
}

/// Of a role, a database or the server: behind the name of the former two, which may be any word.
fn stored(view: View<'_>, mut at: usize, words: &[&str], found: &mut Vec<Withheld>) {
    while let Some(word) = view.find_outside_parens(at, words) {
        at = word + 1;
        if view.is(word, "rename") {
            return;
        }
        if view.is(word, "password") {
            if may_be_password(view, at) {
                // Where it ends cannot be told: no grammar has such a thing.
                let tokens = at..usize::MAX;
                found.push(Withheld {
                    tokens,
                    secret: true,
                });
                return;
            }
        } else if let Some((secret, value)) = stored_clause(view, at) {
            return push(view, value..view.tokens.len(), secret, found);
        }
    }
}

/// Is what stands behind PASSWORD more than the one constant that it should be?
fn may_be_password(view: View<'_>, at: usize) -> bool {
    let goes_on = at + 1 < view.tokens.len() && !view.is_any(at + 1, &ROLE_OPTIONS);
    match view.kind(at) {
        None => false,
        Some(kind) if kind.is_value() => goes_on,
        Some(_) => !view.is(at, "null"),
    }
}

/// Of a function whose name is at `name`: behind that, which can be `set` as well, up to its body.
fn function(view: View<'_>, mut name: usize, found: &mut Vec<Withheld>) {
    while view.is_kind(name + 1, Kind::Dot) {
        name += 2;
    }
    let mut at = name + 1;
    while let Some(word) = view.find_outside_parens(at, &["atomic", "return", "set"]) {
        if !view.is(word, "set") {
            return;
        }
        at = word + 1;
        if let Some((secret, value)) = stored_clause(view, at) {
            at = end_of_clause(view, value);
            push(view, value..at, secret, found);
        }
    }
}

/// Where the list of values from `at` on ends. A value can be any word, the first of a clause as well.
fn end_of_clause(view: View<'_>, mut at: usize) -> usize {
    let mut expected = true;
    while at < view.tokens.len() {
        let sign = view.is_any_sign(at, &["+", "-"]);
        if !expected && view.is_any(at, &FUNCTION_CLAUSES) {
            return at;
        }
        expected = view.is_kind(at, Kind::Comma) || expected && sign;
        at += 1;
    }
    at
}

/// As [`clause`], where SET need not begin one: it names a tablespace, too.
fn stored_clause(view: View<'_>, at: usize) -> Option<(bool, usize)> {
    let (name, next) = settings::parameter(view, at);
    let is_one = name == ParameterName::Dynamic || settings::follows_name(view, next);
    clause(view, at).filter(|_| is_one)
}

/// May the value of the parameter named at `at` be secret, and where does it begin? None for those that are shown.
fn clause(view: View<'_>, at: usize) -> Option<(bool, usize)> {
    let (name, next) = settings::parameter(view, at);
    let ParameterName::Named(name) = name else {
        return Some((true, next));
    };
    let current = view.is(next, "from") && view.is(next + 1, "current");
    if current || SHOWN.contains(&&*name) {
        return None;
    }
    let secret = name.contains('.') || TELLING.iter().any(|part| name.contains(part));
    let value = next + usize::from(settings::follows_name(view, next));
    Some((secret, value))
}

/// Unless there is nothing to withhold.
fn push(view: View<'_>, tokens: Range<usize>, secret: bool, found: &mut Vec<Withheld>) {
    let says_nothing = |at| is_harmless(view, at) || view.is_kind(at, Kind::Comma);
    if !tokens.clone().all(says_nothing) {
        found.push(Withheld { tokens, secret });
    }
}
