//! What a client sets for its session behaves as on a connection of its own, and nothing of it stays on
//! the pooled one. Each step is run straight at PostgreSQL and through Portcullis, on every version of
//! the stack, by both protocols: same answers, same errors, same ParameterStatus. Behind each script
//! the next client of the pool's only connection finds it as a fresh one is.

mod support;

mod parameters {
    pub mod pair;
    pub mod scripts;
}

use parameters::pair::Step;
use parameters::scripts::same;

use Step::{Batch, Query, Simple};

#[test]
fn every_form_of_set_lasts_for_the_session() {
    let form = |set: &'static str, show: &'static str| [Query(set), Query(show), Query(show)];
    let forms = [
        ("SET statement_timeout = 55555", "SHOW statement_timeout"),
        (
            "set Session Lock_Timeout TO '1s' -- a comment",
            "SHOW lock_timeout",
        ),
        (
            "SET search_path = \"$user\", public, 'Odd ''name'",
            "SHOW search_path",
        ),
        ("SET SCHEMA 'pg_catalog'", "SHOW search_path"),
        ("SET TIME ZONE 'Asia/Tokyo'", "SHOW timezone"),
        (
            "SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE",
            "SHOW timezone",
        ),
        ("SET \"TimeZone\" = 'UTC'", "SHOW timezone"),
        ("SET DateStyle = 'SQL, DMY'", "SHOW datestyle"),
        ("SET IntervalStyle = iso_8601", "SHOW intervalstyle"),
        ("SET application_name = 'über'", "SHOW application_name"),
        ("SET XML OPTION DOCUMENT", "SHOW xmloption"),
        (
            "SET extra_float_digits = 0",
            "SELECT 0.1::float8 + 0.2::float8",
        ),
        ("SET local.made = 'x'", "SHOW local.made"),
        ("SET session.made = 'x'", "SHOW session.made"),
        ("SET app.made TO 'it''s \"x\\y\"'", "SHOW app.made"),
        ("SET work_mem = '32MB'", "SHOW work_mem"),
        ("SET jit TO off;", "SHOW jit"),
        ("SET bytea_output = escape", "SELECT '\\x01'::bytea"),
        (
            "SET client_min_messages TO warning",
            "SHOW client_min_messages",
        ),
        (
            "SELECT set_config('TimeZone', 'UTC', false)",
            "SHOW timezone",
        ),
        (
            "SELECT set_config('jit', 'off', false), set_config('work_mem', '1MB', FALSE), 1 AS one",
            "SHOW jit",
        ),
        (
            "SELECT pg_catalog.set_config('search_path', '', false)",
            "SHOW search_path",
        ),
        ("SET client_encoding TO 'UTF8'", "SHOW client_encoding"),
        ("SET statement_timeout = 'never'", "SHOW statement_timeout"),
        ("SET no_such_parameter = 1", "SHOW statement_timeout"),
        (
            "SELECT set_config('jit', 'off', false), no_column",
            "SHOW jit",
        ),
        (
            "SELECT set_config('jit', 'off', false) WHERE false",
            "SHOW jit",
        ),
        (
            "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
            "SELECT 1",
        ),
        ("SET row_security = off", "SHOW row_security"),
        ("SET synchronous_commit = off", "SHOW synchronous_commit"),
    ];
    let scripts = forms.map(|(set, show)| form(set, show));
    same(&scripts.each_ref().map(|script| &script[..]));
}

#[test]
fn what_is_reset_is_as_at_the_start() {
    same(&[
        &[
            Query("SET jit = off"),
            Query("RESET jit"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET jit = off"),
            Query("SET jit TO DEFAULT"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("SET TIME ZONE LOCAL"),
            Query("SHOW timezone"),
        ],
        &[
            Query("SET jit = off"),
            Query("SET work_mem = '1MB'"),
            Query("RESET ALL"),
            Query("SHOW jit"),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET jit = off"),
            Query("DISCARD ALL"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET jit = off"),
            Query("BEGIN"),
            Query("RESET jit"),
            Query("SHOW jit"),
            Query("ROLLBACK"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET jit = off"),
            Query("BEGIN"),
            Query("SELECT 1"),
            Query("RESET ALL"),
            Query("SHOW jit"),
            Query("COMMIT"),
            Query("SHOW jit"),
        ],
    ]);
}

#[test]
fn what_is_reset_for_one_transaction_the_session_keeps() {
    same(&[
        &[
            Query("SET jit = off"),
            Query("BEGIN"),
            Query("SET LOCAL jit TO DEFAULT"),
            Query("SHOW jit"),
            Query("COMMIT"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("BEGIN"),
            Query("SET LOCAL TIME ZONE LOCAL"),
            Query("SHOW timezone"),
            Query("COMMIT AND CHAIN"),
            Query("SHOW timezone"),
            Query("SET LOCAL TIME ZONE DEFAULT"),
            Query("SHOW timezone"),
            Query("ROLLBACK"),
            Query("SHOW timezone"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Query("BEGIN"),
            Query("SAVEPOINT a"),
            Query("SET LOCAL work_mem = DEFAULT"),
            Query("SHOW work_mem"),
            Query("ROLLBACK TO a"),
            Query("SHOW work_mem"),
            Query("SET work_mem = '2MB'"),
            Query("SET LOCAL work_mem TO DEFAULT"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET jit = off"),
            Batch(&["BEGIN", "SET LOCAL jit TO DEFAULT", "SHOW jit", "COMMIT"]),
            Batch(&["SHOW jit", "SET LOCAL jit TO DEFAULT", "SHOW jit"]),
            Simple("SET LOCAL jit TO DEFAULT; SHOW jit"),
            Query("SHOW jit"),
        ],
        &[
            Query("SET search_path = pg_catalog"),
            Query("BEGIN"),
            Query("SET LOCAL search_path TO DEFAULT"),
            Query("SHOW search_path"),
            Query("RESET search_path"),
            Query("COMMIT"),
            Query("SHOW search_path"),
        ],
    ]);
}

#[test]
fn a_rollback_takes_back_what_was_set() {
    same(&[
        &[
            Query("BEGIN"),
            Query("SET jit = off"),
            Query("SHOW jit"),
            Query("ROLLBACK"),
            Query("SHOW jit"),
        ],
        &[
            Query("BEGIN"),
            Query("SET jit = off"),
            Query("COMMIT"),
            Query("SHOW jit"),
        ],
        &[
            Query("BEGIN"),
            Query("SELECT 1"),
            Query("SET jit = off"),
            Query("END"),
            Query("SHOW jit"),
        ],
        &[
            Query("BEGIN"),
            Query("SET jit = off"),
            Query("SELECT 1/0"),
            Query("COMMIT"),
            Query("SHOW jit"),
        ],
        &[
            Query("BEGIN"),
            Query("SET work_mem = '1MB'"),
            Query("SAVEPOINT a"),
            Query("SET work_mem = '2MB'"),
            Query("SAVEPOINT \"A\""),
            Query("SET work_mem = '3MB'"),
            Query("ROLLBACK TO a"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Query("BEGIN"),
            Query("SAVEPOINT a"),
            Query("SET work_mem = '2MB'"),
            Query("SELECT 1/0"),
            Query("ROLLBACK TO SAVEPOINT a"),
            Query("SHOW work_mem"),
            Query("SET work_mem = '3MB'"),
            Query("RELEASE a"),
            Query("COMMIT AND CHAIN"),
            Query("SHOW work_mem"),
            Query("SET LOCAL work_mem = '4MB'"),
            Query("SHOW work_mem"),
            Query("ROLLBACK AND CHAIN"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
        ],
        &[
            Query("BEGIN"),
            Query("SET work_mem = '1MB'"),
            Query("SET LOCAL work_mem = '2MB'"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
    ]);
}

#[test]
fn a_transaction_may_begin_with_set_local_and_with_set_transaction() {
    same(&[
        &[
            Query("SET work_mem = '1MB'"),
            Query("BEGIN"),
            Query("SET LOCAL work_mem = '2MB'"),
            Query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Query("BEGIN"),
            Query("SET work_mem = '2MB'"),
            Query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
            Query("SHOW transaction_isolation"),
            Query("SHOW work_mem"),
            Query("ROLLBACK"),
            Query("SHOW work_mem"),
        ],
    ]);
}

#[test]
fn what_is_set_is_reported_as_on_a_connection_of_its_own() {
    same(&[
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("SELECT 1"),
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("RESET ALL"),
        ],
        &[
            Query("SET DateStyle = 'SQL, DMY'"),
            Query("SELECT '2001-02-03'::date"),
            Query("SET DateStyle = 'ISO'"),
            Query("SELECT '2001-02-03'::date"),
            Query("SHOW datestyle"),
        ],
        &[
            Query("BEGIN"),
            Query("SET IntervalStyle = iso_8601"),
            Query("SELECT interval '1 day'"),
            Query("ROLLBACK"),
            Query("SELECT interval '1 day'"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("BEGIN"),
            Query("SELECT 1"),
            Query("SET LOCAL TIME ZONE 'UTC'"),
            Query("SELECT 1"),
            Query("COMMIT"),
            Query("SELECT 1"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("BEGIN"),
            Query("SET TIME ZONE 'UTC'"),
            Query("SELECT 1/0"),
            Query("ROLLBACK"),
            Query("SHOW timezone"),
        ],
        &[
            Query("SET TIME ZONE 'Asia/Tokyo'"),
            Query("BEGIN"),
            Query("SAVEPOINT a"),
            Query("SET TIME ZONE 'UTC'"),
            Query("SELECT 1/0"),
            Query("ROLLBACK TO a"),
            Query("SHOW timezone"),
            Query("COMMIT"),
        ],
        &[
            Query("SET application_name = 'a'"),
            Query("SELECT 1"),
            Query("RESET application_name"),
        ],
        &[
            Query("SET search_path = public"),
            Query("RESET search_path"),
        ],
        &[
            Query("SET default_transaction_read_only = off"),
            Query("SELECT 1"),
        ],
    ]);
}

#[test]
fn several_statements_in_one_message() {
    same(&[
        &[
            Simple("SET jit = off; SET work_mem = '1MB'; SHOW jit; SHOW work_mem"),
            Query("SHOW jit"),
        ],
        &[
            Simple("SET jit = off; SELECT 1/0; SET work_mem = '1MB'"),
            Query("SHOW jit"),
        ],
        &[
            Simple("SET x.é = 'é'; SELECT nothing"),
            Simple("SET jit = off; SELECT set_config('work_mem', '1MB', false), é"),
        ],
        &[
            Simple("SET work_mem = '1MB'; SET LOCAL work_mem = '2MB'; SHOW work_mem"),
            Query("SHOW work_mem"),
        ],
        &[
            Simple("SET TIME ZONE 'Asia/Tokyo'; RESET timezone; SHOW timezone"),
            Query("SHOW timezone"),
        ],
        &[Simple("SET jit = off; RESET ALL"), Query("SHOW jit")],
        &[Simple(";; SET jit = off ;; -- end"), Query("SHOW jit")],
    ]);
}

#[test]
fn batches_and_pipelines() {
    same(&[
        &[Batch(&["SET jit = off", "SHOW jit"]), Query("SHOW jit")],
        &[Batch(&["SET jit = off", "SELECT 1/0"]), Query("SHOW jit")],
        &[
            Batch(&["BEGIN", "SET jit = off", "COMMIT", "SHOW jit"]),
            Query("SHOW jit"),
        ],
        &[
            Batch(&["BEGIN", "SET jit = off", "ROLLBACK", "SHOW jit"]),
            Query("SHOW jit"),
        ],
        &[
            Batch(&[
                "BEGIN",
                "SET work_mem = '1MB'",
                "SAVEPOINT a",
                "SET work_mem = '2MB'",
                "ROLLBACK TO a",
                "SHOW work_mem",
                "COMMIT",
                "SHOW work_mem",
            ]),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Batch(&[
                "SHOW work_mem",
                "SET work_mem = '2MB'",
                "SHOW work_mem",
                "SYNC",
                "SHOW work_mem",
                "SET work_mem = '3MB'",
                "SYNC",
                "SELECT 1/0",
                "SET work_mem = '4MB'",
                "SYNC",
                "SHOW work_mem",
            ]),
            Query("SHOW work_mem"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Batch(&[
                "BEGIN",
                "SELECT 1",
                "SYNC",
                "SET work_mem = '2MB'",
                "SYNC",
                "SHOW work_mem",
                "SYNC",
                "COMMIT",
                "SYNC",
                "SHOW work_mem",
            ]),
        ],
        &[
            Batch(&["SET LOCAL work_mem = '1MB'", "SHOW work_mem"]),
            Query("SHOW work_mem"),
        ],
    ]);
}
