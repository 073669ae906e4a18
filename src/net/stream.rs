//! A socket with or without TLS: one type for both legs, small when it has none.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// What is known of the end of what a peer sends, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer has ended its side, whatever of it was not read yet.
    Reached,
    /// Nothing to read. What comes next, be it the end, wakes the task.
    NotYet,
    /// Something to read, and no end yet: it will not wake the task.
    Behind,
}

/// One leg of a connection.
#[derive(Debug)]
pub enum Stream {
    /// Plaintext.
    Plain(TcpStream),
    /// TLS, boxed: most of its state lies in rustls.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Reads into `buffer`; 0 is the end of the stream.
    pub fn poll_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        std::task::ready!(Pin::new(self).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// The certificate that the peer has shown, verified in the handshake; DER.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        let Self::Tls(tls) = self else {
            return None;
        };
        let (_, connection) = tls.get_ref();
        Some(connection.peer_certificates()?.first()?)
    }

    /// Where the peer is; `None` when it has gone.
    pub fn peer_address(&self) -> Option<IpAddr> {
        let address = self.socket().peer_addr().ok()?;
        Some(address.ip().to_canonical())
    }

    /// Is there nothing of the peer that was not read, not even its end? Asks the kernel: what the runtime knows
    /// of the socket may be older.
    pub fn is_read_up(&self) -> bool {
        let decrypted = match self {
            Self::Plain(_) => true,
            Self::Tls(tls) => tls.get_ref().1.wants_read(),
        };
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(self.socket()).peek(&mut byte);
        decrypted && peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Has the peer ended its side, whatever of it was not read yet?
    pub fn is_hung_up(&self, cx: &mut Context<'_>) -> bool {
        let ready = std::pin::pin!(self.socket().ready(Interest::READABLE));
        match ready.poll(cx) {
            Poll::Ready(Ok(ready)) => ready.is_read_closed(),
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }

    /// Looks for the end of what the peer sends without reading: TCP's, which is there with TLS too.
    pub fn poll_end(&self, cx: &mut Context<'_>) -> End {
        match self.socket().poll_read_ready(cx) {
            Poll::Pending => End::NotYet,
            Poll::Ready(Ok(())) if !self.is_hung_up(cx) => End::Behind,
            Poll::Ready(_) => End::Reached,
        }
    }
}

/// From so many bytes on the last one goes to PgBouncer in a record of its own.
const LAST_APART: usize = 1024;

/// What to write at once, for the rest to follow.
///
/// PgBouncer reads a record in two where its buffer (`pkt_buf`, 4096 bytes) has no room for the whole of it. If the
/// first part ends in a message that it must see whole, it waits for the socket, where nothing comes any more: the rest
/// lies in OpenSSL (pgbouncer #1530, in releases up to 1.26). Behind a large write there is one more record in the
/// socket, of one byte, which wakes it.
fn of_one_record<'b>(tls: &TlsStream<TcpStream>, bytes: &'b [u8]) -> &'b [u8] {
    match (tls, bytes.split_last()) {
        (TlsStream::Client(_), Some((_, rest))) if bytes.len() > LAST_APART => rest,
        _ => bytes,
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(tls) => {
                let now = of_one_record(tls, bytes);
                Pin::new(tls).poll_write(cx, now)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// A backlog of more bytes than this is large: several reads' worth.
const LARGE: usize = 256 * 1024;

/// What could not be written at once. While anything is in it, the other side is not read: its
/// size is bounded by what one read can turn into. What Portcullis itself answers does not come from
/// the other side: while the backlog is large, nothing is read that could be answered so.
#[derive(Debug, Default)]
pub struct Backlog {
    bytes: Vec<u8>,
    written: usize,
    /// TLS holds encrypted bytes that the socket did not take.
    unflushed: bool,
}

impl Backlog {
    /// Nothing owed?
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    /// Bytes owed; 1 where only TLS knows how many.
    pub fn owed(&self) -> usize {
        (self.bytes.len() - self.written).max(usize::from(self.unflushed))
    }

    /// So much that nothing may be added? Stays so until everything is written: until then no memory
    /// is given back.
    pub fn is_large(&self) -> bool {
        self.bytes.len() > LARGE
    }

    /// Writes `bytes` behind what is owed already; what does not fit is kept.
    pub fn send(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        while !bytes.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, bytes)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => bytes = &bytes[written..],
                Poll::Pending => {
                    self.bytes.extend_from_slice(bytes);
                    return Ok(());
                }
            }
        }
        self.flush(stream, cx)
    }

    /// Writes what is owed, as far as the socket takes it.
    pub fn drain(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> io::Result<()> {
        while self.written < self.bytes.len() {
            match Pin::new(&mut *stream).poll_write(cx, &self.bytes[self.written..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => self.written += written,
                Poll::Pending => return Ok(()),
            }
        }
        *self = Self::default();
        self.flush(stream, cx)
    }

    /// [`Self::drain`] as a future's poll: ready when the socket has taken everything.
    pub fn poll_drain(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.drain(stream, cx)?;
        if self.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn flush(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> io::Result<()> {
        self.unflushed = Pin::new(stream).poll_flush(cx)?.is_pending();
        Ok(())
    }
}

/// Bytes read and not used up yet: part of a message, or messages that wait.
#[derive(Debug, Default)]
pub struct Held {
    bytes: Vec<u8>,
}

impl Held {
    /// What is held.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Nothing held?
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes what is held away.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Holds `rest`.
    pub fn hold(&mut self, rest: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(rest);
    }

    /// Holds what is left of `bytes` behind `used`; gives memory back when nothing is.
    pub fn put_back(&mut self, mut bytes: Vec<u8>, used: usize) {
        if used < bytes.len() {
            bytes.drain(..used);
            self.bytes = bytes;
        }
    }

    /// Adds bytes behind those held.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}
