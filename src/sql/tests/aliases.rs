//! Aliases and columns named like guarded functions, and calls that look like them.

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
        "explain analyze select * from t dblink (a)",
        "copy (select * from t dblink (a)) to stdout",
        "explain declare c cursor for select * from t dblink (a)",
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
        "create table t as select dblink (a) from t dblink (a)",
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

/// PostgreSQL cuts it to 63 bytes, and its beginning says whose name it is.
#[test]
fn a_long_name_hides_no_call() {
    let long = "a".repeat(70);
    for (text, calls) in [
        (
            format!("select n from (values ('x')) as pgr_{long} (n)"),
            &[][..],
        ),
        (
            format!("select pgr_ksp(n) from (values ('x')) as pgr_{long} (n)"),
            &["pgr_*"],
        ),
        (
            format!("select pgv_set(n, n) from (values ('x')) as PGV_{long} (n)"),
            &["pgv_*"],
        ),
        (
            format!("select t.pgr_{long}, x.pgr_ksp from t, unnest(array['x']) x"),
            &["pgr_*"],
        ),
    ] {
        assert_eq!(facts(&text).statements[0].functions, calls, "{text}");
    }
}

#[test]
fn a_column_of_a_row_is_no_call() {
    for text in [
        "select t.crosstab2 from t",
        "select \"t\".\"crosstab2\", t.ts_stat as x from t where T.CROSSTAB2 is null order by t.ts_stat",
        "select s.t.dblink, shop.s.t.dblink from s.t",
        "select o.ts_stat from (select * from t) o, (values (1)) v (ts_stat)",
        "with x as (select 1 as dblink) select x.dblink from x",
        "update t set a = t.dblink + 1 where t.dblink > 1 returning t.dblink",
        "delete from t using u where u.lo_unlink = t.id",
        "insert into t (dblink) values (1) on conflict (id) do update set dblink = excluded.dblink",
        "select * from public.dblink join s.crosstab4 as c on c.ts_stat = public.dblink.id",
        "insert into public.crosstab3 values (1)",
        "insert into public.dblink (a, b) values (1, 2)",
        "insert into shop.public.\"dblink\" (a) select dblink.a from public.dblink",
        "with dblink (a) as (select 1) select dblink.a from dblink",
        "select x.dblink from unnest(array[1]) with ordinality x (dblink, n)",
        "select x.dblink from jsonb_to_recordset('[]') as x (id int, dblink text)",
        "select t.dblink from t, generate_series(1, 2) g, unnest(t.list) with ordinality as u (a, b)",
        "select t.pg_cancel_backend, f.a from f(1), t",
        "copy (select t.dblink from t) to stdout",
        "explain select t.dblink from t",
        "select t.set_config, (x).query_to_xml, x.setval from t, unnest(t.list) x",
        "select t.pgr_cost, t.pgv_x, t.pldbg_state from t",
        "select t.http_get, t.row_eq, t.runtests, t.lives_ok from t",
        "merge into t using s on s.dblink = t.dblink when matched then update set a = s.dblink",
        "copy crosstab from stdin",
        "copy public.crosstab from stdin",
        "copy crosstab (a, b) from stdin with (format csv)",
        "copy public.\"dblink\" (a) to stdout",
        "copy binary shop.public.lo_get (a) from stdin",
        "copy dblink (a) from stdin where a > 1 and dblink.b is null",
        "lock table crosstab, public.dblink, only (s.lo_get) in share mode",
        "lock public.dblink",
        "insert into duckdb.orders (a, b) values (1, 2)",
        "insert into cron.notes (a) select a from cron.other",
        "with x as (insert into duckdb.orders (a) values (1) returning a) select a from x",
        "copy duckdb.orders (a) from stdin",
        "copy duckdb.orders from stdin",
        "explain insert into shop.duckdb.orders (a) values (1)",
    ] {
        let facts = facts(text);
        assert!(
            facts.statements[0].functions.is_empty(),
            "{text}: {:?}",
            facts.statements[0].functions
        );
        assert!(facts.statements[0].parameters.is_empty(), "{text}");
    }
}

#[test]
fn a_column_that_may_be_a_call_is_a_call() {
    for text in [
        "select x.dblink from unnest(array['x']) x",
        "select \"unnest\".dblink from unnest(array['x'])",
        "select x.dblink from unnest(array['x']) as x (a)",
        "select x.dblink from rows from (unnest(array['x'])) x",
        "select x.dblink from t, lateral unnest(t.list) x",
        "select x.dblink from (t left join unnest(array['x']) x on true)",
        "select t.dblink, x.dblink from t, unnest(array['x']) x",
        "select (select x.dblink from unnest(array['x']) x), t.dblink from t",
        "select x.dblink from t x where exists (select from unnest(t.list) x where x.dblink = 1)",
        "select text.dblink from cast('x' as text)",
        "select (t).dblink from t",
        "select (t.a).dblink from t",
        "select t.a[1].dblink from t",
        "select $1.dblink",
        "select ('x'::text).dblink, t.dblink from t",
        "select (select 'x').dblink",
        "select t.dblink, dblink(t.a) from t",
        "select t.dblink, s.dblink(t.a) from t",
        "select t.dblink from t order by ('x'::text) . dblink",
        "select t.a::s.dblink from t",
        "create view v as select (t).dblink from t",
        "select x.dblink from unnest(array[1]) x (dblink), lateral (select x.dblink from unnest(array['x']) x) y",
        "select shop.dblink (a) from t",
        "with dblink (a) as (select 1) select dblink (a) from dblink",
        "select dblink (a) from x, (values (1)) dblink (b)",
    ] {
        assert_eq!(facts(text).statements[0].functions, ["dblink"], "{text}");
    }
    for (text, function) in [
        (
            "select t.pg_restore_relation_stats from t",
            "pg_restore_relation_stats",
        ),
        (
            "select * from pg_catalog.pg_hba_file_rules",
            "pg_hba_file_rules",
        ),
        ("select x.pgv_x from unnest(array['x']) x", "pgv_*"),
        (
            "select x.pg_terminate_backend from unnest(array[1]) x",
            "pg_terminate_backend",
        ),
    ] {
        assert_eq!(facts(text).statements[0].functions, [function], "{text}");
    }
}

#[test]
fn a_table_that_is_written_is_no_call() {
    for text in [
        "insert into crosstab (id, a) values (1, 2)",
        "insert into dblink(a) select a from public.dblink on conflict (a) do update set a = dblink.a + excluded.a",
        "with x as (insert into \"http\" (a) values (1) returning http.a) select a from x",
        "insert into crosstab as c (id) values (1) returning c.id",
        "explain insert into pgr_totals (a) values (1)",
    ] {
        let functions = &facts(text).statements[0].functions;
        assert!(functions.is_empty(), "{text}: {functions:?}");
    }
    for text in [
        "insert into dblink (a) values (dblink ('x'))",
        "insert into dblink (a) select dblink (a) from t",
        "insert into dblink (a) select b from dblink (a)",
        "insert into dblink as d (a) select dblink (a) from t",
        "insert into t (a) select dblink (a) from dblink",
        "with x as (insert into dblink (a) values (1)) select dblink (a) from t",
    ] {
        assert_eq!(facts(text).statements[0].functions, ["dblink"], "{text}");
    }
}

/// `http` of the extension takes a row of the type http_request, which a query may return and no table has.
#[test]
fn a_column_of_a_table_is_no_call_of_a_row() {
    for text in [
        "select t.http from t",
        "select \"e\".\"http\" as \"http\" from \"ends\" as \"e\" group by \"e\".\"http\"",
        "select public.ends.http, ends.http from public.ends",
        "select e.http from ends e join (select 1) x on true where e.http is not null",
        "select e.http, f.http from ends e left join only s.ends f using (id)",
        "update ends set http = 'x' where ends.http = 'y' returning ends.http",
        "insert into ends (http) values ('x') on conflict (id) do update set http = excluded.http where ends.http <> excluded.http",
        "update ends set a = 1 returning old.http, new.http",
        "delete from ends e using other o where o.http = e.http",
        "with x as (select e.http from ends e) select http from x",
        "merge into ends e using other o on o.id = e.id when matched then update set http = o.http",
        "select e.http from ends e tablesample system (1)",
        "copy (select e.http from ends e) to stdout",
        // A query that has a column of that name.
        "select x.http from (select 1 as http) x",
        "select x.http from (select e.http, e.a from ends e) x",
        "select x.http from (select http from ends union all select 'y') x",
        "select x.http from (values (1)) x (http)",
        "with x as (select http from ends) select x.http, y.http from x join x y using (http)",
        "with x (a, http) as (values (1, 2)) select x.http from x",
        "with recursive x as (select 1 as http union all select x.http from x) select x.http from x",
        "with x as (insert into ends (a) values (1) returning http) select x.http from x",
        "with x as (update ends set a = 1 returning a as http) select y.http from x y",
        "with x as (delete from ends e returning e.http) select x.http from x",
        "with x (http) as (delete from ends returning a) select x.http from x",
        // A function, XMLTABLE or JSON_TABLE to which the statement gives one.
        "select x.http from unnest(array['x']) x (http)",
        "select x.http, x.n from unnest(array['x']) with ordinality as x (http, n)",
        "insert into ends (http) select x.http from jsonb_to_recordset('[]') as x (id int, http text) on conflict (id) do update set http = excluded.http",
        "select x.http, e.http from rows from (f(1), g(2)) x (a, http), ends e",
        "update ends set http = x.http from unnest(array[1], array['x']) x (id, http) where x.id = ends.id",
        "select x.http from xmltable('/a' passing '<a/>' columns n for ordinality, http text) x",
        "select x.http from xmltable('/a' passing '<a/>' columns a text) x (http)",
        "select x.http from json_table('{}'::jsonb, '$' columns (http text path '$.a')) x",
        "select x.http from json_table('{}'::jsonb, '$' columns (a int, nested path '$.b' columns (http text))) x",
        "select x.http from json_table('{}'::jsonb, '$' columns (a int)) x (http)",
    ] {
        let functions = &facts(text).statements[0].functions;
        assert!(functions.is_empty(), "{text}: {functions:?}");
    }
    for text in [
        "select x.http from (select 'GET', 'http://x', null, null, null) x",
        "select x.http from (values ('GET', 'http://x', null, null, null)) x",
        "with x as (select 'GET') select x.http from x",
        "with x as (select 'GET') select y.http from x y",
        "with x as (select 'GET') select x.http from s.x",
        "select x.http from requests() x",
        "select requests.http from requests()",
        "select x.http from t, requests() x",
        "select e.http from ends e, lateral (select e.http from (select 'GET') e) y",
        "select e.http from ends e where exists (select e.http from requests() e)",
        "select j.http from (ends e cross join ends f) j",
        "select j.http from (ends e join ends f using (id)) j",
        "select u.http from ends e join ends f using (id) as u",
        "select x.http from xmltable('/a' passing '<a/>' columns a text) x",
        "select (select xmltable.http from xmltable('/a' passing '<a/>' columns a text)) from t xmltable",
        "select (select xmltable.http from xmltable('/a' passing '<a/>' columns a text)) from (select 1 as http) xmltable",
        "select (t).http from t",
        "select (t.a).http from t",
        "select http(t) from t",
        "select t.http, http(t) from t",
        "select t.http(1) from t",
        "select excluded.http from (select 'GET') excluded",
        "with old as (select 'GET') select old.http from old, ends",
        "insert into ends (a) select new.http from requests() new",
        "update ends set a = 1 returning with (old as o) o.http",
        "select $1.http",
        "select x.http",
        "select x.http from (select 'GET' as a) x, (select 1 as http) y",
        "select x.http from (select 1 as http) x (a)",
        "select x.http from (select a, (select 1 as http) from ends) x",
        "select x.http from (select * from ends) x",
        "select x.http from (select 'GET' union select 1 as http) x",
        "select (select x.http from (select 'GET') x) from (select 1 as http) x",
        "select (select x.http from requests() x) from (select 1 as http) x",
        "select (x).http from (select 1 as http) x",
        "select x.http from (select 1 as http) x where x.http(1)",
        "with x as (select 1 as http) select (with x as (select 'GET') select x.http from x) from x",
        "with x as (select 1 as http) select x.http from x x (a)",
        "with x as (select 1 as http) select y.http from x y (a)",
        "with x (a) as (select 1 as http) select x.http from x",
        "with x as (insert into ends (a) values (1) returning *) select x.http from x",
        "with x as (insert into ends (a) values (1) returning 'GET') select x.http from x",
        "with x as (insert into ends (a) values (1) returning (a).b as c) select x.http from x",
        "with x (a) as (update ends set a = 1 returning http) select x.http from x",
        "with x as (insert into ends (http) values (1)) select x.http from x",
        "with x as (delete from ends returning http) select (with x as (select 'GET') select x.http from x) from x",
        "select x.http from unnest(array['x']) x (a)",
        "select x.http from rows from (f(1) as (http text)) x (a)",
        "select x.http from unnest(array['x']) x (http), lateral (select x.http from requests() x) y",
        "select x.http from unnest(array['x']) x (http), lateral (select x.http from (select 'GET') x) y",
        "select x.http from unnest(array['x']) x (http), lateral (select x.http from (ends e join ends f on true) x) y",
        "select x.http from (select 1 as http) x, lateral (select x.http from unnest(array['x']) x) y",
        "select (select x.http from x()) from unnest(array['x']) x (http)",
        "with x as (select 'GET') select x.http from x, lateral (select 1 from f() x (http)) y",
        "select (x).http from unnest(array['x']) x (http)",
        "select x.http, http(x) from unnest(array['x']) x (http)",
        "select json_to_record.http from json_to_record('{}') as (http text)",
        "select x.http from xmltable('/a' passing '<a/>' columns http text) x (a)",
        "select (select x.http from xmltable('/a' passing '<a/>' columns a text) x) from (select 1 as http) x",
        "select x.http from json_table('{}'::jsonb, '$' columns (http text)) x (a)",
        "select x.http from json_table('{}'::jsonb, '$' as http columns (a text)) x",
        "select (select x.http from json_table('{}'::jsonb, '$' columns (a text)) x) from unnest(array['x']) x (http)",
        "select (select x.http from json_table('{}'::jsonb, '$' columns (a text)) x) from (select 1 as http) x",
        "select (select x.http from json_table('{}'::jsonb, '$' columns (a text)) as x (a)) from ends x",
    ] {
        assert_eq!(facts(text).statements[0].functions, ["http"], "{text}");
    }
}

#[test]
fn a_parameter_is_no_call() {
    for text in [
        "set my.http = 'x'",
        "set local my.dblink to 'x', 'y'",
        "set session My.\"crosstab\" to default",
        "reset my.pgr_x",
        "show my.add_job",
        "set a.http.dblink = 1",
    ] {
        let functions = &facts(text).statements[0].functions;
        assert!(functions.is_empty(), "{text}: {functions:?}");
    }
    for (text, function) in [
        ("select set_config('my.http', http('x'), true)", "http"),
        ("set my.pg_hba_file_rules = 1", "pg_hba_file_rules"),
        ("set \"a.http\".http = 1", "http"),
    ] {
        let functions = &facts(text).statements[0].functions;
        assert!(functions.contains(&function), "{text}: {functions:?}");
    }
    let two = facts("set my.dblink = 1; select x.dblink from unnest(array['x']) x");
    assert_eq!(two.statements[1].functions, ["dblink"]);
}

#[test]
fn a_temporary_table_of_a_query_calls_what_the_query_calls() {
    for text in [
        "create temp table x on commit drop as select t.dblink, t.http from t",
        "create temp table x (a) on commit drop as select * from (values (1)) crosstab (n)",
        "explain create temp table x on commit drop as select t.dblink from t",
    ] {
        let functions = &facts(text).statements[0].functions;
        assert!(functions.is_empty(), "{text}: {functions:?}");
    }
    for text in [
        "create temp table x on commit drop as select dblink(a) from t",
        "create temp table x on commit drop as select t.dblink, (t.a).dblink from t",
        "create temp table x on commit drop as select x.dblink from unnest(array['x']) x",
        "create temp table dblink (a) on commit drop as select dblink (a) from t",
        "create temp table dblink (a) on commit drop as select a from t",
        "create temp table x on commit drop as execute p (dblink (a))",
    ] {
        assert_eq!(facts(text).statements[0].functions, ["dblink"], "{text}");
    }
}

#[test]
fn what_is_written_to_is_no_call() {
    for text in [
        "update t set a.http = 1, b[1].dblink = 2, a.\"http\" = 3",
        "update t set (a.http, b) = (1, 2)",
        "insert into t (a.dblink, a.http_get) values (1, 2)",
        "insert into t (a) values (1) on conflict (a) do update set b.dblink = 1",
        "merge into t using u on true when matched then update set a.dblink = 1 when not matched then insert (a.dblink) values (1)",
    ] {
        let functions = &facts(text).statements[0].functions;
        assert!(functions.is_empty(), "{text}: {functions:?}");
    }
    for text in [
        "update t set a.dblink = (b).dblink",
        "update t set a.dblink = dblink('x')",
        "update t set a.dblink = 1 returning (a).dblink",
        "update t set a.dblink = x.dblink from unnest(array['x']) x",
        "update t set a[(b).dblink] = 1",
        "insert into t (a.dblink) select (a).dblink from t",
        "insert into t (a.dblink) select dblink (a) from t",
    ] {
        assert_eq!(facts(text).statements[0].functions, ["dblink"], "{text}");
    }
}

#[test]
fn a_call_beside_a_table_of_that_name_is_a_call() {
    for (text, function) in [
        (
            "copy dblink (a) from stdin where dblink (a) = 'x'",
            "dblink",
        ),
        (
            "copy public.dblink (a) from stdin where s.dblink (a) = 'x'",
            "dblink",
        ),
        ("copy t from stdin where dblink('x') = a", "dblink"),
        ("copy t (a) from stdin where (t.*).dblink = 1", "dblink"),
        (
            "copy (select dblink (a) from t dblink (a)) to stdout",
            "dblink",
        ),
        (
            "copy (select dblink(a) from public.dblink) to stdout",
            "dblink",
        ),
        (
            "copy pg_hba_file_rules (error) to stdout",
            "pg_hba_file_rules",
        ),
        ("lock pg_catalog.pg_hba_file_rules", "pg_hba_file_rules"),
        (
            "insert into duckdb.orders (a) select duckdb.raw_query (a) from t",
            "duckdb.*",
        ),
        (
            "insert into duckdb.orders (a) values (duckdb.raw_query('x'))",
            "duckdb.*",
        ),
        (
            "insert into t (a) select * from duckdb.orders (a)",
            "duckdb.*",
        ),
        (
            "insert into duckdb.orders (a, b[1]) values (1, 2)",
            "duckdb.*",
        ),
        (
            "insert into cron.orders (a) values (cron.schedule('x'))",
            "cron.*",
        ),
        (
            "copy duckdb.orders (a) from stdin where duckdb.x (a) = 1",
            "duckdb.*",
        ),
        ("create temp table dblink (a int) on commit drop", "dblink"),
    ] {
        assert_eq!(facts(text).statements[0].functions, [function], "{text}");
    }
}

#[test]
fn some_names_count_with_their_schema_only() {
    for (text, function) in [
        (
            "select pgtle.install_extension('a', '1', '', 'x')",
            "pgtle.*",
        ),
        ("select * from DUCKDB . \"raw_query\" ('x')", "duckdb.*"),
        ("select graphql.resolve('x')", "graphql.resolve"),
        ("select net.http_collect_response(1)", "net.http_*"),
        (
            "select pglogical.create_node('a', 'b')",
            "pglogical.create_*",
        ),
        ("select u&\"utl\\005ffile\".fopen('a', 'b')", "utl_file.*"),
        ("select shop.dbms_sql.execute(1)", "dbms_sql.*"),
        ("select partman.create_partition('a.b')", "partman.create_*"),
        ("select pgv_set('a', 'b', 1)", "pgv_*"),
    ] {
        assert_eq!(facts(text).statements[0].functions, [function], "{text}");
    }
    for text in [
        "select install_extension('x'), raw_query('x'), resolve(1), fopen('x'), create_node(1)",
        "select graph.resolve(1), graphql.other(1), net.price(1), shop.create_node(1), pglogicalx.create_node(1)",
        "select duckdb.x, duck.db('x'), a.cron from duckdb, a",
        "select pglogical.show_subscription_status(), partman.show_partitions('x')",
        "select isn_weak(), show_limit()",
    ] {
        assert!(facts(text).statements[0].functions.is_empty(), "{text}");
    }
    assert_eq!(
        facts("select isn_weak(true)").statements[0].functions,
        ["isn_weak"]
    );
}
