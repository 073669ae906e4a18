//! ErrorResponse and NoticeResponse: reading the fields that matter, moving the position.
//!
//! Source: PostgreSQL documentation, "Error and Notice Message Fields".

use super::frame::{self, HEADER, cstr};

/// The fields of an ErrorResponse that Portcullis acts on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// `V` (or `S` where the server is older): FATAL and PANIC end the connection.
    pub severity: &'a [u8],
    /// `C`: five characters; empty when the server sent none.
    pub sqlstate: &'a [u8],
    /// `M`.
    pub message: &'a [u8],
}

impl Fields<'_> {
    /// LOG, DEBUG5 to DEBUG1: of a notice, that it is what the server writes into its log.
    pub fn is_for_the_log(&self) -> bool {
        self.severity == b"LOG" || self.severity.starts_with(b"DEBUG")
    }

    /// FATAL or PANIC: the server closes the connection after it.
    pub fn ends_connection(&self) -> bool {
        matches!(self.severity, b"FATAL" | b"PANIC")
    }
}

/// Reads the body of an ErrorResponse; what is malformed counts as absent.
pub fn read(mut body: &[u8]) -> Fields<'_> {
    let mut fields = Fields::default();
    while let Some((&kind, rest)) = body.split_first() {
        if kind == 0 {
            break;
        }
        let Some((value, rest)) = cstr(rest) else {
            break;
        };
        match kind {
            b'V' => fields.severity = value,
            b'S' if fields.severity.is_empty() => fields.severity = value,
            b'C' => fields.sqlstate = value,
            b'M' => fields.message = value,
            _ => {}
        }
        body = rest;
    }
    fields
}

/// Appends an ErrorResponse with the fields of this one that tell about no statement (severity, code, message, detail and
/// hint), as far as `message`, or its beginning, has them whole: PostgreSQL puts bound values into the context.
pub fn put_bare(out: &mut Vec<u8>, message: &[u8]) {
    frame::message(out, b'E', |out| {
        let mut body = message.get(HEADER..).unwrap_or_default();
        while let Some((&kind, rest)) = body.split_first() {
            let Some((value, rest)) = cstr(rest).filter(|_| kind != 0) else {
                break;
            };
            body = rest;
            if matches!(kind, b'S' | b'V' | b'C' | b'M' | b'D' | b'H') {
                out.push(kind);
                frame::put_cstr(out, value);
            }
        }
        out.push(0);
    });
}

/// Appends `message` (a whole ErrorResponse or NoticeResponse) with field `P` as `moved` says: from the
/// position in the text that the server saw (characters, from 1) to that in the client's own. One
/// that has no place there is left out.
pub fn put_moved(out: &mut Vec<u8>, message: &[u8], moved: impl Fn(u32) -> Option<u32>) {
    frame::message(out, message[0], |out| {
        let mut body = &message[HEADER..];
        while let Some((&kind, rest)) = body.split_first() {
            let Some((value, rest)) = cstr(rest).filter(|_| kind != 0) else {
                out.extend_from_slice(body);
                return;
            };
            body = rest;
            let place = (kind == b'P').then(|| {
                let position = std::str::from_utf8(value).ok()?.parse::<u32>().ok()?;
                moved(position)
            });
            match place {
                None => {
                    out.push(kind);
                    frame::put_cstr(out, value);
                }
                Some(Some(moved)) => {
                    out.push(b'P');
                    frame::put_cstr(out, moved.to_string().as_bytes());
                }
                Some(None) => {}
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fields: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame::message(&mut out, b'E', |body| body.extend_from_slice(fields));
        out
    }

    #[test]
    fn the_localised_severity_does_not_count() {
        let body = b"SFATAAL\0VFATAL\0C57P01\0Mbye\0\0";
        let fields = read(body);
        assert!(fields.ends_connection());
        assert_eq!(fields.sqlstate, b"57P01");
        assert_eq!(fields.message, b"bye");
    }

    #[test]
    fn malformed_bodies_are_read_as_far_as_they_go() {
        assert_eq!(read(b""), Fields::default());
        assert_eq!(read(b"C420"), Fields::default());
        assert_eq!(read(b"C42P01\0Mno").sqlstate, b"42P01");
    }

    #[test]
    fn a_bare_error_has_no_context() {
        let whole = error(b"SERROR\0VERROR\0C42501\0Mno\0Wwith $1 = 'x'\0qselect\0Hask\0P3\0\0");
        let mut out = Vec::new();
        put_bare(&mut out, &whole);
        assert_eq!(out, error(b"SERROR\0VERROR\0C42501\0Mno\0Hask\0\0"));
        for cut in 0..whole.len() {
            out.clear();
            put_bare(&mut out, &whole[..cut]);
            assert!(out.ends_with(b"\0") && out.len() <= whole.len(), "{cut}");
        }
    }

    #[test]
    fn the_position_moves_and_nothing_else_does() {
        let mut out = Vec::new();
        let less = |position: u32| position.checked_sub(19).filter(|moved| *moved > 0);
        put_moved(&mut out, &error(b"SERROR\0C42601\0P25\0\0"), less);
        assert_eq!(out, error(b"SERROR\0C42601\0P6\0\0"));
        out.clear();
        put_moved(&mut out, &error(b"P19\0C42601\0\0"), less);
        assert_eq!(out, error(b"C42601\0\0"));
        out.clear();
        put_moved(&mut out, &error(b"C42601"), less);
        assert_eq!(out, error(b"C42601"));
    }
}
