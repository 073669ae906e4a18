//! `[peers]`: the other proxies behind the same load balancer.

use std::collections::BTreeMap;

use super::{Endpoint, ServerTls};

/// The largest `peer_id`: it is a part of the "process id" of BackendKeyData, which is never negative.
pub const MAX_PEER_ID: u8 = 127;

/// `[peers]`: where cancel requests go whose key another proxy has given to its client.
#[derive(Clone, Debug)]
pub struct Peers {
    /// `peer_id`: this proxy's, in every key that it gives to a client; 1 to [`MAX_PEER_ID`].
    pub peer_id: u8,
    /// `2 = "host:port"`: the others, each at an address of its own. This proxy itself is not among them.
    pub others: BTreeMap<u8, Endpoint>,
    /// `sslmode` (default verify-full) and `ca_file`: towards the others, as in `[server_tls]`.
    pub tls: ServerTls,
}
