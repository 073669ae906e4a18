//! The arguments of a `set_config`, as applications and query builders write them: constants, bare or in
//! parentheses, cast to a type that holds them as they are, in their order or named.

use super::cast_to_text;
use super::names;
use super::settings::{constant, named, touch};
use super::token::Kind;
use super::view::View;
use super::{ParameterName, ParameterTouch, ParameterUse};

/// What pg_dump sends, word for word, where the server may not know the parameter (pg_dump.c,
/// `set_restrict_relation_kind`): the one computed name that is taken at its word. Were `pg_settings`
/// somebody else's table, none of these values would do any harm to another parameter.
const PG_DUMP: [&[u8]; 2] = [
    b"SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
    b"SELECT set_config(name, 'view', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
];

/// One argument: its tokens, without the name that may stand before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    /// The first.
    pub first: usize,
    /// The last.
    pub last: usize,
}

/// The three of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments {
    pub name: Argument,
    pub value: Argument,
    pub local: Argument,
}

/// What the documentation of PostgreSQL calls them, in their order.
const NAMES: [&str; 3] = ["setting_name", "new_value", "is_local"];

impl Arguments {
    /// Those of the list that opens at `open`; none where there are not three, or it cannot be told which is which.
    pub(super) fn at(view: View<'_>, open: usize) -> Option<Self> {
        let mut found = [None; 3];
        let mut by_name = false;
        for (place, whole) in list(view, open)?.into_iter().enumerate() {
            let (place, argument) = match view.is_any_sign(whole.first + 1, &["=>", ":="]) {
                true => {
                    by_name = true;
                    let name = view.name(whole.first)?;
                    let place = NAMES.iter().position(|it| *it == name)?;
                    let first = whole.first + 2;
                    (place, Argument { first, ..whole })
                }
                // Behind a named one PostgreSQL takes none without a name.
                false if by_name => return None,
                false => (place, whole),
            };
            if argument.first > argument.last || found[place].replace(argument).is_some() {
                return None;
            }
        }
        let [Some(name), Some(value), Some(local)] = found else {
            return None;
        };
        Some(Self { name, value, local })
    }
}

/// The three arguments of a list, as they stand.
fn list(view: View<'_>, open: usize) -> Option<[Argument; 3]> {
    let (count, close) = arguments(view, open)?;
    if count != 3 {
        return None;
    }
    let mut depth = 0_u32;
    let mut commas = [0; 2];
    let mut next = commas.iter_mut();
    for at in open..close {
        match view.kind(at)? {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Other if view.is_sign(at, "[") => depth += 1,
            Kind::Other if view.is_sign(at, "]") => depth = depth.saturating_sub(1),
            Kind::Comma if depth == 1 => *next.next()? = at,
            _ => {}
        }
    }
    let [one, two] = commas;
    let argument = |before: usize, behind: usize| {
        let (first, last) = (before + 1, behind.checked_sub(1)?);
        (first <= last).then_some(Argument { first, last })
    };
    Some([
        argument(open, one)?,
        argument(one, two)?,
        argument(two, close)?,
    ])
}

/// How many arguments the list that opens at `open` has, and where it closes. None if it is
/// unreasonably long: calls can be nested, and each one is read to its end.
pub(super) fn arguments(view: View<'_>, open: usize) -> Option<(usize, usize)> {
    const MAX_TOKENS: usize = 256;
    if !view.is_kind(open, Kind::Open) {
        return None;
    }
    let (mut depth, mut count) = (0_u32, 1);
    for (at, token) in view.tokens.iter().enumerate().skip(open).take(MAX_TOKENS) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth <= 1 => return Some((count, at)),
            Kind::Close => depth -= 1,
            Kind::Comma if depth == 1 => count += 1,
            Kind::Other if view.is_sign(at, "[") => depth += 1,
            Kind::Other if view.is_sign(at, "]") => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Is it `SELECT set_config(...)`, once or several times, with constants and parameters, and nothing else?
pub(super) fn is_all(view: View<'_>) -> bool {
    let mut at = 1;
    while view.is(0, "select") {
        if view.is(at, "pg_catalog") && view.is_kind(at + 1, Kind::Dot) {
            at += 2;
        }
        if !view.is(at, "set_config") || !view.is_kind(at + 1, Kind::Open) {
            return false;
        }
        at += 2;
        while is_plain(view, at) {
            at += 1;
        }
        if !view.is_kind(at, Kind::Close) {
            return false;
        }
        at += 1;
        if view.is(at, "as") && view.is_name(at + 1) {
            at += 2;
        }
        if !view.is_kind(at, Kind::Comma) {
            return at == view.tokens.len();
        }
        at += 1;
    }
    false
}

/// May it stand in an argument that runs no code?
fn is_plain(view: View<'_>, at: usize) -> bool {
    const WORDS: [&str; 7] = [
        "true", "false", "null", "text", "varchar", "bool", "boolean",
    ];
    let is_value = |kind: Kind| kind.is_string() || matches!(kind, Kind::Parameter | Kind::Comma);
    view.kind(at).is_some_and(is_value) || view.is_any(at, &WORDS) || view.is_sign(at, "::")
}

/// The type that an argument is cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Every string as it is.
    Text,
    Boolean,
    /// One that has one of these names.
    Named(&'static [&'static str]),
}

impl To {
    /// How many tokens its name takes that begins at `at`; 0: it is another type.
    fn length(self, view: View<'_>, at: usize) -> usize {
        match self {
            Self::Text if view.is_any(at, &["text", "varchar"]) => 1,
            Self::Text if view.is(at, "character") && view.is(at + 1, "varying") => 2,
            Self::Boolean if view.is_any(at, &["bool", "boolean"]) => 1,
            Self::Named(names) if view.is_any(at, names) => 1,
            _ => 0,
        }
    }

    /// The same of a name that ends with the token `last`.
    pub(super) fn length_to(self, view: View<'_>, last: usize) -> usize {
        let ends = |length: &usize| {
            let first = (last + 1).checked_sub(*length);
            first.is_some_and(|first| self.length(view, first) == *length)
        };
        [2, 1].iter().copied().find(ends).unwrap_or(0)
    }
}

/// The one token that an argument is, in parentheses, cast (`x::text`, `CAST(x AS text)`, `text 'x'`), or as it is;
/// and whether it is cast.
pub(super) fn token(view: View<'_>, argument: Argument, to: To) -> Option<(usize, bool)> {
    let (Argument { first, last }, cast) = peeled(view, argument, to)?;
    (first == last).then_some((first, cast))
}

/// An argument without the parentheses and casts around it; and whether it was cast.
pub(super) fn peeled(view: View<'_>, argument: Argument, to: To) -> Option<(Argument, bool)> {
    let Argument {
        mut first,
        mut last,
    } = argument;
    let mut cast = false;
    while first < last {
        let closes = view.is_kind(last, Kind::Close);
        let length = to.length_to(view, last - usize::from(closes));
        let before = last.checked_sub(usize::from(closes) + length)?;
        if closes && view.is_kind(first, Kind::Open) {
            (first, last) = (first + 1, last - 1);
        } else if length > 0 && !closes && view.is_sign(before, "::") {
            cast = true;
            last = before.checked_sub(1)?;
        } else if length > 0
            && closes
            && view.is(first, "cast")
            && view.is_kind(first + 1, Kind::Open)
            && view.is(before, "as")
        {
            cast = true;
            (first, last) = (first + 2, before.checked_sub(1)?);
        } else if to.length(view, first) == last - first && is_string(view, last) {
            cast = true;
            first = last;
        } else {
            break;
        }
    }
    Some((Argument { first, last }, cast))
}

pub(super) fn is_string(view: View<'_>, at: usize) -> bool {
    view.kind(at).is_some_and(Kind::is_string)
}

/// Does the third argument say, as a constant, that the parameter is set for the transaction? None: it is no
/// constant. As drivers that write values into the text send it, too: `'t'`, `'true'::boolean`, `1::boolean`.
fn says_local(view: View<'_>, argument: Argument) -> Option<bool> {
    let (at, cast) = token(view, argument, To::Boolean)?;
    if view.is_any(at, &["true", "false"]) {
        return Some(view.is(at, "true"));
    }
    let text = match view.kind(at)? {
        // What is put behind it would stand before its UESCAPE.
        Kind::UnicodeString => return None,
        kind if kind.is_string() => constant(view, at)?.to_ascii_lowercase(),
        // No number is one without a cast.
        Kind::Number if cast => {
            let number = constant(view, at).filter(|it| matches!(&**it, "0" | "1"))?;
            number.into()
        }
        _ => return None,
    };
    // PostgreSQL takes the beginning of a word that no other has.
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match &*text {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// Does the third argument say, as a constant, that the parameter is set for the session?
pub(super) fn is_for_session(view: View<'_>, argument: Argument) -> bool {
    says_local(view, argument) == Some(false)
}

/// The touch made by a `set_config` whose arguments open at `open` (or which is named without any).
pub(super) fn set_config(view: View<'_>, open: usize) -> ParameterTouch {
    if PG_DUMP.contains(&view.source()) {
        return touch("restrict_nonsystem_relation_kind", ParameterUse::Session);
    }
    let Some(arguments) = Arguments::at(view, open) else {
        return ParameterTouch::new(ParameterName::Dynamic, ParameterUse::Session);
    };
    let string = |argument| {
        let (at, _) = token(view, argument, To::Text)?;
        is_string(view, at).then_some(at)
    };
    let name = string(arguments.name)
        .and_then(|at| names::string(view.text, &view.tokens[at]))
        .map_or(ParameterName::Dynamic, named);
    // The second argument, if it is one string and nothing else, behind a name that is a constant or bound.
    let is_bound = token(view, arguments.name, To::Text)
        .is_some_and(|(at, _)| view.is_kind(at, Kind::Parameter));
    let told = name != ParameterName::Dynamic || is_bound;
    let other = || cast_to_text::literal(view, arguments.value);
    let value = string(arguments.value).or_else(other).filter(|_| told);
    let how = match says_local(view, arguments.local) {
        Some(true) => ParameterUse::Local,
        _ => ParameterUse::Session,
    };
    ParameterTouch {
        value: value.and_then(|at| constant(view, at)),
        ..ParameterTouch::new(name, how)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ParameterName, ParameterUse, describe};

    /// The name that a call with these arguments sets; none: it is computed. And whether for the transaction.
    fn read(arguments: &str) -> (Option<String>, bool) {
        let facts = describe(format!("select set_config({arguments})").as_bytes());
        assert_eq!(facts.undescribed, None, "{arguments}");
        let touch = &facts.statements[0].parameters[0];
        let name = match &touch.name {
            ParameterName::Named(name) => Some(name.to_string()),
            _ => None,
        };
        (name, touch.how == ParameterUse::Local)
    }

    #[test]
    fn a_plain_constant_is_a_name_however_it_is_wrapped() {
        for arguments in [
            "('a.b'), 'x', true",
            "(('A.B'::character varying)::text), 'x', true",
            "cast(('a.b') as character varying), 'x', true",
            "text 'a.b', varchar 'x', true",
            "setting_name => 'a.b', new_value => 'x', is_local => true",
            "is_local := true, \"setting_name\" := ('a.b'), New_Value := 'x'",
            "'a.b', is_local => true, new_value => 'x'",
        ] {
            assert_eq!(read(arguments), (Some("a.b".into()), true), "{arguments}");
        }
        for arguments in [
            "('a.' || 'b'), 'x', true",
            "('a.') || ('b'), 'x', true",
            "('a', 'b'), 'x', true",
            "(select 'a.b'), 'x', true",
            "array['a.b'], 'x', true",
            "'a.b'::character varying(3), 'x', true",
            "'a.b'::character, 'x', true",
            "'a.b'::name, 'x', true",
            "N'a.b', 'x', true",
            "E'a.\\vb', 'x', true",
            "(n'a.b '::text), 'x', true",
            "setting_name => N'a.b', new_value => 'x', is_local => true",
            "name 'a.b', 'x', true",
            "setting_name => 'c', setting_name => 'a.b', is_local => true",
            "setting_name => 'a.b', 'x', true",
            "own => 'a.b', new_value => 'x', is_local => true",
            "'a.b', 'x'",
            "'a.b', 'x', true, true",
        ] {
            assert_eq!(read(arguments).0, None, "{arguments}");
        }
    }

    #[test]
    fn how_long_is_told_by_what_postgresql_reads_as_true() {
        for third in [
            "true",
            "(true)",
            "'t'",
            "'YES'::boolean",
            "boolean 'on'",
            "'tru'::bool",
            "1::boolean",
            "(cast(1 as bool))",
        ] {
            assert!(read(&format!("'a', 'x', {third}")).1, "{third}");
        }
        for third in [
            "false",
            "'f'",
            "0::boolean",
            "1",
            "2::boolean",
            "'o'",
            "''",
            "'truer'",
            "'ofTrue'",
            "null",
            "variadic true",
            "true or false",
            "(true) and (false)",
            "not true",
            "'t'::own",
            "N't'",
            "U&'t' uescape '!'",
            "\"true\"",
        ] {
            assert!(!read(&format!("'a', 'x', {third}")).1, "{third}");
        }
    }

    #[test]
    fn what_sets_and_does_nothing_else_is_told() {
        for (text, only) in [
            ("SELECT set_config('a.b', 'x', true)", true),
            (
                "select pg_catalog.set_config('a.b', $1::text, false) AS it;",
                true,
            ),
            (
                "select set_config('a.b', $$x$$, true), set_config('c.d', null, $2)",
                true,
            ),
            ("select set_config('a.b', 'x', true) where false", false),
            (
                "select set_config('a.b', 'x', true) union select 'y'",
                false,
            ),
            ("select set_config('a.b', 'x', true) it", false),
            ("select set_config('a.b', 'x', true), f()", false),
            ("select f(), set_config('a.b', 'x', true)", false),
            ("select set_config('a.b', f(), true)", false),
            ("select set_config('a.b', 'x' || 'y', true)", false),
            ("select set_config('a.b', 'x'::mine, true)", false),
            ("select all set_config('a.b', 'x', true)", false),
            ("select \"set_config\"('a.b', 'x', true)", false),
            ("select (set_config('a.b', 'x', true))", false),
            (
                "select case when true then set_config('a.b', 'x', true) end",
                false,
            ),
            ("explain select set_config('a.b', 'x', true)", false),
            ("explain analyze select set_config('a.b', 'x', true)", false),
            (
                "declare c cursor for select set_config('a.b', 'x', true)",
                false,
            ),
            (
                "copy (select set_config('a.b', 'x', true)) to stdout",
                false,
            ),
            ("values (set_config('a.b', 'x', true))", false),
            ("select", false),
        ] {
            let facts = describe(text.as_bytes());
            assert_eq!(facts.undescribed, None, "{text}");
            let statements = &facts.statements;
            assert!(statements.iter().all(|it| it.only_sets == only), "{text}");
        }
    }
}
