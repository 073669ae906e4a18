//! PgBouncer's settings and version, from its console.

use super::common::*;
use crate::support::{self, Pooler, Stack, StackOptions, password};

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

/// Whoever asks, PostgreSQL sees one login: only for the database that has it so.
#[test]
fn a_user_that_pgbouncer_forces_is_told() {
    for pooler in [Pooler::V1_18, Pooler::V1_24] {
        let stack = Stack::start(StackOptions {
            proxy: false,
            ..one_connection(pooler)
        });
        let file = stack.file("pgbouncer-transaction/pgbouncer.ini");
        let ini = std::fs::read_to_string(&file).expect("read pgbouncer.ini");
        stack.direct("shop", "CREATE ROLE pooled LOGIN");
        let pooled = support::Login {
            user: "pooled".to_owned(),
            ..direct(&stack, "shop_acme")
        };
        let rules = "local all all trust\nhost all pooled 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        admit(&stack, rules, || {
            stack.psql(&pooled, "SELECT 1").status == 0
        });
        let forced = format!(
            "[databases]\nforced = host=127.0.0.1 port={} dbname=shop user=pooled password=kept-secret\n\
             shop = host=127.0.0.1 port={}\n",
            stack.cluster.port, stack.cluster.port
        );
        support::files::write_secret(&file, &ini.replacen("[databases]\n", &forced, 1));
        support::files::give_to_server(&file);
        let admin = stack.login_at(stack.transaction_port, "pgbouncer_admin", "shop");
        let at = |database: &str| support::Login {
            database: database.to_owned(),
            ..admin.clone()
        };
        stack.psql(&at("pgbouncer"), "RELOAD").ok();
        let report = examined(&at("forced"), &["--read-only"]);
        assert_eq!(
            objects(&report, "pgbouncer-forced-user"),
            ["pooled"],
            "{report}"
        );
        assert!(!report.to_string().contains("kept-secret"), "{report}");
        let report = examined(&at("shop"), &["--read-only"]);
        assert!(
            found(&report, "pgbouncer-forced-user").is_empty(),
            "{report}"
        );
    }
}
