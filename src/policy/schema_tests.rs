//! The schema says what the parser reads.

use std::collections::BTreeSet;

use super::super::Policy;
use super::super::parse::known_keys;
use super::validator::wrong;
use super::*;

const SHIPPED: [&str; 3] = [
    include_str!("../../policies/production.toml"),
    include_str!("../../policies/staging.toml"),
    include_str!("../../policies/development.toml"),
];

/// Every table that there can be.
fn complete() -> String {
    let tables: String = Guard::ALL
        .iter()
        .map(|guard| format!("[guards.{}]\nmode = \"enforce\"\n", guard.id()))
        .collect();
    format!(
        "schema = 1\nenvironment = \"test\"\n[zone]\nparameter = \"a.b\"\ndatabases = [\"d\"]\n\
         [login.l]\nkind = \"service\"\ndatabases = [\"d\"]\nzone = {{ from = \"client\", values = \"any\" }}\n{tables}[migrations]\n\
         [[rule]]\nid = \"r\"\nmessage = \"m\"\nwhen = {{ migration = true }}\n\
         [[exception]]\nguard = \"procedural\"\nlogin = \"l\"\nfingerprint = \"0123456789abcdef0123456789abcdef\"\nreason = \"r\"\nexpires = 2027-03-01\n"
    )
}

/// The part of the schema for a table by its dotted name.
fn part(name: &str) -> Value {
    let mut part = schema();
    for word in name.split('.').filter(|word| !word.is_empty()) {
        let inner = match &part["properties"][word] {
            Value::Null => &part["additionalProperties"],
            inner => inner,
        };
        let inner = match (&inner["items"], &inner["anyOf"][1]) {
            (Value::Null, Value::Null) => inner,
            (Value::Null, of) => of,
            (items, _) => items,
        };
        part = inner.clone();
    }
    part
}

#[test]
fn every_key_that_the_parser_reads_is_there_and_no_other() {
    let tables = known_keys(&complete());
    assert!(tables.len() > Guard::ALL.len() + 5, "{tables:?}");
    for (name, keys) in tables {
        let part = part(&name);
        let described: BTreeSet<&str> = part["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("[{name}] is not in the schema"))
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(described, keys.into_iter().collect(), "[{name}]");
    }
}

#[test]
fn the_shipped_schema_is_this_one() {
    let shipped = include_str!("../../policies/policy.schema.json");
    assert_eq!(
        text(),
        shipped,
        "portcullis help policy-schema > policies/policy.schema.json"
    );
}

fn json_of(text: &str) -> Value {
    let tree: toml::Value = toml::from_str(text).unwrap();
    json_of_value(&tree)
}

pub fn json_of_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::Table(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), json_of_value(value)))
            .collect(),
        toml::Value::Array(list) => list.iter().map(json_of_value).collect(),
        toml::Value::Datetime(at) => json!(at.to_string()),
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(is) => json!(is),
    }
}

#[test]
fn what_the_parser_accepts_fits() {
    let complete = complete()
        .replace(
            "[guards.parameters]\n",
            "[guards.parameters]\nceilings = { work_mem = \"1MB\", max_parallel_workers = 2 }\n",
        )
        .replace(
            "[guards.extensions]\n",
            "[guards.extensions]\napproved = [\"citext\"]\nremoved = { age = \"why\" }\n",
        );
    for text in SHIPPED.into_iter().chain([&*complete]) {
        assert!(Policy::parse(text, "p.toml").is_ok(), "{text}");
        assert_eq!(wrong(&schema(), &json_of(text), ""), None, "{text}");
    }
}

#[test]
fn what_the_parser_refuses_does_not_fit() {
    for (from, to, place) in [
        ("schema = 1", "schema = 2", ".schema: not the constant"),
        ("[zone]", "[zones]", ".zones: unknown"),
        (
            "kind = \"service\"",
            "kind = \"person\"",
            ".login.l.kind: not one of the words",
        ),
        ("environment = \"test\"", "", ".environment: missing"),
        (
            "databases = [\"d\"]\nzone",
            "databases = [1]\nzone",
            ".login.l.databases: integer",
        ),
        (
            "values = \"any\" }",
            "values = \"every\" }",
            ".login.l.zone: none",
        ),
        (
            "from = \"client\", values",
            "from = \"nobody\", values",
            ".login.l.zone: none",
        ),
        (
            "guard = \"procedural\"",
            "guard = \"copy-file\"",
            ".exception.guard: not one of the words",
        ),
        (
            "[guards.procedural]\n",
            "[guards.procedural]\nallow = []\n",
            ".guards.procedural: none",
        ),
    ] {
        let text = complete().replacen(from, to, 1);
        assert_ne!(text, complete(), "{from}");
        assert!(Policy::parse(&text, "p.toml").is_err(), "{text}");
        let found = wrong(&schema(), &json_of(&text), "").unwrap_or_default();
        assert!(found.starts_with(place), "{found}");
    }
}
