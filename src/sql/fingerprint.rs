//! Names for statements: the same for texts that differ in constants, case, white space, comments and the
//! semicolons that close them.
//!
//! Where a constant is code it is no mere constant: an exception for one such statement must not admit
//! another. So in DO, CALL, LOAD, ALTER SYSTEM, and wherever anything but a table or an index is made or
//! changed, it counts (`constants`). Where it may be a password (roles, subscriptions, servers, options) it
//! does not, as fingerprints are logged: such a one is masked ([`Fingerprint::is_masked`]), and there are
//! no exceptions for it. Words may be as secret where they are values: those are taken for constants (`withheld`).

use ring::digest::{Context, Digest, SHA256, digest};

use super::constants::{self, Constants};
use super::lexer;
use super::token::{Kind, Token};
use super::view;
use super::withheld::{self, Withheld};

/// In the place of a constant: a byte that no token can be (an operator may be called `?`).
const VALUE: &[u8] = b"\x01";

/// 32 hex digits that name a statement in errors, the log, reports and exceptions.
///
/// 16 bytes: whoever may propose a statement for an exception must not be able to prepare another
/// with the same name. With 6 bytes that took seconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint {
    bytes: [u8; Fingerprint::BYTES],
    masked: bool,
}

/// Why a text is no [`Fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAFingerprint {
    /// The 12 digits that a fingerprint once had.
    Short,
    /// It is masked: other statements have it, too.
    Masked,
    /// Anything else.
    Other,
}

impl Fingerprint {
    /// Its length.
    pub const BYTES: usize = 16;
    /// Digits that older versions told.
    const ONCE: usize = 12;

    /// What a masked one ends with, where it is displayed.
    pub const MASKED: &str = "-masked";

    /// The fingerprint of these bytes, not masked.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self {
            bytes,
            masked: false,
        }
    }

    /// Were constants left out that make another statement, because they may be passwords? Then it names
    /// more than one statement, and no exception can be for it: none equals it that was read from a policy.
    pub const fn is_masked(self) -> bool {
        self.masked
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = NotAFingerprint;

    /// As it is displayed: lower case, all digits. A masked one is no text to be read.
    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let (digits, masked) = match text.strip_suffix(Self::MASKED) {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !digits.bytes().all(is_digit) {
            return Err(NotAFingerprint::Other);
        }
        match digits.len() {
            Self::ONCE if !masked => Err(NotAFingerprint::Short),
            length if length != 2 * Self::BYTES => Err(NotAFingerprint::Other),
            _ if masked => Err(NotAFingerprint::Masked),
            _ => u128::from_str_radix(digits, 16)
                .map(|number| Self::new(number.to_be_bytes()))
                .map_err(|_| NotAFingerprint::Other),
        }
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = if self.masked { Self::MASKED } else { "" };
        write!(f, "{:032x}{end}", u128::from_be_bytes(self.bytes))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The fingerprint of `text`: the first 16 bytes of the SHA-256 of its tokens, words in lower
/// case, constants and parameters replaced, lists of them taken for one, closing semicolons left out.
/// Of a text that cannot be read to its end the tokens before that point count, all of them.
pub fn fingerprint(text: &[u8]) -> Fingerprint {
    let (tokens, stopped) = lexer::tokens(text);
    of_tokens(text, &tokens, stopped.is_none())
}

/// As [`fingerprint`], for a text that has been read; `whole`: to its end.
pub(super) fn of_tokens(text: &[u8], tokens: &[Token], whole: bool) -> Fingerprint {
    let tokens = match whole {
        true => unclosed(tokens),
        // What comes behind its last semicolon is not known: it closes nothing.
        false => tokens,
    };
    let mut hash = Gathered::new();
    let mut statements = view::statements(text, tokens).peekable();
    let mut constants = Constants::Ignored;
    let mut masked = false;
    let mut withheld = Vec::new().into_iter().peekable();
    let (mut start, mut taken) = (0, 0);
    for (at, token) in tokens.iter().enumerate() {
        // Part of a value for which something stands already.
        if at < taken {
            continue;
        }
        let begins = |view: &view::View<'_>| view.tokens[0].start == token.start;
        if let Some(statement) = statements.next_if(begins) {
            constants = constants::of(statement);
            withheld = withheld::of(statement).into_iter().peekable();
            start = at;
        }
        if let Some(value) = withheld.next_if(|it: &Withheld| start + it.tokens.start == at)
            && value.secret
        {
            // As of a constant, which would do the same.
            masked |= constants != Constants::Ignored;
            taken = start.saturating_add(value.tokens.end);
            hash.update(VALUE);
            hash.update(b"\0");
            continue;
        }
        let lists = matches!(constants, Constants::Ignored | Constants::Masked);
        match token.kind {
            kind if kind.is_value() => {
                let counts = match constants {
                    Constants::Ignored | Constants::Masked => false,
                    Constants::Strings => !matches!(kind, Kind::Number | Kind::Parameter),
                    Constants::All => true,
                };
                masked |= constants == Constants::Masked;
                if counts {
                    hash.update(token.of(text));
                    hash.update(&[0, token.escape]);
                } else if lists && goes_on(tokens, at) {
                    continue;
                } else {
                    hash.update(VALUE);
                }
            }
            Kind::Comma if lists && joins(tokens, at) => continue,
            Kind::Word => hash.update_folded(token.of(text)),
            Kind::UnicodeQuoted => {
                hash.update(token.of(text));
                hash.update(&[0, token.escape]);
            }
            _ => hash.update(token.of(text)),
        }
        hash.update(b"\0");
    }
    Fingerprint {
        masked,
        ..first_bytes(hash.finish().as_ref())
    }
}

/// The tokens without closing semicolons: psql sends them, a driver does not, and it is the same statement.
fn unclosed(tokens: &[Token]) -> &[Token] {
    let last = tokens
        .iter()
        .rposition(|token| token.kind != Kind::Semicolon);
    &tokens[..last.map_or(0, |last| last + 1)]
}

/// Is the value at `at` the next of a list? `IN (1, 2, 3)` is `IN (?)`.
fn goes_on(tokens: &[Token], at: usize) -> bool {
    at >= 2 && tokens[at - 1].kind == Kind::Comma && tokens[at - 2].kind.is_value()
}

/// Does the comma at `at` stand between values of a list?
fn joins(tokens: &[Token], at: usize) -> bool {
    at >= 1
        && tokens[at - 1].kind.is_value()
        && tokens.get(at + 1).is_some_and(|next| next.kind.is_value())
}

/// The fingerprint of bytes that are no text.
pub(super) fn of_bytes(bytes: &[u8]) -> Fingerprint {
    first_bytes(digest(&SHA256, bytes).as_ref())
}

fn first_bytes(hash: &[u8]) -> Fingerprint {
    let mut name = [0; Fingerprint::BYTES];
    name.copy_from_slice(&hash[..Fingerprint::BYTES]);
    Fingerprint::new(name)
}

/// A hash that takes small pieces together: the library's own work for each piece is more than that of
/// hashing it (a third of a fingerprint).
struct Gathered {
    hash: Context,
    pieces: Vec<u8>,
}

impl Gathered {
    /// Bytes taken together.
    const SIZE: usize = 1024;

    fn new() -> Self {
        Self {
            hash: Context::new(&SHA256),
            pieces: Vec::with_capacity(Self::SIZE),
        }
    }

    #[inline]
    fn update(&mut self, piece: &[u8]) {
        if self.pieces.len() + piece.len() > Self::SIZE {
            self.hash.update(&self.pieces);
            self.pieces.clear();
        }
        if piece.len() > Self::SIZE {
            self.hash.update(piece);
        } else {
            self.pieces.extend_from_slice(piece);
        }
    }

    /// The same in lower case.
    fn update_folded(&mut self, word: &[u8]) {
        for part in word.chunks(Self::SIZE) {
            if self.pieces.len() + part.len() > Self::SIZE {
                self.hash.update(&self.pieces);
                self.pieces.clear();
            }
            let start = self.pieces.len();
            self.pieces.extend_from_slice(part);
            self.pieces[start..].make_ascii_lowercase();
        }
    }

    fn finish(mut self) -> Digest {
        self.hash.update(&self.pieces);
        self.hash.finish()
    }
}
