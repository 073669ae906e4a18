//! Each route is proved by itself.

use crate::support::fixture::POLICY;
use crate::support::process::wait_until;
use crate::support::{Stack, StackOptions, User, VERSIONS, Wire, message, password};
use crate::{DESK, ISOLATION, On, PROVED, TABLES, options, sql};

/// With a login on the session route.
fn on_both_routes() -> StackOptions {
    StackOptions {
        users: vec![User::new("desk", &password("desk"))],
        keys: vec!["migrator", "shop_acme", "desk"],
        sql: sql() + "GRANT shop_acme TO desk;\n",
        policy: format!("{POLICY}{DESK}"),
        limits: ISOLATION.replace("[\"shop_acme\"]", "[\"shop_acme\", \"desk\"]"),
        // What a client leaves stays, on the session route too.
        pgbouncer: "server_reset_query =".into(),
        ..options()
    }
}

/// What is broken on one route is seen on that route only.
#[test]
fn what_somebody_left_on_a_pooled_connection_is_seen_on_its_route() {
    for (version, pooler) in [VERSIONS[0], VERSIONS[1]] {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            ..on_both_routes()
        });
        let routes = [
            ("transaction", "shop_acme", stack.transaction_port),
            ("session", "desk", stack.session_port),
        ];
        for (at, (route, login, port)) in routes.into_iter().enumerate() {
            let (here, there) = (On(&stack, route), On(&stack, routes[1 - at].0));
            here.proved();
            there.proved();
            let series = format!("portcullis_isolation_tables{{route=\"{route}\"}}");
            assert_eq!(stack.metric(&series), 3.0);
            let before = there.all_failures();
            // Past Portcullis, on the one connection of the pool.
            let past = |sql: &str| {
                let login = stack.login_at(port, login, "shop");
                message::fine(&Wire::login(&login).query(sql));
            };
            past("SET app.tenant_id = 'canary-b'");
            here.broken("no-zone");
            there.proved();
            past("RESET ALL");
            here.proved();
            assert_eq!(there.all_failures(), before, "{route}");
        }
    }
}

#[test]
fn a_pool_that_is_gone_is_a_failure_of_its_route_and_a_login_that_changes_it_takes_the_proof_along()
{
    let mut stack = Stack::start(on_both_routes());
    let [transaction, session] = ["transaction", "session"];
    On(&stack, transaction).proved();
    On(&stack, session).proved();
    stack.session.end();
    On(&stack, session).broken("unreachable");
    On(&stack, transaction).proved();
    assert_eq!(On(&stack, transaction).all_failures(), 0.0);
    let log = stack.logged(&["isolation is not proved"]);
    assert!(log.contains("\"route\":\"session\""), "{log}");
    assert!(!log.contains("\"route\":\"transaction\""), "{log}");
    // By a reload: nobody asks on the session route any more, and its age does not go on growing.
    let policy = stack.policy();
    let policy = policy.replace("route = \"session\"\nzone", "zone");
    crate::support::files::write_secret(&stack.file("policy.toml"), &policy);
    wait_until("the session route is left out", || {
        let (_, metrics) = stack.http_get("/metrics");
        !metrics.contains(&format!("{PROVED}{{route=\"session\"}}"))
    });
    On(&stack, transaction).proved();
    wait_until("both logins ask there", || stack.metric(TABLES) == 6.0);
}
