//! From the first byte to the first ReadyForQuery: TLS or not, protocol versions, packets that lie.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, SupportedProtocolVersion, version};
use support::fixture::ADMIN;
use support::message::{self, Message, column, kinds};
use support::{Login, Shared, Stack, StackOptions, Transport, Wire};

fn stack() -> Arc<Stack> {
    static STACK: Shared = Shared::new();
    STACK.get(|| StackOptions {
        limits: "client_login_timeout = \"3s\"".into(),
        ..StackOptions::default()
    })
}

/// A stack that allows plaintext.
fn open_stack() -> Arc<Stack> {
    static STACK: Shared = Shared::new();
    STACK.get(|| StackOptions {
        client_tls: "allow",
        ..StackOptions::default()
    })
}

fn config(
    authority: &Path,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> Arc<ClientConfig> {
    let trusted = support::wire::client_config(authority);
    let provider = Arc::clone(trusted.crypto_provider());
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::pem::PemObject;
    let certificates = rustls::pki_types::CertificateDer::pem_file_iter(authority);
    for certificate in certificates.expect("read the authority") {
        roots
            .add(certificate.expect("a certificate"))
            .expect("a usable certificate");
    }
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

fn ssl_requested(stack: &Stack) -> Wire {
    let mut wire = Wire::open(stack.port);
    wire.send(&message::ssl_request());
    assert_eq!(wire.receive_byte(), Some(b'S'));
    wire
}

fn startup(login: &Login) -> Vec<u8> {
    message::startup(
        (3, 0),
        &[("user", &login.user), ("database", &login.database)],
    )
}

/// Logs in on an open connection and asks something.
#[track_caller]
fn works(mut wire: Wire, login: &Login, end_point: Option<Vec<u8>>) {
    wire.send(&startup(login));
    wire.authenticate(&login.password, end_point)
        .unwrap_or_else(|error| panic!("refused: {error:?}"));
    assert!(kinds(&wire.receive_until(b'Z')).ends_with("KZ"));
    assert_eq!(column(&wire.query("SELECT 'works'")), ["works"]);
}

/// Nothing but at most one FATAL, and the end.
#[track_caller]
fn ended(wire: &mut Wire) -> Option<String> {
    let answer = wire.receive_to_end();
    match answer.as_slice() {
        [] => None,
        [error] => {
            assert_eq!(error.kind, b'E', "{error:?}");
            assert_eq!(error.field(b'S').as_deref(), Some("FATAL"));
            Some(error.sqlstate())
        }
        more => panic!("{}", kinds(more)),
    }
}

#[test]
fn tls_1_2_and_1_3_come_up_through_ssl_request_and_directly() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    for version in [&version::TLS12, &version::TLS13] {
        let config = config(stack.authority.certificate(), &[version], &[b"postgresql"]);
        for direct in [false, true] {
            for plus in [false, true] {
                let wire = match direct {
                    false => ssl_requested(&stack),
                    true => Wire::open(stack.port),
                };
                let wire = wire.into_tls(&config);
                let end_point = wire.end_point().filter(|_| plus);
                works(wire, &login, end_point);
            }
        }
    }
}

#[test]
fn direct_tls_needs_alpn_and_ssl_request_does_not() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let authority = stack.authority.certificate();
    let versions = [&version::TLS12, &version::TLS13];
    for alpn in [&[][..], &[b"http/1.1".as_slice()]] {
        for version in versions {
            let config = config(authority, &[version], alpn);
            if let Ok(mut wire) = Wire::open(stack.port).try_into_tls(&config) {
                // The server may go before or after it has read this.
                let _ = wire.try_send(&startup(&login));
                assert_eq!(ended(&mut wire), None, "{alpn:?}");
            }
        }
    }
    works(
        ssl_requested(&stack).into_tls(&config(authority, &versions, &[])),
        &login,
        None,
    );
    // A browser's words.
    let browser = config(authority, &versions, &[b"h2", b"http/1.1"]);
    assert!(ssl_requested(&stack).try_into_tls(&browser).is_err());
    let both = config(authority, &versions, &[b"h2", b"postgresql"]);
    works(Wire::open(stack.port).into_tls(&both), &login, None);
}

#[test]
fn gss_is_declined_once_and_tls_may_follow() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let config = support::wire::client_config(&login.sslrootcert);
    let declined = || {
        let mut wire = Wire::open(stack.port);
        wire.send(&message::gss_request());
        assert_eq!(wire.receive_byte(), Some(b'N'));
        wire
    };
    let mut wire = declined();
    wire.send(&message::ssl_request());
    assert_eq!(wire.receive_byte(), Some(b'S'));
    works(wire.into_tls(&config), &login, None);

    let mut wire = declined();
    wire.send(&message::gss_request());
    ended(&mut wire);
    for again in [message::ssl_request(), message::gss_request()] {
        for transport in [Transport::SslRequest, Transport::Direct] {
            let mut wire = Wire::open_with(stack.port, transport, &login.sslrootcert);
            wire.send(&again);
            ended(&mut wire);
        }
    }
    // Declined, then plaintext: still not allowed here.
    let mut wire = declined();
    wire.send(&startup(&login));
    assert_eq!(ended(&mut wire).as_deref(), Some("28000"));
}

#[test]
fn plaintext_is_refused_where_tls_is_required_and_taken_where_it_is_allowed() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let mut wire = Wire::open(stack.port);
    wire.send(&startup(&login));
    assert_eq!(ended(&mut wire).as_deref(), Some("28000"));
    let stack = open_stack();
    let login = stack.login("shop_plain", "app");
    works(Wire::open(stack.port), &login, None);
    for transport in [Transport::SslRequest, Transport::Direct] {
        let wire = Wire::open_with(stack.port, transport, &login.sslrootcert);
        works(wire, &login, None);
    }
}

#[test]
fn bytes_behind_a_request_for_encryption_are_fatal() {
    for stack in [stack(), open_stack()] {
        let login = stack.login("shop_plain", "app");
        for early in [startup(&login), vec![0x16], message::query("SELECT 1")] {
            for request in [message::ssl_request(), message::gss_request()] {
                let mut wire = Wire::open(stack.port);
                wire.send(&[request, early.clone()].concat());
                let first = wire.receive_byte();
                // An S before the end would be the CVE.
                assert!(matches!(first, None | Some(b'E')), "{first:?}");
            }
        }
        // Behind the S, but not TLS.
        let mut wire = ssl_requested(&stack);
        wire.send(&startup(&login));
        let rest = wire.receive_byte();
        assert!(matches!(rest, None | Some(0x15)), "{rest:?}");
    }
}

#[test]
fn lengths_that_lie_end_the_connection_at_once() {
    let stack = open_stack();
    let login = stack.login("shop_plain", "app");
    for transport in [Transport::Plain, Transport::SslRequest] {
        for length in [0, 1, 4, 7, 10_001, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            let mut wire = Wire::open_with(stack.port, transport, &login.sslrootcert);
            let start = Instant::now();
            wire.send(&[&length.to_be_bytes()[..], &[0, 3, 0, 0]].concat());
            ended(&mut wire);
            assert!(start.elapsed() < Duration::from_secs(8), "{length}");
        }
    }
    // 10,000 bytes are a packet: this one is whole, and its user is nobody.
    let name = "x".repeat(10_000 - 8 - "user".len() - 3);
    let mut wire = Wire::open(stack.port);
    let packet = message::startup((3, 0), &[("user", &name)]);
    assert_eq!(packet.len(), 10_000);
    wire.send(&packet);
    assert_eq!(wire.receive().map(|message| message.kind), Some(b'R'));
}

#[test]
fn malformed_startup_packets_are_refused() {
    let stack = open_stack();
    let version = [0, 3, 0, 0];
    let cases: [(&[u8], &str); 9] = [
        (b"", "08P01"),
        (b"user\0", "08P01"),
        (b"user\0shop_plain\0", "08P01"),
        (b"user\0shop_plain", "08P01"),
        (b"user\0shop_plain\0\0x", "08P01"),
        (b"user\0shop_plain\0\0\0", "08P01"),
        (b"user\0\xff\0\0", "08P01"),
        (b"\0", "28000"),
        (b"database\0app\0\0", "28000"),
    ];
    for (body, sqlstate) in cases {
        let mut wire = Wire::open(stack.port);
        wire.send(&message::untyped(&[&version[..], body].concat()));
        assert_eq!(ended(&mut wire).as_deref(), Some(sqlstate), "{body:?}");
    }
    for (version, sqlstate) in [((2, 0), "0A000"), ((4, 0), "0A000"), ((0, 0), "0A000")] {
        let mut wire = Wire::open(stack.port);
        wire.send(&message::startup(version, &[("user", "shop_plain")]));
        assert_eq!(ended(&mut wire).as_deref(), Some(sqlstate), "{version:?}");
    }
}

#[test]
fn a_startup_packet_may_come_byte_by_byte() {
    let stack = open_stack();
    let login = stack.login("shop_plain", "app");
    for transport in [Transport::Plain, Transport::SslRequest] {
        let mut wire = Wire::open_with(stack.port, transport, &login.sslrootcert);
        wire.send_in_pieces(&startup(&login), 1);
        wire.authenticate(&login.password, None).expect("let in");
        assert!(kinds(&wire.receive_until(b'Z')).ends_with("KZ"));
    }
    let mut wire = Wire::open(stack.port);
    wire.send_in_pieces(&message::ssl_request(), 1);
    assert_eq!(wire.receive_byte(), Some(b'S'));
}

#[test]
fn slow_clients_have_a_deadline_at_every_step() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    let start = Instant::now();
    let mut slow: Vec<(&str, Wire)> = Vec::new();
    slow.push(("says nothing", Wire::open(stack.port)));
    let mut wire = Wire::open(stack.port);
    wire.send(&startup(&login)[..9]);
    slow.push(("stops inside the packet", wire));
    slow.push(("stops before the handshake", ssl_requested(&stack)));
    let mut wire = Wire::open(stack.port);
    wire.send(&[0x16, 3, 1, 2, 0, 1]);
    slow.push(("stops inside the handshake", wire));
    let open = || Wire::open_with(stack.port, Transport::SslRequest, &login.sslrootcert);
    slow.push(("stops behind the handshake", open()));
    let mut wire = open();
    wire.send(&startup(&login));
    slow.push(("stops before the password", wire));
    for (what, wire) in &mut slow {
        // The last one has a question to read first.
        let answer = wire.receive_to_end();
        assert!(!kinds(&answer).contains('Z'), "{what}");
    }
    let took = start.elapsed();
    assert!((2..20).contains(&took.as_secs()), "{took:?}");
}

/// The answer to a startup of this version, up to the first authentication message.
fn negotiated(stack: &Stack, minor: u16, options: &[(&str, &str)]) -> (Wire, Vec<Message>) {
    let login = stack.login("shop_plain", "app");
    let mut wire = Wire::open_with(stack.port, Transport::SslRequest, &login.sslrootcert);
    let mut parameters = vec![("user", &*login.user), ("database", &*login.database)];
    parameters.extend(options);
    wire.send(&message::startup((3, minor), &parameters));
    let mut negotiations = Vec::new();
    if minor > 2 || options.iter().any(|(name, _)| name.starts_with("_pq_.")) {
        negotiations.push(wire.receive().expect("NegotiateProtocolVersion"));
    }
    wire.authenticate(&login.password, None)
        .unwrap_or_else(|error| panic!("3.{minor}: {error:?}"));
    let rest = wire.receive_until(b'Z');
    assert!(!kinds(&rest).contains('v'));
    (wire, negotiations)
}

#[test]
fn newer_protocols_are_negotiated_once_and_keys_have_their_length() {
    let stack = stack();
    let grease = ("_pq_.test_protocol_negotiation", "");
    let options = [grease, ("_pq_.other", "1"), ("_pq_.other", "2")];
    let listed = b"\0\0\0\x02_pq_.test_protocol_negotiation\0_pq_.other\0";
    let cases = [
        (0, &[][..], None, 8),
        (2, &[][..], None, 36),
        (0, &options, Some([&[0, 3, 0, 0][..], listed].concat()), 8),
        (2, &options, Some([&[0, 3, 0, 2][..], listed].concat()), 36),
        (
            9999,
            &options,
            Some([&[0, 3, 0, 2][..], listed].concat()),
            36,
        ),
        (9999, &[][..], Some(vec![0, 3, 0, 2, 0, 0, 0, 0]), 36),
    ];
    for (minor, options, expected, key) in cases {
        let (mut wire, negotiations) = negotiated(&stack, minor, options);
        let bodies = negotiations.into_iter().map(|message| {
            assert_eq!(message.kind, b'v');
            message.body
        });
        assert_eq!(bodies.collect::<Vec<_>>(), Vec::from_iter(expected));
        assert_eq!(wire.cancel_key.len(), key, "3.{minor}");
        // And such a key cancels.
        let key = wire.cancel_key.clone();
        wire.send(&message::query("SELECT pg_sleep(30)"));
        stack.wait_for_sleepers(1);
        Wire::open(stack.port).send(&message::cancel(&key));
        let answer = wire.receive_until(b'Z');
        assert_eq!(message::failed(&answer), ("57014".into(), 'I'));
    }
}

#[test]
fn startup_parameters_set_nothing_that_others_would_inherit() {
    let stack = stack();
    let login = stack.login("shop_acme", "shop");
    let refused = [
        ("options", "-c app.tenant_id=globex", "42501"),
        ("options", "-capp.tenant_id=globex", "42501"),
        ("options", "--app.tenant_id=globex", "42501"),
        ("options", "-c\u{b}APP.Tenant_id=globex", "42501"),
        ("options", "-c role=migrator", "42501"),
        ("app.tenant_id", "globex", "42501"),
        ("APP.TENANT_ID", "globex", "42501"),
        ("role", "migrator", "42501"),
        ("session_authorization", "migrator", "42501"),
        ("client_encoding", "SJIS", "42501"),
        ("options", "-c client_encoding=SJIS", "42501"),
        ("client_encoding", "MULE_INTERNAL", "42501"),
        ("client_encoding", "SQL_ASCII2", "42501"),
        ("standard_conforming_strings", "off", "42501"),
        ("replication", "database", "42501"),
        ("replication", "true", "42501"),
        ("replication", "logical", "22023"),
        ("options", "-c replication=database", "42704"),
        ("nonsense", "1", "42704"),
        ("work_mem", "much", "22023"),
    ];
    for (name, value, sqlstate) in refused {
        let answer = Wire::try_login(&login, Transport::SslRequest, &[(name, value)]);
        let Err(error) = answer else {
            panic!("{name}={value} passed");
        };
        assert_eq!(error.sqlstate(), sqlstate, "{name}={value}: {error:?}");
    }
    let taken = [
        ("application_name", "a'b\"c;--"),
        ("client_encoding", "utf-8"),
        ("extra_float_digits", "2"),
        (
            "options",
            "-c DateStyle=ISO --search-path=public;drop/**/table/**/orders",
        ),
    ];
    let mut wire = Wire::login_with(&login, Transport::SslRequest, &taken);
    assert_eq!(column(&wire.query("SHOW application_name")), ["a'b\"c;--"]);
    let path = "public;drop/**/table/**/orders";
    assert_eq!(column(&wire.query("SHOW search_path")), [path]);
    assert_eq!(
        column(&wire.query("SELECT count(*) FROM public.orders")),
        ["3"]
    );
    let mut other = Wire::login(&login);
    assert_eq!(
        column(&other.query("SHOW search_path")),
        ["\"$user\", public"]
    );
}

/// Parameters that are refused with any other value may be set to what holds anyway.
#[test]
fn the_harmless_value_of_a_startup_parameter_passes() {
    // Of its own: for everybody else row_security is off.
    let stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_acme", "shop");
    stack.direct("shop", "ALTER ROLE shop_acme SET row_security = off");
    let console = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
    message::fine(&Wire::login(&console).query("RECONNECT"));
    let shown = |wire: &mut Wire| column(&wire.query("SHOW row_security"));
    let mut other = Wire::login(&login);
    assert_eq!(shown(&mut other), ["off"]);
    for (name, value) in [
        ("row_security", "on"),
        ("Row_Security", "TRUE"),
        (
            "options",
            "-c row_security=1 --standard-conforming-strings=yes",
        ),
    ] {
        let mut wire = Wire::login_with(&login, Transport::SslRequest, &[(name, value)]);
        assert_eq!(shown(&mut wire), ["on"], "{value}");
        assert_eq!(
            column(&wire.query("SHOW standard_conforming_strings")),
            ["on"]
        );
        assert_eq!(column(&wire.query("SELECT count(*) FROM orders")), ["3"]);
        // Nobody else gets it.
        assert_eq!(shown(&mut other), ["off"]);
    }
    for (name, value) in [
        ("row_security", "off"),
        ("row_security", "0"),
        ("row_security", "o"),
        ("row_security", ""),
        ("options", "-c row-security=no"),
        ("options", "-crow-security=off --row_security=on"),
        ("standard_conforming_strings", "f"),
        ("standard_conforming_strings", "o"),
        // The login's own role may have a `role`, which this would take away.
        ("role", "none"),
    ] {
        let refusal = Wire::refusal(&login, &[(name, value)]);
        assert_eq!(refusal.sqlstate(), "42501", "{name}={value}");
    }
}

/// What libpq sends of a terminal with LANG=C: the locale tells it no encoding, and UTF8 stays.
#[test]
fn the_c_locale_asks_for_no_encoding() {
    let stack = stack();
    let login = stack.login("shop_acme", "shop");
    for (name, value) in [
        ("client_encoding", "SQL_ASCII"),
        ("client_encoding", "sql-ascii"),
        ("options", "-c client_encoding=SQL_ASCII"),
    ] {
        let mut wire = Wire::login_with(&login, Transport::SslRequest, &[(name, value)]);
        assert_eq!(column(&wire.query("SHOW client_encoding")), ["UTF8"]);
        assert_eq!(column(&wire.query("SELECT 'ä'")), ["ä"]);
        // The attack: a byte that takes the quote behind it along.
        let answer = wire.query("SET client_encoding = SQL_ASCII");
        let error = message::error(&answer).expect("refused");
        assert_eq!(error.sqlstate(), "42501");
        assert_eq!(column(&wire.query("SHOW client_encoding")), ["UTF8"]);
    }
    for name in ["SJIS", "LATIN1", "BIG5"] {
        let refusal = Wire::refusal(&login, &[("client_encoding", name)]);
        assert_eq!(refusal.sqlstate(), "42501");
        let hint = "Connect with PGCLIENTENCODING=UTF8; portcullis help lexing-parameters";
        assert_eq!(refusal.field(b'H').as_deref(), Some(hint));
    }
    // As psql connects at a terminal.
    let mut psql = Command::new("psql");
    psql.args(["-XAtq", "-d", "client_encoding=auto", "-c"])
        .arg("\\echo :ENCODING")
        .envs(login.environment())
        .env("LC_ALL", "C");
    let said = psql.output().expect("run psql");
    let errors = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.stdout, b"UTF8\n", "{errors}");
}
