//! What ALTER takes away, and what refuses rows of running code, each form beside a neighbour that does not.

use super::super::Loss;
use super::takes_away::{assert_adds, assert_taken, taken};

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
