//! Logins of the policy that could not log in, whatever their password: `auth_file` has no line for them, or
//! `key_file` no key.

use std::collections::HashMap;

use crate::auth::keys::ServerKeys;
use crate::auth::scram::Verifier;
use crate::auth::userlist;
use crate::config::shell::keys_add;
use crate::config::{Config, Problem};
use crate::policy::{Kind, Login, Policy};

/// Names that the log tells; of more only the number.
const MAX_TOLD: usize = 8;

/// What a login lacks.
#[derive(Debug, PartialEq, Eq)]
enum Lacks<'a> {
    /// A line of its own.
    Line,
    /// The key of this role.
    Key(&'a str),
}

/// In the order of the policy.
fn unproved<'a>(
    policy: &'a Policy,
    users: &HashMap<Box<str>, Verifier>,
    keys: &ServerKeys,
) -> Vec<(&'a Login, Lacks<'a>)> {
    let mut logins: Vec<&Login> = policy.logins.values().map(|login| &**login).collect();
    logins.sort_by_key(|login| login.line);
    let lacks = |login: &'a Login| {
        // A migrator proves itself with the token of its session.
        let migrates = login.kind == Kind::Migrator;
        let line = !migrates && !users.contains_key(&login.name);
        let role = login.server_role.as_ref().unwrap_or(&login.name);
        let key = (migrates || *role != login.name) && keys.get(role).is_none();
        let line = line.then_some((login, Lacks::Line));
        line.into_iter()
            .chain(key.then_some((login, Lacks::Key(role))))
    };
    logins.into_iter().flat_map(lacks).collect()
}

/// A warning for each of them. `lines`: what is wrong with lines of `auth_file`.
pub fn check_unproved(
    config: &Config,
    policy: &Policy,
    users: &HashMap<Box<str>, Verifier>,
    lines: &[userlist::Problem],
    keys: &ServerKeys,
) -> Vec<Problem> {
    let file = config.policy.display().to_string();
    let auth_file = config.auth.auth_file.display().to_string();
    let problem = |(login, lacks): (&Login, Lacks<'_>)| {
        let name = &login.name;
        let (message, help) = match (lacks, &config.auth.key_file) {
            (Lacks::Line, _) => {
                let own = |line: &&userlist::Problem| line.user.as_deref() == Some(name);
                match lines.iter().rev().find(own) {
                    Some(line) => (
                        format!(
                            "login \"{name}\" cannot log in: {auth_file}, line {}: {}",
                            line.line, line.message
                        ),
                        line.hint.clone(),
                    ),
                    None => (
                        format!("login \"{name}\" cannot log in: {auth_file} has no line for it"),
                        format!("its line: {}", line_of(name)),
                    ),
                }
            }
            (Lacks::Key(role), Some(key_file)) => (
                format!(
                    "login \"{name}\" cannot log in: {} has no key for role \"{role}\"",
                    key_file.display()
                ),
                keys_add(&key_file.display().to_string(), role, &auth_file),
            ),
            // An error already: the configuration must name a file of keys.
            (Lacks::Key(_), None) => return None,
        };
        Some(
            Problem::warning(&file, message)
                .on_line(login.line)
                .with_help(help),
        )
    };
    let unproved = unproved(policy, users, keys).into_iter();
    unproved.filter_map(problem).collect()
}

/// The statement that prints a role's line.
fn line_of(role: &str) -> String {
    let literal = role.replace('\'', "''");
    format!(
        "SELECT '\"' || rolname || '\" \"' || rolpassword || '\"' FROM pg_authid WHERE rolname = '{literal}'"
    )
}

/// One line of the log, if there is any.
pub fn note(policy: &Policy, users: &HashMap<Box<str>, Verifier>, keys: &ServerKeys) {
    let unproved = unproved(policy, users, keys);
    if unproved.is_empty() {
        return;
    }
    let logins = told(unproved.iter().map(|(login, _)| &*login.name));
    tracing::warn!(
        logins,
        hint = "portcullis check says of each what mends it",
        "logins of the policy that cannot log in: no line in auth_file, or no key"
    );
}

fn told<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    // One that lacks both stands there twice, one behind the other.
    names.dedup();
    let mut text = names[..names.len().min(MAX_TOLD)].join(", ");
    if let Some(more) = names.len().checked_sub(MAX_TOLD + 1) {
        text += &format!(" and {} more", more + 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"schema = 1
environment = "test"
[login.jobs]
kind = "service"
databases = ["shop"]
[login.mapped]
kind = "service"
databases = ["shop"]
server_role = "worker"
[login.migrator]
kind = "migrator"
databases = ["shop"]
"#;

    fn verifier() -> Verifier {
        crate::auth::scram::mock_verifier(&[0; 32], "anybody")
    }

    #[test]
    fn each_kind_lacks_what_it_needs() {
        let (policy, _) = Policy::parse(POLICY, "p.toml").unwrap();
        let keys = ServerKeys::parse("").unwrap();
        let found = |users: &[&str]| {
            let users = users.iter().map(|name| ((*name).into(), verifier()));
            let users = users.collect();
            let found = unproved(&policy, &users, &keys).into_iter();
            let found = found.map(|(login, lacks)| format!("{} {lacks:?}", login.name));
            found.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            found(&[]),
            "jobs Line, mapped Line, mapped Key(\"worker\"), migrator Key(\"migrator\")"
        );
        // Lines of others, and of a migrator's own, are no help.
        assert_eq!(
            found(&["jobs", "mapped", "worker", "migrator"]),
            "mapped Key(\"worker\"), migrator Key(\"migrator\")"
        );
    }

    #[test]
    fn few_names_are_told() {
        assert_eq!(told(["a", "b", "b", "c"].into_iter()), "a, b, c");
        let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let all = told(many.iter().map(String::as_str));
        assert_eq!(all, "0, 1, 2, 3, 4, 5, 6, 7 and 12 more");
        let eight = told(many.iter().take(8).map(String::as_str));
        assert_eq!(eight, "0, 1, 2, 3, 4, 5, 6, 7");
    }
}
