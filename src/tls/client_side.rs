//! TLS towards applications, where Portcullis is the server.

use std::sync::Arc;

use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};

use super::{ALPN, TlsError, chain, end_point_hash, key, provider, roots};

/// Largest TLS record that is sent to applications: 8187 bytes of data and, as rustls counts, the
/// header's 5.
///
/// libpq gives each read at least 8192 bytes of room (`pqReadData`). A longer record leaves a rest in
/// OpenSSL's buffer, where an asynchronous client that waits on the socket never hears of it and
/// hangs: measured with libpq 15, 3 of 300 results of 6 to 100 KB with rustls's 16 KB records, and none
/// with these. PostgreSQL's send buffer is 8 KB, so this is what clients meet without a proxy too. The
/// price is one more header and tag, some 22 bytes, for each 8 KB of a large result.
const MAX_RECORD: usize = 8192;

/// What every TLS connection of an application shares, from one certificate. A new certificate makes
/// a new one; connections that are open keep theirs, so `end_point` must come from the same value as
/// `config`.
#[derive(Clone, Debug)]
pub struct ClientSide {
    /// For the handshake. A client may offer ALPN `postgresql` or none; one that offers only other
    /// protocols is refused. After *direct* TLS the caller checks that [`ALPN`] was agreed.
    pub config: Arc<rustls::ServerConfig>,
    /// The certificate's tls-server-end-point data; without it -PLUS must not be offered.
    pub end_point: Option<Vec<u8>>,
}

/// Makes the applications' side from a PEM chain (the server's certificate first) and its PEM key.
/// `ca_pem`: applications are asked for a certificate, and may have none. One that they show must be valid now
/// and come from one of these authorities, as with PostgreSQL's `ssl_ca_file`: else the handshake fails.
///
/// # Errors
/// Anything but a usable certificate with its own key, and usable authorities.
pub fn client_side(
    cert_pem: &[u8],
    key_pem: &[u8],
    ca_pem: Option<&[u8]>,
) -> Result<ClientSide, TlsError> {
    let chain = chain(cert_pem)?;
    let end_point = chain
        .first()
        .and_then(|certificate| end_point_hash(certificate));
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Settings)?
        .with_client_cert_verifier(verifier(ca_pem)?)
        .with_single_cert(chain, key(key_pem)?)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.max_fragment_size = Some(MAX_RECORD);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(ClientSide {
        config: Arc::new(config),
        end_point,
    })
}

fn verifier(ca_pem: Option<&[u8]>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let Some(pem) = ca_pem else {
        return Ok(Arc::new(NoClientAuth));
    };
    let unusable = |error: &dyn std::fmt::Display| TlsError::ClientCa(error.to_string());
    let roots = roots(pem).map_err(|error| match error {
        TlsError::NoCa => unusable(&"it holds no certificate"),
        error => unusable(&error),
    })?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(&error))
}
