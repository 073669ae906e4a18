//! Every hint that names a command: the command is taken from the hint as it came, run, and helps.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use portcullis::policy::Guard;
use support::files::{give_to_server, write_secret};
use support::message::{Message, column, error, fine};
use support::process::wait_until;
use support::{Psql, Stack, StackOptions, Transport, Wire, fixture, proxy, psql};

/// Runs a command line as a reader of the hint types it. `portcullis` is the one under test, which
/// finds the stack's configuration where an installed one finds its own.
fn typed(stack: &Stack, line: &str, input: &str) -> Psql {
    let program = stack.file("portcullis");
    let script = format!(
        "#!/bin/bash\nif [ \"$1\" = migration ]; then\n    exec {:?} \"$1\" \"$2\" --config {:?} \"${{@:3}}\"\nfi\nexec {0:?} \"$@\"\n",
        proxy::program(),
        stack.file("portcullis.toml")
    );
    std::fs::write(&program, script).expect("write the wrapper");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let path = std::env::var("PATH").expect("PATH");
    let mut shell = Command::new("bash");
    shell
        .args(["-c", line])
        .current_dir(stack.directory())
        .env("PATH", format!("{}:{path}", stack.directory().display()));
    psql::with_input(shell, input).into()
}

/// The command at the end of a hint.
#[track_caller]
fn command(error: &Message) -> String {
    let hint = error.field(b'H').expect("a hint");
    let at = hint
        .find("portcullis ")
        .unwrap_or_else(|| panic!("no command in {hint}"));
    hint[at..].trim_end_matches('.').to_owned()
}

#[test]
fn what_needs_a_migration_session_runs_in_the_one_that_is_named() {
    let stack = Stack::start(StackOptions::default());
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    let refused = wire.query("CREATE TABLE by_hint (id int)");
    let of_guard = command(error(&refused).expect("refused"));
    let of_login = command(&Wire::refusal(&stack.login("migrator", "app"), &[]));
    for (line, table) in [(of_guard, "of_guard"), (of_login, "of_login")] {
        assert!(line.contains("--database app "), "{line}");
        let tool = format!("psql -XqAtc 'CREATE TABLE {table} (id int)'");
        assert_eq!(line.matches("<your tool>").count(), 1, "{line}");
        typed(&stack, &line.replace("<your tool>", &tool), "").ok();
        let owner = format!("SELECT tableowner FROM pg_tables WHERE tablename = '{table}'");
        assert_eq!(stack.direct("app", &owner), "migrator\n");
    }
}

#[test]
fn a_role_without_a_server_key_gets_one_by_the_command_that_is_named() {
    let own_role = "[login.shop_plain]\nserver_role = \"migrator\"\n";
    let stack = Stack::start(StackOptions {
        policy: fixture::POLICY.replace("[login.shop_plain]\n", own_role),
        keys: vec!["shop_globex"],
        ..StackOptions::default()
    });
    let login = stack.login("shop_plain", "app");
    let line = command(&Wire::refusal(&login, &[]));
    let (line, where_from) = line.split_once(", ").expect("where the files are named");
    assert_eq!(where_from, "with the files of [auth]");
    let line = line.replace("KEY_FILE", "server-keys");
    let line = line.replace("AUTH_FILE", "userlist.txt");
    typed(&stack, &line, &fixture::password("migrator")).ok();
    wait_until("the key is in use", || {
        Wire::try_login(&login, Transport::SslRequest, &[]).is_ok()
    });
    let user = Wire::login(&login).query("SELECT current_user");
    assert_eq!(column(&user), ["migrator"]);
}

#[test]
fn every_page_of_a_guard_is_there() {
    let stack = Stack::start(StackOptions::default());
    for guard in Guard::ALL {
        let page = typed(&stack, &format!("portcullis help {}", guard.id()), "").ok();
        assert!(page.starts_with(&format!("# {}\n", guard.id())), "{page}");
    }
    // From a hint, not from us.
    let login = stack.login("shop_plain", "app");
    let parameters = [("standard_conforming_strings", "off")];
    let line = command(&Wire::refusal(&login, &parameters));
    let page = typed(&stack, &line, "").ok();
    assert!(page.starts_with("# lexing-parameters\n"), "{line}: {page}");
}

/// What the log says of a user whose line of the userlist is none.
fn logged_hint(stack: &Stack, user: &str) -> String {
    let log = stack.logged(&[&format!("user \\\"{user}\\\" has ")]);
    let mut lines = log
        .lines()
        .filter(|line| line.contains(&format!("user \\\"{user}\\\" has ")));
    let line = lines.next_back().expect("a line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    line["hint"].as_str().expect("a hint").to_owned()
}

#[test]
fn lines_of_the_userlist_are_mended_by_the_statements_that_are_named() {
    let stack = Stack::start(StackOptions::default());
    let md5 = format!("\"md5{}\"", "0".repeat(32));
    for (user, database, secret) in [
        ("shop_plain", "app", md5.as_str()),
        ("shop_acme", "shop", "\"in plain text\""),
        ("shop_globex", "shop", "\"\""),
    ] {
        let with = |secret: &str| -> String {
            let of_user = format!("\"{user}\" ");
            let line = |line: &str| match line.starts_with(&of_user) {
                true => format!("{of_user}{secret}\n"),
                false => format!("{line}\n"),
            };
            stack.userlist.lines().map(line).collect()
        };
        write_secret(&stack.file("userlist.txt"), &with(secret));
        let hint = logged_hint(&stack, user);
        let login = stack.login(user, database);
        assert_eq!(Wire::refusal(&login, &[]).sqlstate(), "28P01");
        // run STATEMENTS; then put the result of QUERY on line N
        let (renew, copy) = hint.split_once("put the result of ").expect(&hint);
        if let Some(statements) = renew.strip_prefix("run ") {
            let statements = statements.strip_suffix("; then ").expect(&hint);
            assert!(statements.contains("'...'"), "{statements}");
            let password = login.password.replace('\'', "''");
            stack.direct("postgres", &statements.replace("...", &password));
        } else {
            assert_eq!(secret, "\"\"", "{hint}");
        }
        let (query, line) = copy.split_once(" on line ").expect(&hint);
        let verifier = stack.direct("postgres", query);
        let mended = with(&format!("\"{}\"", verifier.trim()));
        let number: usize = line.parse().expect("a line");
        let of_user = mended.lines().nth(number - 1).expect("the line");
        assert!(of_user.starts_with(&format!("\"{user}\" ")), "{of_user}");
        // PgBouncer has the same file.
        let pools = stack.file("pgbouncer-transaction/userlist.txt");
        write_secret(&pools, &mended);
        give_to_server(&pools);
        write_secret(&stack.file("userlist.txt"), &mended);
        wait_until("it logs in", || {
            stack.transaction.signal(rustix::process::Signal::HUP);
            // PgBouncer compares the time of its file in whole seconds: written again, it is newer.
            write_secret(&pools, &mended);
            give_to_server(&pools);
            Wire::try_login(&login, Transport::SslRequest, &[]).is_ok()
        });
        fine(&Wire::login(&login).query("SELECT 1"));
    }
}
