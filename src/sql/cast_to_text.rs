//! Numbers and UUIDs that a `set_config` casts to text: `42::text`, `'...'::uuid::text`, as drivers write them that put
//! values into the text, and `$1::uuid::text`.

use super::names;
use super::set_config::{Argument, To, is_string, peeled, token};
use super::token::Kind;
use super::view::View;

/// The token that PostgreSQL spells as it stands there; none: the argument is no such literal.
pub(super) fn literal(view: View<'_>, argument: Argument) -> Option<usize> {
    number(view, argument).or_else(|| uuid(view, argument))
}

/// Types whose values PostgreSQL spells in one way as text, and their names: int2, int4, int8, uuid.
const TYPES: [(u32, &[&str]); 4] = [
    (21, &["int2", "smallint"]),
    (23, &["int4", "int", "integer"]),
    (20, &["int8", "bigint"]),
    (2950, &["uuid"]),
];

/// The token of a parameter that is cast to one of those types, and that to text; and the type. Where no type is declared
/// for the parameter, it has this one.
pub(super) fn parameter(view: View<'_>, argument: Argument) -> Option<(usize, u32)> {
    let (inner, to_text) = peeled(view, argument, To::Text)?;
    if !to_text {
        return None;
    }
    TYPES.iter().find_map(|(oid, names)| {
        let (at, cast) = token(view, inner, To::Named(names))?;
        (cast && view.is_kind(at, Kind::Parameter)).then_some((at, *oid))
    })
}

/// The token of an integer that is cast to text, which spells it in the same digits.
fn number(view: View<'_>, argument: Argument) -> Option<usize> {
    // Of so few a leading zero is read as PostgreSQL reads it.
    const FEW: usize = 9;
    let (at, cast) = token(view, argument, To::Text)?;
    let digits = view.tokens.get(at)?.of(view.text);
    let is_spelled_so = digits.iter().all(u8::is_ascii_digit)
        && (digits.len() <= FEW || digits.first() != Some(&b'0'));
    (cast && view.is_kind(at, Kind::Number) && is_spelled_so).then_some(at)
}

/// The token of `'...'::uuid::text`, if PostgreSQL spells that UUID in the same way.
fn uuid(view: View<'_>, argument: Argument) -> Option<usize> {
    let Argument { first, last } = argument;
    let cast = view.is_sign(first + 1, "::") && view.is(first + 2, "uuid");
    let again = view.is_sign(first + 3, "::");
    let is_last = first + 3 + To::Text.length_to(view, last) == last;
    if !(cast && again && is_last && is_string(view, first)) {
        return None;
    }
    let text = names::string(view.text, &view.tokens[first])?;
    let is_one = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
        });
    is_one.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::super::describe;

    #[test]
    fn a_parameter_is_cast_to_what_is_cast_to_text() {
        let said = |value: &str| {
            let text = format!("select set_config('app.zone', {value}, true)");
            let facts = describe(text.as_bytes());
            let bounds = facts.statements[0].details.bound.clone()?;
            bounds.0[0].value.map(|number| (number, bounds.0[0].cast))
        };
        for (value, cast) in [
            ("$1::uuid::text", 2950),
            ("($1::uuid)::text", 2950),
            ("CAST($1 AS uuid)::varchar", 2950),
            ("cast((($1)::UUID) as character varying)", 2950),
            ("$1::int::text", 23),
            ("$1::integer::text", 23),
            ("cast(cast($1 as smallint) as text)", 21),
            ("$1::bigint::text::varchar", 20),
            ("$1::text", 0),
            ("$1", 0),
        ] {
            assert_eq!(said(value), Some((1, cast)), "{value}");
        }
        for value in [
            "$1::uuid",
            "$1::text::uuid",
            "$1::text::uuid::text",
            "$1::uuid::uuid::int::text",
            "$1::date::text",
            "$1::numeric::text",
            "-$1::int::text",
            "($1)::int + (1)::text",
            "($1::int || '')::text",
            "$1::\"uuid\"::text",
            "$1::public.uuid::text",
            "$1::uuid[]::text",
            "$1::uuid::text || $1::text",
        ] {
            assert_eq!(said(value), None, "{value}");
        }
    }

    #[test]
    fn a_number_or_a_uuid_that_is_cast_to_text_is_its_text() {
        const UUID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        let said = |value: &str| {
            let text = format!("select set_config('app.zone', {value}, true)");
            let facts = describe(text.as_bytes());
            facts.statements[0].parameters[0]
                .value
                .as_deref()
                .map(str::to_owned)
        };
        for (value, text) in [
            ("42::text", "42"),
            ("(0042)::varchar", "42"),
            (
                "CAST(12345678901234567890 AS character varying)",
                "12345678901234567890",
            ),
            (&format!("'{UUID}'::uuid::text"), UUID),
            (&format!("E'{UUID}'::uuid::character varying"), UUID),
        ] {
            assert_eq!(said(value).as_deref(), Some(text), "{value}");
        }
        for value in [
            "42",
            "1.0::text",
            "1e2::text",
            "0x2A::text",
            "1_000::text",
            "00012345678901::text",
            "-42::text",
            "42::int2::text",
            &format!("'{}'::uuid::text", UUID.to_uppercase()),
            &format!("'{{{UUID}}}'::uuid::text"),
            &format!("'{UUID}'::uuid"),
            &format!("'{UUID}'::uuid::text::name"),
            &format!("'{UUID}'::\"UUID\"::text"),
            "'acme'::uuid::text",
        ] {
            assert_eq!(said(value), None, "{value}");
        }
    }
}
