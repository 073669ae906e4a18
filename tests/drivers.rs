//! Real clients through Portcullis. Each program of tests/drivers/ prints a line per check; here is
//! which checks must come, and what a connection straight to PostgreSQL finds afterwards.
//!
//! With `PORTCULLIS_TEST_TARGET=pgbouncer` the same programs run against PgBouncer alone, the zone
//! being a setting of the role: tells a mistake of a program from one of Portcullis.

mod support;

use std::process::Command;

use support::{Login, Pooler, Psql, Stack, StackOptions, Version, fixture, parts, psql};

/// PostgreSQL 15 behind PgBouncer 1.18, which knows nothing of prepared statements.
const OLD: (Version, Pooler) = (Version::Pg15, Pooler::V1_18);
/// PostgreSQL 17 behind PgBouncer 1.24: drivers prepare as they like.
const NEW: (Version, Pooler) = (Version::Pg17, Pooler::V1_24);

fn through_portcullis() -> bool {
    std::env::var("PORTCULLIS_TEST_TARGET").as_deref() != Ok("pgbouncer")
}

/// A stack in which only Portcullis stands between shop_acme and DDL, or between it and the other
/// tenant: the role may create tables and is told no zone by anyone else.
fn stack((version, pooler): (Version, Pooler)) -> Stack {
    let privileges = if through_portcullis() {
        "\\connect shop\nGRANT CREATE ON SCHEMA public TO shop_acme;\n\
         \\connect app\nGRANT CREATE ON SCHEMA public TO shop_plain;\n"
    } else {
        "ALTER ROLE shop_acme SET app.tenant_id = 'acme';\n"
    };
    let sql = format!("{}{privileges}", fixture::SQL);
    Stack::start(StackOptions {
        version,
        pooler,
        sql,
        proxy: through_portcullis(),
        policy: fixture::with_large_objects(),
        ..StackOptions::default()
    })
}

/// What every client does.
const COMMON: &[&str] = &[
    "tls",
    "parameters",
    "zone",
    "insert",
    "transactions",
    "error-in-transaction",
    "ddl-refused",
    "cancel",
    "prepared",
];

/// Runs a client program, compares its checks, and looks at what it left in the database.
fn run_client(
    versions: (Version, Pooler),
    client: Command,
    more_checks: &[&str],
    more_notes: &[&str],
) {
    let stack = stack(versions);
    let login = stack.login("shop_acme", "shop");
    let answer = run(client, &stack, &login, versions.1);
    let mut passed: Vec<&str> = answer
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("ok "))
        .collect();
    let mut expected = [COMMON, more_checks].concat();
    passed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(passed, expected, "{}{}", answer.stdout, answer.stderr);
    assert_eq!(answer.status, 0, "{}{}", answer.stdout, answer.stderr);

    let mut notes = [&["driver commit", "driver insert"], more_notes].concat();
    notes.sort_unstable();
    let sql =
        "SELECT tenant_id || ': ' || note FROM orders WHERE note LIKE 'driver%' ORDER BY note";
    let expected: String = notes.iter().map(|note| format!("acme: {note}\n")).collect();
    assert_eq!(
        stack.direct("shop", sql),
        expected,
        "what another connection finds"
    );
    no_table_was_created(&stack);
    if more_checks.contains(&"copy-in") {
        assert_eq!(
            stack.direct(
                "shop",
                "SELECT count(*) FROM imports WHERE note = 'driver copy'"
            ),
            "1000\n"
        );
    }
}

fn no_table_was_created(stack: &Stack) {
    let tables = stack.direct(
        "shop",
        "SELECT relname FROM pg_class WHERE relname LIKE 'driver%'",
    );
    assert_eq!(tables, "", "DDL was executed");
}

fn run(mut client: Command, stack: &Stack, login: &Login, pooler: Pooler) -> Psql {
    let other = support::tls::Authority::new(stack.directory(), "other");
    client
        .envs(login.environment())
        .env("DRIVER_OTHER_CA", other.certificate())
        // PgBouncer 1.18 alone knows nothing of prepared statements.
        .env(
            "DRIVER_PREPARED",
            if through_portcullis() || pooler == Pooler::V1_24 {
                "1"
            } else {
                "0"
            },
        );
    psql::with_input(client, "").into()
}

fn source(file: &str) -> String {
    format!("{}/tests/drivers/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn python(file: &str) -> Command {
    let interpreter = parts::parts().join("drivers/python/bin/python");
    parts::present(&interpreter, "drivers");
    let mut command = Command::new(interpreter);
    command.arg("-B").arg(source(file));
    command
}

fn node(file: &str) -> Command {
    let modules = parts::parts().join("drivers/node/node_modules");
    parts::present(&modules.join("pg"), "drivers");
    let mut command = Command::new("node");
    command.arg(source(file)).env("NODE_PATH", modules);
    command
}

fn java(file: &str) -> Command {
    let jar = "/usr/share/java/postgresql.jar";
    parts::present(jar.as_ref(), "debian");
    let mut command = Command::new("java");
    command.args(["-cp", jar]).arg(source(file));
    command
}

#[test]
fn psycopg_on_a_pool_that_forgets_names() {
    run_client(
        OLD,
        python("psycopg_client.py"),
        &["copy-in", "copy-out", "pipeline"],
        &["driver pipeline"],
    );
}

#[test]
fn psycopg_on_a_pool_that_follows_names() {
    run_client(
        NEW,
        python("psycopg_client.py"),
        &["copy-in", "copy-out", "pipeline"],
        &["driver pipeline"],
    );
}

#[test]
fn asyncpg_on_a_pool_that_forgets_names() {
    run_client(
        OLD,
        python("asyncpg_client.py"),
        &["copy-in", "copy-out"],
        &[],
    );
}

#[test]
fn asyncpg_on_a_pool_that_follows_names() {
    run_client(
        NEW,
        python("asyncpg_client.py"),
        &["copy-in", "copy-out"],
        &[],
    );
}

#[test]
fn node_postgres_on_a_pool_that_forgets_names() {
    run_client(OLD, node("node_postgres.js"), &[], &[]);
}

#[test]
fn node_postgres_on_a_pool_that_follows_names() {
    run_client(NEW, node("node_postgres.js"), &[], &[]);
}

#[test]
fn pgjdbc_on_a_pool_that_forgets_names() {
    run_client(
        OLD,
        java("Pgjdbc.java"),
        &["copy-in", "copy-out", "cursor", "batch", "large-objects"],
        &[],
    );
}

#[test]
fn pgjdbc_on_a_pool_that_follows_names() {
    run_client(
        NEW,
        java("Pgjdbc.java"),
        &["copy-in", "copy-out", "cursor", "batch", "large-objects"],
        &[],
    );
}

mod drivers {
    //! Clients that need no program of their own, and what tools find out about a schema.
    mod introspection;
    mod pgbench;
    mod psql;
    mod tokio_postgres;
}
