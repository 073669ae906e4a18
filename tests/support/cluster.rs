//! A PostgreSQL cluster, copied from a template that initdb made once.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::files::{Directory, copy_tree, give_to_server, write_secret};
use super::parts::{Version, target};
use super::process::{RunAs, Server, command, must_run};
use super::tls::ServerCertificate;

/// The superuser's password over TCP.
pub const SUPERUSER_PASSWORD: &str = "superuser secret";

/// A running cluster.
pub struct Cluster {
    pub server: Server,
    pub port: u16,
    /// The directory of its unix socket; everyone who can enter it is trusted.
    pub socket: PathBuf,
}

impl Cluster {
    /// Copies the template and starts it on 127.0.0.1:`port`.
    pub fn start(
        directory: &Directory,
        version: Version,
        port: u16,
        settings: &[(&str, &str)],
    ) -> Self {
        let socket = directory.for_server("postgresql");
        let data = socket.join("data");
        copy_tree(&template(directory, version), &data);
        let mut postgres = command(RunAs::Server, "QUIT", &version.bin().join("postgres"));
        postgres
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(&socket);
        for (name, value) in settings {
            postgres.args(["-c", &format!("{name}={value}")]);
        }
        let mut server = Server::start(
            "PostgreSQL",
            postgres,
            &directory.path().join("postgresql.log"),
            Signal::QUIT,
        );
        let address = socket.join(format!(".s.PGSQL.{port}"));
        // The socket appears before recovery has ended; psql below would be told 57P03.
        server.wait_until("ready to accept connections", || {
            UnixStream::connect(&address).is_ok() && is_ready(&socket, port)
        });
        Self {
            server,
            port,
            socket,
        }
    }
}

/// Settings for logical decoding, and for TLS with this certificate.
pub fn replicating(
    directory: &Directory,
    certificate: &ServerCertificate,
) -> Vec<(&'static str, String)> {
    let own = directory.for_server("postgresql-tls");
    let copy = |from: &Path, name: &str| {
        let to = own.join(name);
        let text = std::fs::read_to_string(from).expect("read a certificate or key");
        write_secret(&to, &text);
        give_to_server(&to);
        to.display().to_string()
    };
    vec![
        ("wal_level", "logical".to_owned()),
        ("ssl", "on".to_owned()),
        (
            "ssl_cert_file",
            copy(&certificate.certificate, "server.crt"),
        ),
        ("ssl_key_file", copy(&certificate.key, "server.key")),
    ]
}

fn is_ready(socket: &Path, port: u16) -> bool {
    let mut command = Command::new("pg_isready");
    command
        .args(["-q", "-U", "postgres", "-h"])
        .arg(socket)
        .args(["-p", &port.to_string()]);
    command.status().is_ok_and(|status| status.success())
}

/// The data directory that initdb made for `version`, made now if it is missing.
fn template(directory: &Directory, version: Version) -> PathBuf {
    let templates = target().join("tmp/clusters");
    std::fs::create_dir_all(&templates).expect("create the directory of templates");
    let lock =
        File::create(templates.join(format!("{}.lock", version.label()))).expect("create the lock");
    lock.lock().expect("lock the template");
    let template = templates.join(version.label());
    if !template.exists() {
        // initdb runs under the servers' account, which may not be able to enter target/.
        let fresh = directory.for_server("initdb");
        let password = fresh.join("password");
        super::files::write_secret(&password, SUPERUSER_PASSWORD);
        super::files::give_to_server(&password);
        initdb(version, &fresh.join("data"), &password);
        let unfinished = templates.join(format!("{}.new", version.label()));
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).expect("remove an unfinished template");
        }
        copy_tree(&fresh.join("data"), &unfinished);
        std::fs::rename(&unfinished, &template).expect("publish the template");
        std::fs::remove_dir_all(&fresh).expect("remove initdb's directory");
    }
    template
}

fn initdb(version: Version, data: &Path, password: &Path) {
    let mut command = command(RunAs::Server, "KILL", &version.bin().join("initdb"));
    command
        .arg("-D")
        .arg(data)
        .arg("--pwfile")
        .arg(password)
        .args([
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ])
        .args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
    must_run(command);
    let settings = "listen_addresses = '127.0.0.1'\n\
                    password_encryption = 'scram-sha-256'\n\
                    max_connections = 200\n\
                    fsync = off\n\
                    synchronous_commit = off\n\
                    full_page_writes = off\n\
                    shared_buffers = '32MB'\n\
                    autovacuum = off\n\
                    timezone = 'UTC'\n\
                    log_min_messages = warning\n\
                    log_line_prefix = '%m [%p] %u@%d '\n";
    let file = data.join("postgresql.conf");
    let old = std::fs::read_to_string(&file).expect("read postgresql.conf");
    std::fs::write(&file, old + settings).expect("write postgresql.conf");
}
