//! Queries that go in pieces, and texts that take long to be described.

use super::*;

/// The worst texts of 32 kB take some milliseconds to describe: no call describes more than that together.
#[test]
fn a_call_describes_one_text_of_some_length() {
    let text = format!("select a{}", ", a".repeat(LONG_TEXT / 5));
    let mut attack = Attack::new();
    let mut input = Vec::new();
    parse(&mut input, &text);
    let one = input.len();
    parse(&mut input, &format!("{text} from t"));
    let (_, used, next) = attack.client(&input);
    assert_eq!((used, next, attack.facts.misses()), (one, Next::Pause, 1));
    let (_, used, _) = attack.client(&input[one..]);
    assert_eq!((used, attack.facts.misses()), (input.len() - one, 2));

    // In pieces.
    let mut attack = with_parameters();
    let input = query(&format!("{text}; begin; commit"));
    let (out, used, next) = attack.client(&input);
    assert_eq!((out, used, next), (vec![], 0, Next::Pause));
    assert_eq!(attack.facts.misses(), 1);
    let (out, used, next) = attack.client(&input);
    assert_eq!((used, next), (0, Next::Hold));
    assert!(kinds(&out).ends_with(b"Q"), "{:?}", kinds(&out));
    assert_eq!(attack.facts.misses(), 2);
}

/// Of a client that has something to be set in each transaction.
fn with_parameters() -> Attack {
    Attack::beginning_with(Origins {
        kept: vec![("jit".to_owned(), "off".to_owned())],
        pooled: Vec::new(),
    })
}

/// The server's answers to what was sent, a ReadyForQuery not among them.
fn answers(sent: &[u8]) -> Vec<u8> {
    let mut answers = Vec::new();
    for kind in kinds(sent) {
        match kind {
            b'P' => message(&mut answers, b'1', |_| {}),
            b'B' => message(&mut answers, b'2', |_| {}),
            b'C' => message(&mut answers, b'3', |_| {}),
            b'E' => message(&mut answers, b'C', |body| put_cstr(body, b"SELECT 1")),
            _ => {}
        }
    }
    answers
}

fn ended(tag: &str, status: u8) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'C', |body| put_cstr(body, tag.as_bytes()));
    message(&mut out, b'Z', |body| body.push(status));
    out
}

/// A Query that goes in pieces never stands behind an open batch, where it could be skipped and leave its pieces to the
/// next text.
#[test]
fn pieces_are_those_of_the_text_at_hand() {
    let mut attack = with_parameters();
    let mut input = Vec::new();
    parse(&mut input, "show work_mem");
    message(&mut input, b'H', |_| {});
    let (out, ..) = attack.client(&input);
    attack.server(&answers(&out));
    let mixed = query("select a; begin; select b; commit; select c");
    let refused = attack.watching.refused.get();
    let (_, used, _) = attack.client(&mixed);
    assert_eq!(used, mixed.len());
    assert_eq!(attack.watching.refused.get(), refused + 1);
    assert!(attack.conversation.pieces.is_none());
}

/// One that was not begun is not begun when the connection is to begin nothing more.
#[test]
fn what_was_judged_is_not_begun_when_nothing_more_is() {
    let mut attack = with_parameters();
    attack.client(&query("begin"));
    attack.server(&ended("BEGIN", b'T'));
    let (out, ..) = attack.client(&query("select 1"));
    attack.server(&[answers(&out), ended("SELECT 1", b'T')].concat());
    attack.client(&query("select 2"));
    let rest = query("select a; commit; insert into orders values (1)");
    let (out, used, next) = attack.client(&rest);
    assert_eq!((out, used, next), (vec![], 0, Next::Hold));
    attack.conversation.begin_nothing_more();
    attack.server(&ended("SELECT 1", b'T'));
    let (out, used, next) = attack.client(&rest);
    assert_eq!((out, used, next), (vec![], 0, Next::Hold));
    assert!(!attack.conversation.is_in_pieces());

    // Neither behind its turn for being described.
    let mut attack = with_parameters();
    let (_, _, next) = attack.client(&rest);
    assert_eq!(next, Next::Pause);
    assert!(attack.conversation.is_idle());
    attack.conversation.begin_nothing_more();
    let (out, used, next) = attack.client(&rest);
    assert_eq!((out, used, next), (vec![], 0, Next::Hold));
}

/// No piece has more statements than a worker describes itself: it would be held by them.
#[test]
fn no_piece_is_of_many_statements() {
    let many = 3 * MANY_STATEMENTS + 1;
    let input = query(&format!("begin;{}commit", "select a;".repeat(many)));
    let mut attack = with_parameters();
    let (_, _, next) = attack.client(&input);
    assert!(matches!(next, Next::Describe(_)), "{next:?}");
    attack.described = Some(Arc::new(describe(&input[5..input.len() - 1])));
    assert_eq!(attack.client(&input).2, Next::Pause);
    let mut pieces = Vec::new();
    loop {
        let (out, used, next) = attack.client(&input);
        assert_eq!(
            (used == input.len(), used == 0),
            (next != Next::Hold, next == Next::Hold)
        );
        let text = last_query(&out);
        pieces.push(text.matches(';').count().max(1));
        let status = if text.contains("commit") { b'I' } else { b'T' };
        attack.server(&[answers(&out), ended("SELECT 1", status)].concat());
        if used > 0 {
            break;
        }
    }
    assert_eq!(pieces, [1, 500, 500, 500, 1, 1]);

    // Outside of a block they are one transaction, and cannot be taken apart.
    for (many, refused) in [(MANY_STATEMENTS, 0), (MANY_STATEMENTS + 1, 1)] {
        let text = format!("{}begin;commit", "select a;".repeat(many));
        let mut attack = with_parameters();
        attack.described = Some(Arc::new(describe(text.as_bytes())));
        attack.client(&query(&text));
        attack.client(&query(&text));
        assert_eq!(attack.refused(), refused, "{many}");
    }
}

/// The text of the last Query that was sent.
fn last_query(mut sent: &[u8]) -> String {
    let mut last = String::new();
    while let Ok(Some(header)) = frame::header(sent) {
        if header.kind == b'Q' {
            last = String::from_utf8_lossy(&sent[5..header.total - 1]).into_owned();
        }
        sent = &sent[header.total..];
    }
    last
}
