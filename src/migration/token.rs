//! PURE. Names and secrets of migration sessions: `mig_4k7qz2hd`, `pcm_...`,
//! `migrator.mig_4k7qz2hd`. Random bytes are arguments.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const ID_PREFIX: &str = "mig_";
const ID_LETTERS: usize = 8;
const TOKEN_PREFIX: &str = "pcm_";
/// Random letters of a token: 34 x log2(62) = 202 bits.
const TOKEN_LETTERS: usize = 34;
/// Letters of its checksum: 62^6 > 2^32.
const CHECKSUM_LETTERS: usize = 6;

/// How many random bytes [`SessionId::from_random`] wants.
pub const ID_RANDOM: usize = 32;
/// How many random bytes [`Token::from_random`] wants.
pub const TOKEN_RANDOM: usize = 96;

/// The public name of a migration session: `mig_` and eight of `[0-9a-z]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; ID_LETTERS]);

impl SessionId {
    /// An id from random bytes. None (once in about 10^40 calls): take other bytes.
    pub fn from_random(random: &[u8; ID_RANDOM]) -> Option<Self> {
        let mut letters = [0; ID_LETTERS];
        spell(random, BASE36, &mut letters).then_some(Self(letters))
    }
}

impl FromStr for SessionId {
    type Err = NotASessionId;

    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        let letters = text.strip_prefix(ID_PREFIX).ok_or(NotASessionId)?;
        let letters: [u8; ID_LETTERS] = letters.as_bytes().try_into().map_err(|_| NotASessionId)?;
        if letters.iter().all(|letter| BASE36.contains(letter)) {
            Ok(Self(letters))
        } else {
            Err(NotASessionId)
        }
    }
}

/// The text is not `mig_` and eight of `[0-9a-z]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASessionId;

impl fmt::Display for NotASessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a migration session's id is mig_ and eight lower-case letters or digits")
    }
}

impl std::error::Error for NotASessionId {}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ID_PREFIX)?;
        self.0
            .iter()
            .try_for_each(|letter| write!(f, "{}", *letter as char))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The login that belongs to a session: `migrator.mig_4k7qz2hd`.
pub fn login_of(role: &str, id: SessionId) -> String {
    format!("{role}.{id}")
}

/// The role and the session of a login, or None if it is an ordinary one. Splits at the last dot,
/// so a role may contain dots.
pub fn split_login(login: &str) -> Option<(&str, SessionId)> {
    let (role, id) = login.rsplit_once('.')?;
    if role.is_empty() {
        return None;
    }
    Some((role, id.parse().ok()?))
}

/// The secret of a migration session: `pcm_` and 40 of `[0-9A-Za-z]`, the last six of them a
/// checksum of the others, so that scanners are sure and typos are found before a login is tried.
/// Shown once; wiped from memory when dropped; never in `Debug`.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A token from random bytes. None (once in about 10^50 calls): take other bytes.
    pub fn from_random(random: &[u8; TOKEN_RANDOM]) -> Option<Self> {
        let mut letters = Zeroizing::new([0; TOKEN_LETTERS]);
        if !spell(random, BASE62, letters.as_mut()) {
            return None;
        }
        let mut text = Zeroizing::new(String::with_capacity(
            TOKEN_PREFIX.len() + TOKEN_LETTERS + CHECKSUM_LETTERS,
        ));
        text.push_str(TOKEN_PREFIX);
        text.extend(letters.iter().map(|letter| *letter as char));
        text.extend(checksum(letters.as_ref()).map(char::from));
        Some(Self(text))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let letters = text
            .strip_prefix(TOKEN_PREFIX)
            .ok_or(NotAToken::Form)?
            .as_bytes();
        if letters.len() != TOKEN_LETTERS + CHECKSUM_LETTERS
            || !letters.iter().all(u8::is_ascii_alphanumeric)
        {
            return Err(NotAToken::Form);
        }
        let (random, sum) = letters.split_at(TOKEN_LETTERS);
        if checksum(random) != sum {
            return Err(NotAToken::Checksum);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why a text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAToken {
    /// Another prefix, length or alphabet.
    Form,
    /// The right form, but mistyped: the checksum differs.
    Checksum,
}

impl fmt::Display for NotAToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a token is pcm_ and 40 letters or digits",
            Self::Checksum => "the token is mistyped: its checksum does not fit",
        })
    }
}

impl std::error::Error for NotAToken {}

/// Spells `letters` in `alphabet`, one random byte per letter. Bytes beyond the largest multiple
/// of the alphabet's size are passed over, so that every letter is equally likely. False when the
/// bytes did not suffice.
fn spell(random: &[u8], alphabet: &[u8], letters: &mut [u8]) -> bool {
    let size = alphabet.len();
    let usable = 256 / size * size;
    let mut bytes = random
        .iter()
        .map(|byte| usize::from(*byte))
        .filter(|byte| *byte < usable);
    letters.iter_mut().all(|letter| match bytes.next() {
        Some(byte) => {
            *letter = alphabet[byte % size];
            true
        }
        None => false,
    })
}

/// CRC-32 (ISO 3309) of the letters, in base 62, most significant first.
fn checksum(letters: &[u8]) -> [u8; CHECKSUM_LETTERS] {
    let mut crc = u32::MAX;
    for byte in letters {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    let mut rest = !crc as usize;
    let mut sum = [0; CHECKSUM_LETTERS];
    for digit in sum.iter_mut().rev() {
        *digit = BASE62[rest % BASE62.len()];
        rest /= BASE62.len();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp<const N: usize>(start: u8) -> [u8; N] {
        std::array::from_fn(|i| start.wrapping_add(i as u8))
    }

    #[test]
    fn ids_are_spelt_and_read_back() {
        let id = SessionId::from_random(&ramp(0)).expect("enough bytes");
        assert_eq!(id.to_string(), "mig_01234567");
        assert_eq!("mig_01234567".parse(), Ok(id));
        for wrong in [
            "mig_0123456",
            "mig_012345678",
            "mig_0123456A",
            "MIG_01234567",
            "01234567",
            "mig_0123456é",
            "",
        ] {
            assert_eq!(wrong.parse::<SessionId>(), Err(NotASessionId), "{wrong}");
        }
    }

    #[test]
    fn letters_are_unbiased() {
        // 252..=255 would make 0, 1, 2 and 3 likelier than the rest.
        let mut random = [255; ID_RANDOM];
        random[24..].copy_from_slice(&[251; 8]);
        assert_eq!(
            SessionId::from_random(&random)
                .expect("eight usable bytes")
                .to_string(),
            "mig_zzzzzzzz"
        );
        random[31] = 252;
        assert_eq!(SessionId::from_random(&random), None);
        assert!(Token::from_random(&[248; TOKEN_RANDOM]).is_none());
    }

    #[test]
    fn the_checksum_is_crc32() {
        // The published check value of this CRC-32.
        let mut value = 0_u64;
        for digit in checksum(b"123456789") {
            value = value * 62 + BASE62.iter().position(|d| *d == digit).expect("base 62") as u64;
        }
        assert_eq!(value, 0xCBF4_3926);
    }

    #[test]
    fn a_token_is_read_back_and_any_single_typo_is_found() {
        let token = Token::from_random(&ramp(7)).expect("enough bytes");
        let text = token.reveal().to_owned();
        assert_eq!(text.len(), 44);
        assert_eq!(text.parse::<Token>().expect("a token").reveal(), text);
        for at in 4..text.len() {
            for wrong in BASE62
                .iter()
                .filter(|letter| **letter != text.as_bytes()[at])
            {
                let mut typo = text.clone().into_bytes();
                typo[at] = *wrong;
                let typo = String::from_utf8(typo).expect("ascii");
                assert_eq!(
                    typo.parse::<Token>().err(),
                    Some(NotAToken::Checksum),
                    "{typo}"
                );
            }
        }
        for wrong in [
            "",
            "pcm_",
            &text[..43],
            &format!("{text}0"),
            &text.replace("pcm", "ghp"),
            &text.replace('7', "-"),
        ] {
            assert_eq!(
                wrong.parse::<Token>().err(),
                Some(NotAToken::Form),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        let token = Token::from_random(&ramp(0)).expect("enough bytes");
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn a_login_is_split_at_the_last_dot_only_when_the_rest_is_an_id() {
        let id: SessionId = "mig_4k7qz2hd".parse().expect("an id");
        assert_eq!(login_of("migrator", id), "migrator.mig_4k7qz2hd");
        assert_eq!(split_login("migrator.mig_4k7qz2hd"), Some(("migrator", id)));
        assert_eq!(split_login("a.b.mig_4k7qz2hd"), Some(("a.b", id)));
        for ordinary in [
            "migrator",
            "migrator.",
            ".mig_4k7qz2hd",
            "mig_4k7qz2hd",
            "migrator.mig_4k7qz2h",
            "migrator.mig_4k7qz2hd ",
            "migrator.mig_4k7qz2hd.x",
            "a.MIG_4k7qz2hd",
        ] {
            assert_eq!(split_login(ordinary), None, "{ordinary}");
        }
    }
}
