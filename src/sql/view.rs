//! The tokens of one statement, with the questions the classifier asks of them.

use super::names;
use super::token::{Kind, Token};
use super::words::Words;

/// A statement, or the rest of one. Positions outside it answer every question with no.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) text: &'a [u8],
    pub(super) tokens: &'a [Token],
    /// Words that occur in it, or in the statement that it is a part of.
    pub(super) words: Words,
}

impl<'a> View<'a> {
    /// From the token at `at` on.
    pub(super) fn from(&self, at: usize) -> View<'a> {
        View {
            tokens: self.tokens.get(at..).unwrap_or_default(),
            ..*self
        }
    }

    /// Its text, as written.
    pub(super) fn source(&self) -> &'a [u8] {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => &self.text[first.start as usize..last.end as usize],
            _ => b"",
        }
    }

    pub(super) fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    pub(super) fn is_kind(&self, at: usize, kind: Kind) -> bool {
        self.kind(at) == Some(kind)
    }

    /// The unquoted word at `at`, as spelled; empty if there is none.
    pub(super) fn word(&self, at: usize) -> &'a [u8] {
        match self.tokens.get(at) {
            Some(token) if token.kind == Kind::Word => token.of(self.text),
            _ => b"",
        }
    }

    /// Is the token at `at` this keyword (lower case)?
    pub(super) fn is(&self, at: usize, keyword: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| {
            // Most words differ in length: that spares a look at the text.
            token.kind == Kind::Word
                && token.length() == keyword.len()
                && token.of(self.text).eq_ignore_ascii_case(keyword.as_bytes())
        })
    }

    pub(super) fn is_any(&self, at: usize, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(at, keyword))
    }

    /// Is the token at `at` this operator or other sign?
    pub(super) fn is_sign(&self, at: usize, sign: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| {
            matches!(token.kind, Kind::Operator | Kind::Other)
                && token.of(self.text) == sign.as_bytes()
        })
    }

    pub(super) fn is_any_sign(&self, at: usize, signs: &[&str]) -> bool {
        signs.iter().any(|sign| self.is_sign(at, sign))
    }

    pub(super) fn is_name(&self, at: usize) -> bool {
        self.kind(at).is_some_and(Kind::is_name)
    }

    /// The identifier at `at`, folded and decoded.
    pub(super) fn name(&self, at: usize) -> Option<String> {
        names::identifier(self.text, self.tokens.get(at)?)
    }

    /// Behind the parenthesis that closes the one at `at`, or the end.
    pub(super) fn behind_parens(&self, at: usize) -> usize {
        let mut depth = 0;
        for (n, token) in self.tokens.iter().enumerate().skip(at) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close if depth <= 1 => return n + 1,
                Kind::Close => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// The first of `keywords` at or behind `at` that is not inside parentheses.
    pub(super) fn find_outside_parens(&self, at: usize, keywords: &[&str]) -> Option<usize> {
        let mut depth = 0_u32;
        for (n, token) in self.tokens.iter().enumerate().skip(at) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Word if depth == 0 && self.is_any(n, keywords) => return Some(n),
                _ => {}
            }
        }
        None
    }
}

/// Cuts a token list into statements: at semicolons outside parentheses and outside the
/// `BEGIN ATOMIC ... END` body of a function. Empty statements are left out, as in the grammar.
pub(super) fn statements<'a>(
    text: &'a [u8],
    mut tokens: &'a [Token],
) -> impl Iterator<Item = View<'a>> {
    std::iter::from_fn(move || {
        while !tokens.is_empty() {
            let (length, words) = first_statement(View {
                text,
                tokens,
                words: Words::default(),
            });
            let (statement, rest) = tokens.split_at(length);
            tokens = rest.get(1..).unwrap_or_default();
            if !statement.is_empty() {
                return Some(View {
                    text,
                    tokens: statement,
                    words,
                });
            }
        }
        None
    })
}

/// How many tokens there are before the semicolon that ends the first statement, and the words in it.
fn first_statement(view: View<'_>) -> (usize, Words) {
    let routine = view.is(0, "create")
        && (view.is_any(1, &["function", "procedure"])
            || (view.is(1, "or")
                && view.is(2, "replace")
                && view.is_any(3, &["function", "procedure"])));
    let mut words = Words::default();
    let mut depth = 0_u32;
    // Where the body's first statement starts.
    let mut body = None;
    for (at, token) in view.tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Semicolon if depth == 0 && body.is_none() => return (at, words),
            Kind::Word => {
                words.add(token.of(view.text));
                if routine && depth == 0 {
                    body = body_after(view, at, body);
                }
            }
            _ => {}
        }
    }
    (view.tokens.len(), words)
}

/// Where the first statement of a routine's body starts, if the word at `at` is in a body.
fn body_after(view: View<'_>, at: usize, body: Option<usize>) -> Option<usize> {
    match body {
        None if view.is(at, "begin") && view.is(at + 1, "atomic") => Some(at + 2),
        // Each statement of a body ends with a semicolon, so that an END behind one, or
        // right at the start, can only be the end of the body.
        Some(first)
            if view.is(at, "end") && (at == first || view.is_kind(at - 1, Kind::Semicolon)) =>
        {
            None
        }
        body => body,
    }
}
