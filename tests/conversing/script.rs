//! Golden transcripts: a text says what each side sends and what must arrive at the other.
//!
//! ```text
//! login shop_acme              who is at the client's end; first line
//! C> Query "select 1"          the client sends
//! >S Prefix                    the server must get exactly this, and before the next input
//! >S Guarded "select 1"
//! S> Prefixed                  the server sends
//! S> ReadyForQuery I
//! >C same                      the client must get what the server has just sent, unchanged
//! >C Refused ddl-outside-migration 42501 "cannot execute ..." 1
//! fatal 08P01 "..."            the connection must end with this
//! migration ended              the session of a migrator ends
//! server replaced              the idle server connection was lost
//! held 17                      bytes of the client that must wait
//! ```
//!
//! Strings know `\n`, `\0`, `\xNN`, `\"`, `\\`; `"ab"*3` repeats. The names of the messages are the
//! protocol's own; the few that stand for several messages are explained at [`client`] and [`server`].

use super::frames::{self, cstr, message, report};
use super::who::{
    Login, NOWHERE, PREFIX_NAME, prefix_bytes, prefix_spelled_otherwise, question_bytes,
};
use portcullis::zone::Form;

/// One line.
#[derive(Clone, Debug)]
pub enum Step {
    /// Either side sends.
    Send(Side, Vec<u8>),
    /// A side must get.
    Expect(Side, Pattern),
    Fatal(String, String),
    MigrationEnded,
    ServerReplaced,
    Held(usize),
}

/// An end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// What must arrive.
#[derive(Clone, Debug)]
pub enum Pattern {
    Bytes(Vec<u8>),
    /// What the other side has sent since the last expectation.
    Same,
    Refused {
        guard: String,
        sqlstate: String,
        message: String,
        position: String,
    },
}

/// A transcript.
#[derive(Clone, Debug)]
pub struct Script {
    pub login: Login,
    /// With line numbers.
    pub steps: Vec<(usize, Step)>,
}

impl Script {
    /// Reads a transcript.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut login = None;
        let mut steps = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words = words(line).ok_or(format!("line {number}: a string does not end"))?;
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let step = match words[..] {
                [b"login", name] => {
                    login = std::str::from_utf8(name).ok().and_then(Login::from_name);
                    continue;
                }
                _ => step(&words).ok_or(format!("line {number}: cannot read {line:?}"))?,
            };
            steps.push((number, step));
        }
        let login = login.ok_or("no login")?;
        Ok(Self { login, steps })
    }
}

fn step(words: &[&[u8]]) -> Option<Step> {
    Some(match words {
        [b"C>", rest @ ..] => Step::Send(Side::Client, client(rest)?),
        [b"S>", rest @ ..] => Step::Send(Side::Server, server(rest)?),
        [b">S", b"same"] => Step::Expect(Side::Server, Pattern::Same),
        [b">C", b"same"] => Step::Expect(Side::Client, Pattern::Same),
        [b">S", rest @ ..] => Step::Expect(Side::Server, Pattern::Bytes(client(rest)?)),
        [b">C", b"Refused", guard, sqlstate, message, position @ ..] => {
            let position = position.first().map(|word| text(word));
            let pattern = Pattern::Refused {
                guard: text(guard),
                sqlstate: text(sqlstate),
                message: text(message),
                position: position.unwrap_or_default(),
            };
            Step::Expect(Side::Client, pattern)
        }
        [b">C", rest @ ..] => Step::Expect(Side::Client, Pattern::Bytes(server(rest)?)),
        [b"fatal", sqlstate, message] => Step::Fatal(text(sqlstate), text(message)),
        [b"migration", b"ended"] => Step::MigrationEnded,
        [b"server", b"replaced"] => Step::ServerReplaced,
        [b"held", bytes] => Step::Held(text(bytes).parse().ok()?),
        _ => return None,
    })
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// Splits a line at blanks; `"..."` is one word without its quotes.
fn words(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => return Some(words),
            [b'"', tail @ ..] => {
                let (mut word, tail) = quoted(tail)?;
                rest = tail;
                if let Some(tail) = rest.strip_prefix(b"*") {
                    let end = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let (times, tail) = tail.split_at(end);
                    word = word.repeat(text(times).parse().ok()?);
                    rest = tail;
                }
                words.push(word);
            }
            _ => {
                let end = rest.iter().position(|byte| *byte == b' ');
                let (word, tail) = rest.split_at(end.unwrap_or(rest.len()));
                words.push(word.to_vec());
                rest = tail;
            }
        }
    }
}

fn quoted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [b'"', tail @ ..] => return Some((word, tail)),
            [b'\\', b'x', high, low, tail @ ..] => {
                let digits = [*high, *low];
                word.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'0' => 0,
                    other => *other,
                });
                rest = tail;
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
            [] => return None,
        }
    }
}

/// A message for the server. `Prefix` sets the zone (`PrefixSpelledOtherwise`: once one was lost; `PrefixFirst`: its name stays; `PrefixAgain`: it
/// stayed); `Question` asks whether the pool follows names; `Guarded` is a Query behind the guard;
/// `Nowhere` is Execute of the portal that never exists; `Cleanup` removes a prefix's name.
fn client(words: &[&[u8]]) -> Option<Vec<u8>> {
    const NUL: &[u8] = b"\0";
    const NO_TYPES: &[u8] = &[0; 2];
    Some(match words {
        [b"Query", text] => message(b'Q', &[text, NUL]),
        [b"Guarded", text] => message(b'Q', &[b"select where false;", text, NUL]),
        [b"Parse", name, text] => message(b'P', &[name, NUL, text, NUL, NO_TYPES]),
        [b"Bind", portal, name, values @ ..] => bind(portal, name, values)?,
        [b"Describe", kind, name] => message(b'D', &[kind, name, NUL]),
        [b"Execute", portal] => message(b'E', &[portal, NUL, &[0; 4]]),
        [b"Execute", portal, rows] => {
            let rows: u32 = text(rows).parse().ok()?;
            message(b'E', &[portal, NUL, &rows.to_be_bytes()])
        }
        [b"Close", kind, name] => message(b'C', &[kind, name, NUL]),
        [b"Sync"] => message(b'S', &[]),
        [b"Flush"] => message(b'H', &[]),
        [b"CopyData", data] => message(b'd', &[data]),
        [b"CopyDone"] => message(b'c', &[]),
        [b"CopyFail", reason] => message(b'f', &[reason, NUL]),
        [b"FunctionCall"] => message(b'F', &[&[0, 0, 2, 0xae, 0, 0, 0, 0, 0, 0]]),
        [b"Terminate"] => message(b'X', &[]),
        [b"Raw", bytes] => bytes.to_vec(),
        [b"Prefix"] => prefix_bytes(Form::Whole),
        [b"PrefixSpelledOtherwise"] => prefix_spelled_otherwise(),
        [b"PrefixFirst"] => prefix_bytes(Form::First),
        [b"PrefixAgain"] => prefix_bytes(Form::Again),
        [b"Question"] => question_bytes(),
        [b"Nowhere"] => message(b'E', &[NOWHERE.as_bytes(), NUL, &[0; 4]]),
        [b"Cleanup"] => [
            message(b'C', &[b"S", PREFIX_NAME.as_bytes(), NUL]),
            message(b'S', &[]),
        ]
        .concat(),
        _ => return None,
    })
}

fn bind(portal: &[u8], name: &[u8], values: &[&[u8]]) -> Option<Vec<u8>> {
    let mut tail = vec![0, 0];
    tail.extend(u16::try_from(values.len()).ok()?.to_be_bytes());
    for value in values {
        tail.extend(u32::try_from(value.len()).ok()?.to_be_bytes());
        tail.extend_from_slice(value);
    }
    tail.extend([0, 0]);
    Some(message(b'B', &[portal, b"\0", name, b"\0", &tail]))
}

/// A message for the client. `Prefixed` (`First`, `Again`) answers the zone prefix, `Follows` and
/// `Forgets` answer the question to the pool, `GuardRow` the guard, `NowhereError`
/// the Execute of nothing. Error and Notice: SQLSTATE, message, and a position if there is one.
fn server(words: &[&[u8]]) -> Option<Vec<u8>> {
    const ROW: &[u8] = &[0, 1];
    Some(match words {
        [b"ReadyForQuery", status] => message(b'Z', &[status]),
        [b"CommandComplete", tag] => message(b'C', &[tag, b"\0"]),
        [b"RowDescription", name] => {
            let column = [0; 18];
            message(b'T', &[ROW, name, b"\0", &column])
        }
        [b"DataRow", value] => {
            let length = u32::try_from(value.len()).ok()?.to_be_bytes();
            message(b'D', &[ROW, &length, value])
        }
        [b"ParseComplete"] => message(b'1', &[]),
        [b"BindComplete"] => message(b'2', &[]),
        [b"CloseComplete"] => message(b'3', &[]),
        [b"NoData"] => message(b'n', &[]),
        [b"ParameterDescription"] => message(b't', &[&[0, 0]]),
        [b"PortalSuspended"] => message(b's', &[]),
        [b"EmptyQueryResponse"] => message(b'I', &[]),
        [b"CopyInResponse"] => message(b'G', &[&[0, 0, 1, 0, 0]]),
        [b"CopyBothResponse"] => message(b'W', &[&[0, 0, 0]]),
        [b"CopyOutResponse"] => message(b'H', &[&[0, 0, 1, 0, 0]]),
        [b"CopyData", data] => message(b'd', &[data]),
        [b"CopyDone"] => message(b'c', &[]),
        [b"ParameterStatus", name, value] => message(b'S', &[name, b"\0", value, b"\0"]),
        [b"NotificationResponse", channel] => {
            message(b'A', &[&[0, 0, 0, 1], channel, b"\0", b"\0"])
        }
        [
            kind @ (b"Error" | b"Notice" | b"Fatal"),
            sqlstate,
            words,
            position @ ..,
        ] => {
            let (kind, severity) = match *kind {
                b"Error" => (b'E', "ERROR"),
                b"Notice" => (b'N', "NOTICE"),
                _ => (b'E', "FATAL"),
            };
            let position = position.first().map(|word| text(word)).unwrap_or_default();
            report(kind, severity, &text(sqlstate), &text(words), &position)
        }
        [b"NowhereError"] => report(b'E', "ERROR", "34000", "no such portal", ""),
        [b"Prefixed"] => answers("312C3"),
        [b"PrefixedFirst"] => answers("312C"),
        [b"PrefixedAgain"] => answers("2C"),
        [b"Follows"] => answers("312C3Z"),
        [b"Forgets"] => answers("312DC3Z"),
        [b"GuardRow"] => [
            message(b'T', &[&[0, 0]]),
            message(b'C', &[&cstr("SELECT 0")]),
        ]
        .concat(),
        [b"Raw", bytes] => bytes.to_vec(),
        _ => return None,
    })
}

/// What the server answers to what is Portcullis's own, by the kinds of the messages.
fn answers(kinds: &str) -> Vec<u8> {
    let message = |kind| match kind {
        b'C' => message(kind, &[&cstr("SELECT 0")]),
        b'D' => message(kind, &[&[0, 1, 0, 0, 0, 1], b"1"]),
        b'Z' => message(kind, &[b"I"]),
        _ => message(kind, &[]),
    };
    kinds.bytes().flat_map(message).collect()
}

impl Pattern {
    /// Takes what matches off the head of `got`.
    pub fn take<'g>(&self, got: &'g [u8], sent: &[u8]) -> Result<&'g [u8], String> {
        match self {
            Self::Same => take_bytes(got, sent),
            Self::Bytes(bytes) => take_bytes(got, bytes),
            Self::Refused {
                guard,
                sqlstate,
                message,
                position,
            } => {
                let frame = frames::first(got).ok_or("a refusal is missing")?;
                let field = |code| frames::field(frame.body, code).unwrap_or_default();
                let found = (field(b'R'), field(b'C'), field(b'M'), field(b'P'));
                let wanted = (guard, sqlstate, message, position);
                if frame.kind != b'E' || (&found.0, &found.1, &found.2, &found.3) != wanted {
                    return Err(format!("wanted the refusal {wanted:?}, got {found:?}"));
                }
                Ok(&got[frame.bytes.len()..])
            }
        }
    }
}

fn take_bytes<'g>(got: &'g [u8], wanted: &[u8]) -> Result<&'g [u8], String> {
    got.strip_prefix(wanted).ok_or_else(|| {
        let show = |bytes| {
            let (frames, rest) = frames::split(bytes);
            let mut lines: Vec<String> = frames
                .iter()
                .map(|frame| format!("  {}", frames::show(frame)))
                .collect();
            lines.extend((!rest.is_empty()).then(|| format!("  {}", rest.escape_ascii())));
            lines.join("\n")
        };
        format!("wanted\n{}\ngot\n{}", show(wanted), show(got))
    })
}
