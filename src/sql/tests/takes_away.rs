//! What takes something away from running code, each form beside a neighbour that does not.

use super::super::{Loss, describe};

/// What the last statement takes away.
fn taken(text: &str) -> Option<(Loss, String)> {
    let facts = describe(text.as_bytes());
    assert_eq!(facts.undescribed, None, "{text}");
    let away = facts.statements.last().unwrap().details.takes_away.clone();
    away.map(|away| (away.loss, away.what.into()))
}

fn assert_taken(loss: Loss, forms: &[(&str, &str)]) {
    for (text, what) in forms {
        assert_eq!(taken(text), Some((loss, (*what).to_owned())), "{text}");
    }
}

fn assert_adds(texts: &[&str]) {
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
fn what_alter_table_takes_away() {
    assert_taken(
        Loss::Gone,
        &[
            (
                "alter table orders drop note",
                "drop column \"note\" of table \"orders\"",
            ),
            (
                "alter table orders drop column note",
                "drop column \"note\" of table \"orders\"",
            ),
            (
                "ALTER TABLE ONLY sales.orders DROP IF EXISTS \"a b\" CASCADE",
                "drop column \"a b\" of table \"sales.orders\"",
            ),
            (
                "alter table o add a int, drop b",
                "drop column \"b\" of table \"o\"",
            ),
            (
                "alter foreign table f drop c",
                "drop column \"c\" of foreign table \"f\"",
            ),
            (
                "alter table o drop constraint c",
                "drop constraint \"c\" of table \"o\"",
            ),
            (
                "alter table o alter n drop default",
                "drop the default of column \"n\" of table \"o\"",
            ),
            (
                "alter table o alter n set default null",
                "drop the default of column \"n\" of table \"o\"",
            ),
            (
                "alter table o alter n set default (null::text)::int",
                "drop the default of column \"n\" of table \"o\"",
            ),
            (
                "alter view v alter n drop default",
                "drop the default of column \"n\" of view \"v\"",
            ),
            (
                "alter table o alter n type bigint",
                "change the type of column \"n\" of table \"o\"",
            ),
            (
                "alter table o alter column n set data type bigint using n::bigint",
                "change the type of column \"n\" of table \"o\"",
            ),
            (
                "alter table o alter n drop expression",
                "change the expression of column \"n\" of table \"o\"",
            ),
            (
                "alter table o alter n set expression as (1)",
                "change the expression of column \"n\" of table \"o\"",
            ),
            (
                "alter table o alter n drop identity",
                "change the identity of column \"n\" of table \"o\"",
            ),
            (
                "alter table o alter n set generated always",
                "change the identity of column \"n\" of table \"o\"",
            ),
            (
                "alter table o alter constraint c deferrable",
                "alter a constraint of table \"o\"",
            ),
            (
                "alter table o disable trigger g",
                "disable trigger \"g\" of table \"o\"",
            ),
            (
                "alter table o enable replica trigger g",
                "disable trigger \"g\" of table \"o\"",
            ),
            (
                "alter table o disable trigger all",
                "disable the triggers of table \"o\"",
            ),
            (
                "alter table o disable trigger user",
                "disable the triggers of table \"o\"",
            ),
            (
                "alter table o disable rule r",
                "disable rule \"r\" of table \"o\"",
            ),
            (
                "alter table o enable rule r",
                "enable rule \"r\" of table \"o\"",
            ),
            (
                "alter table o disable row level security",
                "disable row-level security of table \"o\"",
            ),
            (
                "alter table o no force row level security",
                "disable row-level security of table \"o\"",
            ),
            (
                "alter table o detach partition p",
                "detach a partition of table \"o\"",
            ),
            (
                "alter table o detach partition p concurrently",
                "detach a partition of table \"o\"",
            ),
            (
                "alter table o detach partition p finalize",
                "detach a partition of table \"o\"",
            ),
            (
                "alter table o no inherit p",
                "change what table \"o\" inherits",
            ),
            ("alter table o set unlogged", "make table \"o\" unlogged"),
            (
                "alter table o replica identity nothing",
                "change the replica identity of table \"o\"",
            ),
            ("alter type t drop attribute a", "alter type \"t\""),
            ("alter type t add attribute a int", "alter type \"t\""),
            (
                "alter type t alter attribute a type int",
                "alter type \"t\"",
            ),
            (
                "alter domain d drop constraint c",
                "drop a constraint of domain \"d\"",
            ),
            (
                "alter domain d drop default",
                "drop the default of domain \"d\"",
            ),
            (
                "alter sequence s restart with 1",
                "change the numbers of sequence \"s\"",
            ),
            (
                "alter sequence s owned by t.id increment by 2",
                "change the numbers of sequence \"s\"",
            ),
        ],
    );
    assert_adds(&[
        "alter table orders add note text",
        "alter table orders add column if not exists note text",
        "alter table o alter n set default 0",
        "alter table o alter n set default now()",
        "alter table o alter n drop not null",
        "alter table o alter n set statistics 100",
        "alter table o alter n set (n_distinct = 5)",
        "alter table o alter n set storage external",
        "alter table o alter n set compression lz4",
        "alter table o alter n add generated by default as identity",
        "alter table o validate constraint c",
        "alter table o enable trigger g",
        "alter table o enable always trigger g",
        "alter table o enable trigger all",
        "alter table o enable row level security",
        "alter table o force row level security",
        "alter table o attach partition p for values in (1)",
        "alter table o inherit p",
        "alter table o set (fillfactor = 70, autovacuum_enabled = off)",
        "alter table o reset (toast.autovacuum_enabled)",
        "alter index i set (fillfactor = 70)",
        "alter table o set logged",
        "alter table o cluster on i",
        "alter table o set without cluster",
        "alter table o set tablespace t",
        "alter domain d set default 1",
        "alter domain d drop not null",
        "alter domain d validate constraint c",
    ]);
}

#[test]
fn what_refuses_rows_of_running_code() {
    assert_taken(
        Loss::Stricter,
        &[
            (
                "alter table o alter n set not null",
                "set column \"n\" of table \"o\" NOT NULL",
            ),
            (
                "alter table o add check (n > 0)",
                "add a CHECK constraint to table \"o\"",
            ),
            (
                "alter table o add constraint c check (n > 0) not valid",
                "add a CHECK constraint to table \"o\"",
            ),
            (
                "alter table o add unique (n)",
                "add a UNIQUE constraint to table \"o\"",
            ),
            (
                "alter table o add constraint c unique using index i",
                "add a UNIQUE constraint to table \"o\"",
            ),
            (
                "alter table o add primary key (n)",
                "add a PRIMARY KEY constraint to table \"o\"",
            ),
            (
                "alter table o add exclude using gist (n with &&)",
                "add an EXCLUDE constraint to table \"o\"",
            ),
            (
                "alter table o add foreign key (n) references p not valid",
                "add a FOREIGN KEY constraint to table \"o\"",
            ),
            (
                "alter table o add constraint c not null n",
                "add a NOT NULL constraint to table \"o\"",
            ),
            (
                "alter table o alter n add generated always as identity",
                "make column \"n\" of table \"o\" GENERATED ALWAYS",
            ),
            (
                "create unique index on o (n)",
                "create a unique index on table \"o\"",
            ),
            (
                "create unique index concurrently if not exists i on sales.o (n)",
                "create a unique index on table \"sales.o\"",
            ),
            (
                "create schema s create table t (id int) create unique index on t (id)",
                "create a unique index on table \"t\"",
            ),
            ("alter domain d set not null", "set domain \"d\" NOT NULL"),
            (
                "alter domain d add check (value > 0)",
                "add a constraint to domain \"d\"",
            ),
            (
                "create or replace view v as select 1 as n with check option",
                "replace view \"v\" with options",
            ),
            (
                "create or replace view v with (security_invoker) as select 1 as n",
                "replace view \"v\" with options",
            ),
        ],
    );
    assert_adds(&[
        "create index on o (n)",
        "create index concurrently i on o (lower(n))",
        "create table p (id int primary key, n int not null unique check (n > 0) references o)",
        "create schema s create table t (id int) create index on t (id)",
        "create or replace view v as select 1 as n",
        "create view v with (security_barrier) as select 1 as n with check option",
    ]);
}

#[test]
fn new_columns_must_suit_rows_of_code_that_does_not_know_them() {
    let without = |text: &str| {
        let what = "add NOT NULL column \"n\" without a default to table \"o\"";
        assert_eq!(
            taken(text),
            Some((Loss::NoValue, what.to_owned())),
            "{text}"
        );
    };
    for text in [
        "alter table o add n int not null",
        "alter table o add column n int constraint c not null",
        "alter table o add n int default null not null",
        "alter table o add n int not null default null::int",
        "alter table o add n int not null generated always as (a + 1) stored",
        "alter table o add m int, add n int not null",
        "alter table o add n sales.serial not null",
    ] {
        without(text);
    }
    let refused = |kind: &str, texts: &[&str]| {
        for text in texts {
            let what = format!("add column \"n\" with a {kind} constraint to table \"o\"");
            assert_eq!(taken(text), Some((Loss::Stricter, what)), "{text}");
        }
    };
    refused(
        "UNIQUE",
        &[
            "alter table o add n int unique nulls not distinct",
            "alter table o add n int default 1 unique",
            "alter table o add n uuid default gen_random_uuid() unique",
        ],
    );
    refused(
        "PRIMARY KEY",
        &[
            "alter table o add n int primary key",
            "alter table o add n int default 1 primary key",
        ],
    );
    refused(
        "FOREIGN KEY",
        &["alter table o add n int default 1 references p"],
    );
    refused(
        "CHECK",
        &[
            "alter table o add n int check (n is not null)",
            "alter table o add n int check (coalesce(n, 0) > 0)",
            "alter table o add n int check (m > 0)",
            "alter table o add n int check (n > m)",
            "alter table o add n int check (n > 0 and 1 = 2)",
            "alter table o add n int check (n is distinct from null)",
            "alter table o add n int check (array[1] @> array[n])",
            "alter table o add n int check (1 = any(array[n]))",
            "alter table o add n int check (1 in (n, 2))",
            "alter table o add n int check (f(n) > 0)",
            "alter table o add n int check (false)",
            "alter table o add n int check (o.n > 0)",
            "alter table o add n int default random() check (n > 0)",
        ],
    );
    assert_adds(&[
        "alter table o add n int",
        "alter table o add n int null default null",
        "alter table o add n int not null default 0",
        "alter table o add n timestamptz default now() not null",
        "alter table o add n int generated always as (a + 1) stored",
        "alter table o add n bigint generated always as identity",
        "alter table o add n bigint generated by default as identity primary key",
        "alter table o add n bigserial not null",
        "alter table o add n serial primary key",
        "alter table o add n int unique",
        "alter table o add n int references p on delete cascade deferrable",
        "alter table o add n int check (n > 0)",
        "alter table o add n text not null default 'new' check (n in ('new', 'paid'))",
        "alter table o add \"N\" text check (\"N\" = any (array['a'::text, 'b']))",
        "alter table o add n int check (n between 1 and 5 or not n = 7)",
        "alter table o add n text collate \"C\" check (n like 'a%')",
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
