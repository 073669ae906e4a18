//! `deploy/demo`, run as a visitor runs it; only the program is the one that these tests were built with.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::process::{RunAs, Server, command, spawn};
use support::proxy::program;

/// Much more than it takes; a machine that also builds is slow.
const PATIENCE: Duration = Duration::from_secs(180);

fn demo(binary: &Path, arguments: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/demo");
    let mut demo = command(RunAs::Tester, "TERM", &script);
    demo.arg("--bin").arg(binary).args(arguments);
    demo
}

/// Runs it to its end: status, stdout, stderr.
fn finished(mut demo: Command) -> (Option<i32>, String, String) {
    demo.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = spawn(demo)
        .and_then(std::process::Child::wait_with_output)
        .expect("run deploy/demo");
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

/// The directory that the demo said it lives in.
fn directory(stdout: &str) -> PathBuf {
    let said = stdout
        .split("Everything lives in ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_else(|| panic!("no directory in:\n{stdout}"));
    said.trim_end_matches('.').into()
}

#[test]
fn the_tour_keeps_what_it_promises_and_leaves_nothing_behind() {
    let (status, stdout, stderr) = finished(demo(program(), &["--once"]));
    assert_eq!(status, Some(0), "{stdout}\n{stderr}");
    assert!(stdout.contains("\n7 of 7 as promised.\n"), "{stdout}");
    let directory = directory(&stdout);
    assert!(!directory.exists(), "{} is left", directory.display());
}

#[test]
fn behind_the_tour_it_stays_up_and_what_it_says_to_type_works() {
    let mut running = Running::start(&[], &[]);
    let said = running.server.log();
    assert!(said.contains("\n7 of 7 as promised.\n"), "{said}");
    let (_, line) = said.split_once("Explore:  ").expect("what to type");
    let (typed, end) = line.split_once("        ").expect("and how it ends");
    assert!(end.starts_with("End: Ctrl-C"), "{said}");
    let count = "SELECT count(*) FROM orders";
    let (rows, errors) = running.shell(&format!("{typed} -XAtqc '{count}'"));
    assert_eq!(rows, "3\n", "{errors}");
    // The file of --env-file is about the same stack.
    for (port, count) in [
        ("PORTCULLIS_PORT", "SELECT count(*) = 3 FROM orders"),
        ("PGBOUNCER_PORT", "SELECT count(*) = 0 FROM orders"),
        ("PGBOUNCER_SESSION_PORT", "SELECT count(*) = 0 FROM orders"),
    ] {
        let (rows, errors) = running.shell(&psql(port, count));
        assert_eq!(rows, "t\n", "{port}: {errors}");
    }
    let (rows, errors) = running.shell(&format!("psql -XAtq \"$DIRECT_DSN\" -c '{count}'"));
    assert_eq!(rows, "5\n", "{errors}");
    let files = directory(&said);
    assert!(files.exists());
    running.server.signal(Signal::TERM);
    let status = running.server.wait_for_end(PATIENCE);
    let status = status.and_then(|status| status.code());
    assert_eq!(status, Some(0), "{}", running.server.log());
    assert!(!files.exists(), "{} is left", files.display());
    assert!(!running.env_file.exists(), "it names a superuser's way in");
}

#[test]
fn a_wrong_answer_ends_the_tour_with_the_logs() {
    let work = tempfile::tempdir().expect("create a directory");
    let wrapper = work.path().join("portcullis");
    // A Portcullis that takes acme for globex.
    let script = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = serve ]; then\n\
             sed -i 's/\"acme\"/\"globex\"/' \"$(dirname \"$3\")/policies/production.toml\"\n\
         fi\n\
         exec {:?} \"$@\"\n",
        program()
    );
    std::fs::write(&wrapper, script).expect("write the wrapper");
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let (status, stdout, stderr) = finished(demo(&wrapper, &["--once"]));
    assert_eq!(status, Some(1), "{stdout}\n{stderr}");
    assert!(stdout.contains("\n0 of 7 as promised.\n"), "{stdout}");
    assert!(
        stderr.contains("WRONG: the answer should contain:      3"),
        "{stderr}"
    );
    assert!(stderr.contains("last lines of portcullis.log"), "{stderr}");
    assert!(!directory(&stdout).exists());
}

#[test]
fn a_tour_that_counted_no_latency_ends_wrong() {
    let work = tempfile::tempdir().expect("create a directory");
    let wrapper = work.path().join("curl");
    let script = "#!/bin/sh\n/usr/bin/curl \"$@\" | grep -v added_latency\n";
    std::fs::write(&wrapper, script).expect("write the wrapper");
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let path = std::env::var("PATH").expect("PATH");
    let mut demo = demo(program(), &["--once"]);
    demo.env("PATH", format!("{}:{path}", work.path().display()));
    let (status, stdout, stderr) = finished(demo);
    assert_eq!(status, Some(1), "{stdout}\n{stderr}");
    let wrong = "WRONG: portcullis_added_latency_seconds should have counted that";
    assert!(stderr.contains(wrong), "{stderr}");
    assert!(stdout.contains("\n6 of 7 as promised.\n"), "{stdout}");
}

#[test]
fn a_wrong_policy_is_told_before_anything_starts() {
    let work = tempfile::tempdir().expect("create a directory");
    let policy = work.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n").expect("write the policy");
    let policy = policy.to_str().expect("a path in UTF-8");
    let (status, _, stderr) = finished(demo(program(), &["--once", "--policy", policy]));
    assert_eq!(status, Some(2), "{stderr}");
    assert!(stderr.contains("missing key \"environment\""), "{stderr}");
}

/// Where it listens on another HTTP address, or on none, nobody could be asked whether it is ready.
#[test]
fn a_configuration_without_its_http_address_is_told_before_anything_starts() {
    let work = tempfile::tempdir().expect("create a directory");
    let config = work.path().join("given.toml");
    let demos = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/demo.d/portcullis.toml");
    let whole = std::fs::read_to_string(demos).expect("the demo's own");
    let own = "http                  = \"127.0.0.1:@HTTP_PORT@\"\n";
    assert!(whole.contains(own), "{whole}");
    let other = own.replace("@HTTP_PORT@", "9632");
    for (text, said) in [
        (whole.replace(own, ""), "http is missing in [listen]"),
        (
            whole.replace(own, &other),
            "http in [listen] is \"127.0.0.1:9632\"",
        ),
        (
            "[listen]\nhttp = \"127.0.0.1:9632\"\n".to_owned(),
            "http in [listen] is \"127.0.0.1:9632\"",
        ),
    ] {
        std::fs::write(&config, text).expect("write the configuration");
        let path = config.to_str().expect("a path in UTF-8");
        let (status, stdout, stderr) = finished(demo(program(), &["--once", "--config", path]));
        assert_eq!(status, Some(2), "{stdout}\n{stderr}");
        assert!(!stdout.contains("Starting PostgreSQL"), "{stdout}");
        let told = format!("error: {path}: {said}\n");
        assert!(stderr.contains(&told), "{stderr}");
        let mends = "  http = \"127.0.0.1:@HTTP_PORT@\"\n";
        assert!(stderr.ends_with(mends), "{stderr}");
    }
}

/// A running demo; ends with this.
struct Running {
    server: Server,
    env_file: PathBuf,
    /// Fields are dropped in their order: the directory after the demo.
    _work: tempfile::TempDir,
}

impl Running {
    /// Starts it with files of one's own and waits for the file that says where everything is.
    fn start(files: &[(&str, &str, &str)], more: &[&str]) -> Self {
        let work = tempfile::tempdir().expect("create a directory");
        let env_file = work.path().join("env");
        let mut demo = demo(program(), more);
        demo.arg("--env-file").arg(&env_file);
        for (option, name, text) in files {
            let path = work.path().join(name);
            std::fs::write(&path, text).expect("write a file of the fixture");
            demo.arg(option).arg(path);
        }
        let log = work.path().join("log");
        let mut server = Server::start("deploy/demo", demo, &log, Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while !env_file.exists() {
            let ended = server.has_ended();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{ended:?}\n{}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            server,
            env_file,
            _work: work,
        }
    }

    /// Runs a shell script that knows of nothing but the file.
    fn shell(&self, script: &str) -> (String, String) {
        let mut shell = Command::new("bash");
        shell
            .args(["-eu", "-c"])
            .arg(format!(". \"$1\"\n{script}"))
            .arg("bash")
            .arg(&self.env_file)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        let output = shell.output().expect("run bash");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }
}

const SQL: &str = "
CREATE TABLE things (id int PRIMARY KEY, note text);
GRANT SELECT, INSERT ON things TO app;
INSERT INTO things VALUES (1, 'one');
";

/// Quotes, a colon and a backslash in a password go through a file, SQL, a shell and libpq.
const USERS: &str = r#"# name  password  attributes
app       it's"a:pa\ss  CONNECTION LIMIT 20

deployer  secret2
"#;

const POLICY: &str = r#"schema = 1
environment = "test"
mode = "enforce"

[login.app]
kind = "service"
databases = [
    "Stock room",  # quoted everywhere
]

[login.deployer]
kind = "migrator"
databases = ["Stock room"]
"#;

const SETTINGS: &str = "[limits]\nmax_statement_bytes = \"2kB\"\n";

/// psql as the application, at the port named by a variable.
fn psql(port: &str, sql: &str) -> String {
    format!(
        "PGPASSWORD=$APP_PASSWORD PGSSLMODE=verify-full PGSSLROOTCERT=$PORTCULLIS_CA psql -XAtq \
         -h $PORTCULLIS_HOST -p ${port} -U $APP_USER -d \"$APP_DATABASE\" -c \"{sql}\"\n"
    )
}

#[test]
fn the_stack_runs_with_tables_logins_policy_and_settings_of_ones_own() {
    let mut running = Running::start(
        &[
            ("--sql", "schema.sql", SQL),
            ("--users", "users", USERS),
            ("--policy", "own policy.toml", POLICY),
            ("--config", "settings.toml", SETTINGS),
        ],
        &["--pool-size", "3"],
    );

    for port in [
        "PORTCULLIS_PORT",
        "PGBOUNCER_PORT",
        "PGBOUNCER_SESSION_PORT",
    ] {
        let (rows, errors) = running.shell(&psql(port, "SELECT note FROM things"));
        assert_eq!(rows, "one\n", "{port}: {errors}");
    }
    let (_, errors) = running.shell(&psql("PORTCULLIS_PORT", "CREATE TABLE more (id int)"));
    assert!(errors.contains("outside a migration session"), "{errors}");

    let migration = "$PORTCULLIS_BIN migration run --config $PORTCULLIS_CONFIG \
                     --database \"$APP_DATABASE\" --reason 'a test' -- psql -XqAtc 'CREATE TABLE more (id int)'";
    let (_, errors) = running.shell(migration);
    assert!(errors.contains("closed, 1 statement"), "{errors}");
    let owner = "psql -XAtq \"$DIRECT_DSN\" -c \"SELECT tableowner FROM pg_tables WHERE tablename = 'more'\"";
    assert_eq!(running.shell(owner).0, "deployer\n");
    let databases =
        "psql -XAtq \"$DIRECT_DSN\" -c 'SELECT datname FROM pg_database WHERE oid >= 16384'";
    assert_eq!(running.shell(databases).0, "Stock room\n");

    // Of --pool-size: four want to sleep, three do.
    let sleep = psql("PORTCULLIS_PORT", "SELECT pg_sleep(5)");
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let (most, errors) = running.shell(&format!(
        "sleep_once() {{ {sleep} }}\n\
         for i in 1 2 3 4; do sleep_once >/dev/null & done\n\
         most=0\n\
         while [ -n \"$(jobs -r)\" ]; do\n\
             now=$(psql -XAtq \"$DIRECT_DSN\" -c \"{asleep}\")\n\
             [ \"$now\" -le \"$most\" ] || most=$now\n\
         done\n\
         echo \"$most\"\n"
    ));
    assert_eq!(most, "3\n", "{errors}");

    // Of the settings laid over the demo's.
    let long = format!("SELECT '{}'", "x".repeat(3000));
    let (_, errors) = running.shell(&psql("PORTCULLIS_PORT", &long));
    assert!(errors.contains("ERROR"), "{errors}");
    let (metrics, errors) = running.shell("curl -sS http://$PORTCULLIS_HTTP/metrics");
    assert!(metrics.contains("portcullis_statements_total"), "{errors}");
    let (sessions, errors) =
        running.shell("$PORTCULLIS_BIN console --console $PORTCULLIS_CONSOLE 'SHOW MIGRATIONS'");
    assert!(sessions.contains("Stock room"), "{errors}");

    let files = PathBuf::from(running.shell("dirname $PORTCULLIS_CONFIG").0.trim());
    assert!(files.exists());
    running.server.signal(Signal::TERM);
    let status = running.server.wait_for_end(PATIENCE);
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(0),
        "{}",
        running.server.log()
    );
    assert!(!files.exists(), "{} is left", files.display());
}

#[test]
fn a_fixture_that_makes_its_databases_starts_outside_of_them() {
    let sql = "CREATE DATABASE shop OWNER migrator;\n\\connect shop\nCREATE TABLE t AS SELECT 7 AS n;\n\
               GRANT SELECT ON t TO PUBLIC;\n";
    let running = Running::start(&[("--sql", "schema.sql", sql)], &["--no-tour"]);
    let (rows, errors) = running.shell(&psql("PORTCULLIS_PORT", "SELECT n FROM t"));
    assert_eq!(rows, "7\n", "{errors}");
}
