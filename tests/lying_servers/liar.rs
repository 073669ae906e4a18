//! What stands between Portcullis and a PgBouncer, and says another thing than PgBouncer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::support::message::{Message, framed};
use super::support::process::wait_until;

/// A message of a server's that lets a client in, by SCRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The mechanisms.
    Offer,
    /// Nonce, salt and iterations.
    First,
    /// The server's signature.
    Final,
    /// AuthenticationOk.
    In,
    /// The first ParameterStatus.
    Parameter,
    /// BackendKeyData.
    Key,
    /// ReadyForQuery.
    Ready,
}

pub const STEPS: [Step; 7] = [
    Step::Offer,
    Step::First,
    Step::Final,
    Step::In,
    Step::Parameter,
    Step::Key,
    Step::Ready,
];

impl Step {
    pub fn of(message: &Message) -> Option<Self> {
        let code = message.body.first_chunk::<4>();
        match (message.kind, code.map(|code| u32::from_be_bytes(*code))) {
            (b'R', Some(10)) => Some(Self::Offer),
            (b'R', Some(11)) => Some(Self::First),
            (b'R', Some(12)) => Some(Self::Final),
            (b'R', Some(0)) => Some(Self::In),
            (b'S', _) => Some(Self::Parameter),
            (b'K', _) => Some(Self::Key),
            (b'Z', _) => Some(Self::Ready),
            _ => None,
        }
    }

    /// Answers to SASL that have been given when it comes.
    pub fn given(self) -> usize {
        match self {
            Self::Offer => 0,
            Self::First => 1,
            _ => 2,
        }
    }
}

/// What is said instead of the message of a step: the bytes for it.
pub type Tell = Box<dyn Fn(&Message) -> Vec<u8> + Send>;

#[derive(Default)]
struct Told {
    lie: Option<(Step, Tell)>,
    /// What Portcullis said to each connection.
    heard: Vec<Vec<u8>>,
    /// Connections that have not ended.
    open: usize,
}

/// Between Portcullis and a PgBouncer, until the process ends.
pub struct Liar {
    pub port: u16,
    told: Arc<Mutex<Told>>,
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Liar {
    pub fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
        let port = listener.local_addr().expect("an address").port();
        let told = Arc::<Mutex<Told>>::default();
        let all = Arc::clone(&told);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", upstream)).expect("PgBouncer");
                let all = Arc::clone(&all);
                lock(&all).open += 1;
                thread::spawn(move || {
                    let heard = carry(client, server, &all);
                    let mut told = lock(&all);
                    told.heard.push(heard);
                    told.open -= 1;
                });
            }
        });
        Self { port, told }
    }

    pub fn lies(&self, at: Step, tell: impl Fn(&Message) -> Vec<u8> + Send + 'static) {
        lock(&self.told).lie = Some((at, Box::new(tell)));
    }

    /// From now on.
    pub fn lies_no_more(&self) {
        lock(&self.told).lie = None;
    }

    /// What connections have heard that have said anything, once all have ended.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        wait_until("all connections have ended", || lock(&self.told).open == 0);
        let mut heard = std::mem::take(&mut lock(&self.told).heard);
        heard.retain(|heard| !heard.is_empty());
        heard
    }
}

/// Both ways, to the end of both; what the client said.
fn carry(client: TcpStream, server: TcpStream, told: &Mutex<Told>) -> Vec<u8> {
    let (mut from, mut to) = (client.try_clone().expect("a handle"), &server);
    thread::scope(|scope| {
        let heard = scope.spawn(move || {
            let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                heard.extend_from_slice(&buffer[..length]);
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
            heard
        });
        let _ = answer(&server, &client, told);
        // What it says now goes nowhere, and is heard all the same.
        let _ = client.shutdown(Shutdown::Write);
        heard.join().expect("what was heard")
    })
}

/// The server's messages up to the lie, then the lie, then the rest.
fn answer(mut server: &TcpStream, mut client: &TcpStream, told: &Mutex<Told>) -> Option<()> {
    let mut lied = false;
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes(head[1..].try_into().ok()?) as usize;
        let mut message = Message {
            kind: head[0],
            body: vec![0; length - 4],
        };
        server.read_exact(&mut message.body).ok()?;
        let honest = framed(message.kind, &message.body);
        let step = Step::of(&message);
        let said = match &lock(told).lie {
            Some((at, tell)) if !lied && step == Some(*at) => {
                lied = true;
                tell(&message)
            }
            _ => honest,
        };
        client.write_all(&said).ok()?;
    }
}
