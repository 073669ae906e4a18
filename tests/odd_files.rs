//! Files that are replaced while running by what is none: a named pipe, a directory, a device, half of it.
//! Nothing is reloaded, nothing waits, and who is served goes on being served.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use support::files::write_secret;
use support::message::{column, fine};
use support::process::wait_until;
use support::{Login, Stack, StackOptions, Wire};

/// What is put in the place of a file.
const ODD: [&str; 9] = [
    "nothing",
    "a directory",
    "a pipe",
    "a loop",
    "a device",
    "an empty file",
    "a gigabyte",
    "zeros",
    "half",
];

/// Files of the stack that are read again while running.
const READ_AGAIN: [&str; 6] = [
    "policy.toml",
    "userlist.txt",
    "server-keys",
    "server.crt",
    "server.key",
    "ca.crt",
];

/// Puts something odd in the place of a file.
fn replace(path: &Path, odd: &str) {
    let text = fs::read_to_string(path).expect("a file");
    fs::remove_file(path).expect("removed");
    match odd {
        "nothing" => {}
        "a directory" => fs::create_dir(path).expect("a directory"),
        "a pipe" => {
            let made = Command::new("mkfifo")
                .args(["-m", "0600"])
                .arg(path)
                .status();
            assert!(made.expect("mkfifo").success());
        }
        "a loop" => symlink(path, path).expect("a link"),
        "a device" => symlink("/dev/zero", path).expect("a link"),
        "an empty file" => write_secret(path, ""),
        "a gigabyte" => {
            write_secret(path, "");
            let file = fs::File::options().write(true).open(path).expect("opened");
            file.set_len(1 << 30).expect("a sparse file");
        }
        "zeros" => write_secret(path, &"\0".repeat(4096)),
        // Within a line.
        _ => write_secret(path, &text[..text.len() / 2 - 3]),
    }
}

fn put_back(path: &Path, text: &str) {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir(path).expect("removed"),
        Ok(_) => fs::remove_file(path).expect("removed"),
        Err(_) => {}
    }
    write_secret(path, text);
}

/// A login that reads the authority from a file of its own.
fn login(stack: &Stack) -> Login {
    let trusted = stack.file("trusted.crt");
    fs::copy(stack.authority.certificate(), &trusted).expect("copied");
    Login {
        sslrootcert: trusted,
        ..stack.login("shop_acme", "shop")
    }
}

#[test]
fn what_is_no_file_any_more_changes_nothing_and_holds_up_nobody() {
    let stack = Stack::start(StackOptions::default());
    let login = login(&stack);
    let seen = "SELECT DISTINCT tenant_id FROM orders";
    let mut there = Wire::login(&login);
    for name in READ_AGAIN {
        let path = stack.file(name);
        let text = fs::read_to_string(&path).expect("a file");
        for odd in ODD {
            if (name, odd) == ("server-keys", "an empty file") {
                // It is one without keys: the last may be taken out.
                continue;
            }
            replace(&path, odd);
            stack.proxy.as_ref().expect("a proxy").signal(Signal::HUP);
            let told = stack.try_reload();
            assert_ne!(told.status, 0, "{name}: {odd} was taken: {told:?}");
            let says = match (name, odd) {
                ("userlist.txt", "an empty file" | "zeros") => "auth_file has no user",
                ("userlist.txt", "half") => "auth_file, line ",
                _ => name,
            };
            for words in ["nothing was reloaded", says] {
                assert!(told.stderr.contains(words), "{name}: {odd}: {told:?}");
            }
            assert_eq!(column(&there.query(seen)), ["acme"], "{name}: {odd}");
            fine(&Wire::login(&login).query(seen));
            assert_eq!(stack.http_get("/health/live").0, 200, "{name}: {odd}");
            put_back(&path, &text);
        }
        stack.reload();
        assert_eq!(column(&there.query(seen)), ["acme"]);
    }
    // Nor is the watch of the files held up.
    let taken = "portcullis_reloads_total{files=\"users\",outcome=\"ok\"}";
    let before = stack.metric(taken);
    write_secret(
        &stack.file("userlist.txt"),
        &(stack.userlist.clone() + "\n"),
    );
    wait_until("a changed file is noticed", || stack.metric(taken) > before);
}

/// The status of a command that must end, and what it said.
fn ended(stack: &Stack, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "60", env!("CARGO_BIN_EXE_portcullis")]);
    command.args(arguments).stdin(Stdio::null());
    command.envs(
        stack
            .login_at(stack.transaction_port, "shop_acme", "shop")
            .environment(),
    );
    let output = command.output().expect("timeout runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("UTF-8");
    (output.status.code().unwrap_or(-1), said)
}

/// Every command that reads a configuration says what is wrong with it, and ends.
#[test]
fn no_command_waits_for_what_is_no_file() {
    let stack = Stack::start(StackOptions::default());
    let config = stack.file("odd.toml");
    let original = fs::read_to_string(stack.file("portcullis.toml")).expect("a configuration");
    let of_policy = stack.file("of-policy.toml");
    let policy = stack.file("odd-policy.toml");
    let own = original.replace("/policy.toml", "/odd-policy.toml");
    write_secret(&of_policy, &own);
    for odd in ODD {
        for (spoilt, text, config) in [
            (&config, original.as_str(), &config),
            (&policy, support::fixture::POLICY, &of_policy),
        ] {
            write_secret(spoilt, text);
            replace(spoilt, odd);
            let config = config.to_str().expect("UTF-8");
            for arguments in [
                &["serve", "--config", config][..],
                &["check", config],
                &["doctor", "", "--config", config],
            ] {
                let (status, said) = ended(&stack, arguments);
                // What can be read and is wrong is 1 for `check`; never 137, the end of what waits.
                let problems = arguments[0] == "check" && status == 1;
                assert!(
                    status == 2 || problems,
                    "{odd}: {arguments:?}: {status}: {said}"
                );
                let name = spoilt.file_name().and_then(|it| it.to_str());
                assert!(
                    said.contains(name.expect("a name")),
                    "{odd}: {arguments:?}: {said}"
                );
            }
            put_back(spoilt, text);
        }
    }
}

/// Whoever reads that such a file is open to everybody reads the command that mends it, and it does.
#[test]
fn secrets_that_everybody_can_read_are_named_with_the_command_that_mends_them() {
    let stack = Stack::start(StackOptions::default());
    let config = stack.file("portcullis.toml");
    let config = config.to_str().expect("UTF-8");
    let login = login(&stack);
    let mut there = Wire::login(&login);
    for name in ["userlist.txt", "server-keys", "server.key"] {
        let path = stack.file(name);
        let opened = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&path, opened).expect("chmod");
        let command = format!("chmod 0640 '{}'", path.display());
        let told = stack.try_reload().refused("nothing was reloaded");
        assert!(told.contains(&command), "{name}: {told}");
        let (status, said) = ended(&stack, &["serve", "--config", config]);
        assert_eq!(status, 2, "{name}: {said}");
        assert!(said.contains(&command), "{name}: {said}");
        let (status, said) = ended(&stack, &["check", config]);
        assert_eq!(status, 1, "{name}: {said}");
        assert!(said.contains(&command), "{name}: {said}");
        fine(&there.query("SELECT 1"));
        let mended = Command::new("sh").args(["-c", &command]).status();
        assert!(mended.expect("a shell").success());
        stack.reload();
        fine(&Wire::login(&login).query("SELECT 1"));
    }
}

/// What `serve` does not start with is an error of `check`, and both name the file.
#[test]
fn check_refuses_what_serve_refuses() {
    let stack = Stack::start(StackOptions::default());
    let original = fs::read_to_string(stack.file("portcullis.toml")).expect("a configuration");
    let config = stack.file("other.toml");
    let text = "this is somebody's file\n";
    write_secret(&stack.file("somebody.txt"), text);
    fs::create_dir(stack.file("somebody")).expect("a directory");
    let both = |key: &str, value: &str, expected: i32, told: &str| {
        let of_key = |line: &str| line.starts_with(&format!("{key} = "));
        let value = stack.file(value);
        let change = |line: &str| match of_key(line) {
            true => format!("{key} = {value:?}\n"),
            false => format!("{line}\n"),
        };
        let spoilt: String = original.lines().map(change).collect();
        write_secret(&config, &spoilt);
        let config = config.to_str().expect("UTF-8");
        let name = value
            .file_name()
            .and_then(|it| it.to_str())
            .expect("a name");
        let (status, said) = ended(&stack, &["serve", "--config", config]);
        assert_eq!(status, 2, "{key}: {said}");
        assert!(said.contains(told) && said.contains(name), "{key}: {said}");
        let (status, said) = ended(&stack, &["check", config]);
        assert_eq!(status, expected, "{key}: {said}");
        assert!(said.contains(told) && said.contains(name), "{key}: {said}");
        assert!(said.contains("other.toml:"), "{key}: {said}");
    };
    both("cert_file", "somebody.txt", 1, "certificate file");
    both("ca_file", "somebody.txt", 1, "CA certificate");
    both("path", "somebody", 1, "the registry");
    both("path", "somebody.txt", 1, "not an SQLite file");
    both("console", "somebody", 1, "no socket");
    both("console", "somebody.txt", 1, "no socket");
    // What may be elsewhere is told, and no more, as the command says of itself.
    let (_, help) = ended(&stack, &["check", "--help"]);
    assert!(
        help.contains("is not here, or not for you to read, is a\nwarning"),
        "{help}"
    );
    for key in ["cert_file", "ca_file", "auth_file"] {
        both(key, "nowhere", 0, "No such file");
    }
    let left = fs::read_to_string(stack.file("somebody.txt")).expect("still there");
    assert_eq!(left, text);
}
