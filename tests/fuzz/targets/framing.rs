//! Messages in a stream, and the fields of errors.
#![no_main]

#[path = "../../conversing/mod.rs"]
mod conversing;
#[path = "../common/input.rs"]
mod input;
#[path = "../common/seeds.rs"]
mod seeds;

use conversing::script::{Script, Side};
use portcullis::protocol::error_fields;
use portcullis::protocol::frame::{self, HEADER, MAX_LENGTH};

/// What goes ahead of a guarded text, characters.
const OFFSET: u32 = 19;

libfuzzer_sys::fuzz_target!(init: seeds::write(streams), |bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        let header = match frame::header(rest) {
            Ok(Some(header)) => header,
            Ok(None) => {
                assert!(rest.len() < HEADER);
                return;
            }
            Err(frame::BadLength) => {
                let length = rest[1..HEADER].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                assert!(!(4..=MAX_LENGTH).contains(&length));
                return;
            }
        };
        assert!(header.total >= HEADER && header.kind == rest[0]);
        let Some(message) = rest.get(..header.total) else {
            return;
        };
        let mut again = Vec::new();
        frame::message(&mut again, header.kind, |body| body.extend_from_slice(&message[HEADER..]));
        assert_eq!(again, message);
        check_strings(&message[HEADER..]);
        check_fields(message);
        rest = &rest[header.total..];
    }
});

fn check_strings(mut body: &[u8]) {
    while let Some((text, rest)) = frame::cstr(body) {
        assert!(!text.contains(&0));
        assert_eq!(text.len() + 1 + rest.len(), body.len());
        body = rest;
    }
    assert!(!body.contains(&0));
}

/// The position moves, and nothing else does.
fn check_fields(message: &[u8]) {
    let mut moved = Vec::new();
    let shift = |position: u32| position.checked_sub(OFFSET).filter(|moved| *moved > 0);
    error_fields::put_moved(&mut moved, message, shift);
    let header = frame::header(&moved).expect("a length").expect("a header");
    assert_eq!((header.kind, header.total), (message[0], moved.len()));
    assert!(moved.len() <= message.len());
    let (before, after) = (
        error_fields::read(&message[HEADER..]),
        error_fields::read(&moved[HEADER..]),
    );
    assert_eq!(before, after);
    if !has_position(&message[HEADER..]) {
        assert_eq!(moved, message, "nothing but the position changes");
    }
}

fn has_position(mut body: &[u8]) -> bool {
    while let Some((&kind, rest)) = body.split_first() {
        let Some((_, rest)) = frame::cstr(rest).filter(|_| kind != 0) else {
            return false;
        };
        if kind == b'P' {
            return true;
        }
        body = rest;
    }
    false
}

fn streams(scripts: &[Script]) -> Vec<Vec<u8>> {
    let sides = [Side::Client, Side::Server];
    let stream = |script, side| seeds::sent(script, side).collect::<Vec<_>>().concat();
    let all = scripts
        .iter()
        .flat_map(|script| sides.map(|side| stream(script, side)));
    all.collect()
}
