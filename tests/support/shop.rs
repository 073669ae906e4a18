//! The fixture's tenant `acme`: its client, and what that has written.

use super::{Stack, Wire};

/// The tenants whose orders are seen: with a zone its own, and no other.
pub const SEEN: &str = "SELECT DISTINCT tenant_id FROM orders ORDER BY 1";

/// A client of `shop_acme`, through Portcullis.
pub fn acme(stack: &Stack) -> Wire {
    Wire::login(&stack.login("shop_acme", "shop"))
}

/// An order with this note, whose tenant is that of the transaction.
pub fn insert(note: &str) -> String {
    format!("INSERT INTO orders (note) VALUES ('{note}')")
}

/// The tenants of all orders with this note, as a superuser's own connection sees them.
pub fn tenants(stack: &Stack, note: &str) -> String {
    let sql = format!("SELECT tenant_id FROM orders WHERE note = '{note}' ORDER BY id");
    stack.direct("shop", &sql).replace('\n', " ").trim().into()
}
