//! A statement that the pool follows is prepared anew by each server connection: not as something else than the client knows.

use crate::support::message::{self, column, failed, fine, kinds};
use crate::support::{Stack, StackOptions, VERSIONS, Wire, migration};
use crate::{plain, run};

/// More than PgBouncer follows names on one server connection.
fn start() -> Stack {
    let (version, pooler) = VERSIONS[1];
    let stack = Stack::start(StackOptions {
        version,
        pooler,
        ..StackOptions::default()
    });
    migrate(
        &stack,
        &[
            "CREATE TABLE shapes (v int)",
            "GRANT SELECT, INSERT ON shapes TO shop_plain",
            "INSERT INTO shapes VALUES (1)",
        ],
    );
    stack
}

fn migrate(stack: &Stack, texts: &[&str]) {
    let login = migration::open(stack, "app");
    let mut wire = Wire::login(&login);
    for text in texts {
        fine(&wire.query(text));
    }
    migration::close(stack, &login);
}

/// None of the clients' server connections is there any more.
fn elsewhere(stack: &Stack) {
    let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = 'shop_plain'";
    stack.direct("app", end);
}

fn prepare(wire: &mut Wire, name: &str, text: &str) {
    let parse = message::parse(name, text);
    fine(&wire.batch(&[parse, message::describe(b'S', name)].concat()));
}

#[test]
fn what_a_migration_changes_is_an_error_on_another_server_connection() {
    let stack = start();
    let mut wire = plain(&stack);
    for (name, text) in [
        ("read", "SELECT v FROM shapes"),
        ("write", "INSERT INTO shapes VALUES ($1)"),
        ("same", "SELECT 'same'"),
    ] {
        prepare(&mut wire, name, text);
    }
    let (value, none): (&[_], &[_]) = (&[Some("2")], &[]);
    for _ in 0..3 {
        assert_eq!(kinds(&wire.batch(&run("read", none))), "2DCZ");
        elsewhere(&stack);
    }
    for change in [
        "ALTER TABLE shapes ALTER v TYPE real",
        "ALTER TABLE shapes ALTER v TYPE text",
    ] {
        migrate(&stack, &[change]);
        for _ in 0..3 {
            elsewhere(&stack);
            for (name, values) in [("read", none), ("write", value)] {
                assert_eq!(failed(&wire.batch(&run(name, values))).0, "0A000", "{name}");
            }
            assert_eq!(column(&wire.batch(&run("same", none))), ["same"]);
        }
    }
    migrate(
        &stack,
        &["ALTER TABLE shapes ALTER v TYPE int USING v::int"],
    );
    elsewhere(&stack);
    fine(&wire.batch(&run("write", value)));
    assert_eq!(column(&wire.batch(&run("read", none))), ["1", "2"]);
}

/// Who prepares it behind the migration has not been told anything before.
#[test]
fn what_is_prepared_behind_a_migration_has_no_plan_from_before() {
    let stack = start();
    let text = "SELECT * FROM shapes";
    let mut early = plain(&stack);
    prepare(&mut early, "s", text);
    fine(&early.batch(&run("s", &[])));
    migrate(&stack, &["ALTER TABLE shapes ADD w int"]);
    for _ in 0..3 {
        let mut late = plain(&stack);
        prepare(&mut late, "s", text);
        assert_eq!(kinds(&late.batch(&run("s", &[]))), "2DCZ");
    }
    assert_eq!(failed(&early.batch(&run("s", &[]))).0, "0A000");
}

/// While a migration goes on nobody knows.
#[test]
fn a_statement_is_looked_at_each_time_while_a_migration_runs() {
    let stack = start();
    let mut wire = plain(&stack);
    prepare(&mut wire, "read", "SELECT v FROM shapes");
    fine(&wire.batch(&run("read", &[])));
    let login = migration::open(&stack, "app");
    let mut migrates = Wire::login(&login);
    fine(&migrates.query("BEGIN"));
    fine(&migrates.query("CREATE TABLE other (v int)"));
    for _ in 0..2 {
        elsewhere(&stack);
        assert_eq!(kinds(&wire.batch(&run("read", &[]))), "2DCZ");
    }
    // As if its answer were still on the way.
    stack.direct("app", "ALTER TABLE shapes ALTER v TYPE text");
    elsewhere(&stack);
    assert_eq!(failed(&wire.batch(&run("read", &[]))).0, "0A000");
    fine(&migrates.query("COMMIT"));
    assert_eq!(failed(&wire.batch(&run("read", &[]))).0, "0A000");
}
