mod tools;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Parser;

use super::*;
use crate::console::testing::TestConsole;
use crate::migration::registry::{SessionRow, State};
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
                "cli::migration::tests::tools::as_a_process",
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
