//! `[peers]`

use std::collections::BTreeMap;

use super::super::peers::{MAX_PEER_ID, Peers};
use super::super::reader::{Table, Wrong};
use super::super::units::endpoint;
use super::{Endpoint, Parser};

impl Parser<'_> {
    pub(super) fn peers(&mut self, mut table: Table<'_>) -> Option<Peers> {
        self.reader.require(&table, "peer_id", "peer_id = 1");
        let span = table.span.clone();
        let peer_id = (self.reader).integer(&mut table, "peer_id", 1..=i64::from(MAX_PEER_ID));
        let tls = self.verification(&mut table);
        let entries = self.reader.entries(table, peer);
        let mut others: BTreeMap<u8, Endpoint> = BTreeMap::new();
        for entry in entries {
            let (id, endpoint) = entry.value;
            let twice = others.contains_key(&id) || others.values().any(|it| *it == endpoint);
            if twice {
                let message = format!("peer {id} or {endpoint} is named twice");
                self.reader.error(entry.span, message);
            } else {
                others.insert(id, endpoint);
            }
        }
        let peer_id = u8::try_from(peer_id?.value).ok()?;
        // The same list may stand in the files of all of them.
        others.remove(&peer_id);
        if others.is_empty() && !self.reader.has_errors() {
            let help = "name the others: 2 = \"portcullis-2.internal:6432\"";
            self.reader
                .error_with_help(span, "[peers] names no other proxy", help);
        }
        Some(Peers {
            peer_id,
            others,
            tls,
        })
    }
}

/// `2 = "portcullis-2.internal:6432"`
fn peer(key: &str, text: &str) -> Result<(u8, Endpoint), Wrong> {
    let id = key.parse().ok().filter(|id| (1..=MAX_PEER_ID).contains(id));
    let id = id.ok_or_else(|| {
        Wrong::new(format!("\"{key}\" is not the id of a peer")).help(
            "peer_id, sslmode, ca_file, or 1 to 127 = \"host:port\" of the proxy with that peer_id",
        )
    })?;
    Ok((id, endpoint(text)?))
}
