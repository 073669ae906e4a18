//! Comments where the grammar looks ahead: what a server takes is taken, and nothing that it runs is
//! mistaken for a comment.

use super::super::{Class, Undescribed, ahead, describe, grammar, lexer};
use super::{facts, restricted, set};

/// The text as the grammar gets it the second time.
fn blanked(text: &str) -> Option<String> {
    let (tokens, stopped) = lexer::tokens(text.as_bytes());
    stopped.is_none().then(|| ahead::blanked(text, &tokens))?
}

#[test]
fn a_comment_where_the_grammar_looks_ahead_is_a_comment() {
    for text in [
        "select a not /* x */ in (1) from t",
        "select a not -- x\n between 2 and 3",
        "select a NOT/**/LIKE 'x', a not /* \u{e4} /* in */ */ -- in\r\n ilike 'y', a not--\nsimilar to 'z'",
        "select a from t order by a nulls /* x */ first, b nulls --x\n last",
        "select a::timestamp with /**/ time zone, b::time without /* x */ time zone",
        "select * from f(1) with /* ' */ ordinality",
        "select json_object('a': b format /* x */ json)",
        "select 'a' -- '\n'b'",
        "select 'a''' -- x\n -- y\n\t'''b' -- z",
        "select E'a\\'' -- x\n'\\'' -- no comment\n, 1",
        "select U&'a' -- x\n'\\0061', b'1' -- x\n'0', x'f' --\r'0', n'a' -- \n 'b'",
        "select 'a' --\n'b' where a not /**/ in ('c' --\n'd')",
        "select U&'a' /* x */ uescape '!'",
        "select U&'d!0061t' -- x\n UESCAPE/**/'!', U&'\\0061' uescape -- '\n /* ' */ $$\\$$",
        "select U&'!0061''a'/* ' */uescape '!', 1",
        "select U&\"d!0061\"\"\" /* \" */ uescape /* x */ E'!' from t",
        "select U&'a' -- x\n'b' -- y\n uescape -- z\n '!'",
        "select u&'' /* x */ uescape '!'",
        "select $$ not /* in $$ where a not /* $$ */ in (1) -- /*",
        "select \"not /* in\", '/*' where a not /* \" */ in (E'\\'/*', U&\"/*\" + 1) /* not */",
        "select 1 +/* x */ 2 where a not /**/ in (1)",
        "select a not /* ; */ in (1)",
        "select a not -- legacy; see 12\n -- ;\n in (1)",
        "select 'a' -- ;\n'b'",
        "select U&'a' /*;*/ uescape /* x; */ '!'",
    ] {
        assert!(
            grammar::syntax_error(text).is_some(),
            "taken as it is: {text}"
        );
        assert_eq!(facts(text).classes, set(&[Class::Read]), "{text}");
        assert_eq!(
            blanked(text).map(|again| again.len()),
            Some(text.len()),
            "{text}"
        );
    }
    // What else there is is seen as ever.
    for (text, class) in [
        (
            "select 1 where a not /* x */ in (2); drop table t",
            Class::Ddl,
        ),
        ("create view v as select a not /* x */ in (2)", Class::Ddl),
        (
            "with x as (delete from t where a not /* x */ in (1)) select 1",
            Class::Write,
        ),
        (
            "copy (select a not /* x */ in (2)) to program 'x'",
            Class::CopyProgram,
        ),
        ("do 'a' -- x\n'b'", Class::Procedural),
    ] {
        assert!(facts(text).classes.has(class), "{text}");
    }
    let text = "delete from t returning a not /* x */ in (1)";
    assert!(facts(text).statements[0].details.missing_where);
}

/// However long what stands behind it.
#[test]
fn a_long_list_may_follow_such_a_comment() {
    let list = vec!["1234567"; 20_000].join(", ");
    let text = format!(
        "select a from t where a not /* {} */ in ({list})",
        "x".repeat(9000)
    );
    assert_eq!(facts(&text).classes, set(&[Class::Read]));
    let text = format!("{text}; drop table t");
    assert!(facts(&text).classes.has(Class::Ddl));
}

/// As people write them, with a reason behind each line.
#[test]
fn a_string_of_many_lines_may_have_a_comment_behind_each() {
    let text = format!("select 'a' {}, 1", "-- why\n 'b'".repeat(32));
    assert!(grammar::syntax_error(&text).is_some());
    assert_eq!(facts(&text).classes, set(&[Class::Read]));
    let text = format!("{text}; drop table t");
    assert!(facts(&text).classes.has(Class::Ddl));
}

#[test]
fn only_such_comments_are_blanked() {
    for (text, again) in [
        (
            "select /* a */ 1 not /* b */ in (2) /* c */ -- d",
            "select /* a */ 1 not         in (2) /* c */ -- d",
        ),
        (
            "select 'a' -- x\n'b' /* x */",
            "select 'a'     \n'b' /* x */",
        ),
        ("select a not --\u{e4}\nin (1)", "select a not     \nin (1)"),
    ] {
        assert_eq!(blanked(text).as_deref(), Some(again));
    }
    for text in [
        "select 1 /* a */",
        "select a is not /* x */ null",
        "select not /* x */ exists (select 1)",
        "with /* x */ x as (select 1) select 1",
        "select a not in (1), 'a'\n'b'",
        "select 'a' -- x",
        "select 'not /* x */ in', $$a not /* x */ in$$, \"not /* x */ in\", e'\\' not /* x */ in'",
        "select 'a' /* x */ 'b'",
        "select 'a' \n /* x */ 'b'",
    ] {
        assert_eq!(blanked(text), None, "{text}");
    }
}

#[test]
fn nothing_that_a_server_runs_is_blanked() {
    for text in [
        // Two constants for the server, whatever stands between them.
        "select 'a' \n /* x */ 'b' where a not /* x */ in (1)",
        "select 'a' /* \n */ 'b' -- x\n'c'",
        "select 'a' -- x\n /* y */ 'b'",
        // Not closed.
        "select a not /* in (1)",
        "select a not /* /* */ in (1)",
        "select 'a' -- x\n'b",
        // Errors that no blank mends.
        "select a not /* x */ not in (1)",
        "select a from t order by a nulls /* x */ third",
        "selct a not /* x */ in (1)",
        "select a not /* x */ in (1) frm t t",
        "select a not /* x */ in (1) \u{1}",
        "select a +not /* x */ in (1)",
        // What ends a statement, between comments.
        "select a not /* x */ ; /* y */ in (1)",
        "select a not -- x\n;in (1)",
        "select a not /* x; */ ; -- ;\n in (1)",
        "select U&'a' /* ; */; uescape '!'",
        // Backslashes would be read where another character escapes.
        "select U&'\\' /* x */ uescape '!'",
        "select U&'a' /* x uescape '!'",
        "select U&'a' uescape /* x */ '!!'",
        "select U&'a' uescape /* x */ a",
        "select U&'a' uescape /* x */ U&'!'",
        "select 'a' /* x */ uescape '!'",
        "select \"a\" /* x */ uescape /* y */ '!'",
        // More places than are looked at, and too far behind.
        &format!("select {}", ["a not /**/ in (1)"; 33].join(", ")),
        &format!("select '{}'{}", "x".repeat(6000), " -- x\n'y'".repeat(12)),
        &format!("select {} not /* x */ in (1)", "a + ".repeat(17_000) + "a"),
    ] {
        assert!(describe(text.as_bytes()).undescribed.is_some(), "{text}");
    }
    for text in [
        "select 1 where a not -- x\n in (1); drop table t -- x\n",
        "select 1 where a not /* x */ in (1); /* */ drop /* */ table t",
        "select E'a' -- x\n'\\''; drop table t; --'",
        "select 'a' -- x\n'\\'; drop table t; --'",
        "select 'a' -- x\n'$$' ; drop table t; select '$$'",
        "select a not $$ /* $$ in (1); drop table t; -- */",
        "select 1 \"not\" /* x */ in (1); drop table t",
        "select a not /*/ */ in (1); drop table t; /*/**/*/",
        "select a not --/*\n in (1); drop table t; --*/",
        "select a not /* ; */ in (1); drop table t",
        "select a not /* ; */ in (1) /* */ ; -- ;\n drop table t",
        "select a not /* -- */ in (1); drop table t",
        "select U&'!' -- x\n'\\' uescape '!'; drop table t",
        "select U&'a' /* x */ uescape '!'; drop table t",
        "select U&'a' uescape /* x */ ''''; drop table t; --'",
        "select U&'a' /* ' */ uescape '''; drop table t; --'",
        "select U&'a\\' /* x */ uescape '!'; drop table t; --'",
        "select U&\"a\" /* \" uescape '!'; drop table t; -- */ uescape '!'; drop table t",
        "select U&'a' -- uescape '!'\n uescape -- '\n '!'; drop table t",
        "select U&\"a\" -- x\n\"b\" uescape '!'; drop table t",
        "select b'1' -- x\n'0'; drop table t",
        "select 1 where a $not$ not /* $not$ in (1) */ in (1); drop table t; -- $not$",
    ] {
        let facts = describe(text.as_bytes());
        let refused = facts.undescribed.is_some() || facts.classes.intersects(restricted());
        assert!(refused, "{text}: {facts:?}");
    }
    // For a server this is one string.
    assert_eq!(
        facts("select E'a' -- x\n'\\'; drop table t; --'")
            .statements
            .len(),
        1
    );
}

#[test]
fn whatever_is_put_into_a_text_its_tokens_stay() {
    const PARTS: [&str; 17] = [
        "a",
        " not ",
        " in ",
        "(1)",
        "/*",
        "*/",
        "--",
        "\n",
        "'",
        "\"",
        "$$",
        "E'",
        "\\",
        "+",
        "u&",
        " uescape ",
        "select ",
    ];
    let mut state = 20_261_121_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut looked_at = 0;
    for _ in 0..30_000 {
        let mut text =
            "select 'a' -- x\n'b', U&'a' /* x */ uescape -- y\n '!' where a not /* x */ in (1) order by a nulls /* */ first"
                .to_owned();
        for _ in 0..1 + random(3) {
            let at = random(text.len() + 1);
            text.insert_str(at, PARTS[random(PARTS.len())]);
        }
        let Some(again) = blanked(&text) else {
            continue;
        };
        looked_at += 1;
        let (tokens, others) = (
            lexer::tokens(text.as_bytes()).0,
            lexer::tokens(again.as_bytes()).0,
        );
        assert_eq!(tokens.len(), others.len(), "{text}\n{again}");
        for (one, other) in tokens.iter().zip(&others) {
            let places = (one.kind, one.start, one.end) == (other.kind, other.start, other.end);
            assert!(places, "{text}\n{again}");
        }
    }
    assert!(looked_at > 5_000, "{looked_at}");
}

#[test]
fn errors_behind_such_comments_are_told_where_they_are() {
    let text = "select a not /* \u{e4} */ in (1), b not /* \u{e4} */ in (1) frm frm frm t";
    let Some(Undescribed::Syntax { message, position }) = describe(text.as_bytes()).undescribed
    else {
        panic!("described: {text}");
    };
    assert_eq!(message, "syntax error at or near \"frm\"");
    // The first is an alias.
    let place = text.match_indices("frm").nth(1).expect("a second").0;
    assert_eq!(position as usize, text[..place].chars().count() + 1);
}
