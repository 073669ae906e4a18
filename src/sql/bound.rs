//! Parameters set by `set_config` whose name or value is in the Bind message: which of its values.

use super::scan;
use super::settings;
use super::token::Kind;
use super::view::View;
use super::{Class, ClassSet, Facts, ParameterName, Statement};

/// A parameter whose name or value is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Which of the statement's parameters.
    pub touch: u16,
    /// The number of the bound value (from 1) that is its name; none: the text says it.
    pub name: Option<u16>,
    /// The number of the bound value that is its value; none: the text says it, or it is computed.
    pub value: Option<u16>,
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
    if statement.parameters.is_empty() || !statement.classes.minus(QUERIES).is_empty() {
        return None;
    }
    let places: Vec<usize> = scan::places_of(view, "set_config").collect();
    if places.len() != statement.parameters.len() || places.len() > u16::MAX as usize {
        return None;
    }
    let all = places.iter().enumerate().filter_map(|(touch, place)| {
        let open = place + 1;
        let (name, behind) = argument(view, open + 1)?;
        let (value, _) = argument(view, behind + 1)?;
        let (count, _) = settings::arguments(view, open)?;
        let bound = Bound {
            touch: touch as u16,
            name,
            value,
        };
        (view.is_kind(open, Kind::Open) && count == 3 && (name.is_some() || value.is_some()))
            .then_some(bound)
    });
    let all: Box<[Bound]> = all.collect();
    (!all.is_empty()).then(|| Box::new(Bounds(all)))
}

/// The argument that begins at `at`: which bound value it is, if it is one, and where its comma stands.
/// None: it is neither that nor a constant.
fn argument(view: View<'_>, at: usize) -> Option<(Option<u16>, usize)> {
    let cast = view.is_sign(at + 1, "::") && view.is(at + 2, "text");
    let comma = if cast { at + 3 } else { at + 1 };
    if !view.is_kind(comma, Kind::Comma) {
        return None;
    }
    let kind = view.kind(at)?;
    if kind.is_string() {
        return Some((None, comma));
    }
    let number = (kind == Kind::Parameter)
        .then(|| number(view, at))
        .flatten()?;
    let places = (0..view.tokens.len()).filter(|at| {
        view.kind(*at) == Some(Kind::Parameter) && self::number(view, *at) == Some(number)
    });
    (places.count() == 1).then_some((Some(number), comma))
}

/// The number of a parameter: `$1`, `$01`.
fn number(view: View<'_>, at: usize) -> Option<u16> {
    let digits = view.tokens.get(at)?.of(view.text).strip_prefix(b"$")?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number > 0).then_some(number)
}

/// The description as it would be if the text said what is bound: for each place (of the first
/// statement's parameters) the name, where that was bound, and the value.
pub fn resolve<'v>(
    facts: &Facts,
    bound: impl Iterator<Item = (u16, Option<&'v str>, Option<&'v str>)>,
) -> Facts {
    let mut facts = facts.clone();
    let Some(statement) = facts.statements.first_mut() else {
        return facts;
    };
    for (touch, name, value) in bound {
        let Some(touch) = statement.parameters.get_mut(usize::from(touch)) else {
            continue;
        };
        if let Some(name) = name {
            touch.name = settings::named(name.to_owned());
        }
        let computed = touch.name == ParameterName::Dynamic;
        let value = value.filter(|value| value.len() <= settings::MAX_VALUE && !computed);
        touch.value = value.map(Box::from).or(touch.value.take());
    }
    if statement.parameters.iter().any(settings::is_role) {
        statement.classes = statement.classes.with(Class::RoleChange);
        statement.details.role = settings::role(&statement.parameters).map(Box::new);
    }
    statement.details.bound = None;
    facts.classes = facts.classes.union(statement.classes);
    facts
}
