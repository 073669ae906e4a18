//! Literals are never logged, whatever becomes of the statement, and at the lowest level.

mod support;

use support::message::{self, failed, fine, kinds};
use support::process::wait_until;
use support::{Stack, StackOptions, Wire, fixture, migration};

/// In every literal of this test, and nowhere else.
const MARKER: &str = "geheim4711";
/// The same as a number.
const NUMBER: &str = "4711471147114711";

#[test]
fn no_literal_is_in_the_log() {
    let rule =
        "[[rule]]\nid = \"no-listen\"\nwhen = { tag = \"LISTEN\" }\nmessage = \"nobody listens\"\n";
    let mut stack = Stack::start(StackOptions {
        policy: format!(
            "{}\n[guards]\nmissing-where = \"observe\"\n{rule}",
            fixture::POLICY
        ),
        postgresql: vec![("log_statement", "all")],
        ..StackOptions::default()
    });
    stack.reconfigure("format = \"json\"", "format = \"json\"\nlevel = \"debug\"");
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    // Passed, failed at the server, observed, refused: as Query, Parse and bound value.
    for sql in [
        format!("SELECT '{MARKER}', {NUMBER}, $${MARKER}$$, E'{MARKER}'"),
        format!("SELECT '{MARKER}'::int"),
        format!("INSERT INTO orders (id, note) VALUES (1, '{MARKER}')"),
        format!("SELECT '{MARKER}' FROM"),
        format!("SELECT '{MARKER}"),
        format!("DELETE FROM orders WHERE true AND note = '{MARKER}' OR id > {NUMBER}"),
        format!("UPDATE orders SET note = '{MARKER}'"),
        format!("CREATE TABLE made AS SELECT '{MARKER}' AS a, {NUMBER} AS b"),
        format!("DO $$ BEGIN PERFORM '{MARKER}'; END $$"),
        format!("ALTER ROLE shop_acme PASSWORD '{MARKER}'"),
        format!("SET app.tenant_id = '{MARKER}'"),
        format!("SELECT set_config('app.tenant_id', '{MARKER}', false)"),
        format!("SELECT set_config('{MARKER}' || 'x', '{MARKER}', false)"),
        format!("SET application_name = '{MARKER}'"),
        format!("PREPARE made AS SELECT '{MARKER}'"),
        format!("EXECUTE made('{MARKER}')"),
        format!("NOTIFY changed, '{MARKER}'"),
        format!("COPY imports FROM PROGRAM 'echo {MARKER}'"),
        format!("COPY imports TO '/tmp/{MARKER}'"),
        format!("SELECT pg_read_file('{MARKER}')"),
        format!("SELECT 1; DROP TABLE orders; SELECT '{MARKER}'"),
        format!("FROBNICATE '{MARKER}'"),
        // Described off the workers, and refused for its length.
        format!("SELECT '{}'", MARKER.repeat(10_000)),
        format!("SELECT '{}'", MARKER.repeat(200_000)),
    ] {
        wire.send(&message::query(&sql));
        assert!(kinds(&wire.receive_until(b'Z')).ends_with('Z'), "{sql}");
        let batch = wire.batch(&message::extended(&sql, &[]));
        assert!(kinds(&batch).ends_with('Z'), "{sql}");
    }
    let bound = message::extended("SELECT $1::int", &[Some(MARKER)]);
    assert_eq!(failed(&wire.batch(&bound)).0, "22P02");
    copies(&mut wire);
    // A message that is none ends the connection.
    wire.send(&[b"?\0\0\0\x10", MARKER.as_bytes()].concat());
    wire.receive_to_end();

    let login = migration::open(&stack, "app");
    let mut migrating = Wire::login(&login);
    fine(&migrating.query(&format!(
        "CREATE TABLE made AS SELECT '{MARKER}' AS a, {NUMBER} AS b"
    )));
    fine(&migrating.query(&format!("COMMENT ON TABLE made IS '{MARKER}'")));
    assert!(kinds(&migrating.query(&format!("SELECT '{MARKER}'::int"))).contains('E'));
    migration::close(&stack, &login);
    migrating.receive_to_end();

    wait_until("everybody is gone", || {
        let (_, metrics) = stack.http_get("/metrics");
        metrics.contains("\nportcullis_client_connections 0\n")
    });
    let log = stack.logged(&[
        "\"DEBUG\"",
        "ddl-outside-migration",
        "procedural",
        "copy-program",
    ]);
    assert!(
        stack.cluster.server.log().contains(MARKER),
        "they did reach the server"
    );
    for secret in [MARKER, NUMBER] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a literal is in the log");
    }
}

#[test]
fn no_value_is_shown_however_it_is_spelled() {
    let stack = Stack::start(StackOptions {
        policy: format!("{}\n[guards]\nmaintenance = \"observe\"\n", fixture::POLICY),
        ..StackOptions::default()
    });
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    // Set, and slips; for the session, a role, the database, the server and a function.
    for sql in [
        format!("SET app.encryption_key = {MARKER}"),
        format!("SET SESSION app.encryption_key TO \"{MARKER}\", {MARKER}"),
        format!("SET app.encryption_key {MARKER}"),
        format!("ALTER ROLE shop_acme SET app.encryption_key = {MARKER}"),
        format!("ALTER DATABASE shop SET app.encryption_key TO {MARKER}"),
        format!("ALTER SYSTEM SET app.encryption_key = {MARKER}"),
        format!("ALTER FUNCTION f() SET app.encryption_key = {MARKER}"),
        format!("ALTER ROLE shop_acme PASSWORD {MARKER}"),
        format!("ALTER ROLE shop_acme PASSWORD \"{MARKER}\""),
        format!("ALTER ROLE shop_acme PASSWORD \u{2018}{MARKER}\u{2019}"),
    ] {
        wire.send(&message::query(&sql));
        assert!(kinds(&wire.receive_until(b'Z')).ends_with('Z'), "{sql}");
        let batch = wire.batch(&message::extended(&sql, &[]));
        assert!(kinds(&batch).ends_with('Z'), "{sql}");
    }
    let login = migration::open(&stack, "app");
    let mut migrating = Wire::login(&login);
    fine(&migrating.query(&format!("SET app.encryption_key = {MARKER}")));
    fine(&migrating.query("SET search_path = public"));
    // Not for it to set; recorded all the same.
    let stored = format!("ALTER DATABASE app SET app.encryption_key = {MARKER}");
    assert_eq!(kinds(&migrating.query(&stored)), "EZ");
    migration::close(&stack, &login);
    migrating.receive_to_end();

    let recorded = migration::show(&stack, migration::id(&login));
    let recorded: Vec<&str> = recorded.iter().map(|it| &*it.text).collect();
    assert_eq!(
        recorded,
        [
            "SET app.encryption_key = $1",
            "SET search_path = public",
            "ALTER DATABASE app SET app.encryption_key = $1"
        ]
    );
    for asked in [
        &["report"][..],
        &["report", "--json"],
        &["console", "SHOW REPORT"],
    ] {
        let said = migration::finished(migration::portcullis(&stack, asked));
        let secret = said.stdout.lines().find(|line| line.contains(MARKER));
        assert_eq!(secret, None, "{asked:?}");
        for kept in [
            "ALTER ROLE shop_acme SET app.encryption_key = $1",
            "ALTER DATABASE shop SET app.encryption_key TO $1",
            "ALTER SYSTEM SET app.encryption_key = $1",
            "ALTER FUNCTION f() SET app.encryption_key = $1",
            "ALTER ROLE \u{2026}",
        ] {
            assert!(said.stdout.contains(kept), "{asked:?} {kept}: {said:?}");
        }
    }
}

/// Data that is taken, data that is not, and a reason to give up.
fn copies(wire: &mut Wire) {
    let row = format!("1\t{MARKER}\n");
    let bad = format!("{MARKER}\t{MARKER}\n");
    for (data, end) in [
        (&row, message::copy_done()),
        (&bad, message::copy_done()),
        (&row, message::copy_fail(MARKER)),
    ] {
        wire.send(&message::query("COPY imports (id, note) FROM STDIN"));
        wire.receive_until(b'G');
        wire.send(&[message::copy_data(data.as_bytes()), end].concat());
        wire.receive_until(b'Z');
    }
    assert_eq!(kinds(&wire.query("COPY imports TO STDOUT")), "HdcCZ");
}
