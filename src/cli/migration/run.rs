//! `portcullis migration run`: a session for exactly as long as one tool runs.
//!
//! The tool stays in our process group, so a terminal's Ctrl-C reaches it without our help; what
//! somebody sends to us alone is passed on. Whatever happens to the console meanwhile, the tool is
//! not killed: the lease decides what it may still do.

mod passfile;
mod signals;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use serde_json::json;
use tokio::process::{Child, Command};

use super::{Connection, RunArgs};
use crate::cli::client::{Answer, Client, ClientError, is_over};
use crate::cli::console::quoted;
use crate::cli::output::{COULD_NOT, as_json, fail, printable, tell};
use passfile::Passfile;
use signals::Signals;

/// A shell's status for a command that it cannot find.
const NOT_FOUND: u8 = 127;
/// A shell's status for a command that it cannot run.
const NOT_RUNNABLE: u8 = 126;
/// Attempts to close the session when the console does not answer or cannot just now, e.g. while
/// the proxy restarts.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// Widest statement on the screen, in characters.
const STATEMENT_WIDTH: usize = 72;
/// libpq would take these before what we set.
const OVERRIDING: [&str; 4] = ["PGPASSWORD", "PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE"];

/// Runs it. The tool's status is ours; 128 + n when signal n ended it.
pub(super) fn run(args: &RunArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run_in(args)),
        Err(error) => could_not(&error.to_string()),
    }
}

async fn run_in(args: &RunArgs) -> ExitCode {
    // First of all: from here on no signal can end us while a session is open.
    let signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => return could_not(&format!("signals cannot be caught: {error}")),
    };
    let json = args.wanted.json;
    let path = match args.wanted.at.path() {
        Ok(path) => path,
        Err(problem) => return could_not(&problem),
    };
    let opened = Client::connect(&path).and_then(|mut client| args.wanted.open(&mut client));
    let connection = match opened {
        Ok((_, connection)) => connection,
        Err(error) => return fail(&error, json),
    };
    tell(&format!(
        "portcullis: migration session {} on {}{}, lease held, ends {} or when the tool does",
        connection.id,
        connection.database,
        connection.phase(),
        connection.until()
    ));
    let status = tool(args, &connection, signals).await;
    finish(&path, &connection, json);
    status
}

/// Runs the tool to its end.
async fn tool(args: &RunArgs, connection: &Connection, mut signals: Signals) -> ExitCode {
    let passfile = match Passfile::write(&connection.pgpass()) {
        Ok(passfile) => passfile,
        Err(error) => return could_not(&format!("the password file cannot be written: {error}")),
    };
    let mut child = match spawn(args, connection, passfile.path()) {
        Ok(child) => child,
        Err((name, error)) => {
            tell(&format!("error: {name} could not be run: {error}"));
            return ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound {
                NOT_FOUND
            } else {
                NOT_RUNNABLE
            });
        }
    };
    loop {
        tokio::select! {
            ended = child.wait() => break match ended {
                Ok(status) => exit_code(status),
                Err(error) => could_not(&format!("the tool was lost: {error}")),
            },
            signal = signals.next() => signals::pass_on(signal, child.id()),
        }
    }
}

fn spawn(
    args: &RunArgs,
    connection: &Connection,
    passfile: &Path,
) -> Result<Child, (String, std::io::Error)> {
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(("nothing".into(), std::io::ErrorKind::NotFound.into()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(connection.environment())
        .env("PGPASSFILE", passfile);
    for name in OVERRIDING {
        command.env_remove(name);
    }
    if args.no_url {
        command.env_remove("DATABASE_URL");
    } else {
        command.env("DATABASE_URL", connection.url(true).as_str());
    }
    command
        .spawn()
        .map_err(|error| (program.to_string_lossy().into_owned(), error))
}

/// As a shell says it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(
        code.and_then(|code| u8::try_from(code).ok())
            .unwrap_or(COULD_NOT),
    )
}

/// Closes the session and shows what ran in it.
fn finish(path: &Path, connection: &Connection, json: bool) {
    let id = &connection.id;
    let mut last = None;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(BETWEEN_ATTEMPTS);
        }
        match close_and_show(path, id) {
            Ok((how, statements)) => {
                return tell(&if json {
                    summary_json(id, how, &statements)
                } else {
                    summary(how, &statements)
                });
            }
            Err(error) if !may_pass(&error) => {
                return tell(&format!("portcullis: {id} could not be closed: {error}"));
            }
            Err(error) => last = Some(error),
        }
    }
    if let Some(error) = last {
        tell(&format!(
            "portcullis: {id} could not be closed: {error}; it ends by itself at {}",
            connection.until()
        ));
    }
}

/// Is another attempt worth making? The console may be starting, its registry late or in somebody
/// else's hands (classes 53, 57 and 58); any other refusal is its last word.
fn may_pass(error: &ClientError) -> bool {
    error.sqlstate().is_none_or(|state| {
        ["53", "57", "58"]
            .iter()
            .any(|class| state.starts_with(class))
    })
}

fn close_and_show(path: &Path, id: &str) -> Result<(&'static str, Answer), ClientError> {
    let mut client = Client::connect(path)?;
    let how = match client.verb(&format!(
        "CLOSE MIGRATION {} NOTE 'the tool ended'",
        quoted(id)
    )) {
        Ok(_) => "closed",
        Err(error) if is_over(&error) => "had ended before the tool did",
        Err(error) => return Err(error),
    };
    Ok((how, client.verb(&format!("SHOW MIGRATION {}", quoted(id)))?))
}

struct Line<'a> {
    number: &'a str,
    statement: String,
    ms: u64,
    sqlstate: &'a str,
}

fn lines(statements: &Answer) -> Vec<Line<'_>> {
    let column = |name: &str| {
        statements
            .columns
            .iter()
            .position(|column| column.name == name)
    };
    let at = ["number", "statement", "ms", "sqlstate"].map(column);
    statements
        .rows
        .iter()
        .map(|row| {
            let [number, statement, ms, sqlstate] =
                at.map(|at| at.and_then(|at| row.get(at)?.as_deref()).unwrap_or(""));
            Line {
                number,
                statement: shortened(statement),
                ms: ms.parse().unwrap_or(0),
                sqlstate,
            }
        })
        .collect()
}

fn shortened(statement: &str) -> String {
    let words = printable(statement)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    match words.char_indices().nth(STATEMENT_WIDTH) {
        Some((at, _)) => format!("{}…", words[..at].trim_end()),
        None => words,
    }
}

fn summary(how: &str, statements: &Answer) -> String {
    let lines = lines(statements);
    let width = lines
        .iter()
        .map(|line| line.statement.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for line in &lines {
        let error = if line.sqlstate == "00000" {
            String::new()
        } else {
            format!("   ERROR {}", line.sqlstate)
        };
        text.push_str(&format!(
            "{:>3}  {:<width$}  {:>6} ms{error}\n",
            line.number, line.statement, line.ms
        ));
    }
    let plural = if lines.len() == 1 { "" } else { "s" };
    let total: u64 = lines.iter().map(|line| line.ms).sum();
    text.push_str(&format!(
        "portcullis: {how}, {} statement{plural}, {total} ms",
        lines.len()
    ));
    text
}

fn summary_json(id: &str, how: &str, statements: &Answer) -> String {
    json!({ "id": id, "end": how, "statements": as_json(statements) }).to_string()
}

fn could_not(problem: &str) -> ExitCode {
    tell(&if problem.starts_with("error") {
        problem.to_owned()
    } else {
        format!("error: {problem}")
    });
    ExitCode::from(COULD_NOT)
}
