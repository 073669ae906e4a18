//! What the log says of logins that fail: what is worth a look, and of what is alike one line in a while.

mod support;

use std::process::{Command, Stdio};

use support::process::wait_until;
use support::{Login, Stack, StackOptions, Transport, Wire};

/// What warns of a login that failed, once one with `last` in it is there: they are written in their order.
fn warned(stack: &Stack, last: &str) -> Vec<String> {
    let log = stack.logged(&[last]);
    let lines = log.lines();
    let lines = lines.filter(|line| line.contains("\"not logged in\"") && line.contains("WARN"));
    lines.map(str::to_owned).collect()
}

fn fails(login: &Login) {
    assert!(Wire::try_login(login, Transport::SslRequest, &[]).is_err());
}

/// What pg_isready says; it logs in where it has a password, and hangs up when it is asked for one where it has none.
fn probe(stack: &Stack, environment: &[(&str, &str)]) -> Option<i32> {
    let mut command = Command::new("pg_isready");
    command.args(["-h", "127.0.0.1", "-t", "60", "-p", &stack.port.to_string()]);
    for name in [
        "PGUSER",
        "PGPASSWORD",
        "PGDATABASE",
        "PGPASSFILE",
        "PGSSLMODE",
    ] {
        command.env_remove(name);
    }
    command.env("PGPASSFILE", "/no-such-file");
    command
        .envs(environment.iter().copied())
        .stdout(Stdio::null());
    command.status().expect("pg_isready").code()
}

#[test]
fn probes_are_no_news() {
    let stack = Stack::start(StackOptions::default());
    let plain = stack.login("shop_plain", "app");
    let right = [
        ("PGUSER", "shop_plain"),
        ("PGPASSWORD", &*plain.password),
        ("PGDATABASE", "app"),
    ];
    let logged_in = "portcullis_logins_total{outcome=\"ok\"}";
    let probes: [&[(&str, &str)]; 6] = [
        &[],
        &[("PGUSER", "shop_plain")],
        &[("PGUSER", "nobody"), ("PGDATABASE", "nothing")],
        &[("PGUSER", "shop_plain"), ("PGSSLMODE", "disable")],
        &[("PGUSER", "migrator"), ("PGDATABASE", "app")],
        &right,
    ];
    for environment in probes {
        // In plaintext it is told that this takes TLS only, which it counts as an answer.
        assert_eq!(probe(&stack, environment), Some(0), "{environment:?}");
    }
    wait_until("the last one has logged in", || {
        stack.metric(logged_in) == 1.0
    });
    // With a password that is not right it is a login that failed.
    let wrong = [right[0], ("PGPASSWORD", "wrong"), right[2]];
    probe(&stack, &wrong);
    let lines = warned(&stack, "wrong-password");
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[test]
fn what_is_alike_is_told_once_and_counted() {
    let stack = Stack::start(StackOptions::default());
    let known = stack.login("shop_plain", "app");
    let as_user = |user: &str, database: &str, password: &str| Login {
        user: user.into(),
        password: password.into(),
        ..stack.login("shop_plain", database)
    };
    let begun = std::time::Instant::now();
    for _ in 0..40 {
        fails(&as_user("shop_plain", "app", "wrong"));
    }
    // Names of strangers are not told, so they are alike.
    for number in 0..40 {
        fails(&as_user(&format!("stranger_{number}"), "app", "wrong"));
    }
    for _ in 0..40 {
        fails(&as_user("shop_plain", "shop", &known.password));
    }
    let took = begun.elapsed().as_secs();
    fails(&as_user("shop_acme", "shop", "wrong"));
    let lines = warned(&stack, "\"login\":\"shop_acme\"");
    // One in ten seconds of each, and that of the last.
    let most = 3 * (took as usize / 10 + 1) + 1;
    assert!(
        lines.len() >= 4 && lines.len() <= most,
        "{took} s: {lines:#?}"
    );
    for words in ["wrong-password", "unknown-login", "not-granted"] {
        assert!(lines.iter().any(|line| line.contains(words)), "{lines:#?}");
        let series = format!("portcullis_logins_total{{outcome=\"{words}\"}}");
        assert!(stack.metric(&series) >= 40.0, "each is counted");
    }
    let zero = |line: &&String| line.contains("\"suppressed\":0");
    assert!(lines.iter().filter(zero).count() >= 4, "{lines:#?}");
}
