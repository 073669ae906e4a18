//! Which relations and functions a statement names.

use super::super::{Depth, Details, RelationAct, describe_at};

fn details(text: &str) -> Details {
    let mut facts = describe_at(text.as_bytes(), Depth::Names);
    assert_eq!(facts.undescribed, None, "{text}");
    assert_eq!(facts.statements.len(), 1, "{text}");
    facts.statements.remove(0).details
}

/// `read:t define:s.u`, in alphabetical order; `?` when it cannot be told.
fn relations(text: &str) -> String {
    let Some(touches) = details(text).relations else {
        return "?".into();
    };
    let mut names: Vec<String> = touches
        .iter()
        .map(|touch| {
            let act = match touch.act {
                RelationAct::Read => "read",
                RelationAct::Insert => "insert",
                RelationAct::Update => "update",
                RelationAct::Delete => "delete",
                RelationAct::Truncate => "truncate",
                RelationAct::Lock => "lock",
                RelationAct::Define => "define",
            };
            let schema = touch.relation.schema.as_ref();
            let schema = schema.map_or(String::new(), |schema| format!("{schema}."));
            format!("{act}:{schema}{}", touch.relation.name)
        })
        .collect();
    names.sort();
    names.join(" ")
}

fn calls(text: &str) -> String {
    let Some(calls) = details(text).calls else {
        return "?".into();
    };
    let mut names: Vec<String> = calls
        .iter()
        .map(|call| match &call.schema {
            Some(schema) => format!("{schema}.{}", call.name),
            None => call.name.to_string(),
        })
        .collect();
    names.sort();
    names.join(" ")
}

fn all(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(relations(text), *expected, "{text}");
    }
}

#[test]
fn relations_of_queries() {
    all(&[
        ("select 1", ""),
        ("select * from t", "read:t"),
        ("select * from db.S.T, \"S\".\"T\"", "read:S.T read:s.t"),
        ("select * from U&\"\\0061udit\"", "read:audit"),
        ("table t", "read:t"),
        (
            "select (select a from b), c from d join (e cross join f) on exists (select from g) where h in (table i) \
             group by (select 1 from j) having (select true from k) order by (select 1 from l) limit (select 1 from m)",
            "read:b read:d read:e read:f read:g read:i read:j read:k read:l read:m",
        ),
        ("select * from t t1, t t2, only (t)", "read:t"),
        (
            "select * from a union (select * from b except select * from c)",
            "read:a read:b read:c",
        ),
        (
            "select * from lateral (select * from a) x, generate_series(1, (select n from b)) g, rows from (f((select 1 from c)))",
            "read:a read:b read:c",
        ),
        ("values ((select 1 from t))", "read:t"),
        (
            "select case when (select true from a) then array(select b from b) end, row((select 1 from c)), \
             (select x from d)[1], coalesce((select 1 from e), 0), sum(1) filter (where exists (table f)) over w \
             from t window w as (partition by (select 1 from g))",
            "read:a read:b read:c read:d read:e read:f read:g read:t",
        ),
        (
            "select * from a tablesample bernoulli ((select 1 from b))",
            "read:a read:b",
        ),
        (
            "select * from xmltable('/' passing (select x from a) columns b text default (select d from c))",
            "read:a read:c",
        ),
        (
            "select * from json_table((select j from a), '$' columns (b int))",
            "read:a",
        ),
        ("select 1 into s.u from t", "define:s.u read:t"),
        ("select 't'::regclass, t.x from y as t", "read:y"),
    ]);
}

#[test]
fn relations_of_writes() {
    all(&[
        ("insert into t values (1)", "insert:t"),
        (
            "insert into t select * from u on conflict (a) do update set b = (select c from v) where exists (table w)",
            "insert:t read:u read:v read:w update:t",
        ),
        (
            "insert into t values (1) on conflict do nothing",
            "insert:t",
        ),
        (
            "insert into t values (1) returning (select a from u)",
            "insert:t read:u",
        ),
        (
            "update only t x set a = (select 1 from v) from u where x.a = u.a",
            "read:u read:v update:t",
        ),
        ("update t set a = 1 from t y", "read:t update:t"),
        (
            "delete from t using u where a in (select b from v)",
            "delete:t read:u read:v",
        ),
        (
            "merge into t using (select * from u) s on t.a = s.a when matched and s.b then update set c = (select 1 from v) \
             when matched then delete when not matched then insert values (1)",
            "delete:t insert:t read:t read:u read:v update:t",
        ),
        (
            "merge into t using u on true when matched then do nothing",
            "read:t read:u",
        ),
        ("copy t from stdin", "insert:t"),
        ("copy s.t (a) to stdout", "read:s.t"),
        (
            "copy (select * from t join u using (a)) to stdout",
            "read:t read:u",
        ),
        ("truncate a, only s.b", "truncate:a truncate:s.b"),
        ("lock table a, b in share mode", "lock:a lock:b"),
        ("truncate a cascade", "?"),
    ]);
}

#[test]
fn relations_of_row_locks() {
    all(&[
        ("select * from t for update", "lock:t read:t"),
        // Names behind OF are aliases.
        (
            "select * from t x, u for share of x",
            "lock:t lock:u read:t read:u",
        ),
        (
            "select *, (select 1 from v) from (select * from t) x where exists (table u) for update",
            "lock:t read:t read:u read:v",
        ),
        (
            "select * from (select * from t for update) x, u",
            "lock:t read:t read:u",
        ),
        (
            "with x as (select * from t) select * from x, u for update",
            "lock:u read:t read:u",
        ),
    ]);
}

#[test]
fn names_of_ctes_are_no_relations_where_they_are_in_scope() {
    all(&[
        ("with x as (select * from t) select * from x", "read:t"),
        ("with x as (select 1) select * from s.x", "read:s.x"),
        ("with \"X\" as (select 1) select * from x", "read:x"),
        ("with x as (select * from x) select * from x", "read:x"),
        (
            "with a as (select * from b), b as (select * from a) select * from a, b",
            "read:b",
        ),
        (
            "with recursive a as (select * from b), b as (select * from a) select * from a, b",
            "",
        ),
        (
            "with recursive x as (select 1 union all select * from x) select * from x",
            "",
        ),
        (
            "select * from (with x as (select 1) select * from x) y, x",
            "read:x",
        ),
        (
            "with x as (select 1) select (select 1 from x where exists (with y as (table x) select from y, z))",
            "read:z",
        ),
        // A target is never a CTE.
        (
            "with x as (select 1) insert into x select * from x",
            "insert:x",
        ),
        ("with x as (select 1) update x set a = 1 from x", "update:x"),
        ("with x as (select 1) delete from x using x", "delete:x"),
        (
            "with x as (select 1) merge into x using x on true when matched then delete",
            "delete:x read:x",
        ),
        (
            "with x as (insert into x select * from t returning *), y as (delete from u using x) select * from x, y",
            "delete:u insert:x read:t",
        ),
        ("with x as (select 1) select 1 into x from x", "define:x"),
        (
            "with x as (select 1) (select * from x union select * from y) order by 1",
            "read:y",
        ),
    ]);
}

#[test]
fn a_name_below_many_withs_counts_as_a_relation() {
    let nested = |depth: usize| {
        let inner = (0..depth).fold("select * from x".to_owned(), |query, n| {
            format!("with y{n} as (select 1) select * from ({query}) q{n}")
        });
        relations(&format!(
            "with x as (select 1) {}",
            &inner.replacen("with ", ", ", 1)
        ))
    };
    assert_eq!(nested(10), "");
    assert_eq!(nested(100), "read:x");
}

#[test]
fn relations_of_statements_in_statements() {
    all(&[
        ("explain delete from t", "delete:t"),
        (
            "explain analyze create table u as table t",
            "define:u read:t",
        ),
        (
            "prepare p as insert into t select * from u",
            "insert:t read:u",
        ),
        ("declare c cursor for select * from t", "read:t"),
        ("create view v as select * from t", "define:v read:t"),
        (
            "create materialized view v as with x as (table t) select * from x",
            "define:v read:t",
        ),
        (
            "create schema s create table t (a int) create view v as select * from u",
            "define:t define:v read:u",
        ),
        (
            "create rule r as on insert to t do also (insert into u values (new.a); delete from v)",
            "define:t delete:v insert:u",
        ),
        (
            "create function f() returns int begin atomic select a from t; delete from u; end",
            "delete:u read:t",
        ),
        ("execute p", "?"),
        ("create table t as execute p", "?"),
        ("do 'begin end'", "?"),
    ]);
}

#[test]
fn relations_of_definitions() {
    all(&[
        (
            "create table t (a int references u (b) default f((select 1 from w)), like v, check (a > 0)) inherits (p)",
            "define:p define:t read:u read:v read:w",
        ),
        (
            "create table t partition of p for values in (1)",
            "define:p define:t",
        ),
        (
            "alter table s.t add column a int, drop column b",
            "define:s.t",
        ),
        (
            "alter table t add foreign key (a) references u, alter b set default 1",
            "define:t read:u",
        ),
        (
            "alter table t attach partition s.p for values from (1) to (2)",
            "define:s.p define:t",
        ),
        ("alter table t inherit p", "define:t read:p"),
        ("alter table t rename to u", "define:t define:u"),
        ("alter table a.t set schema b", "define:a.t define:b.t"),
        ("alter table t rename column a to b", "define:t"),
        ("alter index i rename to j", "define:i define:j"),
        ("alter table t owner to boss", "define:t"),
        ("alter sequence q owned by s.t.c", "define:q define:s.t"),
        (
            "create unique index on t (lower(a), (b + 1)) where c > 0",
            "define:t",
        ),
        ("drop table if exists a, s.b", "define:a define:s.b"),
        ("drop table a cascade", "?"),
        ("drop view v", "define:v"),
        ("drop trigger g on s.t", "define:s.t"),
        ("drop policy p on t", "define:t"),
        ("drop function f(int)", ""),
        ("drop schema s cascade", "?"),
        (
            "create policy p on t using (a in (select b from u))",
            "define:t read:u",
        ),
        (
            "create trigger g before insert on t for each row execute function f()",
            "define:t",
        ),
        ("comment on table t is 'x'", "define:t"),
        ("comment on column s.t.c is 'x'", "define:s.t"),
        ("comment on function f() is 'x'", ""),
        ("grant select on t, s.u to boss", "define:s.u define:t"),
        ("grant select on all tables in schema s to boss", "?"),
        ("grant execute on function f() to boss", ""),
        ("grant admin to boss", ""),
        ("refresh materialized view v", "define:v"),
        ("vacuum t", "read:t"),
        ("reindex table t", "define:t"),
        ("reindex schema s", "?"),
        ("cluster", "?"),
        ("create foreign table t (a int) server s", "?"),
        (
            "create publication p for table t, s.u where (a in (select b from v))",
            "read:s.u read:t read:v",
        ),
        ("alter publication p add table t", "read:t"),
        ("create publication p for tables in schema s", "?"),
        ("create publication p for all tables", "?"),
        ("alter extension x add table t", "define:t"),
        ("create extension citext", ""),
        ("create role boss", ""),
        (
            "create function f() returns int language sql as 'delete from t'",
            "",
        ),
        ("set role boss", ""),
        ("begin", ""),
        ("show all", ""),
        ("fetch c", ""),
    ]);
}

#[test]
fn functions_are_named_as_the_server_stores_them() {
    for (text, expected) in [
        ("select 1 + 2, 'a' || 'b', a::text, b from t", ""),
        (
            "select F(1), s.g(2), db.\"S\".h(3), U&\"\\0069\"(4), \"Count\"(*)",
            "Count S.h f i s.g",
        ),
        (
            "select coalesce(a, nullif(b, 1)), greatest(1, 2), case when true then 1 end, current_date, row(1)",
            "",
        ),
        (
            "select f(g(h())) from i() where j() group by k() order by l() limit m()",
            "f g h i j k l m",
        ),
        ("select f(), f(1), s.f()", "f s.f"),
        ("select extract(year from now())", "now pg_catalog.extract"),
        ("select (t).f, (g()).x from t", "f g x"),
        ("select t.f from t", ""),
        (
            "select * from t tablesample s.f (1) repeatable (g()), u tablesample system (h())",
            "g h s.f system",
        ),
        (
            "insert into t values (f()) on conflict do update set a = g() returning h()",
            "f g h",
        ),
        (
            "with x as (delete from t where f() returning g()) select sum(a) filter (where h()) over (order by i()) from x",
            "f g h i sum",
        ),
        ("call p(f())", "f p"),
        ("copy t from stdin where f(a)", "f"),
        ("explain select f()", "f"),
        ("create table t (a int default f(), check (g(a)))", "f g"),
        (
            "create trigger g before insert on t for each row when (h(new.a)) execute function s.f()",
            "h s.f",
        ),
        ("execute p(f())", "?"),
        ("do 'begin perform f(); end'", "?"),
    ] {
        assert_eq!(calls(text), expected, "{text}");
    }
}

#[test]
fn more_names_than_can_be_kept_are_not_told() {
    let list = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
        names.join(", ")
    };
    let named = |count| details(&format!("select * from {}", list(count))).relations;
    assert_eq!(named(1000).map(|list| list.len()), Some(1000));
    assert_eq!(named(1001), None);
    let calls = |count| {
        let names: Vec<String> = (0..count).map(|n| format!("f{n}()")).collect();
        details(&format!("select {}", names.join(", "))).calls
    };
    assert_eq!(calls(1000).map(|list| list.len()), Some(1000));
    assert_eq!(calls(1001), None);
    let same = format!("insert into t values (now()){}", ", (now())".repeat(5000));
    assert_eq!(details(&same).calls.map(|list| list.len()), Some(1));
}
