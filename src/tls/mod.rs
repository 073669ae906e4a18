//! Certificates: ours towards applications ([`client_side`]), PgBouncer's towards us ([`server_side`]).
//!
//! Decisions that hold for both sides:
//!
//! * TLS 1.2 and 1.3 by rustls with ring, named explicitly: no process-wide provider is installed.
//! * **No resumption**, neither tickets nor session ids: a resumed session carries the certificate of
//!   the session before. After a change of certificates a client would bind its SCRAM proof to the
//!   old one and be refused, and towards PgBouncer a certificate that no longer verifies would live
//!   on. It is PostgreSQL's own choice too, and it keeps the session cache out of our memory.
//! * **No early data** (0-RTT): it can be replayed, and a replayed statement runs twice.
//! * ALPN is `postgresql` (PostgreSQL 17's `sslnegotiation=direct`), so that a session meant for
//!   another protocol cannot be passed off as ours.
//!
//! What rustls may buffer for one connection is a property of the connection and not of these
//! configurations: whoever makes one calls `set_buffer_limit`.

mod client_side;
mod end_point;
pub mod files;
pub mod names;
mod server_side;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub use client_side::{ClientSide, client_side};
pub use end_point::end_point_hash;
pub use server_side::server_side;

/// The protocol's name in ALPN, registered with IANA. Direct TLS requires it.
pub const ALPN: &[u8] = b"postgresql";

/// Why certificates or keys cannot be used. Holds no key.
#[derive(Debug)]
pub enum TlsError {
    /// The certificate file is not PEM.
    CertificatePem(&'static str),
    /// The certificate file holds no certificate.
    NoCertificate,
    /// The key file is not PEM, or holds no key that is not encrypted.
    KeyPem(&'static str),
    /// Certificate and key cannot be used, or not together.
    Pair(rustls::Error),
    /// The CA file is not PEM.
    CaPem(&'static str),
    /// The sslmode needs a CA file and there is none, or there is no certificate in it.
    NoCa,
    /// The CA file for applications cannot be used.
    ClientCa(String),
    /// A certificate in the CA file cannot be used.
    Ca(rustls::Error),
    /// The sslmode has no meaning towards PgBouncer.
    Mode,
    /// The TLS library refuses the settings.
    Settings(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificatePem(error) => write!(f, "certificate file is not PEM: {error}"),
            Self::NoCertificate => f.write_str("certificate file holds no certificate"),
            Self::KeyPem(error) => write!(
                f,
                "key file holds no private key in PEM without a passphrase: {error}"
            ),
            Self::Pair(error) => write!(f, "certificate and key cannot be used: {error}"),
            Self::CaPem(error) => write!(f, "CA file is not PEM: {error}"),
            Self::NoCa => f.write_str("verify-ca and verify-full need a CA certificate"),
            Self::ClientCa(error) => write!(f, "CA file for applications cannot be used: {error}"),
            Self::Ca(error) => write!(f, "CA certificate cannot be used: {error}"),
            Self::Mode => f.write_str("sslmode allow has no meaning towards PgBouncer"),
            Self::Settings(error) => write!(f, "TLS settings cannot be used: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The library's own errors quote the line at fault. Where a file has lost its line ends, that is the
/// private key.
fn reason(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section does not end",
        pem::Error::IllegalSectionStart { .. } => "a section does not begin properly",
        pem::Error::Base64Decode(_) => "a section is not base64",
        pem::Error::NoItemsFound => "it has no such section",
        _ => "it cannot be read",
    }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::CertificatePem(reason(&error)))?;
    match chain.is_empty() {
        true => Err(TlsError::NoCertificate),
        false => Ok(chain),
    }
}

fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| TlsError::KeyPem(reason(&error)))
}

/// Every certificate of the file is trusted, so one that cannot be used is an error: to skip it
/// would surprise somebody later.
fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| TlsError::CaPem(reason(&error)))?;
        roots.add(certificate).map_err(TlsError::Ca)?;
    }
    match roots.is_empty() {
        true => Err(TlsError::NoCa),
        false => Ok(roots),
    }
}
