//! Migration sessions: the one way to run DDL.
//!
//! A session is one opening, by one person, of one database to one migrator role for a limited
//! time. [`token`] makes its id and its secret, [`registry`] keeps it over restarts,
//! [`sessions`] is what the rest of the running proxy sees of it.

pub mod registry;
pub mod sessions;
pub mod span;
pub mod token;

pub use sessions::{Session, Sessions};
