//! The commands from outside: exit codes as grep has them (0: clean, 1: found or refused, 2: could
//! not), the answer on stdout, the talk on stderr, and JSON for programs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What a command said.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs `portcullis` in the repository; blanks separate arguments, `{}` is the directory `work`.
fn portcullis(work: &Path, line: &str) -> Said {
    let arguments = line
        .split(' ')
        .map(|word| word.replace("{}", &work.display().to_string()));
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("run portcullis");
    Said {
        code: output.status.code().expect("an exit status"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A directory with files that are right and files that are not.
fn work() -> tempfile::TempDir {
    let work = tempfile::tempdir().expect("create a directory");
    let policy = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/production.toml"),
    )
    .expect("read the policy");
    let case = "[[case]]\nname = \"a\"\nlogin = \"boris\"\nsql = \"SELECT 1\"\nexpect = { refused = \"procedural\" }\n";
    for (name, text) in [
        ("good.toml", &*policy),
        ("good.test.toml", case),
        ("wrong.toml", "schema = 1\n"),
        ("clean.sql", "CREATE TABLE t (id int);\n"),
        ("dirty.sql", "COPY t TO PROGRAM 'x';\n"),
        (
            "pgbouncer.ini",
            "[databases]\nshop =\n[pgbouncer]\nlisten_addr = *\nauth_file = userlist.txt\n",
        ),
        (
            "userlist.txt",
            "\"app\" \"md50123456789abcdef0123456789abcdef\"\n",
        ),
        ("wrong.ini", "[databases\n"),
    ] {
        std::fs::write(work.path().join(name), text).expect("write a file");
    }
    work
}

const EXPLAIN: &str = "explain --policy policies/production.toml --login";

#[test]
fn exit_codes_are_those_of_grep_and_the_answer_is_on_stdout() {
    let work = work();
    for (code, line) in [
        (0, "test policies"),
        (1, "test {}/good.toml"),
        (2, "test {}/wrong.toml"),
        (2, "test {}/none.toml"),
        (0, "lint {}/clean.sql"),
        (1, "lint {}"),
        (2, "lint {}/none.sql"),
        (2, "lint --policy {}/none.toml {}"),
        (0, &format!("{EXPLAIN} shop_acme VALUES(1)")),
        (1, &format!("{EXPLAIN} shop_acme VACUUM")),
        (2, &format!("{EXPLAIN} nobody VACUUM")),
        (2, &format!("{EXPLAIN} shop_acme --file {{}}/none.sql")),
        (0, "check {}/good.toml"),
        (1, "check {}/wrong.toml"),
        (2, "check {}/none.toml"),
        (2, "report --console {}/none.sock"),
        (0, "init --from {}/pgbouncer.ini --output {}/out"),
        (2, "init --from {}/pgbouncer.ini --output {}/out"),
        (2, "init --from {}/wrong.ini --output {}/other"),
        (2, "keys list --key-file {}/none"),
        (2, "console --console {}/none SHOW"),
        (2, "migration list --console {}/none"),
        (0, "help guards"),
        (2, "help nothing"),
        (2, "serve --config {}/none.toml"),
        (2, "explain"),
        (2, "frobnicate"),
        (0, "lint --help"),
    ] {
        let said = portcullis(work.path(), line);
        let Said { stdout, stderr, .. } = &said;
        assert_eq!(said.code, code, "{line}\n{stdout}\n{stderr}");
        // `test` and `check` answer with the problems of a file; others have no answer then.
        let answers = code < 2 || line.starts_with("test") || line.starts_with("check");
        assert_eq!(!stdout.is_empty(), answers, "{line}\n{stdout}");
        let talks = line.starts_with("init") || !answers;
        assert_eq!(!stderr.is_empty(), talks, "{line}\n{stderr}");
    }
}

#[test]
fn programs_get_json_of_the_same_with_the_same_code() {
    let work = work();
    std::fs::create_dir(work.path().join("empty")).expect("create a directory");
    for (code, line, key) in [
        (0, "test --json policies", "policies"),
        (1, "test --json {}/good.toml", "failures"),
        (1, "lint --json {}", "problems"),
        (1, "lint --format sarif {}", "runs"),
        (1, &format!("{EXPLAIN} shop_acme --json VACUUM"), "error"),
        (1, "check --json {}/wrong.toml", "problems"),
        (
            0,
            "init --json --from {}/pgbouncer.ini --output {}/out",
            "written",
        ),
        (2, &format!("{EXPLAIN} nobody --json VACUUM"), "error"),
        (
            2,
            "explain --policy {}/wrong.toml --login a --json VACUUM",
            "error",
        ),
        (2, "lint --json --policy {}/wrong.toml {}", "error"),
        (2, "lint --format json {}/none", "error"),
        (0, "help --json guards", "0"),
        (2, "help --json nothing", "error"),
        (2, "status --json --config {}/none", "error"),
        (2, "doctor --json host={}/none", "error"),
        (2, "migration show --json --console {}/none mig_1", "error"),
        (2, "migration close --json --console {}/none mig_1", "error"),
        (
            2,
            "migration open --json --console {}/none --database d --reason r",
            "error",
        ),
        (
            2,
            "migration run --json --console {}/none --database d --reason r -- true",
            "error",
        ),
        (2, "init --json --from {}/none.ini --output {}/no", "error"),
        (2, "test --json {}/empty", "error"),
        (2, "report --json --config {}/none.toml", "error"),
        (2, "report --suggest --json --console {}/none", "error"),
        (2, "keys list --json --key-file {}/none", "error"),
        (2, "console --json --console {}/none SHOW", "error"),
        (2, "migration list --json --console {}/none", "error"),
    ] {
        let said = portcullis(work.path(), line);
        assert_eq!(said.code, code, "{line}\n{}", said.stderr);
        let value: serde_json::Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{line}: {error}\n{}", said.stdout));
        let place = key.parse().ok().and_then(|at: usize| value.get(at));
        let found = place.or_else(|| value.get(key));
        assert!(found.is_some(), "{line}\n{}", said.stdout);
    }
}

#[test]
fn what_could_not_be_linted_is_a_valid_document_that_says_so() {
    let work = work();
    for what in [
        "--policy {}/none.toml {}",
        "{}/none.sql",
        "--login nobody {}",
        "--policy {}/wrong.toml {}",
        // Of the command line itself.
        "--phase soon {}",
        "--polcy x {}",
        "",
    ] {
        let line = |format: &str| {
            format!("lint --format {format} {what}")
                .trim_end()
                .to_owned()
        };
        let said = portcullis(work.path(), &line("sarif"));
        assert_eq!(said.code, 2, "{what}");
        let value: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
        // What the schema of SARIF 2.1.0 requires: version and runs; tool.driver.name of a run;
        // executionSuccessful of an invocation; message of a notification.
        assert_eq!(value["version"], "2.1.0");
        let run = &value["runs"][0];
        assert_eq!(run["tool"]["driver"]["name"], "portcullis");
        assert_eq!(run["results"], serde_json::json!([]));
        let invocation = &run["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        assert_eq!(invocation["exitCode"], 2);
        let notification = &invocation["toolExecutionNotifications"][0];
        assert_eq!(notification["level"], "error");
        let text = notification["message"]["text"].as_str().expect("a text");
        assert!(said.stderr.contains(text), "{text}\n{}", said.stderr);

        let said = portcullis(work.path(), &line("junit"));
        assert_eq!(said.code, 2, "{what}");
        let start = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
        assert!(said.stdout.starts_with(start), "{}", said.stdout);
        for part in [" errors=\"1\">", "<error message=\"", "</testsuites>\n"] {
            assert_eq!(
                said.stdout.matches(part).count(),
                1,
                "{part}\n{}",
                said.stdout
            );
        }
    }
    // What stands behind the options is none of them, and help is no error.
    for line in ["lint --polcy -- --format sarif", "lint --format saarif {}"] {
        let said = portcullis(work.path(), line);
        assert_eq!((said.code, &*said.stdout), (2, ""), "{line}");
    }
    let said = portcullis(work.path(), "lint --format sarif --help");
    assert_eq!(said.code, 0);
    assert!(said.stdout.contains("Usage: portcullis lint"));
    let said = portcullis(work.path(), "lint --format sarif {}/clean.sql");
    let value: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    let invocation = &value["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], true);

    let report = work.path().join("report.xml");
    std::fs::create_dir(work.path().join("empty")).expect("create a directory");
    let said = portcullis(work.path(), "test --junit {}/report.xml {}/empty");
    assert_eq!(said.code, 2, "{}", said.stderr);
    let written = std::fs::read_to_string(report).expect("a report");
    assert!(written.contains("<error message=\""), "{written}");
}

#[test]
fn lint_tells_the_warnings_of_the_policy_as_talk() {
    let work = work();
    let policy = std::fs::read_to_string(work.path().join("good.toml")).expect("read the policy");
    let observes = policy.replacen("\"enforce\"", "\"observe\"", 1);
    std::fs::write(work.path().join("observes.toml"), observes).expect("write a file");
    let checked = portcullis(work.path(), "check {}/observes.toml");
    let (told, _) = checked.stdout.rsplit_once("1 file checked: ").expect("it");
    assert!(told.starts_with("warning: "), "{told}");
    for (code, file) in [(0, "clean.sql"), (1, "dirty.sql")] {
        for format in ["text", "json", "junit", "sarif"] {
            let lint = |policy: &str| {
                let line = format!("lint --policy {{}}/{policy} --format {format} {{}}/{file}");
                portcullis(work.path(), &line)
            };
            let (plain, warned) = (lint("good.toml"), lint("observes.toml"));
            assert_eq!((plain.code, &*plain.stderr), (code, ""), "{format}");
            assert_ne!(warned.code, 2);
            assert!(warned.stderr.contains(told), "{}\n{told}", warned.stderr);
            assert!(!warned.stdout.contains("whole file"), "{}", warned.stdout);
        }
    }
}

#[test]
fn a_mistyped_option_is_never_taken_for_a_text() {
    let work = work();
    for (line, near) in [
        (
            "explain --polcy policies/production.toml --login shop_acme VACUUM",
            "--policy",
        ),
        (
            "explain --policy=policies/production.toml --login shop_acme --jsn",
            "--json",
        ),
        (
            "explain --policy policies/production.toml --login migrator --migration --jsn",
            "--json",
        ),
        (
            "explain --policy policies/production.toml --login shop_acme --flie=x",
            "--file",
        ),
        ("console --jsno SHOW", "--json"),
        ("lint --polcy=x {}", "--policy"),
        ("lint --polcy=x --format text {}", "--policy"),
        ("test --jnuit=x policies", "--junit"),
        ("check --jsno policies", "--json"),
        ("report --sinec=1h", "--since"),
        ("doctor --raed-only host=localhost", "--read-only"),
        ("migration run --reson=x -- true", "--reason"),
    ] {
        let said = portcullis(work.path(), line);
        assert_eq!((said.code, &*said.stdout), (2, ""), "{line}");
        for part in ["unexpected argument", near] {
            assert!(said.stderr.contains(part), "{line}\n{}", said.stderr);
        }
    }
}

/// What reads JSON need not tell a command line that is wrong from whatever else could not be done.
#[test]
fn usage_errors_are_json_where_that_is_asked_for() {
    let work = work();
    for (line, told) in [
        ("explain --json", "required arguments were not provided"),
        ("explain --policy x --login y --json --flie=z", "'--flie'"),
        ("check --json --x", "'--x'"),
        ("test --x --json", "'--x'"),
        ("lint --json", "<PATH>..."),
        ("lint --format json", "<PATH>..."),
        ("lint --format=json --phase soon {}", "'soon'"),
        ("lint --json --format sarif {}", "cannot be used with"),
        ("init --json", "--from <FILE>"),
        ("status --json x", "'x'"),
        ("report --json --since soon", "neither a duration"),
        ("report --json --suggest --login a", "cannot be used with"),
        ("console --json", "<VERB>"),
        ("doctor --json --raed-only", "--raed-only"),
        ("help --json a b", "'b'"),
        ("keys --json", "subcommand"),
        ("keys --json add", "--key-file <FILE>"),
        ("migration list --json x", "'x'"),
        ("migration show --json", "<ID>"),
        ("migration open --format json", "--database"),
        ("migration run --json --database d -- true", "--reason"),
        ("frobnicate --json", "'frobnicate'"),
    ] {
        let said = portcullis(work.path(), line);
        assert_eq!(said.code, 2, "{line}\n{}", said.stderr);
        let value: serde_json::Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{line}: {error}\n{}", said.stdout));
        let message = value["error"]["message"].as_str().expect("a message");
        assert!(message.contains(told), "{line}\n{message}");
        assert!(!message.contains("Usage:"), "{line}\n{message}");
        // People read the same on stderr.
        let first = message.lines().next().expect("a line");
        assert!(said.stderr.contains(first), "{line}\n{}", said.stderr);
    }
    for (code, line) in [
        (2, "explain"),
        (2, "migration run --database d -- tool --json"),
        (2, "keys"),
    ] {
        let said = portcullis(work.path(), line);
        assert_eq!((said.code, &*said.stdout), (code, ""), "{line}");
        assert!(!said.stderr.is_empty(), "{line}");
    }
    // Help is no error.
    let said = portcullis(work.path(), "lint --json --help");
    assert_eq!((said.code, &*said.stderr), (0, ""));
    assert!(
        said.stdout.contains("Usage: portcullis lint"),
        "{}",
        said.stdout
    );
}

#[test]
fn what_was_written_by_init_passes_check_and_has_no_cases_yet() {
    let work = work();
    let secret = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(work.path().join("userlist.txt"), secret).expect("chmod");
    portcullis(work.path(), "init --from {}/pgbouncer.ini --output {}/out");
    let checked = portcullis(work.path(), "check {}/out/portcullis.toml");
    let warned = "warning: the whole file observes: nothing is refused\n";
    assert!(checked.stdout.starts_with(warned), "{}", checked.stdout);
    assert!(
        checked.stdout.ends_with("2 files checked: 2 warnings\n"),
        "{}",
        checked.stdout
    );
    // Its line has an md5 secret.
    let app = "\nwarning: login \"app\" cannot log in: ";
    assert!(checked.stdout.contains(app), "{}", checked.stdout);
    assert_eq!(checked.code, 0);
    let tested = portcullis(work.path(), "test {}/out/policies");
    assert_eq!(tested.code, 2, "{}", tested.stdout);
    let none = "no case was run for ";
    assert!(tested.stderr.contains(none), "{}", tested.stderr);
    let open = "not enforced by ddl-outside-migration (observe): ";
    assert!(tested.stdout.contains(open), "{}", tested.stdout);
}

#[test]
fn a_statement_to_explain_may_begin_with_a_comment() {
    for (text, code) in [
        ("-- a comment\nselect 1", 0),
        ("--x\nvacuum", 1),
        ("-- nothing else", 0),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["explain", "--policy", "policies/production.toml"])
            .args(["--login", "shop_acme", text, "--json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("run portcullis");
        assert_eq!(output.status.code(), Some(code), "{text}");
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(value.get("statements").is_some(), "{text}");
    }
}

/// A command at the reading end of pipes. `line` is for a shell, in which `$p` is Portcullis and `$w` the directory.
fn piped(work: &Path, line: &str) -> Said {
    let output = Command::new("timeout")
        .args(["60", "bash", "-c", line])
        .env("p", env!("CARGO_BIN_EXE_portcullis"))
        .env("w", work)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("run a shell");
    Said {
        code: output.status.code().expect("an exit status"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What another command writes is read as a file is, and no more of it. Devices are not.
#[test]
fn a_pipe_is_read_to_its_end() {
    let work = work();
    for (code, line, says) in [
        (
            0,
            "$p check <(cat $w/good.toml)",
            "1 file checked: no problems",
        ),
        (0, "cat $w/good.toml | $p check /dev/stdin", "no problems"),
        (0, "$p check /dev/stdin < $w/good.toml", "no problems"),
        (1, "cat $w/wrong.toml | $p check /dev/stdin", "/dev/stdin"),
        (1, "cat /dev/null | $p check /dev/stdin", "/dev/stdin"),
        (
            2,
            "yes | $p check /dev/stdin",
            "the file is longer than 1MB",
        ),
        (2, "$p check /dev/zero", "not a regular file"),
        (2, "$p check /dev/null", "not a regular file"),
        (2, "printf '\\xff' | $p check /dev/stdin", "UTF-8"),
        (0, "$p lint --policy <(cat $w/good.toml) $w/clean.sql", ""),
        (
            1,
            "$p lint --policy <(cat $w/good.toml) <(cat $w/dirty.sql)",
            "COPY",
        ),
        (
            2,
            "yes | $p lint --policy /dev/stdin $w/clean.sql",
            "longer than 1MB",
        ),
        (
            0,
            "$p explain --policy <(cat $w/good.toml) --login shop_acme 'VALUES (1)'",
            "",
        ),
        (
            1,
            "cat $w/good.toml | $p explain --policy /dev/stdin --login shop_acme VACUUM",
            "",
        ),
        // There are no cases beside it.
        (
            2,
            "cat $w/good.toml | $p test /dev/stdin",
            "no case was run for /dev/stdin",
        ),
    ] {
        let Said {
            code: got,
            stdout,
            stderr,
        } = piped(work.path(), line);
        assert_eq!(got, code, "{line}\n{stdout}\n{stderr}");
        assert!(
            stdout.contains(says) || stderr.contains(says),
            "{line}\n{stdout}\n{stderr}"
        );
    }
}

/// Whoever names a directory means the files in it; what the proxy reads by itself is no pipe at all.
#[test]
fn nobody_waits_for_a_pipe_that_was_not_named() {
    let work = work();
    let mut pipe = Command::new("mkfifo");
    let made = pipe.arg(work.path().join("fifo.toml")).status();
    assert!(made.expect("mkfifo").success());
    for line in [
        "$p check $w",
        "$p test $w",
        "$p serve --config <(cat $w/good.toml)",
        "$p serve --config $w/fifo.toml",
        "cat $w/good.toml | $p status --config /dev/stdin",
    ] {
        let Said {
            code,
            stdout,
            stderr,
        } = piped(work.path(), line);
        assert_eq!(code, 2, "{line}\n{stdout}\n{stderr}");
        let told = format!("{stdout}{stderr}");
        assert!(told.contains("not a regular file"), "{line}\n{told}");
    }
}

/// A pipeline must not take a file that was not read, or a report that is cut, for a clean run.
#[test]
fn what_was_not_read_or_not_written_is_no_success() {
    use std::os::unix::fs::symlink;
    let work = work();
    let at = |name: &str| work.path().join(name);
    std::fs::create_dir(at("sql")).expect("create a directory");
    std::fs::create_dir(at("elsewhere")).expect("create a directory");
    let text = "CREATE EXTENSION dblink";
    std::fs::write(at("elsewhere/0002.sql"), text).expect("write a file");
    std::fs::write(at("sql/0001.sql"), "ALTER TABLE orders ADD n int").expect("write a file");
    let lint = || portcullis(work.path(), "lint {}/sql");
    let clean = lint();
    assert_eq!(clean.code, 0, "{}{}", clean.stdout, clean.stderr);
    let links = [("0003.sql", "elsewhere/0002.sql"), ("more", "elsewhere")];
    for (link, target) in links {
        symlink(at(target), at("sql").join(link)).expect("a link");
        assert_eq!(lint().code, 1, "{link}");
        std::fs::remove_file(at("sql").join(link)).expect("remove the link");
    }
    std::fs::write(at("sql/0004.SQL"), text).expect("write a file");
    assert_eq!(lint().code, 1);
    std::fs::remove_file(at("sql/0004.SQL")).expect("remove the file");
    symlink(at("nowhere"), at("sql/0005.sql")).expect("a link");
    assert_eq!(lint().code, 2);
    std::fs::remove_file(at("sql/0005.sql")).expect("remove the link");
    symlink(at("sql"), at("sql/round")).expect("a link");
    assert_eq!(lint().code, 2);
    std::fs::remove_file(at("sql/round")).expect("remove the link");
    let pipe = at("sql/pipe.sql");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("run mkfifo").success());
    assert_eq!(lint().code, 2);

    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["check", "policies/production.toml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(full.expect("a device that is full"))
        .output()
        .expect("run portcullis");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("could not write the answer"), "{stderr}");
}

/// In containers, cron and systemd nobody has set USER or LOGNAME; libpq asks the system then.
#[test]
fn doctor_takes_the_account_where_no_shell_has_said_who_asks() {
    let doctor = |shell: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["doctor", "host=127.0.0.1 port=1 connect_timeout=1"])
            .env_clear()
            .envs(shell.iter().copied())
            .output()
            .expect("run portcullis");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let id = Command::new("id").arg("-un").output().expect("run id");
    let said = doctor(&[]);
    match id.status.success() {
        true => assert_eq!(said, doctor(&[("LOGNAME", "ann")])),
        false => assert!(said.contains("this process has no account"), "{said}"),
    }
    assert!(!doctor(&[("LOGNAME", "ann")]).contains("no user"), "{said}");
}
