//! Files and paths that a configuration names. What keeps `serve` from starting with one of them is an error, at its
//! key. What is not here, or not for this user to read, is a warning: a configuration is checked as well where its secrets
//! and certificates are not, and directories may be made when the service starts.

use std::fmt::Display;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::auth::keys::ServerKeys;
use crate::auth::userlist::Userlist;
use crate::config::problem::Source;
use crate::config::{Config, Problem, ServerTls, SslMode};
use crate::console;
use crate::migration::registry;
use crate::net::load::{self, Unusable};
use crate::tls::files::open_regular;
use crate::zone::keys::ZoneKeys;

/// A table of the configuration and one of its keys.
type Key = (&'static str, &'static str);

/// A configuration, and what was found of the files that it names.
pub(super) struct Files<'c> {
    config: &'c Config,
    file: String,
    text: &'c str,
    /// So far.
    pub problems: Vec<Problem>,
}

impl<'c> Files<'c> {
    /// `text`: what the configuration was read from.
    pub fn new(config: &'c Config, text: &'c str) -> Self {
        Self {
            config,
            file: config.path.display().to_string(),
            text,
            problems: Vec::new(),
        }
    }

    /// Looks at certificates, the registry and the console.
    pub fn look(&mut self) {
        let config = self.config;
        self.client_tls();
        self.server_tls("server_tls", &config.server_tls);
        if let Some(peers) = &config.peers {
            self.server_tls("peers", &peers.tls);
        }
        if let Some(path) = &config.registry {
            let key = ("registry", "path");
            if self.has_directory(key, path)
                && let Err(error) = registry::look(path)
            {
                self.error(key, &error);
            }
        }
        if let Some(path) = &config.listen.console {
            let key = ("listen", "console");
            if self.has_directory(key, path)
                && let Err(error) = console::may_bind(path)
            {
                self.error(key, &error);
            }
        }
    }

    /// Who may log in, and the keys for behind; none where one of the files was not looked at or is wrong.
    pub fn users(&mut self) -> Option<(Userlist, ServerKeys)> {
        const WHAT: &str = "whether every login can log in";
        const USERS: Key = ("auth", "auth_file");
        const KEYS: Key = ("auth", "key_file");
        let config = self.config;
        let here = self.is_here(USERS, Some(&config.auth.auth_file), WHAT);
        let users = here.then(|| load::userlist(config));
        let here = self.is_here(KEYS, config.auth.key_file.as_deref(), WHAT);
        let keys = here.then(|| load::keys(config));
        let users = users.and_then(|read| self.taken(USERS, read));
        let keys = keys.and_then(|read| self.taken(KEYS, read));
        users.zip(keys)
    }

    /// What signs zones; none where the file was not looked at or is wrong.
    pub fn zone_keys(&mut self) -> Option<ZoneKeys> {
        const WHAT: &str = "whether every database has a key for its zones";
        const KEYS: Key = ("auth", "zone_key_file");
        let config = self.config;
        if !self.is_here(KEYS, config.auth.zone_key_file.as_deref(), WHAT) {
            return None;
        }
        let read = load::zone_keys(config);
        read.inspect_err(|problem| self.problems.push(problem.clone()))
            .ok()
    }

    fn client_tls(&mut self) {
        const TABLE: &str = "client_tls";
        let tls = &self.config.client_tls;
        if tls.sslmode == SslMode::Disable {
            return;
        }
        let (cert, key) = (tls.cert_file.as_deref(), tls.key_file.as_deref());
        let ca = tls.ca_file.as_deref();
        let what = "whether the certificate goes with its key";
        let has_key = self.is_here((TABLE, "key_file"), key, what);
        let has_cert = self.is_here((TABLE, "cert_file"), cert, "the certificate");
        let has_ca = self.is_here((TABLE, "ca_file"), ca, "the authority");
        if !(has_cert && has_ca) {
            return;
        }
        let made = match has_key {
            true => load::client_tls(self.config).map(drop),
            false => load::certificates(self.config),
        };
        let files = [("cert_file", cert), ("key_file", key), ("ca_file", ca)];
        self.usable(TABLE, &files, made);
    }

    fn server_tls(&mut self, table: &'static str, tls: &ServerTls) {
        let ca = tls.ca_file.as_deref();
        if self.is_here((table, "ca_file"), ca, "the authority") {
            let made = load::server_side(tls, &format!("[{table}]"));
            self.usable(table, &[("ca_file", ca)], made.map(drop));
        }
    }

    /// Notes what is wrong at the key of the file that it is about.
    fn usable(
        &mut self,
        table: &'static str,
        files: &[(&'static str, Option<&Path>)],
        made: Result<(), Unusable>,
    ) {
        if let Err(wrong) = made {
            let of = files.iter().find(|(_, file)| *file == Some(&*wrong.file));
            self.error((table, of.map_or("", |(key, _)| key)), &wrong);
        }
    }

    /// Is a file here to be looked at, if one is named? `what` is not looked at without.
    fn is_here(&mut self, key: Key, path: Option<&Path>, what: &str) -> bool {
        let Some((path, error)) = path.and_then(|path| Some((path, open_regular(path).err()?)))
        else {
            return true;
        };
        let absent = matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied
        );
        if absent {
            let path = path.display();
            self.warning(
                key,
                format!("{what} was not looked at: \"{path}\": {error}"),
            );
        }
        !absent
    }

    /// Is there a directory for what `serve` makes at `path`?
    fn has_directory(&mut self, key: Key, path: &Path) -> bool {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let shown = directory.display();
        match std::fs::metadata(directory) {
            Ok(found) if found.is_dir() => return true,
            Ok(_) => self.error(key, &format!("{shown} is not a directory")),
            Err(error) => self.warning(
                key,
                format!("there is no directory for it: {shown}: {error}"),
            ),
        }
        false
    }

    fn taken<T>(&mut self, key: Key, read: Result<T, String>) -> Option<T> {
        read.inspect_err(|why| self.error(key, why)).ok()
    }

    fn error(&mut self, key: Key, why: &dyn Display) {
        let why = plain(why);
        let problem = match self.place(key) {
            Some(place) => self.source().error(place, why),
            None => Problem::error(&self.file, why),
        };
        self.problems.push(problem);
    }

    fn warning(&mut self, key: Key, why: String) {
        let problem = match self.place(key) {
            Some(place) => self.source().warning(place, why),
            None => Problem::warning(&self.file, why),
        };
        self.problems.push(problem);
    }

    fn source(&self) -> Source<'_> {
        Source {
            file: &self.file,
            text: self.text,
        }
    }

    /// Where the value of a key stands.
    fn place(&self, (table, key): Key) -> Option<Range<usize>> {
        let (tree, _) = DeTable::parse_recoverable(self.text);
        match tree.get_ref().get(table)?.get_ref() {
            DeValue::Table(table) => table.get(key).map(|value| value.span()),
            _ => None,
        }
    }
}

/// Without the word that `serve` says ahead of it.
fn plain(why: &dyn Display) -> String {
    let why = why.to_string();
    why.strip_prefix("error: ").unwrap_or(&why).to_owned()
}
