//! Forms and places of SET and RESET that nobody would think of: as straight at PostgreSQL (see `parameters`).

mod support;

mod parameters {
    pub mod pair;
    pub mod scripts;
}

use parameters::pair::Step;
use parameters::scripts::{same, same_with};

use Step::{Batch, Bound, Query, Simple};

#[test]
fn odd_forms_of_set_do_the_same() {
    let form = |set: &'static str, show: &'static str| [Query(set), Query(show)];
    let forms = [
        ("SET TIME ZONE -7", "SHOW timezone"),
        ("SET SESSION TIME ZONE +5.5", "SHOW timezone"),
        ("SET TIME ZONE DEFAULT", "SHOW timezone"),
        ("SET SESSION SCHEMA 'nowhere'", "SHOW search_path"),
        ("SET search_path = 'a', \"B c\", d", "SHOW search_path"),
        ("SET search_path = ''", "SHOW search_path"),
        ("SET search_path TO 'a, b'", "SHOW search_path"),
        ("SET search_path = DEFAULT", "SHOW search_path"),
        (
            "SELECT set_config('search_path', 'a, \"B c\"', false)",
            "SHOW search_path",
        ),
        ("SET DateStyle TO ISO, DMY", "SHOW datestyle"),
        ("SET work_mem = 4096.7", "SHOW work_mem"),
        ("SET work_mem TO '0x1000'", "SHOW work_mem"),
        ("SET work_mem = -5", "SHOW work_mem"),
        ("SET statement_timeout = 1e3", "SHOW statement_timeout"),
        (
            "SET statement_timeout TO '1.5min'",
            "SHOW statement_timeout",
        ),
        ("SET jit = of", "SHOW jit"),
        ("SET jit = 'tr'", "SHOW jit"),
        ("SET U&\"ti\\006Deout\".x = 1", "SHOW timeout.x"),
        ("SET U&\"ji\\0074\" = off", "SHOW jit"),
        ("SET app.\"mAde é\" = 'x'", "SHOW app.\"MADE é\""),
        ("SET a.b.c = 'x'", "SHOW a.b.c"),
        ("SET work_mem FROM CURRENT", "SHOW work_mem"),
        // PostgreSQL 15 knows the one, later versions the other.
        ("SET force_parallel_mode = on", "SHOW force_parallel_mode"),
        ("SET debug_parallel_query = on", "SHOW debug_parallel_query"),
        ("SET sort_mem = '1MB'", "SHOW sort_mem"),
        ("SET jit = U&'o\\0066f'", "SHOW jit"),
        ("SET jit = U&'o!0066f' UESCAPE '!'", "SHOW jit"),
        ("SET jit = U&\"o!0066f\" UESCAPE\n'!' -- c", "SHOW jit"),
        ("SET jit = U&'off' UESCAPE", "SHOW jit"),
        (
            "SET application_name = U&'a!0062' UESCAPE E'\\x21'",
            "SHOW application_name",
        ),
        ("SET U&\"ji!0074\" UESCAPE '!' = off", "SHOW jit"),
        ("RESET U&\"ji!0074\" UESCAPE '!'", "SHOW jit"),
        (
            "SELECT set_config(U&'j!0069t' UESCAPE '!', U&'of!0066' UESCAPE '!', false)",
            "SHOW jit",
        ),
        ("SET NAMES 'UTF8'", "SHOW client_encoding"),
        ("SET NAMES 'utf-8'", "SHOW client_encoding"),
        (
            "SELECT set_config('WORK_MEM', '1MB', false)",
            "SHOW work_mem",
        ),
        (
            "SELECT set_config('work_mem', NULL, false)",
            "SHOW work_mem",
        ),
        (
            "SELECT set_config('app.made', NULL, false)",
            "SHOW app.made",
        ),
        ("SELECT set_config('app.made', '', false)", "SHOW app.made"),
        ("SET LOCAL jit = off", "SHOW jit"),
        ("SET app.made = E'a\\nb'", "SHOW app.made"),
        ("SET app.made = $$it's$$", "SHOW app.made"),
        ("SET app.made = 'a'\n'b'", "SHOW app.made"),
        ("SET app.made = 1, 2", "SELECT 1"),
        ("SET app.made = \"X y\"", "SHOW app.made"),
        (
            "SET DEFAULT_TRANSACTION_ISOLATION = SERIALIZABLE",
            "SHOW default_transaction_isolation",
        ),
        (
            "SET transaction_isolation = serializable",
            "SHOW transaction_isolation",
        ),
        (
            "SET transaction_read_only = on",
            "SHOW transaction_read_only",
        ),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, READ WRITE",
            "SHOW default_transaction_read_only",
        ),
    ];
    let scripts = forms.map(|(set, show)| form(set, show));
    same(&scripts.each_ref().map(|script| &script[..]));
    same(&[
        &[
            Query("BEGIN"),
            Query("SET LOCAL work_mem = '1MB'"),
            Query("SET work_mem FROM CURRENT"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
        &[
            Query("BEGIN"),
            Query("SET work_mem = '1MB'"),
            Query("SET LOCAL work_mem = '2MB'"),
            Query("SAVEPOINT s"),
            Query("RESET work_mem"),
            Query("SHOW work_mem"),
            Query("SELECT 1/0"),
            Query("ROLLBACK TO s"),
            Query("SHOW work_mem"),
            Query("COMMIT AND CHAIN"),
            Query("SHOW work_mem"),
            Query("ROLLBACK"),
        ],
        &[
            Query("SET work_mem = '1MB'"),
            Query("BEGIN"),
            Query("SET LOCAL work_mem = '5MB'"),
            Query("SAVEPOINT s"),
            Query("RESET ALL"),
            Query("SET nothing = 1"),
            Query("ROLLBACK TO s"),
            Query("SHOW work_mem"),
            Query("COMMIT"),
            Query("SHOW work_mem"),
        ],
    ]);
    // Several in one text: each keeps its UESCAPE.
    same(&[
        &[
            Step::Simple(
                "SET jit = U&'o!0066f' UESCAPE '!' ; SHOW jit; SET app.made = U&'?0061' uescape '?'",
            ),
            Query("SHOW jit"),
            Query("SHOW app.made"),
        ],
        &[
            Step::Simple("SET jit = U&'o!0066f' UESCAPE '!'; SELECT 1/0"),
            Query("SHOW jit"),
        ],
    ]);
    same_with(
        &[("options", "-c work_mem=3MB"), ("TimeZone", "Asia/Tokyo")],
        &[&[
            Query("BEGIN"),
            Query("SET work_mem = '1MB'"),
            Query("RESET ALL"),
            Query("SHOW work_mem"),
            Query("SELECT 1/0"),
            Query("ROLLBACK AND CHAIN"),
            Query("SHOW work_mem"),
            Query("SHOW timezone"),
            Query("COMMIT"),
        ]],
    );
}

/// What is bound says for how long: true, false, NULL for false, and what is no boolean.
#[test]
fn how_long_a_parameter_is_set_may_be_bound() {
    const NAMED: &str = "SELECT set_config('work_mem', $1, $2)";
    const BOUND: &str = "SELECT set_config($1::VARCHAR, $2::VARCHAR, $3::BOOLEAN) AS set_config_1";
    const BOTH: &str =
        "SELECT set_config('work_mem', $1, $2), set_config('app.made', $3, cast($2 as bool))";
    const SHOW: Step = Query("SHOW work_mem");
    const SHOW_MADE: Step = Query("SELECT current_setting('app.made', true)");
    let (t, f) = (Some("t"), Some("f"));
    let (two, three) = (Some("2MB"), Some("3MB"));
    let leak = |v: [Option<&'static str>; 2]| -> &'static [Option<&'static str>] {
        Box::leak(Box::new(v))
    };
    for (first, second) in [
        (t, f),
        (f, t),
        (None, Some(" TRUE ")),
        (Some("oFF"), Some("on")),
    ] {
        let [one, other] = [leak([two, first]), leak([three, second])];
        let all = |local| -> &'static [Option<&'static str>] {
            Box::leak(Box::new([Some("work_mem"), Some("5MB"), local]))
        };
        let both: &'static [_] = Box::leak(Box::new([three, first, Some("x")]));
        same(&[
            &[Bound(NAMED, one), SHOW, Bound(NAMED, other), SHOW],
            &[
                Query("BEGIN"),
                Bound(NAMED, one),
                SHOW,
                Query("SAVEPOINT s"),
                Bound(NAMED, other),
                SHOW,
                Query("ROLLBACK TO s"),
                SHOW,
                Query("COMMIT"),
                SHOW,
            ],
            &[
                Bound(BOUND, all(first)),
                SHOW,
                Query("BEGIN"),
                Bound(BOUND, all(second)),
                SHOW,
                Query("COMMIT"),
                SHOW,
                Query("RESET work_mem"),
                SHOW,
            ],
            &[
                Query("BEGIN"),
                Bound(BOUND, all(second)),
                Query("SELECT 1/0"),
                Query("ROLLBACK"),
                SHOW,
                Bound(BOTH, both),
                SHOW,
                SHOW_MADE,
            ],
            &[
                Query("SET work_mem = '7MB'"),
                Query("BEGIN"),
                Bound(NAMED, leak([None, first])),
                SHOW,
                Query("COMMIT"),
                SHOW,
            ],
            &[
                Bound("SELECT set_config('work_mem', $1, $2), 1/($3::int)", {
                    Box::leak(Box::new([two, first, Some("0")]))
                }),
                SHOW,
                Bound("SELECT set_config('work_mem', $1, ($2)) WHERE false", one),
                SHOW,
                Bound("SELECT set_config('work_mem', 'nothing', $1)", &[Some("f")]),
                SHOW,
            ],
        ]);
    }
}

#[test]
fn a_transaction_may_begin_with_show() {
    const SERIALIZABLE: Step = Query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    let begin = |show: &'static str| [Query("BEGIN"), Query(show), SERIALIZABLE];
    let end = [
        Query("SHOW transaction_isolation"),
        Query("SHOW Sort_Mem"),
        Query("SELECT current_setting('work_mem')"),
        Query("COMMIT"),
    ];
    let of = |set: &'static str, show| [&[Query(set)], &begin(show)[..], &end].concat();
    let scripts = [
        of("SELECT 1", "SHOW TRANSACTION ISOLATION LEVEL"),
        of("SELECT 1", "show timezone"),
        of(
            "SET work_mem = '1MB'",
            "SHOW \"Standard_Conforming_Strings\"",
        ),
        of("SET work_mem = '1MB'", "SHOW transaction_isolation"),
        of("SET default_transaction_read_only = on", "SHOW work_mem"),
        vec![
            Query("SET default_transaction_isolation = 'repeatable read'"),
            Query("BEGIN"),
            Query("SHOW TRANSACTION ISOLATION LEVEL"),
            Query("SHOW transaction_read_only"),
            Query("COMMIT"),
            Query("SHOW transaction_isolation"),
        ],
        vec![Batch(&[
            "BEGIN",
            "SHOW search_path",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SELECT 1",
            "COMMIT",
        ])],
        vec![Simple(
            "BEGIN; SHOW search_path; SET TRANSACTION READ ONLY; SHOW transaction_read_only; COMMIT",
        )],
    ];
    same(&scripts.each_ref().map(|script| &script[..]));
}
