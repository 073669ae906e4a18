//! What is kept about a password: a verifier on servers, keys where somebody logs in.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{hmac_sha256, sha256};

/// Most iterations that are accepted, from a file or from a server. PostgreSQL's default is 4096;
/// this many take some seconds to derive, and nobody waits longer for a login.
pub const MAX_ITERATIONS: u32 = 10_000_000;
/// Longest salt that is accepted, in bytes. PostgreSQL makes 16.
pub const MAX_SALT: usize = 128;
/// What PostgreSQL gives a role by default, and so what a user who does not exist appears to have.
pub(super) const MOCK_ITERATIONS: u32 = 4096;
const MOCK_SALT: usize = 16;
const PREFIX: &str = "SCRAM-SHA-256$";

/// A SCRAM-SHA-256 verifier: what PostgreSQL stores in `pg_authid.rolpassword` and PgBouncer in
/// `userlist.txt`. Reads and prints as `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`;
/// `Display` prints keys, `Debug` does not.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Verifier {
    /// 1 to [`MAX_ITERATIONS`].
    pub iterations: u32,
    /// 1 to [`MAX_SALT`] bytes.
    pub salt: Vec<u8>,
    /// SHA-256 of the ClientKey: checks a client's proof.
    pub stored_key: [u8; 32],
    /// Proves the server to the client.
    pub server_key: [u8; 32],
}

/// What somebody needs in order to log in without the password. As good as the password towards
/// every server with the same verifier: mode 0600, never logged.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Keys {
    /// Iterations of the verifier that these keys belong to.
    pub iterations: u32,
    /// Salt of the verifier that these keys belong to.
    pub salt: Vec<u8>,
    /// Proves the client.
    pub client_key: [u8; 32],
    /// Checks the server's proof.
    pub server_key: [u8; 32],
}

/// Why a text is not a verifier. Says nothing of the text: it may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifierError {
    /// Does not begin with `SCRAM-SHA-256$`.
    NotScram,
    /// The iterations are no number from 1 to [`MAX_ITERATIONS`].
    Iterations,
    /// The salt is no base64 of 1 to [`MAX_SALT`] bytes.
    Salt,
    /// A key is missing or no base64 of 32 bytes.
    Key,
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotScram => f.write_str("not a SCRAM-SHA-256 verifier"),
            Self::Iterations => {
                write!(
                    f,
                    "iterations of the verifier are not from 1 to {MAX_ITERATIONS}"
                )
            }
            Self::Salt => {
                write!(
                    f,
                    "salt of the verifier is not base64 of 1 to {MAX_SALT} bytes"
                )
            }
            Self::Key => f.write_str("a key of the verifier is not base64 of 32 bytes"),
        }
    }
}

impl std::error::Error for VerifierError {}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        let text = text.strip_prefix(PREFIX).ok_or(VerifierError::NotScram)?;
        let parts = Parts::read(text)?;
        Ok(Self {
            iterations: parts.iterations,
            salt: parts.salt,
            stored_key: *parts.first,
            server_key: *parts.second,
        })
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        write_parts(
            f,
            self.iterations,
            &self.salt,
            &self.stored_key,
            &self.server_key,
        )
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Derives keys from a password: PBKDF2, so this takes milliseconds (never on a worker).
    ///
    /// The password is normalised by SASLprep; one that SASLprep forbids is taken as it is, which
    /// is what PostgreSQL does (`pg_saslprep`). Zero iterations count as one.
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Self {
        let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let prepared = match stringprep::saslprep(password) {
            Ok(prepared) if !prepared.is_empty() => Zeroizing::new(prepared.into_owned()),
            _ => Zeroizing::new(password.to_owned()),
        };
        let mut salted = Zeroizing::new([0; 32]);
        ring::pbkdf2::derive(
            ring::pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            salt,
            prepared.as_bytes(),
            salted.as_mut_slice(),
        );
        Self {
            iterations: iterations.get(),
            salt: salt.to_vec(),
            client_key: hmac_sha256(salted.as_slice(), b"Client Key"),
            server_key: hmac_sha256(salted.as_slice(), b"Server Key"),
        }
    }

    /// The keys of somebody who has just proved that they know `client_key`
    /// ([`super::Proved::client_key`]) to this verifier.
    pub fn proved(verifier: &Verifier, client_key: &[u8; 32]) -> Self {
        Self {
            iterations: verifier.iterations,
            salt: verifier.salt.clone(),
            client_key: *client_key,
            server_key: verifier.server_key,
        }
    }

    /// The verifier that these keys fit.
    pub fn verifier(&self) -> Verifier {
        Verifier {
            iterations: self.iterations,
            salt: self.salt.clone(),
            stored_key: sha256(&self.client_key),
            server_key: self.server_key,
        }
    }

    /// Whether these keys fit that very verifier, in constant time where it matters.
    pub fn fit(&self, verifier: &Verifier) -> bool {
        let own = self.verifier();
        own.iterations == verifier.iterations
            && own.salt == verifier.salt
            && bool::from(
                own.stored_key.ct_eq(&verifier.stored_key)
                    & own.server_key.ct_eq(&verifier.server_key),
            )
    }

    /// Reads `<iterations>:<salt>$<ClientKey>:<ServerKey>`, the form of the server key file.
    ///
    /// # Errors
    /// Which part is wrong, never its content.
    pub fn from_text(text: &str) -> Result<Self, VerifierError> {
        let parts = Parts::read(text)?;
        Ok(Self {
            iterations: parts.iterations,
            salt: parts.salt,
            client_key: *parts.first,
            server_key: *parts.second,
        })
    }

    /// Writes what [`Keys::from_text`] reads. Secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(SecretText(self).to_string())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Keeps `Display` off [`Keys`]: to print them must be deliberate.
struct SecretText<'a>(&'a Keys);

impl fmt::Display for SecretText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0;
        write_parts(
            f,
            keys.iterations,
            &keys.salt,
            &keys.client_key,
            &keys.server_key,
        )
    }
}

/// A verifier for a user who does not exist: stable for that name under one `secret`, on every
/// instance and over restarts, and in the shape of PostgreSQL's default, so that asking tells
/// nothing. Use it with `genuine: false`. Where the real verifiers have other iterations than
/// PostgreSQL's default, give it one of theirs ([`super::MockIterations`]): otherwise the number tells who exists.
pub fn mock_verifier(secret: &[u8], user: &str) -> Verifier {
    let derived = |label: &[u8]| hmac_sha256(secret, &[label, user.as_bytes()].concat());
    Verifier {
        iterations: MOCK_ITERATIONS,
        salt: derived(b"salt\0")[..MOCK_SALT].to_vec(),
        stored_key: derived(b"stored key\0"),
        server_key: derived(b"server key\0"),
    }
}

/// A decimal number without sign, blank or leading zero, from 1 to [`MAX_ITERATIONS`].
pub(super) fn iterations(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse()
        .ok()
        .filter(|n| plain && (1..=MAX_ITERATIONS).contains(n))
}

/// `<iterations>:<salt>$<first key>:<second key>`
struct Parts {
    iterations: u32,
    salt: Vec<u8>,
    first: Zeroizing<[u8; 32]>,
    second: Zeroizing<[u8; 32]>,
}

impl Parts {
    fn read(text: &str) -> Result<Self, VerifierError> {
        let (head, keys) = text.split_once('$').ok_or(VerifierError::Key)?;
        let (count, salt) = head.split_once(':').ok_or(VerifierError::Salt)?;
        let (first, second) = keys.split_once(':').ok_or(VerifierError::Key)?;
        Ok(Self {
            iterations: iterations(count).ok_or(VerifierError::Iterations)?,
            salt: STANDARD
                .decode(salt)
                .ok()
                .filter(|salt| (1..=MAX_SALT).contains(&salt.len()))
                .ok_or(VerifierError::Salt)?,
            first: key(first)?,
            second: key(second)?,
        })
    }
}

fn key(text: &str) -> Result<Zeroizing<[u8; 32]>, VerifierError> {
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| VerifierError::Key)?);
    let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| VerifierError::Key)?;
    Ok(Zeroizing::new(key))
}

fn write_parts(
    f: &mut fmt::Formatter<'_>,
    iterations: u32,
    salt: &[u8],
    first: &[u8; 32],
    second: &[u8; 32],
) -> fmt::Result {
    let salt = STANDARD.encode(salt);
    let first = Zeroizing::new(STANDARD.encode(first));
    let second = Zeroizing::new(STANDARD.encode(second));
    write!(f, "{iterations}:{salt}${}:{}", *first, *second)
}
