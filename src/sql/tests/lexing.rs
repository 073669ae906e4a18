//! Where PostgreSQL's lexer and a simpler one differ.

use super::super::grammar;
use super::super::lexer::tokens;
use super::super::token::{Kind, Kind::*};
use super::super::{Undescribed, describe};
use super::{facts, restricted};

fn kinds(text: &str) -> Vec<(Kind, &str)> {
    let (list, stopped) = tokens(text.as_bytes());
    assert_eq!(stopped, None, "{text}");
    list.iter()
        .map(|token| (token.kind, &text[token.start as usize..token.end as usize]))
        .collect()
}

#[test]
fn tokens_are_cut_as_postgresql_cuts_them() {
    let table: &[(&str, &[(Kind, &str)])] = &[
        ("a$b$c", &[(Word, "a$b$c")]),
        ("é_1", &[(Word, "é_1")]),
        ("'a''b'", &[(String, "'a''b'")]),
        ("'a\\' b", &[(String, "'a\\'"), (Word, "b")]),
        ("E'a\\'b'", &[(EscapeString, "E'a\\'b'")]),
        ("e'a'\n'\\''", &[(EscapeString, "e'a'\n'\\''")]),
        ("'a' -- it's\n 'b'", &[(String, "'a' -- it's\n 'b'")]),
        ("'a' 'b'", &[(String, "'a'"), (String, "'b'")]),
        ("'a'/*\n*/'b'", &[(String, "'a'"), (String, "'b'")]),
        (
            "n'a' x'1F' B'01'",
            &[(NationalString, "n'a'"), (Bits, "x'1F'"), (Bits, "B'01'")],
        ),
        (
            "U&\"a\"\"b\" u&'a'",
            &[(UnicodeQuoted, "U&\"a\"\"b\""), (UnicodeString, "u&'a'")],
        ),
        ("U & 'a'", &[(Word, "U"), (Operator, "&"), (String, "'a'")]),
        ("$$a'b$$", &[(DollarString, "$$a'b$$")]),
        ("$a$ $$ $b$ $a$", &[(DollarString, "$a$ $$ $b$ $a$")]),
        ("$é$ ; $é$", &[(DollarString, "$é$ ; $é$")]),
        ("$A$ $a$ $A$", &[(DollarString, "$A$ $a$ $A$")]),
        ("$1$a$x$a$", &[(Parameter, "$1"), (DollarString, "$a$x$a$")]),
        ("$ a", &[(Other, "$"), (Word, "a")]),
        (
            "1_000 0x1F 0b1 0o7 1.5e-3 .5 1.",
            &[
                (Number, "1_000"),
                (Number, "0x1F"),
                (Number, "0b1"),
                (Number, "0o7"),
                (Number, "1.5e-3"),
                (Number, ".5"),
                (Number, "1."),
            ],
        ),
        ("1..2", &[(Number, "1"), (Other, ".."), (Number, "2")]),
        (
            "a:=b::c",
            &[
                (Word, "a"),
                (Other, ":="),
                (Word, "b"),
                (Other, "::"),
                (Word, "c"),
            ],
        ),
        (
            "a+-b",
            &[(Word, "a"), (Operator, "+"), (Operator, "-"), (Word, "b")],
        ),
        (
            "a<-b",
            &[(Word, "a"), (Operator, "<"), (Operator, "-"), (Word, "b")],
        ),
        ("a@-b", &[(Word, "a"), (Operator, "@-"), (Word, "b")]),
        (
            "a<>-1",
            &[
                (Word, "a"),
                (Operator, "<>"),
                (Operator, "-"),
                (Number, "1"),
            ],
        ),
        ("a*/*c*/b", &[(Word, "a"), (Operator, "*"), (Word, "b")]),
        ("a@--c\nb", &[(Word, "a"), (Operator, "@"), (Word, "b")]),
        ("a/**/b/*/* */*/c", &[(Word, "a"), (Word, "b"), (Word, "c")]),
        ("a--c\rb", &[(Word, "a"), (Word, "b")]),
        ("/****/a/***/", &[(Word, "a")]),
    ];
    for (text, expected) in table {
        assert_eq!(kinds(text), *expected, "{text}");
    }
}

#[test]
fn what_does_not_end_is_refused_in_postgresqls_words() {
    for text in [
        "'a", "'a''", "E'a\\'", "N'a", "\"a", "\"a'b", "\"a\"\"", "$$a", "$a$ $$", "/* a",
        "/* /* */", "U&'a", "u&\"a", "'a'\n'", "x'1", "B'1", "'",
    ] {
        let whole = format!("select 'é', {text}");
        let message = grammar::syntax_error(&whole).expect("an error");
        assert!(message.starts_with("unterminated "), "{message}");
        let position = 13 + u32::from(text.starts_with('N'));
        let syntax = Undescribed::Syntax { message, position };
        assert_eq!(describe(whole.as_bytes()).undescribed, Some(syntax));
    }
    let long = format!("select '{}", "é".repeat(500_000));
    let Some(Undescribed::Syntax { message, .. }) = describe(long.as_bytes()).undescribed else {
        panic!("described")
    };
    assert!(
        message.ends_with("ééé...\"") && message.len() < 500,
        "{message}"
    );
}

/// Each of these hides a statement from, or shows a false one to, a reader that gets one rule wrong.
#[test]
fn statements_hidden_behind_lexical_rules_are_seen() {
    let hidden = [
        "select '\\'; drop table t; --'",
        "select E'\\\\'; drop table t; --'",
        "select 'a' /* ' */; drop table t; -- '",
        "select /* /* */ ' */ 1; drop table t",
        "select 1 -- \r; drop table t",
        "select $a$ $b$ $a$; drop table t; select $b$ $b$",
        "select $é$ $e$ $é$; drop table t",
        "select a$b$ from t; drop table t; select a$b$ from t",
        "select \"a\"\"\"; drop table t; --\"",
        "select U&'\\\\'; drop table t --'",
        "select 1 @--/*\n 1; drop table t -- */",
        "select x'1'; drop table t; select ''",
        "select 1; \u{c}drop table t",
    ];
    for text in hidden {
        let facts = describe(text.as_bytes());
        assert!(
            facts.undescribed.is_some() || facts.classes.intersects(restricted()),
            "{text}: {facts:?}"
        );
        assert!(facts.statements.len() > 1, "{text}: {facts:?}");
    }
    let shown = [
        "select E'\\'; drop table t; --'",
        "select E'a'\n'\\'; drop table t; --'",
        "select '/*'; select 1 /* '; drop table t; */",
        "select /* /* */ ; drop table t; */ 1",
        "select $a$ $$; drop table t; $$ $a$",
        "select \"a; drop table t\" from t",
        "select 1 -- ; drop table t",
        "select U&'a!!''; drop table t' uescape '!'",
    ];
    for text in shown {
        assert!(!facts(text).classes.intersects(restricted()), "{text}");
    }
}
