//! PURE. The token of the signed level: what `portcullis.enter(token)` of `deploy/sql/zone.sql`
//! verifies inside PostgreSQL.
//!
//! ```text
//! pz1.<key id>.<issued>.<nonce>.<zone>.<mac>
//! ```
//!
//! | part | what |
//! |---|---|
//! | `pz1` | this format |
//! | key id | 1 to 32 of `[a-z0-9_]` |
//! | issued | microseconds since 1970, decimal |
//! | nonce | 16 random bytes, lower-case hex |
//! | zone | 1 to 200 bytes of UTF-8, lower-case hex |
//! | mac | HMAC-SHA-256, 32 bytes, lower-case hex |
//!
//! The MAC is over the token up to and with the dot ahead of the MAC, then the server role
//! (`session_user`) in hex, a dot, the database in hex. Neither is in the token: the server knows them.
//! No part can contain a dot, so no two sets of parts have the same line.

use std::fmt;

use ring::hmac;
/// Bytes of a nonce.
pub const NONCE: usize = 16;
/// Most bytes of a zone.
pub const LONGEST_ZONE: usize = 200;
/// Most bytes of a key id.
pub const LONGEST_KEY_ID: usize = 32;
/// Most bytes of a role's or database's name: PostgreSQL's NAMEDATALEN - 1.
pub const LONGEST_NAME: usize = 63;
/// Fewest and most bytes of a secret: the hash's length and its block's (RFC 2104).
pub const SECRET: std::ops::RangeInclusive<usize> = 32..=64;
/// Most bytes of a token; PostgreSQL's side takes 600.
pub const LONGEST_TOKEN: usize =
    4 + LONGEST_KEY_ID + 1 + 20 + 1 + 2 * NONCE + 1 + 2 * LONGEST_ZONE + 1 + 64;

/// Why there is no key or no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsignable {
    /// The id is not 1 to [`LONGEST_KEY_ID`] of `[a-z0-9_]`.
    KeyId,
    /// The secret's length is not in [`SECRET`].
    Secret,
    /// The zone is empty, longer than [`LONGEST_ZONE`] bytes, or has control characters.
    Zone,
    /// The role's or the database's name is empty, longer than [`LONGEST_NAME`] bytes, or has a NUL.
    Name,
}

impl fmt::Display for Unsignable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyId => "a key's id has 1 to 32 lower-case letters, digits or underscores",
            Self::Secret => "a key's secret has 32 to 64 bytes",
            Self::Zone => "a zone has 1 to 200 bytes and no control characters",
            Self::Name => "a name of a role or database has 1 to 63 bytes",
        })
    }
}

impl std::error::Error for Unsignable {}

/// A key that signs tokens. Its secret is not printed.
pub struct Key {
    id: Box<str>,
    mac: hmac::Key,
}

impl Key {
    /// A key as `portcullis.add_key(id, secret)` has it.
    pub fn new(id: &str, secret: &[u8]) -> Result<Self, Unsignable> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=LONGEST_KEY_ID).contains(&id.len()) || !id.bytes().all(letter) {
            return Err(Unsignable::KeyId);
        }
        if !SECRET.contains(&secret.len()) {
            return Err(Unsignable::Secret);
        }
        let mac = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Ok(Self { id: id.into(), mac })
    }

    /// The key's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Appends the token for one transaction of `audience` in `zone`, issued at `issued` (microseconds since
    /// 1970). A nonce is used once: PostgreSQL refuses it to two transactions at a time.
    pub fn put_token(
        &self,
        zone: &str,
        audience: &Audience,
        issued: u64,
        nonce: &[u8; NONCE],
        out: &mut Vec<u8>,
    ) -> Result<(), Unsignable> {
        if !(1..=LONGEST_ZONE).contains(&zone.len()) || zone.chars().any(char::is_control) {
            return Err(Unsignable::Zone);
        }
        let start = out.len();
        out.extend_from_slice(b"pz1.");
        out.extend_from_slice(self.id.as_bytes());
        out.push(b'.');
        put_decimal(out, issued);
        out.push(b'.');
        put_hex(out, nonce);
        out.push(b'.');
        put_hex(out, zone.as_bytes());
        out.push(b'.');
        let mut mac = hmac::Context::with_key(&self.mac);
        mac.update(&out[start..]);
        mac.update(audience.line.as_bytes());
        put_hex(out, mac.sign().as_ref());
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Makes the tokens of transactions: it knows the keys and the time.
pub trait Signer {
    /// Appends a token for one transaction of `audience` in `zone`. Where it cannot be signed it is
    /// [`UNSIGNED`], with which nobody enters.
    fn put_token(&self, zone: &str, audience: &Audience, out: &mut Vec<u8>);
}

/// In the place of a token: PostgreSQL refuses it with 42501.
pub const UNSIGNED: &[u8] = b"-";

/// It has no keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsigned;

impl Signer for Unsigned {
    fn put_token(&self, _: &str, _: &Audience, out: &mut Vec<u8>) {
        out.extend_from_slice(UNSIGNED);
    }
}

/// Whom a token is for: made once per login and database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    line: Box<str>,
    database: Box<str>,
}

impl Audience {
    /// The server role, as `session_user` says it, and the database, as `current_database()` does.
    pub fn new(role: &str, database: &str) -> Result<Self, Unsignable> {
        let mut line = Vec::with_capacity(2 * (role.len() + database.len()) + 1);
        for (dot, name) in [("", role), (".", database)] {
            if !(1..=LONGEST_NAME).contains(&name.len()) || name.contains('\0') {
                return Err(Unsignable::Name);
            }
            line.extend_from_slice(dot.as_bytes());
            put_hex(&mut line, name.as_bytes());
        }
        let line = String::from_utf8(line).map_err(|_| Unsignable::Name)?;
        Ok(Self {
            line: line.into(),
            database: database.into(),
        })
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }
}

fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        let digits = [byte >> 4, byte & 0xf];
        out.extend(digits.map(|digit| DIGITS[usize::from(digit)]));
    }
}

fn put_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// deploy/sql/vectors.tsv; PostgreSQL verifies the same lines in tests/signed_zone.rs.
    const VECTORS: &str = include_str!("../../deploy/sql/vectors.tsv");

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    fn key() -> Key {
        Key::new("k1", &[7; 32]).expect("a key")
    }

    fn token(
        key: &Key,
        zone: &str,
        audience: &Audience,
        issued: u64,
        nonce: &[u8; NONCE],
    ) -> Result<String, Unsignable> {
        let mut token = b"ahead".to_vec();
        key.put_token(zone, audience, issued, nonce, &mut token)?;
        Ok(String::from_utf8(token.split_off(5)).expect("ASCII"))
    }

    fn audience() -> Audience {
        Audience::new("app", "shop").expect("an audience")
    }

    #[test]
    fn tokens_are_those_of_the_vectors() {
        let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
        let mut seen = 0;
        for line in lines {
            let [id, secret, zone, role, database, issued, nonce, token_of] =
                line.split('\t').collect::<Vec<_>>()[..]
            else {
                panic!("not eight fields: {line}");
            };
            let nonce = bytes(nonce).try_into().expect("16 bytes");
            let audience = Audience::new(role, database).expect("an audience");
            let key = Key::new(id, &bytes(secret)).expect("a key");
            let made = token(
                &key,
                zone,
                &audience,
                issued.parse().expect("a number"),
                &nonce,
            );
            assert_eq!(made.as_deref(), Ok(token_of), "{line}");
            seen += 1;
        }
        assert!(seen >= 6, "only {seen} vectors");
    }

    #[test]
    fn every_part_changes_the_mac() {
        let mac = |key: &Key, zone: &str, role: &str, database: &str, issued: u64, nonce: u8| {
            let audience = Audience::new(role, database).expect("an audience");
            let token = token(key, zone, &audience, issued, &[nonce; NONCE]).expect("a token");
            token.rsplit_once('.').expect("a dot").1.to_owned()
        };
        let other_id = Key::new("k2", &[7; 32]).expect("a key");
        let other_secret = Key::new("k1", &[8; 32]).expect("a key");
        let macs = [
            mac(&key(), "acme", "app", "shop", 1, 0),
            mac(&other_id, "acme", "app", "shop", 1, 0),
            mac(&other_secret, "acme", "app", "shop", 1, 0),
            mac(&key(), "acmf", "app", "shop", 1, 0),
            mac(&key(), "acme", "apps", "hop", 1, 0),
            mac(&key(), "acme", "app", "shoq", 1, 0),
            mac(&key(), "acme", "app", "shop", 2, 0),
            mac(&key(), "acme", "app", "shop", 1, 1),
        ];
        let different: std::collections::BTreeSet<_> = macs.iter().collect();
        assert_eq!(different.len(), macs.len());
    }

    #[test]
    fn what_cannot_be_signed_is_refused() {
        for id in ["", "K1", "k.1", "k 1", "kä", &"k".repeat(33)] {
            assert_eq!(
                Key::new(id, &[7; 32]).err(),
                Some(Unsignable::KeyId),
                "{id}"
            );
        }
        assert!(Key::new(&"k".repeat(32), &[7; 64]).is_ok());
        for length in [0, 31, 65] {
            let refused = Key::new("k1", &vec![7; length]).err();
            assert_eq!(refused, Some(Unsignable::Secret), "{length}");
        }
        for zone in ["", "a\0", "a\nb", "\u{7f}", "\u{85}", &"z".repeat(201)] {
            let refused = token(&key(), zone, &audience(), 1, &[0; NONCE]).err();
            assert_eq!(refused, Some(Unsignable::Zone), "{zone:?}");
        }
        for (role, database) in [("", "d"), ("r", ""), ("r\0", "d"), (&*"r".repeat(64), "d")] {
            assert_eq!(Audience::new(role, database).err(), Some(Unsignable::Name));
        }
    }

    #[test]
    fn the_longest_token_fits() {
        let key = Key::new(&"k".repeat(32), &[7; 32]).expect("a key");
        let token = token(&key, &"z".repeat(200), &audience(), u64::MAX, &[255; NONCE]);
        assert_eq!(token.expect("a token").len(), LONGEST_TOKEN);
        const { assert!(LONGEST_TOKEN <= 600) };
    }

    #[test]
    fn a_key_does_not_print_its_secret() {
        assert_eq!(format!("{:?}", key()), "Key { id: \"k1\", .. }");
    }
}
