//! Unmodified drivers, in programs that say a zone in each of the ways that services have.

use std::process::Command;

use crate::support::parts::{self, source};
use crate::support::psql::{self, Login, Psql};

pub fn node_postgres() -> Command {
    let modules = parts::parts().join("drivers/node/node_modules");
    parts::present(&modules.join("pg"), "drivers");
    let mut command = Command::new("node");
    command.arg(source("zones_node_postgres.js"));
    command.env("NODE_PATH", modules);
    command
}

pub fn psycopg() -> Command {
    let interpreter = parts::parts().join("drivers/python/bin/python");
    parts::present(&interpreter, "drivers");
    let mut command = Command::new(interpreter);
    command.arg("-B").arg(source("zones_psycopg.py"));
    command
}

#[track_caller]
pub fn all_ways_work(mut client: Command, login: &Login) {
    client.envs(login.environment());
    let answer: Psql = psql::with_input(client, "").into();
    let said = format!("{}{}", answer.stdout, answer.stderr);
    assert_eq!(
        answer.stdout, "ok options\nok session\nok request\n",
        "{said}"
    );
    assert_eq!(answer.status, 0, "{said}");
}
