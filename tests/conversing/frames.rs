//! Byte streams as messages, and back.

use portcullis::protocol::frame;

/// One whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: u8,
    pub body: &'a [u8],
    /// Type and length included.
    pub bytes: &'a [u8],
}

/// Takes the message at the head of `bytes`; `None`: not all there, or not a message.
pub fn first(bytes: &[u8]) -> Option<Frame<'_>> {
    let header = frame::header(bytes).ok()??;
    let bytes = bytes.get(..header.total)?;
    Some(Frame {
        kind: header.kind,
        body: &bytes[frame::HEADER..],
        bytes,
    })
}

/// The whole messages at the head of `bytes`, and what is left.
pub fn split(mut bytes: &[u8]) -> (Vec<Frame<'_>>, &[u8]) {
    let mut frames = Vec::new();
    while let Some(frame) = first(bytes) {
        bytes = &bytes[frame.bytes.len()..];
        frames.push(frame);
    }
    (frames, bytes)
}

/// A message with these parts as its body.
pub fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::message(&mut out, kind, |body| {
        parts.iter().for_each(|part| body.extend_from_slice(part));
    });
    out
}

/// A string with its NUL.
pub fn cstr(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// ErrorResponse (`E`) or NoticeResponse (`N`).
pub fn report(kind: u8, severity: &str, sqlstate: &str, text: &str, position: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in [
        (b'S', severity),
        (b'V', severity),
        (b'C', sqlstate),
        (b'M', text),
        (b'P', position),
    ] {
        if !value.is_empty() {
            body.push(field);
            body.extend(cstr(value));
        }
    }
    body.push(0);
    message(kind, &[&body])
}

/// A field of an ErrorResponse's or NoticeResponse's body.
pub fn field(body: &[u8], code: u8) -> Option<String> {
    body.split(|byte| *byte == 0)
        .find(|field| field.first() == Some(&code))
        .map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
}

/// A message for people: its type and its bytes.
pub fn show(frame: &Frame<'_>) -> String {
    format!("{} {}", char::from(frame.kind), frame.body.escape_ascii())
}
