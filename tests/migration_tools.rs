//! Real migration tools through the real stack: refused without a migration session, and with one
//! applied, in a session that `migration run` opens for them or with the settings that `migration
//! open` prints. Nothing is changed but the connection settings.

mod support;

mod migrations {
    //! The tools with their projects, and what they leave behind.
    pub mod left;
    pub mod tools;
}

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use migrations::left;
use migrations::tools::{self, Tool};
use rustix::process::{Pid, Signal, kill_process};
use support::files::write_secret;
use support::process::spawn;
use support::{Login, PoolMode, Psql, Stack, StackOptions, Wire, message, psql};

/// Server connections of the session pool, for each database.
const POOL: u32 = 3;

/// Two empty databases. Only Portcullis keeps shop_plain from changing them: PostgreSQL lets it.
const SQL: &str = "
CREATE DATABASE app OWNER migrator;
CREATE DATABASE other OWNER migrator;
\\connect app
GRANT CREATE ON SCHEMA public TO shop_plain, migrator;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator GRANT SELECT, INSERT ON TABLES TO shop_plain;
\\connect other
GRANT CREATE ON SCHEMA public TO shop_plain, migrator;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator GRANT SELECT, INSERT ON TABLES TO shop_plain;
";

const POLICY: &str = r#"schema = 1
environment = "test"
mode = "enforce"

[login.shop_plain]
kind = "service"
databases = ["app", "other"]

[login.migrator]
kind = "migrator"
databases = ["app", "other"]

[migrations]
lock_timeout = "30s"
"#;

fn stack() -> Stack {
    Stack::start(StackOptions {
        sql: SQL.into(),
        policy: POLICY.into(),
        pool_size: POOL,
        ..StackOptions::default()
    })
}

/// `portcullis ... --config ...` against the stack's console.
fn portcullis(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .arg("--config")
        .arg(stack.file("portcullis.toml"));
    command
}

fn finished(command: Command) -> Psql {
    psql::with_input(command, "").into()
}

/// `portcullis migration run --database ... -- tool`
fn run(stack: &Stack, database: &str, tool: &[&str], directory: &Path) -> Command {
    let asked = [
        "migration",
        "run",
        "--reason",
        "test",
        "--database",
        database,
    ];
    let mut command = portcullis(stack, &asked);
    command.arg("--").args(tool).current_dir(directory);
    command
}

/// `portcullis migration open`: the login that it gives.
fn open(stack: &Stack, database: &str) -> Login {
    let asked = [
        "migration",
        "open",
        "--reason",
        "test",
        "--json",
        "--database",
        database,
    ];
    let opened = finished(portcullis(stack, &asked)).ok();
    let opened: serde_json::Value = serde_json::from_str(&opened).expect("JSON");
    let text = |name: &str| opened[name].as_str().expect(name).to_owned();
    Login {
        user: text("login"),
        password: text("token"),
        ..stack.login("migrator", database)
    }
}

fn id(login: &Login) -> &str {
    login.user.rsplit('.').next().expect("an id")
}

fn close(stack: &Stack, login: &Login) {
    finished(portcullis(stack, &["migration", "close", id(login)])).ok();
}

/// What `migration show` says of a statement.
#[derive(Debug)]
struct Statement {
    text: String,
    ms: u64,
    sqlstate: String,
}

fn show(stack: &Stack, id: &str) -> Vec<Statement> {
    let shown = finished(portcullis(stack, &["migration", "show", id, "--json"])).ok();
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let statement = |row: &serde_json::Value| Statement {
        text: row["statement"].as_str().expect("a text").to_owned(),
        ms: row["ms"].as_u64().expect("a number"),
        sqlstate: row["sqlstate"].as_str().expect("a text").to_owned(),
    };
    shown
        .as_array()
        .expect("rows")
        .iter()
        .map(statement)
        .collect()
}

/// The id that `migration run` told.
fn session_of(run: &Psql) -> &str {
    let rest = run.stderr.split("migration session ").nth(1);
    rest.and_then(|rest| rest.split(' ').next()).expect("an id")
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part);
        rest = &rest[at.unwrap_or_else(|| panic!("{part} is missing, or too early\n{text}"))..];
    }
}

/// Refused as an application; applied in a session, twice over: `migration run`, `migration open`.
fn refused_then_applied(tool: &Tool) {
    let stack = stack();
    assert_eq!(left::objects(&stack, "app"), 0, "the fixture is empty");
    is_refused(&stack, tool);
    is_applied_by_run(&stack, tool);
    is_applied_when_open(&stack, tool);
    for database in ["app", "other"] {
        let (sql, made) = tool.made;
        assert_eq!(stack.direct(database, sql), made, "{database}");
        left::nothing(&stack, PoolMode::Session, "migrator", database);
        let (sql, answer) = tool.used;
        let plain = stack.login("shop_plain", database);
        assert_eq!(stack.psql(&plain, sql).ok(), answer, "an application");
    }
}

fn is_refused(stack: &Stack, tool: &Tool) {
    let refused = finished(tool.as_login(&stack.login("shop_plain", "app")));
    assert_ne!(refused.status, 0, "{}", refused.stdout);
    let words = "cannot execute CREATE TABLE outside a migration session";
    for said in [tool.denied, words] {
        assert!(refused.stderr.contains(said), "{said}\n{}", refused.stderr);
    }
    assert_eq!(left::objects(stack, "app"), 0);
    left::nothing(stack, PoolMode::Transaction, "shop_plain", "app");
    // PostgreSQL would have let it.
    let past = stack.login_at(stack.transaction_port, "shop_plain", "app");
    stack
        .psql(&past, "BEGIN; CREATE TABLE t (); ROLLBACK;")
        .ok();
}

fn is_applied_by_run(stack: &Stack, tool: &Tool) {
    let applied = finished(run(stack, "app", &tool.command(), &tool.project()));
    assert_eq!(applied.status, 0, "{}{}", applied.stdout, applied.stderr);
    let (_, talk) = applied
        .stderr
        .split_once("portcullis: migration session mig_")
        .expect("it says which session");
    assert_in_order(talk, &[" on app, lease held, ends ", "\n  1  "]);
    assert_in_order(talk, tool.statements);
    assert_in_order(
        talk,
        &[" ms\n", "portcullis: closed, ", " statements, ", " ms\n"],
    );
    assert!(!talk.contains("ERROR"), "{talk}");
}

fn is_applied_when_open(stack: &Stack, tool: &Tool) {
    let login = open(stack, "other");
    let applied = finished(tool.as_login(&login));
    assert_eq!(applied.status, 0, "{}{}", applied.stdout, applied.stderr);
    close(stack, &login);
    let shown: String = show(stack, id(&login))
        .iter()
        .map(|statement| format!("{}\n", statement.text))
        .collect();
    assert_in_order(&shown, tool.statements);
}

#[test]
fn psql_with_many_connections() {
    refused_then_applied(&tools::runner());
}

#[test]
fn dbmate() {
    refused_then_applied(&tools::dbmate());
}

#[test]
fn django_migrate() {
    refused_then_applied(&tools::django());
}

#[test]
fn alembic() {
    refused_then_applied(&tools::alembic());
}

#[test]
fn two_runners_at_once() {
    let stack = stack();
    let login = open(&stack, "app");
    let mut key = Wire::login(&stack.login_at(stack.session_port, "migrator", "app"));
    key.query("SELECT pg_advisory_lock(4732518903281471)");

    let runner = tools::runner();
    // One has the token in a file, as a job in a cluster has.
    let token = stack.file("token");
    write_secret(&token, &login.password);
    let mut from_file = runner.as_login(&login);
    from_file
        .env_remove("PGPASSWORD")
        .env("PGPASSWORD_FILE", &token);
    let both = [runner.as_login(&login), from_file]
        .map(|command| std::thread::spawn(|| finished(command)));
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    wait_until("both wait for the lock", || {
        stack.direct("app", waiting).trim() == "2"
    });

    // A second session has to wait until the first is closed; one for another database has not.
    let started = stack.file("started");
    let touch = ["touch", &started.display().to_string()].map(str::to_owned);
    let touch = touch.each_ref().map(String::as_str);
    let second = finished(run(&stack, "app", &touch, stack.directory()));
    assert_eq!(second.status, 1, "{}", second.stderr);
    let said = "database \"app\" has an open migration session";
    assert!(second.stderr.contains(said), "{}", second.stderr);
    assert!(!started.exists(), "the tool was started");
    assert_eq!(
        finished(run(&stack, "other", &touch, stack.directory())).status,
        0
    );
    assert!(started.exists());

    drop(key);
    let mut applied = String::new();
    for runner in both {
        let runner = runner.join().expect("it ended");
        assert_eq!(runner.status, 0, "{}", runner.stderr);
        applied.push_str(&runner.stdout);
    }
    let mut applied: Vec<&str> = applied.lines().collect();
    applied.sort_unstable();
    let once = ["0001_baseline", "0002_order_totals", "0003_zone_names"];
    assert_eq!(applied, once.map(|version| format!("applied {version}")));
    close(&stack, &login);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
}

#[test]
fn a_failing_file_gives_the_tools_status_and_leaves_nothing() {
    let stack = stack();
    let files = stack.file("files");
    std::fs::create_dir(&files).expect("created");
    let text = "CREATE TABLE kept AS SELECT 1 AS id, pg_sleep(0.4)::text;";
    std::fs::write(files.join("0001_slow.up.sql"), text).expect("written");
    let text = "SET row_security = off; SET search_path = ''; CREATE TABLE public.half (id int);
                SELECT pg_advisory_lock(7); SELECT 1 / (id - 1) FROM public.kept;";
    std::fs::write(files.join("0002_broken.up.sql"), text).expect("written");

    let files = files.display().to_string();
    let runner = tools::runner();
    let command = [&runner.command()[..], &[&files]].concat();
    let failed = finished(run(&stack, "app", &command, &runner.project()));
    assert_eq!(failed.status, 3, "psql's status for an error in a script");
    assert!(
        failed.stderr.contains("ERROR:  22012: division by zero"),
        "{}",
        failed.stderr
    );
    assert_eq!(left::tables(&stack, "app"), "kept schema_migrations");
    left::nothing(&stack, PoolMode::Session, "migrator", "app");

    let shown = show(&stack, session_of(&failed));
    let one = |beginning: &str| {
        let of_it = |statement: &&Statement| statement.text.starts_with(beginning);
        shown
            .iter()
            .find(of_it)
            .unwrap_or_else(|| panic!("{beginning}: {shown:?}"))
    };
    assert!(
        (400..4000).contains(&one("CREATE TABLE kept").ms),
        "{shown:?}"
    );
    assert!(one("CREATE TABLE public.half").ms < 400, "{shown:?}");
    assert_eq!(one("CREATE TABLE public.half").sqlstate, "00000");
    assert_eq!(
        one("SELECT $1 / (id - $2) FROM public.kept").sqlstate,
        "22012"
    );
    assert_eq!(shown.last().map(|last| &*last.sqlstate), Some("22012"));
}

/// `migration run` of a tool that runs `psql -f FILE`, which creates a table and then sleeps in the
/// same transaction.
fn sleeper(stack: &Stack, tool: &[&str]) -> Child {
    let script = "BEGIN; CREATE TABLE half (id int); SELECT pg_sleep(60); COMMIT;";
    std::fs::write(stack.file("sleep.sql"), script).expect("written");
    let mut command = run(stack, "app", tool, stack.directory());
    // Of a group of its own: a terminal's keys would have reached the tool already.
    command
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = spawn(command).expect("started");
    wait_until("it sleeps", || sleeping(stack) == "1");
    child
}

fn sleeping(stack: &Stack) -> String {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    stack.direct("postgres", sql).trim().to_owned()
}

fn told(child: Child, signal: Signal) -> Psql {
    kill_process(Pid::from_child(&child), signal).expect("told");
    let told = Instant::now();
    let output = child.wait_with_output().expect("it ended");
    assert!(told.elapsed() < Duration::from_secs(30), "it slept on");
    output.into()
}

/// A tool that is interrupted cancels its statement, as it would without Portcullis.
#[test]
fn an_interrupt_reaches_the_statement() {
    let stack = stack();
    let psql = [
        "psql",
        "-Xq",
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "VERBOSITY=verbose",
        "-f",
        "sleep.sql",
    ];
    let ended = told(sleeper(&stack, &psql), Signal::INT);
    assert!(
        ended.stderr.contains("ERROR:  57014: canceling statement"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("   ERROR 57014\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert_eq!(left::objects(&stack, "app"), 0);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
}

/// What a session records of a statement that it cut off: 08006, since nobody saw its end.
fn is_recorded_as_cut_off(stack: &Stack, ended: &Psql, beginning: &str) {
    let session = session_of(ended);
    wait_until("its end is recorded", || {
        let shown = show(stack, session);
        let last = shown.last().expect("a statement");
        last.text.starts_with(beginning) && last.sqlstate == "08006"
    });
}

/// A shell that is terminated leaves its psql behind: the end of the session cuts that off.
#[test]
fn what_a_terminated_tool_leaves_running_is_cut_off() {
    let stack = stack();
    let shell = ["bash", "-c", "psql -Xq -f sleep.sql; true"];
    let ended = told(sleeper(&stack, &shell), Signal::TERM);
    assert_eq!(ended.status, 128 + 15, "{}", ended.stderr);
    wait_until("the server has let go", || sleeping(&stack) == "0");
    assert_eq!(left::objects(&stack, "app"), 0);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
    is_recorded_as_cut_off(&stack, &ended, "SELECT pg_sleep(");
    stack
        .psql(&open(&stack, "app"), "CREATE TABLE next (id int)")
        .ok();
}

/// PostgreSQL goes on with a statement whose client has died, and commits it: not after the session.
#[test]
fn what_a_killed_tool_was_running_is_cut_off() {
    let stack = stack();
    let create = "CREATE TABLE late AS SELECT pg_sleep(60)::text";
    let ended = told(sleeper(&stack, &["psql", "-Xqc", create]), Signal::TERM);
    assert_eq!(ended.status, 128 + 15, "{}", ended.stderr);
    wait_until("the server has let go", || sleeping(&stack) == "0");
    assert_eq!(left::objects(&stack, "app"), 0);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
    is_recorded_as_cut_off(&stack, &ended, "CREATE TABLE late AS SELECT");
}

/// Nor does it help to say goodbye in the middle of a statement.
#[test]
fn what_a_leaving_client_was_running_is_cut_off() {
    let stack = stack();
    let login = open(&stack, "app");
    let mut client = Wire::login(&login);
    client.send(&message::query(
        "CREATE TABLE late AS SELECT pg_sleep(60)::text",
    ));
    wait_until("it sleeps", || sleeping(&stack) == "1");
    client.send(&message::terminate());
    wait_until("the server has let go", || sleeping(&stack) == "0");
    assert_eq!(left::objects(&stack, "app"), 0);
    close(&stack, &login);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
}
