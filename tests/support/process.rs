//! Child processes that end with the test run, whatever ends it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, getuid, kill_process, setrlimit};

use super::wire::PATIENCE;

/// The account that servers run under: PostgreSQL and PgBouncer refuse root.
pub struct Account {
    pub name: &'static str,
    pub uid: u32,
    pub gid: u32,
}

/// Lets this process open as many files as the machine allows: by default it is 1,024. To be called when the
/// servers of a test have started, which would have the same otherwise.
pub fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("raise the limit of open files");
}

/// `postgres` (or `nobody`) when the tests run as root, nothing (ourselves) otherwise.
pub fn server_account() -> Option<&'static Account> {
    static ACCOUNT: OnceLock<Option<Account>> = OnceLock::new();
    ACCOUNT
        .get_or_init(|| {
            if !getuid().is_root() {
                return None;
            }
            ["postgres", "nobody"]
                .into_iter()
                .find_map(lookup)
                .or_else(|| {
                    panic!("root needs an account 'postgres' or 'nobody' to run PostgreSQL under")
                })
        })
        .as_ref()
}

fn lookup(name: &'static str) -> Option<Account> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some(Account {
        name,
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
    })
}

/// Whom a process runs as.
#[derive(Clone, Copy)]
pub enum RunAs {
    /// The account that runs the tests.
    Tester,
    /// The account of the database servers.
    Server,
}

/// `program`, wrapped so that it gets `death` when the process that started it is gone.
pub fn command(run_as: RunAs, death: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let (RunAs::Server, Some(account)) = (run_as, server_account()) {
        command
            .arg(format!("--reuid={}", account.uid))
            .arg(format!("--regid={}", account.gid))
            .arg("--clear-groups");
    }
    command
        .args(["--pdeathsig", death, "--"])
        .arg(program)
        .stdin(Stdio::null())
        .current_dir("/");
    command
}

type Job = Box<dyn FnOnce() + Send>;

/// The kernel sends the death signal when the *thread* that forked is gone, and the test harness
/// ends a thread per test: so every child is forked by one thread that lives as long as the run.
fn forker() -> &'static Sender<Job> {
    static FORKER: OnceLock<Sender<Job>> = OnceLock::new();
    FORKER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        sender
    })
}

/// Starts `command` from the forking thread.
pub fn spawn(mut command: Command) -> io::Result<Child> {
    let (sender, answer) = channel();
    let job: Job = Box::new(move || drop(sender.send(command.spawn())));
    forker()
        .send(job)
        .map_err(|_| io::Error::other("the forking thread is gone"))?;
    answer.recv().map_err(io::Error::other)?
}

/// Runs `command` to its end; panics with its output if it fails.
pub fn must_run(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let line = format!("{command:?}");
    let output = spawn(command)
        .and_then(Child::wait_with_output)
        .unwrap_or_else(|error| panic!("could not run {line}: {error}"));
    assert!(
        output.status.success(),
        "{line}\nended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Waits until `holds`; panics when it does not in [`PATIENCE`].
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server process and its log.
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// What ends it at once.
    stop: Signal,
}

impl Server {
    /// Starts `command` with stdout and stderr in `log`.
    pub fn start(name: &'static str, mut command: Command, log: &Path, stop: Signal) -> Self {
        let open = || {
            File::options()
                .create(true)
                .append(true)
                .open(log)
                .expect("open the log")
        };
        command.stdout(open()).stderr(open());
        let child =
            spawn(command).unwrap_or_else(|error| panic!("could not start {name}: {error}"));
        Self {
            name,
            child,
            log: log.to_owned(),
            stop,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of the log, for the report of a failed test.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        format!(
            "--- {} ({}), last lines of {}\n{tail}\n",
            self.name,
            self.child.id(),
            self.log.display()
        )
    }

    pub fn signal(&self, signal: Signal) {
        // An error means it has ended already, which is what most callers want.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    pub fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until `ready` holds; panics with the log if the process ends or the time is over.
    pub fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            if let Some(status) = self.has_ended() {
                panic!(
                    "{} ended with {status} before it was {what}\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            assert!(
                Instant::now() < deadline,
                "{} was not {what} in {PATIENCE:?}\n{}",
                self.name,
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the process to end; `None` when it is still there after `limit`.
    pub fn wait_for_end(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.has_ended() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it at once.
    pub fn end(&mut self) {
        self.signal(self.stop);
        if self.wait_for_end(Duration::from_secs(6)).is_none() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
