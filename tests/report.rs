//! `portcullis report` on the real stack: what was refused, what would have been, and a policy made of it.

mod support;

use portcullis::policy::{Guard, Mode, Policy};
use serde_json::Value;
use support::migration::{check, finished, portcullis};
use support::{Psql, Stack, StackOptions, Wire, fixture, message};

fn stack(policy: &str) -> Stack {
    Stack::start(StackOptions {
        policy: policy.to_owned(),
        client_tls: "allow",
        server_tls: "disable",
        ..StackOptions::default()
    })
}

fn ask(stack: &Stack, arguments: &[&str]) -> Psql {
    finished(portcullis(stack, &[&["report"], arguments].concat()))
}

fn rows(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    let said = ask(stack, &[&["--json"], arguments].concat());
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    report["rows"].as_array().expect("rows").clone()
}

/// `count outcome login database guard rule`
fn summary(row: &Value) -> String {
    let word = |name| match &row[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ["count", "outcome", "login", "database", "guard", "rule"]
        .map(word)
        .join(" ")
}

/// The kinds of the answer to one simple query.
fn query(wire: &mut Wire, sql: &str) -> String {
    wire.send(&message::query(sql));
    message::kinds(&wire.receive_until(b'Z'))
}

const RULE: &str = "
[[rule]]
id = \"no-listen\"
when = { tag = \"LISTEN\" }
message = \"nobody listens here\"
";

#[test]
fn what_was_refused_is_told_by_login_guard_and_statement() {
    let guards = "[guards]\nmissing-where = \"observe\"\nsession-state = \"off\"\n";
    let stack = stack(&format!("{}{guards}{RULE}", fixture::POLICY));
    let nothing = ask(&stack, &[]);
    assert_eq!(nothing.status, 0, "{}", nothing.stderr);
    assert!(nothing.stdout.contains(": 0 refused, 0 would have been."));

    let mut acme = Wire::login(&stack.login("shop_acme", "shop"));
    let mut plain = Wire::login(&stack.login("shop_plain", "app"));
    // The last as psql sends it.
    for name in ["'s3cret'", "'other'", "'third' ; -- done\n"] {
        let sql = format!("ALTER TABLE orders ALTER note SET DEFAULT {name}");
        assert_eq!(query(&mut acme, &sql), "EZ");
    }
    for wire in [&mut acme, &mut plain] {
        assert_eq!(query(wire, "LISTEN x"), "EZ");
    }
    // Observed: it passes. By the extended protocol, with parameters, it is the same statement.
    let sql = "DELETE FROM notes";
    assert_eq!(query(&mut plain, sql), "CZ");
    let again = [message::extended(sql, &[]), message::sync()].concat();
    plain.send(&again);
    plain.receive_until(b'Z');
    // A message without a text.
    plain.send(&message::framed(b'F', &[0, 0, 3, 189, 0, 0, 0, 0, 0, 0]));
    plain.receive_until(b'Z');

    let all = rows(&stack, &[]);
    let mut summaries: Vec<String> = all.iter().map(summary).collect();
    assert_eq!(
        summaries[0],
        "3 refused shop_acme shop ddl-outside-migration null"
    );
    assert_eq!(summaries[1], "2 observed shop_plain app missing-where null");
    summaries.sort();
    assert_eq!(
        summaries[..3],
        [
            "1 refused shop_acme shop rule no-listen",
            "1 refused shop_plain app fast-path null",
            "1 refused shop_plain app rule no-listen",
        ]
    );
    let first = &all[0];
    assert_eq!(
        first["statement"],
        "ALTER TABLE orders ALTER note SET DEFAULT $1"
    );
    let logged = stack.logged(&["refused", "ddl-outside-migration"]);
    let fingerprint = first["fingerprint"].as_str().expect("a fingerprint");
    assert!(logged.contains(fingerprint), "{fingerprint}\n{logged}");

    // A part of it, in each form.
    assert_eq!(rows(&stack, &["--login", "shop_acme"]).len(), 2);
    assert_eq!(rows(&stack, &["--guard", "no-listen"]).len(), 2);
    let table = ask(&stack, &["--guard", "missing-where"]);
    assert_eq!(table.status, 1, "{}", table.stderr);
    assert!(
        table.stdout.contains("| DELETE FROM notes |"),
        "{}",
        table.stdout
    );
    assert_eq!(ask(&stack, &["--login", "shop_globex"]).status, 0);
    let slip = ask(&stack, &["--guard", "missing-were", "--json"]);
    assert_eq!(slip.status, 2);
    let slip: Value = serde_json::from_str(&slip.stdout).expect("JSON");
    assert!(slip["error"]["message"].is_string(), "{slip}");
    // All of it was seen just now, none of it in a year to come.
    assert_eq!(rows(&stack, &["--since", "1h"]).len(), all.len());
    assert_eq!(rows(&stack, &["--since", "2020-01-01"]).len(), all.len());
    let later = ask(&stack, &["--since", "9999-12-31 23:59"]);
    assert_eq!(later.status, 0, "{}", later.stderr);
    let none = "of statements seen since 9999-12-31 23:59:00+00: 0 refused, 0 would have been.";
    assert!(later.stdout.contains(none), "{}", later.stdout);
    assert_eq!(ask(&stack, &["--since", "yesterday"]).status, 2);
    let console = finished(portcullis(&stack, &["console", "SHOW REPORT"])).ok();
    assert!(console.contains("(5 rows)"), "{console}");
    assert!(!console.contains("s3cret"), "{console}");
}

#[test]
fn a_policy_that_only_observes_is_made_one_that_enforces() {
    let observing = fixture::POLICY.replace("mode = \"enforce\"", "mode = \"observe\"");
    let stack = stack(&observing);
    let mut plain = Wire::login(&stack.login("shop_plain", "app"));
    for sql in ["DELETE FROM notes", "CREATE TEMP TABLE made (id int)"] {
        // An exception is for both.
        for closed in ["", ";"] {
            query(&mut plain, &format!("{sql}{closed}"));
        }
    }
    let found: Vec<String> = rows(&stack, &[]).iter().map(summary).collect();
    assert!(
        found.contains(&"2 observed shop_plain app missing-where null".to_owned())
            && found.contains(&"2 observed shop_plain app ddl-outside-migration null".to_owned()),
        "{found:?}"
    );

    let suggested = ask(&stack, &["--suggest"]);
    assert_eq!(suggested.status, 1, "{}", suggested.stderr);
    // Programs get as many.
    let told = ask(&stack, &["--suggest", "--json"]);
    assert_eq!(told.status, 1, "{}", told.stderr);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let exceptions = told["exceptions"].as_array().expect("a list").len();
    assert_eq!(
        exceptions,
        suggested.stdout.matches("[[exception]]").count()
    );
    assert_eq!(told["mode"], "enforce");
    let text = format!("{}\n{}", fixture::POLICY, suggested.stdout);
    // Nobody is excepted before somebody has said why.
    assert!(Policy::parse(&text, "policy.toml").is_err(), "{text}");
    let text = text.replace("reason = \"\"", "reason = \"a test\"");
    let file = stack.file("suggested.toml");
    std::fs::write(&file, &text).expect("written");
    let checked = check(&file);
    assert_eq!(
        checked.status, 0,
        "{}{}\n{text}",
        checked.stdout, checked.stderr
    );
    let (policy, _) = Policy::parse(&text, "policy.toml").expect("a valid policy");
    assert_eq!(policy.mode(Guard::MissingWhere), Mode::Observe);
    assert_eq!(policy.mode(Guard::DdlOutsideMigration), Mode::Observe);
    assert_eq!(policy.mode(Guard::Procedural), Mode::Enforce);

    // With it in force, what has exceptions is no reason against enforcing any more.
    stack.load(&text);
    let suggested = ask(&stack, &["--suggest"]).stdout;
    let line = "missing-where = \"enforce\"  # would have refused 2 times, all with exceptions";
    assert!(suggested.contains(line), "{suggested}");
    assert!(!suggested.contains("[[exception]]"), "{suggested}");
}
