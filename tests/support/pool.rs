//! PgBouncer in front of a cluster.

use std::net::TcpStream;
use std::path::Path;

use rustix::process::Signal;

use super::files::{Directory, give_to_server, write_secret};
use super::parts::Pooler;
use super::process::{RunAs, Server, command};
use super::tls::ServerCertificate;

/// PgBouncer's `pool_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    Transaction,
    Session,
}

impl PoolMode {
    fn name(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Session => "session",
        }
    }
}

/// What a pool needs to know.
pub struct PoolSettings<'a> {
    pub pooler: Pooler,
    pub mode: PoolMode,
    pub port: u16,
    pub cluster_port: u16,
    pub size: u32,
    /// Lines for `[pgbouncer]`, after ours.
    pub overrides: &'a str,
    /// Verifiers copied from pg_authid: key pass-through needs the identical ones.
    pub userlist: &'a str,
    /// `client_tls_sslmode`.
    pub tls: &'a str,
    pub certificate: &'a ServerCertificate,
    pub authority: &'a Path,
}

/// Starts one PgBouncer; [`wait`] for it afterwards.
pub fn start(directory: &Directory, settings: &PoolSettings) -> Server {
    let name = settings.mode.name();
    let own = directory.for_server(&format!("pgbouncer-{name}"));
    for (file, text) in [
        ("userlist.txt", settings.userlist.to_owned()),
        ("pgbouncer.ini", ini(&own, settings)),
        ("server.crt", read(&settings.certificate.certificate)),
        ("server.key", read(&settings.certificate.key)),
        ("ca.crt", read(settings.authority)),
    ] {
        write_secret(&own.join(file), &text);
        give_to_server(&own.join(file));
    }
    let mut pgbouncer = command(RunAs::Server, "KILL", &settings.pooler.program());
    pgbouncer.arg(own.join("pgbouncer.ini"));
    let log = directory.path().join(format!("pgbouncer-{name}.log"));
    // SIGTERM waits for clients from 1.23 on.
    Server::start("PgBouncer", pgbouncer, &log, Signal::KILL)
}

/// Starts the one that has ended once more, on the files that it left, and waits for it.
pub fn start_again(directory: &Path, pooler: Pooler, mode: PoolMode, port: u16) -> Server {
    let name = mode.name();
    let mut pgbouncer = command(RunAs::Server, "KILL", &pooler.program());
    pgbouncer.arg(directory.join(format!("pgbouncer-{name}/pgbouncer.ini")));
    let log = directory.join(format!("pgbouncer-{name}-again.log"));
    let mut server = Server::start("PgBouncer", pgbouncer, &log, Signal::KILL);
    wait(&mut server, port);
    server
}

/// Waits until it accepts connections.
pub fn wait(server: &mut Server, port: u16) {
    server.wait_until("listening", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()))
}

fn ini(own: &Path, settings: &PoolSettings) -> String {
    let own = own.display();
    let PoolSettings {
        port,
        cluster_port,
        size,
        overrides,
        tls,
        ..
    } = settings;
    let mode = settings.mode.name();
    let reset = match settings.mode {
        PoolMode::Transaction => "",
        PoolMode::Session => "server_reset_query = DISCARD ALL",
    };
    format!(
        "[databases]
* = host=127.0.0.1 port={cluster_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = {mode}
{reset}
default_pool_size = {size}
max_client_conn = 1000
query_wait_timeout = 20
auth_type = scram-sha-256
auth_file = {own}/userlist.txt
admin_users = pgbouncer_admin
ignore_startup_parameters = extra_float_digits
server_tls_sslmode = disable
client_tls_sslmode = {tls}
client_tls_cert_file = {own}/server.crt
client_tls_key_file = {own}/server.key
client_tls_ca_file = {own}/ca.crt
{overrides}
"
    )
}
