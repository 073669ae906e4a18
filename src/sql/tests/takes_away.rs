//! What takes something away from running code, each form beside a neighbour that does not.

use super::super::{Loss, describe};

/// What the last statement takes away.
pub(super) fn taken(text: &str) -> Option<(Loss, String)> {
    let facts = describe(text.as_bytes());
    assert_eq!(facts.undescribed, None, "{text}");
    let away = facts.statements.last().unwrap().details.takes_away.clone();
    away.map(|away| (away.loss, away.what.into()))
}

pub(super) fn assert_taken(loss: Loss, forms: &[(&str, &str)]) {
    for (text, what) in forms {
        assert_eq!(taken(text), Some((loss, (*what).to_owned())), "{text}");
    }
}

pub(super) fn assert_adds(texts: &[&str]) {
    for text in texts {
        assert_eq!(taken(text), None, "{text}");
    }
}

#[test]
fn what_is_dropped_is_gone() {
    assert_taken(
        Loss::Gone,
        &[
            ("drop table orders", "drop table \"orders\""),
            (
                "DROP TABLE IF EXISTS \"Or;ders\", b CASCADE",
                "drop table \"Or;ders\"",
            ),
            ("drop table U&\"d\\0061ta\"", "drop table \"data\""),
            ("/**/drop/**/view sales.v", "drop view \"sales.v\""),
            ("drop materialized view m", "drop materialized view \"m\""),
            ("drop index concurrently i", "drop index \"i\""),
            ("drop sequence s", "drop sequence \"s\""),
            ("drop foreign table t", "drop foreign table \"t\""),
            ("drop schema sales", "drop schema \"sales\""),
            ("drop type mood", "drop type \"mood\""),
            ("drop domain d", "drop domain \"d\""),
            ("drop function f(int)", "drop function \"f\""),
            ("drop procedure p", "drop procedure \"p\""),
            ("drop routine r", "drop routine \"r\""),
            ("drop aggregate a(*)", "drop aggregate \"a\""),
            (
                "drop policy p on sales.t",
                "drop policy \"p\" of table \"sales.t\"",
            ),
            ("drop trigger g on t", "drop trigger \"g\" of table \"t\""),
            ("drop rule r on t", "drop rule \"r\" of table \"t\""),
            ("drop extension hstore", "drop extension \"hstore\""),
            ("drop statistics s", ""),
            ("drop cast (text as int)", ""),
            ("drop operator + (int, int)", ""),
            ("drop collation c", ""),
            ("drop publication p", ""),
            ("drop event trigger e", ""),
            ("drop server s", ""),
            ("drop language plperl", ""),
            ("drop access method a", ""),
            ("drop user mapping for u server s", ""),
            ("drop subscription s", ""),
            ("drop tablespace s", ""),
            ("drop database d", ""),
            ("drop role r", ""),
            ("drop owned by r", ""),
            ("reassign owned by r to s", ""),
            ("truncate orders, b", "truncate table \"orders\""),
            (
                "truncate only orders restart identity",
                "truncate table \"orders\"",
            ),
            ("revoke select on orders from app", ""),
            ("revoke grant option for select on orders from app", ""),
            ("revoke a from b", ""),
            (
                "alter default privileges revoke select on tables from app",
                "",
            ),
            ("grant a to b with inherit false", ""),
        ],
    );
    assert_adds(&[
        "grant select on orders to app",
        "grant all on all tables in schema public to app with grant option",
        "grant a to b",
        "grant a to b with admin option",
        "alter default privileges grant select on tables to app",
        "alter group g add user u",
        "delete from orders",
        "update orders set note = null",
        "insert into orders values (1)",
        "copy orders from stdin",
        "lock table orders",
        "vacuum orders",
        "analyze",
        "cluster orders",
        "reindex table orders",
        "select 1",
        "explain select 1",
        "set search_path = x",
        "discard all",
        "begin",
    ]);
}

#[test]
fn what_has_another_name_schema_or_owner_is_gone() {
    assert_taken(
        Loss::Gone,
        &[
            ("alter table orders rename to x", "rename table \"orders\""),
            (
                "alter table orders rename note to x",
                "rename column \"note\" of table \"orders\"",
            ),
            (
                "alter table o rename column \"N\" to x",
                "rename column \"N\" of table \"o\"",
            ),
            (
                "alter table o rename constraint c to x",
                "rename constraint \"c\" of table \"o\"",
            ),
            ("alter view v rename to x", "rename view \"v\""),
            (
                "alter view v rename column a to b",
                "rename column \"a\" of view \"v\"",
            ),
            ("alter index i rename to x", "rename index \"i\""),
            ("alter sequence s rename to x", "rename sequence \"s\""),
            ("alter schema s rename to x", "rename schema \"s\""),
            ("alter type t rename to x", "rename type \"t\""),
            (
                "alter type t rename attribute a to b",
                "rename attribute \"a\" of type \"t\"",
            ),
            (
                "alter type mood rename value 'sad' to 'x'",
                "rename a value of type \"mood\"",
            ),
            ("alter domain d rename to x", "rename domain \"d\""),
            ("alter function f(int) rename to x", "rename function \"f\""),
            (
                "alter policy p on t rename to x",
                "rename policy \"p\" of table \"t\"",
            ),
            (
                "alter trigger g on t rename to x",
                "rename trigger \"g\" of table \"t\"",
            ),
            ("alter role r rename to x", "rename role \"r\""),
            ("alter database d rename to x", "rename database \"d\""),
            (
                "alter table o set schema s",
                "move table \"o\" to another schema",
            ),
            (
                "alter function f set schema s",
                "move function \"f\" to another schema",
            ),
            (
                "alter extension e set schema s",
                "move extension \"e\" to another schema",
            ),
            (
                "alter table o owner to x",
                "change the owner of table \"o\"",
            ),
            (
                "alter function f(int) owner to x",
                "change the owner of function \"f\"",
            ),
            (
                "alter schema s owner to x",
                "change the owner of schema \"s\"",
            ),
        ],
    );
    assert_adds(&[
        "alter type mood add value if not exists 'glad' after 'sad'",
        "alter sequence s owned by t.id",
        "alter sequence s cache 20",
        "comment on table orders is 'drop'",
    ]);
}

#[test]
fn what_is_created_adds_but_for_what_binds_others() {
    assert_adds(&[
        "create table t (id int)",
        "create table if not exists p partition of t for values in (1)",
        "create foreign table f (n int) server s",
        "create table c as select 1",
        "select 1 into t",
        "create materialized view m as select 1",
        "refresh materialized view concurrently m",
        "create or replace function f() returns int language sql as 'select 1'",
        "create or replace trigger g before insert on t for each row execute function f()",
        "create policy p on t using (true)",
        "create rule r as on insert to t do also notify t",
        "create extension hstore",
        "create type mood as enum ('sad')",
        "create type pair as (a int, b int)",
        "create domain d as int check (value > 0)",
        "create sequence s",
        "create schema s",
        "create role r",
        "create aggregate a (int) (sfunc = f, stype = int)",
        "create statistics s on a, b from t",
        "import foreign schema s from server r into t",
    ]);
    assert_taken(
        Loss::Gone,
        &[
            (
                "create policy p on t as restrictive using (true)",
                "create restrictive policy \"p\" on table \"t\"",
            ),
            (
                "create rule r as on insert to t do instead nothing",
                "create rule \"r\" with INSTEAD on table \"t\"",
            ),
            (
                "refresh materialized view m with no data",
                "empty materialized view \"m\"",
            ),
        ],
    );
}

#[test]
fn what_is_not_known_to_add_is_not_taken_to() {
    for text in [
        "do $$ begin end $$",
        "call p()",
        "alter function f strict",
        "alter policy p on t using (false)",
        "alter role r nologin",
        "alter role r set search_path = ''",
        "alter group g drop user u",
        "alter database d set default_transaction_read_only = on",
        "alter system set work_mem = '1GB'",
        "alter extension e update",
        "alter extension e drop table t",
        "alter table t set (check_option = local)",
        "alter view v set (security_invoker)",
        "alter table t set (user_catalog_table)",
        "alter table t set access method heap",
        "alter table t of kind",
        "alter foreign table f options (set a 'b')",
        "alter server s options (set host 'x')",
        "alter type t set (storage = plain)",
        "alter text search dictionary d (stopwords = 'x')",
        "alter publication p drop table t",
        "create publication p for table t",
        "create subscription s connection 'x' publication p",
        "create event trigger e on login execute function f()",
        "security label on table t is 'x'",
    ] {
        assert_eq!(taken(text), Some((Loss::Unknown, String::new())), "{text}");
    }
}

#[test]
fn the_first_is_found_wherever_it_hides() {
    let facts = describe(b"create table t (id int); alter table t drop a, drop b; select 1");
    let what = |at: usize| {
        facts.statements[at]
            .details
            .takes_away
            .as_ref()
            .map(|away| &*away.what)
    };
    assert_eq!(
        [what(0), what(1), what(2)],
        [None, Some("drop column \"a\" of table \"t\""), None]
    );
    assert_adds(&[
        "explain (analyze) create table t as select 1",
        "prepare p as delete from t where id = $1",
        "execute p(1)",
        "select 'drop table t', \"drop\" from t -- drop table t",
    ]);
}

#[test]
fn words_are_fit_for_one_line() {
    let name = "a\nb\u{7}".to_owned() + &"é".repeat(29);
    let (_, what) = taken(&format!("drop table \"{name}\"")).unwrap();
    assert_eq!(what, format!("drop table \"a?b?{}\"", "é".repeat(29)));
    assert_eq!(
        taken("alter type t rename value 'secret' to 'secret2'")
            .unwrap()
            .1,
        "rename a value of type \"t\""
    );
}
