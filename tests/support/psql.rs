//! psql as a client.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::cluster::Cluster;
use super::process::spawn;

/// Where to connect and as whom, in libpq's words.
#[derive(Clone, Debug)]
pub struct Login {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub database: String,
    pub sslmode: &'static str,
    pub sslrootcert: PathBuf,
}

impl Login {
    /// libpq's environment variables; real clients take them too.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGPASSWORD", self.password.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGSSLMODE", self.sslmode.to_owned()),
            ("PGSSLROOTCERT", self.sslrootcert.display().to_string()),
            // The developer's own files have no say.
            ("PGPASSFILE", "/dev/null".to_owned()),
            ("PGSYSCONFDIR", "/nonexistent".to_owned()),
            ("PGSERVICEFILE", "/nonexistent".to_owned()),
            ("PGCONNECT_TIMEOUT", "10".to_owned()),
        ]
    }
}

/// What psql said.
#[derive(Clone, Debug)]
pub struct Psql {
    pub stdout: String,
    pub stderr: String,
    /// 0 success, 1 a fatal error of its own, 2 connection lost or refused, 3 error in a script.
    pub status: i32,
}

impl Psql {
    /// The output of a psql that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "psql failed:\n{}", self.stderr);
        self.stdout
    }

    /// The errors of a psql that must have failed with `sqlstate`.
    #[track_caller]
    pub fn refused(self, sqlstate: &str) -> String {
        assert_ne!(self.status, 0, "psql succeeded: {}", self.stdout);
        assert!(
            self.stderr.contains(sqlstate),
            "not {sqlstate}:\n{}",
            self.stderr
        );
        self.stderr
    }
}

impl From<Output> for Psql {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        }
    }
}

/// Runs a script: it goes to stdin, so that psql sends statement by statement; stops at the first
/// error; errors carry their SQLSTATE.
pub fn run(login: &Login, script: &str) -> Psql {
    run_with(login, "", script)
}

/// The same, with these PGOPTIONS.
pub fn run_with(login: &Login, options: &str, script: &str) -> Psql {
    let mut command = Command::new("psql");
    command.args([
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "VERBOSITY=verbose",
        "-f",
        "-",
    ]);
    command.envs(login.environment());
    if !options.is_empty() {
        command.env("PGOPTIONS", options);
    }
    with_input(command, script).into()
}

/// Runs a script as superuser straight at the cluster; panics on an error.
pub fn superuser(cluster: &Cluster, database: &str, script: &str) -> String {
    let mut command = Command::new("psql");
    command.args([
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        "postgres",
        "-d",
        database,
        "-f",
        "-",
    ]);
    command
        .arg("-h")
        .arg(&cluster.socket)
        .args(["-p", &cluster.port.to_string()]);
    Psql::from(with_input(command, script)).ok()
}

/// Runs `command` with `input` on its stdin.
pub fn with_input(mut command: Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(command).expect("start the client");
    let mut stdin = child.stdin.take().expect("its stdin is a pipe");
    let input = input.to_owned();
    // From a thread of its own: a client may talk before it has read everything.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("wait for the client");
    // A client that stopped reading at an error has said why on stderr.
    drop(writer.join());
    output
}
