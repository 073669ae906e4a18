//! What looks suspicious and must pass: every case of `tests/ordinary/*.sql` is run straight at
//! PostgreSQL and through Portcullis, by both protocols, and the answers are the same message for
//! message. psql's own commands and pg_dump are run as programs, and print the same.
//!
//! A case that is `pending` is refused still; the test fails when it is not any more.

mod support;

mod ordinary {
    pub mod cases;
    mod commands;
    pub mod compare;
    mod programs;
}

use ordinary::{cases, compare};
use support::{NEW, NEWEST, OLD, Stack};

/// One test and one stack per file.
macro_rules! families {
    ($($name:ident on $versions:expr),*) => {
        const FAMILIES: &[&str] = &[$(stringify!($name)),*];
        $(#[test]
        fn $name() {
            compare::family(stringify!($name), $versions);
        })*
    };
}

families! {
    catalogs on OLD, drivers on OLD, everyday on OLD, lifted on OLD, lookalikes on OLD,
    newer on NEWEST, sessions on OLD
}

#[test]
fn everyday_on_postgresql_18() {
    compare::family("everyday", NEWEST);
}

#[test]
fn sessions_on_postgresql_18() {
    compare::family("sessions", NEWEST);
}

/// What is run under the policies that are shipped, by each kind of client.
const SHIPPED: &[&str] = &[
    "catalogs",
    "clients",
    "drivers",
    "everyday",
    "extensions",
    "frameworks",
    "introspection",
    "lookalikes",
    "movers",
    "orms",
    "platforms",
    "queries",
    "sessions",
    "settings",
    "texts",
    "tools",
    "words",
    "writing",
    // Last: what it writes and takes back moves rows about.
    "applications",
];
/// Those of them that only read.
const READ: &[&str] = &["extensions", "introspection", "queries"];

fn by_all(stack: &Stack, also: &[&str]) {
    let all = [SHIPPED, also].concat();
    compare::each(stack, compare::SERVICE, &all);
    compare::each(stack, compare::CHOOSER, &all);
    compare::each(stack, compare::PERSON, READ);
}

#[test]
fn shipped_policy_on_postgresql_15() {
    let mut stack = compare::shipped(OLD);
    by_all(&stack, &[]);
    compare::under(&mut stack, compare::PRODUCTION);
    compare::said(
        &stack,
        compare::SERVICE,
        SHIPPED,
        &[compare::Protocol::Named],
    );
}

#[test]
fn shipped_policies_on_postgresql_17() {
    let mut stack = compare::shipped(NEW);
    by_all(&stack, &[]);
    compare::under(&mut stack, compare::STAGING);
    compare::each(&stack, compare::SERVICE, SHIPPED);
    compare::each(&stack, compare::PERSON, READ);
}

#[test]
fn shipped_policies_on_postgresql_18() {
    let mut stack = compare::shipped(NEWEST);
    by_all(&stack, &["newest"]);
    compare::under(&mut stack, compare::DEVELOPMENT);
    compare::each(&stack, compare::SERVICE, SHIPPED);
    // No login sets its zone itself there, and people write.
    compare::each(&stack, compare::PERSON, SHIPPED);
}

#[test]
fn every_file_is_run_and_the_pending_are_told() {
    let mut files = support::files::cases("ordinary", ".sql");
    files.retain(|name| name != "fixture");
    let mut run = [FAMILIES, SHIPPED, &["newest"]].concat();
    run.sort_unstable();
    run.dedup();
    assert_eq!(files, run);
    let cases: Vec<_> = files.iter().flat_map(|name| cases::family(name)).collect();
    for case in &cases {
        if let Some(guard) = &case.pending {
            println!("pending for {guard}: {}", case.name());
        }
    }
    let pending = cases.iter().filter(|case| case.pending.is_some()).count();
    let statements: usize = cases.iter().map(|case| case.steps.len()).sum();
    println!(
        "{} cases, {statements} statements, {pending} cases pending",
        cases.len()
    );
    assert!(statements >= 2_350, "{statements} statements");
}
