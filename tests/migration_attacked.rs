//! Migration sessions attacked from the wire: tokens that are guessed, over or somebody else's, names that are
//! none, and what a client is in the middle of when its session ends.

mod support;

use support::message::{self, Message, column, extended, fine, kinds, query};
use support::migration::{self, finished, id, open, open_for, portcullis};
use support::process::wait_until;
use support::scram::Scram;
use support::{Login, Stack, StackOptions, Transport, Wire};

#[track_caller]
fn refusal(login: &Login) -> Message {
    Wire::refusal(login, &[])
}

#[test]
fn a_token_is_not_found_by_guessing_and_what_is_said_tells_nothing() {
    let stack = Stack::start(StackOptions::default());
    let login = open(&stack, "app");
    let other = open(&stack, "shop");
    let with = |user: &str, password: &str| Login {
        user: user.into(),
        password: password.into(),
        ..login.clone()
    };
    let token = &login.password;
    let mut guesses: Vec<Login> = (0..40)
        .map(|number| {
            let mut letters = token.clone().into_bytes();
            letters[4 + number] = if letters[4 + number] == b'x' {
                b'y'
            } else {
                b'x'
            };
            with(&login.user, &String::from_utf8(letters).expect("ASCII"))
        })
        .collect();
    guesses.extend([
        with(&login.user, ""),
        with(&login.user, &token[..token.len() - 1]),
        with(&login.user, &format!("{token} ")),
        with(&login.user, &token.to_uppercase()),
        with(&login.user, &other.password),
        with(&login.user, &support::fixture::password("migrator")),
        with(&other.user, token),
        with("migrator", token),
        with(id(&login), token),
        with("shop_plain", token),
        with(&format!("shop_plain.{}", id(&login)), token),
        with("migrator.mig_00000000", token),
        with("nobody.mig_00000000", token),
    ]);
    for guess in &guesses {
        let error = refusal(guess);
        // The same words for what there is and what there is not, but for the name that the client has sent.
        let expected = format!("password authentication failed for user \"{}\"", guess.user);
        assert_eq!(error.sqlstate(), "28P01", "{guess:?}");
        assert_eq!(error.field(b'M'), Some(expected));
        assert_eq!((error.field(b'D'), error.field(b'H')), (None, None));
    }
    // Nor does the question that strangers are asked: as many iterations for each.
    let iterations = |user: &str| {
        let mut wire = asked(&stack, user, "app");
        let mut scram = Scram::new("x", None);
        let first = answer_first(&mut wire, &mut scram);
        first.rsplit("i=").next().map(str::to_owned)
    };
    assert_eq!(iterations(&login.user), iterations("migrator.mig_00000000"));
    // The owner is not kept out by it.
    fine(&Wire::login(&login).query("CREATE TABLE made (id int)"));
    let log = stack.proxy_log();
    assert!(!log.contains("pcm_") && !log.contains(token.as_str()));
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}

#[test]
fn a_token_opens_nothing_else_and_nothing_afterwards() {
    let stack = Stack::start(StackOptions::default());
    let login = open(&stack, "app");
    let at = |database: &str| Login {
        database: database.into(),
        ..login.clone()
    };
    for database in [
        "shop",
        "postgres",
        "pgbouncer",
        "portcullis",
        "APP",
        "app\t",
        "",
    ] {
        // Nobody says what there is behind.
        assert_eq!(refusal(&at(database)).sqlstate(), "42501", "{database}");
    }
    for parameter in [
        ("role", "postgres"),
        ("options", "-c role=postgres"),
        ("replication", "database"),
    ] {
        let tried = Wire::try_login(&login, Transport::SslRequest, &[parameter]);
        let refused = match tried {
            Err(error) => error.sqlstate(),
            Ok(mut wire) => column(&wire.query("SELECT current_user")).concat(),
        };
        assert_ne!(refused, "postgres", "{parameter:?}");
    }
    migration::close(&stack, &login);
    assert_eq!(refusal(&login).sqlstate(), "28P01", "closed");
    let short = open_for(&stack, "app", "8s");
    let mut wire = Wire::login(&short);
    fine(&wire.query("SELECT 1"));
    assert_eq!(
        wire.receive_to_end().last().expect("told").sqlstate(),
        "57P01"
    );
    assert_eq!(refusal(&short).sqlstate(), "28P01", "expired");
    // Not by being opened again, and the new one is not the old one's.
    let again = open(&stack, "app");
    for old in [&login, &short] {
        assert_eq!(refusal(old).sqlstate(), "28P01");
        let mixed = Login {
            user: again.user.clone(),
            ..old.clone()
        };
        assert_eq!(refusal(&mixed).sqlstate(), "28P01");
    }
    fine(&Wire::login(&again).query("SELECT 1"));
}

#[test]
fn names_that_look_like_one_are_nobodys() {
    let stack = Stack::start(StackOptions::default());
    let login = open(&stack, "app");
    let id = id(&login).to_owned();
    let names = [
        format!("migrator.{id} "),
        format!(" migrator.{id}"),
        format!("migrator..{id}"),
        format!("migrator.{id}.{id}"),
        format!("MIGRATOR.{id}"),
        format!("migrator.{}", id.to_uppercase()),
        format!("migrator.{id}\n"),
        format!("migrator\u{200b}.{id}"),
        format!("migrator\u{ff0e}{id}"),
        format!("migr\u{430}tor.{id}"),
        format!(".{id}"),
        id.clone(),
        "migrator.mig_'; DROP--".to_owned(),
        "migrator.mig_\"\\\"\"\"".to_owned(),
        "migrator.mig_%s%n%x%%".to_owned(),
        "migrator.mig_\u{1b}[2J\u{202e}x".to_owned(),
        "migrator.mig_\u{1f4a3}\u{1f4a3}".to_owned(),
        format!("migrator.mig_{}", "0".repeat(9_000)),
        format!("{}.{id}", "m".repeat(9_000)),
        "migrator.".repeat(1_000),
    ];
    for name in &names {
        let as_named = Login {
            user: name.clone(),
            ..login.clone()
        };
        assert_eq!(refusal(&as_named).sqlstate(), "28P01", "{name:?}");
    }
    // The same names where a session is asked for on the console.
    for name in &names {
        let shown = finished(portcullis(&stack, &["migration", "close", "--", name]));
        assert_ne!(shown.status, 0, "{name:?}");
    }
    fine(&Wire::login(&login).query("SELECT 1"));
    let log = stack.proxy_log();
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}

/// A connection that was asked for its password.
fn asked(stack: &Stack, user: &str, database: &str) -> Wire {
    let authority = stack.authority.certificate();
    let mut wire = Wire::open_with(stack.port, Transport::SslRequest, authority);
    wire.send(&message::startup(
        (3, 0),
        &[("user", user), ("database", database)],
    ));
    assert_eq!(wire.receive().expect("a question").kind, b'R');
    wire
}

/// Answers with the first message; the server's.
fn answer_first(wire: &mut Wire, scram: &mut Scram) -> String {
    let first = scram.first();
    let length = u32::try_from(first.len()).expect("short").to_be_bytes();
    let body = [b"SCRAM-SHA-256\0", &length[..], first.as_bytes()].concat();
    wire.send(&message::framed(b'p', &body));
    let answer = wire.receive().expect("the server's first message");
    assert_eq!(answer.kind, b'R', "{answer:?}");
    String::from_utf8(answer.body[4..].to_vec()).expect("text")
}

/// Who has begun to log in while the session was open does not get in behind its end.
#[test]
fn a_login_that_is_half_done_when_its_session_ends_runs_nothing() {
    let stack = Stack::start(StackOptions::default());
    for half in 0..2 {
        let login = open(&stack, "app");
        let mut wire = asked(&stack, &login.user, "app");
        let mut scram = Scram::new(&login.password, None);
        let early = (half == 1).then(|| answer_first(&mut wire, &mut scram));
        migration::close(&stack, &login);
        let first = early.unwrap_or_else(|| answer_first(&mut wire, &mut scram));
        wire.send(&message::framed(b'p', scram.last(&first).as_bytes()));
        // Whoever sends statements along with it gets none of them done.
        let _ = wire.try_send(&query("CREATE TABLE made (id int)"));
        let answer = wire.receive_to_end();
        let told = answer.last().expect("told");
        assert_eq!(told.kind, b'E', "{}", kinds(&answer));
        assert!(
            ["57P01", "28P01", "42501"].contains(&&*told.sqlstate()),
            "{told:?}"
        );
        assert_eq!(stack.tables("app"), "notes");
        let recorded = migration::show(&stack, id(&login));
        assert!(
            recorded.iter().all(|it| it.sqlstate != "00000"),
            "{recorded:?}"
        );
    }
}

const MADE: &str = "CREATE TABLE made (id int)";

/// What is sent before the session ends, and what behind it.
fn middles() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let cut = |what, whole: Vec<u8>, at: usize| (what, whole[..at].to_vec(), whole[at..].to_vec());
    let long = format!("{MADE} -- {}", "x".repeat(200 << 10));
    let named = [message::parse("m", MADE), message::sync()].concat();
    let run = [
        message::bind("", "m", &[]),
        message::execute("", 0),
        message::sync(),
    ]
    .concat();
    let copy = [
        query("BEGIN"),
        query(MADE),
        query("COPY made FROM STDIN"),
        message::copy_data(b"1\n"),
    ];
    vec![
        ("nothing", Vec::new(), query(MADE)),
        cut("half a Query", query(MADE), 12),
        cut("half a long Query", query(&long), 150 << 10),
        ("a batch", extended(MADE, &[]), message::sync()),
        ("a name", named, run),
        (
            "a transaction",
            [query("BEGIN"), query(MADE)].concat(),
            query("COMMIT"),
        ),
        (
            "COPY",
            copy.concat(),
            [message::copy_done(), query("COMMIT")].concat(),
        ),
        (
            "a statement that runs",
            query(&format!("BEGIN; {MADE}; SELECT pg_sleep(600); COMMIT")),
            Vec::new(),
        ),
        (
            "statements behind one that runs",
            [query("SELECT pg_sleep(600)"), query(MADE), query(MADE)].concat(),
            query(MADE),
        ),
        (
            "a batch behind one that runs",
            [
                extended("SELECT pg_sleep(600)", &[]),
                extended(MADE, &[]),
                message::sync(),
            ]
            .concat(),
            query(MADE),
        ),
        (
            "its last statement",
            [
                query("BEGIN"),
                query(MADE),
                query("SELECT pg_sleep(600)"),
                query("COMMIT"),
            ]
            .concat(),
            message::terminate(),
        ),
    ]
}

/// Closed or expired: nothing is done behind its end, nothing half done stays, and the record says no more
/// than what was.
#[test]
fn nothing_is_done_behind_the_end_of_a_session_whatever_the_client_is_in_the_middle_of() {
    let stack = Stack::start(StackOptions::default());
    for (what, before, behind) in middles() {
        // By the clock it takes longer, and is the same from there on.
        let expires = [
            "a batch",
            "a transaction",
            "statements behind one that runs",
        ];
        for closed in [true, false] {
            if !closed && !expires.contains(&what) {
                continue;
            }
            let login = match closed {
                true => open(&stack, "app"),
                false => open_for(&stack, "app", "8s"),
            };
            let mut wire = Wire::login(&login);
            wire.send(&before);
            let text = String::from_utf8_lossy(&before).into_owned();
            if text.contains("pg_sleep") && closed {
                stack.wait_for_sleepers(1);
            }
            if closed {
                migration::close(&stack, &login);
            }
            wait_until("the session is over", || {
                let list = finished(portcullis(&stack, &["migration", "list"])).ok();
                !list.contains("| open ")
            });
            let _ = wire.try_send(&behind);
            let answer = wire.receive_to_end();
            if let Some(told) = answer.last() {
                assert_eq!(told.kind, b'E', "{what}: {}", kinds(&answer));
                assert_eq!(told.sqlstate(), "57P01", "{what}");
            }
            stack.wait_for_sleepers(0);
            let open =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND state <> 'idle'";
            wait_until("nothing is open", || {
                stack.direct("postgres", open) == "0\n"
            });
            assert_eq!(stack.tables("app"), "notes", "{what}, closed: {closed}");
            for statement in migration::show(&stack, id(&login)) {
                let done = statement.sqlstate == "00000";
                let harmless = ["BEGIN", "CREATE TABLE"]
                    .iter()
                    .any(|it| statement.text.starts_with(it));
                let undone = ["a transaction", "COPY", "its last statement"].contains(&what);
                assert!(
                    !done
                        || (harmless && undone)
                        || (what == "a batch" && closed)
                        || what == "a name",
                    "{what}: {statement:?}"
                );
            }
        }
    }
}

/// Many at once while it is being closed: each gets in and is told, or does not get in.
#[test]
fn a_crowd_that_logs_in_while_its_session_is_closed_runs_nothing_afterwards() {
    let stack = Stack::start(StackOptions {
        pool_size: 20,
        ..StackOptions::default()
    });
    for _ in 0..3 {
        let login = open(&stack, "app");
        std::thread::scope(|scope| {
            let crowd: Vec<_> = (0..12)
                .map(|_| scope.spawn(|| Wire::try_login(&login, Transport::SslRequest, &[])))
                .collect();
            migration::close(&stack, &login);
            for one in crowd {
                match one.join().expect("an end") {
                    Ok(mut wire) => {
                        let _ = wire.try_send(&query(MADE));
                        let told = wire.receive_to_end();
                        assert_eq!(told.last().expect("told").sqlstate(), "57P01");
                    }
                    Err(error) => {
                        let known = ["28P01", "57P01"];
                        assert!(known.contains(&&*error.sqlstate()), "{error:?}");
                    }
                }
            }
        });
        assert_eq!(stack.tables("app"), "notes");
        let servers =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND state <> 'idle'";
        wait_until("nothing is open", || {
            stack.direct("postgres", servers) == "0\n"
        });
    }
}
