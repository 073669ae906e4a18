//! What the operator wrote in `portcullis.toml` -> values that are already valid.
//!
//! The rest of the program sees only [`Config`]; unknown keys, bad units and settings that do not go
//! together are errors with file, line and a suggestion before a port is opened.

pub mod isolation;
mod parse;
pub mod peers;
pub mod problem;
pub(crate) mod reader;
pub mod shell;
pub(crate) mod units;
mod values;
mod wrong;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use isolation::Isolation;
pub use peers::Peers;
pub use problem::{Problem, Severity};

/// Where commands look for the configuration that they are not told.
pub const DEFAULT_FILE: &str = "/etc/portcullis/portcullis.toml";

/// A valid configuration. Keys carry PgBouncer's and libpq's names.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read from.
    pub path: PathBuf,
    /// The policy file.
    pub policy: PathBuf,
    /// Closes every HINT with the operator's own page; `{guard}` is replaced by the guard's id.
    pub help_url: Option<String>,
    /// `[listen]`
    pub listen: Listen,
    /// `[client_tls]`
    pub client_tls: ClientTls,
    /// `[server_tls]`
    pub server_tls: ServerTls,
    /// `[auth]`
    pub auth: Auth,
    /// `[route.transaction]`: always there.
    pub transaction: Route,
    /// `[route.session]`
    pub session: Option<Route>,
    /// `[route.replication]`
    pub replication: Option<Route>,
    /// `[registry]` `path`: the SQLite file of migration sessions; without it there are none.
    pub registry: Option<PathBuf>,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: Log,
    /// `[peers]`: other proxies behind the same load balancer.
    pub peers: Option<Peers>,
    /// `[isolation]`: the proof that zones are kept apart.
    pub isolation: Option<Isolation>,
}

/// `[listen]`: where Portcullis listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `postgres`: the address applications connect to.
    pub postgres: SocketAddr,
    /// `http`: /metrics, /health/live, /health/ready.
    pub http: Option<SocketAddr>,
    /// `console`: the path of the unix socket.
    pub console: Option<PathBuf>,
    /// `max_client_conn`: more are refused with 53300. Default 5000.
    pub max_client_conn: usize,
    /// `workers`: threads on the data path. Default: one per core.
    pub workers: usize,
    /// `advertise`: host (and port) that clients use to reach this proxy, for `migration run` and `migration open`.
    pub advertise: Option<Endpoint>,
    /// `advertise_sslrootcert`: the CA file that clients need, for the same.
    pub advertise_sslrootcert: Option<PathBuf>,
}

impl Config {
    /// Reads and checks a file. One worker per core where the file does not say.
    ///
    /// # Errors
    /// Every problem of the file at once; that it cannot be read is one of them.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self::parse(&read(path)?, path, cores)
    }

    /// What a text says. Relative paths in it start at the directory of `path`; `cores` is the default of `listen.workers`.
    ///
    /// # Errors
    /// Every problem of the text at once.
    pub fn parse(text: &str, path: &Path, cores: usize) -> Result<Self, Vec<Problem>> {
        parse::config(text, path, cores)
    }
}

/// Longest configuration or policy file: 1 MB.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// The text of a configuration or policy file.
///
/// # Errors
/// It is no regular file (a named pipe would be waited for without end), cannot be read, is longer than
/// [`MAX_FILE_BYTES`], or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Vec<Problem>> {
    let opened = crate::tls::files::open_regular(path);
    text_of(path, opened.map(|(file, _)| file))
}

/// The same of a file that a command is given to look at: a pipe as well (`<(...)`, `/dev/stdin`), which is read to its
/// end, once. A named pipe that nobody writes to is empty.
///
/// # Errors
/// It is neither a regular file nor a pipe, and so on.
pub fn read_given(path: &Path) -> Result<String, Vec<Problem>> {
    text_of(path, crate::tls::files::open_regular_or_pipe(path))
}

fn text_of(path: &Path, opened: std::io::Result<File>) -> Result<String, Vec<Problem>> {
    let mut bytes = Vec::new();
    let read = opened.and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    let file = path.display().to_string();
    let problem = match read.map(|_| String::from_utf8(bytes)) {
        Ok(Ok(text)) if text.len() as u64 <= MAX_FILE_BYTES => return Ok(text),
        Ok(Err(error)) if error.as_bytes().len() as u64 <= MAX_FILE_BYTES => {
            let valid = error.utf8_error().valid_up_to();
            not_utf8(&file, &error.as_bytes()[..valid])
        }
        Ok(_) => Problem::error(&file, "the file is longer than 1MB"),
        Err(error) => Problem::error(&file, format!("could not read the file: {error}")),
    };
    Err(vec![problem])
}

/// `before`: the text up to the first byte that is none.
fn not_utf8(file: &str, before: &[u8]) -> Problem {
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    Problem::error(file, "could not read the file: it is not valid UTF-8")
        .on_line(u32::try_from(line).map_or(u32::MAX, |line| line.saturating_add(1)))
}

/// A host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an address (no brackets).
    pub host: String,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// libpq's and PgBouncer's sslmode, as far as they apply to the side in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Plaintext only.
    Disable,
    /// Towards applications only: TLS if the client asks, plaintext otherwise.
    Allow,
    /// TLS, the certificate is not verified.
    Require,
    /// Towards PgBouncer only: TLS, the certificate must come from our CA.
    VerifyCa,
    /// Towards PgBouncer only: and carry the host's name.
    VerifyFull,
}

/// `[client_tls]`: towards applications.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// `sslmode`: disable, allow or require. Default require.
    pub sslmode: SslMode,
    /// `cert_file`: PEM chain.
    pub cert_file: Option<PathBuf>,
    /// `key_file`: PEM, mode 0600 or 0640.
    pub key_file: Option<PathBuf>,
    /// `ca_file`: PEM; applications are asked for a certificate of these authorities.
    pub ca_file: Option<PathBuf>,
}

/// `[server_tls]`: towards PgBouncer.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// `sslmode`: disable, require, verify-ca or verify-full. Default verify-full.
    pub sslmode: SslMode,
    /// `ca_file`: PEM; required by verify-ca and verify-full.
    pub ca_file: Option<PathBuf>,
}

/// `[auth]`: who is asking.
#[derive(Clone, Debug)]
pub struct Auth {
    /// `auth_file`: PgBouncer's own userlist.txt.
    pub auth_file: PathBuf,
    /// `key_file`: server keys made by `portcullis keys add`.
    pub key_file: Option<PathBuf>,
    /// `zone_key_file`: what signs the zones of a policy with protection "signed".
    pub zone_key_file: Option<PathBuf>,
}

/// `[route.*]`: an upstream pool.
#[derive(Clone, Debug)]
pub struct Route {
    /// `hosts`, tried in order.
    pub hosts: Vec<Endpoint>,
}

/// `[limits]`
#[derive(Clone, Debug)]
pub struct Limits {
    /// `max_statement_bytes`: longest text of one Query or Parse. Default 1 MB.
    pub max_statement_bytes: usize,
    /// `client_login_timeout`: from accept to logged in. Default 60 s.
    pub client_login_timeout: Duration,
    /// `server_connect_timeout`: dial, TLS and login behind; and how long PgBouncer may take nothing of
    /// what a client that has left still owes it. Default 15 s.
    pub server_connect_timeout: Duration,
    /// `server_role_max_age`: what a server said of a login's role is taken for as long as this before it is
    /// asked again. Default 60 s.
    pub server_role_max_age: Duration,
    /// `drain_timeout`: after SIGTERM, running transactions may take this long; after a reload that ends
    /// their connection, running statements. Default 30 s.
    pub drain_timeout: Duration,
    /// `facts_cache_bytes`: per worker, for described statements. Default 16 MB.
    pub facts_cache_bytes: usize,
    /// `max_prepared_bytes`: kept of prepared statements and portals, of all connections together. Default 2 GB.
    pub max_prepared_bytes: usize,
    /// `max_cancels`: cancel requests carried at a time. Default 64.
    pub max_cancels: usize,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// `format`: json or text.
    pub json: bool,
    /// `level`: error, warn, info or debug. Default info.
    pub level: String,
    /// `zones`: zones may stand in log lines. Default false.
    pub zones: bool,
}

/// Every setting, for `portcullis help config`.
pub const SETTINGS: &str = include_str!("settings.md");
