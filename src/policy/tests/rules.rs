//! `[[rule]]` and `[[exception]]`.

use super::super::guards::fixture::{CLOSED, OPEN, facts, policy, refused, who_under};
use super::*;
use crate::sql::Class;

const RULE: &str = "[[rule]]\nid = \"own\"\nwhen = { class = \"copy-out\" }\nmessage = \"m\"\n";
const EXCEPTION: &str = "[[exception]]\nguard = \"procedural\"\nlogin = \"shop_acme\"\nfingerprint = \"5b1f90a2c3775b1f90a2c3775b1f90a2\"\nreason = \"r\"\nexpires = 2027-03-01\n";

/// The problems of a file with this at its end, where `from` of it is replaced; lines from its first on.
fn told(text: &str, from: &str, to: &str) -> Vec<String> {
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    let before = COMPLETE.lines().count() as u32;
    let problems = match parse(&format!("{COMPLETE}{text}")) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    let shown = problems.into_iter().map(|problem| Problem {
        line: problem.line - before,
        ..problem
    });
    shown.map(|problem| line_of(&problem)).collect()
}

#[test]
fn a_rule_is_checked_when_it_is_read() {
    assert_eq!(told(RULE, "own", "own"), [] as [String; 0]);
    let condition = "when = { class = \"copy-out\" }";
    assert_eq!(
        told(RULE, condition, "when = {}"),
        [
            "3: a rule without a condition would refuse everything | name at least one fact: when = { class = \"copy-out\" }"
        ]
    );
    for empty in [
        "class = []",
        "class = \"read\", relation = []",
        "login = []",
    ] {
        assert_eq!(
            told(RULE, condition, &format!("when = {{ {empty} }}")),
            [
                "3: an empty list holds for nothing, and the rule never | name a value, or leave the key out: it then holds for all"
            ]
        );
    }
    assert_eq!(
        told(RULE, condition, "when = { clas = \"read\" }"),
        ["3: unknown key \"rule.when.clas\" | did you mean \"class\"?"]
    );
    assert_eq!(
        told(RULE, "copy-out", "copy-ot"),
        ["3: \"copy-ot\" is not known | did you mean \"copy-out\"?"]
    );
    assert_eq!(
        told(RULE, condition, "when = { tag = \"drop table\" }"),
        ["3: \"drop table\" is not a command tag | did you mean \"DROP TABLE\"?"]
    );
    for (tag, said) in [
        (
            "droptable",
            "\"droptable\" is not a command tag | did you mean \"DROP TABLE\"?",
        ),
        (
            "DROPTABLE",
            "no statement has the command tag \"DROPTABLE\" | did you mean \"DROP TABLE\"?",
        ),
        (
            "zzz",
            "\"zzz\" is not a command tag | PostgreSQL's words in upper case: \"DROP TABLE\"",
        ),
        (
            "ZZZ *",
            "no statement has the command tag \"ZZZ *\" | the rule never holds for it; portcullis explain prints tags",
        ),
    ] {
        let when = format!("when = {{ tag = \"{tag}\" }}");
        assert_eq!(told(RULE, condition, &when), [format!("3: {said}")]);
    }
    let when = "when = { tag = [\"DROP *\", \"COPY\", \"TRUNCATE TABLE\"] }";
    assert_eq!(told(RULE, condition, when), [] as [String; 0]);
    assert_eq!(
        told(RULE, condition, "when = { login = \"nobody\" }"),
        ["3: no login is called \"nobody\" | the rule never holds for it"]
    );
    assert_eq!(
        told(
            RULE,
            condition,
            "when = { login = \"shop_*\", kind = [\"human\"] }"
        ),
        [] as [String; 0]
    );
    assert_eq!(
        told(RULE, "\"own\"", "\"Own\""),
        [
            "2: \"Own\" is not an id | lower-case letters, digits and -, at most 63: \"no-bulk-export\""
        ]
    );
    assert_eq!(
        told(RULE, "\"own\"", "\"procedural\""),
        ["2: \"procedural\" is the id of a guard | choose another id for the rule"]
    );
    assert_eq!(
        told(RULE, "message = \"m\"\n", ""),
        ["1: missing key \"message\" in [rule] | message = \"bulk export is not allowed\""]
    );
    assert_eq!(
        told(RULE, "message = \"m\"", "message = \"a\\nb\""),
        ["4: what a client reads is one line of at most 300 bytes"]
    );
    for code in ["00000", "01000", "4250", "4250x"] {
        assert_eq!(
            told(RULE, "\"m\"", &format!("\"m\"\nsqlstate = \"{code}\"")),
            [format!(
                "5: \"{code}\" is not the SQLSTATE of an error | five digits or upper-case letters: \"42501\""
            )]
        );
    }
    assert_eq!(
        told(&RULE.repeat(2), "own", "own"),
        ["6: rule \"own\" is there twice"]
    );
    assert_eq!(
        told("rule = 1\n", "1", "1"),
        ["1: unknown key \"migrations.rule\""]
    );
}

#[test]
fn a_rule_that_never_holds_here_is_told() {
    let condition = "when = { class = \"copy-out\" }";
    let told = |facts: &str| told(RULE, condition, &format!("when = {{ {facts} }}"));
    for fits in [
        "environment = \"production\"",
        "environment = \"prod*\"",
        "environment = [\"staging\", \"production\"]",
        "database = \"shop\"",
        "database = [\"*\", \"sh*\"]",
    ] {
        assert_eq!(told(fits), [] as [String; 0], "{fits}");
    }
    let elsewhere =
        "3: the environment of this policy is \"production\" | the rule never holds in it";
    for other in [
        "environment = \"Production\"",
        "environment = \"staging\"",
        "environment = [\"staging\", \"dev*\"]",
    ] {
        assert_eq!(told(other), [elsewhere], "{other}");
    }
    let nobodys = |name: &str| {
        format!("3: no login may reach database \"{name}\" | the rule never holds for it")
    };
    assert_eq!(told("database = \"shopp\""), [nobodys("shopp")]);
    assert_eq!(
        told("database = [\"shop\", \"x*\", \"SHOP\"]"),
        [nobodys("x*"), nobodys("SHOP")]
    );
    // What is empty is an error, and told once.
    assert_eq!(told("environment = []").len(), 1);
    assert_eq!(told("database = []").len(), 1);
}

#[test]
fn an_exception_is_checked_when_it_is_read() {
    assert_eq!(told(EXCEPTION, "r\"", "r\""), [] as [String; 0]);
    let constants = "it judges constants, which make no difference to a fingerprint";
    for (guard, help) in [
        ("copy-program", constants),
        ("zone-not-granted", constants),
        ("parameters", constants),
        ("role-change", constants),
        ("rule", "narrow the \"when\" of the rule instead"),
        ("fast-path", "it is always enforced"),
        (
            "dangerous-functions",
            "[guards.dangerous-functions] allow = [...] names functions that pass",
        ),
    ] {
        assert_eq!(
            told(EXCEPTION, "procedural", guard),
            [format!("2: guard \"{guard}\" has no exceptions | {help}")]
        );
    }
    assert_eq!(
        told(EXCEPTION, "shop_acme", "shop_acne"),
        ["3: no login is called \"shop_acne\" | did you mean \"shop_acme\"?"]
    );
    let fingerprint = "5b1f90a2c3775b1f90a2c3775b1f90a2";
    for text in [
        &*fingerprint.to_uppercase(),
        "5b1f90a2c37",
        "+b1f90a2c377",
        &fingerprint[1..],
        &fingerprint.replace("b1", "g1"),
        &fingerprint.replacen('5', "+", 1),
        "5b1f90a2c3775b1f90a2c3775b1f90é",
        "",
    ] {
        assert_eq!(
            told(EXCEPTION, fingerprint, text),
            [format!(
                "4: \"{text}\" is not a fingerprint | the statement's fingerprint, 32 hex digits: \"statement ...\" in the DETAIL"
            )]
        );
    }
    assert_eq!(
        told(EXCEPTION, fingerprint, "5b1f90a2c377"),
        [
            "4: \"5b1f90a2c377\" is too short: a fingerprint has 32 hex digits | portcullis explain and portcullis report tell the long one, and \"statement ...\" in the DETAIL of the refusal"
        ]
    );
    let masked = format!("{fingerprint}-masked");
    assert_eq!(
        told(EXCEPTION, fingerprint, &masked),
        [format!(
            "4: \"{masked}\" names no single statement: its constants may be passwords and are left out | such a statement has no exceptions; send it in a migration session"
        )]
    );
    assert_eq!(
        told(EXCEPTION, "\"r\"", "\" \""),
        [
            "5: a reason says why, in at most 1000 bytes | who will miss this exception, and until when?"
        ]
    );
    for expires in ["\"2027-03-01\"", "2027-03-01T00:00:00Z"] {
        let told = told(EXCEPTION, "2027-03-01", expires);
        assert!(
            told[0].contains("must be a day, such as 2027-03-01"),
            "{told:?}"
        );
    }
    assert_eq!(
        told(EXCEPTION, "2027-03-01", "1969-12-31"),
        ["6: there is no such day after 1970"]
    );
}

fn on(year: u16, month: u8, day: u8) -> State {
    State {
        today: Date::new(year, month, day),
        ..CLOSED
    }
}

#[test]
fn an_exception_lets_one_statement_of_one_login_past_one_guard_until_a_day() {
    let policy = policy(EXCEPTION);
    let code = facts("DO", &[Class::Procedural]);
    let who = who_under(&policy, "shop_acme", "shop");
    let by = |state: State, who: &Who| refused(&code, who, state).guard;
    assert_eq!(decide(&code, &who, on(2027, 2, 28)).verdict, Verdict::Allow);
    assert_eq!(by(on(2027, 3, 1), &who), Guard::Procedural);
    // Nobody said which day it is.
    assert_eq!(by(CLOSED, &who), Guard::Procedural);
    let other = who_under(&policy, "boris", "tools");
    assert_eq!(by(on(2027, 2, 28), &other), Guard::Procedural);

    let mut another = code.clone();
    another.fingerprint = Some(crate::sql::Fingerprint::new([1; 16])).into();
    assert_eq!(
        refused(&another, &who, on(2027, 2, 28)).guard,
        Guard::Procedural
    );
    // The same digits, but of more than one statement.
    let masked = crate::sql::fingerprint(b"create role r password 'a'");
    another.fingerprint = Some(masked).into();
    let mut by_hand = (*policy).clone();
    by_hand.exceptions[0].fingerprint = masked;
    let by_hand = std::sync::Arc::new(by_hand);
    let who = who_under(&by_hand, "shop_acme", "shop");
    assert_eq!(
        refused(&another, &who, on(2027, 2, 28)).guard,
        Guard::Procedural
    );
    another.fingerprint = None.into();
    assert_eq!(
        refused(&another, &who, on(2027, 2, 28)).guard,
        Guard::Procedural
    );

    let ddl = facts("DO", &[Class::Procedural, Class::Ddl]);
    assert_eq!(
        refused(&ddl, &who, on(2027, 2, 28)).guard,
        Guard::DdlOutsideMigration
    );
}

#[test]
fn an_exception_that_ends_is_told_before() {
    let policy = policy(EXCEPTION);
    let told = |year, month, day| -> Vec<String> {
        let today = Date::new(year, month, day).unwrap();
        policy
            .expiring(today, "p.toml")
            .iter()
            .map(line_of)
            .collect()
    };
    let what = "the exception of login \"shop_acme\" from guard \"procedural\"";
    assert_eq!(told(2027, 2, 14), [] as [String; 0]);
    for day in [15, 28] {
        assert_eq!(
            told(2027, 2, day),
            [format!(
                "21: {what} expires on 2027-03-01 | see to its reason, or give it another day"
            )]
        );
    }
    for day in [1, 2] {
        assert_eq!(
            told(2027, 3, day),
            [format!(
                "21: {what} expired on 2027-03-01: the statement is refused | remove it"
            )]
        );
    }
}

#[test]
fn a_rule_can_ask_for_the_phase_of_the_session() {
    let condition = "when = { class = \"copy-out\" }";
    assert_eq!(
        told(RULE, condition, "when = { phase = \"shrink\" }"),
        ["3: \"shrink\" is not known | one of: expand, contract"]
    );
    let rule = RULE.replace(
        condition,
        "when = { phase = [\"contract\"], tag = \"DROP TABLE\" }",
    );
    let policy = policy(&rule);
    let who = who_under(&policy, "migrator", "shop");
    let drop = facts("DROP TABLE", &[Class::Ddl]);
    let in_phase = |phase| State { phase, ..OPEN };
    let contract = in_phase(Some(Phase::Contract));
    assert_eq!(refused(&drop, &who, contract).by(), "own");
    for phase in [None, Some(Phase::Expand)] {
        assert_eq!(decide(&drop, &who, in_phase(phase)).verdict, Verdict::Allow);
    }
    let other = facts("DROP VIEW", &[Class::Ddl]);
    assert_eq!(decide(&other, &who, contract).verdict, Verdict::Allow);
}

#[test]
fn an_exception_lets_one_statement_past_the_phase() {
    let text = "alter table lines add foreign key (n) references orders";
    let facts = crate::sql::describe(text.as_bytes());
    let fingerprint = facts.fingerprint().unwrap().to_string();
    let exception = EXCEPTION
        .replace("procedural", "phase-expand")
        .replace("shop_acme", "migrator")
        .replace("5b1f90a2c3775b1f90a2c3775b1f90a2", &fingerprint);
    let policy = policy(&exception);
    let who = who_under(&policy, "migrator", "shop");
    let state = |day: State| State {
        migration_open: true,
        phase: Some(Phase::Expand),
        ..day
    };
    let (before, after) = (state(on(2027, 2, 28)), state(on(2027, 3, 1)));
    assert_eq!(decide(&facts, &who, before).verdict, Verdict::Allow);
    assert_eq!(refused(&facts, &who, after).guard, Guard::PhaseExpand);
    let another = crate::sql::describe(b"alter table lines add foreign key (m) references orders");
    assert_eq!(refused(&another, &who, before).guard, Guard::PhaseExpand);
}
