//! What a command says: stdout is the answer, stderr the talk.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use serde_json::json;

/// The outcome of a command that only reads and judges.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// For stdout.
    pub stdout: String,
    /// For stderr, without the line end; empty: nothing.
    pub stderr: String,
    /// 0: clean; 1: found or refused; 2: could not.
    pub code: u8,
}

impl Answer {
    /// All is well.
    pub fn clean(stdout: String) -> Self {
        Self {
            stdout,
            ..Self::default()
        }
    }

    /// It could not be done.
    pub fn failed(stderr: String) -> Self {
        Self {
            stderr,
            code: 2,
            ..Self::default()
        }
    }

    /// It could not be done; for programs the same as JSON on stdout, as `{"error": {"message": ...}}`.
    pub fn failed_as(json: bool) -> impl FnOnce(String) -> Self {
        move |message| match json {
            true => Self {
                stdout: format!("{:#}\n", json!({ "error": { "message": message } })),
                ..Self::failed(message)
            },
            false => Self::failed(message),
        }
    }

    /// Writes it. A reader that has gone away (`| head`) has seen enough; an answer that is lost otherwise, on a full
    /// disk, is none.
    pub fn print(mut self) -> ExitCode {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(self.stdout.as_bytes());
        match written.and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                let lost = format!("could not write the answer: {error}");
                self.stderr = match self.stderr.is_empty() {
                    true => lost,
                    false => format!("{}; {lost}", self.stderr),
                };
                self.code = 2;
            }
            _ => {}
        }
        if !self.stderr.is_empty() {
            let _ = writeln!(std::io::stderr().lock(), "portcullis: {}", self.stderr);
        }
        ExitCode::from(self.code)
    }
}
