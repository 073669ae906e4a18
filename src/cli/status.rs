//! `portcullis status`: is the running proxy fit to serve? Asks its http address, as probes do.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::answer::Answer;
use super::output::printable;
use crate::config::{self, Config};

/// To connect, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer.
const MAX_ANSWER: u64 = 1 << 20;

/// Asks the running proxy how it does. 0: ready for clients; 1: not; 2: it could not be asked.
#[derive(Debug, Args)]
#[command(after_help = super::examples::STATUS)]
pub struct StatusArgs {
    /// Say it with the exit status only, for probes
    #[arg(long)]
    ready: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The proxy's configuration, which has its http address
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
}

/// Runs `portcullis status`.
pub fn run(args: &StatusArgs) -> ExitCode {
    status(args).print()
}

fn status(args: &StatusArgs) -> Answer {
    let report = match ask(args) {
        Ok(report) => report,
        Err(problem) => return Answer::failed_as(args.json)(problem),
    };
    let ready = report["status"] == "ready";
    let stdout = match (args.ready, args.json) {
        (true, _) => String::new(),
        (false, true) => format!("{report}\n"),
        (false, false) => as_text(&report),
    };
    Answer {
        stdout,
        code: u8::from(!ready),
        ..Answer::default()
    }
}

fn ask(args: &StatusArgs) -> Result<Value, String> {
    let config = Config::load(&args.config).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let address = config
        .listen
        .http
        .ok_or_else(|| format!("{} has no \"listen.http\"", args.config.display()))?;
    let body = get(reachable(address))
        .map_err(|error| format!("no Portcullis answers on {address}: {error}"))?;
    let report: Value = serde_json::from_str(&body)
        .map_err(|_| format!("{address}: what answers there is no Portcullis"))?;
    match report["status"].is_string() {
        true => Ok(report),
        false => Err(format!("{address}: what answers there is no Portcullis")),
    }
}

/// Where to connect to reach what listens on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The body of `/health/ready`.
fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    body.map(str::to_owned)
        .ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

fn as_text(report: &Value) -> String {
    // A line for each check, whatever a file's problem has in it.
    let word = |value: &Value| printable(value.as_str().unwrap_or(""));
    let mut text = format!("{}\n", word(&report["status"]));
    for (name, check) in report["checks"].as_object().into_iter().flatten() {
        let (state, about) = (word(&check["status"]), word(&check["description"]));
        let _ = writeln!(text, "  {name:<18} {state:<10} {about}"); // a String takes everything
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What the command says when `body` is the answer; none: nobody listens.
    fn asked(body: Option<&str>, ready: bool) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("portcullis.toml");
        let text = format!(
            "schema = 1\npolicy = \"p\"\n[listen]\npostgres = \"127.0.0.1:1\"\n\
             http = \"0.0.0.0:{}\"\n[client_tls]\nsslmode = \"disable\"\n[server_tls]\n\
             sslmode = \"disable\"\n[auth]\nauth_file = \"u\"\n[route.transaction]\nhosts = [\"a:1\"]\n",
            address.port()
        );
        std::fs::write(&config, text).unwrap();
        let server = body.map(|body| {
            let answer = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
            let listener = listener.try_clone().unwrap();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                // To its end: what is left unread would reset the connection.
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                request
            })
        });
        drop(listener);
        let args = StatusArgs {
            ready,
            json: false,
            config,
        };
        let said = status(&args);
        if let Some(server) = server {
            assert!(server.join().unwrap().starts_with(b"GET /health/ready "));
        }
        said
    }

    #[test]
    fn the_exit_status_says_whether_it_is_ready() {
        let ready = r#"{"status":"ready","checks":{"auth_file":{"status":"Healthy","description":"fine"}}}"#;
        let said = asked(Some(ready), false);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.stdout, "ready\n  auth_file          Healthy    fine\n");
        assert_eq!(asked(Some(ready), true), Answer::default());
        let two = ready.replace("fine", "not\\nfine");
        assert_eq!(
            asked(Some(&two), false).stdout,
            "ready\n  auth_file          Healthy    not fine\n"
        );
        let draining = asked(Some(r#"{"status":"draining","checks":{}}"#), true);
        assert_eq!((draining.code, draining.stdout.as_str()), (1, ""));
    }

    #[test]
    fn who_cannot_be_asked_is_not_ready() {
        for body in [None, Some("hello"), Some("{}")] {
            let said = asked(body, true);
            assert_eq!(said.code, 2, "{said:?}");
            assert!(!said.stderr.is_empty());
        }
    }
}
