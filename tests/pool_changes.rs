//! The pool begins or ceases to follow the names of prepared statements while clients go on: told so by its
//! console, and started again as another version. Each client has its own statements and zone, before and behind it,
//! and the server connection has none that the next client would meet. The pool has one connection.

mod support;

use support::fixture::ADMIN;
use support::message::{self, column, failed, fine};
use support::notes::plain;
use support::pool::start_again;
use support::shop::{SEEN, acme, insert, tenants};
use support::{NEW, NEWEST, PoolMode, Pooler, Stack, StackOptions, Transport, Version, Wire};

fn start((version, pooler): (Version, Pooler), pgbouncer: &str) -> Stack {
    Stack::start(StackOptions {
        version,
        pooler,
        pool_size: 1,
        pgbouncer: pgbouncer.into(),
        ..StackOptions::default()
    })
}

/// A client that has prepared a statement by a name that others use as well.
struct Client {
    wire: Wire,
    word: &'static str,
}

impl Client {
    fn new(wire: Wire, word: &'static str) -> Self {
        let mut client = Self { wire, word };
        client.prepare();
        client
    }

    fn prepare(&mut self) {
        let text = format!("SELECT '{}' || $1::text", self.word);
        fine(&self.wire.batch(&message::parse("s", &text)));
    }

    fn prepare_anew(&mut self, name: &str) {
        let text = format!("SELECT '{}' || $1::text", self.word);
        let anew = [message::close(b'S', name), message::parse(name, &text)];
        fine(&self.wire.batch(&anew.concat()));
    }

    /// Or it is told that it is gone.
    fn has_its_own(&mut self) {
        let run = [
            message::bind("", "s", &[Some("!")]),
            message::execute("", 0),
        ]
        .concat();
        let answer = self.wire.batch(&run);
        match message::error(&answer) {
            Some(error) => {
                assert_eq!(failed(&answer), ("26000".into(), 'I'));
                // By the name that it knows; what sets a zone is nobody's.
                let gone = "prepared statement \"s\" does not exist";
                let words = error.field(b'M');
                assert!(
                    self.word == "zone" || words.as_deref() == Some(gone),
                    "{words:?}"
                );
            }
            None => assert_eq!(column(&answer), [format!("{}!", self.word)]),
        }
    }

    /// What it has prepared, often enough that the pool is asked.
    fn goes_on(&mut self) {
        for round in 0..12 {
            let run = [
                message::bind("", "s", &[Some("!")]),
                message::execute("", 0),
            ]
            .concat();
            let answer = self.wire.batch(&run);
            assert_eq!(
                column(&answer),
                [format!("{}!", self.word)],
                "{round}: {answer:?}"
            );
        }
        // As long as names may be (pgx has 58 bytes).
        let long = "n".repeat(63);
        let text = format!("SELECT '{} at length'", self.word);
        let once = [
            message::parse(&long, &text),
            message::bind("", &long, &[]),
            message::execute("", 0),
            message::close(b'S', &long),
        ];
        let answer = self.wire.batch(&once.concat());
        assert_eq!(column(&answer), [format!("{} at length", self.word)]);
        let again = [message::close(b'S', "s"), message::sync()].concat();
        self.wire.send(&again);
        fine(&self.wire.receive_until(b'Z'));
        self.prepare();
    }
}

fn everybody(stack: &Stack, clients: &mut [Client], note: &str) {
    for client in clients.iter_mut() {
        client.goes_on();
    }
    let tenant = &mut clients[0].wire;
    for _ in 0..12 {
        fine(&tenant.query(&insert(note)));
        assert_eq!(column(&tenant.query(SEEN)), ["acme"]);
    }
    assert_eq!(tenants(stack, note), ["acme"; 12].join(" "));
}

fn clients(stack: &Stack) -> Vec<Client> {
    vec![
        Client::new(acme(stack), "zone"),
        Client::new(plain(stack), "one"),
        Client::new(plain(stack), "two"),
    ]
}

/// The next client of the server connection, past Portcullis, may call its own statements as it likes.
fn neighbour_meets_nothing(stack: &Stack) {
    let login = stack.login_at(stack.transaction_port, "shop_plain", "app");
    let mut past = Wire::login_with(&login, Transport::Plain, &[]);
    let names = "SELECT name FROM pg_prepared_statements WHERE name IN ('s', 't')";
    assert_eq!(column(&past.query(names)), [""; 0]);
}

/// Asked past Portcullis.
fn nothing_is_left(stack: &Stack) {
    for (user, database) in [("shop_acme", "shop"), ("shop_plain", "app")] {
        let login = stack.login_at(stack.transaction_port, user, database);
        let mut past = Wire::login_with(&login, Transport::Plain, &[]);
        let names = "SELECT name FROM pg_prepared_statements WHERE name NOT LIKE 'PGBOUNCER%'";
        assert_eq!(column(&past.query(names)), [""; 0], "{user}");
    }
}

/// What it has prepared it finds, or is told once that it is gone: never what another has.
#[test]
fn a_pool_is_told_to_follow_names_no_more() {
    for version in [NEW, NEWEST] {
        let stack = start(version, "");
        let mut clients = clients(&stack);
        everybody(&stack, &mut clients, "at the start");
        let login = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
        let mut console = Wire::login_with(&login, Transport::Plain, &[]);
        for (round, most) in ["0", "200", "0"].into_iter().enumerate() {
            fine(&console.query(&format!("SET max_prepared_statements = {most}")));
            // Anew, and then the other one runs what it has of the same name.
            for (at, name) in [(1, "s"), (2, "s"), (1, "t"), (2, "t"), (1, "s"), (0, "s")] {
                clients[at].prepare_anew(name);
                for client in &mut clients {
                    client.has_its_own();
                }
                neighbour_meets_nothing(&stack);
            }
            everybody(&stack, &mut clients, &format!("round {round} at {most}"));
        }
    }
}

#[test]
fn a_pool_is_started_again_as_another_version() {
    let mut stack = start((Version::Pg15, Pooler::V1_24), "");
    let mut clients = clients(&stack);
    everybody(&stack, &mut clients, "at the start");
    let port = stack.transaction_port;
    let poolers = [Pooler::V1_18, Pooler::V1_24, Pooler::V1_18];
    for (round, pooler) in poolers.into_iter().enumerate() {
        stack.transaction.end();
        stack.transaction = start_again(stack.directory(), pooler, PoolMode::Transaction, port);
        everybody(&stack, &mut clients, &format!("{round} {pooler:?}"));
        nothing_is_left(&stack);
    }
}
