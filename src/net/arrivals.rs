//! The sockets of one worker that have not logged in yet. Where there are too many of them, who comes from an
//! address that has fewer takes the place of one of the address that has most: a flood keeps itself out.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use tokio::sync::Notify;

use super::worker::Worker;

/// Where a socket comes from: an IPv4 address, or the network of an IPv6 address, which one host may have
/// the whole of. `None`: it has gone already.
type Origin = Option<IpAddr>;

/// By the number of the connection, so that the newest is the last.
#[derive(Default)]
pub struct Arrivals {
    there: BTreeMap<u32, (Origin, Rc<Notify>)>,
    counts: HashMap<Origin, usize>,
}

impl Arrivals {
    fn enter(&mut self, connection: u32, origin: Origin) -> Rc<Notify> {
        let displaced = Rc::new(Notify::new());
        self.there
            .insert(connection, (origin, Rc::clone(&displaced)));
        *self.counts.entry(origin).or_default() += 1;
        displaced
    }

    /// It has logged in, is something else than a client, or has gone.
    pub fn leave(&mut self, connection: u32) {
        let Some((origin, _)) = self.there.remove(&connection) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&origin);
            }
        }
    }

    /// Lets the newest of the address go that has most, if one from `origin` would still have fewer. Its
    /// oldest stay: they are the nearest to be let in, where all of them are honest.
    pub fn make_room(&mut self, origin: Origin) -> bool {
        let own = self.counts.get(&origin).copied().unwrap_or(0);
        let most = self.counts.iter().max_by_key(|(_, count)| **count);
        let Some((&largest, _)) = most.filter(|(_, count)| **count > own + 1) else {
            return false;
        };
        let newest = self.there.iter().rev().find(|(_, it)| it.0 == largest);
        let Some((&connection, (_, displaced))) = newest else {
            return false;
        };
        // Remembered, should it not listen yet.
        displaced.notify_one();
        self.leave(connection);
        true
    }
}

/// Where a socket comes from.
pub fn origin(address: Option<IpAddr>) -> Origin {
    address.map(|address| match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    })
}

/// One of the sockets, until it is dropped or has left.
pub struct Arrival {
    worker: Rc<Worker>,
    displaced: Rc<Notify>,
    /// The number of the connection.
    pub connection: u32,
}

impl Arrival {
    /// Counts one more.
    pub fn new(worker: &Rc<Worker>, connection: u32, origin: Origin) -> Self {
        let displaced = worker.arrivals.borrow_mut().enter(connection, origin);
        Self {
            worker: Rc::clone(worker),
            displaced,
            connection,
        }
    }

    /// Resolves when it has to go for another one.
    pub async fn displaced(&self) {
        self.displaced.notified().await;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.worker.arrivals.borrow_mut().leave(self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Origin {
        origin(Some(text.parse().expect("an address")))
    }

    #[test]
    fn the_newest_of_the_largest_crowd_makes_room() {
        let mut arrivals = Arrivals::default();
        assert!(!arrivals.make_room(at("10.0.0.1")), "nobody is there");
        for connection in 1..=5 {
            arrivals.enter(connection, at("10.0.0.1"));
        }
        arrivals.enter(6, at("10.0.0.2"));
        assert!(!arrivals.make_room(at("10.0.0.1")), "it is the crowd");
        for (room, left) in [(true, 5), (true, 4), (true, 3)] {
            assert_eq!(arrivals.make_room(at("10.0.0.3")), room);
            assert_eq!(arrivals.there.len(), left);
        }
        assert!(arrivals.there.contains_key(&1) && arrivals.there.contains_key(&6));
        // Two here, one there: each would have as many as the other.
        assert!(!arrivals.make_room(at("10.0.0.2")));
        for connection in 0..9 {
            arrivals.leave(connection);
        }
        assert!(arrivals.there.is_empty() && arrivals.counts.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
        assert_ne!(at("10.0.0.1"), at("10.0.0.2"));
    }
}
