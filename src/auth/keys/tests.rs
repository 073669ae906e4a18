use super::*;

fn keys(password: &str) -> Keys {
    Keys::derive(password, b"0123456789abcdef", 2)
}

fn file(roles: &[&str]) -> String {
    roles.iter().fold(String::new(), |text, role| {
        with_keys(&text, role, &keys(role)).unwrap().to_string()
    })
}

fn fits(text: &str, role: &str, password: &str) -> bool {
    let there = ServerKeys::parse(text).unwrap();
    there
        .get(role)
        .is_some_and(|found| found.fit(&keys(password).verifier()))
}

#[test]
fn keys_go_in_and_come_out() {
    let text = file(&["app", "migrator", "o'n\"e \u{e9}"]);
    assert!(text.starts_with("; Portcullis server keys."));
    for role in ["app", "migrator", "o'n\"e \u{e9}"] {
        assert!(fits(&text, role, role));
    }
    let there = ServerKeys::parse(&text).unwrap();
    assert_eq!(there.roles(), ["app", "migrator", "o'n\"e \u{e9}"]);
    assert!(there.get("nobody").is_none());
    assert!(!fits(&text, "app", "migrator"));
}

#[test]
fn replacing_touches_no_other_line() {
    let before = format!("; mine\n\n{}; end", file(&["a", "b"]));
    let after = with_keys(&before, "a", &keys("new")).unwrap();
    assert!(fits(&after, "a", "new") && fits(&after, "b", "b"));
    let changed: Vec<_> = before
        .lines()
        .zip(after.lines())
        .filter(|(x, y)| x != y)
        .collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(before.lines().count(), after.lines().count());
}

#[test]
fn removing_takes_one_line() {
    let text = file(&["a", "b", "ab"]);
    let rest = without_keys(&text, "a").unwrap().unwrap();
    assert_eq!(ServerKeys::parse(&rest).unwrap().roles(), ["ab", "b"]);
    assert!(without_keys(&rest, "a").unwrap().is_none());
}

#[test]
fn a_role_cannot_smuggle_a_line_in() {
    for role in ["", "a\nb", "a\r", "a\0", "a\u{85}"] {
        let error = with_keys("", role, &keys("x")).err();
        assert_eq!(error, Some(KeyFileError::Role), "{role:?}");
    }
}

/// Whatever is not understood is an error with its line, and the file is not rewritten over it.
#[test]
fn bad_lines() {
    let good = file(&["a"]);
    let line = good.lines().last().unwrap();
    let damaged = line.replace("$2:", "$0:");
    let userlist = format!("\"b\" \"{}\"", keys("b").verifier());
    let long = format!("{line} x");
    for (bad, expected) in [
        (
            line,
            KeyFileError::Duplicate {
                line: 3,
                role: "a".to_owned(),
            },
        ),
        (
            damaged.as_str(),
            KeyFileError::Keys {
                line: 3,
                error: VerifierError::Iterations,
            },
        ),
        (userlist.as_str(), KeyFileError::Line { line: 3 }),
        (long.as_str(), KeyFileError::Line { line: 3 }),
        ("\"b\"", KeyFileError::Line { line: 3 }),
        ("\"b\" \"hunter2\"", KeyFileError::Line { line: 3 }),
        ("b hunter2", KeyFileError::Line { line: 3 }),
    ] {
        let text = format!("{good}{bad}\n");
        let error = ServerKeys::parse(&text).err();
        assert_eq!(error.as_ref(), Some(&expected), "{bad}");
        assert!(!error.unwrap().to_string().contains("hunter2"));
        assert_eq!(
            with_keys(&text, "z", &keys("z")).err(),
            Some(expected.clone())
        );
        assert_eq!(without_keys(&text, "a").err(), Some(expected));
    }
}

#[test]
fn debug_prints_no_key() {
    let text = format!("{:?}", ServerKeys::parse(&file(&["a"])).unwrap());
    assert_eq!(
        text,
        "ServerKeys { roles: {\"a\": Keys { iterations: 2, .. }} }"
    );
}
