use std::sync::Arc;

use super::*;
use crate::console::testing::TestConsole;
use crate::conversation::Change;
use crate::policy::{Date, Policy};
use crate::sql::Fingerprint;
use crate::telemetry::report::{Key, Outcome};

const POLICY: &str = r#"schema = 1
environment = "test"
mode = "MODE"
[login.app]
kind = "service"
databases = ["shop"]
[[rule]]
id = "own"
when = { tag = "LISTEN" }
message = "not here"
[guards.parameters]
ceilings = { statement_timeout = "1min" }
"#;

fn policy(mode: &str, guards: &str) -> String {
    format!("{}{guards}", POLICY.replace("MODE", mode))
}

/// What a console tells when these were counted under this policy.
fn told(policy: &str, counted: &[(Guard, Outcome, u8)]) -> Found {
    let console = TestConsole::start();
    count(&console, policy, counted);
    let mut client = Client::connect(&console.socket).expect("connected");
    ask(&mut client).expect("two answers")
}

fn count(console: &TestConsole, policy: &str, counted: &[(Guard, Outcome, u8)]) {
    let report = &console.proxy.report;
    let (policy, _) = Policy::parse(policy, "policy.toml").expect("a valid policy");
    report.policy_is(&policy, 1_000);
    let tally = report.tally();
    for (guard, outcome, statement) in counted {
        let key = Key {
            login: "app".into(),
            database: "shop".into(),
            guard: outcome.change().is_none().then_some(*guard),
            rule: (*guard == Guard::Rule).then(|| Arc::from("own")),
            fingerprint: Some(match statement {
                0 => crate::sql::fingerprint(b"CREATE ROLE r PASSWORD 'a'"),
                _ => Fingerprint::new([*statement; 16]),
            }),
            parameter: (*outcome == Changed(Change::Startup)).then(|| "search_path".into()),
            outcome: *outcome,
        };
        tally.note(key, 2_000, || Some("DELETE FROM \"a\nb\"".into()));
    }
}

use Outcome::{Changed, Observed, Refused};

#[test]
fn what_would_be_changed_has_a_table_of_its_own() {
    let zone = (Guard::Rule, Changed(Change::Zone), 0);
    let startup = (Guard::Rule, Changed(Change::Startup), 1);
    let found = told(&policy("observe", ""), &[zone, zone, startup]);
    let text = found.as_text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        (lines[0], lines[2]),
        (
            "Since 1970-01-01 00:00:00+00: 0 refused, 0 would have been.",
            "An enforcing policy would have set something ahead of 2 transactions, and sent 1 message in another form."
        )
    );
    assert!(text.contains("| startup parameter search_path |"), "{text}");
    assert!(!text.contains("guard"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&found.as_json()).expect("JSON");
    assert_eq!(
        (&json["observed"], &json["injected"], &json["rewritten"]),
        (&0.into(), &2.into(), &1.into())
    );
    assert_eq!(json["rows"][0]["change"], "zone");
    // Nothing of that is refused.
    assert_eq!(found.refusals(), 0);
}

#[test]
fn rows_are_counted_filtered_and_shown() {
    let mut found = told(
        &policy("enforce", ""),
        &[
            (Guard::MissingWhere, Observed, 1),
            (Guard::Rule, Refused, 2),
            (Guard::Rule, Refused, 2),
        ],
    );
    let text = found.as_text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "Since 1970-01-01 00:00:00+00: 2 refused, 1 would have been."
    );
    assert!(
        lines[4].contains(" 2 | refused  | app   | shop     | rule          | own"),
        "{text}"
    );
    assert!(
        lines[5].contains(" 01010101010101010101010101010101 | DELETE FROM \"a b\""),
        "{text}"
    );
    assert!(!text.contains("exempt_until"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&found.as_json()).expect("JSON");
    assert_eq!(
        (&json["refused"], &json["observed"]),
        (&2.into(), &1.into())
    );
    assert_eq!(json["rows"][0]["count"], 2);
    assert_eq!(json["guards"][0]["guard"], Guard::ALL[0].id());

    assert_eq!(found.unknown("own"), None);
    assert_eq!(found.unknown("maintenance"), None);
    assert!(found.unknown("missing-were").is_some());
    found.keep(Some("app"), Some("own"));
    assert_eq!(found.rows.rows.len(), 1);
    found.keep(Some("nobody"), None);
    assert_eq!(
        found.as_text(),
        "Since 1970-01-01 00:00:00+00: 0 refused, 0 would have been."
    );
}

#[test]
fn a_login_that_neither_the_policy_nor_the_report_knows_is_a_slip() {
    let console = TestConsole::start();
    count(
        &console,
        &policy("enforce", ""),
        &[(Guard::MissingWhere, Refused, 1)],
    );
    let mut client = Client::connect(&console.socket).expect("connected");
    let found = ask(&mut client).expect("two answers");
    // The console's policy has no app: it was taken out of it.
    for known in ["app", "shop_api", "migrator"] {
        let unknown = found.unknown_login(known, &mut client);
        assert_eq!(unknown.expect("an answer"), None, "{known}");
    }
    for unknown in ["shop_apy", "", "App"] {
        let why = found
            .unknown_login(unknown, &mut client)
            .expect("an answer");
        let said =
            format!("the policy has no login \"{unknown}\", and nothing of one was counted; ");
        assert!(why.is_some_and(|why| why.starts_with(&said)), "{unknown}");
    }
    let args = |login: &str| ReportArgs {
        login: Some(login.to_owned()),
        guard: None,
        since: None,
        json: true,
        suggest: false,
        at: ConsoleAt {
            console: Some(console.socket.clone()),
            config: "/nonexistent".into(),
        },
    };
    for (login, code) in [("shop_api", 0), ("app", REFUSED), ("nobdy", COULD_NOT)] {
        let ended = format!("{:?}", run(&args(login)));
        assert_eq!(ended, format!("{:?}", ExitCode::from(code)), "{login}");
    }
}

#[test]
fn what_was_last_seen_before_is_left_out() {
    // All were counted two seconds after 1970 began.
    let counted = [(Guard::MissingWhere, Observed, 1)];
    let mut found = told(&policy("enforce", ""), &counted);
    found.keep_seen("1970-01-01 00:00:02+00".into());
    assert_eq!(
        found.as_text().lines().next(),
        Some(
            "Since 1970-01-01 00:00:00+00, of statements seen since 1970-01-01 00:00:02+00: \
             0 refused, 1 would have been."
        )
    );
    found.rows.rows[0][9] = None;
    found.keep_seen("2026-11-21 00:00:00+00".into());
    assert_eq!(found.rows.rows.len(), 1);
    let mut found = told(&policy("enforce", ""), &counted);
    found.keep_seen("1970-01-01 00:00:03+00".into());
    assert!(found.rows.rows.is_empty());
    let json: serde_json::Value = serde_json::from_str(&found.as_json()).expect("JSON");
    assert_eq!(json["seen_since"], "1970-01-01 00:00:03+00");
}

/// What is suggested, in a policy that takes it.
fn taken(mode: &str, guards: &str, counted: &[(Guard, Outcome, u8)]) -> (String, Policy) {
    let found = told(&policy(mode, guards), counted);
    let today = Date::new(2026, 11, 21).expect("a day");
    let text = suggest::policy(&found, today);
    let reasons = text.replace("reason = \"\"", "reason = \"a test\"");
    let policy = format!("{}\n{reasons}", policy("enforce", ""));
    let (policy, _) = Policy::parse(&policy, "policy.toml")
        .unwrap_or_else(|problems| panic!("{problems:?}\n{policy}"));
    (text, policy)
}

#[test]
fn a_policy_that_observed_takes_what_is_suggested() {
    use crate::policy::Mode;
    let counted = [
        (Guard::MissingWhere, Observed, 1),
        (Guard::MissingWhere, Observed, 1),
        (Guard::MissingWhere, Observed, 2),
        (Guard::ZoneParameter, Observed, 3),
        (Guard::UnknownStatement, Observed, 4),
        (Guard::Parameters, Observed, 5),
        (Guard::Rule, Observed, 6),
        (Guard::DdlOutsideMigration, Observed, 0),
    ];
    let (text, policy) = taken("observe", "", &counted);
    assert_eq!(policy.mode(Guard::MissingWhere), Mode::Observe, "{text}");
    assert_eq!(policy.mode(Guard::ZoneParameter), Mode::Observe);
    assert_eq!(policy.mode(Guard::Rule), Mode::Observe);
    assert_eq!(policy.mode(Guard::Maintenance), Mode::Enforce);
    assert_eq!(policy.exceptions.len(), 2);
    assert_eq!(policy.exceptions[0].fingerprint, Fingerprint::new([1; 16]));
    assert_eq!(policy.exceptions[0].expires.to_string(), "2027-02-19");
    for line in [
        "maintenance = \"enforce\"  # nothing would have been refused since 1970-01-01 00:00:01+00",
        "missing-where = \"observe\"  # would have refused 3 times",
        "ddl-outside-migration = \"observe\"  # would have refused 1 time",
        "# without exceptions, as constants may be passwords: 1 statement",
        "zone-parameter = \"observe\"  # would have refused 1 time; it takes no exceptions, and PREPARE and EXECUTE stay refused",
        "# unknown-statement is always enforced: would have refused 1 time",
        "fast-path = \"enforce\"  # nothing would have been refused since 1970-01-01 00:00:01+00",
        "bulk-export = \"enforce\"  # nothing would have been refused since 1970-01-01 00:00:01+00",
        "# In [guards.parameters]: mode = \"observe\"  # would have refused 1 time; it takes no exceptions",
        "# 2 times, the last one 1970-01-01 00:00:02+00: DELETE FROM \"a b\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn programs_are_suggested_the_same() {
    let counted = [
        (Guard::MissingWhere, Observed, 1),
        (Guard::MissingWhere, Observed, 1),
        (Guard::UnknownStatement, Observed, 4),
        (Guard::Parameters, Observed, 5),
        (Guard::DdlOutsideMigration, Observed, 0),
    ];
    let found = told(&policy("observe", ""), &counted);
    let today = Date::new(2026, 11, 21).expect("a day");
    let said: serde_json::Value =
        serde_json::from_str(&suggest::as_json(&found, today)).expect("JSON");
    assert_eq!(said["since"], "1970-01-01 00:00:00+00");
    assert_eq!(said["mode"], "enforce");
    let guard = |id: &str| {
        let mut guards = said["guards"].as_array().expect("a list").iter();
        guards
            .find(|guard| guard["guard"] == id)
            .expect("it is there")
    };
    for (id, mode, why, always, in_table) in [
        (
            "maintenance",
            "enforce",
            "nothing would have been refused since 1970-01-01 00:00:01+00",
            false,
            false,
        ),
        (
            "missing-where",
            "observe",
            "would have refused 2 times",
            false,
            false,
        ),
        (
            "unknown-statement",
            "enforce",
            "would have refused 1 time",
            true,
            false,
        ),
        (
            "parameters",
            "observe",
            "would have refused 1 time; it takes no exceptions",
            false,
            true,
        ),
    ] {
        let expected = serde_json::json!({
            "guard": id, "mode": mode, "why": why, "always_enforced": always, "in_table": in_table,
        });
        assert_eq!(guard(id), &expected);
    }
    let expected = serde_json::json!([{
        "guard": "missing-where",
        "login": "app",
        "fingerprint": "01010101010101010101010101010101",
        "expires": "2027-02-19",
        "count": 2,
        "last_at": "1970-01-01 00:00:02+00",
        "statement": "DELETE FROM \"a\nb\"",
    }]);
    assert_eq!(said["exceptions"], expected);
    assert_eq!(said["exceptions_left_out"], 0);
    assert_eq!(said["statements_without_exceptions"], 1);
    // One that enforces has nothing to become.
    let found = told(&policy("enforce", ""), &[]);
    let said: serde_json::Value =
        serde_json::from_str(&suggest::as_json(&found, today)).expect("JSON");
    assert_eq!(said["mode"], serde_json::Value::Null);
    assert_eq!(said["exceptions"], serde_json::json!([]));
}

#[test]
fn single_modes_are_kept_or_enforced() {
    use crate::policy::Mode;
    let guards =
        "[guards]\nmissing-where = \"observe\"\nprocedural = \"off\"\nmaintenance = \"observe\"\n";
    // What is refused is no matter of what is observed.
    let counted = [
        (Guard::CopyFile, Refused, 1),
        (Guard::MissingWhere, Observed, 2),
    ];
    let (text, policy) = taken("enforce", guards, &counted);
    assert_eq!(policy.mode(Guard::MissingWhere), Mode::Observe);
    assert_eq!(policy.mode(Guard::Maintenance), Mode::Enforce);
    assert_eq!(policy.mode(Guard::Procedural), Mode::Off);
    assert_eq!(policy.exceptions.len(), 1);
    assert!(
        !text.contains("copy-file") && !text.contains("fast-path"),
        "{text}"
    );
}

#[test]
fn where_nobody_answers_the_report_could_not_be_had() {
    let args = ReportArgs {
        login: None,
        guard: None,
        since: None,
        json: false,
        suggest: false,
        at: ConsoleAt {
            console: Some("/nonexistent".into()),
            config: "/nonexistent".into(),
        },
    };
    assert_eq!(
        format!("{:?}", run(&args)),
        format!("{:?}", ExitCode::from(COULD_NOT))
    );
}
