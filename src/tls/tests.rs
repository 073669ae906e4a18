//! Handshakes in memory: what each side accepts, and what it refuses.

mod client_side;
mod end_point;
mod files;
mod names;
mod server_side;

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use super::*;

const HOST: &str = "pgbouncer.db.internal";

/// A certificate with its key.
struct Pair {
    certificate: Certificate,
    key: KeyPair,
}

impl Pair {
    fn cert_pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }

    fn key_pem(&self) -> Vec<u8> {
        self.key.serialize_pem().into_bytes()
    }

    fn client_side(&self) -> ClientSide {
        super::client_side(&self.cert_pem(), &self.key_pem(), None).unwrap()
    }
}

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem().into_bytes();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn issue(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificate, key }
    }
}

fn for_host(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn self_signed(params: &CertificateParams, key: KeyPair) -> Pair {
    let certificate = params.self_signed(&key).unwrap();
    Pair { certificate, key }
}

/// Both sides of a connection after its handshake, or the first error of either.
fn handshake(
    client: &Arc<rustls::ClientConfig>,
    name: &str,
    server: &Arc<rustls::ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), name)?;
    let mut server = ServerConnection::new(server.clone())?;
    for _ in 0..8 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}
