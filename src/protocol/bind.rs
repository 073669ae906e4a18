//! What is bound: the values of a Bind message.

use super::frame::cstr;

/// The value with this number (from 1), as bytes of its format; `Some(None)`: NULL. None: the message
/// has no such value, or is not laid out as a Bind is. `body`: the whole of it.
pub fn value(body: &[u8], number: u16) -> Option<Option<&[u8]>> {
    let (_, rest) = cstr(body)?;
    let (_, rest) = cstr(rest)?;
    let (formats, rest) = count(rest)?;
    let rest = rest.get(2 * usize::from(formats)..)?;
    let (values, mut rest) = count(rest)?;
    if number == 0 || number > values {
        return None;
    }
    let mut found = None;
    for _ in 0..number {
        let (length, behind) = rest.split_first_chunk()?;
        (found, rest) = match i32::from_be_bytes(*length) {
            -1 => (None, behind),
            length => {
                let (value, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(value), behind)
            }
        };
    }
    Some(found)
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
        for end in 0..16 {
            assert_eq!(value(&body[..end], 1), None, "{end}");
        }
        let lies = b"\0\0\0\0\0\x01\x7f\xff\xff\xffab";
        assert_eq!(value(lies, 1), None);
        let negative = b"\0\0\0\0\0\x01\xff\xff\xff\xfeab";
        assert_eq!(value(negative, 1), None);
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
