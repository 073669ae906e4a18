//! Every describing command of psql with every suffix it may have, by psql 15 and 17: the same output straight
//! and through Portcullis, under the policy that is shipped.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::{compare, programs};
use crate::support::psql::with_input;
use crate::support::{Login, Pooler, Psql, Stack, Version};

const LETTERS: [&str; 46] = [
    "d", "da", "dA", "dAc", "dAf", "dAo", "dAp", "dc", "dC", "dd", "dD", "ddp", "dE", "des", "det",
    "deu", "dew", "df", "dF", "dFd", "dFp", "dFt", "dg", "di", "dl", "dL", "dm", "dn", "do", "dO",
    "dp", "dP", "dRp", "dRs", "drds", "ds", "dt", "dT", "du", "dv", "dx", "dX", "dy", "z",
    "lo_list", "dfnptwa",
];

/// With patterns, and what is neither a list nor a description.
const OTHERS: &str = r#"
\d+ *
\d public.*
\dS+ pg_catalog.pg_class
\dt *.*
\dt pub*.c?st*
\dtvmsE public.*
\di+ lines_*
\dP+ events
\dPtin *
\dp public.orders
\df pg_catalog.sum
\df *total* int
\df+ public.*
\dfn create_order text
\do+ + int4 int4
\do pg_catalog.||
\da+ pg_catalog.string_agg
\dAo+ btree integer_ops
\dAf btree int*
\dT+ public.*
\dTS+ int4range
\dC+ int*
\dO "C"
\dx plpgsql
\dx+ plpgsql
\dn+ public
\du shop_acme
\l shop
\drds shop_acme shop
\dconfig work_mem
\dconfig+ search_path
\ddp public
\dd customers
\sf create_order
\sf+ grant_total(int)
\sv+ totals
\ef create_order
\ev totals
\d "table"
\d nothing_of_the_kind
\gdesc
SELECT 1 AS a, now() AS b, ARRAY['x'] AS c \gdesc
SELECT customer, product, amount FROM lines ORDER BY 1, 2 \crosstabview customer product amount
SELECT id, name FROM customers ORDER BY id \gx
SELECT 'x' AS one, 2 AS two \gset of_
\echo :of_one :of_two
SELECT format('SELECT %L', name) FROM customers ORDER BY id \gexec
SELECT 1 \; SELECT 2 \; SELECT 3;
BEGIN \; SELECT count(*) FROM orders \; COMMIT;
\if true
SELECT 'if';
\else
SELECT 'else';
\endif
\copy (SELECT id, name FROM customers ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)
\encoding
\x auto
SELECT * FROM customers ORDER BY id;
\pset format csv
TABLE jobs;
SELECT * FROM nothing_of_the_kind;
\errverbose
"#;

/// Of psql 16 and newer.
const NEWER: &str = r"
\drg
\drgS shop_*
SELECT name FROM customers WHERE id = $1 \bind 1 \g
SELECT $1::int + $2::int AS sum \bind 1 2 \gx
SELECT set_config('statement_timeout', '1min', false) \bind \g
";

/// All of them, each behind a mark; COPY is not for people, by the policy's own rule.
fn script(login: &str, newer: bool) -> String {
    let mut script = String::new();
    for letters in LETTERS {
        for suffix in ["", "+", "S", "S+"] {
            writeln!(script, "\\echo ## {letters}{suffix}\n\\{letters}{suffix}").expect("a string");
        }
    }
    let newer = if newer { NEWER } else { "" };
    let all = OTHERS.lines().chain(newer.lines());
    for line in all.filter(|line| login != PERSON || !line.starts_with("\\copy")) {
        let mark = line.replace(['\\', '\'', '"', '`', ':'], " ");
        writeln!(script, "\\echo ## {mark}\n{line}").expect("a string");
    }
    script
}

const PERSON: &str = "boris";

fn psql(program: &Path, login: &Login, options: &str, script: &str) -> Psql {
    let mut command = Command::new(program);
    command.args(["-X", "-f", "-"]).envs(login.environment());
    command.env("PSQL_EDITOR", "true").env("PGOPTIONS", options);
    with_input(command, script).into()
}

fn describes_the_same(stack: &Stack, program: &Path, newer: bool) {
    for login in ["shop_acme", PERSON] {
        let script = script(login, newer);
        let straight = Login {
            sslmode: "disable",
            ..stack.login_at(stack.cluster.port, login, "shop")
        };
        let expected = psql(program, &straight, "-c app.tenant_id=acme", &script);
        let found = psql(program, &stack.login(login, "shop"), "", &script);
        let parts =
            |output: &str| -> Vec<String> { output.split("## ").map(str::to_owned).collect() };
        let all = [&expected, &found].map(|said| parts(&said.stdout));
        let different = all[0].iter().zip(&all[1]).find(|(one, other)| one != other);
        if let Some((expected, found)) = different {
            panic!("{login}: expected\n{expected}\nfound\n{found}");
        }
        assert_eq!(found.stderr, expected.stderr, "{login}");
        assert_eq!(all[1].len(), all[0].len(), "{login}");
        assert!(all[0].len() > 200, "{}", expected.stdout);
    }
}

#[test]
fn psql_15_describes_the_same() {
    let stack = compare::shipped(crate::OLD);
    let program = Version::Pg15.bin().join("psql");
    describes_the_same(&stack, &program, false);
}

#[test]
fn psql_17_describes_the_same() {
    let program = Version::Pg17.bin().join("psql");
    for version in [Version::Pg15, Version::Pg17, Version::Pg18] {
        let stack = compare::shipped((version, Pooler::V1_24));
        describes_the_same(&stack, &program, true);
    }
}

#[test]
fn pg_dump_17_writes_the_same() {
    let program = Version::Pg17.bin().join("pg_dump");
    let directory = tempfile::tempdir().expect("a directory");
    for version in [Version::Pg15, Version::Pg17] {
        let stack = compare::shipped((version, Pooler::V1_24));
        let straight = Login {
            sslmode: "disable",
            ..compare::direct(&stack)
        };
        let through = stack.login("shop_backup", "shop");
        let run = |login: &Login, arguments: &[&str]| -> Psql {
            let mut command = Command::new(&program);
            command.args(arguments).envs(login.environment());
            with_input(command, "").into()
        };
        // Tables with row-level security are dumped as their tenant sees them.
        const RIGHTS: [&str; 2] = ["--exclude-table-data=products", "--enable-row-security"];
        for arguments in [
            &["--schema-only"][..],
            &["--data-only", "--inserts", "--exclude-table=orders"],
            &["--exclude-table=orders", "--serializable-deferrable"],
            &[
                "--clean",
                "--if-exists",
                "--create",
                "--exclude-table=orders",
            ],
            &["--schema-only", "--quote-all-identifiers"],
        ] {
            let arguments = [arguments, &RIGHTS[..]].concat();
            let [expected, found] = [&straight, &through].map(|login| run(login, &arguments));
            assert_eq!(expected.status, 0, "{arguments:?}: {}", expected.stderr);
            assert_eq!(found.stderr, expected.stderr, "{arguments:?}");
            let [expected, found] = [expected, found].map(|said| programs::dump(&said.stdout));
            assert_eq!(found, expected, "{arguments:?}");
        }
        let file = directory.path().join(version.label());
        let file = file.to_str().expect("a path");
        let parallel = ["--format=directory", "--jobs=2", "--file", file];
        let said = run(&through, &[&parallel[..], &RIGHTS[..]].concat());
        assert_eq!(said.status, 0, "{}", said.stderr);
    }
}
