//! A plain TCP proxy that records what goes through it, both ways.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use super::process::wait_until;

/// What one connection said, and what it was answered.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    pub asked: Vec<u8>,
    pub answered: Vec<u8>,
    /// Sides that have ended.
    ended: u8,
}

type Connection = Arc<Mutex<Recorded>>;

/// A relay on a port of its own. It accepts until the process ends.
pub struct Relay {
    pub port: u16,
    connections: Arc<Mutex<Vec<Connection>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of the relay panics")
}

impl Relay {
    /// Carries every connection on to 127.0.0.1:`upstream`.
    pub fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let all = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let recorded = Connection::default();
                lock(&all).push(Arc::clone(&recorded));
                thread::spawn(move || carry(client, upstream, &recorded));
            }
        });
        Self { port, connections }
    }

    /// What was carried since the last time, once every connection has ended. Without those that said
    /// nothing: they only looked whether somebody is there.
    #[track_caller]
    pub fn take(&self) -> Vec<Recorded> {
        wait_until("every connection of the relay has ended", || {
            lock(&self.connections)
                .iter()
                .all(|connection| lock(connection).ended == 2)
        });
        let all = std::mem::take(&mut *lock(&self.connections));
        let all = all.iter().map(|connection| lock(connection).clone());
        all.filter(|recorded| !recorded.asked.is_empty()).collect()
    }
}

fn carry(client: TcpStream, upstream: u16, recorded: &Connection) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) else {
        lock(recorded).ended = 2;
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from, to) = (client.try_clone(), server.try_clone());
    let (from, to) = (from.expect("a handle"), to.expect("a handle"));
    thread::scope(|scope| {
        scope.spawn(|| pass(from, to, recorded, |it| &mut it.asked));
        pass(server, client, recorded, |it| &mut it.answered);
    });
}

/// One direction, until it ends: then the other side hears of it.
fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    recorded: &Connection,
    place: impl Fn(&mut Recorded) -> &mut Vec<u8>,
) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        // First recorded: who has got an answer finds it here.
        place(&mut lock(recorded)).extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    lock(recorded).ended += 1;
}

/// A connection in its parts. What it takes to log in is another text each time, and Portcullis logs in
/// by itself: beside the parameters of the startup packet nothing of that is here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exchange {
    /// CancelRequest; its key is no text of the client's.
    Cancel,
    Session(Session),
}

/// A connection behind its login.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// Parameters of the startup packet, sorted.
    pub startup: Vec<(String, String)>,
    /// ParameterStatus before the first ReadyForQuery, sorted.
    pub reports: Vec<Vec<u8>>,
    /// Every byte behind the last SASL response.
    pub asked: Vec<u8>,
    /// Every byte behind the first ReadyForQuery.
    pub answered: Vec<u8>,
}

impl Recorded {
    /// In its parts; none where it never began a session (it only asked for TLS, or was not let in).
    pub fn exchange(&self) -> Option<Exchange> {
        let (mut asked, mut answered) = (&self.asked[..], &self.answered[..]);
        let startup = loop {
            let length = number(asked, 0)?;
            let packet = asked.get(8..length)?;
            let code = number(asked, 4)?;
            asked = &asked[length..];
            match code {
                80_877_102 => return Some(Exchange::Cancel),
                // SSLRequest, GSSENCRequest: the answer is one byte.
                80_877_103 | 80_877_104 => answered = answered.get(1..)?,
                _ => break parameters(packet),
            }
        };
        while let Some((b'p', rest)) = split(asked) {
            asked = rest;
        }
        let mut reports = Vec::new();
        loop {
            let (kind, rest) = split(answered)?;
            let message = &answered[..answered.len() - rest.len()];
            answered = rest;
            match kind {
                b'S' => reports.push(message.to_vec()),
                b'Z' => break,
                _ => {}
            }
        }
        reports.sort();
        Some(Exchange::Session(Session {
            startup,
            reports,
            asked: asked.to_vec(),
            answered: answered.to_vec(),
        }))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

/// The kind of the first message, and what stands behind it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let rest = bytes.get(1 + number(bytes, 1)?..)?;
    Some((bytes[0], rest))
}

fn parameters(packet: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let words: Vec<&[u8]> = packet.split(|byte| *byte == 0).collect();
    let pairs = words.chunks_exact(2);
    let pairs = pairs.filter(|pair| !pair[0].is_empty());
    let mut all: Vec<_> = pairs.map(|pair| (text(pair[0]), text(pair[1]))).collect();
    all.sort();
    all
}

/// Bytes for people: the messages of one side, a line each.
pub fn readable(mut bytes: &[u8]) -> String {
    let mut lines = String::new();
    while let Some((kind, rest)) = split(bytes) {
        let body = &bytes[5..bytes.len() - rest.len()];
        let body = body[..body.len().min(200)].escape_ascii();
        lines += &format!("{} {body}\n", kind as char);
        bytes = rest;
    }
    lines + &bytes.escape_ascii().to_string()
}

/// The messages of one side but for those of one kind.
pub fn without(kind: u8, mut bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    while let Some((this, rest)) = split(bytes) {
        if this != kind {
            kept.extend_from_slice(&bytes[..bytes.len() - rest.len()]);
        }
        bytes = rest;
    }
    kept.extend_from_slice(bytes);
    kept
}
