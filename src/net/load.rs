//! The files that a proxy reads at start and again while it runs. Whatever is wrong with one of them is
//! told in full.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::shared::Files;
use crate::auth::keys::ServerKeys;
use crate::auth::scram::Verifier;
use crate::auth::userlist::{self, Userlist};
use crate::config::{Config, Problem, ServerTls, SslMode};
use crate::policy::{Policy, Version, check_together, check_zone_keys};
use crate::tls::{self, ClientSide};
use crate::zone::keys::ZoneKeys;

/// A valid policy file.
pub struct PolicyFile {
    /// What it says; without a version that counts.
    pub policy: Policy,
    /// All of it.
    pub text: Arc<str>,
    /// What is worth a look although it is valid.
    pub warnings: Vec<Problem>,
}

/// A policy file that is not valid.
pub struct Invalid {
    /// Every problem, warnings included.
    pub problems: Vec<Problem>,
    /// It would be valid with another `zone_key_file`.
    pub lacks_keys: bool,
}

impl From<Vec<Problem>> for Invalid {
    fn from(problems: Vec<Problem>) -> Self {
        Self {
            problems,
            lacks_keys: false,
        }
    }
}

/// The users of `auth_file` and the keys of `key_file` and `zone_key_file`.
pub struct Users {
    /// Who may log in.
    pub users: Arc<HashMap<Box<str>, Verifier>>,
    /// What in the file keeps somebody from it.
    pub problems: Vec<userlist::Problem>,
    /// Server keys; none without a `key_file`.
    pub keys: Arc<ServerKeys>,
    /// What signs zones; none without a `zone_key_file`.
    pub zone_keys: Arc<ZoneKeys>,
}

/// TLS on both legs, and towards peers.
pub struct Tls {
    /// Towards applications.
    pub client: Option<ClientSide>,
    /// Towards PgBouncer.
    pub server: Option<Arc<rustls::ClientConfig>>,
    /// Towards the proxies of `[peers]`; none without them.
    pub peers: Option<Arc<rustls::ClientConfig>>,
}

/// A file of certificates or a key that cannot be used.
#[derive(Debug)]
pub struct Unusable {
    /// Which; the table of the configuration where there is none.
    pub file: PathBuf,
    told: String,
}

impl Unusable {
    fn wrong(file: &Path, problem: impl Display) -> Self {
        Self {
            file: file.to_owned(),
            told: in_file(file, problem),
        }
    }
}

impl Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told)
    }
}

impl From<Unusable> for String {
    fn from(unusable: Unusable) -> Self {
        unusable.told
    }
}

/// Reads the policy and checks it together with the configuration. `number`: which of the policies
/// that this process loads it would be.
///
/// # Errors
/// It is not valid, or not with this configuration and its keys.
pub fn policy(config: &Config, number: u64) -> Result<PolicyFile, Invalid> {
    let text = crate::config::read(&config.policy)?;
    let file = config.policy.display().to_string();
    let (mut policy, mut warnings) = Policy::parse(&text, &file)?;
    policy.help_url = config.help_url.as_deref().map(Into::into);
    policy.version = Some(version(&text, number));
    warnings.extend(check_together(config, &policy));
    let of_keys = match zone_keys(config) {
        Ok(keys) => check_zone_keys(config, &policy, &keys),
        Err(problem) => vec![problem],
    };
    let (itself, with_keys) = (is_wrong(&warnings), is_wrong(&of_keys));
    warnings.extend(of_keys);
    if itself || with_keys {
        return Err(Invalid {
            problems: warnings,
            lacks_keys: !itself,
        });
    }
    Ok(PolicyFile {
        policy,
        text: text.into(),
        warnings,
    })
}

fn is_wrong(problems: &[Problem]) -> bool {
    problems.iter().any(Problem::is_error)
}

fn version(text: &str, number: u64) -> Version {
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut digest = [0; 4];
    for (to, from) in digest.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    Version { number, digest }
}

/// Reads `auth_file`, `key_file` and `zone_key_file`.
///
/// # Errors
/// What keeps one of them from being read, or the first line of a key file that is not understood.
pub fn users(config: &Config) -> Result<Users, String> {
    let list = userlist(config)?;
    Ok(Users {
        users: Arc::new(list.users),
        problems: list.problems,
        keys: Arc::new(keys(config)?),
        zone_keys: Arc::new(zone_keys(config).map_err(|problem| problem.to_string())?),
    })
}

/// Reads `auth_file`.
///
/// # Errors
/// What keeps it from being read.
pub fn userlist(config: &Config) -> Result<Userlist, String> {
    let text = tls::files::read_secret(&config.auth.auth_file).map_err(error)?;
    Ok(Userlist::parse(&text))
}

/// Reads `zone_key_file`; none: no keys.
///
/// # Errors
/// It cannot be read, others may read it, or the first line that is not understood.
pub fn zone_keys(config: &Config) -> Result<ZoneKeys, Problem> {
    let Some(path) = &config.auth.zone_key_file else {
        return Ok(ZoneKeys::default());
    };
    let wrong =
        |problem: &dyn Display| Problem::error(&path.display().to_string(), problem.to_string());
    let text = tls::files::read_secret(path).map_err(|problem| wrong(&problem))?;
    ZoneKeys::parse(&text).map_err(|problem| wrong(&problem))
}

/// Reads `key_file`; none: no keys.
///
/// # Errors
/// It cannot be read, others may read it, or the first line that is not understood.
pub fn keys(config: &Config) -> Result<ServerKeys, String> {
    let Some(path) = &config.auth.key_file else {
        return ServerKeys::parse("").map_err(error);
    };
    let text = tls::files::read_secret(path).map_err(error)?;
    ServerKeys::parse(&text).map_err(|problem| in_file(path, problem))
}

/// Reads certificates, key and CA files.
///
/// # Errors
/// What keeps one of them from being used.
pub fn tls(config: &Config) -> Result<Tls, String> {
    let peers = config.peers.as_ref();
    let peers = peers.map(|peers| server_side(&peers.tls, "[peers]"));
    Ok(Tls {
        client: client_tls(config)?,
        server: server_side(&config.server_tls, "[server_tls]")?,
        peers: peers.transpose()?.flatten(),
    })
}

/// TLS where Portcullis is the client, as this table of the configuration asks for it.
///
/// # Errors
/// What keeps its authority from being used.
pub fn server_side(
    settings: &ServerTls,
    table: &str,
) -> Result<Option<Arc<rustls::ClientConfig>>, Unusable> {
    let ca = settings.ca_file.as_deref();
    let pem = ca.map(public).transpose()?;
    let made = tls::server_side(settings.sslmode, pem.as_deref());
    made.map_err(|problem| Unusable::wrong(ca.unwrap_or(Path::new(table)), problem))
}

/// TLS towards applications; none where it is disabled.
///
/// # Errors
/// What keeps certificate, key or authority from being used.
pub fn client_tls(config: &Config) -> Result<Option<ClientSide>, Unusable> {
    let files = &config.client_tls;
    if files.sslmode == SslMode::Disable {
        return Ok(None);
    }
    let key = files.key_file.as_deref().ok_or_else(without_files)?;
    let key_pem = tls::files::read_secret(key).map_err(|problem| Unusable {
        file: key.to_owned(),
        told: error(problem),
    })?;
    let made = client_side(config, key_pem.as_bytes())?;
    made.map(Some).map_err(|problem| of_client(config, problem))
}

/// Looks at what [`client_tls`] reads, but at no key.
///
/// # Errors
/// What keeps certificate or authority from being used with any key.
pub fn certificates(config: &Config) -> Result<(), Unusable> {
    match client_side(config, b"")? {
        // The key is asked for last.
        Ok(_) | Err(tls::TlsError::KeyPem(_)) => Ok(()),
        Err(problem) => Err(of_client(config, problem)),
    }
}

fn client_side(
    config: &Config,
    key_pem: &[u8],
) -> Result<Result<ClientSide, tls::TlsError>, Unusable> {
    let files = &config.client_tls;
    let cert = files.cert_file.as_deref().ok_or_else(without_files)?;
    let cert_pem = public(cert)?;
    let ca_pem = files.ca_file.as_deref().map(public).transpose()?;
    Ok(tls::client_side(&cert_pem, key_pem, ca_pem.as_deref()))
}

/// Names the file that it is about.
fn of_client(config: &Config, problem: tls::TlsError) -> Unusable {
    let files = &config.client_tls;
    let file = match problem {
        tls::TlsError::ClientCa(_) => &files.ca_file,
        tls::TlsError::KeyPem(_) => &files.key_file,
        _ => &files.cert_file,
    };
    let table = Path::new("[client_tls]");
    Unusable::wrong(file.as_deref().unwrap_or(table), problem)
}

fn without_files() -> Unusable {
    Unusable {
        file: PathBuf::from("[client_tls]"),
        told: "error: [client_tls] needs cert_file and key_file".to_owned(),
    }
}

fn public(path: &Path) -> Result<Vec<u8>, Unusable> {
    let read = tls::files::read_regular(path, tls::files::MAX_PUBLIC_FILE);
    read.map_err(|problem| Unusable::wrong(path, problem))
}

fn in_file(path: &Path, problem: impl Display) -> String {
    format!("error: {}: {problem}", path.display())
}

fn error(error: impl Display) -> String {
    format!("error: {error}")
}

/// Problems as they are printed, one after the other.
pub fn told(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Puts together what was read at start.
pub fn files(policy: PolicyFile, users: &Users, tls: Tls) -> Files {
    Files {
        policy: Arc::new(policy.policy),
        policy_text: policy.text,
        users: Arc::clone(&users.users),
        keys: Arc::clone(&users.keys),
        zone_keys: Arc::clone(&users.zone_keys),
        client_tls: tls.client,
        server_tls: tls.server,
        peer_tls: tls.peers,
    }
}
