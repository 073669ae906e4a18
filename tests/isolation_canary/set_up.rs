//! Tables, kit and configuration of the proof.

use crate::support::fixture::POLICY;
use crate::support::{Stack, StackOptions};
use crate::{DESK, ISOLATION, TABLES, broken, canaries, options, proved};

#[test]
fn tables_can_be_listed_and_one_that_is_gone_is_missed() {
    let stack = Stack::start(StackOptions {
        limits: format!("{ISOLATION}tables = [\"public.orders\", 'public.\"Refunds\"']\n"),
        ..options()
    });
    proved(&stack);
    assert_eq!(stack.metric(TABLES), 2.0);
    stack.direct("shop", "ALTER TABLE orders RENAME TO sales");
    broken(&stack, "missing-table");
    stack.direct("shop", "ALTER TABLE sales RENAME TO orders");
    proved(&stack);
    stack.direct("shop", "ALTER TABLE events DISABLE ROW LEVEL SECURITY");
    proved(&stack);
}

#[test]
fn the_kit_makes_rows_once_and_says_what_it_cannot() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..options()
    });
    let rows = "SELECT tenant_id, count(*) FROM orders WHERE tenant_id LIKE 'canary%' GROUP BY 1 ORDER BY 1";
    let once = "canary-a|1\ncanary-b|1\n";
    assert_eq!(stack.direct("shop", rows), once);
    stack.direct("shop", &canaries("public.orders", "{}"));
    assert_eq!(stack.direct("shop", rows), once);
    let dsn = stack.direct_dsn("shop");
    let run = |table: &str, role: &str| {
        let mut psql = std::process::Command::new("psql");
        psql.args(["-XAtq", "-d", &dsn]);
        psql.env("PGOPTIONS", format!("-c role={role}"));
        let output = crate::support::psql::with_input(psql, &canaries(table, "{}"));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // A value is needed; a table that is not there; a role that may not see all rows.
    for (table, role, said) in [
        ("public.\"Refunds\"", "postgres", ""),
        ("public.nothing", "postgres", "there is no table"),
        ("public.orders", "shop_acme", "row-level security"),
    ] {
        let errors = run(table, role);
        assert_eq!(errors.is_empty(), said.is_empty(), "{table}: {errors}");
        assert!(errors.contains(said), "{table}: {errors}");
    }
    stack.direct("shop", "DELETE FROM \"Refunds\"");
    assert!(run("public.\"Refunds\"", "postgres").contains("amount"));
}

#[test]
fn what_cannot_work_is_told_before_a_port_is_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let policy = directory.path().join("policy.toml");
    std::fs::write(&policy, POLICY).expect("write");
    let check = |from: &str, to: &str| {
        let config = "schema = 1\npolicy = \"policy.toml\"\n[listen]\npostgres = \"127.0.0.1:6432\"\nconsole = \"c\"\n[client_tls]\nsslmode = \"disable\"\n[server_tls]\nsslmode = \"disable\"\n[auth]\nauth_file = \"u\"\nkey_file = \"k\"\n[route.transaction]\nhosts = [\"a:1\"]\n[route.session]\nhosts = [\"a:2\"]\n[registry]\npath = \"r\"\n";
        let file = directory.path().join("portcullis.toml");
        let text = format!("{config}{ISOLATION}");
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).expect("write");
        let mut command = std::process::Command::new(crate::support::proxy::program());
        let output = command.arg("check").arg(&file).output().expect("run check");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.code(),
            said + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, said) = check("", "");
    assert_eq!(code, Some(0), "{said}");
    for (from, to, told) in [
        (
            "\"shop_acme\"",
            "\"nobody\"",
            "login \"nobody\" is not in the policy",
        ),
        ("\"shop_acme\"", "\"migrator\"", "is of kind \"migrator\""),
        (
            "\"shop_acme\"",
            "\"shop_plain\"",
            "is not granted database \"shop\"",
        ),
        ("[\"shop_acme\"]", "[]", "must name 1 to 16"),
        ("key_file = \"k\"\n", "", "auth.key_file"),
        ("\"canary-b\"", "\"canary-a\"", "two different zones"),
        ("\"canary-b\"", "\"*\"", "is not \"*\""),
        ("interval = \"1s\"", "interval = \"1ms\"", "interval"),
        (
            "interval = \"1s\"",
            "intervall = \"1s\"",
            "did you mean \"interval\"?",
        ),
        (
            "column = \"tenant_id\"\n",
            "",
            "missing key \"column\" in [isolation]",
        ),
        (
            "[isolation]",
            "[isolation]\ntables = [\"orders\"]",
            "not a schema and a table",
        ),
    ] {
        let (code, said) = check(from, to);
        assert_eq!(code, Some(1), "{to}: {said}");
        assert!(said.contains(told), "{to}: {said}");
    }
    // A route that applications take, and nobody asks there.
    std::fs::write(&policy, format!("{POLICY}{DESK}")).expect("write");
    let (code, said) = check("", "");
    assert_eq!(code, Some(0), "{said}");
    let told = "warning: [isolation]: nobody asks on the session route, by which login \"desk\"";
    assert!(said.contains(told), "{said}");
    let (_, said) = check("[\"shop_acme\"]", "[\"shop_acme\", \"desk\"]");
    assert!(!said.contains("nobody asks"), "{said}");
}
