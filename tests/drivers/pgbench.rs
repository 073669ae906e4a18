//! pgbench in all three protocols. Its own consistency rule is the check: the sum of the accounts
//! is the sum of the history, and the history has a row for each transaction.

use std::process::Command;

use crate::support::{Psql, Stack, psql};
use crate::{NEW, OLD, stack};

const CLIENTS: u32 = 8;
const TRANSACTIONS: u32 = 25;

/// pgbench's tables in database `app`, where logins have no zone.
fn with_tables(stack: &Stack) {
    let mut command = Command::new("pgbench");
    command
        .args(["-i", "-s", "1", "-q", "-n", "-U", "postgres", "-h"])
        .arg(&stack.cluster.socket);
    command.args(["-p", &stack.cluster.port.to_string(), "app"]);
    Psql::from(psql::with_input(command, "")).ok();
    let tables = "pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history";
    stack.direct(
        "app",
        &format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO shop_plain"),
    );
}

fn run(stack: &Stack, options: &[&str]) {
    let mut command = Command::new("pgbench");
    // A thread for each client: pgbench prepares with a blocking call, and a thread that waits for a
    // pool connection there does not end the transactions that its other clients have open.
    let (clients, transactions) = (CLIENTS.to_string(), TRANSACTIONS.to_string());
    command
        .args(["-n", "-c", &clients, "-j", &clients, "-t", &transactions])
        .args(options);
    command.envs(stack.login("shop_plain", "app").environment());
    let report = Psql::from(psql::with_input(command, "")).ok();
    assert!(
        report.contains("number of failed transactions: 0 "),
        "{report}"
    );
}

fn is_consistent(stack: &Stack, runs: u32) {
    let sums = stack.direct(
        "app",
        "SELECT count(*), (SELECT sum(abalance) FROM pgbench_accounts) = sum(delta) FROM pgbench_history",
    );
    assert_eq!(sums, format!("{}|t\n", runs * CLIENTS * TRANSACTIONS));
}

#[test]
fn pgbench_simple_extended_and_prepared() {
    for versions in [OLD, NEW] {
        let stack = stack(versions);
        with_tables(&stack);
        for protocol in ["simple", "extended", "prepared"] {
            run(&stack, &["-M", protocol]);
        }
        is_consistent(&stack, 3);
    }
}

#[test]
fn pgbench_with_a_connection_for_each_transaction() {
    let stack = stack(OLD);
    with_tables(&stack);
    run(&stack, &["-C", "-M", "extended"]);
    is_consistent(&stack, 1);
}
