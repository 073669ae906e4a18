use super::*;

const VERIFIER: &str = "SCRAM-SHA-256$4096:bUCX4mTNlV1cAIu9xRHxUQ==$DQIRSkGcor89iDy7y0OSlVvcXI7YsauePEqxmdmU9AQ=:f3fvO5qE9LkAwzsUaHW9Z0e705lVSof527q/Bkqtpvw=";
const OTHER: &str = "SCRAM-SHA-256$4096:hQJHh2woARunQsdW+2lhIQ==$qGodTjw17Ak8GsYBoPqTIfx+fKzgthOfZ99arPSJo/I=:+vn5t56VKjo0hxAOUl/qClZ2WnIvnsZXqit/PogQ3aE=";
const MD5: &str = "md5d41d8cd98f00b204e9800998ecf8427e";

/// `V` stands for a verifier, `W` for another.
fn parse(text: &str) -> Userlist {
    Userlist::parse(
        &text
            .replace("\"V\"", &format!("\"{VERIFIER}\""))
            .replace("\"W\"", &format!("\"{OTHER}\"")),
    )
}

fn names(list: &Userlist) -> Vec<&str> {
    let mut names: Vec<&str> = list.users.keys().map(AsRef::as_ref).collect();
    names.sort_unstable();
    names
}

/// The one problem of a file.
fn problem(text: &str) -> Problem {
    let mut list = parse(text);
    assert_eq!(list.problems.len(), 1, "{:?}", list.problems);
    list.problems.remove(0)
}

/// Each of these was loaded by PgBouncer 1.18 as it is here.
#[test]
fn what_pgbouncer_loads() {
    for (text, expected) in [
        ("", vec![]),
        ("\n \t\r\n; \"a\" \"V\"\n", vec![]),
        ("\"a\" \"V\"", vec!["a"]),
        ("\"a\" \"V\"\r\n\"b\" \"V\"\r\n", vec!["a", "b"]),
        (
            "  ; comment\n\t \"a\" \"V\" rest \"of\" line\n\n\n\"b\" \"V\" ; x\n",
            vec!["a", "b"],
        ),
        ("\"a\" anything else \"V\"\n", vec!["a"]),
        ("\"a\"\n\"V\"\n\"b\" \"V\"", vec!["a", "b"]),
        ("\"q\"\"uote\" \"V\"", vec!["q\"uote"]),
        ("\"\"\"\" \"V\"", vec!["\""]),
        ("\"na me\" \"V\"\n\"\u{e9}\" \"V\"", vec!["na me", "\u{e9}"]),
        ("\"a\" \"V\"\n\0\"b\" \"V\"", vec!["a"]),
    ] {
        let list = parse(text);
        assert_eq!(names(&list), expected, "{text:?}");
        assert_eq!(list.problems, [], "{text:?}");
    }
}

#[test]
fn the_verifier_is_the_one_in_the_file() {
    let list = parse("\"a\" \"V\"\n\"b\" \"W\"\n");
    assert_eq!(list.users["a"].to_string(), VERIFIER);
    assert_eq!(list.users["b"].to_string(), OTHER);
}

/// What cannot be used is named by line, with the statement that mends it; the others may log in.
#[test]
fn secrets_that_are_no_verifier() {
    let statement = "run SET password_encryption = 'scram-sha-256'; ALTER ROLE \"bad\" PASSWORD '...'; then put the result of SELECT rolpassword FROM pg_authid WHERE rolname = 'bad' on line 3";
    let copy =
        "put the result of SELECT rolpassword FROM pg_authid WHERE rolname = 'bad' on line 3";
    let damaged = VERIFIER.replace("4096", "x");
    let upper = MD5.to_uppercase();
    let cases = [
        (
            MD5,
            "user \"bad\" has an md5 secret, which cannot be used for SCRAM",
            statement,
        ),
        (
            "hunter2",
            "user \"bad\" has a plain-text password, from which PgBouncer makes a verifier of its own",
            statement,
        ),
        (
            &upper,
            "user \"bad\" has a plain-text password, from which PgBouncer makes a verifier of its own",
            statement,
        ),
        ("", "user \"bad\" has no secret", copy),
        (
            &damaged,
            "user \"bad\" has a damaged verifier: iterations of the verifier are not from 1 to 10000000",
            copy,
        ),
    ];
    for (secret, message, hint) in cases {
        let text = format!("\"a\" \"V\"\n; comment\n\"bad\" \"{secret}\"\n\"b\" \"V\"\n");
        assert_eq!(names(&parse(&text)), ["a", "b"], "{secret}");
        let found = problem(&text);
        assert_eq!(
            (found.line, found.user.as_deref()),
            (3, Some("bad")),
            "{secret}"
        );
        assert_eq!(
            (found.message.as_str(), found.hint.as_str()),
            (message, hint)
        );
        let all = format!("{found:?}");
        assert!(
            secret.is_empty() || !all.contains(secret),
            "the secret is in {all}"
        );
    }
}

#[test]
fn names_are_quoted_in_the_statement() {
    let found = problem("\"o'n\"\"e\" \"md5\"\n");
    assert!(
        found.hint.contains("ALTER ROLE \"o'n\"\"e\" PASSWORD"),
        "{}",
        found.hint
    );
    assert!(found.hint.contains("rolname = 'o''n\"e'"), "{}", found.hint);
}

/// PgBouncer 1.18 lets in with the later of two passwords.
#[test]
fn of_two_lines_for_one_name_the_later_counts() {
    let text = "\"a\" \"V\"\n\"b\" \"V\"\n\"a\" \"W\"\n";
    assert_eq!(parse(text).users["a"].to_string(), OTHER);
    let found = problem(text);
    assert_eq!((found.line, found.user.as_deref()), (3, Some("a")));
    assert_eq!(
        found.message,
        "user \"a\" is already on line 1; this line replaces it"
    );

    // A later line that cannot be used voids the earlier one: PgBouncer would use the later.
    let list = parse("\"a\" \"V\"\n\"a\" \"plain\"\n");
    assert_eq!(names(&list), Vec::<&str>::new());
    assert_eq!(list.problems.len(), 2);
}

/// Where PgBouncer says "broken auth file" it reads no further, and no more do we.
#[test]
fn at_a_broken_entry_reading_stops() {
    let long_name = "n".repeat(128);
    let long_secret = "s".repeat(2048);
    for (broken, what) in [
        ("a \"V\"", "an entry does not begin with a quote"),
        ("# comment", "an entry does not begin with a quote"),
        ("'a' 'V'", "an entry does not begin with a quote"),
        (&format!("\"{long_name}\" \"V\""), "the name is too long"),
        (
            &format!("\"a\" \"{long_secret}\""),
            "the secret is too long",
        ),
    ] {
        let list = parse(&format!("\"first\" \"V\"\n{broken}\n\"last\" \"V\"\n"));
        assert_eq!(names(&list), ["first"], "{broken}");
        assert_eq!(list.problems.len(), 1);
        let message = format!("{what}; PgBouncer reads nothing from line 2 on");
        assert_eq!(list.problems[0].message, message);
        assert_eq!((list.problems[0].line, &list.problems[0].user), (2, &None));
    }
    for (broken, what) in [
        ("\"a", "the quote around the name is not closed"),
        ("\"a\"\"", "the quote around the name is not closed"),
        ("\"a\"", "there is no quoted secret after the name"),
        ("\"a\" hunter2", "there is no quoted secret after the name"),
        (
            "\"a\" \"hunter2",
            "the quote around the secret is not closed",
        ),
        (
            "\"a\" \"hunter2\"\"",
            "the quote around the secret is not closed",
        ),
    ] {
        let found = problem(broken);
        assert!(
            found.message.starts_with(what),
            "{broken}: {}",
            found.message
        );
        assert!(!format!("{found:?}").contains("hunter2"));
    }
    let just = format!("\"{}\" \"V\"", "n".repeat(127));
    assert_eq!(parse(&just).problems, []);
}

/// A missing secret makes PgBouncer take the next name for it. The line named is where it began.
#[test]
fn a_missing_secret_swallows_the_next_name() {
    let list = parse("\"a\"\n\"b\" \"V\"\n\"c\" \"V\"\n");
    assert_eq!(names(&list), ["c"]);
    assert_eq!(
        (list.problems[0].line, list.problems[0].user.as_deref()),
        (1, Some("a"))
    );
}
