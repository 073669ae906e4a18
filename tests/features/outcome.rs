//! What becomes of a feature: its steps straight at PostgreSQL and through something, side by side.

use portcullis::cli::transaction_mode::{Feature, Step};

use super::stack::Features;
use crate::script;
use crate::support::message::{self, Message, column, error, fine};
use crate::support::{Login, Transport, Wire};

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Simple,
    Extended,
}

/// The outcome and what shows it.
pub type Outcome = (String, String);

/// Straight at PgBouncer in transaction mode.
pub fn through_pgbouncer(features: &Features, row: &Feature, protocol: Protocol) -> Outcome {
    let login = features.login(row.login.as_deref(), false, features.stack.transaction_port);
    outcome(
        features,
        row,
        protocol,
        &login,
        Route::Pooled,
        Transport::Plain,
    )
}

/// Through Portcullis.
pub fn through_portcullis(
    features: &Features,
    row: &Feature,
    protocol: Protocol,
    route: &str,
) -> Outcome {
    let route = match route {
        "session" => Route::Own,
        _ => Route::Pooled,
    };
    let login = features.login(
        row.login.as_deref(),
        route == Route::Own,
        features.stack.port,
    );
    outcome(
        features,
        row,
        protocol,
        &login,
        route,
        Transport::SslRequest,
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    Pooled,
    Own,
}

fn outcome(
    features: &Features,
    row: &Feature,
    protocol: Protocol,
    login: &Login,
    route: Route,
    transport: Transport,
) -> Outcome {
    let mut direct = login.clone();
    direct.port = features.stack.cluster.port;
    let expected = play(
        features,
        row,
        protocol,
        &direct,
        Transport::Plain,
        &mut || {},
    );
    let Played::Answers(expected) = expected else {
        panic!("{}: no login at PostgreSQL", row.name);
    };

    let neighbour = Neighbour::new(features, login, transport, route);
    neighbour.reconnect();
    let mut left = Vec::new();
    let mut look = || {
        // On the session route the connection is the client's as long as it is there.
        if route == Route::Pooled {
            left.extend(neighbour.finds());
            neighbour.reconnect();
        }
    };
    let played = play(features, row, protocol, login, transport, &mut look);
    left.extend(neighbour.finds());
    left.sort();
    left.dedup();
    let answers = match played {
        Played::NoLogin(why) => return ("no login".to_owned(), why),
        Played::Answers(answers) => answers,
    };
    let differs = expected
        .iter()
        .zip(&answers)
        .find(|(one, other)| one.words != other.words);
    let lost = differs.is_some() || expected.len() != answers.len();
    let why = format!("left {left:?}; {differs:#?}");
    if let Some((_, found)) = differs
        && let Some(guard) = &found.refused_by
    {
        assert!(left.is_empty(), "{}: refused, and {why}", row.name);
        assert!(
            found.helps,
            "{}: refused without a hint: {found:?}",
            row.name
        );
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
    Answers(Vec<Answer>),
    NoLogin(String),
}

/// Runs the steps, up to the first refusal; `between` runs wherever no transaction is open. The client
/// does not say goodbye.
fn play(
    features: &Features,
    row: &Feature,
    protocol: Protocol,
    login: &Login,
    transport: Transport,
    between: &mut dyn FnMut(),
) -> Played {
    // PgBouncer 1.18 leaves the last client's name to one that has none.
    let mut startup = vec![("application_name", "features")];
    startup.extend(row.startup.iter().map(|(name, value)| (&**name, &**value)));
    let mut wire = match Wire::try_login(login, transport, &startup) {
        Ok(wire) => wire,
        Err(error) => return Played::NoLogin(format!("{error:?}")),
    };
    let mut answers = Vec::new();
    for step in &row.steps {
        let before = wire.parameters.len();
        let messages = send(features, &mut wire, login, step, protocol);
        let status = messages
            .last()
            .filter(|it| it.kind == b'Z')
            .map(Message::transaction);
        let mut answer = read(&messages);
        // PostgreSQL 16 and newer report several in no particular order.
        let mut reported: Vec<_> = wire.parameters.drain(before..).collect();
        reported.sort();
        let reported = reported.into_iter();
        answer
            .words
            .extend(reported.map(|(name, value)| format!("reported {name} = {value}")));
        let refused = answer
            .refused_by
            .as_ref()
            .is_some_and(|guard| guard != "unknown-name");
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
    Played::Answers(answers)
}

/// Behind a refusal.
fn goes_on(wire: &mut Wire, status: char) {
    if status != 'I' {
        fine(&wire.query("ROLLBACK"));
    }
    assert_eq!(column(&wire.query("SELECT 'goes on'")), ["goes on"]);
}

fn send(
    features: &Features,
    wire: &mut Wire,
    login: &Login,
    step: &Step,
    protocol: Protocol,
) -> Vec<Message> {
    let statement = match step {
        Step::Messages(lines) => return script::run(wire, lines),
        Step::Statement(statement) => statement,
    };
    if let Some(slow) = statement.strip_prefix("cancel: ") {
        wire.send(&by(protocol, slow));
        features.stack.wait_for_sleepers(1);
        cancel(wire, login);
        return wire.receive_until(b'Z');
    }
    if let Some(slow) = statement.strip_prefix("cancel by SQL: ") {
        wire.send(&by(protocol, slow));
        features.stack.wait_for_sleepers(1);
        let mut all = cancel_by_sql(features, wire, login);
        all.extend(wire.receive_until(b'Z'));
        return all;
    }
    wire.send(&by(
        protocol,
        &statement.replace("{pid}", &pid(wire).to_string()),
    ));
    wire.receive_until(b'Z')
}

/// By the protocol. PgBouncer 1.18 may end over a request whose client does not wait for it to close.
fn cancel(wire: &Wire, login: &Login) {
    let mut request = Wire::open(login.port);
    request.send(&message::cancel(&wire.cancel_key));
    assert_eq!(request.receive_to_end(), []);
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

/// The number that the client was told at login.
fn pid(wire: &Wire) -> u32 {
    let (pid, _) = wire.cancel_key.split_first_chunk().expect("a key");
    u32::from_be_bytes(*pid)
}

/// Another connection cancels this one by its number, and where that does nothing the protocol does it.
/// Straight at PgBouncer there is no server connection left for the other: it goes to PostgreSQL.
fn cancel_by_sql(features: &Features, wire: &Wire, login: &Login) -> Vec<Message> {
    let mut other = login.clone();
    let mut transport = Transport::SslRequest;
    if other.port != features.stack.port {
        other.port = features.stack.cluster.port;
        transport = Transport::Plain;
    }
    let mut other = Wire::login_with(&other, transport, &[]);
    let sql = format!(
        "SELECT pg_cancel_backend(({}::bigint % 2147483648)::int)",
        pid(wire)
    );
    // A Query: refused at once, though the only server connection is taken.
    let mut answer = other.query(&sql);
    if column(&answer) != ["t"] {
        cancel(wire, login);
    }
    answer.pop();
    answer
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

fn words(message: &Message) -> String {
    let kind = char::from(message.kind);
    match message.kind {
        b'E' | b'N' => {
            let fields = *b"VCMP";
            let fields = fields.map(|field| message.field(field).unwrap_or_default());
            format!("{kind} {}", fields.join(" "))
        }
        b'D' => format!("{kind} {:?}", message.row()),
        b'C' => format!("{kind} {}", message.tag()),
        b'Z' => format!("{kind} {}", message.transaction()),
        b'V' => format!("{kind} {}", message.body.escape_ascii()),
        _ => kind.to_string(),
    }
}

/// The next client of the server connection: the same login, straight at its pool.
struct Neighbour<'f> {
    features: &'f Features,
    login: Login,
    /// The way that the client goes. What nobody can take from the connection must not be seen this way.
    way: (Login, Transport),
    /// On a connection of one's own.
    fresh: Vec<String>,
}

impl<'f> Neighbour<'f> {
    fn new(features: &'f Features, login: &Login, transport: Transport, route: Route) -> Self {
        let stack = &features.stack;
        let at = |port| Login {
            port,
            ..login.clone()
        };
        let fresh = Self::sees(&at(stack.cluster.port));
        let port = match route {
            Route::Pooled => stack.transaction_port,
            Route::Own => stack.session_port,
        };
        Self {
            features,
            login: at(port),
            way: (login.clone(), transport),
            fresh,
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
        found
    }

    fn sees(login: &Login) -> Vec<String> {
        // PgBouncer that follows prepared statements keeps those of everybody, under names of its own.
        // plpgsql comes with the first function that is called, and stays.
        const ALL: &str = "SELECT name || ' = ' || setting FROM pg_settings WHERE name NOT LIKE 'plpgsql.%'
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
