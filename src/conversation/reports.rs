//! ParameterStatus: what the server reports about a pooled connection, and what the client is told,
//! which is what a connection of its own would report.

use std::sync::Arc;

use crate::protocol::frame::{self, HEADER, cstr, message, put_cstr};

/// Reported, and nothing that a client may change.
const FIXED: [&[u8]; 8] = [
    b"client_encoding",
    b"in_hot_standby",
    b"integer_datetimes",
    b"is_superuser",
    b"server_encoding",
    b"server_version",
    b"session_authorization",
    b"standard_conforming_strings",
];

/// The parameters that the server reports: each name and value, both ending in NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Values(Arc<[u8]>);

impl Values {
    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (name, tail) = cstr(rest)?;
            let (value, tail) = cstr(tail)?;
            rest = tail;
            Some((name, value))
        })
    }

    fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let mut pairs = self.pairs();
        let (_, value) = pairs.find(|(it, _)| *it == name)?;
        Some(value)
    }

    fn with(&self, name: &[u8], value: &[u8]) -> Self {
        let mut all = Vec::with_capacity(self.0.len() + value.len());
        for (it, old) in self.pairs() {
            put_cstr(&mut all, it);
            put_cstr(&mut all, if it == name { value } else { old });
        }
        Self(all.into())
    }
}

/// Names and values of whole ParameterStatus messages.
fn pairs(mut messages: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let header = frame::header(messages).ok()??;
        let body = messages.get(HEADER..header.total)?;
        messages = &messages[header.total..];
        let (name, rest) = cstr(body)?;
        Some((name, cstr(rest)?.0))
    })
}

/// The client's own value of a parameter that the server reports.
fn value_of<'o>(name: &[u8], own: &'o [(String, String)]) -> Option<&'o [u8]> {
    let is = |it: &str| it.as_bytes().eq_ignore_ascii_case(name);
    let found = own.iter().find(|(it, _)| is(it));
    found.map(|(_, value)| value.as_bytes())
}

/// Appends the ParameterStatus messages of a login (`messages`, whole) as a connection would get them
/// that has these parameters of its own.
pub fn put_reports(out: &mut Vec<u8>, messages: &[u8], own: &[(String, String)]) {
    for (name, value) in pairs(messages) {
        message(out, b'S', |out| {
            put_cstr(out, name);
            put_cstr(out, value_of(name, own).unwrap_or(value));
        });
    }
}

/// Do the ParameterStatus messages of a login say that transactions are read-only by default?
pub fn says_read_only(messages: &[u8]) -> bool {
    let default: (&[u8], &[u8]) = (b"default_transaction_read_only", b"on");
    pairs(messages).any(|pair| pair == default)
}

/// What a parameter is for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effective<'e> {
    /// What the server reported last.
    Reported,
    /// This, if the server has reported nothing else in the running transaction: it says nothing of a parameter that is
    /// set to what it was, and what it reported before may have been another server connection.
    Set(&'e str),
    /// This, whatever the server says.
    Own(&'e str),
}

/// What is known about the reports of one connection.
#[derive(Debug, Default)]
pub struct Reports {
    server: Values,
    /// Those that were reported in the running transaction: a bit for each, by its place. The server has some fifteen;
    /// one behind the last bit counts as not reported.
    fresh: u64,
    /// What the client was told, where that is not the same.
    told: Option<Values>,
}

impl Reports {
    /// The server reported these, whole messages of a login; the client was told these parameters of
    /// its own instead.
    pub fn new(messages: &[u8], own: &[(String, String)]) -> Self {
        let (mut server, mut told) = (Vec::new(), Vec::new());
        for (name, value) in pairs(messages).filter(|(name, _)| !FIXED.contains(name)) {
            put_cstr(&mut server, name);
            put_cstr(&mut server, value);
            put_cstr(&mut told, name);
            put_cstr(&mut told, value_of(name, own).unwrap_or(value));
        }
        let told = (told != server).then(|| Values(told.into()));
        Self {
            server: Values(server.into()),
            fresh: 0,
            told,
        }
    }

    /// The server reports this, in the body of a ParameterStatus. Is it to be held back, since what
    /// the client is told is ours to say? `ours`: it may be.
    pub fn reported(&mut self, body: &[u8], ours: bool) -> bool {
        let pair = cstr(body).and_then(|(name, rest)| Some((name, cstr(rest)?.0)));
        let Some((name, value)) = pair else {
            return false;
        };
        let Some(place) = self.server.pairs().position(|(it, _)| it == name) else {
            return false;
        };
        self.fresh |= bit(place);
        let held = ours || self.told.is_some();
        if held && self.told.is_none() {
            self.told = Some(self.server.clone());
        }
        self.server = self.server.with(name, value);
        held
    }

    /// The transaction is over: the next one may be on another server connection.
    pub fn transaction_ended(&mut self) {
        self.fresh = 0;
    }

    /// Appends what the client has not been told yet: `effective` says what a parameter is.
    pub fn put_news<'v, 'e>(
        &mut self,
        out: impl FnOnce() -> &'v mut Vec<u8>,
        effective: impl Fn(&str) -> Effective<'e>,
    ) {
        let told = self.told.as_ref().unwrap_or(&self.server);
        let pairs = self
            .server
            .pairs()
            .enumerate()
            .map(|(place, (name, value))| {
                let mut folded = [0; MAX_NAME];
                let is_fresh = self.fresh & bit(place) != 0;
                match fold(name, &mut folded).map(&effective) {
                    Some(Effective::Own(own)) => (name, own.as_bytes()),
                    Some(Effective::Set(set)) if !is_fresh => (name, set.as_bytes()),
                    _ => (name, value),
                }
            });
        let mut news = pairs
            .filter(|(name, value)| told.get(name) != Some(*value))
            .peekable();
        if news.peek().is_none() {
            return;
        }
        let out = out();
        let mut now = told.clone();
        for (name, value) in news {
            now = now.with(name, value);
            message(out, b'S', |out| {
                put_cstr(out, name);
                put_cstr(out, value);
            });
        }
        self.told = Some(now).filter(|now| *now != self.server);
    }
}

fn bit(place: usize) -> u64 {
    let shift = u32::try_from(place).unwrap_or(u32::MAX);
    1_u64.checked_shl(shift).unwrap_or(0)
}

/// A longer name is none that the server reports (bytes).
const MAX_NAME: usize = 64;

/// The name as PostgreSQL compares it.
fn fold<'b>(name: &[u8], buffer: &'b mut [u8; MAX_NAME]) -> Option<&'b str> {
    let folded = buffer.get_mut(..name.len())?;
    folded.copy_from_slice(name);
    folded.make_ascii_lowercase();
    std::str::from_utf8(folded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        message(&mut out, b'S', |out| {
            put_cstr(out, name.as_bytes());
            put_cstr(out, value.as_bytes());
        });
        out
    }

    fn news<'e>(reports: &mut Reports, effective: impl Fn(&str) -> Effective<'e>) -> Vec<u8> {
        let mut out = Vec::new();
        reports.put_news(|| &mut out, effective);
        out
    }

    #[test]
    fn the_client_is_told_what_is_in_effect_once() {
        let login = [status("TimeZone", "UTC"), status("is_superuser", "off")].concat();
        let mut reports = Reports::new(&login, &[]);
        let none = |_: &str| Effective::Reported;
        assert_eq!(news(&mut reports, none), b"");
        let only = |how: fn(&'static str) -> Effective<'static>| {
            move |name: &str| match name {
                "timezone" => how("Asia/Tokyo"),
                _ => Effective::Reported,
            }
        };
        let tokyo = only(Effective::Own);
        assert_eq!(news(&mut reports, tokyo), status("TimeZone", "Asia/Tokyo"));
        assert_eq!(news(&mut reports, tokyo), b"");
        // What the prefix does, and what its end takes back, is no news.
        for value in ["Asia/Tokyo", "UTC"] {
            assert!(reports.reported(&status("TimeZone", value)[HEADER..], true));
            assert_eq!(news(&mut reports, tokyo), b"");
        }
        assert_eq!(news(&mut reports, none), status("TimeZone", "UTC"));
        // One that the server connection has already, from another client, is not reported; what is holds.
        reports.transaction_ended();
        let set = only(Effective::Set);
        assert_eq!(news(&mut reports, set), status("TimeZone", "Asia/Tokyo"));
        assert!(reports.reported(&status("TimeZone", "GMT")[HEADER..], true));
        assert_eq!(news(&mut reports, set), status("TimeZone", "GMT"));
        reports.transaction_ended();
        assert_eq!(news(&mut reports, set), status("TimeZone", "Asia/Tokyo"));
        assert_eq!(news(&mut reports, none), status("TimeZone", "GMT"));
        // Nothing is kept here: reports go on as they come.
        assert!(!reports.reported(&status("TimeZone", "UTC")[HEADER..], false));
        assert_eq!(news(&mut reports, none), b"");
        assert!(!reports.reported(&status("is_superuser", "on")[HEADER..], true));
    }
}
