//! What configuration and policy must agree on.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

mod isolation;
mod routes;

use super::{Kind, Login, Policy, Protection, RouteName, ZoneSource};
use crate::config::shell::keys_add;
use crate::config::{Config, Problem, SslMode};
use crate::zone::keys::ZoneKeys;

/// Everything that the policy asks for and the configuration does not provide, in the order of the
/// policy file, and what routes of the configuration make of it. Lines are those of the policy, which is named as the configuration names it.
pub fn check_together(config: &Config, policy: &Policy) -> Vec<Problem> {
    let mut logins: Vec<&Login> = policy.logins.values().map(|login| &**login).collect();
    logins.sort_by_key(|login| login.line);
    let mut problems = unverified(config, policy).into_iter().collect::<Vec<_>>();
    for login in logins {
        problems.extend(missing(config, login));
        problems.extend(without_key(config, login));
        problems.extend(without_certificates(config, login));
        problems.extend(without_console(config, login));
    }
    problems.extend(isolation::check(config, policy));
    problems.extend(routes::check(config, policy));
    problems
}

fn config_file(config: &Config) -> Cow<'_, str> {
    let name = config.path.file_name();
    name.map_or_else(|| "the configuration".into(), |name| name.to_string_lossy())
}

/// Login `what`, but the configuration has no `missing`.
fn lacks(config: &Config, login: &Login, what: &str, missing: &str) -> Problem {
    let (name, config_file) = (&login.name, config_file(config));
    let message = format!("login \"{name}\" {what}, but {config_file} has no {missing}");
    Problem::error(&config.policy.display().to_string(), message).on_line(login.line)
}

/// What the kind and the route of a login stand on.
fn missing(config: &Config, login: &Login) -> impl Iterator<Item = Problem> {
    const SESSIONS: &str = "needs migration sessions";
    let migrates = login.kind == Kind::Migrator;
    let (session, replication) = (
        login.route == RouteName::Session,
        login.route == RouteName::Replication,
    );
    let all = [
        (
            migrates && config.registry.is_none(),
            SESSIONS,
            "[registry]",
        ),
        (
            migrates && config.listen.console.is_none(),
            SESSIONS,
            "\"listen.console\"",
        ),
        (
            session && config.session.is_none(),
            "has route \"session\"",
            "[route.session]",
        ),
        (
            replication && config.replication.is_none(),
            "has route \"replication\"",
            "[route.replication]",
        ),
    ];
    let missing = all.into_iter().filter(|(is_missing, ..)| *is_missing);
    missing.map(|(_, what, missing)| lacks(config, login, what, missing))
}

/// A migrator proves itself with a token and another role's password is not known here: in both cases PgBouncer must be
/// shown a key of our own.
fn without_key(config: &Config, login: &Login) -> Option<Problem> {
    let mapped = login.server_role.as_ref();
    let what = match mapped.is_some_and(|role| *role != login.name) {
        _ if config.auth.key_file.is_some() => return None,
        _ if login.kind == Kind::Migrator => "is a migrator",
        true => "has a server_role",
        false => return None,
    };
    let role = mapped.unwrap_or(&login.name);
    let auth_file = config.auth.auth_file.display().to_string();
    let keys_add = keys_add("server-keys", role, &auth_file);
    let lacks = lacks(config, login, what, "\"auth.key_file\"");
    Some(lacks.with_help(format!("make a key: {keys_add}")))
}

fn without_certificates(config: &Config, login: &Login) -> Option<Problem> {
    let wanted = matches!(login.zone, Some(ZoneSource::Certificate(_)));
    (wanted && !asks_for_certificates(config)).then(|| {
        let what = "has its zone from client certificates";
        lacks(config, login, what, "\"client_tls.ca_file\"")
            .with_help("ca_file in [client_tls]: the authority of those certificates")
    })
}

fn without_console(config: &Config, login: &Login) -> Option<Problem> {
    (login.console.is_some() && config.listen.console.is_none()).then(|| {
        let message = format!(
            "login \"{}\" may use the console, but {} has no \"listen.console\"",
            login.name,
            config_file(config)
        );
        let file = config.policy.display().to_string();
        Problem::warning(&file, message).on_line(login.line)
    })
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
