//! The stacks: one server connection for each login, database and pool.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;

use crate::support::fixture::ADMIN;
use crate::support::message::fine;
use crate::support::pool::start_again;
use crate::support::process::{Server, wait_until};
use crate::support::{
    Login, NEW, OLD, PoolMode, Pooler, Shared, Stack, StackOptions, User, Version, Wire, fixture,
};

/// A stack, and the right to use its pools alone.
pub struct Features {
    pub stack: Arc<Stack>,
    pooler: Pooler,
    alone: &'static Mutex<()>,
    /// Pools that were started again, by port.
    again: &'static Mutex<Vec<(u16, Server)>>,
}

/// PgBouncer 1.18 and 1.24.
pub fn stacks() -> [Features; 2] {
    static STACKS: [Shared; 2] = [const { Shared::new() }; 2];
    static ALONE: [Mutex<()>; 2] = [const { Mutex::new(()) }; 2];
    static AGAIN: [Mutex<Vec<(u16, Server)>>; 2] = [const { Mutex::new(Vec::new()) }; 2];
    let old = STACKS[0].get(|| options(OLD));
    let new = STACKS[1].get(|| options(NEW));
    [
        Features {
            stack: old,
            pooler: OLD.1,
            alone: &ALONE[0],
            again: &AGAIN[0],
        },
        Features {
            stack: new,
            pooler: NEW.1,
            alone: &ALONE[1],
            again: &AGAIN[1],
        },
    ]
}

/// Who does it, by the row's word; on the session route another login of the same rights.
const LOGINS: [(&str, &str, &str, &str); 7] = [
    ("plain", "shop_plain", "plain_session", "app"),
    ("zoned", "zoned", "zoned_session", "app"),
    ("superuser", "shop_root", "root_session", "app"),
    ("member", "shop_member", "member_session", "app"),
    ("changing", "shop_changing", "changing_session", "app"),
    ("zone", "shop_acme", "acme_session", "shop"),
    ("replicating", "cdc", "cdc_session", "app"),
];

const POLICY: &str = r#"
[login.shop_root]
kind = "service"
databases = ["app"]
allow_server_role = ["superuser"]

[login.shop_member]
kind = "service"
databases = ["app"]

[login.shop_changing]
kind = "service"
databases = ["app"]
roles = ["reader"]

[login.plain_session]
kind = "service"
databases = ["app"]
route = "session"
fast_path = ["large-objects"]

[login.zoned]
kind = "service"
databases = ["app"]
zone = "acme"
fast_path = ["large-objects"]

[login.zoned_session]
kind = "service"
databases = ["app"]
route = "session"
zone = "acme"
fast_path = ["large-objects"]

[login.root_session]
kind = "service"
databases = ["app"]
route = "session"
allow_server_role = ["superuser"]

[login.member_session]
kind = "service"
databases = ["app"]
route = "session"

[login.changing_session]
kind = "service"
databases = ["app"]
route = "session"
roles = ["reader"]

[login.acme_session]
kind = "service"
databases = ["shop"]
route = "session"
zone = "acme"
fast_path = ["large-objects"]

[login.cdc]
kind = "replication"
databases = ["app"]

[login.cdc_session]
kind = "service"
databases = ["app"]
route = "session"
"#;

const SQL: &str = "
CREATE ROLE reader;
GRANT reader TO shop_member, shop_changing, member_session, changing_session;
GRANT shop_plain TO plain_session, zoned, zoned_session;
GRANT shop_acme TO acme_session;
\\connect app
GRANT USAGE ON SCHEMA public TO reader;
CREATE SEQUENCE numbers;
GRANT USAGE ON SEQUENCE numbers TO shop_plain;
CREATE TABLE wholes (id int PRIMARY KEY);
CREATE TABLE parts (of int REFERENCES wholes DEFERRABLE);
GRANT SELECT, INSERT ON wholes, parts TO shop_plain;
CREATE PUBLICATION news FOR TABLE notes;
CREATE FUNCTION note() RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''noted''; RETURN 1; END';
";

fn options((version, pooler): (Version, Pooler)) -> StackOptions {
    let new = LOGINS.iter().flat_map(|(_, one, other, _)| [*one, *other]);
    let known: Vec<_> = fixture::users().into_iter().map(|it| it.name).collect();
    let users = new
        .filter(|name| !known.iter().any(|it| it == name))
        .map(|name| {
            let mut user = User::new(name, &fixture::password(name));
            if name.starts_with("shop_root") || name.starts_with("root_") {
                user.attributes = "SUPERUSER".into();
            }
            if name.starts_with("cdc") {
                user.attributes = "REPLICATION".into();
            }
            user
        });
    let policy = fixture::with_large_objects().replacen(
        "[login.shop_plain]\nkind = \"service\"\n",
        "[login.shop_plain]\nkind = \"service\"\nfast_path = [\"large-objects\"]\n",
        1,
    );
    StackOptions {
        version,
        pooler,
        pool_size: 1,
        replication: true,
        postgresql: vec![("max_prepared_transactions", "4")],
        users: users.collect(),
        sql: format!("{}{SQL}", fixture::SQL),
        policy: format!("{policy}{POLICY}"),
        ..StackOptions::default()
    }
}

impl Features {
    /// Other tests of this file wait.
    pub fn alone(&self) -> MutexGuard<'_, ()> {
        // A test that failed has left nothing that matters: each row begins with fresh connections.
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row's login at a port.
    pub fn login(&self, of: Option<&str>, session: bool, port: u16) -> Login {
        let of = of.unwrap_or("plain");
        let found = LOGINS.iter().find(|login| login.0 == of);
        let (_, pooled, own, database) = found.unwrap_or_else(|| panic!("no login {of}"));
        let user = if session { own } else { pooled };
        self.stack.login_at(port, user, database)
    }

    /// The pool at this port gives nobody a server connection that it has now.
    pub fn reconnect(&self, port: u16) {
        fine(&self.console(port).query("RECONNECT"));
    }

    /// The console of the pool at this port.
    pub fn console(&self, port: u16) -> Wire {
        Wire::login(&self.stack.login_at(port, ADMIN, "pgbouncer"))
    }

    /// The pool at this port ends at once and is started again.
    pub fn restart(&self, port: u16) {
        let (pool, mode) = match port == self.stack.session_port {
            true => (&self.stack.session, PoolMode::Session),
            false => (&self.stack.transaction, PoolMode::Transaction),
        };
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.retain(|(at, _)| *at != port);
        pool.signal(Signal::KILL);
        let address = ("127.0.0.1", port);
        wait_until("the pool is gone", || TcpStream::connect(address).is_err());
        let directory = self.stack.directory();
        again.push((port, start_again(directory, self.pooler, mode, port)));
    }
}
