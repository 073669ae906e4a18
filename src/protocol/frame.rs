//! Framing: one type byte, a length that counts itself, a body.

/// Bytes of type and length.
pub const HEADER: usize = 5;

/// The largest length that PostgreSQL accepts for a message (`PQ_LARGE_MESSAGE_LIMIT`).
pub const MAX_LENGTH: usize = 0x3fff_fffe;

/// Type and size of the message at the head of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type byte.
    pub kind: u8,
    /// Bytes of the whole message, type and length included; at least [`HEADER`].
    pub total: usize,
}

/// The length field is below 4 or above [`MAX_LENGTH`]: the stream cannot be followed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength;

/// Reads the header at the head of `bytes`; `None` when fewer than [`HEADER`] bytes are there.
#[inline]
pub fn header(bytes: &[u8]) -> Result<Option<Header>, BadLength> {
    let [kind, a, b, c, d, ..] = *bytes else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if !(4..=MAX_LENGTH).contains(&length) {
        return Err(BadLength);
    }
    Ok(Some(Header {
        kind,
        total: length + 1,
    }))
}

/// Splits a NUL-terminated string off the head of `bytes`: the string without its NUL, and the rest.
#[inline]
pub fn cstr(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Appends one message: `body` writes after the header, the length is filled in.
pub fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
    body(out);
    let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
    out[start + 1..start + HEADER].copy_from_slice(&length.to_be_bytes());
}

/// Appends a string and its NUL.
pub fn put_cstr(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.push(0);
}

/// Sync.
pub const SYNC: &[u8] = b"S\0\0\0\x04";
/// Flush.
pub const FLUSH: &[u8] = b"H\0\0\0\x04";
/// Terminate.
pub const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// The value of a DataRow's body that has only one, as text; none for NULL and for what is malformed.
pub fn only_value(row: &[u8]) -> Option<&str> {
    let (count, rest) = row.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    let whole = u16::from_be_bytes(*count) == 1 && rest.len() == length;
    std::str::from_utf8(rest).ok().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_needs_five_bytes_and_a_length_that_makes_sense() {
        assert_eq!(header(b"Q\0\0\0"), Ok(None));
        assert_eq!(
            header(SYNC),
            Ok(Some(Header {
                kind: b'S',
                total: 5
            }))
        );
        assert_eq!(header(b"Q\0\0\0\x03"), Err(BadLength));
        assert_eq!(header(b"Q\xff\xff\xff\xff"), Err(BadLength));
        assert_eq!(header(b"Q\x40\0\0\0"), Err(BadLength));
    }

    #[test]
    fn a_message_carries_its_own_length() {
        let mut out = vec![1];
        message(&mut out, b'Q', |body| put_cstr(body, b"x"));
        assert_eq!(out, b"\x01Q\0\0\0\x06x\0");
    }

    #[test]
    fn a_string_ends_at_its_nul() {
        assert_eq!(cstr(b"ab\0c"), Some((&b"ab"[..], &b"c"[..])));
        assert_eq!(cstr(b"ab"), None);
    }

    #[test]
    fn one_value_is_read_and_nothing_else() {
        assert_eq!(only_value(b"\0\x01\0\0\0\x02on"), Some("on"));
        assert_eq!(only_value(b"\0\x01\0\0\0\0"), Some(""));
        for bad in [
            &b"\0\x01\xff\xff\xff\xff"[..],
            b"\0\x02\0\0\0\x02on",
            b"\0\x01\0\0\0\x03on",
            b"",
        ] {
            assert_eq!(only_value(bad), None);
        }
    }
}
