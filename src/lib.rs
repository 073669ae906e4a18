//! Portcullis: a policy gate for PostgreSQL, in front of PgBouncer.
//!
//! The life of one query, in the order of the modules:
//!
//! 1. [`net::acceptor`] accepts the socket and hands it to the least loaded worker.
//! 2. [`net::client`] negotiates TLS, proves who is asking and dials PgBouncer.
//! 3. [`net::pump`] carries bytes both ways; it decides nothing.
//! 4. [`protocol`] finds the messages in those bytes.
//! 5. [`conversation`] follows the exchange: what is in flight, which transaction, which names.
//! 6. [`sql`] describes the statement: [`sql::Facts`].
//! 7. [`policy`] decides: facts + who + state -> [`policy::Verdict`].
//! 8. [`conversation`] forwards, prefixes the zone or replaces the message by the refusal.
//!
//! Where the whole policy observes, `conversation::observing` takes the place of 5 and 8: the bytes go
//! on unchanged, the texts are judged, and what would be refused or changed is counted.
//!
//! Modules marked PURE below know no socket, clock, environment or randomness: time and random
//! bytes are arguments. `tests/architecture.rs` enforces it.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod auth; // PURE
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod conversation; // PURE
pub mod error;
pub mod migration;
pub mod net;
pub mod policy; // PURE
pub mod protocol; // PURE
pub mod sql; // PURE
pub mod telemetry;
pub mod tls;
pub mod zone; // PURE
