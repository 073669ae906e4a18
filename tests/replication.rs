//! Replication connections: pgoutput through Portcullis with real clients, and what must not get through.

#[path = "replication/fixture.rs"]
mod fixture;
#[path = "replication/pooled.rs"]
mod pooled;
#[path = "replication/refused.rs"]
mod refused;
#[path = "replication/streams.rs"]
mod streams;
mod support;
