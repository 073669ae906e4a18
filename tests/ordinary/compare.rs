//! The same case straight at PostgreSQL and through Portcullis.

use super::cases::{self, Case};
use crate::support::message::{self, Message};
use crate::support::{
    Login, Pooler, Stack, StackOptions, Transport, User, Version, Wire, fixture, password,
};

/// What an application's schema looks like.
pub const FIXTURE: &str = include_str!("fixture.sql");

/// A login whose server connection is its own, for what needs a session.
const SESSION: &str = "
[login.shop_dump]
kind = \"service\"
databases = [\"shop\"]
zone = \"acme\"
route = \"session\"
fast_path = [\"large-objects\"]
";

/// The stack for all ordinary cases.
pub fn stack((version, pooler): (Version, Pooler)) -> Stack {
    Stack::start(StackOptions {
        version,
        pooler,
        users: vec![User::new("shop_dump", &password("shop_dump"))],
        sql: format!("{}{FIXTURE}GRANT shop_acme TO shop_dump;", fixture::SQL),
        policy: format!("{}{SESSION}", fixture::with_large_objects()),
        ..StackOptions::default()
    })
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    login: &'static str,
    /// What its startup message says through Portcullis.
    startup: &'static [(&'static str, &'static str)],
}

/// Its tenant is the policy's.
pub const SERVICE: Client = Client {
    login: "shop_acme",
    startup: &[],
};
/// It says its tenant itself.
pub const CHOOSER: Client = Client {
    login: "shop_api",
    startup: &[("app.tenant_id", "acme")],
};
/// Reads only, and not too much at a time.
pub const PERSON: Client = Client {
    login: "boris",
    startup: &[],
};

/// The policies that are shipped.
pub const PRODUCTION: &str = include_str!("../../policies/production.toml");
pub const STAGING: &str = include_str!("../../policies/staging.toml");
pub const DEVELOPMENT: &str = include_str!("../../policies/development.toml");

/// The same under the policy that is shipped for production.
pub fn shipped((version, pooler): (Version, Pooler)) -> Stack {
    let others = ["shop_backup", "shop_api", "boris"];
    Stack::start(StackOptions {
        version,
        pooler,
        users: others.map(|name| User::new(name, &password(name))).to_vec(),
        sql: format!(
            "{}{FIXTURE}GRANT shop_acme TO {};",
            fixture::SQL,
            others.join(", ")
        ),
        policy: for_tests(PRODUCTION),
        ..StackOptions::default()
    })
}

/// The proxy of [`shipped`] anew, under another policy that is shipped, on server connections that nobody has used.
pub fn under(stack: &mut Stack, policy: &str) {
    let console = stack.login_at(stack.transaction_port, fixture::ADMIN, "pgbouncer");
    let answer = Wire::login(&console).query("RECONNECT");
    assert!(message::error(&answer).is_none(), "RECONNECT");
    std::fs::write(stack.file("policy.toml"), for_tests(policy)).expect("write the policy");
    stack.reconfigure("schema", "schema");
}

/// The policy with the login for pg_dump of its comment, if there is one, and with the person on the database
/// that has something to read.
fn for_tests(policy: &str) -> String {
    const HERE: &str = "databases = [\"shop\"]\nzone = \"acme\"\nconsole";
    let Some((before, rest)) = policy.split_once("# [login.shop_backup]") else {
        return policy.into();
    };
    let (login, after) = rest.split_once("\n\n").expect("its end");
    let login = login.replace("\n# ", "\n");
    let after = after.replace("databases = [\"shop_figures\"]\nconsole", HERE);
    assert!(after.contains(HERE), "a person");
    format!("{before}[login.shop_backup]{login}\n\n{after}")
}

/// shop_acme straight at PostgreSQL, which knows its tenant from the role's own setting.
pub fn direct(stack: &Stack) -> Login {
    stack.login_at(stack.cluster.port, "shop_acme", "shop")
}

/// The ways to say a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Simple,
    Extended,
    /// A name for the statement, prepared in a batch of its own; rows fetched by and by; both closed.
    Named,
}

/// Runs a family; panics with every case whose answers differ.
pub fn family(name: &str, versions: (Version, Pooler)) {
    each(&stack(versions), SERVICE, &[name]);
}

/// Runs families for a client; panics with every case whose answers differ.
pub fn each(stack: &Stack, client: Client, families: &[&str]) {
    said(
        stack,
        client,
        families,
        &[Protocol::Simple, Protocol::Extended],
    );
}

/// Runs families for a client, said in these ways.
pub fn said(stack: &Stack, client: Client, families: &[&str], protocols: &[Protocol]) {
    let mut wrong = Vec::new();
    for name in families {
        let (cases, mut statements, before) = (cases::family(name), 0, wrong.len());
        for &protocol in protocols {
            let cases = cases.iter().filter(|case| case.is_for(protocol));
            let mut pair = Pair::open(stack, client);
            for case in cases {
                statements += case.steps.len() + usize::from(case.call.is_some());
                let outcome = pair.run(case, protocol);
                if outcome.is_err() || case.pending.is_some() {
                    pair = Pair::open(stack, client);
                }
                if let Err(problem) = outcome {
                    wrong.push(format!(
                        "{name}, {protocol:?}: {}\n    {problem}",
                        case.name()
                    ));
                }
            }
        }
        println!(
            "{name} as {}: {} cases, {statements} statements run, {} wrong",
            client.login,
            cases.len(),
            wrong.len() - before
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two connections that are told the same.
struct Pair {
    direct: Wire,
    through: Wire,
}

impl Pair {
    fn open(stack: &Stack, client: Client) -> Self {
        let zone = [("options", "-c app.tenant_id=acme")];
        let direct = stack.login_at(stack.cluster.port, client.login, "shop");
        let through = stack.login(client.login, "shop");
        Self {
            direct: Wire::login_with(&direct, Transport::Plain, &zone),
            through: Wire::login_with(&through, Transport::SslRequest, client.startup),
        }
    }

    fn run(&mut self, case: &Case, protocol: Protocol) -> Result<(), String> {
        // One after the other: both would wait for the same locks.
        let sent = case.sent(protocol);
        let [expected, found] = [&mut self.direct, &mut self.through].map(|wire| {
            let answers = sent.iter().map(|step| answer(wire, step, &case.copy));
            answers.flatten().collect::<Vec<Message>>()
        });
        if expected.last().is_none_or(|last| last.transaction() != 'I') {
            return Err("the case does not end its transaction".into());
        }
        let failed = message::error(&expected);
        if failed.map(Message::sqlstate) != case.fails {
            let by = failed.map_or_else(|| "no error".into(), words);
            return Err(format!("wrong by itself: {by}"));
        }
        let refused = message::error(&found).filter(|error| {
            error
                .field(b'D')
                .is_some_and(|detail| detail.contains("was refused by guard"))
        });
        match (&case.pending, refused) {
            (Some(guard), Some(refusal)) if refusal.field(b'R').as_ref() == Some(guard) => Ok(()),
            (Some(guard), Some(refusal)) => Err(format!(
                "pending for {guard}, but refused: {}",
                words(refusal)
            )),
            (Some(guard), None) => Err(format!("pending for {guard}, but it passes")),
            (None, Some(refusal)) => Err(format!("FALSE REFUSAL: {}", words(refusal))),
            (None, None) => same(&seen(&expected, case), &seen(&found, case)),
        }
    }
}

impl Case {
    fn is_for(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Simple => !self.extended,
            Protocol::Extended => !self.simple && self.call.is_none(),
            // What fails is not there to be bound; COPY hears no Execute behind it.
            Protocol::Named => {
                let whole = self.fails.is_none() && self.pending.is_none() && self.copy.is_empty();
                whole && !self.simple && self.call.is_none()
            }
        }
    }

    /// What is sent for each step.
    fn sent(&self, protocol: Protocol) -> Vec<Vec<u8>> {
        if let Some(call) = &self.call {
            return vec![function_call(call)];
        }
        let values: Vec<Option<&str>> = self
            .values
            .iter()
            .map(|value| Some(value.as_str()))
            .collect();
        let texts = self.steps.iter();
        texts
            .flat_map(|text| match protocol {
                Protocol::Simple => vec![message::query(text)],
                Protocol::Extended => vec![
                    [
                        message::parse("", text),
                        message::describe(b'S', ""),
                        message::bind("", "", &values),
                        message::describe(b'P', ""),
                        message::execute("", 0),
                        message::sync(),
                    ]
                    .concat(),
                ],
                Protocol::Named => named(text, &values).map(|batch| batch.concat()).into(),
            })
            .collect()
    }
}

/// The batches of [`Protocol::Named`].
fn named(text: &str, values: &[Option<&str>]) -> [Vec<Vec<u8>>; 3] {
    let first = text.split_whitespace().next().unwrap_or_default();
    let has_rows = ["SELECT", "TABLE", "VALUES"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word));
    let mut run = vec![
        message::bind("p", "s", values),
        message::execute("p", u32::from(has_rows)),
    ];
    if has_rows {
        run.extend([message::describe(b'P', "p"), message::execute("p", 0)]);
    }
    run.extend([message::close(b'P', "p"), message::sync()]);
    [
        vec![
            message::parse("s", text),
            message::describe(b'S', "s"),
            message::sync(),
        ],
        run,
        vec![message::close(b'S', "s"), message::sync()],
    ]
}

/// FunctionCall: the function's oid and its arguments as text.
fn function_call(words: &str) -> Vec<u8> {
    let mut words = words.split(' ');
    let oid: u32 = words
        .next()
        .and_then(|oid| oid.parse().ok())
        .expect("an oid");
    let arguments: Vec<&str> = words.collect();
    message::function_call(oid, &arguments)
}

/// Sends, gives the server its COPY data, and receives up to ReadyForQuery.
fn answer(wire: &mut Wire, bytes: &[u8], copy: &str) -> Vec<Message> {
    wire.send(bytes);
    let mut messages = Vec::new();
    while let Some(message) = wire.receive() {
        let kind = message.kind;
        messages.push(message);
        match kind {
            // A Sync inside COPY is not heard by the server.
            b'G' => {
                let sync = if bytes[0] == b'Q' {
                    Vec::new()
                } else {
                    message::sync()
                };
                let data = [
                    message::copy_data(copy.as_bytes()),
                    message::copy_done(),
                    sync,
                ];
                wire.send(&data.concat());
            }
            b'Z' => break,
            _ => {}
        }
    }
    messages
}

/// The answer without what belongs to a connection, or, for a shape, without what rows hold.
fn seen(messages: &[Message], case: &Case) -> Vec<Message> {
    let mut seen: Vec<Message> = messages
        .iter()
        .filter(|message| !matches!(message.kind, b'S' | b'A'))
        .cloned()
        .collect();
    if case.shape {
        seen.iter_mut()
            .filter(|message| matches!(message.kind, b'D' | b'd' | b'V'))
            .for_each(|message| message.body.clear());
        seen.dedup();
    }
    seen
}

fn same(expected: &[Message], found: &[Message]) -> Result<(), String> {
    let pairs = expected.iter().zip(found);
    if let Some((expected, found)) = pairs
        .into_iter()
        .find(|(expected, found)| expected != found)
    {
        return Err(format!(
            "expected {}\n    found    {}",
            words(expected),
            words(found)
        ));
    }
    if expected.len() == found.len() {
        return Ok(());
    }
    Err(format!(
        "expected {}, found {}",
        message::kinds(expected),
        message::kinds(found)
    ))
}

fn words(message: &Message) -> String {
    let text: String = String::from_utf8_lossy(&message.body)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("{} {text}", char::from(message.kind))
}
