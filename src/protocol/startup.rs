//! The packets before the first typed message: SSLRequest, GSSENCRequest, CancelRequest, StartupMessage.

use super::frame::cstr;

/// The largest startup packet, its length field included (PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`).
pub const MAX_PACKET: usize = 10_000;
/// The smallest: length and code.
pub const MIN_PACKET: usize = 8;

const SSL: u32 = (1234 << 16) | 5679;
const GSS: u32 = (1234 << 16) | 5680;
const CANCEL: u32 = (1234 << 16) | 5678;
/// The newest minor of protocol 3 that Portcullis speaks towards clients.
pub const NEWEST_MINOR: u16 = 2;

/// A startup packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// SSLRequest.
    Ssl,
    /// GSSENCRequest.
    Gss,
    /// CancelRequest.
    Cancel {
        /// The "process id" of BackendKeyData.
        process: u32,
        /// 4 bytes in protocol 3.0, up to 256 in 3.2.
        secret: &'a [u8],
    },
    /// StartupMessage of protocol 3.
    Startup(Startup<'a>),
}

/// A StartupMessage of protocol 3, any minor.
#[derive(Debug, PartialEq, Eq)]
pub struct Startup<'a> {
    /// The minor asked for.
    pub minor: u16,
    /// Names and values in order, UTF-8.
    pub parameters: Vec<(&'a str, &'a str)>,
}

/// What is wrong with a packet. Nothing in it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPacket {
    /// The length field is below [`MIN_PACKET`] or above [`MAX_PACKET`].
    Length,
    /// A missing terminator, an odd name, bytes behind the end.
    Layout,
    /// Not UTF-8.
    Encoding,
    /// A major version other than 3.
    Version(u16, u16),
}

/// Reads the length field: bytes of the whole packet, itself included.
pub fn packet_length(field: [u8; 4]) -> Result<usize, BadPacket> {
    let length = u32::from_be_bytes(field) as usize;
    if (MIN_PACKET..=MAX_PACKET).contains(&length) {
        Ok(length)
    } else {
        Err(BadPacket::Length)
    }
}

/// Reads a packet whose length field has been taken off.
pub fn parse(packet: &[u8]) -> Result<Packet<'_>, BadPacket> {
    let (code, rest) = packet.split_first_chunk::<4>().ok_or(BadPacket::Length)?;
    match u32::from_be_bytes(*code) {
        SSL if rest.is_empty() => Ok(Packet::Ssl),
        GSS if rest.is_empty() => Ok(Packet::Gss),
        SSL | GSS => Err(BadPacket::Layout),
        CANCEL => {
            let (process, secret) = rest.split_first_chunk::<4>().ok_or(BadPacket::Layout)?;
            if !(4..=256).contains(&secret.len()) {
                return Err(BadPacket::Layout);
            }
            Ok(Packet::Cancel {
                process: u32::from_be_bytes(*process),
                secret,
            })
        }
        version => {
            let (major, minor) = ((version >> 16) as u16, version as u16);
            if major != 3 {
                return Err(BadPacket::Version(major, minor));
            }
            let parameters = parameters(rest)?;
            Ok(Packet::Startup(Startup { minor, parameters }))
        }
    }
}

fn parameters(mut rest: &[u8]) -> Result<Vec<(&str, &str)>, BadPacket> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| BadPacket::Encoding);
    let mut parameters = Vec::new();
    loop {
        let (name, after) = cstr(rest).ok_or(BadPacket::Layout)?;
        if name.is_empty() {
            // The lone NUL must be the packet's last byte.
            return if after.is_empty() {
                Ok(parameters)
            } else {
                Err(BadPacket::Layout)
            };
        }
        let (value, after) = cstr(after).ok_or(BadPacket::Layout)?;
        parameters.push((text(name)?, text(value)?));
        rest = after;
    }
}

impl<'a> Startup<'a> {
    /// The value of a parameter; of several the last one counts, as in PostgreSQL.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut found = self.parameters.iter().rev();
        found.find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// What must be negotiated down: the protocol options not known here, each once.
    /// `None` when nothing has to be (then no NegotiateProtocolVersion is sent).
    pub fn negotiate(&self) -> Option<Vec<&'a str>> {
        let mut unknown: Vec<&str> = Vec::new();
        for (name, _) in &self.parameters {
            if name.starts_with("_pq_.") && !unknown.contains(name) {
                unknown.push(name);
            }
        }
        (self.minor > NEWEST_MINOR || !unknown.is_empty()).then_some(unknown)
    }
}

/// Appends CancelRequest.
pub fn put_cancel(out: &mut Vec<u8>, process: u32, secret: &[u8]) {
    let length = u32::try_from(12 + secret.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&CANCEL.to_be_bytes());
    out.extend_from_slice(&process.to_be_bytes());
    out.extend_from_slice(secret);
}

/// Appends SSLRequest.
pub fn put_ssl_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&8u32.to_be_bytes());
    out.extend_from_slice(&SSL.to_be_bytes());
}

/// Appends a StartupMessage of protocol 3.0.
pub fn put_startup<'a>(
    out: &mut Vec<u8>,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(3u32 << 16).to_be_bytes());
    for (name, value) in parameters {
        super::frame::put_cstr(out, name.as_bytes());
        super::frame::put_cstr(out, value.as_bytes());
    }
    out.push(0);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(minor: u16, parameters: &[u8]) -> Vec<u8> {
        let mut packet = vec![0, 3];
        packet.extend_from_slice(&minor.to_be_bytes());
        packet.extend_from_slice(parameters);
        packet
    }

    #[test]
    fn lengths_that_claim_too_much_or_too_little_are_refused() {
        for bad in [0, 7, 10_001, u32::MAX, 0x8000_0000] {
            assert_eq!(packet_length(bad.to_be_bytes()), Err(BadPacket::Length));
        }
        assert_eq!(packet_length(10_000u32.to_be_bytes()), Ok(10_000));
    }

    #[test]
    fn a_startup_message_is_read_and_its_last_value_counts() {
        let packet = startup(0, b"user\0a\0database\0b\0user\0c\0\0");
        let Ok(Packet::Startup(startup)) = parse(&packet) else {
            panic!("not a startup message");
        };
        assert_eq!(startup.get("user"), Some("c"));
        assert_eq!(startup.get("database"), Some("b"));
        assert_eq!(startup.get("options"), None);
        assert_eq!(startup.negotiate(), None);
    }

    #[test]
    fn layouts_that_end_wrongly_are_refused() {
        for bad in [
            &b""[..],
            b"user\0a\0",
            b"user\0a",
            b"user\0\0\0",
            b"user\0a\0\0x",
            b"user\0a\0\0\0",
        ] {
            if bad == b"user\0\0\0" {
                continue; // an empty value is a value
            }
            assert_eq!(parse(&startup(0, bad)), Err(BadPacket::Layout), "{bad:?}");
        }
        assert_eq!(
            parse(&startup(0, b"user\0\xff\0\0")),
            Err(BadPacket::Encoding)
        );
        assert_eq!(parse(&[0, 2, 0, 0]), Err(BadPacket::Version(2, 0)));
        assert_eq!(parse(&[0, 3]), Err(BadPacket::Length));
    }

    #[test]
    fn newer_minors_and_options_are_negotiated_down_each_listed_once() {
        let packet = startup(
            9999,
            b"_pq_.test_protocol_negotiation\0\0_pq_.b\0x\0_pq_.b\0y\0user\0a\0\0",
        );
        let Ok(Packet::Startup(message)) = parse(&packet) else {
            panic!("not a startup message");
        };
        assert_eq!(
            message.negotiate(),
            Some(vec!["_pq_.test_protocol_negotiation", "_pq_.b"])
        );
        let packet = startup(2, b"user\0a\0\0");
        let Ok(Packet::Startup(message)) = parse(&packet) else {
            panic!("not a startup message");
        };
        assert_eq!(message.negotiate(), None);
    }

    #[test]
    fn cancel_requests_of_both_protocols_are_read() {
        let mut packet = Vec::new();
        put_cancel(&mut packet, 7, &[9; 32]);
        assert_eq!(
            parse(&packet[4..]),
            Ok(Packet::Cancel {
                process: 7,
                secret: &[9; 32]
            })
        );
        packet.truncate(4 + 4 + 4 + 3);
        assert_eq!(parse(&packet[4..]), Err(BadPacket::Layout));
        let mut packet = Vec::new();
        put_cancel(&mut packet, 7, &[9; 257]);
        assert_eq!(parse(&packet[4..]), Err(BadPacket::Layout));
    }

    #[test]
    fn requests_with_a_tail_are_refused() {
        let mut packet = Vec::new();
        put_ssl_request(&mut packet);
        assert_eq!(parse(&packet[4..]), Ok(Packet::Ssl));
        packet.push(0);
        assert_eq!(parse(&packet[4..]), Err(BadPacket::Layout));
    }
}
