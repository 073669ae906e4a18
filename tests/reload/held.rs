//! Two files change and are read in one go, and one of them is wrong: nothing is taken. The valid one is not
//! forgotten over it.

use rustix::process::Signal;

use crate::support::files::write_secret;
use crate::support::fixture::{DO, POLICY, lenient};
use crate::support::message::{failed, fine};
use crate::support::process::wait_until;
use crate::support::{Stack, Transport, Wire};
use crate::{let_go, start};

/// Both files are changed and SIGHUP is there before the proxy looks at either of them again.
fn in_one_go(stack: &Stack, change: impl FnOnce()) {
    let proxy = stack.proxy.as_ref().expect("a proxy");
    let told = || stack.proxy_log().matches("nothing was reloaded").count();
    let before = told();
    proxy.signal(Signal::STOP);
    change();
    proxy.signal(Signal::HUP);
    proxy.signal(Signal::CONT);
    wait_until("it is refused", || told() > before);
}

pub(super) fn write(stack: &Stack, name: &str, text: &str) {
    write_secret(&stack.file(name), text);
}

/// The watch has looked at all files since: a change of yet another one is taken.
pub(super) fn looked(stack: &Stack, files: &str, name: &str) {
    let taken = format!("portcullis_reloads_total{{files=\"{files}\",outcome=\"ok\"}}");
    let before = stack.metric(&taken);
    let text = std::fs::read_to_string(stack.file(name)).expect("read");
    write(stack, name, &(text + "\n"));
    wait_until("another file is read", || stack.metric(&taken) > before);
}

/// What `/health/ready` says of a part; none: nothing, or that it is fine.
pub(super) fn told(stack: &Stack, name: &str) -> Option<String> {
    let (_, body) = stack.http_get("/health/ready");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let check = body["checks"].get(name)?;
    let description = check["description"].as_str().expect("a text");
    (check["status"] != "Healthy").then(|| description.to_owned())
}

const HELD: &str =
    "the file on disk is valid, but another one that was read with it is not (since ";

#[test]
fn a_valid_policy_comes_into_force_with_the_userlist_that_was_wrong() {
    let stack = start("");
    let userlist = stack.userlist.clone();
    let mended = format!("{userlist}; mended\n");
    let version = || stack.metric("portcullis_policy_version");
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    for (number, then) in [(2.0, &mended), (4.0, &userlist)] {
        assert_eq!(failed(&wire.query(DO)).0, "42501");
        in_one_go(&stack, || {
            write(&stack, "policy.toml", &lenient());
            write(&stack, "userlist.txt", "");
        });
        let why = told(&stack, "policy").expect("it is told");
        assert!(why.starts_with(HELD), "{why}");
        assert!(told(&stack, "auth_file").is_some());
        // Something else that is taken does not bring it.
        looked(&stack, "tls", "ca.crt");
        assert_eq!(version(), number - 1.0);
        assert_eq!(failed(&wire.query(DO)).0, "42501");
        write(&stack, "userlist.txt", then);
        wait_until("the policy is in force", || version() == number);
        fine(&wire.query(DO));
        let both = || told(&stack, "policy").or_else(|| told(&stack, "auth_file"));
        wait_until("nothing is told any more", || both().is_none());
        write(&stack, "policy.toml", POLICY);
        wait_until("it is as before", || version() == number + 1.0);
    }
}

#[test]
fn a_valid_userlist_comes_into_force_with_the_policy_that_was_wrong() {
    let stack = start("");
    let plain = stack.login("shop_plain", "app");
    let others = stack.userlist.lines();
    let others = others.filter(|line| !line.starts_with("\"shop_plain\""));
    let others: String = others.map(|line| format!("{line}\n")).collect();
    let mended = format!("{POLICY}# mended\n");
    for then in [&mended, POLICY] {
        let mut wire = Wire::login(&plain);
        in_one_go(&stack, || {
            write(&stack, "policy.toml", "schema = 2");
            write(&stack, "userlist.txt", &others);
        });
        let why = told(&stack, "auth_file").expect("it is told");
        assert!(why.starts_with(HELD), "{why}");
        assert!(
            why.ends_with("; what was read before stays in force"),
            "{why}"
        );
        assert_eq!(told(&stack, "certificates"), None, "they have not changed");
        // Told once more to read all, it knows it still.
        stack.try_reload().refused("nothing was reloaded");
        assert_eq!(told(&stack, "auth_file"), Some(why));
        fine(&wire.query("SELECT 1"));
        write(&stack, "policy.toml", then);
        let_go(&wire.receive_to_end(), "auth_file");
        wait_until("nothing is told any more", || {
            told(&stack, "auth_file").is_none() && told(&stack, "policy").is_none()
        });
        write(&stack, "userlist.txt", &stack.userlist);
        stack.reload();
    }
}

#[test]
fn certificates_that_are_not_in_force_are_told_and_not_forgotten() {
    let stack = start("");
    let directory = stack.directory();
    let ca = stack.file("trusted.crt");
    std::fs::copy(stack.authority.certificate(), &ca).expect("copied");
    let shown = || {
        let wire = Wire::open_with(stack.port, Transport::SslRequest, &ca);
        wire.server_certificate().expect("a certificate")
    };
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("read");
    let old = shown();
    let new = stack.authority.issue(directory, "next");
    in_one_go(&stack, || {
        write(&stack, "server.crt", &read(&new.certificate));
        write(&stack, "server.key", &read(&new.key));
        write(&stack, "policy.toml", "schema = 2");
    });
    let why = told(&stack, "certificates").expect("it is told");
    assert!(why.starts_with("the files on disk are valid, but"), "{why}");
    assert_eq!(told(&stack, "auth_file"), None, "it has not changed");
    assert_eq!(shown(), old);
    write(&stack, "policy.toml", POLICY);
    wait_until("the certificate is in force", || shown() != old);
    wait_until("nothing is told any more", || {
        told(&stack, "certificates").is_none()
    });
    // The certificate without its key, found by a look at it; told by `portcullis status`, too.
    let other = stack.authority.issue(directory, "other");
    write(&stack, "server.crt", &read(&other.certificate));
    wait_until("it is told", || told(&stack, "certificates").is_some());
    let why = told(&stack, "certificates").expect("told");
    assert!(why.contains("server.crt"), "{why}");
    assert!(
        why.contains(" (since ") && why.ends_with("; what was read before stays in force"),
        "{why}"
    );
    let status = crate::support::migration::finished(crate::support::migration::portcullis(
        &stack,
        &["status"],
    ));
    assert_eq!(status.status, 0, "{}", status.stderr);
    assert!(status.stdout.contains(&why), "{}", status.stdout);
    write(&stack, "server.key", &read(&other.key));
    wait_until("nothing is told any more", || {
        told(&stack, "certificates").is_none()
    });
}
