//! `functions`: where the policy lists functions, no others of one's own are called.

use std::sync::LazyLock;

use crate::policy::pattern::NamePattern;
use crate::policy::rights::in_migration_session;
use crate::policy::rule::may_name;
use crate::policy::{Objection, State, Who};
use crate::sql::{Details, Facts, FieldTouch, QualifiedName, Statement};

/// Objects to calls of functions that are neither PostgreSQL's own nor listed, and to statements
/// whose calls are not known. Without a list every function may be called. Migration sessions are not bound.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    let allowed = who.policy.options.functions.as_ref()?;
    if in_migration_session(who, state) {
        return None;
    }
    let mut statements = facts.statements.iter();
    statements.find_map(|statement| unlisted(statement, allowed))
}

/// Objects where a statement calls a function that is neither PostgreSQL's own nor one of `allowed`.
pub(super) fn unlisted(statement: &Statement, allowed: &[NamePattern]) -> Option<Objection> {
    let objection = match &statement.details.calls {
        None if may_name(statement) => {
            Objection::unknown_names(statement, "the functions that it calls are not known")
        }
        None => return None,
        Some(calls) => match calls.iter().find(|call| !may_be_called(call, allowed)) {
            Some(call) => Objection::new(format!("function {call}() is not listed"))
                .detail(LISTED)
                .hint("Ask a DBA to list it"),
            None => hidden(&statement.details, allowed)?,
        },
    };
    Some(objection.at(statement.position))
}

const LISTED: &str = "The policy lists the functions that may be called beside PostgreSQL's own";

/// Calls that do not look like any: of operators outside `pg_catalog`, and `x.f` of a function x in FROM.
fn hidden(details: &Details, allowed: &[NamePattern]) -> Option<Objection> {
    let listed = |name: &QualifiedName| allowed.iter().any(|one| one.admits(name));
    if let Some(operator) = details.operators().iter().find(|name| !listed(name)) {
        return Some(
            Objection::new(format!("operator {operator} is not listed"))
                .detail(LISTED)
                .hint("Ask a DBA to list it as a function of that name would be"),
        );
    }
    let field = details
        .fields()
        .iter()
        .find(|field| !may_be_read(field, allowed))?;
    let name = &field.name;
    Some(
        Objection::new(format!("function {name}() is not listed"))
            .detail(format!(
                "\"{name}\" is not known as a column of the function in FROM"
            ))
            .hint("Name the columns in FROM: function(...) AS x (column, ...)"),
    )
}

/// Is it a column, or a call that may be made? The columns of relations, of queries and of one's own
/// functions are not known here: they pass.
fn may_be_read(field: &FieldTouch, allowed: &[NamePattern]) -> bool {
    let open = |function: &QualifiedName| {
        let own = !is_builtin(function) && function.schema.as_deref() != Some("pg_catalog");
        own || gives_rows_of_any_type(&function.name)
            || has_column(&function.name, &field.name, field.renamed)
    };
    field.of.is_empty() || field.of.iter().any(open) || {
        let call = QualifiedName {
            schema: None,
            name: field.name.clone(),
        };
        may_be_called(&call, allowed)
    }
}

/// Functions of PostgreSQL's whose columns are those of a type that the statement chooses.
fn gives_rows_of_any_type(function: &str) -> bool {
    matches!(
        function,
        "json_populate_record"
            | "json_populate_recordset"
            | "jsonb_populate_record"
            | "jsonb_populate_recordset"
    )
}

/// Does PostgreSQL's function have that column in FROM? An alias that names columns names the only one first.
fn has_column(function: &str, column: &str, renamed: bool) -> bool {
    let Ok(at) = COLUMNS.binary_search_by(|(name, _)| (*name).cmp(function)) else {
        return false;
    };
    let mut columns = COLUMNS[at].1.split(' ');
    let several = COLUMNS[at].1.contains(' ');
    (several || !renamed) && columns.any(|name| name == column)
}

/// The functions in pg_proc of PostgreSQL 15, 17 and 18 after initdb that have output arguments, with
/// those, sorted bytewise.
static COLUMNS: LazyLock<Box<[(&str, &str)]>> = LazyLock::new(|| {
    let lines = include_str!("functions/columns.txt").lines();
    lines.filter_map(|line| line.split_once(' ')).collect()
});

fn may_be_called(call: &QualifiedName, allowed: &[NamePattern]) -> bool {
    is_builtin(call) || allowed.iter().any(|name| name.admits(call))
}

/// Does PostgreSQL bring it along? A name without a schema means PostgreSQL's own function if there
/// is one; `pg_catalog` is searched first.
fn is_builtin(call: &QualifiedName) -> bool {
    match call.schema.as_deref() {
        None | Some("pg_catalog") => BUILTIN.binary_search(&&*call.name).is_ok(),
        Some(schema) => schema == "information_schema",
    }
}

/// The names in pg_proc of PostgreSQL 15, 17 and 18 after initdb, sorted bytewise.
static BUILTIN: LazyLock<Box<[&str]>> =
    LazyLock::new(|| include_str!("functions/builtin.txt").lines().collect());

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;
    use crate::sql::{Class, Details};

    const GUARDS: &str =
        "[guards.functions]\nallow = [\"public.order_total\", \"audit_*\", \"crypto.*\"]";

    fn acme() -> Who {
        who_under(&policy(GUARDS), "shop_acme", "shop")
    }

    fn calling(names: &[&str]) -> Facts {
        message(vec![Statement {
            details: Details {
                calls: Some(names.iter().map(|name| qualified(name)).collect()),
                ..Details::default()
            },
            ..statement("SELECT", &[Class::Read])
        }])
    }

    #[test]
    fn listed_functions_and_postgresqls_own_are_called() {
        for names in [
            &["order_total"][..],
            &["public.order_total", "lower"],
            &["audit_partition_ensure", "shop.audit_x", "crypto.seal"],
            &[
                "pg_catalog.now",
                "count",
                "jsonb_build_object",
                "information_schema._pg_truetypid",
            ],
            &[],
        ] {
            assert_allowed(&calling(names), &acme(), CLOSED);
        }
    }

    #[test]
    fn others_are_not() {
        for name in [
            "leak",
            "seal",
            "shop.order_total",
            "shop.lower",
            "pg_catalog.leak",
            "Lower",
        ] {
            let message = format!("function {name}() is not listed");
            let text = calling(&["lower", name]);
            assert_refused(&text, &acme(), CLOSED, Guard::Functions, &message);
            assert_allowed(&text, &who_under(&policy(GUARDS), "migrator", "shop"), OPEN);
            assert_allowed(&text, &super::super::fixture::acme(), CLOSED);
        }
    }

    #[test]
    fn what_is_not_known_could_be_any() {
        let message = "cannot execute SELECT: the functions that it calls are not known";
        assert_refused(
            &facts("SELECT", &[Class::Read]),
            &acme(),
            CLOSED,
            Guard::Functions,
            message,
        );
        assert_allowed(&facts("COMMIT", &[Class::Transaction]), &acme(), CLOSED);
        let execute = judge(&facts("EXECUTE", &[Class::Execute]), &acme(), CLOSED);
        let hint = execute.and_then(|objection| objection.hint);
        assert!(hint.is_some_and(|hint| hint.contains("instead of EXECUTE")));
    }

    #[test]
    fn postgresqls_own_are_sorted() {
        assert!(BUILTIN.is_sorted() && BUILTIN.len() > 2500);
        assert!(COLUMNS.is_sorted() && COLUMNS.len() > 90);
    }

    /// The text as it is read for a policy that asks for names.
    fn text(text: &str) -> Facts {
        let facts = crate::sql::describe_at(text.as_bytes(), crate::sql::Depth::Names);
        assert_eq!(facts.undescribed, None, "{text}");
        facts
    }

    #[test]
    fn a_field_of_a_function_in_from_is_a_column_or_a_call() {
        for query in [
            "select x.run from unnest(array['drop table orders']) x",
            "select x.\"run\" from unnest(array['x']) x",
            "select 1 from lower('x') where lower.run = 1",
            "select run.run from unnest(array['x']) run(a)",
            "select x.value from jsonb_array_elements_text('[]') x(a)",
            "select x.run from coalesce('x') x",
            "select x.run from rows from (lower('x'), upper('y')) with ordinality x",
            "select x.run from orders o, lateral unnest(o.notes) as x where o.run is null",
            "select 1 where exists (select from generate_series(1, 3) g where g.run(1) is null or g.run = 1)",
        ] {
            let objection = judge(&text(query), &acme(), CLOSED).expect(query);
            assert!(
                objection.message.ends_with("run() is not listed") || query.contains("value"),
                "{query}: {}",
                objection.message
            );
        }
        let nameless = judge(
            &text("select text.run from cast('x' as text)"),
            &acme(),
            CLOSED,
        );
        assert!(nameless.is_some());
    }

    #[test]
    fn columns_are_read() {
        for query in [
            "select x.x, x.upper from unnest(array['x']) x",
            "select x.a, x.b from unnest(array[1], array[2]) as x (a, b)",
            "select e.key, e.value from jsonb_each('{}') e where e.value is not null",
            "select e.value from json_array_elements('[]') e",
            "select g.g, g.ordinality from generate_series(1, 3) with ordinality g",
            "select generate_series.generate_series from generate_series(1, 3)",
            "select r.id, r.total from jsonb_to_recordset('[]') as r (id int, total numeric)",
            "select r.id from jsonb_populate_recordset(null::orders, '[]') r",
            "select a.grantee from pg_class c, aclexplode(c.relacl) a",
            "select k.word from pg_get_keywords() k",
            "select o.id, o.run, public.orders.run from orders o",
            "select t.anything from public.order_total(1) t",
            "select x.order_total from unnest(array[1]) x",
            "select 1 operator(pg_catalog.+) 2, 1 + 2, 'a' operator(crypto.=) 'b' order by 1 using operator(pg_catalog.<)",
        ] {
            let objection = judge(&text(query), &acme(), CLOSED);
            assert!(
                objection.is_none(),
                "{query}: {:?}",
                objection.map(|it| it.message)
            );
        }
    }

    #[test]
    fn operators_of_ones_own_are_listed_like_functions() {
        for query in [
            "select 1 operator(util.+) 2",
            "select 1 operator(shop.util.+) 2",
            "select 1 operator(util.=) any (select 2)",
            "select 1 operator(util.=) all (array[2])",
            "select 1 order by 1 using operator(util.<)",
            "select operator(util.-) 1",
        ] {
            let objection = judge(&text(query), &acme(), CLOSED).expect(query);
            assert!(objection.message.starts_with("operator util."), "{query}");
        }
    }
}
