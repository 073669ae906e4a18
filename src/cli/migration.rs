//! `portcullis migration run | open | list | show | close`: migration sessions from the shell.

mod connection;
mod run;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::json;

use super::client::{Answer, Client, ClientError};
use super::console::{ConsoleAt, quoted};
use super::judged;
use super::output::{as_json, as_table, fail, object, say};
use crate::policy::Phase;
use connection::Connection;

/// `portcullis migration`
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = super::examples::MIGRATION)]
pub struct MigrationArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: MigrationCommand,
}

/// What to do with migration sessions.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum MigrationCommand {
    /// Open a session, run a tool in it, close it
    #[command(after_help = super::examples::MIGRATION_RUN)]
    Run(RunArgs),
    /// Open a session and show its login and token, once
    #[command(after_help = super::examples::MIGRATION_OPEN)]
    Open(OpenArgs),
    /// Open sessions and the latest others
    List(ListArgs),
    /// The statements of a session
    Show(ShowArgs),
    /// End a session; its connections are cut off
    #[command(after_help = super::examples::MIGRATION_CLOSE)]
    Close(CloseArgs),
}

/// What is asked for.
#[derive(clap::Args, Clone, Debug)]
pub struct Wanted {
    /// The database to change
    #[arg(long, value_name = "NAME")]
    pub database: String,
    /// The login of kind migrator [default: the only one for the database]
    #[arg(long, value_name = "NAME")]
    pub role: Option<String>,
    /// Why; it stays in the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// What it is for; expand: whatever takes something away from code that still runs is refused
    #[arg(long, value_parser = judged::phases())]
    pub phase: Option<Phase>,
    /// Longest life of the session, e.g. 30min [default: 1h]
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<String>,
    /// Where the console is.
    #[command(flatten)]
    pub at: ConsoleAt,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `portcullis migration run`
#[derive(clap::Args, Clone, Debug)]
pub struct RunArgs {
    /// What is asked for.
    #[command(flatten)]
    pub wanted: Wanted,
    /// Do not set DATABASE_URL, which holds the token, in the tool's environment
    #[arg(long)]
    pub no_url: bool,
    /// The tool and its arguments
    #[arg(value_name = "COMMAND", required = true, last = true)]
    pub command: Vec<OsString>,
}

/// `portcullis migration open`
#[derive(clap::Args, Clone, Debug)]
pub struct OpenArgs {
    /// What is asked for.
    #[command(flatten)]
    pub wanted: Wanted,
    /// How to print it; all but text hold the token for scripts
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How `migration open` prints.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// PG* variables for a shell
    Env,
    /// One connection URL, with the token
    Url,
    /// JSON
    Json,
    /// A line for .pgpass
    Pgpass,
}

/// `portcullis migration list`
#[derive(clap::Args, Clone, Debug)]
pub struct ListArgs {
    /// Where the console is.
    #[command(flatten)]
    pub at: ConsoleAt,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `portcullis migration show`
#[derive(clap::Args, Clone, Debug)]
pub struct ShowArgs {
    /// The session: mig_...
    #[arg(value_name = "ID")]
    pub id: String,
    /// Where the console is.
    #[command(flatten)]
    pub at: ConsoleAt,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `portcullis migration close`
#[derive(clap::Args, Clone, Debug)]
pub struct CloseArgs {
    /// The session: mig_...
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why; its connections are told
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Where the console is.
    #[command(flatten)]
    pub at: ConsoleAt,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs `portcullis migration`. 0: done; 1: refused; 2: could not; `run`: the tool's own status.
pub fn run(args: &MigrationArgs) -> ExitCode {
    match &args.command {
        MigrationCommand::Run(args) => run::run(args),
        MigrationCommand::Open(args) => open(args),
        MigrationCommand::List(args) => simple(&args.at, args.json, "SHOW MIGRATIONS"),
        MigrationCommand::Show(args) => simple(
            &args.at,
            args.json,
            &format!("SHOW MIGRATION {}", quoted(&args.id)),
        ),
        MigrationCommand::Close(args) => {
            let note = args
                .note
                .as_deref()
                .map(|note| format!(" NOTE {}", quoted(note)))
                .unwrap_or_default();
            simple(
                &args.at,
                args.json,
                &format!("CLOSE MIGRATION {}{note}", quoted(&args.id)),
            )
        }
    }
}

fn simple(at: &ConsoleAt, json: bool, verb: &str) -> ExitCode {
    let answer = at
        .connect(json)
        .and_then(|mut client| client.verb(verb).map_err(|error| fail(&error, json)));
    match answer {
        Ok(answer) => {
            say(&if json {
                as_json(&answer).to_string()
            } else {
                as_table(&answer)
            });
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn open(args: &OpenArgs) -> ExitCode {
    let json = args.wanted.json || args.format == Format::Json;
    let opened = args.wanted.at.connect(json).and_then(|mut client| {
        args.wanted
            .open(&mut client)
            .map_err(|error| fail(&error, json))
    });
    match opened {
        Ok((answer, connection)) => {
            say(&match args.format {
                _ if json => opened_json(&answer, &connection).to_string(),
                Format::Text | Format::Json => connection.screen(),
                Format::Env => connection.shell(),
                Format::Url => connection.url(true).to_string(),
                Format::Pgpass => connection.pgpass().to_string(),
            });
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn opened_json(answer: &Answer, connection: &Connection) -> serde_json::Value {
    let mut opened = answer
        .rows
        .first()
        .map_or(json!({}), |row| object(answer, row));
    opened["url"] = connection.url(false).as_str().into();
    opened
}

impl Wanted {
    fn verb(&self) -> String {
        let mut verb = format!(
            "OPEN MIGRATION DATABASE {} REASON {}",
            quoted(&self.database),
            quoted(&self.reason)
        );
        let phase = self.phase.map(Phase::id);
        for (word, value) in [
            ("ROLE", self.role.as_deref()),
            ("PHASE", phase),
            ("TTL", self.ttl.as_deref()),
        ] {
            if let Some(value) = value {
                verb.push_str(&format!(" {word} {}", quoted(value)));
            }
        }
        verb
    }

    fn open(&self, client: &mut Client) -> Result<(Answer, Connection), ClientError> {
        let answer = client.verb(&self.verb())?;
        let connection = Connection::from_answer(&answer)?;
        Ok((answer, connection))
    }
}
