//! psql's own commands and pg_dump, run as programs: the same output straight and through Portcullis.

use std::process::Command;

use super::compare;
use crate::support::psql::with_input;
use crate::support::{Login, Psql, Stack};

/// psql -X with `arguments`, a script on its stdin.
fn psql(login: &Login, arguments: &[&str], script: &str) -> Psql {
    let mut command = Command::new("psql");
    command.arg("-X").args(arguments).envs(login.environment());
    with_input(command, script).into()
}

fn straight(stack: &Stack) -> Login {
    Login {
        sslmode: "disable",
        ..compare::direct(stack)
    }
}

const DESCRIBE: &[&str] = &[
    "\\d",
    "\\d+",
    "\\dS",
    "\\dt",
    "\\dt+",
    "\\dt public.*",
    "\\di",
    "\\di+",
    "\\dv",
    "\\dv+",
    "\\dm",
    "\\dm+",
    "\\ds",
    "\\dE",
    "\\dP",
    "\\dP+",
    "\\d orders",
    "\\d+ orders",
    "\\d customers",
    "\\d+ customers",
    "\\d lines",
    "\\d+ totals",
    "\\d events",
    "\\d+ events",
    "\\d tickets",
    "\\d lines_lower",
    "\\d \"table\"",
    "\\d \"drop table orders\"",
    "\\d+ products",
    "\\dn",
    "\\dn+",
    "\\du",
    "\\du+",
    "\\dg",
    "\\l",
    "\\l shop",
    "\\dp",
    "\\z orders",
    "\\ddp",
    "\\dx",
    "\\dx+",
    "\\df",
    "\\df+",
    "\\df *total*",
    "\\dfnt",
    "\\da",
    "\\da+ sum",
    "\\do =",
    "\\dT",
    "\\dT+",
    "\\dT+ mood",
    "\\dD",
    "\\dD+",
    "\\dC",
    "\\dc",
    "\\dO",
    "\\dL",
    "\\dL+",
    "\\db",
    "\\dd",
    "\\des",
    "\\deu",
    "\\dew",
    "\\det",
    "\\dy",
    "\\dF",
    "\\dFd",
    "\\dFp",
    "\\dFt",
    "\\dRp",
    "\\dRs",
    "\\drds",
    "\\dX",
    "\\dA",
    "\\dAc",
    "\\dAf",
    "\\dAo",
    "\\dAp",
    "\\dl",
    "\\sf create_order",
    "\\sf+ create_order",
    "\\sv totals",
    "\\sv+ totals",
    "\\conninfo_is_not_compared",
    "\\dconfig work_mem",
    "\\encoding",
    "\\lo_list",
    "\\crosstabview_needs_a_query",
    "\\dt *.orders",
    "\\d pg_catalog.pg_class",
    "\\d information_schema.tables",
    "\\dtS pg_*",
    "\\dvS+ pg_stat*",
];

#[test]
fn psql_describes_the_same() {
    let stack = compare::stack(crate::OLD);
    let (straight, through) = (straight(&stack), stack.login("shop_acme", "shop"));
    let commands: Vec<&str> = DESCRIBE
        .iter()
        .copied()
        .filter(|command| !command.contains("_is_not_") && !command.contains("_needs_"))
        .collect();
    // One psql each, and a mark before every command.
    let mut arguments = Vec::new();
    let marked: Vec<String> = commands
        .iter()
        .map(|command| format!("\\echo ## {command}"))
        .collect();
    for (command, mark) in commands.iter().zip(&marked) {
        arguments.extend(["-c", mark.as_str(), "-c", command]);
    }
    let [expected, found] = [&straight, &through].map(|login| psql(login, &arguments, ""));
    let parts = |output: &str| -> Vec<String> { output.split("## ").map(str::to_owned).collect() };
    for (expected, found) in parts(&expected.stdout).iter().zip(&parts(&found.stdout)) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.stderr, expected.stderr);
    assert_eq!((found.status, expected.status), (0, 0), "{}", found.stderr);
    println!("psql: {} commands, the same", commands.len());
}

/// Its meta-commands around queries, for those that read stdin.
const SCRIPT: &str = r"
SELECT customer, product, amount FROM lines ORDER BY 1, 2 \crosstabview
SELECT 1 AS a, 'x' AS b \gdesc
SELECT name FROM customers WHERE id = 1 \gset
\echo :name
SELECT id FROM customers ORDER BY id \g (tuples_only=on)
SELECT * FROM customers ORDER BY id \gx
\copy imports from stdin
1	by psql
\.
DELETE FROM imports WHERE true RETURNING note;
\set FETCH_COUNT 2
SELECT * FROM customers ORDER BY id;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
SELECT 'goes on';
COMMIT;
SELECT format('SELECT %s', n) FROM generate_series(1, 2) n \gexec
\lo_list
";

#[test]
fn psql_works_the_same() {
    let stack = compare::stack(crate::OLD);
    let (straight, through) = (straight(&stack), stack.login("shop_acme", "shop"));
    for arguments in [
        vec!["--single-transaction", "-c", "SELECT 1", "-c", "SELECT 2"],
        vec![
            "-v",
            "FETCH_COUNT=2",
            "-c",
            "SELECT * FROM customers ORDER BY id",
        ],
        vec!["-c", "\\copy customers to stdout csv"],
        vec!["-c", "\\copy (select * from lines order by 1, 2) to stdout"],
        vec!["--csv", "-c", "TABLE customers"],
        vec!["-x", "-c", "SELECT * FROM customers ORDER BY id"],
        vec![
            "-c",
            "\\set AUTOCOMMIT off",
            "-c",
            "SELECT 1",
            "-c",
            "ROLLBACK",
        ],
        vec!["-E", "-c", "\\dt"],
        vec!["-1", "-c", "SELECT count(*) FROM orders"],
        vec!["-f", "-"],
    ] {
        let [expected, found] = [&straight, &through].map(|login| psql(login, &arguments, SCRIPT));
        assert_eq!(found.stderr, expected.stderr, "{arguments:?}");
        let rows = |text: &str| text.replace("Tuples only is on.\n", "");
        if !arguments.contains(&"SELECT count(*) FROM orders") {
            assert_eq!(rows(&found.stdout), rows(&expected.stdout), "{arguments:?}");
        }
        assert_eq!((found.status, expected.status), (0, 0), "{arguments:?}");
    }
}

#[test]
fn pg_dump_writes_the_same() {
    let stack = compare::stack(crate::OLD);
    let straight = straight(&stack);
    // A dump of everything prepares statements by name: not for a connection that is shared.
    let (table, session) = (
        stack.login("shop_acme", "shop"),
        stack.login("shop_dump", "shop"),
    );
    for (through, arguments) in [
        (&table, vec!["--schema-only", "--table=customers"]),
        (
            &table,
            vec![
                "--schema-only",
                "--table=lines",
                "--no-owner",
                "--no-privileges",
            ],
        ),
        (
            &table,
            vec!["--table=jobs", "--data-only", "--column-inserts"],
        ),
        (&table, vec!["--table=public.customers", "--data-only"]),
        (&session, vec!["--schema-only", "--schema=public"]),
        (&session, vec!["--schema-only"]),
        (
            &session,
            vec!["--exclude-table=orders", "--exclude-table-data=products"],
        ),
    ] {
        let [expected, found] = [&straight, through].map(|login| {
            let mut command = Command::new("pg_dump");
            command.args(&arguments).envs(login.environment());
            Psql::from(with_input(command, ""))
        });
        assert_eq!(expected.status, 0, "{arguments:?}: {}", expected.stderr);
        assert_eq!(found.stderr, expected.stderr, "{arguments:?}");
        assert_eq!(dump(&found.stdout), dump(&expected.stdout), "{arguments:?}");
    }
}

#[test]
fn pg_dump_works_under_the_policy_that_is_shipped() {
    let stack = compare::shipped(crate::OLD);
    let (straight, through) = (straight(&stack), stack.login("shop_backup", "shop"));
    let arguments = ["--exclude-table=orders", "--exclude-table-data=products"];
    let [expected, found] = [&straight, &through].map(|login| {
        let mut command = Command::new("pg_dump");
        command.args(arguments).envs(login.environment());
        Psql::from(with_input(command, ""))
    });
    assert_eq!(found.stderr, expected.stderr);
    assert_eq!(dump(&found.stdout), dump(&expected.stdout));
    // The limits of the others stand.
    let refused = psql(
        &stack.login("shop_acme", "shop"),
        &["-c", "SET statement_timeout = 0"],
        "",
    );
    assert!(
        refused.stderr.contains("guard \"parameters\""),
        "{}",
        refused.stderr
    );
}

/// A dump without the key that newer pg_dumps make up each time.
pub fn dump(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("restrict "));
    lines.collect::<Vec<_>>().join("\n")
}
