//! PostgreSQL's lexical structure over bytes (`src/backend/parser/scan.l`, versions 13 to 18), with
//! `standard_conforming_strings` on. One pass, no recursion, no allocation but the token list.

use super::bounds::{self, MAX_COMMENT_DEPTH, MAX_OPERATOR_RUN, Meter, is_operator};
use super::describe::{MAX_MESSAGE, characters, shortened};
use super::token::{Kind, Token, UNKNOWN_ESCAPE};
use super::{Undescribed, names};

/// All tokens of `text`, or those before the point where lexing had to stop, and why.
pub(super) fn tokens(text: &[u8]) -> (Vec<Token>, Option<Undescribed>) {
    // Short texts are dense, and more room costs nothing there.
    let room = (text.len() / 2).min(256).max(text.len() / 4);
    let mut list = Vec::with_capacity(room + 4);
    // Token positions are 32 bits wide; no server takes a message of 4 GB.
    if u32::try_from(text.len()).is_err() {
        return (list, Some(Undescribed::ScanCost));
    }
    let mut lexer = Lexer::new(text);
    loop {
        match lexer.next() {
            Ok(Some(token)) => push(&mut list, text, token),
            Ok(None) => {
                let stop = bounds::dotted(&list).then_some(Undescribed::ScanCost);
                return (list, stop);
            }
            Err(stop) => return (list, Some(stop)),
        }
    }
}

/// Appends a token; `U&"x" UESCAPE '!'` becomes one.
fn push(list: &mut Vec<Token>, text: &[u8], token: Token) {
    if token.kind.is_string()
        && let [.., unicode, word] = list.as_mut_slice()
        && matches!(unicode.kind, Kind::UnicodeQuoted | Kind::UnicodeString)
        && word.kind == Kind::Word
        && word.of(text).eq_ignore_ascii_case(b"uescape")
    {
        // Any kind of string constant may name the character: `E'\x21'`, `$$!$$`.
        let escape = names::string(text, &token);
        unicode.escape = match escape.as_deref().map(str::as_bytes) {
            Some([escape]) => *escape,
            _ => UNKNOWN_ESCAPE,
        };
        list.pop();
    } else {
        list.push(token);
    }
}

pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    meter: Meter,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            meter: Meter::new(text.len()),
        }
    }

    /// The next token; none at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Token>, Undescribed> {
        self.skip_blank()?;
        let start = self.at;
        let Some(&first) = self.text.get(start) else {
            return Ok(None);
        };
        let kind = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word(first)?,
            b'\'' => self.string(start + 1, Kind::String)?,
            b'"' => self.quoted(start + 1, Kind::Quoted)?,
            b'0'..=b'9' => self.number(),
            b'.' if self.byte(start + 1).is_ascii_digit() => self.number(),
            b'.' => self.punctuation(if self.byte(start + 1) == b'.' {
                (2, Kind::Other)
            } else {
                (1, Kind::Dot)
            }),
            b'(' => self.punctuation((1, Kind::Open)),
            b')' => self.punctuation((1, Kind::Close)),
            b',' => self.punctuation((1, Kind::Comma)),
            b';' => self.punctuation((1, Kind::Semicolon)),
            b':' if matches!(self.byte(start + 1), b':' | b'=') => {
                self.punctuation((2, Kind::Other))
            }
            b'$' => self.dollar()?,
            _ if is_operator(first) => self.operator()?,
            _ => self.punctuation((1, Kind::Other)),
        };
        Ok(Some(Token {
            kind,
            escape: b'\\',
            start: start as u32,
            end: self.at as u32,
        }))
    }

    /// The byte at `at`; NUL, which no valid text contains, past the end.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn punctuation(&mut self, (length, kind): (usize, Kind)) -> Kind {
        self.at += length;
        kind
    }

    /// White space and comments.
    fn skip_blank(&mut self) -> Result<(), Undescribed> {
        loop {
            match self.byte(self.at) {
                byte if is_space(byte) => self.at += 1,
                b'-' if self.byte(self.at + 1) == b'-' => self.at = line_end(self.text, self.at),
                b'/' if self.byte(self.at + 1) == b'*' => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// `/* ... */`, nested.
    fn comment(&mut self) -> Result<(), Undescribed> {
        let start = self.at;
        let mut depth = 0;
        loop {
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (b'/', b'*') => {
                    depth += 1;
                    if depth > MAX_COMMENT_DEPTH {
                        return Err(Undescribed::CommentDepth);
                    }
                    self.meter.charge(self.text, self.at)?;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ if self.at >= self.text.len() => return Err(self.unterminated(start)),
                _ => self.at += 1,
            }
        }
    }

    /// An identifier, or a string with a letter before its quote.
    fn word(&mut self, first: u8) -> Result<Kind, Undescribed> {
        let start = self.at;
        match (first, self.byte(start + 1), self.byte(start + 2)) {
            (b'e' | b'E', b'\'', _) => return self.string(start + 2, Kind::EscapeString),
            (b'n' | b'N', b'\'', _) => return self.string(start + 2, Kind::NationalString),
            (b'b' | b'B' | b'x' | b'X', b'\'', _) => return self.string(start + 2, Kind::Bits),
            (b'u' | b'U', b'&', b'\'') => return self.string(start + 3, Kind::UnicodeString),
            (b'u' | b'U', b'&', b'"') => return self.quoted(start + 3, Kind::UnicodeQuoted),
            _ => {}
        }
        self.at += self.text[start..]
            .iter()
            .take_while(|byte| is_word(**byte))
            .count();
        Ok(Kind::Word)
    }

    /// The rest of a string constant, with its continuations on further lines.
    fn string(&mut self, mut at: usize, kind: Kind) -> Result<Kind, Undescribed> {
        let escapes = kind == Kind::EscapeString;
        loop {
            at = self.find(at, |byte| byte == b'\'' || (escapes && byte == b'\\'))?;
            if self.byte(at) == b'\\' || self.byte(at + 1) == b'\'' {
                at += 2;
                continue;
            }
            match continuation(self.text, at + 1) {
                Some(next) => at = next,
                None => {
                    self.at = at + 1;
                    return Ok(kind);
                }
            }
        }
    }

    /// The rest of a quoted identifier.
    fn quoted(&mut self, mut at: usize, kind: Kind) -> Result<Kind, Undescribed> {
        loop {
            at = self.find(at, |byte| byte == b'"')?;
            if self.byte(at + 1) != b'"' {
                self.at = at + 1;
                return Ok(kind);
            }
            at += 2;
        }
    }

    /// Where the next such byte is, from `at` on; there must be one. `self.at` is still where the token begins.
    fn find(&self, at: usize, test: impl Fn(u8) -> bool) -> Result<usize, Undescribed> {
        let rest = self.text.get(at..).unwrap_or_default();
        let found = rest.iter().position(|byte| test(*byte));
        found
            .map(|length| at + length)
            .ok_or_else(|| self.unterminated(self.at))
    }

    /// `$1`, `$tag$...$tag$`, or a lone dollar sign.
    fn dollar(&mut self) -> Result<Kind, Undescribed> {
        let start = self.at;
        let after = |from: usize, test: fn(u8) -> bool| {
            from + self.text[from..]
                .iter()
                .take_while(|byte| test(**byte))
                .count()
        };
        if self.byte(start + 1).is_ascii_digit() {
            self.at = after(start + 1, |byte| byte.is_ascii_digit());
            return Ok(Kind::Parameter);
        }
        let tag_end = after(start + 1, |byte| is_word(byte) && byte != b'$');
        if self.byte(tag_end) != b'$' {
            return Ok(self.punctuation((1, Kind::Other)));
        }
        let tag = &self.text[start..=tag_end];
        let mut at = tag_end + 1;
        // A tag holds no inner dollar sign, so comparing at every one of them is linear.
        while let Some(found) = self.text[at..].iter().position(|byte| *byte == b'$') {
            at += found;
            if self.text[at..].starts_with(tag) {
                self.at = at + tag.len();
                return Ok(Kind::DollarString);
            }
            at += 1;
        }
        Err(self.unterminated(start))
    }

    /// PostgreSQL's words for what begins at `start` and does not end, and its place.
    fn unterminated(&self, start: usize) -> Undescribed {
        // Of N'...' the letter is a token of its own there.
        let start = start + usize::from(matches!(self.byte(start), b'n' | b'N'));
        let what = match (self.byte(start), self.byte(start + 1)) {
            (b'/', _) => "/* comment",
            (b'$', _) => "dollar-quoted string",
            (b'"', _) => "quoted identifier",
            (b'u' | b'U', _) if self.byte(start + 2) == b'"' => "quoted identifier",
            (b'b' | b'B', _) => "bit string literal",
            (b'x' | b'X', _) => "hexadecimal string literal",
            _ => "quoted string",
        };
        let (before, rest) = self.text.split_at(start);
        let rest = String::from_utf8_lossy(&rest[..rest.len().min(4 * MAX_MESSAGE)]);
        Undescribed::Syntax {
            message: shortened(format!("unterminated {what} at or near \"{rest}\"")),
            position: characters(before) + 1,
        }
    }

    /// `1`, `1_000`, `0x1F`, `1.5`, `.5e-3`; of `1..2` only the `1`.
    fn number(&mut self) -> Kind {
        let start = self.at;
        let digit: fn(u8) -> bool = match (self.byte(start), self.byte(start + 1) | 0x20) {
            (b'0', b'x') => |byte| byte.is_ascii_hexdigit(),
            (b'0', b'o') => |byte| matches!(byte, b'0'..=b'7'),
            (b'0', b'b') => |byte| matches!(byte, b'0' | b'1'),
            _ => |_| false,
        };
        let end = digits(self.text, start + 2, true, digit);
        if end > start + 2 {
            self.at = end;
            return Kind::Number;
        }
        let decimal = |byte: u8| byte.is_ascii_digit();
        let mut at = digits(self.text, start, false, decimal);
        if self.byte(at) == b'.' && self.byte(at + 1) != b'.' {
            at = digits(self.text, at + 1, false, decimal);
        }
        if self.byte(at) | 0x20 == b'e' {
            let sign = usize::from(matches!(self.byte(at + 1), b'+' | b'-'));
            if self.byte(at + 1 + sign).is_ascii_digit() {
                at = digits(self.text, at + 1 + sign, false, decimal);
            }
        }
        self.at = at;
        Kind::Number
    }

    /// The longest run of operator characters without a comment in it; trailing `+` and `-` belong
    /// to the next token, unless the operator has one of the characters that standard operators lack.
    fn operator(&mut self) -> Result<Kind, Undescribed> {
        let start = self.at;
        self.meter.charge(self.text, start)?;
        let mut end = start;
        while is_operator(self.byte(end))
            && !matches!(
                (self.byte(end), self.byte(end + 1)),
                (b'/', b'*') | (b'-', b'-')
            )
        {
            end += 1;
            if end - start > MAX_OPERATOR_RUN {
                return Err(Undescribed::OperatorRun);
            }
        }
        let special = |byte: &u8| {
            matches!(
                byte,
                b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%'
            )
        };
        if !self.text[start..end].iter().any(special) {
            while end - start > 1 && matches!(self.text[end - 1], b'+' | b'-') {
                end -= 1;
            }
        }
        self.at = end;
        Ok(Kind::Operator)
    }
}

/// Digits with single underscores between them (before the first one too if `lead`).
fn digits(text: &[u8], mut at: usize, lead: bool, test: fn(u8) -> bool) -> usize {
    let is_digit = |at: usize| text.get(at).is_some_and(|byte| test(*byte));
    let start = at;
    loop {
        let gap = usize::from(text.get(at) == Some(&b'_') && (lead || at > start));
        if !is_digit(at + gap) {
            return at;
        }
        at += gap + 1;
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Can it stand in an unquoted identifier, behind the first byte?
const fn is_word(byte: u8) -> bool {
    // Most bytes of a text are asked about: a table takes a third of the instructions of the tests.
    const WORD: [bool; 256] = {
        let mut table = [false; 256];
        let mut at = 0;
        while at < 256 {
            let byte = at as u8;
            table[at] =
                byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80;
            at += 1;
        }
        table
    };
    WORD[byte as usize]
}

/// Where the line that `at` is on ends.
fn line_end(text: &[u8], at: usize) -> usize {
    at + text[at..]
        .iter()
        .take_while(|byte| !matches!(byte, b'\n' | b'\r'))
        .count()
}

/// The first byte of the next part of a string constant whose last part ended before `at`: parts
/// are joined across white space and `--` comments with a line break among them, `/*` ends it.
pub(super) fn continuation(text: &[u8], mut at: usize) -> Option<usize> {
    let mut broken = false;
    loop {
        match text.get(at)? {
            b'\n' | b'\r' => {
                broken = true;
                at += 1;
            }
            byte if is_space(*byte) => at += 1,
            b'-' if text.get(at + 1) == Some(&b'-') => at = line_end(text, at),
            b'\'' if broken => return Some(at + 1),
            _ => return None,
        }
    }
}
