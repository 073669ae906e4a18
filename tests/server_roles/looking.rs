//! How it is looked: rarely, without a trace, and what happens where it cannot be.

use std::time::Duration;

use crate::support::fixture;
use crate::support::message::{column, fine};
use crate::support::process::wait_until;
use crate::support::{Transport, Wire};
use crate::{log_in, looks, passes, refused, stack, start};

#[test]
fn many_connections_ask_once_for_each_role_and_database() {
    let more =
        "[login.shop_plain]\nkind = \"service\"\ndatabases = [\"app\", \"shop\"]\nzone = \"acme\"";
    let old = "[login.shop_plain]\nkind = \"service\"\ndatabases = [\"app\"]";
    let policy = fixture::POLICY.replace(old, more);
    assert_ne!(policy, fixture::POLICY);
    let stack = start(policy, "disable");
    assert_eq!(looks(&stack), 0);
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| passes(&stack, "shop_plain", "app"));
        }
    });
    assert_eq!(looks(&stack), 1);
    // Another database and another role are other questions.
    passes(&stack, "shop_plain", "shop");
    assert_eq!(looks(&stack), 2);
    passes(&stack, "shop_acme", "shop");
    assert_eq!(looks(&stack), 3);
    for login in ["shop_plain", "shop_acme"] {
        passes(&stack, login, "shop");
    }
    assert_eq!(looks(&stack), 3);
    stack.reload();
    passes(&stack, "shop_plain", "app");
    assert_eq!(looks(&stack), 4);
}

#[test]
fn a_storm_of_refused_logins_asks_once_and_is_told_once() {
    let stack = stack("transaction", "disable");
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| refused(&stack, "boss", "app", "42501"));
        }
    });
    assert_eq!(looks(&stack), 1);
    assert_eq!(
        stack.metric("portcullis_refusals_total{guard=\"server-role\"}"),
        30.0
    );
    let log = stack.logged(&["is a superuser"]);
    let lines = log.lines().filter(|line| line.contains("is a superuser"));
    assert_eq!(lines.count(), 1, "{log}");
    // What stands for one role stands for no other.
    passes(&stack, "shop_plain", "app");
}

/// The state of the pooled connection that a question could change.
const STATE: &str = "SELECT pg_backend_pid() || ' ' || current_user || ' ' || session_user || ' ' ||
    (SELECT count(*) FROM pg_prepared_statements) || ' ' || (SELECT count(*) FROM pg_cursors) || ' ' ||
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') || ' ' ||
    (SELECT md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings
     WHERE name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone'))";

#[test]
fn the_pooled_connection_is_left_as_it_was() {
    let stack = stack("transaction", "disable");
    let mut at_pgbouncer = Wire::login_with(
        &stack.login_at(stack.transaction_port, "shop_plain", "app"),
        Transport::Plain,
        &[],
    );
    let before = column(&at_pgbouncer.query(STATE));
    assert_eq!(looks(&stack), 0);
    let mut wire = log_in(&stack, "shop_plain", "app").unwrap();
    assert_eq!(looks(&stack), 1);
    // The server connection is free again, and the same one.
    assert_eq!(column(&at_pgbouncer.query(STATE)), before);
    assert_eq!(column(&wire.query(STATE)), before);
    assert_eq!(fine(&wire.query("BEGIN")), 'T');
}

/// What somebody left on the pooled connection makes no difference to what is seen.
#[test]
fn what_was_left_on_the_pooled_connection_hides_nothing() {
    let stack = stack("transaction", "disable");
    stack.direct(
        "app",
        "CREATE SCHEMA evil AUTHORIZATION seer;
         SET ROLE seer;
         CREATE FUNCTION evil.never(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
         CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.never);
         CREATE FUNCTION evil.pg_has_role(oid, oid, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
         CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$SELECT 'x'::text$$;
         CREATE TYPE evil.\"char\" AS (a int);
         CREATE TABLE evil.pg_roles AS
             SELECT 1::oid AS oid, 'seer'::name AS rolname, false AS rolsuper, false AS rolbypassrls;",
    );
    let at = |login| {
        let login = stack.login_at(stack.transaction_port, login, "app");
        Wire::login_with(&login, Transport::Plain, &[])
    };
    let mut seer = at("seer");
    fine(&seer.query("SET search_path = evil, pg_catalog, pg_temp"));
    fine(&seer.query("CREATE TEMP TABLE pg_class (relkind \"char\")"));
    // A query that is less careful is deceived.
    let naive =
        "SELECT rolbypassrls FROM pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user";
    assert_eq!(column(&seer.query(naive)), ["f"]);
    refused(&stack, "seer", "app", "42501");
    assert_eq!(
        column(&seer.query("SHOW search_path")),
        ["evil, pg_catalog, pg_temp"]
    );

    let mut boss = at("boss");
    fine(&boss.query("SET ROLE shop_plain"));
    let naive = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    assert_eq!(column(&boss.query(naive)), ["f"]);
    let [said, ..] = refused(&stack, "boss", "app", "42501");
    assert_eq!(said, "server role \"boss\" is a superuser");

    fine(&boss.query("SET SESSION AUTHORIZATION shop_plain"));
    let naive = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user";
    assert_eq!(column(&boss.query(naive)), ["f"]);
    stack.reload();
    let [said, ..] = refused(&stack, "boss", "app", "42501");
    assert_eq!(said, "server role \"boss\" is a superuser");
    passes(&stack, "shop_plain", "app");
}

#[test]
fn a_role_that_cannot_be_looked_at_is_refused_until_it_can() {
    let stack = stack("transaction", "disable");
    stack.direct("app", "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC");
    let [said, detail, hint] = refused(&stack, "shop_plain", "app", "57P03");
    assert_eq!(said, "server role \"shop_plain\" could not be looked at");
    assert!(
        detail.contains("permission denied for view pg_roles"),
        "{detail}"
    );
    assert_eq!(hint, "Connect again in a moment.");
    stack.direct("app", "GRANT SELECT ON pg_catalog.pg_roles TO PUBLIC");
    // The failure is not remembered.
    passes(&stack, "shop_plain", "app");
}

#[test]
fn a_full_pool_refuses_only_who_must_be_looked_at_and_only_for_so_long() {
    let stack = stack("transaction", "disable");
    let mut busy = log_in(&stack, "shop_plain", "app").unwrap();
    assert_eq!(fine(&busy.query("BEGIN")), 'T');
    // The only server connection is taken; what was seen a moment ago is still good.
    let mut waits = log_in(&stack, "shop_plain", "app").unwrap();
    stack.reload();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                let [_, detail, _] = refused(&stack, "shop_plain", "app", "57P03");
                assert!(detail.contains("did not say in time"), "{detail}");
            });
        }
    });
    assert_eq!(fine(&busy.query("COMMIT")), 'I');
    fine(&waits.query("SELECT 1"));
    passes(&stack, "shop_plain", "app");
    // Nobody is left waiting in the pool.
    wait_until("the server connections are idle", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_plain' AND state <> 'idle'";
        stack.direct("app", sql) == "0\n"
    });
    assert!(waits.is_quiet_for(Duration::from_millis(1)));
}
