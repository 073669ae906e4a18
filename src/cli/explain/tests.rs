mod exceptions;
mod zones;

use super::*;

/// What explain answers under the shipped policy of an environment.
fn explained(
    environment: &str,
    login: &str,
    sql: &str,
    change: impl FnOnce(&mut ExplainArgs),
) -> Result<Answer, String> {
    let mut args = ExplainArgs {
        zone: None,
        policy: PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("policies/{environment}.toml")),
        login: login.to_owned(),
        database: None,
        migration: None,
        file: None,
        json: false,
        sql: Some(sql.to_owned()),
    };
    change(&mut args);
    explain(&args)
}

fn plain(login: &str, sql: &str) -> Answer {
    explained("production", login, sql, |_| {}).unwrap()
}

#[test]
fn an_allowed_statement_shows_facts_zone_guards_verdict() {
    let answer = plain("shop_acme", "select *\n  from orders;");
    assert_eq!(answer.code, 0);
    assert_eq!(
        answer.stdout,
        "1  select * from orders\n   facts    read (SELECT); reads orders\n   zone     acme (plain: app.tenant_id is set for its transaction)\n   \
         guards   none objects\n   verdict  allowed\n\n\
         PostgreSQL gets:  set zone acme + \"select where false;\" + the client's bytes, unchanged\n"
    );
}

#[test]
fn a_name_that_will_be_bound_is_judged_then() {
    for (text, code) in [
        ("select set_config($1, $2, false)", 0),
        ("select set_config($1, $2, $3)", 0),
        ("select set_config('work_mem', $1, $2::boolean)", 0),
        ("select set_config($1 || 'x', $2, false)", 1),
        ("select set_config($1, $2, not $3)", 1),
        ("select set_config($1, $2, false), lo_export(1, 'x')", 1),
    ] {
        let answer = plain("shop_acme", text);
        assert_eq!(answer.code, code, "{text}: {}", answer.stdout);
    }
    let bound = "touches a parameter whose name is bound (judged with each Bind)";
    let answer = plain("shop_acme", "select set_config($1, $2, true)");
    assert!(answer.stdout.contains(bound), "{}", answer.stdout);
    let bound = "touches work_mem; whether for the session is bound (judged with each Bind)";
    let answer = plain("shop_acme", "select set_config('work_mem', '1MB', $1)");
    assert!(answer.stdout.contains(bound), "{}", answer.stdout);
}

#[test]
fn a_value_that_will_be_bound_is_said_to_be_judged_then() {
    for (text, said) in [
        (
            "select set_config('statement_timeout', $1, true)",
            Some(
                "touches statement_timeout; the value of statement_timeout is bound (judged with each Bind)\n",
            ),
        ),
        (
            "select set_config('work_mem', $1, $2)",
            Some(
                "; the value of work_mem is bound (judged with each Bind); whether for the session is bound (judged with each Bind)\n",
            ),
        ),
        ("select set_config($1, $2, true)", None),
        ("select set_config('work_mem', '1MB', $1)", None),
    ] {
        let answer = plain("shop_acme", text);
        assert_eq!(answer.code, 0, "{}", answer.stdout);
        match said {
            Some(said) => assert!(answer.stdout.contains(said), "{}", answer.stdout),
            None => assert!(!answer.stdout.contains("the value of"), "{}", answer.stdout),
        }
    }
}

#[test]
fn the_most_rows_of_a_login_are_told() {
    let said = "Client gets:      at most 10000 rows at a time; the next one is an error (bulk-export, 54000)\n";
    for (login, text, rows) in [
        ("boris", "select * from shop.orders", true),
        ("boris", "begin; select 1; commit", true),
        ("boris", "begin", false),
        ("boris", "drop table t", false),
        ("shop_acme", "select * from orders", false),
    ] {
        let answer = plain(login, text);
        assert_eq!(
            answer.stdout.contains(said),
            rows,
            "{text}: {}",
            answer.stdout
        );
        let json = explained("production", login, text, |args| args.json = true).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        let expected: serde_json::Value = rows.then_some(10_000).into();
        assert_eq!(value["max_rows"], expected, "{text}");
    }
}

#[test]
fn a_refused_message_shows_which_statement_and_what_the_client_sees() {
    let answer = plain(
        "shop_acme",
        "delete from orders; explain analyze create table copy as select * from orders",
    );
    assert_eq!(answer.code, 1);
    let expected = [
        "1  delete from orders\n   facts    write (DELETE); deletes from orders; no WHERE\n",
        "   guards   missing-where           observe  production.toml:",
        "2  explain analyze create table copy as select * from orders\n",
        "   guards   ddl-outside-migration   refuse   production.toml:",
        "cannot execute CREATE TABLE AS outside a migration session\n   verdict  REFUSED  42501\n",
        "The message is refused as a whole; PostgreSQL would have run its statements in one transaction.\n\
         Client sees:  ERROR:  cannot execute CREATE TABLE AS outside a migration session\n",
        "              HINT:  Ask a DBA for a migration session: portcullis migration run --database shop --reason \"...\" -- <your tool>.\n",
    ];
    for part in expected {
        assert!(
            answer.stdout.contains(part),
            "{part}\n---\n{}",
            answer.stdout
        );
    }
}

#[test]
fn what_cannot_be_described_is_said() {
    let answer = plain("shop_acme", "selct 1");
    assert!(
        answer.stdout.starts_with(
            "the message as a whole\n   facts    not described\n   guards   unknown-statement"
        ),
        "{}",
        answer.stdout
    );
    assert_eq!(answer.code, 1);
    assert!(
        answer.stdout.contains("unknown-statement"),
        "{}",
        answer.stdout
    );
    assert!(
        answer
            .stdout
            .contains("ERROR:  syntax error at or near \"selct\"\n"),
        "{}",
        answer.stdout
    );
    let empty = plain("shop_acme", " -- nothing\n;");
    assert_eq!(
        (empty.code, empty.stdout.contains("verdict  allowed")),
        (0, true)
    );
}

#[test]
fn guards_of_the_message_are_told_apart() {
    let answer = plain("shop_acme", "select 1; copy orders from stdin");
    assert_eq!(answer.code, 1);
    assert!(
        answer
            .stdout
            .contains("the message as a whole\n   guards   unknown-statement"),
        "{}",
        answer.stdout
    );
}

#[test]
fn what_only_the_conversation_refuses_is_refused() {
    let answer = plain("shop_acme", "begin; select 1; commit");
    assert_eq!(answer.code, 0);
    let gets = "PostgreSQL gets:  set zone acme + the client's bytes, in pieces\n";
    assert!(answer.stdout.ends_with(gets), "{}", answer.stdout);
    let answer = plain("shop_acme", "select 1; rollback");
    assert_eq!(answer.code, 0);
    let answer = plain("shop_acme", "set transaction read only; select 1");
    assert_eq!(answer.code, 1);
    let message =
        "the message as a whole\n   guards   zone-required           refuse   production.toml:";
    assert!(answer.stdout.contains(message), "{}", answer.stdout);
    let client = "Client sees:  ERROR:  cannot execute SET together with other statements\n";
    assert!(answer.stdout.contains(client), "{}", answer.stdout);
    let report = plain("shop_report", "begin; select 1");
    assert_eq!(report.code, 0);
    let gets = "PostgreSQL gets:  the client's bytes, unchanged\n";
    assert!(report.stdout.ends_with(gets), "{}", report.stdout);
}

#[test]
fn every_guard_that_objects_is_told() {
    let sql = "select pg_read_file('x'), set_config('standard_conforming_strings', 'off', false)";
    let answer = plain("boris", sql);
    for guard in [
        "guards   dangerous-functions ",
        "         lexing-parameters ",
    ] {
        assert!(answer.stdout.contains(guard), "{}", answer.stdout);
    }
}

#[test]
fn a_migrator_needs_the_migration() {
    assert_eq!(plain("migrator", "create table t (id int)").code, 1);
    let open = explained(
        "production",
        "migrator",
        "create table t (id int)",
        |args| args.migration = Some(None),
    )
    .unwrap();
    assert_eq!(open.code, 0);
    let service = explained("production", "shop_acme", "select 1", |args| {
        args.migration = Some(None)
    });
    assert_eq!(
        service.unwrap_err(),
        "login \"shop_acme\" is not a migrator: it has no migration sessions"
    );
}

#[test]
fn a_phase_is_explained() {
    let sql = "alter table orders drop note";
    let explain = |phase: &str| {
        explained("production", "migrator", sql, |args| {
            args.migration = Some(Some(phase.to_owned()));
        })
        .unwrap()
    };
    let expand = explain("expand");
    for part in [
        "; takes away: drop column \"note\" of table \"orders\"\n",
        "guards   phase-expand            refuse   production.toml:",
        "Client sees:  ERROR:  cannot drop column \"note\" of table \"orders\" in an expand session\n",
        "HINT:  Do it in a contract session, after the release that no longer needs it.",
    ] {
        assert!(expand.stdout.contains(part), "{part}\n{}", expand.stdout);
    }
    assert_eq!((expand.code, explain("contract").code), (1, 0));
    let json = explained("production", "migrator", "alter role r nologin", |args| {
        args.migration = Some(None);
        args.json = true;
    });
    let json: serde_json::Value = serde_json::from_str(&json.unwrap().stdout).unwrap();
    let details = &json["statements"][0]["details"];
    assert_eq!(details["takes_away"], "not known to add only");
}

#[test]
fn an_observing_guard_would_refuse() {
    let answer = explained(
        "development",
        "shop_acme",
        "create table t (id int)",
        |_| {},
    )
    .unwrap();
    assert_eq!(answer.code, 0);
    assert!(
        answer
            .stdout
            .contains("ddl-outside-migration   observe  development.toml:"),
        "{}",
        answer.stdout
    );
}

#[test]
fn who_must_be_in_the_policy() {
    let wrong = explained("production", "nobody", "select 1", |_| {}).unwrap_err();
    assert!(
        wrong.ends_with(
            "has no login \"nobody\"; it has boris, migrator, shop_acme, shop_api, shop_globex, shop_report"
        ),
        "{wrong}"
    );
    let wrong = explained("production", "shop_acme", "select 1", |args| {
        args.database = Some("x".into())
    })
    .unwrap_err();
    assert_eq!(wrong, "login \"shop_acme\" may reach shop only, not \"x\"");
    let wrong = explained("missing", "shop_acme", "select 1", |_| {}).unwrap_err();
    assert!(
        wrong.starts_with("there is no such policy\nerror: could not read the file"),
        "{wrong}"
    );
}

#[test]
fn files_are_read_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sql");
    std::fs::write(&path, "select 1;\nvacuum;\n").unwrap();
    let answer = explained("production", "shop_acme", "", |args| {
        (args.file, args.sql) = (Some(path), None)
    })
    .unwrap();
    assert_eq!(
        (answer.code, answer.stdout.contains("2  vacuum\n")),
        (1, true)
    );
}

#[test]
fn a_mark_at_the_beginning_of_a_file_is_no_part_of_its_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sql");
    let of_file = |text: &str, json| {
        std::fs::write(&path, text).unwrap();
        let of_file = |args: &mut ExplainArgs| {
            (args.file, args.sql, args.json) = (Some(path.clone()), None, json);
        };
        explained("production", "shop_acme", "", of_file).unwrap()
    };
    // The statement that it touches, one behind it, an error whose position is told, none at all.
    for text in ["vacuum;\n", "select 1; vacuum", "selec 1", "-- x", ""] {
        for json in [false, true] {
            let marked = of_file(&format!("\u{feff}{text}"), json);
            assert_eq!(marked, of_file(text, json), "{text}");
        }
    }
    // One is dropped, and only there.
    for text in ["\u{feff}\u{feff}select 1", "select 1;\u{feff}select 2"] {
        let answer = of_file(text, false);
        assert_eq!(answer.code, 1, "{text}: {}", answer.stdout);
    }
    // On the command line there is no file that it could stand at the beginning of.
    let answer = plain("shop_acme", "\u{feff}select 1");
    assert_eq!(answer.code, 1, "{}", answer.stdout);
}

#[test]
fn json_has_the_same() {
    let answer = explained(
        "production",
        "shop_acme",
        "set app.tenant_id = 'globex'",
        |args| args.json = true,
    )
    .unwrap();
    let value: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(
        (&value["verdict"], &value["error"]["guard"]),
        (&"refused".into(), &"zone-not-granted".into())
    );
    assert_eq!(value["statements"][0]["parameters"][0], "app.tenant_id");
    assert_eq!(value["statements"][0]["guards"][0]["sqlstate"], "42501");
    assert_eq!((answer.code, &value["zone"]), (1, &"acme".into()));
    assert_eq!(value["upstream"][0], "nothing");
    assert_eq!(
        value["fingerprint"],
        *crate::sql::fingerprint(b"set app.tenant_id = 'globex'").to_string()
    );
    assert_eq!(value["statements"][0]["details"]["missing_where"], false);
}

#[test]
fn a_statement_is_shown_on_one_line_that_no_terminal_obeys() {
    assert_eq!(one_line("select\n\t1\u{1b}[2J ;\n; "), "select 1 [2J");
    assert_eq!(
        one_line(&"é".repeat(200)),
        format!("{}...", "é".repeat(120))
    );
}

#[test]
fn arguments_are_read() {
    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: ExplainArgs,
    }
    let read = |args: &[&str]| {
        <Command as clap::Parser>::try_parse_from(
            [&["explain", "--policy", "p", "--login", "l"], args].concat(),
        )
    };
    assert_eq!(
        read(&["-"])
            .ok()
            .and_then(|command| command.args.sql)
            .as_deref(),
        Some("-")
    );
    assert!(read(&["--file", "f", "--migration", "--json"]).is_ok());
    assert!(read(&[]).is_err() && read(&["--file", "f", "select 1"]).is_err());

    let session = |args: &[&str]| {
        let args = read(args).ok().unwrap().args;
        let (migration, sql) = args.migration()?;
        Ok((migration, sql.map(str::to_owned)))
    };
    let sql = |text: &str| Some(text.to_owned());
    let (expand, contract) = (Some(Some(Phase::Expand)), Some(Some(Phase::Contract)));
    for (args, expected) in [
        (&["drop"][..], Ok((None, sql("drop")))),
        (&["--migration", "drop"], Ok((Some(None), sql("drop")))),
        (&["drop", "--migration"], Ok((Some(None), sql("drop")))),
        (&["--migration", "-"], Ok((Some(None), sql("-")))),
        (&["--migration", "--file", "f"], Ok((Some(None), None))),
        (
            &["--migration", "expand", "drop"],
            Ok((expand, sql("drop"))),
        ),
        (&["--migration=expand", "drop"], Ok((expand, sql("drop")))),
        (
            &["drop", "--migration", "contract"],
            Ok((contract, sql("drop"))),
        ),
        (
            &["--migration", "expand", "--file", "f"],
            Ok((expand, None)),
        ),
        (
            &["--migration", "expnad", "drop"],
            Err("\"expnad\" is no phase; one of: expand, contract".to_owned()),
        ),
        (
            &["--migration", "drop", "--file", "f"],
            Err("\"drop\" is no phase; one of: expand, contract".to_owned()),
        ),
        (
            &["--migration", "expand"],
            Err("the text is needed: 'SQL', - for stdin, or --file FILE".to_owned()),
        ),
        (
            &["--migration"],
            Err("the text is needed: 'SQL', - for stdin, or --file FILE".to_owned()),
        ),
    ] {
        assert_eq!(session(args), expected, "{args:?}");
    }
}

#[test]
fn what_a_replication_login_sends_is_a_command_by_its_first_word() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cdc.toml");
    let policy = "schema = 1\nenvironment = \"test\"\n[login.cdc]\nkind = \"replication\"\n\
                  databases = [\"shop\"]\nrelations = [\"public.orders\"]\nslots = [\"cdc_*\"]\n";
    std::fs::write(&path, policy).unwrap();
    let explained =
        |sql: &str| explained("", "cdc", sql, |args| args.policy = path.clone()).unwrap();
    let passes = [
        "IDENTIFY_SYSTEM",
        "CREATE_REPLICATION_SLOT cdc_a LOGICAL pgoutput",
        "SELECT * FROM public.orders",
    ];
    for sql in passes {
        let answer = explained(sql);
        assert_eq!(answer.code, 0, "{}", answer.stdout);
    }
    for sql in [
        "DROP_REPLICATION_SLOT other",
        "BASE_BACKUP",
        "SELECT * FROM customers",
    ] {
        let answer = explained(sql);
        assert_eq!(answer.code, 1, "{}", answer.stdout);
        assert!(
            answer.stdout.contains("   guards   replication"),
            "{}",
            answer.stdout
        );
    }
}
