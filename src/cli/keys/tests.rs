use std::fs;
use std::os::unix::fs::PermissionsExt;

use clap::Parser;

use super::*;

const PASSWORD: &str = "pencil";

/// The command line around `keys`.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    keys: KeysArgs,
}

fn right(_: &str, _: bool) -> io::Result<Zeroizing<String>> {
    Ok(Zeroizing::new(PASSWORD.to_owned()))
}

fn wrong(_: &str, _: bool) -> io::Result<Zeroizing<String>> {
    Ok(Zeroizing::new("pencil2".to_owned()))
}

fn never(_: &str, _: bool) -> io::Result<Zeroizing<String>> {
    Err(io::Error::other("asked for a password too early"))
}

fn parse(words: &[&str]) -> Result<Command, clap::Error> {
    Line::try_parse_from([&["keys"], words].concat()).map(|line| line.keys.command)
}

fn add(words: &[&str], ask: Ask) -> Result<Done, Failure> {
    match parse(&[&["add"], words].concat()).unwrap() {
        Command::Add(add) => run_add(&add, ask),
        other => panic!("{other:?}"),
    }
}

fn remove(file: &str, role: &str) -> Result<Done, Failure> {
    run_remove(&Remove {
        key_file: file.into(),
        role: role.to_owned(),
    })
}

fn verifier() -> Verifier {
    Keys::derive(PASSWORD, b"0123456789abcdef", 4096).verifier()
}

/// A directory with a userlist.txt; the paths of the key file and of the list.
fn set_up(userlist: &str) -> (tempfile::TempDir, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name).to_str().unwrap().to_owned();
    let (keys, list) = (path("keys"), path("userlist.txt"));
    fs::write(&list, userlist).unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o640)).unwrap();
    (directory, keys, list)
}

fn stored(path: &str) -> ServerKeys {
    ServerKeys::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The keys belong to the verifier that PostgreSQL and PgBouncer hold already.
#[test]
fn keys_take_salt_and_iterations_from_the_roles_verifier() {
    let (_directory, keys, list) = set_up(&format!("\"app\" \"{}\"\n", verifier()));
    let text = verifier().to_string();
    for source in [
        ["--auth-file", list.as_str()],
        ["--salt-from-verifier", text.as_str()],
    ] {
        let words = [["--key-file", keys.as_str()], ["--role", "app"], source].concat();
        let done = add(&words, right).unwrap();
        assert_eq!(done.answer, "");
        assert!(stored(&keys).get("app").unwrap().fit(&verifier()));
        assert_eq!(
            fs::metadata(&keys).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::remove_file(&keys).unwrap();
    }
}

#[test]
fn a_password_that_does_not_fit_is_refused_and_nothing_written() {
    let (_directory, keys, list) = set_up(&format!("\"app\" \"{}\"\n", verifier()));
    let words = ["--key-file", &keys, "--role", "app", "--auth-file", &list];
    let failure = add(&words, wrong).unwrap_err();
    assert_eq!(failure.code, 1);
    assert_eq!(
        failure.message,
        "the password does not fit the verifier of role \"app\""
    );
    assert!(!fs::exists(&keys).unwrap());
}

/// Whatever is wrong with the list is said before anybody types a password.
#[test]
fn a_role_without_a_verifier_is_refused() {
    let text = format!(
        "\"plain\" \"hunter2\"\n\"app\" \"{}\"\nbroken\n",
        verifier()
    );
    let (_directory, keys, list) = set_up(&text);
    for (role, message) in [
        ("plain", ":1: user \"plain\" has a plain-text password"),
        ("nobody", ":3: an entry does not begin with a quote"),
    ] {
        let words = ["--key-file", &keys, "--role", role, "--auth-file", &list];
        let failure = add(&words, never).unwrap_err();
        assert_eq!(failure.code, 1);
        assert!(failure.message.contains(message), "{}", failure.message);
        assert!(failure.hint.is_some());
        assert!(!format!("{failure:?}").contains("hunter2"));
    }
    let words = [
        "--key-file",
        &keys,
        "--role",
        "a",
        "--salt-from-verifier",
        "md5abc",
    ];
    assert_eq!(add(&words, never).unwrap_err().code, 1);
}

#[test]
fn files_that_others_can_read_are_refused() {
    let (_directory, keys, list) = set_up(&format!("\"app\" \"{}\"\n", verifier()));
    fs::set_permissions(&list, fs::Permissions::from_mode(0o644)).unwrap();
    let words = ["--key-file", &keys, "--role", "app", "--auth-file", &list];
    let failure = add(&words, never).unwrap_err();
    assert_eq!(failure.code, 2);
    assert!(
        failure
            .message
            .contains(&format!("run chmod 0640 '{list}'"))
    );
}

/// A new verifier is the answer: PostgreSQL and PgBouncer must get the same.
#[test]
fn a_new_verifier_is_printed_as_a_line_of_userlist_txt() {
    let (_directory, keys, _) = set_up("");
    let words = [
        "--key-file",
        &keys,
        "--role",
        "a\"b",
        "--iterations",
        "5000",
    ];
    let done = add(&words, right).unwrap();
    let list = Userlist::parse(&done.answer);
    assert_eq!(list.problems, []);
    let verifier = &list.users["a\"b"];
    assert_eq!((verifier.iterations, verifier.salt.len()), (5000, 16));
    assert!(stored(&keys).get("a\"b").unwrap().fit(verifier));
    assert!(
        done.talk
            .contains("ALTER ROLE \"a\"\"b\" PASSWORD 'SCRAM-SHA-256$")
    );

    let again = add(&words, right).unwrap();
    assert_ne!(again.answer, done.answer, "the salt is not fresh");
    assert_eq!(stored(&keys).roles(), ["a\"b"]);
}

#[test]
fn list_and_remove() {
    let (_directory, keys, _) = set_up("");
    for role in ["b", "a"] {
        add(
            &["--key-file", &keys, "--role", role, "--iterations", "1"],
            right,
        )
        .unwrap();
    }
    assert_eq!(run_list(Path::new(&keys)).unwrap().answer, "a\nb\n");
    remove(&keys, "a").unwrap();
    assert_eq!(run_list(Path::new(&keys)).unwrap().answer, "b\n");
    let failure = remove(&keys, "a").unwrap_err();
    assert_eq!((failure.code, failure.hint.is_some()), (1, true));
    assert_eq!(run_list(Path::new("/nonexistent")).unwrap_err().code, 2);

    // A file that is no key file is never written over.
    fs::write(&keys, "precious\n").unwrap();
    assert_eq!(remove(&keys, "b").unwrap_err().code, 2);
    assert_eq!(
        add(&["--key-file", &keys, "--role", "b"], right)
            .unwrap_err()
            .code,
        2
    );
    assert_eq!(fs::read_to_string(&keys).unwrap(), "precious\n");
}

#[test]
fn a_password_is_never_an_argument() {
    assert!(parse(&["add", "--key-file", "f", "--role", "r"]).is_ok());
    for words in [
        ["add", "--key-file", "f", "--role", "r", "--password", "x"].as_slice(),
        &["add", "--key-file", "f", "--role", "r", "x"],
        &["add", "--key-file", "f"],
        &["add", "--key-file", "f", "--role", "r", "--iterations", "0"],
        &[
            "add",
            "--key-file",
            "f",
            "--role",
            "r",
            "--iterations",
            "10000001",
        ],
        &[
            "add",
            "--key-file",
            "f",
            "--role",
            "r",
            "--iterations",
            "1",
            "--auth-file",
            "u",
        ],
        &[
            "add",
            "--key-file",
            "f",
            "--role",
            "r",
            "--salt-from-verifier",
            "v",
            "--auth-file",
            "u",
        ],
    ] {
        assert!(parse(words).is_err(), "{words:?}");
    }
}

#[test]
fn one_line_of_stdin_is_the_password() {
    let line = |mut text: &[u8]| password::line(&mut text).map(|line| line.to_string());
    for (text, expected) in [
        (b"pencil\n".as_slice(), "pencil"),
        (b"pencil", "pencil"),
        (b"pencil\r\nnext\n", "pencil"),
        (b" two words \n", " two words "),
        ("p\u{e4}ss\n".as_bytes(), "p\u{e4}ss"),
    ] {
        assert_eq!(line(text).unwrap(), expected);
    }
    for text in [
        b"".as_slice(),
        b"\n",
        b"\r\n",
        b"a\0b\n",
        b"\xff\n",
        b"pen\x03",
        &[b'x'; 70_000],
    ] {
        assert!(
            line(text).is_err(),
            "{}",
            text[..text.len().min(10)].escape_ascii()
        );
    }
}

#[test]
fn programs_get_the_same() {
    let (_directory, keys, list) = set_up(&format!("\"app\" \"{}\"\n", verifier()));
    let words = ["--key-file", &keys, "--role", "app", "--auth-file", &list];
    let added = add(&words, right).unwrap();
    assert_eq!(added.json, json!({ "role": "app", "verifier": null }));
    let new = add(&["--key-file", &keys, "--role", "new"], right).unwrap();
    let verifier = new.json["verifier"].as_str().unwrap();
    assert_eq!(new.answer, format!("\"new\" \"{verifier}\"\n"));
    let list = run_list(Path::new(&keys)).unwrap();
    assert_eq!(list.json, json!({ "roles": ["app", "new"] }));
    let removed = remove(&keys, "app").unwrap();
    assert_eq!(removed.json, json!({ "role": "app", "removed": true }));
    assert!(Line::try_parse_from(["keys", "list", "--key-file", "k", "--json"]).is_ok());
}
