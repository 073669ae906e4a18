//! How a text is cut into statements; their tags and positions.

use super::super::{Class, Undescribed, describe};
use super::facts;

#[test]
fn an_empty_query_has_no_statements() {
    for text in [
        "",
        " \t\r\n",
        ";",
        ";;/* x */;",
        "-- nothing",
        "/* /* */ */",
    ] {
        let facts = facts(text);
        assert!(facts.is_empty_query(), "{text:?}");
        assert_eq!(facts.fingerprint(), None);
    }
}

#[test]
fn statements_are_cut_where_the_grammar_cuts_them() {
    let table = [
        ("select 1; select ';'; select $$;$$", 3),
        (
            "create function f() returns int begin atomic select case when a then b end from t; select 2; end; select 3",
            2,
        ),
        (
            "create or replace procedure p() begin atomic end; select 1",
            2,
        ),
        (
            "create function f() returns int begin atomic select 1 end; select a.end from a; end",
            1,
        ),
        ("create function f() returns int return 1; select 1", 2),
        (
            "create rule r as on insert to t do (select 1; select 2;); select 1",
            2,
        ),
        ("begin; end; begin; end", 4),
        ("create schema s create table a (b int); select 1", 2),
    ];
    for (text, count) in table {
        assert_eq!(facts(text).statements.len(), count, "{text}");
    }
}

#[test]
fn tags_are_those_of_postgresql() {
    let table = [
        ("select 1", "SELECT"),
        ("with x as (select 1) insert into t select 1", "INSERT"),
        ("with x as (delete from t returning 1) select 1", "SELECT"),
        ("select 1 into t", "SELECT INTO"),
        (
            "create table t (a int generated always as (1) stored)",
            "CREATE TABLE",
        ),
        ("create table t as select 1", "CREATE TABLE AS"),
        (
            "create unique index concurrently i on t (a)",
            "CREATE INDEX",
        ),
        (
            "create or replace temp recursive view v (a) as select 1",
            "CREATE VIEW",
        ),
        (
            "create constraint trigger t after insert on u for each row execute function f()",
            "CREATE TRIGGER",
        ),
        (
            "create text search configuration c (copy = d)",
            "CREATE TEXT SEARCH CONFIGURATION",
        ),
        ("drop foreign table t", "DROP FOREIGN TABLE"),
        ("drop operator class c using btree", "DROP OPERATOR CLASS"),
        (
            "alter materialized view v rename to w",
            "ALTER MATERIALIZED VIEW",
        ),
        ("alter user u nologin", "ALTER ROLE"),
        (
            "alter user mapping for u server s options (a 'b')",
            "ALTER USER MAPPING",
        ),
        ("grant a to b", "GRANT ROLE"),
        ("grant select on t to b", "GRANT"),
        ("lock t", "LOCK TABLE"),
        ("end", "COMMIT"),
        ("abort", "ROLLBACK"),
    ];
    for (text, tag) in table {
        assert_eq!(facts(text).statements[0].tag, tag, "{text}");
    }
}

#[test]
fn positions_count_characters() {
    let facts = facts("  select 'é';/* ü */ drop table t;\n\ntruncate t");
    let positions: Vec<_> = facts
        .statements
        .iter()
        .map(|statement| statement.position)
        .collect();
    assert_eq!(positions, [3, 22, 37]);
    assert_eq!(facts.statements[1].classes, super::set(&[Class::Ddl]));
}

#[test]
fn syntax_errors_have_postgresqls_words_and_place() {
    let table = [
        ("selct 1", "syntax error at or near \"selct\"", 1),
        ("select 'é' fro t t", "syntax error at or near \"t\"", 16),
        (
            "select a, b, from t",
            "syntax error at or near \"from\"",
            14,
        ),
        (
            "select from where where",
            "syntax error at or near \"where\"",
            13,
        ),
        ("select (1", "syntax error at end of input", 10),
        (
            "select 1) from t; select )",
            "syntax error at or near \")\"",
            9,
        ),
    ];
    for (text, words, place) in table {
        let facts = describe(text.as_bytes());
        let Some(Undescribed::Syntax { message, position }) = &facts.undescribed else {
            panic!("{text}: {facts:?}")
        };
        assert_eq!((message.as_str(), *position), (words, place), "{text}");
        assert!(facts.fingerprint.is_some(), "{text}");
    }
}
