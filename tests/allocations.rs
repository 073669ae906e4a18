//! In steady state nothing is allocated for a message: framing, gate, verdict, injection and
//! conversation work in memory that is there already, and so do the counters.

#[path = "conversing/counting.rs"]
mod counting;
#[path = "conversing/steady.rs"]
mod steady;

use counting::Counting;
use portcullis::protocol::frame::SYNC;
use steady::{BOUND, Connection, GUARD, READY, Zone, answer, parse, query, run};

/// Allocations of a thousand round trips, after the first ones.
fn allocations(connection: &mut Connection<Counting>, batch: &[u8], answer: &[u8]) -> u64 {
    for _ in 0..10 {
        assert!(connection.round_trip(batch, answer) > 0, "nothing went on");
    }
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            connection.round_trip(batch, answer);
        }
    });
    counted.count_total
}

/// With every way that a login can stand to zones.
fn allocates_nothing(first: Option<&[u8]>, batch: &[u8], wanted: impl Fn(Zone) -> Vec<u8>) {
    for zone in [Zone::None, Zone::Closed, Zone::Kept, Zone::WithParameters] {
        let mut connection = Connection::new(zone, Counting::new());
        if let Some(first) = first {
            connection.prepare(first, zone);
        }
        assert_eq!(
            allocations(&mut connection, batch, &wanted(zone)),
            0,
            "{zone:?}"
        );
    }
}

#[test]
fn a_prepared_workload_allocates_nothing() {
    let first = [parse("s"), SYNC.to_vec()].concat();
    allocates_nothing(Some(&first), &run("s"), |zone| {
        [&zone.answer_to_prepared(), BOUND, &answer(1), READY].concat()
    });
}

#[test]
fn nor_does_an_extended_one() {
    let batch = [parse(""), run("")].concat();
    allocates_nothing(None, &batch, |zone| {
        [&zone.answer_to_parse(), BOUND, &answer(1), READY].concat()
    });
}

#[test]
fn nor_simple_queries_that_come_again() {
    allocates_nothing(None, &query("select 1"), |zone| {
        let guard = if zone == Zone::None { b"" } else { GUARD };
        [&zone.answer(), guard, &answer(1), READY].concat()
    });
}
