//! Which column says whose a row is, and which parameter the policies compare it with.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::connection::{Connection, Trouble};
use super::super::sql::{Rows, identifier, literal, rows};
use super::{OURS, wrappers};

/// Most parameters that policies are said to read.
const MOST_PARAMETERS: usize = 5;

/// Names that are zone columns nearly everywhere. Only for databases without policies.
const USUAL: &str =
    "'tenant_id', 'zone_id', 'org_id', 'organization_id', 'organisation_id', 'workspace_id'";

/// The text of both expressions of policy `p`.
pub(super) const TEXT: &str = "coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || \
     coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')";

/// What the operator said.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Asked {
    pub column: Option<String>,
    pub parameter: Option<String>,
}

/// The zone of this database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Zone {
    /// The columns, unquoted.
    pub columns: Vec<String>,
    /// The parameters that policies read, the most frequent first.
    pub parameters: Vec<String>,
    /// No policy names the column: its name does.
    pub guessed: bool,
}

impl Zone {
    pub(super) fn find(connection: &mut Connection, asked: &Asked) -> Result<Self, Trouble> {
        let parameters = match &asked.parameter {
            Some(parameter) => vec![parameter.clone()],
            None => read_by_policies(connection)?,
        };
        if let Some(column) = &asked.column {
            return Ok(Self {
                columns: vec![column.clone()],
                parameters,
                guessed: false,
            });
        }
        let named = frequent(named_by_policies(connection)?);
        let guessed = named.is_empty();
        let columns = match guessed {
            true => frequent(usual(connection)?),
            false => named,
        };
        Ok(Self {
            columns,
            parameters,
            guessed,
        })
    }

    /// The parameter to write policies with.
    pub(in super::super) fn parameter(&self) -> Option<&str> {
        self.parameters.first().map(String::as_str)
    }

    /// The condition of a policy for a column of that type; none without a parameter.
    pub(super) fn condition(&self, column: &str, kind: &str) -> Option<String> {
        let read = format!("current_setting({}, true)", literal(self.parameter()?));
        let column = identifier(column);
        Some(match kind {
            "text" | "name" => format!("{column} = {read}"),
            kind if kind.starts_with("character varying") => format!("{column} = {read}"),
            // After a transaction the parameter is '', which is no uuid and no number.
            kind => format!("{column} = nullif({read}, '')::{kind}"),
        })
    }
}

/// Custom parameters in the text of policies, or in the functions that they call; the most frequent first.
fn read_by_policies(connection: &mut Connection) -> Result<Vec<String>, Trouble> {
    let sql = format!(
        "SELECT m[1], count(*) FROM pg_catalog.pg_policy AS p, regexp_matches({TEXT}, \
           'current_setting[(][[:space:]]*''([^'']+[.][^'']+)''', 'gi') AS m \
         GROUP BY 1"
    );
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows(connection, &sql)? {
        if let Ok([name, count]) = <[String; 2]>::try_from(row) {
            counts.insert(name, count.parse().unwrap_or(0));
        }
    }
    for wrapper in wrappers::find(connection)? {
        for name in wrapper.parameters {
            *counts.entry(name).or_default() += wrapper.policies;
        }
    }
    let mut found: Vec<(String, u64)> = counts.into_iter().collect();
    found.sort_by_key(|(_, count)| Reverse(*count));
    let names = found.into_iter().map(|(name, _)| name);
    Ok(names.take(MOST_PARAMETERS).collect())
}

/// Columns of the policy's own table that policies name; with how many policies do.
fn named_by_policies(connection: &mut Connection) -> Result<Rows, Trouble> {
    let sql = format!(
        "SELECT a.attname, count(DISTINCT p.oid) FROM pg_catalog.pg_policy AS p \
         JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid \
           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = p.polrelid AND d.refobjsubid > 0 \
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.polrelid AND a.attnum = d.refobjsubid \
         WHERE {} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
        asks_who("p")
    );
    rows(connection, &sql)
}

fn usual(connection: &mut Connection) -> Result<Rows, Trouble> {
    let sql = format!(
        "SELECT a.attname, count(*) FROM pg_catalog.pg_attribute AS a \
         JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE {OURS} AND a.attname IN ({USUAL}) AND NOT a.attisdropped \
         GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC, 1"
    );
    rows(connection, &sql)
}

/// The most frequent; of several that are equally so those that look like a key, since policies also
/// name columns like deleted_at.
fn frequent(counted: Rows) -> Vec<String> {
    let most = counted.first().and_then(|row| row.get(1)).cloned();
    let first: Vec<String> = counted
        .into_iter()
        .filter(|row| row.get(1) == most.as_ref())
        .filter_map(|row| row.into_iter().next())
        .collect();
    let is_key = |name: &String| name.ends_with("id");
    match first.iter().any(is_key) {
        true => first.into_iter().filter(is_key).collect(),
        false => first,
    }
}

/// SQL: does the policy depend on who asks? Its text names a parameter or the user, asks another table, or
/// it calls a function of the database, which may do either.
pub(super) fn asks_who(policy: &str) -> String {
    let text = TEXT.replace("p.", &format!("{policy}."));
    format!(
        "({text} ~* 'current_setting|current_user|session_user|current_role|user_id[(]|select ' OR EXISTS ( \
           SELECT FROM pg_catalog.pg_depend AS f \
           WHERE f.classid = 'pg_catalog.pg_policy'::regclass AND f.objid = {policy}.oid \
             AND f.refclassid = 'pg_catalog.pg_proc'::regclass))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        Zone {
            columns: vec!["tenant_id".into()],
            parameters: vec!["app.tenant_id".into()],
            guessed: false,
        }
    }

    #[test]
    fn conditions_fit_the_columns_type() {
        let condition = |kind| zone().condition("tenant_id", kind).unwrap();
        let read = "current_setting('app.tenant_id', true)";
        assert_eq!(condition("text"), format!("\"tenant_id\" = {read}"));
        assert_eq!(
            condition("character varying(40)"),
            format!("\"tenant_id\" = {read}")
        );
        assert_eq!(
            condition("uuid"),
            format!("\"tenant_id\" = nullif({read}, '')::uuid")
        );
        assert_eq!(Zone::default().condition("x", "text"), None);
    }

    #[test]
    fn the_zone_column_is_the_one_that_most_policies_name() {
        let rows = |counted: &[(&str, &str)]| -> Rows {
            let row = |(name, count): &(&str, &str)| vec![(*name).to_owned(), (*count).to_owned()];
            counted.iter().map(row).collect()
        };
        assert_eq!(
            frequent(rows(&[("tenant_id", "9"), ("owner_id", "2")])),
            ["tenant_id"]
        );
        assert_eq!(
            frequent(rows(&[("deleted_at", "9"), ("tenant_id", "9")])),
            ["tenant_id"]
        );
        assert_eq!(frequent(rows(&[("zone", "3")])), ["zone"]);
        assert!(frequent(Vec::new()).is_empty());
    }
}
