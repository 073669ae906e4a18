//! The texts of the two files.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::carry::Carried;
use crate::policy::{Guard, Policy};

/// Where Portcullis's own pages are, if nobody else is there.
const HTTP_PORT: u16 = 9632;

/// Where Portcullis listens beside PgBouncer; next to the last port is PgBouncer's usual neighbour.
fn postgres_port(pooler: u16) -> u16 {
    pooler.checked_add(1).unwrap_or(6433)
}

/// The port of Portcullis's own pages: neither PgBouncer's nor the one beside it, whatever their addresses.
fn http_port(pooler: u16) -> u16 {
    let taken = [pooler, postgres_port(pooler)];
    let mut free = (HTTP_PORT..).filter(|port| !taken.contains(port));
    free.next().unwrap_or(HTTP_PORT)
}

/// The pages are not where they usually are.
pub(super) struct Moved {
    pub port: u16,
    pub why: String,
}

impl Moved {
    /// What was moved.
    pub const SETTING: &str = "listen.http";

    pub fn line(&self) -> String {
        format!("{} has port {}: {}", Self::SETTING, self.port, self.why)
    }
}

pub(super) fn moved_http(carried: &Carried) -> Option<Moved> {
    let (pooler, port) = (carried.port, http_port(carried.port));
    let whose = match pooler == HTTP_PORT {
        true => "PgBouncer has",
        false => "Portcullis listens for applications on",
    };
    let why = format!("{whose} {HTTP_PORT}");
    (port != HTTP_PORT).then_some(Moved { port, why })
}

/// portcullis.toml. `policy`: as it is named there.
pub(super) fn config(carried: &Carried, ini: &Path, policy: &str) -> String {
    let mut text = format!(
        "# Written by portcullis init from {}. Check it:  portcullis check portcullis.toml\n\
         # Units are PostgreSQL's. Every setting:  portcullis help config\n\n\
         schema = 1\npolicy = {}\n\n",
        one_line(&ini.display().to_string()),
        quoted(policy)
    );
    let listen = SocketAddr::new(carried.address, postgres_port(carried.port)).to_string();
    let moved = moved_http(carried).map_or_else(String::new, |moved| format!("; {}", moved.line()));
    let _ = write!(
        text,
        "[listen]\npostgres        = {}    # beside PgBouncer; later it takes PgBouncer's port\n\
         http            = \"127.0.0.1:{}\"    # /metrics  /health/live  /health/ready{moved}\n\
         max_client_conn = {}\n\n",
        quoted(&listen),
        http_port(carried.port),
        carried.max_client_conn
    );
    text.push_str("[client_tls]    # towards applications: as PgBouncer does it\n");
    let _ = match &carried.tls {
        Some((mode, cert, key)) => write!(
            text,
            "sslmode   = \"{mode}\"\ncert_file = {}\nkey_file  = {}    # its user must be able to read it\n\n",
            path(cert),
            path(key)
        ),
        None => text.write_str("sslmode = \"disable\"\n\n"),
    };
    // Which authority signed PgBouncer's certificate its configuration does not say.
    let _ = match &carried.tls {
        Some(_) => text.write_str(
            "[server_tls]    # towards PgBouncer; better: sslmode = \"verify-full\" and ca_file\nsslmode = \"require\"\n\n",
        ),
        None => text.write_str("[server_tls]    # towards PgBouncer, which offers no TLS\nsslmode = \"disable\"\n\n"),
    };
    let _ = writeln!(
        text,
        "[auth]\nauth_file = {}    # the very file PgBouncer reads\n",
        path(&carried.auth_file)
    );
    let pooler = quoted(&SocketAddr::new(reach(carried.address), carried.port).to_string());
    let _ = writeln!(text, "[route.transaction]\nhosts = [{pooler}]");
    if carried.session {
        let _ = writeln!(
            text,
            "\n[route.session]    # this PgBouncer is in session mode\nhosts = [{pooler}]"
        );
    }
    let pools = if carried.session {
        ""
    } else {
        "[route.session] (a PgBouncer in session mode), "
    };
    let _ = writeln!(
        text,
        "\n# Migration sessions need {pools}[registry], listen.console and a login of kind \"migrator\"."
    );
    if let Some(seconds) = carried.login_timeout {
        let _ = writeln!(text, "\n[limits]\nclient_login_timeout = \"{seconds}s\"");
    }
    text
}

/// How an address on which somebody listens is reached from the same machine.
fn reach(address: IpAddr) -> IpAddr {
    match (address.is_unspecified(), address) {
        (true, IpAddr::V4(_)) => IpAddr::from([127, 0, 0, 1]),
        (true, IpAddr::V6(_)) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        (false, address) => address,
    }
}

/// The policy: every login a service on every database, and nothing refused where that can be had.
pub(super) fn policy(carried: &Carried, ini: &Path) -> String {
    let whole = policy_in(carried, ini, &observing_file());
    match Policy::parse(&whole, "") {
        Ok(_) => whole,
        Err(_) => policy_in(carried, ini, &observing_guards()),
    }
}

/// The policy's head and tail with which nothing is refused.
struct Observing {
    head: &'static str,
    tail: String,
}

/// The whole file observes.
fn observing_file() -> Observing {
    Observing {
        head: "mode        = \"observe\"    # nothing is refused or changed; what would be is counted\n",
        tail: String::new(),
    }
}

/// Every guard observes that may.
fn observing_guards() -> Observing {
    let may = |guard: &&Guard| {
        let text = format!(
            "schema = 1\nenvironment = \"x\"\n[guards]\n{} = \"observe\"\n",
            guard.id()
        );
        Policy::parse(&text, "").is_ok()
    };
    let guards = Guard::ALL.iter().filter(may);
    let lines: String = guards
        .map(|guard| format!("{:<21} = \"observe\"\n", guard.id()))
        .collect();
    Observing {
        head: "mode        = \"enforce\"\n",
        tail: format!(
            "\n[guards]    # these count what they would refuse; those that are not named refuse: portcullis help guards\n{lines}"
        ),
    }
}

/// Can a policy have a login of this name?
pub(super) fn takes_login(name: &str) -> bool {
    takes(name, "x")
}

/// Can a policy name this database?
pub(super) fn takes_database(name: &str) -> bool {
    takes("x", name)
}

fn takes(login: &str, database: &str) -> bool {
    let text = format!(
        "schema = 1\nenvironment = \"x\"\n[login.{}]\nkind = \"service\"\ndatabases = [{}]\n",
        key(login),
        quoted(database)
    );
    Policy::parse(&text, "").is_ok()
}

fn policy_in(carried: &Carried, ini: &Path, observing: &Observing) -> String {
    let mut text = format!(
        "# Written by portcullis init from {}: every login is a service on every database.\n\
         # Nothing is inherited. A whole policy with comments:  portcullis help policy\n\n\
         schema      = 1\nenvironment = \"production\"\n{}",
        one_line(&ini.display().to_string()),
        observing.head
    );
    let databases: Vec<String> = carried.databases.iter().map(|name| quoted(name)).collect();
    for (name, most) in carried.logins.iter().filter(|_| !databases.is_empty()) {
        let _ = write!(
            text,
            "\n[login.{}]\nkind      = \"service\"\ndatabases = [{}]\n",
            key(name),
            databases.join(", ")
        );
        if carried.session {
            text.push_str("route     = \"session\"\n");
        }
        if let Some(most) = most {
            let _ = writeln!(text, "max_connections = {most}");
        }
    }
    text.push_str(&observing.tail);
    text
}

fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match !name.is_empty() && name.bytes().all(bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// For a comment.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
