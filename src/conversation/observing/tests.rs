//! Bytes unchanged both ways, whatever is judged.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::*;
use crate::conversation::{Conversation, Fatal, Next, Setup, Taken};
use crate::error::SqlState;
use crate::policy::{Decision, Policy, Refusal, State, Verdict, Who};
use crate::protocol::frame::{SYNC, message, put_cstr};
use crate::sql::{Facts, FactsCache, LONG_TEXT, describe};
use crate::zone::Prefix;
use crate::zone::signed::Unsigned;

const POLICY: &str = r#"
schema = 1
environment = "production"
mode = "observe"
[zone]
parameter = "app.tenant_id"
databases = ["shop"]
[login.app]
kind = "service"
databases = ["shop"]
zone = "acme"
"#;
const MAX: usize = 100_000;

#[derive(Default)]
struct Counting {
    judged: Cell<usize>,
    objections: Cell<usize>,
    errors: Cell<usize>,
    /// What is no text, by its guard; and what would have been changed.
    told: RefCell<Vec<&'static str>>,
}

impl Counting {
    /// What was told since the last time.
    fn told(&self) -> String {
        self.told.take().join(" ")
    }
}

fn count(cell: &Cell<usize>) {
    cell.set(cell.get() + 1);
}

impl Observer for Counting {
    fn judged(&self, _: &Facts, decision: &Decision, _: &[u8]) {
        count(&self.judged);
        assert_eq!(decision.verdict, Verdict::Allow);
        if !decision.observed.is_empty() {
            count(&self.objections);
        }
    }
    fn refused(&self, refusal: &Refusal, _: &[u8]) {
        panic!("refused: {}", refusal.message);
    }
    fn observed(&self, refusal: &Refusal, _: &[u8]) {
        self.told.borrow_mut().push(refusal.guard.id());
    }
    fn foreseen(&self, change: Change, facts: Option<&Facts>, text: &[u8]) {
        assert_eq!(facts.is_none(), change.is_injection());
        assert!(facts.is_none() || !text.is_empty());
        self.told.borrow_mut().push(change.id());
    }
    fn injected(&self) {
        panic!("injected");
    }
    fn injection_failed(&self) {}
    fn server_error(&self, _: &[u8]) {
        count(&self.errors);
    }
    fn started(&self, _: Option<&Facts>, _: &[u8]) {}
    fn ended(&self, _: SqlState) {}
}

/// A connection of a login that has a zone, on a pool.
struct Connection {
    conversation: Conversation,
    who: Who,
    facts: FactsCache,
    counting: Counting,
}

impl Connection {
    fn new(record: bool) -> Self {
        Self::of(POLICY, record)
    }

    fn of(policy: &str, record: bool) -> Self {
        let (policy, _) = Policy::parse(policy, "p.toml").expect("the policy is valid");
        let login = Arc::clone(&policy.logins["app"]);
        let who = Who {
            policy: Arc::new(policy),
            login,
            database: "shop".into(),
        };
        let prefix = |zone| Arc::new(Prefix::new(&[("app.tenant_id", zone)], None));
        let setup = Setup {
            connection: 1,
            random: [1, 2],
            zone: who.zone().map(prefix),
            chooses: who.chosen_parameter().map(|_| who.clone()),
            max_statement_bytes: MAX,
            record,
            replaceable: true,
            origins: Arc::default(),
            reported: Vec::new(),
            observes: true,
            walsender: false,
            spelling: Arc::default(),
        };
        Self {
            conversation: Conversation::new(&setup),
            who,
            facts: FactsCache::new(1 << 20, 1),
            counting: Counting::default(),
        }
    }

    /// One look at what the client sent: what came of it, and what went on to the server.
    fn once(&mut self, input: &[u8]) -> (Result<Taken, Fatal>, Vec<u8>) {
        let (mut scratch, mut reply) = (Vec::new(), Vec::new());
        let mut cx = Context {
            who: &self.who,
            state: State::default(),
            facts: &mut self.facts,
            described: None,
            busy: false,
            observer: &self.counting,
            signer: &Unsigned,
        };
        let mut out = Splice::new(input, &mut scratch);
        let conversation = &mut self.conversation;
        let taken = conversation.from_client(input, &mut cx, &mut out, &mut reply);
        (taken, out.finish().to_vec())
    }

    /// `bytes` arrive in reads of `size`; what goes to the server.
    fn client(&mut self, bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut held, mut sent) = (Vec::new(), Vec::new());
        let mut described = None;
        for read in bytes.chunks(size) {
            held.extend_from_slice(read);
            loop {
                let (mut scratch, mut reply) = (Vec::new(), Vec::new());
                let mut cx = Context {
                    who: &self.who,
                    state: State::default(),
                    facts: &mut self.facts,
                    described: described.take(),
                    busy: false,
                    observer: &self.counting,
                    signer: &Unsigned,
                };
                let mut out = Splice::new(&held, &mut scratch);
                let conversation = &mut self.conversation;
                let taken = conversation.from_client(&held, &mut cx, &mut out, &mut reply);
                let taken = taken.expect("nothing is an error");
                sent.extend_from_slice(out.finish());
                assert!(reply.is_empty());
                if let Next::Describe { text, .. } = &taken.next {
                    described = Some(Arc::new(describe(text)));
                }
                held.drain(..taken.consumed);
                match taken.next {
                    Next::Describe { .. } | Next::Pause => {}
                    Next::Hold => panic!("nothing is held back"),
                    Next::Read { .. } | Next::Terminate => break,
                }
            }
        }
        assert_eq!(held, b"");
        sent
    }

    fn server(&mut self, bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut held, mut sent) = (Vec::new(), Vec::new());
        for read in bytes.chunks(size) {
            held.extend_from_slice(read);
            let (mut scratch, mut own) = (Vec::new(), Vec::new());
            let mut out = Splice::new(&held, &mut scratch);
            let conversation = &mut self.conversation;
            let used = conversation.from_server(&held, &self.counting, &mut out, &mut own);
            sent.extend_from_slice(out.finish());
            assert!(own.is_empty());
            held.drain(..used.expect("nothing is an error"));
        }
        assert_eq!(held, b"");
        sent
    }
}

fn put(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, kind, |out| out.extend_from_slice(body));
    out
}

fn query(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'Q', |out| put_cstr(out, text.as_bytes()));
    out
}

/// Everything that is refused, prefixed, replaced, waited for or fatal where a policy enforces.
#[test]
fn every_byte_of_both_sides_goes_on_as_it_came() {
    let long = format!("select 1 -- {}", "x".repeat(LONG_TEXT));
    let sent = [
        query("select * from orders"),
        query("drop table orders"),
        query("begin; set app.tenant_id = 'globex'; commit"),
        query(&long),
        query(&"x".repeat(2 * MAX)),
        put(b'P', b"s\0truncate orders\0\0\0"),
        put(b'B', b"\0unknown\0\0\0\0\0\0\0"),
        put(b'E', b"\0\0\0\0\0"),
        put(b'H', b""),
        put(b'C', b"Sunknown\0"),
        SYNC.to_vec(),
        put(b'F', &[0; 10]),
        put(b'd', b"late data"),
        put(b'Q', b"no end"),
        put(b'?', b"what is this"),
    ]
    .concat();
    let ready = b"Z\0\0\0\x05I";
    let answers = [
        &put(b'C', b"SELECT 0\0")[..],
        ready,
        &put(b'E', b"SERROR\0C42P01\0Mno\0\0"),
        ready,
        ready,
        ready,
        &put(b'1', b""),
        &put(b'S', b"standard_conforming_strings\0off\0"),
        &put(b'?', b"what is this"),
        ready,
        ready,
        ready,
        ready,
    ]
    .concat();
    for size in [1, 3, 7, 1000, sent.len()] {
        let mut connection = Connection::new(false);
        assert!(connection.conversation.is_idle());
        assert!(connection.client(&sent, size) == sent, "reads of {size}");
        assert!(!connection.conversation.is_idle());
        assert!(connection.server(&answers, size) == answers);
        assert!(connection.conversation.is_idle());
        let counting = &connection.counting;
        let counts = [&counting.judged, &counting.objections, &counting.errors].map(Cell::get);
        assert_eq!(counts, [5, 3, 1], "reads of {size}");
    }
}

#[test]
fn even_where_nobody_knows_where_messages_begin() {
    let broken = [&query("select 1")[..], b"Q\0\0\0\0drop table orders"].concat();
    for size in [1, broken.len()] {
        let mut connection = Connection::new(false);
        assert!(connection.client(&broken, size) == broken);
        assert!(connection.server(&broken, size) == broken);
        assert!(!connection.conversation.is_idle());
        assert!(!connection.conversation.is_between_answers());
    }
}

/// It was made while the policy observed; now it enforces.
#[test]
fn a_connection_that_was_only_looked_at_ends_when_the_policy_enforces() {
    let mut connection = Connection::of(&POLICY.replace("observe", "enforce"), false);
    let (ended, carried) = connection.once(&query("select 1"));
    assert_eq!(ended.map_err(|f| f.sqlstate), Err(SqlState::ADMIN_SHUTDOWN));
    assert!(carried.is_empty());
}

/// A reload let it go while its statement runs: the policy that it goes by still observes.
#[test]
fn who_is_let_go_gets_the_answers_and_nothing_more_goes_on() {
    let mut connection = Connection::new(false);
    connection.client(&query("select 1"), usize::MAX);
    assert!(!connection.conversation.is_answered());
    connection.conversation.begin_nothing_more();
    let (taken, carried) = connection.once(&query("create table t (id int)"));
    let held = Taken {
        consumed: 0,
        next: Next::Hold,
    };
    assert_eq!(taken, Ok(held));
    assert!(carried.is_empty());
}

/// It waits for nothing but the rest of what it has begun.
#[test]
fn who_is_let_go_ends_its_message_its_data_and_its_batch() {
    let data = [put(b'd', b"1\n"), put(b'c', b"")].concat();
    let asked = put(b'E', b"\0\0\0\0\0");
    let copying = put(b'G', &[0; 3]);
    let done = [put(b'C', b"COPY 1\0"), put(b'Z', b"I")].concat();
    let large = query(&"x".repeat(2 * MAX));
    let (head, rest) = large.split_at(MAX);
    for (before, answer, after) in [
        (query("copy t from stdin"), copying.clone(), data.clone()),
        // psycopg sends both together; the server ignores this Sync.
        (
            [asked.clone(), SYNC.to_vec()].concat(),
            copying.clone(),
            [&data[..], SYNC].concat(),
        ),
        // This one asks for nothing.
        (
            [query("copy t from stdin"), SYNC.to_vec()].concat(),
            copying,
            data.clone(),
        ),
        (asked, Vec::new(), SYNC.to_vec()),
        (head.to_vec(), Vec::new(), rest.to_vec()),
    ] {
        let mut connection = Connection::new(false);
        assert_eq!(connection.client(&before, usize::MAX), before);
        assert_eq!(connection.server(&answer, usize::MAX), answer);
        // Nor is it idle, where the proxy drains.
        assert!(!connection.conversation.is_answered() && !connection.conversation.is_idle());
        connection.conversation.begin_nothing_more();
        let more = [&after[..], &query("create table t (id int)")].concat();
        let (taken, carried) = connection.once(&more);
        let held = Taken {
            consumed: after.len(),
            next: Next::Hold,
        };
        assert_eq!(taken, Ok(held));
        assert_eq!(carried, after);
        assert!(!connection.conversation.is_answered());
        connection.server(&done, usize::MAX);
        assert!(connection.conversation.is_answered());
    }
    // Where something would begin ahead of its Sync, that does not come any more, and is not waited for.
    let mut connection = Connection::new(false);
    connection.client(&put(b'E', b"\0\0\0\0\0"), usize::MAX);
    connection.conversation.begin_nothing_more();
    assert!(!connection.conversation.is_answered());
    let (taken, _) = connection.once(&[&put(b'E', b"\0\0\0\0\0")[..], SYNC].concat());
    assert_eq!(taken.expect("it waits").consumed, 0);
    assert!(connection.conversation.is_answered());
}

/// Nobody knows where a message ends: any of these bytes may begin one.
#[test]
fn who_is_let_go_sends_nothing_that_cannot_be_read() {
    let broken = b"d\0\0\0\0drop table orders";
    for lost_before in [true, false] {
        let mut connection = Connection::new(false);
        if lost_before {
            connection.client(broken, usize::MAX);
        }
        connection.conversation.begin_nothing_more();
        let (taken, carried) = connection.once(broken);
        let held = Taken {
            consumed: 0,
            next: Next::Hold,
        };
        assert_eq!(taken, Ok(held));
        assert!(carried.is_empty());
    }
}

#[test]
fn a_recorded_connection_is_judged_in_any_case() {
    let connection = Connection::new(true);
    assert!(connection.conversation.onlooker.is_none());
    assert!(connection.conversation.injection.is_some());
}

/// Told once in an answer; what is read in parts counts together until its transaction is over.
#[test]
fn rows_beyond_a_limit_are_told_and_go_on() {
    let limited = POLICY.replace("[login.app]\n", "[login.app]\nmax_rows = 3\n");
    let ready = |status: &[u8]| put(b'Z', status);
    let answer = |rows: usize, tag: &[u8], status: &[u8]| {
        let row = put(b'D', &[0, 0]);
        [row.repeat(rows), put(b'C', tag), ready(status)].concat()
    };
    let copied = [
        put(b'd', b"x\n").repeat(4),
        put(b'c', b""),
        put(b'C', b"COPY 4\0"),
        ready(b"I"),
    ];
    let suspended = [put(b'D', &[0, 0]).repeat(2), put(b's', b""), ready(b"T")].concat();
    let (told, not) = ("bulk-export", "");
    let answers = [
        (answer(3, b"SELECT 3\0", b"I"), not),
        (answer(9, b"SELECT 9\0", b"I"), told),
        (copied.concat(), told),
        (answer(2, b"FETCH 2\0", b"T"), not),
        (answer(2, b"FETCH 2\0", b"T"), told),
        (answer(0, b"COMMIT\0", b"I"), not),
        (suspended.clone(), not),
        (suspended, told),
        (answer(0, b"COMMIT\0", b"I"), not),
        (answer(3, b"SELECT 3\0", b"I"), not),
    ];
    for (policy, counts) in [(&*limited, true), (POLICY, false)] {
        for size in [1, 4, 1000] {
            let mut connection = Connection::of(policy, false);
            for (answer, expected) in &answers {
                connection.client(&query("-- nothing to judge"), usize::MAX);
                connection.counting.told();
                assert_eq!(&connection.server(answer, size), answer);
                let expected = if counts { expected } else { not };
                assert_eq!(connection.counting.told(), expected, "{answer:?}");
            }
        }
    }
}

/// As it would be: what its type says it is.
#[test]
fn a_zone_that_is_bound_as_a_number_is_told_as_that() {
    let chosen = POLICY.replace(
        "zone = \"acme\"",
        "zone = { from = \"client\", values = [\"42\"] }",
    );
    let parse = |oid: u32| {
        let text = b"SELECT set_config('app.tenant_id', $1::text, true)\0\0\x01";
        put(b'P', &[&b"s\0"[..], text, &oid.to_be_bytes()].concat())
    };
    let bind = |number: i32| {
        let value = [
            &b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x04"[..],
            &number.to_be_bytes(),
            b"\0\0",
        ];
        put(b'B', &value.concat())
    };
    for (oid, number, expected) in [
        (23, 42, ""),
        (23, 43, "zone-not-granted"),
        (25, 42, "zone-not-granted"),
        (1700, 42, "zone-parameter"),
    ] {
        let mut connection = Connection::of(&chosen, false);
        let sent = [parse(oid), bind(number)].concat();
        assert_eq!(connection.client(&sent, usize::MAX), sent);
        let told = connection.counting.told();
        let guards = told.split(' ').find(|it| it.starts_with("zone-"));
        assert_eq!(
            guards.unwrap_or_default(),
            expected,
            "{oid} {number}: {told}"
        );
    }
}

mod foreseen;
