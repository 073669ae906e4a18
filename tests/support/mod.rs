//! The real thing in a temporary directory: PostgreSQL, two PgBouncers and Portcullis.
//!
//! ```ignore
//! mod support;
//! let stack = support::Stack::start(support::StackOptions::default());
//! let answer = stack.psql(&stack.login("shop_acme", "shop"), "SELECT count(*) FROM orders");
//! assert_eq!(answer.stdout, "3\n");
//! ```
//!
//! Everything ends with the [`Stack`]; nothing survives a test run that is killed. When a test
//! panics, the logs of all four processes are printed, and what it said once more behind them.
// Every test crate compiles this module and uses its own part of it.
#![allow(dead_code, unused_imports)]

pub mod cancel;
pub mod cluster;
pub mod failure;
pub mod files;
pub mod fixture;
pub mod message;
pub mod migration;
pub mod notes;
pub mod parts;
pub mod pool;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod psql;
pub mod relay;
pub mod scram;
pub mod shared;
pub mod shop;
pub mod signed;
pub mod step;
pub mod tls;
pub mod wanted;
pub mod wire;

use std::path::{Path, PathBuf};

pub use fixture::{User, password};
pub use parts::{Pooler, Version};
pub use pool::PoolMode;
pub use psql::{Login, Psql};
pub use shared::{NEW, NEWEST, OLD, OnEveryVersion, Shared, VERSIONS};
pub use wire::{Transport, Wire, ways};

use cluster::Cluster;
use files::Directory;
use pool::PoolSettings;
use ports::Ports;
use process::Server;
use proxy::ProxySettings;
use tls::{Authority, ServerCertificate};

/// What a stack looks like. The default is the shop on PostgreSQL 15 and PgBouncer 1.18.
pub struct StackOptions {
    pub version: Version,
    pub pooler: Pooler,
    /// Settings of PostgreSQL, e.g. `("log_statement", "all")`.
    pub postgresql: Vec<(&'static str, &'static str)>,
    /// psql script that creates databases and tables, after the users.
    pub sql: String,
    /// Logins beside those of [`fixture::users`].
    pub users: Vec<User>,
    /// PgBouncer's `default_pool_size`.
    pub pool_size: u32,
    /// Lines for `[pgbouncer]` of both PgBouncers, after ours.
    pub pgbouncer: String,
    /// The policy file.
    pub policy: String,
    /// Lines for `[limits]` of portcullis.toml.
    pub limits: String,
    /// TLS between clients and Portcullis: `disable`, `allow` or `require`.
    pub client_tls: &'static str,
    /// TLS between Portcullis and PgBouncer: `disable`, `require`, `verify-ca` or `verify-full`.
    pub server_tls: &'static str,
    /// Roles that get a server key (`portcullis keys add`); they must be among the users.
    pub keys: Vec<&'static str>,
    /// The text of `zone_key_file`; empty: there is none.
    pub zone_keys: String,
    /// Whether Portcullis is started at all.
    pub proxy: bool,
    /// `wal_level = logical`, and `[route.replication]` to PostgreSQL, which takes TLS.
    pub replication: bool,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            version: Version::Pg15,
            pooler: Pooler::V1_18,
            postgresql: Vec::new(),
            sql: fixture::SQL.into(),
            users: Vec::new(),
            pool_size: 5,
            pgbouncer: String::new(),
            policy: fixture::POLICY.into(),
            limits: String::new(),
            client_tls: "require",
            server_tls: "verify-full",
            keys: vec!["migrator"],
            zone_keys: String::new(),
            proxy: true,
            replication: false,
        }
    }
}

/// A running stack. Fields are dropped in this order: clients before servers, the directory last.
pub struct Stack {
    pub proxy: Option<Server>,
    pub transaction: Server,
    pub session: Server,
    pub cluster: Cluster,
    /// Portcullis; without it, the transaction pool.
    pub port: u16,
    pub http_port: u16,
    pub transaction_port: u16,
    pub session_port: u16,
    /// PgBouncer's own userlist.txt, word for word.
    pub userlist: String,
    /// Signs the certificates of Portcullis and both PgBouncers.
    pub authority: Authority,
    users: Vec<User>,
    directory: Directory,
    _ports: Ports,
}

impl Stack {
    /// Starts everything and waits until it is ready; panics with the logs if it does not come up.
    pub fn start(options: StackOptions) -> Self {
        failure::remember();
        let directory = Directory::new();
        let mut ports = Ports::lock();
        let authority = Authority::new(directory.path(), "ca");
        let certificate = authority.issue(directory.path(), "server");
        let replicating = options
            .replication
            .then(|| cluster::replicating(&directory, &certificate));
        let replicating = replicating.iter().flatten();
        let replicating = replicating.map(|(name, value)| (*name, value.as_str()));
        let settings: Vec<_> = replicating
            .chain(options.postgresql.iter().copied())
            .collect();
        let cluster = Cluster::start(&directory, options.version, ports.next(), &settings);
        let mut users = fixture::users();
        users.extend(options.users.iter().cloned());
        psql::superuser(
            &cluster,
            "postgres",
            &(fixture::create_users(&users) + &options.sql),
        );
        let userlist = userlist(&cluster);

        let (transaction_port, session_port) = (ports.next(), ports.next());
        let start_pool = |mode, port| {
            let settings = pool_settings(
                &options,
                mode,
                port,
                &cluster,
                &userlist,
                &certificate,
                &authority,
            );
            pool::start(&directory, &settings)
        };
        let mut transaction = start_pool(PoolMode::Transaction, transaction_port);
        let mut session = start_pool(PoolMode::Session, session_port);
        let (port, http_port) = if options.proxy {
            (ports.next(), ports.next())
        } else {
            (transaction_port, 0)
        };
        let mut proxy = options.proxy.then(|| {
            let settings = ProxySettings {
                port,
                http_port,
                transaction_port,
                session_port,
                replication_port: options.replication.then_some(cluster.port),
                policy: &options.policy,
                limits: &options.limits,
                client_tls: options.client_tls,
                server_tls: options.server_tls,
                certificate: &certificate,
                authority: authority.certificate(),
                userlist: &userlist,
                keys: &keys(&options.keys, &users),
                zone_keys: &options.zone_keys,
            };
            proxy::start(&directory, &settings)
        });
        pool::wait(&mut transaction, transaction_port);
        pool::wait(&mut session, session_port);
        if let Some(proxy) = &mut proxy {
            proxy::wait(proxy, http_port);
        }
        Self {
            proxy,
            transaction,
            session,
            cluster,
            port,
            http_port,
            transaction_port,
            session_port,
            userlist,
            authority,
            users,
            directory,
            _ports: ports,
        }
    }

    /// The stack's temporary directory: portcullis.toml, policy.toml, userlist.txt, console.sock, logs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file of the stack's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A fixture login through Portcullis, TLS verify-full.
    pub fn login(&self, user: &str, database: &str) -> Login {
        self.login_at(self.port, user, database)
    }

    /// A fixture login at another port of the stack.
    pub fn login_at(&self, port: u16, user: &str, database: &str) -> Login {
        let known = self.users.iter().find(|known| known.name == user);
        Login {
            host: "localhost".into(),
            port,
            user: user.into(),
            password: known
                .unwrap_or_else(|| panic!("no login {user} in this stack"))
                .password
                .clone(),
            database: database.into(),
            sslmode: "verify-full",
            sslrootcert: self.authority.certificate().to_owned(),
        }
    }

    /// psql through Portcullis (or wherever `login` says), `-XAtq`; never panics on a refusal.
    pub fn psql(&self, login: &Login, sql: &str) -> Psql {
        psql::run(login, sql)
    }

    /// What a superuser straight at PostgreSQL sees: unaligned rows; panics on an error.
    pub fn direct(&self, database: &str, sql: &str) -> String {
        psql::superuser(&self.cluster, database, sql)
    }

    /// The proxy anew, with `new` instead of `old` in its configuration; panics if it is not there.
    pub fn reconfigure(&mut self, old: &str, new: &str) {
        self.proxy = None;
        let file = self.file("portcullis.toml");
        let config = std::fs::read_to_string(&file).expect("read the configuration");
        assert!(config.contains(old), "{old} is not in {config}");
        files::write_secret(&file, &config.replace(old, new));
        let mut again = proxy::serve(self.directory());
        proxy::wait(&mut again, self.http_port);
        self.proxy = Some(again);
    }

    /// Writes the policy and has Portcullis read it.
    #[track_caller]
    pub fn load(&self, policy: &str) {
        files::write_secret(&self.file("policy.toml"), policy);
        self.reload();
    }

    /// Tells Portcullis on its console to read its files again, which it does.
    #[track_caller]
    pub fn reload(&self) {
        self.try_reload().ok();
    }

    /// Tells it the same, and what it says to that.
    pub fn try_reload(&self) -> Psql {
        migration::finished(migration::portcullis(self, &["console", "RELOAD"]))
    }

    /// The policy file as it is.
    pub fn policy(&self) -> String {
        std::fs::read_to_string(self.file("policy.toml")).expect("the policy")
    }

    /// The tables of schema `public`, in the order of their names.
    pub fn tables(&self, database: &str) -> String {
        let sql = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
        self.direct(database, sql).trim().to_owned()
    }

    /// A figure of the proxy's /proc/PID/status, bytes: `VmRSS` now, `VmHWM` at most so far.
    pub fn memory(&self, figure: &str) -> u64 {
        let pid = self.proxy.as_ref().expect("a proxy").pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let line = status.lines().find(|line| line.starts_with(figure));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|it| it.parse::<u64>().ok()).expect("kB") << 10
    }

    /// Waits until that many backends are in pg_sleep().
    #[track_caller]
    pub fn wait_for_sleepers(&self, count: usize) {
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        process::wait_until(&format!("{count} backends are asleep"), || {
            self.direct("postgres", asleep).trim() == count.to_string()
        });
    }

    /// libpq's and tokio-postgres's words for a superuser connection straight to PostgreSQL.
    pub fn direct_dsn(&self, database: &str) -> String {
        format!(
            "host={} port={} user=postgres dbname={database}",
            self.cluster.socket.display(),
            self.cluster.port
        )
    }

    /// Kills Portcullis, if it runs, and starts it on the same files.
    pub fn restart_proxy(&mut self) {
        self.proxy = None;
        let mut again = proxy::serve(self.directory());
        proxy::wait(&mut again, self.http_port);
        self.proxy = Some(again);
    }

    /// Portcullis's log so far.
    pub fn proxy_log(&self) -> String {
        self.proxy.as_ref().map(Server::log).unwrap_or_default()
    }

    /// Portcullis's log, once all of `words` are in it: it is written behind the answer.
    #[track_caller]
    pub fn logged(&self, words: &[&str]) -> String {
        process::wait_until(&format!("{words:?} are in the log"), || {
            let log = self.proxy_log();
            words.iter().all(|word| log.contains(word))
        });
        self.proxy_log()
    }

    /// GET from Portcullis's http address: the status and the body.
    pub fn http_get(&self, path: &str) -> (u16, String) {
        proxy::http_get(self.http_port, path).unwrap_or_else(|| panic!("GET {path}: no answer"))
    }

    /// The value of a series of `/metrics`, by its name and all its labels; panics if there is none.
    #[track_caller]
    pub fn metric(&self, series: &str) -> f64 {
        proxy::metric(self.http_port, series)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let servers =
                self.proxy
                    .iter()
                    .chain([&self.transaction, &self.session, &self.cluster.server]);
            servers.for_each(|server| eprintln!("{}", server.log_tail()));
            eprintln!("--- the test, once more: {}", failure::message());
        }
    }
}

fn pool_settings<'a>(
    options: &'a StackOptions,
    mode: PoolMode,
    port: u16,
    cluster: &Cluster,
    userlist: &'a str,
    certificate: &'a ServerCertificate,
    authority: &'a Authority,
) -> PoolSettings<'a> {
    PoolSettings {
        pooler: options.pooler,
        mode,
        port,
        cluster_port: cluster.port,
        size: options.pool_size,
        overrides: &options.pgbouncer,
        userlist,
        tls: "allow",
        certificate,
        authority: authority.certificate(),
    }
}

/// userlist.txt with the verifiers that PostgreSQL holds.
fn userlist(cluster: &Cluster) -> String {
    psql::superuser(
        cluster,
        "postgres",
        r#"SELECT '"' || replace(rolname, '"', '""') || '" "' || rolpassword || '"'
           FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256$%' AND rolname <> 'postgres' ORDER BY oid"#,
    )
}

fn keys(roles: &[&str], users: &[User]) -> Vec<(String, String)> {
    let password = |role: &str| {
        users
            .iter()
            .find(|user| user.name == role)
            .map(|user| user.password.clone())
    };
    roles
        .iter()
        .map(|role| {
            (
                role.to_string(),
                password(role).unwrap_or_else(|| panic!("no login {role} for a key")),
            )
        })
        .collect()
}
