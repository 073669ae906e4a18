//! The words of a function's source: what stands in comments and literals does not run.

use crate::sql::{FUNCTIONS, FunctionGroup, group};

/// A word in lower case, the content of a literal, or anything else that is no blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Word(String),
    Literal(String),
    Other(char),
}

/// The pieces of SQL or PL/pgSQL. What does not end counts as a literal to the end.
pub(super) fn pieces(source: &str) -> Vec<Piece> {
    spans(source).into_iter().map(|span| span.piece).collect()
}

/// A piece as it is written.
#[derive(Debug)]
pub(super) struct Span<'t> {
    pub piece: Piece,
    pub text: &'t str,
    /// Something that is no piece stands before it.
    pub apart: bool,
}

/// The pieces with their texts.
pub(super) fn spans(source: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let (mut rest, mut apart) = (source, false);
    while let Some(first) = rest.chars().next() {
        let (piece, after) = next(rest, first);
        let text = &rest[..rest.len() - after.len()];
        let blank = piece.is_none();
        spans.extend(piece.map(|piece| Span { piece, text, apart }));
        (rest, apart) = (after, blank);
    }
    spans
}

/// The first piece of a text that begins with `first`, if it is one, and what follows.
fn next(text: &str, first: char) -> (Option<Piece>, &str) {
    let until = |end: usize| text.split_at(end.min(text.len()));
    if text.starts_with("--") {
        return (None, until(text.find('\n').unwrap_or(text.len())).1);
    }
    if text.starts_with("/*") {
        return (None, until(comment(text)).1);
    }
    if first.is_alphabetic() || first == '_' {
        let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$')));
        let (word, after) = until(end.unwrap_or(text.len()));
        if after.starts_with('\'') && word.eq_ignore_ascii_case("e") {
            let (literal, after) = quoted(after, true);
            return (Some(Piece::Literal(literal)), after);
        }
        return (Some(Piece::Word(word.to_lowercase())), after);
    }
    match first {
        '\'' => {
            let (literal, after) = quoted(text, false);
            (Some(Piece::Literal(literal)), after)
        }
        '"' => {
            let (name, after) = quoted(text, false);
            (Some(Piece::Word(name)), after)
        }
        '$' => dollar(text),
        c if c.is_whitespace() => (None, until(c.len_utf8()).1),
        c => (Some(Piece::Other(c)), until(c.len_utf8()).1),
    }
}

/// Where a comment ends; they nest.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = match (rest.starts_with("/*"), rest.starts_with("*/")) {
            (true, _) => {
                depth += 1;
                2
            }
            (_, true) => {
                depth -= 1;
                2
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// What stands between the quotes, and what follows.
fn quoted(text: &str, escapes: bool) -> (String, &str) {
    let mut chars = text.char_indices();
    let quote = chars.next().map_or('\'', |(_, quote)| quote);
    let mut chars = chars.peekable();
    let mut content = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => content.extend(chars.next().map(|(_, c)| c)),
            c if c != quote => content.push(c),
            c if chars.next_if(|(_, next)| *next == quote).is_some() => content.push(c),
            c => return (content, &text[at + c.len_utf8()..]),
        }
    }
    (content, "")
}

/// `$tag$...$tag$`, or a parameter's dollar.
fn dollar(text: &str) -> (Option<Piece>, &str) {
    let tag = text
        .char_indices()
        .skip(1)
        .find(|(_, c)| !(c.is_alphanumeric() || *c == '_'))
        .filter(|(_, c)| *c == '$')
        .map(|(at, _)| text.split_at(at + 1));
    match tag {
        None => (Some(Piece::Other('$')), &text[1..]),
        Some((tag, content)) => match content.split_once(tag) {
            Some((content, after)) => (Some(Piece::Literal(content.to_owned())), after),
            None => (Some(Piece::Literal(content.to_owned())), ""),
        },
    }
}

/// Does it run a text as SQL: EXECUTE of PL/pgSQL, or a function that does it?
pub(super) fn runs_text(pieces: &[Piece]) -> bool {
    pieces.iter().enumerate().any(|(at, piece)| {
        let Piece::Word(word) = piece else {
            return false;
        };
        let then = pieces.get(at + 1);
        // GRANT EXECUTE ON, EXECUTE FUNCTION of a trigger.
        let is_privilege = |piece: &Piece| {
            matches!(piece, Piece::Word(next) if matches!(&**next, "on" | "function" | "procedure"))
        };
        let starts = matches!(then, Some(Piece::Word(_) | Piece::Literal(_) | Piece::Other('(' | '$')));
        match &**word {
            "execute" => starts && !then.is_some_and(is_privilege),
            name => then == Some(&Piece::Other('(')) && is_dynamic(name),
        }
    })
}

/// Functions of PostgreSQL and well-known extensions that run what they are given.
pub(super) fn dynamic_names() -> impl Iterator<Item = &'static str> {
    let dynamic = |(_, group): &&(&str, FunctionGroup)| *group == FunctionGroup::DynamicSql;
    // A name with a star stands for several, one with a dot for an extension's own schema.
    FUNCTIONS
        .iter()
        .filter(dynamic)
        .map(|(name, _)| *name)
        .filter(|name| !name.contains(['*', '.']))
}

fn is_dynamic(name: &str) -> bool {
    group(name) == Some(FunctionGroup::DynamicSql)
}

/// Does it set the parameter: by `set_config`, by SET, or by a text that it runs?
pub(super) fn sets(source: &[Piece], parameter: &str) -> bool {
    let in_text = |piece: &Piece| match piece {
        Piece::Literal(text) => sets_itself(&pieces(text), parameter),
        _ => false,
    };
    sets_itself(source, parameter) || (runs_text(source) && source.iter().any(in_text))
}

fn sets_itself(source: &[Piece], parameter: &str) -> bool {
    let parts: Vec<&str> = parameter.split('.').collect();
    source.iter().enumerate().any(|(at, piece)| {
        let Piece::Word(word) = piece else {
            return false;
        };
        let then = source.get(at + 1..).unwrap_or_default();
        match (&**word, then) {
            // A name that is put together could be any.
            (
                "set_config",
                [
                    Piece::Other('('),
                    Piece::Literal(name),
                    Piece::Other(',' | ':'),
                    ..,
                ],
            ) => name.eq_ignore_ascii_case(parameter),
            ("set_config", [Piece::Other('('), ..]) => true,
            ("set", [Piece::Word(word), rest @ ..]) if word == "local" || word == "session" => {
                assigned(rest, &parts)
            }
            ("set", then) => assigned(then, &parts),
            _ => false,
        }
    })
}

/// Does it read a parameter, or the signed zone: itself, or by a text that it runs?
pub(super) fn reads(source: &[Piece]) -> bool {
    let in_text = |piece: &Piece| match piece {
        Piece::Literal(text) => reads_itself(&pieces(text)),
        _ => false,
    };
    reads_itself(source) || (runs_text(source) && source.iter().any(in_text))
}

fn reads_itself(source: &[Piece]) -> bool {
    source.iter().enumerate().any(|(at, piece)| {
        let Piece::Word(word) = piece else {
            return false;
        };
        match (&**word, source.get(at + 1..).unwrap_or_default()) {
            ("current_setting" | "pg_show_all_settings", [Piece::Other('('), ..]) => true,
            ("pg_settings", _) => true,
            ("portcullis", [Piece::Other('.'), Piece::Word(name), Piece::Other('('), ..]) => {
                name == "zone"
            }
            _ => false,
        }
    })
}

/// What it names to `current_setting`, itself or in a text that it runs. A name that is put together is none.
pub(super) fn settings_read(source: &[Piece]) -> Vec<String> {
    let mut names = named_itself(source);
    if runs_text(source) {
        for piece in source {
            if let Piece::Literal(text) = piece {
                names.extend(named_itself(&pieces(text)));
            }
        }
    }
    names
}

fn named_itself(source: &[Piece]) -> Vec<String> {
    let name = |call: &[Piece]| match call {
        [
            Piece::Word(word),
            Piece::Other('('),
            Piece::Literal(name),
            Piece::Other(',' | ')' | ':'),
        ] if word == "current_setting" => Some(name.clone()),
        _ => None,
    };
    source.windows(4).filter_map(name).collect()
}

/// Do the pieces begin with `app`, `.`, `tenant_id`, and `=` or `to`?
fn assigned(source: &[Piece], parts: &[&str]) -> bool {
    let mut source = source.iter();
    let named = parts.iter().enumerate().all(|(at, part)| {
        let dot = at == 0 || source.next() == Some(&Piece::Other('.'));
        dot && matches!(source.next(), Some(Piece::Word(word)) if word.eq_ignore_ascii_case(part))
    });
    let assigns = |piece: &Piece| match piece {
        Piece::Other(c) => matches!(c, '=' | ':'),
        Piece::Word(word) => word == "to",
        Piece::Literal(_) => false,
    };
    named && source.next().is_some_and(assigns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_a_text_is_told_from_what_looks_so() {
        for source in [
            "BEGIN EXECUTE q; END",
            "BEGIN execute 'select ' || x; END",
            "BEGIN RETURN QUERY EXECUTE format('select %I', x); END",
            "BEGIN EXECUTE $1; END",
            "BEGIN EXECUTE (q); END",
            "BEGIN EXECUTE /* on */ q; END",
            "SELECT query_to_xml(q, true, true, '')",
        ] {
            assert!(runs_text(&pieces(source)), "{source}");
        }
        for source in [
            "BEGIN -- EXECUTE q\n RETURN; END",
            "BEGIN /* EXECUTE q; /* nested */ EXECUTE q; */ RETURN; END",
            "BEGIN RAISE NOTICE 'will EXECUTE it''s EXECUTE q'; END",
            r"BEGIN RAISE NOTICE E'it\'s EXECUTE q'; END",
            "BEGIN RAISE NOTICE $x$EXECUTE q$x$; END",
            "BEGIN GRANT EXECUTE ON FUNCTION f() TO x; END",
            "CREATE TRIGGER t EXECUTE FUNCTION f()",
            "DECLARE executed int := 1; BEGIN RETURN executed; END",
            "SELECT my_query_to_xml(q)",
            "SELECT query_to_xml",
        ] {
            assert!(!runs_text(&pieces(source)), "{source}");
        }
    }

    #[test]
    fn what_sets_a_parameter_is_told_from_what_reads_it() {
        for source in [
            "BEGIN PERFORM set_config('app.tenant_id', t, true); END",
            "BEGIN PERFORM pg_catalog.set_config ( 'App.Tenant_ID', t, true); END",
            "BEGIN SET LOCAL app.tenant_id = 'x'; END",
            "SET app.\"tenant_id\" TO x",
            "SET SESSION App.Tenant_Id TO x",
            "BEGIN EXECUTE 'SET app.tenant_id = ' || x; END",
            "BEGIN EXECUTE format($q$SELECT set_config('app.tenant_id', %L, true)$q$, x); END",
        ] {
            assert!(sets(&pieces(source), "app.tenant_id"), "{source}");
        }
        for source in [
            "SELECT current_setting('app.tenant_id', true)",
            "-- SET app.tenant_id = x\nSELECT 1",
            "SET app.tenant_id_of_x = 'x'",
            "SET appx.tenant_id = 'x'",
            "BEGIN RAISE 'no app.tenant_id'; END",
            "BEGIN RAISE 'app.tenant_id is not set'; END",
            "BEGIN RAISE 'set app.tenant_id = first'; END",
            "BEGIN RAISE 'set app.tenant_id first'; EXECUTE q; END",
            "UPDATE t SET app = 1",
            "BEGIN PERFORM set_config('app.other', t, true); END",
        ] {
            assert!(!sets(&pieces(source), "app.tenant_id"), "{source}");
        }
    }

    #[test]
    fn what_reads_a_parameter_is_told_from_what_looks_so() {
        for source in [
            "SELECT current_setting('app.tenant_id', true)",
            "BEGIN RETURN pg_catalog.\"current_setting\" (name); END",
            "RETURN CURRENT_SETTING('app.tenant_id'::text)",
            "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'app.tenant_id'",
            "BEGIN EXECUTE 'SELECT current_setting($1)' INTO x USING n; RETURN x; END",
            "SELECT portcullis . zone ()::uuid",
        ] {
            assert!(reads(&pieces(source)), "{source}");
        }
        for source in [
            "-- current_setting('app.tenant_id')\nSELECT 1",
            "/* pg_settings */ SELECT 1",
            "SELECT 'current_setting(''app.tenant_id'')'",
            "BEGIN RAISE 'current_setting(%)', 'x'; END",
            "BEGIN current_setting := 1; RETURN current_setting; END",
            "SELECT my_current_setting('x')",
            "SELECT portcullis.zone_of(1)",
            "SELECT time zone(1), portcullis",
        ] {
            assert!(!reads(&pieces(source)), "{source}");
        }
    }

    #[test]
    fn what_does_not_end_is_no_trouble() {
        for source in [
            "'a", "\"a", "$a$b", "/* a", "-- a", "$", "E'a\\", "ä$", "$ä$ x",
        ] {
            let _ = pieces(source);
        }
    }
}
