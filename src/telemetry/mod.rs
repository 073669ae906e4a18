//! What an operator can watch: [`metrics`], [`health`], the [`http`] server for both, the [`log`], and the
//! [`report`] of refusals.

pub mod health;
pub mod http;
pub mod isolation;
pub mod labels;
pub mod latency;
pub mod log;
pub mod metrics;
pub mod report;
pub mod table;

pub use health::Health;
pub use metrics::{Counters, Telemetry};
