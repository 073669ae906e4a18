use std::io::Write;

use rustls::HandshakeKind;

use super::*;

/// An application that trusts our CA, with a session cache as JDBC and Go have one.
fn application(authority: &Authority, alpn: &[&[u8]]) -> Arc<rustls::ClientConfig> {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&authority.pem).unwrap())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

fn set_up() -> (Authority, ClientSide) {
    let authority = Authority::new("CA");
    let side = authority.issue(&for_host(HOST)).client_side();
    (authority, side)
}

#[test]
fn applications_may_name_our_protocol_or_none() {
    let (authority, side) = set_up();
    let offers: [&[&[u8]]; 3] = [&[], &[ALPN], &[b"h2", ALPN]];
    for offered in offers {
        let agreed = offered.last().copied();
        let (client, server) =
            handshake(&application(&authority, offered), HOST, &side.config).unwrap();
        assert_eq!(client.alpn_protocol(), agreed);
        assert_eq!(server.alpn_protocol(), agreed);
    }
}

#[test]
fn an_application_of_another_protocol_is_refused() {
    let (authority, side) = set_up();
    let refused = handshake(
        &application(&authority, &[b"h2", b"http/1.1"]),
        HOST,
        &side.config,
    );
    assert_eq!(refused.err(), Some(rustls::Error::NoApplicationProtocol));
}

/// The second connection of one client shakes hands in full, in both versions.
#[test]
fn nothing_is_resumed() {
    let (authority, side) = set_up();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots(&authority.pem).unwrap())
            .with_no_client_auth();
        let config = Arc::new(config);
        for _ in 0..2 {
            let (client, server) = handshake(&config, HOST, &side.config).unwrap();
            assert_eq!(client.protocol_version(), Some(version.version));
            assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(client.tls13_tickets_received(), 0);
        }
    }
}

/// No record leaves more than libpq's smallest read, 8192 bytes, can take at once.
#[test]
fn records_fit_a_read_of_libpq() {
    let (authority, side) = set_up();
    let (_, mut server) = handshake(&application(&authority, &[]), HOST, &side.config).unwrap();
    server.set_buffer_limit(None);
    server.writer().write_all(&[b'x'; 100_000]).unwrap();
    let mut wire = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut wire).unwrap();
    }
    let mut rest = wire.as_slice();
    let mut records = 0;
    while let [_, _, _, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // The data, one byte of type and sixteen of tag.
        assert!(length <= 8192 + 17, "{length}");
        rest = &tail[length..];
        records += 1;
    }
    assert_eq!(records, 100_000_usize.div_ceil(8187));
}

#[test]
fn the_end_point_is_that_of_the_first_certificate() {
    let authority = Authority::new("CA");
    let pair = authority.issue(&for_host(HOST));
    let chain = [pair.cert_pem(), authority.pem.clone()].concat();
    let side = client_side(&chain, &pair.key_pem(), None).unwrap();
    assert_eq!(side.end_point, end_point_hash(pair.certificate.der()));
    assert!(side.end_point.is_some());

    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert_eq!(
        self_signed(&for_host(HOST), key).client_side().end_point,
        None
    );
}

#[test]
fn certificates_and_keys_that_cannot_be_used() {
    let authority = Authority::new("CA");
    let pair = authority.issue(&for_host(HOST));
    let other = authority.issue(&for_host(HOST));
    let (certificate, key) = (pair.cert_pem(), pair.key_pem());
    assert!(client_side(&certificate, &key, None).is_ok());
    assert!(matches!(
        client_side(&certificate, &other.key_pem(), None),
        Err(TlsError::Pair(_))
    ));
    assert!(matches!(
        client_side(b"", &key, None),
        Err(TlsError::NoCertificate)
    ));
    assert!(matches!(
        client_side(&key, &key, None),
        Err(TlsError::NoCertificate)
    ));
    assert!(matches!(
        client_side(&certificate, b"", None),
        Err(TlsError::KeyPem(_))
    ));
    assert!(matches!(
        client_side(&certificate, &certificate, None),
        Err(TlsError::KeyPem(_))
    ));
    let half = &certificate[..certificate.len() / 2];
    assert!(matches!(
        client_side(half, &key, None),
        Err(TlsError::CertificatePem(_))
    ));
}

/// A key that has lost its line ends in an environment variable is one line, which the PEM library
/// quotes in its error.
#[test]
fn errors_show_nothing_of_the_key() {
    let authority = Authority::new("CA");
    let pair = authority.issue(&for_host(HOST));
    let key = String::from_utf8(pair.key_pem()).unwrap();
    let secret = key.lines().nth(1).unwrap();
    for bad in [
        key.replace('\n', " "),
        key.replace("-----END", "-----"),
        key.replace(&secret[..8], "!!!!!!!!"),
    ] {
        let error = client_side(&pair.cert_pem(), bad.as_bytes(), None).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains(&secret[8..24]), "{text}");
    }
}
