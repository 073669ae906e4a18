//! Cancel requests whose key another proxy has given to its client: with several behind one load
//! balancer, or while one takes the place of another, a request can reach any of them. The number in a
//! key begins with the `peer_id` of the proxy that knows it, which gets the request, once.
//!
//! A request that was passed on is longer than one of a client: behind the secret stand the client's
//! address, which the budget for wrong secrets goes by (see [`super::cancel`]), and a MAC. It is never
//! passed on again, whoever wrote it: two proxies that take each other for a third one do not play
//! ping-pong. Only the address needs the MAC; the secret is its own proof.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ring::hmac;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::cancel::{PATIENCE, Room, SECRET};
use super::dial::connect_to;
use crate::config::{Config, Endpoint};
use crate::protocol::startup::put_cancel;
use crate::telemetry::labels::CancelOutcome;

/// Bytes of the client's address: IPv6, or an IPv4 address mapped into it; zeros where it is not known.
const ADDRESS: usize = 16;
/// Bytes of the MAC over number, secret and address: HMAC-SHA-256, cut.
const MAC: usize = 16;
/// Bytes of a key's number ahead of the secret, in what the MAC is over.
const NUMBER: usize = 4;

/// The other proxies. TLS towards them is read again while running, and handed over with each request.
pub struct Peers {
    /// This one's `peer_id`.
    pub id: u8,
    others: HashMap<u8, Peer>,
    mac: hmac::Key,
}

/// One of the others.
struct Peer {
    id: u8,
    endpoint: Endpoint,
    /// For requests on their way to it.
    room: Room,
}

/// A cancel request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The number of the key.
    pub process: u32,
    /// The secret of the key.
    pub secret: &'a [u8],
    /// The address of the client that sent it.
    pub from: Option<IpAddr>,
}

/// Who has to do with a request.
enum Concern<'p, 'r> {
    /// This proxy.
    Own(Request<'r>),
    /// Another one.
    Other(&'p Peer),
    /// Nobody, as far as is known here.
    Nobody,
}

impl Peers {
    /// Those of `[peers]`; `None` without it. `secret` is what all proxies with the same `key_file` share.
    pub fn of(config: &Config, secret: &[u8; 32]) -> Option<Self> {
        let peers = config.peers.as_ref()?;
        let others = peers.others.iter();
        let others = others.map(|(id, endpoint)| (*id, endpoint.clone()));
        let places = config.limits.max_cancels;
        Some(Self::new(peers.peer_id, others, places, secret))
    }

    fn new(
        id: u8,
        others: impl Iterator<Item = (u8, Endpoint)>,
        places: usize,
        secret: &[u8; 32],
    ) -> Self {
        let peer = |(id, endpoint)| {
            let peer = Peer {
                id,
                endpoint,
                room: Room::new(places),
            };
            (id, peer)
        };
        let derived = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(&derived, b"portcullis: cancel requests of peers");
        Self {
            id,
            others: others.map(peer).collect(),
            mac: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
        }
    }

    /// For the requests to each of them.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.others.values().map(|peer| &peer.room)
    }

    /// A request of this proxy's own keys, passed on to it or not; else it has been dealt with, over
    /// this TLS.
    ///
    /// # Errors
    /// What became of it.
    pub async fn own<'r>(
        &self,
        request: Request<'r>,
        tls: Option<&Arc<rustls::ClientConfig>>,
    ) -> Result<Request<'r>, CancelOutcome> {
        match self.concern(request) {
            Concern::Own(request) => Ok(request),
            Concern::Other(peer) => {
                let (Ok(outcome) | Err(outcome)) = self.pass_on(request, peer, tls).await;
                Err(outcome)
            }
            Concern::Nobody => Err(CancelOutcome::UnknownKey),
        }
    }

    fn concern<'r>(&self, request: Request<'r>) -> Concern<'_, 'r> {
        let (request, passed_on) = match self.read(request) {
            Some(original) => (original, true),
            None => (request, false),
        };
        let id = request.process >> 24;
        if id == u32::from(self.id) {
            return Concern::Own(request);
        }
        let peer = u8::try_from(id).ok().and_then(|id| self.others.get(&id));
        match peer {
            Some(peer) if !passed_on => Concern::Other(peer),
            _ => Concern::Nobody,
        }
    }

    /// The client's request in one that was passed on; `None`: it has not been. Without a MAC of ours
    /// it comes from whoever sent it.
    fn read<'r>(&self, request: Request<'r>) -> Option<Request<'r>> {
        let length = request.secret.len().checked_sub(ADDRESS + MAC)?;
        if length != 4 && length != SECRET {
            return None;
        }
        let (secret, added) = request.secret.split_at(length);
        let (address, mac) = added.split_first_chunk::<ADDRESS>()?;
        let wanted = self.mac(request.process, secret, address);
        let genuine: bool = subtle::ConstantTimeEq::ct_eq(&wanted[..], mac).into();
        let from = match genuine {
            true => address_of(*address),
            false => request.from,
        };
        Some(Request {
            secret,
            from,
            ..request
        })
    }

    fn mac(&self, process: u32, secret: &[u8], address: &[u8; ADDRESS]) -> [u8; MAC] {
        let mut context = hmac::Context::with_key(&self.mac);
        // All three have lengths of their own: nothing can be moved from one to the next.
        context.update(&process.to_be_bytes());
        context.update(secret);
        context.update(address);
        let tag = context.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// The request as it is passed on.
    fn passed_on(&self, request: &Request<'_>) -> Vec<u8> {
        let address = octets(request.from);
        let mac = self.mac(request.process, request.secret, &address);
        let secret = [request.secret, &address, &mac].concat();
        let mut out = Vec::with_capacity(8 + NUMBER + secret.len());
        put_cancel(&mut out, request.process, &secret);
        out
    }

    /// Hands a client's request to the proxy whose key it is and waits until that has dealt with it:
    /// at most 5 s for a place, and 5 s to deliver it.
    async fn pass_on(
        &self,
        request: Request<'_>,
        peer: &Peer,
        tls: Option<&Arc<rustls::ClientConfig>>,
    ) -> Result<CancelOutcome, CancelOutcome> {
        if request.secret.len() != 4 && request.secret.len() != SECRET {
            return Err(CancelOutcome::UnknownKey); // no proxy gives such a key
        }
        let _seat = peer.room.enter()?;
        let _place = peer.room.place().await?;
        let packet = self.passed_on(&request);
        let delivery = async {
            let mut stream = connect_to(&peer.endpoint, tls).await?;
            stream.write_all(&packet).await?;
            stream.flush().await?;
            // It closes when it has dealt with the request, be it with a reset.
            let _ = stream.read(&mut [0; 64]).await;
            Ok::<(), std::io::Error>(())
        };
        let why = match timeout(PATIENCE, delivery).await {
            Ok(Ok(())) => return Ok(CancelOutcome::PassedOn),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "timed out".to_owned(),
        };
        let (id, address) = (peer.id, &peer.endpoint);
        crate::limited!(warn, peer = id, %address, why, "a cancel request could not be passed on");
        Ok(CancelOutcome::Failed)
    }
}

fn octets(address: Option<IpAddr>) -> [u8; ADDRESS] {
    match address {
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped().octets(),
        Some(IpAddr::V6(address)) => address.octets(),
        None => [0; ADDRESS],
    }
}

fn address_of(octets: [u8; ADDRESS]) -> Option<IpAddr> {
    let address = Ipv6Addr::from(octets);
    (!address.is_unspecified()).then(|| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const CLIENT: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)));
    const PROXY: Option<IpAddr> = Some(IpAddr::V6(Ipv6Addr::LOCALHOST));

    fn proxy(id: u8, others: &[u8], secret: u8) -> Peers {
        let endpoint = || Endpoint {
            host: "peer.internal".into(),
            port: 6432,
        };
        let others = others.iter().map(|id| (*id, endpoint()));
        Peers::new(id, others, 4, &[secret; 32])
    }

    fn request(id: u32, secret: &[u8]) -> Request<'_> {
        Request {
            process: id << 24 | 5,
            secret,
            from: CLIENT,
        }
    }

    /// The secret field of a CancelRequest.
    fn secret_of(packet: &[u8]) -> &[u8] {
        &packet[12..]
    }

    #[test]
    fn a_request_goes_to_the_proxy_that_its_key_names_and_no_further() {
        let (one, two, three) = (
            proxy(1, &[2], 7),
            proxy(2, &[1, 3], 7),
            proxy(3, &[1, 2], 7),
        );
        for secret in [&[9; 4][..], &[9; SECRET]] {
            let asked = request(2, secret);
            assert!(matches!(one.concern(asked), Concern::Other(peer) if peer.id == 2));
            let packet = one.passed_on(&asked);
            let arrived = Request {
                secret: secret_of(&packet),
                from: PROXY,
                ..asked
            };
            // With the address of the client, not of the proxy between.
            assert!(matches!(two.concern(arrived), Concern::Own(own) if own == asked));
            // At the wrong one it ends, although that one knows the right one.
            assert!(matches!(three.concern(arrived), Concern::Nobody));
            assert!(matches!(one.concern(arrived), Concern::Nobody));
        }
    }

    #[test]
    fn an_id_that_nobody_has_is_nobodys() {
        let one = proxy(1, &[2], 7);
        for id in [0, 3, 127, 128, 130, 255] {
            assert!(
                matches!(one.concern(request(id, &[9; 4])), Concern::Nobody),
                "{id}"
            );
        }
        assert!(matches!(
            one.concern(request(1, &[9; 4])),
            Concern::Own(own) if own == request(1, &[9; 4])
        ));
    }

    #[test]
    fn who_has_not_the_secret_of_the_proxies_says_nothing_about_where_it_comes_from() {
        let (one, two, stranger) = (proxy(1, &[2], 7), proxy(2, &[1], 7), proxy(1, &[2], 8));
        let asked = request(2, &[9; 4]);
        let believed = |packet: &[u8], process| {
            let arrived = Request {
                process,
                secret: secret_of(packet),
                from: PROXY,
            };
            match two.concern(arrived) {
                Concern::Own(own) => {
                    assert_eq!(own.secret.len(), 4);
                    own.from
                }
                _ => panic!("it is its own"),
            }
        };
        let packet = one.passed_on(&asked);
        assert_eq!(believed(&packet, asked.process), CLIENT);
        assert_eq!(believed(&stranger.passed_on(&asked), asked.process), PROXY);
        assert_eq!(believed(&packet, asked.process + 1), PROXY);
        for at in 12..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert_eq!(believed(&changed, asked.process), PROXY, "byte {at}");
        }
    }

    #[test]
    fn an_address_is_told_as_it_is() {
        let six = Some(IpAddr::V6("2001:db8::1".parse().unwrap()));
        for address in [CLIENT, PROXY, six, None] {
            assert_eq!(address_of(octets(address)), address);
        }
    }
}
