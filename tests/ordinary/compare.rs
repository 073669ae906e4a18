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

/// The same under the policy that is shipped for production, with the login for pg_dump of its comment.
pub fn shipped((version, pooler): (Version, Pooler)) -> Stack {
    let policy = include_str!("../../policies/production.toml");
    let (before, rest) = policy
        .split_once("# [login.shop_backup]")
        .expect("a login for backups");
    let (login, after) = rest.split_once("\n\n").expect("its end");
    let login = login.replace("\n# ", "\n");
    Stack::start(StackOptions {
        version,
        pooler,
        users: vec![User::new("shop_backup", &password("shop_backup"))],
        sql: format!("{}{FIXTURE}GRANT shop_acme TO shop_backup;", fixture::SQL),
        policy: format!("{before}[login.shop_backup]{login}\n\n{after}"),
        ..StackOptions::default()
    })
}

/// shop_acme straight at PostgreSQL, which knows its tenant from the role's own setting.
pub fn direct(stack: &Stack) -> Login {
    stack.login_at(stack.cluster.port, "shop_acme", "shop")
}

/// The two ways to say a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Simple,
    Extended,
}

/// Runs a family; panics with every case whose answers differ.
pub fn family(name: &str, versions: (Version, Pooler)) {
    let cases = &cases::family(name);
    let stack = stack(versions);
    let mut wrong = Vec::new();
    let mut statements = 0;
    for protocol in [Protocol::Simple, Protocol::Extended] {
        let mut pair = Pair::open(&stack);
        for case in cases {
            let left_out = match protocol {
                Protocol::Simple => case.extended,
                Protocol::Extended => case.simple || case.call.is_some(),
            };
            if left_out {
                continue;
            }
            statements += case.steps.len() + usize::from(case.call.is_some());
            let outcome = pair.run(case, protocol);
            if outcome.is_err() || case.pending.is_some() {
                pair = Pair::open(&stack);
            }
            if let Err(problem) = outcome {
                wrong.push(format!("{protocol:?}: {}\n    {problem}", case.name()));
            }
        }
    }
    println!(
        "{name}: {} cases, {statements} statements run, {} wrong",
        cases.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two connections that are told the same.
struct Pair {
    direct: Wire,
    through: Wire,
}

impl Pair {
    fn open(stack: &Stack) -> Self {
        let zone = [("options", "-c app.tenant_id=acme")];
        Self {
            direct: Wire::login_with(&direct(stack), Transport::Plain, &zone),
            through: Wire::login(&stack.login("shop_acme", "shop")),
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
        if let Some(error) = message::error(&expected) {
            return Err(format!("wrong by itself: {}", words(error)));
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
            .map(|text| match protocol {
                Protocol::Simple => message::query(text),
                Protocol::Extended => [
                    message::parse("", text),
                    message::describe(b'S', ""),
                    message::bind("", "", &values),
                    message::describe(b'P', ""),
                    message::execute("", 0),
                    message::sync(),
                ]
                .concat(),
            })
            .collect()
    }
}

/// FunctionCall: the function's oid and its arguments as text.
fn function_call(words: &str) -> Vec<u8> {
    let mut words = words.split(' ');
    let oid: u32 = words
        .next()
        .and_then(|oid| oid.parse().ok())
        .expect("an oid");
    let arguments: Vec<&str> = words.collect();
    let mut body = oid.to_be_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(u16::try_from(arguments.len()).expect("few").to_be_bytes());
    for argument in arguments {
        body.extend(u32::try_from(argument.len()).expect("short").to_be_bytes());
        body.extend(argument.as_bytes());
    }
    body.extend([0, 0]);
    message::framed(b'F', &body)
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
