//! What is bound: the values of a Bind message.

use std::borrow::Cow;

use super::frame::cstr;

/// The value with this number (from 1), as bytes of its format; `Some(None)`: NULL. None: the message
/// has no such value, or is not laid out as a Bind is. `body`: the whole of it.
pub fn value(body: &[u8], number: u16) -> Option<Option<&[u8]>> {
    let (values, mut rest) = all(body)?;
    if number == 0 || number > values {
        return None;
    }
    let mut found = None;
    for _ in 0..number {
        (found, rest) = next(rest)?;
    }
    Some(found)
}

/// Is the value with this number (from 1) in binary format, and not in text? None: the message says neither.
pub fn is_binary(body: &[u8], number: u16) -> Option<bool> {
    let (_, rest) = cstr(body)?;
    let (_, rest) = cstr(rest)?;
    let (formats, rest) = count(rest)?;
    let at = match formats {
        0 => return Some(false),
        1 => 0,
        _ if number > formats => return None,
        _ => usize::from(number.checked_sub(1)?),
    };
    match count(rest.get(2 * at..)?)?.0 {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// A boolean as PostgreSQL reads one, in this format; none: it is none.
pub fn boolean(value: &[u8], binary: bool) -> Option<bool> {
    if binary {
        return match value {
            [byte] => Some(*byte != 0),
            _ => None,
        };
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let first = value.iter().position(|byte| !is_space(byte))?;
    let last = value.iter().rposition(|byte| !is_space(byte))?;
    let word = value[first..=last].to_ascii_lowercase();
    let begins = |whole: &[u8]| whole.starts_with(&word);
    match &word[..] {
        b"on" | b"1" => Some(true),
        b"of" | b"off" | b"0" => Some(false),
        _ if begins(b"true") || begins(b"yes") => Some(true),
        _ if begins(b"false") || begins(b"no") => Some(false),
        _ => None,
    }
}

/// Types whose values are text byte by byte: text, unknown and varchar, and 0 where none is declared.
pub const TEXTS: [u32; 4] = [0, 25, 705, 1043];

/// Types of which [`spelled`] knows how PostgreSQL casts them to text: int8, int2, int4, uuid.
pub const SPELLED: [u32; 4] = [20, 21, 23, 2950];

/// A value of one of these types in this format, as PostgreSQL casts it to text. None: it is none of the type, or not
/// UTF-8; what the server takes nevertheless is the same in another spelling.
pub fn spelled(value: &[u8], oid: u32, binary: bool) -> Option<Cow<'_, str>> {
    let integer = |least: i64, most: i64, length: usize| {
        let number = match binary {
            false => std::str::from_utf8(value).ok()?.trim_ascii().parse().ok()?,
            true if value.len() != length => return None,
            true => {
                let sign = value.first()? & 0x80 != 0;
                let start = if sign { -1 } else { 0 };
                value
                    .iter()
                    .fold(start, |all: i64, byte| all << 8 | i64::from(*byte))
            }
        };
        let number: i64 = Some(number).filter(|it| (least..=most).contains(it))?;
        Some(Cow::from(number.to_string()))
    };
    match oid {
        20 => integer(i64::MIN, i64::MAX, 8),
        21 => integer(i16::MIN.into(), i16::MAX.into(), 2),
        23 => integer(i32::MIN.into(), i32::MAX.into(), 4),
        2950 => uuid(value, binary).map(Cow::from),
        _ if TEXTS.contains(&oid) => std::str::from_utf8(value).ok().map(Cow::from),
        _ => None,
    }
}

/// PostgreSQL takes hexadecimal digits of either case, hyphens behind any four of them, and braces around all.
fn uuid(value: &[u8], binary: bool) -> Option<String> {
    // In braces, and a hyphen behind each four digits.
    const LONGEST: usize = 2 + 32 + 7;
    if value.len() > LONGEST {
        return None;
    }
    let mut digits = String::with_capacity(2 * LONGEST);
    match binary {
        true => value
            .iter()
            .for_each(|byte| digits.push_str(&format!("{byte:02x}"))),
        false => {
            let inner = value
                .strip_prefix(b"{")
                .and_then(|rest| rest.strip_suffix(b"}"));
            let all = inner.unwrap_or(value).iter().filter(|byte| **byte != b'-');
            digits.extend(all.map(|byte| char::from(byte.to_ascii_lowercase())));
        }
    }
    let is_one = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_one {
        return None;
    }
    [20, 16, 12, 8]
        .into_iter()
        .for_each(|at| digits.insert(at, '-'));
    Some(digits)
}

/// All of them, in one pass over the message; NULL is none. None: it is not laid out as a Bind is.
pub fn values(body: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let (count, mut rest) = all(body)?;
    let mut values = Vec::new();
    for _ in 0..count {
        let (value, behind) = next(rest)?;
        values.push(value);
        rest = behind;
    }
    Some(values)
}

/// How many values there are, and where they begin.
fn all(body: &[u8]) -> Option<(u16, &[u8])> {
    let (_, rest) = cstr(body)?;
    let (_, rest) = cstr(rest)?;
    let (formats, rest) = count(rest)?;
    count(rest.get(2 * usize::from(formats)..)?)
}

/// The value at the head, and what is behind it.
fn next(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, behind) = bytes.split_first_chunk()?;
    match i32::from_be_bytes(*length) {
        -1 => Some((None, behind)),
        length => {
            let (value, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
            Some((Some(value), behind))
        }
    }
}

/// The type that a Parse declares for the value with this number (from 1); 0: none. `types`: their
/// count and they.
pub fn declared_type(types: &[u8], number: u16) -> Option<u32> {
    let (declared, rest) = count(types)?;
    if number > declared {
        return Some(0);
    }
    let at = 4 * usize::from(number.checked_sub(1)?);
    let oid = rest.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*oid))
}

fn count(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*count), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_uuids_are_spelled_as_postgresql_spells_them() {
        const UUID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        let spelled = |value: &[u8], oid, binary| spelled(value, oid, binary).map(Cow::into_owned);
        for (value, oid, binary, text) in [
            (&b"007"[..], 23, false, "7"),
            (b" -12 ", 20, false, "-12"),
            (b"+5", 21, false, "5"),
            (b"\xff\xff", 21, true, "-1"),
            (b"\0\0\x01\0", 23, true, "256"),
            (b"\x80\0\0\0\0\0\0\0", 20, true, "-9223372036854775808"),
            (b"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", 2950, false, UUID),
            (b"{a0eebc999c0b4ef8bb6d6bb9bd380a11}", 2950, false, UUID),
            (
                b"\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11",
                2950,
                true,
                UUID,
            ),
            ("é".as_bytes(), 25, false, "é"),
            (b"x", 0, true, "x"),
        ] {
            assert_eq!(spelled(value, oid, binary).as_deref(), Some(text));
        }
        for (value, oid, binary) in [
            (&b"40000"[..], 21, false),
            (b"1.0", 23, false),
            (b"", 23, false),
            (b"\0\0\x01", 23, true),
            (b"a0eebc99", 2950, false),
            (b"g0eebc999c0b4ef8bb6d6bb9bd380a11", 2950, false),
            ("éééééééééééééééé".as_bytes(), 2950, false),
            (b"\xff", 25, false),
            (b"1", 1700, false),
        ] {
            assert_eq!(spelled(value, oid, binary), None, "{value:?}");
        }
    }

    #[test]
    fn a_value_is_found_by_its_number_or_not_at_all() {
        let body = b"p\0s\0\0\x01\0\x01\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0\0\0";
        assert_eq!(value(body, 1), Some(Some(&b"ab"[..])));
        assert_eq!(value(body, 2), Some(None));
        assert_eq!(value(body, 3), Some(Some(&b""[..])));
        assert_eq!(value(body, 4), None);
        assert_eq!(value(body, 0), None);
        assert_eq!(values(body), Some(vec![Some(&b"ab"[..]), None, Some(b"")]));
        for end in 0..16 {
            assert_eq!(value(&body[..end], 1), None, "{end}");
            assert_eq!(values(&body[..end]), None, "{end}");
        }
        let lies = b"\0\0\0\0\0\x01\x7f\xff\xff\xffab";
        assert_eq!(value(lies, 1), None);
        let negative = b"\0\0\0\0\0\x01\xff\xff\xff\xfeab";
        assert_eq!(value(negative, 1), None);
    }

    #[test]
    fn formats_are_one_for_all_or_one_for_each() {
        let body = |formats: &[u8]| [&b"p\0s\0"[..], formats].concat();
        for (formats, wanted) in [
            (&b"\0\0"[..], [Some(false); 2]),
            (b"\0\x01\0\x01", [Some(true); 2]),
            (b"\0\x02\0\0\0\x01", [Some(false), Some(true)]),
            (b"\0\x02\0\x02\0\0", [None, Some(false)]),
            (b"\0\x02\0\x01", [Some(true), None]),
            (b"\0", [None; 2]),
        ] {
            let is = [1, 2].map(|number| is_binary(&body(formats), number));
            assert_eq!(is, wanted, "{formats:?}");
        }
        let two = body(b"\0\x02\0\0\0\x01");
        assert_eq!([is_binary(&two, 0), is_binary(&two, 3)], [None, None]);
    }

    #[test]
    fn booleans_are_read_as_postgresql_reads_them() {
        for (text, wanted) in [
            ("t tr tru true y ye yes on 1 T TRUE yEs On", Some(true)),
            (
                "f fa fal fals false n no of off 0 F FALSE No OFF",
                Some(false),
            ),
            (
                "o offf onn truee 2 01 00 -1 x tf yesno \0 t\0 \u{a0}t",
                None,
            ),
        ] {
            for word in text.split(' ') {
                assert_eq!(boolean(word.as_bytes(), false), wanted, "{word:?}");
                let spaced = format!(" \t\n{word}\x0b\x0c\r ");
                assert_eq!(boolean(spaced.as_bytes(), false), wanted, "{word:?}");
            }
        }
        assert_eq!([boolean(b"", false), boolean(b" ", false)], [None, None]);
        for (bytes, wanted) in [
            (&[0][..], Some(false)),
            (&[1], Some(true)),
            (b"f", Some(true)),
            (b"", None),
            (&[0, 0], None),
        ] {
            assert_eq!(boolean(bytes, true), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_declared_has_no_type() {
        let types = [0, 2, 0, 0, 0, 25, 0, 0, 0x04, 0x13];
        assert_eq!(declared_type(&types, 1), Some(25));
        assert_eq!(declared_type(&types, 2), Some(1043));
        assert_eq!(declared_type(&types, 3), Some(0));
        assert_eq!(declared_type(&types[..8], 2), None);
        assert_eq!(declared_type(&types, 0), None);
    }
}
