//! `portcullis check`, as a whole.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

const POLICY: &str = "schema = 1\nenvironment = \"test\"\n[login.jobs]\nkind = \"service\"\ndatabases = [\"shop\"]\nroute = \"session\"\n";
const CONFIG: &str = "schema = 1\npolicy = \"policy.toml\"\n[listen]\npostgres = \"127.0.0.1:6432\"\n[client_tls]\nsslmode = \"disable\"\n\
    [server_tls]\nsslmode = \"disable\"\n[auth]\nauth_file = \"u\"\n[route.transaction]\nhosts = [\"a:1\"]\n[route.session]\nhosts = [\"a:2\"]\n";

/// A line of `auth_file` for the login of [`POLICY`].
fn line_of_jobs() -> String {
    let verifier = crate::auth::scram::mock_verifier(&[0; 32], "jobs");
    format!("\"jobs\" \"{verifier}\"\n")
}

/// Checks files with these texts in a directory of their own; its name is taken out of the answer.
fn checked(texts: &[(&str, &str)], names: &[&str], json: bool) -> Answer {
    let directory = tempfile::tempdir().unwrap();
    let users = ("u", &*line_of_jobs());
    for (name, text) in [&users].into_iter().chain(texts) {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let files = names
        .iter()
        .map(|name| directory.path().join(name))
        .collect();
    let today = Date::new(2027, 2, 20).unwrap();
    let answer = check(&CheckArgs { files, json }, today);
    let prefix = format!("{}/", directory.path().display());
    Answer {
        stdout: answer.stdout.replace(&prefix, ""),
        ..answer
    }
}

#[test]
fn a_configuration_brings_its_policy() {
    let answer = checked(
        &[("portcullis.toml", CONFIG), ("policy.toml", POLICY)],
        &["portcullis.toml"],
        false,
    );
    assert_eq!(
        (answer.code, answer.stdout.as_str()),
        (0, "2 files checked: no problems\n")
    );
}

#[test]
fn what_does_not_fit_is_found() {
    let config = CONFIG.replace("[route.session]\nhosts = [\"a:2\"]\n", "");
    let answer = checked(
        &[("portcullis.toml", &config), ("policy.toml", POLICY)],
        &["portcullis.toml"],
        false,
    );
    assert_eq!(answer.code, 1);
    assert_eq!(
        answer.stdout,
        "error: login \"jobs\" has route \"session\", but portcullis.toml has no [route.session]\n  --> policy.toml:3\n1 error; nothing would be loaded\n"
    );
}

#[test]
fn a_mistake_in_the_configuration_does_not_hide_those_of_the_policy() {
    let policy = POLICY.replace("\"service\"", "\"servant\"");
    let told = |config: &str, policy: &str| {
        let files = [("portcullis.toml", config), ("policy.toml", policy)];
        checked(&files, &["portcullis.toml"], false)
    };
    for spoilt in [
        CONFIG.replace("127.0.0.1:6432", "127.0.0.1"),
        format!("{CONFIG}\nnot toml"),
    ] {
        let answer = told(&spoilt, &policy);
        let errors = answer.stdout.matches("error: ").count();
        assert_eq!((answer.code, errors), (1, 2), "{}", answer.stdout);
        assert!(
            answer.stdout.contains("  --> portcullis.toml:"),
            "{}",
            answer.stdout
        );
        assert!(
            answer.stdout.contains("  --> policy.toml:4"),
            "{}",
            answer.stdout
        );
    }
    // Nor is one looked for where none is named.
    let unnamed = CONFIG.replace("policy = \"policy.toml\"", "policy = 1");
    let answer = checked(
        &[("portcullis.toml", &unnamed)],
        &["portcullis.toml"],
        false,
    );
    assert_eq!(answer.code, 1, "{}", answer.stdout);
}

#[test]
fn a_policy_stands_alone_and_is_told_once() {
    let wrong = POLICY.replace("kind", "kindd");
    let expected = "error: missing key \"kind\" in [login.jobs]\n  --> policy.toml:3\n  = kind = \"service\"\n\
        error: unknown key \"login.jobs.kindd\"\n  --> policy.toml:4:1\n  |\n4 | kindd = \"service\"\n  | ^^^^^ did you mean \"kind\"?\n\
        2 errors; nothing would be loaded\n";
    assert_eq!(
        checked(&[("policy.toml", &wrong)], &["policy.toml"], false).stdout,
        expected
    );
    let both = checked(
        &[("portcullis.toml", CONFIG), ("policy.toml", &wrong)],
        &["portcullis.toml", "policy.toml"],
        false,
    );
    assert_eq!((both.code, both.stdout.as_str()), (1, expected));
}

#[test]
fn warnings_are_shown_and_do_not_fail() {
    let policy = format!("{POLICY}[zone]\nparameter = \"app.zone\"\ndatabases = [\"shop\"]\n");
    let answer = checked(&[("policy.toml", &policy)], &["policy.toml"], false);
    assert_eq!(answer.code, 0);
    assert!(
        answer.stdout.starts_with(
            "warning: login \"jobs\" has no zone and can do nothing on database \"shop\"\n"
        ),
        "{}",
        answer.stdout
    );
    assert!(answer.stdout.ends_with("1 file checked: 1 warning\n"));
}

#[test]
fn exceptions_that_expire_are_told() {
    let exception = |expires: &str| {
        format!(
            "{POLICY}[[exception]]\nguard = \"procedural\"\nlogin = \"jobs\"\nfingerprint = \"0123456789abcdef0123456789abcdef\"\nreason = \"r\"\nexpires = {expires}\n"
        )
    };
    let soon = checked(
        &[("policy.toml", &exception("2027-03-01"))],
        &["policy.toml"],
        false,
    );
    assert_eq!(
        (soon.code, &*soon.stdout),
        (
            0,
            "warning: the exception of login \"jobs\" from guard \"procedural\" expires on 2027-03-01\n  --> policy.toml:7\n  = see to its reason, or give it another day\n1 file checked: 1 warning\n"
        )
    );
    let later = checked(
        &[("policy.toml", &exception("2027-04-01"))],
        &["policy.toml"],
        false,
    );
    assert_eq!(later.stdout, "1 file checked: no problems\n");
}

#[test]
fn a_file_that_cannot_be_read_is_not_a_clean_one() {
    let answer = checked(&[("portcullis.toml", CONFIG)], &["portcullis.toml"], false);
    assert_eq!(answer.code, 2);
    assert!(
        answer
            .stdout
            .starts_with("error: could not read the file: No such file"),
        "{}",
        answer.stdout
    );
}

#[test]
fn a_policy_that_only_cases_name_must_be_there() {
    let case = "policies = [\"policy.toml\", \"none.toml\"]\n[[case]]\nname = \"n\"\nlogin = \"jobs\"\nsql = \"SELECT 1\"\nexpect = { allowed = true }\n";
    let files = [("policy.toml", POLICY), ("policy.test.toml", case)];
    let answer = checked(&files, &["policy.test.toml"], false);
    assert_eq!(answer.code, 2, "{}", answer.stdout);
    let said = "error: could not read the file: No such file";
    assert!(answer.stdout.starts_with(said), "{}", answer.stdout);
}

#[test]
fn a_byte_that_is_not_utf8_has_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.toml");
    std::fs::write(&file, b"schema = 1\n\n# \xe4\n").unwrap();
    let args = CheckArgs {
        files: vec![file.clone()],
        json: false,
    };
    let answer = check(&args, Date::new(2026, 11, 21).unwrap());
    let said = format!(
        "error: could not read the file: it is not valid UTF-8\n  --> {}:3\n1 error; nothing would be loaded\n",
        file.display()
    );
    assert_eq!((answer.code, answer.stdout), (2, said));
}

#[test]
fn a_directory_stands_for_its_files_and_cases_are_checked_as_cases() {
    let case = "[[case]]\nname = \"n\"\nlogin = \"jobs\"\nsql = \"SELECT 1\"\nexpect = { allowed = true }\n";
    let files = [("policy.toml", POLICY), ("policy.test.toml", case)];
    let answer = checked(&files, &[""], false);
    assert_eq!(
        (answer.code, answer.stdout.as_str()),
        (0, "2 files checked: no problems\n")
    );
    let wrong = case.replace("jobs", "jbos");
    let files = [("policy.toml", POLICY), ("policy.test.toml", &wrong)];
    let answer = checked(&files, &["policy.test.toml"], false);
    assert_eq!(answer.code, 1);
    assert!(
        answer.stdout.contains("has no login \"jbos\""),
        "{}",
        answer.stdout
    );
    let none = checked(&[("notes.txt", "")], &[""], false);
    assert_eq!(none.code, 2);
    assert!(
        none.stdout.contains("the directory has no *.toml"),
        "{}",
        none.stdout
    );
}

#[test]
fn who_cannot_log_in_is_told() {
    let login =
        "[login.mapped]\nkind = \"service\"\ndatabases = [\"shop\"]\nserver_role = \"it's\"\n";
    let policy = format!("{POLICY}{login}");
    let config = CONFIG.replace("\"u\"\n", "\"u\"\nkey_file = \"k\"\n");
    let told = |users: &str| {
        let files = [
            ("portcullis.toml", &*config),
            ("policy.toml", &policy),
            ("u", users),
            ("k", ""),
        ];
        let answer = checked(&files, &["portcullis.toml"], false);
        assert_eq!(answer.code, 0, "{}", answer.stdout);
        answer.stdout
    };
    let of_key = "warning: login \"mapped\" cannot log in: k has no key for role \"it's\"\n  --> policy.toml:7\n  \
        = portcullis keys add --key-file k --role 'it'\\''s' --auth-file u\n";
    let select = |name: &str| {
        format!(
            "  = its line: SELECT '\"' || rolname || '\" \"' || rolpassword || '\"' FROM pg_authid WHERE rolname = '{name}'\n"
        )
    };
    let jobs = line_of_jobs();
    let missing =
        "warning: login \"mapped\" cannot log in: u has no line for it\n  --> policy.toml:7\n";
    let expected = format!(
        "{missing}{}{of_key}2 files checked: 2 warnings\n",
        select("mapped")
    );
    assert_eq!(told(&jobs), expected);
    let mapped = jobs.replace("jobs", "mapped");
    let expected = format!("{of_key}2 files checked: 1 warning\n");
    assert_eq!(told(&format!("{jobs}{mapped}")), expected);
    // A line that is of no use.
    let said = told(&format!("{mapped}\"jobs\" \"plain\"\n"));
    let why = "warning: login \"jobs\" cannot log in: u, line 2: user \"jobs\" has a plain-text password,";
    assert!(said.starts_with(why), "{said}");
    assert!(said.contains("ALTER ROLE \"jobs\" PASSWORD"), "{said}");
}

#[test]
fn files_of_another_user_are_told_as_not_looked_at() {
    let config = CONFIG.replace("\"u\"", "\"not-here\"");
    let files = [("portcullis.toml", &*config), ("policy.toml", POLICY)];
    let answer = checked(&files, &["portcullis.toml"], false);
    let why =
        "warning: whether every login can log in was not looked at: \"not-here\": No such file";
    assert!(answer.stdout.starts_with(why), "{}", answer.stdout);
    assert_eq!(answer.code, 0);
}

#[test]
fn json_has_the_same_problems() {
    let answer = checked(
        &[("policy.toml", &POLICY.replace("schema = 1", "schema = 2"))],
        &["policy.toml"],
        true,
    );
    let value: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(
        value["problems"][0]["message"],
        "schema 2 is not known to this version"
    );
    assert_eq!(
        (
            &value["problems"][0]["line"],
            &value["problems"][0]["severity"]
        ),
        (&json!(1), &json!("error"))
    );
}

/// The answer to a configuration that names this file with this text and these rights, in place of one of `CONFIG`.
fn with_file(old: &str, new: &str, text: Option<&str>, mode: u32) -> (u8, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let config = CONFIG.replace(old, new);
    assert_ne!(config, CONFIG);
    let users = line_of_jobs();
    let files = [
        ("portcullis.toml", &*config),
        ("policy.toml", POLICY),
        ("u", &users),
    ];
    for (name, text) in files.into_iter().chain(text.map(|text| ("file", text))) {
        std::fs::write(path(name), text).unwrap();
        let mode = if name == "file" { mode } else { 0o600 };
        std::fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
    }
    let args = CheckArgs {
        files: vec![path("portcullis.toml")],
        json: false,
    };
    let answer = check(&args, Date::new(2027, 2, 20).unwrap());
    let prefix = format!("{}/", directory.path().display());
    (answer.code, answer.stdout.replace(&prefix, ""))
}

const KEYS: &str = "auth_file = \"u\"\nkey_file = \"file\"";
const ZONE_KEYS: &str = "auth_file = \"u\"\nzone_key_file = \"file\"";
const REGISTRY: &str = "[registry]\npath = \"file\"\n[route.session]";
const CONSOLE: &str = "[listen]\nconsole = \"file\"";
const CA: &str = "[server_tls]\nsslmode = \"verify-full\"\nca_file = \"file\"";
const OLD_CA: &str = "[server_tls]\nsslmode = \"disable\"";

#[test]
fn what_keeps_it_from_starting_is_an_error_at_its_key() {
    for (old, new, text, mode, told) in [
        (
            "\"u\"",
            "\"file\"",
            "",
            0o644,
            "error: \"file\": a secret with mode 0644",
        ),
        (
            "auth_file = \"u\"",
            KEYS,
            "\"no key\"",
            0o600,
            "error: file: line 1",
        ),
        (
            "auth_file = \"u\"",
            KEYS,
            "",
            0o644,
            "error: \"file\": a secret with mode 0644",
        ),
        (
            "auth_file = \"u\"",
            ZONE_KEYS,
            "no key",
            0o600,
            "error: line 1 is not",
        ),
        (
            OLD_CA,
            CA,
            "no PEM",
            0o600,
            "error: file: verify-ca and verify-full need a CA",
        ),
        (
            "[route.session]",
            REGISTRY,
            "",
            0o644,
            "error: the registry file has mode 0644",
        ),
        (
            "[route.session]",
            REGISTRY,
            "no SQLite",
            0o600,
            "error: the registry file is not a registry",
        ),
        (
            "[listen]",
            CONSOLE,
            "mine",
            0o600,
            "error: the console file: there is something that is no socket",
        ),
    ] {
        let (code, said) = with_file(old, new, Some(text), mode);
        assert!(said.starts_with(told), "{said}");
        assert!(
            said.contains("\"file\"\n") || said.contains("--> file"),
            "{said}"
        );
        assert_eq!(code, 1, "{said}");
    }
    let (_, said) = with_file(OLD_CA, CA, Some("no PEM"), 0o600);
    assert!(said.contains("  --> portcullis.toml:9:11\n"), "{said}");
}

#[test]
fn what_may_be_elsewhere_is_a_warning() {
    for (old, new, told) in [
        (
            "\"u\"",
            "\"file\"",
            "warning: whether every login can log in was not looked at: \"file\": No such file",
        ),
        (
            "auth_file = \"u\"",
            KEYS,
            "warning: whether every login can log in was not looked at: \"file\": No such file",
        ),
        (
            "auth_file = \"u\"",
            ZONE_KEYS,
            "warning: whether every database has a key for its zones was not looked at: \"file\": No such",
        ),
        (
            "[listen]",
            "[listen]\nconsole = \"run/console\"",
            "warning: there is no directory for it: ",
        ),
        (
            "[route.session]",
            "[registry]\npath = \"lib/registry\"\n[route.session]",
            "warning: there is no directory for it: ",
        ),
    ] {
        let (code, said) = with_file(old, new, None, 0);
        assert!(said.starts_with(told), "{said}");
        assert!(said.ends_with("2 files checked: 1 warning\n"), "{said}");
        assert_eq!(code, 0, "{said}");
    }
    let (code, said) = with_file(OLD_CA, CA, None, 0);
    let told = "warning: the authority was not looked at: \"file\": No such file";
    assert!(said.starts_with(told), "{said}");
    assert_eq!(code, 0, "{said}");
    // What serve makes itself.
    for (old, new) in [("[route.session]", REGISTRY), ("[listen]", CONSOLE)] {
        let (code, said) = with_file(old, new, None, 0);
        assert_eq!((code, &*said), (0, "2 files checked: no problems\n"));
    }
}
