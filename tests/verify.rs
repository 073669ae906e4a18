//! verify-full on both legs: for each way in which a server may not be the right one, nothing is
//! said to it.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::Signal;
use support::files::{give_to_server, write_secret};
use support::message::column;
use support::parts::Pooler;
use support::process::{RunAs, Server, command, must_run};
use support::tls::{Authority, ServerCertificate};
use support::{Psql, Stack, StackOptions, Transport, Wire};

/// What is wrong with a certificate, and the certificate.
fn bad_certificates(stack: &Stack) -> Vec<(&'static str, ServerCertificate)> {
    let directory = stack.directory();
    let other = Authority::new(directory, "other");
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let own = &stack.authority;
    vec![
        (
            "wrong name",
            own.issue_as(directory, "name", &["db.example.com"], |_| ()),
        ),
        ("other authority", other.issue(directory, "stranger")),
        (
            "expired",
            own.issue_as(directory, "expired", &["localhost", "127.0.0.1"], expired),
        ),
        ("self-signed", self_signed(directory)),
    ]
}

fn self_signed(directory: &Path) -> ServerCertificate {
    let hosts = ["localhost", "127.0.0.1"].map(str::to_owned).to_vec();
    let key = KeyPair::generate().expect("make a key");
    let params = CertificateParams::new(hosts).expect("valid host names");
    let pem = params.self_signed(&key).expect("sign").pem();
    let files = ServerCertificate {
        certificate: directory.join("self.crt"),
        key: directory.join("self.key"),
    };
    std::fs::write(&files.certificate, pem).expect("write the certificate");
    write_secret(&files.key, &key.serialize_pem());
    files
}

/// Starts Portcullis again with a changed configuration.
fn restart(stack: &mut Stack, changes: &[(String, String)]) {
    stack.proxy = None;
    let file = stack.file("portcullis.toml");
    let mut config = std::fs::read_to_string(&file).expect("read the configuration");
    for (from, to) in changes {
        assert!(config.contains(from), "{from} in {config}");
        config = config.replace(from, to);
    }
    write_secret(&file, &config);
    stack.restart_proxy();
}

#[test]
fn psql_trusts_no_other_proxy() {
    let mut stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    let good = stack.file("server");
    let mut current = good.display().to_string();
    let reasons = [
        "does not match host name",
        "certificate verify failed",
        "certificate verify failed",
        "certificate verify failed",
    ];
    for ((what, bad), reason) in bad_certificates(&stack).into_iter().zip(reasons) {
        let next = bad.certificate.with_extension("").display().to_string();
        let files = |path: &str| ["crt", "key"].map(|kind| format!("\"{path}.{kind}\""));
        let changes: Vec<_> = files(&current).into_iter().zip(files(&next)).collect();
        restart(&mut stack, &changes);
        current = next;
        let answer = stack.psql(&login, "SELECT 1");
        assert_eq!(answer.status, 2, "{what}");
        assert!(answer.stderr.contains(reason), "{what}: {}", answer.stderr);
    }
    let fake = Fake::start(b"N");
    let mut elsewhere = login.clone();
    elsewhere.port = fake.port;
    let answer = stack.psql(&elsewhere, "SELECT 1");
    assert!(
        answer.stderr.contains("does not support SSL"),
        "{}",
        answer.stderr
    );
    assert_eq!(fake.heard(), b"");
}

fn restart_pool(stack: &mut Stack, certificate: &ServerCertificate) {
    stack.transaction.end();
    for (from, to) in [
        (&certificate.certificate, "server.crt"),
        (&certificate.key, "server.key"),
    ] {
        let file = stack.file(&format!("pgbouncer-transaction/{to}"));
        let pem = std::fs::read_to_string(from).expect("read a file of the certificate");
        write_secret(&file, &pem);
        give_to_server(&file);
    }
    let mut pgbouncer = command(RunAs::Server, "KILL", &Pooler::V1_18.program());
    pgbouncer.arg(stack.file("pgbouncer-transaction/pgbouncer.ini"));
    let log = stack.file("pgbouncer-again.log");
    stack.transaction = Server::start("PgBouncer", pgbouncer, &log, Signal::KILL);
    support::pool::wait(&mut stack.transaction, stack.transaction_port);
}

/// The client is told that there is no server, and not what the attacker has to say.
#[track_caller]
fn no_server(stack: &Stack, what: &str) {
    let login = stack.login("shop_plain", "app");
    let error = Wire::try_login(&login, Transport::SslRequest, &[])
        .err()
        .unwrap_or_else(|| panic!("{what}: logged in"));
    assert_eq!(error.sqlstate(), "08004", "{what}: {error:?}");
    let message = error.field(b'M').unwrap_or_default();
    assert_eq!(message, "could not connect to the server behind", "{what}");
}

#[test]
fn the_proxy_trusts_no_other_pgbouncer() {
    let mut stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    let mut connected = Wire::login(&login);
    for (what, bad) in bad_certificates(&stack) {
        restart_pool(&mut stack, &bad);
        no_server(&stack, what);
        assert!(!stack.transaction.log().contains("login attempt"), "{what}");
    }
    stack.logged(&["not valid for name", "UnknownIssuer", "expired"]);
    let good = ServerCertificate {
        certificate: stack.file("server.crt"),
        key: stack.file("server.key"),
    };
    restart_pool(&mut stack, &good);
    assert_eq!(column(&Wire::login(&login).query("SELECT 1")), ["1"]);
    assert_eq!(column(&connected.query("SELECT 1")), ["1"]);
}

/// What is not verified is encrypted all the same, and what is verified is refused where it is wrong.
#[test]
fn require_and_verify_ca_take_what_they_say() {
    for (sslmode, taken) in [
        (
            "require",
            &["wrong name", "other authority", "expired", "self-signed"][..],
        ),
        ("verify-ca", &["wrong name"]),
    ] {
        let mut stack = Stack::start(StackOptions {
            server_tls: sslmode,
            ..StackOptions::default()
        });
        let login = stack.login("shop_plain", "app");
        for login in [&login, &stack.login("shop_acme", "shop")] {
            assert_eq!(column(&Wire::login(login).query("SELECT 1")), ["1"]);
        }
        let log = stack.transaction.log();
        assert_eq!(log.matches("login attempt").count(), 2, "{log}");
        assert_eq!(log.matches("tls=TLSv1.3").count(), 2, "{log}");
        for (what, bad) in bad_certificates(&stack) {
            restart_pool(&mut stack, &bad);
            match taken.contains(&what) {
                true => drop(Wire::login(&login)),
                false => no_server(&stack, what),
            }
        }
        let fake = Fake::start(b"N");
        let hosts = |port: u16| format!("hosts = [\"127.0.0.1:{port}\"]");
        let changes = [(hosts(stack.transaction_port), hosts(fake.port))];
        restart(&mut stack, &changes);
        no_server(&stack, "no TLS");
        assert_eq!(fake.heard(), b"");
    }
}

/// A PgBouncer that knows no newer TLS than 1.2 is dialed as well, and trusted no further.
#[test]
fn the_proxy_speaks_tls_1_2_to_a_pgbouncer_that_knows_no_other() {
    let mut stack = Stack::start(StackOptions {
        pgbouncer: "client_tls_protocols = tlsv1.2".into(),
        ..StackOptions::default()
    });
    let login = stack.login("shop_acme", "shop");
    let asked = || column(&Wire::login(&login).query("SELECT count(*) FROM orders"));
    assert_eq!(asked(), ["3"]);
    let log = stack.transaction.log();
    assert_eq!(log.matches("tls=TLSv1.2").count(), 1, "{log}");
    assert!(!log.contains("tls=TLSv1.3"), "{log}");
    for (what, bad) in bad_certificates(&stack) {
        restart_pool(&mut stack, &bad);
        no_server(&stack, what);
    }
}

/// A certificate that is its own authority, signed as `options` of openssl say.
fn signed_as(stack: &Stack, name: &str, options: &[&str]) -> ServerCertificate {
    let [certificate, key] = ["crt", "key"].map(|kind| stack.file(&format!("{name}.{kind}")));
    let mut openssl = std::process::Command::new("openssl");
    openssl
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "7",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-newkey",
        ])
        .args(options)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    must_run(openssl);
    let text = std::fs::read_to_string(&key).expect("read the key");
    write_secret(&key, &text);
    ServerCertificate { certificate, key }
}

/// SCRAM-SHA-256-PLUS goes by the hash of the certificate's own signature. Ed25519 has none: libpq would give up where
/// it is offered all the same.
#[test]
fn psql_binds_the_channel_to_certificates_of_every_kind() {
    let mut stack = Stack::start(StackOptions::default());
    let mut login = stack.login("shop_plain", "app");
    let mut current = stack.file("server").display().to_string();
    let curve = "ec_paramgen_curve:P-384";
    for (name, options, binds) in [
        ("rsa256", &["rsa:2048", "-sha256"][..], true),
        ("rsa512", &["rsa:2048", "-sha512"], true),
        ("p384", &["ec", "-pkeyopt", curve, "-sha384"], true),
        ("ed25519", &["ed25519"], false),
    ] {
        let certificate = signed_as(&stack, name, options);
        let next = stack.file(name).display().to_string();
        let files = |path: &str| ["crt", "key"].map(|kind| format!("\"{path}.{kind}\""));
        let changes: Vec<_> = files(&current).into_iter().zip(files(&next)).collect();
        restart(&mut stack, &changes);
        current = next;
        login.sslrootcert = certificate.certificate;
        for (binding, works) in [("disable", true), ("prefer", true), ("require", binds)] {
            let mut psql = std::process::Command::new("psql");
            psql.envs(login.environment())
                .env("PGCHANNELBINDING", binding)
                .args(["-XAtqc", "SELECT 'bound'"]);
            let answer = Psql::from(psql.output().expect("run psql"));
            assert_eq!(answer.status == 0, works, "{name}, {binding}: {answer:?}");
        }
    }
}

/// A server that reads an SSLRequest, says one thing, and notes what it is told then.
struct Fake {
    port: u16,
    heard: Receiver<Vec<u8>>,
}

impl Fake {
    fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
        let port = listener.local_addr().expect("an address").port();
        let (sender, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let rest = talk(stream.expect("a connection"), answer);
                // Nobody listens any more when the test is over.
                if rest.is_some_and(|rest| sender.send(rest).is_err()) {
                    return;
                }
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<u8> {
        let heard = self.heard.recv_timeout(Duration::from_secs(5));
        heard.expect("somebody asked for TLS")
    }
}

/// What came behind the SSLRequest; `None` if none came (a probe).
fn talk(mut stream: TcpStream, answer: &[u8]) -> Option<Vec<u8>> {
    let mut request = [0; 8];
    stream.read_exact(&mut request).ok()?;
    stream.write_all(answer).ok()?;
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut rest);
    Some(rest)
}

#[test]
fn whatever_is_said_before_tls_ends_the_attempt() {
    let mut stack = Stack::start(StackOptions::default());
    let mut port = stack.transaction_port;
    let error = b"E\0\0\0\x2cSFATAL\0C28000\0Mvisit http://evil.example\0\0\0";
    let trust = b"NR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    let answers: [(&str, &'static [u8]); 5] = [
        ("no TLS", b"N"),
        ("no TLS, but come in", trust),
        ("an error text", error),
        ("bytes behind the S", b"SR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
        ("nonsense", b"x"),
    ];
    for (what, answer) in answers {
        let fake = Fake::start(answer);
        let host = |port: u16| format!("hosts = [\"127.0.0.1:{port}\"]");
        restart(&mut stack, &[(host(port), host(fake.port))]);
        port = fake.port;
        no_server(&stack, what);
        assert_eq!(fake.heard(), b"", "{what}");
    }
}
