//! What a developer wants of the tests beyond an ordinary run; tests/README.md tells the variables.

use std::ops::Range;

/// A variable that is set wrongly is no ordinary run.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// `PORTCULLIS_TEST_TIMES`: how often a random test does the work of its ordinary run.
pub fn times() -> u64 {
    number("PORTCULLIS_TEST_TIMES").unwrap_or(1)
}

/// `PORTCULLIS_TEST_SEED`: what a random test begins with.
pub fn seed() -> Option<u64> {
    number("PORTCULLIS_TEST_SEED")
}

/// The seeds of a test that has so many in an ordinary run: the one that is wanted alone, with
/// `PORTCULLIS_TEST_TIMES` from that one on.
pub fn seeds(ordinary: u64) -> Range<u64> {
    match (seed(), number("PORTCULLIS_TEST_TIMES")) {
        (Some(seed), None) => seed..seed + 1,
        (first, times) => {
            let first = first.unwrap_or(0);
            first..first + ordinary * times.unwrap_or(1)
        }
    }
}

/// Whether `PORTCULLIS_TEST_ONLY` leaves this in: names that begin with one of those it lists.
pub fn only(name: &str) -> bool {
    match std::env::var("PORTCULLIS_TEST_ONLY") {
        Ok(names) => names.split(',').any(|begin| name.starts_with(begin)),
        Err(_) => true,
    }
}
