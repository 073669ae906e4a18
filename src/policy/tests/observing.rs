//! `mode = "observe"` for the whole file.

use std::sync::Arc;

use super::super::guards::fixture::{CLOSED, OPEN};
use super::*;
use crate::sql::describe;

fn observing(login: &str) -> Who {
    let (policy, warnings) =
        parse(&COMPLETE.replace("mode = \"enforce\"", "mode = \"observe\"")).unwrap();
    let told: Vec<String> = warnings.iter().map(line_of).collect();
    assert_eq!(
        told,
        [
            "3: the whole file observes: nothing is refused | mode = \"enforce\" once the report is empty"
        ]
    );
    let policy = Arc::new(policy);
    Who {
        login: policy.logins[login].clone(),
        database: "shop".into(),
        policy,
    }
}

#[test]
fn nothing_is_refused_and_everything_is_counted() {
    let who = observing("shop_acme");
    assert!(who.observes());
    for (text, guards) in [
        ("select 1", &[][..]),
        ("drop table t", &[Guard::DdlOutsideMigration]),
        ("selct", &[Guard::UnknownStatement]),
        (
            "set app.tenant_id = 'globex'",
            &[Guard::ZoneParameter, Guard::ZoneNotGranted],
        ),
        (
            "copy t to program 'sh'; do $$ $$",
            &[Guard::Procedural, Guard::CopyProgram],
        ),
        // Off in this policy: not even counted.
        ("copy t to '/tmp/x'", &[]),
    ] {
        let decision = decide(&describe(text.as_bytes()), &who, CLOSED);
        assert_eq!(decision.verdict, Verdict::Allow, "{text}");
        assert_eq!(
            decision.observed.iter().collect::<Vec<_>>(),
            guards,
            "{text}"
        );
    }
}

#[test]
fn a_migrator_is_not_stopped_either() {
    let who = observing("migrator");
    let text = describe(b"drop table t");
    let ended = decide(&text, &who, CLOSED);
    assert_eq!(ended.verdict, Verdict::Allow);
    assert!(ended.observed.has(Guard::DdlOutsideMigration));
    assert!(decide(&text, &who, OPEN).observed.is_empty());
}

#[test]
fn an_enforcing_file_does_not_observe() {
    let (policy, _) = parse(COMPLETE).unwrap();
    assert!(!policy.observes);
    assert_eq!(policy.mode(Guard::CopyProgram), Mode::Enforce);
}
