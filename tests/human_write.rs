//! What a person cannot write, beside what the tests of `portcullis test` show: sequences, notifications, large
//! objects, locks. Each first through PgBouncer alone, where it has its effect.

mod support;

use support::fixture::POLICY;
use support::message::{Message, failed, fine};
use support::{Stack, StackOptions, Transport, Wire};

const OBJECTS: &str = "
\\connect app
CREATE SEQUENCE numbers;
GRANT ALL ON SEQUENCE numbers TO shop_plain;
CREATE TABLE figures (id int PRIMARY KEY);
INSERT INTO figures VALUES (1);
GRANT ALL ON figures TO shop_plain;
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

#[test]
fn people_move_no_sequence_notify_nobody_and_lock_no_row() {
    let person = POLICY.replacen(
        "[login.shop_plain]\nkind = \"service\"",
        "[login.shop_plain]\nkind = \"human\"",
        1,
    );
    assert_ne!(person, POLICY);
    let stack = Stack::start(StackOptions {
        policy: person,
        sql: format!("{}{OBJECTS}", support::fixture::SQL),
        ..StackOptions::default()
    });
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
