//! Real migration tools through the real stack: refused without a migration session, and with one
//! applied, in a session that `migration run` opens for them or with the settings that `migration
//! open` prints. Nothing is changed but the connection settings.

mod support;

mod migrations {
    //! The tools with their projects; what they leave behind, and when they end before their time.
    mod cut_off;
    pub mod fixture;
    pub mod left;
    pub mod tools;
}

use migrations::fixture::{shipped, stack};
use migrations::left;
use migrations::tools::{self, Tool};
use support::files::write_secret;
use support::migration::{Statement, close, finished, id, open, run, session_of, show};
use support::{PoolMode, Stack, Wire, process};

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
    for said in tool.denied {
        assert!(refused.stderr.contains(said), "{said}\n{}", refused.stderr);
    }
    let refusal = r#""login":"shop_plain","guard":"ddl-outside-migration","sqlstate":"42501""#;
    process::wait_until("the refusal is in the log", || {
        stack.proxy_log().contains(refusal)
    });
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
fn drizzle_kit() {
    refused_then_applied(&tools::drizzle());
}

#[test]
fn drizzle_kit_push_is_for_development() {
    for (environment, policy, passes) in [
        (
            "development",
            include_str!("../policies/development.toml"),
            true,
        ),
        ("staging", include_str!("../policies/staging.toml"), false),
        (
            "production",
            include_str!("../policies/production.toml"),
            false,
        ),
    ] {
        let stack = shipped(policy);
        let pushed = finished(tools::drizzle_push(&stack.login("shop_plain", "app")));
        let said = format!("{environment}: {}{}", pushed.stdout, pushed.stderr);
        let tables = if passes { "pushed" } else { "" };
        assert_eq!(left::tables(&stack, "app"), tables, "{said}");
        let guard = r#""login":"shop_plain","guard":"ddl-outside-migration""#;
        if !passes {
            process::wait_until("the log has it", || stack.proxy_log().contains(guard));
        }
        // Its exit status does not tell.
        let refused = "cannot execute CREATE TABLE outside a migration session";
        assert_eq!(said.contains(refused), !passes, "{said}");
        left::nothing(&stack, PoolMode::Transaction, "shop_plain", "app");
    }
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
    process::wait_until("both wait for the lock", || {
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

/// pg_dump and psql: a restore is a migration too.
#[test]
fn a_dump_is_taken_and_restored() {
    let stack = stack();
    let runner = tools::runner();
    finished(run(&stack, "app", &runner.command(), &runner.project())).ok();
    let dump = ["pg_dump", "--no-owner", "--file", "dump.sql"];
    finished(run(&stack, "app", &dump, stack.directory())).ok();
    let restore = [
        "psql",
        "-Xq",
        "-v",
        "ON_ERROR_STOP=1",
        "--output",
        "/dev/null",
        "-f",
        "dump.sql",
    ];
    finished(run(&stack, "other", &restore, stack.directory())).ok();
    assert_eq!(left::objects(&stack, "other"), left::objects(&stack, "app"));
    let (sql, made) = runner.made;
    assert_eq!(stack.direct("other", sql), made);
    for database in ["app", "other"] {
        left::nothing(&stack, PoolMode::Session, "migrator", database);
    }
}
