//! `portcullis doctor` at real servers.

mod support;

use std::process::{Command, Output};

use support::{Login, Stack, StackOptions};

fn doctor(login: &Login, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .arg("doctor")
        .args(arguments)
        .envs(login.environment());
    command.output().expect("run portcullis")
}

#[test]
fn explore() {
    let stack = Stack::start(StackOptions::default());
    let mut run = |what: &str, login: &Login, arguments: &[&str]| {
        let start = std::time::Instant::now();
        let said = doctor(login, arguments);
        eprintln!(
            "=== {what} {arguments:?}: {:?} in {:?}\n{}{}",
            said.status.code(),
            start.elapsed(),
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        );
    };
    let tx = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    run("tx", &tx, &[]);
    run(
        "tx admin",
        &stack.login_at(stack.transaction_port, "pgbouncer_admin", "shop"),
        &["--read-only"],
    );
    run(
        "session",
        &stack.login_at(stack.session_port, "shop_acme", "shop"),
        &[],
    );
    run("portcullis", &stack.login("shop_acme", "shop"), &[]);
    let mut direct = stack.login_at(stack.cluster.port, "shop_acme", "shop");
    direct.sslmode = "disable";
    run("direct", &direct, &[]);
    direct.user = "postgres".into();
    direct.password = "superuser secret".into();
    run("postgres", &direct, &[]);
    run("postgres", &direct, &["--sql"]);
    run(
        "config",
        &tx,
        &["--config", stack.file("portcullis.toml").to_str().unwrap()],
    );
    run("json", &tx, &["--json"]);
    panic!()
}
