//! A connection to a server or a peer, with the TLS that is asked for and never less.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::acceptor::keepalive;
use super::stream::Stream;
use crate::config::Endpoint;
use crate::protocol::startup::put_ssl_request;

/// Connects, with these settings of TLS or in plaintext. Takes as long as it takes.
///
/// # Errors
/// The endpoint cannot be reached, does not offer the TLS that is asked for, or is not who it should be.
pub async fn connect_to(
    endpoint: &Endpoint,
    tls: Option<&Arc<rustls::ClientConfig>>,
) -> io::Result<Stream> {
    let mut socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    socket.set_nodelay(true)?;
    SockRef::from(&socket).set_tcp_keepalive(&keepalive())?;
    let Some(config) = tls else {
        return Ok(Stream::Plain(socket));
    };
    let mut request = Vec::new();
    put_ssl_request(&mut request);
    socket.write_all(&request).await?;
    let mut answer = [0];
    socket.read_exact(&mut answer).await?;
    if answer != *b"S" {
        // Error text from before TLS could come from anybody: it is not read (CVE-2024-10977).
        return Err(io::Error::other(
            "server does not offer TLS, but sslmode requires it",
        ));
    }
    match socket.try_read(&mut answer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        _ => {
            return Err(io::Error::other(
                "unencrypted data after the answer to SSLRequest",
            ));
        }
    }
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|_| io::Error::other("host name cannot be verified"))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let stream = connector.connect(name, socket).await?;
    Ok(Stream::Tls(Box::new(tokio_rustls::TlsStream::Client(
        stream,
    ))))
}
