//! Statements as they may be kept: without constants, comments and line breaks.

use super::lexer;
use super::token::{Kind, Token};

/// Longest redacted text in bytes, before the mark that says there was more.
pub const MAX_REDACTED: usize = 2048;

/// `text` with every constant replaced by a parameter (numbered behind those it has), comments left
/// out and white space made single. Ends with `…` where [`MAX_REDACTED`] is reached or the text
/// cannot be read on: what cannot be told from a constant is not kept. So the beginning of a long
/// text may be given for the whole.
pub fn redact(text: &[u8]) -> Box<str> {
    let (tokens, stop) = lexer::tokens(text);
    let mut next = highest_parameter(text, &tokens);
    let mut out = String::with_capacity(text.len().min(MAX_REDACTED) + 16);
    let mut more = stop.is_some();
    let mut end = None;
    for token in &tokens {
        if end.is_some_and(|end| end < token.start) {
            out.push(' ');
        }
        end = Some(token.end);
        if token.kind.is_value() && token.kind != Kind::Parameter {
            next = next.saturating_add(1);
            out.push_str(&format!("${next}"));
        } else if let Ok(spelling) = std::str::from_utf8(token.of(text)) {
            out.push_str(spelling);
        } else {
            more = true;
            break;
        }
        if out.len() > MAX_REDACTED {
            out.truncate(floor(&out, MAX_REDACTED));
            more = true;
            break;
        }
    }
    if more {
        out.push('…');
    }
    out.into()
}

/// The number of the highest `$n`; 0 without any. A number that does not fit is no parameter that a
/// server would take.
fn highest_parameter(text: &[u8], tokens: &[Token]) -> u32 {
    let parameters = tokens.iter().filter(|token| token.kind == Kind::Parameter);
    let number = |token: &Token| {
        std::str::from_utf8(token.of(text))
            .ok()?
            .strip_prefix('$')?
            .parse()
            .ok()
    };
    parameters.filter_map(number).max().unwrap_or(0)
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
        redact(text.as_bytes()).into()
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
        for rest in [
            "'s3cret",
            "$$s3cret",
            "/* s3cret",
            "\"s3cret",
            "E's3cret\\'",
            "$a$s3cret$b$",
        ] {
            assert_eq!(
                redacted(&format!("select 1, {rest}"))
                    .trim_end_matches('…')
                    .trim_end(),
                "select $1,"
            );
        }
        assert_eq!(
            &*redact(b"select 's3cret\xff', \"\xff\", 's3cret'"),
            "select $1, …"
        );
    }

    #[test]
    fn no_beginning_of_a_text_gives_a_constant_away() {
        let text = "insert into t values ('it''s3cret', E's3\\'cret', $a$ s3cret $a$, U&'s3cret' UESCAPE '!') -- s3cret\n, 's3' \n 'cret'";
        for end in 0..text.len() {
            let kept = redact(&text.as_bytes()[..end]);
            assert!(
                !kept.contains("s3") && !kept.contains("cret"),
                "{end}: {kept}"
            );
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = redacted(&format!("select {}", "é".repeat(5000)));
        assert!(text.len() <= MAX_REDACTED + '…'.len_utf8() && text.ends_with("é…"));
    }
}
