//! The verifiers of PgBouncer's file and PostgreSQL's: compared, named, mended, and never printed.

use super::common::*;
use crate::support::{self, Pooler, Stack, StackOptions, files, password};

const ID: &str = "verifier-differs";

/// What the advice says to run.
fn statement(advice: &str) -> &str {
    let at = advice.find("SELECT format(").expect("a statement");
    &advice[at..]
}

#[test]
fn another_verifier_of_the_same_password_is_found_and_mended() {
    for pooler in [Pooler::V1_18, Pooler::V1_24] {
        let stack = Stack::start(StackOptions {
            proxy: false,
            // Where PostgreSQL has refused a login, it waits so long; by default as long as we do.
            pgbouncer: "server_login_retry = 1\n".to_owned(),
            ..one_connection(pooler)
        });
        let file = stack.file("pgbouncer-transaction/userlist.txt");
        let path = file.display().to_string();
        let arguments = ["--read-only", "--auth-file", &path];
        let report = examined(&superuser(&stack), &arguments);
        assert!(found(&report, ID).is_empty(), "{report}");
        let fine = report["fine"].as_array().expect("a list");
        assert!(fine.contains(&ID.into()), "{report}");

        let renewed = password("shop_acme").replace('\'', "''");
        let renew = format!("ALTER ROLE shop_acme PASSWORD '{renewed}'");
        stack.direct("shop", &renew);
        let said = doctor(&superuser(&stack), &[&arguments[..], &["--json"]].concat());
        assert_eq!(said.code, 1);
        assert_eq!(objects(&said.json(), ID), ["shop_acme"], "{pooler:?}");
        let text = doctor(&superuser(&stack), &arguments);
        for line in stack.userlist.lines() {
            let secret = line.split('$').nth(2).expect("a verifier");
            assert!(!said.stdout.contains(secret) && !text.stdout.contains(secret));
        }
        // What it costs: PgBouncer says welcome, PostgreSQL does not.
        let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
        let refused = doctor(&login, &["--read-only", "--json"]);
        assert_eq!(refused.code, 2, "{refused:?}");
        let error = &refused.json()["error"];
        assert_eq!(error["cause"], "secret", "{pooler:?}: {error}");
        let message = error["message"].as_str().expect("a message");
        assert!(
            message.contains("let \"shop_acme\" in"),
            "{pooler:?}: {error}"
        );
        let wrong = support::Login {
            password: "wrong".to_owned(),
            ..login.clone()
        };
        let wrong = doctor(&wrong, &["--read-only"]).stderr;
        assert!(wrong.contains("was not accepted"), "{pooler:?}: {wrong}");
        let hint = error["hint"].as_str().expect("a hint");
        assert!(hint.contains("--auth-file"), "{pooler:?}: {error}");

        let report = said.json();
        let advice = found(&report, ID)[0]["advice"].as_str();
        let line = stack.direct("postgres", statement(advice.expect("an advice")));
        let others = stack.userlist.lines();
        let others = others.filter(|line| !line.starts_with("\"shop_acme\""));
        let others: String = others.map(|line| format!("{line}\n")).collect();
        files::write_secret(&file, &(others + &line));
        files::give_to_server(&file);
        // PgBouncer takes a file of the same size and second for the one that it has read.
        let written = std::fs::File::options().append(true).open(&file);
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
        let touched = written.and_then(|file| file.set_modified(later));
        touched.expect("set the time of the file");
        assert!(found(&examined(&superuser(&stack), &arguments), ID).is_empty());
        let mut console = stack.login_at(stack.transaction_port, support::fixture::ADMIN, "shop");
        console.database = "pgbouncer".to_owned();
        stack.psql(&console, "RELOAD").ok();
        support::process::wait_until("shop_acme is let in", || {
            stack.psql(&login, "SELECT 1").status == 0
        });
    }
}

#[test]
fn what_cannot_be_compared_is_said_and_lines_of_no_use_are_named() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql: format!(
            "{}SET password_encryption = 'md5'; CREATE ROLE \"Old, 'Timer'\" LOGIN PASSWORD 'x'; CREATE ROLE nologin;",
            support::fixture::SQL
        ),
        ..StackOptions::default()
    });
    let file = stack.file("other userlist.txt");
    let path = file.display().to_string();
    let arguments = ["--read-only", "--auth-file", &path];
    let verifier = stack.userlist.lines().next().expect("a line");
    let verifier = verifier.split('"').nth(3).expect("a verifier");
    let lines = ["Old, 'Timer'", "nologin", "of_pgbouncer"];
    let mut text = lines
        .map(|name| format!("\"{name}\" \"{verifier}\"\n"))
        .concat();
    text += "\"shop_plain\" \"in the clear\"\n";
    std::fs::write(&file, text).expect("write it");
    let said = doctor(&superuser(&stack), &[&arguments[..], &["--json"]].concat());
    let report = said.json();
    assert_eq!(objects(&report, ID), ["Old, 'Timer'"]);
    assert_eq!(objects(&report, "auth-file-line"), ["shop_plain"]);
    let line = found(&report, "auth-file-line")[0]["text"].as_str();
    let line = line.expect("a text");
    assert!(
        line.starts_with(&format!("{path}:4: user \"shop_plain\"")),
        "{line}"
    );
    assert!(!said.stdout.contains("in the clear") && !said.stdout.contains(verifier));

    let unseen = |report: &serde_json::Value| -> Vec<String> {
        let findings = found(report, "not-seen").into_iter();
        let texts = findings.filter_map(|finding| finding["text"].as_str());
        texts.map(str::to_owned).collect()
    };
    let stranger = examined(&direct(&stack, "shop_acme"), &arguments);
    assert!(found(&stranger, ID).is_empty());
    let said = "not seen: verifier-differs: permission denied for table pg_authid";
    assert!(unseen(&stranger).contains(&said.to_owned()), "{stranger}");
    let missing = ["--read-only", "--auth-file", "/nonexistent"];
    let missing = unseen(&examined(&superuser(&stack), &missing));
    assert!(
        missing[0].contains("/nonexistent") && missing[0].contains("could not read the file"),
        "{missing:?}"
    );
}
