//! The mode of the policy changes twice while a client is in the middle of something, at every place of it:
//! what is sent while the policy enforces is in the client's zone and makes no table, whatever was let pass
//! meanwhile, and whoever gets the server connection next finds nothing open.

mod support;

use support::fixture::{POLICY, SQL};
use support::message::{self, Message, bind, execute, extended, parse};
use support::process::wait_until;
use support::step::{Step, batch, last, part, query};
use support::{NEW, OLD, Stack, StackOptions, Transport, Wire, wanted};

const MADE: &str = "CREATE TABLE made (id int)";

/// Tells at which place of the script it stands.
fn seen(at: usize) -> String {
    format!("SELECT DISTINCT 'seen {at} ' || tenant_id FROM orders")
}

/// What a client does, step by step.
fn scripts() -> Vec<(&'static str, Vec<Step>)> {
    let pick = "SELECT set_config($1, $2, false)";
    let globex = [Some("app.tenant_id"), Some("globex")];
    let named = |name: &str| [bind("", name, &[]), execute("", 0)].concat();
    let pieces = |at: usize, behind: &str| {
        let set = "SELECT set_config('app.tenant_id', 'globex', true)";
        format!("BEGIN; {}; {set}; {}; COMMIT; {behind}", seen(at), seen(at))
    };
    vec![
        (
            "a transaction",
            vec![
                query("BEGIN"),
                query(&seen(1)),
                query("SELECT set_config('app.tenant_id', 'globex', false)"),
                query(&seen(3)),
                query("SAVEPOINT s"),
                query(&seen(5)),
                query(MADE),
                query("ROLLBACK TO s"),
                query(&seen(8)),
                query("COMMIT"),
                query(&seen(10)),
            ],
        ),
        (
            "a batch",
            vec![
                part(&extended(pick, &globex)),
                part(&extended(&seen(1), &[])),
                part(&extended(MADE, &[])),
                batch(&[]),
                part(&extended(&seen(4), &[])),
                batch(&[]),
            ],
        ),
        (
            "COPY",
            vec![
                query("SELECT set_config('app.tenant_id', 'globex', false)"),
                part(&message::query("COPY imports FROM STDIN")),
                part(&message::copy_data(b"1\tone\n")),
                part(&message::copy_data(b"2\ttwo\n")),
                last(&message::copy_done()),
                query(&seen(5)),
                query(MADE),
            ],
        ),
        (
            "pieces",
            vec![
                query(&pieces(0, "SELECT 1")),
                query(&pieces(1, MADE)),
                query(&seen(2)),
            ],
        ),
        (
            "a temporary table",
            vec![
                query("BEGIN"),
                query(
                    "CREATE TEMPORARY TABLE tmp_t ON COMMIT DROP AS SELECT 'globex' AS tenant_id",
                ),
                query(&seen(2)),
                query("SET LOCAL app.tenant_id = 'globex'"),
                query(&seen(4)),
                query("ROLLBACK"),
                query(&seen(6)),
            ],
        ),
        (
            "names",
            vec![
                batch(&[parse("a", &seen(3)), parse("b", MADE), parse("c", pick)].concat()),
                batch(&[bind("", "c", &globex), execute("", 0)].concat()),
                batch(&extended("BEGIN", &[])),
                batch(&named("a")),
                batch(&named("b")),
                batch(&extended("ROLLBACK", &[])),
            ],
        ),
    ]
}

fn load(stack: &Stack, enforces: bool) {
    let mode = if enforces { "enforce" } else { "observe" };
    stack.load(&POLICY.replace("mode = \"enforce\"", &format!("mode = \"{mode}\"")));
}

/// What came of a script: the places at which rows were seen, and of which zone.
fn rows(messages: &[Message]) -> Vec<(usize, String)> {
    let rows = messages.iter().filter(|it| it.kind == b'D');
    let rows = rows.filter_map(|it| it.row().pop().flatten());
    let place = |row: String| {
        let (at, zone) = row.strip_prefix("seen ")?.split_once(' ')?;
        Some((at.parse().ok()?, zone.to_owned()))
    };
    rows.filter_map(place).collect()
}

/// Up to `owed` ReadyForQuery; false: the connection has ended.
fn receive(wire: &mut Wire, owed: usize, into: &mut Vec<Message>) -> bool {
    for _ in 0..owed {
        loop {
            let Some(message) = wire.receive() else {
                return false;
            };
            let ready = message.kind == b'Z';
            into.push(message);
            if ready {
                break;
            }
        }
    }
    true
}

/// The mode is another from `first` on, and the old one again from `second` on.
fn play(stack: &Stack, what: &str, steps: &[Step], enforces: bool, first: usize, second: usize) {
    let told = format!("{what}: enforces {enforces}, then at {first} and {second} the other");
    load(stack, enforces);
    let login = stack.login("shop_acme", "shop");
    let mut wire = Wire::login_with(&login, Transport::SslRequest, &[]);
    let mut answers = Vec::new();
    let mut mode = enforces;
    let mut modes = Vec::new();
    // Whoever was there while it observed is let go where it enforces.
    let mut let_go = false;
    let mut there = true;
    for (at, step) in steps.iter().enumerate() {
        if at == first || at == second {
            mode = !mode;
            load(stack, mode);
            let_go |= mode;
        }
        modes.push(mode);
        there = wire.try_send(&step.bytes).is_ok() && receive(&mut wire, step.owed, &mut answers);
        if !there {
            assert!(let_go, "{told}: the connection ended at {at}");
            break;
        }
    }
    if let_go && there {
        assert!(!receive(&mut wire, 1, &mut answers), "{told}: it stayed");
    }
    let fatal = |it: &&Message| it.kind == b'E' && it.field(b'S').as_deref() == Some("FATAL");
    let said: Vec<_> = answers
        .iter()
        .filter(fatal)
        .map(Message::sqlstate)
        .collect();
    assert!(
        said.iter().all(|it| let_go && it == "57P01"),
        "{told}: {said:?}"
    );
    drop(wire);
    for (at, zone) in rows(&answers) {
        let enforced = modes.get(at).copied().unwrap_or(mode);
        // Where it began by looking on there is no zone but what the client says, which is what it was let.
        assert!(!enforced || zone == "acme", "{told}: {zone} at {at}");
    }
    let made = stack.direct("shop", "SELECT to_regclass('made') IS NULL");
    // Where it is sent, by its text or by the name that it was prepared under before.
    let asked = match what {
        "a transaction" | "COPY" => 6,
        "a batch" => 2,
        "pieces" => 1,
        _ => 4,
    };
    if modes.get(asked) == Some(&true) {
        assert_eq!(made, "t\n", "{told}");
    }
    stack.direct("shop", "DROP TABLE IF EXISTS made");
    let open =
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = 'shop'";
    wait_until(&format!("{told}: nothing is open"), || {
        stack.direct("postgres", open) == "0\n"
    });
    load(stack, true);
    for mut next in [
        Wire::login(&login),
        Wire::login(&stack.login("shop_globex", "shop")),
    ] {
        let all = [next.query(&seen(0)), next.batch(&extended(&seen(0), &[]))];
        let zones = all.map(|it| rows(&it));
        assert_eq!(zones[0], zones[1], "{told}");
        assert_eq!(zones[0].len(), 1, "{told}");
    }
}

/// At one pair of places in 8; `PORTCULLIS_TEST_TIMES=8`: at all of them, which takes two minutes.
#[test]
fn whatever_the_client_is_in_the_middle_of() {
    let apart = (8 / wanted::times().max(1)).max(1);
    let mut number = 0;
    for (version, pooler) in [OLD, NEW] {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            pool_size: 1,
            sql: format!("{SQL}\\c shop\nGRANT CREATE ON SCHEMA public TO shop_acme;\n"),
            ..StackOptions::default()
        });
        for (what, steps) in scripts() {
            for enforces in [true, false] {
                for first in 0..steps.len() {
                    for second in first + 1..=steps.len() {
                        number += 1;
                        // This one went through: a transaction that was let into another zone stayed there.
                        let known =
                            (what, enforces, first, second) == ("a transaction", true, 0, 3);
                        if known || number % apart == 0 {
                            play(&stack, what, &steps, enforces, first, second);
                        }
                    }
                }
            }
        }
    }
}
