//! In steady state nothing is allocated for a message: framing, gate, verdict, injection and
//! conversation work in memory that is there already.

use std::sync::Arc;

use portcullis::conversation::splice::Splice;
use portcullis::conversation::{Context, Conversation, Observer, Setup};
use portcullis::error::SqlState;
use portcullis::policy::{Decision, Policy, Refusal, State, Who};
use portcullis::protocol::frame::{SYNC, message, put_cstr};
use portcullis::sql::{Facts, FactsCache};
use portcullis::zone::Prefix;

const POLICY: &str = r#"
schema = 1
environment = "production"

[zone]
parameter = "app.tenant_id"
databases = ["shop"]

[login.plain]
kind = "service"
databases = ["app"]

[login.zoned]
kind = "service"
databases = ["shop"]
zone = "acme"
"#;

const READY: &[u8] = b"Z\0\0\0\x05I";
const ROW: &[u8] = b"D\0\0\0\x0b\0\x01\0\0\0\x011";
const TAG: &[u8] = b"C\0\0\0\x0dSELECT 1\0";
const PREFIX: &[u8] = b"3\0\0\0\x041\0\0\0\x042\0\0\0\x04C\0\0\0\x0dSELECT 0\x003\0\0\0\x04";

struct Nobody;

impl Observer for Nobody {
    fn judged(&self, _: &Facts, _: &Decision) {}
    fn refused(&self, refusal: &Refusal) {
        panic!("refused: {}", refusal.message);
    }
    fn injected(&self) {}
    fn injection_failed(&self) {}
    fn server_error(&self, _: &[u8]) {}
    fn started(&self, _: Option<&Facts>, _: &[u8]) {}
    fn ended(&self, _: SqlState) {}
}

struct Connection {
    conversation: Conversation,
    who: Who,
    facts: FactsCache,
    scratch: Vec<u8>,
    own: Vec<u8>,
}

impl Connection {
    fn new(login: &str, database: &str) -> Self {
        let (policy, _) = Policy::parse(POLICY, "policy.toml").expect("the policy is valid");
        let login = Arc::clone(&policy.logins[login]);
        let zone = login.zone.as_deref();
        let setup = Setup {
            connection: 1,
            random: [1, 2],
            zone: zone.map(|zone| Arc::new(Prefix::new(&[("app.tenant_id", zone)]))),
            max_statement_bytes: 1 << 20,
            record: false,
            replaceable: true,
        };
        Self {
            conversation: Conversation::new(&setup),
            who: Who {
                policy: Arc::new(policy),
                login,
                database: database.into(),
            },
            facts: FactsCache::new(1 << 20, 1),
            scratch: Vec::new(),
            own: Vec::new(),
        }
    }

    fn round_trip(&mut self, batch: &[u8], answer: &[u8]) {
        let mut context = Context {
            who: &self.who,
            state: State::default(),
            facts: &mut self.facts,
            described: None,
            observer: &Nobody,
        };
        let mut out = Splice::new(batch, &mut self.scratch);
        let taken = self
            .conversation
            .from_client(batch, &mut context, &mut out, &mut self.own);
        assert_eq!(taken.expect("no protocol error").consumed, batch.len());
        assert!(out.finish().len() >= batch.len());
        let mut out = Splice::new(answer, &mut self.scratch);
        let used = self
            .conversation
            .from_server(answer, &Nobody, &mut out, &mut self.own);
        assert_eq!(used.expect("in step"), answer.len());
        assert!(self.conversation.is_idle());
    }

    /// Allocations of a thousand round trips, after the first ones.
    fn allocations(&mut self, batch: &[u8], answer: &[u8]) -> u64 {
        (0..10).for_each(|_| self.round_trip(batch, answer));
        let counted = allocation_counter::measure(|| {
            (0..1000).for_each(|_| self.round_trip(batch, answer));
        });
        counted.count_total
    }
}

fn parse(name: &str) -> Vec<u8> {
    let mut batch = Vec::new();
    message(&mut batch, b'P', |body| {
        put_cstr(body, name.as_bytes());
        put_cstr(body, b"select abalance from accounts where aid = $1");
        body.extend_from_slice(&[0, 0]);
    });
    batch
}

fn run(name: &str) -> Vec<u8> {
    let mut batch = Vec::new();
    message(&mut batch, b'B', |body| {
        put_cstr(body, b"");
        put_cstr(body, name.as_bytes());
        body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, b'7', 0, 0]);
    });
    message(&mut batch, b'E', |body| body.extend_from_slice(&[0; 5]));
    [batch, SYNC.to_vec()].concat()
}

fn query(text: &str) -> Vec<u8> {
    let mut batch = Vec::new();
    message(&mut batch, b'Q', |body| put_cstr(body, text.as_bytes()));
    batch
}

const PARSED: &[u8] = b"1\0\0\0\x04";
const BOUND: &[u8] = b"2\0\0\0\x04";
const GUARD: &[u8] = b"T\0\0\0\x06\0\0C\0\0\0\x0dSELECT 0\0";

#[test]
fn a_prepared_workload_allocates_nothing() {
    let mut plain = Connection::new("plain", "app");
    plain.round_trip(
        &[parse("s"), SYNC.to_vec()].concat(),
        &[PARSED, READY].concat(),
    );
    let answer = [BOUND, ROW, TAG, READY].concat();
    assert_eq!(plain.allocations(&run("s"), &answer), 0);
}

#[test]
fn nor_does_an_extended_one() {
    let mut plain = Connection::new("plain", "app");
    let answer = [PARSED, BOUND, ROW, TAG, READY].concat();
    assert_eq!(
        plain.allocations(&[parse(""), run("")].concat(), &answer),
        0
    );
}

#[test]
fn nor_one_with_a_zone() {
    let mut zoned = Connection::new("zoned", "shop");
    zoned.round_trip(
        &[parse("s"), SYNC.to_vec()].concat(),
        &[PARSED, READY].concat(),
    );
    let answer = [PREFIX, BOUND, ROW, TAG, READY].concat();
    assert_eq!(zoned.allocations(&run("s"), &answer), 0);
}

#[test]
fn nor_simple_queries_that_come_again() {
    let mut plain = Connection::new("plain", "app");
    assert_eq!(
        plain.allocations(&query("select 1"), &[TAG, READY].concat()),
        0
    );
    let mut zoned = Connection::new("zoned", "shop");
    let answer = [PREFIX, GUARD, TAG, READY].concat();
    assert_eq!(zoned.allocations(&query("select 1"), &answer), 0);
}
