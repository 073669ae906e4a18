//! `[isolation]` of the configuration asks with logins of the policy.

use super::super::{Kind, Login, Policy, RouteName};
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
    problems
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
