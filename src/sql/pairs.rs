//! The one statement that sets parameters of which a bound value says all: names and values as an array of JSON. So
//! PostGraphile 5 (@dataplan/pg) sets what its `pgSettings` say, ahead of each request.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

use super::view::View;

/// Its tokens. Names are PostgreSQL's own here as much as that of `set_config` is elsewhere: who may make a function or an
/// operator that hides them needs a migration session. A temporary table called json would be in the place of the type, and
/// then a column of that name would be read; what is accepted is no row of any table, which begins with a parenthesis.
const TOKENS: [&[u8]; 21] = [
    b"select",
    b"set_config",
    b"(",
    b"el",
    b"->>",
    b"0",
    b",",
    b"el",
    b"->>",
    b"1",
    b",",
    b"true",
    b")",
    b"from",
    b"json_array_elements",
    b"(",
    b"$1",
    b"::",
    b"json",
    b")",
    b"el",
];

/// Most pairs of one array, and so parameters of one statement.
const MOST: usize = 100;

/// The type of the bound value, where it is declared and no text: json, of which both formats are its text.
pub const JSON: u32 = 114;

/// Is it that statement? What is bound as `$1` says then what it sets, for the transaction.
pub(super) fn is_said(view: View<'_>) -> bool {
    let tokens = view.tokens.iter().map(|token| token.of(view.text));
    let mut both = tokens.zip(TOKENS);
    view.tokens.len() == TOKENS.len() && both.all(|(it, wanted)| it.eq_ignore_ascii_case(wanted))
}

/// The names and values that such a value says, in their order. None: it is anything else than an array of arrays of two
/// strings, or PostgreSQL reads it as another one. `->>` gives strings as they are; a number, null or object gives
/// something else, and of a longer array nobody means the rest.
pub fn pairs(value: &[u8]) -> Option<Vec<(String, String)>> {
    let Pairs(all) = serde_json::from_slice(value).ok()?;
    let whole = |(name, value): &(String, String)| !name.contains('\0') && !value.contains('\0');
    all.iter().all(whole).then_some(all)
}

/// At most [`MOST`]; what is longer is not read to its end.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MOST} pairs of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some([name, value]) = all.next_element::<[String; 2]>()? {
            if pairs.len() == MOST {
                return Err(A::Error::invalid_length(MOST + 1, &self));
            }
            pairs.push((name, value));
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ParameterName, ParameterUse, describe};
    use super::*;

    /// As @dataplan/pg 1.1 writes it.
    const TEXT: &str =
        "select set_config(el->>0, el->>1, true) from json_array_elements($1::json) el";

    #[test]
    fn it_is_this_statement_and_no_other() {
        let is_said = |text: &str| {
            let facts = describe(text.as_bytes());
            assert_eq!(facts.undescribed, None, "{text}");
            let statement = &facts.statements[0];
            let told = statement.details.bound.as_ref();
            let told = told.is_some_and(|it| it.0.iter().any(|it| it.pairs == Some(1)));
            if told {
                let touch = &statement.parameters[0];
                assert_eq!(
                    (&touch.name, touch.how, statement.only_sets),
                    (&ParameterName::Dynamic, ParameterUse::Local, false)
                );
            }
            told
        };
        for text in [
            TEXT.to_owned(),
            format!("{TEXT};"),
            TEXT.to_uppercase(),
            TEXT.replace(" el", " /* el */\nel"),
        ] {
            assert!(is_said(&text), "{text}");
        }
        for (a, b) in [
            ("true)", "false)"),
            ("true)", "$2)"),
            ("->>0", "->>1"),
            ("->>0", "->0::text"),
            ("->>0", "->>'0'"),
            ("->>0", "->>00"),
            ("->>0", "- >>0"),
            ("el->>0", "\"EL\"->>0"),
            ("el->>0", "lower(el->>0)"),
            ("->>1", "->>2"),
            ("::json", "::jsonb"),
            ("::json", "::text::json"),
            ("$1::json", "'[]'::json"),
            ("$1", "$2"),
            ("json_array_elements", "jsonb_array_elements"),
            ("json_array_elements", "public.json_array_elements"),
            ("json) el", "json) with ordinality el"),
            ("json) el", "json) el(el)"),
            ("json) el", "json) el where f()"),
            ("json) el", "json) el, orders"),
            ("json) el", "json) el limit 1"),
            ("select", "select 1,"),
            ("select", "with x as (select 1) select"),
            ("select", "explain analyze select"),
            ("select", "prepare p as select"),
            ("select", "declare c cursor for select"),
        ] {
            let text = TEXT.replacen(a, b, 1);
            assert!(!is_said(&text), "{text}");
        }
    }

    #[test]
    fn pairs_of_strings_are_read_and_nothing_else() {
        let read = |value: &str| pairs(value.as_bytes());
        let of = |all: &[(&str, &str)]| {
            let all = all.iter().map(|(a, b)| (a.to_string(), b.to_string()));
            Some(all.collect::<Vec<_>>())
        };
        for (value, wanted) in [
            ("[]", &[][..]),
            (" \t[\r\n] ", &[]),
            (r#"[["a.b","x"]]"#, &[("a.b", "x")]),
            (r#"[["a.b","x"],["a.b",""]]"#, &[("a.b", "x"), ("a.b", "")]),
            (
                r#"[["\u0061.\"\\\/\b\f\n\r\t","\u00e9\ud83d\ude00 é😀"]]"#,
                &[("a.\"\\/\u{8}\u{c}\n\r\t", "é😀 é😀")],
            ),
            (r#"[["a","null"]]"#, &[("a", "null")]),
        ] {
            assert_eq!(read(value), of(wanted), "{value}");
        }
        for value in [
            "",
            "null",
            "{}",
            "\"a\"",
            "[[]]",
            "[null]",
            r#"[{"a":"b"}]"#,
            r#"["a","b"]"#,
            r#"[["a"]]"#,
            r#"[["a","b","c"]]"#,
            r#"[["a",null]]"#,
            r#"[["a",1]]"#,
            r#"[["a",true]]"#,
            r#"[["a",["b"]]]"#,
            r#"[["a",{}]]"#,
            r#"[[1,"b"]]"#,
            r#"[[null,"b"]]"#,
            r#"[["a","b"],]"#,
            r#"[["a","b"]] x"#,
            r#"[["a","b"]][]"#,
            r#"[['a','b']]"#,
            r#"[["a","\u0000"]]"#,
            r#"[["a\u0000","b"]]"#,
            r#"[["a","\ud83d"]]"#,
            r#"[["a","\ude00\ud83d"]]"#,
            r#"[["a","\x61"]]"#,
            "[[\"a\",\"\t\"]]",
            // Rows of a table that is called json.
            r#"("[""a"",""b""]")"#,
            "\0\0\0\x01",
            "\u{feff}[]",
            "\u{a0}[]",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
        assert_eq!(pairs(b"[[\"a\",\"\xff\"]]"), None);
        assert_eq!(pairs(b"[[\"a\",\"\xed\xa0\xbd\"]]"), None);
        let many = |count: usize| format!("[{}]", vec![r#"["a","b"]"#; count].join(","));
        assert_eq!(read(&many(MOST)).map(|it| it.len()), Some(MOST));
        assert_eq!(read(&many(MOST + 1)), None);
    }
}
