//! Leaks, proved: one client leaves something on its server connection and goes; the next client that gets
//! the same server connection looks for it, and takes it away again.
//!
//! Everything has a random name of its own. What another client could meet meanwhile is a parameter that
//! nobody reads, a schema that does not exist at the end of search_path, the role it has anyway, a lock, a
//! statement, a temporary table and a channel that nobody else knows.

use super::connection::{Connection, Trouble};
use super::dsn::Dsn;
use super::finding::Finding;
use super::interrupt::Interrupt;
use super::sql::{EQUALS, literal, read_only, transaction, value};
use crate::net::worker::random;
use crate::policy::Guard;

/// How often the same server connection is tried for: PgBouncer gives out the one used last, or with
/// `server_round_robin` each in its turn; its default pool has 20.
const TRIES: usize = 24;

/// What one probe leaves, and how it is found and taken away. search_path is the client's own meanwhile, so
/// everything is qualified.
struct Probe {
    id: &'static str,
    /// Completes "not shown: ...", too.
    what: &'static str,
    /// Must give true, or leaving it would tell nothing.
    possible: String,
    leave: Leave,
    /// Gives true if it is on this very server connection.
    look: String,
    tidy: String,
    /// Gives true if it is still anywhere; for what can be seen from outside.
    anywhere: Option<String>,
    /// What it is called.
    named: String,
}

enum Leave {
    /// A statement.
    Sql(String),
    /// A statement with `{}` for what a question answers.
    Filled(String, &'static str),
    /// A named statement of the protocol: its name.
    Named(String),
}

/// What became of a probe.
#[derive(Debug)]
enum Outcome {
    /// The next client met it.
    Proved,
    /// The next client had the same server connection, or that one had ended: nothing was left.
    Gone,
    /// No client got the same server connection.
    NotShown,
    /// Portcullis refused to leave it.
    Guarded(String),
    /// It could not be tried.
    NotTried(String),
}

/// All that the probes say.
#[derive(Debug, Default)]
pub(super) struct Probed {
    pub findings: Vec<Finding>,
    /// What was tried and did not leak.
    pub fine: Vec<&'static str>,
    /// Guards of a Portcullis that refused; some: one stands in front.
    pub guards: Vec<String>,
}

/// Runs every probe, one after the other.
///
/// # Errors
/// No random bytes; interrupted. A probe that fails does not keep the others from being tried.
pub(super) fn run(dsn: &Dsn) -> Result<Probed, String> {
    let mut probed = Probed::default();
    let mark: [u8; 6] = random().ok_or("the system gives no random bytes")?;
    let mark: String = mark.iter().map(|byte| format!("{byte:02x}")).collect();
    let keys: [u8; 4] = random().ok_or("the system gives no random bytes")?;
    let interrupt = Interrupt::watch()?;
    for probe in probes(&mark, i32::from_be_bytes(keys)) {
        if interrupt.asked() {
            return Err("interrupted; what the probes left was taken away".to_owned());
        }
        let mut left = None;
        let outcome = tried(dsn, &probe, &mut left)
            .unwrap_or_else(|trouble| Outcome::NotTried(trouble.to_string()));
        let about =
            |text: String| Finding::new("not-shown", format!("not shown: {}: {text}", probe.what));
        match outcome {
            Outcome::Proved => {
                let proof = match probe.id {
                    "leak-setting" => format!("proved just now: {}", probe.named),
                    _ => "proved just now".to_owned(),
                };
                probed
                    .findings
                    .push(Finding::new(probe.id, probe.what).proved(proof));
            }
            Outcome::Gone => probed.fine.push(probe.id),
            Outcome::Guarded(guard) => {
                probed.fine.push(probe.id);
                probed.guards.push(guard);
            }
            Outcome::NotShown => {
                let text = format!("the pool gave another connection, {TRIES} times");
                probed.findings.push(about(text));
            }
            Outcome::NotTried(why) => probed.findings.push(about(why)),
        }
        if let Some(left) = left {
            let text =
                format!("left on a pooled connection, which could not be reached again: {left}");
            let advice = "It ends with its connection (PgBouncer: server_lifetime), or at once by RECONNECT on PgBouncer's console.";
            probed
                .findings
                .push(Finding::new("left-behind", text).advised(advice));
        }
    }
    Ok(probed)
}

fn probes(mark: &str, key: i32) -> Vec<Probe> {
    let name = format!("portcullis_probe_{mark}");
    let yes = || "SELECT true".to_owned();
    let setting = |name: &str| format!("pg_catalog.current_setting({}, true)", literal(name));
    let lock = format!(
        "locktype {EQUALS} 'advisory' AND classid {EQUALS} 1886351214::pg_catalog.oid AND objid::pg_catalog.int8 {EQUALS} {}::pg_catalog.int8 \
         AND objsubid {EQUALS} 2",
        key as u32
    );
    let holds =
        |only: &str| format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE {lock}{only})");
    let prepared = |name: &str| {
        let name = literal(name);
        format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE name {EQUALS} {name})"
        )
    };
    let (named, by_sql) = (format!("{name}_p"), format!("{name}_s"));
    vec![
        Probe {
            id: "leak-setting",
            what: "a SET by one client is seen by the next",
            possible: yes(),
            leave: Leave::Sql(format!("SET portcullis.probe = '{mark}'")),
            look: format!("SELECT {} {EQUALS} '{mark}'", setting("portcullis.probe")),
            tidy: "RESET portcullis.probe".to_owned(),
            anywhere: None,
            named: "portcullis.probe".to_owned(),
        },
        Probe {
            id: "leak-search-path",
            what: "a search_path of one client decides the next one's names",
            // Somebody else's must not be lost; an empty one cannot be added to.
            possible: format!(
                "SELECT setting {EQUALS} reset_val AND NOT setting {EQUALS} '' AND NOT setting {EQUALS} '\"\"' \
                 FROM pg_catalog.pg_settings WHERE name {EQUALS} 'search_path'"
            ),
            leave: Leave::Filled(
                format!("SET search_path = {{}}, {name}"),
                "SHOW search_path",
            ),
            look: format!(
                "SELECT NOT pg_catalog.strpos({}, '{name}') {EQUALS} 0",
                setting("search_path")
            ),
            tidy: "RESET search_path".to_owned(),
            anywhere: None,
            named: format!("search_path with {name}"),
        },
        Probe {
            id: "leak-role",
            what: "a SET ROLE by one client is the next one's role",
            possible: format!("SELECT {} {EQUALS} 'none'", setting("role")),
            // PgBouncer may have logged in as another one than we did.
            leave: Leave::Filled(
                "SET ROLE {}".to_owned(),
                "SELECT pg_catalog.quote_ident(session_user)",
            ),
            look: format!("SELECT NOT {} {EQUALS} 'none'", setting("role")),
            tidy: "RESET ROLE".to_owned(),
            anywhere: None,
            named: "SET ROLE".to_owned(),
        },
        Probe {
            id: "leak-advisory-lock",
            what: "a session advisory lock outlives its client",
            possible: yes(),
            leave: Leave::Sql(format!(
                "SELECT pg_catalog.pg_try_advisory_lock(1886351214, {key})"
            )),
            look: holds(&format!(" AND pid {EQUALS} pg_catalog.pg_backend_pid()")),
            tidy: format!("SELECT pg_catalog.pg_advisory_unlock(1886351214, {key})"),
            anywhere: Some(holds("")),
            named: format!("an advisory lock (1886351214, {key})"),
        },
        Probe {
            id: "leak-named-statement",
            what: "a driver's prepared statement is met by the next client",
            possible: yes(),
            leave: Leave::Named(named.clone()),
            look: prepared(&named),
            tidy: String::new(),
            anywhere: None,
            named: named.clone(),
        },
        Probe {
            id: "leak-sql-prepare",
            what: "a statement of PREPARE is met by the next client",
            possible: yes(),
            leave: Leave::Sql(format!("PREPARE {by_sql} AS SELECT 1")),
            look: prepared(&by_sql),
            tidy: format!("DEALLOCATE {by_sql}"),
            anywhere: None,
            named: by_sql.clone(),
        },
        Probe {
            id: "leak-temp-table",
            what: "a temporary table of one client is there for the next",
            possible:
                "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP') \
                       AND NOT pg_catalog.pg_is_in_recovery()"
                    .to_owned(),
            leave: Leave::Sql(format!("CREATE TEMPORARY TABLE {name} (probe int)")),
            look: format!(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname {EQUALS} '{name}' \
                 AND relnamespace {EQUALS} pg_catalog.pg_my_temp_schema())"
            ),
            tidy: format!("DROP TABLE pg_temp.{name}"),
            anywhere: Some(format!(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname {EQUALS} '{name}')"
            )),
            named: name.clone(),
        },
        Probe {
            id: "leak-listen",
            what: "a LISTEN outlives its client",
            possible: "SELECT NOT pg_catalog.pg_is_in_recovery()".to_owned(),
            leave: Leave::Sql(format!("LISTEN {name}")),
            look: format!(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_listening_channels() AS channel WHERE channel {EQUALS} '{name}')"
            ),
            tidy: format!("UNLISTEN {name}"),
            anywhere: None,
            named: name,
        },
    ]
}

/// Leaves it, goes, comes back. `left`: what could not be taken away.
fn tried(dsn: &Dsn, probe: &Probe, left: &mut Option<String>) -> Result<Outcome, Trouble> {
    let open = || Connection::open(dsn).map_err(|failure| Trouble::Lost(failure.to_string()));
    let mut first = open()?;
    let backend = match leave(&mut first, probe) {
        Ok(Some(backend)) => backend,
        Ok(None) => {
            first.close();
            return Ok(Outcome::NotTried(
                "it would tell nothing on this connection".to_owned(),
            ));
        }
        Err(Trouble::Refused(error)) => {
            first.close();
            let guard = error
                .routine
                .filter(|routine| Guard::ALL.iter().any(|guard| guard.id() == routine));
            return Ok(guard.map_or(Outcome::NotTried(error.message), Outcome::Guarded));
        }
        // It may have been left before the connection was lost.
        Err(lost) => {
            *left = Some(probe.named.clone());
            return Err(lost);
        }
    };
    first.close();
    // From here on it is there until somebody has seen that it is not.
    *left = Some(probe.named.clone());
    for _ in 0..TRIES {
        let mut next = open()?;
        let met = transaction(&mut next, |next| meet(next, probe, &backend));
        next.close();
        match met? {
            Met::Found { tidied } => {
                if tidied {
                    *left = None;
                }
                return Ok(Outcome::Proved);
            }
            Met::Nothing => {
                *left = None;
                return Ok(Outcome::Gone);
            }
            Met::Another => {}
        }
    }
    // Nobody came back to it, but some things can be seen from anywhere.
    let Some(anywhere) = &probe.anywhere else {
        return Ok(Outcome::NotShown);
    };
    let mut last = open()?;
    let still = read_only(&mut last, |last| value(last, anywhere));
    last.close();
    Ok(match still?.as_str() {
        "t" => Outcome::Proved,
        _ => {
            *left = None;
            Outcome::Gone
        }
    })
}

/// The backend it was left on; none if it would tell nothing.
fn leave(first: &mut Connection, probe: &Probe) -> Result<Option<String>, Trouble> {
    transaction(first, |first| {
        if value(first, &probe.possible)? != "t" {
            return Ok(None);
        }
        match &probe.leave {
            Leave::Named(name) => first.prepare(name, "SELECT 1")?,
            Leave::Filled(sql, question) => {
                let answer = value(first, question)?;
                first.query(&sql.replace("{}", &answer)).map(drop)?;
            }
            Leave::Sql(sql) => first.query(sql).map(drop)?,
        }
        value(first, "SELECT pg_catalog.pg_backend_pid()").map(Some)
    })
}

/// What the next client meets.
enum Met {
    Found {
        tidied: bool,
    },
    /// The same server connection without it, or that server connection is no more.
    Nothing,
    Another,
}

fn meet(next: &mut Connection, probe: &Probe, backend: &str) -> Result<Met, Trouble> {
    if value(next, "SELECT pg_catalog.pg_backend_pid()")? != backend {
        let alive = format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid {EQUALS} {backend})"
        );
        return Ok(match value(next, &alive)?.as_str() {
            "t" => Met::Another,
            _ => Met::Nothing,
        });
    }
    if value(next, &probe.look)? != "t" {
        return Ok(Met::Nothing);
    }
    next.query("SAVEPOINT tidy")?;
    // By the protocol where it came by the protocol: Portcullis refuses DEALLOCATE of a name.
    let tidied = match &probe.leave {
        Leave::Named(name) => next.unprepare(name),
        Leave::Sql(_) | Leave::Filled(..) => next.query(&probe.tidy).map(drop),
    };
    match tidied {
        Ok(()) => {}
        Err(Trouble::Refused(_)) => next.query("ROLLBACK TO tidy").map(drop)?,
        Err(lost) => return Err(lost),
    }
    // UNLISTEN takes effect with the transaction's end.
    let tidied = probe.id == "leak-listen" || value(next, &probe.look)? != "t";
    Ok(Met::Found { tidied })
}
