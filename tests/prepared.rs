//! Prepared statements on a server connection that is handed on with every transaction: each client
//! has its own, on every version of the stack, and leaves none behind. The pool has one connection, so
//! that whatever a client left there the next one would meet.

mod support;

#[path = "conversing/random.rs"]
mod random;

mod prepared {
    //! One file for each matter.
    mod alike;
    mod deallocated;
    mod described;
    mod interleaved;
    mod kept;
    mod migrated;
    mod portals;
    mod vanishing;
}

use std::sync::Arc;

use support::message::{self, Message};
use support::notes::plain;
use support::shop::acme;
use support::{OnEveryVersion, Stack, StackOptions, Transport, Wire};

/// The stacks, each with one server connection per login and database.
fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(|| StackOptions {
        pool_size: 1,
        ..StackOptions::default()
    })
}

/// The same login straight at PostgreSQL.
fn direct(stack: &Stack) -> Wire {
    let login = stack.login_at(stack.cluster.port, "shop_plain", "app");
    Wire::login_with(&login, Transport::Plain, &[])
}

/// Bind and Execute of a statement.
fn run(name: &str, values: &[Option<&str>]) -> Vec<u8> {
    [message::bind("", name, values), message::execute("", 0)].concat()
}

/// Whoever prepares what another has prepared as well.
fn meddle(wire: &mut Wire) {
    let all = [
        message::parse("", "SELECT 'not yours'"),
        message::parse("s", "SELECT 'not yours'"),
        message::close(b'S', "s"),
    ];
    message::fine(&wire.batch(&all.concat()));
}

/// What clients have left on the pool's connection: nothing, by their names.
#[track_caller]
fn nothing_is_left(wire: &mut Wire) {
    const NAMES: &str = "SELECT name FROM pg_prepared_statements WHERE name NOT LIKE 'PGBOUNCER%'";
    let left = wire.query(NAMES);
    assert_eq!(message::column(&left), [""; 0]);
}

/// What the client is told, in words; of an error what PostgreSQL says.
fn words(message: &Message) -> String {
    let kind = char::from(message.kind);
    match message.kind {
        b'E' | b'N' => {
            let sqlstate = message.sqlstate();
            // It names the statement.
            let said = message.field(b'M').unwrap_or_default();
            match said.starts_with("bind message supplies") {
                true => format!("{kind} {sqlstate}"),
                false => format!("{kind} {sqlstate} {said}"),
            }
        }
        _ => format!("{kind} {}", message.body.escape_ascii()),
    }
}
