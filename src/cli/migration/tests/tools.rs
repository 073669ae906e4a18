//! `migration run` in a process of its own, and what happens to it while the tool runs.

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::{Shop, command};
use crate::error::SqlState;
use crate::migration::registry::{State, Statement};

/// Not a test by itself: the process that [`Shop::start_process`] starts.
#[test]
fn as_a_process() {
    let Ok(arguments) = std::env::var("PORTCULLIS_TEST_ARGUMENTS") else {
        return;
    };
    let code = command(&arguments.split('\n').collect::<Vec<_>>());
    let number = (0..=255).find(|number| ExitCode::from(*number) == code);
    std::process::exit(number.map_or(255, i32::from));
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kill(signal: &str, target: &str) {
    assert!(
        Command::new("kill")
            .args(["-s", signal, "--", target])
            .status()
            .expect("kill runs")
            .success()
    );
}

#[test]
fn a_terminate_reaches_the_tool_and_everything_is_tidied() {
    let shop = Shop::start();
    let ready = shop.path("ready");
    let script = format!(
        "trap 'exit 9' TERM; touch {}; while :; do sleep 0.05; done",
        ready.display()
    );
    let mut process = shop.start_process(&script);
    wait_until("the tool runs", || ready.exists());
    assert_eq!(
        (shop.passfiles(), shop.console.sessions.open_count()),
        (1, 1)
    );
    kill("TERM", &process.id().to_string());
    assert_eq!(
        process.wait().expect("ended").code(),
        Some(9),
        "{}",
        shop.read("stderr")
    );
    assert_eq!(
        (shop.passfiles(), shop.sessions()[0].state),
        (0, State::Closed)
    );
    let stderr = shop.read("stderr");
    assert!(
        stderr.contains("portcullis: migration session mig_")
            && stderr.contains(" on shop, lease held, ends "),
        "{stderr}"
    );
    assert!(
        stderr.contains("portcullis: closed, 0 statements, 0 ms"),
        "{stderr}"
    );
    assert!(!stderr.contains("pcm_"), "the token is never printed");
}

#[test]
fn an_interrupt_sent_to_us_alone_reaches_the_tool_once() {
    let shop = Shop::start();
    let (ready, hits) = (shop.path("ready"), shop.path("hits"));
    let script = format!(
        "trap 'echo hit >> {}' INT; : > {}; i=0; while [ $i -lt 4 ]; do sleep 0.3 & wait $!; i=$((i+1)); done; exit 4",
        hits.display(),
        ready.display()
    );
    let mut process = shop.start_process(&script);
    wait_until("the tool runs", || ready.exists());
    kill("INT", &process.id().to_string());
    assert_eq!(
        process.wait().expect("ended").code(),
        Some(4),
        "{}",
        shop.read("stderr")
    );
    assert_eq!(shop.read("hits"), "hit\n");
    assert_eq!(shop.sessions()[0].state, State::Closed);
}

#[test]
fn a_key_on_the_terminal_reaches_the_tool_once() {
    let shop = Shop::start();
    let (ready, hits) = (shop.path("ready"), shop.path("hits"));
    // No program makes the file: the key would end it, and the shell with it.
    let script = format!(
        "trap 'echo hit >> {}' INT; : > {}; i=0; while [ $i -lt 4 ]; do sleep 0.3 & wait $!; i=$((i+1)); done; exit 6",
        hits.display(),
        ready.display()
    );
    let test = format!(
        "exec '{}' --exact cli::migration::tests::tools::as_a_process --nocapture",
        std::env::current_exe().expect("this test").display()
    );
    // exec: the key is for the shell that script(1) starts, too, and not every shell lives through it.
    // script(1) gives it a terminal of its own; what is written to its stdin are keys.
    let mut process = Command::new("script")
        .args(["-qec", &test])
        .arg(shop.path("screen"))
        .env(
            "PORTCULLIS_TEST_ARGUMENTS",
            shop.arguments(&script).join("\n"),
        )
        .env("XDG_RUNTIME_DIR", shop.console.directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    wait_until("the tool runs", || ready.exists());
    process
        .stdin
        .as_mut()
        .expect("piped")
        .write_all(b"\x03")
        .expect("the key is pressed");
    wait_until("the key is felt", || shop.path("hits").exists());
    let code = process.wait().expect("ended").code();
    let screen = shop.read("screen");
    assert_eq!(
        (code, shop.read("hits").as_str()),
        (Some(6), "hit\n"),
        "{screen}"
    );
    assert_eq!(
        (shop.passfiles(), shop.sessions()[0].state),
        (0, State::Closed),
        "{screen}"
    );
}

#[test]
fn statements_are_listed_with_their_time() {
    let shop = Shop::start();
    let go = shop.path("go");
    let script = format!("while [ ! -e {} ]; do sleep 0.02; done", go.display());
    let mut process = shop.start_process(&script);
    wait_until("the session is open", || {
        shop.console.sessions.open_count() == 1
    });
    let session = shop
        .console
        .sessions
        .lookup(shop.sessions()[0].id)
        .expect("open");
    let statement = |tag, text: Option<&str>, ms, outcome: &[u8; 5]| Statement {
        tag,
        text: text.map(Into::into),
        fingerprint: None,
        started_at: 0,
        duration: Duration::from_millis(ms),
        outcome: SqlState(*outcome),
    };
    for statement in [
        statement(
            "CREATE TABLE",
            Some("create table \"order_notes\"\n  (id int default $1)"),
            18,
            b"00000",
        ),
        statement("ALTER TABLE", None, 31, b"42701"),
    ] {
        shop.console
            .sessions
            .record(&session, statement)
            .expect("queued");
    }
    std::fs::write(&go, "").expect("written");
    assert_eq!(process.wait().expect("ended").code(), Some(0));
    let stderr = shop.read("stderr");
    let expected = concat!(
        "  1  create table \"order_notes\" (id int default $1)      18 ms\n",
        "  2  ALTER TABLE                                         31 ms   ERROR 42701\n",
        "portcullis: closed, 2 statements, 49 ms\n"
    );
    assert!(stderr.ends_with(expected), "{stderr}");
}

#[test]
fn a_session_that_somebody_closed_does_not_end_the_tool() {
    let shop = Shop::start();
    let go = shop.path("go");
    let script = format!(
        "while [ ! -e {} ]; do sleep 0.02; done; exit 3",
        go.display()
    );
    let mut process = shop.start_process(&script);
    wait_until("the session is open", || {
        shop.console.sessions.open_count() == 1
    });
    let id = shop.sessions()[0].id.to_string();
    assert_eq!(
        command(&[
            "close",
            &id,
            "--note",
            "wrong window",
            "--console",
            &shop.socket()
        ]),
        ExitCode::SUCCESS
    );
    assert_eq!(
        command(&["close", &id, "--console", &shop.socket()]),
        ExitCode::from(1)
    );
    assert!(process.try_wait().expect("asked").is_none(), "it runs on");
    std::fs::write(&go, "").expect("written");
    assert_eq!(process.wait().expect("ended").code(), Some(3));
    assert!(
        shop.read("stderr")
            .contains("portcullis: had ended before the tool did, 0 statements"),
        "{}",
        shop.read("stderr")
    );
    assert_eq!(shop.sessions()[0].note.as_deref(), Some("wrong window"));
}

#[test]
fn a_lost_console_does_not_end_the_tool() {
    let shop = Shop::start();
    let (ready, go) = (shop.path("ready"), shop.path("go"));
    let script = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.02; done; exit 5",
        ready.display(),
        go.display()
    );
    let mut process = shop.start_process(&script);
    wait_until("the tool runs", || ready.exists());
    std::fs::remove_file(&shop.console.socket).expect("the console is gone");
    assert!(process.try_wait().expect("asked").is_none());
    std::fs::write(&go, "").expect("written");
    assert_eq!(process.wait().expect("ended").code(), Some(5));
    let stderr = shop.read("stderr");
    assert!(
        stderr.contains("could not be closed: no Portcullis answers on")
            && stderr.contains("; it ends by itself at "),
        "{stderr}"
    );
    assert_eq!(shop.passfiles(), 0);
}
