//! What a tool leaves behind, seen past Portcullis.

use super::fixture::POOL;
use crate::support::message::column;
use crate::support::process::wait_until;
use crate::support::{PoolMode, Stack, Wire};

/// How many things somebody has created in a database, whatever they are.
pub fn objects(stack: &Stack, database: &str) -> u32 {
    let sql = "SELECT sum(n) FROM (SELECT count(*) FROM pg_class WHERE oid >= 16384
               UNION ALL SELECT count(*) FROM pg_type WHERE oid >= 16384
               UNION ALL SELECT count(*) FROM pg_proc WHERE oid >= 16384
               UNION ALL SELECT count(*) FROM pg_namespace WHERE oid >= 16384) AS counts (n)";
    let sum = stack.direct(database, sql);
    sum.trim().parse().expect("a number")
}

/// The tables of schema public.
pub fn tables(stack: &Stack, database: &str) -> String {
    let sql = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
    stack.direct(database, sql).trim().to_owned()
}

/// Whatever a connection may carry over to its next client. PgBouncer itself sets the parameters
/// that it tracks, to each client's values.
const STATE: &str = "
    SELECT name || ' = ' || setting FROM pg_settings WHERE source = 'session' AND name NOT IN
        ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')
    UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE locktype = 'advisory'
    UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements
    UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name <> ''
    UNION ALL SELECT 'listens to ' || channel FROM pg_listening_channels() channel
    UNION ALL SELECT 'temporary ' || relname FROM pg_class WHERE relpersistence = 't'
    UNION ALL SELECT 'acts as ' || current_user WHERE current_user <> session_user";

/// Asserts that every server connection that a pool keeps for `user` is as good as new.
pub fn nothing(stack: &Stack, pool: PoolMode, user: &str, database: &str) {
    let open = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}' AND state <> 'idle'"
    );
    wait_until("its transactions are over", || {
        stack.direct(database, &open).trim() == "0"
    });
    let known = format!(
        "SELECT pid FROM pg_stat_activity WHERE usename = '{user}' AND datname = '{database}'"
    );
    let known = stack.direct(database, &known);
    let port = match pool {
        PoolMode::Transaction => stack.transaction_port,
        PoolMode::Session => stack.session_port,
    };
    // As many clients as the pool has connections, all at once: each has one of its own.
    let mut clients: Vec<Wire> = (0..POOL)
        .map(|_| Wire::login(&stack.login_at(port, user, database)))
        .collect();
    let mut looked_at = Vec::new();
    for client in &mut clients {
        client.query("BEGIN");
        looked_at.extend(column(&client.query("SELECT pg_backend_pid()")));
        let found = column(&client.query(STATE));
        assert!(found.is_empty(), "{user} on {database} left {found:?}");
    }
    for pid in known.lines() {
        assert!(
            looked_at.iter().any(|it| it == pid),
            "{pid} was not looked at"
        );
    }
}
