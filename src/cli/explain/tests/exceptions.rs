//! What exceptions, rules and modes make of a verdict.

use super::*;

#[test]
fn a_fingerprint_is_told_where_an_exception_could_be_wanted() {
    let fingerprint = |sql: &str| crate::sql::fingerprint(sql.as_bytes());
    // Refused; observed; no guard objects.
    let refused = "vacuum orders";
    let line = format!("Fingerprint:  {}\n", fingerprint(refused));
    let told = plain("shop_acme", refused).stdout;
    assert!(told.ends_with(&line), "{told}");
    let observed = "delete from orders";
    let line = format!("Fingerprint:  {}\n", fingerprint(observed));
    let told = plain("shop_acme", observed).stdout;
    assert!(told.ends_with(&line), "{told}");
    let told = plain("shop_acme", "select 1").stdout;
    assert!(!told.contains("Fingerprint"), "{told}");
    // No exception can be for it.
    let told = plain("shop_acme", "create role r password 'a'").stdout;
    assert!(
        told.ends_with("-masked\n              no exception: constants that may be passwords are no part of it\n"),
        "{told}"
    );
}

#[test]
fn what_the_conversation_refuses_is_refused_whatever_the_mode_of_the_guard() {
    let policy = "schema = 1\nenvironment = \"test\"\n[login.shop]\nkind = \"service\"\ndatabases = [\"shop\"]\n\
        [guards]\nzone-parameter = \"observe\"\n";
    let policy = crate::policy::Policy::parse(policy, "p.toml").unwrap().0;
    let who = judged::who(&policy.into(), "shop", None).unwrap();
    let finding = |by_conversation| Finding {
        guard: Guard::ZoneParameter,
        objection: Objection::new("no"),
        exempt: false,
        by_conversation,
    };
    assert_eq!(finding(true).word(&who), "refuse");
    assert!(enforced_one(&finding(true), &who) && !enforced_one(&finding(false), &who));
    assert_eq!(finding(false).word(&who), "observe");
}

fn enforced_one(finding: &Finding, who: &Who) -> bool {
    judged::enforced(std::slice::from_ref(finding), who).is_some()
}

#[test]
fn an_exception_that_was_written_without_the_mark_admits_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.toml");
    let under = |exception: &str, sql: &str| {
        let fingerprint = crate::sql::fingerprint(exception.as_bytes()).to_string();
        let digits = &fingerprint[..32];
        let policy = format!(
            "schema = 1\nenvironment = \"test\"\n[login.jobs]\nkind = \"service\"\ndatabases = [\"shop\"]\n\
             [[exception]]\nguard = \"ddl-outside-migration\"\nlogin = \"jobs\"\nfingerprint = \"{digits}\"\nreason = \"r\"\nexpires = 9999-01-01\n",
        );
        std::fs::write(&path, policy).unwrap();
        let told = explained("production", "jobs", sql, |args| args.policy = path.clone());
        told.unwrap().code
    };
    let one = "alter subscription s connection 'host=a'";
    let other = "alter subscription s connection 'host=b'";
    assert_eq!((under(one, one), under(one, other)), (1, 1));
    // What has no constants that may be passwords has exceptions, for itself.
    let enable = "alter subscription s enable";
    assert_eq!(
        (
            under(enable, enable),
            under(enable, "alter subscription s disable")
        ),
        (0, 1)
    );
    let view = "create view v as select 'a'";
    assert_eq!(
        (
            under(view, view),
            under(view, "create view v as select 'b'")
        ),
        (0, 1)
    );
}

#[test]
fn exceptions_and_rules_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.toml");
    let sql = "DO $$ BEGIN PERFORM 1; END $$";
    let policy = format!(
        "schema = 1\nenvironment = \"test\"\n[login.jobs]\nkind = \"service\"\ndatabases = [\"shop\"]\n\
         [[rule]]\nid = \"no-reads\"\nwhen = {{ class = \"read\" }}\nmessage = \"nobody reads\"\n\
         [[exception]]\nguard = \"procedural\"\nlogin = \"jobs\"\nfingerprint = \"{}\"\nreason = \"r\"\nexpires = 9999-01-01\n",
        crate::sql::fingerprint(sql.as_bytes())
    );
    std::fs::write(&path, policy).unwrap();
    let jobs = |sql: &str| explained("production", "jobs", sql, |args| args.policy = path.clone());
    let known = jobs(sql).unwrap();
    assert!(
        known
            .stdout
            .contains("procedural              exempt   p.toml:1 "),
        "{}",
        known.stdout
    );
    assert_eq!(known.code, 0, "{}", known.stdout);
    assert_eq!(jobs("DO $$ BEGIN PERFORM 2; END $$").unwrap().code, 1);
    let ruled = jobs("select 1").unwrap();
    assert!(
        ruled
            .stdout
            .contains("no-reads                refuse   p.toml:6 "),
        "{}",
        ruled.stdout
    );
    assert!(
        ruled.stdout.contains("by rule \"no-reads\""),
        "{}",
        ruled.stdout
    );
}
