//! `portcullis report --suggest`: the modes that the guards could have now, and exceptions to fill in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;

use super::{Found, value};
use crate::cli::judged::count;
use crate::cli::output::printable;
use crate::policy::exception::EXEMPTIBLE;
use crate::policy::{Date, Guard, always_enforced};
use crate::sql::Fingerprint;

/// How long a suggested exception lasts.
const DAYS: i64 = 90;
/// Exceptions suggested at most; a policy takes 1000.
const MAX_EXCEPTIONS: usize = 200;

/// What else is to be said where the whole policy observes.
const WHOLE: &str = "\
# Then mode = \"observe\" at the top of the policy can become mode = \"enforce\".
";

/// What is known of one guard.
struct Known<'a> {
    guard: Guard,
    mode: &'a str,
    since: &'a str,
    /// Its mode stands in a table of its own.
    in_table: bool,
    /// What it would have refused and no exception lets past.
    open: u64,
    /// What it would have refused until there was an exception.
    exempt: u64,
}

/// A statement of a login that would have been refused.
struct Statement<'a> {
    count: u64,
    last: &'a str,
    text: &'a str,
}

/// What a guard's setting could be.
struct Setting {
    mode: &'static str,
    why: String,
    /// No policy can say anything else.
    always: bool,
}

/// Exceptions to fill in.
struct Exceptions<'a> {
    /// By guard, login and fingerprint, the most frequent first.
    list: Vec<((&'a str, &'a str, &'a str), Statement<'a>)>,
    /// How many are left out, being too many.
    more: usize,
    /// How many statements no exception can name.
    masked: usize,
    expires: Date,
}

/// Lines that a policy takes: [guards], in the place of its own, and exceptions.
pub(super) fn policy(found: &Found, today: Date) -> String {
    let known = known(found);
    let mut text = format!(
        "# By portcullis report --suggest. Counted since {}.\n\
         # [guards] goes in the place of the policy's own; its [guards.*] tables stay as they are.\n",
        found.since()
    );
    if whole(&known) {
        text.push_str(WHOLE);
    }
    text.push_str("\n[guards]\n");
    for known in &known {
        if let Some(setting) = setting(known) {
            let _ = writeln!(text, "{}", line(known, &setting)); // a String takes everything
        }
    }
    exceptions_as_text(&mut text, &exceptions(found, today));
    text
}

/// The same for programs.
pub(super) fn as_json(found: &Found, today: Date) -> String {
    let known = known(found);
    let guards = known.iter().filter_map(|known| {
        let Setting { mode, why, always } = setting(known)?;
        Some(json!({
            "guard": known.guard.id(),
            "mode": mode,
            "why": why,
            "always_enforced": always,
            "in_table": known.in_table,
        }))
    });
    let Exceptions {
        list,
        more,
        masked,
        expires,
    } = exceptions(found, today);
    let list = list.iter().map(|((guard, login, fingerprint), statement)| {
        json!({
            "guard": guard,
            "login": login,
            "fingerprint": fingerprint,
            "expires": expires.to_string(),
            "count": statement.count,
            "last_at": statement.last,
            "statement": statement.text,
        })
    });
    json!({
        "since": found.since(),
        "mode": whole(&known).then_some("enforce"),
        "guards": guards.collect::<Vec<_>>(),
        "exceptions": list.collect::<Vec<_>>(),
        "exceptions_left_out": more,
        "statements_without_exceptions": masked,
    })
    .to_string()
}

/// Does the whole policy observe?
fn whole(known: &[Known<'_>]) -> bool {
    known
        .iter()
        .any(|known| known.guard == Guard::FastPath && known.mode == "observe")
}

fn known(found: &Found) -> Vec<Known<'_>> {
    let rows = found.guards.rows.iter();
    rows.filter_map(|row| {
        let of = |column| value(&found.guards, row, column);
        let guard = Guard::from_id(of("guard")?)?;
        let (mut open, mut exempt) = (0, 0);
        for row in &found.rows.rows {
            let of = |column| value(&found.rows, row, column);
            if of("guard") == Some(guard.id()) && of("outcome") == Some("observed") {
                let count = of("count").and_then(|count| count.parse().ok());
                let to = match of("exempt_until") {
                    Some(_) => &mut exempt,
                    None => &mut open,
                };
                *to += count.unwrap_or(0);
            }
        }
        Some(Known {
            guard,
            mode: of("mode")?,
            since: of("mode_since")?,
            in_table: of("in_table").is_some(),
            open,
            exempt,
        })
    })
    .collect()
}

/// What one guard could be; none where it enforces already, as an unnamed one does.
fn setting(known: &Known<'_>) -> Option<Setting> {
    let since = known.since;
    let always = known.mode == "observe" && known.open > 0 && always_enforced(known.guard);
    let (mode, why) = match (known.mode, known.open, known.exempt) {
        ("observe", 0, 0) => (
            "enforce",
            format!("nothing would have been refused since {since}"),
        ),
        ("observe", 0, exempt) => (
            "enforce",
            format!("would have refused {}, all with exceptions", times(exempt)),
        ),
        ("observe", open, _) if always => {
            ("enforce", format!("would have refused {}", times(open)))
        }
        ("observe", open, _) => {
            let none = match EXEMPTIBLE.contains(&known.guard) {
                true => "",
                // What others have prepared, and where a transaction begins, is no matter of a mode.
                false if known.guard == Guard::ZoneParameter => {
                    "; it takes no exceptions, and PREPARE and EXECUTE stay refused"
                }
                false if known.guard == Guard::ZoneRequired => {
                    "; it takes no exceptions, and transactions that begin behind other statements of a query stay refused"
                }
                false => "; it takes no exceptions",
            };
            (
                "observe",
                format!("would have refused {}{none}", times(open)),
            )
        }
        ("off", ..) => ("off", "as it is".to_owned()),
        _ => return None,
    };
    Some(Setting { mode, why, always })
}

fn times(count: u64) -> String {
    format!("{count} time{}", if count == 1 { "" } else { "s" })
}

/// The line of one guard.
fn line(known: &Known<'_>, setting: &Setting) -> String {
    let (id, Setting { mode, why, .. }) = (known.guard.id(), setting);
    match (setting.always, known.in_table) {
        (true, _) => format!("# {id} is always enforced: {why}"),
        (false, true) => format!("# In [guards.{id}]: mode = \"{mode}\"  # {why}"),
        (false, false) => format!("{id} = \"{mode}\"  # {why}"),
    }
}

fn exceptions(found: &Found, today: Date) -> Exceptions<'_> {
    // By guard, login and fingerprint: a statement may come from several databases.
    let mut all: BTreeMap<(&str, &str, &str), Statement<'_>> = BTreeMap::new();
    // Statements that no exception can name.
    let mut masked = BTreeSet::new();
    for row in &found.rows.rows {
        let of = |column| value(&found.rows, row, column);
        let (Some(guard), Some(login), Some(fingerprint)) =
            (of("guard"), of("login"), of("fingerprint"))
        else {
            continue;
        };
        let takes = Guard::from_id(guard).is_some_and(|guard| EXEMPTIBLE.contains(&guard));
        if !takes || of("outcome") != Some("observed") || of("exempt_until").is_some() {
            continue;
        }
        if fingerprint.parse::<Fingerprint>().is_err() {
            masked.insert(fingerprint);
            continue;
        }
        let last = of("last_at").unwrap_or("");
        let statement = all.entry((guard, login, fingerprint)).or_insert(Statement {
            count: 0,
            last,
            text: of("statement").unwrap_or(""),
        });
        statement.last = statement.last.max(last);
        statement.count += of("count").and_then(|it| it.parse().ok()).unwrap_or(0);
    }
    let mut list: Vec<_> = all.into_iter().collect();
    list.sort_by_key(|(_, statement)| std::cmp::Reverse(statement.count));
    let more = list.len().saturating_sub(MAX_EXCEPTIONS);
    list.truncate(MAX_EXCEPTIONS);
    Exceptions {
        list,
        more,
        masked: masked.len(),
        expires: today.plus_days(DAYS),
    }
}

fn exceptions_as_text(text: &mut String, exceptions: &Exceptions<'_>) {
    let expires = exceptions.expires;
    for ((guard, login, fingerprint), statement) in &exceptions.list {
        let (count, last) = (statement.count, statement.last);
        let example = printable(statement.text);
        let login = serde_json::Value::from(*login);
        let _ = write!(
            text,
            "\n# {count} times, the last one {last}: {example}\n[[exception]]\n\
             guard = \"{guard}\"\nlogin = {login}\nfingerprint = \"{fingerprint}\"\n\
             reason = \"\"  # why, and who will miss it; without one the policy is refused\nexpires = {expires}\n"
        );
    }
    if exceptions.more > 0 {
        let _ = writeln!(text, "\n# and {} statements more", exceptions.more);
    }
    if exceptions.masked > 0 {
        let count = count(exceptions.masked, "statement");
        let _ = writeln!(
            text,
            "\n# without exceptions, as constants may be passwords: {count}"
        );
    }
}
