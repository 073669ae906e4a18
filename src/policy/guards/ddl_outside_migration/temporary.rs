//! Temporary tables: which of them a service may have.

use crate::policy::guards::session_state;
use crate::policy::pattern::cut;
use crate::policy::{Kind, Objection, RouteName, Who};
use crate::sql::{
    Class, ClassSet, OnCommit, QualifiedName, Statement, TemporaryAct, TemporaryTable, is_catalog,
    is_type,
};

/// Of a service's temporary table and nothing else: may the service have it? None: it is no such statement.
///
/// What sets a parameter is none. In a DEFAULT that would happen later, when nobody sees it any more.
pub(super) fn judge(statement: &Statement, who: &Who) -> Option<Result<(), Objection>> {
    let table = statement.details.temporary_table.as_deref()?;
    let alone = statement.classes == ClassSet::of(Class::Ddl) && statement.parameters.is_empty();
    if who.login.kind != Kind::Service || !alone {
        return None;
    }
    let pooled = who.login.route != RouteName::Session;
    Some(match table.act {
        TemporaryAct::Create(OnCommit::Drop) => may_be_called(table, who),
        // It could be one that a function has left, for another client of the connection.
        TemporaryAct::Index | TemporaryAct::Drop if pooled => return None,
        TemporaryAct::Create(_) if pooled => {
            may_be_called(table, who).and(Err(session_state::temporary::stays(statement)))
        }
        _ => may_be_called(table, who),
    })
}

/// A temporary table hides whatever has its name and is named without a schema, also from triggers and functions.
fn may_be_called(table: &TemporaryTable, who: &Who) -> Result<(), Objection> {
    // Whoever finds an index of a constraint in place of a table fails, and reads nothing else.
    let named = table.names.first().map_or("", |name| &**name);
    let refused = |why: &str, hint: &str| {
        let objection = Objection::new(format!("temporary table \"{named}\" is not allowed"));
        Err(objection.detail(why).hint(hint))
    };
    match &who.policy.options.temporary_tables {
        None if who.zone_is_guarded() && !is_told_apart(named) => {
            let noun = who.noun();
            let why =
                format!("It could hide a table from functions that keep each {noun}'s rows apart");
            let hint =
                format!("Call it tmp_{named}, or name it in \"temporary_tables\" of the policy");
            return refused(&why, &hint);
        }
        Some(allowed) if allowed.is_empty() => {
            return refused("The policy allows none", "Use WITH");
        }
        Some(allowed) if !allowed.iter().any(|pattern| pattern.fits(cut(named))) => {
            let names: Vec<&str> = allowed.iter().map(|pattern| pattern.as_str()).collect();
            let hint = format!("The policy allows: {}", names.join(", "));
            return refused("The policy says what temporary tables are called", &hint);
        }
        _ => {}
    }
    const OTHER: &str = "Give it another name";
    // A constraint or an index brings no type with it.
    if matches!(table.act, TemporaryAct::Create(_)) && is_type(named) {
        return refused("It would hide a type of PostgreSQL's own", OTHER);
    }
    let names = table.names.iter().map(|name| QualifiedName {
        schema: None,
        name: name.clone(),
    });
    for name in names {
        if name.name.starts_with("pg_") || is_catalog(&name) {
            return refused("It would hide PostgreSQL's own relations", OTHER);
        }
        let mut kept = who.policy.options.append_only.iter();
        let mut denied = who.login.denied_relations.iter();
        if kept.any(|it| it.fits(&name)) || denied.any(|it| it.fits(&name)) {
            return refused("It would hide a relation that the policy names", OTHER);
        }
    }
    Ok(())
}

/// Has it a name that hardly another table has? So temporary tables are called where there are zones and the policy
/// says nothing else.
fn is_told_apart(name: &str) -> bool {
    let begins = ["tmp_", "temp_"].iter().any(|word| name.starts_with(word));
    begins || ["_tmp", "_temp"].iter().any(|word| name.ends_with(word))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::policy::guards::fixture::{CLOSED, OPEN, migrator, policy, who_under};
    use crate::policy::{Guard, Login, RouteName, Verdict, Who, decide};
    use crate::sql::{Depth, describe_at};

    fn service(guards: &str) -> Who {
        who_under(&policy(guards), "shop_report", "tools")
    }

    /// On a connection of its own.
    fn own(guards: &str) -> Who {
        let mut who = service(guards);
        who.login = Arc::new(Login {
            route: RouteName::Session,
            ..(*who.login).clone()
        });
        who
    }

    /// Guard, message and hint of the refusal; none: it passes.
    fn refused(text: &str, who: &Who) -> Option<(Guard, String, String)> {
        match decide(&describe_at(text.as_bytes(), Depth::Names), who, CLOSED).verdict {
            Verdict::Allow => None,
            Verdict::Refuse(refusal) => Some((
                refusal.guard,
                refusal.message,
                refusal.hint.unwrap_or_default(),
            )),
        }
    }

    #[track_caller]
    fn passes(text: &str, who: &Who) {
        assert_eq!(refused(text, who), None, "{text}");
    }

    /// As a change of the schema, or with these words.
    #[track_caller]
    fn stays_refused(text: &str, who: &Who, words: &str) {
        let Some((guard, message, _)) = refused(text, who) else {
            panic!("it passes: {text}");
        };
        assert_eq!(guard, Guard::DdlOutsideMigration, "{text}: {message}");
        assert!(message.contains(words), "{text}: {message}");
    }

    const OUTSIDE: &str = "outside a migration session";

    #[test]
    fn what_ends_with_its_transaction_passes() {
        for text in [
            "create temp table t (a int) on commit drop",
            "create temporary table if not exists t (id serial primary key, b text not null default 'x') on commit drop",
            "begin; create temp table t (a int) on commit drop; insert into t values (1); commit",
            "create temp table t on commit drop as select * from orders where id > 7",
            "create table pg_temp.t (like orders including all) on commit drop",
        ] {
            passes(text, &service(""));
            passes(text, &own(""));
        }
    }

    #[test]
    fn what_stays_is_for_a_connection_of_ones_own() {
        for text in [
            "create temp table t (a int)",
            "create temp table t (a int) on commit preserve rows",
            "create local temp table t on commit delete rows as select 1",
            "create table pg_temp.t (a int)",
        ] {
            passes(text, &own(""));
            let (guard, message, hint) = refused(text, &service("")).expect("a refusal");
            assert_eq!(guard, Guard::DdlOutsideMigration);
            assert!(message.ends_with("for a temporary table on the transaction route"));
            assert_eq!(
                hint,
                "Say ON COMMIT DROP and use it in one transaction, or give the login route = \"session\" in the policy."
            );
        }
        for text in [
            "create index on pg_temp.t (a)",
            "create unique index if not exists i on only pg_temp.t using btree (lower(b) desc) where a > 1",
            "drop table pg_temp.t",
            "drop table if exists pg_temp.t, pg_temp.u restrict",
        ] {
            passes(text, &own(""));
            stays_refused(text, &service(""), OUTSIDE);
        }
    }

    #[test]
    fn what_is_more_than_a_temporary_table_is_refused() {
        for text in [
            "create unlogged table t (a int)",
            "create table t (a int)",
            "create temp table public.t (a int) on commit drop",
            "create temp table pg_temp_3.t (a int) on commit drop",
            "create temp table shop.pg_temp.t (a int) on commit drop",
            "create temp table t () inherits (orders) on commit drop",
            "create temp table t partition of orders default on commit drop",
            "create temp table t of kind on commit drop",
            "create temp table t (a int) partition by list (a) on commit drop",
            "create temp table t (a int) using other on commit drop",
            "create temp table t (a int) with (fillfactor = 10) on commit drop",
            "create temp table t (a int) on commit drop tablespace fast",
            "create temp table t (a int references orders) on commit drop",
            "create temp table t (a int, foreign key (a) references orders) on commit drop",
            "create temp table t (a int, exclude using gist (a with =)) on commit drop",
            "create temp table t (a int primary key using index tablespace fast) on commit drop",
            "create temp table t (a int unique with (fillfactor = 10)) on commit drop",
            "create temp table t (a int generated always as identity (sequence name public.s)) on commit drop",
            "create temp table t on commit drop as execute p",
            "create temp table t on commit drop as with x as (delete from orders where id = 1 returning *) select * from x",
            "explain analyze create temp table t on commit drop as select 1",
            "create schema s create temp table t (a int) on commit drop",
            "create temp view v as select 1",
            "create temp sequence s",
            "select 1 into temp t",
            "create temp table t (a int) on commit drop; drop table orders",
            "drop table orders; create temp table t (a int) on commit drop",
            "drop table pg_temp.t, orders",
            "drop table pg_temp.t cascade",
            "drop table pg_temp_3.t",
            "drop view pg_temp.v",
            "drop index pg_temp.i",
            "create index concurrently on pg_temp.t (a)",
            "create index on pg_temp.t (a) tablespace fast",
            "create index on t (a)",
            "create index on pg_temp_3.t (a)",
            "alter table pg_temp.t add column b int",
            "truncate pg_temp.t",
        ] {
            for who in [service(""), own("")] {
                stays_refused(text, &who, "cannot execute");
            }
        }
    }

    #[test]
    fn a_default_sets_nothing() {
        for text in [
            "create temp table t (a text default set_config('jit', 'off', false)) on commit drop",
            "create temp table t (a text check (set_config('app.tenant_id', 'globex', true) = a)) on commit drop",
            "create temp table t on commit drop as select set_config('role', 'boss', true)",
        ] {
            for who in [service(""), own("")] {
                stays_refused(text, &who, OUTSIDE);
            }
        }
        for (text, guard) in [
            (
                "create temp table t (a text default pg_read_file('x')) on commit drop",
                Guard::DangerousFunctions,
            ),
            (
                "create temp table t (a bool check (pg_try_advisory_lock(1))) on commit drop",
                Guard::SessionState,
            ),
            (
                "create temp table t on commit drop as select * from dblink('x', 'y') as d (a int)",
                Guard::DangerousFunctions,
            ),
        ] {
            assert_eq!(
                refused(text, &service("")).map(|it| it.0),
                Some(guard),
                "{text}"
            );
        }
    }

    #[test]
    fn it_hides_nothing_that_somebody_relies_on() {
        let named = "[guards.append-only]\nrelations = [\"public.audit_events\"]\n[guards.denied-relations]\nservice = [\"vault.secret_*\"]\n";
        for text in [
            "create temp table pg_roles (a int) on commit drop",
            "create temp table pg_settings on commit drop as select 1",
            "create table pg_temp.pg_class (a int) on commit drop",
            "create temp table audit_events (a int) on commit drop",
            "create table pg_temp.\"audit_events\" (a int) on commit drop",
            "create temp table U&\"audit\\005fevents\" (a int) on commit drop",
            "create table pg_temp.secret_keys (a int) on commit drop",
            "create temp table t (a int constraint audit_events primary key) on commit drop",
        ] {
            for who in [service(named), own(named)] {
                stays_refused(text, &who, "is not allowed");
            }
        }
        stays_refused(
            "create index audit_events on pg_temp.t (a)",
            &own(named),
            "is not allowed",
        );
        passes(
            "create temp table \"Audit_events\" (a int) on commit drop",
            &service(named),
        );
        passes(
            "create temp table audit_events (a int) on commit drop",
            &service(""),
        );
    }

    #[test]
    fn it_hides_no_type_of_postgresqls_own() {
        let every = "[guards.ddl-outside-migration]\ntemporary_tables = [\"*\"]";
        for text in [
            "create temp table text (a int) on commit drop",
            "create temp table TEXT (a int) on commit drop",
            "create temp table if not exists uuid (a int) on commit drop",
            "create table pg_temp.jsonb (a int) on commit drop",
            "create temp table \"char\" (a int) on commit drop",
            "create temp table U&\"\\0064ate\" (a int) on commit drop",
            "create temp table bool on commit drop as select 1",
            "create temp table _int4 (a int) on commit drop",
            "create temp table \"any\" (a int) on commit drop",
            "create temp table varchar (a int) on commit drop",
            "create temp table _pg_class (a int) on commit drop",
        ] {
            for guards in ["", every] {
                for who in [service(guards), own(guards)] {
                    stays_refused(text, &who, "is not allowed");
                }
            }
            let acme = who_under(&policy(every), "shop_acme", "shop");
            stays_refused(text, &acme, "is not allowed");
        }
        for text in [
            "create temp table text (a int)",
            "create temp table text as select 1",
        ] {
            let (_, message, hint) = refused(text, &own("")).expect("a refusal");
            assert_eq!(message, "temporary table \"text\" is not allowed");
            assert_eq!(hint, "Give it another name.");
        }
        for name in [
            "texts",
            "\"TEXT\"",
            "\"Uuid\"",
            "integer",
            "\"character varying\"",
            "__int4",
            "_",
            "citext",
        ] {
            let text = format!(
                "create temp table {name} (text text constraint date primary key) on commit drop"
            );
            passes(&text, &service(""));
            passes(&text, &own(every));
        }
        passes("create index uuid on pg_temp.t (a)", &own(""));
    }

    #[test]
    fn the_policy_says_what_they_are_called_or_that_there_are_none() {
        let guards =
            |names: &str| format!("[guards.ddl-outside-migration]\ntemporary_tables = {names}");
        let text = "create temp table tmp_a (a int) on commit drop";
        passes(text, &service(&guards("[\"tmp_*\", \"staging\"]")));
        let (_, message, hint) =
            refused(text, &service(&guards("[\"t\", \"s*\"]"))).expect("a refusal");
        assert_eq!(message, "temporary table \"tmp_a\" is not allowed");
        assert_eq!(hint, "The policy allows: t, s*.");
        let none = guards("[]");
        for who in [service(&none), own(&none)] {
            stays_refused(text, &who, "is not allowed");
            stays_refused("create table t (a int)", &who, OUTSIDE);
        }
        stays_refused("drop table pg_temp.tmp_a", &own(&none), "is not allowed");
    }

    #[test]
    fn where_there_are_zones_they_are_told_apart() {
        let acme = |guards: &str| who_under(&policy(guards), "shop_acme", "shop");
        for name in ["tmp_a", "temp_a", "a_tmp", "a_temp", "\"tmp_ A\""] {
            let text = format!("create temp table {name} (a int) on commit drop");
            passes(&text, &acme(""));
        }
        for name in ["members", "tmp", "Tempa", "\"TMP_a\"", "texts"] {
            let text = format!("create temp table {name} (a int) on commit drop");
            stays_refused(&text, &acme(""), "is not allowed");
            let every = acme("[guards.ddl-outside-migration]\ntemporary_tables = [\"*\"]");
            passes(&text, &every);
        }
        let (.., hint) =
            refused("create temp table a (a int) on commit drop", &acme("")).expect("no");
        assert_eq!(
            hint,
            "Call it tmp_a, or name it in \"temporary_tables\" of the policy."
        );
    }

    #[test]
    fn only_services_have_them() {
        let text = "create temp table t (a int) on commit drop";
        stays_refused(text, &who_under(&policy(""), "boris", "tools"), OUTSIDE);
        let decision = decide(
            &describe_at(text.as_bytes(), Depth::Names),
            &migrator(),
            OPEN,
        );
        assert_eq!(decision.verdict, Verdict::Allow);
        stays_refused(text, &migrator(), "the migration session has ended");
    }
}
