//! What is done to a client, to its pool or to its server in the middle of a row's steps. Straight at
//! PostgreSQL there is no pool: there the client goes on, which is what is expected of it elsewhere.

use portcullis::cli::transaction_mode::Step;

use super::outcome::{Place, Protocol};
use super::stack::Features;
use crate::script;
use crate::support::message::{self, Message, column, extended, fine};
use crate::support::process::wait_until;
use crate::support::{Login, Transport, Wire};

/// A client in the middle of its steps.
pub struct Client<'a> {
    pub features: &'a Features,
    pub wire: &'a mut Wire,
    pub login: &'a Login,
    pub transport: Transport,
    pub protocol: Protocol,
    pub place: Place,
}

/// What came of a step.
#[derive(Default)]
pub struct Said {
    /// The answers; none: nothing was asked.
    pub messages: Option<Vec<Message>>,
    /// What another client was shown of it.
    pub leaked: Vec<String>,
}

impl From<Vec<Message>> for Said {
    fn from(messages: Vec<Message>) -> Self {
        Self {
            messages: Some(messages),
            leaked: Vec::new(),
        }
    }
}

const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";

impl Client<'_> {
    /// Does a step.
    pub fn step(&mut self, step: &Step) -> Said {
        let statement = match step {
            Step::Messages(lines) => return script::run(self.wire, lines).into(),
            Step::Statement(statement) => statement,
        };
        match statement.split_once(": ") {
            Some(("pool", commands)) => {
                commands.split("; ").for_each(|it| self.pool(it));
                Said::default()
            }
            Some(("server", "ends")) => {
                self.server_ends();
                Said::default()
            }
            Some(("silent", "")) => self.wire.receive_to_end().into(),
            Some(("cancel", slow)) => self.cancelled(slow).into(),
            Some(("cancel by SQL", slow)) => self.cancelled_by_sql(slow).into(),
            Some(("paused", sql)) => self.paused(sql).into(),
            Some(("pool taken", sql)) => self.pool_taken(sql).into(),
            Some(("table locked", sql)) => self.table_locked(sql).into(),
            Some(("half closed", sql)) => self.half_closed(sql).into(),
            Some(("goodbye", sql)) => self.goodbye(sql).into(),
            Some(("pipeline", sql)) => {
                let (one, two) = sql.split_once("; ").expect("two statements");
                self.pipeline(one, two)
            }
            _ => self
                .say(&statement.replace("{pid}", &self.pid().to_string()))
                .into(),
        }
    }

    /// A statement and its answer, up to the end of the connection if that comes first.
    fn say(&mut self, sql: &str) -> Vec<Message> {
        // Whoever is gone may have said why.
        let _ = self.wire.try_send(&by(self.protocol, sql));
        self.wire.receive_until(b'Z')
    }

    /// Somebody who is in nobody's way.
    fn superuser(&self) -> Wire {
        let port = self.features.stack.cluster.port;
        let login = self.features.login(Some("superuser"), false, port);
        Wire::login_with(&login, Transport::Plain, &[])
    }

    /// The same login once more, by the same way.
    fn other(&self) -> Wire {
        Wire::login_with(self.login, self.transport, &[])
    }

    /// A command at the console of the client's pool, or RESTART.
    fn pool(&self, command: &str) {
        let Some(pool) = self.place.pool else { return };
        if command == "RESTART" {
            return self.features.restart(pool);
        }
        let command = command.replace("{database}", &self.login.database);
        fine(&self.features.console(pool).query(&command));
    }

    /// The server connection that has served the client ends.
    fn server_ends(&mut self) {
        let Some(pool) = self.place.pool else { return };
        let stack = &self.features.stack;
        let pid = column(&self.wire.query("SELECT pg_backend_pid()")).remove(0);
        let end = format!("SELECT pg_terminate_backend({pid}, 20000)");
        assert_eq!(stack.direct("postgres", &end), "t\n");
        // PgBouncer has seen it when it has read the server's last words.
        wait_until("the pool knows", || {
            let servers = self.features.console(pool).query("SHOW SERVERS");
            let mut rows = servers.iter().filter(|it| it.kind == b'D');
            !rows.any(|it| it.row().contains(&Some(pid.clone())))
        });
    }

    /// While PgBouncer pauses. Behind a pool in session mode PAUSE waits for the client to leave.
    fn paused(&mut self, sql: &str) -> Vec<Message> {
        let Some(pool) = self.place.pool else {
            return self.say(sql);
        };
        let mut pausing = self.features.console(pool);
        pausing.send(&message::query("PAUSE"));
        let resume = || fine(&self.features.console(pool).query("RESUME"));
        if self.place.own {
            // By the time that another one is let in, PAUSE is read.
            fine(&self.features.console(pool).query("SHOW VERSION"));
            let answer = self.say(sql);
            resume();
            return answer;
        }
        fine(&pausing.receive_until(b'Z'));
        self.wire.send(&by(self.protocol, sql));
        wait_until("the client waits", || {
            let answer = pausing.query("SHOW CLIENTS");
            let mut rows = answer.iter().filter(|it| it.kind == b'D');
            rows.any(|it| it.row().contains(&Some("waiting".into())))
        });
        resume();
        self.wire.receive_until(b'Z')
    }

    /// While another client has the only server connection, for longer than `query_wait_timeout`. Where the
    /// connection is this client's as long as it is there, it is the other one who waits.
    fn pool_taken(&mut self, sql: &str) -> Vec<Message> {
        let Some(pool) = self.place.pool else {
            return self.say(sql);
        };
        self.pool("SET query_wait_timeout = 1");
        let login = Login {
            port: pool,
            ..self.login.clone()
        };
        let answer = if self.place.own {
            let answer = self.say(sql);
            let told = match Wire::try_login(&login, Transport::Plain, &[]) {
                Err(error) => vec![error],
                Ok(mut other) => {
                    other.send(&message::query("SELECT 1"));
                    other.receive_to_end()
                }
            };
            let told = message::error(&told).expect("an error");
            let said = told.field(b'M').expect("a message");
            assert!(said.contains("query_wait_timeout"), "{told:?}");
            answer
        } else {
            let mut holder = Wire::login_with(&login, Transport::Plain, &[]);
            fine(&holder.query("BEGIN"));
            fine(&holder.query("SELECT 1"));
            let answer = self.say(sql);
            fine(&holder.query("COMMIT"));
            answer
        };
        self.pool("SET query_wait_timeout = 20");
        answer
    }

    /// While nobody may write to `parts`.
    fn table_locked(&mut self, sql: &str) -> Vec<Message> {
        let mut holder = self.superuser();
        fine(&holder.query("BEGIN"));
        fine(&holder.query("LOCK TABLE parts"));
        let answer = self.say(sql);
        fine(&holder.query("ROLLBACK"));
        answer
    }

    /// A statement, and Terminate right behind it.
    fn goodbye(&mut self, sql: &str) -> Vec<Message> {
        let sent = [by(self.protocol, sql), message::terminate()].concat();
        self.wire.send(&sent);
        self.wire.receive_to_end()
    }

    /// The client ends its sending side while the statement waits for `pg_advisory_xact_lock(72707371)`.
    fn half_closed(&mut self, sql: &str) -> Vec<Message> {
        let mut holder = self.superuser();
        fine(&holder.query("SELECT pg_advisory_lock(72707371)"));
        self.wire.send(&by(self.protocol, sql));
        let waits = |count: &str| {
            wait_until("it waits for the lock", || {
                self.features.stack.direct("app", WAITING).trim() == count
            });
        };
        waits("1");
        self.wire.finish_sending();
        let mut answer = Vec::new();
        if self.place.pool.is_some() {
            answer = self.wire.receive_to_end();
        }
        fine(&holder.query("SELECT pg_advisory_unlock(72707371)"));
        waits("0");
        if self.place.pool.is_none() {
            answer = self.wire.receive_until(b'Z');
        }
        answer
    }

    /// Both sent at once; then the second one cut before its Sync while another client asks.
    fn pipeline(&mut self, one: &str, two: &str) -> Said {
        let mut other = (self.place.pool.is_some() && !self.place.own).then(|| self.other());
        let whole = [one, two].map(|sql| by(self.protocol, sql)).concat();
        self.wire.send(&whole);
        let mut messages = self.wire.receive_until(b'Z');
        messages.extend(self.wire.receive_until(b'Z'));
        let cut = [extended(one, &[]), message::sync(), extended(two, &[])];
        self.wire.send(&cut.concat());
        messages.extend(self.wire.receive_until(b'Z'));
        if let Some(other) = &mut other {
            other.send(&message::query("SELECT 'other'"));
        }
        self.wire.send(&message::sync());
        messages.extend(self.wire.receive_until(b'Z'));
        let heard = other.map(|mut other| column(&other.receive_until(b'Z')));
        let mut said = Said::from(messages);
        if let Some(heard) = heard.filter(|it| it != &["other"]) {
            said.leaked
                .push(format!("another client was told {heard:?}"));
        }
        said
    }

    /// By the protocol.
    fn cancelled(&mut self, slow: &str) -> Vec<Message> {
        self.wire.send(&by(self.protocol, slow));
        self.features.stack.wait_for_sleepers(1);
        self.cancel();
        self.wire.receive_until(b'Z')
    }

    /// PgBouncer 1.18 may end over a request whose client does not wait for it to close.
    fn cancel(&self) {
        let mut request = Wire::open(self.login.port);
        request.send(&message::cancel(&self.wire.cancel_key));
        assert_eq!(request.receive_to_end(), []);
    }

    /// Another connection cancels this one by its number, and where that does nothing the protocol does it.
    /// Straight at PgBouncer there is no server connection left for the other: it goes to PostgreSQL.
    fn cancelled_by_sql(&mut self, slow: &str) -> Vec<Message> {
        self.wire.send(&by(self.protocol, slow));
        self.features.stack.wait_for_sleepers(1);
        let mut login = self.login.clone();
        let mut transport = Transport::SslRequest;
        if login.port != self.features.stack.port {
            login.port = self.features.stack.cluster.port;
            transport = Transport::Plain;
        }
        let mut other = Wire::login_with(&login, transport, &[]);
        let sql = format!(
            "SELECT pg_cancel_backend(({}::bigint % 2147483648)::int)",
            self.pid()
        );
        // A Query: refused at once, though the only server connection is taken.
        let mut answer = other.query(&sql);
        if column(&answer) != ["t"] {
            self.cancel();
        }
        answer.pop();
        answer.extend(self.wire.receive_until(b'Z'));
        answer
    }

    /// The number that the client was told at login.
    fn pid(&self) -> u32 {
        let (pid, _) = self.wire.cancel_key.split_first_chunk().expect("a key");
        u32::from_be_bytes(*pid)
    }
}

fn by(protocol: Protocol, sql: &str) -> Vec<u8> {
    match protocol {
        Protocol::Simple => message::query(sql),
        Protocol::Extended => [
            message::parse("", sql),
            message::bind("", "", &[]),
            message::describe(b'P', ""),
            message::execute("", 0),
            message::sync(),
        ]
        .concat(),
    }
}
