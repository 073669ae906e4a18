//! `--prove-closed`: from where applications run, there is no way around Portcullis.

use serde_json::json;

use super::CouldNot;
use super::connection::Connection;
use super::dsn::{Dsn, Mode};
use super::failure::{Failure, Reach};
use crate::cli::answer::Answer;
use crate::cli::output::printable;

/// What became of the attempt.
struct Proof {
    closed: bool,
    text: String,
}

/// Tries to connect to what must not answer. 0: it does not, or pg_hba.conf sends us away; 1: it does.
///
/// # Errors
/// A name without an address proves nothing: it may be misspelt.
pub(super) fn prove(dsn: &Dsn, as_json: bool) -> Result<Answer, CouldNot> {
    let proof = tried(dsn)?;
    let stdout = match as_json {
        true => {
            let (closed, text) = (proof.closed, &proof.text);
            format!(
                "{}\n",
                json!({ "address": dsn.address(), "closed": closed, "text": text })
            )
        }
        false => {
            let word = if proof.closed { "fine" } else { "OPEN" };
            let advice = match proof.closed {
                true => "",
                false => {
                    "         fix  let only Portcullis reach it: firewall, listen_addr, pg_hba.conf\n"
                }
            };
            format!("{word:<6} {}\n{advice}", printable(&proof.text))
        }
    };
    Ok(Answer {
        stdout,
        code: u8::from(!proof.closed),
        ..Answer::default()
    })
}

fn tried(dsn: &Dsn) -> Result<Proof, CouldNot> {
    let address = dsn.address();
    let failure = match Connection::open(dsn) {
        Ok(connection) => {
            connection.close();
            let text = format!("{address} lets \"{}\" in from here", dsn.user);
            return Ok(Proof {
                closed: false,
                text,
            });
        }
        Err(failure) => failure,
    };
    Ok(match failure.reach {
        Reach::Unknown => return Err(CouldNot::Connect(Box::new(failure))),
        Reach::Silent => Proof {
            closed: true,
            text: format!("there is no way in from here: {failure}"),
        },
        Reach::Answered if sent_away(dsn, &failure) => Proof {
            closed: true,
            text: format!("{address} sends \"{}\" away: {failure}", dsn.user),
        },
        Reach::Answered => Proof {
            closed: false,
            text: format!("{address} answers from here: {failure}"),
        },
    })
}

/// By pg_hba.conf, before any password. Without TLS the same line may only have asked for TLS.
fn sent_away(dsn: &Dsn, failure: &Failure) -> bool {
    let tried_tls = !matches!(dsn.sslmode, Mode::Disable | Mode::Allow);
    failure.server.as_ref().is_some_and(|error| {
        error.message.contains("pg_hba.conf")
            && (tried_tls || !error.message.contains("no encryption"))
    })
}
