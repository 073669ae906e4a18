//! Names for statements: the same for texts that differ in constants, case, white space and comments.
//!
//! Where a constant is code it is no mere constant: in DO, CALL, LOAD, ALTER SYSTEM, and where
//! functions, procedures, policies, rules, triggers and views are made or changed, strings count as they
//! are. An exception for one of them must not admit another. (Not where strings may be passwords.)

use ring::digest::{Context, Digest, SHA256, digest};

use super::Fingerprint;
use super::lexer;
use super::token::{Kind, Token};

/// The fingerprint of `text`: the first six bytes of the SHA-256 of its tokens, words in lower
/// case, constants and parameters replaced, lists of them taken for one. Of a text that cannot be
/// read to its end the tokens before that point count.
pub fn fingerprint(text: &[u8]) -> Fingerprint {
    of_tokens(text, &lexer::tokens(text).0)
}

/// As [`fingerprint`], for a text that has been read.
pub(super) fn of_tokens(text: &[u8], tokens: &[Token]) -> Fingerprint {
    let mut hash = Gathered::new();
    let mut folded = Vec::new();
    let mut is_code = false;
    for (at, token) in tokens.iter().enumerate() {
        if at == 0 || tokens[at - 1].kind == Kind::Semicolon {
            is_code = holds_code(text, &tokens[at..]);
        }
        if is_code && token.kind.is_string() {
            hash.update(token.of(text));
            hash.update(b"\0");
            continue;
        }
        // `IN (1, 2, 3)` is `IN (?)`.
        let listed =
            at >= 2 && tokens[at - 1].kind == Kind::Comma && tokens[at - 2].kind.is_value();
        let comma = token.kind == Kind::Comma
            && at >= 1
            && tokens[at - 1].kind.is_value()
            && tokens.get(at + 1).is_some_and(|next| next.kind.is_value());
        if comma || (listed && token.kind.is_value()) {
            continue;
        }
        match token.kind {
            kind if kind.is_value() => hash.update(b"?"),
            Kind::Word => {
                folded.clear();
                folded.extend(token.of(text).iter().map(u8::to_ascii_lowercase));
                hash.update(&folded);
            }
            _ => hash.update(token.of(text)),
        }
        hash.update(b"\0");
    }
    first_bytes(hash.finish().as_ref())
}

/// Does a statement that starts with these tokens carry code in its strings?
fn holds_code(text: &[u8], tokens: &[Token]) -> bool {
    let is = |at: usize, word: &str| {
        tokens.get(at).is_some_and(|token| {
            token.kind == Kind::Word && token.of(text).eq_ignore_ascii_case(word.as_bytes())
        })
    };
    const MADE: [&str; 7] = [
        "function",
        "policy",
        "procedure",
        "routine",
        "rule",
        "trigger",
        "view",
    ];
    const BEFORE: [&str; 10] = [
        "constraint",
        "event",
        "global",
        "local",
        "materialized",
        "or",
        "recursive",
        "replace",
        "temp",
        "temporary",
    ];
    // What is made stands there, and nowhere else: a role may be called "view", and has a password.
    let made = || {
        let is_before = |at: &usize| BEFORE.iter().any(|word| is(*at, word));
        let at = 1 + (1..=5).take_while(is_before).count();
        MADE.iter().any(|object| is(at, object))
    };
    ["do", "call", "load"].iter().any(|word| is(0, word))
        || is(0, "alter") && is(1, "system")
        || (is(0, "create") || is(0, "alter")) && made()
}

/// The fingerprint of bytes that are no text.
pub(super) fn of_bytes(bytes: &[u8]) -> Fingerprint {
    first_bytes(digest(&SHA256, bytes).as_ref())
}

fn first_bytes(hash: &[u8]) -> Fingerprint {
    let mut name = [0; 6];
    name.copy_from_slice(&hash[..6]);
    Fingerprint(name)
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

    fn finish(mut self) -> Digest {
        self.hash.update(&self.pieces);
        self.hash.finish()
    }
}
