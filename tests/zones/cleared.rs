//! Clients that give their zone back, and how a client without one is told so.

use super::common::{SEEN, SESSION, ZONE, log_in, seen};
use crate::support::message::{self, Message, column, error, extended, fine};
use crate::support::{Stack, Wire};

pub const BOUND: &str = "SELECT set_config('app.tenant_id', $1, false)";

/// In the ways in which applications and drivers say it.
pub const CLEARS: [(&str, &[Option<&str>]); 16] = [
    ("SET app.tenant_id = ''", &[]),
    ("SET SESSION \"App\".tenant_id TO ''", &[]),
    ("SET app.tenant_id TO DEFAULT", &[]),
    ("RESET app.tenant_id", &[]),
    ("SELECT set_config('app.tenant_id', '', false)", &[]),
    (
        "SELECT pg_catalog.set_config(U&'app\\002Etenant_id', E'', 'f')",
        &[],
    ),
    (
        "SELECT set_config('app.tenant_id'::text, $$$$::text, false), 1",
        &[],
    ),
    (BOUND, &[Some("")]),
    (BOUND, &[None]),
    (
        "SELECT set_config('app.tenant_id', $1::varchar, false) AS set_config_1",
        &[Some("")],
    ),
    (
        "SELECT set_config('app.tenant_id', $1, $2)",
        &[Some(""), Some("f")],
    ),
    (
        "SELECT set_config('app.tenant_id', $1, $2)",
        &[None, Some("false")],
    ),
    (SESSION, &[Some(ZONE), Some("")]),
    (SESSION, &[Some("APP.tenant_ID"), None]),
    ("SELECT set_config($1, '', $2)", &[Some(ZONE), Some("off")]),
    (
        "SELECT set_config($1, $2, $3), 1",
        &[Some(ZONE), None, Some("0")],
    ),
];

/// In both protocols, where nothing is bound.
pub fn each_way(then: impl Fn(&str, &dyn Fn(&mut Wire) -> Vec<Message>)) {
    for (text, values) in CLEARS {
        if values.is_empty() {
            then(text, &|wire| wire.query(text));
        }
        then(text, &|wire| wire.batch(&extended(text, values)));
    }
}

/// It has no zone, and says so like a client that has never had one.
#[track_caller]
pub fn has_none(wire: &mut Wire) {
    let bound = [SEEN, "INSERT INTO orders (note) VALUES ('of none')"];
    for text in bound {
        let said = wire.query(text);
        like_the_first(&said);
        let said = wire.batch(&extended(text, &[]));
        like_the_first(&said);
    }
    let zone = "SELECT coalesce(current_setting('app.tenant_id', true), '')";
    assert_eq!(column(&wire.query(zone)), [""]);
    assert_eq!(column(&wire.batch(&extended(zone, &[]))), [""]);
}

#[track_caller]
pub fn like_the_first(said: &[Message]) {
    let error = error(said).unwrap_or_else(|| panic!("not refused: {}", message::kinds(said)));
    let message = "database \"shop\" needs a tenant and this transaction has none";
    assert_eq!(error.field(b'M').as_deref(), Some(message), "{error:?}");
    assert_eq!(error.field(b'R').as_deref(), Some("zone-required"));
    assert_eq!(error.sqlstate(), "42501");
}

#[track_caller]
pub fn all(wire: &mut Wire, texts: &[&str]) {
    for text in texts {
        fine(&wire.query(text));
    }
}

pub fn of_acme(stack: &Stack, login: &str) -> Wire {
    let mut wire = log_in(stack, login, &[]);
    fine(&wire.query("SET app.tenant_id = 'acme'"));
    assert_eq!(seen(&mut wire), ["acme"]);
    wire
}
