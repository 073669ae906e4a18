//! The fixture's table `notes`, where there is no zone: its client, and what that has written.

use super::{Stack, Wire};

/// A client of `shop_plain`, through Portcullis.
pub fn plain(stack: &Stack) -> Wire {
    Wire::login(&stack.login("shop_plain", "app"))
}

/// A note with this body.
pub fn insert(body: &str) -> String {
    format!("INSERT INTO notes (body) VALUES ('{body}')")
}

/// How many notes have this body, as a superuser's own connection sees them.
pub fn count(stack: &Stack, body: &str) -> usize {
    let sql = format!("SELECT count(*) FROM notes WHERE body = '{body}'");
    stack.direct("app", &sql).trim().parse().expect("a number")
}
