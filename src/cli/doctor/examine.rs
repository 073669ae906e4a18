//! The examination, step by step: connect, look, prove.

use std::path::PathBuf;

use super::CouldNot;
use super::carried;
use super::catalog::{self, Zone};
use super::connection::{Asked, Connection, Trouble};
use super::dsn::Dsn;
use super::failure::Cause;
use super::finding::Finding;
use super::pgbouncer::{CONSOLE, Console};
use super::probes;
use super::server::{Answers, Server};
use super::sql::{read_only, value};
use super::through::{self, Through};
use super::verifiers;

/// What to examine.
pub(super) struct Wanted {
    pub dsn: Dsn,
    pub admin: Option<Dsn>,
    pub read_only: bool,
    pub zone: catalog::Asked,
    /// PgBouncer's and Portcullis's, to be compared with PostgreSQL.
    pub auth_files: Vec<PathBuf>,
    /// The same login through Portcullis.
    pub through: Option<through::Wanted>,
}

/// What was found.
pub(super) struct Examined {
    pub dsn: Dsn,
    pub server: Server,
    pub console: Option<Console>,
    pub tls: Option<&'static str>,
    pub asked: Asked,
    pub zone: Zone,
    pub findings: Vec<Finding>,
    /// Ids of what was looked for and is not there.
    pub fine: Vec<&'static str>,
    /// Guards of a Portcullis that refused probes.
    pub guards: Vec<String>,
    pub probed: bool,
    pub through: Option<Through>,
}

impl Examined {
    /// Was anything found that counts?
    pub(super) fn counts(&self) -> bool {
        self.findings.iter().any(|finding| finding.word().counts())
            || self.through.as_ref().is_some_and(Through::counts)
    }
}

/// Runs it all.
pub(super) fn run(wanted: &Wanted) -> Result<Examined, CouldNot> {
    let dsn = &wanted.dsn;
    let mut connection =
        Connection::open(dsn).map_err(|failure| CouldNot::Connect(Box::new(failure)))?;
    let lost = |trouble: Trouble| CouldNot::Other(format!("{}: {trouble}", dsn.address()));
    let server = Server::look(&mut connection, dsn).map_err(lost)?;
    let mut examined = Examined {
        dsn: dsn.clone(),
        server,
        console: None,
        tls: connection.tls(),
        asked: connection.asked,
        zone: Zone::default(),
        findings: Vec::new(),
        fine: Vec::new(),
        guards: Vec::new(),
        probed: !wanted.read_only,
        through: None,
    };
    examined.the_connection(&connection);
    examined.advisory_locks(&mut connection).map_err(lost)?;
    let seen = catalog::look(&mut connection, &wanted.zone).map_err(lost)?;
    let verifiers = verifiers::look(&mut connection, &wanted.auth_files).map_err(lost)?;
    connection.close();
    examined.take_catalog(seen);
    if verifiers.is_empty() && !wanted.auth_files.is_empty() {
        examined.fine.push(verifiers::ID);
    }
    examined.findings.extend(verifiers);
    examined.the_console(wanted);
    examined.carried(dsn).map_err(lost)?;
    if !wanted.read_only {
        let probed = probes::run(dsn).map_err(CouldNot::Other)?;
        examined.findings.extend(probed.findings);
        examined.fine.extend(probed.fine);
        examined.guards = probed.guards;
    }
    if let Some(through) = &wanted.through {
        examined.through = Some(through.prove(dsn, &examined.zone)?);
    }
    // Leaks first, notes last.
    examined.findings.sort_by_key(Finding::word);
    Ok(examined)
}

impl Examined {
    fn found_or_fine(&mut self, id: &'static str, finding: Option<Finding>) {
        match finding {
            Some(finding) => self.findings.push(finding),
            None => self.fine.push(id),
        }
    }

    fn the_connection(&mut self, connection: &Connection) {
        let local = self.dsn.is_local();
        let plain = (connection.tls().is_none() && !local).then(|| {
            let text = "this connection is not encrypted: statements and rows can be read on the way";
            Finding::new("connection-plaintext", text)
                .advised("TLS on the server (PgBouncer: client_tls_sslmode = require), sslmode=verify-full here")
        });
        self.found_or_fine("connection-plaintext", plain);
        let trusted = connection.asked == Asked::Nothing && !connection.is_unix();
        let trusted = trusted.then(|| {
            let text = format!(
                "{} let \"{}\" in without asking for a password",
                self.dsn.address(),
                self.dsn.user
            );
            Finding::new("connection-trust", text).advised(
                "scram-sha-256 instead of trust (PgBouncer: auth_type, PostgreSQL: pg_hba.conf)",
            )
        });
        self.found_or_fine("connection-trust", trusted);
    }

    /// CA-23: migration tools serialise themselves by advisory locks. This one ends with its transaction.
    fn advisory_locks(&mut self, connection: &mut Connection) -> Result<(), Trouble> {
        let lock =
            "SELECT pg_catalog.pg_try_advisory_xact_lock(1886351214, pg_catalog.pg_backend_pid())";
        let taken = read_only(connection, |connection| value(connection, lock));
        let finding = match taken {
            Ok(_) => None,
            Err(Trouble::Refused(error)) => {
                let text = format!(
                    "advisory locks cannot be taken, which migration tools need: {}",
                    error.message
                );
                let sql = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(int, int) TO PUBLIC";
                let denied =
                    error.sqlstate == "42501" && error.routine.as_deref() == Some("aclcheck_error");
                let finding = Finding::new(Cause::AdvisoryLocks.id(), text);
                Some(match denied {
                    true => finding.mended_by(vec![sql.to_owned()]),
                    false => {
                        finding.advised("pool_mode = transaction or session for this database")
                    }
                })
            }
            Err(lost) => return Err(lost),
        };
        self.found_or_fine(Cause::AdvisoryLocks.id(), finding);
        Ok(())
    }

    fn take_catalog(&mut self, seen: catalog::Seen) {
        let found = |id: &&str| seen.findings.iter().any(|finding| finding.id == *id);
        self.fine.extend(seen.looked.iter().filter(|id| !found(id)));
        self.findings.extend(seen.findings);
        self.zone = seen.zone;
    }

    /// PgBouncer's console, if there is a PgBouncer and it lets us.
    fn the_console(&mut self, wanted: &Wanted) {
        let own = match self.server.answers {
            Answers::PostgreSql => None,
            _ => Some(wanted.dsn.with_database(CONSOLE)),
        };
        let Some(dsn) = wanted.admin.clone().or(own) else {
            return;
        };
        match Console::ask(&dsn) {
            Ok(console) => {
                self.findings
                    .extend(console.findings(&self.dsn.database, &self.zone));
                if wanted.admin.is_none() {
                    self.server.answers = Answers::PgBouncer;
                }
                self.console = Some(console);
            }
            Err(not) => {
                if not.by_pgbouncer && wanted.admin.is_none() {
                    self.server.answers = Answers::PgBouncer;
                }
                let text = format!("not seen: PgBouncer's version and settings: {}", not.why);
                let advice = "a login of admin_users or stats_users, here or by --admin-dsn";
                self.findings
                    .push(Finding::new("not-seen", text).advised(advice));
            }
        }
    }

    /// A connection of PostgreSQL's own is always fresh; Portcullis sets the zone for its client.
    fn carried(&mut self, dsn: &Dsn) -> Result<(), Trouble> {
        if self.server.answers == Answers::PostgreSql {
            return Ok(());
        }
        let zone = match self.server.answers {
            Answers::Portcullis => &Zone::default(),
            _ => &self.zone,
        };
        match carried::look(dsn, zone) {
            Ok(findings) => self.findings.extend(findings),
            Err(Trouble::Refused(error)) => {
                let text = format!("not seen: what pooled connections carry: {}", error.message);
                self.findings.push(Finding::new("not-seen", text));
            }
            Err(lost) => return Err(lost),
        }
        Ok(())
    }
}
