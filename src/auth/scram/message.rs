//! The grammar that both sides share: `a=value` attributes, separated by commas.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{MAX_MESSAGE, NONCE_BYTES, ScramError};

/// A message as text, within bounds. NUL and other control characters have no place in one.
pub(super) fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE {
        return Err(ScramError::TooLong { len: message.len() });
    }
    let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed("not UTF-8"))?;
    match text.bytes().any(|b| b.is_ascii_control()) {
        true => Err(ScramError::Malformed("control character")),
        false => Ok(text),
    }
}

/// Reads attributes in order.
pub(super) struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// The value of the next attribute, which must be `name`; `m=` is told apart for the log.
    pub(super) fn expect(
        &mut self,
        name: char,
        missing: &'static str,
    ) -> Result<&'a str, ScramError> {
        match self.next()? {
            Some((found, value)) if found == name => Ok(value),
            Some(('m', _)) => Err(ScramError::MandatoryExtension),
            _ => Err(ScramError::Malformed(missing)),
        }
    }

    /// Reads what follows the known attributes: optional extensions, which are ignored (RFC 5802,
    /// section 5.1). An attribute with a meaning of its own is no extension in that place.
    pub(super) fn skip_extensions(&mut self) -> Result<(), ScramError> {
        while let Some((name, _)) = self.next()? {
            match name {
                'm' => return Err(ScramError::MandatoryExtension),
                'a' | 'c' | 'e' | 'i' | 'n' | 'p' | 'r' | 's' | 'v' => {
                    return Err(ScramError::Malformed("attribute out of place"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(char, &'a str)>, ScramError> {
        let Some(rest) = self.rest else {
            return Ok(None);
        };
        let (attribute, rest) = match rest.split_once(',') {
            Some((attribute, rest)) => (attribute, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        let mut chars = attribute.chars();
        match (chars.next(), chars.next()) {
            (Some(name), Some('=')) if name.is_ascii_alphabetic() => {
                Ok(Some((name, chars.as_str())))
            }
            _ => Err(ScramError::Malformed("attribute expected")),
        }
    }
}

/// A nonce: printable ASCII but the comma, at least one character.
pub(super) fn nonce(value: &str) -> Result<&str, ScramError> {
    match !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        true => Ok(value),
        false => Err(ScramError::Malformed("nonce")),
    }
}

/// 32 bytes in base64, which must be exactly that.
pub(super) fn key(value: &str, part: &'static str) -> Result<[u8; 32], ScramError> {
    let bytes = STANDARD.decode(value).map(Zeroizing::new);
    bytes
        .ok()
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(ScramError::Malformed(part))
}

/// Random bytes as a nonce of 24 characters.
pub(super) fn encode_nonce(nonce: [u8; NONCE_BYTES]) -> String {
    STANDARD.encode(nonce)
}
