//! DEALLOCATE of a name that the protocol prepared does what Close does, wherever it stands, and what
//! others have prepared is out of its reach.

use crate::support::Wire;
use crate::support::message::{self, column, error, extended, failed, fine, kinds};
use crate::{acme, direct, meddle, nothing_is_left, plain, run, stacks};

/// DEALLOCATE by either protocol.
fn by(wire: &mut Wire, simple: bool, sql: &str) -> Vec<message::Message> {
    match simple {
        true => wire.query(sql),
        false => wire.batch(&extended(sql, &[])),
    }
}

/// The name is free: it stands for nothing, and can be prepared anew.
#[track_caller]
fn is_free(wire: &mut Wire, name: &str) {
    assert_eq!(failed(&wire.batch(&run(name, &[]))).0, "26000");
    let again = [message::parse(name, "SELECT 'new'"), run(name, &[])].concat();
    assert_eq!(column(&wire.batch(&again)), ["new"]);
    fine(&wire.batch(&message::close(b'S', name)));
}

#[test]
fn it_is_close_by_either_protocol() {
    for stack in stacks() {
        for (mut wire, mut other) in [(plain(&stack), plain(&stack)), (acme(&stack), acme(&stack))]
        {
            for simple in [true, false] {
                for (name, sql) in [
                    ("s", "DEALLOCATE s"),
                    ("s", "deallocate PREPARE S;"),
                    ("S", "DEALLOCATE/* the */\"S\""),
                    ("ä b", "DEALLOCATE PREPARE U&\"\\00e4 b\""),
                    ("prepare", "DEALLOCATE prepare"),
                    ("all", "DEALLOCATE \"all\""),
                ] {
                    fine(&wire.batch(&message::parse(name, "SELECT 1")));
                    fine(&wire.batch(&run(name, &[])));
                    meddle(&mut other);
                    let answer = by(&mut wire, simple, sql);
                    fine(&answer);
                    let complete = answer.iter().find(|it| it.kind == b'C');
                    assert_eq!(complete.map(|it| it.tag()).as_deref(), Some("DEALLOCATE"));
                    let wanted = if simple { "CZ" } else { "12CZ" };
                    assert_eq!(kinds(&answer), wanted, "{sql}");
                    is_free(&mut wire, name);
                    let missing = by(&mut wire, simple, sql);
                    assert_eq!(failed(&missing), ("26000".into(), 'I'), "{sql}");
                }
            }
            nothing_is_left(&mut wire);
        }
    }
}

#[test]
fn in_transactions_and_batches() {
    for stack in stacks() {
        for simple in [true, false] {
            let (mut wire, mut other) = (plain(&stack), plain(&stack));
            let prepare = message::parse("s", "SELECT 's'");
            // Not undone by ROLLBACK, as there.
            fine(&wire.batch(&prepare));
            fine(&wire.query("BEGIN"));
            fine(&by(&mut wire, simple, "DEALLOCATE s"));
            fine(&wire.query("ROLLBACK"));
            is_free(&mut wire, "s");
            // In a failed transaction it is skipped, and the name stays.
            fine(&wire.batch(&prepare));
            fine(&wire.query("BEGIN"));
            failed(&wire.query("SELECT 1/0"));
            let answer = by(&mut wire, simple, "DEALLOCATE s");
            assert_eq!(failed(&answer), ("25P02".into(), 'E'));
            fine(&wire.query("ROLLBACK"));
            meddle(&mut other);
            assert_eq!(column(&wire.batch(&run("s", &[]))), ["s"]);
            // A DEALLOCATE that is prepared itself, and run when there is something to take, and when not.
            fine(&wire.batch(&message::parse("d", "DEALLOCATE s")));
            meddle(&mut other);
            fine(&wire.batch(&run("d", &[])));
            assert_eq!(failed(&wire.batch(&run("d", &[]))).0, "26000");
            is_free(&mut wire, "s");
            fine(&wire.batch(&message::close(b'S', "d")));
            // In the middle of a batch, and behind a message that fails.
            fine(&wire.batch(&prepare));
            let batch = [
                run("s", &[]),
                extended("DEALLOCATE s", &[]),
                message::parse("s", "SELECT 'again'"),
                run("s", &[]),
            ];
            assert_eq!(column(&wire.batch(&batch.concat())), ["s", "again"]);
            let batch = [extended("SELECT 1/0", &[]), extended("DEALLOCATE s", &[])];
            assert_eq!(failed(&wire.batch(&batch.concat())).0, "22012");
            meddle(&mut other);
            assert_eq!(column(&wire.batch(&run("s", &[]))), ["again"]);
            // Sent ahead of the answers.
            let sent = match simple {
                true => message::query("DEALLOCATE s"),
                false => [extended("DEALLOCATE s", &[]), message::sync()].concat(),
            };
            let sent = [
                sent,
                run("s", &[]),
                message::sync(),
                prepare.clone(),
                message::sync(),
            ];
            wire.send(&sent.concat());
            fine(&wire.receive_until(b'Z'));
            assert_eq!(failed(&wire.receive_until(b'Z')).0, "26000");
            fine(&wire.receive_until(b'Z'));
            assert_eq!(column(&wire.batch(&run("s", &[]))), ["s"]);
            nothing_is_left(&mut wire);
        }
    }
}

#[test]
fn beside_other_statements_it_is_refused_with_a_hint() {
    for stack in stacks() {
        for (mut wire, guard) in [
            (plain(&stack), "session-state"),
            (acme(&stack), "zone-parameter"),
        ] {
            fine(&wire.batch(&message::parse("s", "SELECT 's'")));
            let answer = wire.query("DEALLOCATE s; SELECT 1");
            assert_eq!(failed(&answer), ("0A000".into(), 'I'));
            let error = error(&answer).expect("an error");
            let detail = error.field(b'D').unwrap_or_default();
            assert!(detail.contains(guard), "{detail}");
            let hint = error.field(b'H').unwrap_or_default();
            assert!(hint.contains("DEALLOCATE alone"), "{hint}");
            assert_eq!(column(&wire.batch(&run("s", &[]))), ["s"]);
            fine(&wire.query("DEALLOCATE s"));
            is_free(&mut wire, "s");
        }
    }
}

/// The pool's own names: straight at PgBouncer, DEALLOCATE takes one from all its clients.
#[test]
fn what_others_have_prepared_is_out_of_reach() {
    for stack in stacks() {
        let mut mine = plain(&stack);
        fine(&mine.batch(&message::parse("mine", "SELECT 'mine'")));
        fine(&mine.batch(&run("mine", &[])));
        let names = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'PGBOUNCER%'";
        let mut wire = plain(&stack);
        for name in column(&wire.query(names)) {
            for simple in [true, false] {
                let answer = by(&mut wire, simple, &format!("DEALLOCATE \"{name}\""));
                assert_eq!(failed(&answer), ("26000".into(), 'I'), "{name}");
            }
        }
        assert_eq!(column(&mine.batch(&run("mine", &[]))), ["mine"]);
    }
}

/// The same answers as on a connection of one's own, but for what is refused.
#[test]
fn the_words_are_those_of_a_connection_of_ones_own() {
    for stack in stacks() {
        let (mut own, mut wire) = (direct(&stack), plain(&stack));
        for simple in [true, false] {
            for sql in [
                "DEALLOCATE missing",
                "DEALLOCATE PREPARE \"Missing\"",
                "DEALLOCATE PREPARE ALL",
            ] {
                let [wanted, found] = [&mut own, &mut wire].map(|wire| {
                    let answer = by(wire, simple, sql);
                    let words = error(&answer).and_then(|it| it.field(b'M'));
                    (words, answer.last().map(message::Message::transaction))
                });
                assert_eq!(found, wanted, "{sql}");
            }
        }
    }
}

/// Many of them: a pool that follows names is told, and goes on following.
#[test]
fn more_of_them_than_can_be_doubted() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        for round in 0..200 {
            let name = format!("n{round}");
            let prepare = [message::parse(&name, "SELECT 1"), run(&name, &[])].concat();
            fine(&wire.batch(&prepare));
            fine(&by(&mut wire, true, &format!("DEALLOCATE {name}")));
        }
        for name in ["n0", "n199"] {
            is_free(&mut wire, name);
        }
        nothing_is_left(&mut wire);
    }
}
