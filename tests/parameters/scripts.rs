//! Scripts that are run on every version of the stack, by both protocols.
// Each test crate compiles this module and uses its own part of it.
#![allow(dead_code)]

use std::sync::Arc;

use super::pair::{Pair, Step, probe};
use crate::support::{OnEveryVersion, Stack, StackOptions, VERSIONS};

/// The pool has one connection: the next client gets it.
pub fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(|| StackOptions {
        pool_size: 1,
        ..StackOptions::default()
    })
}

/// The login without a zone, and one with.
pub const LOGINS: [(&str, &str); 2] = [("shop_plain", "app"), ("shop_acme", "shop")];

/// Runs each script everywhere; panics with all that differ.
#[track_caller]
pub fn same(scripts: &[&[Step]]) {
    same_with(&[], scripts);
}

/// The same, for clients with these startup parameters.
#[track_caller]
pub fn same_with(startup: &[(&str, &str)], scripts: &[&[Step]]) {
    let mut wrong = Vec::new();
    for (stack, version) in stacks().iter().zip(VERSIONS) {
        for login in LOGINS {
            for extended in [false, true] {
                for script in scripts {
                    let mut pair = Pair::open(stack, login, startup);
                    let problem = pair.run(script, extended);
                    drop(pair);
                    let left = probe(stack, login);
                    wrong.extend(problem.into_iter().chain(left).map(|problem| {
                        format!("{:?} {login:?} extended {extended}: {problem}", version)
                    }));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
