//! The tokens of the signed level: with the keys in force, the time, and a nonce of its own each.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use super::worker::{Worker, random};
use crate::zone::keys::ZoneKeys;
use crate::zone::signed::{Audience, NONCE, Signer, UNSIGNED};

/// Random bytes are fetched for so many nonces at a time.
const STOCK: usize = 64;

/// A worker's stock of nonces.
#[derive(Debug, Default)]
pub struct Nonces(RefCell<Vec<[u8; NONCE]>>);

impl Nonces {
    /// One that nobody else has; `None` when the system has no randomness.
    fn take(&self) -> Option<[u8; NONCE]> {
        let mut stock = self.0.borrow_mut();
        if stock.is_empty() {
            let bytes = random::<{ STOCK * NONCE }>()?;
            let nonces = bytes.chunks_exact(NONCE);
            stock.extend(nonces.filter_map(|it| it.first_chunk()));
        }
        stock.pop()
    }
}

/// Signs with these keys and nonces, now.
pub struct Signing<'a> {
    /// The keys in force.
    pub keys: &'a ZoneKeys,
    /// The nonces of this thread.
    pub nonces: &'a Nonces,
}

impl Signing<'_> {
    fn try_put_token(&self, zone: &str, audience: &Audience, out: &mut Vec<u8>) -> Option<()> {
        let key = self.keys.of(audience.database())?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let issued = u64::try_from(since.as_micros()).ok()?;
        key.put_token(zone, audience, issued, &self.nonces.take()?, out)
            .ok()
    }
}

impl Signer for Signing<'_> {
    fn put_token(&self, zone: &str, audience: &Audience, out: &mut Vec<u8>) {
        let start = out.len();
        if self.try_put_token(zone, audience, out).is_none() {
            out.truncate(start);
            out.extend_from_slice(UNSIGNED);
        }
    }
}

impl Signer for Worker {
    fn put_token(&self, zone: &str, audience: &Audience, out: &mut Vec<u8>) {
        let snapshot = self.snapshot();
        let signing = Signing {
            keys: &snapshot.files.zone_keys,
            nonces: &self.nonces,
        };
        signing.put_token(zone, audience, out);
    }
}
