//! What differs between two policy files, for people who read the log. It compares what the files
//! say, key by key, so that a key of a later version shows without anybody thinking of it here.

use toml::{Table, Value};

/// Differences that are named; more are counted.
const MAX_NAMED: usize = 100;
/// Longest value shown, in characters.
const MAX_VALUE: usize = 200;

/// Every difference as a phrase of one line, at most [`MAX_NAMED`] and the number of the others.
/// Both texts are TOML; of one that is not, everything is different.
pub fn difference(old: &str, new: &str) -> Vec<String> {
    let read = |text: &str| toml::from_str::<Table>(text).unwrap_or_default();
    let mut found = Vec::new();
    tables("", &read(old), &read(new), &mut found);
    let others = found.len().saturating_sub(MAX_NAMED);
    found.truncate(MAX_NAMED);
    if others > 0 {
        found.push(format!("{others} more"));
    }
    found
}

fn tables(path: &str, old: &Table, new: &Table, found: &mut Vec<String>) {
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let path = match path {
            "" => name(key),
            path => format!("{path}.{}", name(key)),
        };
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => values(&path, old, new, found),
            (None, Some(new)) => one_sided(&path, new, "added", found),
            (Some(old), None) => one_sided(&path, old, "removed", found),
            (None, None) => {}
        }
    }
}

fn values(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Table(old), Value::Table(new)) => tables(path, old, new, found),
        (Value::Array(old), Value::Array(new)) if has_tables(old) || has_tables(new) => {
            for at in 0..old.len().max(new.len()) {
                let path = format!("{path}[{}]", at + 1);
                match (old.get(at), new.get(at)) {
                    (Some(old), Some(new)) => values(&path, old, new, found),
                    (None, Some(new)) => one_sided(&path, new, "added", found),
                    (Some(old), None) => one_sided(&path, old, "removed", found),
                    (None, None) => {}
                }
            }
        }
        (old, new) => found.push(format!("{path}: {} -> {}", shown(old), shown(new))),
    }
}

fn has_tables(values: &[Value]) -> bool {
    values.iter().any(Value::is_table)
}

/// A table of tables (`[login]`) is told by its members: the logins.
fn one_sided(path: &str, value: &Value, what: &str, found: &mut Vec<String>) {
    match value {
        Value::Table(table) if !table.is_empty() && table.values().all(Value::is_table) => {
            for (key, value) in table {
                one_sided(&format!("{path}.{}", name(key)), value, what, found);
            }
        }
        value => found.push(format!("{path} {what}: {}", shown(value))),
    }
}

/// A key as TOML writes it.
fn name(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !key.is_empty() && key.chars().all(bare) {
        true => key.to_owned(),
        false => format!("{key:?}"),
    }
}

fn shown(value: &Value) -> String {
    // The Display of a table would be lines of a file.
    let text = match value {
        Value::Table(table) => {
            let entries = table.iter();
            let entries = entries.map(|(key, value)| format!("{} = {}", name(key), shown(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        value => value.to_string().replace('\n', " "),
    };
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"
        mode = "enforce"
        [login.acme]
        kind = "service"
        zone = "acme"
        databases = ["shop"]
        [login.globex]
        kind = "service"
        [guards]
        procedural = "observe"
        [[exception]]
        login = "acme"
    "#;

    #[test]
    fn logins_guards_and_single_keys_are_told_apart() {
        let new = OLD
            .replace("zone = \"acme\"", "zone = \"umbrella\"")
            .replace("[\"shop\"]", "[\"shop\", \"app\"]")
            .replace("login.globex", "login.\"a b\"")
            .replace("procedural = \"observe\"", "copy-file = \"off\"")
            + "[[exception]]\nlogin = \"b\"\n[zone]\nnoun = \"tenant\"";
        assert_eq!(
            difference(OLD, &new),
            [
                "exception[2] added: { login = \"b\" }",
                "guards.copy-file added: \"off\"",
                "guards.procedural removed: \"observe\"",
                "login.\"a b\" added: { kind = \"service\" }",
                "login.acme.databases: [\"shop\"] -> [\"shop\", \"app\"]",
                "login.acme.zone: \"acme\" -> \"umbrella\"",
                "login.globex removed: { kind = \"service\" }",
                "zone added: { noun = \"tenant\" }",
            ]
        );
        assert_eq!(difference(OLD, &format!("# new\n{OLD}")), [""; 0]);
    }

    #[test]
    fn a_first_login_is_told_by_its_name_and_much_is_counted() {
        let many: String = (0..150)
            .map(|at| format!("[login.l{at}]\nkind = \"service\"\n"))
            .collect();
        let found = difference("", &many);
        assert_eq!(found.len(), MAX_NAMED + 1);
        assert_eq!(found[0], "login.l0 added: { kind = \"service\" }");
        assert_eq!(found[MAX_NAMED], "50 more");
        let long = difference("", &format!("a = \"{}\"", "x".repeat(5000)));
        assert!(long[0].len() < 300, "{}", long[0].len());
    }
}
