//! Files that change: taken as a whole, or not at all.

use rustix::process::Signal;

use crate::support::files::write_secret;
use crate::support::fixture::{DO, POLICY, lenient};
use crate::support::message::{failed, fine};
use crate::support::migration::{check as check_file, finished, portcullis};
use crate::support::process::wait_until;
use crate::support::tls::Authority;
use crate::support::{Stack, Transport, Wire};
use crate::{let_go, policy_with, start};

#[test]
fn an_invalid_policy_changes_nothing_and_every_problem_is_told() {
    let stack = start("");
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    let invalid = policy_with("kind = \"service\"", "kind = \"servant\"")
        + "[guards]\nprocedural = \"off\"\nunheard-of = \"off\"\n";
    // Valid, but not with this configuration: whoever maps a role needs its key.
    let unfit = policy_with(
        "[login.shop_plain]",
        "[login.shop_plain]\nmax_connection = 3",
    );
    for (number, policy) in [(1.0, &invalid), (2.0, &unfit)] {
        write_secret(&stack.file("policy.toml"), policy);
        let told = stack.try_reload().refused("nothing was reloaded");
        assert!(told.contains("policy.toml:"), "{told}");
        let failures = "portcullis_reloads_total{files=\"policy\",outcome=\"failed\"}";
        assert!(stack.metric(failures) >= number);
        assert_eq!(failed(&wire.query(DO)).0, "42501");
        fine(&wire.query("SELECT 1"));
        fine(&Wire::login(&stack.login("shop_plain", "app")).query("SELECT 1"));
    }
    let log = stack.logged(&[
        "servant",
        "unheard-of",
        "max_connection",
        "nothing was reloaded",
    ]);
    assert!(log.contains("\"line\":"), "{log}");
    assert_eq!(stack.metric("portcullis_policy_version"), 1.0);
    // Mended, it is taken.
    stack.load(&lenient());
    fine(&wire.query(DO));
}

/// What `/health/ready` says of a part: state and description; none: nothing.
fn check(stack: &Stack, name: &str) -> Option<(String, String)> {
    let (status, body) = stack.http_get("/health/ready");
    assert_eq!(status, 200, "what is in force serves: {body}");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let check = body["checks"].get(name)?;
    let word = |key: &str| check[key].as_str().expect("a text").to_owned();
    Some((word("status"), word("description")))
}

/// `... (since MOMENT); ...`
fn since(description: &str) -> &str {
    let (_, since) = description.split_once(" (since ").expect("since when");
    since.split_once("); ").expect("what is in force").0
}

#[test]
fn who_asks_for_health_knows_that_a_file_on_disk_is_not_in_force() {
    let stack = start("");
    let healthy = |name: &str| check(&stack, name).is_none_or(|it| it.0 == "Healthy");
    let told = |name: &str| {
        let (state, description) = check(&stack, name).expect("it is told");
        assert_eq!(state, "Degraded");
        description
    };
    assert!(healthy("policy") && healthy("auth_file"));

    // Found by a look at the file; another mistake later changes nothing of the moment.
    write_secret(&stack.file("policy.toml"), "schema = 2");
    wait_until("the policy is told", || !healthy("policy"));
    let first = told("policy");
    let why = "the file on disk is not valid: see the log, or portcullis check (since ";
    assert!(first.starts_with(why), "{first}");
    assert!(first.contains("); policy 1-"), "{first}");
    assert!(first.ends_with(" stays in force"), "{first}");
    write_secret(&stack.file("policy.toml"), "schema = 3");
    stack.try_reload().refused("nothing was reloaded");
    assert_eq!(told("policy"), first);
    let status = finished(portcullis(&stack, &["status"]));
    assert_eq!(status.status, 0, "{}", status.stderr);
    assert!(status.stdout.contains(&first), "{}", status.stdout);

    // The one in force again, beside a userlist that is not valid.
    write_secret(&stack.file("policy.toml"), POLICY);
    stack.reload();
    assert!(healthy("policy") && healthy("auth_file"));
    let users = stack.file("userlist.txt");
    write_secret(&users, "");
    wait_until("the users are told", || !healthy("auth_file"));
    let second = told("auth_file");
    assert!(
        second.starts_with("error: auth_file has no user"),
        "{second}"
    );
    assert!(
        second.ends_with("; what was read before stays in force"),
        "{second}"
    );
    assert!(since(&second) >= since(&first), "{second}\n{first}");
    stack.try_reload().refused("nothing was reloaded");
    assert!(healthy("policy"), "it is the one in force");
    // A valid one is not taken with it. Where a look at the file came first it was taken alone.
    write_secret(&stack.file("policy.toml"), &lenient());
    stack.try_reload().refused("nothing was reloaded");
    if stack.metric("portcullis_policy_version") == 1.0 {
        let third = told("policy");
        let why = "the file on disk is valid, but another one that was read with it is not (since ";
        assert!(third.starts_with(why), "{third}");
    } else {
        assert!(healthy("policy"));
    }
    write_secret(&users, &stack.userlist);
    stack.reload();
    assert_eq!(stack.metric("portcullis_policy_version"), 2.0);
    assert!(healthy("policy") && healthy("auth_file"));
}

#[test]
fn sighup_and_a_look_at_the_file_do_the_same() {
    let stack = start("");
    let mut wire = Wire::login(&stack.login("shop_plain", "app"));
    write_secret(&stack.file("policy.toml"), &lenient());
    wait_until("the changed file is in force", || {
        stack.metric("portcullis_policy_version") == 2.0
    });
    fine(&wire.query(DO));
    write_secret(&stack.file("policy.toml"), POLICY);
    stack.proxy.as_ref().expect("a proxy").signal(Signal::HUP);
    wait_until("SIGHUP is heeded", || {
        stack.metric("portcullis_policy_version") == 3.0
    });
    assert_eq!(failed(&wire.query(DO)).0, "42501");
    // Read again, it is still the same policy: nothing to tell.
    stack.reload();
    assert_eq!(stack.metric("portcullis_policy_version"), 3.0);
    // The configuration is not read while running, and whoever expects it is told.
    assert!(!stack.proxy_log().contains("the configuration has changed"));
    let config = stack.file("portcullis.toml");
    let text = std::fs::read_to_string(&config).expect("read the configuration");
    let changed = text.replace("[limits]", "[limits]\nmax_cancels = 7");
    write_secret(&config, &changed);
    stack.reload();
    stack.logged(&["the configuration has changed"]);
    // A file that is spoilt is told of once, not at every look.
    write_secret(&stack.file("policy.toml"), "schema = 2");
    stack.logged(&["nothing was reloaded"]);
    let failures = "portcullis_reloads_total{files=\"policy\",outcome=\"failed\"}";
    let looked = stack.metric(failures);
    // Two looks at least, at all files: a change of another one is taken at the second.
    let users = "portcullis_reloads_total{files=\"users\",outcome=\"ok\"}";
    let before = stack.metric(users);
    write_secret(
        &stack.file("userlist.txt"),
        &(stack.userlist.clone() + "\n"),
    );
    wait_until("the users are read again", || stack.metric(users) > before);
    assert_eq!(stack.metric(failures), looked);
}

#[test]
fn who_is_taken_out_of_the_userlist_is_let_go_and_half_a_file_is_none() {
    let stack = start("");
    let mut plain = Wire::login(&stack.login("shop_plain", "app"));
    let mut acme = Wire::login(&stack.login("shop_acme", "shop"));
    let file = stack.file("userlist.txt");
    // As it looks while it is being written.
    let middle = stack.userlist.find("shop_plain").expect("a line") + 30;
    write_secret(&file, &stack.userlist[..middle]);
    let told = stack.try_reload().refused("nothing was reloaded");
    assert!(told.contains("auth_file, line"), "{told}");
    for wire in [&mut plain, &mut acme] {
        fine(&wire.query("SELECT 1"));
    }
    let others = stack.userlist.lines();
    let others = others.filter(|line| !line.starts_with("\"shop_plain\""));
    let others: String = others.map(|line| format!("{line}\n")).collect();
    write_secret(&file, &others);
    // Without being told.
    let_go(&plain.receive_to_end(), "auth_file");
    fine(&acme.query("SELECT 1"));
}

/// A login of the policy without a line in `auth_file`, and a migrator without a key.
#[test]
fn who_cannot_log_in_is_told_at_the_start_and_when_files_are_read_again() {
    let mut stack = start("");
    let lines = |stack: &Stack| {
        let log = stack.logged(&["cannot log in"]);
        let lines = log.lines().filter(|line| line.contains("cannot log in"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // Everybody can: there is no line of the start, and none of this.
    stack.reload();
    let login = |name: &str, kind: &str| {
        format!("[login.{name}]\nkind = \"{kind}\"\ndatabases = [\"app\"]\n")
    };
    let later = [
        POLICY,
        &login("later_one", "service"),
        &login("later_two", "migrator"),
    ];
    stack.load(&later.concat());
    let told = lines(&stack);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("\"level\":\"WARN\""), "{told:#?}");
    assert!(
        told[0].contains("\"logins\":\"later_one, later_two\""),
        "{told:#?}"
    );
    let check = check_file(&stack.file("portcullis.toml"));
    assert_eq!(check.status, 0, "{check:?}");
    for name in ["later_one", "later_two"] {
        let words = format!("warning: login \"{name}\" cannot log in: ");
        assert!(check.stdout.contains(&words), "{check:?}");
    }
    stack.restart_proxy();
    wait_until("it is told at the start", || lines(&stack).len() == 2);
}

#[test]
fn certificates_are_read_again_and_those_that_do_not_fit_are_not() {
    let stack = start("");
    let directory = stack.directory();
    let ca = stack.file("trusted.crt");
    std::fs::copy(stack.authority.certificate(), &ca).expect("copy the authority");
    let mut login = stack.login("shop_plain", "app");
    login.sslrootcert = ca;
    let shown = || {
        let wire = Wire::open_with(stack.port, Transport::SslRequest, &login.sslrootcert);
        wire.server_certificate().expect("a certificate")
    };
    let old = shown();
    let mut before = Wire::login(&login);
    let new = stack.authority.issue(directory, "next");
    let replace = |from: &std::path::Path, to: &str| {
        let text = std::fs::read_to_string(from).expect("read");
        write_secret(&stack.file(to), &text);
    };
    // The certificate without its key.
    replace(&new.certificate, "server.crt");
    stack.try_reload().refused("nothing was reloaded");
    assert_eq!(shown(), old);
    fine(&Wire::login(&login).query("SELECT 1"));
    replace(&new.key, "server.key");
    stack.reload();
    assert_ne!(shown(), old);
    // Whoever was in stays in; psql binds the channel to the certificate that it is shown.
    fine(&before.query("SELECT 1"));
    assert_eq!(stack.psql(&login, "SELECT 1").ok(), "1\n");
    // Another authority behind: nobody is dialed that it has not signed.
    let other = Authority::new(directory, "other");
    let own = std::fs::read_to_string(&login.sslrootcert).expect("read");
    replace(other.certificate(), "ca.crt");
    stack.reload();
    let refused = Wire::try_login(&login, Transport::SslRequest, &[]).err();
    assert_eq!(refused.expect("not verified").sqlstate(), "08004");
    write_secret(&stack.file("ca.crt"), &own);
    stack.reload();
    fine(&Wire::login(&login).query("SELECT 1"));
}
