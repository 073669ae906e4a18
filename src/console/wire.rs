//! What a client of the console sends, read with a bound on size and time before anything is
//! allocated (PostgreSQL documentation, "Message Formats").

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Longest startup packet, as PostgreSQL's.
const MAX_STARTUP: usize = 10_000;
/// Longest message: a verb is short.
const MAX_MESSAGE: usize = 64 * 1024;
/// How long a client may take.
pub(super) struct Patience {
    /// A startup packet, or a message that has begun, must be complete after this.
    pub read: Duration,
    /// A connection that asks nothing for so long is closed.
    pub idle: Duration,
}

/// The console's.
pub(super) const PATIENCE: Patience = Patience {
    read: Duration::from_secs(10),
    idle: Duration::from_secs(30 * 60),
};

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// The first packet of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// SSLRequest or GSSENCRequest: to be answered `N`.
    Encryption,
    /// CancelRequest: nothing here takes long enough.
    Cancel,
    /// StartupMessage.
    Startup(Startup),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Startup {
    /// The minor version of protocol 3.
    pub minor: u16,
    /// `_pq_.` options, by name.
    pub options: Vec<String>,
    pub user: String,
    pub database: Option<String>,
}

/// A message after the startup.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub kind: u8,
    pub body: Vec<u8>,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(super) enum WireError {
    /// The client has gone, between two messages or in one.
    Gone,
    /// It was too slow.
    Late,
    /// It asked nothing for too long.
    Idle,
    /// It broke the protocol.
    Violation(&'static str),
}

impl From<io::Error> for WireError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

pub(super) async fn read_opening(
    client: &mut (impl AsyncRead + Unpin),
    patience: &Patience,
) -> Result<Opening, WireError> {
    timeout(patience.read, async {
        let length = client.read_u32().await? as usize;
        if !(8..=MAX_STARTUP).contains(&length) {
            return Err(WireError::Violation("invalid length of startup packet"));
        }
        let mut body = vec![0; length - 4];
        client.read_exact(&mut body).await?;
        opening(&body).map_err(WireError::Violation)
    })
    .await
    .unwrap_or(Err(WireError::Late))
}

fn opening(body: &[u8]) -> Result<Opening, &'static str> {
    let (code, rest) = body
        .split_first_chunk()
        .ok_or("invalid length of startup packet")?;
    match u32::from_be_bytes(*code) {
        SSL_REQUEST | GSSENC_REQUEST => Ok(Opening::Encryption),
        CANCEL_REQUEST => Ok(Opening::Cancel),
        version if version >> 16 == 3 => {
            startup((version & 0xFFFF) as u16, rest).map(Opening::Startup)
        }
        _ => Err("unsupported frontend protocol: the console speaks 3.0"),
    }
}

fn startup(minor: u16, body: &[u8]) -> Result<Startup, &'static str> {
    const LAYOUT: &str = "invalid startup packet layout: expected terminator as last byte";
    let body = body.strip_suffix(b"\0").ok_or(LAYOUT)?;
    let text = std::str::from_utf8(body).map_err(|_| "the startup packet is not UTF-8")?;
    let mut startup = Startup {
        minor,
        options: Vec::new(),
        user: String::new(),
        database: None,
    };
    // Each name and each value ends with a zero byte, so the last piece of the split is empty.
    let mut pieces = text.split('\0');
    while let Some(name) = pieces.next() {
        match (name, pieces.next()) {
            ("", None) => return Ok(startup),
            ("", _) | (_, None) => return Err(LAYOUT),
            ("user", Some(value)) => startup.user = value.to_owned(),
            ("database", Some(value)) => startup.database = Some(value.to_owned()),
            (name, Some(_)) if name.starts_with("_pq_.") => startup.options.push(name.to_owned()),
            _ => {}
        }
    }
    Err(LAYOUT)
}

pub(super) async fn read_message(
    client: &mut (impl AsyncRead + Unpin),
    patience: &Patience,
) -> Result<Message, WireError> {
    let kind = timeout(patience.idle, client.read_u8())
        .await
        .map_err(|_| WireError::Idle)??;
    timeout(patience.read, async {
        let length = client.read_u32().await? as usize;
        if !(4..=MAX_MESSAGE).contains(&length) {
            return Err(WireError::Violation("invalid message length"));
        }
        let mut body = vec![0; length - 4];
        client.read_exact(&mut body).await?;
        Ok(Message { kind, body })
    })
    .await
    .unwrap_or(Err(WireError::Late))
}

/// The text of a Query message.
pub(super) fn query_text(body: &[u8]) -> Result<&str, &'static str> {
    let text = body.strip_suffix(b"\0").ok_or("invalid message format")?;
    if text.contains(&0) {
        return Err("invalid message format");
    }
    std::str::from_utf8(text).map_err(|_| "the text is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(body: &[u8]) -> Vec<u8> {
        let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
        packet.extend_from_slice(body);
        packet
    }

    async fn opened(bytes: &[u8]) -> Result<Opening, WireError> {
        read_opening(&mut &*bytes, &PATIENCE).await
    }

    #[tokio::test]
    async fn openings_are_told_apart() {
        assert_eq!(
            opened(&packet(&SSL_REQUEST.to_be_bytes()))
                .await
                .expect("ssl"),
            Opening::Encryption
        );
        assert_eq!(
            opened(&packet(&GSSENC_REQUEST.to_be_bytes()))
                .await
                .expect("gss"),
            Opening::Encryption
        );
        assert_eq!(
            opened(&packet(b"\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02"))
                .await
                .expect("cancel"),
            Opening::Cancel
        );
        let startup = packet(b"\0\x03\0\x02user\0boris\0database\0portcullis\0_pq_.x\x001\0application_name\0psql\0\0");
        let Opening::Startup(startup) = opened(&startup).await.expect("startup") else {
            panic!("no startup")
        };
        assert_eq!(
            (
                startup.minor,
                startup.user.as_str(),
                startup.database.as_deref()
            ),
            (2, "boris", Some("portcullis"))
        );
        assert_eq!(startup.options, ["_pq_.x"]);
        assert!(
            opened(&packet(b"\0\x03\0\0\0")).await.is_ok(),
            "no parameters at all"
        );
    }

    #[tokio::test]
    async fn broken_openings_are_violations() {
        for body in [
            &b"\0\x02\0\0user\0x\0\0"[..],
            b"\0\x03\0\0user\0x\0",
            b"\0\x03\0\0user\0x",
            b"\0\x03\0\0user\0\0",
            b"\0\x03\0\0\0\0\0",
            b"\0\x03\0\0u\0\xff\0\0",
        ] {
            assert!(
                matches!(opened(&packet(body)).await, Err(WireError::Violation(_))),
                "{body:?}"
            );
        }
        for length in [0_u32, 4, 7, 10_001, u32::MAX] {
            assert!(
                matches!(
                    opened(&length.to_be_bytes()).await,
                    Err(WireError::Violation(_))
                ),
                "{length}"
            );
        }
        assert!(matches!(
            opened(&packet(b"\0\x03\0\0user")[..7]).await,
            Err(WireError::Gone)
        ));
    }

    #[tokio::test]
    async fn slow_and_idle_clients_are_let_go() {
        let short = Patience {
            read: Duration::from_millis(20),
            idle: Duration::from_millis(20),
        };
        let (mut client, mut server) = tokio::io::duplex(64);
        assert!(matches!(
            read_opening(&mut server, &short).await,
            Err(WireError::Late)
        ));
        tokio::io::AsyncWriteExt::write_all(&mut client, b"Q\0\0")
            .await
            .expect("written");
        assert!(matches!(
            read_message(&mut server, &short).await,
            Err(WireError::Late)
        ));
        assert!(matches!(
            read_message(&mut server, &short).await,
            Err(WireError::Idle)
        ));
    }

    #[tokio::test]
    async fn a_message_is_bounded_before_it_is_allocated() {
        let message = read_message(&mut &b"Q\0\0\0\x07RE\0"[..], &PATIENCE)
            .await
            .expect("a message");
        assert_eq!(
            message,
            Message {
                kind: b'Q',
                body: b"RE\0".to_vec()
            }
        );
        for length in [0_u32, 3, 65_537, u32::MAX] {
            let bytes = [&b"Q"[..], &length.to_be_bytes()].concat();
            assert!(
                matches!(
                    read_message(&mut &*bytes, &PATIENCE).await,
                    Err(WireError::Violation(_))
                ),
                "{length}"
            );
        }
    }

    #[test]
    fn a_query_ends_with_its_only_zero_byte() {
        assert_eq!(query_text(b"RELOAD\0"), Ok("RELOAD"));
        for wrong in [&b""[..], b"RELOAD", b"RE\0LOAD\0", b"\xff\0"] {
            assert!(query_text(wrong).is_err(), "{wrong:?}");
        }
    }
}
