//! A policy file in `mode = "observe"`: what goes through Portcullis is what goes through the
//! PgBouncer behind it, answer for answer, and what an enforcing policy would have refused is counted.

mod support;

use support::fixture;
use support::message::{self, Message, column};
use support::{Login, Stack, StackOptions, Transport, Wire};

fn stack() -> Stack {
    let policy = fixture::POLICY.replace("mode = \"enforce\"", "mode = \"observe\"");
    assert_ne!(policy, fixture::POLICY);
    let grants = "GRANT CREATE ON SCHEMA public TO PUBLIC;\n";
    let databases = format!("\\c shop\n{grants}\\c app\n{grants}");
    Stack::start(StackOptions {
        policy,
        sql: format!("{}{databases}", fixture::SQL),
        client_tls: "allow",
        server_tls: "disable",
        pool_size: 1,
        ..StackOptions::default()
    })
}

/// What every guard refuses, what only the conversation refuses, and what it would have changed.
fn batches() -> Vec<Vec<u8>> {
    let simple = [
        "SELECT count(*) FROM orders",
        "SELECT current_setting('app.tenant_id', true)",
        "CREATE TABLE made (id int)",
        "INSERT INTO made VALUES (1), (2)",
        "DELETE FROM made",
        "BEGIN; INSERT INTO made VALUES (3); COMMIT",
        "SELECT 1; SELECT 2",
        "DO $$ BEGIN PERFORM 1; END $$",
        "SELECT set_config('app.tenant_id', 'globex', false)",
        "SELECT current_setting('app.tenant_id', true)",
        "RESET app.tenant_id",
        "SET ROLE NONE",
        "LISTEN x",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "DEALLOCATE p",
        "SELECT pg_advisory_lock(1), pg_advisory_unlock(1)",
        "DISCARD ALL",
        "VACUUM made",
        "SELEC 1",
        "",
        "; -- nothing",
        "SELECT /*/*/* deep */*/*/ 1",
        "COPY made TO STDOUT",
        "ROLLBACK",
        "DROP TABLE made",
    ];
    let call = {
        // lo_creat is 957: one int4, as text, answered as text.
        let body = [
            &957u32.to_be_bytes()[..],
            &0u16.to_be_bytes(),
            &1u16.to_be_bytes(),
            &2u32.to_be_bytes(),
            b"-1",
            &0u16.to_be_bytes(),
        ];
        message::framed(b'F', &body.concat())
    };
    let extended = |sql: &str| [message::extended(sql, &[]), message::sync()].concat();
    let mut batches: Vec<Vec<u8>> = simple.iter().map(|sql| message::query(sql)).collect();
    batches.extend(simple.iter().map(|sql| extended(sql)));
    batches.extend([
        call,
        // Nobody prepared these.
        [message::bind("", "nobody's", &[]), message::sync()].concat(),
        [message::execute("nobody's", 0), message::sync()].concat(),
        [
            message::extended("SELECT 7", &[]),
            message::query("SELECT 8"),
        ]
        .concat(),
    ]);
    batches
}

/// The answers, but for what is another one each time.
fn answers(login: &Login) -> Vec<String> {
    // An enforcing policy would refuse this one.
    let options = [("client_encoding", "LATIN1")];
    let mut wire = Wire::login_with(login, Transport::Plain, &options);
    let said = |message: &Message| {
        let body = match message.kind {
            // The value of lo_creat is a new number each time.
            b'V' => "an object".to_owned(),
            _ => String::from_utf8_lossy(&message.body).into_owned(),
        };
        format!("{} {body:?}", message.kind as char)
    };
    let mut all = Vec::new();
    for batch in batches() {
        wire.send(&batch);
        let mut answer = wire.receive_until(b'Z');
        if batch.ends_with(&message::query("SELECT 8")) {
            // Without Sync the query's answer is all there is.
            assert_eq!(column(&answer), ["7", "8"]);
        }
        all.extend(answer.drain(..).map(|message| said(&message)));
    }
    all
}

#[test]
fn an_observing_policy_changes_no_answer_and_counts_what_it_would_refuse() {
    let stack = stack();
    let directly = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    // The first round leaves its traces on the pool's one connection.
    answers(&directly);
    let straight = answers(&directly);
    let through = answers(&stack.login("shop_acme", "shop"));
    for (at, (straight, through)) in straight.iter().zip(&through).enumerate() {
        assert_eq!(straight, through, "answer {at}");
    }
    assert_eq!(straight.len(), through.len());

    let (_, metrics) = stack.http_get("/metrics");
    for guard in [
        "ddl-outside-migration",
        "procedural",
        "zone-parameter",
        "session-state",
        "maintenance",
        "missing-where",
        "unknown-statement",
        // What has no text.
        "fast-path",
        "unknown-name",
        "lexing-parameters",
    ] {
        let line = format!("portcullis_observed_refusals_total{{guard=\"{guard}\"}} ");
        let count = metrics.lines().find_map(|found| found.strip_prefix(&line));
        assert!(
            count.is_some_and(|count| count != "0"),
            "{guard}: {count:?}"
        );
    }
    let refused = "portcullis_refusals_total{";
    let refusals: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with(refused))
        .collect();
    assert!(!refusals.is_empty(), "{metrics}");
    let none = refusals.iter().all(|line| line.ends_with(" 0"));
    assert!(none, "{refusals:?}");
}
