use super::*;

fn key(login: &str, guard: Guard, statement: u8) -> Key {
    Key {
        login: login.into(),
        database: "shop".into(),
        guard: Some(guard),
        rule: None,
        fingerprint: Some(Fingerprint::new([statement; 16])),
        parameter: None,
        outcome: Outcome::Observed,
    }
}

fn policy(head: &str, guards: &str) -> Policy {
    let text = format!(
        "schema = 1\nenvironment = \"test\"\n{head}\n[login.app]\nkind = \"service\"\n\
         databases = [\"shop\"]\n[guards]\n{guards}\n"
    );
    Policy::parse(&text, "policy.toml")
        .expect("a valid policy")
        .0
}

#[test]
fn what_workers_count_is_summed_and_the_most_frequent_comes_first() {
    let report = Report::new(5);
    let (one, other) = (report.tally(), report.tally());
    let text = || Some("DELETE FROM t".into());
    one.note(key("app", Guard::MissingWhere, 1), 20, || None);
    other.note(key("app", Guard::MissingWhere, 2), 25, || None);
    other.note(key("app", Guard::MissingWhere, 1), 10, text);
    other.note(key("app", Guard::MissingWhere, 1), 30, || panic!("known"));
    let refused = Key {
        outcome: Outcome::Refused,
        ..key("app", Guard::MissingWhere, 1)
    };
    one.note(refused.clone(), 40, || None);
    let rows = report.rows();
    assert_eq!((report.since, rows.len()), (5, 3));
    let seen = Seen {
        count: 3,
        first: 10,
        last: 30,
        example: Some("DELETE FROM t".into()),
    };
    assert_eq!(rows[0], (key("app", Guard::MissingWhere, 1), seen));
    assert!(
        rows.iter()
            .any(|(key, seen)| *key == refused && seen.count == 1)
    );
    assert_eq!(
        report.others(Some(Guard::MissingWhere), Outcome::Observed),
        0
    );
}

#[test]
fn a_full_table_counts_by_guard_what_is_new() {
    let report = Report::bounded(0, 2, MAX_BYTES);
    let (one, other) = (report.tally(), report.tally());
    one.note(key("app", Guard::Procedural, 1), 1, || None);
    other.note(key("app", Guard::Procedural, 2), 1, || None);
    one.note(key("app", Guard::Procedural, 3), 1, || panic!("no room"));
    other.note(key("app", Guard::Maintenance, 4), 1, || panic!("no room"));
    // What has a row is still counted there.
    one.note(key("app", Guard::Procedural, 1), 2, || None);
    assert_eq!(report.rows().len(), 2);
    assert_eq!(report.rows()[0].1.count, 2);
    assert_eq!(report.others(Some(Guard::Procedural), Outcome::Observed), 1);
    assert_eq!(
        report.others(Some(Guard::Maintenance), Outcome::Observed),
        1
    );
    assert_eq!(report.others(Some(Guard::Maintenance), Outcome::Refused), 0);
}

#[test]
fn texts_are_bounded_each_and_together() {
    let report = Report::bounded(0, 10, ROW + 7 + MAX_EXAMPLE + 3);
    let tally = report.tally();
    let long = || Some("é".repeat(5000).into());
    tally.note(key("app", Guard::Procedural, 1), 1, long);
    tally.note(key("app", Guard::Procedural, 2), 1, long);
    let rows = report.rows();
    assert_eq!(rows.len(), 1);
    let example = rows[0].1.example.as_deref().expect("an example");
    assert_eq!(example, format!("{}…", "é".repeat(MAX_EXAMPLE / 2)));
    assert_eq!(report.others(Some(Guard::Procedural), Outcome::Observed), 1);
    // A place that was not used is given back.
    assert_eq!(report.common.rows.load(Relaxed), 9);
}

#[test]
fn changes_leave_room_for_refusals() {
    let report = Report::new(0);
    let tally = report.tally();
    let outcome = Outcome::Changed(Change::Startup);
    for number in 0..=MAX_CHANGED {
        let startup = Key {
            guard: None,
            fingerprint: None,
            parameter: Some(number.to_string().into()),
            outcome,
            ..key("app", Guard::Procedural, 1)
        };
        tally.note(startup, 1, || None);
    }
    assert_eq!(report.rows().len(), MAX_CHANGED);
    assert_eq!(report.others(None, outcome), 1);
    tally.note(key("app", Guard::Procedural, 1), 1, || None);
    assert_eq!(report.rows().len(), MAX_CHANGED + 1);
    assert_eq!(report.others(Some(Guard::Procedural), Outcome::Observed), 0);
}

#[test]
fn whoever_reads_holds_nobody_up() {
    let report = Report::new(0);
    let tally = report.tally();
    let reading = lock(&tally.rows);
    tally.note(key("app", Guard::Procedural, 1), 1, || None);
    drop(reading);
    assert_eq!(report.rows(), []);
    assert_eq!(report.others(Some(Guard::Procedural), Outcome::Observed), 1);
}

#[test]
fn a_guard_is_in_its_mode_since_a_policy_said_so() {
    let report = Report::new(0);
    assert_eq!(report.mode(Guard::Procedural), None);
    report.policy_is(&policy("mode = \"observe\"", ""), 10);
    report.policy_is(
        &policy("mode = \"enforce\"", "procedural = \"observe\""),
        20,
    );
    let mode = |guard| report.mode(guard).map(|found| (found.mode, found.since));
    assert_eq!(mode(Guard::Procedural), Some((Mode::Observe, 10)));
    assert_eq!(mode(Guard::Maintenance), Some((Mode::Enforce, 20)));
}
