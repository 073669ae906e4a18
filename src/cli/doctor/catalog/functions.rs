//! Functions that reach around row-level security: what a proxy sees of them is their call. Those that run
//! with their owner's rights come first.

use std::collections::BTreeSet;

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, some};
use super::super::sql::{array, identifier, literal, parameter, rows, texts, value};
use super::source::{Piece, dynamic_names, pieces, runs_text, sets};
use super::{MAY_BE, MOST, OURS, Zone, cut};

pub(super) const IDS: &[&str] = &[
    "definer-search-path",
    "definer-temp-schema",
    "function-sets-zone",
    "function-set-clause",
    "function-may-set-zone",
    "function-dynamic-sql",
];

/// As ALTER ROUTINE and REVOKE take it.
pub(super) const ROUTINE: &str =
    "format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes))";

/// Extensions' functions are their authors' business, and those of the signed level (deploy/sql) are ours.
pub(super) const NO_EXTENSION: &str = "p.proowner NOT IN (SELECT k.oid FROM pg_catalog.pg_roles AS k \
     WHERE k.rolname = 'portcullis_owner' AND NOT k.rolcanlogin) AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e \
     WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')";

/// A trigger function cannot be called.
const CALLABLE: &str = "(p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) \
     AND has_function_privilege('public', p.oid, 'EXECUTE'))";

/// The OIDs of roles that functions are granted to and that a login may be, as `reached.oids`; logins that nothing
/// binds anyway are told elsewhere.
fn reached() -> String {
    format!(
        "(SELECT array_agg(r.oid) AS oids FROM pg_catalog.pg_roles AS r \
         WHERE r.oid IN (SELECT x.grantee FROM pg_catalog.pg_proc AS p, aclexplode(p.proacl) AS x \
             WHERE x.privilege_type = 'EXECUTE') \
           AND EXISTS (SELECT FROM pg_catalog.pg_roles AS l WHERE l.rolcanlogin AND NOT l.rolsuper \
             AND NOT l.rolbypassrls AND pg_has_role(l.oid, r.oid, {MAY_BE}))) AS reached"
    )
}

/// Those of [`reached`], quoted, as JSON, that may call it by a grant of their own: not as its owner, nor as everybody.
const GRANTED: &str = "(SELECT json_agg(DISTINCT quote_ident(r.rolname)) FROM aclexplode(p.proacl) AS x \
     JOIN pg_catalog.pg_roles AS r ON r.oid = x.grantee \
     WHERE x.privilege_type = 'EXECUTE' AND x.grantee <> p.proowner AND x.grantee = ANY (reached.oids) \
       AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype))";

/// Somebody else than its owner may call it, or it runs where somebody else writes.
const FOR_OTHERS: &str = "(p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) OR EXISTS ( \
     SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x \
     WHERE x.grantee <> p.proowner AND x.privilege_type = 'EXECUTE'))";

/// Most characters of a source that are read; what is longer counts by its words alone.
pub(super) const SOURCE: usize = 20_000;
/// Most sources that are read: 40 MB at worst, which is less than an answer may have.
pub(super) const SOURCES: usize = 2_000;

/// A function or procedure.
struct Routine {
    /// `public.f(integer)`
    name: String,
    /// Its schema, quoted.
    schema: String,
    /// SECURITY DEFINER.
    definer: bool,
    /// Its SET clauses: `search_path=public`.
    clauses: Vec<String>,
}

fn routines(connection: &mut Connection, condition: &str) -> Result<Vec<Routine>, Trouble> {
    let sql = format!(
        "SELECT {ROUTINE}, quote_ident(n.nspname), p.prosecdef, array_to_json(p.proconfig) FROM pg_catalog.pg_proc AS p \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
         WHERE {OURS} AND {NO_EXTENSION} AND p.prokind <> 'a' AND ({condition}) \
         ORDER BY p.prosecdef DESC, 1 LIMIT {MOST}"
    );
    let routine = |row: Vec<String>| {
        let [name, schema, definer, clauses] = <[String; 4]>::try_from(row).ok()?;
        Some(Routine {
            name,
            schema,
            definer: definer == "t",
            clauses: texts(&clauses),
        })
    };
    Ok(rows(connection, &sql)?
        .into_iter()
        .filter_map(routine)
        .collect())
}

pub(super) fn look(connection: &mut Connection, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let mut findings = Vec::new();
    findings.extend(definers(connection)?);
    let set = routines(connection, "p.proconfig IS NOT NULL")?;
    findings.extend(cut(set.len(), "functions with SET clauses"));
    findings.extend(temp_schema(&set));
    findings.extend(set_zone(&set, zone));
    findings.extend(set_clause(&set));
    findings.extend(by_source(connection, zone)?);
    Ok(findings)
}

/// Whoever calls it chooses what its names mean, and it runs with its owner's rights.
fn definers(connection: &mut Connection) -> Result<Option<Finding>, Trouble> {
    let found = routines(
        connection,
        "p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c LIKE 'search_path=%')",
    )?;
    let mend = |routine: &Routine| {
        let Routine { name, schema, .. } = routine;
        format!("ALTER ROUTINE {name} SET search_path = pg_catalog, {schema}, pg_temp")
    };
    let sql = found.iter().map(mend).collect();
    let names = found.into_iter().map(|routine| routine.name).collect();
    Ok(all(names, sql, "definer-search-path", |count, names| {
        format!("{count} with SECURITY DEFINER and no search_path of its own: {names}")
    }))
}

/// A search_path without pg_temp begins with it: the caller's temporary tables, types and domains come first.
fn temp_schema(found: &[Routine]) -> Option<Finding> {
    let (mut names, mut sql) = (Vec::new(), Vec::new());
    for routine in found.iter().filter(|routine| routine.definer) {
        let path = clause(routine, "search_path").and_then(with_temp_last);
        if let Some(path) = path {
            let name = &routine.name;
            sql.push(format!("ALTER ROUTINE {name} SET search_path = {path}"));
            names.push(name.clone());
        }
    }
    all(names, sql, "definer-temp-schema", |count, names| {
        format!(
            "{count} with SECURITY DEFINER whose search_path does not end with pg_temp, so that the caller's \
             temporary objects come first: {names}"
        )
    })
}

fn clause<'r>(routine: &'r Routine, name: &str) -> Option<&'r str> {
    let pairs = routine.clauses.iter();
    let mut pairs = pairs.filter_map(|clause| clause.split_once('='));
    pairs
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The same path with pg_temp at its end; none if it is there.
fn with_temp_last(path: &str) -> Option<String> {
    let mut schemas = schemas(path);
    if schemas.last().is_some_and(|last| last == "pg_temp") {
        return None;
    }
    schemas.retain(|schema| schema != "pg_temp" && !schema.is_empty());
    schemas.push("pg_temp".to_owned());
    Some(path_of(&schemas))
}

/// As SET takes it.
pub(super) fn path_of(schemas: &[String]) -> String {
    let quoted = |schema: &String| match &**schema {
        plain @ ("public" | "pg_catalog" | "pg_temp") => plain.to_owned(),
        other => identifier(other),
    };
    schemas.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// The schemas of a search_path as PostgreSQL keeps it.
pub(super) fn schemas(path: &str) -> Vec<String> {
    let mut schemas = vec![String::new()];
    let (mut inside, mut chars) = (false, path.chars().peekable());
    while let Some(c) = chars.next() {
        let Some(last) = schemas.last_mut() else {
            break;
        };
        match c {
            '"' if inside && chars.next_if_eq(&'"').is_some() => last.push('"'),
            '"' => inside = !inside,
            ',' if !inside => schemas.push(String::new()),
            c if inside => last.push(c),
            c if c.is_whitespace() => {}
            c => last.extend(c.to_lowercase()),
        }
    }
    schemas
}

/// It runs in another zone than its caller, whoever that is.
fn set_zone(found: &[Routine], zone: &Zone) -> Option<Finding> {
    let (mut names, mut sql) = (Vec::new(), Vec::new());
    for routine in found {
        let set: Vec<&String> = zone
            .parameters
            .iter()
            .filter(|name| clause(routine, name).is_some())
            .collect();
        for name in &set {
            let (routine, name) = (&routine.name, parameter(name));
            sql.push(format!("ALTER ROUTINE {routine} RESET {name}"));
        }
        if !set.is_empty() {
            names.push(routine.name.clone());
        }
    }
    let parameters = zone.parameters.join(" or ");
    all(names, sql, "function-sets-zone", |count, names| {
        format!(
            "{count} with a SET clause for {parameters}, so that it runs in another zone: {names}"
        )
    })
}

/// Parameters that switch rights, and what of their values does no harm.
pub(super) const RIGHTS: [(&str, &[&str]); 4] = [
    ("role", &["none"]),
    ("session_authorization", &["default"]),
    ("session_replication_role", &["origin"]),
    ("row_security", &["on", "true", "yes", "1"]),
];

/// It runs as somebody else, without triggers, or without row-level security.
fn set_clause(found: &[Routine]) -> Option<Finding> {
    let (mut names, mut sql) = (Vec::new(), Vec::new());
    for routine in found {
        for (setting, harmless) in RIGHTS {
            let value = clause(routine, setting);
            if value.is_some_and(|value| !harmless.contains(&&*value.to_lowercase())) {
                let name = &routine.name;
                names.push(format!("{name} ({setting})"));
                sql.push(format!("ALTER ROUTINE {name} RESET {setting}"));
            }
        }
    }
    all(names, sql, "function-set-clause", |count, names| {
        format!("{count} with a SET clause that changes whom or what rights bind: {names}")
    })
}

/// A function whose source may set the zone or run a text.
struct Suspect {
    name: String,
    definer: bool,
    /// Everybody may call it.
    by_all: bool,
    /// Roles of logins, quoted, that may call it by a grant of their own.
    granted: Vec<String>,
    sets: bool,
    runs: bool,
}

/// By their text: a branch that never runs looks the same.
fn by_source(connection: &mut Connection, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let suspects = suspects(connection, zone)?;
    let mut findings: Vec<Finding> = cut_sources(suspects.len()).into_iter().collect();
    let named = |keep: &dyn Fn(&Suspect) -> bool| -> Vec<String> {
        let kept = suspects.iter().filter(|suspect| keep(suspect));
        kept.map(|suspect| suspect.name.clone()).collect()
    };
    let revokes = |names: &[String]| -> Vec<String> {
        let revoke = |name| format!("REVOKE EXECUTE ON ROUTINE {name} FROM PUBLIC");
        names.iter().map(revoke).collect()
    };
    let setting = named(&|it| it.by_all && it.sets);
    let (sql, parameters) = (revokes(&setting), zone.parameters.join(" or "));
    findings.extend(all(
        setting,
        sql,
        "function-may-set-zone",
        |count, names| {
            format!("{count} that everybody may call may set {parameters} inside: {names}")
        },
    ));
    findings.extend(granted(&suspects, zone));
    let dynamic = named(&|it| it.by_all && it.runs);
    let sql = revokes(&dynamic);
    findings.extend(all(dynamic, sql, "function-dynamic-sql", |count, names| {
        format!("{count} that everybody may call may run text as SQL (EXECUTE), unseen by any proxy: {names}")
    }));
    let owners = named(&|it| !it.by_all && it.definer && it.runs);
    findings.extend(all(owners, Vec::new(), "definer-dynamic-sql", |count, names| {
        format!("{count} with SECURITY DEFINER may run text as SQL with the owner's rights, for some: read {names}")
    }));
    Ok(findings)
}

/// Those that set the zone for whom they are granted to.
fn granted(suspects: &[Suspect], zone: &Zone) -> Option<Finding> {
    let found = suspects
        .iter()
        .filter(|it| it.sets && !it.granted.is_empty());
    let (mut names, mut sql, mut roles) = (Vec::new(), Vec::new(), BTreeSet::new());
    for Suspect { name, granted, .. } in found {
        names.push(name.clone());
        let from = granted.join(", ");
        sql.push(format!("REVOKE EXECUTE ON ROUTINE {name} FROM {from}"));
        roles.extend(granted.iter().cloned());
    }
    let roles = some(&roles.into_iter().collect::<Vec<_>>());
    let parameters = zone.parameters.join(" or ");
    let found = all(names, sql, "function-may-set-zone", |count, names| {
        format!(
            "{count} that logins may call by a grant to {roles} may set {parameters} inside: {names}"
        )
    });
    let leave =
        "leave it to logins that may see every zone, and to those that set theirs themselves";
    found.map(|finding| finding.advised(leave))
}

pub(super) fn cut_sources(count: usize) -> Option<Finding> {
    let text = format!("not seen: more than the first {SOURCES} functions that may run SQL");
    (count >= SOURCES).then(|| Finding::new("not-seen", text))
}

/// What shows the body of a routine `p`. One in standard SQL (PostgreSQL 14) has no source, and is written out from what
/// it names, with locks on that.
pub(super) fn shown(connection: &mut Connection) -> Result<&'static str, Trouble> {
    let known = "SELECT to_regprocedure('pg_catalog.pg_get_function_sqlbody(oid)') IS NOT NULL";
    Ok(match &*value(connection, known)? {
        "t" => "coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)",
        _ => "p.prosrc",
    })
}

fn suspects(connection: &mut Connection, zone: &Zone) -> Result<Vec<Suspect>, Trouble> {
    let mut words: Vec<String> = dynamic_names().map(str::to_owned).collect();
    words.extend(["execute".to_owned(), "plpy".to_owned()]);
    words.extend(["spi_exec", "spi_exec_query", "spi_query", "spi_prepare"].map(str::to_owned));
    let parameters = array(zone.parameters.iter().map(String::as_str));
    let shown = shown(connection)?;
    let sql = format!(
        "SELECT {ROUTINE}, p.prosecdef, {CALLABLE}, {GRANTED}, l.lanname, left(b.text, {SOURCE}), \
           length(b.text) > {SOURCE}, b.text ~* {words} \
         FROM pg_catalog.pg_proc AS p CROSS JOIN {reached} \
         CROSS JOIN LATERAL (SELECT {shown} AS text) AS b \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
         JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang \
         WHERE {OURS} AND {NO_EXTENSION} AND p.prokind <> 'a' AND l.lanname NOT IN ('c', 'internal') \
           AND ({CALLABLE} OR p.prosecdef AND {FOR_OTHERS} OR {GRANTED} IS NOT NULL) \
           AND (b.text ~* {words} OR b.text ~* '[[:<:]]set_config[[:>:]]' OR EXISTS (SELECT FROM unnest({parameters}) AS z \
             WHERE strpos(lower(b.text), lower(split_part(z, '.', 2))) > 0)) \
         ORDER BY p.prosecdef DESC, 1 LIMIT {SOURCES}",
        reached = reached(),
        words = literal(&format!("[[:<:]]({})[[:>:]]", words.join("|"))),
    );
    let suspect = |row: Vec<String>| {
        let [
            name,
            definer,
            by_all,
            granted,
            language,
            source,
            longer,
            worded,
        ] = <[String; 8]>::try_from(row).ok()?;
        let pieces = pieces(&source);
        // Another language has other comments: what it says counts wherever it stands.
        let is_sql = matches!(&*language, "plpgsql" | "sql");
        let runs = worded == "t" && (!is_sql || longer == "t" || runs(&language, &pieces));
        let sets = zone.parameters.iter().any(|name| sets(&pieces, name));
        Some(Suspect {
            name,
            definer: definer == "t",
            by_all: by_all == "t",
            granted: texts(&granted),
            sets,
            runs,
        })
    };
    Ok(rows(connection, &sql)?
        .into_iter()
        .filter_map(suspect)
        .collect())
}

/// In SQL itself EXECUTE runs what was prepared.
fn runs(language: &str, pieces: &[Piece]) -> bool {
    let execute = |piece: &&Piece| **piece != Piece::Word("execute".to_owned());
    match language {
        "sql" => runs_text(&pieces.iter().filter(execute).cloned().collect::<Vec<_>>()),
        _ => runs_text(pieces),
    }
}

/// One finding for all of them, if there are any.
pub(super) fn all(
    names: Vec<String>,
    sql: Vec<String>,
    id: &'static str,
    text: impl FnOnce(String, String) -> String,
) -> Option<Finding> {
    if names.is_empty() {
        return None;
    }
    let text = text(counted(names.len(), "function"), some(&names));
    Some(Finding::new(id, text).about(names).mended_by(sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_with_the_temporary_schema() {
        for (path, mended) in [
            ("pg_catalog, pg_temp", None),
            ("public, \"pg_temp\"", None),
            ("", Some("pg_temp")),
            ("\"\"", Some("pg_temp")),
            ("public", Some("public, pg_temp")),
            ("pg_temp, public", Some("public, pg_temp")),
            (
                "\"$user\", \"A, \"\"b\"\"\", App",
                Some("\"$user\", \"A, \"\"b\"\"\", \"app\", pg_temp"),
            ),
        ] {
            assert_eq!(with_temp_last(path).as_deref(), mended, "{path}");
        }
    }
}
