//! The value behind a token's spelling: folded and decoded names, decoded string constants.

use super::lexer::continuation;
use super::token::{Kind, Token, UNKNOWN_ESCAPE};

/// PostgreSQL's `NAMEDATALEN - 1`: identifiers are cut to this many bytes.
const MAX_NAME: usize = 63;

/// The identifier that `token` spells: unquoted ones in ASCII lower case, quotes and `U&` decoded,
/// cut to 63 bytes. None when it cannot be decoded (PostgreSQL refuses it too, or its escape
/// character is spelled in an unusual way).
pub(super) fn identifier(text: &[u8], token: &Token) -> Option<String> {
    let spelled = token.of(text);
    let mut name = match token.kind {
        Kind::Word => String::from_utf8(spelled.to_ascii_lowercase()).ok()?,
        Kind::Quoted => String::from_utf8(undouble(spelled.get(1..spelled.len() - 1)?)).ok()?,
        Kind::UnicodeQuoted => {
            unicode(&undouble(spelled.get(3..spelled.len() - 1)?), token.escape)?
        }
        _ => return None,
    };
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    Some(name)
}

/// The text of a string constant. None when it cannot be decoded.
pub(super) fn string(text: &[u8], token: &Token) -> Option<String> {
    let spelled = token.of(text);
    let quote = spelled.iter().position(|byte| *byte == b'\'');
    match token.kind {
        Kind::DollarString => {
            let tag = 2 + spelled.get(1..)?.iter().position(|byte| *byte == b'$')?;
            String::from_utf8(spelled.get(tag..spelled.len() - tag)?.to_vec()).ok()
        }
        Kind::String => String::from_utf8(joined(spelled, quote? + 1, false)).ok(),
        Kind::EscapeString => escaped(&joined(spelled, quote? + 1, true)),
        Kind::UnicodeString => unicode(&joined(spelled, quote? + 1, false), token.escape),
        _ => None,
    }
}

/// `""` in a quoted identifier is one quote.
fn undouble(inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        out.push(*byte);
        if *byte == b'"' {
            bytes.next();
        }
    }
    out
}

/// The parts of a string constant, joined, doubled quotes undone; backslashes stay.
fn joined(spelled: &[u8], mut at: usize, backslash: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(spelled.len());
    while let Some(&byte) = spelled.get(at) {
        match byte {
            b'\\' if backslash => {
                // The escaped byte must not be taken for a quote: it is kept with its backslash.
                out.extend(spelled[at..].iter().take(2));
                at += 2;
            }
            b'\'' if spelled.get(at + 1) == Some(&b'\'') => {
                out.push(b'\'');
                at += 2;
            }
            b'\'' => match continuation(spelled, at + 1) {
                Some(next) => at = next,
                None => break,
            },
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Backslash escapes of `E'...'`.
fn escaped(inner: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let code = *inner.get(at)?;
        at += 1;
        match code {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            // The letter up to PostgreSQL 15, a vertical tab from 16 on.
            b'v' => return None,
            b'0'..=b'7' => {
                let (value, used) = number(&inner[at - 1..], 3, 8);
                out.push(value as u8);
                at += used - 1;
            }
            b'x' => {
                let (value, used) = number(&inner[at..], 2, 16);
                out.push(if used == 0 { b'x' } else { value as u8 });
                at += used;
            }
            b'u' | b'U' => {
                let width = if code == b'u' { 4 } else { 8 };
                let (value, used) = number(&inner[at..], width, 16);
                // A surrogate is no char: the pair is left undecoded, so the value is unknown.
                let character = char::from_u32(value).filter(|_| used == width)?;
                out.extend(character.encode_utf8(&mut [0; 4]).bytes());
                at += used;
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

/// `\0061` and `\+000061` of `U&`, with any escape character.
fn unicode(inner: &[u8], escape: u8) -> Option<String> {
    if escape == UNKNOWN_ESCAPE {
        return None;
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        at += 1;
        if byte != escape {
            out.push(byte);
        } else if inner.get(at) == Some(&escape) {
            out.push(escape);
            at += 1;
        } else {
            let wide = inner.get(at) == Some(&b'+');
            at += usize::from(wide);
            let width = if wide { 6 } else { 4 };
            let (value, used) = number(inner.get(at..)?, width, 16);
            let character = char::from_u32(value).filter(|_| used == width)?;
            out.extend(character.encode_utf8(&mut [0; 4]).bytes());
            at += used;
        }
    }
    String::from_utf8(out).ok()
}

/// Up to `width` digits of `radix` at the start: their value and how many there are.
fn number(bytes: &[u8], width: usize, radix: u32) -> (u32, usize) {
    let digits = bytes
        .iter()
        .take(width)
        .map_while(|byte| char::from(*byte).to_digit(radix));
    digits.fold((0, 0), |(value, used), digit| {
        (value.wrapping_mul(radix).wrapping_add(digit), used + 1)
    })
}
