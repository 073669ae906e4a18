use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;

use super::*;
use crate::console::testing::TestConsole;
use crate::error::SqlState;
use crate::migration::registry::{SessionRow, State, Statement};
use crate::migration::token::Token;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    migration: MigrationArgs,
}

fn command(arguments: &[&str]) -> ExitCode {
    let cli = Cli::try_parse_from([&["migration"], arguments].concat())
        .unwrap_or_else(|error| panic!("{error}"));
    run(&cli.migration)
}

struct Shop {
    console: TestConsole,
}

impl Shop {
    fn start() -> Self {
        Self {
            console: TestConsole::start(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.console.directory.path().join(name)
    }

    fn socket(&self) -> String {
        self.console.socket.display().to_string()
    }

    /// The arguments of `migration run`, up to the tool's script.
    fn arguments(&self, script: &str) -> Vec<String> {
        let socket = self.socket();
        [
            "run",
            "--database",
            "shop",
            "--reason",
            "it's a test",
            "--console",
            &socket,
            "--",
            "sh",
            "-c",
            script,
        ]
        .map(Into::into)
        .to_vec()
    }

    fn run(&self, script: &str) -> ExitCode {
        let arguments = self.arguments(script);
        command(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn sessions(&self) -> Vec<SessionRow> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime
            .block_on(self.console.sessions.list(10))
            .expect("listed")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts `migration run` in a process of its own: signals are for a process.
    fn start_process(&self, script: &str) -> Child {
        Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "cli::migration::tests::as_a_process",
                "--nocapture",
            ])
            .env(
                "PORTCULLIS_TEST_ARGUMENTS",
                self.arguments(script).join("\n"),
            )
            .env("XDG_RUNTIME_DIR", self.console.directory.path())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.path("stderr")).expect("created"))
            .process_group(0)
            .spawn()
            .expect("started")
    }

    fn passfiles(&self) -> usize {
        let entries = std::fs::read_dir(self.console.directory.path()).expect("a directory");
        entries
            .filter(|entry| {
                entry
                    .as_ref()
                    .is_ok_and(|entry| entry.path().extension().is_some_and(|it| it == "pgpass"))
            })
            .count()
    }
}

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
fn the_tool_gets_its_environment_and_gives_its_status() {
    let shop = Shop::start();
    let directory = shop.console.directory.path().display().to_string();
    let script = format!(
        "cd {directory}; env | grep -E '^(PG|DATABASE_URL)' | sort > env; cp $PGPASSFILE pgpass; stat -c %a $PGPASSFILE > mode; echo $PGPASSFILE > where; exit 7"
    );
    assert_eq!(shop.run(&script), ExitCode::from(7));

    let session = shop.sessions().remove(0);
    assert_eq!(
        (
            session.state,
            session.reason.as_str(),
            session.note.as_deref()
        ),
        (State::Closed, "it's a test", Some("the tool ended"))
    );
    let env = shop.read("env");
    let ca = shop.path("ca.crt");
    for line in [
        "PGHOST=db.example.com".to_owned(),
        "PGPORT=6432".into(),
        "PGDATABASE=shop".into(),
        format!("PGUSER=migrator.{}", session.id),
        "PGSSLMODE=verify-full".into(),
        format!("PGSSLROOTCERT={}", ca.display()),
    ] {
        assert!(env.lines().any(|found| found == line), "{line}\n{env}");
    }
    assert!(!env.contains("PGPASSWORD"));
    let pgpass = shop.read("pgpass");
    let token = pgpass.trim_end().rsplit(':').next().expect("a token");
    assert!(token.parse::<Token>().is_ok());
    assert_eq!(
        pgpass,
        format!("db.example.com:6432:shop:migrator.{}:{token}\n", session.id)
    );
    assert!(env.contains(&format!("DATABASE_URL=postgresql://migrator.{}:{token}@db.example.com:6432/shop?sslmode=verify-full", session.id)));
    assert_eq!(shop.read("mode"), "600\n");
    assert!(
        !Path::new(shop.read("where").trim_end()).exists(),
        "the password file is gone"
    );
}

#[test]
fn no_url_means_no_token_in_the_environment() {
    let shop = Shop::start();
    let script = format!("env > {}", shop.path("env").display());
    let mut arguments = shop.arguments(&script);
    arguments.insert(1, "--no-url".into());
    assert_eq!(
        command(&arguments.iter().map(String::as_str).collect::<Vec<_>>()),
        ExitCode::SUCCESS
    );
    let env = shop.read("env");
    assert!(
        env.contains("PGPASSFILE=") && !env.contains("pcm_") && !env.contains("DATABASE_URL"),
        "{env}"
    );
}

#[test]
fn a_tool_that_cannot_be_run_leaves_nothing_open() {
    let shop = Shop::start();
    let socket = shop.socket();
    let run = |tool: &str| {
        command(&[
            "run",
            "--database",
            "shop",
            "--reason",
            "x",
            "--console",
            &socket,
            "--",
            tool,
        ])
    };
    assert_eq!(run("no-such-tool-anywhere"), ExitCode::from(127));
    assert_eq!(run("/etc/passwd"), ExitCode::from(126));
    assert!(
        shop.sessions()
            .iter()
            .all(|session| session.state == State::Closed)
    );
    assert_eq!(shop.sessions().len(), 2);
}

#[test]
fn refusals_and_missing_consoles_have_their_own_status_and_run_nothing() {
    let shop = Shop::start();
    let (socket, touched) = (shop.socket(), shop.path("touched").display().to_string());
    assert_eq!(
        command(&[
            "run",
            "--database",
            "billing",
            "--reason",
            "x",
            "--console",
            &socket,
            "--",
            "touch",
            &touched
        ]),
        ExitCode::from(1)
    );
    assert_eq!(
        command(&[
            "run",
            "--database",
            "shop",
            "--reason",
            "x",
            "--console",
            "/nonexistent",
            "--",
            "touch",
            &touched
        ]),
        ExitCode::from(2)
    );
    assert!(!shop.path("touched").exists());
    assert!(
        Cli::try_parse_from(["migration", "run", "--database", "shop", "--reason", "x"]).is_err(),
        "a tool is needed"
    );
}

#[test]
fn a_tool_that_is_killed_is_told_as_a_shell_tells_it() {
    let shop = Shop::start();
    assert_eq!(shop.run("kill -9 $$"), ExitCode::from(137));
    assert_eq!(shop.sessions()[0].state, State::Closed);
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
        "trap 'echo hit >> {}' INT; touch {}; i=0; while [ $i -lt 4 ]; do sleep 0.3 & wait $!; i=$((i+1)); done; exit 4",
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
    let script = format!(
        "trap 'echo hit >> {}' INT; touch {}; i=0; while [ $i -lt 4 ]; do sleep 0.3 & wait $!; i=$((i+1)); done; exit 6",
        hits.display(),
        ready.display()
    );
    let test = format!(
        "'{}' --exact cli::migration::tests::as_a_process --nocapture",
        std::env::current_exe().expect("this test").display()
    );
    // script(1) gives it a terminal of its own; what is written to its stdin are keys.
    let mut process = Command::new("script")
        .args(["-qec", &test, "/dev/null"])
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
    assert_eq!(process.wait().expect("ended").code(), Some(6));
    assert_eq!(shop.read("hits"), "hit\n");
    assert_eq!(
        (shop.passfiles(), shop.sessions()[0].state),
        (0, State::Closed)
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

#[test]
fn open_list_show_and_close() {
    let shop = Shop::start();
    let socket = shop.socket();
    for format in ["text", "env", "url", "json", "pgpass"] {
        assert_eq!(
            command(&[
                "open",
                "--database",
                "shop",
                "--role",
                "migrator",
                "--reason",
                "x",
                "--ttl",
                "30min",
                "--format",
                format,
                "--console",
                &socket
            ]),
            ExitCode::SUCCESS
        );
        let id = shop.sessions()[0].id.to_string();
        assert_eq!(
            command(&["list", "--console", &socket, "--json"]),
            ExitCode::SUCCESS
        );
        assert_eq!(
            command(&["show", &id, "--console", &socket]),
            ExitCode::SUCCESS
        );
        assert_eq!(
            command(&["close", &id, "--console", &socket]),
            ExitCode::SUCCESS
        );
    }
    assert_eq!(
        command(&["show", "mig_00000000", "--console", &socket]),
        ExitCode::from(1)
    );
    assert_eq!(
        command(&["show", "x'; SHUTDOWN; --", "--console", &socket]),
        ExitCode::from(1)
    );
    assert_eq!(
        shop.console
            .proxy
            .shutdowns
            .load(std::sync::atomic::Ordering::Relaxed),
        0
    );
}
