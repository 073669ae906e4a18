//! What Portcullis itself says to a client. Encoded by pgwire: none of it is on the path of a
//! statement that passes.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::response::ErrorResponse;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey,
};

use super::startup::NEWEST_MINOR;
use crate::error::SqlState;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed; the connection goes on.
    Error,
    /// The connection ends.
    Fatal,
}

/// An ErrorResponse in PostgreSQL's style: message lower case, one line, no full stop; DETAIL facts;
/// HINT one thing to do.
#[derive(Clone, Debug)]
pub struct ErrorReply {
    /// Fields `S` and `V`.
    pub severity: Severity,
    /// Field `C`.
    pub sqlstate: SqlState,
    /// Field `M`.
    pub message: String,
    /// Field `D`.
    pub detail: Option<String>,
    /// Field `H`.
    pub hint: Option<String>,
    /// Field `P`: characters, from 1; 0 = none.
    pub position: u32,
    /// Fields `R`, `F` and `L`: the guard, the policy file and its line (0: none), or a place in PostgreSQL's source.
    pub decided: Option<(Cow<'static, str>, String, u32)>,
}

impl ErrorReply {
    /// An error that ends the connection.
    pub fn fatal(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fatal,
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: 0,
            decided: None,
        }
    }

    /// Adds the DETAIL.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the HINT.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Appends the message.
    pub fn put(&self, out: &mut Vec<u8>) {
        let severity = match self.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        };
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.sqlstate.to_string()),
            (b'M', without_nul(&self.message)),
        ];
        fields.extend(self.detail.as_deref().map(|d| (b'D', without_nul(d))));
        fields.extend(self.hint.as_deref().map(|h| (b'H', without_nul(h))));
        if self.position > 0 {
            fields.push((b'P', self.position.to_string()));
        }
        if let Some((routine, file, line)) = &self.decided {
            fields.push((b'F', without_nul(file)));
            if *line > 0 {
                fields.push((b'L', line.to_string()));
            }
            fields.push((b'R', routine.clone().into_owned()));
        }
        put(out, &ErrorResponse::new(fields));
    }
}

/// A NUL would end the field early and shift all that follow.
fn without_nul(text: &str) -> String {
    text.replace('\0', "?")
}

fn put(out: &mut Vec<u8>, message: &impl Message) {
    let mut bytes = BytesMut::new();
    // Encoding into memory cannot fail; if it ever did, nothing is sent and the client sees the
    // connection end instead of half a message.
    if message.encode(&mut bytes).is_ok() {
        out.extend_from_slice(&bytes);
    }
}

/// AuthenticationOk.
pub fn put_authentication_ok(out: &mut Vec<u8>) {
    put(out, &Authentication::Ok);
}

/// AuthenticationSASL with the mechanisms on offer, best first.
pub fn put_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) {
    let mechanisms = mechanisms.iter().map(|name| (*name).to_owned()).collect();
    put(out, &Authentication::SASL(mechanisms));
}

/// AuthenticationSASLContinue.
pub fn put_sasl_continue(out: &mut Vec<u8>, data: &[u8]) {
    put(
        out,
        &Authentication::SASLContinue(Bytes::copy_from_slice(data)),
    );
}

/// AuthenticationSASLFinal.
pub fn put_sasl_final(out: &mut Vec<u8>, data: &[u8]) {
    put(
        out,
        &Authentication::SASLFinal(Bytes::copy_from_slice(data)),
    );
}

/// NegotiateProtocolVersion: the newest version of protocol 3 not above `minor` that Portcullis
/// speaks (in full, as PostgreSQL and libpq read it), and the options it does not know.
pub fn put_negotiate(out: &mut Vec<u8>, minor: u16, unknown: &[&str]) {
    let version = (3 << 16) | i32::from(minor.min(NEWEST_MINOR));
    let unknown = unknown.iter().map(|name| (*name).to_owned()).collect();
    put(out, &NegotiateProtocolVersion::new(version, unknown));
}

/// BackendKeyData: 4 bytes of secret for protocol 3.0, more for 3.2.
pub fn put_key(out: &mut Vec<u8>, process: u32, secret: &[u8]) {
    let process = process.cast_signed();
    let secret = match <[u8; 4]>::try_from(secret) {
        Ok(four) => SecretKey::I32(i32::from_be_bytes(four)),
        Err(_) => SecretKey::Bytes(Bytes::copy_from_slice(secret)),
    };
    put(out, &BackendKeyData::new(process, secret));
}

/// ReadyForQuery, idle.
pub const READY_IDLE: &[u8] = b"Z\0\0\0\x05I";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{error_fields, frame};

    #[test]
    fn an_error_carries_every_field_once() {
        let mut out = Vec::new();
        let mut error = ErrorReply::fatal(SqlState::POLICY, "no\0t")
            .detail("d")
            .hint("h");
        error.position = 3;
        error.decided = Some((
            "ddl-outside-migration".into(),
            "production.toml".to_owned(),
            51,
        ));
        error.put(&mut out);
        let header = frame::header(&out).unwrap().unwrap();
        assert_eq!((header.kind, header.total), (b'E', out.len()));
        let fields = error_fields::read(&out[frame::HEADER..]);
        assert!(fields.ends_connection());
        assert_eq!(fields.message, b"no?t");
        for field in [
            &b"Dd\0"[..],
            b"Hh\0",
            b"P3\0",
            b"Rddl-outside-migration\0",
            b"L51\0",
        ] {
            assert!(out.windows(field.len()).any(|w| w == field), "{field:?}");
        }
    }

    #[test]
    fn keys_have_the_length_of_their_protocol() {
        let mut out = Vec::new();
        put_key(&mut out, 1, &[1, 2, 3, 4]);
        assert_eq!(out, b"K\0\0\0\x0c\0\0\0\x01\x01\x02\x03\x04");
        out.clear();
        put_key(&mut out, 1, &[5; 32]);
        assert_eq!(out.len(), 1 + 4 + 4 + 32);
    }

    #[test]
    fn the_version_negotiated_is_never_above_the_one_asked_for() {
        let mut out = Vec::new();
        put_negotiate(&mut out, 9999, &["_pq_.x"]);
        assert_eq!(&out[5..13], b"\0\x03\0\x02\0\0\0\x01");
        out.clear();
        put_negotiate(&mut out, 0, &["_pq_.x"]);
        assert_eq!(&out[5..9], b"\0\x03\0\0");
    }
}
