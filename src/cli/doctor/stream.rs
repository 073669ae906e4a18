//! Sockets with deadlines: TCP, TLS or unix.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::dsn::{Dsn, Mode};
use super::failure::{Cause, Failure};
use crate::config::SslMode;
use crate::tls::files::{MAX_PUBLIC_FILE, read_regular};
use crate::tls::server_side;

/// SSLRequest (PostgreSQL documentation, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A connected socket.
pub(super) enum Stream {
    Unix(UnixStream),
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

/// A socket whose every read and write ends at a deadline. TLS reads until a record is whole: with a limit for
/// each read, who sends a byte now and then would hold us for hours.
pub(super) struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream {
    /// Dials and encrypts as `mode` says.
    pub(super) fn open(dsn: &Dsn, mode: Mode, deadline: Instant) -> Result<Self, Failure> {
        if dsn.host.starts_with('/') {
            let path = dsn.address();
            // A server that accepts nobody any more lets connect() wait for ever.
            let stream = beside(deadline, move || UnixStream::connect(path));
            return stream
                .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
                .map(Self::Unix)
                .map_err(|error| Failure::dialling(dsn, &error));
        }
        let mut stream = dial(dsn, deadline)?;
        // Small messages back and forth; without this each would wait for the other's ACK.
        let _ = stream.set_nodelay(true);
        if matches!(mode, Mode::Disable | Mode::Allow) {
            return Ok(Self::Plain(stream));
        }
        match offered(&mut stream, deadline).map_err(|error| Failure::talking(dsn, &error))? {
            b'S' => encrypted(dsn, mode, stream, deadline),
            b'N' if mode == Mode::Prefer => Ok(Self::Plain(stream)),
            b'N' => Err(Failure::new(
                Cause::SslMode,
                format!(
                    "{} has no TLS, and sslmode is {}",
                    dsn.address(),
                    mode.name()
                ),
                "Give it a certificate (PgBouncer: client_tls_sslmode), or use sslmode=prefer on a trusted network.",
            )),
            _ => Err(Failure::stranger(dsn)),
        }
    }

    /// The version of TLS, if there is any.
    pub(super) fn tls(&self) -> Option<&'static str> {
        let Self::Tls(stream) = self else { return None };
        match stream.conn.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => Some("TLS 1.3"),
            Some(rustls::ProtocolVersion::TLSv1_2) => Some("TLS 1.2"),
            _ => Some("TLS"),
        }
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Reads what is there; `TimedOut` or `WouldBlock` at the deadline.
    pub(super) fn read(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let left = Some(left(deadline)?);
        match self {
            Self::Unix(stream) => stream
                .set_read_timeout(left)
                .and_then(|()| stream.read(into)),
            Self::Plain(stream) => stream
                .set_read_timeout(left)
                .and_then(|()| stream.read(into)),
            Self::Tls(stream) => {
                stream.sock.deadline = deadline;
                stream.read(into)
            }
        }
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        match self {
            Self::Unix(stream) => {
                let left = Some(left(deadline)?);
                stream
                    .set_write_timeout(left)
                    .and_then(|()| stream.write_all(bytes))
            }
            Self::Plain(stream) => {
                let left = Some(left(deadline)?);
                stream
                    .set_write_timeout(left)
                    .and_then(|()| stream.write_all(bytes))
            }
            Self::Tls(stream) => {
                stream.sock.deadline = deadline;
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }
}

/// What is left until `deadline`; never zero, which a socket would take for "for ever".
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

fn dial(dsn: &Dsn, deadline: Instant) -> Result<TcpStream, Failure> {
    let mut problem = None;
    for address in resolved(dsn, deadline)? {
        let tried = left(deadline).and_then(|left| TcpStream::connect_timeout(&address, left));
        match tried {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = Some(error),
        }
    }
    Err(match problem {
        Some(error) => Failure::dialling(dsn, &error),
        None => Failure::unresolved(dsn, "no answer"),
    })
}

/// What has no deadline of its own runs beside us; when it is late, it is left alone.
fn beside<T: Send + 'static>(
    deadline: Instant,
    job: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        // The receiver is gone when this comes too late.
        let _ = sender.send(job());
    });
    let left = deadline.saturating_duration_since(Instant::now());
    answer.recv_timeout(left).ok()
}

fn resolved(dsn: &Dsn, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    let name = dsn.hostaddr.as_ref().unwrap_or(&dsn.host).clone();
    let port = dsn.port;
    let found = beside(deadline, move || {
        let addresses = (name.as_str(), port).to_socket_addrs();
        addresses.map(Iterator::collect)
    });
    match found {
        Some(Ok(addresses)) => Ok(addresses),
        Some(Err(error)) => Err(Failure::unresolved(dsn, &error.to_string())),
        None => Err(Failure::unresolved(dsn, "the resolver does not answer")),
    }
}

/// What the server says to SSLRequest. One byte and no more is read: what follows in plaintext would be
/// somebody else's (CVE-2021-23222).
fn offered(stream: &mut TcpStream, deadline: Instant) -> io::Result<u8> {
    let left = Some(left(deadline)?);
    stream.set_write_timeout(left)?;
    stream.set_read_timeout(left)?;
    stream.write_all(&SSL_REQUEST)?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    Ok(answer[0])
}

fn encrypted(
    dsn: &Dsn,
    mode: Mode,
    stream: TcpStream,
    deadline: Instant,
) -> Result<Stream, Failure> {
    let wrong = |message: String, hint: &str| Failure::new(Cause::SslMode, message, hint);
    let ca = match &dsn.sslrootcert {
        Some(path) => Some(read_regular(path, MAX_PUBLIC_FILE).map_err(|error| {
            wrong(
                format!("sslrootcert {} cannot be read: {error}", path.display()),
                "Check sslrootcert.",
            )
        })?),
        None => None,
    };
    let settings = server_side(verifying(mode), ca.as_deref())
        .map_err(|error| wrong(error.to_string(), "Check sslrootcert."))?;
    let name = ServerName::try_from(dsn.host.clone())
        .map_err(|_| wrong(format!("\"{}\" is no host's name", dsn.host), "Check host."))?;
    // None is `disable`, which does not come here.
    let Some(settings) = settings else {
        return Ok(Stream::Plain(stream));
    };
    let mut connection = ClientConnection::new(settings, name)
        .map_err(|error| wrong(error.to_string(), "Check sslmode."))?;
    let handshake = |error: io::Error| {
        let certificate = error.get_ref().is_some_and(|inner| {
            inner
                .downcast_ref::<rustls::Error>()
                .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
        });
        match certificate {
            true => wrong(
                format!(
                    "the certificate of {} does not stand up to sslmode {}: {error}",
                    dsn.address(),
                    mode.name()
                ),
                "Check host (the certificate's name) and sslrootcert (its CA).",
            ),
            false => wrong(
                format!("TLS with {} failed: {error}", dsn.address()),
                "Check sslmode, and the server's log.",
            ),
        }
    };
    let mut timed = Timed { stream, deadline };
    while connection.is_handshaking() {
        connection.complete_io(&mut timed).map_err(handshake)?;
    }
    Ok(Stream::Tls(Box::new(StreamOwned::new(connection, timed))))
}

fn verifying(mode: Mode) -> SslMode {
    match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Allow | Mode::Prefer | Mode::Require => SslMode::Require,
        Mode::VerifyCa => SslMode::VerifyCa,
        Mode::VerifyFull => SslMode::VerifyFull,
    }
}
