//! What is found of each role, on every version and both routes.

use crate::support::message::fine;
use crate::support::migration::{finished, portcullis};
use crate::support::{Pooler, Transport, VERSIONS, Version, Wire};
use crate::{REFUSED, looks, passes, policy, refused, stack, start_on};

/// Who is no more than its grants.
const ORDINARY: [(&str, &str); 4] = [
    ("shop_plain", "app"),
    ("aloof", "app"),
    ("strict", "app"),
    ("shop_acme", "shop"),
];

/// Each is refused, each gets in by its word and not by another's, and ordinary roles work beside them.
fn judged_on(versions: (Version, Pooler), route: &str, server_tls: &'static str) {
    let stack = start_on(versions, policy(route), server_tls);
    // A table that goes with its connection makes nobody an owner.
    let login = stack.login_at(stack.cluster.port, "shop_acme", "shop");
    let mut temporary = Wire::login_with(&login, Transport::Plain, &[]);
    fine(&temporary.query("CREATE TEMP TABLE mine (id int)"));
    for (login, database, message, detail, hint, _) in REFUSED {
        let said = refused(&stack, login, database, "42501");
        assert_eq!(said[0], message);
        assert!(said[1].contains(detail), "{said:?}");
        assert!(said[2].contains(hint), "{said:?}");
    }
    for (login, database) in ORDINARY {
        passes(&stack, login, database);
    }
    let count = f64::from(u8::try_from(REFUSED.len()).unwrap());
    let series = "portcullis_refusals_total{guard=\"server-role\"}";
    assert_eq!(stack.metric(series), count);
    let series = "portcullis_logins_total{outcome=\"server-role\"}";
    assert_eq!(stack.metric(series), count);
    let report = finished(portcullis(&stack, &["console", "SHOW REPORT"])).ok();
    let rows = report.lines().filter(|line| line.contains("server-role"));
    assert_eq!(rows.count(), REFUSED.len(), "{report}");

    for (login, database, .., word) in REFUSED {
        for allowed in ["superuser", "bypassrls", "owner"] {
            let with = format!("[login.{login}]\nallow_server_role = [\"{allowed}\"]");
            stack.load(&policy(route).replace(&format!("[login.{login}]"), &with));
            match allowed == word || allowed == "superuser" {
                true => passes(&stack, login, database),
                false => drop(refused(&stack, login, database, "42501")),
            }
        }
    }
}

#[test]
fn roles_are_judged_on_the_transaction_route() {
    judged_on(VERSIONS[0], "transaction", "verify-full");
}

#[test]
fn roles_are_judged_on_the_session_route() {
    judged_on(VERSIONS[1], "session", "disable");
}

#[test]
fn roles_are_judged_on_the_newest_versions() {
    judged_on(VERSIONS[2], "transaction", "disable");
}

#[test]
fn a_migration_session_is_not_judged() {
    let stack = stack("transaction", "disable");
    let login = crate::support::migration::open(&stack, "app");
    stack.psql(&login, "CREATE TABLE made (id int)").ok();
    assert_eq!(looks(&stack), 0);
}
