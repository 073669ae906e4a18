//! The tokens of PostgreSQL's scanner for walsender commands.

/// A token. What PostgreSQL's scanner does not take whole (a string without its end) ends the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A keyword, or a name without quotes, as it is written.
    Word(&'t [u8]),
    /// A name in quotes: its text.
    Quoted(String),
    /// A string: its text.
    String(String),
    /// Decimal digits.
    Number,
    /// `0/16B3748`
    Location,
    /// Any other byte.
    Sign(u8),
}

/// Reads one token after the other.
pub(super) struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Was the text read to its end?
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn next(&mut self) -> Option<Token<'t>> {
        self.at += run(&self.text[self.at..], is_space);
        let rest = &self.text[self.at..];
        let (token, length) = match *rest.first()? {
            b'\'' => {
                let (text, length) = quoted(rest, b'\'')?;
                (Token::String(text), length)
            }
            b'"' => {
                let (text, length) = quoted(rest, b'"')?;
                (Token::Quoted(text), length)
            }
            first => longest(rest, first),
        };
        self.at += length;
        Some(token)
    }
}

/// The longest of a location, a number and a word; else the byte.
fn longest(rest: &[u8], first: u8) -> (Token<'_>, usize) {
    let high = run(rest, |byte| byte.is_ascii_hexdigit());
    if high > 0 && rest.get(high) == Some(&b'/') {
        let low = run(&rest[high + 1..], |byte| byte.is_ascii_hexdigit());
        if low > 0 {
            return (Token::Location, high + 1 + low);
        }
    }
    if first.is_ascii_digit() {
        return (Token::Number, run(rest, |byte| byte.is_ascii_digit()));
    }
    if begins_word(first) {
        let continues = |byte: u8| begins_word(byte) || byte.is_ascii_digit() || byte == b'$';
        let length = run(rest, continues);
        return (Token::Word(&rest[..length]), length);
    }
    (Token::Sign(first), 1)
}

/// What stands between two of these quotes, doubled ones being one; and the length with the quotes.
/// `None`: there is no end, or it is not UTF-8.
fn quoted(rest: &[u8], quote: u8) -> Option<(String, usize)> {
    let mut text = Vec::new();
    let mut at = 1;
    loop {
        let length = run(&rest[at..], |byte| byte != quote);
        text.extend_from_slice(&rest[at..at + length]);
        at += length;
        match (rest.get(at), rest.get(at + 1)) {
            (Some(_), Some(next)) if *next == quote => {
                text.push(quote);
                at += 2;
            }
            (Some(_), _) => return Some((String::from_utf8(text).ok()?, at + 1)),
            (None, _) => return None,
        }
    }
}

fn run(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let end = bytes.iter().position(|byte| !is(*byte));
    end.unwrap_or(bytes.len())
}

/// Vertical tabs are white space for some versions only: for us they are not.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}
