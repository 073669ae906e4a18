//! What ALTER ROLE ... SET and ALTER DATABASE ... SET give every connection before its client has said anything.

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, some};
use super::super::sql::{parameter, rows};
use super::functions::{RIGHTS, path_of, schemas};
use super::{MOST, Zone, cut};

pub(super) const IDS: &[&str] = &["default-zone", "default-setting", "default-search-path"];

/// A parameter that a connection starts with.
struct Preset {
    /// `ALTER ROLE shop_api IN DATABASE shop`
    whose: String,
    name: String,
    /// "" where it is nobody's business.
    value: String,
}

fn defaults(connection: &mut Connection) -> Result<Vec<Preset>, Trouble> {
    let looked_at = RIGHTS.map(|(name, _)| format!("'{name}'")).join(", ");
    let sql = format!(
        "SELECT CASE WHEN s.setrole <> 0 AND s.setdatabase <> 0 \
             THEN format('ALTER ROLE %I IN DATABASE %I', r.rolname, d.datname) \
           WHEN s.setrole <> 0 THEN format('ALTER ROLE %I', r.rolname) \
           WHEN s.setdatabase <> 0 THEN format('ALTER DATABASE %I', d.datname) ELSE 'ALTER ROLE ALL' END, \
           split_part(c, '=', 1), \
           CASE WHEN lower(split_part(c, '=', 1)) IN ('search_path', {looked_at}) \
             THEN substr(c, strpos(c, '=') + 1) END \
         FROM pg_catalog.pg_db_role_setting AS s \
         LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole \
         LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c \
         WHERE (s.setdatabase = 0 OR d.datname = current_database()) \
           AND (s.setrole = 0 OR r.oid IS NOT NULL) ORDER BY 1, 2 LIMIT {MOST}"
    );
    let default = |row: Vec<String>| {
        let [whose, name, value] = <[String; 3]>::try_from(row).ok()?;
        Some(Preset { whose, name, value })
    };
    Ok(rows(connection, &sql)?
        .into_iter()
        .filter_map(default)
        .collect())
}

pub(super) fn look(connection: &mut Connection, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let defaults = defaults(connection)?;
    let mut findings: Vec<Finding> = cut(defaults.len(), "defaults").into_iter().collect();
    findings.extend(zones(&defaults, zone));
    findings.extend(rights(&defaults));
    findings.extend(paths(&defaults));
    Ok(findings)
}

/// One finding for all of them, if there are any.
fn all(
    found: Vec<(&Preset, String)>,
    id: &'static str,
    text: impl FnOnce(String) -> String,
) -> Option<Finding> {
    if found.is_empty() {
        return None;
    }
    let named =
        |(default, _): &(&Preset, String)| format!("{} SET {}", default.whose, default.name);
    let names: Vec<String> = found.iter().map(named).collect();
    let text = text(some(&names));
    let sql = found.into_iter().map(|(_, sql)| sql).collect();
    Some(Finding::new(id, text).about(names).mended_by(sql))
}

fn reset(default: &Preset) -> String {
    format!("{} RESET {}", default.whose, parameter(&default.name))
}

/// Whoever forgets to name a zone has one all the same, and nobody notices.
fn zones(defaults: &[Preset], zone: &Zone) -> Option<Finding> {
    let is_zone = |default: &&Preset| {
        let same = |parameter: &String| parameter.eq_ignore_ascii_case(&default.name);
        zone.parameters.iter().any(same)
    };
    let found = defaults.iter().filter(is_zone);
    let found = found.map(|default| (default, reset(default))).collect();
    all(found, "default-zone", |names| {
        format!("a client that names no zone has one all the same: {names}")
    })
}

fn rights(defaults: &[Preset]) -> Option<Finding> {
    let switches = |default: &&Preset| {
        let known = RIGHTS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&default.name));
        known.is_some_and(|(_, harmless)| !harmless.contains(&&*default.value.to_lowercase()))
    };
    let found = defaults.iter().filter(switches);
    let found = found.map(|default| (default, reset(default))).collect();
    all(found, "default-setting", |names| {
        format!("connections start with other rights than their login's: {names}")
    })
}

/// Where another schema comes before pg_catalog, who may create there says what PostgreSQL's own names mean.
fn paths(defaults: &[Preset]) -> Option<Finding> {
    let mended = |default: &Preset| -> Option<String> {
        let mut schemas = schemas(&default.value);
        let late = schemas.iter().skip(1).any(|schema| schema == "pg_catalog")
            && schemas.first().is_some_and(|first| first != "pg_catalog");
        // Where it is not named it comes first.
        schemas.retain(|schema| schema != "pg_catalog");
        late.then(|| format!("{} SET search_path = {}", default.whose, path_of(&schemas)))
    };
    let found = defaults
        .iter()
        .filter(|default| default.name.eq_ignore_ascii_case("search_path"));
    let found = found
        .filter_map(|default| Some((default, mended(default)?)))
        .collect();
    all(found, "default-search-path", |names| {
        format!(
            "a schema comes before pg_catalog and can give PostgreSQL's own names another meaning: {names}"
        )
    })
}
