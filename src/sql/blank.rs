//! The key under which a text's facts are kept: the text itself, with plain constants blanked, so
//! that `... where id = 7` and `... where id = 8` are described once.
//!
//! Only where no lexer could disagree about where a constant ends: ASCII text without double
//! quotes, backslashes, dollar quotes or comments; digits that stand alone; `'...'` without a quote
//! inside. Everything else is its own key.

/// A text longer than this is its own key.
const MAX: usize = 4096;
/// More digits may not fit PostgreSQL's integer token.
const MAX_DIGITS: usize = 9;

/// Writes the key of `text` to `key`; false when the text is its own key.
pub(super) fn blank(text: &[u8], key: &mut Vec<u8>) -> bool {
    key.clear();
    if text.len() > MAX {
        return false;
    }
    // From where on the text has not been copied, and what is looked at.
    let (mut rest, mut at) = (0, 0);
    loop {
        at += plain(&text[at..]);
        let Some(&byte) = text.get(at) else { break };
        let previous = at.checked_sub(1).map_or(b' ', |before| text[before]);
        let next = text.get(at + 1).copied().unwrap_or(b' ');
        let constant = match byte {
            b'0'..=b'9' if !joins(previous) => number(text, at),
            b'\'' if !joins(previous) && previous != b'&' => string(text, at),
            _ if is_harmless(previous, byte, next) => {
                at += 1;
                continue;
            }
            _ => return false,
        };
        let Some((end, blank)) = constant else {
            return false;
        };
        key.extend_from_slice(&text[rest..at]);
        key.extend_from_slice(blank);
        (rest, at) = (end, end);
    }
    key.extend_from_slice(&text[rest..]);
    rest > 0
}

/// Is it part of a name, a parameter, or an operator that begins no comment?
fn is_harmless(previous: u8, byte: u8, next: u8) -> bool {
    match byte {
        b'0'..=b'9' => joins(previous),
        b'$' => !joins(previous) && next.is_ascii_digit(),
        b'-' => next != b'-',
        b'/' => next != b'*',
        _ => false,
    }
}

/// Bytes that mean nothing here, whatever stands beside them: nearly all of a text, so that they are
/// skipped by a table and copied in runs (a quarter of the time of looking at each).
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 128 {
        let byte = at as u8;
        table[at] = matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
            && !matches!(
                byte,
                b'0'..=b'9' | b'\'' | b'"' | b'\\' | b'$' | b'-' | b'/'
            );
        at += 1;
    }
    table
};

/// Bytes that are asked about together.
const BLOCK: usize = 16;

/// How many bytes at the start are plain. A few are looked at one by one, in case that they are all: constants
/// often stand close together. Then whole blocks, which takes three quarters of the time.
fn plain(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let next = &text[at..text.len().min(at + BLOCK)];
        let few = count(next, |byte| PLAIN[byte as usize]);
        at += few;
        if few < BLOCK {
            return at;
        }
        let blocks = text[at..].chunks_exact(BLOCK);
        at += BLOCK * blocks.take_while(|block| is_plain(block)).count();
    }
}

/// Is every byte of a block plain, and none a line break or tab? Comparisons without a branch, so that the
/// compiler makes them for all bytes at once.
fn is_plain(block: &[u8]) -> bool {
    let odd = |byte: u8| {
        !(b' '..=b'~').contains(&byte)
            | (byte == b'"')
            | (byte == b'$')
            | (byte == b'\'')
            | (byte == b'-')
            | (byte == b'\\')
            // The slash and the digits.
            | (byte.wrapping_sub(b'/') <= b'9' - b'/')
    };
    !block.iter().fold(false, |any, byte| any | odd(*byte))
}

/// How many bytes at the start pass the test.
fn count(text: &[u8], test: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| test(**byte)).count()
}

/// Would a constant behind this byte be part of something longer?
fn joins(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'\'')
}

/// The end of a number that starts at `at`, digits and perhaps a point and digits, and what stands for it.
fn number(text: &[u8], at: usize) -> Option<(usize, &'static [u8])> {
    let digits = |from: usize| count(&text[from..], |byte| byte.is_ascii_digit());
    let whole = digits(at);
    let (mut end, mut blank) = (at + whole, &b"0"[..]);
    if text.get(end) == Some(&b'.') {
        let part = digits(end + 1);
        if part == 0 {
            return None;
        }
        (end, blank) = (end + 1 + part, b"0.0");
    }
    let alone = text.get(end).is_none_or(|next| !joins(*next));
    (whole <= MAX_DIGITS && alone).then_some((end, blank))
}

/// The end of a string that starts at `at`, and what stands for it.
fn string(text: &[u8], at: usize) -> Option<(usize, &'static [u8])> {
    let plain = |byte| matches!(byte, b' '..=b'~') && byte != b'\\' && byte != b'\'';
    let quote = at + 1 + count(&text[at + 1..], plain);
    let alone = text.get(quote + 1).is_none_or(|next| !joins(*next));
    (text.get(quote) == Some(&b'\'') && alone).then_some((quote + 1, b"''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        let mut key = Vec::new();
        blank(text.as_bytes(), &mut key).then(|| String::from_utf8_lossy(&key).into_owned())
    }

    #[test]
    fn plain_constants_do_not_matter() {
        for (text, expected) in [
            (
                "select a1 from t2 where id = 12345;",
                "select a1 from t2 where id = 0;",
            ),
            (
                "insert into t values (-1, 2.50, 'it is', $1)",
                "insert into t values (-0, 0.0, '', $1)",
            ),
            ("values('drop table x','--','/*')", "values('','','')"),
            ("select 'a'\n'b'", "select ''\n''"),
        ] {
            assert_eq!(key(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(key("select a1 from t2 where id = $1"), None);
    }

    #[test]
    fn blocks_make_no_difference() {
        for length in 0..4 * BLOCK {
            for byte in 0..=u8::MAX {
                let mut text = vec![b'a'; length];
                text.push(byte);
                text.extend([b'a'; 2 * BLOCK]);
                for text in [&text[..], &text[length % 7..]] {
                    let plain_ones = count(text, |byte| PLAIN[byte as usize]);
                    assert_eq!(plain(text), plain_ones, "{byte:#x} behind {length}");
                }
            }
        }
    }

    #[test]
    fn where_lexers_could_disagree_the_text_is_its_own_key() {
        for text in [
            "select 'it''s'",
            "select e'\\'', 1",
            "select E'a'",
            "select U&'a', 1",
            "select u & 'a'::bit, 1 /* x */",
            "select n'a', 1",
            "select 1 -- '",
            "select \"a 1\", 1",
            "select $$'$$, 1",
            "select a$1, 1",
            "select 1e5",
            "select 0x1f",
            "select 1_000",
            "select 1.",
            "select .5",
            "select 12345678901",
            "select 1a",
            "select 'caf\u{e9}'",
            "select 'a\u{0}', 1",
            "select 'open, 1",
            "select 'a'b",
        ] {
            assert_eq!(key(text), None, "{text}");
        }
    }
}
