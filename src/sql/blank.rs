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
    let mut blanked = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let previous = at.checked_sub(1).map_or(b' ', |before| text[before]);
        let next = text.get(at + 1).copied().unwrap_or(b' ');
        let end = match byte {
            b'0'..=b'9' if !joins(previous) => {
                let Some(end) = number(text, at) else {
                    return false;
                };
                key.extend_from_slice(if text[at..end].contains(&b'.') {
                    b"0.0"
                } else {
                    b"0"
                });
                blanked = true;
                end
            }
            b'\'' => {
                let Some(end) = string(text, at).filter(|_| !joins(previous) && previous != b'&')
                else {
                    return false;
                };
                key.extend_from_slice(b"''");
                blanked = true;
                end
            }
            b'"' | b'\\' => return false,
            b'$' if joins(previous) || !next.is_ascii_digit() => return false,
            b'-' if next == b'-' => return false,
            b'/' if next == b'*' => return false,
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => {
                key.push(byte);
                at + 1
            }
            _ => return false,
        };
        at = end;
    }
    blanked
}

/// Would a constant behind this byte be part of something longer?
fn joins(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'\'')
}

/// The end of a number that starts at `at`: digits, and perhaps a point and digits.
fn number(text: &[u8], at: usize) -> Option<usize> {
    let digits = |from: usize| {
        text[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = digits(at);
    let mut end = at + whole;
    if text.get(end) == Some(&b'.') {
        let part = digits(end + 1);
        if part == 0 {
            return None;
        }
        end += 1 + part;
    }
    let alone = text.get(end).is_none_or(|next| !joins(*next));
    (whole <= MAX_DIGITS && alone).then_some(end)
}

/// The end of a string that starts at `at`.
fn string(text: &[u8], at: usize) -> Option<usize> {
    let content = &text[at + 1..];
    let length = content.iter().position(|byte| *byte == b'\'')?;
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    let end = at + length + 2;
    let alone = text.get(end).is_none_or(|next| !joins(*next));
    (content[..length].iter().all(plain) && alone).then_some(end)
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
