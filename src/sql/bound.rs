//! Parameters set by `set_config` whose name or value, or for how long, is in the Bind message: which of its values.

use std::collections::HashMap;

use super::cast_to_text;
use super::pairs;
use super::scan;
use super::set_config::{self, Argument, Arguments, To};
use super::settings;
use super::token::Kind;
use super::view::View;
use super::{Class, ClassSet, Facts, ParameterName, ParameterTouch, ParameterUse, Statement};

/// A parameter of which something is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Which of the statement's parameters.
    pub touch: u16,
    /// The number of the bound value (from 1) that is its name; none: the text says it.
    pub name: Option<u16>,
    /// The number of the bound value that is its value; none: the text says it, or it is computed.
    pub value: Option<u16>,
    /// The type that the text casts the value to, and then to text; 0: to text, or not at all.
    pub cast: u32,
    /// The number of the bound value that says whether it is set for the transaction only; none: the text says it.
    pub local: Option<u16>,
    /// The number of the bound value that says names and values of all that are set, as an array of JSON; nothing else
    /// is bound then, and the statement has no other parameters. None: it is no such statement.
    pub pairs: Option<u16>,
}

/// Those of a statement; few statements have any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds(pub Box<[Bound]>);

/// What runs its calls when it is executed with what was bound: not PREPARE, nor DECLARE, which have
/// values of their own or run later.
const QUERIES: ClassSet = ClassSet::of(Class::Read).with(Class::Write);

/// Those of a statement. A bound value that stands in it more than once is not read: its type, and so
/// what becomes of it, would be decided elsewhere.
pub(super) fn of(view: View<'_>, statement: &Statement) -> Option<Box<Bounds>> {
    if statement.parameters.is_empty()
        || settings::is_cut(&statement.parameters)
        || !statement.classes.minus(QUERIES).is_empty()
    {
        return None;
    }
    let places: Vec<usize> = scan::places_of(view, "set_config").collect();
    if places.len() != statement.parameters.len() || places.len() > u16::MAX as usize {
        return None;
    }
    if pairs::is_said(view) {
        return Some(Box::new(Bounds(Box::new([Bound {
            touch: 0,
            name: None,
            value: None,
            cast: 0,
            local: None,
            pairs: Some(1),
        }]))));
    }
    let calls: Vec<_> = places
        .iter()
        .map(|place| Arguments::at(view, place + 1))
        .collect();
    let counts = counts(view, 0..view.tokens.len());
    // One that says nothing but this may say it of several.
    let thirds = calls.iter().flatten().filter_map(|call| third(view, *call));
    let thirds = self::counts(view, thirds);
    let local = |call| {
        let number = number(view, third(view, call)?)?;
        (counts.get(&number) == thirds.get(&number)).then_some(number)
    };
    let all = calls.iter().zip(&statement.parameters).zip(0..);
    let all = all.filter_map(|((call, parameter), touch)| {
        let call = (*call)?;
        let name = bound(view, call.name, &counts)?;
        let named = name.is_some() || matches!(parameter.name, ParameterName::Named(_));
        let local = local(call).filter(|_| named);
        let (value, cast) = match valued(view, call.value, &counts) {
            Some(value) => value,
            // Computed: that is no matter to most parameters.
            None if name.is_some() || local.is_some() => (None, 0),
            None => return None,
        };
        let any = [name, value, local].iter().any(Option::is_some);
        any.then_some(Bound {
            touch,
            name,
            value,
            cast,
            local,
            pairs: None,
        })
    });
    let all: Box<[Bound]> = all.collect();
    (!all.is_empty()).then(|| Box::new(Bounds(all)))
}

/// The token that is the third argument of a call, in parentheses or cast to boolean, if that is a parameter.
fn third(view: View<'_>, call: Arguments) -> Option<usize> {
    let (at, _) = set_config::token(view, call.local, To::Boolean)?;
    view.is_kind(at, Kind::Parameter).then_some(at)
}

/// Which bound value the argument is, if it is one; none at all: it is neither that nor a constant.
fn bound(view: View<'_>, argument: Argument, counts: &Counts) -> Option<Option<u16>> {
    let (at, _) = set_config::token(view, argument, To::Text)?;
    let kind = view.kind(at)?;
    if kind.is_string() {
        return Some(None);
    }
    let number = (kind == Kind::Parameter)
        .then(|| number(view, at))
        .flatten()?;
    (counts.get(&number) == Some(&1)).then_some(Some(number))
}

/// The same of a value, and the type that it is cast to first, or 0.
fn valued(view: View<'_>, argument: Argument, counts: &Counts) -> Option<(Option<u16>, u32)> {
    if let Some(value) = bound(view, argument, counts) {
        return Some((value, 0));
    }
    let (at, cast) = cast_to_text::parameter(view, argument)?;
    let number = number(view, at).filter(|number| counts.get(number) == Some(&1))?;
    Some((Some(number), cast))
}

/// How often each bound value stands in the statement, by its number.
type Counts = HashMap<u16, usize>;

/// Of the tokens at these places, in one pass: a text can name thousands.
fn counts(view: View<'_>, places: impl Iterator<Item = usize>) -> Counts {
    let mut counts = Counts::new();
    let parameters = places.filter(|at| view.is_kind(*at, Kind::Parameter));
    for number in parameters.filter_map(|at| number(view, at)) {
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// The number of a parameter: `$1`, `$01`.
fn number(view: View<'_>, at: usize) -> Option<u16> {
    let digits = view.tokens.get(at)?.of(view.text).strip_prefix(b"$")?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number > 0).then_some(number)
}

/// What is bound of one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Said<'v> {
    /// Which of the first statement's parameters.
    pub touch: u16,
    /// Its name, where that was bound.
    pub name: Option<&'v str>,
    /// Its value.
    pub value: Option<&'v str>,
    /// Is it set for the transaction? Where that was bound.
    pub local: Option<bool>,
}

/// The description as it would be if the text said what is bound.
pub fn resolve<'v>(facts: &Facts, bound: impl Iterator<Item = Said<'v>>) -> Facts {
    let mut facts = facts.clone();
    let Some(statement) = facts.statements.first_mut() else {
        return facts;
    };
    let mut local = vec![false; statement.parameters.len()];
    for said in bound {
        let at = usize::from(said.touch);
        let Some(touch) = statement.parameters.get_mut(at) else {
            continue;
        };
        if let Some(name) = said.name {
            touch.name = settings::named(name.to_owned());
        }
        local[at] = said.local == Some(true);
        let computed = touch.name == ParameterName::Dynamic;
        let value = said.value;
        let value = value.filter(|value| value.len() <= settings::MAX_VALUE && !computed);
        touch.value = value.map(Box::from).or(touch.value.take());
    }
    set_local(statement, &local);
    resolved(&mut facts);
    facts
}

/// The same of a statement whose names and values are said by one bound value: so many calls, for the transaction.
pub fn resolve_pairs(facts: &Facts, pairs: Vec<(String, String)>) -> Facts {
    let mut facts = facts.clone();
    let touch = |(name, value): (String, String)| {
        let mut touch = ParameterTouch::new(settings::named(name), ParameterUse::Local);
        let told = touch.name != ParameterName::Dynamic && value.len() <= settings::MAX_VALUE;
        touch.value = told.then(|| value.into());
        touch
    };
    if let Some(statement) = facts.statements.first_mut() {
        statement.parameters = pairs.into_iter().map(touch).collect();
    }
    resolved(&mut facts);
    facts
}

/// The same where what is bound cannot be read: it is whatever it may be.
pub fn without_bounds(facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    resolved(&mut facts);
    facts
}

/// Nothing of the first statement is bound any more.
fn resolved(facts: &mut Facts) {
    let Some(statement) = facts.statements.first_mut() else {
        return;
    };
    if statement.parameters.iter().any(settings::is_role) {
        statement.classes = statement.classes.with(Class::RoleChange);
        statement.details.role = settings::role(&statement.parameters).map(Box::new);
    }
    statement.details.bound = None;
    facts.classes = facts.classes.union(statement.classes);
}

/// These of its parameters are set for the transaction as it is: nothing of the text must change for that.
fn set_local(statement: &mut Statement, local: &[bool]) {
    if !local.contains(&true) {
        return;
    }
    if let Some(localized) = &mut statement.details.localized {
        localized.leave(&statement.parameters, local);
    }
    let touches = statement.parameters.iter_mut().zip(local);
    for (touch, _) in touches.filter(|(_, local)| **local) {
        touch.how = ParameterUse::Local;
    }
}

#[cfg(test)]
mod tests {
    use super::super::describe;
    use super::*;

    /// The name and the value: `$1`, or what the text says; `?` for what is neither.
    fn told(text: &str) -> Vec<(String, String)> {
        let facts = describe(text.as_bytes());
        let statement = &facts.statements[0];
        let bounds = statement.details.bound.as_ref();
        let bound = |at: usize| {
            let mut all = bounds.into_iter().flat_map(|it| it.0.iter());
            all.find(|it| usize::from(it.touch) == at)
        };
        let number = |number: Option<u16>| number.map(|number| format!("${number}"));
        let each = |(at, touch): (usize, &super::super::ParameterTouch)| {
            let name = match &touch.name {
                ParameterName::Named(name) => Some(name.to_string()),
                _ => bound(at).and_then(|it| number(it.name)),
            };
            let value = touch.value.as_ref().map(|it| it.to_string());
            let value = value.or_else(|| bound(at).and_then(|it| number(it.value)));
            [name, value]
                .map(|it| it.unwrap_or_else(|| "?".to_owned()))
                .into()
        };
        statement.parameters.iter().enumerate().map(each).collect()
    }

    /// The attack: where there were more than are told apart, what had been cut off was taken for a call.
    #[test]
    fn nothing_is_told_of_more_than_are_told_apart() {
        let texts = |calls: usize| {
            let local = "set_config('a.b', '1', true), ".repeat(calls - 1);
            let all = format!("{local} set_config($1, $2, false)");
            [
                format!("select {all}"),
                format!("update t set a = 1 where (select array[{all}]) is not null"),
                format!(
                    "update pg_settings set setting = 1 where (select array[{all}]) is not null"
                ),
            ]
        };
        for calls in [999, 1000, 1001, 1002] {
            let told = texts(calls).map(|text| {
                let facts = describe(text.as_bytes());
                let details = &facts.statements[0].details;
                assert!(calls <= 1000 || details.localized.is_none(), "{calls}");
                details.bound.is_some()
            });
            assert_eq!(told, [calls <= 1000, calls <= 1000, false], "{calls}");
        }
    }

    #[test]
    fn how_long_is_told_where_nothing_else_is_meant() {
        for (third, wanted) in [
            ("$3", Some(3)),
            ("$3::boolean", Some(3)),
            ("($3::BOOL)", Some(3)),
            ("(($3)::bool)::boolean", Some(3)),
            ("cast($3 as boolean)", Some(3)),
            ("(CAST((($3)) AS bool))", Some(3)),
            ("$3::text", None),
            ("$3::int::bool", None),
            ("not $3", None),
            ("$3 or false", None),
            ("($3) and ($4)", None),
            ("f($3)", None),
            ("is_local => $3", Some(3)),
            ("is_local := cast(($3) as bool)", Some(3)),
            ("new_value => $3", None),
            ("own => $3", None),
            ("coalesce($3, true)", None),
            ("cast($3 as text)", None),
            ("array[$3]", None),
            ("(select $3)", None),
            ("$3::bool[]", None),
            ("$3), ($3", None),
            ("$2", None),
            ("true", None),
            ("$3, $4", None),
        ] {
            for head in ["'a.b', $2", "$1, $2", "$1, $2 || 'x'"] {
                let text = format!("select set_config({head}, {third})");
                let facts = describe(text.as_bytes());
                let bound = facts.statements[0].details.bound.as_ref();
                let local = bound.and_then(|it| it.0[0].local);
                assert_eq!(local, wanted, "{text}");
            }
        }
        for (text, wanted) in [
            (
                "select set_config('a.b', $1, $2), set_config('c.d', $3, $2::bool)",
                [Some(2), Some(2)],
            ),
            (
                "select set_config('a.b', $1, $2), set_config('c.d', $3, $4), $2",
                [None, Some(4)],
            ),
        ] {
            let facts = describe(text.as_bytes());
            let bound = facts.statements[0].details.bound.as_ref();
            let locals = bound.map(|it| it.0.iter().map(|it| it.local));
            assert!(locals.expect("bound").eq(wanted), "{text}");
        }
    }

    #[test]
    fn names_and_values_are_told_where_they_stand_alone() {
        for (text, wanted) in [
            ("select set_config($1, $2, true)", ("$1", "$2")),
            ("select set_config($2::text, $1, false)", ("$2", "$1")),
            ("select set_config($1, 'x', true)", ("$1", "x")),
            (
                "select set_config($1::text, E'\\x78'::text, false)",
                ("$1", "x"),
            ),
            ("select set_config('a.b', $1, false)", ("a.b", "$1")),
            ("select set_config($1, $2 || 'x', true)", ("$1", "?")),
            ("select set_config($1, null, true)", ("$1", "?")),
            ("select set_config($1, 'x' || 'y', true)", ("$1", "?")),
            ("select set_config($1 || 'x', 'y', true)", ("?", "?")),
            ("select set_config('x' || $1, 'y', true)", ("?", "?")),
            ("select set_config(($1), ('y'), true)", ("$1", "y")),
            (
                "select set_config(is_local => true, new_value => 'y', setting_name => $1)",
                ("$1", "y"),
            ),
            (
                "select set_config(character varying 'a.b', $1::character varying, true)",
                ("a.b", "$1"),
            ),
            ("select set_config(($1, 'x'), 'y', true)", ("?", "?")),
            ("select set_config($1::name, 'y', true)", ("?", "?")),
            ("select set_config($1, 'y', true), $1", ("?", "y")),
            ("select set_config($1, 'y', true, $2)", ("?", "?")),
            ("prepare p as select set_config($1, 'y', true)", ("?", "y")),
        ] {
            let wanted = (wanted.0.to_owned(), wanted.1.to_owned());
            assert_eq!(told(text), [wanted], "{text}");
        }
    }
}
