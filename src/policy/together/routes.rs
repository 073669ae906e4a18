//! Routes that lead where they cannot be meant to.

use core::net::{IpAddr, SocketAddr};

use super::super::{Policy, RouteName};
use crate::config::{Config, Endpoint, Problem};

/// A session route into the transaction pool, and routes that lead back to the proxy.
pub(super) fn check(config: &Config, policy: &Policy) -> Vec<Problem> {
    let file = config.path.display().to_string();
    let routes = [
        ("route.transaction", Some(&config.transaction)),
        ("route.session", config.session.as_ref()),
        ("route.replication", config.replication.as_ref()),
    ];
    let mut problems = Vec::new();
    for (name, route) in routes {
        let hosts = route.map_or(&[][..], |route| &route.hosts);
        if let Some(own) = hosts.iter().find(|host| is_own(config, host)) {
            let message = format!("[{name}]: {own} is where this proxy listens itself");
            let help = "name the PgBouncer behind it";
            problems.push(Problem::warning(&file, message).with_help(help));
        }
    }
    let takes = |route| policy.logins.values().any(|login| login.route == route);
    // A pool in session mode may be both, and then every login takes the session route.
    let both = takes(RouteName::Session) && takes(RouteName::Transaction);
    let session = config.session.as_ref().filter(|_| both);
    let mut session = session.iter().flat_map(|route| &route.hosts);
    if let Some(shared) = session.find(|host| config.transaction.hosts.contains(host)) {
        let message = format!("[route.session]: {shared} is a host of [route.transaction], too");
        let help = "what a client keeps for its session is left to the next one, unless pool_mode is \
                    session there for each user of this route";
        problems.push(Problem::warning(&file, message).with_help(help));
    }
    problems
}

/// Would a connection to it come back here?
fn is_own(config: &Config, host: &Endpoint) -> bool {
    let listen = &config.listen;
    let advertised = listen.advertise.as_ref() == Some(host);
    advertised || host.port == listen.postgres.port() && reaches(&host.host, listen.postgres)
}

/// Does somebody who listens there answer to this name?
fn reaches(host: &str, listen: SocketAddr) -> bool {
    let listen = listen.ip();
    match host.parse::<IpAddr>() {
        Ok(address) if address == listen => true,
        // To connect to no address is to connect to this machine.
        Ok(address) if address.is_unspecified() => listen.is_loopback(),
        Ok(address) => listen.is_unspecified() && address.is_loopback(),
        Err(_) => {
            host.eq_ignore_ascii_case("localhost")
                && (listen.is_loopback() || listen.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const LOGINS: &str = "schema = 1\nenvironment = \"test\"\n\
        [login.app]\nkind = \"service\"\ndatabases = [\"shop\"]\n\
        [login.jobs]\nkind = \"service\"\ndatabases = [\"shop\"]\nroute = \"session\"\n";

    fn told(listen: &str, transaction: &str, session: &str, policy: &str) -> Vec<String> {
        let text = format!(
            "schema = 1\npolicy = \"p\"\n[listen]\npostgres = \"{listen}\"\nadvertise = \"db.example.com\"\n\
             [client_tls]\nsslmode = \"disable\"\n[server_tls]\nsslmode = \"disable\"\n[auth]\nauth_file = \"u\"\n\
             [route.transaction]\nhosts = [{transaction}]\n[route.session]\nhosts = [{session}]\n"
        );
        let config = Config::parse(&text, Path::new("c.toml"), 1).unwrap();
        let (policy, _) = Policy::parse(policy, "p").unwrap();
        let problems = check(&config, &policy);
        assert!(
            problems
                .iter()
                .all(|it| !it.is_error() && it.file == "c.toml")
        );
        let messages = problems.into_iter().map(|problem| problem.message);
        messages.collect()
    }

    #[test]
    fn a_session_route_into_the_transaction_pool_is_told() {
        let (listen, transaction) = ("127.0.0.1:6432", "\"a:1\", \"b:1\"");
        let none: [String; 0] = [];
        assert_eq!(told(listen, transaction, "\"a:2\"", LOGINS), none);
        assert_eq!(
            told(listen, transaction, "\"c:1\", \"b:1\"", LOGINS),
            ["[route.session]: b:1 is a host of [route.transaction], too"]
        );
        // A PgBouncer whose pools are all in session mode.
        let session = LOGINS.replace("[\"shop\"]\n[", "[\"shop\"]\nroute = \"session\"\n[");
        assert_ne!(session, LOGINS);
        assert_eq!(told(listen, transaction, transaction, &session), none);
    }

    #[test]
    fn a_route_that_comes_back_is_told() {
        let is_own = |listen: &str, host: &str| {
            let found = told(listen, &format!("\"{host}\""), "\"a:2\"", LOGINS);
            let wanted = format!("[route.transaction]: {host} is where this proxy listens itself");
            assert!(found.is_empty() || found == [wanted], "{found:?}");
            !found.is_empty()
        };
        for (listen, host) in [
            ("127.0.0.1:6432", "127.0.0.1:6432"),
            ("127.0.0.1:6432", "localhost:6432"),
            ("0.0.0.0:6432", "LOCALHOST:6432"),
            ("0.0.0.0:6432", "127.0.0.1:6432"),
            ("[::]:6432", "[::1]:6432"),
            ("10.0.0.1:6432", "10.0.0.1:6432"),
            ("10.0.0.1:6432", "db.example.com:6432"),
        ] {
            assert!(is_own(listen, host), "{listen} {host}");
        }
        for (listen, host) in [
            ("127.0.0.1:6432", "127.0.0.1:6433"),
            ("10.0.0.1:6432", "127.0.0.1:6432"),
            ("10.0.0.1:6432", "localhost:6432"),
            ("0.0.0.0:6432", "10.0.0.1:6432"),
            ("0.0.0.0:6432", "pgbouncer:6432"),
        ] {
            assert!(!is_own(listen, host), "{listen} {host}");
        }
        assert_eq!(
            told("127.0.0.1:6432", "\"a:1\"", "\"127.0.0.1:6432\"", LOGINS),
            ["[route.session]: 127.0.0.1:6432 is where this proxy listens itself"]
        );
    }
}
