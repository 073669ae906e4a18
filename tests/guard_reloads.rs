//! One guard's mode, or one login, is another from a reload on, while clients are in the middle of something:
//! what was judged by the old policy is not refused half-way, what comes next is judged by the new one, and
//! whoever is not meant notices nothing. (The mode of the whole file: `mode_reloads`.)

mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::files::write_secret;
use support::fixture::POLICY;
use support::message::{self, Message, bind, execute, extended, kinds, parse};
use support::migration::{finished, portcullis};
use support::process::wait_until;
use support::step::{Step, batch, last, part, query};
use support::{Pooler, Stack, StackOptions, Version, Wire, wanted};

/// What guard `procedural` is about; it leaves its number.
fn done(number: usize) -> String {
    format!("DO $$ BEGIN INSERT INTO orders (note) VALUES ('n{number}'); END $$")
}

/// The numbers that are left, if the guard lets pass what is sent at these places.
type Left = fn(&dyn Fn(usize) -> bool) -> Vec<usize>;

/// A whole message in two.
fn halves(bytes: &[u8], at: usize) -> Vec<Step> {
    vec![part(&bytes[..at]), last(&bytes[at..])]
}

/// What a client does, step by step, and what comes of it.
fn scripts() -> Vec<(&'static str, Vec<Step>, Left)> {
    let long = format!("{} -- {}", done(0), "x".repeat(200 << 10));
    let pieces = format!("{}; SELECT pg_sleep(5); {}", done(0), done(1));
    let named = || batch(&[bind("", "a", &[]), execute("", 0)].concat());
    vec![
        (
            "statements",
            vec![query(&done(0)), query("SELECT 1"), query(&done(2))],
            |ok| [0, 2].into_iter().filter(|at| ok(*at)).collect(),
        ),
        (
            "a transaction",
            vec![
                query("BEGIN"),
                query(&done(1)),
                query("SELECT 1"),
                query(&done(3)),
                query("COMMIT"),
            ],
            |ok| if ok(1) && ok(3) { vec![1, 3] } else { vec![] },
        ),
        (
            "savepoints",
            vec![
                query("BEGIN"),
                query("SAVEPOINT s"),
                query(&done(2)),
                query("ROLLBACK TO s"),
                query(&done(4)),
                query("COMMIT"),
            ],
            |ok| if ok(4) { vec![4] } else { vec![] },
        ),
        (
            "half a Query",
            halves(&message::query(&done(0)), 20),
            |ok| if ok(1) { vec![0] } else { vec![] },
        ),
        (
            "half a long Query",
            halves(&message::query(&long), 120 << 10),
            |ok| if ok(1) { vec![0] } else { vec![] },
        ),
        (
            "a batch",
            vec![
                part(&extended(&done(0), &[])),
                part(&extended(&done(1), &[])),
                batch(&[]),
            ],
            |ok| if ok(0) { vec![0, 1] } else { vec![] },
        ),
        (
            "a name",
            vec![batch(&parse("a", &done(0))), named(), named()],
            |ok| {
                let runs = [1, 2].into_iter().filter(|at| ok(0) && ok(*at));
                runs.map(|_| 0).collect()
            },
        ),
        (
            "COPY",
            vec![
                part(&message::query("COPY imports (note) FROM STDIN")),
                part(&message::copy_data(b"copied\n")),
                part(&message::copy_data(b"copied\n")),
                last(&message::copy_done()),
                query(&done(4)),
            ],
            |ok| if ok(4) { vec![4] } else { vec![] },
        ),
        (
            "pieces",
            vec![part(&message::query(&pieces)), last(b""), query(&done(2))],
            |ok| {
                let first = if ok(0) { vec![0, 1] } else { vec![] };
                first.into_iter().chain(ok(2).then_some(2)).collect()
            },
        ),
    ]
}

/// How the proxy learns of a changed file.
#[derive(Clone, Copy, Debug)]
enum Way {
    Console,
    Signal,
    /// It looks by itself.
    Watch,
}

fn reload(stack: &Stack, way: Way, policy: &str, in_force: impl Fn(&str) -> bool) {
    write_secret(&stack.file("policy.toml"), policy);
    match way {
        Way::Console => finished(portcullis(stack, &["console", "RELOAD"])).ok(),
        Way::Signal => {
            stack.proxy.as_ref().expect("a proxy").signal(Signal::HUP);
            String::new()
        }
        Way::Watch => String::new(),
    };
    wait_until("it is in force", || {
        let guards = finished(portcullis(stack, &["console", "SHOW GUARDS"])).ok();
        in_force(&guards)
    });
}

fn with_mode(mode: &str) -> String {
    format!("{POLICY}\n[guards]\nprocedural = \"{mode}\"\n")
}

fn is_in(guards: &str, mode: &str) -> bool {
    let line = guards.lines().find(|line| line.contains("procedural"));
    line.expect("the guard").contains(mode)
}

fn set(stack: &Stack, way: Way, mode: &str) {
    reload(stack, way, &with_mode(mode), |guards| is_in(guards, mode));
}

/// Up to `owed` ReadyForQuery.
fn receive(wire: &mut Wire, owed: usize) -> Vec<Message> {
    (0..owed).flat_map(|_| wire.receive_until(b'Z')).collect()
}

fn left(stack: &Stack) -> Vec<usize> {
    let rows = stack.direct(
        "shop",
        "SELECT substr(note, 2)::int FROM orders WHERE note ~ '^n[0-9]+$' ORDER BY 1",
    );
    rows.lines()
        .map(|row| row.parse().expect("a number"))
        .collect()
}

/// The mode is another from step `at` on.
fn play(
    stack: &Stack,
    (what, steps, expected): &(&str, Vec<Step>, Left),
    modes: [&str; 2],
    at: usize,
    way: Way,
) {
    let told = format!("{what}: {modes:?} at {at}, {way:?}");
    set(stack, Way::Console, modes[0]);
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    let mut answers = Vec::new();
    let mut waited = Duration::ZERO;
    for (number, step) in steps.iter().enumerate() {
        if number == at {
            if *what == "pieces" && at == 1 && modes[0] != "enforce" {
                stack.wait_for_sleepers(1);
            }
            let began = Instant::now();
            set(stack, way, modes[1]);
            waited = began.elapsed();
        }
        wire.send(&step.bytes);
        answers.extend(receive(&mut wire, step.owed));
    }
    drop(wire);
    let passes = |step: usize| modes[usize::from(step >= at)] != "enforce";
    let known = ["42501", "25P02", "26000"];
    for error in answers.iter().filter(|it| it.kind == b'E') {
        assert!(known.contains(&&*error.sqlstate()), "{told}: {error:?}");
        assert_eq!(error.field(b'S').as_deref(), Some("ERROR"), "{told}");
    }
    let never = (0..steps.len()).all(&passes);
    assert!(
        !never || !kinds(&answers).contains('E'),
        "{told}: {answers:?}"
    );
    let copied = stack.direct("shop", "SELECT count(*) FROM imports");
    assert_eq!(
        copied,
        if *what == "COPY" { "2\n" } else { "0\n" },
        "{told}"
    );
    // A batch keeps the policy under which it was begun, for some seconds.
    let found = left(stack);
    if *what != "a batch" || waited < Duration::from_secs(4) {
        assert_eq!(found, expected(&passes), "{told}");
    } else {
        assert!(found.is_empty() || found == [0, 1], "{told}: {found:?}");
    }
    stack.direct(
        "shop",
        "DELETE FROM orders WHERE note LIKE 'n%'; DELETE FROM imports",
    );
}

/// A third of the changes and places; `PORTCULLIS_TEST_TIMES=3`: all of them, which takes minutes.
#[test]
fn a_guard_that_changes_its_mode_refuses_what_comes_next_and_nothing_half_way() {
    let apart = (3 / wanted::times().max(1)).max(1);
    let stack = Stack::start(StackOptions {
        pool_size: 1,
        ..StackOptions::default()
    });
    let mut number = 0;
    for script in &scripts() {
        for modes in [
            ["enforce", "off"],
            ["off", "enforce"],
            ["observe", "enforce"],
            ["enforce", "observe"],
        ] {
            for at in 1..script.1.len() {
                number += 1;
                let way = match number % 11 {
                    0 => Way::Watch,
                    1..4 => Way::Signal,
                    _ => Way::Console,
                };
                if number % apart == 0 {
                    play(&stack, script, modes, at, way);
                }
            }
        }
    }
}

/// The table of one login is another, or gone, or back: who is meant is let go with what it was owed, the
/// others go on as if nothing had been.
#[test]
fn a_login_that_changes_is_let_go_and_nobody_else_notices() {
    let stack = Stack::start(StackOptions {
        version: Version::Pg17,
        pooler: Pooler::V1_24,
        pool_size: 4,
        ..StackOptions::default()
    });
    let table =
        "[login.shop_globex]\nkind = \"service\"\ndatabases = [\"shop\"]\nzone = \"globex\"\n";
    assert!(POLICY.contains(table));
    // All of them with a mode of one guard, by which it is seen which one is in force.
    let lenient =
        |policy: &str, mode: &str| format!("{policy}\n[guards]\nprocedural = \"{mode}\"\n");
    let gone = POLICY.replace(table, "");
    let moved = POLICY.replace("zone = \"globex\"", "zone = \"initech\"");
    let mut mode = "observe";
    let changes = [
        (&gone, Way::Signal),
        (&moved, Way::Console),
        (&gone, Way::Watch),
    ];
    for (turn, (policy, way)) in changes.into_iter().enumerate() {
        for script in &scripts() {
            let (what, steps, _) = script;
            // One place of each, another one each time.
            let at = 1 + (what.len() + turn) % (steps.len() - 1);
            mode = if mode == "observe" { "off" } else { "observe" };
            let before = lenient(POLICY, mode);
            reload(&stack, Way::Console, &before, |it| is_in(it, mode));
            let mut meant = Wire::login(&stack.login("shop_globex", "shop"));
            let mut others = Wire::login(&stack.login("shop_acme", "shop"));
            let mut answers = Vec::new();
            let mut is_there = true;
            for (number, step) in steps.iter().enumerate() {
                if number == at {
                    mode = if mode == "observe" { "off" } else { "observe" };
                    let after = lenient(policy, mode);
                    let way = if *what == "a name" { way } else { Way::Console };
                    reload(&stack, way, &after, |it| is_in(it, mode));
                }
                others.send(&step.bytes);
                answers.extend(receive(&mut others, step.owed));
                if is_there {
                    is_there = meant.try_send(&step.bytes).is_ok();
                    let answer = receive(&mut meant, step.owed);
                    let last = answer.last().map(|it| it.kind);
                    is_there &= step.owed == 0 || last == Some(b'Z');
                    if let Some(error) = message::error(&answer) {
                        assert_eq!(error.sqlstate(), "57P01", "{what}: {error:?}");
                    }
                }
            }
            assert!(!kinds(&answers).contains('E'), "{what}: {answers:?}");
            if is_there {
                let told = meant.receive_to_end();
                assert_eq!(told.last().expect("told").sqlstate(), "57P01", "{what}");
            }
            let rows = |zone: &str| {
                let sql = format!(
                    "SELECT count(*) FROM orders WHERE note ~ '^n[0-9]+$' AND tenant_id = '{zone}'"
                );
                stack.direct("shop", &sql).trim().to_owned()
            };
            let all = scripts().iter().find(|it| it.0 == *what).expect("it").2(&|_| true).len();
            assert_eq!(rows("acme"), all.to_string(), "{what}");
            assert_eq!(rows("initech"), "0", "{what}");
            stack.direct(
                "shop",
                "DELETE FROM orders WHERE note LIKE 'n%'; DELETE FROM imports",
            );
        }
    }
}
