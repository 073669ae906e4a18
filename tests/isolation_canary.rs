//! Isolation as a service level (`[isolation]`): the proof stands while zones are kept apart, and every way
//! to break that is seen, on the real stack.

mod support;

use rustix::process::Signal;
use support::fixture::{POLICY, SQL};
use support::process::wait_until;
use support::{Pooler, Stack, StackOptions, VERSIONS, Wire, message};

const KIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/sql");
const PROVED: &str = "portcullis_isolation_last_proof_timestamp_seconds";
const TABLES: &str = "portcullis_isolation_tables";

/// The kit's canary rows in a table of `shop`.
fn canaries(table: &str, row: &str) -> String {
    format!(
        "\\set table {table}
\\set column tenant_id
\\set zone_a canary-a
\\set zone_b canary-b
\\set row '{row}'
\\i {KIT}/canary.sql
"
    )
}

/// The shop, with a second table that wants values, and a partitioned one.
fn sql() -> String {
    let more = "\\connect shop
SET ROLE migrator;
CREATE TABLE \"Refunds\" (tenant_id varchar NOT NULL, amount int NOT NULL, at date DEFAULT now());
ALTER TABLE \"Refunds\" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON \"Refunds\" USING (tenant_id = current_setting('app.tenant_id', true));
CREATE TABLE events (tenant_id text, id int) PARTITION BY RANGE (id);
CREATE TABLE events_1 PARTITION OF events DEFAULT;
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON events USING (tenant_id = current_setting('app.tenant_id', true));
GRANT SELECT ON \"Refunds\", events TO shop_acme;
RESET ROLE;
";
    [
        SQL,
        more,
        &canaries("public.orders", r#"{"note": "canary"}"#),
        &canaries("public.\"Refunds\"", r#"{"amount": 0}"#),
        &canaries("public.events", r#"{"id": 1}"#),
    ]
    .concat()
}

const ISOLATION: &str = r#"
[isolation]
interval = "1s"
timeout = "3s"
database = "shop"
logins = ["shop_acme"]
zones = ["canary-a", "canary-b"]
column = "tenant_id"
"#;

fn options() -> StackOptions {
    StackOptions {
        sql: sql(),
        pool_size: 1,
        keys: vec!["migrator", "shop_acme"],
        limits: ISOLATION.into(),
        ..StackOptions::default()
    }
}

fn metric(stack: &Stack, series: &str) -> f64 {
    let (_, metrics) = stack.http_get("/metrics");
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.expect(series).parse().expect("a number")
}

fn failures(stack: &Stack, reason: &str) -> f64 {
    let series = format!("portcullis_isolation_failures_total{{reason=\"{reason}\"}}");
    metric(stack, &series)
}

/// Waits until a proof succeeds that began after this.
#[track_caller]
fn proved(stack: &Stack) {
    let before = metric(stack, PROVED);
    // The next one may have begun before: two more.
    for _ in 0..2 {
        let last = metric(stack, PROVED).max(before);
        wait_until("isolation is proved", || metric(stack, PROVED) > last);
    }
}

/// Waits until a proof fails for this reason, and until the proofs stand still.
#[track_caller]
fn broken(stack: &Stack, reason: &str) {
    let before = failures(stack, reason);
    wait_until(&format!("a proof fails: {reason}"), || {
        failures(stack, reason) > before
    });
    let (last, failed) = (metric(stack, PROVED), failures(stack, reason));
    wait_until(&format!("it goes on to fail: {reason}"), || {
        failures(stack, reason) > failed
    });
    // Nothing was proved in the meantime: the age grows.
    assert_eq!(metric(stack, PROVED), last);
}

#[test]
fn the_proof_stands_until_a_table_opens_and_again_when_it_is_closed() {
    let stack = Stack::start(options());
    proved(&stack);
    assert_eq!(metric(&stack, TABLES), 3.0);
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
        assert_eq!(metric(&stack, TABLES), 4.0);
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
fn what_somebody_left_on_a_pooled_connection_is_seen() {
    let stack = Stack::start(options());
    proved(&stack);
    // Past Portcullis, on the one connection of the pool.
    let mut past = Wire::login(&stack.login_at(stack.transaction_port, "shop_acme", "shop"));
    message::fine(&past.query("SET app.tenant_id = 'canary-b'"));
    broken(&stack, "no-zone");
    message::fine(&past.query("RESET ALL"));
    proved(&stack);
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
fn tables_can_be_listed_and_one_that_is_gone_is_missed() {
    let stack = Stack::start(StackOptions {
        limits: format!("{ISOLATION}tables = [\"public.orders\", 'public.\"Refunds\"']\n"),
        ..options()
    });
    proved(&stack);
    assert_eq!(metric(&stack, TABLES), 2.0);
    stack.direct("shop", "ALTER TABLE orders RENAME TO sales");
    broken(&stack, "missing-table");
    stack.direct("shop", "ALTER TABLE sales RENAME TO orders");
    proved(&stack);
    stack.direct("shop", "ALTER TABLE events DISABLE ROW LEVEL SECURITY");
    proved(&stack);
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
    assert_eq!(metric(&stack, TABLES), 4.0);
    stack.direct("shop", "ALTER TABLE signed DISABLE ROW LEVEL SECURITY");
    broken(&stack, "no-zone");
    stack.direct("shop", "ALTER TABLE signed ENABLE ROW LEVEL SECURITY");
    proved(&stack);
    // Tokens that the server does not take.
    stack.direct("shop", "SELECT portcullis.drop_key('k1')");
    broken(&stack, "error");
}

#[test]
fn the_kit_makes_rows_once_and_says_what_it_cannot() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..options()
    });
    let rows = "SELECT tenant_id, count(*) FROM orders WHERE tenant_id LIKE 'canary%' GROUP BY 1 ORDER BY 1";
    let once = "canary-a|1\ncanary-b|1\n";
    assert_eq!(stack.direct("shop", rows), once);
    stack.direct("shop", &canaries("public.orders", "{}"));
    assert_eq!(stack.direct("shop", rows), once);
    let dsn = stack.direct_dsn("shop");
    let run = |table: &str, role: &str| {
        let mut psql = std::process::Command::new("psql");
        psql.args(["-XAtq", "-d", &dsn]);
        psql.env("PGOPTIONS", format!("-c role={role}"));
        let output = support::psql::with_input(psql, &canaries(table, "{}"));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // A value is needed; a table that is not there; a role that may not see all rows.
    for (table, role, said) in [
        ("public.\"Refunds\"", "postgres", ""),
        ("public.nothing", "postgres", "there is no table"),
        ("public.orders", "shop_acme", "row-level security"),
    ] {
        let errors = run(table, role);
        assert_eq!(errors.is_empty(), said.is_empty(), "{table}: {errors}");
        assert!(errors.contains(said), "{table}: {errors}");
    }
    stack.direct("shop", "DELETE FROM \"Refunds\"");
    assert!(run("public.\"Refunds\"", "postgres").contains("amount"));
}

#[test]
fn what_cannot_work_is_told_before_a_port_is_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let policy = directory.path().join("policy.toml");
    std::fs::write(&policy, POLICY).expect("write");
    let check = |from: &str, to: &str| {
        let config = "schema = 1\npolicy = \"policy.toml\"\n[listen]\npostgres = \"127.0.0.1:6432\"\nconsole = \"c\"\n[client_tls]\nsslmode = \"disable\"\n[server_tls]\nsslmode = \"disable\"\n[auth]\nauth_file = \"u\"\nkey_file = \"k\"\n[route.transaction]\nhosts = [\"a:1\"]\n[route.session]\nhosts = [\"a:2\"]\n[registry]\npath = \"r\"\n";
        let file = directory.path().join("portcullis.toml");
        let text = format!("{config}{ISOLATION}");
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).expect("write");
        let mut command = std::process::Command::new(support::proxy::program());
        let output = command.arg("check").arg(&file).output().expect("run check");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.code(),
            said + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, said) = check("", "");
    assert_eq!(code, Some(0), "{said}");
    for (from, to, told) in [
        (
            "\"shop_acme\"",
            "\"nobody\"",
            "login \"nobody\" is not in the policy",
        ),
        ("\"shop_acme\"", "\"migrator\"", "is of kind \"migrator\""),
        (
            "\"shop_acme\"",
            "\"shop_plain\"",
            "is not granted database \"shop\"",
        ),
        ("[\"shop_acme\"]", "[]", "must name 1 to 16"),
        ("key_file = \"k\"\n", "", "auth.key_file"),
        ("\"canary-b\"", "\"canary-a\"", "two different zones"),
        ("\"canary-b\"", "\"*\"", "is not \"*\""),
        ("interval = \"1s\"", "interval = \"1ms\"", "interval"),
        (
            "interval = \"1s\"",
            "intervall = \"1s\"",
            "did you mean \"interval\"?",
        ),
        (
            "column = \"tenant_id\"\n",
            "",
            "missing key \"column\" in [isolation]",
        ),
        (
            "[isolation]",
            "[isolation]\ntables = [\"orders\"]",
            "not a schema and a table",
        ),
    ] {
        let (code, said) = check(from, to);
        assert_eq!(code, Some(1), "{to}: {said}");
        assert!(said.contains(told), "{to}: {said}");
    }
}
