//! How findings are shown: for people, for programs, and as SQL.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::connection::Asked;
use super::examine::Examined;
use super::finding::{Finding, Word, counted, some};
use super::server::Answers;
use super::through::{Through, Way};
use crate::cli::output::printable;

/// Where a proof stands, in characters; behind a longer line it stands below.
const PROOF: usize = 72;

/// Longest statement that the screen shows, in characters.
const LONGEST: usize = 400;

/// What is said of an id that was looked for and is not there. Not all are worth a word.
const FINE: &[(&str, &str)] = &[
    ("leak-setting", "no SET is left behind"),
    ("leak-search-path", "no search_path is left behind"),
    ("leak-role", "no role is left behind"),
    ("leak-advisory-lock", "no lock outlives its client"),
    (
        "leak-named-statement",
        "drivers' prepared statements do not meet",
    ),
    ("leak-sql-prepare", "PREPARE leaves nothing"),
    ("leak-temp-table", "no temporary table is left behind"),
    ("leak-listen", "no LISTEN outlives its client"),
    ("owner-not-bound", "row-level security binds owners"),
    ("policy-open", "no policy lets everybody through"),
    ("view-owner-rights", "views keep to row-level security"),
    ("login-superuser", "no superuser login"),
    ("login-bypassrls", "no BYPASSRLS login"),
    ("password-md5", "SCRAM everywhere"),
    ("verifier-differs", "auth_file has PostgreSQL's verifiers"),
    (
        "definer-search-path",
        "SECURITY DEFINER functions have their search_path",
    ),
    (
        "relation-sets-parameters",
        "nobody sets parameters by another's view or rule",
    ),
    ("public-create", "DDL needs a privilege"),
    ("public-connect", "CONNECT needs a privilege"),
    ("advisory-locks", "advisory locks can be taken"),
];

/// The screen.
pub(super) fn as_text(examined: &Examined) -> String {
    let mut text = format!("{}\n\n", headline(examined));
    write_findings(&mut text, &examined.findings);
    write_fine(&mut text, &fine(examined));
    text.push('\n');
    text.push_str(&sums(&examined.findings));
    if !examined.probed {
        text.push_str("Leaks were not probed (--read-only).\n");
    }
    if let Some(through) = &examined.through {
        write_through(&mut text, through);
    }
    text
}

fn write_through(text: &mut String, through: &Through) {
    let address = printable(&through.address);
    let _ = writeln!(text, "\nThe same through Portcullis at {address}\n");
    write_findings(text, &through.findings);
    let mut lines = phrases(&through.fine);
    if !through.isolated.is_empty() {
        let tables = counted(through.isolated.len(), "table");
        lines.push(format!("{tables} with rows of our own zone only"));
    }
    write_fine(text, &lines);
    let (around, shown) = &through.around;
    if !shown.is_empty() {
        let tables = counted(shown.len(), "table");
        let _ = writeln!(
            text,
            "proof  at {around} set_config() shows rows of another zone in {tables}: {}",
            printable(&some(shown))
        );
    }
    let kept: Vec<&Way> = through
        .ways
        .iter()
        .filter(|way| way.seen.is_empty())
        .collect();
    if !kept.is_empty() {
        let way = |way: &&Way| match &way.refused_by {
            Some(guard) => format!("{} ({guard})", way.name),
            None => way.name.to_owned(),
        };
        let _ = writeln!(
            text,
            "proof  through Portcullis {} of {} to another zone {} none:",
            kept.len(),
            counted(through.ways.len(), "way"),
            if kept.len() == 1 { "shows" } else { "show" },
        );
        write_lines(text, "       ", &kept.iter().map(way).collect::<Vec<_>>());
    }
}

/// Most findings of one id that the screen shows.
const ALIKE: usize = 5;

fn write_findings(text: &mut String, findings: &[Finding]) {
    let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        let count = alike.entry(finding.id).or_default();
        *count += 1;
        if *count <= ALIKE {
            write_finding(text, finding);
        }
        // They come sorted by their word; those of one id need not stand together.
        let rest = &findings[at + 1..];
        if *count == ALIKE + 1 {
            let more = 1 + rest.iter().filter(|other| other.id == finding.id).count();
            let word = finding.word().text();
            let _ = writeln!(text, "{word:<6} and {more} more of {}: --json", finding.id);
        }
    }
}

fn headline(examined: &Examined) -> String {
    let server = &examined.server;
    let version = &server.version;
    let mode = match (&examined.console, server.shared) {
        (Some(console), _) => format!("{} mode", console.mode(&examined.dsn.database)),
        (None, true) => "transaction mode".to_owned(),
        (None, false) => "pool mode not known".to_owned(),
    };
    let name = match (
        server.answers,
        examined
            .console
            .as_ref()
            .and_then(|console| console.version),
    ) {
        (Answers::PostgreSql, _) => {
            return format!("PostgreSQL {version} itself: no pool in between");
        }
        (Answers::Portcullis, Some(version)) => format!("Portcullis, PgBouncer {version} behind"),
        (Answers::Portcullis, None) => "Portcullis".to_owned(),
        (_, Some(version)) => format!("PgBouncer {version}"),
        (Answers::PgBouncer, None) => "PgBouncer (version not known)".to_owned(),
        (Answers::Pooler, None) => "A pooler".to_owned(),
    };
    let databases = match &examined.console {
        Some(console) => format!(", {}", counted(console.databases, "database")),
        None => String::new(),
    };
    format!("{name}, {mode}{databases}, PostgreSQL {version}")
}

fn write_finding(text: &mut String, finding: &Finding) {
    let line = format!("{:<6} {}", finding.word().text(), printable(&finding.text));
    // A String takes everything.
    let _ = match &finding.proof {
        None => writeln!(text, "{line}"),
        Some(proof) if line.chars().count() < PROOF => writeln!(text, "{line:<PROOF$}{proof}"),
        Some(proof) => writeln!(text, "{line}\n         {proof}"),
    };
    if let Some(first) = finding.sql.first() {
        let more = match finding.sql.len() - 1 {
            0 => String::new(),
            more => format!("   (and {more} more: --sql)"),
        };
        // Half a statement would be worse than none.
        let _ = match first.chars().count() > LONGEST {
            true => writeln!(text, "         fix  --sql prints it: the statement is long"),
            false => writeln!(text, "         fix  {first};{more}"),
        };
    }
    if let Some(advice) = &finding.advice {
        let word = if finding.sql.is_empty() { "fix" } else { "but" };
        let _ = writeln!(text, "         {word}  {}", printable(advice));
    }
}

fn phrases(ids: &[&str]) -> Vec<String> {
    let phrase = |id: &&str| {
        let found = FINE.iter().find(|(known, _)| known == id);
        found.map(|(_, phrase)| (*phrase).to_owned())
    };
    ids.iter().filter_map(phrase).collect()
}

fn fine(examined: &Examined) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(tls) = examined.tls {
        lines.push(format!("{tls}, {}", examined.dsn.sslmode.name()));
    }
    if examined.asked == Asked::Scram {
        lines.push("login by SCRAM".to_owned());
    }
    if examined.fine.contains(&"table-without-policy") && !examined.zone.columns.is_empty() {
        let columns = examined.zone.columns.join(" or ");
        lines.push(format!("every table with {columns} has row-level security"));
    }
    lines.extend(phrases(&examined.fine));
    lines
}

fn write_fine(text: &mut String, lines: &[String]) {
    write_lines(text, "fine   ", lines);
}

/// Phrases, as many on a line as fit behind `word`.
fn write_lines(text: &mut String, word: &str, lines: &[String]) {
    const WIDTH: usize = 100;
    let mut line = String::new();
    for (at, phrase) in lines.iter().enumerate() {
        let phrase = printable(phrase);
        let end = if at + 1 < lines.len() { ";" } else { "" };
        if !line.is_empty() && line.len() + phrase.len() + 2 > WIDTH - 7 {
            let _ = writeln!(text, "{word}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&phrase);
        line.push_str(end);
    }
    if !line.is_empty() {
        let _ = writeln!(text, "{word}{line}");
    }
}

/// Distinct ids of a word: all of them, and those that Portcullis closes.
fn kinds(findings: &[Finding], word: Word) -> (usize, usize) {
    let mut ids: Vec<(&str, bool)> = findings
        .iter()
        .filter(|finding| finding.word() == word)
        .map(|finding| (finding.id, finding.closed()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    (ids.len(), ids.iter().filter(|(_, closed)| *closed).count())
}

fn sums(findings: &[Finding]) -> String {
    let (leaks, leaks_closed) = kinds(findings, Word::Leak);
    let (open, open_closed) = kinds(findings, Word::Open);
    let (old, _) = kinds(findings, Word::Old);
    let all = leaks + open + old;
    if all == 0 {
        return "Nothing was found.\n".to_owned();
    }
    let mut parts = Vec::new();
    if leaks > 0 {
        parts.push(format!("LEAK {leaks_closed} of {leaks}"));
    }
    if open > 0 {
        parts.push(format!("OPEN {open_closed} of {open}"));
    }
    let kinds = if all == 1 { "kind" } else { "kinds" };
    let mut text = format!("{all} {kinds} of leak or hole.");
    if !parts.is_empty() {
        let _ = write!(text, " What Portcullis would close: {}.", parts.join(", "));
    }
    let sql: usize = findings.iter().map(|finding| finding.sql.len()).sum();
    if sql > 0 {
        let _ = write!(text, " --sql prints the statements.");
    }
    text.push('\n');
    text
}

/// The statements, each finding's behind a comment. To be read before they are run.
pub(super) fn as_sql(examined: &Examined) -> String {
    let mut text = String::new();
    for finding in examined
        .findings
        .iter()
        .filter(|finding| !finding.sql.is_empty())
    {
        let _ = writeln!(text, "-- {}: {}", finding.id, printable(&finding.text));
        for statement in &finding.sql {
            let _ = writeln!(text, "{statement};");
        }
        text.push('\n');
    }
    text
}

fn finding_as_json(finding: &Finding) -> Value {
    json!({
        "id": finding.id,
        "word": finding.word().text().to_lowercase(),
        "text": finding.text,
        "proof": finding.proof,
        "objects": finding.objects,
        "sql": finding.sql,
        "advice": finding.advice,
        "closed_by_portcullis": finding.closed(),
    })
}

fn way_as_json(way: &Way) -> Value {
    json!({ "way": way.name, "refused_by": way.refused_by, "seen": way.seen })
}

/// One object; its fields are stable.
pub(super) fn as_json(examined: &Examined) -> String {
    let findings = |findings: &[Finding]| findings.iter().map(finding_as_json).collect::<Vec<_>>();
    let console = examined.console.as_ref();
    let mode = match console {
        Some(console) => Some(console.mode(&examined.dsn.database)),
        None => examined.server.shared.then_some("transaction"),
    };
    let counts = [Word::Leak, Word::Open, Word::Old].map(|word| {
        let (all, closed) = kinds(&examined.findings, word);
        (
            word.text().to_lowercase(),
            json!({ "kinds": all, "closed_by_portcullis": closed }),
        )
    });
    let through = examined.through.as_ref().map(|through| {
        json!({
            "address": through.address,
            "findings": findings(&through.findings),
            "fine": through.fine,
            "guards": through.guards,
            "isolated": through.isolated,
            "empty": through.empty,
            "ways": through.ways.iter().map(way_as_json).collect::<Vec<_>>(),
            "around": { "address": through.around.0, "seen": through.around.1 },
        })
    });
    let report = json!({
        "server": {
            "kind": examined.server.answers.id(),
            "pgbouncer": console.and_then(|console| console.version).map(|version| version.to_string()),
            "pool_mode": mode,
            "databases": console.map(|console| console.databases),
            "postgresql": examined.server.version,
        },
        "connection": {
            "address": examined.dsn.address(),
            "user": examined.dsn.user,
            "database": examined.dsn.database,
            "sslmode": examined.dsn.sslmode.name(),
            "tls": examined.tls,
            "authentication": match examined.asked {
                Asked::Nothing => "none",
                Asked::Cleartext => "password",
                Asked::Scram => "scram-sha-256",
            },
        },
        "zone": {
            "columns": examined.zone.columns,
            "parameters": examined.zone.parameters,
            "guessed": examined.zone.guessed,
        },
        "probed": examined.probed,
        "findings": findings(&examined.findings),
        "fine": examined.fine,
        "guards": examined.guards,
        "counts": counts.into_iter().collect::<serde_json::Map<_, _>>(),
        "through_portcullis": through,
    });
    format!("{report}\n")
}
