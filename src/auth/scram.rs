//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both sides of it.
//!
//! Sources: RFC 5802 (the exchange), RFC 7677 (SHA-256), RFC 5929 section 4 (tls-server-end-point),
//! PostgreSQL's "SASL Authentication" and its `auth-scram.c`, whose leniencies and refusals are kept.
//!
//! Towards applications Portcullis is the server ([`ServerExchange`]); towards PgBouncer it is the
//! client ([`ClientExchange`]). The application's proof yields its ClientKey, and with that key
//! Portcullis logs in behind: the password itself is never here. It follows that both servers must
//! hold the *identical* verifier, salt and iterations included; see [`ScramError::VerifierMismatch`].
//!
//! Nonces are arguments: whoever calls brings 18 random bytes, and never the same twice.

mod client;
mod error;
mod message;
mod mock;
mod server;
mod verifier;

#[cfg(test)]
mod tests;

pub use client::{ClientExchange, ClientExchangeFinal, PasswordExchange};
pub use error::ScramError;
pub use mock::MockIterations;
pub use server::{Proved, ServerExchange, ServerExchangeFinal};
pub use verifier::{Keys, MAX_ITERATIONS, MAX_SALT, Verifier, VerifierError, mock_verifier};

use ring::hmac;

/// The mechanism without channel binding.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding: offered only inside TLS, and only with a certificate that
/// has a defined end-point hash.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// Longest SASL message that is read, in bytes. PostgreSQL's own bound (`PG_MAX_SASL_MESSAGE_LENGTH`).
pub const MAX_MESSAGE: usize = 1024;
/// Random bytes in a nonce. PostgreSQL's `SCRAM_RAW_NONCE_LEN`.
pub const NONCE_BYTES: usize = 18;

fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    to_32(tag.as_ref())
}

fn sha256(data: &[u8]) -> [u8; 32] {
    to_32(ring::digest::digest(&ring::digest::SHA256, data).as_ref())
}

/// The first 32 bytes; every caller passes a SHA-256 result, which has exactly so many.
fn to_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

/// ClientProof = ClientKey XOR ClientSignature, and the same the other way round.
fn xor(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|i| a[i] ^ b[i])
}
