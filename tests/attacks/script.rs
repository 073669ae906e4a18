//! Messages of the protocol in words, one per line:
//!
//! ```text
//! Q text                 Query
//! q text                 Query that the server skips: nothing answers it
//! P name: text           Parse
//! B portal statement     Bind without values; `-` is the unnamed one
//! E portal               Execute
//! D S name, D P name     Describe
//! C S name, C P name     Close
//! S, H, c                Sync, Flush, CopyDone
//! d text                 CopyData, with \n
//! f text                 CopyFail
//! F oid text             FunctionCall with one text
//! wait                   for the next ReadyForQuery
//! wait X                 for the next message of type X, or an error
//! ```

use crate::support::message::{self, Message};
use crate::support::wire::Wire;

/// Sends the messages and gives back all answers; everything sent must be answered at the end.
pub fn run(wire: &mut Wire, lines: &[String]) -> Vec<Message> {
    let mut answers = Vec::new();
    let mut unsent = Vec::new();
    let mut owed: usize = 0;
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "wait" {
            wire.send(&std::mem::take(&mut unsent));
            let kind = rest.bytes().next().unwrap_or(b'Z');
            // An error may come instead, and then nothing until the next Sync.
            while let Some(message) = wire.receive() {
                let last = message.kind == kind || (message.kind == b'E' && kind != b'Z');
                answers.push(message);
                if last {
                    break;
                }
            }
            owed -= usize::from(kind == b'Z');
            continue;
        }
        owed += usize::from(matches!(word, "Q" | "S" | "F"));
        unsent.extend(one(word, rest));
    }
    wire.send(&unsent);
    for _ in 0..owed {
        answers.extend(wire.receive_until(b'Z'));
    }
    answers
}

fn one(word: &str, rest: &str) -> Vec<u8> {
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let name = |text: &str| text.replace('-', "");
    match word {
        "Q" | "q" => message::query(rest),
        "P" => {
            let (statement, text) = rest.split_once(": ").expect("P name: text");
            message::parse(&name(statement), text)
        }
        "B" => message::bind(&name(first), &name(second), &[]),
        "E" => message::execute(&name(first), 0),
        "D" => message::describe(first.as_bytes()[0], &name(second)),
        "C" => message::close(first.as_bytes()[0], &name(second)),
        "S" => message::sync(),
        "H" => message::flush(),
        "c" => message::copy_done(),
        "d" => message::copy_data(rest.replace("\\n", "\n").as_bytes()),
        "f" => message::copy_fail(rest),
        "F" => call(first.parse().expect("F oid text"), second),
        _ => panic!("no message {word}"),
    }
}

/// FunctionCall; each word of `arguments` is one, in text form.
fn call(function: u32, arguments: &str) -> Vec<u8> {
    let arguments: Vec<&str> = arguments
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect();
    message::function_call(function, &arguments)
}
