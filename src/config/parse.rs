//! `portcullis.toml` -> [`Config`].

use std::path::{Path, PathBuf};
use std::time::Duration;

mod isolation;
mod peers;

use super::problem::Problem;
use super::reader::{Located, Reader, Table, one_of};
use super::units::{duration_within, endpoint, endpoint_or_port, listen_address, size_within};
use super::values::{client_sslmode, help_url, path, server_sslmode, socket_path};
use super::{Auth, ClientTls, Config, Endpoint, Limits, Listen, Log, Route, ServerTls, SslMode};

/// Most endpoints of one route.
const MAX_HOSTS: usize = 16;

/// What `portcullis.toml` says. Relative paths start at the directory of `path`; `cores` is the
/// default of `workers`. All mistakes are told at once.
pub(super) fn config(text: &str, path: &Path, cores: usize) -> Result<Config, Vec<Problem>> {
    let file = path.display().to_string();
    let tree = Reader::tree(&file, text)?;
    let base = path.parent().unwrap_or(Path::new(""));
    let mut parser = Parser {
        reader: Reader::new(&file, text),
        base,
        cores,
    };
    let config = parser.config(Table::top(tree.get_ref()), path);
    let (errors, _) = parser.reader.into_problems();
    match config {
        Some(config) if errors.is_empty() => Ok(config),
        _ => Err(errors),
    }
}

/// Reads one table after the other. `None` from any of its functions means that an error was noted.
struct Parser<'s> {
    reader: Reader<'s>,
    base: &'s Path,
    cores: usize,
}

impl Parser<'_> {
    fn config(&mut self, mut top: Table<'_>, path: &Path) -> Option<Config> {
        self.reader.schema(&mut top);
        self.reader
            .require(&top, "policy", "policy = \"policies/production.toml\"");
        let policy = self.path(&mut top, "policy");
        let help_url = self
            .reader
            .parsed(&mut top, "help_url", help_url)
            .map(|url| url.value);
        let listen = self
            .reader
            .required_table(&mut top, "listen")
            .and_then(|table| self.listen(table));
        let client_tls = self
            .reader
            .required_table(&mut top, "client_tls")
            .and_then(|table| self.client_tls(table));
        let server_tls = self
            .reader
            .required_table(&mut top, "server_tls")
            .and_then(|table| self.server_tls(table));
        let auth = self
            .reader
            .required_table(&mut top, "auth")
            .and_then(|table| self.auth(table));
        let routes = self
            .reader
            .required_table(&mut top, "route")
            .and_then(|table| self.routes(table));
        let registry = self
            .reader
            .table(&mut top, "registry")
            .and_then(|table| self.registry(table));
        let limits = self
            .reader
            .table(&mut top, "limits")
            .map_or_else(default_limits, |table| self.limits(table));
        let log = self
            .reader
            .table(&mut top, "log")
            .map_or_else(default_log, |table| self.log(table));
        let peers = self
            .reader
            .table(&mut top, "peers")
            .and_then(|table| self.peers(table));
        let isolation = self
            .reader
            .table(&mut top, "isolation")
            .and_then(|table| self.isolation(table));
        self.reader.not_yet(&mut top, "audit");
        self.reader.finish(top);
        let (transaction, session, replication) = routes?;
        Some(Config {
            path: path.to_owned(),
            policy: policy?,
            help_url,
            listen: listen?,
            client_tls: client_tls?,
            server_tls: server_tls?,
            auth: auth?,
            transaction,
            session,
            replication,
            registry,
            limits,
            log,
            peers,
            isolation,
        })
    }

    fn listen(&mut self, mut table: Table<'_>) -> Option<Listen> {
        self.reader
            .require(&table, "postgres", "postgres = \"0.0.0.0:6432\"");
        let postgres = self.reader.parsed(&mut table, "postgres", listen_address);
        let http = self.reader.parsed(&mut table, "http", listen_address);
        let base = self.base;
        let console = self
            .reader
            .parsed(&mut table, "console", |text| socket_path(base, text));
        let max_client_conn = self
            .reader
            .integer(&mut table, "max_client_conn", 1..=1_000_000);
        let workers = self.reader.integer(&mut table, "workers", 1..=1024);
        let port = postgres
            .as_ref()
            .map_or(6432, |address| address.value.port());
        let advertise = self
            .reader
            .parsed(&mut table, "advertise", |text| endpoint_or_port(text, port));
        let advertise_sslrootcert = self.path(&mut table, "advertise_sslrootcert");
        self.reader.finish(table);
        if let (Some(postgres), Some(http)) = (&postgres, &http)
            && postgres.value == http.value
        {
            self.reader.error(
                http.span.clone(),
                "\"listen.http\" and \"listen.postgres\" are the same address",
            );
        }
        Some(Listen {
            postgres: postgres?.value,
            http: http.map(|address| address.value),
            console: console.map(|path| path.value),
            max_client_conn: count(max_client_conn).unwrap_or(5000),
            workers: count(workers).unwrap_or(self.cores.max(1)),
            advertise: advertise.map(|endpoint| endpoint.value),
            advertise_sslrootcert,
        })
    }

    fn client_tls(&mut self, mut table: Table<'_>) -> Option<ClientTls> {
        let sslmode = self.reader.parsed(&mut table, "sslmode", client_sslmode);
        let sslmode = sslmode.map_or(SslMode::Require, |mode| mode.value);
        if sslmode != SslMode::Disable {
            self.reader.require(
                &table,
                "cert_file",
                "cert_file = \"/etc/portcullis/tls/server.crt\", or sslmode = \"disable\"",
            );
            self.reader.require(
                &table,
                "key_file",
                "key_file = \"/etc/portcullis/tls/server.key\", or sslmode = \"disable\"",
            );
        }
        let cert_file = self.path(&mut table, "cert_file");
        let key_file = self.path(&mut table, "key_file");
        let ca_file = self.path(&mut table, "ca_file");
        self.reader.finish(table);
        Some(ClientTls {
            sslmode,
            cert_file,
            key_file,
            ca_file,
        })
    }

    fn server_tls(&mut self, mut table: Table<'_>) -> Option<ServerTls> {
        let tls = self.verification(&mut table);
        self.reader.finish(table);
        Some(tls)
    }

    /// `sslmode` and `ca_file` of a table: what is verified of a server.
    fn verification(&mut self, table: &mut Table<'_>) -> ServerTls {
        let sslmode = self.reader.parsed(table, "sslmode", server_sslmode);
        let mode = sslmode
            .as_ref()
            .map_or(SslMode::VerifyFull, |mode| mode.value);
        if matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull) {
            let example = "ca_file = \"/etc/portcullis/tls/ca.crt\"";
            self.reader.require(table, "ca_file", example);
        }
        let ca_file = self.path(table, "ca_file");
        if let (Some(sslmode), Some(_), SslMode::Require) = (sslmode, &ca_file, mode) {
            // libpq would verify here, PgBouncer would not: nobody should have to know which.
            let (message, help) = (
                "sslmode \"require\" verifies nothing, but there is a ca_file",
                "verify-full, or remove ca_file",
            );
            self.reader.error_with_help(sslmode.span, message, help);
        }
        ServerTls {
            sslmode: mode,
            ca_file,
        }
    }

    fn auth(&mut self, mut table: Table<'_>) -> Option<Auth> {
        self.reader.require(
            &table,
            "auth_file",
            "auth_file = \"/etc/pgbouncer/userlist.txt\"",
        );
        let auth_file = self.path(&mut table, "auth_file");
        let key_file = self.path(&mut table, "key_file");
        let zone_key_file = self.path(&mut table, "zone_key_file");
        self.reader.not_yet(&mut table, "auth_query");
        self.reader.finish(table);
        Some(Auth {
            auth_file: auth_file?,
            key_file,
            zone_key_file,
        })
    }

    fn routes(&mut self, mut table: Table<'_>) -> Option<(Route, Option<Route>, Option<Route>)> {
        let transaction = self
            .reader
            .required_table(&mut table, "transaction")
            .and_then(|table| self.route(table));
        let session = self
            .reader
            .table(&mut table, "session")
            .and_then(|table| self.route(table));
        let replication = self
            .reader
            .table(&mut table, "replication")
            .and_then(|table| self.route(table));
        self.reader.finish(table);
        Some((transaction?, session, replication))
    }

    fn route(&mut self, mut table: Table<'_>) -> Option<Route> {
        self.reader
            .require(&table, "hosts", "hosts = [\"pgbouncer.internal:6432\"]");
        let hosts = self.reader.list(&mut table, "hosts", endpoint);
        self.reader.not_yet(&mut table, "load_balance_hosts");
        self.reader.finish(table);
        let hosts = hosts?;
        if hosts.value.is_empty() || hosts.value.len() > MAX_HOSTS {
            self.reader.error(
                hosts.span,
                format!("\"hosts\" must name 1 to {MAX_HOSTS} endpoints"),
            );
        }
        let mut seen: Vec<Endpoint> = Vec::new();
        for host in hosts.value {
            if seen.contains(&host.value) {
                self.reader
                    .error(host.span, format!("{} is named twice", host.value));
            } else {
                seen.push(host.value);
            }
        }
        Some(Route { hosts: seen })
    }

    fn registry(&mut self, mut table: Table<'_>) -> Option<PathBuf> {
        self.reader.not_yet(&mut table, "dsn_file");
        self.reader
            .require(&table, "path", "path = \"/var/lib/portcullis/registry.db\"");
        let path = self.path(&mut table, "path");
        self.reader.finish(table);
        path
    }

    fn limits(&mut self, mut table: Table<'_>) -> Limits {
        let defaults = default_limits();
        let max_cancels = self.reader.integer(&mut table, "max_cancels", 1..=65_536);
        let limits = Limits {
            max_statement_bytes: self.bytes(
                &mut table,
                "max_statement_bytes",
                ("1kB", "64MB"),
                defaults.max_statement_bytes,
            ),
            client_login_timeout: self.time(
                &mut table,
                "client_login_timeout",
                ("1s", "10min"),
                defaults.client_login_timeout,
            ),
            server_connect_timeout: self.time(
                &mut table,
                "server_connect_timeout",
                ("1s", "10min"),
                defaults.server_connect_timeout,
            ),
            server_role_max_age: self.time(
                &mut table,
                "server_role_max_age",
                ("0s", "10min"),
                defaults.server_role_max_age,
            ),
            drain_timeout: self.time(
                &mut table,
                "drain_timeout",
                ("0s", "1d"),
                defaults.drain_timeout,
            ),
            facts_cache_bytes: self.bytes(
                &mut table,
                "facts_cache_bytes",
                ("64kB", "4GB"),
                defaults.facts_cache_bytes,
            ),
            max_prepared_bytes: self.bytes(
                &mut table,
                "max_prepared_bytes",
                ("1MB", "64GB"),
                defaults.max_prepared_bytes,
            ),
            max_cancels: count(max_cancels).unwrap_or(defaults.max_cancels),
        };
        self.reader.finish(table);
        limits
    }

    fn log(&mut self, mut table: Table<'_>) -> Log {
        let defaults = default_log();
        let format = self.reader.parsed(&mut table, "format", |text| {
            one_of(text, &[("json", true), ("text", false)])
        });
        let level = self.reader.parsed(&mut table, "level", |text| {
            one_of(
                text,
                &[
                    ("error", "error"),
                    ("warn", "warn"),
                    ("info", "info"),
                    ("debug", "debug"),
                ],
            )
        });
        let zones = self.reader.boolean(&mut table, "zones");
        self.reader.finish(table);
        Log {
            zones: zones.is_some_and(|zones| zones.value),
            json: format.map_or(defaults.json, |format| format.value),
            level: level.map_or(defaults.level, |level| level.value.to_owned()),
        }
    }

    fn path(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<PathBuf> {
        let base = self.base;
        self.reader
            .parsed(table, key, |text| path(base, text))
            .map(|path| path.value)
    }

    fn bytes(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        bounds: (&str, &str),
        default: usize,
    ) -> usize {
        self.reader
            .quantity(table, key, "kB", |text| {
                size_within(text, bounds.0, bounds.1)
            })
            .unwrap_or(default)
    }

    fn time(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        bounds: (&str, &str),
        default: Duration,
    ) -> Duration {
        self.reader
            .quantity(table, key, "s", |text| {
                duration_within(text, bounds.0, bounds.1)
            })
            .unwrap_or(default)
    }
}

fn default_limits() -> Limits {
    Limits {
        max_statement_bytes: 1 << 20,
        client_login_timeout: Duration::from_secs(60),
        server_connect_timeout: Duration::from_secs(15),
        server_role_max_age: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(30),
        facts_cache_bytes: 16 << 20,
        max_prepared_bytes: 2 << 30,
        max_cancels: 64,
    }
}

fn default_log() -> Log {
    Log {
        zones: false,
        json: true,
        level: "info".to_owned(),
    }
}

/// A number whose bounds were checked.
fn count(number: Option<Located<i64>>) -> Option<usize> {
    number.and_then(|number| usize::try_from(number.value).ok())
}
