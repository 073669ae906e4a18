//! What the policy refuses leaves nothing behind, says why, and disturbs nothing else.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::fixture::{SQL, policy_with_superuser};
use support::message::{self, Message, column, error, extended, failed, fine, kinds};
use support::notes::{count, insert, plain};
use support::{OnEveryVersion, Stack, StackOptions, Wire};

/// On these stacks shop_plain is a superuser: whatever reached the server would be done.
fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(|| StackOptions {
        sql: format!("{SQL}\nALTER ROLE shop_plain SUPERUSER;"),
        policy: policy_with_superuser("shop_plain"),
        ..StackOptions::default()
    })
}

/// DDL and its relatives. Each would leave something of the name `made`, or change table notes.
const RESTRICTED: &[&str] = &[
    "CREATE TABLE made (id int)",
    "/* a */ create -- b\n table made (id int)",
    "CREATE TEMP TABLE made (id int)",
    "CREATE TABLE made AS SELECT 1 AS id",
    "SELECT 1 AS id INTO made",
    "WITH x AS (SELECT 1 AS id) SELECT * INTO made FROM x",
    "EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1 AS id",
    "EXPLAIN (ANALYZE, COSTS off) CREATE TABLE made AS SELECT 1 AS id",
    "EXPLAIN (\"analyze\") CREATE TABLE made AS SELECT 1 AS id",
    "EXPLAIN ANALYZE SELECT 1 AS id INTO made",
    "CREATE TABLE made AS EXECUTE prepared",
    "EXPLAIN ANALYZE CREATE TABLE made AS EXECUTE prepared",
    "PREPARE made AS SELECT 1 AS id INTO made",
    "PREPARE made AS CREATE TABLE made (id int)",
    "DECLARE made CURSOR FOR SELECT 1 AS id INTO made",
    "CREATE VIEW made AS SELECT 1 AS id",
    "CREATE MATERIALIZED VIEW made AS SELECT 1 AS id",
    "CREATE SCHEMA made CREATE TABLE made.made (id int)",
    "CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE PROCEDURE made() LANGUAGE sql AS 'SELECT 1'",
    "CREATE SEQUENCE made",
    "CREATE TYPE made AS (id int)",
    "CREATE DOMAIN made AS int",
    "CREATE INDEX made ON notes (body)",
    "CREATE INDEX CONCURRENTLY made ON notes (body)",
    "CREATE ROLE made",
    "CREATE DATABASE made",
    "CREATE EXTENSION pg_trgm",
    "CREATE RULE made AS ON INSERT TO notes DO INSTEAD NOTHING",
    "CREATE POLICY made ON notes",
    "CREATE PUBLICATION made",
    "CREATE STATISTICS made ON id, body FROM notes",
    "ALTER TABLE notes ADD COLUMN made int",
    "ALTER TABLE notes RENAME TO made",
    "ALTER ROLE shop_acme RENAME TO made",
    "ALTER DATABASE app SET work_mem = '1MB'",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "DROP TABLE notes",
    "DROP OWNED BY migrator",
    "REASSIGN OWNED BY migrator TO shop_acme",
    "TRUNCATE notes",
    "COMMENT ON TABLE notes IS 'made'",
    "GRANT SELECT ON notes TO PUBLIC",
    "REVOKE ALL ON notes FROM shop_plain",
    "DO $$ BEGIN CREATE TABLE made (id int); END $$",
    "DO 'BEGIN EXECUTE ''CREATE TABLE made (id int)''; END'",
    "COPY notes (body) FROM PROGRAM 'echo made'",
    "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
    "COPY notes TO '/tmp/made'",
    "VACUUM notes",
    "VACUUM (FULL, ANALYZE) notes",
    "ANALYZE notes",
    "REFRESH MATERIALIZED VIEW notes",
    "LOAD 'auto_explain'",
    "CREATE USER made",
    "ALTER ROLE shop_plain SET work_mem = '1MB'",
    "DROP ROLE shop_globex",
    "REINDEX TABLE notes",
    "CLUSTER notes",
    "CHECKPOINT",
    "SET ROLE migrator",
    "SET SESSION AUTHORIZATION migrator",
    "SELECT query_to_xml('CREATE TABLE made (id int)', true, true, '')",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT lo_import('/etc/passwd')",
    "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO public",
    "SECURITY LABEL ON TABLE notes IS 'made'",
    "FROBNICATE notes",
];

/// Refused by one of our guards, not by the server.
#[track_caller]
fn by_us(messages: &[Message], sql: &str) {
    let error = error(messages).unwrap_or_else(|| panic!("{sql} passed: {}", kinds(messages)));
    let file = error.field(b'F').unwrap_or_default();
    assert!(file.ends_with("policy.toml"), "{sql}: {error:?}");
}

fn objects(stack: &Stack) -> String {
    stack.direct(
        "app",
        "SELECT (SELECT count(*) FROM pg_class WHERE relname = 'made')
              + (SELECT count(*) FROM pg_namespace WHERE nspname = 'made')
              + (SELECT count(*) FROM pg_proc WHERE proname = 'made')
              + (SELECT count(*) FROM pg_type WHERE typname = 'made')
              + (SELECT count(*) FROM pg_roles WHERE rolname = 'made')
              + (SELECT count(*) FROM pg_database WHERE datname = 'made')
              + (SELECT count(*) FROM pg_policy WHERE polname = 'made')
              + (SELECT count(*) FROM pg_rewrite WHERE rulename = 'made')
              + (SELECT count(*) FROM pg_publication)
              + (SELECT count(*) FROM pg_statistic_ext)
              + (SELECT count(*) FROM pg_attribute WHERE attname = 'made')
              + (SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql')
              + (SELECT count(*) FROM pg_description WHERE description = 'made')
              + (SELECT count(*) FROM pg_default_acl)
              + (SELECT count(*) FROM pg_db_role_setting)
              + (SELECT count(*) FROM pg_largeobject_metadata)
              + (SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'),
                relacl FROM pg_class WHERE relname = 'notes'",
    )
}

#[test]
fn ddl_in_every_form_leaves_no_object() {
    for stack in stacks() {
        let before = objects(&stack);
        assert!(before.starts_with("0|"), "{before}");
        let mut wire = plain(&stack);
        for sql in RESTRICTED {
            let answer = wire.query(sql);
            assert_eq!(
                (failed(&answer).1, kinds(&answer).as_str()),
                ('I', "EZ"),
                "{sql}"
            );
            by_us(&answer, sql);
            let answer = wire.batch(&extended(sql, &[]));
            assert_eq!(
                (failed(&answer).1, kinds(&answer).as_str()),
                ('I', "EZ"),
                "{sql}"
            );
            by_us(&answer, sql);
            for around in [
                format!("SELECT 1; {sql}"),
                format!("{sql}; SELECT 1"),
                format!("BEGIN; {sql}; COMMIT"),
                format!("SELECT 'it''s \\'; {sql} --'"),
            ] {
                let answer = wire.query(&around);
                assert_eq!(failed(&answer).1, 'I', "{around}");
                by_us(&answer, &around);
            }
        }
        assert_eq!(objects(&stack), before);
        assert_eq!(column(&wire.query("SELECT 'still here'")), ["still here"]);
    }
}

#[test]
fn what_only_looks_like_ddl_passes() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        for sql in [
            "SELECT 'DROP TABLE notes'",
            "SELECT $$CREATE TABLE made (id int)$$ AS \"table\"",
            "SELECT 1 AS \"create\" -- DROP TABLE notes",
            "EXPLAIN SELECT 1",
            "SELECT E'\\'; DROP TABLE notes; --'",
            "VALUES (1)",
            "TABLE notes",
        ] {
            fine(&wire.query(sql));
            fine(&wire.batch(&extended(sql, &[])));
        }
    }
}

#[test]
fn a_refused_parse_takes_the_rest_of_its_batch_with_it() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        let sent = [
            extended(&insert("before"), &[]),
            message::parse("", "DROP TABLE notes"),
            message::bind("", "", &[]),
            message::execute("", 0),
            message::parse("", "CREATE TABLE made (id int)"),
            extended(&insert("behind"), &[]),
            message::sync(),
            extended("SELECT 'next batch'", &[]),
            message::sync(),
        ];
        wire.send(&sent.concat());
        let answer = wire.receive_until(b'Z');
        assert_eq!(kinds(&answer), "12CEZ");
        assert_eq!(failed(&answer), ("42501".into(), 'I'));
        let answer = wire.receive_until(b'Z');
        assert_eq!(column(&answer), ["next batch"]);
        assert_eq!((count(&stack, "before"), count(&stack, "behind")), (0, 0));
        assert!(wire.is_quiet_for(Duration::from_millis(50)));
    }
}

#[test]
fn a_refusal_aborts_the_transaction_at_the_server() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        let ddl = "CREATE TABLE made (id int)";
        let run: [fn(&mut Wire, &str) -> Vec<Message>; 2] = [
            |wire, sql| wire.query(sql),
            |wire, sql| wire.batch(&extended(sql, &[])),
        ];
        for (first, refused) in [
            (run[0], run[0]),
            (run[0], run[1]),
            (run[1], run[0]),
            (run[1], run[1]),
        ] {
            assert_eq!(fine(&first(&mut wire, "BEGIN")), 'T');
            fine(&first(&mut wire, &insert("aborted")));
            assert_eq!(failed(&refused(&mut wire, ddl)), ("42501".into(), 'E'));
            let answer = first(&mut wire, &insert("aborted"));
            assert_eq!(failed(&answer), ("25P02".into(), 'E'));
            // In a failed transaction too.
            assert_eq!(failed(&refused(&mut wire, ddl)), ("42501".into(), 'E'));
            let answer = first(&mut wire, "COMMIT");
            assert_eq!(fine(&answer), 'I');
            let tag = answer.iter().find(|message| message.kind == b'C');
            assert_eq!(tag.map(Message::tag).as_deref(), Some("ROLLBACK"));
        }
        assert_eq!(count(&stack, "aborted"), 0);
        fine(&wire.query("BEGIN"));
        fine(&wire.query(&insert("kept")));
        fine(&wire.query("SAVEPOINT s"));
        assert_eq!(failed(&wire.query(ddl)).1, 'E');
        fine(&wire.query("ROLLBACK TO s"));
        fine(&wire.query("COMMIT"));
        assert_eq!(count(&stack, "kept"), 1);
    }
}

#[test]
fn a_refused_query_keeps_its_place_in_the_stream() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        let ddl = message::query("DROP TABLE notes");
        let sent = [
            message::query("SELECT pg_sleep(0.2)"),
            ddl.clone(),
            message::query(&insert("in place")),
            ddl.clone(),
            message::query("SELECT 2"),
        ];
        wire.send(&sent.concat());
        for expected in ["TDCZ", "EZ", "CZ", "EZ", "TDCZ"] {
            assert_eq!(kinds(&wire.receive_until(b'Z')), expected);
        }
        assert_eq!(count(&stack, "in place"), 1);
        // Behind messages that no Sync has ended: an error ends their transaction.
        wire.send(&[extended(&insert("unsynced"), &[]), ddl.clone()].concat());
        let answer = wire.receive_until(b'Z');
        assert_eq!(kinds(&answer), "12CEZ");
        assert_eq!(failed(&answer), ("42501".into(), 'I'));
        assert_eq!(count(&stack, "unsynced"), 0);
        // Behind an error nobody reads it: the server skips everything up to Sync.
        let sent = [extended("SELECT 1/0", &[]), ddl.clone(), message::sync()];
        wire.send(&sent.concat());
        let answer = wire.receive_until(b'Z');
        assert_eq!(kinds(&answer), "1EZ");
        assert_eq!(failed(&answer), ("22012".into(), 'I'));
        // Behind a BEGIN on its way.
        wire.send(&[message::query("BEGIN"), ddl, message::query("ROLLBACK")].concat());
        assert_eq!(wire.states(3), "TEI");
        assert!(wire.is_quiet_for(Duration::from_millis(50)));
    }
}

#[test]
fn function_calls_are_refused() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        // Function 1598 is random(): no formats, no arguments, text result.
        let call = message::framed(b'F', &[&1598u32.to_be_bytes()[..], &[0; 6]].concat());
        for (begin, status) in [("SELECT 1", 'I'), ("BEGIN", 'E')] {
            fine(&wire.query(begin));
            wire.send(&call);
            let answer = wire.receive_until(b'Z');
            assert_eq!(failed(&answer), ("42501".into(), status));
            assert_eq!(answer[0].field(b'R').as_deref(), Some("fast-path"));
        }
        fine(&wire.query("ROLLBACK"));
    }
}

#[test]
fn a_refusal_says_what_where_and_why() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        let sql = "SELECT 'é';  DROP TABLE notes";
        let simple = wire.query(sql);
        let parsed = wire.batch(&message::parse("", "  DROP TABLE notes"));
        for (answer, position) in [(simple, "14"), (parsed, "3")] {
            let error = error(&answer).expect("an error");
            let field = |code| error.field(code).unwrap_or_default();
            assert_eq!((field(b'S'), field(b'V')), ("ERROR".into(), "ERROR".into()));
            assert_eq!(field(b'C'), "42501");
            assert_eq!(
                field(b'M'),
                "cannot execute DROP TABLE outside a migration session"
            );
            assert_eq!(field(b'P'), position);
            assert_eq!(field(b'R'), "ddl-outside-migration");
            assert!(field(b'F').ends_with("policy.toml"), "{}", field(b'F'));
            assert!(field(b'L').parse::<u32>().is_ok_and(|line| line > 0));
            let detail = field(b'D');
            for part in [
                "shop_plain",
                "ddl-outside-migration",
                "statement ",
                "connection ",
            ] {
                assert!(detail.contains(part), "{part} in {detail}");
            }
            assert!(field(b'H').contains("portcullis migration run --database app"));
            assert!(!detail.contains("notes"));
        }
        let log = stack.logged(&["ddl-outside-migration"]);
        assert!(!log.contains("DROP TABLE"));
    }
}
