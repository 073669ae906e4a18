//! Arguments -> settings -> run; one file per command. What several share: `answer` (stdout, stderr
//! and exit code), `judged` (everything asked of the engine), [`client`] (the way to a running
//! proxy), `output` and `junit` (how it is printed), `usage` (a command line that is wrong), `examples`
//! (the ends of the help texts).

mod answer;
pub mod check;
pub mod client;
pub mod console;
pub mod doctor;
mod examples;
pub mod explain;
pub mod help;
pub mod init;
mod judged;
mod junit;
pub mod keys;
pub mod lint;
pub mod migration;
mod output;
pub mod report;
pub mod serve;
pub mod status;
pub mod test;
pub mod transaction_mode;
mod usage;

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
  doctor      what leaks, what is open, what is old: at any PgBouncer or PostgreSQL
  init        portcullis.toml and a policy in observe mode from your pgbouncer.ini
  serve       run the proxy
  keys        server keys for roles without a password at hand
Policy (offline, same engine as the proxy)
  check       every mistake in config and policy, in one run
  explain     the verdict on a statement, and why
  test        run the cases beside the policies
  lint        judge migration files before they ship
Every day (speaks to the running proxy)
  status      health at a glance; --ready for probes
  report      what guards refused, or would have; --suggest for the policy
  migration   run, open, close, list, show
  console     any console verb
More
  help TOPIC  guards, transaction-mode, doctor, config, policy, policy-schema, any guard's id

First time?  portcullis doctor \"host=localhost port=6432 dbname=app\"

{usage-heading} {usage}
";

#[derive(clap::Subcommand)]
enum Command {
    /// What leaks, what is open, what is old: at any PgBouncer or PostgreSQL
    Doctor(doctor::DoctorArgs),
    /// Files for a Portcullis beside your PgBouncer, in observe mode
    Init(init::InitArgs),
    /// Run the proxy
    #[command(after_help = examples::SERVE)]
    Serve(serve::ServeArgs),
    /// Server keys for roles without a password at hand
    Keys(keys::KeysArgs),
    /// Every mistake in config and policy, in one run
    #[command(after_help = examples::CHECK)]
    Check(check::CheckArgs),
    /// The verdict on a statement, and why
    Explain(explain::ExplainArgs),
    /// Run the cases beside the policies
    Test(test::TestArgs),
    /// Judge migration files before they ship
    Lint(lint::LintArgs),
    /// Health at a glance; --ready for probes
    Status(status::StatusArgs),
    /// What guards refused, or would have refused
    Report(report::ReportArgs),
    /// Migration sessions: run, open, close, list, show
    Migration(migration::MigrationArgs),
    /// Any console verb
    Console(console::ConsoleArgs),
    /// Pages: guards, transaction-mode, doctor, config, policy, any guard's id
    #[command(after_help = examples::HELP)]
    Help(help::HelpArgs),
}

/// Runs the command line. 0: clean; 1: found or refused; 2: could not.
pub fn main() -> ExitCode {
    let arguments = explain::comments_are_texts(std::env::args_os());
    let arguments: Arguments = match usage::read(&arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.command {
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Init(args)) => init::run(&args),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Keys(args)) => keys::run(args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Test(args)) => test::run(&args),
        Some(Command::Lint(args)) => lint::run(&args),
        Some(Command::Status(args)) => status::run(&args),
        Some(Command::Report(args)) => report::run(&args),
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
