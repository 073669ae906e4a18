//! Views that show more than their reader may see: they read with their owner's rights, or keep what they read.

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, shortened, some};
use super::super::sql::{array, rows, texts};
use super::{MOST, OURS, Zone};

pub(super) const IDS: &[&str] = &["view-owner-rights", "relation-unprotected"];

pub(super) fn look(connection: &mut Connection, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let mut findings = owners_rights(connection)?;
    findings.extend(unprotected(connection, zone)?);
    Ok(findings)
}

/// Materialized views and foreign tables have the rows of every zone and cannot have row-level security.
fn unprotected(connection: &mut Connection, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let columns = array(zone.columns.iter().map(String::as_str));
    let sql = format!(
        "SELECT format('%I.%I', n.nspname, c.relname), \
           CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END, quote_ident(a.attname), \
           json_agg(DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END) \
         FROM pg_catalog.pg_class AS c \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = ANY ({columns}) \
           AND a.attnum > 0 AND NOT a.attisdropped \
         CROSS JOIN aclexplode(c.relacl) AS x LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = x.grantee \
         WHERE c.relkind IN ('m', 'f') AND {OURS} AND x.privilege_type = 'SELECT' \
           AND x.grantee <> c.relowner AND (x.grantee = 0 OR NOT r.rolsuper AND NOT r.rolbypassrls) \
         GROUP BY 1, 2, 3 ORDER BY 1 LIMIT {MOST}"
    );
    let finding = |row: Vec<String>| {
        let [name, kind, column, readers] = <[String; 4]>::try_from(row).ok()?;
        let readers = texts(&readers);
        let text = format!(
            "{kind} {name} has {column} and cannot have row-level security; it is read by {}",
            some(&readers)
        );
        let sql = format!("REVOKE SELECT ON {name} FROM {}", readers.join(", "));
        Some(
            Finding::new("relation-unprotected", text)
                .about(vec![name])
                .mended_by(vec![sql]),
        )
    };
    let found = rows(connection, &sql)?.into_iter();
    Ok(found.filter_map(finding).collect())
}

/// Views without security_invoker (PostgreSQL 15) over tables with row-level security that does not bind
/// the view's owner, if anybody else may read them. Direct references; a view below is judged by itself.
fn owners_rights(connection: &mut Connection) -> Result<Vec<Finding>, Trouble> {
    let sql = format!(
        "SELECT format('%I.%I', n.nspname, v.relname), o.rolname, string_agg(DISTINCT t.relname, ', ') \
         FROM pg_catalog.pg_class AS v \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = v.relnamespace \
         JOIN pg_catalog.pg_roles AS o ON o.oid = v.relowner \
         JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = v.oid \
         JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid \
           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid \
         JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid AND t.relrowsecurity \
         WHERE v.relkind = 'v' AND {OURS} \
           AND NOT coalesce((SELECT x.option_value::bool FROM pg_options_to_table(v.reloptions) AS x \
             WHERE x.option_name = 'security_invoker'), false) \
           AND (o.rolsuper OR o.rolbypassrls \
             OR (NOT t.relforcerowsecurity AND pg_has_role(v.relowner, t.relowner, 'USAGE'))) \
           AND EXISTS (SELECT FROM aclexplode(v.relacl) AS x \
             WHERE x.grantee <> v.relowner AND x.privilege_type = 'SELECT') \
         GROUP BY 1, 2 ORDER BY 1 LIMIT {MOST}"
    );
    let finding = |row: Vec<String>| {
        let [view, owner, tables] = <[String; 3]>::try_from(row).ok()?;
        let tables = shortened(&tables);
        let text = format!(
            "view {view} reads {tables} as {owner}, which row-level security does not bind"
        );
        let sql = format!("ALTER VIEW {view} SET (security_invoker = true)");
        Some(
            Finding::new("view-owner-rights", text)
                .about(vec![view])
                .mended_by(vec![sql]),
        )
    };
    Ok(rows(connection, &sql)?
        .into_iter()
        .filter_map(finding)
        .collect())
}
