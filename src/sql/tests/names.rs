//! What is behind a spelling.

use super::super::lexer::tokens;
use super::super::names::{identifier, string};

#[test]
fn identifiers_are_folded_and_decoded() {
    let table = [
        ("App_Zone", Some("app_zone")),
        ("ÄÖ", Some("ÄÖ")),
        ("\"App\"\"Zone\"", Some("App\"Zone")),
        ("U&\"\\0041\\+000062\\\\\"", Some("Ab\\")),
        ("U&\"!0041!!\" uescape '!'", Some("A!")),
        ("U&\"!0041\" uescape E'\\041'", Some("A")),
        ("U&\"$0041\" uescape $$$$", None),
        ("U&\"\\00g1\"", None),
        ("U&\"\\0041\" uescape 'ab'", None),
        ("U&\"v0041\" uescape E'\\v'", None),
        ("U&\"\\D83D\\DE00\"", None),
    ];
    for (text, name) in table {
        let (list, _) = tokens(text.as_bytes());
        assert_eq!(list.len(), 1, "{text}");
        assert_eq!(
            identifier(text.as_bytes(), &list[0]).as_deref(),
            name,
            "{text}"
        );
    }
}

#[test]
fn identifiers_are_cut_between_characters() {
    let text = "é".repeat(40);
    let (list, _) = tokens(text.as_bytes());
    assert_eq!(identifier(text.as_bytes(), &list[0]), Some("é".repeat(31)));
}

#[test]
fn string_constants_are_decoded() {
    let table = [
        ("'it''s'", Some("it's")),
        ("'a\\n'", Some("a\\n")),
        ("'a'\n -- it's\n'b''' \r 'c'", Some("ab'c")),
        // A bpchar: what becomes of it as text is not what it says.
        ("N'a'", None),
        (
            "E'\\'\\\\\\x41\\101\\u0041\\U00000041\\t\\q'''",
            Some("'\\AAAA\tq'"),
        ),
        ("E'a\\\\'\n'\\'b'", Some("a\\'b")),
        // The letter to one version, a vertical tab to another.
        ("E'\\v'", None),
        ("E'\\xff'", None),
        ("E'\\u00'", None),
        ("U&'\\0041''!' uescape '!'", None),
        ("U&'!0041''\\' uescape '!'", Some("A'\\")),
        ("$$it's$$", Some("it's")),
        ("$a$ $$ $a$", Some(" $$ ")),
        ("$$$$", Some("")),
        ("X'41'", None),
    ];
    for (text, value) in table {
        let (list, stopped) = tokens(text.as_bytes());
        assert_eq!((list.len(), stopped), (1, None), "{text}");
        assert_eq!(
            string(text.as_bytes(), &list[0]).as_deref(),
            value,
            "{text}"
        );
    }
}
