//! libpq of today: TLS from the first byte, and protocol 3.2 with its long cancel keys, which travel in TLS as well.

use std::process::Command;

use super::matrix::{Outcome, outcomes};
use crate::support::{Login, Version, psql, tls};
use crate::{NEW, OLD, Psql, python, run, stack};

/// Handshakes of this kind that succeeded.
fn handshakes(stack: &crate::Stack, kind: &str) -> f64 {
    let series = format!("portcullis_handshakes_total{{kind=\"{kind}\",outcome=\"ok\"}}");
    stack.metric(&series)
}

/// Of PostgreSQL 17, which were the first that could.
#[test]
fn psql_and_pg_isready_begin_with_tls() {
    let stack = stack(NEW);
    let login = stack.login("shop_acme", "shop");
    let of_17 = |program: &str, login: &Login| {
        let mut command = Command::new(Version::Pg17.bin().join(program));
        command
            .envs(login.environment())
            .env("PGSSLNEGOTIATION", "direct");
        command
    };
    let asked = |login: &Login, binding: &str| {
        let mut command = of_17("psql", login);
        command
            .env("PGCHANNELBINDING", binding)
            .args(["-XAtqc", "SELECT count(*) FROM orders"]);
        Psql::from(psql::with_input(command, ""))
    };
    for binding in ["require", "disable"] {
        assert_eq!(asked(&login, binding).ok(), "3\n");
    }
    assert_eq!(handshakes(&stack, "direct-tls"), 2.0);
    assert_eq!(handshakes(&stack, "tls"), 0.0);
    // Nobody else is trusted this way either.
    let elsewhere = Login {
        sslrootcert: tls::Authority::new(stack.directory(), "other")
            .certificate()
            .to_owned(),
        ..login.clone()
    };
    let refused = asked(&elsewhere, "prefer");
    assert_eq!(refused.status, 2);
    let reason = "certificate verify failed";
    assert!(refused.stderr.contains(reason), "{}", refused.stderr);
    let ready = psql::with_input(of_17("pg_isready", &login), "");
    assert_eq!(ready.status.code(), Some(0), "{ready:?}");
}

/// Everything that the matrix asks of psycopg, cancel requests among it.
#[test]
fn psycopg_speaks_protocol_3_2_inside_direct_tls() {
    for versions in [OLD, NEW] {
        let stack = stack(versions);
        let login = stack.login("shop_acme", "shop");
        let other = tls::Authority::new(stack.directory(), "other");
        let client = || {
            let mut client = python("psycopg_client.py");
            client
                .env("DRIVER_OTHER_CA", other.certificate())
                .env("PGMINPROTOCOLVERSION", "3.2")
                .env("PGMAXPROTOCOLVERSION", "3.2");
            client
        };
        // Who speaks 3.0 only is left at once: it is 3.2 that is spoken.
        let past = stack.login_at(stack.transaction_port, "shop_acme", "shop");
        let old = run(client(), &past);
        assert_ne!(old.status, 0, "{}", old.stdout);

        let mut direct = client();
        direct.env("PGSSLNEGOTIATION", "direct");
        let answer = run(direct, &login);
        let found = outcomes(&answer.stdout);
        let works = |check: &str| found.get(check) == Some(&Outcome::Ok);
        for check in [
            "connect",
            "prepared",
            "cancel",
            "pipeline",
            "copy",
            "concurrent",
        ] {
            assert!(works(check), "{check}: {}{}", answer.stdout, answer.stderr);
        }
        for (check, outcome) in &found {
            let failed = matches!(outcome, Outcome::Failed { .. });
            assert!(!failed, "{check}: {}", answer.stdout);
        }
        assert!(handshakes(&stack, "direct-tls") > 20.0);
        assert_eq!(handshakes(&stack, "tls"), 0.0);
        assert!(handshakes(&stack, "cancel") >= 1.0);
    }
}
