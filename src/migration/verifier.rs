//! PURE. The SCRAM-SHA-256 verifier of a token, in PostgreSQL's own form
//! (`SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`; RFC 5802, section 3).

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::token::Token;

/// Length of the salt in bytes, as PostgreSQL's.
pub const SALT: usize = 16;
/// PostgreSQL's default. More would buy nothing: a token has 202 random bits.
const ITERATIONS: NonZeroU32 = match NonZeroU32::new(4096) {
    Some(iterations) => iterations,
    None => NonZeroU32::MIN,
};

/// The verifier of `token`. Takes about a millisecond.
pub fn of(token: &Token, salt: &[u8; SALT]) -> String {
    let mut salted = Zeroizing::new([0; digest::SHA256_OUTPUT_LEN]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, token.reveal().as_bytes(), salted.as_mut());
    let key = hmac::Key::new(hmac::HMAC_SHA256, salted.as_ref());
    let client_key = hmac::sign(&key, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let server_key = hmac::sign(&key, b"Server Key");
    format!("SCRAM-SHA-256${ITERATIONS}:{}${}:{}", STANDARD.encode(salt), STANDARD.encode(stored_key), STANDARD.encode(server_key))
}
