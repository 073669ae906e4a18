//! What pooled connections carry when a client gets them that has done nothing yet. It can only be
//! somebody else's. Nothing is written for this.

use super::catalog::Zone;
use super::connection::{Connection, Trouble};
use super::dsn::Dsn;
use super::finding::{Finding, some};
use super::sql::{EQUALS, PINNED, literal, read_only_unpinned, rows};

/// How many connections are looked at, at most: one after the other, so that a small pool is not kept from
/// its own clients.
const LOOKS: usize = 5;

/// Parameters that PgBouncer sets for each client (1.26: all that PostgreSQL reports), and those of our own
/// transaction.
const EXPECTED: &str = "'application_name', 'client_encoding', 'datestyle', 'default_transaction_read_only', \
     'intervalstyle', 'scram_iterations', 'search_path', 'session_authorization', \
     'standard_conforming_strings', 'timezone', 'transaction_deferrable', 'transaction_isolation', \
     'transaction_read_only'";

/// Looks at some pooled connections.
///
/// # Errors
/// A connection is not made or is lost.
pub(super) fn look(dsn: &Dsn, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let mut items: Vec<(String, String)> = Vec::new();
    for _ in 0..LOOKS {
        let mut connection =
            Connection::open(dsn).map_err(|failure| Trouble::Lost(failure.to_string()))?;
        let found = read_only_unpinned(&mut connection, |connection| {
            let mut found = rows(connection, &search_path())?;
            connection.query(PINNED)?;
            found.extend(rows(connection, &everything(zone))?);
            Ok(found)
        });
        connection.close();
        for row in found? {
            let Ok([kind, name]) = <[String; 2]>::try_from(row) else {
                continue;
            };
            let item = (kind, name);
            if !items.contains(&item) {
                items.push(item);
            }
        }
    }
    let of = |wanted: &[&str]| -> Vec<String> {
        let fits = |(kind, _): &&(String, String)| wanted.contains(&kind.as_str());
        let named = |(kind, name): &(String, String)| match kind.as_str() {
            "zone" | "parameter" => name.clone(),
            kind => format!("{kind} {name}"),
        };
        items.iter().filter(fits).map(named).collect()
    };
    let found = |id, names: Vec<String>| {
        let text = format!(
            "this pooled connection carries {} from another client",
            some(&names)
        );
        (!names.is_empty()).then(|| Finding::new(id, text).about(names).proved("seen just now"))
    };
    let state = [
        "advisory lock",
        "temporary table",
        "channel",
        "prepared statement",
        "cursor",
    ];
    Ok([
        found("carried-zone", of(&["zone"])),
        found("carried-parameter", of(&["parameter"])),
        found("carried-session-state", of(&state)),
    ]
    .into_iter()
    .flatten()
    .collect())
}

/// A client's own search_path: asked for before ours is set, and so without operators that it could change.
fn search_path() -> String {
    format!(
        "SELECT 'parameter', name FROM pg_catalog.pg_settings WHERE name {EQUALS} 'search_path' \
         AND source {EQUALS} 'session' AND NOT setting {EQUALS} reset_val"
    )
}

/// Kind and name of whatever is there. Values are not asked for: a zone's id is nobody's business.
fn everything(zone: &Zone) -> String {
    let zones = zone
        .parameters
        .iter()
        .map(|parameter| not_the_roles(parameter));
    format!(
        "SELECT 'parameter', name FROM pg_catalog.pg_settings WHERE source = 'session' \
           AND setting IS DISTINCT FROM reset_val AND pg_catalog.lower(name) NOT IN ({EXPECTED}) \
         UNION ALL SELECT 'advisory lock', pg_catalog.concat_ws(',', classid, objid) FROM pg_catalog.pg_locks \
           WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() \
         UNION ALL SELECT 'temporary table', relname FROM pg_catalog.pg_class \
           WHERE relkind IN ('r', 'S', 'v') AND relnamespace = pg_catalog.pg_my_temp_schema() \
         UNION ALL SELECT 'channel', channel FROM pg_catalog.pg_listening_channels() AS channel \
         UNION ALL SELECT 'prepared statement', name FROM pg_catalog.pg_prepared_statements \
           WHERE from_sql OR name !~ '^PGBOUNCER_' \
         UNION ALL SELECT 'cursor', name FROM pg_catalog.pg_cursors WHERE is_holdable \
         {}",
        zones.collect::<String>()
    )
}

/// The zone parameter, unless its value is the default that ALTER ROLE or ALTER DATABASE gave it. After a
/// transaction that set it locally it is '', which is nobody's.
fn not_the_roles(parameter: &str) -> String {
    let parameter = literal(parameter);
    format!(
        "UNION ALL SELECT 'zone', {parameter} \
         WHERE NULLIF(pg_catalog.current_setting({parameter}, true), '') IS NOT NULL AND NOT EXISTS ( \
           SELECT FROM pg_catalog.pg_db_role_setting AS s, pg_catalog.unnest(s.setconfig) AS c \
           WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_catalog.pg_database \
               WHERE datname = pg_catalog.current_database())) \
             AND (s.setrole = 0 OR s.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)) \
             AND pg_catalog.lower(pg_catalog.split_part(c, '=', 1)) = pg_catalog.lower({parameter}) \
             AND pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) = \
               pg_catalog.current_setting({parameter}, true)) "
    )
}
