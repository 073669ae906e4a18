//! Statements that define or describe what is called like a guarded function, and call none.

use super::facts;

fn called(text: &str) -> Vec<&'static str> {
    let facts = facts(text);
    facts.statements[0].functions.to_vec()
}

#[test]
fn a_comment_calls_nothing() {
    for text in [
        "comment on column orders.http is 'x'",
        "comment on column s.orders.add_job is null",
        "COMMENT ON COLUMN \"http\".\"http\".U&\"ht\\0074p\" IS 'http(1)'",
        "comment on table s.http is 'x'",
        "comment on view cron.add_job is 'x'",
        "comment on trigger x on s.http is 'x'",
        "comment on constraint c on s.dblink is 'x'",
        "comment on table http is 'x'",
    ] {
        assert!(called(text).is_empty(), "{text}");
    }
    // What names a function is told.
    for text in [
        "comment on function http(text) is 'x'",
        "comment on function s.http(text, int) is 'x'",
        "comment on aggregate s.http(*) is 'x'",
    ] {
        assert_eq!(called(text), ["http"], "{text}");
    }
    let two = facts("comment on column t.http is 'x'; select http('x')");
    assert!(two.statements[0].functions.is_empty());
    assert_eq!(two.statements[1].functions, ["http"]);
    let two = facts("select (x).http from t x; comment on column t.http is 'x'");
    assert_eq!(two.statements[0].functions, ["http"]);
}

#[test]
fn a_view_calls_what_its_query_calls() {
    for text in [
        "create view v as select o.http, o.add_job from orders o",
        "create or replace temp view v (http, add_job) with (security_barrier) as select orders.http, 1 from orders",
        "create view v as select * from (values (1)) as crosstab (n)",
        "create view v as select * from t dblink (a)",
        "create view v as with dblink (n) as (select 1) select n from dblink",
        "create view http (a, b) as select 1, 2",
        "create view http as select 1 as http",
        "create view s.http as select o.http from s.http o",
        "create view v as select 1 from s.crosstab with local check option",
        "create recursive view v (http) as select 1 as http union select o.http from orders o",
    ] {
        assert!(called(text).is_empty(), "{text}");
    }
    for text in [
        "create view v as select http('x') from orders o",
        "create view v (http) as select http(o) from orders o",
        "create view http (a) as select http(a) from t",
        "create view http (a) as select a from http(a)",
        "create view s.http as select (o).http from orders o",
        "create view s.http as select o.http from f() o",
        "create view v as select (select o).http from orders o",
        "create view v as select o.http from orders o where http(note) is null",
        "create view v as select x.http from http_get('x') x",
        "create view v as select treat(o as http) from orders o",
        "create view v with (a = http) as select (o).http from orders o",
        "create recursive view http (a) as select (t).http from t",
        "create recursive view http (a) as select http(a) from t",
        "create recursive view \"http\" (a) as select \"http\" (a) from t",
        "create recursive view http (a) as select a from http (a)",
        "create recursive view http (a, b) as with http (a) as (select 1) select http(a), 1 from t",
        // Not looked into.
        "create view s.http (a) as select 1",
    ] {
        assert!(called(text).contains(&"http"), "{text}: {:?}", called(text));
    }
    for text in [
        "create view v as select query_to_xml('select 1', true, true, '')",
        "create view v as select lo_get from t lo_get (a), lo_get(1)",
        "create view dblink (a) as select * from dblink (a) x (a)",
        "create view pg_read_file (a) as select x.pg_read_file from unnest(array['x']) x",
        "create view v as select * from pg_hba_file_rules",
    ] {
        assert!(!called(text).is_empty(), "{text}");
    }
}
