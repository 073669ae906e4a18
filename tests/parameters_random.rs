//! Random sequences of SET, RESET, transactions, savepoints, errors and queries, by both protocols and in
//! batches: straight at PostgreSQL and through Portcullis they are answered the same, report by report,
//! and leave nothing behind.

mod support;

mod parameters {
    pub mod pair;
    pub mod random;
}

use parameters::pair::{Pair, is_refused, probe};
use parameters::random::Sequence;
use support::{OnEveryVersion, StackOptions, VERSIONS, wanted};

const SEQUENCES: u64 = 12;
const STEPS: usize = 60;

/// A prefix ahead of SET LOCAL takes its warning away, from PostgreSQL 17 on; and where a Query goes in pieces it gets
/// one as the only statement of a piece.
fn is_but_for_warnings(expected: &[String], found: &[String]) -> bool {
    let other = |line: &&String| !line.starts_with("N WARNING 25P01 SET LOCAL");
    expected.iter().filter(other).eq(found.iter().filter(other))
}

#[test]
fn whatever_is_set_in_whatever_order_is_as_on_a_connection_of_its_own() {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    let stacks = STACKS.get(|| StackOptions {
        pool_size: 1,
        ..StackOptions::default()
    });
    let mut wrong = Vec::new();
    let (mut all, mut cut) = (0, 0);
    for (stack, version) in stacks.iter().zip(VERSIONS) {
        for seed in wanted::seeds(SEQUENCES) {
            all += 1;
            let (login, write) = match seed % 2 {
                0 => (
                    ("shop_plain", "app"),
                    "INSERT INTO notes (body) SELECT 'never' WHERE false",
                ),
                _ => (
                    ("shop_acme", "shop"),
                    "INSERT INTO orders (note) SELECT 'never' WHERE false",
                ),
            };
            let startup: &[(&str, &str)] = match seed % 3 {
                0 => &[],
                1 => &[("TimeZone", "Asia/Tokyo"), ("application_name", "me")],
                _ => &[
                    ("IntervalStyle", "iso_8601"),
                    ("options", "-c work_mem=3MB -c jit=off"),
                ],
            };
            let mut pair = Pair::open(stack, login, startup);
            pair.pieces = [0, 0, 1, 11][seed as usize % 4];
            let mut sequence = Sequence::new(seed, write);
            let mut said = Vec::new();
            for _ in 0..STEPS {
                let message = sequence.next_message();
                said.push(message.words.clone());
                if let Some([expected, found]) = pair.differs(&message.bytes, message.ends) {
                    if is_but_for_warnings(&expected, &found) {
                        continue;
                    }
                    if is_refused(&found) {
                        cut += 1;
                        break;
                    }
                    wrong.push(format!(
                        "{version:?} {login:?} seed {seed}\n  {}\n    expected {expected:#?}\n    found {found:#?}",
                        said.join("\n  ")
                    ));
                    break;
                }
            }
            drop(pair);
            wrong
                .extend(probe(stack, login).map(|left| format!("{version:?} seed {seed}: {left}")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cut * 4 < all, "{cut} of {all} sequences were cut short");
}
