//! The clients of the matrix under a policy that observes as a whole. A recording relay stands before
//! Portcullis and another one behind it: byte for byte the same goes through both, from the first byte
//! behind the last SASL response on, and back from the first byte behind the first ReadyForQuery on; the
//! parameters of the startup packet and the server's reports are the same ones. (Portcullis logs in by
//! itself.) Beside that, each program runs through the second relay alone, which is then a plain TCP proxy
//! before PgBouncer: every check ends as it does behind Portcullis, the same rows are left, and the same
//! messages were sent, where that does not depend on time; from clients that draw no names, the same bytes.

use std::collections::BTreeMap;

use super::matrix::{DRIVERS, Driver, Outcome, Run, chosen, run};
use crate::NEW;
use crate::support::relay::{Exchange, Recorded, Relay, Session, readable, without};
use crate::support::{Login, Stack, StackOptions, fixture, tls};

/// The role has its zone from the server, as Portcullis sets none.
const PRIVILEGES: &str = "
\\connect shop
GRANT CREATE ON SCHEMA public TO shop_acme;
ALTER ROLE shop_acme SET app.tenant_id = 'acme';
";

/// Clients that draw no names and no values: what they send, and what they are answered, is the same in
/// every run, to the byte.
const SAME_EACH_TIME: &[&str] = &[
    "pgbench",
    "psycopg 3",
    "psycopg2",
    "node-postgres",
    "Ruby pg",
];

/// Clients of which nobody knows when they send what: with a pool of their own, which of its connections
/// does what depends on time; in tokio-postgres, when the Close of a statement comes that was dropped.
const BY_TIME: &[&str] = &[
    "postgres.js",
    "Drizzle",
    "Prisma client",
    "Sequelize",
    "tokio-postgres",
    "sqlx",
];

/// Portcullis between two relays.
struct Between {
    before: Relay,
    behind: Relay,
    stack: Stack,
    other_ca: String,
}

impl Between {
    /// With PgBouncer in session mode behind, where everything works that works without it; or in
    /// transaction mode.
    fn start(session: bool, mode: &str) -> Self {
        let mode = format!("mode = \"{mode}\"");
        let policy = fixture::with_large_objects().replace("mode = \"enforce\"", &mode);
        let mut stack = Stack::start(StackOptions {
            version: NEW.0,
            pooler: NEW.1,
            sql: format!("{}{PRIVILEGES}", fixture::SQL),
            policy,
            client_tls: "allow",
            server_tls: "disable",
            // PgBouncer ends a connection for a startup parameter that it does not know.
            pgbouncer: "ignore_startup_parameters = extra_float_digits, statement_timeout".into(),
            pool_size: 25,
            ..StackOptions::default()
        });
        let pool = match session {
            true => stack.session_port,
            false => stack.transaction_port,
        };
        let behind = Relay::start(pool);
        stack.reconfigure(
            &format!("127.0.0.1:{}\"]\n\n[route.session]", stack.transaction_port),
            &format!("127.0.0.1:{}\"]\n\n[route.session]", behind.port),
        );
        let other = tls::Authority::new(stack.directory(), "other");
        Self {
            before: Relay::start(stack.port),
            behind,
            other_ca: other.certificate().display().to_string(),
            stack,
        }
    }

    fn login(&self, port: u16) -> Login {
        Login {
            sslmode: "disable",
            ..self.stack.login_at(port, "shop_acme", "shop")
        }
    }

    fn run(&self, driver: &Driver, port: u16) -> Run {
        // The numbers that a program is given are the same each time.
        self.stack
            .direct("shop", "ALTER SEQUENCE orders_id_seq RESTART WITH 6");
        run(driver, &self.stack, &self.login(port), &self.other_ca)
    }
}

/// How often each exchange was there: connections end in no order.
fn exchanges(recorded: &[Recorded]) -> BTreeMap<Exchange, usize> {
    let mut all = BTreeMap::new();
    for mut exchange in recorded.iter().filter_map(Recorded::exchange) {
        forget_last_word(&mut exchange);
        *all.entry(exchange).or_default() += 1;
    }
    all
}

/// Who has left may be gone before the last ReadyForQuery, and before CloseComplete of what it closed on
/// leaving: whether those still reach the client is a matter of time.
fn forget_last_word(exchange: &mut Exchange) {
    const READY: &[u8] = b"Z\0\0\0\x05";
    const CLOSED: &[u8] = b"3\0\0\0\x04";
    let Exchange::Session(Session { answered, .. }) = exchange else {
        return;
    };
    loop {
        let before_ready = answered.len().saturating_sub(READY.len() + 1);
        if answered[before_ready..].starts_with(READY) {
            answered.truncate(before_ready);
        } else if answered.ends_with(CLOSED) {
            answered.truncate(answered.len() - CLOSED.len());
        } else {
            return;
        }
    }
}

fn is_look(exchange: &Exchange) -> bool {
    let words = b"left join lateral (select pg_catalog.format";
    let Exchange::Session(session) = exchange else {
        return false;
    };
    session.asked.windows(words.len()).any(|it| it == words)
}

/// What is in `one` and not in `other`, for people.
fn missing(one: &BTreeMap<Exchange, usize>, other: &BTreeMap<Exchange, usize>) -> String {
    let gone = one
        .iter()
        .filter(|(it, count)| other.get(it) != Some(count));
    let told = gone.map(|(exchange, count)| match exchange {
        Exchange::Cancel => format!("{count} times a CancelRequest\n"),
        Exchange::Session(session) => format!(
            "{count} times {:?}\n{}-- answered:\n{}\n",
            session.startup,
            readable(&session.asked),
            readable(&session.answered)
        ),
    });
    told.take(2).collect()
}

/// Does it wait to be cancelled? How often a program tries that depends on time.
fn is_to_be_cancelled(exchange: &Exchange) -> bool {
    match exchange {
        Exchange::Cancel => true,
        Exchange::Session(session) => readable(&session.asked).contains("pg_sleep"),
    }
}

/// What is the same in two runs of a program that draws no names. Not a Flush: libpq's users in pipeline
/// mode (psycopg 3) send one when an answer that they wait for is not there yet.
fn steady(all: &BTreeMap<Exchange, usize>) -> BTreeMap<Exchange, usize> {
    let mut steady = BTreeMap::new();
    for (exchange, count) in all.iter().filter(|(it, _)| !is_to_be_cancelled(it)) {
        let mut exchange = exchange.clone();
        if let Exchange::Session(session) = &mut exchange {
            session.asked = without(b'H', &session.asked);
        }
        *steady.entry(exchange).or_default() += count;
    }
    steady
}

/// What is the same in two runs of most programs, whatever names and values it draws: the startup
/// packets and the server's reports, and the kinds of the messages of each connection.
fn shapes(all: &BTreeMap<Exchange, usize>) -> BTreeMap<String, usize> {
    let mut shapes = BTreeMap::new();
    for (exchange, count) in steady(all) {
        let Exchange::Session(session) = exchange else {
            continue;
        };
        let asked = readable(&session.asked);
        let kinds = asked.lines().filter_map(|line| line.chars().next());
        let kinds: String = kinds.collect();
        let shape = format!("{:?} {:?} {kinds}", session.startup, session.reports);
        *shapes.entry(shape).or_default() += count;
    }
    shapes
}

fn bytes(all: &BTreeMap<Exchange, usize>) -> usize {
    let of = |(exchange, count): (&Exchange, &usize)| match exchange {
        Exchange::Cancel => 0,
        Exchange::Session(session) => (session.asked.len() + session.answered.len()) * count,
    };
    all.iter().map(of).sum()
}

#[test]
fn every_byte_of_every_driver_goes_through_an_observing_policy_unchanged() {
    let between = Between::start(true, "observe");
    let mut wrong = Vec::new();
    for driver in DRIVERS.iter().filter(|driver| chosen(driver)) {
        let straight = between.run(driver, between.behind.port);
        let alone = exchanges(&between.behind.take());
        let through = between.run(driver, between.before.port);
        let before = exchanges(&between.before.take());
        let mut behind = exchanges(&between.behind.take());
        // A connection of Portcullis's own, on which it looks at the role behind the login.
        behind.retain(|exchange, _| !is_look(exchange));
        let sessions: usize = before.values().sum();
        eprintln!(
            "{}: {sessions} connections, {} bytes behind their logins",
            driver.name,
            bytes(&before)
        );
        if before != behind || before.is_empty() {
            wrong.push(format!(
                "{}: only before Portcullis:\n{}\nonly behind it:\n{}",
                driver.name,
                missing(&before, &behind),
                missing(&behind, &before)
            ));
        }
        if !BY_TIME.contains(&driver.name) && shapes(&alone) != shapes(&behind) {
            wrong.push(format!(
                "{}: other messages than without Portcullis",
                driver.name
            ));
        }
        if SAME_EACH_TIME.contains(&driver.name) && steady(&alone) != steady(&behind) {
            wrong.push(format!(
                "{}: only without Portcullis:\n{}\nonly behind it:\n{}",
                driver.name,
                missing(&steady(&alone), &steady(&behind)),
                missing(&steady(&behind), &steady(&alone))
            ));
        }
        if straight.outcomes != through.outcomes
            || straight.left != through.left
            || through.outcomes.get("concurrent") != Some(&Outcome::Ok)
        {
            wrong.push(format!(
                "{}: behind a TCP proxy:\n{}{}behind Portcullis:\n{}{}",
                driver.name, straight.output, straight.left, through.output, through.left
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The comparison finds what an enforcing policy sets and rewrites; and it holds in transaction mode, too,
/// where PgBouncer's own answers stand between those of the server.
#[test]
fn an_enforcing_policy_is_told_from_an_observing_one() {
    for (mode, unchanged) in [("observe", true), ("enforce", false)] {
        let between = Between::start(false, mode);
        for name in ["psql", "psycopg 3"] {
            let driver = DRIVERS.iter().find(|driver| driver.name == name);
            between.run(driver.expect("a client"), between.before.port);
            let before = exchanges(&between.before.take());
            let mut behind = exchanges(&between.behind.take());
            behind.retain(|exchange, _| !is_look(exchange));
            assert!(!before.is_empty());
            assert_eq!(before == behind, unchanged, "{name}, {mode}");
        }
    }
}
