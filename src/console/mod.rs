//! The admin console: PostgreSQL's protocol on a unix socket, so that psql works on it.
//!
//! The kernel says who is there (SO_PEERCRED); root, the proxy's own user and the socket's group
//! may enter. Any path will do for `portcullis console`. psql looks for a file `.s.PGSQL.<port>`
//! in a directory: give the socket such a name (`/run/portcullis/.s.PGSQL.6432`) or a symbolic
//! link with such a name, and `psql -h /run/portcullis -p 6432 portcullis` works as well.
//!
//! It runs on the control runtime, never on a worker.

mod execute;
mod peer;
mod reply;
mod report;
mod seats;
mod talk;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod verb;
mod wire;

use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

pub use peer::{Access, Person};
pub use reply::Refused;

use seats::{Seat, Seats};

use crate::config::Config;
use crate::error::SqlState;
use crate::migration::Sessions;
use crate::policy::Policy;
use crate::telemetry::report::Report;

/// The database name that means the console.
pub const DATABASE: &str = "portcullis";

/// What the console needs of the running proxy.
pub trait Proxy: Send + Sync {
    /// The configuration in force.
    fn config(&self) -> Arc<Config>;
    /// The policy in force.
    fn policy(&self) -> Arc<Policy>;
    /// Reads policy, users, server keys and certificates again; answers when every statement is judged
    /// by them. On error nothing has changed, and the text says every problem.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
    /// Begins to drain and stop; returns at once.
    fn shutdown(&self);
    /// What was refused, or would have been.
    fn report(&self) -> Arc<Report>;
}

/// What every connection of the console shares.
pub struct ConsoleState {
    /// Who may enter.
    pub access: Access,
    /// The migration sessions; None without `[registry]`.
    pub sessions: Option<Arc<Sessions>>,
    /// The running proxy.
    pub proxy: Arc<dyn Proxy>,
}

/// How long a process that is just ending may still listen, and how often we look. Only at the start.
const HANDOVER: Duration = Duration::from_secs(2);
const HANDOVER_STEP: Duration = Duration::from_millis(100);

/// May the console's socket be made at `path`? What is there and no socket is somebody's file.
///
/// # Errors
/// It is no socket, or cannot be looked at.
pub fn may_bind(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| named(path, &error))?,
    };
    match found.file_type().is_socket() {
        true => Ok(()),
        false => {
            let message = "there is something that is no socket: the console replaces nothing else";
            let error = io::Error::new(io::ErrorKind::AlreadyExists, message);
            Err(named(path, &error))
        }
    }
}

/// Every error names the socket.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("the console {}: {error}", path.display()),
    )
}

/// Binds the console's socket with mode 0660, in place of one that a dead process left behind.
///
/// # Errors
/// `AddrInUse` when a living process listens there, `AlreadyExists` for what is no socket; else the system's own.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    may_bind(path)?;
    let until = Instant::now() + HANDOVER;
    while std::os::unix::net::UnixStream::connect(path).is_ok() {
        if Instant::now() < until {
            std::thread::sleep(HANDOVER_STEP);
            continue;
        }
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("another process listens on {}", path.display()),
        ));
    }
    // Bound under another name and moved when its mode is right: nobody can enter in between.
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(name);
    let listener = UnixListener::bind(&unfinished).map_err(|error| named(path, &error))?;
    let mode = PermissionsExt::from_mode(0o660);
    std::fs::set_permissions(&unfinished, mode)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .inspect_err(|_| drop(std::fs::remove_file(&unfinished)))
        .map_err(|error| named(path, &error))?;
    Ok(listener)
}

/// Removes the socket: the next start would replace it; until then nobody should try it. What is no socket stays.
pub fn unbind(path: &Path) {
    if may_bind(path).is_ok() {
        let _ = std::fs::remove_file(path);
    }
}

/// Serves the console until the future is dropped; its connections end with it.
pub async fn serve(listener: UnixListener, state: Arc<ConsoleState>) {
    let seats = Arc::new(Seats::default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => match seat(&client, &state, &seats) {
                    Some(seat) => {
                        let state = state.clone();
                        connections.spawn(async move {
                            talk::serve(client, &state).await;
                            drop(seat);
                        });
                    }
                    None => turn_away(&client),
                },
                Err(error) => {
                    // Out of descriptors, most likely: wait, or this loop would spin.
                    tracing::warn!(%error, "the console could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn seat(client: &UnixStream, state: &ConsoleState, seats: &Arc<Seats>) -> Option<Seat> {
    // Whom the kernel does not name sits with the others, until it is told so.
    let uid = client.peer_cred().map_or(u32::MAX, |peer| peer.uid());
    seats.take(uid, state.access.is_owner(uid))
}

fn turn_away(client: &UnixStream) {
    let mut reply = reply::Reply::default();
    reply.fatal(&Refused::new(
        SqlState::TOO_MANY,
        "too many connections to the console",
    ));
    // Best effort: a fresh socket's buffer has room, and nobody waits for a client turned away.
    drop(client.try_write(&reply.take()));
}
