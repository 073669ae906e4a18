//! Statements from a grammar, spelled in all the ways that PostgreSQL reads alike.

use super::rules::alternatives;
use crate::random::Random;

/// Rules used inside each other at most this deep; below it the first alternative of each is taken,
/// which must end.
const DEPTH: u32 = 6;

/// Tokens of a text derived from `rule`; `@x` is the identifier x, `'x'` a string.
pub fn tokens(random: &mut Random, rule: &str) -> Vec<&'static str> {
    let mut list = Vec::new();
    derive(random, rule, 0, &mut list);
    list
}

fn derive(random: &mut Random, rule: &str, depth: u32, list: &mut Vec<&'static str>) {
    let alternatives = alternatives(rule);
    let chosen = match depth {
        0..DEPTH => *random.pick(alternatives),
        _ => alternatives[0],
    };
    for part in chosen.split_ascii_whitespace() {
        match part
            .strip_prefix('<')
            .and_then(|part| part.strip_suffix('>'))
        {
            Some(inner) if !inner.is_empty() => derive(random, inner, depth + 1, list),
            _ => list.push(part),
        }
    }
}

/// The text of these tokens. `plain`: as people write it; else with comments, quotes, escapes and case at random.
pub fn spell(random: &mut Random, tokens: &[&str], plain: bool) -> Spelled {
    let mut text = String::new();
    let mut bare = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 {
            let joins = |token: &str| matches!(token, "(" | ")" | "," | ";");
            let close = joins(token) || joins(tokens[at - 1]);
            let blank = blank(random, plain, close);
            text.push_str(blank);
            bare.push_str(match blank {
                _ if blank.contains("/*") => " ",
                _ if blank.contains("--") => "\n",
                _ => blank,
            });
        }
        let from = text.len();
        match token.strip_prefix('@') {
            Some(name) if !name.is_empty() => identifier(random, name, plain, &mut text),
            _ => match inside(token) {
                Some(inner) if !plain => string(random, inner, &mut text),
                Some(_) => text.push_str(&token.replace('_', " ")),
                None => word(random, token, plain, &mut text),
            },
        }
        bare.push_str(&text[from..].replace(BETWEEN, ""));
    }
    Spelled { text, bare }
}

/// One spelling of some tokens.
pub struct Spelled {
    pub text: String,
    /// The same without comments.
    pub bare: String,
}

/// A comment between the parts of a string.
const BETWEEN: &str = " -- ' /* \\";

/// The content of a string token.
fn inside(token: &str) -> Option<&str> {
    token.strip_prefix('\'')?.strip_suffix('\'')
}

fn blank(random: &mut Random, plain: bool, close: bool) -> &'static str {
    const BLANKS: [&str; 14] = [
        " ",
        "  ",
        "\n",
        "\t",
        "\r\n",
        "\r",
        "\x0c",
        "/**/",
        " /* drop table a; */ ",
        "/* /* nested ' \" $$ */ */",
        " -- '; drop table a\n",
        "--\r",
        " /*--*/ ",
        "\n\n",
    ];
    match () {
        () if close && random.one_in(2) => "",
        () if plain || !random.one_in(4) => " ",
        () => BLANKS[random.below(BLANKS.len())],
    }
}

fn word(random: &mut Random, token: &str, plain: bool, text: &mut String) {
    if plain || !token.starts_with(|first: char| first.is_ascii_alphabetic()) {
        text.push_str(token);
        return;
    }
    match random.below(4) {
        0 => text.push_str(&token.to_ascii_uppercase()),
        1 => text.extend(token.chars().map(|letter| match random.below(2) {
            0 => letter.to_ascii_uppercase(),
            _ => letter,
        })),
        _ => text.push_str(token),
    }
}

fn identifier(random: &mut Random, name: &str, plain: bool, text: &mut String) {
    match if plain { 9 } else { random.below(10) } {
        0 | 1 => *text += &format!("\"{name}\""),
        2 => *text += &format!("U&\"{}\"", escaped(name, '\\')),
        3 => *text += &format!("u&\"{}\" UESCAPE '!'", escaped(name, '!')),
        4 => text.push_str(&name.to_ascii_uppercase()),
        _ => text.push_str(name),
    }
}

/// The first letter as an escape.
fn escaped(name: &str, escape: char) -> String {
    let mut letters = name.chars();
    let first = letters.next().map_or(0, u32::from);
    format!("{escape}{first:04x}{}", letters.as_str())
}

fn string(random: &mut Random, inner: &str, text: &mut String) {
    let inner = inner.replace('_', " ");
    match random.below(10) {
        0 => *text += &format!("$${inner}$$"),
        1 => *text += &format!("$a$ $$ '{inner} $a$"),
        2 => *text += &format!("E'\\'{inner}\\n'"),
        3 => *text += &format!("U&'{}'", escaped(&inner, '\\')),
        4 => *text += &format!("'{inner}'\n'--'"),
        5 => *text += &format!("'{inner}''; drop table a; --'"),
        6 => *text += &format!("N'{inner}'"),
        7 => *text += &format!("'{inner}'{BETWEEN}\n'--'"),
        _ => *text += &format!("'{inner}'"),
    }
}

/// Changes some tokens: what is still a statement then may be another one than it looks like.
pub fn mutate(random: &mut Random, tokens: &mut Vec<&'static str>, other: &[&'static str]) {
    const TOKENS: &[&str] = &[
        "select",
        "insert",
        "update",
        "delete",
        "merge",
        "into",
        "from",
        "with",
        "as",
        "table",
        "create",
        "drop",
        "alter",
        "temp",
        "explain",
        "analyze",
        "prepare",
        "declare",
        "cursor",
        "for",
        "copy",
        "to",
        "set",
        "reset",
        "local",
        "session",
        "role",
        "begin",
        "end",
        "case",
        "values",
        "execute",
        "do",
        "call",
        "grant",
        "on",
        "only",
        "recursive",
        "atomic",
        "(",
        ")",
        ",",
        ";",
        ".",
        "*",
        "=",
        "::",
        "[",
        "]",
        "'x'",
        "1",
        "$1",
        "@a",
        "@b",
        "@into",
        "@update",
        "not",
        "null",
        "union",
        "returning",
        "where",
        "order",
        "by",
        "materialized",
        "program",
        "hold",
        "without",
        "using",
        "function",
        "view",
        "share",
        "of",
        "if",
        "exists",
        "all",
        "transaction",
        "default",
        "authorization",
        "verbose",
        "cascade",
        "U&\"\\0061\"",
        "as",
    ];
    let changes = if random.one_in(4) { 3 } else { 1 };
    for _ in 0..changes {
        let at = random.below(tokens.len().max(1));
        match random.below(9) {
            _ if tokens.is_empty() => tokens.push(*random.pick(TOKENS)),
            0 => {
                tokens.remove(at);
            }
            1 => tokens.insert(at, tokens[at]),
            2 => tokens.insert(at, *random.pick(TOKENS)),
            3 => tokens[at] = *random.pick(TOKENS),
            4 => {
                let with = random.below(tokens.len());
                tokens.swap(at, with);
            }
            5 | 6 => {
                // A name that looks like a keyword, a keyword that may be a name.
                let is_name = |token: &str| token.starts_with('@');
                let names: Vec<usize> = (0..tokens.len())
                    .filter(|at| is_name(tokens[*at]))
                    .collect();
                if !names.is_empty() {
                    tokens[names[random.below(names.len())]] = *random.pick(TOKENS);
                }
            }
            7 if !other.is_empty() => {
                // The end of another statement behind the start of this one.
                tokens.truncate(at);
                tokens.extend(&other[random.below(other.len())..]);
            }
            _ if !other.is_empty() => {
                let from = random.below(other.len());
                let count = random.below(other.len() - from) + 1;
                let part = other[from..from + count].iter().copied();
                tokens.splice(at..at, part);
            }
            _ => {}
        }
    }
}
