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
use support::{Pooler, Stack, Version};

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
    newer on NEW, sessions on OLD
}

/// PostgreSQL 15 behind PgBouncer 1.18.
const OLD: (Version, Pooler) = (Version::Pg15, Pooler::V1_18);
/// PostgreSQL 18 behind PgBouncer 1.24.
const NEW: (Version, Pooler) = (Version::Pg18, Pooler::V1_24);

#[test]
fn everyday_on_postgresql_18() {
    compare::family("everyday", NEW);
}

#[test]
fn sessions_on_postgresql_18() {
    compare::family("sessions", NEW);
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
    let mut stack = compare::shipped((Version::Pg17, Pooler::V1_24));
    by_all(&stack, &[]);
    compare::under(&mut stack, compare::STAGING);
    compare::each(&stack, compare::SERVICE, SHIPPED);
    compare::each(&stack, compare::PERSON, READ);
}

#[test]
fn shipped_policies_on_postgresql_18() {
    let mut stack = compare::shipped(NEW);
    by_all(&stack, &["newest"]);
    compare::under(&mut stack, compare::DEVELOPMENT);
    compare::each(&stack, compare::SERVICE, SHIPPED);
    // No login sets its zone itself there, and people write.
    compare::each(&stack, compare::PERSON, SHIPPED);
}

#[test]
fn every_file_is_run_and_the_pending_are_told() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ordinary");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .expect("the directory of the cases")
        .filter_map(|entry| {
            let name = entry.expect("a file").file_name().into_string().ok()?;
            name.strip_suffix(".sql").map(str::to_owned)
        })
        .filter(|name| name != "fixture")
        .collect();
    files.sort();
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
