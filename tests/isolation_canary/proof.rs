//! When the proof stands, and every way in which it breaks.

use rustix::process::Signal;

use crate::support::fixture::POLICY;
use crate::support::process::wait_until;
use crate::support::{Pooler, Stack, StackOptions, VERSIONS};
use crate::{ISOLATION, KIT, TABLES, broken, canaries, options, proved, sql};

#[test]
fn the_proof_stands_until_a_table_opens_and_again_when_it_is_closed() {
    let stack = Stack::start(options());
    proved(&stack);
    assert_eq!(stack.metric(TABLES), 3.0);
    for (open, close, reasons) in [
        (
            "ALTER TABLE orders DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
            &["no-zone", "other-zone"][..],
        ),
        (
            "CREATE POLICY everybody ON \"Refunds\" USING (true)",
            "DROP POLICY everybody ON \"Refunds\"",
            &["no-zone", "other-zone"],
        ),
        (
            "CREATE POLICY second ON events USING (tenant_id = 'canary-b' AND current_setting('app.tenant_id', true) <> '')",
            "DROP POLICY second ON events",
            &["other-zone"],
        ),
        (
            "ALTER ROLE shop_acme BYPASSRLS",
            "ALTER ROLE shop_acme NOBYPASSRLS",
            &["no-zone", "other-zone"],
        ),
        (
            "CREATE TABLE forgotten AS TABLE orders; GRANT SELECT ON forgotten TO shop_acme",
            "DROP TABLE forgotten",
            &["no-zone", "other-zone"],
        ),
        (
            "UPDATE orders SET tenant_id = 'elsewhere' WHERE tenant_id = 'canary-a'",
            "UPDATE orders SET tenant_id = 'canary-a' WHERE tenant_id = 'elsewhere'",
            &["missing-row"],
        ),
        (
            "REVOKE SELECT ON orders, \"Refunds\", events FROM shop_acme",
            "GRANT SELECT ON orders, \"Refunds\", events TO shop_acme",
            &["missing-table"],
        ),
    ] {
        stack.direct("shop", open);
        for reason in reasons {
            broken(&stack, reason);
        }
        stack.direct("shop", close);
        proved(&stack);
    }
    let log = stack.logged(&["public.orders", "public.\\\"Refunds\\\"", "public.events"]);
    for word in ["no-zone", "missing-row", "missing-table", "the second zone"] {
        assert!(log.contains(word), "{word} is not in the log:\n{log}");
    }
    assert!(!log.contains("canary-"), "a zone is in the log:\n{log}");
    // Nothing of it was anybody else's business: the service has its zone and nothing of the canaries.
    let seen = stack.psql(
        &stack.login("shop_acme", "shop"),
        "SELECT DISTINCT tenant_id FROM orders",
    );
    assert_eq!(seen.ok(), "acme\n");
    let (ready, _) = stack.http_get("/health/ready");
    assert_eq!(ready, 200);
}

#[test]
fn every_version_of_server_and_pool_is_asked_alike() {
    for (version, pooler) in VERSIONS {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            // Two roles, each in a pool of its own; this one reads `orders` alone.
            limits: ISOLATION.replace("[\"shop_acme\"]", "[\"shop_acme\", \"shop_globex\"]"),
            keys: vec!["migrator", "shop_acme", "shop_globex"],
            pgbouncer: match pooler {
                Pooler::V1_18 => String::new(),
                _ => "max_prepared_statements = 100".into(),
            },
            ..options()
        });
        proved(&stack);
        assert_eq!(stack.metric(TABLES), 4.0);
        stack.direct(
            "shop",
            "CREATE POLICY open ON orders TO shop_globex USING (true)",
        );
        broken(&stack, "other-zone");
        let log = stack.logged(&["shop_globex"]);
        assert!(!log.contains("\"login\":\"shop_acme\""), "{log}");
        stack.direct("shop", "DROP POLICY open ON orders");
        proved(&stack);
    }
}

#[test]
fn a_server_that_is_slow_stuck_or_gone_is_a_failure_and_no_proof() {
    let mut stack = Stack::start(options());
    proved(&stack);
    // A table that nobody may read meanwhile: the server gives the question up, and so do we.
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let locker = std::thread::scope(|scope| {
        let stack = &stack;
        let lock = scope
            .spawn(move || stack.direct("shop", "BEGIN; LOCK orders; SELECT pg_sleep(15); COMMIT"));
        broken(stack, "timeout");
        lock.join()
    });
    locker.expect("the lock was held");
    proved(&stack);
    wait_until("no backend waits on", || {
        stack.direct("shop", waiting).trim() == "0"
    });
    stack.transaction.signal(Signal::STOP);
    broken(&stack, "timeout");
    stack.transaction.signal(Signal::CONT);
    proved(&stack);
    stack.transaction.end();
    broken(&stack, "unreachable");
}

#[test]
fn readiness_depends_on_it_only_where_that_is_configured() {
    let stack = Stack::start(StackOptions {
        limits: format!("{ISOLATION}readiness = true\n"),
        ..options()
    });
    let ready = |wanted: u16| {
        wait_until(&format!("/health/ready says {wanted}"), || {
            stack.http_get("/health/ready").0 == wanted
        });
    };
    ready(200);
    stack.direct("shop", "ALTER TABLE orders DISABLE ROW LEVEL SECURITY");
    ready(503);
    let (_, body) = stack.http_get("/health/ready");
    assert!(body.contains("isolation"), "{body}");
    stack.direct("shop", "ALTER TABLE orders ENABLE ROW LEVEL SECURITY");
    ready(200);
}

#[test]
fn a_zone_that_was_signed_is_proved_too() {
    const SECRET: &str = "0707070707070707070707070707070707070707070707070707070707070707";
    let walled = format!(
        "\\connect shop
\\i {KIT}/zone.sql
SELECT portcullis.add_key('k1', decode('{SECRET}', 'hex')) \\g /dev/null
SET ROLE migrator;
CREATE TABLE signed (tenant_id text, note text);
CALL portcullis.protect('signed', 'tenant_id');
GRANT SELECT ON signed TO shop_acme;
RESET ROLE;
{}",
        canaries("public.signed", "{}")
    );
    let stack = Stack::start(StackOptions {
        sql: sql() + &walled,
        policy: POLICY.replace("protection = \"plain\"", "protection = \"signed\""),
        zone_keys: format!("\"shop\" \"k1\" \"{SECRET}\"\n"),
        ..options()
    });
    proved(&stack);
    assert_eq!(stack.metric(TABLES), 4.0);
    stack.direct("shop", "ALTER TABLE signed DISABLE ROW LEVEL SECURITY");
    broken(&stack, "no-zone");
    stack.direct("shop", "ALTER TABLE signed ENABLE ROW LEVEL SECURITY");
    proved(&stack);
    // Tokens that the server does not take.
    stack.direct("shop", "SELECT portcullis.drop_key('k1')");
    broken(&stack, "error");
}
