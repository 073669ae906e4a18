//! Who is asking: passwords, verifiers that change, logins that reach only what is granted.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::files::{give_to_server, write_secret};
use support::message::{self, Message, column, fine, kinds};
use support::process::wait_until;
use support::shared::stack;
use support::{Login, Stack, StackOptions, Transport, Wire};

fn try_login(login: &Login) -> Result<Wire, Message> {
    Wire::try_login(login, Transport::SslRequest, &[])
}

#[track_caller]
fn refusal(login: &Login) -> Message {
    Wire::refusal(login, &[])
}

/// Everything the server says to `login`, up to its refusal, the parts that are random left out.
fn exchange(stack: &Stack, login: &Login) -> (Vec<u8>, String, Message) {
    let mut wire = Wire::open_with(stack.port, Transport::SslRequest, &login.sslrootcert);
    let parameters = [("user", &*login.user), ("database", &*login.database)];
    wire.send(&message::startup((3, 0), &parameters));
    let offer = wire.receive().expect("an offer").body;
    let first = "n,,n=,r=clientnonce";
    let length = u32::try_from(first.len()).expect("short").to_be_bytes();
    let body = [b"SCRAM-SHA-256\0", &length[..], first.as_bytes()].concat();
    wire.send(&message::framed(b'p', &body));
    let challenge = wire.receive().expect("a challenge").body;
    let challenge = String::from_utf8_lossy(&challenge[4..]).into_owned();
    let (nonce, salt) = challenge.split_once(',').expect("a nonce and a salt");
    assert!(nonce.starts_with("r=clientnonce") && nonce.len() > "r=clientnonce".len() + 16);
    let proof = format!("c=biws,{nonce},p={}", "A".repeat(43) + "=");
    wire.send(&message::framed(b'p', proof.as_bytes()));
    let answer = wire.receive_to_end();
    assert_eq!(kinds(&answer), "E");
    (offer, salt.to_owned(), answer[0].clone())
}

#[test]
fn nobody_can_tell_an_unknown_user_from_a_wrong_password() {
    let stack = stack();
    let known = stack.login("shop_plain", "app");
    let unknown = Login {
        user: "shop_plaim".into(),
        ..known.clone()
    };
    let (offer, salt, error) = exchange(&stack, &known);
    let (other_offer, other_salt, other_error) = exchange(&stack, &unknown);
    assert_eq!(offer, other_offer);
    assert_eq!(salt.len(), other_salt.len(), "{salt} {other_salt}");
    let iterations = |salt: &str| salt.rsplit(',').next().map(str::to_owned);
    assert_eq!(iterations(&salt), iterations(&other_salt));
    assert_ne!(salt, other_salt);
    let without_name = |error: &Message, user: &str| {
        let fields = b"SVCMDHFLR".map(|code| error.field(code));
        fields.map(|field| field.map(|text| text.replace(user, "...")))
    };
    assert_eq!(
        without_name(&error, &known.user),
        without_name(&other_error, &unknown.user)
    );
    assert_eq!(error.sqlstate(), "28P01");
    // The salt of somebody who does not exist does not change either, and is their own.
    assert_eq!(exchange(&stack, &unknown).1, other_salt);
    let third = Login {
        user: "nobody".into(),
        ..known
    };
    assert_ne!(exchange(&stack, &third).1, other_salt);
}

/// Half of the users have another number of iterations: the most frequent one, or the largest, is no
/// sign of a stranger.
#[test]
fn mixed_iterations_do_not_tell_who_exists() {
    let stack = Stack::start(StackOptions::default());
    let verifiers = stack
        .userlist
        .replace("SCRAM-SHA-256$4096:", "SCRAM-SHA-256$8192:");
    let half = |name: &str| ["shop_plain", "shop_acme"].contains(&name);
    let mixed: String = (stack.userlist.lines().zip(verifiers.lines()))
        .map(
            |(old, new)| match half(old.split('"').nth(1).expect("a name")) {
                true => format!("{new}\n"),
                false => format!("{old}\n"),
            },
        )
        .collect();
    write_secret(&stack.file("userlist.txt"), &mixed);
    let known = stack.login("shop_plain", "app");
    let iterations = |user: &str| {
        let login = Login {
            user: user.into(),
            ..known.clone()
        };
        let (_, salt, _) = exchange(&stack, &login);
        salt.rsplit(',').next().expect("iterations").to_owned()
    };
    within_seconds("the mixed file is in use", || {
        iterations("shop_plain") == "i=8192"
    });
    assert_eq!(iterations("shop_globex"), "i=4096");
    let names: Vec<String> = (0..40).map(|number| format!("stranger{number}")).collect();
    let seen: Vec<String> = names.iter().map(|name| iterations(name)).collect();
    let low = seen.iter().filter(|count| *count == "i=4096").count();
    let high = seen.iter().filter(|count| *count == "i=8192").count();
    assert_eq!(low + high, names.len(), "{seen:?}");
    // One in 50000 runs has fewer.
    assert!(low >= 6 && high >= 6, "{seen:?}");
    let again: Vec<String> = names.iter().map(|name| iterations(name)).collect();
    assert_eq!(seen, again);
}

#[test]
fn the_salt_of_an_unknown_user_survives_a_restart() {
    let mut stack = Stack::start(StackOptions::default());
    let unknown = Login {
        user: "nobody".into(),
        ..stack.login("shop_plain", "app")
    };
    let before = exchange(&stack, &unknown).1;
    stack.restart_proxy();
    assert_eq!(exchange(&stack, &unknown).1, before);
}

#[test]
fn psql_binds_the_channel() {
    let stack = stack();
    let login = stack.login("shop_plain", "app");
    for (binding, sslmode, expected) in [
        ("require", "verify-full", 0),
        ("disable", "verify-full", 0),
        ("prefer", "require", 0),
    ] {
        let mut psql = Command::new("psql");
        psql.envs(login.environment())
            .env("PGCHANNELBINDING", binding)
            .env("PGSSLMODE", sslmode)
            .args(["-XAtqc", "SELECT 'bound'"]);
        let output = psql.output().expect("run psql");
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{binding}: {output:?}"
        );
    }
    // Somebody in between, with a certificate of their own: the end point they saw is another.
    let mut wire = Wire::open_with(stack.port, Transport::SslRequest, &login.sslrootcert);
    let parameters = [("user", &*login.user), ("database", &*login.database)];
    wire.send(&message::startup((3, 0), &parameters));
    let error = wire.authenticate(&login.password, Some(vec![7; 32])).err();
    assert!(error.is_some(), "bound to another channel");
}

/// Another secret for a role in PostgreSQL; its new verifier.
fn change_password(stack: &Stack, role: &str, password: &str) -> String {
    let password = password.replace('\'', "''");
    stack.direct(
        "postgres",
        &format!(
            "ALTER ROLE {role} PASSWORD '{password}';
             SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"
        ),
    )
}

/// The userlist with another secret for one user.
fn with_secret(stack: &Stack, user: &str, secret: &str) -> String {
    let line = format!("\"{user}\" ");
    let lines = stack.userlist.lines().map(|old| {
        if old.starts_with(&line) {
            format!("{line}\"{}\"\n", secret.trim())
        } else {
            format!("{old}\n")
        }
    });
    lines.collect()
}

fn write_pools_userlist(stack: &Stack, text: &str) {
    for (pool, server) in [
        ("transaction", &stack.transaction),
        ("session", &stack.session),
    ] {
        let file = stack.file(&format!("pgbouncer-{pool}/userlist.txt"));
        write_secret(&file, text);
        give_to_server(&file);
        server.signal(Signal::HUP);
    }
}

#[track_caller]
fn within_seconds(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < support::wire::PATIENCE,
            "not in time: {what}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_changed_userlist_is_taken_while_running() {
    let stack = Stack::start(StackOptions::default());
    let old = stack.login("shop_plain", "app");
    let mut connected = Wire::login(&old);
    let new = Login {
        password: "another one".into(),
        ..old.clone()
    };
    assert_eq!(refusal(&new).sqlstate(), "28P01");
    // PgBouncer compares the file's time in whole seconds.
    let file = stack.file("pgbouncer-transaction/userlist.txt");
    let written = file.metadata().and_then(|file| file.modified());
    let written = written.expect("its time");
    within_seconds("another second", || {
        written
            .elapsed()
            .is_ok_and(|age| age >= Duration::from_secs(1))
    });
    let verifier = change_password(&stack, "shop_plain", &new.password);
    let userlist = with_secret(&stack, "shop_plain", &verifier);
    write_pools_userlist(&stack, &userlist);
    write_secret(&stack.file("userlist.txt"), &userlist);
    within_seconds("the new password works", || try_login(&new).is_ok());
    assert_eq!(refusal(&old).sqlstate(), "28P01");
    assert_eq!(column(&Wire::login(&new).query("SELECT 1")), ["1"]);
    // Whoever was in stays in, and the others are not touched.
    assert_eq!(column(&connected.query("SELECT 1")), ["1"]);
    fine(&Wire::login(&stack.login("shop_acme", "shop")).query("SELECT 1"));
    // A file that is gone or spoilt changes nothing; a user taken out is out.
    let without: String = userlist
        .lines()
        .filter(|line| !line.starts_with("\"shop_plain\""))
        .map(|line| format!("{line}\n"))
        .collect();
    write_secret(&stack.file("userlist.txt"), &without);
    within_seconds("nobody of that name", || try_login(&new).is_err());
    assert_eq!(refusal(&new).sqlstate(), "28P01");
}

#[test]
fn another_verifier_behind_is_reported_as_such() {
    let stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    // The same password, another salt: here only.
    stack.direct("postgres", "CREATE ROLE scratch");
    let verifier = change_password(&stack, "scratch", &login.password);
    write_secret(
        &stack.file("userlist.txt"),
        &with_secret(&stack, "shop_plain", &verifier),
    );
    within_seconds("the new verifier is in use", || try_login(&login).is_err());
    let error = refusal(&login);
    assert_eq!(error.sqlstate(), "28000");
    let message = error.field(b'M').unwrap_or_default();
    assert!(
        message.contains("another verifier of role \"shop_plain\""),
        "{message}"
    );
    assert!(error.field(b'H').is_some());
    let log = stack.logged(&["verifier"]);
    assert!(!log.contains(verifier.trim()) && !log.contains(&login.password));
    let health = || stack.http_get("/health/ready").1;
    assert!(health().contains("verifier of role"), "{}", health());
    // A wrong password is still a wrong password.
    let wrong = Login {
        password: "wrong".into(),
        ..login.clone()
    };
    assert_eq!(refusal(&wrong).sqlstate(), "28P01");
    // Another role that gets in says nothing about this one; its own mending does.
    Wire::login(&stack.login("shop_acme", "shop"));
    assert!(health().contains("verifier of role"), "{}", health());
    write_secret(&stack.file("userlist.txt"), &stack.userlist);
    within_seconds("health knows it is mended", || {
        !health().contains("verifier of role")
    });
    Wire::login(&login);
    assert!(!health().contains("verifier of role"), "{}", health());
}

#[test]
fn another_verifier_behind_pgbouncer_is_no_wrong_password_either() {
    let stack = Stack::start(StackOptions::default());
    let login = stack.login("shop_plain", "app");
    // PostgreSQL alone has another one, of the same password.
    change_password(&stack, "shop_plain", &login.password);
    let error = refusal(&login);
    assert_eq!(error.sqlstate(), "28000", "{error:?}");
    let message = error.field(b'M').unwrap_or_default();
    assert!(
        message.contains("another verifier of role \"shop_plain\""),
        "{message}"
    );
    let health = || stack.http_get("/health/ready").1;
    assert!(health().contains("verifier of role"), "{}", health());
    // PostgreSQL gets back what the others have: the next login shows that it is mended.
    let line = stack.userlist.lines();
    let mut line = line.filter_map(|line| line.strip_prefix("\"shop_plain\" \""));
    let verifier = line.next().expect("a line").trim_end_matches('"');
    let back = format!("ALTER ROLE shop_plain PASSWORD '{verifier}'");
    stack.direct("postgres", &back);
    within_seconds("it logs in", || try_login(&login).is_ok());
    assert!(!health().contains("verifier of role"), "{}", health());
}

#[test]
fn lines_that_are_no_scram_verifiers_are_named_with_what_mends_them() {
    let stack = Stack::start(StackOptions::default());
    let md5 = format!("md5{}", "0".repeat(32));
    let userlist = with_secret(&stack, "shop_acme", &md5) + "\"plain_user\" \"a plain secret\"\n";
    write_secret(&stack.file("userlist.txt"), &userlist);
    within_seconds("the log names them", || {
        let log = stack.proxy_log();
        log.contains("shop_acme") && log.contains("plain_user")
    });
    let log = stack.logged(&["md5", "plain-text", "ALTER ROLE", "pg_authid"]);
    assert!(!log.contains("a plain secret") && !log.contains(&md5));
    let plain = Login {
        user: "plain_user".into(),
        password: "a plain secret".into(),
        ..stack.login("shop_plain", "app")
    };
    assert_eq!(refusal(&plain).sqlstate(), "28P01");
    assert_eq!(
        refusal(&stack.login("shop_acme", "shop")).sqlstate(),
        "28P01"
    );
    Wire::login(&stack.login("shop_plain", "app"));
}

/// PL-1: a pool that others have opened is no way in.
#[test]
fn a_login_reaches_only_the_databases_granted_to_it() {
    let stack = stack();
    // PostgreSQL and PgBouncer would let this login in, and a pooled connection is open.
    let past = stack.login_at(stack.transaction_port, "shop_plain", "shop");
    fine(&Wire::login(&past).query("SELECT 1"));
    let open = "SELECT count(*) > 0 FROM pg_stat_activity
                WHERE usename = 'shop_plain' AND datname = 'shop'";
    assert_eq!(stack.direct("shop", open), "t\n");
    for database in [
        "shop",
        "postgres",
        "template1",
        "nowhere",
        "pgbouncer",
        "APP",
        "app ",
    ] {
        let error = refusal(&stack.login("shop_plain", database));
        assert_eq!(error.sqlstate(), "42501", "{database}");
        let message = error.field(b'M').unwrap_or_default();
        assert!(
            message.contains(&format!("database \"{database}\"")),
            "{message}"
        );
    }
    assert_eq!(
        refusal(&stack.login("shop_acme", "app")).sqlstate(),
        "42501"
    );
    Wire::login(&stack.login("shop_plain", "app"));
    // A wrong password learns nothing about grants.
    let wrong = Login {
        password: "wrong".into(),
        ..stack.login("shop_plain", "shop")
    };
    assert_eq!(refusal(&wrong).sqlstate(), "28P01");
}

#[test]
fn a_migrator_exists_only_inside_a_migration_session() {
    let stack = stack();
    for database in ["shop", "app"] {
        let error = refusal(&stack.login("migrator", database));
        assert_eq!(error.sqlstate(), "28000");
        let hint = error.field(b'H').unwrap_or_default();
        assert!(hint.contains("portcullis migration run"), "{hint}");
    }
    let forged = Login {
        user: "migrator.mig_00000000".into(),
        ..stack.login("migrator", "app")
    };
    assert_eq!(refusal(&forged).sqlstate(), "28P01");
    // In auth_file, but in no policy.
    assert_eq!(
        refusal(&stack.login("pgbouncer_admin", "app")).sqlstate(),
        "28P01"
    );
}

/// Who mends it reads in the log whose password is wrong, and from where; never what strangers call themselves, which
/// may be a password.
#[test]
fn the_log_names_the_login_that_failed_if_there_is_one() {
    let stack = Stack::start(StackOptions::default());
    let known = stack.login("shop_plain", "app");
    let as_user = |user: &str| Login {
        user: user.into(),
        password: "wrong".into(),
        ..known.clone()
    };
    assert!(try_login(&as_user("shop_plain")).is_err());
    assert!(try_login(&as_user("hunter2")).is_err());
    assert!(try_login(&as_user("migrator.mig_abcdefgh")).is_err());
    let log = stack.logged(&[
        "\"login\":\"migrator\"",
        "there is no such migration session",
    ]);
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("\"not logged in\""))
        .collect();
    assert_eq!(lines.len(), 3, "{log}");
    let wrong = lines.iter().find(|line| line.contains("wrong-password"));
    let wrong = wrong.expect("a wrong password");
    assert!(wrong.contains("\"login\":\"shop_plain\""), "{wrong}");
    assert!(wrong.contains("\"client\":\"127.0.0.1\""), "{wrong}");
    assert!(!log.contains("hunter2"), "{log}");

    // The policy has it, and auth_file has not.
    let users = stack.userlist.lines();
    let users = users.filter(|line| !line.starts_with("\"shop_plain\""));
    let users: String = users.map(|line| format!("{line}\n")).collect();
    write_secret(&stack.file("userlist.txt"), &users);
    wait_until("it is told why", || {
        assert!(try_login(&as_user("shop_plain")).is_err());
        let log = stack.proxy_log();
        log.contains("auth_file has no line for this login")
    });
}
