//! Statements as they may be kept: without constants, comments and line breaks.

use super::lexer;
use super::token::{Kind, Token};

/// Longest redacted text in bytes, before the mark that says there was more.
pub const MAX_REDACTED: usize = 2048;

/// `text` with every constant replaced by a parameter (numbered behind those it has), comments left
/// out and white space made single; cut at [`MAX_REDACTED`]. None when it cannot be read to its
/// end: what cannot be told from a constant is not kept.
pub fn redact(text: &[u8]) -> Option<Box<str>> {
    let (tokens, None) = lexer::tokens(text) else {
        return None;
    };
    let mut next = highest_parameter(text, &tokens)?.checked_add(1)?;
    let mut out = String::with_capacity(text.len().min(MAX_REDACTED) + 16);
    let mut end = None;
    for token in &tokens {
        if end.is_some_and(|end| end < token.start) {
            out.push(' ');
        }
        end = Some(token.end);
        if token.kind.is_value() && token.kind != Kind::Parameter {
            out.push_str(&format!("${next}"));
            next = next.checked_add(1)?;
        } else {
            out.push_str(std::str::from_utf8(token.of(text)).ok()?);
        }
        if out.len() > MAX_REDACTED {
            out.truncate(floor(&out, MAX_REDACTED));
            out.push('…');
            break;
        }
    }
    Some(out.into())
}

/// The number of the highest `$n`; 0 without any. None when one is no number that fits.
fn highest_parameter(text: &[u8], tokens: &[Token]) -> Option<u32> {
    let parameters = tokens.iter().filter(|token| token.kind == Kind::Parameter);
    parameters
        .map(|token| {
            std::str::from_utf8(token.of(text))
                .ok()?
                .strip_prefix('$')?
                .parse::<u32>()
                .ok()
        })
        .try_fold(0, |highest, number| Some(highest.max(number?)))
}

/// The nearest character boundary at or before a byte offset.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        redact(text.as_bytes()).map_or_else(|| panic!("{text}"), |text| text.into())
    }

    #[test]
    fn no_spelling_of_a_constant_gets_through() {
        for constant in [
            "'s3cret'",
            "E's3cret\\''",
            "U&'s3cret'",
            "N's3cret'",
            "$$s3cret$$",
            "$tag$ s3cret $tag$",
            "B'101'",
            "X's3cret'",
            "12345",
            "1.5e-3",
            "'s3' \n 'cret'",
            "'it''s3cret'",
        ] {
            let text = redacted(&format!("ALTER ROLE app PASSWORD {constant};"));
            assert!(
                text.starts_with("ALTER ROLE app PASSWORD $1") && text.ends_with(';'),
                "{text}"
            );
            assert!(
                !text.contains("s3")
                    && !text.contains("cret")
                    && !text.contains("01")
                    && !text.contains("345"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_rest_stays_readable() {
        assert_eq!(
            redacted("create table \"Order Notes\"\n\t(id  int /* s3cret */ default 7) -- s3cret"),
            "create table \"Order Notes\" (id int default $1)"
        );
        assert_eq!(
            redacted("update t set a=$2, b='x' where c=$1::int"),
            "update t set a=$2, b=$3 where c=$1::int"
        );
        assert_eq!(redacted("  "), "");
    }

    #[test]
    fn what_cannot_be_read_is_not_kept() {
        for text in [
            "select 's3cret",
            "select $$s3cret",
            "select /* s3cret",
            "select \"s3cret",
        ] {
            assert_eq!(redact(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            redact(b"select 's3cret\xff'").map(|text| text.contains("s3cret")),
            Some(false)
        );
        assert_eq!(redact(b"select \"\xff\""), None);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = redacted(&format!("select {}", "é".repeat(5000)));
        assert!(text.len() <= MAX_REDACTED + '…'.len_utf8() && text.ends_with("é…"));
    }
}
