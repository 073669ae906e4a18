//! What `portcullis.toml` may say, and what each mistake is told.

use std::path::Path;
use std::time::Duration;

use super::*;

mod tables;

const COMPLETE: &str = r#"schema = 1
policy = "policies/production.toml"
help_url = "https://wiki.example.com/db/{guard}"
[listen]
postgres = "0.0.0.0:6432"
http = "127.0.0.1:9632"
console = "/run/portcullis/console.sock"
max_client_conn = 500
workers = 3
advertise = "db.example.com"
advertise_sslrootcert = "/etc/ca.crt"
[client_tls]
sslmode = "require"
cert_file = "tls/server.crt"
key_file = "tls/server.key"
[server_tls]
sslmode = "verify-full"
ca_file = "/etc/ca.crt"
[auth]
auth_file = "/etc/pgbouncer/userlist.txt"
key_file = "/etc/portcullis/keys"
[route.transaction]
hosts = ["tx-1.internal:6432", "[::1]:6433"]
[route.session]
hosts = ["session.internal:6432"]
[registry]
path = "/var/lib/portcullis/registry.db"
[limits]
max_statement_bytes = "2MB"
client_login_timeout = "30s"
server_connect_timeout = "5s"
server_role_max_age = "0s"
drain_timeout = "1min"
facts_cache_bytes = "8MB"
max_prepared_bytes = "1GB"
max_cancels = 7
[log]
format = "text"
level = "debug"
[peers]
peer_id = 1
2 = "portcullis-2.internal:6432"
sslmode = "verify-full"
ca_file = "/etc/ca.crt"
[isolation]
interval = "30s"
timeout = "5s"
database = "shop"
logins = ["shop_api"]
zones = ["canary-a", "canary-b"]
column = "tenant_id"
tables = ["public.orders"]
readiness = true
"#;

const LEAST: &str = r#"schema = 1
policy = "p.toml"
[listen]
postgres = "[::]:6432"
[client_tls]
sslmode = "disable"
[server_tls]
sslmode = "disable"
[auth]
auth_file = "u"
[route.transaction]
hosts = ["a:1"]
"#;

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(text, Path::new("/etc/portcullis/portcullis.toml"), 4)
}

/// The problems when `from` of the complete file is replaced: `line: message | help`.
fn told(from: &str, to: &str) -> Vec<String> {
    assert!(COMPLETE.contains(from), "{from}");
    let problems = parse(&COMPLETE.replacen(from, to, 1)).expect_err(to);
    problems
        .iter()
        .map(|problem| match &problem.help {
            Some(help) => format!("{}: {} | {help}", problem.line, problem.message),
            None => format!("{}: {}", problem.line, problem.message),
        })
        .collect()
}

#[test]
fn a_complete_file_is_read() {
    let config = parse(COMPLETE).unwrap();
    assert_eq!(
        config.policy,
        Path::new("/etc/portcullis/policies/production.toml")
    );
    assert_eq!(
        config.help_url.as_deref(),
        Some("https://wiki.example.com/db/{guard}")
    );
    assert_eq!(config.listen.postgres.to_string(), "0.0.0.0:6432");
    assert_eq!(config.listen.http.unwrap().to_string(), "127.0.0.1:9632");
    assert_eq!(
        config.listen.console.as_deref(),
        Some(Path::new("/run/portcullis/console.sock"))
    );
    assert_eq!(
        (config.listen.max_client_conn, config.listen.workers),
        (500, 3)
    );
    assert_eq!(
        config.listen.advertise.unwrap().to_string(),
        "db.example.com:6432"
    );
    assert_eq!(config.client_tls.sslmode, SslMode::Require);
    assert_eq!(
        config.client_tls.cert_file.as_deref(),
        Some(Path::new("/etc/portcullis/tls/server.crt"))
    );
    assert_eq!(config.server_tls.sslmode, SslMode::VerifyFull);
    assert_eq!(
        config.auth.key_file.as_deref(),
        Some(Path::new("/etc/portcullis/keys"))
    );
    let hosts: Vec<String> = config
        .transaction
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(hosts, ["tx-1.internal:6432", "[::1]:6433"]);
    assert_eq!(config.session.unwrap().hosts.len(), 1);
    assert_eq!(
        config.registry.as_deref(),
        Some(Path::new("/var/lib/portcullis/registry.db"))
    );
    assert_eq!(config.limits.max_statement_bytes, 2 << 20);
    assert_eq!(config.limits.drain_timeout, Duration::from_secs(60));
    assert_eq!(config.limits.max_cancels, 7);
    assert_eq!(config.limits.max_prepared_bytes, 1 << 30);
    assert_eq!(config.limits.server_role_max_age, Duration::ZERO);
    assert_eq!(
        (config.log.json, config.log.level.as_str()),
        (false, "debug")
    );
}

#[test]
fn the_rest_has_defaults() {
    let config = parse(LEAST).unwrap();
    assert_eq!(
        (config.listen.max_client_conn, config.listen.workers),
        (5000, 4)
    );
    assert_eq!(
        (
            config.limits.max_statement_bytes,
            config.limits.facts_cache_bytes,
            config.limits.max_prepared_bytes,
        ),
        (1 << 20, 16 << 20, 2 << 30)
    );
    assert_eq!(config.limits.client_login_timeout, Duration::from_secs(60));
    assert_eq!(
        config.limits.server_connect_timeout,
        Duration::from_secs(15)
    );
    assert_eq!(config.limits.server_role_max_age, Duration::from_secs(60));
    assert_eq!(
        (config.limits.drain_timeout, config.limits.max_cancels),
        (Duration::from_secs(30), 64)
    );
    assert_eq!((config.log.json, config.log.level.as_str()), (true, "info"));
    assert!(
        config.session.is_none() && config.registry.is_none() && config.listen.console.is_none()
    );
}

#[test]
fn an_empty_file_is_told_everything_it_lacks() {
    let problems = parse("").unwrap_err();
    let messages: Vec<&str> = problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "missing key \"schema\"",
            "missing key \"policy\"",
            "missing table [listen]",
            "missing table [client_tls]",
            "missing table [server_tls]",
            "missing table [auth]",
            "missing table [route]",
        ]
    );
}

#[test]
fn several_mistakes_are_told_in_one_run_and_in_order() {
    let text = COMPLETE
        .replace("workers = 3", "workerz = 3")
        .replace("max_cancels = 7", "max_cancels = 0")
        .replace("tx-1.internal:6432", "tx-1");
    let lines: Vec<u32> = parse(&text)
        .unwrap_err()
        .iter()
        .map(|problem| problem.line)
        .collect();
    assert_eq!(lines, [9, 23, 36]);
}

#[test]
fn unknown_keys_are_told_what_was_meant() {
    assert_eq!(
        told("workers", "workerz"),
        ["9: unknown key \"listen.workerz\" | did you mean \"workers\"?"]
    );
    assert_eq!(
        told("[registry]", "[registri]"),
        ["26: unknown key \"registri\" | did you mean \"registry\"?"]
    );
    assert_eq!(
        told("[route.session]", "[route.sesion]"),
        ["24: unknown key \"route.sesion\" | did you mean \"session\"?"]
    );
    assert_eq!(told("[log]", "[colour]"), ["37: unknown key \"colour\""]);
}

#[test]
fn keys_of_later_versions_are_named() {
    assert_eq!(
        told("[registry]", "[audit]"),
        ["26: \"audit\" is not supported in this version | remove it"]
    );
    assert_eq!(
        told("[auth]", "[auth]\nauth_query = \"x\""),
        ["20: \"auth.auth_query\" is not supported in this version | remove it"]
    );
    assert_eq!(
        told("path =", "dsn_file = \"x\"\npath ="),
        ["27: \"registry.dsn_file\" is not supported in this version | remove it"]
    );
    let both = told(
        "[route.session]",
        "load_balance_hosts = \"random\"\n[route.session]",
    );
    assert_eq!(
        both,
        [
            "24: \"route.transaction.load_balance_hosts\" is not supported in this version | remove it"
        ]
    );
}

#[test]
fn the_schema_is_one() {
    assert_eq!(
        told("schema = 1\n", "\n"),
        ["0: missing key \"schema\" | schema = 1"]
    );
    assert_eq!(
        told("schema = 1", "schema = 2"),
        ["1: schema 2 is not known to this version | schema = 1"]
    );
}

#[test]
fn types_and_units_are_told() {
    assert_eq!(
        told("\"30s\"", "30"),
        [
            "30: \"limits.client_login_timeout\" needs a unit | write client_login_timeout = \"30s\" or another unit"
        ]
    );
    assert_eq!(
        told("\"30s\"", "\"30\""),
        ["30: \"30\" is not a duration | it needs a unit: us ms s min h d"]
    );
    assert_eq!(
        told("\"2MB\"", "\"2mb\""),
        ["29: \"2mb\" is not a size | did you mean \"2MB\"?"]
    );
    assert_eq!(
        told("\"2MB\"", "\"2TB\""),
        ["29: \"2TB\" is out of bounds: 1kB to 64MB"]
    );
    assert_eq!(
        told("\"30s\"", "\"1h\""),
        ["30: \"1h\" is out of bounds: 1s to 10min"]
    );
    assert_eq!(
        told("workers = 3", "workers = \"3\""),
        ["9: \"listen.workers\" must be a whole number, not a string"]
    );
    assert_eq!(
        told("workers = 3", "workers = 0"),
        ["9: \"listen.workers\" must be 1 to 1024"]
    );
    assert_eq!(
        told("format = \"text\"", "format = 1"),
        ["38: \"log.format\" must be a string, not an integer"]
    );
    assert_eq!(
        told("hosts = [\"session.internal:6432\"]", "hosts = \"a:1\""),
        ["25: \"route.session.hosts\" must be a list of strings, not a string"]
    );
    assert_eq!(
        told("[log]", "[[log]]"),
        ["37: \"log\" must be a table, not an array"]
    );
}

#[test]
fn addresses_are_told() {
    let bad = "6: \"localhost:1\" is not an address and a port | for example \"0.0.0.0:6432\" or \"[::]:6432\"";
    assert_eq!(told("127.0.0.1:9632", "localhost:1"), [bad]);
    assert_eq!(
        told("127.0.0.1:9632", "0.0.0.0:6432"),
        ["6: \"listen.http\" and \"listen.postgres\" are the same address"]
    );
    let bad = "23: \"::1:6433\" is not a host and a port | for example \"pgbouncer.internal:6432\" or \"[::1]:6432\"";
    assert_eq!(told("[::1]:6433", "::1:6433"), [bad]);
    assert_eq!(
        told("[::1]:6433", "tx-1.internal:6432"),
        ["23: tx-1.internal:6432 is named twice"]
    );
    assert_eq!(
        told("[\"session.internal:6432\"]", "[]"),
        ["25: \"hosts\" must name 1 to 16 endpoints"]
    );
    let long = format!("/{}", "x".repeat(107));
    assert_eq!(
        told("/run/portcullis/console.sock", &long),
        ["7: the path of a unix socket has at most 107 bytes | choose a shorter directory"]
    );
    assert_eq!(
        told("/run/portcullis/console.sock", ""),
        ["7: a path must not be empty"]
    );
}

#[test]
fn tls_modes_are_told() {
    let allow = "13: sslmode \"prefer\" is not available here | towards applications that is \"allow\": TLS if they ask for it";
    assert_eq!(told("\"require\"", "\"prefer\""), [allow]);
    let full = "13: sslmode \"verify-full\" is not available here | client certificates are not supported in this version; \"require\" is the strictest";
    assert_eq!(told("\"require\"", "\"verify-full\""), [full]);
    let never = "17: sslmode \"prefer\" is not available here | it would fall back to plaintext; \"verify-full\", or \"disable\" on a private link";
    assert_eq!(told("\"verify-full\"", "\"prefer\""), [never]);
    assert_eq!(
        told("\"verify-full\"", "\"verify-ful\""),
        ["17: \"verify-ful\" is not known | did you mean \"verify-full\"?"]
    );
    let unverified = "17: sslmode \"require\" verifies nothing, but there is a ca_file | verify-full, or remove ca_file";
    assert_eq!(told("\"verify-full\"", "\"require\""), [unverified]);
    assert_eq!(
        told("ca_file = \"/etc/ca.crt\"\n", ""),
        ["16: missing key \"ca_file\" in [server_tls] | ca_file = \"/etc/portcullis/tls/ca.crt\""]
    );
    let cert = "12: missing key \"cert_file\" in [client_tls] | cert_file = \"/etc/portcullis/tls/server.crt\", or sslmode = \"disable\"";
    assert_eq!(told("cert_file = \"tls/server.crt\"\n", ""), [cert]);
}

#[test]
fn a_help_url_is_a_page() {
    for (url, help) in [
        (
            "wiki",
            "for example \"https://wiki.example.com/db/{guard}\"",
        ),
        (
            "javascript:x",
            "for example \"https://wiki.example.com/db/{guard}\"",
        ),
        (
            "https://a/ b",
            "for example \"https://wiki.example.com/db/{guard}\"",
        ),
        ("https://a/{id}", "the only placeholder is {guard}"),
    ] {
        assert_eq!(
            told("https://wiki.example.com/db/{guard}", url),
            [format!(
                "3: \"help_url\" is not an address of a page | {help}"
            )]
        );
    }
}

#[test]
fn syntax_errors_have_a_place() {
    let problems = parse("schema = 1\npolicy = \n[listen\n").unwrap_err();
    assert!(problems.len() >= 2, "{problems:?}");
    assert_eq!(
        (problems[0].line, problems[0].file.as_str()),
        (2, "/etc/portcullis/portcullis.toml")
    );
    let twice = parse("schema = 1\nschema = 1\n").unwrap_err();
    assert_eq!(
        (twice[0].line, twice[0].message.as_str()),
        (2, "duplicate key")
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let missing = Config::load(Path::new("/nonexistent/portcullis.toml")).unwrap_err();
    assert!(
        missing[0].message.starts_with("could not read the file"),
        "{missing:?}"
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portcullis.toml");
    std::fs::write(&path, vec![b'#'; MAX_FILE_BYTES as usize + 1]).unwrap();
    assert_eq!(
        Config::load(&path).unwrap_err()[0].message,
        "the file is longer than 1MB"
    );
    std::fs::write(&path, LEAST).unwrap();
    assert_eq!(
        Config::load(&path).unwrap().policy,
        directory.path().join("p.toml")
    );
}

#[test]
fn the_reference_names_every_setting() {
    let reference = include_str!("settings.md");
    for line in COMPLETE.lines() {
        let name = line.split(" =").next().unwrap_or_default();
        let described = reference
            .lines()
            .any(|entry| entry.split_whitespace().next() == Some(name));
        assert!(described, "{name}");
    }
}
