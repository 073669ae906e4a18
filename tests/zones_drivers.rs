//! Real drivers that say themselves for which tenant they work, as services do, unmodified.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
    pub mod drivers;
}

use std::process::Command;

use zones::common::{nothing_is_left, stacks};
use zones::drivers::{all_ways_work, node_postgres, psycopg};

fn run(client: impl Fn() -> Command) {
    for stack in stacks() {
        all_ways_work(client(), &stack.login("picky", "shop"));
        nothing_is_left(&stack);
    }
}

#[test]
fn node_postgres_says_it() {
    run(node_postgres);
}

#[test]
fn psycopg_says_it() {
    run(psycopg);
}
