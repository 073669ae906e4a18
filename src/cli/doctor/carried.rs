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

/// Parameters that every PgBouncer sets for each client, those of our own transaction, and the path that is asked
/// for by itself. What only newer ones set for each client (`IntervalStyle`, all that PostgreSQL reports) they set
/// to its default, which is not told.
const EXPECTED: &str = "'application_name', 'client_encoding', 'datestyle', 'search_path', \
     'standard_conforming_strings', 'timezone', 'transaction_deferrable', 'transaction_isolation', \
     'transaction_read_only'";

/// The role that this connection was made as, whatever SET SESSION AUTHORIZATION made of it.
const LOGIN: &str =
    "(SELECT a.usesysid FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) AS a)";

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
            let own = kind == "parameter" && is_asked_for(dsn.options.as_deref(), &name);
            let item = (kind, name);
            if !own && !items.contains(&item) {
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

/// Does libpq's `options` set this parameter? Then it is ours: newer PgBouncers hand it on.
fn is_asked_for(options: Option<&str>, name: &str) -> bool {
    let options = options.unwrap_or_default().to_lowercase();
    let options = options.replace('-', "_");
    let name = name.to_lowercase();
    // `-c name=value`, `-cname=value`, `--name=value`: each word up to its equals sign.
    options
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(word, _)| word.trim_start_matches('_'))
        .any(|word| word == name || word.strip_prefix('c') == Some(&*name))
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
        .map(|parameter| not_the_roles("zone", parameter, ""));
    format!(
        "SELECT 'parameter', name FROM pg_catalog.pg_settings WHERE source = 'session' \
           AND setting IS DISTINCT FROM reset_val AND pg_catalog.lower(name) NOT IN ({EXPECTED}) \
         {} \
         UNION ALL SELECT 'parameter', 'session_authorization' FROM pg_catalog.pg_roles AS r \
           WHERE r.rolname = session_user AND r.oid <> {LOGIN} \
         UNION ALL SELECT 'advisory lock', pg_catalog.concat_ws(',', classid, objid) FROM pg_catalog.pg_locks \
           WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() \
         UNION ALL SELECT 'temporary table', relname FROM pg_catalog.pg_class \
           WHERE relkind IN ('r', 'S', 'v') AND relnamespace = pg_catalog.pg_my_temp_schema() \
         UNION ALL SELECT 'channel', channel FROM pg_catalog.pg_listening_channels() AS channel \
         UNION ALL SELECT 'prepared statement', name FROM pg_catalog.pg_prepared_statements \
           WHERE from_sql OR name !~ '^PGBOUNCER_' \
         UNION ALL SELECT 'cursor', name FROM pg_catalog.pg_cursors WHERE is_holdable \
         {}",
        // pg_settings has neither of the two.
        not_the_roles("parameter", "role", "none"),
        zones.collect::<String>()
    )
}

/// A parameter, unless its value is the default that ALTER ROLE or ALTER DATABASE gave it, or `nothing`: a zone is
/// '' after a transaction that set it locally, which is nobody's.
fn not_the_roles(kind: &str, parameter: &str, nothing: &str) -> String {
    let (parameter, nothing) = (literal(parameter), literal(nothing));
    format!(
        "UNION ALL SELECT '{kind}', {parameter} \
         WHERE NULLIF(pg_catalog.current_setting({parameter}, true), {nothing}) IS NOT NULL AND NOT EXISTS ( \
           SELECT FROM pg_catalog.pg_db_role_setting AS s, pg_catalog.unnest(s.setconfig) AS c \
           WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_catalog.pg_database \
               WHERE datname = pg_catalog.current_database())) \
             AND (s.setrole = 0 OR s.setrole = {LOGIN}) \
             AND pg_catalog.lower(pg_catalog.split_part(c, '=', 1)) = pg_catalog.lower({parameter}) \
             AND pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) = \
               pg_catalog.current_setting({parameter}, true)) "
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_asked_for_is_ours() {
        let options = "-c default_transaction_read_only=on --IntervalStyle=iso_8601 -crole=books";
        for name in ["default_transaction_read_only", "IntervalStyle", "role"] {
            assert!(is_asked_for(Some(options), name), "{name}");
        }
        for name in ["transaction_read_only", "work_mem"] {
            assert!(!is_asked_for(Some(options), name), "{name}");
        }
        assert!(!is_asked_for(None, "role"));
        assert!(!is_asked_for(Some("-c app.role=x"), "role"));
        assert!(!is_asked_for(Some("-c search_path=role"), "role"));
    }
}
