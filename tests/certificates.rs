//! Zones that a client certificate says. It proves no login: the password is asked for as ever.

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, SanType};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use support::fixture::{self, POLICY, User, password};
use support::message::{self, Message, column, error};
use support::migration::check;
use support::psql::with_input;
use support::shop::SEEN;
use support::tls::{Authority, ServerCertificate};
use support::{NEW, OLD, Pooler, Psql, Stack, StackOptions, VERSIONS, Version, Wire};

const LOGINS: &str = r#"
[login.by_cn]
kind = "service"
databases = ["shop"]
zone = { from = "certificate", field = "cn", pattern = "tenant_*", values = ["acme", "globex", "a*"] }
server_role = "shop_acme"

[login.by_san]
kind = "service"
databases = ["shop"]
zone = { from = "certificate", field = "san", pattern = "*.tenants.test" }
server_role = "shop_acme"
"#;

/// A stack that asks for certificates of an authority of its own.
struct House {
    stack: Stack,
    authority: Authority,
}

impl House {
    fn new((version, pooler): (Version, Pooler)) -> Self {
        Self::with(StackOptions {
            version,
            pooler,
            ..Self::options()
        })
    }

    fn options() -> StackOptions {
        StackOptions {
            pool_size: 1,
            users: ["by_cn", "by_san"]
                .map(|name| User::new(name, &password(name)))
                .to_vec(),
            keys: vec!["migrator", "shop_acme"],
            ..StackOptions::default()
        }
    }

    fn with(options: StackOptions) -> Self {
        let policy = options.policy.clone() + LOGINS;
        let mut stack = Stack::start(options);
        let authority = Authority::new(stack.directory(), "clients");
        std::fs::write(stack.file("policy.toml"), policy).expect("write the policy");
        let table = "[client_tls]\n";
        stack.reconfigure(table, &format!("{table}ca_file = \"clients.crt\"\n"));
        Self { stack, authority }
    }

    /// A certificate with this common name.
    fn common(&self, name: &str) -> ServerCertificate {
        issue(&self.authority, &self.stack, &[name], &[], |_| ())
    }

    /// One with these DNS names.
    fn alternative(&self, names: &[&str]) -> ServerCertificate {
        issue(&self.authority, &self.stack, &["somebody"], names, |_| ())
    }

    fn psql(&self, login: &str, shown: Option<&ServerCertificate>, sql: &str) -> Psql {
        let login = self.stack.login(login, "shop");
        let mut command = Command::new("psql");
        command.args(["-XAtq", "-v", "VERBOSITY=verbose", "-f", "-"]);
        command.envs(login.environment());
        command.env("PGCHANNELBINDING", "require");
        if let Some(shown) = shown {
            command.env("PGSSLCERT", &shown.certificate);
            command.env("PGSSLKEY", &shown.key);
        }
        with_input(command, sql).into()
    }

    fn wire(&self, login: &str, shown: Option<&ServerCertificate>) -> Result<Wire, Message> {
        let login = self.stack.login(login, "shop");
        let mut wire = Wire::open(login.port);
        wire.send(&message::ssl_request());
        assert_eq!(wire.receive_byte(), Some(b'S'));
        let trusted = self.stack.authority.certificate().to_owned();
        let mut wire = wire.into_tls(&tls(trusted, shown));
        let all = [("user", &*login.user), ("database", &*login.database)];
        wire.send(&message::startup((3, 0), &all));
        wire.authenticate(&login.password, None)?;
        let messages = wire.receive_until(b'Z');
        error(&messages).map_or(Ok(wire), |error| Err(error.clone()))
    }
}

fn issue(
    authority: &Authority,
    stack: &Stack,
    common: &[&str],
    alternative: &[&str],
    edit: impl FnOnce(&mut CertificateParams),
) -> ServerCertificate {
    let name = format!("client-{}", rand_name());
    authority.issue_as(stack.directory(), &name, &[], |params| {
        for name in common {
            let name = rcgen::DnValue::Utf8String((*name).to_owned());
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = alternative
            .iter()
            .map(|name| SanType::DnsName((*name).try_into().expect("ASCII")))
            .collect();
        edit(params);
    })
}

/// No two files have one name.
fn rand_name() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

fn tls(trusted: PathBuf, shown: Option<&ServerCertificate>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&support::wire::client_config(&trusted));
    if let Some(shown) = shown {
        let chain = CertificateDer::pem_file_iter(&shown.certificate).expect("a certificate");
        let chain: Vec<_> = chain.map(|it| it.expect("a certificate")).collect();
        let key = PrivateKeyDer::from_pem_file(&shown.key).expect("a key");
        let provider = config.crypto_provider();
        let key = provider.key_provider.load_private_key(key).expect("a key");
        let own = rustls::sign::CertifiedKey::new(chain, key);
        config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(own));
    }
    Arc::new(config)
}

#[test]
fn the_certificate_says_the_zone_and_the_password_who() {
    for versions in VERSIONS {
        let house = House::new(versions);
        for zone in ["acme", "globex"] {
            let common = house.common(&format!("tenant_{zone}"));
            assert_eq!(
                house.psql("by_cn", Some(&common), SEEN).ok(),
                format!("{zone}\n")
            );
            let names = [&*format!("{zone}.tenants.test"), "client.example.com"];
            let named = house.alternative(&names);
            assert_eq!(
                house.psql("by_san", Some(&named), SEEN).ok(),
                format!("{zone}\n")
            );
            // Both at a time over one server connection, and nobody's own.
            let mut wire = house.wire("by_cn", Some(&common)).expect("let in");
            for _ in 0..3 {
                assert_eq!(column(&wire.query(SEEN)), [zone]);
                let set = wire.query("SET app.tenant_id = 'globex'; SELECT 1");
                if zone == "acme" {
                    let guard = error(&set).and_then(|it| it.field(b'R'));
                    assert_eq!(guard.as_deref(), Some("zone-not-granted"));
                }
            }
            // To whom it says nothing it is no key, and no obstacle.
            let fixed = house.psql("shop_globex", Some(&common), SEEN);
            assert_eq!(fixed.ok(), "globex\n");
        }
        assert_eq!(house.psql("shop_acme", None, SEEN).ok(), "acme\n");
        let acme = house.common("tenant_acme");
        let login = house.stack.login("by_cn", "shop");
        let mut command = Command::new("psql");
        command.args(["-XAtqc", SEEN]).envs(login.environment());
        command.env("PGSSLCERT", &acme.certificate);
        command.env("PGSSLKEY", &acme.key);
        command.env("PGPASSWORD", "not it");
        let wrong: Psql = with_input(command, "").into();
        assert!(
            wrong.stderr.contains("password authentication failed"),
            "{wrong:?}"
        );
    }
}

#[test]
fn without_a_certificate_that_says_one_nobody_gets_in() {
    let house = House::new(OLD);
    let (by_cn, by_san) = ("by_cn", "by_san");
    let common = |name: &str| Some(house.common(name));
    let named = |names: &[&str]| Some(house.alternative(names));
    let two = issue(
        &house.authority,
        &house.stack,
        &["tenant_acme", "tenant_acme"],
        &[],
        |params| {
            // Two common names: the second as a type of its own with the same number.
            let same = DnType::CustomDnType(vec![2, 5, 4, 3]);
            params.distinguished_name.push(same, "tenant_acme");
        },
    );
    let fits = "fits the pattern of the tenant";
    let granted = "does not grant it the tenant";
    for (login, shown, detail) in [
        (by_cn, None, "has shown no certificate"),
        (by_san, None, "has shown no certificate"),
        (by_cn, common("somebody"), fits),
        (by_cn, common("xtenant_acme"), fits),
        (by_cn, common("TENANT_acme"), fits),
        (by_cn, common("tenant_"), granted),
        (by_cn, common("tenant_*"), granted),
        (by_cn, common("tenant_hooli"), granted),
        (by_cn, common("tenant_a\nb"), granted),
        (
            by_cn,
            common(&format!("tenant_a{}", "b".repeat(300))),
            granted,
        ),
        (by_cn, Some(two), fits),
        (by_cn, named(&["tenant_acme"]), fits),
        (by_san, common("acme.tenants.test"), fits),
        (by_san, named(&["*.tenants.test"]), granted),
        (by_san, named(&["acme.tenants.test.example.com"]), fits),
        (
            by_san,
            named(&["acme.tenants.test", "globex.tenants.test"]),
            "more than one tenant",
        ),
    ] {
        let refused = house.wire(login, shown.as_ref());
        let refused = refused.err().unwrap_or_else(|| panic!("{detail}: let in"));
        assert_eq!(refused.sqlstate(), "28000", "{refused:?}");
        let field = |code| refused.field(code).unwrap_or_default();
        assert_eq!(field(b'R'), "zone-not-granted");
        assert!(field(b'D').contains(detail), "{}", field(b'D'));
        assert!(!field(b'H').is_empty());
        let told = house.psql(login, shown.as_ref(), SEEN);
        assert_eq!(told.status, 2, "{told:?}");
        let message = format!("login \"{login}\" has no tenant on this connection");
        assert!(told.stderr.contains(&message), "{told:?}");
    }
    // What is not valid ends the handshake, whoever logs in.
    let other = Authority::new(house.stack.directory(), "others");
    let strange = issue(&other, &house.stack, &["tenant_acme"], &[], |_| ());
    let expired = issue(
        &house.authority,
        &house.stack,
        &["tenant_acme"],
        &[],
        |it| {
            it.not_before = rcgen::date_time_ymd(2020, 1, 1);
            it.not_after = rcgen::date_time_ymd(2021, 1, 1);
        },
    );
    let server = issue(
        &house.authority,
        &house.stack,
        &["tenant_acme"],
        &[],
        |it| {
            it.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        },
    );
    for shown in [&strange, &expired, &server] {
        let told = house.psql(by_cn, Some(shown), SEEN);
        assert!(told.stdout.is_empty() && told.status == 2, "{told:?}");
        assert!(told.stderr.contains("SSL"), "{told:?}");
    }
    // Zones and names are nothing for the log.
    assert!(!house.stack.proxy_log().contains("hooli"));
    let acme = house.common("tenant_acme");
    assert_eq!(house.psql(by_cn, Some(&acme), SEEN).ok(), "acme\n");
}

#[test]
fn authorities_and_policy_are_read_again() {
    let house = House::new(OLD);
    let old = house.common("tenant_acme");
    let mut wire = house.wire("by_cn", Some(&old)).expect("let in");
    let others = Authority::new(house.stack.directory(), "others");
    let new = issue(&others, &house.stack, &["tenant_globex"], &[], |_| ());
    let ca = house.stack.file("clients.crt");
    let text = std::fs::read(&ca).expect("the old authority");
    // What is no certificate changes nothing.
    std::fs::write(&ca, "none").expect("write");
    house.stack.try_reload().refused("nothing was reloaded");
    let told = house
        .stack
        .logged(&["CA file for applications cannot be used"]);
    assert!(told.contains("clients.crt"));
    assert_eq!(house.psql("by_cn", Some(&old), SEEN).ok(), "acme\n");
    // One after the other.
    std::fs::copy(others.certificate(), &ca).expect("copy");
    house.stack.reload();
    assert_eq!(house.psql("by_cn", Some(&new), SEEN).ok(), "globex\n");
    assert_eq!(house.psql("by_cn", Some(&old), SEEN).status, 2);
    assert_eq!(column(&wire.query(SEEN)), ["acme"], "who is in stays");
    std::fs::write(&ca, text).expect("write");
    house.stack.reload();
    // The policy: what does not change the zone, and what does.
    let policy = |from: &str, to: &str| {
        let text = house.stack.policy();
        assert!(text.contains(from), "{text}");
        house.stack.load(&text.replacen(from, to, 1));
    };
    policy("[login.by_cn]\n", "[login.by_cn]\nmax_connections = 9\n");
    assert_eq!(column(&wire.query(SEEN)), ["acme"]);
    policy("\"a*\"]", "\"a*\", \"b*\"]");
    assert_eq!(column(&wire.query(SEEN)), ["acme"]);
    policy("[\"acme\", \"globex\", \"a*\"", "[\"globex\"");
    wire.send(&message::query(SEEN));
    let farewell = wire.receive().expect("an error");
    assert_eq!(farewell.sqlstate(), "57P01");
    let refused = house.wire("by_cn", Some(&old)).err().expect("refused");
    assert_eq!(refused.sqlstate(), "28000");
}

#[test]
fn a_policy_that_needs_certificates_says_where_they_are_asked_for() {
    let house = House::new(OLD);
    let file = house.stack.file("portcullis.toml");
    check(&file).ok();
    let text = std::fs::read_to_string(&file).expect("the configuration");
    support::files::write_secret(&file, &text.replace("ca_file = \"clients.crt\"\n", ""));
    let refused = check(&file);
    assert_ne!(refused.status, 0);
    let told = "login \"by_cn\" has its zone from client certificates, but portcullis.toml has no \"client_tls.ca_file\"";
    assert!(refused.stdout.contains(told), "{refused:?}");
}

#[test]
fn it_can_be_signed() {
    const SECRET: &str = "0707070707070707070707070707070707070707070707070707070707070707";
    let kit = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/sql/zone.sql");
    let wall = format!(
        "\\connect shop\n\\i {kit}\nSELECT portcullis.add_key('k1', decode('{SECRET}', 'hex')) \\g /dev/null\n\
         SET ROLE migrator; DROP POLICY tenant ON orders; CALL portcullis.protect('orders', 'tenant_id'); RESET ROLE;\n"
    );
    let house = House::with(StackOptions {
        version: NEW.0,
        pooler: NEW.1,
        sql: fixture::SQL.to_owned() + &wall,
        policy: POLICY.replace("protection = \"plain\"", "protection = \"signed\""),
        zone_keys: format!("\"shop\" \"k1\" \"{SECRET}\"\n"),
        ..House::options()
    });
    for zone in ["acme", "globex"] {
        let shown = house.common(&format!("tenant_{zone}"));
        let mut wire = house.wire("by_cn", Some(&shown)).expect("let in");
        for _ in 0..12 {
            assert_eq!(column(&wire.query(SEEN)), [zone]);
            let answer = wire.batch(&message::extended(SEEN, &[]));
            assert_eq!(column(&answer), [zone]);
        }
    }
}
