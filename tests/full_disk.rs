//! A disk that is full. What cannot be recorded is not begun, or ends; what is recorded is true; the log is
//! counted where it cannot be written; and who is served goes on being served.
//!
//! As root the registry lies on a small file system of its own, in a mount namespace of its own. Elsewhere
//! (or with `PORTCULLIS_TEST_DISK=limit`) the kernel lets no file of the proxy grow any more (RLIMIT_FSIZE).

mod support;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getuid, prlimit};
use support::files::write_secret;
use support::message::{self, column, fine, kinds};
use support::migration::{self, finished, id, portcullis};
use support::process::{RunAs, Server, command, wait_until};
use support::proxy::{self, program};
use support::{Login, Psql, Stack, StackOptions, Wire};

/// Where the registry lies, and how it is filled.
enum Disk {
    /// A process that keeps the mount namespace.
    Mounted(Server, PathBuf),
    Limited,
}

/// The shell ignores SIGXFSZ, and so does what it becomes.
const UNTOUCHED: &str = "trap '' XFSZ; exec \"$0\" \"$@\"";

impl Disk {
    /// The proxy anew, its registry on a disk that can be filled.
    fn under(stack: &mut Stack) -> Self {
        stack.proxy = None;
        let disk = match Self::mount(stack) {
            Some(disk) => disk,
            None => Self::Limited,
        };
        if let Self::Mounted(_, path) = &disk {
            let file = stack.file("portcullis.toml");
            let config = std::fs::read_to_string(&file).expect("a configuration");
            let registry = format!("{}/registry.db", path.display());
            let old = stack.file("registry.db").display().to_string();
            assert!(config.contains(&old));
            write_secret(&file, &config.replace(&old, &registry));
        }
        disk.start(stack);
        disk
    }

    fn mount(stack: &Stack) -> Option<Self> {
        let limit = std::env::var("PORTCULLIS_TEST_DISK").is_ok_and(|it| it == "limit");
        let tried = Command::new("unshare").args(["-m", "true"]).output();
        if limit || !getuid().is_root() || !tried.is_ok_and(|it| it.status.success()) {
            return None;
        }
        let path = stack.file("disk");
        std::fs::create_dir(&path).expect("a directory");
        let script = "mount -t tmpfs -o size=400k,mode=0700 none \"$0\" && echo mounted && exec sleep infinity";
        let mut holder = command(RunAs::Tester, "KILL", "unshare".as_ref());
        holder.args(["-m", "sh", "-c", script]).arg(&path);
        let mut holder = Server::start("the disk", holder, &stack.file("disk.log"), Signal::KILL);
        let mut ended = false;
        wait_until("it is mounted", || {
            ended = holder.has_ended().is_some();
            ended || holder.log().contains("mounted")
        });
        // Root without the right to mount.
        (!ended).then_some(Self::Mounted(holder, path))
    }

    /// How the proxy is started on it.
    fn serve(&self, stack: &Stack) -> Command {
        let mut serve = match self {
            Self::Mounted(holder, _) => {
                let mut serve = command(RunAs::Tester, "KILL", "nsenter".as_ref());
                serve.arg(format!("--mount=/proc/{}/ns/mnt", holder.pid()));
                serve.arg("--").arg(program());
                serve
            }
            Self::Limited => {
                let mut serve = command(RunAs::Tester, "KILL", "sh".as_ref());
                serve.args(["-c", UNTOUCHED]).arg(program());
                serve
            }
        };
        serve.args(["serve", "--config"]);
        serve.arg(stack.file("portcullis.toml"));
        serve
    }

    fn start(&self, stack: &mut Stack) {
        let log = stack.file("portcullis.log");
        let mut proxy = Server::start("Portcullis", self.serve(stack), &log, Signal::KILL);
        proxy::wait(&mut proxy, stack.http_port);
        stack.proxy = Some(proxy);
    }

    /// Not one byte more finds room.
    fn fill(&self, stack: &Stack) {
        match self {
            Self::Mounted(..) => {
                let mut file = File::create(self.ballast()).expect("a file");
                while file.write_all(&[1; 4096]).is_ok() {}
            }
            Self::Limited => limit(stack, Some(512)),
        }
    }

    fn free(&self, stack: &Stack) {
        match self {
            Self::Mounted(..) => std::fs::remove_file(self.ballast()).expect("removed"),
            Self::Limited => limit(stack, None),
        }
    }

    fn ballast(&self) -> PathBuf {
        let Self::Mounted(holder, path) = self else {
            panic!("nothing is mounted")
        };
        let seen = format!("/proc/{}/root{}/ballast", holder.pid(), path.display());
        seen.into()
    }

    /// What is said of such a disk.
    fn problem(&self) -> &'static str {
        match self {
            Self::Mounted(..) => "cannot be written: the disk is full",
            Self::Limited => "failed: disk I/O error",
        }
    }
}

/// How long any file of the proxy may become.
fn limit(stack: &Stack, bytes: Option<u64>) {
    let pid = stack.proxy.as_ref().expect("a proxy").pid();
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
    let limits = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limits).expect("limited");
}

fn list(stack: &Stack) -> String {
    finished(portcullis(stack, &["migration", "list"])).ok()
}

fn open(stack: &Stack) -> Psql {
    let asked = ["migration", "open", "--database", "app", "--reason", "test"];
    finished(portcullis(stack, &asked))
}

/// Applications do not notice.
#[track_caller]
fn serves(stack: &Stack) {
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    fine(&wire.query("INSERT INTO notes (body) VALUES ('served')"));
    assert_eq!(stack.http_get("/health/live").0, 200);
}

#[test]
fn no_session_is_opened_that_cannot_be_recorded() {
    let mut stack = Stack::start(StackOptions::default());
    let disk = Disk::under(&mut stack);
    disk.fill(&stack);
    for _ in 0..3 {
        let refused = open(&stack);
        assert_ne!(refused.status, 0, "{refused:?}");
        // The room for its end is not to be had.
        let problem = match disk {
            Disk::Mounted(..) => disk.problem(),
            Disk::Limited => "cannot be written: ",
        };
        assert!(refused.stderr.contains(problem), "{refused:?}");
        assert!(!(refused.stdout + &refused.stderr).contains("pcm_"));
        serves(&stack);
    }
    assert!(!list(&stack).contains("mig_"), "{}", list(&stack));
    // Nobody holds the lease.
    disk.free(&stack);
    let login = migration::open(&stack, "app");
    stack.psql(&login, "CREATE TABLE later (id int)").ok();
    assert_eq!(stack.tables("app"), "later notes");
}

/// Runs statements, each recorded behind the one before, until the session has ended; how many were answered.
fn until_ended(wire: &mut Wire) -> (usize, Vec<message::Message>) {
    for number in 0..1_000 {
        let sql = format!("SELECT {number} -- {}", "x".repeat(3_000));
        wire.send(&message::query(&sql));
        let answer = wire.receive_until(b'Z');
        if answer.last().is_none_or(|last| last.kind != b'Z') {
            return (number, answer);
        }
    }
    panic!("a thousand statements on a full disk");
}

#[track_caller]
fn told_unrecorded(answer: &[message::Message], problem: &str) {
    let told = answer.last().expect("the last words");
    assert_eq!(told.sqlstate(), "57P01", "{}", kinds(answer));
    let detail = told.field(b'D').expect("a detail");
    assert!(detail.contains("could not be recorded"), "{detail}");
    assert!(detail.contains(problem), "{detail}");
}

#[test]
fn a_session_whose_statements_cannot_be_recorded_ends_and_says_so() {
    let mut stack = Stack::start(StackOptions::default());
    let disk = Disk::under(&mut stack);
    let login = migration::open(&stack, "app");
    let (mut wire, mut idle) = (Wire::login(&login), Wire::login(&login));
    fine(&wire.query("CREATE TABLE kept (id int)"));
    fine(&idle.query("BEGIN"));
    fine(&idle.query("CREATE TABLE half (id int)"));
    wait_until("they are recorded", || {
        migration::show(&stack, id(&login)).len() == 3
    });
    disk.fill(&stack);
    serves(&stack);
    let (_, answer) = until_ended(&mut wire);
    told_unrecorded(&answer, disk.problem());
    told_unrecorded(&idle.receive_to_end(), disk.problem());
    wait_until("what was open is rolled back", || {
        stack.tables("app") == "kept notes"
    });
    let refused = stack.psql(&login, "SELECT 1");
    assert_ne!(refused.status, 0, "the token is worth nothing now");
    serves(&stack);
    disk.free(&stack);
    wait_until("its end is in the registry", || {
        list(&stack).contains("closed, record incomplete")
    });
    migration::open(&stack, "app");
}

/// The attack: the end of such a session could not be written either, and the next process took it up as an
/// open one whose record is whole.
#[test]
fn what_could_not_be_recorded_is_not_forgotten_by_a_restart() {
    let mut stack = Stack::start(StackOptions::default());
    let disk = Disk::under(&mut stack);
    if let Disk::Limited = disk {
        eprintln!("not tried: nothing can be mounted here, and there is no room to be given back");
        return;
    }
    let login = migration::open(&stack, "app");
    let mut wire = Wire::login(&login);
    fine(&wire.query("CREATE TABLE kept (id int)"));
    disk.fill(&stack);
    until_ended(&mut wire);
    wait_until("its end is in the registry", || {
        list(&stack).contains("closed, record incomplete")
    });
    // Nor is another one opened that could not be ended.
    let refused = open(&stack);
    assert!(refused.stderr.contains(disk.problem()), "{refused:?}");
    stack.proxy = None;
    disk.free(&stack);
    disk.start(&mut stack);
    let listed = list(&stack);
    assert!(listed.contains("closed, record incomplete"), "{listed}");
    assert_ne!(stack.psql(&login, "SELECT 1").status, 0);
    migration::open(&stack, "app");
}

fn closed(stack: &Stack, login: &Login) -> Psql {
    finished(portcullis(stack, &["migration", "close", id(login)]))
}

#[test]
fn a_session_is_closed_although_its_end_cannot_be_recorded() {
    let mut stack = Stack::start(StackOptions::default());
    let disk = Disk::under(&mut stack);
    let login = migration::open(&stack, "app");
    let mut wire = Wire::login(&login);
    fine(&wire.query("BEGIN"));
    fine(&wire.query("CREATE TABLE half (id int)"));
    wait_until("they are recorded", || {
        migration::show(&stack, id(&login)).len() == 2
    });
    disk.fill(&stack);
    let told = closed(&stack, &login);
    let answer = wire.receive_to_end();
    assert_eq!(answer.last().expect("told").sqlstate(), "57P01");
    assert_ne!(stack.psql(&login, "SELECT 1").status, 0);
    wait_until("it is rolled back", || stack.tables("app") == "notes");
    match disk {
        Disk::Mounted(..) => assert_eq!(told.status, 0, "{told:?}"),
        // No room is given back; there may have been some for these few bytes.
        Disk::Limited if told.status == 0 => {}
        Disk::Limited => assert!(told.stderr.contains(disk.problem()), "{told:?}"),
    }
    disk.free(&stack);
    wait_until("its end is in the registry", || {
        list(&stack).contains("| closed |")
    });
    migration::open(&stack, "app");
}

/// Lines that cannot be written are counted, and those behind them are whole again.
#[test]
fn a_log_that_cannot_be_written_is_counted_and_stops_nothing() {
    let mut stack = Stack::start(StackOptions::default());
    stack.proxy = None;
    let mut serve = command(RunAs::Tester, "KILL", "sh".as_ref());
    serve.args(["-c", UNTOUCHED]).arg(program());
    serve.args(["serve", "--config"]);
    serve.arg(stack.file("portcullis.toml"));
    let log = stack.file("portcullis.log");
    let mut proxy = Server::start("Portcullis", serve, &log, Signal::KILL);
    proxy::wait(&mut proxy, stack.http_port);
    stack.proxy = Some(proxy);
    let dropped = |stack: &Stack| stack.metric("portcullis_log_dropped_total");
    // A RELOAD is told each time, as logins that fail are not.
    let noise = |stack: &Stack| {
        stack.reload();
        serves(stack);
    };
    noise(&stack);
    assert_eq!(dropped(&stack), 0.0);
    // Half of the next line finds room.
    let length = |stack: &Stack| {
        std::fs::metadata(stack.file("portcullis.log"))
            .expect("a log")
            .len()
    };
    let mut last = 0;
    wait_until("the log stands still", || {
        std::thread::sleep(Duration::from_millis(200));
        std::mem::replace(&mut last, length(&stack)) == length(&stack)
    });
    let full = last + 20;
    limit(&stack, Some(full));
    wait_until("lines are counted", || {
        noise(&stack);
        dropped(&stack) >= 3.0
    });
    assert_eq!(length(&stack), full);
    limit(&stack, None);
    let at = dropped(&stack);
    noise(&stack);
    wait_until("lines are written again", || length(&stack) > full + 100);
    assert_eq!(dropped(&stack), at);
    let log = stack.proxy_log();
    let broken: Vec<&str> = log
        .lines()
        .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err())
        .collect();
    assert!(
        broken.len() <= 1 && broken.iter().all(|it| it.len() == 20),
        "{broken:?}"
    );
}

/// A log that never could be written.
#[test]
fn a_log_on_a_full_device_stops_nothing() {
    let mut stack = Stack::start(StackOptions::default());
    stack.proxy = None;
    let full = || {
        File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full")
    };
    let mut serve = command(RunAs::Tester, "KILL", program());
    serve.args(["serve", "--config"]);
    serve.arg(stack.file("portcullis.toml"));
    serve
        .stdout(Stdio::from(full()))
        .stderr(Stdio::from(full()));
    let mut child = support::process::spawn(serve).expect("started");
    let ready = || proxy::http_get(stack.http_port, "/health/ready").is_some_and(|it| it.0 == 200);
    wait_until("it is ready", ready);
    serves(&stack);
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    let refused = wire.query("DROP TABLE notes");
    assert_eq!(message::failed(&refused).0, "42501");
    assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    wait_until("they are counted", || {
        stack.metric("portcullis_log_dropped_total") >= 2.0
    });
    support::migration::close(&stack, &migration::open(&stack, "app"));
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).expect("told");
    wait_until("it ends in good order", || {
        let ended = child.try_wait().expect("a child");
        ended
            .inspect(|status| assert!(status.success(), "{status}"))
            .is_some()
    });
}
