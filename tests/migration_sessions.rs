//! Migration sessions through the real stack: real psql, PgBouncer in session mode, PostgreSQL.

mod support;

use std::process::Output;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::migration::{self, id, open, open_for};
use support::process::wait_until;
use support::{Login, Stack, StackOptions};

/// `portcullis ...` against the stack's console.
fn portcullis(stack: &Stack, arguments: &[&str], rest: &[&str]) -> Output {
    migration::portcullis(stack, arguments)
        .args(rest)
        .output()
        .expect("portcullis runs")
}

fn out(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_tool_applies_its_files_in_a_session_and_only_there() {
    let stack = Stack::start(StackOptions::default());
    let file = stack.file("0001.sql");
    std::fs::write(
        &file,
        "CREATE TABLE one (id int DEFAULT 41);\nCREATE TABLE two (id int);\n",
    )
    .expect("written");
    let file = file.display().to_string();

    let ddl = "CREATE TABLE three (id int)";
    stack
        .psql(&stack.login("shop_plain", "app"), ddl)
        .refused("42501");
    assert_ne!(stack.psql(&stack.login("migrator", "app"), ddl).status, 0);
    assert_eq!(stack.tables("app"), "notes");

    let run = [
        "migration",
        "run",
        "--database",
        "app",
        "--role",
        "migrator",
        "--reason",
        "SHOP-298",
    ];
    let script = format!(
        "psql -Xq -v ON_ERROR_STOP=1 -f {file} && psql -Xq -c 'CREATE TABLE three (id int)' && psql -Xq -c 'CREATE TABLE two (id int)'"
    );
    let applied = portcullis(&stack, &run, &["--", "sh", "-c", &script]);
    let said = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert_eq!(
        applied.status.code(),
        Some(1),
        "the last psql's own status: {said}"
    );
    assert_eq!(stack.tables("app"), "notes one three two");
    for line in [
        "  1  CREATE TABLE one (id int DEFAULT $1)",
        "  2  CREATE TABLE two (id int)",
        "   ERROR 42P07",
        "portcullis: closed, 4 statements, ",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let listed = out(&portcullis(&stack, &["migration", "list"], &[]));
    assert!(
        listed.contains("| closed |          4 |") && listed.contains("SHOP-298"),
        "{listed}"
    );
}

#[test]
fn closing_ends_what_runs_and_rolls_it_back() {
    let stack = Stack::start(StackOptions::default());
    let login = open(&stack, "app");
    let running = std::thread::scope(|scope| {
        let psql = scope.spawn(|| {
            stack.psql(
                &login,
                "BEGIN; CREATE TABLE half (id int); SELECT pg_sleep(60); COMMIT;",
            )
        });
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        wait_until("it sleeps", || {
            stack.direct("postgres", sleeping).trim() == "1"
        });
        out(&portcullis(
            &stack,
            &["migration", "close", id(&login), "--note", "wrong window"],
            &[],
        ));
        let closed = Instant::now();
        let answer = psql.join().expect("psql ended");
        assert!(
            closed.elapsed() < Duration::from_secs(30),
            "cut off at once"
        );
        wait_until("the server has let go", || {
            stack.direct("postgres", sleeping).trim() == "0"
        });
        answer
    });
    assert_ne!(running.status, 0);
    let told = format!("FATAL:  57P01: migration session {} ended at ", id(&login));
    assert!(
        running.stderr.contains(&told) && running.stderr.contains("with the note \"wrong window\""),
        "{}",
        running.stderr
    );
    assert_eq!(stack.tables("app"), "notes");
    assert_ne!(
        stack.psql(&login, "SELECT 1").status,
        0,
        "the token is worth nothing now"
    );
}

#[test]
fn a_session_ends_on_time() {
    let stack = Stack::start(StackOptions::default());
    let login = open_for(&stack, "app", "8s");
    let begun = Instant::now();
    let answer = stack.psql(
        &login,
        "CREATE TABLE kept (id int); BEGIN; CREATE TABLE half (id int); SELECT pg_sleep(60);",
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(
        answer.stderr.contains("DETAIL:  Its time was over."),
        "{}",
        answer.stderr
    );
    assert_eq!(stack.tables("app"), "kept notes");
    assert_ne!(stack.psql(&login, "SELECT 1").status, 0);
    let listed = out(&portcullis(&stack, &["migration", "list"], &[]));
    assert!(listed.contains("| expired |"), "{listed}");
    stack.psql(&open(&stack, "app"), "SELECT 1").ok();
}

#[test]
fn a_token_is_for_its_own_session_and_database() {
    let stack = Stack::start(StackOptions::default());
    let login = open(&stack, "app");
    assert_eq!(stack.psql(&login, "SELECT current_user").ok(), "migrator\n");
    let refused = |login: Login| stack.psql(&login, "SELECT 1").status;
    assert_eq!(
        refused(Login {
            database: "shop".into(),
            ..login.clone()
        }),
        2
    );
    assert_eq!(
        refused(Login {
            password: support::fixture::password("migrator"),
            ..login.clone()
        }),
        2
    );
    assert_eq!(
        refused(Login {
            user: "migrator.mig_00000000".into(),
            ..login.clone()
        }),
        2
    );
    assert_eq!(
        refused(Login {
            user: format!("shop_plain.{}", id(&login)),
            ..login.clone()
        }),
        2
    );
    assert_eq!(
        refused(Login {
            user: "migrator".into(),
            ..login.clone()
        }),
        2
    );
    let second = portcullis(
        &stack,
        &["migration", "open", "--database", "app", "--reason", "x"],
        &[],
    );
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        said.contains("database \"app\" has an open migration session")
            && said.contains(id(&login)),
        "{said}"
    );
}

#[test]
fn a_sessions_settings_do_not_outlive_it() {
    let stack = Stack::start(StackOptions {
        pool_size: 1,
        ..StackOptions::default()
    });
    let first = open(&stack, "app");
    let leave = "SET row_security = off; SET search_path = ''; SELECT pg_advisory_lock(7);";
    stack.psql(&first, leave).ok();
    out(&portcullis(
        &stack,
        &["migration", "close", id(&first)],
        &[],
    ));
    let second = open(&stack, "app");
    let found = stack
        .psql(&second, "SHOW row_security; SHOW search_path;")
        .ok();
    assert_eq!(found, "on\n\"$user\", public\n");
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(stack.direct("app", locks).trim(), "0");
}

/// A proxy that was killed may have had statements that were not written yet: the record says that it may lack some.
#[test]
fn the_record_of_a_killed_proxy_does_not_claim_to_be_whole() {
    let mut stack = Stack::start(StackOptions::default());
    open(&stack, "app");
    let listed = |stack: &Stack| out(&portcullis(stack, &["migration", "list"], &[]));
    let mut proxy = stack.proxy.take().expect("a proxy");
    proxy.signal(Signal::TERM);
    let ended = proxy.wait_for_end(Duration::from_secs(60)).expect("ended");
    assert!(ended.success(), "{ended}");
    stack.restart_proxy();
    assert!(!listed(&stack).contains("incomplete"), "{}", listed(&stack));
    stack.restart_proxy();
    let told = listed(&stack);
    assert!(told.contains("open, record incomplete"), "{told}");
}

#[test]
fn an_open_session_survives_a_restart_of_the_proxy() {
    let mut stack = Stack::start(StackOptions::default());
    let login = open(&stack, "app");
    stack.psql(&login, "CREATE TABLE before_it (id int)").ok();
    let shown = || out(&portcullis(&stack, &["migration", "show", id(&login)], &[]));
    wait_until("the statement is in the file", || {
        shown().contains("before_it")
    });
    // Killed, not stopped: nothing may be left to be written at the end.
    stack.restart_proxy();
    stack.psql(&login, "CREATE TABLE after_it (id int)").ok();
    assert_eq!(stack.tables("app"), "after_it before_it notes");
    let shown = out(&portcullis(&stack, &["migration", "show", id(&login)], &[]));
    assert!(
        shown.contains("before_it") && shown.contains("after_it"),
        "{shown}"
    );
}
