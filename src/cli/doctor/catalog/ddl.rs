//! Who sends DDL today, and so would need a migration session: from `pg_stat_statements`, where it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, some};
use super::super::sql::{rows, value};
use super::Zone;
use crate::cli::judged;
use crate::policy::{Guard, Policy, Who};
use crate::sql::Statement;

pub(super) const IDS: &[&str] = &["ddl-sent"];

/// Most statements that are judged; `pg_stat_statements.max` is 5000 by default.
const STATEMENTS: usize = 5_000;
/// Most characters of a statement that are looked at.
const TEXT: usize = 4_000;
/// Most kinds of statement that are named for a login.
const TAGS: usize = 4;

/// The extension's own view, and nobody's that is called so: a view runs what is in it with our rights.
const VIEW: &str = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_extension AS e \
     JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid \
       AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e' \
     JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind = 'v' AND c.relname = 'pg_stat_statements' \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE e.extname = 'pg_stat_statements'";

/// What such a statement has in it.
const WORDS: &str = "[[:<:]](create|alter|drop|truncate|comment|grant|revoke|into|refresh|import|security|reassign)[[:>:]]";

/// Its texts can hold secrets: only the command tags are told.
pub(super) fn look(connection: &mut Connection, _: &Zone) -> Result<Vec<Finding>, Trouble> {
    let view = value(connection, VIEW)?;
    let Some(who) = somebody().filter(|_| !view.is_empty()) else {
        return Ok(Vec::new());
    };
    // Up to 1.8 there is no toplevel.
    let sql = format!(
        "SELECT quote_ident(r.rolname), left(s.query, {TEXT}) FROM {view} AS s \
         JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid AND r.rolcanlogin \
         WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
           AND s.query ~* '{WORDS}' AND to_jsonb(s) ->> 'toplevel' IS DISTINCT FROM 'false' \
         GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {STATEMENTS}"
    );
    let mut sent: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for row in rows(connection, &sql)? {
        if let Ok([login, text]) = <[String; 2]>::try_from(row) {
            let tags = tags(&text, &who);
            if !tags.is_empty() {
                sent.entry(login).or_default().extend(tags);
            }
        }
    }
    let mut findings: Vec<Finding> = unreadable(connection, &view)?.into_iter().collect();
    findings.extend(told(&sent));
    Ok(findings)
}

/// A service, as a policy has them by default.
fn somebody() -> Option<Who> {
    let text = "schema = 1\nenvironment = \"doctor\"\nmode = \"enforce\"\n\
                [login.doctor]\nkind = \"service\"\ndatabases = [\"doctor\"]\n";
    let (policy, _) = Policy::parse(text, "").ok()?;
    judged::who(&Arc::new(policy), "doctor", None).ok()
}

/// The commands in it that a migration session is for.
fn tags(text: &str, who: &Who) -> Vec<&'static str> {
    let facts = judged::facts(text.as_bytes());
    let refused = |facts: &_| {
        let found = judged::findings(facts, who, judged::state(false));
        found
            .iter()
            .any(|found| found.guard == Guard::DdlOutsideMigration)
    };
    let statements = facts.statements.iter();
    statements
        .filter(|statement| !is_temporary(statement) && refused(&judged::alone(statement, None)))
        .map(|statement| statement.tag)
        .collect()
}

/// What is temporary needs ON COMMIT DROP or the session route, not a migration session.
fn is_temporary(statement: &Statement) -> bool {
    statement.details.temporary || statement.details.temporary_table.is_some()
}

fn told(sent: &BTreeMap<String, BTreeSet<&'static str>>) -> Option<Finding> {
    if sent.is_empty() {
        return None;
    }
    let named = |(login, tags): (&String, &BTreeSet<&'static str>)| {
        let mut shown: Vec<&str> = tags.iter().take(TAGS).copied().collect();
        if tags.len() > TAGS {
            shown.push("...");
        }
        format!("{login} ({})", shown.join(", "))
    };
    let names: Vec<String> = sent.iter().map(named).collect();
    let text = format!(
        "{} sent what needs a migration session (pg_stat_statements): {}",
        counted(names.len(), "login"),
        some(&names)
    );
    let advice = "with Portcullis: portcullis migration run --database DATABASE --reason \"...\" -- the command that sends it today";
    Some(Finding::new("ddl-sent", text).about(names).advised(advice))
}

/// The texts of others are for pg_read_all_stats.
fn unreadable(connection: &mut Connection, view: &str) -> Result<Option<Finding>, Trouble> {
    let sql =
        format!("SELECT EXISTS (SELECT FROM {view} WHERE query = '<insufficient privilege>')");
    if value(connection, &sql)? != "t" {
        return Ok(None);
    }
    let login = value(connection, "SELECT quote_ident(session_user)")?;
    let text = "not seen: ddl-sent: what other logins sent (pg_stat_statements)";
    Ok(Some(Finding::new("not-seen", text).mended_by(vec![
        format!("GRANT pg_read_all_stats TO {login}"),
    ])))
}
