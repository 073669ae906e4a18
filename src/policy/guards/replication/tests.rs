use super::super::fixture::*;
use super::*;
use crate::policy::Guard;
use crate::sql::walsender::read;
use crate::sql::{Depth, describe_at};

const LOGINS: &str = r#"
[login.cdc]
kind = "replication"
databases = ["shop"]
relations = ["public.orders", "audit"]
slots = ["cdc_*", "one"]
publications = ["shop_pub", "Big*"]
[login.any]
kind = "replication"
databases = ["shop"]
plugins = ["pgoutput", "wal2json"]
"#;

fn login(name: &str) -> Who {
    who_under(&policy(LOGINS), name, "shop")
}

fn says(text: &str, who: &Who) -> Option<String> {
    let walsender = read(text.as_bytes()).expect("a command");
    command(&walsender, who).map(|objection| objection.message)
}

#[test]
fn commands_of_logical_decoding_pass() {
    for name in ["cdc", "any"] {
        for text in [
            "IDENTIFY_SYSTEM",
            "SHOW wal_level",
            "CREATE_REPLICATION_SLOT cdc_a LOGICAL pgoutput",
            "CREATE_REPLICATION_SLOT ONE TEMPORARY LOGICAL pgoutput",
            "DROP_REPLICATION_SLOT cdc_a WAIT",
            "READ_REPLICATION_SLOT one",
            "ALTER_REPLICATION_SLOT one (failover)",
            "START_REPLICATION SLOT one LOGICAL 0/0 (proto_version '1', publication_names 'shop_pub')",
            "START_REPLICATION SLOT one LOGICAL 0/0 (publication_names 'SHOP_PUB, \"Bigger\"')",
        ] {
            assert_eq!(says(text, &login(name)), None, "{text}");
        }
    }
    assert_eq!(
        says("CREATE_REPLICATION_SLOT a LOGICAL wal2json", &login("any")),
        None
    );
    assert_eq!(
        says("START_REPLICATION SLOT a LOGICAL 0/0", &login("any")),
        None
    );
}

#[test]
fn what_is_not_listed_is_refused() {
    let cdc = login("cdc");
    for (text, message) in [
        (
            "DROP_REPLICATION_SLOT two",
            "replication slot \"two\" is not listed for this login",
        ),
        (
            "DROP_REPLICATION_SLOT \"cdc_É\"",
            "replication slot \"cdc_É\" is not listed for this login",
        ),
        (
            "CREATE_REPLICATION_SLOT one LOGICAL test_decoding",
            "output plugin \"test_decoding\" is not listed for this login",
        ),
        (
            "START_REPLICATION SLOT one LOGICAL 0/0 (publication_names 'shop_pub,other')",
            "publication \"other\" is not listed for this login",
        ),
        (
            "START_REPLICATION SLOT one LOGICAL 0/0 (publication_names 'biggest')",
            "publication \"biggest\" is not listed for this login",
        ),
        (
            "START_REPLICATION SLOT one LOGICAL 0/0 (publication_names 'shop_pub', publication_names '\"x\"\"y\"')",
            "publication \"\"x\"\"y\"\" is not listed for this login",
        ),
        (
            "START_REPLICATION SLOT one LOGICAL 0/0",
            "cannot execute START_REPLICATION without publication_names",
        ),
        (
            "START_REPLICATION SLOT one PHYSICAL 0/0",
            "cannot execute START_REPLICATION PHYSICAL through Portcullis",
        ),
        (
            "BASE_BACKUP",
            "cannot execute BASE_BACKUP through Portcullis",
        ),
        (
            "BASE_BACKUP LABEL 'x' FAST",
            "cannot execute BASE_BACKUP through Portcullis",
        ),
        ("SHOW", "syntax error in SHOW"),
    ] {
        assert_eq!(says(text, &cdc).as_deref(), Some(message), "{text}");
    }
    // No connection of another kind gets so far.
    assert!(says("IDENTIFY_SYSTEM", &acme()).is_some());
}

fn of_text(text: &str) -> Facts {
    describe_at(text.as_bytes(), Depth::Names)
}

#[test]
fn sql_reads_the_relations_of_the_login() {
    let cdc = login("cdc");
    for text in [
        "SELECT * FROM public.orders",
        "SELECT * FROM orders, audit, shop.audit",
        "SELECT * FROM pg_class, pg_catalog.pg_proc, information_schema.columns, pg_settings",
        "SELECT now(), pg_catalog.pg_current_wal_lsn()",
        "SELECT set_config('TimeZone', 'UTC', false)",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "BEGIN",
        "SET statement_timeout = 0",
        "RESET ALL",
        "SHOW ALL",
        "COPY public.orders TO STDOUT",
        "DECLARE c CURSOR FOR TABLE audit",
        "FETCH 10 FROM c",
        "EXPLAIN SELECT * FROM audit",
    ] {
        assert_allowed(&of_text(text), &cdc, CLOSED);
    }
    for text in [
        "SELECT * FROM customers",
        "SELECT * FROM shop.orders",
        "SELECT * FROM pg_toast.pg_class",
        "SELECT * FROM orders FOR SHARE",
        "SELECT total(1)",
        "SELECT pg_notify('a', 'b')",
        "SET search_path = shop",
        "INSERT INTO orders VALUES (1)",
        "LOCK TABLE orders",
        "LISTEN a",
        "PREPARE a AS SELECT 1",
        "DISCARD ALL",
    ] {
        let refusal = refused(&of_text(text), &cdc, CLOSED);
        assert_eq!(refusal.guard, Guard::Replication, "{text}");
    }
    for hidden in ["TABLE pg_toast.pg_toast_1", "TABLE pg_statistic"] {
        let hidden = refused(&of_text(hidden), &cdc, CLOSED);
        assert_eq!(hidden.guard, Guard::DangerousFunctions);
    }
    let ddl = refused(&of_text("CREATE TABLE a (b int)"), &cdc, CLOSED);
    assert_eq!(ddl.guard, Guard::DdlOutsideMigration);
}

#[test]
fn no_other_login_asks_for_replication() {
    assert_eq!(
        at_startup(&acme(), false).map(|it| it.message).as_deref(),
        Some("login \"shop_acme\" may not use replication")
    );
    assert!(at_startup(&migrator(), true).is_some());
    assert!(at_startup(&login("cdc"), true).is_some());
    assert!(at_startup(&login("cdc"), false).is_none());
}
