//! Whether the time that a wrong secret of a cancel request takes tells how much of it is right.

use std::hint::black_box;
use std::time::Instant;

use criterion::Criterion;
use portcullis::net::cancel::{SECRET, is_secret};

/// Comparisons that are timed as one: a single one is shorter than the clock can tell.
const AT_A_TIME: u32 = 1_000;
/// Times of each comparison, of which the median counts.
const SAMPLES: usize = 2_001;

type Compare = fn(&[u8], &[u8]) -> bool;

/// Ends at the first byte that is wrong: what must be seen, or the measuring shows nothing.
fn byte_by_byte(secret: &[u8], said: &[u8]) -> bool {
    secret.len() == said.len() && secret.iter().zip(said).all(|(one, other)| one == other)
}

/// The median time of one comparison of `secret` with each of `said`, nanoseconds. They take turns, so that a noisy
/// moment hits all.
fn medians(compare: Compare, secret: &[u8], said: &[Vec<u8>]) -> Vec<f64> {
    let mut times = vec![Vec::with_capacity(SAMPLES); said.len()];
    for _ in 0..SAMPLES {
        for (said, times) in said.iter().zip(&mut times) {
            let begun = Instant::now();
            for _ in 0..AT_A_TIME {
                black_box(compare(black_box(secret), black_box(said)));
            }
            times.push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(AT_A_TIME));
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[SAMPLES / 2]
        })
        .collect()
}

/// Prints what wrong secrets take, as ratios to one whose first byte is wrong.
pub fn secrets(_: &mut Criterion) {
    if !super::is_asked_for("cancel") {
        return;
    }
    let ways: [(&str, Compare); 3] = [
        ("cancel keys", is_secret),
        ("byte by byte", byte_by_byte),
        ("==", |secret, said| secret == said),
    ];
    println!("a wrong secret, ns where its first byte is wrong, and as ratios to that:");
    for length in [4, SECRET] {
        let secret: Vec<u8> = (0..length).map(|place| (place * 37 + 11) as u8).collect();
        let wrong = |places: &[usize]| {
            let mut said = secret.clone();
            places.iter().for_each(|place| said[*place] ^= 0x40);
            said
        };
        let all: Vec<usize> = (0..length).collect();
        let said = [
            wrong(&[0]),
            wrong(&[length / 2]),
            wrong(&[length - 1]),
            wrong(&all),
            secret.clone(),
        ];
        for (name, compare) in ways {
            let times = medians(compare, &secret, &said);
            let ratio = |place: usize| times[place] / times[0];
            println!(
                "{length:2} bytes, {name:12} {:6.2} ns; middle {:.3}, last {:.3}, all {:.3}, none {:.3}",
                times[0],
                ratio(1),
                ratio(2),
                ratio(3),
                ratio(4)
            );
        }
    }
}
