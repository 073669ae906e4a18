//! Comments where the grammar looks ahead.
//!
//! libpg_query takes comments for tokens, so as to find them again, and skips them in front of its
//! parser; but not where the parser looks at two tokens at once, nor between the parts of a string
//! constant. So it finds errors in `NOT /* x */ IN`, `NULLS /* x */ FIRST`, `WITH /* x */ TIME`,
//! `U&'a' /* x */ UESCAPE '!'` and `'a' -- x` before `'b'` on the next line, and the server none.
//!
//! Only where it has found an error is it asked again, with these comments blanked, and those alone. If
//! only our lexer said what a comment is, a mistake of it would hide from both opinions what the server
//! runs. So our lexer proposes places, and PostgreSQL's has to agree: the text up to there must be read
//! to its end (so it is not inside of a string, a name, a comment), and what is to be blanked must be
//! nothing when it is read alone, and nothing that ends a statement. Any doubt leaves the error as it was.

use super::grammar;
use super::lexer::{self, Lexer};
use super::token::{Kind, Token};

/// Each place costs a parse of what is before it, so texts with more of them, or further behind, keep their error.
const MAX_PLACES: usize = 32;
/// Bytes that are read again for all places together.
const MAX_READ: usize = 64 * 1024;

/// Where PostgreSQL's `base_yylex` looks ahead: a word, and those that it is one token with.
const AHEAD: [(&str, &[&str]); 5] = [
    ("format", &["json"]),
    ("not", &["between", "in", "like", "ilike", "similar"]),
    ("nulls", &["first", "last"]),
    ("with", &["time", "ordinality"]),
    ("without", &["time"]),
];

/// What stands between two tokens, or between two parts of one.
struct Place {
    /// Up to here the text must be whole tokens for PostgreSQL, too.
    whole: usize,
    start: usize,
    end: usize,
}

/// The text without these comments: bytes of the same number, and every token at its place. `None` where
/// there are none, or PostgreSQL does not agree that they are comments.
pub(super) fn blanked(text: &str, tokens: &[Token]) -> Option<String> {
    let places = places(text.as_bytes(), tokens);
    let read: usize = places.iter().map(|place| place.end).sum();
    if places.is_empty() || places.len() > MAX_PLACES || read > MAX_READ {
        return None;
    }
    let mut blanked = String::with_capacity(text.len());
    for place in places {
        blanked.push_str(text.get(blanked.len()..place.start)?);
        let comments = text.get(place.start..place.end)?;
        if !grammar::is_nothing(comments)
            || ends_statement(comments)
            || !grammar::is_read_to_its_end(blanked.get(..place.whole)?)
        {
            return None;
        }
        // Parts of a string must have a line break between them.
        blanked.extend(comments.bytes().map(|byte| match byte {
            b'\n' | b'\r' => char::from(byte),
            _ => ' ',
        }));
    }
    blanked.push_str(text.get(blanked.len()..)?);
    Some(blanked)
}

/// Is there a semicolon in what is nothing that is not in a comment? Empty statements are nothing, too; behind one a
/// constant would begin another statement, which none does.
fn ends_statement(nothing: &str) -> bool {
    nothing.contains(';') && !grammar::takes(&format!("SELECT {nothing}\n1"))
}

fn places(text: &[u8], tokens: &[Token]) -> Vec<Place> {
    let mut places = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if places.len() > MAX_PLACES {
            break;
        }
        match (token.kind, tokens.get(at + 1)) {
            (Kind::Word, Some(next)) if is_one(text, token, next) => {
                places.extend(place(
                    text,
                    token.start as usize,
                    token.end as usize,
                    next.start as usize,
                ));
            }
            (
                Kind::String
                | Kind::NationalString
                | Kind::EscapeString
                | Kind::UnicodeString
                | Kind::Bits,
                _,
            ) => {
                inside(text, token, &mut places);
                if token.kind == Kind::UnicodeString {
                    around_uescape(text, token, &mut places);
                }
            }
            (Kind::UnicodeQuoted, _) => around_uescape(text, token, &mut places),
            _ => {}
        }
    }
    places
}

/// A place if there is a comment in it.
fn place(text: &[u8], whole: usize, start: usize, end: usize) -> Option<Place> {
    let commented = text[start..end]
        .iter()
        .any(|byte| !byte.is_ascii_whitespace() && *byte != 0x0b);
    commented.then_some(Place { whole, start, end })
}

/// Does the grammar take these two words for one token and another?
fn is_one(text: &[u8], token: &Token, next: &Token) -> bool {
    let is = |token: &Token, word: &str| token.of(text).eq_ignore_ascii_case(word.as_bytes());
    next.kind == Kind::Word
        && AHEAD.iter().any(|(word, following)| {
            is(token, word) && following.iter().any(|following| is(next, following))
        })
}

/// Between the parts of a string constant.
fn inside(text: &[u8], token: &Token, places: &mut Vec<Place>) {
    let end = token.end as usize;
    // The letters before its first quote.
    let Some(quote) = token.of(text).iter().position(|byte| *byte == b'\'') else {
        return;
    };
    let mut at = token.start as usize + quote + 1;
    while at < end && places.len() <= MAX_PLACES {
        match text[at] {
            b'\\' if token.kind == Kind::EscapeString => at += 2,
            b'\'' if at + 1 < end && text[at + 1] == b'\'' => at += 2,
            b'\'' => {
                let Some(next) = lexer::continuation(text, at + 1).filter(|next| *next < end)
                else {
                    return;
                };
                places.extend(place(text, at + 1, at + 1, next - 1));
                at = next;
            }
            _ => at += 1,
        }
    }
}

/// On both sides of the UESCAPE that belongs to a token, and is none of its own.
fn around_uescape(text: &[u8], token: &Token, places: &mut Vec<Place>) {
    let closed = token.end as usize;
    let mut behind = Lexer::new(&text[closed..]);
    let (Ok(Some(word)), Ok(Some(character))) = (behind.next(), behind.next()) else {
        return;
    };
    let of_word = word.of(&text[closed..]);
    if !of_word.eq_ignore_ascii_case(b"uescape") || !character.kind.is_string() {
        return;
    }
    let [start, end, next] = [word.start, word.end, character.start].map(|at| closed + at as usize);
    places.extend(place(text, closed, closed, start));
    places.extend(place(text, end, end, next));
}
