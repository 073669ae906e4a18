//! What one query costs on its way through framing, gate (texts known) and conversation, both ways,
//! without sockets. What injection costs is the difference between a round trip with a zone and one without.
//!
//! `cargo bench --bench conversation`; a part of it: `-- longest`, `-- cancel`

#[path = "conversation_parts/cancel.rs"]
mod cancel;
#[path = "../tests/conversing/counting.rs"]
mod counting;
#[path = "../tests/conversing/steady.rs"]
mod steady;

use std::hint::black_box;
use std::time::{Duration, Instant};

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

/// What a worker reads at a time, bytes.
const READ: usize = 64 * 1024;

/// As many of these as are read at a time.
fn full(mut message: impl FnMut(usize) -> Vec<u8>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut number = 0;
    while all.len() < READ {
        all.extend(message(number));
        number += 1;
    }
    all
}

fn named(kind: u8, of: u8, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    frame::message(&mut out, kind, |body| {
        body.push(of);
        frame::put_cstr(body, name.as_bytes());
    });
    out
}

/// Whether a part that Criterion does not run is among those that the command line names; all are when it names none.
fn is_asked_for(part: &str) -> bool {
    let mut named = std::env::args().skip(1);
    named.all(|argument| argument.starts_with('-') || part.contains(&argument))
}

/// The longest that a worker is held by what it reads of one client at a time, of small messages that are not new texts;
/// those are `benches/gate.rs`'s. The least of several tries: whatever else runs makes it longer.
fn longest_step(_: &mut Criterion) {
    if !is_asked_for("longest") {
        return;
    }
    let shapes: [(&str, Vec<u8>); 11] = [
        ("Sync", full(|_| SYNC.to_vec())),
        ("Flush", full(|_| frame::FLUSH.to_vec())),
        ("Query, empty", full(|_| query(""))),
        ("Query, known", full(|_| query("select 1"))),
        ("Parse, unnamed, known", full(|_| parse(""))),
        (
            "Parse, of many names",
            full(|number| parse(&number.to_string())),
        ),
        (
            "Close, of many names",
            full(|number| named(b'C', b'S', &number.to_string())),
        ),
        ("Close of a portal", full(|_| named(b'C', b'P', ""))),
        (
            "Describe, unknown",
            full(|number| named(b'D', b'S', &number.to_string())),
        ),
        ("Bind, Describe, Execute, Sync", full(|_| run("s"))),
        ("Parse to Sync", full(|_| [parse(""), run("")].concat())),
    ];
    println!("longest step of a worker, {READ} bytes read, microseconds:");
    for (name, read) in shapes {
        let longest = (0..5).map(|_| {
            let mut connection = connection(Zone::Kept);
            connection.prepare(&[parse("s"), SYNC.to_vec()].concat(), Zone::Kept);
            let (mut rest, mut longest) = (&*read, Duration::ZERO);
            loop {
                let begun = Instant::now();
                let (used, goes_on) = connection.step(rest);
                longest = longest.max(begun.elapsed());
                rest = &rest[used..];
                if !goes_on || rest.is_empty() {
                    return longest;
                }
            }
        });
        let longest = longest.min().unwrap_or_default();
        println!("{name:34} {:>8}", longest.as_micros());
    }
}

criterion_group!(
    benches,
    conversation,
    framing,
    longest_step,
    cancel::secrets
);
criterion_main!(benches);
