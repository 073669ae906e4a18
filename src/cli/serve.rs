//! `portcullis serve`: everything is read and checked before a port is opened.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::auth::keys::ServerKeys;
use crate::auth::userlist::Userlist;
use crate::config::{Config, Problem, SslMode};
use crate::migration::Sessions;
use crate::migration::registry::RegistryHandle;
use crate::net::proxy::{self, Proxy};
use crate::net::shared::{Parts, Shared, Snapshot};
use crate::policy::{Policy, check_together};
use crate::telemetry::{Telemetry, log};
use crate::tls;

/// Runs the proxy in the foreground; logs to stderr. SIGTERM drains and ends it, SIGHUP reads users
/// and server keys again.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/portcullis/portcullis.toml"
    )]
    config: PathBuf,
}

/// Serves until told to stop. 0: stopped in good order; 2: could not start.
pub fn run(args: &ServeArgs) -> ExitCode {
    match start(&args.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn start(path: &Path) -> Result<(), String> {
    let config = Config::load(path).map_err(|problems| told(&problems))?;
    let policy = load_policy(&config)?;
    let level = config.log.level.parse().unwrap_or(tracing::Level::INFO);
    let log = log::init(config.log.json, level).map_err(error)?;
    let telemetry = Arc::new(Telemetry::new(log.dropped()));

    let (users, problems) = load_users(&config)?;
    let keys = load_keys(&config)?;
    let client_tls = load_client_tls(&config)?;
    let server_tls = load_server_tls(&config)?;
    let control = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .map_err(error)?;
    let sessions = match &config.registry {
        Some(path) => {
            let registry = RegistryHandle::start(path).map_err(error)?;
            Some(control.block_on(Sessions::load(registry)).map_err(error)?)
        }
        None => None,
    };
    let shared = Shared::new(Parts {
        mock_secret: mock_secret(&config)?,
        config,
        snapshot: Snapshot::new(policy, users, keys),
        client_tls,
        server_tls,
        telemetry,
        sessions,
    });
    let shared = Arc::new(shared.map_err(error)?);
    proxy::note_user_problems(&shared, &problems);
    let proxy = Proxy::start(shared).map_err(error)?;
    control.block_on(proxy.run()).map_err(error)?;
    log.flush(std::time::Duration::from_secs(1));
    Ok(())
}

fn error(error: impl Display) -> String {
    format!("error: {error}")
}

fn told(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn load_policy(config: &Config) -> Result<Policy, String> {
    let text = crate::config::read(&config.policy).map_err(|problems| told(&problems))?;
    let file = config.policy.display().to_string();
    let parsed = Policy::parse(&text, &file);
    let (mut policy, warnings) = parsed.map_err(|problems| told(&problems))?;
    policy.help_url = config.help_url.as_deref().map(Into::into);
    let problems = check_together(config, &policy);
    if problems.iter().any(Problem::is_error) {
        return Err(told(&problems));
    }
    for warning in warnings.iter().chain(&problems) {
        eprintln!("{warning}");
    }
    Ok(policy)
}

type Users = std::collections::HashMap<Box<str>, crate::auth::scram::Verifier>;

/// Reads `auth_file`.
pub fn load_users(config: &Config) -> Result<(Users, Vec<crate::auth::userlist::Problem>), String> {
    let text = tls::files::read_secret(&config.auth.auth_file).map_err(error)?;
    let list = Userlist::parse(&text);
    Ok((list.users, list.problems))
}

/// Reads `key_file`; none configured: no keys.
pub fn load_keys(config: &Config) -> Result<ServerKeys, String> {
    let Some(path) = &config.auth.key_file else {
        return ServerKeys::parse("").map_err(error);
    };
    let text = tls::files::read_secret(path).map_err(error)?;
    ServerKeys::parse(&text).map_err(|problem| format!("error: {}: {problem}", path.display()))
}

fn load_client_tls(config: &Config) -> Result<Option<tls::ClientSide>, String> {
    let files = &config.client_tls;
    if files.sslmode == SslMode::Disable {
        return Ok(None);
    }
    let (Some(cert), Some(key)) = (&files.cert_file, &files.key_file) else {
        return Err("error: [client_tls] needs cert_file and key_file".to_owned());
    };
    let cert_pem = read(cert)?;
    let key_pem = tls::files::read_secret(key).map_err(error)?;
    let made = tls::client_side(&cert_pem, key_pem.as_bytes());
    made.map(Some)
        .map_err(|problem| format!("error: {}: {problem}", cert.display()))
}

fn load_server_tls(config: &Config) -> Result<Option<Arc<rustls::ClientConfig>>, String> {
    let ca = config.server_tls.ca_file.as_deref();
    let pem = ca.map(read).transpose()?;
    tls::server_side(config.server_tls.sslmode, pem.as_deref())
        .map_err(|problem| format!("error: [server_tls]: {problem}"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|problem| format!("error: {}: {problem}", path.display()))
}

/// The same on every start and on every instance with the same certificate, unknown outside.
fn mock_secret(config: &Config) -> Result<[u8; 32], String> {
    let source = config
        .client_tls
        .key_file
        .as_deref()
        .unwrap_or(Path::new("/etc/machine-id"));
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"portcullis: salts of users who do not exist\0");
    match std::fs::read(source) {
        Ok(known_here) => context.update(&known_here),
        // Without either (a container without machine-id): new on every start, but never guessable.
        Err(_) => {
            context.update(&crate::net::worker::random::<32>().ok_or("error: no randomness")?)
        }
    }
    let mut secret = [0; 32];
    secret.copy_from_slice(context.finish().as_ref());
    Ok(secret)
}
