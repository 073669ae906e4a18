//! What PUBLIC may do: everybody who can log in.

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, some};
use super::super::sql::{array, rows};
use super::{MOST, OURS, Zone};
use crate::sql::{FUNCTIONS, FunctionGroup};

pub(super) const IDS: &[&str] = &["public-execute", "public-create", "public-connect"];

pub(super) fn look(connection: &mut Connection, _: &Zone) -> Result<Vec<Finding>, Trouble> {
    let mut findings = Vec::new();
    findings.extend(execute(connection)?);
    findings.extend(create(connection)?);
    findings.extend(connect(connection)?);
    Ok(findings)
}

/// Everybody may call them, and they check for themselves who it is.
const CAREFUL: [&str; 8] = [
    "dblink_fdw_validator",
    "pg_clear_attribute_stats",
    "pg_clear_relation_stats",
    "pg_import_system_collations",
    "pg_read_file_old",
    "pg_restore_attribute_stats",
    "pg_restore_relation_stats",
    "pg_rotate_logfile_old",
];

/// Functions that reach files, other sessions or other servers. Slots check for themselves as well.
fn execute(connection: &mut Connection) -> Result<Option<Finding>, Trouble> {
    let reaching = |group: &FunctionGroup| {
        matches!(
            group,
            FunctionGroup::Files | FunctionGroup::Connections | FunctionGroup::Server
        )
    };
    let names = FUNCTIONS
        .iter()
        .filter(|(name, group)| reaching(group) && !CAREFUL.contains(name))
        .map(|(name, _)| *name);
    let sql = format!(
        "SELECT format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) \
         FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
         WHERE p.proname = ANY ({}) AND has_function_privilege('public', p.oid, 'EXECUTE') \
           AND (n.nspname = 'pg_catalog' OR EXISTS (SELECT FROM pg_catalog.pg_depend AS e \
             WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')) \
         ORDER BY 1 LIMIT {MOST}",
        array(names)
    );
    let found: Vec<String> = rows(connection, &sql)?.into_iter().flatten().collect();
    if found.is_empty() {
        return Ok(None);
    }
    let revoke = |routine: &String| format!("REVOKE EXECUTE ON ROUTINE {routine} FROM PUBLIC");
    let mends = found.iter().map(revoke).collect();
    let short = |routine: &String| routine.replace("pg_catalog.", "");
    let shown: Vec<String> = found.iter().map(short).collect();
    let text = format!(
        "everybody may call {} that reach other sessions, files or servers: {}",
        counted(found.len(), "function"),
        some(&shown)
    );
    Ok(Some(
        Finding::new("public-execute", text)
            .about(found)
            .mended_by(mends),
    ))
}

fn create(connection: &mut Connection) -> Result<Option<Finding>, Trouble> {
    let sql = format!(
        "SELECT quote_ident(n.nspname) FROM pg_catalog.pg_namespace AS n \
         WHERE {OURS} AND has_schema_privilege('public', n.oid, 'CREATE') ORDER BY 1"
    );
    let found: Vec<String> = rows(connection, &sql)?.into_iter().flatten().collect();
    if found.is_empty() {
        return Ok(None);
    }
    let text = format!(
        "any login may run DDL: everybody may create objects in {}",
        some(&found)
    );
    let mends = found
        .iter()
        .map(|schema| format!("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"))
        .collect();
    Ok(Some(
        Finding::new("public-create", text)
            .about(found)
            .mended_by(mends),
    ))
}

/// Where one cluster serves several services, each login reaches every service's database. Whoever has
/// something in this database keeps its way in.
fn connect(connection: &mut Connection) -> Result<Option<Finding>, Trouble> {
    let sql = "SELECT quote_ident(current_database()), \
           (SELECT count(*) FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate \
             AND datname NOT IN ('postgres', current_database())) \
         WHERE has_database_privilege('public', current_database(), 'CONNECT')";
    let Some([database, others]) = rows(connection, sql)?
        .into_iter()
        .next()
        .and_then(|row| <[String; 2]>::try_from(row).ok())
    else {
        return Ok(None);
    };
    if others == "0" {
        return Ok(None);
    }
    let users = format!(
        "SELECT DISTINCT quote_ident(r.rolname) FROM ( \
           SELECT x.grantee FROM pg_catalog.pg_class AS c \
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS x WHERE {OURS} \
           UNION SELECT x.grantee FROM pg_catalog.pg_namespace AS n, aclexplode(n.nspacl) AS x WHERE {OURS} \
           UNION SELECT c.relowner FROM pg_catalog.pg_class AS c \
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE {OURS} \
         ) AS g JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee \
         WHERE NOT r.rolsuper AND r.rolname NOT LIKE 'pg@_%' ESCAPE '@' ORDER BY 1 LIMIT {MOST}"
    );
    let users: Vec<String> = rows(connection, &users)?.into_iter().flatten().collect();
    let mut mends = vec![format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")];
    if !users.is_empty() {
        let users = users.join(", ");
        mends.push(format!("GRANT CONNECT ON DATABASE {database} TO {users}"));
    }
    let text = format!(
        "every login of the cluster may connect to {database}, which is one of several databases"
    );
    Ok(Some(
        Finding::new("public-connect", text)
            .about(vec![database])
            .mended_by(mends),
    ))
}
