//! Tables that hold several zones' rows: without row-level security, not bound for their owner, owned by a login.

use std::collections::BTreeSet;

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, some};
use super::super::sql::{array, identifier, literal, rows, texts};
use super::{MOST, OURS, Zone, cut, logins_that_may_be, revokes_of};

/// Longest name of PostgreSQL, in bytes (NAMEDATALEN): the rest would be cut off.
const MOST_OF_A_NAME: usize = 63;

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
    /// Its schema, quoted.
    schema: String,
    column: Option<(String, String)>,
    /// Sequences of serial columns, comma-separated: their defaults need a privilege of their own.
    sequences: String,
}

/// Who may act as an owner that row-level security could bind.
struct Owner {
    name: String,
    logs_in: bool,
    /// Logins that are the owner or may be it, quoted.
    logins: Vec<String>,
    /// Those of them that do not inherit its rights: they must SET ROLE.
    not_inheriting: Vec<String>,
    /// Statements that take the owner's rights from those that only act as it.
    revokes: Vec<String>,
}

fn owners(connection: &mut Connection, tables: &[Table]) -> Result<Vec<Owner>, Trouble> {
    let bound = tables.iter().filter(|table| !table.owner_unbound);
    let names: BTreeSet<&str> = bound.map(|table| &*table.owner).collect();
    let sql = format!(
        "SELECT r.rolname, r.rolcanlogin, {}, {}, {} FROM pg_catalog.pg_roles AS r WHERE r.rolname = ANY ({}) ORDER BY 1",
        logins_that_may_be("r.oid", "true"),
        logins_that_may_be("r.oid", "NOT pg_has_role(l.oid, r.oid, 'USAGE')"),
        revokes_of("r.oid"),
        array(names)
    );
    let owner = |row: Vec<String>| {
        let [name, logs_in, logins, not_inheriting, revokes] = <[String; 5]>::try_from(row).ok()?;
        Some(Owner {
            name,
            logs_in: logs_in == "t",
            logins: texts(&logins),
            not_inheriting: texts(&not_inheriting),
            revokes: texts(&revokes),
        })
    };
    let owners = rows(connection, &sql)?.into_iter().filter_map(owner);
    Ok(owners.filter(|owner| !owner.logins.is_empty()).collect())
}

fn tables(connection: &mut Connection, zone: &Zone) -> Result<Vec<Table>, Trouble> {
    let columns = array(zone.columns.iter().map(String::as_str));
    // A partition is bound by its parent's policies, unless somebody may read it directly.
    let sql = format!(
        "SELECT format('%I.%I', n.nspname, c.relname), c.relrowsecurity, c.relforcerowsecurity, \
           EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid), \
           r.rolname, r.rolsuper OR r.rolbypassrls, quote_ident(n.nspname), \
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
                schema,
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
            schema,
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
    for owner in owners(connection, &tables)? {
        let owned: Vec<&Table> = tables
            .iter()
            .filter(|table| table.owner == owner.name)
            .collect();
        findings.extend(not_bound(&owner, &owned));
        findings.push(owning_login(connection, &owner, &owned)?);
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
fn not_bound(owner: &Owner, owned: &[&Table]) -> Option<Finding> {
    let unbound = |table: &&&Table| table.secured && !table.forced;
    let names: Vec<String> = owned
        .iter()
        .filter(unbound)
        .map(|table| table.name.clone())
        .collect();
    if names.is_empty() {
        return None;
    }
    let who = acting(owner);
    let text = format!(
        "{who} {}: row-level security does not bind {}",
        counted(names.len(), "table"),
        if inherits(owner) { "it" } else { "that role" }
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

/// The owner itself logs in, or a login that has its rights without SET ROLE.
fn inherits(owner: &Owner) -> bool {
    owner.logs_in || owner.not_inheriting.len() < owner.logins.len()
}

/// `shop_api owns`; `shop_api (by membership in shop_owner) owns`, `... (by SET ROLE shop_owner) owns`.
fn acting(owner: &Owner) -> String {
    let (name, logins) = (&owner.name, some(&owner.logins));
    if owner.logs_in {
        return format!("{name} owns");
    }
    let how = match (owner.not_inheriting.is_empty(), inherits(owner)) {
        (true, _) => format!("by membership in {name}"),
        (false, true) => format!("by membership in {name} or SET ROLE"),
        (false, false) => format!("by SET ROLE {name}"),
    };
    let own = if owner.logins.len() == 1 {
        "owns"
    } else {
        "own"
    };
    format!("{logins} ({how}) {own}")
}

/// Who owns a table may change it and switch its policies off.
fn owning_login(
    connection: &mut Connection,
    owner: &Owner,
    owned: &[&Table],
) -> Result<Finding, Trouble> {
    let names: Vec<String> = owned.iter().map(|table| table.name.clone()).collect();
    let text = format!(
        "{} {} with several zones' rows: it may change them and switch policies off",
        acting(owner),
        counted(names.len(), "table")
    );
    let finding = Finding::new("login-owns-tables", text).about(names);
    if !owner.logs_in {
        return Ok(finding.mended_by(owner.revokes.clone()));
    }
    // An owner that cannot log in. The name is free, or it is such a role already.
    let keeper = format!("{}_owner", owner.name);
    let by_hand = "give the tables to a role that cannot log in";
    if keeper.len() > MOST_OF_A_NAME {
        return Ok(finding.advised(by_hand));
    }
    let taken = format!(
        "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {}",
        literal(&keeper)
    );
    let taken = rows(connection, &taken)?.into_iter().flatten().next();
    let mut sql = match taken.as_deref() {
        None => vec![format!("CREATE ROLE {} NOLOGIN", identifier(&keeper))],
        Some("f") => Vec::new(),
        Some(_) => return Ok(finding.advised(by_hand)),
    };
    sql.extend(given_to(
        &identifier(&keeper),
        &identifier(&owner.name),
        owned,
    ));
    let migrates = "leave it to a login of migrations alone, which must own them";
    Ok(finding.mended_by(sql).advised(migrates))
}

/// The statements that make `keeper` the owner, and leave to `login` what it needs.
fn given_to(keeper: &str, login: &str, owned: &[&Table]) -> Vec<String> {
    // Foreign keys are checked as the owner, who must get at the table.
    let schemas: BTreeSet<&str> = owned.iter().map(|table| &*table.schema).collect();
    let mut sql: Vec<String> = schemas
        .iter()
        .map(|schema| format!("GRANT USAGE ON SCHEMA {schema} TO {keeper}"))
        .collect();
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
    sql
}
