//! The steps of a case: what the client does, one line each.

use crate::config::reader::Wrong;
use crate::protocol::frame::{self, FLUSH, SYNC, put_cstr};

/// One line of `steps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Step {
    /// The migration session that the connection belongs to opens, or ends.
    Migration { open: bool },
    /// A message of the client.
    Send(Message),
}

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Message {
    /// Where it stands in the protocol, for `at`.
    pub at: &'static str,
    /// The whole message.
    pub bytes: Vec<u8>,
}

/// The words that `at` knows.
pub(super) const PLACES: [&str; 6] = [
    "parse",
    "bind",
    "describe",
    "execute",
    "query",
    "function call",
];

/// Reads a step. Names may be left out: `parse: SQL` and `bind` are of the unnamed statement.
pub(super) fn step(text: &str) -> Result<Step, Wrong> {
    let unknown = || {
        Wrong::new(format!("\"{text}\" is not a step"))
            .help("portcullis test --help lists the steps")
    };
    let (words, argument) = match text.split_once(':') {
        Some((words, argument)) => (words, Some(argument.trim())),
        None => (text, None),
    };
    if text.contains('\0') {
        return Err(Wrong::new("a step must not contain a NUL"));
    }
    let words: Vec<&str> = words.split_whitespace().collect();
    let message = match (&words[..], argument) {
        (["open", "migration"], None) => return Ok(Step::Migration { open: true }),
        (["close", "migration"], None) => return Ok(Step::Migration { open: false }),
        (["query"], Some(sql)) => query(sql),
        (["parse"], Some(sql)) => parse("", sql),
        (["parse", name], Some(sql)) => parse(name, sql),
        (["bind"], None) => bind("", ""),
        (["bind", name], None) => bind(name, ""),
        (["bind", "to", portal], None) => bind("", portal),
        (["bind", name, "to", portal], None) => bind(name, portal),
        (["describe", kind, rest @ ..], None) if rest.len() < 2 => {
            named(b'D', "describe", kind, rest).ok_or_else(unknown)?
        }
        (["close", kind, rest @ ..], None) if rest.len() < 2 => {
            named(b'C', "close", kind, rest).ok_or_else(unknown)?
        }
        (["execute"], None) => execute(""),
        (["execute", portal], None) => execute(portal),
        (["copy", "data"], Some(data)) => {
            message("copy", b'd', |out| out.extend_from_slice(data.as_bytes()))
        }
        (["copy", "done"], None) => message("copy", b'c', |_| {}),
        (["copy", "fail"], None) => message("copy", b'f', |out| put_cstr(out, b"")),
        (["function", "call"], None) => function_call(),
        (["flush"], None) => plain("flush", FLUSH),
        (["sync"], None) => sync(),
        _ => return Err(unknown()),
    };
    Ok(Step::Send(message))
}

fn message(at: &'static str, kind: u8, body: impl FnOnce(&mut Vec<u8>)) -> Message {
    let mut bytes = Vec::new();
    frame::message(&mut bytes, kind, body);
    Message { at, bytes }
}

fn plain(at: &'static str, bytes: &[u8]) -> Message {
    Message {
        at,
        bytes: bytes.to_vec(),
    }
}

/// A simple Query.
pub(super) fn query(sql: &str) -> Message {
    message("query", b'Q', |out| put_cstr(out, sql.as_bytes()))
}

/// Parse, without types of parameters.
pub(super) fn parse(name: &str, sql: &str) -> Message {
    message("parse", b'P', |out| {
        put_cstr(out, name.as_bytes());
        put_cstr(out, sql.as_bytes());
        out.extend_from_slice(&0u16.to_be_bytes());
    })
}

/// Bind, without values.
pub(super) fn bind(name: &str, portal: &str) -> Message {
    message("bind", b'B', |out| {
        put_cstr(out, portal.as_bytes());
        put_cstr(out, name.as_bytes());
        out.extend_from_slice(&[0; 6]); // no formats, no values, no result formats
    })
}

/// Execute, all rows.
pub(super) fn execute(portal: &str) -> Message {
    message("execute", b'E', |out| {
        put_cstr(out, portal.as_bytes());
        out.extend_from_slice(&0u32.to_be_bytes());
    })
}

/// Sync.
pub(super) fn sync() -> Message {
    plain("sync", SYNC)
}

/// The fast-path call: pg_backend_pid() without arguments, result as text.
pub(super) fn function_call() -> Message {
    message("function call", b'F', |out| {
        out.extend_from_slice(&2026u32.to_be_bytes());
        out.extend_from_slice(&[0; 6]);
    })
}

fn named(kind: u8, at: &'static str, what: &str, name: &[&str]) -> Option<Message> {
    let what = match what {
        "statement" => b'S',
        "portal" => b'P',
        _ => return None,
    };
    let name = name.first().copied().unwrap_or_default();
    Some(message(at, kind, |out| {
        out.push(what);
        put_cstr(out, name.as_bytes());
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        match step(text) {
            Ok(Step::Send(message)) => message.bytes,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn steps_are_messages() {
        assert_eq!(bytes("query: select 1"), b"Q\0\0\0\x0dselect 1\0");
        assert_eq!(bytes("parse s1: a:b"), b"P\0\0\0\x0ds1\0a:b\0\0\0");
        assert_eq!(bytes("bind s1 to p"), b"B\0\0\0\x0fp\0s1\0\0\0\0\0\0\0");
        assert_eq!(bytes("describe statement"), b"D\0\0\0\x06S\0");
        assert_eq!(bytes("close portal p"), b"C\0\0\0\x07Pp\0");
        assert_eq!(bytes("execute"), b"E\0\0\0\x09\0\0\0\0\0");
        assert_eq!(bytes("sync"), SYNC);
        assert!(matches!(
            step("close migration"),
            Ok(Step::Migration { open: false })
        ));
    }

    #[test]
    fn other_words_are_no_steps() {
        for text in [
            "",
            "selct 1",
            "open",
            "query",
            "bind s1: x",
            "close s1",
            "describe portal a b",
            "parse a b: select 1",
            "sync now",
        ] {
            let wrong = step(text).expect_err(text);
            assert_eq!(wrong.message, format!("\"{text}\" is not a step"));
        }
    }

    #[test]
    fn every_message_is_whole() {
        for text in [
            "query: x",
            "parse: x",
            "bind a to b",
            "copy data: x",
            "copy done",
            "copy fail",
            "function call",
            "flush",
        ] {
            let bytes = bytes(text);
            let header = frame::header(&bytes);
            let total = header.ok().flatten().map(|header| header.total);
            assert_eq!(total, Some(bytes.len()), "{text}");
        }
    }
}
