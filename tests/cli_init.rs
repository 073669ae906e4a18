//! `portcullis init` on the file of a running PgBouncer: what it writes is served as it is, logins
//! work with their passwords, and nothing that worked before is refused.

mod support;

use std::process::Stdio;

use support::ports::Ports;
use support::process::{RunAs, must_run};
use support::{Stack, StackOptions, proxy};

#[test]
fn a_portcullis_beside_pgbouncer_refuses_nothing() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..StackOptions::default()
    });
    let mut ports = Ports::lock();
    let (port, http_port) = (ports.next(), ports.next());
    let own = stack.file("pgbouncer-transaction");
    let ini = std::fs::read_to_string(own.join("pgbouncer.ini")).expect("read pgbouncer.ini");
    // Databases reached through * cannot be known; and PgBouncer's key stays PgBouncer's own.
    let named = ini
        .replace("* = ", "app = host=127.0.0.1\n* = ")
        .replace("client_tls_sslmode = allow", "client_tls_sslmode = disable");
    assert_ne!(ini, named);
    let from = stack.file("pgbouncer.ini");
    std::fs::write(&from, named).expect("write pgbouncer.ini");

    let output = stack.file("beside");
    let portcullis = |arguments: &[&str]| {
        let mut command = support::process::command(RunAs::Tester, "KILL", proxy::program());
        command.args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        must_run(command)
    };
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let written = portcullis(&["init", "--from", &text(&from), "--output", &text(&output)]);
    let talk = String::from_utf8_lossy(&written.stderr).into_owned();
    assert!(
        talk.contains("*: the policy names every database"),
        "{talk}"
    );

    let config = output.join("portcullis.toml");
    portcullis(&["check", &text(&config)]);
    let written = std::fs::read_to_string(&config).expect("read what was written");
    let beside = stack.transaction_port + 1;
    let moved = written
        .replace(
            &format!("127.0.0.1:{beside}\""),
            &format!("127.0.0.1:{port}\""),
        )
        .replace("127.0.0.1:9632", &format!("127.0.0.1:{http_port}"));
    std::fs::write(&config, moved).expect("move it to free ports");

    let mut server = proxy::serve(&output);
    proxy::wait(&mut server, http_port);
    let mut login = stack.login_at(port, "migrator", "app");
    login.sslmode = "disable";
    let script = "create table made_by_hand (id int);\ninsert into made_by_hand values (1);\n\
        do $$ begin insert into made_by_hand values (2); end $$;\nselect count(*) from made_by_hand";
    assert_eq!(stack.psql(&login, script).ok(), "2\n");
    assert_eq!(
        stack.direct("app", "select count(*) from made_by_hand"),
        "2\n"
    );
    login.password = "wrong".to_owned();
    stack
        .psql(&login, "select 1")
        .refused("authentication failed");
    server.end();
}
