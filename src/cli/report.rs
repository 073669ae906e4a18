//! `portcullis report`: what guards refused, or would have refused, in the running proxy; and what an
//! enforcing policy would have changed.

mod changes;
mod since;
mod suggest;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use serde_json::json;

use super::answer;
use super::client::{Answer, Client, ClientError};
use super::console::ConsoleAt;
use super::output::{COULD_NOT, REFUSED, as_json, as_table, fail, say};
use crate::policy::Guard;

/// `portcullis report`
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = super::examples::REPORT)]
pub struct ReportArgs {
    /// Only of this login
    #[arg(long, value_name = "NAME")]
    pub login: Option<String>,
    /// Only by this guard or rule
    #[arg(long, value_name = "ID")]
    pub guard: Option<String>,
    /// Only statements seen within this time, or since this moment in UTC
    #[arg(long, value_name = "DURATION|TIMESTAMP")]
    pub since: Option<since::Since>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print what the policy could say instead: modes for the guards, and exceptions to fill in
    #[arg(long, conflicts_with_all = ["login", "guard", "since"])]
    pub suggest: bool,
    /// Where the console is.
    #[command(flatten)]
    pub at: ConsoleAt,
}

/// What the console says.
struct Found {
    /// `SHOW GUARDS`
    guards: Answer,
    /// `SHOW REPORT`
    rows: Answer,
    /// Statements that were last seen before are left out.
    seen_since: Option<String>,
}

/// Runs `portcullis report`. 0: nothing; 1: something was refused, or would have been; 2: could not.
pub fn run(args: &ReportArgs) -> ExitCode {
    let mut client = match args.at.connect(args.json) {
        Ok(client) => client,
        Err(_) => return ExitCode::from(COULD_NOT),
    };
    let mut found = match ask(&mut client) {
        Ok(found) => found,
        Err(error) => {
            // Whoever may not ask does not know either: that is no 1.
            let _ = fail(&error, args.json);
            return ExitCode::from(COULD_NOT);
        }
    };
    if let Some(problem) = args.guard.as_deref().and_then(|id| found.unknown(id)) {
        return answer::Answer::failed_as(args.json)(problem).print();
    }
    let login = args.login.as_deref();
    match login.map_or(Ok(None), |name| found.unknown_login(name, &mut client)) {
        Ok(None) => {}
        Ok(Some(problem)) => return answer::Answer::failed_as(args.json)(problem).print(),
        Err(error) => {
            let _ = fail(&error, args.json);
            return ExitCode::from(COULD_NOT);
        }
    }
    found.keep(args.login.as_deref(), args.guard.as_deref());
    if let Some(since) = &args.since {
        found.keep_seen(since.moment(crate::clock::now()));
    }
    say(&match (args.suggest, args.json) {
        (true, false) => suggest::policy(&found, crate::clock::today()),
        (true, true) => suggest::as_json(&found, crate::clock::today()),
        (false, true) => found.as_json(),
        (false, false) => found.as_text(),
    });
    ExitCode::from(if found.refusals() == 0 { 0 } else { REFUSED })
}

fn ask(client: &mut Client) -> Result<Found, ClientError> {
    let answers = client.query("SHOW GUARDS; SHOW REPORT")?;
    let [guards, rows] = <[Answer; 2]>::try_from(answers)
        .map_err(|_| ClientError::Protocol("two answers were expected"))?;
    Ok(Found {
        guards,
        rows,
        seen_since: None,
    })
}

/// The value of a column by its name.
fn value<'a>(answer: &Answer, row: &'a [Option<String>], column: &str) -> Option<&'a str> {
    let at = answer.columns.iter().position(|it| it.name == column)?;
    row.get(at)?.as_deref()
}

impl Found {
    /// Why there can be no such guard or rule in the report.
    fn unknown(&self, id: &str) -> Option<String> {
        let is_rule = |row: &Vec<_>| value(&self.rows, row, "rule") == Some(id);
        if Guard::from_id(id).is_some() || self.rows.rows.iter().any(is_rule) {
            return None;
        }
        Some(format!(
            "no guard is called \"{id}\", and no rule of that name has refused anything; \
             portcullis help guards lists the guards"
        ))
    }

    /// Why there can be no such login in the report. One that was taken out of the policy may have counts.
    fn unknown_login(
        &self,
        name: &str,
        client: &mut Client,
    ) -> Result<Option<String>, ClientError> {
        let is = |answer: &Answer, row: &Vec<_>| value(answer, row, "login") == Some(name);
        if self.rows.rows.iter().any(|row| is(&self.rows, row)) {
            return Ok(None);
        }
        let answers = client.query("SHOW LOGINS")?;
        let [logins] = <[Answer; 1]>::try_from(answers)
            .map_err(|_| ClientError::Protocol("one answer was expected"))?;
        let known = logins.rows.iter().any(|row| is(&logins, row));
        Ok((!known).then(|| {
            format!(
                "the policy has no login \"{name}\", and nothing of one was counted; \
                 portcullis console 'SHOW LOGINS' lists them"
            )
        }))
    }

    fn keep(&mut self, login: Option<&str>, guard: Option<&str>) {
        let mut rows = std::mem::take(&mut self.rows.rows);
        let is = |row: &[_], column, wanted| value(&self.rows, row, column) == Some(wanted);
        rows.retain(|row| {
            login.is_none_or(|login| is(row, "login", login))
                && guard.is_none_or(|id| is(row, "guard", id) || is(row, "rule", id))
        });
        self.rows.rows = rows;
    }

    /// What was last seen before the moment is left out. A row without times stays: it could be of then.
    fn keep_seen(&mut self, moment: String) {
        let mut rows = std::mem::take(&mut self.rows.rows);
        rows.retain(|row| value(&self.rows, row, "last_at").is_none_or(|last| *last >= *moment));
        self.rows.rows = rows;
        self.seen_since = Some(moment);
    }

    fn since(&self) -> &str {
        let first = self.guards.rows.first();
        first
            .and_then(|row| value(&self.guards, row, "counted_since"))
            .unwrap_or("the start")
    }

    fn count(&self, outcome: &str) -> u64 {
        let rows = self.rows.rows.iter();
        rows.filter(|row| value(&self.rows, row, "outcome") == Some(outcome))
            .filter_map(|row| value(&self.rows, row, "count")?.parse::<u64>().ok())
            .sum()
    }

    fn as_json(&self) -> String {
        let (injected, rewritten) = self.changes();
        json!({
            "since": self.since(),
            "seen_since": self.seen_since,
            "refused": self.count("refused"),
            "observed": self.count("observed"),
            "injected": injected,
            "rewritten": rewritten,
            "guards": as_json(&self.guards),
            "rows": as_json(&self.rows),
        })
        .to_string()
    }

    fn as_text(&self) -> String {
        let seen = self.seen_since.as_ref();
        let head = format!(
            "Since {}{}: {} refused, {} would have been.",
            self.since(),
            seen.map_or_else(String::new, |moment| {
                format!(", of statements seen since {moment}")
            }),
            self.count("refused"),
            self.count("observed")
        );
        let mut parts = vec![head];
        let mut shown = self.part(false);
        if !shown.rows.is_empty() {
            for column in ["rule", "exempt_until", "change"] {
                drop_if_empty(&mut shown, column);
            }
            parts.push(as_table(&shown));
        }
        parts.extend(self.changes_as_text());
        parts.join("\n\n")
    }
}

fn drop_if_empty(answer: &mut Answer, column: &str) {
    let Some(at) = answer.columns.iter().position(|it| it.name == column) else {
        return;
    };
    let empty = |row: &Vec<Option<String>>| row.get(at).is_none_or(Option::is_none);
    if answer.rows.iter().all(empty) {
        answer.columns.remove(at);
        for row in answer.rows.iter_mut().filter(|row| at < row.len()) {
            row.remove(at);
        }
    }
}
