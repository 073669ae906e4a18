//! What one query costs on its way through framing, gate (texts known) and conversation, both ways,
//! without sockets.
//!
//! `cargo bench --bench conversation`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use portcullis::conversation::splice::Splice;
use portcullis::conversation::{Context, Conversation, Observer, Setup};
use portcullis::error::SqlState;
use portcullis::policy::{Decision, Policy, Refusal, State, Who};
use portcullis::protocol::frame::{SYNC, message, put_cstr};
use portcullis::sql::{Facts, FactsCache};
use portcullis::telemetry::labels::Judged;
use portcullis::telemetry::{Counters, Telemetry};
use portcullis::zone::Prefix;

const POLICY: &str = r#"
schema = 1
environment = "production"

[zone]
parameter = "app.tenant_id"
databases = ["tenants"]

[login.bench]
kind = "service"
databases = ["bench"]

[login.bench_zone]
kind = "service"
databases = ["tenants"]
zone = "acme"
"#;

const SELECT: &[u8] = b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;";

/// Counts as the proxy does.
struct Counting(Counters);

impl Observer for Counting {
    fn judged(&self, facts: &Facts, _: &Decision) {
        self.0.statement(facts.classes, Judged::Allowed);
    }
    fn refused(&self, refusal: &Refusal) {
        self.0.refusal(refusal.guard);
    }
    fn injected(&self) {
        self.0.injection();
    }
    fn injection_failed(&self) {
        self.0.injection_failed();
    }
    fn server_error(&self, _: &[u8]) {}
    fn started(&self, _: Option<&Facts>, _: &[u8]) {}
    fn ended(&self, _: SqlState) {}
}

/// One connection and everything it looks at.
struct Connection {
    conversation: Conversation,
    who: Who,
    facts: FactsCache,
    observer: Counting,
    scratch: Vec<u8>,
    reply: Vec<u8>,
}

impl Connection {
    fn new(login: &str, database: &str) -> Self {
        let (policy, _) = Policy::parse(POLICY, "production.toml").expect("the policy is valid");
        let login = Arc::clone(&policy.logins[login]);
        let zone = login
            .zone
            .as_ref()
            .map(|zone| Arc::new(Prefix::new(&[("app.tenant_id", zone)])));
        let setup = Setup {
            connection: 1,
            random: [1, 2],
            zone,
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
            observer: Counting(Telemetry::new(Arc::default()).counters()),
            scratch: Vec::new(),
            reply: Vec::new(),
        }
    }

    /// The client's batch goes in, the server's answer comes out; bytes to server and client.
    fn round_trip(&mut self, batch: &[u8], answer: &[u8]) -> (usize, usize) {
        let mut context = Context {
            who: &self.who,
            state: State::default(),
            facts: &mut self.facts,
            described: None,
            observer: &self.observer,
        };
        self.scratch.clear();
        let mut out = Splice::new(batch, &mut self.scratch);
        let taken = self
            .conversation
            .from_client(batch, &mut context, &mut out, &mut self.reply);
        assert_eq!(taken.expect("no protocol error").consumed, batch.len());
        let to_server = black_box(out.finish()).len();
        self.scratch.clear();
        let mut out = Splice::new(answer, &mut self.scratch);
        let used = self
            .conversation
            .from_server(answer, &self.observer, &mut out, &mut self.reply);
        assert_eq!(used.expect("in step"), answer.len());
        let to_client = black_box(out.finish()).len();
        assert!(self.reply.is_empty() && self.conversation.is_idle());
        (to_server, to_client)
    }
}

/// Bind, Describe, Execute and Sync of a statement with one parameter.
fn run(out: &mut Vec<u8>, statement: &[u8]) {
    message(out, b'B', |body| {
        put_cstr(body, b"");
        put_cstr(body, statement);
        body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 5]);
        body.extend_from_slice(b"56789");
        body.extend_from_slice(&[0, 0]);
    });
    message(out, b'D', |body| put_cstr(body, b"P"));
    message(out, b'E', |body| {
        put_cstr(body, b"");
        body.extend_from_slice(&[0; 4]);
    });
    out.extend_from_slice(SYNC);
}

fn parse(out: &mut Vec<u8>, statement: &[u8]) {
    message(out, b'P', |body| {
        put_cstr(body, statement);
        put_cstr(body, SELECT);
        body.extend_from_slice(&[0, 0]);
    });
}

fn query() -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'Q', |body| {
        put_cstr(body, &SELECT.to_ascii_lowercase())
    });
    out
}

fn empty(out: &mut Vec<u8>, kind: u8) {
    message(out, kind, |_| ());
}

fn rows(out: &mut Vec<u8>, count: usize) {
    message(out, b'T', |body| {
        body.extend_from_slice(&[0, 1]);
        put_cstr(body, b"abalance");
        body.extend_from_slice(&[0; 18]);
    });
    for _ in 0..count {
        message(out, b'D', |body| {
            body.extend_from_slice(b"\0\x01\0\0\0\x041234")
        });
    }
    message(out, b'C', |body| {
        put_cstr(body, format!("SELECT {count}").as_bytes())
    });
    message(out, b'Z', |body| body.push(b'I'));
}

/// What the server answers: to Parse, to the zone's prefix (it goes ahead of Bind), to Bind, and the rows.
fn answer(prefixed: bool, parsed: bool, bound: bool, count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    if parsed {
        empty(&mut out, b'1');
    }
    if prefixed {
        b"312".iter().for_each(|kind| empty(&mut out, *kind));
        message(&mut out, b'C', |body| put_cstr(body, b"SELECT 0"));
        empty(&mut out, b'3');
    }
    if bound {
        empty(&mut out, b'2');
    }
    rows(&mut out, count);
    out
}

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    connection: &mut Connection,
    batch: &[u8],
    answer: &[u8],
) {
    // A text is kept when it comes for the second time.
    (0..3).for_each(|_| assert!(connection.round_trip(batch, answer).0 > 0));
    group.bench_function(name, |bencher| {
        bencher.iter(|| connection.round_trip(black_box(batch), black_box(answer)))
    });
}

fn conversation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let mut extended = Vec::new();
    parse(&mut extended, b"");
    run(&mut extended, b"");
    let (mut first, mut prepared) = (Vec::new(), Vec::new());
    parse(&mut first, b"s1");
    run(&mut first, b"s1");
    run(&mut prepared, b"s1");
    for (login, database, zone) in [("bench", "bench", false), ("bench_zone", "tenants", true)] {
        let suffix = if zone { " with a zone" } else { "" };
        let mut connection = Connection::new(login, database);
        if !zone {
            bench(
                &mut group,
                "simple",
                &mut connection,
                &query(),
                &answer(false, false, false, 1),
            );
        }
        let answered = answer(zone, true, true, 1);
        bench(
            &mut group,
            &format!("extended{suffix}"),
            &mut connection,
            &extended,
            &answered,
        );
        connection.round_trip(&first, &answered);
        bench(
            &mut group,
            &format!("prepared{suffix}"),
            &mut connection,
            &prepared,
            &answer(zone, false, true, 1),
        );
    }
    let mut connection = Connection::new("bench", "bench");
    bench(
        &mut group,
        "1000 rows",
        &mut connection,
        &query(),
        &answer(false, false, false, 1000),
    );
    group.finish();
}

criterion_group!(benches, conversation);
criterion_main!(benches);
