//! The only async I/O on the data path. One thread accepts ([`acceptor`]); each socket goes to the
//! least loaded [`worker`], a thread with a runtime of its own, and stays there: [`client`] is one
//! client's life from its first byte to its last.
//!
//! [`load`] reads the files at start and again at a [`reload`], which logs every `difference` of the
//! policy and asks `standing` of each connection whether it may go on.

mod accepted;
pub mod acceptor;
mod arrivals;
pub mod cancel;
mod charge;
pub mod client;
mod connect;
pub mod describe;
mod dial;
mod difference;
pub mod exit;
pub mod failures;
mod farewell;
pub mod handshake;
pub mod interrupt;
mod isolation;
pub mod load;
pub mod login;
pub mod mismatches;
mod observer;
pub mod peers;
pub mod proxy;
pub mod pump;
mod refusals;
pub mod reload;
mod schema;
pub mod server;
pub mod server_role;
pub mod settings;
pub mod share;
pub mod shared;
mod signer;
mod stall;
mod standing;
pub mod stream;
pub mod unproved;
pub mod worker;
