//! DDL in all its disguises, and what looks like DDL and is not.

use super::super::{Class, describe};
use super::{facts, first_opinion, restricted, second_opinion};

#[test]
fn ddl_is_seen_in_every_disguise() {
    let disguises = [
        "select 1; drop table t",
        "select 1;;/* ; */;DROP\n/* */\tTABLE t;",
        "prepare p as select 1 into t",
        "prepare p (int, text) as with x as (select 1) select * into t from x",
        "prepare transaction as select 1 into t",
        "explain analyze create table t as select 1",
        "explain (analyze) create table t as select 1",
        "explain (analyze on, buffers) create table t as select 1",
        "explain (\"analyze\") create table t as select 1",
        "explain (U&\"\\0061nalyze\" true) create table t as select 1",
        "explain (analyze 1) select 1 into t",
        "explain (analyze off, analyze on) create table t as select 1",
        "explain (costs off, analyse) create materialized view v as select 1",
        "explain analyse verbose select 1 into t",
        "EXPLAIN ANALYZE CREATE TABLE t AS EXECUTE p",
        "select 1 into t",
        "select 1 into temp table t",
        "(select 1 into t)",
        "((select 1 into t) union select 2)",
        "select 1 into t union select 2",
        "select a.as into t from a",
        "select 1 as as into t",
        "select 1 as into into t",
        "select 1 union select f() insert into t from g",
        "select insert into t from (select 1 as insert) s",
        "select f() insert into t from g",
        "select f() merge into t from g",
        "with x as (select 1) select f() insert into t from x",
        "with x as (insert into u values (1) returning *) select * into t from x",
        "with insert as (select 1) select * into t from insert",
        "insert into u select 1 into t",
        "INSERT INTO u (a) SELECT 1 AS into INTO t",
        "explain analyze insert into u select * into t from a",
        "values (1); select a.* into t from a",
        "declare c cursor for select 1 into t",
        "create table t as select 1",
        "create table t (a, b) as values (1, 2)",
        "create table if not exists t as table u",
        "create unlogged table t as execute p",
        "create local temporary table t (a int) on commit drop",
        "create schema s create table t (a int) create view v as select 1 grant select on t to u",
        "create or replace function f() returns int begin atomic select 1; select 2; end",
        "create rule r as on insert to t do also (delete from u; select 1)",
        "create foreign table t (a int) server s",
        "truncate t",
        "comment on table t is 'x'",
        "security label on table t is 'x'",
        "refresh materialized view v",
        "import foreign schema a from server b into c",
        "alter table t rename to u",
        "drop owned by u",
        "reindex table t",
    ];
    for text in disguises {
        let facts = facts(text);
        assert!(
            facts.classes.intersects(restricted()),
            "{text}: {:?}",
            facts.classes
        );
        assert!(facts.fingerprint.is_some(), "{text}");
        // Each opinion must hold without the other.
        for opinion in [first_opinion(text), second_opinion(text)] {
            assert!(opinion.intersects(restricted()), "{text}: {opinion:?}");
        }
    }
}

#[test]
fn other_restricted_statements_have_their_class() {
    let table = [
        (
            "do $$ begin execute 'drop table t'; end $$",
            Class::Procedural,
        ),
        ("DO LANGUAGE plpgsql 'begin end'", Class::Procedural),
        ("call p(1)", Class::Procedural),
        ("explain analyze execute p(1)", Class::Execute),
        ("copy t to program 'sh'", Class::CopyProgram),
        (
            "copy t (a, b) from program 'sh' with (format csv)",
            Class::CopyProgram,
        ),
        ("copy (select 1) to program $$sh$$", Class::CopyProgram),
        ("copy binary t from '/etc/passwd'", Class::CopyFile),
        ("copy s.t to E'/tmp/x'", Class::CopyFile),
        ("copy \"from\".\"to\" from stdin", Class::CopyIn),
        ("copy t from stdout", Class::CopyIn),
        ("copy (select 1) to stdout", Class::CopyOut),
        ("copy t.from to stdin", Class::CopyOut),
        ("create role r", Class::Role),
        ("create user u password 'x'", Class::Role),
        ("alter user u superuser", Class::Role),
        ("drop group g", Class::Role),
        ("grant select on t to u", Class::Role),
        ("grant a to b", Class::Role),
        ("revoke all on schema s from public", Class::Role),
        ("reassign owned by a to b", Class::Role),
        (
            "alter default privileges grant select on tables to u",
            Class::Role,
        ),
        ("create user mapping for u server s", Class::Ddl),
        ("set role r", Class::RoleChange),
        ("set \"ROLE\" to r", Class::RoleChange),
        ("set local session authorization u", Class::RoleChange),
        ("reset session authorization", Class::RoleChange),
        ("reset role", Class::RoleChange),
        (
            "select set_config('Role', 'admin', true)",
            Class::RoleChange,
        ),
        ("discard all", Class::SessionState),
        ("discard temp", Class::SessionState),
        ("load 'plugin'", Class::SessionState),
        (
            "declare c binary cursor /* */ WITH\nhold for select 1",
            Class::SessionState,
        ),
        ("vacuum full t", Class::Maintenance),
        ("analyze", Class::Maintenance),
        ("cluster t using i", Class::Maintenance),
        ("checkpoint", Class::Maintenance),
        ("alter system set x = 1", Class::Maintenance),
        ("lock table t in share mode", Class::Lock),
        ("listen c", Class::Notify),
        ("deallocate all", Class::Deallocate),
    ];
    for (text, class) in table {
        let facts = facts(text);
        assert!(facts.classes.has(class), "{text}: {:?}", facts.classes);
        // Each opinion must hold without the other; only the first one reads function calls.
        assert!(first_opinion(text).has(class), "{text}");
        assert!(
            second_opinion(text).has(class) || text.contains("set_config"),
            "{text}"
        );
    }
}

#[test]
fn walsender_commands_are_refused() {
    let facts = describe(b"START_REPLICATION SLOT s LOGICAL 0/0");
    assert!(facts.classes.has(Class::Replication));
    assert!(facts.undescribed.is_some());
}

/// What applications write all day must not be taken for any of the above.
#[test]
fn ordinary_statements_pass() {
    let ordinary = [
        "select 1",
        "SELECT 'drop table x'",
        "select $$drop table x; grant all$$, $a$ into $a$",
        "select 1 -- drop table x\n",
        "select /* into t; create table t */ 1",
        "select \"table\", \"into\", \"drop\" from \"create\"",
        "select t.into from t",
        "select 1 as into",
        "select xmlelement(name into, 'x')",
        "select a.as as into from a",
        "select 1 as create, 2 as drop, 3 as grant",
        "select create_date, dropped, setting from grants",
        "select count(insert), max(update) from t where (delete)",
        "select e'\\'; drop table t; --'",
        "select U&'\\0027; drop table t'",
        "insert into t (a) values ('create table') returning id",
        "insert into t select * from u",
        "insert into t with x as (select 1) select * from x",
        "with x as (select 1) insert into t select * from x",
        "with x as (insert into t values (1) returning *) select * from x",
        "with recursive x(n) as (select 1 union all select n + 1 from x) search depth first by n set o select * from x",
        "with insert as (select 1), update (a) as (select 2) select * from insert, update",
        "merge into t using u on t.a = u.a when matched then update set b = 1 when not matched then insert values (1)",
        "update t set a = 1 from u where t.id = u.id returning *",
        "delete from t using u where t.id = u.id",
        "select * from t for update of t skip locked",
        "select * from t order by \"createdAt\" desc limit $1 offset $2",
        "SELECT \"app_user\".\"id\", COUNT(\"app_order\".\"id\") AS \"n\" FROM \"app_user\" LEFT OUTER JOIN \"app_order\" ON (\"app_user\".\"id\" = \"app_order\".\"user_id\") WHERE \"app_user\".\"email\" LIKE '%drop%' GROUP BY \"app_user\".\"id\" HAVING COUNT(*) > 3",
        "explain select 1",
        "explain (values (1))",
        "explain (select 1)",
        "explain (analyze off, format json) select 1",
        "explain analyze select 1",
        "explain analyze insert into t values (1)",
        "begin; insert into t values (1); commit",
        "fetch 10 from c",
        "declare c no scroll cursor without hold for select 1",
        "show all",
        "table t",
        "values (1), (2)",
        "select current_setting('app.zone')",
        "select a ? 'create', b @> '{}', c ->> 'drop' from t",
        "select 1;",
    ];
    for text in ordinary {
        let facts = facts(text);
        assert!(
            !facts.classes.intersects(restricted()),
            "{text}: {:?}",
            facts.classes
        );
        assert!(facts.fingerprint().is_none(), "{text}");
        assert!(!first_opinion(text).intersects(restricted()), "{text}");
    }
}

#[test]
fn writes_are_told_from_reads() {
    let table = [
        ("select 1", false),
        ("select count(delete), count(update) from t", false),
        ("select * from t for update", false),
        ("explain insert into t values (1)", false),
        ("explain analyze insert into t values (1)", true),
        ("prepare p as delete from t", true),
        ("copy (delete from t returning *) to stdout", true),
        (
            "with recursive x as (select 1 a) search depth first by a set set delete from t",
            true,
        ),
        ("with recursive recursive as (select 1) delete from t", true),
        (
            "with x as (delete from t returning *) select * from x",
            true,
        ),
        (
            "select (with x as (update only t set a = 1 returning *) select 1 from x)",
            true,
        ),
        (
            "with x as (with y as (merge into t using u on true when matched then delete) select 1) select 1",
            true,
        ),
        ("with x as (select 1) update t set a = 1", true),
        ("insert into t default values", true),
    ];
    for (text, write) in table {
        for opinion in [
            facts(text).classes,
            first_opinion(text),
            second_opinion(text),
        ] {
            assert_eq!(opinion.has(Class::Write), write, "{text}: {opinion:?}");
        }
    }
}
