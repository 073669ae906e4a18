//! What a person cannot write, beside what the tests of `portcullis test` show: sequences, notifications, large
//! objects, locks. Each first through PgBouncer alone, where it has its effect.

mod support;

use support::fixture::POLICY;
use support::message::{self, Message, column, failed, fine};
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
CREATE FUNCTION anything() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('default_transaction_read_only', 'off', false); RETURN 1; END $$;
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

/// `shop_plain` is a person, of whom the policy says this as well; and so much else.
fn stack((version, pooler): (Version, Pooler), says: &str, policy: &str) -> Stack {
    let person = POLICY.replacen(
        "[login.shop_plain]\nkind = \"service\"",
        &format!("[login.shop_plain]\nkind = \"human\"{says}"),
        1,
    );
    assert_ne!(person, POLICY);
    Stack::start(StackOptions {
        version,
        pooler,
        policy: format!("{person}\n{policy}"),
        sql: format!("{}{OBJECTS}", support::fixture::SQL),
        ..StackOptions::default()
    })
}

/// What nobody in front of the server can see in a text.
const HIDDEN: [(&str, &str); 7] = [
    ("SELECT pay(2)", "25006"),
    (
        "SELECT count(*) FROM generate_series(1, 2) n, LATERAL pay(n + 2)",
        "25006",
    ),
    ("WITH paid AS (SELECT pay(3)) SELECT * FROM paid", "25006"),
    ("EXPLAIN ANALYZE SELECT pay(4)", "25006"),
    ("SELECT n FROM next_number", "25006"),
    ("COPY (SELECT pay(5)) TO STDOUT", "25006"),
    ("SELECT pay_all_the_same()", "25001"),
];

/// What would let them write, and what would take it from their connection.
const ASIDE: [&str; 16] = [
    "BEGIN READ WRITE",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    "BEGIN; SET TRANSACTION READ WRITE",
    "BEGIN; SAVEPOINT s; SELECT 1; ROLLBACK TO s; SET TRANSACTION READ WRITE",
    "BEGIN; SELECT 1; SET LOCAL transaction_read_only = off",
    "BEGIN; SET LOCAL transaction_read_only = off",
    "BEGIN; SELECT set_config('transaction_read_only', 'off', true)",
    "BEGIN; SELECT 1; COMMIT AND CHAIN; SET TRANSACTION READ WRITE",
    "BEGIN; SELECT 1; SELECT 1 / 0; ROLLBACK AND CHAIN; SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "SELECT set_config('default_transaction_read_only', 'on', false), anything()",
    "SELECT anything()",
    "RESET ALL",
    "DISCARD ALL",
    "SET transaction_read_only = off",
];

const SESSION: &str = "\nroute = \"session\"";
const ZONE: &str = "\nzone = \"acme\"";

/// Their transactions only read, whatever is called in them.
#[test]
fn what_people_call_writes_nothing() {
    for version in VERSIONS {
        writes_nothing(&stack(version, "", ""));
        writes_nothing(&stack(version, SESSION, ""));
    }
    writes_nothing(&stack(VERSIONS[0], ZONE, ""));
    writes_nothing(&stack(VERSIONS[1], &format!("{ZONE}{SESSION}"), ""));
}

fn writes_nothing(stack: &Stack) {
    let evidence = || stack.direct("app", EVIDENCE);
    let before = evidence();
    let login = stack.login("shop_plain", "app");
    for run in ways() {
        let mut wire = Wire::login(&login);
        let harmless = [
            "SELECT 1",
            "BEGIN",
            "BEGIN; SELECT 1; SAVEPOINT s",
            "BEGIN READ ONLY",
        ];
        for texts in harmless.iter().chain(&ASIDE) {
            for (hidden, sqlstate) in HIDDEN {
                for text in texts.split("; ") {
                    run(&mut wire, text);
                }
                let (found, _) = failed(&run(&mut wire, hidden));
                // What was tried before it may have ended its transaction.
                assert!(
                    found == sqlstate || found == "25P02",
                    "{texts}: {hidden}: {found}"
                );
                run(&mut wire, "ROLLBACK");
                let found = failed(&run(&mut wire, hidden));
                assert_eq!(found, (sqlstate.into(), 'I'), "behind {texts}: {hidden}");
            }
        }
        fine(&run(&mut wire, "BEGIN READ WRITE"));
        assert_eq!(
            column(&run(&mut wire, "SHOW transaction_read_only")),
            ["on"]
        );
        assert_eq!(column(&run(&mut wire, "SELECT id FROM figures")), ["1"]);
        fine(&run(&mut wire, "COMMIT"));
    }
    // In one message, too.
    let mut wire = Wire::login(&login);
    for texts in ASIDE {
        let answer = wire.query(&format!("{texts}; SELECT pay(8)"));
        assert!(message::error(&answer).is_some(), "{texts}");
        wire.query("ROLLBACK");
    }
    for startup in [
        ("default_transaction_read_only", "off"),
        ("options", "-c default-transaction-read-only=no"),
        ("transaction_read_only", "off"),
    ] {
        let mut wire = Wire::login_with(&login, Transport::SslRequest, &[startup]);
        assert_eq!(
            failed(&wire.query("SELECT pay(6)")).0,
            "25006",
            "{startup:?}"
        );
    }
    assert_eq!(evidence(), before);
}

/// Where the guard does not hold for them, or something that writes is let through, functions write as before.
#[test]
fn others_write() {
    let exception = |guard: &str, expires: &str| {
        let id = "0".repeat(32);
        format!(
            "[[exception]]\nguard = \"{guard}\"\nlogin = \"shop_plain\"\nfingerprint = \"{id}\"\nexpires = {expires}\nreason = \"a test\"\n"
        )
    };
    for (policy, writes) in [
        (exception("procedural", "2999-12-31"), true),
        (exception("human-write", "2020-01-01"), false),
        (exception("missing-where", "2999-12-31"), false),
        ("[guards]\nhuman-write = \"observe\"\n".to_owned(), true),
        ("[guards]\nhuman-write = \"off\"\n".to_owned(), true),
        (
            "[guards]\nddl-outside-migration = \"off\"\n".to_owned(),
            true,
        ),
    ] {
        let stack = stack(VERSIONS[0], "", &policy);
        let mut wire = Wire::login(&stack.login("shop_plain", "app"));
        let answer = wire.query("SELECT pay(2)");
        let error = message::error(&answer).map(Message::sqlstate);
        let expected = (!writes).then(|| "25006".to_owned());
        assert_eq!(error, expected, "{policy}");
    }
}

#[test]
fn people_move_no_sequence_notify_nobody_and_lock_no_row() {
    let stack = stack(VERSIONS[0], "", "");
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
