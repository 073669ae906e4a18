//! What the proofs that zones are kept apart came to, by route. A route on which nobody asks has no series:
//! its age would only grow.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use super::labels::POOL_ROUTE;
use super::table::{Family, ISOLATION_PROVED, ISOLATION_TABLES};
use crate::policy::RouteName;

/// How many routes lead applications to a pool.
const ROUTES: usize = POOL_ROUTE.values.len();

/// The place of a route among those of [`POOL_ROUTE`].
pub(super) const fn place(route: RouteName) -> usize {
    match route {
        RouteName::Session => 1,
        _ => 0,
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Proof {
    /// Seconds since 1970; 0: there was none yet.
    at: u64,
    tables: u64,
}

/// The last proof of each route on which somebody asks.
#[derive(Debug, Default)]
pub struct Proofs(Mutex<[Option<Proof>; ROUTES]>);

impl Proofs {
    /// Somebody asks on this route from now on, or nobody any more.
    pub fn asked(&self, route: RouteName, asked: bool) {
        self.change(route, |proof| asked.then(|| proof.unwrap_or_default()));
    }

    /// A proof succeeded at `at`, in seconds since 1970, with so many tables.
    pub fn proved(&self, route: RouteName, at: u64, tables: u64) {
        self.change(route, |_| Some(Proof { at, tables }));
    }

    fn change(&self, route: RouteName, to: impl FnOnce(Option<Proof>) -> Option<Proof>) {
        let mut proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let proof = &mut proofs[place(route)];
        *proof = to(*proof);
    }

    /// Writes the two gauges. By hand: the exporter would go on showing what is not asked any more.
    pub(super) fn put(&self, out: &mut String) {
        let proofs = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        put(out, &ISOLATION_PROVED, proofs, |proof| proof.at);
        put(out, &ISOLATION_TABLES, proofs, |proof| proof.tables);
    }
}

fn put(
    out: &mut String,
    family: &Family,
    proofs: [Option<Proof>; ROUTES],
    value: fn(Proof) -> u64,
) {
    let (name, help) = (family.name, family.help);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (proof, route) in proofs.into_iter().zip(POOL_ROUTE.values) {
        if let Some(proof) = proof {
            let _ = writeln!(out, "{name}{{route=\"{route}\"}} {}", value(proof));
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_series_while_somebody_asks_on_it() {
        let proofs = Proofs::default();
        let samples = || {
            let mut text = String::new();
            proofs.put(&mut text);
            let lines = text.lines().filter(|it| it.starts_with("portcullis_"));
            let samples: Vec<String> = lines
                .map(|it| it.replace("portcullis_isolation_", ""))
                .collect();
            samples
        };
        assert_eq!(samples(), [""; 0]);
        proofs.asked(RouteName::Session, true);
        proofs.proved(RouteName::Transaction, 7, 3);
        // Who is asked again has been proved all the same.
        proofs.asked(RouteName::Transaction, true);
        assert_eq!(
            samples(),
            [
                "last_proof_timestamp_seconds{route=\"transaction\"} 7",
                "last_proof_timestamp_seconds{route=\"session\"} 0",
                "tables{route=\"transaction\"} 3",
                "tables{route=\"session\"} 0",
            ]
        );
        proofs.asked(RouteName::Transaction, false);
        proofs.proved(RouteName::Session, 8, 2);
        assert_eq!(
            samples(),
            [
                "last_proof_timestamp_seconds{route=\"session\"} 8",
                "tables{route=\"session\"} 2",
            ]
        );
    }
}
