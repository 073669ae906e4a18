use rcgen::{DnType, ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, HandshakeKind};

use super::*;
use crate::config::SslMode;

const MODES: [SslMode; 3] = [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull];

/// PgBouncer with this certificate, in either version.
fn pgbouncers(pair: &Pair) -> [Arc<rustls::ServerConfig>; 2] {
    [&rustls::version::TLS12, &rustls::version::TLS13].map(|version| {
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                chain(&pair.cert_pem()).unwrap(),
                key(&pair.key_pem()).unwrap(),
            );
        Arc::new(config.unwrap())
    })
}

/// Which of require, verify-ca and verify-full take this certificate for `HOST`.
fn accepted(authority: &Authority, pair: &Pair) -> [bool; 3] {
    MODES.map(|mode| {
        let client = server_side(mode, Some(&authority.pem)).unwrap().unwrap();
        let [old, new] =
            pgbouncers(pair).map(|server| handshake(&client, HOST, &server).map(|_| ()));
        assert_eq!(old, new, "TLS 1.2 and 1.3 differ");
        assert!(
            matches!(old, Ok(()) | Err(rustls::Error::InvalidCertificate(_))),
            "{old:?}"
        );
        old.is_ok()
    })
}

#[test]
fn the_right_certificate_passes_in_every_mode() {
    let authority = Authority::new("CA");
    assert_eq!(
        accepted(&authority, &authority.issue(&for_host(HOST))),
        [true, true, true]
    );
}

#[test]
fn the_name_counts_for_verify_full_alone() {
    let authority = Authority::new("CA");
    for name in [
        "other.db.internal",
        "db.internal",
        "x.pgbouncer.db.internal",
        "127.0.0.1",
    ] {
        let pair = authority.issue(&for_host(name));
        assert_eq!(accepted(&authority, &pair), [true, true, false], "{name}");
    }
    let wildcard = authority.issue(&for_host("*.db.internal"));
    assert_eq!(accepted(&authority, &wildcard), [true, true, true]);
    // A common name alone does not count.
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, HOST);
    assert_eq!(
        accepted(&authority, &authority.issue(&params)),
        [true, true, false]
    );
}

#[test]
fn an_address_is_compared_as_an_address() {
    let authority = Authority::new("CA");
    let client = server_side(SslMode::VerifyFull, Some(&authority.pem))
        .unwrap()
        .unwrap();
    let [_, right] = pgbouncers(&authority.issue(&for_host("127.0.0.1")));
    assert!(handshake(&client, "127.0.0.1", &right).is_ok());
    assert!(handshake(&client, "127.0.0.2", &right).is_err());
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    // The same name, another key: what somebody in the middle would make.
    let (authority, impostor) = (Authority::new("CA"), Authority::new("CA"));
    let pair = impostor.issue(&for_host(HOST));
    assert_eq!(accepted(&authority, &pair), [true, false, false]);
}

#[test]
fn a_self_signed_certificate_is_refused() {
    let pair = self_signed(&for_host(HOST), KeyPair::generate().unwrap());
    assert_eq!(accepted(&Authority::new("CA"), &pair), [true, false, false]);
}

#[test]
fn certificates_out_of_their_time_are_refused() {
    let authority = Authority::new("CA");
    let mut params = for_host(HOST);
    params.not_after = date_time_ymd(2020, 1, 1);
    assert_eq!(
        accepted(&authority, &authority.issue(&params)),
        [true, false, false]
    );
    let mut params = for_host(HOST);
    params.not_before = date_time_ymd(4000, 1, 1);
    assert_eq!(
        accepted(&authority, &authority.issue(&params)),
        [true, false, false]
    );
}

#[test]
fn a_certificate_for_clients_is_no_servers() {
    let authority = Authority::new("CA");
    let mut params = for_host(HOST);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(
        accepted(&authority, &authority.issue(&params)),
        [true, false, false]
    );
}

#[test]
fn the_reason_is_told() {
    let authority = Authority::new("CA");
    let client = server_side(SslMode::VerifyFull, Some(&authority.pem))
        .unwrap()
        .unwrap();
    let [_, server] = pgbouncers(&authority.issue(&for_host("other.db.internal")));
    let error = handshake(&client, HOST, &server).err().unwrap();
    assert!(matches!(
        error,
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
    ));
}

/// A stolen certificate without its key, in both versions: no mode takes it, `require` neither.
#[test]
fn a_certificate_without_its_key_is_refused() {
    let authority = Authority::new("CA");
    let stolen = authority.issue(&for_host(HOST));
    let thief = KeyPair::generate().unwrap();
    let thief = key(thief.serialize_pem().as_bytes()).unwrap();
    let thief = provider().key_provider.load_private_key(thief).unwrap();
    let pair = CertifiedKey::new(chain(&stolen.cert_pem()).unwrap(), thief);
    let pair = Arc::new(SingleCertAndKey::from(pair));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(pair.clone());
        let server = Arc::new(server);
        for mode in MODES {
            let client = server_side(mode, Some(&authority.pem)).unwrap().unwrap();
            let error = handshake(&client, HOST, &server).err();
            let expected = rustls::Error::InvalidCertificate(CertificateError::BadSignature);
            assert_eq!(error, Some(expected), "{mode:?}");
        }
    }
}

#[test]
fn nothing_is_resumed() {
    let authority = Authority::new("CA");
    // Default settings of rustls: this server hands out tickets.
    for server in pgbouncers(&authority.issue(&for_host(HOST))) {
        let client = server_side(SslMode::VerifyFull, Some(&authority.pem))
            .unwrap()
            .unwrap();
        for _ in 0..2 {
            let (client, _) = handshake(&client, HOST, &server).unwrap();
            assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[test]
fn settings_that_cannot_be_used() {
    let authority = Authority::new("CA");
    assert!(matches!(server_side(SslMode::Disable, None), Ok(None)));
    assert!(matches!(
        server_side(SslMode::Allow, Some(&authority.pem)),
        Err(TlsError::Mode)
    ));
    assert!(matches!(server_side(SslMode::Require, None), Ok(Some(_))));
    for mode in [SslMode::VerifyCa, SslMode::VerifyFull] {
        assert!(matches!(server_side(mode, None), Err(TlsError::NoCa)));
        assert!(matches!(server_side(mode, Some(b"")), Err(TlsError::NoCa)));
        let half = &authority.pem[..authority.pem.len() / 2];
        assert!(matches!(
            server_side(mode, Some(half)),
            Err(TlsError::CaPem(_))
        ));
        let nonsense = b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            server_side(mode, Some(nonsense)),
            Err(TlsError::Ca(_))
        ));
    }
}
