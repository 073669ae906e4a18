//! Queries that go in pieces, and texts that take long to be described.

use super::*;
use crate::conversation::pieces::LONGEST_IN_PIECES;

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
    assert!(matches!(next, Next::Describe { .. }), "{next:?}");
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

/// A long piece is described by others, as its whole has been, and by nobody's description but its own.
#[test]
fn a_long_piece_is_given_away() {
    let long = format!("select '{}'", "x".repeat(LONG_TEXT));
    let sql = format!("begin; {long}; commit");
    let input = query(&sql);
    let begun = || {
        let mut attack = with_parameters();
        let whole = Next::describe(sql.as_bytes());
        assert_eq!(attack.client(&input).2, whole);
        attack.described = Some(Arc::new(describe(sql.as_bytes())));
        assert_eq!(attack.client(&input).2, Next::Pause);
        // The first is short: what was described of something else is not about it.
        attack.described = Some(Arc::new(describe(b"drop table orders")));
        let (out, _, next) = attack.client(&input);
        assert_eq!((&*last_query(&out), next), ("begin; ", Next::Hold));
        attack.server(&[answers(&out), ended("BEGIN", b'T')].concat());
        let (out, used, next) = attack.client(&input);
        assert_eq!((out, used), (vec![], 0));
        let Next::Describe {
            text: piece,
            goes_on: true,
        } = next
        else {
            panic!("{next:?}");
        };
        assert_eq!(piece, format!("       {long}; ").into_bytes());
        (attack, piece)
    };

    let (mut attack, piece) = begun();
    attack.described = Some(Arc::new(describe(&piece)));
    let (out, used, next) = attack.client(&input);
    assert_eq!((last_query(&out).into_bytes(), used), (piece, 0));
    assert_eq!(next, Next::Hold);
    // The whole, and BEGIN.
    assert_eq!((attack.facts.misses(), attack.refused()), (2, 0));

    // Nobody has the time: the block fails.
    let (mut attack, _) = begun();
    attack.busy = true;
    let (out, used, _) = attack.client(&input);
    assert_eq!((kinds(&out), used), (b"ES".to_vec(), input.len()));
    assert_eq!(attack.refused(), 1);

    // Behind what runs it is judged once, and not at each of its rows.
    let mut attack = Attack::new();
    attack.client(&query("select 1"));
    let sets = query(&format!("begin; set work_mem = '1MB'; {long}; commit"));
    assert!(matches!(attack.client(&sets).2, Next::Describe { .. }));
    attack.described = Some(Arc::new(describe(&sets[5..sets.len() - 1])));
    assert_eq!(attack.client(&sets).2, Next::Hold);
    let judged = attack.watching.judged.get();
    for _ in 0..3 {
        let (out, used, next) = attack.client(&sets);
        assert_eq!((out, used, next), (vec![], 0, Next::Hold));
        assert!(attack.described.is_none());
    }
    assert_eq!(attack.watching.judged.get(), judged);
    attack.server(&ended("SELECT 1", b'I'));
    let (out, ..) = attack.client(&sets);
    assert_eq!(last_query(&out), "begin; ");

    // Longer ones do not go in pieces, nor those whose pieces would be many and long.
    for (length, alone, refused) in [
        (LONGEST_IN_PIECES, 2, 0),
        (LONGEST_IN_PIECES + 1, 2, 1),
        (LONGEST_IN_PIECES, 16, 0),
        (LONGEST_IN_PIECES, 18, 1),
        (LONGEST_IN_PIECES / 4, 64, 0),
        (LONGEST_IN_PIECES / 4, 66, 1),
    ] {
        let sql = format!("{}--", "begin; commit; ".repeat(alone / 2));
        let sql = format!("{sql}{}", "x".repeat(length - sql.len()));
        let mut attack = with_parameters();
        attack.described = Some(Arc::new(describe(sql.as_bytes())));
        if attack.client(&query(&sql)).2 == Next::Pause {
            attack.client(&query(&sql));
        }
        assert_eq!(attack.refused(), refused, "{length} {alone}");
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
