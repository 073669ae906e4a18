//! `functions`: where the policy lists functions, no others of one's own are called.

use std::sync::LazyLock;

use crate::policy::pattern::{NamePattern, spelled};
use crate::policy::rights::in_migration_session;
use crate::policy::rule::may_name;
use crate::policy::{Objection, State, Who};
use crate::sql::{Facts, QualifiedName};

/// Objects to calls of functions that are neither PostgreSQL's own nor listed, and to statements
/// whose calls are not known. Without a list every function may be called. Migration sessions are not bound.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    let allowed = who.policy.options.functions.as_ref()?;
    if in_migration_session(who, state) {
        return None;
    }
    facts.statements.iter().find_map(|statement| {
        let objection = match &statement.details.calls {
            None if may_name(statement) => {
                Objection::unknown_names(statement, "the functions that it calls are not known")
            }
            None => return None,
            Some(calls) => {
                let call = calls.iter().find(|call| !may_be_called(call, allowed))?;
                Objection::new(format!("function {}() is not listed", spelled(call)))
                    .detail(
                        "The policy lists the functions that may be called beside PostgreSQL's own",
                    )
                    .hint("Ask a DBA to list it")
            }
        };
        Some(objection.at(statement.position))
    })
}

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
    use crate::sql::{Class, Details, Statement};

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
    }
}
