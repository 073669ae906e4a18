//! What becomes of a feature: its steps straight at PostgreSQL and through something, side by side.

use portcullis::cli::transaction_mode::Feature;
use portcullis::policy::Guard;

use super::operator::Client;
use super::stack::Features;
use crate::support::message::{self, Message, column, error, fine};
use crate::support::process::wait_until;
use crate::support::{Login, Transport, Wire};

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Simple,
    Extended,
}

/// The outcome and what shows it.
pub type Outcome = (String, String);

/// Where a client is.
#[derive(Clone, Copy)]
pub struct Place {
    /// The port of the PgBouncer that it reaches; none: straight at PostgreSQL.
    pub pool: Option<u16>,
    /// A server connection is its own as long as it is there.
    pub own: bool,
}

/// Straight at PgBouncer in transaction mode.
pub fn through_pgbouncer(features: &Features, row: &Feature, protocol: Protocol) -> Outcome {
    let pool = features.stack.transaction_port;
    let login = features.login(row.login.as_deref(), false, pool);
    let place = Place {
        pool: Some(pool),
        own: false,
    };
    Comparison {
        features,
        row,
        protocol,
        login: &login,
        transport: Transport::Plain,
        place,
    }
    .outcome()
}

/// Through Portcullis.
pub fn through_portcullis(
    features: &Features,
    row: &Feature,
    protocol: Protocol,
    route: &str,
) -> Outcome {
    let stack = &features.stack;
    let own = route == "session";
    let login = features.login(row.login.as_deref(), own, stack.port);
    let place = Place {
        pool: Some(match own {
            true => stack.session_port,
            false => stack.transaction_port,
        }),
        own,
    };
    Comparison {
        features,
        row,
        protocol,
        login: &login,
        transport: Transport::SslRequest,
        place,
    }
    .outcome()
}

/// A row, and the way that its client goes.
struct Comparison<'a> {
    features: &'a Features,
    row: &'a Feature,
    protocol: Protocol,
    login: &'a Login,
    transport: Transport,
    place: Place,
}

impl Comparison<'_> {
    fn outcome(&self) -> Outcome {
        let name = &self.row.name;
        let direct = Comparison {
            login: &Login {
                port: self.features.stack.cluster.port,
                ..self.login.clone()
            },
            transport: Transport::Plain,
            place: Place {
                pool: None,
                own: true,
            },
            ..*self
        };
        let Played::Answers(expected, _) = direct.play(&mut || {}) else {
            panic!("{name}: no login at PostgreSQL");
        };

        let neighbour = Neighbour::new(self);
        neighbour.reconnect();
        let mut left = Vec::new();
        let mut look = || {
            // On the session route the connection is the client's as long as it is there, and so is a
            // walsender's.
            if !self.place.own && !self.replicates() {
                left.extend(neighbour.finds());
                neighbour.reconnect();
            }
        };
        let played = self.play(&mut look);
        left.extend(neighbour.finds());
        let (answers, leaked) = match played {
            Played::NoLogin(error) => return no_login(name, &error),
            Played::Answers(answers, leaked) => (answers, leaked),
        };
        left.extend(leaked);
        left.sort();
        left.dedup();
        let differs = expected
            .iter()
            .zip(&answers)
            .find(|(one, other)| one.words != other.words);
        let lost = differs.is_some() || expected.len() != answers.len();
        let why = format!("left {left:?}; {differs:#?}");
        if let Some((_, found)) = differs
            && let Some(guard) = &found.refused_by
        {
            assert!(left.is_empty(), "{name}: refused, and {why}");
            assert!(found.helps, "{name}: refused without a hint: {found:?}");
            return (format!("refused by {guard}"), why);
        }
        let outcome = match (lost, left.is_empty()) {
            (false, true) => "works",
            (true, true) => "lost",
            (false, false) => "leaks",
            (true, false) => "lost, leaks",
        };
        (outcome.to_owned(), why)
    }

    fn replicates(&self) -> bool {
        self.row.startup.contains_key("replication")
    }
}

/// Refused by a guard, with a hint, or as PgBouncer does.
fn no_login(name: &str, error: &Message) -> Outcome {
    let why = format!("{error:?}");
    let guard = error.field(b'R').filter(|id| Guard::from_id(id).is_some());
    let Some(guard) = guard else {
        return ("no login".to_owned(), why);
    };
    let hint = error.field(b'H').unwrap_or_default();
    assert!(!hint.is_empty(), "{name}: refused without a hint: {why}");
    (format!("refused by {guard}"), why)
}

/// The answer to a step.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    words: Vec<String>,
    /// The guard that a refusal names.
    refused_by: Option<String>,
    /// There is a hint in it.
    helps: bool,
}

enum Played {
    /// And what another client was shown.
    Answers(Vec<Answer>, Vec<String>),
    NoLogin(Message),
}

impl Comparison<'_> {
    /// Runs the steps, up to the first refusal; `between` runs wherever no transaction is open. The client
    /// does not say goodbye.
    fn play(&self, between: &mut dyn FnMut()) -> Played {
        if self.replicates() {
            // One that was left goes when the server has noticed that its client is gone.
            let slots = "SELECT count(*) FROM pg_replication_slots";
            wait_until("no slot is left", || {
                self.features.stack.direct("app", slots) == "0\n"
            });
        }
        // PgBouncer 1.18 leaves the last client's name to one that has none.
        let mut startup = vec![("application_name", "features")];
        let own = self.row.startup.iter();
        startup.extend(own.map(|(name, value)| (&**name, &**value)));
        let mut wire = match Wire::try_login(self.login, self.transport, &startup) {
            Ok(wire) => wire,
            Err(error) => return Played::NoLogin(error),
        };
        let (mut answers, mut leaked) = (Vec::new(), Vec::new());
        for step in &self.row.steps {
            let before = wire.parameters.len();
            let mut client = Client {
                features: self.features,
                wire: &mut wire,
                login: self.login,
                transport: self.transport,
                protocol: self.protocol,
                place: self.place,
            };
            let said = client.step(step);
            leaked.extend(said.leaked);
            let Some(mut messages) = said.messages else {
                continue;
            };
            if self.replicates() {
                // What a walsender says of itself comes when it comes.
                messages.retain(|message| message.kind != b'd');
            }
            let last = messages.last().filter(|it| it.kind == b'Z');
            let status = last.map(Message::transaction);
            let mut answer = read(&messages);
            // PostgreSQL 16 and newer report several in no particular order.
            let mut reported: Vec<_> = wire.parameters.drain(before..).collect();
            reported.sort();
            let reported = reported.into_iter();
            let reported = reported.map(|(name, value)| format!("reported {name} = {value}"));
            answer.words.extend(reported);
            let guard = answer.refused_by.as_ref();
            let refused = guard.is_some_and(|guard| guard != "unknown-name");
            answers.push(answer);
            let Some(status) = status else {
                break;
            };
            if refused {
                goes_on(&mut wire, status);
                break;
            }
            if status == 'I' {
                between();
            }
        }
        Played::Answers(answers, leaked)
    }
}

/// Behind a refusal.
fn goes_on(wire: &mut Wire, status: char) {
    if status != 'I' {
        fine(&wire.query("ROLLBACK"));
    }
    assert_eq!(column(&wire.query("SELECT 'goes on'")), ["goes on"]);
}

fn read(messages: &[Message]) -> Answer {
    let error = error(messages);
    let field = |code| {
        error
            .and_then(|error| error.field(code))
            .unwrap_or_default()
    };
    let refused_by = field(b'D')
        .split_once("was refused by guard \"")
        .map(|(_, behind)| {
            let (guard, _) = behind.split_once('"').expect("a closing quote");
            guard.to_owned()
        });
    let words = messages
        .iter()
        .filter(|it| it.kind != b'S')
        .map(words)
        .collect();
    let helps = !field(b'H').is_empty();
    Answer {
        words,
        refused_by,
        helps,
    }
}

/// Where a server is in its log is nobody's but its own.
fn words(message: &Message) -> String {
    if message.kind != b'D' {
        return message::words(message);
    }
    let values = message.row().into_iter();
    let values: Vec<_> = values.map(|it| it.filter(|it| !is_lsn(it))).collect();
    format!("D {values:?}")
}

/// A place in the WAL, which moves: `0/1A2B3C`.
fn is_lsn(text: &str) -> bool {
    let hexadecimal = |part: &str| part.bytes().all(|it| it.is_ascii_hexdigit());
    let parts = text.split_once('/');
    parts.is_some_and(|(high, low)| hexadecimal(high) && hexadecimal(low))
}

/// The next client of the server connection: the same login, straight at its pool.
struct Neighbour<'f> {
    features: &'f Features,
    login: Login,
    /// The way that the client goes. What nobody can take from the connection must not be seen this way.
    way: (Login, Transport),
    /// On a connection of one's own.
    fresh: Vec<String>,
    /// The random numbers that the seed of the rows leads to.
    seeded: Vec<String>,
}

impl<'f> Neighbour<'f> {
    fn new(of: &Comparison<'f>) -> Self {
        let at = |port| Login {
            port,
            ..of.login.clone()
        };
        let pool = of.place.pool.expect("a pool");
        let own = at(of.features.stack.cluster.port);
        let fresh = Self::sees(&own);
        let mut wire = Wire::login_with(&own, Transport::Plain, &[]);
        fine(&wire.query("SELECT setseed(0.25)"));
        let seeded = column(&wire.query("SELECT random() FROM generate_series(1, 9)"));
        Self {
            features: of.features,
            login: at(pool),
            way: (of.login.clone(), of.transport),
            fresh,
            seeded,
        }
    }

    /// The next transaction gets another server connection.
    fn reconnect(&self) {
        self.features.reconnect(self.login.port);
    }

    /// What makes the connection other than a fresh one.
    fn finds(&self) -> Vec<String> {
        let mut found = Self::sees(&self.login);
        // A custom parameter that was set once, be it for a transaction, is there and empty from then on.
        found.retain(|line| !self.fresh.contains(line) && !line.ends_with(" = "));
        let (login, transport) = &self.way;
        let mut wire = Wire::login_with(login, *transport, &[("application_name", "neighbour")]);
        if !column(&wire.query("SELECT lastval()")).is_empty() {
            found.push("lastval".to_owned());
        }
        let drawn = column(&wire.query("SELECT random()"));
        if drawn.iter().any(|number| self.seeded.contains(number)) {
            found.push("seed".to_owned());
        }
        found
    }

    fn sees(login: &Login) -> Vec<String> {
        // PgBouncer that follows prepared statements keeps those of everybody, under names of its own.
        // plpgsql comes with the first function that is called, and stays.
        // What it sets itself, for every client, is of the session; and the modes of the last transaction are, which the
        // next one sets anew.
        const ALL: &str = "SELECT name || ' = ' || setting FROM pg_settings WHERE name NOT LIKE 'plpgsql.%'
            UNION ALL SELECT 'of the session ' || name FROM pg_settings WHERE source = 'session' AND name NOT LIKE '%.%'
                AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'IntervalStyle', 'TimeZone', 'standard_conforming_strings',
                    'transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
            UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements WHERE name NOT LIKE 'PGBOUNCER%'
            UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name <> '' AND name NOT LIKE '%c\\_%'
            UNION ALL SELECT 'listens to ' || pg_listening_channels()
            UNION ALL SELECT 'advisory lock ' || objid FROM pg_locks WHERE locktype = 'advisory'
            UNION ALL SELECT 'temporary ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
            UNION ALL SELECT 'user ' || current_user || ', ' || session_user
            ORDER BY 1";
        let named = [("application_name", "neighbour")];
        let mut wire = Wire::login_with(login, Transport::Plain, &named);
        let answer = wire.query(ALL);
        // A client that died may hold the only connection for a moment longer; PgBouncer waits for it.
        fine(&answer);
        column(&answer)
    }
}
