//! `portcullis keys`: the server key file (`[auth] key_file`).
//!
//! The password comes from the terminal or from stdin, never as an argument: arguments end in process
//! lists and shell histories. It is forgotten as soon as the keys are derived.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::auth::keys::{ServerKeys, with_keys, without_keys};
use crate::auth::scram::{Keys, MAX_ITERATIONS, Verifier};
use crate::auth::userlist::Userlist;
use crate::tls::files::{read_secret, update_secret};

mod password;
#[cfg(test)]
mod tests;

/// What PostgreSQL uses (`SCRAM_SHA_256_DEFAULT_ITERATIONS`).
const DEFAULT_ITERATIONS: u32 = 4096;
/// Bytes of a fresh salt: PostgreSQL's `SCRAM_DEFAULT_SALT_LEN`.
const SALT_BYTES: usize = 16;

/// Keys with which Portcullis itself logs in to PgBouncer.
#[derive(Debug, Args)]
#[command(after_help = super::examples::KEYS)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: Command,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Derive a role's keys from its password and put them into the key file
    Add(Add),
    /// List the roles in the key file
    List(List),
    /// Remove a role from the key file
    Remove(Remove),
}

#[derive(Debug, Args)]
struct Add {
    /// The server key file; made with mode 0600 if there is none
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// The server role
    #[arg(long)]
    role: String,
    /// Take salt and iterations from the role's verifier in PgBouncer's userlist.txt, and check that
    /// the password fits it
    #[arg(long, value_name = "FILE", conflicts_with = "salt_from_verifier")]
    auth_file: Option<PathBuf>,
    /// The same from this verifier (SCRAM-SHA-256$...; it shows in process lists: prefer --auth-file)
    #[arg(long, value_name = "VERIFIER")]
    salt_from_verifier: Option<String>,
    /// For a new verifier with a fresh salt, which is printed [default: 4096]
    #[arg(long, value_name = "N", conflicts_with_all = ["auth_file", "salt_from_verifier"],
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ITERATIONS)))]
    iterations: Option<u32>,
}

#[derive(Debug, Args)]
struct List {
    /// The server key file
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
}

#[derive(Debug, Args)]
struct Remove {
    /// The server key file
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// The server role
    #[arg(long)]
    role: String,
}

/// Runs `portcullis keys`. 0: done; 1: refused (a password that does not fit, a role that is not
/// there); 2: could not (files, terminal).
pub fn run(args: KeysArgs) -> ExitCode {
    let done = match args.command {
        Command::Add(add) => run_add(&add, password::ask),
        Command::List(list) => run_list(&list.key_file),
        Command::Remove(remove) => run_remove(&remove),
    };
    match done {
        Ok(Done { answer, talk, json }) => {
            let answer = match args.json {
                true => format!("{json:#}\n"),
                false => answer,
            };
            // The answer may be the only copy of a new verifier: if nobody could read it, say so.
            let written = io::stdout().write_all(answer.as_bytes());
            let _ = io::stderr().write_all(talk.as_bytes());
            match written {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::from(2),
            }
        }
        Err(failure) => {
            if args.json {
                let Failure { message, hint, .. } = &failure;
                let error = json!({ "error": { "message": message, "hint": hint } });
                let _ = writeln!(io::stdout(), "{error:#}");
            }
            let _ = io::stderr().write_all(failure.to_string().as_bytes());
            ExitCode::from(failure.code)
        }
    }
}

/// What goes to stdout, and what to stderr.
#[derive(Debug)]
struct Done {
    answer: String,
    talk: String,
    /// The answer for programs.
    json: Value,
}

#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => writeln!(f, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Failure {
    fn refused(message: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self {
            code: 1,
            message: message.to_string(),
            hint: Some(hint.to_string()),
        }
    }

    /// Errors of secret files name the file.
    fn file(error: &io::Error) -> Self {
        Self {
            code: 2,
            message: error.to_string(),
            hint: None,
        }
    }
}

/// Asks for a password; asks again for confirmation where nothing else can tell a slip of the finger.
type Ask = fn(prompt: &str, confirm: bool) -> io::Result<Zeroizing<String>>;

fn run_add(add: &Add, ask: Ask) -> Result<Done, Failure> {
    let verifier = existing_verifier(add)?;
    let prompt = format!("Password of role \"{}\": ", add.role);
    let password = ask(&prompt, verifier.is_none()).map_err(|error| Failure {
        code: 2,
        message: format!("password cannot be read: {error}"),
        hint: None,
    })?;
    let keys = match &verifier {
        Some(verifier) => fitting_keys(&add.role, &password, verifier)?,
        None => {
            let salt = fresh_salt()?;
            Keys::derive(
                &password,
                &salt,
                add.iterations.unwrap_or(DEFAULT_ITERATIONS),
            )
        }
    };
    update_secret(&add.key_file, |text| {
        with_keys(text, &add.role, &keys).map_err(io::Error::other)
    })
    .map_err(|error| Failure::file(&error))?;

    let talk = format!(
        "keys of role \"{}\" are in {}\n",
        add.role,
        add.key_file.display()
    );
    match verifier {
        Some(_) => Ok(Done {
            answer: String::new(),
            talk,
            json: json!({ "role": add.role, "verifier": null }),
        }),
        None => Ok(announce(&add.role, &keys.verifier(), talk)),
    }
}

/// A new verifier is of use only where PostgreSQL and PgBouncer hold the same.
fn announce(role: &str, verifier: &Verifier, talk: String) -> Done {
    let json = json!({ "role": role, "verifier": verifier.to_string() });
    let role = role.replace('"', "\"\"");
    let hint = format!(
        "hint: give PostgreSQL the same verifier, ALTER ROLE \"{role}\" PASSWORD 'SCRAM-SHA-256$...', and PgBouncer's userlist.txt this line\n"
    );
    Done {
        answer: format!("\"{role}\" \"{verifier}\"\n"),
        talk: talk + &hint,
        json,
    }
}

fn existing_verifier(add: &Add) -> Result<Option<Verifier>, Failure> {
    if let Some(text) = &add.salt_from_verifier {
        return text.parse().map(Some).map_err(|error| {
            Failure::refused(error, "copy rolpassword from pg_authid, in single quotes")
        });
    }
    let Some(path) = &add.auth_file else {
        return Ok(None);
    };
    let text = read_secret(path).map_err(|error| Failure::file(&error))?;
    let mut list = Userlist::parse(&text);
    if let Some(verifier) = list.users.remove(add.role.as_str()) {
        return Ok(Some(verifier));
    }
    let file = path.display();
    let own = list
        .problems
        .iter()
        .find(|problem| problem.user.as_ref() == Some(&add.role));
    Err(
        match own.or(list.problems.iter().find(|problem| problem.user.is_none())) {
            Some(problem) => Failure::refused(
                format!("{file}:{}: {}", problem.line, problem.message),
                &problem.hint,
            ),
            None => Failure::refused(
                format!("role \"{}\" is not in {file}", add.role),
                "copy the role's rolpassword from pg_authid into that file",
            ),
        },
    )
}

fn fitting_keys(role: &str, password: &str, verifier: &Verifier) -> Result<Keys, Failure> {
    let keys = Keys::derive(password, &verifier.salt, verifier.iterations);
    match keys.fit(verifier) {
        true => Ok(keys),
        false => Err(Failure::refused(
            format!("the password does not fit the verifier of role \"{role}\""),
            "check that the verifier is the role's current rolpassword in pg_authid",
        )),
    }
}

fn fresh_salt() -> Result<[u8; SALT_BYTES], Failure> {
    let salt = ring::rand::generate(&ring::rand::SystemRandom::new());
    salt.map(ring::rand::Random::expose).map_err(|_| Failure {
        code: 2,
        message: "the system gives no random bytes".to_owned(),
        hint: None,
    })
}

fn run_list(path: &Path) -> Result<Done, Failure> {
    let keys = read_keys(path)?;
    let roles = keys.roles();
    let json = json!({ "roles": roles });
    Ok(Done {
        answer: roles
            .into_iter()
            .map(|role| format!("{}\n", role.escape_debug()))
            .collect(),
        talk: String::new(),
        json,
    })
}

fn read_keys(path: &Path) -> Result<ServerKeys, Failure> {
    let text = read_secret(path).map_err(|error| Failure::file(&error))?;
    ServerKeys::parse(&text).map_err(|error| Failure {
        code: 2,
        message: format!("\"{}\": {error}", path.display()),
        hint: None,
    })
}

fn run_remove(remove: &Remove) -> Result<Done, Failure> {
    let Remove { key_file, role } = remove;
    let file = key_file.display();
    if read_keys(key_file)?.get(role).is_none() {
        return Err(Failure::refused(
            format!("role \"{role}\" is not in {file}"),
            format!("run portcullis keys list --key-file {file}"),
        ));
    }
    update_secret(key_file, |text| {
        let rest = without_keys(text, role).map_err(io::Error::other)?;
        // Somebody else has removed it since: that is what was asked for.
        Ok(rest.unwrap_or_else(|| Zeroizing::new(text.to_owned())))
    })
    .map_err(|error| Failure::file(&error))?;
    Ok(Done {
        answer: String::new(),
        talk: format!("keys of role \"{role}\" are no longer in {file}\n"),
        json: json!({ "role": role, "removed": true }),
    })
}
