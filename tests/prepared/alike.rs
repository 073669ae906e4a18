//! Random messages, told to a connection of one's own and to a pooled one: the same answers, message
//! for message. In between, another client prepares what it likes under the same names.
//!
//! A failure prints its seed; `PORTCULLIS_TEST_SEED=<seed>` runs that one alone, and
//! `PORTCULLIS_TEST_TIMES=<n>` more of them.

use crate::random::Random;
use crate::support::{Stack, VERSIONS, Wire, message, wanted};
use crate::{direct, meddle, nothing_is_left, plain, stacks, words};

/// Seeds on each stack.
const RUNS: u64 = 60;

/// With rows.
const ROWS: &[&str] = &[
    "SELECT 1",
    "SELECT 'x'::text, 2.5",
    "SELECT $1::text",
    "SELECT generate_series(1, 3)",
    "INSERT INTO notes (body) VALUES ('alike') RETURNING body",
    "SELECT 1 / $1::int",
    "SELECT 1/0",
];
const OTHERS: &[&str] = &[
    "BEGIN",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "DEALLOCATE ALL",
    "UPDATE notes SET body = 'y' WHERE id = -1",
    "SET LOCAL work_mem = '1MB'",
    "SELEC",
    "SELECT nothing",
    "",
];
const NAMES: &[&str] = &["", "", "s", "t"];
const PORTALS: &[&str] = &["", "", "p"];

fn text(random: &mut Random) -> &'static str {
    match random.below(3) {
        0 => OTHERS[random.below(OTHERS.len())],
        _ => ROWS[random.below(ROWS.len())],
    }
}

/// One batch, and what it is in words.
fn batch(random: &mut Random, out: &mut Vec<u8>, said: &mut Vec<String>) {
    let mut put = |words: String, bytes: Vec<u8>| {
        said.push(words);
        out.extend(bytes);
    };
    if random.one_in(6) {
        let sql = text(random);
        return put(format!("Query {sql}"), message::query(sql));
    }
    for _ in 0..1 + random.below(4) {
        let name = *random.pick(NAMES);
        let portal = *random.pick(PORTALS);
        let rows = u32::from(random.one_in(4));
        let values: &[Option<&str>] = match random.below(3) {
            0 => &[Some("1")],
            _ => &[],
        };
        let bind = message::bind(portal, name, values);
        match random.below(9) {
            0..2 => {
                let sql = text(random);
                put(format!("Parse {name:?} {sql}"), message::parse(name, sql));
            }
            2 => {
                // PostgreSQL describes what has no rows in a failed transaction, too, where it takes no
                // Parse: only what has rows is described.
                let sql = *random.pick(ROWS);
                put(format!("Parse {name:?} {sql}"), message::parse(name, sql));
                put(
                    format!("Describe S {name:?}"),
                    message::describe(b'S', name),
                );
            }
            3 => put(format!("Bind {portal:?} {name:?} {values:?}"), bind),
            4..6 => {
                put(format!("Bind {portal:?} {name:?} {values:?}"), bind);
                if random.one_in(2) {
                    put(
                        format!("Describe P {portal:?}"),
                        message::describe(b'P', portal),
                    );
                }
                put(
                    format!("Execute {portal:?} {rows}"),
                    message::execute(portal, rows),
                );
            }
            6 => put(
                format!("Execute {portal:?} {rows}"),
                message::execute(portal, rows),
            ),
            7 => put(format!("Close S {name:?}"), message::close(b'S', name)),
            _ => put("Flush".into(), message::flush()),
        }
    }
    put("Sync".into(), message::sync());
}

fn answers(wire: &mut Wire, sent: &[u8], ends: usize) -> Vec<String> {
    wire.send(sent);
    let mut all = Vec::new();
    for _ in 0..ends {
        all.extend(wire.receive_until(b'Z').iter().map(words));
    }
    all
}

/// In a failed transaction a Bind with too many values, of a statement that must be sent again, is told
/// of the transaction first. What a Query leaves of the unnamed portal was never bound.
fn same(wanted: &[String], found: &[String]) -> bool {
    let alike = |(wanted, found): (&String, &String)| {
        wanted == found
            || (wanted == "E 08P01" && found.starts_with("E 25P02"))
            || (found == "E 34000 portal \"\" does not exist"
                && (wanted.starts_with("E 55000") || wanted.starts_with("E 25P02")))
    };
    wanted.len() == found.len() && wanted.iter().zip(found).all(alike)
}

fn compare(stack: &Stack, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let (mut direct, mut pooled, mut other) = (direct(stack), plain(stack), plain(stack));
    let mut told = Vec::new();
    for _ in 0..25 {
        let (mut sent, ends) = (Vec::new(), 1 + random.below(3));
        (0..ends).for_each(|_| batch(&mut random, &mut sent, &mut told));
        told.push("--".into());
        let wanted = answers(&mut direct, &sent, ends);
        let found = answers(&mut pooled, &sent, ends);
        if !same(&wanted, &found) {
            return Err(format!(
                "seed {seed}: {told:#?}\nwanted {wanted:#?}\nfound {found:#?}"
            ));
        }
        if found.last().is_some_and(|last| last == "Z I") {
            meddle(&mut other);
            nothing_is_left(&mut other);
        }
    }
    Ok(())
}

#[test]
fn the_same_answers_message_for_message() {
    let seeds = wanted::seeds(RUNS);
    for (stack, version) in stacks().iter().zip(VERSIONS) {
        for seed in seeds.clone() {
            compare(stack, seed).unwrap_or_else(|problem| panic!("{version:?}: {problem}"));
        }
    }
}
