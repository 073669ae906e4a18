//! PURE. Text in, [`Facts`] out: what a statement really does, by two independent opinions
//! (Portcullis's own lexer and classifier; PostgreSQL's grammar). The stricter one wins.

mod facts;

pub use facts::*;
