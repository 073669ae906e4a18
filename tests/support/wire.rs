//! A client that speaks the protocol byte by byte, over plain TCP or TLS. Every wait has a deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::message::{self, Message};
use super::psql::Login;
use super::scram::Scram;

/// How long a test waits for bytes that must come: longer than each limit of Portcullis and PgBouncer, of which
/// the client shall see how they end.
pub const PATIENCE: Duration = Duration::from_secs(75);

/// How a client begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// No TLS.
    Plain,
    /// SSLRequest, then TLS.
    SslRequest,
    /// TLS from the first byte, ALPN `postgresql`.
    Direct,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection. Bytes that have come and were not asked for yet wait in `received`.
pub struct Wire {
    stream: Stream,
    received: Vec<u8>,
    /// ParameterStatus, in the order they came.
    pub parameters: Vec<(String, String)>,
    /// The body of BackendKeyData: what [`message::cancel`] takes.
    pub cancel_key: Vec<u8>,
}

impl Wire {
    /// A TCP connection to 127.0.0.1 that has sent nothing yet.
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("set a read deadline");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("set a write deadline");
        Self {
            stream: Stream::Plain(stream),
            received: Vec::new(),
            parameters: Vec::new(),
            cancel_key: Vec::new(),
        }
    }

    /// Opens a connection and brings TLS up as `transport` says, `authority` verifying the server.
    pub fn open_with(port: u16, transport: Transport, authority: &Path) -> Self {
        let mut wire = Self::open(port);
        match transport {
            Transport::Plain => wire,
            Transport::SslRequest => {
                wire.send(&message::ssl_request());
                assert_eq!(
                    wire.receive_byte(),
                    Some(b'S'),
                    "the server's answer to SSLRequest"
                );
                wire.into_tls(&client_config(authority))
            }
            Transport::Direct => wire.into_tls(&client_config(authority)),
        }
    }

    /// A connection that is logged in, through TLS after SSLRequest.
    pub fn login(login: &Login) -> Self {
        Self::login_with(login, Transport::SslRequest, &[])
    }

    /// A connection that is logged in; `parameters` go into the startup message. Panics if refused.
    pub fn login_with(login: &Login, transport: Transport, parameters: &[(&str, &str)]) -> Self {
        Self::try_login(login, transport, parameters)
            .unwrap_or_else(|error| panic!("login refused: {error:?}"))
    }

    /// The same, the ErrorResponse as the error.
    pub fn try_login(
        login: &Login,
        transport: Transport,
        parameters: &[(&str, &str)],
    ) -> Result<Self, Message> {
        let mut wire = Self::open_with(login.port, transport, &login.sslrootcert);
        let mut all = vec![
            ("user", login.user.as_str()),
            ("database", login.database.as_str()),
        ];
        all.extend(parameters);
        wire.send(&message::startup((3, 0), &all));
        wire.authenticate(&login.password, None)?;
        let messages = wire.receive_until(b'Z');
        match message::error(&messages) {
            Some(error) => Err(error.clone()),
            None => Ok(wire),
        }
    }

    /// The ErrorResponse to a login; panics if it is let in.
    #[track_caller]
    pub fn refusal(login: &Login, parameters: &[(&str, &str)]) -> Message {
        let tried = Self::try_login(login, Transport::SslRequest, parameters);
        let refused = tried.err();
        refused.unwrap_or_else(|| panic!("{login:?} was let in"))
    }

    /// Answers the server's SASL request; `end_point` makes it SCRAM-SHA-256-PLUS.
    pub fn authenticate(
        &mut self,
        password: &str,
        end_point: Option<Vec<u8>>,
    ) -> Result<(), Message> {
        let mut scram = Scram::new(password, end_point);
        let mechanisms = self.authentication(10)?;
        let offered = mechanisms
            .split(|byte| *byte == 0)
            .any(|name| name == scram.mechanism().as_bytes());
        assert!(
            offered,
            "{} is not offered: {}",
            scram.mechanism(),
            String::from_utf8_lossy(&mechanisms)
        );
        let first = scram.first();
        let length = u32::try_from(first.len())
            .expect("a short message")
            .to_be_bytes();
        let body = [
            scram.mechanism().as_bytes(),
            b"\0",
            &length,
            first.as_bytes(),
        ]
        .concat();
        self.send(&message::framed(b'p', &body));
        let server_first = self.authentication(11)?;
        let last =
            scram.last(&String::from_utf8(server_first).expect("server-first-message is text"));
        self.send(&message::framed(b'p', last.as_bytes()));
        let server_final = self.authentication(12)?;
        scram.check(&String::from_utf8(server_final).expect("server-final-message is text"));
        self.authentication(0).map(drop)
    }

    /// The data of the authentication message `code`.
    fn authentication(&mut self, code: u32) -> Result<Vec<u8>, Message> {
        let message = self
            .receive()
            .expect("the connection ended during authentication");
        match (message.kind, message.body.split_first_chunk::<4>()) {
            (b'R', Some((found, data))) if u32::from_be_bytes(*found) == code => Ok(data.to_vec()),
            (b'E', _) => Err(message),
            _ => panic!("expected authentication message {code}, got {message:?}"),
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("send");
    }

    /// Sends bytes; an error when the server has closed.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Sends bytes in pieces of `size`, each in a segment (and TLS record) of its own.
    pub fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            self.send(piece);
        }
    }

    /// Sends a Query and receives up to its ReadyForQuery.
    pub fn query(&mut self, sql: &str) -> Vec<Message> {
        self.ask(&message::query(sql))
    }

    /// Sends `batch` and a Sync and receives up to its ReadyForQuery.
    pub fn batch(&mut self, batch: &[u8]) -> Vec<Message> {
        self.ask(&[batch, &message::sync()].concat())
    }

    /// Sends messages and receives up to the next ReadyForQuery.
    pub fn ask(&mut self, messages: &[u8]) -> Vec<Message> {
        self.send(messages);
        self.receive_until(b'Z')
    }

    /// The next message; `None` when the server has closed; panics after [`PATIENCE`].
    pub fn receive(&mut self) -> Option<Message> {
        if !self.fill(5) {
            assert!(
                self.received.is_empty(),
                "the connection ended inside a message: {:?}",
                self.received
            );
            return None;
        }
        let length =
            u32::from_be_bytes(self.received[1..5].try_into().expect("four bytes")) as usize;
        assert!(length >= 4, "message of length {length}");
        assert!(
            self.fill(length + 1),
            "the connection ended inside a message"
        );
        let message = Message {
            kind: self.received[0],
            body: self.received[5..=length].to_vec(),
        };
        self.received.drain(..=length);
        self.note(&message);
        Some(message)
    }

    /// The messages up to and including the first of type `kind`, or to the end of the connection.
    pub fn receive_until(&mut self, kind: u8) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.receive() {
            let last = message.kind == kind;
            messages.push(message);
            if last {
                break;
            }
        }
        messages
    }

    /// The state of the transaction at each of the next `count` ReadyForQuery.
    pub fn states(&mut self, count: usize) -> String {
        let state = |_| {
            let messages = self.receive_until(b'Z');
            messages.last().expect("an end").transaction()
        };
        (0..count).map(state).collect()
    }

    /// One byte outside of any message: the answer to SSLRequest.
    pub fn receive_byte(&mut self) -> Option<u8> {
        self.fill(1).then(|| self.received.remove(0))
    }

    /// Everything up to the end of the connection.
    pub fn receive_to_end(&mut self) -> Vec<Message> {
        self.receive_until(0)
    }

    /// Whether nothing comes for `time`.
    pub fn is_quiet_for(&mut self, time: Duration) -> bool {
        if !self.received.is_empty() {
            return false;
        }
        self.tcp()
            .set_read_timeout(Some(time))
            .expect("set a read deadline");
        let mut byte = [0];
        let outcome = self.read(&mut byte);
        self.tcp()
            .set_read_timeout(Some(PATIENCE))
            .expect("set a read deadline");
        match outcome {
            Ok(count) => {
                self.received.extend(&byte[..count]);
                false
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// Closes our sending side and keeps receiving.
    pub fn finish_sending(&mut self) {
        self.tcp().shutdown(Shutdown::Write).expect("shut down");
    }

    /// The DER certificate that the server showed.
    pub fn server_certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream
                .conn
                .peer_certificates()
                .and_then(<[_]>::first)
                .map(|der| der.to_vec()),
        }
    }

    /// The hash of the server's certificate (SHA-256, as for every certificate of this harness): what
    /// [`Wire::authenticate`] takes for SCRAM-SHA-256-PLUS.
    pub fn end_point(&self) -> Option<Vec<u8>> {
        let hash = |der: Vec<u8>| {
            ring::digest::digest(&ring::digest::SHA256, &der)
                .as_ref()
                .to_vec()
        };
        self.server_certificate().map(hash)
    }

    /// The plain socket, for options and for tests that write behind TLS's back.
    pub fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// Shakes hands; panics with rustls's error if that fails.
    pub fn into_tls(self, config: &Arc<ClientConfig>) -> Self {
        self.try_into_tls(config)
            .unwrap_or_else(|error| panic!("TLS handshake: {error}"))
    }

    /// Shakes hands.
    pub fn try_into_tls(self, config: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let Stream::Plain(mut tcp) = self.stream else {
            panic!("TLS inside TLS")
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let mut connection =
            ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(Self {
            stream: Stream::Tls(Box::new(StreamOwned::new(connection, tcp))),
            ..self
        })
    }

    /// Reads until at least `count` bytes are there; false at the end of the connection.
    fn fill(&mut self, count: usize) -> bool {
        let mut chunk = [0; 16 * 1024];
        while self.received.len() < count {
            match self.read(&mut chunk) {
                Ok(0) => return false,
                Ok(read) => self.received.extend(&chunk[..read]),
                // How a server may end: with a reset, or without TLS's close_notify. Reading from TLS
                // may have to write first, what the server did not wait for.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset
                            | ErrorKind::BrokenPipe
                            | ErrorKind::UnexpectedEof
                    ) =>
                {
                    return false;
                }
                Err(error) => panic!("nothing came: {error}; so far {:?}", self.received),
            }
        }
        true
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }

    /// Keeps what belongs to the connection and not to an answer.
    fn note(&mut self, message: &Message) {
        match message.kind {
            b'K' => self.cancel_key = message.body.clone(),
            b'S' => {
                let text = String::from_utf8_lossy(&message.body);
                let mut parts = text.split('\0').map(str::to_owned);
                self.parameters.push((
                    parts.next().unwrap_or_default(),
                    parts.next().unwrap_or_default(),
                ));
            }
            _ => (),
        }
    }
}

/// rustls for a client that trusts `authority` and offers ALPN `postgresql`.
pub fn client_config(authority: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).expect("read the authority") {
        roots
            .add(certificate.expect("a certificate"))
            .expect("a usable certificate");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Arc::new(config)
}

/// A statement by each of the two protocols.
pub fn ways() -> [fn(&mut Wire, &str) -> Vec<Message>; 2] {
    [
        |wire, sql| wire.query(sql),
        |wire, sql| wire.batch(&message::extended(sql, &[])),
    ]
}
