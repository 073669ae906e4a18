//! The only async I/O on the data path.
pub mod acceptor;
pub mod client;
pub mod pump;
