//! A stack whose PostgreSQL decodes, and clients of it.

use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::support::fixture::POLICY;
use super::support::message::{self, Message};
use super::support::{
    Login, OnEveryVersion, Psql, Stack, StackOptions, Transport, User, Wire, parts, password, psql,
};

static STACKS: OnEveryVersion = OnEveryVersion::new();

const LOGINS: &str = r#"
[login.cdc]
kind = "replication"
databases = ["app"]
relations = ["public.plain"]
slots = ["cdc_*"]
publications = ["cdc_pub"]

[login.open_cdc]
kind = "replication"
databases = ["app"]
plugins = ["pgoutput", "test_decoding"]

[login.root_cdc]
kind = "replication"
databases = ["app"]
"#;

const SQL: &str = "
\\connect app
CREATE TABLE plain (id int PRIMARY KEY, note text);
CREATE TABLE secret (id int PRIMARY KEY, note text);
INSERT INTO secret VALUES (1, 'classified');
CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PUBLICATION cdc_pub FOR TABLE plain;
CREATE PUBLICATION everything FOR ALL TABLES;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO cdc, open_cdc;
";

pub fn options() -> StackOptions {
    let replicates = |name: &str, attributes: &str| User {
        attributes: attributes.to_owned(),
        ..User::new(name, &password(name))
    };
    let defaults = StackOptions::default();
    StackOptions {
        replication: true,
        // No client here says that it is alive.
        postgresql: vec![("wal_sender_timeout", "0")],
        sql: defaults.sql.clone() + SQL,
        policy: format!("{POLICY}{LOGINS}"),
        users: vec![
            replicates("cdc", "REPLICATION"),
            replicates("open_cdc", "REPLICATION"),
            replicates("root_cdc", "SUPERUSER"),
        ],
        ..defaults
    }
}

/// Whoever has it is alone: a stream has what everybody writes.
static TURN: Mutex<()> = Mutex::new(());

/// Stacks with PostgreSQL 15, 17 and 18, for one test at a time.
pub struct Turn {
    stacks: Vec<Arc<Stack>>,
    _turn: MutexGuard<'static, ()>,
}

pub fn stacks() -> Turn {
    // Who waits for its turn keeps them running.
    let stacks = STACKS.get(options);
    Turn {
        stacks,
        _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner),
    }
}

impl std::ops::Deref for Turn {
    type Target = [Arc<Stack>];

    fn deref(&self) -> &[Arc<Stack>] {
        &self.stacks
    }
}

pub fn cdc(stack: &Stack) -> Login {
    stack.login("cdc", "app")
}

/// The same login at PostgreSQL itself.
pub fn direct(stack: &Stack, login: &str) -> Login {
    stack.login_at(stack.cluster.port, login, "app")
}

/// A replication connection.
pub fn walsender(login: &Login) -> Wire {
    let parameters = [("replication", "database")];
    Wire::login_with(login, Transport::SslRequest, &parameters)
}

/// The error of a startup packet that must be refused.
#[track_caller]
pub fn refused_at_login(login: &Login, parameters: &[(&str, &str)]) -> Message {
    match Wire::try_login(login, Transport::SslRequest, parameters) {
        Err(error) => error,
        Ok(_) => panic!("{} got in with {parameters:?}", login.user),
    }
}

/// A slot of PostgreSQL's that ends with it.
pub struct Slot<'s> {
    pub stack: &'s Stack,
    pub name: &'static str,
}

impl<'s> Slot<'s> {
    pub fn new(stack: &'s Stack, name: &'static str, plugin: &str) -> Self {
        let sql = format!("SELECT pg_create_logical_replication_slot('{name}', '{plugin}')");
        stack.direct("app", &sql);
        Self { stack, name }
    }

    pub fn exists(&self) -> bool {
        exists(self.stack, self.name)
    }

    pub fn is_active(&self) -> bool {
        let sql = format!(
            "SELECT active FROM pg_replication_slots WHERE slot_name = '{}'",
            self.name
        );
        self.stack.direct("app", &sql) == "t\n"
    }
}

pub fn exists(stack: &Stack, slot: &str) -> bool {
    let sql = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}'");
    stack.direct("app", &sql) == "1\n"
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        super::support::process::wait_until("the slot is free", || !self.is_active());
        let sql = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{}'",
            self.name
        );
        self.stack.direct("app", &sql);
    }
}

/// The START_REPLICATION of a slot of pgoutput.
pub fn start(slot: &str, publication: &str) -> Vec<u8> {
    message::query(&format!(
        "START_REPLICATION SLOT \"{slot}\" LOGICAL 0/0 (\"proto_version\" '1', \"publication_names\" '{publication}')"
    ))
}

/// The texts of the rows in pgoutput's messages: what stands in the messages of kind `I`.
pub fn inserted(data: &[Vec<u8>]) -> Vec<String> {
    let inserts = data.iter().filter(|data| data.first() == Some(&b'I'));
    inserts
        .map(|data| String::from_utf8_lossy(data).into_owned())
        .collect()
}

/// Receives CopyData until `count` rows were inserted; their messages, keepalives left out.
pub fn receive_rows(wire: &mut Wire, count: usize) -> Vec<Vec<u8>> {
    let mut data = Vec::new();
    while inserted(&data).len() < count {
        let message = wire.receive().expect("the stream goes on");
        assert_eq!(message.kind, b'd', "{message:?}");
        // w, where it starts, where the WAL ends, when; then what the plugin wrote.
        if message.body[0] == b'w' {
            data.push(message.body[25..].to_vec());
        }
    }
    data
}

/// pg_recvlogical of PostgreSQL 15.
pub fn pg_recvlogical(login: &Login, arguments: &[&str]) -> Psql {
    let mut command = Command::new("/usr/lib/postgresql/15/bin/pg_recvlogical");
    command
        .args(["--no-password", "-d", &login.database])
        .args(arguments);
    command.envs(login.environment());
    psql::with_input(command, "").into()
}

/// psycopg2 gets what it gets from PostgreSQL itself.
pub fn psycopg2_streams(stack: &Stack) {
    let python = parts::parts().join("drivers/python/bin/python");
    parts::present(&python, "drivers");
    let rows = [cdc(stack), direct(stack, "cdc")].map(|login| {
        let mut command = Command::new(&python);
        command.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/replication/stream.py"
        ));
        command.envs(login.environment());
        command.env("DIRECT_DSN", stack.direct_dsn("app"));
        Psql::from(psql::with_input(command, "")).ok()
    });
    assert_eq!(rows[0], rows[1]);
    assert!(rows[0].contains("row 200"), "{}", rows[0]);
}
