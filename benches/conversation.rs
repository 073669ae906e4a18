//! What one query costs on its way through framing, gate (texts known) and conversation, both ways,
//! without sockets. What injection costs is the difference between a round trip with a zone and one without.
//!
//! `cargo bench --bench conversation`

#[path = "../tests/conversing/counting.rs"]
mod counting;
#[path = "../tests/conversing/steady.rs"]
mod steady;

use std::hint::black_box;
use std::time::Duration;

use counting::Counting;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use portcullis::protocol::frame;
use portcullis::protocol::frame::SYNC;
use steady::{BOUND, Connection, GUARD, READY, SELECT, Zone, answer, parse, query, run};

fn connection(zone: Zone) -> Connection<Counting> {
    Connection::new(zone, Counting::new())
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
    for zone in [Zone::None, Zone::Closed, Zone::Kept, Zone::WithParameters] {
        let name = |what: &str| match zone {
            Zone::None => what.to_owned(),
            Zone::Closed => format!("{what} with a zone"),
            Zone::Kept => format!("{what} with a zone, its statement kept"),
            Zone::WithParameters => format!("{what} with a zone and ten parameters"),
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
        let answered = [&zone.answer_to_parse(), BOUND, &answer(1), READY].concat();
        let extended = [parse(""), run("")].concat();
        bench(
            &mut group,
            &name("extended"),
            &mut connection(zone),
            &extended,
            &answered,
        );
        let mut prepared = connection(zone);
        prepared.prepare(&[parse("s1"), SYNC.to_vec()].concat(), zone);
        let answered = [&zone.answer_to_prepared(), BOUND, &answer(1), READY].concat();
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

/// The messages of one answer, found by type and length alone.
fn framing(criterion: &mut Criterion) {
    let answered = [answer(1), READY.to_vec()].concat();
    criterion.bench_function("frame, an answer of one row", |bencher| {
        bencher.iter(|| {
            let (mut rest, mut messages) = (black_box(&*answered), 0);
            while let Ok(Some(header)) = frame::header(rest) {
                rest = &rest[header.total..];
                messages += 1;
            }
            messages
        })
    });
}

criterion_group!(benches, conversation, framing);
criterion_main!(benches);
