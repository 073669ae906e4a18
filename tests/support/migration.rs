//! `portcullis migration`, against a stack's console.

use std::path::Path;
use std::process::Command;

use super::proxy::program;
use super::psql::with_input;
use super::{Login, Psql, Stack};

/// `portcullis ... --config ...` against the stack's console.
pub fn portcullis(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .arg("--config")
        .arg(stack.file("portcullis.toml"));
    command
}

/// `portcullis check FILE`
pub fn check(file: &Path) -> Psql {
    let mut command = Command::new(program());
    command.arg("check").arg(file);
    finished(command)
}

/// Runs a command to its end.
pub fn finished(command: Command) -> Psql {
    with_input(command, "").into()
}

/// `portcullis migration run --database ... -- tool`
pub fn run(stack: &Stack, database: &str, tool: &[&str], directory: &Path) -> Command {
    let asked = [
        "migration",
        "run",
        "--reason",
        "test",
        "--database",
        database,
    ];
    let mut command = portcullis(stack, &asked);
    command.arg("--").args(tool).current_dir(directory);
    command
}

/// `portcullis migration open`: the login that it gives, for an hour.
pub fn open(stack: &Stack, database: &str) -> Login {
    open_for(stack, database, "1h")
}

/// The same, for `ttl`.
pub fn open_for(stack: &Stack, database: &str, ttl: &str) -> Login {
    open_with(stack, database, &["--ttl", ttl])
}

/// The same, with these options.
pub fn open_with(stack: &Stack, database: &str, options: &[&str]) -> Login {
    let asked = [
        "migration",
        "open",
        "--database",
        database,
        "--reason",
        "test",
        "--json",
    ];
    let mut command = portcullis(stack, &asked);
    command.args(options);
    let opened = finished(command).ok();
    let opened: serde_json::Value = serde_json::from_str(&opened).expect("JSON");
    let text = |name: &str| opened[name].as_str().expect(name).to_owned();
    Login {
        user: text("login"),
        password: text("token"),
        ..stack.login("migrator", database)
    }
}

/// The session of a login that [`open`] gave.
pub fn id(login: &Login) -> &str {
    login.user.rsplit('.').next().expect("an id")
}

/// `portcullis migration close`
pub fn close(stack: &Stack, login: &Login) {
    finished(portcullis(stack, &["migration", "close", id(login)])).ok();
}

/// What `migration show` says of a statement.
#[derive(Debug)]
pub struct Statement {
    pub text: String,
    pub ms: u64,
    pub sqlstate: String,
}

/// `portcullis migration show`
pub fn show(stack: &Stack, id: &str) -> Vec<Statement> {
    let shown = finished(portcullis(stack, &["migration", "show", id, "--json"])).ok();
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let statement = |row: &serde_json::Value| Statement {
        text: row["statement"].as_str().expect("a text").to_owned(),
        ms: row["ms"].as_u64().expect("a number"),
        sqlstate: row["sqlstate"].as_str().expect("a text").to_owned(),
    };
    shown
        .as_array()
        .expect("rows")
        .iter()
        .map(statement)
        .collect()
}

/// The session that a [`run`] told of.
pub fn session_of(run: &Psql) -> &str {
    let rest = run.stderr.split("migration session ").nth(1);
    rest.and_then(|rest| rest.split(' ').next()).expect("an id")
}
