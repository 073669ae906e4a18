//! What tools find out about a schema: programs that print it, run straight at PostgreSQL and through
//! Portcullis. Both print the same.

use std::process::Command;

use crate::support::{Login, Pooler, Stack, StackOptions, Version, fixture};
use crate::{NEW, OLD, java, python, run};

/// The schema of the ordinary statements.
const SCHEMA: &str = include_str!("../ordinary/fixture.sql");

fn both(versions: (Version, Pooler), program: fn() -> Command) {
    let stack = Stack::start(StackOptions {
        version: versions.0,
        pooler: versions.1,
        sql: format!("{}{SCHEMA}", fixture::SQL),
        ..StackOptions::default()
    });
    let straight = Login {
        sslmode: "disable",
        ..stack.login_at(stack.cluster.port, "shop_acme", "shop")
    };
    let expected = run(program(), &straight);
    let found = run(program(), &stack.login("shop_acme", "shop"));
    assert_eq!(expected.status, 0, "{}", expected.stderr);
    assert_eq!(found.status, 0, "{}", found.stderr);
    assert!(expected.stdout.lines().count() > 50, "{}", expected.stdout);
    for (expected, found) in expected.stdout.lines().zip(found.stdout.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.stdout, expected.stdout);
    let left = stack.direct("shop", "SELECT count(*) FROM jobs");
    assert_eq!(left, "3\n", "nothing was kept");
}

#[test]
fn sqlalchemy_reflects_the_same() {
    for versions in [OLD, NEW] {
        both(versions, || python("sqlalchemy_reflection.py"));
    }
}

#[test]
fn django_inspects_the_same() {
    for versions in [OLD, NEW] {
        both(versions, || python("django_inspectdb.py"));
    }
}

#[test]
fn pgjdbc_describes_the_same() {
    for versions in [OLD, NEW] {
        both(versions, || java("PgjdbcMetadata.java"));
    }
}
