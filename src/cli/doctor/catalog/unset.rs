//! Conditions of policies that hold while no zone is set: an alternative in them names no column and is true then.
//! Whether it is true PostgreSQL says, of constants: what the condition reads is written in its place, so that nothing
//! is set, and nothing is called that is not PostgreSQL's own and harmless.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::super::connection::{Connection, Trouble};
use super::super::sql::value;
use super::source::{Piece, Span, spans};

/// Longest text that is looked at, and how deep its parentheses may be.
const MAX_TEXT: usize = 64 << 10;
const MAX_DEPTH: usize = 64;
/// Most that is asked in one database; policies that are alike ask once.
const MAX_ASKED: usize = 1000;

/// What a parameter can be that nobody has set: never mentioned on this connection, or by a client before.
const UNSET: [&str; 2] = ["(NULL::text)", "(''::text)"];

/// Of conditions without columns. They cannot be columns' names where they are called.
const CALLED: &[&str] = &[
    "btrim",
    "char_length",
    "character_length",
    "coalesce",
    "length",
    "lower",
    "ltrim",
    "nullif",
    "octet_length",
    "rtrim",
    "upper",
];
const WORDS: &[&str] = &[
    "and",
    "any",
    "array",
    "bigint",
    "boolean",
    "character",
    "distinct",
    "false",
    "from",
    "in",
    "integer",
    "is",
    "not",
    "null",
    "or",
    "text",
    "true",
    "unknown",
    "uuid",
    "varying",
];
/// Neither, and no column either.
const OTHER_WORDS: &[&str] = &[
    "all",
    "between",
    "case",
    "collate",
    "current_catalog",
    "current_role",
    "current_schema",
    "current_user",
    "else",
    "end",
    "exists",
    "like",
    "operator",
    "row",
    "select",
    "session_user",
    "similar",
    "some",
    "system_user",
    "then",
    "user",
    "when",
];
/// Of conditions without columns, beside digits.
const SIGNS: &str = "()[],:=<>!-";

/// What PostgreSQL has said of conditions without columns.
#[derive(Default)]
pub(super) struct Answers(HashMap<String, bool>);

impl Answers {
    /// Asks what a condition needs. In a transaction that only reads.
    pub(super) fn ask(
        &mut self,
        connection: &mut Connection,
        condition: &Condition,
    ) -> Result<(), Trouble> {
        match &condition.kind {
            Kind::Any(parts) | Kind::All(parts) => {
                parts.iter().try_for_each(|part| self.ask(connection, part))
            }
            Kind::Free(asked) => {
                for sql in asked.iter().flatten() {
                    if !self.0.contains_key(sql) && self.0.len() < MAX_ASKED {
                        let is_true = is_true(connection, sql)?;
                        self.0.insert(sql.clone(), is_true);
                    }
                }
                Ok(())
            }
            Kind::Keeps | Kind::Beside => Ok(()),
        }
    }

    /// There may have been more to ask.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_ASKED
    }

    fn is_true(&self, asked: Option<&String>) -> bool {
        asked.is_some_and(|sql| self.0.get(sql) == Some(&true))
    }
}

/// What ends in an error lets nobody through.
fn is_true(connection: &mut Connection, sql: &str) -> Result<bool, Trouble> {
    connection.query("SAVEPOINT portcullis_doctor")?;
    let said = value(connection, &format!("SELECT ({sql}) IS TRUE"));
    let end = match &said {
        Err(Trouble::Lost(_)) => return said.map(|_| false),
        Err(Trouble::Refused(_)) => "ROLLBACK TO SAVEPOINT portcullis_doctor",
        Ok(_) => "RELEASE SAVEPOINT portcullis_doctor",
    };
    connection.query(end)?;
    Ok(said.is_ok_and(|said| said == "t"))
}

/// A condition as PostgreSQL writes it.
pub(super) struct Condition {
    text: String,
    kind: Kind,
}

/// The same condition of constants, for each of [`UNSET`].
type Asked = [Option<String>; UNSET.len()];

enum Kind {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    /// It names no column.
    Free(Asked),
    /// It has to do with zones, or may have.
    Keeps,
    /// It has to do with other columns of the row alone.
    Beside,
}

/// What a condition does while no zone is set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    /// It lets nobody through, as far as can be told.
    Keeps,
    /// It lets through what other columns say.
    Beside,
    /// It is true, of every row.
    IsTrue,
    /// It lets through to every zone, if other columns say nothing else.
    Opens,
}

impl Condition {
    /// Reads it; `columns`: those that say whose a row is.
    pub(super) fn read(text: &str, columns: &[String]) -> Self {
        let spans = match text.len() > MAX_TEXT {
            true => Vec::new(),
            false => spans(text),
        };
        condition(&spans, columns, 0)
    }

    /// Does it let through to every zone while none is set?
    pub(super) fn opens(&self, answers: &Answers) -> bool {
        (0..UNSET.len()).any(|unset| self.does(answers, unset) >= Does::IsTrue)
    }

    fn does(&self, answers: &Answers, unset: usize) -> Does {
        let of = |parts: &[Self]| -> Vec<Does> {
            parts.iter().map(|part| part.does(answers, unset)).collect()
        };
        match &self.kind {
            Kind::Free(asked) if answers.is_true(asked[unset].as_ref()) => Does::IsTrue,
            Kind::Free(_) | Kind::Keeps => Does::Keeps,
            Kind::Beside => Does::Beside,
            Kind::Any(parts) => match of(parts).into_iter().max() {
                Some(Does::IsTrue | Does::Opens) => Does::Opens,
                most => most.unwrap_or(Does::Keeps),
            },
            Kind::All(parts) => {
                let all = of(parts);
                // Rows that are public, for those who have no zone: that can be meant.
                match all.contains(&Does::Keeps) {
                    true => Does::Keeps,
                    false if all.contains(&Does::Opens) => Does::Opens,
                    false => Does::Beside,
                }
            }
        }
    }

    /// The same without the alternatives that open it; none: nothing is left.
    pub(super) fn closed(&self, answers: &Answers) -> Option<String> {
        if !self.opens(answers) {
            return Some(self.text.clone());
        }
        match &self.kind {
            Kind::Any(parts) => {
                let left = parts.iter().filter_map(|part| part.closed(answers));
                let left: Vec<String> = left.collect();
                match &left[..] {
                    [] => None,
                    [one] => Some(one.clone()),
                    _ => Some(format!("({})", left.join(" OR "))),
                }
            }
            Kind::All(parts) => {
                let parts = parts.iter().map(|part| part.closed(answers));
                let parts: Vec<String> = parts.collect::<Option<_>>()?;
                Some(format!("({})", parts.join(" AND ")))
            }
            Kind::Free(_) | Kind::Keeps | Kind::Beside => None,
        }
    }
}

/// Not in quotes: that is a name.
fn is_plain(span: &Span<'_>) -> bool {
    !span.text.starts_with('"')
}

fn is(span: &Span<'_>, word: &str) -> bool {
    matches!(&span.piece, Piece::Word(found) if found == word) && is_plain(span)
}

fn is_sign(span: Option<&Span<'_>>, sign: char) -> bool {
    span.is_some_and(|span| span.piece == Piece::Other(sign))
}

fn put(text: &mut String, span: &Span<'_>, written: &str) {
    if span.apart && !text.is_empty() {
        text.push(' ');
    }
    text.push_str(written);
}

fn condition(spans: &[Span<'_>], columns: &[String], depth: usize) -> Condition {
    let mut text = String::new();
    for span in spans {
        put(&mut text, span, span.text);
    }
    let kind = match free(spans) {
        Some(asked) => Kind::Free(asked),
        None if depth > MAX_DEPTH => Kind::Keeps,
        None => parts(spans, columns, depth),
    };
    Condition { text, kind }
}

fn parts(spans: &[Span<'_>], columns: &[String], depth: usize) -> Kind {
    let inner = without_parentheses(spans);
    let split = |word| {
        let parts = at_top(inner, word);
        let read = |part: &[Span<'_>]| condition(part, columns, depth + 1);
        (parts.len() > 1).then(|| parts.into_iter().map(read).collect())
    };
    // PostgreSQL writes parentheses around either; where both stand side by side it is something else, as BETWEEN.
    match (split("or"), split("and")) {
        (Some(any), None) => Kind::Any(any),
        (None, Some(all)) => Kind::All(all),
        (None, None) if beside(inner, columns) => Kind::Beside,
        _ => Kind::Keeps,
    }
}

/// Those around all of it.
fn without_parentheses<'s, 't>(mut spans: &'s [Span<'t>]) -> &'s [Span<'t>] {
    // Each is looked for anew.
    for _ in 0..MAX_DEPTH {
        let [first, inner @ .., last] = spans else {
            break;
        };
        if !is_sign(Some(first), '(') || !is_sign(Some(last), ')') || !is_balanced(inner) {
            return spans;
        }
        spans = inner;
    }
    spans
}

/// How deep it is behind each span.
fn depths(spans: &[Span<'_>]) -> impl Iterator<Item = i32> {
    spans.iter().scan(0, |depth, span| {
        match span.piece {
            Piece::Other('(' | '[') => *depth += 1,
            Piece::Other(')' | ']') => *depth -= 1,
            _ => {}
        }
        Some(*depth)
    })
}

fn is_balanced(spans: &[Span<'_>]) -> bool {
    depths(spans).all(|depth| depth >= 0) && depths(spans).last().unwrap_or(0) == 0
}

/// What stands between these words outside of parentheses.
fn at_top<'s, 't>(spans: &'s [Span<'t>], word: &str) -> Vec<&'s [Span<'t>]> {
    let between = spans.iter().zip(depths(spans)).enumerate();
    let between = between.filter(|(_, (span, depth))| *depth == 0 && is(span, word));
    let mut from = 0;
    let mut parts = Vec::new();
    for (at, _) in between {
        parts.push(&spans[from..at]);
        from = at + 1;
    }
    parts.push(&spans[from..]);
    parts
}

/// Nothing but other columns, constants and operators?
fn beside(spans: &[Span<'_>], columns: &[String]) -> bool {
    let is_fine = |(at, span): (usize, &Span<'_>)| match &span.piece {
        Piece::Literal(_) => true,
        Piece::Other(sign) => *sign != '.',
        Piece::Word(word) if is_sign(spans.get(at + 1), '(') => {
            is_plain(span) && CALLED.contains(&&**word)
        }
        Piece::Word(word) => !columns.contains(word) && !OTHER_WORDS.contains(&&**word),
    };
    !spans.is_empty() && spans.iter().enumerate().all(is_fine)
}

/// The condition with each of [`UNSET`] in the place of what it reads; none: it is not known to be free of columns,
/// and harmless.
fn free(spans: &[Span<'_>]) -> Option<Asked> {
    let mut texts = UNSET.map(|_| Some(String::new()));
    let mut rest = spans;
    while let [span, after @ ..] = rest {
        rest = after;
        let unset = match &span.piece {
            Piece::Word(word) if word == "current_setting" && is_plain(span) => {
                let (behind, missing_ok) = reading(after)?;
                rest = behind;
                // Without, one that was never mentioned is an error.
                Some([missing_ok.then_some(UNSET[0]), Some(UNSET[1])])
            }
            piece if is_harmless(piece, after.first()) && is_plain(span) => None,
            _ => return None,
        };
        for (at, text) in texts.iter_mut().enumerate() {
            match (unset.map_or(Some(span.text), |unset| unset[at]), &mut *text) {
                (Some(written), Some(text)) => put(text, span, written),
                _ => *text = None,
            }
        }
    }
    (!spans.is_empty()).then_some(texts)
}

fn is_harmless(piece: &Piece, next: Option<&Span<'_>>) -> bool {
    match piece {
        Piece::Literal(_) => true,
        Piece::Other(sign) => SIGNS.contains(*sign) || sign.is_ascii_digit(),
        Piece::Word(word) if CALLED.contains(&&**word) => is_sign(next, '('),
        Piece::Word(word) => WORDS.contains(&&**word),
    }
}

/// Behind `current_setting`: what follows, and whether a parameter that there is not is NULL. Only of parameters
/// that somebody has made up: PostgreSQL's own are always set.
fn reading<'s, 't>(spans: &'s [Span<'t>]) -> Option<(&'s [Span<'t>], bool)> {
    let [open, name, rest @ ..] = spans else {
        return None;
    };
    let rest = match rest {
        [a, b, cast, rest @ ..]
            if is_sign(Some(a), ':') && is_sign(Some(b), ':') && is(cast, "text") =>
        {
            rest
        }
        rest => rest,
    };
    let (rest, missing_ok) = match rest {
        [comma, ok, rest @ ..]
            if is_sign(Some(comma), ',') && (is(ok, "true") || is(ok, "false")) =>
        {
            (rest, is(ok, "true"))
        }
        rest => (rest, false),
    };
    let (close, after) = rest.split_first()?;
    let is_made_up = matches!(&name.piece, Piece::Literal(name) if name.contains('.'));
    let whole = is_sign(Some(open), '(') && is_sign(Some(close), ')') && is_made_up;
    whole.then_some((after, missing_ok))
}
