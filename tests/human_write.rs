//! What a person cannot write, beside what the tests of `portcullis test` show: sequences, notifications, large
//! objects, locks. Each first through PgBouncer alone, where it has its effect.

mod support;

use support::fixture::POLICY;
use support::message::{Message, failed, fine};
use support::shared::VERSIONS;
use support::{Pooler, Stack, StackOptions, Transport, Version, Wire, ways};

const OBJECTS: &str = "
\\connect app
CREATE SEQUENCE numbers;
GRANT ALL ON SEQUENCE numbers TO shop_plain;
CREATE TABLE figures (id int PRIMARY KEY);
INSERT INTO figures VALUES (1);
GRANT ALL ON figures TO shop_plain;
CREATE FUNCTION pay(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO figures VALUES (n) RETURNING id';
CREATE FUNCTION pay_all_the_same() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    PERFORM set_config('transaction_read_only', 'off', true); PERFORM pay(7); RETURN 7; END $$;
CREATE VIEW next_number AS SELECT nextval('numbers') AS n;
GRANT SELECT ON next_number TO shop_plain;
";

/// What attacks change; the rows of `figures` show locks by their `xmax`.
const EVIDENCE: &str = "SELECT (SELECT last_value || ' ' || is_called FROM numbers),
    (SELECT count(*) FROM pg_largeobject_metadata), (SELECT string_agg(id || ' ' || xmax, ',') FROM figures)";

const ATTACKS: [&str; 14] = [
    "SELECT nextval('numbers')",
    "SELECT pg_catalog . \"nextval\" ('numbers')",
    "VALUES (nextval('numbers'))",
    "SELECT * FROM figures, nextval('numbers')",
    "SELECT x.nextval FROM unnest(ARRAY['numbers'::regclass]) x",
    "SELECT ('numbers'::regclass).nextval",
    "SELECT U&\"next\\0076al\"('numbers')",
    "EXPLAIN ANALYZE SELECT nextval('numbers')",
    "SELECT setval('numbers', 100)",
    "NOTIFY changes, 'from a person'",
    "SELECT pg_notify('changes', 'from a person')",
    "SELECT lo_create(0)",
    "SELECT * FROM (SELECT * FROM figures FOR KEY SHARE) f",
    "WITH f AS (SELECT * FROM figures FOR UPDATE) SELECT * FROM f",
];

const READING: [&str; 12] = [
    "SELECT last_value FROM numbers",
    "SELECT pg_sequence_last_value('numbers')",
    "EXPLAIN SELECT nextval('numbers')",
    "SELECT s.nextval, s.pg_notify FROM (SELECT 1 AS nextval, 2 AS pg_notify) s",
    "SELECT count(*) FROM figures",
    "EXPLAIN ANALYZE SELECT * FROM figures",
    "SELECT pg_sleep(0), pg_advisory_xact_lock(1)",
    "UNLISTEN *",
    "RESET ROLE",
    "SET statement_timeout = '5s'",
    "SHOW statement_timeout",
    "SELECT 'NOTIFY changes', 'nextval(''numbers'')'",
];

/// Somebody who listens, and asks what the attacks have left.
struct Watch<'s> {
    stack: &'s Stack,
    ears: Wire,
}

impl<'s> Watch<'s> {
    fn new(stack: &'s Stack) -> Self {
        let login = stack.login_at(stack.cluster.port, "shop_plain", "app");
        let mut ears = Wire::login_with(&login, Transport::Plain, &[]);
        fine(&ears.query("LISTEN changes"));
        Self { stack, ears }
    }

    /// The evidence, and whether a person has notified anybody: notifications come in their order.
    fn seen(&mut self) -> (String, bool) {
        let text = |it: &Message| String::from_utf8_lossy(&it.body).into_owned();
        let mut heard: Vec<String> = Vec::new();
        for sql in ["NOTIFY changes, 'the end'", "SELECT 1"] {
            let answer = self.ears.query(sql);
            heard.extend(answer.iter().filter(|it| it.kind == b'A').map(text));
        }
        assert!(
            heard.iter().any(|text| text.contains("the end")),
            "{heard:?}"
        );
        let notified = heard.iter().any(|text| text.contains("from a person"));
        (self.stack.direct("app", EVIDENCE), notified)
    }
}

/// `shop_plain` is a person, of whom the policy says this as well.
fn stack((version, pooler): (Version, Pooler), says: &str) -> Stack {
    let person = POLICY.replacen(
        "[login.shop_plain]\nkind = \"service\"",
        &format!("[login.shop_plain]\nkind = \"human\"{says}"),
        1,
    );
    assert_ne!(person, POLICY);
    Stack::start(StackOptions {
        version,
        pooler,
        policy: person,
        sql: format!("{}{OBJECTS}", support::fixture::SQL),
        ..StackOptions::default()
    })
}

/// What nobody in front of the server can see in a text.
const HIDDEN: [&str; 6] = [
    "SELECT pay(2)",
    "SELECT count(*) FROM figures, LATERAL pay(id + 2)",
    "WITH paid AS (SELECT pay(3)) SELECT * FROM paid",
    "EXPLAIN ANALYZE SELECT pay(4)",
    "SELECT n FROM next_number",
    "COPY (SELECT pay(5)) TO STDOUT",
];

/// What would let them write.
const ASIDE: [&str; 14] = [
    "BEGIN READ WRITE",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "SET Default_Transaction_Read_Only TO 'f'",
    "SET LOCAL transaction_read_only = off",
    "SET \"transaction_read_only\" TO 0",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "SELECT set_config('transaction_read_only', 'no', true)",
    "SELECT set_config('transaction_read_only', 'o' || 'ff', true)",
    "BEGIN; SET TRANSACTION READ WRITE",
    "COMMIT AND CHAIN; SET TRANSACTION READ WRITE",
    "UPDATE pg_settings SET setting = 'off' WHERE name = 'transaction_read_only'",
];

/// Their transactions only read, whatever is called in them.
#[test]
fn what_people_call_writes_nothing() {
    for version in VERSIONS {
        let stack = stack(version, "");
        let evidence = || stack.direct("app", EVIDENCE);
        let before = evidence();
        for run in ways() {
            let mut wire = Wire::login(&stack.login("shop_plain", "app"));
            for sql in HIDDEN {
                let answer = run(&mut wire, sql);
                assert_eq!(failed(&answer), ("25006".into(), 'I'), "{sql}");
            }
            // At the latest here it is too late to choose.
            let begin: [&[&str]; 5] = [
                &["BEGIN"],
                &["BEGIN", "SELECT 1", "SAVEPOINT s"],
                &["BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
                &["BEGIN READ ONLY"],
                &[
                    "RESET ALL",
                    "SET default_transaction_read_only TO DEFAULT",
                    "BEGIN",
                ],
            ];
            for texts in begin {
                for hidden in HIDDEN.iter().chain(&["SELECT pay_all_the_same()"]) {
                    for text in texts {
                        fine(&run(&mut wire, text));
                    }
                    let answer = run(&mut wire, hidden);
                    let (sqlstate, status) = failed(&answer);
                    assert!(
                        ["25006", "25001"].contains(&&*sqlstate),
                        "{texts:?} {hidden} {sqlstate}"
                    );
                    assert_eq!(status, 'E', "{texts:?} {hidden}");
                    fine(&run(&mut wire, "ROLLBACK"));
                }
            }
            for sql in ASIDE {
                assert_eq!(failed(&wire.query(sql)).0, "42501", "{sql}");
                wire.query("ROLLBACK");
            }
            fine(&wire.query("DISCARD ALL"));
            assert_eq!(failed(&run(&mut wire, "SELECT pay(6)")).0, "25006");
        }
        let login = stack.login("shop_plain", "app");
        for startup in [
            ("default_transaction_read_only", "off"),
            ("options", "-c default-transaction-read-only=no"),
        ] {
            let refused = Wire::refusal(&login, &[startup]);
            assert_eq!(refused.field(b'C').as_deref(), Some("42501"), "{startup:?}");
        }
        let passed_over = [("transaction_read_only", "off")];
        let mut wire = Wire::login_with(&login, Transport::SslRequest, &passed_over);
        assert_eq!(failed(&wire.query("SELECT pay(6)")).0, "25006");
        assert_eq!(evidence(), before);
    }
}

/// On a server connection of his own as long as he resets nothing, which he may not.
#[test]
fn nor_on_the_session_route() {
    let stack = stack(VERSIONS[0], "\nroute = \"session\"");
    let before = stack.direct("app", EVIDENCE);
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    for run in ways() {
        for sql in HIDDEN {
            assert_eq!(failed(&run(&mut wire, sql)).0, "25006", "{sql}");
        }
        for sql in [
            "RESET default_transaction_read_only",
            "RESET ALL",
            "DISCARD ALL",
        ] {
            assert_eq!(failed(&run(&mut wire, sql)).0, "42501", "{sql}");
        }
    }
    assert_eq!(stack.direct("app", EVIDENCE), before);
}

#[test]
fn people_move_no_sequence_notify_nobody_and_lock_no_row() {
    let stack = stack(VERSIONS[0], "");
    let mut watch = Watch::new(&stack);
    let pooled = stack.login_at(stack.transaction_port, "shop_plain", "app");
    let mut alone = Wire::login_with(&pooled, Transport::Plain, &[]);
    let mut through = Wire::login(&stack.login("shop_plain", "app"));
    for sql in ATTACKS {
        let before = watch.seen();
        fine(&alone.query(sql));
        assert_ne!(watch.seen(), (before.0, false), "without Portcullis: {sql}");
        let before = (watch.seen().0, false);
        for answer in [
            through.query(sql),
            through.batch(&support::message::extended(sql, &[])),
        ] {
            assert_eq!(failed(&answer), ("42501".into(), 'I'), "{sql}");
            let error = support::message::error(&answer).expect("an error");
            assert_eq!(error.field(b'R').as_deref(), Some("human-write"), "{sql}");
        }
        assert_eq!(watch.seen(), before, "{sql}");
    }
    for sql in READING {
        fine(&through.query(sql));
        fine(&through.batch(&support::message::extended(sql, &[])));
    }
}
