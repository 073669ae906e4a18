//! `[guards]` and `[guards.ID]`.

use super::super::Guard;
use super::super::file::{GuardSetting, Kind, Login, Mode};
use super::super::guards::extensions::same;
use super::super::options::{Extensions, Options, Parameters};
use super::super::pattern::{NamePattern, Pattern};
use super::super::quantity::{BOUNDED, Ceiling, Measure};
use super::names::{name, name_pattern, pattern, relations, values};
use crate::config::problem::did_you_mean;
use crate::config::reader::{Located, Reader, Span, Table, Wrong, one_of};
use crate::sql::FUNCTIONS;

/// Guards that everything else stands on: what cannot be judged would pass all the others as well.
pub(in crate::policy) const ALWAYS_ENFORCED: [Guard; 5] = [
    Guard::FastPath,
    Guard::UnknownStatement,
    Guard::StatementBounds,
    Guard::UnknownName,
    Guard::Replication,
];

/// Is this a guard whose mode cannot be set?
pub fn always_enforced(guard: Guard) -> bool {
    ALWAYS_ENFORCED.contains(&guard)
}

/// Can `[guards.ID]` say more of this guard than its mode?
pub fn has_settings(guard: Guard) -> bool {
    matches!(
        guard,
        Guard::DdlOutsideMigration
            | Guard::Parameters
            | Guard::Extensions
            | Guard::AppendOnly
            | Guard::DeniedRelations
            | Guard::DangerousFunctions
            | Guard::Functions
    )
}

/// The words for a guard's mode.
pub(in crate::policy) const MODES: [(&str, Mode); 3] = [
    ("enforce", Mode::Enforce),
    ("observe", Mode::Observe),
    ("off", Mode::Off),
];

/// Guards of later versions, so that a policy written for one of them gets a true answer.
const LATER_GUARDS: [&str; 2] = ["large-table", "still-in-use"];

/// Longest reason of a removed extension, in bytes.
pub(in crate::policy) const MAX_REASON: usize = 300;

/// The modes of all guards, and what their tables say. `line`: what an unnamed guard refers to, where
/// there is no `[guards]`.
pub(super) fn guards(
    reader: &mut Reader<'_>,
    table: Option<Table<'_>>,
    line: u32,
    logins: &mut [(Login, Span)],
) -> ([GuardSetting; Guard::ALL.len()], Options) {
    let line = table
        .as_ref()
        .map_or(line, |table| reader.source.line(table.span.start));
    let unnamed = GuardSetting {
        mode: Mode::Enforce,
        line,
        table: false,
    };
    let mut settings = [unnamed; Guard::ALL.len()];
    settings[Guard::MultiStatement as usize].mode = Mode::Off;
    let mut options = Options::default();
    let Some(mut table) = table else {
        return (settings, options);
    };
    for guard in Guard::ALL {
        let setting = &mut settings[guard as usize];
        if !table.has_table(guard.id()) {
            let mode = reader.parsed(&mut table, guard.id(), |text| mode(text, guard));
            if let Some(mode) = mode {
                *setting = GuardSetting {
                    mode: mode.value,
                    line: reader.source.line(mode.span.start),
                    table: false,
                };
            }
        } else if let Some(mut table) = reader.table(&mut table, guard.id()) {
            setting.table = true;
            setting.line = reader.source.line(table.span.start);
            setting.mode = Mode::Enforce;
            if let Some(mode) = reader.parsed(&mut table, "mode", |text| mode(text, guard)) {
                setting.mode = mode.value;
            }
            told(reader, guard, &mut table, &mut options, logins);
            reader.finish(table);
        }
    }
    for key in LATER_GUARDS {
        reader.not_yet(&mut table, key);
    }
    reader.finish(table);
    (settings, options)
}

fn mode(text: &str, guard: Guard) -> Result<Mode, Wrong> {
    let mode = one_of(text, &MODES)?;
    match mode != Mode::Enforce && ALWAYS_ENFORCED.contains(&guard) {
        true => Err(
            Wrong::new(format!("guard \"{}\" is always enforced", guard.id()))
                .help("the others stand on it; remove the line"),
        ),
        false => Ok(mode),
    }
}

/// What a guard is told beside its mode.
fn told(
    reader: &mut Reader<'_>,
    guard: Guard,
    table: &mut Table<'_>,
    options: &mut Options,
    logins: &mut [(Login, Span)],
) {
    match guard {
        Guard::DdlOutsideMigration => {
            options.temporary_tables =
                values(reader.list(table, "temporary_tables", temporary_table));
        }
        Guard::Parameters => options.parameters = parameters(reader, table),
        Guard::Extensions => options.extensions = extensions(reader, table),
        Guard::AppendOnly => {
            let said = table.names().contains(&"relations");
            let named = relations(reader, table, "relations");
            if !said || named.as_ref().is_some_and(Vec::is_empty) {
                let message = "guard \"append-only\" names no relation: nothing is append-only";
                let help = "relations = [\"public.audit_events\"]";
                reader.warning(table.span.clone(), message, help);
            }
            options.append_only = named.unwrap_or_default();
        }
        Guard::DeniedRelations => denied_relations(reader, table, logins),
        Guard::DangerousFunctions => {
            let allow = values(reader.list(table, "allow", guarded_function));
            options.allowed_functions = allow.unwrap_or_default();
            options.denied_functions = functions(reader, table, "deny").unwrap_or_default();
        }
        Guard::Functions => {
            options.functions = functions(reader, table, "allow");
        }
        _ => {}
    }
}

fn parameters(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Parameters {
    let ceiling_table = reader.table(table, "ceilings");
    let parameter = |text: &str| pattern(&text.to_ascii_lowercase());
    Parameters {
        ceilings: ceiling_table.map_or_else(Vec::new, |table| ceilings(reader, table)),
        denied: values(reader.list(table, "denied", parameter)).unwrap_or_default(),
        transaction_only: values(reader.list(table, "transaction_only", parameter))
            .unwrap_or_default(),
    }
}

/// `{ statement_timeout = "15min", ... }`
pub(super) fn ceilings(reader: &mut Reader<'_>, table: Table<'_>) -> Vec<Ceiling> {
    let list = reader.entries(table, |name, text| {
        let folded = name.to_ascii_lowercase();
        let Some(parameter) = BOUNDED.iter().find(|bounded| bounded.name == folded) else {
            let near = did_you_mean(&folded, BOUNDED.iter().map(|bounded| bounded.name));
            return Err(
                Wrong::new(format!("parameter \"{name}\" cannot have a ceiling")).help(
                    match near {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => {
                            "[guards.parameters] denied = [...] forbids to set it at all".to_owned()
                        }
                    },
                ),
            );
        };
        Ceiling::new(parameter, text).ok_or_else(|| {
            Wrong::new(format!("\"{text}\" is not a ceiling of \"{name}\"")).help(
                match parameter.measure {
                    Measure::Milliseconds => "a number and a unit, more than 0: us ms s min h d",
                    Measure::Kilobytes | Measure::Blocks => "a number and a unit: B kB MB GB TB",
                    Measure::Number => "a number without a unit",
                },
            )
        })
    });
    list.into_iter().map(|ceiling| ceiling.value).collect()
}

fn extensions(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Extensions {
    let extension = |text: &str| name(text, "the name of an extension");
    let approved = reader.list(table, "approved", extension);
    let by_approval = reader.list(table, "by_approval", extension);
    let removed = reader.table(table, "removed");
    let min_version = reader.table(table, "min_version");
    let mut pairs = |table: Option<Table<'_>>, what: &str| {
        let Some(table) = table else {
            return Vec::new();
        };
        reader.entries(table, |key, text| {
            let one_line =
                !text.is_empty() && text.len() <= MAX_REASON && !text.chars().any(char::is_control);
            match one_line {
                true => Ok((extension(key)?, text.into())),
                false => Err(Wrong::new(format!(
                    "{what} is one line of at most {MAX_REASON} bytes"
                ))),
            }
        })
    };
    let removed = pairs(removed, "the reason");
    let min_version = pairs(min_version, "a version");
    let listed = |key, list: &Option<Located<Vec<Located<Box<str>>>>>| {
        let list = list.iter().flat_map(|list| &list.value);
        let named = list.map(|item| (key, item.value.clone(), item.span.clone()));
        named.collect::<Vec<_>>()
    };
    let mut named = listed("approved", &approved);
    named.extend(listed("by_approval", &by_approval));
    let reasons = removed.iter();
    named.extend(reasons.map(|pair| ("removed", pair.value.0.clone(), pair.span.clone())));
    told_once(reader, &named);
    for pair in &min_version {
        oldest_is_one(reader, pair, &named);
    }
    let plain = |list: Vec<Located<(Box<str>, Box<str>)>>| {
        let plain = list.into_iter().map(|pair| pair.value);
        plain.collect()
    };
    Extensions {
        approved: values(approved),
        by_approval: values(by_approval).unwrap_or_default(),
        removed: plain(removed),
        min_version: plain(min_version),
    }
}

/// One of two lists that name the same extension is without effect.
fn told_once(reader: &mut Reader<'_>, named: &[(&str, Box<str>, Span)]) {
    // As the guard looks at them.
    let rank = |key| {
        ["removed", "approved", "by_approval"]
            .iter()
            .position(|other| *other == key)
    };
    for (at, (key, name, span)) in named.iter().enumerate() {
        let before = named[..at].iter().find(|(_, other, _)| same(name, other));
        let Some((other, ..)) = before.filter(|(other, ..)| other != key) else {
            continue;
        };
        let wins = if rank(*key) < rank(*other) {
            key
        } else {
            other
        };
        let message = format!("extension \"{name}\" is in both {other} and {key}");
        reader.warning(
            span.clone(),
            message,
            format!("{wins} goes before the other; remove one"),
        );
    }
}

/// An oldest version that is compared with nothing, or with which everything compares as newer.
fn oldest_is_one(
    reader: &mut Reader<'_>,
    Located { value, span }: &Located<(Box<str>, Box<str>)>,
    named: &[(&str, Box<str>, Span)],
) {
    let (name, version) = value;
    if !named.is_empty() && !named.iter().any(|(_, other, _)| same(name, other)) {
        let near = did_you_mean(name, named.iter().map(|(_, other, _)| &**other));
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "name it in approved, too: it is refused in every version".to_owned(),
        };
        let message = format!("extension \"{name}\" is in min_version only");
        reader.warning(span.clone(), message, help);
    }
    if !version.bytes().any(|byte| byte.is_ascii_digit()) {
        let message = format!("\"{version}\" is no version: every number is newer");
        reader.warning(span.clone(), message, "for example \"1.3\"");
    }
}

/// Names of functions; one that nobody writes so fits none.
fn functions(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    key: &'static str,
) -> Option<Vec<NamePattern>> {
    let list = reader.list(table, key, name_pattern)?;
    let odd = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '\'' | ',' | ';');
    for name in &list.value {
        let text = reader
            .source
            .text
            .get(name.span.clone())
            .unwrap_or_default();
        let text = text.trim_matches(['"', '\'']);
        if text.contains(odd) {
            let message = format!("no function is called \"{}\"", text.replace('\\', ""));
            let help = "its name alone, as PostgreSQL stores it: \"f\", \"schema.f\" or \"f_*\"";
            reader.warning(name.span.clone(), message, help);
        }
    }
    values(Some(list))
}

/// What is denied to all, to a kind and to a login itself is kept with the login.
fn denied_relations(reader: &mut Reader<'_>, table: &mut Table<'_>, logins: &mut [(Login, Span)]) {
    let mut add = |key: &'static str, kind: Option<Kind>| {
        let denied = relations(reader, table, key).unwrap_or_default();
        for (login, _) in logins.iter_mut() {
            if kind.is_none_or(|kind| kind == login.kind) {
                login.denied_relations.extend_from_slice(&denied);
            }
        }
    };
    add("all", None);
    for (word, kind) in super::KINDS {
        add(word, Some(kind));
    }
}

/// What a temporary table may be called.
fn temporary_table(text: &str) -> Result<Pattern, Wrong> {
    match text.contains('.') {
        true => Err(
            Wrong::new(format!("\"{text}\" is not a name without a schema"))
                .help("as in CREATE TEMPORARY TABLE: \"tmp_*\""),
        ),
        false => pattern(text),
    }
}

/// The name of a function that `dangerous-functions` refuses.
fn guarded_function(text: &str) -> Result<&'static str, Wrong> {
    let names = || FUNCTIONS.iter().map(|(name, _)| *name);
    names().find(|name| *name == text).ok_or_else(|| {
        let wrong = Wrong::new(format!(
            "function \"{text}\" is not one that this guard refuses"
        ));
        match did_you_mean(text, names()) {
            Some(near) => wrong.help(format!("did you mean \"{near}\"?")),
            None => wrong.help("remove it; portcullis help dangerous-functions"),
        }
    })
}
