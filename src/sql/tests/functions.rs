//! Calls of guarded functions.

use super::super::{FUNCTIONS, FunctionGroup, group};
use super::facts;

#[test]
fn guarded_functions_are_found() {
    let table = [
        (
            "select query_to_xml('drop table t', true, true, '')",
            vec!["query_to_xml"],
        ),
        ("select * from ts_stat('select 1')", vec!["ts_stat"]),
        (
            "select pg_read_file('/etc/passwd'), lo_import('/x')",
            vec!["pg_read_file", "lo_import"],
        ),
        (
            "select ('/etc/passwd'::text).pg_read_file",
            vec!["pg_read_file"],
        ),
        (
            "select treat('/etc/passwd'::text as pg_read_file)",
            vec!["pg_read_file"],
        ),
        (
            "select treat ( treat($1 as setof Text) as /**/ SETOF \"ts_stat\" [ ] )",
            vec!["ts_stat"],
        ),
        (
            "select TREAT(1 AS U&\"pg\\005fadvisory_lock\")::text",
            vec!["pg_advisory_lock"],
        ),
        ("select treat(x as pg_catalog.lo_import)", vec!["lo_import"]),
        ("select treat(x as query_to_xml), treat(y as text)", vec![]),
        ("select \"public\".\"dblink\"('a', 'b')", vec!["dblink"]),
        (
            "select 1 where pg_try_advisory_lock(1)",
            vec!["pg_try_advisory_lock"],
        ),
        (
            "select ts_rewrite('a'::tsquery, 'select t, s from aliases')",
            vec!["ts_rewrite"],
        ),
        (
            "select ts_rewrite('a'::tsquery, 'b'::tsquery, 'c'::tsquery)",
            vec![],
        ),
        ("select pg_advisory_xact_lock(1)", vec![]),
        (
            "select dblink, 1 as dblink, cast(x as dblink) from t",
            vec![],
        ),
        ("select treat, dblink, dblink as crosstabs from t", vec![]),
        ("select pgr_dijkstra('select 1', 1, 2)", vec!["pgr_*"]),
        ("select _PGR_dijkstra('select 1', 1, 2)", vec!["_pgr_*"]),
        (
            "select _add_raster_constraint_srid('a', 'b', 'c')",
            vec!["_add_raster_constraint*"],
        ),
        (
            "select _timescaledb_functions.drop_chunk('t')",
            vec!["_timescaledb_functions.drop_*"],
        ),
        (
            "select _timescaledb_functions.to_timestamp(1), drop_chunk('t'), _pgr, _pg(1)",
            vec![],
        ),
        (
            "select cron.schedule('* * * * *', 'drop table t')",
            vec!["cron.*"],
        ),
        (
            "select \"cron\" . U&\"un\\0073chedule\" (1)",
            vec!["cron.*"],
        ),
        ("select shop.cron.alter_job(1)", vec!["alter_job"]),
        (
            "select schedule('shift', 1), plan.schedule(1), cron.job from cron",
            vec![],
        ),
        ("select add_job('p', '1h')", vec!["add_job"]),
        ("select graphile_worker.add_job('mail', '{}')", vec![]),
        (
            "select hll_set_output_version(0), anon.load_csv('/x')",
            vec!["hll_set_output_version", "anon.load_*"],
        ),
        (
            "select periods.add_period('a', 'b', 'c', 'd'), add_period(1), anon.partial('x', 1, '*', 1), hll_add(a, b), set_user(7)",
            vec!["periods.add_*"],
        ),
        ("table pg_file_settings", vec!["pg_file_settings"]),
        (
            "select * from pg_catalog.pg_hba_file_rules",
            vec!["pg_hba_file_rules"],
        ),
        (
            "select h.* from U&\"pg\\005fident_file_mappings\" h",
            vec!["pg_ident_file_mappings"],
        ),
        (
            "select s.stavalues1 from pg_statistic s",
            vec!["pg_statistic"],
        ),
        (
            "table \"pg_statistic_ext_data\"",
            vec!["pg_statistic_ext_data"],
        ),
        ("table PG_TOAST.Pg_Toast_4711", vec!["pg_toast_*"]),
        ("table U&\"pg_toast\\005f1\"", vec!["pg_toast_*"]),
        ("table pg_toast_temp_3.pg_toast_16384", vec!["pg_toast_*"]),
        (
            "select 1 from \"pg_toast_1\" as pg_toast_size",
            vec!["pg_toast_*"],
        ),
        (
            "select pg_toast_size.n as pg_toast_n, pg_toast_ from t pg_toast_size",
            vec![],
        ),
        (
            "select * from pg_stats, pg_statistic_ext, pg_stat_activity where relname !~ '^pg_toast_'",
            vec![],
        ),
        ("select name, pending_restart from pg_settings", vec![]),
        ("select 'pg_file_settings'", vec![]),
    ];
    for (text, names) in table {
        assert_eq!(facts(text).statements[0].functions, names, "{text}");
    }
}

#[test]
fn the_table_of_functions_is_sorted() {
    assert!(FUNCTIONS.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(group("lo_export"), Some(FunctionGroup::Files));
    assert_eq!(group("current_setting"), None);
    for (name, group_of) in FUNCTIONS {
        assert_eq!(group(name), Some(*group_of));
        let called = name.to_uppercase().replace("_*", "_1").replace('*', "X");
        let text = format!("select {called}(1, 2)");
        assert_eq!(facts(&text).statements[0].functions, [*name]);
    }
}
