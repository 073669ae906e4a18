//! `portcullis console 'SHOW MIGRATIONS'`: any verb of the admin console.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::client::Client;
use super::output::{COULD_NOT, as_json, as_table, fail, say, tell};
use crate::config::{self, Config};

/// Where the running proxy's console is.
#[derive(clap::Args, Clone, Debug)]
pub struct ConsoleAt {
    /// The console's unix socket [default: the configuration's `[listen] console`]
    #[arg(long, value_name = "PATH")]
    pub console: Option<PathBuf>,
    /// The proxy's configuration
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    pub config: PathBuf,
}

impl ConsoleAt {
    /// The socket's path, or the text that says why it is unknown.
    pub fn path(&self) -> Result<PathBuf, String> {
        match &self.console {
            Some(path) => Ok(path.clone()),
            None => configured(&self.config),
        }
    }

    /// Connects; on failure everything has been said.
    pub fn connect(&self, json: bool) -> Result<Client, ExitCode> {
        let path = self.path().map_err(|problem| {
            match json {
                true => say(&json!({ "error": { "message": problem } }).to_string()),
                false => tell(&problem),
            }
            ExitCode::from(COULD_NOT)
        })?;
        Client::connect(&path).map_err(|error| fail(&error, json))
    }
}

fn configured(config: &Path) -> Result<PathBuf, String> {
    let problems = |problems: Vec<crate::config::Problem>| {
        problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect::<String>()
    };
    let config_values = Config::load(config).map_err(problems)?;
    config_values.listen.console.ok_or_else(|| {
        format!(
            "error: {} has no [listen] console\n  hint    Name the socket: --console PATH",
            config.display()
        )
    })
}

/// `portcullis console`
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = super::examples::CONSOLE)]
pub struct ConsoleArgs {
    /// One or more verbs, separated by semicolons; SHOW HELP lists them
    #[arg(value_name = "VERB", required = true)]
    pub verbs: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where the console is.
    #[command(flatten)]
    pub at: ConsoleAt,
}

/// Runs `portcullis console`. 0: done; 1: refused; 2: could not.
pub fn run(args: &ConsoleArgs) -> ExitCode {
    let mut client = match args.at.connect(args.json) {
        Ok(client) => client,
        Err(code) => return code,
    };
    match client.query(&args.verbs) {
        Ok(answers) => {
            for answer in &answers {
                say(&if args.json {
                    as_json(answer).to_string()
                } else {
                    as_table(answer)
                });
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, args.json),
    }
}

/// A value in the console's language: in single quotes, doubled inside.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::testing::TestConsole;

    #[test]
    fn the_socket_comes_from_the_flag_or_the_configuration() {
        let console = TestConsole::start();
        let config = console.directory.path().join("portcullis.toml");
        let at = ConsoleAt {
            console: None,
            config: config.clone(),
        };
        assert_eq!(at.path().expect("configured"), console.socket);
        let elsewhere = ConsoleAt {
            console: Some("/x".into()),
            config: "/nonexistent".into(),
        };
        assert_eq!(elsewhere.path().expect("named"), Path::new("/x"));
        let missing = ConsoleAt {
            console: None,
            config: "/nonexistent".into(),
        };
        assert!(
            missing
                .path()
                .expect_err("no file")
                .contains("/nonexistent")
        );
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quoted("it's"), "'it''s'");
    }
}
