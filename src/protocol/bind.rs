//! What is bound: the values of a Bind message.

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
