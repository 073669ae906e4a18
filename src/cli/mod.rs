//! Arguments -> settings -> run; one file per command.

mod answer;
pub mod check;
pub mod client;
pub mod console;
pub mod explain;
pub mod help;
pub mod keys;
pub mod migration;
mod output;
pub mod serve;
pub mod status;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

/// A policy gate for PostgreSQL, in front of PgBouncer.
#[derive(Parser)]
#[command(name = "portcullis", version, disable_help_subcommand = true, help_template = TEMPLATE)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

const TEMPLATE: &str = "\
Portcullis {version}: a policy gate for PostgreSQL, in front of PgBouncer.

Start
  serve       run the proxy
  keys        server keys for roles without a password at hand
Policy (offline, same engine as the proxy)
  check       every mistake in config and policy, in one run
  explain     the verdict on a statement, and why
Every day (speaks to the running proxy)
  status      health at a glance; --ready for probes
  migration   run, open, close, list, show
  console     any console verb
More
  help TOPIC  guards, config, or any guard's id

{usage-heading} {usage}
";

#[derive(clap::Subcommand)]
enum Command {
    /// Run the proxy
    Serve(serve::ServeArgs),
    /// Server keys for roles without a password at hand
    Keys(keys::KeysArgs),
    /// Every mistake in config and policy, in one run
    Check(check::CheckArgs),
    /// The verdict on a statement, and why
    Explain(explain::ExplainArgs),
    /// Health at a glance; --ready for probes
    Status(status::StatusArgs),
    /// Migration sessions: run, open, close, list, show
    Migration(migration::MigrationArgs),
    /// Any console verb
    Console(console::ConsoleArgs),
    /// Guards, config, or any guard's id
    Help(help::HelpArgs),
}

/// Runs the command line. 0: clean; 1: found or refused; 2: could not.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Keys(args)) => keys::run(args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Status(args)) => status::run(&args),
        Some(Command::Migration(args)) => migration::run(&args),
        Some(Command::Console(args)) => console::run(&args),
        Some(Command::Help(args)) => help::run(&args),
        None => {
            // Without a command: what there is.
            let shown = Arguments::command().print_help();
            ExitCode::from(if shown.is_ok() { 0 } else { 2 })
        }
    }
}
