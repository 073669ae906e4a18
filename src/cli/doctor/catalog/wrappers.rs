//! Functions that policies call and that read a parameter for them: `current_tenant()` around `current_setting()`.

use super::super::connection::{Connection, Trouble};
use super::super::sql::rows;
use super::functions::{SOURCE, SOURCES, shown};
use super::source::{pieces, settings_read};

/// A function that a policy calls itself, and that reads parameters.
pub(super) struct Wrapper {
    /// Its OID, as PostgreSQL writes it.
    pub oid: String,
    /// How many policies call it.
    pub policies: u64,
    /// The custom parameters that its text names to `current_setting`, each once.
    pub parameters: Vec<String>,
}

impl Wrapper {
    /// Does it read one of these? Upper and lower case are the same.
    pub(super) fn reads(&self, parameters: &[String]) -> bool {
        let is_one = |name: &String| {
            parameters
                .iter()
                .any(|other| other.eq_ignore_ascii_case(name))
        };
        self.parameters.iter().any(is_one)
    }
}

/// All of them. What they call themselves is not followed: pg_depend does not say what a text calls.
pub(super) fn find(connection: &mut Connection) -> Result<Vec<Wrapper>, Trouble> {
    let shown = shown(connection)?;
    let sql = format!(
        "SELECT p.oid, c.policies, l.lanname, left(s.source, {SOURCE}) FROM ( \
           SELECT d.refobjid AS oid, count(DISTINCT d.objid) AS policies FROM pg_catalog.pg_depend AS d \
           WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND d.refclassid = 'pg_catalog.pg_proc'::regclass \
           GROUP BY 1) AS c \
         JOIN pg_catalog.pg_proc AS p ON p.oid = c.oid \
         JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang \
         CROSS JOIN LATERAL (SELECT {shown} AS source) AS s \
         WHERE s.source ~* '[[:<:]]current_setting[[:>:]]' ORDER BY 2 DESC, 1 LIMIT {SOURCES}"
    );
    let wrapper = |row: Vec<String>| {
        let [oid, policies, language, source] = <[String; 4]>::try_from(row).ok()?;
        Some(Wrapper {
            oid,
            policies: policies.parse().ok()?,
            parameters: parameters(&language, &source),
        })
    };
    let found = rows(connection, &sql)?.into_iter().filter_map(wrapper);
    Ok(found.filter(|it| !it.parameters.is_empty()).collect())
}

/// Another language has other comments and literals: what it says counts wherever it stands.
fn parameters(language: &str, source: &str) -> Vec<String> {
    let mut names = match language {
        "sql" | "plpgsql" => settings_read(&pieces(source)),
        _ => named_anywhere(source),
    };
    names.retain(|name| name.contains('.'));
    names.sort_unstable();
    names.dedup();
    names
}

fn named_anywhere(source: &str) -> Vec<String> {
    let lower = source.to_ascii_lowercase();
    let calls = lower.match_indices("current_setting");
    let name = |(at, call): (usize, &str)| {
        let rest = source[at + call.len()..].trim_start().strip_prefix('(')?;
        let (name, _) = rest.trim_start().strip_prefix('\'')?.split_once('\'')?;
        Some(name.to_owned())
    };
    calls.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrapper_reads_is_told_from_what_looks_so() {
        for (source, read) in [
            (
                "SELECT current_setting('app.tenant_id', true)",
                &["app.tenant_id"][..],
            ),
            (
                "BEGIN RETURN pg_catalog.\"current_setting\" ( 'App.Zone'::text ); END",
                &["App.Zone"],
            ),
            (
                "BEGIN EXECUTE 'SELECT current_setting(''app.zone'')' INTO x; RETURN x; END",
                &["app.zone"],
            ),
            (
                "SELECT coalesce(CURRENT_SETTING('b.c', true), current_setting('b.c'), current_setting('a.b'))",
                &["a.b", "b.c"],
            ),
            ("-- current_setting('app.zone')\nSELECT 1", &[]),
            ("SELECT 'current_setting(''app.zone'')'", &[]),
            ("SELECT current_setting('app.' || name)", &[]),
            ("SELECT current_setting('work_mem')", &[]),
            ("SELECT my_current_setting('app.zone')", &[]),
        ] {
            assert_eq!(parameters("plpgsql", source), read, "{source}");
        }
        let source = "rv = plpy.execute(\"select Current_Setting ( 'app.zone', true)\")";
        assert_eq!(parameters("plpython3u", source), ["app.zone"]);
        assert_eq!(parameters("plpython3u", "current_setting('ä"), [""; 0]);
    }
}
