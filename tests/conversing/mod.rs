//! A conversation without sockets: what transcripts, the simulation and the fuzzers share.
// Every test crate compiles this module and uses its own part of it.
#![allow(dead_code)]

pub mod driver;
pub mod frames;
pub mod random;
pub mod script;
pub mod server;
pub mod statement;
pub mod who;
