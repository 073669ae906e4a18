//! Logins that choose their zone, over one server connection, and what the next client of it finds.

use std::sync::Arc;

use crate::support::fixture::{self, POLICY, User, password};
use crate::support::message::{
    self, Message, bind, column, error, execute, extended, failed, fine,
};
use crate::support::psql::Psql;
use crate::support::shared::OnEveryVersion;
pub use crate::support::shop::SEEN;
use crate::support::{self, Stack, StackOptions, Transport, Wire};

/// As PostGraphile 5 (@dataplan/pg 1.1) sets what its `pgSettings` say.
pub const PAIRS: &str =
    "select set_config(el->>0, el->>1, true) from json_array_elements($1::json) el";

/// Zone `globex` for one transaction, in the ways in which drivers send it.
pub const FOR_A_TRANSACTION: [(&str, &[Option<&str>]); 11] = [
    ("SELECT set_config('app.tenant_id', 'globex', true)", &[]),
    ("SET LOCAL app.tenant_id = 'globex'", &[]),
    (
        "SELECT set_config('app.tenant_id', $1, true)",
        &[Some("globex")],
    ),
    (
        "SELECT set_config('app.tenant_id', $1::text, true)",
        &[Some("globex")],
    ),
    (
        "SELECT set_config($1, $2, true)",
        &[Some("app.tenant_id"), Some("globex")],
    ),
    (
        "SELECT set_config('app.tenant_id'::VARCHAR, $1::VARCHAR, true)",
        &[Some("globex")],
    ),
    (
        "SELECT set_config(CAST('app.tenant_id' AS text), CAST($1 AS varchar), true)",
        &[Some("globex")],
    ),
    (
        "SELECT set_config($1::VARCHAR, $2::VARCHAR, true) AS set_config_1",
        &[Some("app.tenant_id"), Some("globex")],
    ),
    (
        "SELECT set_config($2, $1, TRUE)",
        &[Some("globex"), Some("APP.Tenant_id")],
    ),
    (
        "SELECT set_config($1::text, 'globex', true)",
        &[Some("app.Tenant_ID")],
    ),
    (
        PAIRS,
        &[Some(r#"[["a.b","acme"],["app.Tenant_ID","\u0067lobex"]]"#)],
    ),
];

/// A transaction that sets zone `globex` for itself, in one write, as a pipelining driver sends it.
#[track_caller]
pub fn works_in_one_write(wire: &mut Wire, text: &str, values: &[Option<&str>]) {
    let whole = [
        extended("BEGIN", &[]),
        extended(text, values),
        extended(SEEN, &[]),
        extended("COMMIT", &[]),
    ];
    let answer = wire.batch(&whole.concat());
    fine(&answer);
    assert_eq!(
        column(&answer).last().map(String::as_str),
        Some("globex"),
        "{text}"
    );
}

static STACKS: OnEveryVersion = OnEveryVersion::new();

/// One role, and so one pool with one connection, for all of them.
pub const LOGINS: &str = r#"
[login.picky]
kind = "service"
databases = ["shop"]
zone = { from = "client", values = ["acme", "globex", "t-*"] }
server_role = "shop_acme"

[login.free]
kind = "service"
databases = ["shop"]
zone = { from = "client", values = "any", all_zones = true }
server_role = "shop_acme"

[login.own]
kind = "service"
databases = ["shop"]
route = "session"
zone = { from = "client", values = ["acme", "globex", "42", "a0eebc99-*"] }
server_role = "shop_acme"

[login.person]
kind = "human"
databases = ["shop"]
zone = { from = "client", values = ["acme", "globex"] }
server_role = "shop_acme"

[login.named]
kind = "service"
databases = ["shop"]
zone = { from = "database", pattern = "s*p" }
server_role = "shop_acme"
"#;

const SQL: &str = "
\\connect shop
SET ROLE migrator;
CREATE POLICY every_zone ON orders USING (current_setting('app.tenant_id', true) = '*');
INSERT INTO orders (tenant_id, note) VALUES ('ho', 'by the name of the database'), ('', 'nobody''s');
RESET ROLE;
";

pub fn stacks() -> Vec<Arc<Stack>> {
    STACKS.get(options)
}

/// What they are started with.
pub fn options() -> StackOptions {
    StackOptions {
        sql: format!("{}{SQL}", fixture::SQL),
        policy: format!("{POLICY}{LOGINS}"),
        users: ["picky", "free", "own", "named", "person"]
            .map(|name| User::new(name, &password(name)))
            .to_vec(),
        pool_size: 1,
        keys: vec!["migrator", "shop_acme"],
        ..StackOptions::default()
    }
}

/// The zones whose rows are seen, the same in both protocols.
#[track_caller]
pub fn seen(wire: &mut Wire) -> Vec<String> {
    let simple = wire.query(SEEN);
    fine(&simple);
    let bound = wire.batch(&extended(SEEN, &[]));
    fine(&bound);
    assert_eq!(column(&simple), column(&bound));
    column(&simple)
}

/// A person's transactions only read, before a zone is set and behind it, whatever the zone is.
#[track_caller]
pub fn only_reads(mut wire: Wire) {
    const IS: &str = "SELECT current_setting('transaction_read_only') FROM orders";
    const OFF: &str = "SELECT set_config('transaction_read_only', 'off', true)";
    for run in support::ways() {
        fine(&run(&mut wire, "SET app.tenant_id = 'acme'"));
        for zone in ["acme", "globex"] {
            for set in [
                format!("SET LOCAL app.tenant_id = '{zone}'"),
                format!("SELECT set_config('app.tenant_id', '{zone}', true)"),
                "SAVEPOINT s".to_owned(),
            ] {
                fine(&run(&mut wire, "BEGIN READ WRITE"));
                fine(&run(&mut wire, &set));
                let answer = run(&mut wire, IS);
                fine(&answer);
                let read_only = column(&answer);
                assert!(!read_only.is_empty() && read_only.iter().all(|it| it == "on"));
                assert_eq!(failed(&run(&mut wire, OFF)), ("25001".into(), 'E'), "{set}");
                fine(&run(&mut wire, "ROLLBACK"));
                assert_eq!(failed(&run(&mut wire, OFF)).0, "25001", "{set}");
            }
            fine(&run(&mut wire, &format!("SET app.tenant_id = '{zone}'")));
        }
        fine(&run(&mut wire, "RESET app.tenant_id"));
    }
}

#[track_caller]
pub fn log_in(stack: &Stack, login: &str, parameters: &[(&str, &str)]) -> Wire {
    Wire::login_with(
        &stack.login(login, "shop"),
        Transport::SslRequest,
        parameters,
    )
}

/// The next client of the server connection sees nothing, asked past Portcullis and through it.
#[track_caller]
pub fn nothing_is_left(stack: &Stack) {
    let mut past = Wire::login(&stack.login_at(stack.transaction_port, "shop_acme", "shop"));
    let zone = "SELECT coalesce(current_setting('app.tenant_id', true), '')";
    assert_eq!(column(&past.query(zone)), [""]);
    assert_eq!(
        column(&past.query(SEEN)),
        ["".to_owned(); 1],
        "the row without a zone"
    );
    let mut next = log_in(stack, "picky", &[]);
    let (refused, _) = failed(&next.query(SEEN));
    assert_eq!(refused, "42501");
    assert_eq!(
        column(&next.query("SHOW app.tenant_id"))
            .first()
            .map_or("", |it| it),
        "",
        "SHOW"
    );
}

/// It is refused by this guard, and the connection is well afterwards.
#[track_caller]
pub fn refused(wire: &mut Wire, what: &[Message], guard: &str) {
    let error = error(what).unwrap_or_else(|| panic!("not refused: {}", message::kinds(what)));
    let by = (error.field(b'R').unwrap_or_default(), error.sqlstate());
    assert_eq!(by.0, guard, "{error:?}");
    if what.last().expect("an answer").transaction() != 'I' {
        fine(&wire.query("ROLLBACK"));
    }
}

pub fn psql(stack: &Stack, login: &str, options: &str, sql: &str) -> Psql {
    support::psql::run_with(&stack.login(login, "shop"), options, sql)
}

pub const LOCAL: &str = "SELECT set_config($1, $2, true)";
pub const SESSION: &str = "SELECT set_config($1, $2, false)";
pub const ZONE: &str = "app.tenant_id";

/// Bind and Execute of a named statement.
pub fn run(wire: &mut Wire, name: &str, values: [&str; 2]) -> Vec<Message> {
    let values = values.map(Some);
    wire.batch(&[bind("", name, &values), execute("", 0)].concat())
}

/// Who refused; the batch is skipped to its Sync, and the connection is well.
#[track_caller]
pub fn refused_at_bind(wire: &mut Wire, sent: &[u8], guard: &str) {
    let behind = extended("SELECT 'not reached'", &[]);
    let answer = wire.batch(&[sent, &behind[..]].concat());
    assert!(!column(&answer).contains(&"not reached".to_owned()));
    refused(wire, &answer, guard);
    assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
}

/// A Bind with formats and values as they are.
pub fn bind_raw(
    portal: &str,
    statement: &str,
    formats: &[u16],
    values: &[Option<&[u8]>],
) -> Vec<u8> {
    let count = |items: usize| (items as u16).to_be_bytes();
    let mut body = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0"].concat();
    body.extend(count(formats.len()));
    formats.iter().for_each(|it| body.extend(it.to_be_bytes()));
    body.extend(count(values.len()));
    for value in values {
        let length = value.map_or(-1, |it| it.len() as i32);
        body.extend(length.to_be_bytes());
        body.extend(value.unwrap_or_default());
    }
    body.extend(count(0));
    message::framed(b'B', &body)
}
