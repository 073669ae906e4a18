//! `portcullis serve`: everything is read and checked before a port is opened.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::config::{self, Config};
use crate::console;
use crate::migration::Sessions;
use crate::migration::registry::RegistryHandle;
use crate::net::load;
use crate::net::peers::Peers;
use crate::net::proxy::Proxy;
use crate::net::reload;
use crate::net::shared::{Parts, Shared, Snapshot};
use crate::net::unproved;
use crate::telemetry::{Telemetry, log};

/// Runs the proxy in the foreground; logs to stderr. SIGTERM drains and ends it, SIGHUP reads policy,
/// users, server keys and certificates again.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
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
    let config = Config::load(path).map_err(|problems| load::told(&problems))?;
    let mut policy = load::policy(&config, 1).map_err(|it| load::told(&it.problems))?;
    let level = config.log.level.parse().unwrap_or(tracing::Level::INFO);
    let log = log::init(config.log.json, level).map_err(error)?;
    let telemetry = Arc::new(Telemetry::new(log.dropped()));

    let users = load::users(&config)?;
    let tls = load::tls(&config)?;
    if let Some(path) = &config.listen.console {
        console::may_bind(path).map_err(error)?;
    }
    reload::note(&std::mem::take(&mut policy.warnings));
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
    let mock_secret = mock_secret(&config)?;
    let shared = Shared::new(Parts {
        mock_secret,
        peers: Peers::of(&config, &mock_secret),
        config,
        snapshot: Snapshot::new(load::files(policy, &users, tls)),
        telemetry,
        sessions,
    });
    let shared = Arc::new(shared.map_err(error)?);
    reload::note_user_problems(&shared, &users.problems);
    let files = &shared.snapshot().files;
    unproved::note(&files.policy, &files.users, &files.keys);
    let proxy = Proxy::start(shared).map_err(error)?;
    control.block_on(proxy.run()).map_err(error)?;
    log.flush(std::time::Duration::from_secs(1));
    Ok(())
}

fn error(error: impl Display) -> String {
    format!("error: {error}")
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
    match crate::tls::files::read_regular(source, crate::tls::files::MAX_SECRET_FILE) {
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
