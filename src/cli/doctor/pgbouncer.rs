//! PgBouncer's own console: its version, and settings that defeat isolation.

use std::collections::BTreeMap;

use super::catalog::Zone;
use super::connection::{Connection, Trouble};
use super::dsn::Dsn;
use super::finding::{Finding, counted};
use super::vulnerabilities::{CURRENT, Version, holes};

/// The console's database.
pub(super) const CONSOLE: &str = "pgbouncer";

/// What the console says.
#[derive(Debug, Default)]
pub(super) struct Console {
    pub version: Option<Version>,
    settings: BTreeMap<String, String>,
    /// Each database's pool mode, where it has one of its own.
    modes: BTreeMap<String, String>,
    /// The user that PgBouncer logs in as, whoever asks, where a database has one.
    forced: BTreeMap<String, String>,
    /// Databases that are not the console.
    pub databases: usize,
    /// A server is on another machine.
    remote: bool,
}

/// Why the console was not asked.
#[derive(Debug)]
pub(super) struct NotAsked {
    /// It is a PgBouncer, and does not let us.
    pub by_pgbouncer: bool,
    /// In one line.
    pub why: String,
}

impl NotAsked {
    fn other(why: String) -> Self {
        Self {
            by_pgbouncer: false,
            why,
        }
    }
}

impl Console {
    /// Asks a PgBouncer.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub(super) fn ask(dsn: &Dsn) -> Result<Self, NotAsked> {
        let mut connection = Connection::open(dsn).map_err(|failure| match &failure.server {
            Some(error) => NotAsked {
                // Its own words for a login that is neither in admin_users nor in stats_users.
                by_pgbouncer: error.message == "not allowed",
                why: error.message.clone(),
            },
            None => NotAsked::other(failure.to_string()),
        })?;
        let asked = Self::read(&mut connection);
        connection.close();
        asked.map_err(|trouble| NotAsked::other(trouble.to_string()))
    }

    fn read(connection: &mut Connection) -> Result<Self, Trouble> {
        let version = connection.query("SHOW VERSION")?;
        let version = version
            .rows
            .first()
            .and_then(|row| row.first().cloned().flatten());
        let Some(version) = version.filter(|text| text.starts_with("PgBouncer")) else {
            return Err(Trouble::Lost(
                "what answers there is no PgBouncer".to_owned(),
            ));
        };
        let mut console = Self {
            version: Version::read(&version),
            ..Self::default()
        };
        for row in named(connection, "SHOW CONFIG", &["key", "value"])? {
            if let [key, value] = &row[..] {
                console.settings.insert(key.clone(), value.clone());
            }
        }
        let columns = ["name", "host", "pool_mode", "force_user"];
        for row in named(connection, "SHOW DATABASES", &columns)? {
            let [name, host, mode, forced] = &row[..] else {
                continue;
            };
            if name == CONSOLE {
                continue;
            }
            console.databases += 1;
            console.remote |= !is_local(host);
            if !mode.is_empty() {
                console.modes.insert(name.clone(), mode.clone());
            }
            if !forced.is_empty() {
                console.forced.insert(name.clone(), forced.clone());
            }
        }
        Ok(console)
    }

    /// A setting's value, "" if there is none.
    pub(super) fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    /// How connections of a database are pooled.
    pub(super) fn mode(&self, database: &str) -> &str {
        match self.modes.get(database) {
            Some(mode) => mode,
            None => self.setting("pool_mode"),
        }
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.setting(name).split(',').map(str::trim)
    }

    fn is_on(&self, name: &str) -> bool {
        matches!(self.setting(name), "1" | "yes" | "on" | "true")
    }

    /// What is wrong with it, for clients of `database`.
    pub(super) fn findings(&self, database: &str, zone: &Zone) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.authentication().into_iter().collect();
        findings.extend(self.client_tls());
        findings.extend(self.ignored(zone));
        findings.extend(self.forced(database));
        findings.extend(self.reset(database));
        findings.extend(self.prepared(database));
        findings.extend(self.server_tls());
        findings.extend(self.old());
        findings
    }

    fn authentication(&self) -> Option<Finding> {
        let kind = self.setting("auth_type");
        let how = match kind {
            "any" => "lets everybody in as anybody",
            "trust" => "asks for no password",
            "plain" => "takes passwords in the clear",
            "md5" => "takes MD5 passwords",
            _ => return None,
        };
        let text = format!("PgBouncer {how} (auth_type = {kind})");
        Some(Finding::new("pgbouncer-auth-type", text).advised("auth_type = scram-sha-256"))
    }

    fn client_tls(&self) -> Option<Finding> {
        let mode = self.setting("client_tls_sslmode");
        let plain = matches!(mode, "disable" | "allow" | "prefer");
        // No address: only its unix socket.
        let addresses = self.list("listen_addr");
        if !plain
            || addresses
                .filter(|address| !address.is_empty())
                .all(is_local)
        {
            return None;
        }
        let text = format!(
            "PgBouncer takes clients from other machines without TLS (client_tls_sslmode = {mode})"
        );
        Some(Finding::new("pgbouncer-client-tls", text).advised("client_tls_sslmode = require"))
    }

    /// CA-4: what is dropped there silently leaves the client without its zone, or with another's.
    fn ignored(&self, zone: &Zone) -> Option<Finding> {
        let is_zone = |name: &&str| {
            let same = |parameter: &String| parameter.eq_ignore_ascii_case(name);
            *name == "options" || zone.parameters.iter().any(same)
        };
        let dropped: Vec<String> = self
            .list("ignore_startup_parameters")
            .filter(is_zone)
            .map(str::to_owned)
            .collect();
        if dropped.is_empty() {
            return None;
        }
        let text = format!(
            "PgBouncer drops {} of a client's startup packet without a word: a zone asked for there is not set",
            dropped.join(" and ")
        );
        let advice = "take it out of ignore_startup_parameters";
        Some(
            Finding::new("pgbouncer-ignored-parameters", text)
                .about(dropped)
                .advised(advice),
        )
    }

    /// Then PostgreSQL cannot tell logins apart: neither GRANT nor a policy for a role does.
    fn forced(&self, database: &str) -> Option<Finding> {
        let user = self.forced.get(database)?;
        let text = format!(
            "PgBouncer logs in as {user} for every client of {database}: PostgreSQL cannot tell logins apart"
        );
        let advice = format!("take user= out of the line of {database} in [databases]");
        let finding = Finding::new("pgbouncer-forced-user", text).about(vec![user.clone()]);
        Some(finding.advised(advice))
    }

    fn reset(&self, database: &str) -> Option<Finding> {
        let query = self.setting("server_reset_query");
        match self.mode(database) {
            "session" if query.is_empty() => {
                let text = "session pooling without server_reset_query: the next client inherits the session";
                let advice = "server_reset_query = DISCARD ALL";
                Some(Finding::new("pgbouncer-no-reset", text).advised(advice))
            }
            "transaction" | "statement"
                if !query.is_empty() && !self.is_on("server_reset_query_always") =>
            {
                let text = format!(
                    "server_reset_query ({query}) does not run in {} mode, unless server_reset_query_always is set",
                    self.mode(database)
                );
                Some(Finding::new("pgbouncer-reset-not-run", text))
            }
            _ => None,
        }
    }

    fn prepared(&self, database: &str) -> Option<Finding> {
        let version = self.version?;
        let off = self.setting("max_prepared_statements") == "0";
        if self.mode(database) == "session" || (version >= Version(1, 21, 0) && !off) {
            return None;
        }
        let text = match version >= Version(1, 21, 0) {
            true => "max_prepared_statements = 0: prepared statements of drivers fail or meet each other".to_owned(),
            false => format!("PgBouncer {version} does not follow prepared statements: those of drivers fail or meet each other"),
        };
        let advice = "PgBouncer 1.22.1 or newer with max_prepared_statements = 200, or no prepared statements in drivers";
        Some(Finding::new("pgbouncer-prepared", text).advised(advice))
    }

    fn server_tls(&self) -> Option<Finding> {
        let mode = self.setting("server_tls_sslmode");
        if !self.remote || mode == "verify-full" || mode.is_empty() {
            return None;
        }
        let text = format!(
            "PgBouncer's way to PostgreSQL on another machine can be listened to or taken over (server_tls_sslmode = {mode})"
        );
        let advice = "server_tls_sslmode = verify-full, server_tls_ca_file = ...";
        Some(Finding::new("pgbouncer-server-tls", text).advised(advice))
    }

    fn old(&self) -> Option<Finding> {
        let version = self.version?;
        let holes = holes(version);
        let worst = holes.first()?;
        let all: Vec<String> = holes
            .iter()
            .map(|hole| format!("{}: {}", hole.cve, hole.what))
            .collect();
        let more = match holes.len() {
            1 => String::new(),
            count => format!(", and {} more", counted(count - 1, "known hole")),
        };
        let text = format!(
            "PgBouncer {version} {} ({}){more}; {CURRENT} is current",
            worst.what, worst.cve
        );
        Some(
            Finding::new("pgbouncer-version", text)
                .about(all)
                .advised("upgrade, or make sure that your distribution's package has the fixes"),
        )
    }
}

/// Rows of a SHOW, by the columns' names: their places differ by version.
fn named(
    connection: &mut Connection,
    show: &str,
    wanted: &[&str],
) -> Result<Vec<Vec<String>>, Trouble> {
    let answer = connection.query(show)?;
    let places: Vec<Option<usize>> = wanted
        .iter()
        .map(|name| {
            answer
                .columns
                .iter()
                .position(|column| column.name == *name)
        })
        .collect();
    let cell = |row: &[Option<String>], place: &Option<usize>| {
        let value = place.and_then(|place| row.get(place).cloned().flatten());
        value.unwrap_or_default()
    };
    let row = |row: Vec<Option<String>>| places.iter().map(|place| cell(&row, place)).collect();
    Ok(answer.rows.into_iter().map(row).collect())
}

/// A host, or a list of them; `@`: a socket without a file.
fn is_local(hosts: &str) -> bool {
    hosts.split(',').map(str::trim).all(|host| {
        host.is_empty()
            || host.starts_with(['/', '@'])
            || host == "localhost"
            || host
                .parse()
                .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(settings: &[(&str, &str)]) -> Console {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Console {
            version: Some(CURRENT),
            settings: settings.iter().map(pair).collect(),
            remote: true,
            ..Console::default()
        }
    }

    fn ids(console: &Console) -> Vec<&'static str> {
        let zone = Zone {
            parameters: vec!["app.tenant_id".to_owned()],
            ..Zone::default()
        };
        let findings = console.findings("shop", &zone);
        findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn each_setting_is_judged() {
        for (settings, found) in [
            (&[("auth_type", "any")][..], &["pgbouncer-auth-type"][..]),
            (&[("auth_type", "md5")], &["pgbouncer-auth-type"]),
            (&[("auth_type", "scram-sha-256")], &[]),
            (
                &[("ignore_startup_parameters", "extra_float_digits, options")],
                &["pgbouncer-ignored-parameters"],
            ),
            (
                &[("ignore_startup_parameters", "App.Tenant_Id")],
                &["pgbouncer-ignored-parameters"],
            ),
            (&[("ignore_startup_parameters", "extra_float_digits")], &[]),
            (
                &[("pool_mode", "session"), ("server_reset_query", "")],
                &["pgbouncer-no-reset"],
            ),
            (
                &[
                    ("pool_mode", "transaction"),
                    ("server_reset_query", "DISCARD ALL"),
                    ("server_reset_query_always", "0"),
                ],
                &["pgbouncer-reset-not-run"],
            ),
            (
                &[
                    ("pool_mode", "transaction"),
                    ("server_reset_query", "DISCARD ALL"),
                    ("server_reset_query_always", "1"),
                ],
                &[],
            ),
            (
                &[
                    ("pool_mode", "transaction"),
                    ("max_prepared_statements", "0"),
                ],
                &["pgbouncer-prepared"],
            ),
            (
                &[("server_tls_sslmode", "prefer")],
                &["pgbouncer-server-tls"],
            ),
            (&[("server_tls_sslmode", "verify-full")], &[]),
            (
                &[
                    ("client_tls_sslmode", "allow"),
                    ("listen_addr", "127.0.0.1, *"),
                ],
                &["pgbouncer-client-tls"],
            ),
            (
                &[
                    ("client_tls_sslmode", "disable"),
                    ("listen_addr", "localhost,::1"),
                ],
                &[],
            ),
            (
                &[("client_tls_sslmode", "require"), ("listen_addr", "*")],
                &[],
            ),
        ] {
            assert_eq!(ids(&console(settings)), found, "{settings:?}");
        }
    }

    #[test]
    fn a_list_of_hosts_is_local_if_all_are() {
        for (hosts, local) in [
            ("", true),
            ("/run/postgresql", true),
            ("@postgresql", true),
            ("127.0.0.1, ::1,localhost", true),
            ("127.0.0.1,db.example.com", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_local(hosts), local, "{hosts}");
        }
    }

    #[test]
    fn a_database_has_a_pool_mode_of_its_own() {
        let mut console = console(&[("pool_mode", "session")]);
        console.modes.insert("shop".into(), "transaction".into());
        assert_eq!(
            (console.mode("shop"), console.mode("app")),
            ("transaction", "session")
        );
    }

    #[test]
    fn an_old_version_names_its_worst_hole_and_counts_the_others() {
        let mut console = console(&[]);
        console.version = Some(Version(1, 25, 2));
        let old = console.old().unwrap();
        assert!(old.text.contains(
            "PgBouncer 1.25.2 lets one SCRAM user log in as another (CVE-2026-107350), and"
        ));
        assert!(old.text.contains("1.26.1 is current"));
        assert!(old.objects.len() > 2);
    }
}
