//! An explanation as text and as JSON. One order always: facts, zone, guards, verdict; then what the client sees.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::judged::{self, Finding, enforced};
use super::super::test::upstream::Upstream;
use super::{Explained, Explanation, Says, facts};
use crate::policy::{Guard, Mode, Refusal, Who};
use crate::sql::Class;
use crate::zone::QUERY_GUARD;

/// For people.
pub(super) fn as_text(explanation: &Explanation) -> String {
    let mut text = String::new();
    for (at, statement) in explanation.statements.iter().enumerate() {
        explain(&mut text, at + 1, statement, explanation);
    }
    if explanation.statements.is_empty() && explanation.message.is_empty() {
        text.push_str("nothing to execute: white space and comments only\n   verdict  allowed\n");
    }
    if !explanation.message.is_empty() {
        text.push_str("the message as a whole\n");
        if explanation.undescribed {
            text.push_str("   facts    not described\n");
        }
        guards(&mut text, &explanation.message, &explanation.who);
        verdict_line(&mut text, enforced(&explanation.message, &explanation.who));
    }
    match &explanation.refusal {
        Some(refusal) => client_sees(&mut text, refusal, explanation.statements.len()),
        None => {
            server_gets(&mut text, &explanation.upstream);
            if let Some(most) = explanation.max_rows() {
                let _ = writeln!(text, "Client gets:      {}", rows(most, &explanation.who));
            }
        }
    }
    fingerprint(&mut text, explanation);
    text
}

/// What bulk-export makes of more rows than `most`: only the answer shows how many there are.
fn rows(most: u64, who: &Who) -> String {
    let guard = Guard::BulkExport;
    match judged::mode(guard, who) {
        Mode::Enforce => {
            let id = guard.id();
            format!("at most {most} rows at a time; the next one is an error ({id}, 54000)")
        }
        _ => format!(
            "all rows; more than {most} at a time are counted ({})",
            guard.id()
        ),
    }
}

/// As the text goes as a simple query.
fn server_gets(text: &mut String, upstream: &Upstream) {
    let mut words = upstream.words.clone();
    if upstream.guarded {
        let guard = format!("\"{}\"", String::from_utf8_lossy(QUERY_GUARD));
        words.insert(words.len().saturating_sub(1), guard);
    }
    let _ = writeln!(text, "PostgreSQL gets:  {}", words.join(" + "));
}

fn explain(text: &mut String, number: usize, statement: &Explained, explanation: &Explanation) {
    let who = &explanation.who;
    let _ = writeln!(text, "{number:<2} {}", statement.text);
    let _ = writeln!(text, "   facts    {}", facts::line(&statement.facts));
    if !statement.relations.is_empty() && statement.facts.details.relations.is_none() {
        let _ = writeln!(text, "   names    {}", statement.relations.join(", "));
    }
    let refused = enforced(&statement.findings, who);
    if let (Some((zone, says)), None) = (explanation.zone(), refused) {
        let parameter = who.policy.zone.as_ref().map_or("", |zone| &zone.parameter);
        let how = match says {
            Says::Login => format!("{parameter} is set for its transaction"),
            Says::Startup => format!(
                "{parameter} as the startup packet says it, until the text sets another; RESET returns to it"
            ),
        };
        let _ = writeln!(text, "   zone     {zone} (plain: {how})");
    }
    guards(text, &statement.findings, who);
    verdict_line(text, refused);
}

fn verdict_line(text: &mut String, refused: Option<&Finding>) {
    let _ = match refused {
        Some(finding) => writeln!(
            text,
            "   verdict  REFUSED  {}\n",
            finding.objection.sqlstate
        ),
        None => text.write_str("   verdict  allowed\n\n"),
    };
}

fn guards(text: &mut String, findings: &[Finding], who: &Who) {
    if findings.is_empty() {
        text.push_str("   guards   none objects\n");
    }
    for (at, finding) in findings.iter().enumerate() {
        let label = if at == 0 { "guards" } else { "" };
        let place = format!("{}:{}", who.policy.file, finding.line(who));
        let _ = writeln!(
            text,
            "   {label:<8} {:<23} {:<8} {place:<20} {}",
            finding.id(),
            finding.word(who),
            finding.objection.message
        );
    }
}

fn client_sees(text: &mut String, refusal: &Refusal, statements: usize) {
    if statements > 1 {
        text.push_str("The message is refused as a whole; PostgreSQL would have run its statements in one transaction.\n");
    }
    let _ = writeln!(text, "Client sees:  ERROR:  {}", refusal.message);
    let _ = writeln!(text, "              DETAIL:  {}.", refusal.detail);
    if let Some(hint) = &refusal.hint {
        let _ = writeln!(text, "              HINT:  {hint}");
    }
}

/// What an `[[exception]]` would call it, if anything objects.
fn fingerprint(text: &mut String, explanation: &Explanation) {
    let objected = |statement: &Explained| !statement.findings.is_empty();
    let any = explanation.statements.iter().any(objected) || !explanation.message.is_empty();
    if let Some(fingerprint) = explanation.fingerprint.filter(|_| any) {
        let _ = writeln!(text, "Fingerprint:  {fingerprint}");
        if fingerprint.is_masked() {
            text.push_str(
                "              no exception: constants that may be passwords are no part of it\n",
            );
        }
    }
}

/// For programs.
pub(super) fn as_json(explanation: &Explanation) -> String {
    let who = &explanation.who;
    let refusal = explanation.refusal.as_ref();
    let value = json!({
        "login": who.login.name,
        "database": &*who.database,
        "zone": explanation.zone().map(|(zone, _)| zone),
        "zone_from": explanation.zone().map(|(_, says)| says.word()),
        "statements": explanation.statements.iter().map(|statement| statement_json(statement, who)).collect::<Vec<_>>(),
        "message_guards": explanation.message.iter().map(|finding| finding_json(finding, who)).collect::<Vec<_>>(),
        "described": !explanation.undescribed,
        "fingerprint": explanation.fingerprint.map(|fingerprint| fingerprint.to_string()),
        "verdict": verdict(refusal.is_some()),
        "error": refusal.map(error_json),
        "upstream": explanation.upstream.words,
        "max_rows": explanation.max_rows().filter(|_| refusal.is_none()),
    });
    format!("{value:#}\n")
}

fn verdict(refused: bool) -> &'static str {
    if refused { "refused" } else { "allowed" }
}

fn statement_json(statement: &Explained, who: &Who) -> Value {
    json!({
        "text": statement.text,
        "position": statement.facts.position,
        "tag": statement.facts.tag,
        "classes": statement.facts.classes.iter().map(Class::id).collect::<Vec<_>>(),
        "functions": statement.facts.functions,
        "parameters": facts::parameters(&statement.facts),
        "details": facts::details_json(&statement.facts.details),
        "relations": statement.relations,
        "guards": statement.findings.iter().map(|finding| finding_json(finding, who)).collect::<Vec<_>>(),
        "verdict": verdict(enforced(&statement.findings, who).is_some()),
    })
}

fn finding_json(finding: &Finding, who: &Who) -> Value {
    json!({
        "guard": finding.id(),
        "mode": finding.word(who),
        "line": finding.line(who),
        "sqlstate": finding.objection.sqlstate.as_str(),
        "message": finding.objection.message,
    })
}

fn error_json(refusal: &Refusal) -> Value {
    json!({
        "guard": refusal.by(),
        "sqlstate": refusal.sqlstate.as_str(),
        "message": refusal.message,
        "detail": refusal.detail,
        "hint": refusal.hint,
        "position": refusal.position,
    })
}
