//! Tools that end before their statement does.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::fixture::stack;
use super::left;
use crate::support::migration::{close, finished, open, run, session_of, show};
use crate::support::process::{spawn, wait_until};
use crate::support::{PoolMode, Psql, Stack, Wire, message};

/// The command, started by a program with these arguments.
fn through(program: &str, arguments: &[&str], command: &Command) -> Command {
    let mut through = Command::new(program);
    through
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().expect("a directory"));
    through
}

/// `migration run` of a tool that runs `psql -f FILE`, which creates a table and then sleeps in the
/// same transaction.
fn sleeper(stack: &Stack, tool: &[&str]) -> Child {
    let script = "BEGIN; CREATE TABLE half (id int); SELECT pg_sleep(60); COMMIT;";
    std::fs::write(stack.file("sleep.sql"), script).expect("written");
    let command = run(stack, "app", tool, stack.directory());
    // Who runs the tests in the background has them ignore SIGINT.
    let mut command = through("env", &["--default-signal=INT,TERM"], &command);
    // Of a group of its own: a terminal's keys would have reached the tool already.
    command
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = spawn(command).expect("started");
    wait_until("it sleeps", || sleeping(stack) == "1");
    child
}

fn sleeping(stack: &Stack) -> String {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    stack.direct("postgres", sql).trim().to_owned()
}

fn told(child: Child, signal: Signal) -> Psql {
    kill_process(Pid::from_child(&child), signal).expect("told");
    let told = Instant::now();
    let output = child.wait_with_output().expect("it ended");
    assert!(told.elapsed() < Duration::from_secs(30), "it slept on");
    output.into()
}

/// A tool that is interrupted cancels its statement, as it would without Portcullis.
#[test]
fn an_interrupt_reaches_the_statement() {
    let stack = stack();
    let psql = [
        "psql",
        "-Xq",
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "VERBOSITY=verbose",
        "-f",
        "sleep.sql",
    ];
    let ended = told(sleeper(&stack, &psql), Signal::INT);
    assert!(
        ended.stderr.contains("ERROR:  57014: canceling statement"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("   ERROR 57014\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert_eq!(left::objects(&stack, "app"), 0);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
}

/// `migration run` of a shell script, with these signals ignored.
fn while_ignored(stack: &Stack, signals: &str, script: &str) -> Psql {
    let command = run(stack, "app", &["sh", "-c", script], stack.directory());
    let ignore = format!("trap '' {signals}; exec \"$@\"");
    let mut command = through("sh", &["-c", &ignore, "sh"], &command);
    command = through("env", &["--default-signal=HUP,INT,QUIT,TERM"], &command);
    command.process_group(0);
    finished(command)
}

/// `nohup` and a script's background: what we were started to ignore ends neither us nor the tool.
#[test]
fn an_ignored_signal_stays_ignored() {
    let stack = stack();
    let script = "for signal in HUP INT QUIT TERM; do\n\
                      kill -s $signal $$ && kill -s $signal $PPID || exit 1\n\
                  done\n\
                  psql -Xqc 'CREATE TABLE kept (id int)'";
    let ended = while_ignored(&stack, "HUP INT QUIT TERM", script);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(left::tables(&stack, "app"), "kept");
    assert!(ended.stderr.contains("portcullis: closed, 1 statement"));
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
}

/// The others are caught and passed on all the same.
#[test]
fn what_is_not_ignored_reaches_the_tool() {
    let stack = stack();
    for (ignored, sent) in [
        ("HUP", "TERM"),
        ("INT QUIT TERM", "HUP"),
        ("HUP TERM", "INT"),
    ] {
        // A shell acts upon a trap between its commands.
        let script = format!(
            "trap 'exit 7' {sent}\n\
             kill -s {sent} $PPID\n\
             for i in $(seq 600); do sleep 0.1; done\n\
             exit 1"
        );
        let ended = while_ignored(&stack, ignored, &script);
        assert_eq!(ended.status, 7, "{sent}: {}", ended.stderr);
        let closed = "portcullis: closed, 0 statements";
        assert!(ended.stderr.contains(closed), "{sent}: {}", ended.stderr);
    }
}

/// What a session records of a statement that it cut off: 08006, since nobody saw its end.
fn is_recorded_as_cut_off(stack: &Stack, ended: &Psql, beginning: &str) {
    let session = session_of(ended);
    wait_until("its end is recorded", || {
        let shown = show(stack, session);
        let last = shown.last().expect("a statement");
        last.text.starts_with(beginning) && last.sqlstate == "08006"
    });
}

/// A shell that is terminated leaves its psql behind: the end of the session cuts that off.
#[test]
fn what_a_terminated_tool_leaves_running_is_cut_off() {
    let stack = stack();
    let shell = ["bash", "-c", "psql -Xq -f sleep.sql; true"];
    let ended = told(sleeper(&stack, &shell), Signal::TERM);
    assert_eq!(ended.status, 128 + 15, "{}", ended.stderr);
    wait_until("the server has let go", || sleeping(&stack) == "0");
    assert_eq!(left::objects(&stack, "app"), 0);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
    is_recorded_as_cut_off(&stack, &ended, "SELECT pg_sleep(");
    stack
        .psql(&open(&stack, "app"), "CREATE TABLE next (id int)")
        .ok();
}

/// PostgreSQL goes on with a statement whose client has died, and commits it: not after the session.
#[test]
fn what_a_killed_tool_was_running_is_cut_off() {
    let stack = stack();
    let create = "CREATE TABLE late AS SELECT pg_sleep(60)::text";
    let ended = told(sleeper(&stack, &["psql", "-Xqc", create]), Signal::TERM);
    assert_eq!(ended.status, 128 + 15, "{}", ended.stderr);
    wait_until("the server has let go", || sleeping(&stack) == "0");
    assert_eq!(left::objects(&stack, "app"), 0);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
    is_recorded_as_cut_off(&stack, &ended, "CREATE TABLE late AS SELECT");
}

/// Nor does it help to say goodbye in the middle of a statement.
#[test]
fn what_a_leaving_client_was_running_is_cut_off() {
    let stack = stack();
    let login = open(&stack, "app");
    let mut client = Wire::login(&login);
    client.send(&message::query(
        "CREATE TABLE late AS SELECT pg_sleep(60)::text",
    ));
    wait_until("it sleeps", || sleeping(&stack) == "1");
    client.send(&message::terminate());
    wait_until("the server has let go", || sleeping(&stack) == "0");
    assert_eq!(left::objects(&stack, "app"), 0);
    close(&stack, &login);
    left::nothing(&stack, PoolMode::Session, "migrator", "app");
}
