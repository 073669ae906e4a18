//! The forms of texts, by regular expressions of ECMA-262. Each fits whatever the parser takes; lengths, which it counts in
//! bytes, are counted in characters here.

use serde_json::{Value, json};

use crate::policy::parse::{MAX_NAME, MAX_REASON, MAX_TEXT};
use crate::policy::pattern::MAX_PATTERN;
use crate::policy::quantity::Measure;
use crate::policy::{Guard, MAX_ZONE};

/// What no name has, inside of brackets.
const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
const DURATION: &str = "us|ms|s|min|h|d";
const SIZE: &str = "B|kB|MB|GB|TB";
/// As ceilings are written.
const NUMBER: &str = r"(0|[1-9][0-9]*)(\.[0-9]+)?";

/// A text of this form and no more than so many characters; what does not fit is none.
fn form(about: &str, pattern: &str, most: usize) -> Value {
    json!({ "description": about, "type": "string", "minLength": 1, "maxLength": most, "pattern": pattern })
}

/// All but these texts.
fn but(mut text: Value, never: &[&str]) -> Value {
    text["not"] = json!({ "enum": never });
    text
}

/// One line.
fn line(about: &str, most: usize) -> Value {
    form(about, &format!("^[^{CONTROL}]+$"), most)
}

/// A name as PostgreSQL takes it.
pub(super) fn name(about: &str) -> Value {
    line(about, MAX_NAME)
}

/// The name of a login: not that of a migration session.
pub(super) fn login() -> Value {
    let mut login = name("a login");
    login["not"] = json!({ "pattern": r".\.mig_[0-9a-z]{8}$" });
    login
}

pub(super) fn database() -> Value {
    but(name("a database"), &["portcullis", "*"])
}

/// A role that SET LOCAL ROLE may name.
pub(super) fn role() -> Value {
    but(name("a role"), &["none", "*"])
}

/// A name in which `*` is any run of characters.
pub(super) fn pattern(about: &str) -> Value {
    let about = format!("{about}; * is any run of characters");
    line(&about, MAX_PATTERN)
}

/// The same without a schema.
pub(super) fn bare_pattern(about: &str) -> Value {
    let about = format!("{about}; * is any run of characters");
    form(&about, &format!("^[^.{CONTROL}]+$"), MAX_PATTERN)
}

/// A relation or a function.
pub(super) fn relation() -> Value {
    let part = format!(r#"(\*+|\**([^*."{CONTROL}]\**){{1,63}})"#);
    let about = "with or without its schema; * is any run of characters";
    form(about, &format!(r"^({part}\.)?{part}$"), MAX_PATTERN)
}

/// A command tag: PostgreSQL's words are upper case.
pub(super) fn tag() -> Value {
    let about = "DROP TABLE; * is any run of characters";
    form(about, &format!("^[^a-z{CONTROL}]+$"), MAX_PATTERN)
}

/// What row-level security reads.
pub(super) fn zone_parameter() -> Value {
    let word = "[A-Za-z_][A-Za-z0-9_]*";
    let about = "what row-level security reads, two words with a dot: app.tenant_id";
    form(about, &format!(r"^{word}(\.{word})+$"), MAX_NAME)
}

pub(super) fn noun() -> Value {
    let about = "the word your people use; errors use it too";
    form(about, r"^([A-Za-z]|[^\u0000-\u007f])+$", 32)
}

/// One zone.
pub(super) fn zone() -> Value {
    but(line("", MAX_ZONE), &["*"])
}

/// A zone, or a pattern of zones.
pub(super) fn zones() -> Value {
    form("", &format!("^\\**[^*{CONTROL}][^{CONTROL}]*$"), MAX_ZONE)
}

/// A name with one star, where the zone stands.
pub(super) fn one_star() -> Value {
    form("tenant_*", r"^([^*]+\*[^*]*|\*[^*]+)$", MAX_PATTERN)
}

pub(super) fn network() -> Value {
    let four = r"[0-9]{1,3}(\.[0-9]{1,3}){3}";
    let six = "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*";
    let pattern = format!("^({four}|{six})(/[0-9]+)?$");
    form("10.20.0.0/16", &pattern, MAX_PATTERN)
}

pub(super) fn duration(about: &str) -> Value {
    form(about, &format!(r"^[0-9]+\s*({DURATION})\s*$"), MAX_PATTERN)
}

/// The most that a client may set.
pub(super) fn ceiling(measure: Measure) -> Value {
    let with = |about: &str, unit: &str| {
        form(about, &format!(r"^\s*{NUMBER}\s*({unit})\s*$"), MAX_PATTERN)
    };
    match measure {
        Measure::Milliseconds => with("with a unit: us ms s min h d", DURATION),
        Measure::Kilobytes | Measure::Blocks => with("with a unit: B kB MB GB TB", SIZE),
        Measure::Number => {
            json!({ "type": ["string", "integer"], "minimum": 0, "pattern": format!(r"^\s*{NUMBER}\s*$") })
        }
    }
}

/// The reason or the version behind the name of an extension.
pub(super) fn behind_name(about: &str) -> Value {
    let mut line = line(about, MAX_REASON);
    line["type"] = json!(["string", "integer"]);
    line
}

/// The id of a rule.
pub(super) fn id() -> Value {
    let about = "stands where a guard's id stands";
    let id = form(about, "^[a-z][a-z0-9-]{0,62}$", MAX_NAME);
    but(id, &Guard::ALL.map(Guard::id))
}

/// What a client reads.
pub(super) fn told() -> Value {
    line("", MAX_TEXT)
}

pub(super) fn sqlstate() -> Value {
    let mut state = form("default 42501", "^[0-9A-Z]{5}$", 5);
    state["not"] = json!({ "pattern": "^0[012]" });
    state
}

pub(super) fn fingerprint() -> Value {
    let about =
        "the statement's fingerprint, 32 hex digits: statement ... in the DETAIL of the refusal";
    form(about, "^[0-9a-f]{32}$", 32)
}

/// Why there is an exception.
pub(super) fn reason() -> Value {
    form("why, and until when", r"\S", 1000)
}

pub(super) fn day() -> Value {
    let about = "the first day on which it is refused again: 2027-03-01";
    let mut day = form(about, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", 10);
    day["format"] = json!("date");
    day
}
