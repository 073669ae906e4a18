//! Statements as they may be kept: without constants, comments and line breaks, and without what may be
//! as secret as a constant.

use super::token::{Kind, Token};
use super::view::{self, View};
use super::{ahead, grammar, lexer, walsender, withheld};

/// Longest redacted text in bytes, before the mark that says there was more.
pub const MAX_REDACTED: usize = 2048;

/// Bytes of a text that are looked at.
const MAX_TEXT: usize = 4096;

/// Words that are kept of a text that is no SQL.
const MAX_LEADING: usize = 4;

/// What its first word can be,
const VERBS: &str = "abort alter analyze begin call checkpoint close cluster comment commit copy create deallocate \
    declare delete discard do drop end execute explain fetch grant import insert listen load lock merge prepare \
    refresh reindex reset revoke rollback select set show truncate update vacuum";
/// and those behind it.
const BEHIND: &str = "concurrently database default domain event extension foreign from function group index into \
    local mapping materialized or policy privileges procedure publication replace role schema sequence server \
    session subscription system table temporary trigger type unique user view";

/// `text` with every constant and every value that may be secret (`withheld`) replaced by a parameter
/// (numbered behind those it has), comments left out and white space made single. Ends with `…` where
/// [`MAX_REDACTED`] is reached or the text cannot be read on: what cannot be told from a constant is not
/// kept. In a text that the grammar refuses nothing can be told from anything: the words that say what it
/// was to be are all that is kept of it. Of a long text the beginning is redacted; the grammar has no say.
pub fn redact(text: &[u8]) -> Box<str> {
    let whole = text.len() <= MAX_TEXT;
    let text = beginning(text);
    let (tokens, stop) = lexer::tokens(text);
    if whole && (stop.is_some() || !is_read(text, &tokens)) {
        return leading_words(text, &tokens).into();
    }
    let mut redacted = Redacted {
        text,
        next: highest_parameter(text, &tokens),
        out: String::with_capacity(text.len().min(MAX_REDACTED) + 16),
        end: None,
    };
    let more = !redacted.all(&tokens) || stop.is_some();
    let mut out = redacted.out;
    if more {
        out.push('…');
    }
    out.into()
}

/// What is looked at: whole characters.
fn beginning(text: &[u8]) -> &[u8] {
    let continues = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let end = (0..=MAX_TEXT.min(text.len())).rev();
    let end = end.take(4).find(|at| !continues(at));
    &text[..end.unwrap_or(0)]
}

/// Does PostgreSQL read it, as SQL or as a walsender command?
fn is_read(text: &[u8], tokens: &[Token]) -> bool {
    let Some(text) = std::str::from_utf8(text)
        .ok()
        .filter(|it| !it.contains('\0'))
    else {
        return false;
    };
    let command = || walsender::read(text.as_bytes()).is_some_and(|it| it.command.is_ok());
    let blanked = || ahead::blanked(text, tokens).is_some_and(|text| grammar::takes(&text));
    grammar::takes(text) || command() || blanked()
}

/// What a text that is no SQL was to be: the words that begin a statement, as far as these are known.
fn leading_words(text: &[u8], tokens: &[Token]) -> String {
    let view = View {
        text,
        tokens,
        words: Default::default(),
    };
    let mut out = String::new();
    for at in 0..MAX_LEADING.min(tokens.len()) {
        let known = if at == 0 { VERBS } else { BEHIND };
        if !known.split(' ').any(|word| view.is(at, word)) {
            break;
        }
        out.push_str(&String::from_utf8_lossy(view.word(at)));
        out.push(' ');
    }
    out.push('…');
    out
}

/// A text as far as it is redacted.
struct Redacted<'a> {
    text: &'a [u8],
    /// The highest parameter.
    next: u32,
    out: String,
    /// Where the last token ended.
    end: Option<u32>,
}

impl Redacted<'_> {
    /// Adds every token, or those before the end; was there none?
    fn all(&mut self, tokens: &[Token]) -> bool {
        let mut at = 0;
        for statement in view::statements(self.text, tokens) {
            let start = tokens.partition_point(|token| token.start < statement.tokens[0].start);
            for value in withheld::of(statement) {
                let [from, to] = [value.tokens.start, value.tokens.end]
                    .map(|at| start.saturating_add(at).min(tokens.len()));
                if !self.kept(&tokens[at..from]) || !self.values(&tokens[from..to]) {
                    return false;
                }
                at = to;
            }
            // A password that ends nowhere.
            if at == tokens.len() {
                return true;
            }
        }
        self.kept(&tokens[at..])
    }

    /// Adds tokens of which the constants alone go.
    fn kept(&mut self, tokens: &[Token]) -> bool {
        tokens.iter().all(|token| {
            let constant = token.kind.is_value() && token.kind != Kind::Parameter;
            self.add(token, constant)
        })
    }

    /// Adds a list of values: each is a parameter, of however many tokens it is.
    fn values(&mut self, tokens: &[Token]) -> bool {
        let (text, words) = (self.text, Default::default());
        let mut lists = tokens.split_inclusive(|token| token.kind == Kind::Comma);
        lists.all(|tokens| {
            let (value, comma) = match tokens {
                [value @ .., comma] if comma.kind == Kind::Comma => (value, Some(comma)),
                value => (value, None),
            };
            let view = View {
                text,
                tokens: value,
                words,
            };
            let harmless = value.len() == 1 && withheld::is_harmless(view, 0);
            let first = value.first().is_none_or(|token| self.add(token, !harmless));
            if let Some(last) = value.last() {
                self.end = Some(last.end);
            }
            first && comma.is_none_or(|comma| self.add(comma, false))
        })
    }

    /// Adds a token, or a parameter in its place. No more if it is none that can be told.
    fn add(&mut self, token: &Token, hidden: bool) -> bool {
        if self.end.is_some_and(|end| end < token.start) {
            self.out.push(' ');
        }
        self.end = Some(token.end);
        if hidden {
            self.next = self.next.saturating_add(1);
            self.out.push_str(&format!("${}", self.next));
        } else if let Ok(spelling) = std::str::from_utf8(token.of(self.text)) {
            self.out.push_str(spelling);
        } else {
            return false;
        }
        let fits = self.out.len() <= MAX_REDACTED;
        if !fits {
            self.out.truncate(floor(&self.out, MAX_REDACTED));
        }
        fits
    }
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
            let long = " ".repeat(MAX_TEXT);
            for (text, behind) in [
                (format!("ALTER ROLE app PASSWORD {constant};"), ""),
                (format!("SELECT {constant};"), ""),
                (format!("SET app.key = {constant};"), ""),
                // Not for the grammar.
                (
                    format!("ALTER ROLE app PASSWORD {constant};{long}"),
                    "ALTER ROLE app PASSWORD $1;",
                ),
                (format!("SELECT {constant} FROM;{long}"), "SELECT $1 FROM;"),
            ] {
                let kept = redacted(&text);
                assert!(
                    !kept.contains("s3")
                        && !kept.contains("cret")
                        && !kept.contains("01")
                        && !kept.contains("345")
                        && !kept.contains("1.5"),
                    "{text}: {kept}"
                );
                assert!(behind.is_empty() || behind == kept, "{text}: {kept}");
            }
        }
        assert_eq!(
            redacted("ALTER ROLE app PASSWORD 's3cret';"),
            "ALTER ROLE app PASSWORD $1;"
        );
    }

    #[test]
    fn no_spelling_of_a_value_gets_through() {
        for (text, kept) in [
            (
                "SET app.encryption_key = hunter2",
                "SET app.encryption_key = $1",
            ),
            (
                "SET app.encryption_key='hunter2'",
                "SET app.encryption_key=$1",
            ),
            ("set App.Key to \"hunter2\"", "set App.Key to $1"),
            (
                "SET \"app.key\" TO U&\"hunter2\" UESCAPE '!'",
                "SET \"app.key\" TO $1",
            ),
            (
                "SET app.key = hunter2, 'hunter2' , -2, on",
                "SET app.key = $1, $2 , $3, on",
            ),
            (
                "SET SESSION app.key = hunter2; SELECT a",
                "SET SESSION app.key = $1; SELECT a",
            ),
            (
                "SET LOCAL app.key TO hunter2 -- why",
                "SET LOCAL app.key TO $1",
            ),
            ("SET local.key TO hunter2", "SET local.key TO $1"),
            (
                "SELECT a; SET application_name = hunter2",
                "SELECT a; SET application_name = $1",
            ),
            (
                "ALTER ROLE s11 SET app.key = hunter2",
                "ALTER ROLE s11 SET app.key = $1",
            ),
            (
                "ALTER ROLE set IN DATABASE set SET app.key TO hunter2",
                "ALTER ROLE set IN DATABASE set SET app.key TO $1",
            ),
            (
                "ALTER USER ALL SET app.key = hunter2",
                "ALTER USER ALL SET app.key = $1",
            ),
            (
                "ALTER ROLE password SET app.password = hunter2",
                "ALTER ROLE password SET app.password = $1",
            ),
            (
                "ALTER DATABASE shop SET app.key TO hunter2",
                "ALTER DATABASE shop SET app.key TO $1",
            ),
            (
                "ALTER SYSTEM SET app.key = hunter2",
                "ALTER SYSTEM SET app.key = $1",
            ),
            (
                "ALTER FUNCTION a.f(int) STABLE SET app.key = hunter2, hunter2",
                "ALTER FUNCTION a.f(int) STABLE SET app.key = $1, $2",
            ),
            (
                "ALTER ROUTINE set SET app.key = set",
                "ALTER ROUTINE set SET app.key = $1",
            ),
            (
                "CREATE FUNCTION f(a int DEFAULT 1) RETURNS int SET app.key = stable SET app.other TO -2 STABLE LANGUAGE sql AS 'x'",
                "CREATE FUNCTION f(a int DEFAULT $1) RETURNS int SET app.key = $2 SET app.other TO $3 STABLE LANGUAGE sql AS $4",
            ),
            (
                "CREATE OR REPLACE PROCEDURE set() LANGUAGE sql SET app.key = hunter2 BEGIN ATOMIC UPDATE t SET a = b; END",
                "CREATE OR REPLACE PROCEDURE set() LANGUAGE sql SET app.key = $1 BEGIN ATOMIC UPDATE t SET a = b; END",
            ),
        ] {
            assert_eq!(redacted(text), kept, "{text}");
            assert!(grammar::takes(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        for text in [
            "SET search_path = a, \"B\"",
            "SET SESSION client_encoding = utf8",
            "SET TimeZone = UTC",
            "SET LOCAL TIME ZONE utc",
            "SET DateStyle = ISO, MDY",
            "SET SCHEMA $1",
            "SET app.flag = on",
            "SET app.flags = true, FALSE, off",
            "SET app.key TO DEFAULT",
            "SET app.key FROM CURRENT",
            "RESET app.key",
            "SHOW app.key",
            "SET ROLE boss",
            "SET role = boss",
            "SET SESSION AUTHORIZATION boss",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET CONSTRAINTS a, b DEFERRED",
            "ALTER ROLE a SET search_path TO b",
            "ALTER ROLE a PASSWORD NULL LOGIN",
            "ALTER ROLE a RENAME TO password",
            "ALTER DATABASE a SET TABLESPACE b",
            "ALTER DATABASE a OWNER TO b",
            "ALTER TABLE a ALTER b SET DEFAULT now()",
            "ALTER FUNCTION f() SET SCHEMA b",
            "ALTER FUNCTION f() SET app.key FROM CURRENT",
            "CREATE TABLE a (password text)",
            "CREATE USER MAPPING FOR a SERVER password",
            "UPDATE a SET b = c",
            "SELECT password FROM set",
        ] {
            let kept = redacted(text);
            assert!(kept == text || text == "SET SCHEMA $1", "{text}: {kept}");
        }
    }

    #[test]
    fn of_what_is_no_sql_only_the_leading_words_are_kept() {
        for (text, kept) in [
            ("ALTER ROLE s11 PASSWORD \"hunter2\"", "ALTER ROLE …"),
            ("alter user s11 password hunter2", "alter user …"),
            ("ALTER ROLE s11 PASSWORD ‘hunter2’", "ALTER ROLE …"),
            ("SET app.key hunter2", "SET …"),
            (
                "CREATE OR REPLACE FUNCTION hunter2(",
                "CREATE OR REPLACE FUNCTION …",
            ),
            (
                "SET SESSION SESSION SESSION SESSION hunter2",
                "SET SESSION SESSION SESSION …",
            ),
            ("SELECT 'a' FROM", "SELECT …"),
            ("hunter2 alter role", "…"),
            ("alter hunter2; role", "alter …"),
            ("select 'hunter2", "select …"),
            ("\"hunter2\"", "…"),
        ] {
            assert_eq!(redacted(text), kept, "{text}");
        }
        // Our own grammar's errors are none.
        assert_eq!(redacted("select 'a' -- x\n 'b'"), "select $1");
        assert_eq!(redacted("IDENTIFY_SYSTEM"), "IDENTIFY_SYSTEM");
        // Of a text that is too long to be asked about, up to where a password may be.
        let long = "; select a".repeat(MAX_TEXT / 10 + 1);
        for password in [
            "hunter2",
            "\"hunter2\" hunter2",
            "= 'a' hunter2",
            "'it's hunter2",
            "“hunter2 hunter2”",
        ] {
            let kept = redacted(&format!("ALTER ROLE s11 PASSWORD {password}{long}"));
            assert_eq!(
                kept.trim_end_matches('…').trim_end(),
                "ALTER ROLE s11 PASSWORD $1",
                "{password}"
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
            assert_eq!(redacted(&format!("select 1, {rest}")), "select …");
            let long = format!("select 1, {}{rest}", " ".repeat(MAX_TEXT - 20));
            let kept = redacted(&format!("{long} {long}"));
            assert_eq!(kept.trim_end_matches('…').trim_end(), "select $1,");
        }
        let text = b"select 's3cret\xff', \"\xff\", 's3cret'";
        assert_eq!(&*redact(text), "select …");
        assert_eq!(
            &*redact(&[&text[..], &[b' '; MAX_TEXT]].concat()),
            "select $1, …"
        );
    }

    #[test]
    fn no_beginning_of_a_text_gives_a_constant_away() {
        let text = "insert into t values ('it''s3cret', E's3\\'cret', $a$ s3cret $a$, U&'s3cret' UESCAPE '!') -- s3cret\n, 's3' \n 'cret'";
        for end in 0..text.len() {
            for behind in [0, MAX_TEXT] {
                let kept = redacted(&format!("{}{}", &text[..end], " ".repeat(behind)));
                assert!(
                    !kept.contains("s3") && !kept.contains("cret"),
                    "{end}: {kept}"
                );
            }
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = redacted(&format!("select {}", "é".repeat(5000)));
        assert!(text.len() <= MAX_REDACTED + '…'.len_utf8() && text.ends_with("é…"));
    }
}
