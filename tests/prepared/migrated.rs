//! A statement that the pool follows is prepared anew by each server connection: not as something else than the client knows.

use crate::support::message::{self, column, failed, fine, kinds};
use crate::support::process::wait_until;
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

/// Told while the pool was told nothing of it: in a transaction with settings of its own, or under a search_path.
#[test]
fn what_the_pool_does_not_follow_yet_is_looked_at_before_it_does() {
    let begun: [(&[&str], &str); 2] = [
        (&["BEGIN", "SET LOCAL enable_seqscan = off"], "COMMIT"),
        (&["SET search_path = public"], "RESET search_path"),
    ];
    for (before, behind) in begun {
        let stack = start();
        let mut wire = plain(&stack);
        prepare(&mut wire, "followed", "SELECT 'followed'");
        fine(&wire.batch(&run("followed", &[])));
        for text in before {
            fine(&wire.query(text));
        }
        prepare(&mut wire, "write", "INSERT INTO shapes VALUES ($1)");
        fine(&wire.query(behind));
        migrate(&stack, &["ALTER TABLE shapes ALTER v TYPE real"]);
        elsewhere(&stack);
        for _ in 0..2 {
            let answer = wire.batch(&run("write", &[Some("2")]));
            assert_eq!(failed(&answer).0, "0A000", "{before:?}");
        }
    }
}

/// A server connection that has a plan from before the migration is not asked for it again, though the client was told what
/// is true now.
#[test]
fn a_plan_from_before_is_nobodys_who_was_told_later() {
    let stack = start();
    let write = "INSERT INTO shapes VALUES ($1)";
    let (mut early, mut late) = (plain(&stack), plain(&stack));
    prepare(&mut early, "write", write);
    fine(&early.batch(&run("write", &[Some("2")])));
    prepare(&mut late, "other", "SELECT 'other'");
    fine(&late.batch(&run("other", &[])));
    fine(&early.query("BEGIN"));
    let login = migration::open(&stack, "app");
    let mut migrates = Wire::login(&login);
    fine(&migrates.query("BEGIN"));
    fine(&migrates.query("ALTER TABLE shapes ALTER v TYPE real"));
    let parse = message::parse("write", write);
    late.send(&[parse, message::describe(b'S', "write"), message::sync()].concat());
    wait_until("it waits for the lock", || {
        stack.direct("app", "SELECT count(*) FROM pg_locks WHERE NOT granted") == "1\n"
    });
    fine(&migrates.query("COMMIT"));
    fine(&late.receive_until(b'Z'));
    fine(&early.query("ROLLBACK"));
    for _ in 0..4 {
        fine(&late.batch(&run("write", &[Some("2.5")])));
        assert_eq!(failed(&early.batch(&run("write", &[Some("2")]))).0, "0A000");
    }
    let stored = "SELECT DISTINCT v FROM shapes WHERE v > 2";
    assert_eq!(stack.direct("app", stored), "2.5\n");
}

/// There and back again: what a client was told is true, and what a server connection has prepared in between is not.
#[test]
fn a_migration_that_is_taken_back_leaves_no_plan_behind() {
    let stack = start();
    let write = "INSERT INTO shapes VALUES ($1)";
    let mut early = plain(&stack);
    prepare(&mut early, "write", write);
    for to in ["real", "int"] {
        migrate(&stack, &[&format!("ALTER TABLE shapes ALTER v TYPE {to}")]);
        let mut between = plain(&stack);
        fine(&between.batch(&[message::parse("w", write), run("w", &[Some("3")])].concat()));
    }
    for _ in 0..3 {
        fine(&early.batch(&run("write", &[Some("4")])));
    }
    let stored = "SELECT count(*) FROM shapes WHERE v = 4";
    assert_eq!(stack.direct("app", stored), "3\n");
}

/// What it has committed is there, although its connection has not come to rest.
#[test]
fn a_migration_that_goes_on_keeps_nobody_from_what_it_has_committed() {
    let stack = start();
    let write = "INSERT INTO shapes VALUES ($1)";
    let mut early = plain(&stack);
    prepare(&mut early, "write", write);
    fine(&early.batch(&run("write", &[Some("2")])));
    let login = migration::open(&stack, "app");
    let mut migrates = Wire::login(&login);
    for text in [
        "BEGIN",
        "ALTER TABLE shapes ALTER v TYPE real",
        "COMMIT AND CHAIN",
    ] {
        fine(&migrates.query(text));
    }
    for _ in 0..3 {
        let mut late = plain(&stack);
        prepare(&mut late, "write", write);
        fine(&late.batch(&run("write", &[Some("2.5")])));
        fine(&late.batch(&run("write", &[Some("2.5")])));
    }
    fine(&migrates.query("ROLLBACK"));
    let stored = "SELECT count(*) FROM shapes WHERE v = 2.5";
    assert_eq!(stack.direct("app", stored), "6\n");
}
