//! What the Rust clients share: named checks, one line of output for each. `../../matrix.rs` says what
//! a check of a name does in every language.

use std::env;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

/// Connections open at once, transactions in each of them, executions of prepared statements.
pub const CLIENTS: i32 = 20;
pub const ROUNDS: i32 = 5;
pub const EXECUTIONS: i32 = 200;

pub const INSERT: &str = "INSERT INTO orders (note) VALUES ($1)";

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Checked = Result<(), Failure>;

/// Without it: a connection straight to PostgreSQL, which has no certificate here.
pub fn tls() -> bool {
    variable("PGSSLMODE") != "disable"
}

pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

#[track_caller]
pub fn same<T: PartialEq + Debug>(found: T, expected: T) -> Checked {
    if found == expected {
        return Ok(());
    }
    let place = std::panic::Location::caller();
    Err(format!("{place}: expected {expected:?}, found {found:?}").into())
}

/// Runs the checks and says how they ended; `words` finds the words of an error that say most.
pub struct Checks {
    pub failed: bool,
    pub words: fn(&Failure) -> String,
}

impl Checks {
    pub async fn run(&mut self, name: &str, check: Pin<Box<dyn Future<Output = Checked> + '_>>) {
        let limit = Duration::from_secs(90);
        let outcome = tokio::time::timeout(limit, check).await;
        match outcome.unwrap_or_else(|_| Err("it hangs".into())) {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                self.failed = true;
                println!("not ok {name}: {}", (self.words)(&error));
            }
        }
    }

    pub fn finish(self) -> ! {
        std::process::exit(i32::from(self.failed))
    }
}

/// A runtime for one thread.
pub fn block_on(program: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(program);
}
