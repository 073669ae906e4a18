//! PURE. Who is asking: verifiers, SCRAM, server keys. Bytes, nonces and file texts are arguments.

pub mod keys;
pub mod scram;
pub mod userlist;
