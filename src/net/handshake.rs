//! From the first byte to the startup packet: TLS or not, cancel request or login.
//!
//! PostgreSQL documentation, "SSL Session Encryption". Any byte that arrives between SSLRequest and
//! the handshake is fatal: it was sent in plaintext and would be taken for encrypted
//! (CVE-2021-23214, CVE-2021-3935).

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;

use super::stream::Stream;
use super::worker::Worker;
use crate::config::SslMode;
use crate::error::SqlState;
use crate::protocol::reply::ErrorReply;
use crate::protocol::startup::{self, BadPacket, Packet};
use crate::telemetry::health::Phase;
use crate::telemetry::labels::{HandshakeKind, HandshakeOutcome};
use crate::tls::ALPN;

/// The first byte of a TLS handshake record.
const TLS_RECORD: u8 = 0x16;

/// How long one handshake may keep its place among those of a worker: many times what it works. With
/// it, as many as 800 in a second may be begun and left at that by somebody, and take a sixth of a core.
const PLACE: Duration = Duration::from_millis(5);

/// What a client wants.
pub enum Wish {
    /// To log in.
    Login(Hello),
    /// To cancel a query.
    Cancel {
        /// The key's process id.
        process: u32,
        /// The key's secret.
        secret: Vec<u8>,
        /// To be closed when the request has been carried.
        stream: Stream,
    },
}

/// A startup packet, and the stream it came on.
pub struct Hello {
    /// The stream.
    pub stream: Stream,
    /// The packet without its length field; known to be a StartupMessage.
    pub packet: Vec<u8>,
    /// The data of tls-server-end-point, if -PLUS can be offered.
    pub end_point: Option<Vec<u8>>,
    /// How it began.
    pub kind: HandshakeKind,
}

/// Why there is no wish.
pub struct Ended {
    /// For the counters.
    pub kind: HandshakeKind,
    /// For the counters.
    pub outcome: HandshakeOutcome,
    /// For the log (debug: scanners and probes make many).
    pub why: String,
    /// What to tell the client, if it can still be told.
    pub farewell: Option<Box<(Stream, ErrorReply)>>,
}

impl Ended {
    fn broken(kind: HandshakeKind, why: impl ToString) -> Self {
        Self {
            kind,
            outcome: HandshakeOutcome::Error,
            why: why.to_string(),
            farewell: None,
        }
    }

    fn refused(kind: HandshakeKind, stream: Stream, reply: ErrorReply) -> Self {
        Self {
            kind,
            outcome: HandshakeOutcome::Refused,
            why: reply.message.clone(),
            farewell: Some(Box::new((stream, reply))),
        }
    }
}

/// A stream with TLS, and the tls-server-end-point data of the very certificate that it was set up with.
type Secured = (Stream, Option<Vec<u8>>);

/// Negotiates until the client says what it wants.
pub async fn negotiate(socket: TcpStream, worker: &Rc<Worker>) -> Result<Wish, Ended> {
    let mut first = [0];
    match socket.peek(&mut first).await {
        Ok(0) => return Err(Ended::broken(HandshakeKind::Bad, "closed without a word")),
        Ok(_) => {}
        Err(error) => return Err(Ended::broken(HandshakeKind::Bad, error)),
    }
    if first[0] == TLS_RECORD {
        let secured = accept_tls(socket, worker, HandshakeKind::DirectTls).await?;
        return wish(secured, worker, HandshakeKind::DirectTls).await;
    }
    plaintext(socket, worker).await
}

async fn plaintext(socket: TcpStream, worker: &Rc<Worker>) -> Result<Wish, Ended> {
    let mut stream = Stream::Plain(socket);
    let (mut gss_refused, mut ssl_refused) = (false, false);
    loop {
        let kind = HandshakeKind::Plain;
        let packet = read_packet(&mut stream, kind).await?;
        match startup::parse(&packet) {
            Ok(Packet::Gss) if !gss_refused => {
                gss_refused = true;
                let (gss, refused) = (HandshakeKind::GssEnc, HandshakeOutcome::Refused);
                stream = nothing_early(stream, "GSSAPI encryption request", gss)?;
                worker.counters.handshake(gss, refused);
                answer(&mut stream, b'N').await?;
            }
            Ok(Packet::Ssl) if !ssl_refused => {
                stream = nothing_early(stream, "SSL request", HandshakeKind::Tls)?;
                if worker.shared.snapshot().files.client_tls.is_some() {
                    let secured = upgrade(stream, worker).await?;
                    return wish(secured, worker, HandshakeKind::Tls).await;
                }
                ssl_refused = true;
                answer(&mut stream, b'N').await?;
            }
            _ => return understand(stream, packet, worker, kind, None),
        }
    }
}

/// Reads the packet that follows a handshake: no second request for encryption.
async fn wish(secured: Secured, worker: &Rc<Worker>, kind: HandshakeKind) -> Result<Wish, Ended> {
    let (mut stream, end_point) = secured;
    let packet = read_packet(&mut stream, kind).await?;
    understand(stream, packet, worker, kind, end_point)
}

fn understand(
    stream: Stream,
    packet: Vec<u8>,
    worker: &Rc<Worker>,
    kind: HandshakeKind,
    end_point: Option<Vec<u8>>,
) -> Result<Wish, Ended> {
    match startup::parse(&packet) {
        Ok(Packet::Startup(_)) => {}
        // In plaintext too, also where TLS is required: older drivers send it so.
        Ok(Packet::Cancel { process, secret }) => {
            let secret = secret.to_vec();
            return Ok(Wish::Cancel {
                process,
                secret,
                stream,
            });
        }
        Ok(Packet::Ssl | Packet::Gss) => {
            return Err(Ended::broken(
                HandshakeKind::Bad,
                "encryption was asked for twice",
            ));
        }
        Err(problem) => {
            let reply = complain(problem);
            return Err(Ended::refused(HandshakeKind::Bad, stream, reply));
        }
    }
    let plain = kind == HandshakeKind::Plain;
    if plain && worker.shared.config.client_tls.sslmode == SslMode::Require {
        // A probe in plaintext learns whether the proxy serves, and nothing else.
        let reply = not_ready(worker).unwrap_or_else(|| {
            let message = "this server accepts TLS connections only";
            ErrorReply::fatal(SqlState::IDENTITY, message).hint("Connect with sslmode=verify-full.")
        });
        return Err(Ended::refused(kind, stream, reply));
    }
    Ok(Wish::Login(Hello {
        stream,
        packet,
        end_point,
        kind,
    }))
}

/// What a client is told that comes before the proxy serves, or after.
pub fn not_ready(worker: &Worker) -> Option<ErrorReply> {
    let message = match worker.shared.health.phase() {
        Phase::Ready => return None,
        Phase::Starting => "the proxy is starting up",
        Phase::Draining => "the proxy is shutting down",
    };
    Some(ErrorReply::fatal(SqlState::NOT_READY, message))
}

fn complain(problem: BadPacket) -> ErrorReply {
    match problem {
        BadPacket::Version(major, minor) => ErrorReply::fatal(
            SqlState::UNSUPPORTED,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2"),
        ),
        BadPacket::Length | BadPacket::Layout => {
            ErrorReply::fatal(SqlState::PROTOCOL, "invalid startup packet layout")
        }
        BadPacket::Encoding => {
            ErrorReply::fatal(SqlState::PROTOCOL, "startup packet is not valid UTF-8")
        }
    }
}

async fn answer(stream: &mut Stream, byte: u8) -> Result<(), Ended> {
    let written = stream.write_all(&[byte]).await;
    written.map_err(|error| Ended::broken(HandshakeKind::Bad, error))
}

/// Nothing may stand behind a request for encryption that is not answered yet, be the answer yes or no: somebody
/// in between may have put it there (CVE-2021-23222). PostgreSQL refuses it in these words.
fn nothing_early(stream: Stream, request: &str, kind: HandshakeKind) -> Result<Stream, Ended> {
    let Stream::Plain(socket) = &stream else {
        return Ok(stream);
    };
    match socket.try_read(&mut [0]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(stream),
        Ok(0) | Err(_) => Err(Ended::broken(kind, "closed")),
        Ok(_) => {
            let message = format!("received unencrypted data after {request}");
            let reply = ErrorReply::fatal(SqlState::PROTOCOL, message)
                .detail("This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.");
            Err(Ended::refused(HandshakeKind::Bad, stream, reply))
        }
    }
}

/// Says yes to SSLRequest and shakes hands.
async fn upgrade(mut stream: Stream, worker: &Rc<Worker>) -> Result<Secured, Ended> {
    answer(&mut stream, b'S').await?;
    match stream {
        Stream::Plain(socket) => accept_tls(socket, worker, HandshakeKind::Tls).await,
        Stream::Tls(_) => Err(Ended::broken(HandshakeKind::Tls, "TLS inside TLS")),
    }
}

async fn accept_tls(
    socket: TcpStream,
    worker: &Rc<Worker>,
    kind: HandshakeKind,
) -> Result<Secured, Ended> {
    let snapshot = worker.shared.snapshot();
    let Some(tls) = &snapshot.files.client_tls else {
        return Err(Ended::broken(kind, "TLS is not configured"));
    };
    // The ClientHello may come as slowly as it likes: it holds no place.
    let hello = LazyConfigAcceptor::new(Acceptor::default(), socket).await;
    let hello = hello.map_err(|error| Ended::broken(kind, error))?;
    let handshake = hello.into_stream(Arc::clone(&tls.config));
    let accepted = in_turn(&worker.handshakes, handshake).await;
    let stream = accepted.map_err(|error| Ended::broken(kind, error))?;
    if kind == HandshakeKind::DirectTls && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        // Without it a web page could make a browser talk to us (PostgreSQL 17 refuses too).
        return Err(Ended::broken(
            kind,
            "direct TLS without ALPN \"postgresql\"",
        ));
    }
    let stream = Stream::Tls(Box::new(tokio_rustls::TlsStream::Server(stream)));
    Ok((stream, tls.end_point.clone()))
}

/// Runs a handshake at one of the places: a reconnect storm must not stall live traffic. The place is
/// for the work, most of which answers the hello; a client that is slow to go on does not keep it.
async fn in_turn<F: Future>(places: &Semaphore, handshake: F) -> F::Output {
    let place = places.acquire().await;
    let mut handshake = std::pin::pin!(handshake);
    match tokio::time::timeout(PLACE, &mut handshake).await {
        Ok(accepted) => accepted,
        Err(_) => {
            drop(place);
            handshake.await
        }
    }
}

/// Reads one startup packet: the length is checked before anything is allocated for it.
async fn read_packet(stream: &mut Stream, kind: HandshakeKind) -> Result<Vec<u8>, Ended> {
    let mut length = [0; 4];
    let read = stream.read_exact(&mut length).await;
    read.map_err(|error| Ended::broken(kind, error))?;
    let length = startup::packet_length(length)
        .map_err(|_| Ended::broken(HandshakeKind::Bad, "invalid length of startup packet"))?;
    let mut packet = vec![0; length - 4];
    let read = stream.read_exact(&mut packet).await;
    read.map_err(|error| Ended::broken(kind, error))?;
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    #[derive(Default)]
    struct Seen {
        now: Cell<usize>,
        most: Cell<usize>,
    }

    async fn work(seen: &Seen) {
        seen.now.set(seen.now.get() + 1);
        seen.most.set(seen.most.get().max(seen.now.get()));
        tokio::task::yield_now().await;
        seen.now.set(seen.now.get() - 1);
    }

    #[tokio::test]
    async fn few_shake_hands_at_a_time_and_who_is_slow_keeps_nobody_out() {
        let (places, seen) = (Rc::new(Semaphore::new(2)), Rc::new(Seen::default()));
        let all = async {
            let tasks: Vec<_> = (0..50)
                .map(|_| (Rc::clone(&places), Rc::clone(&seen)))
                .map(|(places, seen)| {
                    spawn_local(async move { in_turn(&places, work(&seen)).await })
                })
                .collect();
            for task in tasks {
                task.await.expect("done");
            }
            assert_eq!(seen.most.get(), 2);
            // As many as there are places, and they never go on.
            for _ in 0..2 {
                let places = Rc::clone(&places);
                spawn_local(async move { in_turn(&places, std::future::pending::<()>()).await });
            }
            tokio::task::yield_now().await;
            assert_eq!(places.available_permits(), 0);
            let next = in_turn(&places, std::future::ready(()));
            let limit = Duration::from_secs(15);
            tokio::time::timeout(limit, next).await.expect("let in");
        };
        LocalSet::new().run_until(all).await;
    }
}
