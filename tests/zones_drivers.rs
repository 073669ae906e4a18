//! Real drivers that say themselves for which tenant they work, as services do, unmodified.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use std::process::Command;

use support::parts::source;
use support::{Psql, parts, psql};
use zones::common::{nothing_is_left, stacks};

fn run(client: impl Fn() -> Command) {
    for stack in stacks() {
        let mut command = client();
        command.envs(stack.login("picky", "shop").environment());
        let answer: Psql = psql::with_input(command, "").into();
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert_eq!(
            answer.stdout, "ok options\nok session\nok request\n",
            "{said}"
        );
        assert_eq!(answer.status, 0, "{said}");
        nothing_is_left(&stack);
    }
}

#[test]
fn node_postgres_says_it() {
    run(|| {
        let modules = parts::parts().join("drivers/node/node_modules");
        parts::present(&modules.join("pg"), "drivers");
        let mut command = Command::new("node");
        command.arg(source("zones_node_postgres.js"));
        command.env("NODE_PATH", modules);
        command
    });
}

#[test]
fn psycopg_says_it() {
    run(|| {
        let interpreter = parts::parts().join("drivers/python/bin/python");
        parts::present(&interpreter, "drivers");
        let mut command = Command::new(interpreter);
        command.arg("-B").arg(source("zones_psycopg.py"));
        command
    });
}
