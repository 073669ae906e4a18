//! Parameters touched.

use super::super::{ParameterName, ParameterTouch, ParameterUse, ParameterUse::*};
use super::facts;

/// `*` is every parameter, `?` a computed name.
fn touches(text: &str) -> Vec<(String, ParameterUse)> {
    let name = |touch: &ParameterTouch| match &touch.name {
        ParameterName::Named(name) => name.to_string(),
        ParameterName::All => "*".to_owned(),
        ParameterName::Dynamic => "?".to_owned(),
    };
    let facts = facts(text);
    let all = facts
        .statements
        .iter()
        .flat_map(|statement| &statement.parameters);
    all.map(|touch| (name(touch), touch.how)).collect()
}

#[test]
fn every_way_to_touch_one_parameter_is_seen() {
    let table = [
        ("set app.zone = 'x'", "app.zone", Session),
        ("set sort_mem = '1TB'", "work_mem", Session),
        (
            "set local \"Vacuum_Mem\" = 1",
            "maintenance_work_mem",
            Local,
        ),
        (
            "select set_config('force_parallel_mode', 'on', false)",
            "force_parallel_mode",
            Session,
        ),
        // PostgreSQL has no such names; a prefix of ours would take them for something else.
        ("select set_config('', 'x', false)", "?", Session),
        ("select set_config('=app.zone', 'x', true)", "?", Local),
        ("select set_config('1.b', 'x', true)", "?", Local),
        ("SET SESSION App.Zone TO x", "app.zone", Session),
        ("set local app.zone to 'x'", "app.zone", Local),
        ("set \"app\".\"zone\" = 'x'", "app.zone", Session),
        ("set \"App.Zone\" = 'x'", "app.zone", Session),
        ("set U&\"\\0061pp\".zone = 'x'", "app.zone", Session),
        (
            "set U&\"!0061pp\" uescape '!' .zone = 'x'",
            "app.zone",
            Session,
        ),
        ("set local.zone = 'x'", "local.zone", Session),
        ("set session.zone = 'x'", "session.zone", Session),
        ("set local local.zone = 'x'", "local.zone", Local),
        ("set session to 'x'", "session", Session),
        ("set transaction.zone = 'x'", "transaction.zone", Session),
        ("set/**/app/**/./**/zone/**/=/**/x", "app.zone", Session),
        ("set app.zone to default", "app.zone", Reset),
        ("set local app.zone = default", "app.zone", Reset),
        ("set app.zone from current", "app.zone", Session),
        ("reset app.zone", "app.zone", Reset),
        ("reset \"APP\".zone", "app.zone", Reset),
        ("reset all", "*", Reset),
        ("discard all", "*", Reset),
        ("set time zone 'UTC'", "timezone", Session),
        ("set local time zone 'UTC'", "timezone", Local),
        ("set time zone local", "timezone", Reset),
        ("set timezone = 'UTC'", "timezone", Session),
        ("reset time zone", "timezone", Reset),
        ("set names 'SJIS'", "client_encoding", Session),
        ("set schema 'x'", "search_path", Session),
        ("set xml option document", "xmloption", Session),
        ("set role x", "role", Session),
        ("set local role to x", "role", Local),
        (
            "set session authorization default",
            "session_authorization",
            Reset,
        ),
        ("alter role r set app.zone = 'x'", "app.zone", Stored),
        (
            "alter role r in database d reset app.zone",
            "app.zone",
            Stored,
        ),
        ("alter role r reset all", "*", Stored),
        (
            "alter database d set app.zone from current",
            "app.zone",
            Stored,
        ),
        ("alter system set app.zone = 'x'", "app.zone", Stored),
        ("alter function f() set app.zone = 'x'", "app.zone", Stored),
        (
            "create function f() returns int language sql set app.zone to 'x' as 'select 1'",
            "app.zone",
            Stored,
        ),
        (
            "update pg_settings set setting = 'x' where name = 'app.zone'",
            "?",
            Stored,
        ),
        (
            "update only (pg_catalog.\"pg_settings\") set setting = 'x'",
            "?",
            Stored,
        ),
        (
            "with x as (update U&\"pg\\005fsettings\" s set setting = 'x' returning 1) select 1",
            "?",
            Stored,
        ),
        (
            "with recursive x as (select 1 a) search depth first by a set set update pg_settings set setting = 'x'",
            "?",
            Stored,
        ),
        (
            "explain analyze update pg_settings set setting = 'x'",
            "?",
            Stored,
        ),
    ];
    for (text, name, how) in table {
        assert_eq!(touches(text), [(name.to_owned(), how)], "{text}");
    }
    let characteristics = |modes: &str| {
        let text = format!("set session characteristics as transaction {modes}");
        let names = touches(&text).into_iter().map(|(name, _)| name);
        names.collect::<Vec<_>>().join(" ")
    };
    let read_only = "default_transaction_read_only";
    assert_eq!(characteristics("read only"), read_only);
    assert_eq!(
        characteristics("isolation level serializable, read write, not deferrable"),
        format!("default_transaction_isolation {read_only} default_transaction_deferrable")
    );
    // PostgreSQL cuts identifiers to 63 bytes.
    let long = "z".repeat(70);
    assert_eq!(
        touches(&format!("set a.{long} = 1")),
        [(format!("a.{}", &long[..63]), Session)]
    );
}

#[test]
fn set_config_is_seen_wherever_it_is_called() {
    let table = [
        (
            "select set_config('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config('App.Zone', 'x', false)",
            "app.zone",
            Session,
        ),
        (
            "select SET_CONFIG ('app.zone', 'x', TRUE)",
            "app.zone",
            Local,
        ),
        (
            "select pg_catalog.set_config('app.zone', 'x', $1)",
            "app.zone",
            Session,
        ),
        (
            "select \"pg_catalog\" . \"set_config\" /* x */ ('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select U&\"set\\005fconfig\"('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select U&\"set!005fconfig\" uescape '!' ('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select U&\"set!005fconfig\" uescape E'\\x21' ('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select U&\"set!005fconfig\" uescape $$!$$ ('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select U&\"set!005fconfig\" uescape ''\n'!' ('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select U&\"s\\+000065t_config\"('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config(E'app\\x2ezone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config(E'\\141pp.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config(U&'app\\002ezone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config(U&'app!002ezone' uescape '!', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app'\n'.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config($a$app.zone$a$, 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone'::text, 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config(cast('app.zone' as varchar), 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone'::varchar(3), 'x', true)",
            "?",
            Local,
        ),
        (
            "select set_config(cast('app.zone' as varchar(3)), 'x', true)",
            "?",
            Local,
        ),
        (
            "select set_config('app.zone'::text::name, 'x', true)",
            "?",
            Local,
        ),
        (
            "select set_config(cast('app.zone' as \"Text\"), 'x', true)",
            "?",
            Local,
        ),
        (
            "select set_config(cast('app.' as text) || 'zone', 'x', true)",
            "?",
            Local,
        ),
        ("select set_config('it''s', 'x', true)", "it's", Local),
        ("select set_config($1, 'x', true)", "?", Local),
        ("select set_config('app.' || 'zone', 'x', true)", "?", Local),
        (
            "select set_config(('app.zone'), 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone', 'x', true or false)",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', not true)",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', 't'), 1",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone', 'x', E'\\x74rue')",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone', 'x', 'YES'::boolean)",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone', 'x', true::bool)",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone', 'x', cast('1' as boolean))",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone', 'x', 'f')",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', 'tr'\n'ul')",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', 't' || 'x')",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', false and 't')",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', not 't'::bool)",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', not cast('t' as bool))",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', 't'::own)",
            "app.zone",
            Session,
        ),
        (
            "select set_config('app.zone', 'x', \"true\")",
            "app.zone",
            Session,
        ),
        ("select set_config((bool))", "?", Session),
        (
            "select set_config('app.zone', f(1, 2), true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config('app.zone', (array['a', 'b'])[1], true)",
            "app.zone",
            Local,
        ),
        (
            "select set_config(is_local => false, setting_name => 'app.zone', new_value => 'x')",
            "app.zone",
            Session,
        ),
        (
            "with x as (select set_config('app.zone', 'x', true)) select * from x",
            "app.zone",
            Local,
        ),
        (
            "select (select set_config('app.zone', 'x', true))",
            "app.zone",
            Local,
        ),
        (
            "select * from rows from (set_config('app.zone', 'x', true)) as t",
            "app.zone",
            Local,
        ),
        (
            "insert into t values (set_config('app.zone', 'x', true))",
            "app.zone",
            Local,
        ),
        (
            "copy (select set_config('app.zone', 'x', true)) to stdout",
            "app.zone",
            Local,
        ),
        (
            "prepare p as select set_config('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "declare c cursor for select set_config('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "explain analyze select set_config('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select 1 limit length(set_config('app.zone', 'x', true))",
            "app.zone",
            Local,
        ),
        (
            "select 1 from t order by set_config('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
        (
            "select xmlelement(name a, set_config('app.zone', 'x', true))",
            "app.zone",
            Local,
        ),
        (
            "do 'x'; select set_config('app.zone', 'x', true)",
            "app.zone",
            Local,
        ),
    ];
    for (text, name, how) in table {
        assert_eq!(touches(text), [(name.to_owned(), how)], "{text}");
        let facts = facts(text);
        let called = facts
            .statements
            .iter()
            .any(|statement| statement.functions == ["set_config"]);
        assert!(called, "{text}");
    }
    let twice = "select set_config('a', set_config('b', '', false), true)";
    assert_eq!(
        touches(twice),
        [("a".to_owned(), Local), ("b".to_owned(), Session)]
    );
}

#[test]
fn pg_dump_is_taken_at_its_word_and_nobody_else() {
    let dump = "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'";
    let name = "restrict_nonsystem_relation_kind";
    assert_eq!(touches(dump), [(name.to_owned(), Session)]);
    assert_eq!(
        touches(&format!("select 1; {dump};")),
        [(name.to_owned(), Session)]
    );
    for (from, to) in [
        ("'view, foreign-table'", "'off'"),
        (name, "standard_conforming_strings"),
        ("WHERE name = ", "WHERE name <> "),
        ("FROM pg_settings", "FROM mine"),
        ("SELECT ", "SELECT set_config(name, 'off', false), "),
        ("_kind'", "_kind' OR true"),
        ("SELECT ", "EXPLAIN ANALYZE SELECT "),
    ] {
        let other = touches(&dump.replace(from, to));
        assert!(other.iter().all(|(name, _)| name == "?"), "{from} {to}");
        assert!(!other.is_empty(), "{from} {to}");
    }
}

#[test]
fn reading_settings_touches_nothing() {
    let harmless = [
        "show app.zone",
        "select current_setting('app.zone')",
        "select 'set_config(''a'', ''b'', true)'",
        "select set_config from t",
        "select \"SET_CONFIG\"('a', 'b', true)",
        "select my_set_config('a', 'b', true)",
        "select * from pg_settings",
        "select * from pg_settings for update",
        "insert into t values (1) on conflict (a) do update set pg_settings = 1",
        "update settings set pg_settings = 1",
        "-- set_config('a', 'b', true)\nselect 1",
    ];
    for text in harmless {
        assert_eq!(touches(text), [], "{text}");
        assert!(
            facts(text)
                .statements
                .iter()
                .all(|statement| statement.functions.is_empty()),
            "{text}"
        );
    }
}
