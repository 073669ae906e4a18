//! Which parameters a statement touches: SET and RESET in all their spellings, and settings stored with
//! roles, databases and functions. `set_config` is read in `set_config`.

use super::names;
use super::token::Kind;
use super::view::View;
use super::{Modes, ParameterName, ParameterTouch, ParameterUse, RoleTouch};

/// What kind of SET it is; its class depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetKind {
    Parameter,
    /// ROLE and SESSION AUTHORIZATION, however they are spelled.
    Role,
    /// SET TRANSACTION.
    Transaction,
    /// SET SESSION CHARACTERISTICS: a default for the transactions to come.
    Characteristics,
    Constraints,
}

/// Names that parameters are called by in commands of their own.
const NAMED: [(&[&str], &str); 5] = [
    (&["time", "zone"], "timezone"),
    (&["names"], "client_encoding"),
    (&["schema"], "search_path"),
    (&["xml", "option"], "xmloption"),
    (&["session", "authorization"], "session_authorization"),
];

/// The parameters that SESSION CHARACTERISTICS sets.
const CHARACTERISTICS: [&str; 3] = [
    "default_transaction_isolation",
    "default_transaction_read_only",
    "default_transaction_deferrable",
];

/// Reads `SET ...` or `RESET ...` from its first word on.
pub(super) fn set(view: View<'_>, touches: &mut Vec<ParameterTouch>) -> SetKind {
    if view.is(0, "reset") {
        return reset(view, touches);
    }
    let at = named_at(view);
    let local = at == 2 && view.is(1, "local");
    let mut how = match local {
        true => ParameterUse::Local,
        false => ParameterUse::Session,
    };
    if is_session_command(view, at) && view.is(at + 1, "characteristics") {
        let named = modes(view);
        let named = [named.isolation, named.access, named.deferrable];
        // Modes that cannot be told could be any.
        let any = named.contains(&true);
        let touched = CHARACTERISTICS.iter().zip(named);
        let touched = touched.filter(|(_, named)| *named || !any);
        touches.extend(touched.map(|(name, _)| touch(name, how)));
        return SetKind::Characteristics;
    }
    if !follows_name(view, at + 1) {
        if view.is(at, "transaction") {
            return SetKind::Transaction;
        }
        if view.is(at, "constraints") {
            return SetKind::Constraints;
        }
    }
    let (name, next) = parameter(view, at);
    let zone_default = view.is(next, "local") && view.is(at, "time");
    if zone_default
        || view.is(next, "default")
        || (view.is(next + 1, "default") && follows_name(view, next))
    {
        how = ParameterUse::Reset;
    }
    let kind = push(touches, name, how);
    if let Some(touch) = touches.last_mut().filter(|_| how == ParameterUse::Reset) {
        touch.passing = local;
    }
    if let Some(touch) = touches.last_mut().filter(|_| how != ParameterUse::Reset) {
        touch.value = last(view, next);
        // Back to who logged in, for a transaction. For the session it is another thing than RESET ROLE
        // where the role or the database has a `role` of its own.
        if local && is(&touch.name, "role") && touch.value.as_deref() == Some("none") {
            (touch.how, touch.value, touch.passing) = (ParameterUse::Reset, None, true);
        }
    }
    kind
}

/// Where SET names its parameter. `SET local.zone = ...` and `SET session TO ...` name parameters; SESSION is
/// also the first word of SESSION AUTHORIZATION and SESSION CHARACTERISTICS.
pub(super) fn named_at(view: View<'_>) -> usize {
    let keyword = view.is_any(1, &["local", "session"])
        && !follows_name(view, 2)
        && !is_session_command(view, 1);
    if keyword { 2 } else { 1 }
}

/// The modes of a transaction that a statement names.
pub(super) fn modes(view: View<'_>) -> Modes {
    let has = |word| (1..view.tokens.len()).any(|at| view.is(at, word));
    Modes {
        isolation: has("isolation"),
        access: (1..view.tokens.len())
            .any(|at| view.is(at, "read") && view.is_any(at + 1, &["only", "write"])),
        deferrable: has("deferrable"),
    }
}

/// A longer value is not kept (bytes): facts stay in memory as long as a prepared statement, and no
/// guard wants to allow a value of that length.
pub(super) const MAX_VALUE: usize = 512;

/// A longer name counts as computed (bytes): PostgreSQL's own have less than 64.
const MAX_NAME: usize = 512;

/// The value that the one token at `at` stands for: a string, a name, or a number.
pub(super) fn constant(view: View<'_>, at: usize) -> Option<Box<str>> {
    let token = view.tokens.get(at)?;
    if token.end - token.start > MAX_VALUE as u32 {
        return None;
    }
    if token.kind.is_string() {
        return names::string(view.text, token).map(String::into_boxed_str);
    }
    if token.kind.is_name() {
        return view.name(at).map(String::into_boxed_str);
    }
    let number = (token.kind == Kind::Number).then(|| token.of(view.text))?;
    as_shown(std::str::from_utf8(number).ok()?)
}

/// The text that PostgreSQL makes of a number: `007` is 7, what is no integer of 32 bits stays as it was
/// written, and other notations (`0x7`, `1_000`) count as computed.
fn as_shown(number: &str) -> Option<Box<str>> {
    let decimal = number.bytes().all(|byte| byte.is_ascii_digit());
    if decimal {
        let integer: Option<i32> = number.parse().ok();
        return Some(integer.map_or_else(|| number.into(), |it| it.to_string().into()));
    }
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    plain.then(|| number.into())
}

/// SESSION AUTHORIZATION or SESSION CHARACTERISTICS, and not `SET SESSION characteristics = 1`.
pub(super) fn is_session_command(view: View<'_>, at: usize) -> bool {
    view.is(at, "session")
        && view.is_any(at + 1, &["authorization", "characteristics"])
        && !follows_name(view, at + 2)
}

fn reset(view: View<'_>, touches: &mut Vec<ParameterTouch>) -> SetKind {
    if view.is(1, "all") && view.tokens.len() == 2 {
        touches.push(ParameterTouch::new(ParameterName::All, ParameterUse::Reset));
        return SetKind::Parameter;
    }
    let (name, _) = parameter(view, 1);
    push(touches, name, ParameterUse::Reset)
}

fn push(touches: &mut Vec<ParameterTouch>, name: ParameterName, how: ParameterUse) -> SetKind {
    let touch = ParameterTouch::new(name, how);
    let kind = if is_role(&touch) {
        SetKind::Role
    } else {
        SetKind::Parameter
    };
    touches.push(touch);
    kind
}

fn is(parameter: &ParameterName, name: &str) -> bool {
    matches!(parameter, ParameterName::Named(parameter) if **parameter == *name)
}

/// Does it change who the statements after it run as?
pub(super) fn is_role(touch: &ParameterTouch) -> bool {
    matches!(&touch.name, ParameterName::Named(name) if matches!(&**name, "role" | "session_authorization"))
}

/// Who the statements after it run as. A role that cannot be told, also because there are several,
/// is the empty name, which no role has.
pub(super) fn role(touches: &[ParameterTouch]) -> Option<RoleTouch> {
    let mut found: Option<RoleTouch> = None;
    for touch in touches.iter().filter(|touch| is_role(touch)) {
        let authorization = touch.name == ParameterName::Named("session_authorization".into());
        let role = match (&touch.value, touch.how) {
            (_, ParameterUse::Reset) => None,
            (Some(value), _) if **value == *"none" && !authorization => None,
            (value, _) => Some(value.clone().unwrap_or_default()),
        };
        let touch = RoleTouch {
            role,
            local: touch.how == ParameterUse::Local,
            authorization,
        };
        found = Some(match found {
            Some(first) if first != touch => RoleTouch {
                role: Some(Box::default()),
                local: first.local && touch.local,
                authorization: first.authorization || touch.authorization,
            },
            _ => touch,
        });
    }
    found
}

pub(super) fn touch(name: &str, how: ParameterUse) -> ParameterTouch {
    ParameterTouch::new(ParameterName::Named(name.into()), how)
}

/// Is the word before `at` the name of a parameter, rather than a keyword of SET?
pub(super) fn follows_name(view: View<'_>, at: usize) -> bool {
    view.is_kind(at, Kind::Dot) || view.is_sign(at, "=") || view.is(at, "to")
}

/// The parameter named at `at`, and where its value (with `TO` or `=`) starts.
pub(super) fn parameter(view: View<'_>, at: usize) -> (ParameterName, usize) {
    for (words, name) in NAMED {
        let next = at + words.len();
        let spelled = words
            .iter()
            .enumerate()
            .all(|(n, word)| view.is(at + n, word));
        if spelled && !follows_name(view, next) {
            return (ParameterName::Named(name.into()), next);
        }
    }
    let mut full = String::new();
    let mut at = at;
    loop {
        let Some(part) = view.name(at) else {
            return (ParameterName::Dynamic, at);
        };
        full.push_str(&part);
        if !view.is_kind(at + 1, Kind::Dot) {
            break;
        }
        full.push('.');
        at += 2;
    }
    (named(full), at + 1)
}

/// PostgreSQL compares parameter names without regard to ASCII case, quoted or not. It has none that is not made like
/// an identifier (`valid_custom_variable_name`).
pub(super) fn named(mut name: String) -> ParameterName {
    let begins = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_' || !byte.is_ascii();
    if name.len() > MAX_NAME || !name.as_bytes().first().is_some_and(begins) {
        return ParameterName::Dynamic;
    }
    name.make_ascii_lowercase();
    match current_name(&name) {
        Some(current) => ParameterName::Named(current.into()),
        None => ParameterName::Named(name.into_boxed_str()),
    }
}

/// Names that parameters had before, and those that they have today: PostgreSQL takes both (`map_old_guc_names`).
const RENAMED: [(&str, &str); 3] = [
    ("sort_mem", "work_mem"),
    ("ssl_ecdh_curve", "ssl_groups"),
    ("vacuum_mem", "maintenance_work_mem"),
];

/// The same in PostgreSQL up to 15 and from 16 on, of which each knows its own: as said, so kept.
const REPLACED: [(&str, &str); 1] = [("force_parallel_mode", "debug_parallel_query")];

/// The name that a parameter has today, if this is one that it had before.
pub fn current_name(name: &str) -> Option<&'static str> {
    let renamed = RENAMED.iter().find(|(old, _)| *old == name);
    renamed.map(|(_, current)| *current)
}

/// The name that it had before; of one that has replaced another, or was replaced, the other.
pub fn other_name(name: &str) -> Option<&'static str> {
    let before = RENAMED.iter().chain(&REPLACED);
    let before = before.map(|(old, current)| (*current, *old));
    let mut all = before.chain(REPLACED);
    all.find_map(|(it, other)| (it == name).then_some(other))
}

/// Most parameters of one statement that are told apart.
const MAX_TOUCHES: usize = 1000;

/// Were there more than are told apart? Then what is listed says nothing about which call sets which.
pub(super) fn is_cut(touches: &[ParameterTouch]) -> bool {
    touches.len() > MAX_TOUCHES
}

/// Keeps what is judged within bounds: what is beyond them could be any parameter.
pub(super) fn bound(touches: &mut Vec<ParameterTouch>) {
    if touches.len() > MAX_TOUCHES {
        touches.truncate(MAX_TOUCHES);
        touches.push(ParameterTouch::new(
            ParameterName::Dynamic,
            ParameterUse::Session,
        ));
    }
}

/// Settings kept with the function whose name is at `name`: behind that, which can be `set` as well.
pub(super) fn stored_with_function(
    view: View<'_>,
    mut name: usize,
    touches: &mut Vec<ParameterTouch>,
) {
    while view.is_kind(name + 1, Kind::Dot) {
        name += 2;
    }
    stored(view, name + 1, touches);
}

/// Settings kept with a role, database, function or the server: every SET and RESET from `at` on, outside
/// parentheses, up to a function's body.
pub(super) fn stored(view: View<'_>, mut at: usize, touches: &mut Vec<ParameterTouch>) {
    while let Some(found) = view.find_outside_parens(at, &["set", "reset", "atomic"]) {
        if view.is(found, "atomic") {
            return;
        }
        at = found + 1;
        let (name, next) = if view.is(at, "all") {
            (ParameterName::All, at + 1)
        } else {
            parameter(view, at)
        };
        let told = TOLD.iter().any(|told| is(&name, told));
        touches.push(ParameterTouch {
            value: last(view, next).filter(|_| told && view.is(found, "set")),
            ..ParameterTouch::new(name, ParameterUse::Stored)
        });
    }
}

/// Parameters whose stored value is told: it may be the one that is in force anyway. Others are judged by their name.
const TOLD: [&str; 3] = [
    "backslash_quote",
    "client_encoding",
    "standard_conforming_strings",
];

/// The one value behind the name of a parameter, and nothing behind it.
fn last(view: View<'_>, next: usize) -> Option<Box<str>> {
    let value = next + usize::from(follows_name(view, next));
    constant(view, value).filter(|_| view.tokens.len() == value + 1)
}

/// Is SESSION a keyword of this SET, and not the name of a parameter or the first word of a command?
pub(super) fn says_session(view: View<'_>) -> bool {
    view.is(1, "session") && !follows_name(view, 2) && !is_session_command(view, 1)
}

#[cfg(test)]
mod tests {
    use super::super::describe;
    use super::*;

    #[test]
    fn a_stored_value_is_told_where_it_may_be_harmless() {
        let value = |text: &str| {
            let facts = describe(text.as_bytes());
            assert!(facts.undescribed.is_none(), "{text}");
            let touch = facts.statements[0].parameters.last().expect(text);
            assert_eq!(touch.how, ParameterUse::Stored, "{text}");
            touch.value.as_deref().map(str::to_owned)
        };
        for (text, told) in [
            ("alter role r set client_encoding = 'utf8'", "utf8"),
            ("alter role r set names 'SJIS'", "SJIS"),
            (
                "alter role r in database d set \"CLIENT_ENCODING\" to u&'utf\\0038'",
                "utf8",
            ),
            (
                "alter database d set standard_conforming_strings to on",
                "on",
            ),
            (
                "alter system set backslash_quote = safe_encoding",
                "safe_encoding",
            ),
            ("alter role all set standard_conforming_strings = 1", "1"),
            (
                "alter function f() set jit = off set standard_conforming_strings = true",
                "true",
            ),
            // No value of it.
            ("alter role r set client_encoding to default", "default"),
        ] {
            assert_eq!(value(text).as_deref(), Some(told), "{text}");
        }
        for text in [
            "alter role r set client_encoding from current",
            "alter role r set client_encoding = utf8, sjis",
            "alter role r reset client_encoding",
            "alter role r set standard_conforming_strings = -1",
            "create function f() returns int set client_encoding = utf8 language sql return 1",
            // Whatever their value is.
            "alter role r set role = none",
            "alter role r set app.zone = 'x'",
            "alter role r set work_mem = '1MB'",
            "alter role r reset all",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    fn touches(text: &str) -> Vec<(String, ParameterUse)> {
        let facts = describe(text.as_bytes());
        let name = |touch: &ParameterTouch| match &touch.name {
            ParameterName::Named(name) => name.to_string(),
            ParameterName::All => "*".to_owned(),
            ParameterName::Dynamic => "?".to_owned(),
        };
        let touches = facts.statements[0].parameters.iter();
        touches.map(|it| (name(it), it.how)).collect()
    }

    #[test]
    fn a_function_may_be_called_set() {
        for text in [
            "create function public.set(key text, value text) returns int language sql as 'select 1'",
            "create or replace function set() returns int language sql return 1",
            "create procedure reset() language sql begin atomic select 1; end",
            "create function reset(n int default (1 + (2)), set int default f('set')) returns int language sql as 'select 1'",
            "create function f(set int, reset int) returns int language sql as 'set x = 1'",
            "create function \"set\".\"reset\"(n int[3]) returns int language sql as 'select 1'",
            "alter function cache.reset() owner to x",
            "alter function set owner to x",
            "alter procedure set.reset rename to f",
            "alter routine reset(set int) set schema other",
        ] {
            let names: Vec<_> = touches(text).into_iter().map(|it| it.0).collect();
            // SET SCHEMA of a function is none, and was always taken for one.
            let other = text.contains("set schema");
            assert!(
                names == ["search_path"] || (names.is_empty() && !other),
                "{text}: {names:?}"
            );
        }
        // The attack: a clause behind such a name.
        for text in [
            "create function set() returns int language sql set search_path = a as 'select 1'",
            "create function public.set(key text, value text) returns int set search_path to a language sql as 'select 1'",
            "create procedure a.b.reset(n int default (1 + (2))) set search_path from current language sql as 'select 1'",
            "create function \"set\"(set int default f(')')) returns int language sql reset search_path as 'select 1'",
            "create function U&\"s\\0065t\" (n int) returns int language sql set search_path = a as 'select 1'",
            "create function U&\"s!0065t\" uescape '!' (n int) returns int language sql set search_path = a as 'select 1'",
            "create function /* ( */ set /* . */ () returns int language sql set search_path = a as 'select 1'",
            "create function set . set () returns int language sql set search_path = a as 'select 1'",
            "alter function set set search_path = a",
            "alter function set.set set search_path = a",
            "alter function reset() reset search_path",
            "alter routine set(set int) immutable set search_path = a",
        ] {
            assert_eq!(
                touches(text),
                [("search_path".to_owned(), ParameterUse::Stored)],
                "{text}"
            );
        }
        let several = "create function set() returns int language sql set role = a set app.zone = b as 'select 1'";
        let names: Vec<_> = touches(several).into_iter().map(|it| it.0).collect();
        assert_eq!(names, ["role", "app.zone"]);
    }
}
