//! The harness itself: what every other test relies on.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Stack, StackOptions, Transport, VERSIONS, Wire, message};

fn pools_only() -> StackOptions {
    StackOptions {
        proxy: false,
        ..StackOptions::default()
    }
}

#[test]
fn a_login_reaches_postgresql_through_both_pools() {
    let stack = Stack::start(pools_only());
    for port in [stack.transaction_port, stack.session_port] {
        let login = stack.login_at(port, "shop_acme", "shop");
        let sql = "BEGIN; SELECT set_config('app.tenant_id', 'acme', true); SELECT count(*) FROM orders; COMMIT;";
        assert_eq!(stack.psql(&login, sql).ok(), "acme\n3\n");
    }
}

#[test]
fn row_level_security_hides_every_row_without_a_zone() {
    let stack = Stack::start(pools_only());
    let login = stack.login("shop_acme", "shop");
    assert_eq!(
        stack.psql(&login, "SELECT count(*) FROM orders").ok(),
        "0\n"
    );
    assert_eq!(stack.direct("shop", "SELECT count(*) FROM orders"), "5\n");
}

#[test]
fn a_wrong_password_and_another_authority_are_refused() {
    let stack = Stack::start(pools_only());
    let mut login = stack.login("shop_plain", "app");
    assert_eq!(stack.psql(&login, "SELECT 1").ok(), "1\n");
    login.password.push('x');
    assert_eq!(stack.psql(&login, "SELECT 1").status, 2);
    let other = support::tls::Authority::new(stack.directory(), "other");
    let mut login = stack.login("shop_plain", "app");
    login.sslrootcert = other.certificate().to_owned();
    let answer = stack.psql(&login, "SELECT 1");
    assert!(
        answer.stderr.contains("certificate verify failed"),
        "{}",
        answer.stderr
    );
}

#[test]
fn every_version_comes_up() {
    for ((version, pooler), number) in VERSIONS.into_iter().zip(["15", "17", "18"]) {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            ..pools_only()
        });
        let login = stack.login("shop_plain", "app");
        let answer = stack
            .psql(
                &login,
                "SELECT current_setting('server_version_num')::int / 10000",
            )
            .ok();
        assert_eq!(answer.trim(), number);
    }
}

#[test]
fn portcullis_comes_up_in_front_of_every_version() {
    for (version, pooler) in VERSIONS {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            ..StackOptions::default()
        });
        assert_eq!(stack.http_get("/health/ready").0, 200);
        let rows = |user| {
            let login = stack.login(user, "shop");
            stack.psql(&login, "SELECT count(*) FROM orders").ok()
        };
        assert_eq!(
            (rows("shop_acme"), rows("shop_globex")),
            ("3\n".into(), "2\n".into()),
            "{version:?}"
        );
    }
}

/// Not a test by itself: the run that the next test kills.
#[test]
#[ignore = "runs in a process of its own, started by servers_end_with_a_killed_run"]
fn a_run_to_be_killed() {
    let stack = Stack::start(pools_only());
    let servers = [&stack.transaction, &stack.session, &stack.cluster.server];
    println!(
        "pids {}",
        servers.map(|server| server.pid().to_string()).join(" ")
    );
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn servers_end_with_a_killed_run() {
    let mut run = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "a_run_to_be_killed", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("start a run");
    let output = BufReader::new(run.stdout.take().expect("its stdout is a pipe"));
    let pids = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("pids ").map(|(_, pids)| pids.to_owned()))
        .expect("the run prints its pids");
    let pids: Vec<&str> = pids.split(' ').collect();
    assert!(
        pids.len() == 3 && pids.iter().all(|pid| is_running(pid)),
        "{pids:?}"
    );
    run.kill().expect("kill the run");
    run.wait().expect("wait for the run");
    let deadline = Instant::now() + Duration::from_secs(10);
    while pids.iter().any(|pid| is_running(pid)) {
        assert!(Instant::now() < deadline, "one of {pids:?} has survived");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Neither gone nor a zombie that nobody has waited for yet.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn stacks_run_side_by_side_and_leave_nothing_behind() {
    let (one, two) = (Stack::start(pools_only()), Stack::start(pools_only()));
    assert_ne!(one.port, two.port);
    let directories = [one.directory().to_owned(), two.directory().to_owned()];
    let pids = [
        one.transaction.pid(),
        one.session.pid(),
        one.cluster.server.pid(),
        two.cluster.server.pid(),
    ];
    drop((one, two));
    for directory in directories {
        assert!(!directory.exists(), "{} is left", directory.display());
    }
    for pid in pids {
        assert!(
            !std::path::Path::new(&format!("/proc/{pid}")).exists(),
            "process {pid} is left"
        );
    }
}

#[test]
fn a_warm_start_takes_seconds() {
    drop(Stack::start(pools_only()));
    let start = Instant::now();
    drop(Stack::start(pools_only()));
    // About 1 s on two idle cores; the bound leaves room for the tests beside this one.
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn the_wire_client_logs_in_and_reads_answers() {
    let stack = Stack::start(pools_only());
    let login = stack.login("shop_plain", "app");
    for transport in [Transport::Plain, Transport::SslRequest] {
        let mut wire = Wire::login_with(&login, transport, &[("application_name", "wire")]);
        assert_eq!(wire.cancel_key.len(), 8);
        assert!(
            wire.parameters
                .iter()
                .any(|(name, _)| name == "server_version")
        );

        let answer = wire.query("SELECT 'one' UNION ALL SELECT NULL ORDER BY 1");
        assert_eq!(message::kinds(&answer), "TDDCZ");
        assert_eq!(message::column(&answer), ["one", "NULL"]);

        let insert = message::extended("INSERT INTO notes (body) VALUES ($1)", &[Some("by wire")]);
        let answer = wire.batch(&insert);
        assert_eq!(message::kinds(&answer), "12CZ");
        assert_eq!(answer[2].tag(), "INSERT 0 1");

        let answer = wire.query("SELECT 1/0");
        assert_eq!(message::kinds(&answer), "EZ");
        assert_eq!(answer[0].sqlstate(), "22012");
        assert!(wire.is_quiet_for(std::time::Duration::from_millis(50)));
    }
    assert_eq!(
        stack.direct("app", "SELECT count(*) FROM notes WHERE body = 'by wire'"),
        "2\n"
    );
}

#[test]
fn the_wire_client_reports_a_refused_login() {
    let stack = Stack::start(pools_only());
    let mut login = stack.login("shop_plain", "app");
    login.password = "wrong".into();
    let Err(error) = Wire::try_login(&login, Transport::SslRequest, &[]) else {
        panic!("logged in")
    };
    // PgBouncer 1.18's word for it; PostgreSQL says 28P01.
    assert_eq!(error.sqlstate(), "08P01");
}
