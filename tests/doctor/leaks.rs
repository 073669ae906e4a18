//! Leaks are proved where there are some and not where there are none, and nothing is left behind.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::common::*;
use crate::support::{self, Pooler, Stack, StackOptions, User, Wire, message, password};

/// Everything that a probe could leave on a server connection.
const LEFT: &str = "SELECT coalesce(current_setting('portcullis.probe', true), ''), current_setting('search_path'), \
    current_setting('role'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), \
    (SELECT count(*) FROM pg_prepared_statements WHERE name !~ '^PGBOUNCER_'), (SELECT count(*) FROM pg_listening_channels()), \
    (SELECT count(*) FROM pg_class WHERE relname LIKE 'portcullis_probe%')";

#[test]
fn leaks_of_a_plain_pgbouncer_are_proved_and_nothing_stays() {
    for pooler in [Pooler::V1_18, Pooler::V1_24] {
        let stack = Stack::start(StackOptions {
            proxy: false,
            ..one_connection(pooler)
        });
        let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
        let before = stack.psql(&login, LEFT).ok();
        let report = examined(&login, &[]);
        let mut expected = set(&LEAKS);
        if pooler == Pooler::V1_24 {
            // It follows what drivers prepare.
            expected.remove("leak-named-statement");
        }
        assert_eq!(ids(&report, "leak"), expected, "{pooler:?}");
        assert_eq!(report["server"]["pool_mode"], "transaction");
        assert_eq!(report["server"]["kind"], "pgbouncer");
        assert_eq!(
            found(&report, "leak-setting")[0]["proof"],
            "proved just now: portcullis.probe"
        );
        assert_eq!(found(&report, "left-behind"), Vec::<&Value>::new());
        assert_eq!(found(&report, "not-shown"), Vec::<&Value>::new());
        assert_eq!(stack.psql(&login, LEFT).ok(), before, "{pooler:?}");
        // The doctor's own eyes say the same.
        assert_eq!(ids(&examined(&login, &["--read-only"]), "leak"), set(&[]));
    }
}

#[test]
fn nothing_leaks_where_connections_are_not_shared() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..one_connection(Pooler::V1_18)
    });
    let session = stack.login_at(stack.session_port, "shop_acme", "shop");
    for (login, kind) in [
        (session, "pgbouncer"),
        (direct(&stack, "shop_acme"), "postgresql"),
    ] {
        let report = examined(&login, &[]);
        assert_eq!(report["server"]["kind"], kind);
        assert_eq!(ids(&report, "leak"), set(&[]), "{kind}");
        let fine = report["fine"].as_array().expect("a list");
        for leak in LEAKS {
            assert!(
                fine.contains(&leak.into()),
                "{kind}: {leak} is not said to be fine: {report}"
            );
        }
    }
    let said = doctor(&direct(&stack, "shop_acme"), &[]);
    assert!(said.stdout.starts_with("PostgreSQL 15."), "{}", said.stdout);
    assert!(
        said.stdout.contains(" itself: no pool in between\n"),
        "{}",
        said.stdout
    );
}

/// What the doctor says of Portcullis is what Portcullis does: no more, and no less.
#[test]
fn what_is_said_to_be_closed_by_portcullis_is_closed() {
    for pooler in [Pooler::V1_18, Pooler::V1_24] {
        let stack = Stack::start(one_connection(pooler));
        let plain = examined(
            &stack.login_at(stack.transaction_port, "shop_acme", "shop"),
            &[],
        );
        let open: BTreeSet<String> = found(&plain, "leak-")
            .into_iter()
            .filter(|leak| leak["closed_by_portcullis"] == false)
            .map(|leak| leak["id"].as_str().expect("an id").to_owned())
            .collect();
        let report = examined(&stack.login("shop_acme", "shop"), &[]);
        assert_eq!(
            ids(&report, "leak"),
            open,
            "{pooler:?}: Portcullis leaks something else than KINDS in src/cli/doctor/finding.rs says"
        );
        assert_eq!(report["server"]["kind"], "portcullis");
        let guards = report["guards"].as_array().expect("a list");
        assert!(guards.contains(&"session-state".into()), "{report}");
        assert_eq!(
            found(&report, "left-behind"),
            Vec::<&Value>::new(),
            "{report}"
        );
    }
}

/// Whenever it is interrupted: nothing of it stays.
#[test]
fn an_interrupted_doctor_cleans_up_first() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        postgresql: vec![("log_statement", "all")],
        ..one_connection(Pooler::V1_18)
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let before = stack.psql(&login, LEFT).ok();
    let mut interrupted = 0;
    for begun in [
        "SET portcullis.probe = ",
        "SET search_path = ",
        "SET ROLE ",
        "SELECT pg_catalog.pg_try_advisory_lock(",
        "PREPARE portcullis_probe_",
    ] {
        let log = || std::fs::read_to_string(stack.file("postgresql.log")).expect("read the log");
        let times = || log().matches(begun).count();
        let so_far = times();
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.arg("doctor").envs(login.environment());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let child = support::process::spawn(command).expect("start the doctor");
        support::process::wait_until(begun, || times() > so_far);
        // It may have ended already.
        let _ = kill_process(Pid::from_child(&child), Signal::INT);
        let output = child.wait_with_output().expect("wait for the doctor");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        interrupted +=
            usize::from(said.contains("interrupted; what the probes left was taken away"));
        assert_eq!(stack.psql(&login, LEFT).ok(), before, "{begun}: {said}");
    }
    assert!(interrupted > 0, "it was always too late");
}

#[test]
fn what_cannot_be_tried_or_taken_away_is_said() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..one_connection(Pooler::V1_18)
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    stack.direct(
        "shop",
        "REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC; \
         REVOKE EXECUTE ON FUNCTION pg_advisory_unlock(int, int) FROM PUBLIC",
    );
    let report = examined(&login, &[]);
    let not_shown = found(&report, "not-shown");
    assert_eq!(not_shown.len(), 1, "{not_shown:?}");
    let text = not_shown[0]["text"].as_str().expect("a text");
    assert!(text.starts_with("not shown: a temporary table"), "{text}");
    let left = found(&report, "left-behind");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0]["text"]
            .as_str()
            .expect("a text")
            .contains("an advisory lock (1886351214, ")
    );
    assert!(ids(&report, "leak").contains("leak-advisory-lock"));
    // And the next doctor meets it.
    let next = examined(&login, &["--read-only"]);
    assert_eq!(ids(&next, "leak"), set(&["carried-session-state"]));
}

#[test]
fn pooled_connections_that_carry_something_are_noticed() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..one_connection(Pooler::V1_18)
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    assert_eq!(ids(&examined(&login, &["--read-only"]), "leak"), set(&[]));
    // A role's own default is nobody's leak.
    stack.direct(
        "shop",
        "ALTER ROLE shop_globex SET app.tenant_id = 'globex'; ALTER ROLE shop_globex SET work_mem = '5MB'",
    );
    let globex = stack.login_at(stack.transaction_port, "shop_globex", "shop");
    assert_eq!(ids(&examined(&globex, &["--read-only"]), "leak"), set(&[]));
    stack
        .psql(
            &login,
            "SET app.tenant_id = 'secret-tenant'; SET statement_timeout = '59s'; SET search_path = public, other;
             PREPARE left_here AS SELECT 1; SELECT pg_advisory_lock(4711)",
        )
        .ok();
    let said = doctor(&login, &["--read-only", "--json"]);
    assert_eq!(said.code, 1);
    let report = said.json();
    assert_eq!(objects(&report, "carried-zone"), ["app.tenant_id"]);
    assert_eq!(
        objects(&report, "carried-parameter"),
        ["search_path", "statement_timeout"]
    );
    assert_eq!(
        objects(&report, "carried-session-state"),
        ["advisory lock 0,4711", "prepared statement left_here"]
    );
    assert!(
        !said.stdout.contains("secret-tenant"),
        "a zone's id is nobody's business"
    );
}

/// The rights of a former client, and what newer PgBouncers set for each one: the doctor's own transaction hides
/// neither.
#[test]
fn a_role_and_a_parameter_that_newer_pools_set_are_noticed() {
    for pooler in [Pooler::V1_18, Pooler::V1_24] {
        let stack = Stack::start(StackOptions {
            proxy: false,
            users: vec![User {
                attributes: "SUPERUSER".into(),
                ..User::new("boss", &password("boss"))
            }],
            ..one_connection(pooler)
        });
        stack.direct(
            "shop",
            "CREATE ROLE books; GRANT books TO shop_acme, shop_globex; \
             ALTER ROLE shop_globex IN DATABASE shop SET role = books; ALTER ROLE shop_globex SET IntervalStyle = sql_standard",
        );
        let at = |user: &str| stack.login_at(stack.transaction_port, user, "shop");
        let carried = |user: &str| {
            let mut names = objects(&examined(&at(user), &["--read-only"]), "carried-parameter");
            names.sort();
            names
        };
        // The role and the style that ALTER ROLE gave it are its own.
        for user in ["shop_acme", "shop_globex", "boss"] {
            assert_eq!(carried(user), [""; 0], "{user} {pooler:?}");
        }
        let sql =
            "SET ROLE books; SET IntervalStyle = iso_8601; SET default_transaction_read_only = on";
        stack.psql(&at("shop_acme"), sql).ok();
        let expected: &[&str] = match pooler {
            // This one sets the style for each client.
            Pooler::V1_24 => &["default_transaction_read_only", "role"],
            _ => &["IntervalStyle", "default_transaction_read_only", "role"],
        };
        assert_eq!(carried("shop_acme"), expected, "{pooler:?}");
        // Another role than its default is somebody else's.
        stack.psql(&at("shop_globex"), "SET ROLE shop_globex").ok();
        assert_eq!(carried("shop_globex"), ["role"], "{pooler:?}");
        let sql = "SET SESSION AUTHORIZATION shop_acme";
        stack.psql(&at("boss"), sql).ok();
        assert_eq!(carried("boss"), ["session_authorization"], "{pooler:?}");
    }
}

#[test]
fn read_only_sends_nothing_but_questions() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        postgresql: vec![("log_statement", "all"), ("log_line_prefix", "[%u] ")],
        ..one_connection(Pooler::V1_18)
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let transaction = || stack.direct("shop", "SELECT txid_snapshot_xmax(txid_current_snapshot())");
    let before = transaction();
    assert_eq!(examined(&login, &["--read-only"])["probed"], false);
    assert_eq!(transaction(), before, "a transaction id was taken");
    let log = std::fs::read_to_string(stack.file("postgresql.log")).expect("read the log");
    let statements: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("[shop_acme]"))
        .filter_map(|line| line.split("statement: ").nth(1))
        .collect();
    assert!(statements.len() > 20, "{statements:?}");
    let mut inside = false;
    for statement in statements {
        match statement {
            "BEGIN READ ONLY" => inside = true,
            "COMMIT" | "ROLLBACK" => inside = false,
            // PgBouncer's own, for each client.
            other
                if other.starts_with("SET client_encoding=")
                    || other.starts_with("SET application_name=") => {}
            other => {
                let asks = ["SELECT ", "SHOW ", "SET LOCAL search_path = pg_catalog"];
                assert!(asks.iter().any(|start| other.starts_with(start)), "{other}");
                assert!(inside, "not in a read-only transaction: {other}");
            }
        }
    }
}

/// However the pool gives out its connections, the same one is met again, or it is no more.
#[test]
fn pools_of_other_kinds() {
    for (extra, leaks, code) in [
        ("server_round_robin = 1", &LEAKS[..], 1),
        ("server_lifetime = 0", &[], 1),
        ("pool_mode = statement", &[], 2),
    ] {
        let stack = Stack::start(StackOptions {
            proxy: false,
            pgbouncer: extra.to_owned(),
            pool_size: 4,
            ..StackOptions::default()
        });
        let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
        if code == 1 {
            // Every connection of the pool is open.
            let mut clients: Vec<Wire> = (0..4).map(|_| Wire::login(&login)).collect();
            for statement in ["BEGIN", "COMMIT"] {
                for client in &mut clients {
                    client.batch(&message::query(statement));
                }
            }
        }
        let said = doctor(&login, &["--json"]);
        assert_eq!(said.code, code, "{extra}: {said:?}");
        match code {
            1 => {
                assert_eq!(ids(&said.json(), "leak"), set(leaks), "{extra}");
                assert!(
                    found(&said.json(), "left-behind").is_empty(),
                    "{extra}: {said:?}"
                );
                assert!(
                    found(&said.json(), "not-shown").is_empty(),
                    "{extra}: {said:?}"
                );
            }
            _ => assert!(
                said.stderr.contains("statement pooling"),
                "{extra}: {said:?}"
            ),
        }
    }
}

/// What the README shows under its first command is what the doctor says.
#[test]
fn the_readme_shows_what_the_doctor_says() {
    let stack = Stack::start(StackOptions {
        users: vec![User::new("doctor", &password("doctor"))],
        pgbouncer: "stats_users = doctor".to_owned(),
        proxy: false,
        sql: format!(
            "{}\\connect shop\nCREATE TABLE refunds (tenant_id text, amount int);",
            support::fixture::SQL
        ),
        ..StackOptions::default()
    });
    let login = stack.login_at(stack.transaction_port, "doctor", "shop");
    let said = doctor(&login, &[]);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"))
        .expect("read README.md");
    let command = "    portcullis doctor \"host=localhost port=6432 dbname=";
    let shown = readme
        .split(command)
        .nth(1)
        .unwrap_or_else(|| panic!("not shown:\n{}", said.stdout));
    let lines = shown
        .lines()
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with("    "));
    let lines: Vec<&str> = lines.map(|line| line.trim_start_matches("    ")).collect();
    assert!(
        lines.iter().filter(|line| line.starts_with("LEAK")).count() > 3,
        "{lines:?}"
    );
    for line in lines
        .into_iter()
        .filter(|line| !line.is_empty() && *line != "...")
    {
        assert!(
            said.stdout.contains(line),
            "the doctor does not say: {line}\n{}",
            said.stdout
        );
    }
}

/// The database's owner must not be able to run code as the superuser who asks the doctor: names and
/// operators that the doctor uses are PostgreSQL's, whatever search_path says.
#[test]
fn traps_in_the_database_do_not_catch_the_doctor() {
    let mut traps = String::from(
        "CREATE FUNCTION trap() RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''caught''; END';\n",
    );
    for (at, (left, right)) in [
        ("oid", "oid"),
        ("oid", "int4"),
        ("int4", "int4"),
        ("int8", "int4"),
        ("int2", "int4"),
        ("text", "text"),
        ("name", "text"),
        ("name", "name"),
        ("bool", "bool"),
        ("\"char\"", "\"char\""),
    ]
    .into_iter()
    .enumerate()
    {
        traps += &format!(
            "CREATE FUNCTION trap{at}({left}, {right}) RETURNS bool LANGUAGE sql AS 'SELECT public.trap()';\n"
        );
        for operator in ["=", "<>", ">", "~", "!~", "~*"] {
            traps += &format!(
                "CREATE OPERATOR public.{operator} (FUNCTION = trap{at}, LEFTARG = {left}, RIGHTARG = {right});\n"
            );
        }
    }
    for (name, arguments, result) in [
        ("current_setting", "text, bool", "text"),
        ("pg_backend_pid", "", "int"),
        ("lower", "text", "text"),
        ("strpos", "text, text", "int"),
        ("quote_ident", "name", "text"),
        ("has_schema_privilege", "text, oid, text", "bool"),
        ("pg_get_expr", "pg_node_tree, oid", "text"),
    ] {
        traps += &format!(
            "CREATE FUNCTION public.{name}({arguments}) RETURNS {result} LANGUAGE sql AS 'SELECT public.trap()::text::{result}';\n"
        );
    }
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql: format!("{}\\connect shop\n{traps}", support::fixture::SQL),
        ..one_connection(Pooler::V1_18)
    });
    stack.direct(
        "postgres",
        "ALTER ROLE postgres SET search_path = public, pg_catalog; ALTER ROLE shop_acme SET search_path = public, pg_catalog",
    );
    let trapped = stack
        .psql(&superuser(&stack), "SELECT 1 = 1")
        .refused("caught");
    assert!(trapped.contains("trap"), "{trapped}");
    let pooled = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    assert_eq!(ids(&examined(&pooled, &[]), "leak"), set(&LEAKS));
    assert!(found(&examined(&superuser(&stack), &[]), "public-execute").len() == 1);
    let log = std::fs::read_to_string(stack.file("postgresql.log")).expect("read the log");
    assert_eq!(log.matches("caught").count(), 1, "{log}");
}
