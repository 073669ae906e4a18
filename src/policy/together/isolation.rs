//! `[isolation]` of the configuration asks with logins of the policy.

use std::sync::Arc;

use super::super::{Kind, Login, Policy, RouteName, ZoneSource};
use crate::config::shell::keys_add;
use crate::config::{Config, Isolation, Problem};

/// What the policy does not have of what `[isolation]` asks with.
pub(super) fn check(config: &Config, policy: &Policy) -> Vec<Problem> {
    let Some(isolation) = &config.isolation else {
        return Vec::new();
    };
    let file = config.path.display().to_string();
    let problem = |what: String| Problem::error(&file, format!("[isolation]: {what}"));
    let mut problems = Vec::new();
    if policy.zone.is_none() {
        problems.push(problem("the policy has no [zone]".to_owned()));
    }
    if config.auth.key_file.is_none() {
        let keys = problem("there is no \"auth.key_file\" to log in with".to_owned());
        let auth_file = config.auth.auth_file.display().to_string();
        let keys_add = keys_add("server-keys", "ROLE", &auth_file);
        problems.push(keys.with_help(format!("make a key for each role: {keys_add}")));
    }
    for name in &isolation.logins {
        let unfit = match policy.logins.get(name) {
            None => Some("is not in the policy".to_owned()),
            Some(login) if matches!(login.kind, Kind::Migrator | Kind::Replication) => {
                Some(format!("is of kind \"{}\"", login.kind.id()))
            }
            Some(login) if !login.databases.contains(&isolation.database) => Some(format!(
                "is not granted database \"{}\"",
                isolation.database
            )),
            Some(_) => None,
        };
        problems.extend(unfit.map(|why| problem(format!("login \"{name}\" {why}"))));
    }
    problems.extend(unasked(config, isolation, policy));
    problems.extend(somebodys(config, isolation, policy));
    problems
}

/// Zones of `[isolation]` that a login has: canary rows would stand among its own.
fn somebodys(config: &Config, isolation: &Isolation, policy: &Policy) -> Vec<Problem> {
    let file = config.path.display().to_string();
    let problem = |zone: &str| {
        let has = |login: &&Arc<Login>| matches!(&login.zone, Some(ZoneSource::Fixed(own)) if **own == *zone);
        let owner = policy
            .logins
            .values()
            .filter(has)
            .min_by_key(|login| login.line)?;
        let message = format!(
            "[isolation]: zone \"{zone}\" is that of login \"{}\"",
            owner.name
        );
        let help = "two zones that nobody has, with a canary row in each table and nothing else";
        Some(Problem::warning(&file, message).with_help(help))
    };
    let zones = isolation.zones.iter();
    zones.filter_map(|zone| problem(zone)).collect()
}

/// Routes on which applications reach the database, and nobody asks there.
fn unasked(config: &Config, isolation: &Isolation, policy: &Policy) -> Vec<Problem> {
    let file = config.path.display().to_string();
    let on = |login: &Login, route| {
        let serves = matches!(login.kind, Kind::Service | Kind::Human);
        serves && login.route == route && login.databases.contains(&isolation.database)
    };
    let problem = |route: RouteName| {
        let asks = |name: &str| policy.logins.get(name).is_some_and(|it| on(it, route));
        let users = policy.logins.values().filter(|login| on(login, route));
        let first = users.min_by_key(|login| login.line)?;
        if isolation.logins.iter().any(|name| asks(name)) {
            return None;
        }
        let message = format!(
            "[isolation]: nobody asks on the {} route, by which login \"{}\" reaches database \"{}\"",
            route.id(),
            first.name,
            isolation.database
        );
        let help = "name a login of that route in \"isolation.logins\": each asks on its own";
        Some(Problem::warning(&file, message).with_help(help))
    };
    let routes = [RouteName::Transaction, RouteName::Session];
    routes.into_iter().filter_map(problem).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = "schema = 1\npolicy = \"p\"\n[listen]\npostgres = \"127.0.0.1:6432\"\n\
        [client_tls]\nsslmode = \"disable\"\n[server_tls]\nsslmode = \"disable\"\n\
        [auth]\nauth_file = \"u\"\nkey_file = \"k\"\n[route.transaction]\nhosts = [\"a:1\"]\n\
        [isolation]\ndatabase = \"shop\"\nlogins = [\"shop_acme\"]\nzones = [\"acme\", \"canary-b\"]\ncolumn = \"tenant\"\n";
    const POLICY: &str = "schema = 1\nenvironment = \"test\"\n\
        [zone]\nparameter = \"app.tenant\"\ndatabases = [\"shop\"]\n\
        [login.shop_acme]\nkind = \"service\"\ndatabases = [\"shop\"]\nzone = \"acme\"\n";

    #[test]
    fn a_zone_that_somebody_has_is_told() {
        let told = |config: &str| {
            let config = Config::parse(config, Path::new("c.toml"), 1).unwrap();
            let (policy, _) = Policy::parse(POLICY, "p").unwrap();
            let problems = check(&config, &policy);
            let messages = problems.iter().map(|problem| problem.to_string());
            messages.collect::<Vec<_>>()
        };
        assert_eq!(
            told(CONFIG),
            [
                "warning: [isolation]: zone \"acme\" is that of login \"shop_acme\"\n  --> c.toml\n  = \
                 two zones that nobody has, with a canary row in each table and nothing else"
            ]
        );
        assert_eq!(told(&CONFIG.replace("\"acme\"", "\"canary-a\"")), [""; 0]);
    }
}
