//! ParameterStatus: the parameters that decide how the server reads SQL.

use super::frame::cstr;

/// Does this body of a ParameterStatus say that the server reads SQL in another way than Portcullis:
/// other than UTF-8, or with a backslash that escapes in any string?
pub fn changes_lexing(body: &[u8]) -> bool {
    let value = |rest| cstr(rest).map_or(rest, |(value, _)| value);
    match cstr(body) {
        // The one alias that PostgreSQL keeps as it was written.
        Some((b"client_encoding", rest)) => !matches!(value(rest), b"UTF8" | b"UNICODE"),
        Some((b"standard_conforming_strings", rest)) => value(rest) != b"on",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::changes_lexing;

    #[test]
    fn only_what_moves_the_end_of_a_string_counts() {
        for body in [
            &b"client_encoding\0UTF8\0"[..],
            b"client_encoding\0UNICODE\0",
            b"standard_conforming_strings\0on\0",
            b"TimeZone\0off\0",
            b"client_encoding_\0SJIS\0",
            b"",
        ] {
            assert!(!changes_lexing(body), "{body:?}");
        }
        for body in [
            &b"client_encoding\0SJIS\0"[..],
            b"client_encoding\0",
            b"client_encoding\0UNICODE_\0",
            b"standard_conforming_strings\0off\0",
            b"standard_conforming_strings\0off",
        ] {
            assert!(changes_lexing(body), "{body:?}");
        }
    }
}
