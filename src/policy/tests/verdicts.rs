//! Verdicts of the shipped production policy on real texts.

use std::sync::Arc;

use super::super::guards::fixture::{CLOSED, OPEN};
use super::super::*;

/// The verdict of the shipped production policy on a real text: `None` = allowed.
fn judge(login: &str, database: &str, state: State, text: &str) -> Option<Refusal> {
    let (policy, _) = Policy::parse(
        include_str!("../../../policies/production.toml"),
        "production.toml",
    )
    .unwrap();
    let policy = Arc::new(policy);
    let who = Who {
        login: policy.logins[login].clone(),
        policy,
        database: database.into(),
    };
    match decide(&crate::sql::describe(text.as_bytes()), &who, state).verdict {
        Verdict::Allow => None,
        Verdict::Refuse(refusal) => Some(*refusal),
    }
}

#[test]
fn real_texts_are_refused_by_the_guard_that_is_meant() {
    for (text, guard, message) in [
        (
            "create table t (id int)",
            Guard::DdlOutsideMigration,
            "cannot execute CREATE TABLE outside a migration session",
        ),
        (
            "explain analyze create table h as select 1",
            Guard::DdlOutsideMigration,
            "cannot execute CREATE TABLE AS outside a migration session",
        ),
        (
            "grant all on t to public",
            Guard::DdlOutsideMigration,
            "cannot execute GRANT outside a migration session",
        ),
        (
            "vacuum full t",
            Guard::Maintenance,
            "cannot execute VACUUM outside a migration session",
        ),
        (
            "do $$ begin end $$",
            Guard::Procedural,
            "cannot execute DO outside a migration session",
        ),
        (
            "copy t to program 'sh'",
            Guard::CopyProgram,
            "cannot COPY to or from a program on the server",
        ),
        (
            "copy t from '/etc/passwd'",
            Guard::CopyFile,
            "cannot COPY to or from a file on the server",
        ),
        (
            "select query_to_xml('x', true, true, '')",
            Guard::DangerousFunctions,
            "function query_to_xml() is not allowed",
        ),
        (
            "set role postgres",
            Guard::RoleChange,
            "login \"shop_acme\" cannot act as another role",
        ),
        (
            "select set_config('role', 'postgres', false)",
            Guard::RoleChange,
            "login \"shop_acme\" cannot act as another role",
        ),
        (
            "set client_encoding = 'SJIS'",
            Guard::LexingParameters,
            "parameter \"client_encoding\" cannot be set to \"SJIS\"",
        ),
        (
            "set names 'latin1'",
            Guard::LexingParameters,
            "parameter \"client_encoding\" cannot be set to \"latin1\"",
        ),
        (
            "set app.tenant_id = 'globex'",
            Guard::ZoneNotGranted,
            "tenant \"globex\" is not granted to login \"shop_acme\"",
        ),
        (
            "SET LOCAL \"APP\".Tenant_id TO globex",
            Guard::ZoneNotGranted,
            "tenant \"globex\" is not granted to login \"shop_acme\"",
        ),
        (
            "select set_config('app.tenant_id', '*', true)",
            Guard::ZoneNotGranted,
            "tenant \"*\" is not granted to login \"shop_acme\"",
        ),
        (
            "set app.tenant_id = 'acme'",
            Guard::ZoneParameter,
            "tenant of login \"shop_acme\" is fixed and cannot be set, reset or discarded",
        ),
        (
            "select set_config('app.tenant_id', 'a' || 'b', true)",
            Guard::ZoneParameter,
            "tenant of login \"shop_acme\" is fixed and cannot be set, reset or discarded",
        ),
        (
            "reset all; select 1",
            Guard::ZoneParameter,
            "tenant of login \"shop_acme\" is fixed and cannot be set, reset or discarded",
        ),
        (
            "select set_config($1, $2, true)",
            Guard::ZoneParameter,
            "cannot tell whether this sets the tenant of login \"shop_acme\", which is fixed",
        ),
        (
            "copy t from stdin; select 1",
            Guard::UnknownStatement,
            "cannot execute COPY FROM STDIN together with other statements",
        ),
        (
            "listen orders",
            Guard::SessionState,
            "cannot execute LISTEN on the transaction route",
        ),
        (
            "prepare transaction 'x'",
            Guard::SessionState,
            "cannot execute PREPARE TRANSACTION outside a migration session",
        ),
        (
            "prepare q as select 1",
            Guard::SessionState,
            "cannot execute PREPARE on the transaction route",
        ),
        (
            "select pg_try_advisory_lock(1)",
            Guard::SessionState,
            "cannot execute pg_try_advisory_lock() on the transaction route",
        ),
        (
            "set statement_timeout = 0",
            Guard::Parameters,
            "parameter \"statement_timeout\" cannot be set to \"0\"",
        ),
        (
            "select set_config('work_mem', '1GB', true)",
            Guard::Parameters,
            "parameter \"work_mem\" cannot be set to \"1GB\"",
        ),
        (
            "begin; set local work_mem = $$2GB$$",
            Guard::Parameters,
            "parameter \"work_mem\" cannot be set to \"2GB\"",
        ),
        (
            "set session \"Work_Mem\" to 10000000",
            Guard::Parameters,
            "parameter \"work_mem\" cannot be set to \"10000000\"",
        ),
        (
            "selct 1",
            Guard::UnknownStatement,
            "syntax error at or near \"selct\"",
        ),
    ] {
        let refusal =
            judge("shop_acme", "shop", CLOSED, text).unwrap_or_else(|| panic!("allowed: {text}"));
        assert_eq!(
            (refusal.guard, &*refusal.message),
            (guard, message),
            "{text}"
        );
    }
}

#[test]
fn real_texts_of_every_day_pass() {
    for text in [
        "",
        "-- ping\n;",
        "select * from orders where id = $1",
        "insert into orders default values returning id",
        "with d as (delete from orders returning *) select * from d",
        "begin isolation level repeatable read",
        "commit",
        "set timezone = 'UTC'",
        "set client_encoding to 'utf8'",
        "set standard_conforming_strings = on",
        "select set_config('TimeZone', $1, false)",
        "select set_config('TimeZone', 'UTC', 't'::boolean)",
        "select pg_logical_emit_message(true, 'outbox', '{}')",
        "copy orders to stdout",
        "copy orders from stdin",
        "select \"table\", 'drop table x' from orders",
        "select pg_advisory_xact_lock(1)",
        "show server_version",
        "notify orders, 'new'",
        "unlisten *",
        "deallocate all",
        "deallocate \"s1\"",
        "select pg_advisory_unlock_all()",
        "close all",
        "set statement_timeout = '30s'",
        "set local work_mem = '32MB'",
        "reset statement_timeout",
        "set work_mem to default",
        "declare c cursor for select 1",
        "update orders set note = 'x' where id = 1",
    ] {
        assert_eq!(judge("shop_acme", "shop", CLOSED, text), None, "{text}");
    }
    for text in [
        "create table t (id int)",
        "vacuum",
        "do $$ begin end $$",
        "set role shop",
        "set app.tenant_id = 'acme'",
    ] {
        assert_eq!(judge("migrator", "shop", OPEN, text), None, "{text}");
        assert!(judge("migrator", "shop", CLOSED, text).is_some(), "{text}");
    }
}

#[test]
fn a_zone_is_recognised_in_every_spelling() {
    for text in [
        "set app.tenant_id to U&'\\0067lobex'",
        "set session \"app\".\"TENANT_ID\" = E'\\x67lobex'",
        "set local app.tenant_id = $$globex$$",
        "select set_config('app.tenant_id', 'glo'\n'bex', false)",
        "select 1 where set_config(E'APP.tenant_\\x69d', 'globex', true) is null",
        "select set_config('app.tenant_id', 'globex', 't')",
        "select set_config('app.tenant_id', 'globex', cast('yes' as bool))",
        "begin; set app.tenant_id = globex",
    ] {
        let refusal =
            judge("shop_acme", "shop", CLOSED, text).unwrap_or_else(|| panic!("allowed: {text}"));
        assert_eq!(
            refusal.message, "tenant \"globex\" is not granted to login \"shop_acme\"",
            "{text}"
        );
    }
}

#[test]
fn a_harmless_value_must_be_the_whole_value() {
    for text in [
        "select set_config('client_encoding', 'utf8' || $1, false)",
        "select set_config('client_encoding', lower('utf8'), false)",
        "select set_config('standard_conforming_strings', $1, false)",
        "select set_config('client_encoding', null, false)",
        "set backslash_quote to default",
        "reset backslash_quote",
        "alter role shop_acme set client_encoding = 'utf8', 'utf8'",
    ] {
        assert!(judge("shop_acme", "shop", CLOSED, text).is_some(), "{text}");
        assert!(judge("migrator", "shop", OPEN, text).is_some(), "{text}");
    }
}

#[test]
fn what_is_pinned_is_reset_where_it_is_set_again_behind() {
    for text in [
        "set client_encoding to default",
        "set names default",
        "reset client_encoding",
        "reset standard_conforming_strings",
        "set local standard_conforming_strings to default",
    ] {
        assert!(judge("shop_acme", "shop", CLOSED, text).is_none(), "{text}");
        assert!(judge("migrator", "shop", OPEN, text).is_some(), "{text}");
    }
}

#[test]
fn a_zone_cannot_be_left_by_the_back_door() {
    for (text, guard) in [
        (
            "update pg_settings set setting = 'globex' where name = 'app.tenant_id'",
            Guard::ZoneParameter,
        ),
        (
            "select set_config(name, 'globex', false) from pg_settings",
            Guard::ZoneParameter,
        ),
        ("reset all; select * from orders", Guard::ZoneParameter),
        ("reset app.tenant_id", Guard::ZoneParameter),
        (
            "alter role shop_acme set app.tenant_id = 'globex'",
            Guard::DdlOutsideMigration,
        ),
        (
            "create function f() returns int set app.tenant_id = 'globex' return 1",
            Guard::DdlOutsideMigration,
        ),
        ("set session authorization postgres", Guard::RoleChange),
    ] {
        let refusal =
            judge("shop_acme", "shop", CLOSED, text).unwrap_or_else(|| panic!("allowed: {text}"));
        assert_eq!(refusal.guard, guard, "{text}");
    }
}

#[test]
fn what_drivers_send_between_two_users_passes() {
    for text in [
        "select pg_advisory_unlock_all(); close all; unlisten *; reset all",
        "discard all",
        "deallocate all",
    ] {
        for (login, database) in [("shop_report", "shop_figures"), ("shop_acme", "shop")] {
            assert_eq!(
                judge(login, database, CLOSED, text),
                None,
                "{login}: {text}"
            );
        }
    }
}

#[test]
fn people_read_and_export_nothing_in_bulk() {
    for (text, by) in [
        ("insert into figures values (1)", "human-write"),
        (
            "with d as (delete from figures where n = 1 returning *) select * from d",
            "human-write",
        ),
        (
            "explain analyze update figures set n = 1 where n = 2",
            "human-write",
        ),
        ("copy figures from stdin", "human-write"),
        ("copy figures to stdout", "no-bulk-export"),
    ] {
        let refusal = judge("boris", "shop_figures", CLOSED, text)
            .unwrap_or_else(|| panic!("allowed: {text}"));
        assert_eq!(refusal.by(), by, "{text}");
    }
    for text in [
        "select * from pg_stat_activity",
        "explain analyze select * from figures",
        "set application_name = 'DBeaver 24'",
        "set extra_float_digits = 3",
        "show search_path",
        "begin read only",
    ] {
        assert_eq!(judge("boris", "shop_figures", CLOSED, text), None, "{text}");
    }
}
