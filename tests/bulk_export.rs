//! A login with `max_rows` reads no more at a time, by whatever way; the connection goes on, and what stood
//! behind the statement has not run.

mod support;

use support::fixture::POLICY;
use support::message::{self, Message, column, error, failed, fine, kinds};
use support::notes::plain;
use support::process::wait_until;
use support::{NEWEST, OLD, Pooler, Stack, StackOptions, Version, Wire};

/// Ten rows at a time; `more`: what stands in the login's table besides, and behind the policy.
fn policy(more: &str, behind: &str) -> String {
    let limited = format!("[login.shop_plain]\nmax_rows = 10\n{more}");
    let policy = POLICY.replacen("[login.shop_plain]\n", &limited, 1);
    format!("{policy}\n{behind}")
}

fn start(policy: String, (version, pooler): (Version, Pooler)) -> Stack {
    Stack::start(StackOptions {
        policy,
        version,
        pooler,
        ..StackOptions::default()
    })
}

fn rows_in(answer: &[Message]) -> usize {
    let row = |it: &&Message| matches!(it.kind, b'D' | b'd');
    answer.iter().filter(row).count()
}

/// Ten rows, the error, and nothing but ReadyForQuery behind it.
#[track_caller]
fn ended(answer: &[Message], transaction: char) {
    assert_eq!(failed(answer), ("54000".into(), transaction));
    let told = error(answer).expect("an error");
    assert!(
        told.field(b'D')
            .expect("a detail")
            .contains("\"bulk-export\"")
    );
    assert!(told.field(b'H').is_some());
    assert_eq!(rows_in(answer), 10, "{}", kinds(answer));
    assert!(kinds(answer).ends_with("EZ"), "{}", kinds(answer));
}

fn extended(sql: &str) -> Vec<u8> {
    let describe = message::describe(b'P', "");
    let [parse, bind] = [message::parse("", sql), message::bind("", "", &[])];
    [
        parse,
        bind,
        describe,
        message::execute("", 0),
        message::sync(),
    ]
    .concat()
}

fn by_every_way(which: (Version, Pooler)) {
    let stack = start(policy("", ""), which);
    let mut wire = plain(&stack);
    let all = "SELECT generate_series(1, 50000)";
    let copy = format!("COPY ({all}) TO STDOUT");
    for sql in [all, &copy, "SELECT 1; SELECT generate_series(1, 11)"] {
        if !sql.contains(';') {
            ended(&wire.ask(&extended(sql)), 'I');
            fine(&wire.query("BEGIN"));
            ended(&wire.ask(&extended(sql)), 'E');
            assert_eq!(failed(&wire.query("SELECT 1")), ("25P02".into(), 'E'));
            fine(&wire.query("ROLLBACK"));
            fine(&wire.query("BEGIN"));
            ended(&wire.query(sql), 'E');
            assert_eq!(failed(&wire.ask(&extended("SELECT 1"))).0, "25P02");
            fine(&wire.query("ROLLBACK"));
            ended(&wire.query(sql), 'I');
        } else {
            let answer = wire.query(sql);
            assert_eq!(failed(&answer), ("54000".into(), 'I'));
            assert_eq!(rows_in(&answer), 11);
        }
        assert_eq!(column(&wire.query("SELECT 'served'")), ["served"]);
    }
    // As many as it may, again and again.
    fine(&wire.query("BEGIN"));
    for _ in 0..3 {
        assert_eq!(rows_in(&wire.query("SELECT generate_series(1, 10)")), 10);
        assert_eq!(
            rows_in(&wire.ask(&extended("SELECT generate_series(1, 10)"))),
            10
        );
    }
    fine(&wire.query("COMMIT"));
}

#[test]
fn a_result_ends_behind_the_last_row_that_may_be_read() {
    by_every_way(OLD);
}

#[test]
fn a_result_ends_behind_the_last_row_that_may_be_read_newer() {
    by_every_way(NEWEST);
}

#[test]
fn what_is_read_in_parts_counts_together() {
    let stack = start(policy("", ""), NEWEST);
    let mut wire = plain(&stack);
    for between in ["SELECT 1", "SAVEPOINT s", "SET LOCAL jit = off"] {
        fine(&wire.query("BEGIN"));
        fine(&wire.query("DECLARE c CURSOR FOR SELECT generate_series(1, 99)"));
        assert_eq!(rows_in(&wire.query("FETCH 6 FROM c")), 6);
        fine(&wire.query(between));
        let answer = wire.query("FETCH 6 FROM c");
        assert_eq!((failed(&answer).1, rows_in(&answer)), ('E', 4));
        fine(&wire.query("ROLLBACK"));
    }
    // A portal with a row limit, as JDBC's fetch size.
    fine(&wire.query("BEGIN"));
    let [parse, bind] = [
        message::parse("", "SELECT generate_series(1, 99)"),
        message::bind("p", "", &[]),
    ];
    let part = [message::execute("p", 6), message::sync()].concat();
    assert_eq!(rows_in(&wire.ask(&[parse, bind, part.clone()].concat())), 6);
    fine(&wire.query("SELECT 1"));
    let answer = wire.ask(&part);
    assert_eq!((failed(&answer).1, rows_in(&answer)), ('E', 4));
    fine(&wire.query("ROLLBACK"));
    // The next transaction counts anew.
    fine(&wire.query("BEGIN"));
    fine(&wire.query("DECLARE c CURSOR FOR SELECT generate_series(1, 99)"));
    assert_eq!(rows_in(&wire.query("FETCH 10 FROM c")), 10);
    fine(&wire.query("COMMIT"));
}

#[test]
fn a_cursor_that_outlives_its_transaction_counts_until_it_is_closed() {
    let stack = start(policy("route = \"session\"\n", ""), OLD);
    let mut wire = plain(&stack);
    fine(&wire.query("DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 99)"));
    assert_eq!(rows_in(&wire.query("FETCH 6 FROM c")), 6);
    let answer = wire.query("FETCH 6 FROM c");
    assert_eq!((failed(&answer).0, rows_in(&answer)), ("54000".into(), 4));
    fine(&wire.query("CLOSE c"));
    fine(&wire.query("DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 99)"));
    assert_eq!(rows_in(&wire.query("FETCH 6 FROM c")), 6);
}

#[test]
fn nothing_behind_the_statement_has_run() {
    let stack = start(policy("", ""), NEWEST);
    let mut wire = plain(&stack);
    let write = |note: &str| {
        let sql = format!("INSERT INTO notes (body) VALUES ('{note}')");
        [
            message::parse("", &sql),
            message::bind("", "", &[]),
            message::execute("", 0),
        ]
        .concat()
    };
    let read = [
        message::parse("", "SELECT generate_series(1, 5000)"),
        message::bind("", "", &[]),
        message::execute("", 0),
    ]
    .concat();
    // In one batch, and in a transaction with batches and queries sent ahead.
    ended(
        &wire.ask(&[read.clone(), write("a"), message::sync()].concat()),
        'I',
    );
    let ahead = [
        message::query("BEGIN"),
        [read, message::sync()].concat(),
        [write("b"), message::sync()].concat(),
        message::query("INSERT INTO notes (body) VALUES ('c')"),
        message::query("COMMIT"),
        message::query("SELECT 'served'"),
    ]
    .concat();
    wire.send(&ahead);
    fine(&wire.receive_until(b'Z'));
    ended(&wire.receive_until(b'Z'), 'E');
    for _ in 0..2 {
        assert_eq!(failed(&wire.receive_until(b'Z')), ("25P02".into(), 'E'));
    }
    wire.receive_until(b'Z');
    assert_eq!(column(&wire.receive_until(b'Z')), ["served"]);
    assert_eq!(stack.direct("app", "SELECT count(*) FROM notes"), "0\n");
}

#[test]
fn an_observing_guard_counts_and_lets_pass_and_other_logins_have_no_limit() {
    let stack = start(policy("", "[guards]\nbulk-export = \"observe\"\n"), OLD);
    let mut wire = plain(&stack);
    assert_eq!(rows_in(&wire.query("SELECT generate_series(1, 500)")), 500);
    let (_, metrics) = stack.http_get("/metrics");
    let observed = "portcullis_observed_refusals_total{guard=\"bulk-export\"} 1";
    assert!(metrics.contains(observed), "{metrics}");
    let mut acme = Wire::login(&stack.login("shop_acme", "shop"));
    assert_eq!(rows_in(&acme.query("SELECT generate_series(1, 500)")), 500);
}

#[test]
fn psql_and_its_copy_go_on() {
    let stack = start(policy("", ""), NEWEST);
    let login = stack.login("shop_plain", "app");
    let run = stack.psql(
        &login,
        "\\set ON_ERROR_STOP off\n\\set FETCH_COUNT 4\nSELECT generate_series(1, 99);\n\\unset FETCH_COUNT\n\\copy (SELECT generate_series(1, 99)) TO STDOUT\nSELECT 'served';",
    );
    let errors = run.stderr.matches("result exceeds 10 rows").count();
    assert_eq!(errors, 2, "{run:?}");
    assert!(run.stdout.contains("served"), "{run:?}");
}

/// In a file that observes as a whole, too: what would be cut comes, and is counted.
#[test]
fn where_the_whole_policy_observes_every_row_comes_and_is_counted() {
    for which in [OLD, NEWEST] {
        let policy = policy("", "").replace("mode = \"enforce\"", "mode = \"observe\"");
        let stack = start(policy, which);
        let observed = || {
            let (_, metrics) = stack.http_get("/metrics");
            let series = "portcullis_observed_refusals_total{guard=\"bulk-export\"} ";
            let value = metrics.lines().find_map(|line| line.strip_prefix(series));
            value.expect("the series").to_owned()
        };
        let mut wire = plain(&stack);
        let all = "SELECT generate_series(1, 500)";
        let copy = format!("COPY ({all}) TO STDOUT");
        let few = "SELECT generate_series(1, 10)";
        let mut exceeded = 0;
        for (sql, rows, exceeds) in [(all, 500, 1), (&*copy, 500, 1), (few, 10, 0)] {
            for messages in [message::query(sql), extended(sql)] {
                let answer = wire.ask(&messages);
                assert_eq!((fine(&answer), rows_in(&answer)), ('I', rows));
                exceeded += exceeds;
            }
        }
        fine(&wire.query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 500)"));
        for (count, exceeds) in [(6, 0), (6, 1), (6, 1)] {
            let answer = wire.query(&format!("FETCH {count} FROM c"));
            assert_eq!(rows_in(&answer), count);
            exceeded += exceeds;
        }
        fine(&wire.query("COMMIT"));
        // Counted behind the answers.
        wait_until("they are counted", || observed() == exceeded.to_string());
    }
}
