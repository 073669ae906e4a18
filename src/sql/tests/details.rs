//! What the top of a statement shows: INTO, temporary objects, row locks, extensions, roles.

use super::super::{
    Depth, Details, ExtensionAct, ExtensionTouch, RoleTouch, describe, describe_at,
};
use super::facts;

/// The details of the only statement of a text.
fn details(text: &str) -> Details {
    let mut facts = facts(text);
    assert_eq!(facts.statements.len(), 1, "{text}");
    facts.statements.remove(0).details
}

#[test]
fn update_and_delete_without_where_are_seen_wherever_they_run() {
    for text in [
        "update t set a = 1",
        "DELETE FROM t",
        "delete from t using u returning *",
        "update t set a = 1 from u where_clause",
        "with x as (delete from t returning a) select * from x where a = 1",
        "with x as (select 1) update t set a = 1",
        "with x as (with y as (update t set a = 2 returning a) select * from y) insert into u select * from x",
        "explain analyze delete from t",
        "explain (analyze) update t set a = 1",
        "prepare p as delete from t",
        "copy (delete from t returning a) to stdout",
        "create table u as with x as (delete from t returning *) select * from x",
    ] {
        assert!(details(text).missing_where, "{text}");
    }
    for text in [
        "update t set a = 1 where true",
        "delete from t where current of c",
        "explain delete from t",
        "explain (analyze off) delete from t",
        "with x as (delete from t where a = 1 returning a) select * from x",
        "select 'delete from t'",
        "insert into t select * from u",
        "merge into t using u on t.a = u.a when matched then delete",
        "create function f() returns void begin atomic delete from t; end",
        "truncate t",
        "select 1 as delete, 2 as update from t",
    ] {
        assert!(!details(text).missing_where, "{text}");
    }
}

#[test]
fn row_locks_are_seen_in_subqueries() {
    for text in [
        "select * from t for update",
        "select * from t where a = 1 for no key update of t skip locked",
        "select * from (select * from t for share) s",
        "with x as (select * from t for key share) select * from x",
        "insert into u select * from t for update nowait",
        "declare c cursor for select * from t for update",
        "select 1 where exists (select from t for update)",
    ] {
        assert!(details(text).row_lock, "{text}");
    }
    for text in [
        "select * from t",
        "select 'for update'",
        "select a as for, update from t",
        "select * from t for read only",
        "select substring(a for share) from t",
        "update t set a = 1 where b = 2",
    ] {
        assert!(!details(text).row_lock, "{text}");
    }
}

#[test]
fn tables_made_from_queries_are_seen() {
    for text in [
        "select 1 into t",
        "create table t as select 1",
        "create table if not exists t as table u with no data",
        "explain analyze create table t as select 1",
        "create temp table t as execute p",
        "select 1 into t union select 2",
    ] {
        assert!(details(text).into, "{text}");
    }
    for text in [
        "insert into t values (1)",
        "create table t (a int)",
        "create materialized view v as select 1",
        "select 1 as into",
    ] {
        assert!(!details(text).into, "{text}");
    }
}

#[test]
fn temporary_objects_are_seen_by_word_and_by_schema() {
    for text in [
        "create temp table t (a int)",
        "create local temporary table t (a int)",
        "create temporary view v as select 1",
        "create or replace temp recursive view v (a) as select 1",
        "create temp sequence s",
        "select 1 into temp t",
        "select 1 into pg_temp.t",
        "create table PG_TEMP.t (a int)",
        "create table \"pg_temp\".t as select 1",
        "create table U&\"pg\\005ftemp\".t (a int)",
        "create table pg_temp_3.t (a int)",
        "create temp table t as select 1",
        "explain analyze create temp table t as select 1",
        "create view pg_temp.v as select 1",
        "create function pg_temp.f() returns int language sql as 'select 1'",
        "create type pg_temp.t as (a int)",
        "create type pg_temp.t as enum ('a')",
        "create domain pg_temp.d as int",
        "create foreign table pg_temp.t (a int) server s",
        "alter table t set schema pg_temp",
    ] {
        assert!(details(text).temporary, "{text}");
    }
    for text in [
        "create table t (temp int)",
        "create unlogged table t (a int)",
        "create table \"PG_TEMP\".t (a int)",
        "create table temp as select 1",
        "create view v as select * from pg_temp.t",
        "select * from pg_temp.t",
        "create foreign table t (a int) server s",
        "insert into pg_temp.t values (1)",
        "drop table pg_temp.t",
    ] {
        assert!(!details(text).temporary, "{text}");
    }
}

#[test]
fn extensions_are_named_as_the_server_stores_them() {
    let one = |name: &str, act| {
        vec![ExtensionTouch {
            name: name.into(),
            act,
        }]
    };
    let create = |cascade, version: Option<&str>| ExtensionAct::Create {
        cascade,
        version: version.map(Box::from),
    };
    let update = |version: Option<&str>| ExtensionAct::Update {
        version: version.map(Box::from),
    };
    for (text, expected) in [
        (
            "create extension Citext",
            one("citext", create(false, None)),
        ),
        (
            "create extension if not exists \"uuid-ossp\" with schema public version '1.1' cascade",
            one("uuid-ossp", create(true, Some("1.1"))),
        ),
        (
            "create extension U&\"d\\0062link\" version v2",
            one("dblink", create(false, Some("v2"))),
        ),
        (
            "create /* extension a */ extension U&\"d!0062link\" uescape '!'",
            one("dblink", create(false, None)),
        ),
        ("alter extension a update", one("a", update(None))),
        (
            "alter extension a update to \"2.0\"",
            one("a", update(Some("2.0"))),
        ),
        (
            "alter extension a add table t",
            one("a", ExtensionAct::Alter),
        ),
        (
            "alter extension a drop function f(int)",
            one("a", ExtensionAct::Alter),
        ),
        (
            "alter extension \"A\" set schema s",
            one("A", ExtensionAct::Alter),
        ),
        (
            "drop extension if exists a, B cascade",
            [one("a", ExtensionAct::Drop), one("b", ExtensionAct::Drop)].concat(),
        ),
        ("comment on extension a is 'create extension b'", Vec::new()),
        ("select extension from create_extension", Vec::new()),
    ] {
        assert_eq!(*details(text).extensions, *expected, "{text}");
    }
}

#[test]
fn roles_are_seen_in_every_spelling() {
    let touch = |role: Option<&str>, local, authorization| {
        Some(RoleTouch {
            role: role.map(Box::from),
            local,
            authorization,
        })
    };
    for (text, expected) in [
        ("set role Boss", touch(Some("boss"), false, false)),
        ("set local role \"Boss\"", touch(Some("Boss"), true, false)),
        ("set session role 'boss'", touch(Some("boss"), false, false)),
        ("set role = boss", touch(Some("boss"), false, false)),
        (
            "set role to U&\"\\0062oss\"",
            touch(Some("boss"), false, false),
        ),
        ("set role none", touch(None, false, false)),
        ("set role to default", touch(None, false, false)),
        ("reset role", touch(None, false, false)),
        (
            "set session authorization boss",
            touch(Some("boss"), false, true),
        ),
        (
            "set local session authorization 'boss'",
            touch(Some("boss"), true, true),
        ),
        (
            "set session authorization default",
            touch(None, false, true),
        ),
        ("reset session authorization", touch(None, false, true)),
        (
            "set session_authorization to boss",
            touch(Some("boss"), false, true),
        ),
        (
            "select set_config('role', 'boss', true)",
            touch(Some("boss"), true, false),
        ),
        (
            "select set_config('ROLE', 'none', false)",
            touch(None, false, false),
        ),
        // What cannot be told is nobody's name.
        (
            "select set_config('role', $1, true)",
            touch(Some(""), true, false),
        ),
        (
            "select set_config('role', 'app', true), set_config('role', 'boss', false)",
            touch(Some(""), false, false),
        ),
        (
            "alter function f() set role = boss",
            touch(Some(""), false, false),
        ),
        ("set search_path = role", None),
        ("select 'set role boss'", None),
        ("alter role boss set work_mem = 1", None),
    ] {
        assert_eq!(details(text).role.map(|role| *role), expected, "{text}");
    }
}

#[test]
fn what_may_be_refused_for_its_details_has_a_name() {
    for text in ["update t set a = 1", "explain analyze delete from t"] {
        assert!(facts(text).fingerprint.is_some(), "{text}");
    }
    for text in ["update t set a = 1 where b = 2", "select * from t", "begin"] {
        assert_eq!(facts(text).fingerprint(), None, "{text}");
        let named = describe_at(text.as_bytes(), Depth::Names);
        assert!(named.fingerprint.is_some(), "{text}");
    }
}

#[test]
fn depth_changes_nothing_but_names() {
    for text in [
        "update t set a = 1; select f(1) from u for update",
        "create temp table t as select 1",
        "create extension a cascade",
        "set role boss",
        "selec 1",
        "",
    ] {
        let mut named = describe_at(text.as_bytes(), Depth::Names);
        for statement in &mut named.statements {
            statement.details.relations = None;
            statement.details.calls = None;
        }
        let surface = describe(text.as_bytes());
        named.fingerprint = surface.fingerprint.clone();
        assert_eq!(named, surface, "{text}");
    }
}

#[test]
fn deallocate_of_a_name_is_seen_and_keeps_its_length() {
    for (text, name, sent) in [
        ("deallocate s", "s", "UNLISTEN   s"),
        (
            "/* a */ DEALLOCATE Prepare S",
            "S",
            "/* a */ UNLISTEN           S",
        ),
        ("deallocate \"S\"", "S", "UNLISTEN   \"S\""),
        ("deallocate prepare", "prepare", "UNLISTEN   prepare"),
        (
            "deallocate prepare \"all\"",
            "all",
            "UNLISTEN           \"all\"",
        ),
        ("deallocate U&\"\\00e4\"", "ä", "UNLISTEN   U&\"\\00e4\""),
    ] {
        let localized = details(text).localized.expect(text);
        let name = match name {
            "S" if !text.contains('"') => "s",
            name => name,
        };
        assert_eq!(localized.deallocates.as_deref(), Some(name), "{text}");
        let mut edited = text.as_bytes().to_vec();
        for edit in &localized.edits {
            let at = edit.at as usize;
            edited[at..at + edit.kind.replaces()].copy_from_slice(edit.kind.text());
        }
        assert_eq!(String::from_utf8_lossy(&edited), sent);
    }
    for text in [
        "deallocate all",
        "deallocate prepare all",
        "select 1",
        "unlisten s",
    ] {
        assert_eq!(details(text).localized, None, "{text}");
    }
    assert_eq!(
        facts("deallocate prepare all").statements[0].tag,
        "DEALLOCATE ALL"
    );
}
