//! What of PgBouncer's settings has a place in Portcullis's, and what has none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::ini::{Entry, parts};
use super::settings::{Fate, fate, stays};
use super::write::{takes_database, takes_login};
use crate::auth::userlist::Userlist;
use crate::config::read;

/// PgBouncer's own default.
const DEFAULT_PORT: u16 = 6432;
/// PgBouncer's own default.
const DEFAULT_CLIENTS: u32 = 100;
/// What listen.max_client_conn takes.
const CLIENTS: std::ops::RangeInclusive<u32> = 1..=1_000_000;

const PEERS: &str = "[peers]";
const PEERS_STAY: &str = "PgBouncer's go on passing cancel requests on behind Portcullis, as they are; \
     several Portcullis behind one address name each other in [peers] of portcullis.toml (portcullis help config)";

/// What could not be carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// The setting, with file and line where it has them.
    pub setting: String,
    /// For the order: entries as they stand, then what is about no entry.
    order: usize,
    pub why: String,
}

/// What is carried over.
#[derive(Debug)]
pub(super) struct Carried {
    /// Where Portcullis listens: PgBouncer's address.
    pub address: IpAddr,
    /// PgBouncer's port.
    pub port: u16,
    pub max_client_conn: u32,
    /// Seconds.
    pub login_timeout: Option<u32>,
    pub auth_file: PathBuf,
    /// Towards applications: sslmode, certificate, key.
    pub tls: Option<(&'static str, PathBuf, PathBuf)>,
    /// PgBouncer is in session mode.
    pub session: bool,
    pub databases: Vec<String>,
    /// Each login, and the most connections it may have.
    pub logins: BTreeMap<String, Option<u32>>,
    /// What PgBouncer goes on doing.
    pub stays: BTreeSet<String>,
    pub lost: Vec<Lost>,
}

/// Sorts the settings of the file at `path`.
pub(super) fn carry(path: &Path, entries: &[Entry]) -> Carried {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut carried = Carried {
        address: IpAddr::from([127, 0, 0, 1]),
        port: DEFAULT_PORT,
        max_client_conn: DEFAULT_CLIENTS,
        login_timeout: None,
        auth_file: base.join("userlist.txt"),
        tls: None,
        session: false,
        databases: Vec::new(),
        logins: BTreeMap::new(),
        stays: BTreeSet::new(),
        lost: Vec::new(),
    };
    carried.settings(base, entries);
    carried.users_of_file();
    for entry in entries {
        match &*entry.section {
            "databases" => carried.database(entry),
            "users" => carried.user(entry),
            "pgbouncer" => {}
            // Once is enough, whatever their number.
            "peers" if !carried.lost.iter().any(|lost| lost.setting == PEERS) => {
                carried.lose_all(PEERS, PEERS_STAY);
            }
            "peers" => {}
            other => carried.lose(entry, format!("section [{other}] is not PgBouncer's")),
        }
    }
    if carried.databases.is_empty() {
        carried.lose_all(
            "[databases]",
            "no database is named; name them in the policy",
        );
        carried.lose_logins();
    }
    carried.lost.sort_by_key(|lost| lost.order);
    carried
}

/// The last value of a setting of `[pgbouncer]`, and where it stands.
fn last<'e>(entries: &'e [Entry], key: &str) -> Option<&'e Entry> {
    let of_pgbouncer = |entry: &&Entry| entry.section == "pgbouncer" && entry.key == key;
    entries.iter().rev().find(of_pgbouncer)
}

impl Carried {
    fn lose(&mut self, entry: &Entry, why: impl Into<String>) {
        self.lost.push(Lost {
            setting: format!("{}:{}: {}", entry.file, entry.line, entry.key),
            order: entry.line,
            why: why.into(),
        });
    }

    /// About no entry.
    fn lose_all(&mut self, setting: impl Into<String>, why: impl Into<String>) {
        self.lost.push(Lost {
            setting: setting.into(),
            order: usize::MAX,
            why: why.into(),
        });
    }

    /// A whole number, or its default.
    fn number<T>(&mut self, entries: &[Entry], key: &str, default: T) -> T
    where
        T: std::str::FromStr + std::fmt::Display,
    {
        let Some(entry) = last(entries, key) else {
            return default;
        };
        entry.value.parse().unwrap_or_else(|_| {
            let value = &entry.value;
            let why = format!("\"{value}\" is not a number that fits; {default} is taken");
            self.lose(entry, why);
            default
        })
    }

    /// As many as PgBouncer lets in, as far as Portcullis has a number for it.
    fn clients(&mut self, entries: &[Entry]) -> u32 {
        let most = self.number(entries, "max_client_conn", DEFAULT_CLIENTS);
        let (least, greatest) = (*CLIENTS.start(), *CLIENTS.end());
        let fits = most.clamp(least, greatest);
        if let Some(entry) = last(entries, "max_client_conn").filter(|_| fits != most) {
            self.lose(
                entry,
                format!(
                    "Portcullis takes {least} to {greatest}, and {fits} is written: change listen.max_client_conn"
                ),
            );
        }
        fits
    }

    fn settings(&mut self, base: &Path, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.section == "pgbouncer") {
            match fate(&entry.key) {
                Some(Fate::Carried) => {}
                Some(Fate::Stays) => drop(self.stays.insert(entry.key.clone())),
                Some(Fate::Lost(_)) if entry.value.is_empty() => {}
                Some(Fate::Lost(why)) => self.lose(entry, why),
                None => self.lose(entry, "this version does not know the setting"),
            }
        }
        self.address(entries);
        self.port = self.number(entries, "listen_port", DEFAULT_PORT);
        self.max_client_conn = self.clients(entries);
        if let Some(entry) = last(entries, "client_login_timeout") {
            match entry.value.parse::<f64>() {
                Ok(seconds) if (1.0..=600.0).contains(&seconds) => {
                    self.login_timeout = Some(seconds.round() as u32);
                }
                _ => self.lose(entry, "limits.client_login_timeout is 1s to 10min"),
            }
        }
        if let Some(entry) = last(entries, "auth_file").filter(|entry| !entry.value.is_empty()) {
            self.auth_file = base.join(&entry.value);
        } else {
            let auth_file = self.auth_file.display().to_string();
            self.lose_all(
                "auth_file",
                format!("there is none, and Portcullis needs one: make {auth_file}"),
            );
        }
        self.modes(entries);
        self.tls(base, entries);
    }

    fn address(&mut self, entries: &[Entry]) {
        let Some(entry) = last(entries, "listen_addr").filter(|entry| !entry.value.is_empty())
        else {
            self.lose_all("listen_addr", "PgBouncer listens on a unix socket only; Portcullis needs an address: set listen_addr = 127.0.0.1");
            return;
        };
        let mut addresses = entry.value.split(',').map(str::trim);
        let first = addresses.next().unwrap_or_default();
        self.address = match first {
            "*" => IpAddr::from([0, 0, 0, 0]),
            "localhost" => IpAddr::from([127, 0, 0, 1]),
            text => text.parse().unwrap_or_else(|_| {
                self.lose(
                    entry,
                    format!("\"{text}\" is not an address; Portcullis listens on 127.0.0.1"),
                );
                IpAddr::from([127, 0, 0, 1])
            }),
        };
        if addresses.next().is_some() {
            self.lose(entry, format!("Portcullis listens on one address: {first}"));
        }
    }

    fn modes(&mut self, entries: &[Entry]) {
        if let Some(entry) = last(entries, "pool_mode") {
            match &*entry.value {
                "session" => self.session = true,
                "transaction" => {}
                _ => self.lose(
                    entry,
                    "Portcullis keeps transactions together: use pool_mode = transaction",
                ),
            }
        } else {
            self.session = true; // PgBouncer's default
        }
        if let Some(entry) = last(entries, "auth_type") {
            match &*entry.value {
                "scram-sha-256" | "md5" => {}
                _ => self.lose(entry, "Portcullis asks every client for SCRAM-SHA-256"),
            }
        }
        if let Some(entry) = last(entries, "ignore_startup_parameters") {
            let names = entry.value.split(',').map(str::trim);
            let lost = names.filter(|name| !name.is_empty() && *name != "extra_float_digits");
            let lost: Vec<&str> = lost.collect();
            if !lost.is_empty() && !self.session {
                self.lose(
                    entry,
                    format!(
                        "PgBouncer drops {}; Portcullis sets it once it enforces",
                        lost.join(", ")
                    ),
                );
            }
        }
    }

    fn tls(&mut self, base: &Path, entries: &[Entry]) {
        let file = |key| {
            let entry = last(entries, key).filter(|entry| !entry.value.is_empty());
            entry.map(|entry| base.join(&entry.value))
        };
        let Some(entry) =
            last(entries, "client_tls_sslmode").filter(|entry| entry.value != "disable")
        else {
            return;
        };
        let mode = match &*entry.value {
            "allow" | "prefer" => "allow",
            "require" => "require",
            "verify-ca" | "verify-full" => {
                let why = "Portcullis demands no certificates and has none to show to PgBouncer: use client_tls_sslmode = require there";
                self.lose(entry, why);
                "require"
            }
            _ => {
                self.lose(entry, format!("\"{}\" is not an sslmode", entry.value));
                return;
            }
        };
        match (file("client_tls_cert_file"), file("client_tls_key_file")) {
            (Some(cert), Some(key)) => self.tls = Some((mode, cert, key)),
            _ => self.lose(
                entry,
                "there is no client_tls_cert_file or no client_tls_key_file",
            ),
        }
    }

    fn users_of_file(&mut self) {
        let file = self.auth_file.display().to_string();
        let list = match read(&self.auth_file) {
            Ok(text) => Userlist::parse(&text),
            Err(problems) => {
                let why = problems.into_iter().map(|problem| problem.message);
                self.lose_all(
                    file,
                    format!(
                        "{}: no logins are written",
                        why.collect::<Vec<_>>().join(", ")
                    ),
                );
                return;
            }
        };
        let named = list
            .problems
            .iter()
            .filter_map(|problem| problem.user.as_deref());
        let users = list.users.keys().map(|name| &**name).chain(named);
        let users: BTreeSet<String> = users.map(str::to_owned).collect();
        for user in users {
            match takes_login(&user) {
                true => drop(self.logins.insert(user, None)),
                false => self.lose_all(
                    format!("user {}", user.escape_debug()),
                    "it cannot be the name of a login",
                ),
            }
        }
        for problem in list.problems {
            self.lose_all(
                format!("{file}:{}", problem.line),
                format!("{}; {}", problem.message, problem.hint),
            );
        }
    }

    fn database(&mut self, entry: &Entry) {
        let name = &entry.key;
        if name == "*" {
            self.lose(
                entry,
                "the policy names every database: add those that are reached through *",
            );
            return;
        }
        if !takes_database(name) {
            self.lose(entry, "it cannot be the name of a database of the policy");
            return;
        }
        if !self.databases.contains(name) {
            self.databases.push(name.clone());
        }
        for (key, value) in self.parts(entry) {
            let mode = if self.session {
                "session"
            } else {
                "transaction"
            };
            let why = match &*key {
                "auth_user" | "auth_query" | "auth_dbname" => {
                    "verifiers are read from auth_file only"
                }
                "pool_mode" if value != mode => {
                    "a route has one pool_mode: give this database a PgBouncer of its own"
                }
                "client_encoding" if !["utf8", "utf-8"].contains(&&*value.to_lowercase()) => {
                    "clients speak UTF8"
                }
                "max_db_client_connections" => {
                    "connections are limited for each login: max_connections"
                }
                "pool_mode" | "client_encoding" => continue,
                key if stays(key) => {
                    self.stays.insert(key.to_owned());
                    continue;
                }
                _ => "this version does not know the setting",
            };
            self.lose(entry, format!("{key}: {why}"));
        }
    }

    /// Where no database is named no login has one, and a login must have one.
    fn lose_logins(&mut self) {
        const SHOWN: usize = 10;
        let names: Vec<&str> = self.logins.keys().map(|name| &**name).collect();
        let more = match names.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown = names[..names.len().min(SHOWN)].join(", ");
        let users = format!("users {}{more}", shown.escape_debug());
        if !names.is_empty() {
            let why = "no login is written, as no database is named: nobody can log in until the policy has a [login.NAME] for each";
            self.lose_all(users, why);
        }
    }

    fn user(&mut self, entry: &Entry) {
        for (key, value) in self.parts(entry) {
            match &*key {
                "max_user_client_connections" => {
                    let most = value
                        .parse()
                        .ok()
                        .filter(|most| (1..=1_000_000).contains(most));
                    match (self.logins.get_mut(&entry.key), most) {
                        (Some(login), Some(most)) => *login = Some(most),
                        _ => self.lose(
                            entry,
                            format!("{key}: no such login, or not a number that fits"),
                        ),
                    }
                }
                "pool_mode" => {
                    let mode = if self.session {
                        "session"
                    } else {
                        "transaction"
                    };
                    if value != mode {
                        self.lose(
                            entry,
                            "pool_mode: a route has one; set the login's route in the policy",
                        );
                    }
                }
                key if stays(key) => drop(self.stays.insert(key.to_owned())),
                _ => self.lose(
                    entry,
                    format!("{key}: this version does not know the setting"),
                ),
            }
        }
    }

    /// The parts of a connection string; what is none is said.
    fn parts(&mut self, entry: &Entry) -> Vec<(String, String)> {
        parts(&entry.value).unwrap_or_else(|_| {
            // Not the text: a password may be in it.
            self.lose(entry, "the connection string cannot be read");
            Vec::new()
        })
    }
}
