//! Arguments -> settings -> run; one file per command.

mod answer;
pub mod check;
pub mod explain;
pub mod help;
pub mod keys;
pub mod client;
pub mod console;
pub mod migration;
mod output;

use std::process::ExitCode;

/// Runs the command line. 0: clean; 1: found or refused; 2: could not.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
