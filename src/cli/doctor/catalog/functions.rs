//! Functions that reach around row-level security: what a proxy sees of them is their call.

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, some};
use super::super::sql::{array, literal, rows};
use super::{MOST, OURS, Zone};

pub(super) const IDS: &[&str] = &[
    "definer-search-path",
    "function-sets-zone",
    "function-may-set-zone",
    "function-dynamic-sql",
];

/// As ALTER ROUTINE and REVOKE take it.
const ROUTINE: &str = "format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes))";

/// Extensions' functions are their authors' business.
const NO_EXTENSION: &str = "NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e \
     WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')";

/// A trigger function cannot be called.
const CALLABLE: &str = "p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) \
     AND has_function_privilege('public', p.oid, 'EXECUTE')";

fn routines(
    connection: &mut Connection,
    condition: &str,
) -> Result<Vec<(String, String)>, Trouble> {
    let sql = format!(
        "SELECT {ROUTINE}, quote_ident(n.nspname) FROM pg_catalog.pg_proc AS p \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
         JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang \
         WHERE {OURS} AND {NO_EXTENSION} AND p.prokind <> 'a' AND ({condition}) ORDER BY 1 LIMIT {MOST}"
    );
    let pair = |row: Vec<String>| {
        let [routine, schema] = <[String; 2]>::try_from(row).ok()?;
        Some((routine, schema))
    };
    Ok(rows(connection, &sql)?
        .into_iter()
        .filter_map(pair)
        .collect())
}

pub(super) fn look(connection: &mut Connection, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let mut findings = Vec::new();
    findings.extend(definers(connection)?);
    findings.extend(with_set_clause(connection, zone)?);
    findings.extend(that_may_set(connection, zone)?);
    findings.extend(dynamic(connection)?);
    Ok(findings)
}

/// Whoever calls it chooses what its names mean, and it runs with its owner's rights.
fn definers(connection: &mut Connection) -> Result<Option<Finding>, Trouble> {
    let found = routines(
        connection,
        "p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c LIKE 'search_path=%')",
    )?;
    let sql = found
        .iter()
        .map(|(routine, schema)| {
            format!("ALTER ROUTINE {routine} SET search_path = pg_catalog, {schema}, pg_temp")
        })
        .collect();
    Ok(all(found, "definer-search-path", |count, names| {
        format!("{count} with SECURITY DEFINER and no search_path of its own: {names}")
    })
    .map(|finding| finding.mended_by(sql)))
}

fn with_set_clause(connection: &mut Connection, zone: &Zone) -> Result<Option<Finding>, Trouble> {
    let Some(quoted) = zone.quoted() else {
        return Ok(None);
    };
    let lower: Vec<String> = zone
        .parameters
        .iter()
        .map(|name| name.to_lowercase())
        .collect();
    let parameters = array(lower.iter().take(1).map(String::as_str));
    let found = routines(
        connection,
        &format!(
            "EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE lower(split_part(c, '=', 1)) = ANY ({parameters}))"
        ),
    )?;
    let sql = found
        .iter()
        .map(|(routine, _)| format!("ALTER ROUTINE {routine} RESET {quoted}"))
        .collect();
    let parameter = zone.parameter().unwrap_or_default().to_owned();
    Ok(all(found, "function-sets-zone", |count, names| {
        format!(
            "{count} with a SET clause for {parameter}, so that it runs in another zone: {names}"
        )
    })
    .map(|finding| finding.mended_by(sql)))
}

/// By its text: a comment or a branch that never runs looks the same.
fn that_may_set(connection: &mut Connection, zone: &Zone) -> Result<Option<Finding>, Trouble> {
    let Some(parameter) = zone.parameter().map(str::to_owned) else {
        return Ok(None);
    };
    // A parameter's characters stand for themselves, except those that could not.
    let plain = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            c.to_string()
        } else {
            format!("[{c}]")
        }
    };
    let pattern: String = parameter
        .chars()
        .filter(|c| !matches!(c, '[' | ']' | '^' | '\\'))
        .map(plain)
        .collect();
    let pattern = format!(
        "set_config[[:space:]]*[(][[:space:]]*'{pattern}'|set[[:space:]]+(local[[:space:]]+|session[[:space:]]+)?{pattern}"
    );
    let found = routines(
        connection,
        &format!("{CALLABLE} AND p.prosrc ~* {}", literal(&pattern)),
    )?;
    let sql = revokes(&found);
    Ok(all(found, "function-may-set-zone", |count, names| {
        format!("{count} that everybody may call may set {parameter} inside: {names}")
    })
    .map(|finding| finding.mended_by(sql)))
}

fn dynamic(connection: &mut Connection) -> Result<Option<Finding>, Trouble> {
    let found = routines(
        connection,
        &format!("{CALLABLE} AND l.lanname = 'plpgsql' AND p.prosrc ~* '[[:<:]]execute[[:>:]]'"),
    )?;
    let sql = revokes(&found);
    Ok(all(found, "function-dynamic-sql", |count, names| {
        format!("{count} that everybody may call may run text as SQL (EXECUTE), unseen by any proxy: {names}")
    })
    .map(|finding| finding.mended_by(sql)))
}

fn revokes(found: &[(String, String)]) -> Vec<String> {
    found
        .iter()
        .map(|(routine, _)| format!("REVOKE EXECUTE ON ROUTINE {routine} FROM PUBLIC"))
        .collect()
}

/// One finding for all of them, if there are any.
fn all(
    found: Vec<(String, String)>,
    id: &'static str,
    text: impl FnOnce(String, String) -> String,
) -> Option<Finding> {
    if found.is_empty() {
        return None;
    }
    let names: Vec<String> = found.into_iter().map(|(routine, _)| routine).collect();
    let text = text(counted(names.len(), "function"), some(&names));
    Some(Finding::new(id, text).about(names))
}
