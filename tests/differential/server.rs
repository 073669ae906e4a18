//! A running PostgreSQL, asked before and after whether anything but rows has changed.

use super::super::support::cluster::SUPERUSER_PASSWORD;
use super::super::support::message::{self, Message};
use super::super::support::{Login, Stack, StackOptions, Transport, Wire};

/// What the generated statements name.
const TABLES: &str = "
create table a (id int primary key, n int, note text);
create table b (id int primary key, n int, note text);
create table c (id int primary key, n int, note text);
insert into a select i, i, 'note ' || i from generate_series(1, 5) i;
insert into b select i, i, 'note ' || i from generate_series(1, 5) i;
create view v as select * from a;
create sequence s;
create function f(int) returns int language sql as 'select $1';
";

/// Everything that a statement could leave and a rollback would hide: objects, roles, settings, what
/// the session holds. Rows and the positions of sequences do not count.
const STATE: &str = "
select concat_ws(' ',
  (select count(*) || ',' || sum(hashtext(relname)::bigint) from pg_class),
  (select count(*) || ',' || sum(hashtext(proname)::bigint) from pg_proc),
  (select count(*) from pg_type), (select count(*) from pg_namespace), (select count(*) from pg_extension),
  (select count(*) from pg_constraint), (select count(*) from pg_trigger), (select count(*) from pg_rewrite),
  (select count(*) from pg_policy), (select count(*) from pg_description), (select count(*) from pg_operator),
  (select md5(string_agg(t::text, '' order by t::text)) from pg_authid t), (select count(*) from pg_auth_members),
  (select count(*) from pg_db_role_setting), (select count(*) from pg_database), (select count(*) from pg_largeobject_metadata),
  (select sum(hashtext(coalesce(relacl::text, ''))::bigint) from pg_class),
  coalesce(current_setting('app.made', true), ''), coalesce(current_setting('a.b', true), ''),
  (select sum(hashtext(name || '=' || setting)::bigint) from pg_settings where name <> 'transaction_read_only'),
  current_user, session_user, (select count(*) from pg_prepared_statements), (select count(*) from pg_cursors),
  (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()))";

/// A server of its own, and a superuser's connection to it.
pub struct Server {
    stack: Stack,
    wire: Wire,
    /// What there was before the first statement.
    before: String,
}

impl Server {
    pub fn start() -> Self {
        let stack = Stack::start(StackOptions {
            sql: format!("create database differential;\n\\connect differential\n{TABLES}"),
            proxy: false,
            keys: Vec::new(),
            ..StackOptions::default()
        });
        let mut wire = connect(&stack);
        let before = state(&mut wire);
        Self {
            stack,
            wire,
            before,
        }
    }

    /// Runs a text in a transaction of its own, which is rolled back.
    pub fn run(&mut self, text: &str) -> Outcome {
        self.wire.query("begin");
        let outcome = self.run_alone(text);
        self.wire.query("rollback");
        outcome
    }

    /// Runs a text, and nothing around it.
    pub fn run_alone(&mut self, text: &str) -> Outcome {
        let answer = self.wire.query(text);
        if message::error(&answer).is_some() {
            return Outcome::Failed;
        }
        let after = state(&mut self.wire);
        match after == self.before {
            true => Outcome::Rows,
            false => Outcome::More(after),
        }
    }

    /// The session has had a temporary table, and with it a schema for such.
    pub fn begin_temporary(&mut self) {
        message::fine(
            &self
                .wire
                .query("create temp table first (id int) on commit drop"),
        );
        self.before = state(&mut self.wire);
    }

    /// Is anything left of what was rolled back?
    pub fn is_as_before(&mut self) -> bool {
        state(&mut self.wire) == self.before
    }

    /// A new connection instead of one that holds something.
    pub fn reconnect(&mut self) {
        self.wire = connect(&self.stack);
    }
}

/// What became of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An error: nothing.
    Failed,
    /// Nothing but rows can have changed.
    Rows,
    /// There is more or less than before; all of it.
    More(String),
}

fn connect(stack: &Stack) -> Wire {
    let login = Login {
        host: "127.0.0.1".into(),
        port: stack.cluster.port,
        user: "postgres".into(),
        password: SUPERUSER_PASSWORD.into(),
        database: "differential".into(),
        sslmode: "disable",
        sslrootcert: "/dev/null".into(),
    };
    let limits = [("statement_timeout", "2s"), ("jit", "off")];
    Wire::login_with(&login, Transport::Plain, &limits)
}

/// All of it in one line; after a change of role, why it cannot be seen.
fn state(wire: &mut Wire) -> String {
    let answer = wire.query(STATE);
    let telling = |message: &&Message| matches!(message.kind, b'D' | b'E');
    let told: Vec<&Message> = answer.iter().filter(telling).collect();
    assert_eq!(told.len(), 1, "the state of the server: {answer:?}");
    String::from_utf8_lossy(&told[0].body).into_owned()
}
