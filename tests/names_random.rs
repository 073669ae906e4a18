//! Random sequences of Parse, Bind, Describe, Execute and Close under few names, in batches that fail anywhere and
//! come several in one write: straight at PostgreSQL and through Portcullis they are answered the same, whether the
//! pool follows names or not. PgBouncer that does disconnects over a name that it thinks is taken.

mod support;

mod conversing {
    #[allow(dead_code, reason = "of what is shared there this needs one part")]
    pub mod random;
}

mod parameters {
    pub mod pair;
}

use conversing::random::Random;
use parameters::pair::{Pair, is_refused, probe};
use support::message::{bind, close, describe, execute, flush, parse, query, sync};
use support::{OnEveryVersion, StackOptions, VERSIONS, wanted};

const SEQUENCES: u64 = 12;
const WRITES: usize = 40;

const TEXTS: [&str; 17] = [
    "SELECT generate_series(1, 3)",
    "SELECT 'two'",
    "SELECT 3 AS three",
    "SELECT 1/0",
    "SELECT nothing",
    "selec",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "SHOW work_mem",
    "SET DateStyle = German",
    "SET search_path = pg_catalog",
    "RESET ALL",
    "DEALLOCATE s1",
    "SELECT date '2024-01-02'",
];
const QUERIES: [&str; 13] = [
    "BEGIN; SELECT 1; COMMIT",
    "SELECT 1; SELECT 1/0; SELECT 2",
    "SET jit = off; SHOW jit",
    "SET DateStyle = 'SQL, DMY'",
    "RESET ALL",
    "BEGIN",
    "ROLLBACK",
    "COMMIT",
    "SELECT 'three'",
    "SELECT 1/0",
    "SET work_mem = '1MB'",
    "DEALLOCATE ALL",
    "DISCARD ALL",
];
const NAMES: [&str; 4] = ["", "s1", "s2", "s2"];
const PORTALS: [&str; 3] = ["", "", "p1"];

/// One write: its bytes, how many ReadyForQuery answer it, and for people.
fn next_write(random: &mut Random) -> (Vec<u8>, usize, String) {
    let (mut bytes, mut words) = (Vec::new(), Vec::new());
    let mut say = |message: Vec<u8>, word: String| {
        bytes.extend(message);
        words.push(word);
    };
    let ends = 1 + random.below(3);
    for _ in 0..ends {
        if random.one_in(4) {
            let text = random.pick(&QUERIES);
            say(query(text), format!("Q {text}"));
            continue;
        }
        for _ in 0..1 + random.below(4) {
            put_some(random, &mut say);
        }
        say(sync(), "S".into());
    }
    (bytes, ends, words.join("; "))
}

/// What a driver says about one statement, now and then without the half of it.
fn put_some(random: &mut Random, say: &mut impl FnMut(Vec<u8>, String)) {
    let (name, portal) = (*random.pick(&NAMES), *random.pick(&PORTALS));
    if random.one_in(3) {
        say(close(b'S', name), format!("C {name}"));
    }
    let text = *random.pick(&TEXTS);
    if !random.one_in(4) {
        say(parse(name, text), format!("P {name} {text}"));
        // In a failed transaction the text of an older one is not to be had again.
        if random.one_in(4) {
            say(describe(b'S', name), format!("D {name}"));
        }
    }
    if !random.one_in(4) {
        say(bind(portal, name, &[]), format!("B {portal} {name}"));
        say(
            execute(portal, [0, 0, 1][random.below(3)]),
            format!("E {portal}"),
        );
    }
    if random.one_in(10) {
        say(flush(), "H".into());
    }
    if random.one_in(6) {
        say(close(b'P', portal), format!("C portal {portal}"));
    }
}

#[test]
fn whatever_names_stand_for_they_do_on_the_pool() {
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
            let login = match seed % 2 {
                0 => ("shop_plain", "app"),
                _ => ("shop_acme", "shop"),
            };
            let mut pair = Pair::open(stack, login, &[]);
            // The first of these found a name that was given to the pool twice.
            let mut random = Random::new(1000 + seed);
            let mut said = Vec::new();
            for _ in 0..WRITES {
                let (bytes, ends, words) = next_write(&mut random);
                said.push(words);
                if let Some([expected, found]) = pair.differs(&bytes, ends) {
                    if is_refused(&found) {
                        cut += 1;
                        break;
                    }
                    let last = said.len().saturating_sub(6);
                    wrong.push(format!(
                        "{version:?} {login:?} seed {seed}\n  {}\n    expected {expected:?}\n    found {found:?}",
                        said[last..].join("\n  ")
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
