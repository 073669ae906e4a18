use super::*;

const POLICY: &str = "schema = 1\nenvironment = \"test\"\n[login.shop]\nkind = \"service\"\ndatabases = [\"shop\"]\n\
    [login.migrator]\nkind = \"migrator\"\ndatabases = [\"shop\"]\n[guards]\nlexing-parameters = \"observe\"\n";

/// Lints these files under a policy in a directory of its own; its name is taken out of the answer.
fn linted(files: &[(&str, &str)], change: impl FnOnce(&mut LintArgs)) -> Result<Answer, String> {
    let directory = tempfile::tempdir().unwrap();
    let work = directory.path();
    std::fs::write(work.join("policy.toml"), POLICY).unwrap();
    std::fs::create_dir_all(work.join("sql/deep")).unwrap();
    for (name, text) in files {
        std::fs::write(work.join("sql").join(name), text).unwrap();
    }
    let mut args = LintArgs {
        paths: vec![work.join("sql")],
        policy: work.join("policy.toml"),
        login: None,
        database: None,
        phase: None,
        format: Format::Text,
        json: false,
    };
    change(&mut args);
    let plain = |text: String| text.replace(&format!("{}/", work.display()), "");
    lint(&args)
        .map(|answer| Answer {
            stdout: plain(answer.stdout),
            stderr: plain(answer.stderr),
            ..answer
        })
        .map_err(plain)
}

fn text(files: &[(&str, &str)]) -> (u8, String) {
    let answer = linted(files, |_| {}).unwrap();
    (answer.code, answer.stdout)
}

#[test]
fn what_a_migration_may_do_is_clean() {
    let files = [
        (
            "1.sql",
            "-- drop\nCREATE TABLE t (id int);\nDO $$ BEGIN DROP TABLE x; END $$;\n",
        ),
        (
            "deep/2.sql",
            "ALTER TABLE t ADD n int;\n--> statement-breakpoint\nGRANT SELECT ON t TO app;",
        ),
        ("notes.txt", "COPY t TO PROGRAM 'x'"),
    ];
    let clean = "2 files, 4 statements: nothing would be refused\n";
    assert_eq!(text(&files), (0, clean.to_owned()));
}

#[test]
fn problems_have_places_in_files_with_comments_and_dollar_quotes() {
    let tricky = "/* é; */ CREATE TABLE \"ü;\" (id int);\n\
        CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $x$\n  SELECT 1; -- ;\n$x$;\r\n\
        -- before\n  COPY t FROM\n    PROGRAM 'true';\n\
        SET standard_conforming_strings = off; COPY t TO PROGRAM 'x';\n";
    let (code, said) = text(&[("2.sql", tricky), ("1.sql", "SELECT 1;")]);
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines[0].starts_with("sql/2.sql:6:3: error: "), "{said}");
    assert!(lines[0].ends_with(" [copy-program]"), "{said}");
    assert!(lines[1].starts_with("sql/2.sql:8:1: warning: "), "{said}");
    assert!(lines[1].ends_with(" [lexing-parameters]"), "{said}");
    assert!(lines[2].starts_with("sql/2.sql:8:40: error: "), "{said}");
    assert_eq!(lines[3], "2 files, 6 statements: 2 errors, 1 warning");
    assert!(said.contains("\n    hint: "), "{said}");
    assert_eq!(code, 1);
}

#[test]
fn a_statement_that_cannot_be_read_does_not_hide_the_others() {
    let sql = "CREATE TABLE é (id int);\n\\set x 1\nCREATE TABLE b (id int);\n\nCREATE TABEL c (id int);\nCOPY t TO PROGRAM 'x';\n";
    let (code, said) = text(&[("1.sql", sql)]);
    let places: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let expected = [
        "sql/1.sql:2:1",
        "    hint",
        "sql/1.sql:5:8",
        "sql/1.sql:6:1",
        "    hint",
        "1 file, 4 statements",
    ];
    assert_eq!((code, places), (1, expected.to_vec()), "{said}");
    assert!(
        said.contains("    hint: psql's own commands are not SQL"),
        "{said}"
    );
    assert!(
        said.contains(":5:8: error: syntax error at or near \"TABEL\" [unknown-statement]"),
        "{said}"
    );
}

#[test]
fn files_that_are_no_text_are_refused_and_marks_at_the_beginning_are_not() {
    let (code, said) = text(&[("1.sql", "\u{feff}COPY t TO PROGRAM 'x'")]);
    assert!(said.starts_with("sql/1.sql:1:1: error: "), "{said}");
    assert_eq!(code, 1);
    let answer = linted(&[("1.sql", "")], |args| {
        std::fs::write(args.paths[0].join("2.sql"), b"select '\xff'; select 2").unwrap();
    });
    let answer = answer.unwrap();
    assert!(
        answer.stdout.starts_with("sql/2.sql:1:9: error: "),
        "{}",
        answer.stdout
    );
    assert_eq!(answer.code, 1);
}

#[test]
fn a_byte_that_is_not_utf8_does_not_hide_the_other_statements() {
    let bytes = b"select 1;\n-- \xe4\xf6\nselect 2 /* \xfc */; COPY t TO PROGRAM 'x';\nselect '\xff';\nCOPY u TO PROGRAM 'x'";
    let answer = linted(&[("1.sql", "")], |args| {
        std::fs::write(args.paths[0].join("1.sql"), bytes).unwrap();
    });
    let answer = answer.unwrap();
    let places: Vec<&str> = answer
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(places.len(), 6, "{}", answer.stdout);
    let not_utf8 = "error: invalid byte sequence for encoding \"UTF8\" [unknown-statement]";
    assert_eq!(places[0], format!("sql/1.sql:2:4: {not_utf8}"));
    assert_eq!(places[1], format!("sql/1.sql:3:13: {not_utf8}"));
    assert!(
        places[2].starts_with("sql/1.sql:3:19: error: "),
        "{}",
        places[2]
    );
    assert_eq!(places[3], format!("sql/1.sql:4:9: {not_utf8}"));
    assert!(
        places[4].starts_with("sql/1.sql:5:1: error: "),
        "{}",
        places[4]
    );
    assert_eq!(places[5], "1 file, 5 statements: 5 errors");
}

#[test]
fn more_statements_than_one_message_may_have_are_judged_one_by_one() {
    let mut sql = "INSERT INTO t VALUES (1);\n".repeat(10_000);
    assert!(
        text(&[("1.sql", &sql)])
            .1
            .ends_with("10000 statements: nothing would be refused\n")
    );
    sql.push_str("INSERT INTO t VALUES (2);\n");
    let (code, said) = text(&[("1.sql", &sql)]);
    let one = "sql/1.sql:1:1: warning: too many statements in one message [statement-bounds]\n    \
        hint: Each was judged by itself; a tool that sends the file as one message is refused.\n";
    assert_eq!(
        (code, said),
        (0, format!("{one}1 file, 10001 statements: 1 warning\n"))
    );
    sql.push_str("COPY t TO PROGRAM 'x';\n");
    let (code, said) = text(&[("1.sql", &sql)]);
    assert!(said.contains("sql/1.sql:10002:1: error: "), "{said}");
    assert!(
        said.ends_with("1 file, 10002 statements: 1 error, 1 warning\n"),
        "{said}"
    );
    assert_eq!(code, 1);
}

#[test]
fn where_a_file_cannot_be_cut_to_its_end_that_is_said() {
    let nested = format!("{}{}", "/*".repeat(40), "*/".repeat(40));
    let sql = format!("COPY t TO PROGRAM 'x';\nSELECT 1 {nested};\nCOPY u TO PROGRAM 'x';");
    for (sql, many) in [(&*sql, 2), (&*format!("{nested} SELECT 1; SELECT 2"), 1)] {
        let (code, said) = text(&[("1.sql", sql)]);
        assert_eq!(code, 1);
        assert!(
            said.contains(
                "hint: Nest comments less deeply. What is behind it in this file was not judged.\n"
            ),
            "{said}"
        );
        assert_eq!(said.matches(": error: ").count(), many, "{said}");
        assert_eq!(said.matches("not judged").count(), 1, "{said}");
    }
}

#[test]
fn rows_behind_copy_are_told_apart_from_a_mistake() {
    let sql = "CREATE TABLE t (id int, note text);\nCOPY t (id, note) FROM stdin;\n1\tone\n2\ttwo\n\\.\n\nALTER TABLE t ADD n int;\nSELEC 1;";
    let (code, said) = text(&[("1.sql", sql)]);
    let told: Vec<&str> = said.lines().collect();
    let expected = [
        "sql/1.sql:3:1: error: syntax error at or near \"1\" [unknown-statement]",
        "    hint: The lines behind COPY ... FROM STDIN, up to \\., are rows for psql and not SQL; lint the file without them.",
        "sql/1.sql:8:1: error: syntax error at or near \"SELEC\" [unknown-statement]",
        "1 file, 4 statements: 2 errors",
    ];
    assert_eq!((code, told), (1, expected.to_vec()));
}

#[test]
fn only_what_observes_is_no_failure() {
    let (code, said) = text(&[("1.sql", "SET standard_conforming_strings = off")]);
    assert!(said.ends_with("1 file, 1 statement: 1 warning\n"), "{said}");
    assert_eq!(code, 0);
}

#[test]
fn warnings_of_the_policy_are_talk_in_every_form_and_no_failure() {
    let exception = |expires: &str| {
        format!(
            "[[exception]]\nguard = \"procedural\"\nlogin = \"shop\"\nreason = \"r\"\nexpires = {expires}\n\
            fingerprint = \"0123456789abcdef0123456789abcdef\"\n"
        )
    };
    let zone = "[zone]\nparameter = \"app.zone\"\ndatabases = [\"shop\"]\n";
    let enforced = POLICY.replace("[guards]\nlexing-parameters = \"observe\"\n", "");
    let linted_with = |more: &str, sql: &str, format| {
        let change = |args: &mut LintArgs| {
            args.format = format;
            std::fs::write(&args.policy, format!("{enforced}{more}")).unwrap();
        };
        linted(&[("1.sql", sql)], change).unwrap()
    };
    let more = format!("{zone}{}", exception("2020-01-01"));
    for format in [Format::Text, Format::Json, Format::Junit, Format::Sarif] {
        for (code, sql) in [(0, "SELECT 1"), (1, "COPY t TO PROGRAM 'x'")] {
            let plain = linted_with("", sql, format);
            assert_eq!((plain.code, &*plain.stderr), (code, ""));
            let warned = linted_with(&more, sql, format);
            assert_eq!((warned.code, warned.stdout), (code, plain.stdout));
            let expected = "2 warnings of the policy\n\
                warning: login \"shop\" has no zone and can do nothing on database \"shop\"\n  --> policy.toml:3:8\n";
            assert!(warned.stderr.starts_with(expected), "{}", warned.stderr);
            let expired = "\nwarning: the exception of login \"shop\" from guard \"procedural\" expired on 2020-01-01";
            assert!(warned.stderr.contains(expired), "{}", warned.stderr);
        }
    }
}

#[test]
fn an_exception_for_what_a_session_told_is_one_here() {
    let drop = "ALTER TABLE a DROP COLUMN b";
    let under = |refused: &str, file: &str| {
        let exception = format!(
            "{POLICY}[[exception]]\nguard = \"phase-expand\"\nlogin = \"migrator\"\nreason = \"r\"\nexpires = 9999-01-01\n\
             fingerprint = \"{}\"\n",
            crate::sql::fingerprint(refused.as_bytes())
        );
        let answer = linted(&[("1.sql", file)], |args| {
            args.phase = Some(crate::policy::Phase::Expand);
            std::fs::write(&args.policy, exception).unwrap();
        });
        answer.unwrap().code
    };
    // psql sends the semicolon, a driver does not; a file has lines of any kind behind it.
    for refused in [drop.to_owned(), format!("{drop};")] {
        for end in ["", ";\n", ";\r\n", " ;\t", "; -- note", ";;"] {
            assert_eq!(under(&refused, &format!("{drop}{end}")), 0, "{end:?}");
        }
        let two = format!("CREATE TABLE t (id int); /* b */ {drop}; \nSELECT 1;");
        assert_eq!(under(&refused, &two), 0);
        let other = format!("{drop}; ALTER TABLE a DROP COLUMN c;");
        assert_eq!(under(&refused, &other), 1);
    }
}

#[test]
fn programs_get_the_same() {
    let files = [("a b.sql", "SELECT 1;\n COPY t TO PROGRAM 'x';")];
    let with = |format| linted(&files, |args| args.format = format).unwrap();
    let json = with(Format::Json);
    assert_eq!(json, linted(&files, |args| args.json = true).unwrap());
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let problem = &value["problems"][0];
    assert_eq!(
        (&problem["line"], &problem["column"]),
        (&2.into(), &2.into())
    );
    assert_eq!(
        (&problem["guard"], &problem["sqlstate"]),
        (&"copy-program".into(), &"42501".into())
    );
    assert_eq!(
        problem["fingerprint"],
        *crate::sql::fingerprint(b"COPY t TO PROGRAM 'x'").to_string()
    );
    let sarif: serde_json::Value = serde_json::from_str(&with(Format::Sarif).stdout).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(
        (&sarif["version"], &result["level"]),
        (&"2.1.0".into(), &"error".into())
    );
    assert!(
        place["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .ends_with("sql/a%20b.sql")
    );
    assert_eq!(place["region"]["startLine"], 2);
    assert_eq!(
        sarif["runs"][0]["tool"]["driver"]["rules"][0]["id"],
        result["ruleId"]
    );
    assert_eq!(
        sarif["runs"][0]["invocations"][0]["executionSuccessful"],
        true
    );
    let junit = with(Format::Junit);
    assert!(
        junit
            .stdout
            .contains("<testcase classname=\"sql/a b.sql\" name=\"line 2, column 2\">")
    );
    assert_eq!(junit.code, 1);
}

#[test]
fn an_expand_phase_takes_nothing_away() {
    let files = [
        (
            "1.sql",
            "ALTER TABLE t ADD n int;\n/* é */ ALTER TABLE t\n  DROP note;\nDO $$ BEGIN END $$;\n",
        ),
        (
            "2.sql",
            "CREATE TABLE b (id int);\nCREATE TABEL c (id int);\n",
        ),
    ];
    let judged = |phase, format| {
        linted(&files, |args| {
            args.phase = phase;
            args.format = format;
        })
        .unwrap()
    };
    let answer = judged(Some(Phase::Expand), Format::Text);
    let expected = "sql/1.sql:2:9: error: cannot drop column \"note\" of table \"t\" in an expand session [phase-expand]\n    \
        hint: Do it in a contract session, after the release that no longer needs it.\n\
        sql/1.sql:4:1: error: cannot execute DO in an expand session [phase-expand]\n    \
        hint: Send the statements that it would run by themselves.\n\
        sql/2.sql:2:8: error: syntax error at or near \"TABEL\" [unknown-statement]\n\
        2 files, 5 statements: 3 errors\n";
    assert_eq!((answer.code, &*answer.stdout), (1, expected));
    for phase in [None, Some(Phase::Contract)] {
        let answer = judged(phase, Format::Text);
        assert!(
            answer.stdout.ends_with("5 statements: 1 error\n"),
            "{}",
            answer.stdout
        );
    }
    let sarif: serde_json::Value =
        serde_json::from_str(&judged(Some(Phase::Expand), Format::Sarif).stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "phase-expand");
    let junit = judged(Some(Phase::Expand), Format::Junit).stdout;
    assert!(
        junit.contains("name=\"line 2, column 9\"") && junit.contains("[phase-expand]"),
        "{junit}"
    );

    let adds = [("1.sql", "ALTER TABLE t ADD n int; CREATE INDEX ON t (n);")];
    let answer = linted(&adds, |args| args.phase = Some(Phase::Expand)).unwrap();
    let clean = "1 file, 2 statements: nothing would be refused\n";
    assert_eq!((answer.code, &*answer.stdout), (0, clean));
}

#[test]
fn what_could_not_be_done_is_said() {
    let file = [("1.sql", "SELECT 1")];
    for (change, said) in [
        (
            (|args| args.login = Some("shop".into())) as fn(&mut LintArgs),
            "login \"shop\" is not a migrator: it has no migration sessions",
        ),
        (
            |args| args.login = Some("x".into()),
            "policy.toml has no login \"x\"; it has migrator, shop",
        ),
        (
            |args| args.database = Some("x".into()),
            "login \"migrator\" may reach shop only, not \"x\"",
        ),
        (
            |args| args.paths.push("/nonexistent.sql".into()),
            "could not read /nonexistent.sql: No such file",
        ),
        (
            |args| args.paths = vec![args.paths[0].join("deep")],
            "sql/deep has no *.sql",
        ),
    ] {
        let why = linted(&file, change).unwrap_err();
        assert!(why.starts_with(said), "{said}\n{why}");
    }
    let two = format!("{POLICY}[login.other]\nkind = \"migrator\"\ndatabases = [\"shop\"]\n")
        .replace("[guards]\nlexing-parameters = \"observe\"\n", "");
    let (policy, _) = Policy::parse(&two, "p").unwrap();
    assert_eq!(
        only_migrator(&policy).unwrap_err(),
        "--login is needed: one of migrator, other"
    );
}
