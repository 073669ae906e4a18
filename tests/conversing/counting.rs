//! An observer that counts as the proxy's does: statements, refusals and injections reach the metrics.

use std::sync::Arc;

use portcullis::conversation::{Change, Observer};
use portcullis::error::SqlState;
use portcullis::policy::{Decision, Refusal};
use portcullis::sql::Facts;
use portcullis::telemetry::labels::Judged;
use portcullis::telemetry::{Counters, Telemetry};

/// Counts as the proxy does.
pub struct Counting(Counters);

impl Counting {
    pub fn new() -> Self {
        Self(Telemetry::new(Arc::default()).counters())
    }
}

impl Observer for Counting {
    fn judged(&self, facts: &Facts, _: &Decision, _: &[u8]) {
        self.0.statement(facts.classes, Judged::Allowed);
    }
    fn refused(&self, refusal: &Refusal, _: &[u8]) {
        self.0.refusal(refusal.guard);
    }
    fn observed(&self, _: &Refusal, _: &[u8]) {}
    fn foreseen(&self, _: Change, _: Option<&Facts>, _: &[u8]) {}
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
