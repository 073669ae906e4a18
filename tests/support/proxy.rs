//! Portcullis in front of both pools.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use rustix::process::Signal;

use super::files::{Directory, write_secret};
use super::process::{RunAs, Server, command, spawn};
use super::tls::ServerCertificate;

/// What Portcullis needs to know.
pub struct ProxySettings<'a> {
    pub port: u16,
    pub http_port: u16,
    pub transaction_port: u16,
    pub session_port: u16,
    /// PostgreSQL's, for `[route.replication]`.
    pub replication_port: Option<u16>,
    pub policy: &'a str,
    /// Lines for `[limits]`.
    pub limits: &'a str,
    /// `[client_tls]` `sslmode`.
    pub client_tls: &'a str,
    /// `[server_tls]` `sslmode`.
    pub server_tls: &'a str,
    pub certificate: &'a ServerCertificate,
    pub authority: &'a Path,
    pub userlist: &'a str,
    /// Roles with a server key, and their passwords.
    pub keys: &'a [(String, String)],
    /// The text of `zone_key_file`, if there is one.
    pub zone_keys: &'a str,
}

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portcullis"))
}

/// Writes the configuration and starts Portcullis; [`wait`] for it afterwards.
pub fn start(directory: &Directory, settings: &ProxySettings) -> Server {
    let path = directory.path();
    write_secret(&path.join("userlist.txt"), settings.userlist);
    write_secret(&path.join("policy.toml"), settings.policy);
    write_secret(&path.join("portcullis.toml"), &config(path, settings));
    if !settings.zone_keys.is_empty() {
        write_secret(&path.join("zone-keys"), settings.zone_keys);
    }
    for (role, password) in settings.keys {
        add_key(path, role, password);
    }
    serve(path)
}

/// Starts Portcullis on the files in `directory`.
pub fn serve(directory: &Path) -> Server {
    serve_with(directory, &[])
}

/// The same, with these variables in its environment.
pub fn serve_with(directory: &Path, environment: &[(&str, &Path)]) -> Server {
    let mut portcullis = command(RunAs::Tester, "KILL", program());
    portcullis
        .envs(environment.iter().copied())
        .args(["serve", "--config"])
        .arg(directory.join("portcullis.toml"));
    Server::start(
        "Portcullis",
        portcullis,
        &directory.join("portcullis.log"),
        Signal::KILL,
    )
}

/// Waits until /health/ready says so.
pub fn wait(server: &mut Server, http_port: u16) {
    server.wait_until("ready", || {
        http_get(http_port, "/health/ready").is_some_and(|(status, _)| status == 200)
    });
}

/// GET `path`: the status and the body.
pub fn http_get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// The value of a series of `/metrics`, by its name and all its labels; panics if there is none.
#[track_caller]
pub fn metric<T: FromStr>(http_port: u16, series: &str) -> T {
    let (_, metrics) = http_get(http_port, "/metrics").expect("metrics");
    let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    let value = metrics.lines().find_map(value);
    value.unwrap_or_else(|| panic!("no {series} in\n{metrics}"))
}

fn add_key(directory: &Path, role: &str, password: &str) {
    let mut keys = command(RunAs::Tester, "KILL", program());
    keys.args(["keys", "add", "--key-file"])
        .arg(key_file(directory))
        .args(["--role", role, "--auth-file"])
        .arg(directory.join("userlist.txt"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(keys).expect("start portcullis keys add");
    let mut input = child.stdin.take().expect("its stdin is a pipe");
    // It may have refused and gone: its status and words below tell more than a broken pipe.
    let _ = writeln!(input, "{password}");
    drop(input);
    let output = child
        .wait_with_output()
        .expect("wait for portcullis keys add");
    assert!(
        output.status.success(),
        "portcullis keys add --role {role} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn key_file(directory: &Path) -> PathBuf {
    directory.join("server-keys")
}

fn config(path: &Path, settings: &ProxySettings) -> String {
    let ProxySettings {
        port,
        http_port,
        transaction_port,
        session_port,
        limits,
        client_tls,
        server_tls,
        ..
    } = settings;
    let keys = match settings.keys {
        [] => String::new(),
        _ => format!("key_file = {:?}", key_file(path)),
    };
    let zone_keys = match settings.zone_keys {
        "" => String::new(),
        _ => format!("zone_key_file = \"{}/zone-keys\"", path.display()),
    };
    let certificate = &settings.certificate.certificate;
    let key = &settings.certificate.key;
    let authority = settings.authority;
    // What verifies nothing takes no authority.
    let trusted = match *server_tls {
        "require" => String::new(),
        _ => format!("ca_file = {authority:?}"),
    };
    let replication = settings.replication_port.map_or_else(String::new, |port| {
        format!("[route.replication]\nhosts = [\"127.0.0.1:{port}\"]")
    });
    let directory = path.display();
    format!(
        r#"schema = 1
policy = "{directory}/policy.toml"

[listen]
postgres = "127.0.0.1:{port}"
http = "127.0.0.1:{http_port}"
console = "{directory}/console.sock"
workers = 2
advertise = "localhost:{port}"
advertise_sslrootcert = {authority:?}

[client_tls]
sslmode = "{client_tls}"
cert_file = {certificate:?}
key_file = {key:?}

[server_tls]
sslmode = "{server_tls}"
{trusted}

[auth]
auth_file = "{directory}/userlist.txt"
{keys}
{zone_keys}

[route.transaction]
hosts = ["127.0.0.1:{transaction_port}"]

[route.session]
hosts = ["127.0.0.1:{session_port}"]

{replication}

[registry]
path = "{directory}/registry.db"

[limits]
{limits}

[log]
format = "json"
"#
    )
}
