//! What one query costs on its way through framing, gate (texts known) and conversation, both ways,
//! without sockets.
//!
//! `cargo bench --bench conversation`

#[path = "../tests/conversing/steady.rs"]
mod steady;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use portcullis::conversation::Observer;
use portcullis::error::SqlState;
use portcullis::policy::{Decision, Refusal};
use portcullis::sql::Facts;
use portcullis::telemetry::labels::Judged;
use portcullis::telemetry::{Counters, Telemetry};
use steady::{BOUND, Connection, GUARD, PARSED, READY, SELECT, Zone, answer, parse, query, run};

/// Counts as the proxy does.
struct Counting(Counters);

impl Observer for Counting {
    fn judged(&self, facts: &Facts, _: &Decision, _: &[u8]) {
        self.0.statement(facts.classes, Judged::Allowed);
    }
    fn refused(&self, refusal: &Refusal, _: &[u8]) {
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

fn connection(zone: Zone) -> Connection<Counting> {
    Connection::new(zone, Counting(Telemetry::new(Arc::default()).counters()))
}

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    connection: &mut Connection<Counting>,
    batch: &[u8],
    answer: &[u8],
) {
    // A text is kept when it comes for the second time.
    (0..3).for_each(|_| assert!(connection.round_trip(batch, answer) > 0));
    group.bench_function(name, |bencher| {
        bencher.iter(|| connection.round_trip(black_box(batch), black_box(answer)))
    });
}

fn conversation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let simple = query(&SELECT.replace("$1", "56789"));
    for zone in [Zone::None, Zone::Closed, Zone::Kept] {
        let name = |what: &str| match zone {
            Zone::None => what.to_owned(),
            Zone::Closed => format!("{what} with a zone"),
            Zone::Kept => format!("{what} with a zone, its statement kept"),
        };
        let prefixed = zone.answer();
        let guard = if zone == Zone::None { b"" } else { GUARD };
        let answered = [&prefixed, guard, &answer(1), READY].concat();
        bench(
            &mut group,
            &name("simple"),
            &mut connection(zone),
            &simple,
            &answered,
        );
        let answered = [PARSED, &prefixed, BOUND, &answer(1), READY].concat();
        let extended = [parse(""), run("")].concat();
        bench(
            &mut group,
            &name("extended"),
            &mut connection(zone),
            &extended,
            &answered,
        );
        let mut prepared = connection(zone);
        prepared.round_trip(&[parse("s1"), run("s1")].concat(), &answered);
        let answered = [&prefixed, BOUND, &answer(1), READY].concat();
        bench(
            &mut group,
            &name("prepared"),
            &mut prepared,
            &run("s1"),
            &answered,
        );
    }
    let thousand = [answer(1000), READY.to_vec()].concat();
    bench(
        &mut group,
        "1000 rows",
        &mut connection(Zone::None),
        &simple,
        &thousand,
    );
    group.finish();
}

criterion_group!(benches, conversation);
criterion_main!(benches);
