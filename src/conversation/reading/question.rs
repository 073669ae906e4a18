//! The question about a parameter that goes behind an Execute.

use super::Behind;
use crate::protocol::frame::{message, put_cstr};
use crate::zone::NAME_LENGTH;
use crate::zone::spelling::Spelling;

/// Appends it behind an Execute, without Sync: Close, Parse, Bind, Execute, and Close of both, under a
/// name of this connection's own. The client's unnamed portal stays.
pub fn put_behind(
    out: &mut Vec<u8>,
    own: &[u8; NAME_LENGTH],
    behind: &Behind<'_>,
    spelling: &Spelling,
) {
    let close = |out: &mut Vec<u8>, kind| {
        message(out, b'C', |out| {
            out.push(kind);
            put_cstr(out, own);
        });
    };
    close(out, b'S');
    message(out, b'P', |out| {
        put_cstr(out, own);
        let text = out.len();
        put_cstr(out, behind.text.as_bytes());
        spelling.respell(&mut out[text..]);
        out.extend_from_slice(&0u16.to_be_bytes());
    });
    message(out, b'B', |out| {
        put_cstr(out, own);
        put_cstr(out, own);
        out.extend_from_slice(&[0; 6]); // no formats, no values, no formats of results
    });
    message(out, b'E', |out| {
        put_cstr(out, own);
        out.extend_from_slice(&0u32.to_be_bytes());
    });
    close(out, b'P');
    close(out, b'S');
}
