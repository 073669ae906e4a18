//! Random token soup with a fixed seed: nothing panics, and what the grammar alone calls
//! restricted is restricted.

use super::super::{Class, ClassSet, describe};
use super::{grammar_alone, restricted};

/// Words and signs that start or hide statements.
const PARTS: &[&str] = &[
    "select",
    "insert",
    "update",
    "delete",
    "merge",
    "into",
    "from",
    "with",
    "recursive",
    "as",
    "table",
    "create",
    "drop",
    "alter",
    "explain",
    "analyze",
    "(analyze)",
    "(\"analyze\")",
    "prepare",
    "declare",
    "cursor",
    "for",
    "copy",
    "to",
    "program",
    "stdin",
    "stdout",
    "set",
    "reset",
    "local",
    "session",
    "role",
    "authorization",
    "transaction",
    "begin",
    "atomic",
    "end",
    "case",
    "when",
    "then",
    "values",
    "(1)",
    "execute",
    "do",
    "call",
    "grant",
    "on",
    "function",
    "returns",
    "int",
    "language",
    "sql",
    "temp",
    "unlogged",
    "view",
    "union",
    "all",
    "returning",
    "*",
    "only",
    "pg_settings",
    "set_config",
    "('a', 'b', true)",
    "('a')",
    "a",
    "t",
    "x.y",
    "a.as",
    "\"Q\"",
    "U&\"\\0061\"",
    "uescape",
    "'!'",
    "'s'",
    "E'\\''",
    "U&'\\0061'",
    "$$d;$$",
    "$t$ $$ $t$",
    "$1",
    "1",
    "0x1F",
    "1_0.5e3",
    "=",
    "+",
    "-",
    "--c\n",
    "/* c */",
    "/*/* */*/",
    "\n",
    "(",
    ")",
    "(",
    ")",
    ",",
    ";",
    ";",
    ".",
    "::",
    ":=",
    "..",
    "[",
    "]",
    "|/",
    "@-",
    "<>",
    "?",
    "é",
    "\"",
    "'",
    "$",
    "\\",
];

/// Openings that make more of the soup valid.
const OPENINGS: &[&str] = &[
    "",
    "select",
    "select 1",
    "select f()",
    "explain",
    "explain analyze",
    "with a as (select 1)",
    "insert into t",
    "copy t",
    "copy (select 1)",
    "create table t as",
    "prepare p as",
    "declare c cursor for",
    "set",
    "(select 1)",
    "select f() insert into t",
    "with a as (select 1) insert into t",
    "do 's'",
    "set role",
    "grant a to",
    "drop table",
    "create function f() returns int begin atomic",
];

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn soup(&mut self) -> String {
        let mut text = OPENINGS[self.below(OPENINGS.len())].to_owned();
        for _ in 0..self.below(12) {
            // Without a space tokens run into each other.
            if self.below(8) > 0 {
                text.push(' ');
            }
            text.push_str(PARTS[self.below(PARTS.len())]);
        }
        text
    }
}

#[test]
fn what_the_grammar_restricts_is_restricted() {
    let mut random = Random(0x5eed_0000_0001);
    let mut valid = 0;
    for _ in 0..60_000 {
        let text = random.soup();
        let facts = describe(text.as_bytes());
        let Ok(opinion) = grammar_alone(&text) else {
            continue;
        };
        if facts.undescribed.is_some() {
            continue;
        }
        valid += 1;
        let all = opinion
            .iter()
            .fold(ClassSet::EMPTY, |all, classes| all.union(*classes));
        assert!(
            !all.intersects(restricted()) || facts.classes.intersects(restricted()),
            "{text}"
        );
        for class in [
            Class::Ddl,
            Class::Role,
            Class::Procedural,
            Class::CopyProgram,
            Class::CopyFile,
            Class::Write,
        ] {
            assert!(
                !all.has(class) || facts.classes.has(class),
                "{class:?}: {text}"
            );
        }
    }
    assert!(valid > 2_000, "{valid}");
}

/// The first opinion must hold alone, where a server is newer than the grammar.
#[test]
fn the_first_opinion_misses_nothing_that_the_grammar_restricts() {
    let mut random = Random(0x5eed_0000_0002);
    for _ in 0..60_000 {
        let text = random.soup();
        let Ok(opinion) = grammar_alone(&text) else {
            continue;
        };
        let (tokens, stopped) = super::super::lexer::tokens(text.as_bytes());
        if stopped.is_some() {
            continue;
        }
        let views = super::super::view::statements(text.as_bytes(), &tokens).collect::<Vec<_>>();
        assert_eq!(views.len(), opinion.len(), "{text}");
        for (view, classes) in views.into_iter().zip(opinion) {
            let own = super::super::classify::statement(view).classes;
            let missed = classes.intersects(restricted()) && !own.intersects(restricted());
            assert!(!missed, "{text}: {classes:?} but {own:?}");
            assert!(
                !classes.has(Class::Write) || own.has(Class::Write) || own.has(Class::Ddl),
                "{text}: {own:?}"
            );
        }
    }
}
