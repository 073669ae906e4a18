//! The same through a Portcullis of which we have the configuration: nothing leaks, and every table with a
//! zone shows rows of one zone only.

use std::net::IpAddr;
use std::path::Path;

use super::CouldNot;
use super::catalog::Zone;
use super::connection::{Connection, Trouble};
use super::dsn::{Dsn, Mode};
use super::finding::{Finding, counted, some};
use super::probes;
use super::sql::{array, identifier, literal, read_only, rows, value};
use crate::config::{Config, SslMode};

/// Most tables that are looked at.
const TABLES: usize = 200;

/// What was seen through Portcullis.
pub(super) struct Through {
    pub address: String,
    pub findings: Vec<Finding>,
    /// Probes that found nothing.
    pub fine: Vec<&'static str>,
    pub guards: Vec<String>,
    /// Tables of which no other zone's row could be seen.
    pub isolated: Vec<String>,
}

impl Through {
    pub(super) fn counts(&self) -> bool {
        self.findings.iter().any(|finding| finding.word().counts())
    }
}

/// The same login at the Portcullis of a configuration.
pub(super) fn address(path: &Path, dsn: &Dsn) -> Result<Dsn, String> {
    let config = Config::load(path).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
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
    Ok(Dsn {
        host,
        hostaddr: None,
        port,
        sslmode,
        sslrootcert: ca.filter(|_| sslmode.verifies()),
        ..dsn.clone()
    })
}

/// Probes, and looks at tables.
pub(super) fn prove(dsn: &Dsn, zone: &Zone) -> Result<Through, CouldNot> {
    let lost = |trouble: Trouble| CouldNot::Other(format!("{}: {trouble}", dsn.address()));
    let mut connection =
        Connection::open(dsn).map_err(|failure| CouldNot::Connect(Box::new(failure)))?;
    let looked = isolation(&mut connection, zone);
    connection.close();
    let (isolated, strays) = looked.map_err(lost)?;
    let probed = probes::run(dsn).map_err(CouldNot::Other)?;
    let mut findings = probed.findings;
    if !strays.is_empty() {
        let text = format!(
            "rows of other zones can be seen in {}: {}",
            counted(strays.len(), "table"),
            some(&strays)
        );
        findings.push(
            Finding::new("table-without-policy", text)
                .about(strays)
                .proved("seen just now"),
        );
    }
    Ok(Through {
        address: dsn.address(),
        findings,
        fine: probed.fine,
        guards: probed.guards,
        isolated,
    })
}

/// Tables with a zone column that we may read: those with nothing but our own zone's rows, and the others.
fn isolation(
    connection: &mut Connection,
    zone: &Zone,
) -> Result<(Vec<String>, Vec<String>), Trouble> {
    let (mut isolated, mut strays) = (Vec::new(), Vec::new());
    let Some(parameter) = zone.parameter() else {
        return Ok((isolated, strays));
    };
    let columns = array(zone.columns.iter().map(String::as_str));
    let tables = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname FROM pg_catalog.pg_class AS c \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = ANY ({columns}) AND NOT a.attisdropped \
         WHERE c.relkind IN ('r', 'p') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
           AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY 1 LIMIT {TABLES}"
    );
    for row in read_only(connection, |connection| rows(connection, &tables))? {
        let Ok([table, column]) = <[String; 2]>::try_from(row) else {
            continue;
        };
        let stray = format!(
            "SELECT EXISTS (SELECT FROM {table} WHERE {}::pg_catalog.text IS DISTINCT FROM \
             pg_catalog.current_setting({}, true))",
            identifier(&column),
            literal(parameter)
        );
        match read_only(connection, |connection| value(connection, &stray)) {
            Ok(found) if found == "f" => isolated.push(table),
            Ok(_) => strays.push(table),
            // Refused: nothing is seen at all.
            Err(Trouble::Refused(_)) => {}
            Err(lost) => return Err(lost),
        }
    }
    Ok((isolated, strays))
}
