//! Views and rules that set parameters: the statement that does it names neither set_config nor pg_settings.

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, some};
use super::super::sql::{rows, texts};
use super::{MOST, OURS, Zone};

pub(super) const IDS: &[&str] = &["relation-sets-parameters"];

/// Ways to set a parameter, as relation and privilege. Views over pg_settings, views over these too, where
/// PostgreSQL makes of their UPDATE one of pg_settings; rules that have such an UPDATE; views and rules that
/// call set_config, whose oid is 2078 (a materialized view has called it when it was made, and reading does not).
const WAYS: &str = "RECURSIVE reads (oid) AS ( \
       SELECT 'pg_catalog.pg_settings'::regclass::oid \
       UNION SELECT w.ev_class FROM reads AS b \
         JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = b.oid \
           AND d.classid = 'pg_catalog.pg_rewrite'::regclass \
         JOIN pg_catalog.pg_rewrite AS w ON w.oid = d.objid AND w.ev_type = '1'), \
     ways (relation, privilege) AS ( \
       SELECT oid, 'UPDATE' FROM reads WHERE pg_relation_is_updatable(oid, true) & 4 <> 0 \
       UNION SELECT w.ev_class, (ARRAY['SELECT', 'UPDATE', 'INSERT', 'DELETE'])[w.ev_type::text::int] \
         FROM pg_catalog.pg_rewrite AS w \
         WHERE w.ev_action::text ~ ':funcid 2078\\M' \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS m WHERE m.oid = w.ev_class AND m.relkind = 'm') \
           OR w.ev_type <> '1' AND w.ev_action::text ~ ':commandType 2\\M' AND EXISTS ( \
             SELECT FROM pg_catalog.pg_depend AS d JOIN reads AS b ON b.oid = d.refobjid \
             WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.objid = w.oid \
               AND d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refobjid <> w.ev_class))";

/// What others than the owner may do, also to single columns.
const GRANTED: &str = "granted (relation, privilege, grantee) AS ( \
       SELECT c.oid, x.privilege_type, x.grantee FROM pg_catalog.pg_class AS c, aclexplode(c.relacl) AS x \
       WHERE x.grantee <> c.relowner \
       UNION SELECT a.attrelid, x.privilege_type, x.grantee FROM pg_catalog.pg_attribute AS a \
         JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid, aclexplode(a.attacl) AS x \
       WHERE x.grantee <> c.relowner)";

pub(super) fn look(connection: &mut Connection, _: &Zone) -> Result<Vec<Finding>, Trouble> {
    let sql = format!(
        "SELECT * FROM (WITH {WAYS}, {GRANTED} \
         SELECT format('%I.%I', n.nspname, c.relname), w.privilege, \
           json_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END) \
         FROM ways AS w JOIN pg_catalog.pg_class AS c ON c.oid = w.relation \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN granted AS g ON g.relation = w.relation AND g.privilege = w.privilege \
         LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee \
         WHERE {OURS} AND (g.grantee = 0 OR NOT r.rolsuper) \
         GROUP BY 1, 2) AS found ORDER BY 1, 2 LIMIT {MOST}"
    );
    Ok(rows(connection, &sql)?
        .into_iter()
        .filter_map(finding)
        .collect())
}

fn finding(row: Vec<String>) -> Option<Finding> {
    let [relation, privilege, grantees] = <[String; 3]>::try_from(row).ok()?;
    let grantees = texts(&grantees);
    let text = format!(
        "{privilege} on {relation} sets parameters of the connection, by a view or rule; it is granted to {}",
        some(&grantees)
    );
    let sql = format!(
        "REVOKE {privilege} ON {relation} FROM {}",
        grantees.join(", ")
    );
    Some(
        Finding::new("relation-sets-parameters", text)
            .about(vec![relation])
            .mended_by(vec![sql])
            .advised("where it must stay: Portcullis refuses what denied-relations names"),
    )
}
