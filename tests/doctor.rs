//! `portcullis doctor` at real servers: leaks are proved where there are some and not where there are none,
//! nothing is left behind, every hole is found with the SQL that closes it, and a connection that fails
//! says why.

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{
    Login, OnEveryVersion, Pooler, Shared, Stack, StackOptions, User, Version, Wire, message,
    password,
};

/// What the doctor said.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}):\n{}{}", self.stdout, self.stderr))
    }
}

fn run(arguments: &[&str], environment: Vec<(&'static str, String)>) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("doctor").args(arguments).envs(environment);
    let output = command.output().expect("run portcullis");
    Said {
        code: output.status.code().expect("an exit status"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn doctor(login: &Login, arguments: &[&str]) -> Said {
    run(arguments, login.environment())
}

fn examined(login: &Login, arguments: &[&str]) -> Value {
    let said = doctor(login, &[arguments, &["--json"]].concat());
    assert!(said.code < 2, "{said:?}");
    said.json()
}

/// The findings whose id begins so.
fn found<'f>(report: &'f Value, id: &str) -> Vec<&'f Value> {
    let findings = report["findings"].as_array().expect("findings");
    let is_it = |finding: &&Value| finding["id"].as_str().expect("an id").starts_with(id);
    findings.iter().filter(is_it).collect()
}

fn ids(report: &Value, word: &str) -> BTreeSet<String> {
    let findings = report["findings"].as_array().expect("findings").iter();
    findings
        .filter(|finding| finding["word"] == word)
        .map(|finding| finding["id"].as_str().expect("an id").to_owned())
        .collect()
}

fn objects(report: &Value, id: &str) -> Vec<String> {
    let all = found(report, id)
        .into_iter()
        .filter(|finding| finding["id"] == id);
    let objects = all.flat_map(|finding| finding["objects"].as_array().expect("objects"));
    objects
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// A login straight at PostgreSQL, which has no TLS here.
fn direct(stack: &Stack, user: &str) -> Login {
    Login {
        sslmode: "disable",
        ..stack.login_at(stack.cluster.port, user, "shop")
    }
}

fn superuser(stack: &Stack) -> Login {
    Login {
        user: "postgres".into(),
        password: support::cluster::SUPERUSER_PASSWORD.into(),
        ..direct(stack, "shop_acme")
    }
}

/// Other rules for PostgreSQL's clients, once they are in force.
fn admit(stack: &Stack, rules: &str, in_force: impl FnMut() -> bool) {
    let file = stack.cluster.socket.join("data/pg_hba.conf");
    std::fs::write(file, rules).expect("write pg_hba.conf");
    stack.direct("postgres", "SELECT pg_reload_conf()");
    support::process::wait_until("pg_hba.conf is in force", in_force);
}

/// The pool's next client is always on the same server connection.
fn one_connection(pooler: Pooler) -> StackOptions {
    StackOptions {
        version: if pooler == Pooler::V1_18 {
            Version::Pg15
        } else {
            Version::Pg17
        },
        pooler,
        pool_size: 1,
        ..StackOptions::default()
    }
}

const LEAKS: [&str; 8] = [
    "leak-advisory-lock",
    "leak-listen",
    "leak-named-statement",
    "leak-role",
    "leak-search-path",
    "leak-setting",
    "leak-sql-prepare",
    "leak-temp-table",
];

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

#[test]
fn with_the_configuration_isolation_is_proved_through_portcullis() {
    let stack = Stack::start(one_connection(Pooler::V1_18));
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let config = stack.file("portcullis.toml").display().to_string();
    let report = examined(&login, &["--config", &config]);
    let through = &report["through_portcullis"];
    assert_eq!(through["address"], format!("localhost:{}", stack.port));
    assert_eq!(through["isolated"], serde_json::json!(["public.orders"]));
    let said = doctor(&login, &["--config", &config]);
    assert_eq!(said.code, 1);
    assert!(
        said.stdout
            .contains("\nThe same through Portcullis at localhost:"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .contains("1 table with rows of our own zone only"),
        "{}",
        said.stdout
    );
    // A table that shows other zones' rows is no proof of anything.
    stack.direct("shop", "ALTER TABLE orders DISABLE ROW LEVEL SECURITY");
    let report = examined(&login, &["--config", &config]);
    assert_eq!(
        report["through_portcullis"]["isolated"],
        serde_json::json!([])
    );
    assert_eq!(
        objects(&report["through_portcullis"], "table-without-policy"),
        ["public.orders"]
    );
    let missing = doctor(&login, &["--config", "/nonexistent/portcullis.toml"]);
    assert_eq!(missing.code, 2, "{missing:?}");
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

/// Every hole that the catalogs can show, and beside each what looks like one and is none.
const HOLES: &str = r#"
CREATE ROLE boss LOGIN SUPERUSER;
CREATE ROLE "Walker" LOGIN BYPASSRLS;
CREATE ROLE group_boss NOLOGIN SUPERUSER BYPASSRLS;
SET password_encryption = 'md5';
CREATE ROLE old_timer LOGIN PASSWORD 'x';
RESET password_encryption;
CREATE ROLE books NOLOGIN;
CREATE ROLE clerk LOGIN IN ROLE books;

\connect shop
GRANT CREATE ON SCHEMA public TO PUBLIC;
GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC;
CREATE TABLE "Odd Refunds" (tenant_id uuid, note text);
CREATE TABLE "x"";
DROP TABLE orders; --" (tenant_id text);
CREATE TABLE rates (currency text);
CREATE TABLE parts (tenant_id text) PARTITION BY LIST (tenant_id);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
CREATE TABLE half_done (tenant_id text);
CREATE POLICY tenant ON half_done USING (tenant_id = current_setting('app.tenant_id', true));

CREATE TABLE shared (tenant_id text);
ALTER TABLE shared ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON shared USING (tenant_id = current_setting('app.tenant_id', true));
CREATE POLICY "All In" ON shared FOR SELECT USING (true);
CREATE POLICY write_any ON shared FOR INSERT WITH CHECK (true);
CREATE POLICY living ON shared TO shop_plain USING (note_is_there IS NOT NULL);
CREATE POLICY never ON shared AS RESTRICTIVE USING (true);
CREATE TABLE numbered (id serial, tenant_id text);
ALTER TABLE numbered ENABLE ROW LEVEL SECURITY;
ALTER TABLE numbered FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON numbered USING (tenant_id = current_setting('app.tenant_id', true));
ALTER TABLE numbered OWNER TO shop_globex;
"#;

const MORE_HOLES: &str = r#"
CREATE TABLE ledger (tenant_id text);
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger USING (tenant_id = current_setting('app.tenant_id', true));
ALTER TABLE ledger OWNER TO books;

CREATE VIEW all_orders AS SELECT * FROM orders;
GRANT SELECT ON all_orders TO shop_acme;
CREATE VIEW careful_orders WITH (security_invoker = true) AS SELECT * FROM orders;
GRANT SELECT ON careful_orders TO shop_acme;
CREATE VIEW own_orders AS SELECT * FROM orders;

CREATE FUNCTION "Odd Name"(a int, b text DEFAULT 'x') RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE tidy(INOUT a int) SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN a := 1; END';
CREATE FUNCTION pinned() RETURNS int SECURITY DEFINER SET search_path = public LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION as_acme() RETURNS bigint SET app.tenant_id = 'acme' LANGUAGE sql AS 'SELECT count(*) FROM orders';
CREATE FUNCTION as_any(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant_id', t, true); END $$;
CREATE FUNCTION reads_zone() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('app.tenant_id', true) $$;
CREATE FUNCTION anything(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$;
CREATE FUNCTION private(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$;
REVOKE EXECUTE ON FUNCTION private(text) FROM PUBLIC;
CREATE FUNCTION executed() RETURNS int LANGUAGE plpgsql AS $$ DECLARE executed int := 1; BEGIN RETURN executed; END $$;
CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT 1'; RETURN NEW; END $$;
"#;

static HOLED: OnEveryVersion = OnEveryVersion::new();

fn holed() -> StackOptions {
    let holes = HOLES.replace("note_is_there", "tenant_id");
    StackOptions {
        sql: format!("{}{holes}{MORE_HOLES}", support::fixture::SQL),
        proxy: false,
        ..StackOptions::default()
    }
}

/// What PostgreSQL itself lets everybody call, and the fixture pg_read_file.
fn executable_by_all(version: &serde_json::Value) -> &'static [&'static str] {
    match version.as_str().is_some_and(|it| it.starts_with("15.")) {
        true => &[
            "pg_catalog.pg_cancel_backend(integer)",
            "pg_catalog.pg_read_file(text)",
            "pg_catalog.pg_terminate_backend(integer, bigint)",
        ],
        false => &[
            "pg_catalog.pg_available_wal_summaries()",
            "pg_catalog.pg_cancel_backend(integer)",
            "pg_catalog.pg_read_file(text)",
            "pg_catalog.pg_terminate_backend(integer, bigint)",
            "pg_catalog.pg_wal_summary_contents(bigint, pg_lsn, pg_lsn)",
        ],
    }
}

#[test]
fn every_hole_is_found_and_its_sql_closes_it() {
    for stack in HOLED.get(holed) {
        let boss = superuser(&stack);
        let report = examined(&boss, &["--read-only"]);
        let version = &report["server"]["postgresql"];
        let expected: &[(&str, &[&str])] = &[
            (
                "table-without-policy",
                &[
                    "public.\"Odd Refunds\"",
                    "public.\"x\"\";\nDROP TABLE orders; --\"",
                    "public.half_done",
                    "public.parts",
                ],
            ),
            ("owner-not-bound", &["public.ledger", "public.orders"]),
            (
                "login-owns-tables",
                &["public.ledger", "public.orders", "public.numbered"],
            ),
            (
                "policy-open",
                &[
                    "\"All In\" on public.shared",
                    "living on public.shared",
                    "write_any on public.shared",
                ],
            ),
            ("view-owner-rights", &["public.all_orders"]),
            ("login-superuser", &["boss", "postgres"]),
            ("login-bypassrls", &["Walker"]),
            ("password-md5", &["old_timer"]),
            (
                "definer-search-path",
                &["public.\"Odd Name\"(integer, text)", "public.tidy(integer)"],
            ),
            ("function-sets-zone", &["public.as_acme()"]),
            ("function-may-set-zone", &["public.as_any(text)"]),
            ("function-dynamic-sql", &["public.anything(text)"]),
            ("public-execute", executable_by_all(version)),
            ("public-create", &["public"]),
            ("public-connect", &["shop"]),
        ];
        for (id, names) in expected {
            assert_eq!(objects(&report, id), *names, "{id} on {version}");
        }
        let all = expected.iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(ids(&report, "open"), all, "{version}");
        assert_eq!(report["zone"]["columns"], serde_json::json!(["tenant_id"]));
        assert_eq!(
            report["zone"]["parameters"],
            serde_json::json!(["app.tenant_id"])
        );
        assert!(found(&report, "not-seen").is_empty(), "{version}: {report}");
        let living = &found(&report, "policy-open")[1]["text"];
        assert!(
            living
                .as_str()
                .expect("a text")
                .contains(" lets shop_plain through"),
            "{living}"
        );

        let said = doctor(&boss, &["--read-only", "--sql"]);
        assert_eq!(said.code, 1);
        stack.direct("shop", &said.stdout);
        let report = examined(&boss, &["--read-only"]);
        // What SQL cannot mend: the first superuser, a password that nobody knows.
        let stays = set(&["login-superuser", "password-md5"]);
        assert_eq!(ids(&report, "open"), stays, "{version}: {report}");
        assert_eq!(objects(&report, "login-superuser"), ["postgres"]);
        // And what it wrote does what it should, without taking anything from those who may.
        let acme = direct(&stack, "shop_acme");
        let script = "SET app.tenant_id = 'acme'; SELECT count(*) FROM orders; SELECT count(*) FROM all_orders";
        assert_eq!(stack.psql(&acme, script).ok(), "3\n3\n", "{version}");
        let globex = direct(&stack, "shop_globex");
        let script = "SET app.tenant_id = 'globex'; INSERT INTO numbered (tenant_id) VALUES ('globex') RETURNING id";
        assert_eq!(stack.psql(&globex, script).ok(), "1\n", "{version}");
        let refunds = "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = '\"Odd Refunds\"'::regclass";
        assert_eq!(
            stack.direct("shop", refunds),
            "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)\n"
        );
    }
}

#[test]
fn a_database_that_was_mended_has_nothing_and_one_without_rights_sees_what_it_can() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        users: vec![User::new("nobody_here", &password("nobody_here"))],
        ..StackOptions::default()
    });
    let login = direct(&stack, "nobody_here");
    let before = doctor(&login, &[]);
    assert_eq!(before.code, 1, "{before:?}");
    let sql = doctor(&login, &["--sql"]).stdout;
    stack.direct("shop", &sql);
    stack.direct("shop", "GRANT CONNECT ON DATABASE shop TO nobody_here");
    let after = doctor(&login, &["--json"]);
    assert_eq!(after.code, 0, "{}", after.stdout);
    let report = after.json();
    for word in ["leak", "open", "old"] {
        assert_eq!(ids(&report, word), set(&[]), "{report}");
        assert_eq!(report["counts"][word]["kinds"], 0);
    }
    let unseen = found(&report, "not-seen");
    assert_eq!(unseen.len(), 1, "{report}");
    let text = unseen[0]["text"].as_str().expect("a text");
    assert!(
        text.starts_with("not seen: password-md5: permission denied"),
        "{text}"
    );
    let text = doctor(&login, &[]).stdout;
    assert!(text.contains("\nNothing was found.\n"), "{text}");
    assert_eq!(doctor(&login, &["--sql"]).stdout, "");
}

#[test]
fn without_policies_the_zone_is_guessed_or_given() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql: "CREATE DATABASE shop;\n\\connect shop\nCREATE TABLE a (org_id int);\nCREATE TABLE b (org_id int);\n\
              CREATE TABLE c (mandant text);\n"
            .to_owned(),
        ..StackOptions::default()
    });
    let login = direct(&stack, "shop_acme");
    let report = examined(&login, &["--read-only"]);
    assert_eq!(report["zone"]["guessed"], true);
    assert_eq!(
        objects(&report, "table-without-policy"),
        ["public.a", "public.b"]
    );
    let finding = found(&report, "table-without-policy")[0];
    assert_eq!(
        finding["sql"],
        serde_json::json!([]),
        "no policy without a parameter"
    );
    assert!(
        finding["advice"]
            .as_str()
            .expect("an advice")
            .contains("--zone-parameter")
    );
    let given = [
        "--read-only",
        "--zone-column",
        "mandant",
        "--zone-parameter",
        "app.mandant",
    ];
    let report = examined(&login, &given);
    assert_eq!(objects(&report, "table-without-policy"), ["public.c"]);
    let sql = doctor(&login, &[&given[..], &["--sql"]].concat()).stdout;
    stack.direct("shop", &sql);
    assert_eq!(
        objects(&examined(&login, &given), "table-without-policy"),
        Vec::<String>::new()
    );
}

#[test]
fn pgbouncers_own_settings_are_judged_where_its_console_can_be_asked() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        pgbouncer: "ignore_startup_parameters = extra_float_digits, options, app.tenant_id"
            .to_owned(),
        ..StackOptions::default()
    });
    let admin = stack.login_at(stack.transaction_port, "pgbouncer_admin", "shop");
    let report = examined(&admin, &["--read-only"]);
    assert_eq!(report["server"]["pgbouncer"], "1.18.0");
    assert_eq!(report["server"]["kind"], "pgbouncer");
    assert_eq!(
        objects(&report, "pgbouncer-ignored-parameters"),
        ["options", "app.tenant_id"]
    );
    assert!(
        objects(&report, "pgbouncer-version")
            .iter()
            .any(|hole| hole.starts_with("CVE-2025-2291: "))
    );
    assert_eq!(ids(&report, "old"), set(&["pgbouncer-version"]));
    for id in ["pgbouncer-reset-not-run", "pgbouncer-prepared"] {
        assert_eq!(found(&report, id).len(), 1, "{id}: {report}");
    }
    let text = doctor(&admin, &["--read-only"]).stdout;
    assert!(
        text.starts_with("PgBouncer 1.18.0, transaction mode, 1 database, PostgreSQL 15."),
        "{text}"
    );

    // Others are told so, and may name somebody who can.
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let said = doctor(&login, &["--read-only"]);
    assert!(
        said.stdout
            .starts_with("PgBouncer (version not known), transaction mode, PostgreSQL 15."),
        "{said:?}"
    );
    assert!(
        said.stdout
            .contains("not seen: PgBouncer's version and settings: not allowed"),
        "{said:?}"
    );
    let passfile = stack.file("pgpass");
    let lines =
        ["shop_acme", "pgbouncer_admin"].map(|user| format!("*:*:*:{user}:{}\n", password(user)));
    support::files::write_secret(&passfile, &lines.concat());
    let mut environment = login.environment();
    environment.retain(|(name, _)| !matches!(*name, "PGPASSWORD" | "PGPASSFILE"));
    environment.push(("PGPASSFILE", passfile.display().to_string()));
    let said = run(
        &[
            "--read-only",
            "--json",
            "--admin-dsn",
            "user=pgbouncer_admin",
        ],
        environment,
    );
    assert_eq!(said.json()["server"]["pgbouncer"], "1.18.0", "{said:?}");
}

#[test]
fn a_newer_pgbouncer_has_fewer_findings() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..one_connection(Pooler::V1_24)
    });
    let admin = stack.login_at(stack.transaction_port, "pgbouncer_admin", "shop");
    let report = examined(&admin, &["--read-only"]);
    assert!(found(&report, "pgbouncer-prepared").is_empty(), "{report}");
    assert!(
        found(&report, "pgbouncer-ignored-parameters").is_empty(),
        "{report}"
    );
    let holes = objects(&report, "pgbouncer-version");
    assert!(
        !holes.iter().any(|hole| hole.contains("CVE-2025-2291")),
        "{holes:?}"
    );
    assert!(
        holes.iter().any(|hole| hole.contains("CVE-2026-6667")),
        "{holes:?}"
    );
}

static SHOP: Shared = Shared::new();

/// The cause that a failed connection names.
fn cause(login: &Login, arguments: &[&str]) -> String {
    let said = doctor(login, &[arguments, &["--json"]].concat());
    assert_eq!(said.code, 2, "{said:?}");
    let error = &said.json()["error"];
    let cause = error["cause"]
        .as_str()
        .unwrap_or_else(|| panic!("no cause: {said:?}"));
    assert!(
        said.stderr.starts_with(&format!("portcullis: {cause}: ")),
        "{said:?}"
    );
    for field in ["message", "hint"] {
        let text = error[field].as_str().expect("a text");
        assert!(
            !text.is_empty() && !text.contains('\n') && !text.contains("pass word"),
            "{said:?}"
        );
    }
    cause.to_owned()
}

#[test]
fn a_connection_that_fails_names_its_cause() {
    let stack = SHOP.get(|| StackOptions {
        sql: format!(
            "{}CREATE ROLE retired NOLOGIN PASSWORD 'x';",
            support::fixture::SQL
        ),
        ..StackOptions::default()
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let direct = direct(&stack, "shop_acme");
    let proxy = stack.login("shop_acme", "shop");
    for login in [&login, &direct, &proxy] {
        let wrong = Login {
            password: "wrong".into(),
            ..login.clone()
        };
        assert_eq!(cause(&wrong, &[]), "secret", "{wrong:?}");
        let none = Login {
            password: String::new(),
            ..login.clone()
        };
        assert_eq!(cause(&none, &[]), "secret", "{none:?}");
        let nowhere = Login {
            database: "nowhere".into(),
            ..login.clone()
        };
        assert_eq!(cause(&nowhere, &[]), "database", "{nowhere:?}");
    }
    assert_eq!(cause(&login, &["host=nowhere.invalid"]), "host");
    assert_eq!(cause(&login, &["port=1"]), "port");
    assert_eq!(cause(&login, &["host=/nonexistent"]), "port");
    let http = format!("port={}", stack.http_port);
    assert_eq!(cause(&proxy, &[&http]), "port", "it speaks HTTP");
    let retired = Login {
        user: "retired".into(),
        password: "x".into(),
        ..direct.clone()
    };
    assert_eq!(cause(&retired, &[]), "user");
    assert_eq!(
        cause(&direct, &["sslmode=require sslrootcert="]),
        "sslmode",
        "it has no TLS"
    );
    assert_eq!(
        cause(&proxy, &["sslmode=disable"]),
        "sslmode",
        "it wants TLS"
    );
    assert_eq!(
        cause(&login, &["host=db.example.com hostaddr=127.0.0.1"]),
        "sslmode",
        "another name"
    );
    let other = support::tls::Authority::new(stack.directory(), "other");
    let ca = format!("sslrootcert={}", other.certificate().display());
    assert_eq!(cause(&login, &[&ca]), "sslmode", "another authority");
    assert_eq!(cause(&login, &["sslrootcert=/nonexistent"]), "sslmode");
}

/// The seventh: logged in, and migration tools would fail all the same.
#[test]
fn advisory_locks_that_cannot_be_taken_are_a_finding() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..StackOptions::default()
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    assert!(found(&examined(&login, &["--read-only"]), "advisory-locks").is_empty());
    stack.direct(
        "shop",
        "REVOKE EXECUTE ON FUNCTION pg_try_advisory_xact_lock(int, int) FROM PUBLIC",
    );
    let report = examined(&login, &["--read-only"]);
    let finding = found(&report, "advisory-locks")[0];
    stack.direct("shop", finding["sql"][0].as_str().expect("a statement"));
    assert!(found(&examined(&login, &["--read-only"]), "advisory-locks").is_empty());
}

#[test]
fn who_asks_for_no_password_is_noticed() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        pgbouncer: "auth_type = trust".to_owned(),
        ..StackOptions::default()
    });
    // PgBouncer has no password to give, so PostgreSQL must not ask either.
    let stranger = Login {
        password: String::new(),
        ..direct(&stack, "shop_acme")
    };
    let trust = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
    admit(&stack, trust, || {
        doctor(&stranger, &["--read-only"]).code < 2
    });
    let admin = stack.login_at(stack.transaction_port, "pgbouncer_admin", "shop");
    for login in [admin, direct(&stack, "shop_acme")] {
        let trusting = Login {
            password: String::new(),
            ..login
        };
        let report = examined(&trusting, &["--read-only"]);
        assert_eq!(found(&report, "connection-trust").len(), 1, "{report}");
        assert_eq!(report["connection"]["authentication"], "none");
        let judged = found(&report, "pgbouncer-auth-type").len();
        assert_eq!(
            judged == 1,
            report["server"]["kind"] == "pgbouncer",
            "{report}"
        );
    }
}

/// A server that asks for less than SCRAM gets no password from the doctor.
#[test]
fn passwords_go_only_to_who_has_proved_something() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql: "CREATE DATABASE shop; SET password_encryption = 'md5'; CREATE ROLE old_timer LOGIN PASSWORD 'x';".to_owned(),
        ..StackOptions::default()
    });
    let rules = "local all all trust\nhost all old_timer 127.0.0.1/32 md5\nhost all all 127.0.0.1/32 password\n";
    let cleartext = direct(&stack, "shop_acme");
    let refused = || {
        doctor(&cleartext, &[])
            .stderr
            .contains("has not proved who it is")
    };
    admit(&stack, rules, refused);
    let old_timer = Login {
        user: "old_timer".into(),
        password: "x".into(),
        ..direct(&stack, "shop_acme")
    };
    assert_eq!(cause(&old_timer, &[]), "secret");
    assert!(
        doctor(&old_timer, &[])
            .stderr
            .contains("asks for an MD5 password")
    );
    assert_eq!(cause(&cleartext, &[]), "sslmode");
}

#[test]
fn a_password_on_the_command_line_is_refused_before_anything_is_dialled() {
    for dsn in [
        "host=nowhere.invalid password=hunter2",
        "postgresql://me:hunter2@nowhere.invalid/shop",
    ] {
        let said = run(&[dsn], Vec::new());
        assert_eq!(said.code, 2, "{said:?}");
        assert!(
            said.stderr.contains("no password on the command line"),
            "{said:?}"
        );
        assert!(said.stderr.contains("~/.pgpass"), "{said:?}");
        assert!(!said.stderr.contains("hunter2"), "{said:?}");
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

/// No way around Portcullis: nothing listens, or pg_hba.conf sends everybody away. Anything else is one.
#[test]
fn a_way_around_is_found() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..StackOptions::default()
    });
    let pgbouncer = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let postgresql = Login {
        sslmode: "prefer",
        ..direct(&stack, "shop_acme")
    };
    let proved = |login: &Login, arguments: &[&str]| {
        let said = doctor(login, &[&["--prove-closed"], arguments].concat());
        let json = doctor(login, &[&["--prove-closed", "--json"], arguments].concat());
        if said.code < 2 {
            assert_eq!(json.json()["closed"], said.code == 0, "{json:?}");
            let word = if said.code == 0 { "fine   " } else { "OPEN   " };
            assert!(said.stdout.starts_with(word), "{said:?}");
        }
        said.code
    };
    let wrong = Login {
        password: "wrong".into(),
        ..pgbouncer.clone()
    };
    for login in [&pgbouncer, &postgresql, &wrong] {
        assert_eq!(proved(login, &[]), 1, "{login:?}");
        assert_eq!(proved(login, &["port=1"]), 0, "{login:?}");
        assert_eq!(proved(login, &["host=nowhere.invalid"]), 2, "{login:?}");
    }
    admit(&stack, "local all all trust\n", || {
        proved(&postgresql, &[]) == 0
    });
    // Without TLS the line may only have asked for it.
    assert_eq!(proved(&postgresql, &["sslmode=disable"]), 1);
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
