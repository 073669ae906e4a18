//! What must not get through: each is seen to work without Portcullis first.

use portcullis::policy::Guard;

use super::fixture::*;
use super::support::message::{self, Message, error};
use super::support::{Stack, Wire};

/// The error of the answer, which must be a refusal by this guard.
#[track_caller]
fn refused_by(answer: &[Message], guard: &str, what: &str) -> Message {
    let error = error(answer).unwrap_or_else(|| panic!("{what} passed: {answer:?}"));
    assert_eq!(
        error.field(b'R').as_deref(),
        Some(guard),
        "{what}: {error:?}"
    );
    error.clone()
}

#[test]
fn replication_is_for_its_own_kind_of_login() {
    for stack in stacks().iter() {
        let service = stack.login("shop_acme", "shop");
        for value in ["database", "true", "on", "1", "yes", "t", "ON"] {
            let error = refused_at_login(&service, &[("replication", value)]);
            assert_eq!(error.sqlstate(), "42501", "{value}");
            let hint = error.field(b'H').expect("a hint");
            assert!(hint.contains("portcullis help replication"), "{hint}");
            assert_eq!(error.field(b'R').as_deref(), Some("replication"));
        }
        for value in ["false", "off", "0", "no", "n"] {
            for login in [&service, &cdc(stack)] {
                let transport = super::support::Transport::SslRequest;
                Wire::login_with(login, transport, &[("replication", value)]);
            }
        }
        // Not what PostgreSQL takes for a value, and as PostgreSQL says it.
        for value in ["logical", "DATABASE", "o", "2", ""] {
            let answers = [cdc(stack), direct(stack, "cdc")].map(|login| {
                let error = refused_at_login(&login, &[("replication", value)]);
                (error.sqlstate(), error.field(b'M'), error.field(b'H'))
            });
            assert_eq!(answers[0], answers[1], "{value}");
        }
        for parameters in [
            [("options", "-c replication=database"), ("x.y", "1")],
            [("Replication", "database"), ("x.y", "1")],
        ] {
            let answers = [cdc(stack), direct(stack, "cdc")]
                .map(|login| refused_at_login(&login, &parameters).sqlstate());
            assert_eq!(answers, ["42704", "42704"], "{parameters:?}");
        }
        let twice = [("replication", "false"), ("replication", "database")];
        assert_eq!(refused_at_login(&cdc(stack), &twice).sqlstate(), "08P01");
    }
}

#[test]
fn a_login_of_the_kind_gets_no_physical_replication_and_no_superuser() {
    for stack in stacks().iter() {
        let mut straight = Wire::login_with(
            &direct(stack, "cdc"),
            super::support::Transport::SslRequest,
            &[("replication", "true")],
        );
        assert!(error(&straight.query("IDENTIFY_SYSTEM")).is_none());
        for value in ["true", "1", "yes", "on"] {
            let error = refused_at_login(&cdc(stack), &[("replication", value)]);
            assert_eq!(error.sqlstate(), "42501", "{error:?}");
            assert_eq!(error.field(b'R').as_deref(), Some("replication"));
        }
        let root = stack.login("root_cdc", "app");
        let error = refused_at_login(&root, &[("replication", "database")]);
        assert_eq!(
            error.field(b'R').as_deref(),
            Some("server-role"),
            "{error:?}"
        );
        let path = refused_at_login(&cdc(stack), &[("search_path", "secret")]);
        assert_eq!(path.field(b'R').as_deref(), Some("replication"));
        let elsewhere = refused_at_login(&stack.login("cdc", "shop"), &[]);
        assert_eq!(elsewhere.sqlstate(), "42501");
    }
}

/// Sends a text to PostgreSQL, where it must work, and through Portcullis, where it must not.
fn closed(stack: &Stack, text: &str) {
    let mut straight = walsender(&direct(stack, "cdc"));
    straight.send(&message::query(text));
    let first = straight.receive().expect("an answer");
    assert_ne!(first.kind, b'E', "{text} does not work anyway: {first:?}");
    drop(straight);
    let mut through = walsender(&cdc(stack));
    refused_by(&through.query(text), "replication", text);
    assert!(error(&through.query("IDENTIFY_SYSTEM")).is_none());
}

#[test]
fn commands_beyond_logical_decoding_are_refused() {
    for stack in stacks().iter() {
        closed(stack, "BASE_BACKUP (LABEL 'x', CHECKPOINT 'fast')");
        closed(
            stack,
            "START_REPLICATION 0/0 TIMELINE 1"
                .replace("0/0", &flushed(stack))
                .as_str(),
        );
        closed(
            stack,
            &format!("START_REPLICATION PHYSICAL {}", flushed(stack)),
        );
        closed(
            stack,
            "CREATE_REPLICATION_SLOT cdc_physical TEMPORARY PHYSICAL",
        );
        closed(
            stack,
            "CREATE_REPLICATION_SLOT cdc_decoding TEMPORARY LOGICAL test_decoding",
        );
        closed(
            stack,
            "CREATE_REPLICATION_SLOT strange TEMPORARY LOGICAL pgoutput",
        );
        if !stack.direct("app", "SHOW server_version").starts_with("15") {
            closed(stack, "UPLOAD_MANIFEST");
        }
        // There is no history of the first timeline to succeed with.
        let mut through = walsender(&cdc(stack));
        refused_by(
            &through.query("TIMELINE_HISTORY 2"),
            "replication",
            "TIMELINE_HISTORY",
        );
    }
}

fn flushed(stack: &Stack) -> String {
    stack
        .direct("app", "SELECT pg_current_wal_flush_lsn()")
        .trim()
        .to_owned()
}

#[test]
fn slots_and_publications_are_those_of_the_login() {
    for stack in stacks().iter() {
        let own = Slot::new(stack, "cdc_own", "pgoutput");
        let other = Slot::new(stack, "others", "pgoutput");
        let mut straight = walsender(&direct(stack, "cdc"));
        straight.send(&start("others", "everything"));
        assert_eq!(straight.receive().map(|message| message.kind), Some(b'W'));
        drop(straight);

        let mut through = walsender(&cdc(stack));
        for text in [
            "DROP_REPLICATION_SLOT others",
            "DROP_REPLICATION_SLOT \"others\" WAIT;",
            "DROP_REPLICATION_SLOT OTHERS",
            "READ_REPLICATION_SLOT others",
            "ALTER_REPLICATION_SLOT others (failover)",
        ] {
            refused_by(&through.query(text), "replication", text);
        }
        for (slot, publication) in [
            ("others", "cdc_pub"),
            ("cdc_own", "everything"),
            ("cdc_own", "cdc_pub,everything"),
            ("cdc_own", "\"cdc_pub\",\"everything\""),
            ("cdc_own", "cdc_pub, \"every\"\"thing\""),
            ("cdc_own", "\"cdc_pub,everything\""),
            ("cdc_own", ""),
        ] {
            let what = format!("{slot} {publication}");
            through.send(&start(slot, publication));
            refused_by(&through.receive_until(b'Z'), "replication", &what);
        }
        for options in [
            "",
            "(proto_version '1')",
            "(publication_names)",
            "(\"Publication_Names\" 'cdc_pub')",
        ] {
            let text = format!("START_REPLICATION SLOT cdc_own LOGICAL 0/0 {options}");
            refused_by(&through.query(&text), "replication", &text);
        }
        assert!(own.exists() && other.exists());
        drop(through);
        // A login without lists may.
        let mut open = walsender(&stack.login("open_cdc", "app"));
        super::support::process::wait_until("the slot is free", || !other.is_active());
        assert!(error(&open.query("DROP_REPLICATION_SLOT others WAIT")).is_none());
    }
}

/// PostgreSQL goes by the first token. Where a text is SQL for it, it must be SQL for us.
#[test]
fn the_first_word_decides_as_it_does_in_postgresql() {
    let texts = [
        "IDENTIFY_SYSTEM; DROP TABLE plain",
        "IDENTIFY_SYSTEM; SELECT * FROM secret",
        "IDENTIFY_SYSTEM -- x\n",
        "IDENTIFY_SYSTEM /* x */",
        "/* x */ IDENTIFY_SYSTEM",
        "-- x\nIDENTIFY_SYSTEM",
        "identify_system",
        "Identify_System",
        "\"IDENTIFY_SYSTEM\"",
        "'IDENTIFY_SYSTEM'",
        "\u{feff}IDENTIFY_SYSTEM",
        "\u{a0}IDENTIFY_SYSTEM",
        "\x0bIDENTIFY_SYSTEM",
        "IDENTIFY_SYSTEM\x0b",
        "IDENTIFY_SYSTEM\x0c;\r\n",
        "IDENTIFY_SYSTEMS",
        "IDENTIFY_SYSTEM$",
        ";IDENTIFY_SYSTEM",
        "IDENTIFY_SYSTEM;;",
        "IDENTIFY_SYSTEM '",
        "SHOW server_version; SELECT note FROM secret",
        "SHOW server_version SELECT",
        "SHOW/**/server_version",
        "show server_version; show server_version",
        "SHOW \"server_version\"",
        "ＩDENTIFY_SYSTEM",
        "DROP_REPLICATION_SLOT cdc_none; SELECT 1",
        "SELECT 1; IDENTIFY_SYSTEM",
        "SELECT 1; DROP_REPLICATION_SLOT cdc_none",
        "START_REPLICATION SLOT cdc_none LOGICAL 0/0 (publication_names 'cdc_pub') ; SELECT 1",
        "EXPLAIN IDENTIFY_SYSTEM",
        "",
        " ; ",
    ];
    for stack in stacks().iter() {
        let mut straight = walsender(&direct(stack, "cdc"));
        let mut through = walsender(&cdc(stack));
        for text in texts {
            let before = straight.query(text);
            let after = through.query(text);
            match (error(&before), error(&after)) {
                (None, None) => {
                    assert_eq!(message::kinds(&before), message::kinds(&after), "{text}")
                }
                // Refused where PostgreSQL would have found its error.
                (Some(_), Some(_)) => {}
                (None, Some(_)) => assert!(
                    text.contains(';') || text.contains('\x0b'),
                    "{text} was refused"
                ),
                (Some(error), None) => panic!("{text}: PostgreSQL says {error:?}, and it passed"),
            }
        }
        assert_eq!(stack.direct("app", "SELECT count(*) FROM secret"), "1\n");
    }
}

#[test]
fn sql_reads_what_is_listed_and_nothing_else() {
    let refused = [
        "SELECT * FROM secret",
        "SELECT * FROM public.secret",
        "SELECT * FROM public.plain, public.secret",
        "SELECT (SELECT note FROM secret LIMIT 1)",
        "WITH plain AS (SELECT * FROM secret) SELECT * FROM plain",
        "TABLE secret",
        "COPY secret TO STDOUT",
        "COPY (SELECT * FROM secret) TO STDOUT",
        "DECLARE c CURSOR FOR SELECT * FROM secret",
        "EXPLAIN ANALYZE SELECT * FROM secret",
        "SELECT mine()",
        "SELECT public.mine()",
        "SELECT nextval('any')",
        "SET search_path = secret",
        "SELECT set_config('search_path', 'secret', false)",
        "SELECT set_config(x, 'secret', false) FROM (VALUES ('search_path')) t(x)",
        "SELECT pg_create_logical_replication_slot('cdc_made', 'pgoutput')",
        "SELECT pg_drop_replication_slot('cdc_made')",
        "SELECT * FROM pg_logical_slot_peek_changes('cdc_made', NULL, NULL)",
        "SELECT query_to_xml('SELECT * FROM secret', true, true, '')",
        "INSERT INTO public.plain VALUES (0, 'x')",
        "UPDATE public.plain SET note = 'x'",
        "DELETE FROM public.plain WHERE id = 0",
        "COPY public.plain FROM STDIN",
        "SELECT * FROM public.plain FOR UPDATE",
        "LOCK TABLE public.plain IN ACCESS SHARE MODE",
        "CREATE TABLE x (y int)",
        "CREATE PUBLICATION mine FOR ALL TABLES",
        "ALTER PUBLICATION cdc_pub ADD TABLE secret",
        "CREATE TEMP TABLE pg_class (y int)",
        "DO $$ BEGIN PERFORM 1; END $$",
        "PREPARE x AS SELECT 1",
        "LISTEN x",
        "NOTIFY x",
        "SET ROLE open_cdc",
        "VACUUM public.plain",
        "SELECT 1; SELECT * FROM secret",
        "START_REPLICATION SLOT cdc_made LOGICAL 0/0; SELECT 1",
    ];
    for stack in stacks().iter() {
        // The role itself may read it: only the policy keeps it from there.
        let mut straight = Wire::login(&direct(stack, "cdc"));
        assert!(error(&straight.query(refused[0])).is_none());
        for mut wire in [Wire::login(&cdc(stack)), walsender(&cdc(stack))] {
            for text in refused {
                let answer = wire.query(text);
                let error = error(&answer).unwrap_or_else(|| panic!("{text} passed: {answer:?}"));
                let by = error.field(b'R').unwrap_or_default();
                assert!(Guard::from_id(&by).is_some(), "{text}: {error:?}");
            }
            assert!(error(&wire.query("SELECT * FROM public.plain")).is_none());
        }
        let mut extended = Wire::login(&cdc(stack));
        let answer = extended.batch(&message::extended(
            "SELECT * FROM secret WHERE id = $1",
            &[Some("1")],
        ));
        refused_by(&answer, "replication", "an extended query");
    }
}
