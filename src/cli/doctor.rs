//! `portcullis doctor`: what leaks, what is open, what is old, at a database with or without Portcullis.
//!
//! It needs nothing but a login. `probes` of its own prove leaks and clean up behind them; holes are read
//! from the `catalog` and from the console of `pgbouncer`. A `finding` says what there is to find.

mod account;
mod carried;
mod catalog;
mod closed;
mod connection;
mod dsn;
mod examine;
mod failure;
mod finding;
mod interrupt;
mod pgbouncer;
mod probes;
mod report;
mod server;
mod sql;
mod stream;
mod through;
mod verifiers;
mod vulnerabilities;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::answer::Answer;
use dsn::{Dsn, DsnError};
use examine::Wanted;
use failure::Failure;

/// Every finding by its id: `portcullis help doctor`.
pub(super) const FINDINGS: &str = include_str!("doctor/findings.md");

/// Finds what leaks through a pool, what is open and what is old: at a PgBouncer or a PostgreSQL, with or
/// without Portcullis. Nothing to install, nothing is changed; probes clean up behind them.
#[derive(Debug, Args)]
#[command(after_help = super::examples::DOCTOR)]
pub struct DoctorArgs {
    /// libpq's keywords or a URI; PGHOST, PGUSER and so on fill in what is missing
    #[arg(value_name = "DSN", default_value = "", hide_default_value = true)]
    dsn: String,
    /// Where PgBouncer's console is; default: DSN with dbname=pgbouncer
    #[arg(long, value_name = "DSN")]
    admin_dsn: Option<String>,
    /// No probes: only SELECT and SHOW, in read-only transactions
    #[arg(long)]
    read_only: bool,
    /// The column that says whose a row is; default: the one that policies name
    #[arg(long, value_name = "NAME")]
    zone_column: Option<String>,
    /// The parameter that policies read; default: the one they do read
    #[arg(long, value_name = "NAME")]
    zone_parameter: Option<String>,
    /// PgBouncer's auth_file: are its verifiers those of PostgreSQL? A superuser's DSN can tell
    #[arg(long, value_name = "FILE")]
    auth_file: Option<PathBuf>,
    /// A portcullis.toml: the same once more through that Portcullis, and every way to another zone tried
    #[arg(long, value_name = "FILE", conflicts_with = "read_only")]
    config: Option<PathBuf>,
    /// With --config: the zone to be in, for a login whose clients set it themselves
    #[arg(long, value_name = "ZONE", requires = "config")]
    zone: Option<String>,
    /// Only show that DSN cannot be reached from here: no way around Portcullis
    #[arg(long, conflicts_with_all = ["read_only", "config", "sql", "admin_dsn", "auth_file"])]
    prove_closed: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "sql")]
    json: bool,
    /// Print the statements that mend what was found, and nothing else
    #[arg(long)]
    sql: bool,
}

/// Runs it. 0: nothing was found; 1: something; 2: it could not be looked.
pub fn run(args: &DoctorArgs) -> ExitCode {
    doctor(args).print()
}

/// Why there is no answer.
enum CouldNot {
    Dsn(DsnError),
    Connect(Box<Failure>),
    Other(String),
}

fn doctor(args: &DoctorArgs) -> Answer {
    if args.prove_closed {
        let proof = read(&args.dsn).and_then(|dsn| closed::prove(&dsn, args.json));
        return proof.unwrap_or_else(|why| could_not(args, &why));
    }
    match examined(args) {
        Ok(examined) => Answer {
            stdout: match (args.json, args.sql) {
                (true, _) => report::as_json(&examined),
                (_, true) => report::as_sql(&examined),
                _ => report::as_text(&examined),
            },
            code: u8::from(examined.counts()),
            ..Answer::default()
        },
        Err(why) => could_not(args, &why),
    }
}

fn read(dsn: &str) -> Result<Dsn, CouldNot> {
    // libpq asks the system's accounts, and so do we where no shell has set LOGNAME: in containers, cron, systemd.
    let environment = |name: &str| {
        let set = std::env::var(name).ok();
        set.or_else(|| account::name().filter(|_| name == "LOGNAME"))
    };
    Dsn::read(dsn, &environment).map_err(CouldNot::Dsn)
}

fn examined(args: &DoctorArgs) -> Result<examine::Examined, CouldNot> {
    let dsn = read(&args.dsn)?;
    let through = match &args.config {
        Some(path) => Some(through::Wanted::load(path, &dsn, args.zone.as_deref())?),
        None => None,
    };
    let mut auth_files: Vec<PathBuf> = args.auth_file.iter().cloned().collect();
    auth_files.extend(through.iter().map(|through| through.auth_file.clone()));
    auth_files.dedup();
    let wanted = Wanted {
        admin: match &args.admin_dsn {
            Some(text) => Some(read(text)?.with_database(pgbouncer::CONSOLE)),
            None => None,
        },
        read_only: args.read_only,
        zone: catalog::Asked {
            column: args.zone_column.clone(),
            parameter: args
                .zone_parameter
                .clone()
                .or_else(|| through.as_ref().and_then(through::Wanted::parameter)),
        },
        auth_files,
        through,
        dsn,
    };
    examine::run(&wanted)
}

fn could_not(args: &DoctorArgs, why: &CouldNot) -> Answer {
    let (cause, message, hint, server) = match why {
        CouldNot::Dsn(error) => (None, &error.message, Some(&error.hint), None),
        CouldNot::Connect(failure) => (
            Some(failure.cause.id()),
            &failure.message,
            Some(&failure.hint),
            failure.server.as_ref(),
        ),
        CouldNot::Other(message) => (None, message, None, None),
    };
    let stdout = match args.json {
        false => String::new(),
        true => {
            let server =
                server.map(|error| json!({ "sqlstate": error.sqlstate, "message": error.message }));
            let error =
                json!({ "cause": cause, "message": message, "hint": hint, "server": server });
            format!("{}\n", json!({ "error": error }))
        }
    };
    let mut stderr = super::output::printable(message);
    if let Some(cause) = cause {
        stderr = format!("{cause}: {stderr}");
    }
    if let Some(hint) = hint {
        stderr.push_str(&format!("\n  hint    {}", super::output::printable(hint)));
    }
    Answer {
        stdout,
        stderr,
        code: super::output::COULD_NOT,
    }
}
