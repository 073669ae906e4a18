//! Tables that hold several zones' rows: without row-level security, not bound for their owner, with
//! policies that let everybody through.

use std::collections::BTreeMap;

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, some};
use super::super::sql::{array, identifier, rows};
use super::{MOST, OURS, Zone, cut, logins_with};

pub(super) const IDS: &[&str] = &[
    "table-without-policy",
    "owner-not-bound",
    "login-owns-tables",
];

/// A table with a zone column, or with row-level security.
struct Table {
    name: String,
    secured: bool,
    forced: bool,
    has_policies: bool,
    owner: String,
    /// The owner is a superuser or has BYPASSRLS.
    owner_unbound: bool,
    /// Logins that are the owner or may act as it.
    logins: String,
    column: Option<(String, String)>,
    /// Sequences of serial columns, comma-separated: their defaults need a privilege of their own.
    sequences: String,
}

fn tables(connection: &mut Connection, zone: &Zone) -> Result<Vec<Table>, Trouble> {
    let columns = array(zone.columns.iter().map(String::as_str));
    let logins = logins_with("c.relowner");
    // A partition is bound by its parent's policies, unless somebody may read it directly.
    let sql = format!(
        "SELECT format('%I.%I', n.nspname, c.relname), c.relrowsecurity, c.relforcerowsecurity, \
           EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid), \
           r.rolname, r.rolsuper OR r.rolbypassrls, {logins}, \
           a.attname, format_type(a.atttypid, a.atttypmod), \
           (SELECT string_agg(s.oid::regclass::text, ', ') FROM pg_catalog.pg_depend AS d \
             JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S' \
             WHERE d.refobjid = c.oid AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'a') \
         FROM pg_catalog.pg_class AS c \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner \
         LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = ANY ({columns}) \
           AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {OURS} \
           AND (a.attname IS NOT NULL OR c.relrowsecurity) \
           AND (NOT c.relispartition OR EXISTS ( \
             SELECT FROM aclexplode(c.relacl) AS x WHERE x.grantee <> c.relowner)) \
         ORDER BY 1, a.attnum LIMIT {MOST}"
    );
    let mut tables: Vec<Table> = Vec::new();
    for row in rows(connection, &sql)? {
        let Ok(
            [
                name,
                secured,
                forced,
                has_policies,
                owner,
                unbound,
                logins,
                column,
                kind,
                sequences,
            ],
        ) = <[String; 10]>::try_from(row)
        else {
            continue;
        };
        // A table with two zone columns comes twice; the first one is enough.
        if tables.last().is_some_and(|last| last.name == name) {
            continue;
        }
        tables.push(Table {
            name,
            secured: secured == "t",
            forced: forced == "t",
            has_policies: has_policies == "t",
            owner,
            owner_unbound: unbound == "t",
            logins,
            column: Some((column, kind)).filter(|(column, _)| !column.is_empty()),
            sequences,
        });
    }
    Ok(tables)
}

pub(super) fn look(connection: &mut Connection, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let tables = tables(connection, zone)?;
    let mut findings: Vec<Finding> = without_policy(&tables, zone).into_iter().collect();
    findings.extend(cut(tables.len(), "tables"));
    let mut by_owner: BTreeMap<&str, Vec<&Table>> = BTreeMap::new();
    for table in tables
        .iter()
        .filter(|table| !table.logins.is_empty() && !table.owner_unbound)
    {
        by_owner.entry(&table.owner).or_default().push(table);
    }
    for (owner, owned) in by_owner {
        findings.extend(not_bound(owner, &owned));
        findings.push(owning_login(connection, owner, &owned)?);
    }
    Ok(findings)
}

fn without_policy(tables: &[Table], zone: &Zone) -> Option<Finding> {
    let open = |table: &&Table| table.column.is_some() && !table.secured;
    let open: Vec<&Table> = tables.iter().filter(open).collect();
    if open.is_empty() {
        return None;
    }
    let names: Vec<String> = open.iter().map(|table| table.name.clone()).collect();
    let have = if open.len() == 1 { "has" } else { "have" };
    let guessed = match zone.guessed {
        true => " (guessed from its name; --zone-column says otherwise)",
        false => "",
    };
    let text = format!(
        "{} {have} {} and no row-level security: {}{guessed}",
        counted(open.len(), "table"),
        zone.columns.join(" or "),
        some(&names)
    );
    let finding = Finding::new("table-without-policy", text).about(names);
    let sql: Option<Vec<Vec<String>>> = open.iter().map(|table| secure(table, zone)).collect();
    Some(match sql {
        Some(sql) => finding.mended_by(sql.concat()),
        None => finding.advised(
            "--zone-parameter NAME prints the statements: ENABLE, FORCE and a policy for each",
        ),
    })
}

/// The statements that secure one table; none without a parameter.
fn secure(table: &Table, zone: &Zone) -> Option<Vec<String>> {
    let name = &table.name;
    let mut sql = vec![
        format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"),
    ];
    if !table.has_policies {
        let (column, kind) = table.column.as_ref()?;
        let condition = zone.condition(column, kind)?;
        sql.push(format!(
            "CREATE POLICY zone_isolation ON {name} USING ({condition})"
        ));
    }
    Some(sql)
}

/// An owner is not bound by its own table's policies, unless they are forced on it.
fn not_bound(owner: &str, owned: &[&Table]) -> Option<Finding> {
    let unbound = |table: &&&Table| table.secured && !table.forced;
    let names: Vec<String> = owned
        .iter()
        .filter(unbound)
        .map(|table| table.name.clone())
        .collect();
    let logins = &owned.first()?.logins;
    if names.is_empty() {
        return None;
    }
    let who = acting(owner, logins);
    let text = format!(
        "{who} {}: row-level security does not bind it",
        counted(names.len(), "table")
    );
    let sql = names
        .iter()
        .map(|name| format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"))
        .collect();
    Some(
        Finding::new("owner-not-bound", text)
            .about(names)
            .mended_by(sql),
    )
}

/// `shop_api owns`; `shop_api (as member of shop_owner) owns`.
fn acting(owner: &str, logins: &str) -> String {
    match logins.split(", ").any(|login| login == owner) {
        true => format!("{owner} owns"),
        false => format!("{logins} (by membership in {owner}) owns"),
    }
}

/// Who owns a table may change it and switch its policies off.
fn owning_login(
    connection: &mut Connection,
    owner: &str,
    owned: &[&Table],
) -> Result<Finding, Trouble> {
    let names: Vec<String> = owned.iter().map(|table| table.name.clone()).collect();
    let logins = owned.first().map_or("", |table| &table.logins);
    let text = format!(
        "{} {} with several zones' rows: it may change them and switch policies off",
        acting(owner, logins),
        counted(names.len(), "table")
    );
    let finding = Finding::new("login-owns-tables", text).about(names.clone());
    if !logins.split(", ").any(|login| login == owner) {
        let sql = logins
            .split(", ")
            .map(|login| format!("REVOKE {} FROM {}", identifier(owner), identifier(login)))
            .collect();
        return Ok(finding.mended_by(sql));
    }
    // An owner that cannot log in. The name is free, or it is such a role already.
    let keeper = format!("{owner}_owner");
    let taken = rows(
        connection,
        &format!(
            "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {}",
            super::super::sql::literal(&keeper)
        ),
    )?;
    let (keeper, login) = (identifier(&keeper), identifier(owner));
    let mut sql = Vec::new();
    match taken
        .first()
        .and_then(|row| row.first())
        .map(String::as_str)
    {
        None => sql.push(format!("CREATE ROLE {keeper} NOLOGIN")),
        Some("f") => {}
        Some(_) => {
            return Ok(finding.advised("give the tables to a role that cannot log in"));
        }
    }
    for Table {
        name, sequences, ..
    } in owned
    {
        sql.push(format!("ALTER TABLE {name} OWNER TO {keeper}"));
        sql.push(format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {login}"
        ));
        if !sequences.is_empty() {
            sql.push(format!("GRANT USAGE ON SEQUENCE {sequences} TO {login}"));
        }
    }
    Ok(finding.mended_by(sql))
}
