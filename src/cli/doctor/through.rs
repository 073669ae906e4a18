//! The same through a Portcullis of which we have the configuration: nothing leaks, every table with a zone
//! shows rows of one zone only, and no way leads to another zone, although around Portcullis one does.

mod ways;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CouldNot;
use super::catalog::Zone;
use super::connection::{Connection, Trouble};
use super::dsn::{Dsn, Mode};
use super::finding::{Finding, counted, some};
use super::probes;
use super::sql::{array, identifier, literal, read_only, rows, value};
use crate::cli::judged;
use crate::config::{Config, SslMode};
use crate::policy::{Login, Who, ZoneSource};

pub(super) use ways::Way;

/// Most tables that are looked at.
const TABLES: usize = 200;
/// Most zones that are asked for.
const OTHERS: usize = 8;
/// All zones at once, in databases that have a word for it.
const SENTINEL: &str = "*";

/// A Portcullis, and what its policy says of our login.
pub(super) struct Wanted {
    dsn: Dsn,
    pub auth_file: PathBuf,
    /// Our login in the policy, if it is there.
    who: Option<Who>,
    /// Zones that are not granted to it.
    others: Vec<String>,
}

/// What was seen through Portcullis.
pub(super) struct Through {
    pub address: String,
    pub findings: Vec<Finding>,
    /// Probes that found nothing.
    pub fine: Vec<&'static str>,
    pub guards: Vec<String>,
    /// Tables that show rows of our own zone, and none of another.
    pub isolated: Vec<String>,
    /// Tables that show this login no rows at all.
    pub empty: Vec<String>,
    /// Ways to another zone that were tried.
    pub ways: Vec<Way>,
    /// Where the doctor was sent to, and the tables that show another zone's rows there after `set_config()`.
    pub around: (String, Vec<String>),
}

impl Through {
    pub(super) fn counts(&self) -> bool {
        self.findings.iter().any(|finding| finding.word().counts())
    }
}

impl Wanted {
    /// Reads a configuration and its policy. `zone`: the one to be in, where the login's clients choose.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub(super) fn load(path: &Path, dsn: &Dsn, zone: Option<&str>) -> Result<Self, CouldNot> {
        let config = Config::load(path).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            CouldNot::Other(lines.join("\n"))
        })?;
        let policy = judged::valid_policy(&config.policy).map_err(CouldNot::Other)?;
        // Whom the policy does not know Portcullis sends away, and says why.
        let who = judged::who(&policy, &dsn.user, Some(&dsn.database)).ok();
        let fixed = |login: &Arc<Login>| match &login.zone {
            Some(ZoneSource::Fixed(zone)) => Some(zone.to_string()),
            _ => None,
        };
        let canaries = config.isolation.iter().flat_map(|it| it.zones.iter());
        let mut others: Vec<String> = canaries.map(ToString::to_string).collect();
        others.push(SENTINEL.to_owned());
        others.extend(judged::logins(&policy).into_iter().filter_map(fixed));
        let granted = |other: &str| {
            let who = who.as_ref();
            who.and_then(Who::zone) == Some(other)
                || zone == Some(other)
                || who
                    .and_then(Who::grant)
                    .is_some_and(|grant| grant.admits(other))
        };
        others.retain(|other| !granted(other));
        others.dedup();
        others.truncate(OTHERS);
        let mut through = address(&config, dsn);
        let parameter = who.as_ref().and_then(Who::zone_parameter);
        if let (Some(zone), Some(parameter)) = (zone, parameter) {
            through.options = Some(ways::options(&through, parameter, zone));
        }
        Ok(Self {
            dsn: through,
            auth_file: config.auth.auth_file,
            who,
            others,
        })
    }

    /// What the policy takes for the zone of our database.
    pub(super) fn parameter(&self) -> Option<String> {
        let parameter = self.who.as_ref()?.zone_parameter()?;
        Some(parameter.to_owned())
    }

    /// Probes, looks at tables, tries to get at others' rows. `around`: the way that does without Portcullis.
    ///
    /// # Errors
    /// Portcullis cannot be reached or lets nobody in.
    pub(super) fn prove(&self, around: &Dsn, zone: &Zone) -> Result<Through, CouldNot> {
        let dsn = &self.dsn;
        let lost = |trouble: Trouble| CouldNot::Other(format!("{}: {trouble}", dsn.address()));
        let mut connection =
            Connection::open(dsn).map_err(|failure| CouldNot::Connect(Box::new(failure)))?;
        let looked = isolation(&mut connection, zone);
        connection.close();
        let looked = looked.map_err(lost)?;
        let probed = probes::run(dsn).map_err(CouldNot::Other)?;
        let mut through = Through {
            address: dsn.address(),
            findings: probed.findings,
            fine: probed.fine,
            guards: probed.guards,
            isolated: looked.named(Rows::Own),
            empty: looked.named(Rows::None),
            ways: Vec::new(),
            around: (around.address(), Vec::new()),
        };
        through.findings.extend(self.of_tables(&looked));
        self.try_ways(&mut through, around, &looked, zone);
        through.findings.sort_by_key(Finding::word);
        Ok(through)
    }

    fn observes(&self) -> bool {
        self.who.as_ref().is_some_and(Who::observes)
    }

    fn of_tables(&self, looked: &Looked) -> Vec<Finding> {
        let mut findings = Vec::new();
        let strays = looked.named(Rows::Others);
        if !strays.is_empty() {
            let text = format!(
                "rows of other zones can be seen in {}: {}",
                counted(strays.len(), "table"),
                some(&strays)
            );
            let finding = Finding::new("table-without-policy", text);
            findings.push(finding.about(strays).proved("seen just now"));
        }
        let empty = looked.named(Rows::None);
        if !empty.is_empty() {
            let show = if empty.len() == 1 { "shows" } else { "show" };
            let text = format!(
                "not shown: {} {show} this login no rows, which proves nothing: {}",
                counted(empty.len(), "table"),
                some(&empty)
            );
            findings.push(Finding::new("not-shown", text).about(empty));
        }
        if let Some(refusal) = &looked.refusal {
            let text = format!("not shown: that zones are kept apart: {refusal}");
            let finding = Finding::new("not-shown", text);
            findings.push(match self.who.as_ref().and_then(Who::grant) {
                Some(_) => finding.advised("--zone ZONE says in which zone to look"),
                None => finding,
            });
        }
        findings
    }

    /// Where there is another zone to ask for.
    fn try_ways(&self, through: &mut Through, around: &Dsn, looked: &Looked, zone: &Zone) {
        // A policy that observes sets nothing: then its own word for our zone must do.
        let set = looked.own.as_deref().filter(|own| !own.is_empty());
        let own = set.or(self.who.as_ref().and_then(Who::zone));
        let (Some(parameter), Some(own)) = (zone.parameter(), own) else {
            return;
        };
        let tables: Vec<&Table> = looked
            .tables
            .iter()
            .filter(|table| matches!(table.rows, Rows::Own | Rows::None))
            .collect();
        if tables.is_empty() {
            return;
        }
        let others = self.others.iter().filter(|other| **other != own);
        let shown =
            others.map(|other| (other, ways::around(around, parameter, other, own, &tables)));
        // The one that proves most; the first of several.
        let best = shown.min_by_key(|(_, shown)| std::cmp::Reverse(shown.len()));
        let Some((other, shown)) = best else { return };
        through.around.1 = shown;
        let asked = ways::Asked {
            parameter,
            other,
            own,
            tables: &tables,
            // What is observed is not virtualised: it would stay in the pool.
            only_local: self.observes(),
        };
        through.ways = ways::try_all(&self.dsn, &asked);
        through.findings.extend(self.not_kept(&through.ways));
    }

    fn not_kept(&self, ways: &[Way]) -> Vec<Finding> {
        let advice = match self.observes() {
            true => "the policy observes: mode = \"enforce\"",
            false => {
                "give the login a zone in the policy, and name the database in [zone] databases"
            }
        };
        let finding = |way: &Way| {
            let text = format!(
                "{} shows rows of another zone in {}: {}",
                way.name,
                counted(way.seen.len(), "table"),
                some(&way.seen)
            );
            Finding::new("zone-not-kept", text)
                .about(way.seen.clone())
                .proved("seen just now")
                .advised(advice)
        };
        let broken = ways.iter().filter(|way| !way.seen.is_empty());
        broken.map(finding).collect()
    }
}

/// The same login at the Portcullis of a configuration.
fn address(config: &Config, dsn: &Dsn) -> Dsn {
    let listen = &config.listen;
    let (host, port) = match &listen.advertise {
        Some(endpoint) => (endpoint.host.clone(), endpoint.port),
        None => {
            let host = match listen.postgres.ip() {
                ip if !ip.is_unspecified() => ip.to_string(),
                IpAddr::V4(_) => "127.0.0.1".to_owned(),
                IpAddr::V6(_) => "::1".to_owned(),
            };
            (host, listen.postgres.port())
        }
    };
    let ca = dsn
        .sslrootcert
        .clone()
        .or_else(|| listen.advertise_sslrootcert.clone());
    let sslmode = match config.client_tls.sslmode {
        SslMode::Disable => Mode::Disable,
        _ if dsn.sslmode.verifies() || ca.is_none() => dsn.sslmode.at_least_require(),
        _ => Mode::VerifyFull,
    };
    Dsn {
        host,
        hostaddr: None,
        port,
        sslmode,
        sslrootcert: ca.filter(|_| sslmode.verifies()),
        ..dsn.clone()
    }
}

/// What a table shows us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// Rows of our own zone.
    Own,
    /// Rows of another, too.
    Others,
    /// None.
    None,
}

/// A table with a zone column that we may read.
struct Table {
    /// Quoted.
    name: String,
    /// Its zone column, quoted.
    column: String,
    rows: Rows,
}

/// What was seen of all of them.
#[derive(Default)]
struct Looked {
    tables: Vec<Table>,
    /// Our own zone; it is not told.
    own: Option<String>,
    /// The first refusal.
    refusal: Option<String>,
}

impl Looked {
    fn named(&self, rows: Rows) -> Vec<String> {
        let fits = self.tables.iter().filter(|table| table.rows == rows);
        fits.map(|table| table.name.clone()).collect()
    }
}

/// Tables with a zone column that we may read, and whose rows they show. A refusal is an answer: then
/// nothing is seen at all.
fn isolation(connection: &mut Connection, zone: &Zone) -> Result<Looked, Trouble> {
    let mut looked = Looked::default();
    if let Some(parameter) = zone.parameter() {
        let parameter = format!("pg_catalog.current_setting({}, true)", literal(parameter));
        match looked.look(connection, zone, &parameter) {
            Ok(()) => {}
            Err(Trouble::Refused(error)) => looked.refusal = Some(error.message),
            Err(lost) => return Err(lost),
        }
    }
    Ok(looked)
}

impl Looked {
    fn look(&mut self, connection: &mut Connection, zone: &Zone, own: &str) -> Result<(), Trouble> {
        let asked = format!("SELECT {own}");
        let set = read_only(connection, |connection| value(connection, &asked))?;
        if set == SENTINEL {
            self.refusal = Some("this login sees every zone".to_owned());
            return Ok(());
        }
        self.own = Some(set);
        for (name, column) in tables(connection, zone)? {
            let seen = format!(
                "SELECT CASE WHEN EXISTS (SELECT FROM {name} WHERE {column} IS NOT NULL \
                   AND {column}::pg_catalog.text IS DISTINCT FROM {own}) THEN 'others' \
                 WHEN EXISTS (SELECT FROM {name}) THEN 'own' ELSE 'none' END"
            );
            let rows = match read_only(connection, |connection| value(connection, &seen)) {
                Ok(seen) if seen == "others" => Rows::Others,
                Ok(seen) if seen == "own" => Rows::Own,
                Ok(_) => Rows::None,
                Err(Trouble::Refused(error)) => {
                    self.refusal.get_or_insert(error.message);
                    continue;
                }
                Err(lost) => return Err(lost),
            };
            self.tables.push(Table { name, column, rows });
        }
        Ok(())
    }
}

/// Name and zone column, quoted.
fn tables(connection: &mut Connection, zone: &Zone) -> Result<Vec<(String, String)>, Trouble> {
    let columns = array(zone.columns.iter().map(String::as_str));
    let sql = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname FROM pg_catalog.pg_class AS c \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = ANY ({columns}) AND NOT a.attisdropped \
         WHERE c.relkind IN ('r', 'p') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
           AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY 1 LIMIT {TABLES}"
    );
    let found = read_only(connection, |connection| rows(connection, &sql))?;
    let pair = |row: Vec<String>| {
        let [name, column] = <[String; 2]>::try_from(row).ok()?;
        Some((name, identifier(&column)))
    };
    Ok(found.into_iter().filter_map(pair).collect())
}
