//! A policy file in `mode = "observe"`: what goes through Portcullis is what goes through the
//! PgBouncer behind it, answer for answer, and what an enforcing policy would have refused is counted.

mod support;

use std::collections::BTreeSet;

use portcullis::policy::{Guard, always_enforced};
use serde_json::Value;
use support::message::{self, Message, column};
use support::migration::{finished, portcullis};
use support::{Login, Stack, StackOptions, Transport, Wire, fixture};

fn observing(policy: &str) -> String {
    let observing = policy.replace("mode = \"enforce\"", "mode = \"observe\"");
    assert_ne!(observing, policy);
    observing
}

fn stack(policy: &str) -> Stack {
    let policy = observing(policy);
    let grants = "GRANT CREATE ON SCHEMA public TO PUBLIC;\n";
    let databases = format!("\\c shop\n{grants}\\c app\n{grants}");
    Stack::start(StackOptions {
        policy,
        sql: format!("{}{databases}", fixture::SQL),
        client_tls: "allow",
        server_tls: "disable",
        pool_size: 1,
        // It ends a connection for one that it does not know.
        pgbouncer: "ignore_startup_parameters = options, search_path, statement_timeout".into(),
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
        "SET TRANSACTION READ ONLY; SELECT 2; COMMIT",
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
    let stack = stack(fixture::POLICY);
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

fn changed(stack: &Stack, change: &str) -> f64 {
    stack.metric(&format!(
        "portcullis_observed_changes_total{{change=\"{change}\"}}"
    ))
}

fn report(stack: &Stack) -> Value {
    let said = finished(portcullis(stack, &["report", "--json"]));
    serde_json::from_str(&said.stdout).expect("JSON")
}

/// Guard, login and fingerprint, or what stands in its place, of everything with this outcome.
fn told(report: &Value, outcome: &str) -> BTreeSet<[String; 3]> {
    let rows = report["rows"].as_array().expect("rows");
    let rows = rows.iter().filter(|row| row["outcome"] == outcome);
    let word = |row: &Value, name| row[name].as_str().unwrap_or_default().to_owned();
    rows.map(|row| {
        let statement = word(row, "statement");
        let about = match statement.starts_with("startup parameter ") {
            true => statement,
            false => word(row, "fingerprint"),
        };
        [word(row, "guard"), word(row, "login"), about]
    })
    .collect()
}

fn run(login: &Login, batches: &[Vec<u8>]) {
    let mut wire = Wire::login_with(login, Transport::Plain, &[]);
    for batch in batches {
        wire.send(batch);
        wire.receive_until(b'Z');
        if batch.ends_with(&message::query("SELECT 8")) {
            assert_eq!(column(&wire.query("SELECT 9")), ["9"]);
        }
    }
}

/// Statements that every policy allows, with transactions of every kind.
fn allowed() -> Vec<Vec<u8>> {
    let query = |sql: &str| message::query(sql);
    let select = message::extended("SELECT count(*) FROM orders", &[]);
    let named = |name: &str| {
        let bind = message::bind("", name, &[]);
        [bind, message::execute("", 0), message::sync()].concat()
    };
    vec![
        query("SELECT count(*) FROM orders"),
        query("BEGIN"),
        query("SELECT 1"),
        query("SELECT 2"),
        query("COMMIT"),
        query("BEGIN"),
        query("ROLLBACK"),
        query("SELECT 1; SELECT 2"),
        query("SET TimeZone = 'UTC'"),
        query("SHOW TimeZone"),
        query("SET LOCAL work_mem = '1MB'"),
        query(""),
        [select.clone(), select.clone(), message::sync()].concat(),
        [select.clone(), message::sync()].concat(),
        [
            message::parse("s", "SELECT note FROM orders"),
            message::sync(),
        ]
        .concat(),
        named("s"),
        named("s"),
        query("BEGIN"),
        named("s"),
        named("s"),
        query("SELECT 1/0"),
        query("ROLLBACK"),
        query("RESET TimeZone"),
        query("SELECT 1"),
        [message::close(b'S', "s"), message::sync()].concat(),
    ]
}

#[test]
fn as_many_zones_are_foreseen_as_are_set_then() {
    let stack = stack(fixture::POLICY);
    let login = stack.login("shop_acme", "shop");
    run(&login, &allowed());
    let foreseen = changed(&stack, "zone");
    assert_eq!(changed(&stack, "set-local"), 1.0);
    assert_eq!(changed(&stack, "unnamed"), 1.0);
    assert_eq!(stack.metric("portcullis_zone_injections_total"), 0.0);
    let said = finished(portcullis(&stack, &["report"])).stdout;
    assert!(
        said.contains(&format!("ahead of {foreseen} transactions")),
        "{said}"
    );
    assert!(said.contains("| SET TimeZone = $1"), "{said}");
    assert_eq!(told(&report(&stack), "observed"), BTreeSet::new());

    stack.load(fixture::POLICY);
    run(&login, &allowed());
    assert_eq!(stack.metric("portcullis_zone_injections_total"), foreseen);
    assert_eq!(told(&report(&stack), "refused"), BTreeSet::new());
}

#[test]
fn startup_parameters_are_foreseen_each_by_its_name() {
    let ceiling = "[guards.parameters]\nceilings = { statement_timeout = \"1min\" }\n";
    let policy = format!("{}{ceiling}", fixture::POLICY);
    let stack = stack(&policy);
    let login = stack.login("shop_plain", "app");
    let options = "-c search_path=public -c role=postgres";
    let parameters = [
        ("application_name", "mine"),
        ("client_encoding", "LATIN1"),
        ("options", options),
        ("statement_timeout", "2min"),
    ];
    drop(Wire::login_with(&login, Transport::Plain, &parameters));
    let said = report(&stack);
    let row = |guard: &str, name: &str| {
        let about = format!("startup parameter {name}");
        [guard.to_owned(), "shop_plain".to_owned(), about]
    };
    let refused = BTreeSet::from([
        row("lexing-parameters", "client_encoding"),
        row("parameters", "statement_timeout"),
        row("role-change", "role"),
    ]);
    assert_eq!(told(&said, "observed"), refused);
    let changed = BTreeSet::from([row("", "search_path")]);
    assert_eq!(told(&said, "rewritten"), changed);
    // The value may be anything.
    assert!(!said.to_string().contains("LATIN1"), "{said}");
}

/// A week of observing, then what was suggested: nobody is refused who was not told of.
#[test]
fn what_is_suggested_refuses_nothing_that_the_report_did_not_tell() {
    let policy = fixture::POLICY.replace(
        "zone = \"globex\"",
        "zone = { from = \"client\", values = [\"globex\"] }",
    );
    let stack = stack(&policy);
    let acme = stack.login("shop_acme", "shop");
    let globex = stack.login("shop_globex", "shop");
    let chooses: Vec<Vec<u8>> = [
        "SELECT 1",
        "SET app.tenant_id = 'globex'",
        "SELECT count(*) FROM orders",
        "SET app.tenant_id = 'acme'",
        "SELECT set_config('app.tenant_id', 'acme', true)",
        "RESET app.tenant_id",
    ]
    .map(message::query)
    .into();
    let everything = || {
        run(&acme, &batches());
        run(&acme, &allowed());
        run(&globex, &chooses);
    };
    everything();
    let first = report(&stack);
    let foretold = told(&first, "observed");
    assert_eq!(told(&first, "refused"), BTreeSet::new());
    assert!(foretold.len() >= 20, "{foretold:?}");

    let mut exceptions = String::new();
    for _ in 0..2 {
        let suggested = finished(portcullis(&stack, &["report", "--suggest"])).stdout;
        let suggested = suggested.replace("reason = \"\"", "reason = \"a test\"");
        let end = suggested.find("\n[[exception]]");
        let (modes, more) = suggested.split_at(end.unwrap_or(suggested.len()));
        // What is excepted is not suggested again.
        exceptions += more;
        let enforcing = format!("{policy}\n{modes}\n{exceptions}");
        stack.load(&enforcing);
        everything();
        let refused = told(&report(&stack), "refused");
        let surprises: Vec<_> = refused.difference(&foretold).collect();
        assert!(surprises.is_empty(), "{surprises:?}\n{enforcing}");
    }
    // What is refused now are those that no mode and no exception lets pass.
    let refused = told(&report(&stack), "refused");
    assert!(!refused.is_empty());
    for [guard, ..] in &refused {
        let guard = Guard::from_id(guard).expect("a guard");
        // What others have prepared is out of reach, and a transaction must begin where its zone can be
        // set, whatever the modes of these are.
        let always =
            always_enforced(guard) || matches!(guard, Guard::ZoneParameter | Guard::ZoneRequired);
        assert!(always, "{}", guard.id());
    }
}
