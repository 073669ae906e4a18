//! A histogram with fixed buckets: one per thread, summed when it is read.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::table::Family;

/// Upper bounds of the buckets in nanoseconds, 1 us to 100 ms, with the text of `le` in seconds.
const BOUNDS: [(u64, &str); 20] = [
    (1_000, "0.000001"),
    (2_000, "0.000002"),
    (3_000, "0.000003"),
    (5_000, "0.000005"),
    (7_000, "0.000007"),
    (10_000, "0.00001"),
    (15_000, "0.000015"),
    (20_000, "0.00002"),
    (30_000, "0.00003"),
    (50_000, "0.00005"),
    (70_000, "0.00007"),
    (100_000, "0.0001"),
    (200_000, "0.0002"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_000_000, "0.002"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
];

/// Counts of one thread. The last bucket holds what is over every bound.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Counts one duration. Must be called by one thread only (see [`super::Counters`]).
    pub fn record(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < nanoseconds);
        add(&self.buckets[bucket], 1);
        add(&self.nanoseconds, nanoseconds);
    }
}

fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Appends the sum of all threads' histograms in Prometheus' text format.
pub fn render<'a>(out: &mut String, family: &Family, parts: impl Iterator<Item = &'a Histogram>) {
    let mut counts = [0u64; BOUNDS.len() + 1];
    let mut nanoseconds = 0u64;
    for part in parts {
        for (count, bucket) in counts.iter_mut().zip(&part.buckets) {
            *count = count.wrapping_add(bucket.load(Relaxed));
        }
        nanoseconds = nanoseconds.wrapping_add(part.nanoseconds.load(Relaxed));
    }
    let name = family.name;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# HELP {name} {}\n# TYPE {name} {}",
        family.help,
        family.kind.word()
    );
    let mut cumulative = 0u64;
    for (count, (_, le)) in counts.iter().zip(BOUNDS) {
        cumulative += count;
        let _ = writeln!(out, "{name}_bucket{{le=\"{le}\"}} {cumulative}");
    }
    cumulative += counts[BOUNDS.len()];
    let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {cumulative}");
    let _ = writeln!(out, "{name}_sum {}", nanoseconds as f64 / 1e9);
    let _ = writeln!(out, "{name}_count {cumulative}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::table::ADDED_LATENCY;

    fn rendered(durations: &[u64]) -> String {
        let (one, two) = (Histogram::default(), Histogram::default());
        for (i, nanoseconds) in durations.iter().enumerate() {
            [&one, &two][i % 2].record(Duration::from_nanos(*nanoseconds));
        }
        let mut out = String::new();
        render(&mut out, &ADDED_LATENCY, [&one, &two].into_iter());
        out
    }

    #[test]
    fn the_words_of_the_bounds_are_the_bounds() {
        for (bound, le) in BOUNDS {
            assert_eq!(le.parse::<f64>().unwrap(), bound as f64 / 1e9);
        }
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket_and_buckets_add_up_over_threads() {
        let text = rendered(&[1_000, 1_001, 100_000_000, 100_000_001]);
        assert!(text.contains("_bucket{le=\"0.000001\"} 1\n"), "{text}");
        assert!(text.contains("_bucket{le=\"0.000002\"} 2\n"), "{text}");
        assert!(text.contains("_bucket{le=\"0.1\"} 3\n"), "{text}");
        assert!(text.contains("_bucket{le=\"+Inf\"} 4\n"), "{text}");
        assert!(text.contains("_count 4\n"), "{text}");
        assert!(text.contains("_sum 0.200002002\n"), "{text}");
    }
}
