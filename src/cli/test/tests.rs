use super::*;
use crate::policy::Policy;

const POLICY: &str = "schema = 1\nenvironment = \"test\"\n[zone]\nparameter = \"app.zone\"\ndatabases = [\"shop\"]\n\
    [login.shop]\nkind = \"service\"\ndatabases = [\"shop\"]\nzone = \"acme\"\n\
    [login.jobs]\nkind = \"service\"\ndatabases = [\"figures\", \"tools\"]\n\
    [login.migrator]\nkind = \"migrator\"\ndatabases = [\"shop\"]\n";

/// Tests a policy with these cases in a directory of its own; its name is taken out of the answer.
pub(super) fn tested(policy: &str, cases: &str, json: bool) -> (Answer, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("p.toml"), policy).unwrap();
    if !cases.is_empty() {
        std::fs::write(directory.path().join("p.test.toml"), cases).unwrap();
    }
    let junit = directory.path().join("junit.xml");
    let args = TestArgs {
        paths: vec![directory.path().to_owned()],
        json,
        junit: Some(junit.clone()),
    };
    let answer = test(&args).unwrap();
    let plain = |text: String| text.replace(&format!("{}/", directory.path().display()), "");
    let xml = plain(std::fs::read_to_string(junit).unwrap());
    let stdout = plain(answer.stdout);
    (Answer { stdout, ..answer }, xml)
}

/// The failure of the one case that has these lines.
fn failure(lines: &str) -> Option<String> {
    let cases = format!("[[case]]\nname = \"it\"\n{lines}\n");
    let (answer, _) = tested(POLICY, &cases, false);
    let line = answer
        .stdout
        .lines()
        .find(|line| line.starts_with("FAILED"));
    assert_eq!(answer.code, u8::from(line.is_some()), "{}", answer.stdout);
    line.map(|line| {
        line.trim_start_matches("FAILED p.test.toml:1: it: ")
            .to_owned()
    })
}

#[test]
fn the_shipped_policies_pass_and_have_cases() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let args = TestArgs {
        paths: vec![policies],
        json: false,
        junit: None,
    };
    let answer = test(&args).unwrap();
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    assert!(
        !answer.stdout.contains("no cases beside it"),
        "{}",
        answer.stdout
    );
}

#[test]
fn right_answers_for_the_right_reason_pass() {
    for lines in [
        "login = \"shop\"\nsql = \"DROP TABLE t\"\nexpect = { refused = \"ddl-outside-migration\" }",
        "login = \"shop\"\nsql = \"DROP TABLE t\"\nexpect = { refused = \"ddl-outside-migration\", at = \"parse\", upstream = [\"nothing\"] }",
        "login = \"shop\"\nzone = \"acme\"\nsql = \"SELECT 1\"\nexpect = { allowed = true, upstream = [\"set zone acme\", \"the client's bytes, unchanged\"] }",
        "login = \"jobs\"\ndatabase = \"tools\"\nsql = \"SELECT 1 -- nothing\"\nexpect = { allowed = true, observed = [] }",
        "login = \"jobs\"\nsteps = [\"function call\"]\nexpect = { refused = \"fast-path\", at = \"function call\" }",
        "login = \"migrator\"\nmigration = {}\nsql = \"DROP TABLE t\"\nexpect = { allowed = true }",
        "login = \"migrator\"\nmigration = { phase = \"contract\" }\nsql = \"DROP TABLE t\"\nexpect = { allowed = true }",
        "login = \"migrator\"\nmigration = { phase = \"expand\" }\nsql = \"DROP TABLE t\"\nexpect = { refused = \"phase-expand\", sqlstate = \"42501\" }",
        "login = \"migrator\"\nmigration = { phase = \"expand\" }\nsteps = [\"parse s: DROP TABLE t\", \"bind s\", \"execute\"]\n\
            expect = { refused = \"phase-expand\", at = \"parse\" }",
        "login = \"migrator\"\nmigration = { phase = \"expand\" }\nsteps = [\"query: PREPARE p AS SELECT 1\", \"query: EXECUTE p\", \"query: CREATE TABLE c AS EXECUTE p\"]\n\
            expect = { allowed = true }",
        "login = \"migrator\"\nmigration = { phase = \"expand\" }\nsteps = [\"close migration\", \"query: SELECT 1\"]\n\
            expect = { refused = \"ddl-outside-migration\" }",
        "login = \"migrator\"\nsteps = [\"query: SELECT 1\"]\nexpect = { refused = \"ddl-outside-migration\" }",
        "login = \"shop\"\nsteps = [\"query: BEGIN\", \"query: DROP TABLE t\", \"query: ROLLBACK\", \"query: SELECT 1\"]\n\
            expect = { refused = \"ddl-outside-migration\", upstream = [\"set zone acme\", \"part of the client's bytes\"] }",
        "login = \"jobs\"\nsteps = [\"parse s: SELECT 1\", \"describe statement s\", \"bind s to p\", \"execute p\", \"close portal p\", \"flush\"]\n\
            expect = { allowed = true, upstream = [\"the client's bytes, unchanged\"] }",
    ] {
        assert_eq!(failure(lines), None, "{lines}");
    }
}

#[test]
fn wrong_answers_and_wrong_reasons_fail() {
    for (lines, said) in [
        (
            "login = \"shop\"\nsql = \"DROP TABLE t\"\nexpect = { allowed = true }",
            "expected allowed; got refused by ddl-outside-migration (42501, at query): cannot execute DROP TABLE outside a migration session; \
             upstream: nothing (as a simple query)",
        ),
        (
            "login = \"shop\"\nsql = \"SELECT 1\"\nexpect = { refused = \"zone-required\" }",
            "expected refused by zone-required; got allowed (as a simple query)",
        ),
        (
            "login = \"shop\"\nsql = \"DROP TABLE t\"\nexpect = { refused = \"procedural\", sqlstate = \"42501\" }",
            "expected refused by procedural (42501); got refused by ddl-outside-migration (42501, at query): \
             cannot execute DROP TABLE outside a migration session (as a simple query)",
        ),
        (
            "login = \"shop\"\nsql = \"DROP TABLE t\"\nexpect = { refused = \"ddl-outside-migration\", sqlstate = \"0A000\" }",
            "expected refused by ddl-outside-migration (0A000); got",
        ),
        (
            "login = \"shop\"\nsql = \"DROP TABLE t\"\nexpect = { refused = \"ddl-outside-migration\", message = \"CREATE\" }",
            "expected refused by ddl-outside-migration, message with \"CREATE\"; got",
        ),
        (
            "login = \"shop\"\nsql = \"DROP TABLE t\"\nexpect = { refused = \"ddl-outside-migration\", at = \"bind\" }",
            "expected refused by ddl-outside-migration (at bind); got refused by ddl-outside-migration (42501, at parse)",
        ),
        (
            "login = \"shop\"\nsql = \"SELECT 1\"\nexpect = { allowed = true, upstream = [\"the client's bytes, unchanged\"] }",
            "expected allowed; upstream: the client's bytes, unchanged; got allowed; upstream: set zone acme + the client's bytes, unchanged",
        ),
        (
            "login = \"shop\"\nsql = \"SELECT 1\"\nexpect = { allowed = true, upstream = [\"the client's bytes, unchanged\", \"set zone acme\"] }",
            "expected allowed; upstream: the client's bytes, unchanged + set zone acme; \
             got allowed; upstream: set zone acme + the client's bytes, unchanged, in this order",
        ),
        (
            "login = \"shop\"\nsteps = [\"query: DROP TABLE t\", \"query: SET ROLE a\"]\nexpect = { refused = \"ddl-outside-migration\" }",
            "expected refused by ddl-outside-migration; got refused by ddl-outside-migration (42501, at query): \
             cannot execute DROP TABLE outside a migration session; behind it refused by role-change (42501): ",
        ),
        (
            "login = \"jobs\"\nsteps = [\"query: DROP TABLE t\", \"execute nowhere\"]\nexpect = { refused = \"ddl-outside-migration\" }",
            "; behind it an error of the server (34000)",
        ),
        (
            "login = \"shop\"\nzone = \"globex\"\nsql = \"SELECT 1\"\nexpect = { allowed = true }",
            "expected zone globex; got login \"shop\" has zone acme",
        ),
        (
            "login = \"shop\"\nsql = \"SELECT 1\"\nexpect = { allowed = true, observed = [\"procedural\"] }",
            "expected allowed; observed: procedural; got allowed; observed: none",
        ),
        (
            "login = \"jobs\"\nsteps = [\"query: COPY t FROM STDIN\", \"query: SELECT 1\"]\nexpect = { allowed = true }",
            "the connection ended: unexpected message type 0x51 during COPY from stdin",
        ),
        (
            "login = \"jobs\"\nsteps = [\"execute nowhere\"]\nexpect = { refused = \"unknown-name\" }",
            "got an error of the server (34000)",
        ),
    ] {
        let failure = failure(lines).unwrap_or_default();
        assert!(failure.contains(said), "{lines}\n{said}\n{failure}");
    }
}

#[test]
fn mistakes_in_a_file_of_cases_are_told_with_their_lines() {
    let cases = "[[case]]\nname = \"a\"\nlogin = \"nobody\"\nsql = \"x\"\nexpect = { allowed = true }\n\
        [[case]]\nlogin = \"shop\"\nexpcet = { allowed = true }\n\
        [[case]]\nname = \"b\"\nlogin = \"shop\"\nsteps = [\"open migration\", \"prase s1: x\"]\nexpect = { refused = \"x\", allowed = true }\n\
        [[case]]\nname = \"c\"\nlogin = \"shop\"\nmigration = true\nsql = \"x\"\nexpect = { allowed = true, sqlstate = \"1\", upstream = [\"all\"] }\n\
        [[case]]\nname = \"d\"\nlogin = \"shop\"\ndatabase = \"tools\"\nsql = \"x\"\nexpect = { allowed = true, observed = [\"ddl\"] }\n\
        [case2]\n";
    let (answer, xml) = tested(POLICY, cases, false);
    assert_eq!(answer.code, 2, "{}", answer.stdout);
    let told: Vec<&str> = answer.stdout.lines().collect();
    let places = told
        .windows(2)
        .filter(|pair| pair[0].starts_with("error: "));
    let places: Vec<(&str, &str)> = places
        .map(|pair| {
            (
                &pair[0]["error: ".len()..],
                pair[1].trim_start_matches("  --> p.test.toml:"),
            )
        })
        .collect();
    let expected = [
        (
            "p.toml has no login \"nobody\"; it has jobs, migrator, shop",
            "3:9",
        ),
        ("a case has either sql or steps", "6:1"),
        ("missing key \"name\" in [case]", "6"),
        ("missing key \"expect\" in [case]", "6"),
        ("unknown key \"case.expcet\"", "8:1"),
        ("\"prase s1: x\" is not a step", "12:28"),
        ("a case expects either allowed or refused", "13:1"),
        (
            "login \"shop\" is not a migrator: it has no migration sessions",
            "14:1",
        ),
        ("\"all\" is not known", "19:56"),
        ("what is allowed has no error", "19:39"),
        ("login \"shop\" may reach shop only, not \"tools\"", "23:12"),
        ("there is no guard \"ddl\"", "25:40"),
        ("unknown key \"case2\"", "26:2"),
    ];
    for place in expected {
        assert!(places.contains(&place), "{place:?}\n{}", answer.stdout);
    }
    assert_eq!(places.len(), expected.len(), "{}", answer.stdout);
    assert!(xml.contains("name=\"the file can be used\""), "{xml}");
}

#[test]
fn what_shows_nothing_is_a_mistake_of_the_file() {
    let case = |name: &str, rest: &str| {
        format!(
            "[[case]]\nname = \"{name}\"\nlogin = \"migrator\"\n{rest}\nexpect = {{ allowed = true }}\n"
        )
    };
    let errors = [
        case(" ", "sql = \"SELECT 1\""),
        case("a", "steps = []"),
        case("b", "steps = [\"open migration\", \"close migration\"]"),
        case("c", "sql = \" ;-- x\""),
        case("c", "sql = \"\""),
        case(
            "d",
            "steps = [\"open migration\", \"query: SELECT 1\", \"open migration\"]",
        ),
        case(
            "e",
            "migration = true\nsteps = [\"open migration\", \"sync\"]",
        ),
        case("f", "steps = [\"query: SELECT 1\", \"close migration\"]"),
    ]
    .concat();
    let empty = "[[case]]\nname = \"g\"\nlogin = \"migrator\"\nsql = \"SELECT 1\"\n\
        expect = { refused = \"ddl-outside-migration\", sqlstate = \"\", message = \"\", hint = \"\" }\n";
    let (answer, _) = tested(POLICY, &(errors + empty), false);
    assert_eq!(answer.code, 2, "{}", answer.stdout);
    for (said, place) in [
        ("\"name\" is empty", "2:8"),
        ("no step sends a message", "9:9"),
        ("no step sends a message", "14:9"),
        ("\"sql\" has no statement", "19:7"),
        ("the case in line 17 is called \"c\", too", "22:8"),
        ("\"sql\" has no statement", "24:7"),
        ("a migration session is open already", "29:47"),
        ("a migration session is open already", "35:10"),
        ("no migration session is open", "40:29"),
        ("\"sqlstate\" is empty", "46:58"),
        ("\"message\" is empty", "46:72"),
        ("\"hint\" is empty", "46:83"),
    ] {
        let told = format!("error: {said}\n  --> p.test.toml:{place}\n");
        assert!(answer.stdout.contains(&told), "{told}\n{}", answer.stdout);
    }
    let told = answer.stdout.matches("error: ").count();
    assert_eq!(told, 12, "{}", answer.stdout);
}

const CASE: &str =
    "[[case]]\nname = \"a\"\nlogin = \"jobs\"\nsql = \"SELECT 1\"\nexpect = { allowed = true }\n";

#[test]
fn a_guard_that_is_not_enforced_fails_unless_the_cases_say_that_it_is_meant() {
    let lax = format!("{POLICY}[guards]\nprocedural = \"off\"\ncopy-program = \"observe\"\n");
    let (answer, xml) = tested(&lax, CASE, false);
    let said = "FAILED p.toml: guard \"procedural\" is off (line 17), which lets through: CALL, DO; \
        enforce it, or say in the cases that it is meant: not_enforced = [\"procedural\"]\n\
        FAILED p.toml: guard \"copy-program\" only observes (line 18), which lets through: \
        COPY FROM PROGRAM, COPY TO PROGRAM; enforce it";
    assert!(answer.stdout.contains(said), "{}", answer.stdout);
    assert_eq!(answer.code, 1);
    assert!(xml.contains("guard &quot;procedural&quot; is off"), "{xml}");

    let meant = format!("not_enforced = [\"procedural\", \"copy-program\"]\n{CASE}");
    let (answer, _) = tested(&lax, &meant, false);
    let said = "  not enforced by copy-program (observe): COPY FROM PROGRAM, COPY TO PROGRAM\n  not enforced by procedural (off): CALL, DO\n\
        1 policy, 1 case: all as expected\n";
    assert!(answer.stdout.ends_with(said), "{}", answer.stdout);
    assert_eq!(answer.code, 0);

    // What is enforced again must be taken off the list, and a word that is no guard is a mistake.
    for (list, said) in [
        ("copy-file", "guard \"copy-file\" is enforced by p.toml"),
        ("copyfile", "there is no guard \"copyfile\""),
    ] {
        let cases = format!("not_enforced = [\"{list}\"]\n{CASE}");
        let (answer, _) = tested(POLICY, &cases, false);
        assert_eq!(answer.code, 2, "{}", answer.stdout);
        let place = format!("error: {said}\n  --> p.test.toml:1:17");
        assert!(answer.stdout.contains(&place), "{}", answer.stdout);
    }
    let (strict, _) = tested(POLICY, "", false);
    assert!(!strict.stdout.contains("not enforced"), "{}", strict.stdout);
    assert!(
        strict.stdout.starts_with("p.toml: no cases beside it, "),
        "{}",
        strict.stdout
    );
    assert_eq!(strict.code, 2);
    assert!(
        strict.stderr.starts_with("no case was run for "),
        "{}",
        strict.stderr
    );
}

#[test]
fn a_file_of_cases_can_be_for_several_policies() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let lax = format!("{POLICY}[guards]\nprocedural = \"off\"\n");
    for (name, text) in [
        ("a.toml", POLICY),
        ("b.toml", &lax),
        ("c.toml", POLICY),
        (
            "a.test.toml",
            &format!(
                "policies = [\"a.toml\", \"b.toml\"]\n{CASE}[[case]]\nname = \"no code\"\nlogin = \"jobs\"\nsql = \"CALL p()\"\n\
                 expect = {{ refused = \"procedural\" }}\n"
            ),
        ),
        (
            "b.test.toml",
            &format!("not_enforced = [\"procedural\"]\n{CASE}"),
        ),
    ] {
        std::fs::write(at(name), text).unwrap();
    }
    let run = |path: PathBuf| {
        let args = TestArgs {
            paths: vec![path],
            json: false,
            junit: None,
        };
        let answer = test(&args).unwrap();
        let prefix = format!("{}/", directory.path().display());
        (answer.code, answer.stdout.replace(&prefix, ""))
    };
    let (code, said) = run(at("a.toml"));
    assert_eq!(code, 0, "{said}");
    assert!(
        said.starts_with("a.toml: 2 of 2 cases as expected, "),
        "{said}"
    );
    // Its own cases, and those that name it; a failure says under which policy.
    for path in ["b.toml", "b.test.toml"] {
        let (code, said) = run(at(path));
        assert_eq!(code, 1, "{said}");
        assert!(
            said.starts_with("b.toml: 2 of 3 cases as expected, "),
            "{said}"
        );
        let failed =
            "\nFAILED a.test.toml:7: no code (b.toml): expected refused by procedural; got allowed";
        assert!(said.contains(failed), "{said}");
    }
    let (code, said) = run(at("a.test.toml"));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("2 policies, 5 cases: 1 failure"), "{said}");
    assert_eq!(run(at("c.toml")).0, 2);

    for (list, said) in [
        ("[\"none.toml\"]", "could not read the file"),
        (
            "[\"../p.toml\"]",
            "is not the file of a policy beside this one",
        ),
        (
            "[\"a.test.toml\"]",
            "is not the file of a policy beside this one",
        ),
        ("[]", "\"policies\" names no policy"),
    ] {
        std::fs::write(at("a.test.toml"), format!("policies = {list}\n{CASE}")).unwrap();
        let (code, told) = run(at("a.test.toml"));
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(said), "{list}: {told}");
    }
}

#[test]
fn where_the_whole_file_observes_nothing_is_enforced_and_all_of_it_is_said() {
    let observing = POLICY.replace("[zone]", "mode = \"observe\"\n[zone]");
    let cases = "[[case]]\nname = \"a\"\nlogin = \"shop\"\nsql = \"DROP TABLE t\"\n\
        expect = { allowed = true, upstream = [\"the client's bytes, unchanged\"], observed = [\"ddl-outside-migration\"] }\n";
    let (answer, _) = tested(&observing, cases, false);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    for said in [
        " kept; the whole file observes: no invariant can fail\n",
        "  not enforced by ddl-outside-migration (observe): ",
        "  not enforced by unknown-statement (observe): ",
        "  not enforced by zone-required (observe): statements without their zone\n",
    ] {
        assert!(answer.stdout.contains(said), "{said}\n{}", answer.stdout);
    }
}

#[test]
fn what_gets_through_although_nothing_is_off_breaks_an_invariant() {
    let (policy, _) = Policy::parse(POLICY, "p.toml").unwrap();
    let who = judged::who(&policy.into(), "jobs", None).unwrap();
    let mut found = Invariants::default();
    let outside = judged::state(false);
    invariants::refused(&who, outside, "SELECT", "SELECT 1", &mut found);
    assert_eq!(
        (found.held, found.broken),
        (
            0,
            vec!["login \"jobs\" on \"figures\" gets SELECT through: SELECT 1".to_owned()]
        )
    );
}

#[test]
fn json_and_junit_have_the_same() {
    let cases = "[[case]]\nname = \"a\"\nlogin = \"shop\"\nsql = \"SELECT 1\"\nexpect = { allowed = true }\n\
        [[case]]\nname = \"b\"\nlogin = \"shop\"\nsql = \"DROP TABLE t\"\nexpect = { allowed = true }\n";
    let (answer, xml) = tested(POLICY, cases, true);
    let value: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((answer.code, &value["failures"]), (1, &1.into()));
    let policy = &value["policies"][0];
    assert_eq!(policy["cases"][0]["passed"], true);
    assert_eq!(policy["cases"][1]["line"], 6);
    assert_eq!(policy["cases"][1]["file"], policy["files"][0]);
    assert_eq!(policy["cases"][1]["expected"], "allowed");
    assert!(policy["invariants"]["kept"].as_u64() > Some(50));
    assert!(
        xml.contains("<testsuite name=\"p.test.toml\" tests=\"3\" failures=\"1\">"),
        "{xml}"
    );
    assert!(
        xml.contains("name=\"b\">\n      <failure message=\"expected allowed; got refused by ddl-"),
        "{xml}"
    );
}

#[test]
fn paths_are_policies_files_of_cases_and_directories() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["b.toml", "a.toml"] {
        std::fs::write(at(name), POLICY).unwrap();
    }
    std::fs::write(at("portcullis.toml"), "schema = 1\n[listen]\n").unwrap();
    std::fs::write(at("a.test.toml"), "").unwrap();
    std::fs::write(at("c.md"), "").unwrap();
    assert_eq!(
        policies_of(directory.path()),
        Ok(vec![at("a.toml"), at("b.toml")])
    );
    assert_eq!(policies_of(&at("a.test.toml")), Ok(vec![at("a.toml")]));
    assert_eq!(policies_of(&at("b.toml")), Ok(vec![at("b.toml")]));
    let empty = tempfile::tempdir().unwrap();
    assert!(policies_of(empty.path()).is_err_and(|why| why.ends_with("has no policy")));
}

#[test]
fn a_policy_that_is_not_valid_or_not_there_could_not_be_tested() {
    let (answer, _) = tested(
        &POLICY.replace("kind = \"service\"", "kind = \"servant\""),
        "",
        false,
    );
    assert_eq!(answer.code, 2);
    assert!(
        answer.stdout.contains("error: \"servant\" is not known"),
        "{}",
        answer.stdout
    );
    let args = TestArgs {
        paths: vec!["/nonexistent/p.test.toml".into()],
        json: false,
        junit: None,
    };
    let answer = test(&args).unwrap();
    assert_eq!(answer.code, 2);
    assert!(
        answer.stdout.contains("error: could not read the file"),
        "{}",
        answer.stdout
    );
}
