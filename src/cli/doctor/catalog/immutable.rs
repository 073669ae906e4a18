//! Functions that are declared IMMUTABLE and read a parameter. PostgreSQL computes them when it plans: a plan
//! that is kept has the zone of whoever planned it, for every later client of that connection.

use super::super::connection::{Connection, Trouble};
use super::super::finding::Finding;
use super::super::sql::{literal, rows};
use super::functions::{NO_EXTENSION, ROUTINE, SOURCE, SOURCES, all, cut_sources, shown};
use super::source::{pieces, reads};
use super::{OURS, Zone};

pub(super) const IDS: &[&str] = &["policy-immutable-function", "immutable-reads-parameter"];

/// What a source has in it that reads a parameter. The last one is `current_setting` itself, in C.
const WORDS: &str = "[[:<:]](current_setting|pg_settings|pg_show_all_settings|portcullis|\
     show_config_by_name(_missing_ok)?)[[:>:]]";

/// A function that is declared IMMUTABLE and reads.
struct Reader {
    name: String,
    /// A policy calls it, by pg_depend.
    in_policy: bool,
}

pub(super) fn look(connection: &mut Connection, _: &Zone) -> Result<Vec<Finding>, Trouble> {
    let (count, readers) = readers(connection)?;
    let mut findings: Vec<Finding> = cut_sources(count).into_iter().collect();
    let (called, others): (Vec<Reader>, Vec<Reader>) =
        readers.into_iter().partition(|reader| reader.in_policy);
    findings.extend(found(called, IDS[0], |count, names| {
        format!(
            "{count} of policies declared IMMUTABLE, but a parameter is read inside, so that a kept plan has the \
             zone of whoever planned it: {names}"
        )
    }));
    findings.extend(found(others, IDS[1], |count, names| {
        format!("{count} declared IMMUTABLE, but a parameter is read inside: a kept plan may have its former value: {names}")
    }));
    Ok(findings)
}

fn found(
    readers: Vec<Reader>,
    id: &'static str,
    text: impl FnOnce(String, String) -> String,
) -> Option<Finding> {
    let mend = |reader: &Reader| format!("ALTER FUNCTION {} STABLE", reader.name);
    let sql = readers.iter().map(mend).collect();
    let names = readers.into_iter().map(|reader| reader.name).collect();
    all(names, sql, id, text)
}

/// How many sources were read, and those that read a parameter. A trigger function is called by no expression.
fn readers(connection: &mut Connection) -> Result<(usize, Vec<Reader>), Trouble> {
    let source = shown(connection)?;
    // Only what is looked for is read.
    let source = format!("CASE WHEN p.provolatile = 'i' THEN {source} END");
    let sql = format!(
        "SELECT {ROUTINE}, EXISTS (SELECT FROM pg_catalog.pg_depend AS d \
             WHERE d.classid = 'pg_catalog.pg_policy'::regclass \
               AND d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid = p.oid), \
           l.lanname, left(s.source, {SOURCE}), length(s.source) > {SOURCE} \
         FROM pg_catalog.pg_proc AS p \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
         JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang \
         CROSS JOIN LATERAL (SELECT {source} AS source) AS s \
         WHERE {OURS} AND {NO_EXTENSION} AND p.provolatile = 'i' AND p.prokind <> 'a' AND l.lanname <> 'c' \
           AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AND s.source ~* {words} \
         ORDER BY 2 DESC, 1 LIMIT {SOURCES}",
        words = literal(WORDS),
    );
    let reader = |row: Vec<String>| {
        let [name, in_policy, language, source, longer] = <[String; 5]>::try_from(row).ok()?;
        // Another language has other comments, and what is longer is not read: there the words count.
        let is_sql = matches!(&*language, "plpgsql" | "sql") && longer != "t";
        (!is_sql || reads(&pieces(&source))).then(|| Reader {
            name,
            in_policy: in_policy == "t",
        })
    };
    let rows = rows(connection, &sql)?;
    let count = rows.len();
    Ok((count, rows.into_iter().filter_map(reader).collect()))
}
