//! Aliases named like guarded functions, and calls that look like aliases.

use super::super::describe;
use super::facts;

#[test]
fn an_alias_with_columns_is_no_call() {
    for text in [
        "select * from (values (1)) crosstab (n)",
        "select crosstab as query_to_xml from (values ('x')) crosstab (crosstab)",
        "select * from (select 1, 2) as \"dblink\" (a, \"b\")",
        "select * from t lo_get (a), u as LO_GET /* x */ (b)",
        "insert into t select * from (values (1)) dblink (n)",
        "with x as (select * from t dblink (n)) select exists (select 1 from t dblink (n)) from x",
        "select * from (t join u on true) as dblink (a, b)",
        "select * from generate_series(1, 2) with ordinality dblink (a, b)",
    ] {
        assert!(facts(text).statements[0].functions.is_empty(), "{text}");
    }
    let two = facts("select * from t dblink (a); select dblink(a) from t");
    assert!(two.statements[0].functions.is_empty());
    assert_eq!(two.statements[1].functions, ["dblink"]);
}

#[test]
fn a_call_that_looks_like_an_alias_is_a_call() {
    for text in [
        "select distinct on (a) dblink (a, b) from t",
        "select dblink (a) from t dblink (a)",
        "select dblink(a) from t",
        "select * from dblink (a)",
        "select * from lateral dblink (a) dblink (a)",
        "select * from t, dblink (a) as x (b)",
        "select * from dblink('x') dblink (a)",
        "select (dblink.a).dblink from t dblink (a)",
        "select s.dblink(a) from t dblink (a)",
        "select U&\"\\0064blink\"(a) from t dblink (a)",
        "select * from t tablesample dblink (a)",
        "select a from t dblink (a) order by dblink(a)",
        "select * from t where a = any (select dblink(b) from u dblink (b))",
        "select * from rows from (dblink(a)) as dblink (a)",
        "explain select * from t dblink (a)",
        "create view v as select * from t dblink (a)",
        "select * from json_to_record('{}') as dblink (a int)",
    ] {
        assert_eq!(facts(text).statements[0].functions, ["dblink"], "{text}");
    }
    // Of what sets parameters any spelling counts.
    let setting = describe(b"select * from t set_config (a)");
    assert_eq!(setting.statements[0].functions, ["set_config"]);
    assert_eq!(setting.statements[0].parameters.len(), 1);
    let unknown = describe(b"select * from t U&\"!0061\" uescape '!!' (a)");
    assert!(unknown.undescribed.is_some() || !unknown.statements[0].functions.is_empty());
}
