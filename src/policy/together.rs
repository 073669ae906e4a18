//! What configuration and policy must agree on.

use std::collections::BTreeSet;
use std::sync::Arc;

mod isolation;

use super::{Kind, Login, Policy, Protection, RouteName, ZoneSource};
use crate::config::{Config, Problem, SslMode};
use crate::zone::keys::ZoneKeys;

/// Everything that the policy asks for and the configuration does not provide, in the order of the
/// policy file. Lines are those of the policy, which is named as the configuration names it.
pub fn check_together(config: &Config, policy: &Policy) -> Vec<Problem> {
    let file = config.policy.display().to_string();
    let config_file = config
        .path
        .file_name()
        .map_or_else(|| "the configuration".into(), |name| name.to_string_lossy());
    let mut logins: Vec<&Login> = policy.logins.values().map(|login| &**login).collect();
    logins.sort_by_key(|login| login.line);
    let mut problems = Vec::new();
    problems.extend(unverified(config, policy));
    for login in logins {
        let lacks = |what: &str, missing: &str| {
            Problem::error(
                &file,
                format!(
                    "login \"{}\" {what}, but {config_file} has no {missing}",
                    login.name
                ),
            )
            .on_line(login.line)
        };
        if login.kind == Kind::Migrator {
            problems.extend(
                config
                    .registry
                    .is_none()
                    .then(|| lacks("needs migration sessions", "[registry]")),
            );
            problems.extend(
                config
                    .listen
                    .console
                    .is_none()
                    .then(|| lacks("needs migration sessions", "\"listen.console\"")),
            );
        }
        if login.route == RouteName::Session && config.session.is_none() {
            problems.push(lacks("has route \"session\"", "[route.session]"));
        }
        if login.route == RouteName::Replication && config.replication.is_none() {
            problems.push(lacks("has route \"replication\"", "[route.replication]"));
        }
        if config.auth.key_file.is_none() {
            // A migrator proves itself with a token and another role's password is not known here:
            // in both cases PgBouncer must be shown a key of our own.
            let mapped = login
                .server_role
                .as_ref()
                .is_some_and(|role| *role != login.name);
            let reason = (login.kind == Kind::Migrator)
                .then_some("is a migrator")
                .or(mapped.then_some("has a server_role"));
            problems.extend(reason.map(|what| {
                let role = login.server_role.as_ref().unwrap_or(&login.name);
                let auth_file = config.auth.auth_file.display();
                lacks(what, "\"auth.key_file\"").with_help(format!(
                    "make a key: portcullis keys add --key-file server-keys --role {role} --auth-file {auth_file}"
                ))
            }));
        }
        if matches!(login.zone, Some(ZoneSource::Certificate(_))) && !asks_for_certificates(config)
        {
            let problem = lacks(
                "has its zone from client certificates",
                "\"client_tls.ca_file\"",
            );
            problems.push(
                problem.with_help("ca_file in [client_tls]: the authority of those certificates"),
            );
        }
        if login.console.is_some() && config.listen.console.is_none() {
            let message = format!(
                "login \"{}\" may use the console, but {config_file} has no \"listen.console\"",
                login.name
            );
            problems.push(Problem::warning(&file, message).on_line(login.line));
        }
    }
    problems.extend(isolation::check(config, policy));
    problems
}

/// Databases whose zones are to be signed, and there is no key for them. `keys`: what `zone_key_file` says.
pub fn check_zone_keys(config: &Config, policy: &Policy, keys: &ZoneKeys) -> Vec<Problem> {
    let Some(zone) = &policy.zone else {
        return Vec::new();
    };
    if zone.protection != Protection::Signed {
        return Vec::new();
    }
    let zoned = |login: &&Arc<Login>| login.kind != Kind::Migrator;
    let databases = policy.logins.values().filter(zoned).flat_map(|login| {
        let databases = login.databases.iter();
        databases.filter(|database| login.zone.is_some() || zone.databases.contains(database))
    });
    let databases = databases.map(|database| &**database);
    let databases: BTreeSet<&str> = databases.filter(|it| keys.of(it).is_none()).collect();
    let problem = |database: &&str| {
        let message = format!(
            "[zone] protection = \"signed\", but there is no key for database \"{database}\" in {}",
            config.auth.zone_key_file.as_ref().map_or_else(
                || "\"auth.zone_key_file\"".into(),
                |it| it.display().to_string()
            ),
        );
        Problem::error(&config.policy.display().to_string(), message)
            .with_help("SELECT portcullis.add_key('k1') in that database returns its secret")
    };
    databases.iter().map(problem).collect()
}

fn asks_for_certificates(config: &Config) -> bool {
    let tls = &config.client_tls;
    tls.sslmode != SslMode::Disable && tls.ca_file.is_some()
}

/// TLS that verifies nobody, where the data are real.
fn unverified(config: &Config, policy: &Policy) -> Option<Problem> {
    let production = policy.environment.eq_ignore_ascii_case("production");
    if !production || config.server_tls.sslmode != SslMode::Require {
        return None;
    }
    let message = "[server_tls] sslmode = \"require\" does not verify who answers, \
                   and the policy's environment is \"production\"";
    let problem = Problem::warning(&config.path.display().to_string(), message);
    Some(problem.with_help("sslmode = \"verify-full\" and ca_file"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = r#"
        schema = 1
        policy = "p.toml"
        [listen]
        postgres = "127.0.0.1:6432"
        console = "/run/c.sock"
        [client_tls]
        sslmode = "disable"
        [server_tls]
        sslmode = "disable"
        [auth]
        auth_file = "u"
        key_file = "k"
        [route.transaction]
        hosts = ["a:1"]
        [route.session]
        hosts = ["b:1"]
        [registry]
        path = "r"
    "#;

    const POLICY: &str = r#"schema = 1
environment = "test"
[login.boris]
kind = "human"
databases = ["shop"]
console = "dba"
[login.jobs]
kind = "service"
databases = ["shop"]
route = "session"
[login.migrator]
kind = "migrator"
databases = ["shop"]
[login.mapped]
kind = "service"
databases = ["shop"]
server_role = "other"
[login.same]
kind = "service"
databases = ["shop"]
server_role = "same"
"#;

    /// The problems when these lines of the configuration are missing.
    fn without(lines: &[&str]) -> Vec<String> {
        let config = lines
            .iter()
            .fold(CONFIG.to_owned(), |config, line| config.replace(line, ""));
        let config = Config::parse(&config, Path::new("/etc/portcullis.toml"), 1).unwrap();
        let (policy, _) = Policy::parse(POLICY, "p.toml").unwrap();
        check_together(&config, &policy)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_complete_configuration_has_what_the_policy_asks_for() {
        assert_eq!(without(&[]), Vec::<String>::new());
    }

    #[test]
    fn production_should_know_who_answers() {
        for (environment, sslmode, warned) in [
            ("production", "require", 1),
            ("production", "verify-full", 0),
            ("production", "disable", 0),
            ("staging", "require", 0),
        ] {
            let ca = match sslmode {
                "verify-full" => "\nca_file = \"ca\"",
                _ => "",
            };
            let server = format!("[server_tls]\nsslmode = \"{sslmode}\"{ca}");
            let old = "[server_tls]\n        sslmode = \"disable\"";
            assert!(CONFIG.contains(old));
            let config = CONFIG.replace(old, &server);
            let config = Config::parse(&config, Path::new("/etc/portcullis.toml"), 1).unwrap();
            let policy = POLICY.replace("\"test\"", &format!("\"{environment}\""));
            let (policy, _) = Policy::parse(&policy, "p.toml").unwrap();
            let problems = check_together(&config, &policy);
            assert_eq!(problems.len(), warned, "{environment} {sslmode}");
            assert!(problems.iter().all(|problem| {
                !problem.is_error()
                    && problem.file == "/etc/portcullis.toml"
                    && problem.message.contains("does not verify")
            }));
        }
    }

    #[test]
    fn sessions_need_their_route() {
        assert_eq!(
            without(&["[route.session]", "hosts = [\"b:1\"]"]),
            [
                "error: login \"jobs\" has route \"session\", but portcullis.toml has no [route.session]\n  --> /etc/p.toml:7",
                "error: login \"migrator\" has route \"session\", but portcullis.toml has no [route.session]\n  --> /etc/p.toml:11",
            ]
        );
    }

    #[test]
    fn migrators_need_registry_and_console() {
        assert_eq!(
            without(&["[registry]", "path = \"r\""]),
            [
                "error: login \"migrator\" needs migration sessions, but portcullis.toml has no [registry]\n  --> /etc/p.toml:11"
            ]
        );
        assert_eq!(
            without(&["console = \"/run/c.sock\""]),
            [
                "warning: login \"boris\" may use the console, but portcullis.toml has no \"listen.console\"\n  --> /etc/p.toml:3",
                "error: login \"migrator\" needs migration sessions, but portcullis.toml has no \"listen.console\"\n  --> /etc/p.toml:11",
            ]
        );
    }

    #[test]
    fn other_roles_need_a_key() {
        assert_eq!(
            without(&["key_file = \"k\""]),
            [
                "error: login \"migrator\" is a migrator, but portcullis.toml has no \"auth.key_file\"\n  --> /etc/p.toml:11\n   = make a key: portcullis keys add --key-file server-keys --role migrator --auth-file /etc/u",
                "error: login \"mapped\" has a server_role, but portcullis.toml has no \"auth.key_file\"\n  --> /etc/p.toml:14\n   = make a key: portcullis keys add --key-file server-keys --role other --auth-file /etc/u",
            ]
        );
    }
}
