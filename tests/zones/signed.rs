//! The logins of `common`, where zones are signed: in database `shop` a transaction is marked by a setting,
//! in `ported` by a MAC.

use std::sync::Arc;

use super::common::LOGINS;
use crate::support::fixture::{POLICY, User, password};
use crate::support::message::{column, error, fine};
use crate::support::shared::OnEveryVersion;
use crate::support::shop::SEEN;
pub use crate::support::signed::{DATABASES, SECRET, each};
use crate::support::{Stack, StackOptions, Transport, Wire, signed};

static STACKS: OnEveryVersion = OnEveryVersion::new();

/// Rows of zones that a client may choose, and the empty one, which is nobody's.
const ROWS: &str =
    "('acme', 'anvil'), ('globex', 'hammock'), ('ho', 'by the name of the database'),
    ('porte', 'the same'), ('', 'nobody''s')";
const SAY: &str = "CREATE FUNCTION say(zone text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant_id', zone, true) $$;";

/// The policy, with zones signed in both databases.
fn policy() -> String {
    let logins = LOGINS
        .replace("[\"shop\"]", "[\"shop\", \"ported\"]")
        .replace("\"s*p\"", "\"*d\"");
    signed::policy(POLICY) + &logins
}

pub fn options() -> StackOptions {
    let database = |name, marker| signed::database(name, marker, ROWS, Some("*"), SAY);
    StackOptions {
        sql: database("shop", "setting") + &database("ported", "mac") + "CREATE DATABASE app;\n",
        policy: policy(),
        users: ["picky", "free", "own", "named", "person"]
            .map(|name| User::new(name, &password(name)))
            .to_vec(),
        zone_keys: DATABASES
            .map(|name| signed::line(name, "k1", SECRET))
            .concat(),
        pool_size: 1,
        keys: vec!["migrator", "shop_acme"],
        ..StackOptions::default()
    }
}

pub fn stacks() -> Vec<Arc<Stack>> {
    STACKS.get(options)
}

#[track_caller]
pub fn log_in(stack: &Stack, login: &str, database: &str, parameters: &[(&str, &str)]) -> Wire {
    let login = stack.login(login, database);
    Wire::login_with(&login, Transport::SslRequest, parameters)
}

/// The next client of the server connection sees nothing, asked past Portcullis and through it.
#[track_caller]
pub fn nothing_is_left(stack: &Stack, database: &str) {
    let role = stack.login_at(stack.transaction_port, "shop_acme", database);
    let mut past = Wire::login(&role);
    let zone = "SELECT coalesce(current_setting('app.tenant_id', true), '') || coalesce(portcullis.zone(), '')";
    assert_eq!(column(&past.query(zone)), [""]);
    assert!(column(&past.query(SEEN)).is_empty());
    // With the parameter alone.
    fine(&past.query("BEGIN; SET LOCAL app.tenant_id = 'acme'"));
    assert!(column(&past.query(SEEN)).is_empty());
    fine(&past.query("ROLLBACK"));
    let mut next = log_in(stack, "picky", database, &[]);
    let refused = next.query(SEEN);
    let guard = error(&refused).and_then(|it| it.field(b'R'));
    assert_eq!(guard.as_deref(), Some("zone-required"));
}
