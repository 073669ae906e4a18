//! Many clients on one server connection.

use crate::random::Random;
use crate::support::message::{self, column, error, extended, failed, fine, kinds};
use crate::support::{Stack, Wire};
use crate::{acme, nothing_is_left, plain, run, stacks};

#[test]
fn two_hundred_executions_of_each_of_two_clients() {
    for stack in stacks() {
        for login in [plain, acme] {
            let mut clients = [login(&stack), login(&stack)];
            for (number, wire) in clients.iter_mut().enumerate() {
                let sql = format!("SELECT '{number}: ' || $1");
                let prepare = [message::parse("s", &sql), message::describe(b'S', "s")];
                assert_eq!(kinds(&wire.batch(&prepare.concat())), "1tTZ");
            }
            for round in 0..200 {
                for (number, wire) in clients.iter_mut().enumerate() {
                    let value = format!("{round}");
                    let answer = wire.batch(&run("s", &[Some(&value)]));
                    assert_eq!(kinds(&answer), "2DCZ");
                    assert_eq!(column(&answer), [format!("{number}: {round}")]);
                }
            }
            nothing_is_left(&mut clients[0]);
        }
    }
}

/// pg8000 and lib/pq: Parse, Describe, Sync; then Bind, Execute, Sync.
#[test]
fn the_unnamed_statement_across_batches_under_load() {
    for stack in stacks() {
        for seed in 0..3 {
            load(&stack, Random::new(seed));
        }
    }
}

fn load(stack: &Stack, mut random: Random) {
    // What each client's unnamed statement answers, if it has one.
    let mut clients: Vec<(Wire, Option<String>)> = (0..6).map(|_| (plain(stack), None)).collect();
    for turn in 0..400 {
        let number = random.below(clients.len());
        let (wire, holds) = &mut clients[number];
        match random.below(8) {
            0..3 => {
                let wanted = format!("{number}/{turn}");
                let parse = message::parse("", &format!("SELECT '{wanted}'"));
                let answer = wire.batch(&[parse, message::describe(b'S', "")].concat());
                assert_eq!(kinds(&answer), "1tTZ");
                *holds = Some(wanted);
            }
            3 => {
                fine(&wire.query("SELECT 'by the simple protocol'"));
                *holds = None;
            }
            4 => {
                let answer = wire.batch(&message::parse("", "SELEC"));
                assert_eq!(failed(&answer), ("42601".into(), 'I'));
                *holds = None;
            }
            _ => {
                let answer = wire.batch(&run("", &[]));
                match holds {
                    Some(wanted) => assert_eq!(column(&answer), std::slice::from_ref(wanted)),
                    None => {
                        assert_eq!(failed(&answer), ("26000".into(), 'I'));
                        let said = error(&answer).and_then(|error| error.field(b'M'));
                        let said = said.expect("a message");
                        assert_eq!(said, "unnamed prepared statement does not exist");
                    }
                }
            }
        }
    }
    nothing_is_left(&mut clients[0].0);
}

#[test]
fn all_at_the_same_time() {
    for stack in stacks() {
        std::thread::scope(|scope| {
            for number in 0..8u64 {
                let stack = &stack;
                scope.spawn(move || {
                    let mut wire = plain(stack);
                    let mut random = Random::new(number);
                    let sql = format!("SELECT '{number}: ' || $1");
                    fine(&wire.batch(&message::parse("s", &sql)));
                    for round in 0..100 {
                        let value = format!("{round}");
                        let wanted = format!("{number}: {round}");
                        let name = *random.pick(&["s", ""]);
                        if random.one_in(3) {
                            fine(&wire.batch(&extended("BEGIN", &[])));
                        }
                        if name.is_empty() {
                            fine(&wire.batch(&message::parse("", &sql)));
                        }
                        let answer = match random.one_in(2) {
                            true => wire.batch(&run(name, &[Some(&value)])),
                            false => {
                                wire.send_in_pieces(&run(name, &[Some(&value)]), 7);
                                wire.batch(&[])
                            }
                        };
                        assert_eq!(column(&answer), [wanted]);
                        if fine(&answer) == 'T' {
                            fine(&wire.query("COMMIT"));
                        }
                    }
                });
            }
        });
        nothing_is_left(&mut plain(&stack));
    }
}

/// Many batches in one write, of several statements in turn.
#[test]
fn a_pipeline_over_many_syncs() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        let names = ["a", "b", "c"];
        for name in names {
            fine(&wire.batch(&message::parse(name, &format!("SELECT '{name}' || $1"))));
        }
        for begin in ["SELECT 1", "BEGIN"] {
            fine(&wire.query(begin));
            let mut sent = Vec::new();
            let mut wanted = Vec::new();
            for round in 0..40 {
                let name = names[(round / 2) % 3];
                sent.extend(run(name, &[Some(&round.to_string())]));
                if round % 5 == 0 {
                    sent.extend(message::flush());
                }
                sent.extend(message::sync());
                wanted.push(format!("{name}{round}"));
            }
            wire.send(&sent);
            for wanted in wanted {
                assert_eq!(column(&wire.receive_until(b'Z')), [wanted]);
            }
            fine(&wire.query("COMMIT"));
        }
        nothing_is_left(&mut wire);
    }
}

/// The second batch is cut before its Sync. PgBouncer 1.18 alone gives the connection away in between, and
/// the client that gets it reads the answers of this one.
#[test]
fn a_batch_that_is_cut_behind_another_stays_its_clients() {
    for stack in stacks() {
        for name in ["", "n"] {
            let [mut first, mut other] = [plain(&stack), plain(&stack)];
            let one = [message::parse(name, "SELECT 'one'"), run(name, &[])].concat();
            let two = [message::parse("", "SELECT 'two'"), run("", &[])].concat();
            // Also once it is known what the pool does.
            for _ in 0..3 {
                first.send(&[&*one, &message::sync(), &two].concat());
                assert_eq!(column(&first.receive_until(b'Z')), ["one"]);
                other.send(&message::query("SELECT 'other'"));
                first.send(&message::sync());
                assert_eq!(column(&first.receive_until(b'Z')), ["two"]);
                assert_eq!(column(&other.receive_until(b'Z')), ["other"]);
                fine(&first.batch(&message::close(b'S', name)));
            }
        }
    }
}
