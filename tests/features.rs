//! Every row of `portcullis help transaction-mode`, seen: on PgBouncer 1.18 and 1.24, by the simple and
//! the extended protocol, straight at PgBouncer and through Portcullis on both routes. The pool has one
//! connection. Behind each statement, where the client is between transactions, the next client of that
//! connection looks for what was left, and then the pool is told to RECONNECT: the transaction behind
//! it meets another server connection, as in any larger pool.

mod support;

#[path = "attacks/script.rs"]
mod script;

mod features {
    //! The rows, and what they cannot say.
    pub mod operator;
    pub mod outcome;
    pub mod sequences;
    pub mod session;
    pub mod stack;
}

use std::path::Path;

use features::outcome::{Protocol, through_pgbouncer, through_portcullis};
use features::stack::stacks;
use portcullis::cli::transaction_mode::{Feature, sections};
use support::wanted;

fn rows() -> Vec<Feature> {
    let rows: Vec<_> = sections().into_iter().flat_map(|it| it.feature).collect();
    assert!(!rows.is_empty(), "the table cannot be read");
    rows
}

/// All of them, or those that `PORTCULLIS_TEST_ONLY` names.
fn chosen() -> Vec<Feature> {
    let chosen = rows().into_iter().filter(|row| wanted::only(&row.name));
    let chosen: Vec<_> = chosen.collect();
    assert!(!chosen.is_empty(), "PORTCULLIS_TEST_ONLY names no row");
    chosen
}

/// The same, and what anybody may do as somebody who has a zone as well: the prefix takes nothing from him.
fn with_zones() -> Vec<Feature> {
    let plain = chosen().into_iter().filter(|row| row.login.is_none());
    let zoned = plain.map(|mut row| {
        match row.name.as_str() {
            // Its rows would outlive the zone, says the guard that comes first.
            "Cursors WITH HOLD" => row.portcullis = "refused by zone-required".to_owned(),
            // The zone is set in between on this route, too.
            "DISCARD ALL behind the end of a transaction, in one text" => {
                row.session = "lost".to_owned();
            }
            _ => {}
        }
        row.name.push_str(" (with a zone)");
        row.login = Some("zoned".to_owned());
        row
    });
    chosen().into_iter().chain(zoned).collect()
}

/// All rows that differ are told at once.
#[track_caller]
fn none_differs(differing: &[String]) {
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Simple, Protocol::Extended];

#[test]
fn what_pgbouncer_does() {
    let mut differing = Vec::new();
    for (at, stack) in stacks().iter().enumerate() {
        let _alone = stack.alone();
        for row in chosen() {
            for protocol in PROTOCOLS {
                let (found, why) = through_pgbouncer(stack, &row, protocol);
                let said = row.pgbouncer()[at];
                if found != said {
                    let name = &row.name;
                    differing.push(format!(
                        "{name}, {protocol:?}, PgBouncer {at}: {found}, not {said}: {why}"
                    ));
                }
            }
        }
    }
    none_differs(&differing);
}

#[test]
fn what_portcullis_does() {
    let mut differing = Vec::new();
    for (at, stack) in stacks().iter().enumerate() {
        let _alone = stack.alone();
        for row in with_zones() {
            for protocol in PROTOCOLS {
                for (route, said) in [("transaction", &row.portcullis), ("session", &row.session)] {
                    let (found, why) = through_portcullis(stack, &row, protocol, route);
                    if found != *said {
                        let name = &row.name;
                        differing.push(format!("{name}, {protocol:?}, {route} route, PgBouncer {at}: {found}, not {said}: {why}"));
                    }
                }
            }
        }
    }
    none_differs(&differing);
}

/// A test that a row names is there, and no test of these files is without a row.
#[test]
fn the_tests_that_rows_name_exist() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for row in rows() {
        for test in &row.tests {
            let (file, function) = test.split_once("::").expect("file::function");
            let mut sources = vec![tests.join(format!("{file}.rs"))];
            let parts = std::fs::read_dir(tests.join(file)).into_iter().flatten();
            sources.extend(parts.map(|part| part.expect("a file").path()));
            let is_there = sources.iter().any(|source| {
                let text = std::fs::read_to_string(source).unwrap_or_default();
                text.contains(&format!("#[test]\nfn {function}("))
            });
            assert!(is_there, "{}: there is no test {test}", row.name);
        }
    }
    let named: Vec<String> = rows().into_iter().flat_map(|row| row.tests).collect();
    for (file, source) in [
        ("features", "features/sequences.rs"),
        ("features", "features/session.rs"),
        ("interrupted", "interrupted.rs"),
    ] {
        let text = std::fs::read_to_string(tests.join(source)).expect("read a test");
        for behind in text.split("#[test]\nfn ").skip(1) {
            let (function, _) = behind.split_once('(').expect("a function");
            let test = format!("{file}::{function}");
            assert!(named.contains(&test), "no row names {test}");
        }
    }
}
