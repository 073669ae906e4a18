//! The text of a statement, described.
#![no_main]

#[path = "../../conversing/mod.rs"]
mod conversing;
#[path = "../common/input.rs"]
mod input;
#[path = "../common/seeds.rs"]
mod seeds;

use conversing::frames;
use conversing::script::{Script, Side};
use portcullis::sql::{self, Class, Facts};

libfuzzer_sys::fuzz_target!(init: seeds::write(texts), |text: &[u8]| {
    let facts = sql::describe(text);
    assert_eq!(facts, sql::describe(text));
    let _ = sql::redact(text);
    if facts.is_empty_query() {
        assert!(facts.classes.is_empty());
    }
    if facts.undescribed.is_some() || !facts.classes.is_empty() {
        check_positions(&facts, text);
    }
    // What may be refused has a name.
    assert!(facts.undescribed.is_none() || facts.fingerprint.is_some());
    if facts.undescribed.is_none() {
        check_hides_nothing(text);
    }
});

/// Whatever was said before: a statement that follows is seen, or nobody knows what the text does.
fn check_hides_nothing(text: &[u8]) {
    let more = [text, b"\n;drop table t"].concat();
    let facts = sql::describe(&more);
    assert!(
        facts.undescribed.is_some() || facts.classes.has(Class::Ddl),
        "a statement behind others is not seen"
    );
}

fn check_positions(facts: &Facts, text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        assert!(facts.statements.is_empty());
        return;
    };
    let characters = text.chars().count();
    let mut last = 0;
    for statement in &facts.statements {
        let position = statement.position as usize;
        assert!(
            (1..=characters).contains(&position),
            "{position} of {characters}"
        );
        assert!(position > last, "positions go forward");
        last = position;
    }
}

fn texts(scripts: &[Script]) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for sent in scripts
        .iter()
        .flat_map(|script| seeds::sent(script, Side::Client))
    {
        let Some(frame) = frames::first(sent) else {
            continue;
        };
        let mut strings = frame.body.split(|byte| *byte == 0);
        match frame.kind {
            b'Q' => texts.extend(strings.next().map(<[u8]>::to_vec)),
            b'P' => texts.extend(strings.nth(1).map(<[u8]>::to_vec)),
            _ => {}
        }
    }
    texts.sort();
    texts.dedup();
    texts
}
