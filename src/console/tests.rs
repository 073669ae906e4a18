mod clients;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Output};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::testing::TestConsole;
use super::*;
use crate::migration::token::Token;

/// The real psql, as a person would start it.
fn psql(console: &TestConsole, arguments: &[&str]) -> Output {
    Command::new("psql")
        .args([
            "-X",
            "-h",
            &console.directory.path().display().to_string(),
            "-p",
            "6432",
            "-d",
            "portcullis",
        ])
        .args(arguments)
        .env_remove("PGSSLMODE")
        .output()
        .expect("psql runs")
}

fn out(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What psql shows of an error, with every field.
fn error(console: &TestConsole, verb: &str) -> String {
    let output = psql(console, &["-v", "VERBOSITY=verbose", "-c", verb]);
    assert_eq!(output.status.code(), Some(1), "{verb}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_session_is_opened_listed_shown_and_closed_in_psql() {
    let console = TestConsole::start();
    let opened = out(&psql(
        &console,
        &[
            "-At",
            "-c",
            "OPEN MIGRATION DATABASE 'shop' ROLE 'migrator' REASON 'SHOP-298 order notes' TTL '30min' PHASE contract",
        ],
    ));
    let columns: Vec<&str> = opened.lines().next().expect("a row").split('|').collect();
    let [
        id,
        login,
        token,
        database,
        ends,
        host,
        port,
        sslmode,
        sslrootcert,
        phase,
    ] = columns[..]
    else {
        panic!("{opened}")
    };
    assert_eq!(login, format!("migrator.{id}"));
    assert!(token.parse::<Token>().is_ok());
    assert_eq!(
        (database, host, port, sslmode, phase),
        ("shop", "db.example.com", "6432", "verify-full", "contract")
    );
    assert!(
        ends.ends_with("+00") && sslrootcert.ends_with("/ca.crt"),
        "{opened}"
    );
    let session = console
        .sessions
        .lookup(id.parse().expect("an id"))
        .expect("open");
    assert!(
        session.time_left() > Duration::from_secs(1795)
            && session.time_left() <= Duration::from_secs(1800)
    );

    let listed = out(&psql(&console, &["-At", "-c", "show migrations"]));
    assert!(
        listed.starts_with(&format!(
            "{id}|shop|contract|migrator|open|0|29min|SHOP-298 order notes|"
        )),
        "{listed}"
    );
    assert!(!listed.contains(token), "the token is shown once");

    assert_eq!(
        out(&psql(
            &console,
            &["-c", &format!("CLOSE MIGRATION {id} NOTE 'it''s done'")]
        )),
        "CLOSE MIGRATION\n"
    );
    assert!(!session.is_open());
    let closed = out(&psql(&console, &["-At", "-c", "SHOW MIGRATIONS"]));
    assert!(
        closed.contains("|closed|0||") && closed.trim_end().ends_with("|it's done"),
        "{closed}"
    );
    assert_eq!(
        out(&psql(
            &console,
            &["-At", "-c", &format!("SHOW MIGRATION {id}")]
        )),
        ""
    );
    let again = error(&console, &format!("CLOSE MIGRATION {id}"));
    assert!(
        again.contains(&format!(
            "ERROR:  55000: migration session {id} has ended already"
        )),
        "{again}"
    );
}

#[test]
fn the_lease_is_explained() {
    let console = TestConsole::start();
    let opened = out(&psql(
        &console,
        &["-At", "-c", "OPEN MIGRATION DATABASE shop REASON 'first'"],
    ));
    let id = opened.split('|').next().expect("an id");
    let held = error(&console, "OPEN MIGRATION DATABASE shop REASON 'second'");
    assert!(
        held.contains("ERROR:  55P03: database \"shop\" has an open migration session"),
        "{held}"
    );
    assert!(
        held.contains(&format!("DETAIL:  Session {id} of \""))
            && held.contains("\" holds the lease until "),
        "{held}"
    );
    assert!(
        held.contains(&format!("HINT:  portcullis migration show {id}")),
        "{held}"
    );
    out(&psql(
        &console,
        &[
            "-c",
            "OPEN MIGRATION DATABASE crm ROLE crm_migrator REASON 'another database'",
        ],
    ));
}

#[test]
fn only_migrators_that_reach_the_database_within_the_policys_time() {
    let console = TestConsole::start();
    for (verb, sqlstate, message, hint) in [
        (
            "OPEN MIGRATION DATABASE shop ROLE shop_api REASON x",
            "42501",
            "login \"shop_api\" cannot run migrations on database \"shop\"",
            "Use ROLE 'migrator'.",
        ),
        (
            "OPEN MIGRATION DATABASE shop ROLE crm_migrator REASON x",
            "42501",
            "login \"crm_migrator\" cannot run migrations on database \"shop\"",
            "Use ROLE 'migrator'.",
        ),
        (
            "OPEN MIGRATION DATABASE crm REASON x",
            "22023",
            "several logins can run migrations on database \"crm\"",
            "Use ROLE 'crm_migrator' or 'migrator'.",
        ),
        (
            "OPEN MIGRATION DATABASE billing REASON x",
            "42501",
            "no login of kind migrator reaches database \"billing\"",
            "Add one to policy.toml.",
        ),
        (
            "OPEN MIGRATION DATABASE shop REASON x TTL 5h",
            "22023",
            "TTL is out of bounds: 1s to 4h",
            "",
        ),
        (
            "OPEN MIGRATION DATABASE shop REASON x TTL 0s",
            "22023",
            "TTL is out of bounds: 1s to 4h",
            "",
        ),
    ] {
        let error = error(&console, verb);
        assert!(
            error.contains(&format!("ERROR:  {sqlstate}: {message}\n")) && error.contains(hint),
            "{error}"
        );
    }
    assert_eq!(console.sessions.open_count(), 0);
    out(&psql(
        &console,
        &[
            "-c",
            "OPEN MIGRATION DATABASE shop ROLE migrator REASON x TTL 4h",
        ],
    ));
}

#[test]
fn without_a_session_route_there_are_no_migration_sessions() {
    let console = TestConsole::start_with(|config| {
        let route = config.find("[route.session]").expect("a route");
        let registry = config.find("[registry]").expect("a registry");
        format!("{}{}", &config[..route], &config[registry..])
    });
    let error = error(&console, "OPEN MIGRATION DATABASE shop REASON x");
    assert!(
        error.contains("ERROR:  0A000: migration sessions need a session route"),
        "{error}"
    );
}

#[test]
fn mistakes_are_pointed_at() {
    let console = TestConsole::start();
    let error = error(&console, "SHOW TABLES");
    assert!(error.starts_with("ERROR:  42601: syntax error at or near \"TABLES\"\nLINE 1: SHOW TABLES\n             ^\nHINT:  SHOW HELP lists the verbs.\n"), "{error}");
    let missing = self::error(&console, "SHOW MIGRATION mig_00000000");
    assert!(
        missing.contains("42704: migration session mig_00000000 does not exist"),
        "{missing}"
    );
}

#[test]
fn the_other_verbs() {
    let console = TestConsole::start();
    assert_eq!(
        out(&psql(
            &console,
            &["-At", "-c", "SHOW VERSION; SHOW VERSION"]
        ))
        .trim_end(),
        ["Portcullis 0.1.0"; 2].join("\n")
    );
    assert_eq!(
        out(&psql(&console, &["-At", "-c", "SHOW HELP"]))
            .lines()
            .count(),
        verb::HELP.len()
    );
    assert_eq!(out(&psql(&console, &["-c", ";"])), "");
    assert_eq!(out(&psql(&console, &["-c", "RELOAD"])), "RELOAD\n");
    let broken = error(&console, "RELOAD");
    assert!(
        broken.contains("F0000: nothing was reloaded\nDETAIL:  error: unknown key \"x\""),
        "{broken}"
    );
    assert_eq!(console.proxy.shutdowns.load(Ordering::Relaxed), 0);
    assert_eq!(out(&psql(&console, &["-c", "SHUTDOWN"])), "SHUTDOWN\n");
    assert_eq!(console.proxy.shutdowns.load(Ordering::Relaxed), 1);
}

#[test]
fn another_database_name_is_refused() {
    let console = TestConsole::start();
    let output = psql(&console, &["-d", "shop", "-c", "SHOW VERSION"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("FATAL:  this is the admin console, not a database"),
        "{text}"
    );
}

#[test]
fn the_socket_is_for_owner_and_group_and_replaces_only_a_dead_one() {
    let console = TestConsole::start();
    let metadata = std::fs::metadata(&console.socket).expect("there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    let taken = bind(&console.socket).expect_err("a living console");
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(
        std::fs::metadata(&console.socket)
            .expect("still there")
            .ino(),
        metadata.ino()
    );

    let left_behind = console.directory.path().join("console.sock");
    drop(std::os::unix::net::UnixListener::bind(&left_behind).expect("bound"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime
        .block_on(async { bind(&left_behind).map(drop) })
        .expect("the dead socket is replaced");
}

/// psql as user nobody in some group.
fn psql_as_nobody(console: &TestConsole, group: &str) -> Output {
    let text = "OPEN MIGRATION DATABASE shop REASON x; SHOW MIGRATIONS";
    psql_as(console, "65534", group, text)
}

/// psql as somebody else, which only root can be: peer credentials cannot be tested otherwise, and a
/// test that is left out would look like one that passed.
fn psql_as(console: &TestConsole, user: &str, group: &str, text: &str) -> Output {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test must run as root: it connects to the console as other users"
    );
    let directory = console.directory.path();
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).expect("chmod");
    let mut command = Command::new("setpriv");
    command
        .args([
            &format!("--reuid={user}"),
            &format!("--regid={group}"),
            "--clear-groups",
            "psql",
            "-X",
            "-h",
        ])
        .arg(directory);
    command
        .args(["-p", "6432", "-d", "portcullis", "-At", "-c", text])
        .output()
        .expect("setpriv runs")
}

#[test]
fn a_stranger_may_not_enter_even_where_the_mode_lets_him() {
    let console = TestConsole::start();
    std::fs::set_permissions(&console.socket, PermissionsExt::from_mode(0o666)).expect("chmod");
    let output = psql_as_nobody(&console, "65534");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("FATAL:  uid 65534 may not use the console"),
        "{text}"
    );
    assert_eq!(console.sessions.open_count(), 0);
}

#[test]
fn a_member_of_the_sockets_group_enters_under_his_own_name() {
    let console = TestConsole::start();
    let output = psql_as_nobody(&console, "0");
    let listed = out(&output);
    assert!(
        listed
            .lines()
            .any(|line| line.contains("|open|") && line.contains("|x|nobody|")),
        "{listed}"
    );
}

#[test]
fn a_member_may_do_what_the_policy_grants_him() {
    let console = TestConsole::start();
    let open = "OPEN MIGRATION DATABASE shop REASON x";
    // daemon (1) is a viewer, bin (2) is nobody's login.
    let shown = psql_as(&console, "1", "0", "SHOW MIGRATIONS");
    assert!(shown.status.success());
    for (user, text) in [
        ("1", open),
        ("1", "RELOAD"),
        ("1", "SHUTDOWN"),
        ("2", "SHOW MIGRATIONS"),
    ] {
        let output = psql_as(&console, user, "0", text);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("permission denied for"), "{text}");
    }
    assert_eq!(console.sessions.open_count(), 0);
}

#[test]
fn psql_finds_any_path_through_a_symbolic_link() {
    let console = TestConsole::start();
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    std::os::unix::fs::symlink(&console.socket, elsewhere.path().join(".s.PGSQL.7777"))
        .expect("linked");
    let output = psql(
        &console,
        &[
            "-h",
            &elsewhere.path().display().to_string(),
            "-p",
            "7777",
            "-At",
            "-c",
            "SHOW VERSION",
        ],
    );
    assert_eq!(out(&output).trim_end(), "Portcullis 0.1.0");
}

#[test]
fn a_file_in_the_place_of_the_socket_stays() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("userlist.txt");
    std::fs::write(&path, "mine").expect("written");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let folder = directory.path().join("folder");
    std::fs::create_dir(&folder).expect("made");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for path in [&path, &link, &folder] {
        let refused = runtime.block_on(async { bind(path).map(drop) });
        let refused = refused.expect_err("no socket").to_string();
        assert!(refused.contains(&path.display().to_string()), "{refused}");
        assert!(refused.contains("no socket"), "{refused}");
        super::unbind(path);
        assert!(path.symlink_metadata().is_ok(), "{}", path.display());
    }
    assert_eq!(std::fs::read_to_string(&link).expect("read"), "mine");
    let socket = directory.path().join("nowhere/socket");
    let refused = runtime.block_on(async { bind(&socket).map(drop) });
    let refused = refused.expect_err("no directory").to_string();
    assert!(refused.contains(&socket.display().to_string()), "{refused}");
}
