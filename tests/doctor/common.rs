//! What the tests of the doctor share.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::support::{self, Login, Pooler, Stack, StackOptions, Version};

/// What the doctor said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}):\n{}{}", self.stdout, self.stderr))
    }
}

pub fn run(arguments: &[&str], environment: Vec<(&'static str, String)>) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("doctor").args(arguments).envs(environment);
    let output = command.output().expect("run portcullis");
    Said {
        code: output.status.code().expect("an exit status"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

pub fn doctor(login: &Login, arguments: &[&str]) -> Said {
    run(arguments, login.environment())
}

pub fn examined(login: &Login, arguments: &[&str]) -> Value {
    let said = doctor(login, &[arguments, &["--json"]].concat());
    assert!(said.code < 2, "{said:?}");
    said.json()
}

/// The findings whose id begins so.
pub fn found<'f>(report: &'f Value, id: &str) -> Vec<&'f Value> {
    let findings = report["findings"].as_array().expect("findings");
    let is_it = |finding: &&Value| finding["id"].as_str().expect("an id").starts_with(id);
    findings.iter().filter(is_it).collect()
}

pub fn ids(report: &Value, word: &str) -> BTreeSet<String> {
    let findings = report["findings"].as_array().expect("findings").iter();
    findings
        .filter(|finding| finding["word"] == word)
        .map(|finding| finding["id"].as_str().expect("an id").to_owned())
        .collect()
}

pub fn objects(report: &Value, id: &str) -> Vec<String> {
    let all = found(report, id)
        .into_iter()
        .filter(|finding| finding["id"] == id);
    let objects = all.flat_map(|finding| finding["objects"].as_array().expect("objects"));
    objects
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

pub fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// A login straight at PostgreSQL, which has no TLS here.
pub fn direct(stack: &Stack, user: &str) -> Login {
    Login {
        sslmode: "disable",
        ..stack.login_at(stack.cluster.port, user, "shop")
    }
}

pub fn superuser(stack: &Stack) -> Login {
    Login {
        user: "postgres".into(),
        password: support::cluster::SUPERUSER_PASSWORD.into(),
        ..direct(stack, "shop_acme")
    }
}

/// Other rules for PostgreSQL's clients, once they are in force.
pub fn admit(stack: &Stack, rules: &str, in_force: impl FnMut() -> bool) {
    let file = stack.cluster.socket.join("data/pg_hba.conf");
    std::fs::write(file, rules).expect("write pg_hba.conf");
    stack.direct("postgres", "SELECT pg_reload_conf()");
    support::process::wait_until("pg_hba.conf is in force", in_force);
}

/// The pool's next client is always on the same server connection.
pub fn one_connection(pooler: Pooler) -> StackOptions {
    StackOptions {
        version: if pooler == Pooler::V1_18 {
            Version::Pg15
        } else {
            Version::Pg17
        },
        pooler,
        pool_size: 1,
        ..StackOptions::default()
    }
}

pub const LEAKS: [&str; 8] = [
    "leak-advisory-lock",
    "leak-listen",
    "leak-named-statement",
    "leak-role",
    "leak-search-path",
    "leak-setting",
    "leak-sql-prepare",
    "leak-temp-table",
];
